/* The register arrays with one, two or eight bits an interrupt, which GICD of both versions and GICR's SGI
 * frame share (IHI0069 12.9, 12.11; IHI0048 4.3), and what a Non-secure access may see and change there.
 *
 * c selects the bank of word 0; NULL means that word 0 is RAZ/WI (GICv3 GICD with affinity routing). */
#include "gic/gic_int.h"

/* Interrupts of w that the access may touch: all, or Non-secure Group 1 plus those whose GICD_NSACR field is
 * at least level (0: NSACR does not help). */
static u32 visible(const struct gic *g, const struct txn *t, const struct gic_word *w, unsigned i, unsigned level)
{
    if (!txn_ns_view(g, t))
        return ~0u;
    u32 m = w->group;
    /* GICR_NSACR is about SGI generation only. */
    if (level && (i || g->version == 2))
        for (unsigned b = 0; b < 32; b++)
            if ((w->nsacr[b / 16] >> (b % 16 * 2) & 3) >= level)
                m |= 1u << b;
    return m;
}

static u32 spread(u32 edge, unsigned half)
{
    u32 v = 0;
    for (unsigned b = 0; b < 16; b++)
        v |= (edge >> (half * 16 + b) & 1) << (2 * b + 1);
    return v;
}

static u32 squeeze(u32 v)
{
    u32 m = 0;
    for (unsigned b = 0; b < 16; b++)
        m |= (v >> (2 * b + 1) & 1) << b;
    return m;
}

/* ---- priorities ----------------------------------------------------------------------------- */

static u8 prio_read(const struct gic_word *w, unsigned b, u32 vis, bool ns)
{
    if (!(vis >> b & 1))
        return 0;
    return ns ? (u8)(w->prio[b] << 1) : w->prio[b];
}

static void prio_write(struct gic_word *w, unsigned b, u32 vis, bool ns, u8 v)
{
    if (vis >> b & 1)
        w->prio[b] = (ns ? 0x80 | v >> 1 : v) & PRIO_MASK;
}

/* ---- one 32-bit register -------------------------------------------------------------------- */

enum block { IGROUPR, ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER, IGRPMODR, BLOCKS };

/* The block of a one-bit register and its word; BLOCKS: none. */
static enum block one_bit(u32 off, unsigned *i)
{
    *i = (off & 0x7f) / 4;
    if (off >= 0x80 && off < 0x400)
        return (enum block)(off / 0x80 - 1);
    if (off >= 0xd00 && off < 0xd80)
        return IGRPMODR;
    return BLOCKS;
}

/* v2 without the ability to disable SGIs (as GIC-400); in v3 they are like PPIs. */
static u32 fixed(const struct gic *g, unsigned i) { return g->version == 2 && i == 0 ? 0xffff : 0; }

static u32 read_one_bit(struct gic *g, const struct txn *t, enum block k, struct gic_word *w, unsigned i)
{
    switch (k) {
    case IGROUPR: return txn_ns_view(g, t) ? 0 : w->group;
    case IGRPMODR: return g->version == 2 || gic_ds(g) || txn_ns_view(g, t) ? 0 : w->grpmod;
    case ISENABLER:
    case ICENABLER: return (w->enable | fixed(g, i)) & visible(g, t, w, i, 0);
    case ISPENDR: return word_pending(w) & visible(g, t, w, i, 1);
    case ICPENDR: return word_pending(w) & visible(g, t, w, i, 2);
    default: return w->active & visible(g, t, w, i, 2);
    }
}

/* v is what was written, lanes the bytes that were. */
static void write_one_bit(struct gic *g, const struct txn *t, enum block k, struct gic_word *w, unsigned i, u32 v,
                          u32 lanes)
{
    switch (k) {
    case IGROUPR:
        if (!txn_ns_view(g, t))
            w->group = (w->group & ~lanes) | v;
        break;
    case IGRPMODR:
        if (g->version == 3 && !gic_ds(g) && !txn_ns_view(g, t))
            w->grpmod = (w->grpmod & ~lanes) | v;
        break;
    case ISENABLER: w->enable |= v & visible(g, t, w, i, 0); break;
    case ICENABLER: w->enable &= ~(v & visible(g, t, w, i, 0)) | fixed(g, i); break;
    case ISPENDR: /* v2: SGIs by GICD_SPENDSGIR only */ w->latch |= v & visible(g, t, w, i, 1) & ~fixed(g, i); break;
    case ICPENDR: w->latch &= ~(v & visible(g, t, w, i, 2) & ~fixed(g, i)); break;
    case ISACTIVER: w->active |= v & visible(g, t, w, i, 0); break;
    default: w->active &= ~(v & visible(g, t, w, i, 0)); break;
    }
}

