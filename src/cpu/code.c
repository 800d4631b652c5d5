/* Decoded-page cache (architecture.md section 5: code keyed by RAM page number).
 *
 * Invariants: a page with a decoded slot has WHY_CODE in bus_page_why(), so that no fast write tag
 * exists for it and every store to it reaches ram_written(), which resets the slots it overlaps.  IC
 * instructions have nothing to do.  Freed pages are unreachable: flush() has dropped the latches. */
#include "cpu/code.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/check.h"
#include "cpu/sysreg_row.h"

enum { PATIENCE = 32 };
_Static_assert(A64_ROW_FETCH == 0, "zeroed slots are not decoded");

/* Decoded pages are allocated so many at a time. Fresh memory is zero. */
enum { HUGE = 2 << 20, PAGES_AT_ONCE = (HUGE - 64) / sizeof(struct code_page) };
struct code_pages {
    struct code_pages *next;
    struct code_page page[PAGES_AT_ONCE];
};
_Static_assert(sizeof(struct code_pages) <= HUGE, "a huge page");

enum { PIECE = CODE_SLOTS / 16 };

static void reset_slots(struct code_page *p, u32 first, u32 last)
{
    for (u32 k = first; k <= last; k++)
        p->op[k].row = A64_ROW_FETCH;
}

static void became_data(struct code_cache *cc, const struct code_page *p)
{
    if (!cc->parallel)
        bus_page_why(cc->bus)[p->page] &= (u8)~WHY_CODE;
    else if (cc->page_is_data)
        cc->page_is_data(cc->arg, p->page);
}

/* A page that is written again and again while nothing new on it is executed has become data: its stores take the
 * fast path again until it is executed the next time. Each time it takes longer, for pages that are both. */
static void forget(struct code_cache *cc, struct code_page *p)
{
    reset_slots(p, 0, CODE_SLOTS - 1);
    if (p->jit)
        cc->jit_written(cc->jit, p, 0, CODE_SLOTS - 1);
    p->decoded = false;
    p->writes = 0;
    p->patience *= 2;
    became_data(cc, p);
    if (cc->parallel && cc->flush) /* a page that can be fetched from without a look here is one of code */
        cc->flush(cc->arg);
}

void code_forget_all(struct code_cache *cc)
{
    for (struct code_page *p = cc->oldest; p; p = p->next)
        if (p->decoded)
            forget(cc, p);
}

void code_written(struct code_cache *cc, u32 page, u32 off, u32 len)
{
    struct code_page *p = cc->by_page[page];
    if (!p || !len)
        return;
    reset_slots(p, off / 4, (off + len - 1) / 4);
    if (p->jit)
        cc->jit_written(cc->jit, p, off / 4, (off + len - 1) / 4);
    if (p->decoded && ++p->writes > p->patience)
        forget(cc, p);
}

static void written(void *arg, u32 page, u32 off, u32 len) { code_written(arg, page, off, len); }

struct code_cache *code_cache_new_parallel(struct bus *bus)
{
    struct code_cache *cc = calloc(1, sizeof *cc);
    CHECK(cc);
    cc->bus = bus;
    cc->limit = bus_page_count(bus) / 112;
    cc->limit = cc->limit < 1024 ? 1024 : cc->limit > 4096 ? 4096 : cc->limit;
    cc->by_page = calloc(bus_page_count(bus) + 1, sizeof *cc->by_page);
    CHECK(cc->by_page);
    cc->parallel = true;
    return cc;
}

struct code_cache *code_cache_new(struct bus *bus)
{
    struct code_cache *cc = code_cache_new_parallel(bus);
    cc->parallel = false;
    cc->listener = (struct ram_listener){.written = written, .arg = cc};
    bus_listen(bus, &cc->listener);
    return cc;
}

static void append(struct code_cache *cc, struct code_page *p)
{
    p->next = NULL;
    p->prev = cc->newest;
    if (cc->newest)
        cc->newest->next = p;
    else
        cc->oldest = p;
    cc->newest = p;
}

static struct code_page *take_oldest(struct code_cache *cc)
{
    struct code_page *p = cc->oldest;
    cc->oldest = p->next;
    if (p->next)
        p->next->prev = NULL;
    else
        cc->newest = NULL;
    return p;
}

