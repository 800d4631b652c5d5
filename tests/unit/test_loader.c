/* The boot loader: files told apart and refused by name, placement, overlap. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "machine/boot.h"

static char dir[] = "/tmp/elara-loader-XXXXXX";
static char path[4][64];
static struct err e;
static struct config c;
static struct boot b;

static void put(u8 *p, size_t off, u64 v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[off + i] = (u8)(v >> 8 * i);
}

static const char *write_file(unsigned i, const void *p, size_t n)
{
    snprintf(path[i], sizeof path[i], "%s/f%u", dir, i);
    FILE *f = fopen(path[i], "wb");
    ck_assert(f && fwrite(p, 1, n, f) == n && fclose(f) == 0);
    return path[i];
}

/* An arm64 Image of n bytes with a PE section table. */
static void make_image(u8 *p, size_t n, u64 text_offset, u64 image_size)
{
    memset(p, 0, n);
    memcpy(p, "MZ", 2);
    put(p, 8, text_offset, 8);
    put(p, 16, image_size, 8);
    put(p, 24, 0xa, 8);
    memcpy(p + 56, "ARM\x64", 4);
    put(p, 60, 64, 4);
    memcpy(p + 64, "PE\0\0", 4);
    put(p, 70, 1, 2);            /* one section */
    put(p, 84, 0, 2);            /* no optional header */
    put(p, 88 + 16, 512, 4);     /* raw size */
    put(p, 88 + 20, n - 512, 4); /* raw pointer */
}

static void make_elf(u8 *p, size_t n, unsigned machine, u64 addr, u64 filesz, u64 memsz)
{
    memset(p, 0, n);
    memcpy(p, "\177ELF\2\1\1", 7);
    put(p, 16, 2, 2);
    put(p, 18, machine, 2);
    put(p, 20, 1, 4);
    put(p, 24, addr + 16, 8); /* entry */
    put(p, 32, 64, 8);        /* phoff */
    put(p, 52, 64, 2);
    put(p, 54, 56, 2);
    put(p, 56, 1, 2);
    put(p, 64, 1, 4); /* PT_LOAD */
    put(p, 68, 5, 4);
    put(p, 72, 0, 8); /* offset */
    put(p, 80, addr, 8);
    put(p, 88, addr, 8);
    put(p, 96, filesz, 8);
    put(p, 104, memsz, 8);
}

static bool plan(void)
{
    e = (struct err){0};
    return config_finish(&c, &e) && boot_plan(&b, &c, &e) &&
           boot_add_dtb(&b, "arm,cortex-a57", false, false, "smc", &e);
}

static void setup(void)
{
    config_defaults(&c);
    b = (struct boot){0};
}
static void teardown(void)
{
    boot_free(&b);
    config_free(&c);
    for (unsigned i = 0; i < 4; i++)
        if (path[i][0])
            unlink(path[i]);
}

static void refused(const char *says)
{
    ck_assert(!plan());
    ck_assert_int_eq(e.status, STATUS_USAGE);
    ck_assert_msg(strstr(e.text, says) != NULL, "\"%s\" not in: %s", says, e.text);
}

START_TEST(test_missing)
{
    write_file(0, "x", 1);
    char wrong[80];
    snprintf(wrong, sizeof wrong, "%s/f00", dir);
    c.image = wrong;
    refused("No such file");
    ck_assert_ptr_nonnull(strstr(e.text, "did you mean"));
    c.image = dir;
    refused("is a directory");
    c.image = write_file(1, "", 0);
    refused("is empty");
}
END_TEST

