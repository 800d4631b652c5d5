/* The DMA engine: transactions of every kind with any StreamID and SubstreamID, waiting, its translation cache, page
 * requests; with and without an SMMU. */
#include "smmu/dma_engine.h"
#include "smmu_rig.h"

static struct device *engine;
static const u64 va = 0x123450000ull, pa = DATA + 0x10000;
static struct tree t1;

static void begin(void)
{
    setup();
    engine = dma_engine_new("dma", &lg, bus, s);
    next_table = TABLES;
    t1 = tree1(12);
    map(&t1, va, pa, S1_PAGE);
    make_cd(0, &t1, 9, 0);
    make_cd(3, &t1, 9, 0);
    make_ste(5, NULL, 0, 2ull << 59, 1ull << 28 | 2);
    flush();
}
static void finish(void)
{
    device_free(engine);
    teardown();
}

static u32 go(unsigned op, u64 addr, u32 length, u32 flags)
{
    poke(engine, DMA_ENGINE_ADDR, 8, addr);
    poke32(engine, DMA_ENGINE_STREAM, SID);
    poke32(engine, DMA_ENGINE_LENGTH, length);
    poke32(engine, DMA_ENGINE_FLAGS, flags);
    poke32(engine, DMA_ENGINE_GO, op);
    return peek32(engine, DMA_ENGINE_STATUS);
}

START_TEST(test_moves)
{
    ck_assert_uint_eq(peek32(engine, DMA_ENGINE_ID), 0x4d444c45);
    ck_assert_uint_eq(peek32(engine, DMA_ENGINE_STATUS), DMA_ENGINE_IDLE);
    put64(pa, 0x1122334455667788);
    ck_assert_uint_eq(go(DMA_ENGINE_READ, va, 64, 0), DMA_ENGINE_DONE);
    ck_assert_uint_eq(peek32(engine, DMA_ENGINE_DATA), 0x55667788);
    poke32(engine, DMA_ENGINE_DATA, 1);
    poke32(engine, DMA_ENGINE_DATA + 4, 0);
    ck_assert_uint_eq(go(DMA_ENGINE_ADD, va, 8, 0), DMA_ENGINE_DONE);
    ck_assert_uint_eq(get64(pa), 0x1122334455667789);
    ck_assert_uint_eq(peek32(engine, DMA_ENGINE_DATA), 0x55667788);
    ck_assert_uint_eq(go(DMA_ENGINE_SWAP, va, 4, 0), DMA_ENGINE_DONE);
    ck_assert_uint_eq(get64(pa), 0x1122334455667788);
    ck_assert_uint_eq(go(DMA_ENGINE_WRITE, va + 8, 4, 0), DMA_ENGINE_DONE);
    ck_assert_uint_eq(get64(pa + 8), 0x55667789);
    /* what is no single transaction */
    ck_assert_uint_eq(go(DMA_ENGINE_WRITE, va, 0, 0), DMA_ENGINE_ABORTED);
    ck_assert_uint_eq(go(DMA_ENGINE_WRITE, va, 65, 0), DMA_ENGINE_ABORTED);
    ck_assert_uint_eq(go(DMA_ENGINE_WRITE, va + 0xff0, 32, 0), DMA_ENGINE_ABORTED);
    ck_assert_uint_eq(go(DMA_ENGINE_SWAP, va, 3, 0), DMA_ENGINE_ABORTED);
    ck_assert_uint_eq(next_event(), 0);
    ck_assert_uint_eq(go(DMA_ENGINE_READ, va + 0x1000, 8, 0), DMA_ENGINE_ABORTED);
    ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
    poke32(engine, DMA_ENGINE_SUBSTREAM, 1u << 31 | 3);
    ck_assert_uint_eq(go(DMA_ENGINE_READ, va, 8, 0), DMA_ENGINE_DONE);
    poke32(engine, DMA_ENGINE_SUBSTREAM, 1u << 31 | 0); /* 0 is for who has none: S1DSS */
    ck_assert_uint_eq(go(DMA_ENGINE_READ, va, 8, 0), DMA_ENGINE_ABORTED);
    ck_assert_uint_eq(next_event(), SMMU_F_STREAM_DISABLED);
}
END_TEST

START_TEST(test_waits)
{
    put64(CDS_AT, get64(CDS_AT) | 1ull << 44);
    put64(leaf(&t1, va), 0);
    flush();
    poke32(engine, DMA_ENGINE_DATA, 0x77);
    poke32(engine, DMA_ENGINE_DATA + 4, 0);
    ck_assert_uint_eq(go(DMA_ENGINE_WRITE, va, 8, 0), DMA_ENGINE_WAITING);
    ck_assert_uint_eq(go(DMA_ENGINE_READ, va, 8, 0), DMA_ENGINE_WAITING); /* one at a time */
    ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
    ck_assert_uint_eq(event[1] >> 31 & 1, 1);
    map(&t1, va, pa, S1_PAGE);
    command(0x44 | (u64)SID << 32 | 1 << 12, event[1] & 0xffff);
    ck_assert_uint_eq(peek32(engine, DMA_ENGINE_STATUS), DMA_ENGINE_DONE);
    ck_assert_uint_eq(get64(pa), 0x77);
    put64(leaf(&t1, va), 0);
    flush();
    ck_assert_uint_eq(go(DMA_ENGINE_READ, va, 8, DMA_ENGINE_IMPATIENT), DMA_ENGINE_ABORTED);
    ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
    ck_assert_uint_eq(event[1] >> 31 & 1, 0);
}
END_TEST

