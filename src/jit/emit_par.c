/* What generated code does differently when other CPUs run at the same time (docs/parallel.md): the host's order is
 * TSO, so only a store before a load needs help. Their rows take the place of the others' in a parallel machine's JIT.
 *
 * A read-modify-write is one locked instruction, or a loop around a locked compare-and-exchange; it is a full barrier.
 * A store exclusive that belongs to a load exclusive of the block, with nothing but register arithmetic between,
 * compares and exchanges the value that the load returned (c->excl); other exclusives are calls (cpu/mem_excl.c). */
#include "core/bits.h"
#include "cpu/mem.h"
#include "cpu/par.h"
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

/* What this CPU has asked of others it waits for in exec_dsb(). c->par is NULL while the machine steps. */
static void em_dsb(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    (void)o;
    t_fence(t);
    x64_rm(a, true, X_LOAD, RAX, R_CPU, CPU(par));
    x64_rr(a, true, X_TEST, RAX, RAX);
    struct stub *s = t_slow(t, x64_jcc(a, CC_E));
    x64_cmp8_mi(a, RAX, (s32)offsetof(struct par_cpu, owes), 0);
    s->from[1] = x64_jcc(a, CC_NE);
}

/* ---- pairs ----------------------------------------------------------------------------------- */

/* Pairs of 64 bits are one access of 16 bytes where FEAT_LSE2 promises it. */
static bool whole(const struct translation *t) { return cpu_has(t->c, FEAT_LSE2); }

static void em_ldp(struct translation *t, const struct op *o)
{
    unsigned mode = t->e->a;
    struct x64 *a = &t->as;
    t_address(t, o, mode, 3);
    t_align(t, RAX, 8);
    t_check(t, TAG_READ, 16, false);
    if (whole(t)) {
        x64_vex_rmx(a, 1, 2, false, 0x6f, 0, 0, RAX, RDX, 0);   /* vmovdqu xmm0, [rax + rdx] */
        x64_vex_rr(a, 1, 1, true, 0x7e, 0, 0, x_def(t, o->rd)); /* vmovq rd, xmm0 */
        x64_vex_rr(a, 3, 1, true, 0x16, 0, 0, x_def(t, o->ra)); /* vpextrq ra, xmm0, 1 */
        x64_8(a, 1);
    } else {
        x64_rmx(a, true, X_LOAD, x_def(t, o->rd), RAX, RDX, 0, 0);
        x64_rmx(a, true, X_LOAD, x_def(t, o->ra), RAX, RDX, 0, 8);
    }
    t_write_back(t, o, mode, RAX, 0);
}

/* The register with what is stored from r. */
static unsigned source(struct translation *t, unsigned r)
{
    if (r != REG_ZERO)
        return x_use(t, r);
    x64_rr(&t->as, false, X_XOR, RCX, RCX);
    return RCX;
}

static void em_stp(struct translation *t, const struct op *o)
{
    unsigned mode = t->e->a;
    struct x64 *a = &t->as;
    t_address(t, o, mode, 3);
    t_align(t, RAX, 8);
    t_check(t, TAG_WRITE, 16, false);
    if (whole(t)) {
        x64_vex_rr(a, 1, 1, true, 0x6e, 0, 0, source(t, o->rd)); /* vmovq xmm0, rd */
        x64_vex_rr(a, 3, 1, true, 0x22, 0, 0, source(t, o->ra)); /* vpinsrq xmm0, xmm0, ra, 1 */
        x64_8(a, 1);
        x64_vex_rmx(a, 1, 2, false, 0x7f, 0, 0, RAX, RDX, 0); /* vmovdqu [rax + rdx], xmm0 */
    } else {
        x64_rmx(a, true, X_STORE, source(t, o->rd), RAX, RDX, 0, 0);
        x64_rmx(a, true, X_STORE, source(t, o->ra), RAX, RDX, 0, 8);
    }
    t_write_back(t, o, mode, RAX, 0);
}

/* ---- atomics: guest registers are in the state ------------------------------------------------- */

enum { X_XADD = 0x0fc1, X_CMPXCHG = 0x0fb1, X_XCHG = 0x87, X_OR_M = 0x09, X_AND_M = 0x21, X_XOR_M = 0x31 };

/* lock op [base], reg; op: the form of 32 bits, the one before it is that of bytes */
static void locked(struct translation *t, unsigned scale, unsigned op, unsigned base, unsigned reg)
{
    x64_8(&t->as, 0xf0);
    if (scale == 1)
        x64_8(&t->as, 0x66);
    x64_op(&t->as, scale == 3, scale ? op : op - 1, reg, 0, base, scale == 0);
    x64_modrm(&t->as, reg, base, 0);
}

