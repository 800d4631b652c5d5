/* Which words of the SIMD, FP and crypto spaces are instructions, and which ones: random words against
 * LLVM's disassembler. Skipped where llvm-mc is missing or does not know the extensions. */
#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bits.h"
#include "cpu/a64.h"
#include "cpu/feat.h"
#include "explained.h"

/* All extensions up to Armv8.7 that live in these spaces; nothing later. */
#define LLVM_FEATURES                                                                                                  \
    "+neon,+fp-armv8,+fullfp16,+fp16fml,+aes,+sha2,+sha3,+sm4,+rdm,+dotprod,+i8mm,+bf16,+complxnum,+jsconv,+fptoint"

enum { WORDS = 100000 };

static u32 words[WORDS];
static char text[WORDS][16]; /* LLVM's mnemonic, "" when invalid */

static const char *find_llvm(void)
{
    static const char *const names[] = {"llvm-mc-22", "llvm-mc-21", "llvm-mc-20", "llvm-mc-19", "llvm-mc"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        char cmd[400];
        snprintf(cmd, sizeof cmd,
                 "echo 0x00 0x00 0x20 0xce | %s -disassemble -triple=aarch64 -mattr=" LLVM_FEATURES
                 " 2>/dev/null | grep -q bcax",
                 names[i]);
        if (system(cmd) == 0)
            return names[i];
    }
    return NULL;
}

static void disassemble(const char *llvm)
{
    char dir[] = "/tmp/alloc.XXXXXX", cmd[600], path[64], line[256];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/in", dir);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    for (unsigned i = 0; i < WORDS; i++)
        fprintf(f, "0x%02x 0x%02x 0x%02x 0x%02x\n", words[i] & 255, words[i] >> 8 & 255, words[i] >> 16 & 255,
                words[i] >> 24);
    fclose(f);
    snprintf(cmd, sizeof cmd,
             "cd %s && %s -disassemble -triple=aarch64 -M no-aliases -mattr=" LLVM_FEATURES " in >out 2>err", dir,
             llvm);
    ck_assert_int_ne(system(cmd), -1);
    memset(text, 1, sizeof text);
    snprintf(path, sizeof path, "%s/err", dir); /* in:LINE:COLUMN: warning: invalid instruction encoding */
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        unsigned n;
        if (sscanf(line, "in:%u:", &n) == 1 && strstr(line, "invalid instruction"))
            text[n - 1][0] = 0;
    }
    fclose(f);
    snprintf(path, sizeof path, "%s/out", dir);
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    unsigned at = 0;
    while (fgets(line, sizeof line, f)) {
        if (line[0] != '\t' || line[1] == '.')
            continue;
        while (at < WORDS && !text[at][0])
            at++;
        ck_assert_uint_lt(at, WORDS);
        snprintf(text[at++], sizeof text[0], "%.*s", (int)strcspn(line + 1, "\t\n"), line + 1);
    }
    fclose(f);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    ck_assert_int_eq(system(cmd), 0);
}

/* Rows that stand for several instructions, or that LLVM knows by an alias only. */
static bool same_name(const char *row, const char *llvm)
{
    if (strncmp(row, "LDnR", 4) == 0 || strncmp(row, "LDn_", 4) == 0 || strncmp(row, "STn_", 4) == 0)
        return llvm[0] == tolower((unsigned char)row[0]) && isdigit((unsigned char)llvm[2]);
    if (strncmp(row, "DUP_s", 5) == 0)
        return strcmp(llvm, "mov") == 0;
    for (unsigned i = 0; i < 3 && isalnum((unsigned char)row[i]); i++)
        if (tolower((unsigned char)row[i]) != llvm[i])
            return false;
    return true;
}

START_TEST(test_allocation)
{
    const char *llvm = find_llvm();
    if (!llvm) {
        fprintf(stderr, "skipped: no llvm-mc\n");
        return;
    }
    u64 s = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : 1;
    for (unsigned i = 0; i < WORDS;) {
        s = s * 6364136223846793005ull + 1442695040888963407ull;
        /* bits 28:25: data processing x111, loads and stores x110 */
        u32 w = ((u32)(s >> 32) & ~(7u << 25)) | (i & 1 ? 7u : 6u) << 25;
        if (!explained(w, 'a'))
            words[i++] = w;
    }
    disassemble(llvm);
    struct features f;
    memset(&f, 0xff, sizeof f);
    struct decoder *d = decoder_new(&f);
    unsigned bad = 0, valid = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        struct op o = decode(d, words[i]);
        bool ours = o.row != A64_ROW_UNDEFINED, theirs = text[i][0] != 0;
        valid += theirs;
        if ((ours != theirs || (ours && !same_name(a64_rows[o.row].name, text[i]))) && bad++ < 20)
            fprintf(stderr, "%08x: %s, LLVM: %s\n", words[i], a64_rows[o.row].name, theirs ? text[i] : "invalid");
    }
    fprintf(stderr, "%u words, %u of them instructions\n", WORDS, valid);
    decoder_free(d);
    ck_assert_uint_eq(bad, 0);
    ck_assert_uint_gt(valid, WORDS / 10);
}
END_TEST

int main(void)
{
    explained_load();
    Suite *s = suite_create("simd_alloc");
    TCase *t = tcase_create("simd_alloc");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_allocation);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
