/* A teaching hypervisor: two guests on one CPU, each convinced that the machine is its own.
 *
 * It is of type 1: it runs on the bare machine at EL2, its guests at EL1 with its stage-2 tables under theirs.
 *
 *   start.S    entry points, vectors, the way into and out of a guest
 *   main.c     creates the guests, exchanges their registers, decides who runs
 *   trap.c     what a guest did that it cannot do alone: emulation, hypercalls, faults
 *   tables.c   translation tables: our own stage 1, the guests' stage 2
 *   virq.c     the interrupt controller, virtual interrupts, timers
 *   console.c  a UART for everyone
 *   secure.c   a variant: what little EL3 must do so that all this runs in the Secure world
 *   nested.c   a variant: a guest that is this hypervisor itself
 *   vhe.c      another demonstration: what HCR_EL2.E2H does to the register names
 *   dma.c      another: a guest's device, contained by an SMMU
 *
 * guest_*.c are the guests. Left out to stay small: several CPUs, floating point (guests have none), device
 * assignment, an emulated interrupt distributor. */
#include "hyp.h"

_Static_assert(offsetof(struct vcpu, pc) == VCPU_PC, "start.S stores the PC there");
_Static_assert(offsetof(struct vcpu, pstate) == VCPU_PSTATE, "and PSTATE there");

struct vcpu vcpus[GUESTS];
bool secure;

/* What a guest does that comes to us instead (Arm ARM D19.2, HCR_EL2):
 *   VM             stage 2 is on
 *   IMO FMO AMO    physical interrupts are ours; the guest's interrupt masks concern virtual ones only
 *   TWI            WFI: another guest may use the time
 *   TSC            SMC: the firmware is ours to talk to
 *   TID3           reads of ID registers: we say what the guest's CPU can do
 *   TERR           the error records are the machine's
 *   RW             EL1 is AArch64
 *   SWIO FB BSU    cache and TLB maintenance keeps its effect if a guest moves between CPUs */
enum {
    HCR_VM = 1 << 0,
    HCR_SWIO = 1 << 1,
    HCR_FMO = 1 << 3,
    HCR_IMO = 1 << 4,
    HCR_AMO = 1 << 5,
    HCR_FB = 1 << 9,
    HCR_BSU_IS = 1 << 10,
    HCR_TWI = 1 << 13,
    HCR_TID3 = 1 << 18,
    HCR_TSC = 1 << 19,
};
#define HCR_RW   bit(31)
#define HCR_TERR bit(36)

enum {
    PSTATE_EL1H_MASKED = 0x3c5,   /* EL1 with its own stack pointer, interrupts masked */
    SCTLR_EL1_RESET = 0x30d00800, /* the bits that are one; MMU and caches off */
    SLICES_PER_SECOND = 1000,
    CPTR_TFP = 1 << 10, /* floating point traps */
    CPTR_RES1 = 0x33ff,
    /* MDCR_EL2: breakpoints and event counters exist once, and a guest's would go on in the next one. What is neither
     * trapped nor exchanged is a way for one guest to reach another. */
    MDCR_HPMN = 0x1f, /* how many counters EL1 has: as it was */
    MDCR_TRAPS = 1 << 11 | 1 << 10 | 1 << 9 | 1 << 6 | 1 << 5, /* TDRA TDOSA TDA TPM TPMCR */
};

/* ---- creation ---------------------------------------------------------------------------------- */

extern const u64 guest_clock[], guest_clock_end[], guest_primes[], guest_primes_end[], guest_wild[], guest_wild_end[];
extern const u64 _start[], bss_start[];

/* Who can be a guest. The last one is this hypervisor: a copy of ourselves, with enough memory to create guests. */
struct program {
    const char *name;
    const u64 *image, *end;
    u64 ram, ram_size;
    u64 entry; /* the IPA where the image goes and begins */
    bool by_list_register;
};
static const struct program clock = {"clock", guest_clock, guest_clock_end, GUEST_PA, GUEST_RAM, GUEST_IPA, true};
static const struct program primes = {"primes",  guest_primes, guest_primes_end, GUEST_PA + GUEST_RAM, GUEST_RAM,
                                      GUEST_IPA, false};
static const struct program wild = {"wild",    guest_wild, guest_wild_end, GUEST_PA + GUEST_RAM,
                                    GUEST_RAM, GUEST_IPA,  false};
static const struct program inner = {"inner", _start, bss_start, INNER_PA, INNER_RAM, (u64)_start, true};

static struct vcpu *create(unsigned index, const struct program *p)
{
    struct vcpu *v = &vcpus[index];
    v->name = p->name;
    v->ram = p->ram;
    v->ram_size = p->ram_size;
    v->by_list_register = p->by_list_register;
    u64 *to = (u64 *)(p->ram + (p->entry - GUEST_IPA));
    for (const u64 *from = p->image; from < p->end;)
        *to++ = *from++;
    v->vttbr = tables_guest(index, v->ram, v->ram_size);
    v->hcr =
        HCR_VM | HCR_SWIO | HCR_FMO | HCR_IMO | HCR_AMO | HCR_FB | HCR_BSU_IS | HCR_TWI | HCR_TID3 | HCR_TSC | HCR_RW |
        HCR_TERR;
    v->pc = p->entry;
    v->pstate = PSTATE_EL1H_MASKED;
    v->sctlr_el1 = SCTLR_EL1_RESET;
    v->cntvoff = timer_now();
    print("guest %s: %u bytes, RAM at IPA 0x%x, which is PA 0x%x, VMID %u\n", v->name, (u64)p->end - (u64)p->image,
          GUEST_IPA, v->ram, (u64)index + 1);
    return v;
}

