/* Advanced SIMD and floating-point instructions of AArch32 as A64 instructions on scratch registers (DDI0487 F6.1).
 *
 * aa32_simd_decode() makes the A64 instruction (two for VMLA and the permutations) once, when a word is first decoded;
 * exec_a32_simd() copies the operands from the S, D or Q registers, executes it, and copies the result back.
 * Invariants: FPCR is that of the instruction: Advanced SIMD's is the Standard FPSCR value; D registers' numbers are
 * those of D for Q registers too. */
#include "cpu/aa32_simd.h"

#include "core/bits.h"
#include "cpu/exec.h"
#include "cpu/exec_a32.h"
#include "cpu/fp.h"

enum simd_kind {
    K_ROW,    /* not of this file */
    K_SAME,   /* 8 to 32 bits */
    K_SAME64, /* 64 too */
    K_PAIR,   /* D registers alone */
    K_SAME_SWAP,
    K_LOGIC,
    K_LOGIC_D,
    K_CRYPTO3,
    K_CRYPTO2,
    K_LONG,
    K_LONG_P,
    K_WIDE,
    K_HN,
    K_SCALAR,
    K_SCALAR_F,
    K_SCALAR_L,
    K_SHIFT,
    K_SHIFT_F,
    K_SHIFT_N,
    K_SHIFT_L,
    K_IMM,
    K_MISC,
    K_MISC_F,
    K_MISC_N,
    K_MISC_L,
    K_PERM,
    K_CVT_N,
    K_CVT_L,
    K_EXT,
    K_DUP,
    K_VFP3,
    K_VFP3N,
    K_VFP4,
    K_VFP_IMM,
    K_VFP2,
    K_VFP_DS,
    K_VFP_SD,
    K_VFP_CMP,
    K_VFP_HB,
    K_VFP_BH,
    K_VFP_FROM,
    K_VFP_TO,
    K_VFP_TO_R,
};

static const struct {
    u32 a, b;
    u8 kind;
} maps[] = {
#define A64(name, picture, feat, imm, flags, fn)       {0, 0, K_ROW},
#define SIMD(name, picture, feat, first, second, what) {first, second, what},
#include "cpu/a32_simd.def"
#undef A64
#undef SIMD
};
/* rows of a32_int.def, and UNDEFINED, come before */
enum {
    FIRST_ROW = 1
#define A64(name, picture, feat, imm, flags, fn) +1
#include "cpu/a32_int.def"
#undef A64
};

/* Fields of the A32 word. */
static unsigned reg_d(u32 w) { return (w >> 22 & 1) << 4 | (w >> 12 & 15); }
static unsigned reg_n(u32 w) { return (w >> 7 & 1) << 4 | (w >> 16 & 15); }
static unsigned reg_m(u32 w) { return (w >> 5 & 1) << 4 | (w & 15); }
static unsigned single(unsigned r) { return (r & 15) << 1 | r >> 4; }

struct making {
    const struct decoder *a64;
    struct aa32_insn *out;
    u32 w;
    unsigned d, n, m;
};

static bool q_ok(unsigned width, unsigned r) { return width != W_Q || !(r & 1); }

/* Registers and their widths. False: an odd Q register. */
static bool operands(struct making *k, unsigned wd, unsigned wn, unsigned wm)
{
    struct aa32_insn *o = k->out;
    o->wd = (u8)wd, o->wn = (u8)wn, o->wm = (u8)wm;
    o->op.rd = (u8)(wd == W_S || wd == W_H ? single(k->d) : k->d);
    o->op.rn = (u8)(wn == W_S || wn == W_H ? single(k->n) : k->n);
    o->op.rm = (u8)(wm == W_S || wm == W_H ? single(k->m) : k->m);
    return q_ok(wd, k->d) && q_ok(wn, k->n) && q_ok(wm, k->m);
}

/* The A64 word on scratch registers: its fields are 0, 1 and 2, which says that they are there. */
static bool a64_op(struct making *k, u32 word, unsigned rd, unsigned rn, unsigned rm, struct op *out)
{
    *out = decode(k->a64, word);
    if (out->row <= A64_ROW_UNDEFINED)
        return false;
    out->rd = (u8)rd, out->rn = (u8)rn, out->rm = (u8)rm, out->ra = V_D;
    return true;
}

static bool one(struct making *k, u32 word) { return a64_op(k, word, V_D, V_N, V_M, &k->out->a64); }
static bool one_misc(struct making *k, u32 word) { return a64_op(k, word, V_D, V_M, V_M, &k->out->a64); }
/* first makes V_T of V_N and V_M, second V_D of V_D and V_T */
static bool maybe_two(struct making *k, u32 first, u32 second)
{
    if (!second)
        return one(k, first);
    return a64_op(k, first, V_T, V_N, V_M, &k->out->a64) && a64_op(k, second, V_D, V_D, V_T, &k->out->a64b);
}

