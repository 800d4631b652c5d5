/* Descriptors of the 82574L: transmission with checksum and segmentation offload (data sheet 7.2), reception with
 * filtering (7.1).
 *
 *   legacy transmit:   buffer 64 | length 16 CSO 8 CMD 8 | STA 8 CSS 8 VLAN 16
 *   context (DTYP 0):  IPCSS IPCSO IPCSE | TUCSS TUCSO TUCSE | PAYLEN 20 DTYP 4 TUCMD 8 | STA HDRLEN MSS
 *   data (DTYP 1):     buffer 64 | DTALEN 20 DTYP 4 DCMD 8 | STA POPTS VLAN
 *   legacy receive:    buffer 64 | length 16 checksum 16 | status 8 errors 8 VLAN 16
 *   extended receive:  buffer 64 | 0   ->   MRQ 32 RSS 32 | status and errors 32 | length 16 VLAN 16
 *
 * Not modelled: header splitting, VLAN stripping and insertion, RSS (queue 0 receives everything), checksum offload
 * of reception. */
#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "devices/e1000e_internal.h"
#include "devices/le.h"

enum { DESC = 16, MAX_DESCRIPTORS = 65536 };
enum { CMD_EOP = 1, CMD_IC = 4 /* legacy */, CMD_TSE = 4 /* data */, CMD_RS = 8, CMD_DEXT = 32 };
enum { POPTS_IXSM = 1, POPTS_TXSM = 2, TUCMD_TCP = 1, TUCMD_IP = 2 };
enum { RCTL_EN = 2, RCTL_UPE = 8, RCTL_MPE = 16, RCTL_BAM = 1 << 15, RCTL_SECRC = 1 << 26, RFCTL_EXSTEN = 1 << 15 };
enum { TCTL_EN = 2, STATUS_DD = 1, STATUS_EOP = 2, STATUS_IXSM = 4 };

struct ring {
    u64 base;
    u32 size; /* descriptors */
    u32 *head, tail;
};

static struct ring ring(struct e1000e *n, u32 first, unsigned q)
{
    u32 *r = e1000e_reg(n, first + 0x100 * q);
    struct ring g = {.base = ((u64)r[1] << 32 | r[0]) & ~0xfull, .size = (r[2] & 0xfff80) / DESC, .head = &r[4]};
    g.tail = r[6] & 0xffff;
    return g;
}

/* ---- transmission ------------------------------------------------------------------------------- */

static u32 add_words(const u8 *p, size_t n, u32 sum)
{
    for (; n > 1; p += 2, n -= 2)
        sum += (u32)p[0] << 8 | p[1];
    return n ? sum + ((u32)p[0] << 8) : sum;
}

static void put_checksum(u8 *frame, size_t len, unsigned start, unsigned at, unsigned end)
{
    size_t stop = end && end + 1u < len ? end + 1u : len;
    if (start >= stop || at + 2u > len)
        return;
    u32 sum = add_words(frame + start, stop - start, 0);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    frame[at] = (u8)(~sum >> 8);
    frame[at + 1] = (u8)~sum;
}

static void checksums(const struct e1000e *n, u8 *frame, size_t len)
{
    const struct e1000e_context *c = &n->context;
    if (n->popts & POPTS_IXSM)
        put_checksum(frame, len, c->ipcss, c->ipcso, c->ipcse);
    if (n->popts & POPTS_TXSM)
        put_checksum(frame, len, c->tucss, c->tucso, c->tucse);
}

static void out(struct e1000e *n, const u8 *frame, size_t len)
{
    if (n->cfg.net.send)
        n->cfg.net.send(n->cfg.net.arg, frame, len);
}

static void add16(u8 *p, u32 v)
{
    u32 sum = ((u32)p[0] << 8 | p[1]) + v;
    sum = (sum & 0xffff) + (sum >> 16);
    p[0] = (u8)(sum >> 8);
    p[1] = (u8)sum;
}

/* Cuts the frame into segments of mss bytes behind copies of its header (data sheet 7.2.4). The driver left lengths
 * out of the pseudo header's sum. */
