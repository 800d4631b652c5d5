/* AArch32 at EL1 and EL0 below an AArch64 EL2: exceptions and returns of every mode, banked registers, SRS and RFE,
 * branches between instruction sets, IT blocks, exclusives, traps to EL2. DDI0487 G1.9-G1.16, D1.3. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/bus.h"
#include "core/log.h"
#include "cpu/aa32.h"
#include "cpu/code.h"
#include "cpu/context.h"
#include "cpu/fields.h"
#include "cpu/model.h"

enum { VECTORS = 0x1000, CODE = 0x4000, DATA = 0x8000, NOWHERE = 0x40000000 };
enum { A = CPSR_A, I = CPSR_I, F = CPSR_F, T = CPSR_T, E = CPSR_E };

static struct log quiet;
static struct cpu_env env;
static struct cpu *c;

static u8 *ram(u32 a) { return bus_page_ptr(env.bus, bus_resolve(env.bus, pa_make(PAS_NS, a)).page) + (a & 0xfff); }
static u32 load(u32 a)
{
    u32 v;
    memcpy(&v, ram(a), 4);
    return v;
}
static void store(u32 a, u32 v) { memcpy(ram(a), &v, 4); }

static void setup(void)
{
    env = (struct cpu_env){.log = &quiet, .cpus = &c, .count = 1};
    env.bus = bus_new(&quiet);
    bus_map_ram(env.bus, 1 << PAS_NS, 0, 0x10000, "ram");
    bus_seal(env.bus);
    struct cpu_config cfg = {.rvbar = 0};
    const struct model_request want = {.el2 = true};
    char why[200];
    ck_assert_msg(model_lookup("cortex-a57", &want, &cfg, why, sizeof why), "%s", why);
    c = cpu_new(&env, &cfg);
    cpu_reset(c);
    c->sys[VBAR_EL1] = VECTORS;
    c->sys[VBAR_EL2] = 0x2000;
    c->sys[HCR_EL2] = 0;
    c->sys[CPACR_EL1] = 0xf << 20;
    c->sys[CPTR_EL2] = 0x33ff;
    c->run = CPU_RUNNING;
    sysreg_refresh(c);
    context_touch(c);
}
static void teardown(void)
{
    cpu_free(c);
    code_cache_free(env.code);
    bus_free(env.bus);
}

/* From EL2 to CODE with this CPSR. */
static void enter(u32 cpsr)
{
    if (c->ps.nrw)
        aa32_leave(c);
    cpu_set_spsr(c, 9);
    sysreg_refresh(c);
    cpu_set_spsr(c, cpsr);
    c->pc = CODE;
    memset(c->input, 0, sizeof c->input);
    c->irq_check = true;
    context_touch(c);
}
static void run(unsigned n)
{
    c->slice = (struct slice){.left = n};
    engine_interp.run(c);
}
/* One A32 instruction at pc. */
static void a32(u32 word)
{
    store((u32)c->pc, word);
    run(1);
}
static void t16(u32 halves)
{
    store((u32)c->pc, halves);
    run(1);
}
static u32 spsr(unsigned mode) { return (u32)c->sys[aa32_spsr_cell(c, mode)]; }
static void expect(unsigned mode, u32 pc, u32 lr, u32 from, u32 masks)
{
    ck_assert_uint_eq(c->ps.mode, mode);
    ck_assert_uint_eq(c->pc, pc);
    ck_assert_uint_eq(c->x[14], lr);
    ck_assert_uint_eq(spsr(mode), from);
    ck_assert_uint_eq(aa32_cpsr(c) & 0x0600ffe0, masks); /* IT, E, A, I, F, T */
}

/* ---- exceptions ----------------------------------------------------------------------------- */

