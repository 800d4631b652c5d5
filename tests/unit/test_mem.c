/* Guest memory accesses on a whole PE: translation faults and their syndromes, page crossing, devices,
 * alignment, endianness, exclusives, unprivileged accesses, AT and TLBI instructions. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bus.h"
#include "core/log.h"
#include "cpu/code.h"
#include "cpu/context.h"
#include "cpu/fields.h"
#include "cpu/mem.h"
#include "cpu/model.h"
#include "cpu/sysop.h"
#include "mmu/fast.h"

#define RAM 0x40000000ull
#define DEV 0x09000000ull
enum { PAGES = 64 };
enum { AF = 1 << 10, AP_RO = 1 << 7, AP_USER = 1 << 6, NG = 1 << 11, NORMAL = 4 << 2, DEVICE = 0 << 2, PAGE = 3 };

static struct log quiet;
static struct bus *bus;
static struct cpu *c, *c2;
static struct cpu *cpus[2];
static struct cpu_env env;
static u64 tables; /* next free table */

/* A device that notes what it was asked. */
static struct {
    struct device dev;
    u64 off, val;
    unsigned size, reads, writes;
    struct txn txn;
} dev;

static enum bus_result dev_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    (void)d;
    dev.off = off;
    dev.size = size;
    dev.reads++;
    dev.txn = *t;
    *val = 0x1122334455667788ull;
    return off == 0xf00 ? BUS_SLVERR : BUS_OK;
}
static enum bus_result dev_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    (void)d;
    dev.off = off;
    dev.size = size;
    dev.writes++;
    dev.txn = *t;
    dev.val = val;
    return BUS_OK;
}
static void dev_state(struct device *d, struct snap *s)
{
    (void)d;
    (void)s;
}
static const struct device_ops dev_ops = {.name = "probe", .read = dev_read, .write = dev_write, .state = dev_state};

static u8 *host(u64 pa) { return bus_ram_base(bus) + (pa - RAM); }
static u64 peek(u64 pa)
{
    u64 v;
    memcpy(&v, host(pa), 8);
    return v;
}
static void poke(u64 pa, u64 v) { memcpy(host(pa), &v, 8); }

static u64 new_table(void)
{
    tables -= 0x1000;
    memset(host(tables), 0, 0x1000);
    return tables;
}

/* Maps one page of a 39-bit, 4 KiB table tree (start level 1). */
static void map(u64 root, u64 va, u64 desc)
{
    u64 at = root;
    for (int l = 1; l < 3; l++) {
        u64 slot = at + (va >> (39 - 9 * l) & 511) * 8;
        if (!peek(slot))
            poke(slot, new_table() | 3);
        at = peek(slot) & ~0xfffull;
    }
    poke(at + (va >> 12 & 511) * 8, desc);
}

static struct cpu *make_cpu(const char *model)
{
    static struct cpu_config cfg;
    char why[200];
    memset(&cfg, 0, sizeof cfg);
    const struct model_request want = {.el2 = true};
    ck_assert(model_lookup(model, &want, &cfg, why, sizeof why));
    return cpu_new(&env, &cfg);
}

static u64 root0, root1;

/* EL1 with the MMU on: TTBR0 and TTBR1 of 39 bits. */
static void enter_el1(struct cpu *x)
{
    x->sys[TCR_EL1] = 25 | 25 << 16 | 2u << 30 | 5ull << 32;
    x->sys[TTBR0_EL1] = root0 | 1ull << 48;
    x->sys[TTBR1_EL1] = root1;
    x->sys[MAIR_EL1] = 0xff44080400ull;
    x->sys[SCTLR_EL1] |= SCTLR_M | SCTLR_C | SCTLR_I;
    x->sys[VBAR_EL1] = 0xffffff8000000000ull;
    x->sys[VBAR_EL2] = RAM;
    x->sys[HCR_EL2] = HCR_RW;
    sysreg_refresh(x);
    cpu_set_el(x, 1, 1);
    context_resolve(x);
}

static void setup(void)
{
    bus = bus_new(&quiet);
    bus_map_ram(bus, 1 << PAS_NS, RAM, PAGES << 12, "ram");
    memset(&dev, 0, sizeof dev);
    dev.dev = (struct device){.ops = &dev_ops, .id = "probe", .log = &quiet};
    bus_map_device(bus, 1 << PAS_NS, DEV, 0x1000, &dev.dev);
    bus_seal(bus);
    env = (struct cpu_env){.bus = bus, .log = &quiet, .cpus = cpus, .count = 2};
    c = cpus[0] = make_cpu("max");
    c2 = cpus[1] = make_cpu("max");
    cpu_reset(c);
    cpu_reset(c2);
    tables = RAM + (PAGES << 12);
    root0 = new_table();
    root1 = new_table();
    enter_el1(c);
    enter_el1(c2);
}
static void teardown(void)
{
    cpu_free(c);
    cpu_free(c2);
    bus_free(bus);
}

