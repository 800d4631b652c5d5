/* The architectural TLB: tags, replacement, every form of invalidation, blocks, snapshots; and that the
 * fast tables lose what the TLB loses. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/snap.h"
#include "mmu/fast.h"
#include "mmu/tlb.h"

enum { PAGES = 64 };

static struct tlb *t;
static struct fast_pool *pool;
static u64 latch;
static _Alignas(4096) u8 ram[PAGES << 12];

static void setup(void)
{
    t = tlb_new();
    pool = fast_pool_new(&latch, ram, PAGES);
    tlb_attach(t, pool);
}
static void teardown(void)
{
    tlb_free(t);
    fast_pool_free(pool);
}

static unsigned space(u16 vmid, bool s1)
{
    const struct tlb_space s = {.kind = REGIME_EL10, .pas = PAS_NS, .s1 = s1, .s2 = true, .vmid = vmid};
    return tlb_space_id(t, &s);
}
static const struct tlb_scope vm1 = {.kind = REGIME_EL10, .pas = PAS_NS, .vmid = 1};

static bool big; /* fill 2 MiB pieces */
static const struct tlb_entry *fill(unsigned sp, u16 asid, u64 va, u64 pa, bool ng, unsigned log2)
{
    const struct walk_out o = {
        .pa = {pa}, .perm = PERM_ALL, .s1_log2 = (u8)log2, .s2_log2 = 63, .attr = 0xff, .ng = ng};
    const struct tlb_backing b = {.page = (u32)(pa >> 12), .big = big};
    return tlb_fill(t, sp, asid, va, &o, &b);
}
static bool has(unsigned sp, u16 asid, u64 va) { return tlb_lookup(t, sp, asid, va) != NULL; }

START_TEST(test_tags)
{
    unsigned a = space(1, true), b = space(2, true), c = space(1, false);
    ck_assert_uint_eq(a, space(1, true));
    ck_assert(a != b && b != c && a != c);
    fill(a, 5, 0x1000, 0x80001000, true, 12);
    ck_assert_uint_eq(tlb_lookup(t, a, 5, 0x1ff8)->pa, 0x80001000);
    ck_assert(!has(a, 6, 0x1000) && !has(b, 5, 0x1000) && !has(c, 5, 0x1000) && !has(a, 5, 0x2000));
    ck_assert(!has(a, 5, 0x0100000000001000ull));
    fill(a, 5, 0x3000, 0x80003000, false, 12);
    ck_assert(has(a, 5, 0x3000) && has(a, 6, 0x3000));
}
END_TEST

START_TEST(test_newest_wins)
{
    unsigned a = space(1, true);
    fill(a, 5, 0x1000, 0x80001000, true, 12);
    fill(a, 6, 0x1000, 0x80002000, true, 12);
    ck_assert_uint_eq(tlb_lookup(t, a, 5, 0x1000)->pa, 0x80001000);
    ck_assert_uint_eq(tlb_lookup(t, a, 6, 0x1000)->pa, 0x80002000);
    fill(a, 5, 0x1000, 0x80003000, true, 12);
    ck_assert_uint_eq(tlb_lookup(t, a, 5, 0x1000)->pa, 0x80003000);
    fill(a, 0, 0x1000, 0x80004000, false, 12); /* global: beats them all */
    ck_assert_uint_eq(tlb_lookup(t, a, 5, 0x1000)->pa, 0x80004000);
    ck_assert_uint_eq(tlb_lookup(t, a, 6, 0x1000)->pa, 0x80004000);
}
END_TEST

/* Nine pages of one set: the one filled first goes, whatever was used since. */
START_TEST(test_replacement)
{
    unsigned a = space(1, true);
    for (u64 i = 0; i < 9; i++) {
        fill(a, 5, i << 22, i << 12, true, 12);
        has(a, 5, 0);
    }
    ck_assert(!has(a, 5, 0));
    for (u64 i = 1; i < 9; i++)
        ck_assert(has(a, 5, i << 22));
}
END_TEST

