/* Programs: chunks of random instructions with jumps between them, forwards and back, for the JIT's versions of blocks,
 * jumps to other pages and blocks that are interpreted first, which straight code does not meet.
 *
 * X28 is fuel: each jump back takes one, and one of its bits decides whether the jump is made, so that inner loops
 * end before outer ones; without fuel the program is over. Nothing else writes X28. Loops wear registers out (all
 * zeros, bad pointers), so chunks begin with instructions that freshen some. */
#include "random_gen.h"

enum { CHUNKS = 16, FUEL = 28, FIXES = 8 * CHUNKS };
enum field { ADR, IMM26, IMM19, IMM14 };

struct program {
    struct gen *g;
    unsigned chunks, start[CHUNKS + 1];
    struct {
        unsigned at, chunk;
        enum field field;
    } fix[FIXES];
    unsigned fixes;
};

/* A word whose offset to a chunk comes later. */
static void toward(struct program *p, u32 w, enum field field, unsigned chunk)
{
    CHECK(p->fixes < FIXES);
    p->fix[p->fixes].at = p->g->n;
    p->fix[p->fixes].chunk = chunk;
    p->fix[p->fixes++].field = field;
    emit(p->g, w);
}

static u32 with_offset(u32 w, enum field field, u32 words)
{
    switch (field) {
    case ADR: return w | (words & 0x7ffff) << 5;
    case IMM26: return w | (words & 0x3ffffff);
    case IMM19: return w | (words & 0x7ffff) << 5;
    default: return w | (words & 0x3fff) << 5;
    }
}

static void indirect(struct program *p, unsigned chunk)
{
    static const u32 forms[] = {0xd61f0000, 0xd63f0000, 0xd65f0000};
    struct gen *g = p->g;
    u32 n = chance(g, 30) ? 16 + below(g, 2) : below(g, 16), key = below(g, 2), m = 18 + below(g, 10);
    if (feat_has(&g->feat, FEAT_PAuth) && chance(g, 30)) {
        toward(p, 0x10000000 | n, ADR, chunk);
        emit(g, 0xdac10000 | key << 10 | m << 5 | n); /* pacia xn, xm */
        emit(g, (chance(g, 50) ? 0xd71f0800 : 0xd73f0800) | key << 10 | n << 5 | m);
    } else {
        u32 form = below(g, 3);
        n = form == 2 && chance(g, 80) ? 30 : n;
        toward(p, 0x10000000 | n, ADR, chunk);
        emit(g, forms[form] | n << 5);
    }
}

static void transfer(struct program *p, unsigned chunk)
{
    struct gen *g = p->g;
    u32 reg = below(g, 31), wide = below(g, 2);
    switch (below(g, 8)) {
    case 0:
    case 1: toward(p, 0x14000000, IMM26, chunk); return;
    case 2: toward(p, 0x94000000, IMM26, chunk); return;
    case 3:
    case 4: toward(p, 0x54000000 | below(g, 14), IMM19, chunk); return;
    case 5: toward(p, wide << 31 | 0x34000000 | below(g, 2) << 24 | reg, IMM19, chunk); return;
    case 6: toward(p, wide << 31 | 0x36000000 | below(g, 2) << 24 | below(g, 32) << 19 | reg, IMM14, chunk); return;
    default: indirect(p, chunk); return;
    }
}

static void jump_back(struct program *p, unsigned chunk)
{
    struct gen *g = p->g;
    emit(g, 0xd1000400 | FUEL << 5 | FUEL);                    /* sub x28, x28, #1 */
    toward(p, 0xb7000000 | 31 << 19 | FUEL, IMM14, p->chunks); /* tbnz x28, #63, the end */
    unsigned at = g->n;
    bool skips = chance(g, 80);
    if (skips)
        emit(g, 0x36000000 | below(g, 6) << 19 | FUEL); /* tbz w28, #bit, behind the jump */
    transfer(p, chunk);
    if (skips)
        g->out[at] = with_offset(g->out[at], IMM14, g->n - at);
}

static void freshen(struct gen *g)
{
    u32 small = 24 + below(g, 4), d = below(g, 16), pointer = 16;
    for (unsigned i = below(g, 4); i > 0; i--) {
        pointer = 16 + below(g, 8);
        good_page(g, pointer);
        if (chance(g, 60))
            emit(g, 0x92400000 | 60 << 16 | 59 << 10 | pointer << 5 | pointer); /* and xn, xn, #~15 */
    }
    if (chance(g, 30))
        emit(g, 0x92400000 | 61 << 16 | 4 << 10 | small << 5 | small); /* and xn, xn, #0xf8 */
    if (chance(g, 20))
        emit(g, 0xcac00000 | FUEL << 16 | below(g, 64) << 10 | d << 5 | d); /* eor xd, xd, x28, ror # */
    if (chance(g, 20)) {
        good_page(g, pointer);
        emit(g, 0xf9400000 | below(g, 400) << 10 | pointer << 5 | d);            /* ldr xd, [xn, #] */
        emit(g, 0x3dc00000 | below(g, 200) << 10 | pointer << 5 | below(g, 32)); /* ldr qt, [xn, #] */
    }
}

void program(struct gen *g, void (*one)(struct gen *g), unsigned words)
{
    struct program p = {.g = g, .chunks = 4 + below(g, CHUNKS - 3)};
    for (unsigned k = 0; k < p.chunks; k++) {
        p.start[k] = g->n;
        if (g->bti && chance(g, 60))
            emit(g, 0xd503241f | below(g, 4) << 6);
        freshen(g);
        unsigned end = g->n + 1 + below(g, chance(g, 50) ? 8 : 40);
        while (g->n < end)
            one(g);
        if (chance(g, 50))
            jump_back(&p, chance(g, 50) ? k : below(g, k + 1));
        else if (chance(g, 60))
            transfer(&p, k + 1 + below(g, p.chunks - k));
        if (g->n > words - 100)
            p.chunks = k + 1;
    }
    p.start[p.chunks] = g->n;
    for (unsigned i = 0; i < p.fixes; i++) { /* chunks that found no room are the end */
        unsigned chunk = p.fix[i].chunk < p.chunks ? p.fix[i].chunk : p.chunks, at = p.fix[i].at;
        g->out[at] = with_offset(g->out[at], p.fix[i].field, p.start[chunk] - at);
    }
}
