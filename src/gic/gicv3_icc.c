/* GICv3 CPU interface: ICC_* system registers (IHI0069 4.8 and 12.2; register descriptions in DDI0487).
 *
 * System register access is always on: ICC_SRE_ELx read as SRE, DFB, DIB (and Enable) set and ignore
 * writes.  Traps and redirection to ICV_* are the CPU's (sysreg.def's chains).  Not modelled: SEIs
 * (SEIS = 0), range selector for Aff0 above 15 (RSS = 0), extended INTIDs. */
#include "gic/gic_int.h"

/* ICC_CTLR_EL1, ICC_CTLR_EL3 */
enum {
    CTLR_CBPR = 1 << 0,
    CTLR_EOIMODE = 1 << 1,
    CTLR_PMHE = 1 << 6,
    CTLR_INFO = (PRIO_BITS - 1) << 8 | 1 << 11 /* 24 bits of INTID */ | 1 << 15 /* A3V */,
    CTLR3_CBPR_NS = 1 << 1,
    CTLR3_EOI_EL3 = 1 << 2,
    CTLR3_EOI_S = 1 << 3,
    CTLR3_EOI_NS = 1 << 4,
};
enum { SRE_EL1 = 7, SRE_HIGH = 0xf };

/* The Group 1 whose registers the access reaches. */
static unsigned bank(const struct gic *g, const struct port_txn *t)
{
    return g->security && t->secure ? GRP_1S : GRP_1NS;
}
/* Whether the access sees Group 1 interrupts of group: EL3 those of both Security states. */
static bool sees(const struct gic *g, const struct port_txn *t, unsigned group)
{
    return gic_ds(g) || t->el == 3 || group == bank(g, t);
}

/* Non-secure access while Group 0 belongs to EL3: priorities are seen shifted. */
static bool shifted(const struct gic *g, const struct port_txn *t)
{
    return g->security && !gic_ds(g) && !t->secure && t->el < 3 && t->fiq_el3;
}

/* ---- acknowledge ---------------------------------------------------------------------------- */

static u32 hppir(struct gic *g, struct gic_cpu *c, const struct port_txn *t, unsigned which)
{
    const struct gic_pending *p = &c->best;
    if (p->intid == INTID_SPURIOUS)
        return INTID_SPURIOUS;
    if (which == 1)
        return p->group != GRP_0 && sees(g, t, p->group) ? p->intid : INTID_SPURIOUS;
    if (p->group != GRP_0) {
        /* EL3 learns whom an interrupt is for. */
        if (t->el < 3 || gic_ds(g))
            return INTID_SPURIOUS;
        return p->group == GRP_1S ? INTID_SECURE : INTID_NONSECURE;
    }
    bool hidden = !gic_ds(g) && !t->secure && t->el < 3;
    return hidden ? INTID_SPURIOUS : p->intid;
}

static u32 acknowledge(struct gic *g, struct gic_cpu *c, const struct port_txn *t, unsigned which)
{
    if (!gic_can_preempt(c, &c->best))
        return INTID_SPURIOUS;
    u32 id = hppir(g, c, t, which);
    if (id >= INTID_SECURE && id <= INTID_SPURIOUS)
        return id;
    return gic_activate(g, c);
}

static bool eoi_split(const struct gic *g, const struct gic_cpu *c, const struct port_txn *t)
{
    if (g->security && t->el == 3)
        return c->ctl & CTL_EOI_EL3;
    return c->ctl & (bank(g, t) == GRP_1S ? CTL_EOI_S : CTL_EOI_NS);
}

static void end_of_interrupt(struct gic *g, struct gic_cpu *c, const struct port_txn *t, unsigned which, u32 id)
{
    if (id >= g->nirq && id < GIC_LPI_BASE) /* special INTIDs and those that do not exist: ignored */
        return;
    int group = gic_active_group(c);
    if (group < 0 || (which == 0) != (group == GRP_0)) {
        log_guest(g->log, "gic: CPU %u: ICC_EOIR%u_EL1 of INTID %u, which has not the highest active priority",
                  c->index, which, id);
        return;
    }
    bool ds = gic_ds(g);
    if (group == GRP_0 && !ds && !t->secure && t->el < 3)
        return;
    if (group != GRP_0 && !ds && t->el < 3 && (unsigned)group != bank(g, t))
        return;
    gic_drop_priority(c, (unsigned)group);
    if (!eoi_split(g, c, t))
        gic_deactivate(g, c, id);
    gic_signal(g, c);
}

