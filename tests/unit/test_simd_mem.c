/* SIMD and FP loads and stores on the real memory system: page crossing, faults that leave registers
 * alone, byte order, alignment checks, traps. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "el1.h"

/* The last exception: a data abort with this status at far. */
static void expect_abort(u64 far, unsigned status, bool write)
{
    u64 esr = c->sys[ESR_EL1];
    ck_assert_uint_eq(c->pc, VBAR + 0x200);
    ck_assert_uint_eq(esr >> 26, 0x25);
    ck_assert_uint_eq(esr >> 24 & 1, 0); /* ISV: not for these */
    ck_assert_uint_eq(esr & 63, status);
    ck_assert_uint_eq(esr >> 6 & 1, write);
    ck_assert_uint_eq(c->sys[FAR_EL1], far);
    ck_assert_uint_eq(c->sys[ELR_EL1], CODE);
}
enum { TRANSLATION3 = 7, PERMISSION3 = 15, ALIGNMENT = 0x21 };

enum {
    LDR_Q = 0x3dc00001,      /* ldr q1, [x0] */
    LDR_Q_POST = 0x3cc10401, /* ldr q1, [x0], #16 */
    LDR_Q_PRE = 0x3cc10c01,  /* ldr q1, [x0, #16]! */
    STR_Q_PRE = 0x3c810c01,  /* str q1, [x0, #16]! */
    LDP_Q_POST = 0xacc10801, /* ldp q1, q2, [x0], #32 */
    STP_Q_POST = 0xac810801, /* stp q1, q2, [x0], #32 */
    LDP_D = 0x6d400801,      /* ldp d1, d2, [x0] */
    LDP_S = 0x2d400801,      /* ldp s1, s2, [x0] */
    STP_D = 0x6d000801,      /* stp d1, d2, [x0] */
    STP_S = 0x2d000801,      /* stp s1, s2, [x0] */
    LD1_16B_4 = 0x4cdf2001,  /* ld1 {v1.16b-v4.16b}, [x0], #64 */
    ST1_16B_4 = 0x4c9f2001,  /* st1 {v1.16b-v4.16b}, [x0], #64 */
    LD1_4S = 0x4c407801,     /* ld1 {v1.4s}, [x0] */
    ST1_4S = 0x4c007801,     /* st1 {v1.4s}, [x0] */
    LD3_8H = 0x4cdf4401,     /* ld3 {v1.8h-v3.8h}, [x0], #48 */
    ST3_8H = 0x4c9f4401,     /* st3 {v1.8h-v3.8h}, [x0], #48 */
    LD2_S1 = 0x0d609001,     /* ld2 {v1.s, v2.s}[1], [x0] */
    LD4R_2S = 0x0d60e801,    /* ld4r {v1.2s-v4.2s}, [x0] */
    LDR_Q_SP = 0x3dc003e1,   /* ldr q1, [sp] */
    LDR_Q_LIT = 0x9c000081,  /* ldr q1, . + 16 */
    LDR_S_LIT = 0x1c000081,  /* ldr s1, . + 16 */
};

START_TEST(test_unaligned)
{
    static const struct {
        u32 word;
        unsigned bytes;
    } loads[] = {{LDR_Q, 16}, {LDP_Q_POST, 32}, {LDP_D, 16}, {LDP_S, 8}, {LD1_16B_4, 64}};
    setup();
    for (unsigned i = 0; i < ARRAY_LEN(loads); i++)
        for (u64 va = DATA + 0xfc0; va <= DATA + 0x1004; va++) {
            c->x[0] = va;
            ck_assert(step(loads[i].word));
            u8 got[64], want[64];
            unsigned each = loads[i].word == LDP_D ? 8 : loads[i].word == LDP_S ? 4 : 16;
            for (unsigned k = 0; k < loads[i].bytes; k++)
                want[k] = *ram(va + k);
            for (unsigned k = 0; k < loads[i].bytes / each; k++) {
                memcpy(got + k * each, c->v[1 + k].b, each);
                for (unsigned z = each; z < 32; z++)
                    ck_assert_uint_eq(c->v[1 + k].b[z], 0);
            }
            ck_assert_mem_eq(got, want, loads[i].bytes);
        }
    static const struct {
        u32 store, load;
    } pairs[] = {{STP_Q_POST, LDP_Q_POST}, {STP_D, LDP_D},   {STP_S, LDP_S},
                 {ST1_16B_4, LD1_16B_4},   {ST3_8H, LD3_8H}, {ST1_4S, LD1_4S}};
    for (unsigned i = 0; i < ARRAY_LEN(pairs); i++)
        for (u64 va = DATA + 0xfd0; va <= DATA + 0x1001; va++) {
            for (unsigned r = 1; r < 5; r++)
                c->v[r].d[0] = va * r * 0x9e3779b97f4a7c15ull, c->v[r].d[1] = ~va * r * 0xc2b2ae3d27d4eb4full;
            union vreg want[5];
            memcpy(want, c->v, sizeof want);
            c->x[0] = va;
            ck_assert(step(pairs[i].store));
            memset(&c->v[1], 0, 4 * sizeof c->v[1]);
            c->x[0] = va;
            ck_assert(step(pairs[i].load));
            unsigned each = pairs[i].load == LDP_D ? 8 : pairs[i].load == LDP_S ? 4 : 16;
            for (unsigned r = 1; r < (pairs[i].load == LD1_4S ? 2 : 3); r++)
                ck_assert_mem_eq(c->v[r].b, want[r].b, each);
        }
    teardown();
}
END_TEST

