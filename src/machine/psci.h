/* PSCI 1.1 and SMCCC 1.1, answered by the board when there is no EL3 firmware. */
#pragma once
#include "machine/machine.h"

/* env->firmware_call; arg is the machine. */
bool psci_call(void *arg, struct cpu *c, bool hvc);
