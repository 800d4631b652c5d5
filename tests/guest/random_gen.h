/* What the parts of random_gen share: the state of a run, words (random_words.c), sequences of words that belong
 * together (random_templates.c). */
#pragma once
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "cpu/a64.h"
#include "cpu/cpu.h"
#include "cpu/feat.h"
#include "cpu/model.h"

enum class { INT, SYS, LDST, PAUTH, MOPS, MTE, SIMD_LDST, FP, SIMD, CRYPTO, BRANCH, UNDEF, CLASSES };

struct explained {
    u32 mask, value;
    bool undefined; /* only words that are UNDEFINED */
};

struct gen {
    struct decoder *dec;
    struct features feat;
    u64 rng;
    char level;
    const char *only;
    int oracle;
    u16 rows[CLASSES][2048];
    unsigned row_count[CLASSES];
    struct explained explained[256];
    unsigned explained_count;
    /* the batch and block being made */
    unsigned el;
    u32 *out;
    unsigned n;
    bool bti, copies, asymmetric;
    bool loops; /* programs: X28 is what counts their loops down */
    /* figures */
    u8 *row_seen;
    u64 executed[CLASSES];
    u64 shadow; /* of the word to come */
    u32 *words[CLASSES];
    unsigned word_count[CLASSES], word_max[CLASSES];
};

static inline u64 rnd(struct gen *g)
{
    g->rng ^= g->rng << 13;
    g->rng ^= g->rng >> 7;
    g->rng ^= g->rng << 17;
    return (g->rng * 0x2545f4914f6cdd1d) >> 8;
}
static inline unsigned below(struct gen *g, unsigned n) { return (unsigned)(rnd(g) % n); }
static inline bool chance(struct gen *g, unsigned percent) { return below(g, 100) < percent; }
static inline void emit(struct gen *g, u32 w) { g->out[g->n++] = w; }

/* The class of each row of a64_rows. */
extern const u8 class_of[];
const struct a64_row *row_of(const struct gen *g, u32 w);
/* A word of the row: its picture with random fields. */
u32 fill(struct gen *g, const struct a64_row *r);
/* A word fit to stand anywhere; a NOP when the class has none. */
u32 word_of_class(struct gen *g, unsigned c);
u32 undefined_word(struct gen *g);
u32 data_word(struct gen *g);
/* Does the reference execute it otherwise than the architecture says? */
bool is_explained(const struct gen *g, u32 w, bool undefined);

/* Each emits one sequence. */
void branch(struct gen *g);
void exclusive(struct gen *g);
void sign_and_authenticate(struct gen *g);
void load_authenticated(struct gen *g);
void copy_or_set(struct gen *g);
void system_insn(struct gen *g);
/* Makes xn an address in a page that all may read and write. */
void good_page(struct gen *g, u32 n);
/* A program of at most so many words; one emits a random instruction. */
void program(struct gen *g, void (*one)(struct gen *g), unsigned words);
