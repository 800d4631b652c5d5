/* Whole machines with small programs: power off, console, determinism, reset, what stops a run,
 * and states saved half-way. */
#include <string.h>

#include "core/snap.h"
#include "machine/console.h"
#include "words_machine.h"

/* Prints "Hi\n" three times with a loop in between, then SYSTEM_OFF. */
static const u32 hello[] = {0xd2a12013, 0x52800074, 0xd2800003, 0x52800900, 0xb9000260, 0x52800d20, 0xb9000260,
                            0x52800140, 0xb9000260, 0x5289c404, 0x8b040063, 0x71000484, 0x54ffffc1, 0x71000694,
                            0x54fffea1, 0x52800100, 0x72b08000, 0xd4000003, 0x14000000};
/* CPU 0 starts CPU 1 with context 0x55; both count 1000 at 0x48000000 with exclusives; CPU 1 goes off;
 * CPU 0 sees that by AFFINITY_INFO, loads count and context into x5 and x6: SYSTEM_OFF. */
static const u32 smp[] = {0xd2a90009, 0xd2800060, 0xf2b88000, 0xd2800021, 0x100002e2, 0xd2800aa3, 0xd4000003,
                          0xb5000200, 0x52807d04, 0x9400001a, 0xd2800080, 0xf2b88000, 0xd2800021, 0xd2800002,
                          0xd4000003, 0xf100041f, 0x54ffff41, 0xf9400125, 0xf9402126, 0x52800100, 0x72b08000,
                          0xd4000003, 0x14000000, 0x92800005, 0x52800100, 0x72b08000, 0xd4000003, 0xd2a90009,
                          0xf9002120, 0x52807d04, 0x94000005, 0x52800040, 0x72b08000, 0xd4000003, 0x14000000,
                          0xc85f7d25, 0x910004a5, 0xc8067d25, 0x35ffffa6, 0x71000484, 0x54ffff61, 0xd65f03c0};
static const u32 reset[] = {0x52800120, 0x72b08000, 0xd4000003, 0x14000000}; /* SYSTEM_RESET */
static const u32 sleep_masked[] = {0xd503207f, 0x17ffffff};                  /* wfi; b . - 4 */
static const u32 undefined[] = {0};

static struct config c;
static int out[2];
static struct console *console;

static struct machine *make(const u32 *code, size_t n) { return words_machine(&c, code, n, console); }
#define MAKE(code) make(code, sizeof(code))

static void setup(void)
{
    words_config(&c);
    ck_assert_int_eq(pipe(out), 0);
    console = console_new(-1, out[1], false);
}
static void teardown(void)
{
    console_free(console);
    close(out[0]);
    close(out[1]);
    config_free(&c);
}

static const char *printed(void)
{
    static char buf[256]; /* of the test program, not of Elara */
    console_flush(console);
    close(out[1]);
    out[1] = dup(out[0]);
    ssize_t n = read(out[0], buf, sizeof buf - 1);
    buf[n > 0 ? n : 0] = 0;
    return buf;
}

START_TEST(test_poweroff)
{
    for (unsigned el = 1; el <= 3; el++) {
        c.el2 = el >= 2;
        c.el3 = el == 3;
        /* without EL2 the conduit is HVC */
        u32 code[ARRAY_LEN(hello)];
        memcpy(code, hello, sizeof code);
        if (el == 1)
            code[17] = 0xd4000002;
        struct machine *m = MAKE(code);
        ck_assert_uint_eq(m->cpus[0]->ps.el, el == 1 ? 1 : 2);
        ck_assert_int_eq(machine_run(m, ~0ull), STOP_POWEROFF);
        ck_assert_uint_eq(machine_instructions(m), clock_now(&m->clock));
        ck_assert_uint_eq(m->cpus[0]->x[3], 3ull * 20000 * 20001 / 2);
        machine_free(m);
    }
    ck_assert_str_eq(printed(), "Hi\nHi\nHi\nHi\nHi\nHi\nHi\nHi\nHi\n");
}
END_TEST

