/* Integer types and the address types that must never be mixed.
 *
 * VA, IPA and PA are distinct one-member structs.  A PA carries the physical address space (PAS) it
 * belongs to in its top bits, so that a Secure and a Non-secure access to one number stay apart. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

struct va {
    u64 v;
};
struct ipa {
    u64 v;
};
/*   63      58 57 56 55                                             0
 *  +----------+-----+------------------------------------------------+
 *  |    0     | PAS |                 address (up to 56 bits)         |
 *  +----------+-----+------------------------------------------------+ */
struct pa {
    u64 v;
};

/* Physical address spaces (DDI0487 D8.1). */
enum pas { PAS_NS, PAS_S, PAS_ROOT, PAS_REALM };

static inline struct pa pa_make(enum pas space, u64 addr) { return (struct pa){(u64)space << 56 | addr}; }
static inline u64 pa_addr(struct pa pa) { return pa.v & ((1ull << 56) - 1); }
static inline enum pas pa_space(struct pa pa) { return (enum pas)(pa.v >> 56 & 3); }
static inline struct pa pa_add(struct pa pa, u64 n) { return (struct pa){pa.v + n}; }

#define ARRAY_LEN(a)                    (sizeof(a) / sizeof *(a))
#define LIKELY(x)                       __builtin_expect(!!(x), 1)
#define UNLIKELY(x)                     __builtin_expect(!!(x), 0)
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
