/* Semihosting: each operation, its errors, and that a guest does not get out of the directory it was given. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/pl011.h"
#include "el1.h"
#include "machine/board.h"
#include "machine/console.h"
#include "machine/machine.h"
#include "machine/semihost.h"

#define BLOCK  DATA
#define TEXT   (DATA + 0x100)
#define TEXT2  (DATA + 0x200)
#define BUFFER (DATA + 0x400)

static struct machine m;
static struct config config;
static char dir[64];

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert(f);
    fputs(text, f);
    fclose(f);
}

static void begin(void)
{
    struct err e = {0};
    setup();
    strcpy(dir, "/tmp/semihost-XXXXXX");
    ck_assert(mkdtemp(dir));
    char sub[100];
    snprintf(sub, sizeof sub, "%s/in", dir);
    ck_assert_int_eq(mkdir(sub, 0755), 0);
    ck_assert_int_eq(chdir(dir), 0);
    put_file("outside", "secret");
    put_file("in/hello", "Hello, file");
    ck_assert_int_eq(symlink("../outside", "in/link"), 0);
    ck_assert_int_eq(mkfifo("in/fifo", 0644), 0);
    config = (struct config){.image = "prog", .semihosting_args = "a b", .mem = 0x200000};
    m = (struct machine){.config = &config, .log = {0}};
    m.semihost = semihost_new("in", &e);
    ck_assert(m.semihost);
}

static void end(void)
{
    semihost_free(m.semihost);
    char cmd[100];
    snprintf(cmd, sizeof cmd, "cd / && rm -rf %s", dir);
    ck_assert_int_eq(system(cmd), 0);
    teardown();
}

static u64 call(u64 op, u64 a, u64 b, u64 d, u64 e)
{
    u64 block[] = {a, b, d, e};
    memcpy(ram(BLOCK), block, sizeof block);
    c->x[0] = op;
    c->x[1] = BLOCK;
    ck_assert_int_eq(semihost_call(&m, c), SEMIHOSTING_SERVED);
    return c->x[0];
}

static u64 with_name(u64 op, const char *name, u64 mode)
{
    strcpy((char *)ram(TEXT), name);
    return op == 1 ? call(op, TEXT, mode, strlen(name), 0) : call(op, TEXT, strlen(name), 0, 0);
}

static u64 error(void)
{
    c->x[0] = 0x13;
    semihost_call(&m, c);
    return c->x[0];
}

START_TEST(test_files)
{
    begin();
    u64 f = with_name(1, "hello", 0);
    ck_assert_uint_eq(f, 1);
    ck_assert_uint_eq(call(0x0c, f, 0, 0, 0), 11); /* FLEN */
    ck_assert_uint_eq(call(6, f, BUFFER, 100, 0), 89);
    ck_assert_int_eq(memcmp(ram(BUFFER), "Hello, file", 11), 0);
    ck_assert_uint_eq(call(6, f, BUFFER, 100, 0), 100); /* the end */
    ck_assert_uint_eq(call(0x0a, f, 7, 0, 0), 0);
    ck_assert_uint_eq(call(6, f, BUFFER, 4, 0), 0);
    ck_assert_int_eq(memcmp(ram(BUFFER), "file", 4), 0);
    ck_assert_uint_eq(call(9, f, 0, 0, 0), 0);      /* ISTTY */
    ck_assert_uint_eq(call(5, f, BUFFER, 4, 0), 4); /* opened for reading */
    ck_assert_uint_eq(error(), 9);
    ck_assert_uint_eq(call(2, f, 0, 0, 0), 0);
    ck_assert_uint_eq(call(2, f, 0, 0, 0), ~0ull);
    ck_assert_uint_eq(call(6, f, BUFFER, 4, 0), 4);

    f = with_name(1, "new", 4); /* w */
    memcpy(ram(BUFFER), "0123456789", 10);
    ck_assert_uint_eq(call(5, f, BUFFER, 10, 0), 0);
    ck_assert_uint_eq(call(5, f, HOLE, 10, 0), 10); /* no memory there */
    ck_assert_uint_eq(call(2, f, 0, 0, 0), 0);
    f = with_name(1, "new", 8); /* a */
    ck_assert_uint_eq(call(5, f, BUFFER, 3, 0), 0);
    ck_assert_uint_eq(call(0x0c, f, 0, 0, 0), 13);
    call(2, f, 0, 0, 0);
    strcpy((char *)ram(TEXT), "new");
    strcpy((char *)ram(TEXT2), "newer");
    ck_assert_uint_eq(call(0x0f, TEXT, 3, TEXT2, 5), 0);
    ck_assert_int_ne(access("in/new", F_OK), 0);
    ck_assert_int_eq(access("in/newer", F_OK), 0);
    ck_assert_uint_eq(with_name(0x0e, "newer", 0), 0);
    ck_assert_int_ne(access("in/newer", F_OK), 0);
    ck_assert_uint_eq(with_name(1, "absent", 0), ~0ull);
    ck_assert_uint_eq(error(), 2);
    end();
}
END_TEST

