/* Guest vector registers in host vector registers, and the VEX instructions of the vector emitters.
 *
 * Within a block, values that were loaded or made stay in xmm4 to xmm15; xmm0 to xmm3 are scratch. As with general
 * registers, results are stored when somebody could look at them (dirty, see general.c). An instruction that may go out
 * of line behind its operation makes the result elsewhere while rd is one of its operands: the call reads them. */
#pragma once
#include <smmintrin.h>

#include "core/types.h"

struct translation;
struct x64;

enum { V_FIRST = 4, V_HOSTS = 16 };

/* NZCV that nobody computed yet (flags.c): the flags of an operation on guest registers as they are now. */
struct pending {
    u8 op; /* enum pending_op, 0: the state has them */
    bool wide;
    u8 a, b; /* guest registers or slots */
    s32 imm;
};

/* What is in host registers: guest vector registers, and guest general registers (general.c). */
struct vstate {
    u8 x[16];    /* by host general register: guest register + 1, 0: free or not for guests' */
    struct pending flags;
    u32 x_dirty; /* the state does not have its value yet */
    /* vector registers, last: most notes of links have none and do without */
    u8 guest[V_HOSTS]; /* guest register + 1, 0: free */
    u16 dirty;         /* the state does not have the value of guest[] yet; valid is 16 */
    u8 valid[V_HOSTS]; /* low bytes that are the guest's: 4, 8, 16 */
    u8 zero[V_HOSTS];  /* bytes from which the host register is zero: 4, 8, 16 */
    u8 age[V_HOSTS];
};

/* Constants of 16 bytes that generated code reads through R_CONST. */
enum {
    VC_ABS_S, /* ~sign in every element */
    VC_ABS_D,
    VC_SIGN_S,
    VC_SIGN_D,
    VC_ABS1_S, /* the same in the lowest element alone, zero above */
    VC_ABS1_D,
    VC_SIGN1_S,
    VC_SIGN1_D,
    VC_TINY_S, /* smallest normal */
    VC_TINY_D,
    VC_ONE_HIGH_S, /* 1.0 in the upper half, 0 in the lower */
    VC_ONE_S,
    VC_ONE_D,
    VC_HALF_S,
    VC_HALF_D,
    VC_INT31_S,   /* 2^31 - 128, the largest single below 2^31 */
    VC_INT31_D,   /* 2^31 - 1 */
    VC_INT52_S,   /* 2^23: singles from here on are integers */
    VC_INT52_D,   /* 2^52 */
    VC_INT_MIN_S, /* 0x80000000 */
    VC_ONE_B,
    VC_ONE_H,
    VC_LOW_B,    /* 0x00ff in every halfword */
    VC_LOW_H,    /* 0x0000ffff in every word */
    VC_HIGH_B,   /* 0xff00 */
    VC_MSB_B,    /* 0x80 */
    VC_MSB_H,    /* 0x8000 */
    VC_NIBBLE,   /* 0x0f */
    VC_COUNTS,   /* bits set in 0 to 15 */
    VC_CLZ_HIGH, /* leading zeros of a byte by its upper nibble, 8 for 0; by its lower */
    VC_CLZ_LOW,
    VC_RBIT_HIGH, /* a nibble's bits reversed, in the upper half of the byte; in the lower */
    VC_RBIT_LOW,
    VC_TBL, /* 0x70 */
    VC_REV16,
    VC_REV32_B,
    VC_REV32_H,
    VC_REV64_B,
    VC_REV64_H,
    VC_NARROW_H,  /* even bytes to the lower half */
    VC_NARROW_S,  /* even halfwords to the lower half */
    VC_NARROW_HO, /* odd bytes, odd halfwords */
    VC_NARROW_SO,
    VC_U16, /* 16, 32 and 48 in every byte follow each other */
    VC_U32,
    VC_U48,
    VC_SHL_B, /* 0xff << n in every byte, n = 0 to 7 */
    VC_SHR_B = VC_SHL_B + 8,
    /* Which byte of register j of n goes to byte i of register k: loads and stores of structures, by n, Q, size,
     * result and operand */
    VC_LDN = VC_SHR_B + 8,
    VC_STN = VC_LDN + (4 + 9 + 16) * 8,
    VECTOR_CONSTS = VC_STN + (4 + 9 + 16) * 8
};

