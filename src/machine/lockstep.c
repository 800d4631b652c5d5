/* `--engine lockstep`: the interpreter and the JIT execute the same machine, each in its own, and are compared.
 *
 * Both are advanced by the same number of instructions; CPU state is compared after each step, everything (memory and
 * devices too) every FULL_EVERY steps and at the end. Runs are repeatable, so a difference is closed in on by running
 * again from the start, with steps of a hundredth each time, until it is one instruction.
 *
 * The guest gets no input; what it prints is shown once. Files are only read: disks that are written to are refused,
 * from elara-qemu, where that is the rule, what is written is forgotten. */
#include "machine/lockstep.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/snap.h"
#include "cpu/mem.h"
#include "machine/console.h"
#include "machine/machine.h"
#include "machine/run.h"

enum { STEP = 1000000, FULL_EVERY = 500, FINER = 100 };

struct pair {
    struct config config[2];
    struct console *console; /* of the first */
    struct machine *m[2];
    enum stop stop;
};

static const char *const engines[2] = {"interp", "jit"};

static void until_matched(void *arg) { machine_stop(arg, STOP_UNTIL); }

static bool open_pair(struct pair *p, const struct config *c, bool show)
{
    struct err e = {0};
    *p = (struct pair){.config = {*c, *c}};
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned k = 0; k < c->ndisks; k++)
            p->config[i].disks[k].rw = false;
        for (unsigned k = 0; k < ARRAY_LEN(c->flash); k++)
            p->config[i].flash[k].rw = false;
        p->config[i].engine = engines[i];
        p->config[i].quiet |= i || !show;
        struct console *console = show &&!i ? p->console = console_new(-1, STDOUT_FILENO, false) : NULL;
        p->m[i] = machine_new(&p->config[i], console, &e);
        if (!p->m[i]) {
            run_complain(c, &e);
            return false;
        }
        p->m[i]->wait_when_stuck = false;
        if (console && c->until)
            console_watch(console, c->until, until_matched, p->m[i]);
    }
    return true;
}

static void close_pair(struct pair *p)
{
    for (unsigned i = 0; i < 2; i++)
        machine_free(p->m[i]);
    if (p->console)
        console_free(p->console);
}

static u64 cpus_hash(struct machine *m)
{
    struct snap s = {.mode = SNAP_HASH};
    clock_state(&m->clock, &s);
    for (unsigned i = 0; i < m->ncpus; i++)
        cpu_state(m->cpus[i], &s);
    return snap_hash(&s);
}

static bool equal(struct pair *p, bool full)
{
    u64 (*hash)(struct machine *) = full ? machine_hash : cpus_hash;
    return hash(p->m[0]) == hash(p->m[1]);
}

/* Advances both by n instructions, or to where the first is stopped from outside. */
static void advance(struct pair *p, u64 n)
{
    u64 from = machine_instructions(p->m[0]);
    p->stop = machine_run(p->m[0], n);
    if (p->stop == STOP_UNTIL || p->stop == STOP_SIGNAL) {
        machine_run(p->m[1], machine_instructions(p->m[0]) - from);
        return;
    }
    enum stop other = machine_run(p->m[1], n);
    if (p->stop == STOP_BUDGET)
        p->stop = other;
}

/* A difference lies in (from, from + step]: finds a smaller interval, a hundredth of it. */
static bool close_in(const struct config *c, u64 *from, u64 *step, bool full)
{
    struct pair p;
    if (!open_pair(&p, c, false))
        return false;
    for (u64 at = 0; at < *from; at += STEP)
        advance(&p, *from - at < STEP ? *from - at : STEP);
    u64 finer = (*step + FINER - 1) / FINER, end = *from + *step;
    bool found = false;
    while (!found && *from < end) {
        advance(&p, finer);
        found = !equal(&p, full);
        if (!found)
            *from += finer;
    }
    *step = finer;
    close_pair(&p);
    return found;
}

static void show_cpu(const struct machine *m, const char *who, const struct cpu *c)
{
    printf("  %s cpu%u: pc %016llx EL%u nzcv %x left %lld\n", who, c->index, (unsigned long long)c->pc, c->ps.el,
           c->nzcv >> 28, (unsigned long long)m->left);
}

