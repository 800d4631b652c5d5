/* The DMA engine for tests. One transaction at a time; an address translation cache of eight entries (PCIe ATS).
 *
 * Not modelled: interrupts (software polls; an MSI is a write), bursts over 64 bytes.
 * Invariant: while a transaction waits for the SMMU (STATUS is WAITING), the registers that describe it are not looked
 * at, and GO is refused. */
#include "smmu/dma_engine.h"

#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/regs.h"
#include "core/snap.h"

enum { ATC = 8 };

struct atc {
    u64 addr, to;
    u32 sid, ssid;
    u8 ssv, log2, w, valid;
    u8 pad[4];
};

struct engine {
    struct device dev;
    struct bus *bus;
    struct smmu *smmu;
    u32 client;
    u32 status, stream, substream, length, flags, group;
    u64 addr, reply_addr;
    u32 reply, dropped, pages;
    u32 victim;
    u32 data[SMMU_BURST / 4];
    struct atc atc[ATC];
};

static struct engine *self(struct device *d) { return container_of(d, struct engine, dev); }

static u64 span(unsigned log2) { return log2 >= 64 ? ~0ull : ones(log2); }

/* ---- what the SMMU tells ------------------------------------------------------------------------ */

static void done(void *arg, const struct smmu_access *a, enum smmu_result how)
{
    struct engine *e = arg;
    memcpy(e->data, a->data, sizeof e->data);
    e->status = how == SMMU_DONE ? DMA_ENGINE_DONE : DMA_ENGINE_ABORTED;
}

/* Without a PASID, entries without one; with one, its own, or all that have one by the Global flag (PCIe ATS). */
static void invalidate(void *arg, u32 sid, bool ssv, u32 ssid, bool global, u64 addr, unsigned log2)
{
    struct engine *e = arg;
    for (struct atc *x = e->atc; x < e->atc + ATC; x++) {
        bool same = x->ssv == ssv && (!ssv || global || x->ssid == ssid);
        bool meets =
            (x->addr & ~span(log2)) == (addr & ~span(log2)) || (addr & ~span(x->log2)) == (x->addr & ~span(x->log2));
        if (x->valid && x->sid == sid && same && meets) {
            x->valid = false;
            e->dropped++;
        }
    }
}

static void page_response(void *arg, u32 sid, bool ssv, u32 ssid, unsigned group, enum smmu_page_response code)
{
    struct engine *e = arg;
    (void)ssv, (void)ssid;
    if (sid == e->stream)
        e->pages = ((e->pages + 1) & 0xffff) | (u32)code << 16 | (u32)(group & 0x1ff) << 20;
}

/* ---- what software asks ------------------------------------------------------------------------- */

static bool ssv(const struct engine *e) { return e->substream >> 31; }
static u32 ssid(const struct engine *e) { return e->substream & 0xfffff; }

static struct smmu_ats_reply translate(struct engine *e, bool secure, bool no_write)
{
    const struct smmu_ats_request r = {.addr = e->addr,
                                       .sid = e->stream,
                                       .ssid = ssid(e),
                                       .ssv = ssv(e),
                                       .secure = secure,
                                       .no_write = no_write,
                                       .priv = e->flags & DMA_ENGINE_PRIVILEGED,
                                       .exe = e->flags & DMA_ENGINE_FETCH};
    struct smmu_ats_reply a = {.status = SMMU_ATS_UR};
    if (e->smmu)
        a = smmu_ats_translate(e->smmu, &r);
    e->reply_addr = a.addr;
    e->reply = a.status | (u32)a.r << 4 | (u32)a.w << 5 | (u32)a.exe << 6 | (u32)a.priv << 7 | (u32)a.log2 << 8;
    return a;
}

/* The translated address, from the cache or by asking. False: it may not. */
static bool cached(struct engine *e, bool secure, bool write, u64 *addr)
{
    for (const struct atc *x = e->atc; x < e->atc + ATC; x++)
        if (x->valid && x->sid == e->stream && x->ssv == ssv(e) && (!x->ssv || x->ssid == ssid(e)) &&
            (e->addr & ~span(x->log2)) == x->addr && (x->w || !write)) {
            *addr = x->to | (e->addr & span(x->log2));
            return true;
        }
    const struct smmu_ats_reply a = translate(e, secure, !write);
    if (a.status != SMMU_ATS_SUCCESS || !(write ? a.w : a.r))
        return false;
    e->atc[e->victim++ % ATC] = (struct atc){.addr = e->addr & ~span(a.log2),
                                             .to = a.addr,
                                             .sid = e->stream,
                                             .ssid = ssid(e),
                                             .ssv = ssv(e),
                                             .log2 = a.log2,
                                             .w = a.w,
                                             .valid = true};
    *addr = a.addr | (e->addr & span(a.log2));
    return true;
}

