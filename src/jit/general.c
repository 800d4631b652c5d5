/* Guest general registers in host registers.
 *
 * A host register of the pool holds a guest register from its first use in a block on; what an instruction writes is
 * stored to the state only when somebody could look at it (dirty). Whoever leaves generated code, or calls, stores what
 * is dirty: mainline code before it does (x_sync), the out-of-line parts by the state at the place they were jumped
 * from. Nothing here touches the flags.
 *
 * What a block needs of this is as good as random: a branch on it is mispredicted every other time, for longer than it
 * takes to write an instruction. So some instructions are written in any case, and stay
 * only where they are wanted: move_if(), store_dirty(). */
#include <immintrin.h>

#include "jit/internal.h"

static const u8 pool[] = {RSI, RDI, R8, R9, R10, R11, R14};

enum { POOL = 1 << RSI | 1 << RDI | 1 << R8 | 1 << R9 | 1 << R10 | 1 << R11 | 1 << R14 };

static unsigned host_of(const struct vstate *s, unsigned r)
{
    return (unsigned)__builtin_ctz((bytes_equal(s->x, r + 1) & POOL) | 1u << 16) & 15;
}
/* Of t->vs while instructions are emitted: what t->host and t->free say at less cost. */
static unsigned free_host(const struct translation *t) { return (unsigned)__builtin_ctz(t->free | 1u << 16) & 15; }

/* Those that hold something. */
static unsigned hosts(const struct vstate *s) { return ~bytes_equal(s->x, 0) & POOL; }

unsigned x_host_in(const struct vstate *s, unsigned r) { return host_of(s, r); }
unsigned x_host(const struct translation *t, unsigned r) { return t->host[r]; }

static bool is_dirty(const struct vstate *s, unsigned h) { return s->x_dirty >> h & 1; }

/* op h, the place of guest register r */
static void move_if(bool wanted, struct x64 *a, unsigned op, unsigned h, unsigned r)
{
    s32 disp = x_disp(r);
    unsigned far = disp != (s8)disp, modrm = 0x45u + 0x40 * far + ((h & 7) << 3);
    u64 v = (0x48 | h >> 3 << 2) | op << 8 | modrm << 16 | (u64)(u32)disp << 24;
    memcpy(a->p, &v, sizeof v);
    a->p += (4 + 3 * far) & -(unsigned)wanted;
}

static void store(struct x64 *a, const struct vstate *s, unsigned h) { move_if(true, a, X_STORE, h, s->x[h] - 1u); }

static void load(struct x64 *a, unsigned h, unsigned r) { move_if(true, a, X_LOAD, h, r); }

/* Host register h, which is free or has it already, is guest register r's from now on; 0: none is, and r is in none. */
static void take(struct translation *t, unsigned h, unsigned r)
{
    bytes_set(t->vs.x, h, (r + 1) & -(unsigned)(h != 0));
    t->host[r] = (u8)h;
    t->free &= ~(1u << h);
    t->in_hosts |= (u64)(h != 0) << r;
}

void x_begin(struct translation *t)
{
    memset(t->host, 0, sizeof t->host);
    t->free = POOL;
    t->in_hosts = 0;
    for (unsigned m = hosts(&t->vs); m; m &= m - 1) {
        unsigned h = (unsigned)__builtin_ctz(m);
        take(t, h, t->vs.x[h] - 1u);
    }
}

/* Those that hold registers of m, a bit each. */
static unsigned hosts_in(const struct vstate *s, u64 m)
{
    const __m128i bit = _mm_set_epi8(-128, 64, 32, 16, 8, 4, 2, 1, -128, 64, 32, 16, 8, 4, 2, 1);
    __m128i held = _mm_loadu_si128((const __m128i *)s->x),
            byte = _mm_and_si128(_mm_srli_epi16(held, 3), _mm_set1_epi8(15)),
            bits = _mm_shuffle_epi8(_mm_cvtsi64_si128((s64)(m << 1)), byte),
            one = _mm_shuffle_epi8(bit, _mm_and_si128(held, _mm_set1_epi8(7)));
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_and_si128(bits, one), one)) & hosts(s);
}

/* The host register whose guest register is needed last: from here to the block's end, then from its start as in a
 * loop; of equals a clean one. */
