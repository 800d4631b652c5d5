/* A small x86-64 assembler: bytes into a buffer, only the forms that the translator uses.
 *
 * Operand order is destination first. w: 64-bit operation. Memory operands are base + disp or base + index * scale +
 * disp; rsp and r12 need no care as bases. The buffer is checked by the translator between instructions, which leaves
 * room for the largest one. */
#pragma once
#include <string.h>

#include "core/check.h"
#include "core/types.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* Conditions of jcc, setcc, cmovcc. */
enum x64_cc { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G };

/* One-byte opcodes of ALU operations "reg, r/m"; the immediate form's /digit is op >> 3. */
enum x64_alu {
    X_ADD = 0x03,
    X_OR = 0x0b,
    X_ADC = 0x13,
    X_SBB = 0x1b,
    X_AND = 0x23,
    X_SUB = 0x2b,
    X_XOR = 0x33,
    X_CMP = 0x3b
};
enum x64_shift { X_ROL, X_ROR, X_SHL = 4, X_SHR, X_SAR = 7 };
enum {
    X_LOAD = 0x8b,
    X_STORE = 0x89,
    X_LEA = 0x8d,
    X_TEST = 0x85,
    X_MOVSXD = 0x63,
    X_MOVZX8 = 0x0fb6,
    X_MOVZX16 = 0x0fb7,
    X_MOVSX8 = 0x0fbe,
    X_MOVSX16 = 0x0fbf,
    X_IMUL = 0x0faf,
    X_STORE8 = 0x88,
    X_LZCNT = 0xf30fbd,
    X_TZCNT = 0xf30fbc,
    X_POPCNT = 0xf30fb8
};

struct x64 {
    u8 *p; /* where the next byte goes (writable view) */
};

static inline void x64_8(struct x64 *a, unsigned v) { *a->p++ = (u8)v; }
static inline void x64_32(struct x64 *a, u32 v)
{
    memcpy(a->p, &v, 4);
    a->p += 4;
}
static inline void x64_64(struct x64 *a, u64 v)
{
    memcpy(a->p, &v, 8);
    a->p += 8;
}

/* Prefixes, REX and opcode; op may carry 0x0f and a mandatory prefix (0xf30fbd). byte: r is a byte register. */
static inline void x64_op(struct x64 *a, bool w, unsigned op, unsigned r, unsigned x, unsigned b, bool byte)
{
    unsigned rex = (unsigned)w << 3 | (r >> 3) << 2 | (x >> 3) << 1 | b >> 3;
    if (op >> 16)
        x64_8(a, op >> 16);
    if (rex || (byte && r >= RSP))
        x64_8(a, 0x40 | rex);
    if (op >> 8 & 0xff)
        x64_8(a, op >> 8 & 0xff);
    x64_8(a, op & 0xff);
}

/* ModRM, SIB and displacement of [base + disp]. */
static inline void x64_modrm(struct x64 *a, unsigned r, unsigned base, s32 disp)
{
    unsigned mod = disp == 0 && (base & 7) != RBP ? 0 : disp == (s8)disp ? 1 : 2;
    x64_8(a, mod << 6 | (r & 7) << 3 | (base & 7));
    if ((base & 7) == RSP)
        x64_8(a, 0x24);
    if (mod == 1)
        x64_8(a, (u8)disp);
    else if (mod == 2)
        x64_32(a, (u32)disp);
}

static inline void x64_sib(struct x64 *a, unsigned r, unsigned base, unsigned index, unsigned scale, s32 disp)
{
    unsigned mod = disp == 0 && (base & 7) != RBP ? 0 : disp == (s8)disp ? 1 : 2;
    x64_8(a, mod << 6 | (r & 7) << 3 | RSP);
    x64_8(a, scale << 6 | (index & 7) << 3 | (base & 7));
    if (mod == 1)
        x64_8(a, (u8)disp);
    else if (mod == 2)
        x64_32(a, (u32)disp);
}

