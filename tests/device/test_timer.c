/* Generic timer: exact deadlines, offsets, wraps, event stream, snapshot. */
#include <check.h>
#include <stdlib.h>

#include "core/snap.h"
#include "timer/timer.h"

static struct clock clk;
static struct counter counter;
static struct timer *t;
static struct port port;
static unsigned ctx, events;

static unsigned context(void *arg)
{
    (void)arg;
    return ctx;
}
static bool kept; /* the event register stays set */
static void event(void *arg)
{
    (void)arg;
    events++;
    if (!kept)
        timer_port(t).event_taken(t);
}

static void setup(void)
{
    clk = (struct clock){0};
    ctx = events = 0;
    kept = false;
    counter_init(&counter, &clk, 62500000);
    t = timer_new(&(struct timer_config){.counter = &counter, .context = context, .event_stream = event});
    port = timer_port(t);
    timer_reset(t);
}
static void teardown(void)
{
    timer_free(t);
    clock_free(&clk);
}

static u64 rd_el(unsigned reg, u8 el) { return port.read(port.arg, reg, &(struct port_txn){.el = el}); }
static u64 rd(unsigned reg) { return rd_el(reg, 1); }
static void wr(unsigned reg, u64 v) { port.write(port.arg, reg, &(struct port_txn){.el = 1}, v); }

/* Lets ns pass, firing events at their times. */
static void pass(u64 ns)
{
    u64 end = clk.end + ns;
    while (clk.end < end) {
        clock_skip(&clk, end);
        clock_fire(&clk);
    }
}

START_TEST(test_counter)
{
    ck_assert_uint_eq(rd(SR_CNTPCT_EL0), 0);
    pass(15);
    ck_assert_uint_eq(rd(SR_CNTPCT_EL0), 0);
    pass(1);
    ck_assert_uint_eq(rd(SR_CNTPCT_EL0), 1);
    ck_assert_uint_eq(counter_when(&counter, 3), 48);
    struct counter odd;
    counter_init(&odd, &clk, 24000000); /* 41 2/3 ns a tick */
    u64 base = clk.end;
    ck_assert_uint_eq(counter_when(&odd, 1), base + 42);
    ck_assert_uint_eq(counter_when(&odd, 3), base + 125);
    ck_assert_uint_eq(counter_when(&odd, ~0ull), ~0ull);
    for (u64 i = 1; i < 1000; i++) {
        clk.end = counter_when(&odd, i);
        ck_assert_uint_eq(counter_read(&odd), i);
        clk.end--;
        ck_assert_uint_eq(counter_read(&odd), i - 1);
    }
    clk.end = base;
}
END_TEST

START_TEST(test_exact)
{
    static const unsigned ctl[] = {SR_CNTP_CTL_EL0,  SR_CNTV_CTL_EL0,   SR_CNTHP_CTL_EL2, SR_CNTHV_CTL_EL2,
                                   SR_CNTPS_CTL_EL1, SR_CNTHPS_CTL_EL2, SR_CNTHVS_CTL_EL2};
    static const unsigned cval[] = {SR_CNTP_CVAL_EL0,  SR_CNTV_CVAL_EL0,   SR_CNTHP_CVAL_EL2, SR_CNTHV_CVAL_EL2,
                                    SR_CNTPS_CVAL_EL1, SR_CNTHPS_CVAL_EL2, SR_CNTHVS_CVAL_EL2};
    pass(5);
    for (unsigned i = 0; i < TIMER_COUNT; i++) {
        struct irq *w = timer_irq(t, i);
        u64 due = rd(SR_CNTPCT_EL0) + 10;
        wr(cval[i], due);
        ck_assert_uint_eq(rd(cval[i]), due);
        wr(ctl[i], ~0ull);
        ck_assert_uint_eq(rd(ctl[i]), 3);
        wr(ctl[i], 1);
        pass(due * 16 - clk.end - 1);
        ck_assert(!w->level);
        ck_assert_uint_eq(rd(ctl[i]), 1);
        pass(1);
        ck_assert(w->level);
        ck_assert_uint_eq(rd(ctl[i]), 5);
        wr(ctl[i], 3);
        ck_assert(!w->level);
        ck_assert_uint_eq(rd(ctl[i]), 7);
        wr(ctl[i], 1);
        ck_assert(w->level);
        wr(cval[i], due + 100);
        ck_assert(!w->level);
        wr(ctl[i], 0);
        ck_assert_uint_eq(rd(ctl[i]), 0);
        pass(7);
    }
    ck_assert_uint_eq(clock_next(&clk), ~0ull);
}
END_TEST

