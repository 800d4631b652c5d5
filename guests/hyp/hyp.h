/* Declarations shared by the parts of the teaching hypervisor. Read start.S, then main.c. */
#pragma once

/* Offsets into struct vcpu that start.S needs; main.c checks them. */
#define VCPU_PC     (31 * 8)
#define VCPU_PSTATE (32 * 8)

/* Why the hypervisor was entered: x1 of trap(). */
#define EXIT_SYNC   0
#define EXIT_IRQ    1
#define EXIT_FIQ    2
#define EXIT_SERROR 3

/* What the image was started as: one entry point each (start.S). */
#define DEMO_PLAIN   0
#define DEMO_HOSTILE 1
#define DEMO_VHE     2
#define DEMO_SECURE  3
#define DEMO_NESTED  4
#define DEMO_DMA     5

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

#define read_reg(name)                                                                                                 \
    ({                                                                                                                 \
        u64 v_;                                                                                                        \
        asm volatile("mrs %0, " #name : "=r"(v_)::"memory");                                                           \
        v_;                                                                                                            \
    })
#define write_reg(name, value) asm volatile("msr " #name ", %0" ::"r"((u64)(value)) : "memory")
#define isb()                  asm volatile("isb" ::: "memory")
#define dsb()                  asm volatile("dsb sy" ::: "memory")
#define bit(n)                 (1ull << (n))
/* Bits hi..lo of x. */
static inline u64 field(u64 x, unsigned hi, unsigned lo) { return x >> lo & (~0ull >> (63 - (hi - lo))); }

/* The board: */
#define UART 0x09000000ull
#define GICD 0x08000000ull
#define GICR 0x080a0000ull
/* Guest RAM begins here in every guest's own addresses (IPA); stage 2 gives each another 2 MiB. */
#define GUEST_IPA 0x40000000ull
#define GUEST_PA  0x41000000ull
#define GUEST_RAM 0x200000ull
/* A guest that is a hypervisor itself needs more (nested.c). */
#define INNER_PA  0x44000000ull
#define INNER_RAM 0x1800000ull
static inline volatile u32 *mmio32(u64 address) { return (volatile u32 *)address; }

/* ---- virtual CPUs ---------------------------------------------------------------------------- */

/* The EL1 registers that belong to a guest: whoever runs next must not find the last one's. */
// clang-format off
#define EL1_REGISTERS(R) \
    R(sctlr_el1) R(cpacr_el1) R(ttbr0_el1) R(ttbr1_el1) R(tcr_el1) R(mair_el1) R(amair_el1) \
    R(vbar_el1) R(elr_el1) R(spsr_el1) R(esr_el1) R(far_el1) R(afsr0_el1) R(afsr1_el1) R(par_el1) \
    R(contextidr_el1) R(tpidr_el1) R(sp_el1) R(sp_el0) R(tpidr_el0) R(tpidrro_el0) R(cntkctl_el1) \
    R(cntv_cval_el0) R(cntv_ctl_el0)
// clang-format on

enum reason { BY_MMIO, BY_HYPERCALL, BY_SMC, BY_WFI, BY_IDREG, BY_FAULT, REASONS };

struct vcpu {
    u64 x[31], pc, pstate; /* start.S stores these */
#define R(name) u64 name;
    EL1_REGISTERS(R)
#undef R
    u64 hcr;                                              /* HCR_EL2 while it runs: what is trapped, and HCR_EL2.VI */
    u64 vttbr;                                            /* its stage-2 tables and VMID */
    u64 cntvoff;                                          /* its counter began to count here */
    u64 ich_lr0, ich_lr1, ich_vmcr, ich_ap0r0, ich_ap1r0; /* its virtual CPU interface */
    bool timer_active; /* its timer's physical interrupt is acknowledged and not yet deactivated */

    const char *name;
    u64 ram; /* where its RAM really is */
    u64 ram_size;
    bool nested;           /* it is a hypervisor itself: nested.c */
    bool by_list_register; /* how it gets interrupts; otherwise HCR_EL2.VI and a hypercall */
    bool off, waiting;     /* powered off; asleep in WFI */
    char line[160];        /* of its console, until the newline */
    unsigned line_length;
    u64 exits[REASONS];
    u64 slices; /* times it was interrupted because its time slice was over */
};

enum { GUESTS = 2 };
extern struct vcpu vcpus[GUESTS];
extern bool secure; /* this EL2 is Secure: other tables, timer and interrupt group */

/* ---- main.c */
/* Puts v aside and chooses who runs next; does not return when all guests are off. */
struct vcpu *schedule(struct vcpu *v);
/* The guest's registers from the hardware, and to it. */
void save(struct vcpu *v);
void load(struct vcpu *v);
_Noreturn void power_off(void);

/* ---- trap.c */
struct vcpu *trap(struct vcpu *v, u64 why);
_Noreturn void trap_own(u64 why);

/* ---- vhe.c */
struct vcpu *vhe_demo(void);
_Noreturn void vhe_call(const struct vcpu *v, u64 number);

/* ---- dma.c */
_Noreturn void dma_demo(void);

/* ---- secure.c */
void secure_boot(void);
_Noreturn void secure_off(void);

/* ---- nested.c */
void nested_create(struct vcpu *v);
bool nested_trap(struct vcpu *v, u64 esr);
bool nested_mmio(u64 ipa, bool write, u64 *value);
bool nested_timer(void);
void nested_resume(struct vcpu *v);
u64 nested_deadline(void);

/* ---- tables.c */
void tables_own(void);
u64 tables_guest(unsigned index, u64 ram, u64 size);
bool guest_owns(const struct vcpu *v, u64 ipa, u64 size);

/* ---- virq.c: interrupts and timers */
enum {
    GICD_CTLR = 0,
    GICD_CTLR_ARE_GROUP1 = 1 << 4 | 1 << 1,
    GICD_CTLR_ARE_SECURE_GROUP1 = 1 << 4 | 1 << 2,
    GICR_WAKER = 0x14,
    GICR_SGI = 0x10000, /* second frame: private interrupts */
    GICR_IGROUPR0 = GICR_SGI + 0x80,
    GICR_IGRPMODR0 = GICR_SGI + 0xd00,
    GICR_ISENABLER0 = GICR_SGI + 0x100,
    GICR_ISACTIVER0 = GICR_SGI + 0x300,
    GICR_ICACTIVER0 = GICR_SGI + 0x380,
};
#define LR_PENDING   bit(62)
#define LR_HW        bit(61)
#define LR_GROUP1    bit(60)
#define LR_PINTID(n) ((u64)(n) << 32)
#define LR_STATE     (bit(63) | bit(62))

enum { PPI_SECURE_HYP_TIMER = 20, PPI_HYP_TIMER = 26, PPI_VIRTUAL_TIMER = 27 };
void gic_init(void);
void virq_save(struct vcpu *v);
void virq_load(struct vcpu *v);
bool virq_pending(const struct vcpu *v);
u64 virq_acknowledge(struct vcpu *v);
/* Takes the pending physical interrupt; true: the time slice is over. */
bool gic_take(struct vcpu *v);
u64 timer_now(void);
/* When v's timer fires, in timer_now() terms; ~0: it is off. */
u64 timer_deadline(const struct vcpu *v);
void timer_arm(u64 when);
void timer_arm_before(u64 when); /* unless it is armed for an earlier time */

/* ---- console.c */
void console_init(void);
void print(const char *format, ...); /* begins the line with "hyp| "; %s, and %u %x of a u64 */
void guest_putc(struct vcpu *v, char c);
#endif
