/* Guest vector registers in host registers, constants, VEX instructions (vector.h). */
#include "jit/vector.h"

#include <string.h>

#include "core/bits.h"
#include "jit/internal.h"

/* ---- instructions ---------------------------------------------------------------------------- */

void v_rr(struct translation *t, unsigned op, unsigned r, unsigned v, unsigned b)
{
    x64_vex_rr(&t->as, op >> 12 & 15, op >> 8 & 15, op >> 16, op & 0xff, r, v, b);
}
void v_rri(struct translation *t, unsigned op, unsigned r, unsigned v, unsigned b, unsigned imm)
{
    v_rr(t, op, r, v, b);
    x64_8(&t->as, imm);
}
void v_rm(struct translation *t, unsigned op, unsigned r, unsigned v, unsigned base, s32 disp)
{
    x64_vex_rm(&t->as, op >> 12 & 15, op >> 8 & 15, op >> 16, op & 0xff, r, v, base, disp);
}
void v_rc(struct translation *t, unsigned op, unsigned r, unsigned v, unsigned constant)
{
    v_rm(t, op, r, v, R_CONST, (s32)(offsetof(struct jit_shared, vector) + 16 * constant));
}
void v_shift(struct translation *t, unsigned op, unsigned kind, unsigned r, unsigned b, unsigned n)
{
    v_rri(t, op, kind, r, b, n);
}

unsigned v_fp(unsigned op, bool dbl, bool packed)
{
    if (op >= VAND_F && op <= VXOR_F)
        return VOP(1, dbl ? 1u : 0u, op);
    return VOP(1, packed ? (dbl ? 1u : 0u) : (dbl ? 3u : 2u), op);
}

/* ---- guest registers ------------------------------------------------------------------------- */

s32 v_disp(unsigned r) { return (s32)offsetof(struct cpu, v) + 32 * (s32)r - CPU_BIAS; }

static unsigned host_of(const struct translation *t, unsigned r)
{
    unsigned m = bytes_equal(t->vs.guest, r + 1) >> V_FIRST << V_FIRST;
    return m ? (unsigned)__builtin_ctz(m) : 0;
}

unsigned v_host(const struct translation *t, unsigned r, unsigned bytes)
{
    unsigned h = host_of(t, r);
    return h && t->vs.valid[h] >= bytes ? h : 0;
}

void v_store(struct x64 *a, const struct vstate *s, unsigned host)
{
    x64_vex_rm(a, 1, 1, false, VMOVDQA_ST & 0xff, host, 0, R_CPU, v_disp(s->guest[host] - 1u));
}

void v_leave(struct x64 *a, const struct vstate *s)
{
    for (unsigned m = s->dirty; m; m &= m - 1)
        v_store(a, s, (unsigned)__builtin_ctz(m));
}

unsigned v_unkept(const struct vstate *from, const struct vstate *to)
{
    return from->dirty ? from->dirty & ~(bytes_same(from->guest, to->guest) & to->dirty) : 0u;
}

void v_memory(struct translation *t, unsigned r)
{
    unsigned h = host_of(t, r);
    if (h && t->vs.dirty >> h & 1) {
        v_store(&t->as, &t->vs, h);
        t->vs.dirty &= (u16) ~(1u << h);
    }
}

/* Makes host the youngest; ages stay a permutation. */
static void touch(struct translation *t, unsigned host)
{
    struct vstate *s = &t->vs;
    for (unsigned h = V_FIRST; h < V_HOSTS; h++)
        if (s->age[h] < s->age[host])
            s->age[h]++;
    s->age[host] = 0;
}

static unsigned allocate(struct translation *t, unsigned r)
{
    struct vstate *s = &t->vs;
    unsigned best = V_FIRST;
    CHECK(t->vectors);
    for (unsigned h = V_FIRST; h < V_HOSTS; h++) {
        if (!s->guest[h]) {
            best = h;
            break;
        }
        if (s->age[h] > s->age[best])
            best = h;
    }
    if (s->dirty >> best & 1)
        v_store(&t->as, s, best);
    s->dirty &= (u16) ~(1u << best);
    bytes_set(s->guest, best, r + 1);
    s->valid[best] = 0;
    touch(t, best);
    return best;
}

static void load(struct translation *t, unsigned host, unsigned r, unsigned bytes)
{
    v_rm(t, bytes == 16 ? VMOVDQA : bytes == 8 ? VMOVQ : VMOVD, host, 0, R_CPU, v_disp(r));
    t->vs.valid[host] = t->vs.zero[host] = (u8)bytes;
}

