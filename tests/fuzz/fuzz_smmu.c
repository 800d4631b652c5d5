/* The SMMU: registers, all queues, stream table, context descriptors and translation tables as the input spells them,
 * and through all that DMA of any stream, transactions that stall, ATS, page requests and broadcasts; the DMA engine.
 *
 *   input: oas and stages | program (rig.h); 6 a legal stream table entry and descriptor, 7 words of one of them,
 *          8 a command, 9 DMA, 10 a table descriptor, 11 enables, 12 a transaction, 13 ATS and page requests,
 *          14 a broadcast, 15 the engine */
#include "mmu/tlb.h"
#include "rig.h"
#include "smmu/dma_engine.h"
#include "smmu/smmu.h"

enum { STRTAB = RIG_RAM, CMDQ = RIG_RAM + 0x1000, EVTQ = RIG_RAM + 0x2000, CDS = RIG_RAM + 0x3000 };
enum { TABLES = RIG_RAM + 0x4000, PRIQ = RIG_RAM + 0x2800, QUEUE_LOG2 = 4 };

struct guest {
    struct rig rig;
    struct smmu *s;
    struct device *engine;
    u32 prod;
};

static void store64(struct rig *r, u64 at, u64 v) { rig_store(r, at - RIG_RAM, &v, 8); }

/* Table addresses lead to tables mostly. */
static u64 descriptor(struct input *in)
{
    u8 how = in8(in);
    u64 attrs = (u64)in8(in) << 2 | 1u << 10 | (u64)(in8(in) & 15) << 51;
    return (TABLES + (u64)(how >> 4) * 0x1000) | attrs | (how & 3);
}

static void structures(struct rig *r, struct input *in)
{
    u8 how = in8(in), config = 4 | (how & 3), tg = in8(in), more = in8(in);
    u64 eats = how >> 2 & 3, stalls = how >> 4 & 1, strw = how >> 5 & 3, stalld = how >> 7;
    u64 ste[8] = {1u | (u64)config << 1 | CDS | (u64)(more & 3) << 59 | (u64)(more >> 2 & 3) << 4,
                  (more >> 4 & 3) | eats << 28 | strw << 30 | stalld << 27,
                  (u64)(more >> 6) | 24ull << 32 | 1ull << 38 | (u64)(tg & 3) << 46 | 5ull << 48 | 1ull << 51 |
                      1ull << 58 | stalls << 57,
                  TABLES + 0x2000,
                  24ull << 32 | 1ull << 38 | (u64)(tg & 3) << 46,
                  0,
                  TABLES + 0x2000};
    u64 cd[8] = {16 | (u64)(tg >> 2 & 3) << 6 | 16u << 16 | (u64)(tg >> 4 & 3) << 22 | 1u << 31 | 5ull << 32 |
                     1ull << 41 | 3ull << 45 | (u64)(tg >> 6) << 42 | stalls << 44,
                 TABLES, TABLES + 0x1000, 0xff44};
    u8 sid = more & 7;
    for (unsigned i = 0; i < 8; i++) {
        store64(r, STRTAB + 64u * sid + 8 * i, ste[i]);
        store64(r, CDS + 64u * (more & 3) + 8 * i, cd[i]);
    }
}

static void enable(struct guest *g, u8 how)
{
    struct device *d = g->rig.dev;
    rig_write(d, 0x20, 4, 0);
    rig_write(d, 0x80, 8, STRTAB);
    rig_write(d, 0x88, 4, how & 0x80 ? 10u | 6 << 6 | 1 << 16 : 4);
    rig_write(d, 0x90, 8, CMDQ | QUEUE_LOG2);
    rig_write(d, 0xa0, 8, EVTQ | (how >> 4 & 3));
    rig_write(d, 0xc0, 8, PRIQ | (how >> 4 & 3));
    rig_write(d, 0x2c, 4, how & 15);
    rig_write(d, 0x50, 4, 7);
    rig_write(d, 0x20, 4, 15 | (how & 0x40 ? 16 : 0));
    const struct txn secure = {.space = PAS_S, .privileged = true};
    static const struct {
        u64 off, val;
    } other[] = {{0x20, 0}, {0x80, STRTAB}, {0x88, 4}, {0x90, CMDQ | QUEUE_LOG2}, {0xa0, EVTQ | 3}, {0x20, 5}};
    for (unsigned i = 0; i < ARRAY_LEN(other); i++) {
        const u64 v[2] = {other[i].val};
        (void)bus_dev_write(d, &secure, 0x8000 + other[i].off, other[i].off < 0x80 ? 4 : 8, v);
    }
    g->prod = (u32)rig_read(d, 0x9c, 4) & 0xfffff;
}

