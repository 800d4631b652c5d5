/* Nested virtualization (FEAT_NV, FEAT_NV2): what a guest hypervisor at EL1 sees, what traps to the one at EL2, and the
 * registers that are memory at VNCR_EL2 (DDI0487 D8.14). The traps of every register are in test_sysreg_spec.c. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/bus.h"
#include "core/log.h"
#include "cpu/a64.h"
#include "cpu/code.h"
#include "cpu/context.h"
#include "cpu/exception.h"
#include "cpu/fields.h"
#include "cpu/mem.h"
#include "cpu/model.h"
#include "cpu/sysreg_row.h"

#define RAM  0x40000000ull
#define PAGE (RAM + 0x5000) /* where VNCR_EL2 points */
enum { PAGES = 64 };
enum { AF = 1 << 10, AP_USER = 1 << 6, NORMAL = 1 << 2, LEAF = 3 };
enum { VNCR = 1 << 13, WNR = 1 << 6 };
#define NV     HCR_NV
#define NV_NV1 (HCR_NV | HCR_NV1)
#define NV_NV2 (HCR_NV | HCR_NV2)
#define NV_ALL (HCR_NV | HCR_NV1 | HCR_NV2)

static struct log quiet;
static struct cpu_env env;
static struct cpu *c;
static u64 tables; /* next free table */

static u64 port_read(void *arg, unsigned reg, const struct port_txn *x) { return (void)arg, (void)reg, (void)x, 0; }
static void port_write(void *arg, unsigned reg, const struct port_txn *x, u64 val)
{
    (void)arg, (void)reg, (void)x, (void)val;
}

static u8 *host(u64 pa) { return bus_ram_base(env.bus) + (pa - RAM); }
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

/* One page of a 39-bit, 4 KiB tree. */
static void map(u64 root, u64 va, u64 desc)
{
    u64 at = root;
    for (unsigned l = 1; l < 3; l++) {
        u64 slot = at + (va >> (39 - 9 * l) & 511) * 8;
        if (!peek(slot))
            poke(slot, new_table() | 3);
        at = peek(slot) & ~0xfffull;
    }
    poke(at + (va >> 12 & 511) * 8, desc);
}

static void setup(void)
{
    env = (struct cpu_env){.log = &quiet, .cpus = &c, .count = 1};
    env.bus = bus_new(&quiet);
    bus_map_ram(env.bus, 1 << PAS_NS, RAM, PAGES << 12, "ram");
    bus_seal(env.bus);
    static struct cpu_config cfg;
    memset(&cfg, 0, sizeof cfg);
    const struct model_request want = {.el2 = true, .gicv3 = true};
    char why[200];
    ck_assert_msg(model_lookup("max", &want, &cfg, why, sizeof why), "%s", why);
    c = cpu_new(&env, &cfg);
    for (unsigned i = 0; i < PORT_COUNT; i++)
        c->ports[i] = (struct port){.read = port_read, .write = port_write};
    cpu_reset(c);
    c->run = CPU_RUNNING;
    c->sys[VNCR_EL2] = PAGE;
    c->sys[VBAR_EL1] = 0x1000;
    c->sys[VBAR_EL2] = 0x2000;
    tables = RAM + (PAGES << 12);
}
static void teardown(void)
{
    cpu_free(c);
    bus_free(env.bus);
}

/* At EL1 under hcr, about to execute at 0x100. */
static void at_el1(u64 hcr)
{
    c->sys[HCR_EL2] = HCR_RW | hcr;
    sysreg_refresh(c);
    cpu_set_spsr(c, 5);
    c->pc = 0x100;
    context_touch(c);
    context_resolve(c);
}

static enum step mrs(unsigned sr)
{
    const struct op o = {.imm = sr, .rd = 3};
    return sysreg_mrs(c, &o);
}
static enum step msr(unsigned sr, u64 val)
{
    const struct op o = {.imm = sr, .rd = 3};
    c->x[3] = val;
    return sysreg_msr(c, &o);
}

/* The last access went to el as exception class ec, and did nothing. */
#define EXPECT_TRAP(el_, ec_)                                                                                          \
    do {                                                                                                               \
        ck_assert_uint_eq(c->ps.el, el_);                                                                              \
        ck_assert_uint_eq(c->sys[el_ == 2 ? ESR_EL2 : ESR_EL1] >> 26, ec_);                                            \
        ck_assert_uint_eq(c->sys[el_ == 2 ? ELR_EL2 : ELR_EL1], 0x100);                                                \
    } while (0)

