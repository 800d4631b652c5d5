/* A32 and T32 data processing, branches (DDI0487 F5.1): operands 2 as immediates, shifted registers and registers
 * shifted by registers, flags, writes to R15.
 *
 * y is S: 0, 1, or 2 (set flags outside an IT block).  CONSTRAINED UNPREDICTABLE uses of R15 read it or branch. */
#include "core/bits.h"
#include "cpu/aa32.h"
#include "cpu/exception.h"
#include "cpu/exec_a32.h"
#include "cpu/exec_flags.h"

#define EXEC(name) enum step exec_##name(struct cpu *c, const struct op *o)

enum dp { AND, EOR, SUB, RSB, ADD, ADC, SBC, RSC, TST, TEQ, CMP, CMN, ORR, MOV, BIC, MVN, ORN };

struct operand {
    u32 v;
    bool c;
};

static inline bool carry(const struct cpu *c) { return (c->nzcv & FLAG_C) != 0; }

/* Shift_C; type 4 is RRX. */
static inline struct operand shift_c(const struct cpu *c, u32 v, unsigned type, unsigned n)
{
    bool in = carry(c);
    if (type == 4)
        return (struct operand){v >> 1 | (u32)in << 31, v & 1};
    if (n == 0)
        return (struct operand){v, in};
    switch (type) {
    case 0: return n < 32 ? (struct operand){v << n, bit(v, 32 - n)} : (struct operand){0, n == 32 && (v & 1)};
    case 1: return n < 32 ? (struct operand){v >> n, bit(v, n - 1)} : (struct operand){0, n == 32 && v >> 31};
    case 2:
        if (n > 31)
            return (struct operand){(u32)((s32)v >> 31), v >> 31};
        return (struct operand){(u32)((s32)v >> n), bit(v, n - 1)};
    default:
        n &= 31;
        v = n ? v >> n | v << (32 - n) : v;
        return (struct operand){v, v >> 31};
    }
}

static inline bool sets(const struct cpu *c, const struct op *o) { return o->y == 2 ? !aa32_in_it(c) : o->y; }

static inline enum step dp(struct cpu *c, const struct op *o, enum dp op, struct operand b)
{
    u32 a = (u32)c->x[o->rn], f;
    u64 r;
    bool test = op == TST || op == TEQ || op == CMP || op == CMN;
    switch (op) {
    case AND:
    case TST: r = a & b.v; goto logical;
    case EOR:
    case TEQ: r = a ^ b.v; goto logical;
    case ORR: r = a | b.v; goto logical;
    case ORN: r = a | ~b.v; goto logical;
    case BIC: r = a & ~b.v; goto logical;
    case MOV: r = b.v; goto logical;
    case MVN: r = (u32)~b.v; goto logical;
    case SUB:
    case CMP: f = flags_sub32(a, b.v, &r); break;
    case RSB: f = flags_sub32(b.v, a, &r); break;
    case ADD:
    case CMN: f = flags_add32(a, b.v, false, &r); break;
    case ADC: f = flags_add32(a, b.v, carry(c), &r); break;
    case SBC: f = flags_add32(a, ~b.v, carry(c), &r); break;
    case RSC: f = flags_add32(b.v, ~a, carry(c), &r); break;
    default:
    logical:
        r = (u32)r;
        f = flags_logic32((u32)r) | (u32)b.c << 29 | (c->nzcv & FLAG_V);
        break;
    }
    if (test) {
        c->nzcv = f;
        return STEP_NEXT;
    }
    if (UNLIKELY(o->rd == REG_PC)) {
        if (!sets(c, o))
            return aa32_alu_pc(c, (u32)r);
        unsigned cell = aa32_spsr_cell(c, c->ps.mode); /* SUBS PC, LR and its kin: exception return */
        return cell ? aa32_return(c, (u32)r, (u32)c->sys[cell]) : exc_undefined(c);
    }
    if (sets(c, o))
        c->nzcv = f;
    c->x[o->rd] = (u32)r;
    return STEP_NEXT;
}

static inline struct operand imm_operand(const struct cpu *c, const struct op *o)
{
    return (struct operand){(u32)o->imm, bit(o->imm, 33) ? bit(o->imm, 32) : carry(c)};
}
static inline struct operand reg_operand(const struct cpu *c, const struct op *o)
{
    return shift_c(c, (u32)c->x[o->rm], o->x, (unsigned)o->imm);
}
static inline struct operand rsr_operand(const struct cpu *c, const struct op *o)
{
    return shift_c(c, (u32)c->x[o->rm], o->x, c->x[o->ra] & 0xff);
}