struct vcpu *boot(u64 demo)
{
    console_init();
    if (demo == DEMO_VHE)
        return vhe_demo();
    if (demo == DEMO_DMA)
        dma_demo();
    secure = demo == DEMO_SECURE;
    print("Elara's teaching hypervisor at %sEL%u\n", secure ? "Secure " : "", field(read_reg(CurrentEL), 3, 2));
    if (field(read_reg(id_aa64pfr0_el1), 27, 24) == 0) {
        print("this machine has no GICv3 CPU interface, which I need (--gic 3)\n");
        power_off();
    }
    tables_own();
    gic_init();
    write_reg(cptr_el2, CPTR_RES1 | CPTR_TFP);
    write_reg(mdcr_el2, (read_reg(mdcr_el2) & MDCR_HPMN) | MDCR_TRAPS);
    write_reg(vpidr_el2, read_reg(midr_el1)); /* what the guest reads as its CPU's type and number */
    write_reg(vmpidr_el2, bit(31));
    write_reg(cnthctl_el2, 1); /* guests may read the physical counter; its timer is not for them */
    create(0, &clock);
    if (demo == DEMO_NESTED)
        nested_create(create(1, &inner));
    else
        create(1, demo == DEMO_HOSTILE ? &wild : &primes);
    load(&vcpus[0]);
    timer_arm(timer_now() + read_reg(cntfrq_el0) / SLICES_PER_SECOND);
    return &vcpus[0];
}

/* ---- the world switch -------------------------------------------------------------------------- */

/* Everything the guest can see or change and that is not in memory, except what start.S has saved. */
void save(struct vcpu *v)
{
#define R(name) v->name = read_reg(name);
    EL1_REGISTERS(R)
#undef R
    write_reg(cntv_ctl_el0, 0); /* nobody's timer runs now; timer_deadline() knows when it would fire */
    virq_save(v);
}

void load(struct vcpu *v)
{
    /* Stage 2 first: no speculative access may combine one guest's tables with another's. The VMID in VTTBR_EL2
     * keeps their TLB entries apart, so nothing has to be invalidated. */
    write_reg(vttbr_el2, v->vttbr);
    if (secure) /* the tables of Secure IPAs; the VMID is VTTBR_EL2's all the same */
        write_reg(S3_4_C2_C6_0, v->vttbr & 0xffffffffffffull); /* VSTTBR_EL2 */
    write_reg(hcr_el2, v->hcr);
    isb();
    write_reg(cntvoff_el2, v->cntvoff);
#define R(name) write_reg(name, v->name);
    EL1_REGISTERS(R)
#undef R
    virq_load(v);
    isb();
}

/* ---- who runs ---------------------------------------------------------------------------------- */

static bool runnable(const struct vcpu *v, u64 now)
{
    return !v->off && (!v->waiting || virq_pending(v) || timer_deadline(v) <= now);
}

/* Goodbye: how often each guest needed us, and why. */
static void end(void)
{
    for (struct vcpu *v = vcpus; v < vcpus + GUESTS; v++)
        print(
            "%s: %u UART accesses, %u hypercalls, %u SMC, %u WFI, %u ID registers, %u faults, %u time slices used up\n",
            v->name, v->exits[BY_MMIO], v->exits[BY_HYPERCALL], v->exits[BY_SMC], v->exits[BY_WFI], v->exits[BY_IDREG],
            v->exits[BY_FAULT], v->slices);
    print("all guests are off\n");
    power_off();
}

/* Round robin. The hypervisor's timer is armed for the end of the slice, or for the moment when a sleeping guest's
 * own timer fires: its virtual timer cannot tell us, because the registers hold the running guest's. One look at the
 * counter decides both who runs and what comes next: a deadline between two looks would be forgotten for a slice. */
struct vcpu *schedule(struct vcpu *v)
{
    save(v);
    for (;;) {
        bool alive = false;
        u64 now = timer_now(), next = now + read_reg(cntfrq_el0) / SLICES_PER_SECOND, wake = ~0ull;
        for (unsigned i = 0; i < GUESTS; i++) {
            alive |= !vcpus[i].off;
            u64 deadline = timer_deadline(&vcpus[i]);
            if (!vcpus[i].off && vcpus[i].waiting && deadline > now && deadline < wake)
                wake = deadline;
        }
        if (!alive)
            end();
        for (unsigned i = 1; i <= GUESTS; i++) {
            struct vcpu *n = &vcpus[(unsigned)(v - vcpus + i) % GUESTS];
            if (!runnable(n, now))
                continue;
            n->waiting = false;
            load(n);
            timer_arm(wake < next ? wake : next);
            if (n->nested && nested_deadline() > now)
                timer_arm_before(nested_deadline());
            return n;
        }
        if (wake == ~0ull) {
            print("every guest sleeps and no timer will wake one\n");
            end();
        }
        timer_arm(wake);
        asm volatile("wfi");
        gic_take(NULL);
    }
}

/* PSCI (Arm DEN0022): the machine's firmware switches it off. */
_Noreturn void power_off(void)
{
    register u64 x0 asm("x0") = 0x84000008;
    asm volatile("smc #0" : "+r"(x0)::"memory");
    for (;;)
        asm volatile("wfi");
}
