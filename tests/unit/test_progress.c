/* The progress bar: what a line looks like, that nothing is written elsewhere than to a terminal or before its time. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "machine/boot.h"
#include "machine/progress.h"

static char seen[4096];

static size_t drain(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    ssize_t n = read(fd, seen, sizeof seen - 1);
    seen[n > 0 ? n : 0] = 0;
    return strlen(seen);
}

/* What was written to a terminal comes out of its other end a little later. */
static void drain_until(int fd, const char *end)
{
    size_t n = 0, len = strlen(end);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while ((n < len || strcmp(seen + n - len, end) != 0) && poll(&p, 1, 10000) > 0) {
        ssize_t got = read(fd, seen + n, sizeof seen - 1 - n);
        n += got > 0 ? (size_t)got : 0;
        seen[n] = 0;
    }
}

START_TEST(test_line)
{
    char line[80];
    struct progress p;
    progress_init(&p, -1);
    progress_begin(&p, "unpacking", "/some/where/Image.gz", 8 << 20);
    progress_line(&p, 0, line, sizeof line);
    ck_assert_str_eq(line, "unpacking Image.gz [........................]   0% of 8 MiB");
    progress_line(&p, 4 << 20, line, sizeof line);
    ck_assert_str_eq(line, "unpacking Image.gz [############............]  50% of 8 MiB");
    progress_line(&p, 8 << 20, line, sizeof line);
    ck_assert_str_eq(line, "unpacking Image.gz [########################] 100% of 8 MiB");
    progress_line(&p, 1ull << 63, line, sizeof line); /* more than was said */
    ck_assert(strstr(line, "100%") != NULL);
    progress_begin(&p, "loading", "a-very-long-name-of-an-initial-ram-disk-that-goes-on-and-on", ~0ull);
    progress_line(&p, ~0ull - 1, line, sizeof line);
    ck_assert(strstr(line, "a-very-long-name-of-") && strstr(line, " 99%"));
    ck_assert_uint_lt(strlen(line), 79);
    progress_begin(&p, "loading", NULL, 0);
    progress_line(&p, 0, line, sizeof line);
    ck_assert(strstr(line, "100%") != NULL);
}
END_TEST

/* Steps through a load and takes the bar away. */
static void load(struct progress *p)
{
    progress_begin(p, "loading", "Image", 100);
    for (u64 i = 0; i <= 100; i++)
        progress_step(p, i);
    progress_clear(p);
}

START_TEST(test_not_a_terminal)
{
    int out[2];
    struct progress p;
    ck_assert_int_eq(pipe(out), 0);
    progress_init(&p, out[1]);
    p.delay = 0;
    load(&p);
    ck_assert_uint_eq(drain(out[0]), 0);
    load(NULL);
}
END_TEST

START_TEST(test_terminal)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct progress p;
    progress_init(&p, slave);
    p.delay = 1000000; /* a quick load: nothing, not even to take away */
    load(&p);
    ck_assert_uint_eq(drain(master), 0);
    progress_init(&p, slave);
    ck_assert_uint_eq(p.delay, 500);
    p.delay = 0;
    load(&p);
    const char *end = "\r\033[K";
    drain_until(master, end);
    ck_assert_ptr_eq(strstr(seen, "\rloading Image ["), seen);
    ck_assert_str_eq(seen + strlen(seen) - strlen(end), end);
    ck_assert(!p.drawn);
    /* -q */
    struct boot b;
    struct config c;
    struct err e = {0};
    int before = dup(STDERR_FILENO);
    config_defaults(&c);
    dup2(slave, STDERR_FILENO);
    bool ok = boot_plan(&b, &c, &e);
    int loud = b.progress.fd;
    c.quiet = true;
    ok = ok && boot_plan(&b, &c, &e);
    dup2(before, STDERR_FILENO);
    close(before);
    ck_assert(ok && loud == STDERR_FILENO && b.progress.fd == -1);
    close(slave);
    close(master);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("progress");
    TCase *t = tcase_create("progress");
    tcase_add_test(t, test_line);
    tcase_add_test(t, test_not_a_terminal);
    tcase_add_test(t, test_terminal);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
