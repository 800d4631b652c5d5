/* PCI configuration: a tree of ports whose bus numbers and windows the input programs, BARs that move and overlap,
 * resets of all kinds, MSI and MSI-X, DMA through the ports. What devices do behind their registers is other targets'.
 *
 *   input: records of 14 bytes (rig.h, records.h); with f a function of the tree (3:0 of a byte, or the
 *   one before):
 *     2 an access by DMA or a debugger   3 the registers of a virtio function by its BARs or its window
 *     6 configuration access: f | size, where, value     7 access through a window where BAR b of f is now
 *     8 program a port: bus numbers, or a window by few bytes     9 move BAR b of f     10 let card f do something
 *     11 write the MSI or MSI-X control, mask or message of f     12 back to a tree that is set up
 *     13 the test device     14 a capability of f, or an invalidation for its translation cache     15 a message under
 * all that may stop it
 *
 * The tree is built once; every input begins with it as it was set up. */
#include "../device/pci_card.h"
#include "devices/virtio.h"
#include "devices/virtio_pci.h"
#include "rig.h"

enum { FUZZ_RECORD = 14, FUZZ_HEAD = 0 };
#include "records.h"

enum { ECAM = 0x20000000, MMIO = 0x10000000, WINDOW = 0x1000000, PORTS = 0x10000, BUSES = 16, FUNCTIONS = 12 };
enum { BRIDGE_WINDOW = 0x200000 };
static const u64 high = 1ull << 39;

struct guest {
    struct rig rig;
    struct pci_host *host;
    struct snap start; /* as set up */
    unsigned last;     /* function that was dealt with, */
    u8 vector;         /* message it sent */
    bool ready;
};

/* ---- the tree ----------------------------------------------------------------------------------- */

/* Virtio that interrupts, and does no more: its registers alone are of interest. */
static void notify(struct virtio *v, unsigned q) { q ? virtio_config_changed(v) : v->interrupt(v->arg, q); }
static bool config_wrote(struct virtio *v, u32 off, u32 n) { return (void)v, (void)n, off < 2; }
static const struct virtio_class nothing = {.name = "nothing",
                                            .device_id = VIRTIO_RNG,
                                            .queues = 2,
                                            .config_size = 4,
                                            .notify = notify,
                                            .config_wrote = config_wrote};
static const struct virtio_class modern = {.name = "modern", .device_id = VIRTIO_GPU, .queues = 1, .notify = notify};

/* Pages as they are, or one apart; some are refused, some for writing. */
static bool translate(void *arg, u32 stream, u64 addr, bool write, struct pci_translation *t)
{
    (void)arg;
    *t = (struct pci_translation){addr ^ (addr & 0x2000) >> 1, true, write && !(addr & 0x4000)};
    return (stream & 0xf) != 0xf;
}

static struct pci_fn *make(struct rig *r, char what, const char *id)
{
    struct pci_fn *card;
    static struct virtio v, w;
    struct pci_bridge_config bc = {.id = id, .log = &r->log, .type = PCI_ROOT_PORT};
    switch (what) {
    case 'u': bc.type = PCI_UPSTREAM; return pci_bridge_new(&bc);
    case 'd': bc.type = PCI_DOWNSTREAM; return pci_bridge_new(&bc);
    case 'r': return pci_bridge_new(&bc);
    case 't': return pci_testdev_new(id, &r->log);
    case 'v':
        virtio_init(&v, &nothing, id, &r->log, 0, 4);
        return virtio_pci_new(
            &(struct virtio_pci_config){.id = id, .log = &r->log, .device = &v, .transitional = true});
    case 'w':
        virtio_init(&w, &modern, id, &r->log, VIRTIO_F_ACCESS_PLATFORM, 4);
        return virtio_pci_new(&(struct virtio_pci_config){.id = id, .log = &r->log, .device = &w});
    default:
        card = card_new(id, &r->log);
        pci_add_ats(card);
        return card;
    }
}

/* What, and behind which of them; the bus they are on once set up, and the device there. */
static const struct place {
    char what;
    u8 behind, bus, dev, last; /* last: subordinate bus of a port */
    const char *id;
} tree[FUNCTIONS] = {
    {'h', 0, 0, 0, 0, ""}, /* the host bridge */
    {'c', 0, 0, 1, 0, "card0"}, {'v', 0, 0, 2, 0, "virtio"}, {'r', 0, 0, 3, 1, "root0"},  {'c', 3, 1, 0, 0, "card1"},
    {'r', 0, 0, 4, 5, "root1"}, {'u', 5, 2, 0, 5, "up"},     {'d', 6, 3, 0, 4, "down0"},  {'d', 6, 3, 1, 5, "down1"},
    {'c', 7, 4, 0, 0, "card2"}, {'t', 8, 5, 0, 0, "test"},   {'w', 0, 0, 5, 0, "modern"},
};

