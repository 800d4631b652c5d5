// Bare-metal frame of the translation test: entry at EL3 from flash, the page of code under test, the way back.
#include "bare.inc"
    .section .start, "ax"
    .global _start
_start:
    to_ram
    ldr     x1, =stack_top
    mov     sp, x1
    ldr     x1, =el3_vectors
    msr     vbar_el3, x1
    msr     cptr_el3, xzr
    isb
    bl      main
9:  wfi
    b       9b

// void run(struct probe *): enters p->spsr's EL at p->pc, or EL3's stub, until an exception reaches EL3.
//   0 pc, 8 spsr, 16 x0, 24 x1, 32 sctlr_el3 (0: lower EL)
    .text
    .global run
run:
    movi    v0.2d, #0
    leave_c
    ldp     x3, x5, [x0]
    ldr     x2, [x0, #32]
    ldp     x0, x1, [x0, #16]
    cbnz    x2, 1f
    msr     elr_el3, x3
    msr     spsr_el3, x5
    mov     x2, x0
    isb
    eret
1:  mrs     x4, sctlr_el3               // the probe is EL3's own
    adrp    x6, stub
    add     x7, x6, #0x800
    msr     vbar_el3, x7
    adr     x5, own
    isb
    add     x7, x6, #0xc00
    mov     x6, x0
    br      x7
own:
    ldr     x5, =el3_vectors
    msr     vbar_el3, x5
    isb
came_back:
    back_in_c
    stp     x0, x1, [x9, #16]
    return_to_c

    .balign 2048
el3_vectors:
    .rept 8
    .balign 128
    b       broken
    .endr
    .rept 4
    .balign 128
    b       came_back
    .endr
    .rept 4
    .balign 128
    b       broken
    .endr
broken:                                 // an exception of EL3's own code
    mrs     x0, esr_el3
    mrs     x1, elr_el3
    mrs     x2, far_el3
    b       report_broken

// The page that every regime maps: vectors of EL1 and EL2; vectors of EL3 while it runs there; accesses.
    .balign 65536
    .global stub
stub:
    .rept 16
    .balign 128
    smc     #2
    .endr
    .balign 2048
    .rept 8
    .balign 128
    msr     sctlr_el3, x4
    isb
    br      x5
    .endr
    .balign 1024
    // 0xc00: EL3's way in
    msr     sctlr_el3, x2
    isb
    mov     x2, x6
    br      x3
    .macro access a:vararg              // 16 bytes each, 0xc10 on
    .balign 16
    \a
    svc     #1
    .endm
    access  ldr x0, [x1]                // 0
    access  str x0, [x1]
    access  ldtr x0, [x1]
    access  sttr x0, [x1]
    access  br x1                       // 4
    access  ldrb w0, [x1]
    access  ldxr x0, [x1]
    access  ldr w0, [x1, #1]
    access  ldadd xzr, x0, [x1]         // 8
    access  cas x0, x2, [x1]
    .balign 16
    ldxr    x0, [x1]
    stxr    w3, x0, [x1]
    svc     #1
    access  ldp x0, xzr, [x1]           // 11
    access  str q0, [x1]
    access  ldrsw x0, [x1]
    access  strh wzr, [x1]              // 14
    access  ldar x0, [x1]
    access  stlr w2, [x1]
    access  ldrsb w0, [x1]
    access  dc zva, x1                  // 18
    access  dc cvac, x1
    access  dc ivac, x1
    access  ldr x0, [x1], #8            // 21
    access  prfm pldl1keep, [x1]
    access  ldtrsb x0, [x1]
    access  ldapr x0, [x1]              // 24
    access  ldur x0, [x1, #-3]
    access  stur x0, [x1, #-3]
    .balign 16
    at      s1e1r, x1                   // 27
    isb
    mrs     x0, par_el1
    svc     #1
    access  ldclral wzr, wzr, [x1]
    access  swpb w2, w0, [x1]
    access  sttrh w2, [x1]              // 30
    access  ldr q0, [x1]
    .balign 16
    at      s1e3r, x1                   // 32: the ATs of EL3's own regime
    svc     #1
    access  at s1e3w, x1
    .balign 65536

    .bss
    .balign 16
    .skip   8192
stack_top:
saved_sp:
    .skip   8
