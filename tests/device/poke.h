/* What every device test needs: bus accesses without a CPU, a captured log, a counted wire, and the
 * generic test that pokes every offset with every size and compares reset and snapshot states. */
#pragma once
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bus.h"
#include "core/clock.h"
#include "core/irq.h"
#include "core/log.h"
#include "core/snap.h"

struct wire {
    bool level;
    unsigned edges;
};

static inline void wire_set(void *sink, unsigned n, bool level)
{
    struct wire *w = sink;
    (void)n;
    w->level = level;
    w->edges += level;
}
static inline void wire_connect(struct irq *i, struct wire *w) { *i = (struct irq){.set = wire_set, .sink = w}; }

static const struct txn poke_txn = {.privileged = true};

static inline u64 peek(struct device *d, u64 off, unsigned size)
{
    u64 v[2] = {0};
    ck_assert_int_eq(bus_dev_read(d, &poke_txn, off, size, v), BUS_OK);
    return v[0];
}
static inline void poke(struct device *d, u64 off, unsigned size, u64 val)
{
    u64 v[2] = {val};
    ck_assert_int_eq(bus_dev_write(d, &poke_txn, off, size, v), BUS_OK);
}
static inline u32 peek32(struct device *d, u64 off) { return (u32)peek(d, off, 4); }
static inline void poke32(struct device *d, u64 off, u32 val) { poke(d, off, 4, val); }

static inline void poke_pass(struct clock *c, u64 ns)
{
    u64 end = c->end + ns;
    while (c->end < end) {
        clock_skip(c, end);
        clock_fire(c);
    }
}

static inline u64 device_hash(struct device *d)
{
    struct snap s = {.mode = SNAP_HASH};
    d->ops->state(d, &s);
    return snap_hash(&s);
}

/* Debug reads change nothing; a saved state loads back; reset gives the state it had at the start. */
static inline void poke_everything(struct device *d, u64 size, unsigned seed)
{
    d->ops->reset(d);
    u64 cold = device_hash(d);
    struct txn debug = {.debug = true};
    u64 r = seed * 0x9e3779b97f4a7c15ull + 1;
    for (unsigned round = 0; round < 3; round++)
        for (u64 off = 0; off < size; off++)
            for (unsigned n = 1; n <= 8; n *= 2) {
                if (off + n > size || (off & ~0xfffull) != ((off + n - 1) & ~0xfffull))
                    continue;
                r = r * 6364136223846793005ull + 1442695040888963407ull;
                u64 v[2] = {round == 0 ? 0 : round == 1 ? ~0ull : r >> 13, 0};
                u64 before = device_hash(d), got[2];
                (void)bus_dev_read(d, &debug, off, n, got);
                (void)bus_dev_write(d, &debug, off, n, v);
                ck_assert_uint_eq(device_hash(d), before);
                (void)bus_dev_read(d, &poke_txn, off, n, got);
                (void)bus_dev_write(d, &poke_txn, off, n, v);
            }
    struct snap save = {.mode = SNAP_SAVE};
    d->ops->state(d, &save);
    u64 hot = device_hash(d);
    d->ops->reset(d);
    ck_assert_uint_eq(device_hash(d), cold);
    struct snap load = {.mode = SNAP_LOAD, .buf = save.buf, .cap = save.pos};
    d->ops->state(d, &load);
    ck_assert(!load.failed && load.pos == save.pos);
    ck_assert_uint_eq(device_hash(d), hot);
    struct snap cut = {.mode = SNAP_LOAD, .buf = save.buf, .cap = save.pos / 2};
    d->ops->state(d, &cut);
    ck_assert(cut.failed);
    d->ops->reset(d);
    ck_assert_uint_eq(device_hash(d), cold);
    snap_free(&save);
}

static inline void device_free(struct device *d)
{
    if (d->ops->destroy)
        d->ops->destroy(d);
    else
        free(d);
}

static inline int poke_main(const char *name, void (*setup)(void), void (*teardown)(void), const TTest *const *tests,
                            unsigned n)
{
    Suite *s = suite_create(name);
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, setup, teardown);
    for (unsigned i = 0; i < n; i++)
        tcase_add_test(c, tests[i]);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
