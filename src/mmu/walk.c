/* VMSAv8-64 translation table walks, stage 1 and both stages together (DDI0487 D8).
 *
 *   63  62  61 60 59      58..55  54  53  52  51  50   49..........n  11 10 9 8  7 6   5  4..2   1 0
 *  +---+------+--+--+----+------+---+---+---+---+---+---------------+--+--+---+-----+--+--------+---+
 *  |NST| APT  |XN|PX| ignored   |UXN|PXN|Con|DBM|GP | output address|nG|AF|SH |AP2:1|NS|AttrIndx|typ|
 *  +---+------+--+--+----+------+---+---+---+---+---+---------------+--+--+---+-----+--+--------+---+
 *   63..59: table descriptors only
 *
 * Granules 4, 16 and 64 KiB, 52-bit addresses by TCR.DS or (64 KiB) by PS. The walker is restartable:
 * it changes nothing but descriptors, each by one compare-and-swap, after its fault checks.
 *
 * Not modelled: 128-bit descriptors, permission indirection and overlays, MPAM, GPT checks.
 * The contiguous bit is reported but does not enlarge an entry, which the architecture permits. */
#include "mmu/walk.h"

#include <string.h>

#include "mmu/walk_impl.h"

bool walk_fault(struct walker *w, enum fault_type type, unsigned stage, int level)
{
    w->fault->type = (u8)type;
    w->fault->stage = (u8)stage;
    w->fault->level = (s8)level;
    return false;
}

bool walk_ask_desc(struct walker *w, bool ee, struct pa pa, unsigned stage, int level, u64 *desc)
{
    if (!w->mem->read(w->mem->arg, pa, desc))
        return walk_fault(w, FAULT_EXTERNAL_TTW, stage, level);
    if (ee)
        *desc = bswap64(*desc);
    struct walk_trace *t = w->in->trace;
    if (t && t->n < ARRAY_LEN(t->step))
        t->step[t->n++] = (struct walk_step){pa, *desc, (s8)level, (u8)stage};
    return true;
}

enum walk_status walk_update_desc(struct walker *w, bool ee, struct pa pa, unsigned stage, int level, u64 old, u64 desc)
{
    u64 seen;
    if (ee) {
        old = bswap64(old);
        desc = bswap64(desc);
    }
    w->s2_valid = false; /* it may be what the leaf was made from */
    if (!w->mem->cas(w->mem->arg, pa, old, desc, &seen)) {
        walk_fault(w, FAULT_EXTERNAL_TTW, stage, level);
        return WALK_FAULT;
    }
    return seen == old ? WALK_OK : WALK_AGAIN;
}

u64 walk_desc_addr(const struct regime *r, unsigned granule, u64 desc, unsigned low)
{
    if (granule == 16)
        return (bits(desc, 47, 0) & ~ones(low)) | (r->ps > 48 ? bits(desc, 15, 12) << 48 : 0);
    if (r->ds)
        return (bits(desc, 49, 0) & ~ones(low)) | bits(desc, 9, 8) << 50;
    return bits(desc, 47, 0) & ~ones(low);
}

u64 walk_base(const struct regime *r, const struct tr_range *t, unsigned log2)
{
    u64 base = bits(t->ttbr, 47, 1) << 1;
    bool wide = t->granule == 16 ? r->ps > 48 : r->ds && r->ps > 48;
    if (wide) { /* BADDR[51:48] are TTBR[5:2], tables are 64-byte aligned at least */
        base = (base & ~0x3full) | bits(t->ttbr, 5, 2) << 48;
        if (log2 < 6)
            log2 = 6;
    }
    return base & ~ones(log2);
}

bool walk_block_allowed(const struct regime *r, unsigned granule, int level)
{
    switch (granule) {
    case 12: return level == 2 || level == 1 || (level == 0 && r->ds);
    case 14: return level == 2 || (level == 1 && r->ds);
    default: return level == 2 || (level == 1 && r->pamax > 48);
    }
}

/* Everything stage 1 finds out about a VA. */
struct s1_result {
    u64 ipa;
    enum pas space;
    u16 perm;
    u8 attr, sh, log2;
    s8 level;
    bool ng, gp, contiguous, tagged;
};

