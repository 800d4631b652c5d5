/* Fault status codes (DDI0487 ESR_ELx, DFSC and IFSC). */
#include "mmu/fault.h"

u8 fault_status(const struct fault *f)
{
    int level = f->level;
    switch (f->type) {
    case FAULT_ADDRESS_SIZE:
        return (u8)(level < 0 ? 0x29 : level);
    case FAULT_TRANSLATION:
        return (u8)(level < 0 ? 0x2b : 0x04 + level);
    case FAULT_ACCESS_FLAG:
        return (u8)(0x08 + level);
    case FAULT_PERMISSION:
        return (u8)(0x0c + level);
    case FAULT_EXTERNAL:
        return 0x10;
    case FAULT_EXTERNAL_TTW:
        return (u8)(0x14 + level); /* level -1: 0x13 */
    case FAULT_TAG_CHECK:
        return 0x11;
    case FAULT_ALIGNMENT:
        return 0x21;
    case FAULT_DEBUG:
        return 0x22;
    case FAULT_TLB_CONFLICT:
        return 0x30;
    case FAULT_UNSUPP_ATOMIC:
        return 0x31;
    case FAULT_EXCLUSIVE:
        return 0x35;
    default:
        return 0;
    }
}
