/* Virtio input devices (virtio 1.2, section 5.8; codes of Linux's input-event-codes.h).
 *
 * The configuration is a window: the driver writes select and subsel, size and contents follow. Events of one group
 * (up to and with SYN) are shown together or not at all, so the driver never sees half of one. The status queue (LEDs)
 * is read and answered DELAY ns after its notification; the LEDs light nothing.
 *
 * Not modelled: multitouch, force feedback, serial numbers. */
#include "devices/virtio_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/le.h"

enum { EVENTS, STATUS, QUEUES };
enum { QUEUE_SIZE = 64, DELAY = 2000, EVENT = 8, GROUP = 16 };
enum { C_SELECT = 0, C_SUBSEL = 1, C_LENGTH = 2, C_DATA = 8, C_DATA_SIZE = 128, C_SIZE = 136 };
enum { ID_NAME = 1, ID_SERIAL, ID_DEVIDS, PROP_BITS = 0x10, EV_BITS, ABS_INFO };
enum { LED_NUML, LED_CAPSL, LED_SCROLLL, LEDS };
enum { BUS_VIRTUAL = 6, VENDOR = 0x0627 };

struct input {
    struct virtio v;
    struct clock *clock;
    u8 kind;
    char event_name[32];
    struct event status;
    u8 leds;
    u8 count; /* events of the group that is not complete yet */
    u8 group[GROUP][EVENT];
};

static struct input *self(struct virtio *v) { return container_of(v, struct input, v); }

/* ---- configuration -------------------------------------------------------------------------- */

static unsigned set_bits(u8 *p, unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++)
        p[i / 8] |= (u8)(1u << (i % 8));
    return to / 8 + 1;
}

static unsigned event_bits(const struct input *k, unsigned type, u8 *p)
{
    bool keyboard = k->kind == VIRTIO_KEYBOARD, mouse = k->kind == VIRTIO_MOUSE, tablet = k->kind == VIRTIO_TABLET;
    if (type == EV_KEY)
        return keyboard ? set_bits(p, 1, 248) : set_bits(p, BTN_LEFT, BTN_EXTRA);
    if (type == EV_REP && keyboard)
        return set_bits(p, 0, 1);
    if (type == EV_LED && keyboard)
        return set_bits(p, 0, LEDS - 1);
    if (type == EV_REL && !keyboard) {
        if (mouse)
            set_bits(p, REL_X, REL_Y);
        return set_bits(p, REL_WHEEL, REL_WHEEL);
    }
    return type == EV_ABS && tablet ? set_bits(p, ABS_X, ABS_Y) : 0;
}

/* What select and subsel ask for; 0: there is no such thing. */
static unsigned contents(const struct input *k, unsigned select, unsigned sub, u8 *p)
{
    static const char *const names[] = {"Elara Virtio Keyboard", "Elara Virtio Mouse", "Elara Virtio Tablet"};
    if (select == EV_BITS)
        return event_bits(k, sub, p);
    if (select == ABS_INFO && k->kind == VIRTIO_TABLET && sub <= ABS_Y) {
        put_le32(p + 4, VIRTIO_INPUT_ABS_MAX); /* from 0; no fuzz, flat or resolution */
        return 20;
    }
    if (sub)
        return 0;
    switch (select) {
    case ID_NAME: memcpy(p, names[k->kind], strlen(names[k->kind])); return (unsigned)strlen(names[k->kind]);
    case ID_DEVIDS:
        put_le16(p, BUS_VIRTUAL);
        put_le16(p + 2, VENDOR);
        put_le16(p + 4, (u16)(1 + k->kind));
        put_le16(p + 6, 1);
        return 8;
    }
    return 0;
}

static void fill_config(struct input *k)
{
    u8 *c = k->v.config;
    memset(c + C_LENGTH, 0, C_SIZE - C_LENGTH);
    c[C_LENGTH] = (u8)contents(k, c[C_SELECT], c[C_SUBSEL], c + C_DATA);
}

static bool config_wrote(struct virtio *v, u32 off, unsigned size)
{
    if (off + size > C_LENGTH)
        return false;
    fill_config(self(v));
    return true;
}

