/* The commands of the NVM Express controller (NVM Express 1.4, chapters 5 and 6).
 *
 *   submission entry: opcode 7:0, CID 31:16 | NSID | - | - | metadata | PRP1 | PRP2 | dwords 10 to 15
 *
 * Data is described by physical region pages: PRP1, then PRP2 itself or a list of pages that it points at,
 * whose last entry may point at the next list page. */
#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "devices/le.h"
#include "devices/nvme_internal.h"

enum admin {
    A_DELETE_SQ = 0x00,
    A_CREATE_SQ = 0x01,
    A_GET_LOG = 0x02,
    A_DELETE_CQ = 0x04,
    A_CREATE_CQ = 0x05,
    A_IDENTIFY = 0x06,
    A_ABORT = 0x08,
    A_SET_FEATURES = 0x09,
    A_GET_FEATURES = 0x0a,
    A_EVENT = 0x0c,
};
enum nvm { N_FLUSH = 0x00, N_WRITE = 0x01, N_READ = 0x02, N_WRITE_ZEROES = 0x08, N_DATASET = 0x09 };
enum { PAGE_4K = 4096, RANGE = 16, LATENCY = 8000, FLUSH_LATENCY = 50000 };

static u32 dword(const u8 *sqe, unsigned i) { return get_le32(sqe + 4 * i); }

u64 nvme_cost(const u8 *sqe, bool admin)
{
    u8 op = sqe[0];
    if (admin)
        return LATENCY;
    if (op == N_READ || op == N_WRITE)
        return LATENCY + ((u64)(dword(sqe, 12) & 0xffff) + 1) * NVME_SECTOR / 4;
    return op == N_FLUSH ? FLUSH_LATENCY : LATENCY;
}

/* ---- data ----------------------------------------------------------------------------------- */

/* A walk along the PRP entries of a command. */
struct prp {
    struct nvme *n;
    u64 page, first, second, left; /* page size; PRP1 and PRP2; bytes still to come */
    u64 list;                      /* next entry of the list, 0: not there yet */
    bool started;
};

static struct prp prp_begin(struct nvme *n, const u8 *sqe, u64 bytes)
{
    u64 page = (u64)PAGE_4K << bits(n->cc, 10, 7);
    return (struct prp){n, page, get_le64(sqe + 24), get_le64(sqe + 32), bytes, 0, false};
}

/* The next piece: an address and how many bytes it holds. */
static bool prp_next(struct prp *p, u64 *addr, u64 *len)
{
    u8 e[8];
    if (!p->started) {
        p->started = true;
        *addr = p->first;
        *len = p->page - p->first % p->page;
    } else {
        if (!p->list && p->left <= p->page) {
            *addr = p->second;
        } else {
            p->list = p->list ? p->list : p->second;
            if (p->list & 7 || !nvme_dma(p->n, p->list, e, sizeof e, false))
                return false;
            if (p->list % p->page == p->page - 8 && p->left > p->page) { /* on to the next list page */
                p->list = get_le64(e);
                if (p->list & 7 || !nvme_dma(p->n, p->list, e, sizeof e, false))
                    return false;
            }
            p->list += 8;
            *addr = get_le64(e);
        }
        if (*addr % p->page)
            return false;
        *len = p->page;
    }
    if (*len > p->left)
        *len = p->left;
    p->left -= *len;
    return true;
}

/* Gives the guest a structure of n bytes. */
static u16 give(struct nvme *n, const u8 *sqe, u8 *bytes, u64 size)
{
    struct prp p = prp_begin(n, sqe, size);
    u64 addr, len;
    for (u64 at = 0; at < size; at += len)
        if (!prp_next(&p, &addr, &len) || !nvme_dma(n, addr, bytes + at, len, true))
            return NVME_TRANSFER_ERROR;
    return NVME_OK;
}

/* ---- NVM commands --------------------------------------------------------------------------- */

