/* PSCI (DEN0022D, PSCI 1.1), the SMC Calling Convention's discovery and workaround calls (DEN0028) and the TRNG
 * firmware interface (DEN0098) for a machine without EL3 firmware. The conduit instruction comes here only where it
 * would be UNDEFINED.
 *
 * A CPU that CPU_ON has started is ON_PENDING until it has executed an instruction; CPU_OFF is done when it is called.
 * Nothing is speculated here, so the workarounds are there and not needed. Random numbers come from the machine's seed.
 * Not modelled: power states deeper than standby (CPU_SUSPEND waits like WFI), SYSTEM_SUSPEND, MEM_PROTECT,
 * statistics: NOT_SUPPORTED. */
#include "machine/psci.h"

#include <string.h>

#include "core/bits.h"
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
    SMCCC_ARCH_WORKAROUND_1 = 0x80008000,
    SMCCC_ARCH_WORKAROUND_2 = 0x80007fff,
    SMCCC_ARCH_WORKAROUND_3 = 0x80003fff,
    TRNG_VERSION = 0x84000050,
    TRNG_FEATURES = 0x84000051,
    TRNG_GET_UUID = 0x84000052,
    TRNG_RND32 = 0x84000053,
    SMC64 = 0x40000000,
};
enum { AFF_ON, AFF_OFF, AFF_ON_PENDING };
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

/* CPU_ON was called and it has not run yet. */
static bool on_pending(const struct cpu *c, const struct cpu *caller)
{
    return c != caller && cpu_get_run(c) != CPU_OFF && c->started != ~0ull && c->started == c->executed;
}

static s64 cpu_on(struct machine *m, struct cpu *caller, u64 target, u64 entry, u64 context)
{
    struct cpu *c = by_affinity(m, target);
    if (!c)
        return PSCI_INVALID_PARAMETERS;
    if (entry & 3)
        return PSCI_INVALID_ADDRESS;
    if (cpu_get_run(c) != CPU_OFF)
        return on_pending(c, caller) ? PSCI_ON_PENDING : PSCI_ALREADY_ON;
    cpu_warm_reset(c);
    timer_reset(m->timers[c->index]);
    /* The new CPU's exception endianness is its creator's. */
    const u64 ee = 1ull << 25;
    c->sys[SCTLR_EL2] = (c->sys[SCTLR_EL2] & ~ee) | (caller->sys[SCTLR_EL2] & ee);
    c->sys[SCTLR_EL1] = (c->sys[SCTLR_EL1] & ~ee) | (caller->sys[SCTLR_EL1] & ee);
    machine_start_cpu(m, c, entry, context);
    c->started = c->executed;
    return PSCI_SUCCESS;
}

static s64 affinity_info(struct machine *m, const struct cpu *caller, u64 target, u64 level)
{
    if (level > 3)
        return PSCI_INVALID_PARAMETERS;
    if (level == 0) {
        struct cpu *c = by_affinity(m, target);
        if (!c)
            return PSCI_INVALID_PARAMETERS;
        return cpu_get_run(c) == CPU_OFF ? AFF_OFF : on_pending(c, caller) ? AFF_ON_PENDING : AFF_ON;
    }
    /* A cluster is on when one of its CPUs is. */
    u64 mask = 0xff00ffffffull & (~0ull << (level == 3 ? 32 : 8 * level));
    s64 r = PSCI_INVALID_PARAMETERS;
    for (unsigned i = 0; i < m->ncpus; i++)
        if ((m->cpus[i]->cfg.mpidr & mask) == (target & mask)) {
            if (cpu_get_run(m->cpus[i]) != CPU_OFF)
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
        cpu_set_run(c, CPU_WFI);
        cpu_attend(c);
    }
    return PSCI_SUCCESS;
}

