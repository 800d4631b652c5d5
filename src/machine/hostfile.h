/* The file behind a disk image: reads, writes and flushes, with an optional log of what reaches it.
 *
 * A log is a list of records, each a header of 24 bytes, little-endian
 *
 *   0 kind: 'W' written, 'Z' zeroed, 'F' fdatasync done, 'G' a flush of the guest is complete
 *   8 offset   16 length
 *
 * and, for 'W', the bytes.  What stands before an 'F' survives a power cut, any of what follows may be lost
 * (tests/power-cut). */
#pragma once
#include <stdio.h>

#include "core/types.h"

struct hostfile {
    int fd;
    FILE *log; /* NULL: none; closed by whoever opened it */
};
enum { HOSTFILE_RECORD = 24 };

/* Exactly n bytes; false: an error, or the file ends before. */
bool hostfile_read(const struct hostfile *f, u64 off, void *buf, size_t n);
/* The same, but what is beyond the file's end reads 0. */
bool hostfile_read_padded(const struct hostfile *f, u64 off, void *buf, size_t n);
bool hostfile_write(const struct hostfile *f, u64 off, const void *buf, size_t n);
/* Makes the range read 0, freeing host space where it can. */
bool hostfile_zero(const struct hostfile *f, u64 off, u64 n);
/* fdatasync. */
bool hostfile_sync(const struct hostfile *f);
/* Notes that a flush the guest asked for is complete. */
void hostfile_mark(const struct hostfile *f);
