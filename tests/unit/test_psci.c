/* The firmware's calls: PSCI with its races, SMCCC discovery, TRNG; warm reset by RMR_ELx. */
#include <string.h>

#include "machine/psci.h"
#include "words_machine.h"

static const u32 spin[] = {0x14000000};
/* Writes RMR_EL2.RR; its reset address is +0x20, where it powers off if x5 has been cleared, else spins. */
static const u32 warm[] = {0xd28000e5, 0xd2800040, 0xd51cc040, 0x14000000, 0xd503201f, 0xd503201f, 0xd503201f,
                           0xd503201f, 0xb50000a5, 0xd5384246, 0x52800100, 0x72b08000, 0xd4000003, 0x14000000};

static struct config c;

static struct machine *make(const u32 *code, size_t n) { return words_machine(&c, code, n, NULL); }

static void setup(void) { words_config(&c); }

static s64 call_by(struct machine *m, unsigned cpu, u64 fn, u64 a, u64 b)
{
    struct cpu *p = m->cpus[cpu];
    p->x[0] = fn;
    p->x[1] = a;
    p->x[2] = b;
    p->x[3] = 0x77;
    ck_assert(psci_call(m, p, false));
    return (s64)p->x[0];
}
static s64 call(struct machine *m, u64 fn, u64 a, u64 b) { return call_by(m, 0, fn, a, b); }

enum { CPU_OFF_FN = 0x84000002, SYSTEM_OFF = 0x84000008, SYSTEM_RESET = 0x84000009, RND32 = 0x84000053 };
#define CPU_SUSPEND   0xc4000001
#define CPU_ON        0xc4000003
#define AFFINITY_INFO 0xc4000004
#define RESET2        0xc4000012
#define RND64         0xc4000053

START_TEST(test_psci)
{
    c.cpus = 3;
    struct machine *m = make(spin, sizeof spin);
    ck_assert_int_eq(call(m, 0x84000000, 0, 0), 0x10001); /* PSCI 1.1 */
    ck_assert_int_eq(call(m, 0x80000000, 0, 0), 0x10001); /* SMCCC 1.1 */
    ck_assert_int_eq(call(m, 0x8400000a, 0xc4000003, 0), 0);
    ck_assert_int_eq(call(m, 0x8400000a, 0x84000099, 0), -1); /* sign-extended in an SMC32 result, too */
    ck_assert_int_eq(call(m, 0x84000099, 0, 0), -1);
    ck_assert_int_eq(call(m, 0x84000006, 0, 0), 2);
    ck_assert_int_eq(call(m, 0xc4000003, 99, 0x40080000), -2); /* no such CPU */
    ck_assert_int_eq(call(m, 0xc4000003, 1, 0x40080001), -9);  /* entry is not aligned */
    ck_assert_int_eq(call(m, 0xc4000003, 0, 0x40080000), -4);  /* the caller is on */
    ck_assert_int_eq(call(m, 0xc4000004, 1, 0), 1);            /* off */
    ck_assert_int_eq(call(m, 0xc4000003, 1, 0x40080000), 0);
    ck_assert_int_eq(m->cpus[1]->run, CPU_RUNNING);
    ck_assert_uint_eq(m->cpus[1]->pc, 0x40080000);
    ck_assert_uint_eq(m->cpus[1]->ps.el, 2);
    ck_assert_int_eq(call(m, 0xc4000004, 1, 0), 2); /* it has not run yet */
    ck_assert_int_eq(call(m, 0xc4000004, 0, 1), 0); /* the cluster is on */
    ck_assert_int_eq(call(m, 0xc4000004, 0, 4), -2);
    ck_assert(!psci_call(m, m->cpus[0], true)); /* HVC is not the conduit */
    machine_free(m);
}
END_TEST

/* On, pending, on again, off, on again: what the others see of it, and what it starts with. */
START_TEST(test_races)
{
    c.cpus = 3;
    struct machine *m = make(spin, sizeof spin);
    struct cpu *one = m->cpus[1];
    ck_assert_int_eq(call(m, CPU_ON, 1, 0x40080000), 0);
    ck_assert_int_eq(call(m, AFFINITY_INFO, 1, 0), 2);
    ck_assert_int_eq(call(m, CPU_ON, 1, 0x40090000), -5); /* ON_PENDING, and nothing changes */
    ck_assert_uint_eq(one->pc, 0x40080000);
    ck_assert_uint_eq(one->x[0], 0x77);
    ck_assert_int_eq(call_by(m, 1, AFFINITY_INFO, 1, 0), 0); /* who asks is on */
    machine_run(m, 50000);
    ck_assert_int_eq(call(m, AFFINITY_INFO, 1, 0), 0);
    ck_assert_int_eq(call(m, CPU_ON, 1, 0x40080000), -4);
    /* It goes off with an interrupt pending at its input: the wire is not part of what is reset. */
    one->input[CPU_IRQ] = true;
    one->x[9] = 5;
    call_by(m, 1, CPU_OFF_FN, 0, 0);
    ck_assert_int_eq(one->run, CPU_OFF);
    ck_assert_int_eq(call(m, AFFINITY_INFO, 1, 0), 1);
    ck_assert_int_eq(call(m, AFFINITY_INFO, 2, 0), 1);
    m->cpus[0]->sys[SCTLR_EL2] |= 1u << 25; /* EE */
    ck_assert_int_eq(call(m, CPU_ON, 1, 0x40080000), 0);
    ck_assert_int_eq(call(m, AFFINITY_INFO, 1, 0), 2);
    ck_assert(one->input[CPU_IRQ]);
    ck_assert_uint_eq(one->x[9], 0);
    ck_assert_uint_eq(one->ps.daif, 0xf);
    ck_assert_uint_eq(one->sys[SCTLR_EL2] >> 25 & 1, 1); /* its creator's endianness */
    machine_run(m, 50000);
    ck_assert_int_eq(call(m, AFFINITY_INFO, 1, 0), 0);
    machine_free(m);
}
END_TEST

