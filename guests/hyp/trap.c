/* What a guest cannot do alone arrives here: trap() is called for every exception that a guest takes to EL2.
 *
 * ESR_EL2 says what happened: bits 31:26 the class (EC), bits 24:0 the details (ISS), Arm ARM D19.2.40. */
#include "hyp.h"

enum exception_class {
    EC_WFX = 0x01,
    EC_FP = 0x07,
    EC_SVC64 = 0x15,
    EC_HVC64 = 0x16,
    EC_SMC64 = 0x17,
    EC_SYS64 = 0x18, /* MRS, MSR, system instruction */
    EC_FETCH_ABORT = 0x20,
    EC_DATA_ABORT = 0x24,
};

/* Function identifiers in x0, as the SMC Calling Convention (Arm DEN0028) orders them: PSCI and ours. */
enum hypercall {
    PSCI_VERSION = 0x84000000,
    PSCI_SYSTEM_OFF = 0x84000008,
    HYP_WRITE = 0xc6000001, /* x1 address, x2 length: writes a text to the console */
    HYP_IRQ = 0xc6000002,   /* which interrupt? acknowledges it, too */
    HYP_WHERE = 0xc6000003, /* x1 address: the physical one, which a real hypervisor would never tell */
};
#define NOT_SUPPORTED (~0ull)

/* ---- exceptions for the guest ------------------------------------------------------------------ */

/* Lets the guest take a synchronous exception at its EL1, exactly as the hardware would have done it. */
static void inject(struct vcpu *v, u64 esr, u64 far)
{
    u64 vector = read_reg(vbar_el1);
    u64 from = field(v->pstate, 3, 0);
    vector += from == 0 ? 0x400 : from == 4 ? 0 : 0x200; /* from EL0, from EL1 with SP_EL0, from EL1 */
    write_reg(elr_el1, v->pc);
    write_reg(spsr_el1, v->pstate);
    write_reg(esr_el1, esr);
    write_reg(far_el1, far);
    v->pc = vector;
    v->pstate = 0x3c5; /* EL1, its own stack pointer, all masked */
}

/* The instruction does not exist for this guest: EC 0 with IL. */
static void inject_undefined(struct vcpu *v) { inject(v, bit(25), 0); }

/* ---- emulated devices -------------------------------------------------------------------------- */

/* The PL011's registers that a guest's driver needs: data, and flags (never full, never anything to read). */
static u64 uart_read(u64 offset) { return offset == 0x18 ? bit(4) : 0; }

static void uart_write(struct vcpu *v, u64 offset, u64 value)
{
    if (offset == 0)
        guest_putc(v, (char)value);
}

/* A load or store that stage 2 does not map. ISS.ISV: the hardware has decoded the instruction for us; SRT is the
 * register, SAS the size, WnR the direction. */
static void data_abort(struct vcpu *v, u64 esr)
{
    u64 far = read_reg(far_el2);
    u64 ipa = field(read_reg(hpfar_el2), 43, 4) << 12 | (far & 0xfff);
    bool valid = esr & bit(24), write = esr & bit(6), walk = esr & bit(7);
    unsigned target = (unsigned)field(esr, 20, 16), size = 8u << field(esr, 23, 22);

    u64 value = target == 31 ? 0 : v->x[target] & (~0ull >> (64 - size));
    if (v->nested && valid && !walk && nested_mmio(ipa, write, &value)) {
        if (!write && target != 31)
            v->x[target] = value;
        v->pc += 4;
        return;
    }
    if (!valid || walk || ipa >> 12 != UART >> 12) {
        /* Nothing is there. On the bare machine this would be an external abort: the guest gets one. */
        v->exits[BY_FAULT]++;
        u64 same_el = field(v->pstate, 3, 2) == 1;
        inject(v, (same_el ? 0x25ull : 0x24ull) << 26 | bit(25) | (esr & bit(6)) | 0x10, far);
        return;
    }
    v->exits[BY_MMIO]++;
    if (write)
        uart_write(v, ipa & 0xfff, value);
    else if (target != 31)
        v->x[target] = uart_read(ipa & 0xfff);
    v->pc += 4; /* done on the guest's behalf */
}

static void fetch_abort(struct vcpu *v)
{
    v->exits[BY_FAULT]++;
    u64 same_el = field(v->pstate, 3, 2) == 1;
    inject(v, (same_el ? 0x21ull : 0x20ull) << 26 | bit(25) | 0x10, read_reg(far_el2));
}

/* ---- hypercalls -------------------------------------------------------------------------------- */

static u64 write_text(struct vcpu *v, u64 ipa, u64 length)
{
    if (length > 256 || !guest_owns(v, ipa, length))
        return NOT_SUPPORTED;
    const char *text = (const char *)(v->ram + (ipa - GUEST_IPA));
    for (u64 i = 0; i < length; i++)
        guest_putc(v, text[i]);
    return 0;
}

