/* Files that a user may hand to a boot loader: opened, told apart, unpacked. */
#pragma once
#include "machine/err.h"
#include "machine/progress.h"

enum image_kind {
    IMAGE_RAW,
    IMAGE_ARM64,     /* Linux boot protocol Image */
    IMAGE_ELF64,     /* AArch64 ELF */
    IMAGE_ELF_OTHER, /* ELF of another architecture or class */
    IMAGE_ZIMAGE,    /* 32-bit Arm Linux */
    IMAGE_BZIMAGE,   /* x86 Linux */
    IMAGE_UIMAGE,    /* U-Boot legacy image */
    IMAGE_EFI_ZBOOT, /* compressed EFI kernel */
    IMAGE_EFI,       /* other PE/COFF */
    IMAGE_GZIP,
    IMAGE_XZ,
    IMAGE_ZSTD,
    IMAGE_LZ4,
    IMAGE_CPIO,
    IMAGE_DTB,
    IMAGE_DISK, /* partition table or file system */
    IMAGE_QCOW2,
    IMAGE_TEXT,
    IMAGE_SQUASHFS,
};

struct image {
    const char *path;
    u8 *data;
    size_t size;
    bool mapped;   /* data is the file itself, mapped read-only (malloc'ed otherwise) */
    int fd;        /* of that file */
    bool unpacked; /* came out of a compressed file */
    enum image_kind kind;
    u64 load, entry; /* from a uImage, with placed */
    bool placed;
};

/* arm64 Image header (Documentation/arch/arm64/booting in Linux), 64 bytes. */
struct image_header {
    u64 text_offset, image_size, flags;
    bool big_endian;
    unsigned page_kib; /* 4, 16, 64 or 0: not said */
    bool any_2mib;     /* may be placed anywhere in memory */
    u64 file_size;     /* bytes the PE section table says the file has; 0: no table */
};

/* Opens and maps path and finds out what it is. Missing, directory, unreadable: an error that names
 * nearby files. what is the user's word for it ("kernel", "initrd"). */
bool image_open(struct image *im, const char *path, const char *what, struct err *e);
void image_free(struct image *im);
/* Copies n bytes from `from` on, which is in im->data. Of a mapped file it reads them: to touch all of a mapping costs
 * more than to copy it. False: the file has been cut since it was opened. */
bool image_copy(const struct image *im, const u8 *from, void *to, size_t n);

enum image_kind image_identify(const u8 *p, size_t n);
/* "a 32-bit Arm zImage" */
const char *image_kind_name(enum image_kind k);
/* Reads the header of an IMAGE_ARM64. */
struct image_header image_parse_header(const u8 *p, size_t n);
/* The machine an ELF file is for: "x86-64", "32-bit Arm" ... */
const char *image_elf_machine(const u8 *p, size_t n);

/* A U-Boot legacy image's header: where it wants to be. */
struct image_uimage {
    u32 load, entry, size;
    bool arm64, kernel, gzip, plain; /* plain: not compressed */
    char name[33];
};
struct image_uimage image_parse_uimage(const u8 *p, size_t n);

/* Opens a kernel: unpacks gzip, EFI zboot and uImage, refuses what cannot run on this machine with the reason
 * and one thing to do. The kind is then IMAGE_ARM64, IMAGE_ELF64 or IMAGE_RAW. show: NULL, or where unpacking is told. */
bool image_open_kernel(struct image *im, const char *path, struct progress *show, struct err *e);
/* Opens an initial RAM disk. Any contents pass, but not a kernel. */
bool image_open_initrd(struct image *im, const char *path, struct err *e);
