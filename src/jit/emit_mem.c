/* Loads and stores of general registers through the fast table (mmu/fast.h).
 *
 * The inline path: index and tag of the VA, one comparison that says that page and permission are right and the access
 * does not leave the page; everything else (a miss, a device, a fault) calls the exec function out of line. Unaligned
 * accesses to the table's pages are served too, unless SCTLR_ELx.A forbids them or the table holds Device memory, stage
 * 1 being off (FLAVOUR_ALIGN), or the access is ordered: what the slow path would do with them is the same copy. */
#include "core/bits.h"
#include "jit/mem.h"

/* Largest offsets in a page of accesses of frequent sizes, and what an offset with SP's alignment has not: as operands
 * in memory they make code shorter than as immediate ones. */
static const s32 bounds[BOUNDS] = {0x1000 - 8, 0x1000 - 4, 0x1000 - 1, 0x1000 - 16, -0x1000 | 15};

void mem_bounds(u64 to[BOUNDS])
{
    for (unsigned i = 0; i < BOUNDS; i++)
        to[i] = (u64)(s64)bounds[i];
}

static s32 bound_disp(unsigned i) { return (s32)(offsetof(struct jit_shared, bounds) + i * sizeof(u64)); }

/* cmp rdx, the largest offset in a page of an access of size bytes */
static void compare_bound(struct x64 *a, unsigned size)
{
    static const u8 place[32] = {[8] = 1, [4] = 2, [1] = 3, [16] = 4}; /* in bounds[], plus 1 */
    unsigned i = size < sizeof place ? place[size] : 0;
    if (i)
        x64_rm(a, true, X_CMP, RDX, R_CONST, bound_disp(i - 1));
    else
        x64_ri(a, true, X_CMP, RDX, 0x1000 - (s32)size);
}

/* rdx: VA ^ tag. Goes to the slow path's stub unless that is an offset in the page with room for size bytes; where SP
 * is to be aligned and it is a multiple of 16 from there (sp_check), a multiple of 16 as well. */
static void check_tag(struct translation *t, unsigned size, bool aligned)
{
    struct x64 *a = &t->as;
    u8 *slow;
    if (aligned) {
        x64_test_ri(a, true, RDX, -0x1000 | (s32)(size - 1));
        slow = x64_jcc(a, CC_NE);
    } else if (t->sp_check && size <= 16) {
        x64_rm(a, true, X_TEST, RDX, R_CONST, bound_disp(4));
        slow = x64_jcc(a, CC_NE);
    } else if (t->sp_check) {
        x64_shift(a, true, X_ROR, RDX, 4);
        x64_ri(a, true, X_CMP, RDX, (0x1000 - (s32)size) >> 4);
        slow = x64_jcc(a, CC_A);
    } else {
        compare_bound(a, size);
        slow = x64_jcc(a, CC_A);
    }
    struct stub *s = t_slow(t, slow);
    s->from[1] = t->sp_jump;
    s->from[2] = t->align_check;
    t->sp_jump = t->align_check = NULL;
    t->sp_check = false;
}

void t_align(struct translation *t, unsigned va, unsigned align)
{
    if (!(t->flavour & FLAVOUR_ALIGN) || align == 1)
        return;
    x64_test_ri(&t->as, false, va, (s32)align - 1);
    t->align_check = x64_jcc(&t->as, CC_NE);
}

/* The access is at the VA in register va, + disp. Leaves rdx = host - VA. */
void mem_check(struct translation *t, unsigned va, s32 disp, s32 tags, unsigned size, bool aligned)
{
    struct x64 *a = &t->as;
    if (t->sp_check) {
        size += (unsigned)disp & 15;
        disp &= ~15;
    }
    x64_rm(a, true, X_LEA, RDX, va, disp);
    x64_bextr(a, RCX, disp ? (unsigned)RDX : va, R_INDEX);
    x64_rmx(a, true, X_XOR, RDX, R_FT, RCX, 3, tags);
    check_tag(t, size, aligned);
    x64_rmx(a, true, X_LOAD, RDX, R_FT, RCX, 3, (s32)offsetof(struct fast, delta));
}

void t_check(struct translation *t, s32 tags, unsigned size, bool aligned)
{
    mem_check(t, RAX, 0, tags, size, aligned);
}

