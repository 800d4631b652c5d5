/* Virtqueues with a small device behind them, by virtio-mmio (both versions) and PCI.  The driver's set-up is done
 * unless the input says no.  SCSI and GPU have targets of their own (scsi, gpu), and so has the 9P server (share): the
 * 9P device answers here with what it was sent.
 *
 *   input: device and transport | features | program (virtio.h);
 *   8 what the host does to the device: a frame, typed bytes, keys, the balloon's size
 *   9 a request whose first bytes follow   13 buffers to write into */
#include "devices/virtio_9p.h"
#include "devices/virtio_balloon.h"
#include "devices/virtio_blk.h"
#include "devices/virtio_console.h"
#include "devices/virtio_input.h"
#include "devices/virtio_net.h"
#include "devices/virtio_rng.h"
#include "machine/disk.h"
#include "virtio.h"

enum { BLK, NET, CONSOLE, RNG, P9, BALLOON, KEYBOARD, TABLET, MOUSE, DEVICES };
enum { DISK = 64 * 512 };

struct devices {
    struct nic *nic;
    struct blockdev *disk;
};

static void give_back(void *arg, u64 addr, u64 n) { bus_discard(((struct rig *)arg)->bus, PAS_NS, addr, n); }
static void put(void *arg, u8 c) { (void)arg, (void)c; }
static void tell(void *arg) { (void)arg; }
static void send(void *arg, const u8 *p, size_t n) { (void)arg, (void)p, (void)n; }

static u32 echo(void *arg, const u8 *in, u32 n, u8 *out, u32 max)
{
    u32 k = n < max ? n : max;
    (void)arg;
    memcpy(out, in, k);
    return k && in[0] & 1 ? k : 0;
}

/* what: bits of the first byte that choose among configurations */
static struct virtio *make_device(struct guest *g, bool other)
{
    struct rig *r = &g->rig;
    struct devices *d = g->arg;
    switch (g->kind) {
    case BLK:
        d->disk = disk_memory(DISK);
        d->disk->readonly = other;
        return virtio_blk_new(&(struct virtio_blk_config){
            .id = "disk0", .log = &r->log, .clock = &r->clock, .disk = d->disk, .serial = other ? NULL : "serial"});
    case NET: {
        struct virtio *v = virtio_net_new(
            &(struct virtio_net_config){.id = "nic0",
                                        .log = &r->log,
                                        .clock = &r->clock,
                                        .net = {.send = other ? NULL : send, .room = other ? NULL : tell},
                                        .mac = {2, 0, 0, 0, 0, 1}},
            &d->nic);
        return v;
    }
    case CONSOLE:
        return virtio_console_new(&(struct virtio_console_config){.id = "con0",
                                                                  .log = &r->log,
                                                                  .clock = &r->clock,
                                                                  .put = other ? NULL : put,
                                                                  .room = other ? NULL : tell,
                                                                  .cols = other ? 0 : 80,
                                                                  .rows = 25});
    case RNG: return virtio_rng_new("rng0", &r->log, &r->clock, 1, 0);
    case P9:
        return virtio_9p_new(&(struct virtio_9p_config){
            .id = "share0", .log = &r->log, .clock = &r->clock, .tag = "share", .handle = echo, .reset = tell});
    case BALLOON:
        return virtio_balloon_new(&(struct virtio_balloon_config){
            .id = "balloon0", .log = &r->log, .clock = &r->clock, .discard = other ? NULL : give_back, .arg = r});
    default:
        return virtio_input_new(&(struct virtio_input_config){.id = "input0",
                                                              .log = &r->log,
                                                              .clock = &r->clock,
                                                              .kind = g->kind == TABLET  ? VIRTIO_TABLET
                                                                      : g->kind == MOUSE ? VIRTIO_MOUSE
                                                                                         : VIRTIO_KEYBOARD});
    }
}

/* A frame whose headers are nearly right; its first bytes are what differs. Returns its length. */
static size_t make_frame(u8 *f, const u8 *how, size_t n)
{
    u8 b[16] = {0};
    memcpy(b, how, n < sizeof b ? n : sizeof b);
    size_t at = 12;
    memset(f, 0, 128);
    if (b[0] & 1) {
        put_be16(f + at, 0x8100);
        at += 4;
    }
    bool v6 = b[0] & 2, udp = b[0] & 4;
    put_be16(f + at, b[0] & 8 ? 0x806 : v6 ? 0x86dd : 0x800);
    at += 2;
    size_t ip = at, header = b[0] & 16 ? (b[1] & 15u) * 4 : 20, payload = b[2] & 31u;
    size_t transport = udp ? 8 : b[0] & 32 ? (b[3] >> 4) * 4u : 20;
    f[ip] = v6 ? 0x60 : (u8)(0x40 | header / 4);
    put_be16(f + ip + (v6 ? 4 : 2), (u16)((v6 ? 0 : header) + transport + payload + (b[0] & 64 ? b[4] : 0)));
    f[ip + (v6 ? 6 : 9)] = b[0] & 128 ? b[5] : udp ? 17 : 6;
    put_be16(f + ip + 6, v6 ? get_be16(f + ip + 6) : (u16)(b[1] >> 4 == 15 ? 0x2000 : 0));
    at = ip + (v6 ? 40 : header);
    f[at + 12] = (u8)(transport / 4 << 4);
    f[at + 13] = b[6];
    put_be16(f + at + (udp ? 6 : 16), get_be16(b + 7));
    return at + transport + payload;
}

