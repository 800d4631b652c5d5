/* PL011: transmit, receive levels and time-out, errors, identification, every register. */
#include "devices/pl011.h"
#include "poke.h"

static struct clock clk;
static struct log lg;
static struct wire wire;
static struct pl011 *u;
static struct device *d;
static char out[64];
static unsigned n_out, rooms;

static void put(void *arg, u8 b)
{
    (void)arg;
    out[n_out++ % sizeof out] = (char)b;
}
static void room(void *arg)
{
    (void)arg;
    rooms++;
}
static void setup(void)
{
    clk = (struct clock){0};
    lg = (struct log){0};
    wire = (struct wire){0};
    n_out = rooms = 0;
    u = pl011_new(&(struct pl011_config){.id = "uart0", .log = &lg, .clock = &clk, .put = put, .room = room});
    d = &u->dev;
    wire_connect(&u->irq, &wire);
}
static void teardown(void)
{
    device_free(d);
    clock_free(&clk);
}

START_TEST(test_transmit)
{
    ck_assert_uint_eq(peek32(d, 0x18), 0x90);
    poke(d, 0, 1, 'h');
    poke(d, 0, 2, 'i');
    ck_assert(n_out == 2 && out[0] == 'h' && out[1] == 'i');
    ck_assert_uint_eq(lg.guest_errors, 1); /* disabled: said once */
    ck_assert_uint_eq(peek32(d, 0x3c), 0x20);
    ck_assert(!wire.level);
    poke32(d, 0x38, 0x20);
    ck_assert(wire.level);
    ck_assert_uint_eq(peek32(d, 0x40), 0x20);
    poke32(d, 0x44, 0x20);
    ck_assert(!wire.level);
    poke32(d, 0x30, 0x301);
    poke32(d, 0, '!');
    ck_assert(wire.level && n_out == 3);
    ck_assert_uint_eq(peek(d, 0x18, 1), 0x90);
    ck_assert_uint_eq(lg.guest_errors, 1);
}
END_TEST

START_TEST(test_receive)
{
    const u8 text[] = "abcdefghijklmnopqrstuvwxyz";
    ck_assert_uint_eq(pl011_room(u), 1);
    poke32(d, 0x30, 0x301);
    poke32(d, 0x2c, 0x70); /* FIFO of 16, trigger at 8 */
    poke32(d, 0x38, 0x7f0);
    ck_assert_uint_eq(pl011_room(u), 16);
    pl011_input(u, text, 7);
    ck_assert(!wire.level);
    ck_assert_uint_eq(peek32(d, 0x18), 0x80);
    pl011_input(u, text + 7, 1);
    ck_assert(wire.level);
    ck_assert_uint_eq(peek32(d, 0x3c), 0x10);
    ck_assert_uint_eq(peek32(d, 0), 'a');
    ck_assert(!wire.level);
    pl011_input(u, text + 8, 9);
    ck_assert_uint_eq(pl011_room(u), 0);
    ck_assert_uint_eq(peek32(d, 0x18), 0xc0);
    for (unsigned i = 1; i < 17; i++) {
        ck_assert_uint_eq(peek(d, 0x18, 2) & 0x10, 0);
        ck_assert_uint_eq(peek32(d, 0), text[i]);
    }
    ck_assert_uint_eq(peek32(d, 0x18), 0x90);
    ck_assert_uint_eq(rooms, 1);
    ck_assert_uint_eq(peek32(d, 0), 0);
}
END_TEST

START_TEST(test_timeout)
{
    poke32(d, 0x24, 13); /* 115200 baud from 24 MHz */
    poke32(d, 0x28, 1);
    poke32(d, 0x2c, 0x70);
    poke32(d, 0x38, 0x50);
    pl011_input(u, (const u8 *)"x", 1);
    u64 ns = 32ull * (13 * 64 + 1) * 250000000 / 24000000;
    poke_pass(&clk, ns - 1);
    ck_assert(!wire.level);
    poke_pass(&clk, 1);
    ck_assert(wire.level);
    ck_assert_uint_eq(peek32(d, 0x40), 0x40);
    ck_assert_uint_eq(peek32(d, 0), 'x');
    ck_assert(!wire.level);
}
END_TEST

START_TEST(test_errors)
{
    pl011_input(u, (const u8 *)"ab", 2); /* one-byte holding register: overrun */
    ck_assert_uint_eq(peek32(d, 0x3c) & 0x400, 0x400);
    ck_assert_uint_eq(peek32(d, 0), 'a' | 0x800);
    ck_assert_uint_eq(peek32(d, 4), 8);
    poke32(d, 4, 0);
    ck_assert_uint_eq(peek32(d, 4), 0);
    poke32(d, 0x44, 0x7ff);
    pl011_break(u);
    ck_assert_uint_eq(peek32(d, 0x3c) & 0x200, 0x200);
    ck_assert_uint_eq(peek32(d, 0), 0x500);
    poke32(d, 0x30, 0x381); /* loop back */
    poke32(d, 0, 'L');
    ck_assert_uint_eq(n_out, 0);
    ck_assert_uint_eq(peek32(d, 0), 'L');
    ck_assert_uint_eq(pl011_room(u), 0);
    poke32(d, 0x18, 0);
    peek32(d, 0x44);
    peek32(d, 0x100);
    ck_assert_uint_eq(lg.guest_errors, 3);
}
END_TEST

START_TEST(test_all)
{
    static const u8 id[8] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(peek32(d, 0xfe0 + 4 * i), id[i]);
    poke_everything(d, 0x1000, 1);
    ck_assert_uint_eq(peek32(d, 0x30), 0x300);
    ck_assert_uint_eq(peek32(d, 0x34), 0x12);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_transmit, test_receive, test_timeout, test_errors, test_all};
    return poke_main("pl011", setup, teardown, tests, ARRAY_LEN(tests));
}
