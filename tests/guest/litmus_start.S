// Bare-metal frame of the litmus tests (litmus.c): EL1, caches and MMU on, a stack for each CPU.

    .section .start, "ax"
    .global _start, secondary
_start:
    mov     x19, #0
    b       1f
secondary:                      // x0: number of this CPU
    mov     x19, x0
1:  adrp    x0, vectors
    add     x0, x0, :lo12:vectors
    msr     vbar_el1, x0
    mov     x0, #3 << 20        // FP
    msr     cpacr_el1, x0
    mov     x0, #0xff           // attribute 0: Normal write-back, 1: Device-nGnRE
    movk    x0, #0x04ff
    msr     mair_el1, x0
    ldr     x0, =0x80803519     // TG1 and TG0 4 KiB, 39-bit addresses, inner-shareable write-back; upper half off
    orr     x0, x0, #2 << 32    // 40-bit output
    msr     tcr_el1, x0
    adrp    x0, level1
    msr     ttbr0_el1, x0
    dsb     sy
    tlbi    vmalle1
    dsb     sy
    isb
    mrs     x0, sctlr_el1
    mov     x1, #0x1005         // M, C, I
    orr     x0, x0, x1
    msr     sctlr_el1, x0
    isb
    adrp    x0, stacks
    add     x0, x0, :lo12:stacks
    add     x1, x19, #1
    add     x0, x0, x1, lsl #14
    mov     sp, x0
    mov     x0, x19
    bl      cpu_main
2:  wfi
    b       2b

    .balign 2048
vectors:
    .rept   16
    .balign 128
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    mrs     x2, far_el1
    b       fault
    .endr

    .data
    .balign 4096
    .global level1, level2, level3
level1:                         // 0-1 GiB: devices; 1-2 GiB: level2
    .quad   0x405 | 1 << 54
    .quad   level2 + 3
    .fill   510, 8, 0
level2:                         // 2 MiB blocks of RAM; the one at 0x4fe00000 is level3
    .set    n, 0
    .rept   512
    .if     n == 127
    .quad   level3 + 3
    .else
    .quad   0x40000000 + n * 0x200000 + 0x701
    .endif
    .set    n, n + 1
    .endr
level3:
    .fill   512, 8, 0

    .bss
    .balign 16
stacks:
    .skip   4 << 14
