/* The SMMU: registers of both interfaces, all queues, stream table, context descriptors and translation tables as the
 * input spells them, and through all that DMA of any stream, transactions that stall, ATS, page requests and
 * broadcasts; the DMA engine.
 *
 *   input: oas and stages | records of 16 bytes (rig.h, records.h):
 *     0 write a register, 1 read one, by name   2 what people see   3 a transaction past it
 *     6 a legal stream table entry and descriptor
 *     7 words of one of them   8 a command   9 DMA   10 a table descriptor   11 enables   12 a transaction
 *     13 ATS and page requests   14 a broadcast   15 the engine
 *
 * Memory is the same in both spaces. The tables are so few that most walks stay in them: the first entry of each leads
 * to the last one, whose first leads to itself.  SMMUs are built once for each configuration and reset. */
#include <stdio.h>

#include "mmu/tlb.h"
#include "rig.h"
#include "smmu/dma_engine.h"
#include "smmu/smmu.h"

enum { FUZZ_RECORD = 16, FUZZ_HEAD = 1 };
#include "records.h"

enum { STRTAB = RIG_RAM, CMDQ = RIG_RAM + 0x1000, EVTQ = RIG_RAM + 0x2000, CDS = RIG_RAM + 0x3000 };
enum { TABLES = RIG_RAM + 0x10000, PRIQ = RIG_RAM + 0x2800, QUEUE_LOG2 = 3, CD_L1 = CDS + 0x800 };
enum { USED = 0x14000 }; /* of memory */

struct guest {
    struct rig rig;
    struct smmu *s;
    struct device *engine;
    unsigned oas;
    u32 prod[2];
    u32 stream;       /* of the last transaction */
    bool seen, saved; /* once an input */
};

static void store64(struct rig *r, u64 at, u64 v) { rig_store(r, at - RIG_RAM, &v, 8); }

static void access(struct device *d, bool secure, u64 off, unsigned size, u64 val)
{
    const struct txn t = {.space = secure ? PAS_S : PAS_NS, .privileged = true};
    const u64 v[2] = {val};
    (void)bus_dev_write(d, &t, off, size, v);
}

static u64 fetch(struct device *d, bool secure, u64 off, unsigned size)
{
    const struct txn t = {.space = secure ? PAS_S : PAS_NS, .privileged = true};
    u64 v[2] = {0};
    (void)bus_dev_read(d, &t, off, size, v);
    return v[0];
}

/* A StreamID: mostly of those with structures, and few. */
static u32 stream(u8 how) { return (const u8[]){0, 0, 0, 0, 1, 1, 2, 9}[how & 7]; }

/* ---- registers ------------------------------------------------------------------------------------ */

static void registers(struct guest *g, bool write, struct input *in)
{
    static const u32 regs[] = {0x20, 0x28, 0x2c,    0x44,    0x50, 0x60,    0x64,    0x68, 0x70, 0x74, 0x80,
                               0x88, 0x90, 0x98,    0x9c,    0xa0, 0x100a8, 0x100ac, 0xb0, 0xb8, 0xbc, 0xc0,
                               0xd0, 0xd8, 0x100c8, 0x100cc, 0x3c, 0x00,    0x04,    0x0c, 0x14, 0x18, 0x1c,
                               0x24, 0x40, 0x48,    0x54,    0x10, 0xa8,    0xac,    0xdc};
    u8 how = in8(in), name = in8(in), value = in8(in);
    u64 off = name & 0x80 ? in16(in) : regs[name % ARRAY_LEN(regs)], wide = (off & 0x70) > 0x60 && !(off & 7);
    unsigned size = wide && !(how & 1) ? 8 : 4;
    bool secure = how & 2, s_regs = how & 4;
    if (s_regs && !(name & 0x80)) /* page 1 has both */
        off += 0x8000;
    off &= ~(u64)(size - 1);
    if (!write) {
        (void)fetch(g->rig.dev, secure, off, size);
        return;
    }
    u64 old = fetch(g->rig.dev, secure, off, size), v = in64(in);
    switch (value & 7) {
    case 0: v &= 0xff; break;
    case 1: v &= 0xffff; break;
    case 2: v = RIG_RAM + ((v & 0xff) << 8) + (value >> 3); break;
    case 3: v = old ^ 1ull << (v & 31); break;
    case 4: v = ~0ull; break;
    case 5: v = old + (v & 15) - 8; break;
    case 6: v = fetch(g->rig.dev, secure, 0x60 + (s_regs ? 0x8000 : 0), 4); break; /* acknowledges errors */
    }
    access(g->rig.dev, secure, off, size, v);
}

