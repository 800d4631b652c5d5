/* Virtio over PCI (virtio 1.2, section 4.1): modern, or transitional with the legacy interface too.
 *
 *   BAR 0  I/O, legacy registers (transitional only)
 *   BAR 1  memory, MSI-X table and pending bits: a vector for each queue and one for the configuration
 *   BAR 4  64-bit memory, 16 KiB: common 0x0000, ISR 0x1000, device 0x2000, notification 0x3000 (4 bytes a queue)
 *
 * Not modelled: notification data, queue reset, shared memory and administration structures. */
#include "devices/virtio_pci.h"

#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/le.h"

enum { BAR_LEGACY = 0, BAR_MSIX = 1, BAR_MODERN = 4 };
enum { AT_COMMON = 0x0000, AT_ISR = 0x1000, AT_DEVICE = 0x2000, AT_NOTIFY = 0x3000, MODERN_SIZE = 0x4000 };
enum { NOTIFY_STEP = 4, NO_VECTOR = 0xffff };
enum { CAP_VENDOR = 0x09, CFG_COMMON = 1, CFG_NOTIFY, CFG_ISR, CFG_DEVICE, CFG_PCI };
enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

struct vpci {
    struct pci_fn fn;
    struct virtio *v;
    bool transitional;
    unsigned window; /* the capability that accesses BARs through configuration space */
    u32 features_sel, driver_features_sel;
    u16 queue_sel, config_vector, vector[VIRTIO_MAX_QUEUES];
    u32 pfn[VIRTIO_MAX_QUEUES];
    u8 isr;
};

static struct vpci *self(struct pci_fn *f) { return container_of(f, struct vpci, fn); }

static void set_isr(struct vpci *p, u8 isr)
{
    p->isr = isr;
    pci_set_intx(&p->fn, isr && !pci_msix_enabled(&p->fn));
}

static void interrupt(void *arg, unsigned queue)
{
    struct vpci *p = arg;
    bool config = queue == VIRTIO_CONFIG_CHANGED;
    if (pci_msix_enabled(&p->fn)) {
        u16 vec = config ? p->config_vector : p->vector[queue];
        if (vec != NO_VECTOR)
            pci_msix_send(&p->fn, vec);
    } else {
        set_isr(p, p->isr | (config ? ISR_CONFIG : ISR_QUEUE));
    }
}

static u8 read_isr(struct vpci *p, const struct txn *t)
{
    u8 isr = p->isr;
    if (!t->debug)
        set_isr(p, 0);
    return isr;
}

static struct virtq *selected(struct vpci *p)
{
    return p->queue_sel < p->v->class->queues ? &p->v->q[p->queue_sel] : NULL;
}

static u16 check_vector(struct vpci *p, u64 val) { return val < p->fn.msix.count ? (u16)val : NO_VECTOR; }

static void reset_transport(struct vpci *p)
{
    p->features_sel = p->driver_features_sel = 0;
    p->queue_sel = 0;
    p->config_vector = NO_VECTOR;
    for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
        p->vector[i] = NO_VECTOR;
        p->pfn[i] = 0;
    }
    set_isr(p, 0);
}

static void write_status(struct vpci *p, u8 val, bool legacy)
{
    if (!val)
        reset_transport(p);
    virtio_set_status(p->v, val, legacy);
}

/* ---- common configuration (4.1.4.3) --------------------------------------------------------- */

enum common {
    C_FEATURES_SEL = 0,
    C_FEATURES = 4,
    C_DRIVER_SEL = 8,
    C_DRIVER = 12,
    C_CONFIG_VECTOR = 16,
    C_QUEUES = 18,
    C_STATUS = 20,
    C_GENERATION = 21,
    C_QUEUE_SEL = 22,
    C_QUEUE_SIZE = 24,
    C_QUEUE_VECTOR = 26,
    C_QUEUE_ENABLE = 28,
    C_QUEUE_NOTIFY = 30,
    C_QUEUE_DESC = 32,
    C_QUEUE_DRIVER = 40,
    C_QUEUE_DEVICE = 48,
    C_SIZE = 56,
};

