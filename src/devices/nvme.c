/* NVM Express controller (NVM Express 1.4): registers, queues and time; commands are in nvme_command.c.
 *
 * Commands are fetched when their doorbell rings and done one after the other; each completes at a virtual
 * time given by when it was fetched and how much data it moves.  While a completion queue is full, the
 * commands behind it wait.  All numbers in queues are the guest's: what cannot be reached makes the
 * controller report a fatal status.
 *
 * Not modelled: several namespaces, metadata, SGLs, weighted arbitration, fused commands, sub-system reset,
 * controller memory buffers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/le.h"
#include "devices/nvme_internal.h"

enum { R_CAP = 0, R_VS = 8, R_INTMS = 0xc, R_INTMC = 0x10, R_CC = 0x14, R_CSTS = 0x1c, R_AQA = 0x24 };
enum { R_ASQ = 0x28, R_ACQ = 0x30, REGS = 0x38, DOORBELLS = 0x1000, MSIX_TABLE = 0x2000, MSIX_PBA = 0x3000 };
enum { CC_EN = 1, CSTS_RDY = 1, CSTS_CFS = 2, CSTS_SHUT = 2 << 2, SQE = 64, CQE = 16 };

static struct nvme *self(struct pci_fn *f) { return container_of(f, struct nvme, fn); }

bool nvme_dma(struct nvme *n, u64 addr, void *buf, u64 size, bool to_guest)
{
    if (addr >= 1ull << 56 || size > (1ull << 56) - addr)
        return false;
    return (to_guest ? dma_write(&n->fn.dma, addr, buf, size) : dma_read(&n->fn.dma, addr, buf, size)) == BUS_OK;
}

static void fatal(struct nvme *n, const char *what)
{
    if (!(n->csts & CSTS_CFS))
        log_guest(n->fn.log, "%s: %s; the controller stops until it is reset", n->fn.id, what);
    n->csts |= CSTS_CFS;
}

static bool running(const struct nvme *n) { return n->csts & CSTS_RDY && !(n->csts & CSTS_CFS); }

/* ---- completions ---------------------------------------------------------------------------- */

/* Pin interrupts follow the queues: high while one with interrupts has entries the guest did not take. */
static void update_pin(struct nvme *n)
{
    bool level = false;
    for (unsigned i = 0; i < NVME_QUEUES; i++)
        if (n->cq[i].on && n->cq[i].interrupts && n->cq[i].head != n->cq[i].tail && !(n->intms & 1))
            level = true;
    pci_set_intx(&n->fn, level && !pci_msix_enabled(&n->fn));
}

static bool full(const struct nvme_cq *q) { return (q->tail + 1u) % q->size == q->head; }

static void complete(struct nvme *n, unsigned sq, u16 cid, u16 status, u32 result)
{
    struct nvme_sq *s = &n->sq[sq];
    struct nvme_cq *q = &n->cq[s->cq];
    u8 e[CQE] = {0};
    put_le32(e, result);
    put_le16(e + 8, s->head);
    put_le16(e + 10, (u16)sq);
    put_le16(e + 12, cid);
    put_le16(e + 14, (u16)((unsigned)status << 1 | (status ? 1u << 15 : 0) | q->phase)); /* errors: do not retry */
    if (!nvme_dma(n, q->addr + (u64)q->tail * CQE, e, CQE, true)) {
        fatal(n, "completion queue outside memory");
        return;
    }
    q->tail = (u16)((q->tail + 1u) % q->size);
    q->phase ^= q->tail == 0;
    if (q->interrupts)
        pci_msix_send(&n->fn, q->vector);
    update_pin(n);
}

/* ---- commands in flight --------------------------------------------------------------------- */

static struct nvme_request *nth(struct nvme *n, u32 i) { return &n->queue[(n->first + i) % NVME_IN_FLIGHT]; }

static void schedule(struct nvme *n)
{
    if (n->count && running(n) && !clock_pending(&n->done))
        clock_schedule(n->cfg.clock, &n->done, nth(n, 0)->when);
}

