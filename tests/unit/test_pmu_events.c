/* Performance monitor events of single instructions: each is counted exactly, overflows at its instruction and is
 * filtered by Exception level, under both engines. */
#include "cpu/exception.h"
#include "cpu/pmu.h"
#include "cpu/sysreg_row.h"
#include "el1.h"
#include "jit/jit.h"

/* clang-format off */
static const u32 program[] = {
    0xd2800080, /* mov x0, #0x4 */
    0xf94000a1, /* ldr x1, [x5] */
    0xf90004a1, /* str x1, [x5, #8] */
    0xa9400ca2, /* ldp x2, x3, [x5] */
    0xa9010ca2, /* stp x2, x3, [x5, #16] */
    0xf82180a2, /* swp x1, x2, [x5] */
    0xf1000400, /* subs x0, x0, #0x1 */
    0x54ffff41, /* b.ne 4 */
    0x94000007, /* bl 3c */
    0xd4000001, /* svc #0x0 */
    0x00000000, /* udf #0 */
    0xd518d020, /* msr contextidr_el1, x0 */
    0xd518203f, /* msr ttbr1_el1, xzr */
    0xb4000020, /* cbz x0, 38 */
    0x14000000, /* b 38 */
    0xd65f03c0, /* ret */
};
/* In the vector of the current EL: goes on behind the instruction, which SVC has done already. */
static const u32 vector[] = {
    0xd538520a, /* mrs x10, esr_el1 */
    0xd35afd4a, /* lsr x10, x10, #26 */
    0xf100555f, /* cmp x10, #0x15 */
    0x54000080, /* b.eq 5c */
    0xd5384029, /* mrs x9, elr_el1 */
    0x91001129, /* add x9, x9, #0x4 */
    0xd5184029, /* msr elr_el1, x9 */
    0xd69f03e0, /* eret */
};
/* clang-format on */
enum { TOTAL = 49, RETIRED = 48 }; /* until it spins; UDF is executed and not retired */

static struct clock ck;
static struct {
    u64 pc;
    unsigned rises;
} wire;

static void set_wire(void *sink, unsigned n, bool level)
{
    (void)sink;
    (void)n;
    wire.rises += level;
    if (level)
        wire.pc = c->pc;
}

static void load(u64 at, const u32 *words, size_t n)
{
    memcpy(ram(at), words, n);
    ram_written(env.bus, bus_resolve(env.bus, pa_make(PAS_NS, at)).page, (u32)(at & 0xfff), (u32)n);
}

static void begin(void)
{
    setup_cpu("max", true, false);
    ck = (struct clock){0};
    wire.pc = wire.rises = 0;
    env.clock = &ck;
    c->pmu_irq = (struct irq){.set = set_wire};
    load(CODE, program, sizeof program);
    load(VBAR + 0x200, vector, sizeof vector);
    cpu_set_spsr(c, 0x3c5);
    c->pc = CODE;
    c->x[5] = DATA;
}

static void end(void)
{
    clock_free(&ck);
    teardown();
}

/* As the scheduler does it. */
static void run(const struct engine *e, u64 total)
{
    while (total) {
        u64 n = total, limit = pmu_limit(c);
        n = n < limit ? n : limit;
        c->slice_start = clock_now(&ck);
        n = (u64)clock_begin(&ck, &c->slice, (s64)n);
        e->run(c);
        clock_finish(&ck);
        u64 used = clock_now(&ck) - c->slice_start;
        c->executed += used;
        total -= used;
        pmu_sync(c);
    }
}

static void counter(unsigned i, u64 event, u64 val)
{
    c->sys[PMEVTYPER0_EL0 + i] = event;
    c->sys[PMEVCNTR0_EL0 + i] = val;
    c->sys[PMCNTENSET_EL0] |= 1u << i;
    c->sys[PMCR_EL0] |= 1;
    pmu_arm(c);
}

static const struct {
    const char *name;
    u16 event;
    u8 n;
} events[] = {
    {"LD_RETIRED", 0x06, 12},
    {"ST_RETIRED", 0x07, 12},
    {"INST_RETIRED", 0x08, RETIRED},
    {"EXC_TAKEN", 0x09, 2},
    {"EXC_RETURN", 0x0a, 2},
    {"CID_WRITE_RETIRED", 0x0b, 1},
    {"PC_WRITE_RETIRED", 0x0c, 9},
    {"BR_IMMED_RETIRED", 0x0d, 8},
    {"BR_RETURN_RETIRED", 0x0e, 1},
    {"CPU_CYCLES", 0x11, TOTAL},
    {"MEM_ACCESS", 0x13, 24},
    {"TTBR_WRITE_RETIRED", 0x1c, 1},
    {"BR_RETIRED", 0x21, 11},
    {"MEM_ACCESS_RD", 0x66, 12},
    {"MEM_ACCESS_WR", 0x67, 12},
    {"EXC_UNDEF", 0x81, 1},
    {"EXC_SVC", 0x82, 1},
    {"EXC_HVC", 0x8a, 0},
    {"EXC_TRAP_OTHER", 0x8d, 0},
    {"L1D_CACHE (absent)", 0x04, 0},
};
static const struct engine *const engines[] = {&engine_interp, &engine_jit};

START_TEST(test_counts)
{
    for (unsigned k = 0; k < ARRAY_LEN(events); k++) {
        begin();
        counter(3, events[k].event, 0);
        run(engines[_i], TOTAL);
        ck_assert_uint_eq(c->pc, CODE + 4 * 14);
        u64 n = c->sys[PMEVCNTR0_EL0 + 3];
        ck_assert_msg(n == events[k].n, "%s, %s: %u, expected %u", engines[_i]->name, events[k].name, (unsigned)n,
                      events[k].n);
        end();
    }
}
END_TEST

