/* GICv3 distributor (IHI0069 12.9) and redistributors (12.11, 12.12), always with affinity routing: legacy
 * operation does not exist, as GICD_CTLR.ARE_* are RAO/WI.
 *
 * Not modelled: message-based SPIs (GICD_TYPER.MBIS = 0; the machine has an ITS), extended SPI and PPI
 * ranges (GICv3.1), GICD_STATUSR, GICR_SETLPIR and its relatives on machines with an ITS. */
#include "gic/gic_int.h"

enum {
    IIDR_ARM = 0x43b, /* JEP106 code of Arm, product 0 */
    TYPER_IDBITS = 15,
    TYPER_A3V = 1 << 24,
    TYPER_LPIS = 1 << 17,
    TYPER_SECURITY = 1 << 10,
};

/* PIDR4..7, PIDR0..3, CIDR0..3 at 0xffd0. */
static u32 id_register(u32 off, u8 pidr0)
{
    static const u8 id[12] = {0x44, 0, 0, 0, 0, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};
    unsigned i = (off - 0xffd0) / 4;
    return i == 4 ? pidr0 : id[i];
}

/* ---- distributor ---------------------------------------------------------------------------- */

static u32 read_ctlr(struct gic *g, const struct txn *t)
{
    u32 c = g->ctlr;
    if (txn_ns_view(g, t)) /* EnableGrp1A at bit 1, ARE_NS at bit 4 */
        return (c & GICD_CTLR_GRP1NS) | 1 << 4;
    if (gic_ds(g))
        return (c & (GICD_CTLR_GRP0 | GICD_CTLR_GRP1NS | GICD_CTLR_E1NWF)) | GICD_CTLR_DS | 1 << 4;
    return c | GICD_CTLR_ARE_S | GICD_CTLR_ARE_NS;
}

static void write_ctlr(struct gic *g, const struct txn *t, u32 v)
{
    u32 m = GICD_CTLR_GRP0 | GICD_CTLR_GRP1NS | GICD_CTLR_E1NWF;
    if (txn_ns_view(g, t))
        m = GICD_CTLR_GRP1NS;
    else if (!gic_ds(g))
        m |= GICD_CTLR_GRP1S | GICD_CTLR_DS;
    g->ctlr = (g->ctlr & ~m) | (v & m);
    if (g->ctlr & GICD_CTLR_DS) /* one Security state from now on, until reset */
        g->ctlr &= ~(u32)GICD_CTLR_GRP1S;
    gic_route_any(g);
    gic_update_all(g);
}

static u32 read_typer(const struct gic *g)
{
    u32 v = (g->nwords - 1) | TYPER_IDBITS << 19 | TYPER_A3V;
    if (g->lpis)
        v |= TYPER_LPIS;
    if (!gic_ds(g))
        v |= TYPER_SECURITY;
    return v;
}

/* A Non-secure access reaches IROUTER of Non-secure interrupts and of those with NS_access 0b11. */
static bool router_visible(struct gic *g, const struct txn *t, unsigned irq)
{
    const struct gic_word *w = &g->word[irq / 32];
    unsigned b = irq % 32;
    return !txn_ns_view(g, t) || (w->group >> b & 1) || (w->nsacr[b / 16] >> (b % 16 * 2) & 3) == 3;
}

static bool is_router(const struct gic *g, u64 off) { return off >= 0x6100 && off < 0x6000 + 8ull * g->nirq; }

static enum bus_result dist_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct gic *g = ((struct gic_frame_dev *)d)->gic;
    *val = 0;
    if (is_router(g, off)) {
        unsigned irq = (unsigned)(off - 0x6000) / 8;
        if (router_visible(g, t, irq))
            *val = g->irouter[irq] >> (off & 7) * 8 & ones(8 * size);
        return BUS_OK;
    }
    if (size == 8) {
        u64 hi;
        dist_read(d, t, off, 4, val);
        dist_read(d, t, off + 4, 4, &hi);
        *val |= hi << 32;
        return BUS_OK;
    }
    if (off < 0xf00 && gic_array_read(g, NULL, t, (u32)off, size, val))
        return BUS_OK;
    u32 v = 0;
    switch (off & ~3ull) {
    case 0x0000: v = read_ctlr(g, t); break;
    case 0x0004: v = read_typer(g); break;
    case 0x0008: v = IIDR_ARM; break;
    case 0x000c: /* TYPER2: no vPEs, no ESPI */
    case 0x0010: /* GICD_STATUSR is optional; without it RAZ/WI (IHI0069, 12.9) */ break;
    default:
        if (off >= 0xffd0 && off < 0x10000)
            v = id_register((u32)off & ~3u, 0x92);
        else if (off >= 0x800 && off < 0xc00)
            v = 0; /* ITARGETSR: RAZ/WI with affinity routing */
        else if (!t->debug)
            log_guest(d->log, "%s: read of no register at offset 0x%llx", d->id, (unsigned long long)off);
    }
    *val = v >> (off & 3) * 8 & ones(8 * size);
    return BUS_OK;
}

