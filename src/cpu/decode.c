/* The A64 decoder: parses the bit pictures of a64.def once and turns instruction words into struct op.
 *
 * Arm ARM DDI0487 C4 (encoding index).  Rows whose feature the CPU lacks do not take part, so that a
 * word of theirs falls to a less specific row (hints become NOPs) or is UNDEFINED.
 *
 * Look-up: bits 31:21 and 12:10 select a bucket of candidate rows, most specific first; the first that
 * matches wins, which is the first of all for 88 of 100 words.  Invariants: candidates of a bucket are in descending
 * order of fixed bits; the test forbids rows that overlap without one containing the other. */
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "cpu/a64.h"
#include "cpu/feat.h"
#include "cpu/sysreg.h"

const struct a64_row a64_rows[] = {
    [A64_ROW_FETCH] = {.name = "(not decoded)"},
    [A64_ROW_UNDEFINED] = {.name = "UNDEFINED"},
#define A64(name, picture, feat, imm, flags, fn) {#name, picture, feat, imm, flags},
#include "cpu/a64.def"
#undef A64
};
const unsigned a64_row_count = ARRAY_LEN(a64_rows);

enum { ROWS = ARRAY_LEN(a64_rows), SEGMENTS = 6, BUCKETS = 1 << 14 };

/* A run of one letter in a picture: width bits of the word from lsb upwards. */
struct segment {
    u8 lsb, width;
};
struct field {
    u8 n;     /* segments, most significant first */
    u8 width; /* of all */
    struct segment seg[SEGMENTS];
};

enum reg_kind { KIND_PLAIN, KIND_DEST, KIND_SP };

/* A row's picture, parsed. */
struct picture {
    u32 mask, value;
    u32 nonzero[3]; /* bits of X, Y and I letters, 0: no such letters */
    u16 row;
    u8 fixed; /* number of fixed bits */
    bool enabled;
    u8 kind[4]; /* enum reg_kind of rd, rn, rm, ra */
    struct field reg[4];
    struct field x, y, i;
};

/* What of it a word needs that it is: one line of the host's caches, for which decoding waits most of all. */
struct pattern {
    _Alignas(64) u32 mask;
    u32 value;
    u32 nonzero[3];
    u16 row;
    bool pieces; /* some field is in several; else they are: */
    struct segment reg[4], x, y, i;
    u8 kind[4];
    u8 imm; /* enum imm_rule */
};

struct decoder {
    unsigned count;
    struct pattern pattern[ROWS]; /* the most fixed bits first; so is the other */
    struct picture picture[ROWS];
    u16 head[BUCKETS];      /* the first candidate of a bucket, ROWS: it has none */
    u16 first[BUCKETS + 1]; /* all candidates of bucket b: list[first[b]] .. list[first[b + 1] - 1] */
    u16 *list;              /* patterns that are enabled */
};

/* ---- parsing -------------------------------------------------------------------------------- */

static void bad_row(const struct a64_row *r, const char *why)
{
    char text[160];
    strcpy(text, "a64.def row ");
    strncat(text, r->name, 80);
    strcat(text, ": ");
    strncat(text, why, 40);
    check_failed(__FILE__, __LINE__, text);
}

static void add_bit(struct field *f, unsigned b, const struct a64_row *r)
{
    if (f->n && f->seg[f->n - 1].lsb == b + 1) {
        f->seg[f->n - 1].lsb = (u8)b;
        f->seg[f->n - 1].width++;
    } else {
        if (f->n == SEGMENTS)
            bad_row(r, "field in too many pieces");
        f->seg[f->n++] = (struct segment){(u8)b, 1};
    }
    f->width++;
}

static void add_reg(struct picture *p, unsigned which, enum reg_kind kind, unsigned b, const struct a64_row *r)
{
    if (p->reg[which].n && p->kind[which] != kind)
        bad_row(r, "one register in two spellings");
    p->kind[which] = (u8)kind;
    add_bit(&p->reg[which], b, r);
}

