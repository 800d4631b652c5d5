/* From a configuration to an exit status: banner, run, statistics, diagnosis. */
#include "machine/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu/exception.h"
#include "machine/console.h"
#include "machine/lockstep.h"
#include "machine/machine.h"

void run_complain(const struct config *c, const struct err *e) { fprintf(stderr, "%s: %s\n", c->program, e->text); }

static void show_segments(const struct machine *m, FILE *f)
{
    const struct boot *b = &m->boot;
    char size[32];
    for (unsigned i = 0; i < b->nseg; i++) {
        const struct segment *s = &b->seg[i];
        fprintf(f, "  %-16s 0x%010llx  %-10s %s\n", s->what, (unsigned long long)s->addr, err_size(s->size, size),
                s->path ? s->path : "");
    }
}

static void banner(const struct machine *m)
{
    const struct config *c = m->config;
    char mem[32];
    fprintf(stderr, "elara %s: %u x %s, %s RAM, GICv%u, EL%d; deterministic, seed %llu%s\n", ELARA_VERSION, c->cpus,
            c->cpu, err_size(c->mem, mem), c->gic,
            c->el3   ? 3
            : c->el2 ? 2
                     : 1,
            (unsigned long long)c->seed, m->paced ? ", paced by the host's clock" : "");
    show_segments(m, stderr);
    for (unsigned i = 0; i < c->ndisks; i++)
        fprintf(stderr, "  disk             %s%s\n", c->disks[i].path,
                c->disks[i].rw        ? ", written to"
                : c->disks[i].overlay ? ", changes go to its overlay"
                                      : ", changes are discarded");
    if (c->params)
        fprintf(stderr, "  parameters       %s\n", c->params);
    fprintf(stderr, "  quit: Ctrl-A X   help: Ctrl-A H\n");
}

static void memory_map(struct machine *m)
{
    struct bus_range r;
    static const char *const kinds[] = {"", "RAM", "ROM", "device"};
    for (unsigned i = 0; bus_range(m->bus, i, &r); i++)
        printf("  0x%010llx-0x%010llx  %-6s %s\n", (unsigned long long)r.base,
               (unsigned long long)(r.base + r.size - 1), kinds[r.kind], r.name ? r.name : "");
    printf("loaded:\n");
    show_segments(m, stdout);
    printf("start: pc 0x%llx, x0 0x%llx, EL%u, PSCI by %s\n", (unsigned long long)m->cpus[0]->pc,
           (unsigned long long)m->cpus[0]->x[0], m->cpus[0]->ps.el, m->psci ? m->psci : "nothing");
}

static void stats(struct machine *m)
{
    u64 ns = clock_now(&m->clock);
    fprintf(stderr, "elara: instructions %llu\nelara: exceptions %llu\nelara: virtual time %llu.%09llu s\n",
            (unsigned long long)machine_instructions(m), (unsigned long long)machine_exceptions(m),
            (unsigned long long)(ns / 1000000000), (unsigned long long)(ns % 1000000000));
    for (unsigned i = 0; i < m->ncpus && m->ncpus > 1; i++)
        fprintf(stderr, "elara: cpu%u instructions %llu exceptions %llu\n", i, (unsigned long long)m->cpus[i]->executed,
                (unsigned long long)m->cpus[i]->exceptions);
    fprintf(stderr, "elara: guest errors %llu, unimplemented %llu\nelara: state hash %016llx\n",
            (unsigned long long)m->log.guest_errors, (unsigned long long)m->log.unimpls,
            (unsigned long long)machine_hash(m));
}

static void where(const struct machine *m)
{
    static const char *const states[] = {"running", "waiting for an interrupt", "waiting for an event", "off",
                                         "halted"};
    for (unsigned i = 0; i < m->ncpus; i++) {
        const struct cpu *c = m->cpus[i];
        fprintf(stderr, "  cpu%u: %s, EL%u, pc 0x%llx%s\n", i, states[c->run], c->ps.el, (unsigned long long)c->pc,
                c->ps.daif & DAIF_I ? ", interrupts masked" : "");
    }
}

static void explain_loop(const struct machine *m, const char *nl)
{
    const struct loop *l = &m->loop;
    const struct cpu *c = m->cpus[l->cpu];
    char words[160];
    esr_describe(c->sys[c->ps.el == 3 ? ESR_EL3 : c->ps.el == 2 ? ESR_EL2 : ESR_EL1], words, sizeof words);
    fprintf(stderr, "%s%s: guest is stuck: CPU%u re-takes \"%s\" at 0x%llx, EL%u (%llu times)\n", nl,
            m->config->program, l->cpu, words, (unsigned long long)l->vector, c->ps.el, (unsigned long long)l->count);
    esr_describe(l->first.esr, words, sizeof words);
    fprintf(stderr, "  first: EL%u at 0x%llx: %s, esr 0x%llx, far 0x%llx\n", l->first.from_el,
            (unsigned long long)l->first.pc, words, (unsigned long long)l->first.esr, (unsigned long long)l->first.far);
    u64 vbar = c->sys[c->ps.el == 3 ? VBAR_EL3 : c->ps.el == 2 ? VBAR_EL2 : VBAR_EL1];
    fprintf(stderr, "  VBAR_EL%u=0x%llx%s\n", c->ps.el, (unsigned long long)vbar,
            vbar ? "" : ": no exception vectors were installed");
    if (!m->config->el2 && bits(l->first.esr, 31, 26) == EC_UNKNOWN)
        fprintf(stderr, "  likely: this image needs EL2, and the machine has none (--el 2 gives it)\n");
}

