/* Tables and controls of a case (mmu_main.c). Kept out: walks into the unknown, and reserved memory attributes. */
#include "mmu_case.h"

static u64 pool_next;
u64 *touched[4096], before[4096];
unsigned touched_n;

static void set(u64 *p, u64 v)
{
    if (touched_n < 4096)
        touched[touched_n++] = p;
    *p = v;
}
static u64 order(const struct tree *t, u64 v) { return t->big ? __builtin_bswap64(v) : v; }
static u64 alloc(u64 size)
{
    u64 a = (pool_next + size - 1) & ~(size - 1);
    if (a + size > POOL + POOL_SIZE)
        a = POOL;
    pool_next = a + size;
    return a;
}

static u64 desc_oa(const struct tree *t, u64 pa)
{
    if (t->wide == 1)
        return (pa & ones(48)) | (pa >> 48 & 15) << 12;
    if (t->wide == 2)
        return (pa & ones(50)) | (pa >> 50 & 3) << 8;
    return pa & ones(48);
}
static u64 desc_next(const struct tree *t, u64 d)
{
    return t->wide == 1 ? (d & ones(48) & ~0xfffful) : d & ones(48) & ~ones(t->granule);
}

static u64 memattr(void)
{
    if (fwb) {
        u64 m = below(8);
        return m == 4 ? 7 : m;
    }
    u64 a = below(16);
    return a > 3 && !(a & 3) ? a | 3 : a; /* no reserved ones */
}

static int block_allowed(const struct tree *t, int level)
{
    switch (t->granule) {
    case 12: return level >= (t->wide == 2 ? 0 : 1);
    case 14: return level >= (t->wide == 2 ? 1 : 2);
    default: return level >= 1; /* level 1 with 52-bit addresses implemented */
    }
}

/* A descriptor that may be anything but a table. */
static u64 oddity(const struct tree *t, int level)
{
    u64 d = (rnd() & ~(1ul << 39)) | 1ul << (46 + below(2)); /* leads to nothing that is there */
    /* nothing below a block's output address: the reference would see it */
    d &= ~(ones(t->granule + (t->granule - 3) * (unsigned)(3 - level)) & ~ones(t->granule == 16 ? 16 : 12));
    if ((d & 3) == 3 && level < 3)
        d &= ~2ul;
    if (t->stage == 1 && (d >> 51 & 1))
        d |= 3ul << 53;
    if (t->stage == 2 && (fwb || !(d & 0xc)))
        d = fwb ? (d & ~0x3cul) | memattr() << 2 : d & ~0x30ul;
    return d & ~(1ul << 52);
}

enum { PLAIN = 1 }; /* no hierarchical attributes on the way */

/* Enters a leaf for *ia at a random permitted level not above `shallow`; noise in percent. The bits of *ia below the
 * leaf become those of oa. */
static void map(struct tree *t, u64 *ia, u64 oa, u64 attrs, int shallow, unsigned noise, int how)
{
    unsigned stride = t->granule - 3;
    u64 at = t->root;
    int plain = how;
    if (t->wide == 2)
        attrs &= ~0x300ul;
    for (int l = t->start;; l++) {
        unsigned shift = t->granule + stride * (unsigned)(3 - l);
        unsigned top = l == t->start ? t->bits : shift + stride;
        u64 *slot = (u64 *)at + ((*ia >> shift) & ones(top - shift)), d = order(t, *slot);
        int block = block_allowed(t, l);
        if (!d && chance(noise)) {
            set(slot, order(t, oddity(t, l)));
            return;
        }
        if (l == 3 || (block && l >= shallow && chance(40))) {
            if (d)
                return;
            if (t->stage == 1)
                *ia = (*ia & ~ones(shift)) | (oa & ones(shift));
            set(slot, order(t, desc_oa(t, oa & ~ones(shift)) | attrs | (l == 3 ? 3 : 1)));
            return;
        }
        if (!(d & 1)) {
            if (d)
                return;
            u64 h = t->stage == 1 && !plain && chance(25) ? (rnd() & 0x7800000000000000ul) : 0;
            h |= t->stage == 1 && !plain && chance(5) ? 1ul << 63 : 0; /* NSTable */
            d = desc_oa(t, alloc(1ul << t->granule)) | h | 3;
            set(slot, order(t, d));
        } else if (!(d & 2)) {
            return; /* a block is there already */
        }
        at = desc_next(t, d);
    }
}

static int first_level(unsigned granule, unsigned bits)
{
    unsigned stride = granule - 3;
    return 4 - (int)((bits - granule + stride - 1) / stride);
}

