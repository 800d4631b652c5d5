/* The progress bar of long loads (progress.h). The half second counts from the start of the load, not of each piece, so
 * that many short pieces are seen too. Nothing is read from the terminal: the line has at most 79 columns. */
#include "machine/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "machine/err.h"

enum { AGAIN_MS = 100, BAR = 24, NAME = 20, LINE = 80 };

static u64 host_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

void progress_init(struct progress *p, int fd)
{
    *p = (struct progress){.fd = fd >= 0 && isatty(fd) ? fd : -1, .delay = PROGRESS_DELAY_MS, .begun = host_ms()};
}

void progress_begin(struct progress *p, const char *what, const char *path, u64 total)
{
    if (!p)
        return;
    const char *slash = path ? strrchr(path, '/') : NULL;
    p->what = what;
    p->path = slash ? slash + 1 : path;
    p->total = total;
}

void progress_line(const struct progress *p, u64 done, char *buf, size_t n)
{
    char size[32], bar[BAR + 1];
    u64 part = !p->total || done >= p->total ? 1000 : (u64)((unsigned __int128)done * 1000 / p->total);
    for (unsigned i = 0; i < BAR; i++)
        bar[i] = i < part * BAR / 1000 ? '#' : '.';
    bar[BAR] = 0;
    snprintf(buf, n, "%s %.*s [%s] %3u%% of %s", p->what, NAME, p->path ? p->path : "", bar, (unsigned)(part / 10),
             err_size(p->total, size));
}

static void put(const struct progress *p, const char *s)
{
    if (write(p->fd, s, strlen(s)) < 0) /* nobody looks any more; the load goes on */
        return;
}

void progress_step(struct progress *p, u64 done)
{
    if (!p || p->fd < 0)
        return;
    u64 now = host_ms();
    if (now - p->begun < p->delay || now < p->next)
        return;
    char line[LINE], all[LINE + 8];
    progress_line(p, done, line, sizeof line);
    snprintf(all, sizeof all, "\r%s\033[K", line);
    put(p, all);
    p->next = now + AGAIN_MS;
    p->drawn = true;
}

void progress_clear(struct progress *p)
{
    if (!p || !p->drawn)
        return;
    put(p, "\r\033[K");
    p->drawn = false;
}
