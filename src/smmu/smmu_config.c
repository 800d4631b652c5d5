/* From a StreamID and a SubstreamID to translation regimes: stream table entries (IHI0070 5.2), context descriptors
 * (5.4), their tables and their checks (ILLEGAL structures: C_BAD_STE, C_BAD_CD).
 *
 * Only structures that pass their checks are cached. The regimes are made for each walk, so that the caches hold
 * nothing but the words as they were read. */
#include <string.h>

#include "core/log.h"
#include "smmu/smmu_internal.h"

static struct txn table_txn(const struct request *q)
{
    return (struct txn){.space = q->world ? PAS_S : PAS_NS, .cpu = TXN_DMA, .privileged = true};
}

/* Reads n little-endian words. False: external abort, or an address beyond the output size (3.4.3). */
static bool fetch(struct request *q, enum pas space, u64 addr, u64 *w, unsigned n)
{
    struct txn t = table_txn(q);
    t.space = (u8)space;
    q->fetch = addr;
    return !(addr >> q->s->cfg.oas) && bus_read(q->s->cfg.bus, &t, addr, w, 8 * n) == BUS_OK;
}

unsigned smmu_size_bits(const struct smmu *s, unsigned code)
{
    static const u8 size[] = {32, 36, 40, 42, 44, 48, 52, 52};
    unsigned n = size[code & 7];
    return n < s->cfg.oas ? n : s->cfg.oas;
}

/* ---- stream table ------------------------------------------------------------------------------ */

/* Where the entry of the stream is. False: an event was recorded. */
static bool ste_address(struct request *q, u64 *addr)
{
    const struct world *r = &q->s->world[q->world];
    unsigned log2 = r->strtab_cfg & 63, split = r->strtab_cfg >> 6 & 31, format = r->strtab_cfg >> 16 & 3;
    u64 base = r->strtab & (ones(52) & ~0x3full), desc;
    if (log2 > q->s->cfg.sid_bits)
        log2 = q->s->cfg.sid_bits;
    if (q->sid >> log2) {
        smmu_record(q, SMMU_C_BAD_STREAMID, 0, 0, 0);
        return false;
    }
    if (format == 0) { /* tables are aligned to their size */
        *addr = (base & ~ones(log2 + 6)) + 64ull * q->sid;
        return true;
    }
    if (split != 6 && split != 8 && split != 10)
        split = 6;
    unsigned top = log2 > split ? log2 - split : 0;
    if (!fetch(q, q->world ? PAS_S : PAS_NS, (base & ~ones(top + 3)) + 8ull * (q->sid >> split), &desc, 1)) {
        smmu_record(q, SMMU_F_STE_FETCH, 0, 0, q->fetch);
        return false;
    }
    unsigned span = (unsigned)(desc & 31);
    u64 index = q->sid & ones(split);
    if (!span || span > split + 1 || index >> (span - 1)) {
        smmu_record(q, SMMU_C_BAD_STREAMID, 0, 0, 0);
        return false;
    }
    *addr = (desc & (ones(52) & ~ones(5 + span) & ~0x3full)) + 64 * index;
    return true;
}

/* One of the two stage 2 tables of an entry: from STE.S2*, or from S_S2* (the Secure IPA space). */
static struct tr_range stage2_range(const struct ste *e, bool secure)
{
    const u64 *w = e->w;
    struct tr_range r = {.ttbr = secure ? field(w, 439, 388) << 4 : field(w, 247, 196) << 4,
                         .txsz = (u8)(secure ? field(w, 293, 288) : field(w, 165, 160)),
                         .granule = (const u8[]){12, 16, 14, 0}[secure ? field(w, 303, 302) : field(w, 175, 174)],
                         .sl = (u8)(secure ? field(w, 295, 294) : field(w, 167, 166)),
                         .sh = (u8)field(w, 173, 172)};
    if (ste_s2ds(e) && r.granule == 12 && field(w, secure ? 386 : 194, secure ? 386 : 194))
        r.sl |= 4;
    return r;
}

/* Output size of a stage with 52-bit addresses only where its tables can hold them. */
static u8 output_bits(const struct smmu *s, unsigned code, bool wide)
{
    unsigned n = smmu_size_bits(s, code);
    return (u8)(n == 52 && !wide ? 48 : n);
}

