/* Loads and stores of vector registers through the fast table: LDR, STR, LDP, STP, LD1 to LD4, ST1 to ST4, LD1R.
 *
 * As in emit_mem.c: the inline path serves normal memory of one page, all else is the exec function's. With alignment
 * checks it does everything. The interleaved forms are byte shuffles by the table of vector.c. */
#include "core/bits.h"
#include "jit/internal.h"

enum { IMM = MODE_IMM, POST = MODE_POST, PRE = MODE_PRE, REG = MODE_REG };

/* op r, [va + rdx + disp]; rdx as va: that is the host's address. */
static void access_v(struct translation *t, unsigned op, unsigned r, unsigned va, s32 disp)
{
    if (va == RDX)
        v_rm(t, op, r, 0, va, disp);
    else
        x64_vex_rmx(&t->as, op >> 12 & 15, op >> 8 & 15, false, op & 0xff, r, 0, va, RDX, disp);
}

static void access_x(struct translation *t, unsigned op, unsigned va, s32 disp)
{
    if (va == RDX)
        x64_rm(&t->as, false, op, RCX, va, disp);
    else
        x64_rmx(&t->as, false, op, RCX, va, RDX, 0, disp);
}

/* Zero-extended. */
static void load_v(struct translation *t, unsigned host, unsigned scale, unsigned va, s32 disp)
{
    if (scale < 2) {
        access_x(t, scale ? X_MOVZX16 : X_MOVZX8, va, disp);
        v_rr(t, VMOVD, host, 0, RCX);
    } else {
        access_v(t, scale == 2 ? VMOVD : scale == 3 ? VMOVQ : VMOVDQU, host, va, disp);
    }
}

static void store_v(struct translation *t, unsigned r, unsigned scale, unsigned va, s32 disp)
{
    unsigned host = v_get_low(t, r, scale < 2 ? 4 : 1u << scale);
    if (scale < 2) {
        v_rr(t, VMOVD_ST, host, 0, RCX);
        if (scale == 1)
            x64_8(&t->as, 0x66);
        access_x(t, scale ? X_STORE : X_STORE8, va, disp);
    } else {
        access_v(t, scale == 2 ? VMOVD_ST : scale == 3 ? VMOVQ_ST : VMOVDQU_ST, host, va, disp);
    }
}

static void load_reg(struct translation *t, unsigned r, unsigned scale, unsigned va, s32 disp)
{
    load_v(t, v_new(t, r), scale, va, disp);
    v_done(t, r, scale < 2 ? 4 : 1u << scale);
}

static void em_ldr_v(struct translation *t, const struct op *o)
{
    if (t_group(t, o))
        return;
    s32 disp;
    unsigned mode = t->e->a & 7, va = t_checked(t, o, false, &disp);
    load_reg(t, o->rd, t->e->b, va, disp);
    t_write_back(t, o, mode, va, disp);
}

static void em_str_v(struct translation *t, const struct op *o)
{
    if (t_group(t, o))
        return;
    s32 disp;
    unsigned mode = t->e->a & 7, va = t_checked(t, o, true, &disp);
    store_v(t, o->rd, t->e->b, va, disp);
    t_write_back(t, o, mode, va, disp);
}

static void em_ldp_v(struct translation *t, const struct op *o)
{
    unsigned mode = t->e->a & 7, scale = t->e->b;
    if (t_group(t, o))
        return;
    t_address(t, o, mode, 0);
    t_align(t, RAX, 1u << scale);
    t_check(t, TAG_READ, 2u << scale, false);
    load_reg(t, o->rd, scale, RAX, 0);
    load_reg(t, o->ra, scale, RAX, 1 << scale);
    t_write_back(t, o, mode, RAX, 0);
}

