/* ATS and PRI (IHI0070 3.9, 8, 13.6, 13.7): translation requests, translated transactions, page requests.
 *
 * Non-secure streams alone. Without a SubstreamID a request is for unprivileged data; translated transactions carry
 * none (IDR3.PASIDTT = 0). An answer covers the smaller of the two stages' blocks. */
#include "smmu/smmu_internal.h"

/* 0b10, Split-stage, is only itself with CR0.ATSCHK; 0b11 is for device permission tables, which there are none of. */
unsigned smmu_eats(const struct request *q)
{
    unsigned eats = (unsigned)field(q->ste->w, 93, 92);
    if (q->world || !(ste_s1(q->ste) || ste_s2(q->ste)) || eats == 3)
        return 0;
    return eats == 2 && !(q->s->world[0].cr0 & CR0_ATSCHK) ? 0 : eats;
}

/* ---- translation requests ----------------------------------------------------------------------- */

/* F_BAD_ATS_TREQ: R, W, X and privilege as asked in bits 31:28 of the second word, one STU in the third. */
static struct smmu_ats_reply refused(struct request *q, const struct smmu_ats_request *r)
{
    u64 asked = 1u << 31 | (u64)!r->no_write << 30 | (u64)(r->ssv && r->exe) << 29 | (u64)(r->ssv && r->priv) << 28;
    smmu_record(q, SMMU_F_BAD_ATS_TREQ, asked, (r->addr & ~0xfffull) | 1, 0);
    return (struct smmu_ats_reply){.status = SMMU_ATS_UR};
}

static struct smmu_ats_reply denied(const struct smmu_ats_request *r)
{
    return (struct smmu_ats_reply){.status = SMMU_ATS_SUCCESS, .priv = r->ssv && r->priv, .log2 = PAGE_SHIFT};
}

/* The grants of 13.7.1 from what both stages permit. */
static struct smmu_ats_reply granted(const struct request *q, const struct smmu_ats_request *r, unsigned perm,
                                     bool priv, bool pan)
{
    unsigned inst = (unsigned)field(q->ste->w, 115, 114);
    bool exe = r->ssv && r->exe, rd = !perm_missing(perm, NEED_R, priv, pan),
         x = !perm_missing(perm, NEED_X, priv, pan);
    struct smmu_ats_reply a = denied(r);
    a.w = !perm_missing(perm, NEED_W, priv, pan);
    a.r = inst == 3 ? x : rd;
    a.exe = exe && (inst == 3 ? x : inst == 2 ? rd : rd && x);
    return a;
}

/* One walk that sets flags as the request asks: the dirty state only for a write that is permitted. */
static bool ats_walk(struct request *q, const struct smmu_ats_request *r, struct walk_in *in, u64 addr,
                     struct walk_out *out, struct fault *f)
{
    in->need = r->no_write ? 0 : NEED_W;
    if (walk(&q->s1, (struct va){addr}, &q->mem, in, out, f))
        return true;
    if (f->type != FAULT_PERMISSION || !in->need || f->s1ptw)
        return false;
    in->need = 0;
    return walk(&q->s1, (struct va){addr}, &q->mem, in, out, f);
}

static struct smmu_ats_reply translated(struct request *q, const struct smmu_ats_request *r)
{
    bool split = smmu_eats(q) == 2;
    smmu_make_s2(q);
    smmu_make_s1(q);
    const struct tag tag = smmu_tag(q);
    struct walk_in in = {.use = WALK_ACCESS,
                         .priv = q->priv || tag.class == CLASS_EL2 || tag.class == CLASS_EL3,
                         .pan = q->cd && field(q->cd->w, 40, 40)};
    struct walk_out out;
    struct fault f;
    u64 addr = smmu_untagged(q);
    const struct piece *p = smmu_lookup(q->s, &tag, addr);
    if (p && (r->no_write || !perm_missing(p->perm, NEED_W, in.priv, in.pan))) {
        out = (struct walk_out){.pa = {p->pa}, .ipa = {p->ipa}, .perm = p->perm, .s1_log2 = p->s1_log2};
        out.s2_log2 = p->s2_log2;
    } else if (ats_walk(q, r, &in, addr, &out, &f)) {
        smmu_fill(q->s, &tag, addr, &out);
    } else if (f.type == FAULT_EXTERNAL_TTW) {
        smmu_fault(q, &f, EVENT_IN);
        return (struct smmu_ats_reply){.status = SMMU_ATS_CA};
    } else {
        return denied(r);
    }
    struct smmu_ats_reply a = granted(q, r, out.perm, in.priv, in.pan);
    if (!a.r && !a.w && !a.exe)
        return denied(r);
    a.log2 = out.s2_log2 < out.s1_log2 ? out.s2_log2 : out.s1_log2;
    a.addr = (split ? out.ipa.v : pa_addr(out.pa)) & ~ones(a.log2);
    return a;
}