static void deactivate(struct gic *g, struct gic_cpu *c, const struct port_txn *t, u32 id)
{
    if (id >= g->nirq)
        return;
    if (!eoi_split(g, c, t)) {
        log_guest(g->log, "gic: CPU %u: ICC_DIR_EL1 of INTID %u with EOImode 0", c->index, id);
        return;
    }
    unsigned group = word_group(g, gic_word(g, c, id / 32), id % 32);
    if (!gic_ds(g) && !t->secure && t->el < 3 && group != GRP_1NS)
        return;
    gic_deactivate(g, c, id);
}

/* ---- SGIs ----------------------------------------------------------------------------------- */

/* Whether an SGI asked for with a register that means group reaches an interrupt as to has it configured (IHI0069
 * 12.1.10, use of control registers for SGI forwarding). With GICD_CTLR.DS set what GICR_NSACR could permit of
 * Group 0 is permitted, also to the Secure ICC_SGI1R_EL1. A controller of one Security state has Non-secure requests
 * only: there ICC_ASGI1R_EL1 means a Secure Group 1 that does not exist, and reaches Group 0 alone. */
static bool sgi_passes(const struct gic *g, const struct gic_cpu *to, unsigned id, unsigned group, bool ns)
{
    unsigned have = word_group(g, &to->priv, id);
    unsigned access = gic_ds(g) ? 1 : to->priv.nsacr[0] >> (2 * id) & 3;
    if (!ns && gic_ds(g) && group == GRP_1S) /* the Group 1 of the current state is the only one */
        return true;
    if (!ns || have == GRP_1NS)
        return have == group;
    return have == GRP_0 ? access >= 1 : access >= 2 && group != GRP_0;
}

static void send_sgi(struct gic *g, struct gic_cpu *from, unsigned group, bool ns, u64 v)
{
    unsigned id = (unsigned)bits(v, 27, 24);
    bool all = bit(v, 40);
    u64 cluster = bits(v, 55, 48) << 32 | bits(v, 39, 32) << 16 | bits(v, 23, 16) << 8;
    unsigned rs = (unsigned)bits(v, 47, 44);
    for (unsigned i = 0; i < g->ncpu; i++) {
        struct gic_cpu *to = &g->cpu[i];
        if (all) {
            if (to == from)
                continue;
        } else {
            u64 aff0 = to->affinity & 0xff;
            if ((to->affinity & ~0xffull) != cluster || aff0 / 16 != rs || !(v >> (aff0 & 15) & 1))
                continue;
        }
        if (!sgi_passes(g, to, id, group, ns))
            continue;
        to->priv.latch |= 1u << id;
        gic_update_cpu(g, to);
    }
}

/* ---- priorities and control ----------------------------------------------------------------- */

static u8 view_priority(const struct gic *g, const struct port_txn *t, u8 p)
{
    if (!shifted(g, t) || p == PRIO_IDLE)
        return p;
    return p & 0x80 ? (u8)(p << 1) : 0;
}

static void write_pmr(struct gic *g, struct gic_cpu *c, const struct port_txn *t, u64 v)
{
    u8 p = (u8)v;
    if (shifted(g, t)) {
        if (!(c->pmr & 0x80)) /* Secure software keeps Non-secure out */
            return;
        p = 0x80 | p >> 1;
    }
    c->pmr = p & PRIO_MASK;
    gic_signal(g, c);
}

/* The copy behind ICC_BPR1_EL1. CBPR makes it BPR0 for Secure EL1; Non-secure EL1 and EL2 see BPR0 plus one and cannot
 * write; EL3 always has the registers themselves. */
static u64 read_bpr1(struct gic *g, struct gic_cpu *c, const struct port_txn *t)
{
    unsigned b = bank(g, t);
    if (t->el < 3 && b == GRP_1S && (c->ctl & CTL_CBPR_S))
        return c->bpr[GRP_0];
    if (t->el < 3 && b == GRP_1NS && (c->ctl & CTL_CBPR_NS))
        return c->bpr[GRP_0] < 7 ? c->bpr[GRP_0] + 1u : 7;
    return c->bpr[b];
}