void vector_consts(u8 (*consts)[16]);
/* The shuffle of VC_LDN or VC_STN. */
unsigned vector_structure(unsigned base, unsigned n, bool q, unsigned size, unsigned result, unsigned operand);

/* VEX opcodes: map << 12 | pp << 8 | opcode, W in bit 16. Names are Intel's. */
#define VOP(map, pp, op)  ((map) << 12 | (pp) << 8 | (op))
#define VOPW(map, pp, op) (VOP(map, pp, op) | 1 << 16)
enum vop {
    VMOVAPS = VOP(1, 0, 0x28),
    VMOVDQA = VOP(1, 1, 0x6f),
    VMOVDQA_ST = VOP(1, 1, 0x7f),
    VMOVDQU = VOP(1, 2, 0x6f),
    VMOVDQU_ST = VOP(1, 2, 0x7f),
    VMOVQ = VOP(1, 2, 0x7e),
    VMOVQ_ST = VOP(1, 1, 0xd6),
    VMOVD = VOP(1, 1, 0x6e), /* xmm, r/m32 */
    VMOVD_ST = VOP(1, 1, 0x7e),
    VMOVQ_X = VOPW(1, 1, 0x6e), /* xmm, r/m64 */
    VMOVQ_XST = VOPW(1, 1, 0x7e),
    VPAND = VOP(1, 1, 0xdb),
    VPANDN = VOP(1, 1, 0xdf),
    VPOR = VOP(1, 1, 0xeb),
    VPXOR = VOP(1, 1, 0xef),
    VPTEST = VOP(2, 1, 0x17),
    VTESTPS = VOP(2, 1, 0x0e),
    VTESTPD = VOP(2, 1, 0x0f),
    VPSHUFB = VOP(2, 1, 0x00),
    VPSHUFD = VOP(1, 1, 0x70), /* imm8 */
    VSHUFPS = VOP(1, 0, 0xc6), /* imm8 */
    VPALIGNR = VOP(3, 1, 0x0f),
    VPBLENDD = VOP(3, 1, 0x02),
    VPBLENDW = VOP(3, 1, 0x0e),
    VBLENDVPS = VOP(3, 1, 0x4a),
    VPBLENDVB = VOP(3, 1, 0x4c), /* imm8: register << 4 */
    VINSERTPS = VOP(3, 1, 0x21),
    VPINSRB = VOP(3, 1, 0x20),
    VPINSRW = VOP(1, 1, 0xc4),
    VPINSRD = VOP(3, 1, 0x22),
    VPINSRQ = VOPW(3, 1, 0x22),
    VPUNPCKLBW = VOP(1, 1, 0x60),
    VPUNPCKLWD = VOP(1, 1, 0x61),
    VPUNPCKLDQ = VOP(1, 1, 0x62),
    VPUNPCKLQDQ = VOP(1, 1, 0x6c),
    VPUNPCKHBW = VOP(1, 1, 0x68),
    VPUNPCKHWD = VOP(1, 1, 0x69),
    VPUNPCKHDQ = VOP(1, 1, 0x6a),
    VPUNPCKHQDQ = VOP(1, 1, 0x6d),
    VPBROADCASTB = VOP(2, 1, 0x78),
    VPBROADCASTW = VOP(2, 1, 0x79),
    VPBROADCASTD = VOP(2, 1, 0x58),
    VPBROADCASTQ = VOP(2, 1, 0x59),
    VPADDB = VOP(1, 1, 0xfc),
    VPADDW = VOP(1, 1, 0xfd),
    VPADDD = VOP(1, 1, 0xfe),
    VPADDQ = VOP(1, 1, 0xd4),
    VPSUBB = VOP(1, 1, 0xf8),
    VPSUBW = VOP(1, 1, 0xf9),
    VPSUBD = VOP(1, 1, 0xfa),
    VPSUBQ = VOP(1, 1, 0xfb),
    VPCMPEQB = VOP(1, 1, 0x74),
    VPCMPEQW = VOP(1, 1, 0x75),
    VPCMPEQD = VOP(1, 1, 0x76),
    VPCMPEQQ = VOP(2, 1, 0x29),
    VPCMPGTB = VOP(1, 1, 0x64),
    VPCMPGTW = VOP(1, 1, 0x65),
    VPCMPGTD = VOP(1, 1, 0x66),
    VPCMPGTQ = VOP(2, 1, 0x37),
    VPMULLW = VOP(1, 1, 0xd5),
    VPMULHW = VOP(1, 1, 0xe5),
    VPMULHUW = VOP(1, 1, 0xe4),
    VPMULHRSW = VOP(2, 1, 0x0b),
    VPMULLD = VOP(2, 1, 0x40),
    VPMULDQ = VOP(2, 1, 0x28),
    VPMULUDQ = VOP(1, 1, 0xf4),
    VPMADDWD = VOP(1, 1, 0xf5),
    VPMADDUBSW = VOP(2, 1, 0x04),
    VPSADBW = VOP(1, 1, 0xf6),
    VPAVGB = VOP(1, 1, 0xe0),
    VPAVGW = VOP(1, 1, 0xe3),
    VPADDSB = VOP(1, 1, 0xec),
    VPADDSW = VOP(1, 1, 0xed),
    VPADDUSB = VOP(1, 1, 0xdc),
    VPADDUSW = VOP(1, 1, 0xdd),
    VPSUBSB = VOP(1, 1, 0xe8),
    VPSUBSW = VOP(1, 1, 0xe9),
    VPSUBUSB = VOP(1, 1, 0xd8),
    VPSUBUSW = VOP(1, 1, 0xd9),
    VPABSB = VOP(2, 1, 0x1c),
    VPABSW = VOP(2, 1, 0x1d),
    VPABSD = VOP(2, 1, 0x1e),
    VPMINUB = VOP(1, 1, 0xda),
    VPMINUW = VOP(2, 1, 0x3a),
    VPMINUD = VOP(2, 1, 0x3b),
    VPMAXUB = VOP(1, 1, 0xde),
    VPMAXUW = VOP(2, 1, 0x3e),
    VPMAXUD = VOP(2, 1, 0x3f),
    VPMINSB = VOP(2, 1, 0x38),
    VPMINSW = VOP(1, 1, 0xea),
    VPMINSD = VOP(2, 1, 0x39),
    VPMAXSB = VOP(2, 1, 0x3c),
    VPMAXSW = VOP(1, 1, 0xee),
    VPMAXSD = VOP(2, 1, 0x3d),
    VPACKSSWB = VOP(1, 1, 0x63),
    VPACKSSDW = VOP(1, 1, 0x6b),
    VPACKUSWB = VOP(1, 1, 0x67),
    VPACKUSDW = VOP(2, 1, 0x2b),
    VPMOVSXBW = VOP(2, 1, 0x20),
    VPMOVSXWD = VOP(2, 1, 0x23),
    VPMOVSXDQ = VOP(2, 1, 0x25),
    VPMOVZXBW = VOP(2, 1, 0x30),
    VPMOVZXWD = VOP(2, 1, 0x33),
    VPMOVZXDQ = VOP(2, 1, 0x35),
    VPSLLVD = VOP(2, 1, 0x47),
    VPSRLVD = VOP(2, 1, 0x45),
    VPSRAVD = VOP(2, 1, 0x46),
    /* shifts by immediate: opcode, then /digit as the first register */
    VSHIFTW = VOP(1, 1, 0x71),
    VSHIFTD = VOP(1, 1, 0x72),
    VSHIFTQ = VOP(1, 1, 0x73),
    VAESENC = VOP(2, 1, 0xdc),
    VAESENCLAST = VOP(2, 1, 0xdd),
    VAESDECLAST = VOP(2, 1, 0xdf),
    VAESIMC = VOP(2, 1, 0xdb),
    VPCLMULQDQ = VOP(3, 1, 0x44),
    /* floating point; see v_fp() for the four formats */
    VSQRT = 0x51,
    VAND_F = 0x54,
    VANDN_F = 0x55,
    VOR_F = 0x56,
    VXOR_F = 0x57,
    VADD_F = 0x58,
    VMUL_F = 0x59,
    VSUB_F = 0x5c,
    VMIN_F = 0x5d,
    VDIV_F = 0x5e,
    VMAX_F = 0x5f,
    VCMP_F = 0xc2, /* imm8 */
};
enum { SHIFT_SRL = 2, SHIFT_SRA = 4, SHIFT_SLL = 6, SHIFT_SRLDQ = 3, SHIFT_SLLDQ = 7 };