struct smmu_ats_reply smmu_ats_translate(struct smmu *s, const struct smmu_ats_request *r)
{
    struct request q = smmu_request(s, r->secure && s->cfg.secure, r->sid, r->addr);
    q.kind = ATS_REQUEST;
    q.ssid = r->ssid;
    q.ssv = r->ssv;
    q.priv = r->ssv && r->priv;
    q.write = !r->no_write;
    q.mem.arg = &q;
    if (q.world || !(s->world[0].cr0 & CR0_SMMUEN))
        return refused(&q, r);
    if (!smmu_find_ste(&q))
        return (struct smmu_ats_reply){.status = SMMU_ATS_CA};
    if (!ste_live(q.ste))
        return (struct smmu_ats_reply){.status = SMMU_ATS_UR};
    if (!smmu_eats(&q))
        return refused(&q, r);
    unsigned priv = (unsigned)field(q.ste->w, 113, 112);
    if (priv & 2)
        q.priv = priv & 1;
    if (!smmu_find_cd(&q)) /* a stage 2 fault on the way to the descriptor denies, all else is an error */
        return q.last >= SMMU_F_TRANSLATION ? denied(r) : (struct smmu_ats_reply){.status = SMMU_ATS_CA};
    if (q.cd)
        return translated(&q, r);
    if (r->addr >> s->cfg.oas)
        return denied(r);
    if (ste_s2(q.ste))
        return translated(&q, r);
    return (struct smmu_ats_reply){.status = SMMU_ATS_SUCCESS, /* stage 1 is skipped: as it came */
                                   .r = true,
                                   .w = true,
                                   .log2 = PAGE_SHIFT,
                                   .addr = r->addr & ~0xfffull};
}

/* ---- translated transactions -------------------------------------------------------------------- */

static enum verdict forbidden(struct request *q)
{
    smmu_record(q, SMMU_F_TRANSL_FORBIDDEN, (u64)!q->write << 35, q->addr, 0);
    return ABORT;
}

/* Split-stage: the address is an IPA. */
static enum verdict second_stage(struct request *q, struct pa *pa)
{
    unsigned need = (q->write ? NEED_W : 0) | (q->inst ? NEED_X : !q->write || q->atomic ? NEED_R : 0);
    struct walk_in in = {.use = WALK_ACCESS, .need = (u8)need, .priv = q->priv};
    struct walk_out out;
    struct fault f = {.type = FAULT_ADDRESS_SIZE, .stage = 1};
    if (q->addr >> q->s->cfg.oas)
        return smmu_fault(q, &f, EVENT_IN);
    smmu_make_s2(q);
    smmu_make_s1(q);
    const struct tag tag = smmu_tag(q);
    const struct piece *p = smmu_lookup(q->s, &tag, q->addr);
    if (p && !perm_missing(p->perm, need, in.priv, false)) {
        *pa = (struct pa){p->pa | (q->addr & 0xfff)};
        return GO;
    }
    if (!walk(&q->s1, (struct va){q->addr}, &q->mem, &in, &out, &f))
        return smmu_fault(q, &f, EVENT_IN);
    smmu_fill(q->s, &tag, q->addr, &out);
    *pa = out.pa;
    return GO;
}

enum verdict smmu_ats_pass(struct request *q, struct pa *pa)
{
    const struct smmu *s = q->s;
    q->mem.arg = q;
    q->ssv = q->priv = q->inst = false;
    q->ssid = 0;
    if (q->world || !(s->world[0].cr0 & CR0_SMMUEN))
        return forbidden(q);
    *pa = pa_make(PAS_NS, q->addr);
    if (s->world[0].cr0 & CR0_ATSCHK) {
        if (!smmu_find_ste(q) || !ste_live(q->ste))
            return ABORT;
        unsigned eats = smmu_eats(q);
        if (!eats)
            return forbidden(q);
        smmu_override(q);
        if (q->atomic)
            q->inst = false;
        if (eats == 2)
            return second_stage(q, pa);
    }
    return q->addr >> s->cfg.oas ? ABORT : GO;
}

/* ---- page requests ------------------------------------------------------------------------------ */

static void respond(struct smmu *s, const struct smmu_page_request *r, bool pasid, enum smmu_page_response code)
{
    for (unsigned i = 0; i < s->clients; i++)
        if (s->client[i].page_response)
            s->client[i].page_response(s->client[i].arg, r->sid, pasid, pasid ? r->ssid : 0, r->group, code);
}

void smmu_page_request(struct smmu *s, const struct smmu_page_request *r)
{
    bool ssv = r->ssv && s->cfg.ssid_bits, stop = ssv && r->last && !r->r && !r->w;
    u64 record[2] = {r->sid, (r->addr & ~0xfffull) | (r->group & 0x1ff)};
    record[0] |= (u64)r->r << 60 | (u64)r->w << 61 | (u64)r->last << 62;
    if (ssv)
        record[0] |= (u64)(r->ssid & 0xfffff) << 32 | (u64)r->priv << 58 | (u64)r->exe << 59 | 1ull << 63;
    enum pri_outcome o = r->secure && s->cfg.secure ? PRI_REFUSED : smmu_pri_write(s, record, r->last && !stop);
    if (o == PRI_REFUSED && !stop)
        respond(s, r, false, SMMU_PRG_FAILURE);
    if (o == PRI_OVERFLOW && r->last && !stop)
        respond(s, r, ssv, SMMU_PRG_SUCCESS);
}
