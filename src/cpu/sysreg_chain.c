/* Walking the access chains of system registers (trap.def): DDI0487 D24, accessor pseudocode.
 *
 * A chain is a list of step numbers; a step is a condition on control bits and an action.  The walk has no side
 * effects, so that explanations and tests ask the same question as the pipeline.
 * Not modelled: Debug state, hence EL3SDDUndef() and EDSCR.TDA. */
#include "cpu/sysreg_row.h"

enum step_id {
    STEP_END,
#define STEP(name, cond, action) STEP_##name,
#define CHAIN(name, el0, el1, el2, el3)
#include "cpu/trap.def"
#undef STEP
#undef CHAIN
    STEP_COUNT,
};

/* The chains come before fields.h, whose macros have names of steps. */
/* Chains as lists of steps: up to MAX_STEPS per EL, ended by STEP_END.  S1(a, b) -> STEP_a, STEP_b. */
enum { MAX_STEPS = 8 };
#define S1(a)                             STEP_##a
#define S2(a, b)                          S1(a), S1(b)
#define S3(a, ...)                        S1(a), S2(__VA_ARGS__)
#define S4(a, ...)                        S1(a), S3(__VA_ARGS__)
#define S5(a, ...)                        S1(a), S4(__VA_ARGS__)
#define S6(a, ...)                        S1(a), S5(__VA_ARGS__)
#define S7(a, ...)                        S1(a), S6(__VA_ARGS__)
#define PICK(a, b, c, d, e, f, g, n, ...) n
#define STEPS(...)                                                                                                     \
    {                                                                                                                  \
        PICK(__VA_ARGS__, S7, S6, S5, S4, S3, S2, S1, )(__VA_ARGS__)                                                   \
    }

static const u8 chains[CHAIN_COUNT][4][MAX_STEPS] = {
#define STEP(name, cond, action)
#define CHAIN(name, el0, el1, el2, el3) [CHAIN_##name] = {STEPS el0, STEPS el1, STEPS el2, STEPS el3},
#include "cpu/trap.def"
#undef STEP
#undef CHAIN
};

#include "core/bits.h"
#include "core/check.h"
#include "cpu/fields.h"
#include "cpu/pmu.h"

static const u8 step_action[STEP_COUNT] = {
#define STEP(name, cond, action) [STEP_##name] = action,
#define CHAIN(name, el0, el1, el2, el3)
#include "cpu/trap.def"
#undef STEP
#undef CHAIN
};

static const struct {
    const char *name, *cond;
} step_text[STEP_COUNT] = {
    [STEP_END] = {"END", ""},
#define STEP(n, c, action) [STEP_##n] = {#n, #c},
#define CHAIN(name, el0, el1, el2, el3)
#include "cpu/trap.def"
#undef STEP
#undef CHAIN
};

const char *sysreg_step_name(unsigned step) { return step < STEP_COUNT ? step_text[step].name : "?"; }
const char *sysreg_step_condition(unsigned step) { return step < STEP_COUNT ? step_text[step].cond : "?"; }

/* ---- the conditions' vocabulary ---------------------------------------------------------------- */

struct walk {
    const struct cpu *c;
    const struct sysreg_row *row;
    bool write;
};

static bool in_host2(const struct cpu *c) /* ELIsInHost(EL2) */
{
    return (c->sys[HCR_EL2] & HCR_E2H) && cpu_el2_enabled(c);
}

static bool in_host0(const struct cpu *c) /* ELIsInHost(EL0) */
{
    return (c->sys[HCR_EL2] & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE) && cpu_el2_enabled(c);
}

/* EffectiveHCR_EL2_NVx(): NV2:NV1:NV. NV1 without NV counts as 000. */
static unsigned nvx(const struct cpu *c)
{
    u64 hcr = c->sys[HCR_EL2];
    if (!(hcr & HCR_NV) || !cpu_has(c, FEAT_NV) || !cpu_el2_enabled(c))
        return 0;
    return 1u | (unsigned)((hcr & HCR_NV1) != 0) << 1 | (unsigned)((hcr & HCR_NV2) != 0) << 2;
}

/* The row's fine-grained trap bit is set and FEAT_FGT is in force. */
static bool fgt_set(const struct walk *w)
{
    static const u16 regs[3][2] = {{HFGRTR_EL2, HFGWTR_EL2}, {HDFGRTR_EL2, HDFGWTR_EL2}, {HFGITR_EL2, HFGITR_EL2}};
    const struct cpu *c = w->c;
    if (!w->row->fgt || !cpu_has(c, FEAT_FGT) || (cpu_has_el3(c) && !(c->sys[SCR_EL3] & SCR_FGTEn)))
        return false;
    unsigned n = w->row->fgt - 1u;
    return bit(c->sys[regs[n >> 6][w->write]], n & 63);
}

