/* The block JIT: an engine like the interpreter, with the same counts, recognition points and state.
 *
 * Blocks are translated from the decoded pages of cpu/code.h; an instruction without an emitter is a call of its exec
 * function. */
#pragma once
#include "cpu/cpu.h"

extern const struct engine engine_jit;

/* Does the host have what generated code needs (AVX2, BMI1, BMI2, LZCNT, POPCNT)? NULL: yes, else what is missing. */
const char *jit_missing(void);