#define EXPECT_DABT(to, ec, iss, at)                                                                                   \
    do {                                                                                                               \
        ck_assert_uint_eq(c->ps.el, to);                                                                               \
        u64 esr = c->sys[to == 2 ? ESR_EL2 : ESR_EL1];                                                                 \
        ck_assert_uint_eq(esr >> 26, ec);                                                                              \
        ck_assert_uint_eq(esr & 0x3ff, iss);                                                                           \
        ck_assert_uint_eq(c->sys[to == 2 ? FAR_EL2 : FAR_EL1], at);                                                    \
        enter_el1(c);                                                                                                  \
    } while (0)
enum { WNR = 1 << 6, S1PTW = 1 << 7 };

START_TEST(test_load_store)
{
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE | NG));
    map(root0, 0x6000, RAM + 0x3000 + (AF | NORMAL | PAGE | NG));
    u64 v;
    for (unsigned round = 0; round < 2; round++) { /* the second finds the fast table */
        ck_assert(mem_write(c, 0x5010, 8, 0, 0x0123456789abcdefull));
        ck_assert_uint_eq(peek(RAM + 0x1010), 0x0123456789abcdefull);
        ck_assert(mem_read(c, 0x5012, 4, 0, &v));
        ck_assert_uint_eq(v, 0x456789ab);
        ck_assert(mem_read(c, 0x5017, 1, 0, &v));
        ck_assert_uint_eq(v, 0x01);
        ck_assert(mem_read(c, 0x5013, 4, 0, &v)); /* unaligned */
        ck_assert_uint_eq(v, 0x23456789);
        ck_assert(mem_write(c, 0x5ffd, 8, 0, 0x8877665544332211ull)); /* across pages */
        ck_assert_uint_eq(peek(RAM + 0x1ff8) >> 40, 0x332211);
        ck_assert_uint_eq(peek(RAM + 0x3000) & 0xffffffffffull, 0x8877665544ull);
        ck_assert(mem_read(c, 0x5ffd, 8, 0, &v));
        ck_assert_uint_eq(v, 0x8877665544332211ull);
        u64 w[2] = {1, 2}, r[2];
        ck_assert(mem_write16(c, 0x5ff8, 0, w));
        ck_assert(mem_read16(c, 0x5ff8, 0, r));
        ck_assert(r[0] == 1 && r[1] == 2);
    }
}
END_TEST

START_TEST(test_faults)
{
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE | AP_RO));
    map(root0, 0x6000, RAM + 0x1000 + (NORMAL | PAGE));
    map(root0, 0x8000, 0x70000000 + (AF | NORMAL | PAGE));
    u64 v;
    ck_assert(!mem_read(c, 0x7008, 4, 0, &v));
    EXPECT_DABT(1, EC_DABT_SAME, 0x07, 0x7008);
    ck_assert(!mem_write(c, 0x4000000008, 4, 0, 0));
    EXPECT_DABT(1, EC_DABT_SAME, WNR | 0x05, 0x4000000008);
    ck_assert(!mem_write(c, 0x5008, 4, 0, 0));
    EXPECT_DABT(1, EC_DABT_SAME, WNR | 0x0f, 0x5008);
    ck_assert(!mem_read(c, 0x6008, 4, 0, &v));
    EXPECT_DABT(1, EC_DABT_SAME, 0x0b, 0x6008);
    ck_assert(!mem_read(c, 0x8008, 4, 0, &v)); /* nothing on the bus */
    EXPECT_DABT(1, EC_DABT_SAME, 0x10, 0x8008);
    ck_assert(!mem_read(c, 0x5ffe, 4, 0, &v)); /* the second page faults */
    EXPECT_DABT(1, EC_DABT_SAME, 0x0b, 0x6000);
    /* a permission granted later needs no invalidation */
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE));
    ck_assert(mem_write(c, 0x5008, 4, 0, 0));
}
END_TEST

