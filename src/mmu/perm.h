/* What a translation permits, and whether an access may pass. */
#pragma once
#include "core/types.h"

enum perm_bits {
    PERM_UR = 1 << 0, /* EL0 */
    PERM_UW = 1 << 1,
    PERM_UX = 1 << 2,
    PERM_PR = 1 << 3, /* privileged */
    PERM_PW = 1 << 4,
    PERM_PX = 1 << 5,
    PERM_PAN = 1 << 6, /* privileged data accesses fail while PSTATE.PAN is set */
    PERM_ALL = 0x3f,
};

enum perm_need {
    NEED_R = 1,
    NEED_W = 2,
    NEED_X = 4,
    NEED_NORMAL = 8, /* no permission: an access that Device memory does not take, being unaligned */
};

/* The subset of need that is missing. */
static inline unsigned perm_missing(unsigned perm, unsigned need, bool priv, bool pan)
{
    unsigned have = (priv ? perm >> 3 : perm) & 7;
    if (priv && pan && (perm & PERM_PAN))
        have &= NEED_X;
    return need & (NEED_R | NEED_W | NEED_X) & ~have;
}

/* Stage 1 permissions of a leaf (DDI0487 D8.4; AArch64.S1DirectBasePermissions).
 * ap: AP[2:1] with hierarchical limits and dirty state applied. */
struct perm_stage1 {
    u8 ap;
    bool uxn, pxn; /* with hierarchical limits; XN in pxn for regimes without EL0 */
    bool has_el0;  /* EL1&0, EL2&0 */
    bool nv1;
    bool wxn, epan;
};
u16 perm_stage1(const struct perm_stage1 *p);
/* Stage 2 permissions of a leaf: s2ap and XN[1:0] as in the descriptor. */
u16 perm_stage2(unsigned s2ap, unsigned xn, bool xnx);
