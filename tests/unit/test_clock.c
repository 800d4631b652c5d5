/* Virtual time: order of events, exact slices, shortening by an event scheduled inside a slice. */
#include <check.h>
#include <stdlib.h>

#include "core/clock.h"

static char order[8];
static int fired;
static void fire(void *arg) { order[fired++] = *(char *)arg; }

START_TEST(test_order)
{
    struct clock c = {0};
    fired = 0;
    struct event e[4];
    const char names[] = "abcd";
    const u64 when[] = {30, 10, 20, 10};
    for (int i = 0; i < 4; i++) {
        e[i] = (struct event){.fire = fire, .arg = (void *)(names + i), .name = "e"};
        clock_schedule(&c, &e[i], when[i]);
    }
    clock_cancel(&c, &e[2]);
    struct slice s;
    ck_assert_int_eq(clock_begin(&c, &s, 100), 10);
    s.left = 0;
    clock_finish(&c);
    clock_fire(&c);
    ck_assert_int_eq(fired, 2);
    ck_assert_int_eq(order[0], 'b');
    ck_assert_int_eq(order[1], 'd');
    clock_skip(&c, 1000);
    ck_assert_uint_eq(clock_now(&c), 30);
    clock_fire(&c);
    ck_assert_int_eq(fired, 3);
    clock_free(&c);
}
END_TEST

START_TEST(test_shorten)
{
    struct clock c = {0};
    fired = 0;
    char n = 'x';
    struct event e = {.fire = fire, .arg = &n, .name = "e"};
    struct slice s;
    ck_assert_int_eq(clock_begin(&c, &s, 1000), 1000);
    s.left -= 100;
    ck_assert_uint_eq(clock_now(&c), 100);
    clock_schedule(&c, &e, 150);
    ck_assert_int_eq(s.left, 50);
    slice_kick(&s);
    ck_assert_int_eq(s.left, 1);
    ck_assert_uint_eq(clock_now(&c), 100);
    clock_schedule(&c, &e, 10); /* past: after this instruction */
    ck_assert_int_eq(s.left + s.stash, 1);
    s.left = 0;
    clock_finish(&c);
    ck_assert_uint_eq(clock_now(&c), 101);
    clock_free(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("clock");
    TCase *t = tcase_create("clock");
    tcase_add_test(t, test_order);
    tcase_add_test(t, test_shorten);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
