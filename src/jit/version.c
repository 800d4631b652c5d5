/* Versions of a block that find vector registers in host registers.
 *
 * A jump within a page knows what is in the host's registers (struct vstate). When it is linked, the target gets a
 * version that starts from there, if it has vector instructions and not too many versions: so a loop keeps its values
 * in registers over its blocks. The generic translation is what all other ways lead to; it exists as well, because
 * whoever leaves generated code loses the registers. */
#include <stdlib.h>

#include "jit/internal.h"

bool version_wanted(const struct vstate *vs)
{
    for (unsigned h = V_FIRST; h < V_HOSTS; h++)
        if (vs->guest[h])
            return true;
    return false;
}

const struct version *version_find(const struct jit_page *jp, unsigned flavour, unsigned slot, const struct vstate *vs)
{
    for (const struct version *v = jp->versions; v; v = v->next)
        if (v->slot == slot && v->flavour == flavour && v_implies(vs, &v->in))
            return v;
    return NULL;
}

u32 version_note_link(struct jit *j, u32 patch, const struct vstate *vs)
{
    struct link_states *l = &j->link_states[j->part];
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 256;
        CHECK(l->room <= LINK_INDEX);
        l->state = realloc(l->state, l->room * sizeof *l->state);
        CHECK(l->state);
    }
    l->state[l->count] = (struct link_state){patch, *vs};
    return LINK_STATE | j->part << LINK_PART | l->count++;
}

/* Does the block begin with something that could use them? */
static bool has_vectors(struct jit *j, struct cpu *c, struct code_page *p, unsigned slot)
{
    for (unsigned k = 0; k < BLOCK_MAX && slot + k < CODE_SLOTS; k++) {
        const struct op *o = code_decode(j->code, c->decoder, p, slot + k);
        if (a64_rows[o->row].flags & A64_V)
            return true;
        if (!j->emitters[o->row].emit || (j->emitters[o->row].flags & EMIT_END))
            return false;
    }
    return false;
}

u32 version_link(struct jit *j, struct cpu *c, u32 link, unsigned flavour, u32 *entry)
{
    *entry = 0;
    if (!(link & LINK_STATE))
        return link;
    struct code_page *p = c->fetch_code;
    unsigned slot = (unsigned)(c->pc >> 2) & (CODE_SLOTS - 1), count = 0;
    const struct link_state from = j->link_states[(link & ~LINK_STATE) >> LINK_PART].state[link & LINK_INDEX];
    if (!p->jit)
        return from.patch;
    const struct version *found = version_find(p->jit, flavour, slot, &from.vs);
    if (found) {
        *entry = found->entry;
        return from.patch;
    }
    for (const struct version *v = p->jit->versions; v; v = v->next)
        count += v->slot == slot && v->flavour == flavour;
    if (count >= VERSIONS_MAX || !has_vectors(j, c, p, slot))
        return from.patch;
    struct version *v = malloc(sizeof *v);
    CHECK(v);
    *v = (struct version){p->jit->versions, (u16)slot, (u8)flavour, 0, from.vs};
    v->entry = (u32)(jit_translate(j, c, p, flavour, slot, &from.vs) - j->rw);
    p->jit->versions = v;
    *entry = v->entry;
    return from.patch;
}

void version_drop(struct jit_page *jp)
{
    while (jp->versions) {
        struct version *v = jp->versions;
        jp->versions = v->next;
        free(v);
    }
}
