/* A CPU's Generic Timer (DDI0487 D12.2): seven timers, their interrupt wires, the event streams.
 *
 * A timer's condition is UInt(count - offset) >= UInt(CVAL) (IsTimerConditionMet of the pseudocode), all
 * in 64 bits, so that with an offset above the count it holds until the difference wraps.  One event
 * per timer is queued at the exact virtual time of its next change of condition; ISTATUS is computed
 * from the count on each read, never remembered.
 *
 * Choices: ISTATUS of a disabled timer (UNKNOWN) reads 0, TVAL of a disabled timer reads as usual.
 * Not modelled: the memory-mapped frames (CNTBase and friends), CNTPCTSS/CNTVCTSS are the plain counts
 * because accesses happen in program order anyway; RME's CNTPMASK/CNTVMASK. */
#include "timer/timer.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/snap.h"

enum { CTL_ENABLE = 1, CTL_IMASK = 2, CTL_ISTATUS = 4 };

/* CNTKCTL_EL1 and CNTHCTL_EL2 have the event stream's fields at the same places. */
enum { EVNTEN = 2, EVNTDIR = 3, EVNTI_LSB = 4, EVNTI_MSB = 7, EVNTIS = 17, CNTHCTL_ECV = 12 };

enum stream { STREAM_VIRT, STREAM_PHYS, STREAM_COUNT }; /* by CNTKCTL_EL1, by CNTHCTL_EL2 */

struct one {
    u64 cval;
    u32 ctl; /* ENABLE, IMASK */
    struct irq irq;
    struct event event;
    char name[24];
    struct timer *timer;
};

struct one_stream {
    struct event event;
    char name[24];
    struct timer *timer;
};

struct timer {
    struct timer_config cfg;
    struct one one[TIMER_COUNT];
    struct one_stream stream[STREAM_COUNT];
    u64 cntvoff, cntpoff, cnthctl, cntkctl; /* copies; the cells are the CPU's */
    struct port_count count;
};

static unsigned context(const struct timer *t) { return t->cfg.context ? t->cfg.context(t->cfg.arg) : 0; }

static bool host_el0(const struct timer *t)
{
    return (context(t) & (TIMER_E2H | TIMER_TGE)) == (TIMER_E2H | TIMER_TGE);
}

/* CNTPOFF_EL2 where FEAT_ECV makes it apply to the EL1 physical timer and its counter, else 0. */
static u64 physical_offset(const struct timer *t)
{
    if (!t->cntpoff || !bit(t->cnthctl, CNTHCTL_ECV) || !(context(t) & TIMER_ECV) || host_el0(t))
        return 0;
    return t->cntpoff;
}

static u64 offset_of(const struct timer *t, unsigned id)
{
    return id == TIMER_V ? t->cntvoff : id == TIMER_P ? physical_offset(t) : 0;
}

static bool condition_met(const struct timer *t, unsigned id)
{
    return counter_read(t->cfg.counter) - offset_of(t, id) >= t->one[id].cval;
}

/* Sets the wire and queues the next change of condition. */
static void update(struct timer *t, unsigned id)
{
    struct one *o = &t->one[id];
    if (!(o->ctl & CTL_ENABLE)) {
        clock_cancel(t->cfg.counter->clock, &o->event);
        irq_set(&o->irq, false);
        return;
    }
    u64 count = counter_read(t->cfg.counter), view = count - offset_of(t, id);
    bool met = view >= o->cval;
    u64 wait = met ? 0 - view : o->cval - view; /* ticks to the wrap of the view, or to CVAL */
    u64 when = wait && count + wait > count ? counter_when(t->cfg.counter, count + wait) : ~0ull;
    if (when == ~0ull)
        clock_cancel(t->cfg.counter->clock, &o->event);
    else
        clock_schedule(t->cfg.counter->clock, &o->event, when);
    irq_set(&o->irq, met && !(o->ctl & CTL_IMASK));
}

static void fire(void *arg)
{
    struct one *o = arg;
    update(o->timer, (unsigned)(o - o->timer->one));
}

/* ---- event streams (D12.2.4) ---------------------------------------------------------------- */

/* Linux has some thousands of events a second, each of which would end the running slice, and hardly ever executes WFE.
 * One sets the event register; as long as that is set the others are nothing, so they are not scheduled. */

