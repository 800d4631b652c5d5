/* The 9P server: a session by hand, no way out of the directory, read-only shares, random messages. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/types.h"
#include "devices/le.h"
#include "machine/share.h"

static char dir[64];
static struct share *s;
static u8 req[8192], rep[8192];
static u32 n;

static void setup(void)
{
    char err[300];
    strcpy(dir, "/tmp/elara-share-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    s = share_open(dir, false, err, sizeof err);
    ck_assert_ptr_nonnull(s);
}
static void teardown(void)
{
    char cmd[100];
    share_close(s);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    ck_assert_int_eq(system(cmd), 0);
}

static void begin(u8 type)
{
    memset(req, 0, sizeof req);
    req[4] = type;
    req[5] = 0x34;
    n = 7;
}
static void num(u64 v, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        req[n++] = i < 8 ? (u8)(v >> (8 * i)) : 0;
}
static void str(const char *t)
{
    num(strlen(t), 2);
    memcpy(req + n, t, strlen(t));
    n += (u32)strlen(t);
}
/* Returns 0 or the errno; the reply's body is at rep + 7. */
static u32 call(void)
{
    put_le32(req, n);
    u32 len = share_handle(s, req, n, rep, sizeof rep);
    ck_assert(len >= 7 && get_le32(rep) == len && rep[5] == 0x34);
    if (rep[4] == 7)
        return get_le32(rep + 7);
    ck_assert_uint_eq(rep[4], req[4] + 1u);
    return 0;
}
static void attach(void)
{
    begin(100);
    num(8192, 4);
    str("9P2000.L");
    ck_assert_uint_eq(call(), 0);
    ck_assert(get_le32(rep + 7) == 8192 && !memcmp(rep + 13, "9P2000.L", 8));
    begin(104);
    num(1, 4);
    num(~0ull, 4);
    str("root");
    str("");
    num(0, 4);
    ck_assert_uint_eq(call(), 0);
    ck_assert_uint_eq(rep[7], 0x80);
}
static u32 walk(u32 from, u32 to, const char *name)
{
    begin(110);
    num(from, 4);
    num(to, 4);
    num(name != NULL, 2);
    if (name)
        str(name);
    return call();
}
static u32 create(u32 fid, const char *name)
{
    begin(14);
    num(fid, 4);
    str(name);
    num(02 | 0100, 4);
    num(0644, 4);
    num(0, 4);
    return call();
}

START_TEST(test_session)
{
    char path[128], text[16] = {0};
    attach();
    ck_assert_uint_eq(walk(1, 2, NULL), 0);
    ck_assert_uint_eq(get_le16(rep + 7), 0);
    ck_assert_uint_eq(create(2, "hello"), 0);
    begin(118);
    num(2, 4);
    num(0, 8);
    num(5, 4);
    memcpy(req + n, "world", 5);
    n += 5;
    ck_assert_uint_eq(call(), 0);
    ck_assert_uint_eq(get_le32(rep + 7), 5);
    snprintf(path, sizeof path, "%s/hello", dir);
    FILE *f = fopen(path, "r");
    ck_assert(fread(text, 1, 16, f) == 5 && !strcmp(text, "world"));
    fclose(f);
    begin(116); /* read */
    num(2, 4);
    num(1, 8);
    num(100, 4);
    ck_assert_uint_eq(call(), 0);
    ck_assert(get_le32(rep + 7) == 4 && !memcmp(rep + 11, "orld", 4));
    begin(24); /* getattr */
    num(2, 4);
    num(0x7ff, 8);
    ck_assert_uint_eq(call(), 0);
    ck_assert_uint_eq(get_le64(rep + 7 + 8 + 13 + 12 + 16), 5);
    begin(26); /* truncate */
    num(2, 4);
    num(8, 4);
    num(0, 12);
    num(2, 8);
    num(0, 32);
    ck_assert_uint_eq(call(), 0);
    struct stat st;
    ck_assert(stat(path, &st) == 0 && st.st_size == 2);
    begin(72);
    num(1, 4);
    str("sub");
    num(0755, 4);
    num(0, 4);
    ck_assert_uint_eq(call(), 0);
    begin(74);
    num(1, 4);
    str("hello");
    num(1, 4);
    str("there");
    ck_assert_uint_eq(call(), 0);
    ck_assert_uint_eq(walk(1, 3, NULL), 0);
    begin(12);
    num(3, 4);
    num(0, 4);
    ck_assert_uint_eq(call(), 0);
    begin(40); /* readdir: ., .., sub, there */
    num(3, 4);
    num(0, 8);
    num(4000, 4);
    ck_assert_uint_eq(call(), 0);
    unsigned count = 0;
    for (u32 at = 11; at < 11 + get_le32(rep + 7); at += 24 + get_le16(rep + at + 22))
        count++;
    ck_assert_uint_eq(count, 4);
    begin(76);
    num(1, 4);
    str("sub");
    num(0x200, 4);
    ck_assert_uint_eq(call(), 0);
    ck_assert_uint_eq(walk(1, 4, "sub"), ENOENT);
    begin(120);
    num(2, 4);
    ck_assert_uint_eq(call(), 0);
    ck_assert_uint_eq(call(), EBADF);
    begin(30);
    ck_assert_uint_eq(call(), EOPNOTSUPP);
}
END_TEST

