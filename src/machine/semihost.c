/* Arm semihosting (Semihosting for AArch32 and AArch64, version 2). The operation is in w0, its parameter or the
 * address of its parameter block in x1, the result in x0.
 *
 * Time is the machine's: the clocks count virtual time, so runs repeat. Guest memory is reached as a debugger reaches
 * it, permissions do not count. Files: semihost_file.c; they are the host's and in no snapshot. What the guest prints
 * goes to the console. The console's input is the UART's and these calls': a byte goes to whoever reads it first, and
 * what the UART holds unread comes before what it has not taken. A call that finds no input waits: its instruction is
 * executed again until some comes, or its end. SYS_SYSTEM runs commands of the guest's on the host, and so it is
 * refused unless an option permits it. */
#include "machine/semihost.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "cpu/mem.h"
#include "devices/pl011.h"
#include "machine/board.h"
#include "machine/console.h"
#include "machine/machine.h"

enum operation {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITEC = 0x03,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_READC = 0x07,
    SYS_ISERROR = 0x08,
    SYS_ISTTY = 0x09,
    SYS_SEEK = 0x0a,
    SYS_FLEN = 0x0c,
    SYS_TMPNAM = 0x0d,
    SYS_REMOVE = 0x0e,
    SYS_RENAME = 0x0f,
    SYS_CLOCK = 0x10,
    SYS_TIME = 0x11,
    SYS_SYSTEM = 0x12,
    SYS_ERRNO = 0x13,
    SYS_GET_CMDLINE = 0x15,
    SYS_HEAPINFO = 0x16,
    SYS_EXIT = 0x18,
    SYS_EXIT_EXTENDED = 0x20,
    SYS_ELAPSED = 0x30,
    SYS_TICKFREQ = 0x31,
};
enum { APPLICATION_EXIT = 0x20026, TEXT_MAX = 1 << 16, NAME_LENGTH = 255, FAILED = 1, STATUS_MAX = 99 };
enum {
    CHUNK = 4096,
    TRANSFER_MAX = 1 << 20 /* of one call: between calls the host is looked at */,
    TICKS_PER_SECOND = 1000000000,
    NS_PER_CENTISECOND = 10000000
};

/* ---- guest memory ------------------------------------------------------------------------------------ */

static bool write_guest(struct cpu *c, u64 va, const void *buf, size_t n)
{
    const u8 *p = buf;
    while (n) {
        struct pa pa;
        size_t room = PAGE_SIZE - (size_t)(va & (PAGE_SIZE - 1)), len = n < room ? n : room;
        if (!mem_debug_translate(c, va, &pa) || bus_resolve(c->env->bus, pa).kind != PAGE_RAM)
            return false;
        const struct txn t = {.space = (u8)pa_space(pa), .cpu = (u8)c->index, .privileged = true};
        if (bus_write(c->env->bus, &t, pa_addr(pa), p, len) != BUS_OK)
            return false;
        p += len;
        va += len;
        n -= len;
    }
    return true;
}

static u64 swap(const struct cpu *c, u64 v) { return c->big_endian ? __builtin_bswap64(v) : v; }

/* n words of the parameter block. */
static bool parameters(struct cpu *c, u64 *block, unsigned n)
{
    memset(block, 0, n * sizeof *block);
    if (!mem_debug_read(c, c->x[1], block, n * sizeof *block))
        return false;
    for (unsigned i = 0; i < n; i++)
        block[i] = swap(c, block[i]);
    return true;
}

/* A name of len bytes at va. */
static bool name_at(struct cpu *c, u64 va, u64 len, char *name)
{
    if (len > NAME_LENGTH || !mem_debug_read(c, va, name, (size_t)len))
        return false;
    name[len] = 0;
    return true;
}

/* ---- operations -------------------------------------------------------------------------------------- */

static void print(struct machine *m, u8 byte)
{
    if (m->console)
        console_put(m->console, byte);
}

static void print_text(struct machine *m, struct cpu *c, u64 va)
{
    u8 byte;
    for (unsigned i = 0; i < TEXT_MAX && mem_debug_read(c, va + i, &byte, 1) && byte; i++)
        print(m, byte);
}

/* The guest's own statuses are 0 to 99; the others are Elara's. */
static void leave(struct machine *m, struct cpu *c)
{
    u64 p[2];
    int status = FAILED;
    if (parameters(c, p, 2) && p[0] == APPLICATION_EXIT)
        status = p[1] <= STATUS_MAX ? (int)p[1] : STATUS_MAX;
    m->exit_status = status;
    cpu_set_run(c, CPU_HALTED);
    machine_stop(m, STOP_EXIT);
}

