/* PL031: time, load, alarm, every register. */
#include "devices/pl031.h"
#include "poke.h"

static struct clock clk;
static struct log lg;
static struct wire wire;
static struct pl031 *r;
static struct device *d;

static void setup(void)
{
    clk = (struct clock){0};
    lg = (struct log){0};
    wire = (struct wire){0};
    r = pl031_new(&(struct pl031_config){.id = "rtc", .log = &lg, .clock = &clk, .start = 1700000000});
    d = &r->dev;
    wire_connect(&r->irq, &wire);
}
static void teardown(void)
{
    device_free(d);
    clock_free(&clk);
}

START_TEST(test_time)
{
    ck_assert_uint_eq(peek32(d, 0), 1700000000);
    poke_pass(&clk, 999999999);
    ck_assert_uint_eq(peek32(d, 0), 1700000000);
    poke_pass(&clk, 1);
    ck_assert_uint_eq(peek32(d, 0), 1700000001);
    poke32(d, 8, 5000);
    ck_assert_uint_eq(peek32(d, 0), 5000);
    poke_pass(&clk, 3000000000);
    ck_assert_uint_eq(peek32(d, 0), 5003);
    ck_assert_uint_eq(peek32(d, 8), 5000);
    ck_assert_uint_eq(peek32(d, 0xc), 1);
}
END_TEST

START_TEST(test_alarm)
{
    poke_pass(&clk, 500000000);
    poke32(d, 0x10, 1);
    poke32(d, 4, 1700000003);
    poke_pass(&clk, 2499999999);
    ck_assert(!wire.level);
    poke_pass(&clk, 1);
    ck_assert(wire.level);
    ck_assert_uint_eq(peek32(d, 0x18), 1);
    poke32(d, 0x10, 0);
    ck_assert(!wire.level);
    ck_assert_uint_eq(peek32(d, 0x14), 1);
    poke32(d, 0x1c, 1);
    ck_assert_uint_eq(peek32(d, 0x14), 0);
    poke_pass(&clk, 5000000000);
    ck_assert_uint_eq(peek32(d, 0x14), 0);
    poke32(d, 8, 0xfffffffe); /* wraps to the alarm */
    poke32(d, 4, 1);
    poke_pass(&clk, 3000000000);
    ck_assert_uint_eq(peek32(d, 0x14), 1);
}
END_TEST

/* An alarm beyond the end of virtual time is not queued for the past. */
START_TEST(test_end_of_time)
{
    for (unsigned i = 0; i < 6; i++) {
        poke32(d, 4, peek32(d, 0)); /* matches now, and again when the counter comes round */
        u64 when = clock_next(&clk);
        if (when == ~0ull)
            return;
        ck_assert_uint_gt(when, clock_now(&clk));
        poke_pass(&clk, when - clock_now(&clk));
    }
    ck_abort_msg("the clock passed its end");
}
END_TEST

START_TEST(test_all)
{
    static const u8 id[8] = {0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(peek32(d, 0xfe0 + 4 * i), id[i]);
    poke_everything(d, 0x1000, 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_time, test_alarm, test_end_of_time, test_all};
    return poke_main("pl031", setup, teardown, tests, ARRAY_LEN(tests));
}
