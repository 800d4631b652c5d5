/* What is to be simulated: the one description that both command lines (elara, elara-qemu) produce
 * and that the machine is built from. Strings belong to argv or to the config's own list. */
#pragma once
#include "machine/err.h"

enum { CONFIG_SHARES = 4, CONFIG_NICS = 4, CONFIG_FORWARDS = 8, CONFIG_CARDS = 40 };
enum { CONFIG_DISKS = 32, CONFIG_LOADS = 32, CONFIG_DOMUS = 16 };

struct config_disk {
    const char *path;
    bool rw;        /* changes go to the file; otherwise they are discarded at exit */
    bool read_only; /* the guest sees a write-protected disk */
    u8 format;      /* enum disk_format */
    const char *overlay; /* qcow2 file that keeps the changes, made when missing; NULL: none */
    const char *log;     /* file for what reaches the disk's file (machine/hostfile.h), NULL: none */
};

/* A network card's other end. */
struct config_nic {
    bool user; /* user mode network; otherwise tap, stream or nothing */
    bool restricted;
    const char *forwards[CONFIG_FORWARDS]; /* "tcp:[addr]:port-[addr]:port" */
    unsigned nforwards;
    const char *tap;    /* name of the host's interface */
    const char *stream; /* "host:port" or "unix:path" */
    bool listen;
    const char *pcap;
};

/* A disk behind a SCSI host. */
struct config_lun {
    unsigned host, disk; /* index of the CARD_SCSI card, index into disks */
    u8 target, lun;
    const char *serial; /* NULL: none given */
};

/* A host directory for the guest. */
struct config_share {
    const char *path, *tag; /* tag: what the guest mounts */
    bool read_only;
};

/* Where a virtio or NVMe device sits; in the order of the command line, which gives PCI device numbers. */
enum card_type {
    CARD_DISK,
    CARD_NIC,
    CARD_RNG,
    CARD_NVME,
    CARD_9P,
    CARD_E1000E,
    CARD_CONSOLE,
    CARD_ROOT_PORT,
    CARD_UPSTREAM,
    CARD_DOWNSTREAM,
    CARD_TESTDEV,
    CARD_SCSI,
    CARD_BALLOON,
    CARD_KEYBOARD,
    CARD_MOUSE,
    CARD_TABLET,
    CARD_GPU,
};
struct config_card {
    u8 type;            /* enum card_type */
    bool pci;           /* a PCI function, else a virtio-mmio transport */
    bool platform;      /* offers VIRTIO_F_ACCESS_PLATFORM */
    bool modern;        /* PCI: no legacy interface */
    bool ats;           /* PCI: has a translation cache */
    unsigned index;     /* into disks or nics */
    const char *serial; /* of a disk, NULL: none given */
    unsigned slot;      /* transport, or PCI device number */
    unsigned function;  /* of that device */
    bool placed;        /* PCI: at slot and function; else at the first device number that is free */
    const char *id;     /* that others name it by, NULL: none */
    const char *bus;    /* the port it is behind, NULL: the root bus */
    unsigned behind;    /* that port's card + 1, 0: the root bus; set by config_finish() */
    unsigned physical;  /* a port's slot number */
};

/* A file put at a fixed address. */
struct config_load {
    const char *path;
    u64 addr;
    bool raw; /* even if it is an ELF or an Image */
    bool has_addr;
    const u8 *data; /* contents that are built in, NULL: read the file */
    size_t size;
    u64 entry; /* of data */
    /* A boot module described in /chosen (guest-loader); NULL: just memory contents */
    const char *module; /* "kernel" or "ramdisk" */
    const char *bootargs;
};

struct config_domu {
    const char *name, *kernel, *initrd, *cmdline;
    u64 mem;
    unsigned cpus;
};

enum on_stuck { STUCK_AUTO, STUCK_EXIT, STUCK_REPORT }; /* auto: report on a terminal */
enum pace { PACE_AUTO, PACE_ON, PACE_OFF };

struct config {
    const char *program; /* "elara" or "elara-qemu", for messages */

    /* the machine */
    const char *cpu; /* model[,+feature,-feature] */
    unsigned cpus;
    u64 mem;      /* bytes; 0: chosen by config_finish() */
    unsigned gic; /* 2 or 3 */
    bool el2, el3;
    bool no_acpi; /* firmware gets the device tree alone */
    unsigned smmu_oas; /* output address bits of the SMMU in front of PCI, 0: there is none */
    bool smmu_no_stage1, smmu_no_stage2;
    bool dma_engine; /* a device whose guest says what it asks of memory */
    bool start_el3; /* the image is its own firmware: it starts at EL3 and nobody answers PSCI */
    u64 seed;
    bool ramfb;
    unsigned gpu_width, gpu_height; /* of the virtio GPU's screen, 0: the default */
    u64 balloon_keep; /* memory that the balloon leaves the guest, 0: all */
    const char *display; /* "sdl", NULL: none */
    bool legacy_mmio;   /* virtio-mmio transports are version 1 */
    const char *serial; /* where the serial console is (console_open()), NULL: stdio */
    const char *serial2; /* of the Secure UART, NULL: nowhere */
    const char *hvc;    /* where the virtio console is, NULL: there is none */

