/* The virtual CPU interface: list registers and what a guest's acknowledge, EOI and deactivate do to them
 * (IHI0069 chapter 6; IHI0048 chapter 5).  Both versions keep ICH_* layouts inside.
 *
 * Choices where the architecture leaves one: priority drop happens before the other checks of an EOI;
 * in v3 an EOI without any active priority changes nothing (in v2 it deactivates as well, in any order); equal
 * priorities: the lowest list register. */
#include "gic/gic_int.h"

/* ---- binary points and priorities ------------------------------------------------------------ */

/* Without a view of the common one for Group 1. */
static unsigned vbpr(const struct gic_cpu *c, unsigned n)
{
    return c->vmcr >> (n ? VMCR_VBPR1_SHIFT : VMCR_VBPR0_SHIFT) & 7;
}

/* v3: with CBPR the guest sees a view of BPR0 in BPR1. v2: its GICV_ABPR stays a register of its own. */
unsigned gic_read_vbpr(const struct gic *g, const struct gic_cpu *c, unsigned n)
{
    if (n == 0 || g->version == 2 || !(c->vmcr & VMCR_VCBPR))
        return vbpr(c, n);
    return vbpr(c, 0) < 7 ? vbpr(c, 0) + 1 : 7;
}

static u32 clamp_vbpr(u32 vmcr)
{
    if ((vmcr >> VMCR_VBPR0_SHIFT & 7) < BPR_MIN)
        vmcr = (vmcr & ~(7u << VMCR_VBPR0_SHIFT)) | BPR_MIN << VMCR_VBPR0_SHIFT;
    if ((vmcr >> VMCR_VBPR1_SHIFT & 7) < BPR_MIN + 1)
        vmcr = (vmcr & ~(7u << VMCR_VBPR1_SHIFT)) | (BPR_MIN + 1) << VMCR_VBPR1_SHIFT;
    return vmcr;
}

void gic_write_vbpr(struct gic *g, struct gic_cpu *c, unsigned n, unsigned v)
{
    if (n == 1 && g->version == 3 && (c->vmcr & VMCR_VCBPR))
        return;
    unsigned shift = n ? VMCR_VBPR1_SHIFT : VMCR_VBPR0_SHIFT;
    c->vmcr = clamp_vbpr((c->vmcr & ~(7u << shift)) | (v & 7) << shift);
    gic_vupdate(g, c);
}

void gic_write_vmcr(struct gic *g, struct gic_cpu *c, u32 v)
{
    u32 m = VMCR_VENG0 | VMCR_VENG1 | VMCR_VCBPR | VMCR_VEOIM | 7u << VMCR_VBPR1_SHIFT | 7u << VMCR_VBPR0_SHIFT |
            (u32)PRIO_MASK << VMCR_VPMR_SHIFT;
    if (g->version == 2)
        m |= VMCR_VACKCTL | VMCR_VFIQEN;
    c->vmcr = clamp_vbpr(v & m);
    gic_vupdate(g, c);
}

static u32 preempt_mask(const struct gic_cpu *c, unsigned group)
{
    unsigned bpr = group && !(c->vmcr & VMCR_VCBPR) ? vbpr(c, 1) - 1 : vbpr(c, 0);
    return 0xff00u >> (7 - bpr) & 0xff;
}

u8 gic_vrunning_priority(const struct gic_cpu *c)
{
    u32 ap = c->vap[0] | c->vap[1];
    return ap ? (u8)(__builtin_ctz(ap) << (8 - PRIO_BITS)) : PRIO_IDLE;
}

/* Clears the highest active priority; returns it, PRIO_IDLE: there was none. */
static u8 drop_priority(struct gic_cpu *c)
{
    u8 p = gic_vrunning_priority(c);
    if (p != PRIO_IDLE) {
        u32 m = 1u << (p >> (8 - PRIO_BITS));
        if (c->vap[0] & m)
            c->vap[0] &= ~m;
        else
            c->vap[1] &= ~m;
    }
    return p;
}

/* ---- candidates ------------------------------------------------------------------------------ */

int gic_vbest(const struct gic_cpu *c)
{
    int best = -1;
    for (int i = 0; i < GIC_LRS; i++) {
        u64 lr = c->lr[i];
        if ((lr & LR_STATE) != LR_PENDING || !(c->vmcr >> lr_group(lr) & 1))
            continue;
        if (best < 0 || lr_prio(lr) < lr_prio(c->lr[best]))
            best = i;
    }
    return best;
}

bool gic_vcan_preempt(const struct gic_cpu *c, int i)
{
    if (i < 0 || !(c->hcr & HCR_EN))
        return false;
    u64 lr = c->lr[i];
    if (lr_prio(lr) >= (c->vmcr >> VMCR_VPMR_SHIFT & PRIO_MASK))
        return false;
    u8 running = gic_vrunning_priority(c);
    u32 mask = preempt_mask(c, lr_group(lr));
    return running == PRIO_IDLE || (lr_prio(lr) & mask) < (running & mask);
}

/* ---- maintenance ----------------------------------------------------------------------------- */

u32 gic_eisr(const struct gic_cpu *c)
{
    u32 m = 0;
    for (unsigned i = 0; i < GIC_LRS; i++)
        if ((c->lr[i] & (LR_STATE | LR_HW | LR_EOI)) == LR_EOI)
            m |= 1u << i;
    return m;
}

