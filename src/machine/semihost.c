/* Arm semihosting (Semihosting for AArch32 and AArch64, version 2): what test programs need to print and to end with a
 * status of their own. The operation is in w0, its parameter or the address of its parameter block in x1.
 *
 * Not modelled: the host's files, clock and command line; such a call is named and fails with -1. */
#include "machine/semihost.h"

#include "cpu/cpu.h"
#include "cpu/mem.h"
#include "machine/console.h"
#include "machine/machine.h"

enum { SYS_WRITEC = 0x03, SYS_WRITE0 = 0x04, SYS_ERRNO = 0x13, SYS_EXIT = 0x18, SYS_EXIT_EXTENDED = 0x20 };
enum { APPLICATION_EXIT = 0x20026, TEXT_MAX = 1 << 16, FAILED = 1, STATUS_MAX = 99 };

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
    u64 block[2] = {0};
    int status = FAILED;
    if (mem_debug_read(c, c->x[1], block, sizeof block) && block[0] == APPLICATION_EXIT)
        status = block[1] <= STATUS_MAX ? (int)block[1] : STATUS_MAX;
    m->exit_status = status;
    c->run = CPU_HALTED;
    machine_stop(m, STOP_EXIT);
}

bool semihost_call(void *arg, struct cpu *c)
{
    struct machine *m = arg;
    u8 byte;
    switch ((u32)c->x[0]) {
    case SYS_WRITEC:
        if (mem_debug_read(c, c->x[1], &byte, 1))
            print(m, byte);
        break;
    case SYS_WRITE0: print_text(m, c, c->x[1]); break;
    case SYS_ERRNO: c->x[0] = 0; break;
    case SYS_EXIT:
    case SYS_EXIT_EXTENDED: leave(m, c); break;
    default:
        unimpl(&m->log, "semihosting operation 0x%x", (u32)c->x[0]);
        c->x[0] = ~0ull;
        break;
    }
    return true;
}
