/* Atomic memory operations (LSE) and exclusive pairs, through the fast table. See exec_atomic.c and exec_ldst.c.
 *
 * A page with a write tag can be read as well (mem_fill_fast()), so one check serves both halves. Comparisons branch:
 * they hardly ever fail, and the host then need not wait for the old value before the store. Deterministic only: no
 * other CPU runs meanwhile, so nothing is locked; emit_par.c has those that are. */
#include "jit/internal.h"

/* The check of an access that reads and writes. */
static void begin(struct translation *t, const struct op *o, s32 tags, unsigned scale)
{
    t_address(t, o, MODE_BASE, scale);
    t_check(t, tags, 1u << scale, true);
}

static void load(struct translation *t, unsigned scale, unsigned reg)
{
    static const unsigned op[] = {X_MOVZX8, X_MOVZX16, X_LOAD, X_LOAD};
    x64_rmx(&t->as, scale == 3, op[scale], reg, RAX, RDX, 0, 0);
}

static void store(struct translation *t, unsigned scale, unsigned reg)
{
    if (scale == 1)
        x64_8(&t->as, 0x66);
    x64_rmx(&t->as, scale == 3, scale ? X_STORE : X_STORE8, reg, RAX, RDX, 0, 0);
}

/* rdi = the larger or smaller of rsi (from memory, zero-extended) and rdi */
static void choose(struct translation *t, unsigned rmw, unsigned scale)
{
    static const u8 cc[] = {[RMW_SMAX] = CC_G, [RMW_SMIN] = CC_L, [RMW_UMAX] = CC_A, [RMW_UMIN] = CC_B};
    static const unsigned sign[] = {X_MOVSX8, X_MOVSX16}, zero[] = {X_MOVZX8, X_MOVZX16};
    struct x64 *a = &t->as;
    bool is_signed = rmw == RMW_SMAX || rmw == RMW_SMIN, w = scale == 3;
    unsigned old = RSI;
    if (scale < 2) {
        x64_rr8(a, false, is_signed ? sign[scale] : zero[scale], RDI, RDI);
        if (is_signed)
            x64_rr8(a, false, sign[scale], old = RCX, RSI);
    }
    x64_rr(a, w, X_CMP, old, RDI);
    x64_cmov(a, w, cc[rmw], RDI, RSI);
}

/* a: enum rmw, b: scale */
static void em_rmw(struct translation *t, const struct op *o)
{
    unsigned rmw = t->e->a, scale = t->e->b;
    struct x64 *a = &t->as;
    begin(t, o, TAG_WRITE, scale);
    bool w = scale == 3;
    load(t, scale, RSI);
    ld_x(t, w, RDI, o->rm);
    switch (rmw) {
    case RMW_ADD: x64_rr(a, w, X_ADD, RDI, RSI); break;
    case RMW_CLR: x64_andn(a, w, RDI, RDI, RSI); break;
    case RMW_EOR: x64_rr(a, w, X_XOR, RDI, RSI); break;
    case RMW_SET: x64_rr(a, w, X_OR, RDI, RSI); break;
    case RMW_SWP: break;
    default: choose(t, rmw, scale); break;
    }
    store(t, scale, RDI);
    st_x(t, o->rd, RSI);
}

/* Registers that are source and destination: 31 is ZR in both. */
static unsigned dest(unsigned r) { return r == REG_ZERO ? (unsigned)REG_SINK : r; }

static void em_cas(struct translation *t, const struct op *o)
{
    unsigned scale = t->e->b;
    struct x64 *a = &t->as;
    begin(t, o, TAG_WRITE, scale);
    bool w = scale == 3;
    load(t, scale, RSI);
    ld_x(t, w, RDI, o->rm);
    ld_x(t, w, RCX, o->rd);
    if (scale < 2)
        x64_rr8(a, false, scale ? X_MOVZX16 : X_MOVZX8, RDI, RDI);
    x64_rr(a, w, X_CMP, RSI, RDI);
    u8 *differs = x64_jcc8(a, CC_NE);
    store(t, scale, RCX);
    x64_here8(a, differs);
    st_x(t, dest(o->rm), RSI);
}

/* host = low | high << 32 of two registers; clobbers rcx */
static void join(struct translation *t, unsigned host, unsigned low, unsigned high)
{
    ld_x(t, false, host, low);
    ld_x(t, true, RCX, high);
    x64_shift(&t->as, true, X_SHL, RCX, 32);
    x64_rr(&t->as, true, X_OR, host, RCX);
}

