/* The memory map: resolution, aliases by address space, splitting of device accesses, the ram_written
 * hook, ROM mode, and RAM through the state visitor. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bus.h"
#include "core/log.h"
#include "core/regs.h"
#include "core/snap.h"

struct probe {
    struct device dev;
    u32 a, b, w1c;
    u64 offs[16];
    unsigned sizes[16], n;
};

static enum bus_result probe_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct probe *p = (struct probe *)d;
    (void)t;
    p->offs[p->n] = off;
    p->sizes[p->n++] = size;
    *val = 0x1122334455667788ull >> (8 * (off & 7));
    return off >= 0x100 ? BUS_SLVERR : BUS_OK;
}
static enum bus_result probe_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct probe *p = (struct probe *)d;
    (void)t;
    (void)val;
    p->offs[p->n] = off;
    p->sizes[p->n++] = size;
    return BUS_OK;
}
static void probe_state(struct device *d, struct snap *s)
{
    (void)d;
    (void)s;
}
static const struct device_ops probe_ops = {
    .name = "probe", .min_size = 4, .max_size = 4, .read = probe_read, .write = probe_write, .state = probe_state};

static const struct txn ns = {.space = PAS_NS};

START_TEST(test_map)
{
    struct log log = {0};
    struct probe p = {.dev = {&probe_ops, "probe0", &log}};
    struct bus *b = bus_new(&log);
    u32 first = bus_map_ram(b, 1 << PAS_NS | 1 << PAS_S, 0x40000000, 0x10000, "ram");
    u32 sec = bus_map_ram(b, 1 << PAS_S, 0x0e000000, 0x2000, "secure ram");
    bus_map_device(b, 1 << PAS_NS, 0x09000000, 0x1000, &p.dev);
    bus_seal(b);

    struct bus_target t = bus_resolve(b, pa_make(PAS_NS, 0x40001234));
    ck_assert_int_eq(t.kind, PAGE_RAM);
    ck_assert_uint_eq(t.page, first + 1);
    ck_assert_uint_eq(bus_resolve(b, pa_make(PAS_S, 0x40001000)).page, first + 1);
    ck_assert_uint_eq(bus_resolve(b, pa_make(PAS_S, 0x0e001000)).page, sec + 1);
    ck_assert_int_eq(bus_resolve(b, pa_make(PAS_NS, 0x0e001000)).kind, PAGE_NONE);
    ck_assert_int_eq(bus_resolve(b, pa_make(PAS_NS, 0x40010000)).kind, PAGE_NONE);
    ck_assert_int_eq(bus_resolve(b, pa_make(PAS_NS, 0x09000ffc)).kind, PAGE_DEV);
    ck_assert_int_eq(bus_resolve(b, pa_make(PAS_S, 0x09000ffc)).kind, PAGE_NONE);

    u8 buf[32] = {1, 2, 3}, got[32];
    ck_assert_int_eq(bus_write(b, &ns, 0x40000ff0, buf, sizeof buf), BUS_OK);
    ck_assert_int_eq(bus_read(b, &ns, 0x40000ff0, got, sizeof got), BUS_OK);
    ck_assert_mem_eq(buf, got, sizeof buf);
    ck_assert_int_eq(bus_read(b, &ns, 0x4000fff0, got, sizeof got), BUS_DECERR);
    bus_free(b);
}
END_TEST

START_TEST(test_split)
{
    struct log log = {0};
    struct probe p = {.dev = {&probe_ops, "probe0", &log}};
    u64 v[2];
    ck_assert_int_eq(bus_dev_read(&p.dev, &ns, 0, 8, v), BUS_OK);
    ck_assert_uint_eq(p.n, 2);
    ck_assert_uint_eq(p.sizes[0], 4);
    ck_assert_uint_eq(p.offs[1], 4);
    ck_assert_uint_eq(v[0], 0x1122334455667788ull);
    p.n = 0;
    ck_assert_int_eq(bus_dev_read(&p.dev, &ns, 2, 1, v), BUS_OK); /* widened to the register, one lane taken */
    ck_assert_uint_eq(p.n, 1);
    ck_assert_uint_eq(p.offs[0], 0);
    ck_assert_uint_eq(v[0], 0x66);
    ck_assert_int_eq(bus_dev_read(&p.dev, &ns, 0x100, 4, v), BUS_SLVERR);
}
END_TEST

struct seen {
    struct ram_listener l;
    u32 page, off, len;
    unsigned n;
};
static void written(void *arg, u32 page, u32 off, u32 len)
{
    struct seen *s = arg;
    s->page = page;
    s->off = off;
    s->len = len;
    s->n++;
}

