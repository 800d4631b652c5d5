/* virtio-balloon, virtio-input and virtio-gpu: their queues, what the host sees of them, saved states. */
#include <stdio.h>

#include "devices/edid.h"
#include "devices/virtio_balloon.h"
#include "devices/virtio_gpu.h"
#include "devices/virtio_input.h"
#include "ring.h"

static struct clock clk;
static struct log lg;
static struct wire wire;
static struct bus *bus;
static struct virtio_mmio *m;
static struct virtio *v;
static struct driver drv;

static void setup(void)
{
    clk = (struct clock){0};
    lg = (struct log){0};
    wire = (struct wire){0};
    bus = ring_bus(&lg);
    m = NULL;
}

static void plug(struct virtio *device)
{
    v = device;
    m = virtio_mmio_new(&(struct virtio_mmio_config){
        .id = "virtio0", .log = &lg, .modern = true, .dma = bus_dma(bus, 0), .device = device});
    wire_connect(&m->irq, &wire);
    drv = (struct driver){.bus = bus, .d = &m->dev, .modern = true};
}

static void teardown(void)
{
    device_free(&m->dev);
    bus_free(bus);
    clock_free(&clk);
}

/* Saved in the middle and loaded after a reset, it is the same. */
static void save_and_load(void)
{
    u64 hash = device_hash(&m->dev);
    struct snap s = {.mode = SNAP_SAVE};
    m->dev.ops->state(&m->dev, &s);
    m->dev.ops->reset(&m->dev);
    ck_assert_uint_ne(device_hash(&m->dev), hash);
    for (size_t n = 0; n < s.pos; n += 1 + n / 64) { /* damaged ones are refused or harmless */
        struct snap x = {.mode = SNAP_LOAD, .buf = s.buf, .cap = n};
        m->dev.ops->state(&m->dev, &x);
        ck_assert(x.failed);
        x = (struct snap){.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
        s.buf[n] ^= 0xff;
        m->dev.ops->state(&m->dev, &x);
        s.buf[n] ^= 0xff;
        m->dev.ops->reset(&m->dev);
    }
    struct snap l = {.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
    m->dev.ops->state(&m->dev, &l);
    ck_assert(!l.failed && l.pos == s.pos);
    ck_assert_uint_eq(device_hash(&m->dev), hash);
    snap_free(&s);
}

/* ---- balloon -------------------------------------------------------------------------------- */

static void discard(void *arg, u64 addr, u64 n) { bus_discard(arg, PAS_NS, addr, n); }

START_TEST(test_balloon)
{
    struct driver q[4];
    u8 pfns[8], byte = 0x77;
    plug(virtio_balloon_new(
        &(struct virtio_balloon_config){.id = "b0", .log = &lg, .clock = &clk, .discard = discard, .arg = bus}));
    ck_assert_uint_eq(peek32(&m->dev, 8), 5);
    poke32(&m->dev, 0x14, 0);
    ck_assert_uint_eq(peek32(&m->dev, 0x10) & 0x3f, 0x26);
    ring_negotiate(&drv, 0x26);
    for (unsigned i = 0; i < 4; i++) {
        q[i] = drv;
        ring_queue(&q[i], i, 8);
    }
    ring_go(&drv);
    wire = (struct wire){0};
    virtio_balloon_set(v, 3);
    ck_assert(wire.level && peek32(&m->dev, 0x60) == 2 && peek(&m->dev, 0x100, 4) == 3);
    poke32(&m->dev, 0x64, 2);
    /* Two pages go; their contents with them. */
    for (unsigned i = 0; i < 2; i++) {
        put_le32(pfns + 4 * i, ((RAM + 0x80000) >> 12) + 2 * i);
        ram_put(&drv, RAM + 0x80123 + 0x2000 * i, &byte, 1);
    }
    ram_put(&drv, RAM + 0x81123, &byte, 1);
    ram_put(&drv, DATA, pfns, 8);
    put_desc(&drv, q[0].desc, 0, DATA, 8, 0, 0);
    ring_offer(&q[0], 0, 0);
    poke_pass(&clk, 2000);
    ck_assert_uint_eq(ram_get16(&drv, q[0].used + 2), 1);
    for (unsigned i = 0; i < 3; i++) {
        ram_get(&drv, RAM + 0x80123 + 0x1000 * i, &byte, 1);
        ck_assert_uint_eq(byte, i == 1 ? 0x77 : 0);
    }
    poke(&m->dev, 0x104, 4, 2);
    u32 target, actual;
    virtio_balloon_get(v, &target, &actual);
    ck_assert(target == 3 && actual == 2);
    put_desc(&drv, q[1].desc, 0, DATA, 8, 0, 0); /* and come back */
    ring_offer(&q[1], 1, 0);
    /* Reported pages: a range and its ragged ends. */
    byte = 0x66;
    for (unsigned i = 0; i < 4; i++)
        ram_put(&drv, RAM + 0x90fff + 0x1000 * i, &byte, 1);
    put_desc(&drv, q[3].desc, 0, RAM + 0x90800, 0x3000, 2, 0);
    ring_offer(&q[3], 3, 0);
    poke_pass(&clk, 2000);
    ck_assert_uint_eq(ram_get16(&drv, q[1].used + 2), 1);
    for (unsigned i = 0; i < 4; i++) {
        ram_get(&drv, RAM + 0x90fff + 0x1000 * i, &byte, 1);
        ck_assert_uint_eq(byte, i == 1 || i == 2 ? 0 : 0x66);
    }
    /* Statistics. */
    u8 stats[20] = {4, 0, 0x34, 0x12, [10] = 5, 0, 0x78};
    ck_assert(!virtio_balloon_ask(v));
    ram_put(&drv, DATA, stats, sizeof stats);
    put_desc(&drv, q[2].desc, 0, DATA, sizeof stats, 0, 0);
    ring_offer(&q[2], 2, 0);
    poke_pass(&clk, 2000);
    ck_assert(virtio_balloon_stats(v)[4] == 0x1234 && virtio_balloon_stats(v)[5] == 0x78 &&
              virtio_balloon_stats(v)[6] == ~0ull);
    ck_assert_uint_eq(ram_get16(&drv, q[2].used + 2), 0);
    save_and_load();
    ck_assert(virtio_balloon_ask(v));
    ck_assert_uint_eq(ram_get16(&drv, q[2].used + 2), 1);
    poke(&m->dev, 0x100, 4, 9); /* read-only */
    ck_assert_uint_eq(lg.guest_errors, 1);
    poke_everything(&m->dev, VIRTIO_MMIO_SIZE, 1);
}
END_TEST

/* ---- input ---------------------------------------------------------------------------------- */

static unsigned config_of(u8 select, u8 sub)
{
    poke(&m->dev, 0x100, 1, select);
    poke(&m->dev, 0x101, 1, sub);
    return (unsigned)peek(&m->dev, 0x102, 1);
}

static bool config_bit(unsigned n) { return peek(&m->dev, 0x108 + n / 8, 1) >> n % 8 & 1; }

static struct virtio *input(u8 kind)
{
    return virtio_input_new(&(struct virtio_input_config){.id = "i0", .log = &lg, .clock = &clk, .kind = kind});
}

START_TEST(test_input)
{
    struct driver status;
    plug(input(VIRTIO_KEYBOARD));
    ck_assert_uint_eq(peek32(&m->dev, 8), 18);
    ck_assert_uint_eq(config_of(0, 0), 0);
    ck_assert_uint_eq(config_of(1, 0), 21);
    ck_assert_uint_eq(peek(&m->dev, 0x108, 4), 0x72616c45); /* "Elar" */
    ck_assert_uint_eq(config_of(3, 0), 8);
    ck_assert(config_of(0x11, EV_KEY) && config_bit(30) && config_bit(111) && !config_bit(0));
    ck_assert(config_of(0x11, EV_LED) == 1 && config_of(0x11, EV_REP) && !config_of(0x11, EV_ABS) &&
              !config_of(0x12, 0));
    ring_negotiate(&drv, 0);
    status = drv;
    ring_queue(&status, 1, 8);
    ring_queue(&drv, 0, 8);
    virtio_input_event(v, EV_KEY, 30, 1); /* nobody listens: lost */
    virtio_input_sync(v);
    ring_go(&drv);
    wire = (struct wire){0};
    for (u16 i = 0; i < 3; i++) {
        put_desc(&drv, drv.desc, i, DATA + 8u * i, 8, 2, 0);
        ring_offer(&drv, 0, i);
    }
    virtio_input_event(v, EV_KEY, 30, 1);
    ck_assert_uint_eq(ram_get16(&drv, drv.used + 2), 0);
    save_and_load(); /* half a group */
    virtio_input_sync(v);
    ck_assert(wire.level && ram_get16(&drv, drv.used + 2) == 2);
    u8 e[16];
    ram_get(&drv, DATA, e, sizeof e);
    ck_assert(!memcmp(e, "\1\0\x1e\0\1\0\0\0\0\0\0\0\0\0\0\0", 16));
    virtio_input_event(v, EV_KEY, 30, 0); /* two are needed and one buffer is left: all or nothing */
    virtio_input_sync(v);
    ck_assert_uint_eq(ram_get16(&drv, drv.used + 2), 2);
    for (unsigned i = 0; i < 40; i++) /* more than a group holds */
        virtio_input_event(v, EV_KEY, 31, i & 1);
    virtio_input_sync(v);
    const u8 led[8] = {EV_LED, 0, 1, 0, 1};
    ram_put(&drv, DATA + 0x100, led, 8);
    put_desc(&drv, status.desc, 0, DATA + 0x100, 8, 0, 0);
    ring_offer(&status, 1, 0);
    poke_pass(&clk, 2000);
    ck_assert_uint_eq(ram_get16(&drv, status.used + 2), 1);
    ck_assert_uint_eq(lg.guest_errors, 0);
    poke_everything(&m->dev, VIRTIO_MMIO_SIZE, 2);
    device_free(&m->dev);
    plug(input(VIRTIO_TABLET));
    ck_assert(config_of(0x12, 1) == 20 && peek(&m->dev, 0x10c, 4) == 0x7fff);
    ck_assert(config_of(0x11, EV_ABS) == 1 && config_of(0x11, EV_KEY) && config_bit(BTN_LEFT) &&
              config_of(0x11, EV_REL) == 2);
    device_free(&m->dev);
    plug(input(VIRTIO_MOUSE));
    ck_assert(config_of(0x11, EV_REL) == 2 && config_bit(0) && config_bit(8) && !config_of(0x12, 0));
}
END_TEST

/* ---- GPU ------------------------------------------------------------------------------------ */

/* Sends a command of words behind its header; the reply's type. */
static u32 gpu(struct driver *q, unsigned n, u32 type, const u32 *words, unsigned count)
{
    u8 c[256] = {0};
    put_le32(c, type);
    put_le32(c + 4, 1);
    put_le64(c + 8, 0x1122334455667788);
    for (unsigned i = 0; i < count; i++)
        put_le32(c + 24 + 4 * i, words[i]);
    ram_put(q, DATA, c, sizeof c);
    put_desc(q, q->desc, 0, DATA, 24 + 4 * count, 1, 1);
    put_desc(q, q->desc, 1, DATA + 0x1000, 1200, 2, 0);
    ring_offer(q, n, 0);
    poke_pass(&clk, 10000);
    ck_assert_uint_eq(ram_get32(q, DATA + 0x1008), 0x55667788); /* the fence */
    return ram_get32(q, DATA + 0x1000);
}

#define GPU(type, ...) gpu(&drv, 0, type, (const u32[]){__VA_ARGS__}, sizeof((const u32[]){__VA_ARGS__}) / sizeof(u32))

enum { OK = 0x1100, PIXELS = RAM + 0x80000 };

START_TEST(test_gpu)
{
    struct driver pointer;
    u8 rgb[300], reply[1056];
    u32 w, h;
    plug(virtio_gpu_new(&(struct virtio_gpu_config){
        .id = "g0", .log = &lg, .clock = &clk, .width = 640, .height = 480, .memory = 1 << 20}));
    ck_assert(peek32(&m->dev, 8) == 16 && peek(&m->dev, 0x108, 4) == 1);
    ring_negotiate(&drv, 2);
    pointer = drv;
    ring_queue(&pointer, 1, 8);
    ring_queue(&drv, 0, 8);
    ring_go(&drv);
    ck_assert_uint_eq(gpu(&drv, 0, 0x100, NULL, 0), 0x1101);
    ram_get(&drv, DATA + 0x1000, reply, 408);
    ck_assert(get_le32(reply + 32) == 640 && get_le32(reply + 36) == 480 && get_le32(reply + 40) == 1 && !reply[64]);
    ck_assert_uint_eq(GPU(0x10a, 0, 0), 0x1104);
    ram_get(&drv, DATA + 0x1000, reply, sizeof reply);
    ck_assert(get_le32(reply + 24) == 128 && get_be64(reply + 32) == 0x00ffffffffffff00);
    u8 sum = 0;
    for (unsigned i = 0; i < 128; i++)
        sum = (u8)(sum + reply[32 + i]);
    ck_assert_uint_eq(sum, 0);
    /* 8 x 4 of format BGRX, two backing entries that split a row */
    ck_assert_uint_eq(GPU(0x101, 5, 2, 8, 4), OK);
    ck_assert_uint_eq(GPU(0x101, 5, 2, 8, 4), 0x1203);
    ck_assert_uint_eq(GPU(0x101, 6, 99, 8, 4), 0x1205);
    ck_assert_uint_eq(GPU(0x101, 6, 1, 16384, 16384), 0x1201);
    ck_assert_uint_eq(GPU(0x105, 0, 0, 8, 4, 0, 0, 5, 0), 0x1200); /* no backing */
    ck_assert_uint_eq(GPU(0x106, 5, 2, PIXELS, 0, 40, 0, PIXELS + 0x2000, 0, 0x1000, 0), OK);
    ck_assert_uint_eq(GPU(0x106, 5, 1, PIXELS, 0, 40, 0), 0x1200);
    for (unsigned i = 0; i < 32; i++) {
        u8 px[4] = {(u8)i, (u8)(i + 64), (u8)(i + 128), 0};
        ram_put(&drv, i < 10 ? PIXELS + 4 * i : PIXELS + 0x2000 + 4 * (i - 10), px, 4);
    }
    ck_assert(!virtio_gpu_size(v, &w, &h));
    ck_assert_uint_eq(GPU(0x105, 0, 0, 8, 4, 0, 0, 5, 0), OK);
    ck_assert_uint_eq(GPU(0x103, 2, 1, 6, 4, 0, 5), 0x1205); /* reaches beyond the resource */
    ck_assert_uint_eq(GPU(0x103, 2, 1, 6, 3, 1, 5), 0x1202);
    ck_assert_uint_eq(GPU(0x103, 2, 1, 6, 3, 0, 5), OK);
    u64 before = virtio_gpu_generation(v);
    ck_assert_uint_eq(GPU(0x104, 0, 0, 8, 4, 5, 0), OK);
    ck_assert_uint_gt(virtio_gpu_generation(v), before);
    ck_assert(virtio_gpu_size(v, &w, &h) && w == 6 && h == 3);
    virtio_gpu_row(v, 1, rgb); /* row 2 of the resource, from pixel 2 on */
    ck_assert(rgb[0] == 18 + 128 && rgb[1] == 18 + 64 && rgb[2] == 18 && rgb[15] == 23 + 128);
    /* A part of it anew: 2 x 2 pixels at (3, 1), whose first lies at offset 0 of the backing */
    ck_assert_uint_eq(GPU(0x105, 3, 1, 2, 2, 0, 0, 5, 0), OK);
    virtio_gpu_row(v, 0, rgb);
    ck_assert(rgb[2] == 10 && rgb[5] == 0 && rgb[8] == 1 && rgb[11] == 13);
    /* The pointer, half transparent at its corner */
    ck_assert_uint_eq(GPU(0x101, 7, 1, 64, 64), OK);
    ck_assert_uint_eq(GPU(0x106, 7, 1, RAM + 0x90000, 0, 64 * 64 * 4, 0), OK);
    const u8 dot[8] = {100, 0, 0, 128, 0, 255, 0, 255};
    ram_put(&drv, RAM + 0x90000, dot, 8);
    ck_assert_uint_eq(GPU(0x105, 0, 0, 64, 64, 0, 0, 7, 0), OK);
    const u32 show[] = {0, 1, 0, 0, 7, 0, 0, 0};
    ck_assert_uint_eq(gpu(&pointer, 1, 0x300, show, 8), OK);
    virtio_gpu_row(v, 0, rgb);
    ck_assert(rgb[2] == 10 && rgb[5] == 100 * 128 / 255 && rgb[6] == 0 && rgb[7] == 255);
    ck_assert_uint_eq(gpu(&drv, 0, 0x300, show, 8), 0x1200); /* not on this queue */
    save_and_load();
    u8 again[300];
    virtio_gpu_row(v, 0, again);
    ck_assert(!memcmp(rgb, again, 18));
    const u32 away[] = {0, 100, 100, 0, 0, 0, 0, 0};
    ck_assert_uint_eq(gpu(&pointer, 1, 0x301, away, 8), OK);
    virtio_gpu_row(v, 0, rgb);
    ck_assert(rgb[7] != 255);
    ck_assert_uint_eq(GPU(0x107, 5, 0), OK);
    ck_assert_uint_eq(GPU(0x107, 5, 0), 0x1200);
    ck_assert_uint_eq(GPU(0x102, 5, 0), OK);
    ck_assert(!virtio_gpu_size(v, &w, &h));
    ck_assert_uint_eq(GPU(0x102, 5, 0), 0x1203);
    ck_assert_uint_eq(GPU(0x777, 5, 0), 0x1200);
    ck_assert_uint_eq(GPU(0x106, 7, 1, 0x1000, 0, 4096, 0), 0x1200);
    ck_assert_uint_eq(GPU(0x107, 7, 0), OK);
    ck_assert_uint_eq(GPU(0x106, 7, 1, 0x1000, 0, 4096, 0), OK); /* no memory there */
    ck_assert_uint_eq(lg.guest_errors, 0);
    ck_assert_uint_eq(GPU(0x105, 0, 0, 64, 64, 0, 0, 7, 0), 0x1200);
    ck_assert_uint_eq(lg.guest_errors, 1);
    poke_everything(&m->dev, VIRTIO_MMIO_SIZE, 3);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_balloon, test_input, test_gpu};
    return poke_main("virtio_more", setup, teardown, tests, ARRAY_LEN(tests));
}
