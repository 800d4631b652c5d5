/* ImageBuilder configuration files: what they become, and that each mistake is named with file and line. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/check.h"
#include "machine/imagebuilder.h"

static char dir[] = "/tmp/imagebuilder-XXXXXX", path[64];
static struct config c;
static struct err e;

static void put(const char *name, const char *text)
{
    char full[96];
    snprintf(full, sizeof full, "%s/%s", dir, name);
    FILE *f = fopen(full, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static bool reads(const char *text)
{
    put("config", text);
    e = (struct err){0};
    return imagebuilder_read(&c, path, &e) && config_finish(&c, &e);
}

static void setup(void)
{
    snprintf(dir, sizeof dir, "/tmp/imagebuilder-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/config", dir);
    put("xen", "");
    put("Image", "");
    put("initrd", "");
    config_defaults(&c);
}

static void teardown(void)
{
    static const char *const names[] = {"xen", "Image", "initrd", "config"};
    char full[96];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(full, sizeof full, "%s/%s", dir, names[i]);
        unlink(full);
    }
    rmdir(dir);
    config_free(&c);
}

static void same_file(const char *got, const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "%s/%s", dir, name);
    ck_assert_str_eq(got, full);
}

START_TEST(test_whole)
{
    ck_assert_msg(reads("# a comment\nMEMORY_START=\"0x40000000\"\nMEMORY_END=\"0x80000000\"\nLOAD_CMD=\"tftpb\"\n"
                        "DEVICE_TREE=\"virt.dtb\"\r\n\nXEN=\"xen\"\n"
                        "XEN_CMD=\"console=dtuart dtuart=serial0 dom0_mem=256M sched=null\"\n"
                        "DOM0_KERNEL=\"Image\"\nDOM0_CMD='console=hvc0 a'\nDOM0_RAMDISK=initrd # bare\n"
                        "NUM_DOMUS=2\nDOMU_KERNEL[1]=\"Image\"\n  DOMU_MEM[1]=192\nDOMU_VCPUS[1]=2\n"
                        "DOMU_KERNEL[0]=\"Image\"\nDOMU_RAMDISK[0]=\"initrd\"\nDOMU_CMD[0]=\"console=ttyAMA0 b\"\n"
                        "UBOOT_SOURCE=\"boot.source\"\nUBOOT_SCRIPT=\"boot.scr\"\n"),
                  "%s", e.text);
    same_file(c.xen, "xen");
    same_file(c.dom0, "Image");
    same_file(c.dom0_initrd, "initrd");
    ck_assert_str_eq(c.params, "console=dtuart dtuart=serial0 dom0_mem=256M sched=null");
    ck_assert_str_eq(c.dom0_params, "console=hvc0 a");
    ck_assert_uint_eq(c.dom0_mem, 256ull << 20);
    ck_assert_uint_eq(c.ndomus, 2);
    same_file(c.domus[0].kernel, "Image");
    same_file(c.domus[0].initrd, "initrd");
    ck_assert_str_eq(c.domus[0].cmdline, "console=ttyAMA0 b");
    ck_assert_uint_eq(c.domus[0].mem, 512ull << 20);
    ck_assert_str_eq(c.domus[1].cmdline, "console=ttyAMA0");
    ck_assert_uint_eq(c.domus[1].mem, 192ull << 20);
    ck_assert_uint_eq(c.domus[1].cpus, 2);
    ck_assert_ptr_null(c.domus[1].initrd);
    ck_assert_uint_ge(c.mem, (256ull + 512 + 192 + 256) << 20);
}
END_TEST

START_TEST(test_defaults)
{
    ck_assert_msg(reads("XEN=xen\nDOM0_KERNEL=Image\nDOM0_VCPUS=2\n"), "%s", e.text);
    ck_assert_str_eq(c.params, "console=dtuart dtuart=serial0 dom0_mem=1024M dom0_max_vcpus=2");
    ck_assert_uint_eq(c.ndomus, 0);
}
END_TEST

static const struct {
    const char *text, *says; /* after "DIR/config:" */
} wrong[] = {
    {"XEN=xen\nDOMU_KERNAL[0]=Image\n", "2: ImageBuilder has no DOMU_KERNAL; did you mean DOMU_KERNEL?"},
    {"XEN=xen\nNUM_DOMUS=2\nDOMU_KERNEL[0]=Image\n", "2: NUM_DOMUS=2, but nothing describes domain 1"},
    {"XEN=xen\nNUM_DOMUS=1\nDOMU_KERNEL[0]=Image\nDOMU_MEM[1]=8\n", "4: domain 1, but NUM_DOMUS=1 (line 2)"},
    {"XEN=xen\nDOMU_KERNEL[0]=Image\n", "2: domain 0, but NUM_DOMUS is missing"},
    {"XEN=xen\nNUM_DOMUS=1\nDOMU_MEM[0]=8\n", "3: domain 0 has no kernel"},
    {"XEN=xen\n\nDOM0_KERNEL=Imag\n", "3: DOM0_KERNEL: there is no readable file"},
    {"XEN=xen\nDOMU_MEM[0]=lots\n", "2: DOMU_MEM=lots: give a number"},
    {"XEN=xen\nDOMU_VCPUS[0]=0\n", "2: DOMU_VCPUS=0: give a number from 1"},
    {"XEN=xen\nDOMU_MEM=8\n", "2: DOMU_MEM needs the domain's number: DOMU_MEM[0]="},
    {"XEN[0]=xen\n", "1: XEN takes no number: XEN="},
    {"XEN=xen\nDOMU_MEM[x]=8\n", "2: a number and ] must follow DOMU_MEM["},
    {"XEN=xen\nDOMU_MEM[99]=8\n", "2: at most 16 domains"},
    {"XEN=xen\nXEN_CMD=\"a\n", "2: the quote \" is not closed"},
    {"XEN=xen\nXEN_CMD=a b\n", "2: \"b\" follows the value"},
    {"XEN=xen\nXEN_CMD=\"$HOME\"\n", "2: \"$\" needs a shell"},
    {"XEN=xen; rm x\n", "1: a command"},
    {"XEN=xen\nif true\n", "2: not NAME=VALUE: if true"},
    {"XEN=xen\nDOMU_STATIC_MEM[0]=\"0x50000000 0x1000000\"\n", "2: DOMU_STATIC_MEM is not supported"},
};

START_TEST(test_wrong)
{
    char want[256];
    snprintf(want, sizeof want, "%s:%s", path, wrong[_i].says);
    ck_assert_msg(!reads(wrong[_i].text), "%s", wrong[_i].text);
    ck_assert_int_eq(e.status, STATUS_USAGE);
    ck_assert_msg(strncmp(e.text, want, strlen(want)) == 0, "%s: %s", wrong[_i].text, e.text);
}
END_TEST

START_TEST(test_wrong_whole)
{
    ck_assert(!reads("DOM0_KERNEL=Image\n"));
    ck_assert_ptr_nonnull(strstr(e.text, "XEN= is missing"));
    ck_assert(!imagebuilder_read(&c, "/nonexistent/config", &e));
    ck_assert_ptr_nonnull(strstr(e.text, "No such file"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("imagebuilder");
    TCase *t = tcase_create("imagebuilder");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_whole);
    tcase_add_test(t, test_defaults);
    tcase_add_loop_test(t, test_wrong, 0, ARRAY_LEN(wrong));
    tcase_add_test(t, test_wrong_whole);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
