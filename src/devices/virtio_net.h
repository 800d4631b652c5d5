/* Virtio network device (virtio 1.2, section 5.1). */
#pragma once
#include "core/clock.h"
#include "devices/netdev.h"
#include "devices/virtio.h"

struct virtio_net_config {
    const char *id;
    struct log *log;
    struct clock *clock;
    struct netdev net;
    u8 mac[6];
    u64 features; /* further offered ones, such as VIRTIO_F_ACCESS_PLATFORM */
};

/* *nic is where frames for the guest go. */
struct virtio *virtio_net_new(const struct virtio_net_config *cfg, struct nic **nic);
/* Plugs the cable in or out. */
void virtio_net_link(struct virtio *v, bool up);
