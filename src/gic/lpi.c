/* Locality-specific interrupts of a redistributor (IHI0069 chapter 5): always Non-secure Group 1, edges, no
 * active state; configuration and pending tables in RAM.
 *
 * While LPIs are enabled the pending table is the redistributor's: a copy of it is held here (one bit an
 * INTID, and one bit per 64 of them that says where to look) and each change is written through, so RAM
 * is up to date at any time.  Configuration bytes are not cached; an INV command only looks again. */
#include <string.h>

#include "gic/gic_int.h"

enum {
    LPI_PRIORITY = 0xfc,
    LPI_ENABLE = 1,
    IDBITS_MIN = 14, /* below: no LPIs */
    IDBITS_MAX = 16, /* GICD_TYPER.IDbits + 1 */
};

#define ATTRIBUTES    (7ull << 56 | 3ull << 10 | 7ull << 7)
#define PROP_ADDR     0xffffffffff000ull
#define PEND_ADDR     0xfffffffff0000ull
#define PENDBASER_PTZ (1ull << 62)

/* INTIDs this redistributor has: below 1 << this. */
static unsigned id_bits(const struct gic_cpu *c)
{
    unsigned n = (unsigned)(c->propbaser & 0x1f) + 1;
    return n > IDBITS_MAX ? IDBITS_MAX : n;
}

static bool exists(const struct gic_cpu *c, u32 intid)
{
    return (c->rctlr & GICR_CTLR_ENABLE_LPIS) && intid >= GIC_LPI_BASE && intid < 1u << id_bits(c);
}

/* The configuration byte of an LPI, 0 (disabled) where there is no memory. */
static u8 config(const struct gic *g, const struct gic_cpu *c, u32 intid)
{
    u8 v = 0;
    if (dma_read(&g->dma, (c->propbaser & PROP_ADDR) + intid - GIC_LPI_BASE, &v, 1) != BUS_OK) {
        log_guest(g->log, "gicr: CPU %u: no memory at the configuration of LPI %u", c->index, intid);
        return 0;
    }
    return v;
}

static void consider(const struct gic *g, struct gic_cpu *c, u32 intid)
{
    u8 v = config(g, c, intid);
    if (!(v & LPI_ENABLE))
        return;
    u8 prio = v & LPI_PRIORITY;
    if (!gic_ds(g)) /* the table has the Non-secure view */
        prio = 0x80 | prio >> 1;
    prio &= PRIO_MASK;
    if (prio < c->lpi.prio || (prio == c->lpi.prio && intid < c->lpi.intid))
        c->lpi = (struct gic_pending){.intid = intid, .prio = prio, .group = GRP_1NS};
}

void gic_lpi_rescan(struct gic *g, struct gic_cpu *c)
{
    c->lpi = (struct gic_pending){.intid = INTID_SPURIOUS, .prio = PRIO_IDLE};
    if (c->rctlr & GICR_CTLR_ENABLE_LPIS)
        for (unsigned i = 0; i < ARRAY_LEN(c->lpis->any); i++)
            for (u64 a = c->lpis->any[i]; a; a &= a - 1) {
                unsigned w = i * 64 + (unsigned)__builtin_ctzll(a);
                for (u64 p = c->lpis->pending[w]; p; p &= p - 1)
                    consider(g, c, w * 64 + (unsigned)__builtin_ctzll(p));
            }
    gic_update_cpu(g, c);
}

static void write_through(struct gic *g, struct gic_cpu *c, u32 intid)
{
    u8 v = (u8)(c->lpis->pending[intid / 64] >> (intid % 64 & ~7u));
    if (dma_write(&g->dma, (c->pendbaser & PEND_ADDR) + intid / 8, &v, 1) != BUS_OK)
        log_guest(g->log, "gicr: CPU %u: no memory at the pending bit of LPI %u", c->index, intid);
}

bool gic_lpi_pending(const struct gic_cpu *c, u32 intid)
{
    return exists(c, intid) && (c->lpis->pending[intid / 64] >> (intid % 64) & 1);
}

