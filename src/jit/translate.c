/* A block: scan, liveness of the flags, one pass of emission, out-of-line parts.
 *
 * A block is up to BLOCK_MAX instructions of one page, past conditional branches that are not taken. It ends at
 * unconditional and indirect branches, at what always leaves, and at backward conditional branches (loops).
 *
 * Flags: a setter leaves them in EFLAGS for the instruction behind it; flags.c has what becomes of them then. */
#include <immintrin.h>

#include "cpu/mem.h"
#include "jit/mem.h"
#include "jit/registers.h"

/* Which of the bytes have that bit. */
static u32 with(const u8 bytes[BLOCK_MAX], unsigned bit)
{
    _Static_assert(BLOCK_MAX == 32, "a vector");
    __m256i v = _mm256_loadu_si256((const __m256i *)bytes);
    return (u32)_mm256_movemask_epi8(
        _mm256_cmpeq_epi8(_mm256_and_si256(v, _mm256_set1_epi8((char)bit)), _mm256_set1_epi8((char)bit)));
}

/* Registers of the instructions behind each one, four at a time from the end; of most blocks in the same time. */
static void note_later(struct translation *t)
{
    const __m256i none = _mm256_setzero_si256();
    __m256i all = none;
    for (int i = 0; i < LATER_LEAST; i += 4)
        _mm256_storeu_si256((__m256i *)(t->uses + t->n + i), none);
    const int n = (int)t->n;
    for (int k = ((n > LATER_LEAST ? n : LATER_LEAST) - 1) & ~3; k >= 0; k -= 4) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(t->uses + k)), next, far;
        next = _mm256_blend_epi32(_mm256_permute4x64_epi64(v, 0x39), all, 0xc0); /* of k + 1, k + 2, k + 3; all */
        far = _mm256_or_si256(next, _mm256_blend_epi32(_mm256_permute4x64_epi64(next, 0x39), all, 0xc0));
        next = _mm256_or_si256(far, _mm256_blend_epi32(_mm256_permute4x64_epi64(far, 0x4e), all, 0xf0));
        _mm256_storeu_si256((__m256i *)(t->later + k), next);
        all = _mm256_or_si256(_mm256_permute4x64_epi64(next, 0), _mm256_permute4x64_epi64(v, 0));
    }
}

/* Decodes the block; n and the covered slots. */
static void scan(struct translation *t)
{
    enum { EXCLUSIVE = 10 };
    unsigned k = 0, max = CODE_SLOTS - t->first < BLOCK_MAX ? CODE_SLOTS - t->first : BLOCK_MAX;
    const struct op *first = &t->page->op[t->first];
    const struct emitter *emitters = t->j->emitters;
    const bool parallel = t->parallel;
    unsigned rows = 0;
    for (bool end = false; k < max && !end; k++) {
        const struct op *o = first + k;
        if (o->row == A64_ROW_FETCH) {
            if (k && t->row[k - 1]->flags & EMIT_BRANCH && t->j->cold)
                break; /* this side of the branch was never executed */
            o = code_decode(t->j->code, t->c->decoder, t->page, t->first + k);
        }
        if (UNLIKELY(parallel) && k >= BLOCK_MAX - EXCLUSIVE && mem_excl_is_load(o))
            break; /* its store should be in the same block */
        const struct emitter *e = &emitters[o->row];
        rows |= e->row;
        t->row[k] = e;
        t->uses[k] = x_registers(e, o);
        t->writes[k] = x_written_bytes(e, o);
        t->written[k] = x_bits(t->writes[k]);
        t->base[k] = o->rn;
        t->flags[k] = (u8)e->flags;
        t->access[k] = e->row & ACCESS_ALL;
        end = (e->flags & EMIT_LAST) | ((e->flags & EMIT_BRANCH) & -(unsigned)((s64)o->imm <= 0));
    }
    t->n = k;
    const unsigned n = k;
    u64 mask = ~0ull >> (64 - k), *covered = t->jp->covered + t->first / 64;
    unsigned shift = t->first % 64;
    covered[0] |= mask << shift;
    if (shift + k > 64)
        covered[1] |= mask >> (64 - shift);
    note_later(t);
    if (UNLIKELY(t->flavour & FLAVOUR_FP_CALL))
        for (unsigned i = 0; i < n; i++)
            t->access[i] &= t->access[i] & ACCESS_VECTOR ? 0 : ACCESS_ALL;
    const u32 all = ~0u >> (32 - n), fp = t->flavour & FLAVOUR_FP_CALL ? with(t->flags, EMIT_FP) : 0,
              regs = with(t->flags, EMIT_REGS) & ~fp, accesses = with(t->access, ACCESS) & all;
    t->vectors |= (rows & ROW_VECTOR) != 0;
    t->accesses = accesses;
    t->stores = with(t->access, ACCESS_STORE);
    t->regs_mask = regs;
    t->quiet = with(t->flags, EMIT_QUIET);
    t->sets = with(t->flags, EMIT_SETS) & all;
    t->branches = with(t->flags, EMIT_BRANCH) & all;
    t->leaves = (with(t->flags, EMIT_EXIT) | fp) & all;
    t->reads = (with(t->flags, EMIT_COND) | with(t->flags, EMIT_USES)) & all;
    t->looks = t->reads & ~t->branches & ~t->sets;
}

