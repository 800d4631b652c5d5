/* virtio-net, virtio-rng and virtio-console: their queues, and random rings. */
#include "devices/net_offload.h"
#include "devices/virtio_console.h"
#include "devices/virtio_net.h"
#include "devices/virtio_rng.h"
#include "ring.h"

static struct clock clk;
static struct log lg;
static struct wire wire;
static struct bus *bus;
static struct virtio_mmio *m;
static struct driver rx, tx;
static u8 sent[4096];
static size_t n_sent;
static unsigned frames, rooms;

static void send_frame(void *arg, const u8 *frame, size_t n)
{
    (void)arg;
    memcpy(sent, frame, n < sizeof sent ? n : sizeof sent);
    n_sent = n;
    frames++;
}
static void put(void *arg, u8 b)
{
    (void)arg;
    sent[n_sent++ % sizeof sent] = b;
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
    n_sent = frames = rooms = 0;
    bus = ring_bus(&lg);
}
static void plug(struct virtio *v)
{
    m = virtio_mmio_new(
        &(struct virtio_mmio_config){.id = "virtio0", .log = &lg, .modern = true, .dma = bus_dma(bus, 0), .device = v});
    wire_connect(&m->irq, &wire);
    rx = tx = (struct driver){.bus = bus, .d = &m->dev, .modern = true};
}
static void teardown(void)
{
    device_free(&m->dev);
    bus_free(bus);
    clock_free(&clk);
}

static struct virtio *net(struct nic **nic)
{
    return virtio_net_new(
        &(struct virtio_net_config){
            .id = "net0", .log = &lg, .clock = &clk, .net = {send_frame, room, NULL}, .mac = {0x52, 0x54, 0, 1, 2, 3}},
        nic);
}

START_TEST(test_net)
{
    struct nic *nic;
    struct virtio *v = net(&nic);
    plug(v);
    ck_assert_uint_eq(peek32(&m->dev, 8), 1);
    ck_assert_uint_eq(peek(&m->dev, 0x100, 8), 0x0001030201005452);
    u8 frame[3000];
    for (unsigned i = 0; i < sizeof frame; i++)
        frame[i] = (u8)(i * 3);
    ck_assert(nic->receive(nic, frame, 60)); /* nobody listens yet */
    ring_negotiate(&rx, 1 << 5 | 1 << 15 | 1 << 16);
    ring_queue(&rx, 0, 8);
    ring_queue(&tx, 1, 8);
    ring_go(&rx);
    /* Transmit */
    ram_put(&tx, DATA + 12, frame, 100);
    put_desc(&tx, tx.desc, 0, DATA, 12, 1, 1);
    put_desc(&tx, tx.desc, 1, DATA + 12, 100, 0, 0);
    ring_offer(&tx, 1, 0);
    ck_assert_uint_eq(frames, 0);
    poke_pass(&clk, 5000);
    ck_assert(frames == 1 && n_sent == 100 && !memcmp(sent, frame, 100));
    ck_assert_uint_eq(ram_get16(&tx, tx.used + 2), 1);
    ck_assert(wire.level);
    poke32(&m->dev, 0x64, 1);
    /* Receive into three merged buffers of 1024 */
    ck_assert(!nic->receive(nic, frame, sizeof frame));
    for (u16 i = 0; i < 2; i++) {
        put_desc(&rx, rx.desc, i, DATA + 0x1000 + 1024u * i, 1024, 2, 0);
        ring_offer(&rx, 0, i);
    }
    ck_assert_uint_eq(rooms, 1);
    ck_assert(!nic->receive(nic, frame, sizeof frame));
    put_desc(&rx, rx.desc, 2, DATA + 0x1000 + 2048, 1024, 2, 0);
    ring_offer(&rx, 0, 2);
    ck_assert_uint_eq(rooms, 2);
    ck_assert(nic->receive(nic, frame, sizeof frame));
    ck_assert_uint_eq(ram_get16(&rx, rx.used + 2), 3);
    ck_assert_uint_eq(ram_get16(&rx, DATA + 0x1000 + 10), 3);
    u8 back[3000];
    ram_get(&rx, DATA + 0x1000 + 12, back, sizeof back);
    ck_assert(!memcmp(back, frame, sizeof frame));
    ck_assert_uint_eq(ram_get32(&rx, rx.used + 4 + 8 * 2 + 4), 12 + 3000 - 2048);
    ck_assert(wire.level);
    virtio_net_link(v, false);
    ck_assert_uint_eq(peek(&m->dev, 0x106, 2), 0);
    ck_assert_uint_eq(lg.guest_errors, 0);
}
END_TEST

