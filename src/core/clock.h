/* Virtual time and its events.
 *
 * Virtual time is one u64 in nanoseconds: instructions executed by all CPUs together (one
 * instruction = 1 ns unless configured) plus skipped idle.  While a CPU runs, time advances with each
 * instruction: the running CPU's struct slice holds how many are left, so clock_now() is exact to the
 * instruction.  Host time never enters here, but in parallel mode (docs/parallel.md), where the machine gives the
 * function that virtual time follows. */
#pragma once
#include "core/types.h"

struct snap;

/* The running CPU's instruction budget. left is counted down by the engine after each instruction.
 * slice_kick() makes the engine leave straight-line execution after the current instruction, look at
 * interrupts and contexts, and go on; slice_end() makes it return to the scheduler. */
struct slice {
    s64 left;
    s64 stash; /* instructions taken away from left by slice_kick(), not yet executed */
    bool end;
};

static inline void slice_kick(struct slice *s)
{
    if (s->left > 1) {
        s->stash += s->left - 1;
        s->left = 1;
    }
}
static inline void slice_end(struct slice *s)
{
    s->end = true;
    slice_kick(s);
}
/* The engine's question at a boundary: may it go on? Takes back what slice_kick() set aside. */
static inline bool slice_continue(struct slice *s)
{
    s->left += s->stash;
    s->stash = 0;
    return s->left > 0 && !s->end;
}

struct event {
    u64 when;                /* ns; valid while queued */
    void (*fire)(void *arg); /* called with the event already removed; may schedule it again */
    void *arg;
    const char *name; /* unique in the machine; snapshots find events by it */
    u32 pos;          /* place in the heap + 1, 0: not queued */
    u64 seq;          /* order of equal deadlines */
};

struct clock {
    u64 end;           /* virtual time at which the running slice's budget is used up; when no CPU
                          runs: now */
    struct slice *run; /* the running CPU's, or NULL */
    u64 seq;
    struct event **heap;
    u32 count, cap;
    u64 (*host)(void);          /* parallel mode: host time in ns, NULL: time is instructions */
    u64 origin;                 /* host time of virtual time 0 */
    u64 watched;                /* parallel mode: sooner() hears of events before this time */
    void (*sooner)(void *arg);
    void *sooner_arg;
};

/* ns since power-on, exact to the executing instruction. */
static inline u64 clock_now(const struct clock *c)
{
    if (UNLIKELY(c->host != NULL))
        return c->host() - c->origin;
    return c->run ? c->end - (u64)(c->run->left + c->run->stash) : c->end;
}
/* Deadline of the first event, or UINT64_MAX. */
static inline u64 clock_next(const struct clock *c) { return c->count ? c->heap[0]->when : ~0ull; }

/* (Re)schedules e for virtual time when; a time already past fires at the next opportunity.  An
 * event earlier than the end of the running slice shortens the slice to its exact deadline. */
void clock_schedule(struct clock *c, struct event *e, u64 when);
void clock_cancel(struct clock *c, struct event *e);
static inline bool clock_pending(const struct event *e) { return e->pos != 0; }

/* Begins a slice of at most n instructions that ends no later than the next event; returns its
 * length (0: an event is due).  clock_end() accounts what was executed. */
s64 clock_begin(struct clock *c, struct slice *s, s64 n);
void clock_finish(struct clock *c);
/* Idle: moves time forward to when (never past the next event). */
void clock_skip(struct clock *c, u64 when);
/* Fires all events whose deadline has come. */
void clock_fire(struct clock *c);
/* Saves, loads or hashes one event's deadline; the owner's state function calls it. */
void clock_event_state(struct clock *c, struct event *e, struct snap *s);
/* Visits the time itself; only between slices. */
void clock_state(struct clock *c, struct snap *s);
void clock_free(struct clock *c);