static void write_bpr(struct gic *g, struct gic_cpu *c, const struct port_txn *t, unsigned which, u64 v)
{
    unsigned b = which == 0 ? GRP_0 : bank(g, t);
    if (t->el < 3 && b == GRP_1S && (c->ctl & CTL_CBPR_S))
        b = GRP_0;
    if (t->el < 3 && b == GRP_1NS && (c->ctl & CTL_CBPR_NS))
        return;
    u8 least = b == GRP_1NS ? BPR_MIN + 1 : BPR_MIN;
    c->bpr[b] = (v & 7) < least ? least : v & 7;
    gic_signal(g, c);
}

static u32 pick(u32 from, u32 test, u32 as) { return from & test ? as : 0; }

static u64 read_ctlr_el1(struct gic *g, struct gic_cpu *c, const struct port_txn *t)
{
    bool s = bank(g, t) == GRP_1S;
    return CTLR_INFO | pick(c->ctl, s ? CTL_CBPR_S : CTL_CBPR_NS, CTLR_CBPR) |
           pick(c->ctl, s ? CTL_EOI_S : CTL_EOI_NS, CTLR_EOIMODE) | pick(c->ctl, CTL_PMHE, CTLR_PMHE);
}

static void assign(struct gic_cpu *c, u32 ctl, bool on) { c->ctl = on ? c->ctl | ctl : c->ctl & ~ctl; }

static void write_ctlr_el1(struct gic *g, struct gic_cpu *c, const struct port_txn *t, u64 v)
{
    bool s = bank(g, t) == GRP_1S;
    if (gic_ds(g)) { /* with two Security states CBPR and PMHE belong to ICC_CTLR_EL3 */
        assign(c, s ? CTL_CBPR_S : CTL_CBPR_NS, v & CTLR_CBPR);
        assign(c, CTL_PMHE, v & CTLR_PMHE);
    }
    assign(c, s ? CTL_EOI_S : CTL_EOI_NS, v & CTLR_EOIMODE);
    gic_signal(g, c);
}

static u64 read_ctlr_el3(const struct gic_cpu *c)
{
    return CTLR_INFO | pick(c->ctl, CTL_CBPR_S, CTLR_CBPR) | pick(c->ctl, CTL_CBPR_NS, CTLR3_CBPR_NS) |
           pick(c->ctl, CTL_EOI_EL3, CTLR3_EOI_EL3) | pick(c->ctl, CTL_EOI_S, CTLR3_EOI_S) |
           pick(c->ctl, CTL_EOI_NS, CTLR3_EOI_NS) | pick(c->ctl, CTL_PMHE, CTLR_PMHE);
}

static void write_ctlr_el3(struct gic *g, struct gic_cpu *c, u64 v)
{
    assign(c, CTL_CBPR_S, v & CTLR_CBPR);
    assign(c, CTL_CBPR_NS, v & CTLR3_CBPR_NS);
    assign(c, CTL_EOI_EL3, v & CTLR3_EOI_EL3);
    assign(c, CTL_EOI_S, v & CTLR3_EOI_S);
    assign(c, CTL_EOI_NS, v & CTLR3_EOI_NS);
    assign(c, CTL_PMHE, v & CTLR_PMHE);
    gic_signal(g, c);
}

static void set_groups(struct gic *g, struct gic_cpu *c, u32 m, u32 v)
{
    c->grpen = (c->grpen & ~m) | (v & m);
    gic_route_any(g);
    gic_update_cpu(g, c);
}

/* ---- the ports' functions ------------------------------------------------------------------- */

