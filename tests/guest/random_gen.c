/* Makes the blocks of random instructions that tests/guest/random_main.c runs (docs/random-instructions.md).
 *
 *     random_gen OUT CPU BLOCKS ROUNDS SEED LEVEL EXPLAINED ORACLE [ONLY]
 *
 * CPU is a model as the command line takes it ("max,mops=off"): rows whose feature it lacks serve as UNDEFINED words.
 * LEVEL is what the image runs at: 1 (EL1 and EL0), 2 (EL2), v (EL2 and EL0 with HCR_EL2.E2H, TGE). EXPLAINED lists
 * words that the oracle executes otherwise than the architecture says. ONLY: text in the names of the rows to take.
 *
 * Words come from the bit pictures of cpu/a64.def, so a new row takes part without a word said here; what must not
 * appear is said in forbidden() (would end the run, or its outcome is not defined) and unpredictable(). Branches go
 * forward over one instruction, indirect ones to an address taken just before, so that each block ends.
 *
 * Prints, for each class of rows: rows met, different words, instructions executed. The last is a lower bound: what a
 * branch may jump over is not counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "cpu/a64.h"
#include "cpu/cpu.h"
#include "cpu/feat.h"
#include "cpu/model.h"
#include "random_blocks.h"

enum class { INT, SYS, LDST, PAUTH, MOPS, MTE, SIMD_LDST, FP, SIMD, CRYPTO, BRANCH, UNDEF, CLASSES };
static const char *const class_name[] = {"integer",
                                         "system",
                                         "loads and stores",
                                         "pointer authentication",
                                         "memory copy and set",
                                         "tags",
                                         "SIMD loads and stores",
                                         "floating point",
                                         "SIMD",
                                         "cryptography",
                                         "branches",
                                         "UNDEFINED"};
/* Per cent of the words; templates add their own. */
static const u8 weight[CLASSES] = {19, 5, 18, 6, 1, 5, 8, 15, 14, 3, 4, 2};

static const u8 class_of[] = {
    UNDEF,
    UNDEF,
#define A64(name, picture, feat, imm, flags, fn) (flags) & A64_BRANCH ? BRANCH : CLASS,
#define CLASS                                    INT
#include "cpu/a64_int.def"
#undef CLASS
#define CLASS SYS
#include "cpu/a64_sys.def"
#undef CLASS
#define CLASS LDST
#include "cpu/a64_ldst.def"
#undef CLASS
#define CLASS PAUTH
#include "cpu/a64_pauth.def"
#undef CLASS
#define CLASS MOPS
#include "cpu/a64_mops.def"
#undef CLASS
#define CLASS MTE
#include "cpu/a64_mte.def"
#undef CLASS
#define CLASS SIMD_LDST
#include "cpu/a64_simd_ldst.def"
#undef CLASS
#define CLASS FP
#include "cpu/a64_fp.def"
#undef CLASS
#define CLASS SIMD
#include "cpu/a64_simd.def"
#undef CLASS
#define CLASS CRYPTO
#include "cpu/a64_crypto.def"
#undef CLASS
#undef A64
};

struct explained {
    u32 mask, value;
    bool undefined; /* only words that are UNDEFINED */
};

struct gen {
    struct decoder *dec;
    struct features feat;
    u64 rng;
    char level;
    const char *only;
    int oracle;
    u16 rows[CLASSES][2048];
    unsigned row_count[CLASSES];
    struct explained explained[256];
    unsigned explained_count;
    /* the batch and block being made */
    unsigned el;
    u32 *out;
    unsigned n;
    bool bti, copies, asymmetric;
    /* figures */
    u8 *row_seen;
    u64 executed[CLASSES];
    u64 shadow; /* of the word to come */
    u32 *words[CLASSES];
    unsigned word_count[CLASSES], word_max[CLASSES];
};

static u64 rnd(struct gen *g)
{
    g->rng ^= g->rng << 13;
    g->rng ^= g->rng >> 7;
    g->rng ^= g->rng << 17;
    return (g->rng * 0x2545f4914f6cdd1d) >> 8;
}
static unsigned below(struct gen *g, unsigned n) { return (unsigned)(rnd(g) % n); }
static bool chance(struct gen *g, unsigned percent) { return below(g, 100) < percent; }

