/* CPU models (Technical Reference Manuals of the cores; DDI0487 A2 and D24.2 for features and ID registers).
 *
 * A model is a set of features and the values of the registers that are not made of features (MIDR, CTR, cache
 * geometry, PARange ...).  ID registers are computed from the features that the CPU has in the end, so nothing can be
 * advertised that is absent.  The real parts have AArch32; it is shown absent.  Features are limited to those that
 * work (feat.def). */
#include "cpu/model.h"

#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "cpu/fields.h"

enum { MAX_REQUIRES = 3 };

static const struct feature {
    const char *name;
    u16 idreg; /* cell */
    u8 lsb, value, version;
    bool works;
    u8 requires[MAX_REQUIRES];
} features[FEAT_COUNT] = {
    [FEAT_BASE] = {.name = "base", .works = true},
#define FEAT(n, reg, l, v, ver, w, ...)                                                                                \
    [FEAT_##                                                                                                           \
        n] = {.name = #n, .idreg = reg, .lsb = l, .value = v, .version = ver, .works = w, .requires = {__VA_ARGS__}},
#include "cpu/feat.def"
#undef FEAT
};

const char *feat_name(unsigned feat) { return feat < FEAT_COUNT ? features[feat].name : "?"; }
bool feat_works(unsigned feat) { return feat < FEAT_COUNT && features[feat].works; }

void feat_describe(unsigned feat, struct feat_info *out)
{
    const struct feature *f = &features[feat];
    *out = (struct feat_info){f->idreg ? sysreg_cell_name(f->idreg) : NULL,
                              f->lsb,
                              f->value,
                              f->version,
                              {f->requires[0], f -> requires[1], f -> requires[2]}};
}

static void set(struct features *f, unsigned n, bool on)
{
    f->w[n / 64] = (f->w[n / 64] & ~(1ull << n % 64)) | (u64)on << n % 64;
}

/* ---- the models -------------------------------------------------------------------------------------- */

/* Everything but features. Caches: CCSIDR_EL1 in the 32-bit format. */
struct model {
    const char *name, *compatible, *note;
    u64 midr, revidr, ctr, clidr, l1d, l1i, l2, l3;
    u8 parange; /* ID_AA64MMFR0_EL1.PARange */
    u8 pmu;     /* PMCR_EL0.IDCODE, 0: the low bits of MIDR_EL1.PartNum */
    u8 brps, wrps, ctx_cmps;
    u8 version; /* 80 + n: all mandatory features of Armv8.n; 255: all that work */
    u8 extra[24];
};

#define A32 "the real core; EL2 and EL3 are AArch64 only"
static const struct model models[] = {
    {.name = "cortex-a53",
     .compatible = "arm,cortex-a53",
     .note = A32,
     .midr = 0x410fd034,
     .revidr = 0x100,
     .ctr = 0x84448004,
     .clidr = 0x0a200023,
     .l1d = 0x700fe01a,
     .l1i = 0x201fe00a,
     .l2 = 0x707fe07a,
     .parange = 2,
     .brps = 6,
     .wrps = 4,
     .ctx_cmps = 2,
     .version = 80,
     .extra = {FEAT_CRC32, FEAT_AES, FEAT_PMULL, FEAT_SHA1, FEAT_SHA256, FEAT_DoubleLock, FEAT_CORTEX_IMPDEF,
               FEAT_AA32EL0, FEAT_AA32EL1, FEAT_PMUv3}},
    {.name = "cortex-a57",
     .compatible = "arm,cortex-a57",
     .note = A32,
     .midr = 0x411fd070,
     .pmu = 1,
     .ctr = 0x8444c004,
     .clidr = 0x0a200023,
     .l1d = 0x701fe00a,
     .l1i = 0x201fe012,
     .l2 = 0x70ffe07a,
     .parange = 4,
     .brps = 6,
     .wrps = 4,
     .ctx_cmps = 2,
     .version = 80,
     .extra = {FEAT_CRC32, FEAT_AES, FEAT_PMULL, FEAT_SHA1, FEAT_SHA256, FEAT_DoubleLock, FEAT_CORTEX_IMPDEF,
               FEAT_AA32EL0, FEAT_AA32EL1, FEAT_PMUv3}},
    {.name = "cortex-a72",
     .compatible = "arm,cortex-a72",
     .note = A32,
     .midr = 0x410fd083,
     .pmu = 2,
     .ctr = 0x8444c004,
     .clidr = 0x0a200023,
     .l1d = 0x701fe00a,
     .l1i = 0x201fe012,
     .l2 = 0x707fe07a,
     .parange = 4,
     .brps = 6,
     .wrps = 4,
     .ctx_cmps = 2,
     .version = 80,
     .extra = {FEAT_CRC32, FEAT_AES, FEAT_PMULL, FEAT_SHA1, FEAT_SHA256, FEAT_DoubleLock, FEAT_CORTEX_IMPDEF,
               FEAT_AA32EL0, FEAT_AA32EL1, FEAT_PMUv3}},
    {.name = "cortex-a76",
     .compatible = "arm,cortex-a76",
     .note = A32,
     .midr = 0x414fd0b1,
     .ctr = 0x8444c004,
     .clidr = 0x82000023,
     .l1d = 0x701fe01a,
     .l1i = 0x201fe01a,
     .l2 = 0x707fe03a,
     .parange = 2,
     .brps = 6,
     .wrps = 4,
     .ctx_cmps = 2,
     .version = 82,
     .extra = {FEAT_AES, FEAT_PMULL, FEAT_SHA1, FEAT_SHA256, FEAT_FP16, FEAT_DotProd, FEAT_LRCPC, FEAT_HPDS2,
               FEAT_HAFDBS, FEAT_VMID16, FEAT_TGran16K, FEAT_SSBS, FEAT_CSV2, FEAT_CSV3, FEAT_PMUv3, FEAT_PMUv3p1,
               FEAT_DoubleLock}},
    {.name = "neoverse-n1",
     .compatible = "arm,neoverse-n1",
     .note = A32,
     .midr = 0x414fd0c1,
     .ctr = 0x8444c004,
     .clidr = 0x82000023,
     .l1d = 0x701fe01a,
     .l1i = 0x201fe01a,
     .l2 = 0x70ffe03a,
     .parange = 5,
     .brps = 6,
     .wrps = 4,
     .ctx_cmps = 2,
     .version = 82,
     .extra = {FEAT_AES, FEAT_PMULL, FEAT_SHA1, FEAT_SHA256, FEAT_FP16, FEAT_DotProd, FEAT_LRCPC, FEAT_HPDS2,
               FEAT_HAFDBS, FEAT_VMID16, FEAT_TGran16K, FEAT_SSBS, FEAT_SSBS2, FEAT_CSV2, FEAT_CSV3, FEAT_PMUv3,
               FEAT_PMUv3p1, FEAT_DoubleLock}},
#define GENERIC(n, v, s)                                                                                               \
    {                                                                                                                  \
        .name = n, .compatible = "arm,armv8", .note = s, .midr = 0x000f0000 | 0x0510, .ctr = 0x8444c004,               \
        .clidr = 0x0a200023, .l1d = 0x701fe00a, .l1i = 0x201fe012, .l2 = 0x70ffe07a, .parange = 5, .brps = 6,          \
        .wrps = 4, .ctx_cmps = 2, .version = v, .extra = {                                                             \
            FEAT_DoubleLock                                                                                            \
        }                                                                                                              \
    }
    GENERIC("v8.0", 80, "what Armv8.0 requires, as far as it works"),
    GENERIC("v8.1", 81, "what Armv8.1 requires, as far as it works"),
    GENERIC("v8.2", 82, "what Armv8.2 requires, as far as it works"),
    GENERIC("v8.3", 83, "what Armv8.3 requires, as far as it works"),
    GENERIC("v8.4", 84, "what Armv8.4 requires, as far as it works"),
    GENERIC("v8.5", 85, "what Armv8.5 requires, as far as it works"),
    GENERIC("v8.6", 86, "what Armv8.6 requires, as far as it works"),
    GENERIC("v8.7", 87, "what Armv8.7 requires, as far as it works"),
    GENERIC("max", 255, "every feature that works"),
#undef GENERIC
};

const char *model_name(unsigned i) { return i < ARRAY_LEN(models) ? models[i].name : NULL; }
const char *model_summary(unsigned i) { return i < ARRAY_LEN(models) ? models[i].note : ""; }

static const struct model *find_model(const char *name, size_t len)
{
    for (unsigned i = 0; i < ARRAY_LEN(models); i++)
        if (strlen(models[i].name) == len && !strncmp(models[i].name, name, len))
            return &models[i];
    return NULL;
}

const char *model_compatible(const char *name)
{
    const struct model *m = find_model(name, strcspn(name, ","));
    return m ? m->compatible : "arm,armv8";
}

/* ---- options ------------------------------------------------------------------------------------------- */

static bool same_name(const char *a, const char *b, size_t len)
{
    size_t i = 0;
    for (; i < len && a[i]; i++) {
        char x = a[i], y = b[i];
        x = x >= 'A' && x <= 'Z' ? (char)(x + 32) : x;
        y = y >= 'A' && y <= 'Z' ? (char)(y + 32) : y;
        if (x != y)
            return false;
    }
    return i == len && !a[i];
}

static unsigned find_feature(const char *s, size_t len)
{
    for (unsigned i = 1; i < FEAT_COUNT; i++)
        if (same_name(features[i].name, s, len))
            return i;
    return FEAT_COUNT;
}

static bool missing(const struct features *f, unsigned feat, unsigned *which)
{
    for (unsigned k = 0; k < MAX_REQUIRES; k++)
        if (features[feat].requires[k] && !feat_has(f, features[feat].requires[k]))
    return *which = features[feat].requires[k], true;
    return false;
}

/* Takes out whatever lacks something it needs. */
static void drop_dependents(struct features *f)
{
    for (bool again = true; again;) {
        again = false;
        for (unsigned i = 1; i < FEAT_COUNT; i++) {
            unsigned w;
            if (feat_has(f, i) && missing(f, i, &w)) {
                set(f, i, false);
                again = true;
            }
        }
    }
}

static void add_with_requirements(struct features *f, unsigned feat)
{
    set(f, feat, true);
    for (unsigned k = 0; k < MAX_REQUIRES; k++)
        if (features[feat].requires[k] && !feat_has(f, features[feat].requires[k]))
            add_with_requirements(f, features[feat].requires[k]);
}

/* Options of other programs that mean something here: sve=off, pauth-impdef=on, aarch64=on ... True: consumed. */
static bool property(struct features *f, const char *s, size_t len, bool *bad)
{
    const char *eq = memchr(s, '=', len);
    if (!eq)
        return false;
    size_t key = (size_t)(eq - s), val = len - key - 1;
    bool on = (val == 2 && !strncmp(eq + 1, "on", 2)) || (val == 4 && !strncmp(eq + 1, "true", 4));
    *bad = false;
    if (same_name("pauth-impdef", s, key)) {
        if (on && feat_has(f, FEAT_PAuth)) {
            set(f, FEAT_PACQARMA5, false);
            set(f, FEAT_PACQARMA3, false);
            set(f, FEAT_PACIMP, true);
        }
        return true;
    }
    unsigned feat = find_feature(s, key);
    if (feat < FEAT_COUNT) {
        if (!on)
            set(f, feat, false);
        else if (features[feat].works)
            add_with_requirements(f, feat);
        else
            *bad = true;
        return true;
    }
    *bad = on && !same_name("aarch64", s, key); /* turning off what is absent is fine */
    return true;
}

static bool option(struct features *f, const char *s, size_t len, char *err, size_t n)
{
    bool bad = false;
    if (property(f, s, len, &bad)) {
        if (bad)
            snprintf(err, n, "CPU option %.*s: there is no such feature yet; leave the option out", (int)len, s);
        return !bad;
    }
    bool plus = *s == '+', minus = *s == '-';
    if (plus || minus)
        s++, len--;
    unsigned feat = find_feature(s, len);
    if (feat == FEAT_COUNT || feat == FEAT_EL2 || feat == FEAT_EL3) {
        snprintf(err, n, "CPU option %.*s: unknown feature; see 'elara list features'", (int)len, s);
        return false;
    }
    if (minus) {
        set(f, feat, false);
        return true;
    }
    if (!features[feat].works) {
        snprintf(err, n, "CPU option %.*s: FEAT_%s does not work yet", (int)len, s, features[feat].name);
        return false;
    }
    if (feat == FEAT_PACQARMA5 || feat == FEAT_PACQARMA3 || feat == FEAT_PACIMP) { /* one of the three */
        set(f, FEAT_PACQARMA5, false);
        set(f, FEAT_PACQARMA3, false);
        set(f, FEAT_PACIMP, false);
    }
    add_with_requirements(f, feat);
    return true;
}

static void base_features(struct features *f, const struct model *m)
{
    set(f, FEAT_BASE, true);
    for (unsigned i = 1; i < FEAT_COUNT; i++) {
        bool in = m->version == 255 || (features[i].version && features[i].version <= m->version);
        if (i == FEAT_CORTEX_IMPDEF || i == FEAT_AA32EL0 || i == FEAT_AA32EL1 ||
            (m->version == 255 && (i == FEAT_PACIMP || i == FEAT_PACQARMA3)))
            in = false;
        set(f, i, in && features[i].works);
    }
    for (unsigned k = 0; k < ARRAY_LEN(m->extra); k++)
        if (m->extra[k] && features[m->extra[k]].works)
            set(f, m->extra[k], true);
    if (feat_has(f, FEAT_Debugv8p4))
        set(f, FEAT_DoubleLock, false); /* it is not permitted then */
}

static void fill_id(const struct model *m, struct cpu_config *out)
{
    memset(out->id, 0, sizeof out->id);
    out->id[MIDR_EL1] = m->midr;
    out->id[REVIDR_EL1] = m->revidr;
    u64 idcode = m->pmu ? m->pmu : bits(m->midr, 11, 4);
    out->id[PMCR_EL0] = 0x41ull << 24 | idcode << 16 | 6 << 11; /* IMP, six event counters */
    out->id[CTR_EL0] = m->ctr;
    out->id[DCZID_EL0] = 4; /* 64 bytes */
    out->id[CLIDR_EL1] = m->clidr;
    out->id[CCSIDR_L1D] = m->l1d;
    out->id[CCSIDR_L1I] = m->l1i;
    out->id[CCSIDR_L2] = m->l2;
    out->id[CCSIDR_L3] = m->l3;
    out->id[ID_AA64MMFR0_EL1] = m->parange;
    out->id[ID_AA64DFR0_EL1] = (m->brps - 1ull) << 12 | (m->wrps - 1ull) << 20 | (m->ctx_cmps - 1ull) << 28;
}

bool model_lookup(const char *name, const struct model_request *want, struct cpu_config *out, char *err, size_t n)
{
    static const struct model_request usual = {.el2 = true};
    if (!want)
        want = &usual;
    size_t len = strcspn(name, ",");
    const struct model *m = find_model(name, len);
    if (!m) {
        snprintf(err, n, "no CPU model %.*s; try cortex-a57, v8.0 or max, or see 'elara list cpus'", (int)len, name);
        return false;
    }
    struct features f = {{0}};
    base_features(&f, m);
    set(&f, FEAT_EL2, want->el2);
    set(&f, FEAT_EL3, want->el3);
    set(&f, FEAT_GICv3, want->gicv3);
    drop_dependents(&f);
    for (name += len; *name == ','; name += len) {
        name++;
        len = strcspn(name, ",");
        if (len && !option(&f, name, len, err, n))
            return false;
    }
    set(&f, FEAT_EL2, want->el2);
    set(&f, FEAT_EL3, want->el3);
    drop_dependents(&f);
    out->feat = f;
    fill_id(m, out);
    return true;
}

/* ---- identification registers ------------------------------------------------------------------------------ */

static void raise_field(u64 *reg, unsigned lsb, u64 value)
{
    if (bits(*reg, lsb + 3, lsb) < value)
        *reg = deposit(*reg, lsb + 3, lsb, value);
}

static void put_field(u64 *reg, unsigned lsb, u64 value) { *reg = deposit(*reg, lsb + 3, lsb, value); }

/* APA/API/APA3 and GPA/GPI/GPA3: 1 PAuth, 2 EPAC, 3 PAuth2, 4 FPAC, 5 FPACCOMBINE */
static void pauth_fields(struct cpu *c)
{
    u64 *isar1 = &c->sys[ID_AA64ISAR1_EL1], *isar2 = &c->sys[ID_AA64ISAR2_EL1];
    u64 level = cpu_has(c, FEAT_FPACCOMBINE) ? 5
                : cpu_has(c, FEAT_FPAC)      ? 4
                : cpu_has(c, FEAT_PAuth2)    ? 3
                : cpu_has(c, FEAT_EPAC)      ? 2
                                             : 1;
    if (!cpu_has(c, FEAT_PAuth))
        return;
    if (cpu_has(c, FEAT_PACIMP)) {
        put_field(isar1, 8, level);
        put_field(isar1, 28, 1);
    } else if (cpu_has(c, FEAT_PACQARMA3)) {
        put_field(isar2, 12, level);
        put_field(isar2, 8, 1);
    } else {
        put_field(isar1, 4, level);
        put_field(isar1, 24, 1);
    }
}

/* Fields whose absence is not 0, or that several features share. */
static void odd_fields(struct cpu *c)
{
    u64 *pfr0 = &c->sys[ID_AA64PFR0_EL1], *mmfr0 = &c->sys[ID_AA64MMFR0_EL1], *dfr0 = &c->sys[ID_AA64DFR0_EL1];
    bool lpa2 = cpu_has(c, FEAT_LPA2);
    raise_field(pfr0, 0, 1); /* EL0 and EL1: AArch64 only */
    raise_field(pfr0, 4, 1);
    u64 fp = cpu_has(c, FEAT_FP) ? cpu_has(c, FEAT_FP16) : 15;
    put_field(pfr0, 16, fp);
    put_field(pfr0, 20, fp);
    if (cpu_has(c, FEAT_GICv3) && !c->ports[PORT_GIC].read)
        put_field(pfr0, 24, 0);
    put_field(mmfr0, 28, cpu_has(c, FEAT_TGran4K) ? lpa2 : 15);
    put_field(mmfr0, 24, cpu_has(c, FEAT_TGran64K) ? 0 : 15);
    if (cpu_has(c, FEAT_TGran16K))
        put_field(mmfr0, 20, lpa2 ? 2 : 1);
    if (cpu_has(c, FEAT_GTG)) {
        put_field(mmfr0, 32, cpu_has(c, FEAT_TGran16K) ? (lpa2 ? 3 : 2) : 1);
        put_field(mmfr0, 36, cpu_has(c, FEAT_TGran64K) ? 2 : 1);
        put_field(mmfr0, 40, cpu_has(c, FEAT_TGran4K) ? (lpa2 ? 3 : 2) : 1);
    }
    if (cpu_has(c, FEAT_LPA))
        put_field(mmfr0, 0, 6);
    if (cpu_has(c, FEAT_EL3))
        put_field(mmfr0, 12, 1); /* SNSMem */
    if (cpu_has(c, FEAT_MixedEnd))
        put_field(mmfr0, 16, 0); /* BigEndEL0 says something only without BigEnd */
    raise_field(dfr0, 0, 6);
    put_field(dfr0, 36, cpu_has(c, FEAT_DoubleLock) ? 0 : 15);
    c->sys[GMID_EL1] = cpu_has(c, FEAT_MTE2) ? 4 : 0; /* 64 bytes */
    pauth_fields(c);
}

/* AArch32's registers: what Armv8.0 requires and cpu/aa32.h does; EL2 and EL3 are AArch64 only. */
static void aa32_fields(struct cpu *c)
{
    u64 *s = c->sys;
    s[ID_PFR0_EL1] = 0x131; /* Jazelle trivial, T32, A32 */
    s[ID_PFR1_EL1] = 0x00010001 | (u64)cpu_has_el2(c) << 12 | (u64)cpu_has_el3(c) << 4;
    put_field(&s[ID_PFR1_EL1], 28, bits(s[ID_AA64PFR0_EL1], 27, 24));
    s[ID_DFR0_EL1] = 0x66 | (cpu_has(c, FEAT_PMUv3) ? 3u << 24 : 0xfu << 24);
    s[ID_MMFR0_EL1] = 0x10201105;
    s[ID_MMFR1_EL1] = 0x40000000;
    s[ID_MMFR2_EL1] = 0x01260000;
    s[ID_MMFR3_EL1] = 0x02102211;
    s[ID_ISAR0_EL1] = 0x02101110;
    s[ID_ISAR1_EL1] = 0x13112111;
    s[ID_ISAR2_EL1] = 0x21232042;
    s[ID_ISAR3_EL1] = 0x01112131;
    s[ID_ISAR4_EL1] = 0x00011142;
    s[ID_ISAR5_EL1] = 1 | (cpu_has(c, FEAT_PMULL) ? 2u : cpu_has(c, FEAT_AES)) << 4 | (u64)cpu_has(c, FEAT_SHA1) << 8 |
                      (u64)cpu_has(c, FEAT_SHA256) << 12 | (u64)cpu_has(c, FEAT_CRC32) << 16;
    if (cpu_has(c, FEAT_AdvSIMD)) {
        s[MVFR0_EL1] = 0x10110222;
        s[MVFR1_EL1] = 0x12111111;
        s[MVFR2_EL1] = 0x00000043;
    }
}

void model_id_registers(struct cpu *c)
{
    for (unsigned i = 1; i < FEAT_COUNT; i++)
        if (features[i].idreg && cpu_has(c, i))
            raise_field(&c->sys[features[i].idreg], features[i].lsb, features[i].value);
    odd_fields(c);
    if (cpu_has(c, FEAT_AA32EL0))
        aa32_fields(c);
}
