/* Translation tables: identity. The first GiB is Device, the second Normal memory in blocks of 2 MiB, but for the one
 * at PAGES, which is in pages of 4 KiB and, at EL1, not global. 39 bits, so that walks begin at level 1. */
#include "bench.h"

enum { TABLE = 3, BLOCK = 1, PAGE = 3, AF = 1 << 10, SH = 3 << 8, NG = 1 << 11, AP1 = 1 << 6 };
static u64 table[3][3][512] __attribute__((aligned(4096))); /* EL2, EL1, stage 2; levels 1 to 3 */

static void fill(u64 t[3][512], u64 normal, u64 device, u64 page)
{
    t[0][0] = device | BLOCK | AF;
    t[0][1] = (u64)t[1] | TABLE;
    for (u64 i = 0; i < 512; i++) {
        t[1][i] = (0x40000000 + (i << 21)) | normal | BLOCK | AF | SH;
        t[2][i] = (PAGES + (i << 12)) | normal | PAGE | AF | SH | page;
    }
    t[1][(PAGES - 0x40000000) >> 21] = (u64)t[2] | TABLE;
}

u64 tables_stage2(u64 vmid) { return (u64)table[2] | vmid << 48; }
u64 tables_asid(u64 asid) { return (u64)table[1] | asid << 48; }

void tables_on(void)
{
    const u64 walk = 25 | 1 << 8 | 1 << 10 | 3 << 12; /* T0SZ, write-back tables, Inner Shareable */
    fill(table[0], AP1, AP1 | 4, 0);
    fill(table[1], 0, 4, NG);
    fill(table[2], 0xf << 2 | 3 << 6, 1 << 2 | 3 << 6, 0); /* MemAttr, S2AP */
    DSB();
    MSR("mair_el2", 0xff); /* 0: Normal, 1: Device-nGnRnE */
    MSR("mair_el1", 0xff);
    MSR("tcr_el2", 1u << 31 | 1 << 23 | 2 << 16 | walk);
    MSR("tcr_el1", 2ul << 32 | 1 << 23 | walk);
    MSR("vtcr_el2", 1u << 31 | 2 << 16 | 1 << 6 | walk); /* SL0: level 1 */
    MSR("ttbr0_el2", table[0]);
    MSR("ttbr0_el1", tables_asid(1));
    MSR("vttbr_el2", tables_stage2(1));
    ISB();
    __asm__ volatile("tlbi alle2\n tlbi alle1\n dsb sy\n ic iallu\n dsb sy\n isb" ::: "memory");
    MSR("sctlr_el2", 0x30c51835 & ~(1u << 19)); /* M, C, I, SA; not WXN */
    MSR("sctlr_el1", 0x30d01805);
    ISB();
}
