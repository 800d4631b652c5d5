/* Every row of a64_fp.def against the reference emulator (qemu-aarch64): random operands of all classes,
 * rounding modes and FPCR modes; results, NZCV and FPSR must be equal.  Skipped when the cross compiler
 * or the emulator is missing. FP_ORACLE_ROUNDS and FP_ORACLE_SEED in the environment widen it;
 * FP_ORACLE_QEMU names another emulator, FP_ORACLE_ALT=1 adds the bits of FPCR that QEMU 7.2 lacks and 11 has. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu/cpu.h"
#include "cpu/exec.h"
#include "cpu/fp.h"
#include "fp_oracle.h"

struct row {
    const char *name, *picture;
    u16 feat;
    a64_exec *fn;
};
static const struct row rows[] = {
#define A64(name, picture, feat, imm, flags, fn) {#name, picture, feat, exec_##fn},
#include "cpu/a64_fp.def"
#undef A64
};

static u64 seed = 0x9e3779b97f4a7c15;
static u64 rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1d >> 8 ^ seed;
}
/* Never two draws in one expression: the order must not depend on the compiler. */
static unsigned below(unsigned n) { return (unsigned)(rnd() >> 20) % n; }

/* A floating-point number of the given size from all the classes that matter. */
static u64 operand(unsigned size)
{
    unsigned f = size == 16 ? 10 : size == 32 ? 23 : 52, eb = size - 1 - f;
    u64 emax = ones(eb), bias = emax / 2, sign = (u64)below(2) << (size - 1), frac = rnd() & ones(f), e, run;
    switch (below(16)) {
    case 0: return sign;
    case 1: return sign | 1;
    case 2: return sign | ones(f);
    case 3: return sign | (frac >> below(f));
    case 4: return sign | 1ull << f;
    case 5: return sign | ((emax << f) - 1);
    case 6: return sign | emax << f;
    case 7: return sign | emax << f | 1ull << (f - 1) | frac;
    case 8: return sign | emax << f | 1 | (frac & ones(f - 1));
    case 9: return sign | bias << f;
    case 10: /* a few significant bits: exact and halfway cases */
        e = bias - 4 + below(eb < 8 ? 10 : 70);
        return sign | e << f | (frac & ~ones(f - below(f)));
    case 11: /* near the limits of integers */
        e = bias + (below(2) ? 31 : below(2) ? 63 : 15);
        e -= below(3);
        e = e >= emax ? emax - 1 : e;
        run = ones(below(f));
        run <<= below(4);
        return sign | e << f | (below(2) ? frac : below(2) ? ones(f) : run);
    case 12: return sign | ((bias - 3 + below(6)) << f) | frac;
    case 13: return sign | (u64)(below(2) ? emax - 1 - below(3) : 1 + below(3)) << f | frac;
    default: return rnd() & ones(size);
    }
}

static void fill(uint64_t v[2], unsigned size)
{
    for (unsigned k = 0; k < 2; k++) {
        v[k] = 0;
        for (unsigned b = 0; b < 64; b += size)
            v[k] |= operand(size) << b;
    }
}

/* A word of the row: d = 0, n = 1, m = 2, a = 3, the rest random. */
static u32 word_of(const struct row *r)
{
    u32 w = 0;
    unsigned b = 32;
    for (const char *s = r->picture; *s; s++) {
        if (*s == ' ')
            continue;
        b--;
        unsigned low = 0;
        if (strchr("nNmMa", *s)) { /* the two lowest bits of the field */
            unsigned reg = *s == 'a' ? 3 : *s == 'm' || *s == 'M' ? 2 : 1;
            const char *t = s + 1;
            unsigned after = 0;
            for (; *t && after < 2; t++)
                if (*t == *s)
                    after++;
            low = after < 2 ? reg >> after & 1 : 0;
        } else if (strchr("xyi", *s)) {
            low = below(2);
        }
        if (*s == '1' || low)
            w |= 1u << b;
    }
    return w;
}

