/* virtio-net, virtio-rng and virtio-console: their queues, and random rings. */
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
    const TTest *const tests[] = {test_net,         test_rng,         test_console,
                                  test_hostile_net, test_hostile_rng, test_hostile_console};
    return poke_main("virtio-net", setup, teardown, tests, ARRAY_LEN(tests));
}