START_TEST(test_device)
{
    map(root0, 0x5000, DEV + (AF | DEVICE | PAGE));
    map(root0, 0x6000, RAM + 0x1000 + (AF | DEVICE | PAGE));
    u64 v;
    ck_assert(mem_read(c, 0x5014, 4, 0, &v));
    ck_assert_uint_eq(v, 0x55667788);
    ck_assert(dev.off == 0x14 && dev.size == 4 && dev.txn.privileged && dev.txn.space == PAS_NS);
    ck_assert(mem_write(c, 0x5021, 1, 0, 0xab));
    ck_assert(dev.off == 0x21 && dev.size == 1 && (u8)dev.val == 0xab);
    ck_assert(!mem_read(c, 0x5f00, 4, 0, &v));
    EXPECT_DABT(1, EC_DABT_SAME, 0x10, 0x5f00);
    ck_assert(!mem_read(c, 0x5015, 4, 0, &v));
    EXPECT_DABT(1, EC_DABT_SAME, 0x21, 0x5015);
    ck_assert(mem_read(c, 0x6010, 4, 0, &v)); /* Device-mapped RAM stays strict */
    ck_assert(!mem_write(c, 0x6011, 4, 0, 0));
    EXPECT_DABT(1, EC_DABT_SAME, WNR | 0x21, 0x6011);
    /* R_XCHFJ: by the memory type, before permissions; on each page in its turn */
    map(root0, 0x7000, RAM + 0x1000 + (AF | DEVICE | PAGE | AP_RO));
    ck_assert(!mem_write(c, 0x7011, 4, 0, 0));
    EXPECT_DABT(1, EC_DABT_SAME, WNR | 0x21, 0x7011);
    ck_assert(!mem_write(c, 0x7010, 4, 0, 0));
    EXPECT_DABT(1, EC_DABT_SAME, WNR | 0x0f, 0x7010);
    ck_assert(!mem_read(c, 0x6ffe, 4, 0, &v));
    EXPECT_DABT(1, EC_DABT_SAME, 0x21, 0x6ffe);
    map(root0, 0x8000, RAM + 0x1000 + (AF | NORMAL | PAGE));
    map(root0, 0x9000, RAM + 0x2000 + (AF | DEVICE | PAGE));
    ck_assert(!mem_read(c, 0x8ffe, 4, 0, &v));
    EXPECT_DABT(1, EC_DABT_SAME, 0x21, 0x9000);
    /* a read-modify-write says that it reads */
    struct mem_rmw m;
    ck_assert(!mem_rmw(c, 0x7012, 4, MEM_ATOMIC, &m));
    EXPECT_DABT(1, EC_DABT_SAME, 0x21, 0x7012);
    ck_assert(!mem_rmw(c, 0x800e, 4, MEM_ATOMIC, &m));
    EXPECT_DABT(1, EC_DABT_SAME, 0x21, 0x800e);
    /* what a fetch found with the MMU off is Device to data */
    c->sys[SCTLR_EL1] &= ~(u64)SCTLR_M;
    context_touch(c);
    c->pc = RAM + 0x1000;
    ck_assert(mem_fetch_page(c));
    ck_assert(!mem_read(c, RAM + 0x1001, 4, 0, &v));
    EXPECT_DABT(1, EC_DABT_SAME, 0x21, RAM + 0x1001);
}
END_TEST

/* RAM that is Device memory comes into the fast table when it is used much, and leaves it when unaligned accesses are;
 * what faults does so throughout. */
START_TEST(test_device_turns)
{
    map(root0, 0x5000, RAM + 0x1000 + (AF | DEVICE | PAGE | AP_USER));
    map(root0, 0x6000, RAM + 0x2000 + (AF | NORMAL | PAGE | AP_USER));
    c->sys[SCTLR_EL1] |= 1 << 23; /* SPAN: exceptions leave PAN alone */
    struct fast_ctx *f[2] = {(void *)c->ft, (void *)c->ft_unpriv};
    ck_assert(f[0] != f[1]);
    static const unsigned kinds[2] = {0, MEM_UNPRIV};
    u64 v, q[2];
    for (unsigned k = 0; k < 2; k++) {
        struct fast *t = &f[k]->t;
        u64 at = fast_index(t, 0x5000), normal = fast_index(t, 0x6000);
        f[k]->patience = 4;
        for (unsigned n = 1; n <= 3; n++, f[k]->patience = 4) {
            ck_assert_uint_eq(f[k]->patience, 4);
            for (unsigned i = 0; i < 5; i++) {
                ck_assert(i > 1 || t->rtag[at] != 0x5000);
                ck_assert(mem_read(c, 0x5010, 4, kinds[k], &v));
                ck_assert(!mem_read(c, 0x5011, 4, kinds[k], &v));
                EXPECT_DABT(1, EC_DABT_SAME, 0x21, 0x5011);
                ck_assert(mem_read(c, 0x6011, 4, kinds[k], &v));
            }
            ck_assert_uint_eq(t->rtag[at], 0x5000);
            ck_assert(mem_write(c, 0x5018, 8, kinds[k], n));
            ck_assert_uint_eq(peek(RAM + 0x1018), n);
            ck_assert(!mem_write(c, 0x5019, 8, kinds[k], n));
            EXPECT_DABT(1, EC_DABT_SAME, WNR | 0x21, 0x5019);
            ck_assert(c->exact_align);
            ck_assert(!mem_read16_slow(c, 0x5008, kinds[k], q));
            EXPECT_DABT(1, EC_DABT_SAME, 0x21, 0x5008);
            ck_assert(!mem_read(c, 0x5ffe, 4, kinds[k], &v));
            EXPECT_DABT(1, EC_DABT_SAME, 0x21, 0x5ffe);
            ck_assert(!mem_zero_block(c, 0x5040));
            EXPECT_DABT(1, EC_DABT_SAME, WNR | 0x21, 0x5040);
            ck_assert(mem_read(c, 0x6010, 4, kinds[k], &v));
            ck_assert_uint_eq(t->rtag[normal], 0x6000);
            f[k]->patience = 4;
            f[k]->regrets = 0;
            for (unsigned i = 0; i < 4; i++) {
                ck_assert_uint_eq(t->rtag[at], 0x5000);
                ck_assert(mem_read(c, 0x6011, 4, kinds[k], &v));
            }
            ck_assert_uint_ne(t->rtag[at], 0x5000);
            context_update(c);
            ck_assert(!c->exact_align);
        }
    }
}
END_TEST