/* alternate: with the bits of FPCR that the reference does not have (AH, FIZ, NEP, EBF). */
static struct job job_of(const struct row *r, u32 row, u32 word, bool alternate)
{
    struct job j = {.word = word, .row = row};
    char last = r->name[strlen(r->name) - 1];
    unsigned size = last == 'H' ? 16 : last == 'S' ? 32 : last == 'D' ? 64 : 16u << below(3);
    if (below(8) == 0)
        size = 16u << below(3);
    for (unsigned k = 0; k < 4; k++)
        fill(j.v[k], size);
    if (below(8) == 0)
        memcpy(j.v[2], j.v[1], 16);
    if (below(16) == 0) { /* cancellation */
        memcpy(j.v[0], j.v[1], 16);
        memcpy(j.v[3], j.v[1], 16);
    }
    for (unsigned k = 0; k < 2; k++) {
        unsigned shift = below(64), less = below(3), kind = below(4);
        u64 any = rnd();
        j.x[k] = kind < 2 ? any : kind == 2 ? any >> shift : (1ull << shift) - less;
    }
    static const u32 modes[] = {FPCR_FZ, FPCR_DN, FPCR_AHP, FPCR_FZ16};
    j.fpcr = (u64)below(4) << FPCR_RMODE_SHIFT;
    for (unsigned k = 0; k < ARRAY_LEN(modes); k++)
        j.fpcr |= below(3) ? 0 : modes[k];
    if (alternate)
        j.fpcr |= rnd() & (FPCR_AH | FPCR_FIZ | FPCR_NEP | FPCR_EBF);
    j.nzcv = (u64)below(16) << 28;
    return j;
}

static struct result run(struct cpu *c, const struct decoder *d, const struct job *j)
{
    for (unsigned k = 0; k < 4; k++)
        memcpy(&c->v[k], j->v[k], 16);
    c->x[0] = j->x[0];
    c->x[1] = j->x[1];
    c->fpcr = (u32)j->fpcr;
    c->fpsr = 0;
    c->nzcv = (u32)j->nzcv;
    struct op op = decode(d, j->word);
    ck_assert_msg(strcmp(a64_rows[op.row].name, rows[j->row].name) == 0, "%08x decodes as %s, not %s", j->word,
                  a64_rows[op.row].name, rows[j->row].name);
    rows[j->row].fn(c, &op);
    ck_assert_uint_eq(c->v[0].d[2] | c->v[0].d[3], 0);
    return (struct result){{c->v[0].d[0], c->v[0].d[1]}, c->x[0], c->nzcv, c->fpsr};
}

static int command(char *buf, size_t n, const char *fmt, const char *a, const char *b)
{
    snprintf(buf, n, fmt, a, b);
    return system(buf);
}

/* The reference program, compiled into dir; false: it cannot be had here. */
static bool reference_build(char *dir)
{
    char cmd[600], src[300];
    if (system("command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null") != 0) {
        fprintf(stderr, "skipped: no aarch64-linux-gnu-gcc or no qemu-aarch64\n");
        return false;
    }
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(src, sizeof src, "%s/unit/fp_oracle_ref.c", ELARA_TESTS);
    ck_assert_int_eq(command(cmd, sizeof cmd, "aarch64-linux-gnu-gcc -O1 -static -o %s/ref %s", dir, src), 0);
    return true;
}

static struct result *reference_run(const char *dir, const struct job *jobs, unsigned n)
{
    char cmd[600], path[200];
    snprintf(path, sizeof path, "%s/in", dir);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert(fwrite(&n, 4, 1, f) == 1 && fwrite(jobs, sizeof *jobs, n, f) == n && fclose(f) == 0);
    const char *qemu = getenv("FP_ORACLE_QEMU");
    snprintf(cmd, sizeof cmd, "%s -cpu max %s/ref <%s/in >%s/out", qemu ? qemu : "qemu-aarch64", dir, dir, dir);
    ck_assert_int_eq(system(cmd), 0);
    snprintf(path, sizeof path, "%s/out", dir);
    struct result *want = calloc(n, sizeof *want);
    f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(want, sizeof *want, n, f), n);
    fclose(f);
    return want;
}

static void reference_remove(const char *dir)
{
    char cmd[600];
    command(cmd, sizeof cmd, "rm -r %s%s", dir, "");
}

