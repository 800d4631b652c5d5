/* virtio-mmio (both versions) with a block device: protocol, requests, timing, notification
 * suppression, snapshots in flight, hostile rings. */
#include "devices/virtio_blk.h"
#include "machine/disk.h"
#include "ring.h"

enum { SECTORS = 256 };

static struct clock clk;
static struct log lg;
static struct wire wire;
static struct driver drv;
static struct blockdev *disk;
static struct virtio_mmio *m;

static void make(bool modern)
{
    clk = (struct clock){0};
    lg = (struct log){0};
    wire = (struct wire){0};
    drv = (struct driver){.modern = modern, .bus = ring_bus(&lg)};
    disk = disk_memory(SECTORS * 512);
    struct virtio *v = virtio_blk_new(
        &(struct virtio_blk_config){.id = "disk0", .log = &lg, .clock = &clk, .disk = disk, .serial = "elara-disk"});
    m = virtio_mmio_new(&(struct virtio_mmio_config){
        .id = "virtio0", .log = &lg, .modern = modern, .dma = bus_dma(drv.bus, 0), .device = v});
    wire_connect(&m->irq, &wire);
    drv.d = &m->dev;
}
static void unmake(void)
{
    device_free(&m->dev);
    disk_close(disk);
    bus_free(drv.bus);
    clock_free(&clk);
}
static void setup(void) { make(true); }

/* Header at DATA, status at DATA + 16, data at DATA + 0x1000. */
static void request(u32 type, u64 sector, u32 len, bool in)
{
    u8 h[17] = {0};
    put_le32(h, type);
    put_le64(h + 8, sector);
    h[16] = 0xee;
    ram_put(&drv, DATA, h, sizeof h);
    put_desc(&drv, drv.desc, 0, DATA, 16, 1, len ? 1 : 2);
    put_desc(&drv, drv.desc, 1, DATA + 0x1000, len, (u16)(1 | (in ? 2 : 0)), 2);
    put_desc(&drv, drv.desc, 2, DATA + 16, 1, 2, 0);
    ring_offer(&drv, 0, 0);
}

static unsigned finish(u32 *written)
{
    poke_pass(&clk, 10000000);
    ck_assert_uint_eq(ram_get16(&drv, drv.used + 2), (u16)(drv.used_idx + 1));
    u64 elem = drv.used + 4 + 8ull * (drv.used_idx++ % drv.num);
    ck_assert_uint_eq(ram_get32(&drv, elem), 0);
    if (written)
        *written = ram_get32(&drv, elem + 4);
    u8 status;
    ram_get(&drv, DATA + 16, &status, 1);
    return status;
}