unsigned v_get_low(struct translation *t, unsigned r, unsigned bytes)
{
    unsigned h = host_of(t, r);
    if (!h)
        h = allocate(t, r);
    else
        touch(t, h);
    if (t->vs.valid[h] < bytes)
        load(t, h, r, bytes);
    return h;
}

unsigned v_get(struct translation *t, unsigned r) { return v_get_low(t, r, 16); }

unsigned v_get_half(struct translation *t, unsigned r, unsigned tmp)
{
    unsigned h = v_get_low(t, r, 8);
    if (t->vs.zero[h] <= 8)
        return h;
    v_rr(t, VMOVQ, tmp, 0, h);
    return tmp;
}

unsigned v_src(struct translation *t, unsigned r, bool q, unsigned tmp)
{
    return q ? v_get(t, r) : v_get_half(t, r, tmp);
}

unsigned v_new(struct translation *t, unsigned r)
{
    unsigned h = host_of(t, r);
    if (!h)
        h = allocate(t, r);
    else
        touch(t, h);
    return h;
}

void v_done(struct translation *t, unsigned r, unsigned zero)
{
    unsigned h = host_of(t, r);
    CHECK(h);
    t->vs.valid[h] = 16;
    t->vs.zero[h] = (u8)zero;
    t->vs.dirty |= (u16)(1u << h);
}

void v_put_zero(struct translation *t, unsigned r, unsigned host, unsigned zero)
{
    unsigned h = v_new(t, r);
    if (h != host)
        v_rr(t, VMOVAPS, h, 0, host);
    v_done(t, r, zero);
}

void v_put(struct translation *t, unsigned r, unsigned host, bool q)
{
    if (q) {
        v_put_zero(t, r, host, 16);
        return;
    }
    v_rr(t, VMOVQ, v_new(t, r), 0, host);
    v_done(t, r, 8);
}

void v_forget(struct translation *t)
{
    memset(t->vs.guest, 0, sizeof t->vs.guest);
    memset(t->vs.valid, 0, sizeof t->vs.valid);
    memset(t->vs.zero, 0, sizeof t->vs.zero);
    t->vs.dirty = 0;
    for (unsigned h = 0; h < V_HOSTS; h++)
        t->vs.age[h] = (u8)h;
}

void v_drop(struct translation *t, unsigned r)
{
    unsigned h = host_of(t, r);
    if (!h)
        return;
    bytes_set(t->vs.guest, h, 0);
    t->vs.dirty &= (u16) ~(1u << h);
}

void v_reload(struct translation *t, const struct vstate *vs)
{
    for (unsigned m = v_hosts(vs->guest); m; m &= m - 1) {
        unsigned h = (unsigned)__builtin_ctz(m);
        load(t, h, vs->guest[h] - 1u, vs->valid[h]);
    }
}

bool v_implies(const struct vstate *now, const struct vstate *need)
{
    for (unsigned m = v_hosts(need->guest); m; m &= m - 1) {
        unsigned h = (unsigned)__builtin_ctz(m);
        if (now->guest[h] != need->guest[h] || now->valid[h] < need->valid[h] || now->zero[h] > need->zero[h])
            return false;
    }
    return !need->flags.op || flags_same(&now->flags, &need->flags);
}

unsigned v_zero_from(const struct translation *t, unsigned host) { return host < V_FIRST ? 16 : t->vs.zero[host]; }

/* ---- constants ------------------------------------------------------------------------------- */

static void fill(u8 *c, unsigned size, u64 v)
{
    for (unsigned i = 0; i < 16; i += size)
        memcpy(c + i, &v, size);
}

/* Bytes i of the result: of an element of to bytes, taken in reverse order of from bytes each. */
static void reverse(u8 *c, unsigned to, unsigned from)
{
    for (unsigned i = 0; i < 16; i++)
        c[i] = (u8)(i / to * to + (to - from - i % to / from * from) + i % from);
}

static void narrow(u8 *c, unsigned size, unsigned odd)
{
    memset(c, 0x80, 16);
    for (unsigned i = 0; i < 8; i++)
        c[i] = (u8)(i / size * 2 * size + odd * size + i % size);
}

unsigned vector_structure(unsigned base, unsigned n, bool q, unsigned size, unsigned result, unsigned operand)
{
    unsigned before = n == 2 ? 0 : n == 3 ? 4 * 8 : 13 * 8;
    return base + before + ((q ? 4u : 0u) + size) * n * n + result * n + operand;
}