/* Size, start level, granule and base that agree (5.2.2; DDI0487 D8.2, concatenated tables). */
static bool stage2_shape_ok(const struct smmu *s, const struct ste *e, bool secure)
{
    struct tr_range t = stage2_range(e, secure);
    unsigned g = t.granule, sl0 = t.sl & 3u, stride = g - 3, oas = s->cfg.oas;
    bool wide = g == 16 || (ste_s2ds(e) && oas == 52);
    unsigned min = wide ? 12 : 16, max = g == 16 ? 47 : 48;
    if (min < 64 - oas)
        min = 64 - oas;
    if (!g || t.txsz < min || t.txsz > max || t.ttbr >> output_bits(s, (unsigned)field(e->w, 178, 176), wide))
        return false;
    int start;
    if (t.sl & 4) {
        if (sl0)
            return false;
        start = -1;
    } else if (g == 12) {
        start = (const s8[]){2, 1, 0, 3}[sl0];
    } else {
        start = 3 - (int)sl0;
        if (start == 0 && (g == 16 || !wide))
            return false;
    }
    unsigned size = 64u - t.txsz, low = g + stride * (unsigned)(3 - start); /* below the first table's index */
    return size > low && size - low <= stride + 4;
}

static bool stage1_ok(const struct smmu *s, const struct ste *e)
{
    unsigned strw = ste_strw(e);
    if (s->cfg.no_stage1 || (ste_s1stalld(e) && !smmu_may_stall(s, e->world)))
        return false;
    if (s->cfg.ssid_bits && ste_cdmax(s, e) > s->cfg.ssid_bits)
        return false;
    if (field(e->w, 55, 6) << 6 >> s->cfg.oas)
        return false;
    if (e->world)
        return strw != 3 && (strw != 2 || s->s_idr1 >> 29 & 1);
    return s->cfg.no_stage2 /* no Hyp: the field is RES0 */ || !(strw & 1);
}

static bool stage2_ok(const struct smmu *s, const struct ste *e)
{
    if (s->cfg.no_stage2 || (e->world && !(s->s_idr1 >> 29 & 1)) || !field(e->w, 179, 179) /* S2AA64 */ ||
        (ste_s2s(e) && !smmu_may_stall(s, e->world)))
        return false;
    return stage2_shape_ok(s, e, false) && (!e->world || stage2_shape_ok(s, e, true));
}

/* Is the entry's EATS legal with the rest of it? */
static bool eats_ok(const struct smmu *s, const struct ste *e)
{
    unsigned eats = (unsigned)field(e->w, 93, 92);
    if (e->world || !(ste_s1(e) || ste_s2(e)))
        return true;
    if (eats == 2)
        return ste_s1(e) && ste_s2(e) && !field(e->w, 185, 185) && !s->cfg.no_stage1;
    return eats != 1 || !ste_s2(e) || !ste_s2s(e);
}

static bool ste_ok(const struct smmu *s, const struct ste *e)
{
    if (!(e->w[0] & 1))
        return false;
    if (!ste_live(e))
        return true;
    return (!ste_s1(e) || stage1_ok(s, e)) && (!ste_s2(e) || stage2_ok(s, e)) && eats_ok(s, e);
}

bool smmu_find_ste(struct request *q)
{
    struct ste *e = smmu_ste_slot(q->s, q->world, q->sid);
    u64 addr;
    q->ste = e;
    if (e->valid && e->sid == q->sid && e->world == q->world)
        return true;
    if (!ste_address(q, &addr))
        return false;
    struct ste fresh = {.sid = q->sid, .world = q->world, .valid = true};
    if (!fetch(q, q->world ? PAS_S : PAS_NS, addr, fresh.w, STE_WORDS)) {
        smmu_record(q, SMMU_F_STE_FETCH, 0, 0, q->fetch);
        return false;
    }
    if (!ste_ok(q->s, &fresh)) {
        smmu_record(q, SMMU_C_BAD_STE, 0, 0, 0);
        return false;
    }
    *e = fresh;
    return true;
}

/* ---- context descriptors ------------------------------------------------------------------------ */

static unsigned granule0(const struct cd *c) { return (const u8[]){12, 16, 14, 0}[field(c->w, 7, 6)]; }
static unsigned granule1(const struct cd *c) { return (const u8[]){0, 14, 12, 16}[field(c->w, 23, 22)]; }

static bool range_ok(const struct smmu *s, const struct cd *c, unsigned granule, unsigned txsz, u64 base)
{
    bool wide = s->cfg.oas == 52 && (granule == 16 || cd_ds(c));
    return granule && txsz >= (wide ? 12 : 16) && txsz <= (granule == 16 ? 47 : 48) &&
           !(base >> output_bits(s, (unsigned)field(c->w, 34, 32), wide || granule == 16));
}

static bool two_ranges(const struct request *q)
{
    unsigned strw = ste_strw(q->ste);
    return strw == 0 || (strw == 2 && q->s->world[q->world].cr2 & CR2_E2H);
}

