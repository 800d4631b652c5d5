#include "debug/capstone.h"

#include <dlfcn.h>

bool capstone_load(struct capstone *cs)
{
    void *library = dlopen(CAPSTONE_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool ok = library != NULL;
#define X(name)                                                                                                        \
    *(void **)(&cs->name) = ok ? dlsym(library, "cs_" #name) : NULL;                                                   \
    ok = ok && cs->name;
    CAPSTONE_FUNCTIONS(X)
#undef X
    return ok;
}
