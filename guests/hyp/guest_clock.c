/* The guest "clock": an ordinary little system. It drives a UART and an interrupt controller; it does not know that
 * the one is emulated and the other virtual. */
#include "guest.h"

enum { TICKS = 5, TICK_MS = 20 };

static volatile u64 ticks;

/* Every character is a store to the UART's data register: stage 2 does not map it, the hypervisor emulates it. */
void write_text(const char *text, u64 length)
{
    volatile u32 *data = (volatile u32 *)(u64)UART, *flags = (volatile u32 *)(UART + 0x18ull);
    for (u64 i = 0; i < length; i++) {
        if (i % 16 == 0) /* a real FIFO holds 16 */
            while (*flags & 1 << 5)
                ;
        *data = (u8)text[i];
    }
}

/* The usual way with a GICv3. These registers are the virtual CPU interface: no trap. */
void irq(void)
{
    u64 intid = read_reg(icc_iar1_el1);
    if (intid == TIMER_INTID) {
        ticks++;
        timer_set((ticks + 1) * TICK_MS);
    }
    write_reg(icc_eoir1_el1, intid);
}

u64 fault(u64 esr, u64 far, u64 elr)
{
    say("unexpected exception: ESR 0x%x FAR 0x%x ELR 0x%x", esr, far, elr);
    hvc(SYSTEM_OFF, 0, 0);
    return elr;
}

/* What stage 1 makes of a virtual address: the CPU can be asked. */
static u64 translate(u64 va)
{
    asm volatile("at s1e1r, %0" ::"r"(va) : "memory");
    isb();
    return (read_reg(par_el1) & 0xfffffff000ull) | (va & 0xfff);
}

void guest_main(void)
{
    say("hello from EL%u; my CPU has %s", read_reg(CurrentEL) >> 2 & 3,
        read_reg(id_aa64pfr0_el1) >> 8 & 0xf ? "an EL2" : "no EL2, it says");
    u64 va = ALIAS + 0x1000, ipa = translate(va);
    say("VA 0x%x is IPA 0x%x (stage 1); the hypervisor says PA 0x%x (stage 2)", va, ipa, hvc(HYP_WHERE, ipa, 0));

    write_reg(icc_sre_el1, 7);
    isb();
    write_reg(icc_pmr_el1, 0xff);
    write_reg(icc_igrpen1_el1, 1);
    timer_set(TICK_MS);
    for (u64 seen = 0; seen < TICKS;) {
        /* interrupts masked: none can slip in between the question and the WFI, which a masked one ends, too */
        if (ticks == seen)
            wfi();
        asm volatile("msr daifclr, #2\n\tisb\n\tmsr daifset, #2" ::: "memory"); /* taken here */
        if (ticks != seen)
            say("tick %u at %u ms, interrupt by list register", ++seen, milliseconds());
    }
    timer_off();
    say("done, powering off by HVC");
}
