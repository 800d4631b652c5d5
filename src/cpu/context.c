/* From system registers to translation regimes and memory contexts (DDI0487 D8.1, D13.2).
 *
 * Above both products, an exception or a return finds what it led to before as long as no register that selects
 * contexts was written (struct resolved). A *slot* per regime remembers which TLB space, ASID and fast tables belong to
 * the register values it was made from: an EL0 <-> EL1 switch compares a few words and changes pointers. A struct
 * regime is made only when a walk needs it (context_regime.c).
 *
 * Invariants: c->ft* belong to the space that the registers select at the last resolve; a walk fills
 * the TLB only after a resolve, so a space never holds translations of another one. */
#include "cpu/context.h"

#include <stdlib.h>
#include <string.h>

#include "core/bus.h"
#include "core/check.h"
#include "cpu/aa32.h"
#include "cpu/code.h"
#include "cpu/fields.h"
#include "cpu/mem.h"
#include "cpu/mem_tag.h"
#include "cpu/par.h"
#include "mmu/fast.h"
#include "mmu/tlb.h"

/* A kernel whose own pages are not global (KPTI) changes the ASID at each way in and out. When that took LOST_ENTRIES
 * and more from a table LOST_TIMES more often than it did not, the privileged tables of the space are each ASID's own.
 */
enum { SLOT_INPUTS = 8, LOST_ENTRIES = 4, LOST_TIMES = 16 };

struct slot {
    bool valid;
    u64 in[SLOT_INPUTS];
    u32 tlb_epoch, fast_epoch;
    u8 space;
    bool device; /* all data accesses are to Device memory: stage 1 is off, without HCR_EL2.DC */
    u16 asid;
    struct fast_ctx *ft[16]; /* [el0 | pan << 1 | big << 2 | mte << 3], NULL: not looked up */
};

enum { RESOLVED = 32, RESOLVED_SETS = 16 }; /* el | pan << 2 | uao << 3 | tco << 4; sets by generation */

/* The registers that a hypervisor writes to leave a world for another: what they select is found again when their
 * values come back. All other registers and events that select contexts or trap renew the generation (context_renew()),
 * which ends all that. */
static const u16 keyed[] = {HCR_EL2,    HCRX_EL2,   VTTBR_EL2,   VTCR_EL2,    SCTLR_EL1,  TCR_EL1,       TTBR0_EL1,
                            TTBR1_EL1,  MAIR_EL1,   CPACR_EL1,   CPTR_EL2,    MDCR_EL2,   CNTKCTL_EL1,   CNTHCTL_EL2,
                            HFGRTR_EL2, HFGWTR_EL2, HDFGRTR_EL2, HDFGWTR_EL2, HFGITR_EL2, CONTEXTIDR_EL1};
enum { KEYED = ARRAY_LEN(keyed), NUMBERED = 32 };
struct numbered {
    u64 generation; /* 0: none */
    u64 value[KEYED];
};

struct context {
    struct slot slot[REGIME_STAGE2];
    struct resolved resolved[RESOLVED_SETS][RESOLVED];
    struct numbered numbered[NUMBERED]; /* by a hash of the values */
    u8 lost[TLB_SPACES];                /* see LOST_TIMES */
    struct ram_listener listener;
};

static void monitor_written(void *arg, u32 page, u32 off, u32 len)
{
    struct cpu *c = arg;
    const struct monitor *m = &c->monitor;
    if (c->par) /* mem_excl.c */
        return;
    if (m->valid && m->page == page && off < m->off + 64 && m->off < off + len) {
        c->monitor.valid = false;
        cpu_send_event(c);
    }
}

static void deliver_flush(struct cpu *c, const u64 *arg)
{
    (void)arg;
    context_flush(c);
}