static void exercise(void)
{
    struct device *d = drv.d;
    ck_assert_uint_eq(peek32(d, 0), 0x74726976);
    ck_assert_uint_eq(peek32(d, 4), drv.modern ? 2 : 1);
    ck_assert_uint_eq(peek32(d, 8), 2);
    ck_assert_uint_eq(peek(d, 0x100, 8), SECTORS);
    ring_start(&drv, 0, 16, 1 << 9);
    u8 data[4096], back[4096];
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (u8)(i * 7 + i / 256);
    ram_put(&drv, DATA + 0x1000, data, sizeof data);
    u32 n;
    request(1, 3, sizeof data, false);
    ck_assert(!wire.level);
    ck_assert_uint_eq(finish(&n), 0);
    ck_assert_uint_eq(n, 1);
    ck_assert(wire.level);
    ck_assert_uint_eq(peek32(d, 0x60), 1);
    poke32(d, 0x64, 1);
    ck_assert(!wire.level);
    memset(back, 0, sizeof back);
    ram_put(&drv, DATA + 0x1000, back, sizeof back);
    request(0, 3, sizeof data, true);
    ck_assert_uint_eq(finish(&n), 0);
    ck_assert_uint_eq(n, sizeof data + 1);
    ram_get(&drv, DATA + 0x1000, back, sizeof back);
    ck_assert(!memcmp(data, back, sizeof data));
    request(4, 0, 0, false);
    ck_assert_uint_eq(finish(NULL), 0);
    request(8, 0, 20, true);
    ck_assert_uint_eq(finish(&n), 0);
    ck_assert_uint_eq(n, 21);
    ram_get(&drv, DATA + 0x1000, back, 20);
    ck_assert_str_eq((char *)back, "elara-disk");
    /* Beyond the end, not whole sectors, unknown kind */
    request(0, SECTORS - 7, sizeof data, true);
    ck_assert_uint_eq(finish(NULL), 1);
    request(0, ~0ull - 3, sizeof data, true);
    ck_assert_uint_eq(finish(NULL), 1);
    request(1, 0, 100, false);
    ck_assert_uint_eq(finish(NULL), 1);
    request(99, 0, 0, false);
    ck_assert_uint_eq(finish(NULL), 2);
    /* Write zeroes, discard */
    u8 range[16] = {4};
    range[8] = 1;
    ram_put(&drv, DATA + 0x1000, range, 16);
    request(13, 0, 16, false);
    ck_assert_uint_eq(finish(NULL), 0);
    request(0, 3, 1024, true);
    ck_assert_uint_eq(finish(NULL), 0);
    ram_get(&drv, DATA + 0x1000, back, 1024);
    ck_assert(!memcmp(data, back, 512) && back[512] == 0 && back[1023] == 0);
    put_le32(range + 8, SECTORS);
    ram_put(&drv, DATA + 0x1000, range, 16);
    request(11, 0, 16, false);
    ck_assert_uint_eq(finish(NULL), 1);
    ck_assert_uint_eq(lg.guest_errors, 0);
}

START_TEST(test_modern) { exercise(); }
END_TEST

START_TEST(test_legacy)
{
    unmake();
    make(false);
    exercise();
}
END_TEST

START_TEST(test_negotiation)
{
    struct device *d = drv.d;
    poke32(d, 0x14, 1);
    ck_assert_uint_eq(peek32(d, 0x10), 1); /* VERSION_1 */
    poke32(d, 0x70, 3);
    poke32(d, 0x70, 11); /* without VERSION_1 */
    ck_assert_uint_eq(peek32(d, 0x70), 3);
    poke32(d, 0x24, 1);
    poke32(d, 0x20, ~0u);
    poke32(d, 0x70, 11);
    ck_assert_uint_eq(peek32(d, 0x70), 11);
    poke32(d, 0x20, 0); /* too late */
    ck_assert_uint_eq(lg.guest_errors, 3);
    poke32(d, 0x38, 100); /* no power of two */
    poke32(d, 0x38, 512); /* too many */
    ck_assert_uint_eq(lg.guest_errors, 5);
    poke(d, 0x120, 1, 0); /* writeback is not negotiated */
    ck_assert_uint_eq(peek(d, 0x120, 1), 1);
    ring_start(&drv, 0, 16, 1 << 11);
    poke(d, 0x120, 1, 0);
    ck_assert_uint_eq(peek(d, 0x120, 1), 0);
    poke(d, 0x100, 1, 7);
    ck_assert_uint_eq(peek(d, 0x100, 8), SECTORS);
    poke32(d, 0x70, 0);
    ck_assert_uint_eq(peek(d, 0x120, 1), 1);
    ck_assert_uint_eq(peek32(d, 0x44), 0);
}
END_TEST

START_TEST(test_empty)
{
    struct virtio_mmio *e = virtio_mmio_new(&(struct virtio_mmio_config){.id = "virtio1", .log = &lg});
    ck_assert_uint_eq(peek32(&e->dev, 0), 0x74726976);
    ck_assert_uint_eq(peek32(&e->dev, 4), 1);
    ck_assert_uint_eq(peek32(&e->dev, 8), 0);
    ck_assert_uint_eq(lg.guest_errors, 0);
    poke_everything(&e->dev, VIRTIO_MMIO_SIZE, 2);
    device_free(&e->dev);
}
END_TEST