/* The same in the table of unprivileged accesses. */
static void check_unpriv(struct translation *t, unsigned va, s32 tags, unsigned size, bool aligned)
{
    struct x64 *a = &t->as;
    x64_rm(a, true, X_LOAD, RDX, R_CPU, CPU(ft_unpriv));
    x64_rr(a, true, X_LOAD, RCX, va);
    x64_shift(a, true, X_SHR, RCX, 12);
    x64_rm(a, true, X_AND, RCX, RDX, (s32)offsetof(struct fast, mask));
    x64_rmx(a, true, X_LEA, RCX, RDX, RCX, 3, 0);
    x64_rr(a, true, X_LOAD, RDX, va);
    x64_rm(a, true, X_XOR, RDX, RCX, tags);
    check_tag(t, size, aligned);
    x64_rm(a, true, X_LOAD, RDX, RCX, (s32)offsetof(struct fast, delta));
}

/* The register with guest register r, or host when it is in the state. */
static unsigned use(struct translation *t, unsigned host, unsigned r, bool again)
{
    unsigned h = !t->regs ? X_STATE | r : again ? x_use(t, r) : x_src(t, r);
    if (h & X_STATE)
        x64_ro(&t->as, true, X_LOAD, host, h);
    return h & X_STATE ? host : h;
}

/* The register with the VA of the access, rax or the base itself; what is to be added to that goes to disp, unless that
 * is NULL. Notes the check of SP's alignment. Nothing may be allocated between that and the check of the access: both
 * leave for the same stub. */
static unsigned address(struct translation *t, const struct op *o, unsigned mode, unsigned scale, s32 *disp)
{
    struct x64 *a = &t->as;
    unsigned index = mode == MODE_REG || mode == MODE_EXT ? use(t, RCX, o->rm, false) : 0;
    unsigned base = use(t, RAX, o->rn, writes_back(mode));
    if (o->rn == REG_SP && !t->sp_ok) {
        t->sp_ok = true;
        t->sp_check = disp && !(t->flavour & FLAVOUR_ALIGN) && (mode == MODE_IMM || writes_back(mode));
        if (!t->sp_check) {
            x64_test_ri(a, false, base, 15);
            t->sp_jump = x64_jcc(a, CC_NE);
        }
    }
    t->sp_keep = !(o->imm & 15);
    switch (mode) {
    case MODE_POST:
    case MODE_BASE: break;
    case MODE_REG:
    case MODE_EXT:
        if (mode == MODE_EXT) {
            x64_rr(a, o->x != 0, o->x ? X_MOVSXD : X_LOAD, RCX, index);
            index = RCX;
        }
        if (o->y && scale > 3) {
            if (index != RCX)
                x64_rr(a, true, X_LOAD, RCX, index);
            x64_shift(a, true, X_SHL, index = RCX, scale);
        }
        x64_rmx(a, true, X_LEA, RAX, base, index, o->y && scale <= 3 ? scale : 0, 0);
        return RAX;
    default:
        if (disp)
            *disp = (s32)o->imm;
        if (!o->imm || disp)
            break;
        x64_rm(a, true, X_LEA, RAX, base, (s32)o->imm);
        return RAX;
    }
    if (writes_back(mode) && (o->rd == o->rn || o->ra == o->rn) && base != RAX) {
        x64_rr(a, true, X_LOAD, RAX, base);
        return RAX;
    }
    return base;
}

/* address() in rax. */
void t_address(struct translation *t, const struct op *o, unsigned mode, unsigned scale)
{
    unsigned va = address(t, o, mode, scale, NULL);
    if (va != RAX)
        x64_rr(&t->as, true, X_LOAD, RAX, va);
}

/* disp: as address() had it */
void t_write_back(struct translation *t, const struct op *o, unsigned mode, unsigned va, s32 disp)
{
    if (!writes_back(mode))
        return;
    s32 imm = mode == MODE_POST ? (s32)o->imm : disp;
    unsigned d = t->regs ? x_def(t, o->rn) : va;
    if (imm)
        x64_rm(&t->as, true, X_LEA, d, va, imm);
    else if (d != va)
        x64_rr(&t->as, true, X_LOAD, d, va);
    if (!t->regs)
        st_x(t, o->rn, va);
}

