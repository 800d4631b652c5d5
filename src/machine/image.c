/* What is this file? Recognition by magic numbers, unpacking, and messages for the usual mistakes.
 *
 * Sources: Linux Documentation/arm64/booting.rst (Image header), PE/COFF section table for the file's
 * true length (image_size counts BSS), ELF specification, Documentation/x86/boot.rst (bzImage). */
#include "machine/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/check.h"

static u32 le16(const u8 *p) { return (u32)p[0] | (u32)p[1] << 8; }
static u32 le32(const u8 *p) { return le16(p) | le16(p + 2) << 16; }
static u32 be32(const u8 *p) { return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3]; }
static u64 le64(const u8 *p) { return le32(p) | (u64)le32(p + 4) << 32; }

/* ---- recognition ---------------------------------------------------------------------------- */

static bool has(const u8 *p, size_t n, size_t off, const char *magic, size_t len)
{
    return n >= off + len && memcmp(p + off, magic, len) == 0;
}
#define MAGIC(off, s) has(p, n, off, s, sizeof(s) - 1)

static bool is_text(const u8 *p, size_t n)
{
    size_t look = n < 4096 ? n : 4096;
    for (size_t i = 0; i < look; i++)
        if (p[i] < 32 && p[i] != '\n' && p[i] != '\r' && p[i] != '\t' && p[i] != '\f' && p[i] != 27)
            return false;
    return look > 0;
}

static bool is_elf_aarch64(const u8 *p, size_t n) { return n >= 64 && p[4] == 2 && p[5] == 1 && le16(p + 18) == 183; }

enum image_kind image_identify(const u8 *p, size_t n)
{
    if (MAGIC(0, "\177ELF"))
        return is_elf_aarch64(p, n) ? IMAGE_ELF64 : IMAGE_ELF_OTHER;
    if (MAGIC(56, "ARM\x64"))
        return IMAGE_ARM64;
    if (MAGIC(0x202, "HdrS") && n > 0x1ff && p[0x1fe] == 0x55)
        return IMAGE_BZIMAGE;
    if (MAGIC(0x24, "\x18\x28\x6f\x01") || MAGIC(0x24, "\x01\x6f\x28\x18"))
        return IMAGE_ZIMAGE;
    if (MAGIC(0, "MZ"))
        return MAGIC(4, "zimg") ? IMAGE_EFI_ZBOOT : IMAGE_EFI;
    if (MAGIC(0, "\x1f\x8b"))
        return IMAGE_GZIP;
    if (MAGIC(0, "\xfd"
                 "7zXZ"))
        return IMAGE_XZ;
    if (MAGIC(0, "\x28\xb5\x2f\xfd"))
        return IMAGE_ZSTD;
    if (MAGIC(0, "\x02\x21\x4c\x18") || MAGIC(0, "\x04\x22\x4d\x18"))
        return IMAGE_LZ4;
    if (MAGIC(0, "07070"))
        return IMAGE_CPIO;
    if (MAGIC(0, "\xd0\x0d\xfe\xed"))
        return IMAGE_DTB;
    if (MAGIC(0, "\x27\x05\x19\x56"))
        return IMAGE_UIMAGE;
    if (MAGIC(0, "QFI\xfb"))
        return IMAGE_QCOW2;
    if (MAGIC(0, "hsqs"))
        return IMAGE_SQUASHFS;
    if (MAGIC(1080, "\x53\xef") || MAGIC(512, "EFI PART") || MAGIC(0x36, "FAT") || MAGIC(0x52, "FAT32") ||
        MAGIC(0x8001, "CD001") || (MAGIC(510, "\x55\xaa") && n % 512 == 0))
        return IMAGE_DISK;
    return is_text(p, n) ? IMAGE_TEXT : IMAGE_RAW;
}

