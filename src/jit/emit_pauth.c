/* Pointer authentication: the memo of results (cpu/pauth.h) is looked up in place; what is not there is a call. With
 * the implementation defined algorithm keys for instructions need no memo: codes are computed, for pointers that are
 * addresses and for codes that match.
 *
 * One piece of shared code for each operation and key does it. Its hit is what the exec function's would be, so nothing
 * but time depends on it. */
#include "core/bits.h"
#include "jit/internal.h"

static const u16 key_lo[] = {APIAKeyLo_EL1, APIBKeyLo_EL1, APDAKeyLo_EL1, APDBKeyLo_EL1};
static const u16 key_hi[] = {APIAKeyHi_EL1, APIBKeyHi_EL1, APDAKeyHi_EL1, APDBKeyHi_EL1};

static s32 cell(unsigned id) { return (s32)(offsetof(struct cpu, sys) + 8 * id) - CPU_BIAS; }

/* rdi: address of the register, rdx: modifier, eax: as for the call. */
static void probe(struct jit *j, bool authenticate, unsigned key)
{
    struct x64 *a = &j->as;
    s32 memo = CPU(pauth_memo) + (s32)(authenticate * PAUTH_MEMOS * sizeof(struct pauth_memo));
    u8 *miss[5];
    x64_rm(a, true, X_LOAD, RSI, RDI, 0);
    x64_rr(a, true, X_LOAD, RCX, RDX);
    x64_shift(a, true, X_SHR, RCX, PAUTH_MODIFIER_SHIFT);
    x64_rr(a, true, X_LOAD, R8, RSI);
    x64_shift(a, true, X_SHR, R8, PAUTH_PTR_SHIFT);
    x64_rr(a, false, X_XOR, RCX, R8);
    x64_ri(a, false, X_AND, RCX, PAUTH_MEMOS - 1);
    x64_shift(a, false, X_SHL, RCX, 6);
    x64_rm(a, false, X_LOAD, R8, R_CPU, CPU(pauth_tag));
    if (key)
        x64_ri(a, false, X_OR, R8, (s32)key);
    x64_rmx(a, false, X_CMP, R8, R_CPU, RCX, 0, memo + (s32)offsetof(struct pauth_memo, tag));
    miss[0] = x64_jcc8(a, CC_NE);
    x64_rmx(a, true, X_CMP, RSI, R_CPU, RCX, 0, memo + (s32)offsetof(struct pauth_memo, ptr));
    miss[1] = x64_jcc8(a, CC_NE);
    x64_rmx(a, true, X_CMP, RDX, R_CPU, RCX, 0, memo + (s32)offsetof(struct pauth_memo, modifier));
    miss[2] = x64_jcc8(a, CC_NE);
    x64_rm(a, true, X_LOAD, R8, R_CPU, cell(key_lo[key]));
    x64_rmx(a, true, X_CMP, R8, R_CPU, RCX, 0, memo + (s32)offsetof(struct pauth_memo, key.lo));
    miss[3] = x64_jcc8(a, CC_NE);
    x64_rm(a, true, X_LOAD, R8, R_CPU, cell(key_hi[key]));
    x64_rmx(a, true, X_CMP, R8, R_CPU, RCX, 0, memo + (s32)offsetof(struct pauth_memo, key.hi));
    miss[4] = x64_jcc8(a, CC_NE);
    x64_rmx(a, true, X_LOAD, RSI, R_CPU, RCX, 0, memo + (s32)offsetof(struct pauth_memo, result));
    x64_rm(a, true, X_STORE, RSI, RDI, 0);
    x64_ret(a);
    for (unsigned i = 0; i < ARRAY_LEN(miss); i++)
        x64_here8(a, miss[i]);
    x64_link(x64_jmp(a), j->call);
}

static bool in_place(const struct cpu *c, unsigned key)
{
    return key < 2 && cpu_has(c, FEAT_PACIMP) && cpu_has(c, FEAT_PAuth2);
}

/* rcx = pauth_compute() of rcx, modifier rdx. Clobbers rdx. */
static void mix(struct x64 *a, unsigned key)
{
    x64_rm(a, true, X_XOR, RDX, R_CPU, cell(key_hi[key]));
    x64_rm(a, true, X_XOR, RCX, R_CPU, cell(key_lo[key]));
    x64_rm(a, true, X_XOR, RDX, R_CONST, (s32)offsetof(struct jit_shared, pauth_mix));
    x64_vex_rr(a, 2, 3, true, 0xf6, RCX, RDX, RCX); /* mulx rcx, rdx, rcx */
    x64_rr(a, true, X_XOR, RCX, RDX);
}

/* FEAT_PAuth2 with the implementation defined algorithm and a key for instructions. rax: pointer, rdx: modifier. ZF:
 * rax, or rcx where authenticate is false, is what the pointer's bits change by; otherwise it is the call's. Nothing
 * depends on the code before it is compared: the authenticated pointer is known early. */
