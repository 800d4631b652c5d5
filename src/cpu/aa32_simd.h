/* Advanced SIMD and floating-point instructions of A32 and T32 (aa32_simd.c). */
#pragma once
#include "cpu/aa32.h"

/* The A64 instructions that do the work of word, of A32 row number row with the rule IMM_NEON. False: UNDEFINED. */
bool aa32_simd_decode(const struct decoder *a64, u32 word, unsigned row, struct aa32_insn *out);

/* What exec_a32_simd() does besides. */
enum { SIMD_STANDARD = 1, SIMD_PERM = 2, SIMD_NEG_D = 4, SIMD_FLAGS = 8, SIMD_FROM_INT = 16, SIMD_TO_INT = 32, SIMD_CUR_ROUND = 64, SIMD_TOP = 128 };