static bool make_same(struct making *k, unsigned kind, u32 a, u32 b)
{
    bool q = k->w >> 6 & 1, misc = false;
    unsigned size = k->w >> 20 & 3, w = q ? W_Q : W_D;
    u32 qbit = (u32)q << 30;
    switch (kind) {
    case K_PAIR:
        if (q)
            return false;
        /* fall through */
    case K_SAME:
        if (size == 3)
            return false;
        /* fall through */
    case K_SAME64:
        if (size == 3)
            qbit = 1u << 30; /* A64 has no 1D form of these; the upper half of the scratch registers is zero */
        return operands(k, w, w, w) && one(k, a | qbit | size << 22);
    case K_SAME_SWAP: { /* the shifted operand is Vm */
        if (size == 3)
            qbit = 1u << 30;
        return operands(k, w, w, w) && a64_op(k, a | qbit | size << 22, V_D, V_M, V_N, &k->out->a64);
    }
    case K_LOGIC_D:
        if (q)
            return false;
        /* fall through */
    case K_LOGIC: return operands(k, w, w, w) && maybe_two(k, a | qbit, b ? b | qbit : 0);
    case K_CRYPTO3: return operands(k, W_Q, W_Q, W_Q) && one(k, a);
    case K_LONG_P:
        if (size == 1 || size == 3)
            return false;
        return operands(k, W_Q, W_D, W_D) && one(k, a | (size == 2 ? 3u : 0u) << 22);
    case K_LONG: return size != 3 && operands(k, W_Q, W_D, W_D) && one(k, a | size << 22);
    case K_WIDE: return size != 3 && operands(k, W_Q, W_Q, W_D) && one(k, a | size << 22);
    case K_HN: return size != 3 && operands(k, W_D, W_Q, W_Q) && one(k, a | size << 22);
    default: return misc;
    }
}

/* Two registers and a scalar: the scalar is an element of D<M:Vm>, or of D<Vm<2:0>> for half-words. */
static bool make_scalar(struct making *k, unsigned kind, u32 a, u32 b)
{
    unsigned size = k->w >> 20 & 3, vm = k->w & 15, mbit = k->w >> 5 & 1;
    bool q = kind != K_SCALAR_L && (k->w >> 24 & 1);
    unsigned w = q ? W_Q : W_D;
    if (size == 0 || size == 3 || (kind == K_SCALAR_F && size != 2))
        return false;
    unsigned index = size == 1 ? mbit << 1 | vm >> 3 : mbit;
    u32 word = a | (u32)q << 30 | size << 22;
    if (size == 1)
        word |= (index >> 1) << 21 | (index & 1) << 20; /* H = 0 of 3 bits H:L:M is the upper half: index < 4 */
    else
        word |= index << 21;
    if (!operands(k, kind == K_SCALAR_L ? W_Q : w, w, W_D))
        return false;
    k->out->op.rm = (u8)(size == 1 ? vm & 7 : vm);
    return maybe_two(k, word, b ? b | (u32)q << 30 : 0);
}

static bool make_shift(struct making *k, unsigned kind, u32 a)
{
    bool q = k->w >> 6 & 1;
    unsigned w = q ? W_Q : W_D, imm = (k->w >> 7 & 1) << 6 | (k->w >> 16 & 63);
    u32 word = a | imm << 16;
    k->n = k->m;
    if (imm < 8)
        return false;
    switch (kind) {
    case K_SHIFT: return operands(k, w, W_NONE, w) && one_misc(k, word | (q || imm >= 64 ? 1u << 30 : 0));
    case K_SHIFT_F: return imm >= 32 && imm < 64 && operands(k, w, W_NONE, w) && one_misc(k, word | (u32)q << 30);
    case K_SHIFT_N: return imm < 64 && operands(k, W_D, W_NONE, W_Q) && one_misc(k, word);
    default: return imm < 64 && operands(k, W_Q, W_NONE, W_D) && one_misc(k, word);
    }
}

/* VMOV, VMVN, VORR, VBIC (immediate): i:imm3:imm4, cmode, op */
static bool make_imm(struct making *k, u32 a)
{
    bool q = k->w >> 6 & 1;
    u32 imm8 = (k->w >> 24 & 1) << 7 | (k->w >> 16 & 7) << 4 | (k->w & 15), cmode = k->w >> 8 & 15, op = k->w >> 5 & 1;
    if (op && cmode == 15)
        return false;
    return operands(k, q ? W_Q : W_D, W_NONE, W_NONE) &&
           one(k, a | (u32)q << 30 | op << 29 | (imm8 >> 5) << 16 | cmode << 12 | (imm8 & 31) << 5);
}