static u64 offered(const struct vpci *p) { return p->v->features & ~VIRTIO_F_ANY_LAYOUT; }

/* The structure as bytes, so that accesses of any size read it. */
static u64 common_read(struct vpci *p, u64 off, unsigned size)
{
    const struct virtio *v = p->v;
    const struct virtq *q = selected(p);
    u8 c[C_SIZE] = {0};
    put_le32(c + C_FEATURES_SEL, p->features_sel);
    if (p->features_sel < 2)
        put_le32(c + C_FEATURES, (u32)(offered(p) >> (32 * p->features_sel)));
    put_le32(c + C_DRIVER_SEL, p->driver_features_sel);
    if (p->driver_features_sel < 2)
        put_le32(c + C_DRIVER, (u32)(v->driver_features >> (32 * p->driver_features_sel)));
    put_le16(c + C_CONFIG_VECTOR, p->config_vector);
    put_le16(c + C_QUEUES, v->class->queues);
    c[C_STATUS] = v->status;
    c[C_GENERATION] = (u8)v->generation;
    put_le16(c + C_QUEUE_SEL, p->queue_sel);
    if (q) {
        put_le16(c + C_QUEUE_SIZE, q->size);
        put_le16(c + C_QUEUE_VECTOR, p->vector[p->queue_sel]);
        put_le16(c + C_QUEUE_ENABLE, q->ready);
        put_le16(c + C_QUEUE_NOTIFY, p->queue_sel);
        put_le64(c + C_QUEUE_DESC, q->desc);
        put_le64(c + C_QUEUE_DRIVER, q->driver);
        put_le64(c + C_QUEUE_DEVICE, q->device);
    }
    return get_bytes(c, C_SIZE, off, size);
}

static void queue_write(struct vpci *p, u64 off, unsigned size, u64 val)
{
    struct virtq *q = selected(p);
    if (!q)
        return;
    if (off == C_QUEUE_VECTOR) {
        p->vector[p->queue_sel] = check_vector(p, val);
        return;
    }
    if (off == C_QUEUE_ENABLE && val == 1 && !q->ready) {
        virtio_enable_queue(p->v, p->queue_sel);
        return;
    }
    if (q->ready || off == C_QUEUE_ENABLE || off == C_QUEUE_NOTIFY) {
        log_guest(p->fn.log, "%s: write of 0x%llx to offset 0x%llx of queue %u", p->fn.id, (unsigned long long)val,
                  (unsigned long long)off, p->queue_sel);
        return;
    }
    u64 *const addr[3] = {&q->desc, &q->driver, &q->device};
    if (off == C_QUEUE_SIZE)
        q->size = (u16)val; /* checked when enabled */
    else if (size == 8)
        *addr[(off - C_QUEUE_DESC) / 8] = val;
    else if (off & 4)
        *addr[(off - C_QUEUE_DESC) / 8] = deposit(*addr[(off - C_QUEUE_DESC) / 8], 63, 32, val);
    else
        *addr[(off - C_QUEUE_DESC) / 8] = deposit(*addr[(off - C_QUEUE_DESC) / 8], 31, 0, val);
}

/* The width of the field at off that may be written, 0: none. */
static unsigned writable_width(u64 off)
{
    switch (off) {
    case C_FEATURES_SEL:
    case C_DRIVER_SEL:
    case C_DRIVER: return 4;
    case C_CONFIG_VECTOR:
    case C_QUEUE_SEL:
    case C_QUEUE_SIZE:
    case C_QUEUE_VECTOR:
    case C_QUEUE_ENABLE: return 2;
    case C_STATUS: return 1;
    }
    return off >= C_QUEUE_DESC && off < C_SIZE && !(off & 3) ? off & 4 ? 4 : 8 : 0;
}

