/* SVC, HVC and ERET without a call, when the same was done from the same state before.
 *
 * What these do to PSTATE, the stack pointers and the contexts depends on PSTATE, the registers that select contexts
 * (c->ctx_generation, which also counts changes of debug and PMU), the trap configuration and, for ERET, SPSR_ELx;
 * where generated code goes on, also on FPCR. struct transition is the result of one such execution: the exec function
 * does the first, jit_transition() notes what came of it, later ones copy it and jump. With an interrupt pending, or
 * when somebody listens to calls (struct cpu_env), it is always the exec function.
 *
 * Invariant: what is copied is what exec_svc(), exec_hvc() and exec_eret(), then interp_look(), would have done. */
#include "core/bits.h"
#include "cpu/context.h"
#include "cpu/exception.h"
#include "cpu/fields.h"
#include "cpu/sysreg_row.h"
#include "jit/internal.h"

enum { KIND_SVC, KIND_HVC, KIND_ERET };

static const struct {
    u16 esr, elr, spsr, vbar;
} cell[4] = {
    [1] = {ESR_EL1, ELR_EL1, SPSR_EL1, VBAR_EL1},
    [2] = {ESR_EL2, ELR_EL2, SPSR_EL2, VBAR_EL2},
    [3] = {ESR_EL3, ELR_EL3, SPSR_EL3, VBAR_EL3},
};

#define TR(field) ((s32)offsetof(struct transition, field))

static u32 sys_place(unsigned c) { return (u32)(offsetof(struct cpu, sys) + 8 * c - CPU_BIAS); }
static u32 sp_place(const struct pstate *p)
{
    return (u32)(offsetof(struct cpu, sp_el) + 8 * (p->sp ? p->el : 0u) - CPU_BIAS);
}

/* rbp-relative place of the transitions of a kind at an EL */
static s32 transitions(unsigned kind, unsigned el)
{
    unsigned i = kind == KIND_ERET ? 8 + 4 * el : 4 * kind + el;
    return (s32)(offsetof(struct cpu, transition) + i * sizeof(struct transition)) - CPU_BIAS;
}

/* ---- the state before and after -------------------------------------------------------------- */

static void words(const struct pstate *p, u64 w[2]) { memcpy(w, p, 16); }

/* Called by generated code before the exec function. */
static void note(struct jit_shared *shared, struct cpu *c, struct transition *m)
{
    struct transition *n = &shared->noted; /* m stays what it is until more is known */
    words(&c->ps, n->from);
    n->from_trap_id = sysreg_config(c);
    n->sp_from = sp_place(&c->ps);
    shared->exceptions = c->exceptions;
    shared->generation = c->ctx_generation;
    shared->pending = m;
    shared->eret = m >= &c->transition[8];
    if (shared->eret)
        n->spsr = (u32)c->sys[cell[c->ps.el].spsr] & 0x0fffffff;
}

void jit_transition(struct jit_shared *shared, struct cpu *c, struct transition *to, const u8 *jump)
{
    struct transition *m = &shared->noted;
    unsigned el = c->ps.el, from = m->from[0] & 0xff;
    bool calls = !c->env->on_exception || c->env->calls_unseen;
    if (shared->generation != c->ctx_generation || c->exceptions != shared->exceptions + !shared->eret || el == 3 ||
        from == 3 || (c->ps.btype && !shared->eret) || c->pmu_on || !c->resolved || (!shared->eret && (!calls || !el)))
        return;
    if (!shared->eret) {
        bool low = el > from;
        m->vbar_place = sys_place(cell[el].vbar);
        m->vbar = c->sys[cell[el].vbar];
        m->esr_place = sys_place(cell[el].esr);
        m->elr_place = sys_place(cell[el].elr);
        m->spsr_place = sys_place(cell[el].spsr);
        m->spsr = (u32)c->sys[cell[el].spsr] & 0x0fffffff;
        m->vector = c->pc;
        u64 ec = c->sys[cell[el].esr] >> 26, top = c->pc >> 55;
        if ((ec != EC_SVC64 && ec != EC_HVC64) ||
            c->pc != (m->vbar & ~0x7ffull) + (low                      ? 0x400
                                              : m->from[0] >> 8 & 0xff ? 0x200
                                                                       : 0) ||
            (top != 0 && top != 0x1ff))
            return;
        if (c->sys[cell[el].elr] != shared->after) /* a trap: it returns to the instruction */
            return;
    }
    words(&c->ps, m->to);
    m->to_trap_id = sysreg_config(c);
    m->sp_to = sp_place(&c->ps);
    m->resolved = c->resolved;
    m->jump = jump;
    m->fpcr = c->fpcr;
    m->generation = c->ctx_generation;
    *to = *m;
    to[TRANSITIONS * (1 + m->generation % TRANSITION_SETS)] = *m;
}

