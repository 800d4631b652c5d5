/* virtio-scsi: commands of two units of one target, sense data, the write cache and flushes, task management. */
#include "core/bits.h"
#include "devices/virtio_scsi.h"
#include "machine/disk.h"
#include "ring.h"

enum { BLOCKS = 2048, RESPONSE = DATA + 0x8000, PAYLOAD = DATA + 0x10000, CONTROL = RAM + 0xc0000 };

/* A disk in memory that counts what it is asked. */
struct counted {
    struct blockdev dev;
    struct blockdev *disk;
    unsigned flushes, discards, zeroes;
};
static struct counted disk;
static struct clock clk;
static struct log lg;
static struct wire wire;
static struct bus *bus;
static struct virtio_mmio *m;
static struct driver drv, ctl;

static bool c_read(struct blockdev *d, u64 off, void *buf, size_t n)
{
    struct counted *c = (struct counted *)d;
    return c->disk->ops->read(c->disk, off, buf, n);
}
static bool c_write(struct blockdev *d, u64 off, const void *buf, size_t n)
{
    struct counted *c = (struct counted *)d;
    return c->disk->ops->write(c->disk, off, buf, n);
}
static bool c_flush(struct blockdev *d)
{
    ((struct counted *)d)->flushes++;
    return true;
}
static bool c_discard(struct blockdev *d, u64 off, u64 n, bool zero)
{
    struct counted *c = (struct counted *)d;
    *(zero ? &c->zeroes : &c->discards) += 1;
    return c->disk->ops->discard(c->disk, off, n, zero);
}
static void c_state(struct blockdev *d, struct snap *s)
{
    ((struct counted *)d)->disk->ops->state(((struct counted *)d)->disk, s);
}
static const struct blockdev_ops counted_ops = {c_read, c_write, c_flush, c_discard, c_state};

static void setup(void)
{
    clk = (struct clock){0};
    lg = (struct log){0};
    wire = (struct wire){0};
    bus = ring_bus(&lg);
    disk = (struct counted){.dev = {.ops = &counted_ops, .size = BLOCKS * 512}, .disk = disk_memory(BLOCKS * 512)};
    const struct virtio_scsi_lun luns[] = {
        {3, 0, &disk.dev, "SERIAL-1"}, {3, 7, disk.disk, NULL}, {9, 1, disk.disk, "X"}};
    struct virtio *v = virtio_scsi_new(
        &(struct virtio_scsi_config){.id = "scsi0", .log = &lg, .clock = &clk, .luns = luns, .count = ARRAY_LEN(luns)});
    m = virtio_mmio_new(
        &(struct virtio_mmio_config){.id = "virtio0", .log = &lg, .modern = true, .dma = bus_dma(bus, 0), .device = v});
    wire_connect(&m->irq, &wire);
    drv = ctl = (struct driver){.bus = bus, .d = &m->dev, .modern = true};
}

static void teardown(void)
{
    device_free(&m->dev);
    disk_close(disk.disk);
    bus_free(bus);
    clock_free(&clk);
}

static void start(void)
{
    ring_negotiate(&drv, 0);
    ring_queue(&ctl, 0, 8);
    ring_queue(&drv, 2, 16);
    ring_go(&drv);
}

/* Offers a command without waiting; head: the descriptors' first. */
static void offer(u16 head, u8 target, u8 lun, u64 tag, const u8 *cdb, u32 out, u32 in)
{
    u8 h[51] = {1, target, 0x40, lun};
    put_le64(h + 8, tag);
    memcpy(h + 19, cdb, 16);
    ram_put(&drv, DATA + 64ull * head, h, sizeof h);
    put_desc(&drv, drv.desc, head, DATA + 64ull * head, sizeof h, 1, (u16)(head + 1));
    put_desc(&drv, drv.desc, head + 1u, out ? PAYLOAD : RESPONSE + 128ull * head, out ? out : 108,
             out  ? 1
             : in ? 3
                  : 2,
             (u16)(head + 2));
    put_desc(&drv, drv.desc, head + 2u, out ? RESPONSE + 128ull * head : PAYLOAD, out ? 108 : in, 2, 0);
    ring_offer(&drv, 2, head);
}

