/* The trap log: time, CPU, ELs, class and syndrome in words, ESR, PC and the fault addresses.
 *
 *        time cpu  EL      class and syndrome                ESR         PC                FAR ...
 *     1203400 0    EL1->EL2 SYS64 ...                         0x62...     0x...             ...      */
#include "machine/traplog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "cpu/exception.h"

struct traplog {
    FILE *f;
    bool own;
};

struct traplog *traplog_new(const char *path, struct err *e)
{
    struct traplog *t = calloc(1, sizeof *t);
    CHECK(t);
    t->own = strcmp(path, "-") != 0;
    t->f = t->own ? fopen(path, "w") : stderr;
    if (!t->f) {
        err_set(e, STATUS_USAGE, "cannot write the trap log to %s: %s", path, strerror(errno));
        free(t);
        return NULL;
    }
    if (t->own)
        setvbuf(t->f, NULL, _IOFBF, 1 << 16);
    return t;
}

void traplog_free(struct traplog *t)
{
    if (!t)
        return;
    if (t->own)
        fclose(t->f);
    else
        fflush(t->f);
    free(t);
}

void traplog_exception(struct traplog *t, struct cpu *c, const struct exc_info *x)
{
    static const char *const kinds[] = {"", "IRQ", "FIQ", "SError"};
    unsigned long long now = c->env->clock ? clock_now(c->env->clock) : 0;
    fprintf(t->f, "%12llu cpu%u EL%u->EL%u ", now, c->index, x->from_el, x->to_el);
    if (x->kind == EXC_IRQ || x->kind == EXC_FIQ) {
        fprintf(t->f, "%s%-34s pc=0x%llx\n", x->virt ? "v" : "", kinds[x->kind], (unsigned long long)x->pc);
        return;
    }
    char words[160];
    esr_describe(x->esr, words, sizeof words);
    fprintf(t->f, "%s%s%s esr=0x%llx pc=0x%llx", x->virt ? "v" : "", kinds[x->kind], words, (unsigned long long)x->esr,
            (unsigned long long)x->pc);
    unsigned ec = (unsigned)bits(x->esr, 31, 26);
    if (ec >= EC_IABT_LOW && ec <= EC_DABT_SAME)
        fprintf(t->f, " far=0x%llx", (unsigned long long)x->far);
    if ((ec == EC_IABT_LOW || ec == EC_DABT_LOW) && x->to_el == 2)
        fprintf(t->f, " ipa=0x%llx", (unsigned long long)bits(x->hpfar, 43, 4) << 12 | (x->far & 0xfff));
    if (ec == EC_HVC64 || ec == EC_SMC64 || ec == EC_SVC64)
        fprintf(t->f, " x0=0x%llx", (unsigned long long)c->x[0]);
    fputc('\n', t->f);
}