static void em_stp_v(struct translation *t, const struct op *o)
{
    unsigned mode = t->e->a & 7, scale = t->e->b;
    if (t_group(t, o))
        return;
    t_address(t, o, mode, 0);
    t_align(t, RAX, 1u << scale);
    t_check(t, TAG_WRITE, 2u << scale, false);
    store_v(t, o->rd, scale, RAX, 0);
    store_v(t, o->ra, scale, RAX, 1 << scale);
    t_write_back(t, o, mode, RAX, 0);
}

unsigned t_vector_access(const struct emitter *e)
{
    if (e->emit == em_ldr_v || e->emit == em_str_v)
        return ACCESS | ACCESS_VECTOR | (e->emit == em_str_v ? ACCESS_STORE : 0);
    if (e->emit == em_ldp_v || e->emit == em_stp_v)
        return ACCESS | ACCESS_VECTOR | ACCESS_PAIR | (e->emit == em_stp_v ? ACCESS_STORE : 0);
    return 0;
}

void t_vector_member(struct translation *t, const struct op *o, unsigned va, s32 disp)
{
    unsigned scale = t->e->b, access = t_vector_access(t->e);
    for (unsigned i = 0; i < (access & ACCESS_PAIR ? 2u : 1u); i++)
        if (access & ACCESS_STORE)
            store_v(t, i ? o->ra : o->rd, scale, va, disp + ((s32)i << scale));
        else
            load_reg(t, i ? o->ra : o->rd, scale, va, disp + ((s32)i << scale));
}

static void em_literal_v(struct translation *t, const struct op *o)
{
    unsigned scale = t->e->b;
    x64_page(&t->as, RAX, (s64)(t_off(t) + o->imm));
    t_align(t, RAX, 1u << scale);
    t_check(t, TAG_READ, 1u << scale, false);
    load_reg(t, o->rd, scale, RAX, 0);
}

/* ---- structures ------------------------------------------------------------------------------ */

/* Emitter parameters: a = registers | POSTED, b = interleaved registers (1: none). x = size, y = Q */
enum { POSTED = 8 };

static void post_index(struct translation *t, const struct op *o, unsigned bytes)
{
    if (o->rm == REG_ZERO)
        x64_ri(&t->as, true, X_ADD, RAX, (s32)bytes);
    else
        op_x(t, true, X_ADD, RAX, o->rm);
    st_x(t, o->rn, RAX);
}

static unsigned nth(const struct op *o, unsigned k) { return (o->rd + k) & 31; }

/* xmm2 = result or memory operand k: shuffles of n hosts */
static void shuffle(struct translation *t, unsigned base, unsigned n, const struct op *o, unsigned k,
                    const unsigned *host)
{
    bool some = false;
    for (unsigned j = 0; j < n; j++) {
        unsigned c = vector_structure(base, n, o->y, o->x & 3, k, j);
        static const u8 none[16] = {128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128};
        if (memcmp(t->j->shared.vector[c], none, 16) == 0)
            continue;
        v_rc(t, VPSHUFB, some ? 3 : 2, host[j], c);
        if (some)
            v_rr(t, VPOR, 2, 2, 3);
        some = true;
    }
}

static void em_ld_multi(struct translation *t, const struct op *o)
{
    unsigned n = t->e->a & 7, each = o->y ? 16 : 8;
    t_address(t, o, MODE_BASE, 0);
    t_align(t, RAX, 1u << (o->x & 3));
    t_check(t, TAG_READ, n * each, false);
    if (t->e->b == 1) {
        for (unsigned k = 0; k < n; k++)
            load_reg(t, nth(o, k), o->y ? 4 : 3, RAX, (s32)(k * each));
    } else {
        /* The last register's host takes the last 16 (or 8) bytes; results are made from four hosts that hold none of
         * the wanted registers' values any more, the last result first. */
        unsigned host[4];
        for (unsigned k = 0; k < n; k++) {
            host[k] = v_new(t, nth(o, k));
            if (16 * k < n * each)
                load_v(t, host[k], 16 * k + 16 <= n * each ? 4 : 3, RAX, (s32)(16 * k));
        }
        for (unsigned k = 0; k < n; k++) {
            shuffle(t, VC_LDN, n, o, k, host);
            v_rm(t, VMOVDQA_ST, 2, 0, R_CPU, v_disp(nth(o, k)));
        }
        for (unsigned k = 0; k < n; k++)
            v_drop(t, nth(o, k));
    }
    if (t->e->a & POSTED)
        post_index(t, o, n * each);
}

