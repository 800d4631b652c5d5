/* What the random walks over the interrupt controllers share. The same image runs on Elara and on an independent
 * emulator; gic-compare compares what they print, one line a step. Interrupts stay masked: ISR_EL1 tells. */
#pragma once
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#ifndef SEED
#define SEED 1
#endif
#ifndef STEPS
#define STEPS 1000
#endif

/* gic_start.S */
u64 call_lower(u64 (*fn)(u64), u64 arg, u64 scr); /* runs fn(arg) at EL1; scr: SCR_EL3 meanwhile, on a CPU with EL3 */
void main(void);
void report_broken(u64 esr, u64 elr);

enum {
    GICD = 0x08000000,
    GICC = 0x08010000,
    GICH = 0x08030000,
    GICV = 0x08040000,
    GICR = 0x080a0000,
    SGI_BASE = 0x080b0000
};

static inline void w32(u64 a, u64 v) { *(volatile u32 *)a = (u32)v; }
static inline u32 r32(u64 a) { return *(volatile u32 *)a; }
static inline void w64(u64 a, u64 v) { *(volatile u64 *)a = v; }
static inline u64 r64(u64 a) { return *(volatile u64 *)a; }
static inline void w8(u64 a, u64 v) { *(volatile u8 *)a = (u8)v; }

#define MRS(r)                                                                                                         \
    ({                                                                                                                 \
        u64 v_;                                                                                                        \
        __asm__ volatile("mrs %0, " r : "=r"(v_)::"memory");                                                           \
        v_;                                                                                                            \
    })
#define MSR(r, v) __asm__ volatile("msr " r ", %0\n isb" ::"r"((u64)(v)) : "memory")

#define ICC_PMR     "S3_0_C4_C6_0"
#define ICC_IAR0    "S3_0_C12_C8_0"
#define ICC_EOIR0   "S3_0_C12_C8_1"
#define ICC_HPPIR0  "S3_0_C12_C8_2"
#define ICC_BPR0    "S3_0_C12_C8_3"
#define ICC_AP0R0   "S3_0_C12_C8_4"
#define ICC_AP1R0   "S3_0_C12_C9_0"
#define ICC_DIR     "S3_0_C12_C11_1"
#define ICC_RPR     "S3_0_C12_C11_3"
#define ICC_SGI1R   "S3_0_C12_C11_5"
#define ICC_ASGI1R  "S3_0_C12_C11_6"
#define ICC_SGI0R   "S3_0_C12_C11_7"
#define ICC_IAR1    "S3_0_C12_C12_0"
#define ICC_EOIR1   "S3_0_C12_C12_1"
#define ICC_HPPIR1  "S3_0_C12_C12_2"
#define ICC_BPR1    "S3_0_C12_C12_3"
#define ICC_CTLR    "S3_0_C12_C12_4"
#define ICC_SRE     "S3_0_C12_C12_5"
#define ICC_IGRPEN0 "S3_0_C12_C12_6"
#define ICC_IGRPEN1 "S3_0_C12_C12_7"

/* ---- output ---------------------------------------------------------------------------------- */

static inline void put(char c) { w32(0x09000000, (u32)c); }
static inline void text(const char *s)
{
    while (*s)
        put(*s++);
}
static inline void hex(u64 v)
{
    unsigned n = 1;
    while (n < 16 && v >> 4 * n)
        n++;
    put(' ');
    while (n--)
        put("0123456789abcdef"[v >> 4 * n & 15]);
}

static inline void power_off(void)
{
    register u64 x0 __asm__("x0") = 0x84000008; /* PSCI SYSTEM_OFF */
    text("\nEND\n");
    switch (MRS("CurrentEL") >> 2) {
    case 1: __asm__ volatile("hvc #0" ::"r"(x0)); break;
    case 2: __asm__ volatile("smc #0" ::"r"(x0)); break;
    default: break; /* firmware's place: whoever runs us stops us */
    }
    for (;;)
        ;
}

void report_broken(u64 esr, u64 elr)
{
    text("BROKEN");
    hex(esr);
    hex(elr);
    power_off();
}

/* ---- choices --------------------------------------------------------------------------------- */

static u64 seed;
static inline u32 rnd(u32 n)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return (u32)(seed >> 33) % n;
}

/* Interrupts that were acknowledged and wait for their end. */
static u32 stack[64], depth;
static inline void push(u32 v)
{
    if ((v & 0x3ff) < 1020 && depth < 64)
        stack[depth++] = v;
}

static inline void start(void)
{
    w32(0x09000030, 0x301); /* UART on */
    seed = SEED;
}

/* Prints what is done, then does it. */
static inline u32 say(const char *what, u32 v)
{
    text(what);
    hex(v);
    return v;
}
