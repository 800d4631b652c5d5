/* Translation regimes as data, made from SCTLR_ELx, TCR_ELx, TTBRn_ELx, MAIR_ELx, HCR_EL2, VTCR_EL2,
 * VTTBR_EL2, VSTCR_EL2, VSTTBR_EL2 and SCR_EL3 (DDI0487 D8, D19.2).
 *
 * Fields of features that the CPU lacks are ignored here, whatever the register holds. */
#include "cpu/aa32.h"
#include "cpu/context.h"
#include "cpu/fields.h"

static const u8 pa_sizes[8] = {32, 36, 40, 42, 44, 48, 52, 52};

static u8 pamax(const struct cpu *c) { return pa_sizes[c->sys[ID_AA64MMFR0_EL1] & 7]; }

/* TG0 and VTCR_EL2.TG0: 0 4K, 1 64K, 2 16K. TG1 has its own code: 1 16K, 2 4K, 3 64K. */
static u8 granule(const struct cpu *c, unsigned tg, bool tg1)
{
    static const u8 g0[4] = {12, 16, 14, 12}, g1[4] = {12, 14, 12, 16};
    u8 g = (tg1 ? g1 : g0)[tg & 3];
    if ((g == 16 && !cpu_has(c, FEAT_TGran64K)) || (g == 14 && !cpu_has(c, FEAT_TGran16K)))
        return 12;
    return g;
}

static u8 output_size(const struct cpu *c, unsigned ps, bool wide)
{
    u8 n = pa_sizes[ps & 7], max = pamax(c);
    if (n > max)
        n = max;
    return n > 48 && !wide ? 48 : n;
}

/* What all stage 1 regimes share. */
static void common(const struct cpu *c, struct regime *r, u64 sctlr, u64 mair)
{
    r->on = sctlr & SCTLR_M;
    r->icache = (sctlr & SCTLR_I) != 0;
    r->ee = (sctlr & SCTLR_EE) != 0;
    r->wxn = (sctlr & SCTLR_WXN) != 0;
    r->epan = cpu_has(c, FEAT_PAN3) && (sctlr & SCTLR_EPAN);
    r->mair = mair;
    r->pamax = pamax(c);
    r->ttst = cpu_has(c, FEAT_TTST);
    r->sif = cpu_has_el3(c) && (c->sys[SCR_EL3] & SCR_SIF);
}

/* TCR_EL1, and TCR_EL2 with E2H. */
static void two_ranges(const struct cpu *c, struct regime *r, u64 tcr, u64 ttbr0, u64 ttbr1)
{
    bool hpds = cpu_has(c, FEAT_HPDS), tbid = cpu_has(c, FEAT_PAuth), e0pd = cpu_has(c, FEAT_E0PD);
    r->two_ranges = true;
    r->ds = cpu_has(c, FEAT_LPA2) && bit(tcr, 59);
    r->ha = cpu_has(c, FEAT_HAFDBS) && bit(tcr, 39);
    r->hd = r->ha && bit(tcr, 40);
    r->r[0] = (struct tr_range){.ttbr = ttbr0,
                                .txsz = (u8)bits(tcr, 5, 0),
                                .granule = granule(c, (unsigned)bits(tcr, 15, 14), false),
                                .epd = bit(tcr, 7),
                                .hpd = hpds && bit(tcr, 41),
                                .tbi = bit(tcr, 37),
                                .tbid = tbid && bit(tcr, 51),
                                .e0pd = e0pd && bit(tcr, 55),
                                .sh = (u8)bits(tcr, 13, 12)};
    r->r[1] = (struct tr_range){.ttbr = ttbr1,
                                .txsz = (u8)bits(tcr, 21, 16),
                                .granule = granule(c, (unsigned)bits(tcr, 31, 30), true),
                                .epd = bit(tcr, 23),
                                .hpd = hpds && bit(tcr, 42),
                                .tbi = bit(tcr, 38),
                                .tbid = tbid && bit(tcr, 52),
                                .e0pd = e0pd && bit(tcr, 56),
                                .sh = (u8)bits(tcr, 29, 28)};
    r->ps = output_size(c, (unsigned)bits(tcr, 34, 32), r->ds || r->r[0].granule == 16 || r->r[1].granule == 16);
}