static u64 config_of(unsigned i) { return (u64)tree[i % FUNCTIONS].bus << 20 | (u64)tree[i % FUNCTIONS].dev << 15; }
static void put(struct rig *r, unsigned i, unsigned reg, unsigned size, u64 val)
{
    rig_write(r->dev, config_of(i) + reg, size, val);
}

/* Messages go to memory: some by MSI, some by MSI-X, of which vector 0 is not masked. */
static void set_up_messages(struct guest *g, unsigned i)
{
    struct rig *r = &g->rig;
    const struct pci_fn *f = g->host->fn[i];
    put(r, i, f->msi.cap + 4, 4, RIG_RAM);
    put(r, i, f->msi.cap + 2, 2, i == 1 ? 0x31 : 0x30);
    rig_write(&g->host->mmio.dev, 0x100000 * i + CARD_TABLE, 4, RIG_RAM + 16);
    rig_write(&g->host->mmio.dev, 0x100000 * i + CARD_TABLE + 12, 4, 0);
    put(r, i, f->msix.cap + 2, 2, i == 1 ? 0 : 0x8000);
}

/* Memory of function i: BARs at MMIO + i MiB, those of 64 bits above; ports have windows of what is behind them. */
static void set_up(struct guest *g)
{
    struct rig *r = &g->rig;
    r->dev->ops->reset(r->dev);
    for (unsigned i = 1; i < FUNCTIONS; i++) {
        const struct place *p = &tree[i];
        u32 base = (MMIO >> 16) + 0x10 * i, limit = i == 3 ? i + 1 : i > 4 ? FUNCTIONS - 1u : i;
        if (p->last) {
            put(r, i, 0x18, 4,
                p->bus | (u64)(p->behind == 6 ? p->last : p->bus + (i == 5 ? 2u : 1u)) << 8 | (u64)p->last << 16);
            put(r, i, 0x20, 4, base | (u64)((MMIO >> 16) + 0x10 * limit) << 16);
            put(r, i, 0x24, 4, (u64)0x10 * i | (u64)0x10 * limit << 16);
            put(r, i, 0x28, 4, high >> 32);
            put(r, i, 0x2c, 4, high >> 32);
            put(r, i, 0x1c, 2, (u64)0x10 * (i & 15) | (u64)0x1000 * limit);
        } else {
            put(r, i, PCI_BAR0, 4, MMIO + 0x100000 * i);
            put(r, i, PCI_BAR0 + 4, 4, 0x1000 * i);
            put(r, i, PCI_BAR0 + 8, 4, 0x100000 * i);
            put(r, i, PCI_BAR0 + 12, 4, high >> 32);
        }
        if (p->what == 'v' || p->what == 'w') { /* I/O, MSI-X, the modern registers */
            put(r, i, PCI_BAR0, 4, 0x1000 * i);
            put(r, i, PCI_BAR0 + 4, 4, MMIO + 0x100000 * i + 0x8000);
            put(r, i, PCI_BAR0 + 16, 4, MMIO + 0x100000 * i);
            put(r, i, PCI_BAR0 + 20, 4, 0);
        }
        put(r, i, PCI_COMMAND, 2, 7);
        if (p->what == 'c')
            set_up_messages(g, i);
    }
}

static void build(struct guest *g)
{
    struct rig *r = &g->rig;
    *r = (struct rig){.log = {.sink = rig_drop}};
    r->arg = g;
    r->bus = bus_new(&r->log);
    bus_map_ram(r->bus, 1 << PAS_NS, RIG_RAM, PAGE_SIZE, "ram");
    struct pci_host *h = g->host = pci_host_new(&(struct pci_host_config){.id = "pci",
                                                                          .log = &r->log,
                                                                          .buses = BUSES,
                                                                          .mmio_base = MMIO,
                                                                          .mmio64_base = high,
                                                                          .dma = bus_dma(r->bus, 0),
                                                                          .translate = translate});
    r->dev = &h->ecam;
    bus_map_device(r->bus, 1 << PAS_NS, ECAM, BUSES << 20, r->dev);
    bus_map_device(r->bus, 1 << PAS_NS, MMIO, WINDOW, &h->mmio.dev);
    bus_seal(r->bus);
    struct pci_fn *made[FUNCTIONS] = {0};
    for (unsigned i = 1; i < FUNCTIONS; i++) {
        const struct place *p = &tree[i];
        made[i] = make(r, p->what, p->id);
        CHECK(pci_plug_at(h, made[p->behind], made[i], (unsigned)p->dev << 3));
    }
    rig_range(r, r->dev, 0, BUSES << 20);
    rig_range(r, &h->mmio.dev, 0, WINDOW);
    rig_range(r, &h->io.dev, 0, PORTS);
    rig_range(r, &h->mmio64.dev, 0, WINDOW);
    set_up(g);
    g->start = (struct snap){.mode = SNAP_SAVE};
    r->dev->ops->state(r->dev, &g->start);
    g->ready = true;
}

