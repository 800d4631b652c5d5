/* AArch32 loads and stores of floating-point and Advanced SIMD registers (DDI0487 F6.1 VLDR, VLDM, VLD1-VLD4). */
#include "core/bits.h"
#include "cpu/aa32_simd.h"
#include "cpu/exception.h"
#include "cpu/exec_a32.h"
#include "cpu/mem_impl.h"

#define EXEC(name) enum step exec_##name(struct cpu *c, const struct op *o)

#define FP_CHECK(c, simd)                                                                                              \
    do {                                                                                                               \
        if (UNLIKELY(aa32_fp_check(c, simd, true) != STEP_NEXT))                                                       \
            return STEP_JUMP;                                                                                          \
    } while (0)

static u64 *d_reg(struct cpu *c, unsigned n) { return &c->v[n >> 1].d[n & 1]; }
static u32 *s_reg(struct cpu *c, unsigned n) { return &c->v[n >> 2].s[n & 3]; }

/* Double words are two words at word-aligned addresses. */
static bool read_d(struct cpu *c, u32 at, u64 *val)
{
    u64 a, b;
    if (!mem_read(c, at, 4, MEM_ALIGN, &a) || !mem_read(c, (u32)(at + 4), 4, MEM_ALIGN, &b))
        return false;
    *val = c->big_endian ? a << 32 | b : b << 32 | a;
    return true;
}
static bool write_d(struct cpu *c, u32 at, u64 val)
{
    u32 first = (u32)(c->big_endian ? val >> 32 : val), second = (u32)(c->big_endian ? val : val >> 32);
    return mem_write(c, at, 4, MEM_ALIGN, first) && mem_write(c, (u32)(at + 4), 4, MEM_ALIGN, second);
}

static u32 word_of(const struct op *o) { return aa32_insn(o)->word; }
static bool is_double(u32 w) { return w >> 8 & 1; }
static unsigned first_reg(u32 w)
{
    unsigned d = w >> 22 & 1, v = w >> 12 & 15;
    return is_double(w) ? d << 4 | v : v << 1 | d;
}

static u32 vldr_address(const struct cpu *c, const struct op *o)
{
    u32 base = (u32)c->x[o->rn] & (o->rn == REG_PC ? ~3u : ~0u), off = (u32)o->imm << 2;
    return word_of(o) >> 23 & 1 ? base + off : base - off;
}

EXEC(a32_vldr)
{
    u32 w = word_of(o), at = vldr_address(c, o);
    u64 v;
    FP_CHECK(c, false);
    if (is_double(w)) {
        if (!read_d(c, at, &v))
            return STEP_JUMP;
        *d_reg(c, first_reg(w)) = v;
    } else {
        if (!mem_read(c, at, 4, MEM_ALIGN, &v))
            return STEP_JUMP;
        *s_reg(c, first_reg(w)) = (u32)v;
    }
    return STEP_NEXT;
}

EXEC(a32_vstr)
{
    u32 w = word_of(o), at = vldr_address(c, o);
    FP_CHECK(c, false);
    bool ok = is_double(w) ? write_d(c, at, *d_reg(c, first_reg(w)))
                           : mem_write(c, at, 4, MEM_ALIGN, *s_reg(c, first_reg(w)));
    return ok ? STEP_NEXT : STEP_JUMP;
}

static enum step multiple(struct cpu *c, const struct op *o, bool load, bool down, bool writeback)
{
    u32 w = word_of(o), n = (u32)o->imm, base = (u32)c->x[o->rn], at = down ? base - 4 * n : base;
    unsigned r = first_reg(w), regs = is_double(w) ? n / 2 : n;
    FP_CHECK(c, false);
    if (regs == 0 || regs > 32 || r + regs > 32 || (is_double(w) && regs > 16))
        return exc_undefined(c);
    u64 val[32];
    u32 p = at;
    for (unsigned k = 0; k < regs; k++, p += is_double(w) ? 8 : 4) {
        bool ok;
        if (is_double(w))
            ok = load ? read_d(c, p, &val[k]) : write_d(c, p, *d_reg(c, r + k));
        else
            ok = load ? mem_read(c, p, 4, MEM_ALIGN, &val[k]) : mem_write(c, p, 4, MEM_ALIGN, *s_reg(c, r + k));
        if (!ok)
            return STEP_JUMP;
    }
    for (unsigned k = 0; load && k < regs; k++) {
        if (is_double(w))
            *d_reg(c, r + k) = val[k];
        else
            *s_reg(c, r + k) = (u32)val[k];
    }
    if (writeback)
        c->x[o->rn] = down ? at : base + 4 * n;
    return STEP_NEXT;
}
EXEC(a32_vldm) { return multiple(c, o, true, false, o->y); }
EXEC(a32_vstm) { return multiple(c, o, false, false, o->y); }
EXEC(a32_vldmdb) { return multiple(c, o, true, true, true); }
EXEC(a32_vstmdb) { return multiple(c, o, false, true, true); }

