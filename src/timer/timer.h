/* The Generic Timer (DDI0487 chapter D12): one system counter a machine, one struct timer a CPU. */
#pragma once
#include "core/clock.h"
#include "core/irq.h"
#include "core/types.h"
#include "cpu/sysreg.h"

struct snap;

/* The system counter: virtual time in ticks of freq Hz since origin. */
struct counter {
    struct clock *clock;
    u64 freq;
    u64 num, den; /* ticks = ns * num / den, reduced */
    int shift;    /* ticks = ns >> shift; -1: not that simple */
    u64 origin;   /* ns of virtual time at which the count was 0 */
};

/* freq in Hz, 1 to 4 GHz; the count is 0 now. */
void counter_init(struct counter *n, struct clock *clock, u64 freq);
/* The count, exact to the executing instruction. */
u64 counter_read(const struct counter *n);
/* First virtual time (ns) at which the count is at least tick; UINT64_MAX if beyond the end of time. */
u64 counter_when(const struct counter *n, u64 tick);
void counter_state(struct counter *n, struct snap *s);

/* In the order of the output wires. */
enum timer_id {
    TIMER_P,   /* CNTP: EL1 physical (Non-secure where EL3 banks nothing: AArch64) */
    TIMER_V,   /* CNTV: EL1 virtual */
    TIMER_HP,  /* CNTHP: Non-secure EL2 physical */
    TIMER_HV,  /* CNTHV: Non-secure EL2 virtual */
    TIMER_PS,  /* CNTPS: Secure EL1 physical */
    TIMER_HPS, /* CNTHPS: Secure EL2 physical */
    TIMER_HVS, /* CNTHVS: Secure EL2 virtual */
    TIMER_COUNT,
};

/* What the timer must know of its CPU's controls, asked when an access depends on it. */
enum timer_context {
    TIMER_E2H = 1 << 0, /* effective HCR_EL2.E2H */
    TIMER_TGE = 1 << 1, /* effective HCR_EL2.TGE */
    TIMER_ECV = 1 << 2, /* CNTPOFF_EL2 may apply: FEAT_ECV and SCR_EL3.ECVEn, EL2 enabled */
};

struct timer;
struct timer_config {
    struct counter *counter;
    unsigned cpu;                    /* index, for the names of the events */
    unsigned (*context)(void *arg);  /* mask of enum timer_context; NULL: 0 */
    /* An event of the event stream; the next one after port.event_taken(). NULL: none generated. */
    void (*event_stream)(void *arg);
    void *arg;
};

struct timer *timer_new(const struct timer_config *cfg);
void timer_free(struct timer *t);
void timer_reset(struct timer *t);
void timer_state(struct timer *t, struct snap *s);
/* The wire of a timer's interrupt (level-sensitive), for the machine to connect. */
struct irq *timer_irq(struct timer *t, enum timer_id id);
/* The registers. Besides the CNTx_{CTL,CVAL,TVAL} registers and counters (reads and writes), the port
 * takes writes of CNTVOFF_EL2, CNTPOFF_EL2, CNTHCTL_EL2 and CNTKCTL_EL1, whose storage is the CPU's.
 * E2H and Security-state redirections are the caller's; the _EL02 names mean the EL0 registers. */
struct port timer_port(struct timer *t);
/* HCR_EL2.{E2H,TGE} or SCR_EL3 changed. */
void timer_context_changed(struct timer *t);
