/* GICv2 distributor (IHI0048 4.3), up to 8 CPUs; banked registers by the accessing CPU.
 *
 * SGIs cannot be disabled, as on GIC-400.  Without EL3 the interrupt groups are there and every access has
 * the Secure view, as the reference board's controller. */
#include "gic/gic_int.h"

enum { IIDR_V2 = 0x43b };

static struct gic_cpu *txn_cpu(struct gic *g, const struct txn *t) { return &g->cpu[t->cpu < g->ncpu ? t->cpu : 0]; }
static struct gic *dist_gic(struct device *d) { return ((struct gic_frame_dev *)d)->gic; }

/* Whether a Non-secure access reaches interrupt irq; access: GICD_NSACR's field that is enough, 4: none is. */
static bool reachable(struct gic *g, struct gic_cpu *c, const struct txn *t, unsigned irq, unsigned access)
{
    const struct gic_word *w = gic_word(g, c, irq / 32);
    unsigned b = irq % 32;
    return !txn_ns_view(g, t) || (w->group >> b & 1) || (w->nsacr[b / 16] >> (b % 16 * 2) & 3) >= access;
}

/* ---- targets --------------------------------------------------------------------------------- */

static u8 read_target(struct gic *g, struct gic_cpu *c, const struct txn *t, unsigned irq)
{
    if (g->ncpu == 1 || irq >= g->nirq || !reachable(g, c, t, irq, 3))
        return 0;
    return irq < GIC_PRIVATE ? (u8)(1u << c->index) : g->itargets[irq];
}

static void write_target(struct gic *g, struct gic_cpu *c, const struct txn *t, unsigned irq, u8 v)
{
    if (g->ncpu == 1 || irq < GIC_PRIVATE || irq >= g->nirq || !reachable(g, c, t, irq, 3))
        return;
    g->itargets[irq] = v & (u8)ones(g->ncpu);
    gic_route(g, irq);
}

/* ---- SGIs ------------------------------------------------------------------------------------ */

static void set_sgi(struct gic *g, struct gic_cpu *to, unsigned id, u8 sources)
{
    to->sgi_source[id] = sources;
    if (sources)
        to->priv.latch |= 1u << id;
    else
        to->priv.latch &= ~(1u << id);
    gic_update_cpu(g, to);
}

/* GICD_SGIR: TargetListFilter 25:24, CPUTargetList 23:16, NSATT 15, SGIINTID 3:0 */
static void send_sgi(struct gic *g, struct gic_cpu *from, const struct txn *t, u32 v)
{
    unsigned id = v & 15, list;
    switch (v >> 24 & 3) {
    case 0: list = v >> 16 & 0xff; break;
    case 1: list = ~(1u << from->index); break;
    case 2: list = 1u << from->index; break;
    default: log_guest(g->log, "gicd: GICD_SGIR with reserved TargetListFilter"); return;
    }
    for (unsigned i = 0; i < g->ncpu; i++) {
        struct gic_cpu *to = &g->cpu[i];
        if (!(list >> i & 1))
            continue;
        bool group1 = to->priv.group >> id & 1;
        bool ok = !g->security || (txn_ns_view(g, t) ? group1 || (to->priv.nsacr[0] >> (2 * id) & 3) >= 1
                                                     : group1 == ((v >> 15 & 1) != 0));
        if (ok)
            set_sgi(g, to, id, (u8)(to->sgi_source[id] | 1u << from->index));
    }
}

/* ---- registers ------------------------------------------------------------------------------- */

static u32 read_word(struct gic *g, struct gic_cpu *c, const struct txn *t, u32 off, bool *known)
{
    static const u8 id[12] = {0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
    u32 v = 0;
    switch (off) {
    case 0x000: return txn_ns_view(g, t) ? g->ctlr >> 1 & 1 : g->ctlr;
    case 0x004: return (g->nwords - 1) | (g->ncpu - 1) << 5 | (g->security ? 1u << 10 : 0);
    case 0x008: return IIDR_V2;
    default: break;
    }
    if (off >= 0x800 && off < 0xc00) {
        for (unsigned b = 0; b < 4; b++)
            v |= (u32)read_target(g, c, t, off - 0x800 + b) << (8 * b);
        return v;
    }
    if (off >= 0xf10 && off < 0xf30) { /* GICD_CPENDSGIR, GICD_SPENDSGIR */
        for (unsigned b = 0; b < 4; b++) {
            unsigned n = (off & 0xf) + b;
            if (reachable(g, c, t, n, off < 0xf20 ? 2 : 1))
                v |= (u32)c->sgi_source[n] << (8 * b);
        }
        return v;
    }
    if (off >= 0xfd0 && off < 0x1000)
        return id[(off - 0xfd0) / 4];
    *known = false;
    return 0;
}

static enum bus_result dist_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct gic *g = dist_gic(d);
    struct gic_cpu *c = txn_cpu(g, t);
    bool known = off < 0x1000;
    *val = 0;
    if (known && off < 0xf00 && gic_array_read(g, c, t, (u32)off, size, val))
        return BUS_OK;
    u32 v = known ? read_word(g, c, t, (u32)off & ~3u, &known) : 0;
    if (!known && !t->debug)
        log_guest(d->log, "%s: read of no register at offset 0x%llx", d->id, (unsigned long long)off);
    *val = v >> (off & 3) * 8 & ones(8 * size);
    return BUS_OK;
}

static void write_bytes(struct gic *g, struct gic_cpu *c, const struct txn *t, u32 off, u8 v)
{
    if (off < 0xc00) {
        write_target(g, c, t, off - 0x800, v);
        return;
    }
    unsigned n = off & 0xf;
    bool set = off >= 0xf20;
    if (reachable(g, c, t, n, set ? 1 : 2))
        set_sgi(g, c, n, set ? c->sgi_source[n] | v : c->sgi_source[n] & (u8)~v);
}

static enum bus_result dist_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct gic *g = dist_gic(d);
    struct gic_cpu *c = txn_cpu(g, t);
    if (t->debug)
        return BUS_OK;
    if (off < 0xf00 && gic_array_write(g, c, t, (u32)off, size, val))
        return BUS_OK;
    if (off == 0 && size == 4) {
        if (txn_ns_view(g, t))
            g->ctlr = (g->ctlr & ~2u) | (u32)(val & 1) << 1;
        else
            g->ctlr = (u32)val & 3;
        gic_update_all(g);
    } else if ((off >= 0x800 && off < 0xc00) || (off >= 0xf10 && off < 0xf30)) {
        for (unsigned b = 0; b < size; b++)
            write_bytes(g, c, t, (u32)off + b, (u8)(val >> (8 * b)));
    } else if (off == 0xf00 && size == 4) {
        send_sgi(g, c, t, (u32)val);
    } else {
        log_guest(d->log, "%s: write of 0x%llx to no or read-only register at offset 0x%llx", d->id,
                  (unsigned long long)val, (unsigned long long)off);
    }
    return BUS_OK;
}

static void dist_reset(struct device *d) { gic_reset(dist_gic(d)); }
static void dist_state(struct device *d, struct snap *s) { gic_state(dist_gic(d), s); }
static void nothing(struct device *d) { (void)d; }

const struct device_ops gicv2_dist_ops = {
    .name = "gicv2-dist",
    .max_size = 4,
    .read = dist_read,
    .write = dist_write,
    .reset = dist_reset,
    .state = dist_state,
    .destroy = nothing,
};