START_TEST(test_kinds)
{
    u8 p[4096];
    c.image = write_file(0, "#!/bin/sh\necho hello\n", 21);
    refused("is a text file");
    make_elf(p, sizeof p, 62, 0x40080000, 4096, 4096);
    c.image = write_file(0, p, sizeof p);
    refused("for x86-64; this machine needs AArch64");
    memset(p, 0, sizeof p);
    put(p, 0x24, 0x016f2818, 4);
    c.image = write_file(0, p, sizeof p);
    refused("32-bit Arm zImage");
    memset(p, 0, sizeof p);
    p[0x1fe] = 0x55, p[0x1ff] = 0xaa;
    memcpy(p + 0x202, "HdrS", 4);
    c.image = write_file(0, p, sizeof p);
    refused("bzImage for x86");
    c.image = write_file(0, "070701", 6);
    refused("did you swap kernel and initrd?");
    memset(p, 0, sizeof p);
    put(p, 1080, 0xef53, 2);
    c.image = write_file(0, p, sizeof p);
    refused("disk image: did you swap them? Give it with -d");
    make_image(p, sizeof p, 0, 8192);
    c.image = write_file(0, p, 4000);
    refused("is truncated: its section table needs 4096 bytes, the file has 4000");
    c.image = write_file(0, p, sizeof p);
    c.initrd = path[0];
    refused("did you swap kernel and initrd?");
    c.initrd = NULL;
    c.image = write_file(0, "\x1f\x8b rest is rubbish", 18);
    refused("cannot be unpacked");
}
END_TEST

START_TEST(test_linux)
{
    u8 p[4096];
    make_image(p, sizeof p, 0, 0x2010000);
    c.image = write_file(0, p, sizeof p);
    c.initrd = write_file(1, "070701 and more", 15);
    ck_assert_msg(plan(), "%s", e.text);
    ck_assert_uint_eq(b.entry, 0x40200000); /* offset 0: the first 2 MiB belong to the start-up code */
    ck_assert_uint_eq(b.info.initrd_start, 0x48000000);
    ck_assert_uint_eq(b.info.initrd_end, 0x4800000f);
    ck_assert_uint_eq(b.dtb_addr, 0x48200000);
    ck_assert_uint_eq(b.seg[0].size, 0x2010000);
    boot_free(&b);
    make_image(p, sizeof p, 0x80000, 0x10000);
    c.image = write_file(0, p, sizeof p);
    c.initrd = NULL;
    ck_assert_msg(plan(), "%s", e.text);
    ck_assert_uint_eq(b.entry, 0x40080000);
    boot_free(&b);
    c.mem = 32 << 20;
    make_image(p, sizeof p, 0, 64 << 20);
    c.image = write_file(0, p, sizeof p);
    refused("does not lie in RAM");
}
END_TEST

START_TEST(test_gzip)
{
    u8 p[4096], z[4096];
    make_image(p, sizeof p, 0, 0x10000);
    snprintf(path[0], sizeof path[0], "%s/f0", dir);
    gzFile f = gzopen(path[0], "wb");
    gzwrite(f, p, sizeof p);
    gzclose(f);
    c.image = path[0];
    ck_assert_msg(plan(), "%s", e.text);
    ck_assert_uint_eq(b.seg[0].len, sizeof p);
    ck_assert_mem_eq(b.seg[0].data, p, sizeof p);
    boot_free(&b);
    FILE *g = fopen(path[0], "rb");
    size_t n = fread(z, 1, sizeof z, g);
    fclose(g);
    c.image = write_file(1, z, n / 2);
    refused("cannot be unpacked");
}
END_TEST

/* gzip data of n bytes at p into z; returns its length. */
static size_t pack(const u8 *p, size_t n, u8 *z, size_t max)
{
    z_stream s = {.next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n, .next_out = z, .avail_out = (uInt)max};
    ck_assert_int_eq(deflateInit2(&s, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&s, Z_FINISH), Z_STREAM_END);
    deflateEnd(&s);
    return max - s.avail_out;
}

START_TEST(test_zboot)
{
    u8 p[4096], z[8192] = "MZ";
    make_image(p, sizeof p, 0, 0x10000);
    memcpy(z + 4, "zimg", 4);
    memcpy(z + 24, "gzip", 5);
    size_t n = pack(p, sizeof p, z + 1024, sizeof z - 1024);
    put(z, 8, 1024, 4);
    put(z, 12, n, 4);
    c.image = write_file(0, z, 1024 + n);
    ck_assert_msg(plan(), "%s", e.text);
    ck_assert_uint_eq(b.seg[0].addr, 0x40200000);
    ck_assert_mem_eq(b.seg[0].data, p, sizeof p);
    boot_free(&b);
    c.image = write_file(0, z, 1000 + n);
    refused("its payload ends at byte");
    memcpy(z + 24, "zstd22", 7);
    c.image = write_file(0, z, 1024 + n);
    refused("compressed with zstd22, which is not built in");
    put(z, 8, 0xffffffff, 4);
    c.image = write_file(0, z, 1024 + n);
    refused("is truncated");
}
END_TEST

static void make_uimage(u8 *p, size_t size, unsigned arch, unsigned compression)
{
    memset(p, 0, 64);
    memcpy(p, "\x27\x05\x19\x56", 4);
    for (unsigned i = 0; i < 4; i++) {
        p[12 + i] = (u8)(size >> (24 - 8 * i));
        p[16 + i] = (u8)(0x40300000u >> (24 - 8 * i));
        p[20 + i] = (u8)(0x40300040u >> (24 - 8 * i));
    }
    p[28] = 5;
    p[29] = (u8)arch;
    p[30] = 2;
    p[31] = (u8)compression;
    memcpy(p + 32, "a kernel", 8);
}

START_TEST(test_uimage)
{
    u8 p[64 + 4096], z[64 + 8192];
    make_uimage(p, 4096, 22, 0);
    make_image(p + 64, 4096, 0, 0x10000);
    c.image = write_file(0, p, sizeof p); /* an Image inside is placed by its own header */
    ck_assert_msg(plan(), "%s", e.text);
    ck_assert_uint_eq(b.entry, 0x40200000);
    ck_assert_mem_eq(b.seg[0].data, p + 64, 4096);
    boot_free(&b);
    size_t n = pack(p + 64, 4096, z + 64, sizeof z - 64);
    make_uimage(z, n, 22, 1);
    c.image = write_file(0, z, 64 + n);
    ck_assert_msg(plan(), "%s", e.text);
    ck_assert_mem_eq(b.seg[0].data, p + 64, 4096);
    boot_free(&b);
    for (unsigned i = 0; i < 4096; i++) /* anything else goes where the uImage says */
        p[64 + i] = (u8)(i * 37 + 1);
    c.image = write_file(0, p, sizeof p);
    ck_assert_msg(plan(), "%s", e.text);
    ck_assert_uint_eq(b.seg[0].addr, 0x40300000);
    ck_assert_uint_eq(b.entry, 0x40300040);
    boot_free(&b);
    c.image = write_file(0, p, 4000);
    refused("is truncated: its uImage header needs 4160 bytes, the file has 4000");
    make_uimage(p, 4096, 2, 0);
    c.image = write_file(0, p, sizeof p);
    refused("a U-Boot uImage (\"a kernel\"), but not of an arm64 kernel");
    make_uimage(p, 4096, 22, 3);
    c.image = write_file(0, p, sizeof p);
    refused("compression is not built in");
}
END_TEST

START_TEST(test_raw)
{
    u8 p[4096];
    for (unsigned i = 0; i < sizeof p; i++)
        p[i] = (u8)(i * 37 + 1);
    c.image = write_file(0, p, sizeof p); /* as a kernel: where Linux used to be */
    ck_assert_msg(plan(), "%s", e.text);
    ck_assert_uint_eq(b.entry, 0x40080000);
    boot_free(&b);
    c.image = NULL;
    c.loads[0] = (struct config_load){.path = path[0], .addr = 0x41234568, .has_addr = true, .raw = true};
    c.nloads = 1;
    ck_assert_msg(plan(), "%s", e.text);
    ck_assert_uint_eq(b.entry, 0x41234568);
    ck_assert_uint_eq(b.seg[0].addr, 0x41234568);
}
END_TEST

