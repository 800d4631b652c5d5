/* GICv3 of one Security state: distributor, redistributor and ICC at EL1. The groups stay enabled at the CPU interface:
 * the reference lets a pending interrupt of a disabled group hide those of the other. Each SGI is asked for with the
 * register of its group: the reference knows Group 0 by ICC_SGI1R_EL1 in Secure state only. */
#include "gic_guest.h"

static const u32 ids[] = {0, 1, 5, 20, 21, 23, 40, 41, 44, 47, 64, 65};

static u64 base(u32 id) { return id < 32 ? SGI_BASE : GICD; }
static u64 bits_at(u32 id, u32 block) { return base(id) + block + id / 32 * 4; }

static void show(void)
{
    text(" :");
    hex(MRS("isr_el1") >> 6 & 3);
    hex(MRS(ICC_HPPIR0));
    hex(MRS(ICC_HPPIR1));
    hex(MRS(ICC_RPR));
    hex(MRS(ICC_AP0R0));
    hex(MRS(ICC_AP1R0));
}

static void show_all(void)
{
    static const u32 block[] = {0x80, 0x100, 0x200, 0x300};
    text("\nstate");
    for (u32 i = 0; i < 4; i++) {
        hex(r32(SGI_BASE + block[i]));
        hex(r32(GICD + block[i] + 4));
        hex(r32(GICD + block[i] + 8));
    }
    hex(r32(SGI_BASE + 0x400));
    hex(r32(GICD + 0x428));
    hex(r32(GICD));
}

static void change(u32 op, u32 id)
{
    u32 bit = 1u << id % 32, v;
    switch (op) {
    case 0: w8(base(id) + 0x400 + id, say(" prio", rnd(32) * 8)); break;
    case 1:
    case 2:
    case 3: w32(bits_at(id, 0x200), say(" pend", bit)); break;
    case 4: w32(bits_at(id, 0x280), say(" unpend", bit)); break;
    case 5:
    case 6: w32(bits_at(id, 0x100), say(" enable", bit)); break;
    case 7: w32(bits_at(id, 0x180), say(" disable", bit)); break;
    case 8:
        v = r32(bits_at(id, 0x80));
        w32(bits_at(id, 0x80), say(" group", rnd(3) ? v | bit : v & ~bit));
        break;
    case 9:
        w32(base(id) + 0xc00 + id / 16 * 4, say(" edge", r32(base(id) + 0xc00 + id / 16 * 4) ^ 2u << id % 16 * 2));
        hex(r32(base(id) + 0xc00 + id / 16 * 4));
        break;
    case 10: w32(bits_at(id, 0x300), say(" active", bit)); break;
    default: w32(bits_at(id, 0x380), say(" inactive", bit)); break;
    }
}

static void interface(u32 op, u32 id)
{
    u32 v;
    switch (op) {
    case 0: MSR(ICC_PMR, say(" pmr", rnd(4) ? 0xf8 : rnd(32) * 8)); break;
    case 1: MSR(ICC_BPR0, say(" bpr0", rnd(8))); break;
    case 2: MSR(ICC_BPR1, say(" bpr1", rnd(8))); break;
    case 3:
    case 4: push(say(" iar1", (u32)MRS(ICC_IAR1)) | 0x10000); break;
    case 5: push(say(" iar0", (u32)MRS(ICC_IAR0))); break;
    case 6:
    case 7:
    case 8:
        if (!depth)
            break;
        v = say(" eoi", stack[--depth]);
        if (v >> 16)
            MSR(ICC_EOIR1, v & 0xffff);
        else
            MSR(ICC_EOIR0, v);
        break;
    case 9: MSR(ICC_DIR, say(" dir", id)); break;
    case 10: MSR(ICC_CTLR, say(" ctlr", rnd(4))); break;
    case 11:
        v = say(" sgi", rnd(6));
        if (r32(SGI_BASE + 0x80) >> v & 1)
            MSR(ICC_SGI1R, 1 | (u64)v << 24);
        else
            MSR(ICC_SGI0R, 1 | (u64)v << 24);
        break;
    default: w32(GICD, say(" gicd_ctlr", rnd(2) ? 3 : rnd(4))); break;
    }
    hex(MRS(ICC_PMR) << 16 | MRS(ICC_BPR0) << 8 | MRS(ICC_BPR1));
    hex(MRS(ICC_CTLR));
}

void main(void)
{
    start();
    w32(GICD, 0x13);
    w32(GICR + 0x14, 0);
    for (u32 i = 0; i < 8; i++) {
        w32(SGI_BASE + 0x400 + 4 * i, 0x80808080);
        w32(GICD + 0x420 + 4 * i, 0x80808080);
        w32(GICD + 0x440 + 4 * i, 0x80808080);
    }
    w32(SGI_BASE + 0x80, ~0u);
    w32(GICD + 0x84, ~0u);
    w32(GICD + 0x88, ~0u);
    for (u32 i = 32; i < 96; i++)
        w64(GICD + 0x6000 + 8 * i, 0);
    hex(r32(GICD));
    hex(r32(GICD + 8));
    hex(r32(GICD + 0xffe8));
    hex(r32(GICR));
    hex(MRS(ICC_SRE));
    hex(MRS(ICC_CTLR));
    MSR(ICC_PMR, 0xff);
    MSR(ICC_IGRPEN0, 1);
    MSR(ICC_IGRPEN1, 1);
    for (u32 n = 0; n < STEPS; n++) {
        u32 id = ids[rnd(12)];
        put('\n');
        hex(n);
        hex(id);
        if (rnd(2))
            change(rnd(12), id);
        else
            interface(rnd(13), id);
        show();
        if (n % 16 == 0)
            show_all();
    }
    power_off();
}