START_TEST(test_suppression)
{
    ring_start(&drv, 0, 16, 1 << 9);
    ram_put16(&drv, drv.avail, 1); /* NO_INTERRUPT */
    request(4, 0, 0, false);
    finish(NULL);
    ck_assert(!wire.level);
    /* EVENT_IDX: interrupt wanted after the third completion only */
    ring_start(&drv, 0, 16, 1 << 9 | 1 << 29);
    ram_put16(&drv, drv.avail + 4 + 2 * 16, 2);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(!wire.level);
        request(4, 0, 0, false);
        finish(NULL);
        ck_assert_uint_eq(ram_get16(&drv, drv.used + 4 + 8 * 16), i + 1); /* avail_event */
    }
    ck_assert(wire.level);
}
END_TEST

START_TEST(test_indirect_and_layout)
{
    /* An indirect table whose header, data and status are cut at odd places. */
    ring_start(&drv, 0, 4, 1 << 9 | 1 << 28);
    u8 h[16] = {1};
    ram_put(&drv, DATA, h, 16);
    u8 data[512];
    memset(data, 0x5a, sizeof data);
    ram_put(&drv, DATA + 0x1000, data, sizeof data);
    u64 table = DATA + 0x8000;
    put_desc(&drv, table, 0, DATA, 5, 1, 3);
    put_desc(&drv, table, 3, DATA + 5, 11, 1, 1);
    put_desc(&drv, table, 1, DATA + 0x1000, 1, 1, 2);
    put_desc(&drv, table, 2, DATA + 0x1001, 511, 1, 4);
    put_desc(&drv, table, 4, DATA + 16, 1, 2, 0);
    put_desc(&drv, drv.desc, 0, table, 5 * 16, 4, 0);
    ring_offer(&drv, 0, 0);
    ck_assert_uint_eq(finish(NULL), 0);
    u8 back[512];
    ck_assert(disk->ops->read(disk, 0, back, sizeof back));
    ck_assert(!memcmp(data, back, sizeof data));
}
END_TEST

