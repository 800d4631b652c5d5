/* Performance monitors: counts exact to the instruction, filters, overflow, chaining, HPMN, the interrupt. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/clock.h"
#include "core/log.h"
#include "cpu/exception.h"
#include "cpu/fields.h"
#include "cpu/model.h"
#include "cpu/pmu.h"
#include "cpu/sysreg_row.h"

static struct log quiet;
static struct clock ck;
static struct cpu_env env = {.log = &quiet, .clock = &ck};
static bool wire;
static void set_wire(void *sink, unsigned n, bool level)
{
    (void)sink;
    (void)n;
    wire = level;
}

static struct cpu *make(const char *model, bool el2, bool el3)
{
    static struct cpu_config cfg;
    char err[128];
    struct model_request want = {.el2 = el2, .el3 = el3};
    memset(&ck, 0, sizeof ck);
    wire = false;
    ck_assert_msg(model_lookup(model, &want, &cfg, err, sizeof err), "%s", err);
    struct cpu *c = cpu_new(&env, &cfg);
    cpu_reset(c);
    if (el3)
        c->sys[SCR_EL3] |= SCR_NS;
    sysreg_refresh(c);
    c->pmu_irq = (struct irq){.set = set_wire};
    cpu_set_spsr(c, 0x3c5);
    return c;
}

static void put(struct cpu *c, unsigned sr, u64 val)
{
    struct op o = {.imm = sr, .rd = 1};
    c->x[1] = val;
    ck_assert_int_ne(sysreg_msr(c, &o), STEP_JUMP);
}

static u64 get(struct cpu *c, unsigned sr)
{
    struct op o = {.imm = sr, .rd = 1};
    ck_assert_int_ne(sysreg_mrs(c, &o), STEP_JUMP);
    return c->x[1];
}

/* As the scheduler: at most n instructions; returns how many the slice may have. */
static u64 begin(struct cpu *c, u64 n)
{
    u64 limit = pmu_limit(c);
    if (n > limit)
        n = limit;
    c->slice_start = clock_now(&ck);
    ck_assert_int_eq(clock_begin(&ck, &c->slice, (s64)n), (s64)n);
    return n;
}
static void execute(struct cpu *c, unsigned n) { c->slice.left -= n; }
static void end(struct cpu *c)
{
    clock_finish(&ck);
    c->executed += clock_now(&ck) - c->slice_start;
    pmu_sync(c);
}

START_TEST(test_counts)
{
    struct cpu *c = make("cortex-a57", true, false);
    ck_assert_uint_eq(get(c, SR_PMCR_EL0), 0x41013000);
    put(c, SR_PMEVTYPER2_EL0, 8); /* INST_RETIRED */
    put(c, SR_PMCNTENSET_EL0, 1u << 31 | 4);
    begin(c, 1000);
    execute(c, 10);
    put(c, SR_PMCR_EL0, 1);
    ck_assert_uint_eq(get(c, SR_PMCCNTR_EL0), 0);
    execute(c, 7);
    ck_assert_uint_eq(get(c, SR_PMCCNTR_EL0), 7);
    execute(c, 5);
    ck_assert_uint_eq(get(c, SR_PMEVCNTR2_EL0), 12);
    put(c, SR_PMSELR_EL0, 2);
    ck_assert_uint_eq(get(c, SR_PMXEVCNTR_EL0), 12);
    put(c, SR_PMCNTENCLR_EL0, 4);
    execute(c, 100);
    ck_assert_uint_eq(get(c, SR_PMEVCNTR2_EL0), 12);
    ck_assert_uint_eq(get(c, SR_PMCCNTR_EL0), 112);
    put(c, SR_PMCR_EL0, 1 | 2 | 4); /* reset both */
    ck_assert_uint_eq(get(c, SR_PMCCNTR_EL0) | get(c, SR_PMEVCNTR2_EL0), 0);
    end(c);
    ck_assert_uint_eq(get(c, SR_PMCEID0_EL0), 0x500a7fc1);
    cpu_free(c);
}
END_TEST

