/* Random translation tables and controls, tried by AT instructions and by real accesses, printed one
 * line a case.  The same image runs on Elara and on an independent emulator; tests/guest/mmu-compare
 * compares what they say. */
typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;

#ifndef SEED
#define SEED 1
#endif
#ifndef CASES
#define CASES 1000
#endif

extern u64 run_guest(u64 pc, u64 spsr, u64 x0, u64 x1, u64 *x0_after);
extern u8 stub[];
void main(void);
void *memset(void *, int, unsigned long);
void report_broken(u64 esr, u64 elr, u64 far);

#define MSR(r, v) __asm__ volatile("msr " #r ", %0" ::"r"((u64)(v)) : "memory")
#define MRS(r)                                                                                                         \
    ({                                                                                                                 \
        u64 v_;                                                                                                        \
        __asm__ volatile("mrs %0, " #r : "=r"(v_));                                                                    \
        v_;                                                                                                            \
    })
#define ISB() __asm__ volatile("isb" ::: "memory")

void *memset(void *p, int v, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        ((volatile u8 *)p)[i] = (u8)v;
    return p;
}

/* ---- output --------------------------------------------------------------------------------- */

static void put(char ch) { *(volatile u32 *)0x09000000 = (u32)ch; }
static void text(const char *s)
{
    while (*s)
        put(*s++);
}
static void hex(u64 v)
{
    unsigned n = 1;
    while (n < 16 && v >> 4 * n)
        n++;
    while (n--)
        put("0123456789abcdef"[v >> 4 * n & 15]);
    put(' ');
}

void report_broken(u64 esr, u64 elr, u64 far)
{
    text("BROKEN ");
    hex(esr);
    hex(elr);
    hex(far);
    put('\n');
    register u64 x0 __asm__("x0") = 0x84000008; /* PSCI SYSTEM_OFF */
    __asm__ volatile("smc #0" : "+r"(x0)::"memory");
}

/* ---- chance --------------------------------------------------------------------------------- */

static u64 state = 0x9e3779b97f4a7c15ul * SEED + 0x1234567;
static u64 rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1dul;
}
static u64 below(u64 n) { return (rnd() >> 16) % n; }
static int chance(unsigned percent) { return below(100) < percent; }
static u64 ones(unsigned n) { return n >= 64 ? ~0ul : (1ul << n) - 1; }

/* ---- tables --------------------------------------------------------------------------------- */

/* Table memory and data pages, used afresh by each case. */
#define POOL      0x44000000ul
#define POOL_SIZE (48ul << 16)
#define DATA      0x48000000ul
#define DATA_SIZE (1ul << 20)

static u64 pool_next;
static u64 *touched[4096], before[4096];
static unsigned touched_n;

static void set(u64 *p, u64 v)
{
    if (touched_n < 4096)
        touched[touched_n++] = p;
    *p = v;
}
static u64 alloc(u64 size)
{
    u64 a = (pool_next + size - 1) & ~(size - 1);
    if (a + size > POOL + POOL_SIZE)
        a = POOL;
    pool_next = a + size;
    return a;
}

struct tree {
    unsigned granule, bits; /* input address bits */
    int start;
    u64 root;
    int stage;
    int wide; /* 52-bit descriptors: 0 no, 1 64 KiB form, 2 DS form */
};

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

static int fwb; /* HCR_EL2.FWB */
static u64 memattr(void)
{
    if (fwb) {
        u64 m = below(8);
        return m == 4 ? 7 : m;
    }
    u64 a = below(16);
    return a > 3 && !(a & 3) ? a | 3 : a; /* no reserved ones */
}

