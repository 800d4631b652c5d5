/* The SMMU's caches: stream table entries, context descriptors, translations.
 *
 * All are allowed to be stale until a command or a PE's broadcast names them (IHI0070 3.17, 3.21), and are: nothing
 * else drops an entry but the want of its place. An address command reaches a piece when it overlaps the block of stage
 * 1 (or, for IPAs, of stage 2) that the piece was cut from. */
#include <string.h>

#include "mmu/tlb.h"
#include "smmu/smmu_internal.h"

static u32 mix(u64 v) { return (u32)(v * 0x9e3779b97f4a7c15 >> 40); }

struct ste *smmu_ste_slot(struct smmu *s, unsigned world, u32 sid) { return &s->ste[mix(sid * 2 + world) % STES]; }

struct cd *smmu_cd_slot(struct smmu *s, unsigned world, u32 sid, u32 ssid)
{
    return &s->cd[mix((u64)ssid << 32 | (sid * 2 + world)) % CDS];
}

void smmu_inv_ste(struct smmu *s, unsigned world, u32 first, u32 last)
{
    for (unsigned i = 0; i < STES; i++)
        if (s->ste[i].world == world && s->ste[i].sid >= first && s->ste[i].sid <= last)
            s->ste[i].valid = false;
    for (unsigned i = 0; i < CDS; i++) /* they were found by the entry */
        if (s->cd[i].world == world && s->cd[i].sid >= first && s->cd[i].sid <= last)
            s->cd[i].valid = false;
}

void smmu_inv_cd(struct smmu *s, unsigned world, u32 sid, bool all, u32 ssid)
{
    for (unsigned i = 0; i < CDS; i++)
        if (s->cd[i].world == world && s->cd[i].sid == sid && (all || s->cd[i].ssid == ssid))
            s->cd[i].valid = false;
}

static struct piece *set_of(struct smmu *s, const struct tag *t, u64 page)
{
    return s->piece[mix(page ^ (u64)t->vmid << 40 ^ (u64)t->asid << 20 ^ t->class) % TLB_SETS_S];
}

/* Does p serve accesses of t? A global piece serves every ASID of its set of ASIDs (3.17.1), but is found only in its
 * own set of the cache. */
static bool serves(const struct piece *p, const struct tag *t)
{
    return p->tag.world == t->world && p->tag.class == t->class && p->tag.stages == t->stages &&
           p->tag.vmid == t->vmid && p->tag.asid == t->asid && (!p->global || p->tag.aset == t->aset);
}

const struct piece *smmu_lookup(struct smmu *s, const struct tag *t, u64 addr)
{
    u64 page = addr >> PAGE_SHIFT;
    struct piece *p = set_of(s, t, page);
    for (unsigned i = 0; i < TLB_WAYS_S; i++)
        if (p[i].page == page && serves(&p[i], t))
            return &p[i];
    return NULL;
}

void smmu_fill(struct smmu *s, const struct tag *t, u64 addr, const struct walk_out *out)
{
    u64 page = addr >> PAGE_SHIFT;
    struct piece *set = set_of(s, t, page), *p = NULL;
    for (unsigned i = 0; i < TLB_WAYS_S; i++)
        if (set[i].page == page && serves(&set[i], t))
            p = &set[i];
    for (unsigned i = 0; !p && i < TLB_WAYS_S; i++)
        if (set[i].page == ~0ull)
            p = &set[i];
    if (!p)
        p = &set[s->victim++ % TLB_WAYS_S];
    *p = (struct piece){.tag = *t,
                        .page = page,
                        .pa = out->pa.v & ~0xfffull,
                        .ipa = out->ipa.v & ~0xfffull,
                        .perm = out->perm,
                        .s1_log2 = out->s1_log2,
                        .s2_log2 = out->s2_log2,
                        .global = t->stages & 1 && t->class != CLASS_EL2 && !out->ng};
}

static struct piece *nth(struct smmu *s, unsigned i) { return &s->piece[i / TLB_WAYS_S][i % TLB_WAYS_S]; }

