/* User-mode network by libslirp: the guest's connections become ordinary sockets of this process.
 *
 * libslirp's clock is virtual time, so its time-outs follow the guest.  IPv6 is off: its router
 * advertisements come at random times, which would make runs differ. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "machine/net_internal.h"

#ifdef ELARA_SLIRP
#include <slirp/libslirp.h>

enum { MAX_FDS = 512 };

struct user {
    struct network net;
    Slirp *slirp;
    struct pollfd fds[MAX_FDS];
    unsigned count;
};

struct timer_of_slirp {
    struct user *user;
    SlirpTimerCb fire;
    void *arg;
    struct event event;
};

static struct user *self(struct network *n) { return (struct user *)n; }

/* ---- callbacks ------------------------------------------------------------------------------ */

static ssize_t send_packet(const void *frame, size_t n, void *opaque)
{
    struct user *u = opaque;
    network_to_guest(&u->net, frame, n);
    return (ssize_t)n;
}

static void guest_error(const char *text, void *opaque) { (void)text, (void)opaque; }

static int64_t clock_ns(void *opaque) { return (int64_t)clock_now(((struct user *)opaque)->net.clock); }

static void timer_fire(void *arg)
{
    struct timer_of_slirp *t = arg;
    t->fire(t->arg);
}

static void *timer_new_cb(SlirpTimerCb fire, void *arg, void *opaque)
{
    struct timer_of_slirp *t = calloc(1, sizeof *t);
    CHECK(t);
    *t = (struct timer_of_slirp){.user = opaque, .fire = fire, .arg = arg};
    t->event = (struct event){.fire = timer_fire, .arg = t, .name = "slirp"};
    return t;
}

static void timer_free_cb(void *timer, void *opaque)
{
    struct timer_of_slirp *t = timer;
    (void)opaque;
    clock_cancel(t->user->net.clock, &t->event);
    free(t);
}

static void timer_mod_cb(void *timer, int64_t ms, void *opaque)
{
    struct timer_of_slirp *t = timer;
    (void)opaque;
    clock_schedule(t->user->net.clock, &t->event, (u64)ms * 1000000);
}

static void poll_fd_cb(int fd, void *opaque) { (void)fd, (void)opaque; }
static void notify_cb(void *opaque) { (void)opaque; }

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_ns,
    .timer_new = timer_new_cb,
    .timer_free = timer_free_cb,
    .timer_mod = timer_mod_cb,
    .register_poll_fd = poll_fd_cb,
    .unregister_poll_fd = poll_fd_cb,
    .notify = notify_cb,
};

/* ---- the kind ------------------------------------------------------------------------------- */

static int add_poll(int fd, int events, void *opaque)
{
    struct user *u = opaque;
    if (u->count == MAX_FDS)
        return -1;
    short e = 0;
    e = (short)(e | (events & SLIRP_POLL_IN ? POLLIN : 0) | (events & SLIRP_POLL_OUT ? POLLOUT : 0));
    e = (short)(e | (events & SLIRP_POLL_PRI ? POLLPRI : 0));
    u->fds[u->count] = (struct pollfd){.fd = fd, .events = e};
    return (int)u->count++;
}

static int get_revents(int index, void *opaque)
{
    const struct user *u = opaque;
    if (index < 0 || (unsigned)index >= u->count)
        return 0;
    int r = u->fds[index].revents;
    return (r & POLLIN ? SLIRP_POLL_IN : 0) | (r & POLLOUT ? SLIRP_POLL_OUT : 0) | (r & POLLPRI ? SLIRP_POLL_PRI : 0) |
           (r & POLLERR ? SLIRP_POLL_ERR : 0) | (r & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static void fill(struct user *u)
{
    u32 timeout = 0;
    u->count = 0;
    slirp_pollfds_fill(u->slirp, &timeout, add_poll, u);
}

static void user_poll(struct network *n)
{
    struct user *u = self(n);
    fill(u);
    int r = poll(u->fds, u->count, 0);
    slirp_pollfds_poll(u->slirp, r < 0, get_revents, u);
}

static unsigned user_fds(struct network *n, struct pollfd *fds, unsigned max)
{
    struct user *u = self(n);
    fill(u);
    unsigned k = u->count < max ? u->count : max;
    memcpy(fds, u->fds, k * sizeof *fds);
    return k;
}

static void user_transmit(struct network *n, const u8 *frame, size_t bytes)
{
    slirp_input(self(n)->slirp, frame, (int)bytes);
}

static void user_destroy(struct network *n)
{
    if (self(n)->slirp)
        slirp_cleanup(self(n)->slirp);
    free(n);
}

static bool add_forward(struct user *u, const struct network_forward *f)
{
    struct in_addr host = {htonl(f->host_addr)}, guest = {htonl(f->guest_addr)};
    return slirp_add_hostfwd(u->slirp, f->udp, host, f->host_port, guest, f->guest_port) == 0;
}

struct network *network_user(const struct network_config *c, const struct network_forward *forwards, unsigned count,
                             bool restricted, char *err, size_t err_size)
{
    static const struct network_kind kind = {user_transmit, user_poll, user_fds, user_destroy};
    struct user *u = calloc(1, sizeof *u);
    CHECK(u);
    bool ok = network_init(&u->net, &kind, c, err, err_size);
    if (ok) {
        const SlirpConfig sc = {
            .version = 1,
            .restricted = restricted,
            .in_enabled = true,
            .vnetwork = {htonl(0x0a000200)},
            .vnetmask = {htonl(0xffffff00)},
            .vhost = {htonl(0x0a000202)},
            .vdhcp_start = {htonl(0x0a00020f)},
            .vnameserver = {htonl(0x0a000203)},
        };
        u->slirp = slirp_new(&sc, &callbacks, u);
        CHECK(u->slirp);
    }
    for (unsigned i = 0; ok && i < count; i++) {
        ok = add_forward(u, &forwards[i]);
        if (!ok)
            snprintf(err, err_size, "host port %u cannot be forwarded (in use, or not permitted)",
                     forwards[i].host_port);
    }
    if (ok)
        return &u->net;
    network_free(&u->net);
    return NULL;
}

#else

struct network *network_user(const struct network_config *c, const struct network_forward *forwards, unsigned count,
                             bool restricted, char *err, size_t err_size)
{
    (void)c, (void)forwards, (void)count, (void)restricted;
    snprintf(err, err_size, "this build has no user-mode network (libslirp was not found when it was configured)");
    return NULL;
}

#endif