START_TEST(test_invalidate)
{
    unsigned a = space(1, true), b = space(2, true), c = space(1, false);
#define REFILL()                                                                                                       \
    do {                                                                                                               \
        fill(a, 5, 0x1000, 0, true, 12);                                                                               \
        fill(a, 6, 0x1000, 0, true, 12);                                                                               \
        fill(a, 5, 0x2000, 0, false, 12);                                                                              \
        fill(b, 5, 0x1000, 0, true, 12);                                                                               \
        fill(c, 5, 0x7000, 0, false, 12);                                                                              \
    } while (0)
    REFILL();
    tlb_inv_all(t, &vm1);
    ck_assert(!has(a, 5, 0x1000) && !has(a, 6, 0x1000) && !has(a, 5, 0x2000) && has(b, 5, 0x1000));
    ck_assert(!has(c, 5, 0x7000)); /* the same VMID, whatever was on */
    REFILL();
    tlb_inv_asid(t, &vm1, 5);
    ck_assert(!has(a, 5, 0x1000) && has(a, 6, 0x1000) && has(a, 5, 0x2000) && has(b, 5, 0x1000));
    REFILL();
    tlb_inv_va(t, &vm1, 0x1000, 4096, false, 5);
    ck_assert(!has(a, 5, 0x1000) && has(a, 6, 0x1000) && has(a, 5, 0x2000) && has(b, 5, 0x1000));
    REFILL();
    tlb_inv_va(t, &vm1, 0x1000, 4096, true, 0);
    ck_assert(!has(a, 5, 0x1000) && !has(a, 6, 0x1000) && has(a, 5, 0x2000));
    tlb_inv_va(t, &vm1, 0x2000, 4096, false, 77); /* global: any ASID */
    ck_assert(!has(a, 5, 0x2000));
    REFILL();
    const struct tlb_scope all = {.kind = REGIME_EL10, .pas = PAS_NS, .any_vmid = true};
    tlb_inv_all(t, &all);
    ck_assert(!has(b, 5, 0x1000));
    REFILL();
    const struct tlb_scope el2 = {.kind = REGIME_EL2, .pas = PAS_NS, .any_vmid = true};
    const struct tlb_scope sec = {.kind = REGIME_EL10, .pas = PAS_S, .any_vmid = true};
    tlb_inv_all(t, &el2);
    tlb_inv_all(t, &sec);
    ck_assert(has(a, 5, 0x1000) && has(b, 5, 0x1000));
}
END_TEST

/* An invalidation anywhere in a block reaches all its pieces. */
START_TEST(test_blocks)
{
    static const unsigned sizes[] = {16, 21, 25, 30, 39};
    unsigned a = space(1, true);
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        u64 base = 0xffff800000000000ull, last = base + (1ull << sizes[i]) - 0x1000;
        fill(a, 5, base, 0, false, sizes[i]);
        fill(a, 5, last, 0, false, sizes[i]);
        fill(a, 5, base + (1ull << sizes[i]), 0, false, 12);
        tlb_inv_va(t, &vm1, base + (1ull << sizes[i]) / 2, 4096, true, 0);
        ck_assert(!has(a, 5, base) && !has(a, 5, last) && has(a, 5, base + (1ull << sizes[i])));
    }
}
END_TEST

/* Pieces of 2 MiB: the same rules, and a view of each page. */
START_TEST(test_big)
{
    unsigned a = space(1, true);
    const u64 base = 0xffff800000200000ull;
    big = true;
    fill(a, 5, base + 0x5000, 0x80005000, true, 21);
    const struct tlb_entry *e = tlb_lookup(t, a, 5, base + 0x1ff123);
    ck_assert_ptr_nonnull(e);
    ck_assert_uint_eq(e->pa, 0x801ff000);
    ck_assert_uint_eq(e->page, 0x801ff);
    ck_assert(!has(a, 6, base) && !has(a, 5, base + 0x200000) && !has(a, 5, base - 0x1000));
    tlb_inv_va(t, &vm1, base + 0x7000, 4096, false, 6);
    ck_assert(has(a, 5, base));
    tlb_inv_va(t, &vm1, base + 0x7000, 4096, false, 5);
    ck_assert(!has(a, 5, base));
    fill(a, 5, base, 0x80000000, false, 30);
    fill(a, 5, base + 0x400000, 0x80400000, false, 30);
    tlb_inv_va(t, &vm1, base + (1 << 24), 4096, false, 77);
    ck_assert(!has(a, 5, base) && !has(a, 5, base + 0x400000));
    fill(a, 5, base, 0x80000000, false, 21);
    tlb_inv_va(t, &vm1, base - 0x100000, 0x200000, true, 0);
    ck_assert(!has(a, 5, base));
    for (u64 i = 0; i <= TLB_BIG_WAYS; i++)
        fill(a, 5, base + (i << 28), 0x80000000, true, 21);
    ck_assert(!has(a, 5, base) && has(a, 5, base + (1 << 28)));
    /* a page entered later, or earlier, does not hide behind the other size */
    fill(a, 5, base, 0x80000000, true, 21);
    big = false;
    fill(a, 5, base, 0x90000000, true, 12);
    ck_assert_uint_eq(tlb_lookup(t, a, 5, base)->pa, 0x90000000);
    big = true;
    fill(a, 5, base, 0xa0000000, true, 21);
    ck_assert_uint_eq(tlb_lookup(t, a, 5, base)->pa, 0xa0000000);
    big = false;
}
END_TEST

