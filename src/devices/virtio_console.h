/* Virtio console (virtio 1.2, section 5.3). */
#pragma once
#include "core/clock.h"
#include "devices/virtio.h"

struct virtio_console_config {
    const char *id;
    struct log *log;
    struct clock *clock;
    void (*put)(void *arg, u8 byte); /* the guest wrote a byte; NULL: dropped */
    void (*room)(void *arg);         /* the guest made room for input after it was full; NULL: nobody asks */
    void *arg;
    u16 cols, rows; /* 0: not told */
    u64 features;   /* further offered ones */
};

struct virtio *virtio_console_new(const struct virtio_console_config *cfg);
/* Input for the guest; returns how many bytes were taken. */
unsigned virtio_console_input(struct virtio *v, const u8 *bytes, unsigned n);
