/* Prototypes of the AArch32 exec functions, made from the tables. */
#pragma once
#include "cpu/aa32.h"

#define A64(name, picture, feat, imm, flags, fn) a64_exec exec_##fn;
#include "cpu/a32_int.def"
#define SIMD(name, picture, feat, a, b, kind) A64(name, picture, feat, IMM_NEON, A64_V | SIMD_UNCOND(picture), a32_simd)
#include "cpu/a32_simd.def"
#undef SIMD
#include "cpu/t16_int.def"
#include "cpu/t32_int.def"
#undef A64
