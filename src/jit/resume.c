/* Behind an exec function that jumped or asks the engine to look: what the loops in jit.c and interp_look() would do,
 * as long as nothing happens there; then on in generated code.
 *
 * Invariant: each step here is one of interp_look(), in its order, and giving up at any of them leaves a state from
 * which the loop starts over with the same outcome. */
#include "core/bits.h"
#include "cpu/context.h"
#include "cpu/fields.h"
#include "cpu/mem.h"
#include "jit/internal.h"

/* Nothing in interp_look() but the fetch page has work. */
static bool quiet(struct cpu *c)
{
    if (c->run != CPU_RUNNING || !slice_continue(&c->slice))
        return false;
    if (c->irq_check) {
        if (cpu_get_input(c, CPU_IRQ) || cpu_get_input(c, CPU_FIQ) || cpu_get_input(c, CPU_VIRQ) ||
            cpu_get_input(c, CPU_VFIQ) || cpu_get_input(c, CPU_SERROR) || (c->hcr & (HCR_VSE | HCR_VI | HCR_VF)))
            return false;
        c->irq_check = false;
    }
    if (c->ctx_dirty)
        context_update(c);
    return !(c->sys[MDSCR_EL1] & (MDSCR_SS | MDSCR_MDE)) && !c->pmu_exact && !(c->pc & 3) && !c->ps.il && !c->ps.nrw;
}

static bool latch(struct cpu *c)
{
    const struct fast *ft = c->ft;
    u64 page = c->pc & ~0xfffull;
    if (page == c->fetch_page)
        return true;
    bool guarded;
    struct code_page *code = fast_code(ft, page, &guarded);
    if (!code)
        return false;
    c->fetch_page = page;
    c->fetch_code = code;
    c->fetch_guarded = guarded;
    return true;
}

/* The block at pc, of the latched page; NULL: it is not translated. */
static const u8 *translation(const struct jit *j, const struct cpu *c, unsigned flavour)
{
    const u32 *entries = code_entries(c->fetch_code, flavour);
    u32 entry = entries ? entries[c->pc >> 2 & (CODE_SLOTS - 1)] : 0;
    return LIKELY(!entry_cold(entry)) ? j->rx + entry : NULL;
}

const u8 *jit_fetch(struct jit_shared *shared, struct cpu *c)
{
    const struct jit *j = (struct jit *)(void *)shared; /* its first member */
    c->pc = context_branch_addr(c, c->pc);
    shared->exit = EXIT_LOOK;
    if (j->parallel || c->armed.breaks || !quiet(c))
        return NULL;
    if (!latch(c) && !mem_fetch_page(c)) { /* that took an exception, which is an instruction of the slice */
        c->slice.left--;
        return NULL;
    }
    if (shared->stop)
        return NULL;
    shared->index = jit_index(c);
    return translation(j, c, jit_flavour(c) | c->ps.btype * FLAVOUR_BTYPE);
}

const u8 *jit_resume(struct jit_shared *shared, struct cpu *c, u64 step)
{
    const struct jit *j = (struct jit *)(void *)shared; /* its first member */
    bool straight = false;
    struct transition *m = shared->pending;
    shared->pending = NULL;
    shared->exit = step;
    if (step == STEP_SYNC) {
        c->pc += 4;
        c->ps.btype = 0;
        c->irq_check = true;
        shared->exit = EXIT_LOOK;
    } else if (step == STEP_JUMP) {
        straight = c->slice.left > 0 && !c->ps.btype && jit_in_page(c);
    } else {
        return NULL;
    }
    if ((!straight && (!quiet(c) || !latch(c))) || c->fpcr != shared->fpcr || shared->stop)
        return NULL;
    unsigned flavour = jit_flavour(c) | c->ps.btype * FLAVOUR_BTYPE;
    shared->index = jit_index(c);
    if (m)
        jit_transition(shared, c, m, j->rx + (j->jump[flavour] - j->rw));
    return translation(j, c, flavour);
}
