/* Integer data processing. Results go through rax; guest registers stay in memory. */
#include "core/bits.h"
#include "jit/internal.h"

/* Emitter parameters: a = operation, b = width and what else. */
enum { W = 1, FLAGS = 2 };

static bool wide(const struct translation *t) { return t->e->b & W; }

/* ---- moves ----------------------------------------------------------------------------------- */

static void set_const(struct translation *t, unsigned rd, u64 v)
{
    struct x64 *a = &t->as;
    t->known = rd;
    t->known_val = v;
    if (rd == REG_SINK)
        return;
    if (v == (u64)(s64)(s32)v) {
        x64_store_imm(a, true, R_CPU, x_disp(rd), (s32)v);
    } else {
        x64_mov_imm(a, RAX, v);
        st_x(t, rd, RAX);
    }
}

static void em_movz(struct translation *t, const struct op *o) { set_const(t, o->rd, o->imm); }
static void em_movn(struct translation *t, const struct op *o)
{
    set_const(t, o->rd, wide(t) ? ~o->imm : (u32)~o->imm);
}

static void em_movk(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    u64 hole = ~(0xffffull << 16 * o->x);
    if (t->known == o->rd && o->rd != REG_SINK) {
        u64 v = (t->known_val & hole) | o->imm;
        set_const(t, o->rd, wide(t) ? v : (u32)v);
        return;
    }
    t->known = REG_SINK;
    if (wide(t) && o->x >= 2) {
        x64_mov_imm(a, RAX, hole);
        op_x(t, true, X_AND, RAX, o->rd);
        x64_mov_imm(a, RCX, o->imm);
        x64_rr(a, true, X_OR, RAX, RCX);
    } else {
        ld_x(t, wide(t), RAX, o->rd);
        if (o->x == 0)
            x64_ri(a, wide(t), X_AND, RAX, -0x10000);
        else if (!wide(t))
            x64_ri(a, false, X_AND, RAX, 0xffff);
        else {
            x64_mov_imm(a, RCX, hole);
            x64_rr(a, true, X_AND, RAX, RCX);
        }
        if (wide(t) && o->imm >> 31) {
            x64_mov_imm(a, RCX, o->imm);
            x64_rr(a, true, X_OR, RAX, RCX);
        } else {
            x64_ri(a, wide(t), X_OR, RAX, (s32)(u32)o->imm);
        }
    }
    st_x(t, o->rd, RAX);
}

static void em_mov(struct translation *t, const struct op *o)
{
    ld_x(t, wide(t), RAX, o->rm);
    st_x(t, o->rd, RAX);
}

/* ---- add and subtract ------------------------------------------------------------------------ */

static void addsub_done(struct translation *t, const struct op *o)
{
    st_x(t, o->rd, RAX);
    if (t->e->b & FLAGS)
        t_flags(t, (enum eflags)t->e->kind);
}

static void em_addsub_imm(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    if ((t->e->b & FLAGS) && o->rd == REG_SINK && t->e->a == X_SUB) {
        x64_mi(a, wide(t), X_CMP, R_CPU, x_disp(o->rn), (s32)o->imm);
        t_flags(t, EFLAGS_SUB);
        return;
    }
    op_x(t, wide(t), X_LOAD, RAX, o->rn);
    if (t->e->b & FLAGS)
        x64_ri(a, wide(t), t->e->a, RAX, (s32)o->imm);
    else if (o->imm || !wide(t))
        x64_rm(a, wide(t), X_LEA, RAX, RAX, t->e->a == X_ADD ? (s32)o->imm : -(s32)o->imm);
    addsub_done(t, o);
}

static void em_addsub_reg(struct translation *t, const struct op *o)
{
    op_x(t, wide(t), X_LOAD, RAX, o->rn);
    op_x(t, wide(t), t->e->a, RAX, o->rm);
    addsub_done(t, o);
}