    /* what runs */
    const char *image, *initrd, *params;
    const char *dtb, *dtb_out;
    struct config_disk flash[2]; /* contents of the two banks; bank 0 is where the CPUs start */
    struct config_load loads[CONFIG_LOADS];
    unsigned nloads;
    struct config_disk disks[CONFIG_DISKS];
    unsigned ndisks;
    struct config_nic nics[CONFIG_NICS];
    unsigned nnics;
    struct config_share shares[CONFIG_SHARES];
    unsigned nshares;
    struct config_lun luns[CONFIG_DISKS];
    unsigned nluns, nhosts; /* of SCSI */
    struct config_card cards[CONFIG_CARDS];
    unsigned ncards;
    const char *xen, *dom0, *dom0_initrd, *dom0_params;
    u64 dom0_mem;
    struct config_domu domus[CONFIG_DOMUS];
    unsigned ndomus;

    /* how it runs */
    const char *engine;
    bool slow_memory; /* fast tables off */
    bool jit_eager;   /* no block is interpreted before it is translated */
    bool parallel;    /* a host thread for each CPU: no run repeats */
    bool strict;      /* in it: a store exclusive fails after any store between, whatever its value */
    enum pace pace;
    bool host_clock; /* virtual time keeps up with the host's: no run repeats */
    bool no_reboot;
    bool debug;      /* stopped at the first instruction, with the monitor */
    bool term_button; /* SIGTERM presses the power button */
    bool semihosting;
    bool semihosting_el0;         /* from EL0 too */
    bool semihosting_system;      /* it may run commands on the host */
    const char *semihosting_dir;  /* whose files the guest may use, NULL: none */
    const char *semihosting_args; /* its command line behind the image's name */
    const char *until; /* stop with status 0 when the console has printed this */
    u64 timeout;       /* host seconds, 0: none */
    u64 limit;         /* virtual time limit in ns, 0: none */
    bool force;
    enum on_stuck on_stuck;
    bool ignore_panic;

    /* what is said */
    bool quiet, stats, dry_run;
    bool jit_stats, perf_map; /* debug/jit_report.h */
    const char *jit_dump;     /* file, NULL: none */
    const char *screenshot; /* file, written at the end */
    const char *trap_log; /* file, "-": stderr, NULL: none */
    bool qemu_status;     /* QEMU's exit statuses: 0 or 1 */

    char **strings;
    unsigned nstrings;
};

void config_defaults(struct config *c);
void config_free(struct config *c);
/* A copy of the n characters at s that lives as long as the config. */
const char *config_string(struct config *c, const char *s, size_t n);
/* Is the virtio console the main one: with the Ctrl-A keys, watched for --until and panics? */
bool config_hvc_main(const struct config *c);
/* Adds a card; NULL: too many. */
struct config_card *config_card(struct config *c, enum card_type type, unsigned index);
/* Makes it a PCI function of this type, at the first free place. */
void config_onto_pci(struct config_card *k, enum card_type type);
/* Makes it one with a translation cache, whose DMA the SMMU translates. */
void config_with_ats(struct config_card *k);
/* "DEVICE" or "DEVICE.FUNCTION", the device in this base. */
bool config_place(struct config_card *k, const char *s, int base);
/* What --device takes. */
enum { CONFIG_DEVICE_TYPES = 10 };
extern const struct config_device_type {
    const char *name;
    u8 type; /* enum card_type */
    const char *summary;
} config_device_types[CONFIG_DEVICE_TYPES];
/* Are there functions with translation caches behind an SMMU, which can fill them? */
bool config_ats(const struct config *c);
/* Is it a port of PCI Express, which others can be behind? */
bool config_is_port(const struct config_card *k);
/* Finds the ports that cards are behind; refuses trees that cannot be. */
bool config_find_buses(struct config *c, struct err *e);
/* Chooses what was left open and refuses what can be refused before files are opened: ranges and
 * combinations. */
bool config_finish(struct config *c, struct err *e);
/* Puts a disk on a SCSI host; target, lun -1: the first free one. */
bool config_lun(struct config *c, const struct config_lun *l, int target, int lun, struct err *e);
