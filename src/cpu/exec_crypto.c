/* Cryptographic instructions (DDI0487 C4: cryptographic AES, two- and three-register SHA, SHA512, four-
 * register, XAR, SM3 and SM4): FEAT_AES, PMULL, SHA1, SHA256, SHA512, SHA3, SM3, SM4.
 *
 * AES state: byte 4c + r of the vector is row r, column c of FIPS 197. */
#include "cpu/exec_crypto_tab.h"
#include "cpu/exec_simd.h"

static inline u32 rol32(u32 v, unsigned n) { return ror32(v, 32 - n); }

/* ---- AES ------------------------------------------------------------------------------------ */

/* AESE, AESD: AddRoundKey, then (Inv)ShiftRows and (Inv)SubBytes: row r moves by r columns. */
static inline enum step aes_round(struct cpu *c, const struct op *o, const u8 box[256], unsigned step)
{
    SIMD_CHECK(c);
    union v128 d = simd_get(c, o->rd), n = simd_get(c, o->rn), r;
    d.ud[0] ^= n.ud[0];
    d.ud[1] ^= n.ud[1];
    for (unsigned i = 0; i < 16; i++)
        r.ub[i] = box[d.ub[(i + step * (i & 3)) & 15]];
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}
enum step exec_aese(struct cpu *c, const struct op *o) { return aes_round(c, o, aes_sbox, 4); }
enum step exec_aesd(struct cpu *c, const struct op *o) { return aes_round(c, o, aes_inv_sbox, 12); }

/* Two columns at a time: multiplication by x in GF(2^8), and rotation of each column by rows. */
static inline u64 aes_xtime(u64 v)
{
    return (v & 0x7f7f7f7f7f7f7f7full) << 1 ^ (v >> 7 & 0x0101010101010101ull) * 0x1b;
}
static inline u64 aes_rot(u64 v, unsigned rows)
{
    u64 low = ones(32 - 8 * rows) * 0x100000001ull;
    return (v >> 8 * rows & low) | (v << (32 - 8 * rows) & ~low);
}
static inline u64 aes_mix(u64 v)
{
    u64 r1 = aes_rot(v, 1);
    return aes_xtime(v ^ r1) ^ r1 ^ aes_rot(v, 2) ^ aes_rot(v, 3);
}
/* The inverse matrix is the forward one times (5 0 4 0). */
static inline u64 aes_inv_mix(u64 v) { return aes_mix(v ^ aes_xtime(aes_xtime(v ^ aes_rot(v, 2)))); }

enum step exec_aesmc(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 n = simd_get(c, o->rn);
    simd_set(c, o->rd, (union v128){.ud = {aes_mix(n.ud[0]), aes_mix(n.ud[1])}});
    return STEP_NEXT;
}
enum step exec_aesimc(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 n = simd_get(c, o->rn);
    simd_set(c, o->rd, (union v128){.ud = {aes_inv_mix(n.ud[0]), aes_inv_mix(n.ud[1])}});
    return STEP_NEXT;
}

/* PMULL, 64 bits: four bits of the multiplier at a time; y = Q takes the upper halves. */
enum step exec_pmull64_v(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    u64 n = c->v[o->rn].d[o->y], m = c->v[o->rm].d[o->y];
    u128 t[16];
    t[0] = 0;
    t[1] = n;
    for (unsigned i = 2; i < 16; i += 2) {
        t[i] = t[i / 2] << 1;
        t[i + 1] = t[i] ^ n;
    }
    u128 r = 0;
    for (int s = 60; s >= 0; s -= 4)
        r = r << 4 ^ t[m >> s & 15];
    simd_set(c, o->rd, (union v128){.ud = {(u64)r, (u64)(r >> 64)}});
    return STEP_NEXT;
}

/* ---- SHA1 (FIPS 180-4) ---------------------------------------------------------------------- */

static inline u32 sha_ch(u32 x, u32 y, u32 z) { return ((y ^ z) & x) ^ z; }
static inline u32 sha_parity(u32 x, u32 y, u32 z) { return x ^ y ^ z; }
static inline u32 sha_maj(u32 x, u32 y, u32 z) { return (x & y) | ((x | y) & z); }

