/* The table walker against tables built by hand: every granule and level, each kind of fault, both
 * stages, hardware updates. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "mmu/walk.h"

enum { MEM = 4 << 20 };
#define BASE 0x40000000ull /* where the test's memory is */

static u8 mem[MEM];
static u64 next_table;
static u64 broken; /* an address that aborts */
static struct fault fault;
static struct walk_out out;

static bool rd(void *arg, struct pa pa, u64 *val)
{
    (void)arg;
    u64 a = pa_addr(pa);
    if (a < BASE || a - BASE > MEM - 8 || a == broken)
        return false;
    memcpy(val, mem + (a - BASE), 8);
    return true;
}

static bool cas(void *arg, struct pa pa, u64 old, u64 want, u64 *seen)
{
    if (!rd(arg, pa, seen))
        return false;
    if (*seen == old)
        memcpy(mem + (pa_addr(pa) - BASE), &want, 8);
    return true;
}

static const struct walk_mem walker = {NULL, rd, cas, NULL};

static u64 peek(u64 a)
{
    u64 v;
    memcpy(&v, mem + (a - BASE), 8);
    return v;
}
static void poke(u64 a, u64 v) { memcpy(mem + (a - BASE), &v, 8); }

static u64 table(unsigned log2)
{
    next_table = align_up(next_table, 1ull << log2);
    u64 t = next_table;
    next_table += 1ull << log2;
    ck_assert_uint_le(next_table, BASE + MEM);
    return t;
}

static void reset(void)
{
    memset(mem, 0, sizeof mem);
    next_table = BASE;
    broken = 0;
}

/* A stage 1 regime of one range. */
static struct regime stage1(unsigned granule, unsigned txsz)
{
    struct regime r = {.kind = REGIME_EL10,
                       .on = true,
                       .ps = 48,
                       .pamax = 48,
                       .two_ranges = true,
                       .mair = 0xff440c0400ull | 0xf0ull << 40};
    for (unsigned i = 0; i < 2; i++)
        r.r[i] = (struct tr_range){.txsz = (u8)txsz, .granule = (u8)granule, .ttbr = 0};
    r.r[1].epd = true;
    return r;
}

static int first_level(unsigned granule, unsigned bits_in)
{
    unsigned stride = granule - 3;
    return 4 - (int)((bits_in - granule + stride - 1) / stride);
}

/* Enters desc for va at the given level, making tables on the way; returns the descriptor's address. */
static u64 map(u64 *ttbr, unsigned granule, unsigned bits_in, int start, u64 va, int level, u64 desc)
{
    unsigned stride = granule - 3;
    if (!*ttbr) {
        unsigned top = bits_in - (granule + stride * (unsigned)(3 - start));
        *ttbr = table(top + 3 < 6 ? 6 : top + 3);
    }
    u64 at = *ttbr & 0xffffffffffc0ull;
    for (int l = start;; l++) {
        unsigned shift = granule + stride * (unsigned)(3 - l);
        unsigned top = l == start ? bits_in : shift + stride;
        u64 slot = at + bits(va, top - 1, shift) * 8;
        if (l == level) {
            poke(slot, desc);
            return slot;
        }
        if (!(peek(slot) & 1))
            poke(slot, table(granule) | 3);
        at = peek(slot) & 0xfffffffff000ull;
    }
}

static bool go(const struct regime *r, u64 va, unsigned need, bool priv)
{
    const struct walk_in in = {.use = WALK_ACCESS, .need = (u8)need, .priv = priv};
    return walk(r, (struct va){va}, &walker, &in, &out, &fault);
}

#define EXPECT_FAULT(r, at, need, priv, t, l)                                                                          \
    do {                                                                                                               \
        ck_assert(!go(r, at, need, priv));                                                                             \
        ck_assert_int_eq(fault.type, t);                                                                               \
        ck_assert_int_eq(fault.level, l);                                                                              \
        ck_assert_uint_eq(fault.va, at);                                                                               \
    } while (0)

