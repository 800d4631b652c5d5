/* 82574L: NVM, PHY, transmission with checksums and segments against sums computed here, reception into both kinds of
 * descriptor, interrupts by pin and by MSI-X, registers poked at random. */
#include "bell.h"
#include "devices/e1000e.h"
#include "devices/le.h"
#include "poke.h"

enum { RAM = 0x40000000, RAM_SIZE = 0x100000, TX = RAM, RX = RAM + 0x1000, DATA = RAM + 0x10000, BELL = 0x8090000 };
enum { MMIO = 0x10000000, SLOT = 3 };

static struct clock clk;
static struct log lg;
static struct wire line[4];
static struct bus *bus;
static struct pci_host *h;
static struct nic *nic;
static u8 sent[8][4096];
static size_t sizes[8];
static unsigned frames, rooms;

static void send_frame(void *arg, const u8 *frame, size_t n)
{
    (void)arg;
    ck_assert_uint_lt(frames, 8);
    memcpy(sent[frames], frame, n < 4096 ? n : 4096);
    sizes[frames++] = n;
}
static void room(void *arg)
{
    (void)arg;
    rooms++;
}
static u32 rd(u32 off) { return peek32(&h->mmio.dev, off); }
static void wr(u32 off, u32 v) { poke32(&h->mmio.dev, off, v); }
static void config(u32 off, unsigned n, u32 v) { poke(&h->ecam, SLOT << 15 | off, n, v); }
static void put(u64 at, const void *p, size_t n) { ck_assert_int_eq(bus_load(bus, PAS_NS, at, p, n), BUS_OK); }
static void get(u64 at, void *p, size_t n) { ck_assert_int_eq(bus_read(bus, &poke_txn, at, p, n), BUS_OK); }

