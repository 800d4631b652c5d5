/* Scalar floating point: arithmetic, compares, selects, moves (single and double; halves are calls).
 *
 * The host's instructions run with FPCR's rounding mode and masked exceptions; MXCSR collects what FPSR does. They
 * differ from Arm's in these, and only these, points, each of which goes to the exec function out of line:
 *
 *   results that are NaNs: which operand's, its sign, FPCR.DN; minimum and maximum of NaNs;
 *   results of exactly the smallest normal magnitude of products, quotients and narrowing: Arm detects tininess before
 *   rounding, the host after; only there the flags can differ.
 *
 * An exception that the host raised before the exec function runs is one that it raises as well. Blocks of this kind
 * exist only where FPCR has no bits but the rounding mode and DN (jit.c, fp_plain()). */
#include "core/bits.h"
#include "cpu/sysreg.h"
#include "jit/internal.h"

/* Emitter parameters: b: bit 0 double, others by function. */
static bool dbl(const struct translation *t) { return t->e->b & 1; }
static unsigned width(const struct translation *t) { return dbl(t) ? 8 : 4; }

static void ucomis(struct translation *t, unsigned a, unsigned b, bool d)
{
    v_rr(t, VOP(1, d ? 1u : 0u, 0x2e), a, 0, b);
}

/* The slow path where host is a NaN. */
static void check_nan(struct translation *t, unsigned host)
{
    ucomis(t, host, host, dbl(t));
    t_slow(t, x64_jcc(&t->as, CC_P));
}

/* The same, or has the smallest normal magnitude. Clobbers xmm1. */
static void check_tiny(struct translation *t, unsigned host)
{
    v_rc(t, v_fp(VAND_F, dbl(t), true), 1, host, dbl(t) ? VC_ABS_D : VC_ABS_S);
    v_rc(t, VOP(1, dbl(t) ? 1u : 0u, 0x2e), 1, 0, dbl(t) ? VC_TINY_D : VC_TINY_S);
    t_slow(t, x64_jcc(&t->as, CC_E));
}

/* The value in host, whose low element is the result, becomes rd: the rest is cleared. from: what was above it. */
static void result(struct translation *t, unsigned rd, unsigned host, unsigned from)
{
    unsigned d = v_new(t, rd), size = width(t);
    if (from <= size) {
        if (d != host)
            v_rr(t, VMOVAPS, d, 0, host);
    } else if (dbl(t)) {
        v_rr(t, VMOVQ, d, 0, host);
    } else {
        v_rri(t, VINSERTPS, d, host, host, 0x0e);
    }
    v_done(t, rd, size);
}

/* a: opcode; b: bit 1 check for tiny results, bit 2 negate, bit 3 absolute */
enum { TINY = 2, NEGATE = 4, ABSOLUTE = 8 };
static void em_binary(struct translation *t, const struct op *o)
{
    unsigned n = v_get_low(t, o->rn, width(t)), m = v_get_low(t, o->rm, width(t)), from = v_zero_from(t, n);
    unsigned d = o->rd == o->rn || o->rd == o->rm ? 0 : v_new(t, o->rd);
    v_rr(t, v_fp(t->e->a, dbl(t), false), d, n, m);
    (t->e->b & TINY ? check_tiny : check_nan)(t, d);
    if (t->e->b & NEGATE)
        v_rc(t, v_fp(VXOR_F, dbl(t), true), d, d, dbl(t) ? VC_SIGN1_D : VC_SIGN1_S);
    if (t->e->b & ABSOLUTE) {
        v_rc(t, v_fp(VAND_F, dbl(t), true), d, d, dbl(t) ? VC_ABS1_D : VC_ABS1_S);
        from = width(t);
    }
    result(t, o->rd, d, from);
}

static void em_sqrt(struct translation *t, const struct op *o)
{
    unsigned n = v_get_low(t, o->rn, width(t)), from = v_zero_from(t, n);
    unsigned d = o->rd == o->rn ? 0 : v_new(t, o->rd);
    v_rr(t, v_fp(VSQRT, dbl(t), false), d, n, n);
    check_nan(t, d);
    result(t, o->rd, d, from);
}

/* a: opcode of the 231 form: rd = +-ra +- rn * rm */
static void em_fma(struct translation *t, const struct op *o)
{
    unsigned size = width(t), ra = v_get_low(t, o->ra, size), n = v_get_low(t, o->rn, size),
             m = v_get_low(t, o->rm, size), from = v_zero_from(t, ra);
    unsigned d = o->rd == o->ra || o->rd == o->rn || o->rd == o->rm ? 0 : v_new(t, o->rd);
    v_rr(t, VMOVAPS, d, 0, ra);
    v_rr(t, dbl(t) ? VOPW(2, 1, t->e->a) : VOP(2, 1, t->e->a), d, n, m);
    check_tiny(t, d);
    result(t, o->rd, d, from);
}

