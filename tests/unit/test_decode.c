/* The decoder: the table is sound (no crossing rows), fields and immediates come out right, and, where
 * the architecture's own encoding list is at hand, the same words are allocated.
 *
 * DECODE_WORDS=1000000 compares a million words with LLVM's disassembler. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/types.h"
#include "cpu/a64.h"
#include "cpu/feat.h"
#include "cpu/sysreg.h"
#include "explained.h"

/* Stands in for sysreg.c: every encoding exists but CRn = 6; the index is the encoding itself. */
unsigned sysreg_find(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2)
{
    return crn == 6 ? SR_NONE : op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2;
}

static struct features all;
static struct decoder *dec;

static void setup(void)
{
    memset(&all, 0xff, sizeof all);
    dec = decoder_new(&all);
}
static void teardown(void) { decoder_free(dec); }

/* ---- the table ------------------------------------------------------------------------------ */

struct shape {
    u32 mask, value, nonzero[3];
};

static struct shape shape_of(const struct a64_row *r)
{
    struct shape s = {0};
    unsigned b = 32;
    for (const char *p = r->picture; *p; p++) {
        if (*p == ' ')
            continue;
        b--;
        if (*p == '0' || *p == '1') {
            s.mask |= 1u << b;
            s.value |= (u32)(*p - '0') << b;
        }
        const char *nz = strchr("XYI", *p);
        if (nz)
            s.nonzero[nz - "XYI"] |= 1u << b;
    }
    ck_assert_uint_eq(b, 0);
    return s;
}

/* Do the fixed bits of t force a field of s to zero that must not be? */
static bool excluded(const struct shape *s, const struct shape *t)
{
    for (unsigned k = 0; k < 3; k++)
        if (s->nonzero[k] && (s->nonzero[k] & ~t->mask) == 0 && (t->value & s->nonzero[k]) == 0)
            return true;
    return false;
}

