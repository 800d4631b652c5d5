/* Virtio entropy device (virtio 1.2, section 5.4). */
#pragma once
#include "core/clock.h"
#include "devices/virtio.h"

/* The bytes follow from seed alone, so that a run can be repeated. features: further offered ones. */
struct virtio *virtio_rng_new(const char *id, struct log *log, struct clock *clock, u64 seed, u64 features);
