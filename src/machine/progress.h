/* The progress bar of a long load: one line on a terminal, from half a second on, gone when the load is over. */
#pragma once
#include "core/types.h"

enum { PROGRESS_DELAY_MS = 500 };

struct progress {
    int fd;          /* where it is drawn, -1: nowhere */
    unsigned delay;  /* ms from the beginning until it appears */
    u64 begun, next; /* host milliseconds: of the beginning, when it may be drawn again */
    const char *what, *path;
    u64 total;
    bool drawn;
};

/* fd: nothing is ever drawn when it is no terminal. */
void progress_init(struct progress *p, int fd);
/* A piece of work of total bytes begins: "unpacking", path (NULL: none). Every p may be NULL. */
void progress_begin(struct progress *p, const char *what, const char *path, u64 total);
/* Of the total, this much is done. */
void progress_step(struct progress *p, u64 done);
/* Takes the line away, before anything else is printed. */
void progress_clear(struct progress *p);
/* The line of a piece of work, at most n - 1 characters. */
void progress_line(const struct progress *p, u64 done, char *buf, size_t n);
