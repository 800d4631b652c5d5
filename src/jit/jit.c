/* The JIT's engine: arena, shared pieces of generated code, the loop around it (docs/performance.md, JIT).
 *
 * Generated code holds the CPU's state in memory. A block takes its instructions off slice.left in its head; before
 * a call of an exec function what was not executed yet is given back, so that time is exact wherever it can be seen.
 * pc is in the state only at calls and exits.
 *
 * Invariants: while generated code runs, c->fetch_page and c->fetch_code are its page: whoever drops the latch
 * is a call, after which generated code is left and the interpreter goes straight on, as it would have done. Space
 * is given to other code only in the loop below, a part of the arena at a time. Blocks of a page are dropped together,
 * and jumps are patched only within a page; the way to another page goes through the fast table's executable tags. */
#include "jit/jit.h"

#include <cpuid.h>
#include <stdlib.h>

#include "core/bits.h"
#include "cpu/context.h"
#include "cpu/fp.h"
#include "jit/internal.h"

const char *jit_missing(void)
{
    unsigned a, b, c = 0, d;
    if (!__builtin_cpu_supports("avx2"))
        return "AVX2";
    if (!__builtin_cpu_supports("fma") || !__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 29)) /* F16C */
        return "FMA and F16C";
    if (!__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2"))
        return "BMI1 and BMI2";
    /* clang 14's __builtin_cpu_supports() does not know lzcnt: CPUID 8000_0001h ECX bit 5 */
    if (!__builtin_cpu_supports("popcnt") || !__get_cpuid(0x80000001, &a, &b, &c, &d) || !(c & 1u << 5))
        return "POPCNT and LZCNT";
    return NULL;
}

/* ---- shared code ----------------------------------------------------------------------------- */

/* rax: VA of a block that is not translated: entries of such blocks (code_entries()) lead to the NOPs. Its last jump is
 * linked when there is a way out. */
static u8 *emit_miss(struct jit *j)
{
    struct x64 *a = &j->as;
    for (unsigned i = 0; i < COLD; i++)
        x64_8(a, 0x90);
    j->miss = a->p;
    x64_rm(a, true, X_STORE, RAX, R_CPU, CPU(pc));
    x64_mov_imm(a, RAX, EXIT_MISS);
    return x64_jmp(a);
}

static u8 *emit_enter(struct jit *j)
{
    static const u8 saved[] = {RBP, RBX, R12, R13, R14, R15};
    struct x64 *a = &j->as;
    u8 *start = a->p;
    for (unsigned i = 0; i < ARRAY_LEN(saved); i++)
        x64_push(a, saved[i]);
    x64_ri(a, true, X_SUB, RSP, 8);
    x64_rr(a, true, X_LOAD, R_CPU, RDI);
    x64_rr(a, true, X_LOAD, R_FT, RDX);
    x64_rr(a, true, X_LOAD, R_INDEX, RCX);
    x64_rr(a, true, X_LOAD, R_CONST, R8);
    x64_rm(a, true, X_LOAD, R_LEFT, R_CPU, CPU(slice.left));
    flags_from_c(a, RAX);
    returns_emit_enter(a);
    x64_jmp_reg(a, RSI);
    j->exit = a->p;
    flags_to_c(a, RCX);
    x64_rm(a, true, X_STORE, R_LEFT, R_CPU, CPU(slice.left));
    returns_emit_exit(a);
    x64_ri(a, true, X_ADD, RSP, 8);
    for (unsigned i = ARRAY_LEN(saved); i-- > 0;)
        x64_pop(a, saved[i]);
    x64_ret(a);
    return start;
}

/* Calls one of jit_shared's functions that say where to go on (rax), with edx; leaves if they do not know. In between
 * flags and slice.left are C's. */