/* EL1&0 with an AArch32 EL1: TTBCR as TCR_EL1 holds it. EAE 31; long: T0SZ 2:0, EPD0 7, T1SZ 18:16, EPD1 23; short: N
 * 2:0, PD0 4, PD1 5. */
static void aa32_ranges(const struct cpu *c, struct regime *r)
{
    u64 ttbcr = c->sys[TCR_EL1], sctlr = c->sys[SCTLR_EL1];
    bool eae = aa32_eae(c);
    r->aa32 = eae ? 1 : 2;
    r->ds = r->ha = r->hd = false;
    r->ps = r->pamax < 40 ? r->pamax : 40;
    r->uwxn = bit(sctlr, 20);
    r->tre = bit(sctlr, 28);
    r->afe = bit(sctlr, 29);
    r->dacr = (u32)c->sys[DACR32_EL2];
    r->ttbcr_n = (u8)bits(ttbcr, 2, 0);
    for (unsigned i = 0; i < 2; i++)
        r->r[i] = (struct tr_range){.ttbr = c->sys[i ? TTBR1_EL1 : TTBR0_EL1] & (eae ? 0xfffffffffeull : 0xffffffffull),
                                    .txsz = (u8)(32 + bits(ttbcr, i ? 18 : 2, i ? 16 : 0)),
                                    .granule = 12,
                                    .epd = bit(ttbcr, eae ? (i ? 23 : 7) : 4 + i)};
}

/* TCR_EL2 without E2H, TCR_EL3. */
static void one_range(const struct cpu *c, struct regime *r, u64 tcr, u64 ttbr)
{
    r->ds = cpu_has(c, FEAT_LPA2) && bit(tcr, 32);
    r->ha = cpu_has(c, FEAT_HAFDBS) && bit(tcr, 21);
    r->hd = r->ha && bit(tcr, 22);
    r->r[0] = (struct tr_range){.ttbr = ttbr,
                                .txsz = (u8)bits(tcr, 5, 0),
                                .granule = granule(c, (unsigned)bits(tcr, 15, 14), false),
                                .hpd = cpu_has(c, FEAT_HPDS) && bit(tcr, 24),
                                .tbi = bit(tcr, 20),
                                .tbid = cpu_has(c, FEAT_PAuth) && bit(tcr, 29),
                                .sh = (u8)bits(tcr, 13, 12)};
    r->ps = output_size(c, (unsigned)bits(tcr, 18, 16), r->ds || r->r[0].granule == 16);
}

/* A stage 2 range: size and start level of VTCR_EL2 or VSTCR_EL2; DS and SH of VTCR_EL2 serve both. */
static struct tr_range stage2_range(const struct cpu *c, const struct regime *r, u64 ttbr, u64 tcr)
{
    return (struct tr_range){.ttbr = ttbr,
                             .txsz = (u8)bits(tcr, 5, 0),
                             .granule = granule(c, (unsigned)bits(tcr, 15, 14), false),
                             .sl = (u8)(bits(tcr, 7, 6) | (r->ds && bit(tcr, 33) ? 4 : 0)),
                             .sh = (u8)bits(c->sys[VTCR_EL2], 13, 12)};
}

