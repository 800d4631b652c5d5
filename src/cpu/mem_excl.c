/* Exclusives in parallel mode (DDI0487 B2.12, docs/parallel.md).
 *
 * A store exclusive whose load exclusive was executed just before, with nothing but register arithmetic between,
 * compares and exchanges the value that the load returned. That is exact: with no other access of this CPU between, the
 * load might as well have been done at the moment of the exchange. All loops that add, exchange or compare and exchange
 * are such simple pairs.
 *
 * Of any other pair it has to be known whether somebody has stored between. That is known of strict pages (WHY_STRICT):
 * no CPU has a write tag of them, each store, under the page's lock, opens the monitors of other CPUs, and a store
 * exclusive looks at its own and exchanges under that lock. A page becomes strict when stores exclusive that are not
 * simple have failed for want of it, and normal again when there were none for many stores (par.c). A store exclusive
 * that fails because another CPU has stored makes nothing strict.
 *
 * Not modelled: DMA that stores the value which is there already between a load and a store exclusive. */
#include <string.h>

#include "core/bits.h"
#include "cpu/code.h"
#include "cpu/exec.h"
#include "cpu/mem_atomic.h"
#include "cpu/mem_impl.h"
#include "cpu/par.h"
#include "mmu/fast.h"

enum { GRANULE = 64 };

/* ---- simple pairs --------------------------------------------------------------------------- */

static bool one_of(const struct op *o, a64_exec *const *execs, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (a64_execs[o->row] == execs[i])
            return true;
    return false;
}

bool mem_excl_is_load(const struct op *o)
{
    static a64_exec *const loads[] = {exec_ldxrb, exec_ldxrh, exec_ldxr32, exec_ldxr64, exec_ldxp32, exec_ldxp64};
    return one_of(o, loads, ARRAY_LEN(loads));
}

static bool is_store(const struct op *o)
{
    static a64_exec *const stores[] = {exec_stxrb, exec_stxrh, exec_stxr32, exec_stxr64, exec_stxp32, exec_stxp64};
    return one_of(o, stores, ARRAY_LEN(stores));
}

/* Data processing of general registers (bits 28 to 25 are 100x or x101), or a branch to an immediate. */
static bool is_plain(const struct op *o)
{
    const struct a64_row *row = &a64_rows[o->row];
    char bits[7];
    unsigned n = 0;
    for (const char *p = row->picture; p && *p && n < sizeof bits; p++)
        if (*p != ' ')
            bits[n++] = *p;
    if (n < sizeof bits || (row->flags & (A64_V | A64_SYNC | A64_LOAD | A64_STORE)))
        return false;
    if (row->flags & A64_BRANCH)
        return row->imm == IMM_BRANCH;
    return memcmp(bits + 3, "100", 3) == 0 || memcmp(bits + 4, "101", 3) == 0;
}

bool mem_excl_simple_store(const struct op *o, unsigned n)
{
    while (n--)
        if (mem_excl_is_load(--o) || !is_plain(o))
            return mem_excl_is_load(o);
    return false;
}

bool mem_excl_simple_load(const struct op *o, unsigned n)
{
    while (n--)
        if (is_store(++o) || !is_plain(o))
            return is_store(o);
    return false;
}

/* Is the store exclusive at pc? Generated code has cleared monitor.simple when it is not, the interpreter with jumps.
 */
static bool simple(const struct cpu *c)
{
    if (!c->monitor.simple || c->par->par->strict)
        return false;
    unsigned slot = c->pc >> 2 & (CODE_SLOTS - 1);
    return c->ps.nrw ||
           (!((c->pc ^ c->fetch_page) & ~0xfffull) && mem_excl_simple_store(&c->fetch_code->op[slot], slot));
}

/* ---- strict pages --------------------------------------------------------------------------- */

static u64 granule_of(const struct monitor *m) { return (u64)m->page * 64 + m->off / GRANULE; }