START_TEST(test_hypervisor_alone)
{
    u8 p[4096];
    make_image(p, sizeof p, 0, 0x10000);
    memcpy(p + 2000, "xen,xen-bootargs", 16);
    c.image = write_file(0, p, sizeof p);
    refused("is Xen and has nothing to run");
    c.el2 = false;
    refused("is Xen, which needs EL2");
    c.force = true;
    ck_assert_msg(plan(), "%s", e.text);
    boot_free(&b);
    c.force = false;
    c.el2 = true;
    c.loads[0] = (struct config_load){
        .path = write_file(1, "x", 1), .addr = 0x50000000, .has_addr = true, .raw = true, .module = "kernel"};
    c.nloads = 1;
    ck_assert_msg(plan(), "%s", e.text);
}
END_TEST

START_TEST(test_elf)
{
    u8 p[4096];
    make_elf(p, sizeof p, 183, 0x40080000, 4096, 8192);
    c.image = write_file(0, p, sizeof p);
    ck_assert_msg(plan(), "%s", e.text);
    ck_assert_uint_eq(b.entry, 0x40080010);
    ck_assert_uint_eq(b.seg[0].size, 8192);
    ck_assert_uint_eq(b.dtb_addr, 0x40000000);
    boot_free(&b);
    c.image = write_file(0, p, 2000);
    refused("is truncated");
    make_elf(p, sizeof p, 183, 0x1000, 4096, 4096);
    c.image = write_file(0, p, sizeof p);
    refused("does not lie in RAM");
}
END_TEST

START_TEST(test_overlap)
{
    u8 p[4096];
    make_image(p, sizeof p, 0, 0x10000);
    c.image = write_file(0, p, sizeof p);
    c.loads[0] = (struct config_load){.path = path[0], .addr = 0x40208000, .has_addr = true, .raw = true};
    c.nloads = 1;
    refused("load addresses overlap");
    ck_assert_ptr_nonnull(strstr(e.text, "0x40200000-0x4020ffff"));
    ck_assert_ptr_nonnull(strstr(e.text, "0x40208000-0x40208fff"));
    c.loads[0].has_addr = false;
    c.loads[0].raw = false;
    refused("says no address");
}
END_TEST

START_TEST(test_xen)
{
    u8 p[4096];
    make_image(p, sizeof p, 0, 0x136000);
    c.xen = write_file(0, p, sizeof p);
    c.dom0 = c.domus[0].kernel = write_file(1, p, sizeof p);
    c.dom0_initrd = write_file(2, "070701", 6);
    c.domus[0] = (struct config_domu){.name = "a", .kernel = path[1], .mem = 128 << 20, .cpus = 1, .cmdline = "x"};
    c.ndomus = 1;
    ck_assert_msg(plan(), "%s", e.text);
    ck_assert_uint_eq(b.info.nmodules, 3);
    ck_assert_str_eq(b.info.modules[0].kind, "kernel");
    ck_assert_int_eq(b.info.modules[0].domu, -1);
    ck_assert_str_eq(b.info.modules[1].kind, "ramdisk");
    ck_assert_int_eq(b.info.modules[2].domu, 0);
    ck_assert_ptr_nonnull(strstr(b.info.xen_bootargs, "dom0_mem=512M"));
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(b.info.modules[i].addr & 0x1fffff, 0);
}
END_TEST

int main(void)
{
    if (!mkdtemp(dir))
        return EXIT_FAILURE;
    Suite *s = suite_create("loader");
    TCase *t = tcase_create("loader");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_missing);
    tcase_add_test(t, test_kinds);
    tcase_add_test(t, test_linux);
    tcase_add_test(t, test_gzip);
    tcase_add_test(t, test_zboot);
    tcase_add_test(t, test_uimage);
    tcase_add_test(t, test_raw);
    tcase_add_test(t, test_hypervisor_alone);
    tcase_add_test(t, test_elf);
    tcase_add_test(t, test_overlap);
    tcase_add_test(t, test_xen);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    rmdir(dir);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