static void transaction(struct guest *g, struct input *in)
{
    u8 how = in8(in), more = in8(in);
    struct smmu_access a = {.addr = how & 0x40 ? in64(in) : (u64)in16(in) << 4,
                            .sid = how & 7,
                            .ssid = how >> 3 & 3,
                            .ssv = how >> 7,
                            .op = more & 3,
                            .size = more & 2 ? 8 : 1 + (in8(in) & 63),
                            .secure = more >> 2 & 1,
                            .translated = more >> 3 & 1,
                            .can_stall = more >> 4 & 1,
                            .priv = more >> 5 & 1,
                            .inst = more >> 6 & 1};
    if ((a.addr & 0xfff) + a.size > 0x1000)
        a.addr &= ~0xfffull;
    (void)smmu_access(g->s, &a);
}

static void requests(struct guest *g, struct input *in)
{
    u8 how = in8(in), more = in8(in);
    u64 addr = how & 0x40 ? in64(in) : (u64)in16(in) << 4;
    if (more & 1) {
        const struct smmu_page_request p = {.addr = addr,
                                            .sid = how & 7,
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
                                       .sid = how & 7,
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
                                .va = (u64)in16(in) << 8,
                                .size = 4096ull << (more >> 5)};
    smmu_broadcast(g->s, &inv);
}

static bool op(struct rig *r, unsigned op, struct input *in)
{
    struct guest *g = r->arg;
    switch (op) {
    case 6: structures(r, in); return true;
    case 7: {
        u8 where = in8(in);
        store64(r, (where & 0x80 ? CDS : STRTAB) + 8u * (where & 63), in64(in));
        return true;
    }
    case 8: {
        u64 at = CMDQ + 16 * (g->prod & 15);
        u8 code = in8(in);
        store64(r, at, code | (u64)in32(in) << 8 | (u64)in8(in) << 48);
        store64(r, at + 8, in32(in) | (u64)in8(in) << 32);
        g->prod = (g->prod + 1) & 31;
        rig_write(r->dev, 0x98, 4, g->prod);
        return true;
    }
    case 9: {
        u8 how = in8(in), buf[256] = {0};
        struct dma d = smmu_dma(g->s, how & 7);
        d.txn.substream = how >> 3 & 3;
        d.txn.space = how & 0x20 ? PAS_S : PAS_NS;
        u64 at = how & 0x40 ? in64(in) : (u64)in16(in) << 4;
        size_t n = in8(in) + 1u;
        (void)(how & 0x80 ? dma_write(&d, at, buf, n) : dma_read(&d, at, buf, n));
        return true;
    }
    case 10: {
        u16 where = in16(in);
        store64(r, TABLES + 8u * (where & 0x7ff), descriptor(in));
        return true;
    }
    case 11: enable(g, in8(in)); return true;
    case 12: transaction(g, in); return true;
    case 13: requests(g, in); return true;
    case 14: cast(g, in); return true;
    case 15: {
        u8 how = in8(in);
        rig_write(g->engine, DMA_ENGINE_STREAM, 4, how & 7);
        rig_write(g->engine, DMA_ENGINE_SUBSTREAM, 4, (u64)(how >> 3 & 1) << 31 | (how >> 4 & 3));
        rig_write(g->engine, DMA_ENGINE_FLAGS, 4, in8(in));
        rig_write(g->engine, DMA_ENGINE_LENGTH, 4, how >> 6 ? 8 : in8(in));
        rig_write(g->engine, DMA_ENGINE_ADDR, 8, (u64)in16(in) << 4);
        rig_write(g->engine, DMA_ENGINE_GO, 4, in8(in));
        return true;
    }
    default: return false;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    static const u8 sizes[] = {32, 36, 40, 42, 44, 48, 52, 48};
    struct input in = {data, n};
    struct guest g = {0};
    u8 how = in8(&in);
    rig_begin(&g.rig);
    bus_seal(g.rig.bus);
    g.s = smmu_new(&(struct smmu_config){.id = "smmu",
                                         .log = &g.rig.log,
                                         .bus = g.rig.bus,
                                         .oas = sizes[how & 7],
                                         .sid_bits = 16,
                                         .ssid_bits = how & 8 ? 16 : 0,
                                         .no_stage1 = (how & 0x30) == 0x10,
                                         .no_stage2 = (how & 0x30) == 0x20,
                                         .secure = how >> 7});
    g.rig.dev = smmu_device(g.s);
    g.engine = dma_engine_new("dma", &g.rig.log, g.rig.bus, g.s);
    g.rig.op = op;
    g.rig.arg = &g;
    rig_range(&g.rig, g.rig.dev, 0, 0x100);
    rig_range(&g.rig, g.rig.dev, 0x10000, 0x100);
    rig_range(&g.rig, g.rig.dev, 0x8000, 0x100);
    rig_range(&g.rig, g.engine, 0, 0xc0);
    enable(&g, how);
    rig_run(&g.rig, &in);
    free(g.engine);
    rig_end(&g.rig);
    return 0;
}
