/* The generic ECAM host bridge (PCI Express Base 4.0, 7.2.2; device tree "pci-host-ecam-generic"):
 *
 *   ECAM address: bus 27:20 | device 19:15 | function 14:12 | register 11:0
 *
 * The tree: functions on the root bus, ports among them, functions behind those.  What nothing claims reads as ones and
 * ignores writes, and leaves its mark in the status registers of who answered (pci_unsupported()).  Slot 0 of the root
 * bus is the bridge itself (1b36:0008, which guests know as the device of this kind of host). */
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/pci_internal.h"

static struct pci_host *host_of(struct device *ecam) { return container_of(ecam, struct pci_host, ecam); }

/* ---- ECAM ----------------------------------------------------------------------------------- */

static struct pci_fn *at(const struct pci_bus *b, unsigned devfn)
{
    struct pci_fn *f = b->first;
    while (f && f->devfn != devfn)
        f = f->next;
    return f;
}

/* The port of a bus that leads to bus number; a port whose numbers are not programmed leads nowhere. */
static struct pci_fn *way(const struct pci_bus *b, unsigned number)
{
    struct pci_fn *f = b->first;
    while (f && !(f->behind && f->config[PCI_SECONDARY] && f->config[PCI_SECONDARY] <= number &&
                  number <= f->config[PCI_SUBORDINATE]))
        f = f->next;
    return f;
}

/* The function of an ECAM offset, NULL: none; *port: the last port on the way, NULL: none. */
static struct pci_fn *find(struct pci_host *h, u64 off, struct pci_fn **port)
{
    unsigned number = (unsigned)(off >> 20), reached = 0;
    const struct pci_bus *b = &h->root;
    *port = NULL;
    while (reached != number) {
        struct pci_fn *p = way(b, number);
        if (!p)
            return NULL;
        *port = p;
        if (pci_bridge_closed(p))
            return NULL;
        b = p->behind;
        reached = p->config[PCI_SECONDARY];
    }
    return at(b, (unsigned)bits(off, 19, 12));
}

static enum bus_result ecam_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct pci_fn *port, *f = find(host_of(d), off, &port);
    if (bus_from_dma(t))
        return BUS_SLVERR;
    *val = f ? pci_config_read(f, t, (unsigned)bits(off, 11, 0), size) : ones(8 * size);
    if (!f && !t->debug)
        pci_unsupported(host_of(d), port);
    return BUS_OK;
}

static enum bus_result ecam_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct pci_fn *port, *f = find(host_of(d), off, &port);
    if (bus_from_dma(t))
        return BUS_SLVERR;
    if (t->debug)
        return BUS_OK;
    if (f) {
        pci_capture(f, (unsigned)(off >> 20));
        pci_config_write(f, (unsigned)bits(off, 11, 0), size, (u32)val);
    } else {
        pci_unsupported(host_of(d), port);
    }
    return BUS_OK;
}

/* ---- windows -------------------------------------------------------------------------------- */

/* Where an access goes. */
struct claim {
    struct pci_fn *fn, *port; /* port: the last one on the way, NULL: none */
    unsigned bar;
    u64 off;
};

static bool claim_behind(const struct pci_bus *b, bool io, u64 addr, struct claim *c)
{
    for (struct pci_fn *f = b->first; f; f = f->next) {
        for (c->bar = 0; c->bar < PCI_BARS; c->bar++)
            if (pci_bar_claims(f, c->bar, io, addr, &c->off)) {
                c->fn = f;
                return true;
            }
        if (f->behind && pci_bridge_claims(f, io, addr)) {
            c->port = f;
            return !pci_bridge_closed(f) && claim_behind(f->behind, io, addr, c);
        }
    }
    return false;
}

static struct claim claimant(struct pci_window *w, u64 addr)
{
    struct claim c = {.fn = w->hit, .bar = w->hit_bar};
    if (w->hit && pci_bar_claims(w->hit, w->hit_bar, w->io, addr, &c.off))
        return c;
    c.fn = NULL;
    if (claim_behind(&w->host->root, w->io, addr, &c)) {
        w->hit = c.fn;
        w->hit_bar = c.bar;
    }
    return c;
}

static enum bus_result window_read(struct device *d, const struct txn *t, u64 at, unsigned size, u64 *val)
{
    struct pci_window *w = container_of(d, struct pci_window, dev);
    if (bus_from_dma(t))
        return BUS_SLVERR;
    struct claim c = claimant(w, w->base + at);
    *val = ones(8 * size);
    if (!c.fn && !t->debug)
        pci_unsupported(w->host, c.port);
    else if (c.fn && pci_msix_inside(c.fn, c.bar, c.off))
        *val = pci_msix_read(c.fn, c.off, size);
    else if (c.fn && c.fn->ops->bar_read)
        *val = c.fn->ops->bar_read(c.fn, t, c.bar, c.off, size) & ones(8 * size);
    return BUS_OK;
}

static enum bus_result window_write(struct device *d, const struct txn *t, u64 at, unsigned size, u64 val)
{
    struct pci_window *w = container_of(d, struct pci_window, dev);
    if (bus_from_dma(t))
        return BUS_SLVERR;
    if (t->debug)
        return BUS_OK;
    struct claim c = claimant(w, w->base + at);
    if (!c.fn)
        pci_unsupported(w->host, c.port);
    else if (pci_msix_inside(c.fn, c.bar, c.off))
        pci_msix_write(c.fn, c.off, size, val);
    else if (c.fn->ops->bar_write)
        c.fn->ops->bar_write(c.fn, t, c.bar, c.off, size, val);
    return BUS_OK;
}