static void segments(struct e1000e *n)
{
    const struct e1000e_context *c = &n->context;
    u32 header = c->hdrlen, mss = c->mss, ip = c->ipcss, tcp = c->tucss;
    bool v4 = c->tucmd & TUCMD_IP, is_tcp = c->tucmd & TUCMD_TCP;
    u8 one[NET_MAX_FRAME];
    if (!mss || header > n->frame_len || ip + 20u > header || tcp + (is_tcp ? 20u : 8u) > header ||
        c->tucso + 2u > header || header + mss > sizeof one) {
        log_guest(n->cfg.log, "%s: segmentation of a frame with a header of %u bytes dropped", n->cfg.id, header);
        return;
    }
    u32 seq =
        (u32)n->frame[tcp + 4] << 24 | (u32)n->frame[tcp + 5] << 16 | (u32)n->frame[tcp + 6] << 8 | n->frame[tcp + 7];
    u32 ident = (u32)n->frame[ip + 4] << 8 | n->frame[ip + 5];
    for (u32 done = header, k = 0; done < n->frame_len; k++) {
        u32 part = n->frame_len - done < mss ? n->frame_len - done : mss, len = header + part;
        bool last = done + part == n->frame_len;
        memcpy(one, n->frame, header);
        memcpy(one + header, n->frame + done, part);
        if (v4) {
            one[ip + 2] = (u8)((len - ip) >> 8);
            one[ip + 3] = (u8)(len - ip);
            one[ip + 4] = (u8)((ident + k) >> 8);
            one[ip + 5] = (u8)(ident + k);
        } else {
            one[ip + 4] = (u8)((len - ip - 40) >> 8);
            one[ip + 5] = (u8)(len - ip - 40);
        }
        if (is_tcp) {
            u32 s = seq + (done - header);
            for (unsigned i = 0; i < 4; i++)
                one[tcp + 4 + i] = (u8)(s >> (24 - 8 * i));
            if (!last)
                one[tcp + 13] &= (u8)~9u; /* FIN, PSH */
        } else {
            one[tcp + 4] = (u8)((len - tcp) >> 8);
            one[tcp + 5] = (u8)(len - tcp);
        }
        add16(one + c->tucso, len - tcp);
        checksums(n, one, len);
        out(n, one, len);
        done += part;
    }
}

static void end_frame(struct e1000e *n)
{
    if (n->tse) {
        segments(n);
    } else {
        checksums(n, n->frame, n->frame_len);
        out(n, n->frame, n->frame_len);
    }
    n->frame_len = 0;
    n->popts = 0;
    n->tse = false;
}

static void set_context(struct e1000e *n, const u8 *d)
{
    n->context = (struct e1000e_context){.ipcss = d[0],
                                         .ipcso = d[1],
                                         .ipcse = get_le16(d + 2),
                                         .tucss = d[4],
                                         .tucso = d[5],
                                         .tucse = get_le16(d + 6),
                                         .paylen = get_le32(d + 8) & 0xfffff,
                                         .tucmd = d[11],
                                         .hdrlen = d[13],
                                         .mss = get_le16(d + 14)};
}

/* One descriptor. */
static void transmit_one(struct e1000e *n, const u8 *d)
{
    u32 word = get_le32(d + 8), cmd = word >> 24, len = word & 0xffff;
    if (cmd & CMD_DEXT) {
        if ((word >> 20 & 15) == 0) {
            set_context(n, d);
            return;
        }
        len = word & 0xfffff;
        if (!n->frame_len) {
            n->popts = d[13];
            n->tse = cmd & CMD_TSE;
        }
    }
    if (len > sizeof n->frame - n->frame_len ||
        dma_read(&n->fn.dma, get_le64(d), n->frame + n->frame_len, len) != BUS_OK) {
        log_guest(n->cfg.log, "%s: a frame that is too long or not readable is dropped", n->cfg.id);
        n->frame_len = 0;
        return;
    }
    n->frame_len += len;
    if (!(cmd & CMD_EOP))
        return;
    if (!(cmd & CMD_DEXT) && cmd & CMD_IC)
        put_checksum(n->frame, n->frame_len, d[13], d[10], 0);
    if (n->frame_len)
        end_frame(n);
}

static void transmit_queue(struct e1000e *n, unsigned q)
{
    struct ring g = ring(n, E_TDBAL, q);
    u32 causes = 0;
    for (unsigned i = 0; g.size && *g.head < g.size && g.tail < g.size && *g.head != g.tail && i < MAX_DESCRIPTORS;
         i++) {
        u8 d[DESC];
        u64 at = g.base + (u64)*g.head * DESC;
        if (dma_read(&n->fn.dma, at, d, DESC) != BUS_OK) {
            log_guest(n->cfg.log, "%s: transmit descriptor at 0x%llx is not readable", n->cfg.id,
                      (unsigned long long)at);
            break;
        }
        transmit_one(n, d);
        if (d[11] & CMD_RS) {
            d[12] |= STATUS_DD;
            (void)dma_write(&n->fn.dma, at + 12, d + 12, 1);
            causes |= CAUSE_TXDW | (u32)CAUSE_TXQ0 << q;
        }
        *g.head = (*g.head + 1) % g.size;
    }
    if (causes)
        e1000e_cause(n, causes | CAUSE_TXQE);
}