struct result {
    u8 response, status, key, asc, ascq;
    u32 residual;
};

static struct result result(u16 head)
{
    u8 r[108];
    ram_get(&drv, RESPONSE + 128ull * head, r, sizeof r);
    return (struct result){r[11], r[10], r[14], r[24], r[25], get_le32(r + 4)};
}

static struct result command_to(u8 target, u8 lun, const u8 *cdb, u32 out, u32 in)
{
    u8 ff[108];
    memset(ff, 0xff, sizeof ff);
    ram_put(&drv, RESPONSE, ff, sizeof ff);
    offer(0, target, lun, 1, cdb, out, in);
    poke_pass(&clk, 10000000);
    return result(0);
}

static struct result command(const u8 *cdb, u32 out, u32 in) { return command_to(3, 0, cdb, out, in); }

#define CDB(...) ((const u8[16]){__VA_ARGS__})
static void good(struct result r)
{
    ck_assert_msg(r.response == 0 && r.status == 0, "sense %x/%x/%x", r.key, r.asc, r.ascq);
}
static void sense_is(struct result r, u8 key, u8 asc)
{
    ck_assert_msg(r.response == 0 && r.status == 2 && r.key == key && r.asc == asc, "response %u status %u sense %x/%x",
                  r.response, r.status, r.key, r.asc);
}

static void ready(void)
{
    start();
    sense_is(command(CDB(0), 0, 0), 6, 0x29); /* power on */
    good(command(CDB(0), 0, 0));
}

static void payload(u8 *p, size_t n) { ram_get(&drv, PAYLOAD, p, n); }

START_TEST(test_identity)
{
    u8 p[256];
    ck_assert_uint_eq(peek32(&m->dev, 8), 8);
    start();
    good(command(CDB(0x12, 0, 0, 0, 96), 0, 96)); /* INQUIRY does not see the attention */
    payload(p, 36);
    ck_assert(p[0] == 0 && p[4] == 31 && !memcmp(p + 8, "ELARA   ELARA HARDDISK  ", 24));
    ck_assert_uint_eq(command(CDB(0x12, 0, 0, 0, 96), 0, 96).residual, 60);
    sense_is(command(CDB(0x12, 0, 0x80, 0, 96), 0, 96), 5, 0x24);
    sense_is(command(CDB(0), 0, 0), 6, 0x29);
    good(command(CDB(0x12, 1, 0x80, 0, 96), 0, 96));
    payload(p, 12);
    ck_assert(!memcmp(p, "\0\x80\0\x08SERIAL-1", 12));
    good(command(CDB(0x12, 1, 0xb0, 0, 96), 0, 96));
    payload(p, 64);
    ck_assert(p[3] == 60 && get_be32(p + 24) == 64);
    static const u8 pages[] = {0, 0x83, 0xb1, 0xb2};
    for (unsigned i = 0; i < sizeof pages; i++)
        good(command(CDB(0x12, 1, pages[i], 0, 200), 0, 200));
    sense_is(command(CDB(0x12, 1, 0x55, 0, 96), 0, 96), 5, 0x24);
    good(command(CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64), 0, 64)); /* REPORT LUNS */
    payload(p, 24);
    ck_assert(get_be32(p) == 16 && p[9] == 0 && p[17] == 7);
    good(command_to(3, 5, CDB(0x12, 0, 0, 0, 96), 0, 96)); /* no such unit */
    payload(p, 36);
    ck_assert_uint_eq(p[0], 0x7f);
    sense_is(command_to(3, 5, CDB(0), 0, 0), 5, 0x25);
    good(command_to(3, 5, CDB(3, 0, 0, 0, 18), 0, 18));
    payload(p, 18);
    ck_assert(p[2] == 5 && p[12] == 0x25);
    ck_assert_uint_eq(command_to(4, 0, CDB(0), 0, 0).response, 3); /* no such target */
    good(command_to(9, 1, CDB(3, 0, 0, 0, 18), 0, 18));            /* REQUEST SENSE takes the attention */
    payload(p, 18);
    ck_assert(p[2] == 6 && p[12] == 0x29);
    good(command_to(9, 1, CDB(0), 0, 0));
    sense_is(command(CDB(0xff), 0, 0), 5, 0x20);
    ck_assert_uint_eq(lg.guest_errors, 0);
}
END_TEST