static bool fuses(const struct emitter *setter, const struct op *user)
{
    unsigned cond = user->x & 0xeu;
    if (setter->kind == EFLAGS_FP)
        return true;
    return setter->kind != EFLAGS_NONE && (cond != 8 || setter->kind == EFLAGS_SUB);
}

static bool keeps(const struct emitter *e, const struct op *o)
{
    return e->flags & EMIT_KEEP || (e->flags & EMIT_KEEP3 && o->imm <= 3);
}

static bool finds(const struct emitter *setter, const struct op *o, const struct emitter *e)
{
    if (e->flags & EMIT_USES)
        return setter->kind != EFLAGS_NONE && setter->kind < EFLAGS_FP;
    return fuses(setter, o);
}

/* Does k find what it needs of the flags in EFLAGS, where the last setter left them? Instructions between have to keep
 * them; those of a floating-point comparison are for one look. */
static bool fused(struct translation *t, unsigned k, const struct op *o, const struct emitter *e)
{
    unsigned d = 1;
    while (d < k && keeps(t->row[k - d], o - d))
        d++;
    const struct emitter *b = d <= k ? t->row[k - d] : NULL;
    if (!b || !(b->flags & EMIT_SETS) || !finds(b, o, e))
        return false;
    for (unsigned i = 1; i < d; i++) {
        const struct emitter *u = t->row[k - i];
        if (b->kind >= EFLAGS_FP || (u->flags & EMIT_COND && ((o - i)->x >> 1 == 7 || !finds(b, o - i, u))))
            return false;
    }
    for (unsigned i = 1; i < d; i++)
        t->keep[k - i] = true;
    return true;
}

/* An instruction's bit of live: NZCV is looked at, or may be, behind it before something sets it. */
static void liveness(struct translation *t)
{
    memset(t->keep, 0, sizeof t->keep);
    u32 looks = t->leaves;
    for (u32 m = t->reads; m; m &= m - 1) {
        unsigned k = (unsigned)__builtin_ctz(m);
        looks |= (u32)!fused(t, k, &t->page->op[t->first + k], t->row[k]) << k;
    }
    /* in front of it: as behind it, unless it sets them; at the block's end; each step as far again */
    u64 live = 1ull << t->n | looks | t->branches, passes = ~(u64)t->sets;
    for (unsigned far = 1; far <= BLOCK_MAX; far *= 2) {
        live |= passes & live >> far;
        passes &= passes >> far;
    }
    t->live = live >> 1 | t->branches;
}

/* ---- for the emitters ------------------------------------------------------------------------ */

/* Not by memset(): so much it clears by a string instruction, which takes long to begin. */
static void forget_held(struct translation *t)
{
    const struct held none = {0};
    for (unsigned i = 0; i < HELD; i++)
        t->held[i] = none;
}

void t_call(struct translation *t)
{
    t->called = true;
    x_sync(t);
    x_forget(t);
    x64_mov_imm_keep(&t->as, RAX, t_packed(t));
    x64_link(x64_call(&t->as), t->j->call);
    v_forget(t);
    t->sp_ok = false;
    t->holds = false;
    forget_held(t);
}

