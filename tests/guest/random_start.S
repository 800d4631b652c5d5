// Bare-metal frame of the random instructions (random_main.c): entry at EL2, vectors, in and out of a block.
#include "random_level.h"

// Pairs n, n + 1 of the context at x0.
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

    .section .start, "ax"
    .global _start
_start:
    adrp    x9, stack_top
    add     x9, x9, :lo12:stack_top
#if LEVEL == 1
    msr     sp_el1, x9
    mov     x0, #0x3c5
    msr     spsr_el2, x0
    bl      prepare_el2
    adrp    x0, at_level
    add     x0, x0, :lo12:at_level
    msr     elr_el2, x0
    isb
    eret
#else
    mov     sp, x9
    bl      prepare_el2
    isb
#endif
at_level:
#ifdef __AARCH64EB__                   // before the first word of data is touched
    mrs     x0, R(sctlr)
    orr     x0, x0, #1 << 25
    msr     R(sctlr), x0
    isb
#endif
    bl      enable_mmu                 // returns the offset of the high mapping
    mov     x1, sp
    add     sp, x1, x0
    adrp    x2, main
    add     x2, x2, :lo12:main
    add     x2, x2, x0
    adrp    x3, vectors
    add     x3, x3, :lo12:vectors
    add     x3, x3, x0
    msr     R(vbar), x3
    isb
    br      x2

// void run_block(struct context *): returns when the block has ended.
    .text
    .global run_block
run_block:
    sub     sp, sp, #96
    stp     x19, x20, [sp]
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    mov     x1, sp
    str     x1, [x0, #CTX_HARNESS]
    .irp    n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
    vpair   ldp, \n
    .endr
    ldp     x1, x2, [x0, #CTX_FPSR]
    msr     fpsr, x1
    msr     fpcr, x2
    ldr     x1, [x0, #CTX_SP0]
    msr     sp_el0, x1
resume:                                // x0 = context
    ldp     x1, x2, [x0, #CTX_PC]
    msr     R(elr), x1
    msr     R(spsr), x2
    ldr     x1, [x0, #CTX_SP]
    mov     sp, x1
    .irp    n, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28
    xpair   ldp, \n
    .endr
    ldr     x30, [x0, #240]
    ldp     x0, x1, [x0]
    eret

entry:
    msr     tpidr_el1, x0
    adrp    x0, context
    add     x0, x0, :lo12:context
    .irp    n, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28
    xpair   stp, \n
    .endr
    str     x30, [x0, #240]
    mrs     x2, tpidr_el1
    stp     x2, x1, [x0]
    mov     x1, sp
    str     x1, [x0, #CTX_SP]
    mrs     x1, R(elr)
    mrs     x2, R(spsr)
    stp     x1, x2, [x0, #CTX_PC]
    ldr     x1, [x0, #CTX_HARNESS]
    mov     sp, x1
    mrs     x1, R(esr)
    mrs     x2, R(far)
    bl      took_exception
    mov     x1, x0
    adrp    x0, context
    add     x0, x0, :lo12:context
    cbz     x1, resume
    mrs     x1, fpsr
    mrs     x2, fpcr
    stp     x1, x2, [x0, #CTX_FPSR]
    mrs     x1, sp_el0
    str     x1, [x0, #CTX_SP0]
    .irp    n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
    vpair   stp, \n
    .endr
    ldp     x19, x20, [sp]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    add     sp, sp, #96
    ret

    .balign 2048
vectors:
    .rept   16
    .balign 128
    b       entry
    .endr

    .section .blocks, "a"
    .balign 4096
    .global blocks
blocks:
    .incbin BLOCKS

    .bss
    .balign 16
    .skip   16384
stack_top:
