/* Virtio over MMIO (virtio 1.2, section 4.2), version 2 and the legacy version 1 (4.2.4).
 *
 * Registers are 32 bits wide and accessed as such; only the device configuration at 0x100 takes other
 * sizes.  Most registers mean "of the selected queue", so they are a switch, not a struct reg table.
 *
 * Not modelled: shared memory regions (their length reads as all ones), queue reset. */
#include "devices/virtio_mmio.h"

#include <stdlib.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"

enum reg_offset {
    MAGIC = 0x00,
    VERSION = 0x04,
    DEVICE_ID = 0x08,
    VENDOR_ID = 0x0c,
    DEVICE_FEATURES = 0x10,
    DEVICE_FEATURES_SEL = 0x14,
    DRIVER_FEATURES = 0x20,
    DRIVER_FEATURES_SEL = 0x24,
    GUEST_PAGE_SIZE = 0x28, /* legacy */
    QUEUE_SEL = 0x30,
    QUEUE_NUM_MAX = 0x34,
    QUEUE_NUM = 0x38,
    QUEUE_ALIGN = 0x3c, /* legacy */
    QUEUE_PFN = 0x40,   /* legacy */
    QUEUE_READY = 0x44,
    QUEUE_NOTIFY = 0x50,
    INTERRUPT_STATUS = 0x60,
    INTERRUPT_ACK = 0x64,
    STATUS = 0x70,
    QUEUE_DESC = 0x80,
    QUEUE_DRIVER = 0x90,
    QUEUE_DEVICE = 0xa0,
    SHM_SEL = 0xac,
    SHM_LEN = 0xb0,
    SHM_BASE = 0xb8,
    CONFIG_GENERATION = 0xfc,
    CONFIG = 0x100,
};

enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

static struct virtio_mmio *self(struct device *d) { return container_of(d, struct virtio_mmio, dev); }

static void set_isr(struct virtio_mmio *m, u32 isr)
{
    m->isr = isr;
    irq_set(&m->irq, isr != 0);
}

static void interrupt(void *arg, unsigned queue)
{
    struct virtio_mmio *m = arg;
    set_isr(m, m->isr | (queue == VIRTIO_CONFIG_CHANGED ? ISR_CONFIG : ISR_QUEUE));
}

static u64 offered(const struct virtio_mmio *m)
{
    /* ACCESS_PLATFORM needs VERSION_1, ANY_LAYOUT is what VERSION_1 implies. */
    return m->modern ? m->v->features & ~VIRTIO_F_ANY_LAYOUT : m->v->features & ones(32);
}

static struct virtq *selected(struct virtio_mmio *m)
{
    return m->queue_sel < m->v->class->queues ? &m->v->q[m->queue_sel] : NULL;
}

/* ---- reads ---------------------------------------------------------------------------------- */

static bool bad(struct virtio_mmio *m, const struct txn *t, const char *what, u64 off)
{
    if (!t->debug)
        log_guest(m->dev.log, "%s: %s register 0x%llx", m->dev.id, what, (unsigned long long)off);
    return false;
}

static u32 read_modern(struct virtio_mmio *m, const struct txn *t, u64 off)
{
    const struct virtq *q = selected(m);
    switch (off) {
    case QUEUE_READY: return q && q->ready;
    case SHM_LEN:
    case SHM_LEN + 4:
    case SHM_BASE:
    case SHM_BASE + 4: return ~0u;
    case CONFIG_GENERATION: return m->v->generation;
    }
    bad(m, t, "read of no or write-only", off);
    return 0;
}

static u32 read_reg(struct virtio_mmio *m, const struct txn *t, u64 off)
{
    const struct virtio *v = m->v;
    switch (off) {
    case MAGIC: return 0x74726976; /* "virt" */
    case VERSION: return m->modern ? 2 : 1;
    case DEVICE_ID: return v ? v->class->device_id : 0;
    case VENDOR_ID: return 0x41524c45; /* "ELRA" */
    }
    if (!v) {
        bad(m, t, "empty slot: read of", off);
        return 0;
    }
    const struct virtq *q = selected(m);
    switch (off) {
    case DEVICE_FEATURES: return m->features_sel < 2 ? (u32)(offered(m) >> (32 * m->features_sel)) : 0;
    case QUEUE_NUM_MAX: return q ? q->max : 0;
    case INTERRUPT_STATUS: return m->isr;
    case STATUS: return v->status;
    case QUEUE_PFN:
        if (!m->modern)
            return q ? m->pfn[m->queue_sel] : 0;
        break;
    }
    if (m->modern)
        return read_modern(m, t, off);
    bad(m, t, "read of no or write-only", off);
    return 0;
}

static enum bus_result mmio_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct virtio_mmio *m = self(d);
    *val = 0;
    if (bus_from_dma(t))
        return BUS_SLVERR;
    if (off >= CONFIG) {
        if (m->v)
            *val = virtio_config_read(m->v, off - CONFIG, size);
    } else if (size != 4) {
        bad(m, t, "read not of 32 bits of", off);
    } else {
        *val = read_reg(m, t, off);
    }
    return BUS_OK;
}

/* ---- writes --------------------------------------------------------------------------------- */

static void reset_transport(struct virtio_mmio *m)
{
    m->page_size = m->queue_sel = m->features_sel = m->driver_features_sel = 0;
    for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
        m->align[i] = PAGE_SIZE;
        m->pfn[i] = 0;
    }
    set_isr(m, 0);
}

