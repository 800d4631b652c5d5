/* The JIT against the interpreter: the same words, slices and starting state give the same state, instruction by
 * instruction count. Random words of every row, then cases of their own: self-modifying code, page crossings, aliases,
 * slices that end in the middle of a block. */
#include <stdio.h>

/* clang-format off: before el1.h, whose variables would be shadowed */
#include "jit/internal.h"
#include "jit/registers.h"
/* clang-format on */

#include "core/snap.h"
#include "el1.h"
#include "jit/jit.h"
#include "mmu/fast.h"

static u64 rnd_state;
static u64 rnd(void)
{
    rnd_state ^= rnd_state << 13;
    rnd_state ^= rnd_state >> 7;
    rnd_state ^= rnd_state << 17;
    return rnd_state * 0x2545f4914f6cdd1dull;
}

static u64 state_hash(void)
{
    struct snap s = {.mode = SNAP_HASH};
    cpu_state(c, &s);
    bus_ram_state(env.bus, &s);
    return snap_hash(&s);
}

static void write_code(u64 at, const u32 *words, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        memcpy(ram(at + 4 * i), &words[i], 4);
        u64 a = at + 4 * i;
        ram_written(env.bus, bus_resolve(env.bus, pa_make(PAS_NS, a)).page, (u32)(a & 0xfff), 4);
    }
}

/* Runs for total instructions in slices of up to most; what is left of a slice when the CPU stops is lost. */
static void run(const struct engine *e, unsigned total, unsigned most, u64 seed)
{
    struct clock *k = env.clock;
    (void)k;
    u64 save = rnd_state;
    rnd_state = seed;
    while (total && c->run == CPU_RUNNING) {
        unsigned n = 1 + (unsigned)(rnd() % most);
        n = n < total ? n : total;
        clock_begin(env.clock, &c->slice, n);
        e->run(c);
        clock_finish(env.clock);
        total -= n;
    }
    rnd_state = save;
}

struct result {
    u64 hash, x[34], pc, now;
    u32 nzcv;
};

static struct clock the_clock;
static const struct engine *const engines[] = {&engine_interp, &engine_jit};

static void begin_cpu(const char *model)
{
    setup_cpu(model, false, false);
    the_clock = (struct clock){0};
    env.clock = &the_clock;
}

static void begin(void) { begin_cpu("max"); }

static void end(struct result *r)
{
    *r = (struct result){.hash = state_hash(), .pc = c->pc, .nzcv = c->nzcv, .now = clock_now(&the_clock)};
    memcpy(r->x, c->x, sizeof r->x);
    clock_free(&the_clock);
    teardown();
}

static void compare(const struct result *a, const struct result *b, const char *what)
{
    ck_assert_msg(a->now == b->now, "%s: time %llu, jit %llu", what, (unsigned long long)a->now,
                  (unsigned long long)b->now);
    ck_assert_msg(a->pc == b->pc, "%s: pc %llx, jit %llx", what, (unsigned long long)a->pc, (unsigned long long)b->pc);
    for (unsigned i = 0; i < 34; i++)
        ck_assert_msg(i == REG_SINK || a->x[i] == b->x[i], "%s: x%u %llx, jit %llx", what, i,
                      (unsigned long long)a->x[i], (unsigned long long)b->x[i]);
    ck_assert_msg(a->nzcv == b->nzcv, "%s: nzcv %x, jit %x", what, a->nzcv, b->nzcv);
    ck_assert_msg(a->hash == b->hash, "%s: state hash", what);
}

/* A word of the row: random where the picture leaves it open. */
static u32 random_word(unsigned row)
{
    u32 word = 0;
    for (const char *p = a64_rows[row].picture; *p; p++) {
        if (*p == ' ')
            continue;
        word = word << 1 | (*p == '1' ? 1u : *p == '0' ? 0u : (u32)(rnd() >> 40 & 1));
    }
    return word;
}

static bool wanted(unsigned row, bool integer)
{
    const char *name = a64_rows[row].name;
    if (row <= A64_ROW_UNDEFINED || !a64_rows[row].picture)
        return false;
    if (integer && (a64_rows[row].flags & (A64_V | A64_SYNC)))
        return false;
    return strncmp(name, "WF", 2) != 0 && strncmp(name, "HVC", 3) != 0 && strncmp(name, "SMC", 3) != 0;
}

enum { WORDS = 40, ROUNDS = 500 };

