/* Single operations, timed by the host between the lines BEGIN and END. */
#pragma once
typedef unsigned int u32;
typedef unsigned long u64;

#define MSR(reg, val) __asm__ volatile("msr " reg ", %0" ::"r"((u64)(val)) : "memory")
#define MRS(reg)                                                                                                       \
    ({                                                                                                                 \
        u64 v_;                                                                                                        \
        __asm__ volatile("mrs %0, " reg : "=r"(v_)::"memory");                                                         \
        v_;                                                                                                            \
    })
#define ISB() __asm__ volatile("isb" ::: "memory")
#define DSB() __asm__ volatile("dsb sy" ::: "memory")

enum { PAGES = 0x40400000, PAGE_COUNT = 64 }; /* pages that are mapped one by one, not global */
enum { HCR_RW = 1u << 31, HCR_VM = 1 };

/* start.S */
void call_el1(void (*fn)(void));
void leaf(void);

/* tables.c */
void tables_on(void);        /* stage 1 of EL2 and EL1, and stage 2, which HCR_EL2.VM turns on */
u64 tables_stage2(u64 vmid); /* VTTBR_EL2 */
u64 tables_asid(u64 asid);   /* TTBR0_EL1 */

/* world.c */
void world_exchange(void);
void world_guest(void); /* switches, and touches its pages */

void failed(u64 esr, u64 elr, u64 far) __attribute__((noreturn));
static inline void touch(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        (void)*(volatile u32 *)((u64)PAGES + 4096ul * i);
}
