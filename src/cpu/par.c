/* Parallel mode: parking, mailboxes, and which CPUs have decoded a page (docs/parallel.md).
 *
 * Invariants: a letter is delivered by its addressee's thread, between two guest instructions or within one that waits.
 * posted counts letters, done those delivered; a CPU stores done after the deliveries. A CPU that sees running = 0 of
 * another after it has posted may go on: the other sets running, then looks for mail, before it executes anything.
 * WHY_CODE of a page is set while any CPU's bit is in code_users; a CPU decodes a page only after every other CPU has
 * withdrawn its write tags. */
#include "cpu/par.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/bus.h"
#include "core/check.h"
#include "cpu/code.h"
#include "cpu/context.h"
#include "mmu/fast.h"

/* ---- running and parked ----------------------------------------------------------------------- */

struct cpu *par_current(struct par_all *par)
{
    for (unsigned i = 0; par && i < par->env->count; i++) {
        struct cpu *c = par->env->cpus[i];
        if (c && c->par && pthread_equal(c->par->thread, pthread_self()))
            return c;
    }
    return NULL;
}

bool par_elsewhere(struct cpu *c) { return c->par && !pthread_equal(c->par->thread, pthread_self()); }

static void deliver_written(struct cpu *c, const u64 *arg)
{
    code_written(c->code, (u32)arg[0], (u32)arg[1], (u32)(arg[2] - arg[1]));
}

static void deliver_withdraw(struct cpu *c, const u64 *arg) { fast_withdraw_write(c->fast_pool, (u32)arg[0]); }

static size_t page_words(const struct par_all *par) { return bus_page_count(par->env->bus) / 64 + 1; }

/* The pages that are noted in map, as letters. */
static void deliver_pages(struct par_cpu *p, u64 *map, void (*deliver)(struct cpu *, const u64 *))
{
    for (size_t w = 0, n = page_words(p->par); w < n; w++) {
        if (!__atomic_load_n(&map[w], __ATOMIC_RELAXED))
            continue;
        for (u64 bits = __atomic_exchange_n(&map[w], 0, __ATOMIC_SEQ_CST); bits; bits &= bits - 1) {
            const u64 arg[3] = {w * 64 + (u64)__builtin_ctzll(bits), 0, PAGE_SIZE};
            deliver(p->cpu, arg);
        }
    }
}

static void drain(struct par_cpu *p)
{
    struct mail m[PAR_MAIL];
    p->draining = true;
    p->cpu->monitor.simple = 0; /* what was executed before may have been overwritten */
    while (__atomic_fetch_and(&p->cpu->exit, ~(u32)PAR_EXIT_MAIL, __ATOMIC_SEQ_CST) & PAR_EXIT_MAIL) {
        pthread_mutex_lock(&p->box);
        u32 n = p->count;
        bool overflow = p->overflow, late = p->late;
        u64 seq = p->posted;
        memcpy(m, p->mail, n * sizeof *m);
        p->count = 0;
        p->overflow = p->late = false;
        pthread_mutex_unlock(&p->box);
        if (overflow)
            context_flush(p->cpu);
        if (late) {
            deliver_pages(p, p->withdraw, deliver_withdraw);
            deliver_pages(p, p->written, deliver_written);
        }
        for (u32 i = 0; i < n; i++)
            m[i].deliver(p->cpu, m[i].arg);
        __atomic_store_n(&p->done, seq, __ATOMIC_SEQ_CST);
    }
    p->draining = false;
}

static void look_for_mail(struct par_cpu *p)
{
    if (!p->draining && (__atomic_load_n(&p->cpu->exit, __ATOMIC_SEQ_CST) & PAR_EXIT_MAIL))
        drain(p);
}

void par_park(struct cpu *c)
{
    if (!c->par->parked++)
        __atomic_store_n(&c->par->running, 0, __ATOMIC_RELEASE);
}

void par_unpark(struct cpu *c)
{
    struct par_cpu *p = c->par;
    if (--p->parked)
        return;
    __atomic_store_n(&p->running, 1, __ATOMIC_SEQ_CST);
    look_for_mail(p);
}

void par_attend(struct cpu *c)
{
    look_for_mail(c->par);
    u32 exit = __atomic_fetch_and(&c->exit, (u32)PAR_EXIT_MAIL, __ATOMIC_SEQ_CST);
    if (exit & PAR_EXIT_LOOK)
        c->irq_check = true;
    if (exit & PAR_EXIT_LEAVE)
        slice_end(&c->slice);
}