/* lock cmpxchg16b [base] */
static void locked16(struct translation *t, unsigned base)
{
    x64_8(&t->as, 0xf0);
    x64_op(&t->as, true, 0x0fc7, 1, 0, base, false);
    x64_modrm(&t->as, 1, base, 0);
}

/* rax: VA, rdx: host - VA */
static void begin(struct translation *t, const struct op *o, s32 tags, unsigned scale)
{
    t_address(t, o, MODE_BASE, scale);
    t_check(t, tags, 1u << scale, true);
}

/* host = the address of the access */
static void host_address(struct translation *t, unsigned host) { x64_rmx(&t->as, true, X_LEA, host, RAX, RDX, 0, 0); }

static void load(struct translation *t, unsigned scale, unsigned reg, unsigned base)
{
    static const unsigned op[] = {X_MOVZX8, X_MOVZX16, X_LOAD, X_LOAD};
    x64_rm(&t->as, scale == 3, op[scale], reg, base, 0);
}

static void zero_extend(struct translation *t, unsigned scale, unsigned reg)
{
    if (scale < 2)
        x64_rr8(&t->as, false, scale ? X_MOVZX16 : X_MOVZX8, reg, reg);
}

/* rcx = the larger or smaller of rax, zero-extended, and rsi, extended as its sign says; clobbers rdi */
static void choose(struct translation *t, unsigned rmw, unsigned scale)
{
    static const u8 cc[] = {[RMW_SMAX] = CC_G, [RMW_SMIN] = CC_L, [RMW_UMAX] = CC_A, [RMW_UMIN] = CC_B};
    struct x64 *a = &t->as;
    bool w = scale == 3;
    unsigned old = RAX;
    if (scale < 2 && (rmw == RMW_SMAX || rmw == RMW_SMIN))
        x64_rr8(a, false, scale ? X_MOVSX16 : X_MOVSX8, old = RDI, RAX);
    x64_rr(a, true, X_LOAD, RCX, RSI);
    x64_rr(a, w, X_CMP, old, RSI);
    x64_cmov(a, w, cc[rmw], RCX, RAX);
}

/* rax = the value at [rdx], which becomes what rmw makes of it and rsi */
static void rmw_loop(struct translation *t, unsigned rmw, unsigned scale)
{
    struct x64 *a = &t->as;
    if (scale < 2 && (rmw == RMW_SMAX || rmw == RMW_SMIN))
        x64_rr8(a, false, scale ? X_MOVSX16 : X_MOVSX8, RSI, RSI);
    else
        zero_extend(t, scale, RSI);
    load(t, scale, RAX, RDX);
    u8 *again = a->p;
    switch (rmw) {
    case RMW_CLR: x64_andn(a, true, RCX, RSI, RAX); break;
    case RMW_EOR:
    case RMW_SET:
        x64_rr(a, true, X_LOAD, RCX, RAX);
        x64_rr(a, true, rmw == RMW_SET ? X_OR : X_XOR, RCX, RSI);
        break;
    default: choose(t, rmw, scale); break;
    }
    locked(t, scale, X_CMPXCHG, RDX, RCX);
    x64_link(x64_jcc(a, CC_NE), again);
}

/* a: enum rmw, b: scale */
static void em_rmw(struct translation *t, const struct op *o)
{
    unsigned rmw = t->e->a, scale = t->e->b;
    bool silent = o->rd == REG_SINK;
    begin(t, o, TAG_WRITE, scale);
    host_address(t, RDX);
    ld_x(t, scale == 3, RSI, o->rm);
    if (rmw == RMW_ADD || rmw == RMW_SWP) {
        locked(t, scale, rmw == RMW_ADD ? X_XADD : X_XCHG, RDX, RSI);
        zero_extend(t, scale, RSI);
        st_x(t, o->rd, RSI);
    } else if (silent && (rmw == RMW_CLR || rmw == RMW_EOR || rmw == RMW_SET)) {
        if (rmw == RMW_CLR)
            x64_unary(&t->as, true, 2, RSI);
        locked(t, scale, rmw == RMW_CLR ? X_AND_M : rmw == RMW_EOR ? X_XOR_M : X_OR_M, RDX, RSI);
    } else {
        rmw_loop(t, rmw, scale);
        st_x(t, o->rd, RAX);
    }
}