static void common_write(struct vpci *p, u64 off, unsigned size, u64 val)
{
    unsigned width = writable_width(off);
    if (size != width && !(width == 8 && size == 4)) {
        log_guest(p->fn.log, "%s: write of %u bytes to common configuration at 0x%llx", p->fn.id, size,
                  (unsigned long long)off);
        return;
    }
    switch (off) {
    case C_FEATURES_SEL: p->features_sel = (u32)val; return;
    case C_DRIVER_SEL: p->driver_features_sel = (u32)val; return;
    case C_DRIVER: virtio_set_features(p->v, p->driver_features_sel, (u32)val, offered(p)); return;
    case C_CONFIG_VECTOR: p->config_vector = check_vector(p, val); return;
    case C_STATUS: write_status(p, (u8)val, false); return;
    case C_QUEUE_SEL: p->queue_sel = (u16)val; return;
    }
    queue_write(p, off, size, val);
}

/* ---- legacy registers (4.1.4.10) ------------------------------------------------------------ */

enum legacy {
    L_FEATURES = 0,
    L_DRIVER = 4,
    L_QUEUE_PFN = 8,
    L_QUEUE_SIZE = 12,
    L_QUEUE_SEL = 14,
    L_NOTIFY = 16,
    L_STATUS = 18,
    L_ISR = 19,
    L_CONFIG_VECTOR = 20, /* these two only while MSI-X is enabled */
    L_QUEUE_VECTOR = 22,
};

static u64 legacy_config(const struct vpci *p) { return pci_msix_enabled(&p->fn) ? 24 : 20; }

static u64 legacy_read(struct vpci *p, const struct txn *t, u64 off, unsigned size)
{
    const struct virtio *v = p->v;
    const struct virtq *q = selected(p);
    if (off >= legacy_config(p))
        return virtio_config_read(v, off - legacy_config(p), size);
    switch (off) {
    case L_FEATURES: return v->features & ones(32);
    case L_DRIVER: return v->driver_features & ones(32);
    case L_QUEUE_PFN: return q ? p->pfn[p->queue_sel] : 0;
    case L_QUEUE_SIZE: return q ? q->max : 0;
    case L_QUEUE_SEL: return p->queue_sel;
    case L_STATUS: return v->status;
    case L_ISR: return read_isr(p, t);
    case L_CONFIG_VECTOR: return p->config_vector;
    case L_QUEUE_VECTOR: return q ? p->vector[p->queue_sel] : NO_VECTOR;
    }
    return 0;
}

static void legacy_write(struct vpci *p, u64 off, unsigned size, u64 val)
{
    struct virtq *q = selected(p);
    if (off >= legacy_config(p)) {
        virtio_config_write(p->v, off - legacy_config(p), size, val);
        return;
    }
    switch (off) {
    case L_DRIVER: virtio_set_features(p->v, 0, (u32)val, p->v->features & ones(32)); return;
    case L_QUEUE_PFN:
        if (q) {
            p->pfn[p->queue_sel] = (u32)val;
            virtio_legacy_queue(p->v, p->queue_sel, val << PAGE_SHIFT, PAGE_SIZE);
        }
        return;
    case L_QUEUE_SEL: p->queue_sel = (u16)val; return;
    case L_NOTIFY: virtio_notify(p->v, (u16)val, true); return;
    case L_STATUS: write_status(p, (u8)val, true); return;
    case L_CONFIG_VECTOR: p->config_vector = check_vector(p, val); return;
    case L_QUEUE_VECTOR:
        if (q)
            p->vector[p->queue_sel] = check_vector(p, val);
        return;
    }
    log_guest(p->fn.log, "%s: write of 0x%llx to legacy offset 0x%llx", p->fn.id, (unsigned long long)val,
              (unsigned long long)off);
}

/* ---- BARs ----------------------------------------------------------------------------------- */

