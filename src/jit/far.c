/* Direct jumps to other pages.
 *
 * At first they share one piece of code that finds the target by the fast table (jit.c, emit_jump()). One that was
 * executed FAR_COLD times gets a piece of its own, which jumps straight to the target's translation when the fast
 * table's executable tag has the target's page and that page's translations are those of then (code_page.jit_serial):
 * what the shared piece would have found. Else it goes the shared way, and is linked anew after as many times.
 *
 * Only a few sites are hot; pieces for all would make the code larger than they gain. */
#include "jit/internal.h"

/* rax: target VA, edx: index of the jump. */
void far_emit_shared(struct jit *j, unsigned flavour)
{
    struct x64 *a = &j->as;
    j->far_jump[flavour] = a->p;
    x64_op(a, false, 0x83, 0, RDX, R_CONST, false); /* sub dword [far_left + rdx * 4], 1 */
    x64_sib(a, 5, R_CONST, RDX, 2, (s32)offsetof(struct jit, far_left));
    x64_8(a, 1);
    x64_link(x64_jcc(a, CC_NS), j->jump[flavour]);
    x64_rr(a, true, X_LOAD, R8, RAX); /* without a tag there is nothing to link it to */
    x64_ri(a, true, X_AND, R8, -0x1000);
    x64_fast_code(a, RCX, RAX);
    x64_fast_look(a, RCX, R8, RDI, RSI);
    x64_link(x64_jcc(a, CC_A), j->jump[flavour]);
    x64_rm(a, true, X_STORE, RAX, R_CPU, CPU(pc));
    x64_rr(a, true, X_LOAD, RAX, RDX);
    x64_shift(a, true, X_SHL, RAX, 32);
    x64_ri(a, true, X_OR, RAX, EXIT_FAR);
    x64_link(x64_jmp(a), j->exit);
}

static void shared_way(struct x64 *a, const struct jit *j, unsigned flavour, u32 index, s32 off)
{
    x64_page(a, RAX, off);
    x64_mov_imm_keep(a, RDX, index);
    x64_link(x64_jmp(a), j->far_jump[flavour]);
}

void far_emit(struct translation *t, s32 off)
{
    struct jit *j = t->j;
    if (j->far_count == FAR_PART) {
        x64_page(&t->as, RAX, off);
        t_jump_reg(t, false);
        return;
    }
    u32 index = j->part * FAR_PART + j->far_count++;
    u8 *d = t_jump(t);
    struct x64 *a = t->outside ? &t->as : &t->slow;
    j->far_left[index] = FAR_COLD;
    j->far[index] = (struct far_jump){(u32)(d - j->rw), off};
    x64_here(a, d);
    shared_way(a, j, t->flavour, index, off);
}

void far_enter(struct jit *j, const struct cpu *c, const struct code_page *p, bool guarded, const u8 *target,
               u8 *away[2])
{
    struct x64 *a = &j->as;
    s32 tag = (s32)offsetof(struct fast, x[0].tag), code = (s32)offsetof(struct fast, x[0].code);
    if (c->pc >> 63) { /* a kernel's addresses stay the same: at another one the tag is not its */
        s32 x = (s32)sizeof(struct fast_code) * (s32)(c->pc >> 12 & (FAST_FETCH - 1));
        x64_rm(a, true, X_CMP, RDX, R_FT, tag + x);
        away[0] = x64_jcc8(a, CC_NE);
        x64_rm(a, true, X_LOAD, RSI, R_FT, code + x);
    } else {
        x64_fast_code(a, RCX, RDX);
        x64_rmx(a, true, X_CMP, RDX, R_FT, RCX, 0, tag);
        away[0] = x64_jcc8(a, CC_NE);
        x64_rmx(a, true, X_LOAD, RSI, R_FT, RCX, 0, code);
    }
    x64_mi(a, false, X_CMP, RSI, (s32)offsetof(struct code_page, jit_serial), (s32)p->jit_serial);
    away[1] = x64_jcc8(a, CC_NE);
    if (guarded)
        x64_ri(a, true, X_SUB, RDX, 1);
    x64_rm(a, true, X_STORE, RDX, R_CPU, CPU(fetch_page));
    x64_rm(a, true, X_STORE, RSI, R_CPU, CPU(fetch_code));
    if (j->guards)
        x64_store_imm8(a, R_CPU, CPU(fetch_guarded), guarded);
    x64_link(x64_jmp(a), target);
}

void far_link(struct jit *j, const struct cpu *c, u32 index, const struct code_page *p, bool guarded, const u8 *target,
              unsigned flavour)
{
    const struct far_jump *f = &j->far[index];
    j->far_left[index] = FAR_COLD;
    struct jit_page *from = c->fetch_code->jit; /* the page that the jump is in goes with the piece's part as well */
    if (!from)
        return;
    from->parts |= 1u << j->part;
    struct x64 *a = &j->as;
    u8 *piece = a->p, *away[2];
    x64_page(a, RDX, (f->off & ~0xfff) + guarded);
    far_enter(j, c, p, guarded, target, away);
    x64_here8(a, away[0]);
    x64_here8(a, away[1]);
    const u8 *cold = j->slow.p;
    x64_link(x64_jmp(a), cold);
    shared_way(&j->slow, j, flavour, index, f->off);
    x64_link(j->rw + f->site, piece);
    if (UNLIKELY(j->watch != NULL))
        watch_made(j, c, JIT_FAR, p, piece, cold, 0);
}