/* Enters a leaf for ia at a random permitted level not above `shallow`; noise in percent. */
static void map(struct tree *t, u64 ia, u64 oa, u64 attrs, int shallow, unsigned noise)
{
    unsigned stride = t->granule - 3;
    u64 at = t->root;
    if (t->wide == 2)
        attrs &= ~0x300ul;
    for (int l = t->start;; l++) {
        unsigned shift = t->granule + stride * (unsigned)(3 - l);
        unsigned top = l == t->start ? t->bits : shift + stride;
        u64 *slot = (u64 *)at + ((ia >> shift) & ones(top - shift));
        int block = t->granule == 12 ? l >= (t->wide == 2 ? 0 : 1)
                                     : l >= (t->granule == 16 ? (t->wide == 1 ? 1 : 2) : (t->wide == 2 ? 1 : 2));
        if (chance(noise) && !*slot) { /* something odd */
            u64 d = rnd();
            if ((d & 3) == 3 && l < 3) /* no walks into the unknown */
                d &= ~2ul;
            if (!block && l < 3) /* the reference takes a block at any level */
                d &= ~1ul;
            if (t->stage == 1 && (d >> 51 & 1))
                d |= 3ul << 53;
            if (t->stage == 2 && (fwb || !(d & 0xc)))
                d = fwb ? (d & ~0x3cul) | memattr() << 2 : d & ~0x30ul;
            set(slot, d & ~(1ul << 52));
            return;
        }
        if (l == 3 || (block && l >= shallow && chance(40))) {
            if (!*slot || l == 3)
                set(slot, desc_oa(t, oa & ~ones(shift)) | attrs | (l == 3 ? 3 : 1));
            return;
        }
        if (!(*slot & 1)) {
            u64 next = alloc(1ul << t->granule);
            u64 h = t->stage == 1 && chance(25) ? (rnd() & 0x7800000000000000ul) : 0;
            set(slot, desc_oa(t, next) | h | 3);
        } else if (!(*slot & 2)) {
            return; /* a block is there already */
        }
        at = desc_next(t, *slot);
    }
}

/* ---- a case --------------------------------------------------------------------------------- */

static int first_level(unsigned granule, unsigned bits)
{
    unsigned stride = granule - 3;
    return 4 - (int)((bits - granule + stride - 1) / stride);
}

static u64 random_oa(void)
{
    if (chance(85))
        return DATA + below(DATA_SIZE);
    /* nothing is there on either board, or it is beyond the output size */
    return (0x200000000ul + (rnd() & ones(36))) | (chance(40) ? 1ul << (40 + below(12)) : 0);
}

static u64 s1_attrs(void)
{
    /* AF mostly, AttrIndx, AP, SH, nG, PXN, UXN, DBM */
    u64 a = below(8) << 2 | below(4) << 6 | below(4) << 8 | below(2) << 11;
    a |= chance(85) ? 1ul << 10 : 0;
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
        a |= chance(30) ? below(4) << 53 : 0;
        a |= chance(30) ? 1ul << 51 : 0;
    }
    return a;
}

static const u8 granules[3] = {12, 14, 16};
static const u8 tg0[3] = {0, 2, 1};

struct trial {
    struct tree s1, stubs, s2;
    int stage2;
    u64 tcr, vtcr, hcr, sctlr, mair;
    u64 va;
};