static void remapped(void *arg)
{
    const struct cpu_env *e = arg;
    for (unsigned i = 0; i < e->count; i++)
        if (e->cpus[i] && par_elsewhere(e->cpus[i]))
            par_post(par_current(e->par), e->cpus[i], &(struct mail){.deliver = deliver_flush});
        else if (e->cpus[i])
            context_flush(e->cpus[i]);
}

/* The decoded-code cache of the machine. */
static void share_code(struct cpu *c)
{
    struct cpu_env *e = c->env;
    bus_on_remap(e->bus, remapped, e);
    if (e->par) {
        c->code = par_code_cache(c);
        return;
    }
    if (!e->code) {
        e->code = code_cache_new(e->bus);
        e->code->page_became_code = mem_page_became_code;
        e->code->flush = mem_drop_code;
        e->code->arg = e;
        e->code->jit_eager = e->jit_eager;
    }
    e->code_users++;
    c->code = e->code;
}

static void init(struct cpu *c)
{
    struct context *x = calloc(1, sizeof *x);
    CHECK(x);
    x->listener = (struct ram_listener){.written = monitor_written, .arg = c};
    c->context = x;
    c->tlb = tlb_new();
    c->fast_pool = fast_pool_new(&c->fetch_page, bus_ram_base(c->env->bus), bus_page_count(c->env->bus));
    if (c->env->slow_memory)
        fast_pool_off(c->fast_pool);
    tlb_attach(c->tlb, c->fast_pool);
    bus_listen(c->env->bus, &x->listener);
    share_code(c);
    context_touch(c);
    const struct fast_key none = {.kind = REGIME_EL3, .big = true};
    c->ft = c->ft_unpriv = c->ft_el2 = &fast_get(c->fast_pool, &none)->t;
}

void context_free(struct cpu *c)
{
    if (c->env->par) {
        code_cache_free(c->code);
    } else if (--c->env->code_users == 0) {
        code_cache_free(c->env->code);
        c->env->code = NULL;
    }
    c->code = NULL;
    tlb_free(c->tlb);
    fast_pool_free(c->fast_pool);
    free(c->context);
    c->tlb = NULL;
    c->fast_pool = NULL;
    c->context = NULL;
}

void context_flush(struct cpu *c)
{
    tlb_clear(c->tlb);
    memset(c->context->slot, 0, sizeof c->context->slot);
    context_touch(c);
    c->fetch_page = ~0ull;
}

void context_reset(struct cpu *c)
{
    if (!c->context)
        init(c);
    context_flush(c);
    context_resolve(c);
}

void context_state(struct cpu *c, struct snap *s)
{
    tlb_state(c->tlb, s);
    context_touch(c);
}

/* ---- which regime --------------------------------------------------------------------------- */

unsigned context_kind(const struct cpu *c, unsigned el)
{
    switch (el) {
    case 3: return REGIME_EL3;
    case 2: return c->hcr & HCR_E2H ? REGIME_EL20 : REGIME_EL2;
    case 1: return REGIME_EL10;
    default: return (c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE) ? REGIME_EL20 : REGIME_EL10;
    }
}

static bool nv1_in_force(const struct cpu *c) { return (c->hcr & (HCR_NV | HCR_NV1)) == (HCR_NV | HCR_NV1); }

u16 context_vmid(const struct cpu *c)
{
    if (!cpu_el2_enabled(c))
        return 0;
    bool wide = cpu_has(c, FEAT_VMID16) && bit(c->sys[VTCR_EL2], 19);
    return (u16)bits(c->sys[VTTBR_EL2], wide ? 63 : 55, 48);
}

static u16 asid_of(const struct cpu *c, u64 tcr, u64 ttbr0, u64 ttbr1)
{
    u64 ttbr = bit(tcr, 22) ? ttbr1 : ttbr0;
    bool wide = cpu_has(c, FEAT_ASID16) && bit(tcr, 36);
    return (u16)bits(ttbr, wide ? 63 : 55, 48);
}