enum { AF = 1 << 10, AP_RO = 1 << 7, AP_USER = 1 << 6, NG = 1 << 11 };
#define PXN (1ull << 53)
#define UXN (1ull << 54)
#define DBM (1ull << 51)

/* Every granule, every input size, every level that may hold a leaf. */
START_TEST(test_levels)
{
    static const u8 granules[] = {12, 14, 16};
    for (unsigned gi = 0; gi < 3; gi++)
        for (unsigned txsz = 16; txsz <= 39; txsz++) {
            unsigned g = granules[gi], stride = g - 3, n = 64 - txsz;
            int start = first_level(g, n);
            for (int level = start; level <= 3; level++) {
                if (level == 0 || (level == 1 && g != 12))
                    continue;
                reset();
                struct regime r = stage1(g, txsz);
                unsigned shift = g + stride * (unsigned)(3 - level);
                u64 va = 0x5a5a5a5a5a5aull & ones(n), pa = 0x1234567890abull & ~ones(shift) & ones(48);
                u64 d = map(&r.r[0].ttbr, g, n, start, va, level, pa | AF | AP_USER | 0x310 | (level == 3 ? 3 : 1));
                ck_assert(go(&r, va, NEED_R, false));
                ck_assert_uint_eq(pa_addr(out.pa), pa | (va & ones(shift)));
                ck_assert_int_eq(out.s1_level, level);
                ck_assert_uint_eq(out.s1_log2, shift);
                ck_assert_uint_eq(out.sh, 3);
                poke(d, 0);
                EXPECT_FAULT(&r, va, NEED_R, false, FAULT_TRANSLATION, level);
                broken = d;
                EXPECT_FAULT(&r, va, NEED_R, false, FAULT_EXTERNAL_TTW, level);
                broken = 0;
                poke(d, pa | AP_USER | (level == 3 ? 3 : 1));
                EXPECT_FAULT(&r, va, NEED_R, false, FAULT_ACCESS_FLAG, level);
                poke(d, pa | AF | (level == 3 ? 3 : 1));
                EXPECT_FAULT(&r, va, NEED_R, false, FAULT_PERMISSION, level);
                r.ps = 40;
                EXPECT_FAULT(&r, va, NEED_R, true, FAULT_ADDRESS_SIZE, level);
            }
        }
}
END_TEST

/* Reserved encodings: 01 at level 3, blocks where there are none. */
START_TEST(test_reserved)
{
    static const struct {
        u8 g;
        s8 level;
    } bad[] = {{12, 0}, {14, 1}, {16, 1}, {12, 3}, {14, 3}, {16, 3}};
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        reset();
        struct regime r = stage1(bad[i].g, 16);
        map(&r.r[0].ttbr, bad[i].g, 48, first_level(bad[i].g, 48), 0, bad[i].level, AF | 1);
        EXPECT_FAULT(&r, 0ull, NEED_R, true, FAULT_TRANSLATION, bad[i].level);
    }
}
END_TEST