static void enable(struct guest *g, struct input *in)
{
    u8 how = in8(in), cr2 = in8(in), more = in8(in), queues = in8(in);
    struct device *d = g->rig.dev;
    for (unsigned w = 0; w < 2; w++) {
        const u64 base = w ? 0x8000 : 0, page1 = w ? 0x8000 : 0x10000, msi = more & 8 ? RIG_RAM + 0x2f00 : 0;
        const struct {
            u64 off;
            unsigned size;
            u64 val;
        } rows[] = {{base + 0x20, 4, 0},
                    {base + 0x50, 4, 0},
                    {base + 0x64, 4, fetch(d, w, base + 0x60, 4)},
                    {base + 0x80, 8, STRTAB},
                    {base + 0x88, 4, how & 0x80 ? 10u | 6 << 6 | 1 << 16 : 3},
                    {base + 0x90, 8, CMDQ + 0x400 * w + QUEUE_LOG2},
                    {base + 0xa0, 8, (more & 0x80 ? 1ull << 46 : EVTQ + 0x400 * w) + (queues & 3)},
                    {base + 0x2c, 4, cr2},
                    {base + 0x68, 8, queues & 16 ? 1ull << 46 : msi},
                    {base + 0xb0, 8, more & 16 ? 1ull << 46 : msi},
                    {base + 0x9c, 4, 0},
                    {base + 0x98, 4, 0},
                    {page1 + 0xa8, 4, 0},
                    {page1 + 0xac, 4, 0},
                    {base + 0x50, 4, more & 7}};
        if (!w) {
            access(d, 0, 0x20, 4, 0);
            access(d, 0, 0xc0, 8, PRIQ + (queues >> 2 & 3));
            access(d, 0, 0xd0, 8, more & 32 ? 1ull << 46 : msi);
            access(d, 0, 0xdc, 4, more & 64 ? 0x80000000u : 0);
            access(d, 0, 0x100c8, 4, 0);
            access(d, 0, 0x100cc, 4, 0);
        }
        for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
            access(d, w, rows[i].off, rows[i].size, rows[i].val);
        access(d, w, base + 0x20, 4,
               (13 | (how & 1u) << 1 | (how & 6u) << 3 | (how & 8u) << 6) ^ (queues & 0x80 ? how >> 4 & 7 : 0));
        g->prod[w] = 0;
    }
}

/* ---- structures in memory --------------------------------------------------------------------------- */

/* Table addresses lead to tables mostly. */
static u64 descriptor(struct input *in)
{
    u8 how = in8(in), attrs = in8(in), high = in8(in);
    u64 to =
        how & 8 ? 1ull << (16 + (how >> 4) * 2) : TABLES + (u64)(how >> 4 & 3) * 0x1000 + (how & 0xc0 ? 0 : 0x3000);
    return to | (u64)attrs << 2 | (u64) !(how & 4) << 10 | (u64)(high & 15) << 51 | (u64)(high >> 4) << 59 | (how & 3);
}

