/* One access through the SMMU: configuration, cached translation or walk, faults as events (IHI0070 3.4, 3.12, 7.3).
 *
 * DMA is split at 4 KiB. An access that ends badly has done the pages before. A fault terminates the access, with an
 * abort or (CD.A = 0) as reads of zero and ignored writes, or stalls it (smmu_stall.c) when the configuration says so
 * and its device can wait. */
#include <string.h>

#include "core/check.h"
#include "smmu/smmu_internal.h"

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

struct request smmu_request(struct smmu *s, u8 world, u32 sid, u64 addr)
{
    return (struct request){
        .s = s, .world = world, .sid = sid, .addr = addr, .mem = {NULL, table_read, table_cas, NULL}};
}

/* ---- faults ------------------------------------------------------------------------------------- */

enum { W1_PNU = 33, W1_IND, W1_RNW, W1_NSIPA = 38, W1_S2, W1_CLASS = 40, W1_TTRNW = 44 };

static enum verdict stall(struct request *q, unsigned id, u64 word1, u64 ipa)
{
    int slot = smmu_stall_slot(q->s);
    if (slot < 0)
        return BUSY;
    bool written = smmu_record(q, id, word1 | EVENT_STALL | (unsigned)slot, q->addr, ipa);
    smmu_stall_keep(q->s, (unsigned)slot, q->stallable, q->world, written);
    return STALL;
}

enum verdict smmu_fault(struct request *q, const struct fault *f, unsigned class)
{
    static const u8 ids[] = {[FAULT_ADDRESS_SIZE] = SMMU_F_ADDR_SIZE,
                             [FAULT_TRANSLATION] = SMMU_F_TRANSLATION,
                             [FAULT_ACCESS_FLAG] = SMMU_F_ACCESS,
                             [FAULT_PERMISSION] = SMMU_F_PERMISSION,
                             [FAULT_EXTERNAL_TTW] = SMMU_F_WALK_EABT};
    bool stage2 = f->stage == 2;
    unsigned id = f->type < ARRAY_LEN(ids) ? ids[f->type] : 0;
    CHECK(id);
    if (class == EVENT_IN && (f->s1ptw || (id == SMMU_F_WALK_EABT && !stage2)))
        class = EVENT_TT;
    u64 word1 = (u64)q->priv << W1_PNU | (u64)q->inst << W1_IND | (u64)!q->write << W1_RNW | (u64)stage2 << W1_S2 |
                (u64) class << W1_CLASS;
    if (id == SMMU_F_WALK_EABT) {
        smmu_record(q, id, word1, q->addr, q->fetch & ~7ull & ones(52));
        return ABORT;
    }
    if (class == EVENT_TT && !f->write)
        word1 |= 1ull << W1_TTRNW;
    if (stage2 && q->world && f->ipa_ns)
        word1 |= 1ull << W1_NSIPA;
    u64 ipa = stage2 ? f->ipa & (ones(52) & ~0xfffull) : 0;
    bool bypass = !stage2 && !q->cd, stalls = stage2 ? ste_s2s(q->ste) : q->cd && cd_s(q->cd);
    if (stalls && q->stallable)
        return stall(q, id, word1, ipa);
    q->last = (u8)id;
    if (stalls || bypass || (stage2 ? ste_s2r(q->ste) : cd_r(q->cd)))
        smmu_record(q, id, word1, q->addr, ipa);
    return !stage2 && !stalls && q->cd && !cd_a(q->cd) ? RAZ_WI : ABORT;
}

static enum verdict bypass_fault(struct request *q, enum fault_type type)
{
    const struct fault f = {.type = (u8)type, .stage = 1};
    return smmu_fault(q, &f, EVENT_IN);
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
    q->mem.arg = q;
    smmu_make_s2(q);
    smmu_make_s1(q);
    q->s1.space = q->world ? PAS_S : PAS_NS;
    bool ok = walk(&q->s1, (struct va){addr}, &q->mem, &in, &out, &f);
    if (ok)
        *pa = out.pa;
    else
        q->ended = (u8)smmu_fault(q, &f, EVENT_CD);
    q->cd = cd;
    return ok;
}