static void set_half(u64 *field, u64 off, u32 val)
{
    *field = off & 4 ? deposit(*field, 63, 32, val) : deposit(*field, 31, 0, val);
}

static bool write_queue_modern(struct virtio_mmio *m, u64 off, u32 val)
{
    struct virtq *q = selected(m);
    if (!q)
        return true;
    if (off == QUEUE_READY) {
        if (val & 1 && !q->ready)
            virtio_enable_queue(m->v, m->queue_sel);
        else if (!(val & 1)) /* the driver takes the queue back; it starts afresh when enabled again */
            *q = (struct virtq){.size = q->max, .max = q->max};
        return true;
    }
    if (q->ready) {
        log_guest(m->dev.log, "%s: queue %u changed while ready", m->dev.id, m->queue_sel);
        return true;
    }
    switch (off & ~4ull) {
    case QUEUE_DESC: set_half(&q->desc, off, val); return true;
    case QUEUE_DRIVER: set_half(&q->driver, off, val); return true;
    case QUEUE_DEVICE: set_half(&q->device, off, val); return true;
    }
    return false;
}

static bool write_legacy(struct virtio_mmio *m, u64 off, u32 val)
{
    struct virtq *q = selected(m);
    switch (off) {
    case GUEST_PAGE_SIZE:
        if (!is_pow2(val))
            log_guest(m->dev.log, "%s: page size %u", m->dev.id, val);
        else
            m->page_size = val;
        return true;
    case QUEUE_ALIGN:
        if (q)
            m->align[m->queue_sel] = val;
        return true;
    case QUEUE_PFN:
        if (q) {
            m->pfn[m->queue_sel] = val;
            virtio_legacy_queue(m->v, m->queue_sel, (u64)val * (m->page_size ? m->page_size : PAGE_SIZE),
                                m->align[m->queue_sel]);
        }
        return true;
    }
    return false;
}

static bool write_common(struct virtio_mmio *m, u64 off, u32 val)
{
    struct virtio *v = m->v;
    struct virtq *q = selected(m);
    switch (off) {
    case DEVICE_FEATURES_SEL: m->features_sel = val; return true;
    case DRIVER_FEATURES_SEL: m->driver_features_sel = val; return true;
    case DRIVER_FEATURES: virtio_set_features(v, m->driver_features_sel, val, offered(m)); return true;
    case QUEUE_SEL: m->queue_sel = val; return true;
    case QUEUE_NUM:
        if (q && q->ready)
            log_guest(m->dev.log, "%s: size of queue %u changed while ready", m->dev.id, m->queue_sel);
        else if (q && is_pow2(val) && val <= q->max)
            q->size = (u16)val;
        else if (q)
            log_guest(m->dev.log, "%s: size %u for queue %u", m->dev.id, val, m->queue_sel);
        return true;
    case QUEUE_NOTIFY: virtio_notify(v, val & 0xffff, !m->modern); return true;
    case INTERRUPT_ACK: set_isr(m, m->isr & ~val); return true;
    case STATUS:
        if (!(val & 0xff))
            reset_transport(m);
        virtio_set_status(v, (u8)val, !m->modern);
        return true;
    }
    return false;
}

static enum bus_result mmio_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct virtio_mmio *m = self(d);
    if (t->debug)
        return BUS_OK;
    if (!m->v) {
        bad(m, t, "empty slot: write of", off);
        return BUS_OK;
    }
    if (bus_from_dma(t))
        return BUS_SLVERR;
    if (off >= CONFIG)
        virtio_config_write(m->v, off - CONFIG, size, val);
    else if (size != 4)
        bad(m, t, "write not of 32 bits of", off);
    else if (!write_common(m, off, (u32)val) &&
             !(m->modern ? write_queue_modern(m, off, (u32)val) : write_legacy(m, off, (u32)val)))
        bad(m, t, "write of no or read-only", off);
    return BUS_OK;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void mmio_reset(struct device *d)
{
    struct virtio_mmio *m = self(d);
    if (m->v)
        virtio_reset(m->v);
    reset_transport(m);
}

static void mmio_state(struct device *d, struct snap *s)
{
    struct virtio_mmio *m = self(d);
    snap_section(s, d->id);
    SNAP(s, m, isr);
    SNAP(s, m, page_size);
    SNAP(s, m, queue_sel);
    SNAP(s, m, features_sel);
    SNAP(s, m, driver_features_sel);
    SNAP(s, m, align);
    SNAP(s, m, pfn);
    SNAP_BOOL(s, m, irq.level);
    if (m->v)
        virtio_state(m->v, s);
}

static void mmio_destroy(struct device *d)
{
    struct virtio_mmio *m = self(d);
    virtio_destroy(m->v);
    free(m);
}

static const struct device_ops ops = {
    .name = "virtio-mmio",
    .min_size = 1,
    .max_size = 8,
    .read = mmio_read,
    .write = mmio_write,
    .reset = mmio_reset,
    .state = mmio_state,
    .destroy = mmio_destroy,
};

struct virtio_mmio *virtio_mmio_new(const struct virtio_mmio_config *cfg)
{
    struct virtio_mmio *m = calloc(1, sizeof *m);
    CHECK(m);
    m->dev = (struct device){.ops = &ops, .id = cfg->id, .log = cfg->log};
    m->modern = cfg->modern;
    m->v = cfg->device;
    if (m->v)
        virtio_attach(m->v, &cfg->dma, interrupt, m);
    mmio_reset(&m->dev);
    return m;
}
