/* The parallel scheduler (docs/parallel.md): one host thread for each CPU, virtual time follows the host's monotonic
 * clock; nothing repeats.
 *
 * This thread keeps the machine's lock but while it sleeps: it fires the events and looks at the host. CPU threads
 * hold a permit while they run; there are as many as the host has CPUs for us, so that a CPU that others wait for is
 * hardly ever one that the host has put aside. Permits go round in the order of asking.
 *
 * Invariants: a thread without a permit is PARKED; permits.lock is the last lock taken. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/check.h"
#include "cpu/par.h"
#include "cpu/pmu.h"
#include "machine/sched.h"

enum {
    SLICE_INTERP = 10000, /* instructions: some hundred microseconds */
    SLICE_JIT = 100000,
    TURN_NS = 4000000,  /* a permit is passed on after that time, when others wait: each time a host CPU's caches change
                           hands */
    WOKEN_NS = 1000000, /* when one of them comes from sleep */
    WFE_NS = 100000,    /* the longest sleep in WFE: what the event stream usually asks for */
    LOOK_NS = 20000000, /* at the host, when nothing happens */
};

struct runner {
    struct machine *m;
    struct cpu *cpu;
    pthread_cond_t granted;
    bool has;            /* a permit */
    bool woken;          /* it waits for its first one after a sleep */
    struct runner *next; /* in the queue for one */
};

struct parallel {
    struct runner *runners;
    int poke; /* eventfd: this thread shall look again */
    s64 slice;
    pthread_mutex_t permits;
    unsigned free;
    struct runner *first, **last; /* who waits for a permit */
    u32 waiting, woken;           /* all; those that come from sleep */
};

static u64 host_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
}

static bool stopped(const struct machine *m) { return __atomic_load_n(&m->stop, __ATOMIC_SEQ_CST) != STOP_NONE; }

static void poke(struct parallel *p)
{
    u64 one = 1;
    if (write(p->poke, &one, sizeof one) < 0) /* full: it will look anyway */
        return;
}

void parallel_stopped(struct machine *m)
{
    for (unsigned i = 0; i < m->ncpus; i++)
        par_kick(m->cpus[i], PAR_EXIT_LEAVE);
    poke(m->parallel);
}

/* ---- permits ------------------------------------------------------------------------------------ */

static void permit_wait(struct parallel *p, struct runner *r, bool woken)
{
    *p->last = r;
    p->last = &r->next;
    r->next = NULL;
    r->woken = woken;
    __atomic_store_n(&p->waiting, p->waiting + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&p->woken, p->woken + woken, __ATOMIC_RELAXED);
    while (!r->has)
        pthread_cond_wait(&r->granted, &p->permits);
}

/* To whoever waits longest. */
static void permit_pass(struct parallel *p)
{
    struct runner *r = p->first;
    if (!r) {
        p->free++;
        return;
    }
    p->first = r->next;
    if (!p->first)
        p->last = &p->first;
    __atomic_store_n(&p->waiting, p->waiting - 1, __ATOMIC_RELAXED);
    __atomic_store_n(&p->woken, p->woken - r->woken, __ATOMIC_RELAXED);
    r->has = true;
    pthread_cond_signal(&r->granted);
}

static void permit_take(struct parallel *p, struct runner *r)
{
    pthread_mutex_lock(&p->permits);
    if (p->free) {
        p->free--;
        r->has = true;
    } else {
        permit_wait(p, r, true);
    }
    pthread_mutex_unlock(&p->permits);
}

static void permit_give(struct parallel *p, struct runner *r, bool take_again)
{
    pthread_mutex_lock(&p->permits);
    if (!take_again || p->first) {
        r->has = false;
        permit_pass(p);
        if (take_again)
            permit_wait(p, r, false);
    }
    pthread_mutex_unlock(&p->permits);
}

static bool wanted(const struct parallel *p) { return __atomic_load_n(&p->waiting, __ATOMIC_RELAXED) != 0; }

