/* Runs blocks of random instructions (random_gen.c) with random register states and prints a hash for each block. The
 * same image runs on Elara and on an independent emulator; tests/guest/random-compare compares what they say
 * (docs/random-instructions.md).
 *
 * Memory: every virtual address leads to the same two pages, because each table is one whose 512 entries are alike, so
 * that random pointers are good ones; some pages are missing, read-only, or not EL0's. Two slots of the topmost table
 * are other: the harness, and the blocks, read-only, there twice: in plain and in guarded pages.
 *
 * Exceptions are part of the outcome: syndrome, address and state go into the hash and the block goes on behind the
 * instruction. It ends at its end, or when the PC is outside of it.
 *
 * ALONE: for a machine that is compared with nothing but itself (tests/guest/lockstep-all). Nothing is left out of the
 * outcome, and the instructions of the blocks are counted, by a timer that counts instructions. */
#include "random_blocks.h"
#include "random_level.h"

typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;

struct context {
    u64 x[31], sp, sp0, harness_sp, pc, spsr, fpsr, fpcr;
    u64 v[64];
    u64 hash, start, end; /* of the exceptions; of the block's code */
    u32 faults, strays, partial;
};
_Static_assert(__builtin_offsetof(struct context, sp) == CTX_SP && __builtin_offsetof(struct context, pc) == CTX_PC &&
                   __builtin_offsetof(struct context, fpsr) == CTX_FPSR &&
                   __builtin_offsetof(struct context, v) == CTX_V,
               "random_level.h");

extern u8 blocks[];
extern void run_block(struct context *);
void prepare_el2(void);
u64 enable_mmu(void);
u64 took_exception(struct context *c, u64 esr, u64 far);
void main(void);
void *memset(void *, int, u64);
void *memcpy(void *, const void *, u64);

struct context context __attribute__((aligned(16)));

#define TEXT_(x)  #x
#define TEXT(x)   TEXT_(x)
#define MSR(r, v) __asm__ volatile("msr " TEXT(r) ", %0" ::"r"((u64)(v)) : "memory")
#define MRS(r)                                                                                                         \
    ({                                                                                                                 \
        u64 v_;                                                                                                        \
        __asm__ volatile("mrs %0, " TEXT(r) : "=r"(v_));                                                               \
        v_;                                                                                                            \
    })
#ifndef ALONE
#define ALONE 0
#endif
#define ISB()  __asm__ volatile("isb" ::: "memory")
#define BIT(n) (1ul << (n))

#define HARNESS (0x55ul << 39)
#define PLAIN   (0x2aul << 39)
#define GUARDED (0x6cul << 39)
#define RAM     0x40000000ul

void *memset(void *p, int v, u64 n)
{
    for (u64 i = 0; i < n; i++)
        ((volatile u8 *)p)[i] = (u8)v;
    return p;
}
void *memcpy(void *d, const void *s, u64 n)
{
    for (u64 i = 0; i < n; i++)
        ((volatile u8 *)d)[i] = ((const u8 *)s)[i];
    return d;
}

/* ---- output ---------------------------------------------------------------------------------------------- */

static u32 word(u32 v)
{
#ifdef __AARCH64EB__
    return __builtin_bswap32(v);
#else
    return v;
#endif
}

static void put(char ch) { *(volatile u32 *)(HARNESS + 0x09000000) = word((u32)ch); }
static void text(const char *s)
{
    while (*s)
        put(*s++);
}
static void hex(u64 v, unsigned digits)
{
    while (digits--)
        put("0123456789abcdef"[v >> 4 * digits & 15]);
    put(' ');
}
static void off(void)
{
    text("END\n");
    register u64 x0 __asm__("x0") = 0x84000008; /* PSCI SYSTEM_OFF */
    __asm__ volatile("smc #0" : "+r"(x0)::"memory");
    for (;;)
        ;
}

/* ---- chance ---------------------------------------------------------------------------------------------- */

static u64 state;
static u64 rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1dul;
}
static u64 below(u64 n) { return (rnd() >> 16) % n; }
static int chance(unsigned percent) { return below(100) < percent; }
static u64 mix(u64 h, u64 v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15ul;
    return h ^ h >> 29;
}