static void random_round(unsigned round, bool integer)
{
    struct result r[2];
    u32 words[WORDS];
    char names[2000];
    u64 start = rnd_state;
    for (unsigned e = 0; e < 2; e++) {
        rnd_state = start;
        begin();
        names[0] = 0;
        for (unsigned i = 0; i < WORDS; i++) {
            unsigned row;
            do
                row = (unsigned)(rnd() % a64_row_count);
            while (!wanted(row, integer));
            words[i] = random_word(row);
            size_t n = strlen(names);
            snprintf(names + n, sizeof names - n, " %s:%08x", a64_rows[row].name, words[i]);
        }
        write_code(CODE, words, WORDS);
        c->code->jit_eager = round % 2;
        /* exceptions come back behind the instruction */
        static const u32 handler[] = {0xd5384030, 0x91001210, 0xd5184030,
                                      0xd69f03e0}; /* mrs x16, elr; add 4; msr; eret */
        for (unsigned v = 0; v < 16; v++)
            write_code(VBAR + 0x80 * v, handler, 4);
        for (unsigned i = 0; i < 31; i++)
            c->x[i] = i & 1 ? DATA + 0x800 + (rnd() & 0x3ff) * 4 : rnd() >> (rnd() & 63);
        c->x[REG_SP] = DATA + 0xc00;
        c->nzcv = (u32)(rnd() & 0xf0000000);
        c->pc = CODE;
        u64 seed = rnd();
        run(engines[e], 3 * WORDS, round % 3 ? 1000 : 17, seed);
        end(&r[e]);
    }
    char what[2200];
    snprintf(what, sizeof what, "round %u:%s", round, names);
    compare(&r[0], &r[1], what);
}

/* ---- flags and registers ---------------------------------------------------------------------- */

/* Loops of few instructions on few registers: what is kept in host registers and in EFLAGS over instructions, branches
 * and loops, with loads and stores that fail in between. */
static const char *const dense[] = {
    "ADDS_64_imm", "SUBS_64_imm", "SUBS_32_imm", "ADDS_64_reg", "SUBS_64_reg", "SUBS_32_reg", "ADDS_32_reg",
    "ANDS_64_reg", "ANDS_32_imm", "BICS_64_reg", "ADC_64",      "ADCS_64",     "SBC_64",      "SBCS_64",
    "ADCS_32",     "SBCS_32",     "CCMP_64_imm", "CCMP_32_reg", "CCMN_64_reg", "CSEL_64",     "CSINC_64",
    "CSNEG_32",    "MADD_64",     "UMULH",       "ADD_64_reg",  "SUB_64_imm",  "LDR_64_post", "LDP_64",
    "STR_64_pre",  "LDR_64",      "STP_64_pre",  "UBFM_64",     "BFM_32",      "EXTR_64",     "SDIV_64",
    "LDRB",        "CSINV_64",    "MADD_32",     "SMADDL",      "UMADDL",      "MOV_64_reg",  "MOVZ_64",
    "MOVN_32",     "ADD_64_lsl",  "ADDS_64_lsl", "LSLV_32",     "RBIT_64",     "RBIT_32",     "MADD_64",
    "UMULH"};

static unsigned row_named(const char *name)
{
    for (unsigned i = A64_ROW_UNDEFINED + 1; i < a64_row_count; i++)
        if (!strcmp(a64_rows[i].name, name))
            return i;
    return 0;
}

/* Registers X0 to X7 or 31, bases X21 and SP, mostly small immediates. */
static u32 dense_word(unsigned row)
{
    u32 word = 0, value[128];
    unsigned left[128] = {0};
    for (const char *p = a64_rows[row].picture; *p; p++)
        left[(unsigned char)*p & 127]++;
    for (unsigned i = 0; i < 128; i++) {
        u32 r = (u32)(rnd() >> 33);
        value[i] = i == 'p'               ? (r & 1 ? 21 : 31)
                   : i == 'i'             ? (r & 7 ? r >> 8 & 15 : r >> 8)
                   : i == 'x' || i == 'y' ? r >> 8
                   : r & 7                ? r >> 8 & 7
                                          : 31;
    }
    for (const char *p = a64_rows[row].picture; *p; p++) {
        unsigned char l = (unsigned char)*p & 127;
        if (l == ' ')
            continue;
        word = word << 1 | (l == '1' ? 1u : l == '0' ? 0u : value[l] >> (left[l] - 1) & 1u);
        left[l]--;
    }
    return word;
}

