/* Runs on the reference (AArch64 user mode): executes instruction words on given register values.
 *
 * Input: u32 count, then that many struct job; output: one struct result each.  Registers: v0-v3, x0, x1
 * and NZCV are loaded before the word; v0, x0, NZCV and FPSR are stored after it. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "fp_oracle.h"

static void execute(void (*code)(void), const struct job *j, struct result *r)
{
    register uint64_t in asm("x9") = (uint64_t)j;
    register uint64_t out asm("x10") = (uint64_t)r;
    register uint64_t fn asm("x11") = (uint64_t)code;
    asm volatile("ldr q0, [%0, #0]\n ldr q1, [%0, #16]\n ldr q2, [%0, #32]\n ldr q3, [%0, #48]\n"
                 "ldr x12, [%0, #80]\n msr fpcr, x12\n msr fpsr, xzr\n ldr x12, [%0, #88]\n msr nzcv, x12\n"
                 "ldr x0, [%0, #64]\n ldr x1, [%0, #72]\n"
                 "blr %2\n"
                 "str q0, [%1, #0]\n str x0, [%1, #16]\n mrs x12, nzcv\n str x12, [%1, #24]\n"
                 "mrs x12, fpsr\n str x12, [%1, #32]\n msr fpcr, xzr\n"
                 : "+r"(in), "+r"(out), "+r"(fn)
                 :
                 : "x0", "x1", "x12", "x30", "v0", "v1", "v2", "v3", "cc", "memory");
}

int main(void)
{
    uint32_t count;
    struct job j;
    struct result r;
    uint32_t *code = mmap(0, 1 << 20, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t last = 0, *at = code;
    if (code == MAP_FAILED || fread(&count, 4, 1, stdin) != 1)
        return 1;
    while (count--) {
        if (fread(&j, sizeof j, 1, stdin) != 1)
            return 1;
        if (j.word != last) { /* a fresh place for each word: nothing to invalidate but new code */
            at += 4;
            if (at >= code + (1 << 18))
                return 1;
            at[0] = last = j.word;
            at[1] = 0xd65f03c0;
            __builtin___clear_cache((char *)at, (char *)(at + 2));
        }
        memset(&r, 0, sizeof r);
        execute((void (*)(void))at, &j, &r);
        if (fwrite(&r, sizeof r, 1, stdout) != 1)
            return 1;
    }
    return fflush(stdout) != 0;
}
