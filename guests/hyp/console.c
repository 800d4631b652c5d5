/* The console: the board's one UART, shared line by line. Each line begins with the name of who wrote it. */
#include <stdarg.h>

#include "hyp.h"

void console_init(void)
{
    *mmio32(UART + 0x2c) = 3 << 5 | bit(4);          /* LCR_H: eight bits, FIFO */
    *mmio32(UART + 0x30) = bit(9) | bit(8) | bit(0); /* CR: receiver, transmitter, on */
}

static void putc(char c)
{
    while (*mmio32(UART + 0x18) & bit(5)) /* the transmit FIFO is full */
        ;
    *mmio32(UART) = (u8)c;
}

static void puts(const char *s)
{
    while (*s)
        putc(*s++);
}

static void number(u64 n, unsigned base)
{
    char digits[20];
    unsigned i = 0;
    do
        digits[i++] = "0123456789abcdef"[n % base];
    while (n /= base);
    while (i)
        putc(digits[--i]);
}

void print(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    puts("hyp| ");
    for (const char *p = format; *p; p++) {
        if (*p != '%') {
            putc(*p);
            continue;
        }
        switch (*++p) {
        case 's': puts(va_arg(ap, const char *)); break;
        case 'u': number(va_arg(ap, u64), 10); break;
        case 'x': number(va_arg(ap, u64), 16); break;
        }
    }
    va_end(ap);
}

/* A guest's character waits for the rest of its line. What is not printable stays inside: a guest must not be able
 * to steer the terminal, or to pass for another guest. */
void guest_putc(struct vcpu *v, char c)
{
    if (c != '\n')
        v->line[v->line_length++] = c >= ' ' && c <= '~' ? c : '?';
    if (c != '\n' && v->line_length < sizeof v->line - 1)
        return;
    v->line[v->line_length] = 0;
    v->line_length = 0;
    puts(v->name);
    puts("| ");
    puts(v->line);
    putc('\n');
}