START_TEST(test_range)
{
    reset();
    struct regime r = stage1(12, 25);
    r.r[1] = r.r[0];
    map(&r.r[0].ttbr, 12, 39, 1, 0x1000, 3, BASE | AF | 3);
    map(&r.r[1].ttbr, 12, 39, 1, 0x2000, 3, (BASE + 0x5000) | AF | 3);
    ck_assert(go(&r, 0x1008, NEED_R, true));
    ck_assert_uint_eq(out.pa.v, BASE + 8);
    ck_assert(go(&r, 0xffffff8000002010ull, NEED_R, true));
    ck_assert_uint_eq(out.pa.v, BASE + 0x5010);
    EXPECT_FAULT(&r, 0x8000001000ull, NEED_R, true, FAULT_TRANSLATION, 0);
    EXPECT_FAULT(&r, 0xffffff7fffffe000ull, NEED_R, true, FAULT_TRANSLATION, 0);
    EXPECT_FAULT(&r, 0x0100000000001000ull, NEED_R, true, FAULT_TRANSLATION, 0);
    r.r[0].tbi = true;
    ck_assert(go(&r, 0x0100000000001000ull, NEED_R, true));
    ck_assert(go(&r, 0x0100000000001000ull, NEED_X, true));
    r.r[0].tbid = true;
    EXPECT_FAULT(&r, 0x0100000000001000ull, NEED_X, true, FAULT_TRANSLATION, 0);
    r.r[0].e0pd = true;
    EXPECT_FAULT(&r, 0x1000ull, NEED_R, false, FAULT_TRANSLATION, 0);
    ck_assert(go(&r, 0x1000, NEED_R, true));
    r.r[0].epd = true;
    EXPECT_FAULT(&r, 0x1000ull, NEED_R, true, FAULT_TRANSLATION, 0);
    r.r[0].epd = false;
    r.r[0].txsz = 40;
    EXPECT_FAULT(&r, 0x1000ull, NEED_R, true, FAULT_TRANSLATION, 0);
    r.r[0].txsz = 15;
    EXPECT_FAULT(&r, 0x1000ull, NEED_R, true, FAULT_TRANSLATION, 0);
}
END_TEST

START_TEST(test_off)
{
    struct regime r = stage1(12, 16);
    r.on = false;
    ck_assert(go(&r, 0x123456, NEED_W, true));
    ck_assert_uint_eq(out.pa.v, 0x123456);
    ck_assert_uint_eq(out.attr, 0);
    ck_assert(go(&r, 0x123456, NEED_X, true));
    ck_assert_uint_eq(out.attr, 0x44);
    r.icache = true;
    ck_assert(go(&r, 0x123456, NEED_X, true));
    ck_assert_uint_eq(out.attr, 0xaa);
    r.dc = true;
    ck_assert(go(&r, 0x123456, NEED_W, true));
    ck_assert_uint_eq(out.attr, 0xff);
    EXPECT_FAULT(&r, 1ull << 48, NEED_R, true, FAULT_ADDRESS_SIZE, 0);
}
END_TEST

/* AP, UXN, PXN, WXN and the hierarchical limits, as perm bits UR UW UX PR PW PX PAN. */
START_TEST(test_permissions)
{
    static const struct {
        u64 desc, limits;
        bool wxn, one;
        unsigned perm;
    } t[] = {
        {0, 0, false, false, PERM_PR | PERM_PW | PERM_PX | PERM_UX},
        {AP_USER, 0, false, false, PERM_PR | PERM_PW | PERM_UR | PERM_UW | PERM_UX | PERM_PAN},
        {AP_RO, 0, false, false, PERM_PR | PERM_PX | PERM_UX},
        {AP_RO | AP_USER, 0, false, false, PERM_PR | PERM_UR | PERM_PX | PERM_UX | PERM_PAN},
        {AP_RO | UXN, 0, false, false, PERM_PR | PERM_PX},
        {AP_RO | PXN, 0, false, false, PERM_PR | PERM_UX},
        {0, 0, true, false, PERM_PR | PERM_PW | PERM_UX},
        {AP_USER, 0, true, false, PERM_PR | PERM_PW | PERM_UR | PERM_UW | PERM_PAN},
        {AP_USER, 1ull << 61, false, false, PERM_PR | PERM_PW | PERM_PX | PERM_UX},
        {AP_USER, 1ull << 62, false, false, PERM_PR | PERM_UR | PERM_PX | PERM_UX | PERM_PAN},
        {AP_RO, 1ull << 60, false, false, PERM_PR | PERM_PX},
        {AP_RO, 1ull << 59, false, false, PERM_PR | PERM_UX},
        {0, 0, false, true, PERM_PR | PERM_PW | PERM_PX},
        {UXN, 0, false, true, PERM_PR | PERM_PW},
        {0, 1ull << 60, false, true, PERM_PR | PERM_PW},
        {0, 0, true, true, PERM_PR | PERM_PW},
    };
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        reset();
        struct regime r = stage1(12, 25);
        r.wxn = t[i].wxn;
        r.two_ranges = !t[i].one;
        map(&r.r[0].ttbr, 12, 39, 1, 0, 3, BASE | AF | 3 | t[i].desc);
        u64 root = r.r[0].ttbr;
        poke(root, peek(root) | t[i].limits);
        ck_assert(go(&r, 0, 0, true));
        ck_assert_msg(out.perm == t[i].perm, "row %u: %x, not %x", i, out.perm, t[i].perm);
        r.r[0].hpd = true;
        ck_assert(go(&r, 0, 0, true));
        if (t[i].limits)
            ck_assert_uint_ne(out.perm, t[i].perm);
    }
}
END_TEST

