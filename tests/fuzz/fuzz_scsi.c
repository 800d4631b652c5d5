/* A SCSI host with three units, behind virtio-mmio: commands nearly right, task management, and what a driver may do
 * with its queues.
 *
 *   input: - | features | program (virtio.h); 8 a command   9 task management   13 a parameter list, then a command */
#include "devices/virtio_scsi.h"
#include "machine/disk.h"
#include "virtio.h"

enum { DISK = 64 * 512, CDB = 19, HEADER = 51, RESPONSE = 108 };

/* An address of a unit, mostly of one there is. */
static void address(u8 *m, u8 what)
{
    m[0] = what < 0xf0;
    m[1] = what >> 6 & 1;
    m[2] = (u8)(what & 32 ? 0x40u : what & 0x80u);
    m[3] = what & 3;
}

static void command(struct guest *g, struct input *in, bool list)
{
    static const u8 codes[] = {0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x1a, 0x1b, 0x25, 0x28, 0x2a,
                               0x2f, 0x35, 0x41, 0x42, 0x55, 0x5a, 0x88, 0x8a, 0x8f, 0x91, 0x93,
                               0x9e, 0xa0, 0xa8, 0xaa, 0x12, 0x1a, 0x42, 0x15, 0x55, 0x93};
    static const u8 pages[] = {0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2, 0x08, 0x0a,
                               0x3f, 0x48, 0x4a, 0x7f, 0xff, 0x88, 0x01, 0x02};
    u8 how = in8(in), unit = in8(in), name = in8(in), page = in8(in), m[128] = {0};
    u32 len = (u32)(how >> 4) * 512u;
    const u8 *p;
    size_t n = in_bytes(in, 15, &p);
    address(m, unit);
    m[8] = unit >> 2 & 7;
    memcpy(m + CDB + 1, p, n);
    m[CDB] = name & 0x80 ? name & 0x7f : codes[name & 31];
    if (page & 0x80)
        m[CDB + 2] = pages[page & 15];
    if (page & 0x40) { /* small blocks, counts and lengths */
        memset(m + CDB + 2, 0, 14);
        u8 lba = n > 1 ? p[1] & 127 : 0, count = n > 2 ? p[2] & 15 : 0;
        switch (m[CDB] >> 5) {
        case 0:
            m[CDB + 3] = lba;
            m[CDB + 4] = (u8)(count << (page & 0x20 ? 3 : 0));
            break;
        case 4: m[CDB + 9] = lba, m[CDB + 13] = count; break;
        case 5: m[CDB + 5] = lba, m[CDB + 9] = count; break;
        default: m[CDB + 5] = lba, m[CDB + 8] = (u8)(count << (page & 0x20 ? 3 : 0)); break;
        }
    }
    if (list) { /* of MODE SELECT or UNMAP */
        u8 l[64] = {0}, at = how & 0x10 ? 8 : 4, kind = in8(in);
        if (kind & 1) {
            u8 b[12];
            for (unsigned i = 0; i < sizeof b; i++)
                b[i] = in8(in);
            put_be16(l, (u16)(kind & 2 ? b[0] : 38));
            put_be16(l + 2, (u16)(kind & 4 ? b[1] : 32));
            l[15] = b[2], l[19] = b[3], l[31] = b[4], l[35] = b[5];
            l[8] = b[6] & (kind >> 3), l[24] = b[7] & (kind >> 3);
        } else {
            at += kind & 0x10 ? 8 : 0;
            l[kind & 0x20 ? 7 : 3] = kind & 0x10 ? 8 : 0;
            u8 which = kind & 2 ? 0x0a : 0x08;
            l[at] = kind & 0x40 ? in8(in) : which;
            l[at + 1] = kind & 0x80 ? in8(in) : which == 8 ? 18 : 10;
            l[at + 2] = which == 8 ? kind & 4 : 0;
            l[at + 3] = which == 8 ? 0 : 0x10;
            l[at + (in8(in) & 31)] ^= kind & 8 ? in8(in) : 0;
        }
        rig_store(&g->rig, DATA + 0x400, l, sizeof l);
        len = how & 0x80 ? 512 : (u8[]){24, 40, 32, 12, 8, 28, 4, 16}[how >> 4 & 7];
        m[CDB + 1] = m[CDB] == 0x42 ? 0 : how & 8 ? 0x10 : m[CDB + 1];
        if (m[CDB] == 0x15)
            m[CDB + 4] = (u8)len;
        else
            put_be16(m + CDB + 7, (u16)len);
    }
    rig_store(&g->rig, DATA, m, sizeof m);
    bool out = list || how & 4;
    u32 head = unit == 0x77 ? in8(in) : HEADER, tail = unit == 0x7b ? in8(in) : RESPONSE;
    descriptor(g, 2, 0, RIG_RAM + DATA, head, 1, 1);
    descriptor(g, 2, 1, RIG_RAM + DATA + (out ? 0x400 : 0x2000), out ? len : tail, out ? 1 : 3, 2);
    descriptor(g, 2, 2, RIG_RAM + DATA + 0x4000, out ? tail : len, 2, 0);
    offer(g, 2, 0);
    if (!(how & 2))
        rig_pass(&g->rig, 300000);
    else if (how & 1)
        rig_pass(&g->rig, 5000);
}

static void manage(struct guest *g, struct input *in)
{
    u8 how = in8(in), unit = in8(in), type = in8(in), m[24] = {0};
    m[0] = type & 0xc0 ? type >> 6 : 0;
    m[4] = type & 15;
    address(m + 8, unit);
    m[16] = unit >> 2 & 7;
    rig_store(&g->rig, DATA + 0x200, m, sizeof m);
    descriptor(g, 0, 0, RIG_RAM + DATA + 0x200, how & 0x20 ? in8(in) & 31 : 24, 1, 1);
    descriptor(g, 0, 1, RIG_RAM + DATA + 0x300, 5, 2, 0);
    offer(g, 0, 0);
    rig_pass(&g->rig, how & 1 ? 3000 : 0);
}

static bool op(struct rig *r, unsigned op, struct input *in)
{
    struct guest *g = r->arg;
    switch (op) {
    case 8: command(g, in, false); return true;
    case 9: manage(g, in); return true;
    case 13: command(g, in, true); return true;
    case 15: return true;
    default: return virtio_op(g, op, in);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    struct input in = {data, n};
    struct guest g = {.queues = 4, .transport = MMIO};
    u8 what = in8(&in), features = in8(&in);
    virtio_begin(&g, op);
    struct rig *r = &g.rig;
    struct blockdev *disk = disk_memory(DISK), *second = disk_memory(DISK);
    second->readonly = true;
    const struct virtio_scsi_lun luns[] = {{0, 0, disk, "serial"}, {0, 1, second, NULL}, {1, 2, disk, ""}};
    g.v = virtio_scsi_new(&(struct virtio_scsi_config){
        .id = "scsi0", .log = &r->log, .clock = &r->clock, .luns = luns, .count = ARRAY_LEN(luns)});
    plug(&g);
    g.features = (features & 1u) << 28 | (features >> 1 & 1u) << 29 | (features >> 2 & 7u);
    if (!(what & 128))
        set_up(&g, g.features, 0);
    rig_run(r, &in);
    rig_end(r);
    disk_close(disk);
    disk_close(second);
    return 0;
}
