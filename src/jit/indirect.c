/* Indirect jumps that mostly go to one address: functions called by pointers, a linker's tables, jumps by tables.
 *
 * Such a jump asks find[] (jit.c) for its target: the page by the fast table, the block by the page's table of entries,
 * which the host's caches mostly do not have. One that was executed patience[0] times gets a piece of code that
 * compares the target with the one of then and jumps straight to its translation, on the conditions of far.c. Other
 * targets are counted and take the shared way; the counts say when the next one gets a piece, behind the others. When
 * there are INDIRECT_PIECES the first starts anew, as what programs do changes; but not for ever: an interpreter's loop
 * has more targets than it pays to compare with, and so goes the shared way for good. */
#include "jit/internal.h"

/* Executions that no piece served until the next one is made. */
static const u32 patience[INDIRECT_PIECES + 1] = {40, 200, 1000, 5000};

/* rax: target VA, edx: index of the jump. */
void indirect_emit_shared(struct jit *j)
{
    struct x64 *a = &j->as;
    j->indirect_exit = a->p;
    x64_rm(a, true, X_STORE, RAX, R_CPU, CPU(pc));
    x64_rr(a, true, X_LOAD, RAX, RDX);
    x64_shift(a, true, X_SHL, RAX, 32);
    x64_ri(a, true, X_OR, RAX, EXIT_INDIRECT);
    x64_link(x64_jmp(a), j->exit);
}

void indirect_emit(struct translation *t)
{
    struct jit *j = t->j;
    if (t->outside || j->indirect_count == INDIRECT_PART)
        return;
    u32 index = j->part * INDIRECT_PART + j->indirect_count++;
    u8 *d = t_jump(t);
    struct x64 *a = &t->slow;
    u32 site = (u32)(d - j->rw);
    j->indirect_left[index] = patience[0];
    j->indirect[index] = (struct indirect){site, site, (u32)(a->p - j->rw), (u32)(t->as.p - j->rw), 0, 0};
    x64_here(a, d);
    x64_op(a, false, 0x83, 0, 0, R_CONST, false); /* sub dword [indirect_left + index * 4], 1 */
    x64_modrm(a, 5, R_CONST, (s32)(offsetof(struct jit, indirect_left) + index * sizeof(u32)));
    x64_8(a, 1);
    x64_link(x64_jcc(a, CC_NS), t->as.p);
    x64_mov_imm(a, RDX, index);
    x64_link(x64_jmp(a), j->indirect_exit);
}

/* A piece for the jump at index, which goes to target, the translation of pc; behind those that it has. */
static void add_piece(struct jit *j, const struct cpu *c, struct indirect *i, const struct code_page *p, bool guarded,
                      const u8 *target)
{
    struct x64 *a = &j->as;
    u8 *piece = a->p, *away[3];
    x64_page(a, RDX, (s64)(c->pc - c->fetch_page));
    x64_rr(a, true, X_CMP, RDX, RAX);
    away[0] = x64_jcc8(a, CC_NE);
    x64_ri(a, true, X_AND, RDX, -0x1000);
    if (guarded)
        x64_ri(a, true, X_ADD, RDX, 1);
    far_enter(j, c, p, guarded, target, away + 1);
    for (unsigned k = 0; k < 3; k++)
        x64_here8(a, away[k]);
    u8 *on = x64_jmp(a);
    x64_link(on, j->rw + i->counted);
    x64_link(j->rw + i->last, piece);
    i->last = (u32)(on - j->rw);
    i->pieces++;
    if (UNLIKELY(j->watch != NULL))
        watch_made(j, c, JIT_INDIRECT, p, piece, NULL, 0);
}

void indirect_link(struct jit *j, const struct cpu *c, u32 index, const struct code_page *p, bool guarded,
                   const u8 *target)
{
    struct indirect *i = &j->indirect[index];
    struct jit_page *from = c->fetch_code->jit; /* the page that the jump is in goes with the piece's part as well */
    if (from && target && i->pieces < INDIRECT_PIECES) {
        from->parts |= 1u << j->part;
        add_piece(j, c, i, p, guarded, target);
    } else if (i->pieces == INDIRECT_PIECES) {
        bool enough = ++i->chains == INDIRECT_CHAINS;
        x64_link(j->rw + i->site, j->rw + (enough ? i->shared : i->counted));
        i->last = i->site;
        i->pieces = 0;
    }
    j->indirect_left[index] = patience[i->pieces] << (i->pieces == INDIRECT_PIECES ? i->chains : 0);
}
