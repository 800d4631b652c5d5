/* The Performance Monitors Extension (DDI0487 D13): PMUv3 up to PMUv3p5.
 *
 * Counters are not incremented: a counter that counts instructions or cycles is brought up to date when somebody looks
 * or when what is counted changes (an Exception level, an enable). One instruction is one cycle. An overflow happens at
 * the exact instruction because a slice ends there (pmu_limit).
 *
 * Other events are counted where they happen, by engines that execute one instruction at a time while c->pmu_exact
 * says that a counter of such an event is enabled (interp.c); nothing is paid for them otherwise.
 * docs/system-registers.md lists the events; a counter of any other event stands still, and PMCEID says so. Cache, TLB,
 * bus and branch prediction events have nothing to count in this model. Cycles stop while the PE sleeps.
 *
 * Choices: an exception, an exception return and the instruction that makes either count at the Exception level that
 * is left. A load or store is one memory access however many registers it transfers; translation table walks and
 * prefetches are none. Not modelled: the memory-mapped view, FEAT_PMUv3_TH and later. */
#include "cpu/pmu.h"

#include <string.h>

#include "core/bits.h"
#include "core/clock.h"
#include "cpu/context.h"
#include "cpu/exception.h"
#include "cpu/fields.h"
#include "cpu/sysreg_row.h"

enum event_number {
    EV_SW_INCR = 0x00,
    EV_LD_RETIRED = 0x06,
    EV_ST_RETIRED = 0x07,
    EV_INST_RETIRED = 0x08,
    EV_EXC_TAKEN = 0x09,
    EV_EXC_RETURN = 0x0a,
    EV_CID_WRITE_RETIRED = 0x0b,
    EV_PC_WRITE_RETIRED = 0x0c,
    EV_BR_IMMED_RETIRED = 0x0d,
    EV_BR_RETURN_RETIRED = 0x0e,
    EV_CPU_CYCLES = 0x11,
    EV_MEM_ACCESS = 0x13,
    EV_TTBR_WRITE_RETIRED = 0x1c,
    EV_CHAIN = 0x1e,
    EV_BR_RETIRED = 0x21,
    EV_MEM_ACCESS_RD = 0x66,
    EV_MEM_ACCESS_WR = 0x67,
    EV_EXC_UNDEF = 0x81,
    EV_EXC_SVC = 0x82,
    EV_EXC_PABORT = 0x83,
    EV_EXC_DABORT = 0x84,
    EV_EXC_IRQ = 0x86,
    EV_EXC_FIQ = 0x87,
    EV_EXC_SMC = 0x88,
    EV_EXC_HVC = 0x8a,
    EV_EXC_TRAP_PABORT = 0x8b,
    EV_EXC_TRAP_DABORT = 0x8c,
    EV_EXC_TRAP_OTHER = 0x8d,
    EV_EXC_TRAP_IRQ = 0x8e,
    EV_EXC_TRAP_FIQ = 0x8f,
};
enum { PMCR_E = 1 << 0, PMCR_P = 1 << 1, PMCR_C = 1 << 2, PMCR_DP = 1 << 5, PMCR_LC = 1 << 6, PMCR_LP = 1 << 7 };
enum { CYCLES = 31 }; /* the cycle counter's bit, and its number here */

/* Common events 0 to 0x3f that are counted, and those from 0x40 to 0x8f, which PMCEID does not tell of. */
#define COMMON                                                                                                         \
    (1ull << EV_SW_INCR | 1ull << EV_LD_RETIRED | 1ull << EV_ST_RETIRED | 1ull << EV_INST_RETIRED |                    \
     1ull << EV_EXC_TAKEN | 1ull << EV_EXC_RETURN | 1ull << EV_CID_WRITE_RETIRED | 1ull << EV_PC_WRITE_RETIRED |       \
     1ull << EV_BR_IMMED_RETIRED | 1ull << EV_BR_RETURN_RETIRED | 1ull << EV_CPU_CYCLES | 1ull << EV_MEM_ACCESS |      \
     1ull << EV_TTBR_WRITE_RETIRED | 1ull << EV_CHAIN | 1ull << EV_BR_RETIRED)
