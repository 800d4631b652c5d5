/* Sequences of words that belong together, with sensible operands, so that they succeed as well as fail. Branches go
 * forward over one instruction, indirect ones to an address taken just before, so that each block ends. */
#include "random_gen.h"

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

void branch(struct gen *g)
{
    if (g->row_count[BRANCH] && chance(g, 70))
        direct_branch(g);
    else if (!g->only)
        indirect_branch(g);
}

void good_page(struct gen *g, u32 n)
{
    emit(g, 0x92400000 | 46 << 16 | 57 << 10 | n << 5 | n); /* and xn, xn, #~0x3f000 */
    emit(g, 0x92400000 | 30 << 10 | n << 5 | n);            /* and xn, xn, #0x7fffffff */
}

/* Load-exclusive, something that touches no memory, store-exclusive of the same width and address. The address is a
 * good one: whether a store-exclusive that would fail anyway takes a fault first is IMPLEMENTATION DEFINED. */
void exclusive(struct gen *g)
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

void sign_and_authenticate(struct gen *g)
{
    u32 d = below(g, 16), n = below(g, 32), key = below(g, 4);
    emit(g, 0xdac10000 | key << 10 | n << 5 | d);
    if (chance(g, 20))
        emit(g, data_word(g));
    emit(g, 0xdac11000 | (chance(g, 90) ? key : below(g, 4)) << 10 | n << 5 | d);
}

/* A data pointer signed, then loaded from. */
void load_authenticated(struct gen *g)
{
    u32 n = 16 + below(g, 8), key = below(g, 2), t = below(g, 16);
    emit(g, 0xdac12be0 | key << 10 | n); /* pacdza */
    emit(g, 0xf8200400 | key << 23 | below(g, 2) << 22 | below(g, 512) << 12 | below(g, 2) << 11 | n << 5 | t);
}

/* Prologue, main and epilogue: destination in one page, source in the other, so that they do not overlap in physical
 * memory, however the pieces are cut; and without faults, whose state depends on the pieces too. */
void copy_or_set(struct gen *g)
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
    if (t == 28 && g->loops)
        t = 12;
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

void system_insn(struct gen *g)
{
    u32 w = chance(g, 60) ? system_word(g) : word_of_class(g, SYS);
    if (!is_explained(g, w, false))
        emit(g, w);
}