static void emit_where(struct jit *j, s32 function)
{
    struct x64 *a = &j->as;
    x64_rm(a, true, X_STORE, R_LEFT, R_CPU, CPU(slice.left));
    x64_ri(a, true, X_SUB, RSP, 8); /* aligned */
    x64_rr(a, true, X_LOAD, RDI, R_CONST);
    x64_rm(a, true, X_LEA, RSI, R_CPU, -CPU_BIAS);
    x64_op(a, false, 0xff, 0, 0, R_CONST, false); /* call [r13 + function] */
    x64_modrm(a, 2, R_CONST, function);
    x64_rm(a, true, X_LOAD, R_LEFT, R_CPU, CPU(slice.left));
    x64_rr(a, true, X_TEST, RAX, RAX);
    u8 *on = x64_jcc8(a, CC_NE);
    x64_rm(a, true, X_LOAD, RAX, R_CONST, (s32)offsetof(struct jit_shared, exit));
    x64_link(x64_jmp(a), j->exit);
    x64_here8(a, on);
    x64_rm(a, true, X_LOAD, R_INDEX, R_CONST, (s32)offsetof(struct jit_shared, index));
    x64_rm(a, true, X_LOAD, R_FT, R_CPU, CPU(ft));
    x64_ri(a, true, X_ADD, RSP, 8);
}

/* eax = offset in the page << 8 | instructions of the block from this one on: calls the exec function. Returns when
 * the block can go on, else resumes elsewhere or leaves. With registers: it
 * stores and loads them as x_maps() says, and does so many instructions in a row. */
static void emit_call(struct jit *j, bool registers)
{
    struct x64 *a = &j->as;
    u8 *leave[4], *again = NULL;
    s32 stores = (s32)offsetof(struct jit_shared, maps[0]), loads = (s32)offsetof(struct jit_shared, maps[1]),
        packed = (s32)offsetof(struct jit_shared, packed);
    *(registers ? &j->call_maps : &j->call) = a->p;
    if (registers) {
        x64_rm(a, true, X_STORE, RCX, R_CONST, stores);
        x64_rm(a, true, X_STORE, RDX, R_CONST, loads);
        x_moves(a, X_STORE, stores);
        again = a->p;
        x64_rm(a, false, X_STORE, RAX, R_CONST, packed);
    }
    flags_to_c(a, RDX);
    x64_rr8(a, false, X_MOVZX8, RCX, RAX);
    x64_shift(a, false, X_SHR, RAX, 8);
    x64_rm(a, true, X_LOAD, RDX, R_CPU, CPU(fetch_page));
    x64_rr(a, true, X_ADD, RDX, RAX);
    x64_rm(a, true, X_STORE, RDX, R_CPU, CPU(pc));
    x64_rr(a, true, X_ADD, R_LEFT, RCX);
    x64_rm(a, true, X_STORE, R_LEFT, R_CPU, CPU(slice.left));
    x64_rm(a, true, X_LOAD, RSI, R_CPU, CPU(fetch_code));
    x64_rmx(a, true, X_LEA, RSI, RSI, RAX, 2, (s32)offsetof(struct code_page, op));
    x64_rm(a, false, X_MOVZX16, RAX, RSI, (s32)offsetof(struct op, row));
    x64_push(a, RCX);
    x64_rm(a, true, X_LEA, RDI, R_CPU, -CPU_BIAS);
    x64_rm(a, true, X_LOAD, R8, R_CONST, (s32)offsetof(struct jit_shared, execs));
    x64_op(a, false, 0xff, 0, RAX, R8, false); /* call [r8 + rax * 8] */
    x64_sib(a, 2, R8, RAX, 3, 0);
    x64_pop(a, RCX);
    flags_from_c(a, RDX);
    x64_rm(a, true, X_LOAD, R_LEFT, R_CPU, CPU(slice.left));
    x64_rr(a, true, X_SUB, R_LEFT, RCX);
    leave[0] = x64_jcc(a, CC_S);
    x64_rr(a, false, X_TEST, RAX, RAX);
    leave[1] = x64_jcc(a, CC_NE);
    x64_rm(a, true, X_LOAD, RDX, R_CPU, CPU(pc));
    x64_ri(a, true, X_AND, RDX, -0x1000);
    x64_rm(a, true, X_CMP, RDX, R_CPU, CPU(fetch_page));
    leave[2] = x64_jcc(a, CC_NE);
    x64_mi(a, false, X_CMP, R_CONST, (s32)offsetof(struct jit_shared, stop), 0);
    leave[3] = x64_jcc(a, CC_NE);
    if (registers) {
        x64_rm(a, false, X_LOAD, RAX, R_CONST, packed);
        x64_ri(a, false, X_ADD, RAX, (4 << 8) - 1);   /* t_packed() of the next one */
        x64_op(a, false, 0x80, 0, 0, R_CONST, false); /* sub byte [stores + 7], 1 */
        x64_modrm(a, 5, R_CONST, stores + 7);
        x64_8(a, 1);
        x64_link(x64_jcc(a, CC_NE), again);
        x_moves(a, X_LOAD, loads);
    }
    x64_ret(a);
    for (unsigned i = 0; i < ARRAY_LEN(leave); i++)
        x64_here(a, leave[i]);
    x64_ri(a, true, X_SUB, RCX, 1);
    x64_rr(a, true, X_ADD, R_LEFT, RCX);
    x64_rr(a, false, X_LOAD, RDX, RAX);
    emit_where(j, (s32)offsetof(struct jit_shared, resume));
    x64_rm(a, true, X_STORE, RAX, RSP, 0);
    x64_ret(a); /* not a jump: the host shall predict the returns behind it */
}