/* ---- the VNCR_EL2 page ------------------------------------------------------------------------------------------ */

/* A register is at off with hcr: reads and writes go there and to nothing else. */
static void check_row(const char *name, unsigned sr, unsigned off, u64 hcr)
{
    u64 seed = 0x0123456789abcdefull ^ (u64)off << 20;
    unsigned cell = sysreg_rows[sr].cell;
    u64 before = cell ? c->sys[cell] : 0;
    at_el1(hcr | HCR_ATA | HCR_EnSCXT);
    if (cell == HCR_EL2)
        before = c->sys[HCR_EL2];
    memset(host(PAGE), 0xaa, 0x1000);
    ck_assert_msg(msr(sr, seed) == STEP_NEXT && c->ps.el == 1, "MSR %s", name);
    for (unsigned o = 0; o < 0x1000; o += 8)
        ck_assert_msg(peek(PAGE + o) == (o == off ? seed : 0xaaaaaaaaaaaaaaaaull), "MSR %s: %x", name, o);
    poke(PAGE + off, ~seed);
    ck_assert_msg(mrs(sr) == STEP_NEXT && c->x[3] == ~seed, "MRS %s", name);
    ck_assert_msg(!cell || c->sys[cell] == before, "%s itself changed", name);
}

static unsigned find(const char *name)
{
    for (unsigned i = 1; i < SR_COUNT; i++)
        if (!strcmp(sysreg_name(i), name))
            return i;
    return SR_NONE;
}

/* NV1 says whether the EL1 names or the _EL12 and _EL02 names are memory; EL2 registers do not care. */
static u64 hcr_of(const char *name)
{
    size_t n = strlen(name);
    if (!strcmp(name + n - 4, "EL12") || !strcmp(name + n - 4, "EL02"))
        return NV_NV2;
    return !strcmp(name + n - 3, "EL2") || !strcmp(name, "ACTLR_EL1") || !strcmp(name, "MDSCR_EL1") ? NV_NV2 : NV_ALL;
}

static const struct {
    const char *name;
    unsigned off;
} some[] = {
    {"VTTBR_EL2", 0x020},      {"VTCR_EL2", 0x040},      {"VMPIDR_EL2", 0x050},     {"CNTVOFF_EL2", 0x060},
    {"HCR_EL2", 0x078},        {"HSTR_EL2", 0x080},      {"VPIDR_EL2", 0x088},      {"TPIDR_EL2", 0x090},
    {"HCRX_EL2", 0x0a0},       {"VNCR_EL2", 0x0b0},      {"CPACR_EL1", 0x100},      {"CPACR_EL12", 0x100},
    {"CONTEXTIDR_EL1", 0x108}, {"SCTLR_EL1", 0x110},     {"SCTLR_EL12", 0x110},     {"ACTLR_EL1", 0x118},
    {"TCR_EL1", 0x120},        {"ESR_EL1", 0x138},       {"MAIR_EL1", 0x140},       {"MDSCR_EL1", 0x158},
    {"SPSR_EL1", 0x160},       {"SPSR_EL12", 0x160},     {"CNTV_CVAL_EL02", 0x168}, {"CNTV_CTL_EL02", 0x170},
    {"CNTP_CVAL_EL02", 0x178}, {"CNTP_CTL_EL02", 0x180}, {"HFGRTR_EL2", 0x1b8},     {"HFGITR_EL2", 0x1c8},
    {"TTBR0_EL1", 0x200},      {"TTBR1_EL12", 0x210},    {"FAR_EL1", 0x220},        {"ELR_EL1", 0x230},
    {"ELR_EL12", 0x230},       {"SP_EL1", 0x240},        {"VBAR_EL1", 0x250},       {"VBAR_EL12", 0x250},
    {"ICH_LR0_EL2", 0x400},    {"ICH_AP1R0_EL2", 0x4a0}, {"ICH_HCR_EL2", 0x4c0},    {"ICH_VMCR_EL2", 0x4c8},
    {"VDISR_EL2", 0x500},      {"VSESR_EL2", 0x508},
};

START_TEST(test_page)
{
    for (unsigned i = 0; i < sizeof some / sizeof *some; i++)
        for (unsigned e2h = 0; e2h < 2; e2h++) {
            unsigned sr = find(some[i].name);
            ck_assert_msg(sr != SR_NONE, "%s", some[i].name);
            check_row(some[i].name, sr, some[i].off, hcr_of(some[i].name) | (e2h ? HCR_E2H : 0));
        }
}
END_TEST

