/* The error record and fault injection: countdown to the instruction, what is recorded, overwriting, clearing, the
 * SError's syndrome, interrupts; the same under both engines. */
#include "cpu/ras.h"
#include "cpu/sysreg_row.h"
#include "el1.h"
#include "jit/jit.h"

enum { UC = 2, UEU = 4, UER = 8, UEO = 16, DE = 32, CE = 64, ER = 1 << 9, PN = 1 << 10, AV = 1 << 11, MV = 1 << 12 };
enum { ED = 1, UI = 4, FI = 8, UE = 16, CFI = 256 };
enum { R = 1 << 30 };
#define CDNEN (1ull << 31)

static struct clock ck;
static bool wires[2];
static u64 now_at_fault;

static void set_wire(void *sink, unsigned n, bool level)
{
    (void)sink;
    if (level && !wires[n])
        now_at_fault = clock_now(&ck);
    wires[n] = level;
}

static void begin(void)
{
    setup();
    ck = (struct clock){0};
    env.clock = &ck;
    wires[0] = wires[1] = false;
    c->fault_irq = (struct irq){.set = set_wire, .n = 0};
    c->recovery_irq = (struct irq){.set = set_wire, .n = 1};
}

static void end(void)
{
    clock_cancel(&ck, &c->pseudo_fault);
    clock_free(&ck);
    teardown();
}

static void put(unsigned sr, u64 val)
{
    struct op o = {.imm = sr, .rd = 1};
    c->x[1] = val;
    ck_assert_int_ne(sysreg_msr(c, &o), STEP_JUMP);
}

static u64 get(unsigned sr)
{
    struct op o = {.imm = sr, .rd = 1};
    ck_assert_int_ne(sysreg_mrs(c, &o), STEP_JUMP);
    return c->x[1];
}

/* Spins for n instructions, with the clock's events. */
static void spin(const struct engine *e, u64 n)
{
    static const u32 loop[] = {0xd503201f, 0xd503201f, 0x17fffffe}; /* nop; nop; b */
    memcpy(ram(CODE), loop, sizeof loop);
    memcpy(ram(VBAR + 0x380), loop, sizeof loop);
    for (u64 end_at = clock_now(&ck) + n; clock_now(&ck) < end_at;) {
        clock_fire(&ck);
        if (clock_begin(&ck, &c->slice, (s64)(end_at - clock_now(&ck)))) {
            e->run(c);
            clock_finish(&ck);
        }
    }
    clock_fire(&ck);
}

static void inject(u64 how, u64 count)
{
    put(SR_ERXPFGCDN_EL1, count);
    put(SR_ERXPFGCTL_EL1, how | CDNEN);
    spin(&engine_interp, count);
}

START_TEST(test_identification)
{
    begin();
    c->pc = CODE;
    ck_assert_uint_eq(get(SR_ERRIDR_EL1), 1);
    ck_assert_uint_eq(get(SR_ERXFR_EL1) >> 20 & 3, 1);   /* INJ */
    ck_assert_uint_eq(get(SR_ERXPFGF_EL1) & 0x3f, 0x3e); /* not OF: it follows the rules */
    put(SR_ERXADDR_EL1, 0x1234);
    put(SR_ERXMISC0_EL1, ~0ull);
    ck_assert_uint_eq(get(SR_ERXADDR_EL1), 0x1234);
    ck_assert_uint_eq(get(SR_ERXMISC0_EL1), 0xffull << 32);
    ck_assert_uint_eq(get(SR_ERXMISC1_EL1) | get(SR_ERXMISC2_EL1) | get(SR_ERXMISC3_EL1), 0);
    put(SR_ERRSELR_EL1, 1); /* no such record */
    put(SR_ERXADDR_EL1, 5);
    ck_assert_uint_eq(get(SR_ERXADDR_EL1) | get(SR_ERXFR_EL1), 0);
    put(SR_ERRSELR_EL1, 0);
    ck_assert_uint_eq(get(SR_ERXADDR_EL1), 0x1234);
    end();
    setup_cpu("cortex-a76", false, false); /* FEAT_RAS alone */
    ck_assert_uint_eq(get(SR_ERRIDR_EL1) | get(SR_ERXFR_EL1), 0);
    teardown();
}
END_TEST

