/* Loops that go from page to page, and change a word of each.
 *
 * A step of a multiple of 4 KiB leaves all accesses of such a loop in one set of the host's first-level cache (8 ways,
 * 12 of later hosts). The host executes later rounds' loads long before it commits the stores of earlier ones, which
 * it does in order: with more rounds under way than the set has ways, each store finds its line displaced by those
 * loads, waits for the second level, and displaces what a load just brought. A program of the host's own suffers the
 * same. Three times as fast, however many pages there are (docs/performance.md), are rounds of which few are under way
 * at once. What bounds that is the queue where stores are until they are committed (64, 104 or 112 of them with 12
 * ways): a round gets some more of them, to a line that is always there. Loops with other steps, or which only load or
 * only store, are left alone: they are as fast as they can be. */
#include "jit/internal.h"

enum { PACE = 18 /* stores a round, at least */ };

void t_pace(struct translation *t, const struct op *first)
{
    const struct op *load[REG_SP + 1] = {NULL};
    u64 both = 0; /* bases of a store where a load is */
    bool pages = false;
    unsigned stores = 0;
    if ((s64)first[t->n - 1].imm != -4 * (s64)(t->n - 1))
        return;
    for (unsigned k = 0; k + 1 < t->n; k++) {
        const struct op *o = first + k;
        const struct emitter *e = &t->j->emitters[o->row];
        unsigned access = t->access[k];
        stores += (access & ACCESS_STORE) != 0;
        if (access && !(access & ACCESS_STORE))
            load[o->rn] = o;
        else if (access && load[o->rn] && load[o->rn]->imm == o->imm)
            both |= 1ull << o->rn;
        else if (t_adds_constant(e) && o->rd == o->rn && both >> o->rd & 1 && o->imm && !(o->imm & 0xfff))
            pages = true;
    }
    for (; pages && stores < PACE; stores++) /* nothing looks behind a block's last access */
        x64_rm(&t->as, true, X_STORE, RDX, R_CONST, (s32)offsetof(struct jit_shared, held));
}
