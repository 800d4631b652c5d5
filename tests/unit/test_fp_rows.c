/* The floating-point rows: what they need no reference for. Traps, the upper part of the destination, UNDEFINED
 * without a feature; and, where the architecture's own encoding list is at hand (ELARA_SPEC), that every encoding
 * of it that belongs here has a row with the right feature. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/exec.h"
#include "cpu/fp.h"

struct row {
    const char *name, *picture;
    u16 feat;
    a64_exec *fn;
};
static const struct row rows[] = {
#define A64(name, picture, feat, imm, flags, fn) {#name, picture, feat, exec_##fn},
#include "cpu/a64_fp.def"
#undef A64
};

static struct cpu *c;
static struct cpu_env env;

static void setup(void)
{
    c = aligned_alloc(64, (sizeof *c + 63) / 64 * 64);
    memset(c, 0, sizeof *c);
    memset(&c->feat, 0xff, sizeof c->feat);
    c->env = &env;
    c->decoder = decoder_new(&c->feat);
}
static void teardown(void)
{
    decoder_free(c->decoder);
    free(c);
}

static const struct row *find(const char *name)
{
    for (unsigned k = 0; k < ARRAY_LEN(rows); k++)
        if (!strcmp(rows[k].name, name))
            return &rows[k];
    return NULL;
}

static u32 word_of(const struct row *r)
{
    u32 w = 0;
    for (const char *p = r->picture; *p; p++)
        if (*p != ' ')
            w = w << 1 | (*p == '1');
    return w;
}

/* ---- behaviour ------------------------------------------------------------------------------ */

/* With FP/SIMD disabled every row takes the trap before it touches anything. */
START_TEST(test_trap)
{
    for (unsigned k = 0; k < ARRAY_LEN(rows); k++) {
        struct op op = decode(c->decoder, word_of(&rows[k]));
        ck_assert_str_eq(a64_rows[op.row].name, rows[k].name);
        ck_assert_int_eq(a64_rows[op.row].flags & A64_V, A64_V);
        memset(c->v, 0x55, sizeof c->v);
        c->ps.el = 1;
        c->fp_trap = 1;
        c->fpsr = 0;
        u64 exceptions = c->exceptions;
        ck_assert_msg(rows[k].fn(c, &op) == STEP_JUMP, "%s does not trap", rows[k].name);
        ck_assert_uint_eq(c->exceptions, exceptions + 1);
        for (unsigned r = 0; r < 32; r++)
            ck_assert_uint_eq(c->v[r].d[0], 0x5555555555555555);
        ck_assert_uint_eq(c->fpsr, 0);
    }
}
END_TEST

static u64 run(const char *name, u64 a, u64 b, u32 fpcr)
{
    const struct row *r = find(name);
    ck_assert_msg(r, "%s", name);
    struct op op = {.rd = 0, .rn = 1, .rm = 2, .ra = 3};
    memset(c->v, 0, sizeof c->v);
    c->v[0].d[1] = c->v[0].d[0] = 0xd0d0d0d0d0d0d0d0;
    c->v[1].d[0] = a;
    c->v[1].d[1] = 0x1111111111111111;
    c->v[2].d[0] = b;
    c->v[2].d[1] = 0x2222222222222222;
    c->fpcr = fpcr;
    c->fpsr = 0;
    c->fp_trap = 0;
    ck_assert_int_eq(r->fn(c, &op), STEP_NEXT);
    return c->v[0].d[0];
}

START_TEST(test_upper_part)
{
    const u64 two = 0x4000000000000000, three = 0x4008000000000000;
    ck_assert_uint_eq(run("FADD_D", two, three, 0), 0x4014000000000000);
    ck_assert_uint_eq(c->v[0].d[1], 0);
    ck_assert_uint_eq(run("FADD_S", 0xffffffff40000000, 0xffffffff40400000, 0), 0x40a00000);
    ck_assert_uint_eq(c->v[0].d[1], 0);
    /* NEP: the rest comes from the first operand, for FSQRT from the destination, for compares from the second */
    ck_assert_uint_eq(run("FADD_S", 0xabcdabcd40000000, 0x7777777740400000, FPCR_NEP), 0xabcdabcd40a00000);
    ck_assert_uint_eq(c->v[0].d[1], 0x1111111111111111);
    ck_assert_uint_eq(run("FSQRT_S", 0xabcdabcd40800000, 0, FPCR_NEP), 0xd0d0d0d040000000);
    ck_assert_uint_eq(c->v[0].d[1], 0xd0d0d0d0d0d0d0d0);
    ck_assert_uint_eq(run("FCMEQ_scalar_S", 1, 0x7777777700000001, FPCR_NEP), 0x77777777ffffffff);
    ck_assert_uint_eq(run("FMOV_S", 0xabcdabcd40800000, 0, FPCR_NEP), 0x40800000);
    ck_assert_uint_eq(c->v[0].d[1], 0);
}
END_TEST