static void write_router(struct gic *g, const struct txn *t, u64 off, unsigned size, u64 val)
{
    unsigned irq = (unsigned)(off - 0x6000) / 8;
    if (!router_visible(g, t, irq))
        return;
    u64 lanes = ones(8 * size) << (off & 7) * 8;
    u64 v = (g->irouter[irq] & ~lanes) | (val << (off & 7) * 8 & lanes);
    g->irouter[irq] = v & (IROUTER_AFF | IROUTER_IRM);
    g->any[irq / 32] &= ~(1u << (irq % 32));
    if (v & IROUTER_IRM)
        g->any[irq / 32] |= 1u << (irq % 32);
    gic_route(g, irq);
}

static enum bus_result dist_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct gic *g = ((struct gic_frame_dev *)d)->gic;
    if (t->debug)
        return BUS_OK;
    if (is_router(g, off)) {
        write_router(g, t, off, size, val);
        return BUS_OK;
    }
    if (size == 8) {
        dist_write(d, t, off, 4, val & 0xffffffff);
        return dist_write(d, t, off + 4, 4, val >> 32);
    }
    if (off < 0xf00 && gic_array_write(g, NULL, t, (u32)off, size, val))
        return BUS_OK;
    if (off == 0 && size == 4)
        write_ctlr(g, t, (u32)val);
    else if (off == 0x10 || (off >= 0x800 && off < 0xc00))
        ; /* STATUSR, ITARGETSR: RAZ/WI */
    else
        log_guest(d->log, "%s: write of 0x%llx to no or read-only register at offset 0x%llx", d->id,
                  (unsigned long long)val, (unsigned long long)off);
    return BUS_OK;
}

static void dist_reset(struct device *d) { gic_reset(((struct gic_frame_dev *)d)->gic); }
static void dist_state(struct device *d, struct snap *s) { gic_state(((struct gic_frame_dev *)d)->gic, s); }
static void nothing(struct device *d) { (void)d; }
static void no_state(struct device *d, struct snap *s) { (void)d, (void)s; }

const struct device_ops gicv3_dist_ops = {
    .name = "gicv3-dist",
    .read = dist_read,
    .write = dist_write,
    .reset = dist_reset,
    .state = dist_state,
    .destroy = nothing,
};

/* ---- redistributors ------------------------------------------------------------------------- */

static u64 redist_typer(const struct gic *g, const struct gic_cpu *c)
{
    u64 aff = (c->affinity >> 32 & 0xff) << 24 | (c->affinity & 0xffffff);
    u64 v = aff << 32 | 1 << 24 /* CommonLPIAff: shared by Aff3 */ | (u64)c->index << 8;
    if (g->lpis)
        v |= 1; /* PLPIS */
    if (c->index == g->ncpu - 1)
        v |= 1 << 4;   /* Last */
    return v | 1 << 5; /* DPGS */
}

/* The registers of RD_base; 64-bit ones are reachable by halves. */
static u64 rd_read(struct gic *g, struct gic_cpu *c, const struct txn *t, u32 off, bool *known)
{
    switch (off & ~7u) {
    case 0x0000: return c->rctlr | (g->lpis ? GICR_CTLR_CES : 0u) | (u64)IIDR_ARM << 32;
    case 0x0008: return redist_typer(g, c);
    case 0x0010: return txn_ns_view(g, t) ? 0 : (u64)c->waker << 32;
    case 0x0070: return g->lpis ? c->propbaser : 0;
    case 0x0078: return g->lpis ? c->pendbaser & ~(1ull << 62) : 0; /* PTZ reads as zero */
    case 0x00c0: return 0;                                          /* SYNCR: never busy */
    default: *known = false; return 0;
    }
}