enum { POINTERS = 512, GENERAL = 1024, VECTORS = 2048 };
static u64 pointers[POINTERS], general[GENERAL], vectors_pool[VECTORS];

static u64 pointer(void)
{
    u64 p = rnd() & (BIT(47) - 1);
    if (LEVEL != 2 && chance(25))
        p |= 0xffff800000000000ul;
    if (chance(75))
        p &= ~15ul;
    if (chance(12)) /* close to a page's end */
        p |= 0xff0;
    return chance(10) ? (p & ~(0xfful << 56)) | rnd() << 56 : p;
}

static u64 interesting(void)
{
    static const u64 v[] = {0,
                            1,
                            2,
                            0x7f,
                            0x80,
                            0xff,
                            0x7fff,
                            0x8000,
                            0xffff,
                            0x7fffffff,
                            0x80000000,
                            0xffffffff,
                            0x100000000,
                            0x7ffffffffffffffful,
                            0x8000000000000000ul,
                            63,
                            64,
                            31,
                            32,
                            ~0ul,
                            ~1ul};
    switch (below(6)) {
    case 0: return v[below(sizeof v / sizeof v[0])];
    case 1: return rnd() & 0xff;
    case 2: return rnd() & 0xffffffff;
    case 3: return (u64)(long)(int)rnd();
    case 4: return rnd() >> below(64);
    default: return rnd();
    }
}

/* A number of the format with e exponent and f fraction bits, of one of the classes at which rules change. */
static u64 number(unsigned e, unsigned f)
{
    u64 sign = rnd() >> 63 << (e + f), frac = rnd() & (BIT(f) - 1), top = BIT(e) - 1, bias = top >> 1,
        quiet = BIT(f - 1);
    switch (below(16)) {
    case 0: return sign;
    case 1: return sign | 1;
    case 2: return sign | frac;
    case 3: return sign | (BIT(f) - 1);
    case 4: return sign | BIT(f);
    case 5: return sign | bias << f;
    case 6: return sign | (top - 1) << f | (BIT(f) - 1);
    case 7: return sign | top << f;
    case 8: return sign | top << f | quiet | frac;
    case 9: return sign | top << f | (frac & ~quiet) | 1;
    case 10: return sign | (rnd() & top) << f | frac;
    case 11: return sign | (rnd() & top) << f | (frac & ~(BIT(f / 2) - 1));
    case 12: return sign | (bias + below(f + 2)) << f | (frac & ~(BIT(below(f)) - 1)); /* integers and halves */
    default: return sign | (bias - 3 + below(7)) << f | frac;
    }
}
static u64 vector(void)
{
    switch (below(5)) {
    case 0: return number(11, 52);
    case 1: return number(8, 23) | number(8, 23) << 32;
    case 2: return number(5, 10) | number(5, 10) << 16 | number(5, 10) << 32 | number(5, 10) << 48;
    case 3: return interesting();
    default: return rnd();
    }
}

/* ---- translation ----------------------------------------------------------------------------------------- */

#define TABLE __attribute__((aligned(4096)))
static TABLE u64 top0[512], top1[512], any1[512], any2[512], any3[512];
static TABLE u64 harness1[512], harness2[512], uart2[512], plain1[512], plain2[512], guarded1[512], guarded2[512];
static TABLE u8 data[8192];

enum { ATTR_NORMAL = 0, ATTR_DEVICE = 1, ATTR_TAGGED = 2, ATTR_NC = 3 };
#define AF      BIT(10)
#define ISH     (3ul << 8)
#define UXN     BIT(54) /* XN at EL2 without E2H */
#define PXN     BIT(53)
#define RO      BIT(7)
#define EL0     (LEVEL == 2 ? 0 : BIT(6))
#define RES1_AP (LEVEL == 2 ? BIT(6) : 0)

static u64 here(const void *p) { return (u64)p; } /* before the MMU is on: physical */

