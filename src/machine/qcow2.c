/* Reading qcow2 images (QEMU's docs/interop/qcow2): two levels of tables lead from a guest cluster to a place
 * in the file, to zeros, to deflated data, or to the backing file.
 *
 *   L1 entry: offset of an L2 table 55:9 | L2 entry: compressed 62 | standard: offset 55:9, all zeros 0
 *                                          | compressed: sectors - 1, then offset; split at 62 - (cluster_bits - 8)
 *
 * The image is somebody else's file: every number in it is checked before it is used, and a file that
 * makes no sense gives input/output errors, or is refused at once.
 *
 * Not read: encrypted images, external data files, extended L2 entries, zstd compression; internal
 * snapshots are ignored. */
#include "machine/qcow2.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/bits.h"
#include "core/check.h"
#include "devices/le.h"

enum { HEADER = 112, SECTOR = 512, CACHE = 16, MAX_DEPTH = 16, MAX_NAME = 1023 };
enum { H_VERSION = 4, H_BACKING = 8, H_BACKING_LEN = 16, H_CLUSTER_BITS = 20, H_SIZE = 24, H_CRYPT = 32 };
enum { H_L1_SIZE = 36, H_L1 = 40, H_INCOMPATIBLE = 72, H_HEADER_LENGTH = 100, H_COMPRESSION = 104 };
enum { INCOMPATIBLE_DIRTY = 1, EXT_END = 0, MAX_L1 = 32 << 20 };
#define MAGIC         0x514649fbu /* "QFI", 0xfb */
#define EXT_FORMAT    0xe2792acau
#define OFFSET_MASK   0x00fffffffffffe00ull
#define L2_COMPRESSED (1ull << 62)

struct l2 {
    u64 offset; /* in the file, 0: empty */
    u8 *entry;
};

struct qcow2 {
    int fd;
    unsigned version, cluster_bits, l1_size;
    u64 size;
    u8 *l1;
    struct l2 cache[CACHE];
    u64 inflated_at; /* L2 entry whose data inflated holds, 0: none */
    u8 *inflated, *deflated;
    struct qcow2 *backing;
    int raw_backing; /* -1: none */
    u64 raw_size;
};

static bool read_at(int fd, u64 off, void *buf, size_t n)
{
    for (u8 *p = buf; n;) {
        ssize_t k = pread(fd, p, n, (off_t)off);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        p += k;
        off += (u64)k;
        n -= (size_t)k;
    }
    return true;
}

bool qcow2_probe(int fd)
{
    u8 b[4];
    return read_at(fd, 0, b, sizeof b) && get_be32(b) == MAGIC;
}

u64 qcow2_size(const struct qcow2 *q) { return q->size; }

static u64 cluster(const struct qcow2 *q) { return 1ull << q->cluster_bits; }

/* ---- reading -------------------------------------------------------------------------------- */

/* The L2 entry of a guest offset; false: damaged. 0: nothing there. */
static bool lookup(struct qcow2 *q, u64 off, u64 *entry)
{
    u64 per_table = cluster(q) / 8, n = off >> q->cluster_bits;
    *entry = 0;
    if (n / per_table >= q->l1_size)
        return true;
    u64 at = get_be64(q->l1 + n / per_table * 8) & OFFSET_MASK;
    if (!at)
        return true;
    struct l2 *c = &q->cache[n / per_table % CACHE];
    if (c->offset != at) {
        if (!c->entry)
            c->entry = malloc(cluster(q));
        CHECK(c->entry);
        c->offset = 0;
        if (at & (cluster(q) - 1) || !read_at(q->fd, at, c->entry, cluster(q)))
            return false;
        c->offset = at;
    }
    *entry = get_be64(c->entry + n % per_table * 8);
    return true;
}

static bool inflate_cluster(struct qcow2 *q, u64 entry)
{
    if (q->inflated_at == entry)
        return true;
    unsigned split = 62 - (q->cluster_bits - 8);
    u64 at = entry & ones(split), max = ((bits(entry, 61, split) + 1) * SECTOR) - at % SECTOR;
    if (max > 2 * cluster(q))
        return false;
    if (!q->inflated) {
        q->inflated = malloc(cluster(q));
        q->deflated = malloc(2 * cluster(q));
        CHECK(q->inflated && q->deflated);
    }
    q->inflated_at = 0;
    ssize_t have = pread(q->fd, q->deflated, max, (off_t)at); /* the last one may end with the file */
    if (have <= 0)
        return false;
    z_stream z = {
        .next_in = q->deflated, .avail_in = (uInt)have, .next_out = q->inflated, .avail_out = (uInt)cluster(q)};
    if (inflateInit2(&z, -12) != Z_OK)
        return false;
    int r = inflate(&z, Z_FINISH);
    bool whole = z.avail_out == 0 && (r == Z_STREAM_END || r == Z_BUF_ERROR || r == Z_OK);
    inflateEnd(&z);
    q->inflated_at = whole ? entry : 0;
    return whole;
}

static bool read_backing(struct qcow2 *q, u64 off, u8 *buf, size_t n)
{
    u64 size = q->backing ? q->backing->size : q->raw_backing >= 0 ? q->raw_size : 0;
    size_t k = off >= size ? 0 : size - off < n ? (size_t)(size - off) : n;
    memset(buf + k, 0, n - k);
    if (!k)
        return true;
    return q->backing ? qcow2_read(q->backing, off, buf, k) : read_at(q->raw_backing, off, buf, k);
}

