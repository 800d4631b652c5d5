/* Virtio block device (virtio 1.2, section 5.2).
 *
 * The disk does one request after the other; one completes at a virtual time that depends on when it
 * was submitted and on its size only (LATENCY + bytes / 2 ns), never on the host.  Data is moved at
 * completion, through the DMA as it is then.
 *
 * Invariant: the event is queued exactly when a request waits, for the completion of the first one.
 * Not modelled: secure erase, zoned devices, life-time queries, pre-1.0 SCSI commands and barriers. */
#include "devices/virtio_blk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/le.h"

#define F_SEG_MAX      (1ull << 2)
#define F_RO           (1ull << 5)
#define F_BLK_SIZE     (1ull << 6)
#define F_FLUSH        (1ull << 9)
#define F_TOPOLOGY     (1ull << 10)
#define F_CONFIG_WCE   (1ull << 11)
#define F_DISCARD      (1ull << 13)
#define F_WRITE_ZEROES (1ull << 14)

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };

/* struct virtio_blk_config */
enum {
    C_CAPACITY = 0,
    C_SEG_MAX = 12,
    C_BLK_SIZE = 20,
    C_TOPOLOGY = 24,
    C_WRITEBACK = 32,
    C_DISCARD = 36,
    C_WRITE_ZEROES = 48,
    C_MAY_UNMAP = 56,
    C_SIZE = 60,
};

enum { SECTOR = 512, QUEUE_SIZE = 256, HEADER = 16, RANGE = 16, SERIAL = 20 };
enum { LATENCY = 10000, FLUSH_LATENCY = 50000 }; /* ns */
enum { MAX_RANGES = 64 };
#define MAX_RANGE_SECTORS 0x3fffffu

struct request {
    struct virtio_chain *chain;
    u64 when; /* ns */
};

struct blk {
    struct virtio v;
    struct clock *clock;
    struct blockdev *disk;
    char serial[SERIAL];
    char event_name[32];
    struct event done;
    u32 first, count; /* ring of requests in flight */
    struct request queue[QUEUE_SIZE];
    u8 bounce[65536];
};

static struct blk *self(struct virtio *v) { return container_of(v, struct blk, v); }

static bool write_through(const struct blk *b)
{
    if (virtio_has(&b->v, F_CONFIG_WCE))
        return !b->v.config[C_WRITEBACK];
    return !virtio_has(&b->v, F_FLUSH);
}

/* ---- the kinds of request; each returns a status, bytes written into the chain in *in ---------- */

static bool in_range(const struct blk *b, u64 sector, u64 bytes)
{
    u64 size = b->disk->size / SECTOR * SECTOR;
    return sector <= size / SECTOR && bytes <= size - sector * SECTOR;
}

static u8 do_read(struct blk *b, const struct virtio_chain *c, u64 sector, u64 *in)
{
    u64 n = c->in_len - 1;
    if (n % SECTOR || !in_range(b, sector, n))
        return S_IOERR;
    for (u64 at = 0; at < n;) {
        size_t k = n - at < sizeof b->bounce ? (size_t)(n - at) : sizeof b->bounce;
        if (!b->disk->ops->read(b->disk, sector * SECTOR + at, b->bounce, k) ||
            virtio_write_chain(&b->v, c, at, b->bounce, k) != k)
            return S_IOERR;
        at += k;
    }
    *in = n;
    return S_OK;
}

static u8 do_write(struct blk *b, const struct virtio_chain *c, u64 sector)
{
    u64 n = c->out_len - HEADER;
    if (b->disk->readonly || n % SECTOR || !in_range(b, sector, n))
        return S_IOERR;
    for (u64 at = 0; at < n;) {
        size_t k = n - at < sizeof b->bounce ? (size_t)(n - at) : sizeof b->bounce;
        if (virtio_read_chain(&b->v, c, HEADER + at, b->bounce, k) != k ||
            !b->disk->ops->write(b->disk, sector * SECTOR + at, b->bounce, k))
            return S_IOERR;
        at += k;
    }
    return write_through(b) && !b->disk->ops->flush(b->disk) ? S_IOERR : S_OK;
}