static void stream_update(struct timer *t, unsigned which)
{
    struct one_stream *s = &t->stream[which];
    u64 ctl = which == STREAM_VIRT ? t->cntkctl : t->cnthctl;
    /* With a host thread for each CPU nobody counts events for it: WFE does not sleep long (machine/parallel.c). */
    if (!bit(ctl, EVNTEN) || !t->cfg.event_stream || t->cfg.counter->clock->host) {
        clock_cancel(t->cfg.counter->clock, &s->event);
        return;
    }
    unsigned n = (unsigned)bits(ctl, EVNTI_MSB, EVNTI_LSB) + (bit(ctl, EVNTIS) ? 8 : 0);
    u64 count = counter_read(t->cfg.counter);
    u64 off = which == STREAM_VIRT ? t->cntvoff : physical_offset(t);
    /* The next count whose low n+1 bits are 1000 (rising bit n) or 0000 (falling). */
    u64 period = 2ull << n, at = bit(ctl, EVNTDIR) ? 0 : 1ull << n;
    u64 wait = (at - (count - off)) & (period - 1);
    u64 when = counter_when(t->cfg.counter, count + (wait ? wait : period));
    clock_schedule(t->cfg.counter->clock, &s->event, when);
}

static void stream_fire(void *arg)
{
    struct one_stream *s = arg;
    s->timer->cfg.event_stream(s->timer->cfg.arg);
}

static void event_taken(void *arg)
{
    struct timer *t = arg;
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        if (!clock_pending(&t->stream[i].event))
            stream_update(t, i);
}

void timer_context_changed(struct timer *t)
{
    if (t->cntpoff) {
        update(t, TIMER_P);
        stream_update(t, STREAM_PHYS);
    }
}

/* ---- registers ------------------------------------------------------------------------------ */

enum part { PART_CTL, PART_CVAL, PART_TVAL };

static bool find_register(unsigned reg, unsigned *id, enum part *part)
{
    switch (reg) {
#define THREE(sr, n)                                                                                                   \
    case SR_##sr(CTL): return *id = n, *part = PART_CTL, true;                                                         \
    case SR_##sr(CVAL): return *id = n, *part = PART_CVAL, true;                                                       \
    case SR_##sr(TVAL):                                                                                                \
        return *id = n, *part = PART_TVAL, true;
#define SR_P(r)   SR_CNTP_##r##_EL0
#define SR_P02(r) SR_CNTP_##r##_EL02
#define SR_V(r)   SR_CNTV_##r##_EL0
#define SR_V02(r) SR_CNTV_##r##_EL02
#define SR_HP(r)  SR_CNTHP_##r##_EL2
#define SR_HV(r)  SR_CNTHV_##r##_EL2
#define SR_PS(r)  SR_CNTPS_##r##_EL1
#define SR_HPS(r) SR_CNTHPS_##r##_EL2
#define SR_HVS(r) SR_CNTHVS_##r##_EL2
        THREE(P, TIMER_P)
        THREE(P02, TIMER_P)
        THREE(V, TIMER_V)
        THREE(V02, TIMER_V)
        THREE(HP, TIMER_HP)
        THREE(HV, TIMER_HV)
        THREE(PS, TIMER_PS)
        THREE(HPS, TIMER_HPS)
        THREE(HVS, TIMER_HVS)
    default: return false;
    }
}

/* CNTVCT_EL0 (DDI0487 D24.10): no offset at EL2 with E2H and at EL0 of a host. */
static u64 virtual_count(const struct timer *t, const struct port_txn *x)
{
    u64 count = counter_read(t->cfg.counter);
    if (!t->cntvoff || (x->el == 2 && (context(t) & TIMER_E2H)) || (x->el == 0 && host_el0(t)))
        return count;
    return count - t->cntvoff;
}

static u64 physical_count(const struct timer *t, const struct port_txn *x)
{
    return counter_read(t->cfg.counter) - (x->el < 2 ? physical_offset(t) : 0);
}

static u64 port_read(void *arg, unsigned reg, const struct port_txn *x)
{
    struct timer *t = arg;
    unsigned id;
    enum part part;
    if (find_register(reg, &id, &part)) {
        const struct one *o = &t->one[id];
        switch (part) {
        case PART_CTL: return o->ctl | (o->ctl & CTL_ENABLE && condition_met(t, id) ? CTL_ISTATUS : 0u);
        case PART_CVAL: return o->cval;
        case PART_TVAL: return (o->cval - (counter_read(t->cfg.counter) - offset_of(t, id))) & ones(32);
        }
    }
    switch (reg) {
    case SR_CNTPCT_EL0:
    case SR_CNTPCTSS_EL0: return physical_count(t, x);
    case SR_CNTVCT_EL0:
    case SR_CNTVCTSS_EL0: return virtual_count(t, x);
    case SR_CNTFRQ_EL0: return t->cfg.counter->freq;
    case SR_CNTVOFF_EL2: return t->cntvoff;
    case SR_CNTPOFF_EL2: return t->cntpoff;
    case SR_CNTHCTL_EL2: return t->cnthctl;
    case SR_CNTKCTL_EL1: return t->cntkctl;
    }
    check_failed(__FILE__, __LINE__, "a timer register");
}