/* Instructions. Operands as in x64.h: destination, first source, second source. */
void v_rr(struct translation *t, unsigned op, unsigned r, unsigned v, unsigned b);
void v_rri(struct translation *t, unsigned op, unsigned r, unsigned v, unsigned b, unsigned imm);
void v_rm(struct translation *t, unsigned op, unsigned r, unsigned v, unsigned base, s32 disp);
void v_rc(struct translation *t, unsigned op, unsigned r, unsigned v, unsigned constant);
void v_shift(struct translation *t, unsigned op, unsigned kind, unsigned r, unsigned b, unsigned n);
/* Floating point: scalar or packed, single or double. */
unsigned v_fp(unsigned op, bool dbl, bool packed);

/* Guest registers. */
s32 v_disp(unsigned r);
void v_memory(struct translation *t, unsigned r);                      /* the state has its value */
/* The host register that has at least so many of its bytes, 0: none. */
unsigned v_host(const struct translation *t, unsigned r, unsigned bytes);
void v_leave(struct x64 *a, const struct vstate *s); /* stores what is dirty */
unsigned v_unkept(const struct vstate *from, const struct vstate *to); /* mask: dirty, and not so in to */
/* Masks over 16 bytes: which are the same; which are v. */
static inline unsigned bytes_same(const u8 *a, const u8 *b)
{
    return (unsigned)_mm_movemask_epi8(
        _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)a), _mm_loadu_si128((const __m128i *)b)));
}
static inline unsigned bytes_equal(const u8 *a, unsigned v)
{
    return (unsigned)_mm_movemask_epi8(
        _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)a), _mm_set1_epi8((char)v)));
}
/* bytes[i] = v. All of them are stored: of a byte's store the next look at the row would have to wait for the end. */
static inline void bytes_set(u8 *bytes, unsigned i, unsigned v)
{
    const __m128i place = _mm_set_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m128i *p = (__m128i *)bytes;
    _mm_storeu_si128(p, _mm_blendv_epi8(_mm_loadu_si128(p), _mm_set1_epi8((char)v),
                                        _mm_cmpeq_epi8(place, _mm_set1_epi8((char)i))));
}
/* Those that hold something. */
static inline unsigned v_hosts(const u8 *guest) { return ~bytes_equal(guest, 0) & (0xffffu << V_FIRST & 0xffff); }
void v_store(struct x64 *a, const struct vstate *s, unsigned host);
unsigned v_get(struct translation *t, unsigned r);                     /* all 128 bits */
unsigned v_get_low(struct translation *t, unsigned r, unsigned bytes); /* at least the low 4 or 8 */
/* The low 64 bits with zeros above; tmp is used when the register holds more. */
unsigned v_get_half(struct translation *t, unsigned r, unsigned tmp);
unsigned v_src(struct translation *t, unsigned r, bool q, unsigned tmp); /* by Q: v_get() or v_get_half() */
unsigned v_new(struct translation *t, unsigned r);                       /* where to make its next value */
void v_done(struct translation *t, unsigned r, unsigned zero);           /* made: zero from that byte on */
void v_put(struct translation *t, unsigned r, unsigned host,
           bool q); /* the value of host; clears the upper half for !q */
void v_put_zero(struct translation *t, unsigned r, unsigned host, unsigned zero); /* host is zero from there on */
void v_forget(struct translation *t);                                             /* after a call */
void v_drop(struct translation *t, unsigned r);                                   /* it was changed in memory */
void v_reload(struct translation *t, const struct vstate *vs);       /* after a call: loads what vs holds */
bool v_implies(const struct vstate *now, const struct vstate *need); /* everything that need says holds */
unsigned v_zero_from(const struct translation *t, unsigned host);
