/* What the bare-metal tests that run as firmware share: registers, chance, the board's UART. One file of a program includes
 * it with BARE_MAIN, which has the state and memset. */
#pragma once
typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;

#define MSR(r, v) __asm__ volatile("msr " #r ", %0" ::"r"((u64)(v)) : "memory")
#define MRS(r)                                                                                                         \
    ({                                                                                                                 \
        u64 v_;                                                                                                        \
        __asm__ volatile("mrs %0, " #r : "=r"(v_));                                                                    \
        v_;                                                                                                            \
    })
#define ISB() __asm__ volatile("isb" ::: "memory")

u64 rnd(void);
static inline u64 below(u64 n) { return (rnd() >> 16) % n; }
static inline int chance(unsigned percent) { return below(100) < percent; }
void *memset(void *, int, unsigned long);

#ifdef BARE_MAIN
static u64 state;
u64 rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1dul;
}

void *memset(void *p, int v, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        ((volatile u8 *)p)[i] = (u8)v;
    return p;
}

static void put(char ch) { *(volatile u32 *)0x09000000 = (u32)ch; }
static void text(const char *s)
{
    while (*s)
        put(*s++);
}
static void hex(u64 v)
{
    unsigned n = 1;
    while (n < 16 && v >> 4 * n)
        n++;
    while (n--)
        put("0123456789abcdef"[v >> 4 * n & 15]);
    put(' ');
}
#endif