static u8 do_ranges(struct blk *b, const struct virtio_chain *c, bool zero)
{
    u64 n = c->out_len - HEADER;
    if (b->disk->readonly || !n || n % RANGE || n / RANGE > MAX_RANGES)
        return S_IOERR;
    for (u64 at = 0; at < n; at += RANGE) {
        u8 r[RANGE];
        if (virtio_read_chain(&b->v, c, HEADER + at, r, sizeof r) != sizeof r)
            return S_IOERR;
        u64 sector = get_le64(r), sectors = get_le32(r + 8);
        u32 flags = get_le32(r + 12);
        if (flags & ~(zero ? 1u : 0u))
            return S_UNSUPP;
        if (sectors > MAX_RANGE_SECTORS || !in_range(b, sector, sectors * SECTOR))
            return S_IOERR;
        if (!b->disk->ops->discard(b->disk, sector * SECTOR, sectors * SECTOR, zero))
            return S_IOERR;
    }
    return write_through(b) && !b->disk->ops->flush(b->disk) ? S_IOERR : S_OK;
}

static u8 do_get_id(struct blk *b, const struct virtio_chain *c, u64 *in)
{
    u64 n = c->in_len - 1 < SERIAL ? c->in_len - 1 : SERIAL;
    *in = virtio_write_chain(&b->v, c, 0, b->serial, n);
    return *in == n ? S_OK : S_IOERR;
}

static void execute(struct blk *b, const struct virtio_chain *c)
{
    u8 h[HEADER], status;
    u64 in = 0;
    if (!c->in_len || virtio_read_chain(&b->v, c, 0, h, sizeof h) != sizeof h) {
        virtio_broken(&b->v, "a request without header or status byte");
        return;
    }
    u64 sector = get_le64(h + 8);
    switch (get_le32(h)) {
    case T_IN: status = do_read(b, c, sector, &in); break;
    case T_OUT: status = do_write(b, c, sector); break;
    case T_FLUSH: status = b->disk->ops->flush(b->disk) ? S_OK : S_IOERR; break;
    case T_GET_ID: status = do_get_id(b, c, &in); break;
    case T_DISCARD: status = do_ranges(b, c, false); break;
    case T_WRITE_ZEROES: status = do_ranges(b, c, true); break;
    default: status = S_UNSUPP; break;
    }
    virtio_write_chain(&b->v, c, c->in_len - 1, &status, 1);
    virtio_push(&b->v, 0, c, in + 1);
}

/* ---- time ----------------------------------------------------------------------------------- */

static struct request *nth(struct blk *b, u32 i) { return &b->queue[(b->first + i) % QUEUE_SIZE]; }

static void done(void *arg)
{
    struct blk *b = arg;
    u64 now = clock_now(b->clock);
    while (b->count && nth(b, 0)->when <= now) {
        struct virtio_chain *c = nth(b, 0)->chain;
        nth(b, 0)->chain = NULL;
        b->first = (b->first + 1) % QUEUE_SIZE;
        b->count--;
        execute(b, c);
        free(c);
    }
    virtio_signal(&b->v, 0);
    if (b->count)
        clock_schedule(b->clock, &b->done, nth(b, 0)->when);
}

