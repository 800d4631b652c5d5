/* Every row of the decoder's tables against an independent disassembler: the mnemonic, the registers, the
 * immediates, lanes, shifts, extensions, conditions and names that llvm-mc prints for a word are those of
 * struct op. Fields take their corner values, the others are random.
 *
 * Both sides are brought to values: zeros are dropped (an offset of 0 may be printed or not), a shifted
 * immediate is its value. What op means is in op_values.h, the differences in golden/decode-explained.txt. */
#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bits.h"
#include "cpu/a64.h"
#include "cpu/feat.h"
#include "cpu/sysreg.h"
#include "explained.h"
#include "op_values.h"

#define LLVM_OPTIONS                                                                                                   \
    " -disassemble -triple=aarch64 -M no-aliases "                                                                     \
    "-mattr=+v8.7a,+crc,+aes,+sha2,+sha3,+sm4,+fullfp16,+fp16fml,+bf16,+i8mm,+rand,+mte,+mops,+cssc,+hbc,+clrbhb,"     \
    "+el3,+jsconv,+complxnum,+dotprod,+rdm,+lor,+pauth"

/* ---- what LLVM prints ----------------------------------------------------------------------- */

static bool parse_reg(struct values *v, const char *w)
{
    static const char *const special[] = {"wzr", "xzr", "wsp", "sp"};
    for (unsigned k = 0; k < 4; k++)
        if (!strcmp(w, special[k])) {
            v->reg[v->regs++] = (struct reg_value){.n = k < 2 ? REG_ZERO : REG_SP, .class = k & 1 ? 'x' : 'w'};
            return true;
        }
    unsigned n, count = 0;
    int end = 0;
    if (!strchr("wxbhsdqv", w[0]) || sscanf(w + 1, "%u%n", &n, &end) != 1 || n > 31)
        return false;
    struct reg_value r = {.n = (u8)n, .class = w[0]};
    w += 1 + end;
    if (*w == '.') {
        end = 0;
        sscanf(w + 1, "%u%n", &count, &end);
        r.count = (u8)count;
        r.elem = w[1 + end];
    } else if (*w) {
        return false;
    }
    v->reg[v->regs++] = r;
    return true;
}

static int find(const char *w, const char *const *list, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        if (!strcmp(w, list[k]))
            return (int)k;
    return -1;
}

static void parse_word(struct values *v, const char *w)
{
    static const char *const shifts[] = {"lsl", "lsr", "asr", "ror", "msl"};
    static const char *const exts[] = {"uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx"};
    static const char *const conds[] = {"eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc",
                                        "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"};
    int k;
    if (parse_reg(v, w))
        return;
    if ((k = find(w, shifts, 5)) >= 0)
        v->shift = k;
    else if ((k = find(w, exts, 8)) >= 0)
        v->ext = k;
    else if ((k = find(w, conds, 16)) >= 0)
        v->cond = k;
    else
        snprintf(v->word, sizeof v->word, "%s", w);
}

/* "#12", "#-0x10", "#1.5" (as the bits of a double), "[3]" */
static const char *parse_number(struct values *v, const char *s, bool *follows)
{
    char *end;
    u64 x = *s == '-' ? (u64)strtoll(s, &end, 0) : strtoull(s, &end, 0);
    if (*end == '.' || *end == 'e') {
        double d = strtod(s, &end);
        memcpy(&x, &d, 8);
    }
    if (*follows && v->shift == 0 && v->imms) /* #1, lsl #16 */
        v->imm[v->imms - 1] <<= x;
    else
        v->imm[v->imms++] = x;
    *follows = true;
    return end;
}

static struct values parse(const char *line)
{
    struct values v = {.shift = -1, .ext = -1, .cond = -1};
    char word[40];
    bool follows = false; /* the last operand was an immediate */
    const char *s = line + strspn(line, " \t");
    size_t n = strcspn(s, " \t\n");
    snprintf(v.name, sizeof v.name, "%.*s", (int)n, s);
    char *dot = strchr(v.name, '.');
    if (dot) { /* b.eq */
        parse_word(&v, dot + 1);
        *dot = 0;
    }
    for (s += n; *s && *s != '\n' && strncmp(s, "//", 2) != 0;) {
        if (*s == '#' || (*s == '[' && isdigit((unsigned char)s[1]))) {
            s = parse_number(&v, s + 1, &follows);
        } else if (isalpha((unsigned char)*s)) {
            n = 0;
            while (isalnum((unsigned char)s[n]) || s[n] == '_' || s[n] == '.')
                n++;
            snprintf(word, sizeof word, "%.*s", (int)n, s);
            unsigned regs = v.regs;
            parse_word(&v, word);
            follows &= regs == v.regs;
            s += n;
        } else {
            s++;
        }
    }
    return v;
}

