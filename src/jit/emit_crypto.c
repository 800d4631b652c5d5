/* AES, PMULL, SHA-256 and the three-operand logic of SHA-3, where the host has the instructions; else, and for the
 * rest, calls. The host numbers the state of AES as Arm does. */
#include "core/bits.h"
#include "jit/internal.h"

static void em_eor3(struct translation *t, const struct op *o)
{
    v_rr(t, VPXOR, 0, v_get(t, o->rn), v_get(t, o->rm));
    v_rr(t, VPXOR, 0, 0, v_get(t, o->ra));
    v_put(t, o->rd, 0, true);
}
static void em_bcax(struct translation *t, const struct op *o)
{
    v_rr(t, VPANDN, 0, v_get(t, o->ra), v_get(t, o->rm));
    v_rr(t, VPXOR, 0, 0, v_get(t, o->rn));
    v_put(t, o->rd, 0, true);
}
/* xmm0 = xmm0 rotated right by n in both halves */
static void rotate(struct translation *t, unsigned n)
{
    v_shift(t, VSHIFTQ, SHIFT_SLL, 1, 0, 64 - n);
    v_shift(t, VSHIFTQ, SHIFT_SRL, 0, 0, n);
    v_rr(t, VPOR, 0, 0, 1);
}
static void em_rax1(struct translation *t, const struct op *o)
{
    v_rr(t, VMOVAPS, 0, 0, v_get(t, o->rm));
    rotate(t, 63);
    v_rr(t, VPXOR, 0, 0, v_get(t, o->rn));
    v_put(t, o->rd, 0, true);
}
static void em_xar(struct translation *t, const struct op *o)
{
    v_rr(t, VPXOR, 0, v_get(t, o->rn), v_get(t, o->rm));
    rotate(t, (unsigned)o->imm & 63);
    v_put(t, o->rd, 0, true);
}

/* ---- AES ------------------------------------------------------------------------------------- */

/* AESE is the host's last round with a zero key, AESE and AESMC of its result a whole round: then both are emitted at
 * once. a: the last round's opcode; AESD has no such pair, as the host's order of steps is another */
static void em_aes(struct translation *t, const struct op *o)
{
    if (!t->j->has_aes) {
        t_call(t);
        return;
    }
    const struct op *next = t->k + 1 < t->n ? o + 1 : NULL;
    unsigned op = VOP(2, 1, t->e->a);
    if (op == VAESENCLAST && next && a64_execs[next->row] == exec_aesmc && next->rn == o->rd && next->rd == o->rd) {
        op = VAESENC;
        t->skip = 1;
    }
    v_rr(t, VPXOR, 1, 1, 1);
    v_rr(t, VPXOR, 0, v_get(t, o->rd), v_get(t, o->rn));
    v_rr(t, op, v_new(t, o->rd), 0, 1);
    v_done(t, o->rd, 16);
}
static void em_aesmc(struct translation *t, const struct op *o)
{
    if (!t->j->has_aes) {
        t_call(t);
        return;
    }
    unsigned n = v_get(t, o->rn);
    v_rr(t, VPXOR, 1, 1, 1);
    v_rr(t, VAESDECLAST, 0, n, 1); /* undoes the other steps of a round */
    v_rr(t, VAESENC, 0, 0, 1);
    v_put(t, o->rd, 0, true);
}
static void em_aesimc(struct translation *t, const struct op *o)
{
    if (!t->j->has_aes) {
        t_call(t);
        return;
    }
    v_rr(t, VAESIMC, 0, 0, v_get(t, o->rn));
    v_put(t, o->rd, 0, true);
}

/* x = Q: the upper halves */
static void em_pmull64(struct translation *t, const struct op *o)
{
    if (!t->j->has_pclmul) {
        t_call(t);
        return;
    }
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm);
    v_rri(t, VPCLMULQDQ, 0, n, m, o->y ? 0x11 : 0x00);
    v_put(t, o->rd, 0, true);
}

/* ---- SHA-256 --------------------------------------------------------------------------------- */

enum { SHA256RNDS2 = 0xcb, SHA256MSG1 = 0xcc, SHA256MSG2 = 0xcd };

/* 0f 38 op: there is no VEX form. SHA256RNDS2 reads xmm0 as well. */
static void sha_rr(struct translation *t, unsigned op, unsigned r, unsigned b)
{
    x64_8(&t->as, 0x0f);
    x64_8(&t->as, 0x38);
    x64_8(&t->as, op);
    x64_8(&t->as, 0xc0 | r << 3 | b);
}

/* Four rounds. The host holds A, B, E, F and C, D, G, H in one register each, from the top down. a: the lower half of
 * the state is wanted (SHA256H2: rd is E to H, rn A to D) */
static void em_sha256h(struct translation *t, const struct op *o)
{
    if (!t->j->has_sha) {
        t_call(t);
        return;
    }
    unsigned abcd = v_get(t, t->e->a ? o->rn : o->rd), efgh = v_get(t, t->e->a ? o->rd : o->rn), w = v_get(t, o->rm);
    v_rri(t, VSHUFPS, 1, efgh, abcd, 0x11); /* F E B A */
    v_rri(t, VSHUFPS, 2, efgh, abcd, 0xbb); /* H G D C */
    v_rr(t, VMOVAPS, 0, 0, w);
    sha_rr(t, SHA256RNDS2, 2, 1);
    v_rri(t, VPSHUFD, 0, 0, w, 0xee);
    sha_rr(t, SHA256RNDS2, 1, 2);
    v_rri(t, VSHUFPS, 0, 1, 2, t->e->a ? 0x11 : 0xbb);
    v_put(t, o->rd, 0, true);
}
static void em_sha256su0(struct translation *t, const struct op *o)
{
    if (!t->j->has_sha) {
        t_call(t);
        return;
    }
    v_rr(t, VMOVAPS, 0, 0, v_get(t, o->rd));
    v_rr(t, VMOVAPS, 1, 0, v_get(t, o->rn));
    sha_rr(t, SHA256MSG1, 0, 1);
    v_put(t, o->rd, 0, true);
}
static void em_sha256su1(struct translation *t, const struct op *o)
{
    if (!t->j->has_sha) {
        t_call(t);
        return;
    }
    unsigned d = v_get(t, o->rd), n = v_get(t, o->rn), m = v_get(t, o->rm);
    v_rri(t, VPALIGNR, 0, m, n, 4);
    v_rr(t, VPADDD, 0, 0, d);
    v_rr(t, VMOVAPS, 1, 0, m);
    sha_rr(t, SHA256MSG2, 0, 1);
    v_put(t, o->rd, 0, true);
}

#define X (EMIT_FP | EMIT_EXIT) /* may be a call */
const struct emit_row emit_crypto_rows[] = {
    ROW(eor3, em_eor3, EMIT_FP),
    ROW(bcax, em_bcax, EMIT_FP),
    ROW(rax1, em_rax1, EMIT_FP),
    ROW(xar, em_xar, EMIT_FP),
    ROW(aese, em_aes, X, VAESENCLAST & 0xff),
    ROW(aesd, em_aes, X, VAESDECLAST & 0xff),
    ROW(aesmc, em_aesmc, X),
    ROW(aesimc, em_aesimc, X),
    ROW(pmull64_v, em_pmull64, X),
    ROW(sha256h, em_sha256h, X, 0),
    ROW(sha256h2, em_sha256h, X, 1),
    ROW(sha256su0, em_sha256su0, X),
    ROW(sha256su1, em_sha256su1, X),
    {0},
};