/* 1: the call is there and does not have to be made on this PE. */
static s64 arch_features(u32 fn)
{
    switch (fn) {
    case SMCCC_VERSION:
    case SMCCC_ARCH_FEATURES: return 0;
    case SMCCC_ARCH_WORKAROUND_1:
    case SMCCC_ARCH_WORKAROUND_2:
    case SMCCC_ARCH_WORKAROUND_3: return 1;
    default: return PSCI_NOT_SUPPORTED;
    }
}

/* ---- TRNG ------------------------------------------------------------------------------------------ */

enum { TRNG_INVALID_PARAMETERS = -2 };

static s64 trng_features(u32 fn)
{
    switch (fn) {
    case TRNG_VERSION:
    case TRNG_FEATURES:
    case TRNG_GET_UUID:
    case TRNG_RND32:
    case TRNG_RND32 | SMC64: return 0;
    default: return PSCI_NOT_SUPPORTED;
    }
}

/* Names this source of entropy: words of a UUID. */
static bool trng_uuid(struct cpu *c)
{
    static const u32 uuid[] = {0x0c5a8e21, 0x417b2d94, 0x5f63e0ab, 0xd29817c6};
    for (unsigned i = 0; i < ARRAY_LEN(uuid); i++)
        c->x[i] = uuid[i];
    return true;
}

/* splitmix64 */
static u64 trng_word(struct machine *m)
{
    u64 z = m->trng += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* count bits in x3, x2, x1 in this order, the rest 0. */
static bool trng_random(struct machine *m, struct cpu *c, u64 count, bool wide)
{
    unsigned width = wide ? 64 : 32;
    if (!count || count > 3 * width) {
        c->x[0] = (u64)(s64)TRNG_INVALID_PARAMETERS;
        c->x[1] = c->x[2] = c->x[3] = 0;
        return true;
    }
    c->x[0] = 0;
    for (unsigned i = 3; i > 0; i--) {
        unsigned n = count < width ? (unsigned)count : width;
        c->x[i] = n ? trng_word(m) & ones(n) : 0;
        count -= n;
    }
    return true;
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
    case SMCCC_ARCH_FEATURES: r = arch_features((u32)a1); break;
    case SMCCC_ARCH_WORKAROUND_1:
    case SMCCC_ARCH_WORKAROUND_2:
    case SMCCC_ARCH_WORKAROUND_3: return true; /* all registers are preserved */
    case TRNG_VERSION: r = 0x10000; break;
    case TRNG_FEATURES: r = trng_features((u32)a1); break;
    case TRNG_GET_UUID: return trng_uuid(c);
    case TRNG_RND32:
    case TRNG_RND32 | SMC64: return trng_random(m, c, a1, wide);
    case PSCI_CPU_SUSPEND:
    case PSCI_CPU_SUSPEND | SMC64: r = suspend(c, a1 & 0xffffffff); break;
    case PSCI_CPU_ON:
    case PSCI_CPU_ON | SMC64: r = cpu_on(m, c, a1, a2, a3); break;
    case PSCI_AFFINITY_INFO:
    case PSCI_AFFINITY_INFO | SMC64: r = affinity_info(m, c, a1, a2); break;
    case PSCI_MIGRATE_INFO_TYPE: r = 2; break; /* no Trusted OS, or none that must migrate */
    case PSCI_FEATURES: r = features(a1); break;
    case PSCI_CPU_OFF:
        cpu_set_run(c, CPU_OFF);
        cpu_attend(c);
        r = PSCI_SUCCESS;
        break;
    case PSCI_SYSTEM_OFF:
        cpu_set_run(c, CPU_HALTED);
        machine_stop(m, STOP_POWEROFF);
        break;
    case PSCI_SYSTEM_RESET2:
    case PSCI_SYSTEM_RESET2 | SMC64:
        if ((u32)a1 != 0) { /* SYSTEM_WARM_RESET is the only architectural type */
            r = PSCI_INVALID_PARAMETERS;
            break;
        }
        /* fall through */
    case PSCI_SYSTEM_RESET:
        cpu_set_run(c, CPU_HALTED);
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