START_TEST(test_prison)
{
    char path[128];
    attach();
    ck_assert_uint_eq(walk(1, 2, ".."), ENOENT);
    ck_assert_uint_eq(walk(1, 2, "/etc"), ENOENT);
    ck_assert_uint_eq(walk(1, 2, ""), ENOENT);
    snprintf(path, sizeof path, "%s/out", dir);
    ck_assert_int_eq(symlink("/etc", path), 0);
    ck_assert_uint_eq(walk(1, 2, "out"), 0); /* the link itself */
    ck_assert_uint_eq(get_le16(rep + 7), 1);
    ck_assert_uint_eq(rep[9], 2);
    begin(110); /* two steps, of which the second fails: one qid, no fid */
    num(1, 4);
    num(7, 4);
    num(2, 2);
    str("out");
    str("passwd");
    ck_assert_uint_eq(call(), 0);
    ck_assert(get_le32(rep) == 9 + 13 && get_le16(rep + 7) == 1);
    ck_assert_uint_eq(walk(7, 8, NULL), EBADF);
    ck_assert_uint_eq(walk(2, 3, "passwd"), ENOTDIR);
    begin(12);
    num(2, 4);
    num(0, 4);
    ck_assert_uint_eq(call(), EACCES);
    begin(22);
    num(2, 4);
    ck_assert_uint_eq(call(), 0);
    ck_assert(!memcmp(rep + 9, "/etc", 4));
    ck_assert_uint_eq(walk(1, 4, NULL), 0);
    ck_assert_uint_ne(create(4, "out"), 0);
    ck_assert_uint_eq(create(4, "../x"), EINVAL);
    snprintf(path, sizeof path, "%s/fifo", dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_uint_eq(walk(1, 5, "fifo"), 0);
    begin(12);
    num(5, 4);
    num(0, 4);
    ck_assert_uint_eq(call(), EACCES);
}
END_TEST

START_TEST(test_readonly)
{
    char err[300];
    share_close(s);
    ck_assert_ptr_null(share_open("/nowhere", true, err, sizeof err));
    s = share_open(dir, true, err, sizeof err);
    attach();
    ck_assert_uint_eq(walk(1, 2, NULL), 0);
    ck_assert_uint_eq(create(2, "x"), EROFS);
    begin(12);
    num(2, 4);
    num(1, 4);
    ck_assert_uint_eq(call(), EROFS);
}
END_TEST

START_TEST(test_random)
{
    static const u8 types[] = {8,  12, 14, 16, 22,  24,  26,  40,  50,  52,  54,
                               70, 72, 74, 76, 100, 104, 108, 110, 116, 118, 120};
    u64 r = 9;
    attach();
    for (unsigned i = 0; i < 100000; i++) {
        r = r * 6364136223846793005ull + 1442695040888963407ull;
        begin(types[(r >> 33) % ARRAY_LEN(types)]);
        unsigned words = (unsigned)(r >> 45) % 12;
        for (unsigned k = 0; k < words; k++) {
            r = r * 6364136223846793005ull + 1442695040888963407ull;
            switch (r >> 61) {
            case 0: num(r >> 33, 4); break;
            case 1: str((r >> 40 & 1) ? "a" : "bc"); break;
            case 2: num(r >> 30 & 0xff, 2); break;
            default: num(r >> 40 & 7, 4); break;
            }
        }
        if (req[4] == 26) /* no chmod that would lock the test out */
            put_le32(req + 11, get_le32(req + 11) & ~7u);
        if (req[4] == 26 && get_le32(req + 11) & 8)
            put_le64(req + 27, get_le64(req + 27) & 0xffff);
        put_le32(req, (r >> 50 & 63) ? n : (u32)(r >> 33));
        u32 max = (r >> 56 & 7) ? 4096u : (u32)(r >> 33 & 63);
        u32 len = share_handle(s, req, n, rep, max);
        ck_assert_uint_le(len, max);
        if (i % 1000 == 0)
            attach();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("share");
    TCase *t = tcase_create("share");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_session);
    tcase_add_test(t, test_prison);
    tcase_add_test(t, test_readonly);
    tcase_add_test(t, test_random);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