static void dense_round(unsigned round)
{
    enum { N = 24 };
    struct result r[2];
    u32 words[N + 2];
    u64 start = rnd_state;
    for (unsigned e = 0; e < 2; e++) {
        rnd_state = start;
        begin();
        for (unsigned i = 0; i < N; i++) {
            u32 k = (u32)(rnd() >> 40), on = i + 3 < N ? 2 + (k >> 8) % 2 : 1; /* branches go on a little */
            if (k % 8 == 0)
                words[i] = 0x54000000 | on << 5 | (k >> 12 & 15);
            else if (k % 16 == 1)
                words[i] = 0xb4000000 | on << 5 | (k >> 12 & 7);
            else if (k % 64 == 2 && i + 1 < N) { /* rbit, clz */
                words[i] = 0x5ac00000 | (k >> 12 & 7) << 5 | (k >> 15 & 7) | k << 11 >> 30 << 31;
                words[i + 1] = (words[i] & ~0x3e0u) | (k >> 15 & 7) << 5 | 0x1000;
                i++;
            } else
                words[i] = dense_word(row_named(dense[(k >> 4) % ARRAY_LEN(dense)]));
        }
        words[N] = 0xf100079c;                                       /* subs x28, x28, #1 */
        words[N + 1] = 0x54000001 | (0x7ffffu & -(u32)(N + 1)) << 5; /* b.ne */
        write_code(CODE, words, N + 2);
        c->code->jit_eager = round % 4 != 0;
        static const u32 handler[] = {0xd5384030, 0x91001210, 0xd5184030, 0xd69f03e0};
        for (unsigned v = 0; v < 16; v++)
            write_code(VBAR + 0x80 * v, handler, 4);
        for (unsigned i = 0; i < 31; i++)
            c->x[i] = rnd() & 1 ? rnd() >> (rnd() & 63) : rnd() & 3;
        c->x[21] = DATA + 0xffc - (rnd() & 31);
        c->x[28] = 40;
        c->x[REG_SP] = DATA + 0xc00;
        c->nzcv = (u32)(rnd() & 0xf0000000);
        c->pc = CODE;
        u64 seed = rnd();
        run(engines[e], 30 * N, round % 3 ? 1000 : 17, seed);
        end(&r[e]);
    }
    char what[40 + 9 * (N + 2)];
    int n = snprintf(what, sizeof what, "round %u:", round);
    for (unsigned i = 0; i < N + 2; i++)
        n += snprintf(what + n, sizeof what - (size_t)n, " %08x", words[i]);
    compare(&r[0], &r[1], what);
}

/* ---- loads and stores in a row --------------------------------------------------------------- */

/* Loads or stores off one base share a check, in a row or with others between: at the ends of pages, of which the next
 * one may be absent, read-only or Device; registers that are the base, a base that moves, an SP that is not aligned,
 * flags that nobody computed yet. */
static const char *const in_a_row[2][18] = {
    {"LDR_64", "LDR_64_post", "LDR_64_pre", "LDP_64", "LDP_64_post", "LDP_64_pre", "LDR_32", "LDP_32", "LDPSW", "LDRSW",
     "LDRB", "LDRSH_32_pre", "LDRH", "LDUR_64", "LDR_vq_imm", "LDP_vq_imm", "LDR_vd_post", "LDP_vs_pre"},
    {"STR_64", "STR_64_post", "STR_64_pre", "STP_64", "STP_64_post", "STP_64_pre", "STR_32", "STP_32", "STR_64",
     "STP_64", "STRB", "STRH_post", "STRH", "STUR_64", "STR_vq_imm", "STP_vq_imm", "STR_vh_post", "STP_vd_pre"},
};