static bool cd_ok(const struct request *q, const struct cd *c)
{
    if (!field(c->w, 31, 31) || !field(c->w, 41, 41) /* AA64 */ ||
        (cd_s(c) && (ste_s1stalld(q->ste) || !smmu_may_stall(q->s, q->world))))
        return false;
    /* without a second range EPD0 is ignored, and so is all of the second */
    bool two = two_ranges(q);
    if (!(two && field(c->w, 14, 14)) &&
        !range_ok(q->s, c, granule0(c), (unsigned)field(c->w, 5, 0), field(c->w, 119, 68) << 4))
        return false;
    return !two || field(c->w, 30, 30) ||
           range_ok(q->s, c, granule1(c), (unsigned)field(c->w, 21, 16), field(c->w, 183, 132) << 4);
}

/* Reads through stage 2 when the stream has it: context descriptors are at IPAs then. */
static bool fetch_context(struct request *q, u64 addr, u64 *w, unsigned n)
{
    struct pa pa;
    if (!smmu_stage2(q, addr, &pa))
        return false;
    if (fetch(q, pa_space(pa), pa_addr(pa), w, n))
        return true;
    smmu_record(q, SMMU_F_CD_FETCH, 0, 0, q->fetch);
    return false;
}

/* Where the descriptor of the substream is. */
static bool cd_address(struct request *q, u32 ssid, u64 *addr)
{
    const struct ste *e = q->ste;
    u64 base = field(e->w, 55, 6) << 6, desc;
    unsigned max = ste_cdmax(q->s, e), format = (unsigned)field(e->w, 5, 4);
    if (!max || format == 0 || format == 3) {
        *addr = base + 64ull * ssid;
        return true;
    }
    unsigned split = format == 1 ? 6 : 10;
    if (!fetch_context(q, base + 8ull * (ssid >> split), &desc, 1))
        return false;
    if (!(desc & 1)) {
        smmu_record(q, SMMU_C_BAD_SUBSTREAMID, 0, 0, 0);
        return false;
    }
    *addr = (desc & (ones(56) & ~0xfffull)) + 64 * (ssid & ones(split));
    if (*addr >> q->s->cfg.oas) {
        smmu_record(q, SMMU_C_BAD_SUBSTREAMID, 0, 0, 0);
        return false;
    }
    return true;
}

/* Which descriptor the access selects. *none: stage 1 is bypassed. False: an event was recorded. */
static bool select_cd(struct request *q, u32 *ssid, bool *none)
{
    const struct ste *e = q->ste;
    unsigned max = ste_s1(e) ? ste_cdmax(q->s, e) : 0;
    *ssid = q->ssv ? q->ssid : 0;
    *none = !ste_s1(e);
    if (q->ssv && (!max || q->ssid >> max)) {
        smmu_record(q, SMMU_C_BAD_SUBSTREAMID, 0, 0, 0);
        return false;
    }
    if (!max)
        return true;
    unsigned dss = ste_dss(e);
    if ((!q->ssv && dss != 1 && dss != 2) || (q->ssv && dss == 2 && !q->ssid)) {
        smmu_record(q, SMMU_F_STREAM_DISABLED, 0, 0, 0);
        return false;
    }
    if (!q->ssv && dss == 1)
        *none = true;
    return true;
}

bool smmu_find_cd(struct request *q)
{
    u32 ssid;
    bool none;
    u64 addr;
    q->cd = NULL;
    if (!select_cd(q, &ssid, &none))
        return false;
    if (none)
        return true;
    struct cd *c = smmu_cd_slot(q->s, q->world, q->sid, ssid);
    q->cd = c;
    if (c->valid && c->sid == q->sid && c->ssid == ssid && c->world == q->world)
        return true;
    struct cd fresh = {.sid = q->sid, .ssid = ssid, .world = q->world, .valid = true};
    if (!cd_address(q, ssid, &addr) || !fetch_context(q, addr, fresh.w, CD_WORDS))
        return false;
    if (!cd_ok(q, &fresh)) {
        smmu_record(q, SMMU_C_BAD_CD, 0, 0, 0);
        return false;
    }
    *c = fresh;
    return true;
}

/* ---- regimes ----------------------------------------------------------------------------------- */

