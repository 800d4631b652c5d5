/* The rows of sysreg.def as data, and what walking a chain gives.  Used by the access pipeline, the translator,
 * tests and explanations; everybody else needs only cpu/sysreg.h. */
#pragma once
#include "cpu/cpu.h"

struct sysreg_configs;

/* Chains, CHAIN_EL1_VM ... */
enum sysreg_chain {
#define STEP(name, cond, action)
#define CHAIN(name, el0, el1, el2, el3) CHAIN_##name,
#include "cpu/trap.def"
#undef STEP
#undef CHAIN
    CHAIN_COUNT,
};

/* Special read and write behaviour, sysreg_hook.c. */
enum sysreg_hook {
    HOOK_NONE,
    HOOK_NZCV,
    HOOK_DAIF,
    HOOK_CurrentEL,
    HOOK_SPSel,
    HOOK_PAN,
    HOOK_UAO,
    HOOK_DIT,
    HOOK_SSBS,
    HOOK_TCO,
    HOOK_ALLINT,
    HOOK_FPCR,
    HOOK_FPSR,
    HOOK_SP_EL0,
    HOOK_SP_EL1,
    HOOK_SP_EL2,
    HOOK_ISR,
    HOOK_DCZID,
    HOOK_CCSIDR,
    HOOK_CCSIDR2,
    HOOK_RNDR,
    HOOK_ERX,
    HOOK_ZERO,
    HOOK_SRE,
    HOOK_RMR,
    HOOK_ICH_HCR,
    HOOK_DCC,
    HOOK_BRP,
    HOOK_DBGCLAIM,
    HOOK_OSLAR,
    HOOK_PMU,
    HOOK_SYS, /* from here on: system instructions */
    HOOK_TLBI = HOOK_SYS,
    HOOK_AT,
    HOOK_DC,
    HOOK_IC,
    HOOK_RCTX,
};

enum sysreg_access { ACCESS_RO = 1, ACCESS_WO = 2, ACCESS_RW = 3 };

struct sysreg_row {
    const char *name;
    u16 enc;            /* op0:op1:CRn:CRm:op2 */
    u8 access;          /* enum sysreg_access */
    u8 chain;           /* enum sysreg_chain */
    u8 feat, feat2;     /* enum feat: both must be there, else UNDEFINED */
    u16 cell;           /* CELL_NONE: none */
    u8 port;            /* enum port_id + 1, 0: none */
    u8 hook;            /* enum sysreg_hook */
    u16 alias, alias_s; /* enum sysreg_id: stand-ins that steps name */
    u16 nv;             /* offset in the VNCR_EL2 page, 0xffff: none */
    u16 fgt;            /* fine-grained trap: 1 + group << 6 + bit, 0: none */
};
enum { FGT_HFG, FGT_HDFG, FGT_HFGI };

extern const struct sysreg_row sysreg_rows[SR_COUNT];

/* What becomes of an access. */
enum sysreg_action {
    ACT_UNDEF,
    ACT_TRAP1, /* EC 0x18 to EL1, or EL2 by HCR_EL2.TGE */
    ACT_TRAP2,
    ACT_TRAP3, /* EC 0x18 */
    ACT_FP1,   /* EC 7 to EL1; EC 0 to EL2 by HCR_EL2.TGE */
    ACT_FP2,
    ACT_FP3,
    ACT_USE, /* the register sr */
    ACT_ALIAS,
    ACT_ALIAS_S, /* resolved to ACT_USE */
    ACT_VIRT,    /* sr, through PORT_GICV */
    ACT_NVMEM,   /* memory at VNCR_EL2 + nv */
    ACT_RAZWI,
    ACT_PM_BEYOND, /* event counter reserved by MDCR_EL2.HPMN: trap with FEAT_FGT, else UNDEFINED */
};

struct sysreg_outcome {
    u8 action; /* enum sysreg_action */
    u16 sr;    /* the register that is accessed in the end */
    u16 step;  /* index of the step that decided, for sysreg_step_name() */
};

/* Walks the chain of row sr for an access from the current EL; no side effects. */
struct sysreg_outcome sysreg_resolve(const struct cpu *c, unsigned sr, bool write);
/* sysreg_config.c */
/* The number of the current trap configuration with EL and SPSel, never below 8. While c->trap_id is the same, a register
 * that is covered has the same outcome. */
u32 sysreg_config(struct cpu *c);
bool sysreg_config_covers(unsigned sr);
bool sysreg_config_cell(unsigned cell);
/* Control registers were written in another way. */
void sysreg_config_forget(struct cpu *c);
void sysreg_config_written(struct cpu *c, unsigned cell, u64 changed);
/* sysreg_refresh() for a write of HCR_EL2 or SCR_EL3 by the pipeline. */
void sysreg_refresh_hcr(struct cpu *c);
void sysreg_config_free(struct sysreg_configs *);
/* sysreg_resolve(), remembered. */
struct sysreg_outcome sysreg_outcome(struct cpu *c, unsigned sr, bool write);
/* Is a write to the cell a store (after sysreg_cell_masked()) and nothing else? */
bool sysreg_cell_plain(const struct cpu *c, unsigned cell);
/* A write of the value that the register has is nothing. */
bool sysreg_same_is_nothing(const struct sysreg_row *row);
/* A change of these bits of the cell is nothing to the current EL: it is looked at when the EL is left. */
bool sysreg_cell_lazy(const struct cpu *c, unsigned cell, u64 changed);
/* Bits of HCR_EL2 whose changes are never that. */
#define HCR_AT_ONCE (HCR_E2H | HCR_TGE | HCR_VI | HCR_VF | HCR_VSE)

/* Name and condition of a step, "TVM" and "E2 && ...", for explanations. */
const char *sysreg_step_name(unsigned step);
const char *sysreg_step_condition(unsigned step);

/* Reads and writes behind the chain; sysreg_hook.c. */
u64 sysreg_read_row(struct cpu *c, unsigned sr);
enum step sysreg_write_row(struct cpu *c, unsigned sr, u64 val);

/* sysreg_cell.c */
/* What a cell holds after val was written: reserved bits as on this CPU. */
u64 sysreg_cell_masked(const struct cpu *c, unsigned cell, u64 val);

static inline struct port_txn sysreg_port_txn(const struct cpu *c)
{
    return (struct port_txn){
        .el = c->ps.el, .secure = cpu_secure_below_el3(c), .fiq_el3 = cpu_has_el3(c) && (c->sys[SCR_EL3] >> 2 & 1)};
}

/* NVMem[]: the VNCR_EL2 page, as EL2. */
enum step sysreg_nv_read(struct cpu *c, unsigned offset, unsigned rd);
enum step sysreg_nv_write(struct cpu *c, unsigned offset, u64 val);