/* WnR of a read-modify-write's fault: 0 when a read would have faulted as well; a store exclusive is a write. */
START_TEST(test_atomic_wnr)
{
    struct mem_rmw m;
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE | AP_RO | AP_USER));
    map(root0, 0x6000, RAM + 0x1000 + (AF | NORMAL | PAGE));
    map(root0, 0x8000, RAM + 0x1000 + (NORMAL | PAGE | AP_USER));
    for (unsigned el = 2; el-- > 0;) {
        static const struct {
            u64 va;
            u32 kind, iss, from; /* from: the highest exception level at which it faults */
        } t[] = {
            {0x5008, MEM_ATOMIC, WNR | 0x0f, 1}, {0x5008, MEM_EXCL, WNR | 0x0f, 1}, {0x6008, MEM_ATOMIC, 0x0f, 0},
            {0x6008, MEM_EXCL, WNR | 0x0f, 0},   {0x7008, MEM_ATOMIC, 0x07, 1},     {0x7008, MEM_EXCL, WNR | 0x07, 1},
            {0x8008, MEM_ATOMIC, 0x0b, 1},       {0x8008, MEM_EXCL, WNR | 0x0b, 1},
        };
        for (unsigned k = 0; k < ARRAY_LEN(t); k++) {
            cpu_set_el(c, el, el);
            context_resolve(c);
            ck_assert_uint_eq(mem_rmw(c, t[k].va, 4, t[k].kind, &m), el > t[k].from);
            if (el <= t[k].from)
                EXPECT_DABT(1, el ? EC_DABT_SAME : EC_DABT_LOW, t[k].iss, t[k].va);
        }
    }
}
END_TEST

START_TEST(test_alignment)
{
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE));
    u64 v, r[2];
    if (cpu_has(c, FEAT_LSE2))
        ck_assert(mem_read(c, 0x5004, 8, MEM_ORDERED, &v)); /* within 16 bytes */
    ck_assert(!mem_read(c, 0x500c, 8, MEM_ORDERED, &v));
    EXPECT_DABT(1, EC_DABT_SAME, 0x21, 0x500c);
    ck_assert(!mem_write(c, 0x500e, 4, MEM_EXCL, 0));
    EXPECT_DABT(1, EC_DABT_SAME, WNR | 0x21, 0x500e);
    c->sys[SCTLR_EL1] |= SCTLR_A;
    context_resolve(c);
    ck_assert(!mem_read(c, 0x5002, 4, 0, &v));
    EXPECT_DABT(1, EC_DABT_SAME, 0x21, 0x5002);
    ck_assert(mem_read(c, 0x5004, 8, MEM_PAIR, &v)); /* by element */
    ck_assert(mem_read16(c, 0x5008, MEM_PAIR, r));
    ck_assert(!mem_read16_slow(c, 0x5008, 0, r));
    EXPECT_DABT(1, EC_DABT_SAME, 0x21, 0x5008);
}
END_TEST

START_TEST(test_big_endian)
{
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE));
    c->sys[SCTLR_EL1] |= SCTLR_EE; /* tables too */
    u64 v, r[2];
    for (u64 a = tables; a < RAM + (PAGES << 12); a += 8)
        poke(a, bswap64(peek(a)));
    context_touch(c);
    ck_assert(mem_write(c, 0x5010, 4, 0, 0x11223344));
    ck_assert_uint_eq(peek(RAM + 0x1010), 0x44332211);
    ck_assert(mem_read(c, 0x5010, 4, 0, &v));
    ck_assert_uint_eq(v, 0x11223344);
    poke(RAM + 0x1020, 0x8877665544332211ull);
    poke(RAM + 0x1028, 0xffeeddccbbaa9900ull);
    ck_assert(mem_read(c, 0x5020, 8, MEM_PAIR, &v));
    ck_assert_uint_eq(v, 0x5566778811223344ull);
    ck_assert(mem_read16(c, 0x5020, MEM_PAIR, r));
    ck_assert(r[0] == 0x1122334455667788ull && r[1] == 0x0099aabbccddeeffull);
    ck_assert(mem_read16(c, 0x5020, 0, r));
    ck_assert(r[1] == 0x1122334455667788ull && r[0] == 0x0099aabbccddeeffull);
}
END_TEST

START_TEST(test_unprivileged)
{
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE));
    map(root0, 0x6000, RAM + 0x1000 + (AF | NORMAL | PAGE | AP_USER));
    u64 v;
    ck_assert(mem_read(c, 0x5000, 4, 0, &v) && mem_read(c, 0x6000, 4, 0, &v));
    ck_assert(!mem_read(c, 0x5000, 4, MEM_UNPRIV, &v));
    EXPECT_DABT(1, EC_DABT_SAME, 0x0f, 0x5000);
    c->ps.pan = true;
    context_resolve(c);
    ck_assert(mem_read(c, 0x6000, 4, MEM_UNPRIV, &v));
    ck_assert(!mem_read(c, 0x6000, 4, 0, &v));
    EXPECT_DABT(1, EC_DABT_SAME, 0x0f, 0x6000);
    c->ps.pan = true;
    c->ps.uao = true;
    context_resolve(c);
    ck_assert(!mem_read(c, 0x6000, 4, MEM_UNPRIV, &v)); /* UAO: as privileged */
    EXPECT_DABT(1, EC_DABT_SAME, 0x0f, 0x6000);
    c->ps.uao = c->ps.pan = false;
    cpu_set_el(c, 0, 0);
    context_resolve(c);
    ck_assert(mem_read(c, 0x6000, 4, 0, &v));
    ck_assert(!mem_read(c, 0x5000, 4, 0, &v));
    EXPECT_DABT(1, EC_DABT_LOW, 0x0f, 0x5000);
}
END_TEST

