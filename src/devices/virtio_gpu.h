/* Virtio GPU without 3D (virtio 1.2, section 5.7): one screen. */
#pragma once
#include "core/clock.h"
#include "devices/virtio.h"

struct virtio_gpu_config {
    const char *id;
    struct log *log;
    struct clock *clock;
    u32 width, height; /* of the screen it describes; at most 4095 */
    u64 memory;        /* bytes that the driver's pictures may take of the host's memory */
    u64 features;      /* further offered ones, such as VIRTIO_F_ACCESS_PLATFORM */
};

struct virtio *virtio_gpu_new(const struct virtio_gpu_config *cfg);
/* The size of the picture on the screen. False: the driver shows nothing. */
bool virtio_gpu_size(const struct virtio *v, u32 *width, u32 *height);
/* A row of it, the pointer included, as red, green, blue bytes. */
void virtio_gpu_row(const struct virtio *v, u32 y, u8 *rgb);
/* Grows whenever what is on the screen may have changed. */
u64 virtio_gpu_generation(const struct virtio *v);