static void begin(struct guest *g)
{
    struct snap load = {.mode = SNAP_LOAD, .buf = g->start.buf, .cap = g->start.pos};
    memset(bus_page_ptr(g->rig.bus, 0), 0, PAGE_SIZE);
    g->last = g->vector = 0;
    g->rig.dev->ops->state(g->rig.dev, &load);
    CHECK(!load.failed);
}

/* ---- operations ----------------------------------------------------------------------------------- */

static u64 bar(const struct pci_fn *f, unsigned b)
{
    u32 lo = get_le32(f->config + PCI_BAR0 + 4 * b), hi = b < 5 ? get_le32(f->config + PCI_BAR0 + 4 * b + 4) : 0;
    return f->bar[b].kind == PCI_BAR_IO      ? lo & ~3u
           : f->bar[b].kind == PCI_BAR_MEM64 ? (lo & ~15u) | (u64)hi << 32
                                             : lo & ~15u;
}

static struct pci_window *window(struct guest *g, const struct pci_fn *f, unsigned b, u64 at)
{
    return f->bar[b].kind == PCI_BAR_IO ? &g->host->io : at >= high ? &g->host->mmio64 : &g->host->mmio;
}

static void through(struct guest *g, unsigned i, unsigned b, u64 off, unsigned size, bool write, u64 val)
{
    const struct pci_fn *f = g->host->fn[i];
    u64 at = bar(f, b) + (off & ~(u64)(size - 1));
    struct pci_window *w = window(g, f, b, at);
    if (at < w->base || at - w->base >= (f->bar[b].kind == PCI_BAR_IO ? PORTS : WINDOW))
        return;
    write ? rig_write(&w->dev, at - w->base, size, val) : (void)rig_read(&w->dev, at - w->base, size);
}

static void port(struct guest *g, struct input *in)
{
    static const u8 ports[] = {3, 5, 6, 7, 8};
    u8 how = in8(in), a = in8(in), b = in8(in);
    unsigned i = ports[(how & 7) % sizeof ports];
    struct rig *r = &g->rig;
    switch (how >> 3 & 7) {
    case 0: put(r, i, 0x19, 2, (a & 15) | (u64)(b & 15) << 8); break;
    case 1: put(r, i, 0x20, 4, ((MMIO >> 16) + a) | (u64)((MMIO >> 16) + b) << 16); break;
    case 2: put(r, i, 0x24, 4, a | (u64)b << 16); break;
    case 3: put(r, i, 0x1c, 2, a | (u64)b << 8); break;
    case 4: put(r, i, 0x3e, 2, (a & 1u) << 6); break;
    case 5: put(r, i, g->host->fn[i]->express.cap + 0x10, 2, (a & 1u) << 4); break;
    case 6:
        if (g->host->fn[i]->acs)
            put(r, i, g->host->fn[i]->acs + 6, 2, a);
        break;
    case 7: put(r, i, PCI_COMMAND, 2, a & 7); break;
    }
}

static void act(struct guest *g, unsigned i, struct input *in)
{
    static const u64 where[] = {RIG_RAM, MMIO + 0x100000, MMIO + 0xa00000, ECAM, high + 0x400000, 1ull << 57};
    struct pci_fn *f = g->host->fn[i];
    u8 what = in8(in);
    if (tree[i].what != 'c')
        return;
    card_write(f, &rig_txn, 0, CARD_ADDRESS, 8, where[(what >> 5) % ARRAY_LEN(where)]);
    g->vector = in8(in);
    if (what & 8)
        put(&g->rig, i, f->ats.cap + 6, 2, (u64)(what & 16) << 11);
    card_write(f, &rig_txn, 0, (what & 7) * 4, 4, g->vector);
}