START_TEST(test_time_and_snapshot)
{
    ring_start(&drv, 0, 16, 1 << 9);
    request(0, 0, 4096, true);
    u64 when = clock_next(&clk);
    ck_assert_uint_eq(when, clk.end + 10000 + (4096 + 17) / 2);
    u64 hash = device_hash(drv.d);
    struct snap s = {.mode = SNAP_SAVE};
    drv.d->ops->state(drv.d, &s);
    drv.d->ops->reset(drv.d);
    ck_assert_uint_eq(clock_next(&clk), ~0ull);
    struct snap l = {.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
    drv.d->ops->state(drv.d, &l);
    ck_assert(!l.failed && l.pos == s.pos);
    ck_assert_uint_eq(device_hash(drv.d), hash);
    ck_assert_uint_eq(clock_next(&clk), when);
    ck_assert_uint_eq(finish(NULL), 0);
    for (size_t n = 0; n < s.pos; n++) { /* cut and damaged snapshots are refused or harmless */
        struct snap c = {.mode = SNAP_LOAD, .buf = s.buf, .cap = n};
        drv.d->ops->state(drv.d, &c);
        ck_assert(c.failed);
        struct snap x = {.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
        s.buf[n] ^= 0xff;
        drv.d->ops->state(drv.d, &x);
        s.buf[n] ^= 0xff;
        drv.d->ops->reset(drv.d);
    }
    snap_free(&s);
}
END_TEST

static void expect_broken(void)
{
    poke_pass(&clk, 10000000);
    ck_assert_uint_eq(peek32(drv.d, 0x70) & 64, 64);
    ck_assert_uint_eq(lg.guest_errors, 1);
    ck_assert_uint_eq(peek32(drv.d, 0x60) & 2, 2);
    lg.guest_errors = 0;
    ring_start(&drv, 0, 16, 1 << 9 | 1 << 28);
}

START_TEST(test_hostile)
{
    ring_start(&drv, 0, 16, 1 << 9 | 1 << 28);
    put_desc(&drv, drv.desc, 0, DATA, 16, 1, 0); /* loop */
    ring_offer(&drv, 0, 0);
    expect_broken();
    ring_offer(&drv, 0, 16); /* head beyond the table */
    expect_broken();
    put_desc(&drv, drv.desc, 0, DATA, 16, 1, 99);
    ring_offer(&drv, 0, 0);
    expect_broken();
    put_desc(&drv, drv.desc, 0, DATA, 16, 3, 1); /* writable before readable */
    put_desc(&drv, drv.desc, 1, DATA, 16, 0, 0);
    ring_offer(&drv, 0, 0);
    expect_broken();
    put_desc(&drv, drv.desc, 0, DATA, 17, 4, 0); /* bad length of an indirect table */
    ring_offer(&drv, 0, 0);
    expect_broken();
    put_desc(&drv, drv.desc, 0, DATA + 0x100, 16, 4, 0); /* nested indirect */
    put_desc(&drv, DATA + 0x100, 0, DATA, 16, 4, 0);
    ring_offer(&drv, 0, 0);
    expect_broken();
    put_desc(&drv, drv.desc, 0, DATA, 0xfffffff0, 4, 0); /* endless indirect chain */
    for (u16 i = 0; i < 4096; i++)
        put_desc(&drv, DATA, i, DATA, 16, 1, (u16)(i + 1));
    ring_offer(&drv, 0, 0);
    expect_broken();
    ram_put16(&drv, drv.avail + 2, 17); /* more than fit */
    poke32(drv.d, 0x50, 0);
    expect_broken();
    put_desc(&drv, drv.desc, 0, ~0ull - 4, 32, 0, 0); /* addresses wrap */
    ring_offer(&drv, 0, 0);
    expect_broken();
    put_desc(&drv, drv.desc, 0, 0x1000, 16, 0, 0); /* no memory there */
    ring_offer(&drv, 0, 0);
    expect_broken();
    put_desc(&drv, drv.desc, 0, DATA, 16, 0, 0); /* no status byte */
    ring_offer(&drv, 0, 0);
    expect_broken();
}
END_TEST

static u64 rnd;
static u64 next(void)
{
    rnd = rnd * 6364136223846793005ull + 1442695040888963407ull;
    return rnd >> 20;
}

/* Rings of random but plausible bytes, random register writes between: nothing may crash or hang. */
static void fuzz(void)
{
    static const u64 addr[] = {DATA, DATA + 0x1000, RING, RAM, RAM + RAM_SIZE - 8, 0, 0x1000, ~0ull, 1ull << 56};
    static const u32 len[] = {0, 1, 16, 17, 512, 4096, 0x10000, 0xffffffff};
    for (unsigned i = 0; i < 3000; i++) {
        ring_start(&drv, 0, 16, next() % 2 ? 1 << 9 | 1 << 28 | 1 << 29 : 1 << 28);
        for (unsigned k = 0; k < 16; k++)
            put_desc(&drv, drv.desc, k, addr[next() % 9], len[next() % 8], (u16)(next() % 8), (u16)(next() % 17));
        for (unsigned k = 0; k < 16; k++)
            put_desc(&drv, DATA, k, addr[next() % 9], len[next() % 8], (u16)(next() % 4), (u16)(next() % 17));
        for (unsigned k = 0; k < 6; k++) {
            if (next() % 8 == 0)
                ram_put16(&drv, drv.avail + 2 * (next() % 20), (u16)next());
            if (next() % 8 == 0)
                poke32(drv.d, next() % 64 * 4, (u32)next());
            ring_offer(&drv, 0, (u16)(next() % 17));
            if (next() % 2)
                poke_pass(&clk, 100000);
        }
        poke_pass(&clk, 1000000);
        drv.d->ops->reset(drv.d);
    }
}

START_TEST(test_fuzz)
{
    rnd = 7;
    fuzz();
    unmake();
    make(false);
    fuzz();
}
END_TEST

START_TEST(test_all)
{
    poke_everything(drv.d, VIRTIO_MMIO_SIZE, 3);
    unmake();
    make(false);
    poke_everything(drv.d, VIRTIO_MMIO_SIZE, 4);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_modern,
                                  test_legacy,
                                  test_negotiation,
                                  test_empty,
                                  test_suppression,
                                  test_indirect_and_layout,
                                  test_time_and_snapshot,
                                  test_hostile,
                                  test_fuzz,
                                  test_all};
    return poke_main("virtio", setup, unmake, tests, ARRAY_LEN(tests));
}
