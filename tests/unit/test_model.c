/* CPU models: identification registers of the real parts, feature options and their dependencies. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "cpu/model.h"

static struct log quiet;
static struct cpu_env env = {.log = &quiet};
static char err[200];

static u64 port_read(void *arg, unsigned reg, const struct port_txn *x) { return (void)arg, (void)reg, (void)x, 0; }

static struct cpu *make(const char *name, const struct model_request *want)
{
    static struct cpu_config cfg;
    ck_assert_msg(model_lookup(name, want, &cfg, err, sizeof err), "%s", err);
    struct cpu *c = cpu_new(&env, &cfg);
    c->ports[PORT_GIC].read = port_read;
    cpu_reset(c);
    return c;
}

START_TEST(test_a57)
{
    struct model_request all = {.el2 = true, .el3 = true, .gicv3 = true};
    struct cpu *c = make("cortex-a57", &all);
    ck_assert_uint_eq(c->sys[MIDR_EL1], 0x411fd070);
    ck_assert_uint_eq(c->sys[CTR_EL0], 0x8444c004);
    ck_assert_uint_eq(c->sys[CLIDR_EL1], 0x0a200023);
    ck_assert_uint_eq(c->sys[DCZID_EL0], 4);
    ck_assert_uint_eq(c->sys[ID_AA64MMFR0_EL1], 0x1124);
    ck_assert_uint_eq(c->sys[ID_AA64PFR0_EL1], 0x01001122); /* the real core: 0x01002222 */
    ck_assert_uint_eq(c->sys[ID_AA64ISAR0_EL1], 0x11120);
    ck_assert_uint_eq(c->sys[ID_AA64DFR0_EL1], 0x10305106);
    ck_assert_uint_eq(c->sys[ID_AA64ISAR1_EL1] | c->sys[ID_AA64MMFR1_EL1] | c->sys[ID_AA64MMFR2_EL1], 0);
    cpu_free(c);
    struct model_request none = {.el2 = false};
    c = make("cortex-a57", &none);
    ck_assert_uint_eq(c->sys[ID_AA64PFR0_EL1], 0x22);
    ck_assert_uint_eq(c->sys[ID_AA64MMFR0_EL1], 0x0124); /* no EL3: no Secure memory either */
    cpu_free(c);
}
END_TEST

/* Reset values as the cores' Technical Reference Manuals give them, but for AArch32, GIC and statistical profiling. */
START_TEST(test_real_cores)
{
    static const struct {
        const char *name;
        u64 midr, revidr, ctr, clidr, l1d, l1i, l2, pmcr, pfr0, pfr1, dfr0, isar0, isar1, mmfr0, mmfr1, mmfr2;
    } cores[] = {
        {"cortex-a53", 0x410fd034, 0x100, 0x84448004, 0x0a200023, 0x700fe01a, 0x201fe00a, 0x707fe07a, 0x41033000, 0, 0,
         0x10305106, 0x11120, 0, 0x1122, 0, 0},
        {"cortex-a57", 0x411fd070, 0, 0x8444c004, 0x0a200023, 0x701fe00a, 0x201fe012, 0x70ffe07a, 0x41013000, 0, 0,
         0x10305106, 0x11120, 0, 0x1124, 0, 0},
        {"cortex-a72", 0x410fd083, 0, 0x8444c004, 0x0a200023, 0x701fe00a, 0x201fe012, 0x707fe07a, 0x41023000, 0, 0,
         0x10305106, 0x11120, 0, 0x1124, 0, 0},
        {"cortex-a76", 0x414fd0b1, 0, 0x8444c004, 0x82000023, 0x701fe01a, 0x201fe01a, 0x707fe03a, 0x410b3000,
         0x1100000010110000, 0x10, 0x10305408, 0x0000100010211120, 0x100001, 0x101122, 0x10212122, 0x1011},
        {"neoverse-n1", 0x414fd0c1, 0, 0x8444c004, 0x82000023, 0x701fe01a, 0x201fe01a, 0x70ffe03a, 0x410c3000,
         0x1100000010110000, 0x20, 0x10305408, 0x0000100010211120, 0x100001, 0x101125, 0x10212122, 0x1011},
    };
    struct model_request all = {.el2 = true, .el3 = true}; /* no GIC registers: the field is 0 */
    for (unsigned i = 0; i < ARRAY_LEN(cores); i++) {
        struct cpu *c = make(cores[i].name, &all);
        const u64 *r = c->sys;
        const u64 got[] = {r[MIDR_EL1],         r[REVIDR_EL1],       r[CTR_EL0],
                           r[CLIDR_EL1],        r[CCSIDR_L1D],       r[CCSIDR_L1I],
                           r[CCSIDR_L2],        r[PMCR_EL0],         r[ID_AA64PFR0_EL1] & ~0xffffull,
                           r[ID_AA64PFR1_EL1],  r[ID_AA64DFR0_EL1],  r[ID_AA64ISAR0_EL1],
                           r[ID_AA64ISAR1_EL1], r[ID_AA64MMFR0_EL1], r[ID_AA64MMFR1_EL1],
                           r[ID_AA64MMFR2_EL1]};
        const u64 *want = &cores[i].midr;
        for (unsigned k = 0; k < ARRAY_LEN(got); k++)
            ck_assert_msg(got[k] == want[k], "%s, column %u: %llx, expected %llx", cores[i].name, k,
                          (unsigned long long)got[k], (unsigned long long)want[k]);
        cpu_free(c);
    }
}
END_TEST

