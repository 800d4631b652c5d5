/* Virtio entropy device (virtio 1.2, section 5.4): a repeatable generator (SplitMix64) seeded by the
 * machine, so not for secrets that must outlive the simulation.  Buffers are filled DELAY ns after the
 * notification, MAX bytes each at most. */
#include "devices/virtio_rng.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/check.h"
#include "core/snap.h"
#include "devices/le.h"

enum { QUEUE_SIZE = 8, DELAY = 2000, MAX = 65536 };

struct rng {
    struct virtio v;
    struct clock *clock;
    u64 seed, next;
    char event_name[32];
    struct event fill;
};

static struct rng *self(struct virtio *v) { return container_of(v, struct rng, v); }

static u64 draw(struct rng *r)
{
    u64 z = r->next += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static void fill(void *arg)
{
    struct rng *r = arg;
    struct virtio_chain *c;
    while ((c = virtio_pop(&r->v, 0))) {
        u64 n = c->in_len < MAX ? c->in_len : MAX, at = 0;
        while (at < n) {
            u8 b[8];
            put_le64(b, draw(r));
            size_t k = virtio_write_chain(&r->v, c, at, b, n - at < 8 ? n - at : 8);
            if (!k)
                break;
            at += k;
        }
        virtio_push(&r->v, 0, c, at);
        free(c);
    }
    virtio_signal(&r->v, 0);
}

static void notify(struct virtio *v, unsigned q)
{
    struct rng *r = self(v);
    (void)q;
    if (!clock_pending(&r->fill))
        clock_schedule(r->clock, &r->fill, clock_now(r->clock) + DELAY);
}

static void reset(struct virtio *v) { clock_cancel(self(v)->clock, &self(v)->fill); }

static void state(struct virtio *v, struct snap *s)
{
    struct rng *r = self(v);
    SNAP(s, r, next);
    clock_event_state(r->clock, &r->fill, s);
}

static void destroy(struct virtio *v)
{
    reset(v);
    free(self(v));
}

static const struct virtio_class class = {
    .name = "virtio-rng",
    .device_id = VIRTIO_RNG,
    .queues = 1,
    .notify = notify,
    .reset = reset,
    .state = state,
    .destroy = destroy,
};

struct virtio *virtio_rng_new(const char *id, struct log *log, struct clock *clock, u64 seed, u64 features)
{
    struct rng *r = calloc(1, sizeof *r);
    CHECK(r);
    r->clock = clock;
    r->seed = r->next = seed;
    virtio_init(&r->v, &class, id, log, features, QUEUE_SIZE);
    snprintf(r->event_name, sizeof r->event_name, "%s-fill", id);
    r->fill = (struct event){.fire = fill, .arg = r, .name = r->event_name};
    return &r->v;
}