static void addsub_rcx(struct translation *t, const struct op *o)
{
    op_x(t, wide(t), X_LOAD, RAX, o->rn);
    x64_rr(&t->as, wide(t), t->e->a, RAX, RCX);
    addsub_done(t, o);
}

static void em_addsub_shift(struct translation *t, const struct op *o, unsigned kind)
{
    op_x(t, wide(t), X_LOAD, RCX, o->rm);
    if (o->imm)
        x64_shift(&t->as, wide(t), kind, RCX, (unsigned)o->imm);
    addsub_rcx(t, o);
}
static void em_addsub_lsl(struct translation *t, const struct op *o) { em_addsub_shift(t, o, X_SHL); }
static void em_addsub_lsr(struct translation *t, const struct op *o) { em_addsub_shift(t, o, X_SHR); }
static void em_addsub_asr(struct translation *t, const struct op *o) { em_addsub_shift(t, o, X_SAR); }

static void em_addsub_ext(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    switch (o->x) {
    case 0: op_x(t, false, X_MOVZX8, RCX, o->rm); break;
    case 1: op_x(t, false, X_MOVZX16, RCX, o->rm); break;
    case 2: op_x(t, false, X_LOAD, RCX, o->rm); break;
    case 4: op_x(t, true, X_MOVSX8, RCX, o->rm); break;
    case 5: op_x(t, true, X_MOVSX16, RCX, o->rm); break;
    case 6: op_x(t, true, X_MOVSXD, RCX, o->rm); break;
    default: op_x(t, true, X_LOAD, RCX, o->rm); break;
    }
    if (o->imm)
        x64_shift(a, true, X_SHL, RCX, (unsigned)o->imm);
    addsub_rcx(t, o);
}

/* The carry flag becomes PSTATE.C, inverted for subtractions. */
static void em_carry(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    op_x(t, wide(t), X_LOAD, RAX, o->rn);
    x64_op(a, false, 0x0fba, 0, 0, R_CPU, false); /* bt [nzcv], 29 */
    x64_modrm(a, 4, R_CPU, CPU(nzcv));
    x64_8(a, 29);
    if (t->e->a == X_SBB)
        x64_8(a, 0xf5); /* cmc */
    op_x(t, wide(t), t->e->a, RAX, o->rm);
    addsub_done(t, o);
}

/* ---- logical --------------------------------------------------------------------------------- */

enum { OP_AND, OP_OR, OP_XOR, OP_BIC, OP_ORN, OP_EON };

static void logic_rcx(struct translation *t, const struct op *o)
{
    static const u8 alu[] = {X_AND, X_OR, X_XOR, 0, X_OR, X_XOR};
    struct x64 *a = &t->as;
    bool w = wide(t);
    op_x(t, w, X_LOAD, RAX, o->rn);
    if (t->e->a == OP_BIC) {
        x64_andn(a, w, RAX, RCX, RAX);
    } else {
        if (t->e->a > OP_BIC)
            x64_unary(a, w, 2, RCX);
        x64_rr(a, w, alu[t->e->a], RAX, RCX);
    }
    addsub_done(t, o);
}

static void em_logic_reg(struct translation *t, const struct op *o)
{
    op_x(t, wide(t), X_LOAD, RCX, o->rm);
    logic_rcx(t, o);
}

static void em_logic_shift(struct translation *t, const struct op *o)
{
    static const u8 kind[] = {X_SHL, X_SHR, X_SAR, X_ROR};
    op_x(t, wide(t), X_LOAD, RCX, o->rm);
    if (o->imm)
        x64_shift(&t->as, wide(t), kind[o->x & 3], RCX, (unsigned)o->imm);
    logic_rcx(t, o);
}