/* Equal operands are zeros of any signs or the same: OR (minimum) and AND (maximum) of both orders do it.
 * a: opcode */
static void em_minmax(struct translation *t, const struct op *o)
{
    unsigned size = width(t), n = v_get_low(t, o->rn, size), m = v_get_low(t, o->rm, size);
    unsigned op = v_fp(t->e->a, dbl(t), false);
    ucomis(t, n, m, dbl(t));
    t_slow(t, x64_jcc(&t->as, CC_P));
    v_rr(t, op, 0, n, m);
    v_rr(t, op, 1, m, n);
    v_rr(t, v_fp(t->e->a == VMIN_F ? VOR_F : VAND_F, dbl(t), true), 0, 0, 1);
    result(t, o->rd, 0, 16);
}

/* FABS, FNEG. a: opcode */
static void em_sign(struct translation *t, const struct op *o)
{
    unsigned n = v_get_low(t, o->rn, width(t)), from = v_zero_from(t, n), d = v_new(t, o->rd);
    bool abs = t->e->a == VAND_F;
    unsigned c = abs ? (dbl(t) ? VC_ABS1_D : VC_ABS1_S) : (dbl(t) ? VC_SIGN1_D : VC_SIGN1_S);
    v_rc(t, v_fp(t->e->a, dbl(t), true), d, n, c);
    result(t, o->rd, d, abs ? width(t) : from);
}

static void em_fmov(struct translation *t, const struct op *o)
{
    unsigned n = v_get_low(t, o->rn, width(t));
    result(t, o->rd, n, v_zero_from(t, n));
}

/* ---- compare --------------------------------------------------------------------------------- */

/* Conditions after UCOMIS n, m: below is CF, equal ZF, unordered all of both and PF. Ordered "less" needs the operands
 * exchanged. */
static bool wants_swap(unsigned cond) { return cond >> 1 == 1 || cond >> 1 == 2 || cond >> 1 == 4; }

unsigned t_fp_cc(struct translation *t, unsigned cond)
{
    unsigned odd = cond & 1;
    struct x64 *a = &t->as;
    switch (cond >> 1) {
    case 0:             /* EQ: ZF and not PF */
        x64_8(a, 0x9f); /* lahf */
        x64_ri(a, false, X_AND, RAX, 0x4400);
        x64_ri(a, false, X_CMP, RAX, 0x4000);
        return CC_E ^ odd;
    case 1: return CC_BE ^ odd; /* HS: greater, equal or unordered: m, n below or equal */
    case 2: return CC_A ^ odd;  /* MI: less */
    case 3: return CC_P ^ odd;  /* VS: unordered */
    case 4: return CC_B ^ odd;  /* HI: greater or unordered */
    case 5: return CC_AE ^ odd; /* GE: n, m above or equal */
    default: return CC_A ^ odd; /* GT */
    }
}

static const struct op *next_op(const struct translation *t)
{
    return t->k + 1 < t->n ? &t->page->op[t->first + t->k + 1] : NULL;
}

/* a: signalling (FCMPE); rm < 0: zero */
static void compare(struct translation *t, const struct op *o, bool zero)
{
    struct x64 *a = &t->as;
    unsigned size = width(t), n = v_get_low(t, o->rn, size), m = 0;
    if (zero)
        v_rr(t, VPXOR, 0, 0, 0);
    else
        m = v_get_low(t, o->rm, size);
    const struct op *next = next_op(t);
    const struct emitter *e = next ? &t->j->emitters[next->row] : NULL;
    bool swap = e && (e->flags & EMIT_COND) && wants_swap(next->x);
    v_rr(t, VOP(1, dbl(t) ? 1u : 0u, t->e->a ? 0x2f : 0x2e), swap ? m : n, 0, swap ? n : m);
    t->eflags = swap ? EFLAGS_FP_SWAPPED : EFLAGS_FP;
    t->vs.flags.op = PENDING_NONE;
    if (!(t->live >> t->k & 1))
        return;
    x64_8(a, 0x9f); /* lahf */
    x64_pext_m(a, RAX, RAX, R_CONST, (s32)offsetof(struct jit_shared, flag_mask_fp));
    x64_rmx(a, false, X_LOAD, RAX, R_CONST, RAX, 2, (s32)(offsetof(struct jit_shared, flags_fp) + 32u * swap));
    x64_rm(a, false, X_STORE, RAX, R_CONST, (s32)offsetof(struct jit_shared, flags));
}
static void em_fcmp(struct translation *t, const struct op *o) { compare(t, o, false); }
static void em_fcmp_zero(struct translation *t, const struct op *o) { compare(t, o, true); }