static u64 turn(const struct parallel *p) { return __atomic_load_n(&p->woken, __ATOMIC_RELAXED) ? WOKEN_NS : TURN_NS; }

/* ---- a CPU's thread ------------------------------------------------------------------------------ */

/* RUNNING. True: the guest has nothing to do but wait (YIELD, WFE with a live monitor). */
static bool run_slice(struct machine *m, struct cpu *c)
{
    s64 n = m->parallel->slice;
    u64 overflow = pmu_limit(c);
    if ((u64)n > overflow) /* the slice ends where a performance counter overflows */
        n = (s64)overflow;
    c->slice = (struct slice){.left = n};
    c->slice_len = n;
    m->engine->run(c);
    c->executed += (u64)(n - c->slice.left - c->slice.stash);
    bool waits = c->slice.end && c->run == CPU_RUNNING;
    c->slice = (struct slice){0};
    c->slice_len = 0;
    if (c->pmu_on)
        pmu_sync(c);
    return waits;
}

/* Runs until the CPU sleeps or the machine stops. */
static void run(struct runner *r)
{
    struct machine *m = r->m;
    struct cpu *c = r->cpu;
    permit_take(m->parallel, r);
    u64 since = host_now();
    do {
        par_unpark(c);
        bool waits = run_slice(m, c);
        par_park(c);
        if (wanted(m->parallel) && (waits || host_now() - since >= turn(m->parallel))) {
            permit_give(m->parallel, r, true);
            since = host_now();
        } else if (waits) { /* for a CPU that the host may have put aside */
            sched_yield();
        }
    } while (c->run == CPU_RUNNING && !stopped(m));
    permit_give(m->parallel, r, false);
}

/* Under the machine's lock: may the CPU go on? */
static bool awake(struct cpu *c)
{
    if ((c->run == CPU_WFI || c->run == CPU_WFE) && (cpu_wakeup_pending(c) || c->wake_due)) {
        cpu_set_run(c, CPU_RUNNING);
        c->wake_due = false;
        c->irq_check = true;
    }
    return c->run == CPU_RUNNING;
}

static void sleep_until_woken(struct machine *m, struct cpu *c)
{
    if (c->run != CPU_WFE) {
        pthread_cond_wait(&c->par->wake, &m->env.par->lock);
        return;
    }
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += WFE_NS;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    if (pthread_cond_clockwait(&c->par->wake, &m->env.par->lock, CLOCK_MONOTONIC, &t) != 0)
        cpu_send_event(c);
}

static void *thread(void *arg)
{
    struct runner *r = arg;
    struct machine *m = r->m;
    struct cpu *c = r->cpu;
    pthread_mutex_lock(&m->env.par->lock);
    while (!stopped(m)) {
        if (!awake(c)) {
            c->par->asleep = true;
            if (!m->clock.count) /* perhaps nobody will ever wake anybody */
                poke(m->parallel);
            sleep_until_woken(m, c);
            c->par->asleep = false;
            continue;
        }
        c->started = ~0ull; /* it runs: CPU_ON is no longer pending */
        pthread_mutex_unlock(&m->env.par->lock);
        run(r);
        pthread_mutex_lock(&m->env.par->lock);
    }
    pthread_mutex_unlock(&m->env.par->lock);
    return NULL;
}

/* ---- the machine's thread ------------------------------------------------------------------------ */

static void sooner(void *arg)
{
    struct machine *m = arg;
    poke(m->parallel);
}

static void log_lock(void *arg, bool on)
{
    struct machine *m = arg;
    if (on)
        pthread_mutex_lock(&m->env.par->lock);
    else
        pthread_mutex_unlock(&m->env.par->lock);
}

static unsigned host_cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static bool all_asleep(const struct machine *m)
{
    for (unsigned i = 0; i < m->ncpus; i++)
        if (!m->cpus[i]->par->asleep || awake(m->cpus[i]))
            return false;
    return true;
}

