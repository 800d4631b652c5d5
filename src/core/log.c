/* The machine's log: formats a line and hands it to the sink. */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>

static void lock(struct log *l, bool on)
{
    if (l->lock)
        l->lock(l->arg, on);
}

__attribute__((format(printf, 3, 0))) static void say(struct log *l, const char *prefix, const char *fmt, va_list ap)
{
    char line[512];
    int n = snprintf(line, sizeof line, "%s", prefix);
    vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
    if (l->sink)
        l->sink(l->arg, line);
}

void log_info(struct log *l, const char *fmt, ...)
{
    va_list ap;
    lock(l, true);
    va_start(ap, fmt);
    say(l, "", fmt, ap);
    va_end(ap);
    lock(l, false);
}

void log_guest(struct log *l, const char *fmt, ...)
{
    va_list ap;
    lock(l, true);
    l->guest_errors++;
    if (!l->limit || l->guest_errors <= l->limit) {
        va_start(ap, fmt);
        say(l, "guest error: ", fmt, ap);
        va_end(ap);
    }
    lock(l, false);
}

void unimpl(struct log *l, const char *fmt, ...)
{
    va_list ap;
    lock(l, true);
    l->unimpls++;
    if (!l->limit || l->unimpls <= l->limit) {
        va_start(ap, fmt);
        say(l, "unimplemented: ", fmt, ap);
        va_end(ap);
    }
    lock(l, false);
}