/* FCCMP: flags always go to the state. x = cond, y = nzcv */
static void em_fccmp(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    unsigned size = width(t), n = v_get_low(t, o->rn, size), m = v_get_low(t, o->rm, size);
    u8 *no = x64_jcc(a, t_cond_cc(t, o->x) ^ 1u);
    t->vs.flags.op = PENDING_NONE;
    v_rr(t, VOP(1, dbl(t) ? 1u : 0u, t->e->a ? 0x2f : 0x2e), n, 0, m);
    x64_8(a, 0x9f);
    x64_pext_m(a, RAX, RAX, R_CONST, (s32)offsetof(struct jit_shared, flag_mask_fp));
    x64_rmx(a, false, X_LOAD, RAX, R_CONST, RAX, 2, (s32)offsetof(struct jit_shared, flags_fp));
    u8 *done = x64_jmp8(a);
    x64_here(a, no);
    x64_mov_imm(a, RAX, flags_word(o->y));
    x64_here8(a, done);
    x64_rm(a, false, X_STORE, RAX, R_CONST, (s32)offsetof(struct jit_shared, flags));
}

/* Through a general register. */
static void em_fcsel(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    v_memory(t, o->rn); /* keeps the flags */
    v_memory(t, o->rm);
    unsigned cc = t_cond_cc(t, o->x);
    bool d = dbl(t);
    x64_rm(a, d, X_LOAD, RDX, R_CPU, v_disp(o->rm));
    x64_rm(a, d, 0x0f40 + cc, RDX, R_CPU, v_disp(o->rn));
    v_rr(t, d ? VMOVQ_X : VMOVD, v_new(t, o->rd), 0, RDX);
    v_done(t, o->rd, width(t));
}

/* ---- FPCR and FPSR --------------------------------------------------------------------------- */

/* Reads of both and writes of FPSR in place: where FP/SIMD does not trap, they do not. What MXCSR has collected belongs
 * to FPSR first. False: the row's own emitter goes on. */
bool t_fp_register(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool sr = o->imm == SR_FPSR, write = a64_execs[o->row] == exec_msr;
    if (!sr && o->imm != SR_FPCR)
        return false;
    if (sr)
        x64_link(x64_call(a), t->j->fp_fold[write]);
    if (t->flavour & FLAVOUR_FP_CALL || (write && !sr))
        return false;
    if (write) {
        ld_x(t, false, RAX, o->rd);
        x64_ri(a, false, X_AND, RAX, (s32)cpu_fpsr_mask(t->c));
        x64_rm(a, false, X_STORE, RAX, R_CPU, CPU(fpsr));
    } else {
        if (!sr)
            x64_rm(a, false, X_LOAD, RAX, R_CPU, CPU(fpcr));
        st_x(t, o->rd, RAX);
    }
    return true;
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define SD(name, fn, a, b) ROW(name##32, fn, EMIT_FP, a, b), ROW(name##64, fn, EMIT_FP, a, (b) | 1)
#define CMP(name, fn, a)                                                                                               \
    ROW(name##32, fn, EMIT_FP | EMIT_SETS, a, 0, EFLAGS_FP), ROW(name##64, fn, EMIT_FP | EMIT_SETS, a, 1, EFLAGS_FP)
#define COND(name, fn, flags, a)                                                                                       \
    ROW(name##32, fn, EMIT_FP | EMIT_COND | (flags), a, 0), ROW(name##64, fn, EMIT_FP | EMIT_COND | (flags), a, 1)
const struct emit_row emit_fp_rows[] = {
    SD(fadd, em_binary, VADD_F, 0),
    SD(fsub, em_binary, VSUB_F, 0),
    SD(fmul, em_binary, VMUL_F, TINY),
    SD(fdiv, em_binary, VDIV_F, TINY),
    SD(fnmul, em_binary, VMUL_F, TINY | NEGATE),
    SD(fabd, em_binary, VSUB_F, ABSOLUTE),
    SD(fsqrt, em_sqrt, 0, 0),
    SD(fmadd, em_fma, 0xb9, 0),
    SD(fmsub, em_fma, 0xbd, 0),
    SD(fnmadd, em_fma, 0xbf, 0),
    SD(fnmsub, em_fma, 0xbb, 0),
    SD(fmax, em_minmax, VMAX_F, 0),
    SD(fmin, em_minmax, VMIN_F, 0),
    SD(fmaxnm, em_minmax, VMAX_F, 0),
    SD(fminnm, em_minmax, VMIN_F, 0),
    SD(fabs, em_sign, VAND_F, 0),
    SD(fneg, em_sign, VXOR_F, 0),
    SD(fmov, em_fmov, 0, 0),
    CMP(fcmp, em_fcmp, 0),
    CMP(fcmpe, em_fcmp, 1),
    CMP(fcmp_zero, em_fcmp_zero, 0),
    CMP(fcmpe_zero, em_fcmp_zero, 1),
    COND(fccmp, em_fccmp, 0, 0),
    COND(fccmpe, em_fccmp, 0, 1),
    COND(fcsel, em_fcsel, 0, 0),
    {0},
};