static bool nothing_can_come(struct machine *m)
{
    return !m->wait_when_stuck && !m->clock.count && !sched_networks_wait(m) && !sched_input_may_come(m) &&
           all_asleep(m);
}

/* Sleeps until an event is due, the host has something, or somebody pokes; without the lock. */
static void wait(struct machine *m, int signals)
{
    struct pollfd p[64] = {{.fd = signals, .events = POLLIN}, {.fd = m->parallel->poke, .events = POLLIN}};
    unsigned n = 2 + sched_host_fds(m, p + 2, (unsigned)ARRAY_LEN(p) - 2);
    u64 now = clock_now(&m->clock), next = clock_next(&m->clock), ns = next > now ? next - now : 0, count;
    if (ns > LOOK_NS)
        ns = LOOK_NS;
    m->clock.watched = now + ns;
    pthread_mutex_unlock(&m->env.par->lock);
    const struct timespec t = {.tv_sec = 0, .tv_nsec = (long)ns};
    ppoll(p, n, &t, NULL);
    if (read(m->parallel->poke, &count, sizeof count) < 0)
        count = 0; /* nobody did */
    pthread_mutex_lock(&m->env.par->lock);
    m->clock.watched = 0;
}

static void loop(struct machine *m, int signals)
{
    u64 start = host_now();
    while (!stopped(m)) {
        m->clock.end = clock_now(&m->clock);
        clock_fire(&m->clock);
        sched_look_at_host(m, signals);
        if (m->config->timeout && host_now() - start > m->config->timeout * 1000000000ull)
            machine_stop(m, STOP_TIMEOUT);
        if (m->config->limit && m->clock.end >= m->config->limit)
            machine_stop(m, STOP_TIMEOUT);
        if (nothing_can_come(m))
            machine_stop(m, STOP_STUCK);
        if (!stopped(m))
            wait(m, signals);
    }
}

static void begin(struct machine *m, struct parallel *p)
{
    *p = (struct parallel){.poke = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .free = host_cpus(), .last = &p->first};
    p->slice = m->engine == &engine_interp ? SLICE_INTERP : SLICE_JIT;
    p->runners = calloc(m->ncpus, sizeof *p->runners);
    CHECK(p->runners && p->poke >= 0);
    pthread_mutex_init(&p->permits, NULL);
    m->clock.origin = host_now() - m->clock.end;
    m->clock.sooner = sooner;
    m->clock.sooner_arg = m;
    m->clock.watched = 0;
    m->clock.host = host_now;
    m->log.lock = log_lock;
    m->parallel = p;
    par_begin(m->env.par);
    pthread_mutex_lock(&m->env.par->lock);
    for (unsigned i = 0; i < m->ncpus; i++) {
        p->runners[i] = (struct runner){.m = m, .cpu = m->cpus[i]};
        pthread_cond_init(&p->runners[i].granted, NULL);
        CHECK(pthread_create(&m->env.par->cpu[i].thread, NULL, thread, &p->runners[i]) == 0);
    }
}

static void end(struct machine *m, struct parallel *p)
{
    parallel_stopped(m); /* once more under the lock: nobody has missed it on the way into sleep */
    pthread_mutex_unlock(&m->env.par->lock);
    for (unsigned i = 0; i < m->ncpus; i++) {
        pthread_join(m->env.par->cpu[i].thread, NULL);
        pthread_cond_destroy(&p->runners[i].granted);
    }
    par_end(m->env.par);
    m->parallel = NULL;
    m->log.lock = NULL;
    m->clock.end = clock_now(&m->clock);
    m->clock.host = NULL;
    pthread_mutex_destroy(&p->permits);
    close(p->poke);
    free(p->runners);
}

void parallel_run(struct machine *m, int signals)
{
    struct parallel p;
    begin(m, &p);
    loop(m, signals);
    end(m, &p);
}