/* ---- element and structure accesses --------------------------------------------------------- */

/* VLDn and VSTn in general: what is moved in which order. */
struct elements {
    u32 at;
    unsigned size;  /* log2 of bytes */
    unsigned align; /* bytes of the whole access, 0: the element's only by SCTLR.A */
    u32 total;
    bool load;
};

static bool access_element(struct cpu *c, const struct elements *e, u32 at, u64 *val)
{
    bool ok;
    switch (e->size) {
    case 0: ok = e->load ? mem_read(c, at, 1, 0, val) : mem_write(c, at, 1, 0, *val); break;
    case 1: ok = e->load ? mem_read(c, at, 2, 0, val) : mem_write(c, at, 2, 0, *val); break;
    case 2: ok = e->load ? mem_read(c, at, 4, 0, val) : mem_write(c, at, 4, 0, *val); break;
    default: ok = e->load ? mem_read(c, at, 8, 0, val) : mem_write(c, at, 8, 0, *val); break;
    }
    return ok;
}

static bool aligned(struct cpu *c, const struct elements *e)
{
    if (!e->align || !(e->at & (e->align - 1)))
        return true;
    const struct fault f = mem_alignment_fault(e->at, !e->load);
    exc_data_abort(c, &f);
    return false;
}

static enum step finish(struct cpu *c, const struct op *o, const struct elements *e)
{
    unsigned rm = word_of(o) & 15;
    if (rm == 13)
        c->x[o->rn] = e->at + e->total;
    else if (rm != 15)
        c->x[o->rn] = (u32)(e->at + c->x[rm]);
    return STEP_NEXT;
}

static u64 get_elem(struct cpu *c, unsigned d, unsigned size, unsigned i)
{
    return *d_reg(c, d) >> (8u << size) * i & ones(8u << size);
}
static void put_elem(struct cpu *c, unsigned d, unsigned size, unsigned i, u64 v)
{
    unsigned lsb = (8u << size) * i;
    *d_reg(c, d) = deposit(*d_reg(c, d), lsb + (8u << size) - 1, lsb, v);
}

/* type: registers, structure elements, distance between an element's registers */
static const struct {
    u8 regs, n, inc;
} types[16] = {[0] = {1, 4, 1}, [1] = {1, 4, 2}, [2] = {4, 1, 1}, [3] = {2, 2, 2}, [4] = {1, 3, 1}, [5] = {1, 3, 2},
               [6] = {3, 1, 1}, [7] = {1, 1, 1}, [8] = {1, 2, 1}, [9] = {1, 2, 2}, [10] = {2, 1, 1}};

EXEC(a32_vldst_multiple)
{
    u32 w = (u32)o->imm;
    unsigned type = w >> 8 & 15, align = w >> 4 & 3, d = (w >> 22 & 1) << 4 | (w >> 12 & 15), size = w >> 6 & 3;
    unsigned regs = types[type].regs, n = types[type].n, inc = types[type].inc;
    FP_CHECK(c, true);
    bool bad = !regs || (n > 1 && size == 3) || ((type == 7 || type == 4 || type == 5 || type == 6) && (align & 2)) ||
               ((type == 10 || type == 8 || type == 9) && align == 3);
    unsigned last = d + (n - 1) * inc + (type == 3 ? 1 : n == 1 ? regs - 1 : 0);
    if (bad || last > 31)
        return exc_undefined(c);
    struct elements e = {.at = (u32)c->x[o->rn],
                         .size = size,
                         .align = align ? 4u << align : 0,
                         .total = 8 * regs * n,
                         .load = w >> 21 & 1};
    if (!aligned(c, &e))
        return STEP_JUMP;
    u64 old[32];
    for (unsigned k = 0; k < 32; k++)
        old[k] = *d_reg(c, k);
    u32 at = e.at;
    for (unsigned r = 0; r < regs; r++)
        for (unsigned i = 0; i < 8u >> size; i++)
            for (unsigned k = 0; k < n; k++, at += 1u << size) {
                unsigned reg = d + r + k * inc;
                u64 v = get_elem(c, reg, size, i);
                if (!access_element(c, &e, at, &v)) {
                    for (unsigned j = 0; j < 32; j++)
                        *d_reg(c, j) = old[j];
                    return STEP_JUMP;
                }
                if (e.load)
                    put_elem(c, reg, size, i, v);
            }
    return finish(c, o, &e);
}

