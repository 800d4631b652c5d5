/* Power cuts: random writes, zeroing and flushes through the block layer, its log cut at 200 random points, any
 * subset of what followed the last fdatasync dropped.  What was flushed is there, and qemu-img (where it is
 * installed) finds the overlay sound but for clusters that nobody uses. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/le.h"
#include "machine/disk.h"
#include "machine/hostfile.h"

enum { SECTOR = 512, SECTORS = 6144, SIZE = SECTORS * SECTOR, OPS = 400, CUTS = 200, MAX_FILE = 6 << 20 };

static char dir[40], base[64], image[64], logfile[64], cut[64], err[600];
static u64 rng;
static u32 now[SECTORS];          /* stamp of each sector, 0: as the base has it, ZEROED: zeros */
static u32 history[OPS][SECTORS]; /* the stamps after each flush */
static u8 seen[OPS][SECTORS / 8]; /* sectors touched between flush i and i + 1 */
static unsigned flushes;
static u8 content[SIZE], before[MAX_FILE], after[MAX_FILE], got[SIZE];
static size_t before_n;

static u64 draw(u64 below)
{
    rng = rng * 6364136223846793005ull + 1442695040888963407ull;
    return (rng >> 33) % below;
}

static void stamp(u8 *p, u32 id, u32 sector)
{
    for (unsigned i = 0; i < SECTOR; i += 8) {
        put_le32(p + i, id);
        put_le32(p + i + 4, sector * 128 + i / 4);
    }
}

static size_t slurp(const char *path, u8 *p, size_t max)
{
    int fd = open(path, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ssize_t n = read(fd, p, max);
    ck_assert(n >= 0 && n < (ssize_t)max);
    close(fd);
    return (size_t)n;
}

static void spill(const char *path, const u8 *p, size_t n)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    ck_assert_int_eq(write(fd, p, n), (ssize_t)n);
    close(fd);
}