START_TEST(entries)
{
    static const u32 from[] = {AA32_USR, AA32_SYS, AA32_SVC, AA32_IRQ,
                               AA32_FIQ, AA32_ABT, AA32_UND, AA32_USR | 0xa0000000};
    for (unsigned k = 0; k < ARRAY_LEN(from); k++) {
        u32 f = from[k];
        enter(f), a32(0xef001234); /* svc */
        expect(AA32_SVC, VECTORS + 8, CODE + 4, f, I);
        enter(f), a32(0xe7f000f0); /* udf */
        expect(AA32_UND, VECTORS + 4, CODE + 4, f, I);
        enter(f | T), t16(0xde00); /* udf */
        expect(AA32_UND, VECTORS + 4, CODE + 2, f | T, I);
        enter(f | T), t16(0xdf00); /* svc */
        expect(AA32_SVC, VECTORS + 8, CODE + 2, f | T, I);
        enter(f);
        c->x[1] = NOWHERE;
        a32(0xe5910000); /* ldr r0, [r1] */
        expect(AA32_ABT, VECTORS + 0x10, CODE + 8, f, A | I);
        ck_assert_uint_eq(c->sys[ESR_EL1], 8); /* DFSR: external abort */
        ck_assert_uint_eq((u32)c->sys[FAR_EL1], NOWHERE);
        enter(f);
        c->pc = NOWHERE;
        run(1);
        expect(AA32_ABT, VECTORS + 0xc, NOWHERE + 4, f, A | I);
        ck_assert_uint_eq(c->sys[IFSR32_EL2], 8);
        enter(f), a32(0xe1200070); /* bkpt */
        expect(AA32_ABT, VECTORS + 0xc, CODE + 4, f, A | I);
        ck_assert_uint_eq(c->sys[IFSR32_EL2], 2);
        for (unsigned fiq = 0; fiq < 2; fiq++) {
            enter(f);
            store(VECTORS + 0x18, 0xe320f000), store(VECTORS + 0x1c, 0xe320f000); /* nop */
            cpu_set_input(c, fiq ? CPU_FIQ : CPU_IRQ, true);
            run(1);
            expect(fiq ? AA32_FIQ : AA32_IRQ, VECTORS + (fiq ? 0x20 : 0x1c), CODE + 4, f, fiq ? A | I | F : A | I);
        }
    }
}
END_TEST

START_TEST(vectors)
{
    enter(AA32_USR);
    c->sys[SCTLR_EL1] = 1u << 13 | 1u << 25 | 1u << 30; /* V, EE, TE */
    a32(0xef000000);
    expect(AA32_SVC, 0xffff0008, CODE + 4, AA32_USR, I | T | E);
}
END_TEST

/* SPSR and LR of each mode, back by each way. */
START_TEST(returns)
{
    static const u8 modes[] = {AA32_FIQ, AA32_IRQ, AA32_SVC, AA32_ABT, AA32_UND};
    static const struct {
        u32 word, less;
    } ways[] = {{0xe1b0f00e, 0}, {0xe25ef004, 4}, {0xe25ef008, 8}, {0xe160006e, 0}}; /* movs, subs, subs, eret */
    for (unsigned m = 0; m < ARRAY_LEN(modes); m++)
        for (unsigned w = 0; w < ARRAY_LEN(ways); w++)
            for (unsigned t = 0; t < 2; t++) {
                enter(modes[m] | A | I);
                u32 back = AA32_USR | 0x68000000 | 0x0600fc00 * t | (t ? T : 0);
                c->sys[aa32_spsr_cell(c, modes[m])] = back;
                c->x[14] = DATA + 0x102 + ways[w].less;
                a32(ways[w].word);
                ck_assert_uint_eq(aa32_cpsr(c), back);
                ck_assert_uint_eq(c->pc, DATA + (t ? 0x102 : 0x100));
                ck_assert_uint_eq(c->ps.el, 0);
            }
    enter(AA32_SVC);
    c->sys[SPSR_EL1] = 0x1a; /* Hyp: illegal */
    a32(0xe1b0f00e);
    ck_assert(c->ps.il && c->ps.mode == AA32_SVC);
    run(1);
    expect(AA32_UND, VECTORS + 4, (u32)c->x[14], AA32_SVC | 1u << 20, I);
}
END_TEST

