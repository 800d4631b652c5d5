/* The serial console: bytes between the PL011 (or a virtio console) and the host's standard streams, a pty, a socket or
 * a file.
 *
 * Input is read only between slices, output is written then too, so that what the guest computes never
 * depends on host time within a slice. On a terminal: raw mode, Ctrl-A commands. The terminal is
 * restored on every way out: by console_free(), or by a guardian process that notices our end.
 *
 * Ctrl-A commands are looked for in all input at once, so that a guest that reads nothing can still be left; what it
 * does not take in time is kept up to IN_SIZE bytes, the rest is lost as on a wire. A socket without a peer swallows
 * the output; the next peer is let in when the last has gone. */
#include "machine/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "core/check.h"
#include "machine/net.h"

enum { ESCAPE = 1 /* Ctrl-A */, IN_SIZE = 4096, OUT_SIZE = 16384, MAX_WATCHES = 4 };

/* A text looked for in the output. */
struct watch {
    char *text;
    unsigned *fail; /* its failure function (Knuth, Morris, Pratt) */
    unsigned len, at;
    void (*matched)(void *arg);
    void *arg;
};

struct console {
    int in, out;
    int listener; /* where peers knock, -1: none */
    bool tty, escapes, escaped, eof, gone, raw, fresh_line;
    bool own_in, own_out, stdio, hold;
    enum console_event asked;
    struct console_sink sink;
    struct termios saved;
    int held; /* the other end of our pty, -1: none */
    pid_t guardian;
    int guardian_pipe;
    u8 input[IN_SIZE]; /* for the guest */
    unsigned in_pos, in_len;
    u8 rest[IN_SIZE]; /* typed after Ctrl-A C, for the monitor first */
    unsigned rest_pos, rest_len;
    u8 output[OUT_SIZE];
    unsigned out_len;
    struct watch watch[MAX_WATCHES];
    unsigned nwatches;
};

struct console *console_new(int in, int out, bool escapes)
{
    struct console *c = calloc(1, sizeof *c);
    CHECK(c);
    c->in = in;
    c->out = out;
    c->listener = c->held = -1;
    c->stdio = in == STDIN_FILENO || out == STDOUT_FILENO;
    c->eof = in < 0;
    c->tty = in >= 0 && isatty(in) && tcgetattr(in, &c->saved) == 0;
    c->escapes = escapes || c->tty;
    c->guardian_pipe = -1;
    c->fresh_line = true;
    return c;
}

/* ---- other places than the standard streams -------------------------------------------------- */

static struct console *adopt(int in, int out, int listener)
{
    struct console *c = console_new(in, out, false);
    c->listener = listener;
    c->eof = in < 0 && listener < 0;
    c->own_in = true;
    c->own_out = out != in;
    return c;
}

static struct console *open_pty(struct err *e)
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64];
    if (fd < 0 || grantpt(fd) != 0 || unlockpt(fd) != 0 || ptsname_r(fd, name, sizeof name) != 0) {
        err_set(e, STATUS_USAGE, "no pty for the serial console: %s", strerror(errno));
        return NULL;
    }
    /* Kept open, so that output waits for a reader instead of failing; raw, as a serial line is. */
    int held = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios t;
    if (held >= 0 && tcgetattr(held, &t) == 0) {
        cfmakeraw(&t);
        tcsetattr(held, TCSANOW, &t);
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    fprintf(stderr, "elara: the serial console is %s\n", name);
    struct console *c = adopt(fd, fd, -1);
    c->held = held;
    c->tty = c->escapes = false;
    return c;
}

static struct console *open_socket(const char *address, bool wait, bool client, struct err *e)
{
    char why[600];
    int fd = client ? network_socket(address, false, why, sizeof why) : network_listener(address, why, sizeof why);
    if (fd < 0) {
        err_set(e, STATUS_USAGE, "serial console %s", why);
        return NULL;
    }
    if (client)
        return adopt(fd, fd, -1);
    int peer = -1;
    if (wait) {
        fprintf(stderr, "elara: the serial console %s waits for its peer\n", address);
        while ((peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) < 0 && errno == EINTR)
            ;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return adopt(peer, peer, fd);
}

struct console *console_open(const char *spec, bool escapes, struct err *e)
{
    char where[256];
    bool wait = true, client = false;
    size_t n = strcspn(spec, ",");
    snprintf(where, sizeof where, "%.*s", (int)n, spec);
    for (const char *s = spec + n; *s; s += 1 + strcspn(s + 1, ",")) {
        if (strncmp(s, ",nowait", 7) == 0)
            wait = false;
        else if (strncmp(s, ",connect", 8) == 0)
            client = true;
    }
    if (strcmp(where, "stdio") == 0)
        return console_new(STDIN_FILENO, STDOUT_FILENO, escapes);
    if (strcmp(where, "none") == 0)
        return adopt(-1, -1, -1);
    if (strcmp(where, "pty") == 0)
        return open_pty(e);
    if (strncmp(where, "unix:", 5) == 0 || strncmp(where, "tcp:", 4) == 0)
        return open_socket(where[0] == 't' ? where + 4 : where, wait, client, e);
    if (strncmp(where, "file:", 5) == 0) {
        int fd = open(where + 5, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd >= 0)
            return adopt(-1, fd, -1);
        err_set(e, STATUS_USAGE, "cannot write the serial console to %s: %s", where + 5, strerror(errno));
        return NULL;
    }
    err_set(e, STATUS_USAGE,
            "serial console \"%s\": give stdio, none, pty, file:PATH, unix:PATH or tcp:[HOST]:PORT (with ,nowait or "
            ",connect)",
            spec);
    return NULL;
}

/* The peer of a socket has gone, or never was: the next one. */
static void next_peer(struct console *c)
{
    if (c->in >= 0)
        close(c->in);
    c->in = c->out = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC);
    c->gone = false;
}