/* Four rounds: Qd = {a, b, c, d}, Sn = e, Vm = schedule plus constants. */
#define SHA1_HASH(name, f)                                                                                             \
    enum step exec_##name(struct cpu *c, const struct op *o)                                                           \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 x = simd_get(c, o->rd), w = simd_get(c, o->rm);                                                     \
        u32 y = c->v[o->rn].s[0];                                                                                      \
        for (unsigned e = 0; e < 4; e++) {                                                                             \
            u32 t = y + rol32(x.uw[0], 5) + f(x.uw[1], x.uw[2], x.uw[3]) + w.uw[e];                                    \
            y = x.uw[3];                                                                                               \
            x.uw[3] = x.uw[2];                                                                                         \
            x.uw[2] = rol32(x.uw[1], 30);                                                                              \
            x.uw[1] = x.uw[0];                                                                                         \
            x.uw[0] = t;                                                                                               \
        }                                                                                                              \
        simd_set(c, o->rd, x);                                                                                         \
        return STEP_NEXT;                                                                                              \
    }
SHA1_HASH(sha1c, sha_ch);
SHA1_HASH(sha1p, sha_parity);
SHA1_HASH(sha1m, sha_maj);

enum step exec_sha1h(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    u32 v = rol32(c->v[o->rn].s[0], 30);
    simd_set(c, o->rd, (union v128){.ud = {v, 0}});
    return STEP_NEXT;
}

enum step exec_sha1su0(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 d = simd_get(c, o->rd), n = simd_get(c, o->rn), m = simd_get(c, o->rm), r;
    r.ud[0] = d.ud[1] ^ d.ud[0] ^ m.ud[0];
    r.ud[1] = n.ud[0] ^ d.ud[1] ^ m.ud[1];
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}

enum step exec_sha1su1(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 d = simd_get(c, o->rd), n = simd_get(c, o->rn), r;
    for (unsigned i = 0; i < 4; i++)
        r.uw[i] = rol32(d.uw[i] ^ (i < 3 ? n.uw[i + 1] : 0), 1);
    r.uw[3] ^= rol32(d.uw[0] ^ n.uw[1], 2);
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}

/* ---- SHA256 --------------------------------------------------------------------------------- */

/* Four rounds of {a b c d} in x and {e f g h} in y. */
static inline void sha256_hash(union v128 *x, union v128 *y, const union v128 *w)
{
    for (unsigned e = 0; e < 4; e++) {
        u32 s1 = ror32(y->uw[0], 6) ^ ror32(y->uw[0], 11) ^ ror32(y->uw[0], 25);
        u32 s0 = ror32(x->uw[0], 2) ^ ror32(x->uw[0], 13) ^ ror32(x->uw[0], 22);
        u32 t = y->uw[3] + s1 + sha_ch(y->uw[0], y->uw[1], y->uw[2]) + w->uw[e];
        u32 d = x->uw[3];
        u32 a = t + s0 + sha_maj(x->uw[0], x->uw[1], x->uw[2]);
        for (unsigned i = 3; i > 0; i--) {
            x->uw[i] = x->uw[i - 1];
            y->uw[i] = y->uw[i - 1];
        }
        x->uw[0] = a;
        y->uw[0] = d + t;
    }
}
enum step exec_sha256h(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 x = simd_get(c, o->rd), y = simd_get(c, o->rn), w = simd_get(c, o->rm);
    sha256_hash(&x, &y, &w);
    simd_set(c, o->rd, x);
    return STEP_NEXT;
}
enum step exec_sha256h2(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 x = simd_get(c, o->rn), y = simd_get(c, o->rd), w = simd_get(c, o->rm);
    sha256_hash(&x, &y, &w);
    simd_set(c, o->rd, y);
    return STEP_NEXT;
}
enum step exec_sha256su0(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 d = simd_get(c, o->rd), r;
    for (unsigned i = 0; i < 4; i++) {
        u32 v = i < 3 ? d.uw[i + 1] : c->v[o->rn].s[0];
        r.uw[i] = d.uw[i] + (ror32(v, 7) ^ ror32(v, 18) ^ v >> 3);
    }
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}
enum step exec_sha256su1(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 d = simd_get(c, o->rd), n = simd_get(c, o->rn), m = simd_get(c, o->rm), r;
    for (unsigned i = 0; i < 4; i++) {
        u32 v = i < 2 ? m.uw[i + 2] : r.uw[i - 2];
        u32 s1 = ror32(v, 17) ^ ror32(v, 19) ^ v >> 10;
        r.uw[i] = d.uw[i] + (i < 3 ? n.uw[i + 1] : m.uw[0]) + s1;
    }
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}

