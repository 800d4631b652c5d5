/* VHE (FEAT_VHE, Arm ARM D8.2): an operating system that is also the hypervisor, as Linux with KVM is, would like to
 * run at EL2 unchanged. With HCR_EL2.E2H the names of EL1 registers mean EL2's, and with HCR_EL2.TGE its applications'
 * exceptions come straight to EL2. This demonstration has no guests: it looks at both. */
#include "hyp.h"

#define HCR_RW  bit(31)
#define HCR_TGE bit(27)
#define HCR_E2H bit(34)

/* VBAR_EL12, how EL2 reaches the guest's register while E2H is 1, is S3_5_C12_C0_0 to older assemblers. */
extern const char vhe_application[]; /* start.S */

struct vcpu *vhe_demo(void)
{
    static struct vcpu application = {.name = "application"};
    print("VHE: at EL%u\n", field(read_reg(CurrentEL), 3, 2));
    if (field(read_reg(id_aa64mmfr1_el1), 11, 8) == 0) {
        print("this CPU has no FEAT_VHE; --cpu cortex-a76 has\n");
        power_off();
    }
    write_reg(hcr_el2, HCR_RW);
    isb();
    write_reg(vbar_el1, 0x1000);
    print("E2H=0: VBAR_EL1 is 0x%x, VBAR_EL2 is 0x%x: two registers\n", read_reg(vbar_el1), read_reg(vbar_el2));

    write_reg(hcr_el2, HCR_RW | HCR_E2H | HCR_TGE);
    isb();
    print("E2H=1: VBAR_EL1 is 0x%x: the name means VBAR_EL2\n", read_reg(vbar_el1));
    print("E2H=1: VBAR_EL12 is 0x%x: the guest's register has a name of its own\n", read_reg(S3_5_C12_C0_0));
    write_reg(cpacr_el1, 0);
    print("E2H=1: wrote 0 to CPACR_EL1, CPTR_EL2 is 0x%x\n", read_reg(cptr_el2));
    application.pc = (u64)vhe_application;
    application.pstate = 0x3c0; /* EL0 */
    return &application;
}

/* From trap.c: the application's system call. */
_Noreturn void vhe_call(const struct vcpu *v, u64 number)
{
    print("%s at EL%u called SVC #%u; it arrived at EL%u\n", v->name, field(v->pstate, 3, 2), number,
          field(read_reg(CurrentEL), 3, 2));
    power_off();
}
