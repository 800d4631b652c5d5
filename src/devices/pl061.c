/* Arm PrimeCell GPIO PL061 (DDI0190B): eight pins, each an input or an output, with edge or level
 * interrupts.  The data register is 256 words: address bits 9:2 say which pins an access reaches.
 *
 * Not modelled: the alternate functions that AFSEL would select (the register is there). */
#include "devices/pl061.h"

#include <stdlib.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/regs.h"
#include "core/snap.h"
#include "devices/primecell.h"

static struct pl061 *self(struct device *d) { return container_of(d, struct pl061, dev); }

static u32 pins(const struct pl061 *g) { return (g->data & g->dir) | (g->in & ~g->dir & 0xff); }

/* Raw interrupt status: latched edges of edge-sensitive pins, levels of the others. */
static u32 raw(const struct pl061 *g) { return (g->edges & ~g->is) | (~(pins(g) ^ g->iev) & g->is & 0xff); }

/* The pins may have changed from before. */
static void update(struct pl061 *g, u32 before)
{
    u32 now = pins(g), changed = before ^ now;
    g->edges |= changed & ~g->is & (g->ibe | ~(now ^ g->iev));
    for (unsigned i = 0; i < 8; i++)
        irq_set(&g->out[i], bit(g->data & g->dir, i));
    irq_set(&g->irq, (raw(g) & g->ie) != 0);
}

void pl061_input(struct pl061 *g, unsigned pin, bool level)
{
    u32 before = pins(g);
    CHECK(pin < 8);
    g->in = (u32)deposit(g->in, pin, pin, level);
    update(g, before);
}

static u64 read_data(struct device *d, unsigned i) { return pins(self(d)) & i; }
static void wrote_data(struct device *d, unsigned i, u64 old, u64 val)
{
    struct pl061 *g = self(d);
    u32 before = pins(g), m = i & g->dir;
    (void)old;
    g->data = (g->data & ~m) | ((u32)val & m);
    update(g, before);
}
static void wrote_dir(struct device *d, unsigned i, u64 old, u64 val)
{
    struct pl061 *g = self(d);
    (void)i, (void)val;
    u32 before = (g->data & (u32)old) | (g->in & ~(u32)old & 0xff);
    update(g, before);
}
static void wrote_control(struct device *d, unsigned i, u64 old, u64 val)
{
    (void)i, (void)old, (void)val;
    update(self(d), pins(self(d)));
}
static void wrote_ic(struct device *d, unsigned i, u64 old, u64 val)
{
    struct pl061 *g = self(d);
    (void)i, (void)old;
    g->edges &= ~(u32)val;
    update(g, pins(g));
}
static u64 read_ris(struct device *d, unsigned i)
{
    (void)i;
    return raw(self(d));
}
static u64 read_mis(struct device *d, unsigned i)
{
    (void)i;
    return raw(self(d)) & self(d)->ie;
}

#define CELL(f) offsetof(struct pl061, f)
#define CONTROL(o, n, f)                                                                                               \
    {                                                                                                                  \
        .off = o, .width = 4, .access = REG_RW, .name = n, .field = CELL(f), .mask = 0xff, .wrote = wrote_control      \
    }
static const struct reg regs[] = {
    {.off = 0x000,
     .width = 4,
     .access = REG_RW,
     .count = 256,
     .name = "DATA",
     .field = REG_NOFIELD,
     .read = read_data,
     .wrote = wrote_data},
    {.off = 0x400, .width = 4, .access = REG_RW, .name = "DIR", .field = CELL(dir), .mask = 0xff, .wrote = wrote_dir},
    CONTROL(0x404, "IS", is),
    CONTROL(0x408, "IBE", ibe),
    CONTROL(0x40c, "IEV", iev),
    CONTROL(0x410, "IE", ie),
    {.off = 0x414, .width = 4, .access = REG_RO, .name = "RIS", .field = REG_NOFIELD, .read = read_ris},
    {.off = 0x418, .width = 4, .access = REG_RO, .name = "MIS", .field = REG_NOFIELD, .read = read_mis},
    {.off = 0x41c, .width = 4, .access = REG_WO, .name = "IC", .field = REG_NOFIELD, .mask = 0xff, .wrote = wrote_ic},
    {.off = 0x420, .width = 4, .access = REG_RW, .name = "AFSEL", .field = CELL(afsel), .mask = 0xff},
};

static enum bus_result pl061_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    static const u8 id[8] = {0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
    if (primecell_read(id, off, val))
        return BUS_OK;
    return regs_read(d, regs, ARRAY_LEN(regs), t, off, size, val);
}

static enum bus_result pl061_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    return regs_write(d, regs, ARRAY_LEN(regs), t, off, size, val);
}

static void pl061_reset(struct device *d)
{
    struct pl061 *g = self(d);
    regs_reset(d, regs, ARRAY_LEN(regs));
    g->data = g->edges = 0;
    update(g, pins(g));
}

static void pl061_state(struct device *d, struct snap *s)
{
    struct pl061 *g = self(d);
    snap_section(s, d->id);
    regs_state(d, regs, ARRAY_LEN(regs), s);
    SNAP(s, g, data);
    SNAP(s, g, edges);
    SNAP(s, g, in);
    SNAP_BOOL(s, g, irq.level);
    for (unsigned i = 0; i < 8; i++)
        SNAP_BOOL(s, g, out[i].level);
}

static const struct device_ops ops = {
    .name = "pl061",
    .min_size = 1,
    .max_size = 4,
    .read = pl061_read,
    .write = pl061_write,
    .reset = pl061_reset,
    .state = pl061_state,
};

struct pl061 *pl061_new(const struct pl061_config *cfg)
{
    struct pl061 *g = calloc(1, sizeof *g);
    CHECK(g);
    g->dev = (struct device){.ops = &ops, .id = cfg->id, .log = cfg->log};
    pl061_reset(&g->dev);
    return g;
}