/* ---- the terminal ---------------------------------------------------------------------------- */

/* Waits for the end of its parent (the pipe's other end closes) and restores the terminal. */
static void guard(struct console *c)
{
    int p[2];
    sigset_t all, old;
    if (pipe(p) != 0)
        return;
    /* The guardian is never without its mask: our end may send it SIGHUP before it has run at all, and it may be in the
     * background by then (SIGTTOU). */
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    c->guardian = fork();
    if (c->guardian == 0) {
        char byte;
        close(p[1]);
        while (read(p[0], &byte, 1) < 0 && errno == EINTR)
            ;
        tcsetattr(c->in, TCSANOW, &c->saved);
        _exit(0);
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(p[0]);
    c->guardian_pipe = p[1];
}

static void go_raw(struct console *c)
{
    struct termios t = c->saved;
    cfmakeraw(&t);
    t.c_oflag |= OPOST; /* our own messages use plain newlines */
    c->raw = tcsetattr(c->in, TCSANOW, &t) == 0;
}

void console_start(struct console *c)
{
    if (!c->tty)
        return;
    if (!c->guardian)
        guard(c);
    go_raw(c);
}

static void go_cooked(struct console *c)
{
    if (c->raw)
        tcsetattr(c->in, TCSADRAIN, &c->saved);
    c->raw = false;
}

void console_free(struct console *c)
{
    if (!c)
        return;
    console_flush(c);
    go_cooked(c);
    if (c->own_in && c->in >= 0)
        close(c->in);
    if (c->own_out && c->out >= 0)
        close(c->out);
    if (c->listener >= 0)
        close(c->listener);
    if (c->held >= 0)
        close(c->held);
    if (c->guardian_pipe >= 0)
        close(c->guardian_pipe);
    if (c->guardian > 0)
        waitpid(c->guardian, NULL, 0);
    for (unsigned i = 0; i < c->nwatches; i++) {
        free(c->watch[i].text);
        free(c->watch[i].fail);
    }
    free(c);
}

void console_attach(struct console *c, struct console_sink sink) { c->sink = sink; }

void console_watch(struct console *c, const char *text, void (*matched)(void *arg), void *arg)
{
    CHECK(c->nwatches < MAX_WATCHES && *text);
    struct watch *w = &c->watch[c->nwatches++];
    *w = (struct watch){.text = strdup(text), .len = (unsigned)strlen(text), .matched = matched, .arg = arg};
    w->fail = calloc(w->len + 1, sizeof *w->fail);
    CHECK(w->text && w->fail);
    for (unsigned i = 1, k = 0; i < w->len; i++) {
        while (k && text[i] != text[k])
            k = w->fail[k - 1];
        if (text[i] == text[k])
            k++;
        w->fail[i] = k;
    }
}

static void match(struct watch *w, u8 byte)
{
    while (w->at && (u8)w->text[w->at] != byte)
        w->at = w->fail[w->at - 1];
    if ((u8)w->text[w->at] == byte)
        w->at++;
    if (w->at == w->len) {
        w->at = 0;
        w->matched(w->arg);
    }
}

void console_put(void *arg, u8 byte)
{
    struct console *c = arg;
    if (c->out_len == OUT_SIZE)
        console_flush(c);
    c->output[c->out_len++] = byte;
    c->fresh_line = byte == '\n';
    for (unsigned i = 0; i < c->nwatches; i++)
        match(&c->watch[i], byte);
}

void console_flush(struct console *c)
{
    for (unsigned at = 0; at < c->out_len && !c->gone && c->out >= 0;) {
        ssize_t n = write(c->out, c->output + at, c->out_len - at);
        if (n >= 0) {
            at += (unsigned)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = c->out, .events = POLLOUT};
            if (c->held >= 0 && poll(&p, 1, 0) == 0)
                break; /* nobody reads the pty: what it cannot hold is lost */
            poll(&p, 1, -1);
        } else if (errno != EINTR) {
            c->gone = true;
        }
    }
    c->out_len = 0;
}

