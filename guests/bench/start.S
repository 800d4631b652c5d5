/* Entry at EL2 (a start at EL1 has no world switches to measure and ends), vectors, calls to EL1.
 *
 * HVC #0 returns at once, #1 ends call_el1(), #2 switches to the other guest (world.c); x16 and x17 are the handlers'. */
        .section .start, "ax"
        .globl _start
_start: mrs     x0, CurrentEL
        cmp     x0, #8
        b.ne    9f
        ldr     x0, =stack_top
        mov     sp, x0
        adr     x0, vectors_el2
        msr     vbar_el2, x0
        mov     x0, #1 << 31            /* RW */
        msr     hcr_el2, x0
        msr     cptr_el2, xzr
        mov     x0, #3 << 20            /* FPEN */
        msr     cpacr_el1, x0
        adr     x0, vectors_el1
        msr     vbar_el1, x0
        isb
        bl      main
9:      movz    x0, #0x8400, lsl #16    /* SYSTEM_OFF */
        movk    x0, #8
        smc     #0
8:      wfi
        b       8b

/* call_el1(fn): runs fn at EL1 with a stack of its own. */
        .globl  call_el1
call_el1:
        stp     x29, x30, [sp, #-96]!
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        ldr     x1, =stack_el1
        msr     sp_el1, x1
        mov     x1, #0x3c5              /* EL1h, all masked */
        msr     spsr_el2, x1
        msr     elr_el2, x0
        adr     x30, 1f
        eret
1:      hvc     #1
back_el2:
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     x29, x30, [sp], #96
        ret

        .macro  vector to
        .balign 128
        b       \to
        .endm

        .balign 2048
vectors_el2:
        .rept   8
        vector  bad
        .endr
        .balign 128
        mrs     x16, esr_el2
        and     x17, x16, #0xffff
        lsr     x16, x16, #26
        cmp     x16, #0x16              /* HVC */
        b.ne    bad
        cbnz    x17, 1f
        eret
1:      cmp     x17, #1
        b.eq    back_el2
        b       world_switch
        .rept   7
        vector  bad
        .endr

        .balign 2048
vectors_el1:
        .rept   4
        vector  bad
        .endr
        .balign 128
        mrs     x16, esr_el1
        lsr     x16, x16, #26
        cmp     x16, #0x15              /* SVC */
        b.ne    bad
        eret
        .rept   11
        vector  bad
        .endr

/* Leaves the guest, as a hypervisor does whose own EL1 is another world: general registers to memory, EL1's registers
 * exchanged, stage 2 off; then the same back into the other guest. */
world_switch:
        sub     sp, sp, #256
        stp     x0, x1, [sp]
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x18, x19, [sp, #128]
        stp     x20, x21, [sp, #144]
        stp     x22, x23, [sp, #160]
        stp     x24, x25, [sp, #176]
        stp     x26, x27, [sp, #192]
        stp     x28, x29, [sp, #208]
        str     x30, [sp, #224]
        bl      world_exchange
        ldp     x0, x1, [sp]
        ldp     x2, x3, [sp, #16]
        ldp     x4, x5, [sp, #32]
        ldp     x6, x7, [sp, #48]
        ldp     x8, x9, [sp, #64]
        ldp     x10, x11, [sp, #80]
        ldp     x12, x13, [sp, #96]
        ldp     x14, x15, [sp, #112]
        ldp     x18, x19, [sp, #128]
        ldp     x20, x21, [sp, #144]
        ldp     x22, x23, [sp, #160]
        ldp     x24, x25, [sp, #176]
        ldp     x26, x27, [sp, #192]
        ldp     x28, x29, [sp, #208]
        ldr     x30, [sp, #224]
        add     sp, sp, #256
        eret

bad:    mrs     x0, CurrentEL
        cmp     x0, #8
        b.eq    1f
        mrs     x0, esr_el1
        mrs     x1, elr_el1
        mrs     x2, far_el1
        b       failed
1:      mrs     x0, esr_el2
        mrs     x1, elr_el2
        mrs     x2, far_el2
        b       failed

/* What calls go to. */
        .globl  leaf
leaf:   ret
