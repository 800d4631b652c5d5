/* The interrupt state machine under both GIC versions: candidates, priorities, active interrupts, routing,
 * wires (IHI0069 4.1, 4.8; IHI0048 3.2, 3.3).
 *
 * Invariants: gic_cpu.best is always the best candidate of the current state; an output wire's level is
 * always what the current state asks for.  Equal priorities: the lowest INTID wins. */
#include "gic/gic_int.h"

/* ---- candidates ----------------------------------------------------------------------------- */

/* Interrupts of a word whose group is in the set en (bit per enum gic_group). */
static u32 in_groups(const struct gic *g, const struct gic_word *w, u32 en)
{
    u32 grpmod = gic_ds(g) ? 0 : w->grpmod;
    u32 m = 0;
    if (en & 1u << GRP_0)
        m |= ~w->group & ~grpmod;
    if (en & 1u << GRP_1S)
        m |= ~w->group & grpmod;
    if (en & 1u << GRP_1NS)
        m |= w->group;
    return m;
}

static u32 enabled_groups(const struct gic *g)
{
    u32 en = 0;
    if (g->ctlr & GICD_CTLR_GRP0)
        en |= 1u << GRP_0;
    if (g->ctlr & GICD_CTLR_GRP1NS)
        en |= 1u << GRP_1NS;
    if (g->ctlr & GICD_CTLR_GRP1S)
        en |= 1u << GRP_1S;
    return en;
}

static struct gic_pending find_best(struct gic *g, struct gic_cpu *c)
{
    struct gic_pending best = {.intid = INTID_SPURIOUS, .prio = PRIO_IDLE, .group = GRP_0};
    u32 en = enabled_groups(g) & c->grpen;
    if (!en || (c->waker & WAKER_PROCESSOR_SLEEP))
        return best;
    for (unsigned i = 0; i < g->nwords; i++) {
        const struct gic_word *w = gic_word(g, c, i);
        u32 m = word_pending(w) & w->enable & ~w->active;
        if (i)
            m &= c->target[i];
        if (!m)
            continue;
        for (m &= in_groups(g, w, en); m; m &= m - 1) {
            unsigned b = (unsigned)__builtin_ctz(m);
            if (w->prio[b] < best.prio)
                best = (struct gic_pending){.intid = i * 32 + b, .prio = w->prio[b], .group = (u8)word_group(g, w, b)};
        }
    }
    if (c->lpi.intid != INTID_SPURIOUS && (en & 1u << GRP_1NS) && c->lpi.prio < best.prio)
        best = c->lpi;
    return best;
}

/* ---- priorities ----------------------------------------------------------------------------- */

u32 gic_group_mask(const struct gic_cpu *c, unsigned group)
{
    if ((group == GRP_1S && (c->ctl & CTL_CBPR_S)) || (group == GRP_1NS && (c->ctl & CTL_CBPR_NS)))
        group = GRP_0;
    /* Non-secure Group 1 priorities are seen shifted by one, and so is their binary point. */
    unsigned bpr = c->bpr[group];
    if (group == GRP_1NS)
        bpr--;
    return 0xff00u >> (7 - bpr) & 0xff;
}

u8 gic_running_priority(const struct gic_cpu *c)
{
    u32 ap = c->ap[GRP_0] | c->ap[GRP_1S] | c->ap[GRP_1NS];
    return ap ? (u8)(__builtin_ctz(ap) << (8 - PRIO_BITS)) : PRIO_IDLE;
}

bool gic_can_preempt(const struct gic_cpu *c, const struct gic_pending *p)
{
    if (p->intid == INTID_SPURIOUS || p->prio >= c->pmr)
        return false;
    u8 running = gic_running_priority(c);
    u32 mask = gic_group_mask(c, p->group); /* subpriorities do not count, on neither side */
    return running == PRIO_IDLE || (p->prio & mask) < (running & mask);
}

int gic_active_group(const struct gic_cpu *c)
{
    int group = -1;
    u32 lowest = 32;
    for (int i = 0; i < GRP_COUNT; i++) {
        u32 n = c->ap[i] ? (u32)__builtin_ctz(c->ap[i]) : 32;
        if (n < lowest)
            lowest = n, group = i;
    }
    return group;
}

