/* Branches (DDI0487 C4.1 "Branches, Exception Generating and System instructions", C6.2).
 *
 * An indirect branch sets PSTATE.BTYPE on CPUs with FEAT_BTI; the engine checks the target. */
#include "cpu/context.h"
#include "cpu/cpu.h"
#include "cpu/exec.h"
#include "cpu/exec_flags.h"

#define EXEC(name) enum step exec_##name(struct cpu *c, const struct op *o)

/* Condition cond<3:1> over NZCV, inverted by cond<0> except for AL (both 14 and 15 hold). */
#define N(f)  ((f) >> 3 & 1)
#define Z(f)  ((f) >> 2 & 1)
#define C(f)  ((f) >> 1 & 1)
#define V(f)  ((f)&1)
#define HI(f) (C(f) & !Z(f))
#define GE(f) (N(f) == V(f))
#define GT(f) (!Z(f) & GE(f))
#define COND(t)                                                                                                        \
    (t(0) << 0 | t(1) << 1 | t(2) << 2 | t(3) << 3 | t(4) << 4 | t(5) << 5 | t(6) << 6 | t(7) << 7 | t(8) << 8 |       \
     t(9) << 9 | t(10) << 10 | t(11) << 11 | t(12) << 12 | t(13) << 13 | t(14) << 14 | t(15) << 15)
#define BOTH(t) COND(t), (u16)~COND(t)

const u16 cond_table[16] = {BOTH(Z), BOTH(C), BOTH(N), BOTH(V), BOTH(HI), BOTH(GE), BOTH(GT), 0xffff, 0xffff};

static inline enum step jump(struct cpu *c, const struct op *o)
{
    c->pc += o->imm;
    return STEP_JUMP;
}

EXEC(b) { return jump(c, o); }

EXEC(bl)
{
    c->x[30] = c->pc + 4;
    return jump(c, o);
}

EXEC(b_cond) { return cond_holds(c->nzcv, o->x) ? jump(c, o) : STEP_NEXT; }
EXEC(b_eq) { return c->nzcv & FLAG_Z ? jump(c, o) : STEP_NEXT; }
EXEC(b_ne) { return c->nzcv & FLAG_Z ? STEP_NEXT : jump(c, o); }
EXEC(cbz32) { return (u32)c->x[o->rd] ? STEP_NEXT : jump(c, o); }
EXEC(cbz64) { return c->x[o->rd] ? STEP_NEXT : jump(c, o); }
EXEC(cbnz32) { return (u32)c->x[o->rd] ? jump(c, o) : STEP_NEXT; }
EXEC(cbnz64) { return c->x[o->rd] ? jump(c, o) : STEP_NEXT; }
EXEC(tbz) { return c->x[o->rd] >> o->x & 1 ? STEP_NEXT : jump(c, o); }
EXEC(tbnz) { return c->x[o->rd] >> o->x & 1 ? jump(c, o) : STEP_NEXT; }

/* BTypeNext of BR: 1 from an unguarded page or through X16/X17, 3 otherwise; BLR: 2; RET: 0. */
static inline void set_btype(struct cpu *c, unsigned btype)
{
    if (cpu_has(c, FEAT_BTI))
        c->ps.btype = (u8)btype;
}

EXEC(br)
{
    set_btype(c, o->rn == 16 || o->rn == 17 || !c->fetch_guarded ? 1 : 3);
    c->pc = context_branch_addr(c, c->x[o->rn]);
    return STEP_JUMP;
}

EXEC(blr)
{
    u64 target = c->x[o->rn];
    set_btype(c, 2);
    c->x[30] = c->pc + 4;
    c->pc = context_branch_addr(c, target);
    return STEP_JUMP;
}

EXEC(ret)
{
    c->pc = context_branch_addr(c, c->x[o->rn]);
    return STEP_JUMP;
}
