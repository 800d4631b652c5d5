/* Random translation tables and controls of every regime, tried by AT instructions and by real accesses. Each case
 * depends on nothing but SEED and its number, so any range of cases can be run alone. Prints a hash per BATCH cases,
 * or with DETAIL a line per case. The same image runs on Elara and on an independent emulator; tests/guest/mmu-compare
 * compares what they say.
 *
 * Runs at EL3 with its MMU off; the tables of a case are other regimes', or EL3's own while a probe runs. What the
 * reference (QEMU 11) does otherwise is kept out or masked; docs/translation.md has the list. */
#define BARE_MAIN
#include "mmu_case.h"

u8 fwb;

static u64 sum;

void report_broken(u64 esr, u64 elr, u64 far)
{
    text("BROKEN ");
    hex(esr);
    hex(elr);
    hex(far);
    text("\nEND\n");
    for (;;)
        ;
}

/* What both emulators must agree on. */
static void say(const char *what, u64 v)
{
    sum = (sum ^ v) * 0x100000001b3ul + (sum >> 47);
    if (DETAIL) {
        text(what);
        put('=');
        hex(v);
    }
}

/* ---- probes ----------------------------------------------------------------------------------- */

static void flush(void)
{
    __asm__ volatile("dsb sy; tlbi alle1; tlbi alle3" ::: "memory");
    if (MRS(scr_el3) & (1ul << 18 | 1)) /* EL2 is there */
        __asm__ volatile("tlbi alle2" ::: "memory");
    __asm__ volatile("dsb sy; isb" ::: "memory");
}

/* The access flag after a permission or alignment fault is CONSTRAINED UNPREDICTABLE: Elara leaves it alone. */
static u64 ignored;
static u64 fold(void)
{
    u64 h = 0;
    for (unsigned i = 0; i < touched_n; i++)
        h = (h ^ (*touched[i] & ~ignored)) * 0x100000001b3ul + i;
    return h;
}

