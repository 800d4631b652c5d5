/* Reading qcow2 images (QEMU's docs/interop/qcow2): two levels of tables lead from a guest cluster to a place
 * in the file, to zeros, to deflated data, or to the backing file.
 *
 *   L1 entry: offset of an L2 table 55:9 | L2 entry: compressed 62 | standard: offset 55:9, all zeros 0
 *                                          | compressed: sectors - 1, then offset; split at 62 - (cluster_bits - 8)
 *
 * The image is somebody else's file: every number in it is checked before it is used, and a file that
 * makes no sense gives input/output errors, or is refused at once.
 *
 * Not read: encrypted images, external data files, extended L2 entries; internal snapshots are ignored.
 * Writing is in qcow2_write.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#ifdef ELARA_ZSTD
#include <zstd.h>
#endif

#include "core/bits.h"
#include "core/check.h"
#include "devices/le.h"
#include "machine/qcow2_internal.h"

enum { SECTOR = 512, MAX_DEPTH = 16, MAX_NAME = 1023 };
enum { INCOMPATIBLE_DIRTY = 1, EXT_END = 0, MAX_L1 = 32 << 20 };

static u64 cluster(const struct qcow2 *q) { return qcow2_cluster(q); }

bool qcow2_probe(int fd)
{
    u8 b[4];
    const struct hostfile f = {.fd = fd};
    return hostfile_read(&f, 0, b, sizeof b) && get_be32(b) == QCOW2_MAGIC;
}

u64 qcow2_size(const struct qcow2 *q) { return q->size; }

/* ---- reading -------------------------------------------------------------------------------- */

bool qcow2_table(struct qcow2 *q, u64 off, struct qcow2_l2 **l)
{
    u64 per_table = cluster(q) / 8, n = (off >> q->cluster_bits) / per_table;
    *l = NULL;
    if (n >= q->l1_size)
        return true;
    u64 at = get_be64(q->l1 + n * 8) & QCOW2_OFFSET;
    if (!at)
        return true;
    struct qcow2_l2 *c = &q->cache[n % QCOW2_CACHE];
    if (c->offset != at || c->index != n) {
        if (c->dirty && !qcow2_flush(q))
            return false;
        if (!c->entry)
            c->entry = malloc(cluster(q));
        CHECK(c->entry);
        c->offset = 0;
        if (at & (cluster(q) - 1) || !hostfile_read(&q->file, at, c->entry, cluster(q)))
            return false;
        c->offset = at;
        c->index = n;
    }
    *l = c;
    return true;
}

/* The L2 entry of a guest offset; false: damaged. 0: nothing there. */
static bool lookup(struct qcow2 *q, u64 off, u64 *entry)
{
    struct qcow2_l2 *l;
    bool ok = qcow2_table(q, off, &l);
    *entry = ok && l ? get_be64(l->entry + (off >> q->cluster_bits) % (cluster(q) / 8) * 8) : 0;
    return ok;
}

u64 qcow2_compressed(const struct qcow2 *q, u64 entry, u64 *bytes)
{
    unsigned split = 62 - (q->cluster_bits - 8);
    u64 at = entry & ones(split);
    *bytes = (bits(entry, 61, split) + 1) * SECTOR - at % SECTOR;
    return at;
}

static bool unpack_deflate(struct qcow2 *q, size_t have)
{
    z_stream z = {
        .next_in = q->deflated, .avail_in = (uInt)have, .next_out = q->inflated, .avail_out = (uInt)cluster(q)};
    if (inflateInit2(&z, -12) != Z_OK)
        return false;
    int r = inflate(&z, Z_FINISH);
    bool whole = z.avail_out == 0 && (r == Z_STREAM_END || r == Z_BUF_ERROR || r == Z_OK);
    inflateEnd(&z);
    return whole;
}

/* The data is padded to sectors: one frame, then anything. */
static bool unpack_zstd(struct qcow2 *q, size_t have)
{
#ifdef ELARA_ZSTD
    ZSTD_DCtx *c = ZSTD_createDCtx();
    CHECK(c);
    ZSTD_inBuffer in = {q->deflated, have, 0};
    ZSTD_outBuffer out = {q->inflated, cluster(q), 0};
    size_t r = 1;
    while (out.pos < out.size && in.pos < in.size && r) {
        r = ZSTD_decompressStream(c, &out, &in);
        if (ZSTD_isError(r))
            break;
    }
    ZSTD_freeDCtx(c);
    return out.pos == out.size && !ZSTD_isError(r);
#else
    (void)q, (void)have;
    return false;
#endif
}

