/* A guest's stage 1, timer and printing. */
#include <stdarg.h>

#include "guest.h"

/* ---- stage 1: the guest's own translation, under which lies the hypervisor's stage 2 ------------- */

static u64 level1[512] __attribute__((aligned(4096)));

void stage1_on(void)
{
    const u64 block = 1, normal = 1 << 2, shareable = 3 << 8, accessed = 1 << 10, never = 3ull << 53;
    level1[0] = 0 | block | accessed | never; /* devices: memory type 0 */
    level1[RAM >> 30] = RAM | block | normal | shareable | accessed;
    level1[ALIAS >> 30] = RAM | block | normal | shareable | accessed | never;
    write_reg(mair_el1, 0xff << 8);
    write_reg(tcr_el1, 2ull << 32 | 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 32); /* 4 GiB by TTBR0_EL1 */
    write_reg(ttbr0_el1, level1);
    asm volatile("dsb sy\n\ttlbi vmalle1\n\tdsb sy" ::: "memory");
    isb();
    write_reg(sctlr_el1, 0x30d00800 | 1 | 1 << 2 | 1 << 12);
    isb();
}

/* ---- the virtual timer --------------------------------------------------------------------------- */

u64 milliseconds(void)
{
    isb();
    return read_reg(cntvct_el0) * 1000 / read_reg(cntfrq_el0);
}

void timer_set(u64 ms)
{
    write_reg(cntv_cval_el0, ms * read_reg(cntfrq_el0) / 1000);
    write_reg(cntv_ctl_el0, 1);
    isb();
}

void timer_off(void)
{
    write_reg(cntv_ctl_el0, 0);
    isb();
}

/* ---- text ---------------------------------------------------------------------------------------- */

static unsigned number(char *to, u64 n, unsigned base)
{
    char digits[20];
    unsigned i = 0, length = 0;
    do
        digits[i++] = "0123456789abcdef"[n % base];
    while (n /= base);
    while (i)
        to[length++] = digits[--i];
    return length;
}

void say(const char *format, ...)
{
    char line[128];
    unsigned n = 0;
    va_list ap;
    va_start(ap, format);
    for (const char *p = format; *p && n < sizeof line - 24; p++) {
        if (*p != '%') {
            line[n++] = *p;
        } else if (*++p == 's') {
            for (const char *s = va_arg(ap, const char *); *s && n < sizeof line - 24; s++)
                line[n++] = *s;
        } else {
            n += number(line + n, va_arg(ap, u64), *p == 'x' ? 16 : 10);
        }
    }
    va_end(ap);
    line[n++] = '\n';
    write_text(line, n);
}
