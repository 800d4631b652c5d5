/* The architectural TLB (DDI0487 D8.16, "TLB maintenance"): 1024 sets of 8 pieces of 4 KiB and 128 sets
 * of 4 pieces of 2 MiB, each set replaced by fill order.
 *
 * TLBI by VA must find every piece of a block: counting filters by 2 MiB and 1 GiB region say
 * whether there can be any, so that the usual invalidation looks at one set a space.
 * TLBI by IPA drops the entries of spaces with stage 1 off, whose addresses are IPAs; combined entries fall
 * at the VMALLE1 that software has to issue after it (D8.16.2).
 *
 * Invariants: a dead generation never comes alive (numbers only grow; at the end of their range
 * everything is cleared); each removal of a live entry drops its copies in the fast tables. */
#include "mmu/tlb.h"

#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/snap.h"
#include "mmu/fast.h"

struct tlb {
    struct tlb_entry e[TLB_SETS][TLB_WAYS];
    struct tlb_entry big[TLB_BIG_SETS][TLB_BIG_WAYS];
    u8 next[TLB_SETS], big_next[TLB_BIG_SETS]; /* way to replace next */
    u64 space[TLB_SPACES];                     /* packed struct tlb_space, 0: unused */
    u32 gen[TLB_SPACES];
    u32 filled[TLB_SPACES]; /* generation at the last fill: another one than gen says that the space is empty */
    u32 agen[TLB_ASIDS];
    /* counts of 4 KiB pieces of blocks up to 64 KiB, 2 MiB, 1 GiB; of 2 MiB pieces of blocks up to 1 GiB */
    u16 filter64k[TLB_FILTER], filter2m[TLB_FILTER], filter1g[TLB_FILTER], big1g[TLB_FILTER];
    u32 huge, big_huge; /* pieces of blocks beyond 1 GiB */
    u32 spaces, victim; /* spaces in use; the one to be given away next */
    u32 last_gen;       /* last generation number handed out */
    u32 epoch;
    struct fast_pool *fast;
    /* A byte for each way of a set, mark() of its entry, 0: unused. Look-ups wait for the host's caches, which have
     * this but not the entries: nearly all that find nothing see it here. Not state */
    u64 marks[TLB_SETS];
    struct tlb_entry view; /* the 4 KiB of a 2 MiB piece that were looked up last; not state */
};

static u64 pack(const struct tlb_space *s)
{
    return (u64)s->dacr << 32 | 1ull << 10 | (u64)s->aa32 << 9 | (u64)s->vmid << 16 | (u64)s->nv1 << 8 |
           (u64)s->dc << 7 | (u64)s->s2 << 6 | (u64)s->s1 << 5 | (u64)s->pas << 3 | s->kind;
}

static unsigned asid_slot(unsigned space, u16 asid) { return (asid ^ space * 0x9du) % TLB_ASIDS; }
static unsigned set_of(unsigned space, u64 va) { return (unsigned)(va >> 12 ^ space * 0x125) % TLB_SETS; }
static unsigned big_set_of(unsigned space, u64 va) { return (unsigned)(va >> 21 ^ space * 0x25) % TLB_BIG_SETS; }
static u64 big_key_of(unsigned space, u64 va) { return (va & ~ones(21)) | space << 1 | 1; }
static u64 key_of(unsigned space, u64 va) { return (va & ~0xfffull) | space << 1 | 1; }
static unsigned space_of(const struct tlb_entry *e) { return (unsigned)(e->key >> 1 & 0x7f); }
/* Slot of the region of 1 << log2 bytes in the filters. */
static unsigned region(unsigned space, u64 va, unsigned log2)
{
    return (unsigned)(((va >> log2) + space * 0x51ull) * 0x9e3779b97f4a7c15ull >> 52);
}