u64 smmu_untagged(const struct request *q)
{
    bool upper = bit(q->addr, 55), two = q->s1.two_ranges;
    if (!q->cd || !q->s1.r[two && upper].tbi)
        return q->addr;
    return two ? sext(q->addr, 56) : q->addr & ones(56);
}

static enum verdict walk_access(struct request *q, const struct tag *tag, u64 addr, struct pa *pa)
{
    unsigned need = (q->write ? NEED_W : 0) | (q->inst ? NEED_X : !q->write || q->atomic ? NEED_R : 0);
    struct walk_in in = {.use = WALK_ACCESS,
                         .need = (u8)need,
                         .priv = q->priv || tag->class == CLASS_EL2 || tag->class == CLASS_EL3,
                         .pan = q->cd && field(q->cd->w, 40, 40) && !q->inst};
    struct walk_out out;
    struct fault f;
    const struct piece *p = smmu_lookup(q->s, tag, addr);
    if (p && !perm_missing(p->perm, need, in.priv, in.pan)) {
        *pa = (struct pa){p->pa | (addr & 0xfff)};
        return GO;
    }
    if (!walk(&q->s1, (struct va){addr}, &q->mem, &in, &out, &f))
        return smmu_fault(q, &f, EVENT_IN);
    smmu_fill(q->s, tag, addr, &out);
    *pa = out.pa;
    return GO;
}

void smmu_override(struct request *q)
{
    unsigned priv = (unsigned)field(q->ste->w, 113, 112), inst = (unsigned)field(q->ste->w, 115, 114);
    if (priv & 2)
        q->priv = priv & 1;
    if (inst & 2 && !q->write)
        q->inst = inst & 1;
}

/* SMMUEN = 0: GBPA alone decides. */
static enum verdict global_bypass(struct request *q, struct pa *pa)
{
    const struct world *w = &q->s->world[q->world];
    unsigned inst = w->gbpa >> 18 & 3, priv = w->gbpa >> 16 & 3, ns = w->gbpa >> 14 & 3;
    if (w->gbpa & GBPA_ABORT || q->addr >> q->s->cfg.oas)
        return ABORT;
    if (priv & 2)
        q->priv = priv & 1;
    if (inst & 2 && !q->write)
        q->inst = inst & 1;
    if (q->world && ns == 3)
        *pa = pa_make(PAS_NS, q->addr);
    return q->world && q->inst && (w->cr0 & S_CR0_SIF) && pa_space(*pa) == PAS_NS ? ABORT : GO;
}

enum verdict smmu_translate(struct request *q, struct pa *pa)
{
    const struct smmu *s = q->s;
    const struct world *w = &s->world[q->world];
    q->mem.arg = q;
    q->ended = ABORT;
    *pa = pa_make(q->world ? PAS_S : PAS_NS, q->addr);
    if (!(w->cr0 & CR0_SMMUEN))
        return global_bypass(q, pa);
    if (!smmu_find_ste(q) || !ste_live(q->ste))
        return ABORT;
    smmu_override(q);
    if (!smmu_find_cd(q))
        return (enum verdict)q->ended;
    if (!q->cd) {
        if (q->addr >> s->cfg.oas)
            return bypass_fault(q, FAULT_ADDRESS_SIZE);
        if (q->world && field(q->ste->w, 111, 110) == 3) /* NSCFG */
            *pa = pa_make(PAS_NS, q->addr);
        if (q->world && q->inst && (w->cr0 & S_CR0_SIF) && pa_space(*pa) == PAS_NS)
            return bypass_fault(q, FAULT_PERMISSION);
        if (!ste_s2(q->ste))
            return GO;
    }
    smmu_make_s2(q);
    smmu_make_s1(q);
    const struct tag tag = smmu_tag(q);
    return walk_access(q, &tag, smmu_untagged(q), pa);
}

/* ---- DMA ---------------------------------------------------------------------------------------- */

bool smmu_secure_interface(const struct smmu *s, const struct txn *t) { return t->space == PAS_S && s->cfg.secure; }