static struct vcpu *hypercall(struct vcpu *v)
{
    switch ((u32)v->x[0]) {
    case PSCI_VERSION: v->x[0] = 0x10001; break;
    case PSCI_SYSTEM_OFF:
        v->off = true;
        print("guest %s powers off\n", v->name);
        return schedule(v);
    case HYP_WRITE: v->x[0] = write_text(v, v->x[1], v->x[2]); break;
    case HYP_IRQ: v->x[0] = virq_acknowledge(v); break;
    case HYP_WHERE: v->x[0] = guest_owns(v, v->x[1], 1) ? v->ram + (v->x[1] - GUEST_IPA) : NOT_SUPPORTED; break;
    default: v->x[0] = NOT_SUPPORTED; break;
    }
    return v;
}

/* ---- ID registers ------------------------------------------------------------------------------ */

/* HCR_EL2.TID3 lets us choose what the guest believes of its CPU. ISS: bit 0 read, 9:5 register, then the encoding
 * CRm 4:1, CRn 13:10, op1 16:14, op2 19:17, op0 21:20. Ours: EL2 and EL3 are hidden, no floating point, and
 * nothing is said of everything else (zero is the Armv8.0 answer). */
static bool id_register(struct vcpu *v, u64 esr)
{
    bool read = esr & 1;
    u64 op0 = field(esr, 21, 20), op1 = field(esr, 16, 14), crn = field(esr, 13, 10), crm = field(esr, 4, 1);
    if (!read || op0 != 3 || op1 != 0 || crn != 0 || crm < 1 || crm > 7)
        return false;
    u64 value = 0, op2 = field(esr, 19, 17), target = field(esr, 9, 5);
    if (crm == 4 && op2 == 0) /* ID_AA64PFR0_EL1: EL0 and EL1 in AArch64, FP and SIMD absent, GICv3 */
        value = 1 | 1 << 4 | (v->nested ? 1 : 0) << 8 | 0xf << 16 | 0xf << 20 | 1 << 24;
    else if (crm == 7 && op2 == 0) /* ID_AA64MMFR0_EL1: PA range as it is, 16 and 64 KiB granules absent */
        value = (read_reg(id_aa64mmfr0_el1) & 0xf) | 0xf << 24;
    if (target != 31)
        v->x[target] = value;
    v->exits[BY_IDREG]++;
    v->pc += 4;
    return true;
}

/* ---- the dispatcher ---------------------------------------------------------------------------- */

static struct vcpu *synchronous(struct vcpu *v)
{
    u64 esr = read_reg(esr_el2);
    if (v->nested && nested_trap(v, esr))
        return v;
    switch (field(esr, 31, 26)) {
    case EC_WFX: /* a trapped instruction has not been executed: skip it */
        v->exits[BY_WFI]++;
        v->pc += 4;
        v->waiting = true;
        return schedule(v);
    case EC_HVC64: /* an HVC has: ELR_EL2 points behind it */ v->exits[BY_HYPERCALL]++; return hypercall(v);
    case EC_SMC64: /* trapped by HCR_EL2.TSC */
        v->exits[BY_SMC]++;
        v->pc += 4;
        return hypercall(v);
    case EC_SVC64: /* only with HCR_EL2.TGE; a guest's system calls go to its own EL1 */ vhe_call(v, field(esr, 15, 0));
    case EC_DATA_ABORT: data_abort(v, esr); break;
    case EC_FETCH_ABORT: fetch_abort(v); break;
    case EC_SYS64:
        if (id_register(v, esr))
            break;
        /* fall through */
    default: /* floating point, other system registers: not in this machine */
        v->exits[BY_FAULT]++;
        inject_undefined(v);
        break;
    }
    return v;
}

static struct vcpu *handle(struct vcpu *v, u64 why)
{
    switch (why) {
    case EXIT_SYNC: return synchronous(v);
    case EXIT_IRQ:
        if (!gic_take(v))
            return v;
        v->slices++;
        return schedule(v);
    default: /* an FIQ or SError: nothing here makes one */
        print("guest %s is stopped: unexpected exception\n", v->name);
        v->off = true;
        return schedule(v);
    }
}

struct vcpu *trap(struct vcpu *v, u64 why)
{
    v = handle(v, why);
    if (v->nested)
        nested_resume(v);
    return v;
}

/* An exception taken from EL2 itself is a bug of the hypervisor. */
_Noreturn void trap_own(u64 why)
{
    print("BUG: exception %u in the hypervisor: ESR 0x%x ELR 0x%x FAR 0x%x\n", why, read_reg(esr_el2),
          read_reg(elr_el2), read_reg(far_el2));
    power_off();
}
