/* The operations: BEGIN and END on the UART around each, so that the host can time them (tools/bench). How often each
 * is done is chosen so that the reference takes a fraction of a second. */
#include "bench.h"

static void put(const char *s)
{
    for (; *s; s++)
        *(volatile u32 *)0x09000000 = (u32)*s;
}

static void put_hex(u64 v)
{
    char digit[2] = {0};
    for (unsigned i = 64; i > 0; i -= 4) {
        *digit = "0123456789abcdef"[v >> (i - 4) & 15];
        put(digit);
    }
    put(" ");
}

static void off(void)
{
    __asm__ volatile("mov w0, #8\n movk w0, #0x8400, lsl #16\n smc #0" ::: "x0", "x1", "x2", "x3", "memory");
    for (;;)
        __asm__ volatile("wfi");
}

void failed(u64 esr, u64 elr, u64 far)
{
    put("FAILED ");
    put_hex(esr);
    put_hex(elr);
    put_hex(far);
    put("\n");
    off();
    for (;;)
        ;
}

#ifndef SCALE
#define SCALE 1 /* a test does a hundredth */
#endif
#define TIMES(n) for (unsigned i_ = 0; i_ < (n) / SCALE; i_++)
#define DO(text, ...)                                                                                                  \
    __asm__ volatile(text ::__VA_ARGS__ : "x0", "x1", "x2", "x3", "x16", "x17", "v0", "v1", "v2", "v3", "cc", "memory")

static u64 cell[8] __attribute__((aligned(64)));

static void alu(void)
{
    TIMES(40000000) DO("add x0, x0, #1\n eor x1, x1, x0\n add x2, x2, x1, lsl #3\n and x3, x2, #0xff");
}
static void multiply(void) { TIMES(20000000) DO("madd x0, x1, x2, x3\n umulh x1, x0, x2\n udiv x2, x0, x1"); }
static void branches(void) { TIMES(30000000) DO("cbz xzr, 1f\n nop\n1: tbz xzr, #3, 2f\n nop\n2: b 3f\n nop\n3:"); }
static void calls(void) { TIMES(20000000) leaf(); }
static void indirect(void)
{
    void (*volatile f)(void) = leaf;
    TIMES(10000000) f();
}
static void load_store(void)
{
    TIMES(20000000) DO("ldr x0, [%0]\n str x0, [%0, #8]\n ldp x1, x2, [%0]\n stp x1, x2, [%0, #16]", "r"(cell));
}
static void ll_sc(void)
{
    TIMES(20000000) DO("1: ldaxr x0, [%0]\n add x0, x0, #1\n stlxr w1, x0, [%0]\n cbnz w1, 1b", "r"(cell));
}
static void lse(void)
{
    TIMES(10000000)
    DO(".arch_extension lse\n mov x0, #1\n ldaddal x0, x1, [%0]\n casal x0, x1, [%0]\n swp x0, x1, [%0]", "r"(cell));
}
static void fp(void)
{
    DO("fmov d0, #1.0\n fmov d1, #0.5\n fmov d2, #1.0");
    TIMES(10000000) DO("fmul d2, d2, d1\n fadd d2, d2, d0\n fmadd d3, d2, d1, d0\n fdiv d3, d3, d2");
}
static void simd(void)
{
    DO("fmov v0.4s, #1.0\n fmov v1.4s, #0.5\n fmov v2.4s, #1.0");
    TIMES(10000000)
    DO("fmul v2.4s, v2.4s, v1.4s\n fadd v2.4s, v2.4s, v0.4s\n add v3.4s, v3.4s, v2.4s\n uzp1 v3.16b, v3.16b, v2.16b");
}
static void mrs(void) { TIMES(10000000) DO("mrs x0, tpidr_el1\n mrs x1, sctlr_el1\n mrs x2, esr_el1"); }
static void msr(void) { TIMES(5000000) DO("msr tpidr_el1, x0\n msr far_el1, x0\n msr contextidr_el1, xzr"); }
static void svc(void) { TIMES(1000000) DO("svc #0"); }
static void hvc(void) { TIMES(1000000) DO("hvc #0"); }
static void asid(void)
{
    for (unsigned i = 0; i < 1000000 / SCALE; i++) {
        MSR("ttbr0_el1", tables_asid(1 + (i & 1)));
        ISB();
        touch(4);
    }
    MSR("ttbr0_el1", tables_asid(1));
    ISB();
}
static void vm(void)
{
    TIMES(500000)
    {
        MSR("hcr_el2", HCR_RW | HCR_VM);
        ISB();
        MSR("hcr_el2", HCR_RW);
        ISB();
    }
}
static void vmid(void)
{
    for (unsigned i = 0; i < 1000000 / SCALE; i++) {
        MSR("vttbr_el2", tables_stage2(1 + (i & 1)));
        ISB();
    }
    MSR("vttbr_el2", tables_stage2(1));
}
static void tlbi_va(void)
{
    for (u64 i = 0; i < 500000 / SCALE; i++) {
        DO("tlbi vae1, %0\n dsb ish\n isb", "r"((u64)PAGES >> 12 | 1ul << 48));
        touch(1);
    }
}
static void tlbi_all(void) { TIMES(100000) DO("tlbi vmalle1\n dsb ish\n isb"); }
static void refill(void)
{
    TIMES(15000)
    {
        DO("tlbi vmalle1\n dsb ish\n isb");
        touch(PAGE_COUNT);
    }
}

static const struct op {
    const char *name;
    void (*fn)(void);
    unsigned where; /* 2: at EL2; 1: at EL1; 12: at EL1 with stage 2 */
} ops[] = {
    {"op-alu", alu, 2},
    {"op-mul-div", multiply, 2},
    {"op-branch", branches, 2},
    {"op-call-return", calls, 2},
    {"op-indirect-call", indirect, 2},
    {"op-load-store", load_store, 2},
    {"op-ll-sc", ll_sc, 2},
    {"op-lse", lse, 2},
    {"op-fp", fp, 2},
    {"op-simd", simd, 2},
    {"sys-mrs", mrs, 1},
    {"sys-msr", msr, 1},
    {"sys-svc-eret", svc, 1},
    {"sys-asid", asid, 1},
    {"sys-tlbi-va", tlbi_va, 1},
    {"sys-tlbi-all", tlbi_all, 1},
    {"sys-refill", refill, 1},
    {"virt-refill-stage2", refill, 12},
    {"virt-hvc-eret", hvc, 1},
    {"virt-hvc-eret-stage2", hvc, 12},
    {"virt-hcr-vm", vm, 2},
    {"virt-vmid", vmid, 2},
    {"virt-world-switch", world_guest, 12},
};

static int can(const struct op *o) { return o->fn != lse || (MRS("id_aa64isar0_el1") >> 20 & 15) != 0; }

void main(void)
{
    tables_on();
    for (unsigned i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        const struct op *o = &ops[i];
        if (!can(o))
            continue;
        put("BEGIN ");
        put(o->name);
        put("\n");
        if (o->where == 2) {
            o->fn();
        } else {
            MSR("hcr_el2", o->where == 12 ? HCR_RW | HCR_VM : HCR_RW);
            call_el1(o->fn);
            MSR("hcr_el2", HCR_RW);
            ISB();
        }
        put("END ");
        put(o->name);
        put("\n");
    }
    put("ALL-DONE\n");
}
