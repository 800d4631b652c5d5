/* Integer data processing, on guest registers in host registers (general.c): moves, additions, logic, bitfields. */
#include "core/bits.h"
#include "jit/internal.h"

/* Emitter parameters: a = operation, b = width and what else. */
enum { W = 1, FLAGS = 2 };

static bool wide(const struct translation *t) { return t->e->b & W; }

/* d = s, unless that says nothing; a 32-bit move clears the upper half. */
static void move(struct translation *t, bool w, unsigned d, unsigned s)
{
    if (d != s || !w)
        x64_ro(&t->as, w, X_LOAD, d, s);
}
/* The same where a 32-bit operation follows that clears the upper half. */
static void copy(struct translation *t, bool w, unsigned d, unsigned s)
{
    if (d != s)
        x64_ro(&t->as, w, X_LOAD, d, s);
}

/* ---- moves ----------------------------------------------------------------------------------- */

/* d = v, by an instruction that leaves the flags alone where that matters */
static void constant(struct translation *t, unsigned d, u64 v)
{
    if (v || !t->keep[t->k])
        x64_mov_imm(&t->as, d, v);
    else
        x64_mov_imm_keep(&t->as, d, 0);
}

static void em_movk(struct translation *t, const struct op *o);

/* Does the next instruction make another constant of this one? */
static bool goes_on(const struct translation *t, unsigned rd)
{
    if (t->k + 1 >= t->n)
        return false;
    const struct op *next = &t->page->op[t->first + t->k + 1];
    return t->j->emitters[next->row].emit == em_movk && next->rd == rd;
}

static void set_const(struct translation *t, unsigned rd, u64 v)
{
    t->known = rd;
    t->known_val = v;
    if (rd == REG_SINK || goes_on(t, rd))
        return;
    constant(t, x_def(t, rd), v);
}

static void em_movz(struct translation *t, const struct op *o) { set_const(t, o->rd, o->imm); }
static void em_movn(struct translation *t, const struct op *o)
{
    set_const(t, o->rd, wide(t) ? ~o->imm : (u32)~o->imm);
}

static void em_movk(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool w = wide(t);
    u64 hole = ~(0xffffull << 16 * o->x);
    if (t->known == o->rd && o->rd != REG_SINK) {
        u64 v = (t->known_val & hole) | o->imm;
        set_const(t, o->rd, w ? v : (u32)v);
        return;
    }
    t->known = REG_SINK;
    if (o->rd == REG_SINK)
        return;
    x_use(t, o->rd);
    unsigned d = x_def(t, o->rd);
    if (o->x == 0) {
        x64_ri(a, w, X_AND, d, -0x10000);
    } else if (!w) {
        x64_ri(a, false, X_AND, d, 0xffff);
    } else {
        x64_mov_imm(a, RCX, hole);
        x64_rr(a, true, X_AND, d, RCX);
    }
    if (w && o->imm >> 31) {
        x64_mov_imm(a, RCX, o->imm);
        x64_rr(a, true, X_OR, d, RCX);
    } else {
        x64_ri(a, w, X_OR, d, (s32)(u32)o->imm);
    }
}

static void em_mov(struct translation *t, const struct op *o)
{
    if (o->rd == REG_SINK)
        return;
    if (o->rm == REG_ZERO) {
        constant(t, x_def(t, o->rd), 0);
        return;
    }
    unsigned m = x_src(t, o->rm);
    move(t, wide(t), x_def(t, o->rd), m);
}

/* ---- add and subtract ------------------------------------------------------------------------ */

/* The flags of an addition or subtraction whose operands are guest registers, or (imm) one. */
static void addsub_flags(struct translation *t, const struct op *o, bool imm)
{
    struct pending p = {.wide = wide(t), .a = o->rn, .b = imm ? 0 : o->rm, .imm = imm ? (s32)o->imm : 0};
    bool sub = t->e->a == X_SUB;
    if (!(t->e->b & FLAGS))
        return;
    if (imm) {
        p.op = o->rd != o->rn ? (sub ? PENDING_CMP_IMM : PENDING_ADD_IMM) : sub ? PENDING_SUBS_IMM : PENDING_ADDS_IMM;
    } else if (o->rd != o->rn && o->rd != o->rm) {
        p.op = sub ? PENDING_CMP : PENDING_ADD;
    } else if (o->rn == o->rm) {
        p.op = PENDING_NONE;
    } else if (o->rd == o->rn) {
        p.op = sub ? PENDING_SUBS : PENDING_ADDS;
    } else { /* a is the result */
        p.op = sub ? PENDING_RSUBS : PENDING_ADDS;
        p.a = o->rm, p.b = o->rn;
    }
    flags_set(t, (enum eflags)t->e->kind, p);
}

