// Polls the UART at full speed: a million times "wait for room, write a character" as early consoles do, then
// power-off by PSCI.  tools/bench-uart runs it on Elara and on the reference.
        .globl _start
_start: mov     x0, #0x09000000         // PL011
        movz    x3, #0x000f, lsl #16    // 1 000 000
        movk    x3, #0x4240
        mov     w2, #'.'
1:      ldr     w1, [x0, #0x18]         // UARTFR
        tbnz    w1, #5, 1b              // TXFF
        str     w2, [x0]                // UARTDR
        subs    x3, x3, #1
        b.ne    1b
        movz    x0, #0x8400, lsl #16    // SYSTEM_OFF
        movk    x0, #0x0008
        hvc     #0
2:      wfi
        b       2b