/* On a strict page: closes the monitor for all to see, and looks whether the value was still there then. */
void mem_excl_publish(struct cpu *c, u64 va, unsigned size, unsigned kind)
{
    struct monitor *m = &c->monitor;
    const u8 *why = &bus_page_why(c->env->bus)[m->page];
    if (!m->valid || !(__atomic_load_n(why, __ATOMIC_SEQ_CST) & WHY_STRICT))
        return;
    const u8 *host = bus_page_ptr(c->env->bus, m->page) + (va & 0xfff);
    u64 old[2] = {c->excl[0], c->excl[1]}, is[2] = {0, 0};
    __atomic_store_n(&c->par->monitor, granule_of(m) + 1, __ATOMIC_SEQ_CST);
    m->published = true;
    if (!(__atomic_load_n(why, __ATOMIC_SEQ_CST) & WHY_STRICT)) /* others may have write tags again */
        __atomic_store_n(&c->par->monitor, 0, __ATOMIC_SEQ_CST);
    if (size == 16) {
        mem_swap16(c, kind, old);
        atomic_load16(host, is);
    } else {
        old[0] = mem_swap8(c, old[0], size, kind);
        is[0] = size == 1   ? mem_host_load(host, 1)
                : size == 2 ? mem_host_load(host, 2)
                : size == 4 ? mem_host_load(host, 4)
                            : mem_host_load(host, 8);
    }
    if (is[0] != old[0] || (size == 16 && is[1] != old[1]))
        __atomic_store_n(&c->par->monitor, 0, __ATOMIC_SEQ_CST);
}

/* One that is not simple. */
static bool swap_watched(struct cpu *c, const struct monitor *m, const struct mem_rmw *r, unsigned size,
                         const u64 old[2], const u64 new[2])
{
    enum { TRIES = 2 }; /* the first may be a simple pair that was interrupted */
    struct par_cpu *p = c->par;
    if (!m->published) {
        if (++p->missed >= TRIES) {
            p->missed = 0;
            par_strict_page(c, m->page);
        }
        return false;
    }
    par_store_begin(c, m->page);
    bool passed = __atomic_load_n(&p->monitor, __ATOMIC_SEQ_CST) == granule_of(m) + 1 &&
                  (size == 16 ? atomic_swap_if16(r->host, old, new) : atomic_swap_if(r->host, size, old[0], new[0]));
    __atomic_store_n(&p->monitor, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&p->par->pages[m->page].idle, 0, __ATOMIC_RELAXED);
    par_store_end(c, m->page, r->off, passed ? size : 0);
    if (passed)
        mem_rmw_done(c, r, size);
    return passed;
}

bool mem_excl_store(struct cpu *c, u64 va, unsigned size, unsigned kind, const u64 val[2], bool *passed)
{
    const struct monitor m = c->monitor;
    const struct fast *ft = c->ft;
    u64 i = fast_index(ft, va), old[2] = {c->excl[0], c->excl[1]}, new[2] = {val[0], val[1]};
    bool misaligned = UNLIKELY(va & (size - 1)) && (size == 16 || mem_unaligned_faults(c, va, size, MEM_EXCL));
    bool by_value = simple(c);
    struct mem_rmw r = {0};
    *passed = false;
    if (!m.valid && !misaligned)
        return true;
    if (LIKELY(((va ^ ft->wtag[i]) & (~0xfffull | (size - 1))) == 0)) {
        r.host = ft_host(ft, i, va);
        r.page = (u32)((u64)(r.host - bus_ram_base(c->env->bus)) >> PAGE_SHIFT);
        r.off = (u32)(va & 0xfff);
    } else if (!mem_rmw(c, va, size, MEM_EXCL | kind, &r)) {
        return false;
    }
    c->monitor.valid = false;
    if (misaligned || r.device || r.page != m.page || (va & 0xfff & ~(GRANULE - 1ull)) != m.off || size != m.size)
        return true;
    if (size == 16) {
        mem_swap16(c, kind, old);
        mem_swap16(c, kind, new);
    } else {
        old[0] = mem_swap8(c, old[0], size, kind);
        new[0] = mem_swap8(c, new[0] & ones(8 * size), size, kind);
    }
    *passed = by_value ? mem_rmw_swap(c, &r, size, old, new) : swap_watched(c, &m, &r, size, old, new);
    if (*passed)
        c->par->missed = 0;
    return true;
}