static void row_round(unsigned round)
{
    enum { N = 24 };
    static const u64 ends[] = {DATA + 0x1000, HOLE, READO, READO + 0x1000, DEVICE, DEVICE + 0x1000, CODE};
    struct result r[2];
    u32 words[N + 2];
    u64 start = rnd_state;
    for (unsigned e = 0; e < 2; e++) {
        rnd_state = start;
        begin();
        unsigned kind = 0;
        words[0] = 0xaa1603f5; /* mov x21, x22 */
        words[1] = 0x910002ff; /* mov sp, x23 */
        for (unsigned i = 2; i < N; i++) {
            u32 k = (u32)(rnd() >> 40);
            kind ^= k % 4 == 0;
            if (k % 16 == 1)
                words[i] = 0x54000000 | 2 << 5 | (k >> 12 & 15);
            else if (k % 16 == 2)
                words[i] = dense_word(row_named(dense[(k >> 4) % ARRAY_LEN(dense)]));
            else
                words[i] = dense_word(row_named(in_a_row[kind][(k >> 4) % ARRAY_LEN(in_a_row[0])]));
            static const char *const between[] = {"ADD_64_imm", "SUB_64_imm", "MOV_64_reg", "ADRP", "ADR"};
            if (k % 16 > 12) /* does not part them */
                words[i] = dense_word(row_named(between[(k >> 4) % ARRAY_LEN(between)]));
            if (k % 32 > 24) /* by two registers: often the same ones, of which one may change */
                words[i] = k >> 8 & 7
                               ? 0x38206800 | (k >> 11 & 3) << 30 | (k >> 13 & 1) << 22 | (25 + (k >> 14 & 1)) << 16 |
                                     (k >> 15 & 1) << 12 | 21 << 5 | (k >> 16 & 7 ? k >> 16 & 7 : 25)
                               : 0x91000739; /* add x25, x25, #1 */
            if (k % 32 > 28 && k >> 8 & 7)   /* vector registers; some quadwords, some of a word as index */
                words[i] =
                    (words[i] | 1u << 26 | (k >> 11 & 3 ? 0 : (k >> 19 & 1) << 23)) & ~((k >> 20 & 3 ? 0u : 1u) << 13);
            if (k % 16 == 5)
                words[i] = (words[i] & ~31u) | 21; /* the base itself */
            if (k % 16 == 6)
                words[i] = (words[i] & ~0x3e0u) | 24 << 5; /* another base between */
        }
        words[N] = 0xf100079c;                                       /* subs x28, x28, #1 */
        words[N + 1] = 0x54000001 | (0x7ffffu & -(u32)(N + 1)) << 5; /* b.ne */
        write_code(CODE, words, N + 2);
        c->code->jit_eager = true;
        static const u32 handler[] = {0xd5384030, 0x91001210, 0xd5184030, 0xd69f03e0};
        for (unsigned v = 0; v < 16; v++)
            write_code(VBAR + 0x80 * v, handler, 4);
        for (unsigned i = 0; i < 31; i++)
            c->x[i] = rnd() >> (rnd() & 63);
        c->x[22] = ends[rnd() % ARRAY_LEN(ends)] - (rnd() & 127);
        c->x[23] = DATA + 0x1000 - (rnd() & 7 ? rnd() & 0x70 : rnd() & 0x7f);
        c->x[24] = ends[rnd() % ARRAY_LEN(ends)] - (rnd() & 63);
        c->x[25] = rnd() & 15;
        c->x[26] = rnd() & 127;
        c->x[28] = 6;
        c->nzcv = (u32)(rnd() & 0xf0000000);
        c->pc = CODE;
        u64 seed = rnd();
        run(engines[e], 8 * N, round % 3 ? 1000 : 17, seed);
        end(&r[e]);
    }
    char what[40 + 9 * (N + 2)];
    int n = snprintf(what, sizeof what, "round %u:", round);
    for (unsigned i = 0; i < N + 2; i++)
        n += snprintf(what + n, sizeof what - (size_t)n, " %08x", words[i]);
    compare(&r[0], &r[1], what);
}

START_TEST(rows_of_accesses)
{
    const char *more = getenv("ELARA_ROUNDS");
    rnd_state = 0x853c49e6748fea9bull;
    for (unsigned i = 0; i < 2 * ARRAY_LEN(in_a_row[0]); i++)
        ck_assert_msg(row_named(in_a_row[i % 2][i / 2]), "%s", in_a_row[i % 2][i / 2]);
    for (unsigned i = 0, n = more ? (unsigned)atoi(more) : ROUNDS; i < n; i++)
        row_round(i);
}
END_TEST

/* Loads and stores of every kind with stage 1 off, where RAM is Device memory, or with SCTLR_EL1.A, or with some pages
 * of Device memory that the fast tables take up and give back every few accesses: without fast tables (the slow path
 * decides each access), with them, and in the JIT. */
enum device_mode { DEVICE_ALIGN, DEVICE_OFF, DEVICE_TURNS, DEVICE_MODES };

/* Three pages from DATA on are Device or Normal memory, all of them EL0's too. */
static void device_pages(unsigned device)
{
    for (unsigned i = 0; i < 3; i++) {
        u64 at = TABLES + 0x2000 + (DATA - RAM) / 0x1000 * 8 + 8 * i, d;
        memcpy(&d, ram(at), 8);
        put64(at, d | 1 << 6 | (device >> i & 1) << 2);
    }
    struct fast_ctx *f[2] = {(struct fast_ctx *)(void *)c->ft, (struct fast_ctx *)(void *)c->ft_unpriv};
    f[0]->patience = f[1]->patience = 1 + (unsigned)(rnd() % 4);
}

