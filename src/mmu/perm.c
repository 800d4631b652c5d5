/* Permissions of translations: stage 1 AP/UXN/PXN/WXN, stage 2 S2AP/XN (DDI0487 D8.4).
 *
 * Not modelled: permission indirection and overlays (v8.9). PAN is applied at the access, because
 * PSTATE.PAN may change between accesses: PERM_PAN marks the pages it denies. */
#include "mmu/perm.h"

u16 perm_stage1(const struct perm_stage1 *p)
{
    bool readonly = p->ap & 2;
    unsigned perm = readonly ? PERM_PR : PERM_PR | PERM_PW;
    if (!p->has_el0) {
        if (!p->pxn && !(p->wxn && !readonly))
            perm |= PERM_PX;
        return (u16)perm;
    }
    if ((p->ap & 1) && !p->nv1) /* AP[1] reads as 0 with HCR_EL2.{NV,NV1} = {1,1} */
        perm |= readonly ? PERM_UR : PERM_UR | PERM_UW;
    bool uxn = p->nv1 ? false : p->uxn;
    bool pxn = p->nv1 ? p->uxn : p->pxn; /* there bit 54 is PXN */
    if (!uxn && !((perm & PERM_UW) && p->wxn))
        perm |= PERM_UX;
    /* what EL0 may write is never executed with privilege */
    if (!pxn && !(perm & PERM_UW) && !((perm & PERM_PW) && p->wxn))
        perm |= PERM_PX;
    if (!p->nv1 && ((perm & (PERM_UR | PERM_UW)) || (p->epan && (perm & PERM_UX))))
        perm |= PERM_PAN;
    return (u16)perm;
}

u16 perm_stage2(unsigned s2ap, unsigned xn, bool xnx)
{
    unsigned perm = 0;
    if (s2ap & 1)
        perm |= PERM_UR | PERM_PR;
    if (s2ap & 2)
        perm |= PERM_UW | PERM_PW;
    /* XN[1:0]: 00 both may execute, 01 EL0 only, 10 none, 11 EL1 only; XN[0] is 0 without XNX */
    switch (xnx ? xn & 3 : xn & 2) {
    case 0: perm |= PERM_UX | PERM_PX; break;
    case 1: perm |= PERM_UX; break;
    case 3: perm |= PERM_PX; break;
    default: break;
    }
    return (u16)perm;
}
