/* The RAS extension's instruction (DDI0487 D2.12 (ESB), pseudocode AArch64.ESBOperation and AArch64.vESBOperation).
 *
 * Not modelled: error records (there are none: ERRIDR_EL1.NUM = 0), physical SErrors with a syndrome. Because
 * accesses are performed in order and errors of accesses are reported synchronously, FEAT_IESB's implicit barriers
 * have nothing to wait for; a physical SError is whatever the board signals on the CPU's SError input. */
#include "cpu/ras.h"

#include "cpu/fields.h"

enum { DISR_A = 1u << 31 };

/* GetPhysicalSErrorTarget and masking: would a physical SError stay pending here? */
static bool physical_masked(const struct cpu *c)
{
    bool host = (c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE);
    unsigned target = 1;
    if (cpu_has_el3(c) && (c->sys[SCR_EL3] & SCR_EA))
        target = 3;
    else if (c->ps.el <= 1 ? cpu_el2_enabled(c) && (c->hcr & (HCR_TGE | HCR_AMO)) : c->ps.el == 2)
        target = 2;
    if (target < c->ps.el)
        return true;
    bool mask_active = target == 1 ? c->ps.el <= 1 : target == 2 && host ? c->ps.el != 1 : c->ps.el == target;
    return mask_active && (c->ps.daif & DAIF_A);
}

enum step ras_esb(struct cpu *c)
{
    if (!cpu_has(c, FEAT_RAS))
        return STEP_NEXT;
    if (c->input[CPU_SERROR] && physical_masked(c)) {
        c->sys[DISR_EL1] = DISR_A;
        c->input[CPU_SERROR] = false;
    }
    bool virt = c->ps.el <= 1 && cpu_el2_enabled(c) && (c->hcr & HCR_AMO) && !(c->hcr & HCR_TGE);
    if (virt && (c->hcr & HCR_VSE) && (c->ps.daif & DAIF_A)) {
        c->sys[VDISR_EL2] = DISR_A | (c->sys[VSESR_EL2] & 0x1ffffff);
        c->sys[HCR_EL2] &= ~HCR_VSE;
        c->hcr &= ~HCR_VSE;
    }
    return STEP_SYNC;
}