/* Copies as they are stored, one by one: what is read otherwise has to wait until it is in the host's cache. */
static inline void copy_state(const struct translation *t, struct vstate *to, const struct vstate *from)
{
    memcpy(to->x, from->x, sizeof to->x);
    to->flags = from->flags;
    to->x_dirty = from->x_dirty;
    to->dirty = 0;
    if (t->vectors)
        memcpy(to->guest, from->guest, sizeof *to - offsetof(struct vstate, guest));
}

struct stub *t_slow(struct translation *t, u8 *from)
{
    CHECK(t->nstubs < ARRAY_LEN(t->stubs));
    struct stub *s = &t->stubs[t->nstubs++];
    memset(s, 0, offsetof(struct stub, at));
    s->from[0] = from;
    s->count = 1;
    copy_state(t, &s->at, &t->vs);
    return s;
}

void t_edge(struct translation *t, u8 *from, s64 off)
{
    CHECK(t->nedges < ARRAY_LEN(t->edges));
    struct edge *e = &t->edges[t->nedges++];
    e->from = from;
    e->rest = t->n - t->k - 1;
    e->target = off;
    copy_state(t, &e->at, &t->vs);
}

void t_sync_keep(struct translation *t)
{
    bool flags = t->vs.flags.op;
    if (flags)
        x64_rr(&t->as, true, X_LOAD, RDX, RAX);
    x_sync(t);
    if (flags)
        x64_rr(&t->as, true, X_LOAD, RAX, RDX);
}

/* The host predicts an indirect jump by where it is: a shared one sent an interpreter's loop astray each time. Within
 * the page the table of entries is known, as it goes together with this translation. */
static void jump_reg(struct translation *t, unsigned flavour, bool near)
{
    struct x64 *a = &t->as;
    const u32 *entries = code_entries(t->page, flavour);
    if (near && entries) {
        x64_rr(a, true, X_LOAD, RCX, RAX);
        x64_rm(a, true, X_XOR, RCX, R_CPU, CPU(fetch_page));
        x64_test_ri(a, true, RCX, ~0xffc);
        u8 *far = x64_jcc8(a, CC_NE);
        x64_mov_imm(a, RDX, (uintptr_t)entries);
        x64_rmx(a, false, X_LOAD, RDX, RDX, RCX, 0, 0);
        x64_rm(a, true, X_ADD, RDX, R_CONST, (s32)offsetof(struct jit_shared, arena));
        x64_jmp_reg(a, RDX);
        x64_here8(a, far);
    }
    indirect_emit(t);
    x64_link(x64_call(a), t->j->find[flavour]);
    x64_jmp_reg(a, RDX);
}

void t_jump_btype(struct translation *t, unsigned btype, bool near)
{
    t_sync_keep(t);
    x64_op(&t->as, false, 0xc6, 0, 0, R_CPU, false); /* mov byte [btype], btype */
    x64_modrm(&t->as, 0, R_CPU, CPU(ps.btype));
    x64_8(&t->as, btype);
    jump_reg(t, t->flavour | btype * FLAVOUR_BTYPE, near);
}

void t_jump_reg(struct translation *t, bool near)
{
    t_sync_keep(t);
    jump_reg(t, t->flavour, near);
}

/* Between two of these t->as is where cold code goes. */
static void step_outside(struct translation *t)
{
    struct x64 as = t->as;
    t->as = t->slow;
    t->slow = as;
    t->outside = !t->outside;
}

u8 *t_jump(struct translation *t)
{
    bool there = t->as.p == t->edge_at;
    u8 *jump = x64_jmp(&t->as);
    t->as.p -= there ? 5 : 0;
    return there ? t->edge : jump;
}

/* The way of a jump that is not linked yet, by that d leads here; and where it is counted often enough. */
static void ask_for_link(struct translation *t, u8 *d, u8 *hot, s64 off, u32 link)
{
    struct x64 *a = t->outside ? &t->as : &t->slow;
    x64_here(a, d);
    if (hot)
        x64_here(a, hot);
    x64_mov_imm_keep(a, RAX, (u32)off);
    x64_mov_imm_keep(a, RDX, link);
    x64_link(x64_jmp(a), t->j->link);
}

/* To the generic translation, with all state in its place. */
static void jump_synced(struct translation *t, s64 off)
{
    const u32 *entries = code_entries(t->page, t->flavour);
    u32 entry = entries ? entries[off / 4] : 0;
    u8 *d = t_jump(t);
    if (!entry_cold(entry))
        x64_link(d, t->j->rw + entry);
    else
        ask_for_link(t, d, NULL, off, (u32)(d - t->j->rw));
}

