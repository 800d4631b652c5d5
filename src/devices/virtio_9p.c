/* Virtio 9P transport: a request's readable part is a message, its writable part takes the reply.  Replies
 * come DELAY ns after the notification, one message after the other.
 *
 * The server's open files are the host's, not part of the machine's state. */
#include "devices/virtio_9p.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/le.h"

#define F_MOUNT_TAG (1ull << 0)

enum { QUEUE_SIZE = 128, DELAY = 10000 };

struct p9 {
    struct virtio v;
    struct virtio_9p_config cfg;
    char event_name[32];
    struct event answer;
    u8 in[P9_MAX_MESSAGE], out[P9_MAX_MESSAGE];
};

static struct p9 *self(struct virtio *v) { return container_of(v, struct p9, v); }

static void answer_all(void *arg)
{
    struct p9 *p = arg;
    struct virtio_chain *c;
    while ((c = virtio_pop(&p->v, 0))) {
        u32 max = c->in_len < P9_MAX_MESSAGE ? (u32)c->in_len : P9_MAX_MESSAGE, n = 0;
        if (c->out_len < 7 || c->out_len > P9_MAX_MESSAGE || max < 11)
            virtio_broken(&p->v, "a message of %llu bytes with room for %llu", (unsigned long long)c->out_len,
                          (unsigned long long)c->in_len);
        else if (virtio_read_chain(&p->v, c, 0, p->in, c->out_len) == c->out_len)
            n = p->cfg.handle(p->cfg.arg, p->in, (u32)c->out_len, p->out, max);
        virtio_push(&p->v, 0, c, virtio_write_chain(&p->v, c, 0, p->out, n));
        free(c);
    }
    virtio_signal(&p->v, 0);
}

static void notify(struct virtio *v, unsigned q)
{
    struct p9 *p = self(v);
    (void)q;
    if (!clock_pending(&p->answer))
        clock_schedule(p->cfg.clock, &p->answer, clock_now(p->cfg.clock) + DELAY);
}

static void reset(struct virtio *v)
{
    struct p9 *p = self(v);
    clock_cancel(p->cfg.clock, &p->answer);
    if (p->cfg.reset)
        p->cfg.reset(p->cfg.arg);
}

static void state(struct virtio *v, struct snap *s) { clock_event_state(self(v)->cfg.clock, &self(v)->answer, s); }

static void destroy(struct virtio *v)
{
    reset(v);
    free(self(v));
}

static const struct virtio_class class = {
    .name = "virtio-9p",
    .device_id = VIRTIO_9P,
    .queues = 1,
    .config_size = 2 + P9_MAX_TAG,
    .notify = notify,
    .reset = reset,
    .state = state,
    .destroy = destroy,
};

struct virtio *virtio_9p_new(const struct virtio_9p_config *cfg)
{
    struct p9 *p = calloc(1, sizeof *p);
    CHECK(p);
    p->cfg = *cfg;
    virtio_init(&p->v, &class, cfg->id, cfg->log, F_MOUNT_TAG | cfg->features, QUEUE_SIZE);
    size_t n = strnlen(cfg->tag, P9_MAX_TAG);
    put_le16(p->v.config, (u16)n);
    memcpy(p->v.config + 2, cfg->tag, n);
    snprintf(p->event_name, sizeof p->event_name, "%s-answer", cfg->id);
    p->answer = (struct event){.fire = answer_all, .arg = p, .name = p->event_name};
    return &p->v;
}
