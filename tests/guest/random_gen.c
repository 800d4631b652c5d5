/* Makes the blocks of random instructions that tests/guest/random_main.c runs (docs/random-instructions.md).
 *
 *     random_gen OUT CPU BLOCKS ROUNDS SEED LEVEL EXPLAINED ORACLE [ONLY]
 *
 * CPU is a model as the command line takes it ("max,mops=off"): rows whose feature it lacks serve as UNDEFINED words.
 * LEVEL is what the image runs at: 1 (EL1 and EL0), 2 (EL2), v (EL2 and EL0 with HCR_EL2.E2H, TGE). EXPLAINED lists
 * words that the oracle executes otherwise than the architecture says. ONLY: text in the names of the rows to take.
 *
 * LEVEL followed by a number: programs with loops (random_programs.c), with up to that many jumps back in each run.
 *
 * Prints, for each class of rows: rows met, different words, instructions executed. The last is a lower bound: what a
 * branch may jump over is not counted. */
#include "random_gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random_blocks.h"

static const char *const class_name[] = {"integer",
                                         "system",
                                         "loads and stores",
                                         "pointer authentication",
                                         "memory copy and set",
                                         "tags",
                                         "SIMD loads and stores",
                                         "floating point",
                                         "SIMD",
                                         "cryptography",
                                         "branches",
                                         "UNDEFINED"};
/* Per cent of the words; templates add their own. */
static const u8 weight[CLASSES] = {19, 5, 18, 6, 1, 5, 8, 15, 14, 3, 4, 2};

static void account(struct gen *g, u32 w, unsigned rounds)
{
    unsigned row = decode(g->dec, w).row, c = class_of[row];
    g->row_seen[row] = 1;
    if (!g->shadow)
        g->executed[c] += rounds;
    g->shadow = 0;
    if (g->word_count[c] == g->word_max[c]) {
        g->word_max[c] = g->word_max[c] ? 2 * g->word_max[c] : 65536;
        g->words[c] = realloc(g->words[c], g->word_max[c] * sizeof(u32));
        CHECK(g->words[c]);
    }
    g->words[c][g->word_count[c]++] = w;
}

/* ---- blocks ---------------------------------------------------------------------------------------------- */

static void one(struct gen *g)
{
    unsigned roll = below(g, 100), c = 0;
    while (roll >= weight[c])
        roll -= weight[c++];
    if (g->only)
        c = below(g, CLASSES);
    switch (c) {
    case SYS: g->only ? emit(g, word_of_class(g, c)) : system_insn(g); return;
    case BRANCH: branch(g); return;
    case UNDEF:
        if (!g->only && !(g->loops && chance(g, 85)))
            emit(g, undefined_word(g));
        return;
    case MOPS:
        if (g->copies && g->row_count[MOPS])
            copy_or_set(g);
        return;
    case PAUTH:
        if (feat_has(&g->feat, FEAT_PAuth) && !g->only && chance(g, g->loops ? 85 : 40)) {
            chance(g, 30) ? load_authenticated(g) : sign_and_authenticate(g);
            return;
        }
        break;
    case LDST:
        if (!g->only && chance(g, 5)) {
            exclusive(g);
            return;
        }
        break;
    default: break;
    }
    if (!g->only || g->row_count[c])
        emit(g, word_of_class(g, c));
}