static void make_stage2(struct cpu *c)
{
    struct regime *r = &c->regime_s2;
    u64 vtcr = c->sys[VTCR_EL2], hcr = c->hcr, ttbr = c->sys[VTTBR_EL2], size = vtcr;
    bool secure = cpu_secure_below_el3(c);
    *r = (struct regime){.kind = REGIME_STAGE2, .space = secure ? PAS_S : PAS_NS};
    r->on = (hcr & (HCR_VM | HCR_DC)) && !(hcr & HCR_TGE);
    if (!r->on)
        return;
    if (secure) { /* the Secure IPA space; VTCR_EL2 gives the rest */
        u64 vstcr = c->sys[VSTCR_EL2];
        ttbr = c->sys[VSTTBR_EL2];
        size = vstcr;
        r->sw = bit(vstcr, 29);
        r->sa = r->sw || bit(vstcr, 30);
        r->nsw = bit(vtcr, 29);
        r->nsa = r->sa || r->nsw || bit(vtcr, 30);
    }
    r->pamax = pamax(c);
    r->ttst = cpu_has(c, FEAT_TTST);
    r->ee = (c->sys[SCTLR_EL2] & SCTLR_EE) != 0;
    r->ds = cpu_has(c, FEAT_LPA2) && bit(vtcr, 32);
    r->ha = cpu_has(c, FEAT_HAFDBS) && bit(vtcr, 21);
    r->hd = r->ha && bit(vtcr, 22);
    r->xnx = cpu_has(c, FEAT_XNX);
    r->s2_ptw = (hcr & HCR_PTW) != 0;
    r->s2_fwb = cpu_has(c, FEAT_S2FWB) && (hcr & HCR_FWB);
    r->s2_cd = (hcr & HCR_CD) != 0;
    r->s2_id = (hcr & HCR_ID) != 0;
    r->vmid = context_vmid(c);
    r->r[0] = stage2_range(c, r, ttbr, size);
    if (secure) /* the Non-secure IPA space */
        r->r[1] = stage2_range(c, r, c->sys[VTTBR_EL2], vtcr);
    r->ps = output_size(c, (unsigned)bits(vtcr, 18, 16), r->ds || r->r[0].granule == 16 || r->r[1].granule == 16);
}

static const struct regime *make(struct cpu *c, unsigned kind)
{
    const u64 *s = c->sys;
    struct regime *r;
    switch (kind) {
    case REGIME_EL10:
        r = &c->regime_el10;
        *r = (struct regime){.kind = REGIME_EL10, .space = cpu_secure_below_el3(c) ? PAS_S : PAS_NS};
        common(c, r, s[SCTLR_EL1], s[MAIR_EL1]);
        two_ranges(c, r, s[TCR_EL1], s[TTBR0_EL1], s[TTBR1_EL1]);
        r->dc = (c->hcr & HCR_DC) && !(c->hcr & HCR_TGE);
        if (UNLIKELY(aa32_el1(c)))
            aa32_ranges(c, r);
        if (c->hcr & (HCR_DC | HCR_TGE))
            r->on = false;
        r->nv1 = (c->hcr & (HCR_NV | HCR_NV1)) == (HCR_NV | HCR_NV1);
        make_stage2(c);
        r->s2 = &c->regime_s2;
        return r;
    case REGIME_EL2:
    case REGIME_EL20:
        r = &c->regime_el2;
        *r = (struct regime){.kind = (u8)kind, .space = cpu_secure_below_el3(c) ? PAS_S : PAS_NS};
        common(c, r, s[SCTLR_EL2], s[MAIR_EL2]);
        if (kind == REGIME_EL20)
            two_ranges(c, r, s[TCR_EL2], s[TTBR0_EL2], s[TTBR1_EL2]);
        else
            one_range(c, r, s[TCR_EL2], s[TTBR0_EL2]);
        return r;
    default:
        r = &c->regime_el3;
        *r = (struct regime){.kind = REGIME_EL3, .space = PAS_S};
        common(c, r, s[SCTLR_EL3], s[MAIR_EL3]);
        one_range(c, r, s[TCR_EL3], s[TTBR0_EL3]);
        return r;
    }
}

/* Made again when a register changed; EL2 and EL2&0 share theirs. */
const struct regime *context_regime(struct cpu *c, unsigned kind)
{
    const struct regime *r = kind == REGIME_EL10  ? &c->regime_el10
                             : kind == REGIME_EL3 ? &c->regime_el3
                                                  : &c->regime_el2;
    if (!c->ctx_generation)
        context_number(c);
    if (LIKELY(c->regime_generation[kind] == c->ctx_generation && r->kind == kind))
        return r;
    c->regime_generation[kind] = c->ctx_generation;
    return make(c, kind);
}
