/* Virtio console (virtio 1.2, section 5.3): one port.  Output leaves DELAY ns after its notification, all
 * of it at once; an emergency write leaves immediately.
 *
 * Not modelled: several ports and their control queues. */
#include "devices/virtio_console.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/check.h"
#include "core/snap.h"
#include "devices/le.h"

#define F_SIZE        (1ull << 0)
#define F_EMERG_WRITE (1ull << 2)

enum { RX, TX, QUEUES };
enum { QUEUE_SIZE = 128, DELAY = 2000 };
enum { C_COLS = 0, C_ROWS = 2, C_PORTS = 4, C_EMERG = 8, C_SIZE = 12 };

struct console {
    struct virtio v;
    struct virtio_console_config cfg;
    char event_name[32];
    struct event transmit;
    bool full; /* input was refused */
};

static struct console *self(struct virtio *v) { return container_of(v, struct console, v); }

static void put_all(void *arg)
{
    struct console *k = arg;
    struct virtio_chain *c;
    while ((c = virtio_pop(&k->v, TX))) {
        u8 buf[256];
        size_t n;
        for (u64 at = 0; (n = virtio_read_chain(&k->v, c, at, buf, sizeof buf)) != 0; at += n)
            for (size_t i = 0; k->cfg.put && i < n; i++)
                k->cfg.put(k->cfg.arg, buf[i]);
        virtio_push(&k->v, TX, c, 0);
        free(c);
    }
    virtio_signal(&k->v, TX);
}

static void notify(struct virtio *v, unsigned q)
{
    struct console *k = self(v);
    if (q == TX) {
        if (!clock_pending(&k->transmit))
            clock_schedule(k->cfg.clock, &k->transmit, clock_now(k->cfg.clock) + DELAY);
    } else if (k->full) {
        k->full = false;
        if (k->cfg.room)
            k->cfg.room(k->cfg.arg);
    }
}

unsigned virtio_console_input(struct virtio *v, const u8 *bytes, unsigned n)
{
    struct console *k = self(v);
    unsigned done = 0;
    struct virtio_chain *c;
    while (done < n && virtio_running(v) && (c = virtio_pop(v, RX))) {
        size_t got = virtio_write_chain(v, c, 0, bytes + done, n - done);
        virtio_push(v, RX, c, got);
        free(c);
        done += (unsigned)got;
    }
    k->full = done < n;
    virtio_signal(v, RX);
    return done;
}

static bool config_wrote(struct virtio *v, u32 off, unsigned size)
{
    struct console *k = self(v);
    if (off != C_EMERG || !size)
        return false;
    if (k->cfg.put)
        k->cfg.put(k->cfg.arg, v->config[C_EMERG]);
    put_le32(v->config + C_EMERG, 0);
    return true;
}

static void reset(struct virtio *v)
{
    clock_cancel(self(v)->cfg.clock, &self(v)->transmit);
    self(v)->full = false;
}

static void state(struct virtio *v, struct snap *s)
{
    struct console *k = self(v);
    SNAP_BOOL(s, k, full);
    clock_event_state(k->cfg.clock, &k->transmit, s);
}

static void destroy(struct virtio *v)
{
    reset(v);
    free(self(v));
}

static const struct virtio_class class = {
    .name = "virtio-console",
    .device_id = VIRTIO_CONSOLE,
    .queues = QUEUES,
    .config_size = C_SIZE,
    .notify = notify,
    .config_wrote = config_wrote,
    .reset = reset,
    .state = state,
    .destroy = destroy,
};

struct virtio *virtio_console_new(const struct virtio_console_config *cfg)
{
    struct console *k = calloc(1, sizeof *k);
    CHECK(k);
    k->cfg = *cfg;
    u64 features = F_EMERG_WRITE | cfg->features | (cfg->cols && cfg->rows ? F_SIZE : 0);
    virtio_init(&k->v, &class, cfg->id, cfg->log, features, QUEUE_SIZE);
    put_le16(k->v.config + C_COLS, cfg->cols);
    put_le16(k->v.config + C_ROWS, cfg->rows);
    put_le32(k->v.config + C_PORTS, 1);
    snprintf(k->event_name, sizeof k->event_name, "%s-transmit", cfg->id);
    k->transmit = (struct event){.fire = put_all, .arg = k, .name = k->event_name};
    return &k->v;
}