static void device_round(unsigned round)
{
    enum { N = 24 };
    const enum device_mode mode = round % DEVICE_MODES;
    struct result r[3];
    u32 words[N + 1];
    char names[2000];
    u64 start = rnd_state;
    for (unsigned e = 0; e < 3; e++) {
        rnd_state = start;
        begin();
        if (e == 0)
            fast_pool_off(c->fast_pool);
        names[0] = 0;
        for (unsigned i = 0; i < N; i++) {
            static const char *const kinds[] = {"LD", "LD", "ST", "ST", "CAS", "SWP"};
            const char *kind = kinds[rnd() % ARRAY_LEN(kinds)];
            unsigned row;
            do
                row = (unsigned)(rnd() % a64_row_count);
            while (!wanted(row, false) || strncmp(a64_rows[row].name, kind, strlen(kind)) != 0);
            u32 base = (u32)(rnd() % 14) * 2 + 1;
            words[i] = (random_word(row) & ~(31u << 5)) | base << 5;
            if (rnd() % 16 == 0)
                words[i] = 0xd50b7420 | base; /* DC ZVA */
            size_t n = strlen(names);
            snprintf(names + n, sizeof names - n, " %s:%08x", a64_rows[row].name, words[i]);
        }
        words[N] = 0x14000000 | (0x3ffffffu & -(u32)N); /* b */
        write_code(CODE, words, N + 1);
        c->code->jit_eager = round % 4 != 0;
        static const u32 handler[] = {0xd5384030, 0x91001210, 0xd5184030, 0xd69f03e0};
        for (unsigned v = 0; v < 16; v++)
            write_code(VBAR + 0x80 * v, handler, 4);
        for (unsigned i = 0; i < 31; i++)
            c->x[i] = i & 1 ? DATA + 0x800 + (rnd() & 0x7f) * 16 + (rnd() & 1 ? 0 : rnd() & 15) : rnd() >> (rnd() & 63);
        for (unsigned i = 1; mode == DEVICE_TURNS && i < 31; i += 2)
            c->x[i] += rnd() & 0x1000;
        c->x[REG_SP] = DATA + 0xc00;
        c->pc = CODE;
        c->sys[SCTLR_EL1] = SCTLR_C | SCTLR_I |
                            (mode == DEVICE_ALIGN ? SCTLR_M | SCTLR_A
                             : mode == DEVICE_OFF ? rnd() & SCTLR_A
                                                  : SCTLR_M | 1 << 23); /* SPAN */
        context_touch(c);
        context_resolve(c);
        if (mode == DEVICE_TURNS)
            device_pages((unsigned)(rnd() & 7));
        u64 seed = rnd();
        run(engines[e == 2], (mode == DEVICE_TURNS ? 24 : 8) * N, round % 5 ? 1000 : 17, seed);
        end(&r[e]);
    }
    char what[2200];
    snprintf(what, sizeof what, "round %u:%s", round, names);
    compare(&r[0], &r[1], what);
    compare(&r[0], &r[2], what);
}

START_TEST(device_memory)
{
    const char *more = getenv("ELARA_ROUNDS");
    rnd_state = 0x94d049bb133111ebull;
    for (unsigned i = 0, n = more ? (unsigned)atoi(more) : ROUNDS / 2; i < n; i++)
        device_round(i);
}
END_TEST

START_TEST(dense_flags)
{
    const char *more = getenv("ELARA_ROUNDS");
    rnd_state = 0x2545f4914f6cdd1dull;
    for (unsigned i = 0; i < ARRAY_LEN(dense); i++)
        ck_assert_msg(row_named(dense[i]), "%s", dense[i]);
    for (unsigned i = 0, n = more ? (unsigned)atoi(more) : ROUNDS; i < n; i++)
        dense_round(i);
}
END_TEST

START_TEST(random_integer)
{
    rnd_state = 0x9e3779b97f4a7c15ull;
    for (unsigned i = 0; i < ROUNDS; i++)
        random_round(i, true);
}
END_TEST

START_TEST(random_all)
{
    rnd_state = 0xd1342543de82ef95ull;
    for (unsigned i = 0; i < ROUNDS; i++)
        random_round(i, false);
}
END_TEST

/* Codes in pointers of all kinds, right and wrong ones, by both algorithms; branches that authenticate. */
static u64 random_pointer(void)
{
    u64 v = rnd(), kind = rnd() >> 60;
    u64 low = kind & 1 ? DATA + (v & 0xfff) : v & ones(39), high = kind & 2 ? ~ones(39) : 0;
    return (kind & 12) == 0 ? v : (kind & 12) == 4 ? (low | high) ^ v >> 56 << 56 : low | high;
}

