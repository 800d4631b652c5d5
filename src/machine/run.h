/* Running a configuration from start to exit status: what both programs share. */
#pragma once
#include "machine/config.h"

/* Builds, announces, runs, reports. The result is the process's exit status. */
int run_config(struct config *c);
/* Prints the message with the program's name before each first line. */
void run_complain(const struct config *c, const struct err *e);
