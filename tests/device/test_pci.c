/* PCI host, configuration space, BARs, INTx, MSI-X, and virtio-blk behind it by both interfaces. */
#include "bell.h"
#include "devices/le.h"
#include "devices/pci.h"
#include "devices/virtio_blk.h"
#include "devices/virtio_pci.h"
#include "machine/disk.h"
#include "poke.h"

enum { RAM = 0x40000000, RAM_SIZE = 0x100000, RING = RAM + 0x10000, DATA = RAM + 0x20000, DOORBELL = 0x8090000 };
enum { MMIO = 0x10000000, SLOT = 2 };
#define MMIO64 0x8000000000ull

static struct clock clk;
static struct log lg;
static struct wire line[4];
static struct bus *bus;
static struct blockdev *disk;
static struct pci_host *h;
static struct device *ecam, *mem, *mem64, *io;

static void setup(void)
{
    clk = (struct clock){0};
    lg = (struct log){0};
    bus = bus_new(&lg);
    bus_map_ram(bus, 1 << PAS_NS, RAM, RAM_SIZE, "ram");
    bell_setup(bus, DOORBELL, &lg);
    bus_seal(bus);
    h = pci_host_new(&(struct pci_host_config){
        .id = "pcie", .log = &lg, .buses = 256, .mmio_base = MMIO, .mmio64_base = MMIO64, .dma = bus_dma(bus, 0)});
    disk = disk_memory(65536);
    struct virtio *v =
        virtio_blk_new(&(struct virtio_blk_config){.id = "disk0", .log = &lg, .clock = &clk, .disk = disk});
    struct pci_fn *f =
        virtio_pci_new(&(struct virtio_pci_config){.id = "disk0-pci", .log = &lg, .device = v, .transitional = true});
    ck_assert(pci_plug(h, f, SLOT));
    ck_assert(!pci_plug(h, f, SLOT));
    ecam = &h->ecam;
    mem = &h->mmio.dev;
    mem64 = &h->mmio64.dev;
    io = &h->io.dev;
    for (unsigned i = 0; i < 4; i++) {
        line[i] = (struct wire){0};
        wire_connect(&h->intx[i], &line[i]);
    }
}
static void teardown(void)
{
    device_free(ecam);
    disk_close(disk);
    bus_free(bus);
    clock_free(&clk);
}

static u64 cfg(unsigned reg) { return (u64)SLOT << 15 | reg; }

