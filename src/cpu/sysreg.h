/* System registers: encodings, storage cells, ports and the access pipeline's interface.
 *
 * Encodings and storage are two lists.  sysreg.def has a row per encoding; cell.def has a cell per
 * 64 bits of storage; a cell may be reached by several encodings (_EL12, NV2, frames). */
#pragma once
#include "core/types.h"

struct cpu;

/* Storage. cpu->sys[SCTLR_EL1] */
enum cell {
    CELL_NONE,
#define CELL(name, ...) name,
#include "cpu/cell.def"
#undef CELL
    CELL_COUNT,
};

/* Encodings: SR_SCTLR_EL1, SR_ICC_IAR1_EL1 ... in table order. */
enum sysreg_id {
    SR_NONE,
#define SYSREG(name, ...) SR_##name,
#include "cpu/sysreg.def"
#undef SYSREG
    SR_COUNT,
};

/* Registers whose value lives outside cpu/: the machine plugs the owner in. An empty port makes the
 * registers absent (UNDEFINED). */
enum port_id {
    PORT_GIC,   /* ICC_*, ICH_* */
    PORT_GICV,  /* ICC_* redirected to ICV_* by HCR_EL2.{IMO,FMO} */
    PORT_TIMER, /* CNT* */
    PORT_COUNT,
};

/* Who accesses a port register. */
struct port_txn {
    u8 el;
    bool secure;  /* Security state of the access: EL3 implemented and SCR_EL3.NS = 0, at EL3 too (it selects
                     the banked copy) */
    bool fiq_el3; /* SCR_EL3.FIQ: Group 0 belongs to EL3, so Non-secure sees shifted priorities */
};

struct clock;
/* For generated code: CNTVCT_EL0 at EL0 is (clock's time - *origin) >> shift, minus CNTVOFF_EL2 where EL0 is not a host's.
 * shift -1: not that simple. */
struct port_count {
    struct clock *clock;
    const u64 *origin;
    int shift;
};
struct port {
    /* reg is an enum sysreg_id. write may change interrupt wires (cpu_set_input). PORT_GIC is also written,
     * as notification: ICC_SRE_ELx and ICH_HCR_EL2 with each change of those cells, and, on a CPU with EL3,
     * SR_SCR_EL3 whenever the PE enters or leaves EL3 or SCR_EL3 changes: the GIC takes the txn's el and
     * secure as the PE's state (they decide between IRQ and FIQ). */
    u64 (*read)(void *arg, unsigned reg, const struct port_txn *);
    void (*write)(void *arg, unsigned reg, const struct port_txn *, u64 val);
    void *arg;
    const struct port_count *count; /* PORT_TIMER; may be NULL */
    void (*event_taken)(void *arg); /* PORT_TIMER: the event register is clear again; may be NULL */
};

/* Exception classes, ESR_ELx.EC. */
enum ec {
    EC_UNKNOWN = 0x00, EC_WFX = 0x01, EC_CP15 = 0x03, EC_CP15_64 = 0x04, EC_CP14 = 0x05, EC_CP14_LS = 0x06, EC_FPSIMD = 0x07, EC_CP10 = 0x08, EC_PAUTH = 0x09,
    EC_LS64 = 0x0a, EC_CP14_64 = 0x0c, EC_BTI = 0x0d, EC_ILLEGAL = 0x0e, EC_SVC32 = 0x11, EC_HVC32 = 0x12, EC_SMC32 = 0x13, EC_SVC64 = 0x15, EC_HVC64 = 0x16,
    EC_SMC64 = 0x17, EC_SYS64 = 0x18, EC_SVE = 0x19, EC_ERET = 0x1a, EC_FPAC = 0x1c,
    EC_IABT_LOW = 0x20, EC_IABT_SAME = 0x21, EC_PC_ALIGN = 0x22, EC_DABT_LOW = 0x24,
    EC_DABT_SAME = 0x25, EC_SP_ALIGN = 0x26, EC_MOPS = 0x27, EC_FPE64 = 0x2c, EC_SERROR = 0x2f,
    EC_BREAK_LOW = 0x30, EC_BREAK_SAME = 0x31, EC_STEP_LOW = 0x32, EC_STEP_SAME = 0x33,
    EC_WATCH_LOW = 0x34, EC_WATCH_SAME = 0x35, EC_BKPT32 = 0x38, EC_BRK = 0x3c,
};

/* What was taken, for logs and the trap observatory. */
enum exc_kind { EXC_SYNC, EXC_IRQ, EXC_FIQ, EXC_SERROR };
struct exc_info {
    u8 kind;         /* enum exc_kind */
    bool virt;       /* virtual interrupt */
    u8 from_el, to_el;
    u64 esr, far, hpfar; /* as written (sync and SError) */
    u64 pc;          /* preferred return address (ELR) */
    u64 vector;
};

#include "cpu/a64.h"

/* MRS/MSR (register) of table row imm: runs the chain of the current EL, then reads or writes. */
enum step sysreg_mrs(struct cpu *c, const struct op *o);
enum step sysreg_msr(struct cpu *c, const struct op *o);
/* MSR (immediate): the PSTATE field op1:op2 becomes crm. */
enum step sysreg_msr_imm(struct cpu *c, unsigned op1, unsigned op2, unsigned crm);

/* SYS is sysreg_msr() of a row with op0 = 1. SYSL: no row can be read, sysreg_mrs() makes it UNDEFINED. */

/* What op->imm is for an encoding, SR_NONE: none on any CPU. The low 16 bits are the row; for rows that stand for many
 * encodings (reserved identification registers, IMPLEMENTATION DEFINED space) the encoding is above them. Whether
 * this CPU has the register is checked at each access. */
unsigned sysreg_find(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2);
const char *sysreg_name(unsigned id);
const char *sysreg_cell_name(unsigned cell);
unsigned sysreg_encoding(unsigned id); /* op0:op1:CRn:CRm:op2, 16 bits as in MRS bits 20:5 with op0 whole */
/* Raw value without side effects, for the debugger, snapshots and logs. */
u64 sysreg_peek(struct cpu *c, unsigned id);

/* Sets all cells to their reset values (cold reset, highest implemented EL). */
void sysreg_reset(struct cpu *c);
/* The PE entered or left EL3, or SCR_EL3 changed: tells the interrupt controller (struct port). */
void sysreg_security_changed(struct cpu *c);
/* Recomputes c->hcr and all other derived state after HCR_EL2/SCR_EL3/... changed or were loaded. */
void sysreg_refresh(struct cpu *c);
