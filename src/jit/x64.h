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

/* The first bytes of an instruction, at most eight, lowest first. They are written at once: what a byte's store may
 * change, and that is everything, would be loaded again behind each. */
struct x64_bytes {
    u64 v;
    unsigned n;
};
static inline struct x64_bytes x64_then(struct x64_bytes c, unsigned byte)
{
    return (struct x64_bytes){c.v | (u64)byte << 8 * c.n, c.n + 1};
}
/* Behind what it says seven bytes more may be overwritten. */
static inline void x64_put(struct x64 *a, struct x64_bytes c)
{
    u8 *p = a->p;
    memcpy(p, &c.v, 8);
    a->p = p + c.n;
}
/* The same and the low 0, 1 or 4 bytes of v. */
static inline void x64_put_v(struct x64 *a, struct x64_bytes c, u32 v, unsigned n)
{
    u8 *p = a->p;
    memcpy(p, &c.v, 8);
    memcpy(p + c.n, &v, 4);
    a->p = p + c.n + n;
}

/* Prefixes, REX and opcode; op may carry 0x0f and a mandatory prefix (0xf30fbd). byte: r is a byte register. */
static inline struct x64_bytes x64_opcode(bool w, unsigned op, unsigned r, unsigned x, unsigned b, bool byte)
{
    struct x64_bytes c = {0, 0};
    unsigned rex = (unsigned)w << 3 | (r >> 3) << 2 | (x >> 3) << 1 | b >> 3;
    bool has = (rex != 0) | (byte & (r >= RSP));
    if (op >> 16)
        c = x64_then(c, op >> 16);
    c.v |= (u64)(has ? 0x40 | rex : 0) << 8 * c.n;
    c.n += has;
    c.v |= (u64)(op >> 8 & 0xff) << 8 * c.n;
    c.n += (op >> 8 & 0xff) != 0;
    return x64_then(c, op & 0xff);
}
static inline void x64_op(struct x64 *a, bool w, unsigned op, unsigned r, unsigned x, unsigned b, bool byte)
{
    x64_put(a, x64_opcode(w, op, r, x, b, byte));
}

static inline unsigned x64_mod(unsigned base, s32 disp)
{
    return (unsigned)((disp != 0) | ((base & 7) == RBP)) + (disp != (s8)disp);
}
static inline unsigned x64_mod_bytes(unsigned mod) { return 0x410 >> 4 * mod & 15; }

/* ModRM, SIB and displacement of [base + disp] behind c. */
static inline void x64_mem(struct x64 *a, struct x64_bytes c, unsigned r, unsigned base, s32 disp)
{
    unsigned mod = x64_mod(base, disp);
    c = x64_then(c, mod << 6 | (r & 7) << 3 | (base & 7));
    if ((base & 7) == RSP)
        c = x64_then(c, 0x24);
    x64_put_v(a, c, (u32)disp, x64_mod_bytes(mod));
}
static inline void x64_modrm(struct x64 *a, unsigned r, unsigned base, s32 disp)
{
    x64_mem(a, (struct x64_bytes){0, 0}, r, base, disp);
}

static inline void x64_memx(struct x64 *a, struct x64_bytes c, unsigned r, unsigned base, unsigned index,
                            unsigned scale, s32 disp)
{
    unsigned mod = x64_mod(base, disp);
    c = x64_then(c, mod << 6 | (r & 7) << 3 | RSP);
    c = x64_then(c, scale << 6 | (index & 7) << 3 | (base & 7));
    x64_put_v(a, c, (u32)disp, x64_mod_bytes(mod));
}
static inline void x64_sib(struct x64 *a, unsigned r, unsigned base, unsigned index, unsigned scale, s32 disp)
{
    x64_memx(a, (struct x64_bytes){0, 0}, r, base, index, scale, disp);
}

/* op r, [base + disp] (or the store form, by op). */
static inline void x64_rm(struct x64 *a, bool w, unsigned op, unsigned r, unsigned base, s32 disp)
{
    x64_mem(a, x64_opcode(w, op, r, 0, base, op == X_STORE8), r, base, disp);
}
/* op r, [base + index << scale + disp] */
static inline void x64_rmx(struct x64 *a, bool w, unsigned op, unsigned r, unsigned base, unsigned index,
                           unsigned scale, s32 disp)
{
    x64_memx(a, x64_opcode(w, op, r, index, base, op == X_STORE8), r, base, index, scale, disp);
}
/* op r, b */
static inline unsigned x64_regs(unsigned r, unsigned b) { return 0xc0 | (r & 7) << 3 | (b & 7); }
static inline void x64_rr(struct x64 *a, bool w, unsigned op, unsigned r, unsigned b)
{
    x64_put(a, x64_then(x64_opcode(w, op, r, 0, b, false), x64_regs(r, b)));
}
/* movzx/movsx r, b of a byte register */
static inline void x64_rr8(struct x64 *a, bool w, unsigned op, unsigned r, unsigned b)
{
    unsigned rex = (unsigned)w << 3 | (r >> 3) << 2 | b >> 3;
    struct x64_bytes c = {0, 0};
    if (rex || b >= RSP)
        c = x64_then(c, 0x40 | rex);
    c = x64_then(x64_then(c, op >> 8), op & 0xff);
    x64_put(a, x64_then(c, x64_regs(r, b)));
}