/* ---- modes and banks ------------------------------------------------------------------------ */

START_TEST(banked)
{
    static const struct {
        u32 cps, msr, mrs;
        unsigned mode;
    } sp[] = {{0xf1020012, 0xe121f300, 0xe1012300, AA32_IRQ}, {0xf102001f, 0xe125f200, 0xe1052200, AA32_SYS}};
    for (unsigned k = 0; k < 2; k++) {
        enter(AA32_SVC);
        c->x[13] = 0x5555;
        c->x[0] = 0x1234;
        a32(sp[k].msr);
        a32(sp[k].mrs);
        ck_assert_uint_eq(c->x[2], 0x1234);
        a32(sp[k].cps);
        ck_assert_uint_eq(c->ps.mode, sp[k].mode);
        ck_assert_uint_eq(c->x[13], 0x1234);
        a32(0xf1020013); /* cps #svc */
        ck_assert_uint_eq(c->x[13], 0x5555);
    }
    c->x[0] = 0xabcd;
    a32(0xe126f300); /* msr lr_und, r0 */
    a32(0xe128f200); /* msr r8_fiq, r0 */
    a32(0xe164f300); /* msr spsr_abt, r0 */
    a32(0xe1442300); /* mrs r2, spsr_abt */
    ck_assert_uint_eq(c->x[2], 0xabcd);
    c->x[8] = 8;
    a32(0xf10e01db); /* cpsid aif, #und */
    ck_assert_uint_eq(aa32_cpsr(c), AA32_UND | A | I | F);
    ck_assert_uint_eq(c->x[14], 0xabcd);
    ck_assert_uint_eq(c->x[8], 8);
    a32(0xf1020011); /* cps #fiq */
    ck_assert_uint_eq(c->x[8], 0xabcd);
    a32(0xf1080080); /* cpsie i */
    ck_assert_uint_eq(aa32_cpsr(c), AA32_FIQ | A | F);
    aa32_leave(c); /* where AArch64 sees them */
    ck_assert_uint_eq(c->x[22], 0xabcd);
    ck_assert_uint_eq(c->x[24], 0xabcd);
    ck_assert_uint_eq(c->x[17], 0x1234);
    enter(AA32_USR);
    a32(0xf10e01db); /* nothing at EL0 */
    ck_assert_uint_eq(aa32_cpsr(c), AA32_USR);
    ck_assert_uint_eq(c->pc, CODE + 4);
    a32(0xe1012300); /* mrs r2, sp_irq */
    ck_assert_uint_eq(c->ps.mode, AA32_UND);
}
END_TEST

START_TEST(srs_rfe)
{
    enter(AA32_SVC);
    c->x[13] = DATA + 0x100;
    a32(0xf1020012); /* cps #irq */
    c->x[14] = DATA + 0x42;
    c->sys[SPSR_irq] = AA32_USR | T | 0x20000000;
    a32(0xf96d0513); /* srsdb sp!, #svc */
    ck_assert_uint_eq(load(DATA + 0xf8), DATA + 0x42);
    ck_assert_uint_eq(load(DATA + 0xfc), AA32_USR | T | 0x20000000);
    a32(0xf1020013);
    ck_assert_uint_eq(c->x[13], DATA + 0xf8);
    c->x[5] = DATA + 0xf8;
    a32(0xf8b50a00); /* rfeia r5! */
    ck_assert_uint_eq(aa32_cpsr(c), AA32_USR | T | 0x20000000);
    ck_assert_uint_eq(c->pc, DATA + 0x42);
    ck_assert_uint_eq(c->x[5], DATA + 0x100);
}
END_TEST

/* ---- branches, IT, exclusives --------------------------------------------------------------- */

