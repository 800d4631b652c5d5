/* An SMMU with RAM behind it, and builders of its structures: stream table, context descriptors, translation tables of
 * every granule, command and event queues. */
#pragma once
#include "core/bits.h"
#include "poke.h"
#include "smmu/smmu.h"

enum {
    RAM = 0x40000000,
    RAM_SIZE = 0x2000000,
    STRTAB = RAM + 0x10000,
    CMDQ = RAM + 0x20000,
    EVTQ = RAM + 0x30000,
    CDS_AT = RAM + 0x40000,
    L2 = RAM + 0x50000,
    MSI_AT = RAM + 0x60000,
    TABLES = RAM + 0x100000,
    DATA = RAM + 0x1000000,
    HOLE = 0x10000000,  /* nothing answers here */
    APART = 0x50000000, /* other memory in each of the two address spaces */
};
#define HIGH 0xf000000000000ull /* memory that needs 52 bits */
enum { SID = 5, LOG2 = 4 };
enum { CR0 = 0x20, GBPA = 0x44, GERROR = 0x60, GERRORN = 0x64, PROD = 0x98, CONS = 0x9c };
enum { EPROD = 0x100a8, ECONS = 0x100ac };

static struct log lg;
static struct bus *bus;
static struct smmu *s;
static struct dma dma;
static unsigned edges[5];
static u64 next_table;
static u32 prod;

static inline void edge(void *sink, unsigned n, bool level)
{
    (void)sink;
    edges[n] += level;
}

/* Check notes every assertion in a file: these do without. */
static inline void put64(u64 addr, u64 v)
{
    if (bus_load(bus, PAS_NS, addr, &v, 8) != BUS_OK)
        ck_abort_msg("nothing at 0x%llx", (unsigned long long)addr);
}
static inline u64 get64(u64 addr)
{
    u64 v = 0;
    struct txn t = {.cpu = 0};
    if (bus_read(bus, &t, addr, &v, 8) != BUS_OK)
        ck_abort_msg("nothing at 0x%llx", (unsigned long long)addr);
    return v;
}
static inline void reg64(u64 off, u64 v)
{
    const u64 val[2] = {v};
    (void)bus_dev_write(smmu_device(s), &poke_txn, off, 8, val);
}
static inline void reg32(u64 off, u32 v)
{
    const u64 val[2] = {v};
    (void)bus_dev_write(smmu_device(s), &poke_txn, off, 4, val);
}
static inline u32 rd32(u64 off)
{
    u64 v[2] = {0};
    (void)bus_dev_read(smmu_device(s), &poke_txn, off, 4, v);
    return (u32)v[0];
}

/* ---- a client that can wait and has a translation cache -------------------------------------------- */

static struct heard {
    unsigned done, invalidated, responses;
    struct smmu_access access; /* the last that ended */
    enum smmu_result how;
    u32 sid, ssid;
    bool ssv, global;
    u64 addr;
    unsigned log2, group;
    enum smmu_page_response code;
} heard;

static inline void hear_done(void *arg, const struct smmu_access *a, enum smmu_result how)
{
    (void)arg;
    heard.done++;
    heard.access = *a;
    heard.how = how;
}
static inline void hear_invalidate(void *arg, u32 sid, bool ssv, u32 ssid, bool global, u64 addr, unsigned log2)
{
    (void)arg;
    heard.invalidated++;
    heard.sid = sid, heard.ssv = ssv, heard.ssid = ssid, heard.global = global, heard.addr = addr, heard.log2 = log2;
}
static inline void hear_response(void *arg, u32 sid, bool ssv, u32 ssid, unsigned group, enum smmu_page_response code)
{
    (void)arg;
    heard.responses++;
    heard.sid = sid, heard.ssv = ssv, heard.ssid = ssid, heard.group = group, heard.code = code;
}

static inline void start(const struct smmu_config *more)
{
    struct smmu_config c = *more;
    lg = (struct log){0};
    bus = bus_new(&lg);
    bus_map_ram(bus, 1 << PAS_NS | (c.secure ? 1 << PAS_S : 0), RAM, RAM_SIZE, "ram");
    bus_map_ram(bus, 1 << PAS_NS, APART, 0x1000, "nonsecure");
    bus_map_ram(bus, 1 << PAS_S, APART, 0x1000, "secure");
    bus_map_ram(bus, 1 << PAS_NS, HIGH, 0x10000, "high");
    bus_seal(bus);
    c.id = "smmu";
    c.log = &lg;
    c.bus = bus;
    c.oas = c.oas ? c.oas : 48;
    c.sid_bits = 16;
    c.ssid_bits = c.ssid_bits ? c.ssid_bits : 8;
    s = smmu_new(&c);
    heard = (struct heard){0};
    smmu_attach(s, &(struct smmu_client){NULL, hear_done, hear_invalidate, hear_response});
    memset(edges, 0, sizeof edges);
    struct smmu_wires *w = smmu_wires(s, false);
    w->eventq = (struct irq){edge, NULL, 0, false};
    w->cmdq_sync = (struct irq){edge, NULL, 1, false};
    w->gerror = (struct irq){edge, NULL, 2, false};
    w->priq = (struct irq){edge, NULL, 3, false};
    w->event = (struct irq){edge, NULL, 4, false};
    dma = smmu_dma(s, SID);
    next_table = TABLES;
    prod = 0;
    reg64(0x80, STRTAB);
    reg32(0x88, LOG2);
    reg64(0x90, CMDQ | 6);
    reg64(0xa0, EVTQ | 3);
    reg32(0x2c, 2); /* RECINVSID */
    reg32(0x50, 5);
    reg32(CR0, 13);
}
static inline void setup(void) { start(&(struct smmu_config){0}); }
static inline void teardown(void)
{
    device_free(smmu_device(s));
    bus_free(bus);
}