static void setup(void)
{
    clk = (struct clock){0};
    lg = (struct log){0};
    frames = rooms = 0;
    bus = bus_new(&lg);
    bus_map_ram(bus, 1 << PAS_NS, RAM, RAM_SIZE, "ram");
    bell_setup(bus, BELL, &lg);
    bus_seal(bus);
    h = pci_host_new(&(struct pci_host_config){
        .id = "pcie", .log = &lg, .buses = 1, .mmio_base = MMIO, .mmio64_base = 0x8000000000, .dma = bus_dma(bus, 0)});
    struct pci_fn *f = e1000e_new(
        &(struct e1000e_config){
            .id = "nic0", .log = &lg, .clock = &clk, .net = {send_frame, room, NULL}, .mac = {0x52, 0x54, 0, 1, 2, 3}},
        &nic);
    ck_assert(pci_plug(h, f, SLOT));
    for (unsigned i = 0; i < 4; i++)
        wire_connect(&h->intx[i], &line[i]);
    memset(line, 0, sizeof line);
    config(PCI_BAR0, 4, MMIO);
    config(PCI_BAR0 + 12, 4, MMIO + 0x40000);
    config(PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
}
static void teardown(void)
{
    device_free(&h->ecam);
    bus_free(bus);
    clock_free(&clk);
}

static void start_tx(void)
{
    wr(0x3800, TX);
    wr(0x3808, 16 * 16);
    wr(0x400, 2);
}
static void descriptor(u64 ring_at, unsigned i, u64 lo, u64 hi)
{
    u8 d[16];
    put_le64(d, lo);
    put_le64(d + 8, hi);
    put(ring_at + 16 * i, d, 16);
}
static u16 fold(u32 s)
{
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (u16)s;
}
static u32 sum(const u8 *p, size_t n, u32 s)
{
    for (size_t i = 0; i < n; i++)
        s += i & 1 ? p[i] : (u32)p[i] << 8;
    return s;
}

START_TEST(test_identity)
{
    u16 s = 0;
    ck_assert_uint_eq(rd(0x5400), 0x01005452);
    ck_assert_uint_eq(rd(0x5404), 0x80000302);
    for (u32 i = 0; i < 64; i++) {
        wr(0x14, i << 2 | 1);
        ck_assert_uint_eq(rd(0x14) & 3, 2);
        s = (u16)(s + (rd(0x14) >> 16));
    }
    ck_assert_uint_eq(s, 0xbaba);
    wr(0x20, 1 << 21 | 2 << 26 | 2 << 16);
    ck_assert_uint_eq(rd(0x20) & 0x1000ffff, 0x10000141);
    wr(0x20, 1 << 21 | 1 << 26 | 4 << 16 | 0x1234);
    wr(0x20, 1 << 21 | 2 << 26 | 4 << 16);
    ck_assert_uint_eq(rd(0x20) & 0xffff, 0x1234);
    wr(0x20, 2 << 21 | 2 << 26); /* another PHY */
    ck_assert_uint_eq(rd(0x20) >> 30 & 1, 1);
    ck_assert_uint_eq(rd(8) & 2, 2);
}
END_TEST

/* A frame in two pieces, with a checksum inserted; DD and the interrupt by pin. */
START_TEST(test_transmit)
{
    u8 f[200], d[16];
    for (unsigned i = 0; i < sizeof f; i++)
        f[i] = (u8)(i * 7 + 1);
    f[50] = f[51] = 0;
    put(DATA, f, sizeof f);
    start_tx();
    wr(0xd0, 1);
    descriptor(TX, 0, 34ull << 32 | 50ull << 40, 1ull << 29 | 0ull << 20); /* context: from 34, to 50 */
    descriptor(TX, 1, DATA, 120 | 1u << 20 | 1ull << 29 | 2ull << 40 << 0);
    descriptor(TX, 2, DATA + 120, 80 | 1u << 20 | 0x29ull << 24);
    wr(0x3818, 3);
    ck_assert_uint_eq(frames, 0);
    poke_pass(&clk, 10000);
    ck_assert_uint_eq(frames, 1);
    ck_assert_uint_eq(sizes[0], 200);
    ck_assert_uint_eq(fold(sum(sent[0] + 34, 166, 0)), 0xffff);
    ck_assert(memcmp(sent[0] + 52, f + 52, 148) == 0);
    get(TX + 32, d, 16);
    ck_assert_uint_eq(d[12], 1);
    ck_assert_uint_eq(rd(0x3810), 3);
    ck_assert(line[SLOT % 4].level);
    ck_assert_uint_eq(rd(0xc0) & 1, 1);
    ck_assert(!line[SLOT % 4].level);
    /* legacy, with its own insertion */
    descriptor(TX, 3, DATA, 100 | 50ull << 16 | 0xdull << 24 | 34ull << 40);
    wr(0x3818, 4);
    poke_pass(&clk, 10000);
    ck_assert_uint_eq(frames, 2);
    ck_assert_uint_eq(fold(sum(sent[1] + 34, 66, 0)), 0xffff);
}
END_TEST

/* TCP over IPv4 in three segments: lengths, identification, sequence numbers, flags, both checksums. */
START_TEST(test_segments)
{
    u8 f[54 + 2500] = {0};
    for (unsigned i = 54; i < sizeof f; i++)
        f[i] = (u8)(i * 5);
    f[14] = 0x45;
    f[18] = 0x12;
    f[19] = 0xff;
    f[23] = 6;
    for (unsigned i = 26; i < 34; i++)
        f[i] = (u8)i;
    put_be32(f + 38, 0xfffffff0);
    f[46] = 0x50;
    f[47] = 0x19;                              /* FIN, PSH, ACK */
    put_be16(f + 50, fold(sum(f + 26, 8, 6))); /* the pseudo header without its length */
    put(DATA, f, sizeof f);
    start_tx();
    descriptor(TX, 0, 14 | 24ull << 8 | 33ull << 16 | 34ull << 32 | 50ull << 40,
               2500 | 0x27ull << 24 | 54ull << 40 | 1000ull << 48);
    descriptor(TX, 1, DATA, sizeof f | 1u << 20 | 0x2full << 24 | 3ull << 40);
    wr(0x3818, 2);
    poke_pass(&clk, 10000);
    ck_assert_uint_eq(frames, 3);
    for (unsigned i = 0; i < 3; i++) {
        u8 *p = sent[i];
        size_t part = i < 2 ? 1000 : 500;
        ck_assert_uint_eq(sizes[i], 54 + part);
        ck_assert_uint_eq(get_be16(p + 16), 40 + part);
        ck_assert_uint_eq(get_be16(p + 18), (0x12ff + i) & 0xffff);
        ck_assert_uint_eq(get_be32(p + 38), 0xfffffff0 + 1000 * i);
        ck_assert_uint_eq(p[47], i < 2 ? 0x10 : 0x19);
        ck_assert_uint_eq(fold(sum(p + 14, 20, 0)), 0xffff);
        ck_assert_uint_eq(fold(sum(p + 34, 20 + part, sum(p + 26, 8, 6 + 20 + (u32)part))), 0xffff);
        ck_assert(memcmp(p + 54, f + 54 + 1000 * i, part) == 0);
    }
}
END_TEST

START_TEST(test_receive)
{
    u8 f[3000] = {0x52, 0x54, 0, 1, 2, 3}, d[16], got[3000];
    for (unsigned i = 6; i < sizeof f; i++)
        f[i] = (u8)(i * 3);
    ck_assert(nic->receive(nic, f, 100)); /* not enabled: dropped */
    wr(0x2800, RX);
    wr(0x2808, 8 * 16);
    for (unsigned i = 0; i < 8; i++)
        descriptor(RX, i, DATA + 0x1000 * i, 0);
    wr(0x100, 2 | 1 << 26 | 1 << 15);
    ck_assert(!nic->receive(nic, f, 100)); /* no descriptors */
    wr(0x2818, 4);
    ck_assert_uint_eq(rooms, 1);
    ck_assert(nic->receive(nic, f, 100));
    get(RX, d, 16);
    ck_assert_uint_eq(get_le16(d + 8), 100);
    ck_assert_uint_eq(d[12] & 3, 3);
    get(DATA, got, 100);
    ck_assert(memcmp(got, f, 100) == 0);
    wr(0x5008, 1 << 15); /* extended descriptors; two for a long frame */
    ck_assert(nic->receive(nic, f, 3000));
    get(RX + 16, d, 16);
    ck_assert_uint_eq(get_le32(d + 8) & 3, 1);
    ck_assert_uint_eq(get_le16(d + 12), 2048);
    get(RX + 32, d, 16);
    ck_assert_uint_eq(get_le32(d + 8) & 3, 3);
    ck_assert_uint_eq(get_le16(d + 12), 952);
    ck_assert_uint_eq(rd(0x2810), 3);
    f[5] = 9; /* for someone else */
    ck_assert(nic->receive(nic, f, 100));
    ck_assert_uint_eq(rd(0x2810), 3);
    memset(f, 0xff, 6);
    ck_assert(nic->receive(nic, f, 20)); /* padded */
    get(RX + 48, d, 16);
    ck_assert_uint_eq(get_le16(d + 12), 60);
}
END_TEST

/* Vectors by IVAR, cleared by EIAC; a link change is "other". */
START_TEST(test_msix)
{
    for (u32 i = 0; i < 3; i++) {
        poke32(&h->mmio.dev, 0x40000 + 16 * i, BELL);
        poke32(&h->mmio.dev, 0x40008 + 16 * i, 100 + i);
        poke32(&h->mmio.dev, 0x4000c + 16 * i, 0);
    }
    u32 cap = peek(&h->ecam, SLOT << 15 | PCI_CAP_POINTER, 1) & 0xff;
    while ((peek(&h->ecam, SLOT << 15 | cap, 1) & 0xff) != 0x11)
        cap = peek(&h->ecam, SLOT << 15 | (cap + 1), 1) & 0xff;
    config(cap + 2, 2, 0x8000);
    wr(0xe4, 8 | 9 << 8 | 10 << 16); /* RX 0, TX 1, other 2 */
    wr(0xdc, 5 << 20);
    wr(0xc8, 1 << 20);
    ck_assert_uint_eq(bell.count, 0); /* masked */
    wr(0xd0, 1 << 20 | 1 << 22 | 1 << 24 | 4);
    ck_assert_uint_eq(bell.count, 1);
    ck_assert_uint_eq(bell.data, 100);
    wr(0xc8, 1 << 22);
    ck_assert_uint_eq(bell.data, 101);
    wr(0xc8, 4);
    ck_assert_uint_eq(bell.data, 102);
    ck_assert_uint_eq(rd(0xc0) & (1 << 24 | 4 | 5 << 20), 1 << 24 | 4);
    ck_assert(!line[SLOT % 4].level);
}
END_TEST

START_TEST(test_poke)
{
    u64 r = 1;
    for (unsigned i = 0; i < 200000; i++) {
        r = r * 6364136223846793005ull + 1442695040888963407ull;
        u32 off = (u32)(r >> 33) & (r >> 63 ? 0x1fffc : 0x3ffc), v = (u32)(r >> 11);
        if (r >> 60 & 1)
            wr(off, r >> 59 & 1 ? RAM + (v & 0xffff0) : v);
        else
            rd(off);
        if (!(i % 64)) {
            frames = 0;
            u8 f[1600] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
            (void)nic->receive(nic, f, 60 + v % 1500);
            wr(0x400, 0);
            poke_pass(&clk, 10000);
        }
    }
    poke_everything(&h->ecam, 0x100, 2);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_identity, test_transmit, test_segments, test_receive, test_msix, test_poke};
    return poke_main("e1000e", setup, teardown, tests, ARRAY_LEN(tests));
}
