/* fw_cfg (QEMU's docs/specs/fw_cfg): items selected by a 16-bit key, read as a stream of bytes or moved by DMA.
 *
 *   0x00  data      a read of n bytes gives the next n bytes, the first in the lowest address
 *   0x08  selector  16 bits, big-endian
 *   0x10  DMA       64 bits, big-endian: address of {u32 control; u32 length; u64 address}, big-endian
 *                   too; the command runs when the low word is written
 *
 * All lengths in commands are the guest's: reads beyond an item give zeros, a bus error ends the command. */
#include "devices/fw_cfg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/le.h"

enum { R_DATA = 0, R_SELECTOR = 8, R_DMA = 16 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };
enum { NAME = 56, ENTRY = 8 + NAME };
#define DMA_SIGNATURE 0x51454d5520434647ull /* "QEMU CFG" */

struct item {
    u8 *bytes;
    u32 n;
    void (*wrote)(void *arg, const u8 *bytes, u32 n);
    void *arg;
    u8 *initial; /* of a writable item, for reset */
};

struct fw_cfg {
    struct device dev;
    struct dma dma;
    struct item item[FW_CFG_KEYS];
    char name[FW_CFG_FILES][NAME];
    unsigned files;
    /* guest-visible */
    u16 key;
    u32 at; /* offset in the item */
    u64 dma_addr;
};

static struct fw_cfg *self(struct device *d) { return container_of(d, struct fw_cfg, dev); }

/* ---- content -------------------------------------------------------------------------------- */

void fw_cfg_add(struct fw_cfg *f, enum fw_cfg_key key, const void *bytes, u32 n)
{
    struct item *it = &f->item[key];
    free(it->bytes);
    it->bytes = malloc(n ? n : 1);
    CHECK(it->bytes);
    memcpy(it->bytes, bytes, n);
    it->n = n;
}

void fw_cfg_add16(struct fw_cfg *f, enum fw_cfg_key key, u16 val)
{
    u8 b[2];
    put_le16(b, val);
    fw_cfg_add(f, key, b, sizeof b);
}

void fw_cfg_add32(struct fw_cfg *f, enum fw_cfg_key key, u32 val)
{
    u8 b[4];
    put_le32(b, val);
    fw_cfg_add(f, key, b, sizeof b);
}

/* The directory: count, then {size, key, reserved, name} in order of keys. */
static void make_directory(struct fw_cfg *f)
{
    u8 dir[4 + FW_CFG_FILES * ENTRY] = {0};
    put_be32(dir, f->files);
    for (unsigned i = 0; i < f->files; i++) {
        u8 *e = dir + 4 + i * ENTRY;
        put_be32(e, f->item[FW_CFG_FILE_FIRST + i].n);
        put_be16(e + 4, (u16)(FW_CFG_FILE_FIRST + i));
        memcpy(e + 8, f->name[i], NAME);
    }
    fw_cfg_add(f, FW_CFG_FILE_DIR, dir, 4 + f->files * ENTRY);
}

bool fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *bytes, u32 n,
                     void (*wrote)(void *arg, const u8 *bytes, u32 n), void *arg)
{
    if (f->files == FW_CFG_FILES || strlen(name) >= NAME)
        return false;
    struct item *it = &f->item[FW_CFG_FILE_FIRST + f->files];
    fw_cfg_add(f, FW_CFG_FILE_FIRST + f->files, bytes, n);
    if (wrote) {
        it->wrote = wrote;
        it->arg = arg;
        it->initial = malloc(n ? n : 1);
        CHECK(it->initial);
        memcpy(it->initial, bytes, n);
    }
    snprintf(f->name[f->files++], NAME, "%s", name);
    make_directory(f);
    return true;
}

const u8 *fw_cfg_file(const struct fw_cfg *f, const char *name, u32 *n)
{
    for (unsigned i = 0; i < f->files; i++)
        if (strcmp(f->name[i], name) == 0) {
            *n = f->item[FW_CFG_FILE_FIRST + i].n;
            return f->item[FW_CFG_FILE_FIRST + i].bytes;
        }
    return NULL;
}

/* ---- the guest's side ----------------------------------------------------------------------- */

static struct item *selected(struct fw_cfg *f) { return f->key < FW_CFG_KEYS ? &f->item[f->key] : NULL; }

static void select_item(struct fw_cfg *f, u16 key)
{
    f->key = key;
    f->at = 0;
}

static u64 read_data(struct fw_cfg *f, unsigned size, bool debug)
{
    const struct item *it = selected(f);
    u64 v = it ? get_bytes(it->bytes, it->n, f->at, size) : 0;
    if (!debug && it)
        f->at = it->n - f->at < size ? it->n : f->at + size;
    return v;
}

static bool dma_bytes(struct fw_cfg *f, u64 addr, void *buf, size_t n, bool to_guest)
{
    if (addr >= 1ull << 56)
        return false;
    return (to_guest ? dma_write(&f->dma, addr, buf, n) : dma_read(&f->dma, addr, buf, n)) == BUS_OK;
}

static bool transfer_out(struct fw_cfg *f, u64 addr, u32 n)
{
    const struct item *it = selected(f);
    static const u8 zeros[4096];
    while (n) {
        u32 have = it ? it->n - f->at : 0;
        u32 k = have ? (n < have ? n : have) : n < sizeof zeros ? n : (u32)sizeof zeros;
        u8 *from = have ? it->bytes + f->at : (u8 *)(uintptr_t)zeros;
        if (!dma_bytes(f, addr, from, k, true))
            return false;
        f->at += have ? k : 0;
        addr += k;
        n -= k;
    }
    return true;
}

