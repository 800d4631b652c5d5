/* Stage 1 in AArch32 state: the short-descriptor format, and what the long one has of its own (DDI0487 G5).
 *
 *   first level   31...........20 19 18 17 16 15 14:12 11:10 9 8:5 4  3  2 1 0
 *   page table    base 31:10                                 Dom -- NS PXN 0 1
 *   section       base          NS 0  nG S  AP2  TEX   AP1:0  -  Dom XN C  B 1 PXN
 *   supersection  base 31:24, PA 35:32 in 23:20, PA 39:36 in 8:5, bit 18 set
 *   second level  large page: base 31:16, XN 15, TEX 14:12; both: nG 11, S 10, AP2 9, AP1:0 5:4, C 3, B 2
 *                 small page: base 31:12, TEX 8:6, XN 0
 *
 * Domains are checked here, once a walk: translations of different DACR values are in different TLB spaces. */
#include <string.h>

#include "mmu/walk_impl.h"

/* ---- long descriptors ----------------------------------------------------------------------- */

const struct tr_range *walk_aa32_range(const struct regime *r, u64 va)
{
    u32 v = (u32)va;
    unsigned t0 = r->r[0].txsz - 32u, t1 = r->r[1].txsz - 32u;
    if (t1 > 0 ? v >> (32 - t1) == (1u << t1) - 1 : t0 > 0 && v >> (32 - t0) != 0)
        return &r->r[1];
    return t0 == 0 || v >> (32 - t0) == 0 ? &r->r[0] : NULL;
}

u16 walk_aa32_perm(const struct regime *r, unsigned ap, bool xn, bool pxn)
{
    unsigned perm = ap & 2 ? PERM_PR : PERM_PR | PERM_PW;
    if (ap & 1)
        perm |= ap & 2 ? PERM_UR : PERM_UR | PERM_UW;
    if (!xn && (perm & PERM_UR) && !((perm & PERM_UW) && r->wxn))
        perm |= PERM_UX;
    if (!xn && !pxn && !((perm & PERM_PW) && r->wxn) && !((perm & PERM_UW) && r->uwxn))
        perm |= PERM_PX;
    if (ap & 1)
        perm |= PERM_PAN;
    return (u16)perm;
}

/* ---- short descriptors ---------------------------------------------------------------------- */

/* A leaf with its fields where the formats agree. */
struct short_leaf {
    u64 pa;
    unsigned ap, tex_c_b, domain, log2;
    int level;
    bool xn, pxn, ng, s, ns;
};

static bool read_short(struct walker *w, const struct regime *r, u32 at, int level, u32 *desc)
{
    struct pa pa;
    u64 two;
    if (!walk_desc_pa(w, r, at, (enum pas)r->space, level, &pa))
        return false;
    if (!walk_read_desc(w, false, (struct pa){pa.v & ~7ull}, 1, level, &two))
        return false;
    *desc = (u32)(two >> (at & 4 ? 32 : 0));
    if (r->ee)
        *desc = __builtin_bswap32(*desc);
    return true;
}

static void section(struct short_leaf *l, u32 d, u32 va)
{
    bool super = bit(d, 18);
    l->log2 = super ? 24 : 20;
    l->pa = super ? (d & 0xff000000) | (u64)bits(d, 23, 20) << 32 | (u64)bits(d, 8, 5) << 36 : d & 0xfff00000;
    l->pa |= va & ones(l->log2);
    l->domain = super ? 0 : (unsigned)bits(d, 8, 5);
    l->ap = (unsigned)(bits(d, 15, 15) << 2 | bits(d, 11, 10));
    l->tex_c_b = (unsigned)(bits(d, 14, 12) << 2 | bits(d, 3, 2));
    l->xn = bit(d, 4);
    l->pxn = bit(d, 0);
    l->ng = bit(d, 17);
    l->s = bit(d, 16);
    l->ns = bit(d, 19);
    l->level = 1;
}

static void page(struct short_leaf *l, u32 d, u32 va)
{
    bool small = bit(d, 1);
    l->log2 = small ? 12 : 16;
    l->pa = (d & ~(u32)ones(l->log2)) | (va & ones(l->log2));
    l->ap = (unsigned)(bits(d, 9, 9) << 2 | bits(d, 5, 4));
    l->tex_c_b = (unsigned)((small ? bits(d, 8, 6) : bits(d, 14, 12)) << 2 | bits(d, 3, 2));
    l->xn = small ? bit(d, 0) : bit(d, 15);
    l->ng = bit(d, 11);
    l->s = bit(d, 10);
    l->level = 2;
}

static bool fault_in(struct walker *w, enum fault_type type, const struct short_leaf *l)
{
    w->fault->domain = (u8)l->domain;
    return walk_fault(w, type, 1, l->level);
}