/* Called in front of it in a block that was translated under another trap configuration than the current one: early in
 * a boot, for instance. Every STALE times its page's translations are dropped, so that it is translated anew. */
static void emit_guard(struct jit *j)
{
    struct x64 *a = &j->as;
    j->guard = a->p;
    x64_rm(a, true, X_LOAD, RDX, R_CPU, CPU(fetch_code));
    x64_mi(a, false, X_ADD, RDX, (s32)offsetof(struct code_page, jit_stale), 1);
    x64_test8_mi(a, RDX, (s32)offsetof(struct code_page, jit_stale), STALE - 1);
    u8 *on = x64_jcc8(a, CC_NE);
    x64_rm(a, true, X_STORE, RDX, R_CONST, (s32)offsetof(struct jit_shared, stale));
    x64_store_imm(a, false, R_CONST, (s32)offsetof(struct jit_shared, stop), 1);
    x64_here8(a, on);
    x64_ret(a);
}

/* eax as above: the slice does not reach to the block's end. */
static void emit_head(struct jit *j)
{
    struct x64 *a = &j->as;
    j->head = a->p;
    x64_rr8(a, false, X_MOVZX8, RCX, RAX);
    x64_shift(a, false, X_SHR, RAX, 8);
    x64_rr(a, true, X_ADD, R_LEFT, RCX);
    x64_rm(a, true, X_ADD, RAX, R_CPU, CPU(fetch_page));
    x64_rm(a, true, X_STORE, RAX, R_CPU, CPU(pc));
    x64_mov_imm(a, RAX, EXIT_HEAD);
    x64_link(x64_jmp(a), j->exit);
}

/* eax: offset in the page of the target, edx: offset in the arena of the displacement to patch. */
static void emit_link(struct jit *j)
{
    struct x64 *a = &j->as;
    j->link = a->p;
    x64_rm(a, true, X_ADD, RAX, R_CPU, CPU(fetch_page));
    x64_rm(a, true, X_STORE, RAX, R_CPU, CPU(pc));
    x64_rr(a, true, X_LOAD, RAX, RDX);
    x64_shift(a, true, X_SHL, RAX, 32);
    x64_ri(a, true, X_OR, RAX, EXIT_LINK);
    x64_link(x64_jmp(a), j->exit);
}

/* rax: VA of the target, anywhere; rdx = its code. Called, so that each indirect jump of the guest has a jump of its
 * own for the host to predict. */