/* ---- shared code ----------------------------------------------------------------------------- */

/* Jumps to fail[] unless the state is the one of the transition at rsi. Clobbers rcx. */
static void same(struct x64 *a, u8 *fail[6])
{
    x64_rm(a, true, X_LOAD, RCX, R_CPU, CPU(ctx_generation));
    x64_rm(a, true, X_CMP, RCX, RSI, TR(generation));
    fail[0] = x64_jcc(a, CC_NE);
    x64_rm(a, true, X_LOAD, RCX, R_CPU, CPU(ps));
    x64_rm(a, true, X_CMP, RCX, RSI, TR(from[0]));
    fail[1] = x64_jcc(a, CC_NE);
    x64_rm(a, true, X_LOAD, RCX, R_CPU, CPU(ps) + 8);
    x64_rm(a, true, X_CMP, RCX, RSI, TR(from[1]));
    fail[2] = x64_jcc(a, CC_NE);
    x64_rm(a, false, X_LOAD, RCX, R_CPU, CPU(trap_id));
    x64_rm(a, false, X_CMP, RCX, RSI, TR(from_trap_id));
    fail[3] = x64_jcc(a, CC_NE);
    x64_mi(a, true, X_CMP, R_CPU, CPU(input), 0); /* and irq_check, ctx_dirty, pmu_exact */
    fail[4] = x64_jcc(a, CC_NE);
    x64_rm(a, false, X_LOAD, RCX, R_CPU, CPU(fpcr)); /* the target's flavour depends on it */
    x64_rm(a, false, X_CMP, RCX, RSI, TR(fpcr));
    fail[5] = x64_jcc(a, CC_NE);
}

/* The transition at rsi is another generation's. Where the generation was lost, context_number() finds it; where a set
 * has the transition of the one that is in force, it is copied. Then to retry. */
static u8 *other_generation(struct x64 *a, const u8 *retry)
{
    static const u8 kept[] = {RAX, RDX, RSI, RDI};
    x64_mi(a, true, X_CMP, R_CPU, CPU(ctx_generation), 0);
    u8 *known = x64_jcc(a, CC_NE);
    for (unsigned i = 0; i < ARRAY_LEN(kept); i++)
        x64_push(a, kept[i]);
    x64_rm(a, true, X_LEA, RDI, R_CPU, -CPU_BIAS);
    x64_op(a, false, 0xff, 0, 0, R_CONST, false); /* call [number] */
    x64_modrm(a, 2, R_CONST, (s32)offsetof(struct jit_shared, number));
    for (unsigned i = ARRAY_LEN(kept); i-- > 0;)
        x64_pop(a, kept[i]);
    x64_link(x64_jmp(a), retry);
    x64_here(a, known);
    x64_rm(a, false, X_LOAD, RCX, R_CPU, CPU(ctx_generation));
    x64_ri(a, false, X_AND, RCX, TRANSITION_SETS - 1);
    x64_op(a, false, 0x69, RCX, 0, RCX, false);
    x64_8(a, 0xc0 | RCX << 3 | RCX); /* imul ecx, ecx, size of a set */
    x64_32(a, sizeof(struct transition) * TRANSITIONS);
    x64_rmx(a, true, X_LEA, R8, RSI, RCX, 0, sizeof(struct transition) * TRANSITIONS);
    x64_rm(a, true, X_LOAD, RCX, R_CPU, CPU(ctx_generation));
    x64_rm(a, true, X_CMP, RCX, R8, TR(generation));
    u8 *fail = x64_jcc(a, CC_NE);
    for (s32 i = 0; i < (s32)sizeof(struct transition); i += 8) {
        x64_rm(a, true, X_LOAD, RCX, R8, i);
        x64_rm(a, true, X_STORE, RCX, RSI, i);
    }
    x64_link(x64_jmp(a), retry);
    return fail;
}

/* rsi: transition, rdi: place in the arena of the way through the exec function */
static void to_exec(struct x64 *a, u8 *const fail[], unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        x64_here(a, fail[i]);
    x64_push(a, RDI);
    x64_push(a, RDI); /* the stack is aligned */
    x64_rm(a, true, X_STORE, RDX, R_CONST, (s32)offsetof(struct jit_shared, after));
    x64_rr(a, true, X_LOAD, RDX, RSI);
    x64_rr(a, true, X_LOAD, RDI, R_CONST);
    x64_rm(a, true, X_LEA, RSI, R_CPU, -CPU_BIAS);
    x64_op(a, false, 0xff, 0, 0, R_CONST, false); /* call [note] */
    x64_modrm(a, 2, R_CONST, (s32)offsetof(struct jit_shared, note));
    x64_pop(a, RDI);
    x64_pop(a, RDI);
    x64_rm(a, true, X_ADD, RDI, R_CONST, (s32)offsetof(struct jit_shared, arena));
    x64_jmp_reg(a, RDI);
}

