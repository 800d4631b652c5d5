/* The 82574L: registers, descriptors in memory, frames from the network, time.
 *
 *   input: program (rig.h); 6 a transmit descriptor, 7 a receive descriptor, 8 a frame arrives, 9 rings and enables */
#include "devices/e1000e.h"
#include "devices/le.h"
#include "rig.h"

enum { MMIO = 0x10000000, SLOT = 1, TX = RIG_RAM, RX = RIG_RAM + 0x800, BUFFERS = RIG_RAM + 0x1000, RING = 16 };

struct guest {
    struct rig rig;
    struct pci_host *host;
    struct nic *nic;
    u32 tail;
    u64 sum;
};

static void send_frame(void *arg, const u8 *frame, size_t n)
{
    struct guest *g = arg;
    CHECK(n && n <= NET_MAX_FRAME);
    for (size_t i = 0; i < n; i++)
        g->sum += frame[i];
}

static void reg(struct guest *g, u64 off, u32 v) { rig_write(&g->host->mmio.dev, off, 4, v); }

static void rings(struct guest *g, u8 how)
{
    reg(g, 0x3800, TX);
    reg(g, 0x3808, 16 * RING);
    reg(g, 0x2800, RX);
    reg(g, 0x2808, 16 * RING);
    reg(g, 0x5008, (how & 1u) << 15);
    reg(g, 0x100, 2 | 8 | 16 | 1 << 15 | (u32)(how >> 1 & 3) << 16 | (u32)(how >> 3 & 1) << 25);
    reg(g, 0x400, 2);
    reg(g, 0x2818, how >> 4);
    reg(g, 0xd0, 0x01f00097);
}

static bool op(struct rig *r, unsigned op, struct input *in)
{
    struct guest *g = r->arg;
    u8 how = in8(in), d[16];
    switch (op) {
    case 6:
        put_le64(d, how & 1 ? in64(in) : BUFFERS + (u64)in8(in) * 64);
        put_le64(d + 8, in64(in));
        rig_store(r, TX - RIG_RAM + 16 * g->tail, d, 16);
        g->tail = (g->tail + 1) % RING;
        if (how & 2)
            reg(g, 0x3818, g->tail);
        return true;
    case 7:
        put_le64(d, BUFFERS + (u64)in8(in) * 64);
        put_le64(d + 8, 0);
        rig_store(r, RX - RIG_RAM + 16u * (how % RING), d, 16);
        reg(g, 0x2818, how >> 4);
        return true;
    case 8: {
        static u8 frame[20000];
        const u8 *p;
        size_t n = in_bytes(in, 64, &p), len = (size_t)how * 80;
        memset(frame, 0, sizeof frame);
        memcpy(frame, p, n);
        (void)g->nic->receive(g->nic, frame, len > n ? len : n);
        return true;
    }
    case 9: rings(g, how); return true;
    default: return false;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    struct input in = {data, n};
    struct guest g = {0};
    rig_begin(&g.rig);
    bus_seal(g.rig.bus);
    g.host = pci_host_new(&(struct pci_host_config){.id = "pcie",
                                                    .log = &g.rig.log,
                                                    .buses = 1,
                                                    .mmio_base = MMIO,
                                                    .mmio64_base = 0x8000000000,
                                                    .dma = bus_dma(g.rig.bus, 0)});
    struct pci_fn *f = e1000e_new(
        &(struct e1000e_config){
            .id = "nic", .log = &g.rig.log, .clock = &g.rig.clock, .net = {.send = send_frame, .arg = &g}, .mac = {2}},
        &g.nic);
    CHECK(pci_plug(g.host, f, SLOT));
    g.rig.dev = &g.host->ecam;
    g.rig.op = op;
    g.rig.arg = &g;
    rig_write(g.rig.dev, (SLOT << 15) + PCI_BAR0, 4, MMIO);
    rig_write(g.rig.dev, (SLOT << 15) + PCI_BAR0 + 12, 4, MMIO + 0x40000);
    rig_write(g.rig.dev, (SLOT << 15) + PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_IO | PCI_CMD_MASTER);
    rig_range(&g.rig, &g.host->mmio.dev, 0, 0x100);
    rig_range(&g.rig, &g.host->mmio.dev, 0, 0x20000);
    rig_range(&g.rig, &g.host->mmio.dev, 0x40000, 0x100);
    rig_range(&g.rig, &g.host->mmio.dev, 0x3800, 0x20);
    rig_range(&g.rig, &g.host->mmio.dev, 0x2800, 0x20);
    rings(&g, 0xf0);
    rig_run(&g.rig, &in);
    rig_end(&g.rig);
    return 0;
}
