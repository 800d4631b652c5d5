/* Storage of system registers: reserved bits, reset values, identification registers and the state that is derived
 * from control registers (DDI0487 D24; EffectiveHCR_EL2 and its kin).
 *
 * Invariants: a cell written by the guest never holds a one in a RES0 bit nor a zero in a RES1 bit of this CPU (bits
 * that are reserved with one value of HCR_EL2.E2H only keep what was written: firmware that switches worlds restores
 * CPTR_EL2 and TCR_EL2 before HCR_EL2);
 * c->hcr follows HCR_EL2 and SCR_EL3. */
#include "core/bits.h"
#include "core/check.h"
#include "cpu/context.h"
#include "cpu/fields.h"
#include "cpu/model.h"
#include "cpu/pmu.h"
#include "cpu/sysreg_row.h"

enum layout { LAYOUT_ANY, LAYOUT_HOST, LAYOUT_NOHOST };
enum { FEAT_NEVER = FEAT_COUNT };

static const struct {
    u16 cell;
    u8 msb, lsb, feat, layout;
    bool res1;
} fields[] = {
#define FIELD(cell, name, msb, lsb, feat, layout) {cell, msb, lsb, FEAT_##feat, LAYOUT_##layout, false},
#define RES1(cell, msb, lsb, feat, layout)        {cell, msb, lsb, FEAT_##feat, LAYOUT_##layout, true},
#include "cpu/field.def"
#undef FIELD
#undef RES1
};

static const struct {
    const char *name;
    u64 nw; /* complement of the writable bits, so that a row without W() has them all */
    u64 reset;
} cells[CELL_COUNT] = {
#define W(mask)      .nw = ~(u64)(mask)
#define RESET(val)   .reset = val
#define CELL(n, ...) [n] = {.name = #n, __VA_ARGS__},
#include "cpu/cell.def"
#undef CELL
#undef W
#undef RESET
};

const char *sysreg_cell_name(unsigned cell) { return cell < CELL_COUNT && cell ? cells[cell].name : "none"; }

/* ---- reserved bits -------------------------------------------------------------------------------- */

/* Registers of EL2 are RES0 where there is no EL2 (they can be reached from EL3 only). */
static bool belongs_to_el2(unsigned cell)
{
    const char *n = cells[cell].name, *end = n;
    while (*end)
        end++;
    return end - n > 4 && end[-4] == '_' && end[-3] == 'E' && end[-2] == 'L' && end[-1] == '2';
}

static void compute_masks(struct cpu *c)
{
    for (unsigned i = 1; i < CELL_COUNT; i++) {
        bool absent = belongs_to_el2(i) && !cpu_has_el2(c) && i != ICC_SRE_EL2;
        for (unsigned host = 0; host < 2; host++) {
            c->sys_w[host][i] = absent ? 0 : ~cells[i].nw;
            c->sys_res1[host][i] = absent ? 0 : cells[i].reset & cells[i].nw; /* RAO/WI, as ICC_SRE_ELx.SRE */
        }
    }
    for (unsigned k = 0; k < ARRAY_LEN(fields); k++) {
        bool has = fields[k].feat != FEAT_NEVER && cpu_has(c, fields[k].feat);
        u64 mask = ones(fields[k].msb - fields[k].lsb + 1u) << fields[k].lsb;
        if (has == fields[k].res1 || (belongs_to_el2(fields[k].cell) && !cpu_has_el2(c)))
            continue;
        for (unsigned host = 0; host < 2; host++)
            if (fields[k].layout == LAYOUT_ANY || (fields[k].layout == LAYOUT_HOST) == (host == 1)) {
                if (fields[k].res1) {
                    c->sys_res1[host][fields[k].cell] |= mask;
                } else {
                    c->sys_w[host][fields[k].cell] |= mask;
                    c->sys_res1[host][fields[k].cell] &= ~mask; /* a reset value is no RES1 where there is a field */
                }
            }
    }
    if (cpu_has(c, FEAT_AA32EL1)) { /* V, UWXN, TRE, AFE and TE of the AArch32 view, whatever the bits are in AArch64 */
        const u64 aa32 = 1u << 13 | 1u << 20 | 7u << 28;
        for (unsigned host = 0; host < 2; host++) {
            c->sys_w[host][SCTLR_EL1] |= aa32;
            c->sys_res1[host][SCTLR_EL1] &= ~aa32;
        }
    }
    for (unsigned i = 1; cpu_has(c, FEAT_VHE) && i < CELL_COUNT; i++) {
        u64 nohost = c->sys_w[0][i], host = c->sys_w[1][i];
        c->sys_w[0][i] = c->sys_w[1][i] = nohost | host;
        c->sys_res1[0][i] &= ~host;
        c->sys_res1[1][i] &= ~nohost;
    }
}

u64 sysreg_cell_masked(const struct cpu *c, unsigned cell, u64 val)
{
    unsigned host = (c->sys[HCR_EL2] & HCR_E2H) != 0;
    return (val & c->sys_w[host][cell]) | c->sys_res1[host][cell];
}

/* ---- reset ------------------------------------------------------------------------------------------ */

/* SCTLR_ELx.EE and the like are 0; what the architecture leaves UNKNOWN is 0, or whatever lets software without
 * firmware get along (ICC_SRE_ELx.Enable, CNTHCTL_EL2, HCR_EL2.RW). */
void sysreg_reset(struct cpu *c)
{
    compute_masks(c);
    for (unsigned i = 1; i < CELL_COUNT; i++)
        c->sys[i] = cells[i].reset | c->cfg.id[i] | c->sys_res1[0][i];
    model_id_registers(c);
    c->sys[MPIDR_EL1] = c->cfg.mpidr;
    c->sys[VPIDR_EL2] = cpu_has_el2(c) ? c->sys[MIDR_EL1] : 0;
    c->sys[VMPIDR_EL2] = cpu_has_el2(c) ? c->cfg.mpidr : 0;
    c->sys[CNTFRQ_EL0] = c->cfg.cntfrq;
    c->sys[RVBAR_EL1] = c->sys[RVBAR_EL2] = c->sys[RVBAR_EL3] = c->cfg.rvbar;
    if (cpu_has(c, FEAT_PMUv3))
        c->sys[MDCR_EL2] |= bits(c->sys[PMCR_EL0], 15, 11); /* HPMN */
    c->sys[RNDR_STATE] = c->env->entropy ^ (u64)c->index << 32;
}

/* ---- derived state ------------------------------------------------------------------------------------ */

/* HCR_EL2 as it takes effect: nothing of it while EL2 is disabled in the current Security state, except that EL1 is
 * AArch64; with TGE, what the fields' descriptions say. */
static u64 effective_hcr(const struct cpu *c)
{
    u64 hcr = c->sys[HCR_EL2];
    if (!cpu_el2_enabled(c))
        return HCR_RW;
    if (hcr & HCR_TGE) {
        if (hcr & HCR_E2H)
            hcr &= HCR_E2H | HCR_TGE | HCR_RW | HCR_CD | HCR_ID | HCR_TEA | HCR_ATA | HCR_API | HCR_APK;
        else
            hcr = (hcr | HCR_FMO | HCR_IMO | HCR_AMO) & ~(HCR_DC | HCR_VI | HCR_VF | HCR_VSE);
    }
    return hcr;
}

void sysreg_refresh_hcr(struct cpu *c)
{
    c->hcr = effective_hcr(c);
    pmu_arm(c);
}

void sysreg_refresh(struct cpu *c)
{
    sysreg_config_forget(c);
    context_touch(c);
    sysreg_refresh_hcr(c);
}
