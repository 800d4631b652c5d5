/* Parallel mode: every CPU runs on a host thread of its own (docs/parallel.md).
 *
 * A CPU is RUNNING or PARKED. While it is RUNNING only its own thread touches its state; a PARKED one (asleep, waiting,
 * in a device) executes no guest code and reads no mailbox. What others want of a CPU goes into its mailbox, which
 * it empties at the next boundary of its engine and before it is RUNNING again. Who has to know that all others have
 * done so (DSB after broadcast maintenance, a page about to be decoded) waits with par_settle(), PARKED itself; a
 * PARKED CPU counts as done.
 *
 * The machine's lock guards everything that is not one CPU's: devices, interrupt controller, timers' events, wires. It
 * is taken PARKED, and recursive. Nobody waits for a mailbox while holding it. */
#pragma once
#include <pthread.h>

#include "cpu/cpu.h"

enum { PAR_CPUS = 64, PAR_MAIL = 256, PAR_MONITORS = 64 };

/* Why a CPU's engine has to come to its boundary. */
enum par_exit {
    PAR_EXIT_MAIL = 1,
    PAR_EXIT_LOOK = 2,  /* an interrupt may be pending */
    PAR_EXIT_LEAVE = 4, /* the slice ends */
};

struct mail {
    void (*deliver)(struct cpu *, const u64 *arg); /* by the addressee's thread; may not wait for others */
    bool merge; /* letters of one deliver and arg[0] become one: arg[1] is the smaller, arg[2] the larger */
    u64 arg[6];
};

struct par_cpu {
    struct par_all *par;
    struct cpu *cpu;
    pthread_t thread;
    /* by the machine's lock */
    pthread_cond_t wake;
    bool asleep;
    /* its own thread's */
    unsigned parked; /* depth of par_park() */
    bool draining, owes;
    u32 missed;         /* stores exclusive in a row that failed because their page was not strict */
    u64 owed[PAR_CPUS]; /* letters sent to each that have to be delivered at the next par_settle(), 0: none */
    /* everybody's, atomic */
    u32 running;
    u64 posted, done;
    u64 monitor; /* on strict pages: granule of the exclusive monitor + 1, 0: open; set by its thread, cleared by all */
    /* by box */
    pthread_mutex_t box;
    struct mail mail[PAR_MAIL];
    u32 count;
    bool overflow;           /* letters about memory contexts were lost */
    bool late;               /* pages are noted here because the box was full: */
    u64 *written, *withdraw; /* by RAM page, a bit each; bits are cleared by its thread, atomic */
};

struct par_all {
    pthread_mutex_t lock;
    struct cpu_env *env;
    struct par_cpu *cpu; /* [env->count] */
    u64 *code_users;     /* by RAM page: mask of CPUs that have decoded it; changed under code_lock */
    pthread_mutex_t code_lock;
    u32 marking; /* CPUs that make a page one of code, or of exclusives */
    /* On strict pages (WHY_STRICT) stores between a load and a store exclusive are noticed: they have no write tags,
     * and stores, and the opening of monitors that goes with them, are done under the lock of the page (by number
     * modulo PAR_MONITORS). strict: no store exclusive compares values */
    bool strict;
    pthread_mutex_t monitors[PAR_MONITORS];
    struct par_page {
        u32 idle;  /* stores since a store exclusive needed it strict; atomic */
        u32 times; /* it became strict; atomic */
    } * pages;     /* by RAM page */
    struct ram_listener *listener;
};

/* After bus_seal(), before the CPUs. The threads are not there yet: cpu->par is NULL. */
struct par_all *par_new(struct cpu_env *env, bool strict);
void par_free(struct par_all *par);
/* The CPUs get threads (the scheduler starts them, holding the lock, into cpu[i].thread; they are PARKED), and lose
 * them. */
void par_begin(struct par_all *par);
void par_end(struct par_all *par);

/* The CPU whose thread this is, NULL: none. par may be NULL. */
struct cpu *par_current(struct par_all *par);
/* Does c run on another thread than this one? */
bool par_elsewhere(struct cpu *c);
/* from: this thread's CPU, which can wait for the delivery with par_settle(); NULL: nobody will. */
void par_post(struct cpu *from, struct cpu *to, const struct mail *m);
void par_park(struct cpu *c);
void par_unpark(struct cpu *c);
/* why: enum par_exit; wakes the CPU from its sleep, for which the machine's lock is held. */
void par_kick(struct cpu *c, u32 why);
void par_wake(struct cpu *c);

/* The page becomes strict: no CPU has a write tag of it any more. Waits for others. */
void par_strict_page(struct cpu *c, u32 page);
/* A store to a page with WHY_MONITOR, and a store exclusive, is done between these; [off, off + len) was stored to:
 * other CPUs' monitors of its granules open (len 0: nothing was). A page that nobody needs strict becomes a normal one.
 */
void par_store_begin(struct cpu *c, u32 page);
void par_store_end(struct cpu *c, u32 page, u32 off, u32 len);

/* A CPU's own decoded-page cache. */
struct code_cache *par_code_cache(struct cpu *c);
