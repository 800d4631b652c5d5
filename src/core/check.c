/* Internal errors: report and abort (exit status 120 is set by the program's SIGABRT handler). */
#include "core/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "elara: internal error at %s:%d: %s\n", file, line, what);
    abort();
}