bool qcow2_read(struct qcow2 *q, u64 off, u8 *buf, size_t n)
{
    while (n) {
        u64 in = off & (cluster(q) - 1), entry;
        size_t k = cluster(q) - in < n ? (size_t)(cluster(q) - in) : n;
        bool ok = lookup(q, off, &entry);
        u64 at = entry & OFFSET_MASK;
        if (!ok) {
            return false;
        } else if (entry & L2_COMPRESSED) {
            ok = inflate_cluster(q, entry);
            if (ok)
                memcpy(buf, q->inflated + in, k);
        } else if (q->version >= 3 && entry & 1) {
            memset(buf, 0, k);
        } else if (!at) {
            ok = read_backing(q, off, buf, k);
        } else {
            ok = !(at & (cluster(q) - 1)) && read_at(q->fd, at + in, buf, k);
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

static struct qcow2 *open_image(int fd, const char *path, unsigned depth, char *err, size_t err_size);

void qcow2_close(struct qcow2 *q)
{
    if (!q)
        return;
    qcow2_close(q->backing);
    if (q->raw_backing >= 0)
        close(q->raw_backing);
    for (unsigned i = 0; i < CACHE; i++)
        free(q->cache[i].entry);
    free(q->l1);
    free(q->inflated);
    free(q->deflated);
    close(q->fd);
    free(q);
}

/* The format that a header extension gives the backing file: "raw", "qcow2" or nothing. */
static void backing_format(int fd, u64 at, u64 end, char *format, size_t n)
{
    u8 h[8];
    *format = 0;
    while (at + 8 <= end && read_at(fd, at, h, sizeof h) && get_be32(h) != EXT_END) {
        u32 len = get_be32(h + 4);
        if (get_be32(h) == EXT_FORMAT && len < n) {
            if (read_at(fd, at + 8, format, len))
                format[len] = 0;
            return;
        }
        at += 8 + align_up(len, 8);
    }
}

static bool open_backing(struct qcow2 *q, const u8 *h, const char *path, unsigned depth, char *err, size_t err_size)
{
    u64 at = get_be64(h + H_BACKING);
    u32 len = get_be32(h + H_BACKING_LEN);
    char name[MAX_NAME + 1], full[2 * MAX_NAME + 2], format[16];
    if (!at)
        return true;
    if (depth == MAX_DEPTH || len > MAX_NAME || !read_at(q->fd, at, name, len)) {
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
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))) {
        snprintf(err, err_size, "%s: the backing file of %s: %s", full, path,
                 fd < 0 ? strerror(errno) : "neither a file nor a block device");
        if (fd >= 0)
            close(fd);
        return false;
    }
    u64 header = q->version >= 3 ? get_be32(h + H_HEADER_LENGTH) : 72;
    backing_format(q->fd, header, at, format, sizeof format);
    if (strcmp(format, "qcow2") == 0 || (!*format && qcow2_probe(fd))) {
        q->backing = open_image(fd, full, depth + 1, err, err_size);
        return q->backing != NULL;
    }
    off_t size = lseek(fd, 0, SEEK_END);
    q->raw_backing = fd;
    q->raw_size = size < 0 ? 0 : (u64)size;
    return true;
}

static const char *refusal(const struct qcow2 *q, const u8 *h)
{
    u64 need = q->version >= 3 ? get_be64(h + H_INCOMPATIBLE) & ~(u64)INCOMPATIBLE_DIRTY : 0;
    if (q->version != 2 && q->version != 3)
        return "neither version 2 nor 3 of qcow2";
    if (q->cluster_bits < 9 || q->cluster_bits > 21 || q->size > 1ull << 56)
        return "a damaged qcow2 header";
    if (get_be32(h + H_CRYPT))
        return "an encrypted image; these cannot be read";
    if (need & 2)
        return "marked as corrupt; repair it with qemu-img check -r all";
    if (need & 8 && get_be32(h + H_HEADER_LENGTH) > H_COMPRESSION && h[H_COMPRESSION])
        return "compressed with zstd; convert it with qemu-img convert";
    if (need & ~8ull)
        return "a qcow2 image with features that cannot be read (external data or sub-clusters)";
    u64 per_table = (cluster(q) / 8) << q->cluster_bits;
    if ((u64)q->l1_size * 8 > MAX_L1 || q->l1_size < (q->size + per_table - 1) / per_table)
        return "a damaged qcow2 header";
    return NULL;
}

static struct qcow2 *open_image(int fd, const char *path, unsigned depth, char *err, size_t err_size)
{
    u8 h[HEADER] = {0};
    struct qcow2 *q = calloc(1, sizeof *q);
    CHECK(q);
    q->fd = fd;
    q->raw_backing = -1;
    ssize_t have = pread(fd, h, sizeof h, 0);
    q->version = get_be32(h + H_VERSION);
    q->cluster_bits = get_be32(h + H_CLUSTER_BITS);
    q->size = get_be64(h + H_SIZE);
    q->l1_size = get_be32(h + H_L1_SIZE);
    const char *why = have < 72 || get_be32(h) != MAGIC ? "no qcow2 image" : refusal(q, h);
    if (!why) {
        q->l1 = malloc((size_t)q->l1_size * 8 + 1);
        CHECK(q->l1);
        if (!read_at(fd, get_be64(h + H_L1), q->l1, (size_t)q->l1_size * 8))
            why = "the file is cut off";
    }
    if (why)
        snprintf(err, err_size, "%s: %s", path, why);
    if (!why && open_backing(q, h, path, depth, err, err_size))
        return q;
    qcow2_close(q);
    return NULL;
}

struct qcow2 *qcow2_open(int fd, const char *path, char *err, size_t err_size)
{
    return open_image(fd, path, 0, err, err_size);
}
