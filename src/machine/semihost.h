/* Semihosting: a guest's calls to the host by HLT #0xf000. */
#pragma once
#include "core/types.h"

struct cpu;
/* The CPU's hook (cpu_env.semihosting); arg: the machine. True: the call was served. */
bool semihost_call(void *arg, struct cpu *c);