static unsigned victim(const struct translation *t)
{
    const u64 dead = t->in_hosts & ~(t->later[t->k] | t->uses[t->k]);
    bool any = dead && !t->loop;
    u64 left = any ? dead : t->in_hosts;
    for (unsigned i = any ? t->n : 0; i < t->n; i++) {
        unsigned k = t->k + i < t->n ? t->k + i : t->k + i - t->n;
        u64 later = left & ~t->uses[k];
        if (!later)
            break;
        left = later;
    }
    unsigned candidates = hosts_in(&t->vs, left), clean = candidates & ~(unsigned)t->vs.x_dirty;
    return (unsigned)__builtin_ctz(clean ? clean : candidates);
}

/* A host register for r, which has none. */
static unsigned allocate(struct translation *t, unsigned r)
{
    struct vstate *s = &t->vs;
    unsigned h = free_host(t);
    if (!h) {
        h = victim(t);
        unsigned old = s->x[h] - 1u;
        if (is_dirty(s, h))
            store(&t->as, s, h);
        t->host[old] = 0;
        t->in_hosts &= ~(1ull << old);
    }
    s->x_dirty &= (u16) ~(1u << h);
    take(t, h, r);
    return h;
}

unsigned x_use(struct translation *t, unsigned r)
{
    unsigned has = t->host[r], h = has | (free_host(t) & -(unsigned)!has);
    if (UNLIKELY(!h)) {
        h = allocate(t, r);
        load(&t->as, h, r);
        return h;
    }
    take(t, h, r);
    move_if(!has, &t->as, X_LOAD, h, r);
    return h;
}

unsigned x_src(struct translation *t, unsigned r)
{
    const u64 later = t->later[t->k];
    bool need = t->loop | (bool)(later >> r & 1);
    unsigned has = t->host[r], room = free_host(t), load = !has & need;
    /* what a block that is no loop does not need any more gives its place */
    bool dead = !t->loop & ((t->in_hosts & ~(later | t->uses[t->k])) != 0);
    if (UNLIKELY(load & !room & dead))
        return x_use(t, r);
    load &= room != 0;
    unsigned h = has | (room & -load);
    take(t, h, r);
    move_if(load, &t->as, X_LOAD, h, r);
    return h | ((X_STATE | r) & -(unsigned)!h);
}

unsigned x_def(struct translation *t, unsigned r)
{
    if (r == REG_SINK)
        return RCX;
    unsigned has = t->host[r], h = has | (free_host(t) & -(unsigned)!has);
    if (UNLIKELY(!h))
        h = allocate(t, r);
    else
        take(t, h, r);
    t->vs.x_dirty |= (u16)(1u << h);
    return h;
}

static void store_dirty(struct x64 *a, const struct vstate *s)
{
    /* mov [R_CPU + disp8], h, without what s->x[h] adds to disp8 */
#define HEAD(h) 0x458948u + ((h) >> 3 << 2) + (((h)&7) << 19) + ((u32)(CPU(x) - 8) << 24)
    static const u32 head[16] = {[RSI] = HEAD(RSI), [RDI] = HEAD(RDI), [R8] = HEAD(R8),  [R9] = HEAD(R9),
                                 [R10] = HEAD(R10), [R11] = HEAD(R11), [R14] = HEAD(R14)};
#undef HEAD
    unsigned sp = bytes_equal(s->x, REG_SP + 1) & s->x_dirty, m = s->x_dirty & ~sp;
    for (unsigned i = 0; i < 5; i++, m &= m - 1) {
        unsigned h = (unsigned)__builtin_ctz(m | 1u << R15);
        u32 v = head[h] + ((u32)s->x[h] << 27);
        memcpy(a->p, &v, sizeof v);
        a->p += (unsigned)(m != 0) << 2;
    }
    move_if(sp != 0, a, X_STORE, (unsigned)__builtin_ctz(sp | 1u << R15), REG_SP);
    for (; UNLIKELY(m); m &= m - 1)
        store(a, s, (unsigned)__builtin_ctz(m));
}

/* A slow path is executed seldom: what it stores and loads is said by a byte for each register of the pool, its guest
 * register + 1, and done by a shared piece without questions: REG_SINK and what lies in front of X0 are nobody's. */