START_TEST(test_blocks)
{
    u8 data[4096], back[4096], p[32];
    ready();
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (u8)(i * 7 + i / 512);
    good(command(CDB(0x25), 0, 8));
    payload(p, 8);
    ck_assert(get_be32(p) == BLOCKS - 1 && get_be32(p + 4) == 512);
    good(command(CDB(0x9e, 0x10, [13] = 32), 0, 32));
    payload(p, 32);
    ck_assert(get_be64(p) == BLOCKS - 1 && get_be32(p + 8) == 512 && p[14] == 0x80);
    /* Each width of WRITE, READ. */
    static const u8 writes[4][16] = {{0x0a, 0, 0, 5, 8},
                                     {0x2a, 0, 0, 0, 0, 20, 0, 0, 8},
                                     {0xaa, 0, 0, 0, 0, 40, 0, 0, 0, 8},
                                     {0x8a, 0, [9] = 60, [13] = 8}};
    static const u8 read_op[4] = {0x08, 0x28, 0xa8, 0x88};
    for (unsigned i = 0; i < 4; i++) {
        u8 read[16];
        data[0] = (u8)i;
        ram_put(&drv, PAYLOAD, data, sizeof data);
        good(command(writes[i], sizeof data, 0));
        memset(back, 0, sizeof back);
        ram_put(&drv, PAYLOAD, back, sizeof back);
        memcpy(read, writes[i], 16);
        read[0] = read_op[i];
        good(command(read, 0, sizeof back));
        payload(back, sizeof back);
        ck_assert(!memcmp(data, back, sizeof back));
        ck_assert(disk.disk->ops->read(disk.disk, (i ? i * 20 : 5) * 512, back, 512) && back[0] == i);
    }
    ck_assert_uint_eq(disk.flushes, 0);
    good(command(CDB(0x2a, 8, 0, 0, 0, 1, 0, 0, 1), 512, 0)); /* FUA */
    ck_assert_uint_eq(disk.flushes, 1);
    good(command(CDB(0x35), 0, 0));
    good(command(CDB(0x91), 0, 0));
    ck_assert_uint_eq(disk.flushes, 3);
    sense_is(command(CDB(0x28, 0, 0, 0, 8, 0, 0, 0, 1), 0, 512), 5, 0x21);
    sense_is(command(CDB(0x88, [2] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [13] = 1), 0, 512), 5, 0x21);
    sense_is(command(CDB(0x28, 0x20, 0, 0, 0, 0, 0, 0, 1), 0, 512), 5, 0x24);
    ck_assert_uint_eq(command(CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 2), 0, 2048).residual, 1024);
    good(command(CDB(0x8f, [13] = 4), 0, 0));
    good(command(CDB(0x2f, 0, [8] = 4), 0, 0));
}
END_TEST

