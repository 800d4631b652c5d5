/* A device tree from the user: checked, patched (memory, /chosen, modules, PSCI), packed; the outcome is a
 * sound tree. */
#include <libfdt.h>

#include "core/check.h"
#include "fuzz.h"
#include "machine/dtb.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    struct input in = {data, n};
    u8 how = in8(&in), *out;
    size_t size;
    struct config c;
    struct err e = {0};
    config_defaults(&c);
    c.cpus = 2;
    c.mem = how & 1 ? 5ull << 30 : 256 << 20;
    c.ndomus = 1;
    c.domus[0] = (struct config_domu){.name = "u", .mem = 64 << 20, .cpus = 1};
    struct dtb_info info = {.config = &c, .cpu_compatible = "arm,cortex-a57", .psci = how & 2 ? "smc" : NULL};
    info.bootargs = how & 4 ? "console=ttyAMA0" : NULL;
    if (how & 8) {
        info.initrd_start = 0x48000000;
        info.initrd_end = 0x48001000;
    }
    if (how & 16) {
        info.modules[info.nmodules++] = (struct dtb_module){"kernel", 0x50000000, 4096, "a=b", -1};
        info.modules[info.nmodules++] = (struct dtb_module){"kernel", 0x51000000, 4096, NULL, 0};
    }
    u8 *given = malloc(in.n + 1); /* aligned as a mapped file is */
    CHECK(given);
    memcpy(given, in.p, in.n);
    if (dtb_patch(&info, given, in.n, "fuzz.dtb", &out, &size, &e)) {
        CHECK(fdt_check_full(out, size) == 0);
        free(out);
    }
    free(given);
    config_free(&c);
    return 0;
}
