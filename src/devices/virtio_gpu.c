/* Virtio GPU, 2D commands (virtio 1.2, section 5.7): resources with backing pages, transfer, flush, one scanout, a
 * cursor, EDID.
 *
 * A resource has its pixels in host memory; a transfer copies from the guest's. All formats have 4 bytes a pixel and
 * are kept as the guest wrote them. What is shown is the resource of the scanout as it is. Commands of both queues are
 * executed DELAY ns after their notification, in order, so a fence is complete when its command is.
 *
 * Everything is bounded: pictures by cfg.memory in sum, resources and backing entries by their number.
 * Not modelled: 3D, blobs, resource UUIDs, contexts, several scanouts, change of the screen's size. */
#include "devices/virtio_gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/edid.h"
#include "devices/le.h"

#define F_EDID (1ull << 1)

enum { CONTROL, CURSOR, QUEUES };
enum { QUEUE_SIZE = 64, DELAY = 10000 };
enum { C_EVENTS = 0, C_CLEAR = 4, C_SCANOUTS = 8, C_CAPSETS = 12, C_SIZE = 16 };
enum { HEADER = 24, MAX_COMMAND = 72, MAX_REPLY = 1056, MAX_SCANOUTS = 16 };
enum { MAX_RESOURCES = 1024, MAX_ENTRIES = 16384, MAX_SIDE = 16384, CURSOR_SIDE = 64, PIXEL = 4 };

enum command {
    GET_DISPLAY_INFO = 0x0100,
    RESOURCE_CREATE_2D,
    RESOURCE_UNREF,
    SET_SCANOUT,
    RESOURCE_FLUSH,
    TRANSFER_TO_HOST_2D,
    RESOURCE_ATTACH_BACKING,
    RESOURCE_DETACH_BACKING,
    GET_EDID = 0x010a,
    UPDATE_CURSOR = 0x0300,
    MOVE_CURSOR,
};
enum reply {
    OK_NODATA = 0x1100,
    OK_DISPLAY_INFO = 0x1101,
    OK_EDID = 0x1104,
    ERR_UNSPEC = 0x1200,
    ERR_OUT_OF_MEMORY,
    ERR_INVALID_SCANOUT_ID,
    ERR_INVALID_RESOURCE_ID,
    ERR_INVALID_CONTEXT_ID,
    ERR_INVALID_PARAMETER,
};
enum { FLAG_FENCE = 1 };

struct rect {
    u32 x, y, width, height;
};

struct backing {
    u64 addr, len;
};

struct resource {
    u32 id, format, width, height; /* id 0: this place is free */
    u32 entries;
    struct backing *backing;
    u8 *pixels;
};

struct gpu {
    struct virtio v;
    struct clock *clock;
    struct virtio_gpu_config cfg;
    char event_name[32];
    struct event work;
    u32 pending; /* queues that were notified */
    u64 used;    /* bytes of all pixels */
    struct resource res[MAX_RESOURCES];
    u32 shown; /* resource on the screen, 0: none */
    struct rect view;
    u32 cursor_x, cursor_y, hot_x, hot_y;
    bool cursor_on;
    u8 cursor[CURSOR_SIDE * CURSOR_SIDE * PIXEL];
    u32 cursor_format;
    u64 generation; /* the host's, not the guest's */
};

static struct gpu *self(struct virtio *v) { return container_of(v, struct gpu, v); }

/* Where red, green, blue and alpha (8: there is none) lie in a pixel; 0: no such format. */
static const u8 *places(u32 format)
{
    static const struct {
        u8 format, place[4];
    } formats[] = {{1, {2, 1, 0, 3}},  {2, {2, 1, 0, 8}},  {3, {1, 2, 3, 0}},   {4, {1, 2, 3, 8}},
                   {67, {0, 1, 2, 3}}, {68, {3, 2, 1, 8}}, {121, {3, 2, 1, 0}}, {134, {0, 1, 2, 8}}};
    for (unsigned i = 0; i < ARRAY_LEN(formats); i++)
        if (formats[i].format == format)
            return formats[i].place;
    return NULL;
}

/* ---- resources -------------------------------------------------------------------------------- */

static struct resource *find(struct gpu *g, u32 id)
{
    for (unsigned i = 0; i < MAX_RESOURCES && id; i++)
        if (g->res[i].id == id)
            return &g->res[i];
    return NULL;
}

static u64 bytes_of(const struct resource *r) { return (u64)r->width * r->height * PIXEL; }