static void set_waker(struct gic *g, struct gic_cpu *c, u32 v)
{
    c->waker = v & WAKER_PROCESSOR_SLEEP ? WAKER_PROCESSOR_SLEEP | WAKER_CHILDREN_ASLEEP : 0;
    gic_route_any(g);
    gic_update_cpu(g, c);
}

static void rd_write(struct gic *g, struct gic_cpu *c, const struct txn *t, u32 off, u64 v, u64 lanes, bool *known)
{
    switch (off & ~7u) {
    case 0x0000:
        if (lanes & 0xffffffff)
            gic_lpi_ctlr(g, c, (u32)(v & lanes), txn_ns_view(g, t));
        break;
    case 0x0010:
        if ((lanes >> 32) && !txn_ns_view(g, t))
            set_waker(g, c, (u32)(v >> 32));
        break;
    case 0x0070: gic_lpi_propbaser(g, c, (c->propbaser & ~lanes) | (v & lanes)); break;
    case 0x0078: gic_lpi_pendbaser(g, c, (c->pendbaser & ~lanes) | (v & lanes)); break;
    default: *known = false; break;
    }
}

static struct gic_cpu *redist_cpu(struct gic *g, u64 *off)
{
    struct gic_cpu *c = &g->cpu[*off >> 17];
    *off &= 0x1ffff;
    return c;
}

/* Of the arrays, word 0 alone exists here: its register of one-bit fields, eight of priorities, two of
 * configuration, one of NSACR. */
static bool sgi_frame(u64 off)
{
    if (off < 0x10080 || off >= 0x10e04)
        return false;
    u32 o = (u32)off & 0xffff;
    if (o >= 0x400 && o < 0x800)
        return o < 0x420;
    if (o >= 0xc00 && o < 0xd00)
        return o < 0xc08;
    return (o & 0x7f) < 4;
}

static enum bus_result redist_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct gic *g = ((struct gic_frame_dev *)d)->gic;
    u64 whole = off;
    struct gic_cpu *c = redist_cpu(g, &off);
    bool known = true;
    *val = 0;
    if (size == 8 && off >= 0x10000) {
        u64 hi;
        redist_read(d, t, whole, 4, val);
        redist_read(d, t, whole + 4, 4, &hi);
        *val |= hi << 32;
        return BUS_OK;
    }
    if (off >= 0xffd0 && off < 0x10000)
        *val = id_register((u32)off & ~3u, 0x93);
    else if (off < 0x10000)
        *val = rd_read(g, c, t, (u32)off, &known) >> (off & 7) * 8 & ones(8 * size);
    else
        known = sgi_frame(off) && gic_array_read(g, c, t, (u32)off & 0xffff, size, val);
    if (!known && !t->debug)
        log_guest(d->log, "%s: read of no register of CPU %u at offset 0x%llx", d->id, c->index,
                  (unsigned long long)off);
    return BUS_OK;
}

static enum bus_result redist_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct gic *g = ((struct gic_frame_dev *)d)->gic;
    u64 whole = off;
    struct gic_cpu *c = redist_cpu(g, &off);
    bool known = true;
    if (t->debug)
        return BUS_OK;
    if (size == 8 && off >= 0x10000) {
        redist_write(d, t, whole, 4, val & 0xffffffff);
        return redist_write(d, t, whole + 4, 4, val >> 32);
    }
    if (off < 0x10000)
        rd_write(g, c, t, (u32)off, val << (off & 7) * 8, ones(8 * size) << (off & 7) * 8, &known);
    else
        known = sgi_frame(off) && gic_array_write(g, c, t, (u32)off & 0xffff, size, val);
    if (!known)
        log_guest(d->log, "%s: write of 0x%llx to no or read-only register of CPU %u at offset 0x%llx", d->id,
                  (unsigned long long)val, c->index, (unsigned long long)off);
    return BUS_OK;
}

const struct device_ops gicv3_redist_ops = {
    .name = "gicv3-redist",
    .read = redist_read,
    .write = redist_write,
    .reset = NULL,
    .state = no_state,
    .destroy = nothing,
};
