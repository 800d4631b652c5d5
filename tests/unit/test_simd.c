/* Advanced SIMD, SIMD loads and stores, cryptography: every row of our tables with random operands against
 * user-mode QEMU, the same as recorded sums where QEMU is missing, and coverage of the encodings. */
#include <check.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "cpu/cpu.h"
#include "cpu/exec.h"
#include "mmu/fast.h"
#include "oracle.h"

/* ---- the rows under test -------------------------------------------------------------------- */

static const char *const names[] = {
#define A64(name, ...) #name,
#include "cpu/a64_crypto.def"
#include "cpu/a64_simd.def"
#include "cpu/a64_simd_ldst.def"
#undef A64
};

static bool is_ours(unsigned row)
{
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], a64_rows[row].name) == 0)
            return true;
    return false;
}

static u64 seed;
static u64 rnd(void)
{
    seed += 0x9e3779b97f4a7c15ull;
    u64 z = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* Values that saturate, carry and shift by edge amounts as well as plain random ones. */
static u64 interesting(void)
{
    static const u8 edge[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe, 0x40, 0x08, 0x10, 0x20, 0xf8, 0xe0};
    u64 v = 0;
    switch (rnd() % 6) {
    case 0: return rnd();
    case 1: return rnd() & rnd() & rnd();
    case 2: return rnd() | rnd() | rnd();
    case 3:
        for (unsigned i = 0; i < 8; i++)
            v = v << 8 | edge[rnd() % ARRAY_LEN(edge)];
        return v;
    case 4:
        for (unsigned i = 0; i < 4; i++) {
            u16 h = (u16)(1u << rnd() % 16);
            v = v << 16 | (u16)(rnd() & 1 ? h : rnd() & 1 ? h - 1 : 0 - h);
        }
        return v;
    default:
        for (unsigned i = 0; i < 2; i++) {
            u32 w = 1u << rnd() % 32;
            v = v << 32 | (rnd() & 1 ? w : rnd() & 1 ? w - 1 : 0 - w);
        }
        return v;
    }
}

/* A word of the picture; general registers are X0-X15 or XZR, the base is X0-X15. */
static u32 word_of(const char *picture)
{
    u32 w = 0;
    u64 n = rnd() & 15, m = rnd() % 17, d = rnd() % 17;
    m = m == 16 ? 31 : m, d = d == 16 ? 31 : d;
    unsigned kn = 4, km = 4, kd = 4, kN = 4;
    for (const char *p = picture; *p; p++) {
        if (*p == ' ')
            continue;
        u32 b = rnd() & 1;
        switch (*p) {
        case '0': b = 0; break;
        case '1': b = 1; break;
        case 'p': b = (u32)(n >> kn--) & 1; break;
        case 'N': b = (u32)(m >> kN--) & 1; break;
        case 'M': b = (u32)(m >> km--) & 1; break;
        case 'D': b = (u32)(d >> kd--) & 1; break;
        default: break;
        }
        w = w << 1 | b;
    }
    return w;
}

/* ---- execution here ------------------------------------------------------------------------- */

static struct features all_features(void)
{
    struct features f;
    memset(&f, 0xff, sizeof f);
    return f;
}

struct bench {
    struct cpu *cpu;
    struct fast *fast;
    struct decoder *decoder;
    u8 page[4096];
};

static struct bench *bench_new(void)
{
    struct bench *b = calloc(1, sizeof *b);
    b->cpu = aligned_alloc(64, align_up(sizeof *b->cpu, 64));
    memset(b->cpu, 0, sizeof *b->cpu);
    b->fast = calloc(1, sizeof *b->fast);
    b->fast->rtag[0] = b->fast->wtag[0] = ORACLE_MEM_BASE;
    b->fast->delta[0] = (u64)(uintptr_t)b->page - ORACLE_MEM_BASE;
    b->cpu->ft = b->cpu->ft_unpriv = b->fast;
    struct features f = all_features();
    b->cpu->feat = f;
    b->decoder = decoder_new(&f);
    return b;
}

static void bench_free(struct bench *b)
{
    decoder_free(b->decoder);
    free(b->fast);
    free(b->cpu);
    free(b);
}

static void execute(struct bench *b, struct oracle_state *s)
{
    struct cpu *c = b->cpu;
    struct op o = decode(b->decoder, s->word);
    s->result = ORACLE_SIGILL;
    if (o.row == A64_ROW_UNDEFINED)
        return;
    memcpy(c->x, s->x, sizeof s->x);
    c->fpsr = s->fpsr;
    for (unsigned i = 0; i < 32; i++)
        memcpy(c->v[i].d, s->v[i], 16);
    memcpy(b->page + ORACLE_MEM_OFF, s->mem, sizeof s->mem);
    ck_assert_int_eq(a64_execs[o.row](c, &o), STEP_NEXT);
    s->result = ORACLE_OK;
    memcpy(s->x, c->x, sizeof s->x);
    s->fpsr = c->fpsr;
    for (unsigned i = 0; i < 32; i++) {
        memcpy(s->v[i], c->v[i].d, 16);
        ck_assert_msg(c->v[i].d[2] == 0 && c->v[i].d[3] == 0, "%s writes beyond 128 bits", a64_rows[o.row].name);
    }
    memcpy(s->mem, b->page + ORACLE_MEM_OFF, sizeof s->mem);
}

/* Makes the access of a load or store fall, aligned to 16 bytes, into the state's memory. */
static bool place(struct oracle_state *s, const struct op *o)
{
    const char *name = a64_rows[o->row].name, *suffix = strrchr(name, '_');
    u64 target = ORACLE_MEM_BASE + ORACLE_MEM_OFF + 16 * (rnd() % 12);
    s->x[o->rn] = target;
    bool structure = isdigit((unsigned char)name[2]) || name[2] == 'n';
    if (structure || !suffix || strcmp(suffix, "_post") == 0)
        return true;
    if (strcmp(suffix, "_lit") == 0)
        return false;
    if (strcmp(suffix, "_reg") == 0) {
        if (o->rm == o->rn)
            return false;
        if (o->rm != REG_ZERO) {
            u64 off = rnd() % 64 * 16;
            s->x[o->rm] = off;
            unsigned scale = (unsigned)(strchr("bhsdq", name[5]) - "bhsdq");
            if (!(o->x & 1)) /* UXTW and SXTW ignore the upper half */
                s->x[o->rm] |= rnd() << 32;
            s->x[o->rn] -= off << (o->y ? scale : 0);
        }
        return true;
    }
    s->x[o->rn] -= o->imm;
    return true;
}

/* Fills states for n words of each of our rows. */
static size_t make_states(const struct bench *b, struct oracle_state *s, unsigned n, u64 salt)
{
    size_t count = 0;
    for (unsigned row = 0; row < a64_row_count; row++) {
        if (!is_ours(row))
            continue;
        seed = salt;
        for (const char *p = a64_rows[row].name; *p; p++) /* so that a new row leaves the others' states alone */
            seed = seed * 0x100000001b3ull ^ (u8)*p;
        for (unsigned i = 0; i < n; i++) {
            struct oracle_state *t = &s[count];
            memset(t, 0, sizeof *t);
            t->tag = row;
            t->word = word_of(a64_rows[row].picture);
            struct op o = decode(b->decoder, t->word);
            if (o.row != row && o.row != A64_ROW_UNDEFINED)
                continue;
            t->fpsr = rnd() & 7 ? 0 : 1u << 27;
            for (unsigned k = 0; k < 16; k++)
                t->x[k] = interesting();
            for (unsigned k = 0; k < 64; k++)
                t->v[k / 2][k & 1] = interesting();
            for (unsigned k = 0; k < sizeof t->mem; k++)
                t->mem[k] = (u8)rnd();
            if (a64_rows[row].flags & (A64_LOAD | A64_STORE) && (o.row != row || !place(t, &o)))
                continue;
            count++;
        }
    }
    return count;
}

enum { WORDS = 48, ROWS_MAX = 1024 };

static void explain(const struct bench *b, const struct oracle_state *in, const struct oracle_state *us,
                    const struct oracle_state *them)
{
    struct op o = decode(b->decoder, in->word);
    fprintf(stderr, "%s %08x: result %u/%u fpsr %08x/%08x\n", a64_rows[o.row].name, in->word, us->result, them->result,
            us->fpsr, them->fpsr);
    for (unsigned i = 0; i < 16; i++)
        if (us->x[i] != them->x[i])
            fprintf(stderr, "  x%u was %016lx: %016lx, expected %016lx\n", i, in->x[i], us->x[i], them->x[i]);
    for (unsigned i = 0; i < 32; i++)
        if (memcmp(us->v[i], them->v[i], 16))
            fprintf(stderr, "  v%u was %016lx%016lx: %016lx%016lx, expected %016lx%016lx\n", i, in->v[i][1],
                    in->v[i][0], us->v[i][1], us->v[i][0], them->v[i][1], them->v[i][0]);
    const u8 regs[] = {(u8)(in->word >> 5 & 31), (u8)(in->word >> 16 & 31)};
    for (unsigned i = 0; i < 2; i++)
        fprintf(stderr, "  operand v%u = %016lx%016lx\n", regs[i], in->v[regs[i]][1], in->v[regs[i]][0]);
    if (memcmp(us->mem, them->mem, sizeof us->mem))
        fprintf(stderr, "  memory differs\n");
}

START_TEST(test_oracle)
{
    struct bench *b = bench_new();
    u64 salt = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : 1;
    struct oracle_state *in = calloc(WORDS * ROWS_MAX, sizeof *in);
    size_t n = make_states(b, in, WORDS, salt);
    struct oracle_state *them = malloc(n * sizeof *them);
    memcpy(them, in, n * sizeof *them);
    unsigned bad = 0, ran[ROWS_MAX] = {0};
    enum oracle_outcome outcome = oracle_run(them, n);
    ck_assert_int_ne(outcome, ORACLE_FAILED);
    if (outcome == ORACLE_RAN) {
        for (size_t i = 0; i < n; i++) {
            struct oracle_state us = in[i];
            execute(b, &us);
            if (us.result == ORACLE_OK)
                ran[decode(b->decoder, us.word).row % ROWS_MAX]++;
            if (us.result != them[i].result || (us.result == ORACLE_OK && memcmp(&us, &them[i], sizeof us) != 0)) {
                if (bad++ < 40)
                    explain(b, &in[i], &us, &them[i]);
            }
        }
        for (unsigned row = 0; row < a64_row_count && row < ROWS_MAX; row++)
            if (is_ours(row) && ran[row] < WORDS / 8 && !strstr(a64_rows[row].name, "_lit") && bad++ < 40)
                fprintf(stderr, "%s: only %u words\n", a64_rows[row].name, ran[row]);
        fprintf(stderr, "%zu words compared, %u differ\n", n, bad);
    } else {
        fprintf(stderr, "skipped: no cross compiler or no qemu-aarch64\n");
    }
    free(in);
    free(them);
    bench_free(b);
    ck_assert_uint_eq(bad, 0);
}
END_TEST

/* ---- recorded sums -------------------------------------------------------------------------- */

static u64 sum_bytes(u64 h, const void *p, size_t n)
{
    for (const u8 *q = p; n; n--)
        h = (h ^ *q++) * 0x100000001b3ull;
    return h;
}

/* tests/golden/simd.txt: for each row the sum of its outcomes, recorded when all agreed with QEMU
 * (RECORD=file writes a new one). */
START_TEST(test_sums)
{
    struct bench *b = bench_new();
    struct oracle_state *s = calloc(WORDS * ROWS_MAX, sizeof *s);
    size_t n = make_states(b, s, WORDS, 1);
    const char *record = getenv("RECORD");
    FILE *f = fopen(record ? record : ELARA_TESTS "/golden/simd.txt", record ? "w" : "r");
    ck_assert_ptr_nonnull(f);
    unsigned bad = 0;
    for (size_t i = 0; i < n;) {
        unsigned row = 0;
        u64 sum = 0xcbf29ce484222325ull;
        /* all states of one row stand together; UNDEFINED words belong to the row they were made for */
        size_t j = i;
        for (; j < n && (j == i || s[j].tag == s[i].tag); j++) {
            row = (unsigned)s[j].tag;
            execute(b, &s[j]);
            sum = sum_bytes(sum, &s[j], offsetof(struct oracle_state, tag));
        }
        i = j;
        char name[64];
        unsigned long want;
        if (record)
            fprintf(f, "%s %016lx\n", a64_rows[row].name, sum);
        else if (fscanf(f, "%63s %lx", name, &want) != 2 || strcmp(name, a64_rows[row].name) || want != sum)
            bad += bad < 20 ? (unsigned)fprintf(stderr, "%s: %016lx\n", a64_rows[row].name, sum) : 1;
    }
    fclose(f);
    free(s);
    bench_free(b);
    ck_assert_uint_eq(bad, 0);
}
END_TEST

/* ---- coverage of the architecture's list ---------------------------------------------------- */

static bool covered_class(const char *class, const char *name)
{
    if (strncmp(class, "simd_dp/crypto", 14) == 0)
        return true;
    if (strncmp(class, "ldst/asisdlso", 13) == 0 || strncmp(class, "ldst/asisdlse", 13) == 0)
        return strncmp(name, "LDAP1", 5) && strncmp(name, "STL1", 4); /* FEAT_LRCPC3 */
    if (strncmp(class, "ldst/", 5) == 0) { /* NAME_size_class with a SIMD&FP size; STTP and LDTP are FEAT_LSUI */
        static const char *const forms[] = {"LDR_", "STR_", "LDUR_", "STUR_", "LDP_", "STP_", "LDNP_", "STNP_"};
        for (unsigned i = 0; i < ARRAY_LEN(forms); i++) {
            size_t n = strlen(forms[i]);
            if (strncmp(name, forms[i], n) == 0)
                return strchr("BHSDQ", name[n]) && (name[n + 1] == '_' || name[n + 1] == 'L');
        }
        return false;
    }
    if (strncmp(class, "simd_dp/asi", 11) || strstr(class, "fp16") || strncmp(name, "LUTI", 4) == 0)
        return false;
    static const char *const fp[] = {"F", "BF", "SCVTF", "UCVTF"};
    if (strstr(class, "asimdimm"))
        return true;
    for (unsigned i = 0; i < ARRAY_LEN(fp); i++)
        if (strncmp(name, fp[i], strlen(fp[i])) == 0)
            return false;
    return true;
}

START_TEST(test_coverage)
{
    FILE *f = fopen("/work/shared/spec/a64-encodings.tsv", "r");
    if (!f)
        return; /* the list is not part of the tree */
    struct bench *b = bench_new();
    seed = 5;
    char line[2048];
    unsigned checked = 0, bad = 0;
    while (fgets(line, sizeof line, f)) {
        char *col[11] = {line}, *p = line;
        unsigned n = 1;
        while (n < 11 && (p = strchr(p, '\t')))
            *p++ = 0, col[n++] = p;
        if (n < 11 || !covered_class(col[1], col[0]))
            continue;
        u32 mask = (u32)strtoul(col[2], NULL, 16), value = (u32)strtoul(col[3], NULL, 16);
        unsigned valid = 0;
        for (unsigned i = 0; i < 2000; i++) {
            u32 w = ((u32)rnd() & ~mask) | value;
            struct op o = decode(b->decoder, w);
            if (o.row == A64_ROW_UNDEFINED)
                continue;
            const struct a64_row *r = &a64_rows[o.row];
            size_t len = strcspn(r->name, "_n0123456789"), want = strcspn(col[0], "_0123456789");
            if (!is_ours(o.row) || len != want || strncmp(r->name, col[0], len))
                continue; /* a more specific instruction */
            valid++;
            const char *feat = strstr(col[7], "FEAT_");
            static const struct {
                const char *name;
                u16 feat;
            } gates[] = {
                {"FEAT_AES", FEAT_AES},         {"FEAT_PMULL", FEAT_PMULL},   {"FEAT_SHA1", FEAT_SHA1},
                {"FEAT_SHA256", FEAT_SHA256},   {"FEAT_SHA512", FEAT_SHA512}, {"FEAT_SHA3", FEAT_SHA3},
                {"FEAT_SM3", FEAT_SM3},         {"FEAT_SM4", FEAT_SM4},       {"FEAT_RDM", FEAT_RDM},
                {"FEAT_DotProd", FEAT_DotProd}, {"FEAT_I8MM", FEAT_I8MM},
            };
            u16 gate = strncmp(col[1], "ldst", 4) == 0 && strncmp(col[1], "ldst/asi", 8) ? FEAT_FP : FEAT_AdvSIMD;
            for (unsigned k = 0; feat && k < ARRAY_LEN(gates); k++)
                if (strncmp(feat, gates[k].name, strlen(gates[k].name)) == 0 &&
                    !(gates[k].feat == FEAT_PMULL && !bit(w, 23)))
                    gate = gates[k].feat;
            if (strcmp(r->name, "FMOV_vimm_h") == 0)
                gate = FEAT_FP16;
            if (r->feat != gate && bad++ < 20)
                fprintf(stderr, "%s (%s): wrong feature\n", col[0], r->name);
        }
        if (!valid && bad++ < 20)
            fprintf(stderr, "%s (%s) %s is not covered\n", col[0], col[1], col[9]);
        checked++;
    }
    fclose(f);
    fprintf(stderr, "%u encodings\n", checked);
    bench_free(b);
    ck_assert_uint_eq(bad, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("simd");
    TCase *t = tcase_create("simd");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, test_oracle);
    tcase_add_test(t, test_sums);
    tcase_add_test(t, test_coverage);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
