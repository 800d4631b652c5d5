/* Versions of a block that find guest registers in host registers.
 *
 * A jump within a page knows what is in the host's registers (struct vstate). When it is linked, the target gets a
 * version that starts from there, if it uses some of it and has not too many versions: so a loop keeps its values in
 * registers over its blocks. Vector registers must be where the version wants them; general registers are stored and
 * loaded on the way, in a piece of code of the jump's own, where they are not. The generic translation is what all
 * other ways lead to; it exists as well, because whoever leaves generated code loses the registers. */
#include <stdlib.h>
#include <string.h>

#include "jit/internal.h"
#include "jit/registers.h"

bool version_wanted(const struct vstate *vs) { return v_hosts(vs->guest) || x_any(vs); }

/* The nearest one. */
const struct version *version_find(const struct jit_page *jp, unsigned flavour, unsigned slot, const struct vstate *vs)
{
    const struct version *best = NULL;
    unsigned least = ~0u;
    for (const struct version *v = jp->versions[slot % VERSION_LISTS]; v; v = v->next)
        if (v->slot == slot && v->flavour == flavour && v_implies(vs, &v->in)) {
            unsigned n = x_detour(vs, &v->in);
            if (n < least)
                least = n, best = v;
        }
    return best;
}

static u32 state_bytes(const struct link_state *s)
{
    _Static_assert(sizeof *s % sizeof(u32) == 0 && offsetof(struct link_state, vs.guest) % sizeof(u32) == 0, "words");
    return s->vectors ? sizeof *s : offsetof(struct link_state, vs.guest);
}

u32 version_note_link(struct jit *j, u32 patch, unsigned reach, const struct vstate *vs)
{
    struct link_states *l = &j->link_states[j->part];
    const struct link_state s = {patch, 0, 0, (u8)reach, false, v_hosts(vs->guest) != 0, *vs};
    u32 words = state_bytes(&s) / sizeof(u32), at = l->count;
    l->count += words;
    if (l->count > l->room) {
        l->room = l->room ? 2 * l->room : 1 << 14;
        CHECK(l->room <= LINK_INDEX);
        l->state = realloc(l->state, l->room * sizeof *l->state);
        CHECK(l->state);
    }
    if (s.vectors)
        memcpy(l->state + at, &s, sizeof s);
    else
        memcpy(l->state + at, &s, offsetof(struct link_state, vs.guest));
    return LINK_STATE | j->part << LINK_PART | at;
}

static struct link_state *state_of(struct jit *j, u32 link)
{
    return (struct link_state *)&j->link_states[(link & ~LINK_STATE) >> LINK_PART].state[link & LINK_INDEX];
}

u8 *version_count(struct jit *j, struct x64 *a, u32 link)
{
    if (!j->cold || j->hot_count == HOT_PART)
        return NULL;
    u32 index = j->part * HOT_PART + j->hot_count++;
    state_of(j, link)->hot = index;
    j->hot_left[index] = VERSION_HOT;
    x64_mi(a, false, X_SUB, R_CONST, (s32)(offsetof(struct jit, hot_left) + sizeof(u32) * index), 1);
    return x64_jcc(a, CC_S);
}

void version_link_generic(struct jit *j, u32 link, u32 patch) { state_of(j, link)->generic = patch; }

/* What of vs a block could use; false: nothing that makes a version worth while. */
static bool restrict_state(struct jit *j, struct cpu *c, struct code_page *p, unsigned slot, struct vstate *vs)
{
    u64 used = 0, written = 0;
    u32 made = 0; /* vector registers, and perhaps others */
    bool vectors = false;
    for (unsigned k = 0, next = slot; k < BLOCK_MAX && next < CODE_SLOTS; k++, next++) {
        const struct op *o = code_decode(j->code, c->decoder, p, next);
        const struct emitter *e = &j->emitters[o->row];
        if (e->row & ROW_VECTOR) {
            vectors = true;
            made |= 1u << (o->rd & 31);
        }
        used |= x_registers(e, o);
        written |= x_written(e, o);
        if (e->row & ROW_B) { /* it goes on there */
            s64 to = (s64)next + (s64)o->imm / 4;
            if (to < 0 || to >= CODE_SLOTS)
                break;
            next = (unsigned)to - 1;
            continue;
        }
        if (!e->emit || e->flags & EMIT_END)
            break;
    }
    if (!vectors) {
        memset(vs->guest, 0, sizeof vs->guest);
        memset(vs->valid, 0, sizeof vs->valid);
        memset(vs->zero, 0, sizeof vs->zero);
        vs->dirty = 0;
    }
    for (unsigned h = V_FIRST; h < V_HOSTS; h++)
        if (vs->guest[h] && made >> (vs->guest[h] - 1) & 1 && vs->valid[h] == 16)
            vs->dirty |= (u16)(1u << h);
    unsigned n = x_restrict(vs, used, written);
    return vectors || n > 0;
}

