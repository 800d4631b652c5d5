/* Arm PrimeCell Real Time Clock PL031 (DDI0224B): seconds of virtual time from a base given by the
 * machine, an alarm when they equal MR.  A new LR takes effect at once (hardware: at the next second).
 *
 * Invariant: the event is queued for the next second that equals MR, once MR or LR was written. */
#include "devices/pl031.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/check.h"
#include "core/regs.h"
#include "core/snap.h"
#include "devices/primecell.h"

#define SECOND 1000000000ull

static struct pl031 *self(struct device *d) { return container_of(d, struct pl031, dev); }

static u32 count(const struct pl031 *r) { return r->start + r->offset + (u32)(clock_now(r->clock) / SECOND); }

static void update(struct pl031 *r) { irq_set(&r->irq, (r->ris & r->imsc) != 0); }

/* Compares now and queues the next match. */
static void compare(struct pl031 *r)
{
    u64 left = r->mr - count(r);
    if (!left) {
        r->ris = 1;
        update(r);
        left = 1ull << 32; /* seconds until the counter comes round again */
    }
    u64 at = clock_now(r->clock) / SECOND + left;
    if (at <= ~0ull / SECOND) /* else virtual time ends before it */
        clock_schedule(r->clock, &r->match, at * SECOND);
}

static void match(void *arg) { compare(arg); }

static u64 read_dr(struct device *d, unsigned i)
{
    (void)i;
    return count(self(d));
}
static u64 read_mis(struct device *d, unsigned i)
{
    (void)i;
    return self(d)->ris & self(d)->imsc;
}
static u64 read_cr(struct device *d, unsigned i)
{
    (void)d, (void)i;
    return 1; /* the counter always runs */
}
static void wrote_mr(struct device *d, unsigned i, u64 old, u64 val)
{
    (void)i, (void)old, (void)val;
    compare(self(d));
}
static void wrote_lr(struct device *d, unsigned i, u64 old, u64 val)
{
    struct pl031 *r = self(d);
    (void)i, (void)old, (void)val;
    r->offset += r->lr - count(r);
    compare(r);
}
static void wrote_imsc(struct device *d, unsigned i, u64 old, u64 val)
{
    (void)i, (void)old, (void)val;
    update(self(d));
}
static void wrote_icr(struct device *d, unsigned i, u64 old, u64 val)
{
    struct pl031 *r = self(d);
    (void)i, (void)old;
    r->ris &= ~(u32)val;
    update(r);
}
static void wrote_cr(struct device *d, unsigned i, u64 old, u64 val) { (void)d, (void)i, (void)old, (void)val; }

#define CELL(f) offsetof(struct pl031, f)
static const struct reg regs[] = {
    {.off = 0x00, .width = 4, .access = REG_RO, .name = "DR", .field = REG_NOFIELD, .read = read_dr},
    {.off = 0x04, .width = 4, .access = REG_RW, .name = "MR", .field = CELL(mr), .mask = 0xffffffff, .wrote = wrote_mr},
    {.off = 0x08, .width = 4, .access = REG_RW, .name = "LR", .field = CELL(lr), .mask = 0xffffffff, .wrote = wrote_lr},
    {.off = 0x0c, .width = 4, .access = REG_RW, .name = "CR", .field = REG_NOFIELD, .read = read_cr, .wrote = wrote_cr},
    {.off = 0x10, .width = 4, .access = REG_RW, .name = "IMSC", .field = CELL(imsc), .mask = 1, .wrote = wrote_imsc},
    {.off = 0x14, .width = 4, .access = REG_RO, .name = "RIS", .field = CELL(ris)},
    {.off = 0x18, .width = 4, .access = REG_RO, .name = "MIS", .field = REG_NOFIELD, .read = read_mis},
    {.off = 0x1c, .width = 4, .access = REG_WO, .name = "ICR", .field = REG_NOFIELD, .mask = 1, .wrote = wrote_icr},
};

static enum bus_result pl031_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    static const u8 id[8] = {0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
    if (primecell_read(id, off, val))
        return BUS_OK;
    return regs_read(d, regs, ARRAY_LEN(regs), t, off, size, val);
}

static enum bus_result pl031_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    return regs_write(d, regs, ARRAY_LEN(regs), t, off, size, val);
}

static void pl031_reset(struct device *d)
{
    struct pl031 *r = self(d);
    regs_reset(d, regs, ARRAY_LEN(regs));
    r->offset = 0;
    clock_cancel(r->clock, &r->match);
    update(r);
}

static void pl031_state(struct device *d, struct snap *s)
{
    struct pl031 *r = self(d);
    snap_section(s, d->id);
    regs_state(d, regs, ARRAY_LEN(regs), s);
    SNAP(s, r, start);
    SNAP(s, r, offset);
    SNAP_BOOL(s, r, irq.level);
    clock_event_state(r->clock, &r->match, s);
}

static void pl031_destroy(struct device *d)
{
    clock_cancel(self(d)->clock, &self(d)->match);
    free(self(d));
}

static const struct device_ops ops = {
    .name = "pl031",
    .min_size = 1,
    .max_size = 4,
    .read = pl031_read,
    .write = pl031_write,
    .reset = pl031_reset,
    .state = pl031_state,
    .destroy = pl031_destroy,
};

struct pl031 *pl031_new(const struct pl031_config *cfg)
{
    struct pl031 *r = calloc(1, sizeof *r);
    CHECK(r);
    r->dev = (struct device){.ops = &ops, .id = cfg->id, .log = cfg->log};
    r->clock = cfg->clock;
    r->start = cfg->start;
    snprintf(r->match_name, sizeof r->match_name, "%s-match", cfg->id);
    r->match = (struct event){.fire = match, .arg = r, .name = r->match_name};
    pl031_reset(&r->dev);
    return r;
}
