/* Writing qcow2 images (QEMU's docs/interop/qcow2): clusters are taken at the end of the file, never reused.
 *
 * What a power cut may do decides the order.  Data goes to its cluster at once; tables that lead to it stay in
 * memory until a flush, which makes data and reference counts durable first, writes the tables, and makes those
 * durable in turn (a flush that has no table to write is a single fdatasync).  So, whatever subset of the writes
 * after the last fdatasync is lost, an entry leads to a whole cluster that is counted; clusters that are counted
 * but lead nowhere are the only trace.  Clusters that lost their last user are given up after that.
 *
 * Not written: images with internal snapshots, with reference counts of other than 16 bits, or that were not
 * closed cleanly; the table of reference counts does not grow (with 64 KiB clusters: 16 TiB in a file). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/check.h"
#include "devices/le.h"
#include "machine/qcow2_internal.h"

enum { MAX_REFTABLE = 8 << 20, MAX_SKIPPED = 1 << 16 };

static u64 per_block(const struct qcow2 *q) { return qcow2_cluster(q) / 2; }

/* ---- reference counts ----------------------------------------------------------------------- */

static bool write_refblock(struct qcow2 *q)
{
    if (!q->refblock_dirty)
        return true;
    q->refblock_dirty = false;
    return hostfile_write(&q->file, q->refblock_at, q->refblock, qcow2_cluster(q));
}

/* A new block for range i of the table; it takes the cluster at the end, which lies in that range. */
static bool new_refblock(struct qcow2 *q, u64 i)
{
    u64 at = q->end;
    q->end += qcow2_cluster(q);
    memset(q->refblock, 0, qcow2_cluster(q));
    put_be16(q->refblock + (at >> q->cluster_bits) % per_block(q) * 2, 1);
    if (!hostfile_write(&q->file, at, q->refblock, qcow2_cluster(q)) || !hostfile_sync(&q->file))
        return false;
    put_be64(q->reftable + 8 * i, at);
    q->refblock_at = at;
    return hostfile_write(&q->file, q->reftable_at + 8 * i, q->reftable + 8 * i, 8);
}

/* Brings the block that counts cluster n into memory. */
static bool load_refblock(struct qcow2 *q, u64 n, bool create)
{
    u64 i = n / per_block(q);
    if (i >= q->reftable_entries)
        return false;
    u64 at = get_be64(q->reftable + 8 * i) & ~511ull;
    if (at && at == q->refblock_at)
        return true;
    if (!write_refblock(q))
        return false;
    q->refblock_at = 0;
    if (!at)
        return create && new_refblock(q, i);
    if (at & (qcow2_cluster(q) - 1) || !hostfile_read(&q->file, at, q->refblock, qcow2_cluster(q)))
        return false;
    q->refblock_at = at;
    return true;
}

/* Takes a cluster. */
static bool allocate(struct qcow2 *q, u64 *at)
{
    for (unsigned i = 0; i < MAX_SKIPPED; i++) {
        u64 n = q->end >> q->cluster_bits, before = q->end;
        if (!load_refblock(q, n, true))
            return false;
        if (q->end != before) /* the block itself took it */
            continue;
        u8 *count = q->refblock + n % per_block(q) * 2;
        q->end += qcow2_cluster(q);
        if (get_be16(count)) /* counted, though beyond the file's end: what a power cut left */
            continue;
        put_be16(count, 1);
        q->refblock_dirty = true;
        *at = before;
        return true;
    }
    return false;
}

static void release(struct qcow2 *q, u64 entry)
{
    if (!(entry & (QCOW2_OFFSET | QCOW2_COMPRESSED)))
        return;
    if (q->nreleased == q->released_cap) {
        q->released_cap = q->released_cap * 2 + 16;
        q->released = realloc(q->released, q->released_cap * sizeof *q->released);
        CHECK(q->released);
    }
    q->released[q->nreleased++] = entry;
}