static void em_logic_imm(struct translation *t, const struct op *o)
{
    static const u8 alu[] = {X_AND, X_OR, X_XOR};
    struct x64 *a = &t->as;
    bool w = wide(t);
    if (t->e->a == OP_AND && !(t->e->b & FLAGS) && (o->imm == 0xff || o->imm == 0xffff || o->imm == 0xffffffff)) {
        op_x(t, false, o->imm == 0xff ? X_MOVZX8 : o->imm == 0xffff ? X_MOVZX16 : X_LOAD, RAX, o->rn);
        st_x(t, o->rd, RAX);
        return;
    }
    if (!w || o->imm == (u64)(s64)(s32)o->imm) {
        op_x(t, w, X_LOAD, RAX, o->rn);
        x64_ri(a, w, alu[t->e->a], RAX, (s32)(u32)o->imm);
        addsub_done(t, o);
        return;
    }
    x64_mov_imm(a, RCX, o->imm);
    logic_rcx(t, o);
}

/* ---- bitfields ------------------------------------------------------------------------------- */

static void field_rax(struct translation *t, const struct op *o, unsigned right)
{
    op_x(t, true, X_LOAD, RAX, o->rn);
    if (o->x)
        x64_shift(&t->as, true, X_SHL, RAX, o->x);
    if (o->y)
        x64_shift(&t->as, true, right, RAX, o->y);
}

static void em_ubfm(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    if (o->x == o->y && (o->x == 32 || o->x == 48 || o->x == 56)) {
        op_x(t, false, o->x == 32 ? X_LOAD : o->x == 48 ? X_MOVZX16 : X_MOVZX8, RAX, o->rn);
    } else {
        field_rax(t, o, X_SHR);
        if (!wide(t) && o->y < 32)
            x64_rr(a, false, X_LOAD, RAX, RAX);
    }
    st_x(t, o->rd, RAX);
}

static void em_sbfm(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    if (o->x == o->y && (o->x == 32 || o->x == 48 || o->x == 56))
        op_x(t, true, o->x == 32 ? X_MOVSXD : o->x == 48 ? X_MOVSX16 : X_MOVSX8, RAX, o->rn);
    else
        field_rax(t, o, X_SAR);
    if (!wide(t))
        x64_rr(a, false, X_LOAD, RAX, RAX);
    st_x(t, o->rd, RAX);
}

static void em_bfm(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    field_rax(t, o, X_SHR);
    if ((u64)(s64)(s32)(u32)~o->imm == ~o->imm) {
        op_x(t, true, X_LOAD, RCX, o->rd);
        x64_ri(a, true, X_AND, RCX, (s32)(u32)~o->imm);
    } else {
        x64_mov_imm(a, RCX, ~o->imm);
        op_x(t, true, X_AND, RCX, o->rd);
    }
    x64_rr(a, wide(t), X_OR, RAX, RCX);
    st_x(t, o->rd, RAX);
}

static void em_extr(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    op_x(t, wide(t), X_LOAD, RAX, o->rm);
    if (o->imm) {
        if (o->rn == o->rm) {
            x64_shift(a, wide(t), X_ROR, RAX, (unsigned)o->imm);
        } else {
            op_x(t, wide(t), X_LOAD, RCX, o->rn);
            x64_shrd(a, wide(t), RAX, RCX, (unsigned)o->imm);
        }
    }
    st_x(t, o->rd, RAX);
}

/* ---- conditional ----------------------------------------------------------------------------- */

enum { SEL, INC, INV, NEG };

/* After t_cond_cc() nothing may touch the flags. */
static void em_csel(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool w = wide(t);
    unsigned cc = t_cond_cc(t, o->x);
    if (t->e->a == INC && o->rn == REG_ZERO && o->rm == REG_ZERO) {
        x64_setcc(a, cc ^ 1, RAX);
        x64_rr8(a, false, X_MOVZX8, RAX, RAX);
        st_x(t, o->rd, RAX);
        return;
    }
    op_x(t, w, X_LOAD, RAX, o->rm);
    if (t->e->a == INV || t->e->a == NEG)
        x64_unary(a, w, 2, RAX); /* not: keeps the flags */
    if (t->e->a == INC || t->e->a == NEG)
        x64_rm(a, w, X_LEA, RAX, RAX, 1);
    op_x(t, w, 0x0f40 + cc, RAX, o->rn);
    st_x(t, o->rd, RAX);
}