/* SCTLR_EL1.M as it acts: 0 with HCR_EL2.DC, and for EL0 under a non-VHE host (TGE). */
static bool el10_on(const struct cpu *c) { return (c->sys[SCTLR_EL1] & SCTLR_M) && !(c->hcr & (HCR_DC | HCR_TGE)); }
static bool dc_on(const struct cpu *c) { return (c->hcr & HCR_DC) && !(c->hcr & HCR_TGE); }
static bool stage2_on(const struct cpu *c) { return (c->hcr & (HCR_VM | HCR_DC)) && !(c->hcr & HCR_TGE); }

/* ---- slots ---------------------------------------------------------------------------------- */

static void slot_inputs(const struct cpu *c, unsigned kind, u64 in[SLOT_INPUTS])
{
    const u64 *r = c->sys;
    in[7] = 0;
    if (kind == REGIME_EL10 && UNLIKELY(aa32_el1(c)))
        in[7] = 1ull << 40 | (u32)r[DACR32_EL2] | (u64)(u8)r[CONTEXTIDR_EL1] << 32;
    switch (kind) {
    case REGIME_EL10:
        in[0] = r[SCTLR_EL1] & SCTLR_M;
        in[1] = r[TCR_EL1];
        in[2] = r[TTBR0_EL1];
        in[3] = r[TTBR1_EL1];
        in[4] = c->hcr & (HCR_VM | HCR_DC | HCR_TGE | HCR_NV | HCR_NV1);
        in[5] = r[VTTBR_EL2] ^ (r[VTCR_EL2] & 1u << 19);
        break;
    case REGIME_EL2:
    case REGIME_EL20:
        in[0] = r[SCTLR_EL2] & SCTLR_M;
        in[1] = r[TCR_EL2];
        in[2] = r[TTBR0_EL2];
        in[3] = r[TTBR1_EL2];
        in[4] = in[5] = 0;
        break;
    default:
        in[0] = r[SCTLR_EL3] & SCTLR_M;
        in[1] = r[TCR_EL3];
        in[2] = in[3] = in[4] = in[5] = 0;
        break;
    }
    in[6] = r[SCR_EL3];
}

/* Top byte ignore of a range in a regime. */
static bool tbi_of(const struct cpu *c, unsigned kind, bool upper, bool fetch)
{
    bool tbid = fetch && cpu_has(c, FEAT_PAuth);
    if (kind == REGIME_EL10 || kind == REGIME_EL20) {
        u64 tcr = c->sys[kind == REGIME_EL10 ? TCR_EL1 : TCR_EL2];
        return bit(tcr, 37 + upper) && !(tbid && bit(tcr, 51 + upper));
    }
    u64 tcr = c->sys[kind == REGIME_EL2 ? TCR_EL2 : TCR_EL3];
    return bit(tcr, 20) && !(tbid && bit(tcr, 29));
}

/* What a table has from control registers that do not choose it. Earlier generations had it otherwise, perhaps. */
static void set_controls(struct cpu *c, unsigned kind, const struct slot *s, struct fast_ctx *f)
{
    bool device = s->device || f->device_s1, same = f->device == device;
    f->device = device;
    f->two_ranges = kind == REGIME_EL10 || kind == REGIME_EL20;
    for (unsigned i = 0; i < 2; i++) {
        bool data = tbi_of(c, kind, i, false), fetch = tbi_of(c, kind, i, true);
        same = same && f->tbi[i] == data && f->tbi_fetch[i] == fetch;
        f->tbi[i] = data;
        f->tbi_fetch[i] = fetch;
    }
    if (!same)
        c->ctx_floor = c->ctx_last;
}

u64 context_untag(const struct cpu *c, u64 target)
{
    unsigned kind = context_kind(c, c->ps.el);
    if (!tbi_of(c, kind, bit(target, 55), true))
        return target;
    return kind == REGIME_EL10 || kind == REGIME_EL20 ? sext(target, 56) : target & ones(56);
}

/* Spaces or tables serve others now: nothing that was resolved holds. */
static void next_generation(struct cpu *c) { context_renew(c); }