static u64 leaf_of_any(unsigned i)
{
    u64 d = here(data + (i & 1) * 4096) | AF | ISH | UXN | PXN | EL0 | RES1_AP | 3;
    switch (i >> 1 & 31) {
    case 5: return i & 64 ? 0 : d | RO;            /* absent, or read-only */
    case 9: return d & ~(LEVEL == 2 ? 0 : BIT(6)); /* not EL0's */
    case 12: return i & 64 ? d & ~AF : d;
    case 17: return d | ATTR_NC << 2;
    default: return i & 2 ? d | ATTR_TAGGED << 2 : d;
    }
}

static void make_tables(u64 blocks_size)
{
    for (unsigned i = 0; i < 512; i++) {
        any3[i] = leaf_of_any(i);
        any2[i] = harness2[i] = uart2[i] = plain2[i] = guarded2[i] = here(any3) | 3;
        any1[i] = harness1[i] = plain1[i] = guarded1[i] = here(any2) | 3;
        top0[i] = top1[i] = here(any1) | 3;
    }
    uart2[0x09000000 >> 21] = 0x09000000 | AF | UXN | PXN | RES1_AP | ATTR_DEVICE << 2 | 1;
    harness2[0] = RAM | AF | ISH | (LEVEL == 2 ? RES1_AP : UXN) | ATTR_TAGGED << 2 | 1;
    for (u64 i = 0; i < blocks_size >> 21; i++) {
        u64 pa = RAM + ((i + 1) << 21);
        plain2[i + 1] = pa | AF | ISH | RO | EL0 | RES1_AP | 1;
        guarded2[i + 1] = plain2[i + 1] | BIT(50);
#ifdef SHOW
        harness2[i + 1] = pa | AF | ISH | RES1_AP | UXN | ATTR_TAGGED << 2 | 1;
#endif
    }
    harness1[0] = here(uart2) | 3;
    harness1[1] = here(harness2) | 3;
    plain1[1] = here(plain2) | 3;
    guarded1[1] = here(guarded2) | 3;
    top0[0] = top0[HARNESS >> 39] = here(harness1) | 3; /* the first until the MMU is on */
    top0[PLAIN >> 39] = here(plain1) | 3;
    top0[GUARDED >> 39] = here(guarded1) | 3;
}

static struct rnd_header header;
static u64 feature(u64 reg, unsigned lsb) { return reg >> lsb & 15; }

void prepare_el2(void)
{
    u64 hcr = BIT(31) | BIT(40) | BIT(41) | BIT(56) | BIT(53); /* RW, APK, API, ATA, EnSCXT */
    MSR(cptr_el2, 0x33ff);
    MSR(mdcr_el2, MRS(mdcr_el2) & 31);
    if (LEVEL == 1)
        hcr |= BIT(29); /* HCD */
    if (LEVEL == 3)
        hcr |= BIT(34) | BIT(27); /* E2H, TGE */
    MSR(hcr_el2, hcr);
    ISB();
    if (feature(MRS(id_aa64mmfr1_el1), 40))
        MSR(s3_4_c1_c2_2, BIT(11)); /* HCRX_EL2.MSCEn */
}

/* SCTLR for a batch. */
static u64 sctlr(u32 flags)
{
    u64 v = BIT(0) | BIT(2) | BIT(12) | BIT(11) | BIT(22) | BIT(23) | BIT(28) | BIT(29); /* M C I EOS EIS SPAN .. */
    v |= BIT(5) | BIT(14) | BIT(10);                                                     /* DZE, EnRCTX */
#if LEVEL == 2
    v |= BIT(18) | BIT(4) | BIT(16);
#else
    v |= (flags & BF_SPECIAL && LEVEL == 1 ? BIT(9) : 0) | (flags & BF_E0E ? BIT(24) : 0) | BIT(33);
    v |= flags & BF_SPECIAL ? 0 : BIT(20); /* TSCXT */
    v |= (flags & BF_GUARD ? BIT(35) * (flags >> 8 & 1) : 0);
    v |= (u64)(flags / BF_TCF & 3) << 38 | BIT(42);
#endif
    v |= (flags & BF_ALIGN ? BIT(1) : 0) | (flags & BF_NAA ? BIT(6) : 0);
    v |= (flags & BF_GUARD ? BIT(36) * (flags >> 9 & 1) : 0);
    v |= (u64)(flags / BF_TCF & 3) << 40 | BIT(43);
    v |= (flags & 1 * BF_KEYS ? BIT(31) : 0) | (flags & 2 * BF_KEYS ? BIT(30) : 0);
    v |= (flags & 4 * BF_KEYS ? BIT(27) : 0) | (flags & 8 * BF_KEYS ? BIT(13) : 0);
#ifdef __AARCH64EB__
    v |= BIT(25) | BIT(24);
#endif
    return v;
}