static enum smmu_result straight(struct engine *e, const struct smmu_access *a)
{
    const struct txn t = {.space = a->secure ? PAS_S : PAS_NS, .cpu = TXN_DMA, .stream = a->sid};
    u64 old = 0, with = 0;
    if (a->op == SMMU_READ)
        return bus_read(e->bus, &t, a->addr, e->data, a->size) == BUS_OK ? SMMU_DONE : SMMU_ABORTED;
    if (a->op == SMMU_WRITE)
        return bus_write(e->bus, &t, a->addr, e->data, a->size) == BUS_OK ? SMMU_DONE : SMMU_ABORTED;
    memcpy(&with, e->data, a->size);
    if (bus_read(e->bus, &t, a->addr, &old, a->size) != BUS_OK)
        return SMMU_ABORTED;
    with += a->op == SMMU_ADD ? old : 0;
    memcpy(e->data, &old, a->size);
    return bus_write(e->bus, &t, a->addr, &with, a->size) == BUS_OK ? SMMU_DONE : SMMU_ABORTED;
}

static void move(struct engine *e, unsigned op, bool secure)
{
    struct smmu_access a = {.addr = e->addr,
                            .sid = e->stream,
                            .ssid = ssid(e),
                            .client = (u8)e->client,
                            .op = (u8)(op - DMA_ENGINE_READ),
                            .size = (u8)e->length,
                            .ssv = ssv(e),
                            .secure = secure,
                            .priv = (e->flags & DMA_ENGINE_PRIVILEGED) != 0,
                            .inst = (e->flags & DMA_ENGINE_FETCH) != 0,
                            .translated = (e->flags & (DMA_ENGINE_TRANSLATED | DMA_ENGINE_CACHED)) != 0,
                            .can_stall = !(e->flags & DMA_ENGINE_IMPATIENT)};
    bool word = e->length == 4 || e->length == 8;
    if (!e->length || e->length > SMMU_BURST || (e->addr & (PAGE_SIZE - 1)) + e->length > PAGE_SIZE ||
        (op > DMA_ENGINE_WRITE && !word)) {
        log_guest(e->dev.log, "%s: %u bytes at 0x%llx are no single transaction", e->dev.id, e->length,
                  (unsigned long long)e->addr);
        e->status = DMA_ENGINE_ABORTED;
        return;
    }
    memcpy(a.data, e->data, sizeof a.data);
    enum smmu_result r = SMMU_ABORTED;
    if (!e->smmu)
        r = straight(e, &a);
    else if (!(e->flags & DMA_ENGINE_CACHED) || cached(e, secure, op != DMA_ENGINE_READ, &a.addr))
        r = smmu_access(e->smmu, &a);
    if (e->smmu && r == SMMU_DONE)
        memcpy(e->data, a.data, sizeof e->data);
    e->status = (const u8[]){DMA_ENGINE_DONE, DMA_ENGINE_ABORTED, DMA_ENGINE_WAITING, DMA_ENGINE_BUSY}[r];
}

static void page(struct engine *e, bool secure)
{
    const struct smmu_page_request r = {.addr = e->addr,
                                        .sid = e->stream,
                                        .ssid = ssid(e),
                                        .group = (u16)e->group,
                                        .ssv = ssv(e),
                                        .secure = secure,
                                        .last = e->flags & DMA_ENGINE_LAST,
                                        .r = true,
                                        .w = !(e->flags & DMA_ENGINE_NO_WRITE),
                                        .exe = e->flags & DMA_ENGINE_FETCH,
                                        .priv = e->flags & DMA_ENGINE_PRIVILEGED};
    if (e->smmu)
        smmu_page_request(e->smmu, &r);
    else
        page_response(e, e->stream, false, 0, e->group, SMMU_PRG_FAILURE);
    e->status = DMA_ENGINE_DONE;
}

