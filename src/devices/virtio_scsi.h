/* Virtio SCSI host (virtio 1.2, section 5.6): targets with logical units, one request queue. */
#pragma once
#include "core/clock.h"
#include "devices/blockdev.h"
#include "devices/virtio.h"

enum { VIRTIO_SCSI_TARGETS = 256, VIRTIO_SCSI_LUNS = 32 };

struct virtio_scsi_lun {
    u8 target, lun; /* lun: 0 to 63 */
    struct blockdev *disk; /* stays the caller's */
    const char *serial;    /* NULL: none; at most 36 characters */
};

struct virtio_scsi_config {
    const char *id;
    struct log *log;
    struct clock *clock;
    const struct virtio_scsi_lun *luns;
    unsigned count; /* at most VIRTIO_SCSI_LUNS */
    u64 features;   /* further offered ones, such as VIRTIO_F_ACCESS_PLATFORM */
};

struct virtio *virtio_scsi_new(const struct virtio_scsi_config *cfg);