/* The same where the state is not worth keeping in registers over a jump. */
static void jump_generic(struct translation *t, s64 off)
{
    x_sync(t);
    jump_synced(t, off);
}

/* That until the jump, noted by link, is executed often. */
static void jump_noted(struct translation *t, s64 off, u32 link)
{
    x_sync(t);
    u8 *hot = version_count(t->j, &t->as, link), *d = t_jump(t);
    version_link_generic(t->j, link, (u32)(d - t->j->rw));
    ask_for_link(t, d, hot, off, link);
}

void t_jump_direct(struct translation *t, s64 off)
{
    struct x64 *a = &t->as;
    if (off < 0 || off >= PAGE_SIZE) {
        x_sync(t);
        far_emit(t, (s32)off);
        return;
    }
    bool back = off < 4 * (s64)(t->first + t->k);
    if (!back && !t->reach) {
        jump_generic(t, off);
        return;
    }
    bool values = version_wanted(&t->vs), self = off == 4 * (s64)t->first && !t->btype;
    if (self && version_wanted(&t->in) == values && v_implies(&t->vs, &t->in) &&
        x_detour(&t->vs, &t->in) <= VERSION_NEAR) {
        x_reconcile(a, &t->vs, &t->in);
        x64_link(t_jump(t), t->start);
        return;
    }
    if (!values) {
        jump_generic(t, off);
        return;
    }
    const struct version *v = version_find(t->jp, t->flavour, (unsigned)off / 4, &t->vs);
    if (v && x_detour(&t->vs, &v->in) <= VERSION_NEAR) {
        x_reconcile(a, &t->vs, &v->in);
        x64_link(t_jump(t), t->j->rw + v->entry);
        return;
    }
    u8 *d = t_jump(t); /* most of these get their version */
    bool inside = !t->outside;
    if (inside)
        step_outside(t);
    x64_here(&t->as, d);
    jump_noted(t, off, version_note_link(t->j, (u32)(d - t->j->rw), back ? VERSION_REACH : t->reach - 1, &t->vs));
    if (inside)
        step_outside(t);
}

unsigned t_cond_cc(struct translation *t, unsigned cond)
{
    static const u8 sub[8] = {CC_E, CC_AE, CC_S, CC_O, CC_A, CC_GE, CC_G, 0};
    static const u8 mask[4] = {0x40, 1, 0x80, 1}; /* of jit_shared.flags: bits of AH, and V of AL */
    struct x64 *a = &t->as;
    unsigned pair = cond >> 1, odd = cond & 1;
    if (t->eflags == EFLAGS_NONE && t->vs.flags.op)
        t->eflags = flags_again(t);
    if (t->eflags >= EFLAGS_FP &&
        pair != 7) { /* for one look only: EQ spoils them, and their order was chosen for it */
        t->eflags = EFLAGS_NONE;
        return t_fp_cc(t, cond);
    }
    if (t->eflags != EFLAGS_NONE && pair != 7) {
        if (t->eflags == EFLAGS_SUB)
            return sub[pair] ^ odd;
        if (pair == 1)
            return CC_B ^ odd;
        if (pair != 4)
            return sub[pair] ^ odd;
    }
    t->eflags = EFLAGS_NONE;
    if (pair == 7) {    /* always */
        x64_8(a, 0xf9); /* stc */
        return CC_B;
    }
    flags_settle(a, &t->vs);
    if (pair < 4) {
        x64_test8_mi(a, R_CONST, (s32)offsetof(struct jit_shared, flags) + (pair < 3), mask[pair]);
        return CC_NE ^ odd;
    }
    flags_restore(a);
    return sub[pair] ^ odd;
}

u8 *t_cond(struct translation *t, unsigned cond) { return x64_jcc(&t->as, t_cond_cc(t, cond)); }

/* ---- emission -------------------------------------------------------------------------------- */

/* Taken branches: behind the block. */
static void emit_edges(struct translation *t)
{
    struct x64 *a = &t->as;
    for (unsigned i = 0; i < t->nedges; i++) {
        const struct edge *e = &t->edges[i];
        x64_here(a, e->from);
        copy_state(t, &t->vs, &e->at);
        t->edge = e->from;
        t->edge_at = a->p;
        if (e->rest)
            x64_ri(a, true, X_ADD, R_LEFT, (s32)e->rest);
        t_jump_direct(t, e->target);
    }
}

