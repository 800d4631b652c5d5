/* Virtqueues with a device of any kind behind them, by virtio-mmio (both versions) and PCI.  The driver's set-up is
 * done unless the input says no; then accesses, descriptors, offers.
 *
 *   input: device and transport | features | program (rig.h); 6 descriptor, 7 offer and notify,
 *   8 what the host does to the device: a frame, typed bytes, keys, the balloon's size
 *   9 offer a request whose first bytes follow
 *
 * The 9P server works in a directory of its own, as nobody when we are root. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/le.h"
#include "devices/virtio_9p.h"
#include "devices/virtio_balloon.h"
#include "devices/virtio_blk.h"
#include "devices/virtio_console.h"
#include "devices/virtio_gpu.h"
#include "devices/virtio_input.h"
#include "devices/virtio_mmio.h"
#include "devices/virtio_net.h"
#include "devices/virtio_pci.h"
#include "devices/virtio_rng.h"
#include "devices/virtio_scsi.h"
#include "machine/disk.h"
#include "machine/share.h"
#include "rig.h"

enum { BLK, NET, CONSOLE, RNG, P9, SCSI, BALLOON, KEYBOARD, TABLET, GPU, DEVICES };
enum { MMIO, LEGACY, PCI, TRANSPORTS };
enum { QUEUE = 16, RING_STEP = 0x2000, DATA = 0x8000, DISK = 64 * 512, NOBODY = 65534 };
enum { BAR_IO = 0x1000, BAR_MSIX = 0x10000, BAR_MODERN = 0x20000 };

struct guest {
    struct rig rig;
    unsigned kind, transport, queues;
    struct virtio *v;
    struct nic *nic;
    struct blockdev *disk;
    struct share *share;
    struct pci_host *host;
    struct blockdev *second;
    u16 avail[4];
};

/* ---- 9P's directory --------------------------------------------------------------------------- */

static const char *share_dir(void)
{
    static char path[64];
    if (!*path) {
        snprintf(path, sizeof path, "/dev/shm/elara-fuzz-%d", (int)getpid());
        if (mkdir(path, 0700) != 0 || (getuid() == 0 && chown(path, NOBODY, NOBODY) != 0))
            abort();
    }
    return path;
}

/* Empties the directory behind fd. */
static void empty(int fd, unsigned depth)
{
    DIR *d = fd < 0 || depth > 8 ? NULL : fdopendir(fd);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || unlinkat(fd, e->d_name, 0) == 0)
            continue;
        empty(openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), depth + 1);
        unlinkat(fd, e->d_name, AT_REMOVEDIR);
    }
    if (d)
        closedir(d);
}

static void at_exit(void)
{
    empty(open(share_dir(), O_RDONLY | O_DIRECTORY), 0);
    rmdir(share_dir());
}

static void fill_share(void)
{
    static bool once;
    if (!once)
        atexit(at_exit);
    once = true;
    empty(open(share_dir(), O_RDONLY | O_DIRECTORY), 0);
    int dir = open(share_dir(), O_RDONLY | O_DIRECTORY), fd = openat(dir, "f", O_CREAT | O_WRONLY, 0666);
    if (fd < 0 || write(fd, "hello", 5) != 5 || mkdirat(dir, "d", 0777) != 0)
        abort();
    if (getuid() == 0 && (fchown(fd, NOBODY, NOBODY) != 0 || fchownat(dir, "d", NOBODY, NOBODY, 0) != 0))
        abort();
    close(fd);
    close(dir);
}

/* As nobody: no device nodes, nobody else's files. */
static u32 as_nobody(void *arg, const u8 *in, u32 n, u8 *out, u32 max)
{
    if (getuid() == 0)
        setfsuid(NOBODY);
    u32 k = share_handle(arg, in, n, out, max);
    if (getuid() == 0)
        setfsuid(0);
    return k;
}

static void give_back(void *arg, u64 addr, u64 n) { bus_discard(((struct rig *)arg)->bus, PAS_NS, addr, n); }

static struct virtio *make_scsi(struct guest *g)
{
    struct rig *r = &g->rig;
    g->disk = disk_memory(DISK);
    g->second = disk_memory(DISK);
    g->second->readonly = true;
    const struct virtio_scsi_lun luns[] = {{0, 0, g->disk, "serial"}, {0, 1, g->second, NULL}};
    return virtio_scsi_new(&(struct virtio_scsi_config){
        .id = "scsi0", .log = &r->log, .clock = &r->clock, .luns = luns, .count = ARRAY_LEN(luns)});
}

/* ---- the machine ------------------------------------------------------------------------------ */

static void nowhere(void *arg, const u8 *frame, size_t n) { (void)arg, (void)frame, (void)n; }

