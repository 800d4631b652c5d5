/* LPIs and the ITS: tables in RAM, commands, MSIs. */
#include "gic_rig.h"

enum {
    PROP = 0x10000,
    PENDT = 0x20000,
    QUEUE = 0x100000,
    DEVT = 0x110000,
    COLT = 0x120000,
    ITT = 0x130000,
    L2 = 0x140000
};
#define VALID (1ull << 63)

struct its_rig {
    struct rig r;
    struct device *its;
    u64 w; /* CWRITER */
};

static u64 its_rd(struct its_rig *i, u64 off, unsigned size)
{
    struct txn t = rig_txn(0, false);
    u64 v;
    i->its->ops->read(i->its, &t, off, size, &v);
    return v;
}
static void its_wr(struct its_rig *i, u64 off, unsigned size, u64 v)
{
    struct txn t = rig_txn(0, false);
    i->its->ops->write(i->its, &t, off, size, v);
}
static void msi(struct its_rig *i, u32 device, u32 event)
{
    struct txn t = rig_txn(TXN_DMA, false);
    t.stream = device;
    i->its->ops->write(i->its, &t, 0x10040, 4, event);
}

static void cmd(struct its_rig *i, u64 a, u64 b, u64 c, u64 d)
{
    u64 q[4] = {a, b, c, d};
    memcpy(i->r.ram + QUEUE + i->w, q, 32);
    i->w = (i->w + 32) % 0x1000;
    its_wr(i, 0x88, 8, i->w);
    ck_assert_uint_eq(its_rd(i, 0x90, 8), i->w);
}
static void mapd(struct its_rig *i, u32 dev, u64 itt, u32 bits, bool v)
{
    cmd(i, 8 | (u64)dev << 32, bits - 1, itt | (v ? VALID : 0), 0);
}
static void mapc(struct its_rig *i, u32 icid, u64 rd, bool v) { cmd(i, 9, 0, icid | rd << 16 | (v ? VALID : 0), 0); }
static void mapti(struct its_rig *i, u32 dev, u32 ev, u32 intid, u32 icid)
{
    cmd(i, 10 | (u64)dev << 32, ev | (u64)intid << 32, icid, 0);
}
static void event(struct its_rig *i, u32 op, u32 dev, u32 ev, u32 icid) { cmd(i, op | (u64)dev << 32, ev, icid, 0); }

static void up(struct its_rig *i, bool indirect)
{
    memset(i, 0, sizeof *i);
    struct rig *r = &i->r;
    r->ram_size = 0x200000;
    r->ram = calloc(1, r->ram_size);
    rig_up_cfg(r, (struct gic_config){
                      .version = 3, .lpis = true, .dma = {.read = rig_dma_read, .write = rig_dma_write, .arg = r}});
    i->its = gic_its_new(r->g, "its", &r->log);
    wr(r, GIC_DIST, 0, 2);
    for (unsigned c = 0; c < RIG_CPUS; c++) {
        u32 b = c * 0x20000;
        wr(r, GIC_REDIST, b + 0x14, 0);
        wr_as(r, GIC_REDIST, 0, false, b + 0x70, 8, PROP | 15);
        wr_as(r, GIC_REDIST, 0, false, b + 0x78, 8, (PENDT + c * 0x10000ull) | 1ull << 62);
        wr(r, GIC_REDIST, b, 1);
        ck_assert_uint_eq(rd(r, GIC_REDIST, b), 3);
        icc_w(r, c, SR_ICC_PMR_EL1, 0xf8);
        icc_w(r, c, SR_ICC_IGRPEN1_EL1, 1);
    }
    its_wr(i, 0x80, 8, VALID | QUEUE);
    its_wr(i, 0x100, 8, VALID | (indirect ? 1ull << 62 : 0) | DEVT);
    its_wr(i, 0x108, 8, VALID | COLT | 0x100);
    its_wr(i, 0, 4, 1);
    mapc(i, 0, 0, true);
    mapc(i, 1, 1, true);
}

static void down(struct its_rig *i)
{
    free(i->its);
    rig_down(&i->r);
}

static void config(struct its_rig *i, u32 intid, u8 v) { i->r.ram[PROP + intid - 8192] = v; }
static bool pending_bit(struct its_rig *i, unsigned cpu, u32 intid)
{
    return i->r.ram[PENDT + cpu * 0x10000 + intid / 8] >> intid % 8 & 1;
}