/* After nothing durable leads there any more. */
static bool give_up(struct qcow2 *q, u64 entry)
{
    u64 bytes = qcow2_cluster(q), at = entry & QCOW2_OFFSET;
    if (entry & QCOW2_COMPRESSED)
        at = qcow2_compressed(q, entry, &bytes);
    for (u64 n = at >> q->cluster_bits; n <= (at + bytes - 1) >> q->cluster_bits; n++) {
        if (!load_refblock(q, n, false))
            return false;
        u8 *count = q->refblock + n % per_block(q) * 2;
        if (get_be16(count))
            put_be16(count, (u16)(get_be16(count) - 1));
        q->refblock_dirty = true;
    }
    return true;
}

/* ---- tables --------------------------------------------------------------------------------- */

static bool flush_tables(struct qcow2 *q)
{
    for (unsigned i = 0; i < QCOW2_CACHE; i++) {
        struct qcow2_l2 *l = &q->cache[i];
        if (l->dirty && !hostfile_write(&q->file, l->offset, l->entry, qcow2_cluster(q)))
            return false;
        l->dirty = false;
    }
    for (u64 i = 0; i < q->l1_size; i++) {
        if (q->l1_dirty[i] && !hostfile_write(&q->file, q->l1_at + 8 * i, q->l1 + 8 * i, 8))
            return false;
        q->l1_dirty[i] = 0;
    }
    return true;
}

static bool tables_dirty(const struct qcow2 *q)
{
    for (unsigned i = 0; i < QCOW2_CACHE; i++)
        if (q->cache[i].dirty)
            return true;
    return false;
}

bool qcow2_flush(struct qcow2 *q)
{
    if (!q->write)
        return true;
    bool tables = tables_dirty(q); /* a changed L1 entry comes with a changed L2 table */
    bool ok = !q->failed && write_refblock(q) && hostfile_sync(&q->file) &&
              (!tables || (flush_tables(q) && hostfile_sync(&q->file)));
    for (size_t i = 0; ok && i < q->nreleased; i++)
        ok = give_up(q, q->released[i]);
    q->nreleased = 0;
    q->failed |= !ok;
    return ok;
}

/* The table for a guest offset, made if need be; NULL: no way. */
static struct qcow2_l2 *table_for_write(struct qcow2 *q, u64 off)
{
    struct qcow2_l2 *l;
    u64 n = (off >> q->cluster_bits) / (qcow2_cluster(q) / 8), at;
    if (n >= q->l1_size || !qcow2_table(q, off, &l))
        return NULL;
    if (l)
        return get_be64(q->l1 + 8 * n) & QCOW2_COPIED ? l : NULL;
    l = &q->cache[n % QCOW2_CACHE];
    if ((l->dirty && !qcow2_flush(q)) || !allocate(q, &at))
        return NULL;
    if (!l->entry)
        l->entry = malloc(qcow2_cluster(q));
    CHECK(l->entry);
    memset(l->entry, 0, qcow2_cluster(q));
    *l = (struct qcow2_l2){.offset = at, .index = n, .dirty = true, .entry = l->entry};
    if (!hostfile_write(&q->file, at, l->entry, qcow2_cluster(q))) { /* empty, before something leads to it */
        l->dirty = false;
        l->offset = 0;
        return NULL;
    }
    put_be64(q->l1 + 8 * n, at | QCOW2_COPIED);
    q->l1_dirty[n] = 1;
    return l;
}

/* ---- data ----------------------------------------------------------------------------------- */

static u8 *entry_of(struct qcow2 *q, struct qcow2_l2 *l, u64 off)
{
    return l->entry + (off >> q->cluster_bits) % (qcow2_cluster(q) / 8) * 8;
}

