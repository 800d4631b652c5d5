/* Virtio device core (OASIS virtio 1.2, chapter 2: basic facilities of a device, split virtqueues).
 *
 * Every number in a ring comes from the guest: an index beyond the queue, a chain that loops or mixes
 * directions, an indirect table inside another, an address outside memory stop the device with
 * DEVICE_NEEDS_RESET and a line in the guest-error log; nothing is allocated by a guest's number beyond
 * VIRTIO_MAX_SIZE segments a request.
 *
 * Not modelled: packed virtqueues, VIRTIO_F_IN_ORDER, VIRTIO_F_NOTIFICATION_DATA, big-endian legacy rings. */
#include "devices/virtio.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/le.h"

/*  struct virtq_desc:  addr 64 | len 32 | flags 16 | next 16  */
enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4, DESC_BYTES = 16 };
enum { AVAIL_NO_INTERRUPT = 1 };

void virtio_init(struct virtio *v, const struct virtio_class *class, const char *id, struct log *log, u64 features,
                 u16 max)
{
    CHECK(class->queues <= VIRTIO_MAX_QUEUES && class->config_size <= VIRTIO_MAX_CONFIG);
    CHECK(is_pow2(max) && max <= VIRTIO_MAX_SIZE);
    v->class = class;
    v->id = id;
    v->log = log;
    v->features = features | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_ANY_LAYOUT | VIRTIO_F_VERSION_1;
    for (unsigned i = 0; i < class->queues; i++)
        v->q[i].size = v->q[i].max = max;
}

void virtio_attach(struct virtio *v, const struct dma *dma, void (*interrupt)(void *arg, unsigned queue), void *arg)
{
    v->dma = *dma;
    v->interrupt = interrupt;
    v->arg = arg;
}

