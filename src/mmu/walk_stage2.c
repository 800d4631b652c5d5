/* Stage 2 of a table walk, and the combination of both stages' attributes (DDI0487 D8.2.5, D8.6).
 *
 *   63..55  54 53  52  51  50..48      47..n        11  10 9 8  7 6    5..2     1 0
 *  +-------+------+---+---+------+----------------+---+--+----+-----+---------+----+
 *  |ignored| XN   |Con|DBM| res  | output address |   |AF| SH |S2AP | MemAttr |type|
 *  +-------+------+---+---+------+----------------+---+--+----+-----+---------+----+
 *
 * Invariant: a stage 2 fault's IPA is the one asked, with s1ptw set for stage 1 table accesses. */
#include "mmu/walk_impl.h"

static bool stage2_fault(struct walker *w, const struct s2_ask *a, enum fault_type type, int level)
{
    w->fault->ipa = a->ipa;
    w->fault->ipa_valid = true;
    w->fault->ipa_ns = a->space == PAS_NS;
    w->fault->s1ptw = a->s1_walk;
    if (a->s1_walk && !a->update && (w->in->need & NEED_R)) /* read-modify-write: a read alone would fault, too */
        w->fault->write = false;
    return walk_fault(w, type, 2, level);
}

/* AArch64.S2StartLevel, S2InvalidSL, S2InconsistentSL. -2: the combination is invalid. */
static int start_level(const struct regime *r, const struct tr_range *t)
{
    unsigned sl0 = t->sl & 3;
    bool sl2 = t->sl & 4;
    int level;
    if (t->granule == 12) {
        static const s8 by_sl0[4] = {2, 1, 0, 3};
        level = by_sl0[sl0];
        if (sl2) {
            if (sl0 != 0 || !r->ds || r->pamax < 52)
                return -2;
            level = -1;
        } else if ((level == 0 && r->pamax < 44) || (level == 3 && !r->ttst)) {
            return -2;
        }
    } else {
        level = 3 - (int)sl0;
        if (sl2 || (t->granule == 16 && level == 0) || (level == 0 && !(r->ds && r->pamax >= 52)) ||
            (level == 1 && r->pamax < (t->granule == 16 ? 44 : 42)))
            return -2;
    }
    /* one to sixteen tables at the start level */
    unsigned stride = t->granule - 3u;
    unsigned min = (unsigned)(3 - level) * stride + t->granule + 1, max = min + stride - 1 + 4;
    unsigned iasize = 64u - t->txsz;
    return iasize < min || iasize > max ? -2 : level;
}

/* A Secure guest's two IPA spaces have tables of their own. */
static const struct tr_range *stage2_tables(const struct regime *r, enum pas ipa_space)
{
    return &r->r[r->space == PAS_S && ipa_space == PAS_NS];
}

/* AArch64.S2Walk. */
static bool stage2_descend(struct walker *w, const struct regime *r, const struct s2_ask *a, struct s2_leaf *l)
{
    if (w->s2_valid && w->s2_space == a->space && !((w->s2_ipa ^ a->ipa) >> w->s2.shift)) {
        *l = w->s2;
        l->oa = (l->oa & ~ones(l->shift)) | (a->ipa & ones(l->shift));
        return true;
    }
    const struct tr_range *t = stage2_tables(r, a->space);
    unsigned g = t->granule, stride = g - 3u;
    unsigned min = g == 16 ? (r->pamax > 48 ? 12 : 16) : (r->ds ? 12 : 16);
    if (64u - r->pamax > min)
        min = 64u - r->pamax;
    unsigned max = r->ttst ? (g == 16 ? 47 : 48) : 39;
    if (t->txsz < min || t->txsz > max || a->ipa >> (64 - t->txsz))
        return stage2_fault(w, a, FAULT_TRANSLATION, 0);
    int level = start_level(r, t);
    if (level == -2)
        return stage2_fault(w, a, FAULT_TRANSLATION, 0);
    unsigned shift = g + stride * (unsigned)(3 - level), top = 64u - t->txsz;
    u64 base = walk_base(r, t, top - shift + 3);
    if (walk_oa_bad(r, base))
        return stage2_fault(w, a, FAULT_ADDRESS_SIZE, 0);
    /* In Secure state SW and NSW choose the tables' PAS for either IPA space */
    enum pas space = r->space == PAS_S && (a->space == PAS_NS ? r->nsw : r->sw) ? PAS_NS : (enum pas)r->space;
    for (;; level++, top = shift, shift -= stride) {
        l->pa = pa_make(space, base | bits(a->ipa, top - 1, shift) << 3);
        if (!walk_read_desc(w, r->ee, l->pa, 2, level, &l->desc))
            return stage2_fault(w, a, FAULT_EXTERNAL_TTW, level);
        u64 d = l->desc;
        bool table = level < 3 && (d & 3) == 3;
        if (!(d & 1) || (level == 3 && !(d & 2)) || (!table && level < 3 && !walk_block_allowed(r, g, level)))
            return stage2_fault(w, a, FAULT_TRANSLATION, level);
        u64 oa = walk_desc_addr(r, g, d, table ? g : shift);
        if (walk_oa_bad(r, oa))
            return stage2_fault(w, a, FAULT_ADDRESS_SIZE, level);
        if (!table) {
            l->oa = oa | (a->ipa & ones(shift));
            l->level = level;
            l->shift = shift;
            w->s2 = *l;
            w->s2_ipa = a->ipa;
            w->s2_space = a->space;
            w->s2_valid = !w->in->trace;
            return true;
        }
        base = oa;
    }
}

static bool memattr_is_device(const struct regime *r, unsigned memattr)
{
    return r->s2_fwb ? !(memattr & 4) : !(memattr & 12);
}

