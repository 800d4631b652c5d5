/* Which general registers an instruction has, as its row says. */
#pragma once
#include <immintrin.h>
#include <string.h>

#include "jit/internal.h"

/* The general registers among rd, rn, rm, ra, which of them by the bits of m: a byte each, 0xff for the others. */
static inline u32 x_bytes(const struct op *o, unsigned m)
{
    static const u32 other[16] = {0xffffffff, 0xffffff00, 0xffff00ff, 0xffff0000, 0xff00ffff, 0xff00ff00,
                                  0xff0000ff, 0xff000000, 0x00ffffff, 0x00ffff00, 0x00ff00ff, 0x00ff0000,
                                  0x0000ffff, 0x0000ff00, 0x000000ff, 0};
    u32 r;
    _Static_assert(offsetof(struct op, ra) == offsetof(struct op, rd) + 3, "together");
    memcpy(&r, &o->rd, sizeof r);
    return r | other[m & 15];
}
/* As bits. (The attribute is for the tests, which are built for any host.) */
__attribute__((target("avx2"))) static inline u64 x_bits(u32 bytes)
{
    __m256i v = _mm256_sllv_epi64(_mm256_set1_epi64x(1), _mm256_cvtepu8_epi64(_mm_cvtsi32_si128((int)bytes)));
    __m128i h = _mm_or_si128(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    return (u64)_mm_cvtsi128_si64(_mm_or_si128(h, _mm_unpackhi_epi64(h, h)));
}
/* That o writes; rm's place, which nothing writes, has what its row does. */
static inline u32 x_written_bytes(const struct emitter *e, const struct op *o)
{
    u32 r = x_bytes(o, e->writes & 11u);
    return UNLIKELY(e->flags & EMIT_FIXED) && e->b & 63 ? (r & 0xff00ffff) | (e->b & 63u) << 16 : r;
}
static inline u64 x_written(const struct emitter *e, const struct op *o) { return x_bits(x_written_bytes(e, o)); }
/* That o has as operands. */
static inline u64 x_registers(const struct emitter *e, const struct op *o)
{
    u64 fixed = UNLIKELY(e->flags & EMIT_FIXED) && e->b & 63 ? 1ull << (e->b & 63) : 0;
    return fixed | x_bits(x_bytes(o, e->fields));
}