/* Each event with each count left: the wire rises while that very instruction executes. */
START_TEST(test_overflow)
{
    for (unsigned k = 0; k < ARRAY_LEN(events); k++)
        for (unsigned left = 1; left <= events[k].n; left++) {
            u64 pc[2];
            for (unsigned e = 0; e < 2; e++) {
                begin();
                c->sys[PMINTENSET_EL1] = 1;
                counter(0, events[k].event, (1ull << 32) - left);
                counter(1, 0x1e, 7); /* CHAIN */
                run(engines[e], TOTAL);
                ck_assert_msg(wire.rises == 1 && c->sys[PMEVCNTR0_EL0 + 1] == 8 && (c->sys[PMOVSSET_EL0] & 3) == 1,
                              "%s, %s, %u: %u rises", engines[e]->name, events[k].name, left, wire.rises);
                pc[e] = wire.pc;
                end();
            }
            ck_assert_msg(pc[0] == pc[1], "%s, %u: interp %llx, jit %llx", events[k].name, left,
                          (unsigned long long)pc[0], (unsigned long long)pc[1]);
        }
    begin();
    c->sys[PMINTENSET_EL1] = 1;
    counter(0, 0x0e, 0xffffffff);
    run(&engine_jit, TOTAL);
    ck_assert_uint_eq(wire.pc, CODE + 4 * 9); /* RET has set pc */
    end();
}
END_TEST

/* From EL0: what counts there, and the instructions that lead away. */
START_TEST(test_levels)
{
    static const struct {
        u32 filter;
        u16 event;
        u8 n;
    } cases[] = {
        {1u << 31, 0x08, 1}, {1u << 30, 0x08, 5}, {1u << 31, 0x09, 1}, {1u << 30, 0x09, 0},
        {1u << 31, 0x0a, 0}, {1u << 30, 0x0a, 1}, {0, 0x08, 6},        {0, 0x82, 1},
        {1u << 30, 0x11, 5}, {3u << 30, 0x08, 0}, {3u << 30, 0x0a, 0},
    };
    for (unsigned k = 0; k < ARRAY_LEN(cases); k++) {
        begin();
        load(VBAR + 0x400, vector, sizeof vector);
        u64 page = TABLES + 0x2000 + (CODE - RAM) / 0x1000 * 8, desc;
        memcpy(&desc, ram(page), 8);
        put64(page, desc | 1 << 6 | 1 << 7); /* EL0 may execute */
        cpu_set_spsr(c, 0x3c0);
        c->pc = CODE + 4 * 9; /* SVC */
        counter(2, cases[k].event | cases[k].filter, 0);
        run(engines[_i], 6); /* SVC, four of the handler, ERET */
        ck_assert_uint_eq(c->ps.el, 0);
        ck_assert_msg(c->sys[PMEVCNTR0_EL0 + 2] == cases[k].n, "%s, case %u: %u", engines[_i]->name, k,
                      (unsigned)c->sys[PMEVCNTR0_EL0 + 2]);
        end();
    }
}
END_TEST

/* CountPMUEvents for every filter, Exception level and Security state, against a second reading of its text. */
START_TEST(test_filter_bits)
{
    setup_cpu("max", true, true);
    for (unsigned v = 0; v < 128; v++)
        for (unsigned state = 0; state < 7; state++) {
            unsigned el = state >> 1, secure = el == 3 || (state & 1);
            u64 p = v & 1, u = v >> 1 & 1, nsk = v >> 2 & 1, nsu = v >> 3 & 1, nsh = v >> 4 & 1, m = v >> 5 & 1,
                sh = v >> 6 & 1;
            c->sys[SCR_EL3] = SCR_RW | 1ull << 18 | !secure;
            c->sys[MDCR_EL3] = 1 << 17;
            cpu_set_spsr(c, el << 2);
            c->sys[PMEVTYPER0_EL0] = p << 31 | u << 30 | nsk << 29 | nsu << 28 | nsh << 27 | m << 26 | sh << 24;
            c->sys[PMCNTENSET_EL0] = 1;
            c->sys[PMCR_EL0] |= 1;
            bool want = el == 3   ? m == p
                        : el == 2 ? (secure ? nsh != sh : nsh)
                        : el == 1 ? (secure ? !p : p == nsk)
                        : secure  ? !u
                                  : u == nsu;
            ck_assert_msg((pmu_counting(c) & 1) == want, "EL%u %s filter %x", el, secure ? "secure" : "non-secure", v);
            c->sys[MDCR_EL3] = 0; /* SPME = 0: not in Secure state */
            ck_assert_uint_eq(pmu_counting(c) & 1, want && !secure);
            c->sys[MDCR_EL2] = 1 << 17 | 4; /* HPMD: not at EL2, but for counters from HPMN on */
            c->sys[MDCR_EL3] = 1 << 17;
            ck_assert_uint_eq(pmu_counting(c) & 1, want && el != 2);
            c->sys[MDCR_EL2] = 1 << 17 | 1 << 7;
            ck_assert_uint_eq(pmu_counting(c) & 1, want);
            c->sys[MDCR_EL2] = 6;
        }
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pmu_events");
    TCase *t = tcase_create("pmu_events");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, test_counts, 0, ARRAY_LEN(engines));
    tcase_add_test(t, test_overflow);
    tcase_add_loop_test(t, test_levels, 0, ARRAY_LEN(engines));
    tcase_add_test(t, test_filter_bits);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