START_TEST(test_no_crossings)
{
    unsigned bad = 0;
    for (unsigned i = A64_ROW_UNDEFINED + 1; i < a64_row_count; i++) {
        struct shape s = shape_of(&a64_rows[i]);
        for (unsigned j = i + 1; j < a64_row_count; j++) {
            struct shape t = shape_of(&a64_rows[j]);
            u32 both = s.mask & t.mask;
            if (((s.value ^ t.value) & both) || excluded(&s, &t) || excluded(&t, &s))
                continue;
            if (s.mask != t.mask && (both == s.mask || both == t.mask))
                continue; /* one contains the other */
            printf("rows %s and %s cross\n", a64_rows[i].name, a64_rows[j].name);
            bad++;
        }
    }
    ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(test_names_unique)
{
    for (unsigned i = A64_ROW_UNDEFINED + 1; i < a64_row_count; i++)
        for (unsigned j = i + 1; j < a64_row_count; j++)
            ck_assert_msg(strcmp(a64_rows[i].name, a64_rows[j].name), "%s twice", a64_rows[i].name);
}
END_TEST

/* ---- golden words --------------------------------------------------------------------------- */

struct golden {
    u32 word;
    const char *name;
    u8 rd, rn, rm, ra, x, y;
    u64 imm;
};

static const struct golden golden[] = {
    {0x91000421, "ADD_64_imm", 1, 1, 0, 0, 0, 0, 1},                   /* add x1, x1, #1 */
    {0x914007ff, "ADD_64_imm", 33, 33, 0, 0, 1, 0, 0x1000},            /* add sp, sp, #1, lsl 12 */
    {0xf100043f, "SUBS_64_imm", 32, 1, 0, 0, 0, 0, 1},                 /* cmp x1, #1 */
    {0x8b020020, "ADD_64_reg", 0, 1, 2, 0, 0, 0, 0},                   /* add x0, x1, x2 */
    {0x8b020c20, "ADD_64_lsl", 0, 1, 2, 0, 0, 0, 3},                   /* add x0, x1, x2, lsl 3 */
    {0x8b22c3ff, "ADD_64_ext", 33, 33, 2, 0, 6, 0, 0},                 /* add sp, sp, w2, sxtw */
    {0x8b22d7ff, "UNDEFINED", 0, 0, 0, 0, 0, 0, 0x8b22d7ff},           /* shift 5 */
    {0xaa0103e0, "MOV_64_reg", 0, 0, 1, 0, 0, 0, 0},                   /* mov x0, x1 */
    {0xd2a24680, "MOVZ_64", 0, 0, 0, 0, 1, 0, 0x12340000},             /* movz x0, #0x1234, lsl 16 */
    {0x92401c20, "AND_64_imm", 0, 1, 0, 0, 0, 0, 0xff},                /* and x0, x1, #0xff */
    {0x9200f020, "AND_64_imm", 0, 1, 0, 0, 0, 0, 0x5555555555555555},  /* and x0, x1, #0x5555... */
    {0x1200f020, "AND_32_imm", 0, 1, 0, 0, 0, 0, 0x55555555},          /* and w0, w1, #0x55555555 */
    {0xb27f0be0, "ORR_64_imm", 0, 31, 0, 0, 0, 0, 0xe},                /* mov x0, #14 */
    {0x9240fc20, "UNDEFINED", 0, 0, 0, 0, 0, 0, 0x9240fc20},           /* all ones */
    {0xd3441c20, "UBFM_64", 0, 1, 0, 0, 56, 60, 0xf},                  /* ubfx x0, x1, #4, #4 */
    {0xd37cec20, "UBFM_64", 0, 1, 0, 0, 4, 0, ~0xfull},                /* lsl x0, x1, #4 */
    {0x53087c20, "UBFM_32", 0, 1, 0, 0, 32, 40, 0xffffff},             /* lsr w0, w1, #8 */
    {0x53088020, "UNDEFINED", 0, 0, 0, 0, 0, 0, 0x53088020},           /* imms 32 in a 32-bit UBFM */
    {0xb0000001, "ADRP", 1, 0, 0, 0, 0, 0, 0x1000},                    /* adrp x1, +0x1000 */
    {0x70ffffe0, "ADR", 0, 0, 0, 0, 0, 0, ~0ull},                      /* adr x0, . - 1 */
    {0x17ffffff, "B", 0, 0, 0, 0, 0, 0, (u64)-4},                      /* b . - 4 */
    {0x54000041, "B_ne", 0, 0, 0, 0, 0, 0, 8},                         /* b.ne . + 8 */
    {0x5400004c, "B_cond", 0, 0, 0, 0, 12, 0, 8},                      /* b.gt . + 8 */
    {0xb7f80041, "TBNZ", 1, 0, 0, 0, 63, 0, 8},                        /* tbnz x1, #63, . + 8 */
    {0xf94007e0, "LDR_64", 0, 33, 0, 0, 0, 0, 8},                      /* ldr x0, [sp, #8] */
    {0xf900003f, "STR_64", 31, 1, 0, 0, 0, 0, 0},                      /* str xzr, [x1] */
    {0xf85f8c20, "LDR_64_pre", 0, 1, 0, 0, 0, 0, (u64)-8},             /* ldr x0, [x1, #-8]! */
    {0xf8627820, "LDR_64_reg", 0, 1, 2, 0, 0, 1, 0},                   /* ldr x0, [x1, x2, lsl 3] */
    {0xb862d820, "LDR_32_ext", 0, 1, 2, 0, 1, 1, 0},                   /* ldr w0, [x1, w2, sxtw 2] */
    {0xa9bf7bfd, "STP_64_pre", 29, 33, 0, 30, 0, 0, (u64)-16},         /* stp x29, x30, [sp, #-16]! */
    {0xa8c17bfd, "LDP_64_post", 29, 33, 0, 30, 0, 0, 16},              /* ldp x29, x30, [sp], #16 */
    {0xc85ffc20, "LDAXR_64", 0, 1, 0, 0, 0, 0, 0},                     /* ldaxr x0, [x1] */
    {0xc8027c20, "STXR_64", 0, 1, 0, 2, 0, 0, 0},                      /* stxr w2, x0, [x1] */
    {0xf8e20020, "LDADD_64", 0, 1, 2, 0, 0, 0, 0},                     /* ldaddal x2, x0, [x1] */
    {0x48207c82, "CASP_64", 1, 4, 0, 0, 0, 0, 0},                      /* casp x0, x1, x2, x3, [x4] */
    {0xd5381000, "MRS", 0, 0, 0, 0, 0, 0, 3 << 14 | 1 << 7},           /* mrs x0, sctlr_el1 */
    {0xd518101f, "MSR", 31, 0, 0, 0, 0, 0, 3 << 14 | 1 << 7},          /* msr sctlr_el1, xzr */
    {0xd5386000, "UNDEFINED", 0, 0, 0, 0, 0, 0, 0xd5386000},           /* mrs far_el1: not in this stub */
    {0xd508831f, "SYS", 31, 0, 0, 0, 0, 0, 1 << 14 | 8 << 7 | 3 << 3}, /* tlbi vmalle1is */
    {0xd503201f, "HINT", 0, 0, 0, 0, 0, 0, 0},                         /* nop */
    {0xd503207f, "WFI", 0, 0, 0, 0, 0, 0, 0},
    {0xd50342df, "MSR_imm", 0, 0, 0, 0, 3, 6, 2}, /* msr daifset, #2 */
    {0xd4000001, "SVC", 0, 0, 0, 0, 0, 0, 0},
    {0x00000000, "UNDEFINED", 0, 0, 0, 0, 0, 0, 0}, /* udf #0 */
};

START_TEST(test_golden)
{
    for (unsigned k = 0; k < ARRAY_LEN(golden); k++) {
        const struct golden *g = &golden[k];
        struct op o = decode(dec, g->word);
        ck_assert_msg(!strcmp(a64_rows[o.row].name, g->name), "%08x is %s, not %s", g->word, a64_rows[o.row].name,
                      g->name);
        ck_assert_msg(o.rd == g->rd && o.rn == g->rn && o.rm == g->rm && o.ra == g->ra,
                      "%08x %s: registers %u %u %u %u", g->word, g->name, o.rd, o.rn, o.rm, o.ra);
        ck_assert_msg(o.x == g->x && o.y == g->y, "%08x %s: x %u y %u", g->word, g->name, o.x, o.y);
        ck_assert_msg(o.imm == g->imm, "%08x %s: imm %llx", g->word, g->name, (unsigned long long)o.imm);
    }
}
END_TEST

/* Without a feature its words are UNDEFINED, or the hint they fall back to. */
START_TEST(test_gating)
{
    struct features none = {0};
    struct decoder *d = decoder_new(&none);
    ck_assert_uint_eq(decode(d, 0xf8e20020).row, A64_ROW_UNDEFINED);    /* ldaddal */
    ck_assert_uint_eq(decode(d, 0x9ac24c20).row, A64_ROW_UNDEFINED);    /* crc32x */
    ck_assert_str_eq(a64_rows[decode(d, 0xd503245f).row].name, "HINT"); /* bti c */
    ck_assert_int_gt(decode_row(d, 0xf8e20020), 0);
    decoder_free(d);
}
END_TEST

/* ---- the architecture's list ---------------------------------------------------------------- */

struct enc {
    u32 sample;
    char name[48];
    bool ours;
};

/* Encodings after v8.7, or of extensions that the table does not have. */
static bool in_scope(const char *name, const char *class, const char *feat)
{
    static const char *const classes[] = {"control/", "dpimm/", "dpreg/", "ldst/"};
    static const char *const later[] = {"pauth-lr", "cmpbr", "cpa",    "d128",         "the",     "gcs",
                                        "lsui",     "rcpc3", "lscp",   "lsfe",         "tev",     "poe2",
                                        "occmo",    "pops",  "lse128", "mops,mops-go", "mops-go", "memop-go"};
    static const char *const names[] = {"DRPS", "TEXIT", "TENTER", "TSTART", "TTEST", "TCHANGE",
                                        "MSRR", "MRRS",  "SYSP",   "GCS",    "LDTNP", "STTNP",
                                        "LDTP", "STTP",  "LD64B",  "ST64B",  "RCW"};
    bool ok = false;
    for (unsigned k = 0; k < ARRAY_LEN(classes); k++)
        ok |= !strncmp(class, classes[k], strlen(classes[k]));
    if (strstr(class, "asisd") || strstr(class, "_simd") || strstr(class, "_unpriv") || strstr(class, "128"))
        ok &= !strcmp(class, "ldst/ldst_unpriv");
    for (unsigned k = 0; k < ARRAY_LEN(names); k++)
        ok &= strncmp(name, names[k], strlen(names[k])) != 0;
    for (unsigned k = 0; k < ARRAY_LEN(later); k++)
        ok &= strcmp(feat, later[k]) != 0;
    return ok;
}

static unsigned load_list(struct enc *e, unsigned max)
{
    const char *dir = getenv("ELARA_SPEC");
    char path[256], line[2048];
    snprintf(path, sizeof path, "%s/a64-encodings.tsv", dir ? dir : "/work/shared/spec");
    FILE *f = fopen(path, "r");
    unsigned n = 0;
    while (f && n < max && fgets(line, sizeof line, f)) {
        char *col[11] = {0}, *p = line;
        for (unsigned k = 0; k < 11 && p; k++)
            col[k] = strsep(&p, "\t\n");
        if (!col[9] || strspn(col[2], "0123456789abcdef") != 8)
            continue;
        e[n].sample = (u32)strtoul(col[9], NULL, 16);
        e[n].ours = in_scope(col[0], col[1], col[8]);
        snprintf(e[n].name, sizeof e[n].name, "%s", col[0]);
        n++;
    }
    if (f)
        fclose(f);
    return n;
}

/* The sample word of every listed encoding has a row. */
START_TEST(test_list)
{
    static struct enc e[6000];
    unsigned n = load_list(e, ARRAY_LEN(e)), missing = 0;
    for (unsigned k = 0; k < n; k++) {
        if (!e[k].ours)
            continue;
        if (decode_row(dec, e[k].sample) < 0) {
            printf("%s %08x has no row\n", e[k].name, e[k].sample);
            missing++;
        }
    }
    ck_assert_uint_eq(missing, 0);
}
END_TEST

/* ---- an independent disassembler ------------------------------------------------------------ */

static const char llvm[] = "llvm-mc-22 -disassemble -triple=aarch64 -M no-aliases "
                           "-mattr=+v8.7a,+crc,+aes,+sha2,+sha3,+sm4,+fullfp16,+fp16fml,+bf16,+i8mm,+rand,+mte,+mops,"
                           "+cssc,+hbc,+clrbhb,+el3";

static u64 random64(u64 *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s * 0x2545f4914f6cdd1d;
}

/* llvm-mc prints a line of assembly for a word it knows and nothing for one it does not; the marker
 * after each word keeps the two in step. */
static unsigned compare(const u32 *words, unsigned n)
{
    char in[] = "/tmp/elara-decode-XXXXXX", cmd[512], line[512];
    int fd = mkstemp(in);
    ck_assert_int_ge(fd, 0);
    FILE *f = fdopen(fd, "w");
    for (unsigned k = 0; k < n; k++) /* each word is followed by the marker, udf #0x5555 */
        fprintf(f, "0x%02x 0x%02x 0x%02x 0x%02x\n0x55 0x55 0x00 0x00\n", words[k] & 255, words[k] >> 8 & 255,
                words[k] >> 16 & 255, words[k] >> 24);
    fclose(f);
    snprintf(cmd, sizeof cmd, "%s < %s 2> /dev/null", llvm, in);
    f = popen(cmd, "r");
    unsigned k = 0, bad = 0;
    char theirs[64] = "";
    while (f && k < n && fgets(line, sizeof line, f)) {
        char word[64] = "";
        if (sscanf(line, " %63s", word) != 1 || word[0] == '.')
            continue;
        if (strcmp(word, "udf")) {
            strcpy(theirs, word);
            continue;
        }
        const char *ours = a64_rows[decode(dec, words[k]).row].name;
        if (!strcmp(ours, "UNDEFINED") != !theirs[0] && !explained(words[k], 'a')) {
            printf("%08x: %s, llvm-mc says %s\n", words[k], ours, theirs[0] ? theirs : "nothing");
            bad++;
        }
        theirs[0] = 0;
        k++;
    }
    if (f)
        pclose(f);
    unlink(in);
    ck_assert_uint_eq(k, n);
    return bad;
}

static u32 from_picture(const char *p, u64 *seed)
{
    u32 w = 0;
    u64 r = random64(seed);
    for (; *p; p++)
        if (*p != ' ') {
            w = w << 1 | (*p == '0' ? 0 : *p == '1' ? 1 : (u32)(r & 1));
            r >>= 1;
        }
    return w;
}

START_TEST(test_llvm)
{
    if (system("llvm-mc-22 --version > /dev/null 2>&1") != 0)
        return;
    const char *more = getenv("DECODE_WORDS");
    unsigned n = 0, count = more ? (unsigned)atoi(more) : 60000;
    u32 *words = malloc(count * sizeof *words);
    u64 seed = 0x9e3779b97f4a7c15;
    ck_assert_ptr_nonnull(words);
    for (unsigned row = A64_ROW_UNDEFINED + 1; row < a64_row_count; row++)
        for (unsigned t = 0; t < 16 && n < count; t++)
            words[n++] = from_picture(a64_rows[row].picture, &seed);
    while (n < count) {
        u32 w = (u32)random64(&seed);
        if ((w & 0x1e000000) && (w & 0x9e000000) != 0x04000000 && w >> 16) /* neither SME nor SVE nor UDF */
            words[n++] = w;
    }
    ck_assert_uint_eq(compare(words, n), 0);
    free(words);
}
END_TEST

int main(void)
{
    explained_load();
    Suite *s = suite_create("decode");
    TCase *t = tcase_create("decode");
    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_set_timeout(t, getenv("DECODE_WORDS") ? 1200 : 60);
    tcase_add_test(t, test_no_crossings);
    tcase_add_test(t, test_names_unique);
    tcase_add_test(t, test_golden);
    tcase_add_test(t, test_gating);
    tcase_add_test(t, test_list);
    tcase_add_test(t, test_llvm);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
