/* Between qcow2.c (opening, reading) and qcow2_write.c.  Numbers in the file are big-endian. */
#pragma once
#include "machine/qcow2.h"

enum { QCOW2_CACHE = 32 };
enum {
    QH_VERSION = 4,
    QH_BACKING = 8,
    QH_BACKING_LEN = 16,
    QH_CLUSTER_BITS = 20,
    QH_SIZE = 24,
    QH_CRYPT = 32,
    QH_L1_SIZE = 36,
    QH_L1 = 40,
    QH_REFTABLE = 48,
    QH_REFTABLE_CLUSTERS = 56,
    QH_SNAPSHOTS = 60,
    QH_INCOMPATIBLE = 72,
    QH_AUTOCLEAR = 88,
    QH_REFCOUNT_ORDER = 96,
    QH_HEADER_LENGTH = 100,
    QH_COMPRESSION = 104,
    QH_BYTES = 112,
};
#define QCOW2_MAGIC      0x514649fbu /* "QFI", 0xfb */
#define QCOW2_EXT_FORMAT 0xe2792acau
#define QCOW2_OFFSET     0x00fffffffffffe00ull
#define QCOW2_COPIED     (1ull << 63) /* refcount is exactly one: may be written in place */
#define QCOW2_COMPRESSED (1ull << 62)
#define QCOW2_ZERO       1ull

/* An L2 table in memory. */
struct qcow2_l2 {
    u64 offset; /* in the file, 0: empty */
    u64 index;  /* of the L1 entry that leads here */
    bool dirty;
    u8 *entry;
};

struct qcow2 {
    struct hostfile file;
    bool write, failed; /* failed: the file may be inconsistent in memory, nothing more is written */
    unsigned version, cluster_bits, l1_size, zstd;
    u64 size, l1_at;
    u8 *l1;
    struct qcow2_l2 cache[QCOW2_CACHE];
    u64 inflated_at; /* L2 entry whose data inflated holds, 0: none */
    u8 *inflated, *deflated;
    struct qcow2 *backing;
    struct hostfile raw_backing; /* fd -1: none */
    u64 raw_size;
    /* writing */
    u64 end; /* where the next cluster is taken */
    u64 reftable_at, reftable_entries;
    u8 *reftable;
    u64 refblock_at; /* 0: none; its bytes are in refblock */
    bool refblock_dirty;
    u8 *refblock;
    u8 *whole;     /* a cluster under construction */
    u8 *l1_dirty;  /* [l1_size]: entry changed since the last flush */
    u64 *released; /* L2 entries whose clusters lose a reference at the next flush */
    size_t nreleased, released_cap;
};

static inline u64 qcow2_cluster(const struct qcow2 *q) { return 1ull << q->cluster_bits; }
/* The table that holds the entry of a guest offset, NULL in *l: there is none. false: damaged. */
bool qcow2_table(struct qcow2 *q, u64 off, struct qcow2_l2 **l);
/* Where compressed data is: offset and sectors' end. */
u64 qcow2_compressed(const struct qcow2 *q, u64 entry, u64 *bytes);
/* Prepares for writing; false: err. */
bool qcow2_begin_write(struct qcow2 *q, const u8 *header, const char *path, char *err, size_t err_size);
void qcow2_end_write(struct qcow2 *q);