/* The architecture's whole list, where it is at hand: every register that there is. */
START_TEST(test_page_spec)
{
    const char *dir = getenv("ELARA_SPEC");
    char path[512], name[64];
    snprintf(path, sizeof path, "%s/nv2-vncr.tsv", dir ? dir : "/work/shared/spec");
    FILE *f = fopen(path, "r");
    if (!f)
        return;
    unsigned off, rows = 0;
    for (char line[256]; fgets(line, sizeof line, f);) {
        if (sscanf(line, "0x%x %63s", &off, name) != 2)
            continue;
        unsigned sr = find(name);
        if (sr == SR_NONE)
            continue;
        at_el1(hcr_of(name) | HCR_ATA | HCR_EnSCXT);
        if (sysreg_resolve(c, sr, false).action == ACT_UNDEF)
            continue; /* list registers beyond the fourth, Secure EL2 */
        check_row(name, sr, off, hcr_of(name));
        rows++;
    }
    fclose(f);
    printf("%u registers of the VNCR_EL2 page\n", rows);
    ck_assert_uint_ge(rows, 72);
}
END_TEST

/* SCTLR_EL2.EE decides the byte order, not SCTLR_EL1.EE. */
START_TEST(test_page_order)
{
    c->sys[SCTLR_EL1] |= SCTLR_EE;
    at_el1(NV_NV2);
    msr(SR_VTTBR_EL2, 0x1122334455667788ull);
    ck_assert_uint_eq(peek(PAGE + 0x20), 0x1122334455667788ull);
    c->sys[SCTLR_EL1] &= ~SCTLR_EE;
    c->sys[SCTLR_EL2] |= SCTLR_EE;
    at_el1(NV_NV2);
    ck_assert_int_eq(mrs(SR_VTTBR_EL2), STEP_NEXT);
    ck_assert_uint_eq(c->x[3], 0x8877665544332211ull);
}
END_TEST

/* Both regimes of EL2 translate the page; stage 2 and PAN have no say. Aborts are EL2's own. */
START_TEST(test_page_aborts)
{
    u64 low = new_table(), high = new_table();
    const u64 top = 0xffffff8000007000ull;
    map(low, 0x7000, PAGE | AF | NORMAL | LEAF);
    map(high, top, PAGE | AF | AP_USER | NORMAL | LEAF);
    map(low, 0x8000, PAGE | AF | 1 << 7 | NORMAL | LEAF); /* read-only */
    c->sys[MAIR_EL2] = 0xff00;
    c->sys[SCTLR_EL2] |= SCTLR_M;
    for (unsigned e2h = 0; e2h < 2; e2h++) {
        u64 hcr = NV_NV2 | HCR_VM | (e2h ? HCR_E2H : 0);
        c->sys[TCR_EL2] = e2h ? 25 | 25 << 16 | 2u << 30 | 5ull << 32 : 25 | 5 << 16;
        c->sys[TTBR0_EL2] = low;
        c->sys[TTBR1_EL2] = high;
        c->sys[VNCR_EL2] = e2h ? top : 0x7000;
        at_el1(hcr);
        c->ps.pan = true;
        context_touch(c);
        poke(PAGE + 0x40, 77 + e2h);
        ck_assert_int_eq(mrs(SR_VTCR_EL2), STEP_NEXT);
        ck_assert_uint_eq(c->x[3], 77 + e2h);
        ck_assert_int_eq(msr(SR_VTCR_EL2, 5), STEP_NEXT);
        ck_assert_uint_eq(peek(PAGE + 0x40), 5);
        c->sys[VNCR_EL2] = 0x8000;
        at_el1(hcr);
        ck_assert_int_eq(mrs(SR_VTCR_EL2), STEP_NEXT);
        ck_assert_int_eq(msr(SR_VTCR_EL2, 9), STEP_JUMP);
        EXPECT_TRAP(2, EC_DABT_SAME);
        ck_assert_uint_eq(c->sys[ESR_EL2] & 0x1ffffff, VNCR | WNR | 0x0f);
        ck_assert_uint_eq(c->sys[FAR_EL2], 0x8040);
        ck_assert_uint_eq(c->pc, 0x2400); /* from a lower EL, whatever the class says */
        ck_assert_uint_eq(peek(PAGE + 0x40), 5);
        c->sys[VNCR_EL2] = 0x9000;
        at_el1(hcr);
        c->x[3] = 1234;
        ck_assert_int_eq(mrs(SR_VTCR_EL2), STEP_JUMP);
        EXPECT_TRAP(2, EC_DABT_SAME);
        ck_assert_uint_eq(c->sys[ESR_EL2] & 0x1ffffff, VNCR | 0x07);
        ck_assert_uint_eq(c->x[3], 1234);
    }
}
END_TEST

