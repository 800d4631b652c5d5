/* Every TLBI instruction against a rule made from its name: what it must drop is gone, on the PEs it must reach, and
 * what lies outside its regime, Security state, VMID, ASID or address range stays (DDI0487 D8.16, C5.5).
 *
 * All contexts share one leaf descriptor that is changed after their entries were made, so a read tells whether
 * the entry was stale. What may be dropped and what must be is the same here: Elara is exact but for combined entries,
 * which TLBI by IPA leaves alone, as it may. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/bus.h"
#include "core/log.h"
#include "cpu/code.h"
#include "cpu/context.h"
#include "cpu/fields.h"
#include "cpu/mem.h"
#include "cpu/model.h"
#include "cpu/sysop.h"
#include "mmu/tlb.h"

#define RAM    0x40000000ull
#define TABLES (RAM + 0x8000)
#define PAGE_A (RAM + 0x1000)
#define PAGE_B (RAM + 0x2000)
#define VA     0x7000ull   /* nG */
#define GLOBAL 0x207000ull /* by another level 2 entry */
#define FAR_VA 0x407000ull /* nG; outside the ranges that are invalidated */
#define BLOCK  0x600000ull /* nG, 2 MiB */
enum { AF = 1 << 10, NG = 1 << 11, ATTR = 0 << 2, PAGE = 3, SH = 3 << 8, USER = 1 << 6 };

static struct log quiet;
static struct cpu_env env;
static struct cpu *cpus[2];

static u8 *host(u64 a) { return bus_ram_base(env.bus) + (a - RAM); }
static void poke(u64 a, u64 v) { memcpy(host(a), &v, 8); }

/* The regimes in which an entry can be. */
struct ctx {
    const char *name;
    u8 el, kind;
    bool secure, e2h, tge, s1, s2;
    u8 vmid, asid;
    u64 va;
};
static const struct ctx ctxs[] = {
    {"EL1 vmid 1 asid 1", 1, REGIME_EL10, false, false, false, true, false, 1, 1, VA},
    {"EL1 vmid 1 asid 2", 1, REGIME_EL10, false, false, false, true, false, 1, 2, VA},
    {"EL1 vmid 1 global", 1, REGIME_EL10, false, false, false, true, false, 1, 1, GLOBAL},
    {"EL1 vmid 1 far", 1, REGIME_EL10, false, false, false, true, false, 1, 1, FAR_VA},
    {"EL1 vmid 1 block", 1, REGIME_EL10, false, false, false, true, false, 1, 1, BLOCK + 0x3000},
    {"EL1 vmid 1 both stages", 1, REGIME_EL10, false, false, false, true, true, 1, 1, VA},
    {"EL1 vmid 1 stage 2", 1, REGIME_EL10, false, false, false, false, true, 1, 1, VA},
    {"EL1 vmid 1 stage 2 far", 1, REGIME_EL10, false, false, false, false, true, 1, 1, FAR_VA},
    {"EL1 vmid 2 stage 2", 1, REGIME_EL10, false, false, false, false, true, 2, 1, VA},
    {"EL1 vmid 2 asid 1", 1, REGIME_EL10, false, false, false, true, false, 2, 1, VA},
    {"EL2&0 asid 1", 2, REGIME_EL20, false, true, true, true, false, 1, 1, VA},
    {"EL2&0 asid 2", 2, REGIME_EL20, false, true, true, true, false, 1, 2, VA},
    {"EL2", 2, REGIME_EL2, false, false, false, true, false, 1, 1, VA},
    {"EL2 far", 2, REGIME_EL2, false, false, false, true, false, 1, 1, FAR_VA},
    {"EL3", 3, REGIME_EL3, true, false, false, true, false, 1, 1, VA},
    {"EL3 far", 3, REGIME_EL3, true, false, false, true, false, 1, 1, FAR_VA},
    {"Secure EL1", 1, REGIME_EL10, true, false, false, true, false, 1, 1, VA},
    {"Secure EL2", 2, REGIME_EL2, true, false, false, true, false, 1, 1, VA},
};

