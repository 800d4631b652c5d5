/* PCI functions: configuration space, BARs, capabilities, INTx and bus-master DMA (PCI Local Bus 3.0
 * chapter 6, PCI Express Base 4.0 chapter 7).
 *
 * A configuration write changes the bits that wmask allows; sizing a BAR works by that alone.  DMA and
 * MSI leave a function only while it may master the bus.
 *
 * A request that a function sends and nothing takes sets its status bits; one that it does not take is pci_host.c's.
 *
 * Not modelled: expansion ROMs, power management, error messages, accesses from one function to another: such a request
 * is refused. */
#include "devices/pci.h"

#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/le.h"
#include "devices/pci_internal.h"

enum { STATUS_INTX = 1 << 3, STATUS_CAPS = 1 << 4 };

/* ---- bus mastering -------------------------------------------------------------------------- */

static bool master(const struct pci_fn *f) { return f->config[PCI_COMMAND] & PCI_CMD_MASTER; }

/* May the function send this request, and does it reach the host? */
static bool leaves(const struct pci_fn *f, u64 addr)
{
    bool redirected = false;
    if (!master(f))
        return false;
    for (const struct pci_fn *b = f->bus ? f->bus->owner : NULL; b; b = b->bus->owner)
        if (!pci_bridge_passes(b, f, addr, &redirected))
            return false;
    return true;
}

/* A read that fails is answered so; a write is not answered. */
static enum bus_result answered(struct pci_fn *f, enum bus_result r)
{
    if (r != BUS_OK)
        pci_set16(f, PCI_STATUS, r == BUS_DECERR ? PCI_STA_MASTER_ABORT : PCI_STA_TARGET_ABORT);
    return r;
}

static enum bus_result out_read(struct pci_fn *f, const struct dma *d, u64 addr, void *buf, size_t n)
{
    return leaves(f, addr) ? answered(f, dma_read(d, addr, buf, n)) : BUS_DECERR;
}

static enum bus_result out_write(const struct pci_fn *f, const struct dma *d, u64 addr, const void *buf, size_t n)
{
    return leaves(f, addr) ? dma_write(d, addr, buf, n) : BUS_DECERR;
}

/* With ATS on: page by page, from the cache what it knows. */
static enum bus_result cached(struct pci_fn *f, u64 addr, u8 *buf, size_t n, bool write)
{
    while (n) {
        size_t k = PAGE_SIZE - (addr & (PAGE_SIZE - 1));
        struct dma d = f->upstream;
        u64 to = addr;
        if (k > n)
            k = n;
        d.txn.translated = master(f) && pci_ats_lookup(f, addr, write, &to);
        enum bus_result r = write ? out_write(f, &d, to, buf, k) : out_read(f, &d, to, buf, k);
        if (r != BUS_OK)
            return r;
        addr += k;
        buf += k;
        n -= k;
    }
    return BUS_OK;
}

static enum bus_result fn_read(void *arg, const struct txn *t, u64 addr, void *buf, size_t n)
{
    struct pci_fn *f = arg;
    (void)t;
    return f->ats.on ? cached(f, addr, buf, n, false) : out_read(f, &f->upstream, addr, buf, n);
}

static enum bus_result fn_write(void *arg, const struct txn *t, u64 addr, const void *buf, size_t n)
{
    struct pci_fn *f = arg;
    (void)t;
    if (f->ats.on)
        return cached(f, addr, (u8 *)(uintptr_t)buf, n, true); /* only read: cached() writes memory from it */
    return out_write(f, &f->upstream, addr, buf, n);
}

enum bus_result pci_message(struct pci_fn *f, u64 addr, u32 data)
{
    u8 b[4];
    put_le32(b, data);
    return addr < 1ull << 56 ? out_write(f, &f->upstream, addr, b, sizeof b) : BUS_DECERR;
}

static enum bus_result direct_read(void *arg, const struct txn *t, u64 addr, void *buf, size_t n)
{
    struct pci_fn *f = arg;
    (void)t;
    return leaves(f, addr) ? answered(f, dma_read(&f->host->cfg.direct, addr, buf, n)) : BUS_DECERR;
}

static enum bus_result direct_write(void *arg, const struct txn *t, u64 addr, const void *buf, size_t n)
{
    const struct pci_fn *f = arg;
    (void)t;
    return leaves(f, addr) ? dma_write(&f->host->cfg.direct, addr, buf, n) : BUS_DECERR;
}

/* ---- building a function -------------------------------------------------------------------- */