START_TEST(interworking)
{
    enter(AA32_USR);
    a32(0xfa00003e); /* blx to T32 */
    ck_assert(c->pc == CODE + 0x100 && c->ps.t && c->x[14] == CODE + 4);
    t16(0xe87ef000); /* blx to A32 */
    ck_assert(c->pc == CODE + 0x200 && !c->ps.t && c->x[14] == CODE + 0x105);
    a32(0xe12fff1e); /* bx lr */
    ck_assert(c->pc == CODE + 0x104 && c->ps.t);
    c->x[1] = DATA;
    t16(0x468f); /* mov pc, r1: stays in T32 */
    ck_assert(c->pc == DATA && c->ps.t);
    c->x[13] = DATA + 0x100;
    store(DATA + 0x100, CODE);
    t16(0xbd00); /* pop {pc} */
    ck_assert(c->pc == CODE && !c->ps.t);
    a32(0xe281f001); /* add pc, r1, #1 */
    ck_assert(c->pc == DATA && c->ps.t);
    t16(0x4770); /* bx lr */
    c->ps.t = false, c->pc = CODE, c->x[3] = DATA + 0x104;
    store(DATA + 0x104, DATA + 0x21);
    a32(0xe593f000); /* ldr pc, [r3] */
    ck_assert(c->pc == DATA + 0x20 && c->ps.t);
}
END_TEST

START_TEST(it_block)
{
    enter(AA32_USR | T | 1u << 30);
    store(CODE, 0x2001bf06);     /* itte eq; moveq r0, #1 */
    store(CODE + 4, 0x2002df05); /* svceq; movne r0, #2 */
    run(2);
    ck_assert_uint_eq(c->x[0], 1);
    ck_assert_uint_eq(c->nzcv, 1u << 30); /* MOV sets no flags here */
    run(1);
    ck_assert_uint_eq(c->x[14], CODE + 6);
    u32 s = spsr(AA32_SVC); /* IT: NE, the last one */
    ck_assert_uint_eq(s & ~0x0600fc00u, AA32_USR | T | 1u << 30);
    ck_assert_uint_eq((s >> 25 & 3) | (s >> 10 & 63) << 2, 0x18);
    ck_assert_uint_eq(c->ps.it, 0);
    a32(0xe1b0f00e); /* movs pc, lr */
    ck_assert_uint_eq(c->ps.it, 0x18);
    run(1);
    ck_assert_uint_eq(c->x[0], 1); /* NE does not hold */
    ck_assert_uint_eq(c->ps.it, 0);
    ck_assert_uint_eq(c->pc, CODE + 8);
}
END_TEST

START_TEST(exclusives)
{
    enter(AA32_USR);
    c->x[3] = DATA, c->x[1] = 7, c->x[4] = 9;
    store(DATA, 5);
    a32(0xe1932f9f); /* ldrex r2, [r3] */
    ck_assert_uint_eq(c->x[2], 5);
    a32(0xe1834f91); /* strex r4, r1, [r3] */
    ck_assert(c->x[4] == 0 && load(DATA) == 7);
    c->x[1] = 8;
    a32(0xe1834f91);
    ck_assert(c->x[4] == 1 && load(DATA) == 7);
    a32(0xe1932f9f), a32(0xf57ff01f), a32(0xe1834f91); /* clrex between them */
    ck_assert(c->x[4] == 1 && load(DATA) == 7);
    store(DATA + 4, 0x44);
    a32(0xe1b30f9f); /* ldrexd r0, r1, [r3] */
    ck_assert(c->x[0] == 7 && c->x[1] == 0x44);
    c->x[0] = 1, c->x[1] = 2;
    a32(0xe1a34f90); /* strexd r4, r0, r1, [r3] */
    ck_assert(c->x[4] == 0 && load(DATA) == 1 && load(DATA + 4) == 2);
    a32(0xe1932f9f), a32(0xef000000); /* an exception keeps the monitor, its return does not */
    a32(0xe1b0f00e), a32(0xe1834f91);
    ck_assert_uint_eq(c->x[4], 1);
    c->x[3] = DATA + 2;
    a32(0xe1932f9f);
    ck_assert(c->ps.mode == AA32_ABT && (c->sys[ESR_EL1] & 15) == 1); /* alignment */
}
END_TEST

