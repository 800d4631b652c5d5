/* PL061: masked data accesses, directions, edge and level interrupts, every register. */
#include "devices/pl061.h"
#include "poke.h"

static struct log lg;
static struct wire wire, pin0;
static struct pl061 *g;
static struct device *d;

static void setup(void)
{
    lg = (struct log){0};
    wire = pin0 = (struct wire){0};
    g = pl061_new(&(struct pl061_config){.id = "gpio", .log = &lg});
    d = &g->dev;
    wire_connect(&g->irq, &wire);
    wire_connect(&g->out[0], &pin0);
}
static void teardown(void) { device_free(d); }

START_TEST(test_data)
{
    poke32(d, 0x3fc, 0xff); /* all inputs: nothing happens */
    ck_assert_uint_eq(peek32(d, 0x3fc), 0);
    poke32(d, 0x400, 0x0f);
    poke32(d, 0x3fc, 0x05);
    ck_assert(pin0.level);
    poke32(d, 2 << 2, 0xff);
    ck_assert_uint_eq(peek32(d, 0x3fc), 7);
    ck_assert_uint_eq(peek32(d, 6 << 2), 6);
    poke32(d, 1 << 2, 0);
    ck_assert(!pin0.level);
    pl061_input(g, 7, true);
    ck_assert_uint_eq(peek32(d, 0x3fc), 0x86);
    poke32(d, 1 << 2, 1);
    poke32(d, 0x400, 0);
    ck_assert(!pin0.level);
}
END_TEST

START_TEST(test_edges)
{
    poke32(d, 0x410, 0x08);
    poke32(d, 0x40c, 0x08); /* rising */
    pl061_input(g, 3, true);
    ck_assert(wire.level);
    pl061_input(g, 3, false);
    ck_assert(wire.level);
    ck_assert_uint_eq(peek32(d, 0x418), 8);
    poke32(d, 0x41c, 8);
    ck_assert(!wire.level);
    poke32(d, 0x40c, 0); /* falling */
    pl061_input(g, 3, true);
    ck_assert(!wire.level);
    pl061_input(g, 3, false);
    ck_assert(wire.level);
    poke32(d, 0x41c, 8);
    poke32(d, 0x408, 8); /* both */
    pl061_input(g, 3, true);
    ck_assert(wire.level);
    pl061_input(g, 4, true); /* not enabled */
    ck_assert_uint_eq(peek32(d, 0x418), 8);
}
END_TEST

START_TEST(test_levels)
{
    poke32(d, 0x404, 0xff);
    poke32(d, 0x40c, 0xff);
    poke32(d, 0x410, 2);
    pl061_input(g, 1, true);
    ck_assert(wire.level);
    poke32(d, 0x41c, 2); /* no latch to clear */
    ck_assert(wire.level);
    pl061_input(g, 1, false);
    ck_assert(!wire.level);
    poke32(d, 0x40c, 0);
    ck_assert(wire.level);
    ck_assert_uint_eq(peek32(d, 0x414), 0xff);
}
END_TEST

START_TEST(test_all)
{
    static const u8 id[8] = {0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(peek32(d, 0xfe0 + 4 * i), id[i]);
    poke_everything(d, 0x1000, 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_data, test_edges, test_levels, test_all};
    return poke_main("pl061", setup, teardown, tests, ARRAY_LEN(tests));
}
