/* Runs A64 instruction words on another implementation (user-mode QEMU) for comparison: words and register
 * states go through files to oracle_guest.c, compiled on the spot.  Where the cross compiler or the
 * emulator is missing oracle_run() says so and the test is skipped. */
#pragma once
#include <stdint.h>

#define ORACLE_MEM_BASE 0x10000000ull /* a mapped page */
enum { ORACLE_OK, ORACLE_SIGILL, ORACLE_SEGV };
enum { ORACLE_MEM = 256, ORACLE_MEM_OFF = 0x800 };

struct oracle_state {
    uint32_t word, fpsr, fpcr, result;
    uint64_t x[16]; /* X0-X15 */
    uint64_t v[32][2];
    uint8_t mem[ORACLE_MEM]; /* guest memory at ORACLE_MEM_BASE + ORACLE_MEM_OFF */
    uint64_t tag;            /* the caller's */
};

#ifndef ORACLE_GUEST
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum oracle_outcome { ORACLE_RAN, ORACLE_NO_TOOLS, ORACLE_FAILED };

/* Executes each state's word and replaces the state by the outcome. */
static inline enum oracle_outcome oracle_run(struct oracle_state *s, size_t n)
{
    if (system("command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null"))
        return ORACLE_NO_TOOLS;
    char dir[] = "/tmp/oracle.XXXXXX", cmd[1024], path[64];
    if (!mkdtemp(dir))
        return ORACLE_FAILED;
    snprintf(path, sizeof path, "%s/in", dir);
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(s, sizeof *s, n, f) == n;
    if (f)
        fclose(f);
    snprintf(cmd, sizeof cmd,
             "cd %s && aarch64-linux-gnu-gcc -static -O1 -o guest " ELARA_TESTS "/unit/oracle_guest.c && "
             "qemu-aarch64 -cpu max ./guest <in >out",
             dir);
    ok = ok && system(cmd) == 0;
    snprintf(path, sizeof path, "%s/out", dir);
    f = ok ? fopen(path, "rb") : NULL;
    ok = f && fread(s, sizeof *s, n, f) == n;
    if (f)
        fclose(f);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd) == 0 && ok ? ORACLE_RAN : ORACLE_FAILED;
}
#endif