/* ---- SHA512 --------------------------------------------------------------------------------- */

static inline u64 sha512_big1(u64 v) { return ror64(v, 14) ^ ror64(v, 18) ^ ror64(v, 41); }
static inline u64 sha512_big0(u64 v) { return ror64(v, 28) ^ ror64(v, 34) ^ ror64(v, 39); }
static inline u64 sha512_small0(u64 v) { return ror64(v, 1) ^ ror64(v, 8) ^ v >> 7; }
static inline u64 sha512_small1(u64 v) { return ror64(v, 19) ^ ror64(v, 61) ^ v >> 6; }

enum step exec_sha512h(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 w = simd_get(c, o->rd), x = simd_get(c, o->rn), y = simd_get(c, o->rm), r;
    r.ud[1] = w.ud[1] + sha512_big1(y.ud[1]) + ((y.ud[1] & x.ud[0]) ^ (~y.ud[1] & x.ud[1]));
    u64 t = r.ud[1] + y.ud[0];
    r.ud[0] = w.ud[0] + sha512_big1(t) + ((t & y.ud[1]) ^ (~t & x.ud[0]));
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}
enum step exec_sha512h2(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 w = simd_get(c, o->rd), x = simd_get(c, o->rn), y = simd_get(c, o->rm), r;
    u64 a = x.ud[0], b = y.ud[1], d = y.ud[0];
    r.ud[1] = w.ud[1] + sha512_big0(d) + ((a & b) ^ (a & d) ^ (b & d));
    u64 t = r.ud[1];
    r.ud[0] = w.ud[0] + sha512_big0(t) + ((t & d) ^ (t & b) ^ (b & d));
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}
enum step exec_sha512su0(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 w = simd_get(c, o->rd), x = simd_get(c, o->rn), r;
    r.ud[0] = w.ud[0] + sha512_small0(w.ud[1]);
    r.ud[1] = w.ud[1] + sha512_small0(x.ud[0]);
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}
enum step exec_sha512su1(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 w = simd_get(c, o->rd), x = simd_get(c, o->rn), y = simd_get(c, o->rm), r;
    for (unsigned i = 0; i < 2; i++)
        r.ud[i] = w.ud[i] + sha512_small1(x.ud[i]) + y.ud[i];
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}

/* ---- SHA3 ----------------------------------------------------------------------------------- */

#define SHA3_OP(name, expr)                                                                                            \
    enum step exec_##name(struct cpu *c, const struct op *o)                                                           \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 r, vn = simd_get(c, o->rn), vm = simd_get(c, o->rm), va = simd_get(c, o->ra);                       \
        for (unsigned i = 0; i < 2; i++) {                                                                             \
            u64 n = vn.ud[i], m = vm.ud[i], a SIMD_UNUSED = va.ud[i];                                                  \
            r.ud[i] = expr;                                                                                            \
        }                                                                                                              \
        simd_set(c, o->rd, r);                                                                                         \
        return STEP_NEXT;                                                                                              \
    }
SHA3_OP(eor3, n ^ m ^ a);
SHA3_OP(bcax, n ^ (m & ~a))
SHA3_OP(rax1, n ^ ror64(m, 63))
SHA3_OP(xar, ror64(n ^ m, (unsigned)o->imm))

/* ---- SM3 (GB/T 32905): imm = element index of Vm -------------------------------------------- */

enum step exec_sm3ss1(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    u32 v = rol32(c->v[o->rn].s[3], 12) + c->v[o->rm].s[3] + c->v[o->ra].s[3];
    simd_set(c, o->rd, (union v128){.uw = {0, 0, 0, rol32(v, 7)}});
    return STEP_NEXT;
}

static inline u32 sm3_xor(u32 x, u32 y, u32 z) { return x ^ y ^ z; }
static inline u32 sm3_maj(u32 x, u32 y, u32 z) { return (x & y) | (x & z) | (y & z); }
static inline u32 sm3_ch(u32 x, u32 y, u32 z) { return (x & y) | (~x & z); }

