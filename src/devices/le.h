/* Integers in guest memory: little-endian (LE) or big-endian (BE) bytes at any alignment. */
#pragma once
#include "core/types.h"

static inline u16 get_le16(const u8 *p) { return (u16)(p[0] | p[1] << 8); }
static inline u32 get_le32(const u8 *p) { return (u32)get_le16(p) | (u32)get_le16(p + 2) << 16; }
static inline u64 get_le64(const u8 *p) { return (u64)get_le32(p) | (u64)get_le32(p + 4) << 32; }
static inline void put_le16(u8 *p, u16 v)
{
    p[0] = (u8)v;
    p[1] = (u8)(v >> 8);
}
static inline void put_le32(u8 *p, u32 v)
{
    put_le16(p, (u16)v);
    put_le16(p + 2, (u16)(v >> 16));
}
static inline void put_le64(u8 *p, u64 v)
{
    put_le32(p, (u32)v);
    put_le32(p + 4, (u32)(v >> 32));
}
static inline u16 get_be16(const u8 *p) { return (u16)(p[0] << 8 | p[1]); }
static inline u32 get_be32(const u8 *p) { return (u32)get_be16(p) << 16 | get_be16(p + 2); }
static inline u64 get_be64(const u8 *p) { return (u64)get_be32(p) << 32 | get_be32(p + 4); }
static inline void put_be16(u8 *p, u16 v)
{
    p[0] = (u8)(v >> 8);
    p[1] = (u8)v;
}
static inline void put_be32(u8 *p, u32 v)
{
    put_be16(p, (u16)(v >> 16));
    put_be16(p + 2, (u16)v);
}
static inline void put_be64(u8 *p, u64 v)
{
    put_be32(p, (u32)(v >> 32));
    put_be32(p + 4, (u32)v);
}

/* size bytes (1..8) of an array of n at off as a little-endian value; what lies beyond reads 0. */
static inline u64 get_bytes(const u8 *p, u64 n, u64 off, unsigned size)
{
    u64 v = 0;
    for (unsigned i = 0; i < size; i++)
        if (off + i < n)
            v |= (u64)p[off + i] << (8 * i);
    return v;
}