/* Aliases that LLVM prints in spite of no-aliases, brought back to the instruction. */
static void undo_alias(struct values *v, const struct a64_row *r)
{
    static const char *const narrow[] = {"xtb", "xth", "xtw"};
    bool move = !strcmp(v->name, "mov") && v->imms && !(r->flags & A64_V);
    unsigned w = v->regs && v->reg[0].class == 'w' ? 32 : 64;
    if (move) {
        u64 x = v->imm[0] & ones(w);
        bool inverted = !strncmp(r->name, "MOVN", 4);
        v->imm[0] = inverted ? ~x & ones(w) : x;
        if (!strncmp(r->name, "ORR", 3))
            v->reg[v->regs++] = (struct reg_value){.n = REG_ZERO, .class = v->reg[0].class};
        snprintf(v->name, sizeof v->name, "%s", !strncmp(r->name, "ORR", 3) ? "orr" : inverted ? "movn" : "movz");
    }
    if (ONE_OF(r->name, "LSLV", "LSRV", "ASRV", "RORV"))
        strcat(v->name, "v");
    if (r->imm != IMM_BITFIELD32 && r->imm != IMM_BITFIELD64)
        return;
    u64 a = v->imms ? v->imm[0] : 0, b = v->imms > 1 ? v->imm[1] : 0;
    size_t n = strlen(v->name);
    bool extract = n > 2 && (!strcmp(v->name + n - 2, "fx") || !strcmp(v->name, "bfxil"));
    bool insert = n > 2 && (!strcmp(v->name + n - 3, "fiz") || !strcmp(v->name, "bfi") || !strcmp(v->name, "bfc"));
    if (extract)
        b = a + b - 1;
    else if (insert) {
        a = (w - a) & (w - 1);
        b = b - 1;
    } else if (!strcmp(v->name, "lsl")) {
        b = w - 1 - a;
        a = (w - a) & (w - 1);
    } else if (!strcmp(v->name, "lsr") || !strcmp(v->name, "asr"))
        b = w - 1;
    else
        for (unsigned k = 0; k < 3; k++)
            if (v->ext < 0 && !strcmp(v->name + 1, narrow[k]))
                b = (8u << k) - 1;
    if (!strcmp(v->name, "bfc"))
        v->reg[v->regs++] = (struct reg_value){.n = REG_ZERO, .class = v->reg[0].class};
    if (!strncmp(v->name + 1, "xt", 2))
        v->reg[1].class = v->reg[0].class;
    v->imm[0] = a;
    v->imm[1] = b;
    v->imms = 2;
    snprintf(v->name, sizeof v->name, "%s", r->name[0] == 'B' ? "bfm" : r->name[0] == 'S' ? "sbfm" : "ubfm");
}

/* ---- comparison ----------------------------------------------------------------------------- */

static bool same_imms(const struct values *a, const struct values *b)
{
    unsigned i = 0, j = 0;
    for (;; i++, j++) {
        while (i < a->imms && !a->imm[i])
            i++;
        while (j < b->imms && !b->imm[j])
            j++;
        if (i == a->imms || j == b->imms)
            return i == a->imms && j == b->imms;
        if (a->imm[i] != b->imm[j])
            return false;
    }
}

static bool same_regs(const struct values *a, const struct values *b)
{
    bool same = a->regs == b->regs;
    for (unsigned k = 0; same && k < a->regs; k++) {
        bool general = b->reg[k].class == 'w' || b->reg[k].class == 'x';
        same = a->reg[k].n == b->reg[k].n && general == (a->reg[k].class != 'v');
        if (a->reg[k].class == 'w' || a->reg[k].class == 'x')
            same &= a->reg[k].class == b->reg[k].class;
    }
    return same;
}

/* Some vector register has the element and the width that op says. */
static bool same_arrangement(const struct values *a, const struct values *b)
{
    static const char letters[] = "bhsdq";
    bool found = !a->elem && !a->bits;
    for (unsigned k = 0; k < b->regs; k++) {
        const struct reg_value *r = &b->reg[k];
        char elem = r->class == 'v' ? r->elem : r->class;
        const char *at = elem ? strchr(letters, elem) : NULL;
        unsigned width = at ? (r->class == 'v' ? r->count : 1) * 8u << (at - letters) : 0;
        found |= (!a->elem || a->elem == elem) && (!a->bits || a->bits == width);
    }
    return found;
}

static const char *differs(const struct values *a, const struct values *b)
{
    if (strcmp(a->name, b->name))
        return "mnemonic";
    if (a->shift >= 0 && a->shift != b->shift && b->shift >= 0)
        return "shift";
    if (a->cond != b->cond)
        return "condition";
    if (a->ext >= 0 && a->ext != b->ext && !(b->ext < 0 && (a->ext & 3) >= 2 && a->ext < 4))
        return "extension";
    if (a->word[0] != '*' && strcasecmp(a->word, b->word))
        return "name";
    if (a->word[0] != '*' && !same_regs(a, b))
        return "registers";
    if (!same_imms(a, b))
        return "immediates";
    return same_arrangement(a, b) ? NULL : "arrangement";
}

/* ---- words ---------------------------------------------------------------------------------- */

static u64 random64(u64 *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s * 0x2545f4914f6cdd1d;
}

