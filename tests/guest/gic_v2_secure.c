/* GICv2 with two Security states, from flash at EL3: each access is made at EL3 (Secure) or at Non-secure EL1.
 * Kept out, because the reference does otherwise: groups disabled at the interface, AIAR and its kin, binary points,
 * NSATT and Non-secure SGIs, HPPIR under a priority mask, groups of active interrupts that change. */
#include "gic_guest.h"

static const u32 ids[] = {0, 1, 5, 40, 41, 44, 47, 64, 65};

static u64 value;
static u64 load(u64 a) { return r32(a); }
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
static u64 at(u32 ns, u64 (*fn)(u64), u64 a) { return ns ? call_lower(fn, a, 0x401) : fn(a); }
static u64 get(u32 ns, u64 a) { return at(ns, load, a); }
static void set(u32 ns, u64 a, u64 v)
{
    value = v;
    at(ns, store, a);
}

static void show(void)
{
    text(" :");
    hex(MRS("isr_el1") >> 6 & 3);
    for (u32 ns = 0; ns < 2; ns++) {
        hex(get(ns, GICC + 0x00));
        hex(get(ns, GICC + 0x04));
        hex(get(ns, GICC + 0x08));
        hex(get(ns, GICC + 0x14));
        if (r32(GICC + 4) >= 0xf8) /* the reference's HPPIR looks at the mask */
            hex(get(ns, GICC + 0x18));
    }
    for (u32 n = 0; n < 3; n++) {
        hex(r32(GICD + 0x200 + 4 * n));
        hex(r32(GICD + 0x300 + 4 * n));
    }
    hex(get(1, GICD + 0x204));
    hex(get(1, GICD + 0x304));
}

static void step(void)
{
    u32 ns = rnd(2), id = ids[rnd(9)], v;
    text(ns ? " ns" : " s");
    switch (rnd(13)) {
    case 0: set(ns, GICD + (rnd(3) ? 0x100 : 0x180) + id / 32 * 4, say(" enable", 1u << id % 32)); break;
    case 1:
    case 2: set(ns, GICD + (rnd(4) ? 0x200 : 0x280) + id / 32 * 4, say(" pend", id < 16 ? 0 : 1u << id % 32)); break;
    case 3:
        if (depth == 0) /* groups of active interrupts stay */
            w32(GICD + 0x80 + id / 32 * 4, say(" group", rnd(0x40000000) * 4 + rnd(4)));
        break;
    case 4:
        value = say(" prio", rnd(ns ? 15 : 31) * (ns ? 16 : 8));
        at(ns, store8, GICD + 0x400 + id);
        break;
    case 5: /* by Secure, with the NSATT that its group asks for: the reference looks at neither */
        v = rnd(6);
        w32(GICD + 0xf00, say(" sgi", 1u << 16 | (r32(GICD + 0x80) >> v & 1) << 15 | v));
        break;
    case 6:
        if (ns)
            v = 1 | rnd(2) << 9;
        else
            v = 3 | rnd(2) << 2 | rnd(2) << 3 | rnd(2) << 4 | rnd(4) << 9;
        set(ns, GICC + 0, say(" ctlr", v));
        break;
    case 7: set(ns, GICC + 4, say(" pmr", rnd(3) ? (ns ? 0xf0 : 0xf8) : rnd(16) * 16)); break;
    case 8: /* binary points stay: the reference does not look at them when it signals */
    case 9:
    case 10:
    case 11:
        v = (u32)get(ns, GICC + 0xc);
        say(" iar", (v & 0x3ff) < 1020 ? v : 1023); /* 1022 although not prioritised there */
        if ((v & 0x3ff) < 1020 && depth < 64)
            stack[depth++] = v | ns << 31;
        break;
    default:
        if (depth) {
            v = say(" eoi", stack[--depth]);
            set(v >> 31, GICC + 0x10, v & 0x1fff);
            if (r32(GICC) >> (v >> 31 ? 10 : 9) & 1)
                set(v >> 31, GICC + 0x1000, v & 0x1fff);
        }
        break;
    }
}

void main(void)
{
    start();
    w32(GICD, 3);
    w32(GICC, 3);
    w32(GICC + 4, 0xf8);
    w32(GICC + 8, 2); /* both group all five bits */
    set(1, GICC + 8, 3);
    for (u32 n = 0; n < 3; n++)
        w32(GICD + 0x100 + 4 * n, ~0u);
    for (u32 n = 32; n < 96; n++)
        w8(GICD + 0x800 + n, 1);
    for (u32 n = 0; n < 96; n++)
        w8(GICD + 0x400 + n, 0x40 + rnd(16) * 8);
    w32(GICD + 0xc08, 0xaaaaaaaa);
    w32(GICD + 0xc0c, 0xaaaaaaaa);
    w32(GICD + 0xc10, 0xaaaaaaaa);
    for (u32 n = 0; n < STEPS; n++) {
        put('\n');
        hex(n);
        step();
        show();
    }
    power_off();
}