static void notify(struct virtio *v, unsigned q)
{
    struct blk *b = self(v);
    struct virtio_chain *c;
    while (b->count < QUEUE_SIZE && (c = virtio_pop(v, q))) {
        u64 start = clock_now(b->clock);
        if (b->count && nth(b, b->count - 1)->when > start)
            start = nth(b, b->count - 1)->when;
        u64 bytes = c->in_len + c->out_len;
        u64 cost = bytes <= HEADER + 1 ? FLUSH_LATENCY : LATENCY + bytes / 2;
        *nth(b, b->count++) = (struct request){c, start + cost};
    }
    if (b->count && !clock_pending(&b->done))
        clock_schedule(b->clock, &b->done, nth(b, 0)->when);
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool config_wrote(struct virtio *v, u32 off, unsigned size)
{
    struct blk *b = self(v);
    if (off != C_WRITEBACK || size != 1 || !virtio_has(v, F_CONFIG_WCE))
        return false;
    v->config[C_WRITEBACK] &= 1;
    if (!v->config[C_WRITEBACK] && !b->disk->ops->flush(b->disk))
        log_info(v->log, "%s: flush failed", v->id);
    return true;
}

static void fill_config(struct blk *b)
{
    u8 *c = b->v.config;
    put_le64(c + C_CAPACITY, b->disk->size / SECTOR);
    put_le32(c + C_SEG_MAX, QUEUE_SIZE - 2);
    put_le32(c + C_BLK_SIZE, SECTOR);
    put_le16(c + C_TOPOLOGY + 2, 1); /* min_io_size in blocks */
    c[C_WRITEBACK] = 1;
    for (unsigned at = C_DISCARD; at <= C_WRITE_ZEROES; at += C_WRITE_ZEROES - C_DISCARD) {
        put_le32(c + at, MAX_RANGE_SECTORS);
        put_le32(c + at + 4, MAX_RANGES);
    }
    put_le32(c + C_DISCARD + 8, 1); /* discard_sector_alignment */
    c[C_MAY_UNMAP] = 1;
}

static void drop_requests(struct blk *b)
{
    for (u32 i = 0; i < b->count; i++) {
        free(nth(b, i)->chain);
        nth(b, i)->chain = NULL;
    }
    b->first = b->count = 0;
    clock_cancel(b->clock, &b->done);
}

static void reset(struct virtio *v)
{
    drop_requests(self(v));
    v->config[C_WRITEBACK] = 1;
}

static void state(struct virtio *v, struct snap *s)
{
    struct blk *b = self(v);
    u32 count = b->count;
    if (s->mode == SNAP_LOAD)
        drop_requests(b);
    snap_bytes(s, "in flight", &count, sizeof count);
    if (s->mode == SNAP_LOAD) {
        if (s->failed || count > QUEUE_SIZE)
            s->failed = true, count = 0;
    }
    for (u32 i = 0; i < count; i++) {
        struct request *r = nth(b, i);
        virtio_chain_state(v, &r->chain, s);
        SNAP(s, r, when);
        if (!r->chain) {
            s->failed = true;
            break;
        }
        if (s->mode == SNAP_LOAD)
            b->count = i + 1;
    }
    clock_event_state(b->clock, &b->done, s);
    if (b->disk->ops->state)
        b->disk->ops->state(b->disk, s);
}

static void destroy(struct virtio *v)
{
    reset(v);
    free(self(v));
}

static const struct virtio_class class = {
    .name = "virtio-blk",
    .device_id = VIRTIO_BLK,
    .queues = 1,
    .config_size = C_SIZE,
    .notify = notify,
    .config_wrote = config_wrote,
    .reset = reset,
    .state = state,
    .destroy = destroy,
};

struct virtio *virtio_blk_new(const struct virtio_blk_config *cfg)
{
    struct blk *b = calloc(1, sizeof *b);
    CHECK(b);
    b->clock = cfg->clock;
    b->disk = cfg->disk;
    if (cfg->serial)
        memcpy(b->serial, cfg->serial, strnlen(cfg->serial, SERIAL));
    u64 features = F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY | F_CONFIG_WCE | cfg->features;
    features |= cfg->disk->readonly ? F_RO : F_DISCARD | F_WRITE_ZEROES;
    virtio_init(&b->v, &class, cfg->id, cfg->log, features, QUEUE_SIZE);
    snprintf(b->event_name, sizeof b->event_name, "%s-done", cfg->id);
    b->done = (struct event){.fire = done, .arg = b, .name = b->event_name};
    fill_config(b);
    return &b->v;
}