static void messages(struct guest *g, unsigned i, struct input *in)
{
    const struct pci_fn *f = g->host->fn[i];
    u8 how = in8(in), val = in8(in);
    if (f->msi.count && !(how & 1)) {
        static const u8 reg[] = {2, 16, 4, 12};
        put(&g->rig, i, f->msi.cap + reg[how >> 1 & 3], how >> 1 & 3 ? 4 : 2, (how >> 1 & 3) == 2 ? RIG_RAM : val);
    } else if (f->msix.count && how & 1) {
        unsigned entry = (how & 0x40 ? how >> 4 : g->vector) & 3;
        if (how & 2)
            put(&g->rig, i, f->msix.cap + 2, 2, (val & 3u) << 14);
        else
            through(g, i, f->msix.bar, f->msix.table + entry * 16 + (how >> 2 & 3) * 4, 4, true,
                    how >> 2 & 3 ? val : RIG_RAM);
    }
}

/* Neither a debugger nor DMA does anything here. */
static void strange(struct guest *g, struct input *in)
{
    struct device *const d[] = {g->rig.dev, &g->host->mmio.dev, &g->host->io.dev, &g->host->mmio64.dev};
    u8 how = in8(in);
    struct txn t = {.privileged = true, .debug = how & 1, .cpu = how & 2 ? TXN_DMA : 0};
    u64 v[2] = {in32(in)}, off = how & 0x80 ? config_of(how >> 4) + in8(in) : 0x100000u * (how >> 4 & 7) + in16(in);
    unsigned i = how & 0x80 ? 0 : how >> 2 & 3;
    off &= i == 2 ? 0xfffc : 0xfffffc;
    (void)(v[0] & 1 ? bus_dev_write(d[i], &t, off, 4, v) : bus_dev_read(d[i], &t, off, 4, v));
}

static unsigned capability(const struct pci_fn *f, u8 id, u8 type)
{
    unsigned at = f->config[PCI_CAP_POINTER];
    while (at && !(f->config[at] == id && (!type || f->config[at + 3] == type)))
        at = f->config[at + 1];
    return at;
}

static void virtio(struct guest *g, struct input *in)
{
    static const u8 common[][2] = {{0, 4},  {4, 4},  {8, 4},  {12, 4}, {16, 2}, {18, 2}, {20, 1}, {21, 1},
                                   {22, 2}, {24, 2}, {26, 2}, {28, 2}, {30, 2}, {32, 8}, {40, 8}, {48, 8}};
    static const u8 legacy[][2] = {{0, 4},  {4, 4},  {8, 4},  {12, 2}, {14, 2}, {16, 2}, {18, 1}, {19, 1},
                                   {20, 2}, {22, 2}, {24, 1}, {25, 2}, {26, 4}, {27, 1}, {28, 1}, {20, 1}};
    u8 how = in8(in), what = in8(in), odd = in8(in);
    unsigned i = how & 1 ? 2 : FUNCTIONS - 1, size;
    bool write = how & 2, old = (how & 12) == 4;
    u64 off = old ? legacy[what & 15][0] : common[what & 15][0], val = in32(in);
    size = old ? legacy[what & 15][1] : common[what & 15][1];
    if (!old && what & 0x30)
        off = (u64)(what >> 4 & 3) * 0x1000 + (what & 15u) * (what & 0x40 ? 4u : 1u);
    if (odd & 1)
        size = 1u << (odd >> 1 & 3);
    if (what & 0x80)
        val = (u64[]){0, 1, 3, 11, 15, 4, 0x8f, 0xffff}[val & 7];
    if (how & 0x30) { /* the window in configuration space */
        unsigned at = capability(g->host->fn[i], 9, 5);
        put(&g->rig, i, at + 4, 1, odd & 0x10 ? odd >> 5 : old ? 0 : 4);
        put(&g->rig, i, at + 8, 4, off);
        put(&g->rig, i, at + 12, 4, odd & 8 ? size * 3 : size == 8 ? 4 : size);
        if (write)
            put(&g->rig, i, at + 16, 4, val);
        else
            (void)rig_read(g->rig.dev, config_of(i) + at + 16, 4);
        return;
    }
    through(g, i, old ? 0 : 4, off, size, write, (u32)val);
}

static void test_device(struct guest *g, struct input *in)
{
    u8 how = in8(in), off = in8(in), val = in8(in);
    unsigned i = 10, bar = how & 1;
    put(&g->rig, i, PCI_COMMAND, 2, 7);
    if (how & 2)
        through(g, i, bar, 0, 1, true, val & 3);
    unsigned at = (how & 4 ? off : bar ? 128u + 3 + (off & 3) : 2048u + (off & 3));
    through(g, i, bar, at, 1u << (how >> 3 & 1), true, how & 16 ? val : 0xfa);
    through(g, i, bar, how >> 4, 1u << (how >> 5 & 3), false, 0);
}