/* Fetches what the guest submitted, round robin by queue. */
static void fetch(struct nvme *n)
{
    for (bool any = true; any;) {
        any = false;
        for (unsigned i = 0; i < NVME_QUEUES && running(n) && n->count < NVME_IN_FLIGHT; i++) {
            struct nvme_sq *s = &n->sq[i];
            if (!s->on || s->head == s->tail)
                continue;
            struct nvme_request r = {.sq = (u16)i};
            if (!nvme_dma(n, s->addr + (u64)s->head * SQE, r.sqe, SQE, false)) {
                fatal(n, "submission queue outside memory");
                return;
            }
            s->head = (u16)((s->head + 1u) % s->size);
            u64 start = clock_now(n->cfg.clock);
            if (n->count && nth(n, n->count - 1)->when > start)
                start = nth(n, n->count - 1)->when;
            r.when = start + nvme_cost(r.sqe, i == 0);
            *nth(n, n->count++) = r;
            any = true;
        }
    }
    schedule(n);
}

static void done(void *arg)
{
    struct nvme *n = arg;
    while (n->count && running(n) && nth(n, 0)->when <= clock_now(n->cfg.clock)) {
        struct nvme_request r = *nth(n, 0);
        if (full(&n->cq[n->sq[r.sq].cq]))
            return; /* goes on when the guest takes completions */
        n->first = (n->first + 1) % NVME_IN_FLIGHT;
        n->count--;
        u32 result = 0;
        u16 status = nvme_execute(n, r.sq, r.sqe, &result);
        if (status != NVME_WAITS && n->sq[r.sq].on)
            complete(n, r.sq, get_le16(r.sqe + 2), status, result);
    }
    fetch(n);
}

void nvme_drop_requests(struct nvme *n, unsigned sq)
{
    u32 kept = 0;
    for (u32 i = 0; i < n->count; i++)
        if (nth(n, i)->sq != sq)
            *nth(n, kept++) = *nth(n, i);
    n->count = kept;
}

/* ---- registers ------------------------------------------------------------------------------ */

static void stop(struct nvme *n)
{
    memset(n->sq, 0, sizeof n->sq);
    memset(n->cq, 0, sizeof n->cq);
    memset(n->queue, 0, sizeof n->queue);
    memset(n->event_id, 0, sizeof n->event_id);
    memset(n->feature, 0, sizeof n->feature);
    n->feature[6] = 1; /* volatile write cache */
    n->events = 0;
    n->first = n->count = 0;
    n->csts = 0;
    n->intms = 0;
    clock_cancel(n->cfg.clock, &n->done);
    update_pin(n);
}

static void start(struct nvme *n)
{
    u16 sqs = (u16)((n->aqa & 0xfff) + 1), cqs = (u16)((n->aqa >> 16 & 0xfff) + 1);
    if (sqs < 2 || cqs < 2 || sqs > NVME_MAX_ENTRIES || cqs > NVME_MAX_ENTRIES || bits(n->cc, 10, 7) > 4 ||
        bits(n->cc, 6, 4)) {
        fatal(n, "bad admin queues, page size or command set");
        return;
    }
    n->sq[0] = (struct nvme_sq){.on = true, .size = sqs, .addr = n->asq};
    n->cq[0] = (struct nvme_cq){.on = true, .interrupts = true, .phase = true, .size = cqs, .addr = n->acq};
    n->csts = CSTS_RDY;
}

static void write_cc(struct nvme *n, u32 val)
{
    enum { SHN = 3 << 14 };
    u32 old = n->cc;
    if (old & val & CC_EN) /* the page size and the like are those of the moment of enabling */
        val = (old & ~(u32)SHN) | (val & SHN);
    n->cc = val;
    if (val & CC_EN && !(old & CC_EN))
        start(n);
    else if (!(val & CC_EN) && old & CC_EN)
        stop(n);
    if (bits(val, 15, 14) && !bits(old, 15, 14)) {
        n->cfg.disk->ops->flush(n->cfg.disk);
        n->csts |= CSTS_SHUT;
    } else if (!bits(val, 15, 14)) {
        n->csts &= ~(u32)CSTS_SHUT;
    }
}

