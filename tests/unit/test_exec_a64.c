/* Instructions whose effect is not only on registers: exceptions with their syndromes, exclusives,
 * self-modifying code, waiting, branch targets, the interpreter's page and slice boundaries.  Each case is
 * a few instructions at EL1 (or EL0) of a CPU with an identity map; it ends with the first exception. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bus.h"
#include "core/clock.h"
#include "core/log.h"
#include "cpu/context.h"
#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "cpu/fields.h"
#include "jit/jit.h"

enum { RAM = 4 << 20, TABLE = 0x10000, VBAR = 0x20000, CODE = 0x40000, DATA = 0x80000 };
#define GUARDED (1ull << 30)
#define EL0     (2ull << 30)
#define TAGGED  (3ull << 30)
enum { SVC = 0xd4000001, NOP = 0xd503201f };

struct rig {
    struct log log;
    struct clock clock;
    struct bus *bus;
    struct cpu_env env;
    struct cpu *c;
    struct exc_info last;
    unsigned taken;
};
static struct rig r;
static const struct engine *engine = &engine_interp;

static void stop(void *arg, struct cpu *c, const struct exc_info *e)
{
    struct rig *rig = arg;
    rig->last = *e;
    rig->taken++;
    c->run = CPU_HALTED;
}

static void put(u64 pa, const void *bytes, size_t n) { bus_load(r.bus, PAS_NS, pa, bytes, n); }
static u64 get(u64 pa)
{
    u64 v = 0;
    struct txn t = {.space = PAS_NS};
    bus_read(r.bus, &t, pa, &v, 8);
    return v;
}

static void setup(void)
{
    memset(&r, 0, sizeof r);
    r.bus = bus_new(&r.log);
    bus_map_ram(r.bus, 1 << PAS_NS, 0, RAM, "ram");
    bus_seal(r.bus);
    r.env = (struct cpu_env){
        .bus = r.bus, .clock = &r.clock, .log = &r.log, .cpus = &r.c, .count = 1, .hook_arg = &r, .on_exception = stop};
    struct cpu_config cfg = {.cntfrq = 62500000};
    memset(&cfg.feat, 0xff, sizeof cfg.feat);
    static const u16 off[] = {FEAT_EL2, FEAT_EL3};
    for (unsigned k = 0; k < ARRAY_LEN(off); k++)
        cfg.feat.w[off[k] / 64] &= ~(1ull << off[k] % 64);
    r.c = cpu_new(&r.env, &cfg);
    cpu_reset(r.c);
    struct cpu *c = r.c;
    /* 1 GiB blocks onto the same memory: EL1's, EL1's with the guarded attribute (BTI), EL0's, EL1's with
     * the Tagged attribute. */
    const u64 el1 = 1 << 10 | 3 << 8 | 1, blocks[] = {el1, 1ull << 50 | el1, 1 << 6 | el1, 1 << 2 | el1};
    put(TABLE, blocks, sizeof blocks);
    c->sys[MAIR_EL1] = 0xf0ff;
    c->sys[TCR_EL1] = 25 | 1 << 23 | 1 << 8 | 1 << 10 | 3 << 12 | 2ull << 32;
    c->sys[TTBR0_EL1] = TABLE;
    c->sys[SCTLR_EL1] = SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_SA | SCTLR_SA0 | SCTLR_nTWI | SCTLR_nTWE;
    c->sys[CPACR_EL1] = 3 << 20;
    c->sys[VBAR_EL1] = VBAR;
    sysreg_refresh(c);
    for (unsigned k = 0; k < 31; k++)
        c->x[k] = 0;
    c->x[1] = DATA;
}

static void teardown(void)
{
    cpu_free(r.c);
    bus_free(r.bus);
    clock_free(&r.clock);
}

static u64 run_slice(s64 n)
{
    u64 before = clock_now(&r.clock);
    clock_begin(&r.clock, &r.c->slice, n);
    engine->run(r.c);
    clock_finish(&r.clock);
    return clock_now(&r.clock) - before;
}

