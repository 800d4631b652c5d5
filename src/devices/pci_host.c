/* The generic ECAM host bridge (PCI Express Base 4.0, 7.2.2; device tree "pci-host-ecam-generic"):
 *
 *   ECAM address: bus 27:20 | device 19:15 | function 14:12 | register 11:0
 *
 * Only the root bus is populated.  What nothing claims reads as ones and ignores writes, as on a PCI bus
 * that ends in a master abort.  Slot 0 is the bridge itself (1b36:0008, which guests know as the
 * device of this kind of host). */
#include <stdlib.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/pci_internal.h"

static struct pci_host *host_of(struct device *ecam) { return container_of(ecam, struct pci_host, ecam); }

/* ---- ECAM ----------------------------------------------------------------------------------- */

static struct pci_fn *find(struct pci_host *h, u64 off)
{
    return off >> 20 || bits(off, 14, 12) ? NULL : h->fn[bits(off, 19, 15)];
}

static enum bus_result ecam_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct pci_fn *f = find(host_of(d), off);
    if (bus_from_dma(t))
        return BUS_SLVERR;
    *val = f ? pci_config_read(f, t, (unsigned)bits(off, 11, 0), size) : ones(8 * size);
    return BUS_OK;
}

static enum bus_result ecam_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct pci_fn *f = find(host_of(d), off);
    if (bus_from_dma(t))
        return BUS_SLVERR;
    if (f && !t->debug)
        pci_config_write(f, (unsigned)bits(off, 11, 0), size, (u32)val);
    return BUS_OK;
}

/* ---- windows -------------------------------------------------------------------------------- */

static struct pci_fn *claimant(struct pci_window *w, u64 addr, unsigned *bar, u64 *off)
{
    *bar = w->hit_bar;
    if (w->hit && pci_bar_claims(w->hit, w->hit_bar, w->io, addr, off))
        return w->hit;
    for (unsigned i = 0; i < PCI_SLOTS; i++) {
        struct pci_fn *f = w->host->fn[i];
        for (unsigned b = 0; f && b < PCI_BARS; b++)
            if (pci_bar_claims(f, b, w->io, addr, off)) {
                w->hit = f;
                w->hit_bar = *bar = b;
                return f;
            }
    }
    return NULL;
}

static enum bus_result window_read(struct device *d, const struct txn *t, u64 at, unsigned size, u64 *val)
{
    struct pci_window *w = container_of(d, struct pci_window, dev);
    unsigned bar;
    u64 off;
    if (bus_from_dma(t))
        return BUS_SLVERR;
    struct pci_fn *f = claimant(w, w->base + at, &bar, &off);
    *val = ones(8 * size);
    if (f && pci_msix_inside(f, bar, off))
        *val = pci_msix_read(f, off, size);
    else if (f && f->ops->bar_read)
        *val = f->ops->bar_read(f, t, bar, off, size) & ones(8 * size);
    return BUS_OK;
}

static enum bus_result window_write(struct device *d, const struct txn *t, u64 at, unsigned size, u64 val)
{
    struct pci_window *w = container_of(d, struct pci_window, dev);
    unsigned bar;
    u64 off;
    if (bus_from_dma(t))
        return BUS_SLVERR;
    struct pci_fn *f = t->debug ? NULL : claimant(w, w->base + at, &bar, &off);
    if (f && pci_msix_inside(f, bar, off))
        pci_msix_write(f, off, size, val);
    else if (f && f->ops->bar_write)
        f->ops->bar_write(f, t, bar, off, size, val);
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
    for (unsigned i = 0; i < PCI_SLOTS; i++)
        if (h->fn[i])
            pci_fn_reset(h->fn[i]);
}

static void host_state(struct device *d, struct snap *s)
{
    struct pci_host *h = host_of(d);
    snap_section(s, d->id);
    for (unsigned i = 0; i < PCI_SLOTS; i++)
        if (h->fn[i])
            pci_fn_state(h->fn[i], s);
    for (unsigned i = 0; i < 4; i++)
        SNAP_BOOL(s, h, intx[i].level);
}

static void host_destroy(struct device *d)
{
    struct pci_host *h = host_of(d);
    for (unsigned i = 0; i < PCI_SLOTS; i++)
        if (h->fn[i])
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

static void put(struct pci_host *h, struct pci_fn *f, unsigned slot)
{
    f->host = h;
    f->slot = slot;
    f->upstream = h->cfg.dma;
    f->upstream.txn.stream += slot << 3; /* requester ID: bus 0, device, function 0 */
    h->fn[slot] = f;
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
    put(h, &h->bridge, 0);
    return h;
}

bool pci_plug(struct pci_host *h, struct pci_fn *f, unsigned slot)
{
    for (unsigned i = 1; !slot && i < PCI_SLOTS; i++)
        if (!h->fn[i])
            slot = i;
    if (!slot || slot >= PCI_SLOTS || h->fn[slot])
        return false;
    put(h, f, slot);
    return true;
}