/* Stage 1 switched off (AArch64.S1DisabledOutput). */
static bool stage1_off(struct walker *w, const struct regime *r, const struct tr_range *t, struct s1_result *res)
{
    bool fetch = w->in->need & NEED_X;
    unsigned top = t->tbi && !(fetch && t->tbid) ? 55 : 63;
    if (bits(w->va, top, r->pamax))
        return walk_fault(w, FAULT_ADDRESS_SIZE, 1, 0);
    *res = (struct s1_result){
        .ipa = w->va & ones(r->pamax), .space = (enum pas)r->space, .perm = PERM_ALL, .log2 = 12, .level = 0};
    if (r->dc) {
        res->attr = 0xff;
    } else if (fetch) { /* Normal, Outer Shareable: write-through with SCTLR.I, else non-cacheable */
        res->attr = r->icache ? 0xaa : 0x44;
        res->sh = 2;
    } else {
        if (w->in->need & NEED_NORMAL)
            return walk_fault(w, FAULT_ALIGNMENT, 1, 0);
        res->attr = 0x00;
        res->sh = 2;
    }
    return true;
}

/* Permissions of a stage 1 leaf with hierarchical limits; *dirty: DBM makes it writable. */
static u16 stage1_perm(const struct regime *r, u64 desc, u64 limits, bool *dbm)
{
    unsigned ap = (unsigned)bits(desc, 7, 6);
    *dbm = r->hd && bit(desc, 51) && (ap & 2);
    if (*dbm)
        ap &= 1;
    bool uxn = bit(desc, 54), pxn = bit(desc, 53);
    if (r->two_ranges) {
        if (r->nv1) { /* APTable[0] reads as 0, bit 60 is PXNTable */
            uxn |= bit(limits, 60);
        } else {
            if (bit(limits, 61))
                ap &= 2;
            uxn |= bit(limits, 60);
            pxn |= bit(limits, 59);
        }
    } else {
        pxn = uxn || bit(limits, 60);
    }
    if (bit(limits, 62)) {
        ap |= 2;
        *dbm = false;
    }
    if (r->aa32)
        return walk_aa32_perm(r, ap, uxn, pxn);
    const struct perm_stage1 p = {(u8)ap, uxn, pxn, r->two_ranges, r->nv1, r->wxn, r->epan};
    return perm_stage1(&p);
}

/* Address of a stage 1 descriptor after stage 2. */
static bool desc_pa(struct walker *w, const struct regime *r, u64 ipa, enum pas space, int level, bool update,
                    struct pa *pa)
{
    if (!r->s2 || !r->s2->on) {
        *pa = pa_make(space, ipa);
        return true;
    }
    const struct s2_ask ask = {.ipa = ipa,
                               .space = space,
                               .need = update ? NEED_W : NEED_R,
                               .priv = true,
                               .s1_walk = true,
                               .update = update,
                               .level = (u8)level};
    struct s2_result res;
    if (!walk_stage2(w, r->s2, &ask, &res))
        return false;
    *pa = res.pa;
    return true;
}

bool walk_desc_pa(struct walker *w, const struct regime *r, u64 ipa, enum pas space, int level, struct pa *pa)
{
    return desc_pa(w, r, ipa, space, level, false, pa);
}

/* Is va one that the selected range translates? */
static bool stage1_va_ok(const struct walker *w, const struct regime *r, const struct tr_range *t, bool upper)
{
    if (r->aa32) /* walk_aa32_range() has looked at the address */
        return !t->epd;
    unsigned min = t->granule == 16 ? (r->pamax > 48 ? 12 : 16) : (r->ds ? 12 : 16);
    unsigned max = r->ttst ? (t->granule == 16 ? 47 : 48) : 39;
    if (t->txsz < min || t->txsz > max || t->epd || (t->e0pd && !w->in->priv))
        return false;
    bool fetch = w->in->need & NEED_X;
    unsigned top = t->tbi && !(fetch && t->tbid) ? 55 : 63, size = 64u - t->txsz;
    return bits(w->va, top, size) == (upper ? ones(top - size + 1) : 0);
}

/* A walk's leaf and how it was reached. */
struct leaf {
    u64 desc;
    u64 ipa; /* of the descriptor itself */
    struct pa pa;
    u64 limits;     /* hierarchical attributes, ORed */
    u64 oa;         /* of the input address */
    enum pas space; /* of the leaf's descriptor */
    int level;
    unsigned shift;
};

