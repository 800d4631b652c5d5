/* SMMUv3 faults: for every STE.Config, granule of each stage, kind of fault, access and fault model, the result and
 * every bit of the event record (IHI0070 3.12, 7.3), stalls and what ends them. */
#include "smmu_rig.h"

/* What goes wrong with the translation of one address. */
enum wrong { FINE, NO_ENTRY, BIG_ADDRESS, NO_AF, READ_ONLY, UNREADABLE, DEAD_TABLE, WRONGS };
static const u8 wrong_event[] = {
    0, SMMU_F_TRANSLATION, SMMU_F_ADDR_SIZE, SMMU_F_ACCESS, SMMU_F_PERMISSION, SMMU_F_PERMISSION, SMMU_F_WALK_EABT};

/* What was changed, to change it back. */
static struct {
    u64 at, was;
} spoilt;

static void spoil(const struct tree *t, u64 at_va, enum wrong how, bool stage2)
{
    u64 at = leaf(t, at_va), d = get64(at);
    switch (how) {
    case NO_ENTRY: d = 0; break;
    case BIG_ADDRESS: d |= 1ull << 45; break; /* above the 40 bits of the output size */
    case NO_AF: d &= ~(1ull << 10); break;
    case READ_ONLY: d = stage2 ? d & ~(1ull << 7) : d | 1u << 7; break;
    case UNREADABLE: d = stage2 ? d & ~(3ull << 6) : d & ~(1ull << 6); break; /* for EL0 */
    case DEAD_TABLE: /* the table at the first level leads nowhere */
        at = t->root + 8 * (at_va >> (t->g + (t->g - 3) * (unsigned)(3 - t->level)));
        d = HOLE | 3;
        break;
    default: break;
    }
    spoilt.at = at;
    spoilt.was = get64(at);
    put64(at, d);
}

/* Reads need what writes do not, and the other way round. */
static bool faults(enum wrong how, enum smmu_op op, bool inst, bool stage2)
{
    if (how == READ_ONLY)
        return op != SMMU_READ;
    if (how == UNREADABLE && stage2 && inst)
        return false; /* execution does not ask whether it can be read */
    if (how == UNREADABLE && !stage2 && inst)
        return false;
    return how != FINE;
}

enum model { TERMINATE, SILENT, RAZ, RAZ_SILENT, STALLS, STALL_OF_PCI, MODELS };
/* CD.{A,R,S} in bits 46:44 and STE.{S2R,S2S} in bits 58:57 */
static const u8 ars[] = {6, 4, 2, 0, 7, 7}, s2rs[] = {2, 0, 2, 0, 3, 3};

static const u64 va = 0x123450000ull, ipa = 0x2345a0000ull, pa = DATA + 0x10000;
static struct tree t1, t2;

static void tables(unsigned config, unsigned g1, unsigned g2)
{
    next_table = TABLES;
    t1 = tree1(g1), t2 = tree2(g2);
    if (config & 1)
        map(&t1, va, config == 7 ? ipa : pa, S1_PAGE);
    if (config & 2)
        map(&t2, ipa, pa, S2_PAGE);
    if (config == 7) { /* the tables and the descriptor themselves */
        for (u64 a = RAM; a < DATA; a += 1ull << t2.g)
            map(&t2, a, a, S2_PAGE);
        for (u64 a = HOLE; a < HOLE + 0x10000; a += 1ull << t2.g)
            map(&t2, a, a, S2_PAGE);
    }
    make_cd(0, &t1, 9, 0);
    make_ste(config, &t2, 3, 0, 0);
}

static void flip(u64 at, u64 clear, u64 set) { put64(at, (get64(at) & ~clear) | set); }

static void narrow(enum wrong how, unsigned stage)
{
    if (how == BIG_ADDRESS && stage == 1)
        flip(CDS_AT, 7ull << 32, 2ull << 32); /* IPS: 40 bits */
    if (how == BIG_ADDRESS && stage == 2)
        flip(STRTAB + 64 * SID + 16, 7ull << 48, 2ull << 48);
}