static bool starts(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

/* ---- what must not appear -------------------------------------------------------------------------------- */

static bool any_prefix(const char *s, const char *const *list)
{
    for (; *list; list++)
        if (starts(s, *list))
            return true;
    return false;
}

/* Rows that would leave the test. System registers and operations come from lists of their own. */
static bool forbidden(const struct gen *g, const struct a64_row *r)
{
    static const char *const never[] = {"WFE", "WFI", "MSR_imm", "MSR", "MRS", "SYS", "SMC", NULL};
    static const char *const above_el0[] = {"ERET", NULL};
    static const char *const templates[] = {"CPY",  "SETP",  "SETM", "SETE",  "SETG",
                                            "STXR", "STLXR", "STXP", "STLXP", NULL};
    return any_prefix(r->name, never) || any_prefix(r->name, templates) || (r->flags & A64_BRANCH) != 0 ||
           (g->el && any_prefix(r->name, above_el0));
}

/* CONSTRAINED UNPREDICTABLE: transfers of the base with writeback, two loads to one register (DDI0487 K1.2). */
static bool unpredictable(const struct a64_row *r, u32 w)
{
    unsigned t = w & 31, n = w >> 5 & 31, t2 = w >> 10 & 31;
    bool pair = starts(r->name, "LDP") || starts(r->name, "LDNP") || starts(r->name, "STP") ||
                starts(r->name, "STGP") || strstr(r->name, "XP_");
    bool load = (r->flags & A64_LOAD) != 0, v = (r->flags & A64_V) != 0;
    if (pair && load && t == t2)
        return true;
    if (!v && n != 31 && (strstr(r->name, "_post") || strstr(r->name, "_pre")) && (t == n || (pair && t2 == n)))
        return true;
    return false;
}

static bool is_explained(const struct gen *g, u32 w, bool undefined)
{
    for (unsigned i = 0; i < g->explained_count; i++)
        if ((w & g->explained[i].mask) == g->explained[i].value && (undefined || !g->explained[i].undefined))
            return true;
    return false;
}

static bool sve_or_sme(u32 w) { return (w >> 25 & 15) == 2 || ((w >> 25 & 15) == 0 && w >> 31); }

/* ---- words ----------------------------------------------------------------------------------------------- */

/* X16-X23 and SP are pointers when a block starts, X24-X27 small: most instructions leave them so. */
static unsigned pick_reg(struct gen *g, const struct a64_row *r, char letter)
{
    bool mem = (r->flags & (A64_LOAD | A64_STORE)) != 0, v = (r->flags & A64_V) != 0;
    unsigned reg = below(g, 32);
    if (v && strchr("dtnma", letter))
        return chance(g, 50) ? reg : reg & 7;
    if (letter == 'p' && mem && !chance(g, 12))
        return chance(g, 15) ? 31 : 16 + reg % 8;
    if (letter == 'm' && mem && (strstr(r->name, "_reg") || strstr(r->name, "_ext")) && !chance(g, 15))
        return 24 + reg % 4;
    if (strchr("debBD", letter) && reg >= 16 && reg < 28 && !chance(g, 15))
        reg -= 12;
    return reg;
}

/* Ignored bits that should be 0 or 1: other values are CONSTRAINED UNPREDICTABLE, and the reference says UNDEFINED. -1:
 * the bits mean nothing. */
static int should_be(const struct a64_row *r)
{
    if (starts(r->name, "ADDG") || starts(r->name, "SUBG"))
        return 0;
    return strstr(r->name, "_reg") || starts(r->name, "CLREX") || starts(r->name, "ISB") ? -1 : 1;
}

static u32 fill(struct gen *g, const struct a64_row *r)
{
    u32 word = 0, bits_left = 0;
    unsigned reg = 0;
    char last = 0;
    for (const char *p = r->picture; *p; p++) {
        char ch = *p;
        if (ch == ' ')
            continue;
        word <<= 1;
        if (ch == '0' || ch == '1') {
            word |= (u32)(ch - '0');
        } else if (strchr("dDetnNpmMabB", ch)) {
            if (ch != last) {
                reg = pick_reg(g, r, ch);
                bits_left = 0;
                for (const char *q = p; *q == ch || *q == ' '; q++)
                    bits_left += *q == ch;
            }
            word |= reg >> --bits_left & 1;
        } else if (ch == '-' && should_be(r) >= 0) {
            word |= (u32)should_be(r);
        } else {
            word |= (u32)(rnd(g) & 1);
        }
        last = ch;
    }
    return word;
}

static const struct a64_row *row_of(const struct gen *g, u32 w) { return &a64_rows[decode(g->dec, w).row]; }

static void account(struct gen *g, u32 w, unsigned rounds)
{
    unsigned row = decode(g->dec, w).row, c = class_of[row];
    g->row_seen[row] = 1;
    if (!g->shadow)
        g->executed[c] += rounds;
    g->shadow = 0;
    if (g->word_count[c] == g->word_max[c]) {
        g->word_max[c] = g->word_max[c] ? 2 * g->word_max[c] : 65536;
        g->words[c] = realloc(g->words[c], g->word_max[c] * sizeof(u32));
        CHECK(g->words[c]);
    }
    g->words[c][g->word_count[c]++] = w;
}

static void emit(struct gen *g, u32 w) { g->out[g->n++] = w; }

/* A word of a row, fit to stand anywhere. */
static bool plain(struct gen *g, u32 w, bool want_undefined)
{
    const struct a64_row *r = row_of(g, w);
    bool undefined = r == &a64_rows[A64_ROW_UNDEFINED];
    if (undefined != want_undefined || is_explained(g, w, undefined))
        return false;
    if (undefined) {
        if (sve_or_sme(w) || w >> 22 == 0x354 || w >> 24 == 0xd4 || w >> 25 == 0x6b)
            return false;
        int any = decode_row(g->dec, w);
        return any < 0 || !(a64_rows[any].flags & A64_BRANCH);
    }
    if (g->asymmetric && starts(r->name, "CAS")) /* reads too, but the reference takes it for a write */
        return false;
    return !forbidden(g, r) && !unpredictable(r, w);
}

static u32 undefined_word(struct gen *g)
{
    for (;;) {
        unsigned c = below(g, UNDEF);
        u32 w = (u32)rnd(g);
        if (g->row_count[c] && chance(g, 80))
            w = fill(g, &a64_rows[g->rows[c][below(g, g->row_count[c])]]) ^ 1u << below(g, 32);
        if (plain(g, w, true))
            return w;
    }
}

static u32 word_of_class(struct gen *g, unsigned c)
{
    for (unsigned tries = 0; tries < 1000 && g->row_count[c]; tries++) {
        u32 w = fill(g, &a64_rows[g->rows[c][below(g, g->row_count[c])]]);
        if (plain(g, w, false))
            return w;
    }
    return 0xd503201f;
}

static u32 data_word(struct gen *g) { return word_of_class(g, chance(g, 50) ? INT : chance(g, 50) ? SIMD : FP); }

/* ---- templates ------------------------------------------------------------------------------------------- */

/* A jump over one instruction; where pages are guarded the target is sometimes a landing pad. */
static void landing(struct gen *g)
{
    emit(g, data_word(g));
    if (g->bti && chance(g, 60))
        emit(g, 0xd503241f | below(g, 4) << 6);
}

static void direct_branch(struct gen *g)
{
    for (;;) {
        const struct a64_row *r = &a64_rows[g->rows[BRANCH][below(g, g->row_count[BRANCH])]];
        u32 w = fill(g, r), mask = 0;
        if (r->imm != IMM_BRANCH)
            continue;
        unsigned b = 32;
        for (const char *p = r->picture; *p; p++)
            if (*p != ' ' && (b--, *p == 'i'))
                mask |= 1u << b;
        w = (w & ~mask) | 2 * (mask & -mask);
        if (row_of(g, w) != r && row_of(g, w)->imm != IMM_BRANCH)
            continue; /* the feature is absent */
        emit(g, w);
        landing(g);
        return;
    }
}

static void indirect_branch(struct gen *g)
{
    unsigned n = chance(g, 30) ? 16 + below(g, 2) : below(g, 16), m = below(g, 31), kind = below(g, 12),
             key = below(g, 2);
    bool pac = feat_has(&g->feat, FEAT_PAuth) && kind >= 4;
    if (m == n)
        m = 31;
    if (kind >= 10)
        n = 30;
    emit(g, 0x10000000 | (pac ? 4u : 3u) << 5 | n); /* adr xn, target */
    if (!pac) {
        static const u32 forms[] = {0xd61f0000, 0xd63f0000, 0xd65f0000, 0xd61f0000};
        emit(g, forms[kind & 3] | n << 5);
    } else if (kind >= 10) {
        emit(g, key ? 0xd503237f : 0xd503233f); /* paciasp, pacibsp */
        emit(g, key ? 0xd65f0fff : 0xd65f0bff); /* retaa, retab */
    } else if (kind >= 7) {
        emit(g, 0xdac123e0 | key << 10 | n); /* paciza */
        emit(g, (kind & 1 ? 0xd61f081f : 0xd63f081f) | key << 10 | n << 5);
    } else {
        emit(g, 0xdac10000 | key << 10 | m << 5 | n); /* pacia xn, xm */
        emit(g, (kind & 1 ? 0xd71f0800 : 0xd73f0800) | key << 10 | n << 5 | m);
    }
    landing(g);
}

static void branch(struct gen *g)
{
    if (g->row_count[BRANCH] && chance(g, 70))
        direct_branch(g);
    else if (!g->only)
        indirect_branch(g);
}

/* Makes xn an address in a page that all may read and write. */
static void good_page(struct gen *g, u32 n)
{
    emit(g, 0x92400000 | 46 << 16 | 57 << 10 | n << 5 | n); /* and xn, xn, #~0x3f000 */
    emit(g, 0x92400000 | 30 << 10 | n << 5 | n);            /* and xn, xn, #0x7fffffff */
}

/* Load-exclusive, something that touches no memory, store-exclusive of the same width and address. The address is a
 * good one: whether a store-exclusive that would fail anyway takes a fault first is IMPLEMENTATION DEFINED. */
static void exclusive(struct gen *g)
{
    u32 size = below(g, 4), pair = size >= 2 && chance(g, 40), base = 16 + below(g, 8), t = below(g, 14),
        order = below(g, 4);
    u32 word = size << 30 | 0x08000000 | pair << 21 | base << 5;
    emit(g, 0x92400000 | 60 << 16 | 59 << 10 | base << 5 | base); /* and xn, xn, #~15 */
    good_page(g, base);
    emit(g, word | 0x00400000 | (order & 1) << 15 | 31 << 16 | (pair ? t + 1 : 31) << 10 | t);
    if (chance(g, 60)) {
        emit(g, word_of_class(g, CRYPTO)); /* changes no general register */
    }
    if (chance(g, 4))
        emit(g, 0xd503305f | below(g, 16) << 8); /* clrex */
    emit(g, word | (order >> 1) << 15 | 15 << 16 | (pair ? below(g, 14) : 31) << 10 | below(g, 14));
}

static void sign_and_authenticate(struct gen *g)
{
    u32 d = below(g, 16), n = below(g, 32), key = below(g, 4);
    emit(g, 0xdac10000 | key << 10 | n << 5 | d);
    if (chance(g, 20))
        emit(g, data_word(g));
    emit(g, 0xdac11000 | (chance(g, 90) ? key : below(g, 4)) << 10 | n << 5 | d);
}

/* A data pointer signed, then loaded from. */
static void load_authenticated(struct gen *g)
{
    u32 n = 16 + below(g, 8), key = below(g, 2), t = below(g, 16);
    emit(g, 0xdac12be0 | key << 10 | n); /* pacdza */
    emit(g, 0xf8200400 | key << 23 | below(g, 2) << 22 | below(g, 512) << 12 | below(g, 2) << 11 | n << 5 | t);
}

/* Prologue, main and epilogue: destination in one page, source in the other, so that they do not overlap in physical
 * memory, however the pieces are cut; and without faults, whose state depends on the pieces too. */
static void copy_or_set(struct gen *g)
{
    u32 d = 16 + below(g, 3), s = 19 + below(g, 3), n = below(g, 15), x = below(g, 16);
    emit(g, 0x92400000 | 9 << 10 | n << 5 | n); /* and xn, xn, #0x3ff */
    good_page(g, d);
    good_page(g, s);
    emit(g, 0x92400000 | 51 << 16 | 60 << 10 | d << 5 | d); /* and xd, xd, #~0x1c00 */
    emit(g, 0xb2400000 | 53 << 16 | d << 5 | d);            /* orr xd, xd, #0x800 */
    emit(g, 0x92400000 | 51 << 16 | 60 << 10 | s << 5 | s);
    emit(g, 0xb2400000 | 53 << 16 | 1 << 10 | s << 5 | s); /* orr xs, xs, #0x1800 */
    u32 kind = below(g, 4);
    bool tagged = kind == 3 && feat_has(&g->feat, FEAT_MTE);
    if (tagged) {                                               /* size and address are whole granules */
        emit(g, 0x92400000 | 60 << 16 | 5 << 10 | n << 5 | n);  /* and xn, xn, #0x3f0 */
        emit(g, 0x92400000 | 60 << 16 | 59 << 10 | d << 5 | d); /* and xd, xd, #~15 */
    }
    for (u32 stage = 0; stage < 3; stage++)
        if (kind < 2)
            emit(g, (kind ? 0x1d000400 : 0x19000400) | stage << 22 | s << 16 | x << 12 | n << 5 | d);
        else
            emit(g, (tagged ? 0x1dc00400 : 0x19c00400) | s << 16 | stage << 14 | (x & 3) << 12 | n << 5 | d);
}

/* Registers that any of the levels may read and write without consequences: op0 op1 CRn CRm op2. */
#define R(op0, op1, n, m, op2) (u16)((op0) << 14 | (op1) << 11 | (n) << 7 | (m) << 3 | (op2))
static const u16 harmless[] = {
    R(3, 3, 4, 2, 0),                                                        /* NZCV */
    R(3, 3, 4, 2, 1),                                                        /* DAIF */
    R(3, 3, 13, 0, 2),                                                       /* TPIDR_EL0 */
    R(3, 3, 13, 0, 3),                                                       /* TPIDRRO_EL0 */
    R(3, 3, 13, 0, 7),                                                       /* SCXTNUM_EL0 */
    R(3, 0, 4, 2, 4),                                                        /* UAO */
    R(3, 3, 4, 2, 5),                                                        /* DIT */
    R(3, 3, 4, 2, 6),                                                        /* SSBS */
    R(3, 3, 4, 2, 7),                                                        /* TCO */
    R(3, 0, 2, 1, 0),  R(3, 0, 2, 1, 1), R(3, 0, 2, 1, 2), R(3, 0, 2, 1, 3), /* keys */
    R(3, 0, 2, 2, 0),  R(3, 0, 2, 2, 1), R(3, 0, 2, 2, 2), R(3, 0, 2, 2, 3),
    R(3, 0, 2, 3, 0),  R(3, 0, 2, 3, 1), R(3, 0, 4, 0, 1), /* ELR_EL1 */
    R(3, 0, 6, 0, 0),                                      /* FAR_EL1 */
    R(3, 0, 13, 0, 7),                                     /* SCXTNUM_EL1 */
    R(3, 0, 1, 0, 5),  R(3, 0, 1, 0, 6),                   /* RGSR_EL1, GCR_EL1 */
    R(3, 0, 5, 6, 0),  R(3, 0, 5, 6, 1),                   /* TFSR_EL1, TFSRE0_EL1 */
};
static const u16 read_only[] = {R(3, 0, 4, 2, 2), R(3, 0, 4, 2, 0), R(3, 3, 4, 4, 0)};  /* CurrentEL, SPSel, FPCR */
static const u16 operations[] = {R(1, 3, 7, 4, 1), R(1, 3, 7, 4, 3), R(1, 3, 7, 4, 4)}; /* DC ZVA, GVA, GZVA */

static u32 system_word(struct gen *g)
{
    u32 t = chance(g, 70) ? below(g, 16) : below(g, 32);
    switch (below(g, 10)) {
    case 0: {
        u32 e = operations[below(g, ARRAY_LEN(operations))], n = 16 + below(g, 8);
        if (g->oracle > 7) /* it does not know that these fault in Device memory */
            good_page(g, n);
        return 0xd5000000 | e << 5 | n;
    }
    case 1: return 0xd5300000 | (u32)(read_only[below(g, ARRAY_LEN(read_only))] & 0xffff) << 5 | t;
    case 2: /* MSR (immediate) but for SPSel, whose change would leave the block's stack pointer behind */
    case 3: {
        static const u8 fields[] = {0x03, 0x04, 0x19, 0x1a, 0x1c, 0x1e, 0x1f, 0x00, 0x01, 0x02}; /* op1:op2 */
        u32 f = fields[below(g, ARRAY_LEN(fields))];
        if (f == 0x04 && g->copies) /* PAN */
            f = 0x03;
        return 0xd500401f | f >> 3 << 16 | below(g, 16) << 8 | (f & 7) << 5;
    }
    case 4: /* anything that EL0 may not touch */
        if (g->el == 0) {
            u32 w = 0xd5000000 | ((u32)rnd(g) & 0x3fffff);
            return (w >> 16 & 7) != 3 && (w >> 19 & 3) ? w : 0xd503201f;
        }   /* fall through */
    case 5: /* FPSR: the reference keeps bits 31:28, which are RES0 without AArch32 */
        emit(g, 0x92400000 | 7 << 10 | t << 5 | t); /* and xt, xt, #0xff */
        return 0xd5100000 | below(g, 2) << 21 | (u32)(R(3, 3, 4, 4, 1) & 0x7fff) << 5 | t;
    default: return 0xd5100000 | below(g, 2) << 21 | (u32)(harmless[below(g, ARRAY_LEN(harmless))] & 0x7fff) << 5 | t;
    }
}

static void system_insn(struct gen *g)
{
    u32 w = chance(g, 60) ? system_word(g) : word_of_class(g, SYS);
    if (!is_explained(g, w, false))
        emit(g, w);
}

/* ---- blocks ---------------------------------------------------------------------------------------------- */

static void one(struct gen *g)
{
    unsigned roll = below(g, 100), c = 0;
    while (roll >= weight[c])
        roll -= weight[c++];
    if (g->only)
        c = below(g, CLASSES);
    switch (c) {
    case SYS: g->only ? emit(g, word_of_class(g, c)) : system_insn(g); return;
    case BRANCH: branch(g); return;
    case UNDEF:
        if (!g->only)
            emit(g, undefined_word(g));
        return;
    case MOPS:
        if (g->copies && g->row_count[MOPS])
            copy_or_set(g);
        return;
    case PAUTH:
        if (feat_has(&g->feat, FEAT_PAuth) && !g->only && chance(g, 40)) {
            chance(g, 30) ? load_authenticated(g) : sign_and_authenticate(g);
            return;
        }
        break;
    case LDST:
        if (!g->only && chance(g, 5)) {
            exclusive(g);
            return;
        }
        break;
    default: break;
    }
    if (!g->only || g->row_count[c])
        emit(g, word_of_class(g, c));
}

static struct rnd_batch batch(struct gen *g)
{
    struct rnd_batch b = {.seed = (u32)rnd(g)};
    g->el = g->level == '2' ? 1 + below(g, 2) : below(g, 3);
    b.el = g->el;
    b.flags = (u32)rnd(g) & (BF_TBI0 | BF_TBI1 | BF_GUARD | BF_SPECIAL);
    b.flags = b.flags & BF_TBI0 ? b.flags | BF_TBI1 : b.flags & ~(u32)BF_TBI1;
    b.flags |= BF_ALIGN * chance(g, 12) | BF_E0E * chance(g, 20) | BF_NAA * chance(g, 20);
    /* without any key the reference takes XPAC for a NOP */
    b.flags |= (chance(g, 75) ? 15u : ((u32)rnd(g) & 15) | 1u << below(g, 4)) * BF_KEYS;
    b.flags |= (chance(g, 60) ? 0 : below(g, 4)) * BF_TCF;
    if (!feat_has(&g->feat, FEAT_MTE3) && (b.flags / BF_TCF & 3) == 3)
        b.flags &= ~(3u * BF_TCF);
    g->copies = feat_has(&g->feat, FEAT_MOPS) && chance(g, 50);
    if (g->copies)
        b.flags &= ~(u32)(BF_SPECIAL | 3 * BF_TCF);
    g->bti = b.flags & BF_GUARD && feat_has(&g->feat, FEAT_BTI);
    if (!feat_has(&g->feat, FEAT_BTI))
        b.flags &= ~(u32)BF_GUARD;
    if (!feat_has(&g->feat, FEAT_LSE2))
        b.flags &= ~(u32)BF_NAA;
    if (!feat_has(&g->feat, FEAT_MTE2))
        b.flags &= ~(3u * BF_TCF);
    g->asymmetric = (b.flags / BF_TCF & 3) == 3;
    if (feat_has(&g->feat, FEAT_AFP))
        b.fpcr |= chance(g, 50) ? 0 : (u32)rnd(g) & 7; /* FIZ, AH, NEP */
    if (feat_has(&g->feat, FEAT_EBF16))
        b.fpcr |= (u32)chance(g, 30) << 13;
    b.mte = feat_has(&g->feat, FEAT_MTE2);
    return b;
}

static void make_block(struct gen *g, u32 *out, struct rnd_block *b, unsigned rounds)
{
    g->out = out;
    g->n = 0;
    while (g->n < BLOCK_INSNS)
        one(g);
    b->count = g->n;
    CHECK(g->n < BLOCK_SPACE - 2);
    for (unsigned i = 0; i < g->n; i++) {
        unsigned row = decode(g->dec, out[i]).row;
        account(g, out[i], rounds);
        if (a64_rows[row].flags & A64_BRANCH) /* the next may be jumped over */
            g->shadow = 1;
    }
    g->shadow = 0;
    out[g->n] = out[g->n + 1] = BLOCK_END;
}

static int by_value(const void *a, const void *b)
{
    u32 x = *(const u32 *)a, y = *(const u32 *)b;
    return (x > y) - (x < y);
}

static void figures(struct gen *g)
{
    u64 total = 0, all_words = 0;
    printf("%-24s %10s %12s %16s\n", "class", "rows", "words", "executed");
    for (unsigned c = 0; c < CLASSES; c++) {
        unsigned rows = 0, of = 0, distinct = 0;
        for (unsigned i = A64_ROW_UNDEFINED; i < a64_row_count; i++) {
            bool there =
                i == A64_ROW_UNDEFINED || a64_rows[i].feat == FEAT_BASE || feat_has(&g->feat, a64_rows[i].feat);
            rows += class_of[i] == c && g->row_seen[i];
            of += class_of[i] == c && there;
        }
        if (g->word_count[c])
            qsort(g->words[c], g->word_count[c], sizeof(u32), by_value);
        for (unsigned i = 0; i < g->word_count[c]; i++)
            distinct += i == 0 || g->words[c][i] != g->words[c][i - 1];
        printf("%-24s %4u of %4u %11u %16llu\n", class_name[c], rows, of, distinct, (unsigned long long)g->executed[c]);
        total += g->executed[c];
        all_words += distinct;
    }
    printf("%-24s %12s %11llu %16llu\n", "all", "", (unsigned long long)all_words, (unsigned long long)total);
    for (unsigned i = A64_ROW_UNDEFINED + 1; i < a64_row_count; i++)
        if (!g->row_seen[i] && feat_has(&g->feat, a64_rows[i].feat))
            printf("not met: %s\n", a64_rows[i].name);
}

/* Lines of: mask value oracle reason. '-' as the oracle: all of them; with a u: words that are UNDEFINED. */
static void load_explained(struct gen *g, const char *path, const char *oracle)
{
    FILE *f = fopen(path, "r");
    char line[400], who[32];
    size_t len = strlen(oracle);
    u32 mask, value;
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%x %x %31s", &mask, &value, who) != 3 || (strncmp(who, oracle, len) != 0 && *who != '-'))
            continue;
        CHECK(g->explained_count < ARRAY_LEN(g->explained));
        g->explained[g->explained_count++] = (struct explained){mask, value, strchr(who, 'u') != NULL};
    }
    if (f)
        fclose(f);
}

