/* The serial console: bytes between the PL011 and the host's standard streams.
 *
 * Input is read only between slices, output is written then too, so that what the guest computes never
 * depends on host time within a slice. On a terminal: raw mode, Ctrl-A commands. The terminal is
 * restored on every way out: by console_free(), or by a guardian process that notices our end. */
#include "machine/console.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "core/check.h"
#include "devices/pl011.h"

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
    bool tty, escapes, escaped, eof, gone, quit, raw, fresh_line;
    struct pl011 *uart;
    struct termios saved;
    pid_t guardian;
    int guardian_pipe;
    u8 input[IN_SIZE];
    unsigned in_pos, in_len;
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
    c->eof = in < 0;
    c->tty = in >= 0 && isatty(in) && tcgetattr(in, &c->saved) == 0;
    c->escapes = escapes || c->tty;
    c->guardian_pipe = -1;
    c->fresh_line = true;
    return c;
}

/* Waits for the end of its parent (the pipe's other end closes) and restores the terminal. */
static void guard(struct console *c)
{
    int p[2];
    if (pipe(p) != 0)
        return;
    c->guardian = fork();
    if (c->guardian == 0) {
        char byte;
        close(p[1]);
        sigset_t all;
        sigfillset(&all); /* also SIGTTOU: it may be in the background by then */
        sigprocmask(SIG_BLOCK, &all, NULL);
        while (read(p[0], &byte, 1) < 0 && errno == EINTR)
            ;
        tcsetattr(c->in, TCSANOW, &c->saved);
        _exit(0);
    }
    close(p[0]);
    c->guardian_pipe = p[1];
}

void console_start(struct console *c)
{
    if (!c->tty)
        return;
    guard(c);
    struct termios t = c->saved;
    cfmakeraw(&t);
    t.c_oflag |= OPOST; /* our own messages use plain newlines */
    c->raw = tcsetattr(c->in, TCSANOW, &t) == 0;
}

void console_free(struct console *c)
{
    if (!c)
        return;
    console_flush(c);
    if (c->raw)
        tcsetattr(c->in, TCSADRAIN, &c->saved);
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

void console_attach(struct console *c, struct pl011 *uart) { c->uart = uart; }

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
    for (unsigned at = 0; at < c->out_len && !c->gone;) {
        ssize_t n = write(c->out, c->output + at, c->out_len - at);
        if (n >= 0) {
            at += (unsigned)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = c->out, .events = POLLOUT};
            poll(&p, 1, -1);
        } else if (errno != EINTR) {
            c->gone = true;
        }
    }
    c->out_len = 0;
}

static void help(struct console *c)
{
    static const char text[] = "\r\nCtrl-A X  quit\r\nCtrl-A H  this help\r\nCtrl-A B  send a break\r\n"
                               "Ctrl-A Ctrl-A  send Ctrl-A\r\n";
    for (unsigned i = 0; i < sizeof text - 1; i++)
        c->output[c->out_len < OUT_SIZE ? c->out_len++ : 0] = (u8)text[i];
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
    case 'X': c->quit = true; return false;
    case 'h':
    case 'H':
    case '?': help(c); return false;
    case 'b':
    case 'B': pl011_break(c->uart); return false;
    default: return byte == ESCAPE;
    }
}

static void read_input(struct console *c)
{
    struct pollfd p = {.fd = c->in, .events = POLLIN};
    if (c->eof || c->in_pos < c->in_len || poll(&p, 1, 0) <= 0)
        return;
    u8 raw[IN_SIZE];
    ssize_t n = read(c->in, raw, sizeof raw);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        c->eof = true;
        return;
    }
    c->in_pos = c->in_len = 0;
    for (ssize_t i = 0; i < n; i++)
        if (filter(c, raw[i]))
            c->input[c->in_len++] = raw[i];
}

enum console_event console_poll(struct console *c)
{
    read_input(c);
    if (c->uart && c->in_pos < c->in_len) {
        unsigned n = pl011_room(c->uart);
        if (n > c->in_len - c->in_pos)
            n = c->in_len - c->in_pos;
        if (n)
            pl011_input(c->uart, c->input + c->in_pos, n);
        c->in_pos += n;
    }
    if (c->out_len)
        console_flush(c);
    return c->quit ? CONSOLE_QUIT : c->gone ? CONSOLE_OUTPUT_GONE : CONSOLE_NOTHING;
}

int console_fd(const struct console *c) { return c->eof ? -1 : c->in; }
bool console_alive(const struct console *c) { return !c->eof; }
bool console_is_tty(const struct console *c) { return c->tty; }
bool console_at_line_start(const struct console *c) { return c->fresh_line; }