static bool descend(struct walker *w, const struct regime *r, struct short_leaf *l)
{
    u32 va = (u32)w->va, d;
    unsigned n = r->ttbcr_n;
    bool second = n && va >> (32 - n);
    const struct tr_range *t = &r->r[second];
    if (second)
        n = 0;
    l->level = 1;
    if (t->epd)
        return fault_in(w, FAULT_TRANSLATION, l);
    u32 base = (u32)t->ttbr & ~(u32)ones(14 - n);
    if (!read_short(w, r, base | (va & (u32)ones(32 - n)) >> 20 << 2, 1, &d))
        return false;
    if ((d & 3) == 0)
        return fault_in(w, FAULT_TRANSLATION, l);
    if (d & 2) {
        section(l, d, va);
        return true;
    }
    l->domain = (unsigned)bits(d, 8, 5);
    l->pxn = bit(d, 2);
    l->ns = bit(d, 3);
    l->level = 2;
    if (!read_short(w, r, (d & 0xfffffc00) | (va >> 12 & 0xff) << 2, 2, &d))
        return false;
    if ((d & 3) == 0)
        return fault_in(w, FAULT_TRANSLATION, l);
    page(l, d, va);
    return true;
}

/* Two bits of cacheability to half a MAIR byte: non-cacheable, write-back allocate, write-through, write-back. */
static u8 cache_half(unsigned code)
{
    static const u8 half[4] = {0x4, 0xf, 0xa, 0xe};
    return half[code & 3];
}

/* MAIR byte and shareability from TEX, C, B and S, remapped by PRRR and NMRR or not. */
static u8 attributes(const struct regime *r, const struct short_leaf *l, u8 *sh)
{
    unsigned tcb = l->tex_c_b;
    u32 prrr = (u32)r->mair, nmrr = (u32)(r->mair >> 32);
    *sh = l->s ? 3 : 0;
    if (r->tre) {
        unsigned n = tcb & 7, type = prrr >> 2 * n & 3;
        if (type != 2)
            return type == 0 ? 0x00 : 0x04;
        bool shared = bit(prrr, l->s ? 19 : 18);
        *sh = !shared ? 0 : bit(prrr, 24 + n) ? 3 : 2;
        return (u8)(cache_half(nmrr >> (2 * n + 16)) << 4 | cache_half(nmrr >> 2 * n));
    }
    if (tcb & 0x10)
        return (u8)(cache_half(tcb >> 2) << 4 | cache_half(tcb));
    switch (tcb) {
    case 0: return 0x00;
    case 1:
    case 8: return 0x04;
    case 2: return 0xaa;
    case 3: return 0xee;
    case 4: return 0x44;
    default: return 0xff;
    }
}

/* AP[2:0] with SCTLR.AFE = 0 to permissions; the simplified model is walk_aa32_perm()'s. */
static u16 full_ap(const struct regime *r, const struct short_leaf *l)
{
    if ((l->ap & 3) == 0)
        return 0;
    unsigned simple = l->ap & 4 ? ((l->ap & 3) == 1 ? 2 : 3) : (l->ap & 3) == 1 ? 0 : 1;
    u16 perm = walk_aa32_perm(r, simple, l->xn, l->pxn);
    if (l->ap == 2) /* EL0 reads what EL1 may write */
        perm = (u16)((walk_aa32_perm(r, 0, l->xn, l->pxn) & ~PERM_UX) | PERM_UR | PERM_PAN | (l->xn ? 0 : PERM_UX));
    return perm;
}

bool walk_stage1_short(struct walker *w, const struct regime *r, struct walk_short *res)
{
    const struct walk_in *in = w->in;
    struct short_leaf l = {0};
    if (!descend(w, r, &l))
        return false;
    if (r->afe && !(l.ap & 1) && in->use != WALK_OBSERVE)
        return fault_in(w, FAULT_ACCESS_FLAG, &l);
    unsigned domain = r->dacr >> 2 * l.domain & 3;
    if (!(domain & 1) && in->use != WALK_OBSERVE)
        return fault_in(w, FAULT_DOMAIN, &l);
    u16 perm = domain == 3 ? PERM_ALL : r->afe ? walk_aa32_perm(r, l.ap >> 1, l.xn, l.pxn) : full_ap(r, &l);
    unsigned miss = in->use == WALK_OBSERVE ? 0 : perm_missing(perm, in->need, in->priv, in->pan);
    if (miss) {
        if (miss & NEED_R)
            w->fault->write = false;
        return fault_in(w, FAULT_PERMISSION, &l);
    }
    u8 sh;
    *res =
        (struct walk_short){.pa = l.pa, .perm = perm, .level = (s8)l.level, .log2 = (u8)l.log2, .ng = l.ng, .ns = l.ns};
    res->attr = attributes(r, &l, &sh);
    res->sh = sh;
    return true;
}