/* A message under what may stop it, and what may let it go. */
static void message(struct guest *g, unsigned i, struct input *in)
{
    static const u64 to[] = {RIG_RAM, RIG_RAM + 0x10, 1ull << 45, 1ull << 57};
    struct pci_fn *f = g->host->fn[i];
    u8 before = in8(in), after = in8(in), vector = in8(in), how = in8(in);
    if (tree[i].what != 'c')
        return;
    unsigned at = f->msix.table + (vector & 3) * 16u;
    bool x = how & 1;
    put(&g->rig, i, PCI_COMMAND, 2, how & 2 ? 2 : 6);
    put(&g->rig, i, f->msix.cap + 2, 2, (before & 3u) << 14);
    put(&g->rig, i, f->msi.cap + 2, 2, before >> 2 & 0x31);
    put(&g->rig, i, f->msi.cap + 16, 4, before & 4 ? 0xff : 0);
    put(&g->rig, i, f->msi.cap + 4, 4, to[how >> 2 & 3] & 0xffffffff);
    put(&g->rig, i, f->msi.cap + 8, 4, to[how >> 2 & 3] >> 32);
    through(g, i, f->msix.bar, at, 8, true, to[how >> 2 & 3]);
    through(g, i, f->msix.bar, at + 12, 4, true, before >> 3 & 1);
    card_write(f, &rig_txn, 0, x ? CARD_MSIX : CARD_MSI, 4, vector & 3);
    if (how & 0x10)
        put(&g->rig, i, f->msix.cap + 2, 2, (after & 3u) << 14);
    if (how & 0x20)
        through(g, i, f->msix.bar, at + 12, 4, true, after >> 3 & 1);
    if (how & 0x40)
        put(&g->rig, i, f->msi.cap + 16, 4, after & 4 ? 0xff : 0);
    if (how & 0x80)
        through(g, i, f->msix.bar, (after & 0x80 ? f->msix.pba : at) + (after >> 3 & 15), 1u << (after & 3), after & 4,
                vector);
}

static bool op(struct rig *r, unsigned op, struct input *in)
{
    struct guest *g = r->arg;
    if (op == 12) {
        begin(g);
        return true;
    }
    switch (op) {
    case 2: strange(g, in); return true;
    case 3: virtio(g, in); return true;
    case 8: port(g, in); return true;
    case 13: test_device(g, in); return true;
    }
    u8 how = in8(in); /* 3:0 function, 6:4 BAR or size, 7 */
    unsigned i = how & 15 && in->n && in->p[in->n - 1] & 3 ? g->last : (how & 15) % FUNCTIONS,
             b = (how >> 4 & 7) % PCI_BARS, size = 1u << (how >> 4 & 3) % 3;
    g->last = i;
    switch (op) {
    case 6: {
        u64 at = config_of(i) + (in8(in) & ~(size - 1)) + (how & 0x40 ? 0x100 : 0);
        how & 0x80 ? (void)rig_read(r->dev, at, size) : rig_write(r->dev, at, size, in32(in));
        return true;
    }
    case 7: {
        u16 off = in16(in);
        through(g, i, b, off & 0xfffu, 1u << (off >> 12 & 3), how & 0x80, in8(in));
        return true;
    }
    case 9: put(r, i, PCI_BAR0 + 4 * b, 4, how & 0x80 ? in32(in) : MMIO + (u32)in8(in) * 0x1000u); return true;
    case 10: act(g, i, in); return true;
    case 11: messages(g, i, in); return true;
    case 14: {
        static const u8 ids[] = {5, 0x10, 0x11, 9};
        u8 off = in8(in);
        const struct pci_fn *f = g->host->fn[i];
        if (off == 0x7f) {
            u64 page = RIG_RAM + ((u64)in8(in) << 12);
            pci_ats_invalidate(g->host, f->upstream.txn.stream, page, in8(in) & 127);
            return true;
        }
        unsigned at = off & 0x80 ? (f->acs ? f->acs : f->ats.cap) : capability(f, ids[off >> 5 & 3], 0);
        if (at)
            put(r, i, at + (off & 0x1f) * 2, 2, in16(in));
        return true;
    }
    case 15: message(g, i, in); return true;
    default: return true;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    static struct guest g;
    struct input in = {data, n};
    if (!g.ready) {
        build(&g);
        g.rig.op = op;
        g.rig.record = FUZZ_RECORD;
        g.rig.own = 1 << 2 | 1 << 3;
    }
    begin(&g);
    rig_run(&g.rig, &in);
    return 0;
}