/* Within a cluster; buf NULL: zeros. */
static bool write_part(struct qcow2 *q, u64 off, const u8 *buf, size_t n)
{
    struct qcow2_l2 *l = table_for_write(q, off);
    if (!l)
        return false;
    u8 *e = entry_of(q, l, off);
    u64 size = qcow2_cluster(q), in = off & (size - 1), start = off - in;
    u64 old = get_be64(e), at = old & QCOW2_OFFSET;
    bool own = old & QCOW2_COPIED && !(old & QCOW2_COMPRESSED) && at;
    if (own && at & (size - 1))
        return false;
    if (own && buf && !(q->version >= 3 && old & QCOW2_ZERO))
        return hostfile_write(&q->file, at + in, buf, n);
    memset(q->whole, 0, size);
    if (n < size && !qcow2_read(q, start, q->whole, q->size - start < size ? q->size - start : size))
        return false;
    if (buf)
        memcpy(q->whole + in, buf, n);
    else
        memset(q->whole + in, 0, n);
    if ((!own && !allocate(q, &at)) || !hostfile_write(&q->file, at, q->whole, size))
        return false;
    if (!own)
        release(q, old);
    if (!own || old & QCOW2_ZERO) {
        put_be64(e, at | QCOW2_COPIED);
        l->dirty = true;
    }
    return true;
}

static bool has_backing(const struct qcow2 *q) { return q->backing || q->raw_backing.fd >= 0; }

/* Zeros in one cluster: by its entry when all of it is meant. */
static bool zero_part(struct qcow2 *q, u64 off, size_t n)
{
    struct qcow2_l2 *l;
    if (!qcow2_table(q, off, &l))
        return false;
    if ((!l || !get_be64(entry_of(q, l, off))) && !has_backing(q))
        return true; /* nothing there: zeros already */
    if (q->version < 3 || (n < qcow2_cluster(q) && off + n < q->size) || off & (qcow2_cluster(q) - 1))
        return write_part(q, off, NULL, n);
    if (!(l = table_for_write(q, off)))
        return false;
    u8 *e = entry_of(q, l, off);
    u64 old = get_be64(e);
    bool own = old & QCOW2_COPIED && !(old & QCOW2_COMPRESSED);
    if (!own)
        release(q, old);
    put_be64(e, own ? old | QCOW2_ZERO : QCOW2_ZERO);
    l->dirty = true;
    return true;
}

static bool each_part(struct qcow2 *q, u64 off, const u8 *buf, u64 n, bool zero)
{
    if (!q->write || q->failed)
        return false;
    while (n) {
        u64 in = off & (qcow2_cluster(q) - 1);
        size_t k = qcow2_cluster(q) - in < n ? (size_t)(qcow2_cluster(q) - in) : (size_t)n;
        if (!(zero ? zero_part(q, off, k) : write_part(q, off, buf, k)))
            return false;
        buf = zero ? NULL : buf + k;
        off += k;
        n -= k;
    }
    return true;
}

bool qcow2_write(struct qcow2 *q, u64 off, const u8 *buf, size_t n) { return each_part(q, off, buf, n, false); }
bool qcow2_zero(struct qcow2 *q, u64 off, u64 n) { return each_part(q, off, NULL, n, true); }

/* ---- opening -------------------------------------------------------------------------------- */

static const char *refusal(const struct qcow2 *q, const u8 *h)
{
    if (q->version >= 3 && get_be64(h + QH_INCOMPATIBLE) & 1)
        return "was not closed cleanly; repair it with qemu-img check -r all";
    if (q->version >= 3 && get_be32(h + QH_REFCOUNT_ORDER) != 4)
        return "has reference counts of an unusual size; convert it with qemu-img convert";
    if (get_be32(h + QH_SNAPSHOTS))
        return "has internal snapshots, which would be damaged; convert it with qemu-img convert";
    u64 bytes = (u64)get_be32(h + QH_REFTABLE_CLUSTERS) << q->cluster_bits;
    if (!bytes || bytes > MAX_REFTABLE || get_be64(h + QH_REFTABLE) & (qcow2_cluster(q) - 1))
        return "is damaged (the table of reference counts)";
    if (flock(q->file.fd, LOCK_EX | LOCK_NB) != 0)
        return "is open for writing in another program";
    return NULL;
}