START_TEST(test_exclusive)
{
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE));
    map(root0, 0x6000, RAM + 0x1000 + (AF | NORMAL | PAGE)); /* alias */
    u64 v;
    ck_assert(!mem_excl_check(c, 0x5000, 8));
    ck_assert(mem_read(c, 0x5000, 8, MEM_EXCL, &v));
    mem_excl_mark(c, 0x5000, 8);
    ck_assert(mem_excl_check(c, 0x6000, 8));
    ck_assert(!mem_excl_check(c, 0x5000, 8)); /* once */
    mem_excl_mark(c, 0x5000, 8);
    ck_assert(!mem_excl_check(c, 0x5040, 8));
    mem_excl_mark(c, 0x5000, 8);
    ram_written(bus, 1, 0x20, 4); /* DMA into the granule */
    ck_assert(!c->monitor.valid && c->event_register);
    mem_excl_mark(c, 0x5000, 8);
    ram_written(bus, 1, 0x40, 4);
    ck_assert(c->monitor.valid);
}
END_TEST

START_TEST(test_rmw)
{
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE | AP_RO));
    map(root0, 0x6000, RAM + 0x1000 + (AF | NORMAL | PAGE));
    map(root0, 0x8000, DEV + (AF | DEVICE | PAGE));
    struct mem_rmw m;
    ck_assert(mem_rmw(c, 0x6008, 8, MEM_ATOMIC, &m));
    ck_assert_ptr_eq(m.host, host(RAM + 0x1008));
    ck_assert(!m.device && !m.watched);
    ck_assert(mem_rmw(c, 0x8008, 8, MEM_ATOMIC, &m));
    ck_assert(m.device);
    ck_assert(!mem_rmw(c, 0x5008, 8, MEM_ATOMIC, &m));
    EXPECT_DABT(1, EC_DABT_SAME, WNR | 0x0f, 0x5008);
    ck_assert(!mem_rmw(c, 0x7008, 8, MEM_ATOMIC, &m)); /* a read would have faulted too */
    EXPECT_DABT(1, EC_DABT_SAME, 0x07, 0x7008);
}
END_TEST

START_TEST(test_code_pages)
{
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE | AP_RO));
    map(root0, 0x6000, RAM + 0x1000 + (AF | NORMAL | PAGE | (1ull << 53)));
    map(root0, 0x8000, DEV + (AF | NORMAL | PAGE | AP_RO));
    ck_assert(mem_write(c, 0x6000, 4, 0, 0xd503201f));
    c->pc = 0x5000;
    ck_assert(mem_fetch_page(c));
    ck_assert_uint_eq(c->fetch_page, 0x5000);
    ck_assert_uint_eq(c->fetch_code->page, 1);
    code_page_mark(c->code, c->fetch_code);
    u64 i = fast_index(c->ft, 0x6000);
    ck_assert((c->ft->wtag[i] ^ 0x6000) & ~0xfffull); /* withdrawn */
    c->pc = 0x6000;
    ck_assert(!mem_fetch_page(c));
    EXPECT_DABT(1, EC_IABT_SAME, 0x0f, 0x6000);
    c->pc = 0x8000;
    ck_assert(!mem_fetch_page(c));
    EXPECT_DABT(1, EC_IABT_SAME, 0x10, 0x8000);
}
END_TEST

START_TEST(test_tlbi)
{
    const u64 va = 0xffffff8000005000ull;
    map(root1, va, RAM + 0x1000 + (AF | NORMAL | PAGE));
    poke(RAM + 0x1000, 1);
    poke(RAM + 0x2000, 2);
    u64 v;
    ck_assert(mem_read(c, va, 8, 0, &v) && v == 1);
    ck_assert(mem_read(c2, va, 8, 0, &v) && v == 1);
    map(root1, va, RAM + 0x2000 + (AF | NORMAL | PAGE));
    ck_assert(mem_read(c, va, 8, 0, &v) && v == 1); /* stale until it is invalidated */
    sysop_tlbi(c, SR_TLBI_VAE1, 1ull << 48 | (va >> 12 & ones(44)));
    ck_assert(mem_read(c, va, 8, 0, &v) && v == 2);
    ck_assert(mem_read(c2, va, 8, 0, &v) && v == 1); /* local */
    sysop_tlbi(c, SR_TLBI_VAALE1IS, va >> 12 & ones(44));
    ck_assert(mem_read(c2, va, 8, 0, &v) && v == 2);
    static const u16 all[] = {SR_TLBI_VMALLE1IS, SR_TLBI_ALLE1IS, SR_TLBI_VMALLS12E1IS,
                              SR_TLBI_VMALLE1,   SR_TLBI_ALLE1,   SR_TLBI_VMALLS12E1};
    for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
        map(root1, va, RAM + (i & 1 ? 0x2000 : 0x1000) + (AF | NORMAL | PAGE));
        sysop_tlbi(c, all[i], 0);
        ck_assert(mem_read(c, va, 8, 0, &v) && v == (i & 1 ? 2 : 1));
    }
    map(root1, va, RAM + 0x1000 + (AF | NORMAL | PAGE));
    /* eight pages from va - 0x1000: SCALE 0, NUM 3 */
    sysop_tlbi(c, SR_TLBI_RVAAE1IS, 1ull << 46 | 3ull << 39 | ((va - 0x1000) >> 12 & ones(37)));
    ck_assert(mem_read(c, va, 8, 0, &v) && v == 1);
}
END_TEST

