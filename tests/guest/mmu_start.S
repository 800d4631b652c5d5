// Bare-metal frame of the translation test: entry at EL2, exceptions of the code under test.
    .section .start, "ax"
    .global _start
_start:
    adrp    x0, stack_top
    add     x0, x0, :lo12:stack_top
    mov     sp, x0
    adrp    x0, el2_vectors
    add     x0, x0, :lo12:el2_vectors
    msr     vbar_el2, x0
    isb
    bl      main
off:
    movz    x0, #0x0008
    movk    x0, #0x8400, lsl #16       // PSCI SYSTEM_OFF
    smc     #0
    b       off

// u64 run_guest(u64 pc, u64 spsr, u64 x0, u64 x1, u64 *x0_after): executes at a lower EL until an exception
// reaches EL2; returns ESR_EL2.
    .text
    .global run_guest
run_guest:
    stp     x29, x30, [sp, #-112]!
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    str     x4, [sp, #96]
    adrp    x9, saved_sp
    mov     x10, sp
    str     x10, [x9, :lo12:saved_sp]
    msr     elr_el2, x0
    msr     spsr_el2, x1
    mov     x0, x2
    mov     x1, x3
    isb
    eret
came_back:
    adrp    x9, saved_sp
    ldr     x10, [x9, :lo12:saved_sp]
    mov     sp, x10
    ldr     x4, [sp, #96]
    str     x0, [x4]
    mrs     x0, esr_el2
    ldp     x19, x20, [sp, #16]
    ldp     x21, x22, [sp, #32]
    ldp     x23, x24, [sp, #48]
    ldp     x25, x26, [sp, #64]
    ldp     x27, x28, [sp, #80]
    ldp     x29, x30, [sp], #112
    ret

    .balign 2048
el2_vectors:
    .rept 8
    .balign 128
    b       broken
    .endr
    .balign 128
    b       came_back
    .rept 7
    .balign 128
    b       broken
    .endr
broken:                                 // an exception at EL2 itself
    mrs     x0, esr_el2
    mrs     x1, elr_el2
    mrs     x2, far_el2
    b       report_broken

// The page that the guest's TTBR1 maps: vectors of EL1, then the accesses under test.
    .balign 4096
    .global stub
stub:
    .rept 16
    .balign 128
    hvc     #2
    .endr
    .balign 2048
    .macro access insn:vararg           // 16 bytes each
    \insn
    hvc     #1
    svc     #1
    nop
    .endm
    access  ldr x0, [x1]
    access  str x0, [x1]
    access  ldtr x0, [x1]
    access  sttr x0, [x1]
    access  br x1
    access  ldrb w0, [x1]
    access  ldxr x0, [x1]
    access  ldr w0, [x1, #1]
    .balign 4096

    .bss
    .balign 16
    .skip   8192
stack_top:
saved_sp:
    .skip   8
