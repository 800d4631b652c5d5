/* Virtio SCSI host (virtio 1.2, section 5.6): one request queue, task management; the commands are scsi_disk.c's.
 *
 * As with the block device a command completes at a virtual time that depends on when it was submitted and on its size
 * only, and its data move then. The units share that one queue of requests in flight, in the order of their
 * submission, so a task attribute changes nothing. Task management looks at the requests in flight; it is executed
 * DELAY ns after its notification.
 *
 * Invariant: the event is queued exactly when a request waits, for the completion of the first one.
 * Not modelled: bidirectional commands, hot plugging and change events (not offered; the event queue is never used),
 * protection information, asynchronous notification, REPORT LUNS of the well-known unit. */
#include "devices/virtio_scsi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/le.h"
#include "devices/scsi_disk.h"

enum { CONTROL, EVENTS, REQUESTS, QUEUES };
enum { QUEUE_SIZE = 128, EVENT_SIZE = 16, MAX_CDB = 256, MAX_SENSE = 256, BLOCK = 512 };
enum { LATENCY = 10000, FLUSH_LATENCY = 50000, DELAY = 2000 }; /* ns */

/* struct virtio_scsi_config */
enum {
    C_QUEUES = 0,
    C_SEG_MAX = 4,
    C_MAX_SECTORS = 8,
    C_PER_LUN = 12,
    C_EVENT_SIZE = 16,
    C_SENSE_SIZE = 20,
    C_CDB_SIZE = 24,
    C_MAX_TARGET = 30,
    C_MAX_LUN = 32,
    C_SIZE = 36,
};

/* request: lun 8 | tag 64 | attribute 8 priority 8 crn 8 | command descriptor block | data
 * response: sense length 32, residual 32, qualifier 16, status 8, response 8 | sense | data */
enum { Q_TAG = 8, Q_CDB = 19 };
enum { R_SENSE_LEN = 0, R_RESIDUAL = 4, R_STATUS = 10, R_RESPONSE = 11, R_SENSE = 12 };
enum response { S_OK, S_OVERRUN, S_ABORTED, S_BAD_TARGET, S_RESET, S_SUCCEEDED = 10, S_REJECTED, S_INCORRECT_LUN };
enum { T_TMF, T_AN_QUERY, T_AN_SUBSCRIBE };
enum tmf {
    ABORT_TASK,
    ABORT_TASK_SET,
    CLEAR_ACA,
    CLEAR_TASK_SET,
    I_T_NEXUS_RESET,
    LOGICAL_UNIT_RESET,
    QUERY_TASK,
    QUERY_TASK_SET,
};

struct request {
    struct virtio_chain *chain;
    u64 when; /* ns */
    u64 tag;
    u8 target, lun;
};

struct unit {
    struct scsi_disk d;
    u8 target;
};

struct scsi {
    struct virtio v;
    struct clock *clock;
    struct unit unit[VIRTIO_SCSI_LUNS];
    unsigned units;
    char event_name[32], control_name[32];
    struct event done, control;
    u32 first, count; /* ring of requests in flight */
    struct request queue[QUEUE_SIZE];
};

static struct scsi *self(struct virtio *v) { return container_of(v, struct scsi, v); }

static u32 cdb_size(const struct scsi *h) { return get_le32(h->v.config + C_CDB_SIZE); }
static u32 sense_size(const struct scsi *h) { return get_le32(h->v.config + C_SENSE_SIZE); }

/* ---- addresses -------------------------------------------------------------------------------- */

/* 1, target, then the unit by the peripheral (00) or flat (01) method. False: no such form. */
static bool parse_lun(const u8 *a, u8 *target, u32 *lun)
{
    *target = a[1];
    *lun = (a[2] & 63u) << 8 | a[3];
    return a[0] == 1 && a[2] < 0x80 && !get_le32(a + 4);
}

static bool has_target(const struct scsi *h, u8 target)
{
    for (unsigned i = 0; i < h->units; i++)
        if (h->unit[i].target == target)
            return true;
    return false;
}

static struct scsi_disk *find(struct scsi *h, u8 target, u32 lun)
{
    for (unsigned i = 0; i < h->units; i++)
        if (h->unit[i].target == target && h->unit[i].d.lun == lun)
            return &h->unit[i].d;
    return NULL;
}

static u64 luns_of(const struct scsi *h, u8 target)
{
    u64 set = 0;
    for (unsigned i = 0; i < h->units; i++)
        if (h->unit[i].target == target)
            set |= 1ull << h->unit[i].d.lun;
    return set;
}

