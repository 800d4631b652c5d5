/* Prototypes of all exec functions, made from the tables; every exec_*.c includes this. */
#pragma once
#include "cpu/a64.h"

a64_exec exec_fetch;     /* the slot was not decoded yet: decode it and execute the result */
a64_exec exec_undefined; /* unallocated or disabled encodings */
#define A64(name, picture, feat, imm, flags, fn) a64_exec exec_##fn;
#include "cpu/a64.def"
#undef A64
