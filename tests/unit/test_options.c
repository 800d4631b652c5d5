/* Command lines: parsing, sizes, near misses, refusals; and QEMU's options translated. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/disk.h"
#include "machine/options.h"
#include "machine/qemu.h"

static struct err e;
static struct config c;

static bool parse(const char *line)
{
    char buf[1024], *argv[64];
    int argc = 0;
    snprintf(buf, sizeof buf, "%s", line);
    for (char *p = strtok(buf, " "); p; p = strtok(NULL, " "))
        argv[argc++] = (char *)(uintptr_t)config_string(&c, p, strlen(p));
    e = (struct err){0};
    return options_parse(&c, argc, argv, &e) && config_finish(&c, &e);
}

static bool qemu(const char *line)
{
    static char buf[2048]; /* strings of the config point into it */
    char *argv[64];
    int argc = 0;
    snprintf(buf, sizeof buf, "%s", line);
    for (char *p = strtok(buf, " "); p; p = strtok(NULL, " "))
        argv[argc++] = p;
    e = (struct err){0};
    config_free(&c);
    config_defaults(&c);
    return qemu_parse(&c, argc, argv, &e);
}

static void setup(void) { config_defaults(&c); }
static void teardown(void) { config_free(&c); }

START_TEST(test_run)
{
    ck_assert(parse("Image -i initrd -c4 -m 2G --gic 2 --until=login: -d disk.img,rw --trap-log=t.log -q --stats"));
    ck_assert_str_eq(c.image, "Image");
    ck_assert_str_eq(c.initrd, "initrd");
    ck_assert_uint_eq(c.cpus, 4);
    ck_assert_uint_eq(c.mem, 2ull << 30);
    ck_assert_uint_eq(c.gic, 2);
    ck_assert_str_eq(c.until, "login:");
    ck_assert(c.disks[0].rw);
    ck_assert_str_eq(c.trap_log, "t.log");
    ck_assert(c.quiet && c.stats);
}
END_TEST

START_TEST(test_domu)
{
    ck_assert(parse("--xen xen --domu name=a,kernel=Image,initrd=r,mem=192M,cpus=2,cmdline=a,,b --domu kernel=k"));
    ck_assert_uint_eq(c.ndomus, 2);
    ck_assert_str_eq(c.domus[0].name, "a");
    ck_assert_uint_eq(c.domus[0].mem, 192ull << 20);
    ck_assert_uint_eq(c.domus[0].cpus, 2);
    ck_assert_str_eq(c.domus[0].cmdline, "a,b");
    ck_assert_str_eq(c.domus[1].name, "domU2");
    ck_assert_uint_ge(c.mem, 512ull << 20);
    ck_assert_ptr_nonnull(strstr(c.params, "dtuart"));
}
END_TEST

static const struct {
    const char *line, *says;
} wrong[] = {
    {"Image --initrdd x", "did you mean --initrd?"},
    {"Image --unti x", "did you mean --until?"},
    {"Image -z", "unknown option -z"},
    {"Image --gic 4", "2 and 3"},
    {"Image --el 0", "1, 2 (default) and 3"},
    {"Image -m lots", "such as 512M"},
    {"Image -m 1K", "16M"},
    {"Image -m", "needs a value"},
    {"Image --stats=1", "takes no value"},
    {"Image -c 9 --gic 2", "GICv2 machine has 1 to 8"},
    {"Image other", "two images"},
    {"", "nothing to run"},
    {"-i initrd", "nothing to run"},
    {"--xen xen", "nothing to run: give --dom0"},
    {"--xen xen --dom0 k --el 1", "needs EL2"},
    {"--xen xen Image", "--dom0 Image"},
    {"--dom0 Image", "needs --xen"},
    {"--xen x --domu kernle=k", "did you mean kernel=?"},
    {"--xen x --domu name=a", "has no kernel"},
    {"--xen x --domu kernel=k,name=a --domu kernel=k,name=a", "have the name a"},
    {"--xen x --dom0 k --domu kernel=k,mem=2G -m 1G", "RAM is too small"},
};

START_TEST(test_wrong)
{
    ck_assert_msg(!parse(wrong[_i].line), "%s", wrong[_i].line);
    ck_assert_int_eq(e.status, STATUS_USAGE);
    ck_assert_msg(strstr(e.text, wrong[_i].says) != NULL, "%s: %s", wrong[_i].line, e.text);
}
END_TEST

