/* Random routing controls, pending interrupts, exception returns and instructions, from EL3: where the next exception
 * goes and with which syndrome, return state and vector. Each case depends on nothing but SEED and its number. The
 * same image runs on Elara and on an independent emulator (tests/guest/mmu-compare with TEST=exc).
 *
 * Interrupts come from a GICv3 with two Security states: SPI 40 is Group 0, 41 Non-secure Group 1, 42 Secure Group 1.
 * Kept out: AArch32 states, physical SErrors (the reference has no way to raise one). */
#define BARE_MAIN
#include "bare.h"

enum { GICD = 0x08000000, SPIS = 40, SP_STEP = 21 };
extern u8 stub[], lower_vectors[];
void main(void);

struct probe {
    u64 pc, spsr, x0, x1, vector3, vector;
};
extern void run(struct probe *);

static u64 sum;
static u64 maybe(unsigned percent, unsigned bit) { return chance(percent) ? 1ul << bit : 0; }

static void say(const char *what, u64 v)
{
    sum = (sum ^ v) * 0x100000001b3ul + (sum >> 47);
    if (DETAIL) {
        text(what);
        put('=');
        hex(v);
    }
}
#define NOTE(what, v)                                                                                                  \
    do {                                                                                                               \
        if (DETAIL > 1) {                                                                                              \
            text(what "=");                                                                                            \
            hex(v);                                                                                                    \
        }                                                                                                              \
    } while (0)

static void w32(u64 a, u64 v) { *(volatile u32 *)a = (u32)v; }

/* TCO comes with a machine that has tags, ALLINT with FEAT_NMI. After an illegal return SSBS, BTYPE, UAO, DIT and TCO
 * are UNKNOWN; the reference forgets PAN, too. */
static int illegal, second;
static u64 psr(u64 s)
{
    illegal |= s >> 20 & 1;
    s &= ~(1ul << 25 | 1ul << 13);
    if (second) /* the reference loses flags and DIT on the way to the first */
        s &= ~(15ul << 28 | 1ul << 24);
    return illegal ? s & ~(1ul << 12 | 3ul << 10 | 7ul << 22) : s;
}

static void interrupts(unsigned pending)
{
    w32(GICD + 0x284, 0x700);             /* ICPENDR1 */
    w32(GICD + 0x204, (u64)pending << 8); /* ISPENDR1 */
}

static void start(void)
{
    w32(0x09000030, 0x301);
    w32(GICD, 0x30);               /* ARE_S, ARE_NS */
    w32(GICD, 0x37);               /* and all groups */
    w32(GICD + 0x84, 1u << 9);     /* IGROUPR1 */
    w32(GICD + 0xd04, 1u << 10);   /* IGRPMODR1 */
    w32(GICD + 0xc08, 0xaaaaaaaa); /* edge */
    w32(0x080a0014, 0);            /* awake */
    for (unsigned i = 0; i < 3; i++) {
        *(volatile u8 *)(u64)(GICD + 0x400 + SPIS + i) = 0x40;
        *(volatile u64 *)(u64)(GICD + 0x6000 + 8 * (SPIS + i)) = 0;
    }
    w32(GICD + 0x104, 0x700);
    MSR(S3_6_C12_C12_5, 0xf); /* ICC_SRE_EL3 */
    ISB();
    MSR(S3_6_C12_C12_7, 3);  /* ICC_IGRPEN1_EL3 */
    MSR(S3_0_C12_C12_6, 1);  /* ICC_IGRPEN0_EL1 */
    MSR(S3_0_C4_C6_0, 0xff); /* ICC_PMR_EL1 */
    MSR(oslar_el1, 0);
    MSR(vbar_el1, (u64)lower_vectors);
    MSR(vbar_el2, (u64)lower_vectors);
    MSR(mdcr_el3, 0);
    ISB();
}

/* A return state: EL, stack pointer, masks, IL, and now and then something reserved. */
static u64 random_spsr(unsigned el)
{
    u64 m = el << 2 | (el ? below(2) : 0);
    if (chance(10))
        m = below(16);
    u64 s = m | (chance(70) ? below(16) << 6 : 0x3c0) | maybe(5, 20) | (rnd() & 0xful << 28);
    return s | maybe(20, 22) | maybe(20, 23) | maybe(20, 12) | maybe(20, 24) | maybe(30, SP_STEP);
}

enum { HVC_STUB = 2, UNDEF = 5, ESB = 6, ESB_MASKED = 13, FP = 10, ERET = 11, KINDS = 14, LANDING = 14 };