static enum walk_status stage2_once(struct walker *w, const struct regime *r, const struct s2_ask *a,
                                    struct s2_result *res)
{
    const struct walk_in *in = w->in;
    const struct tr_range *t = stage2_tables(r, a->space);
    struct s2_leaf l;
    if (!stage2_descend(w, r, a, &l))
        return WALK_FAULT;
    u64 desc = l.desc;
    if (!bit(desc, 10)) {
        if (!r->ha && !r->affd && in->use != WALK_OBSERVE) {
            stage2_fault(w, a, FAULT_ACCESS_FLAG, l.level);
            return WALK_FAULT;
        }
        if (r->ha)
            desc |= 1u << 10;
    }
    unsigned memattr = (unsigned)bits(desc, 5, 2);
    if ((a->need & NEED_NORMAL) && memattr_is_device(r, memattr)) {
        stage2_fault(w, a, FAULT_ALIGNMENT, l.level);
        return WALK_FAULT;
    }
    bool dbm = r->hd && bit(desc, 51) && !bit(desc, 7);
    u16 perm = perm_stage2((unsigned)bits(desc, 7, 6) | (dbm ? 2 : 0), (unsigned)bits(desc, 54, 53), r->xnx);
    unsigned miss = in->use == WALK_OBSERVE ? 0 : perm_missing(perm, a->need, a->priv, false);
    bool ptw = a->s1_walk && r->s2_ptw && memattr_is_device(r, memattr) && in->use != WALK_OBSERVE;
    if (miss || ptw) {
        if ((miss & NEED_R) && !a->s1_walk)
            w->fault->write = false;
        stage2_fault(w, a, FAULT_PERMISSION, l.level);
        return WALK_FAULT;
    }
    /* dirty: by a write, and not for the sake of an AT's own access */
    if (dbm && in->use != WALK_OBSERVE && (in->use == WALK_ACCESS || a->update)) {
        if (a->need & NEED_W)
            desc |= 1u << 7;
        else
            perm &= (u16) ~(PERM_UW | PERM_PW);
    }
    if (desc != l.desc && in->use != WALK_OBSERVE) {
        enum walk_status s = walk_update_desc(w, r->ee, l.pa, 2, l.level, l.desc, desc);
        if (s == WALK_FAULT)
            stage2_fault(w, a, FAULT_EXTERNAL_TTW, l.level);
        if (s != WALK_OK)
            return s;
    }
    /* Secure IPA space: SA; Non-secure IPA space: NSA, and Non-secure always without Secure tables */
    enum pas space = a->space;
    if (r->space == PAS_S)
        space = (a->space == PAS_NS ? r->nsa : r->sa) ? PAS_NS : PAS_S;
    *res = (struct s2_result){.pa = pa_make(space, l.oa),
                              .perm = perm,
                              .memattr = (u8)memattr,
                              .sh = r->ds && t->granule != 16 ? t->sh : (u8)bits(desc, 9, 8),
                              .log2 = (u8)l.shift,
                              .level = (s8)l.level};
    return WALK_OK;
}

bool walk_stage2(struct walker *w, const struct regime *s2, const struct s2_ask *ask, struct s2_result *res)
{
    enum walk_status s;
    while ((s = stage2_once(w, s2, ask, res)) == WALK_AGAIN)
        ;
    return s == WALK_OK;
}

/* Cacheability of one half of a Normal MAIR byte: 1 NC, 2 WT, 3 WB (as in MemAttr). */
static unsigned cacheability(unsigned nibble)
{
    if (nibble == 4)
        return 1;
    return bit(nibble, 2) ? 3 : 2; /* 01RW and 11RW write-back, 00RW and 10RW write-through */
}

/* The weaker of the two, with stage 1's hints (S2CombineS1AttrHints). */
static unsigned combine_half(unsigned nibble, unsigned s2)
{
    if (cacheability(nibble) <= s2)
        return nibble;
    return s2 == 1 ? 4 : nibble & ~4u; /* write-through keeps allocation and transient hints */
}

static unsigned force_wb(unsigned nibble) { return nibble == 4 ? 0xf : nibble | 4; }

u8 walk_combine_attr(const struct regime *s2, u8 s1, unsigned memattr, bool fetch)
{
    if (s1 == 0x40 || s1 == 0xa0) /* XS = 0 forms */
        s1 = s1 == 0x40 ? 0x44 : 0xaa;
    bool nc = fetch ? s2->s2_id : s2->s2_cd;
    bool s1_device = attr_is_device(s1);
    if (memattr_is_device(s2, memattr)) {
        u8 dev = (u8)((memattr & 3) << 2);
        return s1_device && (s1 & 0xc) < dev ? (u8)(s1 & 0xc) : dev;
    }
    if (s2->s2_fwb) {
        switch (memattr & 7) {
        case 5: return s1_device ? (u8)(s1 & 0xc) : 0x44;
        case 6: /* forced write-back, with the hints of a cacheable stage 1 */
            return nc ? 0x44 : s1_device ? 0xff : (u8)(force_wb(s1 >> 4) << 4 | force_wb(s1 & 0xf));
        default: return s1_device ? (u8)(s1 & 0xc) : nc ? 0x44 : s1;
        }
    }
    if (s1_device)
        return (u8)(s1 & 0xc);
    if (nc)
        return 0x44;
    if (s1 == 0xf0)
        return memattr == 0xf ? s1 : (u8)(combine_half(0xf, memattr >> 2) << 4 | combine_half(0xf, memattr & 3));
    return (u8)(combine_half(s1 >> 4, memattr >> 2) << 4 | combine_half(s1 & 0xf, memattr & 3));
}
