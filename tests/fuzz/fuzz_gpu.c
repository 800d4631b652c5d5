/* A virtio GPU behind virtio-mmio: commands nearly right, and the host that looks at the screen.
 *
 *   input: - | features | program (virtio.h); 8 the host looks   9 a command   13 all that shows a picture */
#include "devices/virtio_gpu.h"
#include "virtio.h"

enum { HEADER = 24 };

static void send(struct guest *g, unsigned q, const u8 *m, u32 size, u32 reply, bool later)
{
    rig_store(&g->rig, DATA, m, 128);
    descriptor(g, q, 0, RIG_RAM + DATA, size, 1, 1);
    descriptor(g, q, 1, RIG_RAM + DATA + 0x2000, reply, 2, 0);
    offer(g, q, 0);
    if (!later)
        rig_pass(&g->rig, 100000);
}

/* Numbers that are right or nearly so: of resources, sizes, places. */
static u32 small(u8 b)
{
    static const u32 sizes[] = {0, 1, 2, 63, 64, 65, 8, 16, 4096, 16384, 16385, 0x80000000, ~0u, 128, 32, 48};
    return b & 0x80 ? sizes[b & 15] : b & 0x40 ? b & 63u : b & 3u;
}

static void command(struct guest *g, struct input *in)
{
    static const u16 types[] = {0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106, 0x107,
                                0x10a, 0x300, 0x301, 0x101, 0x103, 0x105, 0x106, 0x300};
    static const u8 formats[] = {1, 2, 3, 4, 67, 68, 121, 134, 0, 5};
    u8 how = in8(in), name = in8(in), m[128] = {0};
    u16 type = name & 0x80 ? in16(in) : types[name & 15];
    bool cursor = (type >= 0x300) ^ (how >> 3 & 1);
    put_le32(m, type);
    m[4] = name >> 4 & 1;
    for (unsigned i = 0; i < 8; i++)
        put_le32(m + HEADER + 4 * i, small(in8(in)));
    switch (type) {
    case 0x101: put_le32(m + HEADER + 4, formats[m[HEADER + 4] % sizeof formats]); break;
    case 0x105: /* offset, high half mostly 0 */
        if (!(how & 2))
            put_le32(m + HEADER + 20, 0);
        break;
    case 0x106: /* one to four entries, of memory that is there unless the input says no */
        for (unsigned i = 0; i < 4; i++) {
            u8 e = in8(in);
            put_le64(m + HEADER + 8 + 16 * i, e & 0x80 ? 1ull << (40 + (e & 15)) : RIG_RAM + DATA + 0x100ull * e);
            put_le32(m + HEADER + 16 + 16 * i, e & 0x40 ? e & 7 : 0x4000);
        }
        if (!(how & 2))
            put_le32(m + HEADER + 4, 1 + (how >> 4 & 3));
        break;
    }
    send(g, cursor, m, how & 4 ? in8(in) : 128, how & 1 ? in8(in) : 1200, how & 0x80);
}

static void picture(struct guest *g, struct input *in)
{
    u8 how = in8(in), id = 1 + (how & 1), format = in8(in), m[128] = {0}, w = 1 + (in8(in) & 127),
       h = 1 + (in8(in) & 127);
    static const u8 formats[] = {1, 2, 3, 4, 67, 68, 121, 134};
    const u32 words[5][9] = {
        {0x101, id, formats[format & 7], w, h},
        {0x106, id, 1, RIG_RAM + DATA, 0, 0x8000, 0},
        {0x105, 0, 0, w, h, 0, 0, id},
        {0x103, 0, 0, w, h, 0, id},
        {how & 8 ? 0x300u : 0x104u, 0, how & 8 ? in8(in) : 0, how & 8 ? in8(in) : w, h, id, in8(in) & 3}};
    for (unsigned i = 0; i < 5; i++) {
        memset(m, 0, sizeof m);
        put_le32(m, words[i][0]);
        for (unsigned k = 1; k < 9; k++)
            put_le32(m + HEADER + 4 * (k - 1), words[i][k]);
        if (words[i][0] == 0x104) {
            put_le32(m + HEADER, 0);
            put_le32(m + HEADER + 4, 0);
            put_le32(m + HEADER + 8, w);
            put_le32(m + HEADER + 12, h);
        }
        send(g, words[i][0] == 0x300, m, 128, 64, false);
    }
}

static void look(struct guest *g)
{
    u32 w, h;
    u8 rgb[3 * 16384];
    (void)virtio_gpu_generation(g->v);
    if (virtio_gpu_size(g->v, &w, &h) && w <= 16384)
        for (u32 y = 0; y <= h && y < 100; y++)
            virtio_gpu_row(g->v, y, rgb);
}

static bool op(struct rig *r, unsigned op, struct input *in)
{
    struct guest *g = r->arg;
    switch (op) {
    case 8: look(g); return true;
    case 9: command(g, in); return true;
    case 13: picture(g, in); return true;
    case 15: return true;
    default: return virtio_op(g, op, in);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    struct input in = {data, n};
    struct guest g = {.queues = 2, .transport = MMIO};
    u8 what = in8(&in), features = in8(&in);
    virtio_begin(&g, op);
    struct rig *r = &g.rig;
    g.v = virtio_gpu_new(&(struct virtio_gpu_config){
        .id = "gpu0", .log = &r->log, .clock = &r->clock, .width = 64, .height = 48, .memory = 1 << 17});
    plug(&g);
    g.features = (features & 1u) << 28 | (features >> 1 & 1u) << 29 | (features >> 2 & 1u) << 1;
    if (!(what & 128))
        set_up(&g, g.features, 0);
    rig_run(r, &in);
    rig_end(r);
    return 0;
}