void pci_init(struct pci_fn *f, const struct pci_ops *ops, const char *id, struct log *log, const struct pci_ids *ids,
              bool interrupt)
{
    f->ops = ops;
    f->id = id;
    f->log = log;
    f->dma = (struct dma){.read = fn_read, .write = fn_write, .arg = f};
    f->direct = (struct dma){.read = direct_read, .write = direct_write, .arg = f};
    f->caps_end = PCI_CAPS;
    f->ext_end = PCI_EXTENDED;
    u8 *c = f->initial;
    put_le16(c + PCI_VENDOR, ids->vendor);
    put_le16(c + PCI_DEVICE, ids->device);
    c[PCI_REVISION] = ids->revision;
    put_le16(c + PCI_CLASS, (u16)ids->class_code);
    c[PCI_CLASS + 2] = (u8)(ids->class_code >> 16);
    put_le16(c + PCI_SUBSYS_VENDOR, ids->subsys_vendor);
    put_le16(c + PCI_SUBSYS, ids->subsys);
    c[PCI_INT_PIN] = interrupt;
    put_le16(f->wmask + PCI_COMMAND, PCI_CMD_MASTER | (interrupt ? PCI_CMD_INTX_OFF : 0));
    put_le16(f->w1c + PCI_STATUS, PCI_STA_CLEARED);
    f->wmask[PCI_INT_LINE] = interrupt ? 0xff : 0;
    memcpy(f->config, f->initial, PCI_CONFIG);
}

void pci_add_bar(struct pci_fn *f, unsigned bar, enum pci_bar_kind kind, u64 size)
{
    CHECK(bar < PCI_BARS && is_pow2(size) && size >= (kind == PCI_BAR_IO ? 4 : 16));
    f->bar[bar].size = size;
    f->bar[bar].kind = (u8)kind;
    unsigned at = PCI_BAR0 + 4 * bar;
    put_le32(f->wmask + at, (u32) ~(size - 1));
    f->initial[at] = kind == PCI_BAR_IO ? 1 : kind == PCI_BAR_MEM64 ? 0xc : 0; /* 64-bit: prefetchable too */
    if (kind == PCI_BAR_MEM64) {
        CHECK(bar + 1 < PCI_BARS);
        put_le32(f->wmask + at + 4, (u32)(~(size - 1) >> 32));
    }
    f->wmask[PCI_COMMAND] |= kind == PCI_BAR_IO ? PCI_CMD_IO : PCI_CMD_MEM;
    memcpy(f->config, f->initial, PCI_CONFIG);
}

unsigned pci_add_cap(struct pci_fn *f, u8 cap_id, const u8 *body, const u8 *wmask, unsigned n)
{
    unsigned at = f->caps_end;
    CHECK(n >= 2 && at + n <= PCI_EXTENDED);
    memcpy(f->initial + at, body, n);
    if (wmask)
        memcpy(f->wmask + at, wmask, n);
    f->initial[at] = cap_id;
    f->initial[at + 1] = f->initial[PCI_CAP_POINTER];
    f->wmask[at] = f->wmask[at + 1] = 0;
    f->initial[PCI_CAP_POINTER] = (u8)at;
    f->initial[PCI_STATUS] |= STATUS_CAPS;
    f->caps_end = (unsigned)align_up(at + n, 4);
    memcpy(f->config, f->initial, PCI_CONFIG);
    return at;
}

unsigned pci_add_ext_cap(struct pci_fn *f, u16 cap_id, u8 version, const u8 *body, const u8 *wmask, unsigned n)
{
    unsigned at = f->ext_end;
    CHECK(n >= 4 && at + n <= PCI_CONFIG);
    memcpy(f->initial + at, body, n);
    memcpy(f->wmask + at, wmask, n);
    put_le32(f->initial + at, cap_id | (u32)version << 16);
    memset(f->wmask + at, 0, 4);
    if (f->last_ext)
        put_le16(f->initial + f->last_ext + 2, (u16)(get_le16(f->initial + f->last_ext + 2) | at << 4));
    f->last_ext = at;
    f->ext_end = (unsigned)align_up(at + n, 4);
    memcpy(f->config, f->initial, PCI_CONFIG);
    return at;
}

/* ---- INTx ----------------------------------------------------------------------------------- */

static bool wants_pin(const struct pci_fn *f) { return f->intx && !pci_msi_enabled(f); }

/* The four lines are shared by wired-or; INTA of device d is line d mod 4 of its bus, and each port on the way turns
 * them on by its own device number (9.1 of the PCI-to-PCI Bridge specification). */
