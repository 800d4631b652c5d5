/* Hardware breakpoints and watchpoints (DDI0487 D2): every condition of DBGBCR and DBGWCR, enables and routing,
 * syndromes, all kinds of accesses. Each case runs in the interpreter and in the JIT, which must agree on time and
 * state. */
#include "core/clock.h"
#include "core/snap.h"
#include "cpu/debug.h"
#include "el1.h"
#include "jit/jit.h"

enum { NOP = 0xd503201f, SVC = 0xd4000001, LDR = 0xf9400022 /* x2, [x1] */, STR = 0xf9000022 };
enum { MDE = MDSCR_MDE, KDE = MDSCR_KDE };
/* DBGBCR: E, PMC, BAS; DBGWCR: E, PAC, LSC, BAS */
enum { E = 1, AT1 = 1 << 1, AT0 = 2 << 1, AT10 = 3 << 1, BAS4 = 0xf << 5, HMC = 1 << 13 };
enum { LD = 1 << 3, ST = 2 << 3, LDST = 3 << 3, BAS8 = 0xff << 5, WT = 1 << 20 };
#define SSC(n)  ((u64)(n) << 14)
#define LBN(n)  ((u64)(n) << 16)
#define BT(n)   ((u64)(n) << 20)
#define MASK(n) ((u64)(n) << 24)
#define USER    (RAM + 0x100000) /* the upper half of RAM is EL0's */

static struct clock the_clock;
static struct exc_info last;
static unsigned taken;
static const struct engine *engine;
static bool halt_at_first;

static void exception(void *arg, struct cpu *cpu, const struct exc_info *x)
{
    (void)arg;
    last = *x;
    taken++;
    if (halt_at_first)
        cpu->run = CPU_HALTED;
}

static void begin(bool el2, bool el3, const char *model)
{
    setup_cpu(model, el2, el3);
    if (el2)
        c->sys[HCR_EL2] |= HCR_RW;
    if (el3)
        c->sys[SCR_EL3] |= SCR_RW | SCR_NS;
    for (u64 a = USER; a < RAM + 0x200000; a += 0x1000)
        put64(TABLES + 0x2000 + (a - RAM) / 0x1000 * 8, a | 1 << 11 | 1 << 10 | 3 << 8 | 1 << 6 | 3);
    the_clock = (struct clock){0};
    env.clock = &the_clock;
    env.on_exception = exception;
    c->sys[OSLSR_EL1] &= ~(u64)OSLSR_OSLK;
    c->sys[MDSCR_EL1] = MDE | KDE;
    sysreg_refresh(c);
    context_touch(c);
    halt_at_first = true;
    taken = 0;
    last = (struct exc_info){0};
}

static u64 state_hash(void)
{
    struct snap s = {.mode = SNAP_HASH};
    cpu_state(c, &s);
    bus_ram_state(env.bus, &s);
    return snap_hash(&s);
}

static void write_code(u64 at, const u32 *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        u64 a = at + 4 * i;
        memcpy(ram(a), &words[i], 4);
        ram_written(env.bus, bus_resolve(env.bus, pa_make(PAS_NS, a)).page, (u32)(a & 0xfff), 4);
    }
}

/* D clear, the rest masked. */
static void start(unsigned el, u64 pc)
{
    u64 sp = c->x[REG_SP];
    cpu_set_spsr(c, 0x1c0 | el << 2 | (el != 0));
    c->x[REG_SP] = sp ? sp : DATA + 0x800;
    c->pc = pc;
    c->run = CPU_RUNNING;
    debug_update(c);
}

static void run(unsigned n)
{
    clock_begin(&the_clock, &c->slice, n);
    engine->run(c);
    clock_finish(&the_clock);
}

#define RUN(el, at, ...)                                                                                               \
    do {                                                                                                               \
        const u32 words[] = {__VA_ARGS__};                                                                             \
        write_code(at, words, ARRAY_LEN(words));                                                                       \
        taken = 0;                                                                                                     \
        start(el, at);                                                                                                 \
        run(1000);                                                                                                     \
    } while (0)