/* ---- events --------------------------------------------------------------------------------- */

void virtio_input_event(struct virtio *v, u16 type, u16 code, u32 value)
{
    struct input *k = self(v);
    if (!virtio_running(v) || k->count == GROUP)
        return;
    u8 *e = k->group[k->count++];
    put_le16(e, type);
    put_le16(e + 2, code);
    put_le32(e + 4, value);
}

static bool write_group(struct input *k)
{
    struct virtio_chain *c[GROUP];
    unsigned n = 0;
    while (n < k->count && (c[n] = virtio_pop(&k->v, EVENTS)))
        n++;
    bool all = n == k->count;
    for (unsigned i = 0; i < n; i++) {
        if (all)
            virtio_fill(&k->v, EVENTS, c[i], virtio_write_chain(&k->v, c[i], 0, k->group[i], EVENT), i);
        free(c[i]);
    }
    if (all)
        virtio_show(&k->v, EVENTS, n);
    else
        virtio_unpop(&k->v, EVENTS, n);
    return all;
}

void virtio_input_sync(struct virtio *v)
{
    struct input *k = self(v);
    if (!k->count)
        return;
    if (k->count == GROUP)
        k->count--;
    virtio_input_event(v, EV_SYN, 0, 0);
    if (virtio_running(v) && write_group(k))
        virtio_signal(v, EVENTS);
    k->count = 0;
    memset(k->group, 0, sizeof k->group);
}

/* The driver switches LEDs. */
static void read_status(void *arg)
{
    struct input *k = arg;
    struct virtio_chain *c;
    while ((c = virtio_pop(&k->v, STATUS))) {
        u8 e[EVENT];
        for (u64 at = 0; virtio_read_chain(&k->v, c, at, e, EVENT) == EVENT; at += EVENT)
            if (get_le16(e) == EV_LED && get_le16(e + 2) < LEDS)
                k->leds = (u8)((k->leds & ~(1u << get_le16(e + 2))) | (e[4] ? 1u : 0u) << get_le16(e + 2));
        virtio_push(&k->v, STATUS, c, 0);
        free(c);
    }
    virtio_signal(&k->v, STATUS);
}

static void notify(struct virtio *v, unsigned q)
{
    struct input *k = self(v);
    if (q == STATUS && !clock_pending(&k->status))
        clock_schedule(k->clock, &k->status, clock_now(k->clock) + DELAY);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void reset(struct virtio *v)
{
    struct input *k = self(v);
    clock_cancel(k->clock, &k->status);
    k->leds = k->count = 0;
    memset(k->group, 0, sizeof k->group);
    memset(v->config, 0, sizeof v->config);
}

static void state(struct virtio *v, struct snap *s)
{
    struct input *k = self(v);
    SNAP(s, k, leds);
    SNAP(s, k, count);
    SNAP(s, k, group);
    if (s->mode == SNAP_LOAD && k->count > GROUP) {
        s->failed = true;
        k->count = 0;
    }
    clock_event_state(k->clock, &k->status, s);
}

static void destroy(struct virtio *v)
{
    clock_cancel(self(v)->clock, &self(v)->status);
    free(self(v));
}

static const struct virtio_class class = {
    .name = "virtio-input",
    .device_id = VIRTIO_INPUT,
    .queues = QUEUES,
    .config_size = C_SIZE,
    .notify = notify,
    .config_wrote = config_wrote,
    .reset = reset,
    .state = state,
    .destroy = destroy,
};

struct virtio *virtio_input_new(const struct virtio_input_config *cfg)
{
    struct input *k = calloc(1, sizeof *k);
    CHECK(k);
    k->clock = cfg->clock;
    k->kind = cfg->kind;
    virtio_init(&k->v, &class, cfg->id, cfg->log, cfg->features, QUEUE_SIZE);
    snprintf(k->event_name, sizeof k->event_name, "%s-status", cfg->id);
    k->status = (struct event){.fire = read_status, .arg = k, .name = k->event_name};
    return &k->v;
}
