/* Read-modify-write, exclusives and DC ZVA (DDI0487 B2.12, C6.2, D7.5.9).
 *
 * The exclusive monitor is one granule of 64 bytes of a RAM page. In deterministic mode it is cleared
 * at CPU switches, exception returns, CLREX and writes that reach ram_written(); other CPUs do not run
 * between a load and a store exclusive of one slice, so their stores need not be watched. Parallel mode: mem_excl.c. */
#include <string.h>

#include "cpu/debug.h"
#include "cpu/mem_impl.h"
#include "cpu/mem_tag.h"
#include "mmu/fast.h"

enum { GRANULE = 64 };

bool mem_rmw(struct cpu *c, u64 va, unsigned size, unsigned kind, struct mem_rmw *out)
{
    if (c->ctx_dirty)
        context_update(c);
    struct fast_ctx *f = mem_ctx(c, kind);
    bool read = !(kind & MEM_EXCL); /* a store exclusive only writes */
    *out = (struct mem_rmw){0};
    if ((va & (size - 1)) && mem_unaligned_faults(c, va, size, kind)) {
        const struct fault fault = mem_alignment_fault(va, !read);
        exc_data_abort(c, &fault);
        return false;
    }
    unsigned need = NEED_W | (read ? NEED_R : 0u) | (va & (size - 1) ? NEED_NORMAL : 0u);
    struct fault fault;
    const struct tlb_entry *e = mem_translate(c, f, va, need, &fault);
    if (!e) {
        /* WnR is 0 when a read would have faulted as well */
        struct fault of_read;
        if (read && (fault.type != FAULT_PERMISSION || !mem_translate(c, f, va, NEED_R, &of_read)))
            fault.write = false;
        exc_data_abort(c, &fault);
        return false;
    }
    if (UNLIKELY(c->armed.watches)) {
        unsigned what = WATCH_WRITE | (read ? WATCH_READ : 0u) | (f->key.el0 ? WATCH_EL0 : 0u);
        if (debug_watchpoint(c, va, size, what, &fault)) {
            exc_data_abort(c, &fault);
            return false;
        }
    }
    /* an atomic counts as a read in the asymmetric mode and in WnR (AArch64.TagCheckFault) */
    if ((kind & MEM_TAGCHK) && !mem_tag_check(c, f, e, va, size, !read))
        return false;
    if (e->page == TLB_NO_PAGE || (e->flags & TLB_ROM)) {
        out->device = true;
        return true;
    }
    struct bus *b = c->env->bus;
    out->page = e->page;
    out->off = (u32)(va & 0xfff);
    out->host = bus_page_ptr(b, e->page) + out->off;
    out->watched = page_why(b, e->page) != 0;
    mem_fill_fast(c, f, va, e);
    return true;
}

void mem_rmw_done(struct cpu *c, const struct mem_rmw *m, unsigned size)
{
    if (m->watched)
        ram_written(c->env->bus, m->page, m->off, size);
}

bool mem_rmw_swap(struct cpu *c, const struct mem_rmw *m, unsigned size, const u64 old[2], const u64 new[2])
{
    bool strict = m->watched && mem_store_begin(c, m->page);
    bool done = size == 16 ? atomic_swap_if16(m->host, old, new) : atomic_swap_if(m->host, size, old[0], new[0]);
    if (strict)
        par_store_end(c, m->page, m->off, done ? size : 0);
    if (done)
        mem_rmw_done(c, m, size);
    return done;
}

/* ---- exclusives ----------------------------------------------------------------------------- */

/* The RAM page that va's fast entry leads to. */
static bool fast_page(struct cpu *c, const u64 *tags, u64 va, u32 *page)
{
    u64 i = fast_index(c->ft, va);
    if ((tags[i] ^ va) & ~0xfffull)
        return false;
    *page = (u32)((u64)(ft_host(c->ft, i, va) - bus_ram_base(c->env->bus)) >> PAGE_SHIFT);
    return true;
}

void mem_excl_mark(struct cpu *c, u64 va, unsigned size)
{
    u32 page;
    if (!fast_page(c, c->ft->rtag, va, &page)) {
        struct fault fault;
        const struct tlb_entry *e = mem_translate(c, mem_ctx(c, 0), va, NEED_R, &fault);
        if (!e || e->page == TLB_NO_PAGE) { /* devices have no exclusive monitor */
            c->monitor = (struct monitor){0};
            return;
        }
        page = e->page;
    }
    c->monitor = (struct monitor){.valid = true,
                                  .size = (u8)size,
                                  .simple = c->par ? 2 : 0,
                                  .page = page,
                                  .off = (u32)(va & 0xfff & ~(GRANULE - 1ull))};
}

bool mem_excl_check(struct cpu *c, u64 va, unsigned size)
{
    const struct monitor m = c->monitor;
    if (!m.valid)
        return false;
    u32 page;
    if (!fast_page(c, c->ft->wtag, va, &page)) {
        struct fault fault;
        const struct tlb_entry *e = mem_translate(c, mem_ctx(c, 0), va, NEED_W, &fault);
        if (!e)
            return true; /* the store will take the same fault */
        page = e->page;
    }
    c->monitor.valid = false;
    return page == m.page && (va & 0xfff & ~(GRANULE - 1ull)) == m.off && size == m.size;
}

/* ---- DC ZVA --------------------------------------------------------------------------------- */

bool mem_zero_block(struct cpu *c, u64 va)
{
    if (c->ctx_dirty)
        context_update(c);
    struct fast_ctx *f = mem_ctx(c, 0);
    u64 block = va & ~63ull, i = fast_index(&f->t, block);
    if (LIKELY((block ^ f->t.wtag[i]) < 0x1000 && !f->device)) { /* Device memory has no block to zero */
        memset(ft_host(&f->t, i, block), 0, 64);
        return true;
    }
    struct fault fault;
    const struct tlb_entry *e = mem_translate(c, f, va, NEED_W | NEED_NORMAL, &fault);
    unsigned what = WATCH_WRITE | (f->key.el0 ? WATCH_EL0 : 0u);
    if (e && UNLIKELY(c->armed.watches) && debug_watchpoint(c, block, 64, what, &fault)) {
        e = NULL;
    } else if (e && (e->page == TLB_NO_PAGE || (e->flags & TLB_ROM))) {
        fault = (struct fault){.type = FAULT_EXTERNAL, .stage = 1, .va = va, .write = true};
        e = NULL;
    }
    if (!e) {
        exc_data_abort(c, &fault); /* DC ZVA is no cache maintenance: CM = 0 */
        return false;
    }
    if (!mem_tag_check(c, f, e, va, 1, true))
        return false;
    if (UNLIKELY(f->device_s1))
        mem_regret(c, f);
    struct bus *b = c->env->bus;
    u32 off = (u32)(block & 0xfff);
    bool strict = mem_store_begin(c, e->page);
    memset(bus_page_ptr(b, e->page) + off, 0, 64);
    if (strict)
        par_store_end(c, e->page, off, 64);
    if (page_why(b, e->page))
        ram_written(b, e->page, off, 64);
    mem_fill_fast(c, f, va, e);
    return true;
}