#define DP(name, OP)                                                                                                   \
    EXEC(a32_##name##_i) { return dp(c, o, OP, imm_operand(c, o)); }                                                   \
    EXEC(a32_##name##_r) { return dp(c, o, OP, reg_operand(c, o)); }
#define DP3(name, OP)                                                                                                  \
    DP(name, OP)                                                                                                       \
    EXEC(a32_##name##_rr) { return dp(c, o, OP, rsr_operand(c, o)); }
DP3(and, AND)
DP3(eor, EOR)
DP3(sub, SUB)
DP3(rsb, RSB)
DP3(add, ADD)
DP3(adc, ADC)
DP3(sbc, SBC)
DP3(rsc, RSC)
DP3(tst, TST)
DP3(teq, TEQ)
DP3(cmp, CMP)
DP3(cmn, CMN)
DP3(orr, ORR)
DP3(mov, MOV)
DP3(bic, BIC)
DP3(mvn, MVN)
DP(orn, ORN)

EXEC(a32_movw) { return aa32_set(c, o->rd, (u32)o->imm); }
EXEC(a32_movt) { return aa32_set(c, o->rd, (u32)(c->x[o->rd] & 0xffff) | (u32)o->imm << 16); }

/* i:imm4:imm3:imm8 as the picture gives it */
static u32 t32_imm16(u64 i) { return (u32)((i >> 11 & 15) << 12 | (i >> 15 & 1) << 11 | (i & 0x7ff)); }
EXEC(t32_movw) { return aa32_set(c, o->rd, t32_imm16(o->imm)); }
EXEC(t32_movt) { return aa32_set(c, o->rd, (u32)(c->x[o->rd] & 0xffff) | t32_imm16(o->imm) << 16); }

static u32 align_pc(const struct cpu *c, unsigned rn) { return (u32)c->x[rn] & (rn == REG_PC ? ~3u : ~0u); }
EXEC(t32_addw) { return aa32_set(c, o->rd, align_pc(c, o->rn) + (u32)o->imm); }
EXEC(t32_subw) { return aa32_set(c, o->rd, align_pc(c, o->rn) - (u32)o->imm); }
EXEC(t32_adr) { return aa32_set(c, o->rd, align_pc(c, REG_PC) + (u32)o->imm); }

/* ---- 16-bit forms whose destination is an operand ------------------------------------------- */

#define T16_DN(name, OP)                                                                                               \
    EXEC(t16_##name)                                                                                                   \
    {                                                                                                                  \
        struct op d = *o;                                                                                              \
        d.rn = o->rd;                                                                                                  \
        return dp(c, &d, OP, (struct operand){(u32)c->x[o->rm], carry(c)});                                            \
    }
T16_DN(and, AND)
T16_DN(eor, EOR)
T16_DN(adc, ADC)
T16_DN(sbc, SBC)
T16_DN(orr, ORR)
T16_DN(bic, BIC)
T16_DN(add_hi, ADD)

#define T16_SHIFT(name, type)                                                                                          \
    EXEC(t16_##name) { return dp(c, o, MOV, shift_c(c, (u32)c->x[o->rd], type, c->x[o->rm] & 0xff)); }
T16_SHIFT(lsl, 0)
T16_SHIFT(lsr, 1)
T16_SHIFT(asr, 2)
T16_SHIFT(ror, 3)

EXEC(t16_lsl_i)
{
    struct op d = *o;
    d.y = 2;
    return dp(c, &d, MOV, shift_c(c, (u32)c->x[o->rm], 0, (unsigned)o->imm));
}
EXEC(t16_lsr_i)
{
    struct op d = *o;
    d.y = 2;
    return dp(c, &d, MOV, shift_c(c, (u32)c->x[o->rm], 1, o->imm ? (unsigned)o->imm : 32));
}
EXEC(t16_asr_i)
{
    struct op d = *o;
    d.y = 2;
    return dp(c, &d, MOV, shift_c(c, (u32)c->x[o->rm], 2, o->imm ? (unsigned)o->imm : 32));
}
EXEC(t16_add_i8)
{
    struct op d = *o;
    d.rn = o->rd;
    return dp(c, &d, ADD, (struct operand){(u32)o->imm, false});
}
EXEC(t16_sub_i8)
{
    struct op d = *o;
    d.rn = o->rd;
    return dp(c, &d, SUB, (struct operand){(u32)o->imm, false});
}
EXEC(t16_add_sp) { return aa32_set(c, o->rd, (u32)(c->x[13] + o->imm)); }
EXEC(t16_incsp) { return aa32_set(c, 13, (u32)(c->x[13] + o->imm)); }
EXEC(t16_decsp) { return aa32_set(c, 13, (u32)(c->x[13] - o->imm)); }

/* ---- branches ------------------------------------------------------------------------------- */

EXEC(a32_b) { return aa32_branch(c, (u32)(c->x[REG_PC] + o->imm)); }

EXEC(a32_bl)
{
    c->x[14] = (u32)(c->pc + 4) | c->ps.t;
    return aa32_branch(c, (u32)(c->x[REG_PC] + o->imm));
}

/* BLX (immediate) changes the instruction set. */
EXEC(a32_blx_i)
{
    c->x[14] = (u32)(c->pc + 4);
    c->ps.t = true;
    return aa32_branch(c, (u32)(c->x[REG_PC] + o->imm));
}
EXEC(t32_blx_i)
{
    c->x[14] = (u32)(c->pc + 4) | 1;
    c->ps.t = false;
    return aa32_branch(c, (u32)((c->x[REG_PC] & ~3ull) + o->imm));
}
EXEC(a32_bx) { return aa32_bx(c, (u32)c->x[o->rm]); }
EXEC(a32_blx_r)
{
    u32 to = (u32)c->x[o->rm];
    c->x[14] = (u32)(c->pc + c->insn_len) | c->ps.t;
    return aa32_bx(c, to);
}
EXEC(t16_bc) { return cond_holds(c->nzcv, o->x) ? aa32_branch(c, (u32)(c->x[REG_PC] + o->imm)) : STEP_NEXT; }
EXEC(t16_cbz) { return (u32)c->x[o->rn] ? STEP_NEXT : aa32_branch(c, (u32)(c->x[REG_PC] + o->imm)); }
EXEC(t16_cbnz) { return (u32)c->x[o->rn] ? aa32_branch(c, (u32)(c->x[REG_PC] + o->imm)) : STEP_NEXT; }

EXEC(t16_it)
{
    if ((o->imm >> 4) == 15 || (aa32_sctlr(c) >> 7 & 1 && (o->imm & (o->imm - 1) & 15)))
        return exc_undefined(c); /* SCTLR.ITD leaves blocks of one instruction */
    c->ps.it = (u8)o->imm;
    return STEP_NEXT;
}