static void report(const struct job *j, const struct result *got, const struct result *want)
{
    fprintf(stderr, "%s %08x fpcr %08x nzcv %x", rows[j->row].name, j->word, (u32)j->fpcr, (u32)(j->nzcv >> 28));
    for (unsigned k = 0; k < 4; k++)
        fprintf(stderr, " v%u %016llx:%016llx", k, (unsigned long long)j->v[k][1], (unsigned long long)j->v[k][0]);
    fprintf(stderr, " x0 %016llx x1 %016llx\n", (unsigned long long)j->x[0], (unsigned long long)j->x[1]);
    const struct result *both[] = {got, want};
    for (unsigned k = 0; k < 2; k++)
        fprintf(stderr, "  %s v %016llx:%016llx x %016llx nzcv %x fpsr %02x\n", k ? "want" : "got ",
                (unsigned long long)both[k]->v[1], (unsigned long long)both[k]->v[0], (unsigned long long)both[k]->x,
                (u32)(both[k]->nzcv >> 28), (u32)both[k]->fpsr);
}

/* FPAbs and FPNeg leave a NaN as it is with FPCR.AH: QEMU 11 does so for scalars, not for vectors. */
static void keep_nans(const struct job *j, unsigned size, struct result *want)
{
    u64 sign = 1ull << (size - 1), inf = size == 16 ? 0x7c00 : size == 32 ? 0x7f800000 : 0x7ff0000000000000;
    for (unsigned k = 0; k < (j->word >> 30 & 1 ? 2u : 1u); k++)
        for (unsigned b = 0; b < 64; b += size)
            if ((j->v[1][k] >> b & (sign - 1)) > inf) {
                want->v[k] &= ~(sign << b);
                want->v[k] |= j->v[1][k] & sign << b;
            }
}

/* Where the reference is wrong (QEMU 7.2 and 11; DDI0487 is followed). */
static void correct(const struct job *j, struct result *want)
{
    const char *name = rows[j->row].name;
    /* a 32-bit helper decides what stays above a half; the register is zero there, or Vd's with FPCR.NEP */
    if (strcmp(name, "FCVTZS_fix_scalar_H") == 0)
        want->v[0] = (want->v[0] & 0xffff) | (j->fpcr & FPCR_NEP ? j->v[0][0] & ~0xffffull : 0);
    if ((j->fpcr & FPCR_AH) && (strncmp(name, "FABS_vec", 8) == 0 || strncmp(name, "FNEG_vec", 8) == 0))
        keep_nans(j, name[9] == 'H' ? 16 : name[9] == 'S' ? 32 : 64, want);
    /* a flushed denormal is not exact: FPToFixedJS */
    if (strcmp(name, "FJCVTZS") == 0 && want->fpsr == FPSR_IDC)
        want->nzcv = 0;
}

/* ---- comparison ----------------------------------------------------------------------------- */

struct bench {
    char dir[32];
    struct cpu *c;
    struct decoder *d;
    struct job *jobs;
    unsigned n, total, bad;
    u32 failed; /* the row whose difference was shown last */
};
enum { BATCH = 200000 };

static bool bench_open(struct bench *b)
{
    *b = (struct bench){.dir = "/tmp/fp_oracle_XXXXXX", .failed = ~0u};
    if (!reference_build(b->dir))
        return false;
    b->c = aligned_alloc(64, (sizeof *b->c + 63) / 64 * 64);
    memset(b->c, 0, sizeof *b->c);
    memset(&b->c->feat, 0xff, sizeof b->c->feat);
    b->d = decoder_new(&b->c->feat);
    b->jobs = calloc(BATCH, sizeof *b->jobs);
    return true;
}

static void bench_flush(struct bench *b)
{
    struct result *want = b->n ? reference_run(b->dir, b->jobs, b->n) : NULL;
    for (unsigned k = 0; k < b->n; k++) {
        const struct job *j = &b->jobs[k];
        struct result got = run(b->c, b->d, j);
        correct(j, &want[k]);
        if (memcmp(&got, &want[k], sizeof got) == 0)
            continue;
        b->bad++;
        if (j->row != b->failed || getenv("FP_ORACLE_ROW"))
            report(j, &got, &want[k]);
        b->failed = j->row;
    }
    free(want);
    b->total += b->n;
    b->n = 0;
}

static void bench_add(struct bench *b, const struct job *j)
{
    b->jobs[b->n++] = *j;
    if (b->n == BATCH)
        bench_flush(b);
}

static void bench_close(struct bench *b)
{
    bench_flush(b);
    reference_remove(b->dir);
    decoder_free(b->d);
    free(b->c);
    free(b->jobs);
    ck_assert_msg(b->bad == 0, "%u of %u differ", b->bad, b->total);
}

static bool selected(const struct row *r)
{
    const char *only = getenv("FP_ORACLE_ROW");
    return !only || strcmp(only, r->name) == 0;
}

