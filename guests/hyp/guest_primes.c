/* The guest "primes": paravirtual. It knows that it has a hypervisor, writes whole lines by hypercall, and gets its
 * interrupts by HCR_EL2.VI. It computes, so that its time slices run out. */
#include "guest.h"

enum { ROUNDS = 5, ROUND_MS = 15, STEP = 20000 };

static volatile bool woken;

/* One trap a line. The hypervisor reads our memory: it wants an address as stage 2 knows it (RAM is where it is). */
void write_text(const char *text, u64 length) { hvc(HYP_WRITE, (u64)text, length); }

void irq(void)
{
    timer_off(); /* or the level-sensitive interrupt would be there again at once */
    if (hvc(HYP_IRQ, 0, 0) == TIMER_INTID)
        woken = true;
}

u64 fault(u64 esr, u64 far, u64 elr)
{
    say("unexpected exception: ESR 0x%x FAR 0x%x ELR 0x%x", esr, far, elr);
    smc(SYSTEM_OFF, 0, 0);
    return elr;
}

static u64 count(u64 from, u64 to)
{
    u64 primes = 0;
    for (u64 n = from; n < to; n++) {
        u64 d = 2;
        while (d * d <= n && n % d)
            d++;
        primes += n > 1 && d * d > n;
    }
    return primes;
}

void guest_main(void)
{
    say("hello from EL%u; I know that I am a guest", read_reg(CurrentEL) >> 2 & 3);
    u64 primes = 0;
    for (u64 round = 1; round <= ROUNDS; round++) {
        primes += count((round - 1) * STEP, round * STEP);
        say("%u primes below %u", primes, round * STEP);
        woken = false;
        timer_set(round * ROUND_MS);
        while (!woken) {
            wfi();
            asm volatile("msr daifclr, #2\n\tisb\n\tmsr daifset, #2" ::: "memory");
        }
    }
    say("woken %u times by HCR_EL2.VI; powering off by SMC", (u64)ROUNDS);
    smc(SYSTEM_OFF, 0, 0);
}
