/* Capstone, opened when an instruction is to be shown: to load it takes a millisecond and 3 MB, and few runs show any.
 */
#pragma once
#include <capstone/capstone.h>

#include "core/types.h"

#define CAPSTONE_STRING(x)    #x
#define CAPSTONE_NAMED(major) "libcapstone.so." CAPSTONE_STRING(major)
/* The library that the headers belong to. */
#define CAPSTONE_LIBRARY CAPSTONE_NAMED(CS_API_MAJOR)

#define CAPSTONE_FUNCTIONS(X) X(open) X(option) X(disasm) X(free) X(close)

struct capstone { /* cs_open() and so on */
#define X(name) __typeof__(&cs_##name) name;
    CAPSTONE_FUNCTIONS(X)
#undef X
};

/* The library stays where it is. Any thread may ask. False: it is not there. */
bool capstone_load(struct capstone *cs);