/* All tables lead on by their first entry; the others are pages or blocks. */
static void tables(struct rig *r, u8 attrs)
{
    for (unsigned t = 0; t < 4; t++)
        for (unsigned i = 0; i < 8; i++)
            store64(r, TABLES + 0x1000 * t + 8 * i,
                    i == 0 ? (TABLES + 0x3000) | 3
                           : RIG_RAM | (i & 1) << 12 | (i & 2 ? 1 : 3) | 1 << 10 | (u64)(attrs & 15) << 51 |
                                 ((attrs >> 4 ^ i) & 7) << 5 | (i & 4) << 4 | 0x3c);
}

static void structures(struct guest *g, struct input *in)
{
    struct rig *r = &g->rig;
    u8 how = in8(in), tg = in8(in), more = in8(in), shape = in8(in), bits = in8(in), sizes = in8(in), odd = in8(in);
    static const u8 t0sz[] = {16, 24, 25, 32, 12, 39, 47, 48};
    u64 config = how & 8 && !(how & 3) ? 0 : 4 | (how & 3), eats = how >> 2 & 3, stalls = how >> 4 & 1;
    u64 strw = how >> 5 & 3, stalld = how >> 7, s2t = g->oas < 40 ? 64 - g->oas : 24, fmt = more >> 2 & 3;
    u64 txsz = t0sz[sizes & 7];
    u64 shape2 = (s2t ^ (sizes >> 3 & 1)) | (u64)(tg & 3) << 14 | (1ull ^ (sizes >> 4 & 3)) << 6;
    u64 ste[8] = {1u | config << 1 | (fmt == 1 || fmt == 2 ? CD_L1 : CDS) | (u64)(more & 3) << 59 | fmt << 4,
                  (more >> 4 & 3) | eats << 28 | strw << 30 | stalld << 27 | (u64)(shape & 3) << 48 |
                      (u64)(shape >> 2 & 3) << 50 | (u64)(shape >> 4 & 3) << 46 | (u64)(bits & 3) << 44,
                  (u64)(more >> 6) | shape2 << 32 | 5ull << 48 | 1ull << 51 | (u64)(bits >> 2 & 1) << 52 |
                      (u64)(bits >> 3 & 3) << 55 | (u64)(shape >> 6 & 1) << 58 | stalls << 57 | (u64)(odd & 1) << 54,
                  (TABLES + 0x2000) | (u64)(bits >> 5) | (u64)(odd >> 1 & 1) << 3,
                  shape2 << 32,
                  0,
                  (TABLES + 0x2000) | (u64)(bits >> 5) | (u64)(odd >> 1 & 1) << 3};
    u64 cd[8] = {txsz | (u64)(tg >> 2 & 3) << 6 | txsz << 16 | (u64)(1 ^ (tg >> 4 & 3) ^ 3) << 22 | 1u << 31 |
                     5ull << 32 | 1ull << 41 | 1ull << 46 | (u64)(tg >> 6) << 42 | stalls << 44 |
                     (u64)(odd >> 2 & 1) << 14 | (u64)(odd >> 3 & 1) << 30 | (u64)(odd >> 4 & 3) << 38 |
                     (u64)(odd >> 6 & 1) << 45 | (u64)(odd >> 7) << 47 | (u64)(in8(in) & 3) << 35 |
                     (u64)(more >> 6) << 48,
                 TABLES | (u64)(bits & 7) | (u64)(sizes >> 6 & 1) << 59,
                 (TABLES + 0x1000) | (u64)(bits & 7) | (u64)(sizes >> 7) << 58, 0xff44};
    for (unsigned i = 0; i < 8; i++) {
        store64(r, STRTAB + 64u * (in->n ? stream(*in->p) : 0) + 8 * i, ste[i]);
        store64(r, CDS + 64u * (more >> 6) + 8 * i, cd[i]);
    }
    store64(r, CD_L1, CDS | (fmt != 3));
    (void)in8(in);
    u8 attrs = in8(in);
    if (!(attrs & 0x80))
        tables(r, attrs);
}

