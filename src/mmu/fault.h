/* An architectural memory fault as a value.  Syndromes are built from it in cpu/exception.c. */
#pragma once
#include "core/types.h"

enum fault_type {
    FAULT_NONE,
    FAULT_ADDRESS_SIZE,
    FAULT_TRANSLATION,
    FAULT_ACCESS_FLAG,
    FAULT_PERMISSION,
    FAULT_EXTERNAL,     /* synchronous external abort on the access itself */
    FAULT_EXTERNAL_TTW, /* ... on a table walk, level says which */
    FAULT_TAG_CHECK,
    FAULT_ALIGNMENT,
    FAULT_TLB_CONFLICT,
    FAULT_UNSUPP_ATOMIC, /* unsupported atomic hardware update */
    FAULT_EXCLUSIVE,     /* IMPLEMENTATION DEFINED: unsupported exclusive or atomic access */
    FAULT_DEBUG,         /* watchpoint, breakpoint */
    FAULT_DOMAIN,        /* short descriptors: no access in DACR */
};

struct fault {
    u8 type;        /* enum fault_type */
    s8 level;       /* of the table walk, -1..3 */
    u8 stage;       /* 1 or 2 */
    bool s1ptw;     /* stage 2 fault on a stage 1 table walk */
    bool write;     /* reported as WnR: the access was a write, whatever its table walk did */
    bool ipa_valid; /* ipa is to be reported in HPFAR_EL2 */
    bool ipa_ns;    /* HPFAR_EL2.NS: the IPA is in the Non-secure space */
    bool vncr;      /* of an access through VNCR_EL2 */
    u8 domain;      /* short descriptors: for DFSR */
    u64 va;         /* faulting virtual address as reported in FAR_ELx */
    u64 ipa;        /* faulting intermediate physical address */
};

/* FSC/DFSC/IFSC encoding of type and level (DDI0487, ESR_ELx ISS for aborts). */
u8 fault_status(const struct fault *f);
