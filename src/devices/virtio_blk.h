/* Virtio block device (virtio 1.2, section 5.2). */
#pragma once
#include "core/clock.h"
#include "devices/blockdev.h"
#include "devices/virtio.h"

struct virtio_blk_config {
    const char *id;
    struct log *log;
    struct clock *clock;
    struct blockdev *disk; /* stays the caller's */
    const char *serial;    /* at most 20 characters; NULL: empty */
    u64 features;          /* further offered ones, such as VIRTIO_F_ACCESS_PLATFORM */
};

struct virtio *virtio_blk_new(const struct virtio_blk_config *cfg);