static void parse_letter(struct picture *p, char letter, unsigned b, const struct a64_row *r)
{
    bool v = (r->flags & A64_V) != 0;
    switch (letter) {
    case '0':
    case '1':
        p->mask |= 1u << b;
        p->value |= (u32)(letter - '0') << b;
        p->fixed++;
        break;
    case '-': break;
    case 'd': add_reg(p, 0, v ? KIND_PLAIN : KIND_DEST, b, r); break;
    case 'D': add_reg(p, 0, KIND_DEST, b, r); break;
    case 'e': add_reg(p, 0, KIND_SP, b, r); break;
    case 't': add_reg(p, 0, KIND_PLAIN, b, r); break;
    case 'n':
    case 'N': add_reg(p, 1, KIND_PLAIN, b, r); break;
    case 'p': add_reg(p, 1, KIND_SP, b, r); break;
    case 'm':
    case 'M': add_reg(p, 2, KIND_PLAIN, b, r); break;
    case 'a': add_reg(p, 3, KIND_PLAIN, b, r); break;
    case 'b':
    case 'B': add_reg(p, 3, KIND_DEST, b, r); break;
    case 'X': p->nonzero[0] |= 1u << b; /* fall through */
    case 'x': add_bit(&p->x, b, r); break;
    case 'Y': p->nonzero[1] |= 1u << b; /* fall through */
    case 'y': add_bit(&p->y, b, r); break;
    case 'I': p->nonzero[2] |= 1u << b; /* fall through */
    case 'i': add_bit(&p->i, b, r); break;
    default: bad_row(r, "unknown letter in the picture");
    }
}

static void parse(struct picture *p, unsigned row, const struct features *f)
{
    const struct a64_row *r = &a64_rows[row];
    *p = (struct picture){.row = (u16)row, .enabled = r->feat == FEAT_BASE || feat_has(f, r->feat)};
    unsigned left = 32;
    for (const char *s = r->picture; *s; s++) {
        if (*s == ' ')
            continue;
        if (left == 0)
            bad_row(r, "more than 32 bits");
        parse_letter(p, *s, --left, r);
    }
    if (left)
        bad_row(r, "fewer than 32 bits");
    if (p->x.width > 8 || p->y.width > 8)
        bad_row(r, "x or y wider than 8 bits");
}

/* ---- look-up -------------------------------------------------------------------------------- */

static unsigned bucket_of(u32 word) { return word >> 21 << 3 | (word >> 10 & 7); }
static const u32 bucket_mask = 0x7ffu << 21 | 7u << 10;

static bool matches(const struct pattern *p, u32 word)
{
    if ((word & p->mask) != p->value)
        return false;
    for (unsigned i = 0; i < 3; i++)
        if (UNLIKELY(p->nonzero[i] && !(word & p->nonzero[i])))
            return false;
    return true;
}

static int by_fixed_bits(const void *a, const void *b)
{
    const struct picture *p = a, *q = b;
    return p->fixed != q->fixed ? q->fixed - p->fixed : p->row - q->row;
}

static void count_one(struct decoder *d, unsigned bucket, unsigned k)
{
    (void)k;
    d->first[bucket + 1]++;
}
static void list_one(struct decoder *d, unsigned bucket, unsigned k) { d->list[d->first[bucket + 1]++] = (u16)k; }

/* Each bucket that words of pattern k are in. */
static void for_buckets(struct decoder *d, unsigned k, void (*visit)(struct decoder *, unsigned bucket, unsigned k))
{
    if (!d->picture[k].enabled)
        return;
    u32 value = d->picture[k].value & bucket_mask, open = ~d->picture[k].mask & bucket_mask, some = 0;
    do {
        visit(d, bucket_of(value | some), k);
        some = (some - open) & open; /* the next subset of the open bits */
    } while (some);
}

static struct segment only(const struct field *f, bool *pieces)
{
    *pieces |= f->n > 1;
    return f->seg[0]; /* without any, it has no bits */
}

static struct pattern pattern_of(const struct picture *p)
{
    struct pattern q = {.mask = p->mask, .value = p->value, .row = p->row, .imm = (u8)a64_rows[p->row].imm};
    memcpy(q.nonzero, p->nonzero, sizeof q.nonzero);
    memcpy(q.kind, p->kind, sizeof q.kind);
    for (unsigned k = 0; k < 4; k++)
        q.reg[k] = only(&p->reg[k], &q.pieces);
    q.x = only(&p->x, &q.pieces);
    q.y = only(&p->y, &q.pieces);
    q.i = only(&p->i, &q.pieces);
    return q;
}

struct decoder *decoder_new(const struct features *f)
{
    struct decoder *d = aligned_alloc(_Alignof(struct decoder), sizeof *d);
    CHECK(d);
    memset(d, 0, sizeof *d);
    for (unsigned row = A64_ROW_UNDEFINED + 1; row < ROWS; row++)
        parse(&d->picture[d->count++], row, f);
    qsort(d->picture, d->count, sizeof d->picture[0], by_fixed_bits);
    for (unsigned k = 0; k < d->count; k++)
        d->pattern[k] = pattern_of(&d->picture[k]);