u32 gic_elrsr(const struct gic_cpu *c)
{
    u32 m = 0;
    for (unsigned i = 0; i < GIC_LRS; i++)
        if (!(c->lr[i] & LR_STATE) && ((c->lr[i] & LR_HW) || !(c->lr[i] & LR_EOI)))
            m |= 1u << i;
    return m;
}

/* ICH_HCR's enables of U, LRENP, NP, VGrp0E .. VGrp1D stand in the order of MISR's bits 1 to 7. */
u32 gic_misr(const struct gic_cpu *c)
{
    unsigned valid = 0, pending = 0;
    for (unsigned i = 0; i < GIC_LRS; i++) {
        valid += (c->lr[i] & LR_STATE) != 0;
        pending += (c->lr[i] & LR_STATE) == LR_PENDING;
    }
    u32 m = 0;
    if (valid <= 1)
        m |= 1 << 1; /* U */
    if (c->hcr & HCR_EOICOUNT)
        m |= 1 << 2; /* LRENP */
    if (!pending)
        m |= 1 << 3; /* NP */
    m |= c->vmcr & VMCR_VENG0 ? 1 << 4 : 1 << 5;
    m |= c->vmcr & VMCR_VENG1 ? 1 << 6 : 1 << 7;
    m &= c->hcr & 0xfe;
    return m | (gic_eisr(c) ? 1 : 0);
}

void gic_vupdate(struct gic *g, struct gic_cpu *c)
{
    if (!g->virt)
        return;
    int i = gic_vbest(c);
    bool want = gic_vcan_preempt(c, i);
    bool fiq = want && lr_group(c->lr[i]) == 0 && (g->version == 3 || (c->vmcr & VMCR_VFIQEN));
    irq_set(&c->out[GIC_VFIQ], fiq);
    irq_set(&c->out[GIC_VIRQ], want && !fiq);
    irq_set(&c->maint, (c->hcr & HCR_EN) && gic_misr(c));
}

/* ---- acknowledge, EOI, deactivate ------------------------------------------------------------- */

void gic_vactivate(struct gic *g, struct gic_cpu *c, int i)
{
    u64 lr = c->lr[i];
    unsigned group = lr_group(lr);
    u32 m = 1u << ((lr_prio(lr) & preempt_mask(c, group)) >> (8 - PRIO_BITS));
    c->vap[g->version == 2 ? 0 : group] |= m; /* GICH_APR serves both groups */
    c->lr[i] = lr & ~LR_PENDING;
    if (lr_vintid(lr) < GIC_LPI_BASE) /* LPIs have no active state */
        c->lr[i] |= LR_ACTIVE;
    gic_vupdate(g, c);
}

/* The list register in which id is active. v2: an SGI's id has the source CPU in bits 12:10; when no entry has that
 * source, the INTID alone decides. */
static int find_active(const struct gic *g, const struct gic_cpu *c, u32 id)
{
    int loose = -1;
    for (int i = 0; i < GIC_LRS; i++) {
        u64 lr = c->lr[i];
        if (!(lr & LR_ACTIVE))
            continue;
        if (g->version == 3) {
            if (lr_vintid(lr) == id)
                return i;
        } else if (lr_vintid(lr) == (id & 0x3ff)) {
            if ((lr & LR_HW) || (lr_pintid(lr) & 7) == (id >> 10 & 7))
                return i;
            loose = i;
        }
    }
    return loose;
}

static void end_lr(struct gic *g, struct gic_cpu *c, int i)
{
    u64 lr = c->lr[i];
    c->lr[i] = lr & ~LR_ACTIVE;
    if (lr & LR_HW)
        gic_deactivate(g, c, lr_pintid(lr));
}

static void count_eoi(struct gic_cpu *c)
{
    u32 n = (c->hcr >> HCR_EOICOUNT_SHIFT) + 1;
    c->hcr = (c->hcr & ~HCR_EOICOUNT) | n << HCR_EOICOUNT_SHIFT;
}

/* v2's id has a source CPU above the INTID. */
static bool special(const struct gic *g, u32 id)
{
    u32 n = g->version == 2 ? id & 0x3ff : id;
    return n >= INTID_SECURE && n <= INTID_SPURIOUS;
}

void gic_veoi(struct gic *g, struct gic_cpu *c, int group, u32 id)
{
    bool split = c->vmcr & VMCR_VEOIM;
    if (special(g, id))
        return;
    u8 dropped = drop_priority(c);
    if (dropped != PRIO_IDLE || g->version == 2) {
        int i = find_active(g, c, id);
        if (i < 0) {
            if (!split && dropped != PRIO_IDLE && id < GIC_LPI_BASE)
                count_eoi(c);
        } else {
            unsigned of = lr_group(c->lr[i]);
            bool match = group < 0 || (unsigned)group == of;
            if (g->version == 3)
                match = match && (lr_prio(c->lr[i]) & preempt_mask(c, of)) == dropped;
            /* An LPI that the hypervisor made active knows no separate deactivation. */
            if (match && (!split || id >= GIC_LPI_BASE))
                end_lr(g, c, i);
        }
    }
    gic_vupdate(g, c);
}

void gic_vdir(struct gic *g, struct gic_cpu *c, u32 id)
{
    if (!(c->vmcr & VMCR_VEOIM) || special(g, id) || (g->version == 3 && id >= GIC_LPI_BASE))
        return;
    int i = find_active(g, c, id);
    if (i < 0)
        count_eoi(c);
    else
        end_lr(g, c, i);
    gic_vupdate(g, c);
}