/* ---- commands --------------------------------------------------------------------------------- */

struct data {
    struct virtio *v;
    const struct virtio_chain *c;
    u64 out_at, in_at; /* where the data begin in the chain */
};

static size_t get_data(void *arg, u64 off, void *buf, size_t n)
{
    const struct data *d = arg;
    return virtio_read_chain(d->v, d->c, d->out_at + off, buf, n);
}

static size_t put_data(void *arg, u64 off, const void *buf, size_t n)
{
    const struct data *d = arg;
    return virtio_write_chain(d->v, d->c, d->in_at + off, buf, n);
}

/* Writes the response; data: bytes that were put behind it. */
static void respond(struct scsi *h, const struct virtio_chain *c, const u8 *head, const u8 *sense, u64 data)
{
    u8 r[R_SENSE + MAX_SENSE] = {0};
    u32 n = R_SENSE + sense_size(h);
    memcpy(r, head, R_SENSE);
    if (sense)
        memcpy(r + R_SENSE, sense, get_le32(head));
    virtio_write_chain(&h->v, c, 0, r, n);
    virtio_push(&h->v, REQUESTS, c, n + data);
}

static void finish(struct scsi *h, const struct virtio_chain *c, enum response code)
{
    u8 head[R_SENSE] = {[R_RESPONSE] = (u8)code};
    respond(h, c, head, NULL, 0);
}

static void execute(struct scsi *h, const struct request *q)
{
    const struct virtio_chain *c = q->chain;
    u8 cdb[MAX_CDB], head[R_SENSE] = {0};
    struct data data = {&h->v, c, Q_CDB + cdb_size(h), R_SENSE + sense_size(h)};
    struct scsi_io io = {.arg = &data, .get = get_data, .put = put_data};
    if (c->out_len < data.out_at || c->in_len < data.in_at) {
        virtio_broken(&h->v, "a request without header or response");
        return;
    }
    io.out_len = c->out_len - data.out_at;
    io.in_len = c->in_len - data.in_at;
    memset(cdb, 0, 16);
    virtio_read_chain(&h->v, c, Q_CDB, cdb, cdb_size(h));
    if (!has_target(h, q->target) || (io.out_len && io.in_len)) { /* bidirectional ones were not negotiated */
        finish(h, c, has_target(h, q->target) ? 9 : S_BAD_TARGET);
        return;
    }
    struct scsi_disk *d = find(h, q->target, q->lun), missing = {0};
    if (!d)
        d = &missing;
    d->luns = luns_of(h, q->target);
    enum scsi_status status = scsi_disk_command(d, cdb, &io);
    u64 room = io.out ? io.out_len : io.in_len ? io.in_len : io.out_len, moved = io.moved < room ? io.moved : room;
    u32 sense = status == SCSI_CHECK_CONDITION ? SCSI_SENSE : 0;
    if (sense > sense_size(h))
        sense = sense_size(h);
    put_le32(head + R_SENSE_LEN, sense);
    put_le32(head + R_RESIDUAL, (u32)(room - moved > 0xffffffff ? 0xffffffff : room - moved));
    head[R_STATUS] = (u8)status;
    respond(h, c, head, d->sense, io.out ? 0 : moved);
}

/* ---- time ------------------------------------------------------------------------------------- */

static struct request *nth(struct scsi *h, u32 i) { return &h->queue[(h->first + i) % QUEUE_SIZE]; }

static void schedule(struct scsi *h)
{
    if (h->count && !clock_pending(&h->done))
        clock_schedule(h->clock, &h->done, nth(h, 0)->when);
}

static void done(void *arg)
{
    struct scsi *h = arg;
    u64 now = clock_now(h->clock);
    while (h->count && nth(h, 0)->when <= now) {
        struct request q = *nth(h, 0);
        nth(h, 0)->chain = NULL;
        h->first = (h->first + 1) % QUEUE_SIZE;
        h->count--;
        if (q.chain)
            execute(h, &q);
        free(q.chain);
    }
    virtio_signal(&h->v, REQUESTS);
    schedule(h);
}

