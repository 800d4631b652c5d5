/* Cryptographic instructions against the published examples of the algorithms they were made for. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "cpu/cpu.h"
#include "cpu/exec.h"

static struct cpu *c;
static struct decoder *dec;

static void setup(void)
{
    c = aligned_alloc(64, align_up(sizeof *c, 64));
    memset(c, 0, sizeof *c);
    memset(&c->feat, 0xff, sizeof c->feat);
    dec = decoder_new(&c->feat);
}
static void teardown(void)
{
    decoder_free(dec);
    free(c);
}

/* Register numbers go into the word's d, n, m and a fields. */
static void run(u32 word, unsigned d, unsigned n, unsigned m, unsigned a)
{
    struct op o = decode(dec, word | d | n << 5 | m << 16 | a << 10);
    ck_assert_int_eq(a64_execs[o.row](c, &o), STEP_NEXT);
}

static void set(unsigned r, const void *bytes) { memcpy(c->v[r].b, bytes, 16); }
static void set_words(unsigned r, u32 w0, u32 w1, u32 w2, u32 w3)
{
    c->v[r].s[0] = w0, c->v[r].s[1] = w1, c->v[r].s[2] = w2, c->v[r].s[3] = w3;
}

enum {
    AESE = 0x4e284800,
    AESD = 0x4e285800,
    AESMC = 0x4e286800,
    AESIMC = 0x4e287800,
    SHA1C = 0x5e000000,
    SHA1P = 0x5e001000,
    SHA1M = 0x5e002000,
    SHA1SU0 = 0x5e003000,
    SHA1H = 0x5e280800,
    SHA1SU1 = 0x5e281800,
    SHA256H = 0x5e004000,
    SHA256H2 = 0x5e005000,
    SHA256SU1 = 0x5e006000,
    SHA256SU0 = 0x5e282800,
    SM4E = (int)0xcec08400,
    SM4EKEY = (int)0xce60c800,
    EOR = 0x6e201c00,
};

/* FIPS 197, appendix B: key, plain text and cipher text; the key schedule by AESE with a zero key, which
 * is SubWord when all columns are equal. */
START_TEST(test_aes128)
{
    static const u8 key[16] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                               0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
    static const u8 plain[16] = {0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a, 0x30, 0x8d,
                                 0x31, 0x31, 0x98, 0xa2, 0xe0, 0x37, 0x07, 0x34};
    static const u8 cipher[16] = {0x39, 0x25, 0x84, 0x1d, 0x02, 0xdc, 0x09, 0xfb,
                                  0xdc, 0x11, 0x85, 0x97, 0x19, 0x6a, 0x0b, 0x32};
    setup();
    u32 w[44];
    memcpy(w, key, 16);
    u32 rcon = 1;
    for (unsigned i = 4; i < 44; i++) {
        u32 t = w[i - 1];
        if (i % 4 == 0) {
            set_words(0, t, t, t, t);
            set_words(1, 0, 0, 0, 0);
            run(AESE, 0, 1, 0, 0);
            t = ror32(c->v[0].s[0], 8) ^ rcon;
            rcon = rcon << 1 ^ (rcon & 0x80 ? 0x11b : 0);
        }
        w[i] = w[i - 4] ^ t;
    }
    set(0, plain);
    for (unsigned r = 0; r < 10; r++) {
        set(1, &w[4 * r]);
        run(AESE, 0, 1, 0, 0);
        if (r < 9)
            run(AESMC, 0, 0, 0, 0);
    }
    set(1, &w[40]);
    run(EOR, 0, 0, 1, 0);
    ck_assert_mem_eq(c->v[0].b, cipher, 16);

    for (unsigned r = 10; r > 0; r--) { /* the equivalent inverse cipher */
        set(1, &w[4 * r]);
        if (r < 10)
            run(AESIMC, 1, 1, 0, 0);
        run(AESD, 0, 1, 0, 0);
        if (r > 1)
            run(AESIMC, 0, 0, 0, 0);
    }
    set(1, w);
    run(EOR, 0, 0, 1, 0);
    ck_assert_mem_eq(c->v[0].b, plain, 16);
    teardown();
}
END_TEST

/* The padded message "abc" as 16 big-endian words. */
static void abc(u32 w[16])
{
    memset(w, 0, 64);
    w[0] = 0x61626380;
    w[15] = 24;
}

/* FIPS 180, SHA-1 of "abc". */
START_TEST(test_sha1)
{
    setup();
    static const u32 k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    static const u32 h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    static const u32 round[4] = {SHA1C, SHA1P, SHA1M, SHA1P};
    u32 w[16];
    abc(w);
    for (unsigned i = 0; i < 4; i++)
        set(16 + i, &w[4 * i]);
    set(0, h);
    set_words(1, h[4], 0, 0, 0);
    for (unsigned i = 0; i < 20; i++) {
        unsigned s = 16 + i % 4;
        u32 kk = k[i / 5];
        set_words(2, c->v[s].s[0] + kk, c->v[s].s[1] + kk, c->v[s].s[2] + kk, c->v[s].s[3] + kk);
        run(SHA1H, 3, 0, 0, 0);
        run(round[i / 5], 0, 1, 2, 0);
        c->v[1] = c->v[3];
        /* the schedule: words s .. s+3 are replaced by those 16 later */
        run(SHA1SU0, s, 16 + (i + 1) % 4, 16 + (i + 2) % 4, 0);
        run(SHA1SU1, s, 16 + (i + 3) % 4, 0, 0);
    }
    static const u32 want[5] = {0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c, 0x9cd0d89d};
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(c->v[0].s[i] + h[i], want[i]);
    ck_assert_uint_eq(c->v[1].s[0] + h[4], want[4]);
    teardown();
}
END_TEST

