/* Entry at EL1, EL2 or EL3, and calls to EL1 from above. Stacks are at fixed places in RAM; an image that starts in
 * flash copies itself to where it is linked. */
        .global _start, call_lower
        .section .start, "ax"
_start:
        mrs     x9, mpidr_el1
        and     x9, x9, #0xff
        cbnz    x9, 9f
        adr     x0, _start
        ldr     x1, =_start
        cmp     x0, x1
        b.eq    2f
        mov     x2, #0x8000
1:      ldp     x3, x4, [x0], #16
        stp     x3, x4, [x1], #16
        subs    x2, x2, #16
        b.ne    1b
        dsb     sy
        ic      iallu
        dsb     sy
        isb
        ldr     x1, =_start
        br      x1
2:      ldr     x1, =0x40300000
        mov     sp, x1
        adr     x1, vectors
        mrs     x2, CurrentEL
        cmp     x2, #12
        b.ne    3f
        msr     vbar_el3, x1
        msr     cptr_el3, xzr
3:      cmp     x2, #8
        b.ne    4f
        msr     vbar_el2, x1
        mov     x3, #0x80000000         /* RW */
        ldr     x4, =0x80038            /* TSC AMO IMO FMO */
        orr     x3, x3, x4
        msr     hcr_el2, x3
        msr     vttbr_el2, xzr
4:      isb
        bl      main
9:      wfi
        b       9b

/* x0 function, x1 its argument, x2 SCR_EL3 */
call_lower:
        stp     x29, x30, [sp, #-16]!
        stp     x19, x20, [sp, #-16]!
        adr     x9, at_el1
        mov     x10, #0x3c5             /* EL1h, all masked */
        ldr     x11, =0x40380000
        msr     sp_el1, x11
        mrs     x12, CurrentEL
        cmp     x12, #12
        b.eq    1f
        msr     elr_el2, x9
        msr     spsr_el2, x10
        eret
1:      mrs     x19, scr_el3
        msr     scr_el3, x2
        msr     elr_el3, x9
        msr     spsr_el3, x10
        eret
at_el1: mov     x9, x0
        mov     x0, x1
        blr     x9
        smc     #0                      /* to EL3, or to EL2 by HCR_EL2.TSC */
        b       .
back:   mrs     x12, CurrentEL
        cmp     x12, #12
        b.ne    1f
        msr     scr_el3, x19
        isb
1:      ldp     x19, x20, [sp], #16
        ldp     x29, x30, [sp], #16
        ret

        .balign 2048
vectors:
        .rept   8
        .balign 128
        b       broken
        .endr
        .balign 128
        mrs     x12, CurrentEL
        cmp     x12, #12
        b.eq    1f
        mrs     x9, esr_el2
        b       2f
1:      mrs     x9, esr_el3
2:      lsr     x9, x9, #26
        cmp     x9, #0x17               /* SMC */
        b.eq    back
        b       broken
        .rept   7
        .balign 128
        b       broken
        .endr
broken: mrs     x2, CurrentEL
        cmp     x2, #12
        b.eq    3f
        cmp     x2, #8
        b.eq    2f
        mrs     x0, esr_el1
        mrs     x1, elr_el1
        b       report_broken
2:      mrs     x0, esr_el2
        mrs     x1, elr_el2
        b       report_broken
3:      mrs     x0, esr_el3
        mrs     x1, elr_el3
        b       report_broken
