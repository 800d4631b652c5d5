/* fw_cfg: stream, selector, DMA commands, directory, writable files, hostile commands. */
#include "devices/fw_cfg.h"
#include "devices/le.h"
#include "poke.h"

enum { RAM = 0x40000000, RAM_SIZE = 0x10000 };

static struct log lg;
static struct bus *bus;
static struct fw_cfg *f;
static struct device *d;
static unsigned writes;
static u8 written[8];

static void wrote(void *arg, const u8 *bytes, u32 n)
{
    (void)arg;
    memcpy(written, bytes, n);
    writes++;
}

static void setup(void)
{
    lg = (struct log){0};
    writes = 0;
    bus = bus_new(&lg);
    bus_map_ram(bus, 1 << PAS_NS, RAM, RAM_SIZE, "ram");
    bus_seal(bus);
    f = fw_cfg_new(&(struct fw_cfg_config){.id = "fw-cfg", .log = &lg, .dma = bus_dma(bus, 0)});
    d = fw_cfg_device(f);
    fw_cfg_add_file(f, "etc/hello", "hello world", 11, NULL, NULL);
    fw_cfg_add_file(f, "etc/ramfb", "\0\0\0\0\0\0\0\0", 8, wrote, NULL);
    fw_cfg_add16(f, FW_CFG_NB_CPUS, 4);
}
static void teardown(void)
{
    device_free(d);
    bus_free(bus);
}

static u32 command(u32 control, u32 n, u64 addr)
{
    u8 c[16];
    put_be32(c, control);
    put_be32(c + 4, n);
    put_be64(c + 8, addr);
    ck_assert_int_eq(bus_write(bus, &poke_txn, RAM, c, sizeof c), BUS_OK);
    poke32(d, 0x10, 0);
    poke32(d, 0x14, __builtin_bswap32(RAM));
    ck_assert_int_eq(bus_read(bus, &poke_txn, RAM, c, 4), BUS_OK);
    return get_be32(c);
}

START_TEST(test_stream)
{
    ck_assert_uint_eq(peek(d, 0x10, 8), __builtin_bswap64(0x51454d5520434647ull));
    poke(d, 8, 2, 0);
    ck_assert_uint_eq(peek(d, 0, 4), 0x554d4551); /* "QEMU" in memory order */
    ck_assert_uint_eq(peek(d, 0, 1), 0);
    poke(d, 8, 2, 0x0100);
    ck_assert_uint_eq(peek(d, 0, 8), 3);
    poke(d, 8, 2, 0x0500);
    ck_assert_uint_eq(peek(d, 0, 2), 4);
    poke(d, 8, 2, 0x1900);
    ck_assert_uint_eq(peek(d, 0, 4), __builtin_bswap32(2));
    ck_assert_uint_eq(peek(d, 0, 4), __builtin_bswap32(11));
    ck_assert_uint_eq(peek(d, 0, 2), 0x2000);
    ck_assert_uint_eq(peek(d, 0, 2), 0);
    char name[56];
    for (unsigned i = 0; i < sizeof name; i++)
        name[i] = (char)peek(d, 0, 1);
    ck_assert_str_eq(name, "etc/hello");
}
END_TEST

START_TEST(test_dma)
{
    char text[16];
    ck_assert_uint_eq(command(0x20u << 16 | 8 | 2, 16, RAM + 0x100), 0);
    bus_read(bus, &poke_txn, RAM + 0x100, text, 16);
    ck_assert(!memcmp(text, "hello world\0\0\0\0\0", 16));
    ck_assert_uint_eq(command(0x20u << 16 | 8 | 4, 6, 0), 0);
    ck_assert_uint_eq(command(2, 5, RAM + 0x100), 0);
    bus_read(bus, &poke_txn, RAM + 0x100, text, 5);
    ck_assert(!memcmp(text, "world", 5));
    /* Writes reach writable files only, and only inside them. */
    bus_write(bus, &poke_txn, RAM + 0x200, "abcdefgh", 8);
    ck_assert_uint_eq(command(0x21u << 16 | 8 | 16, 8, RAM + 0x200), 0);
    ck_assert(writes == 1 && !memcmp(written, "abcdefgh", 8));
    ck_assert_uint_eq(command(0x21u << 16 | 8 | 16, 9, RAM + 0x200), 1);
    ck_assert_uint_eq(command(0x20u << 16 | 8 | 16, 1, RAM + 0x200), 1);
    ck_assert_uint_eq(command(0x9999u << 16 | 8 | 16, 1, RAM + 0x200), 1);
    ck_assert_uint_eq(command(0x9999u << 16 | 8 | 2, 4, RAM + 0x100), 0);
    ck_assert_uint_eq(command(0x20u << 16 | 8 | 2, 0xffffffff, RAM + 0x100), 1);
    ck_assert_uint_eq(command(0x20u << 16 | 8 | 2, 16, ~0ull - 3), 1);
    ck_assert_uint_eq(command(0x20u << 16 | 8 | 4, 0xffffffff, 0), 0);
    ck_assert_uint_eq(peek(d, 0, 4), 0);
    poke(d, 0x10, 8, __builtin_bswap64(0x1000)); /* no memory there */
    ck_assert_uint_eq(writes, 1);
}
END_TEST

START_TEST(test_all) { poke_everything(d, 0x1000, 1); }
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_stream, test_dma, test_all};
    return poke_main("fw_cfg", setup, teardown, tests, ARRAY_LEN(tests));
}
