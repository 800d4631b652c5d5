/* The boot loader: what goes where in memory before the first instruction. */
#pragma once
#include "machine/dtb.h"
#include "machine/image.h"

struct bus;

enum { BOOT_SEGMENTS = 96, BOOT_FILES = 64 };

/* Bytes that the loader puts into memory. size may exceed len (BSS): that memory is only claimed. */
struct segment {
    const char *what; /* "kernel", "initrd", "device tree" ... */
    const struct image *file; /* NULL: made by us */
    u64 addr, size;
    const u8 *data;
    size_t len;
};
/* Of its file; "" without one. */
const char *segment_path(const struct segment *s);

struct boot {
    struct segment seg[BOOT_SEGMENTS];
    unsigned nseg;
    struct image files[BOOT_FILES];
    unsigned nfiles;
    u8 *dtb;
    u64 entry;
    u64 dtb_addr;  /* x0 at the start */
    bool firmware; /* entry is the start of flash */
    bool elf;      /* the image is an ELF file: entry is its own */
    struct image_header header;
    enum image_kind kind;
    struct dtb_info info;
    struct progress progress; /* of the first load; drawn nowhere afterwards */
};

/* Opens the files of the configuration and decides on addresses; the device tree is added by
 * boot_add_dtb() once the CPUs are known. Errors name both ranges of an overlap. */
bool boot_plan(struct boot *b, const struct config *c, struct err *e);
/* Builds the tree (or patches the given one), places it, checks everything for overlap and, when the
 * configuration says so, writes it to a file. */
bool boot_add_dtb(struct boot *b, const char *cpu_compatible, bool pmu, bool vhe, const char *psci, struct err *e);
/* Writes all segments to memory: at the start and at each reset. */
void boot_load(struct boot *b, struct bus *bus);
void boot_free(struct boot *b);

/* ---- between the parts of the boot loader --------------------------------------------------- */

/* Adds a segment; lies outside RAM: error. */
bool boot_add(struct boot *b, const char *what, const struct image *im, u64 addr, u64 size, const u8 *data, size_t len,
              struct err *e);
/* Where the initrd goes: 128 MiB into RAM, or half of it, above the kernel. */
u64 boot_initrd_addr(const struct config *c, u64 kernel_end);
/* Lowest address of RAM not below from, a multiple of align, that is free for size bytes. */
bool boot_find_room(const struct boot *b, u64 from, u64 size, u64 align, u64 *addr);
/* Opens and places the kernel (or hypervisor) at path; *end is the first byte after it. */
bool boot_kernel(struct boot *b, const char *path, u64 *end, struct err *e);
/* A new slot for an opened file. */
struct image *boot_file(struct boot *b);
/* xen.c: the hypervisor, dom0 and the domains of the configuration. */
bool boot_xen(struct boot *b, struct err *e);
