/* What the JIT does, for who wants to make it faster: counters, a map for perf, a listing. */
#pragma once
#include "core/types.h"

struct code_cache;
struct jit_report;

/* Looks at the JIT of the CPUs that share code, none of which may have run. perf_map: each piece of generated code
 * becomes a symbol in /tmp/perf-PID.map. dump: the file that gets each block, guest and host instructions; NULL: none.
 * NULL: a file cannot be written; *bad is its name and errno says why. */
struct jit_report *jit_report_new(struct code_cache *code, bool perf_map, const char *dump, char bad[128]);
void jit_report_print(const struct jit_report *r); /* to stderr */
/* False: a file could not be written; as above. r may be NULL. The JIT must be gone. */
bool jit_report_free(struct jit_report *r, char bad[128]);