START_TEST(test_confined)
{
    static const char *const names[] = {"../outside", "/etc/passwd", "link", "fifo", ".", "..", "in/../../outside", ""};
    begin();
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        for (unsigned mode = 0; mode < 12; mode++) {
            ck_assert_msg(with_name(1, names[i], mode) == ~0ull, "%s, mode %u", names[i], mode);
            ck_assert_uint_ne(error(), 0);
        }
    ck_assert_uint_eq(with_name(0x0e, "../outside", 0), ~0ull);
    ck_assert_uint_eq(with_name(0x0e, "..", 0), ~0ull);
    strcpy((char *)ram(TEXT), "hello");
    strcpy((char *)ram(TEXT2), "../stolen");
    ck_assert_uint_eq(call(0x0f, TEXT, 5, TEXT2, 9), ~0ull);
    ck_assert_uint_eq(call(0x0f, TEXT2, 9, TEXT, 5), ~0ull);
    strcpy((char *)ram(TEXT), "exit 3");
    ck_assert_uint_eq(call(0x12, TEXT, 6, 0, 0), ~0ull); /* SYSTEM */
    ck_assert_uint_eq(error(), 1);
    config.semihosting_system = true;
    ck_assert_uint_eq(call(0x12, TEXT, 6, 0, 0), 3);
    ck_assert_uint_eq(call(0x12, HOLE, 6, 0, 0), ~0ull);
    config.semihosting_system = false;
    strcpy((char *)ram(TEXT), "hello");
    ck_assert_uint_eq(call(1, TEXT, 0, 100000, 0), ~0ull);
    ck_assert_uint_eq(call(1, HOLE, 0, 5, 0), ~0ull);
    ck_assert_uint_eq(call(1, TEXT, 12, 5, 0), ~0ull);
    c->x[0] = 1;
    c->x[1] = HOLE;
    ck_assert_int_eq(semihost_call(&m, c), SEMIHOSTING_SERVED);
    ck_assert_uint_eq(c->x[0], ~0ull);
    u64 n = 0;
    while (with_name(1, "hello", 0) != ~0ull)
        n++;
    ck_assert_uint_eq(n, SEMIHOST_HANDLES);
    ck_assert_uint_eq(error(), 24);
    semihost_reset(m.semihost);
    ck_assert_uint_eq(with_name(1, "hello", 0), 1);
    FILE *f = fopen("outside", "r");
    char text[10] = "";
    ck_assert(fgets(text, sizeof text, f));
    ck_assert_str_eq(text, "secret");
    fclose(f);
    c->ps.el = 0;
    ck_assert_int_eq(semihost_call(&m, c), SEMIHOSTING_NONE); /* only privileged code by default */
    end();
}
END_TEST

/* The console's input: what the UART holds, then what it did not take; waiting, and the end. */
START_TEST(test_input)
{
    begin();
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    m.console = console_new(fds[0], -1, false);
    m.uart_end = m.console;
    m.uart = pl011_new(&(struct pl011_config){.id = "uart", .log = &m.log, .clock = &m.clock});
    m.uart->dev.ops->reset(&m.uart->dev);
    c->x[0] = 7;
    ck_assert_int_eq(semihost_call(&m, c), SEMIHOSTING_AGAIN);
    ck_assert_uint_eq(c->x[0], 7);
    ck_assert(m.input_wanted);
    ck_assert_uint_eq(with_name(1, ":tt", 0), 1);
    ck_assert_int_eq(write(fds[1], "bcdef", 5), 5);
    pl011_input(m.uart, (const u8 *)"a", 1);
    console_poll(m.console);
    ck_assert_uint_eq(call(7, 0, 0, 0, 0), 'a');
    ck_assert_uint_eq(call(7, 0, 0, 0, 0), 'b');
    ck_assert_uint_eq(call(6, 1, BUFFER, 2, 0), 0);
    ck_assert_int_eq(memcmp(ram(BUFFER), "cd", 2), 0);
    ck_assert_uint_eq(call(6, 1, BUFFER, 100, 0), 98);
    ck_assert_int_eq(memcmp(ram(BUFFER), "ef", 2), 0);
    ck_assert_uint_eq(call(6, 1, BUFFER, 0, 0), 0);
    u64 block[] = {1, BUFFER, 100};
    memcpy(ram(BLOCK), block, sizeof block);
    c->x[0] = 6;
    c->x[1] = BLOCK;
    ck_assert_int_eq(semihost_call(&m, c), SEMIHOSTING_AGAIN);
    close(fds[1]);
    console_poll(m.console);
    ck_assert_uint_eq(call(6, 1, BUFFER, 100, 0), 100);
    ck_assert_uint_eq(call(7, 0, 0, 0, 0), ~0ull);
    free(m.uart);
    console_free(m.console);
    close(fds[0]);
    end();
}
END_TEST

