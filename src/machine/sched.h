/* Between the two schedulers: sched.c (one thread, repeatable) and parallel.c (a thread for each CPU). */
#pragma once
#include <poll.h>

#include "machine/machine.h"

/* What the host wants: input, quitting, signals. */
void sched_look_at_host(struct machine *m, int signals);
/* The descriptors that input comes from; returns how many. */
unsigned sched_host_fds(struct machine *m, struct pollfd *p, unsigned max);
bool sched_networks_wait(struct machine *m);
/* Would the guest notice input? */
bool sched_input_may_come(const struct machine *m);
/* Input that waits for the guest to make room: that is not seen by waiting for the host. */
void sched_init(struct machine *m);
/* cpu_env.woken: a CPU that is alone shares from now on. */
void sched_woken(void *arg);
bool sched_input_pending(const struct machine *m);

/* Runs until something stops the machine; all threads but this one are gone afterwards. */
void parallel_run(struct machine *m, int signals);
/* m->stop was set. */
void parallel_stopped(struct machine *m);