START_TEST(test_unmap_and_same)
{
    u8 list[40] = {0, 38, 0, 32}, block[512], back[1024];
    ready();
    put_be64(list + 8, 4);
    put_be32(list + 16, 3);
    put_be64(list + 24, BLOCKS - 1);
    put_be32(list + 32, 1);
    ram_put(&drv, PAYLOAD, list, sizeof list);
    good(command(CDB(0x42, [8] = 40), 40, 0));
    ck_assert_uint_eq(disk.discards, 2);
    put_be32(list + 32, 2); /* the second is outside: nothing happens */
    ram_put(&drv, PAYLOAD, list, sizeof list);
    sense_is(command(CDB(0x42, [8] = 40), 40, 0), 5, 0x21);
    ck_assert_uint_eq(disk.discards, 2);
    sense_is(command(CDB(0x42, [8] = 7), 40, 0), 5, 0x1a);
    memset(block, 0x3c, sizeof block);
    ram_put(&drv, PAYLOAD, block, sizeof block);
    good(command(CDB(0x41, 0, 0, 0, 0, 8, 0, 0, 200), 512, 0));
    ck_assert(disk.disk->ops->read(disk.disk, 8 * 512, back, 512) && !memcmp(back, block, 512));
    ck_assert(disk.disk->ops->read(disk.disk, 207 * 512, back, 1024) && !memcmp(back, block, 512) && !back[512]);
    good(command(CDB(0x93, 9, [9] = 8, [13] = 4), 0, 0)); /* UNMAP, no data: zeros */
    ck_assert(disk.disk->ops->read(disk.disk, 11 * 512, back, 1024) && !back[0] && back[512] == 0x3c);
    ck_assert_uint_eq(disk.zeroes, 1);
    sense_is(command(CDB(0x41, 0, 0, 0, 0, 8), 512, 0), 5, 0x24); /* no blocks */
}
END_TEST

START_TEST(test_modes)
{
    u8 p[64];
    ready();
    good(command(CDB(0x1a, 0, 0x3f, 0, 200), 0, 200));
    payload(p, 64);
    ck_assert(p[0] == 43 && p[2] == 0x10 && p[3] == 8 && p[12] == 8 && p[14] == 4 && p[32] == 10);
    good(command(CDB(0x1a, 8, 0x48, 0, 200), 0, 200)); /* changeable */
    payload(p, 24);
    ck_assert(p[4] == 8 && p[6] == 4 && !p[7]);
    good(command(CDB(0x5a, 8, 8, [8] = 200), 0, 200));
    payload(p, 28);
    ck_assert(get_be16(p) == 26 && p[10] == 4);
    sense_is(command(CDB(0x1a, 0, 0xc8, 0, 200), 0, 200), 5, 0x39);
    sense_is(command(CDB(0x1a, 0, 5, 0, 200), 0, 200), 5, 0x24);
    /* The write cache off: each write is flushed; on again. */
    u8 select[24] = {[4] = 8, 18};
    ram_put(&drv, PAYLOAD, select, sizeof select);
    good(command(CDB(0x15, 0x10, 0, 0, 24), 24, 0));
    ck_assert_uint_eq(disk.flushes, 1);
    good(command(CDB(0x2a, 0, 0, 0, 0, 1, 0, 0, 1), 512, 0));
    ck_assert_uint_eq(disk.flushes, 2);
    select[6] = 4;
    ram_put(&drv, PAYLOAD, select, sizeof select);
    good(command(CDB(0x15, 0x10, 0, 0, 24), 24, 0));
    good(command(CDB(0x2a, 0, 0, 0, 0, 1, 0, 0, 1), 512, 0));
    ck_assert_uint_eq(disk.flushes, 2);
    select[7] = 1;
    ram_put(&drv, PAYLOAD, select, sizeof select);
    sense_is(command(CDB(0x15, 0x10, 0, 0, 24), 24, 0), 5, 0x26);
    sense_is(command(CDB(0x15, 0x10, 0, 0, 3), 24, 0), 5, 0x1a);
}
END_TEST

static u8 manage(u32 how, u8 target, u8 lun, u64 tag)
{
    u8 t[24] = {0}, r;
    put_le32(t + 4, how);
    t[8] = 1;
    t[9] = target;
    t[10] = 0x40;
    t[11] = lun;
    put_le64(t + 16, tag);
    ram_put(&ctl, CONTROL, t, sizeof t);
    put_desc(&ctl, ctl.desc, 0, CONTROL, sizeof t, 1, 1);
    put_desc(&ctl, ctl.desc, 1, CONTROL + 64, 1, 2, 0);
    ring_offer(&ctl, 0, 0);
    poke_pass(&clk, 2000);
    ram_get(&ctl, CONTROL + 64, &r, 1);
    return r;
}

