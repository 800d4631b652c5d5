/* Disk images with an optional copy-on-write layer in memory.
 *
 * The layer holds whole blocks of BLOCK bytes, found by a table of tables; a block is there once any of
 * it was written.  It is the guest-visible part of the disk's state, so snapshots hold it; the file (and
 * with DISK_RW everything) is the host's. */
#include "machine/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/snap.h"
#include "machine/qcow2.h"

enum { BLOCK = 4096, LEAF = 512, SECTOR = 512 };

struct leaf {
    u8 *block[LEAF];
};

struct disk {
    struct blockdev dev;
    struct hostfile file; /* fd -1: none */
    struct qcow2 *qcow2;  /* instead of file */
    enum disk_mode mode;
    FILE *log;
    struct leaf **leaf; /* [leaves]; NULL where nothing was written */
    u64 leaves;
};

static struct disk *self(struct blockdev *d) { return container_of(d, struct disk, dev); }

static bool file_read(struct disk *d, u64 off, u8 *buf, size_t n)
{
    u64 end = d->qcow2 ? qcow2_size(d->qcow2) : d->file.fd < 0 ? 0 : ~0ull;
    if (off >= end || n > end - off) { /* the copy-on-write layer's last block reaches beyond */
        size_t k = off < end ? (size_t)(end - off) : 0;
        memset(buf + k, 0, n - k);
        n = k;
    }
    return d->qcow2 ? qcow2_read(d->qcow2, off, buf, n) : !n || hostfile_read_padded(&d->file, off, buf, n);
}

static bool file_write(struct disk *d, u64 off, const u8 *buf, size_t n)
{
    return d->qcow2 ? qcow2_write(d->qcow2, off, buf, n) : hostfile_write(&d->file, off, buf, n);
}

/* ---- copy on write -------------------------------------------------------------------------- */

static u8 *find_block(const struct disk *d, u64 n)
{
    const struct leaf *l = d->leaf[n / LEAF];
    return l ? l->block[n % LEAF] : NULL;
}

/* The block, made if need be; its content is not filled in. */
static u8 *make_block(struct disk *d, u64 n)
{
    struct leaf **l = &d->leaf[n / LEAF];
    if (!*l) {
        *l = calloc(1, sizeof **l);
        CHECK(*l);
    }
    u8 **b = &(*l)->block[n % LEAF];
    if (!*b) {
        *b = calloc(1, BLOCK);
        CHECK(*b);
    }
    return *b;
}

static void drop_blocks(struct disk *d)
{
    for (u64 i = 0; d->leaf && i < d->leaves; i++) {
        if (!d->leaf[i])
            continue;
        for (unsigned k = 0; k < LEAF; k++)
            free(d->leaf[i]->block[k]);
        free(d->leaf[i]);
        d->leaf[i] = NULL;
    }
}

/* buf NULL: zeros. */
static bool cow_write(struct disk *d, u64 off, const u8 *buf, size_t n)
{
    while (n) {
        size_t at = off % BLOCK, k = BLOCK - at < n ? BLOCK - at : n;
        u8 whole[BLOCK];
        u8 *b = find_block(d, off / BLOCK);
        if (!b) {
            if (k < BLOCK && !file_read(d, off - at, whole, BLOCK))
                return false;
            b = make_block(d, off / BLOCK);
            if (k < BLOCK)
                memcpy(b, whole, BLOCK);
        }
        if (buf)
            memcpy(b + at, buf, k);
        else
            memset(b + at, 0, k);
        buf = buf ? buf + k : NULL;
        off += k;
        n -= k;
    }
    return true;
}

/* ---- the interface -------------------------------------------------------------------------- */

static bool disk_read(struct blockdev *dev, u64 off, void *buf, size_t n)
{
    struct disk *d = self(dev);
    if (d->mode != DISK_COW)
        return file_read(d, off, buf, n);
    for (u8 *p = buf; n;) {
        /* As many blocks as come from the same place, unless from memory. */
        size_t at = off % BLOCK, k = BLOCK - at < n ? BLOCK - at : n;
        const u8 *b = find_block(d, off / BLOCK);
        if (b) {
            memcpy(p, b + at, k);
        } else {
            while (k < n && !find_block(d, (off + k) / BLOCK))
                k = n - k < BLOCK ? n : k + BLOCK;
            if (!file_read(d, off, p, k))
                return false;
        }
        p += k;
        off += k;
        n -= k;
    }
    return true;
}

static bool disk_write(struct blockdev *dev, u64 off, const void *buf, size_t n)
{
    struct disk *d = self(dev);
    return d->mode == DISK_COW ? cow_write(d, off, buf, n) : d->mode == DISK_RW && file_write(d, off, buf, n);
}

static bool disk_flush(struct blockdev *dev)
{
    struct disk *d = self(dev);
    if (d->mode != DISK_RW)
        return true;
    if (!(d->qcow2 ? qcow2_flush(d->qcow2) : hostfile_sync(&d->file)))
        return false;
    hostfile_mark(&(struct hostfile){.log = d->log});
    return true;
}

static bool disk_discard(struct blockdev *dev, u64 off, u64 n, bool zero)
{
    struct disk *d = self(dev);
    if (d->mode == DISK_COW)
        return !zero || cow_write(d, off, NULL, n);
    if (d->mode != DISK_RW)
        return false;
    return d->qcow2 ? qcow2_zero(d->qcow2, off, n) : hostfile_zero(&d->file, off, n);
}

static u64 next_block(const struct disk *d, u64 n)
{
    for (; n / LEAF < d->leaves; n++) {
        if (!d->leaf[n / LEAF])
            n |= LEAF - 1;
        else if (find_block(d, n))
            return n;
    }
    return ~0ull;
}