bool qcow2_begin_write(struct qcow2 *q, const u8 *h, const char *path, char *err, size_t err_size)
{
    static const u8 none[8];
    const char *why = refusal(q, h);
    u64 bytes = (u64)get_be32(h + QH_REFTABLE_CLUSTERS) << q->cluster_bits;
    off_t end = lseek(q->file.fd, 0, SEEK_END);
    if (!why) {
        q->reftable_at = get_be64(h + QH_REFTABLE);
        q->reftable_entries = bytes / 8;
        q->reftable = malloc(bytes);
        q->refblock = malloc(qcow2_cluster(q));
        q->whole = malloc(qcow2_cluster(q));
        q->l1_dirty = calloc(q->l1_size + 1, 1);
        CHECK(q->reftable && q->refblock && q->whole && q->l1_dirty);
        q->end = align_up((u64)end, qcow2_cluster(q));
        if (end < 0 || !hostfile_read(&q->file, q->reftable_at, q->reftable, bytes))
            why = "is cut off";
        else if (q->version >= 3 && get_be64(h + QH_AUTOCLEAR) && /* extensions that describe the old content */
                 !hostfile_write(&q->file, QH_AUTOCLEAR, none, sizeof none))
            why = "cannot be written";
    }
    if (why)
        snprintf(err, err_size, "%s %s", path, why);
    q->write = !why;
    return !why;
}

void qcow2_end_write(struct qcow2 *q)
{
    if (q->write)
        (void)qcow2_flush(q);
    if (q->write && !q->failed)
        (void)write_refblock(q);
    free(q->reftable);
    free(q->refblock);
    free(q->whole);
    free(q->l1_dirty);
    free(q->released);
}

/*  cluster 0: header, extensions, name | 1: reference count table | 2: its first block | 3...: L1 */
bool qcow2_create(const char *path, const char *base, const char *format, u64 size, char *err, size_t err_size)
{
    enum { BITS = 16, CLUSTER = 1 << BITS, NAME_AT = 512 };
    char name[PATH_MAX];
    u64 l1 = (size + ((u64)CLUSTER * CLUSTER / 8) - 1) / ((u64)CLUSTER * CLUSTER / 8);
    u64 used = 3 + (8 * l1 + CLUSTER - 1) / CLUSTER;
    if (!realpath(base, name) || strlen(name) > 1023) {
        snprintf(err, err_size, "%s: %s", base, strerror(errno));
        return false;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        snprintf(err, err_size, "%s: %s", path, strerror(errno));
        return false;
    }
    const struct hostfile f = {.fd = fd};
    u8 *b = calloc(3, CLUSTER), *p = b + QH_BYTES;
    CHECK(b);
    put_be32(b, QCOW2_MAGIC);
    put_be32(b + QH_VERSION, 3);
    put_be64(b + QH_BACKING, NAME_AT);
    put_be32(b + QH_BACKING_LEN, (u32)strlen(name));
    put_be32(b + QH_CLUSTER_BITS, BITS);
    put_be64(b + QH_SIZE, size);
    put_be32(b + QH_L1_SIZE, (u32)l1);
    put_be64(b + QH_L1, 3 * CLUSTER);
    put_be64(b + QH_REFTABLE, CLUSTER);
    put_be32(b + QH_REFTABLE_CLUSTERS, 1);
    put_be32(b + QH_REFCOUNT_ORDER, 4);
    put_be32(b + QH_HEADER_LENGTH, QH_BYTES);
    put_be32(p, QCOW2_EXT_FORMAT);
    put_be32(p + 4, (u32)strlen(format));
    memcpy(p + 8, format, strlen(format));
    memcpy(b + NAME_AT, name, strlen(name));
    put_be64(b + CLUSTER, 2 * CLUSTER);
    for (u64 i = 0; i < used; i++)
        put_be16(b + 2 * CLUSTER + 2 * i, 1);
    bool ok = used < CLUSTER / 2 && hostfile_write(&f, 0, b, 3 * CLUSTER) &&
              ftruncate(fd, (off_t)(used * CLUSTER)) == 0 && hostfile_sync(&f);
    if (!ok) {
        snprintf(err, err_size, "%s: cannot be written: %s", path, strerror(errno));
        unlink(path);
    }
    free(b);
    close(fd);
    return ok;
}