START_TEST(test_asids)
{
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE | NG));
    poke(RAM + 0x1000, 1);
    poke(RAM + 0x2000, 2);
    u64 v, other = new_table();
    map(other, 0x5000, RAM + 0x2000 + (AF | NORMAL | PAGE | NG));
    ck_assert(mem_read(c, 0x5000, 8, 0, &v) && v == 1);
    c->sys[TTBR0_EL1] = other | 2ull << 48;
    context_touch(c);
    context_resolve(c);
    ck_assert(mem_read(c, 0x5000, 8, 0, &v) && v == 2);
    c->sys[TTBR0_EL1] = root0 | 1ull << 48;
    context_resolve(c);
    ck_assert(mem_read(c, 0x5000, 8, 0, &v) && v == 1);
    poke(RAM + 0x3000, 3);
    map(root0, 0x5000, RAM + 0x3000 + (AF | NORMAL | PAGE | NG));
    sysop_tlbi(c, SR_TLBI_ASIDE1, 2ull << 48);
    ck_assert(mem_read(c, 0x5000, 8, 0, &v) && v == 1);
    sysop_tlbi(c, SR_TLBI_ASIDE1, 1ull << 48);
    ck_assert(mem_read(c, 0x5000, 8, 0, &v) && v == 3);
}
END_TEST

START_TEST(test_at)
{
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE | AP_RO | 3 << 8));
    sysop_at(c, SR_AT_S1E1R, 0x5123);
    ck_assert_uint_eq(c->sys[PAR_EL1], 0xffull << 56 | (RAM + 0x1000) | 1 << 11 | 1 << 9 | 3 << 7);
    sysop_at(c, SR_AT_S1E1W, 0x5123);
    ck_assert_uint_eq(c->sys[PAR_EL1], 1 << 11 | 0x0f << 1 | 1);
    sysop_at(c, SR_AT_S1E0R, 0x5123);
    ck_assert_uint_eq(c->sys[PAR_EL1], 1 << 11 | 0x0f << 1 | 1);
    sysop_at(c, SR_AT_S1E1R, 0x7000);
    ck_assert_uint_eq(c->sys[PAR_EL1], 1 << 11 | 0x07 << 1 | 1);
}
END_TEST

/* A guest under stage 2: its faults go to EL2 with the IPA in HPFAR. */
START_TEST(test_stage2)
{
    u64 s2 = new_table();
    c->sys[VTTBR_EL2] = s2 | 3ull << 48;
    c->sys[VTCR_EL2] = 25 | 1 << 6 | 5 << 16 | 1u << 31;
    for (u64 p = 0; p < PAGES; p++)
        map(s2, RAM + (p << 12), (RAM + (p << 12)) | AF | 0xf << 2 | 3 << 6 | PAGE);
    map(root0, 0x5000, 0x50000000 + (AF | NORMAL | PAGE | NG));
    map(root0, 0x6000, 0x50001000 + (AF | NORMAL | PAGE | NG));
    map(s2, 0x50000000, (RAM + 0x1000) | AF | 0xf << 2 | 1 << 6 | PAGE);
    c->sys[HCR_EL2] = HCR_RW | HCR_VM;
    sysreg_refresh(c);
    context_touch(c);
    u64 v;
    poke(RAM + 0x1000, 7);
    ck_assert(mem_read(c, 0x5000, 8, 0, &v) && v == 7);
    sysop_at(c, SR_AT_S1E1R, 0x5008);
    ck_assert_uint_eq(c->sys[PAR_EL1] & 0xfffffffff000ull, 0x50000000);
    ck_assert(!mem_write(c, 0x5008, 8, 0, 7));
    ck_assert_uint_eq(c->sys[HPFAR_EL2], 0x50000000 >> 8);
    EXPECT_DABT(2, EC_DABT_LOW, WNR | 0x0f, 0x5008);
    c->sys[HCR_EL2] = HCR_RW | HCR_VM;
    sysreg_refresh(c);
    context_resolve(c);
    ck_assert(!mem_read(c, 0x6010, 8, 0, &v));
    ck_assert_uint_eq(c->sys[HPFAR_EL2], 0x50001000 >> 8);
    EXPECT_DABT(2, EC_DABT_LOW, 0x07, 0x6010);
    /* the guest's own table is not there */
    c->sys[HCR_EL2] = HCR_RW | HCR_VM;
    sysreg_refresh(c);
    map(s2, root0, 0);
    sysop_tlbi(c, SR_TLBI_VMALLS12E1, 0);
    context_resolve(c);
    ck_assert(!mem_read(c, 0x5000, 8, 0, &v));
    ck_assert_uint_eq(c->sys[HPFAR_EL2], root0 >> 8);
    EXPECT_DABT(2, EC_DABT_LOW, S1PTW | 0x07, 0x5000);
}
END_TEST