/* SYS_WRITE and SYS_READ give the number of bytes that were not transferred, which may be some. */
static u64 write_file(struct machine *m, struct cpu *c, const u64 *p)
{
    u8 chunk[CHUNK];
    u64 rest = p[2] > TRANSFER_MAX ? p[2] - TRANSFER_MAX : 0, left = p[2] - rest;
    bool console = semihost_kind(m->semihost, p[0]) == HANDLE_CONSOLE;
    for (u64 va = p[1]; left;) {
        size_t n = left < CHUNK ? (size_t)left : CHUNK;
        if (!mem_debug_read(c, va, chunk, n))
            break;
        s64 done = semihost_write(m->semihost, p[0], chunk, n);
        for (s64 i = 0; console && i < done; i++)
            print(m, chunk[i]);
        if (done <= 0)
            break;
        left -= (u64)done;
        va += (u64)done;
    }
    return left + rest;
}

static u64 read_file(struct machine *m, struct cpu *c, const u64 *p)
{
    u8 chunk[CHUNK];
    u64 rest = p[2] > TRANSFER_MAX ? p[2] - TRANSFER_MAX : 0, left = p[2] - rest;
    for (u64 va = p[1]; left;) {
        s64 n = semihost_read(m->semihost, p[0], chunk, left < CHUNK ? (size_t)left : CHUNK);
        if (n <= 0 || !write_guest(c, va, chunk, (size_t)n))
            break;
        left -= (u64)n;
        va += (u64)n;
    }
    return left + rest;
}

/* The next byte of the console's input; -1: there is none now. */
static int input_byte(struct machine *m)
{
    u8 byte;
    if (!m->console)
        return -1;
    if (m->uart && m->uart_end == m->console && pl011_take(m->uart, &byte))
        return byte;
    return console_take(m->console);
}

/* No input is there: may some come? */
static enum semihosting wait_for_input(struct machine *m, struct cpu *c)
{
    if (!m->console || !console_alive(m->console))
        return SEMIHOSTING_SERVED;
    m->input_wanted = true;
    slice_end(&c->slice);
    return SEMIHOSTING_AGAIN;
}

static enum semihosting read_character(struct machine *m, struct cpu *c)
{
    int byte = input_byte(m);
    enum semihosting s = byte < 0 ? wait_for_input(m, c) : SEMIHOSTING_SERVED;
    if (s == SEMIHOSTING_SERVED)
        c->x[0] = (u64)(s64)byte;
    return s;
}

/* SYS_READ of ":tt": what there is, at least one byte. */
static enum semihosting read_console(struct machine *m, struct cpu *c, const u64 *p)
{
    u64 n = 0;
    for (int byte; n < p[2] && n < TRANSFER_MAX && (byte = input_byte(m)) >= 0; n++)
        if (!write_guest(c, p[1] + n, &(u8){(u8)byte}, 1))
            break;
    enum semihosting s = n || !p[2] ? SEMIHOSTING_SERVED : wait_for_input(m, c);
    if (s == SEMIHOSTING_SERVED)
        c->x[0] = p[2] - n;
    return s;
}

/* The block is {buffer, its size}; the size becomes the length of the text. */
static s64 command_line(struct machine *m, struct cpu *c, const u64 *p)
{
    const struct config *cf = m->config;
    char text[1024];
    int n = snprintf(text, sizeof text, "%s%s%s", cf->image ? cf->image : "guest", cf->semihosting_args ? " " : "",
                     cf->semihosting_args ? cf->semihosting_args : "");
    size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    u64 out = swap(c, len);
    if (p[1] <= len || !write_guest(c, p[0], text, len + 1) || !write_guest(c, c->x[1] + 8, &out, sizeof out))
        return -1;
    return 0;
}

/* The block's only word points to {heap base, heap limit, stack base, stack limit}: the upper half of RAM is the
 * heap's, with the stack coming down from its end. */
static s64 heap_info(struct machine *m, struct cpu *c, u64 va)
{
    u64 top = BOARD_RAM_BASE + m->config->mem, info[4] = {top - m->config->mem / 2, top, top, top - m->config->mem / 2};
    for (unsigned i = 0; i < ARRAY_LEN(info); i++)
        info[i] = swap(c, info[i]);
    return write_guest(c, va, info, sizeof info) ? 0 : -1;
}

static s64 open_named(struct machine *m, struct cpu *c, const u64 *p)
{
    char name[NAME_LENGTH + 1];
    if (!name_at(c, p[0], p[2], name) || p[1] > 11) {
        m->semihost->error = EINVAL;
        return -1;
    }
    return semihost_open(m->semihost, name, (unsigned)p[1]);
}

static s64 rename_named(struct machine *m, struct cpu *c, const u64 *p, bool remove)
{
    char name[2][NAME_LENGTH + 1];
    if (!name_at(c, p[0], p[1], name[0]) || (!remove && !name_at(c, p[2], p[3], name[1]))) {
        m->semihost->error = EINVAL;
        return -1;
    }
    return remove ? semihost_remove(m->semihost, name[0]) : semihost_rename(m->semihost, name[0], name[1]);
}

