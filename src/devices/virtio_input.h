/* Virtio input devices (virtio 1.2, section 5.8): a keyboard, a mouse or a tablet, in the codes of Linux's evdev. */
#pragma once
#include "core/clock.h"
#include "devices/virtio.h"

enum virtio_input_kind { VIRTIO_KEYBOARD, VIRTIO_MOUSE, VIRTIO_TABLET };

/* evdev's types and codes, as far as these devices have them */
enum { EV_SYN = 0, EV_KEY = 1, EV_REL = 2, EV_ABS = 3, EV_REP = 20, EV_LED = 17 };
enum { REL_X = 0, REL_Y = 1, REL_WHEEL = 8, ABS_X = 0, ABS_Y = 1 };
enum { BTN_LEFT = 0x110, BTN_RIGHT = 0x111, BTN_MIDDLE = 0x112, BTN_SIDE = 0x113, BTN_EXTRA = 0x114 };
enum { VIRTIO_INPUT_ABS_MAX = 0x7fff };

struct virtio_input_config {
    const char *id;
    struct log *log;
    struct clock *clock;
    u8 kind;      /* enum virtio_input_kind */
    u64 features; /* further offered ones, such as VIRTIO_F_ACCESS_PLATFORM */
};

struct virtio *virtio_input_new(const struct virtio_input_config *cfg);
/* An event of evdev's; virtio_input_sync() ends a group of them and shows it to the driver. What finds no buffers, or no
 * driver, is lost. */
void virtio_input_event(struct virtio *v, u16 type, u16 code, u32 value);
void virtio_input_sync(struct virtio *v);
