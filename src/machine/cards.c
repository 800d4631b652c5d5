/* Cards that stand on their own: SCSI hosts, balloon, input devices, GPU; and what the host does to them. */
#include "machine/cards.h"

#include "core/bus.h"
#include "core/check.h"
#include "devices/virtio_balloon.h"
#include "devices/virtio_gpu.h"
#include "devices/virtio_input.h"
#include "devices/virtio_scsi.h"

enum { GPU_WIDTH = 1280, GPU_HEIGHT = 800 };
#define GPU_MEMORY (256ull << 20)

struct virtio *cards_scsi(struct machine *m, unsigned host, const char *id, u64 features, struct err *e)
{
    const struct config *c = m->config;
    struct virtio_scsi_lun luns[VIRTIO_SCSI_LUNS];
    struct virtio_scsi_config sc = {.id = id, .log = &m->log, .clock = &m->clock, .luns = luns, .features = features};
    for (unsigned i = 0; i < c->nluns; i++) {
        const struct config_lun *l = &c->luns[i];
        if (l->host != host)
            continue;
        if (!machine_open_disk(m, l->disk, e))
            return NULL;
        CHECK(sc.count < VIRTIO_SCSI_LUNS);
        luns[sc.count++] = (struct virtio_scsi_lun){l->target, l->lun, m->disks[l->disk], l->serial};
    }
    return virtio_scsi_new(&sc);
}

/* ---- balloon -------------------------------------------------------------------------------- */

static void give_back(void *arg, u64 addr, u64 n)
{
    struct machine *m = arg;
    bus_discard(m->bus, PAS_NS, addr, n);
}

void cards_balloon_keep(struct machine *m, u64 keep)
{
    u64 all = m->config->mem;
    virtio_balloon_set(m->balloon, keep && keep < all ? (u32)((all - keep) / 4096) : 0);
}

struct virtio *cards_balloon(struct machine *m, const char *id, u64 features)
{
    struct virtio_balloon_config bc = {
        .id = id, .log = &m->log, .clock = &m->clock, .discard = give_back, .arg = m, .features = features};
    struct virtio *v = virtio_balloon_new(&bc);
    m->balloon = m->balloon ? m->balloon : v;
    cards_balloon_keep(m, m->config->balloon_keep);
    return v;
}

/* ---- display and input ---------------------------------------------------------------------- */

struct virtio *cards_gpu(struct machine *m, const char *id, u64 features)
{
    const struct config *c = m->config;
    struct virtio_gpu_config gc = {.id = id,
                                   .log = &m->log,
                                   .clock = &m->clock,
                                   .width = c->gpu_width ? c->gpu_width : GPU_WIDTH,
                                   .height = c->gpu_height ? c->gpu_height : GPU_HEIGHT,
                                   .memory = GPU_MEMORY,
                                   .features = features};
    struct virtio *v = virtio_gpu_new(&gc);
    m->gpu = m->gpu ? m->gpu : v; /* the first one's screen is shown */
    return v;
}

/* Keys go to the first keyboard, the pointer's events to the first mouse or tablet. */
struct virtio *cards_input(struct machine *m, enum card_type type, const char *id, u64 features)
{
    u8 kind = type == CARD_KEYBOARD ? VIRTIO_KEYBOARD : type == CARD_MOUSE ? VIRTIO_MOUSE : VIRTIO_TABLET;
    struct virtio_input_config ic = {.id = id, .log = &m->log, .clock = &m->clock, .kind = kind, .features = features};
    struct virtio *v = virtio_input_new(&ic), **first = type == CARD_KEYBOARD ? &m->keyboard : &m->pointer;
    if (!*first) {
        *first = v;
        m->tablet = type == CARD_TABLET || (m->tablet && type == CARD_KEYBOARD);
    }
    return v;
}

void cards_key(struct machine *m, u16 code, bool down)
{
    struct virtio *v = code >= BTN_LEFT && code <= BTN_EXTRA ? m->pointer : m->keyboard;
    if (!v)
        return;
    virtio_input_event(v, EV_KEY, code, down);
    virtio_input_sync(v);
}

static u32 scale(int at, unsigned size)
{
    u32 last = size > 1 ? size - 1 : 1, a = at < 0 ? 0 : (u32)at < last ? (u32)at : last;
    return (u32)((u64)a * VIRTIO_INPUT_ABS_MAX / last);
}

void cards_point(struct machine *m, int x, int y, unsigned width, unsigned height)
{
    if (!m->pointer)
        return;
    u16 type = m->tablet ? EV_ABS : EV_REL;
    virtio_input_event(m->pointer, type, REL_X, m->tablet ? scale(x, width) : (u32)x);
    virtio_input_event(m->pointer, type, REL_Y, m->tablet ? scale(y, height) : (u32)y);
    virtio_input_sync(m->pointer);
}

void cards_wheel(struct machine *m, int steps)
{
    if (!m->pointer || !steps)
        return;
    virtio_input_event(m->pointer, EV_REL, REL_WHEEL, (u32)steps);
    virtio_input_sync(m->pointer);
}
