/* PSCI (DEN0022D, PSCI 1.1) and the SMC Calling Convention's discovery calls (DEN0028) for a machine
 * without EL3 firmware. The conduit instruction comes here only where it would be UNDEFINED.
 *
 * Not modelled: power states deeper than standby (CPU_SUSPEND waits like WFI), SYSTEM_SUSPEND,
 * MEM_PROTECT, statistics: NOT_SUPPORTED. */
#include "machine/psci.h"

#include <string.h>

#include "core/check.h"

enum {
    PSCI_VERSION = 0x84000000,
    PSCI_CPU_SUSPEND = 0x84000001,
    PSCI_CPU_OFF = 0x84000002,
    PSCI_CPU_ON = 0x84000003,
    PSCI_AFFINITY_INFO = 0x84000004,
    PSCI_MIGRATE = 0x84000005,
    PSCI_MIGRATE_INFO_TYPE = 0x84000006,
    PSCI_SYSTEM_OFF = 0x84000008,
    PSCI_SYSTEM_RESET = 0x84000009,
    PSCI_FEATURES = 0x8400000a,
    PSCI_SYSTEM_RESET2 = 0x84000012,
    SMCCC_VERSION = 0x80000000,
    SMCCC_ARCH_FEATURES = 0x80000001,
    SMC64 = 0x40000000,
};
enum psci_result {
    PSCI_SUCCESS = 0,
    PSCI_NOT_SUPPORTED = -1,
    PSCI_INVALID_PARAMETERS = -2,
    PSCI_DENIED = -3,
    PSCI_ALREADY_ON = -4,
    PSCI_ON_PENDING = -5,
    PSCI_INTERNAL_FAILURE = -6,
    PSCI_INVALID_ADDRESS = -9,
};

static struct cpu *by_affinity(struct machine *m, u64 aff)
{
    const u64 mask = 0xff00ffffffull;
    for (unsigned i = 0; i < m->ncpus; i++)
        if ((m->cpus[i]->cfg.mpidr & mask) == (aff & mask))
            return aff & ~mask ? NULL : m->cpus[i];
    return NULL;
}

static s64 cpu_on(struct machine *m, struct cpu *caller, u64 target, u64 entry, u64 context)
{
    struct cpu *c = by_affinity(m, target);
    if (!c)
        return PSCI_INVALID_PARAMETERS;
    if (entry & 3)
        return PSCI_INVALID_ADDRESS;
    if (c->run != CPU_OFF)
        return PSCI_ALREADY_ON;
    cpu_reset(c);
    /* The new CPU's exception endianness is its creator's. */
    const u64 ee = 1ull << 25;
    c->sys[SCTLR_EL2] = (c->sys[SCTLR_EL2] & ~ee) | (caller->sys[SCTLR_EL2] & ee);
    c->sys[SCTLR_EL1] = (c->sys[SCTLR_EL1] & ~ee) | (caller->sys[SCTLR_EL1] & ee);
    machine_start_cpu(m, c, entry, context);
    return PSCI_SUCCESS;
}

static s64 affinity_info(struct machine *m, u64 target, u64 level)
{
    if (level > 3)
        return PSCI_INVALID_PARAMETERS;
    if (level == 0) {
        struct cpu *c = by_affinity(m, target);
        return !c ? PSCI_INVALID_PARAMETERS : c->run == CPU_OFF;
    }
    /* A cluster is on when one of its CPUs is. */
    u64 mask = 0xff00ffffffull & (~0ull << (level == 3 ? 32 : 8 * level));
    s64 r = PSCI_INVALID_PARAMETERS;
    for (unsigned i = 0; i < m->ncpus; i++)
        if ((m->cpus[i]->cfg.mpidr & mask) == (target & mask)) {
            if (m->cpus[i]->run != CPU_OFF)
                return 0;
            r = 1;
        }
    return r;
}

