/* The guest's serial console on standard input and output. */
#pragma once
#include "core/types.h"

struct console;
struct pl011;

/* What the user asked for with a Ctrl-A command, or what happened to the streams. */
enum console_event { CONSOLE_NOTHING, CONSOLE_QUIT, CONSOLE_OUTPUT_GONE };

/* in, out: file descriptors (in may be -1). On a terminal the escape character is active and the
 * terminal goes raw between console_start() and console_free(). escapes: also when it is none. */
struct console *console_new(int in, int out, bool escapes);
/* Raw mode on a terminal. A small guardian process puts the terminal back even when Elara is killed. */
void console_start(struct console *c);
/* Flushes, restores the terminal. */
void console_free(struct console *c);
void console_attach(struct console *c, struct pl011 *uart);
/* Calls matched at the byte of the output that completes text. A few texts can be watched. */
void console_watch(struct console *c, const char *text, void (*matched)(void *arg), void *arg);

/* The UART's transmit callback (arg: the console). */
void console_put(void *arg, u8 byte);
/* Moves input to the UART, writes output out; between slices only. */
enum console_event console_poll(struct console *c);
void console_flush(struct console *c);
/* The descriptor to wait for when input is wanted, -1: none. */
int console_fd(const struct console *c);
/* Can input still arrive? */
bool console_alive(const struct console *c);
bool console_is_tty(const struct console *c);
/* Is the cursor at the start of a line? (So that our own messages begin on a fresh one.) */
bool console_at_line_start(const struct console *c);