/* Of anything else. */
static void flags_done(struct translation *t)
{
    if (t->e->b & FLAGS)
        flags_set(t, (enum eflags)t->e->kind, (struct pending){0});
}

/* rd = n op m; both may be in the state */
static void binary(struct translation *t, unsigned op, unsigned rd, unsigned n, unsigned m)
{
    struct x64 *a = &t->as;
    bool w = wide(t);
    unsigned d = x_def(t, rd);
    if (d == n) {
        x64_ro(a, w, op, d, m);
    } else if (d == m && (op == X_SUB || op == X_SBB)) {
        x64_ro(a, w, X_LOAD, RAX, n);
        x64_rr(a, w, op, RAX, m);
        x64_rr(a, true, X_LOAD, d, RAX);
    } else if (d == m) {
        x64_ro(a, w, op, d, n);
    } else {
        x64_ro(a, w, X_LOAD, d, n);
        x64_ro(a, w, op, d, m);
    }
}

/* CMP or TEST of n and m, which may be in the state */
static void compare(struct translation *t, unsigned op, unsigned n, unsigned m)
{
    if (n & X_STATE) {
        x64_ro(&t->as, wide(t), X_LOAD, RAX, n);
        n = RAX;
    }
    x64_ro(&t->as, wide(t), op, n, m);
}

/* A source; in a register where the flags are to stay, as then LEA adds. */
static unsigned summand(struct translation *t, unsigned r) { return t->keep[t->k] ? x_use(t, r) : x_src(t, r); }

/* rd = n +- m by the row's operation */
static void addsub(struct translation *t, const struct op *o, unsigned n, unsigned m, bool plain)
{
    struct x64 *a = &t->as;
    bool w = wide(t), flags = t->e->b & FLAGS;
    if (flags && o->rd == REG_SINK && t->e->a == X_SUB) {
        compare(t, X_CMP, n, m);
    } else if (!flags && t->e->a == X_ADD && !((n | m) & X_STATE)) {
        unsigned d = x_def(t, o->rd);
        if ((d == n || d == m) && !t->keep[t->k])
            x64_rr(a, w, X_ADD, d, d == n ? m : n);
        else
            x64_rmx(a, w, X_LEA, d, n, m, 0, 0);
    } else {
        binary(t, t->e->a, o->rd, n, m);
    }
    if (plain)
        addsub_flags(t, o, false);
    else
        flags_done(t);
}

static void em_addsub_imm(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool w = wide(t);
    unsigned n = x_src(t, o->rn), op = t->e->a;
    s32 imm = (s32)o->imm;
    if (t->e->b & FLAGS) {
        if (o->rd == REG_SINK && op == X_SUB) {
            if (n & X_STATE)
                x64_mi(a, w, X_CMP, R_CPU, x_disp(o->rn), imm);
            else if (imm)
                x64_ri(a, w, X_CMP, n, imm);
            else
                x64_rr(a, w, X_TEST, n, n); /* C clear, V clear: as a subtraction of 0 */
        } else {
            unsigned d = x_def(t, o->rd);
            copy(t, w, d, n);
            x64_ri(a, w, op, d, imm);
        }
        addsub_flags(t, o, true);
        return;
    }
    t->sp_keep = o->rn == REG_SP && !(imm & 15);
    unsigned d = x_def(t, o->rd);
    if (imm && n & X_STATE) {
        x64_ro(a, w, X_LOAD, d, n);
        n = d;
    }
    if (imm)
        x64_rm(a, w, X_LEA, d, n, op == X_ADD ? imm : -imm);
    else
        move(t, w, d, n);
}

static void em_addsub_reg(struct translation *t, const struct op *o)
{
    if (t->e->a == X_SUB && o->rn == REG_ZERO && o->rd != REG_SINK) { /* NEG */
        unsigned m = x_src(t, o->rm), d = x_def(t, o->rd);
        copy(t, wide(t), d, m);
        x64_unary(&t->as, wide(t), 3, d);
        addsub_flags(t, o, false);
        return;
    }
    unsigned n = summand(t, o->rn);
    addsub(t, o, n, summand(t, o->rm), true);
}