/* Another process: the space is the same, and the tables that are not of one ASID. */
static void take_ttbr(const struct cpu *c, unsigned kind, struct slot *s, const u64 in[SLOT_INPUTS])
{
    u16 asid = kind == REGIME_EL10 || kind == REGIME_EL20 ? asid_of(c, in[1], in[2], in[3]) : 0;
    s->in[2] = in[2];
    s->in[3] = in[3];
    if (s->asid == asid)
        return;
    s->asid = asid;
    for (unsigned i = 0; i < ARRAY_LEN(s->ft); i++)
        if ((i & 1) || c->context->lost[s->space] == LOST_TIMES)
            s->ft[i] = NULL;
}

static struct slot *slot_get(struct cpu *c, unsigned kind)
{
    struct slot *s = &c->context->slot[kind];
    u64 in[SLOT_INPUTS];
    slot_inputs(c, kind, in);
    u64 ttbr = (s->in[2] ^ in[2]) | (s->in[3] ^ in[3]);
    u64 other = (s->in[0] ^ in[0]) | (s->in[1] ^ in[1]) | (s->in[4] ^ in[4]) | (s->in[5] ^ in[5]) | (s->in[6] ^ in[6]) |
                (s->in[7] ^ in[7]);
    if (LIKELY(s->valid && !other && !(ttbr && in[7]) && s->tlb_epoch == tlb_space_epoch(c->tlb))) {
        if (ttbr)
            take_ttbr(c, kind, s, in);
        if (UNLIKELY(s->fast_epoch != fast_epoch(c->fast_pool))) {
            memset(s->ft, 0, sizeof s->ft);
            s->fast_epoch = fast_epoch(c->fast_pool);
        }
        return s;
    }
    struct tlb_space sp = {.kind = (u8)kind, .pas = PAS_NS, .s1 = in[0] != 0};
    s->asid = 0;
    if (kind == REGIME_EL3 || cpu_secure_below_el3(c))
        sp.pas = PAS_S;
    if (kind == REGIME_EL10) {
        sp.s1 = el10_on(c);
        sp.s2 = stage2_on(c);
        sp.dc = dc_on(c);
        sp.nv1 = nv1_in_force(c);
        sp.vmid = context_vmid(c);
        sp.aa32 = in[7] != 0;
        if (sp.aa32 && sp.s1 && !aa32_eae(c))
            sp.dacr = (u32)in[7];
    }
    if (kind == REGIME_EL10 || kind == REGIME_EL20)
        s->asid = in[7] && !aa32_eae(c) ? (u16)(in[7] >> 32 & 0xff) : asid_of(c, in[1], in[2], in[3]);
    s->device = !sp.s1 && !sp.dc;
    u32 epoch = tlb_space_epoch(c->tlb);
    s->space = (u8)tlb_space_id(c->tlb, &sp);
    if (tlb_space_epoch(c->tlb) != epoch)
        next_generation(c);
    memcpy(s->in, in, sizeof in);
    memset(s->ft, 0, sizeof s->ft);
    s->tlb_epoch = tlb_space_epoch(c->tlb);
    s->fast_epoch = fast_epoch(c->fast_pool);
    s->valid = true;
    return s;
}

