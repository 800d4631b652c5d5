/* What network cards do for their drivers: Internet checksums (RFC 1071) and segmentation of TCP. */
#pragma once
#include "core/types.h"

enum { NET_MAX_SUPER = 65536 + 64 }; /* an IP packet of any length behind its Ethernet header */

/* Puts the checksum of [start, n) at offset at, whose two bytes hold the pseudo-header's sum. Both are inside. */
void net_put_checksum(u8 *frame, size_t n, unsigned start, unsigned at);
/* Are the checksums of a TCP or UDP packet that is whole there, and right? */
bool net_checksum_good(const u8 *frame, size_t n);
/* Sends a TCP packet over IPv4 or IPv6 as segments of at most mss bytes of data, each complete. false: it is no such
 * packet. */
bool net_segment(const u8 *frame, size_t n, unsigned mss, void (*send)(void *arg, const u8 *frame, size_t n),
                 void *arg);
