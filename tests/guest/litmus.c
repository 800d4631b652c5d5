/* Litmus tests of a machine whose CPUs run at the same time: outcomes that the architecture forbids (DDI0487 B2.3) are
 * counted. tests/guest/litmus builds and runs it.
 *
 * A test is a function that each of its CPUs runs over an array of instances, in step with each other to a few
 * instances; afterwards CPU 0 looks at what came out. COUNT instances of each are run; of those that maintain something
 * many at once. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

enum { CPUS = 4, BATCH = 4096, WINDOW = 32, SPINS = 200, MANY = 16 };

struct instance {
    u64 x, pad0[7];
    u64 y, pad1[7];
    u64 r[8];
} __attribute__((aligned(64)));

static struct instance inst[BATCH];
static struct progress {
    u64 at, pad[15];
} progress[CPUS] __attribute__((aligned(128)));
static u64 counter[16] __attribute__((aligned(128)));
static u64 shared[512] __attribute__((aligned(4096))), shared_flags[512];
extern u64 level3[];

void cpu_main(u64 me);
void fault(u64 esr, u64 elr, u64 far);
void secondary(void);

/* ---- output ------------------------------------------------------------------------------------- */

static void put(char c)
{
    volatile u32 *uart = (u32 *)0x9000000;
    while (uart[6] & 1 << 5)
        ;
    uart[0] = (u8)c;
}

static void print(const char *s)
{
    while (*s)
        put(*s++);
}

static void number(u64 v)
{
    char b[24], *p = b + 23;
    *p = 0;
    do
        *--p = (char)('0' + v % 10);
    while (v /= 10);
    print(p);
}

static void hex(u64 v)
{
    for (int i = 60; i >= 0; i -= 4)
        put("0123456789abcdef"[v >> i & 15]);
}

static u64 psci(u64 f, u64 a, u64 b, u64 c)
{
    register u64 x0 __asm__("x0") = f, x1 __asm__("x1") = a, x2 __asm__("x2") = b, x3 __asm__("x3") = c;
    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    return x0;
}

static void power_off(void) { psci(0x84000008, 0, 0, 0); }

void fault(u64 esr, u64 elr, u64 far)
{
    print("FAULT esr ");
    hex(esr);
    print(" pc ");
    hex(elr);
    print(" far ");
    hex(far);
    print("\nEND\n");
    power_off();
    for (;;)
        ;
}

/* ---- accesses ----------------------------------------------------------------------------------- */

#define DMB(kind) __asm__ volatile("dmb " #kind ::: "memory")
#define DSB(kind) __asm__ volatile("dsb " #kind ::: "memory")
#define ISB()     __asm__ volatile("isb" ::: "memory")
#define YIELD()   __asm__ volatile("yield" ::: "memory")

static inline void st(volatile u64 *p, u64 v) { *p = v; }
static inline u64 ld(const volatile u64 *p) { return *p; }
static inline void stlr(u64 *p, u64 v) { __asm__ volatile("stlr %1, %0" : "=Q"(*p) : "r"(v) : "memory"); }
static inline u64 ldar(const u64 *p)
{
    u64 v;
    __asm__ volatile("ldar %0, %1" : "=r"(v) : "Q"(*p) : "memory");
    return v;
}

/* ---- in step ------------------------------------------------------------------------------------ */

static u32 arrived, generation;

/* Those that really run at the same time meet soonest without the emulator's help. */
static inline void wait(u32 n)
{
    if (n >= SPINS)
        YIELD();
}

static void barrier(u32 n)
{
    u32 g = __atomic_load_n(&generation, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) == n) {
        __atomic_store_n(&arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&generation, g + 1, __ATOMIC_RELEASE);
    } else {
        for (u32 n = 0; __atomic_load_n(&generation, __ATOMIC_ACQUIRE) == g; n++)
            wait(n);
    }
}

