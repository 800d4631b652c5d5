/* AArch32 state (DDI0487 G1): modes, banked registers, decoded instructions.
 *
 * The current mode's R0-R14 live in x[0]..x[14], zero-extended, whatever the mode; the slots of X16-X30 to which the
 * architecture maps the mode's banked registers hold User mode's meanwhile (aa32_set_mode() swaps them).  Before an
 * instruction is executed x[REG_PC] is the value that reading R15 gives.  NZCV stays in c->nzcv, FPSCR.NZCV in FPSR. */
#pragma once
#include "cpu/cpu.h"

enum {
    AA32_USR = 0x10,
    AA32_FIQ = 0x11,
    AA32_IRQ = 0x12,
    AA32_SVC = 0x13,
    AA32_MON = 0x16,
    AA32_ABT = 0x17,
    AA32_HYP = 0x1a,
    AA32_UND = 0x1b,
    AA32_SYS = 0x1f,
};

enum { REG_PC = REG_SINK };

/* Scratch vector registers of Advanced SIMD and floating-point instructions that A64 functions execute. */
enum { V_D = 32, V_N, V_M, V_T };

/* CPSR bits that have no other name here. */
#define CPSR_T (1u << 5)
#define CPSR_F (1u << 6)
#define CPSR_I (1u << 7)
#define CPSR_A (1u << 8)
#define CPSR_E (1u << 9)

enum aa32_isa { ISA_A32, ISA_T32, ISA_T16 };

/* Where an Advanced SIMD or floating-point operand lives. */
enum aa32_width { W_NONE, W_H, W_S, W_D, W_Q };

/* A decoded instruction; op comes first: an exec function gets its address. */
struct aa32_insn {
    struct op op;
    struct op a64;  /* what does the work of a SIMD or FP instruction, on V_D, V_N, V_M */
    struct op a64b; /* its second half, when it has two */
    u32 word;
    u8 isa, len;
    u8 cond;          /* AL: always; T32's comes from the IT state */
    u8 wd, wn, wm;    /* enum aa32_width of the operands, numbers in op.rd, rn, rm */
};
static inline const struct aa32_insn *aa32_insn(const struct op *o) { return (const struct aa32_insn *)(const void *)o; }

/* Flags of AArch32 rows beside enum a64_flags. */
enum { A32_NOT_IT = 1 << 12, A32_LAST_IT = 1 << 13, A32_SETS = 1 << 14, A32_UNCOND = 1 << 15 };

/* Immediate rules of AArch32 rows beside enum imm_rule. Constants with a shifter carry: bit 33 is set, bit 32 is it. */
enum aa32_imm {
    IMM_A32 = 64,     /* A32ExpandImm_C */
    IMM_T32,      /* T32ExpandImm_C */
    IMM_DECSHIFT, /* DecodeImmShift: i = imm5, x = type; RRX: x = 4 */
    IMM_TB,       /* i = S:imm10:J1:J2:imm11, times 2 */
    IMM_TBX,      /* the same of BLX: its last bit is 0 */
    IMM_TBC,      /* i = S:imm6:J1:J2:imm11 of a conditional branch */
    IMM_SEXT1,    /* sign-extended, times 2 */
    IMM_BLX,      /* i = imm24:H, times 2 */
    IMM_WIDTH,    /* i = msb or widthm1, x = lsb: refused when the field does not fit */
    IMM_BFI,      /* i = msb, x = lsb: refused when msb < lsb */
    IMM_OFF0, IMM_OFF1, IMM_OFF2, /* load or store offset, times 1, 2, 4; y = 6: added, no writeback */
    IMM_PAR,      /* parallel arithmetic: refuses x = 5, 6 */
    IMM_CRC,      /* refuses x = 3 */
    IMM_PUW,      /* refuses y = P:U:W with P and W clear */
    IMM_PUW2,     /* and times 4 */
    IMM_SUB12,    /* literal with U = 0: y = 4 */
    IMM_LIST,     /* register list, not empty */
    IMM_NEON,     /* the instruction word; aa32_simd.c makes the A64 instruction of it */
};

struct aa32_decoder;
struct aa32_decoder *aa32_decoder_new(const struct features *f);
void aa32_decoder_free(struct aa32_decoder *d);
void aa32_free(struct cpu *c);
struct aa32_decoder *aa32_decoder_of(const struct cpu *c);
/* word: 16 bits for ISA_T16, the first half-word in bits 31:16 for ISA_T32. */
void aa32_decode(const struct cpu *c, enum aa32_isa isa, u32 word, struct aa32_insn *out);
const struct a64_row *aa32_row(const struct aa32_insn *i);
/* The instruction at pc, and its length. False: it cannot be fetched. */
bool aa32_current(struct cpu *c, struct aa32_insn *out);

/* ---- state ---------------------------------------------------------------------------------- */

