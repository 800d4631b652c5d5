/* Routing, syndromes, masking and return of exceptions, on a bare CPU: state before, one call, state
 * after. DDI0487 D1.3. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bus.h"
#include "core/log.h"
#include "cpu/context.h"
#include "cpu/cpu.h"
#include "cpu/exception.h"
#include "cpu/fields.h"
#include "cpu/model.h"
#include "mmu/fault.h"

static struct log quiet;
static struct cpu_env env;
static struct cpu *c;

static void make(bool el3)
{
    quiet = (struct log){0};
    env = (struct cpu_env){.log = &quiet, .cpus = &c, .count = 1};
    env.bus = bus_new(&quiet);
    bus_map_ram(env.bus, 1 << PAS_NS | 1 << PAS_S, 0, 0x10000, "ram");
    bus_seal(env.bus);
    struct cpu_config cfg = {.rvbar = 0};
    const struct model_request want = {.el2 = true, .el3 = el3};
    char why[200];
    ck_assert_msg(model_lookup("max", &want, &cfg, why, sizeof why), "%s", why);
    c = cpu_new(&env, &cfg);
    cpu_reset(c);
    c->sys[VBAR_EL1] = 0x1000;
    c->sys[VBAR_EL2] = 0x2000;
    c->sys[HCR_EL2] = HCR_RW;
    if (el3) {
        c->sys[VBAR_EL3] = 0x3000;
        c->sys[SCR_EL3] = SCR_NS | SCR_RW | SCR_HCE;
    }
    sysreg_refresh(c);
    c->run = CPU_RUNNING;
}
static void setup(void) { make(false); }
static void setup_el3(void) { make(true); }
static void teardown(void)
{
    cpu_free(c);
    bus_free(env.bus);
}

/* At el with SP_ELx, nothing masked, pc = 0x100. */
static void at(unsigned el, u64 hcr)
{
    c->sys[HCR_EL2] = HCR_RW | hcr;
    sysreg_refresh(c);
    cpu_set_spsr(c, el << 2 | (el ? 1 : 0));
    c->pc = 0x100;
    memset(c->input, 0, sizeof c->input);
}
static unsigned ec(u64 esr) { return (unsigned)(esr >> 26); }

START_TEST(test_vectors)
{
    at(1, 0);
    exc_svc(c, 7); /* same EL, SP_ELx */
    ck_assert_uint_eq(c->pc, 0x1200);
    ck_assert_uint_eq(c->sys[ELR_EL1], 0x104);
    ck_assert_uint_eq(c->sys[ESR_EL1], 0x56000007);
    ck_assert_uint_eq(c->ps.daif, 0xf);
    at(1, 0);
    cpu_set_spsr(c, 1 << 2); /* EL1t */
    exc_svc(c, 0);
    ck_assert_uint_eq(c->pc, 0x1000);
    at(0, 0);
    exc_svc(c, 0);
    ck_assert_uint_eq(c->pc, 0x1400);
    ck_assert_uint_eq(c->ps.el, 1);
    ck_assert_uint_eq(c->sys[SPSR_EL1] & 0xf, 0);
    at(0, HCR_TGE);
    exc_svc(c, 0);
    ck_assert_uint_eq(c->ps.el, 2);
    ck_assert_uint_eq(c->pc, 0x2400);
}
END_TEST

START_TEST(test_calls)
{
    at(0, 0);
    exc_hvc(c, 1);
    ck_assert_uint_eq(c->ps.el, 1); /* UNDEFINED at EL0 */
    ck_assert_uint_eq(ec(c->sys[ESR_EL1]), EC_UNKNOWN);
    at(1, 0);
    exc_hvc(c, 1);
    ck_assert_uint_eq(c->ps.el, 2);
    ck_assert_uint_eq(c->sys[ELR_EL2], 0x104);
    at(1, HCR_HCD);
    exc_hvc(c, 1);
    ck_assert_uint_eq(c->ps.el, 1);
    at(1, HCR_TSC);
    exc_smc(c, 2);
    ck_assert_uint_eq(c->ps.el, 2);
    ck_assert_uint_eq(ec(c->sys[ESR_EL2]), EC_SMC64);
    ck_assert_uint_eq(c->sys[ELR_EL2], 0x100); /* trapped: this instruction */
    at(1, 0);
    exc_smc(c, 2); /* no EL3, no firmware */
    ck_assert_uint_eq(ec(c->sys[ESR_EL1]), EC_UNKNOWN);
}
END_TEST