static void help(struct console *c)
{
    static const char text[] = "\r\nCtrl-A X  quit\r\nCtrl-A C  monitor (and back with cont)\r\n"
                               "Ctrl-A H  this help\r\nCtrl-A B  send a break\r\nCtrl-A Ctrl-A  send Ctrl-A\r\n";
    console_flush(c);
    for (unsigned i = 0; i < sizeof text - 1; i++)
        c->output[c->out_len++] = (u8)text[i];
    console_flush(c);
}

/* True: the byte goes to the guest. */
static bool filter(struct console *c, u8 byte)
{
    if (!c->escapes)
        return true;
    if (!c->escaped) {
        c->escaped = byte == ESCAPE;
        return !c->escaped;
    }
    c->escaped = false;
    switch (byte) {
    case 'x':
    case 'X': c->asked = CONSOLE_QUIT; return false;
    case 'c':
    case 'C': c->asked = CONSOLE_MONITOR; return false;
    case 'h':
    case 'H':
    case '?': help(c); return false;
    case 'b':
    case 'B':
        if (c->sink.send_break)
            c->sink.send_break(c->sink.arg);
        return false;
    default: return byte == ESCAPE;
    }
}

/* More bytes of the user's, from what the monitor left or from the host: how many, 0: none now. */
static unsigned next_bytes(struct console *c, u8 *raw)
{
    if (c->rest_pos < c->rest_len) {
        unsigned n = c->rest_len - c->rest_pos;
        memcpy(raw, c->rest + c->rest_pos, n);
        c->rest_pos = c->rest_len = 0;
        return n;
    }
    if (c->listener >= 0 && c->in < 0)
        next_peer(c);
    struct pollfd p = {.fd = c->in, .events = POLLIN};
    if (c->eof || c->in < 0 || poll(&p, 1, 0) <= 0)
        return 0;
    ssize_t n = read(c->in, raw, IN_SIZE);
    if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
        return n > 0 ? (unsigned)n : 0;
    if (c->listener >= 0)
        next_peer(c);
    else if (c->held < 0) /* a pty whose readers come and go is never at its end */
        c->eof = true;
    return 0;
}

static void read_input(struct console *c)
{
    u8 raw[IN_SIZE];
    unsigned n = next_bytes(c, raw);
    if (c->in_pos) {
        memmove(c->input, c->input + c->in_pos, c->in_len - c->in_pos);
        c->in_len -= c->in_pos;
        c->in_pos = 0;
    }
    for (unsigned i = 0; i < n; i++) {
        if (filter(c, raw[i]) && c->in_len < IN_SIZE)
            c->input[c->in_len++] = raw[i];
        if (c->asked == CONSOLE_MONITOR) {
            c->rest_len = n - i - 1;
            memcpy(c->rest, raw + i + 1, c->rest_len);
            return;
        }
    }
}

enum console_event console_poll(struct console *c)
{
    if (c->listener >= 0 && c->gone)
        next_peer(c);
    if (!c->hold)
        read_input(c);
    if (c->sink.take && c->in_pos < c->in_len)
        c->in_pos += c->sink.take(c->sink.arg, c->input + c->in_pos, c->in_len - c->in_pos);
    if (c->out_len)
        console_flush(c);
    enum console_event asked = c->asked;
    c->asked = CONSOLE_NOTHING;
    return asked != CONSOLE_NOTHING ? asked : c->gone && c->listener < 0 ? CONSOLE_OUTPUT_GONE : CONSOLE_NOTHING;
}

/* ---- the monitor's lines --------------------------------------------------------------------- */

/* One byte, unbuffered: what follows the line is the guest's. */
static int one_byte(struct console *c)
{
    u8 byte;
    if (c->stdio && c->rest_pos < c->rest_len)
        return c->rest[c->rest_pos++];
    ssize_t n;
    while ((n = read(STDIN_FILENO, &byte, 1)) < 0 && errno == EINTR)
        ;
    return n == 1 ? byte : -1;
}

void console_hold(struct console *c, bool held) { c->hold = held; }

bool console_line(struct console *c, const char *prompt, char *buf, size_t n)
{
    size_t len = 0;
    int byte;
    console_flush(c);
    go_cooked(c);
    printf("%s", prompt);
    fflush(stdout);
    while ((byte = one_byte(c)) >= 0 && byte != '\n')
        if (byte != '\r' && len + 1 < n)
            buf[len++] = (char)byte;
    buf[len] = 0;
    return byte >= 0 || len;
}

int console_fd(const struct console *c) { return c->eof ? -1 : c->in >= 0 ? c->in : c->listener; }
bool console_is_stdio(const struct console *c) { return c->stdio; }
bool console_alive(const struct console *c) { return !c->eof; }
int console_take(struct console *c) { return c->in_pos < c->in_len ? c->input[c->in_pos++] : -1; }
bool console_pending(const struct console *c) { return c->in_pos < c->in_len; }
bool console_is_tty(const struct console *c) { return c->tty; }
bool console_at_line_start(const struct console *c) { return c->fresh_line; }