static void disk_state(struct blockdev *dev, struct snap *s)
{
    struct disk *d = self(dev);
    if (d->mode != DISK_COW)
        return;
    if (s->mode == SNAP_LOAD)
        drop_blocks(d);
    u64 n = s->mode == SNAP_LOAD ? 0 : next_block(d, 0);
    for (;; n = s->mode == SNAP_LOAD ? n : next_block(d, n + 1)) {
        snap_bytes(s, "block", &n, sizeof n);
        if (n == ~0ull || s->failed)
            return;
        if (n >= (d->dev.size + BLOCK - 1) / BLOCK) {
            s->failed = true;
            return;
        }
        snap_bytes(s, "bytes", make_block(d, n), BLOCK);
    }
}

static const struct blockdev_ops ops = {
    .read = disk_read, .write = disk_write, .flush = disk_flush, .discard = disk_discard, .state = disk_state};

static struct disk *new_disk(struct hostfile f, enum disk_mode mode, u64 size)
{
    struct disk *d = calloc(1, sizeof *d);
    CHECK(d);
    d->dev = (struct blockdev){.ops = &ops, .size = align_up(size, SECTOR), .readonly = mode == DISK_READONLY};
    d->file = f;
    d->mode = mode;
    if (mode == DISK_COW) {
        d->leaves = (size + (u64)BLOCK * LEAF - 1) / ((u64)BLOCK * LEAF);
        d->leaf = calloc(d->leaves + 1, sizeof *d->leaf);
        CHECK(d->leaf);
    }
    return d;
}

struct blockdev *disk_memory(u64 size) { return &new_disk((struct hostfile){.fd = -1}, DISK_COW, size)->dev; }

static struct blockdev *open_qcow2(struct hostfile f, const char *path, enum disk_mode mode, char *err, size_t err_size)
{
    struct qcow2 *q = qcow2_open(f, path, mode == DISK_RW, err, err_size);
    if (!q)
        return NULL;
    struct disk *d = new_disk((struct hostfile){.fd = -1}, mode, qcow2_size(q));
    d->qcow2 = q;
    return &d->dev;
}

static struct blockdev *open_file(struct hostfile f, const char *path, enum disk_format format, enum disk_mode mode,
                                  char *err, size_t err_size)
{
    struct stat st;
    off_t size = -1;
    if (fstat(f.fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
        size = lseek(f.fd, 0, SEEK_END);
    if (size >= 0 && (format == DISK_QCOW2 || (format == DISK_PROBE && qcow2_probe(f.fd))))
        return open_qcow2(f, path, mode, err, err_size);
    if (size < 0) {
        snprintf(err, err_size, "%s: neither a file nor a block device", path);
    } else if (mode == DISK_RW && flock(f.fd, LOCK_EX | LOCK_NB) != 0) {
        snprintf(err, err_size, "%s: another program has it open for writing", path);
    } else {
        return &new_disk(f, mode, (u64)size)->dev;
    }
    close(f.fd);
    return NULL;
}

struct blockdev *disk_open_logged(const char *path, enum disk_format format, enum disk_mode mode, const char *log,
                                  char *err, size_t err_size)
{
    struct hostfile f = {.fd = open(path, (mode == DISK_RW ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK)};
    if (f.fd < 0) {
        snprintf(err, err_size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    if (log && !(f.log = fopen(log, "wb"))) {
        snprintf(err, err_size, "%s: %s", log, strerror(errno));
        close(f.fd);
        return NULL;
    }
    struct blockdev *d = open_file(f, path, format, mode, err, err_size);
    if (d)
        self(d)->log = f.log;
    else if (f.log)
        fclose(f.log);
    return d;
}

struct blockdev *disk_open_as(const char *path, enum disk_format format, enum disk_mode mode, char *err,
                              size_t err_size)
{
    return disk_open_logged(path, format, mode, NULL, err, err_size);
}

/* The overlay exists: is it one of this disk? */
static bool belongs(const struct blockdev *overlay, const char *path)
{
    struct stat st;
    u64 dev, ino;
    const struct disk *d = container_of(overlay, struct disk, dev);
    return d->qcow2 && stat(path, &st) == 0 && qcow2_backed_by(d->qcow2, &dev, &ino) && dev == st.st_dev &&
           ino == st.st_ino;
}

struct blockdev *disk_open_overlay(const char *path, enum disk_format format, const char *overlay, const char *log,
                                   char *err, size_t err_size)
{
    if (access(overlay, F_OK) != 0) {
        struct blockdev *base = disk_open_as(path, format, DISK_READONLY, err, err_size);
        if (!base)
            return NULL;
        bool qcow2 = self(base)->qcow2;
        u64 size = base->size;
        disk_close(base);
        if (!qcow2_create(overlay, path, qcow2 ? "qcow2" : "raw", size, err, err_size))
            return NULL;
    }
    struct blockdev *d = disk_open_logged(overlay, DISK_QCOW2, DISK_RW, log, err, err_size);
    if (d && !belongs(d, path)) {
        snprintf(err, err_size, "%s is an overlay of another disk than %s; give a new name for one of this disk",
                 overlay, path);
        disk_close(d);
        return NULL;
    }
    return d;
}

struct blockdev *disk_open(const char *path, enum disk_mode mode, char *err, size_t err_size)
{
    return disk_open_as(path, DISK_PROBE, mode, err, err_size);
}

void disk_close(struct blockdev *dev)
{
    if (!dev)
        return;
    struct disk *d = self(dev);
    drop_blocks(d);
    free(d->leaf);
    qcow2_close(d->qcow2);
    if (d->file.fd >= 0)
        close(d->file.fd);
    if (d->log)
        fclose(d->log);
    free(d);
}
