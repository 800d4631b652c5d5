/* NZCV, lazily.
 *
 * A setter leaves the flags in EFLAGS for the instruction behind it. For all others it only notes of which operation on
 * which guest registers they are (struct pending, part of the state that versions of blocks know). Whoever leaves
 * generated code, or calls, computes them then, mostly out of line. When a register is overwritten before, its old
 * value goes to a slot. What cannot be said like that (ADCS, CCMP) is stored to the state at once. */
#include "jit/internal.h"

bool flags_same(const struct pending *a, const struct pending *b)
{
    return a->op == b->op && a->wide == b->wide && a->a == b->a && a->b == b->b && a->imm == b->imm;
}

static bool has_b(const struct pending *p)
{
    enum {
        OPS = 1 << PENDING_CMP | 1 << PENDING_TEST | 1 << PENDING_ADD | 1 << PENDING_SUBS | 1 << PENDING_RSUBS |
              1 << PENDING_ADDS
    };
    return OPS >> p->op & 1;
}

static s32 slot_disp(unsigned r) { return (s32)offsetof(struct jit_shared, slot) + 8 * (s32)(r - SLOT); }

/* op host, register or slot r, wherever it is */
static void operand(struct x64 *a, const struct vstate *s, bool w, unsigned op, unsigned host, unsigned r)
{
    if (r >= SLOT) {
        x64_rm(a, w, op, host, R_CONST, slot_disp(r));
        return;
    }
    unsigned h = x_host_in(s, r);
    if (h)
        x64_rr(a, w, op, host, h);
    else
        x64_rm(a, w, op, host, R_CPU, x_disp(r));
}

/* EFLAGS as the setter left them. */
static enum eflags again(struct x64 *a, const struct vstate *s)
{
    const struct pending *p = &s->flags;
    bool w = p->wide;
    unsigned h = p->a < SLOT ? x_host_in(s, p->a) : 0;
    if (!h || p->op > PENDING_TEST_IMM) {
        operand(a, s, w, X_LOAD, h = RAX, p->a);
    }
    switch (p->op) {
    case PENDING_CMP: operand(a, s, w, X_CMP, h, p->b); return EFLAGS_SUB;
    case PENDING_CMP_IMM: x64_ri(a, w, X_CMP, h, p->imm); return EFLAGS_SUB;
    case PENDING_TEST: operand(a, s, w, X_TEST, h, p->b); return EFLAGS_LOGIC;
    case PENDING_TEST_IMM: x64_test_ri(a, w, h, p->imm); return EFLAGS_LOGIC;
    case PENDING_ADD: operand(a, s, w, X_ADD, h, p->b); return EFLAGS_ADD;
    case PENDING_ADD_IMM: x64_ri(a, w, X_ADD, h, p->imm); return EFLAGS_ADD;
    case PENDING_SUBS:
        operand(a, s, w, X_ADD, h, p->b);
        operand(a, s, w, X_CMP, h, p->b);
        return EFLAGS_SUB;
    case PENDING_SUBS_IMM:
        x64_ri(a, w, X_ADD, h, p->imm);
        x64_ri(a, w, X_CMP, h, p->imm);
        return EFLAGS_SUB;
    case PENDING_RSUBS: /* a = b - x: x = b - a, and -a = x - b */
        x64_unary(a, w, 3, RAX);
        operand(a, s, w, X_ADD, RAX, p->b);
        x64_push(a, RCX);
        operand(a, s, w, X_LOAD, RCX, p->b);
        x64_rr(a, w, X_CMP, RCX, RAX);
        x64_pop(a, RCX);
        return EFLAGS_SUB;
    case PENDING_ADDS:
        operand(a, s, w, X_SUB, h, p->b);
        operand(a, s, w, X_ADD, h, p->b);
        return EFLAGS_ADD;
    case PENDING_ADDS_IMM:
        x64_ri(a, w, X_SUB, h, p->imm);
        x64_ri(a, w, X_ADD, h, p->imm);
        return EFLAGS_ADD;
    default: CHECK_NEVER("flags"); return EFLAGS_NONE;
    }
}

/* ---- in the state ----------------------------------------------------------------------------- */

/* In generated code NZCV is in jit_shared.flags, as LAHF and SETO leave it in AX: three or four instructions. C code
 * finds it in c->nzcv: the ways to it and back convert. */