static void start(unsigned el, u64 pc)
{
    u64 sp = r.c->x[REG_SP];
    cpu_set_spsr(r.c, 0x3c0 | el << 2 | (el != 0));
    r.c->x[REG_SP] = sp;
    r.c->pc = pc;
    r.c->run = CPU_RUNNING;
    debug_update(r.c);
}

#define CASE(...)                                                                                                      \
    do {                                                                                                               \
        const u32 words[] = {__VA_ARGS__};                                                                             \
        put(CODE, words, sizeof words);                                                                                \
        start(1, CODE);                                                                                                \
        run_slice(1000);                                                                                               \
    } while (0)

static void ended(unsigned ec, u32 iss, u64 pc)
{
    ck_assert_uint_eq(r.taken, 1);
    ck_assert_uint_eq(r.last.esr >> 26, ec);
    ck_assert_uint_eq(r.last.esr & 0x1ffffff, iss);
    ck_assert_uint_eq(r.last.pc, pc);
}

START_TEST(test_undefined)
{
    CASE(NOP, 0x00000000);
    ended(EC_UNKNOWN, 0, CODE + 4);
    ck_assert_uint_eq(r.c->pc, VBAR + 0x200);
}
END_TEST

START_TEST(test_svc)
{
    CASE(0xd4002461); /* svc #0x123 */
    ended(EC_SVC64, 0x123, CODE + 4);
}
END_TEST

START_TEST(test_sp_alignment)
{
    r.c->x[REG_SP] = DATA + 8;
    CASE(0xf98003e0, 0xf94003e0); /* prfm [sp] does not check; ldr x0, [sp] */
    ended(EC_SP_ALIGN, 0, CODE + 4);
}
END_TEST

START_TEST(test_pc_alignment)
{
    r.c->x[0] = CODE + 2;
    CASE(0xd65f0000); /* ret x0 */
    ended(EC_PC_ALIGN, 0, CODE + 2);
    ck_assert_uint_eq(r.c->sys[FAR_EL1], CODE + 2);
}
END_TEST

START_TEST(test_illegal_return)
{
    r.c->sys[SPSR_EL1] = 0x3c0 | 3 << 2 | 1; /* EL3 does not exist */
    r.c->sys[ELR_EL1] = CODE + 4;
    CASE(0xd69f03e0, NOP); /* eret */
    ended(EC_ILLEGAL, 0, CODE + 4);
    ck_assert(!r.c->ps.il);
}
END_TEST

START_TEST(test_eret_to_el0)
{
    r.c->sys[SPSR_EL1] = 0;
    r.c->sys[ELR_EL1] = EL0 + CODE + 4;
    CASE(0xd69f03e0, 0xd69f03e0); /* eret at EL1, then at EL0 */
    ended(EC_UNKNOWN, 0, EL0 + CODE + 4);
    ck_assert_uint_eq(r.last.from_el, 0);
}
END_TEST

START_TEST(test_exclusive)
{
    /* ldxr x2; add; stxr w3 passes; stxr w4 fails */
    CASE(0xc85f7c22, 0x91000442, 0xc8037c22, 0xc8047c22, SVC);
    ended(EC_SVC64, 0, CODE + 20);
    ck_assert_uint_eq(r.c->x[3], 0);
    ck_assert_uint_eq(r.c->x[4], 1);
    ck_assert_uint_eq(get(DATA), 1);
}
END_TEST

START_TEST(test_clrex)
{
    CASE(0xc85f7c22, 0xd5033f5f, 0xc8037c22, SVC); /* ldxr; clrex; stxr w3 */
    ck_assert_uint_eq(r.c->x[3], 1);
}
END_TEST

START_TEST(test_exclusive_pair)
{
    u64 v[2] = {5, 6};
    put(DATA, v, 16);
    CASE(0xc87f0c22, 0xc8240823, SVC); /* ldxp x2, x3, [x1]; stxp w4, x3, x2, [x1] */
    ck_assert_uint_eq(r.c->x[4], 0);
    ck_assert_uint_eq(get(DATA), 6);
    ck_assert_uint_eq(get(DATA + 8), 5);
}
END_TEST