/* The exception that ended it. */
static void ended(unsigned ec, u32 iss, u64 pc)
{
    ck_assert_uint_eq(taken, 1);
    ck_assert_uint_eq(last.esr >> 26, ec);
    ck_assert_uint_eq(last.esr & 0x1ffffff, iss);
    ck_assert_uint_eq(last.pc, pc);
}

static void watch_hit(u32 wnr, u64 addr)
{
    ended(EC_WATCH_SAME, 0x22 | wnr << 6, CODE);
    ck_assert_uint_eq(last.far, addr);
}

#define BREAK(el, at)    ended((el) ? EC_BREAK_SAME : EC_BREAK_LOW, 0x22, at)
#define WATCH(wnr, addr) watch_hit(wnr, addr)
#define NONE(at)         ended(EC_SVC64, 0, at)

static void set_break(unsigned n, u64 v, u64 ctl)
{
    static const u16 cell[][2] = {{DBGBVR0_EL1, DBGBCR0_EL1}, {DBGBVR1_EL1, DBGBCR1_EL1}, {DBGBVR2_EL1, DBGBCR2_EL1},
                                  {DBGBVR3_EL1, DBGBCR3_EL1}, {DBGBVR4_EL1, DBGBCR4_EL1}, {DBGBVR5_EL1, DBGBCR5_EL1}};
    c->sys[cell[n][0]] = v;
    c->sys[cell[n][1]] = ctl;
}

static void set_watch(unsigned n, u64 v, u64 ctl)
{
    static const u16 cell[][2] = {
        {DBGWVR0_EL1, DBGWCR0_EL1}, {DBGWVR1_EL1, DBGWCR1_EL1}, {DBGWVR2_EL1, DBGWCR2_EL1}, {DBGWVR3_EL1, DBGWCR3_EL1}};
    c->sys[cell[n][0]] = v;
    c->sys[cell[n][1]] = ctl;
}

/* A case in both engines. */
static void both(void (*scenario)(void), bool el2, bool el3, const char *model)
{
    u64 hash[2], now[2];
    for (unsigned i = 0; i < 2; i++) {
        engine = i ? &engine_jit : &engine_interp;
        begin(el2, el3, model);
        scenario();
        hash[i] = state_hash();
        now[i] = clock_now(&the_clock);
        clock_free(&the_clock);
        teardown();
    }
    ck_assert_uint_eq(now[0], now[1]);
    ck_assert_uint_eq(hash[0], hash[1]);
}