static void computed(struct jit *j, bool authenticate, unsigned key)
{
    struct x64 *a = &j->as;
    s32 mask = CPU(pauth_mask) + 8; /* of bit 55 clear; set: the one before */
    x64_test8_mi(a, R_CPU, CPU(pauth_tag), 8u << key);
    u8 *off = x64_jcc8(a, CC_E);
    if (authenticate) {
        x64_vex_rr(a, 1, 1, true, 0x6e, 0, 0, RAX); /* vmovq xmm0, rax */
        x64_rr(a, true, X_LOAD, RCX, RAX);
        x64_shift(a, true, X_SHL, RCX, 8); /* bit 55 selects the range */
        x64_shift(a, true, X_SAR, RCX, 63);
        x64_rr(a, true, X_XOR, RAX, RCX);
        x64_rmx(a, true, X_AND, RAX, R_CPU, RCX, 3, mask);
        x64_vex_rr(a, 1, 1, true, 0x7e, 0, 0, RCX); /* vmovq rcx, xmm0 */
        x64_rr(a, true, X_XOR, RCX, RAX);
        mix(a, key);
        x64_vex_rr(a, 1, 1, true, 0x7e, 0, 0, RDX);
        x64_rr(a, true, X_XOR, RCX, RAX);
        x64_shift(a, true, X_SHL, RDX, 8);
        x64_shift(a, true, X_SAR, RDX, 63);
        x64_rmx(a, true, X_TEST, RCX, R_CPU, RDX, 3, mask);
        x64_ret(a);
    } else {
        x64_rr(a, true, X_LOAD, RCX, RAX);
        mix(a, key);
        x64_rr(a, true, X_LOAD, RDX, RAX);
        x64_shift(a, true, X_SAR, RDX, 63);
        x64_rmx(a, true, X_AND, RCX, R_CPU, RDX, 3, mask);
        x64_rr(a, true, X_XOR, RAX, RDX);
        x64_rmx(a, true, X_TEST, RAX, R_CPU, RDX, 3, mask);
        u8 *other = x64_jcc8(a, CC_NE);
        x64_shift(a, true, X_SHR, RAX, 55); /* an address, which is what the code is of */
        x64_here8(a, other);
        x64_ret(a);
    }
    x64_here8(a, off);
    x64_rr(a, false, X_XOR, authenticate ? RAX : RCX, authenticate ? RAX : RCX);
    x64_mi(a, false, X_CMP, R_CPU, CPU(pauth_tag), 0);
    u8 *unknown = x64_jcc8(a, CC_E);
    x64_rr(a, false, X_CMP, RAX, RAX); /* the key is disabled */
    x64_ret(a);
    x64_here8(a, unknown);
    x64_rr(a, true, X_TEST, RSP, RSP);
    x64_ret(a);
}

void jit_emit_pauth(struct jit *j, const struct cpu *c)
{
    CHECK(sizeof(struct pauth_memo) == 1 << 6);
    j->shared.pauth_mix = PAUTH_MIX;
    for (unsigned i = 0; i < ARRAY_LEN(j->pauth); i++) {
        j->pauth[i] = j->as.p;
        if (in_place(c, i % 4))
            computed(j, i / 4, i % 4);
        else
            probe(j, i / 4, i % 4);
    }
}

/* a: key, bit 2: authenticate; b: register in 5:0, bits 7:6: where the modifier is */
enum { IN_RN, IN_X16, IN_SP, IN_ZERO };
#define B(reg, modifier) ((reg) | (modifier) << 6)
static void load_modifier(struct translation *t, unsigned from)
{
    if (from == REG_SINK)
        x64_rr(&t->as, false, X_XOR, RDX, RDX);
    else
        ld_x(t, true, RDX, from);
}

/* Where the code is computed: the host register that has what r's bits change by. */
static unsigned in_registers(struct translation *t, unsigned r, unsigned from)
{
    struct x64 *a = &t->as;
    load_modifier(t, from);
    ld_x(t, true, RAX, r);
    x64_link(x64_call(a), t->j->pauth[t->e->a]);
    t_slow(t, x64_jcc(a, CC_NE));
    return t->e->a & 4 ? RAX : RCX;
}

/* The register in the state at disp becomes the result, or the call does all. */
static void by_memo(struct translation *t, s32 disp, unsigned from)
{
    struct x64 *a = &t->as;
    load_modifier(t, from);
    x64_rm(a, true, X_LEA, RDI, R_CPU, disp);
    x64_mov_imm_keep(a, RAX, t_packed(t));
    x64_link(x64_call(a), t->j->pauth[t->e->a]);
    v_forget(t);
}

/* Where the modifier is; REG_SINK: it is zero. */
static unsigned modifier_of(const struct translation *t, unsigned xn)
{
    static const u8 where[4] = {[IN_X16] = 16, [IN_SP] = REG_SP, [IN_ZERO] = REG_SINK};
    unsigned m = t->e->b >> 6;
    return m == IN_RN ? xn : where[m];
}