static const s32 FLAGS = (s32)offsetof(struct jit_shared, flags);

u32 flags_word(unsigned nzcv) { return (nzcv & 1) | (nzcv >> 1 & 1) << 8 | (nzcv >> 2 & 3) << 14; }

void flags_ld(struct x64 *a, unsigned r)
{
    x64_rm(a, false, X_LOAD, r, R_CONST, FLAGS);
    x64_pext_m(a, r, r, R_CONST, (s32)offsetof(struct jit_shared, flag_mask));
    x64_shift(a, false, X_SHL, r, 28);
}

void flags_st(struct x64 *a, unsigned r)
{
    x64_shift(a, false, X_SHR, r, 28);
    x64_pdep_m(a, r, r, R_CONST, (s32)offsetof(struct jit_shared, flag_mask));
    x64_rm(a, false, X_STORE, r, R_CONST, FLAGS);
}

void flags_to_c(struct x64 *a, unsigned r)
{
    flags_ld(a, r);
    x64_rm(a, false, X_STORE, r, R_CPU, CPU(nzcv));
}

void flags_from_c(struct x64 *a, unsigned r)
{
    x64_rm(a, false, X_LOAD, r, R_CPU, CPU(nzcv));
    flags_st(a, r);
}

/* Clobbers rax; C of EFLAGS is inverted behind it if it was a subtraction. */
static void store(struct x64 *a, enum eflags kind)
{
    if (kind == EFLAGS_SUB)
        x64_cmc(a);
    x64_8(a, 0x9f); /* lahf */
    x64_setcc(a, CC_O, RAX);
    x64_rm(a, false, X_STORE, RAX, R_CONST, FLAGS);
}

void flags_settle(struct x64 *a, struct vstate *s)
{
    if (!s->flags.op)
        return;
    store(a, again(a, s));
    s->flags.op = PENDING_NONE;
}

enum eflags flags_again(struct translation *t) { return again(&t->as, &t->vs); }

/* The same from the state. */
enum eflags flags_restore(struct x64 *a)
{
    x64_rm(a, false, X_LOAD, RAX, R_CONST, FLAGS);
    x64_8(a, 0x3c); /* cmp al, -127: overflows for 1 */
    x64_8(a, 0x81);
    x64_8(a, 0x9e); /* sahf: S, Z, C */
    x64_cmc(a);
    return EFLAGS_SUB;
}

void flags_set(struct translation *t, enum eflags kind, struct pending p)
{
    struct x64 *a = &t->as;
    t->eflags = kind;
    t->vs.flags.op = PENDING_NONE;
    if (!(t->live >> t->k & 1))
        return;
    t->vs.flags = p;
    t->flag_operands = flags_operands(&p);
    if (p.op)
        return;
    store(a, kind);
    if (kind == EFLAGS_SUB)
        x64_cmc(a);
}

u64 flags_operands(const struct pending *p)
{
    return (1ull << (p->a & 63) | (u64)has_b(p) << (p->b & 63)) & -(u64)(p->op != PENDING_NONE);
}

static void save(struct translation *t, u8 *r, unsigned slot)
{
    unsigned h = x_use(t, *r);
    x64_rm(&t->as, true, X_STORE, h, R_CONST, slot_disp(slot));
    *r = (u8)slot;
}

static void save_lost(struct translation *t, struct pending *p, u64 lost)
{
    u8 a = p->a;
    if (lost >> a & 1)
        save(t, &p->a, SLOT);
    if (!has_b(p))
        return;
    if (p->b == a)
        p->b = p->a;
    else if (lost >> p->b & 1)
        save(t, &p->b, SLOT + 1);
}

void flags_before(struct translation *t)
{
    struct pending *p = &t->vs.flags;
    u64 lost = t->written[t->k] & flags_operands(p);
    if (!lost || t->e->flags & EMIT_SETS || !(t->live >> t->k & 1))
        return;
    save_lost(t, p, lost);
    t->flag_operands = flags_operands(p);
}

void flags_behind(struct translation *t)
{
    struct pending *p = &t->vs.flags;
    if (t->written[t->k] & flags_operands(p) && !(t->e->flags & EMIT_SETS))
        p->op = PENDING_NONE;
}
