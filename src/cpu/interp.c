/* The interpreter: executes decoded ops page by page.
 *
 * Straight-line code runs in one loop over the slots of a decoded page (code.h).  The loop is left,
 * and everything that can have changed is looked at (interrupts, contexts, illegal state, branch
 * targets, the fetch page), when an instruction says STEP_SYNC, when a jump leaves the latched page,
 * and when the slice is used up.  Whoever changes one of these in another way drops the fetch latch
 * (fetch_page = ~0) or calls cpu_attend().
 *
 * Invariants: every executed instruction, also one that takes an exception, takes 1 from slice.left;
 * slots beyond the page's end have row A64_ROW_FETCH forever. */
#include "core/check.h"
#include "cpu/aa32.h"
#include "cpu/code.h"
#include "cpu/context.h"
#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "cpu/exception.h"
#include "cpu/exec.h"
#include "cpu/exec_util.h"
#include "cpu/mem.h"
#include "cpu/pmu.h"

a64_exec *const a64_execs[] = {
    exec_fetch,
    exec_undefined,
#define A64(name, picture, feat, imm, flags, fn) exec_##fn,
#include "cpu/a64.def"
#undef A64
};

enum step exec_undefined(struct cpu *c, const struct op *o)
{
    (void)o;
    return exc_undefined(c);
}

/* A slot that is not decoded, or the one after a page's last.  Straight-line code goes on in the page that was
 * latched even if the latch was dropped meanwhile: when a page is fetched anew must not depend on what
 * happens to be decoded. */
enum step exec_fetch(struct cpu *c, const struct op *o)
{
    struct code_page *p = c->fetch_code;
    u64 i = (u64)(o - p->op);
    if (i == CODE_SLOTS) {
        c->slice.left++; /* this was no instruction; the jump makes the engine find the page */
        return STEP_JUMP;
    }
    const struct op *slot = code_decode(c->code, c->decoder, p, (u32)i);
    return a64_execs[slot->row](c, slot);
}

struct op cpu_current_op(struct cpu *c)
{
    if (((c->pc ^ c->fetch_page) & ~0xffcull) == 0) {
        const struct op *o = &c->fetch_code->op[c->pc >> 2 & (CODE_SLOTS - 1)];
        if (o->row != A64_ROW_FETCH)
            return *o;
    }
    u32 word;
    if (!mem_debug_read(c, c->pc, &word, sizeof word))
        return (struct op){.row = A64_ROW_UNDEFINED};
    return decode(c->decoder, word);
}

/* Finds the decoded page of pc. False: the fetch took an exception. */
static bool latch_page(struct cpu *c)
{
    u64 page = c->pc & ~0xfffull;
    const struct fast *ft = c->ft;
    bool guarded;
    struct code_page *code = fast_code(ft, page, &guarded);
    if (LIKELY(code != NULL)) {
        c->fetch_page = page;
        c->fetch_code = code;
        c->fetch_guarded = guarded;
        return true;
    }
    return mem_fetch_page(c);
}

/* The instruction at the target of an indirect branch with BTYPE set: checks it and executes it;
 * BTYPE is cleared by its execution, not by an exception before it completes. */
static enum step execute_target(struct cpu *c, const struct op *o)
{
    struct op cur = cpu_current_op(c);
    const struct a64_row *row = &a64_rows[cur.row];
    if (c->fetch_guarded) {
        unsigned btype = c->ps.btype;
        bool pad = (row->flags & A64_GUARD) != 0;
        if (pad && row->feat == FEAT_BTI) /* bit 0 of the hint's kind admits calls, bit 1 jumps */
            pad = btype == 1 ? cur.x != 0 : (cur.x & (btype == 2 ? 1 : 2)) != 0;
        else if (pad && row->feat == FEAT_PAuth && btype == 3) /* PACIASP, PACIBSP */
            pad = !(exec_sctlr(c) & (c->ps.el == 0 ? SCTLR_BT0 : SCTLR_BT1));
        if (!pad)
            return exc_bti(c);
    }
    if (row->flags & A64_BRANCH)
        c->ps.btype = 0; /* indirect ones set it anew */
    enum step s = a64_execs[o->row](c, o);
    if (s != STEP_JUMP)
        c->ps.btype = 0;
    return s;
}

/* From pc within the latched page until something has to be looked at (false) or, of a single block, to its jump within
 * the page. */
static inline bool run_page(struct cpu *c, bool block)
{
    const struct op *o = &c->fetch_code->op[c->pc >> 2 & (CODE_SLOTS - 1)];
    enum step s;
    c->monitor.simple = 0;
    if (UNLIKELY(c->ps.btype)) {
        s = execute_target(c, o);
        goto executed;
    }
    for (;;) {
        s = a64_execs[o->row](c, o);
    executed:
        c->slice.left--;
        if (LIKELY(s == STEP_NEXT)) {
            c->pc += 4;
            o++;
        } else if (s == STEP_JUMP) {
            if (((c->pc ^ c->fetch_page) & ~0xffcull) != 0 || c->ps.btype || cpu_wanted(c))
                return false;
            if (block)
                return c->slice.left > 0;
            c->monitor.simple = 0;
            o = &c->fetch_code->op[c->pc >> 2 & (CODE_SLOTS - 1)];
        } else {
            c->pc += 4;
            c->irq_check = true;
            return false;
        }
        if (UNLIKELY(c->slice.left <= 0))
            return false;
    }
}

