/* GICv2 virtualization: GICH and GICV. Both groups stay enabled and AckCtl set, CBPR clear, binary points as they are:
 * the reference looks at none of them when it signals. Group 1's HPPIR depends on the priority mask there. */
#include "gic_guest.h"

static u64 isr(u64 unused)
{
    (void)unused;
    return MRS("isr_el1");
}

static u32 read_lr(u32 i) { return r32(GICH + 0x100 + 4 * i); }

static void show(void)
{
    static const u32 regs[] = {0x00, 0x08, 0x10, 0x20, 0x30, 0xf0};
    text(" :");
    hex(call_lower(isr, 0, 0));
    hex(r32(GICV + 0x14));
    for (u32 i = 0; i < 6; i++)
        hex(r32(GICH + regs[i]));
    for (u32 i = 0; i < 4; i++)
        hex(read_lr(i));
    hex(r32(GICD + 0x200) >> 25 & 1); /* maintenance interrupt */
    hex(r32(GICD + 0x300));           /* deactivated by hardware list registers */
}

static void new_lr(u32 i)
{
    u32 lr = (rnd(6) ? 1 : rnd(4)) << 28 | (u32)(rnd(3) != 0) << 30 | rnd(32) << 23 | (32 + i * 4 + rnd(4));
    if (rnd(3) == 0) {
        u32 physical = 20 + rnd(4);
        lr |= 1u << 31 | physical << 10;
        w32(GICD + 0x300, 1u << physical);
    } else if (rnd(3) == 0) {
        lr |= 1u << 19;
    }
    text(" lr");
    hex(i);
    w32(GICH + 0x100 + 4 * i, say("", lr));
}

/* With EOImode 1 the reference counts an EOI that no list register has. */
static void end(u32 id)
{
    int active = !(r32(GICH + 8) >> 9 & 1);
    for (u32 i = 0; i < 4; i++)
        active |= read_lr(i) >> 29 & 1 && (read_lr(i) & 0x3ff) == (id & 0x3ff);
    if (active)
        w32(GICV + 0x10, id);
}

static void step(void)
{
    u32 v;
    switch (rnd(16)) {
    case 0:
    case 1:
    case 2:
    case 3: new_lr(rnd(4)); break;
    case 4:
        v = (rnd(8) != 0) | (rnd(3) ? 0 : rnd(128) << 1);
        w32(GICH, say(" hcr", v | (rnd(4) ? r32(GICH) & 0xf8000000 : rnd(32) << 27)));
        break;
    case 5: w32(GICV + 4, say(" pmr", rnd(3) ? 0xf8 : rnd(32) * 8)); break;
    case 6: w32(GICV, say(" ctlr", 7 | rnd(2) << 3 | rnd(2) << 9)); break;
    case 7:
    case 8:
    case 9:
    case 10: push(say(" iar", r32(GICV + 0xc))); break;
    case 11: w32(GICV + 0x1000, say(" dir", 32 + rnd(20))); break;
    case 12: end(say(" wrong eoi", 32 + rnd(20))); break;
    default:
        if (depth)
            end(say(" eoi", stack[--depth]));
        break;
    }
}

void main(void)
{
    start();
    w32(GICD, 1);
    w32(GICV, 7);
    w32(GICV + 8, 2);
    w32(GICV + 0x1c, 3);
    hex(r32(GICV + 0xfc));
    for (u32 n = 0; n < STEPS; n++) {
        put('\n');
        hex(n);
        step();
        show();
    }
    power_off();
}
