/* The same hypervisor in the Secure world (FEAT_SEL2, Arm ARM D1.5): an EL3 that lets EL2 be Secure, which is what a
 * partition manager under TF-A gets. This file is all the firmware there is: a start at EL3, and a power switch. */
#include "hyp.h"

#define SECURE_GPIO 0x090b0000ull /* pin 0 switches the machine off */
enum {
    SCR_HCE = 1 << 8,   /* HVC is enabled */
    SCR_RW = 1 << 10,   /* EL2 is AArch64 */
    SCR_EEL2 = 1 << 18, /* Secure EL2 exists; bit 0 (NS) is 0: below EL3 it is the Secure world */
    SCR_RES1 = 3 << 4,
};

/* EL3: prepares EL2. start.S then returns to it. */
void secure_boot(void)
{
    console_init();
    print("started at EL%u\n", field(read_reg(CurrentEL), 3, 2));
    if (field(read_reg(CurrentEL), 3, 2) != 3 || field(read_reg(id_aa64pfr0_el1), 39, 36) == 0) {
        print("this needs EL3 and a CPU with FEAT_SEL2\n");
        secure_off();
    }
    write_reg(scr_el3, SCR_RES1 | SCR_HCE | SCR_RW | SCR_EEL2);
    write_reg(cptr_el3, 0);
    write_reg(mdcr_el3, 0);
    write_reg(icc_sre_el3, 0xf);
    write_reg(sctlr_el2, 0x30c50830); /* unknown after reset: MMU off */
    write_reg(hcr_el2, 0);
    isb();
}

/* EL3, for every exception that comes here: the only one is the SMC of power_off(). */
_Noreturn void secure_off(void)
{
    *mmio32(SECURE_GPIO + 0x400) = 1; /* direction: output */
    *mmio32(SECURE_GPIO + (1 << 2)) = 1;
    for (;;)
        asm volatile("wfi");
}