static bool inflate_cluster(struct qcow2 *q, u64 entry)
{
    u64 max, at = qcow2_compressed(q, entry, &max);
    if (q->inflated_at == entry)
        return true;
    if (max > 2 * cluster(q))
        return false;
    if (!q->inflated) {
        q->inflated = malloc(cluster(q));
        q->deflated = malloc(2 * cluster(q));
        CHECK(q->inflated && q->deflated);
    }
    q->inflated_at = 0;
    ssize_t have = pread(q->file.fd, q->deflated, max, (off_t)at); /* the last one may end with the file */
    if (have <= 0 || !(q->zstd ? unpack_zstd(q, (size_t)have) : unpack_deflate(q, (size_t)have)))
        return false;
    q->inflated_at = entry;
    return true;
}

static bool read_backing(struct qcow2 *q, u64 off, u8 *buf, size_t n)
{
    u64 size = q->backing ? q->backing->size : q->raw_backing.fd >= 0 ? q->raw_size : 0;
    size_t k = off >= size ? 0 : size - off < n ? (size_t)(size - off) : n;
    memset(buf + k, 0, n - k);
    if (!k)
        return true;
    return q->backing ? qcow2_read(q->backing, off, buf, k) : hostfile_read(&q->raw_backing, off, buf, k);
}

bool qcow2_read(struct qcow2 *q, u64 off, u8 *buf, size_t n)
{
    while (n) {
        u64 in = off & (cluster(q) - 1), entry;
        size_t k = cluster(q) - in < n ? (size_t)(cluster(q) - in) : n;
        bool ok = lookup(q, off, &entry);
        u64 at = entry & QCOW2_OFFSET;
        if (!ok) {
            return false;
        } else if (entry & QCOW2_COMPRESSED) {
            ok = inflate_cluster(q, entry);
            if (ok)
                memcpy(buf, q->inflated + in, k);
        } else if (q->version >= 3 && entry & QCOW2_ZERO) {
            memset(buf, 0, k);
        } else if (!at) {
            ok = read_backing(q, off, buf, k);
        } else {
            ok = !(at & (cluster(q) - 1)) && hostfile_read(&q->file, at + in, buf, k);
        }
        if (!ok)
            return false;
        buf += k;
        off += k;
        n -= k;
    }
    return true;
}

/* ---- opening -------------------------------------------------------------------------------- */

static struct qcow2 *open_image(struct hostfile f, const char *path, unsigned depth, char *err, size_t err_size);

void qcow2_close(struct qcow2 *q)
{
    if (!q)
        return;
    qcow2_end_write(q);
    qcow2_close(q->backing);
    if (q->raw_backing.fd >= 0)
        close(q->raw_backing.fd);
    for (unsigned i = 0; i < QCOW2_CACHE; i++)
        free(q->cache[i].entry);
    free(q->l1);
    free(q->inflated);
    free(q->deflated);
    close(q->file.fd);
    free(q);
}

/* The format that a header extension gives the backing file: "raw", "qcow2" or nothing. */
static void backing_format(const struct hostfile *f, u64 at, u64 end, char *format, size_t n)
{
    u8 h[8];
    *format = 0;
    while (at + 8 <= end && hostfile_read(f, at, h, sizeof h) && get_be32(h) != EXT_END) {
        u32 len = get_be32(h + 4);
        if (get_be32(h) == QCOW2_EXT_FORMAT && len < n) {
            if (hostfile_read(f, at + 8, format, len))
                format[len] = 0;
            return;
        }
        at += 8 + align_up(len, 8);
    }
}

static bool open_backing(struct qcow2 *q, const u8 *h, const char *path, unsigned depth, char *err, size_t err_size)
{
    u64 at = get_be64(h + QH_BACKING);
    u32 len = get_be32(h + QH_BACKING_LEN);
    char name[MAX_NAME + 1], full[2 * MAX_NAME + 2], format[16];
    if (!at)
        return true;
    if (depth == MAX_DEPTH || len > MAX_NAME || !hostfile_read(&q->file, at, name, len)) {
        snprintf(err, err_size,
                 depth == MAX_DEPTH ? "%s: more than %d backing files behind each other"
                                    : "%s: the name of its backing file is damaged",
                 path, MAX_DEPTH);
        return false;
    }
    name[len] = 0;
    const char *slash = strrchr(path, '/');
    int dir = *name == '/' || !slash ? 0 : (int)(slash + 1 - path);
    snprintf(full, sizeof full, "%.*s%s", dir, path, name);
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to hang on a pipe */
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))) {
        snprintf(err, err_size, "%s: the backing file of %s: %s", full, path,
                 fd < 0 ? strerror(errno) : "neither a file nor a block device");
        if (fd >= 0)
            close(fd);
        return false;
    }
    u64 header = q->version >= 3 ? get_be32(h + QH_HEADER_LENGTH) : 72;
    backing_format(&q->file, header, at, format, sizeof format);
    if (strcmp(format, "qcow2") == 0 || (!*format && qcow2_probe(fd))) {
        q->backing = open_image((struct hostfile){.fd = fd}, full, depth + 1, err, err_size);
        return q->backing != NULL;
    }
    off_t size = lseek(fd, 0, SEEK_END);
    q->raw_backing = (struct hostfile){.fd = fd};
    q->raw_size = size < 0 ? 0 : (u64)size;
    return true;
}