/* AArch64.S1Walk: from TTBR to a page or block descriptor. */
static bool stage1_descend(struct walker *w, const struct regime *r, const struct tr_range *t, struct leaf *l)
{
    unsigned g = t->granule, stride = g - 3, iasize = 64u - t->txsz;
    int level = 4 - (int)((iasize - g + stride - 1) / stride);
    unsigned shift = g + stride * (unsigned)(3 - level), top = iasize;
    u64 base = walk_base(r, t, top - shift + 3);
    enum pas space = t->ns ? PAS_NS : (enum pas)r->space;
    l->limits = 0;
    if (walk_oa_bad(r, base))
        return walk_fault(w, FAULT_ADDRESS_SIZE, 1, 0);
    for (;; level++, top = shift, shift -= stride) {
        l->ipa = base | bits(w->va, top - 1, shift) << 3;
        l->space = space;
        if (!desc_pa(w, r, l->ipa, space, level, false, &l->pa) || !walk_read_desc(w, r->ee, l->pa, 1, level, &l->desc))
            return false;
        u64 d = l->desc;
        bool table = level < 3 && (d & 3) == 3;
        if (!(d & 1) || (level == 3 && !(d & 2)) || (!table && level < 3 && !walk_block_allowed(r, g, level)))
            return walk_fault(w, FAULT_TRANSLATION, 1, level);
        u64 oa = walk_desc_addr(r, g, d, table ? g : shift);
        if (walk_oa_bad(r, oa))
            return walk_fault(w, FAULT_ADDRESS_SIZE, 1, level);
        if (!table) {
            l->oa = oa | (w->va & ones(shift));
            l->level = level;
            l->shift = shift;
            return true;
        }
        base = oa;
        if (!t->hpd)
            l->limits |= d & 0x7800000000000000ull;
        if (r->space == PAS_S && bit(d, 63))
            space = PAS_NS;
    }
}

/* Access flag and dirty state of a stage 1 leaf, written through stage 2. */
static enum walk_status stage1_update(struct walker *w, const struct regime *r, const struct leaf *l, u64 desc)
{
    struct pa pa;
    if (!desc_pa(w, r, l->ipa, l->space, l->level, true, &pa))
        return WALK_FAULT;
    return walk_update_desc(w, r->ee, pa, 1, l->level, l->desc, desc);
}

static enum walk_status stage1(struct walker *w, const struct regime *r, const struct tr_range *t, bool upper,
                               struct s1_result *res)
{
    const struct walk_in *in = w->in;
    struct leaf l;
    if (!stage1_va_ok(w, r, t, upper)) {
        walk_fault(w, FAULT_TRANSLATION, 1, r->aa32 ? 1 : 0);
        return WALK_FAULT;
    }
    if (!stage1_descend(w, r, t, &l))
        return WALK_FAULT;
    u64 desc = l.desc;
    if (!bit(desc, 10)) {
        if (!r->ha && !r->affd && in->use != WALK_OBSERVE) {
            walk_fault(w, FAULT_ACCESS_FLAG, 1, l.level);
            return WALK_FAULT;
        }
        if (r->ha)
            desc |= 1u << 10;
    }
    /* before permissions (D8.15.2, prioritisation of MMU faults) */
    u8 attr = (u8)(r->mair >> 8 * bits(desc, 4, 2));
    if ((in->need & NEED_NORMAL) && attr_is_device(attr)) {
        walk_fault(w, FAULT_ALIGNMENT, 1, l.level);
        return WALK_FAULT;
    }
    bool dbm;
    u16 perm = stage1_perm(r, desc, l.limits, &dbm);
    enum pas space = r->space == PAS_S && (l.space == PAS_NS || bit(desc, 5)) ? PAS_NS : l.space;
    if (r->sif && r->space != PAS_NS && space == PAS_NS)
        perm &= (u16) ~(PERM_UX | PERM_PX);
    unsigned miss = in->use == WALK_OBSERVE ? 0 : perm_missing(perm, in->need, in->priv, in->pan);
    if (miss) {
        if (miss & NEED_R)
            w->fault->write = false;
        walk_fault(w, FAULT_PERMISSION, 1, l.level);
        return WALK_FAULT;
    }
    if (dbm && in->use == WALK_ACCESS) {
        if (in->need & NEED_W)
            desc &= ~(1ull << 7);
        else
            perm &= (u16) ~(PERM_UW | PERM_PW); /* writable only once it is dirty */
    }
    if (desc != l.desc && in->use != WALK_OBSERVE) {
        enum walk_status s = stage1_update(w, r, &l, desc);
        if (s == WALK_FAULT && (in->need & NEED_R) && !bit(l.desc, 10)) /* a read alone would have updated, too */
            w->fault->write = false;
        if (s != WALK_OK)
            return s;
    }
    *res = (struct s1_result){.ipa = l.oa,
                              .space = space,
                              .perm = perm,
                              .attr = attr,
                              .sh = r->ds && t->granule != 16 ? t->sh : (u8)bits(desc, 9, 8),
                              .log2 = (u8)l.shift,
                              .level = (s8)l.level,
                              .ng = r->two_ranges && (bit(desc, 11) || (r->space == PAS_S && l.space == PAS_NS)),
                              .gp = bit(desc, 50),
                              .contiguous = bit(desc, 52),
                              .tagged = attr == 0xf0};
    return WALK_OK;
}