/* a: bits 2:0 mode, 5:3 what; b: 1 << scale; ordered accesses have bit 7 of a. */
enum what { LD, LDS32, LDS64, ST };
#define A(mode, what) ((mode) | (what) << 3)
enum { ORDERED = 128 };

/* op r, [va + rdx + disp]; rdx as va: that is the host's address. */
static void access(struct translation *t, bool w, unsigned op, unsigned r, unsigned va, s32 disp)
{
    if (va == RDX)
        x64_rm(&t->as, w, op, r, va, disp);
    else
        x64_rmx(&t->as, w, op, r, va, RDX, 0, disp);
}

void mem_load(struct translation *t, unsigned what, unsigned scale, unsigned host, unsigned va, s32 disp)
{
    static const unsigned zero[] = {X_MOVZX8, X_MOVZX16, X_LOAD, X_LOAD}, sign[] = {X_MOVSX8, X_MOVSX16, X_MOVSXD, 0};
    access(t, what == LDS64 || (what == LD && scale == 3), what == LD ? zero[scale] : sign[scale], host, va, disp);
}

void mem_store(struct translation *t, unsigned scale, unsigned host, unsigned va, s32 disp)
{
    if (scale == 1)
        x64_8(&t->as, 0x66);
    access(t, scale == 3, scale ? X_STORE : X_STORE8, host, va, disp);
}

/* The register with what is stored from r. */
unsigned mem_source(struct translation *t, unsigned r)
{
    if (r != REG_ZERO)
        return use(t, RCX, r, false);
    x64_rr(&t->as, false, X_XOR, RCX, RCX);
    return RCX;
}

static void em_store(struct translation *t, const struct op *o);
static void em_load(struct translation *t, const struct op *o);

/* Loads and stores of vector registers have one mode for both, and in x option<2>:option<0>. */
static unsigned mode_of(const struct emitter *e, const struct op *o)
{
    unsigned mode = e->a & 7;
    return mode == MODE_REG && e->flags & EMIT_FP && !(o->x & 1) ? MODE_EXT : mode;
}
static bool is_store(const struct emitter *e)
{
    return e->emit == em_store || (e->flags & EMIT_FP && t_vector_access(e) & ACCESS_STORE);
}

/* How an address is made of two registers: as a number, not 0, that says all but the registers. 0: it is not. */
static unsigned how(const struct emitter *e, const struct op *o)
{
    if (e->emit != em_load && e->emit != em_store && !(e->flags & EMIT_FP && t_vector_access(e)))
        return 0;
    unsigned mode = mode_of(e, o);
    if (mode != MODE_REG && mode != MODE_EXT)
        return 0;
    if (mode == MODE_REG)
        return mode | (o->y ? 8u | (unsigned)e->b << 5 : 0);
    return mode | (o->y ? 8u | (unsigned)e->b << 5 : 0) | (o->x ? 16 : 0);
}

/* Looks for accesses behind o to the same two registers' address that can have its check. */
static bool hold_indexed(const struct translation *t, const struct op *o, struct held *made)
{
    bool branch = false;
    for (unsigned i = 0; t->k + i < t->n; i++) {
        const struct op *p = o + i;
        const struct emitter *e = t->row[t->k + i];
        if (!e->emit || !(e->flags & EMIT_REGS) || (e->flags & EMIT_FP && t->flavour & FLAVOUR_FP_CALL))
            break;
        bool store = is_store(e);
        if (i && how(e, p) == made->how && p->rn == made->base && p->rm == made->index &&
            (made->write || !store || !branch)) {
            made->write |= store;
            made->high = made->high < 1 << e->b ? 1 << e->b : made->high;
            made->last = (u8)(t->k + i);
            made->live = true;
        }
        if (t->written[t->k + i] & (1ull << made->base | 1ull << made->index))
            break;
        branch |= (e->flags & EMIT_BRANCH) != 0;
    }
    return made->live;
}