START_TEST(test_qemu)
{
    ck_assert_msg(
        qemu("-M virt,gic-version=3,virtualization=on -cpu max,pauth-impdef=on -smp 2 -m 1024 -kernel k -initrd i "
             "-append root=/dev/vda -drive file=d.ext4,format=raw,if=none,id=d0 -device "
             "virtio-blk-device,drive=d0 -device loader,file=x,addr=0x50000000,force-raw=on -nographic "
             "-no-reboot -nic none"),
        "%s", e.text);
    ck_assert_uint_eq(c.gic, 3);
    ck_assert(c.el2 && !c.el3 && c.no_reboot);
    ck_assert_str_eq(c.cpu, "max,+PACIMP");
    ck_assert_uint_eq(c.cpus, 2);
    ck_assert_uint_eq(c.mem, 1ull << 30);
    ck_assert_uint_eq(c.ndisks, 1);
    ck_assert_uint_eq(c.cards[0].slot, 31);
    ck_assert(c.disks[0].rw);
    ck_assert_uint_eq(c.loads[0].addr, 0x50000000);
    ck_assert(c.loads[0].raw);
}
END_TEST

START_TEST(test_guest_loader)
{
    ck_assert(qemu("-M virt -device guest-loader,addr=0x50000000,kernel=k,bootargs=a,,b -device "
                   "guest-loader,addr=0x54000000,initrd=i"));
    ck_assert_uint_eq(c.gic, 2);
    ck_assert(!c.el2);
    ck_assert_str_eq(c.loads[0].module, "kernel");
    ck_assert_str_eq(c.loads[0].bootargs, "a,b");
    ck_assert_str_eq(c.loads[1].module, "ramdisk");
}
END_TEST

static const struct {
    const char *line, *says;
} refused[] = {
    {"-M q35", "q35"},
    {"-M virt,foo=on", "foo"},
    {"-M virt,iommu=virtio", "iommu=virtio"},
    {"-device e1000e,netdev=x", "e1000e"},
    {"-device virtio-blk-device,drive=x", "id=x"},
    {"-drive file=f,if=none,id=a", "used by no"},
    {"-device virtio-blk-pci", "needs drive="},
    {"-netdev l2tpv3,id=n", "l2tpv3"},
    {"-netdev tap,id=n", "ifname="},
    {"-netdev user,id=n,ifname=x", "ifname"},
    {"-cpu max,sve=on", "sve"},
    {"-frobnicate", "-frobnicate"},
    {"-kernel", "needs a value"},
};

/* The second bank does not inherit the first one's protection, nor does a disk. */
START_TEST(test_qemu_flash)
{
    ck_assert_msg(qemu("-M virt -drive if=pflash,unit=0,readonly=on,file=a -drive if=pflash,unit=1,file=b -drive "
                       "if=none,id=x,format=qcow2,file=d -device nvme,drive=x,serial=s1"),
                  "%s", e.text);
    ck_assert(c.flash[0].read_only && !c.flash[0].rw && !c.flash[1].read_only && c.flash[1].rw);
    ck_assert(!c.disks[0].read_only && c.disks[0].rw && c.disks[0].format == DISK_QCOW2);
    ck_assert(c.cards[0].type == CARD_NVME && c.cards[0].pci);
    ck_assert_str_eq(c.cards[0].serial, "s1");
}
END_TEST

START_TEST(test_qemu_networks)
{
    ck_assert_msg(
        qemu("-M virt -netdev socket,id=a,listen=127.0.0.1:9 -netdev tap,id=b,ifname=t0,script=no,downscript=no "
             "-netdev user,id=c,hostfwd=tcp::1-:2,restrict=on -device virtio-net-pci,netdev=b"),
        "%s", e.text);
    ck_assert(c.nics[0].listen && !c.nics[0].user && c.nics[2].user && c.nics[2].restricted);
    ck_assert_str_eq(c.nics[0].stream, "127.0.0.1:9");
    ck_assert_str_eq(c.nics[1].tap, "t0");
    ck_assert_uint_eq(c.cards[0].index, 1);
}
END_TEST

START_TEST(test_qemu_refused)
{
    ck_assert_msg(!qemu(refused[_i].line), "%s", refused[_i].line);
    ck_assert_msg(strstr(e.text, refused[_i].says) != NULL, "%s: %s", refused[_i].line, e.text);
}
END_TEST

