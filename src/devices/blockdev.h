/* What a disk controller reads and writes: an image of a fixed number of bytes, supplied by the machine. */
#pragma once
#include "core/types.h"

struct snap;
struct blockdev;

/* Offsets and lengths are bytes within size. false: an input/output error, which the guest sees. */
struct blockdev_ops {
    bool (*read)(struct blockdev *, u64 off, void *buf, size_t n);
    bool (*write)(struct blockdev *, u64 off, const void *buf, size_t n);
    bool (*flush)(struct blockdev *);                              /* all completed writes are durable */
    bool (*discard)(struct blockdev *, u64 off, u64 n, bool zero); /* contents not needed; zero: must read 0 */
    void (*state)(struct blockdev *, struct snap *);               /* what the guest wrote, when it is kept in memory */
};

struct blockdev {
    const struct blockdev_ops *ops;
    u64 size;
    bool readonly;
};