static void drop_resource(struct gpu *g, struct resource *r)
{
    if (r->id == g->shown)
        g->shown = 0;
    g->used -= r->id ? bytes_of(r) : 0;
    free(r->backing);
    free(r->pixels);
    *r = (struct resource){0};
}

static bool make_resource(struct gpu *g, struct resource *r, u32 id, u32 format, u32 width, u32 height)
{
    struct resource n = {.id = id, .format = format, .width = width, .height = height};
    if (bytes_of(&n) > g->cfg.memory - g->used || !(n.pixels = calloc(height, (size_t)width * PIXEL)))
        return false;
    g->used += bytes_of(&n);
    *r = n;
    return true;
}

static bool rect_inside(const struct rect *q, u32 width, u32 height)
{
    return q->width && q->height && q->x <= width && q->y <= height && q->width <= width - q->x &&
           q->height <= height - q->y;
}

static struct rect get_rect(const u8 *p)
{
    return (struct rect){get_le32(p), get_le32(p + 4), get_le32(p + 8), get_le32(p + 12)};
}

static enum reply create(struct gpu *g, const u8 *m)
{
    u32 id = get_le32(m + HEADER), format = get_le32(m + HEADER + 4), width = get_le32(m + HEADER + 8);
    u32 height = get_le32(m + HEADER + 12);
    if (!id || find(g, id))
        return ERR_INVALID_RESOURCE_ID;
    if (!places(format) || !width || !height || width > MAX_SIDE || height > MAX_SIDE)
        return ERR_INVALID_PARAMETER;
    for (unsigned i = 0; i < MAX_RESOURCES; i++)
        if (!g->res[i].id)
            return make_resource(g, &g->res[i], id, format, width, height) ? OK_NODATA : ERR_OUT_OF_MEMORY;
    return ERR_OUT_OF_MEMORY;
}

static enum reply attach(struct gpu *g, const u8 *m, const struct virtio_chain *c)
{
    struct resource *r = find(g, get_le32(m + HEADER));
    u32 n = get_le32(m + HEADER + 4);
    if (!r)
        return ERR_INVALID_RESOURCE_ID;
    if (r->backing || !n)
        return ERR_UNSPEC;
    if (n > MAX_ENTRIES || c->out_len < HEADER + 8 + 16ull * n)
        return ERR_INVALID_PARAMETER;
    r->backing = calloc(n, sizeof *r->backing);
    CHECK(r->backing);
    r->entries = n;
    for (u32 i = 0; i < n; i++) {
        u8 e[16];
        if (virtio_read_chain(&g->v, c, HEADER + 8 + 16ull * i, e, sizeof e) != sizeof e)
            break;
        r->backing[i] = (struct backing){get_le64(e), get_le32(e + 8)};
    }
    return OK_NODATA;
}

static enum reply detach(struct gpu *g, const u8 *m)
{
    struct resource *r = find(g, get_le32(m + HEADER));
    if (!r)
        return ERR_INVALID_RESOURCE_ID;
    if (!r->backing)
        return ERR_UNSPEC;
    free(r->backing);
    r->backing = NULL;
    r->entries = 0;
    return OK_NODATA;
}

/* Copies n bytes at off of the backing pages. */
static bool read_backing(struct gpu *g, const struct resource *r, u64 off, u8 *buf, u64 n)
{
    for (u32 i = 0; i < r->entries && n; i++) {
        const struct backing *b = &r->backing[i];
        if (off >= b->len) {
            off -= b->len;
            continue;
        }
        u64 k = b->len - off < n ? b->len - off : n;
        if (b->addr >= 1ull << 56 || dma_read(&g->v.dma, b->addr + off, buf, k) != BUS_OK)
            return false;
        buf += k;
        n -= k;
        off = 0;
    }
    return true; /* what has no backing stays */
}

static enum reply transfer(struct gpu *g, const u8 *m)
{
    struct rect q = get_rect(m + HEADER);
    u64 off = get_le64(m + HEADER + 16);
    struct resource *r = find(g, get_le32(m + HEADER + 24));
    if (!r)
        return ERR_INVALID_RESOURCE_ID;
    if (!r->backing)
        return ERR_UNSPEC;
    if (!rect_inside(&q, r->width, r->height) || off >= 1ull << 40)
        return ERR_INVALID_PARAMETER;
    u64 stride = (u64)r->width * PIXEL;
    bool whole = q.width == r->width, ok = true;
    for (u32 y = 0; ok && y < (whole ? 1 : q.height); y++) {
        u64 n = (whole ? (u64)q.height * q.width : q.width) * PIXEL;
        ok = read_backing(g, r, off + y * stride, r->pixels + (q.y + y) * stride + (u64)q.x * PIXEL, n);
    }
    if (!ok)
        log_guest(g->v.log, "%s: the backing of resource %u is not readable", g->v.id, r->id);
    return ok ? OK_NODATA : ERR_UNSPEC;
}