void gic_drop_priority(struct gic_cpu *c, unsigned group) { c->ap[group] &= c->ap[group] - 1; }

/* ---- wires ---------------------------------------------------------------------------------- */

/* Whether an interrupt of this group is an FIQ for the PE as it is now (IHI0069 4.6.2, table of interrupt
 * signals; v2: GICC_CTLR.FIQEn). */
static bool is_fiq(const struct gic *g, const struct gic_cpu *c, unsigned group)
{
    if (g->version == 2)
        return group == GRP_0 && (c->ctl & CTL_FIQEN);
    if (group == GRP_0)
        return true;
    if (gic_ds(g))
        return false;
    if (group == GRP_1S)
        return c->el3 || !c->secure;
    return c->el3 || c->secure;
}

void gic_signal(struct gic *g, struct gic_cpu *c)
{
    bool want = gic_can_preempt(c, &c->best);
    bool fiq = want && is_fiq(g, c, c->best.group);
    irq_set(&c->out[GIC_FIQ], fiq);
    irq_set(&c->out[GIC_IRQ], want && !fiq);
}

void gic_update_cpu(struct gic *g, struct gic_cpu *c)
{
    c->best = find_best(g, c);
    gic_signal(g, c);
}

void gic_update_word(struct gic *g, struct gic_cpu *c, unsigned w)
{
    if (w == 0) {
        gic_update_cpu(g, c);
        return;
    }
    for (unsigned i = 0; i < g->ncpu; i++)
        if (g->cpu[i].target[w])
            gic_update_cpu(g, &g->cpu[i]);
}

void gic_update_irq(struct gic *g, struct gic_cpu *c, unsigned irq)
{
    if (irq < GIC_PRIVATE) {
        gic_update_cpu(g, c);
        return;
    }
    for (unsigned i = 0; i < g->ncpu; i++)
        if (g->cpu[i].target[irq / 32] >> (irq % 32) & 1)
            gic_update_cpu(g, &g->cpu[i]);
}

void gic_update_all(struct gic *g)
{
    for (unsigned i = 0; i < g->ncpu; i++)
        gic_update_cpu(g, &g->cpu[i]);
}

/* ---- acknowledge, deactivate ---------------------------------------------------------------- */

u32 gic_activate(struct gic *g, struct gic_cpu *c)
{
    struct gic_pending p = c->best;
    c->ap[p.group] |= 1u << ((p.prio & gic_group_mask(c, p.group)) >> (8 - PRIO_BITS));
    if (p.intid >= GIC_LPI_BASE) {
        gic_lpi_ack(g, c, p.intid);
        gic_update_cpu(g, c);
        return p.intid;
    }
    struct gic_word *w = gic_word(g, c, p.intid / 32);
    u32 m = 1u << (p.intid % 32), id = p.intid;
    w->active |= m;
    if (g->version == 2 && p.intid < GIC_SGIS) {
        u32 src = (u32)__builtin_ctz(c->sgi_source[p.intid]);
        c->sgi_source[p.intid] &= (u8)(c->sgi_source[p.intid] - 1);
        id |= src << 10;
        if (!c->sgi_source[p.intid])
            w->latch &= ~m;
    } else {
        w->latch &= ~m;
    }
    gic_update_irq(g, c, p.intid);
    if (p.intid >= GIC_PRIVATE)
        gic_signal(g, c); /* its own active priorities changed even if the SPI no longer targets it */
    return id;
}

void gic_deactivate(struct gic *g, struct gic_cpu *c, unsigned intid)
{
    if (intid >= g->nirq)
        return;
    struct gic_word *w = gic_word(g, c, intid / 32);
    u32 m = 1u << (intid % 32);
    if (w->active & m) {
        w->active &= ~m;
        gic_update_irq(g, c, intid);
    }
}

/* ---- routing -------------------------------------------------------------------------------- */