static void enable(void)
{
    poke32(ecam, cfg(PCI_BAR0), 0x1000);
    poke32(ecam, cfg(PCI_BAR0 + 4), MMIO + 0x10000);
    poke32(ecam, cfg(PCI_BAR0 + 16), 0x100000);
    poke32(ecam, cfg(PCI_BAR0 + 20), (u32)(MMIO64 >> 32));
    poke(ecam, cfg(PCI_COMMAND), 2, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
}

START_TEST(test_config)
{
    ck_assert_uint_eq(peek32(ecam, 0), 0x00081b36);
    ck_assert_uint_eq(peek(ecam, 0xa, 2), 0x0600);
    ck_assert_uint_eq(peek32(ecam, 1 << 15), 0xffffffff); /* empty slot */
    ck_assert_uint_eq(peek32(ecam, cfg(1 << 12)), 0xffffffff);
    ck_assert_uint_eq(peek32(ecam, 1 << 20), 0xffffffff);
    ck_assert_uint_eq(peek32(ecam, cfg(0x100)), 0);
    ck_assert_uint_eq(peek32(ecam, cfg(0)), 0x10011af4);
    ck_assert_uint_eq(peek(ecam, cfg(PCI_INT_PIN), 1), 1);
    poke32(ecam, cfg(0), 0);
    ck_assert_uint_eq(peek32(ecam, cfg(0)), 0x10011af4);
    for (unsigned i = 0; i < 6; i++) /* sizing */
        poke32(ecam, cfg(PCI_BAR0 + 4 * i), ~0u);
    static const u32 want[6] = {0xffffff81, 0xfffff000, 0, 0, 0xffffc00c, 0xffffffff};
    for (unsigned i = 0; i < 6; i++)
        ck_assert_uint_eq(peek32(ecam, cfg(PCI_BAR0 + 4 * i)), want[i]);
    unsigned seen = 0; /* the capability list ends and names what it should */
    for (unsigned at = (unsigned)peek(ecam, cfg(PCI_CAP_POINTER), 1), n = 0; at;
         at = (unsigned)peek(ecam, cfg(at + 1), 1)) {
        ck_assert(n++ < 10);
        u64 id = peek(ecam, cfg(at), 1);
        seen |= id == 9 ? 1u << peek(ecam, cfg(at + 3), 1) : id == 0x11;
    }
    ck_assert_uint_eq(seen, 0x3f);
    ck_assert_uint_eq(peek32(mem, 0x10000), 0xffffffff); /* not enabled */
    enable();
    ck_assert_uint_eq(peek32(mem, 0x1000c), 1); /* MSI-X entry 0: masked */
    ck_assert_uint_eq(peek(mem64, 0x100000 + 18, 2), 1);
    ck_assert_uint_eq(peek(io, 0x1000 + 12, 2), 256);
    ck_assert_uint_eq(peek32(mem, 0x20000), 0xffffffff);
}
END_TEST

static void put_desc(unsigned i, u64 addr, u32 len, u16 flags)
{
    u8 b[16];
    put_le64(b, addr);
    put_le32(b + 8, len);
    put_le16(b + 12, flags);
    put_le16(b + 14, (u16)(i + 1));
    bus_write(bus, &poke_txn, RING + 16 * i, b, 16);
}

/* A read of one sector is in the ring at RING (of num entries) as descriptors 0 to 2. */
static void offer(unsigned num, u16 idx)
{
    u8 h16[16] = {0}, ring_entry[4] = {0}, n[2];
    bus_write(bus, &poke_txn, DATA, h16, 16);
    put_desc(0, DATA, 16, 1);
    put_desc(1, DATA + 0x1000, 512, 3);
    put_desc(2, DATA + 16, 1, 2);
    bus_write(bus, &poke_txn, RING + 16 * num + 4 + 2ull * ((idx - 1u) % num), ring_entry, 2);
    put_le16(n, idx);
    bus_write(bus, &poke_txn, RING + 16 * num + 2, n, 2);
}

static void start_modern(u64 c)
{
    poke(mem64, c + 20, 1, 0);
    poke(mem64, c + 20, 1, 3);
    poke(mem64, c + 8, 4, 1);
    poke(mem64, c + 12, 4, 1);
    poke(mem64, c + 20, 1, 11);
    ck_assert_uint_eq(peek(mem64, c + 20, 1), 11);
    poke(mem64, c + 22, 2, 0);
    poke(mem64, c + 24, 2, 16);
    poke(mem64, c + 32, 8, RING);
    poke(mem64, c + 40, 4, RING + 256);
    poke(mem64, c + 44, 4, 0);
    poke(mem64, c + 48, 8, RING + 0x1000);
    ck_assert_uint_eq(peek(mem64, c + 40, 8), RING + 256);
}

START_TEST(test_modern_intx)
{
    enable();
    u64 c = 0x100000;
    start_modern(c);
    poke(mem64, c + 28, 2, 1);
    poke(mem64, c + 20, 1, 15);
    offer(16, 1);
    poke(mem64, c + 0x3000, 2, 0);
    poke_pass(&clk, 1000000);
    ck_assert(line[SLOT % 4].level); /* INTA of slot 2 is line 2 */
    ck_assert_uint_eq(peek(ecam, cfg(PCI_STATUS), 1) & 8, 8);
    poke(ecam, cfg(PCI_COMMAND), 2, PCI_CMD_MEM | PCI_CMD_MASTER | PCI_CMD_INTX_OFF);
    ck_assert(!line[2].level);
    poke(ecam, cfg(PCI_COMMAND), 2, PCI_CMD_MEM | PCI_CMD_MASTER);
    ck_assert(line[2].level);
    ck_assert_uint_eq(peek(mem64, c + 0x1000, 1), 1);
    ck_assert(!line[2].level);
    ck_assert_uint_eq(lg.guest_errors, 0);
    poke(ecam, cfg(PCI_COMMAND), 2, PCI_CMD_MEM); /* no DMA without bus mastering */
    offer(16, 2);
    poke(mem64, c + 0x3000, 2, 0);
    ck_assert_uint_eq(peek(mem64, c + 20, 1) & 64, 64);
}
END_TEST

START_TEST(test_msix)
{
    enable();
    unsigned cap = (unsigned)peek(ecam, cfg(PCI_CAP_POINTER), 1);
    while (peek(ecam, cfg(cap), 1) != 0x11)
        cap = (unsigned)peek(ecam, cfg(cap + 1), 1);
    ck_assert_uint_eq(peek(ecam, cfg(cap + 2), 2), 1); /* two vectors */
    u64 c = 0x100000, table = 0x10000;
    start_modern(c);
    poke(mem64, c + 26, 2, 1);
    ck_assert_uint_eq(peek(mem64, c + 26, 2), 1);
    poke(mem64, c + 16, 2, 7); /* no such vector */
    ck_assert_uint_eq(peek(mem64, c + 16, 2), 0xffff);
    poke(mem64, c + 28, 2, 1);
    poke(mem64, c + 20, 1, 15);
    poke(ecam, cfg(cap + 2), 2, 0x8000);
    poke(mem, table + 16, 8, DOORBELL + 0x40);
    poke32(mem, table + 24, 0x77);
    offer(16, 1);
    poke(mem64, c + 0x3000, 2, 0);
    poke_pass(&clk, 1000000);
    ck_assert_uint_eq(bell.count, 0); /* still masked: pending */
    ck_assert_uint_eq(peek32(mem, table + 2048), 2);
    poke32(mem, table + 28, 0);
    ck_assert_uint_eq(bell.count, 1);
    ck_assert_uint_eq(bell.data, 0x77);
    ck_assert_uint_eq(bell.stream, SLOT << 3);
    ck_assert_uint_eq(peek32(mem, table + 2048), 0);
    offer(16, 2);
    poke(mem64, c + 0x3000, 2, 0);
    poke(ecam, cfg(cap + 2), 2, 0xc000); /* function mask */
    poke_pass(&clk, 1000000);
    ck_assert_uint_eq(bell.count, 1);
    poke(ecam, cfg(cap + 2), 2, 0x8000);
    ck_assert_uint_eq(bell.count, 2);
    ck_assert(!line[2].level);
    /* A message that points at the device's own registers goes nowhere, and a RAM address is written. */
    poke(mem, table + 16, 8, DATA + 0x5000);
    offer(16, 3);
    poke(mem64, c + 0x3000, 2, 0);
    poke_pass(&clk, 1000000);
    u8 got[4];
    bus_read(bus, &poke_txn, DATA + 0x5000, got, 4);
    ck_assert_uint_eq(get_le32(got), 0x77);
    struct txn dma = {.cpu = TXN_DMA};
    u64 v[2];
    ck_assert_int_eq(bus_dev_read(mem64, &dma, c, 4, v), BUS_SLVERR);
}
END_TEST

START_TEST(test_legacy)
{
    enable();
    poke(io, 0x1000 + 18, 1, 0);
    poke(io, 0x1000 + 18, 1, 3);
    ck_assert_uint_eq(peek(io, 0x1000, 4) & 1 << 9, 1 << 9);
    poke(io, 0x1000 + 4, 4, 1 << 9);
    poke(io, 0x1000 + 14, 2, 0);
    poke(io, 0x1000 + 8, 4, RING >> 12);
    ck_assert_uint_eq(peek(io, 0x1000 + 8, 4), RING >> 12);
    poke(io, 0x1000 + 18, 1, 7);
    ck_assert_uint_eq(peek(io, 0x1000 + 20, 8), 128); /* capacity */
    offer(256, 1);
    poke(io, 0x1000 + 16, 2, 0);
    poke_pass(&clk, 1000000);
    ck_assert(line[2].level);
    ck_assert_uint_eq(peek(io, 0x1000 + 19, 1), 1);
    ck_assert(!line[2].level);
    ck_assert_uint_eq(lg.guest_errors, 0);
}
END_TEST

START_TEST(test_config_window)
{
    enable();
    unsigned cap = (unsigned)peek(ecam, cfg(PCI_CAP_POINTER), 1);
    while (peek(ecam, cfg(cap), 1) != 9 || peek(ecam, cfg(cap + 3), 1) != 5)
        cap = (unsigned)peek(ecam, cfg(cap + 1), 1);
    poke(ecam, cfg(cap + 4), 1, 4);
    poke32(ecam, cfg(cap + 8), 18);
    poke32(ecam, cfg(cap + 12), 2);
    ck_assert_uint_eq(peek32(ecam, cfg(cap + 16)), 1);
    poke32(ecam, cfg(cap + 8), 20);
    poke32(ecam, cfg(cap + 12), 1);
    poke32(ecam, cfg(cap + 16), 3);
    ck_assert_uint_eq(peek(mem64, 0x100000 + 20, 1), 3);
    poke32(ecam, cfg(cap + 12), 3); /* a bad length does nothing */
    poke32(ecam, cfg(cap + 16), 0);
    ck_assert_uint_eq(peek(mem64, 0x100000 + 20, 1), 3);
}
END_TEST

static u64 hash(void) { return device_hash(ecam); }

START_TEST(test_all)
{
    u64 r = 5, cold = hash();
    for (unsigned i = 0; i < 200000; i++) {
        r = r * 6364136223846793005ull + 1442695040888963407ull;
        unsigned size = 1u << (r >> 60 & 3);
        u64 pick = r >> 33 & 0xffff, val[2] = {r >> 17 & 1 ? r : r >> 50, 0}, got[2];
        struct device *d = ecam;
        u64 off = cfg(pick & 0xff);
        switch (r >> 56 & 3) {
        case 0: d = mem, off = 0x10000 + (pick & 0xfff); break;
        case 1: d = mem64, off = 0x100000 + (pick & 0x3fff); break;
        case 2: d = io, off = 0x1000 + (pick & 0x7f); break;
        }
        off &= ~(u64)(size - 1);
        if (i % 100 == 0)
            enable();
        (void)bus_dev_read(d, &poke_txn, off, size, got);
        (void)bus_dev_write(d, &poke_txn, off, size, val);
        if (i % 1000 == 0)
            poke_pass(&clk, 1000000);
    }
    struct snap save = {.mode = SNAP_SAVE};
    ecam->ops->state(ecam, &save);
    u64 hot = hash();
    ecam->ops->reset(ecam);
    ck_assert_uint_eq(hash(), cold);
    struct snap load = {.mode = SNAP_LOAD, .buf = save.buf, .cap = save.pos};
    ecam->ops->state(ecam, &load);
    ck_assert(!load.failed);
    ck_assert_uint_eq(hash(), hot);
    snap_free(&save);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_config, test_modern_intx, test_msix, test_legacy, test_config_window, test_all};
    return poke_main("pci", setup, teardown, tests, ARRAY_LEN(tests));
}