static u64 data_oa(void) { return DATA + 64 + below(DATA_SIZE - 128); }
static u64 random_oa(void)
{
    if (chance(85))
        return data_oa();
    /* nothing is there on either board, or it is beyond the output size */
    return (0x200000000ul + (rnd() & ones(36) & ~ones(30))) | (data_oa() & ones(30)) |
           (chance(40) ? 1ul << (40 + below(12)) : 0);
}

static u64 s1_attrs(void)
{
    u64 a = below(8) << 2 | below(4) << 6 | below(4) << 8 | below(2) << 11; /* AttrIndx, AP, SH, nG */
    a |= chance(85) ? 1ul << 10 : 0;                                        /* AF */
    a |= chance(10) ? 1ul << 5 : 0;                                         /* NS */
    a |= chance(20) ? 1ul << 52 : 0;                                        /* Contiguous */
    a |= chance(20) ? 1ul << 53 : 0;
    a |= chance(20) ? 1ul << 54 : 0;
    if (chance(30)) /* DBM; the reference executes from clean pages that count as writable */
        a |= 1ul << 51 | 3ul << 53;
    return a;
}
static u64 s2_attrs(int friendly)
{
    u64 a = friendly ? (fwb ? 6ul : 0xful) << 2 | 3ul << 6 | 3ul << 8 | 1ul << 10
                     : memattr() << 2 | below(4) << 6 | below(4) << 8;
    if (!friendly) {
        a |= chance(85) ? 1ul << 10 : 0;
        a |= chance(20) ? 1ul << 52 : 0;
        a |= chance(30) ? below(4) << 53 : 0;
        a |= chance(30) ? 1ul << 51 : 0;
    }
    return a;
}

static const u8 granules[3] = {12, 14, 16};
static const u8 tg0[3] = {0, 2, 1}, tg1[3] = {2, 1, 3};

/* TCR_ELx of the two layouts from what the case is about. */
struct control {
    u64 txsz, tg, ips, irgn, tbi, hpd, ha, hd, ds, tbid, epd, e0pd;
};

static u64 two_ranges(const struct control *c, int upper)
{
    u64 t = c->ips << 32 | c->ha << 39 | c->hd << 40 | c->ds << 59;
    u64 lo = c->txsz | c->irgn << 8 | c->epd << 7, other = 25;
    if (upper)
        t |= lo << 16 | (u64)tg1[c->tg] << 30 | other | (u64)tg0[0] << 14;
    else
        t |= lo | (u64)tg0[c->tg] << 14 | other << 16 | (u64)tg1[0] << 30;
    return t | c->tbi << (37 + upper) | c->hpd << (41 + upper) | c->tbid << (51 + upper) | c->e0pd << (55 + upper);
}
static u64 one_range(const struct control *c)
{
    return c->txsz | c->irgn << 8 | (u64)tg0[c->tg] << 14 | c->ips << 16 | c->tbi << 20 | c->ha << 21 | c->hd << 22 |
           1ul << 23 | c->hpd << 24 | c->tbid << 29 | 1ul << 31 | c->ds << 32;
}

/* The page of the code under test, in the other range or first of all in the only one. */
static void map_stub(struct trial *t, struct tree *tree, u64 va)
{
    u64 ia = va & ones(tree->bits);
    map(tree, &ia, (u64)stub, 7 << 2 | 3 << 6 | 3 << 8 | 1 << 10, 3, 0, PLAIN);
    (void)t;
}