/* Of an entry of 4 KiB: 1 to 128. asid: EVERY_ASID if it is global. */
enum { EVERY_ASID = 1 << 16 };
static u8 mark(unsigned space, u64 va, u32 asid)
{
    return (u8)(1 + ((va >> 22 ^ (u64)asid << 24 ^ (u64)space << 42) * 0x9e3779b97f4a7c15ull >> 57));
}
/* Bit 7 of each byte that is m. */
static u64 marked(u64 marks, u8 m)
{
    const u64 low = 0x7f7f7f7f7f7f7f7full;
    u64 x = marks ^ m * 0x0101010101010101ull;
    return ~(((x & low) + low) | x | low);
}
/* The same of ways that can have an entry for this ASID, its own or a global one. */
static u64 candidates(const struct tlb *t, unsigned space, u16 asid, u64 va)
{
    u64 marks = t->marks[set_of(space, va)];
    return marked(marks, mark(space, va, asid)) | marked(marks, mark(space, va, EVERY_ASID));
}
static void set_mark(struct tlb *t, const struct tlb_entry *e, u8 m)
{
    size_t i = (size_t)(e - t->e[0]);
    u64 *marks = &t->marks[i / TLB_WAYS], at = i % TLB_WAYS * 8;
    *marks = (*marks & ~(0xffull << at)) | (u64)m << at;
}
_Static_assert(TLB_WAYS == 8, "a byte each");

struct tlb *tlb_new(void)
{
    struct tlb *t = calloc(1, sizeof *t);
    CHECK(t);
    t->last_gen = 1;
    return t;
}

void tlb_free(struct tlb *t) { free(t); }
void tlb_attach(struct tlb *t, struct fast_pool *fast) { t->fast = fast; }
u32 tlb_space_epoch(const struct tlb *t) { return t->epoch; }

/* Drops all entries. */
static void empty(struct tlb *t)
{
    memset(t->e, 0, sizeof t->e);
    memset(t->marks, 0, sizeof t->marks);
    memset(t->big, 0, sizeof t->big);
    memset(t->filter64k, 0, sizeof t->filter64k);
    memset(t->filter2m, 0, sizeof t->filter2m);
    memset(t->filter1g, 0, sizeof t->filter1g);
    memset(t->big1g, 0, sizeof t->big1g);
    memset(t->agen, 0, sizeof t->agen);
    t->huge = t->big_huge = 0;
    t->last_gen = 1;
    if (t->fast)
        fast_drop_all(t->fast);
}

void tlb_clear(struct tlb *t)
{
    memset(t->next, 0, sizeof t->next);
    memset(t->big_next, 0, sizeof t->big_next);
    memset(t->space, 0, sizeof t->space);
    memset(t->gen, 0, sizeof t->gen);
    memset(t->filled, 0, sizeof t->filled);
    t->spaces = t->victim = 0;
    t->epoch++;
    empty(t);
}

static u32 new_gen(struct tlb *t)
{
    if (t->last_gen == 0xffffffffu) /* once in four thousand million invalidations */
        empty(t);
    return ++t->last_gen;
}

unsigned tlb_space_id(struct tlb *t, const struct tlb_space *s)
{
    u64 want = pack(s);
    for (unsigned i = 0; i < t->spaces; i++)
        if (t->space[i] == want)
            return i;
    unsigned i = t->spaces;
    if (i < TLB_SPACES) {
        t->spaces++;
    } else {
        i = t->victim;
        t->victim = (i + 1) % TLB_SPACES;
        if (t->fast)
            fast_drop_space(t->fast, i);
        t->epoch++;
    }
    t->space[i] = want;
    t->gen[i] = new_gen(t);
    return i;
}

static bool alive(const struct tlb *t, const struct tlb_entry *e)
{
    unsigned s = space_of(e);
    return (e->key & 1) && e->gen == t->gen[s] &&
           ((e->flags & TLB_GLOBAL) || e->agen == t->agen[asid_slot(s, e->asid)]);
}

/* Its key is right. */
static bool matches(const struct tlb *t, const struct tlb_entry *e, unsigned space, u16 asid)
{
    if (e->gen != t->gen[space])
        return false;
    return (e->flags & TLB_GLOBAL) || (e->asid == asid && e->agen == t->agen[asid_slot(space, asid)]);
}