/* ---- offloads ------------------------------------------------------------------------------- */

enum { CSUM = 1, GUEST_CSUM = 2, TSO4 = 1 << 11, TSO6 = 1 << 12, TCP_BYTES = 32, MSS = 1448, NONE = 0, FLAGS = 0x99 };

/* A TCP or UDP packet of n bytes of data, with the pseudo-header's sum where the checksum will be; returns its length.
 * *start: where its transport header is. */
static size_t packet(u8 *f, bool v6, bool vlan, bool udp, size_t n, unsigned *start)
{
    unsigned ip = vlan ? 18 : 14, th = ip + (v6 ? 40 : 20), header = udp ? 8 : TCP_BYTES;
    memset(f, 0, th + header);
    if (vlan)
        f[12] = 0x81;
    put_be16(f + ip - 2, v6 ? 0x86dd : 0x0800);
    *start = th;
    if (v6) {
        f[ip] = 0x60;
        put_be16(f + ip + 4, (u16)(header + n));
        f[ip + 6] = udp ? 17 : 6;
    } else {
        f[ip] = 0x45;
        put_be16(f + ip + 2, (u16)(20 + header + n));
        put_be16(f + ip + 4, 0xffff);
        f[ip + 6] = 0x40;
        f[ip + 9] = udp ? 17 : 6;
    }
    for (unsigned i = ip + (v6 ? 8 : 12); i < th; i++)
        f[i] = (u8)(i * 37);
    u8 *t = f + th;
    if (udp) {
        put_be16(t + 4, (u16)(8 + n));
    } else {
        put_be32(t + 4, 0xfffffff0);
        t[12] = TCP_BYTES / 4 << 4;
        t[13] = FLAGS; /* CWR, ACK, PSH, FIN */
    }
    for (size_t i = 0; i < n; i++)
        t[header + i] = (u8)(i * 11 + i / 256);
    u32 sum = (udp ? 17u : 6u) + (u32)(header + n);
    for (unsigned i = ip + (v6 ? 8 : 12); i < th; i += 2)
        sum += get_be16(f + i);
    sum = (sum & 0xffff) + (sum >> 16);
    put_be16(t + (udp ? 6 : 16), (u16)((sum & 0xffff) + (sum >> 16)));
    return th + header + n;
}

static struct {
    unsigned count;
    size_t total;
    bool v6, vlan;
} segs;

/* Each segment is a packet of its own, and they follow each other. */
static void take_segment(void *arg, const u8 *f, size_t n)
{
    unsigned ip = segs.vlan ? 18 : 14, th = ip + (segs.v6 ? 40 : 20);
    size_t k = n - th - TCP_BYTES, want = *(const size_t *)arg;
    bool last = segs.total + k == want;
    ck_assert(net_checksum_good(f, n));
    ck_assert_uint_eq(get_be16(f + ip + (segs.v6 ? 4 : 2)), n - (segs.v6 ? th : ip));
    ck_assert_uint_eq(get_be32(f + th + 4), 0xfffffff0 + (u32)segs.total);
    ck_assert_uint_eq(f[th + 13], FLAGS - (segs.total ? 0x80u : 0) - (last ? 0 : 9u));
    ck_assert(last || k == MSS);
    u32 sum = 0;
    for (unsigned i = ip; i < ip + 20; i += 2)
        sum += get_be16(f + i);
    if (!segs.v6) {
        ck_assert_uint_eq(get_be16(f + ip + 4), (u16)(0xffff + segs.count));
        ck_assert_uint_eq(sum % 0xffff, 0);
    }
    for (size_t i = 0; i < k; i++)
        if (f[th + TCP_BYTES + i] != (u8)((segs.total + i) * 11 + (segs.total + i) / 256))
            ck_abort_msg("byte %zu", segs.total + i);
    segs.total += k;
    segs.count++;
}