/* op r, [base + disp] (or the store form, by op). */
static inline void x64_rm(struct x64 *a, bool w, unsigned op, unsigned r, unsigned base, s32 disp)
{
    x64_op(a, w, op, r, 0, base, op == X_STORE8);
    x64_modrm(a, r, base, disp);
}
/* op r, [base + index << scale + disp] */
static inline void x64_rmx(struct x64 *a, bool w, unsigned op, unsigned r, unsigned base, unsigned index,
                           unsigned scale, s32 disp)
{
    x64_op(a, w, op, r, index, base, op == X_STORE8);
    x64_sib(a, r, base, index, scale, disp);
}
/* op r, b */
static inline void x64_rr(struct x64 *a, bool w, unsigned op, unsigned r, unsigned b)
{
    x64_op(a, w, op, r, 0, b, false);
    x64_8(a, 0xc0 | (r & 7) << 3 | (b & 7));
}
/* movzx/movsx r, b of a byte register */
static inline void x64_rr8(struct x64 *a, bool w, unsigned op, unsigned r, unsigned b)
{
    unsigned rex = (unsigned)w << 3 | (r >> 3) << 2 | b >> 3;
    if (rex || b >= RSP)
        x64_8(a, 0x40 | rex);
    x64_8(a, op >> 8);
    x64_8(a, op & 0xff);
    x64_8(a, 0xc0 | (r & 7) << 3 | (b & 7));
}

