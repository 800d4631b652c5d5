/* PCI configuration: ECAM accesses, BARs that move and overlap, capabilities, MSI-X tables, through all three
 * windows; three functions of different shapes, DMA that hits the windows themselves.
 *
 *   input: program (rig.h); 6 move a BAR, 7 write a BAR's window where it is now, 8 mask or enable MSI-X */
#include "devices/nvme.h"
#include "devices/virtio_net.h"
#include "devices/virtio_pci.h"
#include "devices/virtio_rng.h"
#include "machine/disk.h"
#include "rig.h"

enum { ECAM = 0x3f000000, MMIO = 0x10000000, WINDOW = 0x100000, FUNCTIONS = 3 };

struct guest {
    struct rig rig;
    struct pci_host *host;
};

static struct pci_fn *function(struct guest *g, unsigned i) { return g->host->fn[i % (FUNCTIONS + 1)]; }
static u64 config_of(unsigned i) { return (u64)(i % (FUNCTIONS + 1)) << 15; }

static u64 bar(const struct pci_fn *f, unsigned b)
{
    u32 lo, hi = 0;
    memcpy(&lo, f->config + PCI_BAR0 + 4 * b, 4);
    if (b < 5)
        memcpy(&hi, f->config + PCI_BAR0 + 4 * b + 4, 4);
    return (lo & ~15u) | (f->bar[b].kind == PCI_BAR_MEM64 ? (u64)hi << 32 : 0);
}

static bool op(struct rig *r, unsigned op, struct input *in)
{
    struct guest *g = r->arg;
    u8 how = in8(in); /* function 1:0, BAR 4:2 */
    unsigned b = (how >> 2 & 7) % PCI_BARS;
    struct pci_fn *f = function(g, how & 3);
    switch (op) {
    case 6:
        rig_write(r->dev, config_of(how & 3) + PCI_BAR0 + 4 * b, 4,
                  how & 0x80 ? in32(in) : MMIO + (u32)in8(in) * 0x1000u);
        return true;
    case 7: {
        u64 off = in16(in), size = 1u << (how >> 5 & 3), at = bar(f, b) - MMIO + (off & ~(size - 1));
        struct device *w = f->bar[b].kind == PCI_BAR_IO ? &g->host->io.dev : &g->host->mmio.dev;
        if (f->bar[b].kind == PCI_BAR_IO)
            at += MMIO;
        if (at < WINDOW)
            how & 0x80 ? (void)rig_read(w, at, (unsigned)size) : rig_write(w, at, (unsigned)size, in32(in));
        return true;
    }
    case 8:
        if (f->msix.count)
            rig_write(r->dev, config_of(how & 3) + f->msix.cap + 2, 2, (u64)in8(in) << 8);
        for (unsigned i = 0; how & 0x80 && i < f->msix.count; i++)
            pci_msix_send(f, i);
        return true;
    default: return false;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    struct input in = {data, n};
    struct guest g = {0};
    struct rig *r = &g.rig;
    rig_begin(r);
    r->arg = &g;
    r->op = op;
    struct nic *nic;
    struct blockdev *disk = disk_memory(65536);
    struct pci_host *h = g.host = pci_host_new(&(struct pci_host_config){.id = "pci",
                                                                         .log = &r->log,
                                                                         .buses = 2,
                                                                         .mmio_base = MMIO,
                                                                         .mmio64_base = 1ull << 39,
                                                                         .dma = bus_dma(r->bus, 0)});
    r->dev = &h->ecam;
    bus_map_device(r->bus, 1 << PAS_NS, ECAM, 2 << 20, r->dev);
    bus_map_device(r->bus, 1 << PAS_NS, MMIO, WINDOW, &h->mmio.dev);
    bus_seal(r->bus);
    struct virtio *v =
        virtio_net_new(&(struct virtio_net_config){.id = "nic0", .log = &r->log, .clock = &r->clock}, &nic);
    CHECK(pci_plug(h, nvme_new(&(struct nvme_config){.id = "nvme0", .log = &r->log, .clock = &r->clock, .disk = disk}),
                   0));
    CHECK(pci_plug(
        h, virtio_pci_new(&(struct virtio_pci_config){.id = "a", .log = &r->log, .device = v, .transitional = true}),
        0));
    v = virtio_rng_new("rng0", &r->log, &r->clock, 1, 0);
    CHECK(pci_plug(h, virtio_pci_new(&(struct virtio_pci_config){.id = "b", .log = &r->log, .device = v}), 0));
    for (unsigned i = 0; i <= FUNCTIONS; i++) {
        rig_range(r, r->dev, config_of(i), 0x100);
        rig_write(r->dev, config_of(i) + PCI_COMMAND, 2, 7);
    }
    rig_range(r, r->dev, 0, 2 << 20);
    rig_range(r, &h->mmio.dev, 0, WINDOW);
    rig_range(r, &h->io.dev, 0, 0x10000);
    rig_range(r, &h->mmio64.dev, 0, WINDOW);
    rig_run(r, &in);
    rig_end(r);
    disk_close(disk);
    return 0;
}
