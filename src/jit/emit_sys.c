/* System registers whose access is a load or a store once it is known not to trap: thread pointers, SP_EL0, DAIF.
 *
 * What could trap is tested in place, a little more strictly than the register's chain (trap.def) does; then the exec
 * function decides. */
#include "core/bits.h"
#include "cpu/sysreg_row.h"
#include "jit/internal.h"

enum { P_DAIF = 6 };

struct plain {
    u16 reg;  /* enum sysreg_id */
    u16 cell; /* storage; CELL_NONE: see the code */
    u8 el;    /* lowest EL */
    bool write;
};

static const struct plain plain[] = {
    {SR_TPIDR_EL0, TPIDR_EL0, 0, true}, {SR_TPIDRRO_EL0, TPIDRRO_EL0, 0, false}, {SR_TPIDR_EL1, TPIDR_EL1, 1, true},
    {SR_TPIDR_EL2, TPIDR_EL2, 2, true}, {SR_SP_EL0, CELL_NONE, 1, true},         {SR_DAIF, CELL_NONE, 1, false},
};

static const struct plain *find_plain(const struct op *o, bool write)
{
    for (unsigned i = 0; i < ARRAY_LEN(plain); i++)
        if (plain[i].reg == o->imm && (plain[i].write || !write))
            return &plain[i];
    return NULL;
}

static s32 place(const struct plain *p)
{
    if (p->reg == SR_SP_EL0)
        return CPU(sp_el[0]);
    return (s32)offsetof(struct cpu, sys) + 8 * (s32)p->cell - CPU_BIAS;
}

/* Jumps to the call when the access could trap. */
static void guard(struct translation *t, const struct plain *p, bool write)
{
    struct x64 *a = &t->as;
    struct stub *s = t_slow(t, NULL);
    unsigned fgt = sysreg_rows[p->reg].fgt;
    if (p->el) {
        x64_cmp8_mi(a, R_CPU, CPU(ps.el), p->el);
        s->from[0] = x64_jcc(a, CC_B);
    }
    if (fgt && cpu_has(t->c, FEAT_FGT)) {
        unsigned bit = (fgt - 1) & 63, cell = write ? HFGWTR_EL2 : HFGRTR_EL2;
        x64_test8_mi(a, R_CPU, (s32)(offsetof(struct cpu, sys) + 8 * cell + bit / 8) - CPU_BIAS, 1u << bit % 8);
        s->from[1] = x64_jcc(a, CC_NE);
    }
    if (p->reg == SR_SP_EL0) {
        x64_cmp8_mi(a, R_CPU, CPU(ps.sp), 0);
        s->from[2] = x64_jcc(a, CC_E);
    }
}

static void em_mrs(struct translation *t, const struct op *o)
{
    const struct plain *p = find_plain(o, false);
    struct x64 *a = &t->as;
    if (!p) {
        t_call(t);
        return;
    }
    guard(t, p, false);
    if (p->reg == SR_DAIF) {
        x64_rm(a, false, X_MOVZX8, RAX, R_CPU, CPU(ps.daif));
        x64_shift(a, false, X_SHL, RAX, P_DAIF);
    } else {
        x64_rm(a, true, X_LOAD, RAX, R_CPU, place(p));
    }
    st_x(t, o->rd, RAX);
}

static void em_msr(struct translation *t, const struct op *o)
{
    const struct plain *p = find_plain(o, true);
    if (!p) {
        t_call(t);
        return;
    }
    guard(t, p, true);
    ld_x(t, true, RAX, o->rd);
    x64_rm(&t->as, true, X_STORE, RAX, R_CPU, place(p));
}

/* DAIFSet; the others are seldom or have to look at interrupts. x = op1, y = op2 */
static void em_msr_imm(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    if (o->x != 3 || o->y != 6) {
        t_call(t);
        return;
    }
    x64_cmp8_mi(a, R_CPU, CPU(ps.el), 0);
    t_slow(t, x64_jcc(a, CC_E));
    x64_op(a, false, 0x80, 0, 0, R_CPU, false); /* or byte [daif], imm */
    x64_modrm(a, 1, R_CPU, CPU(ps.daif));
    x64_8(a, (unsigned)o->imm & 15);
}

const struct emit_row emit_sys_rows[] = {
    ROW(mrs, em_mrs, EMIT_EXIT),
    ROW(msr, em_msr, EMIT_EXIT),
    ROW(msr_imm, em_msr_imm, EMIT_EXIT),
    {0},
};