static void words(struct rig *r, struct input *in)
{
    u8 where = in8(in), how = in8(in);
    u64 v = in64(in);
    if (how & 1) { /* the first level of the stream table */
        store64(r, STRTAB + 8u * (where & 3u), (how & 2 ? STRTAB + 0x200u : STRTAB) | (how >> 2 & 31u));
        return;
    }
    u64 at = (where & 0x80 ? CDS : STRTAB) + 8u * (where & 63), old;
    (void)bus_read(r->bus, &rig_txn, at, &old, 8);
    store64(r, at, how & 2 ? v : old ^ 1ull << (how >> 2 & 63)); /* mostly one bit of a legal one */
}

/* ---- commands --------------------------------------------------------------------------------------- */

static void command(struct guest *g, struct input *in)
{
    static const u8 codes[] = {0x03, 0x04, 0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x18, 0x1a, 0x20,
                               0x21, 0x22, 0x23, 0x28, 0x2a, 0x30, 0x40, 0x41, 0x44, 0x45, 0x46,
                               0x50, 0x51, 0x52, 0x53, 0x58, 0x5a, 0x60, 0x01, 0x02, 0};
    u8 name = in8(in), how = in8(in), flags = in8(in), range = in8(in), sid = in8(in), asid = in8(in), low = in8(in);
    bool w = how & 1;
    u64 base = CMDQ + 0x400ull * w, at = base + 16 * (g->prod[w] & 7);
    u64 c0 = (name & 0x80 ? name & 0x7f : codes[name & 31]) | (u64)flags << 8 | (u64)(range & 3) << 16 |
             (u64)(range >> 2) << 20 | (u64)stream(sid) << 32 | (u64)(sid >> 3 & 3) << 12 | (u64)(asid & 3) << 48;
    u64 addr = how & 2 ? in64(in) : (u64)in16(in) << 12;
    u64 c1 = how & 4 ? (u64)low : (addr & ~0xfffull) | (u64)low << 8 | (how >> 3 & 31);
    if ((c0 & 0xfe) == 0x44 && !(asid & 4)) { /* what may have stalled */
        c0 = (c0 & 0xffffffff) | (u64)g->stream << 32;
        c1 = low & 3;
    }
    if ((c0 & 0xff) == 0x46)
        c1 = how & 8 ? 0 : how & 16 ? 1ull << 45 : RIG_RAM + 0x2f10;
    store64(&g->rig, at, c0);
    store64(&g->rig, at + 8, c1);
    g->prod[w] = (g->prod[w] + 1) & 15;
    access(g->rig.dev, w, w ? 0x8098 : 0x98, 4, g->prod[w]);
}

/* ---- transactions ------------------------------------------------------------------------------------ */

/* Mostly near the first pages of a level's entries. */
static u64 address(struct input *in)
{
    static const u8 level[] = {12, 14, 16, 21, 25, 29, 30, 36, 39, 42, 47, 48, 12, 12, 12, 12};
    u8 how = in8(in);
    u16 v = in16(in);
    u64 a = (u64)(v & 7) << level[how & 15] | (u64)(v >> 3 & 7) << 12 | (u64)(v >> 6) << 2;
    return how & 0x40 ? in64(in) : how & 0x80 ? a | 0xffffull << 48 : how & 0x20 ? a | 0xa5ull << 56 : a;
}

static void transaction(struct guest *g, struct input *in)
{
    u8 how = in8(in), more = in8(in), size = in8(in);
    struct smmu_access a = {.addr = address(in),
                            .sid = stream(how),
                            .ssid = how >> 3 & 3,
                            .ssv = how >> 7,
                            .op = more & 3,
                            .size = more & 2 ? (size & 1 ? 4 : 8) : 1 + (size & 63),
                            .secure = more >> 2 & 1,
                            .translated = more >> 3 & 1,
                            .can_stall = more >> 4 & 1,
                            .priv = more >> 5 & 1,
                            .inst = more >> 6 & 1};
    if ((a.addr & 0xfff) + a.size > 0x1000)
        a.addr &= ~0xfffull;
    g->stream = a.sid;
    (void)smmu_access(g->s, &a);
}