static u64 hole(s64 off) { return HOLE + (u64)off; }

START_TEST(test_fault_restarts)
{
    static const struct {
        u32 word;
        s64 base, far; /* relative to the hole */
    } cases[] = {
        {LDR_Q, 0, 0},        {LDR_Q, -8, 0},           {LDR_Q_POST, 16, 16}, {LDR_Q_PRE, -16, 0},
        {LDP_Q_POST, -16, 0}, {LDP_Q_POST, -32 + 1, 0}, {LDP_D, -8, 0},       {LDP_S, -2, 0},
        {LD1_16B_4, -63, 0},  {LD1_16B_4, -16, 0},      {LD3_8H, -20, 0},     {LD3_8H, -47, 0},
        {LD2_S1, -4, 0},      {LD4R_2S, -8, 0},         {STR_Q_PRE, -16, 0},  {STP_Q_POST, -16, 0},
        {ST1_16B_4, -63, 0},  {ST3_8H, -20, 0},
    };
    setup();
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        union vreg before[32];
        memcpy(before, c->v, sizeof before);
        c->x[0] = hole(cases[i].base);
        bool load = a64_rows[decode(c->decoder, cases[i].word).row].flags & A64_LOAD;
        ck_assert_msg(!step(cases[i].word), "case %u", i);
        expect_abort(hole(cases[i].far), TRANSLATION3, !load);
        ck_assert_uint_eq(c->x[0], hole(cases[i].base));
        ck_assert_mem_eq(before, c->v, sizeof before);
    }
    c->x[0] = READO - 16;
    ck_assert(!step(STR_Q_PRE));
    expect_abort(READO, PERMISSION3, true);
    ck_assert_uint_eq(c->x[0], READO - 16);
    teardown();
}
END_TEST

START_TEST(test_big_endian)
{
    setup();
    ctl(SCTLR_EE);
    /* with EE the tables are big-endian too: make them so */
    static const u64 tables[] = {TABLES, TABLES + 0x1000, TABLES + 0x2000};
    for (unsigned t = 0; t < 3; t++)
        for (unsigned i = 0; i < 512; i++) {
            u64 v;
            memcpy(&v, ram(tables[t] + 8 * i), 8);
            put64(tables[t] + 8 * i, __builtin_bswap64(v));
        }
    context_flush(c);
    u8 *d = ram(DATA + 0x40);
    for (unsigned i = 0; i < 64; i++)
        d[i] = (u8)i;
    c->x[0] = DATA + 0x40;
    ck_assert(step(LDR_Q));
    ck_assert_uint_eq(c->v[1].d[0], 0x08090a0b0c0d0e0full);
    ck_assert_uint_eq(c->v[1].d[1], 0x0001020304050607ull);
    ck_assert(step(LDP_D));
    ck_assert_uint_eq(c->v[1].d[0], 0x0001020304050607ull);
    ck_assert_uint_eq(c->v[2].d[0], 0x08090a0b0c0d0e0full);
    ck_assert(step(LDP_S));
    ck_assert_uint_eq(c->v[1].d[0], 0x00010203);
    ck_assert_uint_eq(c->v[2].d[0], 0x04050607);
    ck_assert(step(LD1_4S));
    ck_assert_uint_eq(c->v[1].d[0], 0x0405060700010203ull);
    ck_assert_uint_eq(c->v[1].d[1], 0x0c0d0e0f08090a0bull);
    ck_assert(step(LD3_8H));
    ck_assert_uint_eq(c->v[1].h[1], 0x0607);
    ck_assert_uint_eq(c->v[3].h[0], 0x0405);
    ck_assert_uint_eq(c->x[0], DATA + 0x40 + 48);
    c->x[0] = DATA + 0x40;
    ck_assert(step(LDR_Q));
    c->x[0] = DATA + 0x90;
    ck_assert(step(STR_Q_PRE));
    ck_assert_mem_eq(ram(DATA + 0xa0), ram(DATA + 0x40), 16);
    c->x[0] = DATA + 0x40;
    ck_assert(step(LD1_4S));
    c->x[0] = DATA + 0xc0;
    ck_assert(step(ST1_4S));
    ck_assert_mem_eq(ram(DATA + 0xc0), ram(DATA + 0x40), 16);
    teardown();
}
END_TEST

