/* A virtio device behind mmio (both versions) or PCI, and the driver's part: set-up, descriptors, offers.
 *
 *   6 a descriptor   7 offer one and notify   10 the rings' flags, indices and events
 *   11 the driver begins again, oddly if the input says so   12 an indirect table, offered   14 configuration
 *   15 PCI: common or legacy registers, by BARs or by the window in configuration space
 *
 * Inputs are records of 40 bytes (records.h). */
#pragma once
#include "rig.h"

enum { FUZZ_RECORD = 40, FUZZ_HEAD = 2 };
#include "devices/le.h"
#include "devices/virtio_mmio.h"
#include "devices/virtio_pci.h"
#include "records.h"

enum { MMIO, LEGACY, PCI, TRANSPORTS };
enum { QUEUE = 16, RING_STEP = 0x2000, DATA = 0x8000, MORE = 0x10000, END = RIG_RAM_SIZE };
enum { BAR_IO = 0x1000, BAR_MSIX = 0x10000, BAR_MODERN = 0x20000 };

struct guest {
    struct rig rig;
    unsigned kind, transport, queues;
    bool platform; /* PCI: not transitional, behind an IOMMU */
    u32 features;
    struct virtio *v;
    struct pci_host *host;
    u16 avail[4];
    void *arg; /* the target's */
};

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
    CHECK(pci_plug(h,
                   virtio_pci_new(&(struct virtio_pci_config){
                       .id = "fn", .log = &r->log, .device = g->v, .transitional = !g->platform}),
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

/* Where a queue is, mostly; the driver part of one that is odd ends with memory. */
static u64 ring(unsigned q) { return (u64)q * RING_STEP; }
static u64 ring_avail(unsigned q) { return ring(q) + 16 * QUEUE; }
static u64 ring_used(unsigned q) { return ring(q) + 0x1000; }

static void queue_mmio(struct guest *g, unsigned q, const u64 *at, u32 size)
{
    struct device *d = g->rig.dev;
    rig_write(d, 0x30, 4, q);
    rig_write(d, 0x38, 4, size);
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

static void queue_pci(struct guest *g, unsigned q, const u64 *at, u32 size)
{
    struct device *d = &g->host->mmio.dev;
    rig_write(d, BAR_MODERN + 22, 2, q);
    rig_write(d, BAR_MODERN + 24, 2, size);
    for (unsigned i = 0; i < 3; i++)
        rig_write(d, BAR_MODERN + 32 + 8 * i, 8, RIG_RAM + at[i]);
    rig_write(d, BAR_MODERN + 28, 2, 1);
}

/* odd: queue 1:0, which part of it ends where memory does 3:2, its size 6:4, features refused 7 */
static void set_up(struct guest *g, u32 features, u8 odd)
{
    static const u32 sizes[] = {QUEUE, 0, 3, 1, 8, 0x10000, 4096, QUEUE};
    struct device *d = g->rig.dev;
    if (g->transport == PCI) {
        d = &g->host->mmio.dev;
        rig_write(d, BAR_MODERN + 20, 1, 3);
        for (u32 i = 0; i < 2; i++) {
            rig_write(d, BAR_MODERN + 8, 4, i);
            rig_write(d, BAR_MODERN + 12, 4, i ? (odd & 0x80 ? 0 : 1 | (u64)g->platform << 1) : features);
        }
        rig_write(d, BAR_MODERN + 20, 1, 11);
    } else {
        rig_write(d, 0x70, 4, 3);
        for (u32 i = 0; i < 2; i++) {
            rig_write(d, 0x24, 4, i);
            rig_write(d, 0x20, 4, i ? (odd & 0x80 ? 0 : 1) : features);
        }
        rig_write(d, 0x70, 4, 11);
    }
    for (unsigned q = 0; q < g->queues; q++) {
        bool this = odd && (odd & 3) == q;
        u64 at[3] = {ring(q), ring_avail(q), ring_used(q)};
        if (this && odd >> 2 & 3)
            at[(odd >> 2 & 3) - 1] = END - ((odd & 3) == 1 ? 6u : 4u);
        u32 size = sizes[this ? odd >> 4 & 7 : 0];
        g->transport == PCI ? queue_pci(g, q, at, size) : queue_mmio(g, q, at, size);
        g->avail[q] = 0;
        rig_store(&g->rig, ring_avail(q), (const u8[4]){0}, 4);
    }
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

/* A request of the bytes at DATA and, as the input says, a middle and an end. */
static inline void offer_three(struct guest *g, unsigned q, u32 head, u32 middle, bool in, u32 end)
{
    bool last = !end;
    descriptor(g, q, 0, RIG_RAM + DATA, head, middle || end ? 1 : 0, middle ? 1 : 2);
    descriptor(g, q, 1, RIG_RAM + DATA + 0x400, middle, (u16)((last ? 0 : 1) | (in ? 2 : 0)), 2);
    descriptor(g, q, 2, RIG_RAM + DATA + 0x4000, end, 2, 0);
    offer(g, q, 0);
}

static void table(struct guest *g, struct input *in)
{
    u8 how = in8(in), n = in8(in), b[16] = {0};
    unsigned q = how & 3 & (g->queues - 1), count = how & 0x80 ? 1030 : 1 + (n & 3);
    for (unsigned i = 0; i < count; i++) {
        u8 flags = how & 0x80 ? (how >> 4 & 2) | 1 : in8(in);
        put_le64(b, RIG_RAM + DATA + (how & 0x80 ? 0 : (u64)in16(in)));
        put_le32(b + 8, how & 0x80 ? how >> 5 & 1 : in16(in));
        put_le16(b + 12, flags & 7);
        put_le16(b + 14, (u16)(how & 0x80 ? i + 1 : flags >> 4));
        rig_store(&g->rig, MORE + 16u * i, b, 16);
    }
    descriptor(g, q, 0, RIG_RAM + MORE, how & 8 ? n : 16u * count, (u16)(4 | (how >> 6 & 1)), 0);
    offer(g, q, 0);
    if (!(how & 4))
        rig_pass(&g->rig, 300000);
}

static void rings(struct guest *g, struct input *in)
{
    u8 how = in8(in), b[2];
    unsigned q = how & 3 & (g->queues - 1);
    u16 v = in16(in);
    put_le16(b, how & 0x40 ? v : (u16)(g->v->q[q].used + (v & 3) - 1));
    rig_store(&g->rig, (how & 4 ? ring_used(q) : ring_avail(q)) + (how & 8 ? 0 : how & 16 ? 2 : 4 + 2 * QUEUE), b, 2);
    if (how & 32)
        g->avail[q] = v;
}

static void configuration(struct guest *g, struct input *in)
{
    u8 how = in8(in), off = in8(in) & 63;
    unsigned size = 1u << (how & 3) % 3;
    u64 val = how & 8 ? in32(in) : in8(in), at = off & ~(size - 1);
    struct device *d = g->rig.dev;
    if (g->transport == PCI && how & 16) { /* legacy */
        d = &g->host->io.dev;
        at += BAR_IO + (how & 32 ? 24u : 20u);
    } else if (g->transport == PCI) {
        d = &g->host->mmio.dev;
        at += BAR_MODERN + 0x2000;
    } else {
        at += 0x100;
    }
    how & 4 ? (void)rig_read(d, at, size) : rig_write(d, at, size, val);
}

static void pci_registers(struct guest *g, struct input *in)
{
    static const u8 common[][2] = {{0, 4},  {4, 4},  {8, 4},  {12, 4}, {16, 2}, {18, 2}, {20, 1}, {21, 1},
                                   {22, 2}, {24, 2}, {26, 2}, {28, 2}, {30, 2}, {32, 8}, {40, 8}, {48, 8}};
    static const u8 legacy[][2] = {{0, 4},  {4, 4},  {8, 4},  {12, 2}, {14, 2}, {16, 2}, {18, 1}, {19, 1},
                                   {20, 2}, {22, 2}, {24, 1}, {25, 2}, {26, 4}, {27, 1}, {28, 1}, {20, 1}};
    u8 how = in8(in), what = in8(in), odd = in8(in);
    bool write = how & 2, old = how & 1;
    u64 off = old ? legacy[what & 15][0] : common[what & 15][0], val = in32(in);
    unsigned size = old ? legacy[what & 15][1] : common[what & 15][1], cap = g->host->fn[1]->config[PCI_CAP_POINTER];
    struct device *ecam = &g->host->ecam, *d = old ? &g->host->io.dev : &g->host->mmio.dev;
    if (!old && what & 0x30)
        off = (u64)(what >> 4 & 3) * 0x1000 + (what & 15u) * (what & 0x40 ? 4u : 1u);
    if (odd & 1)
        size = 1u << (odd >> 1 & 3);
    if (what & 0x80)
        val = (const u32[]){0, 1, 3, 11, 15, 4, 0x8f, 0xffff}[val & 7];
    off &= ~(u64)(size - 1);
    while (cap && !(g->host->fn[1]->config[cap] == 9 && g->host->fn[1]->config[cap + 3] == 5))
        cap = g->host->fn[1]->config[cap + 1];
    if (how & 4) { /* MSI-X on or off, its first vectors not masked */
        rig_write(ecam, 0x8000 + g->host->fn[1]->msix.cap + 2, 2, how & 8 ? 0x8000 : 0);
        rig_write(&g->host->mmio.dev, BAR_MSIX + 16u * (what & 3u), 4, RIG_RAM + MORE);
        rig_write(&g->host->mmio.dev, BAR_MSIX + 16u * (what & 3u) + 12, 4, what >> 2 & 1);
    }
    if (how & 0x10) {
        rig_write(ecam, 0x8000 + cap + 4, 1, odd & 0x10 ? odd >> 5 : old ? 0 : 4);
        rig_write(ecam, 0x8000 + cap + 8, 4, off);
        rig_write(ecam, 0x8000 + cap + 12, 4, odd & 8 ? size * 3 : size == 8 ? 4 : size);
        write ? rig_write(ecam, 0x8000 + cap + 16, 4, val) : (void)rig_read(ecam, 0x8000 + cap + 16, 4);
        return;
    }
    off += old ? BAR_IO : BAR_MODERN;
    write ? rig_write(d, off, size, val) : (void)rig_read(d, off, size);
}

/* What all devices have in common. */
static bool virtio_op(struct guest *g, unsigned op, struct input *in)
{
    u8 how = in8(in);
    unsigned q = how & 3 & (g->queues - 1);
    switch (op) {
    case 6: { /* how: queue 1:0, wild address 2, index 7:4 */
        u64 addr = how & 4 ? in64(in) : RIG_RAM + (u64)in16(in) * 2;
        u32 len = how & 8 ? in32(in) : in16(in);
        u8 flags = in8(in);
        descriptor(g, q, how >> 4, addr, len, flags & 7, flags >> 4);
        return true;
    }
    case 7: offer(g, q, how >> 4); return true;
    case 10: rings(g, in); return true;
    case 11: {
        u8 odd = in8(in), more = in8(in);
        struct device *d = g->transport == PCI ? &g->host->mmio.dev : g->rig.dev;
        rig_write(d, g->transport == PCI ? BAR_MODERN + 20 : 0x70, g->transport == PCI ? 1 : 4, 0);
        set_up(g, more & 1 ? in32(in) : g->features, odd);
        return true;
    }
    case 12: table(g, in); return true;
    case 14: configuration(g, in); return true;
    case 15:
        if (g->transport == PCI)
            pci_registers(g, in);
        return true;
    default: return false;
    }
}

static void virtio_begin(struct guest *g, bool (*op)(struct rig *, unsigned, struct input *))
{
    rig_begin(&g->rig);
    g->rig.arg = g;
    g->rig.op = op;
    g->rig.record = FUZZ_RECORD;
}
