/* Taking exceptions and returning from them.  Functions that end an instruction give the enum step
 * that its exec function returns: `return exc_undefined(c);` */
#pragma once
#include "core/types.h"
#include "cpu/sysreg.h"

struct cpu;
struct fault;

/* AArch64.Undefined: EC 0, to EL1 (or EL2 by TGE, or the current EL when higher). */
enum step exc_undefined(struct cpu *c);
/* AArch64.SystemAccessTrap and its kin: a synchronous exception to el with the given EC and ISS;
 * the return address is this instruction. */
enum step exc_trap(struct cpu *c, unsigned el, unsigned ec, u32 iss);
/* A trap whose target is "EL1, or EL2 when HCR_EL2.TGE routes it there", or the current EL if higher. */
enum step exc_trap_el1(struct cpu *c, unsigned ec, u32 iss);
/* SVC, HVC, SMC: returns to the next instruction (SMC traps: to this one). */
enum step exc_svc(struct cpu *c, u16 imm);
enum step exc_hvc(struct cpu *c, u16 imm);
enum step exc_smc(struct cpu *c, u16 imm);
enum step exc_brk(struct cpu *c, u16 imm);
/* CheckFPAdvSIMDEnabled64: called when c->fp_trap is set. */
enum step exc_fp_access(struct cpu *c);
/* Data and instruction aborts; ISS is built from the fault and the instruction at pc. */
enum step exc_data_abort(struct cpu *c, const struct fault *f);
/* As exc_data_abort, for cache maintenance and address translation instructions (CM = 1). */
enum step exc_cm_abort(struct cpu *c, const struct fault *f);
enum step exc_insn_abort(struct cpu *c, const struct fault *f);
enum step exc_pc_alignment(struct cpu *c, u64 va);
enum step exc_sp_alignment(struct cpu *c);
enum step exc_illegal_state(struct cpu *c);
enum step exc_bti(struct cpu *c);

/* ERET, ERETAA/AB after authentication: traps (NV, FGT), illegal returns, then the return. */
enum step exc_eret(struct cpu *c, u64 target);
/* SPSR and return address are those of the current EL. */

/* The highest-priority pending, unmasked asynchronous exception is taken; false: none was. */
bool exc_interrupts(struct cpu *c);
/* What would be taken if nothing were masked by PSTATE (for WFI). */
bool exc_wake(struct cpu *c);

/* Syndrome of the last exception in words, for logs: "DABT_LOW level 2 translation write". */
void esr_describe(u64 esr, char *buf, size_t n);