static void take_requests(struct scsi *h)
{
    struct virtio_chain *c;
    while (h->count < QUEUE_SIZE && (c = virtio_pop(&h->v, REQUESTS))) {
        u8 head[Q_CDB];
        u32 lun;
        struct request q = {.chain = c};
        if (virtio_read_chain(&h->v, c, 0, head, sizeof head) != sizeof head) {
            virtio_broken(&h->v, "a request without header");
            free(c);
            return;
        }
        bool ok = parse_lun(head, &q.target, &lun);
        q.lun = lun < 64 ? (u8)lun : 255;
        q.tag = get_le64(head + Q_TAG);
        if (!ok) {
            finish(h, c, S_BAD_TARGET);
            free(c);
            continue;
        }
        u64 start = clock_now(h->clock), bytes = c->in_len + c->out_len;
        if (h->count && nth(h, h->count - 1)->when > start)
            start = nth(h, h->count - 1)->when;
        q.when = start + (bytes < BLOCK ? FLUSH_LATENCY : LATENCY + bytes / 2);
        *nth(h, h->count++) = q;
    }
    schedule(h);
}

/* ---- task management -------------------------------------------------------------------------- */

/* Ends the requests of a task, unit or target; a place in the ring stays, empty, so that the order does. */
static unsigned end_requests(struct scsi *h, enum tmf how, u8 target, u32 lun, u64 tag, enum response code)
{
    unsigned n = 0;
    for (u32 i = 0; i < h->count; i++) {
        struct request *q = nth(h, i);
        bool one = how == ABORT_TASK || how == QUERY_TASK;
        if (!q->chain || q->target != target || (how != I_T_NEXUS_RESET && q->lun != lun) || (one && q->tag != tag))
            continue;
        n++;
        if (how == QUERY_TASK || how == QUERY_TASK_SET)
            continue;
        finish(h, q->chain, code);
        free(q->chain);
        q->chain = NULL;
    }
    if (n)
        virtio_signal(&h->v, REQUESTS);
    /* Empty places at the end have nobody to wait for. */
    while (h->count && !nth(h, h->count - 1)->chain)
        h->count--;
    if (!h->count)
        clock_cancel(h->clock, &h->done);
    return n;
}

static u8 task_management(struct scsi *h, const u8 *m)
{
    u32 how = get_le32(m + 4), lun;
    u8 target;
    if (!parse_lun(m + 8, &target, &lun) || !has_target(h, target))
        return S_BAD_TARGET;
    if (how != I_T_NEXUS_RESET && !find(h, target, lun))
        return S_INCORRECT_LUN;
    bool reset = how == I_T_NEXUS_RESET || how == LOGICAL_UNIT_RESET;
    if (how == CLEAR_ACA || how > QUERY_TASK_SET)
        return S_REJECTED;
    unsigned n = end_requests(h, how, target, lun, get_le64(m + 16), reset ? S_RESET : S_ABORTED);
    for (unsigned i = 0; i < h->units && reset; i++)
        if (h->unit[i].target == target && (how == I_T_NEXUS_RESET || h->unit[i].d.lun == lun))
            scsi_disk_reset(&h->unit[i].d, how == LOGICAL_UNIT_RESET ? 3 : 2);
    return (how == QUERY_TASK || how == QUERY_TASK_SET) && n ? S_SUCCEEDED : S_OK;
}

static void run_control(void *arg)
{
    struct scsi *h = arg;
    struct virtio_chain *c;
    while ((c = virtio_pop(&h->v, CONTROL))) {
        u8 m[24], r[5] = {0};
        size_t n = virtio_read_chain(&h->v, c, 0, m, sizeof m), size = 1;
        if (n < 4 || (get_le32(m) == T_TMF && n < sizeof m)) {
            virtio_broken(&h->v, "a control request of %zu bytes", n);
            free(c);
            return;
        }
        if (get_le32(m) == T_TMF)
            r[0] = task_management(h, m);
        else if (get_le32(m) == T_AN_QUERY || get_le32(m) == T_AN_SUBSCRIBE)
            size = 5; /* no events are there, */
        else
            r[0] = 9; /* FAILURE */
        virtio_push(&h->v, CONTROL, c, virtio_write_chain(&h->v, c, 0, r, size));
        free(c);
    }
    virtio_signal(&h->v, CONTROL);
}

static void notify(struct virtio *v, unsigned q)
{
    struct scsi *h = self(v);
    if (q == REQUESTS)
        take_requests(h);
    else if (q == CONTROL && !clock_pending(&h->control))
        clock_schedule(h->clock, &h->control, clock_now(h->clock) + DELAY);
}

/* ---- life ------------------------------------------------------------------------------------- */