static void emit_jump(struct jit *j, unsigned flavour)
{
    struct x64 *a = &j->as;
    u8 *here, *away[2];
    j->find[flavour] = a->p;
    x64_rr(a, true, X_LOAD, RCX, RAX);
    x64_rm(a, true, X_XOR, RCX, R_CPU, CPU(fetch_page));
    x64_rm(a, true, X_LOAD, RSI, R_CPU, CPU(fetch_code));
    x64_test_ri(a, true, RCX, ~0xffc);
    here = x64_jcc8(a, CC_E);
    x64_test_ri(a, false, RAX, 3);
    away[0] = x64_jcc(a, CC_NE);
    x64_rr(a, true, X_LOAD, RDX, RAX);
    x64_ri(a, true, X_AND, RDX, -0x1000);
    x64_fast_code(a, RCX, RAX);
    x64_fast_look(a, RCX, RDX, RDI, RSI);
    away[1] = x64_jcc(a, CC_A);
    x64_rm(a, true, X_STORE, RDX, R_CPU, CPU(fetch_page));
    x64_rm(a, true, X_STORE, RSI, R_CPU, CPU(fetch_code));
    x64_rm(a, false, X_STORE8, RDI, R_CPU, CPU(fetch_guarded));
    x64_here8(a, here);
    x64_rr(a, false, X_LOAD, RCX, RAX);
    x64_ri(a, false, X_AND, RCX, 0xffc);
    if (flavour) {
        x64_rm(a, true, X_LOAD, RDX, RSI, (s32)offsetof(struct code_page, jit));
        x64_rr(a, true, X_TEST, RDX, RDX);
        x64_link(x64_jcc(a, CC_E), j->miss);
        x64_rm(a, true, X_LOAD, RDX, RDX, (s32)(offsetof(struct jit_page, entry) + flavour * sizeof(u32 *)));
        x64_rr(a, true, X_TEST, RDX, RDX);
        x64_link(x64_jcc(a, CC_E), j->miss);
        x64_rmx(a, false, X_LOAD, RDX, RDX, RCX, 0, 0);
    } else {
        x64_rmx(a, false, X_LOAD, RDX, RSI, RCX, 0, (s32)offsetof(struct code_page, entry));
    }
    x64_rm(a, true, X_ADD, RDX, R_CONST, (s32)offsetof(struct jit_shared, arena));
    x64_ret(a);
    j->jump[flavour] = a->p;
    x64_link(x64_call(a), j->find[flavour]);
    x64_jmp_reg(a, RDX);
    x64_here(a, away[1]);
    x64_link(x64_jmp(a), j->fetch);
    x64_here(a, away[0]);
    x64_rm(a, true, X_STORE, RAX, R_CPU, CPU(pc));
    x64_mov_imm(a, RAX, EXIT_PAGE);
    x64_link(x64_jmp(a), j->exit);
}

/* Part of find[]: rax: VA of the target, whose page has no executable tag. */
static void emit_fetch(struct jit *j)
{
    struct x64 *a = &j->as;
    j->fetch = a->p;
    x64_rm(a, true, X_STORE, RAX, R_CPU, CPU(pc));
    flags_to_c(a, RCX); /* the fetch may take an exception */
    emit_where(j, (s32)offsetof(struct jit_shared, fetch));
    x64_rr(a, true, X_LOAD, RDX, RAX);
    x64_ret(a);
}

/* Folds the exceptions that MXCSR collected into FPSR (DE is nothing to Arm); they stay in MXCSR as well, which does
 * no harm, unless FPSR is going to be written. eax: FPSR. Clobbers ecx. */
static void emit_fp_fold(struct jit *j, bool clear)
{
    struct x64 *a = &j->as;
    s32 scratch = (s32)offsetof(struct jit_shared, mxcsr);
    j->fp_fold[clear] = a->p;
    x64_vex_rm(a, 1, 0, false, 0xae, 3, 0, R_CONST, scratch); /* vstmxcsr */
    x64_rm(a, false, X_LOAD, RAX, R_CONST, scratch);
    if (clear) {
        x64_rr(a, false, X_LOAD, RCX, RAX);
        x64_ri(a, false, X_AND, RCX, ~0x3f);
        x64_rm(a, false, X_STORE, RCX, R_CONST, scratch);
        x64_vex_rm(a, 1, 0, false, 0xae, 2, 0, R_CONST, scratch); /* vldmxcsr */
    }
    x64_pext_m(a, RAX, RAX, R_CONST, (s32)offsetof(struct jit_shared, mxcsr_mask));
    x64_rm(a, false, X_OR, RAX, R_CPU, CPU(fpsr));
    x64_rm(a, false, X_STORE, RAX, R_CPU, CPU(fpsr));
    x64_ret(a);
}

/* ---- floating point -------------------------------------------------------------------------- */

/* Between jit_page() and what it calls the host's MXCSR is the default; in generated code its rounding mode is FPCR's
 * and it collects exceptions. Exec functions leave it alone: their layers use no host floating point. */
enum { MXCSR_DEFAULT = 0x1f80 };

static void fp_enter(const struct cpu *c)
{
    static const u16 mode[4] = {0, 2 << 13, 1 << 13, 3 << 13}; /* nearest, up, down, zero */
    unsigned r = c->fpcr >> FPCR_RMODE_SHIFT & 3;
    if (r)
        __builtin_ia32_ldmxcsr(MXCSR_DEFAULT | mode[r]);
}