const char *image_kind_name(enum image_kind k)
{
    static const char *const names[] = {
        [IMAGE_RAW] = "a raw binary",
        [IMAGE_ARM64] = "an arm64 Image",
        [IMAGE_ELF64] = "an AArch64 ELF file",
        [IMAGE_ELF_OTHER] = "an ELF file for another machine",
        [IMAGE_ZIMAGE] = "a 32-bit Arm zImage",
        [IMAGE_BZIMAGE] = "an x86 bzImage",
        [IMAGE_UIMAGE] = "a U-Boot uImage",
        [IMAGE_EFI_ZBOOT] = "a compressed EFI kernel",
        [IMAGE_EFI] = "an EFI application",
        [IMAGE_GZIP] = "gzip-compressed data",
        [IMAGE_XZ] = "xz-compressed data",
        [IMAGE_ZSTD] = "zstd-compressed data",
        [IMAGE_LZ4] = "lz4-compressed data",
        [IMAGE_CPIO] = "a cpio archive",
        [IMAGE_DTB] = "a device tree blob",
        [IMAGE_DISK] = "a disk image",
        [IMAGE_QCOW2] = "a qcow2 disk image",
        [IMAGE_TEXT] = "a text file",
        [IMAGE_SQUASHFS] = "a squashfs file system",
    };
    return names[k];
}

const char *image_elf_machine(const u8 *p, size_t n)
{
    static const struct {
        u16 machine;
        const char *name;
    } known[] = {{3, "32-bit x86"}, {8, "MIPS"},      {20, "PowerPC"}, {21, "64-bit PowerPC"}, {40, "32-bit Arm"},
                 {62, "x86-64"},    {183, "AArch64"}, {243, "RISC-V"}, {258, "LoongArch"},     {22, "S/390"}};
    if (n < 20)
        return "no machine (the header is cut short)";
    u32 m = p[5] == 2 ? (u32)p[18] << 8 | p[19] : le16(p + 18);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].machine == m)
            return m == 183 && p[5] == 2   ? "big-endian AArch64"
                   : m == 183 && p[4] == 1 ? "ILP32 AArch64"
                                           : known[i].name;
    return "an unknown machine";
}

/* End of the last section with contents, by the PE/COFF table that an arm64 Image with an EFI stub
 * carries: image_size counts BSS and cannot tell a truncated file. */
static u64 pe_file_size(const u8 *p, size_t n)
{
    if (n < 64 || p[0] != 'M' || p[1] != 'Z')
        return 0;
    u64 pe = le32(p + 60);
    if (pe + 24 > n || memcmp(p + pe, "PE\0\0", 4) != 0)
        return 0;
    u64 count = le16(p + pe + 6), table = pe + 24 + le16(p + pe + 20), end = 0;
    for (u64 i = 0; i < count && table + 40 * (i + 1) <= n; i++) {
        const u8 *s = p + table + 40 * i;
        u64 stop = (u64)le32(s + 20) + le32(s + 16);
        if (stop > end)
            end = stop;
    }
    return end;
}

/*   0 code0  4 code1  8 text_offset  16 image_size  24 flags  56 "ARM\x64"  60 offset of the PE header
 *   flags: bit 0 big-endian, bits 2:1 page size (1 4K, 2 16K, 3 64K), bit 3 anywhere in memory */
struct image_header image_parse_header(const u8 *p, size_t n)
{
    struct image_header h = {0};
    if (n < 64)
        return h;
    static const u8 kib[4] = {0, 4, 16, 64};
    h.text_offset = le64(p + 8);
    h.image_size = le64(p + 16);
    h.flags = le64(p + 24);
    h.big_endian = h.flags & 1;
    h.page_kib = kib[h.flags >> 1 & 3];
    h.any_2mib = h.flags >> 3 & 1;
    h.file_size = pe_file_size(p, n);
    if (!h.image_size) /* Linux before 3.17: the offset was not to be trusted either */
        h.text_offset = 0x80000;
    return h;
}

/* ---- opening -------------------------------------------------------------------------------- */