/* The current instruction's slow paths: its exec function, or those of the instructions that were emitted with it, and
 * on behind its code; or, where what was checked before does not hold behind a call (again), at the next one's block.
 */
static void emit_stubs(struct translation *t, bool again)
{
    u8 *end = t->as.p;
    step_outside(t);
    struct x64 *a = &t->as;
    for (unsigned i = 0; i < t->nstubs; i++) {
        const struct stub *s = &t->stubs[i];
        for (unsigned f = 0; f < ARRAY_LEN(s->from); f++)
            if (s->from[f])
                x64_here(a, s->from[f]);
        if (UNLIKELY(s->guard))
            x64_link(x64_call(a), t->j->guard);
        x_leave_rest(a, &s->at);
        x_maps(a, &s->at, &t->vs, s->count);
        x64_mov_imm_keep(a, RAX, t_packed(t));
        x64_link(x64_call(a), t->j->call_maps);
        if (UNLIKELY(again)) {
            x64_ri(a, true, X_ADD, R_LEFT, (s32)(t->n - t->k - s->count));
            jump_synced(t, t_off(t) + 4 * s->count);
            continue;
        }
        if (t->vectors)
            v_reload(t, &t->vs);
        x64_link(x64_jmp(a), end);
    }
    step_outside(t);
    t->nstubs = 0;
}

static void emit_special(struct translation *t, const struct op *o)
{
    if (t->e->flags & t->special & (EMIT_CALL | EMIT_FP))
        t_call(t);
    else
        t->e->emit(t, o);
}

static void emit_op(struct translation *t, const struct op *o)
{
    const unsigned k = t->k;
    const struct emitter *e = t->e = t->row[k];
    const unsigned flags = e->flags, kept = t->keep[k];
    t->eflags &= -((t->reads >> k & 1) | kept);
    t->called = false;
    t->regs = flags & EMIT_REGS;
    if (!t->regs) {
        x_sync(t);
        x_forget(t);
    }
    if (UNLIKELY(flags_touched(t)))
        flags_before(t);
    t->sp_keep = false;
    if (LIKELY(!(flags & t->special)))
        e->emit(t, o);
    else if (!(flags & EMIT_SYSREG && t_fp_register(t, o)))
        emit_special(t, o);
    if (UNLIKELY(t->parallel) && par_releases(o))
        t_fence(t);
    t->eflags &= (t->looks >> k & ~kept & 1) - 1;
    if (t->nstubs)
        emit_stubs(t, t->holds && flags & EMIT_EXIT && t_held(t));
    if (t->holds) {
        t->in_rdx &= -(unsigned)(((flags & EMIT_QUIET) | t->access[k]) != 0);
        t_held_behind(t, o);
    }
    if (UNLIKELY(flags_touched(t)))
        flags_behind(t);
    t->sp_ok &= t->regs & (!(t->written[k] >> REG_SP & 1) | t->sp_keep);
    unsigned constant = -(unsigned)((flags & EMIT_CONST) != 0);
    t->known = (t->known & constant) | (REG_SINK & ~constant);
}

static void clear_btype(struct translation *t)
{
    x64_op(&t->as, false, 0xc6, 0, 0, R_CPU, false);
    x64_modrm(&t->as, 0, R_CPU, CPU(ps.btype));
    x64_8(&t->as, 0);
}

/* The first instruction of a block that an indirect branch leads to. On a guarded page one that is no landing pad, or
 * a pad that has to be looked at, is the interpreter's: the returned jump gives up as if the slice were too short.
 * BTYPE is cleared by the instruction's execution: before a branch, behind everything else. */
static u8 *landing(struct translation *t, const struct op *o, unsigned btype)
{
    const struct a64_row *row = &a64_rows[o->row];
    bool pad = (row->flags & A64_GUARD) != 0;
    u8 *refused = NULL;
    if (pad && row->feat == FEAT_BTI)
        pad = btype == 1 ? o->x != 0 : (o->x & (btype == 2 ? 1 : 2)) != 0;
    else if (pad && row->feat == FEAT_PAuth)
        pad = btype != 3;
    if (!pad) {
        x64_cmp8_mi(&t->as, R_CPU, CPU(fetch_guarded), 0);
        refused = x64_jcc(&t->as, CC_NE);
    }
    if (t->row[0]->row & ROW_BRANCH)
        clear_btype(t);
    return refused;
}