START_TEST(test_registers)
{
    struct its_rig i;
    up(&i, false);
    ck_assert_uint_eq(rd(&i.r, GIC_DIST, 4) >> 17 & 1, 1);
    ck_assert_uint_eq(rd(&i.r, GIC_REDIST, 8) & 1, 1);
    ck_assert_uint_eq(its_rd(&i, 0, 4), 0x80000001);
    ck_assert_uint_eq(its_rd(&i, 0xffe8, 4), 0x3b);
    ck_assert_uint_eq(its_rd(&i, 8, 8) & 1, 1);
    ck_assert_uint_eq(its_rd(&i, 0x100, 8) >> 48 & 0xff1f, 0x8107); /* valid, device, 8 bytes */
    ck_assert_uint_eq(its_rd(&i, 0x108, 8) >> 56 & 7, 4);
    ck_assert_uint_eq(its_rd(&i, 0x110, 8), 0);
    its_wr(&i, 0x80, 8, 0); /* locked while enabled */
    ck_assert_uint_eq(its_rd(&i, 0x80, 8), VALID | QUEUE);
    wr_as(&i.r, GIC_REDIST, 0, false, 0x70, 8, 0);
    ck_assert_uint_eq(rd_as(&i.r, GIC_REDIST, 0, false, 0x70, 8), PROP | 15);
    its_wr(&i, 0, 4, 0);
    its_wr(&i, 0x84, 4, 0x80000000); /* halves */
    its_wr(&i, 0x108, 8, ~0ull);
    ck_assert_uint_eq(its_rd(&i, 0x108, 8), 0xbce7fffffffffeff);
    down(&i);
}
END_TEST

START_TEST(test_msi)
{
    struct its_rig i;
    up(&i, false);
    struct rig *r = &i.r;
    config(&i, 8200, 0xa1);
    config(&i, 8201, 0x81);
    msi(&i, 8, 3); /* not mapped yet */
    ck_assert_uint_eq(r->log.guest_errors, 1);
    mapd(&i, 8, ITT, 3, true);
    mapti(&i, 8, 3, 8200, 1);
    mapti(&i, 8, 4, 8201, 1);
    mapti(&i, 8, 8, 8202, 1); /* event out of range */
    ck_assert_uint_eq(r->log.guest_errors, 2);
    msi(&i, 8, 3);
    ck_assert(!r->wire[0][GIC_IRQ] && r->wire[1][GIC_IRQ]);
    ck_assert(pending_bit(&i, 1, 8200));
    msi(&i, 8, 4);
    ck_assert_uint_eq(icc(r, 1, SR_ICC_HPPIR1_EL1), 8201);
    ck_assert_uint_eq(icc(r, 1, SR_ICC_IAR1_EL1), 8201);
    ck_assert(!pending_bit(&i, 1, 8201) && !r->wire[1][GIC_IRQ]);
    ck_assert_uint_eq(icc(r, 1, SR_ICC_RPR_EL1), 0x80);
    icc_w(r, 1, SR_ICC_EOIR1_EL1, 8201);
    ck_assert(r->wire[1][GIC_IRQ]);
    ck_assert_uint_eq(icc(r, 1, SR_ICC_IAR1_EL1), 8200);
    msi(&i, 8, 3); /* no active state: pending again at once */
    ck_assert(pending_bit(&i, 1, 8200) && !r->wire[1][GIC_IRQ]);
    icc_w(r, 1, SR_ICC_EOIR1_EL1, 8200);
    ck_assert(r->wire[1][GIC_IRQ]);
    /* disabled, then INV */
    config(&i, 8200, 0xa0);
    event(&i, 0x0c, 8, 3, 0);
    ck_assert(!r->wire[1][GIC_IRQ]);
    config(&i, 8200, 0xa1);
    cmd(&i, 0x0d, 0, 1, 0);
    ck_assert(r->wire[1][GIC_IRQ]);
    event(&i, 0x04, 8, 3, 0); /* CLEAR */
    ck_assert(!r->wire[1][GIC_IRQ] && !pending_bit(&i, 1, 8200));
    event(&i, 0x03, 8, 3, 0); /* INT */
    ck_assert(r->wire[1][GIC_IRQ]);
    event(&i, 0x01, 8, 3, 0); /* MOVI to collection 0 */
    ck_assert(!r->wire[1][GIC_IRQ] && r->wire[0][GIC_IRQ]);
    ck_assert(pending_bit(&i, 0, 8200) && !pending_bit(&i, 1, 8200));
    cmd(&i, 0x0e, 0, 0ull << 16, 2ull << 16); /* MOVALL CPU 0 to CPU 2 */
    ck_assert(!r->wire[0][GIC_IRQ] && r->wire[2][GIC_IRQ]);
    mapc(&i, 0, 2, true);
    event(&i, 0x0f, 8, 3, 0); /* DISCARD */
    ck_assert(!r->wire[2][GIC_IRQ]);
    u64 errors = r->log.guest_errors;
    msi(&i, 8, 3);
    ck_assert_uint_eq(r->log.guest_errors, errors + 1);
    mapd(&i, 8, 0, 1, false);
    msi(&i, 8, 4);
    ck_assert_uint_eq(r->log.guest_errors, errors + 2);
    /* the queue wraps */
    for (int n = 0; n < 200; n++)
        cmd(&i, 5, 0, 0, 0);
    down(&i);
}
END_TEST

