/* From a configuration to an exit status: banner, run, statistics, diagnosis. */
#include "machine/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "debug/jit_report.h"
#include "machine/console.h"
#include "machine/diagnose.h"
#include "machine/display.h"
#include "machine/lockstep.h"
#include "machine/machine.h"
#include "machine/monitor.h"

void run_complain(const struct config *c, const struct err *e) { fprintf(stderr, "%s: %s\n", c->program, e->text); }

static void show_segments(const struct machine *m, FILE *f)
{
    const struct boot *b = &m->boot;
    char size[32];
    for (unsigned i = 0; i < b->nseg; i++) {
        const struct segment *s = &b->seg[i];
        fprintf(f, "  %-16s 0x%010llx  %-10s %s\n", s->what, (unsigned long long)s->addr, err_size(s->size, size),
                segment_path(s));
    }
}

static void banner(const struct machine *m)
{
    const struct config *c = m->config;
    char mem[32];
    fprintf(stderr, "elara %s: %u x %s, %s RAM, GICv%u, EL%d; %s, seed %llu%s\n", ELARA_VERSION, c->cpus, c->cpu,
            err_size(c->mem, mem), c->gic,
            c->el3   ? 3
            : c->el2 ? 2
                     : 1,
            c->host_clock || c->parallel ? "not repeatable" : "deterministic", (unsigned long long)c->seed,
            c->parallel     ? ", a host thread for each CPU, time is the host's"
            : c->host_clock ? ", time kept by the host's clock"
            : m->paced      ? ", paced by the host's clock"
                            : "");
    show_segments(m, stderr);
    for (unsigned i = 0; i < c->ndisks; i++)
        fprintf(stderr, "  disk             %s%s\n", c->disks[i].path,
                c->disks[i].rw        ? ", written to"
                : c->disks[i].overlay ? ", changes go to its overlay"
                                      : ", changes are discarded");
    if (c->params)
        fprintf(stderr, "  parameters       %s\n", c->params);
    fprintf(stderr, "  quit: Ctrl-A X   help: Ctrl-A H   monitor: Ctrl-A C\n");
}