/* One access to a spoiled translation: its result and its record, bit by bit. */
static unsigned checks;
static void check(unsigned stage, u64 in, enum wrong how, enum smmu_op op, bool inst, enum model m)
{
    u64 before = 0x1111, put = 0x2222;
    checks++;
    bool two = stage == 2, bad = faults(how, op, inst, two), translation = how != DEAD_TABLE;
    put64(pa, before);
    enum smmu_result r = transact(op, in, put, inst, m != STALL_OF_PCI);
    bool stalled = bad && m == STALLS && translation;
    bool raz = bad && !two && (m == RAZ || m == RAZ_SILENT) && translation;
    ck_assert_int_eq(r, !bad || raz ? SMMU_DONE : stalled ? SMMU_STALLED : SMMU_ABORTED);
    ck_assert_uint_eq(get64(pa), bad || op == SMMU_READ ? before : op == SMMU_ADD ? before + put : put);
    if (op != SMMU_WRITE && r == SMMU_DONE)
        ck_assert_uint_eq(word_of(&last), raz ? 0 : before);
    bool silent = translation && (m == SILENT || m == RAZ_SILENT);
    ck_assert_uint_eq(next_event(), bad && !silent ? wrong_event[how] : 0);
    if (!bad || silent)
        return;
    u64 class = how == DEAD_TABLE && !two ? 1 : 2;
    u64 word1 = (u64)(op == SMMU_READ) << 35 | (u64)(inst && op == SMMU_READ) << 34 | (u64)two << 39 | class << 40;
    if (class == 1 && how != DEAD_TABLE)
        word1 |= 1ull << 44;
    u64 stag = event[1] & 0xffff;
    if (stalled)
        word1 |= 1u << 31 | stag;
    ck_assert_uint_eq(event[0], wrong_event[how] | (u64)SID << 32);
    ck_assert_uint_eq(event[1], word1);
    ck_assert_uint_eq(event[2], in);
    if (how == DEAD_TABLE)
        ck_assert_uint_eq(event[3] & ~0xffffull, HOLE);
    else
        ck_assert_uint_eq(event[3], two ? ipa : 0);
    if (stalled) {
        command(0x44 | (u64)SID << 32 | 2u << 12, stag); /* terminate with an abort */
        ck_assert_int_eq(heard.how, SMMU_ABORTED);
    }
}

START_TEST(test_every)
{
    static const unsigned granules[] = {12, 14, 16};
    static const struct {
        enum smmu_op op;
        bool inst;
    } ways[] = {{SMMU_READ, false}, {SMMU_READ, true}, {SMMU_WRITE, false}, {SMMU_SWAP, false}, {SMMU_ADD, false}};
    for (unsigned config = 5; config <= 7; config++)
        for (unsigned g = 0; g < 9; g++)
            for (unsigned stage = 1; stage <= 2; stage++)
                for (enum wrong how = FINE; how < WRONGS; how++)
                    for (enum model m = TERMINATE; m < MODELS; m++) {
                        if (!(config & stage))
                            continue;
                        if (stage == 1 + !(config & 1) && how == FINE && m == TERMINATE)
                            tables(config, granules[g % 3], granules[g / 3]);
                        make_cd(0, &t1, 9, 0);
                        make_ste(config, &t2, 3, 0, 0);
                        flip(CDS_AT, 7ull << 44,
                             (u64)(ars[m] & 1) << 44 | (u64)(ars[m] >> 1 & 1) << 45 | (u64)(ars[m] >> 2) << 46);
                        if (config & 2)
                            flip(STRTAB + 64 * SID + 16, 3ull << 57,
                                 (u64)(s2rs[m] & 1) << 57 | (u64)(s2rs[m] >> 1) << 58);
                        narrow(how, stage);
                        spoil(stage == 1 ? &t1 : &t2, stage == 1 ? va : ipa, how, stage == 2);
                        flush();
                        for (unsigned k = 0; k < ARRAY_LEN(ways); k++)
                            check(stage, config == 6 ? ipa : va, how, ways[k].op, ways[k].inst, m);
                        put64(spoilt.at, spoilt.was);
                    }
    ck_assert_uint_eq(checks, 4 * 9 * WRONGS * MODELS * ARRAY_LEN(ways)); /* 7560 */
}
END_TEST

/* Config 0b0xx and 0b100: abort in silence, and as it came up to the output size. */
START_TEST(test_no_translation)
{
    for (unsigned config = 0; config <= 4; config++)
        for (enum smmu_op op = SMMU_READ; op <= SMMU_ADD; op++) {
            ste((u64[8]){1 | config << 1});
            flush();
            put64(pa, 7);
            ck_assert_int_eq(transact(op, pa, 9, false, true), config == 4 ? SMMU_DONE : SMMU_ABORTED);
            ck_assert_uint_eq(next_event(), 0);
            ck_assert_int_eq(transact(op, 1ull << 48 | 0x40, 9, false, true), SMMU_ABORTED);
            ck_assert_uint_eq(next_event(), config == 4 ? SMMU_F_ADDR_SIZE : 0);
            if (config == 4) {
                ck_assert_uint_eq(event[1], (u64)(op == SMMU_READ) << 35 | 2ull << 40);
                ck_assert_uint_eq(event[2], 1ull << 48 | 0x40);
            }
        }
}
END_TEST