START_TEST(test_complex_half_needs_fp16)
{
    static const char *const names[] = {"FCADD_H", "FCMLA_H", "FCMLA_elem_4H", "FCMLA_elem_8H"};
    c->feat.w[FEAT_FP16 / 64] &= ~(1ull << FEAT_FP16 % 64);
    for (unsigned k = 0; k < ARRAY_LEN(names); k++) {
        struct op op = {.rd = 0, .rn = 1, .rm = 2};
        u64 exceptions = c->exceptions;
        c->ps.el = 1;
        ck_assert_int_eq(find(names[k])->fn(c, &op), STEP_JUMP);
        ck_assert_uint_eq(c->exceptions, exceptions + 1);
    }
}
END_TEST

/* ---- the architecture's list ---------------------------------------------------------------- */

/* The feature that a listed encoding needs, FEAT_COUNT: not ours. */
static u16 wanted(const char *name, const char *class, const char *llvm)
{
    static const char *const stems[] = {"F", "SCVTF", "UCVTF", "BF"};
    static const char *const later[] = {"fp8", "faminmax", "f16f32dot", "f16f32mm", "f16mm", "f8", "ssve"};
    bool ours = false;
    for (unsigned k = 0; k < ARRAY_LEN(stems); k++)
        ours |= !strncmp(name, stems[k], strlen(stems[k]));
    ours &= !strncmp(class, "simd_dp/", 8) && strcmp(class, "simd_dp/asimdimm") != 0;
    for (unsigned k = 0; k < ARRAY_LEN(later); k++)
        ours &= strncmp(llvm, later[k], strlen(later[k])) != 0 || !strncmp(llvm, "f16f32mm,f16mm,f16f32dot", 24);
    if (!ours || strstr(name, "_sisd_") || !strncmp(name, "FAM", 3)) /* _sisd_: FEAT_FPRCVT */
        return FEAT_COUNT;
    if (!strncmp(name, "BF", 2))
        return strncmp(llvm, "bf16", 4) ? FEAT_COUNT : FEAT_BF16;
    if (!strncmp(name, "FCMLA", 5) || !strncmp(name, "FCADD", 5))
        return FEAT_FCMA;
    if (!strncmp(name, "FJCVTZS", 7))
        return FEAT_JSCVT;
    if (!strncmp(name, "FRINT32", 7) || !strncmp(name, "FRINT64", 7))
        return FEAT_FRINTTS;
    if (!strncmp(name, "FMLAL", 5) || !strncmp(name, "FMLSL", 5))
        return FEAT_FHM;
    if (!strncmp(llvm, "fullfp16", 8) || !strncmp(llvm, "f16f32mm", 8))
        return FEAT_FP16;
    return strstr(class, "float") ? FEAT_FP : FEAT_AdvSIMD;
}

START_TEST(test_list)
{
    const char *dir = getenv("ELARA_SPEC");
    char path[256], line[2048];
    unsigned bad = 0, n = 0;
    snprintf(path, sizeof path, "%s/a64-encodings.tsv", dir ? dir : "/work/shared/spec");
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        char *col[11] = {0}, *p = line;
        for (unsigned k = 0; k < 11 && p; k++)
            col[k] = strsep(&p, "\t\n");
        if (!col[9] || strspn(col[2], "0123456789abcdef") != 8)
            continue;
        u16 feat = wanted(col[0], col[1], col[8]);
        if (feat == FEAT_COUNT)
            continue;
        u32 word = (u32)strtoul(col[9], NULL, 16);
        int r = decode_row(c->decoder, word);
        n++;
        /* fixed point with a shift: one listed encoding for all sizes */
        if (r < 0 || !find(a64_rows[r].name) || (a64_rows[r].feat != feat && !strstr(col[0], "shf_C"))) {
            printf("%s %08x: %s\n", col[0], word, r < 0 ? "no row" : a64_rows[r].name);
            bad++;
        }
    }
    if (f) {
        fclose(f);
        ck_assert_uint_gt(n, 300);
    }
    ck_assert_uint_eq(bad, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fp_rows");
    TCase *t = tcase_create("fp_rows");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_trap);
    tcase_add_test(t, test_upper_part);
    tcase_add_test(t, test_complex_half_needs_fp16);
    tcase_add_test(t, test_list);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