/* Without the SMMU's translation: what GBPA says. */
static void bypass(struct guest *g, struct input *in)
{
    u8 how = in8(in), value = in8(in);
    bool w = how & 1;
    u64 base = w ? 0x8000 : 0, cr0 = fetch(g->rig.dev, w, base + 0x20, 4);
    access(g->rig.dev, w, base + 0x20, 4, (cr0 & ~1ull) | (u64)(how >> 1 & 1) << 5);
    access(g->rig.dev, w, base + 0x44, 4,
           1u << 31 | (u64)(how >> 2 & 7) << 16 | (u64)(value & 15) << 14 | (u64)(value >> 4 == 15) << 20);
    transaction(g, in);
    access(g->rig.dev, w, base + 0x20, 4, cr0);
}

static void requests(struct guest *g, struct input *in)
{
    u8 how = in8(in), more = in8(in);
    u64 addr = address(in);
    if (more & 1) {
        const struct smmu_page_request p = {.addr = addr,
                                            .sid = stream(how),
                                            .ssid = how >> 3 & 3,
                                            .ssv = how >> 7,
                                            .group = more,
                                            .last = more & 2,
                                            .r = more & 4,
                                            .w = more & 8,
                                            .secure = more & 16};
        smmu_page_request(g->s, &p);
        return;
    }
    const struct smmu_ats_request q = {.addr = addr,
                                       .sid = stream(how),
                                       .ssid = how >> 3 & 3,
                                       .ssv = how >> 7,
                                       .no_write = more & 2,
                                       .priv = more & 4,
                                       .exe = more & 8,
                                       .secure = more & 16};
    const struct smmu_ats_reply a = smmu_ats_translate(g->s, &q);
    CHECK(a.status == SMMU_ATS_SUCCESS || (!a.r && !a.w && !a.exe));
}

static void cast(struct guest *g, struct input *in)
{
    u8 how = in8(in), more = in8(in);
    const struct tlb_inv inv = {.form = (enum tlb_form)(how & 3),
                                .scope = {.kind = how >> 2 & 3,
                                          .pas = how & 16 ? PAS_S : PAS_NS,
                                          .any_vmid = how & 32,
                                          .stage2_only = how & 64,
                                          .vmid = more & 3},
                                .both_stages = how >> 7,
                                .any_asid = more & 4,
                                .asid = more >> 3 & 3,
                                .va = address(in),
                                .size = 4096ull << (more >> 5)};
    smmu_broadcast(g->s, &inv);
}

static void dma(struct guest *g, struct input *in)
{
    u8 how = in8(in), buf[256] = {0};
    struct dma d = smmu_dma(g->s, stream(how));
    d.txn.substream = how >> 3 & 3;
    d.txn.space = how & 0x20 ? PAS_S : PAS_NS;
    size_t n = in8(in) + 1u;
    u64 at = address(in);
    (void)(how & 0x80 ? dma_write(&d, at, buf, n) : dma_read(&d, at, buf, n));
}

static void engine(struct guest *g, struct input *in)
{
    u8 how = in8(in), flags = in8(in), length = in8(in), go = in8(in);
    bool secure = go & 0x80;
    u64 addr = address(in);
    if (go & 0x40) /* any register */
        access(g->engine, secure, length & 0x7c, how & 1 && !(length & 4) ? 8 : 4, addr);
    access(g->engine, secure, DMA_ENGINE_STREAM, 4, stream(how));
    access(g->engine, secure, DMA_ENGINE_SUBSTREAM, 4, (u64)(how >> 3 & 1) << 31 | (how >> 4 & 3));
    access(g->engine, secure, DMA_ENGINE_FLAGS, 4, flags);
    access(g->engine, secure, DMA_ENGINE_LENGTH, 4, how >> 6 ? 4u << (how >> 7) : length);
    access(g->engine, secure, DMA_ENGINE_ADDR, 8, addr);
    access(g->engine, secure, DMA_ENGINE_GROUP, 4, length);
    access(g->engine, secure, DMA_ENGINE_GO, 4, go & 7);
    (void)fetch(g->engine, secure, (how ^ flags) & 0x7c, 4);
}