    /* d->first[b + 1] counts bucket b's patterns, then is where it is filled next, then where it ends. */
    for (unsigned k = 0; k < d->count; k++)
        for_buckets(d, k, count_one);
    u32 total = 0;
    for (unsigned b = 0; b < BUCKETS; b++)
        d->first[b + 1] = (u16)(total += d->first[b + 1]);
    CHECK(total <= 0xffff);
    d->list = malloc(d->first[BUCKETS] * sizeof *d->list);
    CHECK(d->list);
    for (unsigned b = BUCKETS; b > 0; b--)
        d->first[b] = d->first[b - 1];
    for (unsigned k = 0; k < d->count; k++)
        for_buckets(d, k, list_one);
    for (unsigned b = 0; b < BUCKETS; b++)
        d->head[b] = d->first[b] < d->first[b + 1] ? d->list[d->first[b]] : ROWS;
    return d;
}

void decoder_free(struct decoder *d)
{
    if (d) {
        free(d->list);
        free(d);
    }
}

/* ---- immediates ----------------------------------------------------------------------------- */

/* DecodeBitMasks, immediate form: i = N:immr:imms. */
static bool logical_mask(u64 i, unsigned width, u64 *out)
{
    unsigned n = i >> 12 & 1, immr = i >> 6 & 63, imms = i & 63;
    unsigned sel = n << 6 | (~imms & 63);
    if (sel < 2 || (width == 32 && n))
        return false;
    unsigned len = 31 - (unsigned)__builtin_clz(sel);
    unsigned size = 1u << len, s = imms & (size - 1), r = immr & (size - 1);
    if (s == size - 1)
        return false;
    u64 welem = ones(s + 1);
    u64 elem = r ? (welem >> r | welem << (size - r)) & ones(size) : welem;
    for (unsigned k = size; k < 64; k *= 2)
        elem |= elem << k;
    *out = width == 32 ? (u32)elem : elem;
    return true;
}

/* SBFM, BFM, UBFM: i = immr:imms.  Every bitfield move is a left shift by x followed by a right shift
 * by y of a 64-bit value; imm has ones where source bits land. */
static bool bitfield(struct op *o, u64 i, unsigned width)
{
    unsigned r = i >> 6 & 63, s = i & 63;
    if (r >= width || s >= width)
        return false;
    unsigned left = 63 - s;
    unsigned right = s >= r ? left + r : left - (width - r);
    o->x = (u8)left;
    o->y = (u8)right;
    o->imm = ~0ull << left >> right;
    return true;
}

/* VFPExpandImm: sign, exponent not(b6):b6...:b5:b4, fraction b3:0. */
static u64 fp8(u64 i, unsigned ebits, unsigned fbits)
{
    u64 sign = i >> 7 & 1, b6 = i >> 6 & 1;
    u64 exp = (b6 ^ 1) << (ebits - 1) | (b6 ? ones(ebits - 3) << 2 : 0) | (i >> 4 & 3);
    return sign << (ebits + fbits) | exp << fbits | (i & 15) << (fbits - 4);
}

static bool sysreg_index(struct op *o, unsigned op0, u64 i)
{
    unsigned id = sysreg_find(op0, i >> 11 & 7, i >> 7 & 15, i >> 3 & 15, i & 7);
    o->imm = id;
    return id != SR_NONE;
}

