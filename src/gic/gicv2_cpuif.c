/* GICv2 CPU interface, GICC (IHI0048 4.4): one frame, banked by the accessing CPU. Interrupt bypass is
 * stored and not acted upon (there is no legacy interrupt input). */
#include "gic/gic_int.h"

enum {
    CTLR_ACK = 1 << 2,
    CTLR_FIQEN = 1 << 3,
    CTLR_CBPR = 1 << 4,
    CTLR_BYPASS_SHIFT = 5,
    CTLR_EOI = 1 << 9,
    CTLR_EOI_NS = 1 << 10,
    CTL_BYPASS_SHIFT = 9,
    IIDR_GICC = 0x2043b, /* architecture 2, Arm */
};

static u32 when(u32 v, u32 test, u32 as) { return v & test ? as : 0; }

/* ---- control --------------------------------------------------------------------------------- */

static u32 read_ctlr(const struct gic *g, const struct gic_cpu *c, bool ns)
{
    u32 bypass = (c->ctl & CTL_BYPASS) >> CTL_BYPASS_SHIFT; /* FIQ 0, IRQ 0, FIQ 1, IRQ 1 */
    u32 en0 = c->grpen >> GRP_0 & 1, en1 = c->grpen >> GRP_1NS & 1;
    if (ns)
        return en1 | (bypass >> 2) << CTLR_BYPASS_SHIFT | when(c->ctl, CTL_EOI_NS, CTLR_EOI);
    u32 v = en0 | en1 << 1 | when(c->ctl, CTL_ACK, CTLR_ACK) | when(c->ctl, CTL_FIQEN, CTLR_FIQEN) |
            when(c->ctl, CTL_CBPR_NS, CTLR_CBPR) | bypass << CTLR_BYPASS_SHIFT | when(c->ctl, CTL_EOI_S, CTLR_EOI);
    return g->security ? v | when(c->ctl, CTL_EOI_NS, CTLR_EOI_NS) : v;
}

static void write_ctlr(struct gic *g, struct gic_cpu *c, bool ns, u32 v)
{
    u32 bypass = v >> CTLR_BYPASS_SHIFT & 0xf;
    if (ns) {
        c->grpen = (c->grpen & ~(1u << GRP_1NS)) | (v & 1) << GRP_1NS;
        c->ctl &= ~(u32)(CTL_EOI_NS | 0xc << CTL_BYPASS_SHIFT);
        c->ctl |= when(v, CTLR_EOI, CTL_EOI_NS) | (bypass & 3) << 2 << CTL_BYPASS_SHIFT;
    } else {
        c->grpen = (v & 1) << GRP_0 | (v >> 1 & 1) << GRP_1NS;
        c->ctl = when(v, CTLR_ACK, CTL_ACK) | when(v, CTLR_FIQEN, CTL_FIQEN) | when(v, CTLR_CBPR, CTL_CBPR_NS) |
                 bypass << CTL_BYPASS_SHIFT | when(v, CTLR_EOI, CTL_EOI_S) |
                 (g->security ? when(v, CTLR_EOI_NS, CTL_EOI_NS) : 0);
    }
    gic_update_cpu(g, c);
}

static bool eoi_split(const struct gic_cpu *c, bool ns) { return c->ctl & (ns ? CTL_EOI_NS : CTL_EOI_S); }

/* ---- acknowledge, EOI ------------------------------------------------------------------------ */

/* What GICC_(A)HPPIR and, if it is signalled, GICC_(A)IAR give for the best pending interrupt. alias: the register is
 * of Group 1 alone. */
static u32 visible_id(const struct gic_cpu *c, bool ns, bool alias)
{
    const struct gic_pending *p = &c->best;
    if (p->intid == INTID_SPURIOUS)
        return INTID_SPURIOUS;
    if (ns || alias)
        return p->group == GRP_1NS ? p->intid : INTID_SPURIOUS;
    return p->group == GRP_1NS && !(c->ctl & CTL_ACK) ? INTID_GROUP1 : p->intid;
}

static u32 acknowledge(struct gic *g, struct gic_cpu *c, bool ns, bool alias)
{
    if (!gic_can_preempt(c, &c->best))
        return INTID_SPURIOUS;
    u32 id = visible_id(c, ns, alias);
    return id >= INTID_SECURE ? id : gic_activate(g, c);
}

static u32 highest_pending(const struct gic_cpu *c, bool ns, bool alias)
{
    u32 id = visible_id(c, ns, alias);
    return id < GIC_SGIS ? id | (u32)__builtin_ctz(c->sgi_source[id] | 0x100u) << 10 : id;
}

static void end_of_interrupt(struct gic *g, struct gic_cpu *c, bool ns, bool alias, u32 v)
{
    u32 id = v & 0x3ff;
    if (id >= g->nirq)
        return;
    unsigned group = word_group(g, gic_word(g, c, id / 32), id % 32);
    if ((ns || alias) && group != GRP_1NS)
        return;
    if (!c->ap[group]) { /* the interrupt changed its group meanwhile, or was never acknowledged */
        int active = gic_active_group(c);
        if (active < 0 || (ns && active != GRP_1NS)) {
            log_guest(g->log, "gicc: CPU %u: end of interrupt %u, which is not active", c->index, id);
            return;
        }
        group = (unsigned)active;
    }
    gic_drop_priority(c, group);
    if (!eoi_split(c, ns))
        gic_deactivate(g, c, id);
    gic_signal(g, c);
}

static void deactivate(struct gic *g, struct gic_cpu *c, bool ns, u32 v)
{
    u32 id = v & 0x3ff;
    if (id >= g->nirq)
        return;
    if (!eoi_split(c, ns)) {
        log_guest(g->log, "gicc: CPU %u: GICC_DIR of interrupt %u with EOImode 0", c->index, id);
        return;
    }
    if (!ns || word_group(g, gic_word(g, c, id / 32), id % 32) == GRP_1NS)
        gic_deactivate(g, c, id);
}