static struct fast_ctx *slot_ctx(struct cpu *c, struct slot *s, unsigned kind, bool el0, bool pan, bool big, bool mte)
{
    struct fast_ctx **p = &s->ft[(unsigned)el0 | (unsigned)pan << 1 | (unsigned)big << 2 | (unsigned)mte << 3];
    if (UNLIKELY(!*p)) {
        bool own = !el0 && c->context->lost[s->space] == LOST_TIMES;
        const struct fast_key k = {.space = s->space,
                                   .kind = (u8)kind,
                                   .el0 = el0,
                                   .pan = pan,
                                   .mte = mte,
                                   .big = big,
                                   .by_asid = own,
                                   .asid = s->asid};
        u32 before = fast_epoch(c->fast_pool);
        struct fast_ctx *found = fast_get(c->fast_pool, &k);
        if (fast_epoch(c->fast_pool) != before) { /* a context was taken away, perhaps one of ours */
            memset(s->ft, 0, sizeof s->ft);
            s->fast_epoch = fast_epoch(c->fast_pool);
            next_generation(c);
        }
        set_controls(c, kind, s, found);
        *p = found;
    }
    struct fast_ctx *f = *p;
    if (UNLIKELY(f->asid != s->asid)) {
        c->ctx_floor = c->ctx_last; /* earlier generations have the table of another ASID */
        u8 *lost = &c->context->lost[s->space];
        if (fast_set_asid(c->fast_pool, f, s->asid) < LOST_ENTRIES)
            *lost = (u8)(*lost - (*lost != 0));
        else if (++*lost == LOST_TIMES)
            memset(s->ft, 0, sizeof s->ft); /* from the next change on */
    }
    return f;
}

struct fast_ctx *context_of(struct cpu *c, unsigned kind, bool el0, bool pan, bool big)
{
    return slot_ctx(c, slot_get(c, kind), kind, el0, pan, big, false);
}

/* ---- what else depends on the EL ------------------------------------------------------------ */

static u64 sctlr_of(const struct cpu *c, unsigned kind)
{
    return c->sys[kind == REGIME_EL10 ? SCTLR_EL1 : kind == REGIME_EL3 ? SCTLR_EL3 : SCTLR_EL2];
}

/* Could FP/SIMD trap at this EL? CPACR_EL1, CPTR_EL2, CPTR_EL3. */
static bool fp_may_trap(const struct cpu *c)
{
    unsigned el = c->ps.el;
    bool vhe_host = (c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE);
    if (el < 2 && !vhe_host) {
        unsigned fpen = (unsigned)bits(c->sys[CPACR_EL1], 21, 20);
        if (!(fpen & 1) || (fpen == 1 && el == 0))
            return true;
    }
    if (el == 2 || (el < 2 && cpu_el2_enabled(c))) {
        u64 cptr = c->sys[CPTR_EL2];
        if (c->hcr & HCR_E2H) {
            unsigned fpen = (unsigned)bits(cptr, 21, 20);
            if (!(fpen & 1) || (fpen == 1 && el == 0 && (c->hcr & HCR_TGE)))
                return true;
        } else if (bit(cptr, 10)) {
            return true;
        }
    }
    return cpu_has_el3(c) && bit(c->sys[CPTR_EL3], 10);
}

static void resolve(struct cpu *c)
{
    unsigned el = c->ps.el, kind = context_kind(c, el);
    u64 sctlr = sctlr_of(c, kind);
    bool big = c->ps.nrw ? c->ps.e : (sctlr & (el == 0 ? SCTLR_E0E : SCTLR_EE)) != 0, el0 = el == 0;
    bool two = kind == REGIME_EL10 || kind == REGIME_EL20;
    struct slot *s = slot_get(c, kind);
    struct fast_ctx *f = slot_ctx(c, s, kind, el0, c->ps.pan && !el0 && two, big, mem_tag_checked(c, el, kind)), *u = f;
    /* LDTR and STTR act as EL0 from EL1, and from EL2 when it hosts EL0 */
    if (!el0 && two && !c->ps.uao && (kind == REGIME_EL10 ? !nv1_in_force(c) : (c->hcr & HCR_TGE) != 0))
        u = slot_ctx(c, s, kind, true, false, big, mem_tag_checked(c, 0, kind));
    c->ctx_dirty = false;
    if (c->ft != &f->t) {
        c->ft = &f->t;
        c->fetch_page = ~0ull;
    }
    c->ft_unpriv = &u->t;
    c->ft_el2 = c->ft;
    if (UNLIKELY(c->hcr & HCR_NV2) && el == 1) {
        unsigned k2 = context_kind(c, 2);
        c->ft_el2 = &context_of(c, k2, false, false, (c->sys[SCTLR_EL2] & SCTLR_EE) != 0)->t;
    }
    c->big_endian = big;
    c->strict_align = (sctlr & SCTLR_A) != 0;
    c->exact_align = c->strict_align || f->device || u->device;
    c->fp_trap = fp_may_trap(c);
}

