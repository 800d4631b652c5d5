/* The SMMU's caches: stream table entries, context descriptors, translations.
 *
 * All are allowed to be stale until a command names them (IHI0070 3.17, 3.21), and are: nothing else drops an entry but
 * the want of its place. An address command reaches a piece when it overlaps the block of stage 1 (or, for IPAs, of
 * stage 2) that the piece was cut from. */
#include <string.h>

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

/* Does p serve accesses of t? A global piece serves every ASID, but is found only in its own set. */
static bool serves(const struct piece *p, const struct tag *t)
{
    return p->tag.world == t->world && p->tag.class == t->class && p->tag.stages == t->stages &&
           p->tag.vmid == t->vmid && p->tag.asid == t->asid;
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

void smmu_invalidate(struct smmu *s, const struct smmu_inv *i)
{
    for (unsigned k = 0; k < TLB_SETS_S * TLB_WAYS_S; k++) {
        struct piece *p = nth(s, k);
        if (p->page == ~0ull || p->tag.world != i->world || p->tag.class != i->class ||
            !(i->stages >> p->tag.stages & 1))
            continue;
        if ((i->by_vmid && p->tag.vmid != i->vmid) || (i->by_asid && !p->global && p->tag.asid != i->asid))
            continue;
        u64 at = p->page << PAGE_SHIFT;
        if ((i->by_addr && !overlaps(i, at, p->s1_log2)) || (i->by_ipa && !overlaps(i, at, p->s2_log2)))
            continue;
        p->page = ~0ull;
    }
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
