/* What emit_mem.c (single accesses) and mem_group.c (several with one check) share. */
#pragma once
#include "jit/internal.h"

static inline bool writes_back(unsigned mode) { return mode == MODE_POST || mode == MODE_PRE; }

/* Where h's number is, from R_CONST. */
static inline s32 mem_held_disp(const struct translation *t, const struct held *h)
{
    return (s32)offsetof(struct jit_shared, held) + 8 * (s32)(h - t->held);
}

/* The access is at the VA in register va, + disp. Leaves rdx = host - VA. */
void mem_check(struct translation *t, unsigned va, s32 disp, s32 tags, unsigned size, bool aligned);
/* At va + rdx + disp; va is rdx: at rdx + disp. Of a pair t->e says the rest. */
void mem_load(struct translation *t, unsigned what, unsigned scale, unsigned host, unsigned va, s32 disp);
void mem_store(struct translation *t, unsigned scale, unsigned host, unsigned va, s32 disp);
void mem_load_pair(struct translation *t, const struct op *o, unsigned va, s32 disp);
/* The register with what is stored from r. */
unsigned mem_source(struct translation *t, unsigned r);