static void fp_leave(struct cpu *c)
{
    u32 m = __builtin_ia32_stmxcsr();
    if (m == MXCSR_DEFAULT)
        return;
    c->fpsr |= (m & 1) | (m >> 1 & 0x1e);
    __builtin_ia32_ldmxcsr(MXCSR_DEFAULT);
}

/* ---- life ------------------------------------------------------------------------------------ */

static u32 *take_entries(struct jit *j)
{
    u32 *e = j->free_entries;
    if (!e)
        e = malloc(CODE_SLOTS * sizeof *e);
    else
        memcpy(&j->free_entries, e, sizeof j->free_entries);
    CHECK(e);
    memset(e, 0, CODE_SLOTS * sizeof *e);
    return e;
}

static void drop_page(struct jit *j, struct code_page *p)
{
    struct jit_page *jp = p->jit;
    p->jit = NULL;
    p->jit_serial = 0;
    if (UNLIKELY(j->watch != NULL))
        j->watch->dropped++;
    if (jp->next)
        jp->next->prev = jp->prev;
    if (jp->prev)
        jp->prev->next = jp->next;
    else
        j->pages = jp->next;
    for (unsigned f = 0; f < FLAVOURS; f++)
        if (jp->entry[f]) {
            memcpy(jp->entry[f], &j->free_entries, sizeof j->free_entries);
            j->free_entries = jp->entry[f];
        }
    memset(p->entry, 0, sizeof p->entry);
    version_drop(jp);
    free(jp);
}

static void page_written(struct jit *j, struct code_page *p, u32 first, u32 last)
{
    for (u32 i = first; i <= last; i++)
        if (p->jit->covered[i / 64] >> i % 64 & 1) {
            j->shared.stop = 1;
            drop_page(j, p);
            return;
        }
}

static void jit_free(struct jit *j)
{
    while (j->pages)
        drop_page(j, j->pages->page);
    arena_unmap(j);
    while (j->free_entries)
        free(take_entries(j));
    for (unsigned i = 0; i < PARTS; i++)
        free(j->link_states[i].state);
    free(j->emitters);
    free(j);
}

/* flags: of all rows */
static void add_rows(struct jit *j, const struct emit_row *r, unsigned flags)
{
    for (; r->exec; r++)
        for (unsigned i = 0; i < a64_row_count; i++)
            if (a64_execs[i] == r->exec) {
                j->emitters[i] = r->e;
                j->emitters[i].flags |= (u16)flags;
            }
}

/* Which fields are general registers and which of them are written, by the letters of the rows' pictures (cpu/a64.h);
 * what else is asked of rows. */
static void note_operands(struct jit *j)
{
    for (unsigned i = 0; i < a64_row_count; i++) {
        const struct a64_row *r = &a64_rows[i];
        struct emitter *e = &j->emitters[i];
        bool v = r->flags & A64_V;
        e->row = (u8)(t_access(e) | (v ? ROW_VECTOR : 0) | (r->flags & A64_BRANCH ? ROW_BRANCH : 0) |
                      (r->imm == IMM_SYSREG ? ROW_SYSREG : 0) | (a64_execs[i] == exec_b ? ROW_B : 0));
        bool last = e->flags & EMIT_END || (e->row & ROW_BRANCH && !(e->flags & EMIT_BRANCH));
        e->flags |= (u16)((e->emit ? 0 : EMIT_EXIT | EMIT_CALL) | (last ? EMIT_LAST : 0) |
                          (e->row & ROW_SYSREG ? EMIT_SYSREG : 0));
        size_t n = strlen(r->name);
        bool base = n > 4 && (!strcmp(r->name + n - 4, "_pre") || strstr(r->name, "_post"));
        for (const char *s = r->picture ? r->picture : ""; *s; s++)
            switch (*s) {
            case 'd': e->fields |= !v, e->writes |= !v; break;
            case 'D':
            case 'e': e->fields |= 1, e->writes |= 1; break;
            case 't': e->fields |= !v; break;
            case 'n': e->fields |= v ? 0 : 2; break;
            case 'N': e->fields |= 2; break;
            case 'p': e->fields |= 2, e->writes |= base ? 2 : 0; break;
            case 'm': e->fields |= v ? 0 : 4; break;
            case 'M': e->fields |= 4; break;
            case 'a': e->fields |= v ? 0 : 8; break;
            case 'b':
            case 'B': e->fields |= 8, e->writes |= 8; break;
            default: break;
            }
    }
}