void x_maps(struct x64 *a, const struct vstate *at, const struct vstate *behind, unsigned count)
{
    const __m128i order = _mm_setr_epi8(RSI, RDI, R8, R9, R10, R11, R14, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    __m128i held = _mm_loadu_si128((const __m128i *)at->x), back = _mm_loadu_si128((const __m128i *)behind->x);
    u64 dirty = _pdep_u64(_pext_u32(at->x_dirty, POOL), 0x0001010101010101) * 0xff,
        stores = (u64)_mm_cvtsi128_si64(_mm_shuffle_epi8(held, order)) & dirty,
        sink = 0x0001010101010101 * (u64)(REG_SINK + 1) & ~dirty;
    x64_8(a, 0x48);
    x64_8(a, 0xb9); /* mov rcx, imm */
    x64_64(a, stores | sink | (u64)count << 56);
    x64_8(a, 0x48);
    x64_8(a, 0xba); /* mov rdx, imm */
    x64_64(a, (u64)_mm_cvtsi128_si64(_mm_shuffle_epi8(back, order)));
}

void x_moves(struct x64 *a, unsigned op, s32 map)
{
    for (unsigned i = 0; i < ARRAY_LEN(pool); i++) {
        x64_rm(a, false, X_MOVZX8, RDX, R_CONST, map + (s32)i);
        x64_rmx(a, true, op, pool[i], R_CPU, RDX, 3, x_disp(0) - 8);
    }
}

static void settle_copy(struct x64 *a, const struct vstate *s)
{
    if (!s->flags.op)
        return;
    struct vstate copy = *s;
    flags_settle(a, &copy);
}

void x_leave_rest(struct x64 *a, const struct vstate *s)
{
    settle_copy(a, s);
    v_leave(a, s);
}

void x_leave(struct x64 *a, const struct vstate *s)
{
    x_leave_rest(a, s);
    store_dirty(a, s);
}

void x_sync(struct translation *t)
{
    flags_settle(&t->as, &t->vs);
    store_dirty(&t->as, &t->vs);
    v_leave(&t->as, &t->vs);
    t->vs.x_dirty = t->vs.dirty = 0;
    t->flag_operands = 0;
}

void x_forget(struct translation *t)
{
    memset(t->vs.x, 0, sizeof t->vs.x);
    memset(t->host, 0, sizeof t->host);
    t->vs.x_dirty = 0;
    t->free = POOL;
    t->in_hosts = 0;
}

/* ---- from one state to another ---------------------------------------------------------------- */

static bool settles(const struct vstate *from, const struct vstate *to)
{
    return from->flags.op && !flags_same(&from->flags, &to->flags);
}

/* General registers of to that from does not have there; of from that have to be stored. */
static unsigned loads(const struct vstate *from, const struct vstate *to)
{
    return hosts(to) & ~bytes_same(from->x, to->x);
}
static unsigned stores(const struct vstate *from, const struct vstate *to)
{
    return from->x_dirty & ~(hosts(to) & bytes_same(from->x, to->x) & to->x_dirty);
}

static unsigned count(unsigned m) { return (unsigned)__builtin_popcount(m); }

unsigned x_distance(const struct vstate *from, const struct vstate *to)
{
    return (settles(from, to) ? 4 : 0) + count(stores(from, to)) + count(loads(from, to)) + count(v_unkept(from, to));
}

/* The same but for loads of what from does not have at all: whoever needs it has to load it anyway. */
unsigned x_detour(const struct vstate *from, const struct vstate *to)
{
    unsigned n = x_distance(from, to);
    for (unsigned m = loads(from, to); m; m &= m - 1)
        n -= !host_of(from, to->x[__builtin_ctz(m)] - 1u);
    return n;
}

void x_reconcile(struct x64 *a, const struct vstate *from, const struct vstate *to)
{
    if (settles(from, to))
        settle_copy(a, from);
    for (unsigned m = stores(from, to); m; m &= m - 1)
        store(a, from, (unsigned)__builtin_ctz(m));
    for (unsigned m = loads(from, to); m; m &= m - 1) {
        unsigned h = (unsigned)__builtin_ctz(m);
        load(a, h, to->x[h] - 1u);
    }
    for (unsigned m = v_unkept(from, to); m; m &= m - 1)
        v_store(a, from, (unsigned)__builtin_ctz(m));
}

bool x_any(const struct vstate *s) { return s->flags.op || hosts(s); }

/* What of s a block that uses some registers and writes some shall start with; how many. */
unsigned x_restrict(struct vstate *s, u64 used, u64 written)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ARRAY_LEN(pool); i++) {
        unsigned h = pool[i];
        if (!s->x[h])
            continue;
        if (!(used >> (s->x[h] - 1) & 1)) {
            s->x[h] = 0;
            s->x_dirty &= (u16) ~(1u << h);
            continue;
        }
        if (written >> (s->x[h] - 1) & 1)
            s->x_dirty |= (u16)(1u << h);
        n++;
    }
    return n;
}

void x_extend(struct vstate *s, unsigned r, bool written)
{
    unsigned h = host_of(s, r) ? 0 : host_of(s, 0u - 1);
    if (!h)
        return;
    bytes_set(s->x, h, r + 1);
    if (written)
        s->x_dirty |= (u16)(1u << h);
}