static void make_stage1(struct trial *t)
{
    int two = t->regime == EL10 || t->regime == EL20, upper = two && chance(20);
    struct control c = {.tg = below(3)};
    unsigned g = granules[c.tg];
    c.ds = g != 16 && chance(20); /* LPA2 */
    c.txsz = chance(90) ? 16 + below(24) : below(64);
    c.ips = chance(70) ? 5 : below(7);
    int wide = c.ds || (g == 16 && chance(30));
    if (wide) {
        c.ips = c.ds || chance(80) ? 6 : c.ips; /* with DS the reference wants it */
        if (chance(60))
            c.txsz = 12 + below(28);
    }
    c.irgn = below(64);
    c.tbi = chance(30);
    c.tbid = chance(20);
    c.hpd = chance(30);
    c.epd = two && chance(5);
    c.e0pd = two && chance(5);
    c.ha = chance(50);
    c.hd = c.ha && chance(60);
    unsigned least = c.ds || g == 16 ? 12 : 16, most = g == 16 ? 47 : 48;
    unsigned need = t->regime == EL3 ? 33 : most; /* the stub is there by its own address */
    int sane = c.txsz >= least && c.txsz <= need;
    if (!two && !sane && t->regime == EL3)
        c.txsz = 16 + below(17), sane = 1;
    t->runs = two || sane;
    /* a size that cannot be walked faults before the first descriptor is read */
    unsigned bits = 64 - (unsigned)(c.txsz < least ? least : c.txsz > most ? most : c.txsz);
    int big = (t->sctlr >> 25 & 1) != 0;
    t->s1 = (struct tree){.granule = g, .bits = bits, .start = first_level(g, bits), .stage = 1, .big = big};
    t->s1.wide = g == 16 && c.ips == 6 ? 1 : c.ds ? 2 : 0;
    unsigned top = bits - (g + (g - 3) * (unsigned)(3 - t->s1.start));
    t->s1.root = alloc(top + 3 < 12 ? 4096 : 1ul << (top + 3));
    t->mair = rnd() & 0x0c0c0c0c0c0c0c0cul;
    static const u8 normal[8] = {0x44, 0xff, 0xbb, 0xdd, 0xee, 0x4f, 0xf4, 0xaa};
    for (unsigned i = 0; i < 8; i++)
        if (chance(80))
            t->mair = (t->mair & ~(0xfful << 8 * i)) | (u64)normal[below(8)] << 8 * i;
    t->mair |= 0xfful << 56;
    t->ttbr[upper] = t->s1.root;
    if (two) {
        t->tcr = two_ranges(&c, upper);
        t->stubs = (struct tree){.granule = 12, .bits = 39, .start = 1, .stage = 1, .big = big, .wide = c.ds ? 2 : 0};
        t->stubs.root = alloc(4096);
        t->ttbr[!upper] = t->stubs.root;
        t->stub_va = upper ? 0 : 0xffffff8000000000ul;
        map_stub(t, &t->stubs, t->stub_va);
    } else {
        t->tcr = one_range(&c);
        t->stub_va = t->regime == EL3 ? (u64)stub : 0;
        map_stub(t, &t->s1, t->stub_va);
    }
    t->va = rnd() & ones(bits);
    u64 oa = t->stage2 ? (chance(90) ? data_oa() : random_oa()) : random_oa();
    if (t->stage2 && chance(60))                                                /* IPAs of all sizes */
        oa |= rnd() & ones(16 + (unsigned)below(33)) & ~(ones(30) | 1ul << 39); /* not QEMU's PCI window */
    map(&t->s1, &t->va, oa, s1_attrs(), -1, 3, 0);
    if (upper)
        t->va |= ~ones(bits);
    if (chance(10))
        t->va ^= rnd() & (chance(50) ? 0xff00000000000000ul : ~ones(bits)) & ~(1ul << 55);
}

/* One stage 2; root and control in the form of VTTBR_EL2 and VTCR_EL2. */
static void make_stage2(struct trial *t, struct tree *s2, u64 *vttbr, u64 *vtcr, u64 ps, int ds)
{
    unsigned g = (unsigned)below(3), gr = granules[g], stride = gr - 3;
    if (ds && gr == 16)
        g = 0, gr = 12, stride = 9;
    unsigned sl = (unsigned)below(gr == 12 && chance(20) ? 4 : 3), sl2 = 0;
    int start = gr == 12 ? (sl == 3 ? 3 : 2 - (int)sl) : 3 - (int)sl;
    if (ds && gr == 12 && sl == 0 && chance(50)) { /* VTCR_EL2.SL2 */
        sl2 = 1;
        start = -1;
    }
    unsigned resolved = (unsigned)(3 - start) * stride + gr;
    unsigned most = ps == 6 && (gr == 16 || ds) ? 52 : 48;
    unsigned bits = resolved + 1 + (unsigned)below(stride + 4);
    if (bits > most)
        bits = most;
    if (bits < 31 && chance(80))
        bits = 31;
    *vtcr = (64 - bits) | sl << 6 | (u64)tg0[g] << 14 | (u64)sl2 << 33;
    *s2 = (struct tree){.granule = gr, .bits = bits, .start = start, .stage = 2};
    s2->wide = ds ? 2 : gr == 16 && ps == 6;
    s2->big = t->sctlr_el2 >> 25 & 1;
    u64 size = bits > resolved ? 1ul << (bits - resolved + 3) : 4096;
    s2->root = alloc(size < 4096 ? 4096 : size > 1ul << 20 ? 1ul << 20 : size);
    *vttbr = s2->root;
    if (!(bits > resolved && bits <= resolved + stride + 4)) {
        s2->bits = 0;
        return;
    }
    if (bits < 31)
        return;
    /* the stage 1 tables and the stub page, by pages; what the case is about, at random */
    u64 end = pool_next, ia;
    for (u64 a = POOL; a < end; a += 1ul << gr) {
        ia = a;
        map(s2, &ia, a, s2_attrs(chance(97)), 3, 0, 0);
    }
    ia = (u64)stub;
    map(s2, &ia, (u64)stub, s2_attrs(1), 3, 0, 0);
    if (t->stub_va < 1ul << bits && !(t->sctlr & 1)) {
        ia = t->stub_va;
        map(s2, &ia, (u64)stub, s2_attrs(1), 3, 0, 0);
    }
}

