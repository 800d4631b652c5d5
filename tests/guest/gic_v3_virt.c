/* GICv3 virtualization: ICH at EL2, ICV at EL1. Kept out: ICH_HCR.VGrp0DIE, which the reference takes from the other
 * group's enable; EOIs with EOImode 1 of what is active in no list register, which it counts. */
#include "gic_guest.h"

#define ICH_AP0R0 "S3_4_C12_C8_0"
#define ICH_AP1R0 "S3_4_C12_C9_0"
#define ICH_HCR   "S3_4_C12_C11_0"
#define ICH_VTR   "S3_4_C12_C11_1"
#define ICH_MISR  "S3_4_C12_C11_2"
#define ICH_EISR  "S3_4_C12_C11_3"
#define ICH_ELRSR "S3_4_C12_C11_5"
#define ICH_VMCR  "S3_4_C12_C11_7"

#define READ(name, reg)                                                                                                \
    static u64 name(u64 unused)                                                                                        \
    {                                                                                                                  \
        (void)unused;                                                                                                  \
        return MRS(reg);                                                                                               \
    }
#define WRITE(name, reg)                                                                                               \
    static u64 name(u64 v)                                                                                             \
    {                                                                                                                  \
        MSR(reg, v);                                                                                                   \
        return 0;                                                                                                      \
    }
READ(isr, "isr_el1")
READ(iar0, ICC_IAR0)
READ(iar1, ICC_IAR1)
READ(hppir0, ICC_HPPIR0)
READ(hppir1, ICC_HPPIR1)
READ(rpr, ICC_RPR)
READ(pmr, ICC_PMR)
READ(bpr0, ICC_BPR0)
READ(bpr1, ICC_BPR1)
READ(ctlr, ICC_CTLR)
WRITE(set_eoir0, ICC_EOIR0)
WRITE(set_eoir1, ICC_EOIR1)
WRITE(set_dir, ICC_DIR)
WRITE(set_pmr, ICC_PMR)
WRITE(set_bpr0, ICC_BPR0)
WRITE(set_bpr1, ICC_BPR1)
WRITE(set_ctlr, ICC_CTLR)
WRITE(set_igrpen0, ICC_IGRPEN0)
WRITE(set_igrpen1, ICC_IGRPEN1)

static u64 guest(u64 (*fn)(u64), u64 v) { return call_lower(fn, v, 0); }

static u64 read_lr(u32 i)
{
    switch (i) {
    case 0: return MRS("S3_4_C12_C12_0");
    case 1: return MRS("S3_4_C12_C12_1");
    case 2: return MRS("S3_4_C12_C12_2");
    default: return MRS("S3_4_C12_C12_3");
    }
}

static void write_lr(u32 i, u64 v)
{
    switch (i) {
    case 0: MSR("S3_4_C12_C12_0", v); break;
    case 1: MSR("S3_4_C12_C12_1", v); break;
    case 2: MSR("S3_4_C12_C12_2", v); break;
    default: MSR("S3_4_C12_C12_3", v); break;
    }
}

static void show(void)
{
    static u64 (*const views[])(u64) = {isr, hppir0, hppir1, rpr, pmr, bpr0, bpr1, ctlr};
    text(" :");
    for (u32 i = 0; i < 8; i++)
        hex(guest(views[i], 0));
    hex(MRS(ICH_HCR));
    hex(MRS(ICH_MISR));
    hex(MRS(ICH_EISR));
    hex(MRS(ICH_ELRSR));
    hex(MRS(ICH_AP0R0));
    hex(MRS(ICH_AP1R0));
    hex(MRS(ICH_VMCR));
    for (u32 i = 0; i < 4; i++)
        hex(read_lr(i));
    hex(r32(SGI_BASE + 0x200) >> 25 & 1); /* maintenance interrupt */
    hex(r32(GICD + 0x304));               /* deactivated by hardware list registers */
}

