/* A device given to one guest reaches that guest's memory and nothing else: random reads, writes and atomics, a third
 * inside the guest's RAM, a third within a page of the edges of mappings, a third anywhere in 48 bits, under stage 2
 * and under both stages.  Memory outside is hashed before and after and holds a pattern that must never be read; every
 * transfer that was stopped has its event, or the overflow flag is set.
 *
 * ELARA_TRANSFERS: how many (default 200000; the full size is 10000000). */
#include "smmu_rig.h"

enum { GUEST = DATA, GUEST_SIZE = 0x400000, OUTSIDE = GUEST + GUEST_SIZE };
#define SECRET 0x5ec2e75ec2e75ec2ull
#define IPA    0x80000000ull

static u64 rnd_state = 0x1234567;
static u64 rnd(void)
{
    u64 z = rnd_state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static u64 *words(u64 addr) { return (u64 *)(void *)(bus_ram_base(bus) + (addr - RAM)); }
/* Everything that is not the guest's and that the SMMU itself does not write (the event queue). */
static u64 outside_hash(void)
{
    u64 h = 0;
    for (u64 a = RAM; a < RAM + RAM_SIZE; a += 8)
        if ((a < GUEST || a >= OUTSIDE) && (a < EVTQ || a >= EVTQ + 0x1000))
            h = (h ^ *words(a)) * 0x100000001b3ull + a;
    return h;
}

/* Empties the event queue. */
static u64 drain(void)
{
    u32 p = rd32(EPROD), c = rd32(ECONS);
    u64 n = (p - c) & 15;
    if ((p ^ c) >> 31)
        ck_abort_msg("an event was lost although the queue had room");
    reg32(ECONS, p);
    return n;
}

/* 4 MiB in pieces with holes between them: the first page of every 64 KiB is not mapped, the second is read-only. */
static bool mapped(u64 off) { return off >> 12 & 15; }
static bool writable(u64 off) { return mapped(off) && (off >> 12 & 15) != 1; }

static void give(unsigned config)
{
    struct tree t1 = tree1(12), t2 = tree2(12);
    for (u64 off = 0; off < GUEST_SIZE; off += 0x1000)
        if (mapped(off))
            map(&t2, IPA + off, GUEST + off, writable(off) ? S2_PAGE : S2_PAGE & ~(2 << 6));
    if (config == 7) {
        /* the guest's own tables lead everywhere: to its memory, to memory that is not its, to nothing */
        for (u64 off = 0; off < GUEST_SIZE; off += 0x1000)
            map(&t1, IPA + off, off % 0x5000 ? IPA + off : (off & 0x1000 ? (u64)RAM : (u64)OUTSIDE) + off, S1_PAGE);
        for (u64 a = CDS_AT; a < DATA; a += 0x1000) /* ... and are read through stage 2 */
            map(&t2, a, a, S2_PAGE & ~(2 << 6));
        make_cd(0, &t1, 1, 0);
    }
    make_ste(config, &t2, 1, 0, 0);
    flush();
}

static u64 address(void)
{
    u64 r = rnd();
    switch (r % 3) {
    case 0: return IPA + (r >> 8) % GUEST_SIZE;
    case 1: return IPA + ((r >> 8) % (GUEST_SIZE / 0x1000) * 0x1000) - 0x1000 + (r >> 40) % 0x2000;
    default: return r >> 16;
    }
}

static enum bus_result atomic(u64 at, u8 *buf, u8 size, enum smmu_op op)
{
    struct smmu_access a = {.addr = at, .sid = SID, .op = (u8)op, .size = size};
    memcpy(a.data, buf, size);
    enum smmu_result r = smmu_access(s, &a);
    memcpy(buf, a.data, size);
    return r == SMMU_DONE ? BUS_OK : BUS_SLVERR;
}

static void transfers(unsigned config, u64 n)
{
    u64 stopped = 0, seen = 0;
    for (u64 a = RAM; a < RAM + RAM_SIZE; a += 8)
        if ((a >= OUTSIDE || a >= DATA) && !(a >= GUEST && a < OUTSIDE))
            *words(a) = SECRET;
    give(config);
    u64 before = outside_hash();
    for (u64 i = 0; i < n; i++) {
        u8 buf[64];
        size_t size = 1 + rnd() % sizeof buf;
        u64 at = address(), kind = rnd() % 3, first;
        if (kind == 2) { /* an exchange or an addition, of 4 or 8 bytes */
            size = i & 1 ? 8 : 4;
            at &= ~(u64)(size - 1);
        }
        u64 off = at - IPA;
        memset(buf, 0x11, sizeof buf);
        enum bus_result r = kind == 2   ? atomic(at, buf, (u8)size, i & 2 ? SMMU_ADD : SMMU_SWAP)
                            : kind == 1 ? dma_write(&dma, at, buf, size)
                                        : dma_read(&dma, at, buf, size);
        for (size_t k = 0; k + 8 <= size; k++) {
            memcpy(&first, buf + k, 8);
            if (first == SECRET)
                ck_abort_msg("transfer %llu read memory that is not the guest's", (unsigned long long)i);
        }
        if (config == 6 && off < GUEST_SIZE && (off & 0xfff) + size <= 0x1000)
            if ((r == BUS_OK) != (kind ? writable(off) : mapped(off)))
                ck_abort_msg("transfer %llu of kind %llu at 0x%llx ended with %d", (unsigned long long)i,
                             (unsigned long long)kind, (unsigned long long)at, r);
        stopped += r != BUS_OK;
        if (i % 4 == 3 || i + 1 == n) { /* four fit into the queue with room to spare */
            seen += drain();
            if (seen != stopped)
                ck_abort_msg("%llu transfers stopped, %llu events", (unsigned long long)stopped,
                             (unsigned long long)seen);
        }
    }
    ck_assert_uint_gt(stopped, n / 4);
    ck_assert(outside_hash() == before);
}

static u64 count(void)
{
    const char *n = getenv("ELARA_TRANSFERS");
    return n ? strtoull(n, NULL, 10) : 200000;
}

START_TEST(test_stage2) { transfers(6, count() / 2); }
END_TEST
START_TEST(test_nested) { transfers(7, count() / 2); }
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_stage2, test_nested};
    return poke_main("smmu_isolation", setup, teardown, tests, ARRAY_LEN(tests));
}