START_TEST(test_segments)
{
    static const size_t sizes[] = {0, 1, MSS - 1, MSS, MSS + 1, 5000, 65483};
    static u8 f[NET_MAX_SUPER];
    unsigned start;
    struct nic *nic;
    plug(net(&nic)); /* that teardown() finds one */
    for (unsigned how = 0; how < 4; how++)
        for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
            size_t want = sizes[i], n = packet(f, how & 1, how & 2, false, want, &start);
            segs.count = 0, segs.total = 0, segs.v6 = how & 1, segs.vlan = how & 2;
            ck_assert(net_segment(f, n, MSS, take_segment, &want));
            ck_assert_uint_eq(segs.total, want);
            ck_assert_uint_eq(segs.count, want ? (want + MSS - 1) / MSS : 1);
            for (size_t cut = 0; cut < start + TCP_BYTES; cut++) /* headers that are not all there */
                ck_assert(!net_segment(f, cut, MSS, take_segment, &want) && !net_checksum_good(f, cut));
            ck_assert(!net_segment(f, n, 0, take_segment, &want));
            ck_assert(!net_segment(f, n, 65535, take_segment, &want));
        }
    for (unsigned how = 0; how < 8; how++) {
        size_t n = packet(f, how & 1, how & 2, how & 4, 1001, &start);
        ck_assert(!net_checksum_good(f, n));
        net_put_checksum(f, n, start, start + (how & 4 ? 6 : 16));
        ck_assert(net_checksum_good(f, n));
        ck_assert(net_checksum_good(f, n + 10)); /* padded */
        f[start + 20] ^= 1;
        ck_assert(!net_checksum_good(f, n));
    }
}
END_TEST

static void transmit(u8 flags, u8 gso, u16 mss, u16 start, u16 offset, const u8 *f, size_t n)
{
    u8 h[12] = {flags, gso};
    put_le16(h + 4, mss);
    put_le16(h + 6, start);
    put_le16(h + 8, offset);
    ram_put(&tx, DATA, h, sizeof h);
    ram_put(&tx, DATA + 12, f, n);
    put_desc(&tx, tx.desc, 0, DATA, 12, 1, 1);
    put_desc(&tx, tx.desc, 1, DATA + 12, (u32)n, 0, 0);
    ring_offer(&tx, 1, 0);
    poke_pass(&clk, 5000);
}

/* What the header asks for is done if it was negotiated and can be; else the frame is dropped. */
START_TEST(test_offload)
{
    struct nic *nic;
    static u8 f[NET_MAX_SUPER];
    unsigned start, errors = 0;
    plug(net(&nic));
    ck_assert_uint_eq(peek32(&m->dev, 0x10) & (CSUM | GUEST_CSUM | TSO4 | TSO6), CSUM | GUEST_CSUM | TSO4 | TSO6);
    ring_negotiate(&rx, 1 << 5 | 1 << 15 | 1 << 16 | CSUM | GUEST_CSUM | TSO4);
    ring_queue(&rx, 0, 8);
    ring_queue(&tx, 1, 8);
    ring_go(&rx);
    size_t n = packet(f, false, false, true, 777, &start);
    transmit(1, NONE, 0, (u16)start, 6, f, n);
    ck_assert(frames == 1 && n_sent == n && net_checksum_good(sent, n));
    transmit(0, NONE, 0, (u16)start, 6, f, n);
    ck_assert(frames == 2 && n_sent == n && !memcmp(sent, f, n));
    n = packet(f, false, false, false, 65483, &start);
    transmit(1, 1, MSS, (u16)start, 16, f, n);
    ck_assert_uint_eq(frames, 2 + 46);
    ck_assert_uint_eq(lg.guest_errors, 0);
    frames = 0;
    const struct {
        u8 flags, gso;
        u16 mss, start, offset;
        size_t n;
    } bad[] = {{1, 4, MSS, 34, 16, n},        {1, 3, MSS, 34, 16, n},  {1, 0x81, MSS, 34, 16, n},
               {1, 1, 0, 34, 16, n},          {1, 1, MSS, 34, 16, 40}, {1, NONE, 0, 999, 16, 99},
               {1, NONE, 0, 65535, 65535, n}, {1, NONE, 0, 34, 16, n}};
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        transmit(bad[i].flags, bad[i].gso, bad[i].mss, bad[i].start, bad[i].offset, f, bad[i].n);
        ck_assert_uint_eq(frames, 0);
        ck_assert_uint_eq(lg.guest_errors, ++errors);
    }
    /* Receive: a good checksum, a bad one, none to verify */
    n = packet(f, false, false, false, 500, &start);
    for (u16 i = 0; i < 3; i++) {
        if (i == 0)
            net_put_checksum(f, n, start, start + 16);
        else
            f[i == 1 ? 60 : 13] ^= 1;
        put_desc(&rx, rx.desc, i, DATA + 0x1000, 1024, 2, 0);
        ring_offer(&rx, 0, i);
        ck_assert(nic->receive(nic, f, n));
        ck_assert_uint_eq(ram_get16(&rx, DATA + 0x1000), i == 0 ? 2 : 0);
    }
}
END_TEST

