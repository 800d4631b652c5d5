/* What generated code does differently when other CPUs run at the same time (docs/parallel.md): the host's order is
 * TSO, so only a store before a load needs help. Their rows take the place of the others' in a parallel machine's JIT.
 *
 * Exclusives are calls: they compare and exchange (mem_rmw.c). */
#include "core/bits.h"
#include "jit/internal.h"

/* A full barrier that changes neither registers nor flags: lock not dword [rsp - 8] */
void t_fence(struct translation *t)
{
    static const u8 code[] = {0xf0, 0xf7, 0x54, 0x24, 0xf8};
    for (unsigned i = 0; i < sizeof code; i++)
        x64_8(&t->as, code[i]);
}

static void em_dmb(struct translation *t, const struct op *o)
{
    if ((o->x & 3) % 3 == 0) /* the others: loads with what follows, stores with stores */
        t_fence(t);
}

/* Pairs of 64 bits are one access of 16 bytes where FEAT_LSE2 promises it. */
static bool whole(const struct translation *t) { return cpu_has(t->c, FEAT_LSE2); }

static void em_ldp(struct translation *t, const struct op *o)
{
    unsigned mode = t->e->a;
    struct x64 *a = &t->as;
    if (t->flavour & FLAVOUR_ALIGN) {
        t_call(t);
        return;
    }
    t_address(t, o, mode, 3);
    t_check(t, TAG_READ, 16, false);
    if (whole(t)) {
        x64_vex_rmx(a, 1, 2, false, 0x6f, 0, 0, RAX, RDX, 0); /* vmovdqu xmm0, [rax + rdx] */
        x64_vex_rr(a, 1, 1, true, 0x7e, 0, 0, RSI);           /* vmovq rsi, xmm0 */
        x64_vex_rr(a, 3, 1, true, 0x16, 0, 0, RDI);           /* vpextrq rdi, xmm0, 1 */
        x64_8(a, 1);
    } else {
        x64_rmx(a, true, X_LOAD, RSI, RAX, RDX, 0, 0);
        x64_rmx(a, true, X_LOAD, RDI, RAX, RDX, 0, 8);
    }
    st_x(t, o->rd, RSI);
    st_x(t, o->ra, RDI);
    t_write_back(t, o, mode);
}

static void em_stp(struct translation *t, const struct op *o)
{
    unsigned mode = t->e->a;
    struct x64 *a = &t->as;
    if (t->flavour & FLAVOUR_ALIGN) {
        t_call(t);
        return;
    }
    t_address(t, o, mode, 3);
    t_check(t, TAG_WRITE, 16, false);
    ld_x(t, true, RSI, o->rd);
    ld_x(t, true, RDI, o->ra);
    if (whole(t)) {
        x64_vex_rr(a, 1, 1, true, 0x6e, 0, 0, RSI); /* vmovq xmm0, rsi */
        x64_vex_rr(a, 3, 1, true, 0x22, 0, 0, RDI); /* vpinsrq xmm0, xmm0, rdi, 1 */
        x64_8(a, 1);
        x64_vex_rmx(a, 1, 2, false, 0x7f, 0, 0, RAX, RDX, 0); /* vmovdqu [rax + rdx], xmm0 */
    } else {
        x64_rmx(a, true, X_STORE, RSI, RAX, RDX, 0, 0);
        x64_rmx(a, true, X_STORE, RDI, RAX, RDX, 0, 8);
    }
    t_write_back(t, o, mode);
}

#define PAIR(name, fn)                                                                                                 \
    ROW(name, fn, EMIT_EXIT, MODE_IMM), ROW(name##_post, fn, EMIT_EXIT, MODE_POST),                                    \
        ROW(name##_pre, fn, EMIT_EXIT, MODE_PRE)
#define CALL(name) ROW(name, NULL)
const struct emit_row emit_par_rows[] = {
    ROW(dmb, em_dmb), CALL(dsb),   PAIR(ldp64, em_ldp), PAIR(stp64, em_stp), CALL(ldxrb),  CALL(ldxrh), CALL(ldxr32),
    CALL(ldxr64),     CALL(stxrb), CALL(stxrh),         CALL(stxr32),        CALL(stxr64), {0},
};

/* Stores that a later load-acquire must not overtake: a fence follows. */
static a64_exec *const releases[] = {exec_stlrb, exec_stlrh, exec_stlr32, exec_stlr64};

bool par_releases(const struct op *o)
{
    for (unsigned i = 0; i < ARRAY_LEN(releases); i++)
        if (a64_execs[o->row] == releases[i])
            return true;
    return false;
}
