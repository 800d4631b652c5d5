/* Virtio memory balloon (virtio 1.2, section 5.5): pages the driver gives back, statistics, free page reporting. */
#pragma once
#include "core/clock.h"
#include "devices/virtio.h"

enum { VIRTIO_BALLOON_STATS = 16 };

struct virtio_balloon_config {
    const char *id;
    struct log *log;
    struct clock *clock;
    /* The guest does not need the contents of [addr, addr + n) of its memory; they read zero from now on. NULL: no
     * interest. */
    void (*discard)(void *arg, u64 addr, u64 n);
    void *arg;
    u64 features; /* further offered ones, such as VIRTIO_F_ACCESS_PLATFORM */
};

struct virtio *virtio_balloon_new(const struct virtio_balloon_config *cfg);
/* Asks the driver for this many pages of 4 KiB; it gives them in its own time. */
void virtio_balloon_set(struct virtio *v, u32 pages);
/* What it was asked for and has given. */
void virtio_balloon_get(const struct virtio *v, u32 *target, u32 *actual);
/* Asks the driver for new statistics. False: it cannot or has not answered the last question yet. */
bool virtio_balloon_ask(struct virtio *v);
/* The last statistics: [tag] (virtio 1.2, 5.5.6.3), ~0: not said. */
const u64 *virtio_balloon_stats(const struct virtio *v);