static struct rnd_batch batch(struct gen *g)
{
    struct rnd_batch b = {.seed = (u32)rnd(g)};
    g->el = g->level == '2' ? 1 + below(g, 2) : below(g, 3);
    b.el = g->el;
    b.flags = (u32)rnd(g) & (BF_TBI0 | BF_TBI1 | BF_GUARD | BF_SPECIAL);
    b.flags = b.flags & BF_TBI0 ? b.flags | BF_TBI1 : b.flags & ~(u32)BF_TBI1;
    b.flags |= BF_ALIGN * chance(g, g->loops ? 4 : 12) | BF_E0E * chance(g, 20) | BF_NAA * chance(g, 20);
    /* without any key the reference takes XPAC for a NOP */
    b.flags |= (chance(g, 75) ? 15u : ((u32)rnd(g) & 15) | 1u << below(g, 4)) * BF_KEYS;
    b.flags |= (chance(g, 60) ? 0 : below(g, 4)) * BF_TCF;
    if (!feat_has(&g->feat, FEAT_MTE3) && (b.flags / BF_TCF & 3) == 3)
        b.flags &= ~(3u * BF_TCF);
    g->copies = feat_has(&g->feat, FEAT_MOPS) && chance(g, 50);
    if (g->copies)
        b.flags &= ~(u32)(BF_SPECIAL | 3 * BF_TCF);
    g->bti = b.flags & BF_GUARD && feat_has(&g->feat, FEAT_BTI);
    if (!feat_has(&g->feat, FEAT_BTI))
        b.flags &= ~(u32)BF_GUARD;
    if (!feat_has(&g->feat, FEAT_LSE2))
        b.flags &= ~(u32)BF_NAA;
    if (!feat_has(&g->feat, FEAT_MTE2))
        b.flags &= ~(3u * BF_TCF);
    g->asymmetric = (b.flags / BF_TCF & 3) == 3;
    if (feat_has(&g->feat, FEAT_AFP))
        b.fpcr |= chance(g, 50) ? 0 : (u32)rnd(g) & 7; /* FIZ, AH, NEP */
    if (feat_has(&g->feat, FEAT_EBF16))
        b.fpcr |= (u32)chance(g, 30) << 13;
    b.mte = feat_has(&g->feat, FEAT_MTE2);
    return b;
}

static void make_block(struct gen *g, u32 *out, struct rnd_block *b, unsigned rounds)
{
    g->out = out;
    g->n = 0;
    if (g->loops)
        program(g, one, PROGRAM_SPACE - 2);
    while (g->n < BLOCK_INSNS)
        one(g);
    b->count = g->n;
    CHECK(g->n < (g->loops ? PROGRAM_SPACE : BLOCK_SPACE) - 2);
    for (unsigned i = 0; i < g->n; i++) {
        unsigned row = decode(g->dec, out[i]).row;
        account(g, out[i], g->loops ? 0 : rounds); /* of programs nobody knows */
        if (a64_rows[row].flags & A64_BRANCH)      /* the next may be jumped over */
            g->shadow = 1;
    }
    g->shadow = 0;
    out[g->n] = out[g->n + 1] = BLOCK_END;
}

static int by_value(const void *a, const void *b)
{
    u32 x = *(const u32 *)a, y = *(const u32 *)b;
    return (x > y) - (x < y);
}

static void figures(struct gen *g)
{
    u64 total = 0, all_words = 0;
    printf("%-24s %10s %12s %16s\n", "class", "rows", "words", "executed");
    for (unsigned c = 0; c < CLASSES; c++) {
        unsigned rows = 0, of = 0, distinct = 0;
        for (unsigned i = A64_ROW_UNDEFINED; i < a64_row_count; i++) {
            bool there =
                i == A64_ROW_UNDEFINED || a64_rows[i].feat == FEAT_BASE || feat_has(&g->feat, a64_rows[i].feat);
            rows += class_of[i] == c && g->row_seen[i];
            of += class_of[i] == c && there;
        }
        if (g->word_count[c])
            qsort(g->words[c], g->word_count[c], sizeof(u32), by_value);
        for (unsigned i = 0; i < g->word_count[c]; i++)
            distinct += i == 0 || g->words[c][i] != g->words[c][i - 1];
        printf("%-24s %4u of %4u %11u %16llu\n", class_name[c], rows, of, distinct, (unsigned long long)g->executed[c]);
        total += g->executed[c];
        all_words += distinct;
    }
    printf("%-24s %12s %11llu %16llu\n", "all", "", (unsigned long long)all_words, (unsigned long long)total);
    for (unsigned i = A64_ROW_UNDEFINED + 1; i < a64_row_count; i++)
        if (!g->row_seen[i] && feat_has(&g->feat, a64_rows[i].feat))
            printf("not met: %s\n", a64_rows[i].name);
}

