/* Host accesses that are single-copy atomic, for parallel mode (docs/parallel.md).
 *
 * Guest memory is shared with other threads without a lock: an aligned access of up to 8 bytes is one x86 instruction
 * and thereby atomic; 16 aligned bytes are one vector move (hosts with AVX promise it); read-modify-write is a locked
 * compare-and-exchange, which works unaligned too. */
#pragma once
#include "core/types.h"

static inline void atomic_load16(const u8 *p, u64 val[2])
{
    /* callers are functions of a layer without host floating point: nobody keeps anything in xmm0 over a call */
    __asm__ volatile("movups %1, %%xmm0\n\tmovups %%xmm0, %0" : "=m"(*(u64(*)[2])val) : "m"(*(const u64(*)[2])p));
}

static inline void atomic_store16(u8 *p, const u64 val[2])
{
    __asm__ volatile("movups %1, %%xmm0\n\tmovups %%xmm0, %0" : "=m"(*(u64(*)[2])p) : "m"(*(const u64(*)[2])val));
}

/* *p was old: it becomes new. size: 1, 2, 4, 8. */
static inline bool atomic_swap_if(u8 *p, unsigned size, u64 old, u64 new)
{
    bool done;
    switch (size) {
    case 1: __asm__ volatile("lock cmpxchgb %b3, %1" : "=@ccz"(done), "+m"(*p), "+a"(old) : "q"(new) : "memory"); break;
    case 2:
        __asm__ volatile("lock cmpxchgw %w3, %1" : "=@ccz"(done), "+m"(*(u16(*)[1])p), "+a"(old) : "r"(new) : "memory");
        break;
    case 4:
        __asm__ volatile("lock cmpxchgl %k3, %1" : "=@ccz"(done), "+m"(*(u32(*)[1])p), "+a"(old) : "r"(new) : "memory");
        break;
    default:
        __asm__ volatile("lock cmpxchgq %3, %1" : "=@ccz"(done), "+m"(*(u64(*)[1])p), "+a"(old) : "r"(new) : "memory");
        break;
    }
    return done;
}

/* p is aligned to 16. */
static inline bool atomic_swap_if16(u8 *p, const u64 old[2], const u64 new[2])
{
    bool done;
    u64 lo = old[0], hi = old[1];
    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(done), "+m"(*(u64(*)[2])p), "+a"(lo), "+d"(hi)
                     : "b"(new[0]), "c"(new[1])
                     : "memory");
    return done;
}
