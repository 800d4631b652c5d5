/* Between a network card and the network behind it, which the machine supplies. Frames are Ethernet
 * frames without the check sequence. */
#pragma once
#include "core/types.h"

enum { NET_MAX_FRAME = 65536 };

/* The network, as a card sees it. */
struct netdev {
    void (*send)(void *arg, const u8 *frame, size_t n); /* the guest sent a frame; NULL: no network */
    void (*room)(void *arg); /* receive() may succeed again after it refused; NULL: nobody waits */
    void *arg;
};

/* A card, as the network sees it. */
struct nic {
    /* A frame arrives. false: no room, try again after room(); frames the guest does not want are taken
     * and dropped. On the machine's thread, at a virtual time. */
    bool (*receive)(struct nic *, const u8 *frame, size_t n);
};