/* ---- registers and instructions ---------------------------------------------------------------------------------- */

START_TEST(test_redirection)
{
    static const struct {
        unsigned sr, cell;
    } t[] = {{SR_ELR_EL2, ELR_EL1}, {SR_SPSR_EL2, SPSR_EL1}, {SR_ESR_EL2, ESR_EL1}, {SR_FAR_EL2, FAR_EL1}};
    for (unsigned i = 0; i < sizeof t / sizeof *t; i++) {
        at_el1(NV_NV2);
        ck_assert_int_ne(msr(t[i].sr, 0x40 + i), STEP_JUMP);
        ck_assert_uint_eq(c->sys[t[i].cell], 0x40 + i);
        at_el1(NV);
        ck_assert_int_eq(msr(t[i].sr, 1), STEP_JUMP);
        EXPECT_TRAP(2, EC_SYS64);
        at_el1(HCR_NV1 | HCR_NV2); /* without NV nothing of it is there */
        ck_assert_int_eq(mrs(t[i].sr), STEP_JUMP);
        EXPECT_TRAP(1, EC_UNKNOWN);
    }
    static const unsigned nv1[] = {SR_VBAR_EL1, SR_ELR_EL1, SR_SPSR_EL1, SR_SCXTNUM_EL1};
    for (unsigned i = 0; i < sizeof nv1 / sizeof *nv1; i++) {
        at_el1(NV_NV1);
        ck_assert_int_eq(mrs(nv1[i]), STEP_JUMP);
        EXPECT_TRAP(2, EC_SYS64);
        at_el1(NV | HCR_EnSCXT);
        ck_assert_int_eq(mrs(nv1[i]), STEP_NEXT);
        at_el1(HCR_NV1 | HCR_EnSCXT);
        ck_assert_int_eq(mrs(nv1[i]), STEP_NEXT);
    }
}
END_TEST

START_TEST(test_current_el)
{
    at_el1(0);
    mrs(SR_CurrentEL);
    ck_assert_uint_eq(c->x[3], 1 << 2);
    at_el1(HCR_NV1 | HCR_NV2);
    mrs(SR_CurrentEL);
    ck_assert_uint_eq(c->x[3], 1 << 2);
    at_el1(NV);
    mrs(SR_CurrentEL);
    ck_assert_uint_eq(c->x[3], 2 << 2);
}
END_TEST

/* An exception from EL1 to EL1 looks as if it came from EL2, except to a guest hypervisor without VHE and NV2. */
START_TEST(test_spsr)
{
    static const struct {
        u64 hcr;
        unsigned m;
    } t[] = {{0, 5}, {NV, 9}, {NV_NV1, 5}, {NV_NV2, 9}, {NV_ALL, 9}, {HCR_NV1 | HCR_NV2, 5}};
    for (unsigned i = 0; i < sizeof t / sizeof *t; i++) {
        at_el1(t[i].hcr);
        exc_svc(c, 0);
        ck_assert_uint_eq(c->ps.el, 1);
        ck_assert_uint_eq(c->sys[SPSR_EL1] & 15, t[i].m);
        at_el1(t[i].hcr);
        exc_hvc(c, 0);
        ck_assert_uint_eq(c->sys[SPSR_EL2] & 15, 5);
    }
}
END_TEST

static enum step execute(u32 word)
{
    const struct op o = decode(c->decoder, word);
    return a64_execs[o.row](c, &o);
}

