/* Which A32 and T32 words are allocated: random words, and words of every row, against LLVM's disassembler. Skipped
 * where llvm-mc-22 is missing. ELARA_ALLOC_WORDS=n: so many random words of each instruction set (2000). */
#include <stdio.h>
#include <unistd.h>

#include "cpu/aa32.h"
#include "el1.h"

static const char llvm[] =
    "llvm-mc-22 -disassemble -triple=%s -mattr=+crc,+neon,+fp-armv8,+crypto,-fullfp16 < %s 2>&1 >/dev/null";

static u64 seed = 0x9e3779b97f4a7c15ull;
static u32 rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (u32)(seed * 0x2545f4914f6cdd1dull >> 32);
}

/* Differences that are no defects: rows that we have and LLVM not, words that LLVM has and we not. */
static const struct {
    enum aa32_isa isa; /* T32 words have their first half in bits 31:16 */
    const char *name;
} ours_only[] = {
#define OURS(isa, row) {ISA_##isa, #row},
#define LLVM(isa, mask, value)
#include "aa32_explained.def"
#undef OURS
#undef LLVM
};
static const struct {
    enum aa32_isa isa;
    u32 mask, value;
} llvm_only[] = {
#define OURS(isa, row)
#define LLVM(isa, mask, value) {ISA_##isa, mask, value},
#include "aa32_explained.def"
};

static bool is_explained(enum aa32_isa isa, const char *ours, u32 word)
{
    for (unsigned i = 0; ours && i < ARRAY_LEN(ours_only); i++)
        if (ours_only[i].isa == isa && !strcmp(ours, ours_only[i].name))
            return true;
    for (unsigned i = 0; !ours && i < ARRAY_LEN(llvm_only); i++)
        if (llvm_only[i].isa == isa && (word & llvm_only[i].mask) == llvm_only[i].value)
            return true;
    return false;
}

/* MAYBE: CONSTRAINED UNPREDICTABLE */
enum { NO, YES, MAYBE };

/* Does LLVM know the words? */
static void ask(enum aa32_isa isa, const u32 *words, u8 *known, unsigned n)
{
    char in[] = "/tmp/elara-alloc-XXXXXX", cmd[512], line[512];
    FILE *f = fdopen(mkstemp(in), "w");
    ck_assert_ptr_nonnull(f);
    for (unsigned i = 0; i < n; i++) {
        u32 w = isa == ISA_T32 ? words[i] << 16 | words[i] >> 16 : words[i];
        fprintf(f, isa == ISA_T16 ? "[0x%02x 0x%02x]\n" : "[0x%02x 0x%02x 0x%02x 0x%02x]\n", w & 255, w >> 8 & 255,
                w >> 16 & 255, w >> 24);
        known[i] = YES;
    }
    fclose(f);
    snprintf(cmd, sizeof cmd, llvm, isa == ISA_A32 ? "armv8a" : "thumbv8a", in);
    f = popen(cmd, "r");
    while (f && fgets(line, sizeof line, f)) { /* <stdin>:LINE:COLUMN: warning: invalid or potentially undefined ... */
        unsigned k;
        if (sscanf(line, "<stdin>:%u:", &k) == 1)
            known[k - 1] = strstr(line, "invalid") ? NO : MAYBE;
    }
    if (f)
        pclose(f);
    unlink(in);
}

static const char *name_of(enum aa32_isa isa, u32 word)
{
    static struct aa32_insn i;
    u16 half[2] = {(u16)(isa == ISA_T32 ? word >> 16 : word), (u16)(isa == ISA_T32 ? word : word >> 16)};
    memcpy(ram(CODE), half, 4);
    c->pc = CODE;
    c->ps.t = isa != ISA_A32;
    ck_assert(aa32_current(c, &i));
    return aa32_row(&i)->name;
}

