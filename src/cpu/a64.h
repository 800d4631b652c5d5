/* Decoded instructions: the only "intermediate representation"; the interpreter and the JIT run it.
 *
 * A row of a64.def is
 *
 *     A64(name, "bit picture", FEAT_x or FEAT_BASE, imm rule, flags or 0, exec)
 *
 * such as A64(ADD_64_addsub_imm, "1001 0001 0xii ...", FEAT_BASE, IMM_LSL12, 0, add_imm64).
 *
 * The bit picture has 32 significant characters, most significant bit first; blanks are ignored:
 *
 *   0 1  fixed bits            -  ignored bit
 *   d    destination register, 31 = ZR (decoded to REG_SINK)
 *   e    destination register, 31 = SP (REG_SP)
 *   n    source register Rn, 31 = ZR (reads x[31] = 0)
 *   p    Rn, 31 = SP
 *   m    source register Rm, 31 = ZR
 *   a    third register (Ra, Rt2 of a store), 31 = ZR
 *   b    third register as a destination (Rt2 of a load), 31 = ZR (REG_SINK)
 *   t    store source Rt, 31 = ZR: lands in rd
 *   x y  small fields (up to 8 bits each), most significant bit first, may be scattered
 *   X Y  the same field, and it must not be zero (the row does not match when it is)
 *   i    immediate, most significant bit first, may be scattered
 *   I    the same field as i, and the I bits must not all be zero
 *
 * Vector registers use d, n, m, a too, in rows with flag A64_V: there 31 is V31 and nothing is remapped
 * (p, e, t and b keep their meaning for the letters' general registers: with A64_V, d and t are the
 * vector register, n, m, a vectors; a general register in such a row is spelt p (base), e, or with the
 * capital letters N, M, D, B = Rn, Rm, Rd, Rt2 as general registers, 31 = ZR).
 *
 * When several rows match, the one with most fixed bits wins; a unit test forbids ties.  Rows whose
 * feature is absent do not take part. */
#pragma once
#include "core/types.h"

struct cpu;

enum { REG_ZERO = 31, REG_SINK = 32, REG_SP = 33 };

/* 16 bytes. Registers are indices into cpu->x (see above) or cpu->v. */
struct op {
    u16 row; /* index into a64_rows and a64_execs */
    u8 rd, rn, rm, ra;
    u8 x, y;
    u64 imm; /* by the row's imm rule */
};

/* What an exec function tells the engine. */
enum step {
    STEP_NEXT,   /* go on with the next instruction; the engine adds the length to pc */
    STEP_JUMP,   /* pc is set: branch, exception taken, exception return */
    STEP_SYNC,   /* pc is NOT yet advanced, the engine adds the length, then leaves straight-line
                    execution: context may have changed, interrupts are looked at (system registers,
                    barriers, TLB maintenance, WFI ...) */
};

typedef enum step a64_exec(struct cpu *, const struct op *);

/* How the i letters become op.imm. A rule may refuse the word: then it is UNDEFINED. */
enum imm_rule {
    IMM_NONE,     /* imm = the raw i field (0 without one) */
    IMM_WORD,     /* imm = the instruction word */
    IMM_SEXT,     /* sign-extended */
    IMM_BRANCH,   /* sign-extended, times 4 */
    IMM_ADRP,     /* i picture is immlo:immhi as scattered; rule assembles immhi:immlo, times 4096 */
    IMM_ADR,
    IMM_LSL12,    /* x = 1: shifted left by 12 */
    IMM_SCALE1, IMM_SCALE2, IMM_SCALE3, IMM_SCALE4, /* unsigned, times 2, 4, 8, 16 */
    IMM_SSCALE2, IMM_SSCALE3, IMM_SSCALE4,          /* signed, times 4, 8, 16 (pairs) */
    IMM_LOGICAL32, IMM_LOGICAL64, /* i = N:immr:imms -> the mask; reserved values refused */
    IMM_BITFIELD32, IMM_BITFIELD64, /* i = immr:imms, refused when out of range; x, y = the left, then right
                     shift that move the field into place, imm = ones where its bits land */
    IMM_SHIFT32,  /* refused when > 31 */
    IMM_EXTEND,   /* refused when > 4 */
    IMM_MOVW,     /* x = hw: i << 16 * hw */
    IMM_SYSREG,   /* i = op0:op1:CRn:CRm:op2 (o0 bit: op0 = 2 + o0); imm = sysreg table index, or
                     refused when there is none that this CPU has */
    IMM_SYSOP,    /* i = op1:CRn:CRm:op2 of SYS/SYSL; imm = sysop index, or refused */
    IMM_FP8_16, IMM_FP8_32, IMM_FP8_64, /* VFPExpandImm */
    /* Raw i field; vector arrangements that are reserved are refused. x = size, y = Q. */
    IMM_V_1D,     /* refuses 1D: x = 3 with y = 0 */
    IMM_V_NOD,    /* refuses x = 3 */
    IMM_V_HS,     /* refuses x = 0 and x = 3 */
    IMM_V_LANES,  /* refuses x = 3, and x = 2 with y = 0 */
    IMM_V_SHIFT,  /* i = immh:immb: refuses i<6> = 1 with y = 0 */
    IMM_V_EXT,    /* refuses i<3> = 1 with y = 0 */
};

enum a64_flags {
    A64_V = 1 << 0,      /* registers are vector registers, see above; FP/SIMD access is checked by exec */
    A64_BRANCH = 1 << 1, /* may set pc */
    A64_SYNC = 1 << 2,   /* may return STEP_SYNC */
    A64_LOAD = 1 << 3,
    A64_STORE = 1 << 4,
    /* ISS of a data abort (DDI0487 ESR_ELx, ISS encoding for a Data Abort): ISV = 1 with these */
    A64_ISV = 1 << 5,
    A64_SAS0 = 0 << 6, A64_SAS1 = 1 << 6, A64_SAS2 = 2 << 6, A64_SAS3 = 3 << 6,
    A64_SSE = 1 << 8,
    A64_SF = 1 << 9,
    A64_AR = 1 << 10,
    A64_GUARD = 1 << 11, /* a landing pad: may be the target of an indirect branch (BTI); x = hint */
};

struct a64_row {
    const char *name;
    const char *picture;
    u16 feat;   /* enum feat; FEAT_BASE: always there */
    u8 imm;     /* enum imm_rule */
    u16 flags;  /* enum a64_flags */
};

extern const struct a64_row a64_rows[];   /* decode.c */
extern a64_exec *const a64_execs[];       /* interp.c */
extern const unsigned a64_row_count;

/* Row numbers of the two rows that are not instructions; they come first in the table. */
enum { A64_ROW_FETCH, A64_ROW_UNDEFINED };

struct features;
struct decoder;
/* Parses all bit pictures; the decoder is immutable afterwards and may be shared by CPUs of equal
 * features.  A malformed row is our own bug (CHECK names it). */
struct decoder *decoder_new(const struct features *f);
void decoder_free(struct decoder *d);
/* Decodes word; an unallocated or disabled one gives A64_ROW_UNDEFINED with imm = word. */
struct op decode(const struct decoder *d, u32 word);
/* The row that matches word whether or not its feature is there, -1: none. */
int decode_row(const struct decoder *d, u32 word);
