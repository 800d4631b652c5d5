/* qcow2 images: opened in every mode, read all over; backing files are looked for in a directory that has none. */
#include "core/snap.h"
#include "file.h"
#include "machine/disk.h"

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

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    static bool once;
    if (!once && chdir("/proc/self/task") != 0)
        abort();
    once = true;
    struct file f = file_make(data, n);
    use(f.path, DISK_READONLY);
    use(f.path, DISK_COW);
    use(f.path, DISK_RW); /* last: it changes the file */
    close(f.fd);
    return 0;
}