/* What each feature requires: adding it brings that, taking that away takes the feature. */
START_TEST(test_dependencies)
{
    static const struct {
        unsigned feat, needs;
    } pairs[] = {{FEAT_PMULL, FEAT_AES},     {FEAT_SHA3, FEAT_SHA512},     {FEAT_SHA512, FEAT_SHA256},
                 {FEAT_SM4, FEAT_SM3},       {FEAT_EBF16, FEAT_BF16},      {FEAT_FPAC, FEAT_PAuth2},
                 {FEAT_MTE3, FEAT_MTE2},     {FEAT_PAN2, FEAT_PAN},        {FEAT_LRCPC2, FEAT_LRCPC},
                 {FEAT_FlagM2, FEAT_FlagM},  {FEAT_RASv1p1, FEAT_RAS},     {FEAT_NV2, FEAT_NV},
                 {FEAT_PMUv3p5, FEAT_PMUv3}, {FEAT_FHM, FEAT_FP16},        {FEAT_FP16, FEAT_FP},
                 {FEAT_IESB, FEAT_RAS},      {FEAT_FPACCOMBINE, FEAT_FPAC}};
    for (unsigned i = 0; i < ARRAY_LEN(pairs); i++) {
        char name[60];
        snprintf(name, sizeof name, "v8.0,+%s", feat_name(pairs[i].feat));
        struct cpu *c = make(name, NULL);
        ck_assert_msg(cpu_has(c, pairs[i].feat) && cpu_has(c, pairs[i].needs), "%s", name);
        cpu_free(c);
        snprintf(name, sizeof name, "max,-%s", feat_name(pairs[i].needs));
        c = make(name, NULL);
        ck_assert_msg(!cpu_has(c, pairs[i].feat) && !cpu_has(c, pairs[i].needs), "%s", name);
        cpu_free(c);
    }
}
END_TEST

START_TEST(test_options)
{
    struct cpu *c = make("max,-lse", NULL);
    ck_assert_uint_eq(bits(c->sys[ID_AA64ISAR0_EL1], 23, 20), 0);
    cpu_free(c);
    c = make("v8.0,+lse", NULL);
    ck_assert_uint_eq(bits(c->sys[ID_AA64ISAR0_EL1], 23, 20), 2);
    cpu_free(c);
    c = make("cortex-a57,-AES", NULL); /* PMULL needs AES */
    ck_assert_uint_eq(bits(c->sys[ID_AA64ISAR0_EL1], 7, 4), 0);
    cpu_free(c);
    c = make("v8.0,+pan2", NULL); /* brings PAN */
    ck_assert(cpu_has(c, FEAT_PAN));
    cpu_free(c);
    c = make("max,sve=off,pauth-impdef=on", NULL);
    cpu_free(c);
    static struct cpu_config cfg;
    ck_assert(!model_lookup("cortex-a99", NULL, &cfg, err, sizeof err));
    ck_assert_ptr_nonnull(strstr(err, "cortex-a99"));
    ck_assert(!model_lookup("max,+frobnication", NULL, &cfg, err, sizeof err));
    ck_assert(!model_lookup("max,sve=on", NULL, &cfg, err, sizeof err));
}
END_TEST

START_TEST(test_versions)
{
    static const char *const names[] = {"v8.0", "v8.1", "v8.2", "v8.3", "v8.4", "v8.5", "v8.6", "v8.7", "max"};
    struct features last = {{0}};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        struct cpu *c = make(names[i], NULL);
        for (unsigned f = 1; f < FEAT_COUNT; f++) { /* nothing is lost, nothing is there that does not work */
            bool alternative = f == FEAT_DoubleLock || f == FEAT_PACIMP || f == FEAT_PACQARMA3 || f == FEAT_PACQARMA5;
            ck_assert_msg(alternative || !feat_has(&last, f) || cpu_has(c, f), "%s lacks %s", names[i], feat_name(f));
            ck_assert_msg(!cpu_has(c, f) || feat_works(f), "%s has %s", names[i], feat_name(f));
        }
        int algorithms = cpu_has(c, FEAT_PACIMP) + cpu_has(c, FEAT_PACQARMA3) + cpu_has(c, FEAT_PACQARMA5);
        ck_assert_int_eq(algorithms, cpu_has(c, FEAT_PAuth));
        last = c->feat;
        cpu_free(c);
    }
    for (unsigned i = 0; model_name(i); i++)
        cpu_free(make(model_name(i), NULL));
}
END_TEST

START_TEST(test_fields_differ)
{
    struct cpu *c = make("max", NULL);
    if (cpu_has(c, FEAT_CCIDX)) /* NumSets at 55:32 */
        ck_assert_uint_eq(bits(c->sys[ID_AA64MMFR2_EL1], 23, 20), 1);
    ck_assert_uint_eq(bits(c->sys[ID_AA64MMFR0_EL1], 31, 28), cpu_has(c, FEAT_LPA2)); /* 4 KiB granules */
    ck_assert_uint_eq(bits(c->sys[ID_AA64PFR0_EL1], 15, 12), 0);                      /* no EL3 */
    cpu_free(c);
    ck_assert_str_eq(model_compatible("cortex-a57,-aes"), "arm,cortex-a57");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *t = tcase_create("model");
    tcase_add_test(t, test_a57);
    tcase_add_test(t, test_real_cores);
    tcase_add_test(t, test_dependencies);
    tcase_add_test(t, test_options);
    tcase_add_test(t, test_versions);
    tcase_add_test(t, test_fields_differ);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