static void host_features(struct jit *j)
{
    unsigned a, b = 0, c, d;
    j->has_aes = __builtin_cpu_supports("aes");
    j->has_pclmul = __builtin_cpu_supports("pclmul");
    j->has_sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) && b >> 29 & 1;
}

static void take_part(struct jit *j, unsigned part)
{
    u8 *start = j->rw + part * (size_t)PART_BYTES;
    j->part = part;
    j->as.p = part ? start : j->first;
    j->hot_end = j->slow.p = start + PART_HOT;
    j->slow_end = start + PART_BYTES;
}

static struct jit *jit_new(const struct cpu *c)
{
    struct code_cache *code = c->code;
    struct jit *j = calloc(1, sizeof *j);
    CHECK(j);
    j->code = code;
    j->cold = code->jit_eager ? 0 : COLD;
    j->parallel = code->parallel;
    j->shared.execs = a64_execs;
    j->shared.resume = jit_resume;
    j->shared.fetch = jit_fetch;
    j->shared.flag_mask = 0xc101;
    j->shared.monitor_mask = 0xffff;
    j->shared.flag_mask_fp = 0x4500;
    j->shared.mxcsr_mask = 0x3d;
    vector_consts(j->shared.vector);
    mem_bounds(j->shared.bounds);
    host_features(j);
    j->guards = cpu_has(c, FEAT_BTI);
    j->shared.ram_base = bus_ram_base(code->bus);
    for (u32 i = 0; i < 8; i++) { /* PEXT gives C, P, Z from bit 0 up */
        u32 equal = 6, unordered = 3, below = 8, above = 2;
        j->shared.flags_fp[0][i] = flags_word(i & 2 ? unordered : i & 4 ? equal : i & 1 ? below : above);
        j->shared.flags_fp[1][i] = flags_word(i & 2 ? unordered : i & 4 ? equal : i & 1 ? above : below);
    }
    j->emitters = calloc(a64_row_count, sizeof *j->emitters);
    CHECK(j->emitters);
    add_rows(j, emit_int_rows, EMIT_REGS);
    add_rows(j, emit_int_more_rows, EMIT_REGS);
    add_rows(j, emit_mem_rows, 0);
    add_rows(j, emit_atomic_rows, 0);
    add_rows(j, emit_branch_rows, 0);
    add_rows(j, emit_sys_rows, 0);
    add_rows(j, emit_exception_rows, 0);
    add_rows(j, emit_simd_rows, EMIT_REGS);
    add_rows(j, emit_pauth_rows, 0);
    add_rows(j, emit_simd_mem_rows, EMIT_REGS);
    add_rows(j, emit_simd_more_rows, EMIT_REGS);
    add_rows(j, emit_simd_shift_rows, EMIT_REGS);
    add_rows(j, emit_simd_wide_rows, EMIT_REGS);
    add_rows(j, emit_fp_rows, EMIT_REGS);
    add_rows(j, emit_fp_vector_rows, EMIT_REGS);
    add_rows(j, emit_fp_convert_rows, EMIT_REGS);
    add_rows(j, emit_crypto_rows, EMIT_REGS);
    if (j->parallel)
        add_rows(j, emit_par_rows, 0);
    note_operands(j);
    arena_map(j);
    j->as.p = j->rw;
    u8 *miss = emit_miss(j), *enter = emit_enter(j);
    x64_link(miss, j->exit);
    emit_call(j, false);
    emit_call(j, true);
    emit_guard(j);
    emit_head(j);
    emit_fetch(j);
    emit_link(j);
    j->shared.arena = j->rx;
    jit_emit_pauth(j, c);
    jit_emit_exceptions(j);
    emit_fp_fold(j, false);
    emit_fp_fold(j, true);
    for (unsigned f = 0; f < FLAVOURS; f++)
        emit_jump(j, f);
    for (unsigned f = 0; f < FLAVOUR_BTYPE; f++)
        far_emit_shared(j, f);
    returns_emit_shared(j);
    indirect_emit_shared(j);
    j->first = j->as.p;
    j->hot_count = 1;
    take_part(j, 0);
    j->watch = code->jit_watch;
    if (j->watch)
        watch_made(j, NULL, JIT_SHARED, NULL, j->rw, NULL, 0);
    void *fn = j->rx + (enter - j->rw);
    memcpy(&j->enter, &fn, sizeof fn);
    code->jit = j;
    code->jit_written = page_written;
    code->jit_drop = drop_page;
    code->jit_free = jit_free;
    return j;
}