#define BY_COUNT (1ull << EV_SW_INCR | 1ull << EV_INST_RETIRED | 1ull << EV_CPU_CYCLES | 1ull << EV_CHAIN)

/* The event is counted instruction by instruction. */
static bool exact(u64 event)
{
    if (event < 64)
        return COMMON & ~BY_COUNT & 1ull << event;
    bool exc = event >= EV_EXC_UNDEF && event <= EV_EXC_TRAP_FIQ && event != 0x85 && event != 0x89;
    return exc || event == EV_MEM_ACCESS_RD || event == EV_MEM_ACCESS_WR;
}

/* Event counters, PMCR_EL0.N */
static unsigned count_of(const struct cpu *c) { return (unsigned)bits(c->sys[PMCR_EL0], 15, 11); }

static unsigned hpmn(const struct cpu *c)
{
    unsigned n = count_of(c), h = (unsigned)bits(c->sys[MDCR_EL2], 4, 0);
    return cpu_has_el2(c) && h < n ? h : n;
}

/* The counter belongs to EL2: MDCR_EL2.{HPME, HLP} instead of PMCR_EL0.{E, LP}. */
static bool second_range(const struct cpu *c, unsigned i) { return i != CYCLES && i >= hpmn(c); }

static u64 *value(struct cpu *c, unsigned i) { return &c->sys[i == CYCLES ? PMCCNTR_EL0 : PMEVCNTR0_EL0 + i]; }
static u64 type(const struct cpu *c, unsigned i) { return c->sys[i == CYCLES ? PMCCFILTR_EL0 : PMEVTYPER0_EL0 + i]; }

static bool wide(const struct cpu *c, unsigned i)
{
    u64 pmcr = c->sys[PMCR_EL0];
    if (i == CYCLES)
        return pmcr & PMCR_LC;
    if (!cpu_has(c, FEAT_PMUv3p5))
        return false;
    return second_range(c, i) ? bit(c->sys[MDCR_EL2], 26) : (pmcr & PMCR_LP) != 0;
}

static bool enabled(const struct cpu *c, unsigned i)
{
    bool e = second_range(c, i) ? bit(c->sys[MDCR_EL2], 7) : (c->sys[PMCR_EL0] & PMCR_E) != 0;
    return e && bit(c->sys[PMCNTENSET_EL0], i);
}

/* CountPMUEvents: prohibited regions and the filter bits of PMEVTYPER<n>_EL0:
 *   31 P | 30 U | 29 NSK | 28 NSU | 27 NSH | 26 M | 24 SH */
static bool counts(const struct cpu *c, unsigned i)
{
    u64 t = type(c, i), mdcr2 = c->sys[MDCR_EL2], mdcr3 = c->sys[MDCR_EL3];
    unsigned el = c->ps.el;
    bool secure = cpu_secure(c), prohibited = false;
    if (secure)
        prohibited = !bit(mdcr3, 17) && cpu_has_el3(c);                               /* SPME */
    if (el == 2 && cpu_has(c, FEAT_PMUv3p1) && bit(mdcr2, 17) && !second_range(c, i)) /* HPMD */
        prohibited = true;
    if (i == CYCLES) {
        bool disabled = prohibited && (c->sys[PMCR_EL0] & PMCR_DP);
        if (cpu_has(c, FEAT_PMUv3p5))
            disabled |= (secure && bit(mdcr3, 23)) || (el == 2 && bit(mdcr2, 23)); /* SCCD, HCCD */
        prohibited = disabled;
    }
    if (prohibited)
        return false;
    switch (el) {
    case 0: return secure ? !bit(t, 30) : bit(t, 30) == bit(t, 28);
    case 1: return secure ? !bit(t, 31) : bit(t, 31) == bit(t, 29);
    case 2: return secure ? bit(t, 27) != bit(t, 24) : bit(t, 27);
    default: return bit(t, 31) == bit(t, 26);
    }
}

