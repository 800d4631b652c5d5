/* NZCV, lazily.
 *
 * A setter leaves the flags in EFLAGS for the instruction behind it. For all others it only notes of which operation on
 * which guest registers they are (struct pending, part of the state that versions of blocks know). Whoever leaves
 * generated code, or calls, computes them then, mostly out of line. When a register is overwritten before, its old
 * value goes to a slot. What cannot be said like that (ADCS, CCMP) is saved in a slot as EFLAGS has it, or stored to
 * c->nzcv at once where a branch comes next. */
#include "jit/internal.h"

bool flags_same(const struct pending *a, const struct pending *b)
{
    return a->op == b->op && a->wide == b->wide && a->a == b->a && a->b == b->b && a->imm == b->imm;
}

static bool has_b(const struct pending *p)
{
    switch (p->op) {
    case PENDING_CMP:
    case PENDING_TEST:
    case PENDING_ADD:
    case PENDING_SUBS:
    case PENDING_RSUBS:
    case PENDING_ADDS: return true;
    default: return false;
    }
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
    case PENDING_SAVED_SUB:
    case PENDING_SAVED_ADD:
        x64_8(a, 0x3c); /* cmp al, -127: overflows for 1 */
        x64_8(a, 0x81);
        x64_8(a, 0x9e); /* sahf: S, Z, C */
        return p->op == PENDING_SAVED_SUB ? EFLAGS_SUB : EFLAGS_ADD;
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

/* EFLAGS, or what was saved of them, to c->nzcv: shared. Clobbers rax. */
void flags_emit_shared(struct jit *j)
{
    static const s32 table[2] = {(s32)offsetof(struct jit_shared, nzcv_sub),
                                 (s32)offsetof(struct jit_shared, nzcv_add)};
    struct x64 *a = &j->as;
    for (unsigned k = 0; k < 4; k++) {
        unsigned i = k & 1;
        j->shared.nzcv[k] = j->rx + (a->p - j->rw);
        if (k < 2) {
            x64_8(a, 0x9f); /* lahf */
            x64_setcc(a, CC_O, RAX);
        } else {
            x64_rm(a, false, X_LOAD, RAX, R_CONST, flags_saved_disp());
        }
        x64_pext_m(a, RAX, RAX, R_CONST, (s32)offsetof(struct jit_shared, flag_mask));
        x64_rmx(a, false, X_LOAD, RAX, R_CONST, RAX, 2, table[i]);
        x64_rm(a, false, X_STORE, RAX, R_CPU, CPU(nzcv));
        x64_ret(a);
    }
}

static void store_nzcv(struct x64 *a, enum eflags kind, bool saved)
{
    x64_op(a, false, 0xff, 0, 0, R_CONST, false); /* call [nzcv] */
    x64_modrm(a, 2, R_CONST, (s32)offsetof(struct jit_shared, nzcv) + 16 * saved + (kind == EFLAGS_SUB ? 0 : 8));
}

static bool is_saved(const struct pending *p) { return p->op >= PENDING_SAVED_SUB; }
bool flags_saved(const struct translation *t) { return is_saved(&t->vs.flags); }
s32 flags_saved_disp(void) { return slot_disp(SLOT); }

/* Of a comparison with zero and of TST C and V are known: N and Z are as LAHF has them in AH. */
static bool is_simple(const struct pending *p)
{
    return p->op == PENDING_TEST || p->op == PENDING_TEST_IMM || (p->op == PENDING_CMP_IMM && !p->imm);
}
static void store_simple(struct x64 *a, const struct pending *p)
{
    x64_8(a, 0x9f); /* lahf */
    x64_shift(a, false, X_SHL, RAX, 16);
    x64_ri(a, false, X_AND, RAX, (s32)0xc0000000);
    if (p->op == PENDING_CMP_IMM)
        x64_ri(a, false, X_OR, RAX, 1 << 29);
    x64_rm(a, false, X_STORE, RAX, R_CPU, CPU(nzcv));
}

void flags_settle(struct x64 *a, struct vstate *s)
{
    if (!s->flags.op)
        return;
    struct pending was = s->flags;
    if (is_saved(&s->flags)) {
        store_nzcv(a, s->flags.op == PENDING_SAVED_SUB ? EFLAGS_SUB : EFLAGS_ADD, true);
    } else {
        enum eflags kind = again(a, s);
        if (is_simple(&was))
            store_simple(a, &was);
        else
            store_nzcv(a, kind, false);
    }
    s->flags.op = PENDING_NONE;
}

enum eflags flags_again(struct translation *t) { return again(&t->as, &t->vs); }

static bool branch_next(const struct translation *t)
{
    const struct op *next = &t->page->op[t->first + t->k + 1];
    return t->k + 1 >= t->n || t->j->emitters[next->row].flags & (EMIT_BRANCH | EMIT_END);
}

void flags_set(struct translation *t, enum eflags kind, struct pending p)
{
    struct x64 *a = &t->as;
    t->eflags = kind;
    t->vs.flags.op = PENDING_NONE;
    if (!t->need[t->k])
        return;
    if (p.op) {
        t->vs.flags = p;
    } else if (branch_next(t)) {
        store_nzcv(a, kind, false);
    } else {
        x64_8(a, 0x9f); /* lahf */
        x64_setcc(a, CC_O, RAX);
        x64_rm(a, false, X_STORE, RAX, R_CONST, flags_saved_disp());
        t->vs.flags = (struct pending){.op = kind == EFLAGS_SUB ? PENDING_SAVED_SUB : PENDING_SAVED_ADD, .a = SLOT};
    }
}

static u64 operands(const struct pending *p) { return p->op ? 1ull << p->a | (has_b(p) ? 1ull << p->b : 0) : 0; }

static void save(struct translation *t, u8 *r, unsigned slot)
{
    unsigned h = x_use(t, *r);
    x64_rm(&t->as, true, X_STORE, h, R_CONST, slot_disp(slot));
    *r = (u8)slot;
}

void flags_before(struct translation *t)
{
    struct pending *p = &t->vs.flags;
    u64 lost = t->written[t->k] & operands(p);
    if (!lost || t->e->flags & EMIT_SETS || !t->live[t->k])
        return;
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

void flags_behind(struct translation *t)
{
    if (!(t->e->flags & EMIT_SETS) && t->written[t->k] & operands(&t->vs.flags))
        t->vs.flags.op = PENDING_NONE;
}