u8 *jit_translate(struct jit *j, struct cpu *c, struct code_page *p, unsigned flavour, unsigned slot,
                  const struct vstate *in, unsigned reach)
{
    struct translation tr, *t = &tr;
    const u64 began = j->watch ? __rdtsc() : 0;
    unsigned btype = flavour / FLAVOUR_BTYPE;
    t->as = j->as;
    t->slow = j->slow;
    t->outside = false;
    t->j = j;
    t->c = c;
    t->page = p;
    t->jp = p->jit;
    t->jp->parts |= 1u << j->part;
    t->flavour = flavour % FLAVOUR_BTYPE; /* of what follows */
    t->special = EMIT_CALL | EMIT_SYSREG | (flavour & FLAVOUR_FP_CALL ? EMIT_FP : 0);
    t->parallel = j->parallel;
    t->btype = btype;
    t->first = slot;
    t->eflags = EFLAGS_NONE;
    t->nstubs = t->nedges = 0;
    t->k = 0;
    t->known = REG_SINK;
    t->sp_ok = false;
    t->sp_jump = t->align_check = NULL;
    t->sp_check = false;
    t->skip = 0;
    t->edge = t->edge_at = NULL;
    forget_held(t);
    t->in_rdx = 0;
    t->holds = false;
    v_forget(t);
    x_forget(t);
    t->vs.flags.op = PENDING_NONE;
    memset(&t->in, 0, offsetof(struct vstate, valid));
    t->vectors = in && v_hosts(in->guest);
    if (in) {
        t->in = t->vs = *in;
        x_begin(t);
    }
    t->flag_operands = flags_operands(&t->in.flags);
    t->reach = reach;
    scan(t);
    const struct op *last = &p->op[slot + t->n - 1];
    t->loop = in || (t->row[t->n - 1]->row & ROW_BRANCH && (s64)last->imm < 0);
    liveness(t);
    unsigned pace = in && t->row[t->n - 1]->row & ROW_BRANCH ? t->n - 1 : BLOCK_MAX;
    if (in) /* loops */
        t->as.p += -(uintptr_t)t->as.p & 15;
    t->start = t->as.p;
    x64_ri(&t->as, true, X_SUB, R_LEFT, (s32)t->n);
    u8 *short_slice = x64_jcc(&t->as, CC_S), *wanted = NULL;
    if (j->parallel) {
        x64_mi(&t->as, false, X_CMP, R_CPU, CPU(exit), 0);
        wanted = x64_jcc(&t->as, CC_NE);
    }
    u32 head = t_packed(t);
    u8 *refused = NULL;
    if (btype)
        refused = landing(t, &p->op[slot], btype);
    for (const struct op *o = &p->op[slot]; t->k < t->n; o++, t->k++) {
        if (UNLIKELY(t->k == pace))
            t_pace(t, &p->op[slot]);
        emit_op(t, o);
        if (UNLIKELY(btype) && !t->k && !(t->e->row & ROW_BRANCH))
            clear_btype(t);
        for (; t->skip; t->skip--) {
            t->k++, o++;
            if (t->holds)
                t_held_behind(t, o);
        }
    }
    if (!(t->e->flags & EMIT_END) || t->called)
        t_jump_direct(t, 4 * (s64)(slot + t->n));
    emit_edges(t);
    step_outside(t);
    if (refused)
        x64_here(&t->as, refused);
    x64_here(&t->as, short_slice);
    if (wanted)
        x64_here(&t->as, wanted);
    if (in)
        x_leave(&t->as, &t->in);
    x64_mov_imm_keep(&t->as, RAX, head);
    x64_link(x64_jmp(&t->as), j->head);
    step_outside(t);
    const u8 *cold = j->slow.p;
    j->as = t->as;
    j->slow = t->slow;
    if (UNLIKELY(j->watch != NULL)) {
        j->watch->ticks += __rdtsc() - began;
        watch_made(j, c, in ? JIT_VERSION : JIT_BLOCK, p, t->start, cold, t->n);
    }
    return t->start;
}