/* Does the counter follow the instruction count? */
static bool ticks(const struct cpu *c, unsigned i)
{
    if (i == CYCLES)
        return true;
    unsigned event = (unsigned)(type(c, i) & 0xffff);
    return event == EV_INST_RETIRED || event == EV_CPU_CYCLES;
}

/* The counters there are: 0 .. N-1, then the cycle counter. */
static unsigned next_counter(const struct cpu *c, unsigned i)
{
    return ++i < count_of(c) ? i : i <= CYCLES ? CYCLES : 32;
}
#define EACH_COUNTER(c, i)                                                                                             \
    for (unsigned i = count_of(c) ? 0 : CYCLES; i <= CYCLES; i = i == CYCLES ? 32 : next_counter(c, i))

static void update_irq(struct cpu *c)
{
    bool level = false;
    u64 pending = c->sys[PMOVSSET_EL0] & c->sys[PMINTENSET_EL1];
    EACH_COUNTER(c, i)
    level |= bit(pending, i) && (second_range(c, i) ? bit(c->sys[MDCR_EL2], 7) : (c->sys[PMCR_EL0] & PMCR_E) != 0);
    cpu_drive(c, &c->pmu_irq, level);
}

static void add(struct cpu *c, unsigned i, u64 n)
{
    u64 *v = value(c, i), old = *v;
    bool over;
    if (i == CYCLES || cpu_has(c, FEAT_PMUv3p5)) {
        *v = old + n;
        over = wide(c, i) ? *v < old : n > 0xffffffff - (old & 0xffffffff);
    } else {
        *v = (old + n) & 0xffffffff;
        over = n > 0xffffffff - old;
    }
    if (!over)
        return;
    c->sys[PMOVSSET_EL0] |= 1ull << i;
    if (i != CYCLES && !(i & 1) && i + 1 < count_of(c) && (type(c, i + 1) & 0xffff) == EV_CHAIN && enabled(c, i + 1) &&
        counts(c, i + 1))
        add(c, i + 1, 1);
}

void pmu_sync(struct cpu *c)
{
    u64 now = cpu_retired(c), n = now - c->sys[PMU_LAST];
    if ((s64)n <= 0) /* the executing instruction was counted ahead: pmu_current() */
        return;
    c->sys[PMU_LAST] = now;
    if (!c->pmu_on)
        return;
    EACH_COUNTER(c, i)
    if (enabled(c, i) && ticks(c, i) && counts(c, i))
        add(c, i, n);
    update_irq(c);
}

u64 pmu_limit(const struct cpu *c)
{
    u64 limit = ~0ull;
    if (!c->pmu_on)
        return limit;
    EACH_COUNTER(c, i)
    {
        if (!enabled(c, i) || !ticks(c, i) || !counts(c, i))
            continue;
        u64 v = c->sys[i == CYCLES ? PMCCNTR_EL0 : PMEVCNTR0_EL0 + i];
        u64 left = wide(c, i) ? 0 - v : (1ull << 32) - (v & 0xffffffff);
        if (left && left < limit)
            limit = left;
    }
    s64 since = (s64)(cpu_retired(c) - c->sys[PMU_LAST]); /* -1: pmu_current() */
    return limit == ~0ull ? limit : since < 0 || limit > (u64)since ? limit - (u64)since : 1;
}

void pmu_arm(struct cpu *c)
{
    bool was = c->pmu_on;
    c->pmu_on = c->pmu_exact = false;
    if (!cpu_has(c, FEAT_PMUv3))
        return;
    EACH_COUNTER(c, i)
    if (enabled(c, i)) {
        c->pmu_on = true;
        c->pmu_exact |= i != CYCLES && exact(type(c, i) & 0xffff);
    }
    if (c->pmu_on != was)
        context_renew(c); /* exceptions count, or not */
    const struct clock *k = c->env->clock;
    if (c->pmu_on && k && (k->run == &c->slice || c->par) && pmu_limit(c) < (u64)(c->slice.left + c->slice.stash))
        slice_kick(&c->slice);
}

