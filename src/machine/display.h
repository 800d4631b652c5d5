/* A window on the host with the machine's screen, its keyboard and pointer (SDL2, loaded when it is asked for). */
#pragma once
#include "machine/machine.h"

struct display;

/* NULL and a message when there can be no window. */
struct display *display_open(struct machine *m, struct err *e);
/* Takes the window's events and shows the screen anew, when it is time to. False: the user closed the window. Between
 * slices only. */
bool display_poll(struct display *d);
/* After machine_free(); d may be NULL. */
void display_close(struct display *d);