START_TEST(test_inside_slice)
{
    struct slice s;
    clock_begin(&clk, &s, 100000);
    s.left -= 100; /* ns 100: count 6 */
    wr(SR_CNTV_TVAL_EL0, 10);
    wr(SR_CNTV_CTL_EL0, 1);
    ck_assert_uint_eq(rd(SR_CNTV_TVAL_EL0), 10);
    s.left -= 12; /* ns 112: count 7 */
    ck_assert_uint_eq(rd(SR_CNTV_TVAL_EL0), 9);
    s.left = 0;
    s.stash = 0;
    clock_finish(&clk);
    ck_assert_uint_eq(clk.end, 16 * 16); /* the slice was shortened to the deadline */
    ck_assert(!timer_irq(t, TIMER_V)->level);
    clock_fire(&clk);
    ck_assert(timer_irq(t, TIMER_V)->level);
}
END_TEST

START_TEST(test_tval)
{
    pass(16 * 1000);
    wr(SR_CNTP_TVAL_EL0, 0xffffffff); /* -1 */
    ck_assert_uint_eq(rd(SR_CNTP_CVAL_EL0), 999);
    wr(SR_CNTP_CTL_EL0, 1);
    ck_assert(timer_irq(t, TIMER_P)->level);
    ck_assert_uint_eq(rd(SR_CNTP_TVAL_EL0), 0xffffffff);
    wr(SR_CNTP_TVAL_EL02, 1ull << 40 | 5); /* only 32 bits count */
    ck_assert_uint_eq(rd(SR_CNTP_CVAL_EL02), 1005);
    ck_assert(!timer_irq(t, TIMER_P)->level);
}
END_TEST

START_TEST(test_offset)
{
    pass(16 * 1000);
    wr(SR_CNTVOFF_EL2, 400);
    ck_assert_uint_eq(rd_el(SR_CNTVCT_EL0, 0), 600);
    ck_assert_uint_eq(rd_el(SR_CNTVCT_EL0, 1), 600);
    ck_assert_uint_eq(rd_el(SR_CNTVCT_EL0, 2), 600);
    ctx = TIMER_E2H;
    ck_assert_uint_eq(rd_el(SR_CNTVCT_EL0, 0), 600);
    ck_assert_uint_eq(rd_el(SR_CNTVCT_EL0, 2), 1000);
    ck_assert_uint_eq(rd_el(SR_CNTVCT_EL0, 3), 600);
    ctx = TIMER_E2H | TIMER_TGE;
    ck_assert_uint_eq(rd_el(SR_CNTVCT_EL0, 0), 1000);
    ck_assert_uint_eq(rd_el(SR_CNTPCT_EL0, 0), 1000);
    /* The virtual timer counts from the offset; the EL2 virtual timer does not. */
    wr(SR_CNTV_CVAL_EL0, 700);
    wr(SR_CNTV_CTL_EL0, 1);
    wr(SR_CNTHV_CVAL_EL2, 1050);
    wr(SR_CNTHV_CTL_EL2, 1);
    pass(16 * 50);
    ck_assert(timer_irq(t, TIMER_HV)->level && !timer_irq(t, TIMER_V)->level);
    pass(16 * 50);
    ck_assert(timer_irq(t, TIMER_V)->level);
    /* An offset above the count: the view is huge, so the condition holds until it wraps. */
    wr(SR_CNTVOFF_EL2, 1200);
    ck_assert(timer_irq(t, TIMER_V)->level);
    pass(16 * 100 - 1);
    ck_assert(timer_irq(t, TIMER_V)->level);
    pass(1);
    ck_assert(!timer_irq(t, TIMER_V)->level);
    pass(16 * 700);
    ck_assert(timer_irq(t, TIMER_V)->level);
    /* CNTPOFF_EL2 needs the control and the context. */
    ctx = 0;
    wr(SR_CNTPOFF_EL2, 900);
    u64 now = rd_el(SR_CNTPCT_EL0, 2);
    ck_assert_uint_eq(rd(SR_CNTPCT_EL0), now);
    wr(SR_CNTHCTL_EL2, 1 << 12);
    ck_assert_uint_eq(rd(SR_CNTPCT_EL0), now);
    ctx = TIMER_ECV;
    ck_assert_uint_eq(rd(SR_CNTPCT_EL0), now - 900);
    ck_assert_uint_eq(rd_el(SR_CNTPCT_EL0, 2), now);
}
END_TEST