static void port_write(void *arg, unsigned reg, const struct port_txn *x, u64 val)
{
    struct timer *t = arg;
    (void)x;
    unsigned id;
    enum part part;
    if (find_register(reg, &id, &part)) {
        struct one *o = &t->one[id];
        switch (part) {
        case PART_CTL: o->ctl = val & (CTL_ENABLE | CTL_IMASK); break;
        case PART_CVAL: o->cval = val; break;
        case PART_TVAL: o->cval = counter_read(t->cfg.counter) - offset_of(t, id) + sext(val, 32); break;
        }
        update(t, id);
        return;
    }
    switch (reg) {
    case SR_CNTVOFF_EL2:
        t->cntvoff = val;
        update(t, TIMER_V);
        stream_update(t, STREAM_VIRT);
        return;
    case SR_CNTPOFF_EL2:
        t->cntpoff = val;
        update(t, TIMER_P);
        stream_update(t, STREAM_PHYS);
        return;
    case SR_CNTHCTL_EL2:
        t->cnthctl = val;
        update(t, TIMER_P);
        stream_update(t, STREAM_PHYS);
        return;
    case SR_CNTKCTL_EL12:
    case SR_CNTKCTL_EL1:
        t->cntkctl = val;
        stream_update(t, STREAM_VIRT);
        return;
    }
    check_failed(__FILE__, __LINE__, "a writable timer register");
}

struct port timer_port(struct timer *t)
{
    return (struct port){
        .read = port_read, .write = port_write, .arg = t, .count = &t->count, .event_taken = event_taken};
}

struct irq *timer_irq(struct timer *t, enum timer_id id) { return &t->one[id].irq; }

/* ---- life ----------------------------------------------------------------------------------- */

struct timer *timer_new(const struct timer_config *cfg)
{
    static const char *const names[TIMER_COUNT] = {"cntp", "cntv", "cnthp", "cnthv", "cntps", "cnthps", "cnthvs"};
    struct timer *t = calloc(1, sizeof *t);
    CHECK(t);
    t->cfg = *cfg;
    t->count = (struct port_count){cfg->counter->clock, &cfg->counter->origin, cfg->counter->shift};
    for (unsigned i = 0; i < TIMER_COUNT; i++) {
        struct one *o = &t->one[i];
        o->timer = t;
        snprintf(o->name, sizeof o->name, "cpu%u-%s", cfg->cpu, names[i]);
        o->event = (struct event){.fire = fire, .arg = o, .name = o->name};
    }
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        struct one_stream *s = &t->stream[i];
        s->timer = t;
        snprintf(s->name, sizeof s->name, "cpu%u-stream%u", cfg->cpu, i);
        s->event = (struct event){.fire = stream_fire, .arg = s, .name = s->name};
    }
    return t;
}

void timer_reset(struct timer *t)
{
    t->cntvoff = t->cntpoff = t->cnthctl = t->cntkctl = 0;
    for (unsigned i = 0; i < TIMER_COUNT; i++) {
        t->one[i].ctl = 0;
        t->one[i].cval = 0;
        update(t, i);
    }
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        stream_update(t, i);
}

void timer_state(struct timer *t, struct snap *s)
{
    snap_section(s, "timer");
    for (unsigned i = 0; i < TIMER_COUNT; i++) {
        struct one *o = &t->one[i];
        SNAP(s, o, cval);
        SNAP(s, o, ctl);
        SNAP_BOOL(s, o, irq.level);
        clock_event_state(t->cfg.counter->clock, &o->event, s);
    }
    SNAP(s, t, cntvoff);
    SNAP(s, t, cntpoff);
    SNAP(s, t, cnthctl);
    SNAP(s, t, cntkctl);
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        clock_event_state(t->cfg.counter->clock, &t->stream[i].event, s);
}

void timer_free(struct timer *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < TIMER_COUNT; i++)
        clock_cancel(t->cfg.counter->clock, &t->one[i].event);
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        clock_cancel(t->cfg.counter->clock, &t->stream[i].event);
    free(t);
}
