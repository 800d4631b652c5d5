/* What test_fp_oracle.c and its reference program exchange. */
#pragma once
#include <stdint.h>

struct job {
    uint64_t v[4][2];
    uint64_t x[2];
    uint64_t fpcr, nzcv;
    uint32_t word, row;
};

struct result {
    uint64_t v[2];
    uint64_t x, nzcv, fpsr;
};
