/* Disk images: raw in all modes, the copy-on-write layer and its snapshots, qcow2 with zero, compressed and
 * backed clusters, damaged qcow2 files. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "core/snap.h"
#include "core/types.h"
#include "devices/le.h"
#include "machine/disk.h"

enum { SIZE = 1 << 20, CLUSTER = 65536 };

static char dir[] = "/tmp/elara-disk-XXXXXX", raw[64], qcow[64], err[600];
static u8 want[SIZE], got[SIZE];

static void setup(void)
{
    strcpy(dir, "/tmp/elara-disk-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(raw, sizeof raw, "%s/disk.raw", dir);
    snprintf(qcow, sizeof qcow, "%s/disk.qcow2", dir);
    u64 r = 1;
    for (unsigned i = 0; i < SIZE; i++) {
        r = r * 6364136223846793005ull + 1;
        want[i] = i / CLUSTER % 3 == 1 ? 0 : i / CLUSTER % 3 == 2 ? (u8)(i / 1000) : (u8)(r >> 56);
    }
    int fd = open(raw, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_eq(write(fd, want, SIZE), SIZE);
    close(fd);
}
static void teardown(void)
{
    unlink(raw);
    unlink(qcow);
    rmdir(dir);
}

static struct blockdev *must(const char *path, enum disk_format format, enum disk_mode mode)
{
    struct blockdev *d = disk_open_as(path, format, mode, err, sizeof err);
    ck_assert_msg(d != NULL, "%s", err);
    return d;
}

static void expect(struct blockdev *d)
{
    memset(got, 0xee, SIZE);
    ck_assert(d->ops->read(d, 0, got, SIZE) && !memcmp(got, want, SIZE));
    for (unsigned off = 0; off < SIZE - 70000; off += 39936) {
        ck_assert(d->ops->read(d, off, got, 69632) && !memcmp(got, want + off, 69632));
    }
}

static void change(struct blockdev *d, unsigned off, unsigned n, u8 v)
{
    memset(want + off, v, n);
    ck_assert(d->ops->write(d, off, want + off, n));
}

START_TEST(test_cow)
{
    struct blockdev *d = must(raw, DISK_PROBE, DISK_COW);
    ck_assert_uint_eq(d->size, SIZE);
    expect(d);
    change(d, 512, 512, 1);
    change(d, 4096 * 5 - 512, 8192, 2);
    ck_assert(d->ops->discard(d, 65536 - 1024, 4096, true));
    memset(want + 65536 - 1024, 0, 4096);
    ck_assert(d->ops->discard(d, 0, 4096, false) && d->ops->flush(d));
    expect(d);
    struct snap s = {.mode = SNAP_SAVE};
    d->ops->state(d, &s);
    change(d, 0, SIZE, 9);
    struct snap l = {.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
    d->ops->state(d, &l);
    ck_assert(!l.failed && l.pos == s.pos);
    ck_assert(d->ops->read(d, 0, got, SIZE) && got[512] == 1 && got[100] != 9 && got[65536] == 0);
    snap_free(&s);
    disk_close(d);
    struct stat st;
    stat(raw, &st);
    d = must(raw, DISK_RAW, DISK_READONLY); /* the file was not touched */
    ck_assert(d->readonly && d->ops->read(d, 512, got, 1) && got[0] != 1 && !d->ops->write(d, 0, got, 512));
    ck_assert_int_eq(st.st_size, SIZE);
    disk_close(d);
}
END_TEST

START_TEST(test_rw)
{
    struct blockdev *d = must(raw, DISK_RAW, DISK_RW);
    change(d, 1024, 2048, 7);
    ck_assert_ptr_null(disk_open(raw, DISK_RW, err, sizeof err)); /* one writer at a time */
    ck_assert(d->ops->discard(d, 8192, 8192, true) && d->ops->flush(d));
    memset(want + 8192, 0, 8192);
    disk_close(d);
    d = must(raw, DISK_RAW, DISK_COW);
    expect(d);
    disk_close(d);
    ck_assert_ptr_null(disk_open("/nowhere/disk", DISK_COW, err, sizeof err));
    ck_assert_str_eq(err, "/nowhere/disk: No such file or directory");
    ck_assert_ptr_null(disk_open("/tmp", DISK_COW, err, sizeof err));
    ck_assert_int_eq(truncate(raw, 1000), 0);
    d = must(raw, DISK_RAW, DISK_COW); /* an odd size is rounded up */
    ck_assert(d->size == 1024 && d->ops->read(d, 0, got, 1024) && got[999] == want[999] && got[1000] == 0);
    disk_close(d);
}
END_TEST