static u64 bar_read(struct pci_fn *f, const struct txn *t, unsigned bar, u64 off, unsigned size)
{
    struct vpci *p = self(f);
    if (bar == BAR_LEGACY)
        return legacy_read(p, t, off, size);
    if (bar != BAR_MODERN)
        return 0;
    switch (off & ~0xfffull) {
    case AT_COMMON: return common_read(p, off, size);
    case AT_ISR: return off == AT_ISR ? read_isr(p, t) : 0;
    case AT_DEVICE: return virtio_config_read(p->v, off - AT_DEVICE, size);
    }
    return 0;
}

static void bar_write(struct pci_fn *f, const struct txn *t, unsigned bar, u64 off, unsigned size, u64 val)
{
    struct vpci *p = self(f);
    (void)t;
    if (bar == BAR_LEGACY) {
        legacy_write(p, off, size, val);
        return;
    }
    switch (bar == BAR_MODERN ? off & ~0xfffull : ~0ull) {
    case AT_COMMON: common_write(p, off, size, val); return;
    case AT_DEVICE: virtio_config_write(p->v, off - AT_DEVICE, size, val); return;
    case AT_NOTIFY: virtio_notify(p->v, (unsigned)(off - AT_NOTIFY) / NOTIFY_STEP, false); return;
    }
    log_guest(f->log, "%s: write of 0x%llx to BAR %u at 0x%llx", f->id, (unsigned long long)val, bar,
              (unsigned long long)off);
}

/* The window in configuration space (4.1.4.9): {cap, bar, offset, length, data}. */
static bool window_access(struct vpci *p, unsigned *bar, u64 *off, unsigned *size)
{
    const u8 *c = p->fn.config + p->window;
    *bar = c[4];
    *off = get_le32(c + 8);
    *size = get_le32(c + 12);
    bool sized = *size == 1 || *size == 2 || *size == 4;
    return sized && !(*off & (*size - 1)) && *bar < PCI_BARS && *off < p->fn.bar[*bar].size &&
           !pci_msix_inside(&p->fn, *bar, *off);
}

static const struct txn window_txn = {.privileged = true};

static bool window_data(const struct vpci *p, unsigned off, unsigned size)
{
    return off < p->window + 20 && off + size > p->window + 16;
}

static void config_read(struct pci_fn *f, unsigned off, unsigned size)
{
    struct vpci *p = self(f);
    unsigned bar, n;
    u64 at;
    if (window_data(p, off, size) && window_access(p, &bar, &at, &n))
        put_le32(f->config + p->window + 16, (u32)(bar_read(f, &window_txn, bar, at, n) & ones(8 * n)));
}

static void config_wrote(struct pci_fn *f, unsigned off, unsigned size)
{
    struct vpci *p = self(f);
    unsigned bar, n;
    u64 at;
    if (window_data(p, off, size) && window_access(p, &bar, &at, &n))
        bar_write(f, &window_txn, bar, at, n, get_le32(f->config + p->window + 16) & ones(8 * n));
    set_isr(p, p->isr); /* MSI-X may have been enabled or disabled */
}

/* ---- life ----------------------------------------------------------------------------------- */

static void reset(struct pci_fn *f)
{
    virtio_reset(self(f)->v);
    reset_transport(self(f));
}

static void state(struct pci_fn *f, struct snap *s)
{
    struct vpci *p = self(f);
    SNAP(s, p, features_sel);
    SNAP(s, p, driver_features_sel);
    SNAP(s, p, queue_sel);
    SNAP(s, p, config_vector);
    SNAP(s, p, vector);
    SNAP(s, p, pfn);
    SNAP(s, p, isr);
    virtio_state(p->v, s);
}

static void destroy(struct pci_fn *f)
{
    virtio_destroy(self(f)->v);
    free(self(f));
}

static const struct pci_ops ops = {
    .name = "virtio-pci",
    .bar_read = bar_read,
    .bar_write = bar_write,
    .config_read = config_read,
    .config_wrote = config_wrote,
    .reset = reset,
    .state = state,
    .destroy = destroy,
};