/* A stage 2 fault on the way to the descriptor and to the tables of stage 1 may stall, too. */
START_TEST(test_stall_of_fetches)
{
    u64 v[2];
    tables(7, 12, 12);
    flip(STRTAB + 64 * SID + 16, 3ull << 57, 3ull << 57);
    for (unsigned k = 0; k < 2; k++) {
        u64 at = leaf(&t2, k ? t1.root : CDS_AT), was = get64(at);
        put64(at, 0);
        flush();
        ck_assert_int_eq(transact(SMMU_READ, va, 0, false, true), SMMU_STALLED);
        ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
        ck_assert_uint_eq(event[1] & ~0xffffull, 1u << 31 | 1ull << 35 | 1ull << 39 | (u64)k << 40 | (u64)k << 44);
        ck_assert_uint_eq(event[3], k ? t1.root : CDS_AT);
        put64(at, was);
        put64(pa, 0x77);
        command(0x44 | (u64)SID << 32 | 1u << 12, event[1] & 0xffff);
        ck_assert_int_eq(heard.how, SMMU_DONE);
        memcpy(v, heard.access.data, 8);
        ck_assert_uint_eq(v[0], 0x77);
    }
}
END_TEST

static void stalling(void)
{
    tables(5, 12, 12);
    flip(CDS_AT, 7ull << 44, 7ull << 44);
    put64(leaf(&t1, va), 0);
    flush();
}

/* Retry, terminate, and commands that name nothing. */
START_TEST(test_resume)
{
    stalling();
    unsigned stag[3];
    for (unsigned k = 0; k < 3; k++) {
        ck_assert_int_eq(transact(k == 1 ? SMMU_WRITE : SMMU_READ, va + 8 * k, 0x40 + k, false, true), SMMU_STALLED);
        ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
        stag[k] = event[1] & 0xffff;
    }
    ck_assert(stag[0] != stag[1] && stag[1] != stag[2] && stag[0] != stag[2]);
    command(0x44 | (u64)(SID + 1) << 32 | 1u << 12, stag[0]); /* another stream */
    command(0x44 | (u64)SID << 32 | 1u << 12, 0x1234);        /* no such tag */
    ck_assert_uint_eq(heard.done, 0);
    command(0x44 | (u64)SID << 32 | 1u << 12, stag[0]); /* faults again, with a new event */
    ck_assert_uint_eq(heard.done, 0);
    ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
    stag[0] = event[1] & 0xffff;
    command(0x44 | (u64)SID << 32, stag[2]); /* terminated: reads of zero */
    ck_assert_uint_eq(heard.done, 1);
    ck_assert_int_eq(heard.how, SMMU_DONE);
    ck_assert_uint_eq(word_of(&heard.access), 0);
    map(&t1, va, pa, S1_PAGE);
    put64(pa, 0x99);
    command(0x44 | (u64)SID << 32 | 1u << 12, stag[0]);
    ck_assert_uint_eq(word_of(&heard.access), 0x99);
    command(0x44 | (u64)SID << 32 | 1u << 12, stag[1]);
    ck_assert_uint_eq(get64(pa + 8), 0x41);
    ck_assert_uint_eq(heard.done, 3);
    ck_assert_uint_eq(next_event(), 0);
    command(0x44 | (u64)SID << 32 | 1u << 12, stag[1]); /* over already */
    ck_assert_uint_eq(heard.done, 3);
}
END_TEST

START_TEST(test_stall_term)
{
    stalling();
    for (unsigned k = 0; k < 4; k++)
        ck_assert_int_eq(transact(SMMU_READ, va, 0, false, true), SMMU_STALLED);
    command(0x45 | (u64)(SID + 1) << 32, 0);
    ck_assert_uint_eq(heard.done, 0);
    command(0x45 | (u64)SID << 32, 0);
    ck_assert_uint_eq(heard.done, 4);
    ck_assert_int_eq(heard.how, SMMU_ABORTED);
    ck_assert_int_eq(transact(SMMU_READ, va, 0, false, true), SMMU_STALLED);
    reg32(CR0, 12); /* the end of SMMUEN is the end of them all */
    ck_assert_uint_eq(heard.done, 5);
    ck_assert_int_eq(heard.how, SMMU_ABORTED);
}
END_TEST