static void memory_map(struct machine *m)
{
    machine_show_map(m);
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

static int finish(struct machine *m, enum stop why)
{
    const struct config *c = m->config;
    const char *nl = m->console && !console_at_line_start(m->console) ? "\n" : "";
    switch (why) {
    case STOP_NONE:
    case STOP_BUDGET:
    case STOP_MONITOR:
    case STOP_POWEROFF:
    case STOP_UNTIL:
        if (c->until && why == STOP_POWEROFF) {
            fprintf(stderr, "%s%s: the guest powered off before it printed \"%s\"\n", nl, c->program, c->until);
            return STATUS_EXPECT;
        }
        return 0;
    case STOP_RESET: return c->qemu_status ? 0 : STATUS_RESET;
    case STOP_QUIT:
        if (!c->debug)
            fprintf(stderr, "%s%s: terminated by Ctrl-A X\n", nl, c->program);
        return 0;
    case STOP_SIGNAL:
        fprintf(stderr, "%s%s: terminating on signal %d\n", nl, c->program, m->signal_number);
        return c->qemu_status ? 0 : 128 + m->signal_number;
    case STOP_TIMEOUT:
        fprintf(stderr, "%s%s: time limit reached\n", nl, c->program);
        diagnose_where(m);
        return STATUS_TIMEOUT;
    case STOP_STUCK:
    case STOP_LOOP: {
        int status = diagnose_stuck(m, why, nl);
        return c->qemu_status ? 0 : status;
    }
    case STOP_EXIT: return m->exit_status;
    case STOP_PANIC:
        fprintf(stderr, "%s%s: the guest's kernel panicked; its last words are above\n", nl, c->program);
        diagnose_where(m);
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

/* Runs until the end; the monitor comes between when it is asked for. */
static enum stop run_with_monitor(struct machine *m)
{
    enum stop why = m->config->debug ? STOP_MONITOR : machine_run(m, ~0ull);
    bool told = false;
    while (why == STOP_MONITOR) {
        if (!told && !m->config->quiet)
            fprintf(stderr, "\nelara: stopped; help shows the monitor's commands\n");
        told = true;
        why = monitor_run(m);
        if (why != STOP_NONE)
            break;
        console_start(m->console);
        why = machine_run(m, ~0ull);
    }
    return why;
}

/* Whoever looks on is told that the guest is stuck, and may end it. */
static enum stop run_report(struct machine *m)
{
    const struct config *c = m->config;
    bool report = c->qemu_status || c->debug || c->on_stuck == STUCK_REPORT ||
                  (c->on_stuck == STUCK_AUTO && console_is_tty(m->console));
    enum stop why = run_with_monitor(m);
    if (!report || (why != STOP_STUCK && why != STOP_LOOP))
        return why;
    diagnose_stuck(m, why, console_at_line_start(m->console) ? "" : "\n");
    fprintf(stderr, "  it goes on; %s\n",
            console_is_tty(m->console) ? "Ctrl-A X ends it, Ctrl-A C shows more" : "SIGTERM ends it");
    m->wait_when_stuck = m->no_loops = true;
    return run_with_monitor(m);
}

static int run_machine(struct machine *m, const struct jit_report *jit)
{
    const struct config *c = m->config;
    struct err e = {0};
    m->paced = c->pace == PACE_ON || (c->host_clock && c->pace != PACE_OFF) ||
               (c->pace == PACE_AUTO && (m->display || console_is_tty(m->console)));
    if (!c->quiet)
        banner(m);
    if (c->until)
        console_watch(m->console, c->until, until_matched, m);
    if (!c->qemu_status && !c->ignore_panic)
        watch_panics(m);
    if (!c->debug)
        console_start(m->console);
    int status = finish(m, run_report(m));
    if (c->stats)
        stats(m);
    if (c->jit_stats)
        jit_report_print(jit);
    if (c->screenshot && !machine_screenshot(m, c->screenshot, &e)) {
        run_complain(c, &e);
        status = status ? status : e.status;
    }
    return status;
}

/* *r: NULL when nobody wants one. */
static bool open_report(struct machine *m, struct jit_report **r, struct err *e)
{
    const struct config *c = m->config;
    char bad[128];
    *r = NULL;
    if (!c->jit_stats && !c->perf_map && !c->jit_dump)
        return true;
    *r = jit_report_new(m->env.code, c->perf_map, c->jit_dump, bad);
    return *r || err_set(e, STATUS_USAGE, "%s: %s", bad, strerror(errno));
}

static int run_reported(struct machine **m)
{
    const struct config *c = (*m)->config;
    struct jit_report *jit;
    struct err e = {0};
    char bad[128];
    int status;
    if (open_report(*m, &jit, &e)) {
        status = run_machine(*m, jit);
    } else {
        run_complain(c, &e);
        status = e.status;
    }
    machine_free(*m); /* before what its JIT reports to */
    *m = NULL;
    if (!jit_report_free(jit, bad)) {
        err_set(&e, STATUS_USAGE, "%s: %s", bad, strerror(errno));
        run_complain(c, &e);
        status = status ? status : e.status;
    }
    return status;
}

/* The main console and, when there is a virtio console besides the UART, the other. */
static bool open_consoles(const struct config *c, struct console **first, struct console **second, struct err *e)
{
    const char *serial = c->serial ? c->serial : "stdio";
    bool hvc = config_hvc_main(c), escapes = c->qemu_status || c->debug;
    return (*first = console_open(hvc ? c->hvc : serial, escapes, e)) &&
           (!c->hvc || (*second = console_open(hvc ? serial : c->hvc, false, e)));
}

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
    struct console *console = NULL, *second = NULL, *secure = NULL;
    struct machine *m = NULL;
    int status = 0;
    if (c->dry_run ||
        (open_consoles(c, &console, &second, &e) && (!c->serial2 || (secure = console_open(c->serial2, false, &e)))))
        m = machine_new(c, console, &e);
    struct display *display = NULL;
    if (m && !c->dry_run && c->display && !(display = display_open(m, &e))) {
        machine_free(m);
        m = NULL;
    }
    if (!m) {
        run_complain(c, &e);
        status = c->qemu_status ? 1 : e.status;
    } else if (c->dry_run) {
        memory_map(m);
    } else {
        if (second)
            machine_second_console(m, second);
        if (secure)
            machine_secure_console(m, secure);
        m->display = display;
        status = run_reported(&m);
    }
    machine_free(m);
    display_close(display);
    console_free(console);
    console_free(second);
    console_free(secure);
    return status;
}
