/* The physical memory map: RAM, ROM and devices, for CPUs and for DMA.
 *
 * A PA resolves to a RAM page number (dense u32) or to a device.  Everything that must agree between
 * aliases (code cache, dirty bits, exclusive monitors, tags) is keyed by page number, never by PA.
 * Devices know neither their address nor their interrupt number: the board table does. */
#pragma once
#include "core/types.h"

struct snap;
struct log;
struct bus;

enum { PAGE_SHIFT = 12, PAGE_SIZE = 1 << PAGE_SHIFT };

enum bus_result {
    BUS_OK,
    BUS_DECERR, /* nothing there */
    BUS_SLVERR, /* the device refused */
};

/* Who accesses, and how (the attributes that AXI carries). */
struct txn {
    u8 space; /* enum pas */
    u8 cpu;   /* index of the CPU, TXN_DMA for anything else */
    bool privileged;
    bool instruction;
    bool debug;      /* observes: no side effects whatever */
    bool translated; /* PCIe ATS: the address is the answer to a translation request */
    u32 stream;    /* StreamID / ITS DeviceID of a DMA initiator */
    u32 substream; /* 0: none */
};
enum { TXN_DMA = 0xff };

/* A device that starts DMA itself refuses accesses that come from DMA: what a guest programs can then never
 * make a device enter itself. */
static inline bool bus_from_dma(const struct txn *t) { return t->cpu == TXN_DMA && !t->debug; }

/* ---- devices -------------------------------------------------------------------------------- */

struct device;

/* The bus splits accesses so that size is within [min_size, max_size] (defaults 1 and 8), off is
 * aligned to it, and off + size is inside the mapping.  NULL read/write: RAZ/WI with a guest error.
 * A device is never re-entered. */
struct device_ops {
    const char *name;
    u8 min_size, max_size;
    enum bus_result (*read)(struct device *, const struct txn *, u64 off, unsigned size, u64 *val);
    enum bus_result (*write)(struct device *, const struct txn *, u64 off, unsigned size, u64 val);
    void (*reset)(struct device *);                /* power-on values; NULL: nothing to reset */
    void (*state)(struct device *, struct snap *); /* mandatory */
    void (*destroy)(struct device *);              /* frees the device itself; NULL: free() */
};

/* First member of every device's private struct. */
struct device {
    const struct device_ops *ops;
    const char *id; /* the board's name for this instance, such as "uart0" */
    struct log *log;
};

/* ---- memory map ----------------------------------------------------------------------------- */

enum page_kind {
    PAGE_NONE,
    PAGE_RAM,
    PAGE_ROM, /* reads and executes like RAM, writes go to the device (flash in read mode) */
    PAGE_DEV,
};

/* Where a PA leads. For RAM and ROM page is the page number; for DEV (and writes to ROM) dev and off
 * (of the page's first byte) say which register block. */
struct bus_target {
    enum page_kind kind;
    u32 page;
    struct device *dev;
    u64 off;
};

/* Why stores to a page must take the slow path (its write tags are withheld). One byte a page. */
enum page_why {
    WHY_CODE = 1 << 0,    /* decoded or translated code on it */
    WHY_CLEAN = 1 << 1,   /* dirty tracking wants the first store */
    WHY_WATCHED = 1 << 2, /* watchpoint */
    WHY_TABLE = 1 << 3,   /* page table (checker) */
    WHY_MONITOR = 1 << 4, /* exclusive monitor (parallel mode) */
    WHY_CHECKER = 1 << 5,
    WHY_STRICT = 1 << 6,  /* beside WHY_MONITOR: no CPU has a write tag any more */
};

/* Told of every write to RAM that does not come from a CPU's fast path: DMA, debugger, loaders, slow
 * stores. [off, off + len) is within the page. */
struct ram_listener {
    void (*written)(void *arg, u32 page, u32 off, u32 len);
    void *arg;
    struct ram_listener *next;
};

struct bus *bus_new(struct log *log);
void bus_free(struct bus *b); /* RAM and map; devices stay their owner's */

/* Maps size bytes of fresh zeroed RAM (multiples of the page size) at base in the given address
 * spaces (bit mask of 1 << PAS_x).  Returns the first page number.  Overlap is our own bug (CHECK).
 * All RAM pages of a bus are one contiguous host area, sized by the calls before bus_seal(). */
u32 bus_map_ram(struct bus *b, u8 spaces, u64 base, u64 size, const char *name);
/* The same for ROM whose writes go to dev at offset 0 of this mapping. */
u32 bus_map_rom(struct bus *b, u8 spaces, u64 base, u64 size, struct device *dev);
void bus_map_device(struct bus *b, u8 spaces, u64 base, u64 size, struct device *dev);
/* Allocates host memory; no maps after it. */
void bus_seal(struct bus *b);

