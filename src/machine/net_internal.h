/* Between net.c and the kinds of network. */
#pragma once
#include <stdio.h>

#include "machine/net.h"

struct frame {
    struct frame *next;
    size_t n;
    u8 bytes[];
};

struct network_kind {
    void (*transmit)(struct network *, const u8 *frame, size_t n); /* from the guest */
    void (*poll)(struct network *);
    unsigned (*fds)(struct network *, struct pollfd *, unsigned max);
    void (*destroy)(struct network *);
};

/* First member of every kind's struct. */
struct network {
    const struct network_kind *kind;
    struct clock *clock;
    struct nic *nic;
    FILE *pcap;
    struct frame *first, **last; /* for the guest, in order */
    unsigned queued;
    struct event deliver;
    char name[40];
};

/* false: err says why. */
bool network_init(struct network *n, const struct network_kind *kind, const struct network_config *c, char *err,
                  size_t err_size);
/* Is there room for more frames? A network that can hold its frames back asks first, so that none is lost. */
bool network_room(const struct network *n);
/* A frame for the guest; it arrives DELAY ns of virtual time later. */
void network_to_guest(struct network *n, const u8 *frame, size_t bytes);