/* Puts x where the context is; HCR_EL2 and the rest follow. */
static void enter(struct cpu *x, const struct ctx *k)
{
    u64 *s = x->sys;
    s[SCR_EL3] = (k->secure ? 0 : SCR_NS) | 1u << 10 | 1ull << 18; /* RW, EEL2 */
    s[HCR_EL2] = HCR_RW | (k->s2 ? HCR_VM : 0) | (k->e2h ? HCR_E2H : 0) | (k->tge ? HCR_TGE : 0);
    s[SCTLR_EL1] = k->s1 ? SCTLR_M : 0;
    s[SCTLR_EL2] = s[SCTLR_EL3] = SCTLR_M;
    s[TCR_EL1] = 25 | 25 << 16 | 2u << 30 | 5ull << 32;
    s[TCR_EL2] = k->e2h ? s[TCR_EL1] : 25 | 5u << 16;
    s[TCR_EL3] = 25 | 5u << 16;
    s[TTBR0_EL1] = TABLES | (u64)k->asid << 48;
    s[TTBR0_EL2] = TABLES | (k->e2h ? (u64)k->asid << 48 : 0);
    s[TTBR0_EL3] = TABLES;
    s[VTTBR_EL2] = (TABLES + 0x4000) | (u64)k->vmid << 48;
    s[VSTTBR_EL2] = TABLES + 0x4000;
    s[VTCR_EL2] = 25 | 1 << 6 | 5 << 16; /* level 1 */
    s[VSTCR_EL2] = 25 | 1 << 6;
    s[MAIR_EL1] = s[MAIR_EL2] = s[MAIR_EL3] = 0xff;
    sysreg_refresh(x);
    cpu_set_el(x, k->el, 1);
    context_touch(x);
    context_resolve(x);
}

static void set_leaves(u64 page)
{
    const u64 leaf = page | AF | SH | ATTR | PAGE;
    poke(TABLES + 0x2000 + 8 * 7, leaf | NG | USER);
    poke(TABLES + 0x3000 + 8 * 7, leaf | USER);
    poke(TABLES + 0x7000 + 8 * 7, leaf | NG | USER);
    poke(TABLES + 0x6000 + 8 * 7, page | AF | SH | 3 << 6 | 15 << 2 | PAGE);
    poke(TABLES + 0x1000 + 8 * 3, (page == PAGE_A ? RAM : RAM + 0x200000) | AF | SH | ATTR | NG | USER | 1);
}

/* Stage 1: VA by 0x2000, GLOBAL by 0x3000, FAR_VA by 0x7000, a block. Stage 2: the tables and pages themselves by a
 * block, VA and FAR_VA by 0x6000. */
static void setup(void)
{
    env = (struct cpu_env){.log = &quiet, .count = 2, .cpus = cpus};
    env.bus = bus_new(&quiet);
    bus_map_ram(env.bus, 1 << PAS_NS | 1 << PAS_S, RAM, 0x400000, "ram");
    bus_seal(env.bus);
    static struct cpu_config cfg;
    char err[200];
    const struct model_request want = {.el2 = true, .el3 = true};
    ck_assert(model_lookup("max", &want, &cfg, err, sizeof err));
    for (unsigned i = 0; i < 2; i++) {
        cpus[i] = cpu_new(&env, &cfg);
        cpu_reset(cpus[i]);
    }
    poke(TABLES, (TABLES + 0x1000) | PAGE);
    poke(TABLES + 0x1000, (TABLES + 0x2000) | PAGE);
    poke(TABLES + 0x1000 + 8, (TABLES + 0x3000) | PAGE);
    poke(TABLES + 0x1000 + 16, (TABLES + 0x7000) | PAGE);
    poke(TABLES + 0x4000, (TABLES + 0x5000) | PAGE);
    poke(TABLES + 0x4000 + 8, RAM | AF | SH | 3 << 6 | 15 << 2 | 1);
    poke(TABLES + 0x5000, (TABLES + 0x6000) | PAGE);
    poke(TABLES + 0x5000 + 16, (TABLES + 0x6000) | PAGE);
    for (unsigned i = 0; i < 8; i++) {
        poke(PAGE_A + 8 * i, 'A');
        poke(PAGE_B + 8 * i, 'B');
    }
    poke(RAM + 0x3000, 'A');
    poke(RAM + 0x203000, 'B');
}

static void teardown(void)
{
    cpu_free(cpus[0]);
    cpu_free(cpus[1]);
    if (env.code)
        code_cache_free(env.code);
    bus_free(env.bus);
}

static u64 look(struct cpu *x, const struct ctx *k)
{
    u64 v = 0;
    enter(x, k);
    ck_assert_msg(mem_read(x, k->va, 8, 0, &v), "%s: no access", k->name);
    return v;
}

static bool has(const char *name, const char *part) { return strstr(name, part) != NULL; }
static bool begins(const char *name, const char *with) { return strncmp(name, with, strlen(with)) == 0; }