START_TEST(test_exclusive_alignment)
{
    r.c->x[1] = DATA + 12;
    CASE(0xc85f7c22); /* ldxr x2, [x1] */
    ended(EC_DABT_SAME, 0x21, CODE);
    ck_assert_uint_eq(r.c->sys[FAR_EL1], DATA + 12);
}
END_TEST

START_TEST(test_store_exclusive_alignment)
{
    r.c->x[1] = DATA + 8;
    CASE(0xc8240823); /* stxp w4, x3, x2, [x1]: needs 16 bytes, whatever the monitor says */
    ended(EC_DABT_SAME, 0x61, CODE);
}
END_TEST

START_TEST(test_abort_syndrome)
{
    r.c->x[1] = 1ull << 38;              /* not mapped: level 1 */
    CASE(NOP, 0x39c00023);               /* ldrsb w3, [x1] */
    ended(EC_DABT_SAME, 0x05, CODE + 4); /* ISV is 0 for stage 1 faults */
    ck_assert_uint_eq(r.c->sys[FAR_EL1], 1ull << 38);
}
END_TEST

START_TEST(test_casp)
{
    u64 v[2] = {1, 2};
    put(DATA, v, 16);
    r.c->x[2] = 1, r.c->x[3] = 2, r.c->x[4] = 7, r.c->x[5] = 8;
    CASE(0x48227c24, 0x48227c24, SVC); /* casp x2, x3, x4, x5, [x1], twice */
    ck_assert_uint_eq(get(DATA), 7);
    ck_assert_uint_eq(get(DATA + 8), 8);
    ck_assert_uint_eq(r.c->x[2], 7);
    ck_assert_uint_eq(r.c->x[3], 8);
}
END_TEST

/* FEAT_LSE2: atomic anywhere within 16 bytes, a fault across them. */
START_TEST(test_lse2)
{
    r.c->x[1] = DATA + 5;
    r.c->x[0] = 3;
    CASE(0xf8200022, SVC); /* ldadd x0, x2, [x1] */
    ended(EC_SVC64, 0, CODE + 8);
    ck_assert_uint_eq(get(DATA + 5), 3);
}
END_TEST

START_TEST(test_lse2_across)
{
    r.c->x[1] = DATA + 9;
    CASE(0xf8200022); /* ldadd x0, x2, [x1] */
    ck_assert_uint_eq(r.last.esr >> 26, EC_DABT_SAME);
    ck_assert_uint_eq(r.last.esr & 0x3f, 0x21);
}
END_TEST

/* A store to the next instruction takes effect at once (stronger than the architecture asks). */
START_TEST(test_self_modifying)
{
    r.c->x[0] = 0xd2800042; /* mov x2, #2 */
    r.c->x[1] = CODE + 8;
    /* twice, so that the slot was decoded before: str w0, [x1]; sub; mov x2, #1; ... */
    CASE(0xd2800022, 0xb5000062, 0xd2800022, SVC, 0xb9000020, 0xd2800002, 0x17fffffc);
    /* mov x2,#1; cbnz x2 -> str; (mov x2,#1); svc; str w0,[x1]; mov x2,#0; b mov */
    ended(EC_SVC64, 0, CODE + 16);
    ck_assert_uint_eq(r.c->x[2], 2);
}
END_TEST

/* Straight-line code over a page boundary; each instruction counts one, the boundary none. */
START_TEST(test_page_crossing)
{
    const u32 words[] = {0x91000400, 0x91000400, 0x91000400, 0x91000400, SVC}; /* add x0, x0, #1 */
    put(CODE + 0xff8, words, sizeof words);
    start(1, CODE + 0xff8);
    ck_assert_uint_eq(run_slice(1), 1);
    ck_assert_uint_eq(run_slice(1), 1);
    ck_assert_uint_eq(r.c->pc, CODE + 0x1000);
    ck_assert_uint_eq(run_slice(1), 1);
    ck_assert_uint_eq(r.c->x[0], 3);
    ck_assert_uint_eq(run_slice(100), 2);
    ck_assert_uint_eq(r.c->x[0], 4);
    ended(EC_SVC64, 0, CODE + 0x100c);
}
END_TEST

