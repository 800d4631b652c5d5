/* Nested virtualization (FEAT_NV2, Arm ARM D8.11): a guest that is a hypervisor itself, here a copy of this very one.
 *
 * It runs at EL1 and must believe that it is EL2. Three mechanisms make it so:
 *
 *   trap      HCR_EL2.NV: its uses of EL2 registers and ERET come to us, instead of being UNDEFINED.
 *   memory    HCR_EL2.NV2: most of those registers have no effect until it enters its guest. The hardware turns their
 *             accesses into loads and stores of a page of ours, VNCR_EL2, and no trap is needed.
 *   renaming  ELR_EL2, SPSR_EL2, ESR_EL2, FAR_EL2 it gets as EL1's, which is where its exceptions put things.
 *
 * So there are two levels of guests: the inner hypervisor, at "virtual EL2", and its guests. Exactly one of the two is
 * in the EL1 registers. An ERET of the inner hypervisor enters its guest; a trap of that guest goes back to it. */
#include "hyp.h"

#define HCR_NV  bit(42)
#define HCR_NV1 bit(43) /* it is no VHE host: EL1 register names mean its guest's registers, which are in the page */
#define HCR_NV2 bit(45)
#define HCR_VI  bit(7)

enum { VTTBR_EL2 = 0x020, CNTVOFF_EL2 = 0x060, HCR_EL2 = 0x078 };
enum { ICH_LR0 = 0x400, ICH_AP0R0 = 0x480, ICH_AP1R0 = 0x4a0, ICH_VMCR = 0x4c8 };
/* The inner guest's registers: where they are in the page. */
// clang-format off
#define PAGE_REGISTERS(R) \
    R(sctlr_el1, 0x110) R(cpacr_el1, 0x100) R(ttbr0_el1, 0x200) R(ttbr1_el1, 0x210) \
    R(tcr_el1, 0x120) R(mair_el1, 0x140) R(amair_el1, 0x148) R(vbar_el1, 0x250) R(elr_el1, 0x230) \
    R(spsr_el1, 0x160) R(esr_el1, 0x138) R(far_el1, 0x220) R(afsr0_el1, 0x128) R(afsr1_el1, 0x130) \
    R(contextidr_el1, 0x108) R(sp_el1, 0x240) R(cntv_cval_el0, 0x168) R(cntv_ctl_el0, 0x170) \
    R(ich_lr0, ICH_LR0) R(ich_ap0r0, ICH_AP0R0) R(ich_ap1r0, ICH_AP1R0) \
    R(ich_vmcr, ICH_VMCR)
// clang-format on

enum { SHADOWS = 2, VMID_SHADOW = 8, BLOCK_SIZE = 1 << 21 };
static u64 page[512] __attribute__((aligned(4096)));
static u64 shadow_level1[SHADOWS][512] __attribute__((aligned(4096)));
static u64 shadow_level2[SHADOWS][512] __attribute__((aligned(4096)));
static struct vcpu outer;         /* the inner hypervisor's registers while its guest runs */
static bool in_guest;             /* which of the two runs */
static u64 hpfar;                 /* HPFAR_EL2 as the inner hypervisor reads it */
static u64 timer_ctl, timer_cval; /* its CNTHP_*_EL2 */

/* A register of the page by its offset. */
static u64 *paged(unsigned offset) { return &page[offset / 8]; }

void nested_create(struct vcpu *v)
{
    if (field(read_reg(id_aa64mmfr2_el1), 27, 24) < 2) {
        print("this CPU has no FEAT_NV2; --cpu max has\n");
        power_off();
    }
    v->nested = true;
    v->hcr |= HCR_NV | HCR_NV1 | HCR_NV2;
    write_reg(S3_4_C2_C2_0, page); /* VNCR_EL2 */
}

/* ---- its timer and interrupts ------------------------------------------------------------------ */

u64 nested_deadline(void) { return timer_ctl & 1 ? timer_cval : ~0ull; }

/* Its hypervisor timer is ours to fire, by a second list register. */
static void timer_update(struct vcpu *at)
{
    bool due = nested_deadline() <= timer_now();
    if (due && !(at->ich_lr1 & LR_STATE))
        at->ich_lr1 = LR_PENDING | LR_GROUP1 | PPI_HYP_TIMER;
    if (!due)
        at->ich_lr1 &= ~LR_PENDING;
}

/* The physical timer interrupt arrived while its guest ran: it is the inner hypervisor's to pass on. */
bool nested_timer(void)
{
    if (in_guest)
        outer.ich_lr0 = LR_PENDING | LR_HW | LR_GROUP1 | LR_PINTID(PPI_VIRTUAL_TIMER) | PPI_VIRTUAL_TIMER;
    return in_guest;
}