static void copy(struct x64 *a, unsigned from, s32 from_disp, s32 to_disp)
{
    x64_rm(a, true, X_LOAD, RCX, from, from_disp);
    x64_rm(a, true, X_STORE, RCX, R_CPU, to_disp);
}

/* rsi: transition, rax: where it leads */
static void take(struct x64 *a)
{
    x64_rm(a, false, X_LOAD, RDX, RSI, TR(sp_from));
    x64_rm(a, true, X_LOAD, RCX, R_CPU, x_disp(REG_SP));
    x64_rmx(a, true, X_STORE, RCX, R_CPU, RDX, 0, 0);
    x64_rm(a, false, X_LOAD, RDX, RSI, TR(sp_to));
    x64_rmx(a, true, X_LOAD, RCX, R_CPU, RDX, 0, 0);
    x64_rm(a, true, X_STORE, RCX, R_CPU, x_disp(REG_SP));
    copy(a, RSI, TR(to[0]), CPU(ps));
    copy(a, RSI, TR(to[1]), CPU(ps) + 8);
    x64_rm(a, false, X_LOAD, RCX, RSI, TR(to_trap_id));
    x64_rm(a, false, X_STORE, RCX, R_CPU, CPU(trap_id));
    x64_op(a, false, 0xc6, 0, 0, R_CPU, false); /* mov byte [stepped], 0 */
    x64_modrm(a, 0, R_CPU, CPU(stepped));
    x64_8(a, 0);
    x64_rm(a, true, X_LOAD, RDX, RSI, TR(resolved));
    x64_rm(a, true, X_STORE, RDX, R_CPU, CPU(resolved));
    copy(a, RDX, (s32)offsetof(struct resolved, pauth_tag), CPU(pauth_tag)); /* and what follows it in both */
    x64_vex_rm(a, 1, 2, false, 0x6f, 0, 0, RDX, (s32)offsetof(struct resolved, pauth_mask)); /* vmovdqu xmm0 */
    x64_vex_rm(a, 1, 2, false, 0x7f, 0, 0, R_CPU, CPU(pauth_mask));
    copy(a, RDX, (s32)offsetof(struct resolved, unpriv), CPU(ft_unpriv));
    copy(a, RDX, (s32)offsetof(struct resolved, el2), CPU(ft_el2));
    x64_rm(a, true, X_LOAD, RCX, RDX, (s32)offsetof(struct resolved, ft));
    x64_rr(a, true, X_CMP, RCX, R_FT);
    u8 *unchanged = x64_jcc8(a, CC_E);
    x64_rr(a, true, X_LOAD, R_FT, RCX);
    x64_rm(a, true, X_STORE, RCX, R_CPU, CPU(ft));
    x64_rm(a, true, X_LOAD, RCX, RCX, (s32)offsetof(struct fast, mask));
    x64_ri(a, true, X_ADD, RCX, 1);
    x64_rr(a, true, X_TZCNT, RCX, RCX);
    x64_shift(a, false, X_SHL, RCX, 8);
    x64_ri(a, false, X_OR, RCX, 12);
    x64_rr(a, true, X_LOAD, R_INDEX, RCX);
    x64_store_imm(a, true, R_CPU, CPU(fetch_page), -1);
    x64_here8(a, unchanged);
    x64_op(a, false, 0xff, 0, 0, RSI, false); /* jmp [jump] */
    x64_modrm(a, 4, RSI, TR(jump));
}

/* rsi: transition, eax: ESR, rdx: return address, rdi */
static void emit_take_call(struct jit *j)
{
    struct x64 *a = &j->as;
    u8 *fail[7];
    j->take_call = a->p;
    const u8 *retry = a->p;
    same(a, fail);
    x64_rm(a, false, X_LOAD, RCX, RSI, TR(vbar_place));
    x64_rmx(a, true, X_LOAD, RCX, R_CPU, RCX, 0, 0);
    x64_rm(a, true, X_CMP, RCX, RSI, TR(vbar));
    fail[6] = x64_jcc(a, CC_NE);
    x64_rm(a, false, X_LOAD, RCX, RSI, TR(esr_place));
    x64_rmx(a, true, X_STORE, RAX, R_CPU, RCX, 0, 0);
    x64_rm(a, false, X_LOAD, RCX, RSI, TR(elr_place));
    x64_rmx(a, true, X_STORE, RDX, R_CPU, RCX, 0, 0);
    flags_ld(a, RDX);
    x64_rm(a, false, X_OR, RDX, RSI, TR(spsr));
    x64_rm(a, false, X_LOAD, RCX, RSI, TR(spsr_place));
    x64_rmx(a, true, X_STORE, RDX, R_CPU, RCX, 0, 0);
    x64_mi(a, true, X_ADD, R_CPU, CPU(exceptions), 1);
    x64_rm(a, true, X_LOAD, RAX, RSI, TR(vector));
    take(a);
    x64_here(a, fail[0]);
    fail[0] = other_generation(a, retry);
    to_exec(a, fail, 7);
}

