/* One access through the SMMU: configuration, cached translation or walk, faults as events (IHI0070 3.4, 3.12, 7.3).
 *
 * DMA is split at 4 KiB. An access that ends badly has done the pages before. There is no stall model: a fault
 * terminates the access, with an abort or (CD.A = 0) as reads of zero and ignored writes. */
#include <string.h>

#include "core/check.h"
#include "smmu/smmu_internal.h"

enum verdict { GO, ABORT, RAZ_WI };

/* ---- reaching tables ---------------------------------------------------------------------------- */

static bool table_read(void *arg, struct pa pa, u64 *val)
{
    struct request *q = arg;
    struct txn t = {.space = (u8)pa_space(pa), .cpu = TXN_DMA, .privileged = true};
    q->fetch = pa_addr(pa);
    return bus_read(q->s->cfg.bus, &t, pa_addr(pa), val, 8) == BUS_OK;
}

static bool table_cas(void *arg, struct pa pa, u64 old, u64 want, u64 *seen)
{
    struct request *q = arg;
    struct txn t = {.space = (u8)pa_space(pa), .cpu = TXN_DMA, .privileged = true};
    if (!table_read(arg, pa, seen))
        return false;
    return *seen != old || bus_write(q->s->cfg.bus, &t, pa_addr(pa), &want, 8) == BUS_OK;
}

/* ---- faults ------------------------------------------------------------------------------------- */

enum { W1_PNU = 33, W1_IND, W1_RNW, W1_S2 = 39, W1_CLASS = 40, W1_TTRNW = 44 };

static u64 event_word1(const struct request *q, bool stage2, unsigned class)
{
    return (u64)q->priv << W1_PNU | (u64)q->inst << W1_IND | (u64)!q->write << W1_RNW | (u64)stage2 << W1_S2 |
           (u64) class << W1_CLASS;
}

static enum verdict fault(struct request *q, const struct fault *f, unsigned class)
{
    static const u8 ids[] = {[FAULT_ADDRESS_SIZE] = SMMU_F_ADDR_SIZE,
                             [FAULT_TRANSLATION] = SMMU_F_TRANSLATION,
                             [FAULT_ACCESS_FLAG] = SMMU_F_ACCESS,
                             [FAULT_PERMISSION] = SMMU_F_PERMISSION,
                             [FAULT_EXTERNAL_TTW] = SMMU_F_WALK_EABT};
    bool stage2 = f->stage == 2;
    unsigned id = f->type < ARRAY_LEN(ids) ? ids[f->type] : 0;
    CHECK(id);
    if (f->s1ptw && class == EVENT_IN)
        class = EVENT_TT;
    u64 word1 = event_word1(q, stage2, class);
    if (class == EVENT_TT)
        word1 |= 1ull << W1_TTRNW;
    if (id == SMMU_F_WALK_EABT) {
        smmu_record(q, id, word1, q->addr, q->fetch & ~7ull & ones(52));
        return ABORT;
    }
    bool recorded = stage2 ? ste_s2r(q->ste) : !q->cd || cd_r(q->cd);
    if (recorded)
        smmu_record(q, id, word1, q->addr, stage2 ? f->ipa & (ones(52) & ~0xfffull) : 0);
    return !stage2 && q->cd && !cd_a(q->cd) ? RAZ_WI : ABORT;
}

/* ---- translation -------------------------------------------------------------------------------- */

bool smmu_stage2(struct request *q, u64 addr, struct pa *pa)
{
    *pa = pa_make(q->world ? PAS_S : PAS_NS, addr);
    if (!ste_s2(q->ste))
        return true;
    const struct cd *cd = q->cd;
    struct walk_in in = {.use = WALK_ACCESS, .need = NEED_R, .priv = true};
    struct walk_out out;
    struct fault f;
    q->cd = NULL;
    smmu_make_s2(q);
    smmu_make_s1(q);
    bool ok = walk(&q->s1, (struct va){addr}, &q->mem, &in, &out, &f);
    if (ok)
        *pa = out.pa;
    else
        fault(q, &f, EVENT_CD);
    q->cd = cd;
    return ok;
}

/* The address that is translated and that invalidations name: without a top byte that is ignored. */
static u64 untagged(const struct request *q)
{
    bool upper = bit(q->addr, 55), two = q->s1.two_ranges;
    if (!q->cd || !q->s1.r[two && upper].tbi)
        return q->addr;
    return two ? sext(q->addr, 56) : q->addr & ones(56);
}