static void show_difference(const struct cpu *a, const struct cpu *b)
{
    for (unsigned i = 0; i < 34; i++)
        if (a->x[i] != b->x[i] && i != REG_SINK)
            printf("    x%-2u  interp %016llx  jit %016llx\n", i, (unsigned long long)a->x[i],
                   (unsigned long long)b->x[i]);
    for (unsigned i = 0; i < 32; i++)
        if (memcmp(a->v[i].d, b->v[i].d, 16))
            printf("    v%-2u  interp %016llx%016llx  jit %016llx%016llx\n", i, (unsigned long long)a->v[i].d[1],
                   (unsigned long long)a->v[i].d[0], (unsigned long long)b->v[i].d[1],
                   (unsigned long long)b->v[i].d[0]);
    if (a->fpsr != b->fpsr)
        printf("    FPSR interp %08x  jit %08x\n", a->fpsr, b->fpsr);
    for (unsigned i = 0; i < CELL_COUNT; i++)
        if (a->sys[i] != b->sys[i])
            printf("    %s interp %016llx  jit %016llx\n", sysreg_cell_name(i), (unsigned long long)a->sys[i],
                   (unsigned long long)b->sys[i]);
}

/* The one instruction (per step) that differs. */
static void explain(const struct config *c, u64 from, u64 step)
{
    struct pair p;
    if (!open_pair(&p, c, false))
        return;
    for (u64 at = 0; at < from; at += STEP)
        advance(&p, from - at < STEP ? from - at : STEP);
    printf("\nlockstep: the engines differ after instruction %llu", (unsigned long long)from);
    printf(step == 1 ? "\n" : ", within %llu\n", (unsigned long long)step);
    for (unsigned i = 0; i < p.m[0]->ncpus; i++) {
        struct cpu *cpu = p.m[0]->cpus[i];
        u32 word = 0;
        show_cpu(p.m[0], "before", cpu);
        if (mem_debug_read(cpu, cpu->pc, &word, 4))
            printf("    next %08x %s\n", word, a64_rows[cpu_current_op(cpu).row].name);
    }
    advance(&p, step);
    for (unsigned i = 0; i < p.m[0]->ncpus; i++) {
        show_cpu(p.m[0], "interp", p.m[0]->cpus[i]);
        show_cpu(p.m[1], "jit   ", p.m[1]->cpus[i]);
        show_difference(p.m[0]->cpus[i], p.m[1]->cpus[i]);
    }
    close_pair(&p);
}

static int differs(const struct config *c, u64 from, u64 step, bool full)
{
    while (step > 1)
        if (!close_in(c, &from, &step, full))
            break; /* the smaller steps hide it: what is known is shown */
    explain(c, from, step);
    return STATUS_BUG;
}

int lockstep_run(const struct config *c)
{
    struct err e = {0};
    for (unsigned i = 0; i < c->ndisks; i++)
        if (c->disks[i].rw && !c->qemu_status) {
            err_set(&e, STATUS_USAGE, "lockstep runs the guest twice: %s cannot be written to", c->disks[i].path);
            run_complain(c, &e);
            return e.status;
        }
    if (c->semihosting_system) {
        err_set(&e, STATUS_USAGE, "lockstep runs the guest twice, and its commands on the host too");
        run_complain(c, &e);
        return e.status;
    }
    if (c->semihosting_dir) {
        err_set(&e, STATUS_USAGE, "lockstep runs the guest twice: %s cannot be written to", c->semihosting_dir);
        run_complain(c, &e);
        return e.status;
    }
    struct pair p;
    if (!open_pair(&p, c, true))
        return STATUS_USAGE;
    u64 at = 0, checked = 0;
    bool full = false, same = true;
    while (same && (p.stop == STOP_NONE || p.stop == STOP_BUDGET)) {
        advance(&p, STEP);
        bool last = p.stop != STOP_BUDGET;
        full = last || (at / STEP + 1) % FULL_EVERY == 0;
        same = equal(&p, false);
        if (same && full && !equal(&p, true)) {
            close_pair(&p);
            return differs(c, checked, at + STEP - checked, true);
        }
        if (same) {
            at += STEP;
            if (full)
                checked = at;
        }
    }
    console_flush(p.console);
    u64 n = machine_instructions(p.m[0]);
    if (same)
        fprintf(stderr, "\n%s: lockstep: %llu instructions, no difference, state hash %016llx\n", c->program,
                (unsigned long long)n, (unsigned long long)machine_hash(p.m[0]));
    close_pair(&p);
    return same ? 0 : differs(c, at, STEP, false);
}