START_TEST(test_suspend)
{
    struct machine *m = make(spin, sizeof spin);
    struct cpu *p = m->cpus[0];
    ck_assert_int_eq(call(m, CPU_SUSPEND, 1u << 31, 0), -2); /* a reserved bit */
    ck_assert_int_eq(call(m, CPU_SUSPEND, 0, 0), 0);
    ck_assert_int_eq(p->run, CPU_WFI);
    cpu_set_input(p, CPU_IRQ, true);
    ck_assert_int_eq(p->run, CPU_RUNNING);
    ck_assert_int_eq(call(m, CPU_SUSPEND, 1 << 16, 0x40080000), 0); /* a wake-up event is pending */
    ck_assert_int_eq(p->run, CPU_RUNNING);
    machine_free(m);
}
END_TEST

START_TEST(test_system)
{
    static const struct {
        u64 fn;
        enum stop stop;
    } calls[] = {{SYSTEM_OFF, STOP_POWEROFF}, {SYSTEM_RESET, STOP_RESET}, {RESET2, STOP_RESET}};
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct machine *m = make(spin, sizeof spin);
        ck_assert_int_eq(call(m, RESET2, 0x80000000, 0), -2);
        ck_assert_int_eq(m->stop, STOP_NONE);
        call(m, calls[i].fn, 0, 0);
        ck_assert_int_eq(m->stop, calls[i].stop);
        machine_free(m);
    }
}
END_TEST

START_TEST(test_smccc)
{
    static const u32 workarounds[] = {0x80008000, 0x80007fff, 0x80003fff};
    struct machine *m = make(spin, sizeof spin);
    ck_assert_int_eq(call(m, 0x80000001, 0x80000000, 0), 0);
    ck_assert_int_eq(call(m, 0x80000001, 0x80000002, 0), -1); /* SOC_ID */
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(call(m, 0x80000001, workarounds[i], 0), 1); /* not needed */
        call(m, workarounds[i], 11, 12);
        ck_assert_uint_eq(m->cpus[0]->x[1], 11);
        ck_assert_uint_eq(m->cpus[0]->x[2], 12);
    }
    machine_free(m);
}
END_TEST

START_TEST(test_trng)
{
    struct machine *m = make(spin, sizeof spin), *same = make(spin, sizeof spin);
    u64 *x = m->cpus[0]->x;
    ck_assert_int_eq(call(m, 0x84000050, 0, 0), 0x10000);
    ck_assert_int_eq(call(m, 0x84000051, RND64, 0), 0);
    ck_assert_int_eq(call(m, 0x84000051, 0x84000054, 0), -1);
    ck_assert_int_ne(call(m, 0x84000052, 0, 0), -1);
    ck_assert_int_eq(call(m, RND64, 0, 0), -2);
    ck_assert_int_eq(call(m, RND64, 193, 0), -2);
    ck_assert_int_eq(call(m, RND32, 97, 0), -2);
    ck_assert_int_eq(call(m, RND64, 192, 0), 0);
    ck_assert(x[1] && x[2] && x[3] && x[1] != x[2] && x[2] != x[3]);
    call(same, RND64, 192, 0);
    ck_assert_int_eq(memcmp(x, same->cpus[0]->x, 4 * sizeof *x), 0); /* the same seed */
    call(m, RND64, 192, 0);
    ck_assert_uint_ne(x[3], same->cpus[0]->x[3]);
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_int_eq(call(m, RND32, 37, 0), 0);
        ck_assert(x[1] == 0 && x[2] < 32 && x[3] <= 0xffffffff);
        ck_assert_int_eq(call(m, RND64, 5, 0), 0);
        ck_assert(x[1] == 0 && x[2] == 0 && x[3] < 32);
    }
    machine_free(m);
    machine_free(same);
    c.seed++;
    m = make(spin, sizeof spin);
    call(m, RND64, 64, 0);
    u64 other = m->cpus[0]->x[3];
    machine_free(m);
    c.seed--;
    m = make(spin, sizeof spin);
    call(m, RND64, 64, 0);
    ck_assert_uint_ne(m->cpus[0]->x[3], other);
    machine_free(m);
}
END_TEST

START_TEST(test_warm_reset)
{
    c.engine = _i ? "jit" : "interp";
    struct machine *m = make(warm, sizeof warm);
    m->cpus[0]->cfg.rvbar = 0x40080020;
    ck_assert_int_eq(machine_run(m, 100000), STOP_POWEROFF);
    ck_assert_uint_eq(m->cpus[0]->x[6], 2 << 2);
    ck_assert_uint_eq(m->cpus[0]->executed, 8);
    machine_free(m);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("psci");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, test_psci);
    tcase_add_test(t, test_races);
    tcase_add_test(t, test_suspend);
    tcase_add_test(t, test_system);
    tcase_add_test(t, test_smccc);
    tcase_add_test(t, test_trng);
    tcase_add_loop_test(t, test_warm_reset, 0, 2);
    return words_main("psci", t);
}
