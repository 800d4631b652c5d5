/* The AArch32 interpreter: fetches, decodes and executes A32 and T32 (DDI0487 G1, F2.3 for conditions).
 *
 * Decoded instructions are remembered by their word, so nothing has to be forgotten when memory changes. Both engines
 * run AArch32 through this file.
 * Invariants: as interp.c: every instruction, also one whose condition fails or that takes an exception, takes 1 from
 * slice.left; x[REG_PC] is made before each instruction. */
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "cpu/aa32.h"
#include "cpu/code.h"
#include "cpu/exception.h"
#include "cpu/exec.h"
#include "cpu/exec_a32.h"
#include "cpu/exec_flags.h"
#include "cpu/mem_impl.h"

enum { MEMO_SLOTS = 8192 };

struct aa32 {
    struct aa32_decoder *decoder;
    struct memo {
        u64 key; /* isa + 1 and the word */
        struct aa32_insn insn;
    } memo[MEMO_SLOTS];
    const struct aa32_insn *now; /* what is being executed, NULL: nothing */
};

static a64_exec *const a32_execs[] = {
    exec_undefined,
#define A64(name, picture, feat, imm, flags, fn) exec_##fn,
#include "cpu/a32_int.def"
#define SIMD(name, picture, feat, a, b, kind) A64(name, picture, feat, IMM_NEON, A64_V | SIMD_UNCOND(picture), a32_simd)
#include "cpu/a32_simd.def"
#undef SIMD
#undef A64
};
static a64_exec *const t32_execs[] = {
    exec_undefined,
#define A64(name, picture, feat, imm, flags, fn) exec_##fn,
#include "cpu/t32_int.def"
#undef A64
};
static a64_exec *const t16_execs[] = {
    exec_undefined,
#define A64(name, picture, feat, imm, flags, fn) exec_##fn,
#include "cpu/t16_int.def"
#undef A64
};
static a64_exec *const *const execs[] = {[ISA_A32] = a32_execs, [ISA_T32] = t32_execs, [ISA_T16] = t16_execs};

static struct aa32 *state(struct cpu *c)
{
    if (UNLIKELY(!c->aa32)) {
        c->aa32 = calloc(1, sizeof *c->aa32);
        CHECK(c->aa32);
        c->aa32->decoder = aa32_decoder_new(&c->feat);
    }
    return c->aa32;
}

struct aa32_decoder *aa32_decoder_of(const struct cpu *c) { return c->aa32->decoder; }

void aa32_free(struct cpu *c)
{
    if (c->aa32)
        aa32_decoder_free(c->aa32->decoder);
    free(c->aa32);
    c->aa32 = NULL;
}

static const struct aa32_insn *lookup(struct cpu *c, enum aa32_isa isa, u32 word)
{
    u64 key = (u64)(isa + 1) << 32 | word;
    struct memo *m = &c->aa32->memo[(word * 0x9e3779b1u >> 16 ^ isa) % MEMO_SLOTS];
    if (UNLIKELY(m->key != key)) {
        aa32_decode(c, isa, word, &m->insn);
        m->key = key;
    }
    return &m->insn;
}

/* The half-word at va in the page after the latched one. False: the fetch took an exception. */
static bool fetch_next_page(struct cpu *c, u64 va, u16 *half)
{
    struct fault fault;
    const struct tlb_entry *e = mem_translate(c, mem_ctx(c, 0), va, NEED_X, &fault);
    if (e && e->page == TLB_NO_PAGE) {
        fault = (struct fault){.type = FAULT_EXTERNAL, .stage = 1, .va = va};
        e = NULL;
    }
    if (!e) {
        exc_insn_abort(c, &fault);
        return false;
    }
    memcpy(half, bus_page_ptr(c->env->bus, e->page) + (va & 0xfff), 2);
    return true;
}

/* The instruction at pc in the latched page. NULL: the fetch took an exception. */
static const struct aa32_insn *fetch(struct cpu *c)
{
    const u8 *p = c->fetch_code->bytes + (c->pc & 0xfff);
    if (!c->ps.t) {
        u32 word;
        memcpy(&word, p, 4);
        return lookup(c, ISA_A32, word);
    }
    u16 first, second;
    memcpy(&first, p, 2);
    if (first < 0xe800)
        return lookup(c, ISA_T16, first);
    if (LIKELY((c->pc & 0xfff) != 0xffe)) {
        memcpy(&second, p + 2, 2);
    } else {
        c->insn_len = 4;
        if (!fetch_next_page(c, (u32)(c->pc + 2), &second))
            return NULL;
    }
    return lookup(c, ISA_T32, (u32)first << 16 | second);
}