static u64 tcr(u32 flags)
{
    u64 v = 16 | 1 << 8 | 1 << 10 | 3 << 12;
#if LEVEL == 2
    v |= 2 << 16 | BIT(31) | BIT(23) | (flags & BF_TBI0 ? BIT(20) : 0) | (flags & BF_SPECIAL ? BIT(30) : 0);
#else
    v |= 16 << 16 | 1 << 24 | 1 << 26 | 3 << 28 | 2ul << 30 | 2ul << 32;
    v |= (flags & BF_TBI0 ? BIT(37) : 0) | (flags & BF_TBI1 ? BIT(38) : 0);
    v |= flags & BF_SPECIAL ? BIT(57) | BIT(58) : 0;
#endif
    return v;
}

static void controls(u32 flags)
{
    if (MRS(R(tcr)) != tcr(flags) || MRS(R(sctlr)) != sctlr(flags)) {
        MSR(R(tcr), tcr(flags));
        MSR(R(sctlr), sctlr(flags));
        ISB();
#if LEVEL == 2
        __asm__ volatile("tlbi alle2\n dsb sy\n isb" ::: "memory");
#else
        __asm__ volatile("tlbi vmalle1\n dsb sy\n isb" ::: "memory");
#endif
    }
}

u64 enable_mmu(void)
{
    for (unsigned i = 0; i < sizeof header / 4; i++)
        ((u32 *)&header)[i] = word(((volatile u32 *)blocks)[i]);
    u64 mte = feature(MRS(id_aa64pfr1_el1), 8) >= 2;
    MSR(R(sctlr), sctlr(0) & ~(BIT(0) | BIT(2) | BIT(12)));
    ISB();
    make_tables(header.size);
    MSR(R(mair), 0xfful | (mte ? 0xf0ul : 0xfful) << 16 | 0x44ul << 24);
    MSR(R(ttbr0), top0);
#if LEVEL != 2
    MSR(R(ttbr1), top1);
    MSR(cpacr_el1, 3 << 20);
#endif
    MSR(R(tcr), tcr(0));
#if LEVEL == 2
    __asm__ volatile("tlbi alle2");
#else
    __asm__ volatile("tlbi vmalle1");
#endif
    __asm__ volatile("dsb sy\n isb" ::: "memory");
    MSR(R(sctlr), sctlr(0));
    ISB();
    return HARNESS;
}

/* ---- a block --------------------------------------------------------------------------------------------- */

#ifdef SHOW
static u32 show_states;
#else
enum { show_states = 0 };
#endif
static u64 mte;

/* The syndrome without what the references say otherwise than the architecture; whether the instruction may have been
 * done in part, so that no two implementations need agree on the state: a fault may have come in the middle of an
 * access, at the page's beginning or a later granule's tag. */
static u64 agreed(struct context *c, u64 ec, u64 esr, u64 far)
{
    u64 wnr = 1ul << 6, status = esr & 63;
    if (ALONE || (ec != 0x24 && ec != 0x25))
        return esr;
    if (((far & 0xfff) < 64 && (status & 0x30) == 0) || status == 0x11)
        c->partial = 1;
    if (mte && ((far & 0xfff) < 64 || (far & 0xfff) >= 0xfc0)) {
        c->partial = 1; /* a tag here, a page there: either fault may come first */
        return ec << 26;
    }
#ifdef NEW_QEMU
    esr &= ~wnr; /* of atomics */
    if (status == 0x11)
        esr &= 0xffffffff; /* it extends the sign of the syndrome */
#else
    esr &= ~0x1ffc000ul; /* it sets ISV for aborts of stage 1 that EL2 takes */
#endif
    if (ec == 0x24 && (far >> 13 & 31) == 9 && (status & 0x3c) == 0xc)
        esr &= ~wnr; /* of atomics where EL0 may not even read */
    return esr;
}

