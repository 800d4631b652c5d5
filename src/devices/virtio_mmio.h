/* Virtio over MMIO (virtio 1.2, section 4.2): a transport of 512 bytes with one interrupt. */
#pragma once
#include "core/bus.h"
#include "core/irq.h"
#include "devices/virtio.h"

enum { VIRTIO_MMIO_SIZE = 0x200 };

struct virtio_mmio_config {
    const char *id;
    struct log *log;
    bool modern; /* version 2; otherwise the legacy version 1 */
    struct dma dma;
    struct virtio *device; /* taken over; NULL: an empty slot (device ID 0) */
};

struct virtio_mmio {
    struct device dev;
    struct irq irq; /* high while InterruptStatus is not 0 */
    /* private */
    bool modern;
    struct virtio *v;
    u32 isr, page_size, queue_sel, features_sel, driver_features_sel;
    u32 align[VIRTIO_MAX_QUEUES];
    u32 pfn[VIRTIO_MAX_QUEUES];
};

struct virtio_mmio *virtio_mmio_new(const struct virtio_mmio_config *cfg);