START_TEST(test_rng)
{
    u8 a[100], b[100];
    for (unsigned i = 0; i < 2; i++) {
        if (i) {
            device_free(&m->dev);
        }
        plug(virtio_rng_new("rng0", &lg, &clk, 42, 0));
        ring_start(&rx, 0, 8, 0);
        put_desc(&rx, rx.desc, 0, DATA, 99, 2, 0);
        ring_offer(&rx, 0, 0);
        poke_pass(&clk, 10000);
        ck_assert_uint_eq(ram_get32(&rx, rx.used + 8), 99);
        ram_get(&rx, DATA, i ? b : a, 100);
    }
    ck_assert(!memcmp(a, b, 100) && a[99] == 0 && memcmp(a, a + 8, 8));
}
END_TEST

START_TEST(test_console)
{
    struct virtio *v = virtio_console_new(
        &(struct virtio_console_config){.id = "con0", .log = &lg, .clock = &clk, .put = put, .room = room});
    plug(v);
    ring_negotiate(&rx, 0);
    ring_queue(&rx, 0, 8);
    ring_queue(&tx, 1, 8);
    ring_go(&rx);
    ck_assert_uint_eq(virtio_console_input(v, (const u8 *)"abcdef", 6), 0);
    put_desc(&rx, rx.desc, 0, DATA, 4, 2, 0);
    ring_offer(&rx, 0, 0);
    ck_assert_uint_eq(rooms, 1);
    ck_assert_uint_eq(virtio_console_input(v, (const u8 *)"abcdef", 6), 4);
    char got[4];
    ram_get(&rx, DATA, got, 4);
    ck_assert(!memcmp(got, "abcd", 4));
    ram_put(&tx, DATA + 16, "hello", 5);
    put_desc(&tx, tx.desc, 0, DATA + 16, 5, 0, 0);
    ring_offer(&tx, 1, 0);
    poke_pass(&clk, 10000);
    ck_assert(n_sent == 5 && !memcmp(sent, "hello", 5));
    poke32(&m->dev, 0x108, '!');
    ck_assert(n_sent == 6 && sent[5] == '!');
}
END_TEST

static u64 rnd = 11;
static u64 next(void)
{
    rnd = rnd * 6364136223846793005ull + 1442695040888963407ull;
    return rnd >> 20;
}

static void fuzz(struct virtio *v, struct nic *nic, bool console)
{
    static const u64 addr[] = {DATA, DATA + 0x1000, RING, RAM + RAM_SIZE - 8, 0x1000, ~0ull};
    static const u32 len[] = {0, 1, 10, 12, 1526, 0x20000, 0xffffffff};
    const u8 frame[2000] = {1};
    plug(v);
    poke_everything(&m->dev, VIRTIO_MMIO_SIZE, 3);
    for (unsigned i = 0; i < 1000; i++) {
        ring_negotiate(&rx, next() & 0x3ffffffff);
        ring_queue(&rx, 0, 8);
        if (v->class->queues > 1)
            ring_queue(&tx, 1, 8);
        ring_go(&rx);
        for (unsigned k = 0; k < 8; k++) {
            put_desc(&rx, rx.desc, k, addr[next() % 6], len[next() % 7], (u16)(next() % 4), (u16)(next() % 9));
            if (v->class->queues > 1)
                put_desc(&tx, tx.desc, k, addr[next() % 6], len[next() % 7], (u16)(next() % 4), (u16)(next() % 9));
        }
        for (unsigned k = 0; k < 6; k++) {
            ring_offer(&rx, 0, (u16)(next() % 9));
            if (v->class->queues > 1)
                ring_offer(&tx, 1, (u16)(next() % 9));
            if (nic)
                (void)nic->receive(nic, frame, next() % 2000);
            if (console)
                (void)virtio_console_input(v, frame, (unsigned)(next() % 300));
            poke_pass(&clk, 10000);
        }
    }
}

START_TEST(test_hostile_net)
{
    struct nic *nic;
    struct virtio *v = net(&nic);
    fuzz(v, nic, false);
}
END_TEST
START_TEST(test_hostile_rng) { fuzz(virtio_rng_new("rng0", &lg, &clk, 1, 0), NULL, false); }
END_TEST
START_TEST(test_hostile_console)
{
    fuzz(virtio_console_new(&(struct virtio_console_config){.id = "con0", .log = &lg, .clock = &clk, .put = put}), NULL,
         true);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_net,     test_segments,    test_offload,     test_rng,
                                  test_console, test_hostile_net, test_hostile_rng, test_hostile_console};
    return poke_main("virtio-net", setup, teardown, tests, ARRAY_LEN(tests));
}