/* A name for a file that nobody else uses: the same for the same number, 0 to 255. */
static s64 temporary_name(struct machine *m, struct cpu *c, const u64 *p)
{
    char name[32];
    size_t n = (size_t)snprintf(name, sizeof name, "elara-tmp-%02x", (unsigned)p[1] & 0xff) + 1;
    if (p[1] > 255 || p[2] < n || !write_guest(c, p[0], name, n)) {
        m->semihost->error = EINVAL;
        return -1;
    }
    return 0;
}

static s64 run_command(struct machine *m, struct cpu *c, const u64 *p)
{
    char command[NAME_LENGTH + 1];
    if (!name_at(c, p[0], p[1], command)) {
        m->semihost->error = EINVAL;
        return -1;
    }
    if (!m->config->semihosting_system) {
        log_info(&m->log, "the guest asks for a command of the host, \"%s\": refused; --semihosting-system permits it",
                 command);
        m->semihost->error = EPERM;
        return -1;
    }
    if (m->console)
        console_flush(m->console);
    return semihost_system(m->semihost, command);
}

/* Operations with a parameter block. */
static s64 with_block(struct machine *m, struct cpu *c, enum operation op, const u64 *p)
{
    struct semihost *s = m->semihost;
    switch (op) {
    case SYS_OPEN: return open_named(m, c, p);
    case SYS_CLOSE: return semihost_close(s, p[0]);
    case SYS_WRITE: return (s64)write_file(m, c, p);
    case SYS_READ: return (s64)read_file(m, c, p);
    case SYS_ISERROR: return (s64)p[0] < 0;
    case SYS_ISTTY: return semihost_kind(s, p[0]) == HANDLE_FREE ? -1 : semihost_kind(s, p[0]) == HANDLE_CONSOLE;
    case SYS_SEEK: return semihost_seek(s, p[0], p[1]);
    case SYS_FLEN: return semihost_length(s, p[0]);
    case SYS_REMOVE: return rename_named(m, c, p, true);
    case SYS_RENAME: return rename_named(m, c, p, false);
    case SYS_GET_CMDLINE: return command_line(m, c, p);
    case SYS_HEAPINFO: return heap_info(m, c, p[0]);
    case SYS_TMPNAM: return temporary_name(m, c, p);
    case SYS_SYSTEM: return run_command(m, c, p);
    case SYS_ELAPSED: {
        u64 ns = swap(c, clock_now(&m->clock));
        return write_guest(c, c->x[1], &ns, sizeof ns) ? 0 : -1;
    }
    default: s->error = ENOSYS; return -1;
    }
}

static unsigned words_of(enum operation op)
{
    switch (op) {
    case SYS_CLOSE:
    case SYS_ISERROR:
    case SYS_ISTTY:
    case SYS_FLEN:
    case SYS_HEAPINFO:
    case SYS_ELAPSED: return 1;
    case SYS_SEEK:
    case SYS_REMOVE:
    case SYS_SYSTEM:
    case SYS_GET_CMDLINE: return 2;
    case SYS_RENAME: return 4;
    default: return 3;
    }
}

enum semihosting semihost_call(void *arg, struct cpu *c)
{
    struct machine *m = arg;
    enum operation op = (u32)c->x[0];
    u64 p[4];
    u8 byte;
    if (c->ps.el == 0 && !m->config->semihosting_el0)
        return SEMIHOSTING_NONE;
    switch (op) {
    case SYS_WRITEC:
        if (mem_debug_read(c, c->x[1], &byte, 1))
            print(m, byte);
        break;
    case SYS_WRITE0: print_text(m, c, c->x[1]); break;
    case SYS_READC: return read_character(m, c);
    case SYS_CLOCK: c->x[0] = clock_now(&m->clock) / NS_PER_CENTISECOND; break;
    case SYS_TIME: c->x[0] = BOARD_RTC_START + clock_now(&m->clock) / TICKS_PER_SECOND; break;
    case SYS_TICKFREQ: c->x[0] = TICKS_PER_SECOND; break;
    case SYS_ERRNO: c->x[0] = (u64)m->semihost->error; break;
    case SYS_EXIT:
    case SYS_EXIT_EXTENDED: leave(m, c); break;
    default:
        if (op > SYS_TICKFREQ || !parameters(c, p, words_of(op))) {
            log_guest(&m->log, "CPU%u: semihosting operation 0x%x, block 0x%llx: fails", c->index, op,
                      (unsigned long long)c->x[1]);
            m->semihost->error = EFAULT;
            c->x[0] = ~0ull;
        } else if (op == SYS_READ && semihost_kind(m->semihost, p[0]) == HANDLE_CONSOLE) {
            return read_console(m, c, p);
        } else {
            c->x[0] = (u64)with_block(m, c, op, p);
        }
        break;
    }
    return SEMIHOSTING_SERVED;
}