void pmu_refresh(struct cpu *c)
{
    pmu_arm(c);
    if (cpu_has(c, FEAT_PMUv3))
        update_irq(c);
}

/* ---- events of single instructions -------------------------------------------------------------- */

/* The executing instruction leads to another Exception level: what it is to count is counted at its own. */
static void pmu_current(struct cpu *c, bool retires)
{
    pmu_sync(c);
    if (cpu_retired(c) != c->sys[PMU_LAST])
        return;
    EACH_COUNTER(c, i)
    if (enabled(c, i) && ticks(c, i) && counts(c, i) &&
        (retires || i == CYCLES || (type(c, i) & 0xffff) == EV_CPU_CYCLES))
        add(c, i, 1);
    c->sys[PMU_LAST]++;
    update_irq(c);
}

u32 pmu_counting(const struct cpu *c)
{
    u32 mask = 0;
    EACH_COUNTER(c, i)
    mask |= (u32)(enabled(c, i) && counts(c, i)) << i;
    return mask;
}

/* One of the event for the counters in mask that count it. */
static void count(struct cpu *c, u32 mask, enum event_number event)
{
    bool any = false;
    for (unsigned i = 0; i < count_of(c); i++)
        if (bit(mask, i) && (type(c, i) & 0xffff) == event) {
            add(c, i, 1);
            any = true;
        }
    if (any)
        update_irq(c);
}

/* By what EXC_* number an exception counts; local: taken to where exceptions from there go by default. */
static enum event_number exception_event(enum exc_kind kind, unsigned ec, bool local)
{
    switch (kind) {
    case EXC_IRQ: return local ? EV_EXC_IRQ : EV_EXC_TRAP_IRQ;
    case EXC_FIQ: return local ? EV_EXC_FIQ : EV_EXC_TRAP_FIQ;
    case EXC_SERROR: return local ? EV_EXC_DABORT : EV_EXC_TRAP_DABORT;
    default: break;
    }
    switch (ec) {
    case EC_SVC64: return local ? EV_EXC_SVC : EV_EXC_TRAP_OTHER;
    case EC_HVC64: return EV_EXC_HVC;
    case EC_SMC64: return EV_EXC_SMC;
    case EC_IABT_LOW:
    case EC_IABT_SAME: return local ? EV_EXC_PABORT : EV_EXC_TRAP_PABORT;
    case EC_DABT_LOW:
    case EC_DABT_SAME: return local ? EV_EXC_DABORT : EV_EXC_TRAP_DABORT;
    default: return local ? EV_EXC_UNDEF : EV_EXC_TRAP_OTHER;
    }
}

void pmu_exception(struct cpu *c, unsigned el, enum exc_kind kind, u64 esr)
{
    unsigned ec = (unsigned)bits(esr, 31, 26), from = c->ps.el;
    bool between = kind != EXC_SYNC || ec == EC_BREAK_LOW || ec == EC_BREAK_SAME || ec == EC_STEP_LOW ||
                   ec == EC_STEP_SAME; /* instructions, and takes no time */
    bool trapped = ec == EC_SMC64 && el != 3;
    if (!between)
        pmu_current(c, ec == EC_SVC64 || ec == EC_HVC64 || (ec == EC_SMC64 && !trapped));
    if (!c->pmu_exact)
        return;
    u32 mask = pmu_counting(c);
    bool local = el == (from >= 2 ? from : from == 0 && (c->hcr & HCR_TGE) ? 2 : 1);
    count(c, mask, EV_EXC_TAKEN);
    count(c, mask, exception_event(kind, trapped ? EC_UNKNOWN : ec, local));
}

void pmu_return(struct cpu *c) { pmu_current(c, true); }

static void count_memory(struct cpu *c, u32 mask, bool load, bool store)
{
    if (load) {
        count(c, mask, EV_LD_RETIRED);
        count(c, mask, EV_MEM_ACCESS);
        count(c, mask, EV_MEM_ACCESS_RD);
    }
    if (store) {
        count(c, mask, EV_ST_RETIRED);
        count(c, mask, EV_MEM_ACCESS);
        count(c, mask, EV_MEM_ACCESS_WR);
    }
}