void gic_lpi_set(struct gic *g, struct gic_cpu *c, u32 intid, bool pending)
{
    if (!exists(c, intid) || gic_lpi_pending(c, intid) == pending)
        return;
    u32 w = intid / 64;
    c->lpis->pending[w] ^= 1ull << (intid % 64);
    c->lpis->any[w / 64] = deposit(c->lpis->any[w / 64], w % 64, w % 64, c->lpis->pending[w] != 0);
    write_through(g, c, intid);
    if (pending) {
        consider(g, c, intid);
        gic_update_cpu(g, c);
    } else if (c->lpi.intid == intid) {
        gic_lpi_rescan(g, c);
    }
}

void gic_lpi_move_all(struct gic *g, struct gic_cpu *from, struct gic_cpu *to)
{
    if (from == to || !from->lpis)
        return;
    for (u32 w = 0; w < ARRAY_LEN(from->lpis->pending); w++)
        for (u64 p = from->lpis->pending[w]; p; p &= p - 1) {
            u32 intid = w * 64 + (u32)__builtin_ctzll(p);
            gic_lpi_set(g, from, intid, false);
            gic_lpi_set(g, to, intid, true);
        }
}

void gic_lpi_ack(struct gic *g, struct gic_cpu *c, unsigned intid) { gic_lpi_set(g, c, intid, false); }

/* ---- registers ------------------------------------------------------------------------------- */

/* EnableLPIs: takes over the pending table. */
static void enable(struct gic *g, struct gic_cpu *c)
{
    struct gic_lpis *l = c->lpis;
    memset(l, 0, sizeof *l);
    c->rctlr |= GICR_CTLR_ENABLE_LPIS;
    unsigned bits_n = id_bits(c);
    if (bits_n < IDBITS_MIN)
        return;
    u32 first = GIC_LPI_BASE / 8, end = 1u << (bits_n - 3);
    if (!(c->pendbaser & PENDBASER_PTZ) &&
        dma_read(&g->dma, (c->pendbaser & PEND_ADDR) + first, (u8 *)l->pending + first, end - first) != BUS_OK) {
        log_guest(g->log, "gicr: CPU %u: no memory at the LPI pending table", c->index);
        memset(l, 0, sizeof *l);
    }
    for (unsigned w = 0; w < ARRAY_LEN(l->pending); w++)
        if (l->pending[w])
            l->any[w / 64] |= 1ull << (w % 64);
}

void gic_lpi_ctlr(struct gic *g, struct gic_cpu *c, u32 v, bool ns)
{
    u32 m = GICR_CTLR_DPG;
    if (ns) /* DPG1S and DPG0 are Secure */
        m = 2u << GICR_CTLR_DPG0_SHIFT;
    c->rctlr = (c->rctlr & ~m) | (v & m);
    gic_route_any(g);
    if (!g->lpis || (c->rctlr & GICR_CTLR_ENABLE_LPIS) == (v & GICR_CTLR_ENABLE_LPIS))
        return;
    if (v & GICR_CTLR_ENABLE_LPIS)
        enable(g, c);
    else
        c->rctlr &= ~(u32)GICR_CTLR_ENABLE_LPIS;
    gic_lpi_rescan(g, c);
}

static bool writable(const struct gic *g, const struct gic_cpu *c, const char *name)
{
    if (!g->lpis)
        return false;
    if (c->rctlr & GICR_CTLR_ENABLE_LPIS) {
        log_guest(g->log, "gicr: CPU %u: write of %s while LPIs are enabled", c->index, name);
        return false;
    }
    return true;
}

void gic_lpi_propbaser(struct gic *g, struct gic_cpu *c, u64 v)
{
    if (writable(g, c, "GICR_PROPBASER"))
        c->propbaser = v & (ATTRIBUTES | PROP_ADDR | 0x1f);
}

void gic_lpi_pendbaser(struct gic *g, struct gic_cpu *c, u64 v)
{
    if (writable(g, c, "GICR_PENDBASER"))
        c->pendbaser = v & (ATTRIBUTES | PEND_ADDR | PENDBASER_PTZ);
}
