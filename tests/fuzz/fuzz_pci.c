/* PCI configuration: a tree of ports whose bus numbers and windows the input programs, BARs that move and overlap,
 * resets of all kinds, MSI and MSI-X, DMA through the ports. What devices do behind their registers is other targets'.
 *
 *   input: program (rig.h); with f a function of the tree (3:0 of a byte):
 *     6 configuration access: f | size, where, value     7 access through a window where BAR b of f is now
 *     8 program a port: bus numbers, or a window by few bytes     9 move BAR b of f     10 let card f do something
 *     11 write the MSI or MSI-X control, mask or message of f     12 back to a tree that is set up
 *
 * The tree is built once; every input begins with it as it was set up. */
#include "../device/pci_card.h"
#include "devices/virtio.h"
#include "devices/virtio_pci.h"
#include "rig.h"

enum { ECAM = 0x20000000, MMIO = 0x10000000, WINDOW = 0x1000000, PORTS = 0x10000, BUSES = 16, FUNCTIONS = 11 };
enum { BRIDGE_WINDOW = 0x200000 };
static const u64 high = 1ull << 39;

struct guest {
    struct rig rig;
    struct pci_host *host;
    struct snap start; /* as set up */
    bool ready;
};

/* ---- the tree ----------------------------------------------------------------------------------- */

/* Virtio without queues: its window in configuration space alone is of interest. */
static const struct virtio_class nothing = {.name = "nothing", .device_id = VIRTIO_RNG};

/* Pages as they are, or one apart; some are refused, some for writing. */
static bool translate(void *arg, u32 stream, u64 addr, bool write, struct pci_translation *t)
{
    (void)arg;
    *t = (struct pci_translation){addr ^ (addr & 0x2000) >> 1, true, write && !(addr & 0x4000)};
    return (stream & 0xf) != 0xf;
}

static struct pci_fn *make(struct rig *r, char what, const char *id)
{
    static struct virtio v;
    struct pci_fn *card;
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
    {'c', 0, 0, 1, 0, "card0"}, {'v', 0, 0, 2, 0, "virtio"}, {'r', 0, 0, 3, 1, "root0"}, {'c', 3, 1, 0, 0, "card1"},
    {'r', 0, 0, 4, 5, "root1"}, {'u', 5, 2, 0, 5, "up"},     {'d', 6, 3, 0, 4, "down0"}, {'d', 6, 3, 1, 5, "down1"},
    {'c', 7, 4, 0, 0, "card2"}, {'t', 8, 5, 0, 0, "test"},
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

static void through(struct guest *g, unsigned i, unsigned b, u64 off, unsigned size, bool write, u32 val)
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
    card_write(f, &rig_txn, 0, (what & 7) * 4, 4, in8(in));
}

static void messages(struct guest *g, unsigned i, struct input *in)
{
    const struct pci_fn *f = g->host->fn[i];
    u8 how = in8(in), val = in8(in);
    if (f->msi.count && !(how & 1)) {
        static const u8 reg[] = {2, 16, 4, 12};
        put(&g->rig, i, f->msi.cap + reg[how >> 1 & 3], how >> 1 & 3 ? 4 : 2, (how >> 1 & 3) == 2 ? RIG_RAM : val);
    } else if (f->msix.count && how & 1) {
        if (how & 2)
            put(&g->rig, i, f->msix.cap + 2, 2, (u64)val << 8);
        else
            through(g, i, f->msix.bar, f->msix.table + (how >> 4 & 3) * 16 + (how >> 2 & 3) * 4, 4, true,
                    how >> 2 & 3 ? val : RIG_RAM);
    }
}

static bool op(struct rig *r, unsigned op, struct input *in)
{
    struct guest *g = r->arg;
    if (op == 12) {
        begin(g);
        return true;
    }
    if (op == 8) {
        port(g, in);
        return true;
    }
    u8 how = in8(in); /* 3:0 function, 6:4 BAR or size, 7 */
    unsigned i = (how & 15) % FUNCTIONS, b = (how >> 4 & 7) % PCI_BARS, size = 1u << (how >> 4 & 3) % 3;
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
    default: return false;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    static struct guest g;
    struct input in = {data, n};
    if (!g.ready) {
        build(&g);
        g.rig.op = op;
    }
    begin(&g);
    rig_run(&g.rig, &in);
    return 0;
}