/* a: X_SUB or X_ADD; b: width, FLAGS: immediate */
static void em_ccmp(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool w = wide(t), add = t->e->a == X_ADD;
    u8 *no = x64_jcc(a, t_cond_cc(t, o->x) ^ 1);
    if (add || !(t->e->b & FLAGS))
        op_x(t, w, X_LOAD, RAX, o->rn);
    if (!(t->e->b & FLAGS))
        op_x(t, w, add ? X_ADD : X_CMP, RAX, o->rm);
    else if (add)
        x64_ri(a, w, X_ADD, RAX, (s32)o->imm);
    else
        x64_mi(a, w, X_CMP, R_CPU, x_disp(o->rn), (s32)o->imm);
    t->need[t->k] = true;
    t_flags(t, add ? EFLAGS_ADD : EFLAGS_SUB);
    t->eflags = EFLAGS_NONE;
    u8 *done = x64_jmp8(a);
    x64_here(a, no);
    x64_store_imm(a, false, R_CPU, CPU(nzcv), (s32)((u32)o->y << 28));
    x64_here8(a, done);
}

/* ---- one and two sources --------------------------------------------------------------------- */

/* a: the operation by opcode; unary forms "op rax, [rn]" */
static void em_lzcnt(struct translation *t, const struct op *o)
{
    op_x(t, wide(t), t->e->a ? X_TZCNT : X_LZCNT, RAX, o->rn);
    st_x(t, o->rd, RAX);
}

static void em_rev(struct translation *t, const struct op *o)
{
    op_x(t, wide(t), X_LOAD, RAX, o->rn);
    x64_bswap(&t->as, wide(t), RAX);
    if (t->e->a)
        x64_shift(&t->as, true, X_ROL, RAX, 32); /* REV32 of 64 bits */
    st_x(t, o->rd, RAX);
}

static void em_shiftv(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    op_x(t, wide(t), X_LOAD, RCX, o->rm);
    op_x(t, wide(t), X_LOAD, RAX, o->rn);
    if (t->e->a) {
        x64_shiftx(a, wide(t), t->e->a, RAX, RAX, RCX);
    } else { /* ror rax, cl */
        x64_op(a, wide(t), 0xd3, 0, 0, RAX, false);
        x64_8(a, 0xc8);
    }
    st_x(t, o->rd, RAX);
}

static void em_div(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool w = wide(t), sign = t->e->a;
    u8 *minus = NULL;
    op_x(t, w, X_LOAD, RCX, o->rm);
    x64_rr(a, false, X_XOR, RAX, RAX);
    x64_rr(a, w, X_TEST, RCX, RCX);
    u8 *zero = x64_jcc8(a, CC_E);
    op_x(t, w, X_LOAD, RAX, o->rn);
    if (sign) { /* the most negative number by -1 would fault */
        x64_ri(a, w, X_CMP, RCX, -1);
        u8 *divide = x64_jcc8(a, CC_NE);
        x64_unary(a, w, 3, RAX);
        minus = x64_jmp8(a);
        x64_here8(a, divide);
        if (w)
            x64_8(a, 0x48);
        x64_8(a, 0x99); /* cdq, cqo */
    } else {
        x64_rr(a, false, X_XOR, RDX, RDX);
    }
    x64_unary(a, w, sign ? 7 : 6, RCX);
    x64_here8(a, zero);
    if (minus)
        x64_here8(a, minus);
    st_x(t, o->rd, RAX);
}

/* ---- three sources --------------------------------------------------------------------------- */