/* Writes want as qcow2: clusters in turn from the backing file or stored, zero, deflated. */
static void make_qcow2(const char *backing)
{
    static u8 file[64 * CLUSTER];
    u64 next = 3;
    memset(file, 0, sizeof file);
    put_be32(file, 0x514649fb);
    put_be32(file + 4, 3);
    put_be32(file + 20, 16);
    put_be64(file + 24, SIZE);
    put_be32(file + 36, 1);
    put_be64(file + 40, CLUSTER);
    put_be32(file + 100, 104);
    if (backing) {
        put_be32(file + 104, 0xe2792aca);
        put_be32(file + 108, 3);
        memcpy(file + 112, "raw", 3);
        put_be64(file + 8, 256);
        put_be32(file + 16, (u32)strlen(backing));
        memcpy(file + 256, backing, strlen(backing));
    }
    put_be64(file + CLUSTER, 1ull << 63 | 2 * CLUSTER);
    for (unsigned i = 0; i < SIZE / CLUSTER; i++) {
        u64 entry = 0, at = next * CLUSTER;
        if (i % 3 == 0 && (!backing || i % 2)) {
            entry = 1ull << 63 | at;
            memcpy(file + at, want + i * CLUSTER, CLUSTER);
            next++;
        } else if (i % 3 == 1) {
            entry = 1;
        } else if (i % 3 == 2) {
            at += 100; /* compressed data begins anywhere */
            z_stream z = {
                .next_in = want + i * CLUSTER, .avail_in = CLUSTER, .next_out = file + at, .avail_out = CLUSTER};
            ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, -12, 8, Z_DEFAULT_STRATEGY), Z_OK);
            ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
            entry = 1ull << 62 | (at % 512 + z.total_out - 1) / 512 << (62 - 8) | at;
            deflateEnd(&z);
            next++;
        }
        put_be64(file + 2 * CLUSTER + 8 * i, entry);
    }
    int fd = open(qcow, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    ck_assert_int_eq(write(fd, file, next * CLUSTER), (ssize_t)(next * CLUSTER));
    close(fd);
}

START_TEST(test_qcow2)
{
    make_qcow2(NULL);
    struct blockdev *d = must(qcow, DISK_PROBE, DISK_COW);
    ck_assert_uint_eq(d->size, SIZE);
    expect(d);
    change(d, 1000 * 512, 512 * 300, 5);
    expect(d);
    disk_close(d);
    ck_assert_ptr_null(disk_open(qcow, DISK_RW, err, sizeof err));
    ck_assert_ptr_nonnull(strstr(err, "qcow2"));
    d = must(qcow, DISK_RAW, DISK_COW); /* as it is, when told so */
    ck_assert(d->ops->read(d, 0, got, 512) && !memcmp(got, "QFI", 3));
    disk_close(d);
    ck_assert_ptr_null(disk_open_as(raw, DISK_QCOW2, DISK_COW, err, sizeof err));
}
END_TEST

START_TEST(test_backing)
{
    make_qcow2("disk.raw");
    struct blockdev *d = must(qcow, DISK_QCOW2, DISK_READONLY);
    expect(d);
    disk_close(d);
    make_qcow2("disk.qcow2"); /* a raw backing file, whatever it looks like: no loop */
    d = must(qcow, DISK_QCOW2, DISK_READONLY);
    disk_close(d);
    make_qcow2("missing");
    ck_assert_ptr_null(disk_open(qcow, DISK_COW, err, sizeof err));
    ck_assert_ptr_nonnull(strstr(err, "missing"));
}
END_TEST

static int run(const char *command)
{
    int r = system(command);
    return WIFEXITED(r) ? WEXITSTATUS(r) : -1;
}

/* An image made by qemu-img is written to in every way; qemu-img finds it sound, without a lost cluster, and
 * with the same content. */
