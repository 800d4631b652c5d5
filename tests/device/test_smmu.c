/* SMMUv3: every STE.Config, stage, granule and kind of fault with its event record (IHI0070 7.3); invalidation commands
 * drop what they name and nothing else; stale entries are used until then; queues, errors, MSIs, both worlds. */
#include "smmu_rig.h"

/* ---- tests -------------------------------------------------------------------------------------- */

START_TEST(test_disabled)
{
    u64 v;
    reg32(CR0, 0);
    put64(DATA, 77);
    ck_assert_int_eq(load(DATA, &v), BUS_OK);
    ck_assert_uint_eq(v, 77);
    ck_assert_int_ne(load(1ull << 48, &v), BUS_OK);
    reg32(GBPA, 1u << 20);
    ck_assert_int_eq(load(DATA, &v), BUS_OK); /* without Update nothing changes */
    reg32(GBPA, 1u << 31 | 1u << 20);
    ck_assert_uint_eq(rd32(GBPA), 1u << 20);
    ck_assert_int_ne(load(DATA, &v), BUS_OK);
    reg32(CR0, 13);
    ck_assert_uint_eq(next_event(), 0);
}
END_TEST

START_TEST(test_stream_table)
{
    u64 v;
    ste((u64[8]){1 | 4 << 1}); /* bypass */
    put64(DATA, 78);
    ck_assert_int_eq(load(DATA, &v), BUS_OK);
    ck_assert_uint_eq(v, 78);
    ck_assert_int_ne(load(1ull << 48, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_F_ADDR_SIZE);
    ck_assert_uint_eq(event[2], 1ull << 48);
    ste((u64[8]){1}); /* abort: silent, once the old entry is gone */
    ck_assert_int_eq(load(DATA, &v), BUS_OK);
    command(3 | (u64)SID << 32, 1);
    ck_assert_int_ne(load(DATA, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), 0);
    ste((u64[8]){0});
    command(3 | (u64)SID << 32, 1);
    ck_assert_int_ne(load(DATA, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_C_BAD_STE);
    dma.txn.stream = 16;
    ck_assert_int_ne(load(DATA, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_C_BAD_STREAMID);
    reg32(0x2c, 0); /* read-only while the SMMU is enabled */
    ck_assert_uint_eq(rd32(0x2c), 2);
    reg32(CR0, 12);
    reg32(0x2c, 0); /* not recorded without RECINVSID */
    reg32(CR0, 13);
    ck_assert_int_ne(load(DATA, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), 0);
}
END_TEST

START_TEST(test_two_level_stream_table)
{
    u64 v;
    reg32(CR0, 0);
    reg32(0x88, 12 | 6 << 6 | 1 << 16);
    reg32(CR0, 13);
    put64(STRTAB, L2 | 7); /* 64 entries */
    put64(STRTAB + 8, L2 | 1);
    put64(STRTAB + 16, HOLE | 7);
    for (unsigned i = 0; i < 8; i++)
        put64(L2 + 64 * SID + 8 * i, i ? 0 : 1 | 4 << 1);
    ck_assert_int_eq(load(DATA, &v), BUS_OK);
    dma.txn.stream = 64 + 1; /* past the span */
    ck_assert_int_ne(load(DATA, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_C_BAD_STREAMID);
    dma.txn.stream = 128 + 3;
    ck_assert_int_ne(load(DATA, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_F_STE_FETCH);
    ck_assert_uint_eq(event[3], HOLE + 64 * 3);
    dma.txn.stream = 192;
    ck_assert_int_ne(load(DATA, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_C_BAD_STREAMID);
}
END_TEST

/* Illegal entries and descriptors: one change each to legal ones. */
START_TEST(test_illegal)
{
    struct tree t1 = tree1(12), t2 = tree2(12);
    static const struct {
        unsigned config, word, bit;
    } bad[] = {
        {7, 2, 51 /* S2AA64 */},    {6, 2, 39 /* SL0 = 3 */},  {6, 2, 37 /* T0SZ */},
        {5, 1, 30 /* STRW = 1 */},  {5, 0, 63 /* S1CDMax */},  {6, 3, 48 /* TTB */},
        {5, 0, 50 /* S1Context */}, {5, 1, 29 /* EATS = 2 */}, {6, 1, 29 /* EATS = 2 */},
    };
    u64 v;
    make_cd(0, &t1, 1, 0);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        make_ste(bad[i].config, &t2, 1, 0, 0);
        u64 at = STRTAB + 64 * SID + 8 * bad[i].word;
        put64(at, get64(at) ^ 1ull << bad[i].bit);
        flush();
        ck_assert_int_ne(load(0x1000, &v), BUS_OK);
        ck_assert_uint_eq(next_event(), SMMU_C_BAD_STE);
    }
    static const u8 bits_of_cd[] = {31 /* V */, 41 /* AA64 */, 4 /* T0SZ */};
    make_ste(5, NULL, 0, 0, 0);
    for (unsigned i = 0; i < ARRAY_LEN(bits_of_cd); i++) {
        make_cd(0, &t1, 1, 0);
        put64(CDS_AT, get64(CDS_AT) ^ 1ull << bits_of_cd[i]);
        flush();
        ck_assert_int_ne(load(0x1000, &v), BUS_OK);
        ck_assert_uint_eq(next_event(), SMMU_C_BAD_CD);
    }
}
END_TEST

/* What goes wrong with the translation of one address. */
enum wrong { FINE, NO_ENTRY, BIG_ADDRESS, NO_AF, READ_ONLY };
static const u8 wrong_event[] = {0, SMMU_F_TRANSLATION, SMMU_F_ADDR_SIZE, SMMU_F_ACCESS, SMMU_F_PERMISSION};

static void spoil(const struct tree *t, u64 va, enum wrong how, bool stage2)
{
    u64 at = leaf(t, va), d = get64(at);
    switch (how) {
    case NO_ENTRY: d = 0; break;
    case BIG_ADDRESS: d |= 1ull << 45; break; /* above the 40 bits of the output size */
    case NO_AF: d &= ~(1ull << 10); break;
    case READ_ONLY: d = stage2 ? d & ~(1ull << 7) : d | 1u << 7; break;
    default: break;
    }
    put64(at, d);
}

/* Config x granule x stage x fault. */
START_TEST(test_faults)
{
    static const unsigned granules[] = {12, 14, 16};
    const u64 va = 0x123450000ull, ipa = 0x2345a0000ull, pa = DATA + 0x10000;
    for (unsigned config = 5; config <= 7; config++)
        for (unsigned g = 0; g < 9; g++)
            for (unsigned stage = 1; stage <= 2; stage++)
                for (enum wrong how = FINE; how <= READ_ONLY; how++) {
                    if (!(config & stage))
                        continue;
                    next_table = TABLES;
                    struct tree t1 = tree1(granules[g % 3]), t2 = tree2(granules[g / 3]);
                    bool both = config == 7;
                    u64 in = config == 6 ? ipa : va;
                    if (config & 1)
                        map(&t1, va, both ? ipa : pa, S1_PAGE);
                    if (config & 2)
                        map(&t2, ipa, pa, S2_PAGE);
                    if (both) /* the tables and the descriptor themselves */
                        for (u64 a = RAM; a < DATA; a += 1ull << t2.g)
                            map(&t2, a, a, S2_PAGE);
                    make_cd(0, &t1, 9, 0);
                    if (how == BIG_ADDRESS && stage == 1)
                        put64(CDS_AT, (get64(CDS_AT) & ~(7ull << 32)) | 2ull << 32); /* IPS: 40 bits */
                    make_ste(config, &t2, 3, 0, 0);
                    if (how == BIG_ADDRESS && stage == 2)
                        put64(STRTAB + 64 * SID + 16, (get64(STRTAB + 64 * SID + 16) & ~(7ull << 48)) | 2ull << 48);
                    spoil(stage == 1 ? &t1 : &t2, stage == 1 ? va : ipa, how, stage == 2);
                    flush();
                    u64 v = 0;
                    put64(pa, 0x1111);
                    ck_assert_int_eq(store(in, 0x2222) == BUS_OK, how == FINE);
                    ck_assert_uint_eq(get64(pa), how == FINE ? 0x2222 : 0x1111);
                    ck_assert_uint_eq(next_event(), wrong_event[how]);
                    if (how != FINE) {
                        ck_assert_uint_eq(event[2], in);
                        ck_assert_uint_eq(event[1] >> 39 & 1, stage == 2);
                        ck_assert_uint_eq(event[1] >> 40 & 3, 2); /* CLASS: the input */
                        ck_assert_uint_eq(event[1] >> 35 & 1, 0); /* a write */
                        ck_assert_uint_eq(event[3], stage == 2 ? ipa : 0);
                    }
                    ck_assert_int_eq(load(in, &v) == BUS_OK, how == FINE || how == READ_ONLY);
                    ck_assert_uint_eq(next_event(), how == READ_ONLY ? 0 : wrong_event[how]);
                }
}
END_TEST

/* A stage 2 fault of the context descriptor, of a table, and tables that do not answer. */
START_TEST(test_fetch_faults)
{
    struct tree t1 = tree1(12), t2 = tree2(12);
    u64 v;
    map(&t1, 0x5000, DATA, S1_PAGE);
    make_cd(0, &t1, 1, 0);
    make_ste(7, &t2, 1, 0, 0);
    flush();
    ck_assert_int_ne(load(0x5000, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
    ck_assert_uint_eq(event[1] >> 40 & 3, 0); /* CLASS: CD */
    ck_assert_uint_eq(event[3], CDS_AT);
    map(&t2, CDS_AT, CDS_AT, S2_PAGE);
    ck_assert_int_ne(load(0x5000, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
    ck_assert_uint_eq(event[1] >> 40 & 3, 1); /* CLASS: TT */
    ck_assert_uint_eq(event[3], t1.root);
    map(&t2, CDS_AT, HOLE, S2_PAGE);
    flush();
    ck_assert_int_ne(load(0x5000, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_F_CD_FETCH);
    ck_assert_uint_eq(event[3], HOLE);
    make_cd(0, &(struct tree){12, 48, 0, HOLE}, 1, 0);
    make_ste(5, NULL, 1, 0, 0);
    flush();
    ck_assert_int_ne(load(0x5000, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_F_WALK_EABT);
    ck_assert_uint_eq(event[3], HOLE);
}
END_TEST

/* CD.A and CD.R, S2R. */
START_TEST(test_terminate)
{
    struct tree t1 = tree1(12), t2 = tree2(12);
    u64 v = 7;
    make_ste(5, NULL, 0, 0, 0);
    make_cd(0, &t1, 1, 0);
    put64(CDS_AT, get64(CDS_AT) & ~(1ull << 46)); /* A = 0: reads of zero */
    flush();
    ck_assert_int_eq(load(0x5000, &v), BUS_OK);
    ck_assert_uint_eq(v, 0);
    ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
    put64(CDS_AT, get64(CDS_AT) & ~(1ull << 45)); /* R = 0: no record */
    flush();
    ck_assert_int_eq(store(0x5000, 1), BUS_OK);
    ck_assert_uint_eq(next_event(), 0);
    make_ste(6, &t2, 0, 0, 0);
    put64(STRTAB + 64 * SID + 16, get64(STRTAB + 64 * SID + 16) & ~(1ull << 58));
    flush();
    ck_assert_int_ne(store(0x5000, 1), BUS_OK);
    ck_assert_uint_eq(next_event(), 0);
}
END_TEST

START_TEST(test_substreams)
{
    struct tree a = tree1(12), b = tree1(12);
    u64 v;
    map(&a, 0x5000, DATA, S1_PAGE);
    map(&b, 0x5000, DATA + 0x1000, S1_PAGE);
    put64(DATA, 100);
    put64(DATA + 0x1000, 101);
    make_cd(0, &a, 1, 0);
    make_cd(3, &b, 2, 0);
    make_ste(5, NULL, 0, 2ull << 59, 2); /* four substreams, those without one use 0 */
    ck_assert_int_eq(load(0x5000, &v), BUS_OK);
    ck_assert_uint_eq(v, 100);
    dma.txn.substream = 3;
    ck_assert_int_eq(load(0x5000, &v), BUS_OK);
    ck_assert_uint_eq(v, 101);
    dma.txn.substream = 4;
    ck_assert_int_ne(load(0x5000, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_C_BAD_SUBSTREAMID);
    ck_assert_uint_eq(event[0] >> 11 & 1, 1);
    ck_assert_uint_eq(event[0] >> 12 & 0xfffff, 4);
    dma.txn.substream = 0;
    make_ste(5, NULL, 0, 2ull << 59, 0); /* S1DSS = 0 */
    flush();
    ck_assert_int_ne(load(0x5000, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_F_STREAM_DISABLED);
    make_ste(5, NULL, 0, 2ull << 59, 1); /* bypass */
    flush();
    ck_assert_int_eq(load(DATA, &v), BUS_OK);
    ck_assert_uint_eq(v, 100);
    /* two levels of descriptors */
    put64(L2, CDS_AT | 1);
    make_ste(5, NULL, 0, 0, 2);
    put64(STRTAB + 64 * SID, 1 | 5 << 1 | 1 << 4 | L2 | 7ull << 59);
    flush();
    dma.txn.substream = 3;
    ck_assert_int_eq(load(0x5000, &v), BUS_OK);
    ck_assert_uint_eq(v, 101);
    dma.txn.substream = 64;
    ck_assert_int_ne(load(0x5000, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_C_BAD_SUBSTREAMID);
}
END_TEST

/* Which of the pieces below each TLBI command drops. A stale piece leads to the old page. */
START_TEST(test_invalidate)
{
    static const struct {
        u64 w0, w1;
        unsigned drops; /* mask of the four accesses */
    } cases[] = {
        {0x10 | 3ull << 32, 0, 0x7},                                          /* NH_ALL, VMID 3 */
        {0x10 | 4ull << 32, 0, 0},                                            /* another VMID */
        {0x11 | 3ull << 32 | 9ull << 48, 0, 0x3},                             /* NH_ASID: not the global page */
        {0x11 | 3ull << 32 | 8ull << 48, 0, 0},                               /* another ASID */
        {0x12 | 3ull << 32 | 9ull << 48, 0x10000, 0x1},                       /* NH_VA */
        {0x12 | 3ull << 32 | 8ull << 48, 0x10000, 0},                         /* another ASID */
        {0x12 | 3ull << 32 | 8ull << 48, 0x30000, 0x4},                       /* ... but a global page */
        {0x13 | 3ull << 32, 0x20000, 0x2},                                    /* NH_VAA */
        {0x12 | 3ull << 32 | 9ull << 48 | 16u << 12, 0x10000 | 1 << 10, 0x3}, /* a range of 17 pages */
        {0x12 | 3ull << 32 | 9ull << 48 | 15u << 12, 0x10000 | 1 << 10, 0x1}, /* of 16 */
        {0x12 | 3ull << 32 | 9ull << 48 | 4u << 20, 0x20000 | 1 << 10, 0x2},  /* scaled: 16 pages */
        {0x28 | 3ull << 32, 0, 0xf},                                          /* S12_VMALL */
        {0x2a | 3ull << 32, 0x10000, 0},                                      /* S2_IPA: not the pieces with stage 1 */
        {0x2a | 3ull << 32, 0x40000, 0x8},                                    /* stage 2 alone */
        {0x2a | 4ull << 32, 0x40000, 0},
        {0x30, 0, 0xf}, /* NSNH_ALL */
        {0x20, 0, 0},   /* EL2_ALL */
        {0x46, 0, 0},   /* SYNC */
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        next_table = TABLES;
        struct tree t1 = tree1(12), t2 = tree2(12);
        u64 v;
        make_cd(0, &t1, 9, 0);
        make_ste(5, NULL, 3, 0, 0);
        make_ste(6, &t2, 3, 0, 0);
        for (unsigned k = 0; k < 8; k++)
            put64(STRTAB + 64 * (SID + 1) + 8 * k, get64(STRTAB + 64 * SID + 8 * k));
        make_ste(5, NULL, 3, 0, 0);
        flush();
        for (unsigned p = 0; p < 4; p++) {
            put64(DATA + 0x1000 * p, 10 + p);
            put64(DATA + 0x10000 + 0x1000 * p, 20 + p);
            u64 va = 0x10000 * (p + 1);
            if (p < 3)
                map(&t1, va, DATA + 0x1000 * p, S1_PAGE | (p < 2 ? 1u << 11 : 0) /* nG */);
            else
                map(&t2, va, DATA + 0x1000 * p, S2_PAGE);
            dma.txn.stream = p < 3 ? SID : SID + 1;
            ck_assert_int_eq(load(va, &v), BUS_OK);
            ck_assert_uint_eq(v, 10 + p);
            put64(leaf(p < 3 ? &t1 : &t2, va), get64(leaf(p < 3 ? &t1 : &t2, va)) + 0x10000);
        }
        command(cases[i].w0, cases[i].w1);
        for (unsigned p = 0; p < 4; p++) {
            dma.txn.stream = p < 3 ? SID : SID + 1;
            ck_assert_int_eq(load(0x10000 * (p + 1), &v), BUS_OK);
            ck_assert_msg(v == (cases[i].drops >> p & 1 ? 20 : 10) + p, "case %u, page %u: %llu", i, p,
                          (unsigned long long)v);
        }
        ck_assert_uint_eq(rd32(CONS), rd32(PROD));
    }
}
END_TEST

/* CFGI commands reach the structures that they name. */
START_TEST(test_config_cache)
{
    struct tree a = tree1(12), b = tree1(12);
    u64 v;
    map(&a, 0x5000, DATA, S1_PAGE);
    map(&b, 0x5000, DATA + 0x1000, S1_PAGE);
    put64(DATA, 100);
    put64(DATA + 0x1000, 101);
    make_cd(0, &a, 1, 0);
    make_ste(5, NULL, 0, 0, 0);
    static const struct {
        u64 w0, w1;
        bool drops;
    } cases[] = {
        {5 | (u64)SID << 32, 1, true},
        {5 | (u64)SID << 32 | 1u << 12, 1, false},
        {6 | (u64)SID << 32, 0, true},
        {6 | (u64)(SID + 1) << 32, 0, false},
        {3 | (u64)SID << 32, 1, true},
        {3 | 1ull << 32, 1, false},
        {4 | 4ull << 32, 0, true},
        {4 | 6ull << 32, 0, false},
        {4, 31, true},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        make_cd(0, &a, 1, 0);
        flush();
        ck_assert_int_eq(load(0x5000, &v), BUS_OK);
        ck_assert_uint_eq(v, 100);
        make_cd(0, &b, 2, 0);
        command(cases[i].w0, cases[i].w1);
        ck_assert_int_eq(load(0x5000, &v), BUS_OK);
        ck_assert_msg(v == (cases[i].drops ? 101u : 100u), "case %u", i);
    }
}
END_TEST

/* Access flag and dirty state by hardware; TBI; overridden privilege; PAN-free EL2 stream world. */
START_TEST(test_attributes)
{
    struct tree t1 = tree1(12);
    u64 v, at;
    map(&t1, 0x5000, DATA, (S1_PAGE & ~(1 << 10)) | 1 << 7 | 1ull << 51); /* AF = 0, read-only, DBM */
    at = leaf(&t1, 0x5000);
    make_cd(0, &t1, 1, 3ull << 42 | 1ull << 38); /* HA, HD, TBI0 */
    make_ste(5, NULL, 0, 0, 0);
    ck_assert_int_eq(load(0x5000, &v), BUS_OK);
    ck_assert_uint_eq(get64(at) >> 10 & 1, 1);
    ck_assert_uint_eq(get64(at) >> 7 & 1, 1);
    ck_assert_int_eq(store(0xaa00000000005000, 5), BUS_OK);
    ck_assert_uint_eq(get64(at) >> 7 & 1, 0);
    ck_assert_uint_eq(get64(DATA), 5);
    map(&t1, 0x6000, DATA, S1_PAGE & ~(1 << 6)); /* privileged only */
    ck_assert_int_ne(load(0x6000, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_F_PERMISSION);
    ck_assert_uint_eq(event[1] >> 33 & 1, 0);
    make_ste(5, NULL, 0, 0, 3ull << 48); /* PRIVCFG: privileged */
    flush();
    ck_assert_int_eq(load(0x6000, &v), BUS_OK);
    make_ste(5, NULL, 0, 0, 2ull << 30); /* STRW: EL2, where all accesses are privileged */
    flush();
    ck_assert_int_eq(load(0x6000, &v), BUS_OK);
    put64(leaf(&t1, 0x6000), 0);
    command(0x30, 0);
    ck_assert_int_eq(load(0x6000, &v), BUS_OK); /* not what NSNH names */
    command(0x22, 0x6000);
    ck_assert_int_ne(load(0x6000, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
}
END_TEST

START_TEST(test_queues)
{
    u64 v;
    ste((u64[8]){0});
    for (unsigned i = 0; i < 9; i++) { /* eight fit */
        ck_assert_int_ne(load(0x1000 + i, &v), BUS_OK);
        ck_assert_uint_eq(rd32(EPROD) >> 31, i == 8);
    }
    ck_assert_uint_eq(edges[0], 1); /* from empty to not empty */
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(next_event(), SMMU_C_BAD_STE);
    ck_assert_uint_eq(next_event(), 0);
    reg32(ECONS, rd32(ECONS) ^ 1u << 31);
    ck_assert_int_ne(load(0, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_C_BAD_STE);
    /* CMD_SYNC by wire and by MSI */
    command(0x46 | 1 << 12, 0);
    ck_assert_uint_eq(edges[1], 1);
    command(0x46 | 1 << 12 | 0x1234ull << 32, MSI_AT);
    ck_assert_uint_eq(get64(MSI_AT), 0x1234);
    /* an illegal command stops the queue until it is acknowledged */
    command(0xff, 0);
    command(0x46 | 1 << 12 | 0x5678ull << 32, MSI_AT);
    ck_assert_uint_eq(rd32(GERROR), 1);
    ck_assert_uint_eq(edges[2], 1);
    ck_assert_uint_eq(rd32(CONS) >> 24, 1);
    ck_assert_uint_eq(get64(MSI_AT), 0x1234);
    put64(CMDQ + 16 * ((prod - 2) & 63), 0x46);
    reg32(GERRORN, 1);
    ck_assert_uint_eq(get64(MSI_AT), 0x5678);
    ck_assert_uint_eq(rd32(CONS) & 0xfffff, rd32(PROD));
    /* queues that do not answer */
    reg32(CR0, 0);
    reg64(0xa0, HOLE | 3);
    reg32(CR0, 13);
    ck_assert_int_ne(load(0, &v), BUS_OK);
    ck_assert_uint_eq(rd32(GERROR) ^ rd32(GERRORN), 4);
    reg32(GERRORN, rd32(GERROR));
    reg64(0x90, HOLE | 6); /* read-only while the queue is enabled */
    reg32(CR0, 1);
    reg64(0x90, HOLE | 6);
    reg32(CR0, 13);
    reg32(PROD, prod + 1);
    ck_assert_uint_eq(rd32(GERROR) ^ rd32(GERRORN), 1);
    ck_assert_uint_eq(rd32(CONS) >> 24, 2);
}
END_TEST

/* Saved and loaded, caches and all. */
START_TEST(test_state)
{
    struct tree t1 = tree1(12);
    u64 v;
    map(&t1, 0x5000, DATA, S1_PAGE);
    put64(DATA, 100);
    make_cd(0, &t1, 1, 0);
    make_ste(5, NULL, 0, 0, 0);
    ck_assert_int_eq(load(0x5000, &v), BUS_OK);
    struct device *d = smmu_device(s);
    struct snap save = {.mode = SNAP_SAVE};
    u64 hash = device_hash(d);
    d->ops->state(d, &save);
    put64(leaf(&t1, 0x5000), 0);
    d->ops->reset(d);
    ck_assert_uint_eq(rd32(CR0), 0);
    struct snap restore = {.mode = SNAP_LOAD, .buf = save.buf, .cap = save.pos};
    d->ops->state(d, &restore);
    ck_assert(!restore.failed);
    ck_assert_uint_eq(device_hash(d), hash);
    ck_assert_int_eq(load(0x5000, &v), BUS_OK); /* the stale translation is back */
    snap_free(&save);
    poke_everything(d, 0x110, 1);
}
END_TEST

/* The Secure interface: its own stream table and queues, invisible to Non-secure accesses. */
START_TEST(test_secure)
{
    teardown();
    start(&(struct smmu_config){.secure = true});
    struct device *d = smmu_device(s);
    const struct txn secure = {.space = PAS_S, .privileged = true};
    u64 val[2] = {1u << 20 | 1u << 31};
    ck_assert_uint_eq(rd32(0x8004), 0);
    ck_assert_int_eq(bus_dev_write(d, &secure, 0x8044, 4, val), BUS_OK);
    ck_assert_int_eq(bus_dev_read(d, &secure, 0x8044, 4, val), BUS_OK);
    ck_assert_uint_eq(val[0], 1u << 20);
    ck_assert_int_eq(bus_dev_read(d, &secure, 0x8004, 4, val), BUS_OK);
    ck_assert_uint_eq(val[0], 5u << 29 | 16); /* SECURE_IMPL, SEL2 */
    reg32(0x8044, 1u << 31);                  /* ignored */
    ck_assert_int_eq(bus_dev_read(d, &secure, 0x8044, 4, val), BUS_OK);
    ck_assert_uint_eq(val[0], 1u << 20);
    u64 v;
    ste((u64[8]){1 | 4 << 1});
    ck_assert_int_eq(load(DATA, &v), BUS_OK);
    dma.txn.space = PAS_S; /* S_GBPA.ABORT */
    ck_assert_int_ne(load(DATA, &v), BUS_OK);
}
END_TEST

/* Registers that an enable bit guards keep their value while it is set (6.2). */
START_TEST(test_guards)
{
    static const struct {
        u64 off;
        u32 cr0, irq, val;
    } rows[] = {{0x28, 1, 0, 0xfff},  {0x2c, 1, 0, 4},    {0x80, 1, 0, 0x1000}, {0x88, 1, 0, 7},
                {0x90, 8, 0, 7},      {0x9c, 8, 0, 3},    {0xa0, 4, 0, 7},      {EPROD, 4, 0, 3},
                {0xc0, 2, 0, 7},      {0x100c8, 2, 0, 3}, {0x68, 0, 1, 0x1000}, {0x70, 0, 1, 0x55},
                {0xb0, 0, 4, 0x1000}, {0xb8, 0, 4, 0x55}, {0xd0, 0, 2, 0x1000}, {0xdc, 0, 2, 0x80000000},
                {0x44, 0, 0, 0},      {ECONS, 0, 0, 1},   {0x100cc, 0, 0, 1},   {PROD, 0, 0, 0}};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        reg32(CR0, 0);
        reg32(0x50, 0);
        u32 before = rd32(rows[i].off);
        reg32(CR0, rows[i].cr0);
        reg32(0x50, rows[i].irq);
        reg32(rows[i].off, rows[i].val);
        if (rows[i].cr0 || rows[i].irq)
            ck_assert_msg(rd32(rows[i].off) == before, "0x%llx is not guarded", (unsigned long long)rows[i].off);
        reg32(CR0, 0);
        reg32(0x50, 0);
        reg32(rows[i].off, rows[i].val);
        if (rows[i].val)
            ck_assert_msg(rd32(rows[i].off) == rows[i].val, "0x%llx", (unsigned long long)rows[i].off);
    }
    /* page 1 alone has the indices of the output queues */
    ck_assert_uint_eq(rd32(0xa8), 0);
    ck_assert_uint_eq(rd32(0xc8), 0);
}
END_TEST

/* MSIs that are aborted are global errors, which have an interrupt of their own (7.5). */
START_TEST(test_msi_aborts)
{
    u64 v;
    reg32(0x50, 0);
    reg64(0x68, MSI_AT); /* GERROR: memory; events: nothing */
    reg32(0x70, 0x99);
    reg64(0xb0, HOLE);
    reg32(0x50, 5);
    ste((u64[8]){0});
    ck_assert_int_ne(load(0x1000, &v), BUS_OK);
    ck_assert_uint_eq(next_event(), SMMU_C_BAD_STE); /* which is written all the same */
    ck_assert_uint_eq(rd32(GERROR), 1 << 5);
    ck_assert_uint_eq(get64(MSI_AT), 0x99);
    ck_assert_uint_eq(edges[0] + edges[2], 0); /* no wires beside MSIs */
    command(0x46 | 1 << 12 | 0x1234ull << 32, HOLE);
    ck_assert_uint_eq(rd32(GERROR), 1 << 5 | 1 << 4);
    reg32(GERRORN, rd32(GERROR));
    reg32(0x50, 0);
    reg64(0x68, HOLE);
    reg32(0x50, 5);
    command(0x46 | 1 << 12 | 0x1234ull << 32, HOLE);
    ck_assert_uint_eq(rd32(GERROR) ^ rd32(GERRORN), 1 << 7 | 1 << 4);
}
END_TEST

/* SMMUEN = 0: GBPA says how accesses look, and CR0.SMMUEN = 1 what the entry makes of privilege and kind. */
static struct txn looked;
static enum bus_result look(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    (void)d, (void)off, (void)size;
    looked = *t;
    *val = 0;
    return BUS_OK;
}
static void nothing(struct device *d, struct snap *sn) { (void)d, (void)sn; }

START_TEST(test_overrides)
{
    static const struct device_ops watcher_ops = {.name = "watcher", .read = look, .state = nothing};
    struct device watcher = {.ops = &watcher_ops, .id = "watcher", .log = &lg};
    struct bus *old = bus;
    struct bus *with = bus_new(&lg);
    bus_map_ram(with, 1 << PAS_NS, RAM, RAM_SIZE, "ram");
    bus_map_device(with, 1 << PAS_NS, HOLE, 0x1000, &watcher);
    bus_seal(with);
    struct smmu *first = s;
    const struct smmu_config c = {.id = "smmu", .log = &lg, .bus = with, .oas = 48, .sid_bits = 16};
    bus = with;
    s = smmu_new(&c);
    dma = smmu_dma(s, SID);
    for (unsigned i = 0; i < 16; i++) {
        unsigned priv = i & 3, inst = i >> 2;
        u32 v;
        dma.txn.privileged = i & 1;
        reg32(CR0, 0);
        reg32(GBPA, 1u << 31 | inst << 18 | priv << 16);
        ck_assert_int_eq(dma_read(&dma, HOLE, &v, 4), BUS_OK);
        ck_assert_uint_eq(looked.privileged, priv & 2 ? priv & 1 : i & 1);
        ck_assert_uint_eq(looked.instruction, inst == 3);
        reg64(0x80, STRTAB);
        reg32(0x88, LOG2);
        ste((u64[8]){1 | 4 << 1, (u64)inst << 50 | (u64)priv << 48});
        smmu_device(s)->ops->reset(smmu_device(s));
        reg64(0x80, STRTAB);
        reg32(0x88, LOG2);
        reg32(CR0, 1);
        ck_assert_int_eq(dma_read(&dma, HOLE, &v, 4), BUS_OK);
        ck_assert_uint_eq(looked.privileged, priv & 2 ? priv & 1 : i & 1);
        ck_assert_uint_eq(looked.instruction, inst == 3);
    }
    device_free(smmu_device(s));
    bus_free(with);
    s = first;
    bus = old;
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_disabled,     test_stream_table, test_two_level_stream_table,
                                  test_illegal,      test_faults,       test_fetch_faults,
                                  test_terminate,    test_substreams,   test_invalidate,
                                  test_config_cache, test_attributes,   test_queues,
                                  test_state,        test_secure,       test_guards,
                                  test_msi_aborts,   test_overrides};
    return poke_main("smmu", setup, teardown, tests, ARRAY_LEN(tests));
}