/* ---- the screen ------------------------------------------------------------------------------- */

static enum reply set_scanout(struct gpu *g, const u8 *m)
{
    struct rect q = get_rect(m + HEADER);
    u32 scanout = get_le32(m + HEADER + 16), id = get_le32(m + HEADER + 20);
    struct resource *r = find(g, id);
    if (scanout)
        return ERR_INVALID_SCANOUT_ID;
    if (id && !r)
        return ERR_INVALID_RESOURCE_ID;
    if (id && !rect_inside(&q, r->width, r->height))
        return ERR_INVALID_PARAMETER;
    g->shown = id;
    g->view = id ? q : (struct rect){0};
    g->generation++;
    return OK_NODATA;
}

static enum reply flush(struct gpu *g, const u8 *m)
{
    struct rect q = get_rect(m + HEADER);
    const struct resource *r = find(g, get_le32(m + HEADER + 16));
    if (!r)
        return ERR_INVALID_RESOURCE_ID;
    if (!rect_inside(&q, r->width, r->height))
        return ERR_INVALID_PARAMETER;
    g->generation++;
    return OK_NODATA;
}

static void copy_cursor(struct gpu *g, const struct resource *r)
{
    u32 w = r->width < CURSOR_SIDE ? r->width : CURSOR_SIDE, h = r->height < CURSOR_SIDE ? r->height : CURSOR_SIDE;
    memset(g->cursor, 0, sizeof g->cursor);
    for (u32 y = 0; y < h; y++)
        memcpy(g->cursor + (size_t)y * CURSOR_SIDE * PIXEL, r->pixels + (size_t)y * r->width * PIXEL,
               (size_t)w * PIXEL);
    g->cursor_format = r->format;
}

static enum reply cursor(struct gpu *g, const u8 *m, bool update)
{
    const u8 *p = m + HEADER;
    const struct resource *r = find(g, get_le32(p + 16));
    if (get_le32(p))
        return ERR_INVALID_SCANOUT_ID;
    if (update && get_le32(p + 16) && !r)
        return ERR_INVALID_RESOURCE_ID;
    g->cursor_x = get_le32(p + 4);
    g->cursor_y = get_le32(p + 8);
    if (update) {
        g->cursor_on = r;
        g->hot_x = get_le32(p + 20);
        g->hot_y = get_le32(p + 24);
        if (r)
            copy_cursor(g, r);
    }
    g->generation++;
    return OK_NODATA;
}

static unsigned display_info(const struct gpu *g, u8 *reply)
{
    u8 *mode = reply + HEADER;
    put_le32(mode + 8, g->cfg.width);
    put_le32(mode + 12, g->cfg.height);
    put_le32(mode + 16, 1);
    return HEADER + MAX_SCANOUTS * 24;
}

/* ---- commands --------------------------------------------------------------------------------- */

/* The bytes that a command has at least, 0: no such command. */
static unsigned command_size(u32 type)
{
    switch (type) {
    case GET_DISPLAY_INFO: return HEADER;
    case RESOURCE_UNREF:
    case RESOURCE_ATTACH_BACKING:
    case RESOURCE_DETACH_BACKING:
    case GET_EDID: return HEADER + 8;
    case RESOURCE_CREATE_2D: return HEADER + 16;
    case SET_SCANOUT:
    case RESOURCE_FLUSH: return HEADER + 24;
    case TRANSFER_TO_HOST_2D:
    case UPDATE_CURSOR:
    case MOVE_CURSOR: return HEADER + 32;
    }
    return 0;
}

static enum reply unref(struct gpu *g, const u8 *m)
{
    struct resource *r = find(g, get_le32(m + HEADER));
    if (!r)
        return ERR_INVALID_RESOURCE_ID;
    if (g->shown == r->id)
        g->generation++;
    drop_resource(g, r);
    return OK_NODATA;
}