static void update_intx(struct pci_host *h)
{
    bool level[4] = {0};
    for (unsigned i = 0; i < h->count; i++) {
        const struct pci_fn *f = h->fn[i];
        if (!wants_pin(f) || pci_get16(f, PCI_COMMAND) & PCI_CMD_INTX_OFF)
            continue;
        unsigned line = f->devfn >> 3;
        for (const struct pci_fn *b = f->bus->owner; b; b = b->bus->owner)
            line += b->devfn >> 3;
        level[line % 4] = true;
    }
    for (unsigned i = 0; i < 4; i++)
        irq_set(&h->intx[i], level[i]);
}

static void update_status(struct pci_fn *f)
{
    f->config[PCI_STATUS] = (u8)((f->config[PCI_STATUS] & ~STATUS_INTX) | (wants_pin(f) ? STATUS_INTX : 0));
}

void pci_set_intx(struct pci_fn *f, bool level)
{
    if (f->intx == level)
        return;
    f->intx = level;
    update_status(f);
    if (f->host)
        update_intx(f->host);
    if (level && pci_msi_enabled(f))
        pci_msi_send(f, 0);
}

void pci_host_changed(struct pci_host *h)
{
    h->mmio.hit = h->mmio64.hit = h->io.hit = NULL;
    update_intx(h);
}

/* ---- configuration -------------------------------------------------------------------------- */

u32 pci_config_read(struct pci_fn *f, const struct txn *t, unsigned off, unsigned size)
{
    if (off + size > PCI_CONFIG)
        return 0;
    if (f->ops->config_read && !t->debug)
        f->ops->config_read(f, off, size);
    return (u32)get_bytes(f->config, PCI_CONFIG, off, size);
}

void pci_config_write(struct pci_fn *f, unsigned off, unsigned size, u32 val)
{
    if (off + size > PCI_CONFIG)
        return;
    for (unsigned i = 0; i < size; i++) {
        u8 m = f->wmask[off + i], v = (u8)(val >> (8 * i));
        f->config[off + i] = (u8)((f->config[off + i] & ~m & ~(v & f->w1c[off + i])) | (v & m));
    }
    if (pci_express_wrote(f, off, size, val))
        return;
    if (f->behind)
        pci_bridge_wrote(f);
    update_status(f);
    if (f->host)
        pci_host_changed(f->host);
    pci_msi_config_wrote(f);
    pci_msix_config_wrote(f);
    pci_ats_changed(f);
    if (f->ops->config_wrote)
        f->ops->config_wrote(f, off, size);
}

void pci_capture(struct pci_fn *f, unsigned number)
{
    f->number = (u8)number;
    f->upstream.txn.stream = f->host->cfg.dma.txn.stream + (number << 8 | f->devfn);
}

/* The PCI address of a BAR. */
static u64 bar_addr(const struct pci_fn *f, unsigned bar)
{
    unsigned at = PCI_BAR0 + 4 * bar;
    u64 a = get_le32(f->config + at);
    if (f->bar[bar].kind == PCI_BAR_MEM64)
        a |= (u64)get_le32(f->config + at + 4) << 32;
    return a & ~(f->bar[bar].size - 1);
}

bool pci_bar_claims(const struct pci_fn *f, unsigned bar, bool io, u64 addr, u64 *off)
{
    u64 size = f->bar[bar].size;
    if (!size || (f->bar[bar].kind == PCI_BAR_IO) != io || !(f->config[PCI_COMMAND] & (io ? PCI_CMD_IO : PCI_CMD_MEM)))
        return false;
    *off = addr - bar_addr(f, bar);
    return *off < size;
}

/* ---- life ----------------------------------------------------------------------------------- */

void pci_fn_reset(struct pci_fn *f)
{
    memcpy(f->config, f->initial, PCI_CONFIG);
    f->intx = false;
    pci_msix_reset(f);
    pci_ats_changed(f);
    if (f->host)
        pci_capture(f, 0);
    if (f->ops->reset)
        f->ops->reset(f);
    if (f->host)
        pci_host_changed(f->host);
}

void pci_fn_state(struct pci_fn *f, struct snap *s)
{
    snap_section(s, f->id);
    SNAP(s, f, config);
    SNAP(s, f, number);
    SNAP_BOOL(s, f, intx);
    pci_msix_state(f, s);
    pci_ats_state(f, s);
    if (s->mode == SNAP_LOAD)
        pci_capture(f, f->number);
    if (f->ops->state)
        f->ops->state(f, s);
}

void pci_fn_destroy(struct pci_fn *f)
{
    pci_msix_free(f);
    pci_ats_free(f);
    if (f->ops->destroy)
        f->ops->destroy(f);
}

void pci_unplugged(struct pci_fn *f) { pci_fn_destroy(f); }
