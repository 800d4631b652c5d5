/* Guest general registers in host registers.
 *
 * A host register of the pool holds a guest register from its first use in a block on; what an instruction writes is
 * stored to the state only when somebody could look at it (dirty). Whoever leaves generated code, or calls, stores what
 * is dirty: mainline code before it does (x_sync), the out-of-line parts by the state at the place they were jumped
 * from. Nothing here touches the flags. */
#include "jit/internal.h"

static const u8 pool[] = {RSI, RDI, R8, R9, R10, R11};

static unsigned host_of(const struct vstate *s, unsigned r)
{
    for (unsigned i = 0; i < ARRAY_LEN(pool); i++)
        if (s->x[pool[i]] == r + 1)
            return pool[i];
    return 0;
}

unsigned x_host_in(const struct vstate *s, unsigned r) { return host_of(s, r); }
unsigned x_host(const struct translation *t, unsigned r) { return host_of(&t->vs, r); }

static bool is_dirty(const struct vstate *s, unsigned h) { return s->x_dirty >> h & 1; }

static void store(struct x64 *a, const struct vstate *s, unsigned h)
{
    x64_rm(a, true, X_STORE, h, R_CPU, x_disp(s->x[h] - 1u));
}

static void load(struct x64 *a, unsigned h, unsigned r) { x64_rm(a, true, X_LOAD, h, R_CPU, x_disp(r)); }

static u64 fixed(const struct emitter *e) { return e->flags & EMIT_FIXED && e->b & 63 ? 1ull << (e->b & 63) : 0; }

u64 x_registers(const struct emitter *e, const struct op *o)
{
    return fixed(e) | (e->fields & 1 ? 1ull << o->rd : 0) | (e->fields & 2 ? 1ull << o->rn : 0) |
           (e->fields & 4 ? 1ull << o->rm : 0) | (e->fields & 8 ? 1ull << o->ra : 0);
}

u64 x_written(const struct emitter *e, const struct op *o)
{
    return fixed(e) | (e->writes & 1 ? 1ull << o->rd : 0) | (e->writes & 2 ? 1ull << o->rn : 0) |
           (e->writes & 8 ? 1ull << o->ra : 0);
}

/* The host register whose guest register is needed last: from here to the block's end, then from its start as in a
 * loop; of equals a clean one. */
static unsigned victim(const struct translation *t)
{
    const struct vstate *s = &t->vs;
    u64 left = 0;
    unsigned best = 0;
    for (unsigned i = 0; i < ARRAY_LEN(pool); i++)
        left |= 1ull << (s->x[pool[i]] - 1);
    for (unsigned i = 0; i < t->n; i++) {
        unsigned k = t->k + i < t->n ? t->k + i : t->k + i - t->n;
        u64 later = left & ~t->uses[k];
        if (!later)
            break;
        left = later;
    }
    for (unsigned i = 0; i < ARRAY_LEN(pool); i++) {
        unsigned h = pool[i];
        if ((left >> (s->x[h] - 1) & 1) && (!best || !is_dirty(s, h)))
            best = h;
    }
    return best;
}

static unsigned allocate(struct translation *t, unsigned r)
{
    struct vstate *s = &t->vs;
    unsigned h = host_of(s, 0u - 1); /* a free one */
    if (!h) {
        h = victim(t);
        if (is_dirty(s, h))
            store(&t->as, s, h);
    }
    s->x[h] = (u8)(r + 1);
    s->x_dirty &= (u16) ~(1u << h);
    return h;
}

unsigned x_use(struct translation *t, unsigned r)
{
    unsigned h = host_of(&t->vs, r);
    if (!h) {
        h = allocate(t, r);
        load(&t->as, h, r);
    }
    return h;
}

unsigned x_src(struct translation *t, unsigned r)
{
    if (host_of(&t->vs, r) || (t->loop && host_of(&t->vs, 0u - 1)))
        return x_use(t, r);
    for (unsigned k = t->k + 1; k < t->n; k++)
        if (t->uses[k] >> r & 1)
            return x_use(t, r);
    return X_STATE | r;
}

unsigned x_def(struct translation *t, unsigned r)
{
    if (r == REG_SINK)
        return RCX;
    unsigned h = host_of(&t->vs, r);
    if (!h)
        h = allocate(t, r);
    t->vs.x_dirty |= (u16)(1u << h);
    return h;
}