/* ---- dispatch ------------------------------------------------------------------------------- */

static struct gic_word *word_at(struct gic *g, struct gic_cpu *c, unsigned i)
{
    if (i >= g->nwords || (i == 0 && !c))
        return NULL;
    return gic_word(g, c, i);
}

bool gic_array_read(struct gic *g, struct gic_cpu *c, const struct txn *t, u32 off, unsigned size, u64 *val)
{
    unsigned i;
    enum block k = one_bit(off, &i);
    unsigned shift = (off & 3) * 8;
    bool ns = txn_ns_view(g, t);
    u32 v = 0;
    if (k != BLOCKS) {
        struct gic_word *w = word_at(g, c, i);
        v = w ? read_one_bit(g, t, k, w, i) : 0;
    } else if (off >= 0x400 && off < 0x800) {
        struct gic_word *w = word_at(g, c, i = (off - 0x400) / 32);
        for (unsigned b = 0; w && b < 4; b++)
            v |= (u32)prio_read(w, (off & 0x1c) + b, visible(g, t, w, i, 0), ns) << (8 * b);
    } else if (off >= 0xc00 && off < 0xd00) {
        struct gic_word *w = word_at(g, c, i = (off - 0xc00) / 8);
        if (w) {
            unsigned half = off >> 2 & 1;
            v = spread(w->edge & visible(g, t, w, i, 0), half);
        }
    } else if (off >= 0xe00 && off < 0xf00) {
        struct gic_word *w = word_at(g, c, (off - 0xe00) / 8);
        v = w && g->security && !gic_ds(g) && !ns ? w->nsacr[off >> 2 & 1] : 0;
    } else {
        return false;
    }
    *val = v >> shift & ones(8 * size);
    return true;
}

bool gic_array_write(struct gic *g, struct gic_cpu *c, const struct txn *t, u32 off, unsigned size, u64 val)
{
    unsigned i;
    enum block k = one_bit(off, &i);
    unsigned shift = (off & 3) * 8;
    u32 lanes = (u32)(ones(8 * size) << shift), v = (u32)(val << shift) & lanes;
    bool ns = txn_ns_view(g, t);
    struct gic_word *w;
    if (k != BLOCKS) {
        w = word_at(g, c, i);
        if (w)
            write_one_bit(g, t, k, w, i, v, lanes);
    } else if (off >= 0x400 && off < 0x800) {
        w = word_at(g, c, i = (off - 0x400) / 32);
        for (unsigned b = 0; w && b < size; b++)
            prio_write(w, (off & 0x1f) + b, visible(g, t, w, i, 0), ns, (u8)(val >> (8 * b)));
    } else if (off >= 0xc00 && off < 0xd00) {
        w = word_at(g, c, i = (off - 0xc00) / 8);
        if (w) {
            unsigned half = off >> 2 & 1;
            u32 m = visible(g, t, w, i, 0) & squeeze(lanes) << (16 * half);
            if (i == 0)
                m &= 0xffff0000u; /* SGIs are edges */
            w->edge = (w->edge & ~m) | (squeeze(v) << (16 * half) & m);
        }
    } else if (off >= 0xe00 && off < 0xf00) {
        w = word_at(g, c, i = (off - 0xe00) / 8);
        if (w && g->security && !gic_ds(g) && !ns) {
            u32 *p = &w->nsacr[off >> 2 & 1];
            *p = (*p & ~lanes) | v;
            if (i == 0 && g->version == 3)
                w->nsacr[1] = 0; /* no PPIs in GICR_NSACR */
        }
    } else {
        return false;
    }
    if (w)
        gic_update_word(g, c, i);
    if (w && i && (k == IGROUPR || k == IGRPMODR))
        gic_route_any(g);
    return true;
}