/* rd = n + (m << s): one instruction for small shifts */
static bool scaled(struct translation *t, const struct op *o, unsigned n, unsigned m, unsigned s)
{
    if (t->e->a != X_ADD || t->e->b & FLAGS || s > 3)
        return false;
    x64_rmx(&t->as, wide(t), X_LEA, x_def(t, o->rd), n, m, s, 0);
    return true;
}

static void em_addsub_shift(struct translation *t, const struct op *o, unsigned kind)
{
    unsigned n = x_use(t, o->rn), m = x_src(t, o->rm);
    if (m & X_STATE) {
        x64_ro(&t->as, wide(t), X_LOAD, RCX, m);
        m = RCX;
    }
    if (kind == X_SHL && scaled(t, o, n, m, (unsigned)o->imm))
        return;
    copy(t, wide(t), RCX, m);
    if (o->imm)
        x64_shift(&t->as, wide(t), kind, RCX, (unsigned)o->imm);
    addsub(t, o, n, RCX, false);
}
static void em_addsub_lsl(struct translation *t, const struct op *o) { em_addsub_shift(t, o, X_SHL); }
static void em_addsub_lsr(struct translation *t, const struct op *o) { em_addsub_shift(t, o, X_SHR); }
static void em_addsub_asr(struct translation *t, const struct op *o) { em_addsub_shift(t, o, X_SAR); }

static void em_addsub_ext(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    unsigned n = x_use(t, o->rn), m = x_src(t, o->rm);
    switch (o->x) {
    case 0: x64_ro(a, false, X_MOVZX8, RCX, m); break;
    case 1: x64_ro(a, false, X_MOVZX16, RCX, m); break;
    case 2: x64_ro(a, false, X_LOAD, RCX, m); break;
    case 4: x64_ro(a, true, X_MOVSX8, RCX, m); break;
    case 5: x64_ro(a, true, X_MOVSX16, RCX, m); break;
    case 6: x64_ro(a, true, X_MOVSXD, RCX, m); break;
    default: x64_ro(a, true, X_LOAD, RCX, m); break;
    }
    if (scaled(t, o, n, RCX, (unsigned)o->imm))
        return;
    if (o->imm)
        x64_shift(a, true, X_SHL, RCX, (unsigned)o->imm);
    addsub(t, o, n, RCX, false);
}

/* CF = PSTATE.C, inverted for subtractions. */
static void carry_in(struct translation *t, bool sub)
{
    struct x64 *a = &t->as;
    enum eflags kind = t->eflags;
    if (kind == EFLAGS_NONE && t->vs.flags.op)
        kind = flags_again(t);
    if (kind == EFLAGS_NONE || kind >= EFLAGS_FP) {
        x64_op(a, false, 0x0fba, 0, 0, R_CONST, false); /* bt [flags], 8 */
        x64_modrm(a, 4, R_CONST, (s32)offsetof(struct jit_shared, flags));
        x64_8(a, 8);
        kind = EFLAGS_ADD;
    }
    if (sub != (kind == EFLAGS_SUB))
        x64_cmc(a);
}

static void em_carry(struct translation *t, const struct op *o)
{
    unsigned n = x_src(t, o->rn), m = x_src(t, o->rm);
    carry_in(t, t->e->a == X_SBB);
    binary(t, t->e->a, o->rd, n, m);
    flags_done(t);
}

/* ---- logical --------------------------------------------------------------------------------- */

enum { OP_AND, OP_OR, OP_XOR, OP_BIC, OP_ORN, OP_EON };

/* rd = n op m, where m is rcx or may be spoilt no more than any guest register */
static void logic(struct translation *t, const struct op *o, unsigned n, unsigned m)
{
    static const u8 alu[] = {X_AND, X_OR, X_XOR, 0, X_OR, X_XOR};
    struct x64 *a = &t->as;
    bool w = wide(t);
    if (t->e->a == OP_BIC) {
        x64_andn(a, w, x_def(t, o->rd), m, n);
    } else if (t->e->a == OP_AND && o->rd == REG_SINK) {
        compare(t, X_TEST, n, m);
    } else {
        if (t->e->a > OP_BIC) {
            copy(t, w, RCX, m);
            x64_unary(a, w, 2, RCX);
            m = RCX;
        }
        binary(t, alu[t->e->a], o->rd, n, m);
    }
    if (!(t->e->b & FLAGS))
        return;
    struct pending p = {.wide = w, .op = PENDING_TEST, .a = o->rd, .b = o->rd};
    if (o->rd == REG_SINK && m != RCX && t->e->a == OP_AND)
        p.a = o->rn, p.b = o->rm;
    else if (o->rd == REG_SINK)
        p.op = PENDING_NONE;
    flags_set(t, EFLAGS_LOGIC, p);
}