/* A word of the picture; the letter's field has a corner value: 0 zeros, 1 ones, 2 one, 3 the top bit. */
static u32 word_of(const char *picture, char letter, unsigned corner, u64 *seed)
{
    u32 w = 0;
    u64 r = random64(seed) >> 16;
    bool first = true;
    for (const char *p = picture; *p; p++) {
        if (*p == ' ')
            continue;
        u32 b = *p == '1' || (*p != '0' && (r & 1));
        if (*p == letter)
            b = corner == 1 || (corner == 2 && !strchr(p + 1, letter)) || (corner == 3 && first);
        first &= *p != letter;
        w = w << 1 | b;
        r >>= 1;
    }
    return w;
}

enum { MAX = 200000 };
static u32 words[MAX];

static unsigned make_words(unsigned each)
{
    unsigned n = 0;
    u64 seed = 0x9e3779b97f4a7c15;
    for (unsigned row = A64_ROW_UNDEFINED + 1; row < a64_row_count; row++) {
        const char *p = a64_rows[row].picture, *letters = "dDetnNpmMabBxyXYiI-";
        for (const char *l = letters; *l; l++)
            for (unsigned corner = 0; corner < 4 && strchr(p, *l); corner++)
                if (n < MAX)
                    words[n++] = word_of(p, *l, corner, &seed);
        for (unsigned k = 0; k < each && n < MAX; k++)
            words[n++] = word_of(p, '?', 0, &seed);
    }
    return n;
}

static const char *find_llvm(void)
{
    static const char *const names[] = {"llvm-mc-22", "llvm-mc-21", "llvm-mc-20", "llvm-mc-19"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        char cmd[400];
        snprintf(cmd, sizeof cmd, "echo 0x1f 0x20 0x03 0xd5 | %s %s >/dev/null 2>&1", names[i], LLVM_OPTIONS);
        if (system(cmd) == 0)
            return names[i];
    }
    return NULL;
}

/* llvm-mc prints a line for a word it knows and nothing for another; a marker follows each word. */
static FILE *disassemble(const char *llvm, const u32 *w, unsigned n, char *in)
{
    char cmd[600];
    int fd = mkstemp(in);
    ck_assert_int_ge(fd, 0);
    FILE *f = fdopen(fd, "w");
    for (unsigned k = 0; k < n; k++)
        fprintf(f, "0x%02x 0x%02x 0x%02x 0x%02x\n0x55 0x55 0x00 0x00\n", w[k] & 255, w[k] >> 8 & 255, w[k] >> 16 & 255,
                w[k] >> 24);
    fclose(f);
    snprintf(cmd, sizeof cmd, "%s %s < %s 2> /dev/null", llvm, LLVM_OPTIONS, in);
    return popen(cmd, "r");
}

START_TEST(test_text)
{
    static unsigned compared[4096], shown[4096];
    const char *more = getenv("DECODE_EACH");
    unsigned n = make_words(more ? (unsigned)atoi(more) : 8), bad = 0, total = 0, k = 0;
    struct features all;
    memset(&all, 0xff, sizeof all);
    struct decoder *d = decoder_new(&all);
    char in[] = "/tmp/elara-text-XXXXXX", line[300], theirs[300] = "";
    ck_assert_uint_lt(a64_row_count, ARRAY_LEN(compared));
    FILE *f = disassemble(find_llvm(), words, n, in);
    while (f && k < n && fgets(line, sizeof line, f)) {
        if (strncmp(line, "\tudf\t#21845", 11) != 0) {
            if (line[0] == '\t' && line[1] != '.')
                strcpy(theirs, line);
            continue;
        }
        struct op o = decode(d, words[k]);
        const char *why = NULL;
        if (theirs[0] && o.row != A64_ROW_UNDEFINED) {
            struct values b = parse(theirs);
            undo_alias(&b, &a64_rows[o.row]);
            struct values a = op_values(&o, &b);
            why = explained(words[k], 'o') ? NULL : differs(&a, &b);
            compared[o.row]++;
            total++;
        } else if (!theirs[0] != (o.row == A64_ROW_UNDEFINED) && !explained(words[k], 'a')) {
            why = "allocation";
        }
        if (why && ++bad && shown[o.row]++ < 2)
            printf("%08x %s: %s:%s", words[k], a64_rows[o.row].name, why, theirs[0] ? theirs : " nothing\n");
        theirs[0] = 0;
        k++;
    }
    pclose(f);
    unlink(in);
    decoder_free(d);
    for (unsigned row = A64_ROW_UNDEFINED + 1; row < a64_row_count; row++)
        if (!compared[row] && ++bad)
            printf("%s: no word compared\n", a64_rows[row].name);
    printf("%u words, operands of %u compared in %u rows: %u differ\n", n, total, a64_row_count - 2, bad);
    fflush(stdout);
    ck_assert_uint_eq(k, n);
    ck_assert_uint_eq(bad, 0);
}
END_TEST

int main(void)
{
    if (!find_llvm()) {
        fprintf(stderr, "skipped: no llvm-mc of version 19 or newer\n");
        return 77;
    }
    explained_load();
    Suite *s = suite_create("decode_text");
    TCase *t = tcase_create("decode_text");
    tcase_set_timeout(t, 600);
    tcase_add_test(t, test_text);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