/* Where the instruction is executed. */
struct place {
    bool secure, e2h, tge;
};

/* What the name says: must the entry of k go? */
static bool must_drop(const char *name, const struct place *p, const struct ctx *k)
{
    const char *op = name + strlen("TLBI_");
    bool range = op[0] == 'R';
    op += range;
    if (k->secure != (has(op, "E3") || p->secure))
        return false;
    unsigned kind = has(op, "E3")                                                  ? REGIME_EL3
                    : has(op, "E2") && !has(op, "S2E1") && !begins(op, "VMALLS12") ? (p->e2h ? REGIME_EL20 : REGIME_EL2)
                    : has(op, "E1") && p->e2h && p->tge && !has(op, "S2") && !has(op, "S12") && !begins(op, "ALLE1")
                        ? REGIME_EL20
                        : REGIME_EL10;
    if (kind != k->kind)
        return false;
    if (kind == REGIME_EL10 && !begins(op, "ALLE1") && k->vmid != 1)
        return false;
    if (begins(op, "ALL") || begins(op, "VMALL"))
        return true;
    bool two = kind == REGIME_EL10 || kind == REGIME_EL20, global = k->va == GLOBAL;
    if (begins(op, "ASID"))
        return k->asid == 1 && !global && k->s1; /* entries of stage 2 alone are global */
    if (k->va != VA)                             /* operands are VA */
        return false;
    if (begins(op, "IPAS2"))
        return k->s2 && !k->s1;
    return begins(op, "VAA") || !two || k->asid == 1 || !k->s1;
}

/* Both PEs get entries of page A, page B comes, the first invalidates. */
static void one(unsigned id, const struct place *p, const struct ctx *k)
{
    const char *name = sysreg_name(id);
    const bool range = name[5] == 'R', two = k->kind == REGIME_EL10 || k->kind == REGIME_EL20;
    set_leaves(PAGE_A);
    for (unsigned i = 0; i < 2; i++) {
        context_flush(cpus[i]);
        ck_assert_uint_eq(look(cpus[i], k), 'A');
    }
    set_leaves(PAGE_B);
    const struct ctx at = {"", 3, REGIME_EL3, p->secure, p->e2h, p->tge, true, true, 1, 1, 0};
    enter(cpus[0], &at);
    /* ASID 1; ranges: granule 4 KiB, SCALE 0, NUM 1: four pages from VA - 0x3000 */
    u64 page = range ? (VA - 0x3000) >> 12 | 1ull << 39 | 1ull << 46 : VA >> 12;
    if (!has(name, "IPAS2") && (two || !range))
        page |= 1ull << 48;
    if (begins(name + 5, "ASID"))
        page &= ~ones(48);
    sysop_tlbi(cpus[0], id, page);
    bool drop = must_drop(name, p, k), wide = has(name + 5, "IS") || has(name + 7, "OS");
    ck_assert_msg(look(cpus[0], k) == (drop ? 'B' : 'A'), "%s (%s%s%s), %s: %s", name, p->secure ? "Secure" : "",
                  p->e2h ? " E2H" : "", p->tge ? " TGE" : "", k->name, drop ? "stays" : "is dropped");
    ck_assert_msg(look(cpus[1], k) == (drop && wide ? 'B' : 'A'), "%s, %s, other PE: %s", name, k->name,
                  drop && wide ? "stays" : "is dropped");
}

START_TEST(test_every)
{
    static const struct place places[] = {
        {false, false, false}, {false, true, false}, {false, true, true}, {true, false, false}};
    unsigned n = 0;
    for (unsigned id = 0; id < SR_COUNT; id++) {
        if (!begins(sysreg_name(id), "TLBI_"))
            continue;
        n++;
        for (unsigned p = 0; p < ARRAY_LEN(places); p++)
            for (unsigned k = 0; k < ARRAY_LEN(ctxs); k++)
                one(id, &places[p], &ctxs[k]);
    }
    ck_assert_uint_ge(n, 100); /* with their nXS forms */
}
END_TEST

/* A block goes whole, by whichever of its pages; contiguous pages go one by one, being entered one by one. */
START_TEST(test_block)
{
    const struct ctx *k = &ctxs[4];
    struct cpu *c = cpus[0];
    for (unsigned i = 0; i < 3; i++) {
        static const u64 by[] = {BLOCK, BLOCK + 0x1ff000, BLOCK + 0x5000};
        set_leaves(PAGE_A);
        context_flush(c);
        ck_assert_uint_eq(look(c, k), 'A');
        set_leaves(PAGE_B);
        sysop_tlbi(c, SR_TLBI_VAE1, 1ull << 48 | (BLOCK - 0x1000) >> 12);
        ck_assert_uint_eq(look(c, k), 'A');
        sysop_tlbi(c, SR_TLBI_VAE1, 1ull << 48 | by[i] >> 12);
        ck_assert_uint_eq(look(c, k), 'B');
    }
}
END_TEST