static void write_foreign(const char *how)
{
    char command[300];
    snprintf(command, sizeof command, "qemu-img convert -O qcow2 %s %s %s >/dev/null 2>&1", how, raw, qcow);
    if (run(command) != 0)
        return; /* not installed */
    struct blockdev *d = must(qcow, DISK_QCOW2, DISK_RW);
    expect(d);
    change(d, 512, 512, 1);                /* within a cluster */
    change(d, 3 * CLUSTER - 512, 1024, 2); /* across two */
    change(d, 4 * CLUSTER, 3 * CLUSTER, 3);
    ck_assert(d->ops->flush(d));
    ck_assert(d->ops->discard(d, 5 * CLUSTER, CLUSTER, true) &&
              d->ops->discard(d, 8 * CLUSTER + 512, 2 * CLUSTER, true));
    memset(want + 5 * CLUSTER, 0, CLUSTER);
    memset(want + 8 * CLUSTER + 512, 0, 2 * CLUSTER);
    ck_assert(d->ops->flush(d));
    change(d, 5 * CLUSTER + 1024, 512, 4); /* into what was zeroed */
    expect(d);
    disk_close(d);
    snprintf(command, sizeof command, "qemu-img check -q %s >/dev/null", qcow);
    ck_assert_int_eq(run(command), 0);
    int fd = open(raw, O_WRONLY);
    ck_assert_int_eq(write(fd, want, SIZE), SIZE);
    close(fd);
    snprintf(command, sizeof command, "qemu-img compare -q %s %s >/dev/null", raw, qcow);
    ck_assert_int_eq(run(command), 0);
    d = must(qcow, DISK_QCOW2, DISK_READONLY);
    expect(d);
    disk_close(d);
    unlink(qcow);
}

START_TEST(test_write_plain) { write_foreign(""); }
END_TEST
START_TEST(test_write_v2) { write_foreign("-o compat=0.10"); }
END_TEST
START_TEST(test_write_small) { write_foreign("-o cluster_size=512"); }
END_TEST
START_TEST(test_write_deflate) { write_foreign("-c"); }
END_TEST
START_TEST(test_write_zstd) { write_foreign("-c -o compression_type=zstd"); }
END_TEST

/* Every byte of header and tables damaged in turn: an error or other data, no crash. */
START_TEST(test_damage)
{
    make_qcow2("disk.raw");
    int fd = open(qcow, O_RDWR);
    for (unsigned i = 0; i < 400 + 2 * 8 * 16; i++) {
        off_t at = i < 400 ? (off_t)i : i < 528 ? (off_t)(CLUSTER + i - 400) : (off_t)(2 * CLUSTER + i - 528);
        u8 old, bad[3] = {0xff, 0, 0x80};
        ck_assert_int_eq(pread(fd, &old, 1, at), 1);
        for (unsigned k = 0; k < 3; k++) {
            ck_assert_int_eq(pwrite(fd, &bad[k], 1, at), 1);
            struct blockdev *d = disk_open_as(qcow, DISK_QCOW2, DISK_COW, err, sizeof err);
            if (d)
                (void)d->ops->read(d, 0, got, d->size < SIZE ? d->size : SIZE);
            disk_close(d);
        }
        ck_assert_int_eq(pwrite(fd, &old, 1, at), 1);
    }
    close(fd);
    for (off_t n = 0; n < 5 * CLUSTER; n += 9973) {
        make_qcow2(NULL);
        ck_assert_int_eq(truncate(qcow, n), 0);
        struct blockdev *d = disk_open_as(qcow, DISK_QCOW2, DISK_COW, err, sizeof err);
        if (d)
            ck_assert(!d->ops->read(d, 0, got, SIZE));
        disk_close(d);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("disk");
    TCase *t = tcase_create("disk");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_cow);
    tcase_add_test(t, test_rw);
    tcase_add_test(t, test_qcow2);
    tcase_add_test(t, test_backing);
    tcase_add_test(t, test_write_plain);
    tcase_add_test(t, test_write_v2);
    tcase_add_test(t, test_write_small);
    tcase_add_test(t, test_write_deflate);
    tcase_add_test(t, test_write_zstd);
    tcase_add_test(t, test_damage);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
