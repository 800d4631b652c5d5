/* An NVMe controller: registers, queues, commands, PRP lists.
 *
 *   input: set-up | program (rig.h); 6 an admin command, 7 an I/O command: opcode and the dwords that matter,
 *   8 a raw submission entry, 9 the guest takes completions */
#include "devices/le.h"
#include "devices/nvme.h"
#include "machine/disk.h"
#include "rig.h"

enum { BAR = 0x10000, ENTRIES = 8, ASQ = 0, ACQ = 0x1000, SQ = 0x2000, CQ = 0x3000, DATA = 0x4000, LIST = 0xf000 };
enum { DISK = 512 * 512 };

struct guest {
    struct rig rig;
    struct pci_host *host;
    unsigned tail[2], head[2];
};

static void reg(struct guest *g, u64 off, u32 val) { rig_write(&g->host->mmio.dev, BAR + off, 4, val); }

static void submit(struct guest *g, unsigned q, const u8 *sqe)
{
    rig_store(&g->rig, (q ? SQ : ASQ) + 64 * g->tail[q], sqe, 64);
    g->tail[q] = (g->tail[q] + 1) % ENTRIES;
    reg(g, 0x1000 + 8 * q, g->tail[q]);
    rig_pass(&g->rig, 100000);
}

static void take(struct guest *g, unsigned q)
{
    g->head[q] = (g->head[q] + 1) % ENTRIES;
    reg(g, 0x1004 + 8 * q, g->head[q]);
}

static void command(struct guest *g, unsigned q, struct input *in)
{
    u8 e[64] = {0}, how = in8(in);
    e[0] = in8(in);
    put_le32(e + 4, how & 1 ? in32(in) : 1);
    put_le64(e + 24, how & 2 ? in64(in) : RIG_RAM + DATA + (u64)(how >> 4) * 0x400);
    put_le64(e + 32, how & 4 ? in64(in) : RIG_RAM + LIST);
    put_le32(e + 40, how & 8 ? in32(in) : in16(in));
    put_le32(e + 44, how & 8 ? in32(in) : 0);
    put_le32(e + 48, in16(in));
    submit(g, q, e);
}

static bool op(struct rig *r, unsigned op, struct input *in)
{
    struct guest *g = r->arg;
    u8 e[64] = {0};
    const u8 *p;
    switch (op) {
    case 6: command(g, 0, in); return true;
    case 7: command(g, 1, in); return true;
    case 8: {
        unsigned q = in8(in) & 1;
        size_t n = in_bytes(in, sizeof e, &p);
        memcpy(e, p, n);
        submit(g, q, e);
        return true;
    }
    case 9: take(g, in8(in) & 1); return true;
    default: return false;
    }
}

static void set_up(struct guest *g)
{
    u8 e[64] = {0}, list[8 * 32];
    for (unsigned i = 0; i < 32; i++)
        put_le64(list + 8 * i, RIG_RAM + DATA + (u64)(i % 8) * 0x1000);
    rig_store(&g->rig, LIST, list, sizeof list);
    reg(g, 0x24, (ENTRIES - 1) << 16 | (ENTRIES - 1));
    reg(g, 0x28, RIG_RAM + ASQ);
    reg(g, 0x30, RIG_RAM + ACQ);
    reg(g, 0x14, 0x460001);
    e[0] = 5; /* create I/O completion queue 1, then submission queue 1 */
    put_le64(e + 24, RIG_RAM + CQ);
    put_le32(e + 40, (ENTRIES - 1) << 16 | 1);
    put_le32(e + 44, 3);
    submit(g, 0, e);
    take(g, 0);
    e[0] = 1;
    put_le64(e + 24, RIG_RAM + SQ);
    put_le32(e + 44, 1 << 16 | 1);
    submit(g, 0, e);
    take(g, 0);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    struct input in = {data, n};
    struct guest g = {0};
    struct rig *r = &g.rig;
    u8 how = in8(&in);
    rig_begin(r);
    r->arg = &g;
    r->op = op;
    struct blockdev *disk = disk_memory(DISK);
    disk->readonly = how & 2;
    struct pci_host *h = g.host = pci_host_new(&(struct pci_host_config){
        .id = "pci", .log = &r->log, .buses = 1, .mmio64_base = 1ull << 39, .dma = bus_dma(r->bus, 0)});
    bus_seal(r->bus);
    CHECK(pci_plug(h, nvme_new(&(struct nvme_config){.id = "nvme0", .log = &r->log, .clock = &r->clock, .disk = disk}),
                   1));
    r->dev = &h->ecam;
    rig_write(r->dev, 0x8010, 4, BAR);
    rig_write(r->dev, 0x8014, 4, 0);
    rig_write(r->dev, 0x8004, 2, 6);
    rig_range(r, &h->mmio.dev, BAR, 0x38);
    rig_range(r, &h->mmio.dev, BAR + 0x1000, 0x90);
    rig_range(r, &h->mmio.dev, BAR + 0x2000, 0x100);
    rig_range(r, r->dev, 0x8000, 0x100);
    if (!(how & 1))
        set_up(&g);
    rig_run(r, &in);
    rig_end(r);
    disk_close(disk);
    return 0;
}