static const char *refusal(const struct qcow2 *q, const u8 *h)
{
    u64 need = q->version >= 3 ? get_be64(h + QH_INCOMPATIBLE) & ~(u64)INCOMPATIBLE_DIRTY : 0;
    if (q->version != 2 && q->version != 3)
        return "neither version 2 nor 3 of qcow2";
    if (q->cluster_bits < 9 || q->cluster_bits > 21 || q->size > 1ull << 56)
        return "a damaged qcow2 header";
    if (get_be32(h + QH_CRYPT))
        return "an encrypted image; these cannot be read";
    if (need & 2)
        return "marked as corrupt; repair it with qemu-img check -r all";
    if (q->zstd > 1)
        return "compressed in an unknown way";
#ifndef ELARA_ZSTD
    if (q->zstd)
        return "compressed with zstd, which this build lacks; convert it with qemu-img convert";
#endif
    if (need & ~8ull)
        return "a qcow2 image with features that cannot be read (external data or sub-clusters)";
    u64 per_table = (cluster(q) / 8) << q->cluster_bits;
    if ((u64)q->l1_size * 8 > MAX_L1 || q->l1_size < (q->size + per_table - 1) / per_table)
        return "a damaged qcow2 header";
    return NULL;
}

static struct qcow2 *open_image(struct hostfile f, const char *path, unsigned depth, char *err, size_t err_size)
{
    u8 h[QH_BYTES] = {0};
    struct qcow2 *q = calloc(1, sizeof *q);
    CHECK(q);
    q->file = f;
    q->raw_backing.fd = -1;
    ssize_t have = pread(f.fd, h, sizeof h, 0);
    q->version = get_be32(h + QH_VERSION);
    q->cluster_bits = get_be32(h + QH_CLUSTER_BITS);
    q->size = get_be64(h + QH_SIZE);
    q->l1_size = get_be32(h + QH_L1_SIZE);
    q->l1_at = get_be64(h + QH_L1);
    if (q->version >= 3 && get_be64(h + QH_INCOMPATIBLE) & 8 && get_be32(h + QH_HEADER_LENGTH) > QH_COMPRESSION)
        q->zstd = h[QH_COMPRESSION];
    const char *why = have < 72 || get_be32(h) != QCOW2_MAGIC ? "no qcow2 image" : refusal(q, h);
    if (!why) {
        q->l1 = malloc((size_t)q->l1_size * 8 + 1);
        CHECK(q->l1);
        if (!hostfile_read(&f, q->l1_at, q->l1, (size_t)q->l1_size * 8))
            why = "the file is cut off";
    }
    if (why)
        snprintf(err, err_size, "%s: %s", path, why);
    if (!why && open_backing(q, h, path, depth, err, err_size))
        return q;
    qcow2_close(q);
    return NULL;
}

struct qcow2 *qcow2_open(struct hostfile f, const char *path, bool write, char *err, size_t err_size)
{
    u8 h[QH_BYTES] = {0};
    struct qcow2 *q = open_image(f, path, 0, err, err_size);
    if (!q || !write)
        return q;
    if (pread(f.fd, h, sizeof h, 0) >= 72 && qcow2_begin_write(q, h, path, err, err_size))
        return q;
    qcow2_close(q);
    return NULL;
}

bool qcow2_backed_by(const struct qcow2 *q, u64 *dev, u64 *ino)
{
    struct stat st;
    int fd = q->backing ? q->backing->file.fd : q->raw_backing.fd;
    if (fd < 0 || fstat(fd, &st) != 0)
        return false;
    *dev = st.st_dev;
    *ino = st.st_ino;
    return true;
}