/* 1: the block is over. */
static int over(struct context *c, u64 esr, u64 far)
{
    u64 ec = esr >> 26 & 63, offset = c->pc - c->start;
    if (!c->end || c->pc >> 39 == HARNESS >> 39) {
        c->end = 0;
        text("BROKEN ");
        hex(esr, 16), hex(far, 16), hex(c->pc, 16);
        off();
    }
    if (c->pc == c->end && esr == 0x2000000)
        return 1;
    int has_far = ec == 0x20 || ec == 0x21 || ec == 0x22 || ((ec == 0x24 || ec == 0x25) && !(esr & 1 << 10));
    esr = agreed(c, ec, esr, far);
    c->hash = mix(mix(mix(c->hash, esr), offset), c->spsr);
    if ((ec == 0x24 || ec == 0x25) && (esr & 63) == 0x11)
        far &= ~(15ul << 60); /* UNKNOWN at a tag check fault */
    if (has_far && esr != ec << 26)
        c->hash = mix(c->hash, far);
    c->faults++;
    if (show_states) {
        text("exception ");
        hex(esr, 8), hex(offset, 8), hex(c->spsr, 8);
        if (has_far)
            hex(far, 16);
        put('\n');
    }
    if (offset >= c->end - c->start || c->partial) {
        c->strays++;
        return 1;
    }
    if (ec != 0x15 && ec != 0x16 && ec != 0x0d) /* SVC and HVC return behind themselves; BTI: again without BTYPE */
        c->pc += 4;
    c->spsr &= ~(3ul << 10 | 1ul << 20); /* BTYPE, IL */
    return c->pc == c->end;
}

/* For ALONE: the time in blocks, whose ticks are instructions of Elara's, less what leads into and out of them. */
enum { WAY = 66 };
static u64 ran, ways, ran_since, everything;

u64 took_exception(struct context *c, u64 esr, u64 far)
{
    if (ALONE)
        ran += MRS(cntvct_el0) - ran_since, ways++;
    int end = over(c, esr, far);
    if (ALONE)
        ran_since = MRS(cntvct_el0);
    return (u64)end;
}

static void make_state(const struct rnd_batch *b)
{
    u64 r = 0;
    for (unsigned i = 0; i < 31; i++, r >>= 11) {
        if (i % 5 == 0)
            r = rnd() >> 8;
        context.x[i] = i >= 24 && i < 28 ? r & 0xf8 : i >= 16 && i < 24 ? pointers[r % POINTERS] : general[r % GENERAL];
    }
    for (unsigned i = 0; i < 64; i++, r >>= 11) {
        if (i % 5 == 0)
            r = rnd() >> 8;
        context.v[i] = vectors_pool[r % VECTORS];
    }
    r = rnd() >> 8;
    u64 sp = pointers[r >> 4 & 511], mode = b->el == 0 ? 0 : (LEVEL == 1 ? 4 : 8) + (b->el == 2);
    context.sp = context.sp0 = (r & 15) ? sp & ~15ul : sp;
    r = rnd() >> 8;
    context.spsr = mode | 0x3c0 | (r & 15) << 28;
    if (b->flags & BF_SPECIAL) {
        context.spsr |= r & (BIT(24) | BIT(12) | BIT(25) | BIT(23)); /* DIT, SSBS, TCO, UAO */
        if ((r >> 30 & 31) == 0)
            context.spsr |= BIT(22); /* PAN */
    }
    if ((r >> 35 & 31) == 0 && b->flags & BF_GUARD)
        context.spsr |= r & 3 << 10;
    context.fpsr = r >> 4 & 0x0800009f;
    context.fpcr = b->fpcr | (r & 1 << 4 ? rnd() >> 8 & 0x07c80000 : 0);
    context.pc = context.start;
    context.partial = 0;
    if (header.fuel)
        context.x[28] = 1 + below(header.fuel);
}

static void tag(u64 a, u64 t) { __asm__ volatile("stg %0, [%1]" ::"r"(t << 56), "r"(a) : "memory"); }
static u64 tag_of(u64 a)
{
    __asm__("ldg %0, [%1]" : "+r"(a) : "r"(a) : "memory");
    return a;
}