static void make_both_stage2(struct trial *t)
{
    int ds = chance(20);
    u64 ps = ds ? 6 : chance(20) ? 4 : chance(20) ? 6 : 5, common = ps << 16 | 1ul << 31 | (rnd() & 0x3f00), size;
    if (chance(40))
        common |= 1ul << 21 | (chance(60) ? 1ul << 22 : 0); /* HA, HD */
    common |= ds ? 1ul << 32 : 0;
    if (t->secure) {
        make_stage2(t, &t->s2, &t->vsttbr, &size, ps, ds);
        t->vstcr = size | 1ul << 31 | (chance(20) ? rnd() & 3ul << 29 : 0);
        common |= chance(30) ? rnd() & 3ul << 29 : 0;
    }
    make_stage2(t, t->secure ? &t->s2ns : &t->s2, &t->vttbr, &size, ps, ds);
    t->vtcr = size | common;
}

void case_map_ipa(struct trial *t, u64 ipa, u64 ns)
{
    struct tree *s2 = ns ? &t->s2ns : &t->s2;
    if (s2->bits < 31 || ipa >> s2->bits || (ipa >= POOL && ipa < POOL + POOL_SIZE))
        return;
    u64 oa = (chance(85) ? 0x40000000 : 0x40000000ul << below(9)) | (ipa & ones(30));
    map(s2, &ipa, oa, s2_attrs(chance(40)), 1, 3, 0);
}

u64 case_clean(void)
{
    u64 h = 0;
    u64 word = 0xd4000061d4000061; /* svc #3 */
    for (u64 *p = (u64 *)DATA; p < (u64 *)(DATA + DATA_SIZE); p++)
        if (*p != word) {
            h = (h ^ *p) * 0x100000001b3ul + ((u64)p & 0xffff);
            *p = word;
        }
    return h;
}

void case_make(struct trial *t)
{
    pool_next = POOL;
    unsigned r = (unsigned)below(100);
    t->regime = r < 62 ? EL10 : r < 74 ? EL2 : r < 90 ? EL20 : EL3;
    t->secure = chance(25);
    t->stage2 = t->regime == EL10 && chance(60);
    t->tge = t->regime == EL20 && chance(80);
    int el2 = !t->secure || t->regime == EL2 || t->regime == EL20 || t->stage2 || chance(50);
    /* NS, RES1, HCE, SIF, RW, EEL2 */
    t->scr =
        (u64)!t->secure | 3ul << 4 | 1ul << 8 | (chance(5) ? 1ul << 9 : 0) | 1ul << 10 | (u64)(t->secure && el2) << 18;
    t->hcr = 1ul << 31;
    fwb = el2 && chance(30);
    t->hcr |= (u64)fwb << 46 | (t->stage2 && chance(8) ? 1ul << 2 : 0); /* PTW */
    t->hcr |= t->regime == EL20 ? 1ul << 34 | (u64)t->tge << 27 : 0;    /* E2H, TGE */
    t->hcr |= t->stage2 ? 1 : 0;
    t->hcr |= el2 && t->regime == EL10 && chance(3) ? 3ul << 42 : 0; /* NV, NV1 */
    t->sctlr = 0x30d00800ul | 1 | 1ul << 2 | 1ul << 12 | 1ul << 14 | 1ul << 15 | 1ul << 23 | 1ul << 26;
    t->sctlr |= chance(15) ? 1ul << 19 : 0;                          /* WXN */
    t->sctlr |= chance(5) ? 1ul << 1 : 0;                            /* A */
    t->sctlr |= chance(10) ? 1ul << 25 | 1ul << 24 : 0;              /* EE, E0E */
    t->sctlr |= chance(20) && !(t->sctlr >> 19 & 1) ? 1ul << 57 : 0; /* EPAN, for which the reference forgets WXN */
    t->sctlr |= chance(20) ? 1ul << 6 : 0;                           /* nAA */
    t->sctlr_el2 = 0x30c50830 | (chance(10) ? 1ul << 25 : 0);
    int off = chance(t->stage2 ? 8 : 3);
    if (off && t->regime == EL10)
        t->sctlr &= ~1ul;
    if (t->stage2 && chance(3))
        t->hcr |= 1ul << 12; /* DC */
    make_stage1(t);
    if (off || t->hcr >> 12 & 1) { /* the stub by its own address, the data by the IPA */
        t->stub_va = (u64)stub;
        if (t->regime == EL10 && t->stage2)
            t->va = data_oa() | (chance(40) ? rnd() & ones(16 + (unsigned)below(33)) & ~(ones(30) | 1ul << 39) : 0);
        else
            t->runs = 0;
    }
    if (t->stage2)
        make_both_stage2(t);
}