static s64 features(u64 fn)
{
    switch ((u32)fn) {
    case PSCI_VERSION:
    case PSCI_CPU_OFF:
    case PSCI_SYSTEM_OFF:
    case PSCI_SYSTEM_RESET:
    case PSCI_FEATURES:
    case PSCI_MIGRATE_INFO_TYPE:
    case SMCCC_VERSION:
    case PSCI_CPU_SUSPEND:
    case PSCI_CPU_SUSPEND | SMC64: /* original StateID format, platform-coordinated */
    case PSCI_CPU_ON:
    case PSCI_CPU_ON | SMC64:
    case PSCI_AFFINITY_INFO:
    case PSCI_AFFINITY_INFO | SMC64:
    case PSCI_SYSTEM_RESET2:
    case PSCI_SYSTEM_RESET2 | SMC64: return 0;
    default: return PSCI_NOT_SUPPORTED;
    }
}

static s64 suspend(struct cpu *c, u64 state)
{
    if (state & ~0x0301ffffull) /* reserved bits of the original format */
        return PSCI_INVALID_PARAMETERS;
    if (!cpu_wakeup_pending(c)) {
        c->run = CPU_WFI;
        cpu_attend(c);
    }
    return PSCI_SUCCESS;
}

bool psci_call(void *arg, struct cpu *c, bool hvc)
{
    struct machine *m = arg;
    if (!m->psci || hvc != (strcmp(m->psci, "hvc") == 0))
        return false;
    u32 fn = (u32)c->x[0];
    bool wide = fn & SMC64;
    u64 mask = wide ? ~0ull : 0xffffffffull;
    u64 a1 = c->x[1] & mask, a2 = c->x[2] & mask, a3 = c->x[3] & mask;
    s64 r = PSCI_NOT_SUPPORTED;
    switch (fn) {
    case PSCI_VERSION: r = 0x10001; break;
    case SMCCC_VERSION: r = 0x10001; break;
    case SMCCC_ARCH_FEATURES: r = (u32)a1 == SMCCC_VERSION || (u32)a1 == SMCCC_ARCH_FEATURES ? 0 : -1; break;
    case PSCI_CPU_SUSPEND:
    case PSCI_CPU_SUSPEND | SMC64: r = suspend(c, a1 & 0xffffffff); break;
    case PSCI_CPU_ON:
    case PSCI_CPU_ON | SMC64: r = cpu_on(m, c, a1, a2, a3); break;
    case PSCI_AFFINITY_INFO:
    case PSCI_AFFINITY_INFO | SMC64: r = affinity_info(m, a1, a2); break;
    case PSCI_MIGRATE_INFO_TYPE: r = 2; break; /* no Trusted OS, or none that must migrate */
    case PSCI_FEATURES: r = features(a1); break;
    case PSCI_CPU_OFF:
        c->run = CPU_OFF;
        cpu_attend(c);
        r = PSCI_SUCCESS;
        break;
    case PSCI_SYSTEM_OFF:
        c->run = CPU_HALTED;
        machine_stop(m, STOP_POWEROFF);
        break;
    case PSCI_SYSTEM_RESET2:
    case PSCI_SYSTEM_RESET2 | SMC64:
        if ((u32)a1 != 0) /* SYSTEM_WARM_RESET is the only architectural type */
            break;
        /* fall through */
    case PSCI_SYSTEM_RESET:
        c->run = CPU_HALTED;
        machine_stop(m, STOP_RESET);
        break;
    default:
        if ((fn & 0xbf000000) == 0x84000000 || (fn & 0xbf000000) == 0x80000000)
            log_guest(&m->log, "CPU%u: unknown %s function 0x%08x: NOT_SUPPORTED", c->index, hvc ? "HVC" : "SMC", fn);
        break;
    }
    c->x[0] = (u64)r; /* errors sign-extended, for SMC32 too: as TF-A and QEMU answer, and Hafnium expects */
    return true;
}
