/* Virtio memory balloon (virtio 1.2, section 5.5).
 *
 * A page that is given back or reported as free loses its contents at once (it reads zero) and its host memory, so a
 * run does not depend on when the host reclaims what. Pages are 4 KiB whatever the guest's size is. The queues are
 * looked at DELAY ns after their notification; one buffer of the statistics queue stays with the device until somebody
 * asks for new ones.
 *
 * Balloon addresses are guest physical and never pass an IOMMU (5.5.6). Not modelled: MUST_TELL_HOST (a page taken
 * back is simply there), page poisoning, free page hints (they belong to live migration). */
#include "devices/virtio_balloon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/le.h"

#define F_STATS          (1ull << 1)
#define F_DEFLATE_ON_OOM (1ull << 2)
#define F_REPORTING      (1ull << 5)

enum { INFLATE, DEFLATE, STATS, REPORTING, QUEUES };
enum { QUEUE_SIZE = 128, DELAY = 2000, PAGE = 4096, STAT = 10 };
enum { C_PAGES = 0, C_ACTUAL = 4, C_SIZE = 8 };

struct balloon {
    struct virtio v;
    struct virtio_balloon_config cfg;
    char event_name[32];
    struct event work;
    u32 pending; /* queues that were notified */
    struct virtio_chain *stats_buffer;
    u64 stats[VIRTIO_BALLOON_STATS];
};

static struct balloon *self(struct virtio *v) { return container_of(v, struct balloon, v); }

/* Without the statistics' feature the reporting queue takes their place (5.5.2). */
static unsigned role(const struct balloon *b, unsigned q)
{
    return q == STATS && !virtio_has(&b->v, F_STATS) && virtio_has(&b->v, F_REPORTING) ? REPORTING : q;
}

static void discard(struct balloon *b, u64 addr, u64 n)
{
    if (b->cfg.discard && n)
        b->cfg.discard(b->cfg.arg, addr, n);
}

/* Page numbers, 32 bits each. */
static void inflate(struct balloon *b, const struct virtio_chain *c)
{
    u8 pfns[1024];
    size_t n;
    for (u64 at = 0; (n = virtio_read_chain(&b->v, c, at, pfns, sizeof pfns)) != 0; at += n)
        for (size_t i = 0; i + 4 <= n; i += 4)
            discard(b, (u64)get_le32(pfns + i) * PAGE, PAGE);
}

/* The buffers themselves are free. */
static void report(struct balloon *b, const struct virtio_chain *c)
{
    for (unsigned i = 0; i < c->n_in; i++)
        discard(b, c->seg[c->n_out + i].addr, c->seg[c->n_out + i].len);
}

static void keep_stats(struct balloon *b, struct virtio_chain *c)
{
    u8 stat[STAT];
    memset(b->stats, 0xff, sizeof b->stats);
    for (u64 at = 0; virtio_read_chain(&b->v, c, at, stat, STAT) == STAT; at += STAT)
        if (get_le16(stat) < VIRTIO_BALLOON_STATS)
            b->stats[get_le16(stat)] = get_le64(stat + 2);
    free(b->stats_buffer); /* a second one breaks the protocol: the first is lost */
    b->stats_buffer = c;
}

static void work(void *arg)
{
    struct balloon *b = arg;
    u32 pending = b->pending;
    b->pending = 0;
    for (unsigned q = 0; q < QUEUES; q++) {
        struct virtio_chain *c;
        while (pending >> q & 1 && (c = virtio_pop(&b->v, q))) {
            switch (role(b, q)) {
            case INFLATE: inflate(b, c); break;
            case STATS: keep_stats(b, c); continue;
            case REPORTING: report(b, c); break;
            }
            virtio_push(&b->v, q, c, 0);
            free(c);
        }
        if (pending >> q & 1)
            virtio_signal(&b->v, q);
    }
}

static void notify(struct virtio *v, unsigned q)
{
    struct balloon *b = self(v);
    b->pending |= 1u << q;
    if (!clock_pending(&b->work))
        clock_schedule(b->cfg.clock, &b->work, clock_now(b->cfg.clock) + DELAY);
}

static bool config_wrote(struct virtio *v, u32 off, unsigned size)
{
    (void)v;
    return off >= C_ACTUAL && off + size <= C_ACTUAL + 4;
}

/* ---- the host's side ------------------------------------------------------------------------ */

void virtio_balloon_set(struct virtio *v, u32 pages)
{
    put_le32(v->config + C_PAGES, pages);
    virtio_config_changed(v);
}

void virtio_balloon_get(const struct virtio *v, u32 *target, u32 *actual)
{
    *target = get_le32(v->config + C_PAGES);
    *actual = get_le32(v->config + C_ACTUAL);
}

bool virtio_balloon_ask(struct virtio *v)
{
    struct balloon *b = self(v);
    if (!b->stats_buffer || !virtio_running(v))
        return false;
    virtio_push(v, STATS, b->stats_buffer, 0);
    free(b->stats_buffer);
    b->stats_buffer = NULL;
    virtio_signal(v, STATS);
    return true;
}

const u64 *virtio_balloon_stats(const struct virtio *v) { return container_of(v, struct balloon, v)->stats; }

/* ---- life ----------------------------------------------------------------------------------- */

static void drop(struct balloon *b)
{
    clock_cancel(b->cfg.clock, &b->work);
    free(b->stats_buffer);
    b->stats_buffer = NULL;
}

/* A reset leaves what the host asked for; the driver forgets its pages. */
static void reset(struct virtio *v)
{
    struct balloon *b = self(v);
    drop(b);
    b->pending = 0;
    memset(b->stats, 0xff, sizeof b->stats);
    put_le32(v->config + C_ACTUAL, 0);
}

static void state(struct virtio *v, struct snap *s)
{
    struct balloon *b = self(v);
    SNAP(s, b, pending);
    SNAP(s, b, stats);
    virtio_chain_state(v, &b->stats_buffer, s);
    clock_event_state(b->cfg.clock, &b->work, s);
}

static void destroy(struct virtio *v)
{
    drop(self(v));
    free(self(v));
}

static const struct virtio_class class = {
    .name = "virtio-balloon",
    .device_id = VIRTIO_BALLOON,
    .queues = QUEUES,
    .config_size = C_SIZE,
    .notify = notify,
    .config_wrote = config_wrote,
    .reset = reset,
    .state = state,
    .destroy = destroy,
};

struct virtio *virtio_balloon_new(const struct virtio_balloon_config *cfg)
{
    struct balloon *b = calloc(1, sizeof *b);
    CHECK(b);
    b->cfg = *cfg;
    virtio_init(&b->v, &class, cfg->id, cfg->log, F_STATS | F_DEFLATE_ON_OOM | F_REPORTING | cfg->features, QUEUE_SIZE);
    snprintf(b->event_name, sizeof b->event_name, "%s-work", cfg->id);
    b->work = (struct event){.fire = work, .arg = b, .name = b->event_name};
    reset(&b->v);
    return &b->v;
}
