/* Guest data accesses that the inline path does not serve: TLB misses, devices, unaligned and
 * page-crossing accesses, big-endian data, pages with withheld write tags, tag checks, faults (DDI0487 B2, D8).
 *
 * Not modelled: memory ordering between CPUs weaker than the host's (docs/parallel.md). An access that crosses a page
 * is translated whole before any byte of it is stored. */
#include <string.h>

#include "core/check.h"
#include "cpu/debug.h"
#include "cpu/fields.h"
#include "cpu/mem_impl.h"
#include "cpu/mem_tag.h"
#include "mmu/fast.h"

/* ---- translation ---------------------------------------------------------------------------- */

static bool table_read(void *arg, struct pa pa, u64 *val)
{
    struct cpu *c = arg;
    struct bus_target t = bus_resolve(c->env->bus, pa);
    if (t.kind != PAGE_RAM && t.kind != PAGE_ROM)
        return false;
    memcpy(val, bus_page_ptr(c->env->bus, t.page) + (pa_addr(pa) & 0xff8), 8);
    return true;
}

static bool table_cas(void *arg, struct pa pa, u64 old, u64 want, u64 *seen)
{
    struct cpu *c = arg;
    struct bus_target t = bus_resolve(c->env->bus, pa);
    if (t.kind != PAGE_RAM)
        return false;
    u32 off = (u32)(pa_addr(pa) & 0xff8);
    u64 *p = (u64 *)(void *)(bus_page_ptr(c->env->bus, t.page) + off);
    *seen = old;
    if (__atomic_compare_exchange_n(p, seen, want, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
        page_why(c->env->bus, t.page))
        ram_written(c->env->bus, t.page, off, 8);
    return true;
}

struct walk_mem mem_walker(struct cpu *c)
{
    return (struct walk_mem){c, table_read, table_cas, bus_ram_window(c->env->bus)};
}

/* What is behind a translation. */
static struct tlb_backing backing(struct bus *bus, const struct walk_out *o)
{
    struct bus_target t = bus_resolve(bus, o->pa);
    struct tlb_backing b = {.page = TLB_NO_PAGE, .rom = t.kind == PAGE_ROM};
    if (t.kind != PAGE_RAM && t.kind != PAGE_ROM)
        return b;
    b.page = t.page;
    if (t.kind == PAGE_RAM && o->s1_log2 >= 21 && o->s2_log2 >= 21) {
        struct pa first = {o->pa.v & ~ones(21)};
        struct bus_target a = bus_resolve(bus, first), z = bus_resolve(bus, pa_add(first, 0x1ff000));
        b.big = a.kind == PAGE_RAM && z.kind == PAGE_RAM && z.page - a.page == 511 &&
                t.page - a.page == bits(o->pa.v, 20, 12);
    }
    return b;
}

/* Walks, and fills the TLB. */
static const struct tlb_entry *walk_and_fill(struct cpu *c, struct fast_ctx *f, u64 va, unsigned need,
                                             struct fault *fault)
{
    const struct regime *r = context_regime(c, f->key.kind);
    const struct walk_mem mem = mem_walker(c);
    const struct walk_in in = {.use = WALK_ACCESS, .need = (u8)need, .priv = !f->key.el0, .pan = f->key.pan};
    struct walk_out out;
    if (!walk(r, (struct va){va}, &mem, &in, &out, fault))
        return NULL;
    const struct tlb_backing b = backing(c->env->bus, &out);
    return tlb_fill(c->tlb, f->key.space, f->asid, mem_normalise(f, va, need & NEED_X), &out, &b);
}

const struct tlb_entry *mem_translate(struct cpu *c, struct fast_ctx *f, u64 va, unsigned need, struct fault *fault)
{
    const struct tlb_entry *e = tlb_lookup(c->tlb, f->key.space, f->asid, mem_normalise(f, va, need & NEED_X));
    /* a missing permission may have been granted since: the walk decides, and knows the fault's level */
    if (e && !perm_missing(e->perm, need, !f->key.el0, f->key.pan) &&
        !((need & NEED_NORMAL) && (e->flags & TLB_DEVICE)))
        return e;
    return walk_and_fill(c, f, va, need, fault);
}

bool mem_probe(struct cpu *c, struct fast_ctx *f, u64 va, unsigned need, struct fault *fault)
{
    if (!(need & NEED_W)) /* as any access: a range is cleaned line by line */
        return mem_translate(c, f, va, need, fault);
    bool priv = !f->key.el0;
    const struct tlb_entry *e = tlb_lookup(c->tlb, f->key.space, f->asid, mem_normalise(f, va, false));
    if (e && !perm_missing(e->perm, need, priv, f->key.pan))
        return true;
    const struct walk_mem mem = mem_walker(c);
    const struct walk_in in = {.use = WALK_AT, .need = (u8)need, .priv = priv, .pan = f->key.pan};
    struct walk_out out;
    return walk(context_regime(c, f->key.kind), (struct va){va}, &mem, &in, &out, fault);
}

void mem_regret(struct cpu *c, struct fast_ctx *f)
{
    if (LIKELY(++f->regrets < f->patience) || f->key.big)
        return;
    fast_turn(c->fast_pool, f);
    c->exact_align = true; /* for the rest of the instruction */
    context_touch(c);
    slice_kick(&c->slice); /* generated code that does not look at alignment is left behind it */
}

void mem_fill_fast(struct cpu *c, struct fast_ctx *f, u64 va, const struct tlb_entry *e)
{
    if (e->page == TLB_NO_PAGE || (f->key.mte && (e->flags & TLB_TAGGED)))
        return;
    if (UNLIKELY((e->flags & TLB_DEVICE) && !f->device)) {
        mem_regret(c, f);
        return;
    }
    if (UNLIKELY(c->armed.watches) && debug_watch_page(c, va))
        return;
    struct bus *b = c->env->bus;
    bool priv = !f->key.el0;
    bool r = !perm_missing(e->perm, NEED_R, priv, f->key.pan);
    bool w = r && !perm_missing(e->perm, NEED_W, priv, f->key.pan) && !(e->flags & TLB_ROM) && !page_why(b, e->page);
    fast_fill(c->fast_pool, f, va, bus_page_ptr(b, e->page), e->page, r, w, e->flags & TLB_GLOBAL);
}

/* ---- alignment ------------------------------------------------------------------------------ */

bool mem_unaligned_faults(const struct cpu *c, u64 va, unsigned size, unsigned kind)
{
    if (c->strict_align || (kind & MEM_ALIGN))
        return true;
    bool whole = (va & 15) + size <= 16; /* AllInAlignedQuantity(16) */
    if (kind & (MEM_EXCL | MEM_ATOMIC))
        return !cpu_has(c, FEAT_LSE2) || !whole;
    if (kind & MEM_ORDERED) {
        const u64 *s = c->sys;
        unsigned k = context_kind(c, c->ps.el);
        u64 sctlr = k == REGIME_EL10 ? s[SCTLR_EL1] : k == REGIME_EL3 ? s[SCTLR_EL3] : s[SCTLR_EL2];
        return !cpu_has(c, FEAT_LSE2) || (!(sctlr & SCTLR_nAA) && !whole);
    }
    return false;
}

/* The alignment that the access type asks for. */
static unsigned natural(unsigned size, unsigned kind)
{
    bool halves = (kind & MEM_PAIR) && !(kind & (MEM_EXCL | MEM_ATOMIC));
    return halves ? size / 2 : (kind & MEM_VEC) ? (size > 8 ? 8 : size) : size;
}

/* ---- one access, up to 16 bytes ------------------------------------------------------------- */

struct access {
    struct fast_ctx *f;
    u64 va;
    unsigned size;
    unsigned kind;
    bool write;
    bool missed; /* the TLB has no entry of va, as somebody looked just now */
};

/* The part of an access within one page. */
struct span {
    struct tlb_entry e; /* a copy: the second translation may replace the first entry */
    u64 va;
    unsigned len;
};

static bool data_abort(struct cpu *c, const struct access *a, struct fault f)
{
    f.vncr = a->kind & MEM_EL2;
    exc_data_abort(c, &f);
    return false;
}

/* Watchpoints come after all faults of the translation. */
static bool translate_span(struct cpu *c, const struct access *a, struct span *s, bool unaligned)
{
    struct fault fault;
    unsigned need = (a->write ? NEED_W : NEED_R) | (unaligned ? NEED_NORMAL : 0u);
    const struct tlb_entry *e = (a->missed ? walk_and_fill : mem_translate)(c, a->f, s->va, need, &fault);
    if (!e)
        return data_abort(c, a, fault);
    s->e = *e;
    if (UNLIKELY(c->armed.watches)) {
        unsigned what = (a->kind & MEM_EL2 ? WATCH_VNCR : 0u) | (a->write ? WATCH_WRITE : WATCH_READ);
        if (debug_watchpoint(c, s->va, s->len, what | (a->f->key.el0 ? WATCH_EL0 : 0u), &fault))
            return data_abort(c, a, fault);
    }
    return true;
}

static bool external_abort(struct cpu *c, const struct access *a, u64 va)
{
    return data_abort(c, a, (struct fault){.type = FAULT_EXTERNAL, .stage = 1, .va = va, .write = a->write});
}

/* Translates the whole access and checks alignment; n spans. */
static bool prepare(struct cpu *c, const struct access *a, struct span s[2], unsigned *n)
{
    unsigned align = natural(a->size, a->kind);
    bool unaligned = a->va & (align - 1);
    if (unaligned && mem_unaligned_faults(c, a->va, a->size, a->kind))
        return data_abort(c, a, mem_alignment_fault(a->va, a->write));
    unsigned room = 0x1000 - (unsigned)(a->va & 0xfff);
    s[0].va = a->va;
    s[0].len = a->size < room ? a->size : room;
    *n = 1;
    if (!translate_span(c, a, &s[0], unaligned))
        return false;
    if (s[0].len < a->size) {
        s[1].va = a->va + room;
        s[1].len = a->size - room;
        *n = 2;
        if (!translate_span(c, a, &s[1], unaligned))
            return false;
    }
    if (UNLIKELY(unaligned && a->f->device_s1))
        mem_regret(c, a->f);
    for (unsigned i = 0; UNLIKELY(a->kind & MEM_TAGCHK) && i < *n; i++)
        if (!mem_tag_check(c, a->f, &s[i].e, s[i].va, s[i].len, a->write))
            return false;
    return true;
}

/* One access each for the sizes that are single-copy atomic: other CPUs must see neither halves nor a byte written
 * twice. */
static void copy_once(u8 *to, const u8 *from, unsigned n, bool par)
{
    switch (n) {
    case 1: mem_host_store(to, 1, mem_host_load(from, 1)); break;
    case 2: mem_host_store(to, 2, mem_host_load(from, 2)); break;
    case 4: mem_host_store(to, 4, mem_host_load(from, 4)); break;
    case 8: mem_host_store(to, 8, mem_host_load(from, 8)); break;
    case 16:
        if (par) {
            u64 v[2];
            atomic_load16(from, v);
            atomic_store16(to, v);
            break;
        }
        /* fall through */
    default:
        for (unsigned i = 0; i < n; i++)
            to[i] = from[i];
        break;
    }
}

static struct txn cpu_txn(const struct cpu *c, const struct span *s, const struct fast_ctx *f)
{
    return (struct txn){.space = (u8)pa_space((struct pa){s->e.pa}), .cpu = (u8)c->index, .privileged = !f->key.el0};
}

/* Bytes of one span, in memory order. */
static bool span_read(struct cpu *c, const struct access *a, const struct span *s, u8 *buf)
{
    struct bus *b = c->env->bus;
    u64 off = s->va & 0xfff;
    if (s->e.page != TLB_NO_PAGE) {
        copy_once(buf, bus_page_ptr(b, s->e.page) + off, s->len, c->par != NULL);
        return true;
    }
    struct bus_target t = bus_resolve(b, (struct pa){s->e.pa});
    const struct txn x = cpu_txn(c, s, a->f);
    u64 val[2] = {0, 0};
    cpu_lock(c);
    bool ok = t.kind == PAGE_DEV && bus_dev_read(t.dev, &x, t.off + off, s->len, val) == BUS_OK;
    cpu_unlock(c);
    if (!ok)
        return external_abort(c, a, s->va);
    memcpy(buf, val, s->len);
    return true;
}

static bool span_write(struct cpu *c, const struct access *a, const struct span *s, const u8 *buf)
{
    struct bus *b = c->env->bus;
    u64 off = s->va & 0xfff;
    if (s->e.page != TLB_NO_PAGE && !(s->e.flags & TLB_ROM)) {
        bool strict = mem_store_begin(c, s->e.page);
        copy_once(bus_page_ptr(b, s->e.page) + off, buf, s->len, c->par != NULL);
        if (strict)
            par_store_end(c, s->e.page, (u32)off, s->len);
        if (page_why(b, s->e.page))
            ram_written(b, s->e.page, (u32)off, s->len);
        return true;
    }
    struct bus_target t = bus_resolve(b, (struct pa){s->e.pa});
    const struct txn x = cpu_txn(c, s, a->f);
    u64 val[2] = {0, 0};
    memcpy(val, buf, s->len);
    cpu_lock(c);
    bool ok =
        (t.kind == PAGE_DEV || t.kind == PAGE_ROM) && bus_dev_write(t.dev, &x, t.off + off, s->len, val) == BUS_OK;
    cpu_unlock(c);
    if (!ok)
        return external_abort(c, a, s->va);
    return true;
}

/* A device access of this instruction may have waited for others, whose TLB maintenance then was done here: copies of
 * entries are old. */
static bool may_fill(const struct span *s, unsigned n)
{
    return n == 1 || (s[0].e.page != TLB_NO_PAGE && s[1].e.page != TLB_NO_PAGE);
}

static bool access_read(struct cpu *c, const struct access *a, u8 *buf)
{
    struct span s[2];
    unsigned n;
    if (!prepare(c, a, s, &n))
        return false;
    for (unsigned i = 0, at = 0; i < n; at += s[i].len, i++)
        if (!span_read(c, a, &s[i], buf + at))
            return false;
    for (unsigned i = 0; i < n && may_fill(s, n); i++)
        mem_fill_fast(c, a->f, s[i].va, &s[i].e);
    return true;
}

static bool access_write(struct cpu *c, const struct access *a, const u8 *buf)
{
    struct span s[2];
    unsigned n;
    if (!prepare(c, a, s, &n))
        return false;
    for (unsigned i = 0, at = 0; i < n; at += s[i].len, i++)
        if (!span_write(c, a, &s[i], buf + at))
            return false;
    for (unsigned i = 0; i < n && may_fill(s, n); i++)
        if (!(s[i].e.flags & TLB_ROM)) /* a write to flash may have taken it off the bus: the copy is stale */
            mem_fill_fast(c, a->f, s[i].va, &s[i].e);
    return true;
}

/* The page of an aligned access has an entry in the TLB: copies that to the fast table, if it may be there. All that
 * happens to most misses. NULL: what else happens has to be found out; *missed: it has no entry. */
static u8 *refill(struct cpu *c, u64 va, unsigned kind, bool write, bool *missed)
{
    if (UNLIKELY(kind & MEM_EL2))
        return NULL;
    if (c->ctx_dirty)
        context_update(c);
    struct fast_ctx *f = mem_ctx(c, kind);
    const struct tlb_entry *e = tlb_lookup(c->tlb, f->key.space, f->asid, mem_normalise(f, va, false));
    *missed = !e;
    if (!e)
        return NULL;
    mem_fill_fast(c, f, va, e);
    u64 i = fast_index(&f->t, va);
    return (write ? f->t.wtag : f->t.rtag)[i] == (va & ~0xfffull) ? ft_host(&f->t, i, va) : NULL;
}

/* The same of 16 bytes that the fast path would serve. */
static u8 *refill16(struct cpu *c, u64 va, unsigned kind, bool write, bool *missed)
{
    bool whole = (kind & (MEM_EXCL | MEM_ATOMIC | MEM_ORDERED)) || (va & 15 && c->exact_align);
    return !(va & 7) && (va & 0xfff) <= 0xff0 && !whole && !c->par ? refill(c, va, kind, write, missed) : NULL;
}

/* ---- the entry points ----------------------------------------------------------------------- */

/* Byte order of the elements: between host order and memory order. EL2's own accesses follow SCTLR_EL2.EE. */
u64 mem_swap8(const struct cpu *c, u64 v, unsigned size, unsigned kind)
{
    if (!(kind & MEM_EL2 ? (c->sys[SCTLR_EL2] & SCTLR_EE) != 0 : c->big_endian))
        return v;
    if (!(kind & MEM_PAIR))
        return bswap_size(v, size);
    unsigned half = size / 2;
    u64 lo = bswap_size(v & ones(8 * half), half), hi = bswap_size(v >> 8 * half, half);
    return lo | hi << 8 * half;
}

void mem_swap16(const struct cpu *c, unsigned kind, u64 val[2])
{
    if (!c->big_endian)
        return;
    u64 lo = bswap64(val[0]), hi = bswap64(val[1]);
    bool pair = kind & MEM_PAIR;
    val[0] = pair ? lo : hi;
    val[1] = pair ? hi : lo;
}

static struct access make_access(struct cpu *c, u64 va, unsigned size, unsigned kind, bool write, bool missed)
{
    if (c->ctx_dirty)
        context_update(c);
    return (struct access){mem_ctx(c, kind), va, size, kind, write, missed};
}

/* An unaligned access over the end of a page when the fast table has both: where its two parts are. */
static bool crosses(const struct cpu *c, u64 va, unsigned size, unsigned kind, const u64 *tags, u8 *part[2])
{
    u64 last = va + size - 1, page = last & ~0xfffull;
    if ((kind & ~(unsigned)MEM_TAGCHK) || c->exact_align || c->ctx_dirty || page <= va)
        return false;
    u64 i = fast_index(c->ft, va), k = fast_index(c->ft, last);
    if (tags[i] != (va & ~0xfffull) || tags[k] != page)
        return false;
    part[0] = ft_host(c->ft, i, va);
    part[1] = ft_host(c->ft, k, page);
    return true;
}

bool mem_read_slow(struct cpu *c, u64 va, unsigned size, unsigned kind, u64 *val)
{
    u8 *part[2];
    bool missed = false;
    if (crosses(c, va, size, kind, c->ft->rtag, part)) {
        unsigned n = 0x1000 - (va & 0xfff);
        *val = 0;
        memcpy(val, part[0], n);
        memcpy((u8 *)val + n, part[1], size - n);
        return true;
    }
    const u8 *host = va & (size - 1) ? NULL : refill(c, va, kind, false, &missed);
    if (LIKELY(host != NULL)) {
        *val = mem_host_load(host, size);
        return true;
    }
    const struct access a = make_access(c, va, size, kind, false, missed);
    u64 v = 0;
    if (!access_read(c, &a, (u8 *)&v))
        return false;
    *val = mem_swap8(c, v, size, kind);
    return true;
}

bool mem_write_slow(struct cpu *c, u64 va, unsigned size, unsigned kind, u64 val)
{
    u8 *part[2];
    bool missed = false;
    if (crosses(c, va, size, kind, c->ft->wtag, part)) {
        unsigned n = 0x1000 - (va & 0xfff);
        memcpy(part[0], &val, n);
        memcpy(part[1], (u8 *)&val + n, size - n);
        return true;
    }
    u8 *host = va & (size - 1) ? NULL : refill(c, va, kind, true, &missed);
    if (LIKELY(host != NULL)) {
        copy_once(host, (const u8 *)&val, size, false);
        return true;
    }
    const struct access a = make_access(c, va, size, kind, true, missed);
    u64 v = mem_swap8(c, val & ones(8 * size), size, kind);
    return access_write(c, &a, (const u8 *)&v);
}

bool mem_read16_slow(struct cpu *c, u64 va, unsigned kind, u64 val[2])
{
    bool missed = false;
    const u8 *host = refill16(c, va, kind, false, &missed);
    if (LIKELY(host != NULL)) {
        memcpy(val, host, 16);
        return true;
    }
    const struct access a = make_access(c, va, 16, kind, false, missed);
    u64 v[2];
    if (!access_read(c, &a, (u8 *)v))
        return false;
    mem_swap16(c, kind, v);
    val[0] = v[0];
    val[1] = v[1];
    return true;
}

bool mem_write16_slow(struct cpu *c, u64 va, unsigned kind, const u64 val[2])
{
    bool missed = false;
    u8 *host = refill16(c, va, kind, true, &missed);
    if (LIKELY(host != NULL)) {
        memcpy(host, val, 16);
        return true;
    }
    const struct access a = make_access(c, va, 16, kind, true, missed);
    u64 v[2] = {val[0], val[1]};
    mem_swap16(c, kind, v);
    return access_write(c, &a, (const u8 *)v);
}
