/* Mutation of inputs that are records of one size (rig.h): what is inserted, removed, moved or crossed over are whole
 * records, so that the ones behind keep their meaning.
 *
 * A target says #define FUZZ_RECORD (bytes) and FUZZ_HEAD (bytes before the first) and includes this. */
#pragma once
#include "rig.h"

#ifdef FUZZ_MUTATOR
size_t LLVMFuzzerMutate(u8 *data, size_t n, size_t max);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t n, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const u8 *a, size_t na, const u8 *b, size_t nb, u8 *out, size_t max, unsigned seed);

static u32 dice(u64 *s, u32 n)
{
    *s = *s * 6364136223846793005ull + 1442695040888963407ull;
    return (u32)((*s >> 33) % n);
}

static u8 operand(u64 *s)
{
    switch (dice(s, 8)) {
    case 0:
    case 1: return (u8)dice(s, 16);
    case 2: return (u8)(1u << dice(s, 8));
    case 3: return dice(s, 4) ? 0 : 0xff;
    case 4: return (u8)dice(s, 4);
    default: return (u8)dice(s, 256);
    }
}

static void fresh(u8 *r, u64 *s)
{
    bool sparse = dice(s, 3) == 0;
    r[0] = (u8)dice(s, 16);
    for (unsigned i = 1; i < FUZZ_RECORD; i++)
        r[i] = sparse && dice(s, 3) ? 0 : operand(s);
}

static size_t mutate_once(u8 *p, size_t n, size_t max, u64 *s)
{
    size_t at = dice(s, (u32)n + 1) * (size_t)FUZZ_RECORD, from, k;
    u8 one[FUZZ_RECORD];
    switch (n ? dice(s, 12) : 0) {
    case 0:
    case 1: /* a new one, or one there is, also elsewhere */
    case 2:
        if (n == max)
            return n;
        if (dice(s, 3) || !n)
            fresh(one, s);
        else
            memcpy(one, p + dice(s, (u32)n) * (size_t)FUZZ_RECORD, FUZZ_RECORD);
        memmove(p + at + FUZZ_RECORD, p + at, n * FUZZ_RECORD - at);
        memcpy(p + at, one, FUZZ_RECORD);
        return n + 1;
    case 3: /* some fewer */
        from = dice(s, (u32)n);
        k = 1 + dice(s, n - from < 4 ? (u32)(n - from) : 4);
        memmove(p + from * FUZZ_RECORD, p + (from + k) * FUZZ_RECORD, (n - from - k) * FUZZ_RECORD);
        return n - k;
    case 4: /* another operation with the same operands */ p[dice(s, (u32)n) * FUZZ_RECORD] = (u8)dice(s, 16); return n;
    case 5: /* an operand that another one has at the same place */
        at = 1 + dice(s, FUZZ_RECORD - 1);
        p[dice(s, (u32)n) * FUZZ_RECORD + at] = p[dice(s, (u32)n) * FUZZ_RECORD + at];
        return n;
    case 7: fresh(p + dice(s, (u32)n) * FUZZ_RECORD, s); return n;
    case 6: (void)LLVMFuzzerMutate(p + dice(s, (u32)n) * FUZZ_RECORD, FUZZ_RECORD, FUZZ_RECORD); return n;
    default: {
        u8 *b = p + dice(s, (u32)n) * FUZZ_RECORD + 1 + dice(s, FUZZ_RECORD - 1);
        *b = dice(s, 3) ? (u8)(*b ^ 1u << dice(s, 8)) : operand(s);
        return n;
    }
    }
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t n, size_t max, unsigned seed)
{
    u64 s = seed * 0x9e3779b97f4a7c15ull + 1;
    if (n < FUZZ_HEAD)
        memset(data + n, 0, FUZZ_HEAD - n);
    size_t left = n > FUZZ_HEAD ? (n - FUZZ_HEAD) % FUZZ_RECORD : 0,
           k = n > FUZZ_HEAD ? (n - FUZZ_HEAD) / FUZZ_RECORD : 0;
    size_t most = (max - FUZZ_HEAD) / FUZZ_RECORD;
    (void)left;
    for (unsigned i = 1 + dice(&s, 4); i > 0; i--)
        k = mutate_once(data + FUZZ_HEAD, k, most, &s);
    if (FUZZ_HEAD > 0 && dice(&s, 12) == 0)
        data[dice(&s, FUZZ_HEAD)] = (u8)dice(&s, 256);
    return FUZZ_HEAD + k * FUZZ_RECORD;
}

size_t LLVMFuzzerCustomCrossOver(const u8 *a, size_t na, const u8 *b, size_t nb, u8 *out, size_t max, unsigned seed)
{
    u64 s = seed * 0x9e3779b97f4a7c15ull + 1;
    if (na < FUZZ_HEAD || nb < FUZZ_HEAD || max < FUZZ_HEAD)
        return 0;
    size_t ka = (na - FUZZ_HEAD) / FUZZ_RECORD, kb = (nb - FUZZ_HEAD) / FUZZ_RECORD,
           most = (max - FUZZ_HEAD) / FUZZ_RECORD;
    size_t x = dice(&s, (u32)ka + 1), y = dice(&s, (u32)kb + 1), rest = kb - y;
    if (x > most)
        x = most;
    if (rest > most - x)
        rest = most - x;
    memcpy(out, a, FUZZ_HEAD + x * FUZZ_RECORD);
    memcpy(out + FUZZ_HEAD + x * FUZZ_RECORD, b + FUZZ_HEAD + y * FUZZ_RECORD, rest * FUZZ_RECORD);
    return FUZZ_HEAD + (x + rest) * FUZZ_RECORD;
}
#endif