/* Address and check of the current load or store: what access() takes. */
unsigned t_checked(struct translation *t, const struct op *o, bool store, s32 *disp)
{
    unsigned scale = t->e->b, mode = mode_of(t->e, o);
    bool aligned = scale && (t->e->a & ORDERED || t->flavour & FLAVOUR_ALIGN);
    s32 tags = store ? TAG_WRITE : TAG_READ;
    struct held made = {.base = o->rn, .index = o->rm, .write = store, .high = 1 << scale}, *h = NULL;
    made.how = (u8)how(t->e, o);
    *disp = 0;
    if (mode == MODE_UNPRIV) {
        unsigned va = address(t, o, mode, scale, NULL);
        check_unpriv(t, va, tags, 1u << scale, aligned);
        return va;
    }
    for (unsigned i = 0; made.how && i < HELD; i++) {
        struct held *p = &t->held[i];
        if (!p->live || p->last < t->k)
            h = p;
        else if (p->how == made.how && p->base == o->rn && p->index == o->rm && p->high >= made.high &&
                 (p->write || !store)) {
            x64_rm(&t->as, true, X_LOAD, RDX, R_CONST, mem_held_disp(t, p));
            return RDX;
        }
    }
    unsigned va = address(t, o, mode, scale, disp);
    bool hold = h && !aligned && !(t->flavour & FLAVOUR_ALIGN) && !(t->btype && !t->k) && o->rn != REG_SP &&
                hold_indexed(t, o, &made);
    mem_check(t, va, *disp, hold && made.write ? TAG_WRITE : tags, (unsigned)made.high, aligned);
    if (!hold)
        return va;
    x64_rr(&t->as, true, X_ADD, RDX, va);
    x64_rm(&t->as, true, X_STORE, RDX, R_CONST, mem_held_disp(t, h));
    *h = made;
    t->holds = true;
    return RDX;
}

static void em_load(struct translation *t, const struct op *o)
{
    if (t_group(t, o))
        return;
    unsigned mode = t->e->a & 7, what = t->e->a >> 3 & 7, scale = t->e->b;
    s32 disp;
    unsigned va = t_checked(t, o, false, &disp);
    mem_load(t, what, scale, x_def(t, o->rd), va, disp);
    t_write_back(t, o, mode, va, disp);
}

static void em_store(struct translation *t, const struct op *o)
{
    if (t_group(t, o))
        return;
    unsigned mode = t->e->a & 7, scale = t->e->b;
    s32 disp;
    unsigned va = t_checked(t, o, true, &disp);
    mem_store(t, scale, mem_source(t, o->rd), va, disp);
    t_write_back(t, o, mode, va, disp);
}

static void em_literal(struct translation *t, const struct op *o)
{
    unsigned what = t->e->a >> 3 & 7, scale = t->e->b;
    x64_page(&t->as, RAX, (s64)(t_off(t) + o->imm));
    t_check(t, TAG_READ, 1u << scale, t->flavour & FLAVOUR_ALIGN);
    mem_load(t, what, scale, x_def(t, o->rd), RAX, 0);
}

/* ---- exclusives ------------------------------------------------------------------------------ */

/* ecx: RAM page of the access at rax + rdx. */
static void page_of_access(struct translation *t)
{
    struct x64 *a = &t->as;
    x64_rmx(a, true, X_LEA, RCX, RAX, RDX, 0, 0);
    x64_rm(a, true, X_SUB, RCX, R_CONST, (s32)offsetof(struct jit_shared, ram_base));
    x64_shift(a, true, X_SHR, RCX, 12);
}

/* Marks the granule of the access that was just checked; valid and size of the monitor are read and written together.
 * rdx stays, rax and rcx do not. */
void t_monitor_mark(struct translation *t, unsigned scale)
{
    struct x64 *a = &t->as;
    page_of_access(t);
    x64_rm(a, false, X_STORE, RCX, R_CPU, CPU(monitor.page));
    x64_ri(a, false, X_AND, RAX, 0xfc0);
    x64_rm(a, false, X_STORE, RAX, R_CPU, CPU(monitor.off));
    x64_mov_imm(a, RCX, 1 | 256u << scale | (t->j->parallel ? 1u << 16 : 0u)); /* simple, not published */
    if (!t->j->parallel)
        x64_8(a, 0x66);
    x64_rm(a, false, X_STORE, RCX, R_CPU, CPU(monitor.valid));
}