static struct virtio *make_device(struct guest *g)
{
    struct rig *r = &g->rig;
    char err[600];
    switch (g->kind) {
    case BLK:
        g->disk = disk_memory(DISK);
        return virtio_blk_new(&(struct virtio_blk_config){
            .id = "disk0", .log = &r->log, .clock = &r->clock, .disk = g->disk, .serial = "serial"});
    case NET:
        return virtio_net_new(
            &(struct virtio_net_config){
                .id = "nic0", .log = &r->log, .clock = &r->clock, .net.send = nowhere, .mac = {2, 0, 0, 0, 0, 1}},
            &g->nic);
    case CONSOLE:
        return virtio_console_new(
            &(struct virtio_console_config){.id = "con0", .log = &r->log, .clock = &r->clock, .cols = 80, .rows = 25});
    case SCSI: return make_scsi(g);
    case BALLOON:
        return virtio_balloon_new(&(struct virtio_balloon_config){
            .id = "balloon0", .log = &r->log, .clock = &r->clock, .discard = give_back, .arg = r});
    case KEYBOARD:
    case TABLET:
        return virtio_input_new(
            &(struct virtio_input_config){.id = "input0",
                                          .log = &r->log,
                                          .clock = &r->clock,
                                          .kind = g->kind == TABLET ? VIRTIO_TABLET : VIRTIO_KEYBOARD});
    case GPU:
        return virtio_gpu_new(&(struct virtio_gpu_config){
            .id = "gpu0", .log = &r->log, .clock = &r->clock, .width = 64, .height = 48, .memory = 1 << 17});
    case RNG: return virtio_rng_new("rng0", &r->log, &r->clock, 1, 0);
    default:
        fill_share();
        g->share = share_open(share_dir(), false, err, sizeof err);
        CHECK(g->share);
        return virtio_9p_new(&(struct virtio_9p_config){.id = "share0",
                                                        .log = &r->log,
                                                        .clock = &r->clock,
                                                        .tag = "share",
                                                        .handle = as_nobody,
                                                        .reset = share_reset,
                                                        .arg = g->share});
    }
}

static void plug(struct guest *g)
{
    struct rig *r = &g->rig;
    if (g->transport != PCI) {
        struct virtio_mmio *m = virtio_mmio_new(&(struct virtio_mmio_config){.id = "virtio0",
                                                                             .log = &r->log,
                                                                             .modern = g->transport == MMIO,
                                                                             .dma = bus_dma(r->bus, 0),
                                                                             .device = g->v});
        bus_seal(r->bus);
        r->dev = &m->dev;
        rig_range(r, r->dev, 0, 0x100);
        rig_range(r, r->dev, 0x100, 0x100);
        return;
    }
    struct pci_host *h = g->host = pci_host_new(&(struct pci_host_config){.id = "pci",
                                                                          .log = &r->log,
                                                                          .buses = 1,
                                                                          .mmio_base = 0,
                                                                          .mmio64_base = 1ull << 39,
                                                                          .io_base = 0,
                                                                          .dma = bus_dma(r->bus, 0)});
    bus_seal(r->bus);
    CHECK(pci_plug(
        h,
        virtio_pci_new(&(struct virtio_pci_config){.id = "fn", .log = &r->log, .device = g->v, .transitional = true}),
        1));
    r->dev = &h->ecam;
    rig_range(r, &h->ecam, 0x8000, 0x100);
    rig_range(r, &h->mmio.dev, BAR_MODERN, 0x40);
    rig_range(r, &h->mmio.dev, BAR_MODERN + 0x2000, 0x40);
    rig_range(r, &h->mmio.dev, BAR_MODERN, 0x4000);
    rig_range(r, &h->mmio.dev, BAR_MSIX, 0x100);
    rig_range(r, &h->io.dev, BAR_IO, 0x80);
    rig_write(&h->ecam, 0x8010, 4, BAR_IO | 1);
    rig_write(&h->ecam, 0x8014, 4, BAR_MSIX);
    rig_write(&h->ecam, 0x8020, 4, BAR_MODERN);
    rig_write(&h->ecam, 0x8024, 4, 0);
    rig_write(&h->ecam, 0x8004, 2, 7);
}

static u64 ring(unsigned q) { return (u64)q * RING_STEP; }
static u64 ring_avail(unsigned q) { return ring(q) + 16 * QUEUE; }
static u64 ring_used(unsigned q) { return ring(q) + 0x1000; }