/* The cache goes on with what it was told until CMD_ATC_INV names it. */
START_TEST(test_cache)
{
    put64(pa, 0x11);
    put64(pa + 0x1000, 0x22);
    ck_assert_uint_eq(go(DMA_ENGINE_TRANSLATE, va + 8, 8, 0), DMA_ENGINE_DONE);
    ck_assert_uint_eq(peek(engine, DMA_ENGINE_REPLY_ADDR, 8), pa);
    ck_assert_uint_eq(peek32(engine, DMA_ENGINE_REPLY), 12 << 8 | 3 << 4);
    ck_assert_uint_eq(go(DMA_ENGINE_READ, peek(engine, DMA_ENGINE_REPLY_ADDR, 8), 8, DMA_ENGINE_TRANSLATED),
                      DMA_ENGINE_DONE);
    ck_assert_uint_eq(peek32(engine, DMA_ENGINE_DATA), 0x11);
    static const struct {
        u64 w0, w1;
        bool drops;
    } cases[] = {
        {0x40 | (u64)(SID + 1) << 32, 52, false},
        {0x40 | (u64)SID << 32, va + 0x1000, false},
        {0x40 | (u64)SID << 32 | 1 << 11, 52, false}, /* those with a PASID */
        {0x40 | (u64)SID << 32, va, true},
        {0x40 | (u64)SID << 32, (va & ~0x1fffffull) | 9, true},
        {0x40 | (u64)SID << 32, 52, true},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        map(&t1, va, pa, S1_PAGE);
        flush();
        command(0x40 | (u64)SID << 32, 52);
        u32 before = peek32(engine, DMA_ENGINE_DROPPED);
        ck_assert_uint_eq(go(DMA_ENGINE_READ, va, 8, DMA_ENGINE_CACHED), DMA_ENGINE_DONE);
        map(&t1, va, pa + 0x1000, S1_PAGE);
        flush(); /* the SMMU has forgotten: that is not enough */
        ck_assert_uint_eq(go(DMA_ENGINE_READ, va, 8, DMA_ENGINE_CACHED), DMA_ENGINE_DONE);
        ck_assert_uint_eq(peek32(engine, DMA_ENGINE_DATA), 0x11);
        command(cases[i].w0, cases[i].w1);
        ck_assert_uint_eq(peek32(engine, DMA_ENGINE_DROPPED) - before, cases[i].drops);
        ck_assert_uint_eq(go(DMA_ENGINE_READ, va, 8, DMA_ENGINE_CACHED), DMA_ENGINE_DONE);
        ck_assert_uint_eq(peek32(engine, DMA_ENGINE_DATA), cases[i].drops ? 0x22 : 0x11);
    }
    ck_assert_uint_eq(go(DMA_ENGINE_READ, va + 0x1000, 8, DMA_ENGINE_CACHED), DMA_ENGINE_ABORTED); /* denied */
    ck_assert_uint_eq(next_event(), 0);
}
END_TEST

START_TEST(test_pages)
{
    poke32(engine, DMA_ENGINE_GROUP, 0x123);
    ck_assert_uint_eq(go(DMA_ENGINE_PAGE, va, 0, DMA_ENGINE_LAST), DMA_ENGINE_DONE);
    ck_assert_uint_eq(peek32(engine, DMA_ENGINE_PAGES), 1 | 15 << 16 | 0x123u << 20); /* the queue is off */
    struct device *d = engine;
    poke_everything(d, 0xc0, 1);
    ck_assert_uint_eq(peek32(engine, DMA_ENGINE_STATUS), DMA_ENGINE_IDLE);
}
END_TEST

START_TEST(test_alone)
{
    device_free(engine);
    engine = dma_engine_new("dma", &lg, bus, NULL);
    put64(pa, 5);
    poke32(engine, DMA_ENGINE_DATA, 7);
    ck_assert_uint_eq(go(DMA_ENGINE_ADD, pa, 8, 0), DMA_ENGINE_DONE);
    ck_assert_uint_eq(get64(pa), 12);
    ck_assert_uint_eq(peek32(engine, DMA_ENGINE_DATA), 5);
    ck_assert_uint_eq(go(DMA_ENGINE_READ, HOLE, 8, 0), DMA_ENGINE_ABORTED);
    ck_assert_uint_eq(go(DMA_ENGINE_TRANSLATE, pa, 8, 0), DMA_ENGINE_DONE);
    ck_assert_uint_eq(peek32(engine, DMA_ENGINE_REPLY), SMMU_ATS_UR);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_moves, test_waits, test_cache, test_pages, test_alone};
    return poke_main("dma_engine", begin, finish, tests, ARRAY_LEN(tests));
}
