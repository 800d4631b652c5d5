/* qemu-system-aarch64's command line, translated. */
#pragma once
#include "machine/config.h"

/* Fills c from the words after the program's name. What does not exist here is refused by its name. */
bool qemu_parse(struct config *c, int argc, char **argv, struct err *e);
/* Prints the configuration as an elara command line. */
void qemu_show_native(const struct config *c);
