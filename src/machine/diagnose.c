/* A guest that can never go on, and what is probably wrong with it (design: face.md section 2).
 *
 * Two patterns are recognised by diagnose_exception(): the first instruction of an exception vector takes an
 * exception, for ever (there is no handler); and one instruction takes the same exception again and again, with
 * nothing but that between (the handler returns to it unchanged). The second is believed only of exceptions that
 * come from a mistake: a guest that polls a device or a hypervisor takes equal ones for good reason.
 *
 * An access to nowhere is legal (an external abort); it is logged once for each page, and named when the guest is
 * stuck later. */
#include "machine/diagnose.h"

#include <stdio.h>
#include <string.h>

#include "cpu/code.h"
#include "cpu/exception.h"
#include "cpu/mem.h"
#include "cpu/model.h"
#include "debug/disasm.h"
#include "machine/symbols.h"

enum { LOOP_LIMIT = 100000, EXTERNAL_ABORT = 0x10 };

static unsigned class_of(u64 esr) { return (unsigned)bits(esr, 31, 26); }
static bool is_fetch(unsigned ec) { return ec == EC_IABT_LOW || ec == EC_IABT_SAME; }
static bool is_abort(unsigned ec) { return is_fetch(ec) || ec == EC_DABT_LOW || ec == EC_DABT_SAME; }

/* ---- what repeats --------------------------------------------------------------------------- */

/* Never part of a working guest when nothing changes between one time and the next. */
static bool is_mistake(const struct exc_info *x)
{
    switch (class_of(x->esr)) {
    case EC_UNKNOWN:
    case EC_ILLEGAL:
    case EC_BTI:
    case EC_IABT_LOW:
    case EC_IABT_SAME:
    case EC_DABT_SAME: return true;
    case EC_DABT_LOW: return x->to_el == 1; /* a hypervisor emulates devices by these */
    default: return false;
    }
}

static bool same(const struct exc_info *a, const struct exc_info *b)
{
    return a->pc == b->pc && a->esr == b->esr && a->far == b->far && a->from_el == b->from_el && a->to_el == b->to_el;
}

static void watch_loop(struct machine *m, struct cpu *c, const struct exc_info *x)
{
    struct loop *l = &m->loops[c->index];
    if (c->exceptions != l->seen + 1) /* calls are not reported (cpu_env.calls_unseen) */
        l->count = 0;
    l->seen = c->exceptions;
    if (l->count && x->kind == EXC_SYNC && x->pc == l->last.vector) {
        l->in_vector = true; /* the vector itself faults */
    } else if (x->kind != EXC_SYNC || !l->count || l->in_vector || !same(x, &l->last) || !is_mistake(x)) {
        l->count = x->kind == EXC_SYNC;
        l->in_vector = false;
        if (l->count)
            l->last = *x;
        return;
    }
    if (l->count == 1)
        l->first = l->last;
    l->last = *x;
    if (++l->count == LOOP_LIMIT && !m->no_loops) {
        cpu_lock(c);
        m->loop = *l;
        m->loop.cpu = c->index;
        machine_stop(m, STOP_LOOP);
        cpu_unlock(c);
    }
}

static void watch_nowhere(struct machine *m, struct cpu *c, const struct exc_info *x)
{
    unsigned ec = class_of(x->esr);
    if (x->kind != EXC_SYNC || !is_abort(ec) || (x->esr & 0x3f) != EXTERNAL_ABORT)
        return;
    cpu_lock(c);
    bool known = false;
    for (unsigned i = 0; i < m->nnowhere; i++)
        known |= m->nowhere[i] >> 12 == x->far >> 12;
    if (!known && m->nnowhere < ARRAY_LEN(m->nowhere))
        m->nowhere[m->nnowhere++] = x->far;
    cpu_unlock(c);
    if (known)
        return;
    char sym[120];
    log_guest(&m->log, "CPU%u, EL%u, pc 0x%llx%s: %s 0x%llx, where there is nothing: external abort", c->index,
              x->from_el, (unsigned long long)x->pc, symbols_suffix(&m->boot, x->pc, sym, sizeof sym),
              is_fetch(ec)     ? "fetch from"
              : bit(x->esr, 6) ? "write to"
                               : "read of",
              (unsigned long long)x->far);
}

