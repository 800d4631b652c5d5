/* The JIT's vector emitters against the interpreter: for every row of floating point, Advanced SIMD and cryptography
 * (and the vector loads and stores), short runs of random words that begin and end with one of the row, over operands
 * of all classes (zeros, denormals, the ends of the normal range, infinities, NaNs, integers and halves of them, values
 * at the limits of conversions) and all of FPCR, straight on and in loops. All vector and general registers, NZCV, FPSR
 * and memory must agree.
 *
 * ELARA_ROUNDS multiplies the cases of each row (default 40). */
#include <stdio.h>

#include "core/snap.h"
#include "el1.h"
#include "jit/jit.h"

static u64 rnd_state;
static u64 rnd(void)
{
    rnd_state ^= rnd_state << 13;
    rnd_state ^= rnd_state >> 7;
    rnd_state ^= rnd_state << 17;
    return rnd_state * 0x2545f4914f6cdd1dull;
}
static unsigned below(unsigned n) { return (unsigned)(rnd() >> 33) % n; }

/* ---- operands -------------------------------------------------------------------------------- */

/* A value of the format: ebits and fbits of exponent and fraction. */
static u64 operand(unsigned ebits, unsigned fbits)
{
    u64 sign = (rnd() >> 40 & 1) << (ebits + fbits), frac = rnd() & ones(fbits);
    u64 bias = ones(ebits - 1), top = ones(ebits), exp;
    switch (below(16)) {
    case 0: return sign;
    case 1: return sign | (below(2) ? 1 : frac);                        /* denormal */
    case 2: return sign | 1ull << fbits | (below(2) ? below(3) : frac); /* smallest normals */
    case 3: return (sign | 1ull << fbits) - 1 - below(2);               /* largest denormals */
    case 4: return sign | (top - 1) << fbits | (below(2) ? ones(fbits) : frac);
    case 5: return sign | top << fbits; /* infinity */
    case 6: return sign | top << fbits | 1ull << (fbits - 1) | (below(2) ? 0 : frac);
    case 7: return sign | top << fbits | (frac & ones(fbits - 1)) | 1;                     /* signalling */
    case 8: exp = bias + below(4); return sign | exp << fbits | (frac & ~ones(fbits - 3)); /* 1 to 15, halves */
    case 9: exp = bias + below(fbits + 3); return sign | exp << fbits | (frac & ~ones(fbits - below(fbits)));
    case 10: exp = bias + 30 + below(4); return sign | (exp & top) << fbits | (below(2) ? 0 : frac);
    case 11: exp = bias + 62 + below(3); return sign | (exp & top) << fbits | (below(2) ? 0 : frac);
    case 12: exp = bias / 2 + below(4); return sign | exp << fbits | frac; /* products around the smallest normal */
    case 13: exp = bias / 2 + below(2); return sign | exp << fbits | (below(2) ? ones(fbits) - below(2) : below(3));
    case 14: exp = bias + below(5) - 2; return sign | exp << fbits | frac;
    default: return rnd() & ones(ebits + fbits + 1);
    }
}

static u64 doubleword(void)
{
    u64 v = 0;
    switch (below(6)) {
    case 0: return rnd();
    case 1:
        for (unsigned s = 0; s < 64; s += 16)
            v |= operand(5, 10) << s;
        return v;
    case 2: /* bytes at the ends of their ranges */
        for (unsigned s = 0; s < 64; s += 8)
            v |= (u64)(u8)(below(2) ? rnd() : 0x7f + below(3)) << s;
        return v;
    case 3: return operand(8, 23) | operand(8, 23) << 32;
    default: return operand(11, 52);
    }
}

static u32 rounding(void) { return below(4) << 22; }
static u32 random_fpcr(void)
{
    switch (below(4)) {
    case 0: return 0;
    case 1: return rounding();
    case 2: return rounding() | below(2) << 25;
    default: return (u32)rnd() & 0x07cc2007 & (below(2) ? ~0u : ~7u);
    }
}

/* ---- words ----------------------------------------------------------------------------------- */

/* A word of the row, mostly with low register numbers, so that instructions meet. */
static u32 random_word(unsigned row)
{
    u32 word = 0;
    unsigned seen[256] = {0};
    bool low = below(8) != 0;
    for (const char *p = a64_rows[row].picture; *p; p++) {
        if (*p == ' ')
            continue;
        bool reg = strchr("dnmabt", *p) && seen[(u8)*p]++ < 2 && low;
        word = word << 1 | (*p == '1' ? 1u : *p == '0' || reg ? 0u : (u32)(rnd() >> 40 & 1));
    }
    return word;
}

static bool wanted(unsigned row)
{
    return row > A64_ROW_UNDEFINED && a64_rows[row].picture && a64_rows[row].flags & A64_V;
}

enum { CASE_WORDS = 5 };
struct machine_state {
    u64 x[34], v[32][2], pc;
    u32 nzcv, fpsr, fpcr;
};

static const struct engine *const engines[] = {&engine_interp, &engine_jit};
static struct clock the_clock;

static void run(const struct engine *e, unsigned n)
{
    clock_begin(env.clock, &c->slice, n);
    e->run(c);
    clock_finish(env.clock);
}