void par_lock(struct cpu *c)
{
    par_park(c);
    pthread_mutex_lock(&c->par->par->lock);
}

void par_unlock(struct cpu *c)
{
    pthread_mutex_unlock(&c->par->par->lock);
    par_unpark(c);
}

void par_wake(struct cpu *c)
{
    if (c->par->asleep)
        pthread_cond_signal(&c->par->wake);
}

void par_kick(struct cpu *c, u32 why)
{
    __atomic_fetch_or(&c->exit, why, __ATOMIC_SEQ_CST);
    par_wake(c);
}

/* ---- mail ------------------------------------------------------------------------------------- */

static bool merge(struct par_cpu *p, const struct mail *m)
{
    enum { LOOK = 16 };
    for (u32 i = p->count, end = i > LOOK ? i - LOOK : 0; m->merge && i-- > end;) {
        struct mail *o = &p->mail[i];
        if (o->deliver == m->deliver && o->arg[0] == m->arg[0]) {
            o->arg[1] = o->arg[1] < m->arg[1] ? o->arg[1] : m->arg[1];
            o->arg[2] = o->arg[2] > m->arg[2] ? o->arg[2] : m->arg[2];
            return true;
        }
    }
    return false;
}

/* The box is full. What sleepers miss most is about pages, and must not cost them all their translations. */
static void note_late(struct par_cpu *p, const struct mail *m)
{
    bool written = m->deliver == deliver_written;
    if (written || m->deliver == deliver_withdraw) {
        __atomic_fetch_or(&(written ? p->written : p->withdraw)[m->arg[0] / 64], 1ull << m->arg[0] % 64,
                          __ATOMIC_SEQ_CST);
        p->late = true;
    } else {
        p->overflow = true;
    }
}

void par_post(struct cpu *from, struct cpu *to, const struct mail *m)
{
    struct par_cpu *p = to->par;
    pthread_mutex_lock(&p->box);
    if (!merge(p, m)) {
        if (p->count < PAR_MAIL)
            p->mail[p->count++] = *m;
        else
            note_late(p, m);
    }
    u64 seq = __atomic_add_fetch(&p->posted, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&p->box);
    __atomic_fetch_or(&to->exit, PAR_EXIT_MAIL, __ATOMIC_SEQ_CST);
    if (from && from->par) {
        from->par->owed[to->index] = seq;
        from->par->owes = true;
    }
}

static bool delivered(const struct par_cpu *p, u64 seq)
{
    return __atomic_load_n(&p->done, __ATOMIC_SEQ_CST) >= seq || !__atomic_load_n(&p->running, __ATOMIC_SEQ_CST);
}

void par_settle(struct cpu *c)
{
    enum { SPINS = 400, YIELDS = 20, SLEEP_NS = 20000 };
    struct par_cpu *p = c->par;
    if (!p->owes)
        return;
    par_park(c);
    for (unsigned i = 0; i < c->env->count; i++) {
        const struct par_cpu *to = &p->par->cpu[i];
        for (unsigned k = 0; p->owed[i] && !delivered(to, p->owed[i]); k++)
            if (k < SPINS)
                __builtin_ia32_pause();
            else if (k < SPINS + YIELDS)
                sched_yield();
            else
                nanosleep(&(struct timespec){.tv_nsec = SLEEP_NS}, NULL);
        p->owed[i] = 0;
    }
    p->owes = false;
    par_unpark(c);
}

/* ---- decoded pages ---------------------------------------------------------------------------- */

static void to_others(struct cpu *c, const struct mail *m)
{
    for (unsigned i = 0; i < c->env->count; i++)
        if (c->env->cpus[i] != c)
            par_post(c, c->env->cpus[i], m);
}

/* ---- strict pages ----------------------------------------------------------------------------- */

