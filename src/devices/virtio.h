/* Virtio 1.2 device core: feature negotiation, status, split virtqueues. A transport (mmio, pci) owns
 * a struct virtio; a device type (block, net, ...) embeds it and gives a struct virtio_class. */
#pragma once
#include "core/bus.h"
#include "core/clock.h"
#include "core/types.h"

struct virtio;
struct snap;

enum { VIRTIO_MAX_QUEUES = 8, VIRTIO_MAX_SIZE = 1024, VIRTIO_MAX_CONFIG = 136 };

enum virtio_device {
    VIRTIO_NET = 1,
    VIRTIO_BLK = 2,
    VIRTIO_CONSOLE = 3,
    VIRTIO_RNG = 4,
    VIRTIO_BALLOON = 5,
    VIRTIO_SCSI = 8,
    VIRTIO_9P = 9,
    VIRTIO_GPU = 16,
    VIRTIO_INPUT = 18,
};

#define VIRTIO_F_ANY_LAYOUT      (1ull << 27)
#define VIRTIO_F_INDIRECT_DESC   (1ull << 28)
#define VIRTIO_F_EVENT_IDX       (1ull << 29)
#define VIRTIO_F_VERSION_1       (1ull << 32)
#define VIRTIO_F_ACCESS_PLATFORM (1ull << 33)

enum virtio_status {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 64,
    VIRTIO_FAILED = 128,
};

/* What distinguishes a device type. */
struct virtio_class {
    const char *name;
    u32 device_id; /* enum virtio_device */
    u8 queues;
    u16 config_size; /* bytes of device-specific configuration */
    /* The driver made buffers available in queue q. */
    void (*notify)(struct virtio *, unsigned q);
    /* The driver wrote config[off, off + size); false: it may not, and the old bytes come back. NULL: not
     * writable. */
    bool (*config_wrote)(struct virtio *, u32 off, unsigned size);
    /* Features were negotiated; NULL: no interest. */
    void (*negotiated)(struct virtio *);
    void (*reset)(struct virtio *);                /* forget what is in flight; NULL: nothing is */
    void (*state)(struct virtio *, struct snap *); /* NULL: no state of its own */
    void (*destroy)(struct virtio *);
};

struct virtq {
    u64 desc, driver, device; /* guest addresses: descriptor table, available ring, used ring */
    u16 size, max;
    u16 last_avail; /* next entry of the available ring to take */
    u16 used;       /* our copy of the used index */
    u16 signalled;  /* used index at the last interrupt decision */
    bool ready;
};

struct virtio {
    const struct virtio_class *class;
    const char *id;
    struct log *log;
    u64 features; /* offered */
    u8 config[VIRTIO_MAX_CONFIG];
    /* set by virtio_attach() */
    struct dma dma;
    void (*interrupt)(void *arg, unsigned queue); /* queue number, or VIRTIO_CONFIG_CHANGED */
    void *arg;
    /* guest-visible state */
    u64 driver_features;
    u8 status;
    u32 generation;
    struct virtq q[VIRTIO_MAX_QUEUES];
};
enum { VIRTIO_CONFIG_CHANGED = 0xffff };

/* A request: a chain of descriptors, device-readable segments first. */
struct virtio_seg {
    u64 addr;
    u64 len;
};
struct virtio_chain {
    u16 head;
    u16 n_out, n_in;     /* segments the device reads, then segments it writes */
    u64 out_len, in_len; /* bytes */
    struct virtio_seg seg[];
};

/* ---- for device types ----------------------------------------------------------------------- */

/* Fills in the base; features: the type's own, the core adds the ring's. max: entries of each queue. */
void virtio_init(struct virtio *v, const struct virtio_class *class, const char *id, struct log *log, u64 features,
                 u16 max);
/* Takes the next request of queue q; NULL: none (or the device is broken). The caller frees it. */
struct virtio_chain *virtio_pop(struct virtio *v, unsigned q);
/* Gives the last n requests back, as if they had not been taken. The caller frees them all the same. */
void virtio_unpop(struct virtio *v, unsigned q, unsigned n);
/* Completes a request with the number of bytes written into it; virtio_signal() then interrupts. */
void virtio_push(struct virtio *v, unsigned q, const struct virtio_chain *c, u64 written);
/* The two halves of it: fills in the i-th used entry, then shows n of them to the driver at once. */
void virtio_fill(struct virtio *v, unsigned q, const struct virtio_chain *c, u64 written, unsigned i);
void virtio_show(struct virtio *v, unsigned q, unsigned n);
void virtio_signal(struct virtio *v, unsigned q);
/* Copies from the readable or to the writable part, beginning at byte off of that part.  Copies what
 * fits and returns the number of bytes; a bus error breaks the device and gives 0. */
size_t virtio_read_chain(struct virtio *v, const struct virtio_chain *c, u64 off, void *buf, size_t n);
size_t virtio_write_chain(struct virtio *v, const struct virtio_chain *c, u64 off, const void *buf, size_t n);
/* Saves or loads a request in flight; *c may be NULL. */
void virtio_chain_state(struct virtio *v, struct virtio_chain **c, struct snap *s);
/* The configuration changed: new generation, interrupt. */
void virtio_config_changed(struct virtio *v);
/* The driver did what leaves no way on: DEVICE_NEEDS_RESET, queues stop. */
__attribute__((format(printf, 2, 3))) void virtio_broken(struct virtio *v, const char *fmt, ...);
/* May the device use its queues? */
bool virtio_running(const struct virtio *v);
static inline bool virtio_has(const struct virtio *v, u64 feature) { return (v->driver_features & feature) != 0; }

/* ---- for transports ------------------------------------------------------------------------- */

void virtio_attach(struct virtio *v, const struct dma *dma, void (*interrupt)(void *arg, unsigned queue), void *arg);
void virtio_reset(struct virtio *v);
/* legacy: the transport is pre-1.0, FEATURES_OK does not exist. */
void virtio_set_status(struct virtio *v, u8 status, bool legacy);
void virtio_set_features(struct virtio *v, unsigned word, u32 val, u64 offered);
void virtio_notify(struct virtio *v, unsigned q, bool legacy);
void virtio_enable_queue(struct virtio *v, unsigned q);
/* The legacy layout of queue q in one block at addr. */
void virtio_legacy_queue(struct virtio *v, unsigned q, u64 addr, u32 align);
u64 virtio_config_read(const struct virtio *v, u64 off, unsigned size);
void virtio_config_write(struct virtio *v, u64 off, unsigned size, u64 val);
void virtio_state(struct virtio *v, struct snap *s);
void virtio_destroy(struct virtio *v);