static bool starts(const char *name, const char *with) { return strncmp(name, with, strlen(with)) == 0; }

void pmu_retired(struct cpu *c, const struct op *o, bool jumped, u32 mask)
{
    const struct a64_row *row = &a64_rows[o->row];
    bool branch = row->flags & A64_BRANCH, eret = starts(row->name, "ERET");
    if (branch || eret) {
        count(c, mask, EV_BR_RETIRED);
        if (jumped)
            count(c, mask, EV_PC_WRITE_RETIRED);
    }
    if (eret)
        count(c, mask, EV_EXC_RETURN);
    if (branch && row->imm == IMM_BRANCH)
        count(c, mask, EV_BR_IMMED_RETIRED);
    if (branch && starts(row->name, "RET"))
        count(c, mask, EV_BR_RETURN_RETIRED);
    bool zero = row->imm == IMM_SYSOP && sysreg_rows[o->imm & 0xffff].chain == CHAIN_DC_ZVA;
    count_memory(c, mask, row->flags & A64_LOAD, (row->flags & A64_STORE) || zero);
    if (starts(row->name, "MSR") && row->imm == IMM_SYSREG) {
        const char *reg = sysreg_rows[o->imm & 0xffff].name;
        if (starts(reg, "CONTEXTIDR_EL1"))
            count(c, mask, EV_CID_WRITE_RETIRED);
        if (starts(reg, "TTBR0_EL1") || starts(reg, "TTBR1_EL1"))
            count(c, mask, EV_TTBR_WRITE_RETIRED);
    }
}

/* ---- registers --------------------------------------------------------------------------------- */

/* The counter of a PMEVCNTR<n>, PMEVTYPER<n>, PMX... row. */
static unsigned counter_of(const struct cpu *c, unsigned sr)
{
    unsigned enc = sysreg_rows[sr].enc;
    if (sr == SR_PMXEVCNTR_EL0 || sr == SR_PMXEVTYPER_EL0)
        return (unsigned)bits(c->sys[PMSELR_EL0], 4, 0);
    return (enc & 7) | (enc >> 3 & 3) << 3;
}

static bool is_counter(unsigned sr) { return sysreg_rows[sr].chain == CHAIN_PMU_EVCNTR || sr == SR_PMXEVCNTR_EL0; }
static bool is_type(unsigned sr) { return sysreg_rows[sr].chain == CHAIN_PMU_EVTYPER || sr == SR_PMXEVTYPER_EL0; }

bool pmu_present(const struct cpu *c, unsigned sr)
{
    if (!is_counter(sr) && !is_type(sr))
        return true;
    unsigned i = counter_of(c, sr);
    return i < count_of(c) || (sr == SR_PMXEVTYPER_EL0 && i == CYCLES);
}

/* Counters that the current EL may see in the set and clear registers. */
static u64 visible(const struct cpu *c)
{
    unsigned n = c->ps.el <= 1 && cpu_el2_enabled(c) ? hpmn(c) : count_of(c);
    return 1ull << CYCLES | ones(n);
}

u64 pmu_read(struct cpu *c, unsigned sr)
{
    pmu_sync(c);
    if (is_counter(sr))
        return *value(c, counter_of(c, sr));
    if (is_type(sr))
        return type(c, counter_of(c, sr));
    switch (sr) {
    case SR_PMCNTENSET_EL0:
    case SR_PMCNTENCLR_EL0: return c->sys[PMCNTENSET_EL0] & visible(c);
    case SR_PMOVSSET_EL0:
    case SR_PMOVSCLR_EL0: return c->sys[PMOVSSET_EL0] & visible(c);
    case SR_PMINTENSET_EL1:
    case SR_PMINTENCLR_EL1: return c->sys[PMINTENSET_EL1] & visible(c);
    case SR_PMCEID0_EL0: return COMMON & 0xffffffff;
    case SR_PMCEID1_EL0: return COMMON >> 32;
    case SR_PMMIR_EL1: return 0;
    case SR_PMCR_EL0: { /* N as the current EL sees it */
        unsigned n = c->ps.el <= 1 && cpu_el2_enabled(c) ? hpmn(c) : count_of(c);
        return deposit(c->sys[PMCR_EL0], 15, 11, n);
    }
    default: return c->sys[sysreg_rows[sr].cell];
    }
}