/* ---- the program --------------------------------------------------------------------------------------- */

static void view(struct guest *g)
{
    static FILE *nowhere;
    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    if (nowhere && !g->seen)
        smmu_view(g->s, nowhere);
    g->seen = true;
}

static bool op(struct rig *r, unsigned op, struct input *in)
{
    struct guest *g = r->arg;
    switch (op) {
    case 0:
    case 1: registers(g, op == 0, in); return true;
    case 2: view(g); return true;
    case 3: bypass(g, in); return true;
    case 4: /* costs as much as a hundred others */
        if (in8(in) == 1 && !g->saved)
            rig_save_load(r);
        g->saved = true;
        return true;
    case 6: structures(g, in); return true;
    case 7: words(r, in); return true;
    case 8: command(g, in); return true;
    case 9: dma(g, in); return true;
    case 10: {
        u8 table = in8(in), i = in8(in);
        store64(r, TABLES + 0x1000u * (table & 3) + 8u * (i & 0x80 ? 0x100 + i : i), descriptor(in));
        return true;
    }
    case 11: enable(g, in); return true;
    case 12: transaction(g, in); return true;
    case 13: requests(g, in); return true;
    case 14: cast(g, in); return true;
    case 15: engine(g, in); return true;
    default: return false;
    }
}

static void run(struct guest *g, struct input *in)
{
    struct rig *r = &g->rig;
    memset(bus_page_ptr(r->bus, 0), 0, USED);
    r->dev->ops->reset(r->dev);
    g->engine->ops->reset(g->engine);
    g->seen = g->saved = false;
    g->stream = 0;
    enable(g, &(struct input){0});
    /* stage 1 that stalls; both stages with ATS; stage 2 */
    static const u8 usual[][9] = {
        {0x11, 0, 0, 0, 0, 0, 0x80, 0, 0}, {0x07, 0, 0, 0, 0, 0, 0x80, 0, 4}, {0x06, 0, 0, 0, 0, 0, 0x80, 0, 6}};
    for (unsigned i = 0; i < ARRAY_LEN(usual); i++)
        structures(g, &(struct input){usual[i], sizeof usual[i]});
    rig_run(r, in);
}

static struct guest *build(u8 how)
{
    static const u8 sizes[] = {32, 36, 40, 42, 44, 48, 52, 48};
    static struct guest all[256];
    struct guest *g = &all[how & 0xbf];
    if (g->s)
        return g;
    rig_begin(&g->rig);
    bus_seal(g->rig.bus);
    g->oas = sizes[how & 7];
    g->s = smmu_new(&(struct smmu_config){.id = "smmu",
                                          .log = &g->rig.log,
                                          .bus = g->rig.bus,
                                          .oas = (u8)g->oas,
                                          .sid_bits = 16,
                                          .ssid_bits = how & 8 ? 2 : 16,
                                          .btm = how & 1,
                                          .no_stage1 = (how & 0x30) == 0x10,
                                          .no_stage2 = (how & 0x30) == 0x20,
                                          .secure = how >> 7});
    g->rig.dev = smmu_device(g->s);
    g->engine = dma_engine_new("dma", &g->rig.log, g->rig.bus, g->s);
    g->rig.op = op;
    g->rig.arg = g;
    g->rig.record = FUZZ_RECORD;
    g->rig.own = 31;
    return g;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    struct input in = {data, n};
    run(build(in8(&in)), &in);
    return 0;
}