/* An interrupt that becomes pending while masked is taken after the instruction that unmasks it. */
START_TEST(test_interrupt_boundary)
{
    const u32 words[] = {NOP, 0xd50342ff, 0x91000400, SVC}; /* msr daifclr, #2; add x0, x0, #1 */
    put(CODE, words, sizeof words);
    start(1, CODE);
    cpu_set_input(r.c, CPU_IRQ, true);
    run_slice(100);
    while (r.c->run == CPU_RUNNING)
        run_slice(100);
    ck_assert_uint_eq(r.last.kind, EXC_IRQ);
    ck_assert_uint_eq(r.last.pc, CODE + 8);
    ck_assert_uint_eq(r.c->x[0], 0);
}
END_TEST

START_TEST(test_wfi)
{
    const u32 words[] = {0xd503207f, SVC};
    put(CODE, words, sizeof words);
    start(1, CODE);
    ck_assert_uint_eq(run_slice(100), 1);
    ck_assert_uint_eq(r.c->run, CPU_WFI);
    ck_assert_uint_eq(r.c->pc, CODE + 4);
    cpu_set_input(r.c, CPU_IRQ, true); /* masked, but it wakes */
    ck_assert_uint_eq(r.c->run, CPU_RUNNING);
    run_slice(100);
    ended(EC_SVC64, 0, CODE + 8);
}
END_TEST

START_TEST(test_wfe)
{
    const u32 words[] = {0xd50320bf, 0xd503205f, 0xd503205f, SVC}; /* sevl; wfe; wfe */
    put(CODE, words, sizeof words);
    start(1, CODE);
    ck_assert_uint_eq(run_slice(100), 3);
    ck_assert_uint_eq(r.c->run, CPU_WFE);
    cpu_send_event(r.c);
    ck_assert_uint_eq(r.c->run, CPU_RUNNING);
    run_slice(100);
    ended(EC_SVC64, 0, CODE + 16);
}
END_TEST

START_TEST(test_wfx_traps_from_el0)
{
    r.c->sys[SCTLR_EL1] &= ~(SCTLR_nTWI | SCTLR_nTWE);
    const u32 words[] = {0xd50320bf, 0xd503205f, 0xd503205f}; /* sevl; wfe passes; wfe traps */
    put(CODE, words, sizeof words);
    start(0, EL0 + CODE);
    run_slice(100);
    ended(EC_WFX, 1u << 24 | 0xe << 20 | 1, EL0 + CODE + 8);
}
END_TEST

static u64 counter(void *arg, unsigned reg, const struct port_txn *t)
{
    (void)reg;
    (void)t;
    return clock_now(arg) / 16;
}

START_TEST(test_wfit)
{
    r.c->ports[PORT_TIMER].read = counter;
    r.c->ports[PORT_TIMER].arg = &r.clock;
    r.c->x[1] = 100;
    const u32 words[] = {0xd5031021, SVC}; /* wfit x1 */
    put(CODE, words, sizeof words);
    start(1, CODE);
    run_slice(100);
    ck_assert_uint_eq(r.c->run, CPU_WFI);
    clock_skip(&r.clock, ~0ull);
    ck_assert_uint_ge(clock_now(&r.clock), 1600);
    ck_assert_uint_le(clock_now(&r.clock), 1616);
    clock_fire(&r.clock);
    ck_assert_uint_eq(r.c->run, CPU_RUNNING);
    run_slice(100);
    ended(EC_SVC64, 0, CODE + 8);
}
END_TEST

static void branch_to(u32 branch, u32 pad, u64 from, u64 to)
{
    const u32 words[] = {branch, NOP, pad, SVC};
    put(CODE, words, sizeof words);
    r.c->x[0] = to;
    r.c->x[16] = to;
    start(1, from);
    run_slice(100);
}