void diagnose_exception(struct machine *m, struct cpu *c, const struct exc_info *x)
{
    watch_loop(m, c, x);
    watch_nowhere(m, c, x);
}

/* ---- in words ------------------------------------------------------------------------------- */

void diagnose_where(const struct machine *m)
{
    static const char *const states[] = {"running", "waiting for an interrupt", "waiting for an event", "off",
                                         "halted"};
    char sym[120];
    for (unsigned i = 0; i < m->ncpus; i++) {
        const struct cpu *c = m->cpus[i];
        if (c->run == CPU_OFF)
            fprintf(stderr, "  cpu%u: off\n", i);
        else
            fprintf(stderr, "  cpu%u: %s, EL%u, pc 0x%llx%s%s\n", i, states[c->run], c->ps.el,
                    (unsigned long long)c->pc, symbols_suffix(&m->boot, c->pc, sym, sizeof sym),
                    c->ps.daif & DAIF_I ? ", interrupts masked" : "");
    }
}

static const struct segment *segment_at(const struct machine *m, u64 addr)
{
    for (unsigned i = 0; i < m->boot.nseg; i++)
        if (addr - m->boot.seg[i].addr < m->boot.seg[i].size)
            return &m->boot.seg[i];
    return NULL;
}

static const char *register_name(u32 word)
{
    unsigned op0 = (unsigned)bits(word, 20, 19), op1 = (unsigned)bits(word, 18, 16);
    unsigned id =
        sysreg_find(op0, op1, (unsigned)bits(word, 15, 12), (unsigned)bits(word, 11, 8), (unsigned)bits(word, 7, 5));
    return id == SR_NONE ? NULL : sysreg_name(id & 0xffff);
}

/* The lowest EL that may use a register, by its name. */
static unsigned register_el(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strncmp(name + n - 4, "_EL", 3) == 0 && name[n - 1] >= '2' ? (unsigned)(name[n - 1] - '0') : 0;
}

static const char *el_option(const struct config *c) { return c->el3 ? "--el 3" : c->el2 ? "--el 2" : "--el 1"; }

/* Scalable vectors and matrices, which Elara does not have: by the top level of the encoding. */
static bool is_sve(u32 word) { return bits(word, 28, 25) == 2; }
static bool is_sme(u32 word) { return bits(word, 31, 25) == 0x40; }

static int explain_undefined(const struct machine *m, const struct exc_info *x, u32 word)
{
    const struct config *c = m->config;
    bool system = bits(word, 31, 22) == 0x354; /* MSR (register), MRS, SYS */
    const char *name = system ? register_name(word) : NULL;
    unsigned el = name ? register_el(name) : 0;
    int row = decode_row(m->cpus[0]->decoder, word);
    if (el > x->from_el) {
        fprintf(stderr, "  likely: %s is a register of EL%u, this is EL%u; ", name, el, x->from_el);
        if (el == 2 && !c->el2)
            fprintf(stderr, "this image must start at EL2, you passed %s\n", el_option(c));
        else if (el == 3 && !c->el3)
            fprintf(stderr, "EL3 exists with --el 3, and firmware (--firmware) starts there\n");
        else
            fprintf(stderr, "the image dropped to EL%u before\n", x->from_el);
    } else if (!word) {
        fprintf(stderr, "  likely: a jump into memory where nothing was loaded\n");
    } else if (row >= 0 && a64_rows[row].feat != FEAT_BASE && !feat_has(&m->cpus[0]->feat, a64_rows[row].feat)) {
        fprintf(stderr, "  likely: the image needs FEAT_%s, which --cpu %s does not have; %s\n",
                feat_name(a64_rows[row].feat), c->cpu, strcmp(c->cpu, "max") ? "--cpu max may" : "nor has any other");
    } else if (is_sve(word) || is_sme(word)) {
        fprintf(stderr, "  the image needs %s, which Elara does not have; build it without\n",
                is_sve(word) ? "SVE" : "SME");
        return STATUS_UNIMPL;
    } else if (system && !name) {
        fprintf(stderr, "  likely: this system register does not exist on --cpu %s\n", c->cpu);
    } else if (bits(word, 31, 21) == 0x6a0 && bits(word, 4, 0) >= 2) {
        fprintf(stderr, "  likely: this call expects %s, which the machine does not have (%s)\n",
                (word & 3) == 2 ? "a hypervisor" : "EL3 firmware", el_option(c));
    }
    return STATUS_STUCK;
}

