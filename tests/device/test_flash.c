/* CFI flash: query, identification, programming, write buffer, erasing, ROM mode, read-only banks. */
#include "devices/flash.h"
#include "poke.h"

enum { SIZE = 4 * FLASH_BLOCK };

static struct log lg;
static struct bus *bus;
static struct flash *f;
static struct device *d;
static u8 *bytes;
static u64 changed_at, changed_n;
static unsigned remaps;

static void changed(void *arg, u64 off, const u8 *p, u64 n)
{
    (void)arg;
    ck_assert_ptr_eq(p, bytes + off);
    changed_at = off;
    changed_n = n;
}
static void remap(void *arg)
{
    (void)arg;
    remaps++;
}

static void make(bool readonly)
{
    lg = (struct log){0};
    remaps = 0;
    bus = bus_new(&lg);
    f = flash_new(
        &(struct flash_config){.id = "flash0", .log = &lg, .size = SIZE, .readonly = readonly, .changed = changed});
    d = flash_device(f);
    u32 page = bus_map_rom(bus, 1 << PAS_NS, 0, SIZE, d);
    bus_seal(bus);
    bus_on_remap(bus, remap, NULL);
    flash_attach(f, bus, page);
    bytes = bus_page_ptr(bus, page);
    memset(bytes, 0xff, SIZE);
}
static void setup(void) { make(false); }
static void teardown(void)
{
    device_free(d);
    bus_free(bus);
}

/* Through the bus, as DMA does. */
static u32 rd(u64 off)
{
    u32 v = 0;
    ck_assert_int_eq(bus_read(bus, &poke_txn, off, &v, 4), BUS_OK);
    return v;
}
static void wr(u64 off, u32 v) { ck_assert_int_eq(bus_write(bus, &poke_txn, off, &v, 4), BUS_OK); }

START_TEST(test_query)
{
    bytes[0x40] = 0x12;
    ck_assert_uint_eq(rd(0x40), 0xffffff12);
    wr(0x55 * 4, 0x00980098);
    ck_assert_uint_eq(remaps, 1);
    ck_assert_uint_eq(rd(0x10 * 4), 'Q' | 'Q' << 16);
    ck_assert_uint_eq(rd(0x11 * 4), 'R' | 'R' << 16);
    ck_assert_uint_eq(rd(0x12 * 4), 'Y' | 'Y' << 16);
    ck_assert_uint_eq(rd(0x13 * 4), 0x00010001);
    ck_assert_uint_eq(rd(0x27 * 4), 0x00130013); /* 512 KiB a chip */
    ck_assert_uint_eq(rd(0x2d * 4), 0x00030003);
    ck_assert_uint_eq(rd(0x30 * 4), 0x00020002); /* blocks of 128 KiB */
    ck_assert_uint_eq(peek(d, 0x10 * 4 + 2, 2), 'Q');
    wr(0, 0x00900090);
    ck_assert_uint_eq(rd(0), 0x00890089);
    ck_assert_uint_eq(rd(4), 0x00180018);
    ck_assert_uint_eq(rd(8), 0);
    wr(0, 0x00ff00ff);
    ck_assert_uint_eq(rd(0x40), 0xffffff12);
    ck_assert_uint_eq(remaps, 2);
}
END_TEST

START_TEST(test_program_erase)
{
    wr(0x100, 0x00400040);
    wr(0x100, 0x12345678);
    ck_assert_uint_eq(rd(0x100), 0x00800080);
    ck_assert(changed_at == 0x100 && changed_n == 4);
    wr(0, 0x00ff00ff);
    ck_assert_uint_eq(rd(0x100), 0x12345678);
    wr(0x100, 0x00100010); /* programming clears bits only */
    wr(0x100, 0xff0000ff);
    wr(0, 0x00ff00ff);
    ck_assert_uint_eq(rd(0x100), 0x12000078);
    wr(FLASH_BLOCK - 4, 0x00200020);
    wr(FLASH_BLOCK - 4, 0x00d000d0);
    ck_assert_uint_eq(rd(0), 0x00800080);
    ck_assert(changed_at == 0 && changed_n == FLASH_BLOCK);
    wr(0, 0x00ff00ff);
    ck_assert_uint_eq(rd(0x100), 0xffffffff);
    wr(0, 0x00200020); /* no confirmation */
    wr(0, 0x00ff00ff);
    ck_assert_uint_eq(rd(0), 0x00b000b0);
    wr(0, 0x00500050);
    ck_assert_uint_eq(rd(0), 0x00800080);
    wr(0, 0x00600060); /* unlock */
    wr(0, 0x00d000d0);
    ck_assert_uint_eq(rd(0), 0x00800080);
    wr(0, 0x00770077);
    ck_assert_uint_eq(lg.guest_errors, 1);
}
END_TEST

START_TEST(test_buffer)
{
    wr(0x2000, 0x00e800e8);
    ck_assert_uint_eq(rd(0x2000), 0x00800080);
    wr(0x2000, 0x001f001f); /* 32 words */
    for (u32 i = 0; i < 32; i++)
        wr(0x2080 + 4 * i, 0x1000 + i);
    wr(0x2000, 0x00d000d0);
    ck_assert_uint_eq(rd(0x2000), 0x00800080);
    wr(0, 0x00ff00ff);
    for (u32 i = 0; i < 32; i++)
        ck_assert_uint_eq(rd(0x2080 + 4 * i), 0x1000 + i);
    ck_assert_uint_eq(rd(0x207c), 0xffffffff);
    ck_assert_uint_eq(rd(0x2100), 0xffffffff);
    wr(0, 0x00e800e8); /* too many words */
    wr(0, 0x04000400);
    ck_assert_uint_eq(rd(0), 0x00900090);
    wr(0, 0x00500050);
    wr(0, 0x00e800e8); /* across the buffer's end */
    wr(0, 0x00010001);
    wr(0xffc, 0);
    wr(0x1000, 0);
    wr(0, 0x00d000d0);
    ck_assert_uint_eq(rd(0), 0x00900090);
    wr(0, 0x00ff00ff);
    ck_assert_uint_eq(rd(0xffc), 0xffffffff);
}
END_TEST

START_TEST(test_readonly)
{
    teardown();
    make(true);
    wr(0, 0x00400040);
    wr(0, 0);
    ck_assert_uint_eq(rd(0), 0x00920092);
    wr(0, 0x00500050);
    wr(0, 0x00200020);
    wr(0, 0x00d000d0);
    ck_assert_uint_eq(rd(0), 0x00a200a2);
    wr(0, 0x00ff00ff);
    ck_assert_uint_eq(rd(0), 0xffffffff);
}
END_TEST

START_TEST(test_all)
{
    poke_everything(d, 0x1000, 1);
    ck_assert_uint_eq(rd(0), rd(0));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_query, test_program_erase, test_buffer, test_readonly, test_all};
    return poke_main("flash", setup, teardown, tests, ARRAY_LEN(tests));
}
