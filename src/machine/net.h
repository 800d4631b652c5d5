/* The networks behind network cards: user mode (libslirp), a stream to another instance, none.  Host
 * time and host descriptors stay here; cards see frames at virtual times. */
#pragma once
#include <poll.h>

#include "core/clock.h"
#include "devices/netdev.h"

struct network;

struct network_forward {
    bool udp;
    u32 host_addr, guest_addr; /* IPv4, host byte order; guest 0: the address DHCP gives out */
    u16 host_port, guest_port;
};

struct network_config {
    const char *id; /* unique in the machine */
    struct clock *clock;
    const char *pcap; /* file that records all frames, NULL: none */
};

/* Each returns NULL and a message for the user when it cannot be had. */

/* Frames go nowhere. */
struct network *network_none(const struct network_config *c, char *err, size_t err_size);
/* Network 10.0.2.0/24 with gateway 10.0.2.2, DHCP and name server 10.0.2.3. restricted: the guest reaches
 * nothing but what is forwarded. */
struct network *network_user(const struct network_config *c, const struct network_forward *forwards, unsigned count,
                             bool restricted, char *err, size_t err_size);
/* Frames over a connected stream socket, each behind its length as a big-endian u32; owns fd. */
struct network *network_stream(const struct network_config *c, int fd, char *err, size_t err_size);
/* The host's TAP interface of that name, which has to exist or be ours to make. */
struct network *network_tap(const struct network_config *c, const char *name, char *err, size_t err_size);
/* A "host:port" (TCP) or "unix:path" address: listens for the one peer, or connects to it. -1: err. */
int network_socket(const char *address, bool listen, char *err, size_t err_size);
/* The listening socket itself. */
int network_listener(const char *address, char *err, size_t err_size);
void network_free(struct network *n);

/* What the card gets, and the card itself. */
struct netdev network_netdev(struct network *n);
void network_attach(struct network *n, struct nic *nic);
/* Looks at the host's descriptors without waiting. Between slices only. */
void network_poll(struct network *n);
/* Appends the descriptors to wait for when the guest idles; returns how many. */
unsigned network_fds(struct network *n, struct pollfd *fds, unsigned max);
/* Something outside may still answer: idling has to wait for host time. */
bool network_waits(struct network *n);

/* Parses QEMU's "tcp:[addr]:port-[addr]:port". */
bool network_parse_forward(const char *s, struct network_forward *f);
