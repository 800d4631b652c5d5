/* The AArch32 decoders: A32, T32 with 32 and with 16 bits (DDI0487 F3, F4).
 *
 * A decoded instruction depends on its word and the CPU's features alone, so the interpreter remembers decoded words,
 * not decoded addresses (aa32_interp.c).  T32's coprocessor, floating-point and Advanced SIMD encodings differ from
 * A32's in their first bits only and are decoded as those.
 * Invariant: candidates are tried with the most fixed bits first. */
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "cpu/aa32.h"
#include "cpu/aa32_simd.h"
#include "cpu/feat.h"

/* unconditional rows begin with the digits of their first bits */
#define SIMD_UNCOND(picture) ((picture)[0] == '1' ? A32_UNCOND : 0)
static const struct a64_row a32_rows[] = {
    {.name = "UNDEFINED"},
#define A64(name, picture, feat, imm, flags, fn) {"A32_" #name, picture, feat, imm, flags},
#include "cpu/a32_int.def"
#define SIMD(name, picture, feat, a, b, kind) A64(name, picture, feat, IMM_NEON, A64_V | SIMD_UNCOND(picture), a32_simd)
#include "cpu/a32_simd.def"
#undef SIMD
#undef A64
};
static const struct a64_row t32_rows[] = {
    {.name = "UNDEFINED"},
#define A64(name, picture, feat, imm, flags, fn) {"T32_" #name, picture, feat, imm, flags},
#include "cpu/t32_int.def"
#undef A64
};
static const struct a64_row t16_rows[] = {
    {.name = "UNDEFINED"},
#define A64(name, picture, feat, imm, flags, fn) {"T16_" #name, picture, feat, imm, flags},
#include "cpu/t16_int.def"
#undef A64
};
static const struct {
    const struct a64_row *rows;
    u16 count;
    u8 width;
} tables[] = {
    [ISA_A32] = {a32_rows, ARRAY_LEN(a32_rows), 32},
    [ISA_T32] = {t32_rows, ARRAY_LEN(t32_rows), 32},
    [ISA_T16] = {t16_rows, ARRAY_LEN(t16_rows), 16},
};

enum { LETTERS = 7, ROWS_MAX = 1024 };
static const char letters[LETTERS + 1] = "dnmaxyi";

struct pattern {
    u32 mask, value, nonzero;
    u32 field[LETTERS]; /* bits of each letter */
    u16 row;
    u8 fixed;
};

struct list {
    struct pattern p[ROWS_MAX];
    unsigned n;
};

struct aa32_decoder {
    struct list list[3];
    struct decoder *a64; /* for the instructions that do the work of others */
};

static void parse(struct pattern *p, const struct a64_row *r, unsigned row, unsigned width)
{
    *p = (struct pattern){.row = (u16)row};
    unsigned left = width;
    for (const char *s = r->picture; *s; s++) {
        if (*s == ' ')
            continue;
        CHECK(left > 0);
        u32 b = 1u << --left;
        if (*s == '0' || *s == '1') {
            p->mask |= b;
            p->value |= *s == '1' ? b : 0;
            p->fixed++;
        } else if (*s == 'I') {
            p->nonzero |= b;
            p->field[6] |= b;
        } else if (*s != '-' && *s != 'c') {
            const char *l = strchr(letters, *s);
            CHECK(l);
            p->field[l - letters] |= b;
        }
    }
    CHECK(left == 0);
}

static int by_fixed_bits(const void *a, const void *b)
{
    const struct pattern *p = a, *q = b;
    return p->fixed != q->fixed ? q->fixed - p->fixed : p->row - q->row;
}

struct aa32_decoder *aa32_decoder_new(const struct features *f)
{
    struct aa32_decoder *d = calloc(1, sizeof *d);
    CHECK(d);
    d->a64 = decoder_new(f);
    for (unsigned t = 0; t < ARRAY_LEN(tables); t++) {
        struct list *l = &d->list[t];
        CHECK(tables[t].count <= ROWS_MAX);
        for (unsigned i = 1; i < tables[t].count; i++) {
            const struct a64_row *r = &tables[t].rows[i];
            if (r->feat == FEAT_BASE || feat_has(f, r->feat))
                parse(&l->p[l->n++], r, i, tables[t].width);
        }
        qsort(l->p, l->n, sizeof l->p[0], by_fixed_bits);
    }
    return d;
}