static void queue_mmio(struct guest *g, unsigned q)
{
    struct device *d = g->rig.dev;
    const u64 at[3] = {ring(q), ring_avail(q), ring_used(q)};
    rig_write(d, 0x30, 4, q);
    rig_write(d, 0x38, 4, QUEUE);
    for (unsigned i = 0; i < 3 && g->transport == MMIO; i++)
        rig_write(d, 0x80 + 0x10 * i, 4, RIG_RAM + at[i]);
    if (g->transport == MMIO) {
        rig_write(d, 0x44, 4, 1);
    } else {
        rig_write(d, 0x28, 4, 4096);
        rig_write(d, 0x3c, 4, 4096);
        rig_write(d, 0x40, 4, (RIG_RAM + at[0]) >> 12);
    }
}

static void queue_pci(struct guest *g, unsigned q)
{
    struct device *d = &g->host->mmio.dev;
    const u64 at[3] = {ring(q), ring_avail(q), ring_used(q)};
    rig_write(d, BAR_MODERN + 22, 2, q);
    rig_write(d, BAR_MODERN + 24, 2, QUEUE);
    for (unsigned i = 0; i < 3; i++)
        rig_write(d, BAR_MODERN + 32 + 8 * i, 8, RIG_RAM + at[i]);
    rig_write(d, BAR_MODERN + 28, 2, 1);
}

static void set_up(struct guest *g, u32 features)
{
    struct device *d = g->rig.dev;
    if (g->transport == PCI) {
        d = &g->host->mmio.dev;
        rig_write(d, BAR_MODERN + 20, 1, 3);
        for (u32 i = 0; i < 2; i++) {
            rig_write(d, BAR_MODERN + 8, 4, i);
            rig_write(d, BAR_MODERN + 12, 4, i ? 1 : features);
        }
        rig_write(d, BAR_MODERN + 20, 1, 11);
    } else {
        rig_write(d, 0x70, 4, 3);
        for (u32 i = 0; i < 2; i++) {
            rig_write(d, 0x24, 4, i);
            rig_write(d, 0x20, 4, i ? 1 : features);
        }
        rig_write(d, 0x70, 4, 11);
    }
    for (unsigned q = 0; q < g->queues; q++)
        g->transport == PCI ? queue_pci(g, q) : queue_mmio(g, q);
    if (g->transport == PCI)
        rig_write(d, BAR_MODERN + 20, 1, 15);
    else
        rig_write(d, 0x70, 4, 15);
}

/* ---- operations ------------------------------------------------------------------------------- */

static void descriptor(struct guest *g, unsigned q, unsigned i, u64 addr, u32 len, u16 flags, u16 next)
{
    u8 b[16];
    put_le64(b, addr);
    put_le32(b + 8, len);
    put_le16(b + 12, flags);
    put_le16(b + 14, next);
    rig_store(&g->rig, ring(q) + 16 * i, b, sizeof b);
}

static void offer(struct guest *g, unsigned q, u16 head)
{
    u8 b[2];
    put_le16(b, head);
    rig_store(&g->rig, ring_avail(q) + 4 + 2 * (g->avail[q] % QUEUE), b, 2);
    put_le16(b, ++g->avail[q]);
    rig_store(&g->rig, ring_avail(q) + 2, b, 2);
    if (g->transport == PCI)
        rig_write(&g->host->mmio.dev, BAR_MODERN + 0x3000 + 4 * q, 2, q);
    else
        rig_write(g->rig.dev, 0x50, 4, q);
}

/* What the host does to the device. */
static void host_acts(struct guest *g, const u8 *p, size_t n)
{
    u32 w, h;
    u8 rgb[3 * 16384];
    switch (g->kind) {
    case NET: (void)g->nic->receive(g->nic, p, n); break;
    case CONSOLE: (void)virtio_console_input(g->v, p, (unsigned)n); break;
    case BALLOON:
        if (n >= 4)
            virtio_balloon_set(g->v, get_le32(p));
        (void)virtio_balloon_ask(g->v);
        break;
    case KEYBOARD:
    case TABLET:
        for (; n >= 2; p += 2, n -= 2)
            virtio_input_event(g->v, p[0] & 3, p[1], p[0]);
        virtio_input_sync(g->v);
        break;
    case GPU:
        if (virtio_gpu_size(g->v, &w, &h) && w <= 16384)
            for (u32 y = 0; y <= h && y < 100; y++)
                virtio_gpu_row(g->v, y, rgb);
        break;
    }
}