START_TEST(test_oracle)
{
    const char *e = getenv("FP_ORACLE_ROUNDS"), *s = getenv("FP_ORACLE_SEED");
    unsigned words = 4, each = e ? (unsigned)atoi(e) : 60;
    struct bench b;
    if (!bench_open(&b))
        return;
    if (s)
        seed += strtoull(s, NULL, 0) * 0x9e3779b97f4a7c15;
    for (u32 r = 0; r < ARRAY_LEN(rows); r++)
        for (unsigned w = 0; w < words && selected(&rows[r]); w++)
            for (u32 k = 0, word = word_of(&rows[r]); k < each; k++) {
                struct job j = job_of(&rows[r], r, word, getenv("FP_ORACLE_ALT") != NULL);
                bench_add(&b, &j);
            }
    bench_close(&b);
}
END_TEST

/* ---- the cross product of operand classes --------------------------------------------------- */

enum { CLASSES = 16 };

/* One operand of each class; bf: BFloat16. */
static u64 class_member(unsigned size, unsigned class)
{
    unsigned f = size == 16 ? 10 : size == 32 ? 23 : 52, eb = size - 1 - f;
    u64 sign = 1ull << (size - 1), emax = ones(eb), one = emax / 2 << f, frac = rnd() & ones(f);
    switch (class) {
    case 0: return 0;
    case 1: return sign;
    case 2: return 1;
    case 3: return sign | ones(f);
    case 4: return frac | 1;
    case 5: return 1ull << f;
    case 6: return sign | 1ull << f | frac;
    case 7: return one;
    case 8: return sign | one | ones(f);
    case 9: return (one + (1ull << f)) | 1ull << (f - 1) | (frac & 1);
    case 10: return sign | one | frac;
    case 11: return (emax << f) - 1;
    case 12: return sign | (emax - 1) << f | frac;
    case 13: return emax << f | (frac & 1 ? sign : 0);
    case 14: return emax << f | 1ull << (f - 1) | frac;
    default: return sign | emax << f | 1 | (frac & ones(f - 1));
    }
}

static void put(uint64_t v[2], unsigned size, unsigned lane, u64 x) { v[lane * size / 64] |= x << (lane * size % 64); }

static bool starts(const char *name, const char *with) { return strncmp(name, with, strlen(with)) == 0; }

/* All triples of classes of Vn, Vm and the accumulator, spread over the lanes. */
static void cross(struct bench *b, u32 r, u32 word, unsigned size, u64 fpcr)
{
    const char *name = rows[r].name;
    bool three = strchr(rows[r].picture, 'a') || strstr(name, "ML") || starts(name, "BFDOT") || starts(name, "BFMM");
    bool two = three || strchr(rows[r].picture, 'm');
    bool narrow = starts(name, "FMLAL") || starts(name, "FMLSL"), bf = narrow ? false : starts(name, "BF") && two;
    unsigned in = narrow || bf ? 16 : size, acc = narrow || bf ? 32 : size, lanes = 128 / in;
    unsigned pairs = CLASSES * (three ? CLASSES : 1);
    for (unsigned m = 0; m < (two ? CLASSES : 1u); m++)
        for (unsigned first = 0; first < pairs; first += lanes) {
            struct job j = {.word = word, .row = r, .fpcr = fpcr, .nzcv = 5u << 28};
            for (unsigned e = 0; e < lanes; e++) {
                unsigned n = (first + e) % CLASSES, a = (first + e) / CLASSES % CLASSES;
                put(j.v[1], in, e, bf ? class_member(32, n) >> 16 : class_member(in, n));
                put(j.v[2], in, e, bf ? class_member(32, m) >> 16 : class_member(in, m));
                if (e * acc < 128) {
                    put(j.v[0], acc, e, class_member(acc, a));
                    put(j.v[3], acc, e, class_member(acc, a));
                }
            }
            bench_add(b, &j);
            /* a scalar sees lane 0 only */
            for (unsigned e = 1; e < lanes && !strstr(name, "_vec") && !narrow && !bf; e++) {
                struct job k = j;
                for (unsigned v = 0; v < 4; v++)
                    k.v[v][0] = in == 64 ? j.v[v][e] : j.v[v][e * in / 64] >> e * in % 64;
                bench_add(b, &k);
            }
        }
}