static enum verdict walk_access(struct request *q, const struct tag *tag, u64 addr, unsigned need, struct pa *pa)
{
    struct walk_in in = {.use = WALK_ACCESS,
                         .need = (u8)need,
                         .priv = q->priv || tag->class == CLASS_EL2 || tag->class == CLASS_EL3,
                         .pan = q->cd && field(q->cd->w, 40, 40) && !q->inst};
    struct walk_out out;
    struct fault f;
    if (!q->cd && q->addr >> q->s->cfg.oas) {
        f = (struct fault){.type = FAULT_ADDRESS_SIZE, .stage = 1};
        return fault(q, &f, EVENT_IN);
    }
    const struct piece *p = smmu_lookup(q->s, tag, addr);
    if (p && !perm_missing(p->perm, need, in.priv, in.pan)) {
        *pa = (struct pa){p->pa | (addr & 0xfff)};
        return GO;
    }
    if (!walk(&q->s1, (struct va){addr}, &q->mem, &in, &out, &f))
        return fault(q, &f, EVENT_IN);
    smmu_fill(q->s, tag, addr, &out);
    *pa = out.pa;
    return GO;
}

/* STE.PRIVCFG and INSTCFG override what came with the access. */
static void override_attributes(struct request *q)
{
    unsigned priv = (unsigned)field(q->ste->w, 113, 112), inst = (unsigned)field(q->ste->w, 115, 114);
    if (priv & 2)
        q->priv = priv & 1;
    if (inst & 2 && !q->write)
        q->inst = inst & 1;
}

static enum verdict translate(struct request *q, struct pa *pa)
{
    const struct smmu *s = q->s;
    const struct world *w = &s->world[q->world];
    *pa = pa_make(q->world ? PAS_S : PAS_NS, q->addr);
    if (!(w->cr0 & CR0_SMMUEN))
        return w->gbpa & GBPA_ABORT || q->addr >> s->cfg.oas ? ABORT : GO;
    if (!smmu_find_ste(q) || !ste_live(q->ste) || !smmu_find_cd(q))
        return ABORT;
    override_attributes(q);
    if (!q->cd && !ste_s2(q->ste)) {
        if (!(q->addr >> s->cfg.oas))
            return GO;
        const struct fault f = {.type = FAULT_ADDRESS_SIZE, .stage = 1};
        return fault(q, &f, EVENT_IN);
    }
    smmu_make_s2(q);
    smmu_make_s1(q);
    const struct tag tag = smmu_tag(q);
    return walk_access(q, &tag, untagged(q), q->write ? NEED_W : q->inst ? NEED_X : NEED_R, pa);
}

/* ---- DMA ---------------------------------------------------------------------------------------- */

static enum bus_result access(struct smmu *s, const struct txn *t, u64 addr, u8 *buf, size_t n, bool write)
{
    while (n) {
        size_t chunk = PAGE_SIZE - (addr & (PAGE_SIZE - 1));
        if (chunk > n)
            chunk = n;
        struct request q = {.s = s,
                            .world = t->space == PAS_S && s->cfg.secure,
                            .sid = t->stream,
                            .ssid = t->substream,
                            .ssv = t->substream != 0,
                            .priv = t->privileged,
                            .inst = t->instruction && !write,
                            .write = write,
                            .addr = addr};
        q.mem = (struct walk_mem){&q, table_read, table_cas};
        struct pa pa;
        enum verdict v = translate(&q, &pa);
        if (v == ABORT)
            return BUS_SLVERR;
        if (v == GO) {
            struct txn down = *t;
            down.space = (u8)pa_space(pa);
            enum bus_result r = write ? bus_write(s->cfg.bus, &down, pa_addr(pa), buf, chunk)
                                      : bus_read(s->cfg.bus, &down, pa_addr(pa), buf, chunk);
            if (r != BUS_OK)
                return r;
        } else if (!write) {
            memset(buf, 0, chunk);
        }
        addr += chunk;
        buf += chunk;
        n -= chunk;
    }
    return BUS_OK;
}

static enum bus_result dma_in(void *arg, const struct txn *t, u64 addr, void *buf, size_t n)
{
    return access(arg, t, addr, buf, n, false);
}

static enum bus_result dma_out(void *arg, const struct txn *t, u64 addr, const void *buf, size_t n)
{
    return access(arg, t, addr, (u8 *)(uintptr_t)buf, n, true);
}

struct dma smmu_dma(struct smmu *s, u32 stream)
{
    return (struct dma){dma_in, dma_out, s, {.space = PAS_NS, .cpu = TXN_DMA, .stream = stream}};
}