/* Switches a ROM range between ROM and DEV behaviour (flash leaving or entering read mode). The
 * caller's flush hook drops cached translations. */
void bus_rom_mode(struct bus *b, struct device *dev, bool readable);
/* Called when the meaning of PAs changed (bus_rom_mode): CPUs drop what they cached. */
void bus_on_remap(struct bus *b, void (*fn)(void *arg), void *arg);

/* The largest RAM region, where most addresses lead: for those who cannot afford a search. */
struct bus_window {
    u64 base, size; /* size 0: there is no RAM */
    u8 *host;
    u32 page;
    u8 spaces;
};
const struct bus_window *bus_ram_window(const struct bus *b);
/* Host address of pa, NULL: not there. */
static inline u8 *bus_window_ptr(const struct bus_window *w, struct pa pa)
{
    u64 off = pa_addr(pa) - w->base;
    return off < w->size && w->spaces >> pa_space(pa) & 1 ? w->host + off : NULL;
}

/* Resolves the page of pa. */
struct bus_target bus_resolve(struct bus *b, struct pa pa);

/* Host address of a RAM or ROM page. */
u8 *bus_page_ptr(struct bus *b, u32 page);
u8 *bus_ram_base(struct bus *b); /* host address of page 0 */
u32 bus_page_count(struct bus *b);
u8 *bus_page_tags(struct bus *b, u32 page); /* 128 bytes: allocation tags of 256 granules, even one in bits 3:0 */
u8 *bus_page_why(struct bus *b);            /* [page count] masks of enum page_why */

/* Device access for CPUs: any size 1..16 bytes that does not cross a page; splits and aligns as the
 * device asks.  Little-endian byte order in val (two words for 16 bytes). */
enum bus_result bus_dev_read(struct device *dev, const struct txn *t, u64 off, unsigned size, u64 val[2]);
enum bus_result bus_dev_write(struct device *dev, const struct txn *t, u64 off, unsigned size, const u64 val[2]);

/* Byte-wise access by DMA, loaders and the debugger: RAM and ROM (and devices when single_dev is an
 * aligned access of 1, 2, 4 or 8 bytes). Stores reach the listeners. A failing access may have been
 * partly done. */
enum bus_result bus_read(struct bus *b, const struct txn *t, u64 addr, void *buf, size_t n);
enum bus_result bus_write(struct bus *b, const struct txn *t, u64 addr, const void *buf, size_t n);
/* Loader's form: also writes ROM contents. */
enum bus_result bus_load(struct bus *b, enum pas space, u64 addr, const void *buf, size_t n);

/* The contents of the whole RAM pages inside [addr, addr + n) are not needed: they read zero from now on, and the host
 * has their memory back. What is not RAM is passed over. */
void bus_discard(struct bus *b, enum pas space, u64 addr, u64 n);

void bus_listen(struct bus *b, struct ram_listener *l);
/* The one hook: tells the listeners that [off, off+len) of page was written. */
void ram_written(struct bus *b, u32 page, u32 off, u32 len);

/* Walks the map in address order, for listings and overlap checks; returns false at the end. */
struct bus_range {
    u64 base, size;
    u8 spaces;
    enum page_kind kind;
    const char *name;
};
bool bus_range(struct bus *b, unsigned i, struct bus_range *out);

/* Saves, loads or hashes RAM contents. */
void bus_ram_state(struct bus *b, struct snap *s);

/* ---- DMA ------------------------------------------------------------------------------------ */

/* A device's way to memory. Today straight to the bus; an SMMU puts itself in between by replacing
 * the two functions. */
struct dma {
    enum bus_result (*read)(void *arg, const struct txn *, u64 addr, void *buf, size_t n);
    enum bus_result (*write)(void *arg, const struct txn *, u64 addr, const void *buf, size_t n);
    void *arg;
    struct txn txn; /* StreamID and address space of this device */
};

static inline enum bus_result dma_read(const struct dma *d, u64 addr, void *buf, size_t n)
{
    return d->read(d->arg, &d->txn, addr, buf, n);
}
static inline enum bus_result dma_write(const struct dma *d, u64 addr, const void *buf, size_t n)
{
    return d->write(d->arg, &d->txn, addr, buf, n);
}
/* A dma straight to the bus, Non-secure, StreamID stream. */
struct dma bus_dma(struct bus *b, u32 stream);