static bool transfer_in(struct fw_cfg *f, u64 addr, u32 n)
{
    struct item *it = selected(f);
    if (!it || !it->wrote || n > it->n - f->at || !dma_bytes(f, addr, it->bytes + f->at, n, false))
        return false;
    f->at += n;
    it->wrote(it->arg, it->bytes, it->n);
    return true;
}

static void run_dma(struct fw_cfg *f)
{
    u8 cmd[16];
    u64 where = f->dma_addr;
    f->dma_addr = 0;
    if (!dma_bytes(f, where, cmd, sizeof cmd, false)) {
        log_guest(f->dev.log, "%s: no DMA command at 0x%llx", f->dev.id, (unsigned long long)where);
        return;
    }
    u32 control = get_be32(cmd), n = get_be32(cmd + 4);
    u64 addr = get_be64(cmd + 8);
    bool ok = true;
    if (control & DMA_SELECT)
        select_item(f, (u16)(control >> 16));
    const struct item *it = selected(f);
    if (control & DMA_READ) {
        ok = transfer_out(f, addr, n);
    } else if (control & DMA_WRITE) {
        ok = transfer_in(f, addr, n);
    } else if (control & DMA_SKIP && it) {
        f->at = it->n - f->at < n ? it->n : f->at + n;
    }
    if (!ok)
        log_guest(f->dev.log, "%s: DMA command 0x%x of %u bytes at 0x%llx failed", f->dev.id, control, n,
                  (unsigned long long)addr);
    put_be32(cmd, ok ? 0 : DMA_ERROR);
    dma_bytes(f, where, cmd, 4, true);
}

static enum bus_result fw_cfg_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct fw_cfg *f = self(d);
    *val = 0;
    if (bus_from_dma(t))
        return BUS_SLVERR;
    if (off < R_SELECTOR) {
        *val = read_data(f, size, t->debug);
    } else if (off >= R_DMA && off < FW_CFG_SIZE) {
        u8 sig[8];
        put_be64(sig, DMA_SIGNATURE);
        *val = get_bytes(sig, 8, off - R_DMA, size);
    } else if (!t->debug) {
        log_guest(d->log, "%s: read of offset 0x%llx", d->id, (unsigned long long)off);
    }
    return BUS_OK;
}

static enum bus_result fw_cfg_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct fw_cfg *f = self(d);
    if (t->debug)
        return BUS_OK;
    if (bus_from_dma(t))
        return BUS_SLVERR;
    if (off == R_SELECTOR && size == 2) {
        select_item(f, bswap16((u16)val));
    } else if (off == R_DMA && size == 8) {
        f->dma_addr = bswap64(val);
        run_dma(f);
    } else if (off == R_DMA && size == 4) {
        f->dma_addr = (u64)bswap32((u32)val) << 32;
    } else if (off == R_DMA + 4 && size == 4) {
        f->dma_addr |= bswap32((u32)val);
        run_dma(f);
    } else {
        log_guest(d->log, "%s: write of %u bytes at offset 0x%llx", d->id, size, (unsigned long long)off);
    }
    return BUS_OK;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void fw_cfg_reset(struct device *d)
{
    struct fw_cfg *f = self(d);
    select_item(f, FW_CFG_SIGNATURE);
    f->dma_addr = 0;
    for (unsigned i = 0; i < FW_CFG_KEYS; i++)
        if (f->item[i].wrote)
            memcpy(f->item[i].bytes, f->item[i].initial, f->item[i].n);
}

static void fw_cfg_state(struct device *d, struct snap *s)
{
    struct fw_cfg *f = self(d);
    snap_section(s, d->id);
    SNAP(s, f, key);
    SNAP(s, f, at);
    SNAP(s, f, dma_addr);
    for (unsigned i = 0; i < FW_CFG_KEYS; i++)
        if (f->item[i].wrote)
            snap_bytes(s, "item", f->item[i].bytes, f->item[i].n);
    const struct item *it = selected(f);
    if (s->mode == SNAP_LOAD && f->at > (it ? it->n : 0))
        f->at = 0, s->failed = true;
}

static void fw_cfg_destroy(struct device *d)
{
    struct fw_cfg *f = self(d);
    for (unsigned i = 0; i < FW_CFG_KEYS; i++) {
        free(f->item[i].bytes);
        free(f->item[i].initial);
    }
    free(f);
}

static const struct device_ops ops = {
    .name = "fw_cfg",
    .min_size = 1,
    .max_size = 8,
    .read = fw_cfg_read,
    .write = fw_cfg_write,
    .reset = fw_cfg_reset,
    .state = fw_cfg_state,
    .destroy = fw_cfg_destroy,
};

struct fw_cfg *fw_cfg_new(const struct fw_cfg_config *cfg)
{
    struct fw_cfg *f = calloc(1, sizeof *f);
    CHECK(f);
    f->dev = (struct device){.ops = &ops, .id = cfg->id, .log = cfg->log};
    f->dma = cfg->dma;
    fw_cfg_add(f, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_add32(f, FW_CFG_ID, 3); /* traditional interface and DMA */
    make_directory(f);
    fw_cfg_reset(&f->dev);
    return f;
}

struct device *fw_cfg_device(struct fw_cfg *f) { return &f->dev; }