static void make_stage1(struct trial *t)
{
    unsigned g = (unsigned)below(3);
    unsigned txsz = chance(95) ? 16 + (unsigned)below(24) : (unsigned)below(64);
    t->s1 = (struct tree){.granule = granules[g], .bits = 64 - txsz, .stage = 1};
    u64 ips = chance(70) ? 5 : below(7);
    int ds = granules[g] != 16 && chance(20); /* LPA2 */
    if (ds || (granules[g] == 16 && chance(30))) {
        ips = ds || chance(80) ? 6 : ips; /* with DS the reference wants it */
        if (chance(60))
            txsz = 12 + (unsigned)below(28);
        t->s1.bits = 64 - txsz;
    }
    t->tcr = txsz | (u64)tg0[g] << 14 | ips << 32 | 25ul << 16 | 2ul << 30;
    t->tcr |= (rnd() & 0x3f00);           /* IRGN0, ORGN0, SH0 */
    t->tcr |= chance(5) ? 1ul << 7 : 0;   /* EPD0 */
    t->tcr |= chance(30) ? 1ul << 37 : 0; /* TBI0 */
    t->tcr |= chance(30) ? 1ul << 41 : 0; /* HPD0 */
    t->tcr |= chance(5) ? 1ul << 55 : 0;  /* E0PD0 */
    if (chance(50))
        t->tcr |= 1ul << 39 | (chance(60) ? 1ul << 40 : 0); /* HA, HD */
    if (ips == 6 && t->s1.granule == 16)
        t->s1.wide = 1;
    if (ds) {
        t->tcr |= 1ul << 59;
        t->s1.wide = 2;
    }
    unsigned least = ds || granules[g] == 16 ? 12 : 16;
    /* a size that cannot be walked faults before the first descriptor is read */
    unsigned bits = txsz < least ? 64 - least : txsz > 39 ? 25 : t->s1.bits;
    t->s1.bits = bits;
    t->s1.start = first_level(t->s1.granule, bits);
    unsigned top = bits - (t->s1.granule + (t->s1.granule - 3) * (unsigned)(3 - t->s1.start));
    t->s1.root = alloc(top + 3 < 12 ? 4096 : 1ul << (top + 3));
    t->va = rnd() & ones(bits);
    if (t->s1.granule == 12)
        t->va &= ~(chance(50) ? 0ul : 7ul);
    map(&t->s1, t->va, random_oa(), s1_attrs(), -1, 3);
    if (chance(10))
        t->va |= rnd() & (chance(50) ? 0xff00000000000000ul : ~ones(bits)) & ~(1ul << 55);
    t->mair = rnd() & 0x0c0c0c0c0c0c0c0cul;
    static const u8 normal[8] = {0x44, 0xff, 0xbb, 0xdd, 0xee, 0x4f, 0xf4, 0xaa};
    for (unsigned i = 0; i < 8; i++)
        if (chance(80))
            t->mair = (t->mair & ~(0xfful << 8 * i)) | (u64)normal[below(8)] << 8 * i;
}

/* The stub page in TTBR1: read-only and executable for all. */
static void make_stub(struct trial *t)
{
    t->stubs = (struct tree){.granule = 12, .bits = 39, .start = 1, .stage = 1};
    t->stubs.root = alloc(4096);
    u64 at = t->stubs.root;
    for (int l = 1; l < 3; l++) {
        u64 next = alloc(4096);
        set((u64 *)at, next | 3);
        at = next;
    }
    set((u64 *)at, (u64)stub | 3 << 6 | (t->s1.wide == 2 ? 0 : 3 << 8) | 1 << 10 | 7 << 2 | 3);
    t->mair |= 0xfful << 56;
}

static void make_stage2(struct trial *t)
{
    unsigned g = (unsigned)below(3), gr = granules[g], stride = gr - 3;
    unsigned sl = (unsigned)below(3);
    int start = gr == 12 ? 2 - (int)sl : 3 - (int)sl;
    unsigned resolved = (unsigned)(3 - start) * stride + gr;
    unsigned bits = resolved + 1 + (unsigned)below(stride + 4);
    /* Sizes that do not fit the start level, or not the tables' addresses, are left out: the reference
     * reports their level 0 faults at the start level. */
    if (bits > 48)
        bits = 48;
    if (bits < 31)
        bits = 31;
    int valid = bits > resolved && bits <= resolved + stride + 4;
    if (!valid) {
        t->stage2 = 0;
        return;
    }
    t->vtcr = (64 - bits) | (u64)sl << 6 | (u64)tg0[g] << 14 | (bits <= 44 && chance(20) ? 4ul : 5ul) << 16 | 1ul << 31;
    t->vtcr |= rnd() & 0x3f00;
    if (chance(40))
        t->vtcr |= 1ul << 21 | (chance(60) ? 1ul << 22 : 0); /* HA, HD */
    t->hcr |= 1 | (u64)fwb << 46;                            /* VM; with PTW the reference reports a level of its own */
    t->s2 = (struct tree){.granule = gr, .bits = bits, .start = start, .stage = 2};
    t->s2.root = alloc(1ul << (bits - resolved + 3 < 12 ? 12 : bits - resolved + 3));
    /* the stage 1 tables and the stub page, by pages; what the case is about, at random */
    u64 end = pool_next;
    for (u64 a = POOL; a < end; a += 1ul << gr)
        map(&t->s2, a, a, s2_attrs(chance(97)), 3, 0);
    map(&t->s2, (u64)stub, (u64)stub, s2_attrs(1), 3, 0);
}

