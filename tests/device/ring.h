/* The driver's side of virtio for tests: RAM with a split queue, requests by hand, through registers of
 * virtio-mmio. */
#pragma once
#include "devices/le.h"
#include "devices/virtio_mmio.h"
#include "poke.h"

enum { RAM = 0x40000000, RAM_SIZE = 0x100000, RING = RAM + 0x10000, DATA = RAM + 0x20000 };

struct driver {
    struct bus *bus;
    struct device *d;
    bool modern;
    unsigned num;
    u64 desc, avail, used;
    u16 avail_idx, used_idx;
};

static inline void ram_put(struct driver *r, u64 addr, const void *p, size_t n)
{
    ck_assert_int_eq(bus_write(r->bus, &poke_txn, addr, p, n), BUS_OK);
}
static inline void ram_get(struct driver *r, u64 addr, void *p, size_t n)
{
    ck_assert_int_eq(bus_read(r->bus, &poke_txn, addr, p, n), BUS_OK);
}
static inline void ram_put16(struct driver *r, u64 addr, u16 v)
{
    u8 b[2];
    put_le16(b, v);
    ram_put(r, addr, b, 2);
}
static inline u16 ram_get16(struct driver *r, u64 addr)
{
    u8 b[2];
    ram_get(r, addr, b, 2);
    return get_le16(b);
}
static inline u32 ram_get32(struct driver *r, u64 addr)
{
    u8 b[4];
    ram_get(r, addr, b, 4);
    return get_le32(b);
}
static inline void put_desc(struct driver *r, u64 table, unsigned i, u64 addr, u32 len, u16 flags, u16 next)
{
    u8 b[16];
    put_le64(b, addr);
    put_le32(b + 8, len);
    put_le16(b + 12, flags);
    put_le16(b + 14, next);
    ram_put(r, table + 16ull * i, b, 16);
}

static inline struct bus *ring_bus(struct log *l)
{
    struct bus *b = bus_new(l);
    bus_map_ram(b, 1 << PAS_NS, RAM, RAM_SIZE, "ram");
    bus_seal(b);
    return b;
}

/* Reset and negotiate. */
static inline void ring_negotiate(struct driver *r, u64 features)
{
    struct device *d = r->d;
    poke32(d, 0x70, 0);
    poke32(d, 0x70, 3);
    poke32(d, 0x24, 0);
    poke32(d, 0x20, (u32)features);
    poke32(d, 0x24, 1);
    if (r->modern) {
        poke32(d, 0x20, (u32)(features >> 32) | 1);
        poke32(d, 0x70, 11);
        ck_assert_uint_eq(peek32(d, 0x70), 11);
    }
}

/* Sets up queue q of num entries at RING + 0x4000 * q. */
static inline void ring_queue(struct driver *r, unsigned q, unsigned num)
{
    struct device *d = r->d;
    r->num = num;
    r->avail_idx = r->used_idx = 0;
    u64 base = RING + 0x4000ull * q;
    r->desc = base;
    r->avail = base + 16ull * num;
    r->used = (r->avail + 6 + 2ull * num + 0xfff) & ~0xfffull;
    u8 zero[0x4000] = {0};
    ram_put(r, base, zero, sizeof zero);
    poke32(d, 0x30, q);
    poke32(d, 0x38, num);
    if (r->modern) {
        poke32(d, 0x80, (u32)r->desc);
        poke32(d, 0x84, (u32)(r->desc >> 32));
        poke32(d, 0x90, (u32)r->avail);
        poke32(d, 0x94, (u32)(r->avail >> 32));
        poke32(d, 0xa0, (u32)r->used);
        poke32(d, 0xa4, (u32)(r->used >> 32));
        poke32(d, 0x44, 1);
        ck_assert_uint_eq(peek32(d, 0x44), 1);
    } else {
        poke32(d, 0x28, 4096);
        poke32(d, 0x3c, 4096);
        poke32(d, 0x40, (u32)(base >> 12));
        ck_assert_uint_eq(peek32(d, 0x40), base >> 12);
    }
}

static inline void ring_go(struct driver *r) { poke32(r->d, 0x70, r->modern ? 15 : 7); }

static inline void ring_start(struct driver *r, unsigned q, unsigned num, u64 features)
{
    ring_negotiate(r, features);
    ring_queue(r, q, num);
    ring_go(r);
}

static inline void ring_offer(struct driver *r, unsigned q, u16 head)
{
    ram_put16(r, r->avail + 4 + 2ull * (r->avail_idx % r->num), head);
    ram_put16(r, r->avail + 2, ++r->avail_idx);
    poke32(r->d, 0x50, q);
}