static void em_st_multi(struct translation *t, const struct op *o)
{
    unsigned n = t->e->a & 7, each = o->y ? 16 : 8;
    t_address(t, o, MODE_BASE, 0);
    t_align(t, RAX, 1u << (o->x & 3));
    t_check(t, TAG_WRITE, n * each, false);
    if (t->e->b == 1) {
        for (unsigned k = 0; k < n; k++)
            store_v(t, nth(o, k), o->y ? 4 : 3, RAX, (s32)(k * each));
    } else {
        unsigned host[4];
        for (unsigned k = 0; k < n; k++)
            host[k] = v_get_low(t, nth(o, k), each);
        for (unsigned k = 0; 16 * k < n * each; k++) {
            shuffle(t, VC_STN, n, o, k, host);
            bool whole = 16 * k + 16 <= n * each;
            x64_vex_rmx(&t->as, 1, whole ? 2 : 1, false, whole ? 0x7f : 0xd6, 2, 0, RAX, RDX, (s32)(16 * k));
        }
    }
    if (t->e->a & POSTED)
        post_index(t, o, n * each);
}

/* Single structures of one register; x = 0 says so. a: size | POSTED, imm = index */
static void em_ld_single(struct translation *t, const struct op *o)
{
    unsigned size = t->e->a & 7;
    struct x64 *a = &t->as;
    if (o->x) {
        t_call(t);
        return;
    }
    t_address(t, o, MODE_BASE, 0);
    t_align(t, RAX, 1u << size);
    t_check(t, TAG_READ, 1u << size, false);
    unsigned host = v_get(t, o->rd);
    x64_rmx(a, size == 3, size == 0 ? X_MOVZX8 : size == 1 ? X_MOVZX16 : X_LOAD, RCX, RAX, RDX, 0, 0);
    static const unsigned insert[] = {VPINSRB, VPINSRW, VPINSRD, VPINSRQ};
    v_rri(t, insert[size], host, host, RCX, (unsigned)o->imm);
    v_done(t, o->rd, 16);
    if (t->e->a & POSTED)
        post_index(t, o, 1u << size);
}

static void em_st_single(struct translation *t, const struct op *o)
{
    unsigned size = t->e->a & 7;
    struct x64 *a = &t->as;
    if (o->x) {
        t_call(t);
        return;
    }
    t_address(t, o, MODE_BASE, 0);
    t_align(t, RAX, 1u << size);
    t_check(t, TAG_WRITE, 1u << size, false);
    v_memory(t, o->rd);
    x64_rm(a, size == 3,
           size == 0   ? X_MOVZX8
           : size == 1 ? X_MOVZX16
                       : X_LOAD,
           RCX, R_CPU, v_disp(o->rd) + (s32)(o->imm << size));
    if (size == 1)
        x64_8(a, 0x66);
    x64_rmx(a, size == 3, size ? X_STORE : X_STORE8, RCX, RAX, RDX, 0, 0);
    if (t->e->a & POSTED)
        post_index(t, o, 1u << size);
}

/* LD1R. y = Q:size */
static void em_ld_replicate(struct translation *t, const struct op *o)
{
    static const unsigned spread[] = {VPBROADCASTB, VPBROADCASTW, VPBROADCASTD, VPBROADCASTQ};
    unsigned size = o->y & 3, op = spread[size];
    bool q = o->y & 4;
    if (o->x) {
        t_call(t);
        return;
    }
    t_address(t, o, MODE_BASE, 0);
    t_align(t, RAX, 1u << size);
    t_check(t, TAG_READ, 1u << size, false);
    unsigned host = v_new(t, o->rd);
    x64_vex_rmx(&t->as, 2, 1, false, op & 0xff, host, 0, RAX, RDX, 0);
    if (q)
        v_done(t, o->rd, 16);
    else
        v_put(t, o->rd, host, false);
    if (t->e->a & POSTED)
        post_index(t, o, 1u << size);
}