START_TEST(test_overflow)
{
    struct cpu *c = make("cortex-a57", true, false);
    put(c, SR_PMEVTYPER0_EL0, 8);
    put(c, SR_PMEVTYPER1_EL0, 0x1e); /* CHAIN */
    put(c, SR_PMEVCNTR0_EL0, 0xffffff00);
    put(c, SR_PMINTENSET_EL1, 1);
    put(c, SR_PMCNTENSET_EL0, 3);
    put(c, SR_PMCR_EL0, 1);
    ck_assert_uint_eq(begin(c, 100000), 0x100); /* the slice ends where it overflows */
    execute(c, 0x100);
    end(c);
    ck_assert(wire);
    ck_assert_uint_eq(get(c, SR_PMOVSSET_EL0), 1);
    ck_assert_uint_eq(get(c, SR_PMEVCNTR0_EL0), 0);
    ck_assert_uint_eq(get(c, SR_PMEVCNTR1_EL0), 1);
    put(c, SR_PMOVSCLR_EL0, 1);
    ck_assert(!wire);
    begin(c, 100000); /* programmed in the middle of a slice: it is cut */
    execute(c, 3);
    put(c, SR_PMEVCNTR0_EL0, 0xfffffff0);
    ck_assert_int_le(c->slice.left, 1);
    execute(c, 1);
    end(c);
    ck_assert_uint_eq(begin(c, 100000), 15);
    execute(c, 15);
    end(c);
    ck_assert(wire);
    cpu_free(c);
}
END_TEST

START_TEST(test_filters)
{
    struct cpu *c = make("cortex-a57", true, false);
    put(c, SR_PMCCFILTR_EL0, 1u << 31);                 /* not EL1 */
    put(c, SR_PMEVTYPER0_EL0, 8 | 1u << 30);            /* not EL0 */
    put(c, SR_PMEVTYPER1_EL0, 8 | 3u << 30 | 1u << 27); /* EL2 only */
    put(c, SR_PMCNTENSET_EL0, 1u << 31 | 3);
    put(c, SR_PMCR_EL0, 1);
    begin(c, 1000);
    execute(c, 10); /* EL1 */
    cpu_set_spsr(c, 0x3c0);
    execute(c, 20); /* EL0 */
    cpu_set_spsr(c, 0x3c9);
    execute(c, 40); /* EL2 */
    ck_assert_uint_eq(get(c, SR_PMCCNTR_EL0), 20);
    ck_assert_uint_eq(get(c, SR_PMEVCNTR0_EL0), 10);
    ck_assert_uint_eq(get(c, SR_PMEVCNTR1_EL0), 40);
    end(c);
    cpu_free(c);
}
END_TEST

START_TEST(test_second_range)
{
    struct cpu *c = make("max", true, false);
    cpu_set_spsr(c, 0x3c9);
    put(c, SR_MDCR_EL2, 4 | 1u << 7); /* HPMN 4, HPME */
    put(c, SR_PMEVTYPER5_EL0, 8 | 1u << 27);
    put(c, SR_PMCNTENSET_EL0, 0x20);
    ck_assert_uint_eq(bits(get(c, SR_PMCR_EL0), 15, 11), 6);
    begin(c, 100);
    execute(c, 9);
    ck_assert_uint_eq(get(c, SR_PMEVCNTR5_EL0), 9); /* without PMCR_EL0.E */
    end(c);
    cpu_set_spsr(c, 0x3c5);
    ck_assert_uint_eq(bits(get(c, SR_PMCR_EL0), 15, 11), 4);
    ck_assert_uint_eq(get(c, SR_PMCNTENSET_EL0), 0);
    struct op o = {.imm = SR_PMEVCNTR5_EL0, .rd = 1};
    ck_assert_int_eq(sysreg_mrs(c, &o), STEP_JUMP);
    ck_assert_uint_eq(c->ps.el, cpu_has(c, FEAT_FGT) ? 2 : 1);
    cpu_set_spsr(c, 0x3c5);
    o.imm = SR_PMEVCNTR7_EL0; /* not there at all */
    ck_assert_int_eq(sysreg_mrs(c, &o), STEP_JUMP);
    ck_assert_uint_eq(c->sys[ESR_EL1] >> 26, EC_UNKNOWN);
    cpu_free(c);
}
END_TEST

START_TEST(test_software_increment)
{
    struct cpu *c = make("cortex-a57", true, false);
    put(c, SR_PMEVTYPER3_EL0, 0);
    put(c, SR_PMCNTENSET_EL0, 8);
    put(c, SR_PMCR_EL0, 1);
    put(c, SR_PMSWINC_EL0, 0xff);
    put(c, SR_PMSWINC_EL0, 8);
    put(c, SR_PMSWINC_EL0, 4);
    ck_assert_uint_eq(get(c, SR_PMEVCNTR3_EL0), 2);
    put(c, SR_PMEVCNTR3_EL0, ~0ull);
    ck_assert_uint_eq(get(c, SR_PMEVCNTR3_EL0), 0xffffffff); /* 32 bits before PMUv3p5 */
    cpu_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pmu");
    TCase *t = tcase_create("pmu");
    tcase_add_test(t, test_counts);
    tcase_add_test(t, test_overflow);
    tcase_add_test(t, test_filters);
    tcase_add_test(t, test_second_range);
    tcase_add_test(t, test_software_increment);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