START_TEST(test_updates)
{
    reset();
    struct regime r = stage1(12, 25);
    r.ha = true;
    u64 d = map(&r.r[0].ttbr, 12, 39, 1, 0, 3, BASE | AP_RO | DBM | 3);
    const struct walk_in at = {.use = WALK_AT, .need = NEED_R, .priv = true};
    ck_assert(walk(&r, (struct va){0}, &walker, &at, &out, &fault));
    ck_assert(peek(d) & AF);
    poke(d, BASE | AP_RO | DBM | 3);
    ck_assert(go(&r, 0, NEED_R, true));
    ck_assert_uint_eq(peek(d), BASE | AP_RO | DBM | 3 | AF);
    EXPECT_FAULT(&r, 0ull, NEED_W, true, FAULT_PERMISSION, 3);
    r.hd = true;
    ck_assert(go(&r, 0, NEED_R, true));
    ck_assert(!(out.perm & PERM_PW));
    ck_assert(peek(d) & AP_RO);
    EXPECT_FAULT(&r, 0ull, NEED_W, false, FAULT_PERMISSION, 3);
    ck_assert(peek(d) & AP_RO);
    ck_assert(go(&r, 0, NEED_W, true));
    ck_assert(out.perm & PERM_PW);
    ck_assert_uint_eq(peek(d), BASE | DBM | 3 | AF);
}
END_TEST

/* ---- stage 2 -------------------------------------------------------------------------------- */

enum { S2_RW = 3 << 6, S2_R = 1 << 6, S2_WB = 0xf << 2 };

static struct regime stage2(unsigned granule, unsigned txsz, unsigned sl)
{
    struct regime r = {.kind = REGIME_STAGE2, .on = true, .ps = 48, .pamax = 48};
    r.r[0] = (struct tr_range){.txsz = (u8)txsz, .granule = (u8)granule, .sl = (u8)sl};
    return r;
}

/* All valid combinations of start level and size, concatenated tables among them. */
START_TEST(test_stage2_start)
{
    for (unsigned gi = 0; gi < 3; gi++)
        for (unsigned sl = 0; sl < 3; sl++)
            for (unsigned txsz = 16; txsz <= 39; txsz++) {
                reset();
                unsigned g = 12 + 2 * gi, stride = g - 3, n = 64 - txsz;
                int start = g == 12 ? 2 - (int)sl : 3 - (int)sl;
                unsigned resolved = (unsigned)(3 - start) * stride + g;
                bool valid = n > resolved && n <= resolved + stride + 4;
                struct regime r = stage1(12, 16), s2 = stage2(g, txsz, sl);
                r.on = false;
                r.s2 = &s2;
                u64 ipa = 0xfedcba987654ull & ones(n), pa = 0x555555550000ull;
                if (valid && n - resolved + 3 < 21)
                    map(&s2.r[0].ttbr, g, n, start, ipa, 3, pa | AF | S2_RW | S2_WB | 3);
                else
                    valid = false;
                if (valid) {
                    ck_assert(go(&r, ipa, NEED_W, true));
                    ck_assert_uint_eq(out.pa.v, pa | (ipa & ones(g)));
                    ck_assert_uint_eq(out.ipa.v, ipa);
                } else {
                    EXPECT_FAULT(&r, ipa, NEED_W, true, FAULT_TRANSLATION, 0);
                    ck_assert_int_eq(fault.stage, 2);
                    ck_assert_uint_eq(fault.ipa, ipa);
                    ck_assert(fault.ipa_valid);
                }
            }
}
END_TEST