START_TEST(test_el3)
{
    at(1, 0);
    exc_smc(c, 2);
    ck_assert_uint_eq(c->ps.el, 3);
    ck_assert_uint_eq(c->sys[ELR_EL3], 0x104);
    at(1, 0);
    c->sys[SCR_EL3] |= SCR_SMD;
    exc_smc(c, 2);
    ck_assert_uint_eq(c->ps.el, 1);
    c->sys[SCR_EL3] |= SCR_FIQ;
    at(1, HCR_FMO);
    c->input[CPU_FIQ] = true;
    ck_assert(exc_interrupts(c));
    ck_assert_uint_eq(c->ps.el, 3);
    ck_assert_uint_eq(c->pc, 0x3500);
    /* Secure without EEL2: HCR_EL2 has no effect */
    c->sys[SCR_EL3] = SCR_RW;
    at(1, HCR_TGE | HCR_IMO | HCR_VM);
    ck_assert_uint_eq(c->hcr & (HCR_TGE | HCR_IMO | HCR_VM), 0);
    ck_assert(!cpu_el2_enabled(c));
}
END_TEST

START_TEST(test_physical)
{
    at(1, 0);
    c->input[CPU_IRQ] = true;
    c->ps.daif = DAIF_I;
    ck_assert(!exc_interrupts(c));
    ck_assert(exc_wake(c)); /* WFI does not look at the mask */
    c->ps.daif = 0;
    ck_assert(exc_interrupts(c));
    ck_assert_uint_eq(c->pc, 0x1280);
    at(1, HCR_IMO); /* to EL2, PSTATE.I does not matter */
    c->ps.daif = 0xf;
    c->input[CPU_IRQ] = true;
    ck_assert(exc_interrupts(c));
    ck_assert_uint_eq(c->pc, 0x2480);
    ck_assert(!exc_interrupts(c)); /* at EL2 it is masked */
    at(2, 0);                      /* targets EL1: stays pending at EL2 */
    c->input[CPU_IRQ] = true;
    ck_assert(!exc_interrupts(c));
    at(0, HCR_E2H | HCR_TGE); /* host: PSTATE masks apply */
    c->ps.daif = DAIF_I;
    c->input[CPU_IRQ] = true;
    ck_assert(!exc_interrupts(c));
    c->ps.daif = 0;
    ck_assert(exc_interrupts(c));
    ck_assert_uint_eq(c->ps.el, 2);
}
END_TEST

START_TEST(test_virtual)
{
    at(1, HCR_VI);
    ck_assert(!exc_interrupts(c)); /* needs IMO */
    at(1, HCR_VI | HCR_IMO);
    ck_assert(exc_interrupts(c));
    ck_assert_uint_eq(c->ps.el, 1);
    ck_assert_uint_eq(c->pc, 0x1280);
    at(2, HCR_VI | HCR_IMO);
    ck_assert(!exc_interrupts(c)); /* only at EL1 and EL0 */
    at(0, HCR_FMO);
    c->input[CPU_VFIQ] = true;
    ck_assert(exc_interrupts(c));
    ck_assert_uint_eq(c->pc, 0x1500);
    at(1, HCR_AMO | HCR_VSE);
    c->ps.daif = DAIF_A;
    ck_assert(!exc_interrupts(c));
    c->ps.daif = 0;
    ck_assert(exc_interrupts(c));
    ck_assert_uint_eq(c->pc, 0x1380);
    ck_assert_uint_eq(ec(c->sys[ESR_EL1]), EC_SERROR);
    ck_assert_uint_eq(c->sys[HCR_EL2] & HCR_VSE, 0); /* consumed */
}
END_TEST

START_TEST(test_return)
{
    at(2, 0);
    c->sys[SPSR_EL2] = 0x60000000 | DAIF_I << 6 | 1 << 2 | 1;
    c->sp_el[1] = 0x5555;
    c->monitor.valid = true;
    ck_assert_int_eq(exc_eret(c, 0x8000), STEP_JUMP);
    ck_assert_uint_eq(c->ps.el, 1);
    ck_assert_uint_eq(c->x[REG_SP], 0x5555);
    ck_assert_uint_eq(c->nzcv, 0x60000000);
    ck_assert_uint_eq(c->ps.daif, DAIF_I);
    ck_assert_uint_eq(c->pc, 0x8000);
    ck_assert(!c->monitor.valid && c->event_register);
    /* illegal: higher EL, reserved mode, EL0h, EL1 with TGE, AArch32 */
    static const struct {
        unsigned el;
        u64 hcr, spsr;
    } bad[] = {{1, 0, 9}, {2, 0, 6}, {2, 0, 1}, {2, HCR_TGE, 5}, {2, 0, 0x13}, {2, 0, 0xd}};
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        at(bad[i].el, bad[i].hcr);
        c->sys[bad[i].el == 1 ? SPSR_EL1 : SPSR_EL2] = bad[i].spsr | 0x80000000;
        exc_eret(c, 0x8000);
        ck_assert_uint_eq(c->ps.el, bad[i].el);
        ck_assert(c->ps.il);
        ck_assert_uint_eq(c->nzcv, 0x80000000);
        ck_assert_uint_eq(c->pc, 0x8000);
    }
}
END_TEST