/* FPCR of a mode's number; false: the same as another one for rows of this kind. */
static bool mode_of(u32 mode, const struct row *r, unsigned size, u64 *fpcr)
{
    static const u32 bits[] = {FPCR_FZ, FPCR_DN, FPCR_FZ16, FPCR_AHP, FPCR_AH, FPCR_FIZ, FPCR_NEP, FPCR_EBF};
    *fpcr = (u64)(mode & 3) << FPCR_RMODE_SHIFT;
    for (unsigned k = 0; k < ARRAY_LEN(bits); k++)
        *fpcr |= mode >> (k + 2) & 1 ? bits[k] : 0;
    bool between = starts(r->name, "FCVT") || strstr(r->name, "BF") || strstr(r->name, "ML");
    if (mode < 64 || between)
        return !(*fpcr & FPCR_EBF) || starts(r->name, "BF");
    return !(*fpcr & (FPCR_AHP | FPCR_EBF)) && !(*fpcr & (size == 16 ? FPCR_FZ : FPCR_FZ16));
}

/* FP_ORACLE_CROSS=1: some minutes. */
START_TEST(test_cross)
{
    struct bench b;
    if (!getenv("FP_ORACLE_CROSS") || !bench_open(&b))
        return;
    for (u32 r = 0; r < ARRAY_LEN(rows); r++) {
        char last = rows[r].name[strlen(rows[r].name) - 1];
        bool any = starts(rows[r].name, "FCVT") || starts(rows[r].name, "BFCVT") || !strchr("HSD", last);
        for (unsigned size = 16; size <= 64 && selected(&rows[r]); size *= 2) {
            if (!any && last != (size == 16 ? 'H' : size == 32 ? 'S' : 'D'))
                continue;
            u32 word = word_of(&rows[r]);
            for (u32 mode = getenv("FP_ORACLE_ALT") ? 64 : 0; mode < (getenv("FP_ORACLE_ALT") ? 1024u : 64u); mode++) {
                u64 fpcr;
                if (mode_of(mode, &rows[r], size, &fpcr))
                    cross(&b, r, word, size, fpcr);
            }
        }
    }
    bench_close(&b);
    printf("cross product: %u cases\n", b.total);
}
END_TEST

/* ---- recorded sums -------------------------------------------------------------------------- */

/* tests/golden/fp.txt: for each row the sum of its outcomes, half of them with FPCR bits that the reference lacks.
 * Recorded when the first half agreed with QEMU and the arithmetic of the second with a model in exact
 * rationals (RECORD=file writes a new one). */
START_TEST(test_sums)
{
    const char *record = getenv("RECORD");
    FILE *f = fopen(record ? record : ELARA_TESTS "/golden/fp.txt", record ? "w" : "r");
    ck_assert_ptr_nonnull(f);
    struct cpu *c = aligned_alloc(64, (sizeof *c + 63) / 64 * 64);
    memset(c, 0, sizeof *c);
    memset(&c->feat, 0xff, sizeof c->feat);
    struct decoder *d = decoder_new(&c->feat);
    unsigned bad = 0;
    for (u32 r = 0; r < ARRAY_LEN(rows); r++) {
        u64 sum = 0xcbf29ce484222325;
        seed = 0x9e3779b97f4a7c15 + r;
        for (unsigned w = 0; w < 4; w++)
            for (u32 k = 0, word = word_of(&rows[r]); k < 64; k++) {
                struct job j = job_of(&rows[r], r, word, k & 1);
                struct result got = run(c, d, &j);
                for (unsigned b = 0; b < sizeof got; b++)
                    sum = (sum ^ ((const u8 *)&got)[b]) * 0x100000001b3;
            }
        char name[64];
        unsigned long want;
        if (record)
            fprintf(f, "%s %016lx\n", rows[r].name, sum);
        else if (fscanf(f, "%63s %lx", name, &want) != 2 || strcmp(name, rows[r].name) != 0 || want != sum)
            bad += bad < 20 ? (unsigned)fprintf(stderr, "%s: %016lx\n", rows[r].name, sum) : 1;
    }
    fclose(f);
    decoder_free(d);
    free(c);
    ck_assert_uint_eq(bad, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fp_oracle");
    TCase *t = tcase_create("fp_oracle");
    tcase_set_timeout(t, 7200);
    tcase_add_test(t, test_oracle);
    tcase_add_test(t, test_cross);
    tcase_add_test(t, test_sums);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