static void drop_oldest(struct code_cache *cc)
{
    struct code_page *p = take_oldest(cc);
    cc->by_page[p->page] = NULL;
    became_data(cc, p);
    cc->count--;
    if (p->jit)
        cc->jit_drop(cc->jit, p);
    p->next = cc->unused;
    cc->unused = p;
}

/* Makes room: of the oldest pages those that were not fetched from since the last time, but some in any case. The
 * latches and fetch entries go as well, so whatever is in use will be noted as used. */
static void evict(struct code_cache *cc)
{
    if (cc->flush)
        cc->flush(cc->arg);
    for (unsigned seen = 0, dropped = 0; dropped < cc->limit / 8; seen++) {
        if (cc->oldest->used && seen < cc->limit) {
            struct code_page *p = take_oldest(cc);
            p->used = false;
            append(cc, p);
        } else {
            drop_oldest(cc);
            dropped++;
        }
    }
}

void code_cache_flush(struct code_cache *cc)
{
    if (cc->flush)
        cc->flush(cc->arg);
    while (cc->oldest)
        drop_oldest(cc);
}

void code_cache_free(struct code_cache *cc)
{
    if (!cc)
        return;
    while (cc->oldest)
        drop_oldest(cc);
    if (cc->jit)
        cc->jit_free(cc->jit);
    while (cc->memory) {
        struct code_pages *m = cc->memory;
        cc->memory = m->next;
        munmap(m, HUGE);
    }
    free(cc->by_page);
    sysreg_config_free(cc->configs);
    free(cc);
}

/* Memory for some more, in one huge page where the host has one: what is read of them lies so far apart that in small
 * pages it would be misses of the host's TLB. */
static struct code_pages *map_huge(void)
{
    u8 *p = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    size_t before = -(uintptr_t)p & (HUGE - 1);
    if (before)
        munmap(p, before);
    munmap(p + before + HUGE, HUGE - before);
    p += before;
    madvise(p, HUGE, MADV_HUGEPAGE); /* without, small pages do */
    return (struct code_pages *)(void *)p;
}

/* A page with nothing decoded. */
static struct code_page *take_page(struct code_cache *cc)
{
    struct code_page *p = cc->unused;
    if (p) {
        cc->unused = p->next;
        for (u32 m = p->touched; m; m &= m - 1) /* a fifth of them, and all would be 16 KiB of the host's cache */
            memset(&p->op[(u32)__builtin_ctz(m) * PIECE], 0, PIECE * sizeof p->op[0]);
        memset(p, 0, offsetof(struct code_page, op));
        return p;
    }
    if (!cc->fresh) {
        struct code_pages *m = map_huge();
        m->next = cc->memory;
        cc->memory = m;
        cc->fresh = PAGES_AT_ONCE;
    }
    return &cc->memory->page[--cc->fresh];
}

struct code_page *code_page_get(struct code_cache *cc, u32 page)
{
    struct code_page *p = cc->by_page[page];
    if (p) {
        p->used = true;
        return p;
    }
    if (cc->count == cc->limit)
        evict(cc);
    p = take_page(cc);
    p->page = page;
    p->used = true;
    p->patience = PATIENCE;
    p->bytes = bus_page_ptr(cc->bus, page);
    append(cc, p);
    cc->by_page[page] = p;
    cc->count++;
    return p;
}

void code_page_mark(struct code_cache *cc, struct code_page *p)
{
    p->decoded = true;
    if (!cc->parallel)
        bus_page_why(cc->bus)[p->page] |= WHY_CODE;
    if (cc->page_became_code)
        cc->page_became_code(cc->arg, p->page);
}

const struct op *code_decode(struct code_cache *cc, const struct decoder *d, struct code_page *p, u32 i)
{
    struct op *slot = &p->op[i];
    if (slot->row == A64_ROW_FETCH) {
        while (!p->decoded) /* in parallel mode the mark waits, and what other CPUs wrote may undo it */
            code_page_mark(cc, p);
        u32 word;
        memcpy(&word, p->bytes + 4 * i, 4);
        __builtin_prefetch(p->bytes + 4 * i + 64); /* what comes next is decoded soon */
        p->writes = 0;
        p->touched |= (u16)(1u << i / PIECE);
        *slot = decode(d, word);
    }
    return slot;
}
