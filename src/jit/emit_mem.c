/* Loads and stores of general registers through the fast table (mmu/fast.h).
 *
 * The inline path: index and tag of the VA, one comparison that says that page and permission are right and the access
 * does not leave the page; everything else (a miss, a device, a fault) calls the exec function out of line. Unaligned
 * accesses to the table's pages are served too, unless SCTLR_ELx.A forbids them (FLAVOUR_ALIGN) or the access is
 * ordered: what the slow path would do with them is the same copy. */
#include "core/bits.h"
#include "jit/internal.h"

enum { TAG_READ = (s32)offsetof(struct fast, rtag), TAG_WRITE = (s32)offsetof(struct fast, wtag) };

/* rax: VA. Leaves rdx = host - VA; jumps to the slow path's stub otherwise. rax stays. */
static void check(struct translation *t, s32 tags, unsigned size, bool aligned)
{
    struct x64 *a = &t->as;
    x64_bextr(a, RCX, RAX, R_INDEX);
    x64_rr(a, true, X_LOAD, RDX, RAX);
    x64_rmx(a, true, X_XOR, RDX, R_FT, RCX, 3, tags);
    u8 *slow;
    if (aligned) {
        x64_test_ri(a, true, RDX, -0x1000 | (s32)(size - 1));
        slow = x64_jcc(a, CC_NE);
    } else {
        x64_ri(a, true, X_CMP, RDX, 0x1000 - (s32)size);
        slow = x64_jcc(a, CC_A);
    }
    struct stub *s = t_slow(t, slow);
    if (t->sp_check)
        s->from[1] = t->sp_check;
    t->sp_check = NULL;
    x64_rmx(a, true, X_LOAD, RDX, R_FT, RCX, 3, (s32)offsetof(struct fast, delta));
}

/* rax = base + what the addressing mode adds; notes the check of SP's alignment. */
enum mode { IMM, POST, PRE, REG, EXT, BASE };
static void address(struct translation *t, const struct op *o, unsigned mode, unsigned scale)
{
    struct x64 *a = &t->as;
    t->sp_check = NULL;
    op_x(t, true, X_LOAD, RAX, o->rn);
    if (o->rn == REG_SP) {
        x64_8(a, 0xa8); /* test al, 15 */
        x64_8(a, 15);
        t->sp_check = x64_jcc(a, CC_NE);
    }
    switch (mode) {
    case POST:
    case BASE: break;
    case REG:
        if (o->y && scale) {
            op_x(t, true, X_LOAD, RCX, o->rm);
            x64_rmx(a, true, X_LEA, RAX, RAX, RCX, scale, 0);
        } else {
            op_x(t, true, X_ADD, RAX, o->rm);
        }
        break;
    case EXT:
        op_x(t, o->x != 0, o->x ? X_MOVSXD : X_LOAD, RCX, o->rm);
        x64_rmx(a, true, X_LEA, RAX, RAX, RCX, o->y ? scale : 0, 0);
        break;
    default:
        if (o->imm)
            x64_ri(a, true, X_ADD, RAX, (s32)o->imm);
        break;
    }
}

/* rax: VA of the access. */
static void write_back(struct translation *t, const struct op *o, unsigned mode)
{
    if (mode == POST)
        x64_ri(&t->as, true, X_ADD, RAX, (s32)o->imm);
    if (mode == POST || mode == PRE)
        st_x(t, o->rn, RAX);
}

/* a: bits 2:0 mode, 5:3 what; b: 1 << scale; ordered accesses have bit 7 of a. */
enum what { LD, LDS32, LDS64, ST, LIT };
#define A(mode, what) ((mode) | (what) << 3)
enum { ORDERED = 128 };

static void load(struct translation *t, unsigned what, unsigned scale)
{
    static const unsigned zero[] = {X_MOVZX8, X_MOVZX16, X_LOAD, X_LOAD}, sign[] = {X_MOVSX8, X_MOVSX16, X_MOVSXD, 0};
    x64_rmx(&t->as, what == LDS64 || (what == LD && scale == 3), what == LD ? zero[scale] : sign[scale], RSI, RAX, RDX,
            0, 0);
}

static void em_load(struct translation *t, const struct op *o)
{
    unsigned mode = t->e->a & 7, what = t->e->a >> 3 & 7, scale = t->e->b;
    address(t, o, mode, scale);
    check(t, TAG_READ, 1u << scale, scale && (t->e->a & ORDERED || t->flavour & FLAVOUR_ALIGN));
    load(t, what, scale);
    st_x(t, o->rd, RSI);
    write_back(t, o, mode);
}

static void em_store(struct translation *t, const struct op *o)
{
    unsigned mode = t->e->a & 7, scale = t->e->b;
    struct x64 *a = &t->as;
    address(t, o, mode, scale);
    check(t, TAG_WRITE, 1u << scale, scale && (t->e->a & ORDERED || t->flavour & FLAVOUR_ALIGN));
    ld_x(t, scale == 3, RSI, o->rd);
    if (scale == 1)
        x64_8(a, 0x66);
    x64_rmx(a, scale == 3, scale ? X_STORE : X_STORE8, RSI, RAX, RDX, 0, 0);
    write_back(t, o, mode);
}