#define CASE(name, el2, el3, model)                                                                                    \
    static void name(void);                                                                                            \
    START_TEST(test_##name) { both(name, el2, el3, model); }                                                           \
    END_TEST                                                                                                           \
    static void name(void)

/* ---- breakpoints ---------------------------------------------------------------------------- */

CASE(break_address, false, false, "max")
{
    set_break(0, CODE + 8, E | AT1 | BAS4);
    c->x[0] = 0;
    RUN(1, CODE, 0x91000400, 0x91000400, 0x91000400, SVC); /* add x0, x0, #1 */
    BREAK(1, CODE + 8);
    ck_assert_uint_eq(c->x[0], 2);
    ck_assert_uint_eq(clock_now(&the_clock), 2);
    set_break(0, CODE + 8, AT1 | BAS4); /* E = 0 */
    RUN(1, CODE, NOP, NOP, NOP, SVC);
    NONE(CODE + 16);
    set_break(5, CODE + 4, E | AT10 | BAS4); /* any of them */
    RUN(1, CODE, NOP, NOP, NOP, SVC);
    BREAK(1, CODE + 4);
    set_break(5, (CODE + 4) | 0xff80000000000000, E | AT10 | BAS4); /* the upper bits do not count */
    RUN(1, CODE, NOP, NOP, NOP, SVC);
    BREAK(1, CODE + 4);
}

CASE(break_enables, false, false, "max")
{
    set_break(0, CODE + 4, E | AT10 | BAS4);
    static const u64 mdscr[] = {0, MDE, KDE};
    for (unsigned i = 0; i < 3; i++) {
        c->sys[MDSCR_EL1] = mdscr[i];
        RUN(1, CODE, NOP, NOP, SVC);
        NONE(CODE + 12);
    }
    c->sys[MDSCR_EL1] = MDE | KDE;
    c->sys[OSLSR_EL1] |= OSLSR_OSLK;
    RUN(1, CODE, NOP, NOP, SVC);
    NONE(CODE + 12);
    c->sys[OSLSR_EL1] &= ~(u64)OSLSR_OSLK;
    RUN(1, CODE, 0xd50348df, NOP, SVC); /* msr daifset, #8 */
    NONE(CODE + 12);
    RUN(1, CODE, 0xd50348df, NOP, 0xd50348ff, NOP, SVC);
    NONE(CODE + 20);
    set_break(0, CODE + 12, E | AT10 | BAS4);
    RUN(1, CODE, 0xd50348df, NOP, 0xd50348ff, NOP, SVC); /* and daifclr */
    BREAK(1, CODE + 12);
    /* EL0 needs neither KDE nor D */
    c->sys[MDSCR_EL1] = MDE;
    set_break(0, USER + 4, E | AT0 | BAS4);
    RUN(0, USER, NOP, NOP, SVC);
    BREAK(0, USER + 4);
    set_break(0, USER + 4, E | AT1 | BAS4);
    RUN(0, USER, NOP, NOP, SVC);
    NONE(USER + 12);
}

/* Set up by the guest itself, in the page that it runs in. */
CASE(break_by_msr, false, false, "max")
{
    c->x[0] = CODE + 16;
    c->x[1] = E | AT1 | BAS4;
    RUN(1, CODE, 0xd5100080, 0xd51000a1, 0xd5033fdf, NOP, NOP, SVC); /* msr dbgbvr0_el1, x0; dbgbcr0_el1, x1; isb */
    BREAK(1, CODE + 16);
    c->x[1] = 0;
    RUN(1, CODE, 0xd51000a1, 0xd5033fdf, NOP, NOP, NOP, SVC);
    NONE(CODE + 24);
}

/* From a loop that ran at full speed before, across pages. */
CASE(break_loop, false, false, "max")
{
    const u32 away[] = {0x91000400, 0xd65f03c0}; /* add x0, x0, #1; ret */
    write_code(CODE + 0x10000, away, 2);
    c->x[0] = 0;
    c->x[1] = 100;
    const u32 loop[] = {0x94004000, 0xf1000421, 0x54ffffc1, SVC}; /* bl +0x10000; subs x1, x1, #1; b.ne -8 */
    write_code(CODE, loop, 4);
    start(1, CODE);
    run(5 * 50);
    ck_assert_uint_eq(taken, 0);
    ck_assert_uint_eq(c->x[0], 50);
    set_break(1, CODE + 0x10004, E | AT1 | BAS4);
    debug_update(c);
    run(10);
    BREAK(1, CODE + 0x10004);
    ck_assert_uint_eq(c->x[0], 51);
    ck_assert_uint_eq(clock_now(&the_clock), 252);
    /* a neighbour is no hit, and time is what it would be */
    set_break(1, CODE + 0x10008, E | AT1 | BAS4);
    taken = 0;
    start(1, CODE);
    c->x[1] = 20;
    run(1000);
    NONE(CODE + 16);
    ck_assert_uint_eq(clock_now(&the_clock), 252 + 101);
}

CASE(break_context, false, false, "max")
{
    c->sys[CONTEXTIDR_EL1] = 0x1234;
    set_break(5, 0x1234, E | AT1 | BAS4 | BT(2));
    RUN(1, CODE, NOP, SVC);
    BREAK(1, CODE);
    c->sys[CONTEXTIDR_EL1] = 0x1235;
    RUN(1, CODE, NOP, SVC);
    NONE(CODE + 8);
    /* a linked one does nothing alone, but for an address that is linked to it */
    set_break(5, 0x1235, E | AT1 | BAS4 | BT(3));
    RUN(1, CODE, NOP, SVC);
    NONE(CODE + 8);
    set_break(0, CODE + 4, E | AT1 | BAS4 | BT(1) | LBN(5));
    RUN(1, CODE, NOP, SVC);
    BREAK(1, CODE + 4);
    c->sys[CONTEXTIDR_EL1] = 0;
    RUN(1, CODE, NOP, SVC);
    NONE(CODE + 8);
    /* breakpoint 3 knows no contexts */
    set_break(3, 0, E | AT1 | BAS4 | BT(3));
    set_break(0, CODE + 4, E | AT1 | BAS4 | BT(1) | LBN(3));
    RUN(1, CODE, NOP, SVC);
    NONE(CODE + 8);
    set_break(3, 0, E | AT1 | BAS4 | BT(2));
    RUN(1, CODE, NOP, SVC);
    NONE(CODE + 8);
    /* linked to one that is not of a linked kind, and to one that is off */
    set_break(5, 0, BT(3) | BAS4);
    set_break(0, CODE + 4, E | AT1 | BAS4 | BT(1) | LBN(5));
    RUN(1, CODE, NOP, SVC);
    NONE(CODE + 8);
}

CASE(break_vmid, true, false, "max")
{
    c->sys[VTTBR_EL2] = 0x42ull << 48;
    set_break(4, 0x42ull << 32, E | AT1 | BAS4 | BT(8));
    RUN(1, CODE, NOP, SVC);
    BREAK(1, CODE);
    set_break(4, 0x43ull << 32, E | AT1 | BAS4 | BT(8));
    RUN(1, CODE, NOP, SVC);
    NONE(CODE + 8);
    c->sys[CONTEXTIDR_EL1] = 7;
    set_break(4, 0x42ull << 32 | 7, E | AT1 | BAS4 | BT(11));
    set_break(0, CODE + 4, E | AT1 | BAS4 | BT(1) | LBN(4));
    RUN(1, CODE, NOP, SVC);
    BREAK(1, CODE + 4);
    c->sys[CONTEXTIDR_EL1] = 8;
    RUN(1, CODE, NOP, SVC);
    NONE(CODE + 8);
    c->sys[CONTEXTIDR_EL2] = 9;
    set_break(4, 9ull << 32 | 8, E | AT1 | BAS4 | BT(15));
    RUN(1, CODE, NOP, SVC);
    BREAK(1, CODE + 4);
    c->sys[CONTEXTIDR_EL2] = 10;
    RUN(1, CODE, NOP, SVC);
    NONE(CODE + 8);
}

CASE(break_routing, true, false, "max")
{
    set_break(0, CODE + 4, E | AT1 | BAS4);
    c->sys[MDCR_EL2] |= MDCR_TDE;
    c->sys[MDSCR_EL1] = MDE; /* EL1 is below the target: KDE and D do not count */
    RUN(1, CODE, NOP, SVC);
    ended(EC_BREAK_LOW, 0x22, CODE + 4);
    ck_assert_uint_eq(last.to_el, 2);
    /* EL2 itself: HMC, KDE */
    c->sys[MDSCR_EL1] = MDE | KDE;
    RUN(2, CODE, NOP, SVC);
    NONE(CODE + 8);
    set_break(0, CODE + 4, E | AT1 | BAS4 | HMC);
    RUN(2, CODE, NOP, SVC);
    ended(EC_BREAK_SAME, 0x22, CODE + 4);
    c->sys[MDSCR_EL1] = MDE;
    RUN(2, CODE, NOP, SVC);
    NONE(CODE + 8);
    c->sys[MDSCR_EL1] = MDE | KDE;
    c->sys[MDCR_EL2] &= ~(u64)MDCR_TDE;
    RUN(2, CODE, NOP, SVC);
    NONE(CODE + 8);
    RUN(1, CODE, NOP, SVC);
    BREAK(1, CODE + 4);
    ck_assert_uint_eq(last.to_el, 1);
    set_break(0, CODE + 4, E | BAS4 | HMC | SSC(3)); /* EL2 only */
    RUN(1, CODE, NOP, SVC);
    NONE(CODE + 8);
}

CASE(break_security, true, true, "cortex-a57")
{
    set_break(0, CODE + 4, E | AT1 | BAS4 | SSC(1));
    RUN(1, CODE, NOP, SVC);
    BREAK(1, CODE + 4);
    set_break(0, CODE + 4, E | AT1 | BAS4 | SSC(2));
    RUN(1, CODE, NOP, SVC);
    NONE(CODE + 8);
    set_break(0, CODE + 4, E | AT0 | BAS4 | SSC(3)); /* reserved */
    RUN(1, CODE, NOP, SVC);
    NONE(CODE + 8);
}

/* The part has 6 breakpoints, 2 of them for contexts, and 4 watchpoints. */
CASE(numbers, true, true, "cortex-a57")
{
    ck_assert_uint_eq(bits(c->sys[ID_AA64DFR0_EL1], 15, 12), 5);
    ck_assert_uint_eq(bits(c->sys[ID_AA64DFR0_EL1], 23, 20), 3);
    ck_assert_uint_eq(bits(c->sys[ID_AA64DFR0_EL1], 31, 28), 1);
    for (unsigned n = 0; n < 6; n++) {
        set_break(n, CODE + 4, E | AT1 | BAS4);
        RUN(1, CODE, NOP, SVC);
        BREAK(1, CODE + 4);
        set_break(n, 0, E | AT1 | BAS4 | BT(2));
        RUN(1, CODE, NOP, SVC);
        if (n >= 4)
            BREAK(1, CODE);
        else
            NONE(CODE + 8);
        set_break(n, 0, 0);
    }
    for (unsigned n = 0; n < 4; n++) {
        set_watch(n, DATA, E | AT1 | LDST | BAS8);
        c->x[1] = DATA;
        RUN(1, CODE, LDR, SVC);
        WATCH(0, DATA);
        set_watch(n, 0, 0);
    }
    RUN(1, CODE, 0xd51006a0, SVC); /* msr dbgbcr6_el1, x0 */
    ended(EC_UNKNOWN, 0, CODE);
}

/* PC alignment and instruction aborts come first, illegal state after. */
CASE(break_priority, false, false, "max")
{
    set_break(0, HOLE, E | AT1 | BAS4);
    start(1, HOLE);
    run(10);
    ck_assert_uint_eq(last.esr >> 26, EC_IABT_SAME);
    set_break(0, CODE, E | AT1 | BAS4);
    taken = 0;
    start(1, CODE);
    c->ps.il = true;
    run(10);
    BREAK(1, CODE);
    ck_assert(c->sys[SPSR_EL1] >> 20 & 1);
    set_break(0, CODE + 8, E | AT1 | BAS4);
    taken = 0;
    start(1, CODE);
    c->ps.il = true;
    run(10);
    ended(EC_ILLEGAL, 0, CODE);
}

/* Software step of an instruction with a breakpoint: the breakpoint, then the step. */
CASE(break_and_step, false, false, "max")
{
    c->sys[MDSCR_EL1] = MDE | MDSCR_SS;
    set_break(0, USER + 4, E | AT0 | BAS4);
    c->sys[SPSR_EL1] = 1 << 21;
    c->sys[ELR_EL1] = USER + 4;
    const u32 user[] = {NOP, NOP, SVC};
    write_code(USER, user, 3);
    RUN(1, CODE, 0xd69f03e0);
    BREAK(0, USER + 4);
    ck_assert(c->sys[SPSR_EL1] >> 21 & 1);
    set_break(0, USER + 8, E | AT0 | BAS4); /* the step exception comes before the next breakpoint */
    RUN(1, CODE, 0xd69f03e0);
    ended(EC_STEP_LOW, 1u << 24 | 0x22, USER + 8);
}

/* ---- watchpoints ---------------------------------------------------------------------------- */

CASE(watch_kinds, false, false, "max")
{
    c->x[1] = DATA + 16;
    RUN(1, CODE, LDR, STR, SVC); /* the fast table has the page */
    NONE(CODE + 12);
    set_watch(0, DATA + 16, E | AT1 | LD | BAS8);
    RUN(1, CODE, LDR, SVC);
    WATCH(0, DATA + 16);
    RUN(1, CODE, STR, SVC);
    NONE(CODE + 8);
    set_watch(0, DATA + 16, E | AT1 | ST | BAS8);
    RUN(1, CODE, LDR, SVC);
    NONE(CODE + 8);
    u64 before = *(u64 *)(void *)ram(DATA + 16);
    c->x[2] = ~before;
    RUN(1, CODE, STR, SVC);
    WATCH(1, DATA + 16);
    ck_assert_uint_eq(*(u64 *)(void *)ram(DATA + 16), before);
    c->x[1] = DATA + 24;
    RUN(1, CODE, STR, LDR, SVC);
    NONE(CODE + 12);
    set_watch(0, DATA + 24, E | AT0 | LDST | BAS8);
    RUN(1, CODE, STR, LDR, SVC);
    NONE(CODE + 12);
    set_watch(0, USER + 0x1000, E | AT0 | LDST | BAS8);
    c->x[1] = USER + 0x1000;
    RUN(1, CODE, LDR, SVC);
    NONE(CODE + 8);
    RUN(1, CODE, 0xf8400822, SVC); /* ldtr x2, [x1]: as EL0 */
    WATCH(0, USER + 0x1000);
    RUN(0, USER, LDR, SVC);
    ended(EC_WATCH_LOW, 0x22, USER);
}

CASE(watch_bytes, false, false, "max")
{
    set_watch(0, DATA, E | AT1 | LDST | 0x40 << 5); /* byte 6 */
    for (unsigned k = 0; k < 8; k++) {
        c->x[1] = DATA + k;
        RUN(1, CODE, 0x39400022, SVC); /* ldrb */
        if (k == 6)
            WATCH(0, DATA + 6);
        else
            NONE(CODE + 8);
    }
    c->x[1] = DATA + 3;
    RUN(1, CODE, 0xb9400022, SVC); /* ldr w2: bytes 3 to 6 */
    WATCH(0, DATA + 6);
    c->x[1] = DATA + 7;
    RUN(1, CODE, 0xb9400022, SVC);
    NONE(CODE + 8);
    set_watch(0, DATA + 4, E | AT1 | LDST | 0xf2 << 5); /* four bytes from a word: BAS<7:4> does not count */
    c->x[1] = DATA + 4;
    RUN(1, CODE, 0x39400022, SVC);
    NONE(CODE + 8);
    c->x[1] = DATA + 5;
    RUN(1, CODE, 0x39400022, SVC);
    WATCH(0, DATA + 5);
    set_watch(0, DATA, E | AT1 | LDST | BAS8 | MASK(13)); /* two pages */
    c->x[1] = DATA + 0x1ff8;
    RUN(1, CODE, LDR, SVC);
    WATCH(0, DATA + 0x1ff8);
    c->x[1] = DATA - 8;
    RUN(1, CODE, LDR, SVC);
    NONE(CODE + 8);
    set_watch(0, DATA, E | AT1 | LDST | BAS8 | MASK(2)); /* reserved */
    c->x[1] = DATA;
    RUN(1, CODE, LDR, SVC);
    NONE(CODE + 8);
}

/* Across a page boundary, from either side; faults of the translation come first. */
CASE(watch_boundary, false, false, "max")
{
    set_watch(0, DATA + 0x1000, E | AT1 | LDST | 1 << 5);
    c->x[1] = DATA + 0xffc;
    RUN(1, CODE, LDR, SVC);
    WATCH(0, DATA + 0x1000);
    RUN(1, CODE, STR, SVC);
    WATCH(1, DATA + 0x1000);
    set_watch(0, DATA + 0xff8, E | AT1 | LDST | 0x80 << 5);
    RUN(1, CODE, STR, SVC);
    WATCH(1, DATA + 0xfff);
    set_watch(0, HOLE, E | AT1 | LDST | BAS8);
    c->x[1] = HOLE;
    RUN(1, CODE, LDR, SVC);
    ck_assert_uint_eq(last.esr >> 26, EC_DABT_SAME);
    set_watch(0, READO, E | AT1 | LDST | BAS8);
    c->x[1] = READO;
    RUN(1, CODE, STR, SVC);
    ck_assert_uint_eq(last.esr >> 26, EC_DABT_SAME);
    RUN(1, CODE, LDR, SVC);
    WATCH(0, READO);
    set_watch(0, DEVICE, E | AT1 | LDST | BAS8);
    c->x[1] = DEVICE + 1;
    RUN(1, CODE, LDR, SVC);
    ck_assert_uint_eq(last.esr >> 26, EC_DABT_SAME);
}

CASE(watch_instructions, false, false, "max")
{
    static const struct {
        u32 word;
        u8 wnr, off;
    } hit[] = {
        {0xa9400022, 0, 8},  /* ldp x2, x0, [x1] */
        {0xa9000022, 1, 8},  /* stp */
        {0x29400022, 0, 4},  /* ldp w2, w0 */
        {0x3dc00020, 0, 8},  /* ldr q0, [x1] */
        {0x3d800020, 1, 8},  /* str q0 */
        {0xad400420, 0, 24}, /* ldp q0, q1 */
        {0x4c402020, 0, 40}, /* ld1 {v0-v3}.16b */
        {0x4c002020, 1, 40}, /* st1 */
        {0x4c000020, 1, 41}, /* st4 */
        {0x4d408420, 0, 0},  /* ld1 {v0.d}[1] */
        {0xc85f7c22, 0, 0},  /* ldxr */
        {0xc87f0022, 0, 8},  /* ldxp x2, x0 */
        {0xc8dffc22, 0, 0},  /* ldar */
        {0xf8220023, 0, 0},  /* ldadd x2, x3 */
        {0xf8228023, 0, 0},  /* swp */
        {0xc8a27c23, 0, 0},  /* cas x2, x3: compared or not */
        {0x48227c24, 0, 8},  /* casp */
        {0xd50b7421, 1, 40}, /* dc zva, x1 */
        {0xd9200821, 1, 0},  /* stg x1, [x1] */
    };
    c->x[0] = 0;
    for (unsigned i = 0; i < ARRAY_LEN(hit); i++) {
        c->x[1] = DATA + 0x40;
        set_watch(0, DATA + 0x40 + (hit[i].off & ~7u), E | AT1 | LDST | 1ull << 5 << (hit[i].off & 7));
        RUN(1, CODE, hit[i].word, SVC);
        ck_assert_msg(last.esr >> 26 == EC_WATCH_SAME, "%08x: %llx", hit[i].word, (unsigned long long)last.esr);
        WATCH(hit[i].wnr, DATA + 0x40 + hit[i].off);
        ck_assert_uint_eq(c->x[1], DATA + 0x40);
    }
    /* an atomic access whose read is not watched */
    c->x[1] = DATA + 0x40;
    set_watch(0, DATA + 0x40, E | AT1 | ST | BAS8);
    RUN(1, CODE, 0xf8220023, SVC);
    WATCH(1, DATA + 0x40);
    /* a store exclusive that fails stores nothing; one that succeeds is watched */
    RUN(1, CODE, 0xc8007c22, SVC);
    NONE(CODE + 8);
    RUN(1, CODE, 0xc85f7c22, 0xc8007c22, SVC);
    ended(EC_WATCH_SAME, 0x62, CODE + 4);
    /* maintenance: DC IVAC counts as a store, the others as nothing */
    c->x[1] = DATA + 0x50;
    RUN(1, CODE, 0xd5087621, SVC); /* dc ivac, x1 */
    WATCH(1 | 1 << 2, DATA + 0x40);
    RUN(1, CODE, 0xd50b7a21, SVC); /* dc cvac */
    NONE(CODE + 8);
    RUN(1, CODE, 0xf9800020, SVC); /* prfm */
    NONE(CODE + 8);
}

CASE(watch_linked, false, false, "max")
{
    c->x[1] = DATA;
    c->sys[CONTEXTIDR_EL1] = 5;
    set_break(5, 5, E | AT1 | BAS4 | BT(3));
    set_watch(3, DATA, E | AT1 | LDST | BAS8 | WT | LBN(5));
    RUN(1, CODE, LDR, SVC);
    WATCH(0, DATA);
    c->sys[CONTEXTIDR_EL1] = 6;
    RUN(1, CODE, LDR, SVC);
    NONE(CODE + 8);
    c->sys[CONTEXTIDR_EL1] = 5;
    set_break(5, 5, E | AT1 | BAS4 | BT(2) | SSC(1)); /* not a linked kind */
    RUN(1, CODE, LDR, SVC);
    NONE(CODE + 8);
}

CASE(watch_routing, true, false, "max")
{
    c->x[1] = DATA;
    set_watch(0, DATA, E | AT1 | LDST | BAS8);
    c->sys[MDCR_EL2] |= MDCR_TDE;
    RUN(1, CODE, LDR, SVC);
    ended(EC_WATCH_LOW, 0x22, CODE);
    ck_assert_uint_eq(last.to_el, 2);
    ck_assert_uint_eq(c->sys[FAR_EL2], DATA);
    set_watch(0, DATA, E | AT1 | LDST | BAS8 | HMC);
    RUN(2, CODE, LDR, SVC);
    WATCH(0, DATA);
    c->sys[MDSCR_EL1] = MDE;
    RUN(2, CODE, LDR, SVC);
    NONE(CODE + 8);
}

/* An access through VNCR_EL2 is EL2's, and PSTATE.D does not mask it. */
CASE(watch_vncr, true, false, "max")
{
    c->sys[HCR_EL2] |= HCR_NV | HCR_NV2;
    c->sys[VNCR_EL2] = DATA;
    c->sys[MDCR_EL2] |= MDCR_TDE;
    sysreg_refresh(c);
    set_watch(0, DATA + 0x20, E | AT1 | LDST | BAS8);
    RUN(1, CODE, 0xd53c2100, SVC); /* mrs x0, vttbr_el2: EL1's watchpoint is not meant */
    NONE(CODE + 8);
    set_watch(0, DATA + 0x20, E | AT1 | LDST | BAS8 | HMC);
    RUN(1, CODE, 0xd53c2100, SVC);
    WATCH(1 << 7, DATA + 0x20);
    ck_assert_uint_eq(last.to_el, 2);
    RUN(1, CODE, 0xd50348df, 0xd51c2100, SVC); /* msr daifset, #8; msr vttbr_el2, x0 */
    ended(EC_WATCH_SAME, 1 << 13 | 1 << 6 | 0x22, CODE + 4);
    c->sys[MDSCR_EL1] = MDE;
    RUN(1, CODE, 0xd53c2100, SVC);
    NONE(CODE + 8);
}

/* A loop over a watched page takes its time as before, and the byte it is after stops it. */
CASE(watch_loop, false, false, "max")
{
    c->x[1] = DATA;
    c->x[3] = 1000;
    const u32 loop[] = {0xf8008422, 0xf1000463, 0x54ffffc1, SVC}; /* str x2, [x1], #8; subs x3, x3, #1; b.ne */
    write_code(CODE, loop, 4);
    start(1, CODE);
    run(150);
    ck_assert_uint_eq(c->x[1], DATA + 400);
    set_watch(0, DATA + 800, E | AT1 | ST | BAS8);
    debug_update(c);
    run(10000);
    WATCH(1, DATA + 800);
    ck_assert_uint_eq(clock_now(&the_clock), 301);
}

int main(void)
{
    Suite *s = suite_create("debug");
    TCase *t = tcase_create("debug");
#define ADD(name) tcase_add_test(t, test_##name)
    ADD(break_address);
    ADD(break_enables);
    ADD(break_by_msr);
    ADD(break_loop);
    ADD(break_context);
    ADD(break_vmid);
    ADD(break_routing);
    ADD(break_security);
    ADD(numbers);
    ADD(break_priority);
    ADD(break_and_step);
    ADD(watch_kinds);
    ADD(watch_bytes);
    ADD(watch_boundary);
    ADD(watch_instructions);
    ADD(watch_linked);
    ADD(watch_routing);
    ADD(watch_vncr);
    ADD(watch_loop);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