static void go(struct engine *e, unsigned op, bool secure)
{
    if (e->status == DMA_ENGINE_WAITING) {
        log_guest(e->dev.log, "%s: a transaction waits already", e->dev.id);
        return;
    }
    secure = secure && (e->flags & DMA_ENGINE_SECURE);
    switch (op) {
    case DMA_ENGINE_READ:
    case DMA_ENGINE_WRITE:
    case DMA_ENGINE_SWAP:
    case DMA_ENGINE_ADD: move(e, op, secure); break;
    case DMA_ENGINE_TRANSLATE:
        translate(e, secure, e->flags & DMA_ENGINE_NO_WRITE);
        e->status = DMA_ENGINE_DONE;
        break;
    case DMA_ENGINE_PAGE: page(e, secure); break;
    default: log_guest(e->dev.log, "%s: there is no operation %u", e->dev.id, op);
    }
}

/* ---- the device --------------------------------------------------------------------------------- */

static u64 read_id(struct device *d, unsigned i)
{
    (void)d, (void)i;
    return 0x4d444c45;
}

#define RO(o, w, nm, f)                                                                                                \
    {                                                                                                                  \
        .off = o, .width = w, .access = REG_RO, .name = nm, .field = offsetof(struct engine, f)                        \
    }
#define RW(o, w, nm, f, m)                                                                                             \
    {                                                                                                                  \
        .off = o, .width = w, .access = REG_RW, .name = nm, .field = offsetof(struct engine, f), .mask = m             \
    }
static const struct reg regs[] = {
    {.off = DMA_ENGINE_ID, .width = 4, .access = REG_RO, .name = "ID", .field = REG_NOFIELD, .read = read_id},
    RO(DMA_ENGINE_STATUS, 4, "STATUS", status),
    RW(DMA_ENGINE_ADDR, 8, "ADDR", addr, ~0ull),
    RW(DMA_ENGINE_STREAM, 4, "STREAM", stream, 0xffffff),
    RW(DMA_ENGINE_SUBSTREAM, 4, "SUBSTREAM", substream, 0x800fffff),
    RW(DMA_ENGINE_LENGTH, 4, "LENGTH", length, 0xff),
    RW(DMA_ENGINE_FLAGS, 4, "FLAGS", flags, 0xff),
    RW(DMA_ENGINE_GROUP, 4, "GROUP", group, 0x1ff),
    RO(DMA_ENGINE_REPLY_ADDR, 8, "REPLY_ADDR", reply_addr),
    RO(DMA_ENGINE_REPLY, 4, "REPLY", reply),
    RO(DMA_ENGINE_DROPPED, 4, "DROPPED", dropped),
    RO(DMA_ENGINE_PAGES, 4, "PAGES", pages),
    {.off = DMA_ENGINE_DATA,
     .width = 4,
     .access = REG_RW,
     .count = SMMU_BURST / 4,
     .name = "DATA",
     .field = offsetof(struct engine, data),
     .mask = 0xffffffff},
};

static enum bus_result engine_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    if (bus_from_dma(t))
        return BUS_SLVERR;
    return regs_read(d, regs, ARRAY_LEN(regs), t, off, size, val);
}

/* GO stands apart: it asks who writes. */
static enum bus_result engine_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    if (bus_from_dma(t)) /* its own transactions must not lead back here */
        return BUS_SLVERR;
    if (off != DMA_ENGINE_GO)
        return regs_write(d, regs, ARRAY_LEN(regs), t, off, size, val);
    if (!t->debug)
        go(self(d), (unsigned)val, t->space == PAS_S);
    return BUS_OK;
}

static void engine_reset(struct device *d)
{
    struct engine *e = self(d);
    regs_reset(d, regs, ARRAY_LEN(regs));
    e->status = DMA_ENGINE_IDLE;
    e->reply_addr = 0;
    e->reply = e->dropped = e->pages = e->victim = 0;
    memset(e->data, 0, sizeof e->data);
    memset(e->atc, 0, sizeof e->atc);
}

static void engine_state(struct device *d, struct snap *sn)
{
    struct engine *e = self(d);
    snap_section(sn, d->id);
    regs_state(d, regs, ARRAY_LEN(regs), sn);
    SNAP(sn, e, victim);
    SNAP(sn, e, atc);
}

static const struct device_ops ops = {
    .name = "dma-engine",
    .min_size = 4,
    .max_size = 8,
    .read = engine_read,
    .write = engine_write,
    .reset = engine_reset,
    .state = engine_state,
};

struct device *dma_engine_new(const char *id, struct log *log, struct bus *bus, struct smmu *smmu)
{
    struct engine *e = calloc(1, sizeof *e);
    CHECK(e);
    e->dev = (struct device){.ops = &ops, .id = id, .log = log};
    e->bus = bus;
    e->smmu = smmu;
    if (smmu)
        e->client = smmu_attach(smmu, &(struct smmu_client){e, done, invalidate, page_response});
    return &e->dev;
}
