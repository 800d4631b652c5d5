/* Several loads and stores with one check of the fast table: accesses in a row, and later ones of the block. */
#include <immintrin.h>

#include "core/bits.h"
#include "jit/mem.h"

/* Loads, or stores, in a row off one base register (a function's first and last instructions most of all) share one
 * check, which is of all that they access; moves and additions in between are no hindrance. When it fails the exec
 * functions do all of them out of line, one by one and in order. Nothing is written before it, so that the inline path
 * needs no order. */
enum { GROUP_MAX = 12, GROUP_SPAN = 256 };
struct group {
    unsigned n, accesses;         /* instructions, and how many of them are accesses */
    s64 low, high, at[GROUP_MAX]; /* first and last + 1 byte, and where each begins, from the base as it was */
    bool odd;                     /* the base is SP and not aligned behind the last one */
};

/* Is the base what is loaded or stored? */
static bool based(unsigned access, const struct op *o)
{
    bool vector = access & ACCESS_VECTOR, pair = access & ACCESS_PAIR;
    return (!vector) & ((o->rd == o->rn) | (pair & (o->ra == o->rn)));
}

/* Which instructions have r as rn; write r. */
static u32 based_on(const struct translation *t, unsigned r)
{
    const __m256i *row = (const __m256i *)t->base;
    return (u32)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(row), _mm256_set1_epi8((char)r)));
}
static u32 writers(const struct translation *t, unsigned r)
{
    u32 not = 0;
    for (unsigned i = 0; i < BLOCK_MAX / 8; i++) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(t->writes + 8 * i));
        v = _mm256_cmpeq_epi32(_mm256_cmpeq_epi8(v, _mm256_set1_epi8((char)r)), _mm256_setzero_si256());
        not |= (u32)_mm256_movemask_ps(_mm256_castsi256_ps(v)) << 8 * i;
    }
    return ~not ;
}

/* The lowest bits of m, up to the first that stop has. */
static u32 until(u32 m, u32 stop) { return m & (stop - 1) & ~stop; }

/* Instructions behind k, up to the first that stop has. */
static u32 reach(u32 stop, unsigned k)
{
    u32 m = stop >> k >> 1;
    return (m ^ (m - 1)) << k << 1;
}

/* same: accesses off the base of the first, from that on; write: instructions that write the base. */
static struct group group_of(const struct translation *t, const struct op *first, u32 same, u32 write)
{
    struct group g; /* at[] is not cleared */
    g.n = g.accesses = 0;
    g.low = INT64_MAX, g.high = INT64_MIN;
    g.odd = false;
    unsigned stores = t->access[t->k] & ACCESS_STORE;
    u32 members = same & (stores ? t->stores : ~t->stores), others = ~(members | (t->quiet & ~write)),
        all = ~0u >> (32 - t->n);
    s64 moved = 0;
    u32 stop = (others | ~all) >> t->k | 1u << GROUP_MAX;
    for (u32 m = until(members >> t->k, stop); m && !g.odd; m &= m - 1) {
        unsigned i = (unsigned)__builtin_ctz(m);
        const struct op *o = first + i;
        const struct emitter *e = t->row[t->k + i];
        unsigned access = t->access[t->k + i], mode = e->a & 7;
        bool moves = writes_back(mode), own = based(access, o);
        if (moves && own)
            break;
        s64 imm = (s64)o->imm, at = mode == MODE_POST ? moved : moved + imm,
            end = at + ((access & ACCESS_PAIR ? 2 : 1) << e->b);
        s64 low = at < g.low ? at : g.low, high = end > g.high ? end : g.high;
        if (high - low > GROUP_SPAN)
            break;
        g.low = low, g.high = high;
        g.at[i] = at;
        g.n = i + 1;
        g.accesses++;
        if (own && !stores)
            break;
        if (moves) {
            moved += imm;
            g.odd = o->rn == REG_SP && imm & 15;
        }
    }
    return g;
}