/* Registers that are source and destination: 31 is ZR in both. */
static unsigned dest(unsigned r) { return r == REG_ZERO ? (unsigned)REG_SINK : r; }

static void em_cas(struct translation *t, const struct op *o)
{
    unsigned scale = t->e->b;
    begin(t, o, TAG_WRITE, scale);
    host_address(t, RDX);
    ld_x(t, scale == 3, RAX, o->rm);
    ld_x(t, scale == 3, RCX, o->rd);
    locked(t, scale, X_CMPXCHG, RDX, RCX);
    zero_extend(t, scale, RAX);
    st_x(t, dest(o->rm), RAX);
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
    begin(t, o, TAG_WRITE, 3);
    host_address(t, RDX);
    join(t, RAX, s, s + 1);
    join(t, RSI, n, n + 1);
    locked(t, 3, X_CMPXCHG, RDX, RSI);
    x64_rr(&t->as, false, X_LOAD, RDI, RAX);
    x64_shift(&t->as, true, X_SHR, RAX, 32);
    st_x(t, s, RDI);
    st_x(t, dest(s + 1), RAX);
}

static void em_casp64(struct translation *t, const struct op *o)
{
    unsigned s = 2u * o->rm, n = 2u * o->rd;
    begin(t, o, TAG_WRITE, 4);
    host_address(t, RSI);
    x64_rr(&t->as, true, X_LOAD, R8, RBX);
    ld_x(t, true, RAX, s);
    ld_x(t, true, RDX, s + 1);
    ld_x(t, true, RBX, n);
    ld_x(t, true, RCX, n + 1);
    locked16(t, RSI);
    x64_rr(&t->as, true, X_LOAD, RBX, R8);
    st_x(t, s, RAX);
    st_x(t, dest(s + 1), RDX);
}

/* ---- exclusives ------------------------------------------------------------------------------ */

static bool strict(const struct translation *t) { return !t->c->env->par || t->c->env->par->strict; }

static bool load_by_call(struct translation *t, const struct op *o)
{
    if (!strict(t) && mem_excl_simple_load(o, t->n - t->k - 1))
        return false;
    t_call(t);
    return true;
}

static bool store_by_call(struct translation *t, const struct op *o)
{
    if (!strict(t) && mem_excl_simple_store(o, t->k))
        return false;
    x64_op(&t->as, false, 0xc6, 0, 0, R_CPU, false); /* mov byte [simple], 0: a load elsewhere may have set it */
    x64_modrm(&t->as, 0, R_CPU, CPU(monitor.simple));
    x64_8(&t->as, 0);
    t_call(t);
    return true;
}

static void em_ldxr(struct translation *t, const struct op *o)
{
    static const unsigned op[] = {X_MOVZX8, X_MOVZX16, X_LOAD, X_LOAD};
    unsigned scale = t->e->b;
    if (load_by_call(t, o))
        return;
    begin(t, o, TAG_READ, scale);
    x64_rmx(&t->as, scale == 3, op[scale], RSI, RAX, RDX, 0, 0);
    x64_rm(&t->as, true, X_STORE, RSI, R_CPU, CPU(excl[0]));
    t_monitor_mark(t, scale);
    st_x(t, o->rd, RSI);
}

/* b: scale of the pair */
static void em_ldxp(struct translation *t, const struct op *o)
{
    unsigned scale = t->e->b;
    struct x64 *a = &t->as;
    if (load_by_call(t, o))
        return;
    begin(t, o, TAG_READ, scale);
    if (scale == 3) {
        x64_rmx(a, true, X_LOAD, RDI, RAX, RDX, 0, 0);
        x64_rm(a, true, X_STORE, RDI, R_CPU, CPU(excl[0]));
        x64_rr(a, false, X_LOAD, RSI, RDI);
        x64_shift(a, true, X_SHR, RDI, 32);
    } else {
        x64_vex_rmx(a, 1, 2, false, 0x6f, 0, 0, RAX, RDX, 0);        /* vmovdqu xmm0, [rax + rdx] */
        x64_vex_rm(a, 1, 2, false, 0x7f, 0, 0, R_CPU, CPU(excl[0])); /* vmovdqu [excl], xmm0 */
        x64_vex_rr(a, 1, 1, true, 0x7e, 0, 0, RSI);                  /* vmovq rsi, xmm0 */
        x64_vex_rr(a, 3, 1, true, 0x16, 0, 0, RDI);                  /* vpextrq rdi, xmm0, 1 */
        x64_8(a, 1);
    }
    t_monitor_mark(t, scale);
    st_x(t, o->rd, RSI);
    st_x(t, o->ra, RDI);
}

