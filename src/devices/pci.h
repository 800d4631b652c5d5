/* PCI Express: a host bridge with ECAM (PCI Express 4.0, 7.2.2), a tree of buses behind ports, functions with BARs, INTx,
 * MSI and MSI-X. */
#pragma once
#include "core/bus.h"
#include "core/irq.h"

struct pci_host;
struct pci_fn;
struct snap;

/* PCI_CONFIG: bytes of configuration space that are there; PCI_EXTENDED: where extended capabilities begin. */
enum { PCI_SLOTS = 32, PCI_BARS = 6, PCI_CONFIG = 0x140, PCI_EXTENDED = 0x100, PCI_ECAM_BUS = 1 << 20 };
enum { PCI_FUNCTIONS = 64, PCI_ANY = ~0 }; /* of one host bridge; PCI_ANY: any place that is free */

/* Configuration header (PCI 3.0, 6.1) */
enum pci_reg {
    PCI_VENDOR = 0x00,
    PCI_DEVICE = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS = 0x09, /* interface, subclass, base class */
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYS_VENDOR = 0x2c,
    PCI_SUBSYS = 0x2e,
    PCI_CAP_POINTER = 0x34,
    PCI_INT_LINE = 0x3c,
    PCI_INT_PIN = 0x3d,
    PCI_CAPS = 0x40, /* first byte free for capabilities */
};
enum { PCI_CMD_IO = 1, PCI_CMD_MEM = 2, PCI_CMD_MASTER = 4, PCI_CMD_INTX_OFF = 1 << 10 };
/* Both status registers; all of these are cleared by writing 1. */
enum { PCI_STA_TARGET_ABORT = 1 << 12, PCI_STA_MASTER_ABORT = 1 << 13, PCI_STA_CLEARED = 0xf900 };

/* Device/port type of the PCI Express capability. A PCI_ENDPOINT on the root bus becomes a PCI_INTEGRATED one. */
enum pci_port {
    PCI_ENDPOINT = 0,
    PCI_ROOT_PORT = 4,
    PCI_UPSTREAM = 5,   /* of a switch */
    PCI_DOWNSTREAM = 6, /* of a switch */
    PCI_INTEGRATED = 9,
};

/* What is at one place of the tree, in order of device and function number. */
struct pci_bus {
    struct pci_fn *owner, *first; /* owner: the port in front of it, NULL: the root bus */
};

enum pci_bar_kind { PCI_BAR_MEM32, PCI_BAR_MEM64, PCI_BAR_IO };

struct pci_ops {
    const char *name;
    u64 (*bar_read)(struct pci_fn *, const struct txn *, unsigned bar, u64 off, unsigned size);
    void (*bar_write)(struct pci_fn *, const struct txn *, unsigned bar, u64 off, unsigned size, u64 val);
    /* Before a configuration read and after a write of [off, off + size), which have taken place in
     * config; NULL: no interest. Not called for debug accesses. */
    void (*config_read)(struct pci_fn *, unsigned off, unsigned size);
    void (*config_wrote)(struct pci_fn *, unsigned off, unsigned size);
    void (*reset)(struct pci_fn *);
    void (*state)(struct pci_fn *, struct snap *);
    void (*destroy)(struct pci_fn *);
};

struct pci_msix_entry {
    u32 addr_lo, addr_hi, data, control; /* control bit 0: masked */
};

/* First member of every function's private struct. */
struct pci_fn {
    const struct pci_ops *ops;
    const char *id;
    struct log *log;
    struct pci_host *host;
    struct pci_bus *bus;     /* that it is on */
    struct pci_fn *next;     /* on that bus */
    struct pci_bus *behind;  /* a port's other side, NULL: no port */
    u8 devfn;                /* device 7:3, function 2:0 */
    u8 number;               /* of its bus, as the last configuration write told it */
    u8 config[PCI_CONFIG], initial[PCI_CONFIG], wmask[PCI_CONFIG];
    u8 w1c[PCI_CONFIG];      /* bits that writing 1 clears */
    struct {
        u64 size; /* 0: none */
        u8 kind;  /* enum pci_bar_kind */
    } bar[PCI_BARS];
    unsigned caps_end, ext_end;
    unsigned last_ext; /* the extended capability added last, 0: none */
    struct {
        unsigned cap; /* 0: a conventional function */
        u8 type;      /* enum pci_port */
    } express;
    struct {
        unsigned cap, count; /* count 0: no MSI */
        bool maskable;
    } msi;
    unsigned acs;        /* its capability, 0: none */
    struct {
        unsigned cap; /* 0: no ATS */
        bool on;
        struct pci_atc *cache;
    } ats;
    struct dma upstream; /* the host's, with this function's requester ID as StreamID */
    struct dma dma;      /* what the function uses: upstream while it and all ports on the way may master */
    struct dma direct;   /* the same without an SMMU: virtio without VIRTIO_F_ACCESS_PLATFORM */
    bool intx;
    struct {
        unsigned cap, count; /* count 0: no MSI-X */
        u8 bar;
        u32 table, pba; /* offsets in the BAR */
        struct pci_msix_entry *entry;
        u8 *pending;
    } msix;
};

/* ---- for functions -------------------------------------------------------------------------- */

struct pci_ids {
    u16 vendor, device, subsys_vendor, subsys;
    u32 class_code; /* base class, subclass, interface */
    u8 revision;
};

/* Fills in the base. interrupt: the function has an INTA pin. */
void pci_init(struct pci_fn *f, const struct pci_ops *ops, const char *id, struct log *log, const struct pci_ids *ids,
              bool interrupt);