void e1000e_transmit(struct e1000e *n)
{
    if (*e1000e_reg(n, E_TCTL) & TCTL_EN)
        for (unsigned q = 0; q < E_QUEUES; q++)
            transmit_queue(n, q);
}

/* ---- reception ---------------------------------------------------------------------------------- */

static bool wanted(struct e1000e *n, const u8 *dst)
{
    u32 rctl = *e1000e_reg(n, E_RCTL);
    static const u8 all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    if (memcmp(dst, all, 6) == 0)
        return rctl & RCTL_BAM || rctl & RCTL_MPE;
    if (dst[0] & 1 ? rctl & RCTL_MPE : rctl & RCTL_UPE)
        return true;
    for (unsigned i = 0; i < 16; i++) {
        const u32 *ra = e1000e_reg(n, E_RA + 8 * i);
        u8 mac[8];
        put_le32(mac, ra[0]);
        put_le32(mac + 4, ra[1]);
        if (ra[1] >> 31 && memcmp(mac, dst, 6) == 0)
            return true;
    }
    if (!(dst[0] & 1))
        return false;
    static const u8 shifts[] = {4, 3, 2, 0}; /* RCTL.MO: which twelve bits of the address */
    u32 hash = (((u32)dst[5] << 8 | dst[4]) >> shifts[rctl >> 12 & 3]) & 0xfff;
    return *e1000e_reg(n, E_MTA + 4 * (hash >> 5)) >> (hash & 31) & 1;
}

static u32 buffer_size(u32 rctl)
{
    u32 size = 2048u >> (rctl >> 16 & 3);
    return rctl & 1 << 25 && size < 2048 ? size * 16 : size;
}

static void write_back(struct e1000e *n, u64 at, u8 *d, u32 len, bool last)
{
    bool extended = *e1000e_reg(n, E_RFCTL) & RFCTL_EXSTEN;
    u32 status = STATUS_DD | STATUS_IXSM | (last ? STATUS_EOP : 0);
    memset(d + 8, 0, 8);
    if (extended) {
        memset(d, 0, 8);
        put_le32(d + 8, status);
        put_le16(d + 12, (u16)len);
    } else {
        put_le16(d + 8, (u16)len);
        d[12] = (u8)status;
    }
    (void)dma_write(&n->fn.dma, at, d, DESC);
}

bool e1000e_receive(struct nic *nic, const u8 *frame, size_t len)
{
    struct e1000e *n = container_of(nic, struct e1000e, nic);
    u32 rctl = *e1000e_reg(n, E_RCTL), each = buffer_size(rctl), crc = rctl & RCTL_SECRC ? 0 : 4;
    if (!(rctl & RCTL_EN) || !(n->fn.config[PCI_COMMAND] & PCI_CMD_MASTER) || len < 14 || len > 16384 ||
        !wanted(n, frame))
        return true;
    u8 data[16384 + 64] = {0};
    memcpy(data, frame, len);
    size_t total = (len < 60 ? 60 : len) + crc; /* padded as on the wire; the check sequence reads as zero */
    struct ring g = ring(n, E_RDBAL, 0);
    if (!g.size || *g.head >= g.size || g.tail >= g.size)
        return true;
    u32 free_now = (g.tail + g.size - *g.head) % g.size, needed = (u32)((total + each - 1) / each);
    if (free_now < needed) {
        n->refused = true;
        return false;
    }
    for (size_t done = 0; done < total;) {
        u8 d[DESC];
        u64 at = g.base + (u64)*g.head * DESC;
        u32 part = total - done < each ? (u32)(total - done) : each;
        if (dma_read(&n->fn.dma, at, d, DESC) != BUS_OK)
            return true;
        if (get_le64(d))
            (void)dma_write(&n->fn.dma, get_le64(d), data + done, part);
        done += part;
        write_back(n, at, d, part, done == total);
        *g.head = (*g.head + 1) % g.size;
    }
    free_now = (g.tail + g.size - *g.head) % g.size;
    e1000e_cause(n, CAUSE_RXT0 | CAUSE_RXQ0 | (free_now < g.size / 2 ? CAUSE_RXDMT0 : 0));
    return true;
}
