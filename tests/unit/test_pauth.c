/* Pointer authentication: the cipher's published vector, and codes in pointers. */
#include "cpu/pauth.h"
#include "el1.h"

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

/* InsertPAC and Authenticate (DDI0487 J1.1.3) when TBI0 and TBI1 differ: bit 55 tells the range if either range ignores
 * the top byte, while the top byte is the program's only if the pointer's own range says so. (QEMU asks for the
 * pointer's own range both times, and takes bit 63 of a pointer in the range without TBI.) */
START_TEST(test_tbi_differs)
{
    const unsigned tsz0 = 25, tsz1 = 20;
    static const u32 words[] = {0xdac10020, 0xdac11020, 0xdac10820, 0xdac11820}; /* PACIA AUTIA PACDA AUTDA x0, x1 */
    setup_cpu("max,-epac,-pauth2,-fpac", false, false);
    memcpy(ram(CODE), words, sizeof words);
    for (unsigned n = 0; n < 2 * 16 * 16; n++) {
        bool data = n & 1, tbi[2] = {n & 2, n & 4}, tbid[2] = {n & 8, n & 16};
        u64 ptr = (u64)(n >> 5 & 1) << 63 | (u64)(n >> 6 & 1) << 55 | (u64)(n >> 7 & 1) << 60 | 0x12345678 |
                  (n >> 8 & 1 ? 0x7fffffull << 40 & ~(1ull << 55) : 0);
        c->sys[TCR_EL1] = tsz0 | tsz1 << 16 | 2u << 30 | (u64)tbi[0] << 37 | (u64)tbi[1] << 38 | (u64)tbid[0] << 51 |
                          (u64)tbid[1] << 52;
        c->sys[SCTLR_EL1] = (1ull << 31 | 1ull << 27); /* EnIA, EnDA; the MMU is off */
        struct pauth_key k = {0x0123456789abcdef, 0xfedcba9876543210};
        c->sys[APIAKeyHi_EL1] = c->sys[APDAKeyHi_EL1] = k.hi;
        c->sys[APIAKeyLo_EL1] = c->sys[APDAKeyLo_EL1] = k.lo;
        c->pc = CODE + (data ? 8 : 0);
        c->x[0] = ptr;
        c->x[1] = 0x4242;
        context_flush(c);
        context_touch(c);
        c->slice = (struct slice){.left = 1};
        engine_interp.run(c);

        bool eff[2] = {tbi[0] && (data || !tbid[0]), tbi[1] && (data || !tbid[1])};
        bool own = eff[bit(ptr, 55)], sel = eff[0] || eff[1] ? bit(ptr, 55) : bit(ptr, 63);
        unsigned bottom = 64 - (sel ? tsz1 : tsz0), top = own ? 55 : 63;
        u64 ext = deposit(ptr, own ? 55 : 63, bottom, sel ? ~0ull >> (63 - (top - bottom)) : 0);
        u64 pac = pauth_compute(PAUTH_QARMA5, ext, 0x4242, k), field = bits(ptr, top, bottom);
        if (field != 0 && field != ~0ull >> (63 - (top - bottom)))
            pac ^= 1ull << (top - 1);
        u64 want = deposit(deposit(ptr, 55, 55, sel), 54, bottom, bits(pac, 54, bottom));
        if (!own)
            want = deposit(want, 63, 56, pac >> 56);
        ck_assert_msg(c->x[0] == want, "%u: %llx becomes %llx, not %llx", n, (unsigned long long)ptr,
                      (unsigned long long)c->x[0], (unsigned long long)want);
        /* authentication goes by bit 55 of what was signed: a canonical pointer of that range comes back */
        if (field == 0 || field == ~0ull >> (63 - (top - bottom))) {
            c->slice = (struct slice){.left = 1};
            engine_interp.run(c);
            if (eff[bit(want, 55)] == own)
                ck_assert_uint_eq(c->x[0], ext);
        }
    }
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pauth");
    TCase *t = tcase_create("pauth");
    tcase_add_test(t, test_qarma5);
    tcase_add_test(t, test_round_trip);
    tcase_add_test(t, test_poison);
    tcase_add_test(t, test_tbi_differs);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
