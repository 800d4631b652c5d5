/* ITS and LPIs: random commands and MSIs by INT, two redistributors (nobody runs on the second: its pending table
 * tells). Kept out: what the tables and GITS_TYPER look like, which is each implementation's own. */
#include "gic_guest.h"

enum {
    GITS = 0x08080000,
    TABLES = 0x41000000,
    CONFIG = TABLES,
    PENDING = TABLES + 0x100000, /* 64 KiB a redistributor */
    QUEUE = TABLES + 0x200000,
    DEVICES = TABLES + 0x300000,
    COLLECTIONS = TABLES + 0x400000,
    ITTS = TABLES + 0x500000, /* 64 KiB a device */
    LPIS = 24,
};
#define VALID (1ul << 63)

static u64 tail;

static void command(u64 w0, u64 w1, u64 w2, u64 w3)
{
    w64(QUEUE + tail, w0);
    w64(QUEUE + tail + 8, w1);
    w64(QUEUE + tail + 16, w2);
    w64(QUEUE + tail + 24, w3);
    tail = (tail + 32) & 0xffff;
    w64(GITS + 0x88, tail);
    hex(r64(GITS + 0x90));
}

static void show(void)
{
    text(" :");
    hex(MRS("isr_el1") >> 6 & 3);
    hex(MRS(ICC_HPPIR1));
    hex(MRS(ICC_RPR));
    for (u64 i = 0; i < 2; i++)
        hex(r32(PENDING + 0x10000 * i + 1024));
}

static void step(void)
{
    u64 dev = rnd(3), event = rnd(9), icid = rnd(3), on = rnd(8) ? VALID : 0;
    u64 id = dev << 32;
    u32 v;
    switch (rnd(16)) {
    case 0:
        text(" mapd");
        command(id | 0x08, 2, on | (ITTS + 0x10000 * dev), 0);
        break;
    case 1:
        text(" mapc"); /* the others stay, so that an INVALL reaches each redistributor */
        command(0x09, 0, on | (u64)rnd(2) << 16 | 2, 0);
        break;
    case 2:
    case 3:
        text(" mapti");
        command(id | 0x0a, event | (u64)(8192 + rnd(LPIS)) << 32, icid, 0);
        break;
    case 4:
    case 5:
    case 6:
        text(" int");
        command(id | 0x03, event, 0, 0);
        break;
    case 7:
        text(" clear");
        command(id | 0x04, event, 0, 0);
        break;
    case 8:
        if (rnd(3))
            break;
        text(" discard");
        command(id | 0x0f, event, 0, 0);
        break;
    case 9:
        v = rnd(LPIS);
        text(" config");
        w8(CONFIG + v, say("", rnd(32) * 8 | (rnd(4) != 0)));
        command(0x0d, 0, 0, 0); /* INVALL */
        command(0x0d, 0, 1, 0);
        break;
    case 10:
        text(" movi");
        command(id | 0x01, event, icid, 0);
        break;
    case 11:
        if (rnd(2))
            break;
        v = rnd(2);
        text(" movall");
        command(0x0e, 0, (u64)v << 16, (u64)!v << 16);
        break;
    case 12:
    case 13: push(say(" iar1", (u32)MRS(ICC_IAR1))); break;
    default:
        v = (u32)MRS(ICC_RPR);
        if (v != 0xff)
            MSR(ICC_EOIR1, say(" eoi", 8192));
        break;
    }
}

void main(void)
{
    start();
    for (u64 a = TABLES; a < ITTS + 0x40000; a += 8)
        w64(a, 0);
    w32(GICD, 0x12);
    for (u64 r = GICR; r < GICR + 0x40000; r += 0x20000) {
        w32(r + 0x14, 0);
        w64(r + 0x70, CONFIG | 15);
        w64(r + 0x78, PENDING + (r - GICR) / 2);
        w32(r, 1);
    }
    MSR(ICC_PMR, 0xf8);
    MSR(ICC_IGRPEN1, 1);
    w64(GITS + 0x80, VALID | QUEUE | 15);
    w64(GITS + 0x100, VALID | DEVICES | 0xf);
    w64(GITS + 0x108, VALID | COLLECTIONS | 0xf);
    w32(GITS, 1);
    for (u64 i = 0; i < 3; i++) {
        command(i << 32 | 0x08, 2, VALID | (ITTS + 0x10000 * i), 0);
        command(0x09, 0, VALID | (i & 1) << 16 | i, 0);
    }
    for (u32 n = 0; n < STEPS; n++) {
        put('\n');
        hex(n);
        step();
        show();
    }
    power_off();
}