START_TEST(test_bti)
{
    static const struct {
        u32 branch, pad;
        bool from_guarded, to_guarded;
        u8 btype; /* of the exception, 0: none */
    } k[] = {
        {0xd61f0000, NOP, true, true, 3},         /* br x0 */
        {0xd61f0000, 0xd503245f, true, true, 3},  /* ... to bti c */
        {0xd61f0000, 0xd503249f, true, true, 0},  /* ... to bti j */
        {0xd61f0000, 0xd50324df, true, true, 0},  /* ... to bti jc */
        {0xd61f0000, 0xd503241f, true, true, 3},  /* ... to bti */
        {0xd61f0200, 0xd503245f, true, true, 0},  /* br x16 to bti c */
        {0xd61f0000, 0xd503245f, false, true, 0}, /* from an unguarded page: as through x16 */
        {0xd63f0000, 0xd503249f, true, true, 2},  /* blr x0 to bti j */
        {0xd63f0000, 0xd503245f, true, true, 0},  /* blr x0 to bti c */
        {0xd63f0000, 0xd503233f, true, true, 0},  /* blr x0 to paciasp */
        {0xd61f0000, 0xd503233f, true, true, 0},  /* br x0 to paciasp: allowed while SCTLR.BT1 is 0 */
        {0xd65f0000, NOP, true, true, 0},         /* ret */
        {0xd61f0000, NOP, true, false, 0},        /* to an unguarded page */
    };
    for (unsigned n = 0; n < ARRAY_LEN(k); n++) {
        u64 from = CODE + (k[n].from_guarded ? GUARDED : 0);
        u64 to = CODE + 8 + (k[n].to_guarded ? GUARDED : 0);
        r.taken = 0;
        branch_to(k[n].branch, k[n].pad, from, to);
        if (k[n].btype) {
            ended(EC_BTI, k[n].btype, to);
            ck_assert_uint_eq(r.c->sys[SPSR_EL1] >> 10 & 3, k[n].btype);
        } else {
            ended(EC_SVC64, 0, to + 8);
            ck_assert_uint_eq(r.c->sys[SPSR_EL1] >> 10 & 3, 0);
        }
    }
}
END_TEST

/* ---- software step -------------------------------------------------------------------------- */

/* ERET at EL1 with SPSR.SS to EL0, where words are stepped. */
static void step(const u32 *words, size_t n, u64 spsr)
{
    const u32 eret = 0xd69f03e0;
    put(CODE, &eret, 4);
    put(CODE + 16, words, 4 * n);
    r.c->sys[OSLSR_EL1] = 0;
    r.c->sys[MDSCR_EL1] = MDSCR_SS;
    r.c->sys[SPSR_EL1] = spsr;
    r.c->sys[ELR_EL1] = EL0 + CODE + 16;
    start(1, CODE);
    run_slice(1000);
}

START_TEST(test_step)
{
    const u32 words[] = {0x91000400, 0x91000400}; /* add x0, x0, #1 */
    step(words, 2, 1 << 21);
    ended(EC_STEP_LOW, 1u << 24 | 0x22, EL0 + CODE + 20);
    ck_assert_uint_eq(r.c->x[0], 1);
    ck_assert_uint_eq(r.c->sys[SPSR_EL1] >> 21 & 1, 0);
}
END_TEST

START_TEST(test_step_branch_and_exclusive)
{
    const u32 branch[] = {0x14000002, 0, 0x91000400};
    step(branch, 3, 1 << 21);
    ended(EC_STEP_LOW, 1u << 24 | 0x22, EL0 + CODE + 24);
    r.taken = 0;
    const u32 ldxr[] = {0xc85f7c22};
    r.c->x[1] = EL0 + DATA;
    step(ldxr, 1, 1 << 21);
    ended(EC_STEP_LOW, 1u << 24 | 1u << 6 | 0x22, EL0 + CODE + 20);
}
END_TEST