/* A virtio capability (4.1.4): {id, next, length, type, bar, -, -, -, offset 32, length 32, ...}. */
static unsigned add_cap(struct vpci *p, u8 type, u32 off, u32 length)
{
    u8 body[20] = {0}, wmask[20] = {0};
    unsigned n = type == CFG_NOTIFY || type == CFG_PCI ? 20 : 16;
    body[2] = (u8)n;
    body[3] = type;
    if (type == CFG_PCI) {
        wmask[4] = 0xff;
        memset(wmask + 8, 0xff, 12);
    } else {
        body[4] = BAR_MODERN;
        put_le32(body + 8, off);
        put_le32(body + 12, length);
        put_le32(body + 16, type == CFG_NOTIFY ? NOTIFY_STEP : 0);
    }
    return pci_add_cap(&p->fn, CAP_VENDOR, body, wmask, n);
}

static struct pci_ids ids_of(const struct virtio *v, bool transitional)
{
    static const struct {
        u8 type;
        u16 device; /* transitional */
        u32 class_code;
    } known[] = {
        {VIRTIO_NET, 0x1000, 0x020000},  {VIRTIO_BLK, 0x1001, 0x010000}, {VIRTIO_CONSOLE, 0x1003, 0x078000},
        {VIRTIO_RNG, 0x1005, 0x00ff00},  {VIRTIO_9P, 0x1009, 0x000200},  {VIRTIO_BALLOON, 0x1002, 0x00ff00},
        {VIRTIO_SCSI, 0x1004, 0x010000}, {VIRTIO_GPU, 0, 0x038000},      {VIRTIO_INPUT, 0, 0x098000},
    };
    struct pci_ids ids = {.vendor = 0x1af4, .subsys_vendor = 0x1af4};
    u32 type = v->class->device_id;
    for (unsigned i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].type == type) {
            ids.device = known[i].device;
            ids.class_code = known[i].class_code;
        }
    ids.subsys = transitional ? (u16)type : 0x1100;
    ids.revision = transitional ? 0 : 1;
    if (!transitional || !ids.device)
        ids.device = (u16)(0x1040 + type);
    return ids;
}

struct pci_fn *virtio_pci_new(const struct virtio_pci_config *cfg)
{
    struct vpci *p = calloc(1, sizeof *p);
    CHECK(p);
    p->v = cfg->device;
    p->transitional = cfg->transitional;
    struct pci_ids ids = ids_of(p->v, p->transitional);
    pci_init(&p->fn, &ops, cfg->id, cfg->log, &ids, true);
    unsigned vectors = p->v->class->queues + 1u;
    if (p->transitional)
        pci_add_bar(&p->fn, BAR_LEGACY, PCI_BAR_IO, 128);
    pci_add_bar(&p->fn, BAR_MSIX, PCI_BAR_MEM32, 4096);
    pci_add_bar(&p->fn, BAR_MODERN, PCI_BAR_MEM64, MODERN_SIZE);
    pci_add_msix(&p->fn, BAR_MSIX, 0, 2048, vectors);
    p->window = add_cap(p, CFG_PCI, 0, 0);
    add_cap(p, CFG_NOTIFY, AT_NOTIFY, NOTIFY_STEP * p->v->class->queues);
    add_cap(p, CFG_DEVICE, AT_DEVICE, p->v->class->config_size ? p->v->class->config_size : 4);
    add_cap(p, CFG_ISR, AT_ISR, 4);
    add_cap(p, CFG_COMMON, AT_COMMON, C_SIZE);
    pci_add_express(&p->fn, PCI_ENDPOINT, true);
    virtio_attach(p->v, p->v->features & VIRTIO_F_ACCESS_PLATFORM ? &p->fn.dma : &p->fn.direct, interrupt, p);
    reset(&p->fn);
    return &p->fn;
}
