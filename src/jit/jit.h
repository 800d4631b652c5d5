/* The block JIT: an engine like the interpreter, with the same counts, recognition points and state.
 *
 * Blocks are translated from the decoded pages of cpu/code.h; an instruction without an emitter is a call of its exec
 * function. */
#pragma once
#include "cpu/cpu.h"

extern const struct engine engine_jit;

/* Does the host have what generated code needs (AVX2, BMI1, BMI2, LZCNT, POPCNT)? NULL: yes, else what is missing. */
const char *jit_missing(void);

/* ---- looking at it ---------------------------------------------------------------------------- */

struct decoder;

enum jit_kind {
    JIT_SHARED,  /* what all blocks use; no guest instructions */
    JIT_BLOCK,   /* reached from anywhere */
    JIT_VERSION, /* of a block, which finds vector registers in the host's */
    JIT_FAR,     /* a jump to another page; no guest instructions */
    JIT_INDIRECT, /* one target of an indirect jump; no guest instructions */
    JIT_KINDS
};

/* A piece of generated code, as it is when it has just been made: jumps are patched later. */
struct jit_piece {
    enum jit_kind kind;
    u32 page, offset; /* RAM page number, bytes into it: of the block, or where the jump goes */
    u64 va;           /* of that when it was translated; other addresses may share it */
    const u8 *words;  /* the guest's n instructions */
    u32 n;
    const struct decoder *decoder; /* of the CPU that was about to run it */
    const u8 *code;                /* executable address */
    u32 size, arena;               /* bytes; where in the arena */
    const u8 *cold;                /* the same of its slow paths; NULL: none */
    u32 cold_size, cold_arena;
};

enum { JIT_EXITS = 9 };
extern const char *const jit_exit_names[JIT_EXITS];

/* Set in struct code_cache before the first instruction runs: counts, and is told of new pieces. Nothing is counted
 * in generated code, and generated code is the same with and without it. */
struct jit_watch {
    u64 pieces[JIT_KINDS], bytes; /* made (bytes: without JIT_SHARED and slow paths); eviction forgets none of it */
    u64 cold_bytes;                 /* of slow paths */
    u64 ticks;            /* of jit_translate(), by the host's TSC: a clock takes as long as an instruction's translation */
    u64 instructions;               /* of the guest, translated; those of versions again */
    u64 pages, dropped;   /* that got translations; that lost them, because they were written or evicted */
    u64 links;            /* jumps within a page that were patched to go straight */
    u64 evicted;          /* parts of the arena that were given to new code */
    u64 cold;             /* blocks interpreted because they were not translated yet */
    u64 exits[JIT_EXITS]; /* returns from generated code to the loop */
    void (*made)(struct jit_watch *, const struct jit_piece *); /* may be NULL */
};