/* Stage 1 tables are themselves IPAs: their faults are S1PTW. Identity stage 2 over the test's memory. */
START_TEST(test_nested)
{
    reset();
    struct regime r = stage1(12, 25), s2 = stage2(12, 25, 1);
    r.s2 = &s2;
    u64 d1 = map(&r.r[0].ttbr, 12, 39, 1, 0x3000, 3, 0x80001000 | AF | 3);
    u64 block = map(&s2.r[0].ttbr, 12, 39, 1, BASE, 2, BASE | AF | S2_RW | S2_WB | 1);
    map(&s2.r[0].ttbr, 12, 39, 1, BASE + (2 << 20), 2, (BASE + (2 << 20)) | AF | S2_RW | S2_WB | 1);
    u64 leaf = map(&s2.r[0].ttbr, 12, 39, 1, 0x80001000, 3, 0x90007000 | AF | S2_R | S2_WB | 3);
    ck_assert(go(&r, 0x3018, NEED_R, true));
    ck_assert_uint_eq(out.pa.v, 0x90007018);
    ck_assert_uint_eq(out.ipa.v, 0x80001018);
    ck_assert_uint_eq(out.s2_log2, 12);
    ck_assert(!(out.perm & PERM_PW));
    EXPECT_FAULT(&r, 0x3018ull, NEED_W, true, FAULT_PERMISSION, 3);
    ck_assert_int_eq(fault.stage, 2);
    ck_assert(!fault.s1ptw);
    ck_assert(fault.write);
    ck_assert_uint_eq(fault.ipa, 0x80001018);
    const struct walk_in at = {.use = WALK_AT, .need = NEED_W, .priv = true, .stage1_only = true};
    ck_assert(walk(&r, (struct va){0x3018}, &walker, &at, &out, &fault));
    ck_assert_uint_eq(out.pa.v, 0x80001018);
    poke(leaf, 0);
    EXPECT_FAULT(&r, 0x3018ull, NEED_R, true, FAULT_TRANSLATION, 3);
    ck_assert_uint_eq(fault.ipa, 0x80001018);
    /* the table walk itself */
    u64 keep = peek(block);
    poke(block, 0);
    EXPECT_FAULT(&r, 0x3018ull, NEED_W, true, FAULT_TRANSLATION, 2);
    ck_assert(fault.s1ptw && fault.write && fault.stage == 2); /* WnR is the access's */
    ck_assert_uint_eq(fault.ipa, r.r[0].ttbr);
    poke(block, BASE | AF | S2_RW | 1); /* Device */
    poke(leaf, 0x90007000 | AF | S2_R | S2_WB | 3);
    ck_assert(go(&r, 0x3018, NEED_R, true));
    s2.s2_ptw = true;
    EXPECT_FAULT(&r, 0x3018ull, NEED_R, true, FAULT_PERMISSION, 2);
    ck_assert(fault.s1ptw);
    /* an update of a stage 1 descriptor in read-only memory */
    poke(block, (keep & ~(u64)S2_RW) | S2_R);
    poke(d1, 0x80001000 | 3);
    r.ha = true;
    EXPECT_FAULT(&r, 0x3018ull, NEED_R, true, FAULT_PERMISSION, 2);
    ck_assert(fault.s1ptw && !fault.write);
    ck_assert_uint_eq(fault.ipa, d1);
    ck_assert(!(peek(d1) & AF));
    poke(block, keep);
    ck_assert(go(&r, 0x3018, NEED_R, true));
    ck_assert(peek(d1) & AF);
}
END_TEST

