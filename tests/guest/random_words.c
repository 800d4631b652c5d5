/* Random words (docs/random-instructions.md): from the bit pictures of cpu/a64.def, so a new row takes part without a
 * word said here; what must not appear is said in forbidden() (would end the run, or its outcome is not defined) and
 * unpredictable(). */
#include "random_gen.h"

const u8 class_of[] = {
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

bool is_explained(const struct gen *g, u32 w, bool undefined)
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
    if (reg == 28 && g->loops)
        reg = 12;
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

u32 fill(struct gen *g, const struct a64_row *r)
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

const struct a64_row *row_of(const struct gen *g, u32 w) { return &a64_rows[decode(g->dec, w).row]; }

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
    if (g->loops && starts(r->name, "CASP") && (w >> 16 & 31) == 28) /* named by four bits */
        return false;
    if (g->asymmetric && starts(r->name, "CAS")) /* reads too, but the reference takes it for a write */
        return false;
    return !forbidden(g, r) && !unpredictable(r, w);
}

u32 undefined_word(struct gen *g)
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

u32 word_of_class(struct gen *g, unsigned c)
{
    for (unsigned tries = 0; tries < 1000 && g->row_count[c]; tries++) {
        u32 w = fill(g, &a64_rows[g->rows[c][below(g, g->row_count[c])]]);
        if (plain(g, w, false))
            return w;
    }
    return 0xd503201f;
}

u32 data_word(struct gen *g) { return word_of_class(g, chance(g, 50) ? INT : chance(g, 50) ? SIMD : FP); }
