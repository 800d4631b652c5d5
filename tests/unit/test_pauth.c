/* Pointer authentication: the cipher's published vector, and codes in pointers. */
#include <check.h>
#include <stdlib.h>

#include "core/bits.h"
#include "cpu/pauth.h"

/* QARMA-64, sigma 2, r = 5 (Avanzi, "The QARMA block cipher family", test vectors). */
START_TEST(test_qarma5)
{
    struct pauth_key k = {.hi = 0x84be85ce9804e94b, .lo = 0xec2802d4e0a488e9};
    ck_assert_uint_eq(pauth_compute(PAUTH_QARMA5, 0xfb623599da6e8127, 0x477d469dec0b8762, k), 0xc003b93999b33765);
}
END_TEST

static const struct pauth_layout layouts[] = {{48, false}, {48, true}, {39, false}, {52, true}};

START_TEST(test_round_trip)
{
    struct pauth_key k = {0x0123456789abcdef, 0xfedcba9876543210};
    for (unsigned a = PAUTH_QARMA5; a <= PAUTH_IMPDEF; a++)
        for (unsigned v = PAUTH_1; v <= PAUTH_2; v++)
            for (unsigned n = 0; n < ARRAY_LEN(layouts); n++)
                for (unsigned sel = 0; sel < 2; sel++) {
                    struct pauth_layout l = layouts[n];
                    u64 ptr = pauth_extend(l, 0x12345678, sel), mod = 0x4242;
                    u64 pac = pauth_compute(a, pauth_extend(l, ptr, sel), mod, k);
                    u64 s = pauth_add(v, l, ptr, sel, pac);
                    ck_assert_uint_eq(pauth_extend(l, s, bit(s, 55)), ptr);
                    bool ok;
                    ck_assert_uint_eq(pauth_auth(v, l, s, pac, false, &ok), ptr);
                    ck_assert(ok);
                    /* a wrong code leaves a pointer that is no address */
                    u64 bad = pauth_auth(v, l, s ^ 1ull << 53, pac, false, &ok);
                    ck_assert(!ok);
                    ck_assert_uint_ne(bad, ptr);
                }
}
END_TEST

/* A pointer that is not an address must not authenticate after signing, except with FEAT_PAuth2. */
START_TEST(test_poison)
{
    struct pauth_layout l = {48, false};
    u64 ptr = 0x0055000012345678, good = pauth_extend(l, ptr, false), pac = 0x7f3c5a5a5a5a5a5a;
    bool ok;
    pauth_auth(PAUTH_1, l, pauth_add(PAUTH_1, l, ptr, false, pac), pac, false, &ok);
    ck_assert(!ok);
    ck_assert_uint_eq(pauth_add(PAUTH_EPAC, l, ptr, false, pac), good);
    ck_assert_uint_eq(deposit(0, 62, 61, 2), pauth_auth(PAUTH_1, l, ~pac & ~ones(48) & ~(1ull << 55), pac, true, &ok));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pauth");
    TCase *t = tcase_create("pauth");
    tcase_add_test(t, test_qarma5);
    tcase_add_test(t, test_round_trip);
    tcase_add_test(t, test_poison);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