/* False: the word is UNDEFINED. x and y have their values already. */
static bool immediate(struct op *o, enum imm_rule rule, u64 i, unsigned width, u32 word)
{
    o->imm = i;
    switch (rule) {
    case IMM_NONE: return true;
    case IMM_WORD: o->imm = word; return true;
    case IMM_SEXT: o->imm = sext(i, width); return true;
    case IMM_BRANCH: o->imm = sext(i, width) << 2; return true;
    case IMM_ADR:
    case IMM_ADRP:
        o->imm = sext(i << 2 & ones(21), 21) | i >> 19;
        if (rule == IMM_ADRP)
            o->imm <<= 12;
        return true;
    case IMM_LSL12: o->imm = o->x ? i << 12 : i; return true;
    case IMM_SCALE1: o->imm = i << 1; return true;
    case IMM_SCALE2: o->imm = i << 2; return true;
    case IMM_SCALE3: o->imm = i << 3; return true;
    case IMM_SCALE4: o->imm = i << 4; return true;
    case IMM_SSCALE2: o->imm = sext(i, width) << 2; return true;
    case IMM_SSCALE3: o->imm = sext(i, width) << 3; return true;
    case IMM_SSCALE4: o->imm = sext(i, width) << 4; return true;
    case IMM_LOGICAL32: return logical_mask(i, 32, &o->imm);
    case IMM_LOGICAL64: return logical_mask(i, 64, &o->imm);
    case IMM_BITFIELD32: return bitfield(o, i, 32);
    case IMM_BITFIELD64: return bitfield(o, i, 64);
    case IMM_SHIFT32: return i < 32;
    case IMM_EXTEND: return i <= 4;
    case IMM_MOVW: o->imm = i << (16 * o->x); return true;
    case IMM_SYSREG: return sysreg_index(o, 2 + (i >> 14 & 1), i);
    case IMM_SYSOP: return sysreg_index(o, 1, i);
    case IMM_FP8_16: o->imm = fp8(i, 5, 10); return true;
    case IMM_FP8_32: o->imm = fp8(i, 8, 23); return true;
    case IMM_FP8_64: o->imm = fp8(i, 11, 52); return true;
    case IMM_V_1D: return !(o->x == 3 && !o->y);
    case IMM_V_NOD: return o->x != 3;
    case IMM_V_HS: return o->x != 0 && o->x != 3;
    case IMM_V_LANES: return o->x != 3 && !(o->x == 2 && !o->y);
    case IMM_V_SHIFT: return o->y || !bit(i, 6);
    case IMM_V_EXT: return o->y || !bit(i, 3);
    }
    return false;
}

/* ---- decoding ------------------------------------------------------------------------------- */

static u32 extract(const struct field *f, u32 word)
{
    u32 v = 0;
    for (unsigned k = 0; k < f->n; k++)
        v = v << f->seg[k].width | (word >> f->seg[k].lsb & (u32)ones(f->seg[k].width));
    return v;
}

static u32 extract_one(struct segment s, u32 word) { return word >> s.lsb & (u32)((1ull << s.width) - 1); }

static u8 reg(u8 kind, u32 n)
{
    static const u8 reg31[] = {[KIND_PLAIN] = REG_ZERO, [KIND_DEST] = REG_SINK, [KIND_SP] = REG_SP};
    return n == 31 ? reg31[kind] : (u8)n;
}

/* As of a row with fields in several pieces. */
static __attribute__((noinline)) struct op decode_pieces(const struct picture *p, u32 word)
{
    struct op o = {.row = p->row,
                   .rd = reg(p->kind[0], extract(&p->reg[0], word)),
                   .rn = reg(p->kind[1], extract(&p->reg[1], word)),
                   .rm = reg(p->kind[2], extract(&p->reg[2], word)),
                   .ra = reg(p->kind[3], extract(&p->reg[3], word)),
                   .x = (u8)extract(&p->x, word),
                   .y = (u8)extract(&p->y, word)};
    if (!immediate(&o, a64_rows[p->row].imm, extract(&p->i, word), p->i.width, word))
        return (struct op){.row = A64_ROW_UNDEFINED, .imm = word};
    return o;
}

struct op decode(const struct decoder *d, u32 word)
{
    unsigned b = bucket_of(word), n = d->head[b];
    if (UNLIKELY(n == ROWS))
        return (struct op){.row = A64_ROW_UNDEFINED, .imm = word};
    const struct pattern *p = &d->pattern[n];
    for (u32 k = d->first[b]; UNLIKELY(!matches(p, word)); p = &d->pattern[d->list[k]])
        if (++k == d->first[b + 1])
            return (struct op){.row = A64_ROW_UNDEFINED, .imm = word};
    if (p->pieces)
        return decode_pieces(&d->picture[p - d->pattern], word);
    struct op o = {.row = p->row,
                   .rd = reg(p->kind[0], extract_one(p->reg[0], word)),
                   .rn = reg(p->kind[1], extract_one(p->reg[1], word)),
                   .rm = reg(p->kind[2], extract_one(p->reg[2], word)),
                   .ra = reg(p->kind[3], extract_one(p->reg[3], word)),
                   .x = (u8)extract_one(p->x, word),
                   .y = (u8)extract_one(p->y, word)};
    if (!immediate(&o, p->imm, extract_one(p->i, word), p->i.width, word))
        return (struct op){.row = A64_ROW_UNDEFINED, .imm = word};
    return o;
}

int decode_row(const struct decoder *d, u32 word)
{
    for (unsigned k = 0; k < d->count; k++) /* others' rows too */
        if (matches(&d->pattern[k], word))
            return d->pattern[k].row;
    return -1;
}
