/* Self-hosted debug: when debug exceptions are enabled, software step, breakpoints and watchpoints. */
#pragma once
#include "cpu/cpu.h"

struct fault;

/* DebugTarget(): the EL that debug exceptions are taken to. */
unsigned debug_target(const struct cpu *c);
/* Is software step active at the current EL? Then PSTATE.SS = 1 executes one instruction, 0 takes the
 * exception. */
bool debug_step_active(const struct cpu *c);
/* DebugExceptionReturnSS(): may an exception return with this SPSR set PSTATE.SS? */
bool debug_return_ss(const struct cpu *c, u64 spsr);
/* The Software Step exception. stepped: what the instruction before it was. */
enum { STEPPED_NOTHING, STEPPED_INSN, STEPPED_EXCLUSIVE };
enum step debug_step_exception(struct cpu *c, unsigned stepped);

/* MDSCR_EL1, DBGB*, DBGW* changed: recomputes c->armed and withdraws the fast entries of what is watched. True: the
 * engine has to look at the page it executes. */
bool debug_update(struct cpu *c);
/* Does some armed breakpoint lie in va's page, in whatever state it matches? */
bool debug_break_page(const struct cpu *c, u64 va);
/* Matches the instruction at pc. True: the Breakpoint exception was taken. */
bool debug_breakpoint(struct cpu *c);

/* Might an access to va's page match a watchpoint? */
bool debug_watch_page(const struct cpu *c, u64 va);
/* What an access is: the first two as DBGWCR.LSC. */
enum debug_what { WATCH_READ = 1, WATCH_WRITE = 2, WATCH_EL0 = 4 /* as EL0 */, WATCH_VNCR = 8 };
/* Matches the bytes of an access (up to 64) that has passed translation. True: *f is the Watchpoint exception. */
bool debug_watchpoint(const struct cpu *c, u64 va, unsigned size, unsigned what, struct fault *f);