static void doorbell(struct nvme *n, u64 off, u32 val)
{
    unsigned q = (unsigned)(off - DOORBELLS) / 8;
    bool cq = off & 4;
    bool ok =
        q < NVME_QUEUES && running(n) && (cq ? n->cq[q].on && val < n->cq[q].size : n->sq[q].on && val < n->sq[q].size);
    if (!ok) {
        log_guest(n->fn.log, "%s: doorbell %u of %s queue %u", n->fn.id, val, cq ? "completion" : "submission", q);
        return;
    }
    if (cq) {
        n->cq[q].head = (u16)val;
        update_pin(n);
        schedule(n); /* requests may have waited for room */
    } else {
        n->sq[q].tail = (u16)val;
        fetch(n);
    }
}

static void fill_regs(const struct nvme *n, u8 *r)
{
    /* Queues of 1024 contiguous entries, 4 to 64 KiB pages, time-out 7.5 s, NVM command set */
    put_le64(r + R_CAP, (NVME_MAX_ENTRIES - 1) | 1ull << 16 | 15ull << 24 | 1ull << 37 | 4ull << 52);
    put_le32(r + R_VS, 0x00010400);
    put_le32(r + R_INTMS, n->intms);
    put_le32(r + R_INTMC, n->intms);
    put_le32(r + R_CC, n->cc);
    put_le32(r + R_CSTS, n->csts);
    put_le32(r + R_AQA, n->aqa);
    put_le64(r + R_ASQ, n->asq);
    put_le64(r + R_ACQ, n->acq);
}

static u64 bar_read(struct pci_fn *f, const struct txn *t, unsigned bar, u64 off, unsigned size)
{
    u8 r[REGS] = {0};
    (void)t, (void)bar;
    fill_regs(self(f), r);
    return get_bytes(r, REGS, off, size);
}

static void write32(struct nvme *n, u64 off, u32 val)
{
    switch (off) {
    case R_INTMS: n->intms |= val; break;
    case R_INTMC: n->intms &= ~val; break;
    case R_CC: write_cc(n, val); break;
    case R_AQA: n->aqa = val & 0x0fff0fff; break;
    case R_ASQ: n->asq = deposit(n->asq, 31, 0, val & ~0xfffu); break;
    case R_ASQ + 4: n->asq = deposit(n->asq, 63, 32, val); break;
    case R_ACQ: n->acq = deposit(n->acq, 31, 0, val & ~0xfffu); break;
    case R_ACQ + 4: n->acq = deposit(n->acq, 63, 32, val); break;
    default:
        if (off >= DOORBELLS && off < MSIX_TABLE)
            doorbell(n, off, val);
        else
            log_guest(n->fn.log, "%s: write of 0x%x to register 0x%llx", n->fn.id, val, (unsigned long long)off);
        return;
    }
    update_pin(n);
}

static void bar_write(struct pci_fn *f, const struct txn *t, unsigned bar, u64 off, unsigned size, u64 val)
{
    struct nvme *n = self(f);
    (void)t, (void)bar;
    if (size < 4) {
        log_guest(f->log, "%s: write of %u bytes at 0x%llx", f->id, size, (unsigned long long)off);
        return;
    }
    write32(n, off, (u32)val);
    if (size == 8)
        write32(n, off + 4, (u32)(val >> 32));
}

/* ---- life ----------------------------------------------------------------------------------- */

static void reset(struct pci_fn *f)
{
    struct nvme *n = self(f);
    stop(n);
    n->cc = n->aqa = 0;
    n->asq = n->acq = 0;
}

static void config_wrote(struct pci_fn *f, unsigned off, unsigned size)
{
    (void)off, (void)size;
    update_pin(self(f)); /* MSI-X may have been enabled or disabled */
}