/* size: a power of two, at least 16 (memory) or 4 (I/O). A 64-bit BAR takes the next one too. */
void pci_add_bar(struct pci_fn *f, unsigned bar, enum pci_bar_kind kind, u64 size);
/* Appends a capability of n bytes (the first two are filled in); returns its offset. wmask may be NULL. */
unsigned pci_add_cap(struct pci_fn *f, u8 cap_id, const u8 *body, const u8 *wmask, unsigned n);
/* The same beyond the first 256 bytes; the first four bytes are filled in. */
unsigned pci_add_ext_cap(struct pci_fn *f, u16 cap_id, u8 version, const u8 *body, const u8 *wmask, unsigned n);
/* Adds the PCI Express capability (7.5.3). flr: function-level reset. */
void pci_add_express(struct pci_fn *f, enum pci_port type, bool flr);
/* Adds Access Control Services (7.7.8) to a port: source validation, redirection of requests and completions. */
void pci_add_acs(struct pci_fn *f);
/* Adds Address Translation Services: what the function does by its dma then uses a translation cache, once software
 * enables it. */
void pci_add_ats(struct pci_fn *f);
/* Adds the MSI capability: 1, 2, 4, .. 32 messages. What the function does with its pin then becomes message 0. */
void pci_add_msi(struct pci_fn *f, unsigned count, bool maskable);
bool pci_msi_enabled(const struct pci_fn *f);
/* Sends a message, or keeps it pending while masked. */
void pci_msi_send(struct pci_fn *f, unsigned vector);
/* Adds the MSI-X capability, its table and pending bits in the BAR at the offsets. The function passes
 * accesses inside them on to pci_msix_read/write. */
void pci_add_msix(struct pci_fn *f, unsigned bar, u32 table, u32 pba, unsigned count);
bool pci_msix_inside(const struct pci_fn *f, unsigned bar, u64 off);
u64 pci_msix_read(struct pci_fn *f, u64 off, unsigned size);
void pci_msix_write(struct pci_fn *f, u64 off, unsigned size, u64 val);
bool pci_msix_enabled(const struct pci_fn *f);
/* Sends the message of a vector, or keeps it pending while masked. */
void pci_msix_send(struct pci_fn *f, unsigned vector);
/* The level of the function's INTA; while MSI is enabled a rise sends message 0. */
void pci_set_intx(struct pci_fn *f, bool level);

/* ---- the host bridge ------------------------------------------------------------------------ */

/* A range of host addresses that reach PCI addresses. */
struct pci_window {
    struct device dev; /* the machine maps it */
    struct pci_host *host;
    u64 base; /* PCI address of its first byte */
    bool io;
    struct pci_fn *hit; /* the BAR found last */
    unsigned hit_bar;
};

/* An answer to a translation request, of a page of 4 KiB. */
struct pci_translation {
    u64 addr;
    bool read, write; /* what is permitted */
};

struct pci_host_config {
    const char *id;
    struct log *log;
    unsigned buses; /* that ECAM reaches: 1 to 256 */
    u64 mmio_base;  /* PCI addresses of the three windows */
    u64 mmio64_base;
    u64 io_base;
    struct dma dma; /* of the root complex; StreamID 0 is that of requester 00:00.0 */
    struct dma direct; /* to memory without translation; left out: dma */
    /* Translation requests of functions with ATS; false: refused. NULL: all are. */
    bool (*translate)(void *arg, u32 stream, u64 addr, bool write, struct pci_translation *t);
    void *translate_arg;
};

struct pci_host {
    struct device ecam; /* buses << 20 bytes; resets, visits and destroys everything behind the bridge */
    struct pci_window mmio, mmio64, io;
    struct irq intx[4]; /* INTA..INTD after the swizzle */
    /* private */
    struct pci_host_config cfg;
    struct pci_fn bridge;
    struct pci_bus root;
    struct pci_fn *fn[PCI_FUNCTIONS]; /* all of the tree, ports before what is behind them */
    unsigned count;
};

struct pci_host *pci_host_new(const struct pci_host_config *cfg);
/* Puts a function into a slot of the root bus (1 to 31; 0: the first free one); the host owns it then. false: no such
 * free slot. */
bool pci_plug(struct pci_host *h, struct pci_fn *f, unsigned slot);
/* The same at a device and function number (device << 3 | function, or PCI_ANY) behind a port, NULL: on the root bus.
 * Root ports and a switch's downstream ports have device 0 behind them, and nothing else. */
bool pci_plug_at(struct pci_host *h, struct pci_fn *port, struct pci_fn *f, unsigned devfn);

/* The translation agent takes back its answers for [addr, addr + (1 << log2)), addr aligned to that, 64: all. */
void pci_ats_invalidate(struct pci_host *h, u32 stream, u64 addr, unsigned log2);

/* Frees one that found no place. */
void pci_unplugged(struct pci_fn *f);

/* ---- ports: pci_bridge.c --------------------------------------------------------------------- */

struct pci_bridge_config {
    const char *id;
    struct log *log;
    enum pci_port type; /* PCI_ROOT_PORT, PCI_UPSTREAM or PCI_DOWNSTREAM */
    u8 port;            /* number in the Link Capabilities */
    u16 slot;           /* physical slot number */
};

struct pci_fn *pci_bridge_new(const struct pci_bridge_config *cfg);

/* ---- the device for conformance suites: pci_testdev.c ------------------------------------------ */

struct pci_fn *pci_testdev_new(const char *id, struct log *log);
