/* Why the guest cannot go on, in words. */
#pragma once
#include "machine/machine.h"

/* A line a CPU: state, EL, pc with symbol. */
void diagnose_where(const struct machine *m);
/* The guest is stuck (STOP_STUCK or STOP_LOOP): what happened first and what is probably wrong. nl goes in front.
 * Returns the exit status: STATUS_STUCK, or STATUS_UNIMPL when the guest asked for what Elara lacks. */
int diagnose_stuck(const struct machine *m, enum stop why, const char *nl);

/* The machine's exception hook: counts what repeats for ever, remembers accesses to nowhere. */
void diagnose_exception(struct machine *m, struct cpu *c, const struct exc_info *x);