/* Begins the next part: what has code there loses all its translations. Called where no jump waits to be linked. */
static void next_part(struct jit *j)
{
    take_part(j, (j->part + 1) % PARTS);
    arena_part(j);
    j->far_count = j->indirect_count = 0;
    j->hot_count = j->part ? 0 : 1;
    j->link_states[j->part].count = 0;
    for (struct jit_page *jp = j->pages, *next; jp; jp = next) {
        next = jp->next;
        if (jp->parts >> j->part & 1)
            drop_page(j, jp->page);
    }
    if (j->watch)
        j->watch->evicted++;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static struct jit_page *page_of(struct jit *j, struct code_page *p)
{
    if (p->jit)
        return p->jit;
    struct jit_page *jp = calloc(1, sizeof *jp);
    CHECK(jp);
    jp->page = p;
    jp->next = j->pages;
    if (j->pages)
        j->pages->prev = jp;
    j->pages = jp;
    p->jit_serial = ++j->serial;
    if (UNLIKELY(j->watch != NULL))
        j->watch->pages++;
    CHECK(j->serial);
    return p->jit = jp;
}

/* The block at slot, entry's, was interpreted often enough. Not inlined: find() is mostly asked for other blocks. */
static __attribute__((noinline)) const u8 *make(struct jit *j, struct cpu *c, struct code_page *p, unsigned flavour,
                                                unsigned slot, u32 *entry)
{
    page_of(j, p);
    *entry = (u32)(jit_translate(j, c, p, flavour, slot, NULL, 0) - j->rw);
    arena_bring(j);
    return j->rx + *entry;
}

static __attribute__((noinline)) u32 *new_entries(struct jit *j, struct code_page *p, unsigned flavour)
{
    return page_of(j, p)->entry[flavour] = take_entries(j);
}

/* The block at pc, which is in p; NULL: it is the interpreter's once more. */
static const u8 *find(struct jit *j, struct cpu *c, struct code_page *p, unsigned flavour)
{
    unsigned slot = (unsigned)(c->pc >> 2) & (CODE_SLOTS - 1);
    __builtin_prefetch(&p->op[slot]); /* cold blocks wait for little but these two lines */
    u32 *entries = code_entries(p, flavour);
    if (UNLIKELY(!entries))
        entries = new_entries(j, p, flavour);
    u32 *entry = entries + slot;
    if (entry_cold(*entry)) {
        if (*entry < j->cold) {
            ++*entry;
            return NULL;
        }
        return make(j, c, p, flavour, slot, entry);
    }
    return j->rx + *entry;
}

/* Interprets the block at pc. The last time it is translated right behind, when what the translator looks at has just
 * been looked at: next time the host's caches will have lost it. */
static bool interpret(struct jit *j, struct cpu *c, unsigned flavour)
{
    struct code_page *p = c->fetch_code;
    const u64 page = c->fetch_page;
    unsigned slot = (unsigned)(c->pc >> 2) & (CODE_SLOTS - 1);
    bool goes_on = interp_block(c);
    if (c->fetch_page != page || c->fetch_code != p || jit_flavour(c) != flavour % FLAVOUR_BTYPE)
        return goes_on;
    u32 *entries = code_entries(p, flavour);
    if (entries && entries[slot] == j->cold)
        make(j, c, p, flavour, slot, entries + slot);
    return goes_on;
}

/* A direct jump to another page was executed often: links it, if the fast table has the page. */
static void link_far(struct jit *j, struct cpu *c, u32 index, unsigned flavour)
{
    bool guarded;
    struct code_page *p = fast_code(c->ft, c->pc, &guarded);
    const u8 *code = p ? find(j, c, p, flavour) : NULL;
    if (code)
        far_link(j, c, index, p, guarded, j->rw + (code - j->rx), flavour);
}

/* No piece of an indirect jump went to pc, often. */
static void link_indirect(struct jit *j, struct cpu *c, u32 index, unsigned flavour)
{
    bool guarded = false;
    struct code_page *p = c->pc & 3 ? NULL : fast_code(c->ft, c->pc, &guarded);
    const u8 *code = p ? find(j, c, p, flavour) : NULL;
    indirect_link(j, c, index, p, guarded, code ? j->rw + (code - j->rx) : NULL);
}

/* A jump within the page leads to the block at pc, whose translation is code. */
static void link_near(struct jit *j, struct cpu *c, u32 link, const u8 *code, unsigned flavour)
{
    const u8 *to = j->rw + (code - j->rx);
    u32 patch = version_link(j, c, link, flavour, &to);
    x64_link(j->rw + patch, to);
    if (UNLIKELY(j->watch != NULL))
        j->watch->links++;
}

/* Some block of a page met another trap configuration often. */
static void drop_stale(struct jit *j, struct cpu *c)
{
    struct code_page *p = j->shared.stale;
    j->shared.stale = NULL;
    if (p == c->fetch_code && p->jit && p->jit_stale <= STALE * STALE_DROPS)
        drop_page(j, p);
}

/* Runs from pc within the latched page until something has to be looked at: what interp_page() does. */
static void jit_page(struct jit *j, struct cpu *c)
{
    u32 link = 0;
    for (;;) {
        if (UNLIKELY(!jit_in_page(c))) {
            interp_page(c);
            return;
        }
        if (UNLIKELY(j->hot_end - j->as.p < 4 * BLOCK_BYTES || j->slow_end - j->slow.p < 4 * BLOCK_BYTES) && !link)
            next_part(j);
        unsigned flavour = jit_flavour(c), entry = flavour | c->ps.btype * FLAVOUR_BTYPE;
        const u8 *code = find(j, c, c->fetch_code, entry);
        if (!code) {
            link = 0;
            if (UNLIKELY(j->watch != NULL))
                j->watch->cold++;
            if (c->slice.left <= 0 || !interpret(j, c, entry))
                return;
            continue;
        }
        if (link)
            link_near(j, c, link, code, flavour);
        link = 0;
        j->shared.stop = 0;
        j->shared.fpcr = c->fpcr;
        fp_enter(c);
        u64 r = j->enter((u8 *)c + CPU_BIAS, code, c->ft, jit_index(c), &j->shared);
        fp_leave(c);
        flavour = jit_flavour(c); /* it may have resumed in another context */
        if (UNLIKELY(j->shared.stale != NULL))
            drop_stale(j, c);
        if (UNLIKELY(j->watch != NULL))
            j->watch->exits[(r & 0xff) % JIT_EXITS]++;
        switch (r & 0xff) {
        case EXIT_NEXT: /* straight on; what was executed has cleared BTYPE */
            c->pc += 4;
            c->ps.btype = 0;
            if (c->slice.left <= 0 || (c->pc & 0xfff) == 0)
                return;
            break;
        case EXIT_JUMP:
            if (c->slice.left <= 0 || c->ps.btype || !jit_in_page(c))
                return;
            break;
        case EXIT_LOOK: return;
        case EXIT_HEAD:
            if (c->slice.left > 0 && !cpu_wanted(c))
                interp_page(c);
            return;
        case EXIT_LINK: link = (u32)(r >> 32); break;
        case EXIT_PAGE: c->pc = context_branch_addr(c, c->pc); return;
        case EXIT_MISS: break;
        case EXIT_FAR:
            link_far(j, c, (u32)(r >> 32), flavour);
            c->pc = context_branch_addr(c, c->pc);
            return;
        case EXIT_INDIRECT:
            link_indirect(j, c, (u32)(r >> 32), flavour | c->ps.btype * FLAVOUR_BTYPE);
            c->pc = context_branch_addr(c, c->pc);
            return;
        default: CHECK_NEVER("exit of generated code");
        }
    }
}

static void jit_run(struct cpu *c)
{
    struct jit *j = c->code->jit;
    if (UNLIKELY(!j))
        j = jit_new(c);
    while (cpu_continue(c))
        if (interp_look(c)) { /* deals with pages with breakpoints itself; they have no executable tags */
            if (UNLIKELY(c->ps.nrw))
                interp_page(c); /* AArch32 is interpreted */
            else
                jit_page(j, c);
        }
}

const struct engine engine_jit = {.name = "jit", .run = jit_run};
