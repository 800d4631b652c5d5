/* Translation tables (Arm ARM D8): 4 KiB granule, 512 descriptors of 8 bytes a table.
 *
 * Our own stage 1 maps addresses to themselves in 1 GiB blocks, only to make RAM cacheable. A guest's stage 2 turns
 * the addresses it believes in (intermediate physical, IPA) into real ones. It maps RAM and nothing else: every
 * other access is a stage-2 fault, which comes to us and is how devices are emulated. */
#include "hyp.h"

enum { ENTRIES = 512, TABLE = 3, BLOCK = 1, AF = 1 << 10, INNER_SHAREABLE = 3 << 8 };
#define XN bit(54)
/* Memory type: stage 1 has an index into MAIR_EL2, stage 2 the type itself. */
enum { S1_DEVICE = 0 << 2, S1_NORMAL = 1 << 2, S2_NORMAL = 15 << 2, S2_READ_WRITE = 3 << 6 };

static u64 own_level1[ENTRIES] __attribute__((aligned(4096)));
static u64 guest_level1[GUESTS][ENTRIES] __attribute__((aligned(4096)));
static u64 guest_level2[GUESTS][ENTRIES] __attribute__((aligned(4096)));

void tables_own(void)
{
    own_level1[0] = 0x00000000 | BLOCK | AF | S1_DEVICE | XN;
    own_level1[1] = 0x40000000 | BLOCK | AF | S1_NORMAL | INNER_SHAREABLE;
    dsb();
    write_reg(mair_el2, 0xff << 8 | 0x00); /* index 1: write-back memory; index 0: Device-nGnRnE */
    /* TCR_EL2: 4 GiB (T0SZ = 64 - 32), write-back walks, physical addresses of 40 bits */
    write_reg(tcr_el2, bit(31) | bit(23) | 2 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 32);
    write_reg(ttbr0_el2, own_level1);
    /* VTCR_EL2: IPAs of 4 GiB, so walks start at level 1 (SL0 = 1) */
    write_reg(vtcr_el2, bit(31) | 2 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 1 << 6 | 32);
    if (secure) /* VSTCR_EL2: the same size; SA and SW 0: Secure IPAs lead to Secure memory */
        write_reg(S3_4_C2_C6_2, bit(31) | 1 << 6 | 32);
    asm volatile("tlbi alle2\n\ttlbi alle1" ::: "memory");
    dsb();
    isb();
    write_reg(sctlr_el2, 0x30c50830 | bit(0) | bit(2) | bit(12)); /* MMU, data and instruction caches on */
    isb();
}

/* Stage 2 of a guest: its RAM at GUEST_IPA, in 2 MiB blocks. Returns its VTTBR_EL2. */
u64 tables_guest(unsigned index, u64 ram, u64 size)
{
    guest_level1[index][GUEST_IPA >> 30] = (u64)guest_level2[index] | TABLE;
    for (u64 at = 0; at < size; at += 1 << 21)
        guest_level2[index][field(GUEST_IPA + at, 29, 21)] =
            (ram + at) | BLOCK | AF | INNER_SHAREABLE | S2_NORMAL | S2_READ_WRITE;
    dsb();
    return (u64)(index + 1) << 48 | (u64)guest_level1[index];
}

/* Does all of this lie in the guest's RAM? Asked of every address that comes from a guest, before it is used. */
bool guest_owns(const struct vcpu *v, u64 ipa, u64 size)
{
    return ipa >= GUEST_IPA && size <= v->ram_size && ipa - GUEST_IPA <= v->ram_size - size;
}