static const struct engine *const engines[] = {&engine_interp, &engine_jit};

/* The SError is taken at the countdown's instruction, with its AET; the interrupts rise with it and fall with the
 * record. */
START_TEST(test_uncorrected)
{
    static const struct {
        u32 how, aet;
    } kinds[] = {{UC, 0}, {UEU, 1}, {UEO, 2}, {UER, 3}};
    for (unsigned k = 0; k < ARRAY_LEN(kinds); k++) {
        begin();
        c->pc = CODE;
        cpu_set_spsr(c, 0x0c5); /* SErrors are not masked */
        put(SR_ERXADDR_EL1, 0xabc);
        put(SR_ERXCTLR_EL1, ED | UE | FI | UI);
        put(SR_ERXPFGCDN_EL1, 1000);
        put(SR_ERXPFGCTL_EL1, kinds[k].how | AV | MV | CDNEN);
        spin(engines[_i], 999);
        ck_assert_uint_eq(get(SR_ERXSTATUS_EL1), 0);
        spin(engines[_i], 10);
        ck_assert(wires[0] && wires[1]);
        ck_assert_uint_eq(now_at_fault, 1000);
        ck_assert_uint_eq(c->sys[ESR_EL1], 0x2full << 26 | 1u << 25 | kinds[k].aet << 10 | 0x11);
        ck_assert_uint_eq(get(SR_ERXSTATUS_EL1), 0xe4000001 | kinds[k].aet << 20); /* AV V UE MV SERR */
        put(SR_ERXADDR_EL1, 1);
        ck_assert_uint_eq(get(SR_ERXADDR_EL1), 0xabc); /* held while AV */
        put(SR_ERXSTATUS_EL1, 1u << 30);               /* V does not go before its error */
        ck_assert(wires[0] && wires[1]);
        put(SR_ERXSTATUS_EL1, get(SR_ERXSTATUS_EL1) | 3u << 20);
        ck_assert_uint_eq(get(SR_ERXSTATUS_EL1), 0);
        ck_assert(!wires[0] && !wires[1]);
        end();
    }
}
END_TEST

START_TEST(test_masked)
{
    begin();
    c->pc = CODE;
    cpu_set_spsr(c, 0x3c5);
    inject(UC, 10); /* ED = 0: nothing is recorded */
    ck_assert_uint_eq(get(SR_ERXSTATUS_EL1), 0);
    put(SR_ERXCTLR_EL1, ED | UE);
    inject(UER, 10);
    ck_assert(c->input[CPU_SERROR] && !wires[0] && !wires[1]);
    ras_esb(c);
    ck_assert_uint_eq(c->sys[DISR_EL1], 1u << 31 | 3 << 10 | 0x11);
    ck_assert(!c->input[CPU_SERROR]);
    end();
}
END_TEST

/* A worse error takes the record over, what is not worse is an overflow. */
START_TEST(test_overwriting)
{
    begin();
    c->pc = CODE;
    cpu_set_spsr(c, 0x3c5);
    put(SR_ERXCTLR_EL1, ED | CFI | FI);
    inject(CE, 1);
    ck_assert_uint_eq(get(SR_ERXSTATUS_EL1), 1u << 30 | 2u << 24 | 1);
    ck_assert(!wires[0]); /* the counter has not overflowed */
    inject(DE | AV, 1);
    ck_assert_uint_eq(get(SR_ERXSTATUS_EL1), 3u << 30 | 1u << 27 | 2u << 24 | 1u << 23 | 1);
    ck_assert(wires[0]);
    inject(DE | MV, 1); /* its address and syndrome stay */
    ck_assert_uint_eq(get(SR_ERXSTATUS_EL1), 3u << 30 | 1u << 27 | 2u << 24 | 1u << 23 | 1);
    inject(UC | PN | ER, 1);
    ck_assert_uint_eq(get(SR_ERXSTATUS_EL1),
                      1u << 30 | 1u << 29 | 1u << 28 | 1u << 27 | 2u << 24 | 1u << 23 | 1u << 22 | 1);
    ck_assert(!wires[1]); /* UI is off */
    u64 full = get(SR_ERXSTATUS_EL1);
    static const u32 fields[] = {1u << 30, 1u << 29, 1u << 27, 1u << 25, 1u << 24, 1u << 23};
    for (unsigned i = 0; i < ARRAY_LEN(fields); i++) { /* all of it or nothing */
        put(SR_ERXSTATUS_EL1, 0xfff00000 & ~fields[i]);
        ck_assert_uint_eq(get(SR_ERXSTATUS_EL1), full);
    }
    put(SR_ERXSTATUS_EL1, 0x6b800000); /* V UE OF CE DE */
    ck_assert_uint_eq(get(SR_ERXSTATUS_EL1), 0);
    end();
}
END_TEST