/* a: X_ADD or X_SUB of the product in rax to ra */
static void accumulate(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool w = wide(t);
    if (o->ra == REG_ZERO) {
        if (t->e->a == X_SUB)
            x64_unary(a, w, 3, RAX);
    } else if (t->e->a == X_ADD) {
        op_x(t, w, X_ADD, RAX, o->ra);
    } else {
        op_x(t, w, X_LOAD, RCX, o->ra);
        x64_rr(a, w, X_SUB, RCX, RAX);
        x64_rr(a, true, X_LOAD, RAX, RCX);
    }
    st_x(t, o->rd, RAX);
}

static void em_madd(struct translation *t, const struct op *o)
{
    op_x(t, wide(t), X_LOAD, RAX, o->rn);
    op_x(t, wide(t), X_IMUL, RAX, o->rm);
    accumulate(t, o);
}

/* b: W and FLAGS for the signed forms */
static void em_maddl(struct translation *t, const struct op *o)
{
    unsigned load = t->e->b & FLAGS ? X_MOVSXD : X_LOAD;
    bool w = t->e->b & FLAGS;
    op_x(t, w, load, RAX, o->rn);
    op_x(t, w, load, RCX, o->rm);
    x64_rr(&t->as, true, X_IMUL, RAX, RCX);
    accumulate(t, o);
}

static void em_mulh(struct translation *t, const struct op *o)
{
    op_x(t, true, X_LOAD, RAX, o->rn);
    x64_unary_m(&t->as, true, t->e->a, R_CPU, x_disp(o->rm));
    st_x(t, o->rd, RDX);
}

/* ---- table ----------------------------------------------------------------------------------- */