START_TEST(test_listener_and_state)
{
    struct log log = {0};
    struct bus *b = bus_new(&log);
    bus_map_ram(b, 1 << PAS_NS, 0, 0x4000, "ram");
    bus_seal(b);
    struct seen s = {.n = 0};
    s.l.written = written;
    s.l.arg = &s;
    bus_listen(b, &s.l);
    u64 v = 42;
    bus_write(b, &ns, 0x1ffc, &v, 8); /* crosses a page: two calls */
    ck_assert_uint_eq(s.n, 2);
    ck_assert_uint_eq(s.page, 2);
    ck_assert_uint_eq(s.off, 0);
    ck_assert_uint_eq(s.len, 4);

    struct snap save = {.mode = SNAP_SAVE}, h1 = {.mode = SNAP_HASH}, h2 = {.mode = SNAP_HASH};
    bus_ram_state(b, &save);
    bus_ram_state(b, &h1);
    u64 w = 7;
    bus_write(b, &ns, 0x3000, &w, 8);
    bus_ram_state(b, &h2);
    ck_assert_uint_ne(snap_hash(&h1), snap_hash(&h2));
    struct snap load = {.mode = SNAP_LOAD, .buf = save.buf, .cap = save.pos};
    bus_ram_state(b, &load);
    ck_assert(!load.failed);
    struct snap h3 = {.mode = SNAP_HASH};
    bus_ram_state(b, &h3);
    ck_assert_uint_eq(snap_hash(&h1), snap_hash(&h3));
    for (size_t cut = 0; cut < save.pos; cut += 1000) { /* truncated: refused, never a crash */
        struct snap bad = {.mode = SNAP_LOAD, .buf = save.buf, .cap = cut};
        bus_ram_state(b, &bad);
        ck_assert(bad.failed);
    }
    snap_free(&save);
    bus_free(b);
}
END_TEST

START_TEST(test_rom_mode)
{
    struct log log = {0};
    struct probe p = {.dev = {&probe_ops, "flash", &log}};
    struct bus *b = bus_new(&log);
    bus_map_rom(b, 1 << PAS_NS, 0, 0x2000, &p.dev);
    bus_seal(b);
    u32 v = 0xdeadbeef;
    ck_assert_int_eq(bus_load(b, PAS_NS, 0x1000, &v, 4), BUS_OK);
    ck_assert_int_eq(bus_resolve(b, pa_make(PAS_NS, 0x1000)).kind, PAGE_ROM);
    v = 0;
    bus_read(b, &ns, 0x1000, &v, 4);
    ck_assert_uint_eq(v, 0xdeadbeef);
    bus_write(b, &ns, 0x1000, &v, 4); /* a command, not a store */
    ck_assert_uint_eq(p.n, 1);
    ck_assert_uint_eq(p.offs[0], 0x1000);
    bus_rom_mode(b, &p.dev, false);
    ck_assert_int_eq(bus_resolve(b, pa_make(PAS_NS, 0x1000)).kind, PAGE_DEV);
    bus_free(b);
}
END_TEST

static u64 hook_read(struct device *d, unsigned i)
{
    (void)d;
    return 0x100 + i;
}
static const struct reg table[] = {
    {.off = 0, .width = 4, .access = REG_RW, .name = "A", .mask = 0xff, .reset = 5, .field = offsetof(struct probe, a)},
    {.off = 4,
     .width = 4,
     .access = REG_W1C,
     .name = "W1C",
     .mask = 0xf,
     .reset = 0xff,
     .field = offsetof(struct probe, w1c)},
    {.off = 8, .width = 4, .access = REG_RO, .count = 2, .name = "HOOK", .field = REG_NOFIELD, .read = hook_read},
};

START_TEST(test_regs)
{
    struct log log = {0};
    struct probe p = {.dev = {&probe_ops, "regs", &log}};
    regs_reset(&p.dev, table, 3);
    u64 v;
    regs_write(&p.dev, table, 3, &ns, 0, 4, 0x1234);
    regs_read(&p.dev, table, 3, &ns, 0, 4, &v);
    ck_assert_uint_eq(v, 0x34);
    regs_write(&p.dev, table, 3, &ns, 1, 1, 0xff); /* byte lane outside the mask */
    ck_assert_uint_eq(p.a, 0x34);
    regs_write(&p.dev, table, 3, &ns, 4, 4, 0xf3);
    ck_assert_uint_eq(p.w1c, 0xfc);
    regs_read(&p.dev, table, 3, &ns, 12, 4, &v);
    ck_assert_uint_eq(v, 0x101);
    ck_assert_uint_eq(log.guest_errors, 0);
    regs_write(&p.dev, table, 3, &ns, 8, 4, 1);
    regs_read(&p.dev, table, 3, &ns, 0x40, 4, &v);
    ck_assert_uint_eq(v, 0);
    ck_assert_uint_eq(log.guest_errors, 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bus");
    TCase *t = tcase_create("bus");
    tcase_add_test(t, test_map);
    tcase_add_test(t, test_split);
    tcase_add_test(t, test_listener_and_state);
    tcase_add_test(t, test_rom_mode);
    tcase_add_test(t, test_regs);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
