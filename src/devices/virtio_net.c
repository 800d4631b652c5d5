/* Virtio network device (virtio 1.2, section 5.1): one pair of queues, mergeable receive buffers, checksums and
 * segmentation of TCP on the way out, checksums verified on the way in. What leaves is whole frames, as on a wire.
 *
 * Frames leave DELAY ns after the notification that announces them; what the guest made available until
 * then leaves with them.  Received frames are stored at once, at the virtual time the machine brings them.
 *
 * Not modelled: merging received segments, segmentation of UDP, the control queue, several queue pairs. */
#include "devices/virtio_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/le.h"
#include "devices/net_offload.h"

#define F_CSUM       (1ull << 0)
#define F_GUEST_CSUM (1ull << 1)
#define F_HOST_TSO4  (1ull << 11)
#define F_HOST_TSO6  (1ull << 12)
#define F_MAC        (1ull << 5)
#define F_MRG_RXBUF  (1ull << 15)
#define F_STATUS     (1ull << 16)

#define OFFERED (F_CSUM | F_GUEST_CSUM | F_HOST_TSO4 | F_HOST_TSO6 | F_MAC | F_MRG_RXBUF | F_STATUS)

enum { RX, TX, QUEUES };
enum { QUEUE_SIZE = 256, DELAY = 5000, MAX_BUFFERS = 64 };
enum { C_MAC = 0, C_STATUS = 6, C_PAIRS = 8, C_MTU = 10, C_SIZE = 12 };

struct net {
    struct virtio v;
    struct nic nic;
    struct clock *clock;
    struct netdev net;
    u8 mac[6];
    char event_name[32];
    struct event transmit;
    bool refused; /* a frame found no room */
    u8 frame[NET_MAX_SUPER];
};

static struct net *self(struct virtio *v) { return container_of(v, struct net, v); }

/* struct virtio_net_hdr: num_buffers at its end is missing in old drivers without mergeable buffers. */
static unsigned header_size(const struct net *n)
{
    return virtio_has(&n->v, VIRTIO_F_VERSION_1) || virtio_has(&n->v, F_MRG_RXBUF) ? 12 : 10;
}

/* struct virtio_net_hdr: flags 8 | gso_type 8 | hdr_len 16 | gso_size 16 | csum_start 16 | csum_offset 16 | buffers 16
 */
enum { H_FLAGS = 0, H_GSO = 1, H_SIZE = 4, H_START = 6, H_OFFSET = 8, H_BUFFERS = 10 };
enum { NEEDS_CSUM = 1, DATA_VALID = 2, GSO_TCP4 = 1, GSO_TCP6 = 4 };

/* Does what the header asks for, and sends. false: it asks for what cannot be. */
static bool send_frame(struct net *n, const u8 *h, size_t len)
{
    u64 gso = h[H_GSO] == GSO_TCP4 ? F_HOST_TSO4 : h[H_GSO] == GSO_TCP6 ? F_HOST_TSO6 : 0;
    if (h[H_GSO])
        return gso && virtio_has(&n->v, gso) &&
               net_segment(n->frame, len, get_le16(h + H_SIZE), n->net.send, n->net.arg);
    if (h[H_FLAGS] & NEEDS_CSUM && virtio_has(&n->v, F_CSUM)) {
        unsigned start = get_le16(h + H_START), at = start + get_le16(h + H_OFFSET);
        if (at + 2 > len)
            return false;
        net_put_checksum(n->frame, len, start, at);
    }
    if (len <= NET_MAX_FRAME)
        n->net.send(n->net.arg, n->frame, len);
    return len <= NET_MAX_FRAME;
}

static void send_all(void *arg)
{
    struct net *n = arg;
    unsigned header = header_size(n);
    struct virtio_chain *c;
    while ((c = virtio_pop(&n->v, TX))) {
        u64 len = c->out_len > header ? c->out_len - header : 0;
        u8 h[12] = {0};
        bool ok = len && len <= sizeof n->frame;
        if (ok && virtio_read_chain(&n->v, c, 0, h, header) == header &&
            virtio_read_chain(&n->v, c, header, n->frame, len) == len && n->net.send && n->v.config[C_STATUS] & 1)
            ok = send_frame(n, h, len);
        if (!ok)
            log_guest(n->v.log, "%s: frame of %llu bytes dropped", n->v.id, (unsigned long long)len);
        virtio_push(&n->v, TX, c, 0);
        free(c);
    }
    virtio_signal(&n->v, TX);
}