/* What the host does to the device. */
static void host_acts(struct guest *g, u8 how, struct input *in)
{
    static const u8 big[66000];
    struct devices *d = g->arg;
    const u8 *p;
    size_t n = in_bytes(in, how & 0x3f, &p);
    switch (g->kind) {
    case NET:
        if (how & 0x80)
            (void)d->nic->receive(d->nic, big, how & 0x40 ? 66000 : 40 * (how & 0x3f));
        else {
            u8 f[256];
            if (how & 0x20)
                (void)d->nic->receive(d->nic, f, make_frame(f, p, n));
            else
                (void)d->nic->receive(d->nic, p, n);
        }
        if (how & 0x40)
            virtio_net_link(g->v, how & 1);
        break;
    case CONSOLE: (void)virtio_console_input(g->v, p, (unsigned)n); break;
    case BALLOON:
        if (n >= 4)
            virtio_balloon_set(g->v, get_le32(p));
        (void)virtio_balloon_ask(g->v);
        break;
    case KEYBOARD:
    case TABLET:
    case MOUSE:
        for (; n >= 2; p += 2, n -= 2)
            virtio_input_event(g->v, p[0] & 3, p[1], p[0]);
        virtio_input_sync(g->v);
        break;
    }
}

/* how: queue 1:0, direction of the middle 2, no time 3, its length's factor 7:4 */
static void request(struct guest *g, u8 how, struct input *in)
{
    static const u8 types[] = {0, 1, 4, 8, 11, 13, 0, 1, 11, 13, 2, 5, 6, 7, 9, 10};
    unsigned q = how & 3 & (g->queues - 1);
    u8 what = in8(in), length = in8(in), m[64] = {0};
    const u8 *p;
    size_t n = in_bytes(in, 34, &p);
    u32 middle = (u32)(how >> 4) * 512u + (what & 0x80 ? length : 0);
    if (n)
        memcpy(m, p, n);
    if (g->kind == BLK) {
        put_le32(m, types[what & 15]);
        put_le64(m + 8, what & 0x40 ? get_le64(m + 8) : m[8] & 127u);
        rig_store(&g->rig, DATA, m, 16); /* then ranges of two words and flags */
        for (unsigned i = 0; i < 4; i++) {
            u8 range[16] = {m[16 + 4 * i]};
            range[8] = m[17 + 4 * i];
            range[12] = m[18 + 4 * i] & 3;
            range[4] = m[19 + 4 * i] == 0xff;
            rig_store(&g->rig, DATA + 0x400 + 16 * i, range, 16);
        }
        offer_three(g, q, what & 0x20 ? length : 16, what & 0x10 ? 16u * (length & 7) : middle, !(how & 4),
                    length == 77 ? 0 : 1);
    } else if (g->kind == NET && what & 0x40) { /* header, then a frame */
        u8 f[300] = {m[0] & 3, (const u8[]){0, 1, 4, 3}[m[1] & 3]};
        put_le16(f + 4, m[1] & 0x80 ? get_le16(m + 2) : m[2] & 31);
        put_le16(f + 6, m[4] & 63);
        put_le16(f + 8, m[1] & 0x40 ? get_le16(m + 5) : m[5] & 31);
        size_t header = m[1] & 0x20 ? 10 : 12, size = make_frame(f + header, m + 7, 16);
        rig_store(&g->rig, DATA, f, header + size);
        offer_three(g, 1, (u32)(header + size), middle, false, 0);
    } else {
        rig_store(&g->rig, DATA, m, n);
        offer_three(g, q,
                    g->kind == P9 && n >= 4 ? get_le32(m) % 128
                    : what & 0x20           ? (u32)n
                                            : length,
                    middle, how & 4, what & 0x10 ? 64 : 0);
    }
    if (!(how & 8))
        rig_pass(&g->rig, 200000);
}

/* how: queue 1:0, how many 3:2, their length 7:4 */
static void buffers(struct guest *g, u8 how)
{
    unsigned q = how & 3 & (g->queues - 1);
    for (u16 i = 0; i <= (how >> 2 & 3); i++) {
        descriptor(g, q, 3u + i, RIG_RAM + DATA + 0x4000 + 0x800u * i, how & 0xf0 ? (u32)(how >> 4) << 7 : 8, 2, 0);
        offer(g, q, (u16)(3 + i));
    }
}

static bool op(struct rig *r, unsigned op, struct input *in)
{
    struct guest *g = r->arg;
    switch (op) {
    case 8: host_acts(g, in8(in), in); return true;
    case 9: request(g, in8(in), in); return true;
    case 13: buffers(g, in8(in)); return true;
    default: return virtio_op(g, op, in);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    static const u8 queues[DEVICES] = {1, 2, 2, 1, 1, 4, 2, 2, 2};
    struct input in = {data, n};
    struct devices d = {0};
    struct guest g = {.arg = &d};
    u8 what = in8(&in), features = in8(&in);
    virtio_begin(&g, op);
    g.kind = (what & 15) % DEVICES;
    g.transport = (what >> 4 & 3) % TRANSPORTS;
    g.platform = g.transport == PCI && features >> 7;
    g.queues = queues[g.kind];
    g.v = make_device(&g, what & 64);
    if (g.platform)
        g.v->features |= VIRTIO_F_ACCESS_PLATFORM;
    plug(&g);
    /* indirect 28, event index 29, merged buffers 15, the writeback control or segmentation 11 with
     * checksums 0, flush 9 */
    g.features = (features & 1u) << 28 | (features >> 1 & 1u) << 29 | (features >> 2 & 1u) << 15 |
                 (features >> 3 & 1u) * (1u << 11 | 1u << 12 | 3) | (features >> 4 & 1u) << 9 |
                 (features >> 5 & 1u) << 5 | (features >> 6 & 1u) << 1;
    if (!(what & 128))
        set_up(&g, g.features, 0);
    rig_run(&g.rig, &in);
    rig_end(&g.rig);
    disk_close(d.disk);
    return 0;
}