/* Alignment and index of the single-element forms; bits 7:4. False: UNDEFINED. */
static bool single_form(unsigned n, unsigned size, unsigned ia, unsigned *index, unsigned *inc, unsigned *align)
{
    static const u8 none = 0;
    (void)none;
    *index = ia >> (size + 1);
    *inc = size == 0 ? 1 : (ia >> size & 1) + 1u;
    *align = 0;
    unsigned low = ia & (unsigned)ones(size == 2 ? 2 : 1);
    switch (n) {
    case 1:
        *inc = 1;
        if (size == 0)
            return !(ia & 1);
        if (size == 1) {
            *align = ia & 1 ? 2 : 0;
            return !(ia & 2);
        }
        *align = (ia & 3) == 3 ? 4 : 0;
        return !(ia & 4) && ((ia & 3) == 0 || (ia & 3) == 3);
    case 2: *align = low & 1 ? 2u << size : 0; return size != 2 || !(ia & 2);
    case 3: return !(size == 2 ? ia & 3 : ia & 1);
    default:
        if (size == 2) {
            *align = low ? 4u << low : 0;
            return low != 3;
        }
        *align = low ? 4u << size : 0;
        return true;
    }
}

/* All lanes: size, T and a in bits 7:4. */
static bool all_lanes_form(unsigned n, unsigned sta, unsigned *size, unsigned *align)
{
    bool a = sta & 1;
    *size = sta >> 2 & 3;
    *align = 0;
    if (*size == 3) {
        if (n != 4 || !a)
            return false;
        *size = 2;
        *align = 16;
        return true;
    }
    if (n == 1) {
        *align = a ? 1u << *size : 0;
        return !(*size == 0 && a);
    }
    if (n == 3)
        return !a;
    *align = !a ? 0 : n == 2 ? 2u << *size : *size == 2 ? 8 : 4u << *size;
    return true;
}

EXEC(a32_vldst_single)
{
    u32 w = (u32)o->imm;
    unsigned d = (w >> 22 & 1) << 4 | (w >> 12 & 15), size = w >> 10 & 3, n = (w >> 8 & 3) + 1, ia = w >> 4 & 15;
    unsigned index = 0, inc, align;
    bool load = w >> 21 & 1, all = size == 3;
    FP_CHECK(c, true);
    bool ok = all ? load && all_lanes_form(n, ia, &size, &align) : single_form(n, size, ia, &index, &inc, &align);
    if (all)
        inc = (ia >> 1 & 1) + 1;
    unsigned copies = all && n == 1 ? inc : 1;
    if (!ok || d + (n - 1) * inc + copies - 1 > 31)
        return exc_undefined(c);
    struct elements e = {.at = (u32)c->x[o->rn], .size = size, .align = align, .total = n << size, .load = load};
    if (!aligned(c, &e))
        return STEP_JUMP;
    u64 val[4];
    for (unsigned k = 0; k < n; k++) {
        val[k] = get_elem(c, d + k * inc, size, index);
        if (!access_element(c, &e, e.at + (k << size), &val[k]))
            return STEP_JUMP;
    }
    for (unsigned k = 0; load && k < n; k++) {
        if (!all) {
            put_elem(c, d + k * inc, size, index, val[k]);
            continue;
        }
        for (unsigned i = 0; i < 8u >> size; i++)
            for (unsigned x = 0; x < copies; x++)
                put_elem(c, d + k * inc + x, size, i, val[k]);
    }
    return finish(c, o, &e);
}
