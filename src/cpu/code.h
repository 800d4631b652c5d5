/* The decoded-page cache: RAM pages that hold code, one struct op per word, decoded when first
 * executed.  Keyed by RAM page number, so aliases of a page share it.  Shared by all CPUs of a machine
 * that have the same features, but in parallel mode, where each CPU has its own (cpu/par.h). */
#pragma once
#include "core/bus.h"
#include "cpu/a64.h"

enum { CODE_SLOTS = PAGE_SIZE / 4 };

struct sysreg_configs;
struct jit;
struct jit_page;
struct jit_watch;
struct cpu;

/* What is needed together lies together: blocks that are executed once cost little but misses of the host's caches. */
struct code_page {
    struct jit_page *jit;          /* translations (owned by the JIT), NULL: none */
    u32 jit_serial;                /* which ones: another number after they were dropped; 0: none */
    u32 jit_stale;                 /* how often they met another trap configuration than they were made for */
    u32 page;                      /* RAM page number */
    bool decoded;                  /* some slot was decoded since the page was last marked WHY_CODE */
    const u8 *bytes;               /* the page's contents */
    u32 writes, patience;          /* writes since something was decoded; how many make it a page of data again */
    bool used;                     /* fetched from since it was last looked at for eviction */
    u16 touched;                   /* sixteenths of op[] of which something was decoded */
    struct code_page *next, *prev; /* oldest first: by age of creation, or of surviving an eviction */
    u32 entry[CODE_SLOTS];         /* the JIT's (jit/internal.h), 0 in a fresh page */
    struct op op[CODE_SLOTS + 1];  /* the last one leads the engine off the page */
} __attribute__((aligned(64)));

struct code_cache {
    struct bus *bus;
    struct code_page **by_page; /* [bus_page_count()] */
    u32 count, limit; /* decoded pages; a hundredth of the machine's at most, as each costs five times its size */
    struct code_page *oldest, *newest, *unused;
    struct code_pages *memory; /* where they all are */
    u32 fresh;                 /* of its first piece, never used */
    struct ram_listener listener;

    bool parallel; /* one CPU's own: page_became_code and page_is_data keep WHY_CODE, which others' caches set too */
    struct sysreg_configs *configs; /* cpu/sysreg_config.c */

    /* Set by the owner of the fast tables.  page_became_code: withdraw the write tags of a RAM page
     * (WHY_CODE is set in bus_page_why()). page_is_data: the opposite, parallel mode only. flush: code pages are about
     * to be freed, drop every fetch latch and fetch entry of all CPUs. */
    void (*page_became_code)(void *arg, u32 page);
    void (*page_is_data)(void *arg, u32 page);
    void (*flush)(void *arg);
    void *arg;

    /* Set by the JIT. jit_written: slots first to last of a page with translations have changed. jit_drop: the page
     * goes. jit_free: the cache goes. */
    struct jit *jit;
    bool jit_eager; /* set before the first instruction runs: it does not interpret blocks before it translates them */
    struct jit_watch *jit_watch; /* set by who looks at the JIT (jit/jit.h), NULL: nobody */
    void (*jit_written)(struct jit *, struct code_page *, u32 first, u32 last);
    void (*jit_drop)(struct jit *, struct code_page *);
    void (*jit_free)(struct jit *);
};

struct code_cache *code_cache_new(struct bus *bus); /* after bus_seal() */
/* A CPU's own: code_written() is called by who knows which caches have a page. */
struct code_cache *code_cache_new_parallel(struct bus *bus);
/* [off, off + len) of a RAM page was written. */
void code_written(struct code_cache *cc, u32 page, u32 off, u32 len);
/* All of RAM may have been written. */
void code_forget_all(struct code_cache *cc);
void code_cache_free(struct code_cache *cc);
/* The decoded page of a RAM page, made when there is none. May call flush. */
struct code_page *code_page_get(struct code_cache *cc, u32 page);
/* Marks that a slot of p is going to be decoded. */
void code_page_mark(struct code_cache *cc, struct code_page *p);
/* The decoded instruction of slot i (below CODE_SLOTS). */
const struct op *code_decode(struct code_cache *cc, const struct decoder *d, struct code_page *p, u32 i);
/* Forgets all decoded pages (calls flush). */
void code_cache_flush(struct code_cache *cc);