static unsigned pauth_words(u32 *w)
{
    static const u32 ops[] = {0xdac10000, 0xdac10400, 0xdac11000, 0xdac11400, 0xdac10800, 0xdac11800, 0xdac123e0,
                              0xdac133e0, 0xd503233f, 0xd50323bf, 0xd503237f, 0xd50323ff, 0xdac143e0, 0xca000000};
    static const u32 branches[][3] = {
        {0x1000007e, 0xd503233f, 0xd65f0bff}, /* adr x30, .+12; paciasp; retaa */
        {0x1000007e, 0xd503237f, 0xd65f0fff}, /* pacibsp; retab */
        {0x10000069, 0xdac123e9, 0xd63f093f}, /* adr x9, .+12; paciza x9; blraaz x9 */
        {0x10000069, 0xdac10449, 0xd73f0d22}, /* pacib x9, x2; blrab x9, x2 */
        {0x1000007e, 0xd503233f, 0xd65f0fff}, /* another key */
        {0x10000069, 0xdac10449, 0xd73f0d23}, /* another modifier */
    };
    unsigned n = 0;
    for (unsigned i = 0; i < 12; i++) {
        u32 r = (u32)(rnd() >> 32), op = ops[r % ARRAY_LEN(ops)];
        if (r >> 28 < 4) {
            memcpy(&w[n], branches[(r >> 8) % ARRAY_LEN(branches)], 12);
            n += 3;
        } else {
            bool hint = op >> 24 == 0xd5, two = (op & 0x3e0) == 0;
            w[n++] = op | (hint ? 0 : r >> 8 & 7) | (!hint && two ? (r >> 12 & 7) << 5 : 0) |
                     (op == 0xca000000 ? (8u + (r >> 16 & 7)) << 16 : 0);
        }
    }
    w[n] = 0x14000000 | ((0u - n) & 0x3ffffff); /* again */
    return n + 1;
}

START_TEST(pointer_codes)
{
    rnd_state = 0xbf58476d1ce4e5b9ull;
    for (unsigned round = 0; round < 250; round++) {
        struct result r[2];
        char what[32];
        u64 start = rnd_state;
        for (unsigned e = 0; e < 2; e++) {
            u32 words[48];
            rnd_state = start;
            begin_cpu(round % 4 == 3 ? "max" : "max,+PACIMP");
            c->code->jit_eager = true;
            write_code(CODE, words, pauth_words(words));
            static const u32 handler[] = {0xd5384030, 0x91001210, 0xd5184030, 0xd69f03e0};
            for (unsigned v = 0; v < 16; v++)
                write_code(VBAR + 0x80 * v, handler, 4);
            u64 bits_tcr = rnd() & (3ull << 37 | 3ull << 51), off = rnd() >> 56 ? 0 : SCTLR_EnIA;
            c->sys[TCR_EL1] |= bits_tcr;
            c->sys[SCTLR_EL1] |= (SCTLR_EnIA | SCTLR_EnIB | SCTLR_EnDA) & ~off;
            for (unsigned k = 0; k < 8; k++)
                c->sys[APIAKeyLo_EL1 + k] = rnd();
            for (unsigned i = 0; i < 31; i++)
                c->x[i] = i >= 8 && i < 16 ? (rnd() >> 62 ? 0 : rnd() >> (rnd() & 63)) : random_pointer();
            c->x[REG_SP] = DATA + 0xc00;
            c->pc = CODE;
            context_flush(c);
            u64 seed = rnd();
            run(engines[e], 150, 60, seed);
            end(&r[e]);
        }
        snprintf(what, sizeof what, "round %u", round);
        compare(&r[0], &r[1], what);
    }
}
END_TEST

/* Runs words from at under both engines for total instructions. */
static void both(u64 at, const u32 *words, unsigned n, unsigned total, unsigned most, const char *what, u64 *x0)
{
    struct result r[2];
    for (unsigned e = 0; e < 2; e++) {
        begin();
        write_code(at, words, n);
        for (unsigned i = 0; i < 31; i++)
            c->x[i] = 0;
        c->x[1] = at;
        c->x[2] = DATA;
        c->pc = at;
        run(engines[e], total, most, 1);
        end(&r[e]);
    }
    compare(&r[0], &r[1], what);
    if (x0)
        *x0 = r[1].x[0];
}

/* What the translator takes an instruction to write is all that it writes: checks of memory accesses hold as long as
 * nothing writes their base. */