/* rsi: first transition of the EL, eax: SPSR, rdx: ELR, rdi */
static void emit_take_eret(struct jit *j)
{
    struct x64 *a = &j->as;
    u8 *fail[7];
    j->take_eret = a->p;
    x64_rr(a, false, X_LOAD, RCX, RAX);
    x64_ri(a, false, X_AND, RCX, 12); /* SPSR.M[3:2] */
    x64_op(a, false, 0x69, RCX, 0, RCX, false);
    x64_8(a, 0xc0 | RCX << 3 | RCX); /* imul ecx, ecx, size / 4 */
    x64_32(a, sizeof(struct transition) / 4);
    x64_rr(a, true, X_ADD, RSI, RCX);
    x64_test_ri(a, false, RAX, 3 << 10);
    u8 *plain = x64_jcc8(a, CC_E);
    x64_ri(a, true, X_ADD, RSI, 16 * (s32)sizeof(struct transition));
    x64_here8(a, plain);
    const u8 *retry = a->p;
    same(a, fail);
    x64_rr(a, false, X_LOAD, RCX, RAX);
    x64_ri(a, false, X_AND, RCX, 0x0fffffff);
    x64_rm(a, false, X_CMP, RCX, RSI, TR(spsr));
    fail[6] = x64_jcc(a, CC_NE);
    flags_st(a, RAX);
    x64_op(a, false, 0xc6, 0, 0, R_CPU, false); /* mov byte [valid], 0 */
    x64_modrm(a, 0, R_CPU, CPU(monitor.valid));
    x64_8(a, 0);
    x64_op(a, false, 0xc6, 0, 0, R_CPU, false); /* mov byte [event_register], 1 */
    x64_modrm(a, 0, R_CPU, CPU(event_register));
    x64_8(a, 1);
    x64_rr(a, true, X_LOAD, RAX, RDX);
    take(a);
    x64_here(a, fail[0]);
    fail[0] = other_generation(a, retry);
    to_exec(a, fail, 7);
}

void jit_emit_exceptions(struct jit *j)
{
    _Static_assert(sizeof(struct transition) % 4 == 0, "multiples of 4 times M[3:2]");
    j->shared.note = note;
    j->shared.number = context_number;
    emit_take_call(j);
    emit_take_eret(j);
}

/* ---- emitters -------------------------------------------------------------------------------- */

/* edi = place of what follows; the displacement of the jump to shared code is returned. */
static void shared_way(struct translation *t, unsigned kind, unsigned el, const u8 *target)
{
    struct x64 *a = &t->as;
    x64_rm(a, true, X_LEA, RSI, R_CPU, transitions(kind, el));
    u32 here = (u32)(a->p - t->j->rw) + 5 + 5;
    x64_mov_imm_keep(a, RDI, here);
    x64_link(x64_jmp(a), target);
    CHECK((u32)(a->p - t->j->rw) == here);
}

/* a: kind */
static void em_call(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    unsigned el = t->c->ps.el, kind = t->e->a;
    x64_cmp8_mi(a, R_CPU, CPU(ps.el), el);
    u8 *other = x64_jcc(a, CC_NE);
    x64_mov_imm(a, RAX, (u64)(kind == KIND_SVC ? EC_SVC64 : EC_HVC64) << 26 | 1u << 25 | (o->imm & 0xffff));
    x64_page(a, RDX, t_off(t) + 4);
    shared_way(t, kind, el, t->j->take_call);
    x64_here(a, other);
    t_call(t);
}

static void em_eret(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    unsigned el = t->c->ps.el;
    (void)o;
    if (el == 0) {
        t_call(t);
        return;
    }
    x64_cmp8_mi(a, R_CPU, CPU(ps.el), el);
    u8 *other = x64_jcc(a, CC_NE);
    x64_rm(a, false, X_LOAD, RAX, R_CPU, (s32)sys_place(cell[el].spsr));
    x64_rm(a, true, X_LOAD, RDX, R_CPU, (s32)sys_place(cell[el].elr));
    shared_way(t, KIND_ERET, el, t->j->take_eret);
    x64_here(a, other);
    t_call(t);
}

const struct emit_row emit_exception_rows[] = {
    ROW(svc, em_call, EMIT_EXIT | EMIT_END, KIND_SVC),
    ROW(hvc, em_call, EMIT_EXIT | EMIT_END, KIND_HVC),
    ROW(eret, em_eret, EMIT_EXIT | EMIT_END),
    {0},
};
