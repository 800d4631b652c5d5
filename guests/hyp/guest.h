/* What the guests share: they are programs for EL1 that know nothing but these few lines. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

#define read_reg(name)                                                                                                 \
    ({                                                                                                                 \
        u64 v_;                                                                                                        \
        asm volatile("mrs %0, " #name : "=r"(v_)::"memory");                                                           \
        v_;                                                                                                            \
    })
#define write_reg(name, value) asm volatile("msr " #name ", %0" ::"r"((u64)(value)) : "memory")
#define isb()                  asm volatile("isb" ::: "memory")
#define wfi()                  asm volatile("wfi" ::: "memory")

enum { UART = 0x09000000, RAM = 0x40000000, TIMER_INTID = 27 };
#define ALIAS      0x80000000ull /* stage 1 maps the RAM a second time here */
#define SYSTEM_OFF 0x84000008
#define HYP_WRITE  0xc6000001
#define HYP_IRQ    0xc6000002
#define HYP_WHERE  0xc6000003

static inline u64 hvc(u64 function, u64 a, u64 b)
{
    register u64 x0 asm("x0") = function;
    register u64 x1 asm("x1") = a;
    register u64 x2 asm("x2") = b;
    asm volatile("hvc #0" : "+r"(x0) : "r"(x1), "r"(x2) : "memory");
    return x0;
}

static inline u64 smc(u64 function, u64 a, u64 b)
{
    register u64 x0 asm("x0") = function;
    register u64 x1 asm("x1") = a;
    register u64 x2 asm("x2") = b;
    asm volatile("smc #0" : "+r"(x0) : "r"(x1), "r"(x2) : "memory");
    return x0;
}

/* guest_lib.c */
void write_text(const char *text, u64 length); /* each guest has its own way out */
void say(const char *format, ...);             /* %s, and %u %x of a u64; a whole line */
void stage1_on(void);
u64 milliseconds(void); /* of this guest's virtual time */
void timer_set(u64 ms); /* interrupt at this time */
void timer_off(void);

/* each guest */
void guest_main(void);
void irq(void);
/* A synchronous exception at EL1; returns where to go on. */
u64 fault(u64 esr, u64 far, u64 elr);
