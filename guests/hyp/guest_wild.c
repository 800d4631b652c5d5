/* The guest "wild": it tries to get out, to get in the way, and to get attention. None of it may be noticed by the
 * other guest; tests/system/demo compares that one's output. Everything here is an EL1 program's right to try. */
#include "guest.h"

static volatile u64 faults;
static u64 seed = 1;

void write_text(const char *text, u64 length) { hvc(HYP_WRITE, (u64)text, length); }

void irq(void)
{
    timer_off();
    hvc(HYP_IRQ, 0, 0);
}

/* Whatever was refused: count it and go on behind it. A fetch from nowhere goes back to who jumped. */
static u64 jumped_from;
u64 fault(u64 esr, u64 far, u64 elr)
{
    (void)far;
    faults++;
    return esr >> 26 == 0x21 ? jumped_from : elr + 4;
}

static u64 any(void)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return seed ^ seed >> 29;
}

/* Our stage 1 can produce every IPA below 1 GiB and the gigabyte of RAM; only 2 MiB of it is ours. */
static void wild_stores(void)
{
    for (unsigned i = 0; i < 3000; i++) {
        u64 a = any() & 0x7ffffff8;
        if (a >> 21 == RAM >> 21 || (a & ~0xfffull) == UART) /* our own memory, and the UART that we do have */
            continue;
        asm volatile("str %0, [%1]" ::"r"(~0ull), "r"(a) : "memory");
        asm volatile("ldrb %w0, [%1]" : "=r"(a) : "r"(a) : "memory");
        asm volatile("stp %0, %0, [%0]" ::"r"(a & 0x3fffffff) : "memory"); /* two registers: no ISV */
    }
}

/* Where does stage 2 end? Every 2 MiB from the start of RAM, the hypervisor and the other guest among them. */
static void probe(void)
{
    u64 found = 0;
    for (u64 a = RAM; a < RAM + 0x20000000; a += 0x200000) {
        u64 before = faults, value;
        asm volatile("ldr %0, [%1]" : "=r"(value) : "r"(a));
        found += faults == before;
        asm volatile("dc ivac, %0" ::"r"(a) : "memory");
    }
    say("probed: %u MiB of memory can be read", found * 2);
    for (u64 a = RAM + 0x200000; a < RAM + 0x8000000; a += 0x400000)
        asm volatile("adr x9, 1f\n\tstr x9, [%1]\n\tbr %0\n1:" ::"r"(a), "r"(&jumped_from) : "x9", "memory");
}

static void flood(void)
{
    for (unsigned i = 0; i < 20000; i++) {
        u64 f = i % 4 ? any() : HYP_WRITE;
        if ((u32)f == SYSTEM_OFF)
            continue;
        hvc(f, any(), any());
        hvc(HYP_WRITE, 0x41000000 + i, 200);   /* memory of the hypervisor and the other guest */
        hvc(HYP_WRITE, RAM + 0x200000 - 8, 9); /* one byte too many */
        hvc(HYP_WRITE, ~0ull - 4, 8);          /* wraps around */
        hvc(HYP_IRQ, 0, 0);                    /* there is none */
        smc(f, any(), any());
    }
}

/* The hypervisor's registers, EL3's, the physical timer, the interrupt controller's. */
static void registers(void)
{
#define TRY(name)                                                                                                      \
    do {                                                                                                               \
        u64 v_;                                                                                                        \
        asm volatile("mrs %0, " #name : "=r"(v_)::"memory");                                                           \
        asm volatile("msr " #name ", %0" ::"r"(0ull) : "memory");                                                      \
    } while (0)
    TRY(hcr_el2);
    TRY(vttbr_el2);
    TRY(vbar_el2);
    TRY(sctlr_el2);
    TRY(ich_lr0_el2);
    TRY(cnthp_ctl_el2);
    TRY(scr_el3);
    TRY(sctlr_el3);
    TRY(cntp_cval_el0);
    asm volatile("msr spsr_el2, %0\n\thint #0\n\ttlbi alle2\n\ttlbi alle1" ::"r"(0ull) : "memory");
    asm volatile("fmov d0, xzr" ::: "memory");
}

/* Interrupts masked and never a WFI: the time slice ends all the same. And the opposite: only WFI. */
static void hog(void)
{
    u64 until = milliseconds() + 30;
    while (milliseconds() < until)
        ;
    for (unsigned i = 0; i < 500; i++) {
        timer_set(0); /* already due */
        wfi();
        asm volatile("msr daifclr, #2\n\tisb\n\tmsr daifset, #2" ::: "memory");
    }
}

void guest_main(void)
{
    say("stores all over the address space");
    wild_stores();
    probe();
    say("20000 rounds of hypercalls");
    flood();
    registers();
    say("fake\nclock| tick 9 at 1 ms, interrupt by list register\033[2J");
    hog();
    say("%s", faults ? "still here, and nobody noticed" : "nothing was refused!");
}