#define AT(op, va)                                                                                                     \
    do {                                                                                                               \
        __asm__ volatile("at " #op ", %0; isb" ::"r"(va) : "memory");                                                  \
        say(#op, shown(t, MRS(par_el1)));                                                                              \
    } while (0)

/* The level of HCR_EL2.PTW's fault is the reference's own. It gives the descriptor's shareability where the
 * architecture says Outer Shareable. */
static int in_data(u64 par) { return !(par & 1) && (par & ones(52) & ~ones(16)) == DATA; }

static u64 shown(const struct trial *t, u64 par)
{
    u64 attr = par >> 56;
    if ((par & 0x179) == 0x119)
        return par & ~6ul;
    if (!(par & 1) && (!(attr & 0xf0) || attr == 0x44))
        par &= ~0x180ul;
    if (!(par & 1) && !(attr & 0xf0) && (t->hcr & 1))
        par = par << 8 >> 8;
    if (!(par & 1) && fwb && (t->hcr & 1)) /* stage 1 Device made Normal: not Outer there */
        par &= ~0x180ul;
    return par;
}

/* Does a read lead to the data, and is stage 1 Device (or unknown)? Sets access flags only. */
static void look_ahead(struct trial *t)
{
    t->atomics = 0;
    t->device = 1;
    if (t->regime == EL3)
        return;
    if (t->regime == EL10)
        __asm__ volatile("at s1e1r, %0; isb" ::"r"(t->va));
    else
        __asm__ volatile("at s1e2r, %0; isb" ::"r"(t->va));
    u64 par = MRS(par_el1);
    t->device = par & 1 || !(par >> 60);
    if (t->regime == EL10)
        __asm__ volatile("at s12e1r, %0; isb" ::"r"(t->va));
    t->atomics = in_data(MRS(par_el1)) ? 3 : 0;
    if (!(MRS(par_el1) >> 60))
        t->device = 1;
    /* the reference reads, with what that updates, before it looks whether it may write */
    if (t->regime == EL10)
        __asm__ volatile("at s12e1w, %0; isb" ::"r"(t->va));
    else
        __asm__ volatile("at s1e2w, %0; isb" ::"r"(t->va));
    t->atomics &= in_data(MRS(par_el1)) ? 3 : 0;
    if (t->regime == EL10)
        __asm__ volatile("at s12e0w, %0; isb" ::"r"(t->va));
    else if (t->tge)
        __asm__ volatile("at s1e0w, %0; isb" ::"r"(t->va));
    t->atomics &= in_data(MRS(par_el1)) ? 3 : 2;
}

static void address_translations(const struct trial *t)
{
    u64 va = t->va;
    if (t->regime == EL3)
        return; /* from its stub only */
    if (t->regime == EL2 || t->regime == EL20) {
        AT(s1e2r, va);
        AT(s1e2w, va);
    }
    if (t->regime == EL2 || (t->regime == EL20 && !t->tge))
        return;
    AT(s1e1r, va);
    AT(s1e1w, va);
    AT(s1e0r, va);
    AT(s1e0w, va);
    __asm__ volatile("msr pan, #1");
    AT(s1e1rp, va);
    AT(s1e1wp, va);
    __asm__ volatile("msr pan, #0");
    if (t->regime == EL20)
        return;
    AT(s12e1r, va);
    AT(s12e1w, va);
    AT(s12e0r, va);
    AT(s12e0w, va);
}

enum { BR = 4, ZVA = 18, AT_EL1 = 27, AT_EL3 = 32, KINDS = 32 };

struct probe {
    u64 pc, spsr, x0, x1, sctlr_el3;
};
extern void run(struct probe *);

/* The syndrome as the exception's target EL reports it. */
static void outcome(const struct trial *t, unsigned kind, u64 va, const struct probe *p)
{
    u64 esr = MRS(esr_el3), el = 3;
    u64 far = MRS(far_el3);
    if (!p->sctlr_el3 && esr >> 26 == 0x17) { /* SMC of a vector */
        el = MRS(spsr_el3) >> 2 & 3;
        esr = el == 2 ? MRS(esr_el2) : MRS(esr_el1);
        far = el == 2 ? MRS(far_el2) : MRS(far_el1);
    }
    /* the reference calls atomic and exclusive loads writes */
    if (kind == 6 || (kind >= 8 && kind <= 10) || kind == 28 || kind == 29)
        esr = esr >> 29 == 4 && (esr & 0x3f) == 0x21 ? esr & ~0x40ul : esr;
    if (esr >> 31 && (esr & 0xbc) == 0x8c)
        esr &= ~3ul;
    if (kind == ZVA)
        far &= ~63ul; /* the reference says where the block begins */
    say("el", el);
    u64 ec = esr >> 26 & 63;
    say("esr", esr);
    if (ec == 0x20 || ec == 0x21 || ec == 0x24 || ec == 0x25) {
        /* an unaligned access may be split before it fails on the bus */
        say("far", (esr & 63) == 0x10 ? far & ~7ul : far);
        if ((esr & 0x3c) == 0xc || (esr & 0x3f) == 0x21)
            ignored = 0x0004000000000400ul;
        if (el == 2 && t->regime == EL10 && (esr & 63) != 0x10)
            say("hpfar", MRS(hpfar_el2) & (esr & 0x80 ? ~(1ul << 63) : ~0ul)); /* NSTable's space is lost there */
    } else if (kind == AT_EL1) {
        say("par", shown(t, p->x0));
    } else {
        say("x0", p->x0);
        say("x1", p->x1 - va);
    }
}

static void access(const struct trial *t)
{
    struct probe p = {0};
    unsigned kind = (unsigned)below(KINDS);
    unsigned el = t->regime == EL3 ? 3 : t->regime == EL2 ? 2 : t->regime == EL20 ? (t->tge && chance(40) ? 0 : 2) : 0;
    if (t->regime == EL10)
        el = chance(40) ? 0 : 1;
    if (kind == ZVA && (chance(70) || t->device)) /* which may pass on Device memory */
        kind = 0;
    if (kind == 19 || kind == 20) /* cache maintenance faults nowhere on the reference */
        kind = 1;
    if (!(t->atomics >> (el != 0) & 1) && (kind == 8 || kind == 9 || kind == 10 || kind == 28 || kind == 29))
        kind = 2;
    if (kind == AT_EL1 && (t->regime != EL10 || el != 1 || t->tcr >> 39 & 1)) /* AT and access flags: left open */
        kind = BR;
    if (t->regime == EL3 && chance(40))
        kind = AT_EL3 + (unsigned)below(2);
    /* a page that starts clean for some; flags otherwise */
    p.spsr = 0x3c0 | (el ? el << 2 | 1 : 0) | (el && chance(30) ? 1ul << 22 : 0) | (el && chance(20) ? 1ul << 23 : 0);
    u64 va = kind == BR ? t->va & ~3ul : kind == 5 || kind == 17 || kind == 23 || chance(12) ? t->va : t->va & ~7ul;
    if (t->device && t->stage2) { /* the reference looks at stage 2 before it finds them unaligned */
        va &= ~7ul;
        if (kind == 7 || kind == 25 || kind == 26)
            kind = 0;
    }
    if (t->device && (kind == 12 || kind == 31))
        va &= ~15ul; /* 16 bytes that are 8-byte aligned pass on the reference */
    p.pc = t->stub_va + 0xc10 + 16 * kind;
    p.x0 = 0xd4000061d4000061; /* svc #3 */
    p.x1 = va;
    p.sctlr_el3 = el == 3 ? t->sctlr : 0;
    if (el == 3)
        __asm__ volatile("msr pan, %0" ::"i"(0));
    if (kind >= AT_EL3)
        MSR(tcr_el3, t->tcr & ~(1ul << 22));
    flush();
    say("kind", kind | el << 8 | p.spsr >> 22 << 12);
    run(&p);
    outcome(t, kind, va, &p);
    if (kind >= AT_EL3)
        MSR(tcr_el3, t->tcr);
    if (kind == AT_EL1 || kind >= AT_EL3) /* may set the access flag or not */
        ignored = 0x0004000000000400ul;
    if (kind >= AT_EL3)
        say("par", shown(t, MRS(par_el1)));
}

/* ---- a case ----------------------------------------------------------------------------------- */

static void set_controls(const struct trial *t, u64 hcr, u64 dirty)
{
    MSR(scr_el3, t->scr);
    ISB();
    MSR(hcr_el2, hcr);
    MSR(vtcr_el2, dirty ? t->vtcr & ~(1ul << 22) : t->vtcr);
    MSR(vttbr_el2, t->vttbr);
    if (t->scr >> 18 & 1) {
        MSR(S3_4_C2_C6_2, t->vstcr);
        MSR(S3_4_C2_C6_0, t->vsttbr);
    }
    ISB();
    switch (t->regime) {
    case EL10:
        MSR(tcr_el1, t->tcr & ~dirty);
        MSR(ttbr0_el1, t->ttbr[0]);
        MSR(ttbr1_el1, t->ttbr[1]);
        MSR(mair_el1, t->mair);
        MSR(sctlr_el1, t->sctlr);
        MSR(vbar_el1, t->stub_va);
        MSR(sctlr_el2, t->sctlr_el2);
        MSR(vbar_el2, (u64)stub);
        break;
    case EL3:
        MSR(tcr_el3, t->tcr & ~dirty);
        MSR(ttbr0_el3, t->ttbr[0]);
        MSR(mair_el3, t->mair);
        break;
    default:
        MSR(tcr_el2, t->tcr & ~dirty);
        MSR(ttbr0_el2, t->ttbr[0]);
        if (t->regime == EL20)
            MSR(S3_4_C2_C0_1, t->ttbr[1]); /* TTBR1_EL2 */
        MSR(mair_el2, t->mair);
        MSR(sctlr_el2, t->sctlr);
        MSR(vbar_el2, t->stub_va);
    }
    ISB();
}

static void describe(const struct trial *t)
{
    static const char *const names[] = {"EL1&0", "EL2", "EL2&0", "EL3"};
    text("\n ");
    text(names[t->regime]);
#define F(n)                                                                                                           \
    text(" " #n "=");                                                                                                  \
    hex((u64)t->n)
    F(va);
    F(tcr);
    F(ttbr[0]);
    F(ttbr[1]);
    F(mair);
    F(sctlr);
    F(sctlr_el2);
    F(scr);
    F(hcr);
    F(vtcr);
    F(vttbr);
    F(vstcr);
    F(vsttbr);
    F(s1.granule);
    F(s1.bits);
    F(s1.start);
    for (unsigned i = 0; i < touched_n; i++) {
        text("\n  ");
        hex((u64)touched[i]);
        hex(*touched[i]);
    }
    text("\n");
}

static void one(u64 n)
{
    struct trial t = {0};
    ignored = 0;
    state = (n + 1) * 0x9e3779b97f4a7c15ul ^ (u64)(SEED) << 32;
    for (unsigned i = 0; i < 4; i++)
        rnd();
    case_make(&t);
    unsigned n0 = touched_n;
    for (unsigned i = 0; i < n0; i++)
        before[i] = *touched[i];
    /* dirty state that AT instructions may write is not compared: no HD yet */
    u64 dirty = t.regime == EL10 || t.regime == EL20 ? 1ul << 40 : 1ul << 22;
    if (t.stage2) { /* where does stage 1 lead? then stage 2 can be about it */
        set_controls(&t, t.hcr & ~(1ul | 1ul << 2 | 1ul << 12), dirty);
        flush();
        __asm__ volatile("at s1e1r, %0; isb" ::"r"(t.va));
        u64 par = MRS(par_el1);
        u64 ns = t.secure && (par >> 9 & 1);
        case_map_ipa(&t, par & 1 ? 0x50000000 + below(1ul << 28) : (par & 0xffffffffff000ul) | (t.va & 0xfff), ns);
    }
    for (unsigned i = n0; i < touched_n; i++)
        before[i] = *touched[i];
    set_controls(&t, t.hcr, dirty);
    flush();
    if (DETAIL) {
        hex(n);
        text(": ");
    }
    address_translations(&t);
    look_ahead(&t);
    for (unsigned i = 0; i < touched_n; i++)
        *touched[i] = before[i];
    set_controls(&t, t.hcr, 0);
    for (unsigned k = 0; t.runs && k < 4; k++)
        access(&t);
    say("tables", fold());
    say("data", case_clean());
    if (DETAIL > 1)
        describe(&t);
    if (DETAIL)
        put('\n');
    while (touched_n)
        *touched[--touched_n] = 0;
}

void main(void)
{
    *(volatile u32 *)0x09000030 = 0x301;
    MSR(cpacr_el1, 3 << 20);
    MSR(cptr_el2, 0x33ff & ~0x400);
    for (u64 a = POOL; a < POOL + POOL_SIZE; a += 8)
        *(volatile u64 *)a = 0;
    case_clean();
    for (u64 n = START; n < START + CASES; n++) {
        one(n);
        if ((n + 1) % BATCH == 0 || n + 1 == START + CASES) {
            text("# ");
            hex(n / BATCH);
            hex(sum);
            put('\n');
            sum = 0;
        }
    }
    text("END\n");
    for (;;)
        __asm__ volatile("wfi");
}
