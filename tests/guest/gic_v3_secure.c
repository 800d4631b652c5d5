/* GICv3 with two Security states, from flash at EL3: each access is made at EL3, Secure EL1 or Non-secure EL1.
 * Kept out: ICC_CTLR_EL3's reads (the reference shows Non-secure's EOImode as Secure's), priorities written by
 * Non-secure that need more than 5 bits, SCR_EL3.FIQ (it would take the pending FIQs to EL3), ICC_SGI1R_EL1 to Secure
 * SGIs of another group (docs/interrupts.md). */
#include "gic_guest.h"

#define ICC_CTLR_EL3    "S3_6_C12_C12_4"
#define ICC_SRE_EL3     "S3_6_C12_C12_5"
#define ICC_IGRPEN1_EL3 "S3_6_C12_C12_7"

enum { AT_EL3, SECURE, NONSECURE, WORLDS };
static const u32 ids[] = {0, 1, 5, 20, 21, 23, 40, 41, 44, 47, 64, 65};

static u64 access(u32 world, u64 (*fn)(u64), u64 v)
{
    return world == AT_EL3 ? fn(v) : call_lower(fn, v, world == SECURE ? 0x400 : 0x401);
}

static u64 value;
static u64 load(u64 a) { return r32(a); }
static u64 load64(u64 a) { return r64(a); }
static u64 store(u64 a)
{
    w32(a, value);
    return 0;
}
static u64 store8(u64 a)
{
    w8(a, value);
    return 0;
}
static void set(u32 world, u64 a, u64 v)
{
    value = v;
    access(world, store, a);
}

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
READ(iar1, ICC_IAR1)
READ(hppir1, ICC_HPPIR1)
READ(rpr, ICC_RPR)
READ(pmr, ICC_PMR)
READ(bpr1, ICC_BPR1)
READ(ap1, ICC_AP1R0)
READ(ctlr, ICC_CTLR)
READ(igrpen1, ICC_IGRPEN1)
WRITE(set_eoir1, ICC_EOIR1)
WRITE(set_dir, ICC_DIR)
WRITE(set_pmr, ICC_PMR)
WRITE(set_bpr1, ICC_BPR1)
WRITE(set_ctlr, ICC_CTLR)
WRITE(set_sgi0, ICC_SGI0R)
WRITE(set_sgi1, ICC_SGI1R)
WRITE(set_asgi1, ICC_ASGI1R)

static u64 base(u32 id) { return id < 32 ? SGI_BASE : GICD; }
static u64 bits_at(u32 id, u32 block) { return base(id) + block + id / 32 * 4; }

static void show(void)
{
    static u64 (*const views[])(u64) = {isr, hppir1, rpr, pmr, bpr1, ap1, ctlr, igrpen1};
    for (u32 w = 0; w < WORLDS; w++) {
        text(" |");
        for (u32 i = 0; i < 8; i++)
            hex(access(w, views[i], 0));
    }
    hex(MRS(ICC_HPPIR0));
    hex(MRS(ICC_AP0R0));
    hex(MRS(ICC_IGRPEN1_EL3));
}

static void show_all(u32 world)
{
    static const u32 block[] = {0x80, 0x100, 0x200, 0x280, 0x300, 0xd00, 0xe00};
    text("\nstate");
    for (u32 i = 0; i < 7; i++) {
        hex(access(world, load, SGI_BASE + block[i]));
        hex(access(world, load, GICD + block[i] + (block[i] == 0xe00 ? 8 : 4)));
    }
    hex(access(world, load, SGI_BASE + 0x400));
    hex(access(world, load, GICD + 0x428));
    hex(access(world, load, GICD + 0xc08));
    hex(access(world, load, GICD));
    hex(access(world, load64, GICD + 0x6000 + 8 * 40));
}

static void set_group(u32 id, u32 group)
{
    u32 bit = 1u << id % 32, g = r32(bits_at(id, 0x80)), m = r32(bits_at(id, 0xd00));
    w32(bits_at(id, 0x80), group == 2 ? g | bit : g & ~bit);
    w32(bits_at(id, 0xd00), group == 1 ? m | bit : m & ~bit);
}