START_TEST(written_registers)
{
    begin();
    static const u32 nop = 0xd503201f;
    write_code(CODE, &nop, 1);
    c->pc = CODE;
    run(&engine_jit, 1, 1, 1);
    struct jit *j = c->code->jit;
    rnd_state = 99;
    for (unsigned row = A64_ROW_UNDEFINED + 1; row < a64_row_count; row++) {
        const struct emitter *e = &j->emitters[row];
        if (!e->emit || !(e->flags & EMIT_REGS) || !a64_rows[row].picture || !wanted(row, false))
            continue;
        for (unsigned i = 0; i < 20; i++) {
            u32 word = random_word(row);
            struct op o = decode(c->decoder, word);
            write_code(CODE, &word, 1);
            if (o.row != row)
                continue;
            for (unsigned r = 0; r < 31; r++)
                c->x[r] = r & 1 ? DATA + 0x800 + (rnd() & 0x3ff) * 4 : rnd() >> (rnd() & 63);
            c->x[REG_SP] = DATA + 0xc00;
            u64 before[REG_SP + 1], exceptions = c->exceptions;
            memcpy(before, c->x, sizeof before);
            c->pc = CODE;
            run(&engine_interp, 1, 1, 1);
            u64 written = x_written(e, &o);
            ck_assert_msg(!(written & ~x_registers(e, &o)), "%s: x_registers()", a64_rows[row].name);
            for (unsigned r = 0; r <= REG_SP && c->exceptions == exceptions; r++)
                ck_assert_msg(r == REG_SINK || r == REG_ZERO || c->x[r] == before[r] || written >> r & 1,
                              "%s %08x: writes x%u", a64_rows[row].name, word, r);
            cpu_set_spsr(c, 0x3c5);
        }
    }
    struct result r;
    end(&r);
}
END_TEST

/* add x0, x0, #1 becomes add x0, x0, #2 by a store just in front of it, and the loop goes on. */
/* The flags of a floating-point comparison, looked at twice: by a branch and by what follows it. */
START_TEST(float_flags)
{
    static const u32 words[] = {
        0x1e6e1000, 0x1e601001,                         /* fmov d0, #1.0; fmov d1, #2.0 */
        0x1e612000, 0x54000040, 0x9a825023, 0x8b030000, /* fcmp d0, d1; b.eq .+8; csel x3, x1, x2, pl; add x0, x0, x3 */
        0x1e602020, 0x54000044, 0x9a82a024, 0x8b040000, /* fcmp d1, d0; b.mi .+8; csel x4, x1, x2, ge; add x0, x0, x4 */
        0x1e612000, 0x5400004a, 0x9a824025, 0x8b050000, /* fcmp d0, d1; b.ge .+8; csel x5, x1, x2, mi; add x0, x0, x5 */
        0x17fffff4,
    };
    both(CODE, words, ARRAY_LEN(words), 200, 200, "floating-point flags", NULL);
}
END_TEST

START_TEST(self_modifying)
{
    static const u32 words[] = {
        0x5280d563 + 0, /* mov w3, #... replaced below */
        0x91000400,     /* add x0, x0, #1 */
        0xf1000484,     /* subs x4, x4, #1 */
        0xb9000423,     /* str w3, [x1, #4] */
        0x91000400,     0x17fffffc,
    };
    u32 w[6];
    memcpy(w, words, sizeof w);
    w[0] = 0xb9401823; /* ldr w3, [x1, #24] */
    u32 all[7];
    memcpy(all, w, sizeof w);
    all[6] = 0x91000800; /* add x0, x0, #2: data */
    u64 x0;
    both(CODE, all, 7, 20, 100, "self-modifying", &x0);
    ck_assert_uint_gt(x0, 6);
}
END_TEST

/* A loop whose body crosses a page, and whose slices end anywhere. */
START_TEST(page_crossing)
{
    static const u32 words[] = {0x91000400, 0x91000400, 0x91000400, 0x91000400, 0x91000400, 0x17fffffb};
    for (unsigned most = 1; most < 12; most++) {
        u64 x0;
        both(CODE + 0xff4, words, 6, 600, most, "page crossing", &x0);
        ck_assert_uint_eq(x0, 500);
    }
}
END_TEST

/* Loops from page to page, up and down, which change what they find (jit/pace.c). */
START_TEST(page_steps)
{
    static const u32 words[] = {
        0x91410022, 0x91408044, /* add x2, x1, #0x40000; add x4, x2, #0x20000 */
        0xf9400043, 0x91000463, 0xf9000043,
        0x91400442,             /* 1: ldr x3, [x2]; add x3, x3, #1; str x3, [x2]; add x2, x2, #0x1000 */
        0xeb04005f, 0x54ffff61, /* cmp x2, x4; b.ne 1b */
        0xd1400442, 0xa9411443, 0x8b050063,
        0xa9010843, /* 2: sub x2, x2, #0x1000; ldp x3, x5, [x2, #16]; add x3, x3, x5; stp x3, x2, [x2, #16] */
        0x3797ff82, 0x91000400, 0x17fffff2, /* tbnz x2, #18, 2b; add x0, x0, #1; b */
    };
    for (unsigned most = 1; most < 4000; most = most * 5 + 3) {
        u64 x0;
        both(CODE, words, ARRAY_LEN(words), 40000, most, "page steps", &x0);
        ck_assert_uint_eq(x0, 40000 / (2 + 32 * 6 + 34 * 5 + 2));
    }
}
END_TEST

/* The same page at two addresses: a write through one is seen by code at the other. */
START_TEST(aliases)
{
    struct result r[2];
    for (unsigned e = 0; e < 2; e++) {
        begin();
        u64 alias = RAM + 0x100000;
        put64(TABLES + 0x2000 + (alias - RAM) / 0x1000 * 8, CODE | 1 << 10 | 3 << 8 | 3);
        static const u32 words[] = {0x91000400, 0xb9000023, 0xf1000484, 0x17fffffd}; /* add; str w3, [x1]; subs; b */
        write_code(CODE, words, 4);
        for (unsigned i = 0; i < 31; i++)
            c->x[i] = 0;
        c->x[1] = CODE;
        c->x[3] = 0x91000c00; /* add x0, x0, #3 */
        c->pc = alias;
        run(engines[e], 40, 100, 1);
        ck_assert_uint_eq(c->x[0], 1 + 9 * 3);
        end(&r[e]);
    }
    compare(&r[0], &r[1], "aliases");
}
END_TEST

/* A64 at EL1 drops to A32 at EL0, whose code crosses a page and calls back; the handler reads, changes and writes FPSR
 * and PSTATE as a kernel does, and returns behind the SVC. Slices end anywhere. */
START_TEST(aarch32)
{
    static const u32 start[] = {
        0xd51b442c, /* msr fpsr, x12: 0 */
        0xd5184021, /* msr elr_el1, x1 */
        0xd5184002, /* msr spsr_el1, x2 */
        0xd69f03e0, /* eret */
    };
    static const u32 user[] = {
        0xe2800001, /* add r0, r0, #1 */
        0xeef14a10, /* vmrs r4, fpscr */
        0xe2855201, /* add r5, r5, #0x10000000 */
        0xeee15a10, /* vmsr fpscr, r5: in the next page */
        0xe7876000, /* str r6, [r7, r0] */
        0xef000000, /* svc */
        0xeafffff8, /* b to the first */
    };
    static const u32 handler[] = {
        0xd53b4428, /* mrs x8, fpsr */
        0xca0a0108, /* eor x8, x8, x10 */
        0xd51b4428, /* msr fpsr, x8 */
        0xd53b4429, /* mrs x9, fpsr */
        0xaa09016b, /* orr x11, x11, x9 */
        0xd69f03e0, /* eret */
    };
    for (unsigned most = 1; most < 40; most += most < 12 ? 1 : 9) {
        struct result r[2];
        for (unsigned e = 0; e < 2; e++) {
            begin_cpu("cortex-a57");
            u64 at = RAM + 0x100ff4;
            for (u64 a = RAM + 0x100000; a < RAM + 0x103000; a += 0x1000) /* EL0 may do all: EL1 shall not execute it */
                put64(TABLES + 0x2000 + (a - RAM) / 0x1000 * 8, a | 1ull << 53 | 1 << 10 | 3 << 8 | 1 << 6 | 3);
            write_code(CODE, start, 4);
            write_code(at, user, 7);
            write_code(VBAR + 0x600, handler, 6);
            for (unsigned i = 0; i < 31; i++)
                c->x[i] = 0;
            c->x[0] = ~0ull;
            c->x[1] = at;
            c->x[2] = 0x10; /* User mode, A32 */
            c->x[7] = RAM + 0x102000;
            c->x[10] = 0xf0000000;
            c->pc = CODE;
            run(engines[e], 600, most, 1);
            ck_assert_uint_gt(c->exceptions, 40);
            ck_assert_uint_eq(c->x[11], 0xf0000000);
            end(&r[e]);
        }
        compare(&r[0], &r[1], "AArch32");
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jit");
    TCase *t = tcase_create("jit");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, random_integer);
    tcase_add_test(t, random_all);
    tcase_add_test(t, pointer_codes);
    tcase_add_test(t, dense_flags);
    tcase_add_test(t, device_memory);
    tcase_add_test(t, rows_of_accesses);
    tcase_add_test(t, float_flags);
    tcase_add_test(t, written_registers);
    tcase_add_test(t, self_modifying);
    tcase_add_test(t, page_crossing);
    tcase_add_test(t, page_steps);
    tcase_add_test(t, aliases);
    tcase_add_test(t, aarch32);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    if (!jit_missing())
        srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