void aa32_decoder_free(struct aa32_decoder *d)
{
    if (d)
        decoder_free(d->a64);
    free(d);
}

const struct a64_row *aa32_row(const struct aa32_insn *i) { return &tables[i->isa].rows[i->op.row]; }

/* ---- immediates ----------------------------------------------------------------------------- */

static u64 with_carry(u32 v) { return v | (u64)(v >> 31) << 32 | 1ull << 33; }

/* i:imm3:imm8 */
static u64 t32_imm(u64 i)
{
    u32 b = (u32)i & 0xff;
    switch (i >> 8) {
    case 0: return b;
    case 1: return b << 16 | b;
    case 2: return b << 24 | b << 8;
    case 3: return b * 0x01010101u;
    default: return with_carry(ror32(0x80 | (b & 0x7f), (unsigned)(i >> 7)));
    }
}

/* DecodeImmShift */
static void shift_imm(struct op *o, u64 i)
{
    o->imm = i;
    if (i == 0 && o->x == 3) {
        o->x = 4;
        o->imm = 1;
    } else if (i == 0 && (o->x == 1 || o->x == 2)) {
        o->imm = 32;
    }
}

static bool immediate(struct op *o, unsigned rule, u64 i, unsigned width, u32 word)
{
    o->imm = i;
    switch (rule) {
    case IMM_NONE: return true;
    case IMM_WORD:
    case IMM_NEON: o->imm = word; return true;
    case IMM_SCALE1: o->imm = i << 1; return true;
    case IMM_SCALE2: o->imm = i << 2; return true;
    case IMM_SEXT1: o->imm = sext(i, width) << 1; return o->x < 14;
    case IMM_BRANCH: o->imm = sext(i, width) << 2; return true;
    case IMM_BLX: o->imm = sext(i, 24) << 2 | (u64)o->y << 1; return true;
    case IMM_A32: {
        unsigned rot = (unsigned)(i >> 8) * 2;
        o->imm = rot ? with_carry(ror32((u32)i & 0xff, rot)) : i & 0xff;
        return true;
    }
    case IMM_T32: o->imm = t32_imm(i); return true;
    case IMM_DECSHIFT: shift_imm(o, i); return true;
    case IMM_TBX:
        if (i & 1)
            return false;
        /* fall through */
    case IMM_TB: { /* I1 = NOT(J1 EOR S) */
        unsigned s = i >> 23 & 1, j1 = i >> 12 & 1, j2 = i >> 11 & 1;
        u64 v = (u64)s << 23 | (u64)(j1 == s) << 22 | (u64)(j2 == s) << 21 | (i >> 13 & 0x3ff) << 11 | (i & 0x7ff);
        o->imm = sext(v, 24) << 1;
        return true;
    }
    case IMM_TBC: {
        u64 v = (i >> 19 & 1) << 19 | (i >> 11 & 1) << 18 | (i >> 12 & 1) << 17 | (i >> 13 & 0x3f) << 11 | (i & 0x7ff);
        o->imm = sext(v, 20) << 1;
        return o->x < 14;
    }
    case IMM_WIDTH: return i + o->x < 32;
    case IMM_BFI: return i >= o->x;
    case IMM_OFF0: o->y = o->y ? o->y : 6; return true;
    case IMM_OFF1: o->y = 6, o->imm = i << 1; return true;
    case IMM_OFF2: o->y = 6, o->imm = i << 2; return true;
    case IMM_PAR: return o->x != 5 && o->x != 6;
    case IMM_CRC: return o->x != 3;
    case IMM_PUW: return (o->y & 5) != 0;
    case IMM_PUW2: o->imm = i << 2; return (o->y & 5) != 0;
    case IMM_SUB12: o->y = 4; return true;
    case IMM_LIST: return i != 0;
    default: return false;
    }
}