START_TEST(test_eret)
{
    static const struct {
        u32 word;
        unsigned iss;
    } t[] = {{0xd69f03e0, 0}, {0xd69f0bff, 2}, {0xd69f0fff, 3}}; /* ERET, ERETAA, ERETAB */
    for (unsigned i = 0; i < 3; i++) {
        at_el1(NV | HCR_API);
        ck_assert_int_eq(execute(t[i].word), STEP_JUMP);
        EXPECT_TRAP(2, EC_ERET);
        ck_assert_uint_eq(c->sys[ESR_EL2] & 0x1ffffff, t[i].iss);
        at_el1(HCR_API);
        c->sys[HFGITR_EL2] = 1ull << 51;
        execute(t[i].word);
        EXPECT_TRAP(2, EC_ERET);
        c->sys[HFGITR_EL2] = 0;
        at_el1(HCR_API | HCR_NV1 | HCR_NV2);
        c->sys[SPSR_EL1] = 0;
        c->sys[ELR_EL1] = 0x400;
        execute(t[i].word);
        ck_assert_uint_eq(c->ps.el, 0);
    }
}
END_TEST

START_TEST(test_at_tlbi)
{
    static const unsigned el2[] = {SR_AT_S1E2R,    SR_AT_S1E2W,     SR_AT_S12E1R,      SR_AT_S12E0W,      SR_TLBI_ALLE2,
                                   SR_TLBI_VAE2IS, SR_TLBI_ALLE1IS, SR_TLBI_IPAS2E1IS, SR_TLBI_VMALLS12E1};
    static const unsigned el1[] = {SR_AT_S1E1R, SR_AT_S1E1W, SR_AT_S1E0R, SR_AT_S1E0W, SR_AT_S1E1RP, SR_AT_S1E1WP};
    for (unsigned i = 0; i < sizeof el2 / sizeof *el2; i++)
        for (unsigned nv2 = 0; nv2 < 2; nv2++) {
            at_el1(nv2 ? NV_NV2 : NV);
            ck_assert_int_eq(msr(el2[i], 0), STEP_JUMP);
            EXPECT_TRAP(2, EC_SYS64);
            at_el1(HCR_NV1);
            ck_assert_int_eq(msr(el2[i], 0), STEP_JUMP);
            EXPECT_TRAP(1, EC_UNKNOWN);
        }
    for (unsigned i = 0; i < sizeof el1 / sizeof *el1; i++) {
        at_el1(HCR_AT);
        ck_assert_int_eq(msr(el1[i], 0), STEP_JUMP);
        EXPECT_TRAP(2, EC_SYS64);
        at_el1(NV);
        ck_assert_int_ne(msr(el1[i], 0), STEP_JUMP);
    }
    at_el1(NV_NV2 | HCR_AT);
    ck_assert_int_ne(msr(SR_TLBI_VAE1, 0), STEP_JUMP);
    at_el1(NV_NV2 | HCR_TTLB);
    ck_assert_int_eq(msr(SR_TLBI_VAE1, 0), STEP_JUMP);
    EXPECT_TRAP(2, EC_SYS64);
}
END_TEST

/* {NV, NV1} = {1, 1}: descriptors as EL2 writes them: AP[1] is nothing, bit 54 is PXN; no PAN; LDTR is LDR. */
START_TEST(test_permissions)
{
    u64 root = new_table();
    map(root, 0x5000, PAGE | AF | AP_USER | NORMAL | LEAF);
    map(root, 0x6000, PAGE | AF | NORMAL | 1ull << 53 | LEAF);
    c->sys[MAIR_EL1] = 0xff00;
    c->sys[TCR_EL1] = 25 | 25 << 16 | 1 << 23 | 5ull << 32;
    c->sys[TTBR0_EL1] = root;
    c->sys[SCTLR_EL1] |= SCTLR_M;
    u64 v;
    for (unsigned i = 0; i < 2; i++) {
        at_el1(i ? NV_NV1 : NV);
        c->ps.pan = true;
        context_touch(c);
        context_resolve(c);
        ck_assert(mem_read(c, 0x5000, 8, 0, &v) == (i == 1));
        at_el1(i ? NV_NV1 : NV);
        ck_assert(mem_read(c, 0x6000, 8, MEM_UNPRIV, &v) == (i == 1));
        at_el1(i ? NV_NV1 : NV);
        ck_assert(mem_read(c, 0x6000, 8, 0, &v));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nv");
    TCase *t = tcase_create("nv");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_page);
    tcase_add_test(t, test_page_spec);
    tcase_add_test(t, test_page_order);
    tcase_add_test(t, test_page_aborts);
    tcase_add_test(t, test_redirection);
    tcase_add_test(t, test_current_el);
    tcase_add_test(t, test_spsr);
    tcase_add_test(t, test_eret);
    tcase_add_test(t, test_at_tlbi);
    tcase_add_test(t, test_permissions);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
