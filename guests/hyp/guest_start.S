// A guest's first instructions and its exception vectors.

        .section .start, "ax"
        .global _start
_start:
        ldr     x0, =stack_top
        mov     sp, x0
        ldr     x0, =vectors
        msr     vbar_el1, x0
        isb
        bl      stage1_on
        bl      guest_main
1:      mov     x0, #0x0008             // PSCI SYSTEM_OFF: a virtual machine's power switch is a hypercall
        movk    x0, #0x8400, lsl #16
        hvc     #0
        b       1b

        .macro  save                    // what C may change
        sub     sp, sp, #192
        stp     x0, x1, [sp]
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        stp     x18, x30, [sp, #144]
        mrs     x0, elr_el1
        mrs     x1, spsr_el1
        stp     x0, x1, [sp, #160]
        .endm

        .text
        .balign 2048
vectors:
        .rept   4                       // from EL1 with SP_EL0, which is not used
        .balign 128
        b       .
        .endr
        .balign 128
        b       on_fault
        .balign 128
        b       on_irq
        .rept   10
        .balign 128
        b       .
        .endr

on_irq: save
        bl      irq
        b       restore

on_fault:
        save
        mrs     x2, elr_el1
        mrs     x0, esr_el1
        mrs     x1, far_el1
        bl      fault
        str     x0, [sp, #160]

restore:
        ldp     x0, x1, [sp, #160]
        msr     elr_el1, x0
        msr     spsr_el1, x1
        ldp     x0, x1, [sp]
        ldp     x2, x3, [sp, #16]
        ldp     x4, x5, [sp, #32]
        ldp     x6, x7, [sp, #48]
        ldp     x8, x9, [sp, #64]
        ldp     x10, x11, [sp, #80]
        ldp     x12, x13, [sp, #96]
        ldp     x14, x15, [sp, #112]
        ldp     x16, x17, [sp, #128]
        ldp     x18, x30, [sp, #144]
        add     sp, sp, #192
        eret

        .bss
        .balign 16
        .skip   4096
stack_top:
