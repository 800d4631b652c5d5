/* The device tree: nodes of the board, interrupts, /chosen, Xen's modules, patches of a given tree. */
#include <check.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "machine/dtb.h"

static struct config c;
static struct err e;
static u8 *fdt;
static size_t size;

static u32 cell(const char *path, const char *prop, unsigned i)
{
    int len, at = fdt_path_offset(fdt, path);
    ck_assert_msg(at >= 0, "no node %s", path);
    const fdt32_t *p = fdt_getprop(fdt, at, prop, &len);
    ck_assert_msg(p && (unsigned)len >= 4 * (i + 1), "no %s in %s", prop, path);
    return fdt32_to_cpu(p[i]);
}

static unsigned cells(const char *path, const char *prop)
{
    int len = 0;
    fdt_getprop(fdt, fdt_path_offset(fdt, path), prop, &len);
    return (unsigned)len / 4;
}

static const char *text(const char *path, const char *prop)
{
    int at = fdt_path_offset(fdt, path);
    ck_assert_msg(at >= 0, "no node %s", path);
    return fdt_getprop(fdt, at, prop, NULL);
}

static bool there(const char *path) { return fdt_path_offset(fdt, path) >= 0; }

static void build(const struct dtb_info *in)
{
    ck_assert_msg(dtb_build(in, &fdt, &size, &e), "%s", e.text);
    ck_assert_int_eq(fdt_check_full(fdt, size), 0);
}

static void setup(void)
{
    config_defaults(&c);
    c.mem = 1ull << 30;
}
static void teardown(void) { free(fdt); }

START_TEST(test_gic3)
{
    c.cpus = 18;
    struct dtb_info in = {.config = &c,
                          .cpu_compatible = "arm,cortex-a57",
                          .psci = "smc",
                          .bootargs = "a b",
                          .initrd_start = 0x48000000,
                          .initrd_end = 0x48000100};
    build(&in);
    ck_assert_str_eq(text("/intc@8000000", "compatible"), "arm,gic-v3");
    ck_assert_uint_eq(cell("/intc@8000000", "reg", 5), 0x80a0000);
    ck_assert_uint_eq(cell("/intc@8000000", "reg", 7), 0xf60000);
    ck_assert_uint_eq(cell("/intc@8000000", "interrupts", 1), 9);
    ck_assert(!there("/intc@8000000/v2m@8020000"));
    ck_assert_uint_eq(cell("/memory@40000000", "reg", 3), 0x40000000);
    ck_assert_uint_eq(cell("/virtio_mmio@a003e00", "interrupts", 1), 0x2f);
    ck_assert_uint_eq(cell("/pl011@9000000", "interrupts", 1), 1);
    ck_assert_uint_eq(cell("/cpus/cpu@101", "reg", 0), 0x101); /* the 18th: second cluster */
    ck_assert_str_eq(text("/cpus/cpu@0", "enable-method"), "psci");
    ck_assert_str_eq(text("/psci", "method"), "smc");
    ck_assert_str_eq(text("/chosen", "bootargs"), "a b");
    ck_assert_uint_eq(cell("/chosen", "linux,initrd-end", 1), 0x48000100);
    ck_assert_uint_eq(cell("/timer", "interrupts", 4), 14);
    ck_assert_uint_eq(cell("/timer", "interrupts", 5), 4);
    ck_assert_uint_eq(cells("/timer", "interrupts"), 12); /* no FEAT_VHE: no EL2 virtual timer */
    ck_assert(!there("/pmu"));
    /* transports are probed in ascending order */
    ck_assert_int_lt(fdt_path_offset(fdt, "/virtio_mmio@a000000"), fdt_path_offset(fdt, "/virtio_mmio@a000200"));
}
END_TEST

START_TEST(test_gic2)
{
    c.gic = 2;
    c.cpus = 2;
    struct dtb_info in = {.config = &c, .cpu_compatible = "arm,cortex-a57", .psci = "smc", .pmu = true};
    build(&in);
    ck_assert_str_eq(text("/intc@8000000", "compatible"), "arm,cortex-a15-gic");
    ck_assert_uint_eq(cell("/intc@8000000", "reg", 9), 0x8030000);
    ck_assert_uint_eq(cell("/intc@8000000", "reg", 13), 0x8040000);
    ck_assert(there("/intc@8000000/v2m@8020000"));
    ck_assert_uint_eq(cell("/timer", "interrupts", 2), 0x304);
    ck_assert_uint_eq(cell("/pmu", "interrupts", 1), 7);
    free(fdt);
    c.el2 = false;
    in.psci = "hvc";
    build(&in);
    int len;
    fdt_getprop(fdt, fdt_path_offset(fdt, "/intc@8000000"), "reg", &len);
    ck_assert_int_eq(len, 32); /* no GICH and GICV */
    ck_assert_ptr_null(fdt_getprop(fdt, fdt_path_offset(fdt, "/intc@8000000"), "interrupts", NULL));
    ck_assert_str_eq(text("/psci", "method"), "hvc");
}
END_TEST

START_TEST(test_vhe)
{
    struct dtb_info in = {.config = &c, .cpu_compatible = "arm,arm-v8", .vhe = true};
    build(&in);
    ck_assert_uint_eq(cells("/timer", "interrupts"), 15);
    ck_assert_uint_eq(cell("/timer", "interrupts", 13), 12);
    free(fdt);
    c.el2 = false;
    build(&in);
    ck_assert_uint_eq(cells("/timer", "interrupts"), 12);
}
END_TEST

START_TEST(test_seed)
{
    struct dtb_info in = {.config = &c, .cpu_compatible = "arm,cortex-a57"};
    build(&in);
    u8 *first = fdt;
    size_t n = size;
    build(&in);
    ck_assert(n == size && memcmp(first, fdt, n) == 0); /* same seed, same tree */
    u32 seed = cell("/chosen", "kaslr-seed", 0);
    free(fdt);
    c.seed = 2;
    build(&in);
    ck_assert_uint_ne(seed, cell("/chosen", "kaslr-seed", 0));
    free(first);
}
END_TEST

START_TEST(test_xen)
{
    c.domus[0] = (struct config_domu){.name = "a", .mem = 192 << 20, .cpus = 2};
    c.ndomus = 1;
    struct dtb_info in = {.config = &c,
                          .cpu_compatible = "arm,cortex-a57",
                          .psci = "smc",
                          .xen_bootargs = "x",
                          .dom0_bootargs = "d",
                          .nmodules = 3,
                          .modules = {{"kernel", 0x50000000, 0x1234, NULL, -1},
                                      {"ramdisk", 0x54000000, 0x10, NULL, -1},
                                      {"kernel", 0x58000000, 0x1234, "console=ttyAMA0", 0}}};
    build(&in);
    ck_assert_str_eq(text("/chosen", "xen,xen-bootargs"), "x");
    ck_assert_str_eq(text("/chosen", "xen,dom0-bootargs"), "d");
    const char *compat = text("/chosen/module@54000000", "compatible");
    ck_assert_str_eq(compat, "multiboot,ramdisk");
    ck_assert_str_eq(compat + strlen(compat) + 1, "multiboot,module");
    ck_assert_uint_eq(cell("/chosen/module@50000000", "reg", 3), 0x1234);
    ck_assert_str_eq(text("/chosen/a", "compatible"), "xen,domain");
    ck_assert_uint_eq(cell("/chosen/a", "memory", 1), 192 << 10); /* KiB */
    ck_assert_uint_eq(cell("/chosen/a", "cpus", 0), 2);
    ck_assert_str_eq(text("/chosen/a/module@58000000", "bootargs"), "console=ttyAMA0");
}
END_TEST

START_TEST(test_patch)
{
    struct dtb_info in = {.config = &c, .cpu_compatible = "arm,cortex-a57", .psci = "smc"};
    build(&in);
    u8 *given = fdt;
    size_t n = size;
    c.mem = 2ull << 30;
    in.bootargs = "patched";
    ck_assert_msg(dtb_patch(&in, given, n, "g.dtb", &fdt, &size, &e), "%s", e.text);
    ck_assert_str_eq(text("/chosen", "bootargs"), "patched");
    ck_assert_uint_eq(cell("/memory@40000000", "reg", 3), 2u << 30);
    ck_assert(there("/virtio_mmio@a000000"));
    free(fdt);
    fdt = NULL;
    ck_assert(!dtb_patch(&in, given, n / 2, "g.dtb", &fdt, &size, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "truncated"));
    ck_assert(!dtb_patch(&in, (const u8 *)"rubbish and more rubbish, forty-odd bytes", 40, "g.dtb", &fdt, &size, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "not a device tree"));
    free(given);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fdt");
    TCase *t = tcase_create("fdt");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_gic3);
    tcase_add_test(t, test_gic2);
    tcase_add_test(t, test_vhe);
    tcase_add_test(t, test_seed);
    tcase_add_test(t, test_xen);
    tcase_add_test(t, test_patch);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
