/* Our own bugs: CHECK aborts with place and condition; it stays in release builds. */
#pragma once
#include "core/types.h"

_Noreturn void check_failed(const char *file, int line, const char *what);

#define CHECK(cond)                                                                                                    \
    do {                                                                                                               \
        if (UNLIKELY(!(cond)))                                                                                         \
            check_failed(__FILE__, __LINE__, #cond);                                                                   \
    } while (0)

/* A place that is never reached. */
#define CHECK_NEVER(what) check_failed(__FILE__, __LINE__, what)
