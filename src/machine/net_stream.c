/* A network of two instances joined by a stream socket: each frame behind its length as a big-endian u32,
 * as QEMU's socket networks do.  What the peer does not read in time waits in memory, up to a limit;
 * beyond it frames are lost, as on a wire.  What the guest has no room for stays in the socket, so that two
 * instances lose nothing to each other. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/check.h"
#include "devices/le.h"
#include "machine/net_internal.h"

enum { MAX_PENDING = 4 << 20, CHUNK = 4 + NET_MAX_FRAME };

struct stream {
    struct network net;
    int fd; /* -1: the peer went away */
    u8 *out;
    size_t out_from, out_to, out_cap;
    u8 in[CHUNK];
    size_t in_n;
};

static struct stream *self(struct network *n) { return (struct stream *)n; }

static void hang_up(struct stream *s)
{
    close(s->fd);
    s->fd = -1;
    s->in_n = s->out_from = s->out_to = 0;
}

static void flush(struct stream *s)
{
    while (s->fd >= 0 && s->out_from < s->out_to) {
        ssize_t k = send(s->fd, s->out + s->out_from, s->out_to - s->out_from, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (k < 0) {
            hang_up(s);
            return;
        }
        s->out_from += (size_t)k;
    }
    s->out_from = s->out_to = 0;
}

static void stream_transmit(struct network *n, const u8 *frame, size_t bytes)
{
    struct stream *s = self(n);
    if (s->fd < 0 || s->out_to - s->out_from > MAX_PENDING)
        return;
    if (s->out_from) {
        memmove(s->out, s->out + s->out_from, s->out_to - s->out_from);
        s->out_to -= s->out_from;
        s->out_from = 0;
    }
    if (s->out_cap - s->out_to < bytes + 4) {
        s->out_cap = s->out_to + bytes + 4 + CHUNK;
        s->out = realloc(s->out, s->out_cap);
        CHECK(s->out);
    }
    put_be32(s->out + s->out_to, (u32)bytes);
    memcpy(s->out + s->out_to + 4, frame, bytes);
    s->out_to += bytes + 4;
    flush(s);
}

/* Takes whole frames out of the input. */
static void take_frames(struct stream *s)
{
    size_t at = 0;
    while (s->in_n - at >= 4) {
        u32 len = get_be32(s->in + at);
        if (len > NET_MAX_FRAME) { /* the peer does not speak this protocol */
            hang_up(s);
            return;
        }
        if (s->in_n - at - 4 < len)
            break;
        network_to_guest(&s->net, s->in + at + 4, len);
        at += 4 + len;
    }
    memmove(s->in, s->in + at, s->in_n - at);
    s->in_n -= at;
}

static void stream_poll(struct network *n)
{
    struct stream *s = self(n);
    flush(s);
    /* A bounded number of reads, so that a fast peer cannot hold up the machine. */
    for (unsigned i = 0; i < 16 && s->fd >= 0 && network_room(n); i++) {
        ssize_t k = recv(s->fd, s->in + s->in_n, sizeof s->in - s->in_n, MSG_DONTWAIT);
        if (k < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (k <= 0) {
            hang_up(s);
            return;
        }
        s->in_n += (size_t)k;
        take_frames(s);
    }
}

static unsigned stream_fds(struct network *n, struct pollfd *fds, unsigned max)
{
    struct stream *s = self(n);
    if (s->fd < 0 || !max)
        return 0;
    bool more = s->out_from < s->out_to, room = network_room(n);
    *fds = (struct pollfd){.fd = s->fd, .events = (short)((room ? POLLIN : 0) | (more ? POLLOUT : 0))};
    return 1;
}

static void stream_destroy(struct network *n)
{
    struct stream *s = self(n);
    if (s->fd >= 0)
        close(s->fd);
    free(s->out);
    free(s);
}

struct network *network_stream(const struct network_config *c, int fd, char *err, size_t err_size)
{
    static const struct network_kind kind = {stream_transmit, stream_poll, stream_fds, stream_destroy};
    struct stream *s = calloc(1, sizeof *s);
    CHECK(s);
    s->fd = fd;
    if (network_init(&s->net, &kind, c, err, err_size))
        return &s->net;
    network_free(&s->net);
    return NULL;
}

/* ---- addresses ------------------------------------------------------------------------------ */

static int finish(int fd, const struct sockaddr *a, socklen_t n, bool listening)
{
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (!listening)
        return connect(fd, a, n) == 0 ? fd : -1;
    return bind(fd, a, n) == 0 && listen(fd, 1) == 0 ? fd : -1;
}

static int unix_socket(const char *path, bool listening)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(a.sun_path, path, strlen(path));
    if (listening)
        unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? -1 : finish(fd, (const struct sockaddr *)&a, sizeof a, listening);
    if (r < 0 && fd >= 0)
        close(fd);
    return r;
}

static int tcp_socket(const char *address, bool listening)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    if (!colon || (size_t)(colon - address) >= sizeof host) {
        errno = EINVAL;
        return -1;
    }
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = listening ? AI_PASSIVE : 0}, *list;
    if (getaddrinfo(*host ? host : listening ? NULL : "127.0.0.1", colon + 1, &hints, &list) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int r = -1;
    for (const struct addrinfo *i = list; r < 0 && i; i = i->ai_next) {
        int fd = socket(i->ai_family, i->ai_socktype | SOCK_CLOEXEC, i->ai_protocol);
        r = fd < 0 ? -1 : finish(fd, i->ai_addr, i->ai_addrlen, listening);
        if (r < 0 && fd >= 0)
            close(fd);
    }
    freeaddrinfo(list);
    return r;
}

static int open_socket(const char *address, bool listening, char *err, size_t err_size)
{
    int fd = strncmp(address, "unix:", 5) == 0 ? unix_socket(address + 5, listening) : tcp_socket(address, listening);
    if (fd < 0)
        snprintf(err, err_size, "%s: %s", address, strerror(errno));
    return fd;
}

int network_listener(const char *address, char *err, size_t err_size)
{
    return open_socket(address, true, err, err_size);
}

int network_socket(const char *address, bool listening, char *err, size_t err_size)
{
    int fd = open_socket(address, listening, err, err_size);
    if (fd < 0 || !listening)
        return fd;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (peer < 0)
        snprintf(err, err_size, "%s: %s", address, strerror(errno));
    close(fd);
    return peer;
}