void interp_page(struct cpu *c)
{
    if (UNLIKELY(c->ps.nrw))
        aa32_page(c);
    else
        run_page(c, false);
}

bool interp_block(struct cpu *c) { return run_page(c, true); }

/* An exception takes the place of the instruction at pc. */
static bool instead(struct cpu *c)
{
    if (UNLIKELY(c->pc & 3) && !c->ps.t)
        exc_pc_alignment(c, c->pc);
    else if (UNLIKELY(c->ps.il))
        exc_illegal_state(c);
    else
        return false;
    return true;
}

/* Executes one instruction, or takes the exception that comes instead. Time is that of interp_page(); a breakpoint
 * takes none. */
static void run_one(struct cpu *c)
{
    c->monitor.simple = 0;
    if (UNLIKELY(c->pc & 3) && !c->ps.t) {
        exc_pc_alignment(c, c->pc);
    } else if (((c->pc ^ c->fetch_page) & ~0xfffull) == 0 || latch_page(c)) {
        if (UNLIKELY(c->armed.breaks) && debug_breakpoint(c))
            return;
        if (UNLIKELY(c->ps.il)) {
            exc_illegal_state(c);
        } else if (UNLIKELY(c->ps.nrw)) {
            aa32_one(c);
        } else {
            const struct op *o = &c->fetch_code->op[c->pc >> 2 & (CODE_SLOTS - 1)];
            u64 before = c->exceptions;
            bool exact = c->pmu_exact;
            u32 counting = exact ? pmu_counting(c) : 0;
            struct op now = exact ? cpu_current_op(c) : *o;
            enum step s = c->ps.btype ? execute_target(c, o) : a64_execs[o->row](c, o);
            if (exact && c->exceptions == before)
                pmu_retired(c, &now, s == STEP_JUMP, counting);
            if (s != STEP_JUMP)
                c->pc += 4;
            c->irq_check |= s == STEP_SYNC;
        }
    }
    c->slice.left--;
}

/* Software step is active (DDI0487 D2.12): takes the exception or executes one instruction. */
static void run_stepped(struct cpu *c)
{
    static const u16 esr[] = {0, ESR_EL1, ESR_EL2, ESR_EL3}, spsr[] = {0, SPSR_EL1, SPSR_EL2, SPSR_EL3};
    unsigned stepped = c->stepped;
    c->stepped = STEPPED_NOTHING;
    if (!c->ps.ss) {
        debug_step_exception(c, stepped);
        return;
    }
    const char *name = c->ps.nrw ? "" : a64_rows[cpu_current_op(c).row].name;
    u64 before = c->exceptions;
    run_one(c);
    if (c->exceptions != before) { /* SSAdvance() before SVC, HVC and SMC: they are done when taken */
        unsigned ec = (unsigned)(c->sys[esr[c->ps.el]] >> 26);
        if (ec == EC_SVC64 || ec == EC_SVC32 || ec == EC_HVC64 || (ec == EC_SMC64 && c->ps.el == 3))
            c->sys[spsr[c->ps.el]] &= ~(1ull << 21);
    } else if (strncmp(name, "ERET", 4)) {
        c->ps.ss = false;
        bool exclusive = !strncmp(name, "LDX", 3) || !strncmp(name, "LDAX", 4);
        c->stepped = exclusive ? STEPPED_EXCLUSIVE : STEPPED_INSN;
    }
}

/* Software step, a page with breakpoints, or counters that count instructions by what they do: the instruction at pc is
 * dealt with. */
static bool run_debugged(struct cpu *c)
{
    if (debug_step_active(c))
        run_stepped(c);
    else if (c->pmu_exact || debug_break_page(c, c->pc))
        run_one(c);
    else
        return false;
    return true;
}

bool interp_look(struct cpu *c)
{
    if (c->irq_check) {
        c->irq_check = false;
        if (exc_interrupts(c))
            return false;
    }
    if (c->ctx_dirty)
        context_update(c);
    if (UNLIKELY((c->sys[MDSCR_EL1] & (MDSCR_SS | MDSCR_MDE)) || c->pmu_exact) && run_debugged(c))
        return false;
    if (instead(c) || (((c->pc ^ c->fetch_page) & ~0xfffull) != 0 && !latch_page(c))) {
        c->slice.left--;
        return false;
    }
    return true;
}

static void interp_run(struct cpu *c)
{
    while (cpu_continue(c))
        if (interp_look(c))
            interp_page(c);
}

const struct engine engine_interp = {.name = "interp", .run = interp_run};