static void store_dirty(struct x64 *a, const struct vstate *s)
{
    for (unsigned i = 0; i < ARRAY_LEN(pool); i++)
        if (is_dirty(s, pool[i]))
            store(a, s, pool[i]);
}

void x_load(struct x64 *a, const struct vstate *s)
{
    for (unsigned i = 0; i < ARRAY_LEN(pool); i++)
        if (s->x[pool[i]])
            load(a, pool[i], s->x[pool[i]] - 1u);
}

void x_leave(struct x64 *a, const struct vstate *s)
{
    struct vstate copy = *s;
    flags_settle(a, &copy);
    store_dirty(a, s);
    v_leave(a, s);
}

void x_sync(struct translation *t)
{
    flags_settle(&t->as, &t->vs);
    store_dirty(&t->as, &t->vs);
    v_leave(&t->as, &t->vs);
    t->vs.x_dirty = t->vs.dirty = 0;
}

void x_forget(struct translation *t)
{
    memset(t->vs.x, 0, sizeof t->vs.x);
    t->vs.x_dirty = 0;
}

/* ---- from one state to another ---------------------------------------------------------------- */

static bool kept(const struct vstate *from, const struct vstate *to, unsigned h)
{
    return to->x[h] && from->x[h] == to->x[h];
}

unsigned x_distance(const struct vstate *from, const struct vstate *to)
{
    unsigned n = from->flags.op && !flags_same(&from->flags, &to->flags) ? 4 : 0;
    for (unsigned i = 0; i < ARRAY_LEN(pool); i++) {
        unsigned h = pool[i];
        n += is_dirty(from, h) && !(kept(from, to, h) && is_dirty(to, h));
        n += to->x[h] && !kept(from, to, h);
    }
    for (unsigned h = V_FIRST; h < V_HOSTS; h++)
        n += v_unkept(from, to, h);
    return n;
}

/* The same but for loads of what from does not have at all: whoever needs it has to load it anyway. */
unsigned x_detour(const struct vstate *from, const struct vstate *to)
{
    unsigned n = x_distance(from, to);
    for (unsigned i = 0; i < ARRAY_LEN(pool); i++)
        n -= to->x[pool[i]] && !host_of(from, to->x[pool[i]] - 1u);
    return n;
}

void x_reconcile(struct x64 *a, const struct vstate *from, const struct vstate *to)
{
    if (from->flags.op && !flags_same(&from->flags, &to->flags)) {
        struct vstate copy = *from;
        flags_settle(a, &copy);
    }
    for (unsigned i = 0; i < ARRAY_LEN(pool); i++) {
        unsigned h = pool[i];
        if (is_dirty(from, h) && !(kept(from, to, h) && is_dirty(to, h)))
            store(a, from, h);
    }
    for (unsigned i = 0; i < ARRAY_LEN(pool); i++) {
        unsigned h = pool[i];
        if (to->x[h] && !kept(from, to, h))
            load(a, h, to->x[h] - 1u);
    }
    for (unsigned h = V_FIRST; h < V_HOSTS; h++)
        if (v_unkept(from, to, h))
            v_store(a, from, h);
}

bool x_any(const struct vstate *s)
{
    if (s->flags.op)
        return true;
    for (unsigned i = 0; i < ARRAY_LEN(pool); i++)
        if (s->x[pool[i]])
            return true;
    return false;
}

/* What of s a block that uses some registers and writes some shall start with; how many. */
unsigned x_restrict(struct vstate *s, u64 used, u64 written)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ARRAY_LEN(pool); i++) {
        unsigned h = pool[i];
        if (!s->x[h])
            continue;
        if (!(used >> (s->x[h] - 1) & 1)) {
            s->x[h] = 0;
            s->x_dirty &= (u16) ~(1u << h);
            continue;
        }
        if (written >> (s->x[h] - 1) & 1)
            s->x_dirty |= (u16)(1u << h);
        n++;
    }
    return n;
}

void x_extend(struct vstate *s, unsigned r, bool written)
{
    unsigned h = host_of(s, r) ? 0 : host_of(s, 0u - 1);
    if (!h)
        return;
    s->x[h] = (u8)(r + 1);
    if (written)
        s->x_dirty |= (u16)(1u << h);
}
