/* The deterministic scheduler: one host thread, CPUs in round robin, virtual time = instructions of
 * all CPUs together + skipped idle.
 *
 * A slice is min(turn, next event); a CPU that sleeps ends its slice. A turn is a quantum, many when
 * no other CPU runs; one that wakes up waits for a quantum at most. Idle is skipped only when every
 * CPU sleeps. The host (console, signals, pacing) is looked at between slices only. The clock,
 * the events and this loop are all that decide what executes when: host time enters by the arrival of
 * console input alone. */
#include "machine/sched.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "core/check.h"
#include "cpu/pmu.h"
#include "devices/pl011.h"
#include "devices/virtio.h"
#include "machine/console.h"
#include "machine/display.h"
#include "machine/machine.h"
#include "machine/net.h"

/* SLACK_NS: waits that are not worth the host's while; guest time may be ahead as far. */
enum { HOST_LOOK_NS = 1000000, SLACK_NS = 1000000, DISPLAY_NS = 10000000 };

static u64 host_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
}

void machine_stop(struct machine *m, enum stop why)
{
    u8 none = STOP_NONE;
    __atomic_compare_exchange_n(&m->stop, &none, (u8)why, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (m->clock.run)
        slice_end(m->clock.run);
    if (m->parallel)
        parallel_stopped(m);
}

enum { CONSOLES = 3 };

static struct console *console_of(const struct machine *m, unsigned i)
{
    return i == 0 ? m->uart_end : i == 1 ? m->hvc_end : m->uart2_end;
}

/* What the host wants: input, quitting, signals. */
void sched_look_at_host(struct machine *m, int signals)
{
    struct console *c;
    for (unsigned i = 0; i < CONSOLES; i++)
        switch ((c = console_of(m, i)) ? console_poll(c) : CONSOLE_NOTHING) {
        case CONSOLE_QUIT: machine_stop(m, STOP_QUIT); break;
        case CONSOLE_MONITOR: machine_stop(m, STOP_MONITOR); break;
        case CONSOLE_OUTPUT_GONE: machine_stop(m, STOP_OUTPUT); break;
        case CONSOLE_NOTHING: break;
        }
    for (unsigned i = 0; i < m->nnets; i++)
        network_poll(m->nets[i]);
    if (m->display && !display_poll(m->display))
        machine_stop(m, STOP_QUIT);
    struct signalfd_siginfo info;
    if (signals >= 0 && read(signals, &info, sizeof info) == sizeof info) {
        bool button = info.ssi_signo == SIGTERM && m->config->term_button && !m->signal_number;
        m->signal_number = (int)info.ssi_signo;
        if (button) /* a second one ends the run */
            machine_power_button(m);
        else
            machine_stop(m, info.ssi_signo == SIGINT && m->config->debug ? STOP_MONITOR : STOP_SIGNAL);
    }
}

/* What a CPU that nobody waits for has is enough to make the way through the scheduler nothing, and little to the
 * host, which is looked at between turns. */
enum { ALONE = 50 };

static void turn_over(void *arg) { (void)arg; }

void sched_init(struct machine *m) { m->turn = (struct event){.fire = turn_over, .name = "turn"}; }

void sched_woken(void *arg)
{
    struct machine *m = arg;
    if (m->clock.run && m->left > m->quantum && !clock_pending(&m->turn))
        clock_schedule(&m->clock, &m->turn, clock_now(&m->clock) + m->quantum);
}

static u64 turn(struct machine *m, const struct cpu *c)
{
    clock_cancel(&m->clock, &m->turn);
    for (unsigned i = 0; i < m->ncpus; i++)
        if (m->cpus[i] != c && m->cpus[i]->run == CPU_RUNNING)
            return m->quantum;
    return m->quantum * ALONE;
}

/* The CPU whose turn was cut short, or the next one in round robin that runs; NULL: all sleep. */
static struct cpu *next_cpu(struct machine *m)
{
    if (m->left)
        return m->cpus[m->last];
    for (unsigned i = 0; i < m->ncpus; i++) {
        struct cpu *c = m->cpus[(m->last + 1 + i) % m->ncpus];
        if (c->run != CPU_RUNNING)
            continue;
        if (m->last != c->index) { /* exclusives do not survive a CPU switch: exact, no ABA */
            m->cpus[m->last]->monitor.valid = false;
            m->last = c->index;
        }
        m->left = turn(m, c);
        return c;
    }
    return NULL;
}

/* Executes up to budget instructions of the slice. What is left of it after a cut from outside (budget, stop) is kept,
 * so that a run in pieces is the same run; whatever the guest does to end it ends it. */
static void run_slice(struct machine *m, struct cpu *c, u64 budget)
{
    u64 n = m->left < budget ? m->left : budget;
    u64 before = clock_now(&m->clock), overflow = pmu_limit(c);
    if (n > overflow) /* the slice ends where a performance counter overflows */
        n = overflow;
    if (m->config->limit && n > m->config->limit - before)
        n = m->config->limit - before;
    c->slice_start = before;
    if (!clock_begin(&m->clock, &c->slice, (s64)n))
        return;
    m->engine->run(c);
    clock_finish(&m->clock);
    u64 now = clock_now(&m->clock), used = now - before;
    c->executed += used;
    if (c->pmu_on)
        pmu_sync(c);
    bool ended = c->slice.end && m->stop == STOP_NONE;
    bool cut = (used == n || m->stop != STOP_NONE) && !ended && c->run == CPU_RUNNING && clock_next(&m->clock) > now;
    m->left = cut ? m->left - used : 0;
}

unsigned sched_host_fds(struct machine *m, struct pollfd *p, unsigned max)
{
    unsigned n = 0;
    for (unsigned i = 0; i < CONSOLES; i++) {
        struct console *c = console_of(m, i);
        if (!c)
            continue;
        console_flush(c);
        p[n++] = (struct pollfd){.fd = console_fd(c), .events = POLLIN};
    }
    for (unsigned i = 0; i < m->nnets; i++)
        n += network_fds(m->nets[i], p + n, max - n);
    return n;
}

/* Sleeps until the host has something for us or ns host nanoseconds have passed (~0: for ever). */
static void host_wait(struct machine *m, u64 ns, int signals)
{
    struct pollfd p[64] = {{.fd = signals, .events = POLLIN}};
    unsigned n = 1 + sched_host_fds(m, p + 1, (unsigned)ARRAY_LEN(p) - 1);
    if (m->display && ns > DISPLAY_NS) /* a window has no descriptor */
        ns = DISPLAY_NS;
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    ppoll(p, n, ns == ~0ull ? NULL : &t, NULL);
}

bool sched_networks_wait(struct machine *m)
{
    for (unsigned i = 0; i < m->nnets; i++)
        if (network_waits(m->nets[i]))
            return true;
    return false;
}

/* Where guest time should be when the host's is host.  Guest time that is behind catches up by LAG_NS at most (what
 * the host overslept), not by what the guest's work took longer: its time-outs would come before the answers. */
static u64 due(struct machine *m, u64 host)
{
    enum { LAG_NS = 20000000 };
    u64 now = clock_now(&m->clock);
    if (m->pace_virtual + (host - m->pace_host) > now + LAG_NS) {
        m->pace_virtual = now + LAG_NS;
        m->pace_host = host;
    }
    return m->pace_virtual + (host - m->pace_host);
}

/* With pacing, or when a network may answer, guest time does not run ahead of the host's. */
static void hold_back(struct machine *m, u64 host, int signals)
{
    enum { AHEAD_NS = 2000000 };
    u64 now = clock_now(&m->clock);
    if (!m->paced && (m->config->pace == PACE_OFF || !sched_networks_wait(m))) {
        m->pace_virtual = now;
        m->pace_host = host;
    } else if (now > due(m, host) + AHEAD_NS) {
        host_wait(m, now - due(m, host), signals);
        sched_look_at_host(m, signals);
    }
}

/* Would the guest notice input? */
bool sched_input_may_come(const struct machine *m)
{
    enum { RECEIVE = 1 << 4 | 1 << 6 }; /* interrupts of the UART's receiver and its time-out */
    return m->display || (m->uart_end && console_alive(m->uart_end) && (m->uart->imsc & RECEIVE)) ||
           (m->uart2_end && console_alive(m->uart2_end) && (m->uart2->imsc & RECEIVE)) ||
           (m->hvc_end && console_alive(m->hvc_end) && virtio_running(m->hvc));
}

/* Input that waits for the guest to make room: that is not seen by waiting for the host. */
bool sched_input_pending(const struct machine *m)
{
    for (unsigned i = 0; i < CONSOLES; i++)
        if (console_of(m, i) && console_pending(console_of(m, i)))
            return true;
    return false;
}

/* Every CPU sleeps: time jumps to the next event; with pacing, or when a network may still answer, the
 * host waits meanwhile. */
static void idle(struct machine *m, int signals)
{
    u64 next = clock_next(&m->clock), now = clock_now(&m->clock);
    bool net = sched_networks_wait(m);
    if (next == ~0ull) {
        bool hope = m->wait_when_stuck || net || sched_input_may_come(m);
        if (!hope) {
            machine_stop(m, STOP_STUCK);
            return;
        }
        host_wait(m, sched_input_pending(m) ? HOST_LOOK_NS : ~0ull, signals);
        sched_look_at_host(m, signals);
        return;
    }
    if ((m->paced || net) && next > now) {
        u64 at = due(m, host_now());
        if (at + SLACK_NS < next)
            host_wait(m, next - at, signals);
        at = due(m, host_now());
        if (at + SLACK_NS < next) { /* something came first: time moves as far as the wait lasted */
            clock_skip(&m->clock, at > now ? at : now);
            sched_look_at_host(m, signals);
            return;
        }
    }
    clock_skip(&m->clock, next);
}

/* A semihosting call of c waits for the console's input; unless another CPU works, so does the host. */
static void wait_for_input(struct machine *m, const struct cpu *c, int signals)
{
    enum { LOOK_NS = 100000000 }; /* for the host's time limit */
    m->input_wanted = false;
    for (unsigned i = 0; i < m->ncpus; i++)
        if (m->cpus[i] != c && m->cpus[i]->run == CPU_RUNNING)
            return;
    if (m->stop == STOP_NONE) {
        host_wait(m, LOOK_NS, signals);
        sched_look_at_host(m, signals);
    }
}

/* The CPU polls the counter (struct poll): unless another CPU works, time goes on without it. Somebody may be about to
 * answer to what the guest waits for, so the host waits too, as with pacing. */
static void skip_polling(struct machine *m, struct cpu *c, int signals)
{
    u64 now = clock_now(&m->clock), want = now + c->poll.skip;
    c->poll.skip = 0;
    for (unsigned i = 0; i < m->ncpus; i++)
        if (m->cpus[i] != c && m->cpus[i]->run == CPU_RUNNING)
            return;
    if (want > clock_next(&m->clock))
        want = clock_next(&m->clock);
    bool typist = m->console && console_alive(m->console);
    bool wait = m->paced || (m->config->pace != PACE_OFF && (typist || sched_networks_wait(m)));
    if (wait && m->stop == STOP_NONE) {
        u64 at = due(m, host_now());
        if (at + SLACK_NS < want) {
            host_wait(m, want - at, signals);
            at = due(m, host_now());
            if (at < want) { /* something came first */
                want = at > now ? at : now;
                sched_look_at_host(m, signals);
            }
        }
    }
    clock_skip(&m->clock, want);
}

static int open_signals(sigset_t *before)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, before);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* A reset that the guest asked for. */
static void begin_again(struct machine *m)
{
    if (m->stop != STOP_RESET || m->config->no_reboot)
        return;
    m->stop = STOP_NONE;
    m->resets++;
    machine_reset(m);
}