bool context_keyed(unsigned cell)
{
    for (unsigned i = 0; i < KEYED; i++)
        if (keyed[i] == cell)
            return true;
    return false;
}

void context_number(struct cpu *c)
{
    u64 value[KEYED], hash = 0;
    for (unsigned i = 0; i < KEYED; i++) {
        value[i] = c->sys[keyed[i]];
        hash += (value[i] ^ value[i] >> 32) * (0x9e3779b97f4a7c15ull + 2 * i * 0x2545f4914f6cdd1dull);
    }
    struct numbered *n = &c->context->numbered[hash >> 32 & (NUMBERED - 1)];
    if (n->generation > c->ctx_floor && !memcmp(n->value, value, sizeof value)) {
        c->ctx_generation = n->generation;
        return;
    }
    c->ctx_generation = n->generation = ++c->ctx_last;
    memcpy(n->value, value, sizeof value);
}

static struct resolved *resolved_of(const struct cpu *c)
{
    const struct pstate *p = &c->ps;
    return &c->context->resolved[c->ctx_generation % RESOLVED_SETS]
                                [p->el | (unsigned)p->pan << 2 | (unsigned)p->uao << 3 | (unsigned)p->tco << 4];
}

static void use(struct cpu *c, struct resolved *r)
{
    c->resolved = r;
    c->ctx_dirty = false;
    if (c->ft != r->ft) {
        c->ft = r->ft;
        c->fetch_page = ~0ull;
    }
    c->ft_unpriv = r->unpriv;
    c->ft_el2 = r->el2;
    c->big_endian = r->big;
    c->strict_align = r->strict;
    c->exact_align = r->exact;
    c->fp_trap = r->fp_trap;
    c->pauth_tag = r->pauth_tag;
    memcpy(c->pauth_mask, r->pauth_mask, sizeof c->pauth_mask);
}

u32 context_note_pauth(struct cpu *c, u32 tag, const u64 mask[2])
{
    struct resolved *r = c->resolved;
    if (r && !c->ctx_dirty && r->generation == c->ctx_generation)
        r->pauth_tag = tag, memcpy(r->pauth_mask, mask, sizeof r->pauth_mask);
    memcpy(c->pauth_mask, mask, sizeof c->pauth_mask);
    return c->pauth_tag = tag;
}

void context_resolve(struct cpu *c)
{
    next_generation(c);
    context_update(c);
}

void context_update(struct cpu *c)
{
    if (!c->ctx_generation)
        context_number(c);
    struct resolved *r = resolved_of(c);
    if (LIKELY(r->generation == c->ctx_generation && !c->ps.nrw)) {
        use(c, r);
        return;
    }
    u32 before;
    do { /* once more when a table that was just chosen had to serve another context */
        before = fast_epoch(c->fast_pool);
        resolve(c);
    } while (UNLIKELY(before != fast_epoch(c->fast_pool)));
    c->resolved = NULL;
    if (c->ps.nrw)
        return;
    r = resolved_of(c);
    if (r->generation > c->ctx_floor && r->generation != c->ctx_generation)
        c->ctx_floor =
            c->ctx_last; /* who points here for that generation (struct transition) does not look whether it is still so
                          */
    *r = (struct resolved){.generation = c->ctx_generation,
                           .big = c->big_endian,
                           .strict = c->strict_align,
                           .exact = c->exact_align,
                           .fp_trap = c->fp_trap,
                           .ft = c->ft,
                           .unpriv = c->ft_unpriv,
                           .el2 = c->ft_el2};
    c->resolved = r;
}
