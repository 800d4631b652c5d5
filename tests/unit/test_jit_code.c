/* Code that changes under the JIT's feet, against the interpreter: stores to pages that are both code and data, code on
 * pages that are mapped anew, DMA over code, breakpoints in loops that are translated already, and the arena's ring.
 * Each with blocks translated at once and after they were interpreted often enough. */
#include "core/snap.h"
#include "cpu/debug.h"
#include "el1.h"
#include "jit/jit.h"

static struct clock the_clock;
static const struct engine *engine;
static struct jit_watch watch;

struct result {
    u64 hash, x0, pc, now;
};

static void write_code(u64 at, const u32 *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        u64 a = at + 4 * i;
        memcpy(ram(a), &words[i], 4);
        ram_written(env.bus, bus_resolve(env.bus, pa_make(PAS_NS, a)).page, (u32)(a & 0xfff), 4);
    }
}
#define CODE_AT(at, ...)                                                                                               \
    do {                                                                                                               \
        static const u32 words[] = {__VA_ARGS__};                                                                      \
        write_code(at, words, ARRAY_LEN(words));                                                                       \
    } while (0)

static void run(unsigned n)
{
    clock_begin(&the_clock, &c->slice, n);
    engine->run(c);
    clock_finish(&the_clock);
}

/* A case under the interpreter, the JIT, and the JIT that interprets nothing first. */
static void all(void (*scenario)(void))
{
    struct result r[3];
    for (unsigned i = 0; i < 3; i++) {
        engine = i ? &engine_jit : &engine_interp;
        setup_cpu("max", false, false);
        c->code->jit_eager = i == 2;
        watch = (struct jit_watch){0};
        c->code->jit_watch = &watch;
        the_clock = (struct clock){0};
        env.clock = &the_clock;
        for (unsigned k = 0; k < 31; k++)
            c->x[k] = 0;
        c->x[1] = CODE;
        c->x[2] = DATA;
        c->pc = CODE;
        scenario();
        struct snap s = {.mode = SNAP_HASH};
        cpu_state(c, &s);
        bus_ram_state(env.bus, &s);
        r[i] = (struct result){snap_hash(&s), c->x[0], c->pc, clock_now(&the_clock)};
        clock_free(&the_clock);
        teardown();
        ck_assert_uint_eq(r[i].now, r[0].now);
        ck_assert_uint_eq(r[i].pc, r[0].pc);
        ck_assert_uint_eq(r[i].x0, r[0].x0);
        ck_assert_uint_eq(r[i].hash, r[0].hash);
    }
}
#define CASE(name)                                                                                                     \
    static void name(void);                                                                                            \
    START_TEST(test_##name) { all(name); }                                                                             \
    END_TEST                                                                                                           \
    static void name(void)

/* A counter in the page of the loop that counts: ldr, add, str x3, [x1, #64]; add x0, x0, #1; b */
CASE(code_and_data)
{
    CODE_AT(CODE, 0xf9402023, 0x91000463, 0xf9002023, 0x91000400, 0x17fffffc);
    for (unsigned i = 0; i < 100; i++)
        run(11);
    run(900);
    u64 counted;
    memcpy(&counted, ram(CODE + 64), 8);
    ck_assert_uint_eq(counted, 400);
    ck_assert_uint_eq(c->x[0], 400);
}

/* A function whose page is exchanged behind each call: blr x5; str x6, [x7]; dsb ishst; tlbi vaae1, x9; dsb ish; isb;
 * eor x6, x6, x8; b */
CASE(remapped)
{
    enum { GLOBAL = 1 << 10 | 3 << 8 | 3 };
    u64 va = RAM + 0x100000, a = RAM + 0x101000, b = RAM + 0x102000;
    CODE_AT(CODE, 0xd63f00a0, 0xf90000e6, 0xd5033a9f, 0xd5088769, 0xd5033b9f, 0xd5033fdf, 0xca0800c6, 0x17fffff9);
    CODE_AT(a, 0x91000400, 0xd65f03c0); /* add x0, x0, #1; ret */
    CODE_AT(b, 0x91000800, 0xd65f03c0); /* add x0, x0, #2; ret */
    c->x[5] = va;
    c->x[6] = b | GLOBAL;
    c->x[7] = TABLES + 0x2000 + (va - RAM) / 0x1000 * 8;
    c->x[8] = a ^ b;
    c->x[9] = va >> 12;
    put64(c->x[7], a | GLOBAL);
    for (unsigned i = 0; i < 50; i++)
        run(i + 1);
    run(2000 - 51 * 25);
    ck_assert_uint_eq(c->x[0], 300);
}

/* A device writes over the hot loop: add x0, x0, #1; b */
CASE(dma)
{
    static const u32 add3 = 0x91000c00;
    const struct txn device = {.space = PAS_NS};
    CODE_AT(CODE, 0x91000400, 0x17ffffff);
    run(200);
    ck_assert_uint_eq(c->x[0], 100);
    ck_assert(bus_write(env.bus, &device, CODE, &add3, 4) == BUS_OK);
    run(200);
    ck_assert_uint_eq(c->x[0], 400);
}

/* A breakpoint comes to a loop that is hot, is hit each time round, and goes: add x0, x0, #1; nop; b. The handler
 * counts and returns behind the instruction: add x4, x4, #1; mrs x3, elr_el1; add x3, x3, #4; msr elr_el1, x3; eret */
CASE(breakpoint)
{
    enum { ENABLED = 1 | 3 << 1 | 15 << 5, MDE = 1 << 15, KDE = 1 << 13 };
    CODE_AT(CODE, 0x91000400, 0xd503201f, 0x17fffffe);
    CODE_AT(VBAR + 0x200, 0x91000484, 0xd5384023, 0x91001063, 0xd5184023, 0xd69f03e0);
    cpu_set_spsr(c, 0x1c5); /* EL1h, D clear */
    c->pc = CODE;
    run(300);
    ck_assert_uint_eq(c->x[0], 100);
    c->sys[OSLSR_EL1] &= ~(u64)OSLSR_OSLK;
    c->sys[DBGBVR0_EL1] = CODE + 4;
    c->sys[DBGBCR0_EL1] = ENABLED;
    c->sys[MDSCR_EL1] = MDE | KDE;
    debug_update(c);
    run(700); /* 2 of the loop and 5 of the handler each time: a breakpoint takes no time */
    ck_assert_uint_eq(c->x[0], 200);
    ck_assert_uint_eq(c->x[4], 100);
    c->sys[MDSCR_EL1] = 0;
    debug_update(c);
    run(300);
    ck_assert_uint_eq(c->x[0], 300);
    ck_assert_uint_eq(c->x[4], 100);
}

/* More code than the arena has room for, made by changing a page again and again, while a second page, to and from
 * which far jumps get linked, stays as it is. */
CASE(ring)
{
    u64 far = CODE + 0x100000;
    u32 page[1024];
    for (unsigned i = 0; i < 1023; i++)
        page[i] = 0xf9400443 + (i % 64 << 10); /* ldr x3, [x2, #8 + ...] */
    page[1023] = 0x14000000 | (0x100000 - 0xffc) / 4;
    write_code(CODE, page, 1024);
    CODE_AT(far, 0x91000400, 0x17fbffff); /* add x0, x0, #1; b CODE */
    enum { TIMES = 4000 };
    for (unsigned i = 0; i < TIMES; i++) {
        run(1026);
        if (i >= 20)
            write_code(CODE, &page[0], 1);
    }
    ck_assert_uint_eq(c->x[0], TIMES);
    if (c->code->jit_eager) {
        ck_assert_uint_gt(watch.evicted, 16); /* parts */
        ck_assert_uint_gt(watch.pieces[JIT_FAR], 10);
    }
}

/* Deeper than there is room for frames: mov x5, #3000; bl f; add x0, x0, #1; b; f: subs x5, x5, #1; b.eq to the ret;
 * str x30, [sp, #-16]!; bl f; ldr x30, [sp], #16; ret */
CASE(recursion)
{
    CODE_AT(CODE, 0xd2817705, 0x94000003, 0x91000400, 0x17fffffd, 0xf10004a5, 0x54000080, 0xf81f0ffe, 0x97fffffd,
            0xf84107fe, 0xd65f03c0);
    c->x[REG_SP] = RAM + 0x180000;
    for (unsigned i = 0; i < 20; i++)
        run(4000 + i);
    ck_assert_uint_eq(c->x[0], 4);
}

/* Calls from which nobody returns: bl .+4; add x0, x0, #1; b */
CASE(no_return)
{
    CODE_AT(CODE, 0x94000001, 0x91000400, 0x17fffffe);
    run(30000);
    ck_assert_uint_eq(c->x[0], 10000);
}

/* Returns behind the next instruction every second time: bl g; add x0, x0, #2; add x0, x0, #1; b; g: eor x4, x4, #4;
 * add x30, x30, x4; ret */
CASE(other_return)
{
    CODE_AT(CODE, 0x94000004, 0x91000800, 0x91000400, 0x17fffffd, 0xd27e0084, 0x8b0403de, 0xd65f03c0);
    run(6 + 7);
    run(1300 - 13);
    ck_assert_uint_eq(c->x[0], 400);
}

/* Calls by a pointer, each to another page in turn: one target, two, eight, one that is rewritten, eight until
 * comparing is given up: blr x5; add x4, x4, #1; and x3, x4, x6; add x5, x9, x3, lsl #12; b; the functions: add x0, x0,
 * #k; ret */
CASE(pointers)
{
    enum { ROUND = 7 };
    CODE_AT(CODE, 0xd63f00a0, 0x91000484, 0x8a060083, 0x8b033125, 0x17fffffc);
    c->x[5] = c->x[9] = RAM + 0x100000;
    for (u32 k = 0; k < 8; k++) {
        const u32 f[] = {0x91000000 | (k + 1) << 10, 0xd65f03c0};
        write_code(c->x[9] + k * 0x1000, f, 2);
    }
    run(ROUND * 600);
    ck_assert_uint_eq(c->x[0], 600);
    for (unsigned i = 0; i < 50; i++) {
        c->x[6] = i % 8 ? 1 : 7;
        run(ROUND * 160);
    }
    CODE_AT(RAM + 0x100000, 0x91010000);
    c->x[6] = 0;
    u64 before = c->x[0];
    run(ROUND * 300);
    ck_assert_uint_ge(c->x[0], before + 299 * 64);
    c->x[6] = 7;
    run(ROUND * 2500000);
    ck_assert_uint_eq(c->x[4], 600 + 50 * 160 + 300 + 2500000);
    if (engine == &engine_jit) { /* eight times three, of each translation of the call */
        ck_assert_uint_ge(watch.pieces[JIT_INDIRECT], 24);
        ck_assert_uint_le(watch.pieces[JIT_INDIRECT], 48);
    }
}

/* A function, in another page, writes what it returns to: blr x5; add x0, x0, #1 or #2; b; the function: str w6, [x30];
 * eor w6, w6, w8; ret */
CASE(rewritten_return)
{
    u64 f = CODE + 0x1000;
    CODE_AT(CODE, 0xd63f00a0, 0x91000400, 0x17fffffe);
    CODE_AT(f, 0xb90003c6, 0x4a0800c6, 0xd65f03c0);
    c->x[5] = f;
    c->x[6] = 0x91000800;
    c->x[8] = 0x91000400 ^ 0x91000800;
    run(600);
    ck_assert_uint_eq(c->x[0], 150);
}

/* A function exchanges the page that it returns to: blr x5; add x0, x0, #1 or #2; b; the function: str x6, [x7];
 * dsb ishst; tlbi vaae1, x9; dsb ish; isb; eor x6, x6, x8; ret */
CASE(remapped_return)
{
    enum { GLOBAL = 1 << 10 | 3 << 8 | 3 };
    u64 va = RAM + 0x100000, a = RAM + 0x101000, b = RAM + 0x102000;
    CODE_AT(a, 0xd63f00a0, 0x91000400, 0x17fffffe);
    CODE_AT(b, 0xd63f00a0, 0x91000800, 0x17fffffe);
    CODE_AT(CODE, 0xf90000e6, 0xd5033a9f, 0xd5088769, 0xd5033b9f, 0xd5033fdf, 0xca0800c6, 0xd65f03c0);
    c->x[5] = CODE;
    c->x[6] = b | GLOBAL;
    c->x[7] = TABLES + 0x2000 + (va - RAM) / 0x1000 * 8;
    c->x[8] = a ^ b;
    c->x[9] = va >> 12;
    put64(c->x[7], a | GLOBAL);
    c->pc = va;
    run(1000);
    run(1000);
    ck_assert_uint_eq(c->x[0], 300);
}

/* A sum of subnormals behind a call that turns FPCR.FZ on and off: bl h; fadd d0, d1, d2; add x0, x0, #1; b;
 * h: eor x4, x4, #1 << 24; msr fpcr, x4; ret */
CASE(flavour_of_return)
{
    static const u64 subnormal = 3;
    CODE_AT(CODE, 0x94000004, 0x1e622820, 0x91000400, 0x17fffffd, 0xd2680084, 0xd51b4404, 0xd65f03c0);
    memcpy(&c->v[1], &subnormal, 8);
    memcpy(&c->v[2], &subnormal, 8);
    for (unsigned i = 0; i < 10; i++)
        run(70 + i);
    ck_assert_uint_gt(c->x[0], 100);
}

int main(void)
{
    Suite *s = suite_create("jit code");
    TCase *t = tcase_create("jit code");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, test_code_and_data);
    tcase_add_test(t, test_remapped);
    tcase_add_test(t, test_dma);
    tcase_add_test(t, test_breakpoint);
    tcase_add_test(t, test_ring);
    tcase_add_test(t, test_recursion);
    tcase_add_test(t, test_no_return);
    tcase_add_test(t, test_other_return);
    tcase_add_test(t, test_pointers);
    tcase_add_test(t, test_rewritten_return);
    tcase_add_test(t, test_remapped_return);
    tcase_add_test(t, test_flavour_of_return);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    if (!jit_missing())
        srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