static void fill_config(struct scsi *h)
{
    u8 *c = h->v.config;
    put_le32(c + C_QUEUES, 1);
    put_le32(c + C_SEG_MAX, 254);
    put_le32(c + C_MAX_SECTORS, 0xffff);
    put_le32(c + C_PER_LUN, QUEUE_SIZE);
    put_le32(c + C_EVENT_SIZE, EVENT_SIZE);
    put_le32(c + C_SENSE_SIZE, 96);
    put_le32(c + C_CDB_SIZE, 32);
    put_le16(c + C_MAX_TARGET, VIRTIO_SCSI_TARGETS - 1);
    put_le32(c + C_MAX_LUN, 16383);
}

static bool config_wrote(struct virtio *v, u32 off, unsigned size)
{
    u32 val = get_le32(v->config + off);
    return size == 4 && !v->q[REQUESTS].ready &&
           (off == C_SENSE_SIZE ? val <= MAX_SENSE : off == C_CDB_SIZE && val >= 16 && val <= MAX_CDB);
}

static void drop_requests(struct scsi *h)
{
    for (u32 i = 0; i < h->count; i++) {
        free(nth(h, i)->chain);
        nth(h, i)->chain = NULL;
    }
    h->first = h->count = 0;
    clock_cancel(h->clock, &h->done);
}

static void reset(struct virtio *v)
{
    struct scsi *h = self(v);
    drop_requests(h);
    clock_cancel(h->clock, &h->control);
    fill_config(h);
    for (unsigned i = 0; i < h->units; i++)
        scsi_disk_reset(&h->unit[i].d, 0);
}

static void state(struct virtio *v, struct snap *s)
{
    struct scsi *h = self(v);
    u32 count = h->count;
    if (s->mode == SNAP_LOAD)
        drop_requests(h);
    snap_bytes(s, "in flight", &count, sizeof count);
    if (s->mode == SNAP_LOAD && (s->failed || count > QUEUE_SIZE))
        s->failed = true, count = 0;
    for (u32 i = 0; i < count && !s->failed; i++) {
        struct request *q = nth(h, i);
        virtio_chain_state(v, &q->chain, s);
        SNAP(s, q, when);
        SNAP(s, q, tag);
        SNAP(s, q, target);
        SNAP(s, q, lun);
        if (s->mode == SNAP_LOAD)
            h->count = i + 1;
    }
    if (s->mode == SNAP_LOAD && (sense_size(h) > MAX_SENSE || cdb_size(h) < 16 || cdb_size(h) > MAX_CDB)) {
        s->failed = true;
        fill_config(h);
    }
    for (unsigned i = 0; i < h->units; i++)
        scsi_disk_state(&h->unit[i].d, s);
    clock_event_state(h->clock, &h->done, s);
    clock_event_state(h->clock, &h->control, s);
}

static void destroy(struct virtio *v)
{
    drop_requests(self(v));
    clock_cancel(self(v)->clock, &self(v)->control);
    free(self(v));
}

static const struct virtio_class class = {
    .name = "virtio-scsi",
    .device_id = VIRTIO_SCSI,
    .queues = QUEUES,
    .config_size = C_SIZE,
    .notify = notify,
    .config_wrote = config_wrote,
    .reset = reset,
    .state = state,
    .destroy = destroy,
};

struct virtio *virtio_scsi_new(const struct virtio_scsi_config *cfg)
{
    struct scsi *h = calloc(1, sizeof *h);
    CHECK(h && cfg->count <= VIRTIO_SCSI_LUNS);
    h->clock = cfg->clock;
    for (unsigned i = 0; i < cfg->count; i++) {
        const struct virtio_scsi_lun *l = &cfg->luns[i];
        CHECK(l->lun < 64 && !find(h, l->target, l->lun));
        h->unit[i].target = l->target;
        scsi_disk_init(&h->unit[i].d, l->disk, l->serial, l->lun);
        h->units++;
    }
    virtio_init(&h->v, &class, cfg->id, cfg->log, cfg->features, QUEUE_SIZE);
    snprintf(h->event_name, sizeof h->event_name, "%s-done", cfg->id);
    snprintf(h->control_name, sizeof h->control_name, "%s-control", cfg->id);
    h->done = (struct event){.fire = done, .arg = h, .name = h->event_name};
    h->control = (struct event){.fire = run_control, .arg = h, .name = h->control_name};
    fill_config(h);
    return &h->v;
}