static void write_pmcr(struct cpu *c, u64 val)
{
    u64 writable = PMCR_E | 1u << 3 /* D */ | 1u << 4 /* X */ | PMCR_DP | PMCR_LC;
    if (cpu_has(c, FEAT_PMUv3p5))
        writable |= PMCR_LP;
    c->sys[PMCR_EL0] = (c->sys[PMCR_EL0] & ~writable) | (val & writable);
    unsigned n = c->ps.el <= 1 && cpu_el2_enabled(c) ? hpmn(c) : count_of(c);
    for (unsigned i = 0; i < n && (val & PMCR_P); i++)
        *value(c, i) = 0;
    if (val & PMCR_C)
        c->sys[PMCCNTR_EL0] = 0;
}

/* Filter bits exist where the Exception levels do; event numbers have 10 bits before PMUv3p1. */
static u64 type_mask(const struct cpu *c, bool cycles)
{
    u64 mask = 3ull << 30;
    if (cpu_has_el3(c))
        mask |= 3ull << 28 | 1ull << 26;
    if (cpu_has_el2(c))
        mask |= 1ull << 27;
    if (cpu_has(c, FEAT_SEL2))
        mask |= 1ull << 24;
    return cycles ? mask : mask | (cpu_has(c, FEAT_PMUv3p1) ? 0xffff : 0x3ff);
}

static void write_counter(struct cpu *c, unsigned i, u64 val)
{
    *value(c, i) = cpu_has(c, FEAT_PMUv3p5) ? val : val & 0xffffffff;
}

static void software_increment(struct cpu *c, u64 mask)
{
    for (unsigned i = 0; i < count_of(c); i++)
        if (bit(mask, i) && (type(c, i) & 0xffff) == EV_SW_INCR && enabled(c, i) && counts(c, i))
            add(c, i, 1);
}

enum step pmu_write(struct cpu *c, unsigned sr, u64 val)
{
    u64 mask = val & visible(c);
    pmu_sync(c);
    if (is_counter(sr)) {
        write_counter(c, counter_of(c, sr), val);
    } else if (is_type(sr)) {
        unsigned i = counter_of(c, sr);
        c->sys[i == CYCLES ? PMCCFILTR_EL0 : PMEVTYPER0_EL0 + i] = val & type_mask(c, i == CYCLES);
    } else {
        switch (sr) {
        case SR_PMCNTENSET_EL0: c->sys[PMCNTENSET_EL0] |= mask; break;
        case SR_PMCNTENCLR_EL0: c->sys[PMCNTENSET_EL0] &= ~mask; break;
        case SR_PMOVSSET_EL0: c->sys[PMOVSSET_EL0] |= mask; break;
        case SR_PMOVSCLR_EL0: c->sys[PMOVSSET_EL0] &= ~mask; break;
        case SR_PMINTENSET_EL1: c->sys[PMINTENSET_EL1] |= mask; break;
        case SR_PMINTENCLR_EL1: c->sys[PMINTENSET_EL1] &= ~mask; break;
        case SR_PMSWINC_EL0: software_increment(c, mask); break;
        case SR_PMCR_EL0: write_pmcr(c, val); break;
        case SR_PMCCFILTR_EL0: c->sys[PMCCFILTR_EL0] = val & type_mask(c, true); break;
        default: c->sys[sysreg_rows[sr].cell] = sysreg_cell_masked(c, sysreg_rows[sr].cell, val); break;
        }
    }
    pmu_arm(c);
    update_irq(c);
    return STEP_SYNC;
}