/* Opens the monitors of CPUs other than c (NULL: of all) in count granules from first on. */
static void open_monitors(struct par_all *par, const struct cpu *c, u64 first, u64 count)
{
    for (unsigned i = 0; i < par->env->count; i++) {
        u64 *monitor = &par->cpu[i].monitor, is = __atomic_load_n(monitor, __ATOMIC_SEQ_CST);
        if ((!c || i != c->index) && is - 1 - first < count) /* set anew meanwhile: the load came after the store */
            __atomic_compare_exchange_n(monitor, &is, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
}

static void open_written(struct par_all *par, const struct cpu *c, u32 page, u32 off, u32 len)
{
    open_monitors(par, c, page * 64ull + off / 64, (off + len - 1) / 64 - off / 64 + 1);
}

/* By who holds the page's lock. Monitors that close after WHY_STRICT has gone are not relied on; the others are opened
 * before anybody may have a write tag again. Not while somebody makes pages strict: that one may rely on WHY_MONITOR.
 */
static void make_normal(struct par_all *par, u32 page)
{
    u8 *why = &bus_page_why(par->env->bus)[page];
    pthread_mutex_lock(&par->code_lock);
    if (!__atomic_load_n(&par->marking, __ATOMIC_SEQ_CST) &&
        __atomic_fetch_and(why, (u8)~WHY_STRICT, __ATOMIC_SEQ_CST) & WHY_STRICT) {
        open_monitors(par, NULL, page * 64ull, 64);
        __atomic_fetch_and(why, (u8)~WHY_MONITOR, __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&par->code_lock);
}

void par_store_begin(struct cpu *c, u32 page) { pthread_mutex_lock(&c->par->par->monitors[page % PAR_MONITORS]); }

void par_store_end(struct cpu *c, u32 page, u32 off, u32 len)
{
    enum { PATIENCE = 1024, TIMES = 6 };
    struct par_all *par = c->par->par;
    struct par_page *p = &par->pages[page];
    if (len)
        open_written(par, c, page, off, len);
    u32 times = __atomic_load_n(&p->times, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&p->idle, 1, __ATOMIC_RELAXED) >= (u32)PATIENCE << (times < TIMES ? times : TIMES))
        make_normal(par, page);
    pthread_mutex_unlock(&par->monitors[page % PAR_MONITORS]);
}

/* A write that was not a CPU's inline store. */
static void written(void *arg, u32 page, u32 off, u32 len)
{
    struct par_all *par = arg;
    u64 users = __atomic_load_n(&par->code_users[page], __ATOMIC_SEQ_CST);
    bool strict = __atomic_load_n(&bus_page_why(par->env->bus)[page], __ATOMIC_SEQ_CST) & WHY_MONITOR;
    if ((!users && !strict) || !len)
        return;
    struct cpu *self = par_current(par);
    if (strict)
        open_written(par, self, page, off, len);
    if (users && self)
        self->monitor.simple = 0; /* perhaps an instruction that mem_excl.c would look at */
    const struct mail m = {.deliver = deliver_written, .merge = true, .arg = {page, off, off + len}};
    for (; users; users &= users - 1) {
        struct cpu *c = par->env->cpus[__builtin_ctzll(users)];
        if (c->par && c != self)
            par_post(self, c, &m);
        else
            code_written(c->code, page, off, len);
    }
}

/* No CPU has a write tag of the page afterwards. users: bit of c, or 0. */
static void withhold(struct cpu *c, u32 page, u8 why, u64 user)
{
    struct par_all *par = c->env->par;
    u32 others = __atomic_fetch_add(&par->marking, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&par->code_lock);
    __atomic_fetch_or(&par->code_users[page], user, __ATOMIC_SEQ_CST);
    bool first = !(__atomic_fetch_or(&bus_page_why(c->env->bus)[page], why, __ATOMIC_SEQ_CST) & why);
    pthread_mutex_unlock(&par->code_lock);
    fast_withdraw_write(c->fast_pool, page);
    if (c->par && (first || others)) { /* another one may not have waited yet */
        to_others(c, &(struct mail){.deliver = deliver_withdraw, .arg = {page}});
        par_settle(c);
    } else if (!c->par) {
        for (unsigned i = 0; i < c->env->count; i++)
            if (c->env->cpus[i] && c->env->cpus[i]->fast_pool)
                fast_withdraw_write(c->env->cpus[i]->fast_pool, page);
    }
    if (why == WHY_MONITOR)
        __atomic_fetch_or(&bus_page_why(c->env->bus)[page], WHY_STRICT, __ATOMIC_SEQ_CST);
    __atomic_fetch_sub(&par->marking, 1, __ATOMIC_SEQ_CST);
}

static void became_code(void *arg, u32 page)
{
    struct cpu *c = arg;
    withhold(c, page, WHY_CODE, 1ull << c->index);
}

void par_strict_page(struct cpu *c, u32 page)
{
    struct par_page *p = &c->env->par->pages[page];
    if (__atomic_load_n(&bus_page_why(c->env->bus)[page], __ATOMIC_SEQ_CST) & WHY_STRICT)
        return;
    __atomic_store_n(&p->idle, 0, __ATOMIC_RELAXED);
    __atomic_add_fetch(&p->times, 1, __ATOMIC_RELAXED);
    withhold(c, page, WHY_MONITOR, 0);
}

static void is_data(void *arg, u32 page)
{
    struct cpu *c = arg;
    struct par_all *par = c->env->par;
    pthread_mutex_lock(&par->code_lock);
    if (!__atomic_and_fetch(&par->code_users[page], ~(1ull << c->index), __ATOMIC_SEQ_CST))
        __atomic_fetch_and(&bus_page_why(c->env->bus)[page], (u8)~WHY_CODE, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&par->code_lock);
}

static void drop_own_code(void *arg) { fast_drop_code(((struct cpu *)arg)->fast_pool); }

struct code_cache *par_code_cache(struct cpu *c)
{
    struct code_cache *cc = code_cache_new_parallel(c->env->bus);
    /* What is evicted here is decoded and translated again by this CPU alone; untouched parts of pages cost nothing. */
    u32 pages = bus_page_count(c->env->bus) / 32;
    cc->limit = pages < 1024 ? 1024 : pages > 8192 ? 8192 : pages;
    cc->page_became_code = became_code;
    cc->page_is_data = is_data;
    cc->flush = drop_own_code;
    cc->arg = c;
    cc->jit_eager = c->env->jit_eager;
    return cc;
}

/* ---- life --------------------------------------------------------------------------------------- */

struct par_all *par_new(struct cpu_env *env, bool strict)
{
    struct par_all *par = calloc(1, sizeof *par);
    CHECK(par && env->count <= PAR_CPUS);
    par->env = env;
    par->strict = strict;
    par->cpu = calloc(env->count, sizeof *par->cpu);
    par->code_users = calloc(bus_page_count(env->bus) + 1, sizeof *par->code_users);
    par->listener = calloc(1, sizeof *par->listener);
    par->pages = calloc(bus_page_count(env->bus) + 1, sizeof *par->pages);
    CHECK(par->cpu && par->code_users && par->listener && par->pages);
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&par->lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_mutex_init(&par->code_lock, NULL);
    pthread_mutexattr_t adaptive;
    pthread_mutexattr_init(&adaptive);
    pthread_mutexattr_settype(&adaptive, PTHREAD_MUTEX_ADAPTIVE_NP);
    for (unsigned i = 0; i < PAR_MONITORS; i++)
        pthread_mutex_init(&par->monitors[i], &adaptive);
    pthread_mutexattr_destroy(&adaptive);
    for (unsigned i = 0; i < env->count; i++) {
        struct par_cpu *p = &par->cpu[i];
        p->written = calloc(page_words(par), sizeof *p->written);
        p->withdraw = calloc(page_words(par), sizeof *p->withdraw);
        CHECK(p->written && p->withdraw);
        pthread_mutex_init(&p->box, NULL);
        pthread_cond_init(&p->wake, NULL);
    }
    *par->listener = (struct ram_listener){.written = written, .arg = par};
    bus_listen(env->bus, par->listener);
    return par;
}

void par_free(struct par_all *par)
{
    if (!par)
        return;
    for (unsigned i = 0; i < par->env->count; i++) {
        free(par->cpu[i].written);
        free(par->cpu[i].withdraw);
        pthread_mutex_destroy(&par->cpu[i].box);
        pthread_cond_destroy(&par->cpu[i].wake);
    }
    pthread_mutex_destroy(&par->lock);
    pthread_mutex_destroy(&par->code_lock);
    for (unsigned i = 0; i < PAR_MONITORS; i++)
        pthread_mutex_destroy(&par->monitors[i]);
    free(par->listener);
    free(par->code_users);
    free(par->pages);
    free(par->cpu);
    free(par);
}

void par_begin(struct par_all *par)
{
    for (unsigned i = 0; i < par->env->count; i++) {
        struct par_cpu *p = &par->cpu[i];
        p->par = par;
        p->cpu = par->env->cpus[i];
        p->thread = pthread_self();
        p->parked = 1;
        p->running = 0;
        p->monitor = 0;
        p->asleep = p->owes = false;
        memset(p->owed, 0, sizeof p->owed);
        p->cpu->exit = 0;
        p->cpu->wake_due = false;
        p->cpu->par = p;
    }
}

/* The threads are gone: what is in the mailboxes is delivered here. */
void par_end(struct par_all *par)
{
    for (unsigned i = 0; i < par->env->count; i++) {
        struct par_cpu *p = &par->cpu[i];
        p->thread = pthread_self();
        look_for_mail(p);
    }
    for (unsigned i = 0; i < par->env->count; i++) {
        par->cpu[i].cpu->exit = 0;
        par->cpu[i].cpu->irq_check = true;
        par->cpu[i].cpu->par = NULL;
    }
}
