/* Two machines of one configuration, one per engine, in step. */
#pragma once
#include "machine/config.h"

/* Runs until the guest stops or the engines differ; then says at which instruction. The result is the process's exit
 * status: 0, or STATUS_BUG for a difference. */
int lockstep_run(const struct config *c);