#define ADDSUB(sfx, fn)                                                                                                \
    ROW(add32_##sfx, fn, 0, X_ADD, 0), ROW(add64_##sfx, fn, 0, X_ADD, W), ROW(sub32_##sfx, fn, 0, X_SUB, 0),           \
        ROW(sub64_##sfx, fn, 0, X_SUB, W), ROW(adds32_##sfx, fn, EMIT_SETS, X_ADD, FLAGS, EFLAGS_ADD),                 \
        ROW(adds64_##sfx, fn, EMIT_SETS, X_ADD, W | FLAGS, EFLAGS_ADD),                                                \
        ROW(subs32_##sfx, fn, EMIT_SETS, X_SUB, FLAGS, EFLAGS_SUB),                                                    \
        ROW(subs64_##sfx, fn, EMIT_SETS, X_SUB, W | FLAGS, EFLAGS_SUB)
#define LOGIC_T(sfx, fn, w)                                                                                            \
    ROW(and##sfx, fn, 0, OP_AND, w), ROW(orr##sfx, fn, 0, OP_OR, w), ROW(eor##sfx, fn, 0, OP_XOR, w),                  \
        ROW(ands##sfx, fn, EMIT_SETS, OP_AND, (w) | FLAGS, EFLAGS_LOGIC)
#define LOGIC_N(sfx, fn, w)                                                                                            \
    ROW(bic##sfx, fn, 0, OP_BIC, w), ROW(orn##sfx, fn, 0, OP_ORN, w), ROW(eon##sfx, fn, 0, OP_EON, w),                 \
        ROW(bics##sfx, fn, EMIT_SETS, OP_BIC, (w) | FLAGS, EFLAGS_LOGIC)
#define BOTH(name, fn, a) ROW(name##32, fn, 0, a, 0), ROW(name##64, fn, 0, a, W)
#define CSEL(name, a)     ROW(name##32, em_csel, EMIT_COND, a, 0), ROW(name##64, em_csel, EMIT_COND, a, W)
#define CCMP(name, a)                                                                                                  \
    ROW(name##32_reg, em_ccmp, EMIT_COND | EMIT_SETS, a, 0), ROW(name##64_reg, em_ccmp, EMIT_COND | EMIT_SETS, a, W),  \
        ROW(name##32_imm, em_ccmp, EMIT_COND | EMIT_SETS, a, FLAGS),                                                   \
        ROW(name##64_imm, em_ccmp, EMIT_COND | EMIT_SETS, a, W | FLAGS)

const struct emit_row emit_int_rows[] = {
    ROW(movz, em_movz, EMIT_CONST, 0, W),
    ROW(movn32, em_movn, EMIT_CONST, 0, 0),
    ROW(movn64, em_movn, EMIT_CONST, 0, W),
    ROW(movk32, em_movk, EMIT_CONST, 0, 0),
    ROW(movk64, em_movk, EMIT_CONST, 0, W),
    ROW(mov32_reg, em_mov, 0, 0, 0),
    ROW(mov64_reg, em_mov, 0, 0, W),
    ADDSUB(imm, em_addsub_imm),
    ADDSUB(reg, em_addsub_reg),
    ADDSUB(lsl, em_addsub_lsl),
    ADDSUB(lsr, em_addsub_lsr),
    ADDSUB(asr, em_addsub_asr),
    ADDSUB(ext, em_addsub_ext),
    ROW(adc32, em_carry, EMIT_USES, X_ADC, 0),
    ROW(adc64, em_carry, EMIT_USES, X_ADC, W),
    ROW(sbc32, em_carry, EMIT_USES, X_SBB, 0),
    ROW(sbc64, em_carry, EMIT_USES, X_SBB, W),
    ROW(adcs32, em_carry, EMIT_USES | EMIT_SETS, X_ADC, FLAGS, EFLAGS_ADD),
    ROW(adcs64, em_carry, EMIT_USES | EMIT_SETS, X_ADC, W | FLAGS, EFLAGS_ADD),
    ROW(sbcs32, em_carry, EMIT_USES | EMIT_SETS, X_SBB, FLAGS, EFLAGS_SUB),
    ROW(sbcs64, em_carry, EMIT_USES | EMIT_SETS, X_SBB, W | FLAGS, EFLAGS_SUB),
    LOGIC_T(32_imm, em_logic_imm, 0),
    LOGIC_T(64_imm, em_logic_imm, W),
    LOGIC_T(32_reg, em_logic_reg, 0),
    LOGIC_T(64_reg, em_logic_reg, W),
    LOGIC_T(32_shift, em_logic_shift, 0),
    LOGIC_T(64_shift, em_logic_shift, W),
    LOGIC_N(32_reg, em_logic_reg, 0),
    LOGIC_N(64_reg, em_logic_reg, W),
    LOGIC_N(32_shift, em_logic_shift, 0),
    LOGIC_N(64_shift, em_logic_shift, W),
    BOTH(ubfm, em_ubfm, 0),
    BOTH(sbfm, em_sbfm, 0),
    BOTH(bfm, em_bfm, 0),
    BOTH(extr, em_extr, 0),
    CSEL(csel, SEL),
    CSEL(csinc, INC),
    CSEL(csinv, INV),
    CSEL(csneg, NEG),
    CCMP(ccmp, X_SUB),
    CCMP(ccmn, X_ADD),
    BOTH(clz, em_lzcnt, 0),
    BOTH(ctz, em_lzcnt, 1),
    BOTH(rev, em_rev, 0),
    ROW(rev32_64, em_rev, 0, 1, W),
    BOTH(lslv, em_shiftv, 1),
    BOTH(asrv, em_shiftv, 2),
    BOTH(lsrv, em_shiftv, 3),
    BOTH(rorv, em_shiftv, 0),
    BOTH(udiv, em_div, 0),
    BOTH(sdiv, em_div, 1),
    BOTH(madd, em_madd, X_ADD),
    BOTH(msub, em_madd, X_SUB),
    ROW(smaddl, em_maddl, 0, X_ADD, W | FLAGS),
    ROW(umaddl, em_maddl, 0, X_ADD, W),
    ROW(smsubl, em_maddl, 0, X_SUB, W | FLAGS),
    ROW(umsubl, em_maddl, 0, X_SUB, W),
    ROW(umulh, em_mulh, 0, 4),
    ROW(smulh, em_mulh, 0, 5),
    {0},
};