/* The 4 KiB around va of a 2 MiB piece. */
static const struct tlb_entry *view(struct tlb *t, const struct tlb_entry *e, u64 va)
{
    t->view = *e;
    t->view.pa += va & ones(21) & ~0xfffull;
    t->view.page += (u32)bits(va, 20, 12);
    return &t->view;
}

/* The ways with that key, a bit each; without branches, which nobody could predict. */
static inline unsigned ways_of(const struct tlb_entry *set, unsigned ways, u64 key)
{
    unsigned m = 0;
    for (unsigned w = 0; w < ways; w++)
        m |= (unsigned)(set[w].key == key) << w;
    return m;
}

const struct tlb_entry *tlb_lookup(struct tlb *t, unsigned space, u16 asid, u64 va)
{
    const struct tlb_entry *set = t->e[set_of(space, va)], *big = t->big[big_set_of(space, va)];
    __builtin_prefetch(&t->agen[asid_slot(space, asid)]);
    for (u64 m = candidates(t, space, asid, va); m; m &= m - 1) {
        const struct tlb_entry *e = &set[__builtin_ctzll(m) / 8];
        if (e->key == key_of(space, va) && matches(t, e, space, asid))
            return e;
    }
    unsigned in_big = ways_of(big, TLB_BIG_WAYS, big_key_of(space, va));
    for (; in_big; in_big &= in_big - 1) {
        const struct tlb_entry *e = &big[__builtin_ctz(in_big)];
        if (matches(t, e, space, asid))
            return view(t, e, va);
    }
    const struct tlb_entry *e = &set[t->next[set_of(space, va)]]; /* for tlb_fill(), in two lines perhaps */
    __builtin_prefetch(e, 1);
    __builtin_prefetch((const char *)(e + 1) - 1, 1);
    return NULL;
}

static bool is_big(const struct tlb *t, const struct tlb_entry *e)
{
    return (size_t)((const char *)e - (const char *)t->big) < sizeof t->big;
}

/* Counts or uncounts the piece of a larger block. */
static void count(struct tlb *t, const struct tlb_entry *e, int by)
{
    bool big = is_big(t, e);
    unsigned space = space_of(e);
    if (e->s1_log2 <= (big ? 21 : 12))
        return;
    if (e->s1_log2 > 30) {
        *(big ? &t->big_huge : &t->huge) += (u32)by;
        return;
    }
    u16 *n;
    if (e->s1_log2 > 21)
        n = &(big ? t->big1g : t->filter1g)[region(space, e->key, 30)];
    else if (e->s1_log2 > 16)
        n = &t->filter2m[region(space, e->key, 21)];
    else
        n = &t->filter64k[region(space, e->key, 16)];
    *n = (u16)(*n + by);
}

static void remove_entry(struct tlb *t, struct tlb_entry *e)
{
    if (alive(t, e) && t->fast) {
        u32 asid = e->flags & TLB_GLOBAL ? FAST_ANY_ASID : e->asid;
        if (is_big(t, e))
            fast_drop_2m(t->fast, space_of(e), asid, e->key & ~ones(21));
        else
            fast_drop_va(t->fast, space_of(e), asid, e->key & ~0xfffull);
    }
    count(t, e, -1);
    if (!is_big(t, e))
        set_mark(t, e, 0);
    memset(e, 0, sizeof *e);
}

/* A place for a new entry: an older one that would match the same accesses (the newest wins), else the
 * one that was filled first. look: bit 7 of byte w: it can be way w. */
static struct tlb_entry *place(struct tlb *t, struct tlb_entry *set, unsigned ways, u64 look, u8 *next, u64 key,
                               bool global, u16 asid)
{
    struct tlb_entry *e = NULL;
    for (; look; look &= look - 1) {
        struct tlb_entry *old = &set[__builtin_ctzll(look) / 8];
        if (old->key == key && (global || (old->flags & TLB_GLOBAL) || old->asid == asid)) {
            remove_entry(t, old);
            e = old;
        }
    }
    if (!e) {
        e = &set[*next];
        *next = (u8)((*next + 1u) % ways);
        if (e->key & 1)
            remove_entry(t, e);
    }
    return e;
}

const struct tlb_entry *tlb_fill(struct tlb *t, unsigned space, u16 asid, u64 va, const struct walk_out *out,
                                 const struct tlb_backing *b)
{
    bool global = !out->ng;
    struct tlb_entry n = {.pa = out->pa.v & ~0xfffull,
                          .gen = t->gen[space],
                          .agen = global ? 0 : t->agen[asid_slot(space, asid)],
                          .page = b->page,
                          .asid = global ? 0 : asid,
                          .perm = out->perm,
                          .s1_log2 = out->s1_log2,
                          .s2_log2 = out->s2_log2,
                          .attr = out->attr,
                          .sh = out->sh};
    n.flags =
        (u8)((global ? TLB_GLOBAL : 0) | (out->gp ? TLB_GP : 0) | (out->tagged ? TLB_TAGGED : 0) |
             (b->rom ? TLB_ROM : 0) | (attr_is_device(out->attr) || attr_is_device(out->s1_attr) ? TLB_DEVICE : 0));
    t->filled[space] = t->gen[space];
    struct tlb_entry *e;
    /* the 4 KiB array is looked at first, so nothing there may outlive what is entered now */
    unsigned s = set_of(space, va);
    if (b->big) {
        for (unsigned w = 0; w < TLB_WAYS; w++)
            if (t->e[s][w].key == key_of(space, va))
                remove_entry(t, &t->e[s][w]);
        n.key = big_key_of(space, va);
        n.pa &= ~ones(21);
        n.page -= (u32)bits(va, 20, 12);
        unsigned k = big_set_of(space, va);
        e = place(t, t->big[k], TLB_BIG_WAYS, 0x80808080, &t->big_next[k], n.key, global, asid);
    } else {
        u64 look = global ? 0x8080808080808080ull : candidates(t, space, asid, va);
        n.key = key_of(space, va);
        e = place(t, t->e[s], TLB_WAYS, look, &t->next[s], n.key, global, asid);
        set_mark(t, e, mark(space, va, global ? (u32)EVERY_ASID : asid));
    }
    *e = n;
    count(t, e, 1);
    return b->big ? view(t, e, va) : e;
}

/* ---- invalidation --------------------------------------------------------------------------- */

static bool in_scope(u64 space, const struct tlb_scope *s)
{
    if (!space || (space & 7) != s->kind || (space >> 3 & 3) != s->pas || (s->stage2_only && (space >> 5 & 3) != 2))
        return false;
    return s->any_vmid || (u16)(space >> 16) == s->vmid;
}

void tlb_inv_all(struct tlb *t, const struct tlb_scope *s)
{
    for (unsigned i = 0; i < t->spaces; i++)
        if (in_scope(t->space[i], s)) {
            t->gen[i] = new_gen(t);
            if (t->fast)
                fast_drop_space(t->fast, i);
        }
}

void tlb_inv_asid(struct tlb *t, const struct tlb_scope *s, u16 asid)
{
    for (unsigned i = 0; i < t->spaces; i++)
        if (in_scope(t->space[i], s)) {
            /* the generation is shared by the ASIDs of a slot: the others lose their entries too */
            t->agen[asid_slot(i, asid)] = new_gen(t);
            if (t->fast)
                fast_drop_asid(t->fast, i, asid, TLB_ASIDS - 1);
        }
}

struct inv {
    unsigned space;
    u64 va, last; /* first and last byte */
    bool any_asid;
    u16 asid;
};

/* Does the block that e is a piece of meet the range? */
static bool meets(const struct tlb_entry *e, const struct inv *v)
{
    if (!(e->key & 1) || space_of(e) != v->space)
        return false;
    if (!v->any_asid && !(e->flags & TLB_GLOBAL) && e->asid != v->asid)
        return false;
    unsigned log2 = e->s1_log2 > 12 ? e->s1_log2 : 12;
    u64 size = ones(log2), first = e->key & ~0xfffull & ~size; /* of the block */
    return first <= v->last && (first | size) >= v->va;
}