/* Whether a 1-of-N interrupt may go to this CPU: awake, its group enabled, not excluded by DPG. */
static bool takes_any(const struct gic *g, const struct gic_cpu *c, unsigned group)
{
    static const u8 dpg[GRP_COUNT] = {[GRP_0] = 0, [GRP_1NS] = 1, [GRP_1S] = 2};
    return !(c->waker & WAKER_PROCESSOR_SLEEP) && (c->grpen >> group & 1) && (enabled_groups(g) >> group & 1) &&
           !(c->rctlr >> (GICR_CTLR_DPG0_SHIFT + dpg[group]) & 1);
}

/* The CPU a 1-of-N interrupt goes to: the one with the least urgent running priority, the lowest index of
 * equals (IMPLEMENTATION DEFINED, IHI0069 3.2.3). */
static struct gic_cpu *pick_any(struct gic *g, unsigned irq)
{
    struct gic_cpu *best = NULL;
    unsigned group = word_group(g, &g->word[irq / 32], irq % 32);
    for (unsigned i = 0; i < g->ncpu; i++) {
        struct gic_cpu *c = &g->cpu[i];
        if (takes_any(g, c, group) && (!best || gic_running_priority(c) > gic_running_priority(best)))
            best = c;
    }
    return best;
}

void gic_route(struct gic *g, unsigned irq)
{
    u32 m = 1u << (irq % 32);
    u64 r = g->irouter[irq];
    struct gic_cpu *any = g->version == 3 && (r & IROUTER_IRM) ? pick_any(g, irq) : NULL;
    for (unsigned i = 0; i < g->ncpu; i++) {
        struct gic_cpu *c = &g->cpu[i];
        bool here = g->version == 2 ? (g->itargets[irq] >> i & 1) != 0 : r & IROUTER_IRM ? c == any : c->affinity == r;
        bool was = (c->target[irq / 32] & m) != 0;
        if (here == was)
            continue;
        c->target[irq / 32] ^= m;
        gic_update_cpu(g, c);
    }
}

void gic_route_any(struct gic *g)
{
    for (unsigned w = 1; w < g->nwords; w++)
        for (u32 m = g->any[w]; m; m &= m - 1)
            gic_route(g, w * 32 + (unsigned)__builtin_ctz(m));
}

void gic_route_all(struct gic *g)
{
    for (unsigned irq = GIC_PRIVATE; irq < g->nirq; irq++)
        gic_route(g, irq);
}

/* ---- inputs --------------------------------------------------------------------------------- */

static bool drive(struct gic_word *w, u32 m, bool level)
{
    u32 before = word_pending(w);
    if (level) {
        if (!(w->level & m) && (w->edge & m))
            w->latch |= m;
        w->level |= m;
    } else {
        w->level &= ~m;
    }
    return word_pending(w) != before;
}

static void set_spi(void *sink, unsigned intid, bool level)
{
    struct gic *g = sink;
    if (drive(&g->word[intid / 32], 1u << (intid % 32), level)) {
        if (level && (g->any[intid / 32] >> (intid % 32) & 1))
            gic_route(g, intid);
        gic_update_irq(g, NULL, intid);
    }
}

static void set_ppi(void *sink, unsigned intid, bool level)
{
    struct gic_cpu *c = sink;
    if (drive(&c->priv, 1u << intid, level))
        gic_update_cpu(c->gic, c);
}

struct irq gic_spi_input(struct gic *g, unsigned n)
{
    CHECK(n + GIC_PRIVATE < g->nirq);
    return (struct irq){.set = set_spi, .sink = g, .n = n + GIC_PRIVATE};
}

struct irq gic_ppi_input(struct gic *g, unsigned cpu, unsigned intid)
{
    CHECK(cpu < g->ncpu && intid >= GIC_SGIS && intid < GIC_PRIVATE);
    return (struct irq){.set = set_ppi, .sink = &g->cpu[cpu], .n = intid};
}

void gic_connect(struct gic *g, unsigned cpu, enum gic_output out, struct irq wire)
{
    CHECK(cpu < g->ncpu && out < GIC_OUTPUTS);
    g->cpu[cpu].out[out] = wire;
}
