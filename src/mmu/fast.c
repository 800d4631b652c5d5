/* The pool of fast tables: copies of TLB entries in the form the inline access path wants.
 *
 * A context is found by its key, so that process, world and VMID switches only change pointers. What
 * was filled is journalled, so that emptying a context costs what was used of it.
 *
 * Invariants: a tag is there only while the TLB holds the entry it was copied from; a write tag only
 * while the RAM page's enum page_why byte is 0; place[page] names the write tags of a RAM page, up to three (Linux has
 * its own with and without PAN, and the program's), or says that there may be more. */
#include "mmu/fast.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/bits.h"
#include "core/bus.h"
#include "core/check.h"

/* Three numbers of write tags, context * FAST_MAX + index. None is the same as the first, which is looked at then. */
#define PLACE_MANY (1ull << 63)
enum { PLACES = 3, PLACE_BITS = 21 };
_Static_assert(FAST_CONTEXTS *FAST_MAX <= 1 << PLACE_BITS, "numbers of write tags");

struct fast_pool {
    struct fast_ctx *ctx; /* [FAST_CONTEXTS] */
    u8 *memory;           /* it is there */
    u64 key[FAST_CONTEXTS];
    u16 asid[FAST_CONTEXTS]; /* of the contexts, which are far from each other and from the caches */
    u64 used[FAST_CONTEXTS]; /* last use, for replacement */
    u64 tick;
    u64 *latch;
    const u8 *ram_base;
    u32 pages;
    u32 epoch;
    bool off;
    u64 *place; /* [pages] see above */
};

/* Of a key: the contexts themselves are far from each other, and from the caches. */
static unsigned space_of(u64 key) { return (unsigned)(key >> 8 & 0xff); }

static u64 pack(const struct fast_key *k)
{
    return 1ull << 63 | (u64)(k->el0 || k->by_asid ? k->asid : 0) << 32 | (u64)k->kind << 16 | (u64)k->space << 8 |
           (u64)k->by_asid << 4 | (u64)k->mte << 3 | (u64)k->big << 2 | (u64)k->pan << 1 | (u64)k->el0;
}