/* Returning with SS = 0 is active-pending: nothing is stepped. */
START_TEST(test_step_pending)
{
    const u32 words[] = {0x91000400};
    step(words, 1, 0);
    ended(EC_STEP_LOW, 0x22, EL0 + CODE + 16);
    ck_assert_uint_eq(r.c->x[0], 0);
}
END_TEST

/* SVC is done when it is taken; a fault is not, so that the instruction is stepped again. */
START_TEST(test_step_exceptions)
{
    const u32 svc[] = {SVC}, undef[] = {0};
    step(svc, 1, 1 << 21);
    ended(EC_SVC64, 0, EL0 + CODE + 20);
    ck_assert_uint_eq(r.c->sys[SPSR_EL1] >> 21 & 1, 0);
    r.taken = 0;
    step(undef, 1, 1 << 21);
    ended(EC_UNKNOWN, 0, EL0 + CODE + 16);
    ck_assert_uint_eq(r.c->sys[SPSR_EL1] >> 21 & 1, 1);
}
END_TEST

/* Without MDSCR_EL1.SS, PSTATE.SS does not come back from SPSR. */
START_TEST(test_step_disabled)
{
    const u32 words[] = {NOP, SVC};
    r.c->sys[SPSR_EL1] = 1 << 21;
    r.c->sys[ELR_EL1] = EL0 + CODE + 16;
    const u32 eret = 0xd69f03e0;
    put(CODE, &eret, 4);
    put(CODE + 16, words, sizeof words);
    start(1, CODE);
    run_slice(1000);
    ended(EC_SVC64, 0, EL0 + CODE + 24);
    ck_assert_uint_eq(r.c->sys[SPSR_EL1] >> 21 & 1, 0);
}
END_TEST

/* ---- breakpoints ---------------------------------------------------------------------------- */

START_TEST(test_breakpoint)
{
    r.c->sys[OSLSR_EL1] = 0;
    r.c->sys[MDSCR_EL1] = MDSCR_MDE;
    r.c->sys[ID_AA64DFR0_EL1] |= 5 << 12;
    r.c->sys[DBGBVR2_EL1] = EL0 + CODE + 8;
    r.c->sys[DBGBCR2_EL1] = 0xf << 5 | 2 << 1 | 1; /* EL0 */
    const u32 words[] = {0x91000400, 0x91000400, 0x91000400, SVC};
    put(CODE, words, sizeof words);
    start(0, EL0 + CODE);
    ck_assert_uint_eq(run_slice(1000), 2);
    ended(EC_BREAK_LOW, 0x22, EL0 + CODE + 8);
    ck_assert_uint_eq(r.c->x[0], 2);
    /* linked to another Context ID: no match; to this one: match */
    r.taken = 0;
    r.c->sys[DBGBCR2_EL1] |= 1 << 20 | 5 << 16;
    r.c->sys[DBGBVR5_EL1] = 7;
    r.c->sys[DBGBCR5_EL1] = 3 << 20 | 0xf << 5 | 1;
    start(0, EL0 + CODE);
    run_slice(1000);
    ended(EC_SVC64, 0, EL0 + CODE + 16);
    r.taken = 0;
    r.c->sys[CONTEXTIDR_EL1] = 7;
    start(0, EL0 + CODE);
    run_slice(1000);
    ended(EC_BREAK_LOW, 0x22, EL0 + CODE + 8);
}
END_TEST

/* A breakpoint of EL1 needs KDE and PSTATE.D clear when EL1 is also the target. */
START_TEST(test_breakpoint_kernel)
{
    r.c->sys[OSLSR_EL1] = 0;
    r.c->sys[MDSCR_EL1] = MDSCR_MDE;
    r.c->sys[DBGBVR0_EL1] = CODE + 4;
    r.c->sys[DBGBCR0_EL1] = 0xf << 5 | 1 << 1 | 1; /* EL1 */
    CASE(NOP, NOP, SVC);
    ended(EC_SVC64, 0, CODE + 12);
    r.taken = 0;
    r.c->sys[MDSCR_EL1] |= MDSCR_KDE;
    start(1, CODE);
    r.c->ps.daif = 0;
    run_slice(1000);
    ended(EC_BREAK_SAME, 0x22, CODE + 4);
}
END_TEST