static void collect_rows(struct gen *g)
{
    for (unsigned i = A64_ROW_UNDEFINED + 1; i < a64_row_count; i++) {
        unsigned c = class_of[i];
        bool there = a64_rows[i].feat == FEAT_BASE || feat_has(&g->feat, a64_rows[i].feat);
        if (there && (!g->only || strstr(a64_rows[i].name, g->only)))
            g->rows[c][g->row_count[c]++] = (u16)i;
    }
}

int main(int argc, char **argv)
{
    if (argc < 9) {
        fprintf(stderr, "usage: random_gen OUT CPU BLOCKS ROUNDS SEED LEVEL EXPLAINED ORACLE [ONLY]\n");
        return 1;
    }
    struct gen *g = calloc(1, sizeof *g);
    struct cpu_config cfg;
    char err[200];
    struct model_request want = {.el2 = true, .gicv3 = true};
    memset(&cfg, 0, sizeof cfg);
    if (!g || !model_lookup(argv[2], &want, &cfg, err, sizeof err)) {
        fprintf(stderr, "random_gen: %s\n", err);
        return 1;
    }
    unsigned batches = ((unsigned)atoi(argv[3]) + BATCH - 1) / BATCH, rounds = (unsigned)atoi(argv[4]);
    g->feat = cfg.feat;
    g->dec = decoder_new(&cfg.feat);
    g->rng = 0x9e3779b97f4a7c15 * (strtoull(argv[5], NULL, 0) + 1);
    g->level = argv[6][0];
    g->oracle = atoi(argv[8]);
    g->only = argc > 9 && argv[9][0] ? argv[9] : NULL;
    g->row_seen = calloc(a64_row_count, 1);
    load_explained(g, argv[7], argv[8]);
    collect_rows(g);

    size_t head = sizeof(struct rnd_header) + batches * sizeof(struct rnd_batch);
    size_t code = align_up(head, 4096), size = align_up(code + (size_t)batches * BATCH * BLOCK_SPACE * 4, 2 << 20);
    u8 *image = calloc(1, size);
    CHECK(image);
    struct rnd_header *h = (struct rnd_header *)image;
    *h = (struct rnd_header){
        .batches = batches, .rounds = rounds, .code = (u32)code, .size = (u32)size, .seed = (u32)rnd(g)};
    struct rnd_batch *b = (struct rnd_batch *)(h + 1);
    for (unsigned i = 0; i < batches; i++) {
        b[i] = batch(g);
        for (unsigned k = 0; k < BATCH; k++)
            make_block(g, (u32 *)(image + code) + (size_t)(i * BATCH + k) * BLOCK_SPACE, &b[i].block[k], rounds);
    }
    FILE *f = fopen(argv[1], "wb");
    bool ok = f && fwrite(image, 1, size, f) == size;
    if (!f || fclose(f) || !ok) {
        perror(argv[1]);
        return 1;
    }
    figures(g);
    free(image);
    for (unsigned c = 0; c < CLASSES; c++)
        free(g->words[c]);
    free(g->row_seen);
    decoder_free(g->dec);
    free(g);
    return 0;
}