void virtio_broken(struct virtio *v, const char *fmt, ...)
{
    char line[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (v->status & VIRTIO_NEEDS_RESET)
        return;
    log_guest(v->log, "%s: %s; the device stops until it is reset", v->id, line);
    v->status |= VIRTIO_NEEDS_RESET;
    if (virtio_has(v, VIRTIO_F_VERSION_1))
        virtio_config_changed(v);
}

bool virtio_running(const struct virtio *v)
{
    return v->status & VIRTIO_DRIVER_OK && !(v->status & VIRTIO_NEEDS_RESET);
}

void virtio_config_changed(struct virtio *v)
{
    v->generation++;
    if (v->interrupt)
        v->interrupt(v->arg, VIRTIO_CONFIG_CHANGED);
}

/* ---- memory --------------------------------------------------------------------------------- */

static bool access_ok(u64 addr, u64 n) { return addr < 1ull << 56 && n <= (1ull << 56) - addr; }

static bool mem_read(struct virtio *v, u64 addr, void *buf, size_t n)
{
    bool ok = access_ok(addr, n) && dma_read(&v->dma, addr, buf, n) == BUS_OK;
    if (!ok)
        virtio_broken(v, "no memory to read %zu bytes at 0x%llx", n, (unsigned long long)addr);
    return ok;
}

static bool mem_write(struct virtio *v, u64 addr, const void *buf, size_t n)
{
    bool ok = access_ok(addr, n) && dma_write(&v->dma, addr, buf, n) == BUS_OK;
    if (!ok)
        virtio_broken(v, "no memory to write %zu bytes at 0x%llx", n, (unsigned long long)addr);
    return ok;
}

static bool read16(struct virtio *v, u64 addr, u16 *val)
{
    u8 b[2];
    bool ok = mem_read(v, addr, b, 2);
    *val = ok ? get_le16(b) : 0;
    return ok;
}

static bool write16(struct virtio *v, u64 addr, u16 val)
{
    u8 b[2];
    put_le16(b, val);
    return mem_write(v, addr, b, 2);
}

/* ---- taking requests ------------------------------------------------------------------------ */

struct desc {
    u64 addr;
    u32 len;
    u16 flags, next;
};

static bool read_desc(struct virtio *v, u64 table, u32 i, struct desc *d)
{
    u8 b[DESC_BYTES];
    if (!mem_read(v, table + (u64)i * DESC_BYTES, b, sizeof b))
        return false;
    *d = (struct desc){get_le64(b), get_le32(b + 8), get_le16(b + 12), get_le16(b + 14)};
    return true;
}

/* Adds a buffer to the chain. */
static bool add_seg(struct virtio *v, struct virtio_chain *c, const struct desc *d)
{
    unsigned n = c->n_out + c->n_in;
    bool write = d->flags & DESC_WRITE;
    if (!write && c->n_in) {
        virtio_broken(v, "a readable buffer follows a writable one");
        return false;
    }
    if (n == VIRTIO_MAX_SIZE) {
        virtio_broken(v, "a chain of more than %d buffers", VIRTIO_MAX_SIZE);
        return false;
    }
    c->seg[n] = (struct virtio_seg){d->addr, d->len};
    if (write) {
        c->n_in++;
        c->in_len += d->len;
    } else {
        c->n_out++;
        c->out_len += d->len;
    }
    return true;
}

static bool walk_chain(struct virtio *v, const struct virtq *q, struct virtio_chain *c)
{
    u64 table = q->desc;
    u32 size = q->size, i = c->head, left = size;
    bool indirect = false;
    for (;;) {
        struct desc d;
        if (i >= size) {
            virtio_broken(v, "descriptor %u of a table of %u", i, size);
            return false;
        }
        if (!left--) {
            virtio_broken(v, "a chain of descriptors that loops");
            return false;
        }
        if (!read_desc(v, table, i, &d))
            return false;
        if (d.flags & DESC_INDIRECT) {
            if (indirect || d.flags & DESC_NEXT || !d.len || d.len % DESC_BYTES ||
                !virtio_has(v, VIRTIO_F_INDIRECT_DESC)) {
                virtio_broken(v, "a bad indirect descriptor (flags 0x%x, length %u)", d.flags, d.len);
                return false;
            }
            indirect = true;
            table = d.addr;
            size = left = d.len / DESC_BYTES;
            i = 0;
            continue;
        }
        if (!add_seg(v, c, &d))
            return false;
        if (!(d.flags & DESC_NEXT))
            return true;
        i = d.next;
    }
}

/* The number of requests that wait; asks to be notified about the next one when there is none. */
static u16 waiting(struct virtio *v, struct virtq *q)
{
    u16 idx;
    if (!read16(v, q->driver + 2, &idx))
        return 0;
    if (idx == q->last_avail && virtio_has(v, VIRTIO_F_EVENT_IDX)) {
        /* avail_event; the driver may have added one meanwhile without a notification. */
        if (!write16(v, q->device + 4 + 8ull * q->size, q->last_avail) || !read16(v, q->driver + 2, &idx))
            return 0;
    }
    u16 n = (u16)(idx - q->last_avail);
    if (n > q->size) {
        virtio_broken(v, "available index moved by %u in a queue of %u", n, q->size);
        return 0;
    }
    return n;
}

struct virtio_chain *virtio_pop(struct virtio *v, unsigned n)
{
    struct virtq *q = &v->q[n];
    if (!q->ready || v->status & VIRTIO_NEEDS_RESET || !waiting(v, q))
        return NULL;
    u16 head;
    if (!read16(v, q->driver + 4 + 2ull * (q->last_avail % q->size), &head))
        return NULL;
    struct virtio_chain *c = malloc(sizeof *c + VIRTIO_MAX_SIZE * sizeof *c->seg);
    CHECK(c);
    *c = (struct virtio_chain){.head = head};
    if (!walk_chain(v, q, c)) {
        free(c);
        return NULL;
    }
    q->last_avail++;
    size_t segs = (size_t)c->n_out + c->n_in;
    struct virtio_chain *tight = realloc(c, sizeof *c + segs * sizeof *c->seg);
    return tight ? tight : c;
}

void virtio_unpop(struct virtio *v, unsigned q, unsigned n) { v->q[q].last_avail = (u16)(v->q[q].last_avail - n); }

/* ---- completing requests -------------------------------------------------------------------- */

void virtio_fill(struct virtio *v, unsigned n, const struct virtio_chain *c, u64 written, unsigned i)
{
    struct virtq *q = &v->q[n];
    u8 elem[8];
    if (!q->ready || v->status & VIRTIO_NEEDS_RESET)
        return;
    put_le32(elem, c->head);
    put_le32(elem + 4, written > 0xffffffff ? 0xffffffff : (u32)written);
    mem_write(v, q->device + 4 + 8ull * ((q->used + i) % q->size), elem, sizeof elem);
}

void virtio_show(struct virtio *v, unsigned n, unsigned count)
{
    struct virtq *q = &v->q[n];
    if (!q->ready || v->status & VIRTIO_NEEDS_RESET)
        return;
    if (write16(v, q->device + 2, (u16)(q->used + count)))
        q->used = (u16)(q->used + count);
}

void virtio_push(struct virtio *v, unsigned n, const struct virtio_chain *c, u64 written)
{
    virtio_fill(v, n, c, written, 0);
    virtio_show(v, n, 1);
}

void virtio_signal(struct virtio *v, unsigned n)
{
    struct virtq *q = &v->q[n];
    if (!q->ready || v->status & VIRTIO_NEEDS_RESET || q->used == q->signalled)
        return;
    u16 old = q->signalled, val;
    bool wanted;
    if (virtio_has(v, VIRTIO_F_EVENT_IDX)) {
        if (!read16(v, q->driver + 4 + 2ull * q->size, &val)) /* used_event */
            return;
        wanted = (u16)(q->used - val - 1) < (u16)(q->used - old);
    } else {
        if (!read16(v, q->driver, &val))
            return;
        wanted = !(val & AVAIL_NO_INTERRUPT);
    }
    q->signalled = q->used;
    if (wanted && v->interrupt)
        v->interrupt(v->arg, n);
}

/* Copies between buf and bytes [off, off + n) of a list of segments. */
static size_t copy(struct virtio *v, const struct virtio_seg *seg, unsigned segs, u64 off, u8 *buf, size_t n,
                   bool write)
{
    size_t done = 0;
    for (unsigned i = 0; i < segs && done < n; i++) {
        if (off >= seg[i].len) {
            off -= seg[i].len;
            continue;
        }
        u64 k = seg[i].len - off;
        if (k > n - done)
            k = n - done;
        u64 addr = seg[i].addr + off;
        if (!(write ? mem_write(v, addr, buf + done, k) : mem_read(v, addr, buf + done, k)))
            return 0;
        done += k;
        off = 0;
    }
    return done;
}

size_t virtio_read_chain(struct virtio *v, const struct virtio_chain *c, u64 off, void *buf, size_t n)
{
    return copy(v, c->seg, c->n_out, off, buf, n, false);
}

size_t virtio_write_chain(struct virtio *v, const struct virtio_chain *c, u64 off, const void *buf, size_t n)
{
    u8 *bytes = (u8 *)(uintptr_t)buf; /* only read: copy() writes guest memory here */
    return copy(v, c->seg + c->n_out, c->n_in, off, bytes, n, true);
}

/* ---- transports ----------------------------------------------------------------------------- */

void virtio_reset(struct virtio *v)
{
    if (v->class->reset)
        v->class->reset(v);
    v->driver_features = 0;
    v->status = 0;
    v->generation = 0;
    for (unsigned i = 0; i < v->class->queues; i++)
        v->q[i] = (struct virtq){.size = v->q[i].max, .max = v->q[i].max};
}

void virtio_set_features(struct virtio *v, unsigned word, u32 val, u64 offered)
{
    if (v->status & VIRTIO_FEATURES_OK) {
        log_guest(v->log, "%s: features written after FEATURES_OK", v->id);
        return;
    }
    if (word > 1) {
        if (val)
            log_guest(v->log, "%s: unknown features 0x%x accepted in word %u", v->id, val, word);
        return;
    }
    u64 f = word ? deposit(v->driver_features, 63, 32, val) : deposit(v->driver_features, 31, 0, val);
    if (f & ~offered)
        log_guest(v->log, "%s: accepts features 0x%llx that were not offered", v->id,
                  (unsigned long long)(f & ~offered));
    v->driver_features = f & offered;
}

void virtio_set_status(struct virtio *v, u8 status, bool legacy)
{
    if (!status) {
        virtio_reset(v);
        return;
    }
    u8 old = v->status, set = (u8)(status & ~old);
    if (old & ~status & ~(u8)VIRTIO_NEEDS_RESET)
        log_guest(v->log, "%s: status bits 0x%x cleared without reset", v->id, old & ~status);
    if (set & VIRTIO_FEATURES_OK && !legacy &&
        (!virtio_has(v, VIRTIO_F_VERSION_1) ||
         (v->features & VIRTIO_F_ACCESS_PLATFORM && !virtio_has(v, VIRTIO_F_ACCESS_PLATFORM)))) {
        log_guest(v->log, "%s: features 0x%llx refused", v->id, (unsigned long long)v->driver_features);
        status &= (u8)~VIRTIO_FEATURES_OK;
        set &= (u8)~VIRTIO_FEATURES_OK;
    }
    v->status = (u8)(status | (old & VIRTIO_NEEDS_RESET));
    if (v->class->negotiated && set & (legacy ? VIRTIO_DRIVER_OK : VIRTIO_FEATURES_OK))
        v->class->negotiated(v);
    if (set & VIRTIO_DRIVER_OK) /* what was made available before counts now */
        for (unsigned i = 0; i < v->class->queues; i++)
            if (v->q[i].ready)
                virtio_notify(v, i, legacy);
}

void virtio_notify(struct virtio *v, unsigned q, bool legacy)
{
    if (q >= v->class->queues || !v->q[q].ready) {
        log_guest(v->log, "%s: notification of queue %u, which is not ready", v->id, q);
        return;
    }
    /* Some pre-1.0 drivers use their queues before they set DRIVER_OK. */
    if (virtio_running(v) || (legacy && !(v->status & VIRTIO_NEEDS_RESET)))
        v->class->notify(v, q);
}

void virtio_enable_queue(struct virtio *v, unsigned n)
{
    struct virtq *q = &v->q[n];
    if (!is_pow2(q->size) || q->size > q->max) {
        virtio_broken(v, "queue %u with %u entries", n, q->size);
        return;
    }
    q->ready = true;
}

void virtio_legacy_queue(struct virtio *v, unsigned n, u64 addr, u32 align)
{
    struct virtq *q = &v->q[n];
    q->last_avail = q->used = q->signalled = 0;
    q->ready = false;
    q->desc = addr;
    q->driver = addr + (u64)DESC_BYTES * q->size;
    q->device = align_up(q->driver + 6 + 2ull * q->size, is_pow2(align) ? align : PAGE_SIZE);
    if (addr)
        virtio_enable_queue(v, n);
}

u64 virtio_config_read(const struct virtio *v, u64 off, unsigned size)
{
    return get_bytes(v->config, v->class->config_size, off, size);
}

void virtio_config_write(struct virtio *v, u64 off, unsigned size, u64 val)
{
    if (v->class->config_wrote && off + size <= v->class->config_size) {
        u8 old[VIRTIO_MAX_CONFIG];
        memcpy(old, v->config, sizeof old);
        for (unsigned i = 0; i < size; i++)
            v->config[off + i] = (u8)(val >> (8 * i));
        if (v->class->config_wrote(v, (u32)off, size))
            return;
        memcpy(v->config, old, sizeof old);
    }
    log_guest(v->log, "%s: write of 0x%llx to read-only configuration at 0x%llx", v->id, (unsigned long long)val,
              (unsigned long long)off);
}

/* ---- state ---------------------------------------------------------------------------------- */

void virtio_chain_state(struct virtio *v, struct virtio_chain **pc, struct snap *s)
{
    struct virtio_chain h = {0};
    if (s->mode != SNAP_LOAD && *pc)
        h = **pc;
    bool present = s->mode != SNAP_LOAD && *pc;
    (void)v;
    SNAP(s, &h, head);
    SNAP(s, &h, n_out);
    SNAP(s, &h, n_in);
    SNAP(s, &h, out_len);
    SNAP(s, &h, in_len);
    snap_bool(s, "present", &present);
    size_t segs = (size_t)h.n_out + h.n_in;
    if (s->mode == SNAP_LOAD) {
        free(*pc);
        *pc = NULL;
        if (s->failed || !present)
            return;
        if (segs > VIRTIO_MAX_SIZE) {
            s->failed = true;
            return;
        }
        *pc = malloc(sizeof h + segs * sizeof *h.seg);
        CHECK(*pc);
        **pc = h;
    }
    if (present && segs)
        snap_bytes(s, "segments", (*pc)->seg, segs * sizeof *h.seg);
}

void virtio_state(struct virtio *v, struct snap *s)
{
    SNAP(s, v, config);
    SNAP(s, v, driver_features);
    SNAP(s, v, status);
    SNAP(s, v, generation);
    for (unsigned i = 0; i < v->class->queues; i++) {
        struct virtq *q = &v->q[i];
        SNAP(s, q, desc);
        SNAP(s, q, driver);
        SNAP(s, q, device);
        SNAP(s, q, size);
        SNAP(s, q, last_avail);
        SNAP(s, q, used);
        SNAP(s, q, signalled);
        SNAP_BOOL(s, q, ready);
        if (s->mode == SNAP_LOAD && q->ready && (!is_pow2(q->size) || q->size > q->max)) {
            q->ready = false; /* a queue that is not enabled may have any size the guest wrote */
            s->failed = true;
        }
    }
    if (v->class->state)
        v->class->state(v, s);
}

void virtio_destroy(struct virtio *v)
{
    if (v)
        v->class->destroy(v);
}