/* alu r, imm (sign-extended 32 bits) */
static inline void x64_ri(struct x64 *a, bool w, unsigned alu, unsigned r, s32 imm)
{
    bool small = imm == (s8)imm;
    x64_op(a, w, small ? 0x83 : 0x81, 0, 0, r, false);
    x64_8(a, 0xc0 | (alu >> 3) << 3 | (r & 7));
    if (small)
        x64_8(a, (u8)imm);
    else
        x64_32(a, (u32)imm);
}
/* alu [base + disp], imm */
static inline void x64_mi(struct x64 *a, bool w, unsigned alu, unsigned base, s32 disp, s32 imm)
{
    bool small = imm == (s8)imm;
    x64_op(a, w, small ? 0x83 : 0x81, 0, 0, base, false);
    x64_modrm(a, alu >> 3, base, disp);
    if (small)
        x64_8(a, (u8)imm);
    else
        x64_32(a, (u32)imm);
}
/* mov [base + disp], imm (sign-extended) */
static inline void x64_store_imm(struct x64 *a, bool w, unsigned base, s32 disp, s32 imm)
{
    x64_op(a, w, 0xc7, 0, 0, base, false);
    x64_modrm(a, 0, base, disp);
    x64_32(a, (u32)imm);
}
/* cmp byte [base + disp], imm; test byte */
static inline void x64_cmp8_mi(struct x64 *a, unsigned base, s32 disp, unsigned imm)
{
    x64_op(a, false, 0x80, 0, 0, base, false);
    x64_modrm(a, 7, base, disp);
    x64_8(a, imm);
}
static inline void x64_test8_mi(struct x64 *a, unsigned base, s32 disp, unsigned imm)
{
    x64_op(a, false, 0xf6, 0, 0, base, false);
    x64_modrm(a, 0, base, disp);
    x64_8(a, imm);
}
/* test r, imm; all flags are the same for a byte where it is as long */
static inline void x64_test_ri(struct x64 *a, bool w, unsigned r, s32 imm)
{
    if (imm >= 0 && imm < 0x80) {
        if (r >= RSP)
            x64_8(a, 0x40 | r >> 3);
        x64_8(a, 0xf6);
        x64_8(a, 0xc0 | (r & 7));
        x64_8(a, (u8)imm);
        return;
    }
    x64_op(a, w, 0xf7, 0, 0, r, false);
    x64_8(a, 0xc0 | (r & 7));
    x64_32(a, (u32)imm);
}
static inline void x64_mov_imm(struct x64 *a, unsigned r, u64 v)
{
    if (v == 0) {
        x64_rr(a, false, X_XOR, r, r);
    } else if (v >> 32 == 0) {
        x64_op(a, false, 0xb8 + (r & 7), 0, 0, r, false);
        x64_32(a, (u32)v);
    } else if (v == (u64)(s64)(s32)v) {
        x64_op(a, true, 0xc7, 0, 0, r, false);
        x64_8(a, 0xc0 | (r & 7));
        x64_32(a, (u32)v);
    } else {
        x64_op(a, true, 0xb8 + (r & 7), 0, 0, r, false);
        x64_64(a, v);
    }
}
/* mov r, imm that leaves the flags alone */
static inline void x64_mov_imm_keep(struct x64 *a, unsigned r, u32 v)
{
    x64_op(a, false, 0xb8 + (r & 7), 0, 0, r, false);
    x64_32(a, v);
}
static inline void x64_shift(struct x64 *a, bool w, unsigned kind, unsigned r, unsigned n)
{
    x64_op(a, w, 0xc1, 0, 0, r, false);
    x64_8(a, 0xc0 | kind << 3 | (r & 7));
    x64_8(a, n);
}
/* neg: digit 3, not: 2, mul: 4, imul: 5, div: 6, idiv: 7 */
static inline void x64_unary(struct x64 *a, bool w, unsigned digit, unsigned r)
{
    x64_op(a, w, 0xf7, 0, 0, r, false);
    x64_8(a, 0xc0 | digit << 3 | (r & 7));
}
static inline void x64_unary_m(struct x64 *a, bool w, unsigned digit, unsigned base, s32 disp)
{
    x64_op(a, w, 0xf7, 0, 0, base, false);
    x64_modrm(a, digit, base, disp);
}
static inline void x64_bswap(struct x64 *a, bool w, unsigned r) { x64_op(a, w, 0x0fc8 + (r & 7), 0, 0, r, false); }
static inline void x64_setcc(struct x64 *a, unsigned cc, unsigned r)
{
    x64_op(a, false, 0x0f90 + cc, 0, 0, r, false);
    x64_8(a, 0xc0 | (r & 7));
}
static inline void x64_cmov(struct x64 *a, bool w, unsigned cc, unsigned r, unsigned b)
{
    x64_rr(a, w, 0x0f40 + cc, r, b);
}
/* bt r, n */
static inline void x64_bt_i(struct x64 *a, bool w, unsigned r, unsigned n)
{
    x64_op(a, w, 0x0fba, 0, 0, r, false);
    x64_8(a, 0xe0 | (r & 7));
    x64_8(a, n);
}
/* shld/shrd r, s, n */
static inline void x64_shrd(struct x64 *a, bool w, unsigned r, unsigned s, unsigned n)
{
    x64_op(a, w, 0x0fac, s, 0, r, false);
    x64_8(a, 0xc0 | (s & 7) << 3 | (r & 7));
    x64_8(a, n);
}
static inline void x64_push(struct x64 *a, unsigned r) { x64_op(a, false, 0x50 + (r & 7), 0, 0, r, false); }
static inline void x64_pop(struct x64 *a, unsigned r) { x64_op(a, false, 0x58 + (r & 7), 0, 0, r, false); }
static inline void x64_ret(struct x64 *a) { x64_8(a, 0xc3); }
static inline void x64_push_imm8(struct x64 *a, unsigned v)
{
    x64_8(a, 0x6a);
    x64_8(a, v);
}
/* push qword [base + disp] */
static inline void x64_push_m(struct x64 *a, unsigned base, s32 disp)
{
    x64_op(a, false, 0xff, 0, 0, base, false);
    x64_modrm(a, 6, base, disp);
}
static inline void x64_jmp_reg(struct x64 *a, unsigned r)
{
    x64_op(a, false, 0xff, 0, 0, r, false);
    x64_8(a, 0xe0 | (r & 7));
}
static inline void x64_call_reg(struct x64 *a, unsigned r)
{
    x64_op(a, false, 0xff, 0, 0, r, false);
    x64_8(a, 0xd0 | (r & 7));
}

/* ---- VEX (BMI2 and AVX) ---------------------------------------------------------------------- */

