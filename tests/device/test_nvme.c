/* NVMe: start-up, identification, queues, PRP lists, full completion queues, snapshots in flight, random
 * commands. */
#include "devices/le.h"
#include "devices/nvme.h"
#include "machine/disk.h"
#include "poke.h"

enum {
    RAM = 0x40000000,
    RAM_SIZE = 0x200000,
    ASQ = RAM + 0x10000,
    ACQ = RAM + 0x20000,
    SQ = RAM + 0x30000,
    CQ = RAM + 0x40000,
    LIST = RAM + 0x50000,
    DATA = RAM + 0x100000,
    DISK = 1 << 20,
};

static struct clock clk;
static struct log lg;
static struct wire line;
static struct bus *bus;
static struct blockdev *disk;
static struct pci_host *h;
static struct device *ecam, *mem;
static u16 a_tail, a_head, tail, head, cid;
static unsigned entries;

static void setup(void)
{
    clk = (struct clock){0};
    lg = (struct log){0};
    line = (struct wire){0};
    a_tail = a_head = tail = head = cid = 0;
    entries = 8;
    bus = bus_new(&lg);
    bus_map_ram(bus, 1 << PAS_NS, RAM, RAM_SIZE, "ram");
    bus_seal(bus);
    disk = disk_memory(DISK);
    h = pci_host_new(
        &(struct pci_host_config){.id = "pcie", .log = &lg, .buses = 1, .mmio64_base = 0, .dma = bus_dma(bus, 0)});
    struct pci_fn *f =
        nvme_new(&(struct nvme_config){.id = "nvme0", .log = &lg, .clock = &clk, .disk = disk, .serial = "deadbeef"});
    ck_assert(pci_plug(h, f, 4));
    wire_connect(&h->intx[0], &line);
    ecam = &h->ecam;
    mem = &h->mmio64.dev;
    poke32(ecam, 4 << 15 | PCI_BAR0, 0x100000);
    poke(ecam, 4 << 15 | PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
}
static void teardown(void)
{
    device_free(ecam);
    disk_close(disk);
    bus_free(bus);
    clock_free(&clk);
}

static u32 reg(u64 off) { return peek32(mem, 0x100000 + off); }
static void set(u64 off, u32 v) { poke32(mem, 0x100000 + off, v); }
static void put(u64 addr, const void *p, size_t n) { ck_assert_int_eq(bus_write(bus, &poke_txn, addr, p, n), BUS_OK); }
static void get(u64 addr, void *p, size_t n) { ck_assert_int_eq(bus_read(bus, &poke_txn, addr, p, n), BUS_OK); }

static void start(void)
{
    ck_assert_uint_eq(peek(mem, 0x100000, 8) & 0xffff, 1023);
    set(0x24, 7 << 16 | 7);
    poke(mem, 0x100028, 8, ASQ);
    set(0x30, ACQ);
    set(0x34, 0);
    set(0x14, 0x00460001);
    ck_assert_uint_eq(reg(0x1c), 1);
}

struct cmd {
    u8 op;
    u32 ns;
    u64 prp1, prp2;
    u32 d10, d11, d12;
};

/* Submits to the admin queue or queue 1; returns the status, the result in *result. */
static void submit(bool admin, struct cmd c)
{
    u8 e[64] = {0};
    e[0] = c.op;
    put_le16(e + 2, ++cid);
    put_le32(e + 4, c.ns);
    put_le64(e + 24, c.prp1);
    put_le64(e + 32, c.prp2);
    put_le32(e + 40, c.d10);
    put_le32(e + 44, c.d11);
    put_le32(e + 48, c.d12);
    u16 *t = admin ? &a_tail : &tail;
    put((admin ? ASQ : SQ) + 64ull * *t, e, sizeof e);
    *t = (u16)((*t + 1) % (admin ? 8 : entries));
    set(0x1000 + (admin ? 0 : 8), *t);
}

static u16 finish(bool admin, u32 *result)
{
    u8 e[16];
    u16 *hd = admin ? &a_head : &head;
    poke_pass(&clk, 10000000);
    get((admin ? ACQ : CQ) + 16ull * *hd, e, sizeof e);
    ck_assert_uint_eq(get_le16(e + 12), cid);
    *hd = (u16)((*hd + 1) % (admin ? 8 : entries));
    set(0x1004 + (admin ? 0 : 8), *hd);
    if (result)
        *result = get_le32(e);
    return get_le16(e + 14) >> 1 & 0x7ff;
}

static u16 admin(struct cmd c, u32 *result)
{
    submit(true, c);
    return finish(true, result);
}
static u16 io(struct cmd c)
{
    submit(false, c);
    return finish(false, NULL);
}

static void make_queues(void)
{
    start();
    ck_assert_uint_eq(admin((struct cmd){.op = 5, .prp1 = CQ, .d10 = (entries - 1) << 16 | 1, .d11 = 3}, NULL), 0);
    ck_assert_uint_eq(
        admin((struct cmd){.op = 1, .prp1 = SQ, .d10 = (entries - 1) << 16 | 1, .d11 = 1 << 16 | 1}, NULL), 0);
}

START_TEST(test_admin)
{
    u8 d[4096];
    u32 r;
    start();
    ck_assert_uint_eq(admin((struct cmd){.op = 6, .prp1 = DATA, .d10 = 1}, NULL), 0);
    get(DATA, d, sizeof d);
    ck_assert(!memcmp(d + 4, "deadbeef            ", 20) && d[512] == 0x66 && d[516] == 1);
    ck_assert_uint_eq(admin((struct cmd){.op = 6, .ns = 1, .prp1 = DATA + 0x800, .prp2 = DATA + 0x3000}, NULL), 0);
    get(DATA + 0x800, d, 16);
    ck_assert_uint_eq(get_le64(d), DISK / 512);
    get(DATA + 0x800 + 130, d, 1);
    ck_assert_uint_eq(d[0], 9);
    ck_assert_uint_eq(admin((struct cmd){.op = 6, .ns = 0, .prp1 = DATA, .d10 = 2}, NULL), 0);
    get(DATA, d, 8);
    ck_assert_uint_eq(get_le64(d), 1);
    ck_assert_uint_eq(admin((struct cmd){.op = 9, .d10 = 7, .d11 = 0xff00ff}, &r), 0);
    ck_assert_uint_eq(r, 15 << 16 | 15);
    ck_assert_uint_eq(admin((struct cmd){.op = 2, .prp1 = DATA, .d10 = 127u << 16 | 2}, NULL), 0);
    ck_assert_uint_eq(admin((struct cmd){.op = 2, .prp1 = DATA, .d10 = 127u << 16 | 9}, NULL), 0x109);
    ck_assert_uint_eq(admin((struct cmd){.op = 0x7f}, NULL), 1);
    ck_assert_uint_eq(admin((struct cmd){.op = 5, .prp1 = CQ, .d10 = 7 << 16, .d11 = 3}, NULL), 0x101);
    ck_assert_uint_eq(admin((struct cmd){.op = 5, .prp1 = CQ, .d10 = 2048u << 16 | 1, .d11 = 3}, NULL), 0x102);
    ck_assert_uint_eq(admin((struct cmd){.op = 1, .prp1 = SQ, .d10 = 7 << 16 | 1, .d11 = 1 << 16 | 1}, NULL), 0x100);
    /* Asynchronous events wait; a disabled controller forgets everything. */
    submit(true, (struct cmd){.op = 0xc});
    poke_pass(&clk, 1000000);
    ck_assert(!line.level);
    set(0x14, 0);
    ck_assert_uint_eq(reg(0x1c), 0);
    ck_assert_uint_eq(clock_next(&clk), ~0ull);
}
END_TEST

START_TEST(test_io)
{
    make_queues();
    u8 data[65536], back[65536];
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (u8)(i ^ i >> 8);
    put(DATA + 0x200, data, sizeof data);
    /* 64 KiB beginning inside a page: a list of 16 more pages, cut by a list page that is not aligned to 4 KiB */
    u8 list[8];
    u64 at = LIST + 0x1000 - 16;
    for (unsigned i = 1; i <= 16; i++) {
        put_le64(list, DATA + 0x1000 * i);
        if (at % 0x1000 == 0xff8 && i < 16) {
            u8 next[8];
            put_le64(next, LIST + 0x2000);
            put(at, next, 8);
            at = LIST + 0x2000;
        }
        put(at, list, 8);
        at += 8;
    }
    ck_assert_uint_eq(io((struct cmd){1, 1, DATA + 0x200, LIST + 0x1000 - 16, 100, 0, 127}), 0);
    ck_assert(line.level == false);
    ck_assert(disk->ops->read(disk, 100 * 512, back, sizeof back) && !memcmp(back, data, sizeof back));
    ck_assert_uint_eq(io((struct cmd){2, 1, DATA + 0x80000, DATA + 0x81000, 100, 0, 15}), 0);
    get(DATA + 0x80000, back, 8192);
    ck_assert(!memcmp(back, data, 8192));
    ck_assert_uint_eq(io((struct cmd){0, 1, 0, 0, 0, 0, 0}), 0);
    ck_assert_uint_eq(io((struct cmd){8, 1, 0, 0, 100, 0, 0}), 0);
    ck_assert(disk->ops->read(disk, 100 * 512, back, 1024) && !back[0] && !memcmp(back + 512, data + 512, 512));
    ck_assert_uint_eq(io((struct cmd){2, 1, DATA, 0, DISK / 512, 0, 0}), 0x80);
    ck_assert_uint_eq(io((struct cmd){2, 2, DATA, 0, 0, 0, 0}), 0xb);
    ck_assert_uint_eq(io((struct cmd){2, 1, 0x1000, 0, 0, 0, 0}), 4);
    ck_assert_uint_eq(io((struct cmd){2, 1, DATA, DATA + 8, 0, 0, 15}), 4); /* PRP2 with an offset */
    ck_assert_uint_eq(admin((struct cmd){.op = 4, .d10 = 1}, NULL), 0x10c);
    ck_assert_uint_eq(admin((struct cmd){.op = 0, .d10 = 1}, NULL), 0);
    ck_assert_uint_eq(admin((struct cmd){.op = 4, .d10 = 1}, NULL), 0);
    ck_assert_uint_eq(lg.guest_errors, 0);
}
END_TEST

START_TEST(test_full_and_interrupts)
{
    entries = 3;
    make_queues();
    submit(false, (struct cmd){0, 1, 0, 0, 0, 0, 0});
    submit(false, (struct cmd){0, 1, 0, 0, 0, 0, 0});
    poke_pass(&clk, 10000000);
    ck_assert(line.level);
    set(0xc, 1);
    ck_assert(!line.level);
    set(0x10, 1);
    ck_assert(line.level);
    submit(false, (struct cmd){0, 1, 0, 0, 0, 0, 0}); /* the completion queue of 3 holds 2 */
    poke_pass(&clk, 10000000);
    u8 e[16];
    get(CQ + 32, e, 16);
    ck_assert_uint_eq(get_le16(e + 14), 0);
    set(0x100c, 1);
    poke_pass(&clk, 10000000);
    get(CQ + 32, e, 16);
    ck_assert_uint_eq(get_le16(e + 14), 1);
    ck_assert_uint_eq(get_le16(e + 12), cid);
    set(0x100c, 0);
    ck_assert(!line.level);
}
END_TEST

START_TEST(test_snapshot)
{
    make_queues();
    submit(false, (struct cmd){2, 1, DATA, 0, 0, 0, 0});
    u64 hash = device_hash(ecam), when = clock_next(&clk);
    struct snap s = {.mode = SNAP_SAVE};
    ecam->ops->state(ecam, &s);
    set(0x14, 0);
    struct snap l = {.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
    ecam->ops->state(ecam, &l);
    ck_assert(!l.failed && l.pos == s.pos);
    ck_assert_uint_eq(device_hash(ecam), hash);
    ck_assert_uint_eq(clock_next(&clk), when);
    ck_assert_uint_eq(finish(false, NULL), 0);
    for (size_t n = 0; n < s.pos; n += 7) {
        struct snap x = {.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
        s.buf[n] ^= 0xff;
        ecam->ops->state(ecam, &x);
        s.buf[n] ^= 0xff;
        poke_pass(&clk, 100000);
        ecam->ops->reset(ecam);
    }
    snap_free(&s);
}
END_TEST

static u32 next(void)
{
    static u64 r = 3;
    r = r * 6364136223846793005ull + 1442695040888963407ull;
    return (u32)(r >> 33);
}

START_TEST(test_hostile)
{
    static const u64 addr[] = {DATA, DATA + 0x200, LIST, LIST + 0xff8, RAM + RAM_SIZE - 8, 0, ~0ull, SQ, CQ};
    for (unsigned i = 0; i < 2000; i++) {
        set(0x14, 0);
        a_tail = a_head = tail = head = 0;
        if (next() % 8)
            make_queues();
        for (unsigned k = 0; k < 512; k++) {
            u8 e[8];
            put_le64(e, addr[next() % 9]);
            put(LIST + 8 * k, e, 8);
        }
        for (unsigned k = 0; k < 12; k++) {
            struct cmd c = {(u8)(next() % 16),
                            next() % 3,
                            addr[next() % 9],
                            addr[next() % 9],
                            next() % 3000,
                            next() % 64,
                            next() % 2 ? next() % 300 : next()};
            if (next() % 4 == 0)
                c.d10 = next();
            submit(next() % 2, c);
            if (next() % 4 == 0)
                set(next() % 0x40 * 4, next());
            if (next() % 4 == 0)
                set(0x1000 + next() % 64 * 4, next() % 16);
            poke_pass(&clk, next() % 100000);
        }
        ecam->ops->reset(ecam);
        poke32(ecam, 4 << 15 | PCI_BAR0, 0x100000);
        poke(ecam, 4 << 15 | PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_admin, test_io, test_full_and_interrupts, test_snapshot, test_hostile};
    return poke_main("nvme", setup, teardown, tests, ARRAY_LEN(tests));
}
