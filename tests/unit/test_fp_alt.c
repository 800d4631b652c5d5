/* Alternate floating-point behaviour (FPCR.AH, FIZ, EBF; FEAT_RPRES), which the reference emulator lacks: the cases
 * of tests/golden/fp-alt.txt differ from ordinary behaviour and were computed by a model in exact rationals that
 * follows the pseudocode.  Sizes 16, 32, 64; unused operands are there but ignored. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/fp.h"

struct fn {
    const char *name;
    u64 (*run)(unsigned size, u64 a, u64 b, u64 c, struct fp fp);
};

#define SIZED(name, ...)                                                                                               \
    static u64 run_##name(unsigned size, u64 a, u64 b, u64 c, struct fp fp)                                            \
    {                                                                                                                  \
        (void)b, (void)c;                                                                                              \
        if (size == 16)                                                                                                \
            return CALL(name, 16, u16, __VA_ARGS__);                                                                   \
        return size == 32 ? CALL(name, 32, u32, __VA_ARGS__) : CALL(name, 64, u64, __VA_ARGS__);                       \
    }
#define CALL(name, N, T, how)   how(name, N, T)
#define ONE(name, N, T)         fp_##name##N((T)a, fp)
#define TWO(name, N, T)         fp_##name##N((T)a, (T)b, fp)
#define THREE(name, N, T)       fp_##name##N((T)a, (T)b, (T)c, fp)
#define COMPARE(name, N, T)     fp_##name##N((T)a, (T)b, c & 1, fp) >> 28
#define TO_INTEGRAL(name, N, T) fp_##name##N((T)a, (enum fp_round)(c % 5), b & 1, fp)
#define TO_FIXED(name, N, T)    fp_##name##N((T)a, 0, b & 1, (enum fp_round)(c % 5), 32, fp)
SIZED(add, TWO)
SIZED(sub, TWO)
SIZED(mul, TWO)
SIZED(mulx, TWO)
SIZED(div, TWO)
SIZED(max, TWO)
SIZED(min, TWO)
SIZED(maxnm, TWO)
SIZED(minnm, TWO)
SIZED(recps, TWO)
SIZED(rsqrts, TWO)
SIZED(sqrt, ONE)
SIZED(recpe, ONE)
SIZED(rsqrte, ONE)
SIZED(recpx, ONE)
SIZED(abs, ONE)
SIZED(neg, ONE)
SIZED(fma, THREE)
SIZED(compare, COMPARE)
SIZED(rint, TO_INTEGRAL)
SIZED(to_fixed, TO_FIXED)

#define MIXED(name, call)                                                                                              \
    static u64 run_##name(unsigned size, u64 a, u64 b, u64 c, struct fp fp)                                            \
    {                                                                                                                  \
        return (void)size, (void)b, (void)c, call;                                                                     \
    }
MIXED(fma_half, fp_fma_half((u32)a, (u16)b, (u16)c, fp))
MIXED(fma_bf, fp_fma_bf((u32)a, (u16)b, (u16)c, fp))
MIXED(bfdot, fp_bfdot((u32)a, (u32)b, (u32)c, fp.fpcr))
MIXED(cvtbf, fp_cvtbf_32((u32)a, fp))
MIXED(cvt32_64, fp_cvt32_64(a, fp))
MIXED(cvt64_32, fp_cvt64_32((u32)a, fp))
MIXED(cvt16_32, fp_cvt16_32((u32)a, fp))
MIXED(cvtx, fp_cvtx32_64(a, fp))

static const struct fn fns[] = {
    {"add", run_add},        {"sub", run_sub},          {"mul", run_mul},          {"mulx", run_mulx},
    {"div", run_div},        {"max", run_max},          {"min", run_min},          {"maxnm", run_maxnm},
    {"minnm", run_minnm},    {"recps", run_recps},      {"rsqrts", run_rsqrts},    {"sqrt", run_sqrt},
    {"recpe", run_recpe},    {"rsqrte", run_rsqrte},    {"recpx", run_recpx},      {"abs", run_abs},
    {"neg", run_neg},        {"fma", run_fma},          {"cmp", run_compare},      {"rint", run_rint},
    {"tofix", run_to_fixed}, {"fmah", run_fma_half},    {"fmabf", run_fma_bf},     {"bfdot", run_bfdot},
    {"cvtbf", run_cvtbf},    {"cvt3264", run_cvt32_64}, {"cvt6432", run_cvt64_32}, {"cvt1632", run_cvt16_32},
    {"cvtx", run_cvtx},
};

START_TEST(test_alternate)
{
    FILE *f = fopen(ELARA_TESTS "/golden/fp-alt.txt", "r");
    ck_assert_ptr_nonnull(f);
    char line[200], op[32];
    unsigned size, n = 0;
    unsigned long fpcr, a, b, c, result, flags;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#')
            continue;
        ck_assert_int_eq(sscanf(line, "%31s %u %lx %lx %lx %lx %lx %lx", op, &size, &fpcr, &a, &b, &c, &result, &flags),
                         8);
        const struct fn *fn = NULL;
        for (unsigned k = 0; k < ARRAY_LEN(fns); k++)
            if (!strcmp(fns[k].name, op))
                fn = &fns[k];
        ck_assert_ptr_nonnull(fn);
        u32 fpsr = 0;
        u64 got = fn->run(size, a, b, c, (struct fp){(u32)fpcr, &fpsr});
        ck_assert_msg(got == result && fpsr == flags, "got %llx %x, want %s", (unsigned long long)got, fpsr, line);
        n++;
    }
    fclose(f);
    ck_assert_uint_gt(n, 500);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fp_alt");
    TCase *t = tcase_create("fp_alt");
    tcase_add_test(t, test_alternate);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