static bool in_range(const struct nvme *n, u64 lba, u64 blocks)
{
    u64 size = n->cfg.disk->size / NVME_SECTOR;
    return lba <= size && blocks <= size - lba;
}

static u16 transfer(struct nvme *n, const u8 *sqe, bool write)
{
    struct blockdev *d = n->cfg.disk;
    u64 lba = get_le64(sqe + 40), bytes = ((u64)(dword(sqe, 12) & 0xffff) + 1) * NVME_SECTOR;
    u64 off = lba * NVME_SECTOR, addr, len;
    if (sqe[1] >> 6 || bytes > (u64)PAGE_4K << NVME_MDTS) /* SGLs, or too much */
        return NVME_BAD_FIELD;
    if (!in_range(n, lba, bytes / NVME_SECTOR))
        return NVME_OUT_OF_RANGE;
    if (write && d->readonly)
        return NVME_READ_ONLY;
    struct prp p = prp_begin(n, sqe, bytes);
    if (!write && !d->ops->read(d, off, n->bounce, bytes))
        return NVME_INTERNAL;
    for (u64 at = 0; p.left; at += len)
        if (!prp_next(&p, &addr, &len) || !nvme_dma(n, addr, n->bounce + at, len, !write))
            return NVME_TRANSFER_ERROR;
    if (write && !d->ops->write(d, off, n->bounce, bytes))
        return NVME_INTERNAL;
    bool through = write && (!(n->feature[6] & 1) || bit(dword(sqe, 12), 30)); /* no write cache, or FUA */
    return through && !d->ops->flush(d) ? NVME_INTERNAL : NVME_OK;
}

static u16 discard(struct nvme *n, u64 lba, u64 blocks, bool zero)
{
    struct blockdev *d = n->cfg.disk;
    if (d->readonly)
        return NVME_READ_ONLY;
    if (!in_range(n, lba, blocks))
        return NVME_OUT_OF_RANGE;
    return d->ops->discard(d, lba * NVME_SECTOR, blocks * NVME_SECTOR, zero) ? NVME_OK : NVME_INTERNAL;
}

/* Dataset management: up to 256 ranges {attributes 32, blocks 32, first block 64}. */
static u16 dataset(struct nvme *n, const u8 *sqe)
{
    u8 ranges[256 * RANGE];
    unsigned count = (dword(sqe, 10) & 0xff) + 1;
    struct prp p = prp_begin(n, sqe, (u64)count * RANGE);
    u64 addr, len;
    for (u64 at = 0; at < (u64)count * RANGE; at += len)
        if (!prp_next(&p, &addr, &len) || !nvme_dma(n, addr, ranges + at, len, false))
            return NVME_TRANSFER_ERROR;
    u16 status = NVME_OK;
    for (unsigned i = 0; i < count && status == NVME_OK && bit(dword(sqe, 11), 2); i++)
        status = discard(n, get_le64(ranges + i * RANGE + 8), get_le32(ranges + i * RANGE + 4), false);
    return status;
}

static u16 nvm_command(struct nvme *n, const u8 *sqe)
{
    u32 ns = dword(sqe, 1);
    if (ns != 1 && !(sqe[0] == N_FLUSH && ns == 0xffffffff))
        return NVME_BAD_NAMESPACE;
    switch (sqe[0]) {
    case N_FLUSH: return n->cfg.disk->ops->flush(n->cfg.disk) ? NVME_OK : NVME_INTERNAL;
    case N_WRITE: return transfer(n, sqe, true);
    case N_READ: return transfer(n, sqe, false);
    case N_WRITE_ZEROES: return discard(n, get_le64(sqe + 40), (u64)(dword(sqe, 12) & 0xffff) + 1, true);
    case N_DATASET: return dataset(n, sqe);
    }
    return NVME_BAD_OPCODE;
}

/* ---- identification ------------------------------------------------------------------------- */