START_TEST(test_far)
{
    wr(SR_CNTP_CVAL_EL0, ~0ull);
    wr(SR_CNTP_CTL_EL0, 1);
    ck_assert_uint_eq(clock_next(&clk), ~0ull);
    ck_assert(!timer_irq(t, TIMER_P)->level);
}
END_TEST

START_TEST(test_stream)
{
    wr(SR_CNTKCTL_EL1, 1 << 2 | 4 << 4); /* rising edges of bit 4 */
    pass(16 * 15);
    ck_assert_uint_eq(events, 0);
    pass(16);
    ck_assert_uint_eq(events, 1);
    pass(16 * 31);
    ck_assert_uint_eq(events, 1);
    pass(16);
    ck_assert_uint_eq(events, 2);
    wr(SR_CNTKCTL_EL1, 1 << 2 | 1 << 3 | 4 << 4); /* falling */
    pass(16 * 15);
    ck_assert_uint_eq(events, 2);
    pass(16);
    ck_assert_uint_eq(events, 3);
    wr(SR_CNTKCTL_EL1, 0);
    pass(16 * 1000);
    ck_assert_uint_eq(events, 3);
    wr(SR_CNTHCTL_EL2, 1 << 2 | 1 << 17); /* bit 8 */
    pass(16 * 1024);
    ck_assert_uint_eq(events, 5);
}
END_TEST

/* While the event register is set the stream changes nothing; then it goes on with the next edge. */
START_TEST(test_stream_set)
{
    kept = true;
    wr(SR_CNTKCTL_EL1, 1 << 2 | 4 << 4); /* counts 16, 48, 80, ... */
    pass(16 * 16);
    ck_assert_uint_eq(events, 1);
    ck_assert_uint_eq(clock_next(&clk), ~0ull);
    pass(16 * 64); /* count 80: that edge is past */
    timer_port(t).event_taken(t);
    ck_assert_uint_eq(clock_next(&clk), 16 * 112);
    pass(16 * 32);
    ck_assert_uint_eq(events, 2);
}
END_TEST

START_TEST(test_state)
{
    pass(16 * 5);
    wr(SR_CNTV_TVAL_EL0, 10);
    wr(SR_CNTV_CTL_EL0, 1);
    wr(SR_CNTVOFF_EL2, 3);
    struct snap s = {.mode = SNAP_SAVE};
    timer_state(t, &s);
    timer_reset(t);
    ck_assert_uint_eq(clock_next(&clk), ~0ull);
    struct snap l = {.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
    timer_state(t, &l);
    ck_assert(!l.failed && l.pos == s.pos);
    ck_assert_uint_eq(clock_next(&clk), 16 * 18);
    ck_assert_uint_eq(rd(SR_CNTV_CVAL_EL0), 15);
    snap_free(&s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("timer");
    TCase *c = tcase_create("timer");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, test_counter);
    tcase_add_test(c, test_exact);
    tcase_add_test(c, test_inside_slice);
    tcase_add_test(c, test_tval);
    tcase_add_test(c, test_offset);
    tcase_add_test(c, test_far);
    tcase_add_test(c, test_stream);
    tcase_add_test(c, test_stream_set);
    tcase_add_test(c, test_state);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
