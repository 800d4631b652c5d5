/* A network of the host: a TAP interface, whose other end the host's bridge or routes lead on.  What the host sends
 * waits in its own queue until the guest has room. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/check.h"
#include "machine/net_internal.h"

struct tap {
    struct network net;
    int fd;
};

static struct tap *self(struct network *n) { return (struct tap *)n; }

/* A full queue of the host loses the frame, as a wire does. */
static void tap_transmit(struct network *n, const u8 *frame, size_t bytes)
{
    while (write(self(n)->fd, frame, bytes) < 0 && errno == EINTR)
        ;
}

static void tap_poll(struct network *n)
{
    u8 frame[NET_MAX_FRAME];
    while (network_room(n)) {
        ssize_t k = read(self(n)->fd, frame, sizeof frame);
        if (k <= 0)
            return;
        network_to_guest(n, frame, (size_t)k);
    }
}

static unsigned tap_fds(struct network *n, struct pollfd *fds, unsigned max)
{
    if (!max)
        return 0;
    *fds = (struct pollfd){.fd = self(n)->fd, .events = (short)(network_room(n) ? POLLIN : 0)};
    return 1;
}

static void tap_destroy(struct network *n)
{
    close(self(n)->fd);
    free(n);
}

struct network *network_tap(const struct network_config *c, const char *name, char *err, size_t err_size)
{
    static const struct network_kind kind = {tap_transmit, tap_poll, tap_fds, tap_destroy};
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    if (fd < 0 || strlen(name) >= sizeof r.ifr_name || ioctl(fd, TUNSETIFF, &r) != 0) {
        snprintf(err, err_size, "tap=%s: %s; make the interface with: ip tuntap add dev %s mode tap user $USER", name,
                 fd >= 0 && strlen(name) >= sizeof r.ifr_name ? "a name has at most 15 characters" : strerror(errno),
                 name);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    struct tap *t = calloc(1, sizeof *t);
    CHECK(t);
    t->fd = fd;
    if (network_init(&t->net, &kind, c, err, err_size))
        return &t->net;
    network_free(&t->net);
    return NULL;
}
