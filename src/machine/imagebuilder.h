/* ImageBuilder configuration files (the input of its uboot-script-gen): Xen with its domains. */
#pragma once
#include "machine/config.h"

/* Reads the file into c->xen, dom0 and domus; file names are relative to the file's directory. A mistake is named
 * with file and line. */
bool imagebuilder_read(struct config *c, const char *path, struct err *e);