/* PACGA's modifier may be the stack pointer. */
START_TEST(test_pacga_sp)
{
    r.c->sys[APGAKeyLo_EL1] = 0x1234567890abcdef;
    r.c->x[4] = 0x40000;
    /* mov sp, x4; pacga x2, x5, sp; pacga x3, x5, x4 */
    CASE(0x9100009f, 0x9adf30a2, 0x9ac430a3, SVC);
    ended(EC_SVC64, 0, CODE + 16);
    ck_assert_uint_eq(r.c->x[2], r.c->x[3]);
}
END_TEST

/* ---- memory tagging ------------------------------------------------------------------------- */

static void mte(unsigned tcf)
{
    r.c->sys[SCTLR_EL1] |= SCTLR_ATA | (u64)tcf << SCTLR_TCF_SHIFT;
    r.c->sys[TCR_EL1] |= 1ull << 37; /* TBI0 */
    context_touch(r.c);
    r.c->sys[RGSR_EL1] = 0x1234 << 8;
    r.c->x[0] = 1; /* tag 0 is excluded */
    r.c->x[1] = TAGGED + DATA;
}

START_TEST(test_mte_synchronous)
{
    mte(1);
    CASE(0x9ac01022, 0xd9200842, 0xf9000043, 0xf9000843); /* irg x2, x1, x0; stg; str [x2]; str [x2, #16] */
    ended(EC_DABT_SAME, 0x51, CODE + 12);
    ck_assert_uint_ne(r.c->x[2], TAGGED + DATA);
    ck_assert_uint_eq(r.c->x[2] & ~(15ull << 56), TAGGED + DATA);
    ck_assert_uint_eq(r.c->sys[FAR_EL1], r.c->x[2] + 16);
    r.taken = 0;
    r.c->x[1] = TAGGED + DATA;
    CASE(NOP, 0xf9400023); /* ldr x3, [x1]: the pointer has no tag, the memory has */
    ended(EC_DABT_SAME, 0x11, CODE + 4);
}
END_TEST

START_TEST(test_mte_asynchronous)
{
    mte(2);
    CASE(0x9ac01022, 0xf9000043, SVC); /* irg; str x3, [x2] to untagged memory */
    ended(EC_SVC64, 0, CODE + 12);
    ck_assert_uint_eq(r.c->sys[TFSR_EL1], 1);
}
END_TEST

START_TEST(test_mte_asymmetric)
{
    mte(3);
    CASE(0x9ac01022, 0xf9000043, 0xf9400043); /* irg; str x3, [x2]; ldr x3, [x2] */
    ended(EC_DABT_SAME, 0x11, CODE + 8);
    ck_assert_uint_eq(r.c->sys[TFSR_EL1], 1);
}
END_TEST

/* An atomic reads, too. */
START_TEST(test_mte_atomic)
{
    mte(3);
    CASE(0x9ac01022, 0xf8230044); /* irg x2, x1, x0; ldadd x3, x4, [x2] */
    ended(EC_DABT_SAME, 0x11, CODE + 4);
    r.taken = 0;
    mte(2);
    r.c->sys[SCTLR_EL1] &= ~(1ull << SCTLR_TCF_SHIFT);
    CASE(0xf8230044, 0xf8a38044, SVC); /* ldadd; swpa */
    ended(EC_SVC64, 0, CODE + 12);
    ck_assert_uint_eq(r.c->sys[TFSR_EL1], 1);
}
END_TEST