#define V_EXIT (EMIT_EXIT | EMIT_FP)
#define VPAIR(name, fn, scale)                                                                                         \
    ROW(name##_imm, fn, V_EXIT, IMM, scale), ROW(name##_post, fn, V_EXIT, POST, scale),                                \
        ROW(name##_pre, fn, V_EXIT, PRE, scale)
#define VMODES(name, fn, scale)   VPAIR(name, fn, scale), ROW(name##_reg, fn, V_EXIT, REG, scale)
#define MULTI(name, fn, n, selem) ROW(name, fn, V_EXIT, n, selem), ROW(name##_post, fn, V_EXIT, (n) | POSTED, selem)
#define SINGLE(name, fn, size)    ROW(name, fn, V_EXIT, size, 0), ROW(name##_post, fn, V_EXIT, (size) | POSTED, 0)
const struct emit_row emit_simd_mem_rows[] = {
    VMODES(ldr_vb, em_ldr_v, 0),
    VMODES(ldr_vh, em_ldr_v, 1),
    VMODES(ldr_vs, em_ldr_v, 2),
    VMODES(ldr_vd, em_ldr_v, 3),
    VMODES(ldr_vq, em_ldr_v, 4),
    VMODES(str_vb, em_str_v, 0),
    VMODES(str_vh, em_str_v, 1),
    VMODES(str_vs, em_str_v, 2),
    VMODES(str_vd, em_str_v, 3),
    VMODES(str_vq, em_str_v, 4),
    VPAIR(ldp_vs, em_ldp_v, 2),
    VPAIR(ldp_vd, em_ldp_v, 3),
    VPAIR(ldp_vq, em_ldp_v, 4),
    VPAIR(stp_vs, em_stp_v, 2),
    VPAIR(stp_vd, em_stp_v, 3),
    VPAIR(stp_vq, em_stp_v, 4),
    ROW(ldr_vs_lit, em_literal_v, V_EXIT, 0, 2),
    ROW(ldr_vd_lit, em_literal_v, V_EXIT, 0, 3),
    ROW(ldr_vq_lit, em_literal_v, V_EXIT, 0, 4),
    MULTI(ld1x1, em_ld_multi, 1, 1),
    MULTI(ld1x2, em_ld_multi, 2, 1),
    MULTI(ld1x3, em_ld_multi, 3, 1),
    MULTI(ld1x4, em_ld_multi, 4, 1),
    MULTI(ld2, em_ld_multi, 2, 2),
    MULTI(ld3, em_ld_multi, 3, 3),
    MULTI(ld4, em_ld_multi, 4, 4),
    MULTI(st1x1, em_st_multi, 1, 1),
    MULTI(st1x2, em_st_multi, 2, 1),
    MULTI(st1x3, em_st_multi, 3, 1),
    MULTI(st1x4, em_st_multi, 4, 1),
    MULTI(st2, em_st_multi, 2, 2),
    MULTI(st3, em_st_multi, 3, 3),
    MULTI(st4, em_st_multi, 4, 4),
    SINGLE(ldn_b, em_ld_single, 0),
    SINGLE(ldn_h, em_ld_single, 1),
    SINGLE(ldn_s, em_ld_single, 2),
    SINGLE(ldn_d, em_ld_single, 3),
    SINGLE(stn_b, em_st_single, 0),
    SINGLE(stn_h, em_st_single, 1),
    SINGLE(stn_s, em_st_single, 2),
    SINGLE(stn_d, em_st_single, 3),
    SINGLE(ldnr, em_ld_replicate, 0),
    {0},
};