/* What stage 1 leads to, mapped at stage 2. */
static void map_ipa(struct trial *t, u64 ipa)
{
    if (t->stage2 && ipa < 1ul << t->s2.bits && (ipa < POOL || ipa >= POOL + POOL_SIZE) && t->s2.bits >= 28)
        map(&t->s2, ipa, random_oa(), s2_attrs(chance(40)), 1, 3);
}

/* The reference gives the descriptor's shareability where the architecture says Outer Shareable. */
static u64 shown(u64 par)
{
    u64 attr = par >> 56;
    if ((par & 0x101) == 0x101) /* and the level of stage 1 for a stage 2 fault of its walk */
        return par & ~6ul;
    return !(par & 1) && (!(attr & 0xf0) || attr == 0x44) ? par & ~0x180ul : par;
}
/* With both stages it takes the low half of a Normal attribute for a Device type. */
static u64 shown2(u64 par)
{
    par = shown(par >> 60 || par & 1 ? par : par & ~(0xful << 56));
    return fwb && !(par & 1) ? par & ~0x180ul : par; /* stage 1 Device made Normal: not Outer there */
}

#define AT(op, va, show)                                                                                               \
    do {                                                                                                               \
        __asm__ volatile("at " #op ", %0" ::"r"(va) : "memory");                                                       \
        ISB();                                                                                                         \
        hex(show(MRS(par_el1)));                                                                                       \
    } while (0)

static u64 fold(void)
{
    u64 h = 0;
    for (unsigned i = 0; i < touched_n; i++)
        h = (h ^ *touched[i]) * 0x100000001b3ul + i;
    return h;
}

static void flush(void) { __asm__ volatile("dsb ish; tlbi alle1; tlbi alle2; dsb ish; isb" ::: "memory"); }

static void one(unsigned n)
{
    struct trial t = {0};
    while (touched_n)
        *touched[--touched_n] = 0;
    pool_next = POOL;
    t.hcr = 1ul << 31;
    make_stage1(&t);
    make_stub(&t);
    t.stage2 = chance(60);
    fwb = chance(30);
    if (t.stage2)
        make_stage2(&t);
    t.sctlr = 0x30d00800ul | 1 | 1ul << 2 | 1ul << 12 | 1ul << 23 | (chance(15) ? 1ul << 19 : 0); /* WXN */
    if (chance(3))
        t.sctlr &= ~1ul;
    MSR(tcr_el1, t.tcr & ~(1ul << 40)); /* the reference lets AT make pages dirty: no HD yet */
    MSR(ttbr0_el1, t.s1.root);
    MSR(ttbr1_el1, t.stubs.root);
    MSR(mair_el1, t.mair);
    MSR(sctlr_el1, t.sctlr);
    MSR(vtcr_el2, t.vtcr);
    MSR(vttbr_el2, t.s2.root);
    MSR(vbar_el1, 0xffffff8000000000ul);
    /* where does stage 1 lead? then stage 2 can be about it */
    MSR(hcr_el2, 1ul << 31);
    flush();
    __asm__ volatile("at s1e1r, %0; isb" ::"r"(t.va));
    u64 par = MRS(par_el1);
    map_ipa(&t, par & 1 ? 0x50000000 + below(1ul << 28) : (par & 0xffffffffff000ul) | (t.va & 0xfff));
    MSR(hcr_el2, t.hcr);
    flush();
    for (unsigned i = 0; i < touched_n; i++)
        before[i] = *touched[i];
    hex(n);
    text(": ");
    AT(s1e1r, t.va, shown);
    AT(s1e1w, t.va, shown);
    AT(s1e0r, t.va, shown);
    AT(s1e0w, t.va, shown);
    __asm__ volatile("msr pan, #1");
    AT(s1e1rp, t.va, shown);
    AT(s1e1wp, t.va, shown);
    __asm__ volatile("msr pan, #0");
    AT(s12e1r, t.va, shown2);
    AT(s12e1w, t.va, shown2);
    AT(s12e0r, t.va, shown2);
    AT(s12e0w, t.va, shown2);
    /* the reference lets unaligned accesses to Device memory pass */
    __asm__ volatile("at s12e1r, %0; isb" ::"r"(t.va));
    int device = !(MRS(par_el1) >> 60);
    for (unsigned i = 0; i < touched_n; i++)
        *touched[i] = before[i];
    MSR(tcr_el1, t.tcr);
    text("| ");
    for (unsigned k = 0; (t.sctlr & 1) && k < 4; k++) {
        unsigned kind = (unsigned)below(8);
        if (kind == 7 && device)
            kind = 0;
        int el0 = chance(40);
        u64 spsr = 0x3c0 | (el0 ? 0 : 5) | (!el0 && chance(30) ? 1ul << 22 : 0);
        u64 x0 = 0xd4000062; /* hvc #3 */
        u64 va = kind == 4                              ? t.va & ~3ul
                 : kind == 6                            ? t.va & ~7ul
                 : kind == 5 || (chance(10) && !device) ? t.va
                                                        : t.va & ~7ul;
        flush();
        u64 esr = run_guest(0xffffff8000000800ul + 16 * kind, spsr, x0 | x0 << 32, va, &x0);
        hex(kind | (u64)el0 << 4);
        hex((esr >> 26 == 0x20 || esr >> 26 == 0x24) && (esr & 0x80) ? esr & ~3ul : esr);
        if (esr >> 26 == 0x16 && (esr & 0xffff) == 2) {
            u64 e1 = MRS(esr_el1), far = MRS(far_el1);
            hex(e1);
            if (e1 >> 26) /* an unaligned access may be split before it fails on the bus */
                hex((e1 & 63) == 0x10 ? far & ~7ul : far);
        } else if (esr >> 26 != 0x16) {
            hex(MRS(far_el2));
            hex(MRS(hpfar_el2));
        } else {
            hex(x0);
        }
        text("/ ");
    }
    hex(fold());
#ifdef SHOW
    if (n == SHOW) {
        text("\ntcr ");
        hex(t.tcr);
        text("ttbr ");
        hex(t.s1.root);
        text("mair ");
        hex(t.mair);
        text("sctlr ");
        hex(t.sctlr);
        text("va ");
        hex(t.va);
        text("hcr ");
        hex(t.hcr);
        text("vtcr ");
        hex(t.vtcr);
        text("vttbr ");
        hex(t.s2.root);
        for (unsigned i = 0; i < touched_n; i++) {
            text("\n  ");
            hex((u64)touched[i]);
            hex(*touched[i]);
        }
    }
#endif
    put('\n');
}

void main(void)
{
    *(volatile u32 *)0x09000030 = 0x301;
    for (u64 a = DATA; a < DATA + DATA_SIZE; a += 4)
        *(volatile u32 *)a = 0xd4000062; /* hvc #3 */
    for (u64 a = POOL; a < POOL + POOL_SIZE; a += 8)
        *(volatile u64 *)a = 0;
    for (unsigned n = 0; n < CASES; n++)
        one(n);
    text("END\n");
}
