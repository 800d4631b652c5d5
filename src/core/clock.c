/* Virtual time: a binary heap of events keyed by (deadline, order of scheduling). */
#include "core/clock.h"

#include <stdlib.h>

#include "core/check.h"
#include "core/snap.h"

static bool before(const struct event *a, const struct event *b)
{
    return a->when != b->when ? a->when < b->when : a->seq < b->seq;
}

static void place(struct clock *c, u32 i, struct event *e)
{
    c->heap[i] = e;
    e->pos = i + 1;
}

static void sift_up(struct clock *c, u32 i, struct event *e)
{
    while (i > 0 && before(e, c->heap[(i - 1) / 2])) {
        place(c, i, c->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(c, i, e);
}

static void sift_down(struct clock *c, u32 i, struct event *e)
{
    for (;;) {
        u32 k = 2 * i + 1;
        if (k >= c->count)
            break;
        if (k + 1 < c->count && before(c->heap[k + 1], c->heap[k]))
            k++;
        if (!before(c->heap[k], e))
            break;
        place(c, i, c->heap[k]);
        i = k;
    }
    place(c, i, e);
}

void clock_cancel(struct clock *c, struct event *e)
{
    if (!e->pos)
        return;
    u32 i = e->pos - 1;
    e->pos = 0;
    struct event *last = c->heap[--c->count];
    if (last == e)
        return;
    if (i > 0 && before(last, c->heap[(i - 1) / 2]))
        sift_up(c, i, last);
    else
        sift_down(c, i, last);
}

void clock_schedule(struct clock *c, struct event *e, u64 when)
{
    clock_cancel(c, e);
    if (c->count == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 32;
        c->heap = realloc(c->heap, c->cap * sizeof *c->heap);
        CHECK(c->heap);
    }
    e->when = when;
    e->seq = c->seq++;
    sift_up(c, c->count++, e);
    if (UNLIKELY(c->host != NULL)) {
        if (when < c->watched)
            c->sooner(c->sooner_arg);
        return;
    }

    /* Shorten the running slice so that it ends at the deadline, at the earliest after the
     * instruction that is executing now. */
    if (c->run && when < c->end) {
        struct slice *s = c->run;
        s64 total = s->left + s->stash;
        u64 now = c->end - (u64)total;
        s64 keep = when > now ? (s64)(when - now) : 1;
        if (keep < total) {
            c->end = now + (u64)keep;
            s->left = s->left < keep ? s->left : keep;
            s->stash = keep - s->left;
        }
    }
}

s64 clock_begin(struct clock *c, struct slice *s, s64 n)
{
    CHECK(!c->run);
    u64 next = clock_next(c);
    if (next <= c->end)
        return 0;
    if ((u64)n > next - c->end)
        n = (s64)(next - c->end);
    s->left = n;
    s->stash = 0;
    s->end = false;
    c->end += (u64)n;
    c->run = s;
    return n;
}

void clock_finish(struct clock *c)
{
    c->end = clock_now(c);
    c->run->left = c->run->stash = 0;
    c->run = NULL;
}

void clock_skip(struct clock *c, u64 when)
{
    CHECK(!c->run);
    if (when > clock_next(c))
        when = clock_next(c);
    if (when > c->end)
        c->end = when;
}

void clock_fire(struct clock *c)
{
    while (c->count && c->heap[0]->when <= c->end) {
        struct event *e = c->heap[0];
        clock_cancel(c, e);
        e->fire(e->arg);
    }
}

void clock_event_state(struct clock *c, struct event *e, struct snap *s)
{
    u64 when = e->pos ? e->when : ~0ull;
    snap_bytes(s, e->name, &when, sizeof when);
    if (s->mode == SNAP_LOAD) {
        clock_cancel(c, e);
        if (when != ~0ull)
            clock_schedule(c, e, when);
    }
}

void clock_state(struct clock *c, struct snap *s)
{
    CHECK(!c->run);
    SNAP(s, c, end);
}

void clock_free(struct clock *c)
{
    free(c->heap);
    *c = (struct clock){0};
}