static void em_casp32(struct translation *t, const struct op *o)
{
    unsigned s = 2u * o->rm, n = 2u * o->rd;
    struct x64 *a = &t->as;
    begin(t, o, TAG_WRITE, 3);
    load(t, 3, RSI);
    join(t, RDI, s, s + 1);
    join(t, R8, n, n + 1);
    x64_rr(a, true, X_CMP, RSI, RDI);
    u8 *differs = x64_jcc8(a, CC_NE);
    store(t, 3, R8);
    x64_here8(a, differs);
    x64_rr(a, false, X_LOAD, RDI, RSI);
    x64_shift(a, true, X_SHR, RSI, 32);
    st_x(t, s, RDI);
    st_x(t, dest(s + 1), RSI);
}

static void em_casp64(struct translation *t, const struct op *o)
{
    unsigned s = 2u * o->rm, n = 2u * o->rd;
    struct x64 *a = &t->as;
    begin(t, o, TAG_WRITE, 4);
    load(t, 3, RSI);
    x64_rmx(a, true, X_LOAD, RDI, RAX, RDX, 0, 8);
    ld_x(t, true, RCX, s);
    ld_x(t, true, R8, s + 1);
    x64_rr(a, true, X_XOR, RCX, RSI);
    x64_rr(a, true, X_XOR, R8, RDI);
    x64_rr(a, true, X_OR, RCX, R8);
    ld_x(t, true, R8, n);
    ld_x(t, true, R9, n + 1);
    x64_rr(a, true, X_TEST, RCX, RCX);
    u8 *differs = x64_jcc8(a, CC_NE);
    store(t, 3, R8);
    x64_rmx(a, true, X_STORE, R9, RAX, RDX, 0, 8);
    x64_here8(a, differs);
    st_x(t, s, RSI);
    st_x(t, dest(s + 1), RDI);
}

/* ---- exclusive pairs ------------------------------------------------------------------------- */

/* b: scale of the pair */
static void em_ldxp(struct translation *t, const struct op *o)
{
    unsigned scale = t->e->b;
    struct x64 *a = &t->as;
    begin(t, o, TAG_READ, scale);
    bool w = scale == 4;
    x64_rmx(a, w, X_LOAD, RSI, RAX, RDX, 0, 0);
    x64_rmx(a, w, X_LOAD, RDI, RAX, RDX, 0, 1 << (scale - 1));
    t_monitor_mark(t, scale);
    st_x(t, o->rd, RSI);
    st_x(t, o->ra, RDI);
}

/* The values are in place before the branches of the monitor's check. */
static void em_stxp(struct translation *t, const struct op *o)
{
    unsigned scale = t->e->b;
    struct x64 *a = &t->as;
    u8 *fail[3];
    begin(t, o, TAG_WRITE, scale);
    bool w = scale == 4;
    ld_x(t, w, R8, o->rd);
    ld_x(t, w, R9, o->rm);
    x64_mov_imm(a, RDI, 1);
    t_monitor_check(t, scale, fail);
    x64_rmx(a, w, X_STORE, R8, RAX, RDX, 0, 0);
    x64_rmx(a, w, X_STORE, R9, RAX, RDX, 0, 1 << (scale - 1));
    x64_rr(a, false, X_XOR, RDI, RDI);
    for (unsigned i = 0; i < ARRAY_LEN(fail); i++)
        x64_here(a, fail[i]);
    st_x(t, o->ra, RDI);
}

#define SIZES(name, rmw)                                                                                               \
    ROW(name##b, em_rmw, EMIT_EXIT, rmw, 0), ROW(name##h, em_rmw, EMIT_EXIT, rmw, 1),                                  \
        ROW(name##32, em_rmw, EMIT_EXIT, rmw, 2), ROW(name##64, em_rmw, EMIT_EXIT, rmw, 3)
const struct emit_row emit_atomic_rows[] = {
    SIZES(ldadd, RMW_ADD),
    SIZES(ldclr, RMW_CLR),
    SIZES(ldeor, RMW_EOR),
    SIZES(ldset, RMW_SET),
    SIZES(ldsmax, RMW_SMAX),
    SIZES(ldsmin, RMW_SMIN),
    SIZES(ldumax, RMW_UMAX),
    SIZES(ldumin, RMW_UMIN),
    SIZES(swp, RMW_SWP),
    ROW(casb, em_cas, EMIT_EXIT, 0, 0),
    ROW(cash, em_cas, EMIT_EXIT, 0, 1),
    ROW(cas32, em_cas, EMIT_EXIT, 0, 2),
    ROW(cas64, em_cas, EMIT_EXIT, 0, 3),
    ROW(casp32, em_casp32, EMIT_EXIT),
    ROW(casp64, em_casp64, EMIT_EXIT),
    ROW(ldxp32, em_ldxp, EMIT_EXIT, 0, 3),
    ROW(ldxp64, em_ldxp, EMIT_EXIT, 0, 4),
    ROW(stxp32, em_stxp, EMIT_EXIT, 0, 3),
    ROW(stxp64, em_stxp, EMIT_EXIT, 0, 4),
    {0},
};