/* The blocks of stage 2 alone fall by any of their addresses; of both stages, by IPA and then VMALLE1. */
START_TEST(test_stage2_block)
{
    struct cpu *c = cpus[0];
    for (unsigned both = 0; both < 2; both++) {
        struct ctx k = ctxs[both ? 5 : 6];
        k.va = both ? VA : 0x800000 + 0x3000;
        set_leaves(PAGE_A);
        poke(TABLES + 0x5000 + 8 * 4, RAM | AF | SH | 3 << 6 | 15 << 2 | 1);
        if (both) /* stage 1 leads there */
            poke(TABLES + 0x2000 + 8 * 7, 0x803000 | AF | SH | ATTR | NG | USER | PAGE);
        context_flush(c);
        ck_assert_uint_eq(look(c, &k), 'A');
        poke(TABLES + 0x5000 + 8 * 4, (RAM + 0x200000) | AF | SH | 3 << 6 | 15 << 2 | 1);
        sysop_tlbi(c, SR_TLBI_IPAS2E1, 0x9ff000 >> 12);
        if (both)
            sysop_tlbi(c, SR_TLBI_VMALLE1, 0);
        ck_assert_uint_eq(look(c, &k), 'B');
    }
}
END_TEST

/* HCR_EL2.FB makes a local invalidation at EL1 reach everyone. */
START_TEST(test_forced_broadcast)
{
    const struct ctx *k = &ctxs[0];
    for (unsigned fb = 0; fb < 2; fb++) {
        set_leaves(PAGE_A);
        for (unsigned i = 0; i < 2; i++) {
            context_flush(cpus[i]);
            ck_assert_uint_eq(look(cpus[i], k), 'A');
        }
        set_leaves(PAGE_B);
        cpus[0]->sys[HCR_EL2] |= fb ? HCR_FB : 0;
        sysreg_refresh(cpus[0]);
        sysop_tlbi(cpus[0], SR_TLBI_VMALLE1, 0);
        ck_assert_uint_eq(look(cpus[1], k), fb ? 'B' : 'A');
    }
}
END_TEST

static struct tlb_inv heard;
static unsigned times;
static void listen_to(void *arg, const struct tlb_inv *inv)
{
    (void)arg;
    heard = *inv;
    times++;
}

/* Those who listen beside the PEs (the SMMU) hear the broadcast forms, and which stages they are for. */
START_TEST(test_listener)
{
    env.broadcast = listen_to;
    for (unsigned id = 0; id < SR_COUNT; id++) {
        const char *name = sysreg_name(id), *op = name + strlen("TLBI_");
        if (!begins(name, "TLBI_"))
            continue;
        const struct ctx at = {"", 3, REGIME_EL3, false, false, false, true, true, 1, 1, 0};
        enter(cpus[0], &at);
        times = 0;
        bool range = op[0] == 'R', wide = has(op, "IS") || has(op + 2, "OS");
        sysop_tlbi(cpus[0], id,
                   range                ? VA >> 12 | 1ull << 46
                   : begins(op, "ASID") ? 1ull << 48
                                        : 1ull << 48 | VA >> 12);
        op += range;
        ck_assert_msg(times == wide, "%s is heard %u times", name, times);
        if (!wide)
            continue;
        bool all = begins(op, "ALLE1") || begins(op, "VMALLS12"), ipa = begins(op, "IPAS2");
        ck_assert_msg(heard.both_stages == all && heard.scope.stage2_only == ipa, "%s: stages", name);
        ck_assert_msg(heard.scope.any_vmid == (begins(op, "ALL") || has(op, "E2") || has(op, "E3")), "%s: VMIDs", name);
        ck_assert_uint_eq(heard.scope.pas, has(op, "E3") ? PAS_S : PAS_NS);
        if (heard.form == TLB_INV_VA)
            ck_assert_uint_eq(heard.va, VA);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tlbi");
    TCase *t = tcase_create("tlbi");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_every);
    tcase_add_test(t, test_block);
    tcase_add_test(t, test_stage2_block);
    tcase_add_test(t, test_forced_broadcast);
    tcase_add_test(t, test_listener);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