/* A command with a header that is nearly right: target and unit, or type, from a byte. */
static void offer_command(struct guest *g, u8 how, unsigned q, struct input *in)
{
    u8 m[128] = {0};
    const u8 *p;
    u32 len = (u32)(how >> 4) * 512u, head = 72;
    size_t n;
    u8 what = in8(in);
    if (g->kind == SCSI) {
        head = 51;
        m[0] = 1;
        m[1] = what >> 6 & 1;
        m[2] = what & 32 ? 0x40 : 0;
        m[3] = what & 3;
        m[8] = what >> 2 & 7;
        n = in_bytes(in, 16, &p);
        memcpy(m + 19, p, n);
        if (q != 2) { /* task management: type 0, what it is, the unit, the tag */
            u8 t[24] = {[4] = n ? p[0] & 7 : 0};
            memcpy(t + 8, m, 16);
            memcpy(m, t, sizeof t);
            q = 0;
            head = 24;
        }
    } else {
        n = in_bytes(in, 64, &p);
        memcpy(m + 24, p, n < 48 ? n : 48);
        m[0] = what & 15;
        m[1] = what & 128 ? 3 : 1;
        m[4] = what >> 4 & 1;
        if (m[0] == 6 && m[1] == 1) { /* attach: one entry of all the memory */
            put_le32(m + 28, 1);
            put_le64(m + 32, RIG_RAM + DATA);
            put_le32(m + 40, 0x4000);
        }
    }
    rig_store(&g->rig, DATA, m, sizeof m);
    bool out = how & 4;
    descriptor(g, q, 0, RIG_RAM + DATA, head, 1, 1);
    descriptor(g, q, 1, RIG_RAM + DATA + (out ? 0x400 : 0x2000), out ? len : 108, out ? 1 : 3, 2);
    descriptor(g, q, 2, RIG_RAM + DATA + 0x4000, out ? 108 : len, 2, 0);
    offer(g, q, 0);
    if (!(how & 8))
        rig_pass(&g->rig, 200000);
}

static bool op(struct rig *r, unsigned op, struct input *in)
{
    struct guest *g = r->arg;
    u8 how = in8(in);
    unsigned q = how & 3 & (g->queues - 1);
    const u8 *p;
    size_t n;
    switch (op) {
    case 6: { /* how: queue 1:0, wild address 2, index 7:4 */
        u64 addr = how & 4 ? in64(in) : RIG_RAM + (u64)in16(in) * 2;
        u32 len = how & 8 ? in32(in) : in16(in);
        u8 flags = in8(in);
        descriptor(g, q, how >> 4, addr, len, flags & 7, flags >> 4);
        return true;
    }
    case 7: offer(g, q, how >> 4); return true;
    case 8:
        n = in_bytes(in, how, &p);
        host_acts(g, p, n);
        return true;
    case 9: { /* how: queue 1:0, direction of the middle 2, its length's factor 7:4 */
        if (g->kind == SCSI || g->kind == GPU) {
            offer_command(g, how, q, in);
            return true;
        }
        u32 len = (u32)(how >> 4) * 512u;
        n = in_bytes(in, g->kind == P9 ? 64 : 32, &p);
        rig_store(r, DATA, p, n);
        if (g->kind == P9) {
            descriptor(g, q, 0, RIG_RAM + DATA, n >= 4 ? get_le32(p) % 128 : 7, 1, 1);
            descriptor(g, q, 1, RIG_RAM + DATA + 0x400, 64 + len, 2, 0);
        } else {
            descriptor(g, q, 0, RIG_RAM + DATA, g->kind == BLK ? 16 : (u32)n, 1, len ? 1 : 2);
            descriptor(g, q, 1, RIG_RAM + DATA + 16, len, (u16)(1 | (how & 4 ? 2 : 0)), 2);
            descriptor(g, q, 2, RIG_RAM + DATA + 0x4000, 1, 2, 0);
        }
        offer(g, q, 0);
        rig_pass(r, 200000);
        return true;
    }
    default: return false;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    static const u8 queues[DEVICES] = {1, 2, 2, 1, 1, 4, 4, 2, 2, 2};
    struct input in = {data, n};
    struct guest g = {0};
    u8 what = in8(&in), features = in8(&in);
    rig_begin(&g.rig);
    g.rig.arg = &g;
    g.rig.op = op;
    g.kind = (what & 15) % DEVICES;
    g.transport = (what >> 4 & 3) % TRANSPORTS;
    g.queues = queues[g.kind];
    g.v = make_device(&g);
    plug(&g);
    if (!(what & 128)) /* features: indirect 28, event index 29, merged buffers 15, the writeback control
                           or segmentation 11 with checksums 0, flush 9 */
        set_up(&g, (features & 1u) << 28 | (features >> 1 & 1u) << 29 | (features >> 2 & 1u) << 15 |
                       (features >> 3 & 1u) * (1u << 11 | 1) | (features >> 4 & 1u) << 9 | (features >> 5 & 1u) << 5 |
                       (features >> 6 & 1u) << 1);
    rig_run(&g.rig, &in);
    rig_end(&g.rig);
    disk_close(g.disk);
    disk_close(g.second);
    if (g.share)
        share_close(g.share);
    return 0;
}