/* Everything a block may have changed and that no state holds. */
static void reset_rest(void)
{
    for (unsigned i = 0; i < sizeof data / 8; i++)
        ((u64 *)data)[i] = i & 1 ? vectors_pool[rnd() % VECTORS] : general[rnd() % GENERAL];
    MSR(tpidr_el0, rnd());
    MSR(tpidrro_el0, rnd());
    MSR(s3_3_c13_c0_7, 0); /* SCXTNUM_EL0, SCXTNUM_EL1 */
    MSR(s3_0_c13_c0_7, 0);
    MSR(contextidr_el1, 0);
    MSR(elr_el1, 0);
    MSR(far_el1, 0);
    MSR(s3_0_c2_c1_0, rnd());
    MSR(s3_0_c2_c1_1, rnd());
    MSR(s3_0_c2_c1_2, rnd());
    MSR(s3_0_c2_c1_3, rnd());
    MSR(s3_0_c2_c2_0, rnd());
    MSR(s3_0_c2_c2_1, rnd());
    MSR(s3_0_c2_c2_2, rnd());
    MSR(s3_0_c2_c2_3, rnd());
    MSR(s3_0_c2_c3_0, rnd());
    MSR(s3_0_c2_c3_1, rnd());
    if (mte) {
        MSR(s3_0_c1_c0_5, rnd() & 0xffff0f); /* RGSR_EL1: SEED, TAG */
        MSR(s3_0_c1_c0_6, rnd() & 0xffff);   /* GCR_EL1: RRND = 0 */
        MSR(s3_0_c5_c6_0, 0);                /* TFSR_EL1, TFSRE0_EL1 */
        MSR(s3_0_c5_c6_1, 0);
        u64 r = rnd();
        for (u64 i = 0; i < sizeof data; i += 16)
            tag((u64)data + i, r >> i / 16 % 61 & 3 ? 0 : i / 16 & 15);
    }
}

static u64 rest_hash(u64 h)
{
    for (unsigned i = 0; i < sizeof data / 8; i++)
        h = mix(h, ((u64 *)data)[i]);
    if (mte)
        for (u64 i = 0; i < sizeof data; i += 16)
            h = mix(h, tag_of((u64)data + i));
    return mix(mix(mix(h, MRS(tpidr_el0)), MRS(tpidrro_el0)), MRS(contextidr_el1));
}

static u64 state_hash(u64 h)
{
    for (unsigned i = 0; i < 31; i++)
        h = mix(h, context.x[i]);
    for (unsigned i = 0; i < 64; i++)
        h = mix(h, context.v[i]);
    h = mix(mix(mix(mix(h, context.sp), context.sp0), context.fpsr), context.fpcr);
    h = mix(mix(h, context.spsr), context.hash);
    if (mte)
        h = mix(mix(mix(h, MRS(s3_0_c5_c6_0)), MRS(s3_0_c5_c6_1)), MRS(s3_0_c1_c0_5));
    return h;
}

#ifdef SHOW
static void show_state(unsigned round, const char *when)
{
    text(when), hex(round, 3), put('\n');
    for (unsigned i = 0; i < 31; i++)
        put('x'), hex(i, 2), hex(context.x[i], 16), put('\n');
    for (unsigned i = 0; i < 32; i++)
        put('v'), hex(i, 2), hex(context.v[2 * i + 1], 16), hex(context.v[2 * i], 16), put('\n');
    text("sp "), hex(context.sp, 16), hex(context.sp0, 16), put('\n');
    text("fpsr "), hex(context.fpsr, 8), text("fpcr "), hex(context.fpcr, 8), text("spsr "), hex(context.spsr, 8);
    text("\nmemory "), hex(rest_hash(0), 8);
    text("hash "), hex(state_hash(0), 8), put('\n');
}
#else
static void show_state(unsigned round, const char *when) { (void)round, (void)when; }
#endif

