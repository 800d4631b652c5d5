/* elara inspect and elara decode: the loader's and the CPU's knowledge without a machine. */
#include "machine/inspect.h"

#include <gelf.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "cpu/exception.h"
#include "cpu/model.h"
#include "cpu/sysreg.h"
#include "debug/disasm.h"
#include "machine/image.h"

static void show_arm64(const struct image *im)
{
    struct image_header h = image_parse_header(im->data, im->size);
    char b[32];
    printf("  text offset   0x%llx\n", (unsigned long long)h.text_offset);
    printf("  load size     0x%llx (%s), BSS included\n", (unsigned long long)h.image_size, err_size(h.image_size, b));
    printf("  byte order    %s\n", h.big_endian ? "big-endian" : "little-endian");
    if (h.page_kib)
        printf("  pages         %u KiB\n", h.page_kib);
    printf("  placement     %s\n", h.any_2mib ? "anywhere in memory" : "near the start of memory");
    if (h.file_size)
        printf("  EFI stub      yes; its section table needs %llu bytes%s\n", (unsigned long long)h.file_size,
               h.file_size > im->size ? ": THE FILE IS TRUNCATED" : "");
}

static void show_elf(const struct image *im)
{
    printf("  machine       %s\n", image_elf_machine(im->data, im->size));
    elf_version(EV_CURRENT);
    Elf *elf = elf_memory((char *)im->data, im->size);
    GElf_Ehdr eh;
    size_t n = 0;
    if (elf && gelf_getehdr(elf, &eh) && elf_getphdrnum(elf, &n) == 0) {
        printf("  entry         0x%llx\n", (unsigned long long)eh.e_entry);
        for (size_t i = 0; i < n; i++) {
            GElf_Phdr ph;
            if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD)
                printf("  load          0x%llx-0x%llx (at 0x%llx virtual)\n", (unsigned long long)ph.p_paddr,
                       (unsigned long long)(ph.p_paddr + ph.p_memsz - 1), (unsigned long long)ph.p_vaddr);
        }
    }
    if (elf)
        elf_end(elf);
}

static void show_uimage(const struct image *im)
{
    struct image_uimage u = image_parse_uimage(im->data, im->size);
    printf("  name          %s\n  for           %s%s, %s\n  load          0x%x, entry 0x%x, %u bytes%s\n", u.name,
           u.arm64 ? "arm64" : "another architecture", u.kernel ? ", a kernel" : ", not a kernel",
           u.plain  ? "not compressed"
           : u.gzip ? "gzip-compressed"
                    : "compressed otherwise",
           u.load, u.entry, u.size, (u64)u.size + 64 > im->size ? ": THE FILE IS TRUNCATED" : "");
}

static void show_dtb(const struct image *im)
{
    static const char *const props[][2] = {{"/", "model"},
                                           {"/", "compatible"},
                                           {"/chosen", "bootargs"},
                                           {"/chosen", "xen,xen-bootargs"},
                                           {"/chosen", "stdout-path"},
                                           {"/psci", "method"}};
    if (fdt_check_full(im->data, im->size) != 0) {
        printf("  the tree is damaged or truncated\n");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(props); i++) {
        int at = fdt_path_offset(im->data, props[i][0]);
        const char *v = at >= 0 ? fdt_getprop(im->data, at, props[i][1], NULL) : NULL;
        if (v)
            printf("  %s %s = \"%s\"\n", props[i][0], props[i][1], v);
    }
    for (int at = fdt_first_subnode(im->data, 0); at >= 0; at = fdt_next_subnode(im->data, at))
        printf("  /%s\n", fdt_get_name(im->data, at, NULL));
}

bool inspect_file(const char *path, struct err *e)
{
    struct image im;
    char b[32];
    if (!image_open(&im, path, "file", e))
        return false;
    printf("%s: %s, %s\n", path, image_kind_name(im.kind), err_size(im.size, b));
    if (im.kind == IMAGE_GZIP || im.kind == IMAGE_EFI_ZBOOT) {
        image_free(&im);
        if (!image_open_kernel(&im, path, NULL, e))
            return false;
        printf("  unpacked: %s, %s\n", image_kind_name(im.kind), err_size(im.size, b));
    }
    switch (im.kind) {
    case IMAGE_ARM64: show_arm64(&im); break;
    case IMAGE_ELF64:
    case IMAGE_ELF_OTHER: show_elf(&im); break;
    case IMAGE_DTB: show_dtb(&im); break;
    case IMAGE_UIMAGE: show_uimage(&im); break;
    default: break;
    }
    image_free(&im);
    return true;
}

bool inspect_decode(const char *kind, const char *value, struct err *e)
{
    static const char *const kinds[] = {"esr", "sysreg", "insn"};
    char *end, words[200];
    u64 v = strtoull(value, &end, 0);
    if (!*value || *end)
        return err_set(e, STATUS_USAGE, "decode %s %s: not a number", kind, value);
    if (strcmp(kind, "esr") == 0) {
        esr_describe(v, words, sizeof words);
        printf("0x%llx: EC 0x%02x, IL %u, ISS 0x%07x: %s\n", (unsigned long long)v, (unsigned)bits(v, 31, 26),
               bit(v, 25), (unsigned)bits(v, 24, 0), words);
        return true;
    }
    if (strcmp(kind, "sysreg") == 0) { /* op0:op1:CRn:CRm:op2, 16 bits */
        unsigned op0 = (unsigned)bits(v, 15, 14), op1 = (unsigned)bits(v, 13, 11), crn = (unsigned)bits(v, 10, 7);
        unsigned crm = (unsigned)bits(v, 6, 3), op2 = (unsigned)bits(v, 2, 0);
        unsigned id = sysreg_find(op0, op1, crn, crm, op2);
        printf("S%u_%u_C%u_C%u_%u: %s\n", op0, op1, crn, crm, op2,
               id == SR_NONE ? "unknown" : sysreg_name(id & 0xffff));
        return true;
    }
    if (strcmp(kind, "insn") == 0) {
        struct cpu_config cc = {0};
        struct model_request want = {.el2 = true, .el3 = true, .gicv3 = true};
        char why[256];
        CHECK(model_lookup("max", &want, &cc, why, sizeof why));
        struct decoder *d = decoder_new(&cc.feat);
        int row = decode_row(d, (u32)v);
        disasm(d, (u32)v, 0, words, sizeof words);
        printf("0x%08x: %s\n", (u32)v, words);
        if (row >= 0)
            printf("  row %s, %s%s\n", a64_rows[row].name, a64_rows[row].feat ? "FEAT_" : "base instruction",
                   a64_rows[row].feat ? feat_name(a64_rows[row].feat) : "");
        else
            printf("  unallocated, or an instruction that Elara does not have\n");
        decoder_free(d);
        return true;
    }
    const char *near = err_nearest(kind, kinds, ARRAY_LEN(kinds));
    err_set(e, STATUS_USAGE, "decode knows esr, sysreg and insn, not \"%s\"", kind);
    return near ? err_more(e, "; did you mean %s?", near) : false;
}