static void matched(void *arg) { machine_stop(arg, STOP_UNTIL); }

START_TEST(test_until)
{
    struct machine *m = MAKE(hello);
    console_watch(console, "i\nHi", matched, m);
    ck_assert_int_eq(machine_run(m, ~0ull), STOP_UNTIL);
    /* at the very instruction: the store of the second i has just been executed */
    ck_assert_uint_eq(m->cpus[0]->pc, 0x40080000 + 4 * 7);
    ck_assert_str_eq(printed(), "Hi\nHi");
    machine_free(m);
}
END_TEST

START_TEST(test_smp)
{
    for (unsigned gic = 2; gic <= 3; gic++) {
        c.cpus = 2;
        c.gic = gic;
        struct machine *m = MAKE(smp);
        ck_assert_int_eq(m->cpus[1]->run, CPU_OFF);
        m->quantum = 7; /* many switches in the middle of a load/store exclusive pair */
        ck_assert_int_eq(machine_run(m, ~0ull), STOP_POWEROFF);
        ck_assert_uint_eq(m->cpus[0]->x[5], 2000);
        ck_assert_uint_eq(m->cpus[0]->x[6], 0x55);
        ck_assert_int_eq(m->cpus[1]->run, CPU_OFF);
        machine_free(m);
    }
}
END_TEST

/* A hundred times: CPUs 1 to 3 are started, count at 0x48000000 + 8 * their number, and go off; CPU 0 waits for each by
 * AFFINITY_INFO; x20 counts down. */
static const u32 hotplug[] = {0xd2800c94, 0xd2800035, 0x52800060, 0x72b88000, 0xaa1503e1, 0x10000282, 0xaa1503e3,
                              0xd4000003, 0xb50001a0, 0x52800080, 0x72b88000, 0xaa1503e1, 0xd2800002, 0xd4000003,
                              0xf100041f, 0x54ffff41, 0x910006b5, 0xf10012bf, 0x54fffe01, 0xf1000694, 0x54fffda1,
                              0x52800100, 0x72b08000, 0xd4000003, 0x14000000, 0xd2a90009, 0xf8607921, 0x91000421,
                              0xf8207921, 0x52800040, 0x72b08000, 0xd4000003, 0x14000000};

START_TEST(test_hotplug)
{
    static const char *const engines[] = {"interp", "jit"};
    u64 hash[2];
    c.cpus = 4;
    for (unsigned gic = 2; gic <= 3; gic++) {
        for (unsigned i = 0; i < 2; i++) {
            u64 counts[4];
            c.gic = gic;
            c.engine = engines[i];
            struct machine *m = MAKE(hotplug);
            ck_assert_int_eq(machine_run(m, ~0ull), STOP_POWEROFF);
            ck_assert_uint_eq(m->cpus[0]->x[20], 0);
            const struct txn t = {.space = PAS_NS};
            ck_assert_int_eq(bus_read(m->bus, &t, 0x48000000, counts, sizeof counts), BUS_OK);
            for (unsigned k = 1; k < 4; k++) {
                ck_assert_uint_eq(counts[k], 100);
                ck_assert_int_eq(m->cpus[k]->run, CPU_OFF);
            }
            hash[i] = machine_hash(m);
            machine_free(m);
        }
        ck_assert_uint_eq(hash[0], hash[1]);
    }
}
END_TEST

/* CPU 0 starts CPU 1; each sets its CNTVOFF_EL2 and becomes a program, which reads CNTVCT_EL0 for ever: translations
 * are shared, offsets are not. */
static const u32 offsets[] = {0xd2800060, 0xf2b88000, 0xd2800021, 0x10000082, 0xd28a0003, 0xd4000003, 0xd2824600,
                              0xd51ce060, 0xd2800061, 0xd518e101, 0xd2b00001, 0xd51c1101, 0x100000c1, 0xd51c4021,
                              0xd2807801, 0xd51c4001, 0xd5033fdf, 0xd69f03e0, 0xd53be042, 0x8b030443, 0x17fffffe};

