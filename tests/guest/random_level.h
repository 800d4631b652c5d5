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

#ifdef __ASSEMBLER__
/* Pairs n, n + 1 of the context at x0. */
    .macro pair2 op, bank, at, n0, n1
    \op     \bank\n0, \bank\n1, [x0, #\at]
    .endm
    .altmacro
    .macro vpair op, n
    pair2   \op, q, %(CTX_V + 16 * \n), \n, %(\n + 1)
    .endm
    .macro xpair op, n
    pair2   \op, x, %(8 * \n), \n, %(\n + 1)
    .endm
#endif