/* ---- traps to EL2 --------------------------------------------------------------------------- */

static void traps(u32 word, unsigned ec, u32 iss)
{
    enter(AA32_SVC);
    a32(word);
    ck_assert_msg(!c->ps.nrw && c->ps.el == 2, "%08x is not trapped", word);
    u64 esr = c->sys[ESR_EL2];
    ck_assert_msg(esr == ((u64)ec << 26 | 1u << 25 | iss), "%08x: ESR_EL2 %llx", word, (unsigned long long)esr);
    ck_assert_uint_eq(c->sys[ELR_EL2], CODE);
    ck_assert_uint_eq(c->sys[SPSR_EL2], AA32_SVC);
    ck_assert_uint_eq(c->pc, 0x2600);
}
static void passes(u32 word)
{
    enter(AA32_SVC);
    a32(word);
    ck_assert_msg(c->ps.nrw && c->ps.mode == AA32_SVC && c->pc == CODE + 4, "%08x does not complete", word);
}

START_TEST(trapped)
{
    u32 al = 1u << 24 | 14u << 20;
    passes(0xee115f10); /* mrc SCTLR */
    c->sys[HSTR_EL2] = 1 << 1 | 1 << 2;
    traps(0xee115f10, 3, al | 1 << 10 | 5 << 5 | 1);
    traps(0xee015f10, 3, al | 1 << 10 | 5 << 5);
    traps(0xec565f02, 4, al | 6 << 10 | 5 << 5 | 2 << 1 | 1); /* mrrc TTBR0 */
    c->sys[HSTR_EL2] = 0;
    passes(0xec565f02);
    c->sys[HCR_EL2] = HCR_TIDCP;
    traps(0xee1f5f10, 3, al | 15 << 10 | 5 << 5 | 1); /* mrc p15, 0, r5, c15, c0, 0 */
    c->sys[HCR_EL2] = 0;
    c->sys[MDCR_EL2] = 1 << 9 | 1 << 10;                           /* TDA, TDOSA */
    traps(0xee105e52, 5, al | 2 << 17 | 5 << 5 | 2 << 1 | 1);      /* mrc DBGDSCRext */
    traps(0xeda35e02, 6, al | 2 << 12 | 3 << 5 | 1 << 4 | 3 << 1); /* stc p14, c5, [r3, #8]! */
    traps(0xec335e01, 6, al | 1 << 12 | 3 << 5 | 1 << 1 | 1);      /* ldc p14, c5, [r3], #-4 */
    traps(0xed9f5e03, 6, al | 3 << 12 | 1 << 4 | 6 << 1 | 1);      /* ldc p14, c5, [pc, #12] */
    c->sys[MDCR_EL2] = 0;
    c->x[3] = DATA;
    store(DATA + 8, 0x1234);
    passes(0xeda35e02);
    ck_assert(c->x[3] == DATA + 8 && load(DATA + 8) == 0); /* nobody has sent anything */
    passes(0xec335e01);
    ck_assert_uint_eq(c->x[3], DATA + 4);
    c->sys[CPTR_EL2] |= 1 << 10;
    traps(0xf2000840, 7, al); /* vadd.i8 q0, q0, q0 */
    c->sys[CPTR_EL2] &= ~(1ull << 10);
    c->sys[HCR_EL2] = HCR_TID3;
    c->sys[FPEXC32_EL2] = 1 << 30;
    traps(0xeef75a10, 8, al | 7 << 14 | 7 << 10 | 5 << 5 | 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("aa32_system");
    TCase *t = tcase_create("aa32_system");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, entries);
    tcase_add_test(t, vectors);
    tcase_add_test(t, returns);
    tcase_add_test(t, banked);
    tcase_add_test(t, srs_rfe);
    tcase_add_test(t, interworking);
    tcase_add_test(t, it_block);
    tcase_add_test(t, exclusives);
    tcase_add_test(t, trapped);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
