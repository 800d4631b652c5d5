/* What all networks share: the queue of frames for the guest, the capture file, and the kind that has
 * nobody on it.
 *
 * A frame for the guest waits DELAY ns of virtual time, so that an answer never reaches a card while
 * that card is sending; what the network answers by itself (ARP, DHCP, its gateway) is therefore
 * repeatable.  Frames under way are the host's, not part of the machine's state. */
#include "machine/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "machine/net_internal.h"

enum { DELAY = 50000, MAX_QUEUED = 8192 };

/* ---- capture file (the classic pcap format, microseconds of virtual time, Ethernet) ----------- */

static bool open_capture(struct network *n, const char *path, char *err, size_t err_size)
{
    const u32 header[6] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, NET_MAX_FRAME, 1};
    n->pcap = fopen(path, "wb");
    if (n->pcap && fwrite(header, sizeof header, 1, n->pcap) == 1)
        return true;
    snprintf(err, err_size, "%s: %s", path, strerror(errno));
    return false;
}

static void capture(struct network *n, const u8 *frame, size_t bytes)
{
    if (!n->pcap)
        return;
    u64 us = clock_now(n->clock) / 1000;
    const u32 header[4] = {(u32)(us / 1000000), (u32)(us % 1000000), (u32)bytes, (u32)bytes};
    fwrite(header, sizeof header, 1, n->pcap);
    fwrite(frame, 1, bytes, n->pcap);
}

/* ---- towards the guest ---------------------------------------------------------------------- */

static void deliver(void *arg)
{
    struct network *n = arg;
    while (n->first && n->nic && n->nic->receive(n->nic, n->first->bytes, n->first->n)) {
        struct frame *f = n->first;
        capture(n, f->bytes, f->n);
        n->first = f->next;
        if (!n->first)
            n->last = &n->first;
        n->queued--;
        free(f);
    }
}

/* With half of it left: what one read brings always fits. */
bool network_room(const struct network *n) { return n->queued < MAX_QUEUED / 2; }

void network_to_guest(struct network *n, const u8 *frame, size_t bytes)
{
    if (n->queued == MAX_QUEUED || bytes > NET_MAX_FRAME)
        return; /* networks may lose frames */
    struct frame *f = malloc(sizeof *f + bytes);
    CHECK(f);
    f->next = NULL;
    f->n = bytes;
    memcpy(f->bytes, frame, bytes);
    *n->last = f;
    n->last = &f->next;
    n->queued++;
    if (!clock_pending(&n->deliver))
        clock_schedule(n->clock, &n->deliver, clock_now(n->clock) + DELAY);
}

/* The card has room again. */
static void room(void *arg)
{
    struct network *n = arg;
    if (n->first && !clock_pending(&n->deliver))
        clock_schedule(n->clock, &n->deliver, clock_now(n->clock) + DELAY);
}

/* ---- from the guest ------------------------------------------------------------------------- */

static void transmit(void *arg, const u8 *frame, size_t bytes)
{
    struct network *n = arg;
    capture(n, frame, bytes);
    n->kind->transmit(n, frame, bytes);
}

/* ---- the interface -------------------------------------------------------------------------- */

bool network_init(struct network *n, const struct network_kind *kind, const struct network_config *c, char *err,
                  size_t err_size)
{
    n->kind = kind;
    n->clock = c->clock;
    n->last = &n->first;
    snprintf(n->name, sizeof n->name, "%s-deliver", c->id);
    n->deliver = (struct event){.fire = deliver, .arg = n, .name = n->name};
    return !c->pcap || open_capture(n, c->pcap, err, err_size);
}

void network_free(struct network *n)
{
    if (!n)
        return;
    clock_cancel(n->clock, &n->deliver);
    for (struct frame *f; (f = n->first);) {
        n->first = f->next;
        free(f);
    }
    if (n->pcap)
        fclose(n->pcap);
    n->kind->destroy(n);
}

struct netdev network_netdev(struct network *n) { return (struct netdev){.send = transmit, .room = room, .arg = n}; }

void network_attach(struct network *n, struct nic *nic) { n->nic = nic; }

void network_poll(struct network *n) { n->kind->poll(n); }

unsigned network_fds(struct network *n, struct pollfd *fds, unsigned max) { return n->kind->fds(n, fds, max); }

bool network_waits(struct network *n)
{
    struct pollfd one;
    return n->kind->fds(n, &one, 1) != 0;
}

/* "port", "addr:port" or ":port"; addr 0 when there is none. */
static bool parse_end(const char *s, size_t len, u32 *addr, u16 *port)
{
    char text[64];
    if (len >= sizeof text)
        return false;
    memcpy(text, s, len);
    text[len] = 0;
    char *colon = strrchr(text, ':'), *end;
    const char *digits = colon ? colon + 1 : text;
    *addr = 0;
    if (colon) {
        struct in_addr a;
        *colon = 0;
        if (*text && inet_pton(AF_INET, text, &a) != 1)
            return false;
        *addr = *text ? ntohl(a.s_addr) : 0;
    }
    unsigned long p = strtoul(digits, &end, 10);
    *port = (u16)p;
    return *digits >= '0' && *digits <= '9' && !*end && p > 0 && p < 65536;
}

bool network_parse_forward(const char *s, struct network_forward *f)
{
    if (strncmp(s, "tcp:", 4) == 0 || strncmp(s, "udp:", 4) == 0) {
        f->udp = *s == 'u';
        s += 4;
    } else if (*s == ':') {
        f->udp = false;
    } else {
        return false;
    }
    const char *dash = strchr(s, '-');
    return dash && parse_end(s, (size_t)(dash - s), &f->host_addr, &f->host_port) &&
           parse_end(dash + 1, strlen(dash + 1), &f->guest_addr, &f->guest_port);
}

/* ---- nobody there --------------------------------------------------------------------------- */

static void none_transmit(struct network *n, const u8 *frame, size_t bytes) { (void)n, (void)frame, (void)bytes; }
static void none_poll(struct network *n) { (void)n; }
static unsigned none_fds(struct network *n, struct pollfd *fds, unsigned max)
{
    (void)n, (void)fds, (void)max;
    return 0;
}
static void none_destroy(struct network *n) { free(n); }

struct network *network_none(const struct network_config *c, char *err, size_t err_size)
{
    static const struct network_kind kind = {none_transmit, none_poll, none_fds, none_destroy};
    struct network *n = calloc(1, sizeof *n);
    CHECK(n);
    if (network_init(n, &kind, c, err, err_size))
        return n;
    network_free(n);
    return NULL;
}
