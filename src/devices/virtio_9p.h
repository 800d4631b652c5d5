/* Virtio 9P transport (virtio 1.2 has the number; the device is QEMU's and Linux's): messages of the 9P
 * protocol in one queue. Who answers them is the machine's. */
#pragma once
#include "core/clock.h"
#include "devices/virtio.h"

enum { P9_MAX_MESSAGE = 256 * 1024, P9_MAX_TAG = 32 };

struct virtio_9p_config {
    const char *id;
    struct log *log;
    struct clock *clock;
    const char *tag; /* what the guest mounts, at most P9_MAX_TAG characters */
    /* Answers a message of n bytes; returns the length of the reply in out, at most max. */
    u32 (*handle)(void *arg, const u8 *in, u32 n, u8 *out, u32 max);
    void (*reset)(void *arg); /* the guest forgot everything; NULL: no interest */
    void *arg;
    u64 features; /* further offered ones */
};

struct virtio *virtio_9p_new(const struct virtio_9p_config *cfg);
