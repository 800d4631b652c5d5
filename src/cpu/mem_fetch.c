/* Instruction fetch by pages, hooks of the decoded-code cache, and the debugger's view of memory. */
#include <string.h>

#include "cpu/code.h"
#include "cpu/debug.h"
#include "cpu/mem_impl.h"
#include "mmu/fast.h"

bool mem_fetch_page(struct cpu *c)
{
    if (c->ctx_dirty)
        context_update(c);
    struct fast_ctx *f = mem_ctx(c, 0);
    u64 va = c->pc & ~0xfffull;
    bool guarded;
    struct code_page *code = fast_code(&f->t, va, &guarded);
    if (code) {
        c->fetch_code = code;
        c->fetch_guarded = guarded;
        c->fetch_page = va;
        return true;
    }
    struct fault fault;
    const struct tlb_entry *e = mem_translate(c, f, c->pc, NEED_X, &fault);
    if (e && e->page == TLB_NO_PAGE) { /* no instructions come out of a device */
        fault = (struct fault){.type = FAULT_EXTERNAL, .stage = 1, .va = c->pc};
        e = NULL;
    }
    if (!e) {
        exc_insn_abort(c, &fault);
        return false;
    }
    bool global = e->flags & TLB_GLOBAL;
    guarded = e->flags & TLB_GP;
    code = code_page_get(c->code, e->page);              /* may drop all code pointers */
    if (UNLIKELY(c->code->parallel) && !code->decoded) { /* pages in fetch entries are marked: translation asks it */
        code_page_mark(c->code, code);
        return mem_fetch_page(c); /* it waited, and the TLB entry may be gone */
    }
    if (LIKELY(!c->armed.breaks) || !debug_break_page(c, va)) /* else the interpreter has to look each time */
        fast_fill_code(c->fast_pool, f, va, code, global, guarded);
    c->fetch_guarded = guarded;
    c->fetch_code = code;
    c->fetch_page = va;
    return true;
}

void mem_page_became_code(void *env, u32 page)
{
    const struct cpu_env *e = env;
    for (unsigned i = 0; i < e->count; i++)
        if (e->cpus[i])
            fast_withdraw_write(e->cpus[i]->fast_pool, page);
}

void mem_drop_code(void *env)
{
    const struct cpu_env *e = env;
    for (unsigned i = 0; i < e->count; i++)
        if (e->cpus[i])
            fast_drop_code(e->cpus[i]->fast_pool);
}

/* ---- debugger ------------------------------------------------------------------------------- */

bool mem_debug_translate(struct cpu *c, u64 va, struct pa *out)
{
    const struct regime *r = context_regime(c, context_kind(c, c->ps.el));
    const struct walk_mem mem = mem_walker(c);
    const struct walk_in in = {.use = WALK_OBSERVE, .priv = true};
    struct walk_out o;
    struct fault fault;
    if (!walk(r, (struct va){va}, &mem, &in, &o, &fault))
        return false;
    *out = o.pa;
    return true;
}

bool mem_debug_read(struct cpu *c, u64 va, void *buf, size_t n)
{
    u8 *p = buf;
    while (n) {
        struct pa pa;
        size_t room = 0x1000 - (size_t)(va & 0xfff), len = n < room ? n : room;
        if (!mem_debug_translate(c, va, &pa))
            return false;
        const struct txn t = {.space = (u8)pa_space(pa), .cpu = (u8)c->index, .privileged = true, .debug = true};
        if (bus_read(c->env->bus, &t, pa_addr(pa), p, len) != BUS_OK)
            return false;
        p += len;
        va += len;
        n -= len;
    }
    return true;
}