START_TEST(test_offsets)
{
    static const char *const engines[] = {"interp", "jit"};
    u64 hash[2];
    c.cpus = 2;
    c.el2 = true;
    c.jit_eager = true;
    for (unsigned i = 0; i < 2; i++) {
        c.engine = engines[i];
        struct machine *m = MAKE(offsets);
        ck_assert_int_eq(machine_run(m, 100000), STOP_BUDGET);
        for (unsigned k = 0; k < 2; k++) {
            ck_assert_uint_eq(m->cpus[k]->ps.el, 0);
            ck_assert_uint_gt(m->cpus[k]->executed, 30000);
        }
        hash[i] = machine_hash(m);
        machine_free(m);
    }
    ck_assert_uint_eq(hash[0], hash[1]);
}
END_TEST

/* Reads the counter until a second has passed: that costs a few thousand instructions, the wait is at most a fifteenth
 * too long, and engines and pieces make no difference. Beside a CPU that works nothing is skipped. */
static const u32 poll_second[] = {0xd53be040, 0xd2959401, 0xf2a07721, 0x8b010001, 0xd5033fdf, 0xd53be042,
                                  0xeb01005f, 0x54ffffa3, 0x52800100, 0x72b08000, 0xd4000003, 0x14000000};
static const u32 poll_beside[] = {0x52800060, 0x72b88000, 0xd2800021, 0x10000182, 0xd4000003, 0xd53be040,
                                  0xd2986a01, 0x8b010001, 0xd5033fdf, 0xd53be042, 0xeb01005f, 0x54ffffa3,
                                  0x52800100, 0x72b08000, 0xd4000003, 0x14000000};

START_TEST(test_poll)
{
    static const char *const engines[] = {"interp", "jit", "jit"};
    const u64 second = 1000000000;
    u64 hash[ARRAY_LEN(engines)];
    for (unsigned i = 0; i < ARRAY_LEN(engines); i++) {
        c.engine = engines[i];
        struct machine *m = MAKE(poll_second);
        enum stop why;
        do
            why = machine_run(m, i == 2 ? 7 : ~0ull);
        while (why == STOP_BUDGET);
        ck_assert_int_eq(why, STOP_POWEROFF);
        ck_assert_uint_ge(clock_now(&m->clock), second);
        ck_assert_uint_le(clock_now(&m->clock), second + second / 15);
        ck_assert_uint_le(machine_instructions(m), 5000);
        hash[i] = machine_hash(m);
        machine_free(m);
    }
    ck_assert_uint_eq(hash[0], hash[1]);
    ck_assert_uint_eq(hash[0], hash[2]);
    c.cpus = 2;
    struct machine *m = MAKE(poll_beside);
    ck_assert_int_eq(machine_run(m, ~0ull), STOP_POWEROFF);
    ck_assert_uint_eq(machine_instructions(m), clock_now(&m->clock));
    machine_free(m);
}
END_TEST

START_TEST(test_deterministic)
{
    u64 hash[2], n[2];
    c.cpus = 2;
    for (unsigned i = 0; i < 2; i++) {
        struct machine *m = MAKE(smp);
        machine_run(m, ~0ull);
        hash[i] = machine_hash(m);
        n[i] = machine_instructions(m);
        machine_free(m);
    }
    ck_assert_uint_eq(n[0], n[1]);
    ck_assert_uint_eq(hash[0], hash[1]);
}
END_TEST