static bool make_misc(struct making *k, unsigned kind, u32 a)
{
    bool q = k->w >> 6 & 1;
    unsigned size = k->w >> 18 & 3, w = q ? W_Q : W_D;
    u32 qbit = (u32)q << 30;
    switch (kind) {
    case K_MISC: return size != 3 && operands(k, w, W_NONE, w) && one_misc(k, a | qbit | size << 22);
    case K_MISC_F: return size == 2 && operands(k, w, W_NONE, w) && one_misc(k, a | qbit);
    case K_MISC_N: return size != 3 && operands(k, W_D, W_NONE, W_Q) && one_misc(k, a | size << 22);
    case K_MISC_L: return size != 3 && operands(k, W_Q, W_NONE, W_D) && one_misc(k, a | size << 22);
    case K_PERM:
        if (size == 3 || (!q && size == 2 && a != 0x0e002800))
            return false;
        k->out->op.x = SIMD_PERM;
        a |= qbit | size << 22;
        return operands(k, w, W_NONE, w) && a64_op(k, a, V_T, V_D, V_M, &k->out->a64) &&
               a64_op(k, a | 0x4000, V_M, V_D, V_M, &k->out->a64b);
    case K_CVT_N: return operands(k, W_D, W_NONE, W_Q) && one_misc(k, a);
    case K_CVT_L: return operands(k, W_Q, W_NONE, W_D) && one_misc(k, a);
    case K_CRYPTO2: return operands(k, W_Q, W_NONE, W_Q) && one_misc(k, a);
    case K_EXT: {
        unsigned imm = k->w >> 8 & 15;
        return (q || imm < 8) && operands(k, w, w, w) && one(k, a | qbit | imm << 11);
    }
    case K_DUP: {
        unsigned imm4 = k->w >> 16 & 15;
        return (imm4 & 7) != 0 && operands(k, w, W_NONE, W_D) && one_misc(k, a | qbit | imm4 << 16);
    }
    default: return false;
    }
}

static bool make_vfp(struct making *k, unsigned kind, u32 a, u32 b)
{
    bool dbl = k->w >> 8 & 1;
    unsigned w = dbl ? W_D : W_S;
    u32 type = (u32)dbl << 22;
    struct aa32_insn *o = k->out;
    switch (kind) {
    case K_VFP3N: o->op.x = SIMD_NEG_D; /* fall through */
    case K_VFP3: return operands(k, w, w, w) && maybe_two(k, a | type, b ? b | type : 0);
    case K_VFP4: return operands(k, w, w, w) && one(k, a | type);
    case K_VFP2: return operands(k, w, W_NONE, w) && one_misc(k, a | type);
    case K_VFP_IMM:
        return operands(k, w, W_NONE, W_NONE) && one(k, a | type | ((k->w >> 16 & 15) << 4 | (k->w & 15)) << 13);
    case K_VFP_DS: return operands(k, W_D, W_NONE, W_S) && one_misc(k, a);
    case K_VFP_SD: return operands(k, W_S, W_NONE, W_D) && one_misc(k, a);
    case K_VFP_CMP:
        o->op.x = SIMD_FLAGS;
        return operands(k, w, W_NONE, w) && a64_op(k, a | type, REG_SINK, V_D, V_M, &o->a64);
    case K_VFP_HB: /* half to single or double */
        o->op.x = (u8)(k->w >> 7 & 1 ? SIMD_TOP : 0);
        return operands(k, w, W_NONE, W_H) && one_misc(k, a);
    case K_VFP_BH: o->op.x = (u8)(k->w >> 7 & 1 ? SIMD_TOP : 0); return operands(k, W_H, W_NONE, w) && one_misc(k, a);
    case K_VFP_FROM:
        o->op.x = SIMD_FROM_INT;
        return operands(k, w, W_NONE, W_S) && a64_op(k, a | type, V_D, REG_PC, V_M, &o->a64);
    default:
        o->op.x = SIMD_TO_INT | (kind == K_VFP_TO_R ? SIMD_CUR_ROUND : 0);
        if (!operands(k, W_S, W_NONE, w))
            return false;
        /* FCVTNS, PS, MS, ZS by FPSCR.RMode: four A64 instructions, chosen when it is executed; a64b's fields remember
         */
        o->op.imm = a | type;
        return a64_op(k, a | type, REG_PC, V_M, V_M, &o->a64);
    }
}

bool aa32_simd_decode(const struct decoder *a64, u32 word, unsigned row, struct aa32_insn *out)
{
    u32 a = maps[row - FIRST_ROW].a, b = maps[row - FIRST_ROW].b;
    unsigned kind = maps[row - FIRST_ROW].kind;
    struct making k = {.a64 = a64, .out = out, .w = word, .d = reg_d(word), .n = reg_n(word), .m = reg_m(word)};
    out->op.x = 0;
    out->a64b = (struct op){.row = A64_ROW_UNDEFINED};
    out->op.y = kind < K_VFP3 ? SIMD_STANDARD : 0;
    if (kind >= K_VFP3)
        return make_vfp(&k, kind, a, b);
    if (kind >= K_MISC || kind == K_CRYPTO2)
        return make_misc(&k, kind, a);
    if (kind == K_IMM)
        return make_imm(&k, a);
    if (kind >= K_SHIFT)
        return make_shift(&k, kind, a);
    return kind >= K_SCALAR ? make_scalar(&k, kind, a, b) : make_same(&k, kind, a, b);
}