/* Memory is operand j's bytes 16 * j on; register k's element e lies at (e * n + k) << size. */
static void structures(u8 (*c)[16])
{
    memset(c[VC_LDN], 0x80, (VECTOR_CONSTS - VC_LDN) * 16u);
    for (unsigned n = 2; n <= 4; n++)
        for (unsigned q = 0; q < 2; q++)
            for (unsigned size = 0; size < 4; size++)
                for (unsigned k = 0; k < n; k++)
                    for (unsigned b = 0; b < (q ? 16u : 8u); b++) {
                        unsigned at = ((b >> size) * n + k) << size | (b & ((1u << size) - 1));
                        c[vector_structure(VC_LDN, n, q, size, k, at / 16)][b] = (u8)(at % 16);
                        c[vector_structure(VC_STN, n, q, size, at / 16, k)][at % 16] = (u8)b;
                    }
}

static void float_consts(u8 (*c)[16])
{
    static const struct {
        u16 at;
        u32 v;
    } s[] = {{VC_ABS_S, 0x7fffffff},  {VC_SIGN_S, 0x80000000},  {VC_TINY_S, 0x00800000},  {VC_ONE_S, 0x3f800000},
             {VC_HALF_S, 0x3f000000}, {VC_INT31_S, 0x4effffff}, {VC_INT52_S, 0x4b000000}, {VC_INT_MIN_S, 0x80000000}};
    static const struct {
        u16 at;
        u64 v;
    } d[] = {{VC_ABS_D, ~0ull >> 1},
             {VC_SIGN_D, 1ull << 63},
             {VC_TINY_D, 1ull << 52},
             {VC_ONE_D, 0x3ff0000000000000ull},
             {VC_HALF_D, 0x3fe0000000000000ull},
             {VC_INT31_D, 0x41dfffffffc00000ull},
             {VC_INT52_D, 0x4330000000000000ull}};
    for (unsigned i = 0; i < ARRAY_LEN(s); i++)
        fill(c[s[i].at], 4, s[i].v);
    for (unsigned i = 0; i < ARRAY_LEN(d); i++)
        fill(c[d[i].at], 8, d[i].v);
    memcpy(c[VC_ABS1_S], c[VC_ABS_S], 4);
    memcpy(c[VC_ABS1_D], c[VC_ABS_D], 8);
    memcpy(c[VC_SIGN1_S], c[VC_SIGN_S], 4);
    memcpy(c[VC_SIGN1_D], c[VC_SIGN_D], 8);
    memcpy(c[VC_ONE_HIGH_S] + 8, c[VC_ONE_S], 8);
}

void vector_consts(u8 (*c)[16])
{
    static const u8 counts[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};
    memset(c, 0, VECTOR_CONSTS * 16u);
    float_consts(c);
    fill(c[VC_ONE_B], 1, 1);
    fill(c[VC_ONE_H], 2, 1);
    fill(c[VC_LOW_B], 2, 0xff);
    fill(c[VC_LOW_H], 4, 0xffff);
    fill(c[VC_HIGH_B], 2, 0xff00);
    fill(c[VC_MSB_B], 1, 0x80);
    fill(c[VC_MSB_H], 2, 0x8000);
    fill(c[VC_NIBBLE], 1, 0x0f);
    for (unsigned i = 0; i < 16; i++) {
        unsigned zeros = i ? (unsigned)__builtin_clz(i) - 28 : 4;
        c[VC_CLZ_HIGH][i] = (u8)(i ? zeros : 8);
        c[VC_CLZ_LOW][i] = (u8)(4 + zeros);
    }
    for (unsigned i = 0; i < 16; i++) {
        c[VC_RBIT_LOW][i] = (u8)(i >> 3 | (i >> 1 & 2) | (i << 1 & 4) | (i << 3 & 8));
        c[VC_RBIT_HIGH][i] = (u8)(c[VC_RBIT_LOW][i] << 4);
    }
    memcpy(c[VC_COUNTS], counts, 16);
    fill(c[VC_TBL], 1, 0x70);
    reverse(c[VC_REV16], 2, 1);
    reverse(c[VC_REV32_B], 4, 1);
    reverse(c[VC_REV32_H], 4, 2);
    reverse(c[VC_REV64_B], 8, 1);
    reverse(c[VC_REV64_H], 8, 2);
    narrow(c[VC_NARROW_H], 1, 0);
    narrow(c[VC_NARROW_S], 2, 0);
    narrow(c[VC_NARROW_HO], 1, 1);
    narrow(c[VC_NARROW_SO], 2, 1);
    fill(c[VC_U16], 1, 16);
    fill(c[VC_U32], 1, 32);
    fill(c[VC_U48], 1, 48);
    for (unsigned n = 0; n < 8; n++) {
        fill(c[VC_SHL_B + n], 1, 0xff << n & 0xff);
        fill(c[VC_SHR_B + n], 1, 0xff >> n);
    }
    structures(c);
}