static void em_logic_reg(struct translation *t, const struct op *o)
{
    if (t->e->a == OP_ORN && o->rn == REG_ZERO && o->rd != REG_SINK) { /* MVN */
        unsigned m = x_src(t, o->rm), d = x_def(t, o->rd);
        copy(t, wide(t), d, m);
        x64_unary(&t->as, wide(t), 2, d);
        return;
    }
    if (t->e->a == OP_BIC) {
        unsigned n = x_use(t, o->rn);
        logic(t, o, n, x_use(t, o->rm));
        return;
    }
    unsigned n = x_src(t, o->rn);
    logic(t, o, n, x_src(t, o->rm));
}

static void em_logic_shift(struct translation *t, const struct op *o)
{
    static const u8 kind[] = {X_SHL, X_SHR, X_SAR, X_ROR};
    unsigned m = x_src(t, o->rm);
    bool zero = o->rn == REG_ZERO && t->e->a == OP_OR && o->rd != REG_SINK; /* a shift alone */
    unsigned n = zero ? 0 : x_use(t, o->rn), d = zero ? x_def(t, o->rd) : (unsigned)RCX;
    if ((o->x & 3) == 3 && !(m & X_STATE)) {
        x64_rorx(&t->as, wide(t), d, m, (unsigned)o->imm);
    } else {
        x64_ro(&t->as, wide(t), X_LOAD, d, m);
        if (o->imm)
            x64_shift(&t->as, wide(t), kind[o->x & 3], d, (unsigned)o->imm);
    }
    if (!zero)
        logic(t, o, n, RCX);
}

static void em_logic_imm(struct translation *t, const struct op *o)
{
    static const u8 alu[] = {X_AND, X_OR, X_XOR};
    struct x64 *a = &t->as;
    bool w = wide(t), flags = t->e->b & FLAGS;
    if (t->e->a == OP_OR && o->rn == REG_ZERO) {
        if (o->rd != REG_SINK)
            x64_mov_imm(a, x_def(t, o->rd), w ? o->imm : (u32)o->imm);
        return;
    }
    bool test = t->e->a == OP_AND && o->rd == REG_SINK;
    unsigned n = test ? x_use(t, o->rn) : x_src(t, o->rn);
    if (t->e->a == OP_AND && !flags && (o->imm == 0xff || o->imm == 0xffff || o->imm == 0xffffffff)) {
        unsigned d = x_def(t, o->rd);
        if (o->imm == 0xff)
            x64_ro(a, false, X_MOVZX8, d, n);
        else
            x64_ro(a, false, o->imm == 0xffff ? X_MOVZX16 : X_LOAD, d, n);
        return;
    }
    if (!w || o->imm == (u64)(s64)(s32)o->imm) {
        s32 imm = (s32)(u32)o->imm;
        if (test) {
            x64_test_ri(a, w, n, imm);
        } else {
            unsigned d = x_def(t, o->rd);
            copy(t, w, d, n);
            x64_ri(a, w, alu[t->e->a], d, imm);
        }
        if (flags)
            flags_set(t, EFLAGS_LOGIC,
                      o->rd == REG_SINK ? (struct pending){.wide = w, .op = PENDING_TEST_IMM, .a = o->rn, .imm = imm}
                                        : (struct pending){.wide = w, .op = PENDING_TEST, .a = o->rd, .b = o->rd});
        return;
    }
    x64_mov_imm(a, RCX, o->imm);
    logic(t, o, n, RCX);
}

/* ---- bitfields ------------------------------------------------------------------------------- */

/* d = n shifted left by x, then right by y */
static void field(struct translation *t, const struct op *o, unsigned d, unsigned n, unsigned right)
{
    copy(t, true, d, n);
    if (o->x)
        x64_shift(&t->as, true, X_SHL, d, o->x);
    if (o->y)
        x64_shift(&t->as, true, right, d, o->y);
}