/* FIPS 180, SHA-256 of "abc"; round constants: fractions of cube roots of primes. */
START_TEST(test_sha256)
{
    setup();
    static const u32 h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    u32 w[16], k[64];
    for (unsigned i = 0, p = 2; i < 64; p++) {
        bool prime = true;
        for (unsigned q = 2; q * q <= p; q++)
            prime = prime && p % q;
        if (!prime)
            continue;
        u64 lo = 0, hi = 1ull << 36; /* cube root of p in units of 2^-32 */
        while (lo < hi) {
            u64 mid = (lo + hi + 1) / 2;
            if ((u128)mid * mid * mid <= (u128)p << 96)
                lo = mid;
            else
                hi = mid - 1;
        }
        k[i++] = (u32)lo;
    }
    ck_assert_uint_eq(k[0], 0x428a2f98);
    abc(w);
    for (unsigned i = 0; i < 4; i++)
        set(16 + i, &w[4 * i]);
    set(0, h);
    set(1, h + 4);
    for (unsigned i = 0; i < 16; i++) {
        unsigned s = 16 + i % 4;
        set_words(2, c->v[s].s[0] + k[4 * i], c->v[s].s[1] + k[4 * i + 1], c->v[s].s[2] + k[4 * i + 2],
                  c->v[s].s[3] + k[4 * i + 3]);
        c->v[3] = c->v[0];
        run(SHA256H, 0, 1, 2, 0);
        run(SHA256H2, 1, 3, 2, 0);
        run(SHA256SU0, s, 16 + (i + 1) % 4, 0, 0);
        run(SHA256SU1, s, 16 + (i + 2) % 4, 16 + (i + 3) % 4, 0);
    }
    static const u32 want[8] = {0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
                                0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad};
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(c->v[i / 4].s[i % 4] + h[i], want[i]);
    teardown();
}
END_TEST

/* GB/T 32907, example 1: key and plain text are the same. */
START_TEST(test_sm4)
{
    setup();
    static const u32 text[4] = {0x01234567, 0x89abcdef, 0xfedcba98, 0x76543210};
    static const u32 fk[4] = {0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc};
    static const u32 want[4] = {0x681edf34, 0xd206965e, 0x86b3e94f, 0x536e4246};
    for (unsigned i = 0; i < 4; i++)
        c->v[0].s[i] = text[i] ^ fk[i];
    set(1, text);
    for (unsigned r = 0; r < 8; r++) {
        for (unsigned i = 0; i < 4; i++) {
            u32 ck = 0;
            for (unsigned j = 0; j < 4; j++)
                ck = ck << 8 | (u8)((4 * (4 * r + i) + j) * 7);
            c->v[2].s[i] = ck;
        }
        run((u32)SM4EKEY, 0, 0, 2, 0);
        run((u32)SM4E, 1, 0, 0, 0);
    }
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(c->v[1].s[3 - i], want[i]);
    teardown();
}
END_TEST

/* Each extension is gated alone; nothing is left of it when it is off. */
START_TEST(test_gating)
{
    static const struct {
        u32 word;
        u16 feat;
    } gates[] = {
        {0x4e284800, FEAT_AES},     {0x0ee0e000, FEAT_PMULL},  {0x5e000000, FEAT_SHA1},   {0x5e280800, FEAT_SHA1},
        {0x5e004000, FEAT_SHA256},  {0xce608000, FEAT_SHA512}, {0xcec08000, FEAT_SHA512}, {0xce000000, FEAT_SHA3},
        {0xce608c00, FEAT_SHA3},    {0xce800000, FEAT_SHA3},   {0xce400000, FEAT_SM3},    {0xce60c000, FEAT_SM3},
        {0xcec08400, FEAT_SM4},     {0xce60c800, FEAT_SM4},    {0x2e808400, FEAT_RDM},    {0x7e808400, FEAT_RDM},
        {0x0e809400, FEAT_DotProd}, {0x4e80a400, FEAT_I8MM},   {0x0f80f000, FEAT_I8MM},   {0x0e208400, FEAT_AdvSIMD},
    };
    for (unsigned i = 0; i < ARRAY_LEN(gates); i++) {
        struct features f;
        memset(&f, 0xff, sizeof f);
        f.w[gates[i].feat / 64] &= ~(1ull << gates[i].feat % 64);
        struct decoder *off = decoder_new(&f);
        ck_assert_uint_eq(decode(off, gates[i].word).row, A64_ROW_UNDEFINED);
        decoder_free(off);
        memset(&f, 0xff, sizeof f);
        struct decoder *on = decoder_new(&f);
        ck_assert_uint_ne(decode(on, gates[i].word).row, A64_ROW_UNDEFINED);
        decoder_free(on);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("crypto");
    TCase *t = tcase_create("crypto");
    tcase_add_test(t, test_aes128);
    tcase_add_test(t, test_sha1);
    tcase_add_test(t, test_sha256);
    tcase_add_test(t, test_sm4);
    tcase_add_test(t, test_gating);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