/* One of the accesses, inline, at va + rdx + disp; t->k and t->e are its. */
static void group_member(struct translation *t, const struct op *o, unsigned access, unsigned va, s32 disp)
{
    unsigned scale = t->e->b;
    if (access & ACCESS_VECTOR) {
        t_vector_member(t, o, va, disp);
    } else if (access & ACCESS_STORE) {
        mem_store(t, scale, mem_source(t, o->rd), va, disp);
        if (access & ACCESS_PAIR)
            mem_store(t, scale, mem_source(t, o->ra), va, disp + (1 << scale));
    } else if (access & ACCESS_PAIR) {
        mem_load_pair(t, o, va, disp);
    } else {
        mem_load(t, t->e->a >> 3 & 7, scale, x_def(t, o->rd), va, disp);
    }
    if (writes_back(t->e->a & 7) && o->imm) {
        x_use(t, o->rn);
        x64_ri(&t->as, true, X_ADD, x_def(t, o->rn), (s32)o->imm);
    }
}

/* ---- checks that hold ------------------------------------------------------------------------ */

/* Later accesses of the block off the same base, with whatever in between that is no call, are checked with the first
 * one, and find host - VA in memory. A slow path in between may change the fast tables: behind it the block is left for
 * the next instruction's own, as it is where the check of all of them fails. A load is checked for the stores behind it
 * that are executed whenever it is. */

bool t_held(const struct translation *t)
{
    for (unsigned i = 0; i < HELD; i++)
        if (t->held[i].live && t->held[i].last > t->k + t->skip)
            return true;
    return false;
}

/* h's registers were written by o. */
static void base_moved(struct held *h, const struct op *o, unsigned access, unsigned mode)
{
    h->live = !h->how && access && writes_back(mode) && o->rn == h->base && !based(access, o);
    h->low -= (s64)o->imm;
    h->high -= (s64)o->imm;
}

void t_held_behind(struct translation *t, const struct op *o)
{
    const u64 written = t->written[t->k];
    bool holds = false;
    for (unsigned i = 0; i < HELD; i++) {
        struct held *h = &t->held[i];
        h->live &= h->last > t->k;
        holds |= h->live;
        if (UNLIKELY(h->live & ((written >> h->base | written >> h->index) & 1)))
            base_moved(h, o, t->access[t->k], t->row[t->k]->a & 7);
    }
    t->holds = holds;
    t->in_rdx &= -(unsigned)holds;
}

/* As t->in_rdx has it. */
static unsigned number(const struct translation *t, const struct held *h)
{
    return h ? 1u + (unsigned)(h - t->held) : 0;
}

/* What g, the instructions from o on, need not check; NULL: they have to. */
static struct held *held_for(struct translation *t, const struct op *o, const struct group *g, bool stores)
{
    unsigned does = 0;
    if (!t->holds)
        return NULL;
    for (unsigned i = 0; i < HELD; i++) {
        const struct held *h = &t->held[i];
        bool d = h->live & !h->how & (h->base == o->rn) & (h->low <= g->low) & (h->high >= g->high) &
                 (h->write | !stores) & (h->last >= t->k + g->n - 1) & ((o->rn != REG_SP) | t->sp_ok);
        does |= (unsigned)d << i;
    }
    return does ? &t->held[__builtin_ctz(does)] : NULL;
}

/* Widens g, the instructions from o on, by what follows; NULL: nothing that it could hold for. same, write: as
 * group_of() has them. */