static void pad(u8 *to, const char *text, unsigned n)
{
    memset(to, ' ', n);
    memcpy(to, text, strnlen(text, n));
}

static void identify_controller(const struct nvme *n, u8 *d)
{
    put_le16(d, 0x1b36);
    put_le16(d + 2, 0x1af4);
    pad(d + 4, n->cfg.serial ? n->cfg.serial : n->cfg.id, 20);
    pad(d + 24, "Elara NVMe controller", 40);
    pad(d + 64, "1.0", 8);
    d[77] = NVME_MDTS;
    put_le32(d + 80, 0x00010400);
    d[111] = 1; /* I/O controller */
    d[258] = 3; /* abort limit */
    d[259] = NVME_EVENTS - 1;
    d[260] = 1 << 1 | 1; /* one firmware slot, read-only */
    d[512] = 0x66;       /* entries of 64 and 16 bytes */
    d[513] = 0x44;
    put_le32(d + 516, 1);               /* namespaces */
    put_le16(d + 520, 1 << 2 | 1 << 3); /* dataset management, write zeroes */
    d[525] = 1;                         /* volatile write cache */
    memcpy(d + 768, "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-000000000000", 68);
}

static void identify_namespace(const struct nvme *n, u8 *d)
{
    u64 blocks = n->cfg.disk->size / NVME_SECTOR;
    put_le64(d, blocks);
    put_le64(d + 8, blocks);
    put_le64(d + 16, blocks);
    d[99] = n->cfg.disk->readonly;
    d[130] = 9; /* format 0: 512 bytes */
}

static u16 identify(struct nvme *n, const u8 *sqe)
{
    u8 d[PAGE_4K] = {0};
    u32 ns = dword(sqe, 1);
    switch (dword(sqe, 10) & 0xff) {
    case 0:
        if (ns != 1 && ns != 0xffffffff)
            return NVME_BAD_NAMESPACE;
        identify_namespace(n, d);
        break;
    case 1: identify_controller(n, d); break;
    case 2: put_le32(d, ns < 1); break; /* active namespaces above ns */
    case 3:                             /* descriptors of the namespace: a UUID made of its serial number */
        if (ns != 1)
            return NVME_BAD_NAMESPACE;
        d[0] = 3;
        d[1] = 16;
        pad(d + 4, n->cfg.serial ? n->cfg.serial : n->cfg.id, 16);
        break;
    default: return NVME_BAD_FIELD;
    }
    return give(n, sqe, d, sizeof d);
}

/* ---- administration ------------------------------------------------------------------------- */

static u16 create_cq(struct nvme *n, const u8 *sqe)
{
    u32 id = dword(sqe, 10) & 0xffff, size = (dword(sqe, 10) >> 16) + 1, vector = dword(sqe, 11) >> 16;
    u64 addr = get_le64(sqe + 24);
    if (!id || id >= NVME_QUEUES || n->cq[id].on)
        return NVME_BAD_QUEUE;
    if (size < 2 || size > NVME_MAX_ENTRIES)
        return NVME_BAD_SIZE;
    if (!(dword(sqe, 11) & 1) || addr % PAGE_4K) /* physically contiguous only */
        return NVME_BAD_FIELD;
    if (vector >= n->fn.msix.count)
        return NVME_BAD_VECTOR;
    n->cq[id] = (struct nvme_cq){.on = true,
                                 .interrupts = dword(sqe, 11) >> 1 & 1,
                                 .phase = true,
                                 .size = (u16)size,
                                 .vector = (u16)vector,
                                 .addr = addr};
    return NVME_OK;
}