/* A fault names the address, not the block. */
START_TEST(test_mte_block)
{
    mte(1);
    r.c->x[3] = 0x7654321070;
    CASE(0xd50b7463); /* dc gva, x3 */
    ck_assert_uint_eq(r.c->sys[ESR_EL1] >> 26, EC_DABT_SAME);
    ck_assert_uint_eq(r.c->sys[FAR_EL1], 0x7654321070);
    r.taken = 0;
    r.c->x[3] = TAGGED + DATA + 0x70 + (6ull << 56);
    CASE(0xd50b7463, 0x91400064, 0xd9600064, SVC); /* dc gva, x3; add; ldg x4, [x3] */
    ended(EC_SVC64, 0, CODE + 16);
    ck_assert_uint_eq(r.c->x[4] >> 56, 6);
}
END_TEST

START_TEST(test_mte_tags)
{
    mte(1);
    r.c->x[2] = TAGGED + DATA + (5ull << 56);
    /* st2g x2, [x2], #32; gmi x5, x2, x0; addg x6, x2, #32, #1; subps x7, x6, x2; ldgm x8, [x1]; ldg x4, [x1] */
    CASE(0xd9a02442, 0x9ac01445, 0x91820446, 0xbac200c7, 0xd9e00028, 0xd9600024, SVC);
    ended(EC_SVC64, 0, CODE + 28);
    ck_assert_uint_eq(r.c->x[2], TAGGED + DATA + 32 + (5ull << 56));
    ck_assert_uint_eq(r.c->x[5], 1 | 1 << 5);
    ck_assert_uint_eq(r.c->x[6], TAGGED + DATA + 64 + (6ull << 56));
    ck_assert_uint_eq(r.c->x[7], 32);
    ck_assert_uint_eq(r.c->x[8], 0x55);
    ck_assert_uint_eq(r.c->x[4], 5ull << 56);
}
END_TEST

static void setup_jit(void)
{
    engine = &engine_jit;
    setup();
}

static TCase *cases(const char *name, void (*begin)(void))
{
    TCase *t = tcase_create(name);
    tcase_add_checked_fixture(t, begin, teardown);
    tcase_add_test(t, test_undefined);
    tcase_add_test(t, test_svc);
    tcase_add_test(t, test_sp_alignment);
    tcase_add_test(t, test_pc_alignment);
    tcase_add_test(t, test_illegal_return);
    tcase_add_test(t, test_eret_to_el0);
    tcase_add_test(t, test_exclusive);
    tcase_add_test(t, test_clrex);
    tcase_add_test(t, test_exclusive_pair);
    tcase_add_test(t, test_exclusive_alignment);
    tcase_add_test(t, test_store_exclusive_alignment);
    tcase_add_test(t, test_abort_syndrome);
    tcase_add_test(t, test_casp);
    tcase_add_test(t, test_lse2);
    tcase_add_test(t, test_lse2_across);
    tcase_add_test(t, test_self_modifying);
    tcase_add_test(t, test_page_crossing);
    tcase_add_test(t, test_interrupt_boundary);
    tcase_add_test(t, test_wfi);
    tcase_add_test(t, test_wfe);
    tcase_add_test(t, test_wfx_traps_from_el0);
    tcase_add_test(t, test_wfit);
    tcase_add_test(t, test_bti);
    tcase_add_test(t, test_breakpoint);
    tcase_add_test(t, test_breakpoint_kernel);
    tcase_add_test(t, test_step);
    tcase_add_test(t, test_step_branch_and_exclusive);
    tcase_add_test(t, test_step_pending);
    tcase_add_test(t, test_step_exceptions);
    tcase_add_test(t, test_step_disabled);
    tcase_add_test(t, test_mte_synchronous);
    tcase_add_test(t, test_mte_asynchronous);
    tcase_add_test(t, test_mte_asymmetric);
    tcase_add_test(t, test_mte_atomic);
    tcase_add_test(t, test_mte_block);
    tcase_add_test(t, test_pacga_sp);
    tcase_add_test(t, test_mte_tags);
    return t;
}

int main(void)
{
    Suite *s = suite_create("exec-a64");
    suite_add_tcase(s, cases("interp", setup));
    if (!jit_missing())
        suite_add_tcase(s, cases("jit", setup_jit));
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
