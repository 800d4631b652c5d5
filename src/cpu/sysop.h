/* What TLBI, AT, DC and IC instructions do once their trap chain let them pass.  sr is the row of
 * sysreg.def (SR_TLBI_VAE1IS, SR_AT_S12E1R, SR_DC_CIVAC, SR_IC_IVAU, ...), val is Xt.
 * The step is STEP_SYNC, STEP_NEXT, or STEP_JUMP when an exception was taken. */
#pragma once
#include "cpu/cpu.h"

enum step sysop_tlbi(struct cpu *c, unsigned sr, u64 val);
enum step sysop_at(struct cpu *c, unsigned sr, u64 val);
enum step sysop_dc(struct cpu *c, unsigned sr, u64 val);
enum step sysop_ic(struct cpu *c, unsigned sr, u64 val);
