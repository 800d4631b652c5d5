/* What goes wrong on the user's or host's side: a message and the exit status it leads to. */
#pragma once
#include "core/types.h"

/* Exit statuses (design: face.md section 4). */
enum status {
    STATUS_OK = 0,
    STATUS_PANIC = 100,
    STATUS_RESET = 101,
    STATUS_STUCK = 102,
    STATUS_EXPECT = 110,
    STATUS_BUG = 120,
    STATUS_TIMEOUT = 124,
    STATUS_USAGE = 125,
    STATUS_UNIMPL = 126,
};

struct err {
    int status;      /* enum status; 0: no error */
    char text[1500]; /* several lines, no trailing newline */
};

/* Records the message; returns false, so that callers say `return err_set(...)`. */
__attribute__((format(printf, 3, 4))) bool err_set(struct err *e, int status, const char *fmt, ...);
/* Appends to the message. */
__attribute__((format(printf, 2, 3))) bool err_more(struct err *e, const char *fmt, ...);

/* The name of the list closest to word, NULL when nothing is near. */
const char *err_nearest(const char *word, const char *const *names, size_t n);
/* Damerau-Levenshtein distance of two short words (restricted form). */
unsigned err_distance(const char *a, const char *b);
/* "512", "2G", "128M", "0x1000", "64k": bytes, unit suffixes are powers of 1024. */
bool err_parse_size(const char *s, u64 *out);
/* Bytes for people: "512 MiB", "33.1 MiB", "812 bytes"; buf holds 32 characters. */
const char *err_size(u64 n, char *buf);