/* Writes the case's words: straight on, or a loop of two blocks with a branch over its third word (x28 counts). */
static unsigned write_words(unsigned row, unsigned *rows, u32 *words)
{
    unsigned n = 1 + below(CASE_WORDS), at = 0;
    bool loop = below(3) == 0;
    u32 code[CASE_WORDS + 3];
    for (unsigned i = 0; i < CASE_WORDS; i++) {
        rows[i] = row;
        if (i > 0 && i + 1 < n)
            do
                rows[i] = below(a64_row_count);
            while (!wanted(rows[i]));
        words[i] = random_word(rows[i]);
        if (loop && i == 2)
            code[at++] = 0x54000040 | below(16); /* b.cond */
        code[at++] = words[i];
    }
    code[at++] = 0xf100079c;                            /* subs x28, x28, #1 */
    code[at] = 0x54000001 | (0x7ffffu & (0 - at)) << 5; /* b.ne */
    memcpy(ram(CODE), code, sizeof code);
    return loop ? 40 : n;
}

/* The case that the generator's state describes; gives what the engine makes of it. */
static void run_case(const struct engine *e, unsigned row, unsigned *rows, u32 *words, struct machine_state *s)
{
    unsigned n = write_words(row, rows, words);
    ram_written(env.bus, bus_resolve(env.bus, pa_make(PAS_NS, CODE)).page, 0, 4 * (CASE_WORDS + 3));
    for (unsigned i = 0; i < 32; i++)
        for (unsigned k = 0; k < 2; k++)
            c->v[i].d[k] = doubleword();
    for (unsigned i = 0; i < 31; i++)
        c->x[i] = below(3) ? DATA + 0x800 + (rnd() & 0x3ff) * (below(8) ? 4 : 1) : doubleword();
    c->x[REG_SP] = DATA + 0xc00;
    c->x[28] = 5;
    for (unsigned i = 0; i < 0x2000; i += 8)
        if (below(32) == 0)
            put64(DATA + i, doubleword());
    c->nzcv = (u32)(rnd() & 0xf0000000);
    c->fpcr = random_fpcr();
    c->fpsr = below(4) ? 0 : (u32)rnd() & 0x0800009f;
    c->pc = CODE;
    if (c->ps.el != 1) {
        cpu_set_el(c, 1, 1);
        context_touch(c);
    }
    c->ps.daif = 15;
    run(e, n);
    memcpy(s->x, c->x, sizeof s->x);
    for (unsigned i = 0; i < 32; i++)
        memcpy(s->v[i], c->v[i].d, 16);
    s->x[REG_SINK] = 0;
    s->pc = c->pc;
    s->nzcv = c->nzcv;
    s->fpsr = c->fpsr;
    s->fpcr = c->fpcr;
}

static u64 ram_hash(void)
{
    struct snap s = {.mode = SNAP_HASH};
    bus_ram_state(env.bus, &s);
    return snap_hash(&s);
}

static void explain(unsigned row, const u32 *words, const unsigned *rows, const struct machine_state *a,
                    const struct machine_state *b)
{
    printf("%s:", a64_rows[row].name);
    for (unsigned i = 0; i < CASE_WORDS; i++)
        printf(" %s %08x", a64_rows[rows[i]].name, words[i]);
    printf("\n fpcr %08x fpsr %08x, jit %08x; nzcv %08x, jit %08x; pc %llx, jit %llx\n", a->fpcr, a->fpsr, b->fpsr,
           a->nzcv, b->nzcv, (unsigned long long)a->pc, (unsigned long long)b->pc);
    for (unsigned i = 0; i < 34; i++)
        if (a->x[i] != b->x[i])
            printf(" x%u %016llx, jit %016llx\n", i, (unsigned long long)a->x[i], (unsigned long long)b->x[i]);
    for (unsigned i = 0; i < 32; i++)
        if (memcmp(a->v[i], b->v[i], 16) != 0)
            printf(" v%u %016llx%016llx, jit %016llx%016llx\n", i, (unsigned long long)a->v[i][1],
                   (unsigned long long)a->v[i][0], (unsigned long long)b->v[i][1], (unsigned long long)b->v[i][0]);
}

enum { PART = 16 }; /* rows of one pass */
static unsigned part(unsigned first, unsigned rounds)
{
    unsigned bad = 0, total = PART * rounds, rows[CASE_WORDS];
    u32 words[CASE_WORDS];
    struct machine_state *s = calloc(total, sizeof *s), now;
    u64 start = rnd_state, hash[2];
    for (unsigned e = 0; e < 2; e++) {
        rnd_state = start;
        setup();
        the_clock = (struct clock){0};
        env.clock = &the_clock;
        for (unsigned k = 0; k < total; k++) {
            unsigned row = first + k / rounds;
            if (row >= a64_row_count || !wanted(row))
                continue;
            memset(&now, 0, sizeof now);
            run_case(engines[e], row, rows, words, e ? &now : &s[k]);
            if (e && memcmp(&now, &s[k], sizeof now) != 0 && bad++ < 3)
                explain(row, words, rows, &s[k], &now);
        }
        hash[e] = ram_hash();
        clock_free(&the_clock);
        teardown();
    }
    free(s);
    if (hash[0] != hash[1] && !bad) {
        printf("rows from %s: memory differs\n", a64_rows[first].name);
        bad++;
    }
    return bad;
}

START_TEST(vector_rows)
{
    const char *more = getenv("ELARA_ROUNDS");
    unsigned rounds = more ? (unsigned)atoi(more) : 40, bad = 0;
    rnd_state = 0x9e3779b97f4a7c15ull;
    for (unsigned row = 0; row < a64_row_count; row += PART)
        bad += part(row, rounds);
    ck_assert_msg(bad == 0, "%u cases differ", bad);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jit vector");
    TCase *t = tcase_create("jit vector");
    tcase_set_timeout(t, 1200);
    tcase_add_test(t, vector_rows);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    if (!jit_missing())
        srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
