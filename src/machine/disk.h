/* Disk images: a raw file or host block device behind the interface of devices/blockdev.h. */
#pragma once
#include "devices/blockdev.h"

enum disk_mode {
    DISK_COW,      /* the file is only read, what the guest writes stays in memory */
    DISK_RW,       /* writes go to the file; flush is fdatasync */
    DISK_READONLY, /* the guest sees a write-protected disk */
};

/* Opens path. NULL: err holds a message for the user. A size that is no multiple of 512 bytes is
 * rounded up; the missing bytes read 0. */
struct blockdev *disk_open(const char *path, enum disk_mode mode, char *err, size_t err_size);
/* A disk of size zero bytes' content without a file, as if DISK_COW. */
struct blockdev *disk_memory(u64 size);
void disk_close(struct blockdev *d);