static void em_literal(struct translation *t, const struct op *o)
{
    unsigned what = t->e->a >> 3 & 7, scale = t->e->b;
    x64_rm(&t->as, true, X_LEA, RAX, R_PAGE, (s32)(t_off(t) + o->imm));
    t->sp_check = NULL;
    check(t, TAG_READ, 1u << scale, t->flavour & FLAVOUR_ALIGN);
    load(t, what, scale);
    st_x(t, o->rd, RSI);
}

/* Pairs. b: scale of one register. With alignment checks the exec function does it. */
static void em_ldp(struct translation *t, const struct op *o)
{
    unsigned mode = t->e->a & 7, what = t->e->a >> 3 & 7, scale = t->e->b;
    struct x64 *a = &t->as;
    if (t->flavour & FLAVOUR_ALIGN) {
        t_call(t);
        return;
    }
    address(t, o, mode, scale);
    check(t, TAG_READ, 2u << scale, false);
    unsigned op = what == LDS64 ? X_MOVSXD : X_LOAD;
    bool w = what == LDS64 || scale == 3;
    x64_rmx(a, w, op, RSI, RAX, RDX, 0, 0);
    x64_rmx(a, w, op, RDI, RAX, RDX, 0, 1 << scale);
    st_x(t, o->rd, RSI);
    st_x(t, o->ra, RDI);
    write_back(t, o, mode);
}

static void em_stp(struct translation *t, const struct op *o)
{
    unsigned mode = t->e->a & 7, scale = t->e->b;
    struct x64 *a = &t->as;
    if (t->flavour & FLAVOUR_ALIGN) {
        t_call(t);
        return;
    }
    address(t, o, mode, scale);
    check(t, TAG_WRITE, 2u << scale, false);
    ld_x(t, scale == 3, RSI, o->rd);
    ld_x(t, scale == 3, RDI, o->ra);
    x64_rmx(a, scale == 3, X_STORE, RSI, RAX, RDX, 0, 0);
    x64_rmx(a, scale == 3, X_STORE, RDI, RAX, RDX, 0, 1 << scale);
    write_back(t, o, mode);
}

#define MODES(name, fn, what, scale)                                                                                   \
    ROW(name, fn, EMIT_EXIT, A(IMM, what), scale), ROW(name##_post, fn, EMIT_EXIT, A(POST, what), scale),              \
        ROW(name##_pre, fn, EMIT_EXIT, A(PRE, what), scale)
#define ALL(name, fn, what, scale)                                                                                     \
    MODES(name, fn, what, scale), ROW(name##_reg, fn, EMIT_EXIT, A(REG, what), scale),                                 \
        ROW(name##_ext, fn, EMIT_EXIT, A(EXT, what), scale)
const struct emit_row emit_mem_rows[] = {
    ALL(ldrb, em_load, LD, 0),
    ALL(ldrsb32, em_load, LDS32, 0),
    ALL(ldrsb64, em_load, LDS64, 0),
    ALL(ldrh, em_load, LD, 1),
    ALL(ldrsh32, em_load, LDS32, 1),
    ALL(ldrsh64, em_load, LDS64, 1),
    ALL(ldr32, em_load, LD, 2),
    ALL(ldrsw, em_load, LDS64, 2),
    ALL(ldr64, em_load, LD, 3),
    ALL(strb, em_store, ST, 0),
    ALL(strh, em_store, ST, 1),
    ALL(str32, em_store, ST, 2),
    ALL(str64, em_store, ST, 3),
    ROW(ldr32_lit, em_literal, EMIT_EXIT, A(IMM, LD), 2),
    ROW(ldrsw_lit, em_literal, EMIT_EXIT, A(IMM, LDS64), 2),
    ROW(ldr64_lit, em_literal, EMIT_EXIT, A(IMM, LD), 3),
    MODES(ldp32, em_ldp, LD, 2),
    MODES(ldp64, em_ldp, LD, 3),
    MODES(ldpsw, em_ldp, LDS64, 2),
    MODES(stp32, em_stp, ST, 2),
    MODES(stp64, em_stp, ST, 3),
    ROW(ldarb, em_load, EMIT_EXIT, A(BASE, LD) | ORDERED, 0),
    ROW(ldarh, em_load, EMIT_EXIT, A(BASE, LD) | ORDERED, 1),
    ROW(ldar32, em_load, EMIT_EXIT, A(BASE, LD) | ORDERED, 2),
    ROW(ldar64, em_load, EMIT_EXIT, A(BASE, LD) | ORDERED, 3),
    ROW(stlrb, em_store, EMIT_EXIT, A(BASE, ST) | ORDERED, 0),
    ROW(stlrh, em_store, EMIT_EXIT, A(BASE, ST) | ORDERED, 1),
    ROW(stlr32, em_store, EMIT_EXIT, A(BASE, ST) | ORDERED, 2),
    ROW(stlr64, em_store, EMIT_EXIT, A(BASE, ST) | ORDERED, 3),
    {0},
};
