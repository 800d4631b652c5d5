/* The loaders: kinds told apart, Image headers and section tables, gzip, EFI zboot, ELF segments, as the boot
 * loader uses them; the same file as kernel, as initrd and as a file to load. */
#include "core/log.h"
#include "file.h"
#include "machine/boot.h"

static void plan(struct config *c)
{
    static struct boot b;
    struct err e = {0};
    c->cpus = 1;
    c->mem = 64 << 20;
    b = (struct boot){0};
    if (boot_plan(&b, c, &e) && boot_add_dtb(&b, "arm,cortex-a57", false, false, "hvc", &e)) {
        volatile u8 sum = 0;
        for (unsigned i = 0; i < b.nseg; i++) /* what boot_load() will copy */
            for (size_t k = 0; k < b.seg[i].len; k += 64)
                sum = (u8)(sum + b.seg[i].data[k]);
    }
    boot_free(&b);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    struct file f = file_make(data, n);
    struct config c;
    struct image im;
    struct err e = {0};
    config_defaults(&c);
    c.image = f.path;
    plan(&c);
    config_defaults(&c);
    c.loads[c.nloads++] = (struct config_load){.path = f.path};
    plan(&c);
    if (image_open_initrd(&im, f.path, &e))
        image_free(&im);
    close(f.fd);
    return 0;
}