/* An exception to AArch64 is taken: banked registers go where AArch64 sees them. */
void aa32_leave(struct cpu *c);
/* Does EL1 use AArch32? */
bool aa32_el1(const struct cpu *c);
/* Is mode one that this CPU has and that can be reached at EL0 or EL1? */
bool aa32_mode_valid(unsigned mode);
void aa32_set_mode(struct cpu *c, unsigned mode);
/* Number in x[] (X register, in the AArch64 view) of register r of a mode while the current mode is c's. */
unsigned aa32_slot(const struct cpu *c, unsigned mode, unsigned r);
unsigned aa32_x_number(const struct cpu *c, unsigned r);
u32 aa32_cpsr(const struct cpu *c);
/* CPSRWriteByInstr: mask of bytes; is_ret: an exception return, which may change state. */
void aa32_cpsr_write(struct cpu *c, u32 val, unsigned bytes, bool is_ret);
/* The cell of the current mode's SPSR, CELL_NONE: it has none. */
unsigned aa32_spsr_cell(const struct cpu *c, unsigned mode);
/* SetPSTATEFromPSR for a target in AArch32. */
void aa32_set_psr(struct cpu *c, u64 spsr);
/* Is a return to what spsr says (bit 4 set) illegal from c's state? */
bool aa32_illegal_return(const struct cpu *c, u64 spsr);
/* AArch32.ExceptionReturn */
enum step aa32_return(struct cpu *c, u32 target, u32 spsr);

/* Exceptions to EL1 in AArch32 state. Return addresses are c->pc. */
enum step aa32_take_und(struct cpu *c);
enum step aa32_take_svc(struct cpu *c);
enum step aa32_take_abort(struct cpu *c, const struct fault *f, bool fetch, bool cm);
void aa32_take_interrupt(struct cpu *c, unsigned kind);
enum step aa32_take_bkpt(struct cpu *c);
/* IFSR/DFSR of a fault in the format in force. */
u32 aa32_fault_status(const struct cpu *c, const struct fault *f);

/* ---- execution ------------------------------------------------------------------------------ */

/* Executes from pc until something has to be looked at, as interp_page(). */
void aa32_page(struct cpu *c);
/* Executes one instruction. */
void aa32_one(struct cpu *c);
void aa32_it_advance(struct cpu *c); /* ITAdvance() */

static inline bool aa32_in_it(const struct cpu *c) { return (c->ps.it & 15) != 0; }
static inline bool aa32_last_it(const struct cpu *c) { return (c->ps.it & 15) == 8; }

/* TTBCR.EAE: long descriptors, fault status and PAR formats */
static inline bool aa32_eae(const struct cpu *c) { return (c->sys[TCR_EL1] >> 31 & 1) != 0; }
static inline u64 aa32_sctlr(const struct cpu *c)
{
    return c->sys[c->ps.el == 0 && (c->hcr & 1ull << 27) && (c->hcr & 1ull << 34) ? SCTLR_EL2 : SCTLR_EL1];
}

/* BranchWritePC, BXWritePC, ALUWritePC, LoadWritePC; pc is set, the step is STEP_JUMP. */
static inline enum step aa32_branch(struct cpu *c, u32 to)
{
    c->pc = c->ps.t ? to & ~1u : to & ~3u;
    return STEP_JUMP;
}
static inline enum step aa32_bx(struct cpu *c, u32 to)
{
    c->ps.t = to & 1;
    c->pc = c->ps.t ? to & ~1u : (to & 2) ? to & ~3u : to;
    return STEP_JUMP;
}
static inline enum step aa32_alu_pc(struct cpu *c, u32 to) { return c->ps.t ? aa32_branch(c, to) : aa32_bx(c, to); }
/* A result to a general register or R15. */
static inline enum step aa32_set(struct cpu *c, unsigned rd, u32 val)
{
    if (UNLIKELY(rd == REG_PC))
        return aa32_alu_pc(c, val);
    c->x[rd] = val;
    return STEP_NEXT;
}
static inline enum step aa32_load_set(struct cpu *c, unsigned rd, u32 val)
{
    if (UNLIKELY(rd == REG_PC))
        return aa32_bx(c, val);
    c->x[rd] = val;
    return STEP_NEXT;
}

/* ---- coprocessors (aa32_cp.c) --------------------------------------------------------------- */

/* FP and SIMD enables: STEP_NEXT: go on; else the exception was taken. simd: Advanced SIMD. */
enum step aa32_fp_check(struct cpu *c, bool simd, bool fpexc);
/* ISS CV and COND of the current instruction, bits 24:20. */
u32 aa32_cond_iss(const struct cpu *c);

/* The rows of a table, for tests; row 0 is UNDEFINED. */
const struct a64_row *aa32_table(enum aa32_isa isa, unsigned *count);