static void setup(void)
{
    strcpy(dir, "/tmp/elara-cut-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(base, sizeof base, "%s/base", dir);
    snprintf(image, sizeof image, "%s/image", dir);
    snprintf(logfile, sizeof logfile, "%s/log", dir);
    snprintf(cut, sizeof cut, "%s/cut", dir);
    rng = 7;
    for (u32 i = 0; i < SECTORS; i++)
        stamp(content + i * SECTOR, 0, i);
    memset(now, 0, sizeof now);
    memset(seen, 0, sizeof seen);
    flushes = 0;
    spill(base, content, SIZE);
}
static void teardown(void)
{
    unlink(base);
    unlink(image);
    unlink(logfile);
    unlink(cut);
    rmdir(dir);
}

static void touch(u32 sector, u32 n, u32 id)
{
    for (u32 i = sector; i < sector + n; i++) {
        now[i] = id;
        seen[flushes][i / 8] |= (u8)(1 << i % 8);
    }
}

/* The guest at work; operation i leaves stamp i. */
static void work(struct blockdev *d)
{
    static u8 buf[SIZE];
    for (u32 i = 1; i < OPS; i++) {
        u32 sector = (u32)draw(SECTORS), n = (u32)(draw(4) ? draw(16) : draw(400)) + 1;
        unsigned what = (unsigned)draw(16);
        if (draw(3) == 0)
            sector &= ~127u; /* whole clusters too */
        if (n > SECTORS - sector)
            n = SECTORS - sector;
        if (what < 11) {
            for (u32 k = 0; k < n; k++)
                stamp(buf + k * SECTOR, i, sector + k);
            ck_assert(d->ops->write(d, sector * SECTOR, buf, n * SECTOR));
            touch(sector, n, i);
        } else if (what < 13) {
            ck_assert(d->ops->discard(d, sector * SECTOR, n * SECTOR, true));
            touch(sector, n, ~0u);
        } else {
            memcpy(history[flushes], now, sizeof now);
            ck_assert(d->ops->flush(d));
            memcpy(history[++flushes], now, sizeof now);
        }
    }
}

/* Applies records [0, n) of the log, of those after the last sync only some; returns the guest's flushes. */
static unsigned rebuild(const u8 *log, size_t size, unsigned n, size_t *file_n)
{
    size_t at = 0, sync = 0;
    unsigned marks = 0;
    for (unsigned i = 0; i < n && at < size;
         i++, at += HOSTFILE_RECORD + (log[at] == 'W' ? get_le64(log + at + 16) : 0))
        if (log[at] == 'F')
            sync = at;
    memcpy(after, before, before_n);
    memset(after + before_n, 0, sizeof after - before_n);
    *file_n = before_n;
    at = 0;
    for (unsigned i = 0; i < n && at < size; i++) {
        u64 off = get_le64(log + at + 8), len = get_le64(log + at + 16);
        bool lost = at > sync && draw(2);
        ck_assert(off + len <= sizeof after);
        if (log[at] == 'W' && !lost)
            memcpy(after + off, log + at + HOSTFILE_RECORD, len);
        if (log[at] == 'Z' && !lost)
            memset(after + off, 0, len);
        if (log[at] == 'W' && !lost && off + len > *file_n)
            *file_n = off + len;
        marks += log[at] == 'G';
        at += HOSTFILE_RECORD + (log[at] == 'W' ? len : 0);
    }
    return marks;
}

/* Each sector holds what it had at the last flush, or something written since. */
static void verify(unsigned marks)
{
    u8 want[SECTOR];
    for (u32 s = 0; s < SECTORS; s++) {
        const u8 *p = got + s * SECTOR;
        bool zero = true;
        for (unsigned i = 0; i < SECTOR; i++)
            zero &= !p[i];
        u32 id = zero ? ~0u : get_le32(p), old = history[marks][s];
        if (!zero) {
            stamp(want, id, s);
            ck_assert_msg(!memcmp(want, p, SECTOR), "sector %u is torn", s);
        }
        bool since = seen[marks][s / 8] >> s % 8 & 1;
        ck_assert_msg(id == old || since, "sector %u holds %u, flushed was %u", s, id, old);
    }
}

static int qemu_img_check(void)
{
    char command[160];
    snprintf(command, sizeof command, "qemu-img check -f qcow2 %s >/dev/null 2>&1", cut);
    int r = system(command);
    return WIFEXITED(r) ? WEXITSTATUS(r) : -1;
}

static void cuts(struct blockdev *d, enum disk_format format)
{
    before_n = slurp(image, before, sizeof before);
    work(d);
    disk_close(d);
    static u8 log[64 << 20];
    size_t size = slurp(logfile, log, sizeof log);
    unsigned records = 0, syncs = 0, marks = 0, checked = 0;
    for (size_t at = 0; at < size; records++) {
        syncs += log[at] == 'F';
        marks += log[at] == 'G';
        at += HOSTFILE_RECORD + (log[at] == 'W' ? get_le64(log + at + 16) : 0);
    }
    ck_assert_uint_eq(marks, flushes);
    if (format == DISK_RAW)
        ck_assert_uint_eq(syncs, marks); /* one each */
    else
        ck_assert_uint_le(syncs, 2 * marks + 8);
    for (unsigned i = 0; i < CUTS; i++) {
        size_t n;
        marks = rebuild(log, size, (unsigned)draw(records + 1), &n);
        spill(cut, after, n);
        struct blockdev *r = disk_open_as(cut, format, DISK_READONLY, err, sizeof err);
        ck_assert_msg(r != NULL, "%s", err);
        ck_assert(r->ops->read(r, 0, got, SIZE));
        verify(marks);
        disk_close(r);
        bool look = format == DISK_QCOW2 && (i % 8 == 0 || getenv("ELARA_FULL"));
        int status = look ? qemu_img_check() : 127;
        ck_assert_msg(status == 0 || status == 3 || status == 127, "qemu-img check says %d after cut %u", status, i);
        checked += status != 127;
    }
    printf("%u records, %u syncs, %u flushes, %u cuts, %u checked by qemu-img\n", records, syncs, flushes, CUTS,
           checked);
}

START_TEST(test_raw)
{
    spill(image, content, SIZE);
    struct blockdev *d = disk_open_logged(image, DISK_RAW, DISK_RW, logfile, err, sizeof err);
    ck_assert_msg(d != NULL, "%s", err);
    cuts(d, DISK_RAW);
}
END_TEST

START_TEST(test_overlay)
{
    struct blockdev *d = disk_open_overlay(base, DISK_RAW, image, logfile, err, sizeof err);
    ck_assert_msg(d != NULL, "%s", err);
    cuts(d, DISK_QCOW2);
    d = disk_open_overlay(base, DISK_RAW, image, NULL, err, sizeof err); /* it survives the process */
    ck_assert_msg(d != NULL, "%s", err);
    ck_assert(d->ops->read(d, 0, got, SIZE));
    memcpy(history[flushes], now, sizeof now);
    memset(seen[flushes], 0, sizeof seen[0]);
    verify(flushes);
    ck_assert_ptr_null(disk_open_overlay(base, DISK_RAW, image, NULL, err, sizeof err)); /* one writer */
    disk_close(d);
    ck_assert_ptr_null(disk_open_overlay(cut, DISK_RAW, image, NULL, err, sizeof err));
    ck_assert_ptr_nonnull(strstr(err, "another disk"));
    ck_assert_uint_eq(slurp(base, before, sizeof before), SIZE);
    ck_assert(!memcmp(before, content, SIZE)); /* the base is as it was */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("power cut");
    TCase *t = tcase_create("power cut");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_raw);
    tcase_add_test(t, test_overlay);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
