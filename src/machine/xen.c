/* Xen with its domains: places hypervisor and boot modules and describes them in the device tree, so
 * that no address is ever typed.
 *
 * Xen docs/misc/arm/device-tree/booting.txt (boot modules, dom0less domains). Xen wants each module
 * described by its exact size; kernels are put at multiples of 2 MiB. */
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "machine/boot.h"

enum { MIB = 1 << 20 };

static bool add_file(struct boot *b, const char *path, const char *kind, const char *bootargs, int domu, struct err *e)
{
    bool kernel = strcmp(kind, "kernel") == 0;
    struct image *im = boot_file(b);
    char size[32];
    u64 at;
    if (!(kernel ? image_open_kernel(im, path, &b->progress, e) : image_open_initrd(im, path, e)))
        return false;
    u64 room = im->size;
    if (kernel && im->kind == IMAGE_ELF64)
        return err_set(e, STATUS_USAGE,
                       "the kernel %s is an ELF file; Xen starts an arm64 Image "
                       "(arch/arm64/boot/Image)",
                       path);
    if (!boot_find_room(b, b->dtb_addr + 2 * MIB, room, 2 * MIB, &at))
        return err_set(e, STATUS_USAGE,
                       "RAM is too small for the module %s (%s) after what was placed before; give "
                       "more than %llu MiB with -m",
                       path, err_size(room, size), (unsigned long long)(b->info.config->mem >> 20));
    if (!boot_add(b, kernel ? "domain's kernel" : "domain's initrd", im, at, room, im->data, im->size, e))
        return false;
    b->info.modules[b->info.nmodules++] = (struct dtb_module){kind, at, im->size, bootargs, domu};
    return true;
}

bool boot_xen(struct boot *b, struct err *e)
{
    const struct config *c = b->info.config;
    u64 end;
    if (!boot_kernel(b, c->xen, &end, e))
        return false;
    b->dtb_addr = align_up(end, 2 * MIB);
    b->info.xen_bootargs = c->params;
    if (c->dom0) {
        b->info.dom0_bootargs = c->dom0_params;
        if (!add_file(b, c->dom0, "kernel", NULL, -1, e) ||
            (c->dom0_initrd && !add_file(b, c->dom0_initrd, "ramdisk", NULL, -1, e)))
            return false;
    }
    for (unsigned i = 0; i < c->ndomus; i++) {
        const struct config_domu *u = &c->domus[i];
        if (!add_file(b, u->kernel, "kernel", u->cmdline, (int)i, e) ||
            (u->initrd && !add_file(b, u->initrd, "ramdisk", NULL, (int)i, e)))
            return false;
    }
    return true;
}
