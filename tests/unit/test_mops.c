/* Memory copy and set instructions: moves of every alignment and overlap against memmove and memset, faults and
 * restarts, the mismatch exception, enables. */
#include "el1.h"

enum {
    CPYFP = 0x19010440, /* cpyfp [x0]!, [x1]!, x2! */
    CPYFM = 0x19410440,
    CPYFE = 0x19810440,
    CPYP = 0x1d010440, /* cpyp [x0]!, [x1]!, x2! */
    CPYM = 0x1d410440,
    CPYE = 0x1d810440,
    SETP = 0x19c10440, /* setp [x0]!, x2!, x1 */
    SETM = 0x19c14440,
    SETE = 0x19c18440,
    SETGP = 0x1dc10440, /* setgp [x0]!, x2!, x1 */
    SETGM = 0x1dc14440,
    SETGE = 0x1dc18440,
    LDG = (int)0xd9600003, /* ldg x3, [x0] */
};

static u8 shadow[0x8000];

static void randomise(void)
{
    for (unsigned i = 0; i < sizeof shadow; i++)
        shadow[i] = *ram(RAM + 0x80000 + i) = (u8)(rand() >> 7);
}
static void compare(void)
{
    for (unsigned i = 0; i < sizeof shadow; i += 0x1000)
        ck_assert_mem_eq(ram(RAM + 0x80000 + i), shadow + i, 0x1000);
}
/* A main instruction may restart itself. */
static void finish(u32 word)
{
    for (unsigned i = 0; i < 100; i++)
        if (step(word))
            return;
        else
            ck_assert_uint_eq(c->pc, CODE);
    ck_abort_msg("does not end");
}
static void three(u32 p, u32 m, u32 e)
{
    c->nzcv = 0xf0000000;
    ck_assert_msg(step(p), "ESR %lx FAR %lx pc %lx", c->sys[ESR_EL1], c->sys[FAR_EL1], c->pc);
    ck_assert_uint_eq(c->nzcv, 0);
    finish(m);
    ck_assert_uint_eq(c->x[2], 0);
    ck_assert(step(e));
}

START_TEST(test_copy)
{
    setup();
    srand(3);
    randomise();
    for (unsigned i = 0; i < 3000; i++) {
        u64 size = (u64)(rand() % (i % 10 ? 200 : 0x3000));
        u64 to = (u64)rand() % 0x5000, from = i & 1 ? (u64)rand() % 0x5000 : to + (u64)(rand() % 256);
        if (i & 2 && !(i & 1))
            from = to >= 256 ? to - (u64)(rand() % 256) : to;
        c->x[0] = RAM + 0x80000 + to;
        c->x[1] = RAM + 0x80000 + from;
        c->x[2] = size;
        if (from >= to || to >= from + size) {
            three(i & 4 ? CPYFP : CPYP, i & 4 ? CPYFM : CPYM, i & 4 ? CPYFE : CPYE);
        } else {
            three(CPYP, CPYM, CPYE);
        }
        memmove(shadow + to, shadow + from, size);
    }
    compare();
    teardown();
}
END_TEST

START_TEST(test_set)
{
    setup();
    srand(4);
    randomise();
    for (unsigned i = 0; i < 1000; i++) {
        u64 size = (u64)(rand() % (i % 10 ? 100 : 0x7000)), to = (u64)rand() % 0x1000;
        c->x[0] = RAM + 0x80000 + to;
        c->x[1] = 0xffffff00u | (u8)i;
        c->x[2] = size;
        three(SETP, SETM, SETE);
        memset(shadow + to, (u8)i, size);
    }
    c->x[0] = RAM + 0x80000;
    c->x[2] = 100;
    three(SETP | 31 << 16, SETM | 31 << 16, SETE | 31 << 16); /* XZR as data */
    memset(shadow, 0, 100);
    compare();
    teardown();
}
END_TEST

/* What is done is done, what is left is in the registers: after the hole is filled the copy goes on. */
START_TEST(test_fault)
{
    setup();
    for (unsigned backward = 0; backward < 2; backward++)
        for (unsigned hole_in_source = 0; hole_in_source < 2; hole_in_source++) {
            put64(TABLES + 0x2000 + (HOLE - RAM) / 0x1000 * 8, 0);
            context_flush(c);
            u64 there = HOLE - 0x900 + (backward ? 8 : 0), other = backward ? there - 8 : DATA;
            if (backward && hole_in_source)
                other = there - 0x10;
            u64 to = hole_in_source ? other : there, from = hole_in_source ? there : other;
            if (backward && hole_in_source)
                to = there + 8; /* above the source */
            for (unsigned i = 0; i < 0x1200; i++)
                *ram(from + i) = (u8)(i * 11 + i / 256);
            c->x[0] = to, c->x[1] = from, c->x[2] = 0x1200;
            u8 want[0x1200];
            for (unsigned i = 0; i < sizeof want; i++)
                want[i] = *ram(from + i);
            ck_assert(step(CPYP));
            ck_assert(((s64)c->x[2] > 0) == (backward != 0));
            ck_assert(!step(CPYM));
            ck_assert_uint_eq(c->sys[ESR_EL1] >> 26, 0x25);
            ck_assert_uint_eq(c->sys[ESR_EL1] >> 24 & 1, 0);
            ck_assert_uint_eq(c->sys[FAR_EL1] & ~0xfffull, HOLE);
            ck_assert_uint_ne(c->x[2], 0);
            put64(TABLES + 0x2000 + (HOLE - RAM) / 0x1000 * 8, HOLE | 1 << 10 | 3 << 8 | 3);
            context_flush(c);
            finish(CPYM);
            ck_assert(step(CPYE));
            for (unsigned i = 0; i < sizeof want; i++)
                ck_assert_uint_eq(*ram(to + i), want[i]);
        }
    teardown();
}
END_TEST