u64 gicv3_icc_read(void *arg, unsigned reg, const struct port_txn *t)
{
    struct gic_cpu *c = arg;
    struct gic *g = c->gic;
    switch (reg) {
    case SR_ICC_IAR0_EL1: return acknowledge(g, c, t, 0);
    case SR_ICC_IAR1_EL1: return acknowledge(g, c, t, 1);
    case SR_ICC_HPPIR0_EL1: return hppir(g, c, t, 0);
    case SR_ICC_HPPIR1_EL1: return hppir(g, c, t, 1);
    case SR_ICC_PMR_EL1: return view_priority(g, t, c->pmr);
    case SR_ICC_RPR_EL1: return view_priority(g, t, gic_running_priority(c));
    case SR_ICC_BPR0_EL1: return c->bpr[GRP_0];
    case SR_ICC_BPR1_EL1: return read_bpr1(g, c, t);
    case SR_ICC_AP0R0_EL1: return c->ap[GRP_0];
    case SR_ICC_AP1R0_EL1: return c->ap[bank(g, t)];
    case SR_ICC_CTLR_EL1: return read_ctlr_el1(g, c, t);
    case SR_ICC_CTLR_EL3: return read_ctlr_el3(c);
    case SR_ICC_SRE_EL1: return SRE_EL1;
    case SR_ICC_SRE_EL2:
    case SR_ICC_SRE_EL3: return SRE_HIGH;
    case SR_ICC_IGRPEN0_EL1: return c->grpen >> GRP_0 & 1;
    case SR_ICC_IGRPEN1_EL1: return c->grpen >> bank(g, t) & 1;
    case SR_ICC_IGRPEN1_EL3: return (c->grpen >> GRP_1NS & 1) | (c->grpen >> GRP_1S & 1) << 1;
    default: return g->virt ? gicv3_ich_read(c, reg) : 0; /* with 32 levels AP?R1..3 are not there: 0 */
    }
}

void gicv3_icc_write(void *arg, unsigned reg, const struct port_txn *t, u64 v)
{
    struct gic_cpu *c = arg;
    struct gic *g = c->gic;
    bool ns = !g->security || !t->secure;
    switch (reg) {
    case SR_ICC_EOIR0_EL1: end_of_interrupt(g, c, t, 0, v & 0xffffff); break;
    case SR_ICC_EOIR1_EL1: end_of_interrupt(g, c, t, 1, v & 0xffffff); break;
    case SR_ICC_DIR_EL1: deactivate(g, c, t, v & 0xffffff); break;
    case SR_ICC_PMR_EL1: write_pmr(g, c, t, v); break;
    case SR_ICC_BPR0_EL1: write_bpr(g, c, t, 0, v); break;
    case SR_ICC_BPR1_EL1: write_bpr(g, c, t, 1, v); break;
    case SR_ICC_AP0R0_EL1: c->ap[GRP_0] = (u32)v, gic_signal(g, c); break;
    case SR_ICC_AP1R0_EL1: c->ap[bank(g, t)] = (u32)v, gic_signal(g, c); break;
    case SR_ICC_CTLR_EL1: write_ctlr_el1(g, c, t, v); break;
    case SR_ICC_CTLR_EL3: write_ctlr_el3(g, c, v); break;
    case SR_ICC_SGI0R_EL1: send_sgi(g, c, GRP_0, ns, v); break;
    case SR_ICC_SGI1R_EL1: send_sgi(g, c, ns ? GRP_1NS : GRP_1S, ns, v); break;
    case SR_ICC_ASGI1R_EL1: send_sgi(g, c, ns ? GRP_1S : GRP_1NS, ns, v); break;
    case SR_ICC_SRE_EL1:
    case SR_ICC_SRE_EL2:
    case SR_ICC_SRE_EL3: break;
    case SR_ICC_IGRPEN0_EL1: set_groups(g, c, 1u << GRP_0, (u32)(v & 1) << GRP_0); break;
    case SR_ICC_IGRPEN1_EL1: set_groups(g, c, 1u << bank(g, t), (u32)(v & 1) << bank(g, t)); break;
    case SR_ICC_IGRPEN1_EL3:
        set_groups(g, c, 1u << GRP_1NS | 1u << GRP_1S, (u32)(v & 1) << GRP_1NS | (u32)(v >> 1 & 1) << GRP_1S);
        break;
    case SR_SCR_EL3: /* the PE's state changed */
        c->el3 = t->el == 3;
        c->secure = t->secure;
        gic_signal(g, c);
        break;
    default:
        if (g->virt)
            gicv3_ich_write(c, reg, v);
        break;
    }
}