static void explain(const struct machine *m, enum stop why, const char *nl)
{
    if (why == STOP_LOOP) {
        explain_loop(m, nl);
        return;
    }
    fprintf(stderr, "%s%s: guest is stuck: every CPU is asleep and nothing is left that could wake one\n", nl,
            m->config->program);
    where(m);
}

static int finish(struct machine *m, enum stop why)
{
    const struct config *c = m->config;
    const char *nl = m->console && !console_at_line_start(m->console) ? "\n" : "";
    switch (why) {
    case STOP_NONE:
    case STOP_BUDGET:
    case STOP_POWEROFF:
    case STOP_UNTIL:
        if (c->until && why == STOP_POWEROFF) {
            fprintf(stderr, "%s%s: the guest powered off before it printed \"%s\"\n", nl, c->program, c->until);
            return STATUS_EXPECT;
        }
        return 0;
    case STOP_RESET: return c->qemu_status ? 0 : STATUS_RESET;
    case STOP_QUIT: fprintf(stderr, "%s%s: terminated by Ctrl-A X\n", nl, c->program); return 0;
    case STOP_SIGNAL:
        fprintf(stderr, "%s%s: terminating on signal %d\n", nl, c->program, m->signal_number);
        return c->qemu_status ? 0 : 128 + m->signal_number;
    case STOP_TIMEOUT:
        fprintf(stderr, "%s%s: time limit reached\n", nl, c->program);
        where(m);
        return STATUS_TIMEOUT;
    case STOP_STUCK:
    case STOP_LOOP: explain(m, why, nl); return STATUS_STUCK;
    case STOP_PANIC:
        fprintf(stderr, "%s%s: the guest's kernel panicked; its last words are above\n", nl, c->program);
        where(m);
        return STATUS_PANIC;
    case STOP_OUTPUT: return c->qemu_status ? 0 : 128 + SIGPIPE;
    }
    return STATUS_BUG;
}

/* A kernel's last words follow the panic line; then it spins for ever. */
enum { PANIC_NS = 20000000 };

static void panic_fire(void *arg) { machine_stop(arg, STOP_PANIC); }

static void panic_matched(void *arg)
{
    struct machine *m = arg;
    if (!clock_pending(&m->panic))
        clock_schedule(&m->clock, &m->panic, clock_now(&m->clock) + PANIC_NS);
}

static void watch_panics(struct machine *m)
{
    m->panic = (struct event){.fire = panic_fire, .arg = m, .name = "panic"};
    console_watch(m->console, "Kernel panic - not syncing", panic_matched, m);
    console_watch(m->console, "(XEN) Panic on CPU", panic_matched, m);
}

static void until_matched(void *arg) { machine_stop(arg, STOP_UNTIL); }

int run_config(struct config *c)
{
    struct err e = {0};
    if (!config_finish(c, &e)) {
        run_complain(c, &e);
        return c->qemu_status ? 1 : e.status;
    }
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(c->engine, "lockstep") == 0)
        return lockstep_run(c);
    struct console *console = console_new(STDIN_FILENO, STDOUT_FILENO, c->qemu_status);
    struct machine *m = machine_new(c, c->dry_run ? NULL : console, &e);
    int status;
    if (!m) {
        run_complain(c, &e);
        status = c->qemu_status ? 1 : e.status;
    } else if (c->dry_run) {
        memory_map(m);
        status = 0;
    } else {
        m->wait_when_stuck = c->qemu_status;
        m->paced = c->pace == PACE_ON || (c->pace == PACE_AUTO && console_is_tty(console));
        if (!c->quiet)
            banner(m);
        if (c->until)
            console_watch(console, c->until, until_matched, m);
        if (!c->qemu_status && !c->ignore_panic)
            watch_panics(m);
        console_start(console);
        bool report = c->on_stuck == STUCK_REPORT || (c->on_stuck == STUCK_AUTO && console_is_tty(console));
        enum stop why = machine_run(m, ~0ull);
        if (report && (why == STOP_STUCK || why == STOP_LOOP)) { /* the user looks on, and ends it */
            explain(m, why, console_at_line_start(console) ? "" : "\n");
            fprintf(stderr, "  it goes on; Ctrl-A X ends it\n");
            m->wait_when_stuck = true;
            why = machine_run(m, ~0ull);
        }
        status = finish(m, why);
        if (c->stats)
            stats(m);
    }
    machine_free(m);
    console_free(console);
    return status;
}
