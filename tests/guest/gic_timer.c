/* The seven timers from EL3: compare values that are long past or far off, offsets, controls and Security states;
 * conditions, interrupts at the redistributor, event stream. Values that depend on how fast time passes are kept out;
 * so is CNTPOFF_EL2's use by CNTP's condition while SCR_EL3 is about to change. */
#include "gic_guest.h"

/* CNTHV_*, CNTHPS_*, CNTHVS_* by number: the assembler's architecture does not know them */
#define HV(r)  "S3_4_C14_C3_" r
#define HVS(r) "S3_4_C14_C4_" r
#define HPS(r) "S3_4_C14_C5_" r

enum { P, V, HP, HPHV, PS, HPSS, HVSS, TIMER_COUNT };

#define CASES_OF(part, letter)                                                                                         \
    case P: ACCESS("cntp_" part "_el0"); break;                                                                        \
    case V: ACCESS("cntv_" part "_el0"); break;                                                                        \
    case HP: ACCESS("cnthp_" part "_el2"); break;                                                                      \
    case HPHV: ACCESS(HV(letter)); break;                                                                              \
    case PS: ACCESS("cntps_" part "_el1"); break;                                                                      \
    case HPSS: ACCESS(HPS(letter)); break;                                                                             \
    default: ACCESS(HVS(letter)); break;

static void set_ctl(u32 t, u64 v)
{
#define ACCESS(r) MSR(r, v)
    switch (t) {
        CASES_OF("ctl", "1")
    }
}
static void set_cval(u32 t, u64 v)
{
    switch (t) {
        CASES_OF("cval", "2")
    }
}
static void set_tval(u32 t, u64 v)
{
    switch (t) {
        CASES_OF("tval", "0")
    }
}
#undef ACCESS
#define ACCESS(r) return MRS(r)
static u64 ctl(u32 t)
{
    switch (t) {
        CASES_OF("ctl", "1")
    }
}
static u64 cval(u32 t)
{
    switch (t) {
        CASES_OF("cval", "2")
    }
}
static u64 tval(u32 t)
{
    switch (t) {
        CASES_OF("tval", "0")
    }
}

static u32 known; /* timers whose CVAL does not depend on the time */

static void show(void)
{
    text(" :");
    for (u32 t = 0; t < TIMER_COUNT; t++) {
        u64 c = ctl(t); /* ISTATUS of a disabled timer is UNKNOWN */
        hex(c & 1 ? c : c & ~4ul);
        if (known >> t & 1)
            hex(cval(t));
        hex(tval(t) >> 32); /* sign-extends nothing */
    }
    hex(r32(SGI_BASE + 0x200) & 0x7c180000);
    hex(MRS("cnthctl_el2") & 0x3f0ff); /* bits 11:8 are RES0 without E2H */
    hex(MRS("cntkctl_el1") & 0x3ffff);
    hex(MRS("cntvoff_el2"));
    hex(MRS("cntvct_el0") >> 47);
    hex(MRS("cntpct_el0") >> 47);
}

static u64 far_value(void)
{
    switch (rnd(6)) {
    case 0: return 0;
    case 1: return 1;
    case 2: return 1ul << 50;
    case 3: return ~0ul;
    case 4: return 1ul << 63;
    default: return 1ul << (40 + rnd(24));
    }
}

static void step(void)
{
    u32 t = rnd(TIMER_COUNT);
    u64 v;
    switch (rnd(10)) {
    case 0:
    case 1:
    case 2:
        text(" ctl");
        hex(t);
        set_ctl(t, say("", rnd(8)));
        break;
    case 3:
    case 4:
    case 5:
        v = far_value();
        text(" cval");
        hex(t);
        hex(v);
        set_cval(t, v);
        known |= 1u << t;
        break;
    case 6:
        text(" tval");
        hex(t);
        set_tval(t, say("", rnd(2) ? 0x7ffffff0 : 0x80000000 + rnd(100)));
        known &= ~(1u << t);
        break;
    case 7:
        v = rnd(3) ? far_value() : 0;
        text(" voff");
        hex(v);
        MSR("cntvoff_el2", v);
        break;
    case 8:
        MSR("cnthctl_el2", say(" hctl", rnd(1u << 11) | (u64)rnd(2) << 17));
        MSR("cntkctl_el1", say(" kctl", rnd(1u << 10) | (u64)rnd(2) << 17));
        break;
    default:
        v = 0x400 | (u64)rnd(2) | (u64)1 << 18;
        MSR("scr_el3", say(" scr", (u32)v));
        MSR("hcr_el2", 1ul << 31 | (u64)rnd(2) << 34 | (u64)rnd(2) << 27);
        break;
    }
}

void main(void)
{
    start();
    w32(GICD, 0x37);
    w32(GICR + 0x14, 0);
    MSR("scr_el3", 0x401 | 1ul << 18);
    for (u32 t = 0; t < TIMER_COUNT; t++) {
        set_ctl(t, 0);
        set_cval(t, 0);
    }
    MSR("cntvoff_el2", 0);
    MSR("cnthctl_el2", 3);
    MSR("cntkctl_el1", 0);
    known = ~0u;
    for (u32 n = 0; n < STEPS; n++) {
        put('\n');
        hex(n);
        step();
        show();
    }
    power_off();
}