static void one(u64 n)
{
    state = (n + 1) * 0x9e3779b97f4a7c15ul ^ (u64)(SEED) << 32;
    for (unsigned i = 0; i < 4; i++)
        rnd();
    illegal = second = 0;
    u64 ns = chance(70), eel2 = ns || chance(50);
    u64 scr = ns | maybe(30, 1) | maybe(30, 2) | maybe(30, 3) | 3ul << 4 | maybe(80, 8) | 1ul << 10 |
              (!ns && eel2 ? 1ul << 18 : 0);
    u64 hcr = 1ul << 31 | maybe(30, 27) | maybe(40, 3) | maybe(40, 4) | maybe(40, 5) | maybe(25, 34) | maybe(20, 19);
    hcr |= maybe(20, 6) | maybe(20, 7) | maybe(20, 8); /* VF, VI, VSE */
    hcr |= maybe(10, 29);                              /* HCD: no effect with EL3 */
    u64 vsesr = rnd() & 0x1ffffff, pending = chance(60) ? 0 : 1u << below(3);
    unsigned el = (unsigned)below(4), kind = (unsigned)below(KINDS);
    if (hcr >> 8 & 1) /* the order of asynchronous exceptions is not the architecture's to give */
        pending = 0, hcr &= ~(3ul << 6);
    if (pending || hcr >> 6 & 1)
        hcr &= pending ? ~(3ul << 6) : ~(1ul << 7);
    struct probe p = {.spsr = random_spsr(el)};
    if (kind == ERET) /* one exception, to see whether the return was illegal */
        hcr &= ~(1ul << 19);
    if (kind == 2 && !eel2)
        kind = 0; /* the reference calls an EL2 that is not there */
    if ((kind == ERET || kind == 8) && (p.spsr >> 2 & 3) == 3)
        kind = 0; /* it would return to itself, or read this program's stack */
    p.pc = (u64)stub + 32 * kind;
    p.x0 = 0;
    p.x1 = ((u64)stub + 32 * LANDING) | (chance(60) ? 0 : below(16));
    if (kind == 8)
        p.x1 &= ~15ul; /* no SP alignment check there */
    MSR(scr_el3, scr);
    ISB();
    MSR(hcr_el2, hcr);
    MSR(S3_4_C5_C2_3, vsesr); /* VSESR_EL2 */
    MSR(S3_0_C12_C1_1, 0);    /* DISR_EL1 */
    MSR(S3_4_C12_C1_1, 0);    /* VDISR_EL2 */
    u64 sctlr = 0x30d00800 | maybe(50, 3) | maybe(50, 4) | maybe(50, 23) | maybe(20, 44) | maybe(30, 9);
    MSR(sctlr_el1, sctlr);
    MSR(sctlr_el2, 0x30c50820 | maybe(50, 3) | maybe(50, 4) | maybe(50, 23));
    MSR(cpacr_el1, below(4) << 20);
    MSR(cptr_el2, hcr >> 34 & 1 ? below(4) << 20 : 0x33ff & ~(chance(70) ? 0x400ul : 0));
    MSR(cptr_el3, maybe(20, 10));
    MSR(mdcr_el2, maybe(20, 8));  /* TDE */
    MSR(mdcr_el3, maybe(20, 16)); /* SDD */
    /* ... nor that of a step and an interrupt, and the reference steps on after PSTATE.D was set, by ERET too */
    int step = !pending && !(hcr >> 6 & 7) && kind != 7 && kind != ESB_MASKED && kind != ERET && chance(30);
    MSR(mdscr_el1, (u64)step | maybe(50, 13) | maybe(30, 15)); /* SS, KDE, MDE */
    u64 spsr_low = random_spsr((unsigned)below(3)) & ~0x10ul;
    MSR(spsr_el1, spsr_low);
    MSR(spsr_el2, spsr_low);
    MSR(elr_el1, (u64)stub + 32 * LANDING);
    MSR(elr_el2, (u64)stub + 32 * LANDING);
    MSR(esr_el1, 0);
    MSR(esr_el2, 0);
    MSR(far_el1, 0);
    MSR(far_el2, 0);
    MSR(far_el3, 0);
    interrupts((unsigned)pending);
    ISB();
    if (DETAIL) {
        hex(n);
        text(": ");
    }
    say("kind", kind);
    NOTE("scr", scr);
    NOTE("hcr", hcr);
    NOTE("mdscr", MRS(mdscr_el1));
    NOTE("mdcr", MRS(mdcr_el2) | MRS(mdcr_el3));
    NOTE("pend", pending);
    NOTE("spsr", p.spsr);
    NOTE("low", spsr_low);
    NOTE("sctlr", sctlr);
    u64 base = (u64)stub;
    run(&p);
    u64 esr3 = MRS(esr_el3), spsr3 = MRS(spsr_el3);
    if (p.vector && esr3 >> 26 == 0x17 && p.vector3 == 0x400) { /* a vector of EL1 or EL2 called */
        u64 at = spsr3 >> 2 & 3;
        say("el", at);
        say("vec", p.vector - 1);
        u64 irq = p.vector >> 7 & 3; /* 1 IRQ, 2 FIQ: no syndrome */
        u64 esr = at == 2 ? MRS(esr_el2) : MRS(esr_el1);
        say("esr", irq == 1 || irq == 2 ? 0 : esr >> 26 == 0x18 ? esr >> 26 : esr);
        u64 elr = (at == 2 ? MRS(elr_el2) : MRS(elr_el1)) - base;
        say("elr", elr);
        second = elr >= 4096;
        say("spsr", psr(at == 2 ? MRS(spsr_el2) : MRS(spsr_el1)));
        u64 ec = esr >> 26;
        say("far", ec == 0x22 ? (at == 2 ? MRS(far_el2) : MRS(far_el1)) - base : 0);
        second = 1;
        say("now", psr(spsr3) & ~(1ul << 28 | 1ul << 29 | 1ul << 30 | 1ul << 31));
    } else {
        u64 irq = p.vector3 >> 7 & 3;
        say("el3", p.vector3);
        say("esr", irq == 1 || irq == 2 ? 0 : esr3);
        say("elr", MRS(elr_el3) - base);
        second = MRS(elr_el3) - base >= 4096;
        say("spsr", psr(spsr3));
        say("far", esr3 >> 26 == 0x22 ? MRS(far_el3) - base : 0);
    }
    say("x0", p.x0);
    MSR(scr_el3, 1ul << 10 | 1ul << 18);
    ISB();
    say("disr", MRS(S3_0_C12_C1_1));
    say("vdisr", MRS(S3_4_C12_C1_1));
    say("vse", MRS(hcr_el2) >> 8 & 1);
    MSR(mdscr_el1, 0);
    MSR(hcr_el2, 1ul << 31);
    interrupts(0);
    ISB();
    if (DETAIL)
        put('\n');
}

void main(void)
{
    start();
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
        __asm__ volatile("msr daifset, #15; wfi");
}