/* ---- between the two --------------------------------------------------------------------------- */

/* The VTTBR_EL2 of the inner guest: tables of ours that are filled as it faults. */
static unsigned shadow_index(void) { return (unsigned)(*paged(VTTBR_EL2) >> 48) % SHADOWS; }

static void enter_inner(struct vcpu *v)
{
    u64 pc = read_reg(elr_el1), pstate = read_reg(spsr_el1);
    save(v);
    in_guest = true;
    outer.ich_lr1 = v->ich_lr1;
    outer.hcr = v->hcr;
    outer.vttbr = v->vttbr;
#define R(name, offset)                                                                                                \
    outer.name = v->name;                                                                                              \
    v->name = *paged(offset);
    PAGE_REGISTERS(R)
#undef R
    v->ich_lr1 = 0;
    v->hcr = (v->hcr & ~(HCR_NV | HCR_NV1 | HCR_NV2)) | (*paged(HCR_EL2) & HCR_VI);
    v->cntvoff = *paged(CNTVOFF_EL2); /* only the guest's timer runs: the inner hypervisor uses its own */
    v->vttbr = (u64)(VMID_SHADOW + shadow_index()) << 48 | (u64)shadow_level1[shadow_index()];
    v->pc = pc;
    v->pstate = pstate & ~0x1aull; /* at most EL1 */
    load(v);
}

/* The inner guest's exception, as if EL2 had taken it. */
static void leave_inner(struct vcpu *v, u64 esr, u64 far, u64 offset)
{
    u64 pc = v->pc, pstate = v->pstate;
    save(v);
    u64 had = *paged(ICH_LR0);
#define R(name, offset_) *paged(offset_) = v->name;
    PAGE_REGISTERS(R)
#undef R
    /* The inner guest has ended an interrupt tied to a physical one: for the inner hypervisor it is inactive, too. */
    if ((had & LR_HW) && (had & LR_STATE) && !(v->ich_lr0 & LR_STATE))
        outer.ich_lr0 = 0;
#define R(name, offset_) v->name = outer.name;
    PAGE_REGISTERS(R)
#undef R
    v->ich_lr1 = outer.ich_lr1;
    v->hcr = outer.hcr;
    v->vttbr = outer.vttbr;
    in_guest = false;
    v->elr_el1 = pc;
    v->spsr_el1 = pstate;
    v->esr_el1 = esr;
    v->far_el1 = far;
    v->pc = v->vbar_el1 + offset;
    v->pstate = 0x3c5;
    timer_update(v);
    load(v);
}

/* Last, on the way into v: has the inner hypervisor an interrupt that its guest must be stopped for? */
void nested_resume(struct vcpu *v)
{
    if (in_guest) {
        timer_update(&outer);
        if ((outer.ich_lr0 | outer.ich_lr1) & LR_PENDING)
            leave_inner(v, 0, 0, 0x480);
        return;
    }
    v->ich_lr1 = read_reg(ich_lr1_el2);
    timer_update(v);
    write_reg(ich_lr1_el2, v->ich_lr1);
}

/* ---- shadow tables ----------------------------------------------------------------------------- */

/* Two stage 2s under one another: the inner hypervisor's tables say where its guest's address is in its own memory,
 * ours say where that is. The hardware walks only one, so we enter the sum of both, block by block. */
static bool shadow_map(const struct vcpu *v, u64 ipa)
{
    u64 table = *paged(VTTBR_EL2) & 0xfffffffff000, descriptor = 0;
    if (ipa >> 30 != GUEST_IPA >> 30)
        return false;
    for (unsigned level = 1; level <= 2; level++) {
        u64 at = table + 8 * (level == 1 ? ipa >> 30 : field(ipa, 29, 21));
        if (!guest_owns(v, at, 8))
            return false;
        descriptor = *(const u64 *)(v->ram + (at - GUEST_IPA));
        if ((descriptor & 3) != (level == 1 ? 3 : 1)) /* a table, then a block: pages we do not need here */
            return false;
        table = descriptor & 0xfffffffff000;
    }
    u64 block = table & ~(BLOCK_SIZE - 1ull);
    if (!guest_owns(v, block, BLOCK_SIZE))
        return false;
    unsigned i = shadow_index();
    shadow_level2[i][field(ipa, 29, 21)] = (descriptor & 0xffc) | 1 | (v->ram + (block - GUEST_IPA));
    shadow_level1[i][ipa >> 30] = (u64)shadow_level2[i] | 3;
    dsb();
    return true;
}

static void shadow_forget(void)
{
    for (unsigned i = 0; i < SHADOWS; i++)
        for (unsigned j = 0; j < 512; j++)
            shadow_level2[i][j] = 0;
    dsb();
    asm volatile("tlbi alle1" ::: "memory");
    dsb();
    isb();
}

