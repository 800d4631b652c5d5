/* A file with the given contents that has a path but no place in a directory. */
#pragma once
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

struct file {
    int fd;
    char path[40];
};

static inline struct file file_make(const u8 *p, size_t n)
{
    struct file f = {.fd = memfd_create("fuzz", MFD_CLOEXEC)};
    if (f.fd < 0 || write(f.fd, p, n) != (ssize_t)n)
        abort();
    snprintf(f.path, sizeof f.path, "/proc/self/fd/%d", f.fd);
    return f;
}