START_TEST(test_tasks)
{
    ready();
    good(command_to(3, 7, CDB(3, 0, 0, 0, 18), 0, 18));
    offer(0, 3, 0, 100, CDB(0x28, [8] = 1), 0, 512);
    offer(3, 3, 0, 101, CDB(0x28, [8] = 1), 0, 512);
    offer(6, 3, 7, 102, CDB(0x28, [8] = 1), 0, 512);
    ck_assert_uint_eq(manage(6, 3, 0, 101), 10); /* QUERY TASK: there */
    ck_assert_uint_eq(manage(6, 3, 0, 102), 0);  /* another unit's */
    ck_assert_uint_eq(manage(0, 3, 0, 101), 0);  /* ABORT TASK */
    ck_assert_uint_eq(result(3).response, 2);
    ck_assert_uint_eq(manage(7, 3, 0, 0), 10);
    ck_assert_uint_eq(manage(5, 3, 0, 0), 0); /* LOGICAL UNIT RESET */
    ck_assert_uint_eq(result(0).response, 4);
    ck_assert_uint_eq(manage(7, 3, 0, 0), 0);
    poke_pass(&clk, 1000000);
    good(result(6)); /* the other unit's went on */
    struct result r = command(CDB(0), 0, 0);
    sense_is(r, 6, 0x29);
    ck_assert_uint_eq(r.ascq, 3);
    offer(6, 3, 7, 103, CDB(0x28, [8] = 1), 0, 512);
    ck_assert_uint_eq(manage(4, 3, 0, 0), 0); /* I_T NEXUS RESET */
    ck_assert_uint_eq(result(6).response, 4);
    ck_assert_uint_eq(clock_next(&clk), ~0ull);
    ck_assert_uint_eq(manage(0, 4, 0, 1), 3);
    ck_assert_uint_eq(manage(0, 3, 9, 1), 12);
    ck_assert_uint_eq(manage(2, 3, 0, 1), 11);
    ck_assert_uint_eq(lg.guest_errors, 0);
}
END_TEST

START_TEST(test_state)
{
    u8 junk[16];
    ready();
    offer(0, 3, 0, 100, CDB(0x28, [8] = 1), 0, 512);
    offer(3, 3, 0, 101, CDB(0x28, [8] = 1), 0, 512);
    manage(0, 3, 0, 100); /* leaves a place in the ring empty */
    u64 hash = device_hash(&m->dev), when = clock_next(&clk);
    struct snap s = {.mode = SNAP_SAVE};
    m->dev.ops->state(&m->dev, &s);
    m->dev.ops->reset(&m->dev);
    struct snap l = {.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
    m->dev.ops->state(&m->dev, &l);
    ck_assert(!l.failed && device_hash(&m->dev) == hash && clock_next(&clk) == when);
    poke_pass(&clk, 1000000);
    good(result(3));
    snap_free(&s);
    /* Random commands. */
    u64 r = 5;
    for (unsigned i = 0; i < 3000; i++) {
        for (unsigned k = 0; k < 16; k++) {
            r = r * 6364136223846793005ull + 1442695040888963407ull;
            junk[k] = r >> 60 ? (u8)((r >> 40) & (k > 5 ? 3 : 0)) : (u8)(r >> 50);
        }
        static const u8 ops[] = {0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x1a, 0x25,
                                 0x28, 0x2a, 0x41, 0x42, 0x5a, 0x88, 0x93, 0xa0};
        junk[0] = ops[r >> 33 & 15];
        (void)command(junk, r >> 20 & 1 ? 1024 : 0, r >> 20 & 2 ? 1024 : 0);
        if (peek32(&m->dev, 0x70) & 64)
            start();
    }
}
END_TEST

START_TEST(test_all) { poke_everything(&m->dev, VIRTIO_MMIO_SIZE, 3); }
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_identity, test_blocks, test_unmap_and_same, test_modes, test_tasks,
                                  test_state,    test_all};
    return poke_main("virtio_scsi", setup, teardown, tests, ARRAY_LEN(tests));
}
