/* Syndromes in words (DDI0487 ESR_ELx): for logs, the trap observatory and gdb. */
#include <stdarg.h>
#include <stdio.h>

#include "core/bits.h"
#include "cpu/exception.h"

static const char *ec_name(unsigned ec)
{
    switch (ec) {
#define EC(code, name, meaning)                                                                                        \
    case code:                                                                                                         \
        return #name;
#include "cpu/esr.def"
#undef EC
    default: return NULL;
    }
}

struct text {
    char *buf;
    size_t n, used;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int k = t->used < t->n ? vsnprintf(t->buf + t->used, t->n - t->used, fmt, ap) : 0;
    va_end(ap);
    if (k > 0)
        t->used += (size_t)k;
}

/* IFSC, DFSC: a fault status code. */
static void fault_status_text(struct text *t, unsigned fsc)
{
    static const char *const by_level[] = {"address size fault", "translation fault", "access flag fault",
                                           "permission fault"};
    if (fsc < 0x10) {
        put(t, " level %u %s", fsc & 3, by_level[fsc >> 2]);
        return;
    }
    switch (fsc) {
    case 0x10: put(t, " external abort"); break;
    case 0x11: put(t, " tag check fault"); break;
    case 0x13: put(t, " level -1 external abort on a walk"); break;
    case 0x14:
    case 0x15:
    case 0x16:
    case 0x17: put(t, " level %u external abort on a walk", fsc & 3); break;
    case 0x21: put(t, " alignment fault"); break;
    case 0x22: put(t, " debug event"); break;
    case 0x29: put(t, " level -1 address size fault"); break;
    case 0x2b: put(t, " level -1 translation fault"); break;
    case 0x30: put(t, " TLB conflict"); break;
    case 0x31: put(t, " unsupported atomic update"); break;
    case 0x35: put(t, " unsupported exclusive or atomic access"); break;
    default: put(t, " fault status 0x%02x", fsc); break;
    }
}

static void data_abort_text(struct text *t, u32 iss)
{
    fault_status_text(t, iss & 0x3f);
    put(t, bit(iss, 6) ? ", write" : ", read");
    if (bit(iss, 8))
        put(t, ", cache maintenance");
    if (bit(iss, 7))
        put(t, ", on a stage 1 walk");
    if (bit(iss, 13))
        put(t, ", VNCR_EL2");
    if (bit(iss, 24))
        put(t, ", %u bytes, %c%u", 1u << bits(iss, 23, 22), bit(iss, 15) ? 'x' : 'w', (unsigned)bits(iss, 20, 16));
}

static void system_text(struct text *t, u32 iss)
{
    unsigned op0 = (unsigned)bits(iss, 21, 20), op1 = (unsigned)bits(iss, 16, 14), crn = (unsigned)bits(iss, 13, 10);
    unsigned crm = (unsigned)bits(iss, 4, 1), op2 = (unsigned)bits(iss, 19, 17), rt = (unsigned)bits(iss, 9, 5);
    unsigned id = sysreg_find(op0, op1, crn, crm, op2);
    char generic[32];
    const char *name = generic;
    if (id != SR_NONE && !(id >> 16))
        name = sysreg_name(id);
    else
        snprintf(generic, sizeof generic, "S%u_%u_C%u_C%u_%u", op0, op1, crn, crm, op2);
    if (bit(iss, 0))
        put(t, " read of %s into x%u", name, rt);
    else if (op0 == 1)
        put(t, " %s, x%u", name, rt);
    else
        put(t, " write of %s from x%u", name, rt);
}

void esr_describe(u64 esr, char *buf, size_t n)
{
    struct text t = {buf, n, 0};
    unsigned ec = (unsigned)bits(esr, 31, 26);
    u32 iss = (u32)(esr & 0x1ffffff);
    if (!n)
        return;
    buf[0] = 0;
    const char *name = ec_name(ec);
    if (name)
        put(&t, "%s", name);
    else
        put(&t, "EC 0x%02x", ec);
    switch (ec) {
    case EC_WFX: put(&t, (iss & 3) == 0 ? " WFI" : (iss & 3) == 1 ? " WFE" : (iss & 3) == 2 ? " WFIT" : " WFET"); break;
    case EC_SVC64:
    case EC_HVC64:
    case EC_SMC64:
    case EC_BRK: put(&t, " #0x%x", iss & 0xffff); break;
    case EC_SYS64: system_text(&t, iss); break;
    case EC_IABT_LOW:
    case EC_IABT_SAME:
        fault_status_text(&t, iss & 0x3f);
        if (bit(iss, 7))
            put(&t, ", on a stage 1 walk");
        break;
    case EC_DABT_LOW:
    case EC_DABT_SAME: data_abort_text(&t, iss); break;
    case EC_WATCH_LOW:
    case EC_WATCH_SAME: put(&t, bit(iss, 6) ? " write" : " read"); break;
    default:
        if (iss)
            put(&t, " iss 0x%x", iss);
        break;
    }
}