/* A loop's first block: what it uses should be in registers from the start, or a version that was made for a jump from
 * where little was (behind an interrupt, say) would store and load it in each round. */
static void extend_state(struct jit *j, struct code_page *p, unsigned slot, struct vstate *vs)
{
    for (unsigned k = 0; k < BLOCK_MAX && slot + k < CODE_SLOTS; k++) {
        const struct op *o = &p->op[slot + k];
        const struct emitter *e = &j->emitters[o->row];
        if (!e->emit || !(e->flags & EMIT_REGS))
            return;
        u64 all = x_registers(e, o), written = x_written(e, o);
        for (; all; all &= all - 1) {
            unsigned r = (unsigned)__builtin_ctzll(all);
            if (r != REG_SINK && r != REG_ZERO)
                x_extend(vs, r, written >> r & 1);
        }
        if (e->flags & EMIT_END || (e->flags & EMIT_BRANCH && (s64)o->imm <= 0))
            return;
    }
}

/* The way from a jump to a version: where the jump shall go. */
static const u8 *piece_to(struct jit *j, struct jit_page *jp, const struct vstate *from, const struct version *v)
{
    const u8 *entry = j->rw + v->entry;
    if (!x_distance(from, &v->in))
        return entry;
    const u8 *piece = j->as.p;
    jp->parts |= 1u << j->part;
    x_reconcile(&j->as, from, &v->in);
    x64_link(x64_jmp(&j->as), entry);
    return piece;
}

u32 version_link(struct jit *j, struct cpu *c, u32 link, unsigned flavour, const u8 **code)
{
    if (!(link & LINK_STATE))
        return link;
    struct code_page *p = c->fetch_code;
    unsigned slot = (unsigned)(c->pc >> 2) & (CODE_SLOTS - 1), count = 0;
    struct link_state *state = state_of(j, link);
    if (!p->jit)
        return state->generic;
    struct link_state from = {0};
    memcpy(&from, state, state_bytes(state));
    struct version **list = &p->jit->versions[slot % VERSION_LISTS];
    const struct version *found = version_find(p->jit, flavour, slot, &from.vs);
    for (const struct version *v = *list; v; v = v->next)
        count += v->slot == slot && v->flavour == flavour;
    struct vstate in = from.vs;
    if (found && (x_detour(&from.vs, &found->in) <= VERSION_NEAR || count >= VERSIONS_MAX)) {
        *code = piece_to(j, p->jit, &from.vs, found);
        return from.patch;
    }
    if (!from.linked && from.hot) {
        state->linked = true;
        return from.generic;
    }
    if (count >= VERSIONS_MAX || !restrict_state(j, c, p, slot, &in)) {
        j->hot_left[from.hot] = INT32_MAX; /* that is enough of asking */
        return from.generic;
    }
    if (from.reach == VERSION_REACH)
        extend_state(j, p, slot, &in);
    struct version *v = malloc(sizeof *v);
    CHECK(v);
    *v = (struct version){*list, (u16)slot, (u8)flavour, from.reach, 0, in};
    v->entry = (u32)(jit_translate(j, c, p, flavour, slot, &in, from.reach) - j->rw);
    *list = v;
    *code = piece_to(j, p->jit, &from.vs, v);
    return from.patch;
}

void version_drop(struct jit_page *jp)
{
    for (unsigned i = 0; i < VERSION_LISTS; i++)
        for (struct version *v = jp->versions[i], *next; v; v = next) {
            next = v->next;
            free(v);
        }
}