/* Events of stalls are never lost: they wait for room, and do not overflow the queue. */
START_TEST(test_stall_queue)
{
    stalling();
    for (unsigned k = 0; k < 10; k++) /* eight fit */
        ck_assert_int_eq(transact(SMMU_READ, va + 8 * k, 0, false, true), SMMU_STALLED);
    ck_assert_uint_eq(rd32(EPROD) >> 31, 0);
    for (unsigned k = 0; k < 10; k++) {
        ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
        ck_assert_uint_eq(event[2], va + 8 * k);
    }
    ck_assert_uint_eq(next_event(), 0);
    for (unsigned k = 10; k < 64; k++) {
        ck_assert_int_eq(transact(SMMU_READ, va, 0, false, true), SMMU_STALLED);
        (void)next_event();
    }
    ck_assert_int_eq(transact(SMMU_READ, va, 0, false, true), SMMU_BUSY); /* IDR5.STALL_MAX */
    ck_assert_uint_eq(rd32(0x14) >> 16, 64);
    ck_assert_uint_eq(next_event(), 0);
    reg32(CR0, 12);
    ck_assert_uint_eq(heard.done, 64);
    /* one that waits for a disabled queue finds the translation mended */
    reg32(CR0, 9);
    ck_assert_int_eq(transact(SMMU_READ, va, 0, false, true), SMMU_STALLED);
    map(&t1, va, pa, S1_PAGE);
    put64(pa, 0x55);
    reg32(CR0, 13);
    ck_assert_uint_eq(heard.done, 65);
    ck_assert_uint_eq(word_of(&heard.access), 0x55);
    ck_assert_uint_eq(next_event(), 0);
}
END_TEST

/* S1STALLD, and the Secure world's NSSTALLD, which takes stalls out of IDR0. */
START_TEST(test_no_stalls)
{
    teardown();
    start(&(struct smmu_config){.secure = true});
    stalling();
    flip(STRTAB + 64 * SID + 8, 0, 1u << 27);
    flush();
    ck_assert_int_eq(transact(SMMU_READ, va, 0, false, true), SMMU_ABORTED);
    ck_assert_uint_eq(next_event(), SMMU_C_BAD_CD);
    flip(CDS_AT, 1ull << 44, 0);
    flush();
    ck_assert_int_eq(transact(SMMU_READ, va, 0, false, true), SMMU_ABORTED);
    ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
    const struct txn secure = {.space = PAS_S, .privileged = true};
    const u64 nsstalld[2] = {1u << 9};
    ck_assert_uint_eq(rd32(0) >> 24 & 3, 0);
    ck_assert_int_eq(bus_dev_write(smmu_device(s), &secure, 0x8020, 4, nsstalld), BUS_OK);
    ck_assert_uint_eq(rd32(0) >> 24 & 3, 1);
    flush();
    ck_assert_int_eq(transact(SMMU_READ, va, 0, false, true), SMMU_ABORTED);
    ck_assert_uint_eq(next_event(), SMMU_C_BAD_STE); /* S1STALLD is reserved now */
    flip(STRTAB + 64 * SID + 8, 1u << 27, 0);
    flip(CDS_AT, 0, 1ull << 44);
    flush();
    ck_assert_int_eq(transact(SMMU_READ, va, 0, false, true), SMMU_ABORTED);
    ck_assert_uint_eq(next_event(), SMMU_C_BAD_CD);
    tables(6, 12, 12);
    flip(STRTAB + 64 * SID + 16, 0, 1ull << 57);
    flush();
    ck_assert_int_eq(transact(SMMU_READ, ipa, 0, false, true), SMMU_ABORTED);
    ck_assert_uint_eq(next_event(), SMMU_C_BAD_STE);
    command(0x44 | (u64)SID << 32, 0);
    ck_assert_uint_eq(rd32(CONS) >> 24, 1);
}
END_TEST

/* A stalled access survives in a snapshot. */
START_TEST(test_stall_state)
{
    stalling();
    ck_assert_int_eq(transact(SMMU_WRITE, va, 0x4242, false, true), SMMU_STALLED);
    ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
    struct device *d = smmu_device(s);
    struct snap save = {.mode = SNAP_SAVE};
    d->ops->state(d, &save);
    d->ops->reset(d);
    struct snap restore = {.mode = SNAP_LOAD, .buf = save.buf, .cap = save.pos};
    d->ops->state(d, &restore);
    ck_assert(!restore.failed);
    map(&t1, va, pa, S1_PAGE);
    command(0x44 | (u64)SID << 32 | 1u << 12, event[1] & 0xffff);
    ck_assert_uint_eq(heard.done, 1);
    ck_assert_uint_eq(get64(pa), 0x4242);
    snap_free(&save);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_every,      test_no_translation, test_stall_of_fetches, test_resume,
                                  test_stall_term, test_stall_queue,    test_no_stalls,        test_stall_state};
    return poke_main("smmu_faults", setup, teardown, tests, ARRAY_LEN(tests));
}
