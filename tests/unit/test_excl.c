/* Which pairs of exclusives are simple: parallel mode compares values for them (cpu/mem_excl.c). That both engines are
 * exact with the others is in tests/guest/litmus.c. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/a64.h"
#include "cpu/feat.h"
#include "cpu/mem.h"

enum { LDXR = 0xc85f7c01, LDAXRB = 0x085ffc01, STXR = 0xc8027c01, STLXRB = 0x0802fc01, LDXP = 0xc87f0801 };
enum { STXP = 0xc8230801, ADD = 0x91000421, EOR = 0xca020021, MADD = 0x9b020c21, B_NE = 0x54000041, CBNZ = 0xb5000041 };

static const struct {
    u32 word;
    bool simple;
} between[] = {
    {ADD, true},         {EOR, true}, {MADD, true}, {B_NE, true}, {CBNZ, true}, {0xd2800021, true}, /* movz */
    {0xda811021, true},                                                                             /* csinv */
    {0xdac01021, true},                                                                             /* clz */
    {0xf9400083, false},                                                                            /* ldr */
    {0x58000003, false},                                                                            /* ldr literal */
    {0xf9000083, false},                                                                            /* str */
    {0xf8200083, false},                                                                            /* ldadd */
    {0xd50b7424, false},                                                                            /* dc zva */
    {0xd53bd043, false},                                                                            /* mrs */
    {0xd503305f, false},                                                                            /* clrex */
    {0xd4000001, false},                                                                            /* svc */
    {0xd61f0060, false},                                                                            /* br */
    {0x4cdf7083, false},                                                                            /* ld1 */
    {0x9e670020, false},                                                                            /* fmov */
    {0, false},                                                                                     /* udf */
};

static struct op op[40];
static struct decoder *dec;

static void put(unsigned i, u32 word) { op[i] = decode(dec, word); }

/* first, n of word, last: a pair? */
static bool pair(u32 first, unsigned n, u32 word, u32 last)
{
    put(0, first);
    for (unsigned i = 1; i <= n; i++)
        put(i, word);
    put(n + 1, last);
    bool load = mem_excl_simple_load(&op[0], n + 1), store = mem_excl_simple_store(&op[n + 1], n + 1);
    ck_assert(load == store);
    return load;
}

START_TEST(test_between)
{
    for (unsigned i = 0; i < sizeof between / sizeof *between; i++)
        for (unsigned n = 1; n < 4; n++)
            ck_assert_msg(pair(LDXR, n, between[i].word, STXR) == between[i].simple, "%08x", between[i].word);
}
END_TEST

START_TEST(test_forms)
{
    static const u32 loads[] = {LDXR, LDAXRB, LDXP}, stores[] = {STXR, STLXRB, STXP};
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < 3; k++)
            ck_assert(pair(loads[i], 0, 0, stores[k]) && pair(loads[i], 2, ADD, stores[k]));
        put(0, loads[i]);
        put(1, ADD);
        put(2, ADD);
        ck_assert(mem_excl_is_load(&op[0]) && !mem_excl_is_load(&op[1]) && !mem_excl_simple_load(&op[0], 2));
        put(0, ADD);
        put(2, stores[i]);
        ck_assert(!mem_excl_is_load(&op[2]) && !mem_excl_simple_store(&op[2], 2));
    }
}
END_TEST

/* The nearest ones belong together; what is beyond the block or page is not looked at. */
START_TEST(test_nearest)
{
    static const u32 words[] = {LDXR, ADD, LDXR, ADD, STXR, ADD, STXR};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        put(i, words[i]);
    ck_assert(!mem_excl_simple_load(&op[0], 6) && mem_excl_simple_load(&op[2], 4));
    ck_assert(mem_excl_simple_store(&op[4], 4) && !mem_excl_simple_store(&op[6], 6));
    ck_assert(mem_excl_simple_store(&op[4], 2) && !mem_excl_simple_store(&op[4], 1));
    ck_assert(mem_excl_simple_load(&op[2], 2) && !mem_excl_simple_load(&op[2], 1));
    ck_assert(!mem_excl_simple_load(&op[2], 0) && !mem_excl_simple_store(&op[4], 0));
}
END_TEST

int main(void)
{
    static struct features all;
    memset(&all, 0xff, sizeof all);
    dec = decoder_new(&all);
    Suite *s = suite_create("excl");
    TCase *t = tcase_create("excl");
    tcase_add_test(t, test_between);
    tcase_add_test(t, test_forms);
    tcase_add_test(t, test_nearest);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    decoder_free(dec);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