static bool overlaps(const struct smmu_inv *i, u64 block, unsigned log2)
{
    block &= ~ones(log2);
    return log2 >= 63 || (i->addr - block < 1ull << log2) || (block - i->addr < i->size);
}

/* Does an invalidation by ASID reach p? Global pieces go with their address, not with an ASID; those of private sets
 * of ASIDs (and EL2's and EL3's, which have none) are not for broadcasts that name one (3.17). */
static bool asid_agrees(const struct smmu_inv *i, const struct piece *p)
{
    bool asids = p->tag.class == CLASS_NH || p->tag.class == CLASS_EL2_E2H;
    if (i->broadcast && p->tag.aset && (i->by_asid || (i->by_addr && !asids)))
        return false;
    if (!i->by_asid)
        return true;
    return p->global ? i->by_addr : p->tag.asid == i->asid;
}

void smmu_invalidate(struct smmu *s, const struct smmu_inv *i)
{
    for (unsigned k = 0; k < TLB_SETS_S * TLB_WAYS_S; k++) {
        struct piece *p = nth(s, k);
        bool el2 = p->tag.class == CLASS_EL2 || p->tag.class == CLASS_EL2_E2H;
        if (p->page == ~0ull || p->tag.world != i->world || !(i->stages >> p->tag.stages & 1) ||
            (p->tag.class != i->class && !(i->any_class && el2)))
            continue;
        if ((i->by_vmid && p->tag.vmid != i->vmid) || !asid_agrees(i, p))
            continue;
        u64 at = p->page << PAGE_SHIFT;
        if ((i->by_addr && !overlaps(i, at, p->s1_log2)) || (i->by_ipa && !overlaps(i, at, p->s2_log2)))
            continue;
        p->page = ~0ull;
    }
}

/* ---- broadcasts of the PEs (3.17, IDR0.BTM) ------------------------------------------------------- */

void smmu_broadcast(struct smmu *s, const struct tlb_inv *inv)
{
    static const u8 classes[] = {
        [REGIME_EL10] = CLASS_NH, [REGIME_EL2] = CLASS_EL2, [REGIME_EL20] = CLASS_EL2_E2H, [REGIME_EL3] = CLASS_EL3};
    unsigned world = inv->scope.pas == PAS_S;
    if (inv->form == TLB_INV_NONE || (s->world[world].cr2 & CR2_PTM) || (world && !s->cfg.secure))
        return;
    bool guests = inv->scope.kind == REGIME_EL10;
    /* without a stage 2 everything is VMID 0's; so is a Secure guest's without Secure stage 2 */
    bool vmids = world ? s->s_idr1 >> 29 & 1 : !s->cfg.no_stage2;
    if (guests && !inv->scope.any_vmid && !vmids && !world && inv->scope.vmid)
        return;
    struct smmu_inv i = {.world = (u8)world,
                         .class = classes[inv->scope.kind],
                         .any_class = inv->scope.kind == REGIME_EL2 && inv->form == TLB_INV_ALL,
                         .broadcast = true,
                         .stages = inv->scope.stage2_only ? 1 << 2 : 1 << 1 | 1 << 3 | (inv->both_stages ? 1 << 2 : 0),
                         .by_vmid = guests && !inv->scope.any_vmid && vmids,
                         .by_asid = inv->form == TLB_INV_ASID || (inv->form == TLB_INV_VA && !inv->any_asid),
                         .by_addr = inv->form == TLB_INV_VA && !inv->scope.stage2_only,
                         .by_ipa = inv->form == TLB_INV_VA && inv->scope.stage2_only,
                         .vmid = inv->scope.vmid,
                         .asid = inv->asid,
                         .addr = inv->va,
                         .size = inv->size};
    smmu_invalidate(s, &i);
}

void smmu_cache_clear(struct smmu *s)
{
    memset(s->ste, 0, sizeof s->ste);
    memset(s->cd, 0, sizeof s->cd);
    memset(s->piece, 0, sizeof s->piece);
    for (unsigned i = 0; i < TLB_SETS_S * TLB_WAYS_S; i++)
        nth(s, i)->page = ~0ull;
    s->victim = 0;
}