/* Flags with which the condition holds. */
static u32 nzcv_for(unsigned cond)
{
    static const u8 flags[] = {4, 0, 2, 0, 8, 0, 1, 0, 2, 0, 0, 8, 0, 8, 0, 0};
    return (u32)flags[cond] << 28;
}

/* Is the word UNDEFINED when executed at EL0? */
static bool refused(enum aa32_isa isa, u32 word)
{
    name_of(isa, word); /* puts it at CODE */
    cpu_set_spsr(c, isa == ISA_A32 ? 0x10 : 0x30);
    c->pc = CODE;
    c->nzcv = isa == ISA_A32 ? nzcv_for(word >> 28) : 0;
    c->fpcr = 0;
    c->sys[ESR_EL1] = ~0ull;
    c->slice = (struct slice){.left = 1};
    engine_interp.run(c);
    bool und = c->sys[ESR_EL1] >> 26 == 0;
    if (!c->ps.nrw)
        cpu_set_spsr(c, 0x10);
    c->run = CPU_RUNNING;
    return und;
}

static unsigned compare(enum aa32_isa isa, const u32 *words, unsigned n)
{
    static const char *const isas[] = {"A32", "T32", "T16"};
    u8 *known = malloc(n);
    unsigned bad = 0;
    ask(isa, words, known, n);
    for (unsigned i = 0; i < n; i++) {
        const char *name = name_of(isa, words[i]);
        bool ours = strcmp(name, "UNDEFINED") != 0 && (known[i] || !refused(isa, words[i]));
        if (known[i] == MAYBE || ours == known[i] || is_explained(isa, ours ? name : NULL, words[i]))
            continue;
        printf("%s %08x: %s\n", isas[isa], words[i], ours ? name : "LLVM only");
        bad++;
    }
    fflush(stdout);
    free(known);
    return bad;
}

/* Words of the instruction set: random ones, then of each row. */
static unsigned make(enum aa32_isa isa, u32 *words, unsigned random, unsigned most)
{
    unsigned n = 0, count;
    while (n < random) {
        u32 w = rnd();
        if (isa == ISA_T32 && w >> 16 < 0xe800)
            w |= (w & 1u << 16 ? 0xe8000000 : 0xf0000000);
        if (isa == ISA_T16 && (w &= 0xffff) >= 0xe800)
            continue;
        words[n++] = w;
    }
    const struct a64_row *rows = aa32_table(isa, &count);
    for (unsigned r = 1; r < count; r++)
        for (unsigned k = 0; k < 8 && n < most; k++) {
            u32 w = 0, bits = rnd();
            for (const char *p = rows[r].picture; *p; p++, bits = bits >> 1 ^ rnd())
                if (*p != ' ')
                    w = w << 1 | (*p == '0' ? 0 : *p == '1' ? 1 : bits & 1);
            if (isa == ISA_A32 && rows[r].picture[0] == 'c' && w >> 28 == 15)
                w -= 1u << 28;
            words[n++] = w;
        }
    return n;
}

START_TEST(allocation)
{
    if (system("llvm-mc-22 --version > /dev/null 2>&1") != 0)
        return;
    const char *more = getenv("ELARA_ALLOC_WORDS");
    unsigned random = more ? (unsigned)atoi(more) : 2000, most = random + 8000, bad = 0;
    u32 *words = malloc(most * sizeof *words);
    setup_cpu("cortex-a57", false, false);
    for (u64 a = RAM; a < RAM + 0x2000; a += 0x1000) /* for EL0 */
        put64(TABLES + 0x2000 + (a - RAM) / 0x1000 * 8, a | 1 << 10 | 3 << 8 | 1 << 6 | 3);
    cpu_set_spsr(c, 0x10);
    for (enum aa32_isa isa = ISA_A32; isa <= ISA_T16; isa++)
        bad += compare(isa, words, make(isa, words, random, most));
    teardown();
    free(words);
    ck_assert_uint_eq(bad, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("aa32_alloc");
    TCase *t = tcase_create("aa32_alloc");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, allocation);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