/* The status, edi, becomes 0; from fail[] and where memory differs it is 1. */
static void excl_end(struct translation *t, const struct op *o, u8 *fail[3])
{
    struct x64 *a = &t->as;
    u8 *differs = x64_jcc8(a, CC_NE);
    x64_rr(a, false, X_XOR, RDI, RDI);
    x64_here8(a, differs);
    for (unsigned i = 0; i < 3; i++)
        x64_here(a, fail[i]);
    st_x(t, o->ra, RDI);
}

static void em_stxr(struct translation *t, const struct op *o)
{
    unsigned scale = t->e->b;
    u8 *fail[3];
    if (store_by_call(t, o))
        return;
    begin(t, o, TAG_WRITE, scale);
    x64_mov_imm(&t->as, RDI, 1);
    t_monitor_check(t, scale, fail);
    host_address(t, RDX);
    ld_x(t, scale == 3, RSI, o->rd);
    x64_rm(&t->as, true, X_LOAD, RAX, R_CPU, CPU(excl[0]));
    locked(t, scale, X_CMPXCHG, RDX, RSI);
    excl_end(t, o, fail);
}

static void em_stxp(struct translation *t, const struct op *o)
{
    unsigned scale = t->e->b;
    struct x64 *a = &t->as;
    u8 *fail[3];
    if (store_by_call(t, o))
        return;
    begin(t, o, TAG_WRITE, scale);
    x64_mov_imm(&t->as, RDI, 1);
    t_monitor_check(t, scale, fail);
    host_address(t, R8);
    if (scale == 3) {
        join(t, RSI, o->rd, o->rm);
        x64_rm(a, true, X_LOAD, RAX, R_CPU, CPU(excl[0]));
        locked(t, 3, X_CMPXCHG, R8, RSI);
    } else {
        x64_rr(a, true, X_LOAD, R9, RBX);
        ld_x(t, true, RBX, o->rd);
        ld_x(t, true, RCX, o->rm);
        x64_rm(a, true, X_LOAD, RAX, R_CPU, CPU(excl[0]));
        x64_rm(a, true, X_LOAD, RDX, R_CPU, CPU(excl[1]));
        locked16(t, R8);
        x64_rr(a, true, X_LOAD, RBX, R9);
    }
    excl_end(t, o, fail);
}

enum { REGS = EMIT_EXIT | EMIT_REGS };
#define PAIR(name, fn)                                                                                                 \
    ROW(name, fn, REGS, MODE_IMM), ROW(name##_post, fn, REGS, MODE_POST), ROW(name##_pre, fn, REGS, MODE_PRE)
#define SIZES(name, fn, rmw)                                                                                           \
    ROW(name##b, fn, EMIT_EXIT, rmw, 0), ROW(name##h, fn, EMIT_EXIT, rmw, 1), ROW(name##32, fn, EMIT_EXIT, rmw, 2),    \
        ROW(name##64, fn, EMIT_EXIT, rmw, 3)
#define RMW(name, rmw) SIZES(name, em_rmw, rmw)
const struct emit_row emit_par_rows[] = {
    ROW(dmb, em_dmb, EMIT_REGS),
    ROW(dsb, em_dsb, REGS),
    PAIR(ldp64, em_ldp),
    PAIR(stp64, em_stp),
    RMW(ldadd, RMW_ADD),
    RMW(ldclr, RMW_CLR),
    RMW(ldeor, RMW_EOR),
    RMW(ldset, RMW_SET),
    RMW(ldsmax, RMW_SMAX),
    RMW(ldsmin, RMW_SMIN),
    RMW(ldumax, RMW_UMAX),
    RMW(ldumin, RMW_UMIN),
    RMW(swp, RMW_SWP),
    SIZES(cas, em_cas, 0),
    ROW(casp32, em_casp32, EMIT_EXIT),
    ROW(casp64, em_casp64, EMIT_EXIT),
    SIZES(ldxr, em_ldxr, 0),
    SIZES(stxr, em_stxr, 0),
    ROW(ldxp32, em_ldxp, EMIT_EXIT, 0, 3),
    ROW(ldxp64, em_ldxp, EMIT_EXIT, 0, 4),
    ROW(stxp32, em_stxp, EMIT_EXIT, 0, 3),
    ROW(stxp64, em_stxp, EMIT_EXIT, 0, 4),
    {0},
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
