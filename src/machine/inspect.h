/* Offline helpers: what is this file, what does this value mean. */
#pragma once
#include "machine/err.h"

/* Prints what path is, as the loader sees it. */
bool inspect_file(const char *path, struct err *e);
/* "esr VALUE": prints the exception class and syndrome in words; "sysreg VALUE": the register's name. */
bool inspect_decode(const char *kind, const char *value, struct err *e);