static void notify(struct virtio *v, unsigned q)
{
    struct net *n = self(v);
    if (q == TX) {
        if (!clock_pending(&n->transmit))
            clock_schedule(n->clock, &n->transmit, clock_now(n->clock) + DELAY);
    } else if (n->refused) {
        n->refused = false;
        if (n->net.room)
            n->net.room(n->net.arg);
    }
}

static bool receive(struct nic *nic, const u8 *frame, size_t len)
{
    struct net *n = container_of(nic, struct net, nic);
    unsigned header = header_size(n), count = 0;
    bool merge = virtio_has(&n->v, F_MRG_RXBUF);
    struct virtio_chain *c[MAX_BUFFERS];
    u64 room = 0, want = header + len;
    if (!virtio_running(&n->v) || !(n->v.config[C_STATUS] & 1) || len > NET_MAX_FRAME)
        return true; /* nobody listens: lost */
    while (room < want && count < (merge ? MAX_BUFFERS : 1) && (c[count] = virtio_pop(&n->v, RX)))
        room += c[count++]->in_len;
    bool enough = count && room >= want && c[0]->in_len >= header;
    if (enough) {
        u8 h[12] = {0};
        if (virtio_has(&n->v, F_GUEST_CSUM) && net_checksum_good(frame, len))
            h[H_FLAGS] = DATA_VALID;
        put_le16(h + H_BUFFERS, (u16)count);
        virtio_write_chain(&n->v, c[0], 0, h, header);
        u64 at = header, done = 0;
        for (unsigned i = 0; i < count; i++) {
            u64 k = c[i]->in_len - at < len - done ? c[i]->in_len - at : len - done;
            virtio_write_chain(&n->v, c[i], at, frame + done, k);
            virtio_fill(&n->v, RX, c[i], at + k, i);
            done += k;
            at = 0;
        }
        virtio_show(&n->v, RX, count);
    } else if (count == (merge ? MAX_BUFFERS : 1)) {
        log_guest(n->v.log, "%s: receive buffers too small for a frame of %zu bytes", n->v.id, len);
        for (unsigned i = 0; i < count; i++)
            virtio_fill(&n->v, RX, c[i], 0, i);
        virtio_show(&n->v, RX, count);
        enough = true; /* lost */
    } else {
        virtio_unpop(&n->v, RX, count);
        n->refused = true;
    }
    while (count)
        free(c[--count]);
    virtio_signal(&n->v, RX);
    return enough;
}

static bool config_wrote(struct virtio *v, u32 off, unsigned size)
{
    return !virtio_has(v, VIRTIO_F_VERSION_1) && off + size <= C_STATUS; /* old drivers may set the address */
}

void virtio_net_link(struct virtio *v, bool up)
{
    v->config[C_STATUS] = up;
    virtio_config_changed(v);
}

static void reset(struct virtio *v)
{
    struct net *n = self(v);
    clock_cancel(n->clock, &n->transmit);
    memcpy(v->config + C_MAC, n->mac, sizeof n->mac);
    n->refused = false;
}

static void state(struct virtio *v, struct snap *s)
{
    struct net *n = self(v);
    SNAP_BOOL(s, n, refused);
    clock_event_state(n->clock, &n->transmit, s);
}

static void destroy(struct virtio *v)
{
    clock_cancel(self(v)->clock, &self(v)->transmit);
    free(self(v));
}

static const struct virtio_class class = {
    .name = "virtio-net",
    .device_id = VIRTIO_NET,
    .queues = QUEUES,
    .config_size = C_SIZE,
    .notify = notify,
    .config_wrote = config_wrote,
    .reset = reset,
    .state = state,
    .destroy = destroy,
};

struct virtio *virtio_net_new(const struct virtio_net_config *cfg, struct nic **nic)
{
    struct net *n = calloc(1, sizeof *n);
    CHECK(n);
    n->clock = cfg->clock;
    n->net = cfg->net;
    n->nic.receive = receive;
    memcpy(n->mac, cfg->mac, sizeof n->mac);
    virtio_init(&n->v, &class, cfg->id, cfg->log, OFFERED | cfg->features, QUEUE_SIZE);
    memcpy(n->v.config + C_MAC, n->mac, sizeof n->mac);
    put_le16(n->v.config + C_STATUS, 1);
    put_le16(n->v.config + C_PAIRS, 1);
    put_le16(n->v.config + C_MTU, 1500);
    snprintf(n->event_name, sizeof n->event_name, "%s-transmit", cfg->id);
    n->transmit = (struct event){.fire = send_all, .arg = n, .name = n->event_name};
    *nic = &n->nic;
    return &n->v;
}
