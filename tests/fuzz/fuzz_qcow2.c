/* qcow2 images: opened in every mode, read and written all over.  Backing files are looked for in a directory that has
 * two: "b", raw, and "q", the qcow2 image made of it. */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/snap.h"
#include "file.h"
#include "machine/disk.h"
#include "machine/qcow2.h"

enum { PIECE = 4096, LOOK = 64 };

static void use(const char *path, enum disk_mode mode)
{
    static u8 buf[3 * PIECE];
    char err[600];
    struct blockdev *d = disk_open_as(path, DISK_QCOW2, mode, err, sizeof err);
    for (u64 i = 0; d && i < LOOK; i++) {
        u64 off = i * (d->size / LOOK) / 512 * 512;
        if (off + sizeof buf > d->size)
            break;
        (void)d->ops->read(d, off, buf, i % 4 == 3 ? sizeof buf : 512);
        if (mode == DISK_READONLY)
            continue;
        if (i % 3 == 0)
            (void)d->ops->write(d, off + 512, buf, i % 2 ? PIECE : 512);
        if (i % 16 == 5)
            (void)d->ops->discard(d, off, 2 * PIECE, i % 32 == 5);
    }
    if (d)
        (void)d->ops->flush(d);
    disk_close(d);
}

static char home[64];

static void at_exit(void)
{
    unlink("b");
    unlink("q");
    rmdir(home);
}

static void make_home(void)
{
    char err[600];
    u8 b[5000];
    snprintf(home, sizeof home, "/dev/shm/elara-fuzz-qcow2-%d", (int)getpid());
    if (mkdir(home, 0700) != 0 || chdir(home) != 0)
        abort();
    atexit(at_exit);
    int fd = open("b", O_CREAT | O_WRONLY, 0600);
    memset(b, 0x5a, sizeof b);
    if (write(fd, b, sizeof b) != sizeof b || close(fd) != 0 || !qcow2_create("q", "b", "raw", 8192, err, sizeof err))
        abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    if (!*home)
        make_home();
    struct file f = file_make(data, n);
    char name[16]; /* relative, so that backing files are relative to this directory */
    snprintf(name, sizeof name, "f%d", f.fd);
    if (symlink(f.path, name) != 0)
        abort();
    use(name, DISK_READONLY);
    use(name, DISK_COW);
    use(name, DISK_RW); /* last: it changes the file */
    unlink(name);
    close(f.fd);
    return 0;
}
