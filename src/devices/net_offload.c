/* Checksums and segmentation of TCP (RFC 1071, 791, 8200, 9293), for cards that take them off their drivers.
 *
 * What comes in is the guest's: every length is checked against the frame before it is used.
 *
 * Not modelled: IPv6 extension headers, tunnels, segmentation of UDP. */
#include "devices/net_offload.h"

#include <string.h>

#include "devices/le.h"
#include "devices/netdev.h"

enum { ETHERNET = 14, VLAN = 4, TYPE_VLAN = 0x8100, TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd };
enum { IPV4 = 20, IPV6 = 40, TCP = 20, UDP = 8, IS_TCP = 6, IS_UDP = 17 };
enum { TCP_SEQ = 4, TCP_OFFSET = 12, TCP_FLAGS = 13, TCP_SUM = 16, UDP_SUM = 6 };
enum { FLAG_FIN = 1, FLAG_PSH = 8, FLAG_CWR = 0x80 };

/* Where the headers of a packet that is not a fragment are. */
struct layout {
    size_t ip, transport, end; /* offsets; end: of the IP packet */
    bool v6;
    u8 protocol;
};

/* Sum of 16-bit words in the order of bytes in memory, as the checksum's own bytes are. */
static u64 add(u64 sum, const u8 *p, size_t n)
{
    for (; n >= 4; p += 4, n -= 4)
        sum += get_le32(p);
    if (n >= 2) {
        sum += get_le16(p);
        p += 2;
    }
    return sum + (n & 1 ? *p : 0);
}

static u16 fold(u64 sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (u16)~sum;
}

/* 0 in the field of UDP means that there is no checksum. */
void net_put_checksum(u8 *frame, size_t n, unsigned start, unsigned at)
{
    u16 sum = fold(add(0, frame + start, n - start));
    put_le16(frame + at, sum ? sum : 0xffff);
}

static bool find_v4(const u8 *f, size_t n, struct layout *l)
{
    if (n < l->ip + IPV4 || f[l->ip] >> 4 != 4)
        return false;
    size_t header = 4 * (f[l->ip] & 15u), length = get_be16(f + l->ip + 2);
    l->transport = l->ip + header;
    l->end = l->ip + length;
    l->protocol = f[l->ip + 9];
    bool fragment = get_be16(f + l->ip + 6) & 0x3fff;
    return header >= IPV4 && !fragment && length >= header;
}

static bool find(const u8 *f, size_t n, struct layout *l)
{
    *l = (struct layout){.ip = ETHERNET};
    if (n < ETHERNET + VLAN)
        return false;
    u16 type = get_be16(f + 12);
    if (type == TYPE_VLAN) {
        type = get_be16(f + 16);
        l->ip += VLAN;
    }
    if (type == TYPE_IPV4)
        return find_v4(f, n, l);
    l->v6 = true;
    if (type != TYPE_IPV6 || n < l->ip + IPV6 || f[l->ip] >> 4 != 6)
        return false;
    l->transport = l->ip + IPV6;
    l->end = l->transport + get_be16(f + l->ip + 4);
    l->protocol = f[l->ip + 6];
    return true;
}

/* Of addresses, protocol and length. */
static u64 pseudo_header(const u8 *f, const struct layout *l, size_t length)
{
    u8 rest[4] = {0, l->protocol};
    put_be16(rest + 2, (u16)length);
    return add(add(0, f + l->ip + (l->v6 ? 8 : 12), l->v6 ? 32 : 8), rest, sizeof rest);
}

bool net_checksum_good(const u8 *f, size_t n)
{
    struct layout l;
    if (!find(f, n, &l) || l.end > n)
        return false;
    size_t length = l.end - l.transport;
    bool tcp = l.protocol == IS_TCP && length >= TCP;
    bool udp = l.protocol == IS_UDP && length >= UDP && get_be16(f + l.transport + UDP_SUM);
    return (tcp || udp) && fold(add(pseudo_header(f, &l, length), f + l.transport, length)) == 0;
}

bool net_segment(const u8 *f, size_t n, unsigned mss, void (*send)(void *arg, const u8 *frame, size_t n), void *arg)
{
    struct layout l;
    u8 one[NET_MAX_FRAME];
    if (!find(f, n, &l) || l.protocol != IS_TCP || n < l.transport + TCP || !mss)
        return false;
    const size_t tcp = 4u * (f[l.transport + TCP_OFFSET] >> 4), header = l.transport + tcp;
    if (tcp < TCP || header > n || header + mss > sizeof one)
        return false;
    const u32 seq = get_be32(f + l.transport + TCP_SEQ);
    const u16 id = get_be16(f + l.ip + 4);
    size_t at = header;
    do {
        size_t k = n - at < mss ? n - at : mss;
        u8 *ip = one + l.ip, *t = one + l.transport;
        memcpy(one, f, header);
        memcpy(one + header, f + at, k);
        if (l.v6) {
            put_be16(ip + 4, (u16)(tcp + k));
        } else {
            put_be16(ip + 2, (u16)(header - l.ip + k));
            put_be16(ip + 4, (u16)(id + (at - header) / mss));
            put_be16(ip + 10, 0);
            put_le16(ip + 10, fold(add(0, ip, l.transport - l.ip)));
        }
        put_be32(t + TCP_SEQ, (u32)(seq + (at - header)));
        if (at + k < n)
            t[TCP_FLAGS] &= (u8) ~(FLAG_FIN | FLAG_PSH);
        if (at != header)
            t[TCP_FLAGS] &= (u8)~FLAG_CWR;
        put_be16(t + TCP_SUM, 0);
        put_le16(t + TCP_SUM, fold(add(pseudo_header(one, &l, tcp + k), t, tcp + k)));
        send(arg, one, header + k);
        at += k;
    } while (at < n);
    return true;
}