static struct held *hold(struct translation *t, const struct op *o, struct group *g, bool stores, u32 same, u32 write)
{
    /* up to where all is emitted here, and the base is what it was or moved by an access */
    u32 stop = (~t->regs_mask | (write & ~same)) >> t->k;
    u32 branches = t->branches >> t->k, writes = write >> t->k, m = same >> t->k;
    m = stop ? until(m, stop) : m;
    if (!((u64)m >> g->n))
        return NULL;
    struct held *h = NULL, made = {.base = o->rn, .index = o->rn, .write = stores};
    for (unsigned i = 0; i < HELD; i++)
        if (!t->held[i].live || t->held[i].last < t->k + g->n)
            h = &t->held[i];
    s64 moved = 0;
    for (m = h ? m : 0; m; m &= m - 1) {
        unsigned i = (unsigned)__builtin_ctz(m);
        const struct op *p = o + i;
        const struct emitter *e = t->row[t->k + i];
        unsigned access = t->access[t->k + i], mode = e->a & 7;
        bool store = access & ACCESS_STORE, moves = writes_back(mode), own = based(access, p);
        if (own && moves)
            break;
        s64 at = mode == MODE_POST ? moved : moved + (s64)p->imm, end = at + ((access & ACCESS_PAIR ? 2 : 1) << e->b);
        s64 low = at < g->low ? at : g->low, high = end > g->high ? end : g->high;
        bool always = !(branches & ((1u << i) - 1)); /* executed whenever the first one is */
        bool takes = (i >= g->n) & (high - low <= GROUP_SPAN) & (made.write | !store | always);
        g->low = takes ? low : g->low;
        g->high = takes ? high : g->high;
        made.write |= takes & store;
        made.last = takes ? (u8)(t->k + i) : made.last;
        made.live |= takes;
        if (writes >> i & 1) {
            if (own || !moves)
                break;
            moved += (s64)p->imm;
        }
    }
    if (!made.live)
        return NULL;
    made.low = g->low, made.high = g->high;
    *h = made;
    t->holds = true;
    return h;
}

bool t_group(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    const struct emitter *e = t->e;
    unsigned k = t->k, access = t->access[k];
    const unsigned in_rdx = t->in_rdx;
    t->in_rdx = 0;
    if (!access || t->flavour & FLAVOUR_ALIGN || (t->btype && !k)) /* the first one clears BTYPE */
        return false;
    const u32 here = ~0u << k, same = based_on(t, o->rn) & t->accesses & here, write = writers(t, o->rn) & here;
    if (!t->holds && !(same & ~(1u << k) & reach(~t->regs_mask | (write & ~same), k)))
        return false;
    struct group g = group_of(t, o, same, write | writers(t, REG_SP));
    if (!g.accesses)
        return false;
    bool stores = access & ACCESS_STORE;
    struct held *held = held_for(t, o, &g, stores), *made = held ? NULL : hold(t, o, &g, stores, same, write);
    if (g.accesses < 2 && !held && !made)
        return false;
    for (unsigned i = 1; t->flag_operands && i < g.n; i++) { /* of the first one it was done */
        t->k = k + i;
        t->e = t->row[k + i];
        if (flags_touched(t))
            flags_before(t);
    }
    t->k = k;
    t->e = e;
    unsigned base = x_use(t, o->rn);
    if (o->rn == REG_SP && !t->sp_ok) {
        g.low &= ~15ll;
        t->sp_check = t->sp_ok = true;
    }
    /* Else rax has the lowest address, that displacements are short. */
    bool direct = held || g.accesses == 1 || (g.low >= -128 && g.high <= 128);
    if (held) {
        if (in_rdx != number(t, held))
            x64_rm(a, true, X_LOAD, RDX, R_CONST, mem_held_disp(t, held));
    } else {
        if (!direct)
            x64_rm(a, true, X_LEA, RAX, base, (s32)g.low);
        unsigned stub = t->nstubs;
        mem_check(t, direct ? base : (unsigned)RAX, direct ? (s32)g.low : 0,
                  stores || (made && made->write) ? TAG_WRITE : TAG_READ, (unsigned)(g.high - g.low), false);
        t->stubs[stub].count = g.n;
        if (made)
            x64_rm(a, true, X_STORE, RDX, R_CONST, mem_held_disp(t, made));
    }
    s64 moved = 0; /* the base */
    for (unsigned i = 0; i < g.n; i++) {
        t->k = k + i;
        t->e = t->row[k + i];
        unsigned member = t->access[t->k];
        if (member && direct)
            group_member(t, o + i, member, x_use(t, o->rn), (s32)(g.at[i] - moved));
        else if (member)
            group_member(t, o + i, member, RAX, (s32)(g.at[i] - g.low));
        else
            t->e->emit(t, o + i);
        if (member && writes_back(t->e->a & 7))
            moved += (s64)o[i].imm;
        if (UNLIKELY((i != 0) & flags_touched(t)))
            flags_behind(t);
    }
    t->k = k;
    t->e = e;
    t->sp_keep = true;
    t->in_rdx = number(t, held ? held : made);
    if (g.odd)
        t->sp_ok = false;
    t->skip = g.n - 1;
    return true;
}