START_TEST(test_ranges)
{
    unsigned a = space(1, true);
    for (unsigned many = 0; many < 2; many++) {
        u64 n = many ? 1000 : 100;
        for (u64 i = 0; i < n + 2; i++)
            fill(a, 5, 0x100000 + (i << 12), 0, true, 12);
        tlb_inv_va(t, &vm1, 0x101000, n << 12, false, 5);
        ck_assert(has(a, 5, 0x100000) && has(a, 5, 0x101000 + (n << 12)));
        for (u64 i = 1; i <= n; i++)
            ck_assert(!has(a, 5, 0x100000 + (i << 12)));
    }
    /* up to the end of the address space */
    fill(a, 5, ~0xfffull, 0, false, 12);
    tlb_inv_va(t, &vm1, 0ull - 0x200000, 0x200000, true, 0);
    ck_assert(!has(a, 5, ~0xfffull));
}
END_TEST

START_TEST(test_many_spaces)
{
    unsigned a = space(1, true);
    fill(a, 5, 0x1000, 0, false, 12);
    u32 epoch = tlb_space_epoch(t);
    for (u16 v = 100; v < 100 + TLB_SPACES; v++)
        fill(space(v, true), 5, 0x1000, 0, false, 12);
    ck_assert_uint_ne(tlb_space_epoch(t), epoch);
    ck_assert(!has(space(1, true), 5, 0x1000));
}
END_TEST