static void check_loaded(struct nvme *n, struct snap *s)
{
    bool ok = n->count <= NVME_IN_FLIGHT && n->first < NVME_IN_FLIGHT && n->events <= NVME_EVENTS;
    ok &= !(n->csts & CSTS_RDY) || bits(n->cc, 10, 7) <= 4;
    for (unsigned i = 0; i < NVME_QUEUES; i++) {
        const struct nvme_sq *q = &n->sq[i];
        const struct nvme_cq *c = &n->cq[i];
        ok &= !q->on ||
              (q->size >= 2 && q->head < q->size && q->tail < q->size && q->cq < NVME_QUEUES && n->cq[q->cq].on);
        ok &= !c->on || (c->size >= 2 && c->head < c->size && c->tail < c->size);
    }
    for (u32 i = 0; ok && i < n->count; i++)
        ok = nth(n, i)->sq < NVME_QUEUES && n->sq[nth(n, i)->sq].on;
    if (s->failed || !ok) {
        s->failed = true;
        reset(&n->fn);
    }
}

static void queue_state(struct nvme *n, struct snap *s)
{
    for (unsigned i = 0; i < NVME_QUEUES; i++) {
        struct nvme_sq *q = &n->sq[i];
        struct nvme_cq *c = &n->cq[i];
        SNAP_BOOL(s, q, on);
        SNAP(s, q, size);
        SNAP(s, q, head);
        SNAP(s, q, tail);
        SNAP(s, q, cq);
        SNAP(s, q, addr);
        SNAP_BOOL(s, c, on);
        SNAP_BOOL(s, c, interrupts);
        SNAP_BOOL(s, c, phase);
        SNAP(s, c, size);
        SNAP(s, c, head);
        SNAP(s, c, tail);
        SNAP(s, c, vector);
        SNAP(s, c, addr);
    }
}

static void state(struct pci_fn *f, struct snap *s)
{
    struct nvme *n = self(f);
    SNAP(s, n, asq);
    SNAP(s, n, acq);
    SNAP(s, n, intms);
    SNAP(s, n, cc);
    SNAP(s, n, csts);
    SNAP(s, n, aqa);
    SNAP(s, n, feature);
    SNAP(s, n, event_id);
    SNAP(s, n, events);
    queue_state(n, s);
    u32 count = n->count;
    snap_bytes(s, "in flight", &count, sizeof count);
    if (s->mode == SNAP_LOAD) {
        n->first = 0;
        n->count = count <= NVME_IN_FLIGHT ? count : 0;
        s->failed |= n->count != count;
    }
    for (u32 i = 0; i < n->count; i++) {
        struct nvme_request *r = nth(n, i);
        SNAP(s, r, when);
        SNAP(s, r, sq);
        SNAP(s, r, sqe);
    }
    clock_event_state(n->cfg.clock, &n->done, s);
    if (n->cfg.disk->ops->state)
        n->cfg.disk->ops->state(n->cfg.disk, s);
    if (s->mode == SNAP_LOAD)
        check_loaded(n, s);
}

static void destroy(struct pci_fn *f)
{
    clock_cancel(self(f)->cfg.clock, &self(f)->done);
    free(self(f));
}

static const struct pci_ops ops = {
    .name = "nvme",
    .bar_read = bar_read,
    .bar_write = bar_write,
    .config_wrote = config_wrote,
    .reset = reset,
    .state = state,
    .destroy = destroy,
};

struct pci_fn *nvme_new(const struct nvme_config *cfg)
{
    static const struct pci_ids ids = {.vendor = 0x1b36,
                                       .device = 0x0010,
                                       .subsys_vendor = 0x1af4,
                                       .subsys = 0x1100,
                                       .class_code = 0x010802,
                                       .revision = 2};
    struct nvme *n = calloc(1, sizeof *n);
    CHECK(n);
    n->cfg = *cfg;
    pci_init(&n->fn, &ops, cfg->id, cfg->log, &ids, true);
    pci_add_bar(&n->fn, 0, PCI_BAR_MEM64, 0x4000);
    pci_add_msix(&n->fn, 0, MSIX_TABLE, MSIX_PBA, NVME_QUEUES);
    pci_add_express(&n->fn, PCI_ENDPOINT, true);
    snprintf(n->event_name, sizeof n->event_name, "%s-done", cfg->id);
    n->done = (struct event){.fire = done, .arg = n, .name = n->event_name};
    reset(&n->fn);
    return &n->fn;
}