/* Executes m; reply holds what follows the header, *n its size with the header. */
static enum reply execute(struct gpu *g, const u8 *m, const struct virtio_chain *c, u8 *reply, unsigned *n)
{
    switch (get_le32(m)) {
    case GET_DISPLAY_INFO: *n = display_info(g, reply); return OK_DISPLAY_INFO;
    case RESOURCE_CREATE_2D: return create(g, m);
    case RESOURCE_UNREF: return unref(g, m);
    case SET_SCANOUT: return set_scanout(g, m);
    case RESOURCE_FLUSH: return flush(g, m);
    case TRANSFER_TO_HOST_2D: return transfer(g, m);
    case RESOURCE_ATTACH_BACKING: return attach(g, m, c);
    case RESOURCE_DETACH_BACKING: return detach(g, m);
    case GET_EDID:
        if (!virtio_has(&g->v, F_EDID))
            return ERR_UNSPEC;
        if (get_le32(m + HEADER))
            return ERR_INVALID_SCANOUT_ID;
        put_le32(reply + HEADER, EDID_SIZE);
        edid_make(reply + HEADER + 8, g->cfg.width, g->cfg.height);
        *n = HEADER + 8 + 1024;
        return OK_EDID;
    case UPDATE_CURSOR: return cursor(g, m, true);
    case MOVE_CURSOR: return cursor(g, m, false);
    }
    return ERR_UNSPEC;
}

static u64 run(struct gpu *g, const struct virtio_chain *c, unsigned q)
{
    u8 m[MAX_COMMAND] = {0}, reply[MAX_REPLY] = {0};
    unsigned n = HEADER;
    size_t got = virtio_read_chain(&g->v, c, 0, m, sizeof m);
    u32 type = get_le32(m), flags = get_le32(m + 4);
    unsigned size = command_size(type);
    enum reply r = ERR_UNSPEC;
    if (got < HEADER || got < size)
        log_guest(g->v.log, "%s: a command of %zu bytes", g->v.id, got);
    else if (size && (type >= UPDATE_CURSOR) == (q == CURSOR))
        r = execute(g, m, c, reply, &n);
    put_le32(reply, r);
    if (flags & FLAG_FENCE) {
        put_le32(reply + 4, FLAG_FENCE);
        memcpy(reply + 8, m + 8, 12); /* fence and context */
    }
    return virtio_write_chain(&g->v, c, 0, reply, n);
}

static void work(void *arg)
{
    struct gpu *g = arg;
    u32 pending = g->pending;
    g->pending = 0;
    for (unsigned q = 0; q < QUEUES; q++) {
        struct virtio_chain *c;
        while (pending >> q & 1 && (c = virtio_pop(&g->v, q))) {
            virtio_push(&g->v, q, c, run(g, c, q));
            free(c);
        }
        if (pending >> q & 1)
            virtio_signal(&g->v, q);
    }
}

static void notify(struct virtio *v, unsigned q)
{
    struct gpu *g = self(v);
    g->pending |= 1u << q;
    if (!clock_pending(&g->work))
        clock_schedule(g->clock, &g->work, clock_now(g->clock) + DELAY);
}

/* No event is ever pending. */
static bool config_wrote(struct virtio *v, u32 off, unsigned size)
{
    if (off != C_CLEAR || size != 4)
        return false;
    put_le32(v->config + C_CLEAR, 0);
    return true;
}

/* ---- the host's side -------------------------------------------------------------------------- */

bool virtio_gpu_size(const struct virtio *v, u32 *width, u32 *height)
{
    const struct gpu *g = container_of(v, struct gpu, v);
    *width = g->view.width;
    *height = g->view.height;
    return g->shown;
}

u64 virtio_gpu_generation(const struct virtio *v) { return container_of(v, struct gpu, v)->generation; }

/* The part of the pointer in row y of the screen. */
static void draw_cursor(const struct gpu *g, u32 y, u8 *rgb)
{
    u32 row = y - g->cursor_y; /* the position is that of the image's corner */
    const u8 *at = places(g->cursor_format);
    if (!g->cursor_on || row >= CURSOR_SIDE || !at)
        return;
    for (u32 i = 0; i < CURSOR_SIDE; i++) {
        u32 x = g->cursor_x + i;
        const u8 *p = g->cursor + ((size_t)row * CURSOR_SIDE + i) * PIXEL;
        u32 alpha = at[3] < PIXEL ? p[at[3]] : 255;
        for (unsigned k = 0; k < 3 && x < g->view.width; k++)
            rgb[3 * x + k] = (u8)((p[at[k]] * alpha + rgb[3 * x + k] * (255 - alpha)) / 255);
    }
}