START_TEST(test_mismatch)
{
    setup();
    static const struct {
        u32 word;
        u64 size;
        u32 nzcv, iss;
    } cases[] = {
        {CPYM, 16, 1u << 29, 0x30022}, /* Option B announced */
        {CPYE, 16, 1u << 29, 0x70022},
        {CPYE, 16, 0, 0x50022},                      /* something left for the epilogue */
        {CPYFM, 16, 0, 0x10022},                     /* forward copies have negative sizes */
        {CPYFM | 5 << 12, 16, 0, 0x10022 | 5 << 19}, /* options */
        {SETM, 16, 1u << 29, 0x1030022},
        {SETE, ~0ull, 0, 0x1050022},
        {SETM | 3 << 12, 16, 0, 0x1010022 | 3 << 19},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        c->x[0] = c->x[1] = DATA;
        c->x[2] = cases[i].size;
        c->nzcv = cases[i].nzcv;
        ck_assert(!step(cases[i].word));
        ck_assert_msg(c->sys[ESR_EL1] == (0x27u << 26 | 1u << 25 | cases[i].iss), "case %u: %lx", i, c->sys[ESR_EL1]);
        ck_assert_uint_eq(c->x[2], cases[i].size);
        c->x[2] = 0; /* nothing left is never a mismatch */
        c->nzcv = cases[i].nzcv;
        ck_assert(step(cases[i].word));
    }
    teardown();
}
END_TEST

START_TEST(test_set_tags)
{
    setup();
    randomise();
    c->sys[MAIR_EL1] = 0xf0;       /* Tagged Normal */
    c->sys[TCR_EL1] |= 1ull << 37; /* TBI0 */
    ctl(SCTLR_ATA);
    u64 top = 9ull << 56;
    c->x[0] = RAM + 0x80ff0 + top;
    c->x[1] = 0x5a;
    c->x[2] = 0x2020;
    three(SETGP, SETGM, SETGE);
    memset(shadow + 0xff0, 0x5a, 0x2020);
    compare();
    for (u64 off = 0xfe0; off <= 0x3010; off += 16) {
        c->x[0] = RAM + 0x80000 + off;
        c->x[3] = 0;
        ck_assert(step((u32)LDG));
        ck_assert_uint_eq(c->x[3] >> 56, off >= 0xff0 && off < 0x3010 ? 9 : 0);
    }
    static const u64 bad[][2] = {{8, 32}, {0, 24}, {4, 20}}; /* offset, size */
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        c->x[0] = DATA + bad[i][0];
        c->x[2] = bad[i][1];
        ck_assert(!step(SETGP));
        ck_assert_uint_eq(c->sys[ESR_EL1] & 0xfc00007f, 0x25u << 26 | 1u << 6 | 0x21);
        ck_assert_uint_eq(c->sys[FAR_EL1], DATA + bad[i][0]);
    }
    c->x[0] = HOLE;
    c->x[2] = 0 - 16ull;
    c->nzcv = 1u << 29;
    ck_assert(!step(SETGM));
    ck_assert_uint_eq(c->sys[ESR_EL1], 0x27u << 26 | 1u << 25 | 0x1830022);
    teardown();
}
END_TEST

START_TEST(test_sizes_and_registers)
{
    setup();
    c->x[0] = 0x1000, c->x[1] = 0x100000, c->x[2] = 1ull << 63;
    ck_assert(step(CPYFP));
    ck_assert_uint_eq(c->x[2], 0 - (~0ull >> 1));
    ck_assert_uint_eq(c->x[0], 0x1000 + (~0ull >> 1));
    c->x[0] = 0x1000, c->x[1] = 0x100000, c->x[2] = 1ull << 55;
    ck_assert(step(CPYP));
    ck_assert_uint_eq(c->x[2], 0 - ones(55));
    static const u32 undefined[] = {
        CPYP | 31,       CPYFP | 31 << 16, CPYM | 31 << 5, SETP | 31, SETM | 31 << 5, /* register 31 */
        0x1d020440,      0x19000440,       0x19c00440,                                /* overlaps */
        CPYP | 1u << 30, SETP | 3 << 14,   0x1dc1c440,                                /* sz, stage 3, stage 3 */
    };
    for (unsigned i = 0; i < ARRAY_LEN(undefined); i++) {
        ck_assert(!step(undefined[i]));
        ck_assert_msg(c->sys[ESR_EL1] >> 26 == 0, "%08x", undefined[i]);
    }
    /* EL0 asks SCTLR_EL1.MSCEn */
    for (unsigned on = 0; on < 2; on++) {
        ctl(on ? SCTLR_MSCEn : 0);
        cpu_set_el(c, 0, 0);
        context_resolve(c);
        c->x[0] = DATA, c->x[1] = DATA, c->x[2] = 0;
        struct op o = decode(c->decoder, CPYP);
        ck_assert_int_eq(a64_execs[o.row](c, &o), on ? STEP_NEXT : STEP_JUMP);
        if (on)
            cpu_set_el(c, 1, 1);
        ck_assert_int_eq(c->ps.el, 1);
    }
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mops");
    TCase *t = tcase_create("mops");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_copy);
    tcase_add_test(t, test_set);
    tcase_add_test(t, test_fault);
    tcase_add_test(t, test_mismatch);
    tcase_add_test(t, test_set_tags);
    tcase_add_test(t, test_sizes_and_registers);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