static u16 create_sq(struct nvme *n, const u8 *sqe)
{
    u32 id = dword(sqe, 10) & 0xffff, size = (dword(sqe, 10) >> 16) + 1, cq = dword(sqe, 11) >> 16;
    u64 addr = get_le64(sqe + 24);
    if (!id || id >= NVME_QUEUES || n->sq[id].on)
        return NVME_BAD_QUEUE;
    if (!cq || cq >= NVME_QUEUES || !n->cq[cq].on)
        return NVME_BAD_CQ;
    if (size < 2 || size > NVME_MAX_ENTRIES)
        return NVME_BAD_SIZE;
    if (!(dword(sqe, 11) & 1) || addr % PAGE_4K)
        return NVME_BAD_FIELD;
    n->sq[id] = (struct nvme_sq){.on = true, .size = (u16)size, .cq = (u16)cq, .addr = addr};
    return NVME_OK;
}

static u16 delete_sq(struct nvme *n, u32 id)
{
    if (!id || id >= NVME_QUEUES || !n->sq[id].on)
        return NVME_BAD_QUEUE;
    n->sq[id] = (struct nvme_sq){0};
    nvme_drop_requests(n, id);
    return NVME_OK;
}

static u16 delete_cq(struct nvme *n, u32 id)
{
    if (!id || id >= NVME_QUEUES || !n->cq[id].on)
        return NVME_BAD_QUEUE;
    for (unsigned i = 0; i < NVME_QUEUES; i++)
        if (n->sq[i].on && n->sq[i].cq == id)
            return NVME_IN_USE;
    n->cq[id] = (struct nvme_cq){0};
    return NVME_OK;
}

static u16 get_log(struct nvme *n, const u8 *sqe)
{
    u8 d[PAGE_4K] = {0};
    u64 bytes = ((u64)(dword(sqe, 10) >> 16) + 1) * 4;
    u8 id = sqe[40];
    if (id < 1 || id > 3)
        return NVME_BAD_LOG;
    if (bytes > sizeof d)
        return NVME_BAD_FIELD;
    if (id == 2) { /* health: 300 K, all spare left */
        put_le16(d + 1, 300);
        d[3] = 100;
    } else if (id == 3) {
        d[0] = 1;
        pad(d + 8, "1.0", 8);
    }
    return give(n, sqe, d, bytes);
}

static u16 features(struct nvme *n, const u8 *sqe, bool set, u32 *result)
{
    u8 id = sqe[40];
    if (!id || id >= NVME_FEATURES || id == 3)
        return NVME_BAD_FIELD;
    if (set)
        n->feature[id] = dword(sqe, 11);
    *result = n->feature[id];
    if (id == 7) /* queues: as many as there are, whatever was asked for */
        *result = (NVME_QUEUES - 2) << 16 | (NVME_QUEUES - 2);
    return NVME_OK;
}

static u16 admin_command(struct nvme *n, const u8 *sqe, u32 *result)
{
    switch (sqe[0]) {
    case A_DELETE_SQ: return delete_sq(n, dword(sqe, 10) & 0xffff);
    case A_CREATE_SQ: return create_sq(n, sqe);
    case A_GET_LOG: return get_log(n, sqe);
    case A_DELETE_CQ: return delete_cq(n, dword(sqe, 10) & 0xffff);
    case A_CREATE_CQ: return create_cq(n, sqe);
    case A_IDENTIFY: return identify(n, sqe);
    case A_ABORT: *result = 1; return NVME_OK; /* not aborted: it completes soon enough */
    case A_SET_FEATURES: return features(n, sqe, true, result);
    case A_GET_FEATURES: return features(n, sqe, false, result);
    case A_EVENT:
        if (n->events == NVME_EVENTS)
            return NVME_EVENT_LIMIT;
        n->event_id[n->events++] = get_le16(sqe + 2);
        return NVME_WAITS;
    }
    log_guest(n->fn.log, "%s: unknown admin command 0x%02x", n->fn.id, sqe[0]);
    return NVME_BAD_OPCODE;
}

u16 nvme_execute(struct nvme *n, unsigned sq, const u8 *sqe, u32 *result)
{
    return sq ? nvm_command(n, sqe) : admin_command(n, sqe, result);
}