/* The state after a run does not depend on whether it was saved and loaded into another machine on the way. */
START_TEST(test_saved)
{
    c.cpus = 2;
    struct machine *straight = MAKE(smp), *first = MAKE(smp), *second = MAKE(smp);
    machine_run(straight, ~0ull);
    ck_assert_int_eq(machine_run(first, 5001), STOP_BUDGET);
    struct snap s = {.mode = SNAP_SAVE};
    machine_state(first, &s);
    struct snap l = {.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
    machine_state(second, &l);
    ck_assert(!l.failed);
    ck_assert_uint_eq(l.pos, s.pos);
    ck_assert_uint_eq(machine_hash(first), machine_hash(second));
    ck_assert_int_eq(machine_run(second, ~0ull), STOP_POWEROFF);
    ck_assert_uint_eq(second->cpus[0]->x[5], 2000);
    ck_assert_uint_eq(clock_now(&second->clock), clock_now(&straight->clock));
    ck_assert_uint_eq(machine_hash(straight), machine_hash(second));
    snap_free(&s);
    machine_free(straight);
    machine_free(first);
    machine_free(second);
}
END_TEST

START_TEST(test_reset)
{
    c.no_reboot = true;
    struct machine *m = MAKE(reset);
    ck_assert_int_eq(machine_run(m, ~0ull), STOP_RESET);
    machine_free(m);
    c.no_reboot = false;
    m = MAKE(reset);
    ck_assert_int_eq(machine_run(m, 100), STOP_BUDGET); /* goes on and on */
    ck_assert_uint_ge(m->resets, 25);
    machine_free(m);
}
END_TEST

/* Every device's and CPU's state after a reset equals that after power-on. */
START_TEST(test_reset_state)
{
    c.cpus = 2;
    struct machine *m = MAKE(smp), *fresh = MAKE(smp);
    machine_run(m, 3000);
    ck_assert_uint_ne(machine_hash(m), machine_hash(fresh));
    machine_reset(m);
    for (unsigned i = 0; i < m->ndevices; i++) {
        struct snap a = {.mode = SNAP_HASH}, b = {.mode = SNAP_HASH};
        m->devices[i]->ops->state(m->devices[i], &a);
        fresh->devices[i]->ops->state(fresh->devices[i], &b);
        ck_assert_msg(snap_hash(&a) == snap_hash(&b), "device %s", m->devices[i]->id);
    }
    for (unsigned i = 0; i < 2; i++) {
        m->cpus[i]->executed = m->cpus[i]->exceptions = 0; /* they count on */
        struct snap a = {.mode = SNAP_HASH}, b = {.mode = SNAP_HASH};
        cpu_state(m->cpus[i], &a);
        cpu_state(fresh->cpus[i], &b);
        ck_assert_msg(snap_hash(&a) == snap_hash(&b), "CPU %u", i);
    }
    machine_free(m);
    machine_free(fresh);
}
END_TEST

START_TEST(test_stuck)
{
    struct machine *m = MAKE(sleep_masked);
    ck_assert_int_eq(machine_run(m, ~0ull), STOP_STUCK);
    machine_free(m);
    m = MAKE(undefined); /* VBAR is 0: the vector faults for ever */
    ck_assert_int_eq(machine_run(m, ~0ull), STOP_LOOP);
    ck_assert_uint_eq(m->loop.first.pc, 0x40080000);
    ck_assert_uint_eq(m->loop.first.esr >> 26, EC_UNKNOWN);
    machine_free(m);
    c.limit = 5000;
    static const u32 spin[] = {0x14000000};
    m = MAKE(spin);
    ck_assert_int_eq(machine_run(m, ~0ull), STOP_TIMEOUT);
    ck_assert_uint_ge(clock_now(&m->clock), 5000);
    machine_free(m);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("machine");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_poweroff);
    tcase_add_test(t, test_until);
    tcase_add_test(t, test_smp);
    tcase_add_test(t, test_hotplug);
    tcase_add_test(t, test_offsets);
    tcase_add_test(t, test_poll);
    tcase_add_test(t, test_deterministic);
    tcase_add_test(t, test_saved);
    tcase_add_test(t, test_reset);
    tcase_add_test(t, test_reset_state);
    tcase_add_test(t, test_stuck);
    return words_main("machine", t);
}
