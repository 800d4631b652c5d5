/* Returns: calls leave behind where they return to, and returns go there when it is where they want to go.
 *
 * A call (BL, BLR and their kind) pushes the guest's return address, the decoded page that it is in, and the key of the
 * fast table, and calls, by the host's own instruction, what jumps to the callee. Behind it is the call's landing. A
 * return (RET) compares its target and the key with what was pushed last, and returns by the host's instruction, so
 * that the host predicts it. A return that meets something else empties the stack and takes the shared jump.
 *
 * The key is another one in each context, and after each loss of an executable tag: while it is the same, the tag of
 * the page that the call was in, which was latched and so had one, still is what the shared jump would have found. Its
 * two lowest bits are the flavour.
 *
 * Invariant: the frames are the host stack's top while generated code runs; the one at the bottom is nobody's. They are
 * gone when generated code is left. Translations are dropped and space of the arena is given to other code only then: a
 * landing that can be reached is part of a translation. */
#include "jit/internal.h"

/* Bytes of frames on the host's stack before it is emptied. */
enum { RETURNS_BYTES = 32 << 10 };

/* A frame: the landing, the guest's address, the decoded page (bit 0: the page has the GP attribute), the key. */
enum { FRAME_VA = 8, FRAME_CODE = 16, FRAME_KEY = 24, FRAME_BYTES = 32 };
_Static_assert(FLAVOUR_BTYPE == 4, "flavours that frames have fit into the key");

#define SHARED(field) ((s32)offsetof(struct jit_shared, field))
enum { KEY = (s32)offsetof(struct fast, key) };

/* A return to rax: to the landing of the last call if it is the one. */
static void emit_return(struct jit *j, unsigned flavour)
{
    struct x64 *a = &j->as;
    u8 *away[2];
    j->ret[flavour] = a->p;
    x64_rm(a, true, X_CMP, RAX, RSP, FRAME_VA);
    away[0] = x64_jcc8(a, CC_NE);
    x64_rm(a, true, X_LOAD, RDX, R_FT, KEY);
    if (flavour)
        x64_ri(a, true, X_ADD, RDX, (s32)flavour);
    x64_rm(a, true, X_CMP, RDX, RSP, FRAME_KEY);
    away[1] = x64_jcc8(a, CC_NE);
    x64_rm(a, true, X_LOAD, RSI, RSP, FRAME_CODE);
    x64_ri(a, true, X_AND, RAX, -0x1000);
    if (j->guards) {
        x64_rr(a, false, X_LOAD, RDX, RSI);
        x64_ri(a, false, X_AND, RDX, 1);
        x64_rr(a, true, X_XOR, RSI, RDX);
        x64_rm(a, false, X_STORE8, RDX, R_CPU, CPU(fetch_guarded));
    }
    x64_rm(a, true, X_STORE, RAX, R_CPU, CPU(fetch_page));
    x64_rm(a, true, X_STORE, RSI, R_CPU, CPU(fetch_code));
    x64_ret(a);
    x64_here8(a, away[0]);
    x64_here8(a, away[1]);
    x64_rm(a, true, X_LOAD, RSP, R_CONST, SHARED(frames));
    x64_link(x64_jmp(a), j->jump[flavour]);
}

void returns_emit_shared(struct jit *j)
{
    for (unsigned f = 0; f < FLAVOUR_BTYPE; f++)
        emit_return(j, f);
}

/* Part of the way in: the frame at the bottom, whose address is no instruction's. Clobbers rax. */
void returns_emit_enter(struct x64 *a)
{
    x64_ri(a, true, X_SUB, RSP, FRAME_BYTES);
    x64_store_imm(a, true, RSP, FRAME_VA, 1);
    x64_store_imm(a, true, RSP, FRAME_KEY, 0);
    x64_rm(a, true, X_STORE, RSP, R_CONST, SHARED(frames));
    x64_rm(a, true, X_LEA, RAX, RSP, -RETURNS_BYTES);
    x64_rm(a, true, X_STORE, RAX, R_CONST, SHARED(frames_end));
}

void returns_emit_exit(struct x64 *a)
{
    x64_rm(a, true, X_LOAD, RSP, R_CONST, SHARED(frames));
    x64_ri(a, true, X_ADD, RSP, FRAME_BYTES);
}

/* From here on everything is in the state. rcx: the return address, behind the current instruction. What follows jumps
 * to the callee and keeps rax. */
void t_push_return(struct translation *t)
{
    struct x64 *a = &t->as, *s = &t->slow;
    unsigned off = t_off(t) + 4;
    if (off == PAGE_SIZE)
        return;
    x64_rm(a, true, X_CMP, RSP, R_CONST, SHARED(frames_end));
    u8 *full = x64_jcc(a, CC_B), *back = a->p;
    if (t->flavour) {
        x64_rm(a, true, X_LOAD, RDX, R_FT, KEY);
        x64_ri(a, true, X_ADD, RDX, (s32)t->flavour);
        x64_push(a, RDX);
    } else {
        x64_push_m(a, R_FT, KEY);
    }
    if (t->j->guards) {
        x64_rm(a, false, X_MOVZX8, RDX, R_CPU, CPU(fetch_guarded));
        x64_rm(a, true, X_ADD, RDX, R_CPU, CPU(fetch_code));
        x64_push(a, RDX);
    } else {
        x64_push_m(a, R_CPU, CPU(fetch_code));
    }
    x64_push(a, RCX);
    u8 *call = x64_call(a);
    struct vstate at = t->vs;
    v_forget(t);
    x_forget(t);
    t->vs.flags.op = PENDING_NONE;
    x64_ri(a, true, X_ADD, RSP, FRAME_BYTES - 8);
    t_jump_direct(t, off);
    t->vs = at;
    x64_here(a, call);
    t->edge = call;
    t->edge_at = a->p;
    x64_here(s, full);
    x64_rm(s, true, X_LOAD, RSP, R_CONST, SHARED(frames));
    x64_link(x64_jmp(s), back);
}

/* To the VA in rax, as a return. */
void t_return(struct translation *t)
{
    t_sync_keep(t);
    x64_link(x64_jmp(&t->as), t->j->ret[t->flavour]);
}
