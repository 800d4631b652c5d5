// Bare-metal frame of the exception test: entry at EL3 from flash, vectors of all ELs, code under test.
#include "bare.inc"
    .section .start, "ax"
    .global _start
_start:
    to_ram
    ldr     x1, =stack_top
    mov     sp, x1
    ldr     x1, =el3_vectors
    msr     vbar_el3, x1
    isb
    bl      main
9:  wfi
    b       9b

// void run(struct probe *): enters p->spsr's EL at p->pc until an exception reaches EL3.
//   0 pc, 8 spsr, 16 x0, 24 x1, 32 vector of the last exception, 40 vector of EL1 or EL2 before it
    .text
    .global run
run:
    leave_c
    ldp     x3, x5, [x0]
    ldp     x0, x1, [x0, #16]
    mov     x17, #0
    msr     elr_el3, x3
    msr     spsr_el3, x5
    ldr     x2, =lower_sp
    msr     sp_el1, x2
    msr     sp_el2, x2
    msr     sp_el0, x1
    isb
    eret
came_back:
    back_in_c
    stp     x0, x1, [x9, #16]
    stp     x16, x17, [x9, #32]
    return_to_c

    .balign 2048
el3_vectors:
    .set    vector, 0
    .rept 16
    .balign 128
    mov     x16, #vector
    b       came_back
    .set    vector, vector + 0x80
    .endr
    .balign 2048
    .global lower_vectors
lower_vectors:
    .set    vector, 0
    .rept 16
    .balign 128
    mov     x17, #vector + 1
    smc     #2
    .set    vector, vector + 0x80
    .endr

// The code under test, 32 bytes each.
    .balign 4096
    .global stub
stub:
    .macro code a:vararg
    .balign 32
    \a
    svc     #1
    .endm
    code    nop                         // 0
    code    mrs x0, isr_el1
    code    hvc #5
    code    smc #6
    code    brk #7                      // 4
    .balign 32
    .inst   0x00000001                  // UDF
    svc     #1
    .balign 32
    esb                                 // 6
    svc     #1
    .balign 32
    msr     daifclr, #15                // 7
    nop
    svc     #1
    code    ldr x0, [sp]                // 8
    code    br x1
    code    fmov d0, xzr                // 10
    code    eret
    .balign 32
    mrs     x0, daif                    // 12
    mrs     x1, spsel
    orr     x0, x0, x1
    mrs     x1, currentel
    orr     x0, x0, x1
    svc     #1
    .balign 32
    msr     daifset, #15                // 13
    esb
    msr     daifclr, #4
    nop
    svc     #1
    .balign 32
    svc     #3                          // 14: where an ERET of the code under test leads
    svc     #3
    .balign 4096

    .bss
    .balign 16
    .skip   8192
stack_top:
saved_sp:
    .skip   8
    .balign 16
    .skip   256
lower_sp:
    .skip   256