static void *reserve(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

enum { POOL_BYTES = FAST_FIRST + FAST_CONTEXTS * sizeof(struct fast_ctx) };

struct fast_pool *fast_pool_new(u64 *latch, const u8 *ram_base, u32 pages)
{
    struct fast_pool *p = calloc(1, sizeof *p);
    CHECK(p);
    p->memory = reserve(POOL_BYTES);
    p->ctx = (struct fast_ctx *)(p->memory + FAST_FIRST);
    p->place = reserve(pages * sizeof *p->place + 1);
    p->latch = latch;
    p->ram_base = ram_base;
    p->pages = pages;
    return p;
}

void fast_pool_free(struct fast_pool *p)
{
    if (!p)
        return;
    munmap(p->memory, POOL_BYTES);
    munmap(p->place, p->pages * sizeof *p->place + 1);
    free(p);
}

void fast_pool_off(struct fast_pool *p) { p->off = true; }
u32 fast_epoch(const struct fast_pool *p) { return p->epoch; }

static void drop_data(struct fast_ctx *f, u64 i) { f->t.rtag[i] = f->t.wtag[i] = fast_invalid(i); }

static void lost_code(struct fast_ctx *f) { f->t.key += 4; }

static void drop_code(struct fast_ctx *f)
{
    lost_code(f);
    if (f->filled_code > FAST_JOURNAL_CODE)
        for (u64 i = 0; i < FAST_FETCH; i++)
            f->t.x[i].tag = fast_invalid(i);
    else
        for (u32 k = 0; k < f->filled_code; k++)
            f->t.x[f->journal_code[k]].tag = fast_invalid(f->journal_code[k]);
    f->filled_code = 0;
}

static void clear_data(struct fast_ctx *f)
{
    for (u64 i = 0; i <= f->t.mask; i++)
        drop_data(f, i);
}

/* Empties a context. A table much larger than what was used of it shrinks: to clear it costs its size. */
static void drop(struct fast_pool *p, struct fast_ctx *f)
{
    if (f->filled > FAST_JOURNAL) {
        clear_data(f);
        if (f->fills < f->t.mask / 4 && f->t.mask >= 2 * FAST_START)
            f->t.mask >>= 1;
    } else {
        for (u32 k = 0; k < f->filled; k++)
            drop_data(f, f->journal[k]);
    }
    f->filled = f->nonglobal = f->evicted = f->fills = 0;
    drop_code(f);
    *p->latch = ~0ull;
}

static void drop_ng(struct fast_pool *p, struct fast_ctx *f)
{
    if (f->key.el0 || f->nonglobal > FAST_JOURNAL) {
        drop(p, f);
        return;
    }
    for (u32 k = 0; k < f->nonglobal; k++) {
        u32 i = f->journal_ng[k];
        if (i < FAST_MAX)
            drop_data(f, i);
        else
            f->t.x[i - FAST_MAX].tag = fast_invalid(i - FAST_MAX);
    }
    lost_code(f);
    if (f->nonglobal)
        *p->latch = ~0ull;
    f->nonglobal = 0;
}

struct fast_ctx *fast_get(struct fast_pool *p, const struct fast_key *k)
{
    u64 key = pack(k);
    for (unsigned i = 0; i < FAST_CONTEXTS; i++)
        if (p->key[i] == key) {
            p->used[i] = ++p->tick;
            return &p->ctx[i];
        }
    unsigned oldest = 0; /* unused ones first */
    for (unsigned i = 1; i < FAST_CONTEXTS; i++)
        if (p->used[i] < p->used[oldest])
            oldest = i;
    struct fast_ctx *f = &p->ctx[oldest];
    if (!p->key[oldest] && !f->t.mask) { /* never used */
        f->t.mask = FAST_START - 1;
        f->t.key = (u64)(oldest + 1) << 48;
        clear_data(f);
        f->filled_code = FAST_JOURNAL_CODE + 1;
        drop_code(f);
    } else {
        drop(p, f);
        p->epoch++;
    }
    p->key[oldest] = key;
    f->key = *k;
    f->device_s1 = false;
    f->regrets = 0;
    f->patience = FAST_PATIENCE;
    f->asid = p->asid[oldest] = k->asid;
    p->used[oldest] = ++p->tick;
    return f;
}

u32 fast_set_asid(struct fast_pool *p, struct fast_ctx *f, u16 asid)
{
    u32 lost = 0;
    if (f->asid != asid && !f->key.el0) {
        lost = f->nonglobal;
        drop_ng(p, f);
    }
    f->asid = p->asid[f - p->ctx] = asid;
    return lost;
}

void fast_turn(struct fast_pool *p, struct fast_ctx *f)
{
    f->device = f->device_s1 = !f->device_s1;
    f->regrets = 0;
    if (f->patience < FAST_PATIENCE << 10)
        f->patience *= 2;
    if (!f->device)
        drop(p, f);
}

static void note_ng(struct fast_ctx *f, u32 i)
{
    if (f->nonglobal < FAST_JOURNAL)
        f->journal_ng[f->nonglobal] = i;
    if (f->nonglobal <= FAST_JOURNAL)
        f->nonglobal++;
}

/* A working set that does not fit gets a larger table, up to what the TLB holds. */
static void grow(struct fast_pool *p, struct fast_ctx *f)
{
    drop(p, f);
    f->t.mask = 2 * f->t.mask + 1;
    clear_data(f);
}

static u32 place_at(u64 place, unsigned k) { return (u32)(place >> k * PLACE_BITS) & ((1u << PLACE_BITS) - 1); }

/* Does a write tag lead to host? */
static bool leads(const struct fast_pool *p, u32 place, u64 host)
{
    const struct fast *f = &p->ctx[place / FAST_MAX].t;
    u64 i = place % FAST_MAX;
    return f->wtag[i] != fast_invalid(i) && f->wtag[i] + f->delta[i] == host;
}

/* Remembers where page may be written through: instead of what does not lead there any more. */
static void note_place(struct fast_pool *p, const struct fast_ctx *f, u64 i, u32 page)
{
    u32 here = (u32)(f - p->ctx) * FAST_MAX + (u32)i;
    u64 *place = &p->place[page], host = (u64)(uintptr_t)p->ram_base + ((u64)page << 12);
    if (*place == PLACE_MANY)
        return;
    for (unsigned k = 0; k < PLACES; k++)
        if (place_at(*place, k) == here)
            return;
    for (unsigned k = PLACES; k-- > 0;)
        if (!leads(p, place_at(*place, k), host)) {
            *place ^= (u64)(place_at(*place, k) ^ here) << k * PLACE_BITS;
            return;
        }
    *place = PLACE_MANY;
}

void fast_fill(struct fast_pool *p, struct fast_ctx *f, u64 va, u8 *host, u32 page, bool r, bool w, bool global)
{
    if (p->off || f->key.big || !(r || w))
        return;
    va &= ~0xfffull;
    if (UNLIKELY(f->evicted > f->t.mask) && f->t.mask + 1 < FAST_GROWN)
        grow(p, f);
    u64 i = fast_index(&f->t, va);
    f->fills++;
    f->evicted += f->t.rtag[i] != fast_invalid(i) && f->t.rtag[i] != va;
    if (f->filled < FAST_JOURNAL) {
        if (f->t.rtag[i] == fast_invalid(i) && f->t.wtag[i] == fast_invalid(i))
            f->journal[f->filled++] = (u16)i;
    } else {
        f->filled = FAST_JOURNAL + 1;
    }
    f->t.delta[i] = (u64)(uintptr_t)host - va;
    f->t.rtag[i] = r ? va : fast_invalid(i);
    f->t.wtag[i] = w ? va : fast_invalid(i);
    if (w)
        note_place(p, f, i, page);
    if (!global && !f->key.el0)
        note_ng(f, (u32)i);
}

void fast_fill_code(struct fast_pool *p, struct fast_ctx *f, u64 va, struct code_page *code, bool global, bool guarded)
{
    if (p->off)
        return;
    u64 i = va >> 12 & (FAST_FETCH - 1);
    if (f->filled_code >= FAST_JOURNAL_CODE)
        f->filled_code = FAST_JOURNAL_CODE + 1;
    else if (f->t.x[i].tag == fast_invalid(i))
        f->journal_code[f->filled_code++] = (u16)i;
    lost_code(f); /* perhaps */
    f->t.x[i] = (struct fast_code){(va & ~0xfffull) | guarded, code};
    if (!global && !f->key.el0)
        note_ng(f, (u32)(FAST_MAX + i));
}

/* Drops what f holds of a page. */
static void drop_page(struct fast_ctx *f, u64 va)
{
    u64 i = fast_index(&f->t, va), x = va >> 12 & (FAST_FETCH - 1);
    if (!((f->t.rtag[i] ^ va) << 8 >> 20) || !((f->t.wtag[i] ^ va) << 8 >> 20))
        drop_data(f, i);
    if (!((f->t.x[x].tag ^ va) << 8 >> 20)) {
        f->t.x[x].tag = fast_invalid(x);
        lost_code(f);
    }
}

/* Can context c hold copies of an entry of the space and ASID? What is not global is only where its ASID is current. */
static bool may_hold(const struct fast_pool *p, unsigned c, unsigned space, u32 asid)
{
    return p->key[c] && space_of(p->key[c]) == space && (asid == FAST_ANY_ASID || p->asid[c] == asid);
}

void fast_drop_va(struct fast_pool *p, unsigned space, u32 asid, u64 va)
{
    for (unsigned c = 0; c < FAST_CONTEXTS; c++)
        if (may_hold(p, c, space, asid))
            drop_page(&p->ctx[c], va);
    *p->latch = ~0ull;
}

void fast_drop_va_all(struct fast_pool *p, u64 va)
{
    for (unsigned c = 0; c < FAST_CONTEXTS; c++)
        if (p->key[c])
            drop_page(&p->ctx[c], va);
    *p->latch = ~0ull;
}

/* The same of the 2 MiB from va on: by page, or by what was filled if that is less. */
static void drop_2m(struct fast_ctx *f, u64 va)
{
    if (f->filled > 512 || f->filled_code > FAST_JOURNAL_CODE) {
        for (u64 k = 0; k < 512; k++)
            drop_page(f, va + (k << 12));
        return;
    }
    for (u32 k = 0; k < f->filled; k++) {
        u64 i = f->journal[k];
        if (!((f->t.rtag[i] ^ va) << 8 >> 29) || !((f->t.wtag[i] ^ va) << 8 >> 29))
            drop_data(f, i);
    }
    for (u32 k = 0; k < f->filled_code; k++) {
        u64 i = f->journal_code[k];
        if (!((f->t.x[i].tag ^ va) << 8 >> 29)) {
            f->t.x[i].tag = fast_invalid(i);
            lost_code(f);
        }
    }
}

void fast_drop_2m(struct fast_pool *p, unsigned space, u32 asid, u64 va)
{
    for (unsigned c = 0; c < FAST_CONTEXTS; c++)
        if (may_hold(p, c, space, asid))
            drop_2m(&p->ctx[c], va);
    *p->latch = ~0ull;
}

void fast_drop_space(struct fast_pool *p, unsigned space)
{
    for (unsigned c = 0; c < FAST_CONTEXTS; c++)
        if (p->key[c] && space_of(p->key[c]) == space)
            drop(p, &p->ctx[c]);
}

void fast_drop_asid(struct fast_pool *p, unsigned space, u16 asid, u16 mask)
{
    for (unsigned c = 0; c < FAST_CONTEXTS; c++)
        if (p->key[c] && space_of(p->key[c]) == space && !((p->asid[c] ^ asid) & mask))
            drop_ng(p, &p->ctx[c]);
}

void fast_drop_all(struct fast_pool *p)
{
    for (unsigned c = 0; c < FAST_CONTEXTS; c++)
        if (p->key[c])
            drop(p, &p->ctx[c]);
    *p->latch = ~0ull;
}

/* Drops a write tag when it leads to host. */
static void withdraw(struct fast_pool *p, u32 place, u64 host)
{
    if (leads(p, place, host))
        p->ctx[place / FAST_MAX].t.wtag[place % FAST_MAX] = fast_invalid(place % FAST_MAX);
}

void fast_withdraw_write(struct fast_pool *p, u32 page)
{
    u64 place = p->place[page], host = (u64)(uintptr_t)p->ram_base + ((u64)page << 12);
    p->place[page] = 0;
    if (place != PLACE_MANY) {
        for (unsigned k = 0; k < PLACES; k++)
            withdraw(p, place_at(place, k), host);
        return;
    }
    for (u32 c = 0; c < FAST_CONTEXTS; c++)
        if (p->key[c])
            for (u32 i = 0; i <= p->ctx[c].t.mask; i++)
                withdraw(p, c * FAST_MAX + i, host);
}

void fast_drop_code(struct fast_pool *p)
{
    for (unsigned c = 0; c < FAST_CONTEXTS; c++)
        if (p->key[c])
            drop_code(&p->ctx[c]);
    *p->latch = ~0ull;
}