/* alu r, imm (sign-extended 32 bits) */
static inline void x64_ri(struct x64 *a, bool w, unsigned alu, unsigned r, s32 imm)
{
    bool small = imm == (s8)imm;
    struct x64_bytes c = x64_opcode(w, small ? 0x83 : 0x81, 0, 0, r, false);
    x64_put_v(a, x64_then(c, x64_regs(alu >> 3, r)), (u32)imm, small ? 1 : 4);
}
/* alu [base + disp], imm */
static inline void x64_mi(struct x64 *a, bool w, unsigned alu, unsigned base, s32 disp, s32 imm)
{
    bool small = imm == (s8)imm;
    x64_mem(a, x64_opcode(w, small ? 0x83 : 0x81, 0, 0, base, false), alu >> 3, base, disp);
    if (small)
        x64_8(a, (u8)imm);
    else
        x64_32(a, (u32)imm);
}
/* mov byte [base + disp], imm */
static inline void x64_store_imm8(struct x64 *a, unsigned base, s32 disp, u8 imm)
{
    x64_mem(a, x64_opcode(false, 0xc6, 0, 0, base, false), 0, base, disp);
    x64_8(a, imm);
}
/* mov [base + disp], imm (sign-extended) */
static inline void x64_store_imm(struct x64 *a, bool w, unsigned base, s32 disp, s32 imm)
{
    x64_mem(a, x64_opcode(w, 0xc7, 0, 0, base, false), 0, base, disp);
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
        struct x64_bytes c = {r >= RSP ? 0x40 | r >> 3 : 0, r >= RSP};
        x64_put(a, x64_then(x64_then(x64_then(c, 0xf6), x64_regs(0, r)), (u8)imm));
        return;
    }
    x64_put_v(a, x64_then(x64_opcode(w, 0xf7, 0, 0, r, false), x64_regs(0, r)), (u32)imm, 4);
}
static inline void x64_mov_imm(struct x64 *a, unsigned r, u64 v)
{
    if (v == 0) {
        x64_rr(a, false, X_XOR, r, r);
    } else if (v >> 32 == 0) {
        x64_put_v(a, x64_opcode(false, 0xb8 + (r & 7), 0, 0, r, false), (u32)v, 4);
    } else if (v == (u64)(s64)(s32)v) {
        x64_put_v(a, x64_then(x64_opcode(true, 0xc7, 0, 0, r, false), x64_regs(0, r)), (u32)v, 4);
    } else {
        x64_op(a, true, 0xb8 + (r & 7), 0, 0, r, false);
        x64_64(a, v);
    }
}
/* mov r, imm that leaves the flags alone */
static inline void x64_mov_imm_keep(struct x64 *a, unsigned r, u32 v)
{
    x64_put_v(a, x64_opcode(false, 0xb8 + (r & 7), 0, 0, r, false), v, 4);
}
static inline void x64_shift(struct x64 *a, bool w, unsigned kind, unsigned r, unsigned n)
{
    x64_put(a, x64_then(x64_then(x64_opcode(w, 0xc1, 0, 0, r, false), x64_regs(kind, r)), n & 0xff));
}
/* neg: digit 3, not: 2, mul: 4, imul: 5, div: 6, idiv: 7 */
static inline void x64_unary(struct x64 *a, bool w, unsigned digit, unsigned r)
{
    x64_put(a, x64_then(x64_opcode(w, 0xf7, 0, 0, r, false), x64_regs(digit, r)));
}
static inline void x64_unary_m(struct x64 *a, bool w, unsigned digit, unsigned base, s32 disp)
{
    x64_op(a, w, 0xf7, 0, 0, base, false);
    x64_modrm(a, digit, base, disp);
}
static inline void x64_bswap(struct x64 *a, bool w, unsigned r) { x64_op(a, w, 0x0fc8 + (r & 7), 0, 0, r, false); }
static inline void x64_setcc(struct x64 *a, unsigned cc, unsigned r)
{
    x64_put(a, x64_then(x64_opcode(false, 0x0f90 + cc, 0, 0, r, false), x64_regs(0, r)));
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
static inline void x64_cmc(struct x64 *a) { x64_8(a, 0xf5); }
static inline void x64_ret(struct x64 *a) { x64_8(a, 0xc3); }
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
static inline struct x64_bytes x64_vex_code(unsigned map, unsigned pp, bool w, bool l, unsigned op, unsigned r,
                                            unsigned v, unsigned x, unsigned b)
{
    unsigned high = (unsigned)(r < 8) << 7, low = (~v & 15) << 3 | (unsigned)l << 2 | pp;
    if (map == 1 && !w && x < 8 && b < 8) /* the short form */
        return (struct x64_bytes){0xc5 | (high | low) << 8 | op << 16, 3};
    high |= (unsigned)(x < 8) << 6 | (unsigned)(b < 8) << 5 | map;
    return (struct x64_bytes){0xc4 | high << 8 | ((unsigned)w << 7 | low) << 16 | op << 24, 4};
}
static inline void x64_vex_rr(struct x64 *a, unsigned map, unsigned pp, bool w, unsigned op, unsigned r, unsigned v,
                              unsigned b)
{
    x64_put(a, x64_then(x64_vex_code(map, pp, w, false, op, r, v, 0, b), x64_regs(r, b)));
}
static inline void x64_vex_rm(struct x64 *a, unsigned map, unsigned pp, bool w, unsigned op, unsigned r, unsigned v,
                              unsigned base, s32 disp)
{
    x64_mem(a, x64_vex_code(map, pp, w, false, op, r, v, 0, base), r, base, disp);
}
static inline void x64_vex_rmx(struct x64 *a, unsigned map, unsigned pp, bool w, unsigned op, unsigned r, unsigned v,
                               unsigned base, unsigned index, s32 disp)
{
    x64_memx(a, x64_vex_code(map, pp, w, false, op, r, v, index, base), r, base, index, 0, disp);
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

/* pdep r, s, [base + disp] */
static inline void x64_pdep_m(struct x64 *a, unsigned r, unsigned s, unsigned base, s32 disp)
{
    x64_vex_rm(a, 2, 3, false, 0xf5, r, s, base, disp);
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
