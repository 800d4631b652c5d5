/* The guest's serial console: standard input and output, a pty, a socket or a file. */
#pragma once
#include "machine/err.h"

struct console;

/* The device behind a console. */
struct console_sink {
    unsigned (*take)(void *arg, const u8 *bytes, unsigned n); /* input: how many bytes it took */
    void (*send_break)(void *arg);                            /* NULL: it has none */
    void *arg;
};

/* What the user asked for with a Ctrl-A command, or what happened to the streams. */
enum console_event { CONSOLE_NOTHING, CONSOLE_QUIT, CONSOLE_MONITOR, CONSOLE_OUTPUT_GONE };

/* in, out: file descriptors (in may be -1). On a terminal the escape character is active and the
 * terminal goes raw between console_start() and console_free(). escapes: also when it is none. */
struct console *console_new(int in, int out, bool escapes);
/* Where spec says: stdio, none, pty, file:PATH, unix:PATH or tcp:[HOST]:PORT (a server for one peer at a time), with
 * ",nowait" not to wait for the first peer, ",connect" to be the client. NULL: e. */
struct console *console_open(const char *spec, bool escapes, struct err *e);
/* Raw mode on a terminal. A small guardian process puts the terminal back even when Elara is killed. */
void console_start(struct console *c);
/* Flushes, restores the terminal. */
void console_free(struct console *c);
void console_attach(struct console *c, struct console_sink sink);
/* Calls matched at the byte of the output that completes text. A few texts can be watched. */
void console_watch(struct console *c, const char *text, void (*matched)(void *arg), void *arg);

/* The device's transmit callback (arg: the console). */
void console_put(void *arg, u8 byte);
/* Moves input to the device, writes output out; between slices only. */
enum console_event console_poll(struct console *c);
void console_flush(struct console *c);
/* The descriptor to wait for when input is wanted, -1: none. */
int console_fd(const struct console *c);
/* Can input still arrive? */
bool console_alive(const struct console *c);
/* The next byte of the input that the device did not take yet, -1: there is none. */
int console_take(struct console *c);
/* Is there input that the device did not take yet? */
bool console_pending(const struct console *c);
bool console_is_tty(const struct console *c);
/* Is it on the standard streams, which our own messages share? */
bool console_is_stdio(const struct console *c);
/* Is the cursor at the start of a line? (So that our own messages begin on a fresh one.) */
bool console_at_line_start(const struct console *c);

/* While held, input stays where it is: the monitor executes single instructions. */
void console_hold(struct console *c, bool held);
/* A line of the monitor's input, without its newline; the terminal edits it. False: the input is at its end. */
bool console_line(struct console *c, const char *prompt, char *buf, size_t n);