START_TEST(test_indirect)
{
    struct its_rig i;
    up(&i, true);
    config(&i, 8300, 1);
    mapd(&i, 0x1003, ITT, 1, true); /* no second-level page yet */
    ck_assert_uint_eq(i.r.log.guest_errors, 1);
    u64 l1 = VALID | L2;
    memcpy(i.r.ram + DEVT + 8 * (0x1003 / 512), &l1, 8);
    mapd(&i, 0x1003, ITT, 1, true);
    cmd(&i, 0x0b | 0x1003ull << 32, 8300, 0, 0); /* MAPI: event out of range of 1 bit */
    ck_assert_uint_eq(i.r.log.guest_errors, 2);
    mapti(&i, 0x1003, 1, 8300, 0);
    msi(&i, 0x1003, 1);
    ck_assert_uint_eq(icc(&i.r, 0, SR_ICC_IAR1_EL1), 8300);
    down(&i);
}
END_TEST

START_TEST(test_tables_and_stall)
{
    struct its_rig i;
    up(&i, false);
    struct rig *r = &i.r;
    config(&i, 8192, 0x41);
    /* pending bits that software left are found when LPIs are enabled without PTZ */
    wr(r, GIC_REDIST, 0x60000, 0);
    ck_assert_uint_eq(rd(r, GIC_REDIST, 0x60000) & 1, 0);
    r->ram[PENDT + 0x30000 + 1024] = 1;
    wr_as(r, GIC_REDIST, 0, false, 0x60078, 8, PENDT + 0x30000);
    wr(r, GIC_REDIST, 0x60000, 1);
    ck_assert(r->wire[3][GIC_IRQ]);
    ck_assert_uint_eq(icc(r, 3, SR_ICC_IAR1_EL1), 8192);
    ck_assert_uint_eq(r->ram[PENDT + 0x30000 + 1024], 0);
    /* a queue outside of memory */
    its_wr(&i, 0, 4, 0);
    its_wr(&i, 0x80, 8, VALID | 0x800000);
    its_wr(&i, 0, 4, 1);
    its_wr(&i, 0x88, 8, 0x40);
    ck_assert_uint_eq(its_rd(&i, 0x90, 8), 1);
    its_wr(&i, 0, 4, 0);
    its_wr(&i, 0x80, 8, VALID | QUEUE);
    ck_assert_uint_eq(its_rd(&i, 0x90, 8), 0);
    /* state */
    struct snap s = {.mode = SNAP_SAVE};
    i.its->ops->state(i.its, &s);
    i.its->ops->reset(i.its);
    ck_assert_uint_eq(its_rd(&i, 0x80, 8), 0);
    struct snap l = {.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
    i.its->ops->state(i.its, &l);
    ck_assert(!l.failed);
    ck_assert_uint_eq(its_rd(&i, 0x80, 8), VALID | QUEUE);
    snap_free(&s);
    down(&i);
}
END_TEST

SUITE("gic_its", test_registers, test_msi, test_indirect, test_tables_and_stall)
