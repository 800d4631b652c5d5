/* Names that depend on the level the image runs at: LEVEL is 1, 2 or 3 (EL2 with HCR_EL2.E2H, where the EL1 names
 * mean EL2's registers); offsets of struct context for the assembler. */
#pragma once
#if LEVEL == 2
#define R(name) name##_el2
#else
#define R(name) name##_el1
#endif

#define CTX_SP      248
#define CTX_SP0     256
#define CTX_HARNESS 264
#define CTX_PC      272 /* and SPSR */
#define CTX_FPSR    288 /* and FPCR */
#define CTX_V       304