static void name_neighbours(const char *path, struct err *e)
{
    char dir[512];
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
    DIR *d = opendir(dir);
    if (!d) {
        if (slash)
            err_more(e, "\n  its folder %s cannot be read: %s", dir, strerror(errno));
        return;
    }
    enum { KEEP = 256 };
    char *names[KEEP];
    size_t n = 0;
    for (struct dirent *de; (de = readdir(d)) && n < KEEP;)
        if (de->d_name[0] != '.' && (names[n] = strdup(de->d_name)))
            n++;
    closedir(d);
    const char *best = err_nearest(base, (const char *const *)names, n);
    if (best)
        err_more(e, "\n  did you mean %.*s%s?", slash ? (int)(slash - path + 1) : 0, path, best);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
}

bool image_open(struct image *im, const char *path, const char *what, struct err *e)
{
    *im = (struct image){.path = path};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        err_set(e, STATUS_USAGE, "cannot open the %s %s: %s", what, path, strerror(errno));
        name_neighbours(path, e);
        return false;
    }
    struct stat st;
    bool ok = false;
    if (fstat(fd, &st) != 0)
        err_set(e, STATUS_USAGE, "cannot read the %s %s: %s", what, path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        err_set(e, STATUS_USAGE, "the %s %s is a directory; give the file in it", what, path);
    else if (!S_ISREG(st.st_mode))
        err_set(e, STATUS_USAGE, "the %s %s is not a regular file", what, path);
    else if (st.st_size == 0)
        err_set(e, STATUS_USAGE, "the %s %s is empty (0 bytes); was its download or build cut short?", what, path);
    else {
        im->size = (size_t)st.st_size;
        im->data = mmap(NULL, im->size, PROT_READ, MAP_PRIVATE, fd, 0);
        ok = im->mapped = im->data != MAP_FAILED;
        if (!ok)
            err_set(e, STATUS_USAGE, "cannot read the %s %s: %s", what, path, strerror(errno));
        else
            im->kind = image_identify(im->data, im->size);
    }
    if (!ok) {
        close(fd);
        im->data = NULL;
    }
    im->fd = fd;
    return ok;
}

void image_free(struct image *im)
{
    if (im->mapped) {
        munmap(im->data, im->size);
        close(im->fd);
    } else {
        free(im->data);
    }
    im->data = NULL;
    im->mapped = false;
}

bool image_copy(const struct image *im, const u8 *from, void *to, size_t n)
{
    if (!im->mapped) {
        memcpy(to, from, n);
        return true;
    }
    for (size_t at = 0; at < n;) {
        ssize_t k = pread(im->fd, (u8 *)to + at, n - at, from - im->data + (ssize_t)at);
        if (k <= 0)
            return false;
        at += (size_t)k;
    }
    return true;
}

/* ---- unpacking ------------------------------------------------------------------------------ */

enum { UNPACK_STEP = 1 << 20 };

/* Replaces im by the n bytes of gzip data at p, decompressed. */
static bool gunzip(struct image *im, const u8 *p, size_t n, struct progress *show, struct err *e)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n};
    if (inflateInit2(&z, 15 + 32) != Z_OK)
        return err_set(e, STATUS_BUG, "zlib refuses to start");
    size_t cap = n * 4 + 65536, size = 0;
    u8 *out = malloc(cap);
    int r;
    progress_begin(show, "unpacking", im->path, n);
    do {
        if (size == cap) {
            cap *= 2;
            out = realloc(out, cap);
        }
        CHECK(out);
        z.next_out = out + size;
        z.avail_out = (uInt)(cap - size > UNPACK_STEP ? UNPACK_STEP : cap - size);
        uInt before = z.avail_out;
        r = inflate(&z, Z_NO_FLUSH);
        size += before - z.avail_out;
        progress_step(show, z.total_in);
    } while (r == Z_OK && (z.avail_in || !z.avail_out));
    progress_clear(show);
    char why[128];
    snprintf(why, sizeof why, "%s", z.msg ? z.msg : "the file ends too early");
    inflateEnd(&z);
    if (r != Z_STREAM_END) {
        free(out);
        return err_set(e, STATUS_USAGE, "%s is gzip-compressed but cannot be unpacked: %s", im->path, why);
    }
    image_free(im);
    im->data = out;
    im->size = size;
    im->unpacked = true;
    im->kind = image_identify(out, size);
    return true;
}

