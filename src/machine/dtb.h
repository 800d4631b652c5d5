/* The device tree handed to the guest, by libfdt. */
#pragma once
#include "machine/board.h"

/* A boot module in /chosen (or in a domain's node), for hypervisors. */
struct dtb_module {
    const char *kind; /* "kernel", "ramdisk" or "device-tree" */
    u64 addr, size;
    const char *bootargs; /* NULL: none */
    int domu;             /* index into config->domus, -1: directly in /chosen (dom0) */
};

struct dtb_info {
    const struct config *config;
    const char *cpu_compatible;               /* "arm,cortex-a57" */
    bool pmu, vhe;                            /* the CPUs have a PMU, an EL2 virtual timer */
    const char *psci;                         /* "smc", "hvc"; NULL: none */
    const char *bootargs;                     /* NULL: none */
    const char *xen_bootargs, *dom0_bootargs; /* NULL: none */
    u64 initrd_start, initrd_end;
    struct dtb_module modules[64];
    unsigned nmodules;
};

/* Builds the board's tree; *out is malloc'ed, packed but for some room to grow. */
bool dtb_build(const struct dtb_info *info, u8 **out, size_t *size, struct err *e);
/* A tree given by the user: memory size, boot arguments, initrd and modules are put in. */
bool dtb_patch(const struct dtb_info *info, const u8 *given, size_t given_size, const char *path, u8 **out,
               size_t *size, struct err *e);
