/* Two guests that hand over to each other through EL2, each with its own EL1 registers and VMID. */
#include "bench.h"

#ifndef SCALE
#define SCALE 1
#endif

#define REGISTERS(X)                                                                                                   \
    X(0, "sctlr_el1")                                                                                                  \
    X(1, "cpacr_el1")                                                                                                  \
    X(2, "ttbr0_el1") X(3, "ttbr1_el1") X(4, "tcr_el1") X(5, "esr_el1") X(6, "afsr0_el1") X(7, "afsr1_el1")            \
        X(8, "far_el1") X(9, "mair_el1") X(10, "vbar_el1") X(11, "contextidr_el1") X(12, "amair_el1")                  \
            X(13, "cntkctl_el1") X(14, "par_el1") X(15, "tpidr_el1") X(16, "sp_el1") X(17, "elr_el1")                  \
                X(18, "spsr_el1") X(19, "tpidr_el0") X(20, "tpidrro_el0") X(21, "csselr_el1")

static u64 saved[2][22];
static unsigned current;

void world_exchange(void)
{
    static unsigned known;
    u64 *s = saved[current];
#define SAVE(n, reg) s[n] = MRS(reg);
    REGISTERS(SAVE)
    MSR("hcr_el2", HCR_RW); /* the world between them has no stage 2 */
    ISB();
    if (!known++)
        for (unsigned i = 0; i < sizeof saved[0] / sizeof saved[0][0]; i++)
            saved[1][i] = s[i];
    current ^= 1;
    s = saved[current];
#define RESTORE(n, reg) MSR(reg, s[n]);
    REGISTERS(RESTORE)
    MSR("vttbr_el2", tables_stage2(1 + current));
    MSR("hcr_el2", HCR_RW | HCR_VM);
    ISB();
}

void world_guest(void)
{
    for (unsigned i = 0; i < 10000 / SCALE; i++) {
        __asm__ volatile("hvc #2" ::: "x16", "x17", "memory");
        touch(PAGE_COUNT);
    }
}