/* Lines of: mask value oracle reason. '-' as the oracle: all of them; with a u: words that are UNDEFINED. */
static void load_explained(struct gen *g, const char *path, const char *oracle)
{
    FILE *f = fopen(path, "r");
    char line[400], who[32];
    size_t len = strlen(oracle);
    u32 mask, value;
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%x %x %31s", &mask, &value, who) != 3 || (strncmp(who, oracle, len) != 0 && *who != '-'))
            continue;
        CHECK(g->explained_count < ARRAY_LEN(g->explained));
        g->explained[g->explained_count++] = (struct explained){mask, value, strchr(who, 'u') != NULL};
    }
    if (f)
        fclose(f);
}

static void collect_rows(struct gen *g)
{
    for (unsigned i = A64_ROW_UNDEFINED + 1; i < a64_row_count; i++) {
        unsigned c = class_of[i];
        bool there = a64_rows[i].feat == FEAT_BASE || feat_has(&g->feat, a64_rows[i].feat);
        if (there && (!g->only || strstr(a64_rows[i].name, g->only)))
            g->rows[c][g->row_count[c]++] = (u16)i;
    }
}

int main(int argc, char **argv)
{
    if (argc < 9) {
        fprintf(stderr, "usage: random_gen OUT CPU BLOCKS ROUNDS SEED LEVEL EXPLAINED ORACLE [ONLY]\n");
        return 1;
    }
    struct gen *g = calloc(1, sizeof *g);
    struct cpu_config cfg;
    char err[200];
    struct model_request want = {.el2 = true, .gicv3 = true};
    memset(&cfg, 0, sizeof cfg);
    if (!g || !model_lookup(argv[2], &want, &cfg, err, sizeof err)) {
        fprintf(stderr, "random_gen: %s\n", err);
        return 1;
    }
    unsigned batches = ((unsigned)atoi(argv[3]) + BATCH - 1) / BATCH, rounds = (unsigned)atoi(argv[4]);
    g->feat = cfg.feat;
    g->dec = decoder_new(&cfg.feat);
    g->rng = 0x9e3779b97f4a7c15 * (strtoull(argv[5], NULL, 0) + 1);
    g->level = argv[6][0];
    unsigned fuel = (unsigned)atoi(argv[6] + 1), space = fuel ? PROGRAM_SPACE : BLOCK_SPACE;
    g->loops = fuel != 0;
    g->oracle = atoi(argv[8]);
    g->only = argc > 9 && argv[9][0] ? argv[9] : NULL;
    g->row_seen = calloc(a64_row_count, 1);
    load_explained(g, argv[7], argv[8]);
    collect_rows(g);

    size_t head = sizeof(struct rnd_header) + batches * sizeof(struct rnd_batch);
    size_t code = align_up(head, 4096) + (g->loops ? 2048 : 0);
    size_t size = align_up(code + (size_t)(batches * BATCH + 1) * space * 4, 2 << 20);
    u8 *image = calloc(1, size);
    CHECK(image);
    struct rnd_header *h = (struct rnd_header *)image;
    *h = (struct rnd_header){.batches = batches,
                             .rounds = rounds,
                             .code = (u32)code,
                             .size = (u32)size,
                             .seed = (u32)rnd(g),
                             .space = space,
                             .fuel = fuel};
    struct rnd_batch *b = (struct rnd_batch *)(h + 1);
    for (unsigned i = 0; i < batches; i++) {
        b[i] = batch(g);
        for (unsigned k = 0; k < BATCH; k++)
            make_block(g, (u32 *)(image + code) + (size_t)(i * BATCH + k) * space, &b[i].block[k], rounds);
    }
    FILE *f = fopen(argv[1], "wb");
    bool ok = f && fwrite(image, 1, size, f) == size;
    if (!f || fclose(f) || !ok) {
        perror(argv[1]);
        return 1;
    }
    figures(g);
    free(image);
    for (unsigned c = 0; c < CLASSES; c++)
        free(g->words[c]);
    free(g->row_seen);
    decoder_free(g->dec);
    free(g);
    return 0;
}