static int explain_cause(const struct machine *m, const struct exc_info *x, u32 word)
{
    unsigned ec = class_of(x->esr);
    char b[32];
    const struct segment *s = segment_at(m, x->pc);
    bool low = x->pc < 1ull << 40; /* surely a physical address: the MMU is off */
    if (!s && low && x->from_el)
        fprintf(stderr, "  pc 0x%llx lies in no image that was loaded\n", (unsigned long long)x->pc);
    if (ec == EC_UNKNOWN)
        return explain_undefined(m, x, word);
    if (is_abort(ec) && (x->esr & 0x3f) == EXTERNAL_ABORT)
        fprintf(stderr,
                "  likely: there is nothing at 0x%llx; RAM is 0x%x-0x%llx (%s), elara list devices shows the "
                "rest\n",
                (unsigned long long)x->far, BOARD_RAM_BASE, (unsigned long long)(BOARD_RAM_BASE + m->config->mem - 1),
                err_size(m->config->mem, b));
    else if (is_abort(ec) && (x->esr & 0x3c) == 4)
        fprintf(stderr, "  likely: the page tables do not map 0x%llx\n", (unsigned long long)x->far);
    return STATUS_STUCK;
}

static bool read_word(const struct machine *m, unsigned cpu, u64 pc, u32 *word)
{
    struct cpu *c = m->cpus[cpu];
    const struct txn t = {.space = PAS_NS, .cpu = (u8)cpu, .debug = true};
    return mem_debug_read(c, pc, word, sizeof *word) ||
           (pc >= BOARD_RAM_BASE && bus_read(m->bus, &t, pc, word, sizeof *word) == BUS_OK);
}

static int explain_loop(const struct machine *m, const char *nl)
{
    static const u16 vbars[] = {0, VBAR_EL1, VBAR_EL2, VBAR_EL3};
    const struct loop *l = &m->loop;
    const struct exc_info *x = &l->first;
    char words[160], text[160] = "(not readable)", sym[120];
    esr_describe(l->last.esr, words, sizeof words);
    fprintf(stderr, "%s%s: guest is stuck: CPU%u re-takes \"%s\" at 0x%llx, EL%u (%llu times)\n", nl,
            m->config->program, l->cpu, words, (unsigned long long)l->last.pc, l->last.to_el,
            (unsigned long long)l->count);
    u32 word = 0;
    if (read_word(m, l->cpu, x->pc, &word))
        disasm(m->cpus[0]->decoder, word, x->pc, text, sizeof text);
    esr_describe(x->esr, words, sizeof words);
    fprintf(stderr, "  first: EL%u, 0x%llx%s  %s  <- %s, esr 0x%llx", x->from_el, (unsigned long long)x->pc,
            symbols_suffix(&m->boot, x->pc, sym, sizeof sym), text, words, (unsigned long long)x->esr);
    fprintf(stderr, is_abort(class_of(x->esr)) ? ", far 0x%llx\n" : "\n", (unsigned long long)x->far);
    u64 vbar = m->cpus[l->cpu]->sys[vbars[x->to_el]];
    if (l->in_vector)
        fprintf(stderr, "  VBAR_EL%u=0x%llx%s\n", x->to_el, (unsigned long long)vbar,
                vbar ? ": the vector's first instruction faults" : ": no exception vectors were installed");
    else
        fprintf(stderr, "  its handler at 0x%llx returns to it, and nothing has changed\n",
                (unsigned long long)x->vector);
    return explain_cause(m, x, word);
}

int diagnose_stuck(const struct machine *m, enum stop why, const char *nl)
{
    int status = STATUS_STUCK;
    if (why == STOP_LOOP) {
        status = explain_loop(m, nl);
    } else {
        fprintf(stderr, "%s%s: guest is stuck: every CPU is asleep and nothing is left that could wake one\n", nl,
                m->config->program);
        diagnose_where(m);
        fprintf(stderr, "  no timer is armed, no device has work, and no console input can come that the guest "
                        "listens to\n");
    }
    if (m->nnowhere && (why != STOP_LOOP || m->nowhere[0] >> 12 != m->loop.last.far >> 12))
        fprintf(stderr, "  earlier: an access to 0x%llx, where there is nothing\n", (unsigned long long)m->nowhere[0]);
    return status;
}