START_TEST(test_sizes)
{
    u64 v;
    char b[32];
    ck_assert(err_parse_size("0x1000", &v) && v == 0x1000);
    ck_assert(err_parse_size("2G", &v) && v == 2ull << 30);
    ck_assert(err_parse_size("512MiB", &v) && v == 512ull << 20);
    ck_assert(!err_parse_size("12q", &v));
    ck_assert(!err_parse_size("", &v));
    ck_assert(!err_parse_size("99999999999999999999", &v));
    ck_assert(!err_parse_size("99999999999T", &v));
    ck_assert_str_eq(err_size(512ull << 20, b), "512 MiB");
    ck_assert_str_eq(err_size(812, b), "812 bytes");
    ck_assert_uint_eq(err_distance("initrd", "intird"), 1);
    ck_assert_uint_eq(err_distance("", "abc"), 3);
}
END_TEST

START_TEST(test_run_options)
{
    ck_assert(parse("Image --clock host --serial pty --on-term button --ramfb --screenshot a.png --semihosting"));
    ck_assert(c.host_clock && c.term_button && c.ramfb && c.semihosting);
    ck_assert_str_eq(c.serial, "pty");
    ck_assert_str_eq(c.screenshot, "a.png");
    ck_assert(parse("--parallel") && c.parallel);
    ck_assert(parse("--parallel=off") && !c.parallel);
    ck_assert(!parse("--parallel=2"));
}
END_TEST

START_TEST(test_qemu_serial)
{
    static const char *const rows[][2] = {{"stdio", "stdio"},
                                          {"mon:stdio", "stdio"},
                                          {"null", "none"},
                                          {"pty", "pty"},
                                          {"file:a.log", "file:a.log"},
                                          {"unix:/tmp/s,server=on,wait=off", "unix:/tmp/s,nowait"},
                                          {"tcp:localhost:99,server,nowait", "tcp:localhost:99,nowait"},
                                          {"tcp::99,server=on", "tcp::99"},
                                          {"unix:/tmp/s", "unix:/tmp/s,connect"}};
    char line[128];
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(line, sizeof line, "-M virt -serial %s -kernel Image", rows[i][0]);
        ck_assert_msg(qemu(line), "%s", e.text);
        ck_assert_str_eq(c.serial, rows[i][1]);
    }
    ck_assert(!qemu("-serial telnet:localhost:1"));
    ck_assert(qemu("-M virt -device ramfb -semihosting -S"));
    ck_assert(c.ramfb && c.semihosting && c.debug);
    ck_assert(!qemu("-kernl Image"));
    ck_assert_ptr_nonnull(strstr(e.text, "did you mean -kernel?"));
    ck_assert(!qemu("-device virtio-blk-pic"));
    ck_assert_ptr_nonnull(strstr(e.text, "did you mean virtio-blk-pci?"));
}
END_TEST

START_TEST(test_table)
{
    /* one page of help (the rest is in the manual page), no double names or letters */
    unsigned shown = 0;
    for (unsigned i = 0; i < option_row_count; i++)
        shown += strcmp(option_rows[i].group, "Rarely") != 0 && strcmp(option_rows[i].group, "Testing") != 0;
    ck_assert_uint_le(shown, 36);
    for (unsigned i = 0; i < option_row_count; i++)
        for (unsigned k = 0; k < i; k++) {
            ck_assert_str_ne(option_rows[i].name, option_rows[k].name);
            ck_assert(!option_rows[i].letter || option_rows[i].letter != option_rows[k].letter);
        }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("options");
    TCase *t = tcase_create("options");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_run);
    tcase_add_test(t, test_domu);
    tcase_add_loop_test(t, test_wrong, 0, ARRAY_LEN(wrong));
    tcase_add_test(t, test_qemu);
    tcase_add_test(t, test_qemu_flash);
    tcase_add_test(t, test_qemu_networks);
    tcase_add_test(t, test_guest_loader);
    tcase_add_loop_test(t, test_qemu_refused, 0, ARRAY_LEN(refused));
    tcase_add_test(t, test_sizes);
    tcase_add_test(t, test_table);
    tcase_add_test(t, test_run_options);
    tcase_add_test(t, test_qemu_serial);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