static void em_pauth(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    unsigned rd = t->e->b & 63, from = modifier_of(t, o->rn);
    if (!rd)
        rd = o->rd;
    if (rd == REG_SINK) {
        t_call(t);
        return;
    }
    if (in_place(t->c, t->e->a & 3)) {
        flags_settle(a, &t->vs); /* operands of what is pending may be overwritten */
        unsigned delta = in_registers(t, rd, from);
        x_use(t, rd);
        x64_rr(a, true, X_XOR, x_def(t, rd), delta);
        return;
    }
    x_sync(t);
    x_forget(t);
    t->regs = false;
    by_memo(t, x_disp(rd), from);
}

/* b: register; codes of instructions' pointers */
static void em_strip(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    unsigned rd = t->e->b ? t->e->b : o->rd;
    if (rd == REG_SINK) {
        t_call(t);
        return;
    }
    flags_settle(a, &t->vs);
    x64_mi(a, false, X_CMP, R_CPU, CPU(pauth_tag), 0);
    t_slow(t, x64_jcc(a, CC_E));
    ld_x(t, true, RAX, rd);
    x64_rr(a, true, X_LOAD, RCX, RAX);
    x64_shift(a, true, X_SHL, RCX, 8);
    x64_shift(a, true, X_SAR, RCX, 63);
    x64_rr(a, true, X_XOR, RAX, RCX);
    x64_rmx(a, true, X_AND, RAX, R_CPU, RCX, 3, CPU(pauth_mask) + 8);
    x_use(t, rd);
    x64_rr(a, true, X_XOR, x_def(t, rd), RAX);
}

/* a: as above; b: register, where the modifier is. The call, if it comes to that, does the whole branch. */
static void em_branch(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool ret = t->e->b >> 6 == IN_SP, link = !ret;
    unsigned r = ret ? 30 : o->rn, from = modifier_of(t, o->rd);
    if (in_place(t->c, t->e->a & 3)) {
        in_registers(t, r, from);
        x64_rm(a, true, X_XOR, RAX, R_CPU, x_disp(r));
    } else {
        x64_rm(a, true, X_LOAD, RAX, R_CPU, x_disp(r));
        x64_rm(a, true, X_STORE, RAX, R_CPU, x_disp(REG_SINK));
        by_memo(t, x_disp(REG_SINK), from);
        x64_rm(a, true, X_LOAD, RAX, R_CPU, x_disp(REG_SINK));
    }
    if (link) {
        x64_page(a, RCX, t_off(t) + 4);
        st_x(t, 30, RCX);
    }
    if (link)
        t_push_return(t);
    if (ret)
        t_return(t);
    else if (cpu_has(t->c, FEAT_BTI))
        t_jump_btype(t, 2, false);
    else
        t_jump_reg(t, false);
}

#define KEYED(name, k, reg, modifier)                                                                                  \
    ROW(pac##name, em_pauth, EMIT_EXIT | EMIT_REGS | EMIT_FIXED, k, B(reg, modifier)),                                 \
        ROW(aut##name, em_pauth, EMIT_EXIT | EMIT_REGS | EMIT_FIXED, 4 | k, B(reg, modifier))
#define BOTH(name, reg, modifier) KEYED(ia##name, 0, reg, modifier), KEYED(ib##name, 1, reg, modifier)
const struct emit_row emit_pauth_rows[] = {
    BOTH(, 0, IN_RN),
    KEYED(da, 2, 0, IN_RN),
    KEYED(db, 3, 0, IN_RN),
    KEYED(iza, 0, 0, IN_ZERO),
    KEYED(izb, 1, 0, IN_ZERO),
    KEYED(dza, 2, 0, IN_ZERO),
    KEYED(dzb, 3, 0, IN_ZERO),
    BOTH(1716, 17, IN_X16),
    BOTH(z, 30, IN_ZERO),
    BOTH(sp, 30, IN_SP),
    ROW(xpaclri, em_strip, EMIT_EXIT | EMIT_REGS | EMIT_FIXED, 0, 30),
    ROW(xpaci, em_strip, EMIT_EXIT | EMIT_REGS),
    ROW(retaa, em_branch, EMIT_EXIT | EMIT_END, 4, B(0, IN_SP)),
    ROW(retab, em_branch, EMIT_EXIT | EMIT_END, 5, B(0, IN_SP)),
    ROW(blraa, em_branch, EMIT_EXIT | EMIT_END, 4, B(0, IN_RN)),
    ROW(blrab, em_branch, EMIT_EXIT | EMIT_END, 5, B(0, IN_RN)),
    ROW(blraaz, em_branch, EMIT_EXIT | EMIT_END, 4, B(0, IN_ZERO)),
    ROW(blrabz, em_branch, EMIT_EXIT | EMIT_END, 5, B(0, IN_ZERO)),
    {0},
};