void virtio_gpu_row(const struct virtio *v, u32 y, u8 *rgb)
{
    struct gpu *g = self((struct virtio *)(uintptr_t)v);
    const struct resource *r = find(g, g->shown);
    if (!r || y >= g->view.height)
        return;
    const u8 *at = places(r->format), *p = r->pixels + ((u64)(g->view.y + y) * r->width + g->view.x) * PIXEL;
    for (u32 x = 0; x < g->view.width; x++, p += PIXEL)
        for (unsigned k = 0; k < 3; k++)
            rgb[3 * x + k] = p[at[k]];
    draw_cursor(g, y, rgb);
}

/* ---- life ------------------------------------------------------------------------------------- */

static void drop(struct gpu *g)
{
    for (unsigned i = 0; i < MAX_RESOURCES; i++)
        if (g->res[i].id)
            drop_resource(g, &g->res[i]);
    clock_cancel(g->clock, &g->work);
}

static void reset(struct virtio *v)
{
    struct gpu *g = self(v);
    drop(g);
    g->pending = 0;
    g->view = (struct rect){0};
    g->cursor_x = g->cursor_y = g->hot_x = g->hot_y = g->cursor_format = 0;
    g->cursor_on = false;
    memset(g->cursor, 0, sizeof g->cursor);
    g->generation++;
}

static void resource_state(struct gpu *g, struct resource *r, struct snap *s)
{
    struct resource h = *r;
    SNAP(s, &h, id);
    SNAP(s, &h, format);
    SNAP(s, &h, width);
    SNAP(s, &h, height);
    SNAP(s, &h, entries);
    if (s->mode == SNAP_LOAD && !s->failed) {
        bool ok = h.id && !r->id && !find(g, h.id) && places(h.format) && h.width && h.height && h.width <= MAX_SIDE &&
                  h.height <= MAX_SIDE && h.entries <= MAX_ENTRIES &&
                  make_resource(g, r, h.id, h.format, h.width, h.height);
        s->failed = !ok;
    }
    if (s->failed)
        return;
    if (s->mode == SNAP_LOAD && h.entries) {
        r->backing = calloc(h.entries, sizeof *r->backing);
        CHECK(r->backing);
        r->entries = h.entries;
    }
    if (r->entries)
        snap_bytes(s, "backing", r->backing, r->entries * sizeof *r->backing);
    snap_bytes(s, "pixels", r->pixels, bytes_of(r));
}

static void state(struct virtio *v, struct snap *s)
{
    struct gpu *g = self(v);
    u32 place = 0;
    if (s->mode == SNAP_LOAD)
        drop(g);
    for (;; place++) { /* the places that are taken, MAX_RESOURCES at their end */
        while (s->mode != SNAP_LOAD && place < MAX_RESOURCES && !g->res[place].id)
            place++;
        snap_bytes(s, "resource", &place, sizeof place);
        if (s->failed || place >= MAX_RESOURCES)
            break;
        resource_state(g, &g->res[place], s);
    }
    SNAP(s, g, pending);
    SNAP(s, g, shown);
    SNAP(s, g, view);
    SNAP(s, g, cursor_x);
    SNAP(s, g, cursor_y);
    SNAP(s, g, hot_x);
    SNAP(s, g, hot_y);
    SNAP_BOOL(s, g, cursor_on);
    SNAP(s, g, cursor_format);
    SNAP(s, g, cursor);
    clock_event_state(g->clock, &g->work, s);
    const struct resource *r = find(g, g->shown);
    if (s->mode == SNAP_LOAD && g->shown && (!r || !rect_inside(&g->view, r->width, r->height))) {
        g->shown = 0;
        s->failed = true;
    }
    g->generation += s->mode == SNAP_LOAD;
}

static void destroy(struct virtio *v)
{
    drop(self(v));
    free(self(v));
}

static const struct virtio_class class = {
    .name = "virtio-gpu",
    .device_id = VIRTIO_GPU,
    .queues = QUEUES,
    .config_size = C_SIZE,
    .notify = notify,
    .config_wrote = config_wrote,
    .reset = reset,
    .state = state,
    .destroy = destroy,
};

struct virtio *virtio_gpu_new(const struct virtio_gpu_config *cfg)
{
    struct gpu *g = calloc(1, sizeof *g);
    CHECK(g);
    g->cfg = *cfg;
    g->clock = cfg->clock;
    virtio_init(&g->v, &class, cfg->id, cfg->log, F_EDID | cfg->features, QUEUE_SIZE);
    put_le32(g->v.config + C_SCANOUTS, 1);
    snprintf(g->event_name, sizeof g->event_name, "%s-work", cfg->id);
    g->work = (struct event){.fire = work, .arg = g, .name = g->event_name};
    return &g->v;
}
