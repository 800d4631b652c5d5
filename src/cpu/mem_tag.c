/* Memory tagging (FEAT_MTE2, MTE3; DDI0487 D10): four tag bits for each 16 bytes of RAM.
 *
 * Contexts whose accesses are checked are fast tables of their own (fast_key.mte) that never hold tagged
 * pages, so that every access to such a page comes through the slow path and is checked there.
 * Asynchronous faults accumulate in TFSR at once. */
#include "cpu/mem_tag.h"

#include "cpu/debug.h"
#include "cpu/fields.h"
#include "cpu/mem_impl.h"

static u64 sctlr_of(const struct cpu *c, unsigned kind)
{
    return c->sys[kind == REGIME_EL10 ? SCTLR_EL1 : kind == REGIME_EL3 ? SCTLR_EL3 : SCTLR_EL2];
}

bool mem_tag_access(const struct cpu *c, unsigned el)
{
    if (!cpu_has(c, FEAT_MTE2))
        return false;
    bool host = (c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE);
    if (el < 3 && cpu_has_el3(c) && !(c->sys[SCR_EL3] & SCR_ATA))
        return false;
    if (el < 2 && cpu_el2_enabled(c) && !host && !(c->hcr & HCR_ATA))
        return false;
    return (sctlr_of(c, context_kind(c, el)) & (el == 0 ? SCTLR_ATA0 : SCTLR_ATA)) != 0;
}

/* SCTLR_ELx.TCF or TCF0: 0 none, 1 synchronous, 2 asynchronous, 3 by FEAT_MTE3: reads synchronous. */
static unsigned tcf(const struct cpu *c, bool el0, unsigned kind)
{
    return sctlr_of(c, kind) >> (el0 ? SCTLR_TCF0_SHIFT : SCTLR_TCF_SHIFT) & 3;
}

bool mem_tag_checked(const struct cpu *c, unsigned el, unsigned kind)
{
    return cpu_has(c, FEAT_MTE2) && !c->ps.tco && tcf(c, el == 0, kind) && mem_tag_access(c, el);
}

/* ---- checks --------------------------------------------------------------------------------- */

/* TCMA: untagged pointers are unchecked. */
static bool match_all(const struct cpu *c, const struct fast_ctx *f, u64 va)
{
    unsigned k = f->key.kind;
    u64 tcr = c->sys[k == REGIME_EL10 ? TCR_EL1 : k == REGIME_EL3 ? TCR_EL3 : TCR_EL2];
    if (!f->two_ranges)
        return bit(tcr, 30) && bits(va, 59, 56) == 0;
    return bit(va, 55) ? bit(tcr, 58) && bits(va, 59, 56) == 15 : bit(tcr, 57) && bits(va, 59, 56) == 0;
}

static u8 tag_at(const u8 *tags, u64 off) { return tags[off / 32] >> (off & 16 ? 4 : 0) & 15; }

static bool tag_fault(struct cpu *c, const struct fast_ctx *f, u64 va, bool write)
{
    static const u16 tfsr[] = {TFSR_EL1, TFSR_EL1, TFSR_EL2, TFSR_EL3};
    unsigned how = tcf(c, f->key.el0, f->key.kind);
    if (how == 1 || (how == 3 && !write)) {
        const struct fault fault = {.type = FAULT_TAG_CHECK, .stage = 1, .va = va, .write = write};
        exc_data_abort(c, &fault);
        return false;
    }
    c->sys[f->key.el0 ? (unsigned)TFSRE0_EL1 : tfsr[c->ps.el]] |= bit(va, 55) ? 2 : 1;
    return true;
}

bool mem_tag_check(struct cpu *c, const struct fast_ctx *f, const struct tlb_entry *e, u64 va, unsigned size,
                   bool write)
{
    if (!f->key.mte || !(e->flags & TLB_TAGGED) || e->page == TLB_NO_PAGE || !f->tbi[bit(va, 55)] ||
        match_all(c, f, va))
        return true;
    const u8 *tags = bus_page_tags(c->env->bus, e->page);
    for (u64 off = va & 0xff0; off < (va & 0xfff) + size; off += TAG_GRANULE)
        if (tag_at(tags, off) != bits(va, 59, 56))
            return tag_fault(c, f, (va & 0xfff) > off ? va : (va & ~0xfffull) | off, write);
    return true;
}

/* ---- tag memory ----------------------------------------------------------------------------- */

static u64 granules(u64 va, unsigned n) { return align_down(va, n == 4 ? 4 * TAG_GRANULE : TAG_GRANULE); }

/* The tags of va's page; NULL in *tags: it has none. */
static bool find(struct cpu *c, u64 va, unsigned n, bool write, u8 **tags)
{
    if (c->ctx_dirty)
        context_update(c);
    struct fault fault;
    const struct tlb_entry *e = mem_translate(c, mem_ctx(c, 0), va, write ? NEED_W : NEED_R, &fault);
    unsigned what = (write ? WATCH_WRITE : WATCH_READ) | (c->ps.el == 0 ? WATCH_EL0 : 0u);
    u64 first = granules(va, n);
    if (!e || (UNLIKELY(c->armed.watches) && debug_watchpoint(c, first, n * TAG_GRANULE, what, &fault))) {
        exc_data_abort(c, &fault);
        return false;
    }
    bool has = (e->flags & TLB_TAGGED) && e->page != TLB_NO_PAGE && mem_tag_access(c, c->ps.el);
    *tags = has ? bus_page_tags(c->env->bus, e->page) : NULL;
    return true;
}

bool mem_tag_load(struct cpu *c, u64 va, unsigned n, u8 *out)
{
    u8 *tags;
    if (!find(c, va, n, false, &tags))
        return false;
    for (unsigned k = 0; k < n; k++)
        out[k] = tags ? tag_at(tags, (granules(va, n) & 0xff0) + TAG_GRANULE * k) : 0;
    return true;
}

bool mem_tag_store(struct cpu *c, u64 va, unsigned n, const u8 *in)
{
    u8 *tags;
    if (!find(c, va, n, true, &tags))
        return false;
    for (unsigned k = 0; tags && k < n; k++) {
        u64 off = (granules(va, n) & 0xff0) + TAG_GRANULE * k;
        u8 *p = &tags[off / 32];
        u8 was = __atomic_load_n(p, __ATOMIC_RELAXED), now;
        do /* another CPU's may be the other half of the byte */
            now = off & 16 ? (u8)((was & 0x0f) | in[k] << 4) : (u8)((was & 0xf0) | in[k]);
        while (!__atomic_compare_exchange_n(p, &was, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    }
    return true;
}