bool aa32_current(struct cpu *c, struct aa32_insn *out)
{
    struct aa32 *s = state(c);
    if (s->now) {
        *out = *s->now;
        return true;
    }
    u32 pc = (u32)c->pc, word = 0;
    u16 half[2];
    if (!mem_debug_read(c, pc, half, c->ps.t ? 2 : 4))
        return false;
    enum aa32_isa isa = c->ps.t ? ISA_T16 : ISA_A32;
    word = c->ps.t ? half[0] : (u32)half[1] << 16 | half[0];
    if (c->ps.t && half[0] >= 0xe800) {
        if (!mem_debug_read(c, pc + 2, &half[1], 2))
            return false;
        isa = ISA_T32;
        word = (u32)half[0] << 16 | half[1];
    }
    aa32_decode(c, isa, word, out);
    return true;
}

/* ISS of trapped instructions: CV = 1 and the condition (AL for unconditional ones). */
u32 aa32_cond_iss(const struct cpu *c)
{
    unsigned cond = 14;
    if (c->ps.t && aa32_in_it(c))
        cond = c->ps.it >> 4;
    else if (c->aa32 && c->aa32->now)
        cond = c->aa32->now->cond;
    return 1u << 24 | cond << 20;
}

void aa32_it_advance(struct cpu *c)
{
    u8 it = c->ps.it;
    c->ps.it = (it & 7) == 0 ? 0 : (u8)((it & 0xe0) | (it << 1 & 0x1f));
}

/* Nothing but register arithmetic, or a branch? */
static bool plain(const struct aa32_insn *i)
{
    const struct a64_row *r = aa32_row(i);
    bool branch = r->imm == IMM_BRANCH || r->imm == IMM_TBC || r->imm == IMM_SEXT1;
    return !(r->flags & (A64_LOAD | A64_STORE | A64_V | A64_SYNC)) && (branch || !(r->flags & A64_BRANCH));
}

/* Executes insn at pc. */
static enum step execute(struct cpu *c, const struct aa32_insn *i)
{
    struct aa32 *s = c->aa32;
    unsigned cond = i->cond;
    c->insn_len = i->len;
    if (c->ps.t && aa32_in_it(c))
        cond = c->ps.it >> 4;
    if (!cond_holds(c->nzcv, cond)) {
        if (c->ps.it)
            aa32_it_advance(c);
        return STEP_NEXT;
    }
    c->x[REG_PC] = (u32)(c->pc + (c->ps.t ? 4 : 8));
    bool it = c->ps.it != 0;
    s->now = i;
    if (UNLIKELY(c->monitor.simple) && !plain(i)) /* 2 behind a load exclusive, 1 in the store that follows */
        c->monitor.simple--;
    u64 taken = c->exceptions;
    c->psr_restored = false;
    enum step step = execs[i->isa][i->op.row](c, &i->op);
    s->now = NULL;
    if (it && c->exceptions == taken && !c->psr_restored)
        aa32_it_advance(c);
    return step;
}

void aa32_one(struct cpu *c)
{
    state(c);
    const struct aa32_insn *i = fetch(c);
    if (!i)
        return;
    enum step s = execute(c, i);
    if (s != STEP_JUMP)
        c->pc = (u32)(c->pc + i->len);
    c->irq_check |= s == STEP_SYNC;
}

void aa32_page(struct cpu *c)
{
    state(c);
    do {
        const struct aa32_insn *i = fetch(c);
        if (!i) {
            c->slice.left--;
            return;
        }
        enum step s = execute(c, i);
        c->slice.left--;
        if (s != STEP_JUMP)
            c->pc = (u32)(c->pc + i->len);
        if (s == STEP_SYNC) {
            c->irq_check = true;
            return;
        }
        if (((c->pc ^ c->fetch_page) & ~0xfffull) != 0 || !c->ps.nrw || ((c->pc & 3) && !c->ps.t))
            return;
    } while (LIKELY(c->slice.left > 0 && !cpu_wanted(c)));
}
