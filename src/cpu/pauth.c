/* Pointer authentication codes: QARMA-64 with 5 and 3 rounds, and the insertion into pointers
 * (DDI0487 D8.9 and the shared pseudocode AddPAC, Auth, ComputePAC).  QARMA works on sixteen 4-bit
 * cells; cell 0 is bits 3:0.  The IMPLEMENTATION DEFINED algorithm is one multiplication, folded. */
#include "cpu/pauth.h"

#include "core/bits.h"

/* ---- QARMA ---------------------------------------------------------------------------------- */

static const u8 sigma[16] = {0xb, 0x6, 0x8, 0xf, 0xc, 0x0, 0x9, 0xe, 0x3, 0x7, 0x4, 0x5, 0xd, 0x2, 0x1, 0xa};
static const u8 sigma_inv[16] = {0x5, 0xe, 0xd, 0x8, 0xa, 0xb, 0x1, 0x9, 0x2, 0x6, 0xf, 0x0, 0x4, 0xc, 0x7, 0x3};
/* QARMA3's S-box is its own inverse. */
static const u8 sigma1[16] = {0xa, 0xd, 0xe, 0x6, 0xf, 0x7, 0x3, 0x5, 0x9, 0x8, 0x0, 0xc, 0xb, 0x1, 0x2, 0x4};

/* Output cell k comes from input cell tau[k]. */
static const u8 tau[16] = {13, 6, 11, 0, 7, 12, 1, 10, 8, 3, 14, 5, 2, 9, 4, 15};
static const u8 tau_inv[16] = {3, 6, 12, 9, 14, 11, 1, 4, 8, 13, 7, 2, 5, 0, 10, 15};
/* The tweak's permutation, and the output cells that also pass the cell LFSR. */
static const u8 tweak_perm[16] = {4, 5, 6, 7, 11, 2, 3, 8, 12, 13, 14, 15, 0, 1, 10, 9};
static const u16 tweak_lfsr = 1 << 2 | 1 << 4 | 1 << 7 | 1 << 11 | 1 << 12 | 1 << 14 | 1 << 15;

static const u64 round_constant[5] = {0, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89,
                                      0x452821e638d01377};
static const u64 alpha = 0xc0ac29b7c97c50dd;

static unsigned cell(u64 v, unsigned k) { return (unsigned)(v >> 4 * k & 15); }

static u64 substitute(u64 v, const u8 *box)
{
    u64 r = 0;
    for (unsigned k = 0; k < 16; k++)
        r |= (u64)box[cell(v, k)] << 4 * k;
    return r;
}

static u64 shuffle(u64 v, const u8 *from)
{
    u64 r = 0;
    for (unsigned k = 0; k < 16; k++)
        r |= (u64)cell(v, from[k]) << 4 * k;
    return r;
}

/* Rotates each cell left by n. */
static u64 rot_cells(u64 v, unsigned n)
{
    const u64 each = 0x1111111111111111;
    u64 low = each * (ones(4 - n)); /* bits that stay in their cell */
    return (v & low) << n | (v & ~low) >> (4 - n);
}

/* MixColumns: row r (cells 4r..4r+3) becomes the sum of the other rows, rotated by 1, 2, 1 with 2 for
 * the row opposite. */
static u64 mult(u64 v)
{
    u64 one = rot_cells(v, 1), two = rot_cells(v, 2);
    return ror64(one, 16) ^ ror64(two, 32) ^ ror64(one, 48);
}

static u64 tweak_forward(u64 v)
{
    u64 r = 0;
    for (unsigned k = 0; k < 16; k++) {
        unsigned c = cell(v, tweak_perm[k]);
        if (tweak_lfsr >> k & 1)
            c = c >> 1 | ((c ^ c >> 1) & 1) << 3;
        r |= (u64)c << 4 * k;
    }
    return r;
}