/* 11 pending and active, 10 active, ...; hardware ones with the physical interrupt active, as after its EOI. */
static void new_lr(u32 i)
{
    u64 lr = (u64)(rnd(6) ? 1 : rnd(4)) << 62 | (u64)(rnd(3) != 0) << 60 | (u64)rnd(32) << 51 | (32 + i * 4 + rnd(4));
    if (rnd(3) == 0) {
        u32 physical = 40 + rnd(4);
        lr |= 1ul << 61 | (u64)physical << 32;
        w32(GICD + 0x304, 1u << physical % 32);
    } else if (rnd(3) == 0) {
        lr |= 1ul << 41;
    }
    text(" lr");
    hex(i);
    hex(lr);
    write_lr(i, lr);
}

static int may_end(u32 id)
{
    if (!(MRS(ICH_VMCR) >> 9 & 1))
        return 1;
    for (u32 i = 0; i < 4; i++)
        if (read_lr(i) >> 63 && (u32)read_lr(i) == id)
            return 1;
    return 0;
}

static void end(u32 v)
{
    if (may_end(v & 0xffff))
        guest(v >> 16 ? set_eoir1 : set_eoir0, v & 0xffff);
}

static void hypervisor(void)
{
    u64 v;
    switch (rnd(8)) {
    case 0:
        v = (rnd(8) != 0) | (rnd(3) ? 0 : (rnd(128) << 1 & ~0x20u));
        v |= rnd(4) ? MRS(ICH_HCR) & 0xf8000000 : (u64)rnd(32) << 27;
        MSR(ICH_HCR, say(" hcr", (u32)v));
        break;
    case 1:
        v = (u64)rnd(32) << 27 | rnd(64) << 18 | rnd(2) << 9 | (u64)(rnd(4) == 0) << 4 | rnd(4);
        MSR(ICH_VMCR, say(" vmcr", (u32)v));
        break;
    case 2:
        if (rnd(4) == 0)
            MSR(ICH_AP0R0, say(" ap0", 1u << rnd(32)));
        else if (rnd(3) == 0)
            MSR(ICH_AP1R0, say(" ap1", 1u << rnd(32) | 1u << rnd(32)));
        break;
    default: new_lr(rnd(4)); break;
    }
}

static void vcpu(void)
{
    u32 v;
    switch (rnd(17)) {
    case 0: guest(set_pmr, say(" pmr", rnd(3) ? 0xf8 : rnd(32) * 8)); break;
    case 1: guest(set_bpr0, say(" bpr0", rnd(8))); break;
    case 2: guest(set_bpr1, say(" bpr1", rnd(8))); break;
    case 3: guest(set_ctlr, say(" ctlr", rnd(4) ? rnd(2) * 2 : rnd(4))); break;
    case 4:
        v = say(" enable", rnd(3) ? 3 : rnd(4));
        guest(set_igrpen0, v & 1);
        guest(set_igrpen1, v >> 1);
        break;
    case 5:
    case 6:
    case 7:
    case 8: push(say(" iar1", (u32)guest(iar1, 0)) | 0x10000); break;
    case 9:
    case 10: push(say(" iar0", (u32)guest(iar0, 0))); break;
    case 11: guest(set_dir, say(" dir", 32 + rnd(20))); break;
    case 12: end(say(" wrong eoi", (32 + rnd(20)) | rnd(2) << 16)); break;
    default:
        if (depth)
            end(say(" eoi", stack[--depth]));
        break;
    }
}

void main(void)
{
    start();
    w32(GICD, 0x12);
    w32(GICR + 0x14, 0);
    w32(GICD + 0x84, ~0u);
    hex(MRS(ICH_VTR));
    for (u32 n = 0; n < STEPS; n++) {
        put('\n');
        hex(n);
        if (rnd(3) == 0)
            hypervisor();
        else
            vcpu();
        show();
    }
    power_off();
}