/* EFI zboot: 4 "zimg", 8 offset and 12 size of the payload, 24 name of the compression. */
static bool unzboot(struct image *im, struct progress *show, struct err *e)
{
    if (im->size < 64)
        return err_set(e, STATUS_USAGE, "the kernel %s is truncated: its header needs 64 bytes, the file has %zu",
                       im->path, im->size);
    u64 off = le32(im->data + 8), size = le32(im->data + 12);
    char how[16];
    snprintf(how, sizeof how, "%.15s", (const char *)im->data + 24);
    if (off + size > im->size)
        return err_set(e, STATUS_USAGE, "the kernel %s is truncated: its payload ends at byte %llu, the file has %zu",
                       im->path, (unsigned long long)(off + size), im->size);
    if (strcmp(how, "gzip") != 0)
        return err_set(e, STATUS_USAGE,
                       "the kernel %s is an EFI image compressed with %s, which is not built in; unpack it first or "
                       "give the uncompressed arch/arm64/boot/Image",
                       im->path, how);
    return gunzip(im, im->data + off, size, show, e);
}

/* A U-Boot legacy image (include/image.h of U-Boot): 64 bytes, big-endian, then the data.
 *   0 magic  12 size  16 load  20 entry  28 OS  29 architecture  30 type  31 compression  32 name */
struct image_uimage image_parse_uimage(const u8 *p, size_t n)
{
    struct image_uimage u = {0};
    enum { ARM64 = 22, KERNEL = 2, KERNEL_NOLOAD = 14, GZIP = 1 };
    if (n < 64)
        return u;
    u.size = be32(p + 12);
    u.load = be32(p + 16);
    u.entry = be32(p + 20);
    u.arm64 = p[29] == ARM64;
    u.kernel = p[30] == KERNEL || p[30] == KERNEL_NOLOAD;
    u.plain = p[31] == 0;
    u.gzip = p[31] == GZIP;
    memcpy(u.name, p + 32, 32);
    return u;
}

/* The kernel inside: an arm64 Image is placed by its own header, anything else where the uImage says. */
static bool unuimage(struct image *im, struct progress *show, struct err *e)
{
    struct image_uimage u = image_parse_uimage(im->data, im->size);
    if (!u.arm64 || !u.kernel)
        return err_set(e, STATUS_USAGE, "the kernel %s is a U-Boot uImage (\"%s\"), but not of %s", im->path, u.name,
                       u.arm64 ? "a kernel" : "an arm64 kernel, which this machine needs");
    if (u.size > im->size - 64)
        return err_set(e, STATUS_USAGE,
                       "the kernel %s is truncated: its uImage header needs %llu bytes, the file has %zu", im->path,
                       (unsigned long long)u.size + 64, im->size);
    if (u.gzip) {
        if (!gunzip(im, im->data + 64, u.size, show, e))
            return false;
    } else if (u.plain) {
        u8 *inner = malloc(u.size + 1);
        CHECK(inner);
        memcpy(inner, im->data + 64, u.size);
        image_free(im);
        im->data = inner;
        im->size = u.size;
        im->kind = image_identify(inner, u.size);
        im->unpacked = true;
    } else {
        return err_set(e, STATUS_USAGE,
                       "the kernel %s is a uImage whose compression is not built in; give the Image it was made from",
                       im->path);
    }
    im->placed = im->kind == IMAGE_RAW;
    im->load = u.load;
    im->entry = u.entry;
    return true;
}

/* ---- kernels and initrds -------------------------------------------------------------------- */

static bool check_arm64(const struct image *im, struct err *e)
{
    struct image_header h = image_parse_header(im->data, im->size);
    if (h.file_size > im->size)
        return err_set(e, STATUS_USAGE,
                       "the kernel %s is truncated: its section table needs %llu bytes, the file has %zu; copy or "
                       "download it again",
                       im->path, (unsigned long long)h.file_size, im->size);
    return true;
}

static bool refuse_kernel(const struct image *im, struct err *e)
{
    const char *p = im->path;
    switch (im->kind) {
    case IMAGE_ELF_OTHER:
        return err_set(e, STATUS_USAGE, "the kernel %s is an ELF file for %s; this machine needs AArch64", p,
                       image_elf_machine(im->data, im->size));
    case IMAGE_ZIMAGE:
        return err_set(e, STATUS_USAGE,
                       "the kernel %s is a 32-bit Arm zImage; this machine needs an AArch64 kernel "
                       "(arch/arm64/boot/Image)",
                       p);
    case IMAGE_BZIMAGE:
        return err_set(e, STATUS_USAGE,
                       "the kernel %s is a bzImage for x86; this machine needs an AArch64 kernel "
                       "(arch/arm64/boot/Image)",
                       p);
    case IMAGE_XZ:
    case IMAGE_ZSTD:
    case IMAGE_LZ4:
        return err_set(e, STATUS_USAGE, "the kernel %s is %s; unpack it first (gzip is unpacked by itself)", p,
                       image_kind_name(im->kind));
    case IMAGE_CPIO:
    case IMAGE_SQUASHFS:
        return err_set(e, STATUS_USAGE, "the kernel %s is %s, an initial RAM disk: did you swap kernel and initrd?", p,
                       image_kind_name(im->kind));
    case IMAGE_DTB: return err_set(e, STATUS_USAGE, "the kernel %s is a device tree blob; give it with --dtb", p);
    case IMAGE_DISK:
    case IMAGE_QCOW2:
        return err_set(e, STATUS_USAGE,
                       "the kernel %s is %s: did you swap them? Give it with -d %s and a kernel in its place", p,
                       image_kind_name(im->kind), p);
    case IMAGE_TEXT:
        return err_set(e, STATUS_USAGE, "the kernel %s is a text file (it begins \"%.*s\"); give an arm64 Image or ELF",
                       p, im->size < 30 ? (int)im->size : 30, (const char *)im->data);
    case IMAGE_EFI:
        return err_set(e, STATUS_USAGE,
                       "the kernel %s is an EFI application without an arm64 Image header; it needs "
                       "firmware that starts it",
                       p);
    default: return true;
    }
}

bool image_open_kernel(struct image *im, const char *path, struct progress *show, struct err *e)
{
    if (!image_open(im, path, "kernel", e))
        return false;
    bool ok = true;
    if (im->kind == IMAGE_GZIP)
        ok = gunzip(im, im->data, im->size, show, e);
    else if (im->kind == IMAGE_EFI_ZBOOT)
        ok = unzboot(im, show, e);
    else if (im->kind == IMAGE_UIMAGE)
        ok = unuimage(im, show, e);
    ok = ok && (im->kind == IMAGE_ARM64 ? check_arm64(im, e) : refuse_kernel(im, e));
    if (!ok)
        image_free(im);
    return ok;
}

bool image_open_initrd(struct image *im, const char *path, struct err *e)
{
    if (!image_open(im, path, "initrd", e))
        return false;
    if (im->kind == IMAGE_ARM64 || im->kind == IMAGE_ELF64 || im->kind == IMAGE_BZIMAGE || im->kind == IMAGE_ZIMAGE) {
        err_set(e, STATUS_USAGE, "the initrd %s is %s, a kernel: did you swap kernel and initrd?", path,
                image_kind_name(im->kind));
        image_free(im);
        return false;
    }
    if (im->kind == IMAGE_DISK || im->kind == IMAGE_QCOW2) {
        err_set(e, STATUS_USAGE, "the initrd %s is %s; give it with -d %s", path, image_kind_name(im->kind), path);
        image_free(im);
        return false;
    }
    if (im->kind == IMAGE_TEXT) {
        err_set(e, STATUS_USAGE, "the initrd %s is a text file; give a cpio archive (it may be compressed)", path);
        image_free(im);
        return false;
    }
    return true;
}