/* The stage that is Device reports the misalignment; forced write-back does not heal a Device stage 1. A faulting
 * update of the guest's table is a write only if a read had not needed it. */
START_TEST(test_stage2_order)
{
    u64 s2 = new_table(), v;
    c->sys[VTTBR_EL2] = s2 | 3ull << 48;
    c->sys[VTCR_EL2] = 25 | 1 << 6 | 5 << 16 | 1u << 31;
    for (u64 p = 0; p < PAGES; p++)
        map(s2, RAM + (p << 12), (RAM + (p << 12)) | AF | 0xf << 2 | 3 << 6 | PAGE);
    map(s2, 0x50000000, (RAM + 0x1000) | AF | 1 << 2 | 1 << 6 | PAGE); /* Device, read-only */
    map(s2, 0x50001000, (RAM + 0x1000) | AF | 6 << 2 | 3 << 6 | PAGE);
    map(root0, 0x5000, 0x50000000 + (AF | NORMAL | PAGE | NG));
    map(root0, 0x6000, 0x50001000 + (AF | DEVICE | PAGE | NG));
    map(root0, 0x7000, 0x50001000 + (NORMAL | PAGE | NG)); /* no access flag */
    const u64 hcr = HCR_RW | HCR_VM | HCR_FWB;
#define GUEST()                                                                                                        \
    do {                                                                                                               \
        c->sys[HCR_EL2] = hcr;                                                                                         \
        c->sys[TCR_EL1] |= 1ull << 39; /* HA */                                                                        \
        sysreg_refresh(c);                                                                                             \
        context_touch(c);                                                                                              \
        context_resolve(c);                                                                                            \
    } while (0)
    GUEST();
    ck_assert(!mem_write(c, 0x5001, 4, 0, 0));
    EXPECT_DABT(2, EC_DABT_LOW, WNR | 0x21, 0x5001);
    GUEST();
    ck_assert(!mem_write(c, 0x5004, 4, 0, 0));
    EXPECT_DABT(2, EC_DABT_LOW, WNR | 0x0f, 0x5004);
    GUEST();
    ck_assert(mem_read(c, 0x6008, 8, 0, &v));
    ck_assert(!mem_read(c, 0x6009, 8, 0, &v));
    EXPECT_DABT(1, EC_DABT_SAME, 0x21, 0x6009);
    for (u64 p = 0; p < PAGES; p++) /* the tables become read-only */
        map(s2, RAM + (p << 12), (RAM + (p << 12)) | AF | 0xf << 2 | 1 << 6 | PAGE);
    sysop_tlbi(c, SR_TLBI_ALLE1, 0);
    struct mem_rmw m;
    GUEST();
    ck_assert(!mem_rmw(c, 0x7008, 8, MEM_ATOMIC, &m));
    EXPECT_DABT(2, EC_DABT_LOW, S1PTW | 0x0f, 0x7008);
    GUEST();
    ck_assert(!mem_write(c, 0x7008, 8, 0, 0));
    EXPECT_DABT(2, EC_DABT_LOW, S1PTW | WNR | 0x0f, 0x7008);
    /* HCR_EL2.TEA takes external aborts of the guest */
    map(root0, 0x8000, 0x50002000 + (AF | NORMAL | PAGE | NG));
    map(s2, 0x50002000, 0x70000000 | AF | 15 << 2 | 3 << 6 | PAGE);
    GUEST();
    ck_assert(!mem_read(c, 0x8008, 8, 0, &v));
    EXPECT_DABT(1, EC_DABT_SAME, 0x10, 0x8008);
    GUEST();
    c->sys[HCR_EL2] |= HCR_TEA;
    sysreg_refresh(c);
    ck_assert(!mem_read(c, 0x8008, 8, 0, &v));
    EXPECT_DABT(2, EC_DABT_LOW, 0x10, 0x8008);
}
END_TEST

/* Cache maintenance needs permissions but makes nothing dirty. */
START_TEST(test_clean_stays)
{
    const u64 clean = RAM + 0x1000 + (AF | NORMAL | PAGE | AP_RO | 1ull << 51);
    map(root0, 0x5000, clean);
    c->sys[TCR_EL1] |= 3ull << 39; /* HA, HD */
    context_touch(c);
    context_resolve(c);
    sysop_dc(c, SR_DC_IVAC, 0x5000);
    sysop_dc(c, SR_DC_CVAC, 0x5000);
    ck_assert_uint_eq(c->ps.el, 1);
    u64 at = root0;
    for (unsigned i = 0; i < 2; i++)
        at = peek(at) & ones(48) & ~0xfffull;
    ck_assert_uint_eq(peek(at + 8 * 5), clean);
    ck_assert(mem_write(c, 0x5000, 8, 0, 1));
    ck_assert_uint_eq(peek(at + 8 * 5), clean & ~(u64)AP_RO);
    map(root0, 0x6000, clean & ~(1ull << 51));
    c->pc = 0x5000;
    sysop_dc(c, SR_DC_IVAC, 0x6008);
    EXPECT_DABT(1, EC_DABT_SAME, 1 << 8 | WNR | 0x0f, 0x6008);
}
END_TEST