static enum walk_status stage1_short(struct walker *w, const struct regime *r, struct s1_result *res)
{
    struct walk_short s;
    if (!walk_stage1_short(w, r, &s))
        return WALK_FAULT;
    *res = (struct s1_result){.ipa = s.pa,
                              .space = r->space == PAS_S && s.ns ? PAS_NS : (enum pas)r->space,
                              .perm = s.perm,
                              .attr = s.attr,
                              .sh = s.sh,
                              .log2 = s.log2,
                              .level = s.level,
                              .ng = s.ng};
    return WALK_OK;
}

static enum walk_status translate(struct walker *w, const struct regime *r, struct walk_out *out)
{
    const struct walk_in *in = w->in;
    bool upper = r->two_ranges && bit(w->va, 55);
    const struct tr_range *t = r->on && r->aa32 == 1 ? walk_aa32_range(r, w->va) : &r->r[upper];
    struct s1_result s1;
    if (!t) {
        walk_fault(w, FAULT_TRANSLATION, 1, 1);
        return WALK_FAULT;
    }
    if (r->on && r->aa32 == 2) {
        if (stage1_short(w, r, &s1) != WALK_OK)
            return WALK_FAULT;
    } else if (!r->on) {
        if (!stage1_off(w, r, t, &s1))
            return WALK_FAULT;
    } else {
        enum walk_status s = stage1(w, r, t, upper, &s1);
        if (s != WALK_OK)
            return s;
    }
    *out = (struct walk_out){.pa = pa_make(s1.space, s1.ipa),
                             .ipa = {s1.ipa},
                             .perm = s1.perm,
                             .s1_log2 = s1.log2,
                             .s2_log2 = 63,
                             .s1_level = s1.level,
                             .attr = s1.attr,
                             .s1_attr = r->on || r->dc ? s1.attr : 0, /* also what a fetch finds */
                             .sh = attr_is_device(s1.attr) ? 2 : s1.sh,
                             .ng = s1.ng,
                             .gp = s1.gp,
                             .contiguous = s1.contiguous,
                             .tagged = s1.tagged};
    if (!r->s2 || !r->s2->on || in->stage1_only)
        return WALK_OK;
    const struct s2_ask ask = {.ipa = s1.ipa, .space = s1.space, .need = in->need, .priv = in->priv};
    struct s2_result s2;
    if (!walk_stage2(w, r->s2, &ask, &s2))
        return WALK_FAULT;
    out->pa = s2.pa;
    out->perm = (u16)((s1.perm & s2.perm) | (s1.perm & PERM_PAN));
    out->s2_log2 = s2.log2;
    if (!r->on) /* an entry of stage 2 alone: TLBI by IPA has to find all of its block */
        out->s1_log2 = s2.log2;
    out->s2_level = s2.level;
    out->attr = walk_combine_attr(r->s2, s1.attr, s2.memattr, in->need & NEED_X);
    out->tagged = s1.tagged && out->attr == 0xf0;
    if (attr_is_device(out->attr) || out->attr == 0x44)
        out->sh = 2;
    else if (out->sh != 2) /* outer beats inner beats none; 01 is reserved */
        out->sh = s2.sh == 2 ? 2 : s2.sh == 3 || out->sh == 3 ? 3 : 0;
    return WALK_OK;
}

bool walk(const struct regime *r, struct va va, const struct walk_mem *mem, const struct walk_in *in,
          struct walk_out *out, struct fault *fault)
{
    struct walker w = {.mem = mem, .in = in, .fault = fault, .va = va.v};
    for (;;) {
        *fault = (struct fault){.va = va.v, .write = in->need & NEED_W};
        if (in->trace)
            in->trace->n = 0;
        switch (translate(&w, r, out)) {
        case WALK_OK: return true;
        case WALK_FAULT: return false;
        default: /* the descriptor changed under us: once more */ break;
        }
    }
}