static void em_ubfm(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    if (o->rd == REG_SINK)
        return;
    unsigned n = x_src(t, o->rn), d = x_def(t, o->rd);
    if (o->x == o->y && (o->x == 32 || o->x == 48)) {
        x64_ro(a, false, o->x == 32 ? X_LOAD : X_MOVZX16, d, n);
    } else if (o->x == o->y && o->x == 56) {
        x64_ro(a, false, X_MOVZX8, d, n);
    } else if (o->x == o->y && o->x > 33) {
        copy(t, false, d, n);
        x64_ri(a, false, X_AND, d, (1 << (64 - o->x)) - 1);
    } else if (!wide(t) && o->x >= 32 && o->y >= 32) {
        copy(t, false, d, n);
        if (o->x > 32)
            x64_shift(a, false, X_SHL, d, o->x - 32u);
        if (o->y > 32)
            x64_shift(a, false, X_SHR, d, o->y - 32u);
    } else {
        field(t, o, d, n, X_SHR);
        if (!wide(t) && o->y < 32)
            x64_rr(a, false, X_LOAD, d, d);
    }
}

static void em_sbfm(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    if (o->rd == REG_SINK)
        return;
    unsigned n = x_src(t, o->rn), d = x_def(t, o->rd);
    if (o->x == o->y && (o->x == 32 || o->x == 48))
        x64_ro(a, true, o->x == 32 ? X_MOVSXD : X_MOVSX16, d, n);
    else if (o->x == o->y && o->x == 56)
        x64_ro(a, true, X_MOVSX8, d, n);
    else
        field(t, o, d, n, X_SAR);
    if (!wide(t))
        x64_rr(a, false, X_LOAD, d, d);
}

static void em_bfm(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    if (o->rd == REG_SINK)
        return;
    unsigned n = x_src(t, o->rn);
    field(t, o, RAX, n, X_SHR);
    x_use(t, o->rd);
    unsigned d = x_def(t, o->rd);
    if ((u64)(s64)(s32)(u32)~o->imm == ~o->imm) {
        x64_ri(a, true, X_AND, d, (s32)(u32)~o->imm);
    } else {
        x64_mov_imm(a, RCX, ~o->imm);
        x64_rr(a, true, X_AND, d, RCX);
    }
    x64_rr(a, wide(t), X_OR, d, RAX);
}

static void em_extr(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool w = wide(t);
    unsigned n = x_use(t, o->rn), m = x_use(t, o->rm), imm = (unsigned)o->imm;
    if (!imm) {
        move(t, w, x_def(t, o->rd), m);
    } else if (o->rn == o->rm) {
        x64_rorx(a, w, x_def(t, o->rd), m, imm);
    } else {
        x64_rr(a, w, X_LOAD, RAX, m);
        x64_shrd(a, w, RAX, n, imm);
        st_x(t, o->rd, RAX);
    }
}

bool t_adds_constant(const struct emitter *e) { return e->emit == em_addsub_imm; }

/* ---- table ----------------------------------------------------------------------------------- */

/* add, sub: flags of those that do not set NZCV */
#define ADDSUB(sfx, fn, add, sub)                                                                                      \
    ROW(add32_##sfx, fn, add, X_ADD, 0), ROW(add64_##sfx, fn, add, X_ADD, W), ROW(sub32_##sfx, fn, sub, X_SUB, 0),     \
        ROW(sub64_##sfx, fn, sub, X_SUB, W), ROW(adds32_##sfx, fn, EMIT_SETS, X_ADD, FLAGS, EFLAGS_ADD),               \
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

const struct emit_row emit_int_rows[] = {
    ROW(movz, em_movz, EMIT_CONST | EMIT_KEEP, 0, W),
    ROW(movn32, em_movn, EMIT_CONST | EMIT_KEEP, 0, 0),
    ROW(movn64, em_movn, EMIT_CONST | EMIT_KEEP, 0, W),
    ROW(movk32, em_movk, EMIT_CONST, 0, 0),
    ROW(movk64, em_movk, EMIT_CONST, 0, W),
    ROW(mov32_reg, em_mov, EMIT_KEEP | EMIT_QUIET, 0, 0),
    ROW(mov64_reg, em_mov, EMIT_KEEP | EMIT_QUIET, 0, W),
    ADDSUB(imm, em_addsub_imm, EMIT_KEEP | EMIT_QUIET, EMIT_KEEP | EMIT_QUIET),
    ADDSUB(reg, em_addsub_reg, EMIT_KEEP, 0),
    ADDSUB(lsl, em_addsub_lsl, EMIT_KEEP3, 0),
    ADDSUB(lsr, em_addsub_lsr, 0, 0),
    ADDSUB(asr, em_addsub_asr, 0, 0),
    ADDSUB(ext, em_addsub_ext, EMIT_KEEP3, 0),
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
    {0},
};
