/* AArch64 Linux program: reads struct oracle_state records, executes the word of each with that state and
 * writes the resulting state. See oracle.h. */
#define _GNU_SOURCE
#define ORACLE_GUEST
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "oracle.h"

_Static_assert(offsetof(struct oracle_state, x) == 16 && offsetof(struct oracle_state, v) == 144, "layout");

static volatile uint32_t result;
static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)info;
    result = sig == SIGILL ? ORACLE_SIGILL : ORACLE_SEGV;
    ((ucontext_t *)context)->uc_mcontext.pc += 4;
}

void run(struct oracle_state *s, void *code);
#define EACH_PAIR(insn)                                                                                                \
    insn " q0, q1, [x17], #32\n" insn " q2, q3, [x17], #32\n" insn " q4, q5, [x17], #32\n" insn                        \
         " q6, q7, [x17], #32\n" insn " q8, q9, [x17], #32\n" insn " q10, q11, [x17], #32\n" insn                      \
         " q12, q13, [x17], #32\n" insn " q14, q15, [x17], #32\n" insn " q16, q17, [x17], #32\n" insn                  \
         " q18, q19, [x17], #32\n" insn " q20, q21, [x17], #32\n" insn " q22, q23, [x17], #32\n" insn                  \
         " q24, q25, [x17], #32\n" insn " q26, q27, [x17], #32\n" insn " q28, q29, [x17], #32\n" insn                  \
         " q30, q31, [x17], #32\n"
#define EACH_X(insn)                                                                                                   \
    insn " x0, x1, [x19, #16]\n" insn " x2, x3, [x19, #32]\n" insn " x4, x5, [x19, #48]\n" insn                        \
         " x6, x7, [x19, #64]\n" insn " x8, x9, [x19, #80]\n" insn " x10, x11, [x19, #96]\n" insn                      \
         " x12, x13, [x19, #112]\n" insn " x14, x15, [x19, #128]\n"
__asm__(
    ".text\n.global run\nrun:\n"
    "stp x29, x30, [sp, #-96]!\nstp x19, x20, [sp, #16]\n"
    "stp d8, d9, [sp, #32]\nstp d10, d11, [sp, #48]\nstp d12, d13, [sp, #64]\nstp d14, d15, [sp, #80]\n"
    "mov x19, x0\nmov x20, x1\n"
    "ldr w17, [x19, #4]\nmsr fpsr, x17\nldr w17, [x19, #8]\nmsr fpcr, x17\n"
    "add x17, x19, #144\n" EACH_PAIR("ldp") EACH_X("ldp") "blr x20\n" EACH_X("stp") "add x17, x19, #144\n" EACH_PAIR(
        "stp") "mrs x17, fpsr\nstr w17, [x19, #4]\nmsr fpcr, xzr\n"
               "ldp d8, d9, [sp, #32]\nldp d10, d11, [sp, #48]\nldp d12, d13, [sp, #64]\nldp d14, d15, [sp, #80]\n"
               "ldp x19, x20, [sp, #16]\nldp x29, x30, [sp], #96\nret\n");

int main(void)
{
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &sa, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    uint32_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *mem =
        mmap((void *)ORACLE_MEM_BASE, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    struct oracle_state s;

    while (fread(&s, sizeof s, 1, stdin) == 1) {
        memset(mem, 0, 4096);
        memcpy(mem + ORACLE_MEM_OFF, s.mem, sizeof s.mem);
        code[0] = s.word;
        code[1] = 0xd65f03c0; /* RET */
        __builtin___clear_cache((char *)&code[0], (char *)&code[2]);
        result = ORACLE_OK;
        run(&s, &code[0]);
        s.result = result;
        memcpy(s.mem, mem + ORACLE_MEM_OFF, sizeof s.mem);
        if (fwrite(&s, sizeof s, 1, stdout) != 1)
            return 1;
    }
    return 0;
}