/* Secure state has two IPA spaces, each with its tables; stage 1's NS bit chooses, SW, SA, NSW, NSA say whose memory.
 */
START_TEST(test_stage2_secure)
{
    reset();
    struct regime r = stage1(12, 25), s2 = stage2(12, 25, 1);
    r.space = s2.space = PAS_S;
    r.s2 = &s2;
    s2.r[1] = s2.r[0];
    u64 ns = 1 << 5;
    map(&r.r[0].ttbr, 12, 39, 1, 0x3000, 3, 0x80001000 | AF | 3);
    map(&r.r[0].ttbr, 12, 39, 1, 0x4000, 3, 0x80001000 | ns | AF | 3);
    map(&s2.r[0].ttbr, 12, 39, 1, BASE, 1, BASE | AF | S2_RW | S2_WB | 1);
    map(&s2.r[0].ttbr, 12, 39, 1, 0x80001000, 3, 0x90007000 | AF | S2_RW | S2_WB | 3);
    map(&s2.r[1].ttbr, 12, 39, 1, 0x80001000, 3, 0x90008000 | AF | S2_RW | S2_WB | 3);
    ck_assert(go(&r, 0x3018, NEED_R, true));
    ck_assert_uint_eq(out.pa.v, pa_make(PAS_S, 0x90007018).v);
    ck_assert(go(&r, 0x4018, NEED_R, true));
    ck_assert_uint_eq(out.pa.v, pa_make(PAS_S, 0x90008018).v);
    s2.nsa = true;
    ck_assert(go(&r, 0x4018, NEED_R, true));
    ck_assert_uint_eq(out.pa.v, pa_make(PAS_NS, 0x90008018).v);
    s2.sa = true;
    ck_assert(go(&r, 0x3018, NEED_R, true));
    ck_assert_uint_eq(out.pa.v, pa_make(PAS_NS, 0x90007018).v);
    s2.r[1].txsz = 34; /* sizes of their own */
    EXPECT_FAULT(&r, 0x4018ull, NEED_R, true, FAULT_TRANSLATION, 0);
    ck_assert(fault.ipa_ns);
    ck_assert(go(&r, 0x3018, NEED_R, true));
}
END_TEST

START_TEST(test_stage2_attributes)
{
    static const struct {
        u8 s1, memattr;
        bool fwb, cd;
        u8 want;
    } t[] = {
        {0xff, 0xf, false, false, 0xff}, {0xff, 0x5, false, false, 0x44}, {0xff, 0xa, false, false, 0xbb},
        {0x44, 0xf, false, false, 0x44}, {0xbb, 0xf, false, false, 0xbb}, {0xff, 0x0, false, false, 0x00},
        {0xff, 0x1, false, false, 0x04}, {0x0c, 0x1, false, false, 0x04}, {0x00, 0xf, false, false, 0x00},
        {0x04, 0x3, false, false, 0x04}, {0xff, 0xf, false, true, 0x44},  {0x44, 0x6, true, false, 0xff},
        {0x00, 0x6, true, false, 0xff},  {0xff, 0x5, true, false, 0x44},  {0x04, 0x5, true, false, 0x04},
        {0xbb, 0x7, true, false, 0xbb},  {0xff, 0x1, true, false, 0x04},  {0x00, 0x3, true, false, 0x00},
        {0xf0, 0xf, false, false, 0xf0},
    };
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        reset();
        struct regime r = stage1(12, 25), s2 = stage2(12, 25, 1);
        r.mair = t[i].s1;
        r.s2 = &s2;
        s2.s2_fwb = t[i].fwb;
        s2.s2_cd = t[i].cd;
        map(&r.r[0].ttbr, 12, 39, 1, 0x3000, 3, 0x80001000 | AF | 3);
        map(&s2.r[0].ttbr, 12, 39, 1, BASE, 1, BASE | AF | S2_RW | (t[i].fwb ? 7 << 2 : S2_WB) | 1);
        map(&s2.r[0].ttbr, 12, 39, 1, 0x80001000, 3, 0x90007000 | AF | S2_RW | (u64)t[i].memattr << 2 | 3);
        ck_assert(go(&r, 0x3018, NEED_R, true));
        ck_assert_msg(out.attr == t[i].want, "row %u: %02x, not %02x", i, out.attr, t[i].want);
    }
}
END_TEST

