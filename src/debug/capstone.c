#include "debug/capstone.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include "core/types.h"

static struct capstone functions;
static bool there;

static void load(void)
{
    void *library = dlopen(CAPSTONE_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    there = library != NULL;
#define X(name)                                                                                                        \
    *(void **)(&functions.name) = there ? dlsym(library, "cs_" #name) : NULL;                                          \
    there = there && functions.name;
    CAPSTONE_FUNCTIONS(X)
#undef X
    if (!there)
        fprintf(stderr, "elara: instructions are shown by name and word only: %s; install libcapstone%d\n", dlerror(),
                CS_API_MAJOR);
}

const struct capstone *capstone(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return there ? &functions : NULL;
}