struct tag smmu_tag(const struct request *q)
{
    struct tag t = {.world = q->world};
    unsigned strw = q->cd ? ste_strw(q->ste) : 0;
    t.class = strw == 1 ? CLASS_EL3 : strw == 0 ? CLASS_NH : two_ranges(q) ? CLASS_EL2_E2H : CLASS_EL2;
    t.stages = (u8)((q->cd ? 1 : 0) | (ste_s2(q->ste) ? 2 : 0));
    if (t.class == CLASS_NH && (q->world ? ste_s2(q->ste) : !q->s->cfg.no_stage2))
        t.vmid = ste_vmid(q->ste);
    if (q->cd && (t.class == CLASS_NH || t.class == CLASS_EL2_E2H))
        t.asid = cd_asid(q->cd);
    t.aset = q->cd && cd_aset(q->cd);
    return t;
}

void smmu_make_s2(struct request *q)
{
    const u64 *w = q->ste->w;
    struct regime *r = &q->s2;
    *r = (struct regime){.kind = REGIME_STAGE2, .space = q->world ? PAS_S : PAS_NS};
    r->on = ste_s2(q->ste);
    if (!r->on)
        return;
    r->pamax = q->s->cfg.oas;
    r->ttst = r->xnx = true;
    r->ds = ste_s2ds(q->ste) && q->s->cfg.oas == 52;
    r->ee = field(w, 180, 180);
    r->affd = field(w, 181, 181);
    r->s2_ptw = field(w, 182, 182);
    r->ha = field(w, 184, 184);
    r->hd = r->ha && field(w, 183, 183);
    r->s2_fwb = field(w, 89, 89);
    r->vmid = ste_vmid(q->ste);
    r->r[0] = stage2_range(q->ste, q->world);
    if (q->world) { /* the Non-secure IPA space of a Secure guest */
        r->r[1] = stage2_range(q->ste, false);
        r->sw = field(w, 384, 384);
        r->sa = r->sw || field(w, 385, 385);
        r->nsw = field(w, 192, 192);
        r->nsa = r->sa || r->nsw || field(w, 193, 193);
    }
    r->ps = output_bits(q->s, (unsigned)field(w, 178, 176), r->ds || r->r[0].granule == 16 || r->r[1].granule == 16);
}

void smmu_make_s1(struct request *q)
{
    struct regime *r = &q->s1;
    *r = (struct regime){.kind = REGIME_EL10, .space = q->world ? PAS_S : PAS_NS, .dc = true, .s2 = &q->s2};
    r->pamax = r->ps = q->s->cfg.oas;
    if (!q->cd) {
        if (q->world && field(q->ste->w, 111, 110) == 3) /* NSCFG: the Non-secure IPA space */
            r->space = PAS_NS;
        return;
    }
    const u64 *w = q->cd->w;
    r->kind = ste_strw(q->ste) == 0 ? REGIME_EL10 : !two_ranges(q) ? REGIME_EL2 : REGIME_EL20;
    r->on = true;
    r->two_ranges = two_ranges(q);
    r->ttst = true;
    r->ds = cd_ds(q->cd) && q->s->cfg.oas == 52;
    r->sif = q->world && (q->s->world[1].cr0 & S_CR0_SIF);
    r->ee = field(w, 15, 15);
    r->affd = field(w, 35, 35);
    r->wxn = field(w, 36, 36);
    r->epan = field(w, 123, 123);
    r->ha = field(w, 43, 43);
    r->hd = r->ha && field(w, 42, 42);
    r->mair = w[3];
    r->asid = cd_asid(q->cd);
    r->r[0] = (struct tr_range){.ttbr = field(w, 119, 68) << 4,
                                .txsz = (u8)field(w, 5, 0),
                                .granule = (u8)granule0(q->cd),
                                .epd = r->two_ranges && field(w, 14, 14),
                                .sh = (u8)field(w, 13, 12),
                                .ns = q->world && field(w, 64, 64),
                                .hpd = field(w, 65, 65),
                                .tbi = field(w, 38, 38),
                                .e0pd = field(w, 66, 66)};
    r->r[1] = (struct tr_range){.ttbr = field(w, 183, 132) << 4,
                                .txsz = (u8)field(w, 21, 16),
                                .granule = (u8)granule1(q->cd),
                                .sh = (u8)field(w, 29, 28),
                                .epd = field(w, 30, 30),
                                .ns = q->world && field(w, 128, 128),
                                .hpd = field(w, 129, 129),
                                .tbi = field(w, 39, 39),
                                .e0pd = field(w, 130, 130)};
    for (unsigned i = 0; i < 2; i++) /* a disabled range's granule is not looked at; the walker wants one */
        if (!r->r[i].granule)
            r->r[i].granule = 12;
    r->ps = output_bits(q->s, (unsigned)field(w, 34, 32),
                        r->ds || (r->r[0].granule == 16 && !r->r[0].epd) || (r->r[1].granule == 16 && !r->r[1].epd));
}