START_TEST(test_snapshot)
{
    unsigned a = space(1, true);
    fill(a, 5, 0x1000, 0x80001000, true, 12);
    struct snap s = {.mode = SNAP_SAVE};
    tlb_state(t, &s);
    struct snap h1 = {.mode = SNAP_HASH}, h2 = {.mode = SNAP_HASH};
    tlb_state(t, &h1);
    tlb_clear(t);
    ck_assert(!has(a, 5, 0x1000));
    struct snap l = {.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
    tlb_state(t, &l);
    ck_assert(!l.failed);
    ck_assert_uint_eq(space(1, true), a);
    ck_assert(has(a, 5, 0x1000));
    tlb_state(t, &h2);
    ck_assert_uint_eq(snap_hash(&h1), snap_hash(&h2));
    snap_free(&s);
}
END_TEST

/* ---- fast tables ---------------------------------------------------------------------------- */

static struct fast_ctx *ctx(unsigned sp, bool el0, u16 asid)
{
    const struct fast_key k = {.space = (u8)sp, .kind = REGIME_EL10, .el0 = el0, .asid = asid};
    struct fast_ctx *f = fast_get(pool, &k);
    if (!el0)
        fast_set_asid(pool, f, asid);
    return f;
}
static bool readable(const struct fast_ctx *f, u64 va)
{
    return !((f->t.rtag[fast_index(&f->t, va)] ^ va) & ~0xfffull);
}
static bool writable(const struct fast_ctx *f, u64 va)
{
    return !((f->t.wtag[fast_index(&f->t, va)] ^ va) & ~0xfffull);
}
static void enter(struct fast_ctx *f, u64 va, u32 page, bool ng)
{
    fill(f->key.space, f->asid, va, (u64)page << 12, ng, 12);
    fast_fill(pool, f, va, ram + (page << 12), page, true, true, !ng);
}

START_TEST(test_fast_empty)
{
    struct fast_ctx *f = ctx(space(1, true), true, 5);
    static const u64 va[] = {0, 1, 0xfff, 0x1000, 0x7ff000, ~0ull, 1ull << 55};
    for (unsigned i = 0; i < ARRAY_LEN(va); i++)
        ck_assert(!readable(f, va[i]) && !writable(f, va[i]));
}
END_TEST

START_TEST(test_fast_subset)
{
    unsigned a = space(1, true), b = space(2, true);
    struct fast_ctx *u5 = ctx(a, true, 5), *u6 = ctx(a, true, 6), *k = ctx(a, false, 5), *vm2 = ctx(b, true, 5);
    ck_assert_ptr_eq(ctx(a, true, 5), u5);
#define ENTER()                                                                                                        \
    do {                                                                                                               \
        k = ctx(a, false, 5);                                                                                          \
        enter(u5, 0x1000, 1, true);                                                                                    \
        enter(u6, 0x1000, 2, true);                                                                                    \
        enter(k, 0x8000, 3, true);                                                                                     \
        enter(k, 0x9000, 4, false);                                                                                    \
        enter(vm2, 0x1000, 5, true);                                                                                   \
        latch = 0x1000;                                                                                                \
    } while (0)
    ENTER();
    ck_assert(readable(u5, 0x1ff8) && writable(u5, 0x1008) && !readable(u5, 0x2000));
    ck_assert_ptr_eq(ft_host(&u5->t, fast_index(&u5->t, 0x1010), 0x1010), ram + 0x1010);
    tlb_inv_va(t, &vm1, 0x1000, 4096, false, 5);
    ck_assert(!readable(u5, 0x1000) && !writable(u5, 0x1000) && readable(vm2, 0x1000));
    ck_assert_uint_eq(latch, ~0ull);
    ENTER();
    tlb_inv_asid(t, &vm1, 5);
    ck_assert(!readable(u5, 0x1000) && readable(u6, 0x1000) && !readable(k, 0x8000) && readable(k, 0x9000));
    ENTER();
    tlb_inv_all(t, &vm1);
    ck_assert(!readable(u5, 0x1000) && !readable(u6, 0x1000) && !readable(k, 0x9000) && readable(vm2, 0x1000));
    ENTER();
    k = ctx(a, false, 6); /* an ASID change costs the privileged table its non-global entries only */
    ck_assert(!readable(k, 0x8000) && readable(k, 0x9000) && readable(u5, 0x1000));
    ENTER();
    for (u64 i = 1; i <= TLB_WAYS; i++) /* replaced in the TLB */
        fill(a, 5, 0x1000 + (i << 22), 0, true, 12);
    ck_assert(!readable(u5, 0x1000));
}
END_TEST

/* A privileged context of one ASID keeps what is not global while others run. */
START_TEST(test_fast_by_asid)
{
    unsigned a = space(1, true);
    struct fast_key k5 = {.space = (u8)a, .kind = REGIME_EL10, .by_asid = true, .asid = 5}, k6 = k5;
    k6.asid = 6;
    struct fast_ctx *f5 = fast_get(pool, &k5), *f6 = fast_get(pool, &k6), *k = ctx(a, false, 5);
    ck_assert(f5 != f6 && f5 != k && f5 != ctx(a, true, 5));
    enter(k, 0x8000, 3, true);
    ck_assert_uint_eq(fast_set_asid(pool, k, 6), 1);
    ck_assert_uint_eq(fast_set_asid(pool, k, 6), 0);
    enter(f5, 0x1000, 1, true);
    enter(f5, 0x2000, 2, false);
    enter(f6, 0x1000, 3, true);
    ck_assert_ptr_eq(fast_get(pool, &k5), f5);
    ck_assert(readable(f5, 0x1000) && readable(f6, 0x1000) && f5->asid == 5 && f6->asid == 6);
    tlb_inv_asid(t, &vm1, 5);
    ck_assert(!readable(f5, 0x1000) && readable(f5, 0x2000) && readable(f6, 0x1000));
    enter(f5, 0x1000, 1, true);
    tlb_inv_va(t, &vm1, 0x1000, 4096, true, 0);
    ck_assert(!readable(f5, 0x1000) && !readable(f6, 0x1000));
    enter(f6, 0x1000, 3, true);
    fill(a, 5, 0x1000, 0x80001000, false, 12); /* global: instead of it */
    ck_assert(!readable(f6, 0x1000));
    enter(f6, 0x3000, 3, true);
    tlb_inv_all(t, &vm1);
    ck_assert(!readable(f6, 0x3000) && !readable(f5, 0x2000));
}
END_TEST

/* The 2 MiB of a block go by what was filled, or by page when that is more. */
START_TEST(test_fast_drop_2m)
{
    unsigned a = space(1, true);
    struct fast_ctx *f = ctx(a, false, 5);
    for (u64 n = 4; n <= 1024; n *= 16) {
        for (u64 i = 0; i < n; i++)
            fast_fill(pool, f, (i << 19) & 0x3ff000, ram, 0, true, false, true);
        for (u64 i = 0; i < n && n > 4; i++)
            fast_fill(pool, f, i << 12, ram, 0, true, false, true);
        fast_fill(pool, f, 0x200000, ram, 0, true, false, true);
        fast_fill(pool, f, 0xff00000000001000, ram, 0, true, false, true);
        bool guarded;
        fast_fill_code(pool, f, 0x5000, (void *)ram, true, n == 4);
        ck_assert(fast_code(&f->t, 0x5000, &guarded) == (void *)ram && guarded == (n == 4));
        fast_drop_2m(pool, a, FAST_ANY_ASID, 0);
        for (u64 va = 0; va < 0x200000; va += 0x1000)
            ck_assert(!readable(f, va) && !fast_code(&f->t, va, &guarded));
        ck_assert(readable(f, 0x200000) && !readable(f, 0xff00000000001000));
    }
}
END_TEST

/* An entry of one ASID that goes is in that ASID's tables and in those where it is current; a global one in all. */
START_TEST(test_fast_drop_of_asid)
{
    unsigned a = space(1, true);
    struct fast_ctx *f5 = ctx(a, true, 5), *f6 = ctx(a, true, 6), *k = ctx(a, false, 5);
    for (unsigned block = 0; block < 2; block++)
        for (unsigned any = 0; any < 2; any++) {
            fast_set_asid(pool, k, 5);
            enter(f5, 0x1000, 3, true);
            enter(f6, 0x1000, 4, true);
            fast_set_asid(pool, k, 6);
            enter(k, 0x1000, 4, true);
            u32 asid = any ? FAST_ANY_ASID : 6;
            if (block)
                fast_drop_2m(pool, a, asid, 0);
            else
                fast_drop_va(pool, a, asid, 0x1000);
            ck_assert(readable(f5, 0x1000) == !any && !readable(f6, 0x1000) && !readable(k, 0x1000));
        }
}
END_TEST

/* More entries than the journal holds. */
START_TEST(test_fast_overflow)
{
    unsigned a = space(1, true);
    struct fast_ctx *f = ctx(a, false, 5);
    for (u64 i = 0; i < FAST_START; i++)
        enter(f, i << 12, (u32)(i % PAGES), true);
    ctx(a, false, 6);
    for (u64 i = 0; i < FAST_START; i++)
        ck_assert(!readable(f, i << 12));
}
END_TEST

/* A working set beyond the table makes it grow; what is found stays right. */
START_TEST(test_fast_grow)
{
    struct fast_ctx *f = ctx(space(1, true), true, 5);
    for (u64 round = 0; round < 8; round++)
        for (u64 i = 0; i < 2 * FAST_START; i++)
            enter(f, i << 12, (u32)(i % PAGES), true);
    ck_assert_uint_eq(f->t.mask + 1, 2 * FAST_START);
    for (u64 i = 0; i < 2 * FAST_START; i++) {
        ck_assert(readable(f, i << 12) && writable(f, i << 12));
        ck_assert_ptr_eq(ft_host(&f->t, fast_index(&f->t, i << 12), i << 12), ram + ((i % PAGES) << 12));
    }
    tlb_inv_all(t, &vm1);
    for (u64 i = 0; i < 2 * FAST_START; i++)
        ck_assert(!readable(f, i << 12));
}
END_TEST

START_TEST(test_fast_withdraw)
{
    unsigned a = space(1, true);
    struct fast_ctx *u = ctx(a, true, 5), *k = ctx(a, false, 5);
    enter(u, 0x1000, 7, true);
    enter(u, 0x2000, 8, true);
    fast_withdraw_write(pool, 7);
    ck_assert(readable(u, 0x1000) && !writable(u, 0x1000) && writable(u, 0x2000));
    enter(u, 0x1000, 7, true);
    enter(k, 0x55000, 7, false); /* an alias */
    fast_withdraw_write(pool, 7);
    ck_assert(!writable(u, 0x1000) && !writable(k, 0x55000) && readable(k, 0x55000) && writable(u, 0x2000));
}
END_TEST

/* Write tags of all tables that lead to a page. */
static unsigned leading_to(struct fast_ctx *const *f, unsigned n, u32 page)
{
    unsigned count = 0;
    for (unsigned k = 0; k < n; k++)
        for (u64 i = 0; i <= f[k]->t.mask; i++)
            count += f[k]->t.wtag[i] != fast_invalid(i) && ft_host(&f[k]->t, i, f[k]->t.wtag[i]) == ram + (page << 12);
    return count;
}

/* Pages under many addresses that come and go: a withdrawn one has no write tag left, another keeps its own. */
START_TEST(test_fast_aliases)
{
    unsigned a = space(1, true);
    struct fast_ctx *const f[] = {ctx(a, true, 5), ctx(a, true, 6), ctx(a, false, 5), ctx(space(2, true), true, 5)};
    u32 seed = 1;
    for (unsigned round = 0; round < 3000; round++) {
        for (unsigned n = round % 7; n-- > 0;) {
            seed = seed * 1664525 + 1013904223;
            u64 va = (seed >> 8 & 7) << 12;
            if (seed >> 28 == 0)
                fast_drop_va(pool, a, FAST_ANY_ASID, va);
            else
                enter(f[seed >> 16 & 3], va, seed >> 20 & 3, true);
        }
        u32 page = seed >> 24 & 3, other = (page + 1) & 3;
        unsigned before = leading_to(f, ARRAY_LEN(f), other);
        fast_withdraw_write(pool, page);
        ck_assert_uint_eq(leading_to(f, ARRAY_LEN(f), page), 0);
        ck_assert_uint_eq(leading_to(f, ARRAY_LEN(f), other), before);
    }
}
END_TEST

START_TEST(test_fast_pool)
{
    unsigned a = space(1, true);
    struct fast_ctx *f = ctx(a, true, 0);
    enter(f, 0x1000, 1, true);
    u32 epoch = fast_epoch(pool);
    for (u16 i = 1; i < FAST_CONTEXTS; i++)
        ctx(a, true, i);
    ck_assert_uint_eq(fast_epoch(pool), epoch);
    ck_assert(readable(ctx(a, true, 0), 0x1000));
    ctx(a, true, 100); /* takes the least recently used: ASID 1 */
    ck_assert_uint_ne(fast_epoch(pool), epoch);
    ck_assert(readable(ctx(a, true, 0), 0x1000));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tlb");
    TCase *c = tcase_create("tlb");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, test_tags);
    tcase_add_test(c, test_newest_wins);
    tcase_add_test(c, test_replacement);
    tcase_add_test(c, test_invalidate);
    tcase_add_test(c, test_blocks);
    tcase_add_test(c, test_big);
    tcase_add_test(c, test_ranges);
    tcase_add_test(c, test_many_spaces);
    tcase_add_test(c, test_snapshot);
    tcase_add_test(c, test_fast_empty);
    tcase_add_test(c, test_fast_subset);
    tcase_add_test(c, test_fast_by_asid);
    tcase_add_test(c, test_fast_drop_2m);
    tcase_add_test(c, test_fast_drop_of_asid);
    tcase_add_test(c, test_fast_overflow);
    tcase_add_test(c, test_fast_grow);
    tcase_add_test(c, test_fast_withdraw);
    tcase_add_test(c, test_fast_aliases);
    tcase_add_test(c, test_fast_pool);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