/* Nobody is more than a window ahead. */
static inline void in_step(u64 me, u64 n, u64 i)
{
    if (i % WINDOW)
        return;
    st(&progress[me].at, i);
    for (u64 k = 0; k < n; k++)
        for (u32 spins = 0; ld(&progress[k].at) + WINDOW < i; spins++)
            wait(spins);
}

/* ---- the tests ---------------------------------------------------------------------------------- */

#define EACH(n)                                                                                                        \
    for (u64 i = 0; i < BATCH; i++) {                                                                                  \
        struct instance *p = &inst[i];                                                                                 \
        in_step(me, n, i);
#define END }

/* Store buffering; without barriers the outcome is allowed, and shows that the CPUs do meet. */
#define SB(name, store, middle, load)                                                                                  \
    static void name(u64 me)                                                                                           \
    {                                                                                                                  \
        EACH(2)                                                                                                        \
        u64 *a = me ? &p->y : &p->x, *b = me ? &p->x : &p->y;                                                          \
        store(a, 1);                                                                                                   \
        middle;                                                                                                        \
        p->r[4 * me] = load(b);                                                                                        \
        END                                                                                                            \
    }
SB(sb_plain, st, (void)0, ld)
SB(sb_dmb, st, DMB(ish), ld)
SB(sb_dsb, st, DSB(ish), ld)
SB(sb_release, stlr, (void)0, ldar)
static u64 swp(u64 *p, u64 v)
{
    __asm__ volatile(".arch_extension lse\n\tswpal %0, %0, %1" : "+r"(v), "+Q"(*p)::"memory");
    return v;
}
SB(sb_swap, swp, (void)0, ldar)
static int sb_check(const struct instance *p) { return !p->r[0] && !p->r[4]; }

#define MP(name, store, sep0, load, sep1)                                                                              \
    static void name(u64 me)                                                                                           \
    {                                                                                                                  \
        EACH(2)                                                                                                        \
        if (!me) {                                                                                                     \
            st(&p->x, 1);                                                                                              \
            sep0;                                                                                                      \
            store(&p->y, 1);                                                                                           \
        } else {                                                                                                       \
            p->r[0] = load(&p->y);                                                                                     \
            sep1;                                                                                                      \
            p->r[1] = ld(&p->x);                                                                                       \
        }                                                                                                              \
        END                                                                                                            \
    }
MP(mp_dmb, st, DMB(ishst), ld, DMB(ishld))
MP(mp_release, stlr, (void)0, ldar, (void)0)
static int mp_check(const struct instance *p) { return p->r[0] && !p->r[1]; }

static void iriw(u64 me)
{
    EACH(4)
    if (me == 0)
        st(&p->x, 1);
    else if (me == 1)
        st(&p->y, 1);
    else {
        const u64 *a = me == 2 ? &p->x : &p->y, *b = me == 2 ? &p->y : &p->x;
        p->r[2 * me] = ldar(a);
        p->r[2 * me + 1] = ldar(b);
    }
    END
}
static int iriw_check(const struct instance *p) { return p->r[4] && !p->r[5] && p->r[6] && !p->r[7]; }

/* Both halves of aligned pairs, and of 8 bytes across the middle of 16. */
static void torn(u64 me)
{
    EACH(2)
    u64 *q = &p->x, a, b;
    if (!me) {
        for (u64 k = 1; k <= 4; k++)
            __asm__ volatile("stp %1, %1, [%0]" ::"r"(q), "r"(k * 0x100000001) : "memory");
    } else {
        for (u64 k = 0; k < 4; k++) {
            __asm__ volatile("ldp %0, %1, [%2]" : "=r"(a), "=r"(b) : "r"(q) : "memory");
            p->r[0] |= a != b;
            __asm__ volatile("ldr %0, [%1, #4]" : "=r"(a) : "r"(q) : "memory");
            p->r[0] |= (u32)a != a >> 32;
        }
    }
    END
}
static int flagged(const struct instance *p) { return p->r[0] != 0; }

/* Sums: every addition counts once. */
static void add_exclusive(u64 *p)
{
    u64 v;
    u32 s;
    __asm__ volatile("1: ldaxr %0, %2\n\tadd %0, %0, #1\n\tstlxr %w1, %0, %2\n\tcbnz %w1, 1b"
                     : "=&r"(v), "=&r"(s), "+Q"(*p)::"memory");
}
/* Another access between: the load cannot be taken for one of the store's moment. */
static void add_loose(u64 *p, const u64 *other)
{
    u64 v, w;
    u32 s;
    __asm__ volatile("1: ldxr %0, %3\n\tldr %1, %4\n\tadd %0, %0, #1\n\tstxr %w2, %0, %3\n\tcbnz %w2, 1b"
                     : "=&r"(v), "=&r"(w), "=&r"(s), "+Q"(*p)
                     : "Q"(*other)
                     : "memory");
}
/* A jump between, and the store on the next page. */
static void add_jump(u64 *p)
{
    u64 v;
    u32 s;
    __asm__ volatile("1: ldxr %0, %2\n\tcbnz %3, 2f\n\tnop\n2:\tadd %0, %0, #1\n\tstxr %w1, %0, %2\n\tcbnz %w1, 1b"
                     : "=&r"(v), "=&r"(s), "+Q"(*p)
                     : "r"(1ul)
                     : "memory");
}
void add_across(u64 *p);
__asm__(".balign 4096\nadd_across:\n\tb 1f\n\t.fill 1021, 4, 0xd503201f\n1:\tldaxr x1, [x0]\n\tadd x1, x1, #1\n\t"
        "stlxr w2, x1, [x0]\n\tcbnz w2, 1b\n\tret");
static void add_pair(u64 *p)
{
    u64 a, b;
    u32 s;
    __asm__ volatile("1: ldxp %0, %1, %3\n\tadd %0, %0, #1\n\tsub %1, %1, #1\n\tstxp %w2, %0, %1, %3\n\tcbnz %w2, 1b"
                     : "=&r"(a), "=&r"(b), "=&r"(s), "+Q"(*(u64(*)[2])p)::"memory");
}
static void add_cas(u64 *p)
{
    u64 v = ld(p), old;
    do {
        old = v;
        u64 new = old + 1;
        __asm__ volatile(".arch_extension lse\n\tcasal %0, %2, %1" : "+r"(v), "+Q"(*p) : "r"(new) : "memory");
    } while (v != old);
}

static u64 loose[512] __attribute__((aligned(4096))); /* a page of its own, as all stores to it are slow */

static void sums(u64 me)
{
    EACH(4)
    u64 one = 1;
    add_exclusive(&counter[0]);
    __asm__ volatile(".arch_extension lse\n\tldaddal %1, xzr, %0" : "+Q"(counter[1]) : "r"(one) : "memory");
    __asm__ volatile(".arch_extension lse\n\tstaddb %w1, %0" : "+Q"(((u8 *)&counter[2])[me]) : "r"(one) : "memory");
    add_cas(&counter[3]);
    add_pair(&counter[4]);
    if (i % MANY == 0) {
        add_loose(&loose[0], &p->x);
        add_jump(&loose[16]);
        add_across(&loose[32]);
    }
    END
}
static u64 sums_wrong(u64 batches)
{
    u64 n = batches * BATCH, bytes = 0;
    for (u64 k = 0; k < CPUS; k++)
        bytes += ((u8 *)&counter[2])[k] != (u8)n;
    return (counter[0] != CPUS * n) + (counter[1] != CPUS * n) + bytes + (counter[3] != CPUS * n) +
           (counter[4] != CPUS * n) + (counter[5] != 0 - CPUS * n) + (loose[0] != CPUS * n / MANY) +
           (loose[16] != CPUS * n / MANY) + (loose[32] != CPUS * n / MANY);
}

/* Pages change under a reader and writer: behind TLBI and DSB nobody reads or writes the old ones. (The architecture
 * wants the entries invalid in between; then the other CPU's faults would keep it from meeting anything.) */
enum { WINDOW_VA = 0x4fe00000, PAGES_PA = 0x4f000000, PAGE = 4096 };
static u64 tlbi_bad, rounds;

static u64 *window(u64 k) { return (u64 *)(WINDOW_VA + k * PAGE); }
static u64 *behind(u64 k, u64 g) { return (u64 *)(PAGES_PA + (2 * k + (g & 1)) * PAGE); }
static void map(u64 k, u64 g) { st(&level3[k], (u64)behind(k, g) | 0x703); }

static void tlbi(u64 me)
{
    u64 *flag = &shared[0], *done = &shared[16], seen[MANY];
    if (!me) {
        for (u64 g = 1; g <= rounds; g++) {
            for (u64 k = 0; k < MANY; k++)
                st(behind(k, g), g);
            DSB(ishst);
            for (u64 k = 0; k < MANY; k++)
                map(k, g);
            DSB(ishst);
            for (u64 k = 0; k < MANY; k++)
                __asm__ volatile("tlbi vae1is, %0" ::"r"((u64)window(k) >> 12) : "memory");
            DSB(ish);
            ISB();
            stlr(flag, g);
            for (u64 k = 0; k < MANY; k++)
                seen[k] = ld(behind(k, g - 1) + 8); /* what the other stores through the window */
            for (u64 k = 0; k < MANY; k++)
                tlbi_bad += ld(behind(k, g - 1) + 8) != seen[k];
        }
        stlr(done, 1);
    } else {
        for (u64 n = 0; !ldar(done); n++) {
            u64 f = ldar(flag);
            for (u64 k = 0; k < MANY; k++) {
                u64 v = ld(window(k));
                st(window(k) + 8, n);
                shared[32] += v < f;
            }
        }
    }
}

/* Instructions change: behind IC and DSB, and an ISB, the new ones are executed. */
static u32 code[MANY][16] __attribute__((aligned(4096)));

static void ic(u64 me)
{
    u64 *flag = &shared[0], *done = &shared[16];
    if (!me) {
        for (u64 g = 1; g <= rounds; g++) {
            for (u64 k = 0; k < MANY; k++) {
                *(volatile u32 *)code[k] = 0x52800000 | (u32)(g & 0xffff) << 5; /* mov w0, #g */
                __asm__ volatile("dc cvau, %0" ::"r"(code[k]) : "memory");
            }
            DSB(ish);
            for (u64 k = 0; k < MANY; k++)
                __asm__ volatile("ic ivau, %0" ::"r"(code[k]) : "memory");
            DSB(ish);
            ISB();
            stlr(flag, g);
        }
        stlr(done, 1);
    } else {
        while (!ldar(done)) {
            u64 f = ldar(flag);
            ISB();
            for (u64 k = 0; k < MANY; k++)
                shared[32] += (u16)(((u32(*)(void))(u64)code[k])() - f) >= 0x8000;
        }
    }
}

/* Between LDXR and STXR the other CPU stores another value and the old one again: it does so all the time, and says
 * before which round it is and behind which. */
static u64 aba_rounds;

static void aba_there_and_back(u64 *x, u64 g)
{
    (void)g;
    st(x, 2);
    st(x, 1);
}

/* Stores of every kind that change nothing. */
static void aba_same(u64 *x, u64 g)
{
    u64 v, one = 1;
    u32 s;
    switch (g % 7) {
    case 0: st(x, 1); break;
    case 1: *(volatile u8 *)x = 1; break;
    case 2: __asm__ volatile("stp %1, xzr, [%0]" ::"r"(x), "r"(one) : "memory"); break;
    case 3: __asm__ volatile(".arch_extension lse\n\tswp %1, %0, [%2]" : "=r"(v) : "r"(one), "r"(x) : "memory"); break;
    case 4: __asm__ volatile(".arch_extension lse\n\tldadd xzr, %0, [%1]" : "=r"(v) : "r"(x) : "memory"); break;
    case 5:
        __asm__ volatile(".arch_extension lse\n\tcas %0, %1, [%2]" : "+r"(one) : "r"(1ul), "r"(x) : "memory");
        break;
    default:
        __asm__ volatile("1: ldxr %0, [%2]\n\tstxr %w1, %0, [%2]\n\tcbnz %w1, 1b"
                         : "=&r"(v), "=&r"(s)
                         : "r"(x)
                         : "memory");
    }
}

static void aba_other(void (*stores)(u64 *x, u64 g))
{
    for (u64 g = 1; !ldar(&shared_flags[32]); g++) {
        st(&shared_flags[0], g);
        DMB(ishst);
        stores(&shared[0], g);
        stlr(&shared_flags[16], g);
    }
}

/* Waits until what the other had begun before is over, in vain: clrex. */
#define ROUND "ldar %1, %6\n1: ldar %2, %7\n\tcmp %2, %1\n\tb.hi 2f\n\tsubs %4, %4, #1\n\tb.ne 1b\n\tclrex\n2:\n\t"
#define ABA(name, stores, code)                                                                                        \
    static void name(u64 me)                                                                                           \
    {                                                                                                                  \
        u64 *x = &shared[0], passed = 0;                                                                               \
        if (me)                                                                                                        \
            aba_other(stores);                                                                                         \
        else                                                                                                           \
            st(x, 1);                                                                                                  \
        for (u64 hits = 0; !me && hits < aba_rounds;) {                                                                \
            u64 v, b, o, spins = 100 * SPINS;                                                                          \
            u32 s;                                                                                                     \
            __asm__ volatile(code                                                                                      \
                             : "=&r"(v), "=&r"(b), "=&r"(o), "=&r"(s), "+r"(spins), "+Q"(*x)                           \
                             : "Q"(shared_flags[0]), "Q"(shared_flags[16]), "r"(1ul)                                   \
                             : "memory", "cc");                                                                        \
            if (!spins) {                                                                                              \
                YIELD();                                                                                               \
                continue;                                                                                              \
            }                                                                                                          \
            hits++;                                                                                                    \
            passed += !s;                                                                                              \
        }                                                                                                              \
        if (!me) {                                                                                                     \
            stlr(&shared_flags[32], 1);                                                                                \
            shared[32] = passed;                                                                                       \
        }                                                                                                              \
    }
ABA(aba, aba_there_and_back, "ldaxr %0, %5\n\t" ROUND "stlxr %w3, %8, %5")
/* The store follows the load, but the round is made elsewhere. */
ABA(aba_jump, aba_there_and_back, "ldaxr %0, %5\n\tcbnz %8, 3f\n4:\tstlxr %w3, %8, %5\n\tb 5f\n3:\t" ROUND "b 4b\n5:")
ABA(aba_any, aba_same, "ldaxr %0, %5\n\t" ROUND "stlxr %w3, %8, %5")

/* ---- who runs what ------------------------------------------------------------------------------ */

static const struct test {
    const char *name;
    u32 cpus;
    void (*run)(u64 me);
    int (*check)(const struct instance *); /* of each instance; NULL: see cpu_main() */
    int allowed;
} tests[] = {
    {"SB without barriers (allowed)", 2, sb_plain, sb_check, 1},
    {"SB+dmb", 2, sb_dmb, sb_check, 0},
    {"SB+dsb", 2, sb_dsb, sb_check, 0},
    {"SB+stlr+ldar", 2, sb_release, sb_check, 0},
    {"SB+swpal+ldar", 2, sb_swap, sb_check, 0},
    {"MP+dmb.ishst+dmb.ishld", 2, mp_dmb, mp_check, 0},
    {"MP+stlr+ldar", 2, mp_release, mp_check, 0},
    {"IRIW+ldar", 4, iriw, iriw_check, 0},
    {"torn LDP, LDR", 2, torn, flagged, 0},
    {"sums", 4, sums, 0, 0},
    {"MP across TLBI", 2, tlbi, 0, 0},
    {"MP across IC", 2, ic, 0, 0},
    {"LDXR, ABA, STXR", 2, aba, 0, ABA_ALLOWED},
    {"LDXR, jump, ABA, jump, STXR", 2, aba_jump, 0, ABA_ALLOWED},
    {"LDXR, stores of the same, STXR", 2, aba_any, 0, ABA_ALLOWED},
};
static u32 test_number = 0xffffffff, test_batches;

static void take_part(u64 me)
{
    const struct test *t = &tests[test_number];
    if (me >= t->cpus || (ONLY >= 0 && ONLY != (int)test_number))
        return;
    for (u32 b = 0; b < test_batches; b++) {
        barrier(t->cpus);
        progress[me].at = 0;
        barrier(t->cpus);
        t->run(me);
        barrier(t->cpus);
    }
}

/* As CPU 0: the outcomes. */
static u64 conduct(const struct test *t, u64 count)
{
    u64 seen = 0;
    test_batches = t->check || t->run == sums ? (u32)((count + BATCH - 1) / BATCH) : 1;
    rounds = (count + MANY - 1) / MANY;
    aba_rounds = count;
    __atomic_store_n(&test_number, (u32)(t - tests), __ATOMIC_RELEASE);
    __asm__ volatile("dsb ish\n\tsev");
    for (u32 b = 0; b < test_batches; b++) {
        for (u32 i = 0; i < BATCH && t->check; i++)
            for (u32 k = 0; k < sizeof *inst / 8; k++)
                st((u64 *)&inst[i] + k, 0);
        for (u32 i = 0; i < 64; i++)
            shared[i] = shared_flags[i] = 0;
        barrier(t->cpus);
        progress[0].at = 0;
        barrier(t->cpus);
        t->run(0);
        barrier(t->cpus);
        for (u32 i = 0; i < BATCH && t->check; i++)
            seen += t->check(&inst[i]) != 0;
    }
    if (t->run == sums)
        seen = sums_wrong(test_batches);
    else if (!t->check)
        seen = shared[32] + (t->run == tlbi ? tlbi_bad : 0);
    return seen;
}

static u64 now_us(void)
{
    u64 c, f;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tmrs %1, cntfrq_el0" : "=r"(c), "=r"(f));
    return c * 1000000 / f;
}

void cpu_main(u64 me)
{
    static u32 finished;
    const u32 used = ONLY < 0 ? CPUS : tests[ONLY < 0 ? 0 : ONLY].cpus; /* the others stay off */
    u64 wrong = 0;
    if (!me) {
        for (u64 k = 0; k < MANY; k++) {
            code[k][0] = 0x52800000; /* mov w0, #0 */
            code[k][1] = 0xd65f03c0; /* ret */
            map(k, 0);
        }
        for (u64 i = 1; i < used; i++)
            psci(0xc4000003, i, (u64)secondary, i);
    }
    for (u32 k = 0; k < sizeof tests / sizeof *tests; k++) {
        if (me) {
            u32 t;
            while ((t = __atomic_load_n(&test_number, __ATOMIC_ACQUIRE)) == 0xffffffff || t < k)
                __asm__ volatile("wfe");
            take_part(me);
        } else if (ONLY < 0 || ONLY == (int)k) {
            u64 count = COUNT, start = now_us();
            u64 n = conduct(&tests[k], count);
            print(tests[k].name);
            print(": ");
            number(n);
            print(tests[k].allowed ? " (allowed) of " : " of ");
            number(count);
            print(", ms ");
            number((now_us() - start) / 1000);
            print("\n");
            wrong += tests[k].allowed ? 0 : n;
        } else {
            __atomic_store_n(&test_number, k, __ATOMIC_RELEASE);
            __asm__ volatile("dsb ish\n\tsev");
        }
        /* everybody is through with the test before the next one is announced */
        __atomic_add_fetch(&finished, 1, __ATOMIC_ACQ_REL);
        while (!me && __atomic_load_n(&finished, __ATOMIC_ACQUIRE) < used * (k + 1))
            YIELD();
    }
    if (me)
        return;
    print(wrong ? "FORBIDDEN\nEND\n" : "NONE FORBIDDEN\nEND\n");
    power_off();
}
