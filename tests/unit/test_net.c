/* Networks: DHCP from the user-mode network at repeatable times, a stream pair, capture files, forwards. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/types.h"
#include "machine/net.h"

static struct clock clk;
static struct nic nic;
static u8 got[2048];
static size_t n_got;
static unsigned frames;
static bool full;

static bool receive(struct nic *n, const u8 *frame, size_t bytes)
{
    (void)n;
    if (full)
        return false;
    memcpy(got, frame, bytes < sizeof got ? bytes : sizeof got);
    n_got = bytes;
    frames++;
    return true;
}

static void setup(void)
{
    clk = (struct clock){0};
    nic = (struct nic){receive};
    n_got = frames = 0;
    full = false;
}

static void pass(u64 ns)
{
    u64 end = clk.end + ns;
    while (clk.end < end) {
        clock_skip(&clk, end);
        clock_fire(&clk);
    }
}

/* An Ethernet, IP, UDP and BOOTP frame that asks for an address. */
static size_t discover(u8 *f)
{
    static const u8 head[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 1, 2, 3, 8, 0,    0x45, 0,    1,
                              0x10, 0,    0,    0,    0,    64,   17,   0,    0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
                              0,    68,   0,    67,   0,    0xfc, 0,    0,    1, 1, 6, 0, 1, 2,    3,    4};
    memset(f, 0, 286);
    memcpy(f, head, sizeof head);
    u32 sum = 0;
    for (unsigned i = 14; i < 34; i += 2)
        sum += (u32)f[i] << 8 | f[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    f[24] = (u8)(~sum >> 8);
    f[25] = (u8)~sum;
    memcpy(f + 42 + 28, f + 6, 6);
    memcpy(f + 42 + 236, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
    return 286;
}

START_TEST(test_user)
{
    char err[200], path[] = "/tmp/elara-net-XXXXXX";
    int tmp = mkstemp(path);
    struct network_config c = {.id = "net0", .clock = &clk, .pcap = path};
    struct network *n = network_user(&c, NULL, 0, false, err, sizeof err);
    if (!n) { /* built without libslirp: the message says so */
        ck_assert_ptr_nonnull(strstr(err, "libslirp"));
        close(tmp);
        unlink(path);
        return;
    }
    network_attach(n, &nic);
    struct netdev d = network_netdev(n);
    u8 f[400];
    size_t len = discover(f);
    d.send(d.arg, f, len);
    ck_assert_uint_eq(frames, 0);
    pass(49999);
    ck_assert_uint_eq(frames, 0);
    pass(1);
    ck_assert_uint_eq(frames, 1);
    ck_assert(got[42] == 2 && !memcmp(got + 42 + 16, "\x0a\x00\x02\x0f", 4)); /* a reply with 10.0.2.15 */
    ck_assert(!network_waits(n));
    /* A card without room gets the frame later. */
    full = true;
    d.send(d.arg, f, len);
    pass(1000000);
    ck_assert_uint_eq(frames, 1);
    full = false;
    d.room(d.arg);
    pass(50000);
    ck_assert_uint_eq(frames, 2);
    network_poll(n);
    network_free(n);
    ck_assert_int_ge(lseek(tmp, 0, SEEK_END), 24 + 4 * 16 + 2 * 286);
    close(tmp);
    unlink(path);
    clock_free(&clk);
}
END_TEST

START_TEST(test_stream)
{
    int fd[2];
    char err[200];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    struct network_config c = {.id = "net0", .clock = &clk};
    struct network *n = network_stream(&c, fd[0], err, sizeof err);
    network_attach(n, &nic);
    struct netdev d = network_netdev(n);
    d.send(d.arg, (const u8 *)"hello", 5);
    u8 buf[16];
    ck_assert_int_eq(read(fd[1], buf, sizeof buf), 9);
    ck_assert(!memcmp(buf, "\0\0\0\x05hello", 9));
    ck_assert(network_waits(n));
    /* Two frames in odd pieces */
    ck_assert_int_eq(write(fd[1], "\0\0\0\3ab", 6), 6);
    network_poll(n);
    pass(100000);
    ck_assert_uint_eq(frames, 0);
    ck_assert_int_eq(write(fd[1], "c\0\0\0\2xy", 7), 7);
    network_poll(n);
    pass(100000);
    ck_assert(frames == 2 && n_got == 2 && !memcmp(got, "xy", 2));
    /* Nonsense ends the connection, not us */
    ck_assert_int_eq(write(fd[1], "\xff\xff\xff\xff", 4), 4);
    network_poll(n);
    ck_assert(!network_waits(n));
    d.send(d.arg, (const u8 *)"hello", 5);
    close(fd[1]);
    network_free(n);
    clock_free(&clk);
}
END_TEST

START_TEST(test_forwards)
{
    struct network_forward f;
    ck_assert(network_parse_forward("tcp::2222-:22", &f));
    ck_assert(!f.udp && f.host_port == 2222 && f.guest_port == 22 && !f.host_addr && !f.guest_addr);
    ck_assert(network_parse_forward("udp:127.0.0.1:53-10.0.2.15:5353", &f));
    ck_assert(f.udp && f.host_addr == 0x7f000001 && f.guest_addr == 0x0a00020f);
    static const char *const bad[] = {"",           "tcp",        "tcp::1",    "tcp::0-:1", "tcp::65536-:1",
                                      "tcp:x:1-:1", "sctp::1-:1", "tcp::1-:2x"};
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert(!network_parse_forward(bad[i], &f));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net");
    TCase *t = tcase_create("net");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, test_user);
    tcase_add_test(t, test_stream);
    tcase_add_test(t, test_forwards);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
