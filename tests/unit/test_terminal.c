/* The terminal from outside: under a pseudo-terminal, its settings are the same before and after every way out of a
 * run, crashes included, and raw while the guest has it. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "core/types.h"

/* Waits for a key: "p" prints a kernel's panic line, any other powers off. */
static const u32 keys[] = {0xd2a12013, 0xb9401a61, 0x3727ffe1, 0xb9400260, 0x7101c01f, 0x54000080,
                           0x52800100, 0x72b08000, 0xd4000003, 0x100000c1, 0x38401420, 0x34000060,
                           0xb9000260, 0x17fffffd, 0x14000000, 0x6e72654b, 0x70206c65, 0x63696e61,
                           0x6e202d20, 0x7320746f, 0x69636e79, 0x203a676e, 0x00000a70};
enum { PATIENCE_MS = 60000 };

static char image[] = "/tmp/elara-terminal-XXXXXX";
static int master, slave;
static struct termios before;
static pid_t child;
static char seen[65536];
static size_t nseen;

static void start(void)
{
    char load[64], *name;
    snprintf(load, sizeof load, "%s@0x40080000", image);
    master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 && (name = ptsname(master)));
    slave = open(name, O_RDWR | O_NOCTTY);
    ck_assert(slave >= 0 && tcgetattr(slave, &before) == 0);
    before.c_cc[VKILL] = 'K'; /* settings of the user's own */
    before.c_lflag &= ~(tcflag_t)ECHOE;
    ck_assert(tcsetattr(slave, TCSANOW, &before) == 0 && tcgetattr(slave, &before) == 0);
    nseen = 0;
    child = fork();
    if (child == 0) {
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        for (int i = 0; i < 3; i++)
            dup2(slave, i);
        close(master);
        /* what dies of a signal here shall die as it would without a sanitizer */
        setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:handle_sigill=0", 1);
        execl(ELARA_BINARY, "elara", "run", "--load", load, (char *)NULL);
        _exit(99);
    }
    ck_assert(child > 0);
    fcntl(master, F_SETFL, O_NONBLOCK);
}

static void drain(void)
{
    ssize_t n;
    while (nseen < sizeof seen - 1 && (n = read(master, seen + nseen, sizeof seen - 1 - nseen)) > 0)
        nseen += (size_t)n;
    seen[nseen] = 0;
}

static void pause_ms(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    drain();
}

/* Waits until the terminal is (or is not) in the mode where it edits lines. */
static void wait_for(bool lines)
{
    struct termios t = {0};
    for (int i = 0; i < PATIENCE_MS; i++) {
        ck_assert_int_eq(tcgetattr(slave, &t), 0);
        if (((t.c_lflag & ICANON) != 0) == lines)
            return;
        pause_ms();
    }
    ck_abort_msg("the terminal did not become %s; seen: %s", lines ? "cooked" : "raw", seen);
}

static void wait_text(const char *text)
{
    for (int i = 0; i < PATIENCE_MS; i++, pause_ms())
        if (strstr(seen, text))
            return;
    ck_abort_msg("\"%s\" was not printed; seen: %s", text, seen);
}

static void type(const char *s) { ck_assert_int_eq(write(master, s, strlen(s)), (ssize_t)strlen(s)); }

/* The child ends; then the settings are what they were (a guardian may need a moment after a crash). */
static int finish(void)
{
    int status = -1;
    pid_t r = 0;
    for (int i = 0; i < PATIENCE_MS && r == 0; i++, pause_ms())
        r = waitpid(child, &status, WNOHANG);
    if (r == 0)
        kill(child, SIGKILL);
    ck_assert_msg(r == child, "it did not end; seen: %s", seen);
    struct termios after = {0};
    for (int i = 0; i < PATIENCE_MS; i++) {
        ck_assert_int_eq(tcgetattr(slave, &after), 0);
        if (memcmp(&after, &before, sizeof after) == 0)
            break;
        pause_ms();
    }
    ck_assert(memcmp(&after, &before, sizeof after) == 0);
    drain();
    close(master);
    close(slave);
    return status;
}

START_TEST(test_power_off)
{
    start();
    wait_for(false);
    type("q");
    ck_assert_int_eq(finish(), 0);
}
END_TEST

START_TEST(test_quit)
{
    start();
    wait_for(false);
    type("\001x");
    ck_assert_int_eq(finish(), 0);
    ck_assert(strstr(seen, "terminated by Ctrl-A X"));
}
END_TEST

START_TEST(test_help)
{
    start();
    wait_for(false);
    type("\001h");
    wait_text("Ctrl-A B  send a break");
    type("\001x");
    ck_assert_int_eq(finish(), 0);
}
END_TEST

START_TEST(test_panic)
{
    start();
    wait_for(false);
    type("p");
    int status = finish();
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 100);
    ck_assert(strstr(seen, "not syncing: p"));
}
END_TEST

/* Cooked while the monitor reads lines, raw again afterwards. */
START_TEST(test_monitor)
{
    start();
    wait_for(false);
    type("\001c");
    wait_for(true);
    type("where\n");
    wait_text("cpu0: running");
    type("cont\n");
    wait_for(false);
    type("\001c");
    wait_for(true);
    type("quit\n");
    ck_assert_int_eq(finish(), 0);
}
END_TEST

static const int ends[] = {SIGTERM, SIGHUP, SIGINT, SIGSEGV, SIGKILL, SIGABRT};

START_TEST(test_signal)
{
    int sig = ends[_i];
    bool caught = sig == SIGTERM || sig == SIGHUP || sig == SIGINT;
    start();
    wait_for(false);
    kill(child, sig);
    int status = finish();
    if (caught)
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 128 + sig);
    else
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == sig);
}
END_TEST

int main(void)
{
    int fd = mkstemp(image);
    if (fd < 0 || write(fd, keys, sizeof keys) != (ssize_t)sizeof keys)
        return EXIT_FAILURE;
    close(fd);
    Suite *s = suite_create("terminal");
    TCase *t = tcase_create("ways out");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_power_off);
    tcase_add_test(t, test_quit);
    tcase_add_test(t, test_help);
    tcase_add_test(t, test_panic);
    tcase_add_test(t, test_monitor);
    tcase_add_loop_test(t, test_signal, 0, ARRAY_LEN(ends));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    unlink(image);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