/* A change of SCTLR.M is followed before anything is cached for the wrong space. */
START_TEST(test_mmu_switch)
{
    map(root0, RAM, RAM + 0x2000 + (AF | NORMAL | PAGE));
    poke(RAM + 0x2000, 2);
    poke(RAM, 1);
    u64 v;
    ck_assert(mem_read(c, RAM, 8, 0, &v) && v == 2);
    c->sys[SCTLR_EL1] &= ~SCTLR_M;
    context_touch(c);
    context_resolve(c);
    ck_assert(mem_read(c, RAM, 8, 0, &v) && v == 1);
    ck_assert(!mem_read(c, RAM + 1, 8, 0, &v)); /* Device memory now */
    ck_assert_uint_eq(c->sys[ESR_EL1] & 0x3f, 0x21);
    c->sys[SCTLR_EL1] |= SCTLR_M;
    context_touch(c);
    ck_assert(mem_read_slow(c, RAM, 8, 0, &v) && v == 2);
}
END_TEST

/* Contexts that are found again when a control register's value comes back have what that value gave them: with the top
 * byte ignored, an invalidation by address finds what was accessed with another top byte. */
START_TEST(test_contexts_again)
{
    const u64 tbi0 = 1ull << 37, top = 0xabull << 56, tcr = c->sys[TCR_EL1];
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE | NG));
    poke(RAM + 0x1000, 1);
    poke(RAM + 0x2000, 2);
    u64 v;
    for (unsigned i = 0; i < 3; i++) {
        c->sys[TCR_EL1] = i % 2 ? tcr : tcr | tbi0;
        context_switch(c);
        context_lose(c);
        context_update(c);
    }
    ck_assert(mem_read(c, 0x5000 + top, 8, 0, &v) && v == 1);
    map(root0, 0x5000, RAM + 0x2000 + (AF | NORMAL | PAGE | NG));
    sysop_tlbi(c, SR_TLBI_VAE1, 0x5 | 1ull << 48);
    ck_assert(mem_read(c, 0x5000 + top, 8, 0, &v) && v == 2);
}
END_TEST

START_TEST(test_zero_block)
{
    map(root0, 0x5000, RAM + 0x1000 + (AF | NORMAL | PAGE));
    map(root0, 0x6000, RAM + 0x1000 + (AF | DEVICE | PAGE));
    for (unsigned round = 0; round < 2; round++) {
        memset(host(RAM + 0x1000), 0xff, 0x1000);
        ck_assert(mem_zero_block(c, 0x5055));
        ck_assert_uint_eq(peek(RAM + 0x1040), 0);
        ck_assert_uint_eq(peek(RAM + 0x1078), 0);
        ck_assert_uint_eq(peek(RAM + 0x1038), ~0ull);
        ck_assert_uint_eq(peek(RAM + 0x1080), ~0ull);
    }
    ck_assert(!mem_zero_block(c, 0x6040));
    ck_assert_uint_eq(c->sys[ESR_EL1] & 0x3f, 0x21);
}
END_TEST

START_TEST(test_debug)
{
    map(root0, 0x5000, RAM + 0x1000 + (NORMAL | PAGE)); /* no access flag: observed all the same */
    map(root0, 0x6000, RAM + 0x3000 + (NORMAL | PAGE));
    memset(host(RAM + 0x1000), 0xaa, 0x1000);
    memset(host(RAM + 0x3000), 0xbb, 0x1000);
    u8 b[4];
    ck_assert(mem_debug_read(c, 0x5ffe, b, 4));
    ck_assert(b[0] == 0xaa && b[1] == 0xaa && b[2] == 0xbb && b[3] == 0xbb);
    ck_assert(!mem_debug_read(c, 0x6ffe, b, 4));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mem");
    TCase *t = tcase_create("mem");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_load_store);
    tcase_add_test(t, test_faults);
    tcase_add_test(t, test_device);
    tcase_add_test(t, test_device_turns);
    tcase_add_test(t, test_atomic_wnr);
    tcase_add_test(t, test_alignment);
    tcase_add_test(t, test_big_endian);
    tcase_add_test(t, test_unprivileged);
    tcase_add_test(t, test_exclusive);
    tcase_add_test(t, test_rmw);
    tcase_add_test(t, test_code_pages);
    tcase_add_test(t, test_tlbi);
    tcase_add_test(t, test_asids);
    tcase_add_test(t, test_at);
    tcase_add_test(t, test_stage2);
    tcase_add_test(t, test_stage2_order);
    tcase_add_test(t, test_clean_stays);
    tcase_add_test(t, test_mmu_switch);
    tcase_add_test(t, test_contexts_again);
    tcase_add_test(t, test_zero_block);
    tcase_add_test(t, test_debug);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
