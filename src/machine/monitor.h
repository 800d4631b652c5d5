/* The monitor: a few commands to look at a stopped machine. */
#pragma once
#include "machine/machine.h"

/* Reads commands until one of them ends the monitor: STOP_NONE: the guest shall run on; STOP_QUIT; or what stopped
 * the machine in a step. */
enum stop monitor_run(struct machine *m);