/* Jumps, with the flags of "not equal", when the store may not pass. All but rcx stays. */
void t_monitor_check(struct translation *t, unsigned scale, u8 *fail[3])
{
    struct x64 *a = &t->as;
    x64_rm(a, false, X_MOVZX16, RCX, R_CPU, CPU(monitor.valid));
    x64_rm(a, false, X_AND, RCX, R_CONST, (s32)offsetof(struct jit_shared, monitor_mask));
    x64_op(a, false, 0xc6, 0, 0, R_CPU, false); /* mov byte [valid], 0 */
    x64_modrm(a, 0, R_CPU, CPU(monitor.valid));
    x64_8(a, 0);
    x64_ri(a, false, X_CMP, RCX, (s32)(1 | 256u << scale));
    fail[0] = x64_jcc(a, CC_NE);
    page_of_access(t);
    x64_rm(a, false, X_CMP, RCX, R_CPU, CPU(monitor.page));
    fail[1] = x64_jcc(a, CC_NE);
    x64_rr(a, false, X_LOAD, RCX, RAX);
    x64_ri(a, false, X_AND, RCX, 0xfc0);
    x64_rm(a, false, X_CMP, RCX, R_CPU, CPU(monitor.off));
    fail[2] = x64_jcc(a, CC_NE);
}

static void em_ldxr(struct translation *t, const struct op *o)
{
    unsigned scale = t->e->b;
    t_address(t, o, MODE_BASE, scale);
    t_check(t, TAG_READ, 1u << scale, true);
    mem_load(t, LD, scale, x_def(t, o->rd), RAX, 0);
    t_monitor_mark(t, scale);
}

/* The status is what the last comparison said. */
static void em_stxr(struct translation *t, const struct op *o)
{
    unsigned scale = t->e->b, value = RCX;
    struct x64 *a = &t->as;
    u8 *fail[3];
    t_address(t, o, MODE_BASE, scale);
    t_check(t, TAG_WRITE, 1u << scale, true);
    if (o->rd != REG_ZERO)
        value = x_use(t, o->rd);
    unsigned status = x_def(t, o->ra);
    t_monitor_check(t, scale, fail);
    if (value == RCX)
        x64_mov_imm_keep(a, RCX, 0);
    mem_store(t, scale, value, RAX, 0);
    for (unsigned i = 0; i < ARRAY_LEN(fail); i++)
        x64_here(a, fail[i]);
    x64_setcc(a, CC_NE, RCX);
    x64_rr8(a, false, X_MOVZX8, status, RCX);
}

/* ---- pairs ----------------------------------------------------------------------------------- */

/* b: scale of one register */
void mem_load_pair(struct translation *t, const struct op *o, unsigned va, s32 disp)
{
    unsigned what = t->e->a >> 3 & 7, scale = t->e->b;
    bool last = va != RAX && x_host(t, o->rd) == va; /* it overwrites the base */
    if (last)
        mem_load(t, what, scale, x_def(t, o->ra), va, disp + (1 << scale));
    mem_load(t, what, scale, x_def(t, o->rd), va, disp);
    if (!last)
        mem_load(t, what, scale, x_def(t, o->ra), va, disp + (1 << scale));
}

static void em_ldp(struct translation *t, const struct op *o)
{
    unsigned mode = t->e->a & 7, scale = t->e->b;
    if (t_group(t, o))
        return;
    s32 disp = 0;
    unsigned va = address(t, o, mode, scale, t->flavour & FLAVOUR_ALIGN ? NULL : &disp);
    t_align(t, va, 1u << scale);
    mem_check(t, va, disp, TAG_READ, 2u << scale, false);
    mem_load_pair(t, o, va, disp);
    t_write_back(t, o, mode, va, disp);
}

static void em_stp(struct translation *t, const struct op *o)
{
    unsigned mode = t->e->a & 7, scale = t->e->b;
    if (t_group(t, o))
        return;
    s32 disp = 0;
    unsigned va = address(t, o, mode, scale, t->flavour & FLAVOUR_ALIGN ? NULL : &disp);
    t_align(t, va, 1u << scale);
    mem_check(t, va, disp, TAG_WRITE, 2u << scale, false);
    mem_store(t, scale, mem_source(t, o->rd), va, disp);
    mem_store(t, scale, mem_source(t, o->ra), va, disp + (1 << scale));
    t_write_back(t, o, mode, va, disp);
}