enum bus_result smmu_perform(struct request *q, const struct txn *t, struct pa pa, u8 *buf, size_t n)
{
    struct txn down = *t;
    down.space = (u8)pa_space(pa);
    down.privileged = q->priv;
    down.instruction = q->inst;
    return q->write ? bus_write(q->s->cfg.bus, &down, pa_addr(pa), buf, n)
                    : bus_read(q->s->cfg.bus, &down, pa_addr(pa), buf, n);
}

static enum bus_result access(struct smmu *s, const struct txn *t, u64 addr, u8 *buf, size_t n, bool write)
{
    while (n) {
        size_t chunk = PAGE_SIZE - (addr & (PAGE_SIZE - 1));
        if (chunk > n)
            chunk = n;
        struct request q = smmu_request(s, smmu_secure_interface(s, t), t->stream, addr);
        q.ssid = t->substream;
        q.ssv = t->substream != 0;
        q.priv = t->privileged;
        q.inst = t->instruction && !write;
        q.write = write;
        q.kind = t->translated ? ATS_TRANSLATED : ORDINARY;
        struct pa pa;
        enum verdict v = t->translated ? smmu_ats_pass(&q, &pa) : smmu_translate(&q, &pa);
        if (v == ABORT)
            return BUS_SLVERR;
        if (v == GO) {
            enum bus_result r = smmu_perform(&q, t, pa, buf, chunk);
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

/* ---- clients ------------------------------------------------------------------------------------ */

static u64 get_word(const u8 *p, unsigned n)
{
    u64 v = 0;
    memcpy(&v, p, n);
    return v;
}

/* An exchange in one action: the word at pa is replaced, data gets what was there. */
static enum bus_result exchange(struct request *q, const struct txn *t, struct pa pa, struct smmu_access *a)
{
    u8 old[8];
    u64 with = get_word(a->data, a->size);
    q->write = false;
    enum bus_result r = smmu_perform(q, t, pa, old, a->size);
    if (r != BUS_OK)
        return r;
    if (a->op == SMMU_ADD)
        with += get_word(old, a->size);
    q->write = true;
    r = smmu_perform(q, t, pa, (u8 *)&with, a->size);
    memcpy(a->data, old, a->size);
    return r;
}

/* A transaction as though it had just arrived. */
enum verdict smmu_run(struct smmu *s, struct smmu_access *a)
{
    const struct txn t = {.space = a->secure ? PAS_S : PAS_NS, .cpu = TXN_DMA, .stream = a->sid, .substream = a->ssid};
    struct request q = smmu_request(s, smmu_secure_interface(s, &t), a->sid, a->addr);
    q.kind = a->translated ? ATS_TRANSLATED : ORDINARY;
    q.ssid = a->ssid;
    q.ssv = a->ssv;
    q.atomic = a->op == SMMU_SWAP || a->op == SMMU_ADD;
    q.write = a->op != SMMU_READ;
    q.priv = a->priv;
    q.inst = a->inst && !q.write;
    q.stallable = a->can_stall && !a->translated ? a : NULL;
    struct pa pa;
    enum verdict v = a->translated ? smmu_ats_pass(&q, &pa) : smmu_translate(&q, &pa);
    if (v == RAZ_WI && !(a->op == SMMU_WRITE))
        memset(a->data, 0, a->size);
    if (v != GO)
        return v;
    enum bus_result r = q.atomic ? exchange(&q, &t, pa, a) : smmu_perform(&q, &t, pa, a->data, a->size);
    return r == BUS_OK ? GO : ABORT;
}

bool smmu_access_ok(const struct smmu_access *a)
{
    bool word = a->size == 4 || a->size == 8;
    return a->size && a->size <= SMMU_BURST && (a->addr & (PAGE_SIZE - 1)) + a->size <= PAGE_SIZE &&
           (a->op <= SMMU_WRITE || (a->op <= SMMU_ADD && word));
}

enum smmu_result smmu_access(struct smmu *s, struct smmu_access *a)
{
    static const u8 results[] = {
        [GO] = SMMU_DONE, [RAZ_WI] = SMMU_DONE, [ABORT] = SMMU_ABORTED, [STALL] = SMMU_STALLED, [BUSY] = SMMU_BUSY};
    CHECK(smmu_access_ok(a));
    return (enum smmu_result)results[smmu_run(s, a)];
}
