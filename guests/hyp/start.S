// The hypervisor's assembly: its entry points, its exception vectors, and the way into and out of a guest.
//
// The board starts us at EL2 with the MMU off and interrupts masked, at the beginning of this section.
// One image serves several demonstrations; each has its own entry point, 8 bytes apart.

#include "hyp.h"

        .section .start, "ax"
        .global _start, hostile, vhe, secure_start, nested, dma, vhe_application
_start:         mov     x20, #DEMO_PLAIN
                b       start
hostile:        mov     x20, #DEMO_HOSTILE
                b       start
vhe:            mov     x20, #DEMO_VHE
                b       start
secure_start:   mov     x20, #DEMO_SECURE
                b       start_el3
nested:         mov     x20, #DEMO_NESTED
                b       start
dma:            mov     x20, #DEMO_DMA
                b       start

start:
        mrs     x0, CurrentEL           // bits 3:2 are the exception level
        cmp     x0, #2 << 2
        b.ne    .                       // not EL2: there is nothing we could do here
        ldr     x0, =stack_top
        mov     sp, x0
        ldr     x0, =vectors
        msr     vbar_el2, x0
        ldr     x0, =bss_start          // C expects its zeros
        ldr     x1, =bss_end
1:      str     xzr, [x0], #8
        cmp     x0, x1
        b.lo    1b
        mov     x0, x20
        bl      boot                    // main.c; returns the first virtual CPU to run
        b       enter_guest

// ---- A start at EL3 (secure.c): a word with the hardware, then down to EL2. --------------------------------

start_el3:
        ldr     x0, =stack_el3_top
        mov     sp, x0
        ldr     x0, =vectors_el3
        msr     vbar_el3, x0
        bl      secure_boot
        ldr     x0, =start
        msr     elr_el3, x0
        mov     x0, #0x3c9              // EL2, its own stack pointer, interrupts masked
        msr     spsr_el3, x0
        eret

        .text
        .balign 2048
vectors_el3:
        .rept   16
        .balign 128
        b       secure_off
        .endr

// ---- The vectors of EL2: 16 entries of 128 bytes (Arm ARM D1.3.1.5). --------------------------------------
//
// The first eight are exceptions taken from EL2 itself. We never expect one: it is a bug of ours.
// The next four come from a guest in AArch64 state: that is how every trap arrives here. The last four
// would come from AArch32, which we do not give to guests (HCR_EL2.RW).

        .macro  own why
        .balign 128
        mov     x0, #\why
        b       trap_own
        .endm

        .macro  from_guest why
        .balign 128
        stp     x0, x1, [sp, #-16]!     // two registers to work with
        mov     x1, #\why
        b       leave_guest
        .endm

        .text
        .balign 2048
vectors:
        own     EXIT_SYNC
        own     EXIT_IRQ
        own     EXIT_FIQ
        own     EXIT_SERROR
        own     EXIT_SYNC
        own     EXIT_IRQ
        own     EXIT_FIQ
        own     EXIT_SERROR
        from_guest EXIT_SYNC
        from_guest EXIT_IRQ
        from_guest EXIT_FIQ
        from_guest EXIT_SERROR
        own     EXIT_SYNC
        own     EXIT_IRQ
        own     EXIT_FIQ
        own     EXIT_SERROR

// ---- Out of the guest: its general registers go to its struct vcpu, whose address is in TPIDR_EL2. --------
//
// The hardware has put the guest's PC into ELR_EL2 and its PSTATE into SPSR_EL2. The guest's EL1 system
// registers stay where they are: they have no effect on us. main.c exchanges them when another guest is to run.

leave_guest:
        mrs     x0, tpidr_el2
        stp     x2, x3, [x0, #2 * 8]
        stp     x4, x5, [x0, #4 * 8]
        stp     x6, x7, [x0, #6 * 8]
        stp     x8, x9, [x0, #8 * 8]
        stp     x10, x11, [x0, #10 * 8]
        stp     x12, x13, [x0, #12 * 8]
        stp     x14, x15, [x0, #14 * 8]
        stp     x16, x17, [x0, #16 * 8]
        stp     x18, x19, [x0, #18 * 8]
        stp     x20, x21, [x0, #20 * 8]
        stp     x22, x23, [x0, #22 * 8]
        stp     x24, x25, [x0, #24 * 8]
        stp     x26, x27, [x0, #26 * 8]
        stp     x28, x29, [x0, #28 * 8]
        str     x30, [x0, #30 * 8]
        ldp     x2, x3, [sp], #16       // the guest's x0 and x1
        stp     x2, x3, [x0]
        mrs     x2, elr_el2
        mrs     x3, spsr_el2
        str     x2, [x0, #VCPU_PC]
        str     x3, [x0, #VCPU_PSTATE]
        bl      trap                    // trap(vcpu, why) in trap.c: returns the virtual CPU to run next

// ---- Into the guest in x0: the reverse; ERET changes the exception level and jumps in one step. -----------

enter_guest:
        msr     tpidr_el2, x0
        ldr     x2, [x0, #VCPU_PC]
        ldr     x3, [x0, #VCPU_PSTATE]
        msr     elr_el2, x2
        msr     spsr_el2, x3
        ldp     x2, x3, [x0, #2 * 8]
        ldp     x4, x5, [x0, #4 * 8]
        ldp     x6, x7, [x0, #6 * 8]
        ldp     x8, x9, [x0, #8 * 8]
        ldp     x10, x11, [x0, #10 * 8]
        ldp     x12, x13, [x0, #12 * 8]
        ldp     x14, x15, [x0, #14 * 8]
        ldp     x16, x17, [x0, #16 * 8]
        ldp     x18, x19, [x0, #18 * 8]
        ldp     x20, x21, [x0, #20 * 8]
        ldp     x22, x23, [x0, #22 * 8]
        ldp     x24, x25, [x0, #24 * 8]
        ldp     x26, x27, [x0, #26 * 8]
        ldp     x28, x29, [x0, #28 * 8]
        ldr     x30, [x0, #30 * 8]
        ldp     x0, x1, [x0]
        eret

// ---- vhe.c's application, which runs at EL0. ---------------------------------------------------------------

vhe_application:
        svc     #7
        b       .

// ---- The guests' programs, as they are copied to their RAM. ------------------------------------------------

        .section .rodata
        .global guest_clock, guest_clock_end, guest_primes, guest_primes_end, guest_wild, guest_wild_end
        .balign 8
guest_clock:
        .incbin "guest_clock.bin"
        .balign 8
guest_clock_end:
guest_primes:
        .incbin "guest_primes.bin"
        .balign 8
guest_primes_end:
guest_wild:
        .incbin "guest_wild.bin"
        .balign 8
guest_wild_end:

        .bss
        .balign 16
        .skip   8192
stack_top:
        .section .stack_el3, "aw", @nobits      // not in .bss, which EL2 clears
        .balign 16
        .skip   2048
stack_el3_top:
