/* The boot loader: kernel, initrd, device tree and user-given files are placed as QEMU's loader does
 * (so that addresses in other people's scripts stay right), checked for overlap and for lying in RAM,
 * and written at power-on and at every reset.
 *
 * Boot protocol: Linux Documentation/arm64/booting.rst (x0 = device tree, x1..x3 = 0, MMU off).
 * Files stay mapped, not copied, so that a reset can load them again without keeping them resident. */
#include "machine/boot.h"

#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/bus.h"
#include "core/check.h"

enum { MIB = 1 << 20 };

struct image *boot_file(struct boot *b)
{
    CHECK(b->nfiles < BOOT_FILES);
    return &b->files[b->nfiles++];
}

const char *segment_path(const struct segment *s) { return s->file ? s->file->path : ""; }

static u64 ram_end(const struct boot *b) { return BOARD_RAM_BASE + b->info.config->mem; }

bool boot_add(struct boot *b, const char *what, const struct image *im, u64 addr, u64 size, const u8 *data, size_t len,
              struct err *e)
{
    char b1[32], b2[32];
    if (size < len)
        size = len;
    if (b->nseg == BOOT_SEGMENTS)
        return err_set(e, STATUS_USAGE, "too many pieces to load: at most %d", BOOT_SEGMENTS);
    if (addr < BOARD_RAM_BASE || addr + size > ram_end(b) || addr + size < addr)
        return err_set(
            e, STATUS_USAGE, "the %s %s at 0x%llx-0x%llx (%s) does not lie in RAM, which is 0x%x-0x%llx (%s); %s", what,
            im ? im->path : "", (unsigned long long)addr, (unsigned long long)(addr + size - 1), err_size(size, b1),
            BOARD_RAM_BASE, (unsigned long long)(ram_end(b) - 1), err_size(b->info.config->mem, b2),
            addr >= BOARD_RAM_BASE ? "give more with -m" : "choose another address");
    b->seg[b->nseg++] = (struct segment){what, im, addr, size, data, len};
    return true;
}

bool boot_find_room(const struct boot *b, u64 from, u64 size, u64 align, u64 *addr)
{
    u64 at = align_up(from, align);
    for (unsigned i = 0; i < b->nseg;) {
        const struct segment *s = &b->seg[i];
        if (at < s->addr + s->size && s->addr < at + size) {
            at = align_up(s->addr + s->size, align);
            i = 0;
        } else {
            i++;
        }
    }
    *addr = at;
    return at + size <= ram_end(b);
}

/* ---- kernels -------------------------------------------------------------------------------- */

static bool load_elf(struct boot *b, const struct image *im, const char *what, u64 *entry, u64 *end, struct err *e)
{
    if (elf_version(EV_CURRENT) == EV_NONE)
        return err_set(e, STATUS_BUG, "libelf is too old");
    Elf *elf = elf_memory((char *)im->data, im->size);
    GElf_Ehdr eh;
    size_t n = 0;
    bool ok = elf && gelf_getehdr(elf, &eh) && elf_getphdrnum(elf, &n) == 0;
    if (!ok || !n)
        err_set(e, STATUS_USAGE, "the %s %s is an ELF file without program headers (an object file?); link it first",
                what, im->path);
    ok = ok && n;
    u64 high = 0, virt_entry = ok ? eh.e_entry : 0;
    *entry = virt_entry;
    for (size_t i = 0; ok && i < n; i++) {
        GElf_Phdr ph;
        if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD || !ph.p_memsz)
            continue;
        if (ph.p_offset + ph.p_filesz > im->size || ph.p_offset + ph.p_filesz < ph.p_offset) {
            ok = err_set(e, STATUS_USAGE, "the %s %s is truncated: a segment needs %llu bytes, the file has %zu", what,
                         im->path, (unsigned long long)(ph.p_offset + ph.p_filesz), im->size);
            break;
        }
        ok = boot_add(b, what, im, ph.p_paddr, ph.p_memsz, im->data + ph.p_offset, ph.p_filesz, e);
        if (virt_entry >= ph.p_vaddr && virt_entry < ph.p_vaddr + ph.p_memsz)
            *entry = ph.p_paddr + (virt_entry - ph.p_vaddr); /* the MMU is off */
        if (ph.p_paddr + ph.p_memsz > high)
            high = ph.p_paddr + ph.p_memsz;
    }
    if (elf)
        elf_end(elf);
    if (ok && end)
        *end = high;
    return ok;
}

bool boot_kernel(struct boot *b, const char *path, u64 *end, struct err *e)
{
    struct image *im = boot_file(b);
    if (!image_open_kernel(im, path, &b->progress, e))
        return false;
    b->kind = im->kind;
    if (im->kind == IMAGE_ELF64) {
        b->elf = true;
        return load_elf(b, im, "kernel", &b->entry, end, e);
    }
    u64 offset = 0x80000, size = im->size;
    if (im->kind == IMAGE_ARM64) {
        b->header = image_parse_header(im->data, im->size);
        offset = b->header.text_offset;
        if (b->header.image_size > size)
            size = b->header.image_size;
        if (offset < 4096) /* the reference keeps its start-up code at the bottom of RAM */
            offset += 2 * MIB;
    }
    if (im->placed) {
        b->entry = im->entry;
        *end = im->load + size;
        return boot_add(b, "kernel", im, im->load, size, im->data, im->size, e);
    }
    b->entry = BOARD_RAM_BASE + offset;
    *end = b->entry + size;
    return boot_add(b, "kernel", im, b->entry, size, im->data, im->size, e);
}

u64 boot_initrd_addr(const struct config *c, u64 kernel_end)
{
    u64 half = c->mem / 2, at = BOARD_RAM_BASE + (half < 128 * MIB ? half : 128 * MIB);
    return align_up(at > kernel_end ? at : kernel_end, 4096);
}

/* ---- files at addresses --------------------------------------------------------------------- */

static bool plan_loads(struct boot *b, const struct config *c, struct err *e)
{
    for (unsigned i = 0; i < c->nloads; i++) {
        const struct config_load *l = &c->loads[i];
        if (l->data) {
            b->entry = l->entry;
            if (!boot_add(b, "demonstration", NULL, l->addr, l->size, l->data, l->size, e))
                return false;
            continue;
        }
        struct image *im = boot_file(b);
        if (!image_open(im, l->path, l->module ? "module" : "file", e))
            return false;
        if (!l->raw && !l->module && im->kind == IMAGE_ELF64) {
            u64 entry;
            if (!load_elf(b, im, "file", &entry, NULL, e))
                return false;
            if (!c->image && !b->entry)
                b->entry = entry;
            continue;
        }
        if (!l->has_addr)
            return err_set(e, STATUS_USAGE, "%s is %s and says no address; give it as --load %s@ADDRESS", l->path,
                           image_kind_name(im->kind), l->path);
        if (!boot_add(b, l->module ? "module" : "file", im, l->addr, im->size, im->data, im->size, e))
            return false;
        if (!c->image && !c->xen && !b->entry)
            b->entry = l->addr;
        if (l->module)
            b->info.modules[b->info.nmodules++] = (struct dtb_module){l->module, l->addr, im->size, l->bootargs, -1};
    }
    return true;
}

/* A Xen with everything built in has 4 MB. A Linux of ten times that is not searched: it takes longer than all else
 * before the first instruction. */
enum { XEN_AT_MOST = 16 << 20 };

/* Xen started as if it were Linux: it finds no domain to run, or no EL2, and stops in silence or panics. */
static bool check_hypervisor(const struct boot *b, const struct config *c, struct err *e)
{
    const struct image *im = &b->files[0];
    if (c->force || c->dtb || im->kind != IMAGE_ARM64 || im->size > XEN_AT_MOST ||
        !memmem(im->data, im->size, "xen,xen-bootargs", 16))
        return true;
    if (!c->el2)
        return err_set(e, STATUS_USAGE, "%s is Xen, which needs EL2; %s", c->image,
                       c->qemu_status ? "give -machine virtualization=on" : "drop --el 1 (--force runs it as it is)");
    for (unsigned i = 0; i < c->nloads; i++)
        if (c->loads[i].module)
            return true;
    return err_set(e, STATUS_USAGE, "%s is Xen and has nothing to run: %s", c->image,
                   c->qemu_status ? "give -device guest-loader,kernel=FILE,addr=ADDRESS, or -dtb with its boot modules"
                                  : "give --xen FILE --dom0 FILE, or a --domu (--force runs it as it is)");
}

static bool plan_linux(struct boot *b, const struct config *c, struct err *e)
{
    u64 end;
    if (!boot_kernel(b, c->image, &end, e) || !check_hypervisor(b, c, e))
        return false;
    u64 at = boot_initrd_addr(c, end);
    b->dtb_addr = align_up(at, 2 * MIB);
    if (c->initrd) {
        struct image *im = boot_file(b);
        if (!image_open_initrd(im, c->initrd, e) || !boot_add(b, "initrd", im, at, im->size, im->data, im->size, e))
            return false;
        b->info.initrd_start = at;
        b->info.initrd_end = at + im->size;
        b->dtb_addr = align_up(at + im->size, 2 * MIB);
    }
    b->info.bootargs = c->params;
    return true;
}

static int by_address(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;
    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static bool check_overlap(const struct boot *b, struct err *e)
{
    struct segment s[BOOT_SEGMENTS];
    memcpy(s, b->seg, b->nseg * sizeof *s);
    qsort(s, b->nseg, sizeof *s, by_address);
    for (unsigned i = 0; i + 1 < b->nseg; i++)
        if (s[i].addr + s[i].size > s[i + 1].addr)
            return err_set(e, STATUS_USAGE,
                           "load addresses overlap: the %s %s is at 0x%llx-0x%llx, the %s %s at 0x%llx-0x%llx; move "
                           "one of them",
                           s[i].what, segment_path(&s[i]), (unsigned long long)s[i].addr,
                           (unsigned long long)(s[i].addr + s[i].size - 1), s[i + 1].what, segment_path(&s[i + 1]),
                           (unsigned long long)s[i + 1].addr, (unsigned long long)(s[i + 1].addr + s[i + 1].size - 1));
    return true;
}

bool boot_plan(struct boot *b, const struct config *c, struct err *e)
{
    *b = (struct boot){.info.config = c};
    progress_init(&b->progress, c->quiet ? -1 : STDERR_FILENO);
    bool ok = true;
    if (c->flash[0].path) /* the firmware loads everything else; it finds the tree where RAM begins */
        b->firmware = true;
    else if (c->xen)
        ok = boot_xen(b, e);
    else if (c->image)
        ok = plan_linux(b, c, e);
    ok = ok && plan_loads(b, c, e) && check_overlap(b, e);
    if (!ok)
        boot_free(b);
    return ok;
}

/* ---- device tree ---------------------------------------------------------------------------- */

static bool write_file(const char *path, const u8 *p, size_t n, struct err *e)
{
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(p, 1, n, f) == n;
    if (f && fclose(f) != 0)
        ok = false;
    return ok || err_set(e, STATUS_USAGE, "cannot write the device tree to %s: %s", path, strerror(errno));
}

bool boot_add_dtb(struct boot *b, const char *cpu_compatible, bool pmu, bool vhe, const char *psci, struct err *e)
{
    const struct config *c = b->info.config;
    size_t size;
    b->info.cpu_compatible = cpu_compatible;
    b->info.pmu = pmu;
    b->info.vhe = vhe;
    b->info.psci = psci;
    if (c->dtb) {
        struct image im;
        if (!image_open(&im, c->dtb, "device tree", e))
            return false;
        bool ok = dtb_patch(&b->info, im.data, im.size, c->dtb, &b->dtb, &size, e);
        image_free(&im);
        if (!ok)
            return false;
    } else if (!dtb_build(&b->info, &b->dtb, &size, e)) {
        return false;
    }
    if (c->dtb_out && !write_file(c->dtb_out, b->dtb, size, e))
        return false;
    /* an ELF image leaves the choice: below it when there is room, as the reference does */
    u64 from = b->dtb_addr && !b->elf ? b->dtb_addr : BOARD_RAM_BASE;
    if (!boot_find_room(b, from, size, from == BOARD_RAM_BASE ? 4096 : 2 * MIB, &b->dtb_addr))
        return err_set(e, STATUS_USAGE,
                       "RAM is too small: no room for the device tree after kernel and initrd; give "
                       "more than %llu MiB with -m",
                       (unsigned long long)(c->mem >> 20));
    return boot_add(b, "device tree", NULL, b->dtb_addr, size, b->dtb, size, e) && check_overlap(b, e);
}

/* By pieces that the host's caches hold. */
static void place(struct boot *b, struct bus *bus, const struct segment *s)
{
    enum { PIECE = 256 << 10 };
    u8 *piece = malloc(PIECE);
    CHECK(piece);
    progress_begin(&b->progress, "loading", s->file ? s->file->path : s->what, s->len);
    for (u64 at = 0, n; at < s->len; at += n) {
        const u8 *from = s->data + at;
        n = s->len - at < PIECE ? s->len - at : PIECE;
        if (s->file && !image_copy(s->file, from, piece, n)) {
            fprintf(stderr,
                    "elara: the %s %s has become shorter since it was opened; start again with the whole file\n",
                    s->what, s->file->path);
            exit(STATUS_USAGE);
        }
        CHECK(bus_load(bus, PAS_NS, s->addr + at, s->file ? piece : from, n) == BUS_OK);
        progress_step(&b->progress, at + n);
    }
    free(piece);
}

void boot_load(struct boot *b, struct bus *bus)
{
    for (unsigned i = 0; i < b->nseg; i++) {
        const struct segment *s = &b->seg[i];
        static const u8 zero[4096];
        place(b, bus, s);
        /* BSS of an ELF file is the loader's to clear; an Image clears its own */
        for (u64 at = s->len; b->elf && at < s->size; at += sizeof zero) {
            u64 n = s->size - at < sizeof zero ? s->size - at : sizeof zero;
            CHECK(bus_load(bus, PAS_NS, s->addr + at, zero, n) == BUS_OK);
        }
    }
    progress_clear(&b->progress);
    b->progress.fd = -1; /* from now on the terminal is the guest's */
}

void boot_free(struct boot *b)
{
    progress_clear(&b->progress);
    for (unsigned i = 0; i < b->nfiles; i++)
        if (b->files[i].data)
            image_free(&b->files[i]);
    free(b->dtb);
    b->nfiles = b->nseg = 0;
    b->dtb = NULL;
}