/* ---- decoding ------------------------------------------------------------------------------- */

/* The bits of word in mask, packed. */
static u32 extract(u32 word, u32 mask)
{
    u32 v = 0;
    for (unsigned k = 0; mask; mask &= mask - 1) {
        u32 low = mask & -mask;
        v |= (word & low ? 1u : 0u) << k++;
    }
    return v;
}

static u8 reg(u32 n) { return n == 15 ? REG_PC : (u8)n; }

/* T32 to A32 for the encodings that they share. False: not one of them. */
static bool shared_encoding(u32 w, u32 *a32)
{
    if ((w & 0xef000000) == 0xef000000) /* Advanced SIMD data processing: 111U 1111 */
        *a32 = 0xf2000000 | (w >> 28 & 1) << 24 | (w & 0x00ffffff);
    else if ((w & 0xff100000) == 0xf9000000) /* element loads and stores */
        *a32 = 0xf4000000 | (w & 0x00ffffff);
    else if ((w & 0xec000000) == 0xec000000)
        *a32 = w;
    else
        return false;
    return true;
}

static bool match(struct aa32_decoder *d, enum aa32_isa isa, u32 word, bool unconditional, struct aa32_insn *out)
{
    const struct list *l = &d->list[isa];
    for (unsigned k = 0; k < l->n; k++) {
        const struct pattern *p = &l->p[k];
        if ((word & p->mask) != p->value || (p->nonzero && !(word & p->nonzero)))
            continue;
        const struct a64_row *r = &tables[isa].rows[p->row];
        if (isa == ISA_A32 && unconditional != ((r->flags & A32_UNCOND) != 0))
            continue;
        bool v = r->flags & A64_V;
        u32 f[LETTERS];
        for (unsigned i = 0; i < LETTERS; i++)
            f[i] = p->field[i] ? extract(word, p->field[i]) : 0;
        out->op = (struct op){.row = p->row,
                              .rd = v ? (u8)f[0] : reg(f[0]),
                              .rn = v ? (u8)f[1] : reg(f[1]),
                              .rm = v ? (u8)f[2] : reg(f[2]),
                              .ra = v ? (u8)f[3] : reg(f[3]),
                              .x = (u8)f[4],
                              .y = (u8)f[5]};
        unsigned width = (unsigned)__builtin_popcount(p->field[6]);
        if (r->flags & A32_NOT_IT)
            out->op.y = 2;
        if (r->imm == IMM_NEON) {
            if (aa32_simd_decode(d->a64, word, p->row, out))
                return true;
            continue; /* a modified immediate, or a reserved size */
        }
        if (!immediate(&out->op, r->imm, f[6], width, word))
            break;
        if (isa == ISA_T32 && (r->flags & A64_STORE) && out->op.rn == REG_PC && r->imm != IMM_LIST)
            break;
        return true;
    }
    out->op = (struct op){.row = 0};
    return false;
}

void aa32_decode(const struct cpu *c, enum aa32_isa isa, u32 word, struct aa32_insn *out)
{
    struct aa32_decoder *d = aa32_decoder_of(c);
    u32 a32;
    *out = (struct aa32_insn){.word = word, .isa = (u8)isa, .len = isa == ISA_T16 ? 2 : 4, .cond = 14};
    if (isa == ISA_T32 && shared_encoding(word, &a32)) {
        out->isa = ISA_A32;
        if (!match(d, ISA_A32, a32, a32 >> 28 == 15, out))
            out->op = (struct op){.row = 0};
        return;
    }
    bool unconditional = isa == ISA_A32 && word >> 28 == 15;
    if (isa == ISA_A32 && !unconditional)
        out->cond = (u8)(word >> 28);
    if (!match(d, isa, word, unconditional, out)) {
        out->op = (struct op){.row = 0};
        out->cond = unconditional || isa != ISA_A32 ? 14 : (u8)(word >> 28);
    }
}

const struct a64_row *aa32_table(enum aa32_isa isa, unsigned *count)
{
    *count = tables[isa].count;
    return tables[isa].rows;
}