enum stop machine_run(struct machine *m, u64 budget)
{
    sigset_t mask;
    int signals = m->console ? open_signals(&mask) : -1; /* only programs have a console */
    u64 host_start = host_now(), virtual_start = clock_now(&m->clock);
    m->host_ns = 0;
    m->stop = STOP_NONE;
    /* with a budget the CPUs take turns, whatever was asked for */
    while (m->env.par && budget == ~0ull && m->stop == STOP_NONE) {
        parallel_run(m, signals);
        begin_again(m);
    }
    while (m->stop == STOP_NONE) {
        u64 now = host_now();
        if (now - m->host_ns >= HOST_LOOK_NS) {
            m->host_ns = now;
            m->host_target = m->config->host_clock ? virtual_start + (now - host_start) : 0;
            sched_look_at_host(m, signals);
            hold_back(m, now, signals);
            if (m->config->timeout && now - host_start > m->config->timeout * 1000000000ull)
                machine_stop(m, STOP_TIMEOUT);
        }
        if (!budget)
            machine_stop(m, STOP_BUDGET);
        if (m->config->limit && clock_now(&m->clock) >= m->config->limit)
            machine_stop(m, STOP_TIMEOUT);
        clock_skip(&m->clock, m->host_target); /* an event on the way fires in its turn */
        clock_fire(&m->clock);
        if (m->stop != STOP_NONE)
            break;
        struct cpu *c = next_cpu(m);
        if (!c) {
            idle(m, signals);
            continue;
        }
        u64 before = clock_now(&m->clock);
        run_slice(m, c, budget);
        if (budget != ~0ull)
            budget -= clock_now(&m->clock) - before;
        if (c->poll.skip)
            skip_polling(m, c, signals);
        if (m->input_wanted)
            wait_for_input(m, c, signals);
        begin_again(m);
    }
    for (unsigned i = 0; i < CONSOLES; i++)
        if (console_of(m, i))
            console_flush(console_of(m, i));
    if (signals >= 0) {
        close(signals);
        sigprocmask(SIG_SETMASK, &mask, NULL);
    }
    return (enum stop)m->stop;
}
