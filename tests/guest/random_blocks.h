/* The file between random_gen (host) and random_main.c (guest): header, batches, then as many words a block as the
 * header says. All numbers are little-endian words. */
#pragma once

enum {
    BATCH = 32,           /* blocks that share controls */
    BLOCK_INSNS = 64,     /* random instructions of a block, at least */
    BLOCK_SPACE = 96,     /* words from one block to the next */
    PROGRAM_SPACE = 1024, /* of programs, which begin in the middle of a page */
    BLOCK_END = 0xe0d     /* udf #0xe0d */
};

/* Controls of a batch. */
enum {
    BF_TBI0 = 1 << 0,
    BF_TBI1 = 1 << 1,
    BF_GUARD = 1 << 2,   /* code in guarded pages */
    BF_ALIGN = 1 << 4,   /* SCTLR.A */
    BF_E0E = 1 << 5,     /* EL0's data are big-endian */
    BF_NAA = 1 << 6,     /* SCTLR.nAA */
    BF_SPECIAL = 1 << 7, /* TCMA, DIT and so on */
    BF_KEYS = 1 << 8,    /* 4 bits: EnIA, EnIB, EnDA, EnDB */
    BF_TCF = 1 << 12,    /* 2 bits: tag check faults */
};

struct rnd_block {
    unsigned int count;
};
struct rnd_batch {
    unsigned int el; /* 0: EL0, 1: the image's level with SP_EL0, 2: with its own stack pointer */
    unsigned int flags, fpcr, seed, mte;
    struct rnd_block block[BATCH];
};
struct rnd_header {
    unsigned int batches, rounds, code, size, seed;
    unsigned int space; /* words from one block to the next */
    unsigned int fuel;  /* programs with loops: at most so many jumps back, 0: straight blocks */
};