static void inv_big(struct tlb *t, const struct inv *v)
{
    for (unsigned s = 0; s < TLB_BIG_SETS; s++)
        for (unsigned w = 0; w < TLB_BIG_WAYS; w++)
            if (meets(&t->big[s][w], v))
                remove_entry(t, &t->big[s][w]);
}

static void inv_set(struct tlb *t, unsigned set, const struct inv *v)
{
    for (unsigned w = 0; w < TLB_WAYS; w++)
        if (meets(&t->e[set][w], v))
            remove_entry(t, &t->e[set][w]);
}

/* All sets that the 1 << log2 bytes around v->va can be in. */
static void inv_region(struct tlb *t, const struct inv *v, unsigned log2)
{
    u64 base = v->va & ~ones(log2);
    for (u64 i = 0; i < 1ull << (log2 - 12); i++)
        inv_set(t, set_of(v->space, base + i * 4096), v);
}

static void inv_page(struct tlb *t, const struct inv *v)
{
    unsigned set = set_of(v->space, v->va);
    u64 key = key_of(v->space, v->va);
    for (unsigned w = 0; w < TLB_WAYS; w++) {
        struct tlb_entry *e = &t->e[set][w];
        if (e->key == key && (v->any_asid || (e->flags & TLB_GLOBAL) || e->asid == v->asid))
            remove_entry(t, e);
    }
    if (t->big_huge || t->big1g[region(v->space, v->va, 30)]) {
        inv_big(t, v);
    } else {
        struct tlb_entry *big = t->big[big_set_of(v->space, v->va)];
        for (unsigned w = 0; w < TLB_BIG_WAYS; w++)
            if (meets(&big[w], v))
                remove_entry(t, &big[w]);
    }
    /* other pieces of a block that the page belongs to */
    if (t->huge || t->filter1g[region(v->space, v->va, 30)]) {
        for (unsigned s = 0; s < TLB_SETS; s++)
            inv_set(t, s, v);
    } else if (t->filter2m[region(v->space, v->va, 21)]) {
        inv_region(t, v, 21);
    } else if (t->filter64k[region(v->space, v->va, 16)]) {
        inv_region(t, v, 16);
    }
}

void tlb_inv_va(struct tlb *t, const struct tlb_scope *s, u64 va, u64 size, bool any_asid, u16 asid)
{
    va &= ~0xfffull;
    for (unsigned i = 0; i < t->spaces; i++) {
        if (!in_scope(t->space[i], s) || t->filled[i] != t->gen[i])
            continue;
        struct inv v = {i, va, va + (size - 1), any_asid, asid};
        if (size > 256 * 4096u) {
            for (unsigned k = 0; k < TLB_SETS; k++)
                inv_set(t, k, &v);
            inv_big(t, &v);
            continue;
        }
        for (u64 a = va; a - va < size; a += 4096) {
            v.va = a;
            v.last = a + 0xfff;
            inv_page(t, &v);
        }
    }
}

void tlb_state(struct tlb *t, struct snap *s)
{
    snap_section(s, "tlb");
    SNAP(s, t, e);
    SNAP(s, t, big);
    SNAP(s, t, next);
    SNAP(s, t, big_next);
    SNAP(s, t, space);
    SNAP(s, t, gen);
    SNAP(s, t, filled);
    SNAP(s, t, agen);
    SNAP(s, t, filter64k);
    SNAP(s, t, filter2m);
    SNAP(s, t, filter1g);
    SNAP(s, t, big1g);
    SNAP(s, t, huge);
    SNAP(s, t, big_huge);
    SNAP(s, t, spaces);
    SNAP(s, t, victim);
    SNAP(s, t, last_gen);
    if (s->mode == SNAP_LOAD) {
        t->epoch++;
        for (unsigned i = 0; i < TLB_SETS * TLB_WAYS; i++) {
            const struct tlb_entry *e = &t->e[i / TLB_WAYS][i % TLB_WAYS];
            u32 asid = e->flags & TLB_GLOBAL ? (u32)EVERY_ASID : e->asid;
            set_mark(t, e, e->key & 1 ? mark(space_of(e), e->key, asid) : 0);
        }
        if (t->fast)
            fast_drop_all(t->fast);
    }
}