/* RAS System Architecture v1.1, "rules for overwriting error records": W overwrites, O keeps, both with OF but for
 * corrected errors (c) that the counter takes. */
START_TEST(test_overwriting_table)
{
    static const u32 kinds[] = {CE, DE, UEO, UER, UEU, UC};
    static const char *const table[] = {"cWWWWW", "cOWWWW", "cOOWWW", "cOOOWW", "cOOOOW", "cOOOOO"};
    static const u32 bits_of[] = {2u << 24, 1u << 23, 1u << 29 | 2u << 20, 1u << 29 | 3u << 20, 1u << 29 | 1u << 20,
                                  1u << 29};
    for (unsigned old = 0; old < 6; old++)
        for (unsigned new = 0; new < 6; new ++) {
            begin();
            c->pc = CODE;
            cpu_set_spsr(c, 0x3c5);
            put(SR_ERXCTLR_EL1, ED);
            inject(kinds[old] | PN, 1);
            ck_assert_uint_eq(get(SR_ERXSTATUS_EL1), 1u << 30 | bits_of[old] | 1u << 22 | 1);
            inject(kinds[new] | AV, 1);
            char what = table[old][new];
            const u32 uet = 3u << 20;
            u32 want = 1u << 30 | (bits_of[old] & ~uet) | (bits_of[new] & ~uet) | 1;
            want |= what == 'W' ? 1u << 31 | (bits_of[new] & uet) : 1u << 22 | (bits_of[old] & uet);
            want |= what == 'c' ? 0 : 1u << 27;
            ck_assert_msg(get(SR_ERXSTATUS_EL1) == want, "%u %u: %llx, not %x", old, new,
                          (unsigned long long)get(SR_ERXSTATUS_EL1), want);
            ck_assert_uint_eq(get(SR_ERXMISC0_EL1) >> 32, (u64)(old == 0) + (new == 0));
            end();
        }
}
END_TEST

/* With R the countdown restarts by itself; the counter of corrected errors overflows after 128. */
START_TEST(test_restart)
{
    begin();
    c->pc = CODE;
    cpu_set_spsr(c, 0x3c5);
    put(SR_ERXCTLR_EL1, ED | CFI);
    put(SR_ERXPFGCDN_EL1, 7);
    put(SR_ERXPFGCTL_EL1, CE | R | CDNEN);
    spin(engines[_i], 7 * 127 + 6);
    ck_assert_uint_eq(get(SR_ERXMISC0_EL1), 127ull << 32);
    ck_assert(!wires[0]);
    spin(engines[_i], 1);
    ck_assert_uint_eq(get(SR_ERXMISC0_EL1), 1ull << 39);
    ck_assert(wires[0]);
    put(SR_ERXPFGCTL_EL1, 0);
    spin(engines[_i], 100);
    ck_assert_uint_eq(get(SR_ERXMISC0_EL1), 1ull << 39);
    end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ras");
    TCase *t = tcase_create("ras");
    tcase_add_test(t, test_identification);
    tcase_add_loop_test(t, test_uncorrected, 0, ARRAY_LEN(engines));
    tcase_add_test(t, test_masked);
    tcase_add_test(t, test_overwriting);
    tcase_add_test(t, test_overwriting_table);
    tcase_add_loop_test(t, test_restart, 0, ARRAY_LEN(engines));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
