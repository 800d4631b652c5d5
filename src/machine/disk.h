/* Disk images: a raw file, a host block device or a qcow2 image behind the interface of devices/blockdev.h. */
#pragma once
#include "devices/blockdev.h"

enum disk_mode {
    DISK_COW,      /* the file is only read, what the guest writes stays in memory */
    DISK_RW,       /* writes go to the file; flush is fdatasync */
    DISK_READONLY, /* the guest sees a write-protected disk */
};

enum disk_format {
    DISK_PROBE, /* qcow2 when the file begins like one */
    DISK_RAW,
    DISK_QCOW2,
};

/* Opens path. NULL: err holds a message for the user. A size that is no multiple of 512 bytes is
 * rounded up; the missing bytes read 0. */
struct blockdev *disk_open_as(const char *path, enum disk_format format, enum disk_mode mode, char *err,
                              size_t err_size);
/* The same with DISK_PROBE. */
struct blockdev *disk_open(const char *path, enum disk_mode mode, char *err, size_t err_size);
/* The same; log: a file for what reaches the disk's file (machine/hostfile.h), NULL: none. */
struct blockdev *disk_open_logged(const char *path, enum disk_format format, enum disk_mode mode, const char *log,
                                  char *err, size_t err_size);
/* path with what the guest writes kept in the qcow2 file overlay, which is made when it is not there. */
struct blockdev *disk_open_overlay(const char *path, enum disk_format format, const char *overlay, const char *log,
                                   char *err, size_t err_size);
/* A disk of size zero bytes' content without a file, as if DISK_COW. */
struct blockdev *disk_memory(u64 size);
void disk_close(struct blockdev *d);