START_TEST(test_alignment)
{
    setup();
    ctl(SCTLR_A);
    for (unsigned round = 0; round < 2; round++) { /* the second time through the fast tables */
        c->x[0] = DATA + 16;
        ck_assert(step(LDR_Q));
        c->x[0] = DATA + 8;
        ck_assert(step(LDP_D));
        ck_assert(step(LD1_4S));
        ck_assert(!step(LDR_Q));
        expect_abort(DATA + 8, ALIGNMENT, false);
        ck_assert(!step(STR_Q_PRE));
        expect_abort(DATA + 24, ALIGNMENT, true);
        ck_assert(!step(LDP_Q_POST));
        expect_abort(DATA + 8, ALIGNMENT, false);
        c->x[0] = DATA + 4;
        ck_assert(step(LDP_S));
        ck_assert(!step(LDP_D));
        expect_abort(DATA + 4, ALIGNMENT, false);
        c->x[0] = DATA + 2;
        ck_assert(!step(LD1_4S));
        expect_abort(DATA + 2, ALIGNMENT, false);
        c->x[0] = DATA + 3;
        ck_assert(step(LD1_16B_4));
        c->x[0] = DATA + 2;
        ck_assert(step(LD3_8H));
    }
    ctl(0);
    c->x[0] = DEVICE + 8;
    ck_assert(!step(LDR_Q)); /* Device memory: whatever SCTLR.A */
    expect_abort(DEVICE + 8, ALIGNMENT, false);
    c->x[0] = DEVICE;
    ck_assert(step(LDR_Q));
    c->x[0] = DEVICE + 1;
    ck_assert(step(LD1_16B_4));
    teardown();
}
END_TEST

START_TEST(test_traps)
{
    setup();
    c->x[REG_SP] = DATA + 8;
    ck_assert(step(LDR_Q_SP));
    ctl(SCTLR_SA);
    ck_assert(!step(LDR_Q_SP));
    ck_assert_uint_eq(c->sys[ESR_EL1] >> 26, 0x26);
    c->x[REG_SP] = DATA + 16;
    ck_assert(step(LDR_Q_SP));
    c->sys[CPACR_EL1] = 0;
    context_touch(c);
    context_resolve(c);
    c->x[REG_SP] = DATA + 8;
    static const u32 words[] = {LDR_Q_SP, LDR_Q_POST, LD1_16B_4, LDP_D, LD2_S1, LD4R_2S, LDR_Q_LIT};
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        c->x[0] = HOLE;
        ck_assert(!step(words[i]));
        ck_assert_uint_eq(c->sys[ESR_EL1] >> 26, 7);
        ck_assert_uint_eq(c->x[0], HOLE);
    }
    teardown();
}
END_TEST

/* Every row of ours asks for access first: a disabled unit changes nothing and traps with EC 7. */
START_TEST(test_all_rows_trap)
{
    static const char *const names[] = {
#define A64(name, ...) #name,
#include "cpu/a64_crypto.def"
#include "cpu/a64_simd.def"
#include "cpu/a64_simd_ldst.def"
#undef A64
    };
    setup();
    c->sys[CPACR_EL1] = 0;
    context_touch(c);
    context_resolve(c);
    unsigned seen = 0;
    for (unsigned row = 0; row < a64_row_count; row++) {
        bool ours = false;
        for (unsigned i = 0; i < ARRAY_LEN(names); i++)
            ours = ours || strcmp(names[i], a64_rows[row].name) == 0;
        if (!ours)
            continue;
        union vreg before[32];
        u64 x[34];
        memcpy(before, c->v, sizeof before);
        memcpy(x, c->x, sizeof x);
        struct op o = {.row = (u16)row, .rd = 1, .rn = 2, .rm = 3, .ra = 4, .x = 1, .y = 1, .imm = 0x11};
        c->pc = CODE;
        ck_assert_int_eq(a64_execs[row](c, &o), STEP_JUMP);
        ck_assert_msg(c->sys[ESR_EL1] >> 26 == 7, "%s: ESR %lx", a64_rows[row].name, c->sys[ESR_EL1]);
        ck_assert_uint_eq(c->sys[ESR_EL1] >> 26, 7);
        ck_assert_mem_eq(before, c->v, sizeof before);
        ck_assert_mem_eq(x, c->x, sizeof x);
        seen++;
    }
    ck_assert_uint_ge(seen, ARRAY_LEN(names));
    teardown();
}
END_TEST

START_TEST(test_literal)
{
    setup();
    for (unsigned i = 0; i < 16; i++)
        *ram(CODE + 16 + i) = (u8)(0xf0 + i);
    ck_assert(step(LDR_Q_LIT));
    ck_assert_mem_eq(c->v[1].b, ram(CODE + 16), 16);
    ck_assert(step(LDR_S_LIT));
    ck_assert_uint_eq(c->v[1].d[0], 0xf3f2f1f0);
    ck_assert_uint_eq(c->v[1].d[1], 0);
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("simd_mem");
    TCase *t = tcase_create("simd_mem");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_unaligned);
    tcase_add_test(t, test_fault_restarts);
    tcase_add_test(t, test_big_endian);
    tcase_add_test(t, test_alignment);
    tcase_add_test(t, test_traps);
    tcase_add_test(t, test_all_rows_trap);
    tcase_add_test(t, test_literal);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