unsigned t_access(const struct emitter *e)
{
    unsigned mode = e->a & 7, access = t_vector_access(e);
    if (e->emit == em_load || e->emit == em_store)
        access = e->a & ORDERED ? 0 : ACCESS | (e->emit == em_store ? ACCESS_STORE : 0);
    else if (e->emit == em_ldp || e->emit == em_stp)
        access = ACCESS | ACCESS_PAIR | (e->emit == em_stp ? ACCESS_STORE : 0);
    return mode == MODE_IMM || writes_back(mode) ? access : 0;
}

enum { MEM = EMIT_EXIT | EMIT_REGS };
#define MODES(name, fn, what, scale)                                                                                   \
    ROW(name, fn, MEM, A(MODE_IMM, what), scale), ROW(name##_post, fn, MEM, A(MODE_POST, what), scale),                \
        ROW(name##_pre, fn, MEM, A(MODE_PRE, what), scale)
#define ALL(name, fn, what, scale)                                                                                     \
    MODES(name, fn, what, scale), ROW(name##_reg, fn, MEM, A(MODE_REG, what), scale),                                  \
        ROW(name##_ext, fn, MEM, A(MODE_EXT, what), scale)
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
    ROW(ldr32_lit, em_literal, MEM, A(MODE_IMM, LD), 2),
    ROW(ldrsw_lit, em_literal, MEM, A(MODE_IMM, LDS64), 2),
    ROW(ldr64_lit, em_literal, MEM, A(MODE_IMM, LD), 3),
    MODES(ldp32, em_ldp, LD, 2),
    MODES(ldp64, em_ldp, LD, 3),
    MODES(ldpsw, em_ldp, LDS64, 2),
    MODES(stp32, em_stp, ST, 2),
    MODES(stp64, em_stp, ST, 3),
    ROW(ldarb, em_load, MEM, A(MODE_BASE, LD) | ORDERED, 0),
    ROW(ldarh, em_load, MEM, A(MODE_BASE, LD) | ORDERED, 1),
    ROW(ldar32, em_load, MEM, A(MODE_BASE, LD) | ORDERED, 2),
    ROW(ldar64, em_load, MEM, A(MODE_BASE, LD) | ORDERED, 3),
    ROW(stlrb, em_store, MEM, A(MODE_BASE, ST) | ORDERED, 0),
    ROW(stlrh, em_store, MEM, A(MODE_BASE, ST) | ORDERED, 1),
    ROW(stlr32, em_store, MEM, A(MODE_BASE, ST) | ORDERED, 2),
    ROW(stlr64, em_store, MEM, A(MODE_BASE, ST) | ORDERED, 3),
    ROW(ldxrb, em_ldxr, MEM, 0, 0),
    ROW(ldxrh, em_ldxr, MEM, 0, 1),
    ROW(ldxr32, em_ldxr, MEM, 0, 2),
    ROW(ldxr64, em_ldxr, MEM, 0, 3),
    ROW(stxrb, em_stxr, MEM, 0, 0),
    ROW(stxrh, em_stxr, MEM, 0, 1),
    ROW(stxr32, em_stxr, MEM, 0, 2),
    ROW(stxr64, em_stxr, MEM, 0, 3),
    ROW(ldtrb, em_load, MEM, A(MODE_UNPRIV, LD), 0),
    ROW(ldtrh, em_load, MEM, A(MODE_UNPRIV, LD), 1),
    ROW(ldtr32, em_load, MEM, A(MODE_UNPRIV, LD), 2),
    ROW(ldtr64, em_load, MEM, A(MODE_UNPRIV, LD), 3),
    ROW(sttrb, em_store, MEM, A(MODE_UNPRIV, ST), 0),
    ROW(sttrh, em_store, MEM, A(MODE_UNPRIV, ST), 1),
    ROW(sttr32, em_store, MEM, A(MODE_UNPRIV, ST), 2),
    ROW(sttr64, em_store, MEM, A(MODE_UNPRIV, ST), 3),
    {0},
};