START_TEST(test_stage2_xn)
{
    static const u8 px[2][4] = {{1, 1, 0, 0}, {1, 0, 0, 1}}, ux[2][4] = {{1, 1, 0, 0}, {1, 1, 0, 0}};
    for (unsigned xnx = 0; xnx < 2; xnx++)
        for (unsigned xn = 0; xn < 4; xn++) {
            u16 p = perm_stage2(3, xn, xnx);
            ck_assert_int_eq(!!(p & PERM_PX), px[xnx][xn]);
            ck_assert_int_eq(!!(p & PERM_UX), ux[xnx][xn]);
        }
}
END_TEST

START_TEST(test_big_endian)
{
    reset();
    struct regime r = stage1(12, 25);
    u64 d = map(&r.r[0].ttbr, 12, 39, 1, 0, 1, BASE | AP_RO | DBM | 1);
    poke(d, bswap64(peek(d)));
    r.ee = r.ha = r.hd = true;
    ck_assert(go(&r, 0x1234, NEED_W, true));
    ck_assert_uint_eq(out.pa.v, BASE + 0x1234);
    ck_assert_uint_eq(bswap64(peek(d)), BASE | AF | DBM | 1);
}
END_TEST

/* 52-bit addresses: 64 KiB granule by PS, 4 KiB by DS with a level -1. */
START_TEST(test_52_bit)
{
    reset();
    struct regime r = stage1(16, 12);
    r.ps = r.pamax = 52;
    u64 va = 0xf5a5a5a5a5a5aull & ones(52);
    map(&r.r[0].ttbr, 16, 52, 1, va, 3, 0x123456780000ull | 0xfull << 12 | AF | 3);
    ck_assert(go(&r, va, NEED_R, true));
    ck_assert_uint_eq(out.pa.v, 0xf123456780000ull | (va & 0xffff));
    reset();
    r = stage1(12, 12);
    r.ps = r.pamax = 52;
    r.ds = true;
    r.r[0].sh = 2;
    map(&r.r[0].ttbr, 12, 52, -1, va, 3, 0x3123456780000ull | 3ull << 8 | AF | 3);
    ck_assert(go(&r, va, NEED_R, true));
    ck_assert_uint_eq(out.pa.v, 0xf123456780000ull | (va & 0xfff));
    ck_assert_uint_eq(out.sh, 2);
    map(&r.r[0].ttbr, 12, 52, -1, va, -1, 0);
    EXPECT_FAULT(&r, va, NEED_R, true, FAULT_TRANSLATION, -1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("walk");
    TCase *t = tcase_create("walk");
    tcase_add_test(t, test_levels);
    tcase_add_test(t, test_reserved);
    tcase_add_test(t, test_range);
    tcase_add_test(t, test_off);
    tcase_add_test(t, test_permissions);
    tcase_add_test(t, test_updates);
    tcase_add_test(t, test_stage2_start);
    tcase_add_test(t, test_nested);
    tcase_add_test(t, test_stage2_secure);
    tcase_add_test(t, test_stage2_attributes);
    tcase_add_test(t, test_stage2_xn);
    tcase_add_test(t, test_big_endian);
    tcase_add_test(t, test_52_bit);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