static u64 tweak_backward(u64 v)
{
    u64 r = 0;
    for (unsigned k = 0; k < 16; k++) {
        unsigned c = cell(v, k);
        if (tweak_lfsr >> k & 1)
            c = (c << 1 & 15) | ((c ^ c >> 3) & 1);
        r |= (u64)c << 4 * tweak_perm[k];
    }
    return r;
}

static u64 qarma(u64 data, u64 modifier, struct pauth_key key, int iterations, const u8 *box, const u8 *box_inv)
{
    u64 key0 = key.hi, key1 = key.lo;
    u64 modk0 = ror64(key0, 1) ^ key0 >> 63;
    u64 tweak = modifier, v = data ^ key0;
    for (int i = 0; i <= iterations; i++) {
        v ^= key1 ^ tweak ^ round_constant[i];
        if (i > 0)
            v = mult(shuffle(v, tau));
        v = substitute(v, box);
        tweak = tweak_forward(tweak);
    }
    v = substitute(mult(shuffle(v ^ modk0 ^ tweak, tau)), box);
    v = mult(shuffle(v, tau)) ^ key1;
    v = substitute(shuffle(v, tau_inv), box_inv);
    v = shuffle(mult(v), tau_inv) ^ key0 ^ tweak;
    for (int i = 0; i <= iterations; i++) {
        v = substitute(v, box_inv);
        if (i < iterations)
            v = shuffle(mult(v), tau_inv);
        tweak = tweak_backward(tweak);
        v ^= round_constant[iterations - i] ^ key1 ^ tweak ^ alpha;
    }
    return v ^ modk0;
}

/* The implementation defined one: generated code computes it in place (jit/emit_pauth.c). */
static u64 mix(u64 data, u64 modifier, struct pauth_key key)
{
    unsigned __int128 p = (unsigned __int128)(data ^ key.lo) * (modifier ^ key.hi ^ PAUTH_MIX);
    return (u64)p ^ (u64)(p >> 64);
}

u64 pauth_compute(enum pauth_algorithm alg, u64 data, u64 modifier, struct pauth_key key)
{
    switch (alg) {
    case PAUTH_QARMA5: return qarma(data, modifier, key, 4, sigma, sigma_inv);
    case PAUTH_QARMA3: return qarma(data, modifier, key, 2, sigma1, sigma1);
    default: return mix(data, modifier, key);
    }
}

/* ---- pointers ------------------------------------------------------------------------------- */

u64 pauth_mask(struct pauth_layout l)
{
    u64 m = l.bottom < 55 ? ones(55) & ~ones(l.bottom) : 0;
    return l.tbi ? m : m | 0xffull << 56;
}

u64 pauth_extend(struct pauth_layout l, u64 ptr, bool sel)
{
    u64 m = pauth_mask(l) | 1ull << 55;
    return sel ? ptr | m : ptr & ~m;
}

u64 pauth_add(enum pauth_level level, struct pauth_layout l, u64 ptr, bool sel, u64 pac)
{
    u64 m = pauth_mask(l), all = m | 1ull << 55;
    if ((ptr & all) != 0 && (ptr & all) != all) { /* not an address: must not authenticate */
        if (level == PAUTH_EPAC)
            pac = 0;
        else if (level == PAUTH_1)
            pac ^= 1ull << (l.tbi ? 54 : 62);
    }
    if (level == PAUTH_2)
        pac ^= ptr;
    return (ptr & ~all) | (pac & m) | (u64)sel << 55;
}

u64 pauth_auth(enum pauth_level level, struct pauth_layout l, u64 ptr, u64 pac, bool key_b, bool *ok)
{
    u64 m = pauth_mask(l), original = pauth_extend(l, ptr, bit(ptr, 55));
    if (level == PAUTH_2) {
        u64 r = ptr ^ (pac & m);
        *ok = r == original;
        return r;
    }
    *ok = ((ptr ^ pac) & m) == 0;
    if (*ok)
        return original;
    unsigned lsb = l.tbi ? 53 : 61;
    return deposit(original, lsb + 1, lsb, key_b ? 2 : 1);
}
