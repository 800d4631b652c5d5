/* The guest's side of a device: memory, time, and a program of accesses that the input spells out.
 *
 *   operation 0 write a register   1 read one    2 write memory   3 let time pass   4 save and load the state
 *             5 reset              others: the target's own
 *
 * Registers are named by a range of a device and an offset in it, so that few bytes reach what matters.  In a target
 * with records (records.h) every operation has the same number of bytes. */
#pragma once
#include "core/bus.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/snap.h"
#include "fuzz.h"

enum { RIG_RAM = 0x40000000, RIG_RAM_SIZE = 0x20000, RIG_RANGES = 12, RIG_STEPS = 400, RIG_SAVES = 1 };

struct rig_range {
    struct device *dev;
    u64 from, size;
};

struct rig {
    struct log log;
    struct clock clock;
    struct bus *bus;
    struct rig_range range[RIG_RANGES];
    unsigned ranges;
    struct device *dev; /* resets and saves everything */
    bool (*op)(struct rig *, unsigned op, struct input *in);
    void *arg;
    unsigned record; /* bytes of an operation; 0: as many as it reads */
    u32 own;         /* mask of operations below 6 that are the target's, too */
};

static const struct txn rig_txn = {.privileged = true};

static inline void rig_drop(void *arg, const char *line) { (void)arg, (void)line; }

/* Memory is read and written, the rest is not there. */
static inline void rig_begin(struct rig *r)
{
    *r = (struct rig){.log = {.sink = rig_drop}};
    r->bus = bus_new(&r->log);
    bus_map_ram(r->bus, 1 << PAS_NS | 1 << PAS_S, RIG_RAM, RIG_RAM_SIZE, "ram");
}

static inline void rig_end(struct rig *r)
{
    if (r->dev)
        r->dev->ops->destroy ? r->dev->ops->destroy(r->dev) : free(r->dev);
    bus_free(r->bus);
    clock_free(&r->clock);
}

static inline void rig_range(struct rig *r, struct device *dev, u64 from, u64 size)
{
    CHECK(r->ranges < RIG_RANGES);
    r->range[r->ranges++] = (struct rig_range){dev, from, size};
}

static inline void rig_write(struct device *d, u64 off, unsigned size, u64 val)
{
    const u64 v[2] = {val};
    (void)bus_dev_write(d, &rig_txn, off, size, v);
}
static inline u64 rig_read(struct device *d, u64 off, unsigned size)
{
    u64 v[2] = {0};
    (void)bus_dev_read(d, &rig_txn, off, size, v);
    return v[0];
}
static inline void rig_store(struct rig *r, u64 at, const void *p, size_t n)
{
    (void)bus_write(r->bus, &rig_txn, RIG_RAM + at % RIG_RAM_SIZE, p, n);
}

static inline void rig_pass(struct rig *r, u64 ns)
{
    u64 end = r->clock.end + ns;
    while (r->clock.end < end) {
        clock_skip(&r->clock, end);
        clock_fire(&r->clock);
    }
}

/* What was saved loads, and is the same state then. */
static inline void rig_save_load(struct rig *r)
{
    struct snap save = {.mode = SNAP_SAVE}, h1 = {.mode = SNAP_HASH}, h2 = {.mode = SNAP_HASH};
    r->dev->ops->state(r->dev, &save);
    r->dev->ops->state(r->dev, &h1);
    struct snap load = {.mode = SNAP_LOAD, .buf = save.buf, .cap = save.pos};
    r->dev->ops->state(r->dev, &load);
    CHECK(!load.failed && load.pos == save.pos);
    r->dev->ops->state(r->dev, &h2);
    CHECK(snap_hash(&h1) == snap_hash(&h2));
    snap_free(&save);
}

static inline void rig_access(struct rig *r, struct input *in, bool write)
{
    u8 how = in8(in);
    const struct rig_range *g = &r->range[(how >> 2) % r->ranges];
    unsigned size = 1u << (how & 3);
    u64 off = g->size > 0x100 ? (g->size > 0x10000 ? in32(in) : in16(in)) : in8(in);
    off = (off % g->size) & ~(u64)(size - 1);
    if (off + size > g->size)
        return;
    if (write)
        rig_write(g->dev, g->from + off, size,
                  size == 8   ? in64(in)
                  : size == 4 ? in32(in)
                  : size == 2 ? in16(in)
                              : in8(in));
    else
        (void)rig_read(g->dev, g->from + off, size);
}

/* False: the program ends. */
static inline bool rig_step(struct rig *r, struct input *in, unsigned *saves)
{
    u8 op = in8(in) & 15;
    const u8 *p;
    size_t n;
    u64 at;
    switch (r->own >> op & 1 ? 15 : op) {
    case 0:
    case 1: rig_access(r, in, op == 0); return true;
    case 2:
        at = (u64)in16(in) * 2;
        n = in_bytes(in, in8(in), &p);
        rig_store(r, at, p, n);
        return true;
    case 3: rig_pass(r, (u64)in8(in) * 4000); return true;
    case 4:
        if ((*saves)++ < RIG_SAVES) /* they cost as much as all the rest */
            rig_save_load(r);
        return true;
    case 5:
        if (r->dev->ops->reset)
            r->dev->ops->reset(r->dev);
        return true;
    default: return !r->op || r->op(r, op, in);
    }
}

static inline void rig_run(struct rig *r, struct input *in)
{
    unsigned saves = 0;
    for (unsigned i = 0; in->n && i < RIG_STEPS; i++) {
        struct input one = {in->p, in->n < r->record ? in->n : r->record};
        if (!rig_step(r, r->record ? &one : in, &saves))
            return;
        if (r->record)
            (void)in_bytes(in, r->record, &one.p);
    }
}