/* IsHCRXEL2Enabled() */
static bool hcrx_on(const struct cpu *c)
{
    return cpu_has(c, FEAT_HCX) && cpu_el2_enabled(c) && (!cpu_has_el3(c) || (c->sys[SCR_EL3] & SCR_HXEn));
}

/* First event counter that EL1 and EL0 may not use: GetNumEventCountersAccessible(). */
static unsigned pmu_accessible(const struct cpu *c) { return (unsigned)bits(c->sys[MDCR_EL2], 4, 0); }

static bool pmu_beyond(const struct walk *w)
{
    return (unsigned)((w->row->enc & 7) | (w->row->enc >> 3 & 3) << 3) >= pmu_accessible(w->c);
}

static bool pmu_selected_beyond(const struct cpu *c, unsigned except)
{
    unsigned sel = (unsigned)bits(c->sys[PMSELR_EL0], 4, 0);
    return sel != except && sel >= pmu_accessible(c);
}

#define E2                    cpu_el2_enabled(c)
#define HAVE2                 cpu_has_el2(c)
#define HAVE3                 cpu_has_el3(c)
#define EL                    (c->ps.el)
#define HIGHEST               (cpu_has_el3(c) ? 3 : cpu_has_el2(c) ? 2 : 1)
#define SECURE                cpu_secure(c)
#define HOST0                 in_host0(c)
#define HOST2                 in_host2(c)
#define NVX                   nvx(c)
#define WRITE                 (w->write)
#define FEATURE(f)            cpu_has(c, FEAT_##f)
#define BIT(cell, mask)       ((c->sys[cell] & (mask)) != 0)
#define HCR(f)                ((c->sys[HCR_EL2] & HCR_##f) != 0)
#define FIELD2(cell, lsb)     (c->sys[cell] >> (lsb)&3)
#define FGT_SET               fgt_set(w)
#define HCRX_ON               hcrx_on(c)
#define VALUE                 (c->sys[w->row->cell])
#define SRE1_CELL             (cpu_secure(c) ? ICC_SRE_EL1_S : ICC_SRE_EL1)
#define PM_BEYOND             pmu_beyond(w)
#define PM_SEL_BEYOND(except) pmu_selected_beyond(c, except)

static bool holds(const struct walk *w, unsigned step)
{
    const struct cpu *c = w->c;
    switch ((enum step_id)step) {
#define STEP(name, cond, action)                                                                                       \
    case STEP_##name:                                                                                                  \
        return cond;
#define CHAIN(name, el0, el1, el2, el3)
#include "cpu/trap.def"
#undef STEP
#undef CHAIN
    case STEP_END:
    case STEP_COUNT: break;
    }
    CHECK_NEVER("a chain without end");
    return false;
}

/* What its FEAT columns cannot say: the owner is plugged in, the breakpoint or watchpoint is one of those there. */
static bool present(const struct cpu *c, const struct sysreg_row *row)
{
    if (row->port && !c->ports[row->port - 1].read)
        return false;
    if (row->hook == HOOK_PMU)
        return pmu_present(c, (unsigned)(row - sysreg_rows));
    if (row->hook == HOOK_BRP) {
        unsigned lsb = row->enc & 2 ? 20 : 12; /* op2 4, 5: breakpoints, 6, 7: watchpoints */
        return (row->enc >> 3 & 15u) <= bits(c->sys[ID_AA64DFR0_EL1], lsb + 3, lsb);
    }
    return true;
}

struct sysreg_outcome sysreg_resolve(const struct cpu *c, unsigned sr, bool write)
{
    const struct sysreg_row *row = &sysreg_rows[sr];
    struct walk w = {c, row, write};
    struct sysreg_outcome out = {ACT_UNDEF, (u16)sr, STEP_END};
    if (!(row->access & (write ? ACCESS_WO : ACCESS_RO)) || !cpu_has(c, row->feat) || !cpu_has(c, row->feat2) ||
        !present(c, row))
        return out;
    const u8 *steps = chains[row->chain][c->ps.el];
    while (!holds(&w, *steps))
        steps++;
    out.step = *steps;
    out.action = step_action[*steps];
    if (out.action == ACT_ALIAS || out.action == ACT_ALIAS_S) {
        out.sr = out.action == ACT_ALIAS ? row->alias : row->alias_s;
        out.action = ACT_USE;
    } else if (out.action == ACT_PM_BEYOND) {
        out.action = cpu_has(c, FEAT_FGT) ? ACT_TRAP2 : ACT_UNDEF;
    }
    return out;
}