static u64 block(const struct rnd_batch *b, unsigned index, u32 count)
{
    u64 h = 0, pa = (u64)blocks - HARNESS + header.code + (u64)index * header.space * 4;
    state = (u64)b->seed << 32 ^ index * 0x9e3779b97f4a7c15ul ^ header.seed;
    reset_rest();
    context.hash = 0;
    context.start = pa + (b->flags & BF_GUARD ? GUARDED : PLAIN);
    context.end = context.start + count * 4;
    for (unsigned r = 0; r < header.rounds; r++) {
        make_state(b);
        if (show_states)
            show_state(r, "before ");
        if (ALONE)
            ran_since = MRS(cntvct_el0);
        run_block(&context);
        if (show_states)
            show_state(r, "after ");
        if (context.partial)
            h = mix(h, context.hash), reset_rest();
        else
            h = state_hash(h);
    }
    context.end = 0;
    h = rest_hash(h);
    everything = mix(everything, h); /* stays where a comparison of machines sees it */
    return h;
}

#ifdef SHOW
/* The block's first k instructions for each k: the first k at which two emulators differ names the instruction. SHOW_K:
 * that one with all states. */
static void show(const struct rnd_batch *b, unsigned index, u32 count)
{
    volatile u32 *code = (u32 *)(blocks + header.code + (u64)index * BLOCK_SPACE * 4);
    static u32 words[BLOCK_SPACE];
    for (u32 i = 0; i < count; i++)
        words[i] = code[i];
    text("el "), hex(b->el, 1), text("flags "), hex(b->flags, 8), text("fpcr "), hex(b->fpcr, 8), put('\n');
    for (u32 k = 0; k <= count; k++) {
        for (u32 i = 0; i < count; i++) {
            code[i] = i < k ? words[i] : word(BLOCK_END);
            __asm__ volatile("dc cvau, %0\n dsb ish\n ic ivau, %0\n dsb ish\n isb" ::"r"(&code[i]) : "memory");
        }
#ifdef SHOW_K
        show_states = k == SHOW_K;
        if (k != SHOW_K)
            continue;
#endif
        text("prefix "), hex(k, 2), hex(k ? word(words[k - 1]) : 0, 8), hex(block(b, index, k), 16), put('\n');
    }
}
#endif

static void one_batch(const struct rnd_batch *in, unsigned index)
{
    static struct rnd_batch b;
    __asm__ volatile("msr pan, #0"); /* the blocks' file is EL0's too */
    for (unsigned i = 0; i < sizeof b / 4; i++)
        ((u32 *)&b)[i] = word(((const volatile u32 *)in)[i]);
    mte = b.mte;
    if (mte)
        __asm__ volatile("msr tco, #1");
    controls(b.flags);
    context.faults = context.strays = 0;
#ifdef SHOW
    show(&b, SHOW, b.block[SHOW % BATCH].count);
    (void)index;
#else
    hex(index, 6);
    for (unsigned i = 0; i < BATCH; i++)
        hex(block(&b, index * BATCH + i, b.block[i].count) >> 16, 8);
    hex(context.faults, 6), hex(context.strays, 4), put('\n');
#endif
}

void main(void)
{
    const struct rnd_batch *b = (const struct rnd_batch *)((u64)blocks - HARNESS + PLAIN + sizeof header);
    top0[0] = top0[1];
#if LEVEL == 2
    __asm__ volatile("dsb sy\n tlbi alle2\n dsb sy\n isb" ::: "memory");
#else
    __asm__ volatile("dsb sy\n tlbi vmalle1\n dsb sy\n isb" ::: "memory");
#endif
    state = header.seed | 1ul << 40;
    for (unsigned i = 0; i < POINTERS; i++)
        pointers[i] = pointer();
    for (unsigned i = 0; i < GENERAL; i++)
        general[i] = i & 3 ? interesting() : pointer();
    for (unsigned i = 0; i < VECTORS; i++)
        vectors_pool[i] = vector();
#ifdef SHOW
    one_batch(b + SHOW / BATCH, SHOW / BATCH);
#else
    for (unsigned i = 0; i < header.batches; i++)
        one_batch(b + i, i);
#endif
    if (ALONE) {
        u64 in = ran * (1000000000 / MRS(cntfrq_el0)), out = ways * WAY;
        text("RAN "), hex(in > out ? in - out : 0, 16), hex(ways, 8), put('\n');
    }
    off();
}
