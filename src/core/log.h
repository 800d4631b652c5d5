/* What Elara says about the guest.  One log a machine, no globals.
 *
 * Four kinds of error are never mixed: an architectural fault is a value (struct fault); a guest's
 * mistake goes to log_guest(); a user's or host's error is a message and an exit status (machine/);
 * our own bug is CHECK.  What the model lacks goes through unimpl(): greppable, never a silent zero. */
#pragma once
#include "core/types.h"

struct log {
    void (*sink)(void *arg, const char *line); /* line has no newline; NULL drops everything */
    void *arg;
    u64 guest_errors; /* lines given to log_guest() */
    u64 unimpls;      /* calls of unimpl() */
    u32 limit;        /* guest-error lines shown, the rest are counted only (0: no limit) */
    void (*lock)(void *arg, bool on); /* around all of it when several threads log, NULL: one does */
};

/* An informational line. */
__attribute__((format(printf, 2, 3))) void log_info(struct log *l, const char *fmt, ...);
/* The guest did something that is legal for us but surely a mistake (write to RO, bad offset, ...). */
__attribute__((format(printf, 2, 3))) void log_guest(struct log *l, const char *fmt, ...);
/* The guest asked for something the model does not have. */
__attribute__((format(printf, 2, 3))) void unimpl(struct log *l, const char *fmt, ...);