/* TT1: Vd = {d, c, b, a} from element 0 up; TT2 likewise {h, g, f, e}. */
static inline enum step sm3_tt1(struct cpu *c, const struct op *o, u32 (*f)(u32, u32, u32))
{
    SIMD_CHECK(c);
    union v128 d = simd_get(c, o->rd), n = simd_get(c, o->rn);
    u32 w = c->v[o->rm].s[o->imm], ss2 = n.uw[3] ^ rol32(d.uw[3], 12);
    u32 t = f(d.uw[3], d.uw[2], d.uw[1]) + d.uw[0] + ss2 + w;
    simd_set(c, o->rd, (union v128){.uw = {d.uw[1], rol32(d.uw[2], 9), d.uw[3], t}});
    return STEP_NEXT;
}
static inline enum step sm3_tt2(struct cpu *c, const struct op *o, u32 (*f)(u32, u32, u32))
{
    SIMD_CHECK(c);
    union v128 d = simd_get(c, o->rd), n = simd_get(c, o->rn);
    u32 w = c->v[o->rm].s[o->imm];
    u32 t = f(d.uw[3], d.uw[2], d.uw[1]) + d.uw[0] + n.uw[3] + w;
    t ^= rol32(t, 9) ^ rol32(t, 17);
    simd_set(c, o->rd, (union v128){.uw = {d.uw[1], rol32(d.uw[2], 19), d.uw[3], t}});
    return STEP_NEXT;
}
enum step exec_sm3tt1a(struct cpu *c, const struct op *o) { return sm3_tt1(c, o, sm3_xor); }
enum step exec_sm3tt1b(struct cpu *c, const struct op *o) { return sm3_tt1(c, o, sm3_maj); }
enum step exec_sm3tt2a(struct cpu *c, const struct op *o) { return sm3_tt2(c, o, sm3_xor); }
enum step exec_sm3tt2b(struct cpu *c, const struct op *o) { return sm3_tt2(c, o, sm3_ch); }

static inline u32 sm3_p1(u32 x) { return x ^ rol32(x, 15) ^ rol32(x, 23); }

enum step exec_sm3partw1(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 d = simd_get(c, o->rd), n = simd_get(c, o->rn), m = simd_get(c, o->rm), r;
    for (unsigned i = 0; i < 4; i++) {
        u32 next = i < 3 ? m.uw[i + 1] : r.uw[0];
        r.uw[i] = sm3_p1(d.uw[i] ^ n.uw[i] ^ rol32(next, 15));
    }
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}
enum step exec_sm3partw2(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 d = simd_get(c, o->rd), n = simd_get(c, o->rn), m = simd_get(c, o->rm), r;
    u32 t[4];
    for (unsigned i = 0; i < 4; i++) {
        t[i] = n.uw[i] ^ rol32(m.uw[i], 7);
        r.uw[i] = d.uw[i] ^ t[i];
    }
    r.uw[3] ^= sm3_p1(rol32(t[0], 15));
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}

/* ---- SM4 (GB/T 32907) ----------------------------------------------------------------------- */

static inline u32 sm4_sub(u32 v)
{
    return (u32)sm4_sbox[v & 0xff] | (u32)sm4_sbox[v >> 8 & 0xff] << 8 | (u32)sm4_sbox[v >> 16 & 0xff] << 16 |
           (u32)sm4_sbox[v >> 24] << 24;
}

/* Four rounds with the round keys of k: cipher or key schedule by the linear transformation. */
static inline union v128 sm4_rounds(union v128 x, const union v128 *k, bool key)
{
    for (unsigned i = 0; i < 4; i++) {
        u32 t = sm4_sub(x.uw[3] ^ x.uw[2] ^ x.uw[1] ^ k->uw[i]);
        t ^= key ? rol32(t, 13) ^ rol32(t, 23) : rol32(t, 2) ^ rol32(t, 10) ^ rol32(t, 18) ^ rol32(t, 24);
        t ^= x.uw[0];
        x = (union v128){.uw = {x.uw[1], x.uw[2], x.uw[3], t}};
    }
    return x;
}
enum step exec_sm4e(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 k = simd_get(c, o->rn);
    simd_set(c, o->rd, sm4_rounds(simd_get(c, o->rd), &k, false));
    return STEP_NEXT;
}
enum step exec_sm4ekey(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 k = simd_get(c, o->rm);
    simd_set(c, o->rd, sm4_rounds(simd_get(c, o->rn), &k, true));
    return STEP_NEXT;
}