static void change(u32 w, u32 id)
{
    u32 bit = 1u << id % 32, shift = id % 16 * 2;
    u64 a = base(id) + 0xe00 + id / 16 * 4;
    switch (rnd(12)) {
    case 0:
        value = say(" prio", rnd(16) * 16);
        access(w, store8, base(id) + 0x400 + id);
        break;
    case 1:
    case 2:
    case 3: set(w, bits_at(id, 0x200), say(" pend", bit)); break;
    case 4: set(w, bits_at(id, 0x280), say(" unpend", bit)); break;
    case 5:
    case 6: set(w, bits_at(id, 0x100), say(" enable", bit)); break;
    case 7: set(w, bits_at(id, 0x180), say(" disable", bit)); break;
    case 8: set_group(id, say(" group", rnd(3))); break;
    case 9:
        if (id < 16 || id >= 32)
            set(w, a, say(" nsacr", (r32(a) & ~(3u << shift)) | rnd(3) << shift));
        break;
    case 10: set(w, bits_at(id, 0x300), say(" active", bit)); break;
    default: set(w, bits_at(id, 0x380), say(" inactive", bit)); break;
    }
}

/* Whether ICC_SGI1R_EL1 asks for a Secure SGI of another group and IHI0069 12.1.10 and the reference differ on it:
 * from Non-secure the reference never permits it, from Secure it always permits Group 0. */
static int disputed(u32 w, u32 id)
{
    u32 secure1 = r32(SGI_BASE + 0xd00) >> id & 1;
    if (r32(SGI_BASE + 0x80) >> id & 1)
        return 0;
    return w == NONSECURE ? (r32(SGI_BASE + 0xe00) >> 2 * id & 3) > secure1 : !secure1;
}

static void interface(u32 w, u32 id)
{
    static u64 (*const ask[])(u64) = {set_sgi0, set_sgi1, set_asgi1};
    u32 v;
    switch (rnd(16)) {
    case 0:
        access(w, set_pmr, say(" pmr", rnd(3) ? 0xf8 : rnd(16) * 16));
        if (rnd(3))
            MSR(ICC_PMR, 0xf8);
        break;
    case 1: access(w, set_bpr1, say(" bpr1", rnd(8))); break;
    case 2: MSR(ICC_BPR0, say(" bpr0", rnd(8))); break;
    case 3:
    case 4:
    case 5: push(say(" iar1", (u32)access(w, iar1, 0)) | (w + 1) << 16); break;
    case 6:
    case 7: push(say(" iar0", (u32)MRS(ICC_IAR0))); break;
    case 8:
    case 9:
    case 10:
    case 11:
        if (!depth)
            break;
        v = say(" eoi", stack[--depth]);
        if (v >> 16)
            access((v >> 16) - 1, set_eoir1, v & 0xffff);
        else
            MSR(ICC_EOIR0, v);
        break;
    case 12: access(w, set_dir, say(" dir", id)); break;
    case 13: access(w, set_ctlr, say(" ctlr", rnd(4))); break;
    case 14: MSR(ICC_CTLR_EL3, say(" ctlr_el3", rnd(32))); break;
    default:
        v = say(" sgi", rnd(6) | rnd(3) << 8);
        if (v >> 8 != 1 || !disputed(w, v & 7))
            access(w, ask[v >> 8], 1 | (u64)(v & 7) << 24);
        break;
    }
}

void main(void)
{
    start();
    MSR("scr_el3", 0x400);
    MSR(ICC_SRE_EL3, 0xf);
    w32(GICD, 0x30);
    w32(GICD, 0x37);
    w32(GICR + 0x14, 0);
    for (u32 i = 0; i < 8; i++) {
        w32(SGI_BASE + 0x400 + 4 * i, 0x80808080);
        w32(GICD + 0x420 + 4 * i, 0x80808080);
        w32(GICD + 0x440 + 4 * i, 0x80808080);
    }
    for (u32 i = 32; i < 96; i++)
        w64(GICD + 0x6000 + 8 * i, 0);
    MSR(ICC_PMR, 0xf8);
    MSR(ICC_IGRPEN1_EL3, 3);
    MSR(ICC_IGRPEN0, 1);
    for (u32 n = 0; n < STEPS; n++) {
        u32 id = ids[rnd(12)], w = rnd(WORLDS);
        put('\n');
        hex(n);
        hex(id);
        hex(w);
        if (rnd(2))
            change(w, id);
        else
            interface(w, id);
        show();
        if (n % 8 == 0)
            for (w = 0; w < WORLDS; w++)
                show_all(w);
    }
    power_off();
}