START_TEST(test_the_rest)
{
    begin();
    u64 v[4];
    ck_assert_uint_eq(with_name(1, ":semihosting-features", 0), 1);
    ck_assert_uint_eq(call(6, 1, BUFFER, 5, 0), 0);
    ck_assert_int_eq(memcmp(ram(BUFFER), "SHFB\3", 5), 0);
    ck_assert_uint_eq(call(6, 1, BUFFER, 5, 0), 5);
    ck_assert_uint_eq(with_name(1, ":tt", 4), 2);
    ck_assert_uint_eq(call(9, 2, 0, 0, 0), 1);
    ck_assert_uint_eq(call(6, 2, BUFFER, 5, 0), 5);
    ck_assert_uint_eq(call(8, 0, 0, 0, 0), 0); /* ISERROR */
    ck_assert_uint_eq(call(8, ~0ull, 0, 0, 0), 1);
    m.clock.end = 12345678901ull;
    ck_assert_uint_eq(call(0x10, 0, 0, 0, 0), 1234);
    ck_assert_uint_eq(call(0x11, 0, 0, 0, 0), BOARD_RTC_START + 12u);
    ck_assert_uint_eq(call(0x31, 0, 0, 0, 0), 1000000000);
    ck_assert_uint_eq(call(0x30, 0, 0, 0, 0), 0);
    memcpy(v, ram(BLOCK), 8);
    ck_assert_uint_eq(v[0], 12345678901ull);
    ck_assert_uint_eq(call(0x15, BUFFER, 100, 0, 0), 0);
    ck_assert_str_eq((char *)ram(BUFFER), "prog a b");
    memcpy(v, ram(BLOCK), 16);
    ck_assert_uint_eq(v[1], 8);
    ck_assert_uint_eq(call(0x15, BUFFER, 8, 0, 0), ~0ull);
    ck_assert_uint_eq(call(0x16, BUFFER, 0, 0, 0), 0);
    memcpy(v, ram(BUFFER), 32);
    ck_assert(v[0] < v[1] && v[3] < v[2] && v[2] == RAM + 0x200000);
    ck_assert_uint_eq(call(0x0d, BUFFER, 10, 20, 0), 0); /* TMPNAM */
    ck_assert_str_eq((char *)ram(BUFFER), "elara-tmp-0a");
    ck_assert_uint_eq(call(0x0d, BUFFER, 256, 20, 0), ~0ull);
    ck_assert_uint_eq(call(0x0d, BUFFER, 1, 12, 0), ~0ull);
    ck_assert_uint_eq(call(0x0d, HOLE, 1, 20, 0), ~0ull);
    ck_assert_uint_eq(call(0x77, 0, 0, 0, 0), ~0ull);
    ck_assert_int_eq(m.stop, STOP_NONE);
    call(0x18, 0x20026, 7, 0, 0);
    ck_assert_int_eq(m.stop, STOP_EXIT);
    ck_assert_int_eq(m.exit_status, 7);
    call(0x20, 0x20026, 300, 0, 0); /* statuses from 100 on are Elara's */
    ck_assert_int_eq(m.exit_status, 99);
    call(0x20, 0x20024, 0, 0, 0); /* ended by an error */
    ck_assert_int_eq(m.exit_status, 1);
    end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("semihost");
    TCase *t = tcase_create("semihost");
    tcase_add_test(t, test_files);
    tcase_add_test(t, test_confined);
    tcase_add_test(t, test_input);
    tcase_add_test(t, test_the_rest);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