START_TEST(test_aborts)
{
    struct fault f = {.type = FAULT_TRANSLATION, .level = 2, .stage = 1, .va = 0xabc, .write = true};
    at(0, 0);
    exc_data_abort(c, &f);
    ck_assert_uint_eq(c->sys[ESR_EL1], 0x92000046);
    ck_assert_uint_eq(c->sys[FAR_EL1], 0xabc);
    at(1, 0);
    exc_cm_abort(c, &f); /* cache maintenance: CM and WnR */
    ck_assert_uint_eq(c->sys[ESR_EL1], 0x96000146);
    f = (struct fault){.type = FAULT_TRANSLATION,
                       .level = 3,
                       .stage = 2,
                       .va = 0xabc,
                       .ipa = 0x123456789000,
                       .ipa_valid = true,
                       .s1ptw = true};
    at(1, HCR_VM);
    exc_data_abort(c, &f);
    ck_assert_uint_eq(c->ps.el, 2);
    ck_assert_uint_eq(c->sys[ESR_EL2], 0x92000087);
    ck_assert_uint_eq(c->sys[HPFAR_EL2], 0x1234567890);
    f = (struct fault){.type = FAULT_EXTERNAL, .stage = 1, .va = 1};
    at(1, HCR_TEA);
    exc_insn_abort(c, &f);
    ck_assert_uint_eq(c->sys[ESR_EL2], 0x82000010);
    f = (struct fault){.type = FAULT_PERMISSION, .level = 1, .stage = 2, .va = 2, .vncr = true};
    at(1, HCR_NV | HCR_NV2);
    exc_data_abort(c, &f);
    ck_assert_uint_eq(ec(c->sys[ESR_EL2]), EC_DABT_SAME);
    ck_assert(c->sys[ESR_EL2] & 1 << 13);
}
END_TEST

START_TEST(test_fp_access)
{
    at(0, 0);
    c->sys[CPACR_EL1] = 1 << 20; /* EL0 only */
    exc_fp_access(c);
    ck_assert_uint_eq(c->ps.el, 1);
    ck_assert_uint_eq(c->sys[ESR_EL1], 0x1fe00000);
    at(1, 0);
    c->sys[CPACR_EL1] = 3 << 20;
    c->sys[CPTR_EL2] = 1 << 10;
    exc_fp_access(c);
    ck_assert_uint_eq(c->ps.el, 2);
    at(0, HCR_TGE);
    c->sys[CPACR_EL1] = 0;
    exc_fp_access(c); /* TGE: reported to EL2 as UNDEFINED */
    ck_assert_uint_eq(c->sys[ESR_EL2], 0x02000000);
}
END_TEST

START_TEST(test_nv_spsr)
{
    at(1, HCR_NV); /* a guest hypervisor believes that it is at EL2 */
    exc_svc(c, 0);
    ck_assert_uint_eq(c->sys[SPSR_EL1] & 0xf, 9);
    at(1, HCR_NV | HCR_NV1);
    exc_svc(c, 0);
    ck_assert_uint_eq(c->sys[SPSR_EL1] & 0xf, 5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("exception");
    TCase *t = tcase_create("EL2");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_vectors);
    tcase_add_test(t, test_calls);
    tcase_add_test(t, test_physical);
    tcase_add_test(t, test_virtual);
    tcase_add_test(t, test_return);
    tcase_add_test(t, test_aborts);
    tcase_add_test(t, test_fp_access);
    tcase_add_test(t, test_nv_spsr);
    suite_add_tcase(s, t);
    t = tcase_create("EL3");
    tcase_add_checked_fixture(t, setup_el3, teardown);
    tcase_add_test(t, test_el3);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