/* map 1: 0f, 2: 0f38, 3: 0f3a; pp 0: none, 1: 66, 2: f3, 3: f2; v: the extra source; l: 256 bits */
static inline void x64_vex(struct x64 *a, unsigned map, unsigned pp, bool w, bool l, unsigned op, unsigned r,
                           unsigned v, unsigned x, unsigned b)
{
    if (map == 1 && !w && x < 8 && b < 8) { /* the short form */
        x64_8(a, 0xc5);
        x64_8(a, (unsigned)(r < 8) << 7 | (~v & 15) << 3 | (unsigned)l << 2 | pp);
        x64_8(a, op);
        return;
    }
    x64_8(a, 0xc4);
    x64_8(a, (unsigned)(r < 8) << 7 | (unsigned)(x < 8) << 6 | (unsigned)(b < 8) << 5 | map);
    x64_8(a, (unsigned)w << 7 | (~v & 15) << 3 | (unsigned)l << 2 | pp);
    x64_8(a, op);
}
static inline void x64_vex_rr(struct x64 *a, unsigned map, unsigned pp, bool w, unsigned op, unsigned r, unsigned v,
                              unsigned b)
{
    x64_vex(a, map, pp, w, false, op, r, v, 0, b);
    x64_8(a, 0xc0 | (r & 7) << 3 | (b & 7));
}
static inline void x64_vex_rm(struct x64 *a, unsigned map, unsigned pp, bool w, unsigned op, unsigned r, unsigned v,
                              unsigned base, s32 disp)
{
    x64_vex(a, map, pp, w, false, op, r, v, 0, base);
    x64_modrm(a, r, base, disp);
}
static inline void x64_vex_rmx(struct x64 *a, unsigned map, unsigned pp, bool w, unsigned op, unsigned r, unsigned v,
                               unsigned base, unsigned index, s32 disp)
{
    x64_vex(a, map, pp, w, false, op, r, v, index, base);
    x64_sib(a, r, base, index, 0, disp);
}
/* bextr r, s, control */
static inline void x64_bextr(struct x64 *a, unsigned r, unsigned s, unsigned ctl)
{
    x64_vex_rr(a, 2, 0, true, 0xf7, r, ctl, s);
}
/* shlx (pp 1), sarx (2), shrx (3): r = s shifted by n */
static inline void x64_shiftx(struct x64 *a, bool w, unsigned pp, unsigned r, unsigned s, unsigned n)
{
    x64_vex_rr(a, 2, pp, w, 0xf7, r, n, s);
}
/* rorx r, s, n: keeps the flags */
static inline void x64_rorx(struct x64 *a, bool w, unsigned r, unsigned s, unsigned n)
{
    x64_vex_rr(a, 3, 3, w, 0xf0, r, 0, s);
    x64_8(a, n);
}
/* andn r, v, b: r = ~v & b */
static inline void x64_andn(struct x64 *a, bool w, unsigned r, unsigned v, unsigned b)
{
    x64_vex_rr(a, 2, 0, w, 0xf2, r, v, b);
}
/* pext r, s, [base + disp]: the mask comes from memory */
static inline void x64_pext_m(struct x64 *a, unsigned r, unsigned s, unsigned base, s32 disp)
{
    x64_vex_rm(a, 2, 2, false, 0xf5, r, s, base, disp);
}

/* ---- labels ---------------------------------------------------------------------------------- */

/* A forward jump with a 32-bit displacement: returns where the displacement is. */
static inline u8 *x64_jcc(struct x64 *a, unsigned cc)
{
    x64_8(a, 0x0f);
    x64_8(a, 0x80 + cc);
    a->p += 4;
    return a->p - 4;
}
static inline u8 *x64_jmp(struct x64 *a)
{
    x64_8(a, 0xe9);
    a->p += 4;
    return a->p - 4;
}
static inline u8 *x64_call(struct x64 *a)
{
    x64_8(a, 0xe8);
    a->p += 4;
    return a->p - 4;
}
/* Short form, for jumps over a few bytes. */
static inline u8 *x64_jcc8(struct x64 *a, unsigned cc)
{
    x64_8(a, 0x70 + cc);
    a->p++;
    return a->p - 1;
}
static inline u8 *x64_jmp8(struct x64 *a)
{
    x64_8(a, 0xeb);
    a->p++;
    return a->p - 1;
}
/* The displacement at d leads to target. */
static inline void x64_link(u8 *d, const u8 *target)
{
    s32 v = (s32)(target - (d + 4));
    memcpy(d, &v, 4);
}
static inline void x64_here(struct x64 *a, u8 *d) { x64_link(d, a->p); }
static inline void x64_here8(struct x64 *a, u8 *d)
{
    s64 v = a->p - (d + 1);
    CHECK(v == (s8)v);
    *d = (u8)v;
}