/* A window has no state: the BARs are in the functions' configuration. */
static void window_state(struct device *d, struct snap *s) { (void)d, (void)s; }
static void window_destroy(struct device *d) { (void)d; }

static const struct device_ops window_ops = {
    .name = "pci-window",
    .min_size = 1,
    .max_size = 8,
    .read = window_read,
    .write = window_write,
    .state = window_state,
    .destroy = window_destroy, /* part of the host */
};

/* ---- life ----------------------------------------------------------------------------------- */

static void host_reset(struct device *d)
{
    struct pci_host *h = host_of(d);
    for (struct pci_fn *f = h->root.first; f; f = f->next)
        pci_fn_reset(f); /* a port resets what is behind it */
}

static void host_state(struct device *d, struct snap *s)
{
    struct pci_host *h = host_of(d);
    snap_section(s, d->id);
    for (unsigned i = 0; i < h->count; i++)
        pci_fn_state(h->fn[i], s);
    for (unsigned i = 0; i < 4; i++)
        SNAP_BOOL(s, h, intx[i].level);
    if (s->mode == SNAP_LOAD)
        h->mmio.hit = h->mmio64.hit = h->io.hit = NULL;
}

static void host_destroy(struct device *d)
{
    struct pci_host *h = host_of(d);
    for (unsigned i = h->count; i-- > 0;)
        pci_fn_destroy(h->fn[i]);
    free(h);
}

static const struct device_ops ecam_ops = {
    .name = "pci-host-ecam",
    .min_size = 1,
    .max_size = 4,
    .read = ecam_read,
    .write = ecam_write,
    .reset = host_reset,
    .state = host_state,
    .destroy = host_destroy,
};

static const struct pci_ops bridge_ops = {.name = "host-bridge"};

static struct pci_window window(struct pci_host *h, u64 base, bool io)
{
    return (struct pci_window){
        .dev = {.ops = &window_ops, .id = h->cfg.id, .log = h->cfg.log}, .host = h, .base = base, .io = io};
}

static void put(struct pci_host *h, struct pci_bus *b, struct pci_fn *f, unsigned devfn)
{
    struct pci_fn **at = &b->first;
    while (*at && (*at)->devfn < devfn)
        at = &(*at)->next;
    f->next = *at;
    *at = f;
    f->host = h;
    f->bus = b;
    f->devfn = (u8)devfn;
    f->upstream = h->cfg.dma;
    h->fn[h->count++] = f;
    pci_capture(f, 0);
    pci_express_plugged(f);
    if (b->owner) /* its link is up now, as after every reset */
        pci_fn_reset(b->owner);
}

/* Software looks for functions 1 to 7 where function 0 says so. */
static void mark_functions(struct pci_fn *f)
{
    struct pci_fn *zero = at(f->bus, f->devfn & ~7u);
    if (f->devfn & 7 && zero) {
        zero->initial[PCI_HEADER_TYPE] |= 0x80;
        zero->config[PCI_HEADER_TYPE] |= 0x80;
    }
}

struct pci_host *pci_host_new(const struct pci_host_config *cfg)
{
    static const struct pci_ids ids = {
        .vendor = 0x1b36, .device = 0x0008, .subsys_vendor = 0x1af4, .subsys = 0x1100, .class_code = 0x060000};
    struct pci_host *h = calloc(1, sizeof *h);
    CHECK(h);
    h->cfg = *cfg;
    if (!cfg->direct.read)
        h->cfg.direct = cfg->dma;
    h->ecam = (struct device){.ops = &ecam_ops, .id = cfg->id, .log = cfg->log};
    h->mmio = window(h, cfg->mmio_base, false);
    h->mmio64 = window(h, cfg->mmio64_base, false);
    h->io = window(h, cfg->io_base, true);
    pci_init(&h->bridge, &bridge_ops, "pci-bridge", cfg->log, &ids, false);
    put(h, &h->root, &h->bridge, 0);
    return h;
}

bool pci_plug_at(struct pci_host *h, struct pci_fn *port, struct pci_fn *f, unsigned devfn)
{
    struct pci_bus *b = port ? port->behind : &h->root;
    unsigned slots = port && port->express.type != PCI_UPSTREAM ? 1 : PCI_SLOTS;
    if (!b || h->count == PCI_FUNCTIONS)
        return false;
    for (unsigned i = 0; devfn == (unsigned)PCI_ANY && i < slots; i++)
        if (!at(b, i << 3))
            devfn = i << 3;
    if (devfn >> 3 >= slots || at(b, devfn))
        return false;
    put(h, b, f, devfn);
    for (unsigned i = 0; i < h->count; i++)
        mark_functions(h->fn[i]);
    return true;
}

bool pci_plug(struct pci_host *h, struct pci_fn *f, unsigned slot)
{
    return slot < PCI_SLOTS && pci_plug_at(h, NULL, f, slot ? slot << 3 : (unsigned)PCI_ANY);
}
