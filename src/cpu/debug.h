/* Self-hosted debug: when debug exceptions are enabled, and software step. */
#pragma once
#include "cpu/cpu.h"

/* DebugTarget(): the EL that debug exceptions are taken to. */
unsigned debug_target(const struct cpu *c);
/* Is software step active at the current EL? Then PSTATE.SS = 1 executes one instruction, 0 takes the
 * exception. */
bool debug_step_active(const struct cpu *c);
/* Are there breakpoints on the page of va, and is there one on the instruction at pc, that act here? */
bool debug_breakpoint_page(const struct cpu *c, u64 va);
bool debug_breakpoint_hit(const struct cpu *c);
enum step debug_breakpoint_exception(struct cpu *c);
/* DebugExceptionReturnSS(): may an exception return with this SPSR set PSTATE.SS? */
bool debug_return_ss(const struct cpu *c, u64 spsr);
/* The Software Step exception. stepped: what the instruction before it was. */
enum { STEPPED_NOTHING, STEPPED_INSN, STEPPED_EXCLUSIVE };
enum step debug_step_exception(struct cpu *c, unsigned stepped);