/* ---- what comes to us -------------------------------------------------------------------------- */

/* A register as an MRS or MSR syndrome has it: op0 21:20, op2 19:17, op1 16:14, CRn 13:10, CRm 4:1. */
#define REG(op0, op1, crn, crm, op2) ((op0) << 20 | (op2) << 17 | (op1) << 14 | (crn) << 10 | (crm) << 1)

/* An EL2 register that is not in the page, because it acts at once: on the inner hypervisor's own translation. */
static bool system_register(struct vcpu *v, u64 esr)
{
    unsigned target = (unsigned)field(esr, 9, 5);
    u64 value = target == 31 ? 0 : v->x[target];
    bool read = esr & 1;
    if (field(esr, 21, 20) == 1) { /* TLBI */
        shadow_forget();
        return true;
    }
    switch (esr & 0x3ffc1e) {
    case REG(3, 4, 1, 0, 0): /* SCTLR_EL2: M A C SA I, and EL1's bits that are one */
        write_reg(sctlr_el1, 0x30d00800 | (value & 0x100f));
        return !read;
    case REG(3, 4, 2, 0, 0): write_reg(ttbr0_el1, value); return !read; /* TTBR0_EL2 */
    case REG(3, 4, 2, 0, 2): /* TCR_EL2: the size of PAs stands elsewhere, and there is no second range */
        write_reg(tcr_el1, (value & 0xffff) | field(value, 18, 16) << 32 | bit(23));
        return !read;
    case REG(3, 4, 10, 2, 0): write_reg(mair_el1, value); return !read; /* MAIR_EL2 */
    case REG(3, 4, 12, 0, 0): write_reg(vbar_el1, value); return !read; /* VBAR_EL2 */
    case REG(3, 4, 1, 1, 2):                                            /* CPTR_EL2: no floating point anyway */
    case REG(3, 4, 14, 1, 0):                                           /* CNTHCTL_EL2 */
    case REG(3, 4, 12, 9, 5): return !read;                             /* ICC_SRE_EL2 */
    case REG(3, 4, 14, 2, 1):                                           /* CNTHP_CTL_EL2 */
    case REG(3, 4, 14, 2, 2):                                           /* CNTHP_CVAL_EL2 */
        if (read)
            return false;
        *(field(esr, 19, 17) == 1 ? &timer_ctl : &timer_cval) = value;
        timer_arm_before(nested_deadline());
        return true;
    case REG(3, 4, 1, 1, 1): /* MDCR_EL2: its guest is trapped by ours anyway */
        if (read && target != 31)
            v->x[target] = 0;
        return true;
    case REG(3, 4, 6, 0, 4): /* HPFAR_EL2 */
        if (target != 31)
            v->x[target] = hpfar;
        return read;
    }
    return false;
}

/* A synchronous exception of v. False: it is nothing special. */
bool nested_trap(struct vcpu *v, u64 esr)
{
    unsigned class = (unsigned)field(esr, 31, 26);
    if (in_guest) {
        u64 far = read_reg(far_el2), fault = read_reg(hpfar_el2);
        bool abort = class == 0x24 || class == 0x20;
        if (abort && shadow_map(v, field(fault, 43, 4) << 12))
            return true; /* try again */
        if (abort)
            hpfar = fault;
        leave_inner(v, esr, far, 0x400);
        return true;
    }
    if (class == 0x1a) { /* ERET: what HCR_EL2.NV traps, too */
        enter_inner(v);
        return true;
    }
    if (class == 0x18 && system_register(v, esr)) {
        v->pc += 4;
        return true;
    }
    return false;
}

/* Its interrupt controller: what gic_init() and virq.c do with the real one. Only the active state means something. */
bool nested_mmio(u64 ipa, bool write, u64 *value)
{
    if (in_guest || (ipa >> 16 != GICD >> 16 && ipa >> 17 != GICR >> 17))
        return false;
    if (!write)
        *value = ipa == GICR + GICR_ISACTIVER0 && read_reg(ich_lr0_el2) & bit(63) ? bit(PPI_VIRTUAL_TIMER) : 0;
    else if (ipa == GICR + GICR_ICACTIVER0)
        write_reg(ich_lr0_el2, 0);
    else if (ipa == GICR + GICR_ISACTIVER0)
        write_reg(ich_lr0_el2, bit(63) | LR_HW | LR_GROUP1 | LR_PINTID(PPI_VIRTUAL_TIMER) | PPI_VIRTUAL_TIMER);
    if (write && (ipa == GICR + GICR_ICACTIVER0 || ipa == GICR + GICR_ISACTIVER0))
        *mmio32(ipa) = (u32)*value;
    return true;
}