/* ---- commands and events ------------------------------------------------------------------------ */

static inline void command(u64 w0, u64 w1)
{
    put64(CMDQ + 16 * (prod & 63), w0);
    put64(CMDQ + 16 * (prod & 63) + 8, w1);
    prod = (prod + 1) & 127;
    reg32(PROD, prod);
}
static inline void flush(void)
{
    command(4, 31);
    command(0x30, 0);
    command(0x20, 0);
}
/* The oldest event, removed; id 0: none. */
static u64 event[4];
static inline unsigned next_event(void)
{
    u32 c = rd32(ECONS), p = rd32(EPROD);
    memset(event, 0, sizeof event);
    if (((c ^ p) & 15) == 0)
        return 0;
    for (unsigned i = 0; i < 4; i++)
        event[i] = get64(EVTQ + 32 * (c & 7) + 8 * i);
    reg32(ECONS, (c & 1u << 31) | ((c + 1) & 15));
    if (event[0] >> 32 != dma.txn.stream)
        ck_abort_msg("the event names stream %llu", (unsigned long long)(event[0] >> 32));
    return event[0] & 0xff;
}

/* ---- structures --------------------------------------------------------------------------------- */

static inline void ste(const u64 w[8])
{
    for (unsigned i = 0; i < 8; i++)
        put64(STRTAB + 64 * SID + 8 * i, w[i]);
}
static inline void cd(unsigned i, const u64 w[8])
{
    for (unsigned k = 0; k < 8; k++)
        put64(CDS_AT + 64 * i + 8 * k, w[k]);
}

/* A table tree. shape: granule, input bits, first level. */
struct tree {
    unsigned g, bits;
    int level;
    u64 root;
};
static inline u64 new_table(u64 size)
{
    next_table = align_up(next_table, size);
    u64 t = next_table;
    next_table += size;
    ck_assert(next_table < DATA);
    for (u64 i = 0; i < size; i += 8)
        put64(t + i, 0);
    return t;
}
static inline struct tree tree(unsigned g, unsigned ia, int level)
{
    unsigned low = g + (g - 3) * (unsigned)(3 - level);
    return (struct tree){g, ia, level, new_table(8ull << (ia - low) < 64 ? 64 : 8ull << (ia - low))};
}
static inline struct tree tree1(unsigned g) { return tree(g, 48, g == 16 ? 1 : 0); }
static inline struct tree tree2(unsigned g) { return tree(g, 40, g == 12 ? 1 : 2); }
/* Address of the descriptor of va at the last level, tables made as needed. */
static inline u64 leaf(const struct tree *t, u64 va)
{
    u64 table = t->root;
    for (int l = t->level;; l++) {
        unsigned shift = t->g + (t->g - 3) * (unsigned)(3 - l);
        u64 n = l == t->level ? ones(t->bits - shift) : ones(t->g - 3), at = table + 8 * (va >> shift & n);
        if (l == 3)
            return at;
        if (!(get64(at) & 1))
            put64(at, new_table(1ull << t->g) | 3);
        table = get64(at) & ones(48) & ~ones(t->g);
    }
}
enum { S1_PAGE = 1 << 10 | 3 << 8 | 1 << 6 | 3, S2_PAGE = 1 << 10 | 3 << 8 | 3 << 6 | 0xf << 2 | 3 };
static inline void map(const struct tree *t, u64 va, u64 pa, u64 attrs) { put64(leaf(t, va), pa | attrs); }

static inline u64 tg0(unsigned g) { return g == 12 ? 0 : g == 14 ? 2 : 1; }
static inline void make_cd(unsigned i, const struct tree *t, u16 asid, u64 more)
{
    cd(i, (u64[8]){16 | tg0(t->g) << 6 | 1u << 30 /* EPD1 */ | 1u << 31 | 5ull << 32 | 1ull << 41 | 3ull << 45 |
                       (u64)asid << 48 | more,
                   t->root, 0, 0xff});
}
/* config: 5, 6 or 7 */
static inline void make_ste(unsigned config, const struct tree *t2, u16 vmid, u64 more0, u64 more1)
{
    u64 w[8] = {1 | config << 1 | CDS_AT | more0, more1};
    if (config & 2) {
        w[2] = vmid | 24ull << 32 | 1ull << 38 | (t2 ? tg0(t2->g) : 0) << 46 | 5ull << 48 | 1ull << 51 | 1ull << 58;
        w[3] = t2 ? t2->root : 0;
    } else {
        w[2] = vmid;
    }
    ste(w);
}

/* A transaction of the client of eight bytes. */
static struct smmu_access last;
static inline enum smmu_result transact(enum smmu_op op, u64 va, u64 v, bool inst, bool can_stall)
{
    last = (struct smmu_access){.addr = va,
                                .sid = dma.txn.stream,
                                .ssid = dma.txn.substream,
                                .ssv = dma.txn.substream != 0,
                                .op = (u8)op,
                                .size = 8,
                                .secure = dma.txn.space == PAS_S,
                                .inst = inst,
                                .can_stall = can_stall};
    memcpy(last.data, &v, 8);
    return smmu_access(s, &last);
}
static inline u64 word_of(const struct smmu_access *a)
{
    u64 v;
    memcpy(&v, a->data, 8);
    return v;
}

static inline enum bus_result store(u64 va, u64 v) { return dma_write(&dma, va, &v, 8); }
static inline enum bus_result load(u64 va, u64 *v) { return dma_read(&dma, va, v, 8); }