/* ---- priorities ------------------------------------------------------------------------------ */

static u8 view_priority(bool ns, u8 p)
{
    if (!ns || p == PRIO_IDLE)
        return p;
    return p & 0x80 ? (u8)(p << 1) : 0;
}

static void write_pmr(struct gic *g, struct gic_cpu *c, bool ns, u8 v)
{
    if (ns) {
        if (!(c->pmr & 0x80))
            return;
        v = 0x80 | v >> 1;
    }
    c->pmr = v & PRIO_MASK;
    gic_signal(g, c);
}

/* GICC_BPR. Non-secure has the copy of Group 1, and with CBPR a view of the common one. */
static u32 read_bpr(const struct gic_cpu *c, bool ns)
{
    if (!ns)
        return c->bpr[GRP_0];
    if (c->ctl & CTL_CBPR_NS)
        return c->bpr[GRP_0] < 7 ? c->bpr[GRP_0] + 1u : 7;
    return c->bpr[GRP_1NS];
}

static void write_bpr(struct gic *g, struct gic_cpu *c, bool group1, u32 v)
{
    u8 least = group1 ? BPR_MIN + 1 : BPR_MIN;
    c->bpr[group1 ? GRP_1NS : GRP_0] = (v & 7) < least ? least : v & 7;
    gic_signal(g, c);
}

/* ---- dispatch -------------------------------------------------------------------------------- */

static u32 read_reg(struct gic *g, struct gic_cpu *c, bool ns, u32 off, bool *known)
{
    switch (off) {
    case 0x00: return read_ctlr(g, c, ns);
    case 0x04: return view_priority(ns, c->pmr);
    case 0x08: return read_bpr(c, ns);
    case 0x0c: return acknowledge(g, c, ns, false);
    case 0x14: return view_priority(ns, gic_running_priority(c));
    case 0x18: return highest_pending(c, ns, false);
    case 0x1c: return ns ? 0 : c->bpr[GRP_1NS];
    case 0x20: return ns ? 0 : acknowledge(g, c, ns, true);
    case 0x28: return ns ? 0 : highest_pending(c, ns, true);
    case 0xd0: return ns ? c->ap[GRP_1NS] >> 16 : c->ap[GRP_0]; /* the upper half, as Non-secure sees priorities */
    case 0xe0: return ns ? 0 : c->ap[GRP_1NS];
    case 0xd4:
    case 0xd8:
    case 0xdc:
    case 0xe4:
    case 0xe8:
    case 0xec: return 0;
    case 0xfc: return IIDR_GICC;
    default: *known = false; return 0;
    }
}

static enum bus_result cpuif_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct gic *g = ((struct gic_frame_dev *)d)->gic;
    bool known = true;
    (void)size;
    *val = 0;
    if (t->cpu >= g->ncpu)
        return BUS_OK;
    if (t->debug && (off == 0x0c || off == 0x20)) /* no acknowledge */
        off += off == 0x0c ? 0x18 - 0x0c : 0x28 - 0x20;
    *val = read_reg(g, &g->cpu[t->cpu], txn_ns_view(g, t), (u32)off, &known);
    if (!known && !t->debug)
        log_guest(d->log, "%s: read of no register at offset 0x%llx", d->id, (unsigned long long)off);
    return BUS_OK;
}

static bool write_reg(struct gic *g, struct gic_cpu *c, bool ns, u64 off, u32 v)
{
    switch (off) {
    case 0x00: write_ctlr(g, c, ns, v); return true;
    case 0x04: write_pmr(g, c, ns, (u8)v); return true;
    case 0x08:
        if (!ns || !(c->ctl & CTL_CBPR_NS))
            write_bpr(g, c, ns, v);
        return true;
    case 0x10: end_of_interrupt(g, c, ns, false, v); return true;
    case 0x1c:
        if (!ns)
            write_bpr(g, c, true, v);
        return true;
    case 0x24:
        if (!ns)
            end_of_interrupt(g, c, ns, true, v);
        return true;
    case 0xd0:
        if (ns)
            c->ap[GRP_1NS] = (c->ap[GRP_1NS] & 0xffff) | v << 16;
        else
            c->ap[GRP_0] = v;
        break;
    case 0xe0:
        if (!ns)
            c->ap[GRP_1NS] = v;
        break;
    case 0xd4:
    case 0xd8:
    case 0xdc:
    case 0xe4:
    case 0xe8:
    case 0xec: break;
    case 0x1000: deactivate(g, c, ns, v); return true;
    default: return false;
    }
    gic_signal(g, c);
    return true;
}

static enum bus_result cpuif_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct gic *g = ((struct gic_frame_dev *)d)->gic;
    (void)size;
    if (t->debug || t->cpu >= g->ncpu)
        return BUS_OK;
    if (!write_reg(g, &g->cpu[t->cpu], txn_ns_view(g, t), off, (u32)val))
        log_guest(d->log, "%s: write of 0x%llx to no or read-only register at offset 0x%llx", d->id,
                  (unsigned long long)val, (unsigned long long)off);
    return BUS_OK;
}

static void nothing(struct device *d) { (void)d; }
static void no_state(struct device *d, struct snap *s) { (void)d, (void)s; }

const struct device_ops gicv2_cpuif_ops = {
    .name = "gicv2-cpuif",
    .min_size = 4,
    .max_size = 4,
    .read = cpuif_read,
    .write = cpuif_write,
    .state = no_state,
    .destroy = nothing,
};
