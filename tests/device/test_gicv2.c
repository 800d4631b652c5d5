/* GICv2 without CPUs: banked registers, SGIs with sources, groups and AckCtl, security views, GICv2m. */
#include "gic_rig.h"

static u32 c_rd(struct rig *r, unsigned cpu, u64 off) { return (u32)rd_as(r, GIC_CPUIF, cpu, false, off, 4); }
static void c_wr(struct rig *r, unsigned cpu, u64 off, u32 v) { wr_as(r, GIC_CPUIF, cpu, false, off, 4, v); }

enum {
    CTLR = 0,
    PMR = 4,
    BPR = 8,
    IAR = 0xc,
    EOIR = 0x10,
    RPR = 0x14,
    HPPIR = 0x18,
    ABPR = 0x1c,
    AIAR = 0x20,
    AEOIR = 0x24,
    AHPPIR = 0x28,
    APR = 0xd0,
    NSAPR = 0xe0,
    DIR = 0x1000
};

static void linux_up(struct rig *r)
{
    wr(r, GIC_DIST, 0, 0);
    for (u32 i = 32; i < 288; i += 4) {
        wr(r, GIC_DIST, 0x400 + i, 0xa0a0a0a0);
        wr(r, GIC_DIST, 0x800 + i, 0x01010101);
    }
    wr(r, GIC_DIST, 0, 1);
    for (unsigned c = 0; c < RIG_CPUS; c++) {
        for (u32 i = 0; i < 32; i += 4)
            wr_as(r, GIC_DIST, c, false, 0x400 + i, 4, 0xa0a0a0a0);
        c_wr(r, c, PMR, 0xf0);
        c_wr(r, c, CTLR, 1);
    }
}

static bool bit_of(struct rig *r, u32 block, u32 intid)
{
    return rd(r, GIC_DIST, block + intid / 32 * 4) >> intid % 32 & 1;
}

START_TEST(test_identification)
{
    struct rig r;
    rig_up(&r, 2, false, true);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 4), 3u << 5 | 8);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0xfe8), 0x2b);
    ck_assert_uint_eq(c_rd(&r, 0, 0xfc), 0x2043b);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x100), 0xffff);
    for (unsigned c = 0; c < RIG_CPUS; c++)
        ck_assert_uint_eq(rd_as(&r, GIC_DIST, c, false, 0x800, 4), 0x01010101u << c);
    ck_assert_ptr_null(gic_device(r.g, GIC_REDIST));
    ck_assert_ptr_nonnull(gic_device(r.g, GIC_HYP));
    rig_down(&r);
    rig_up(&r, 2, true, false);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 4) >> 10 & 1, 1);
    ck_assert_ptr_null(gic_device(r.g, GIC_HYP));
    rig_down(&r);
}
END_TEST

START_TEST(test_spi)
{
    struct rig r;
    rig_up(&r, 2, false, false);
    linux_up(&r);
    wr(&r, GIC_DIST, 0x104, 1u << 5);
    irq_set(&r.spi[5], true);
    ck_assert(r.wire[0][GIC_IRQ] && !r.wire[0][GIC_FIQ] && !r.wire[1][GIC_IRQ]);
    wr_as(&r, GIC_DIST, 0, false, 0x800 + 37, 1, 0x6); /* CPUs 1 and 2 */
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x800 + 36), 0x01010601);
    ck_assert(!r.wire[0][GIC_IRQ] && r.wire[1][GIC_IRQ] && r.wire[2][GIC_IRQ]);
    ck_assert_uint_eq(c_rd(&r, 2, HPPIR), 37);
    ck_assert_uint_eq(c_rd(&r, 2, IAR), 37);
    ck_assert(!r.wire[1][GIC_IRQ] && !r.wire[2][GIC_IRQ]);
    ck_assert_uint_eq(c_rd(&r, 1, IAR), 1023);
    ck_assert_uint_eq(c_rd(&r, 2, RPR), 0xa0);
    ck_assert_uint_eq(c_rd(&r, 2, APR), 1u << 20);
    irq_set(&r.spi[5], false);
    c_wr(&r, 2, EOIR, 37);
    ck_assert(!r.wire[1][GIC_IRQ] && !bit_of(&r, 0x300, 37));
    ck_assert_uint_eq(c_rd(&r, 2, RPR), 0xff);
    rig_down(&r);
}
END_TEST

START_TEST(test_edge_while_active)
{
    struct rig r;
    rig_up(&r, 2, false, false);
    linux_up(&r);
    wr(&r, GIC_DIST, 0xc00 + 4 * 2, 2u << 10);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0xc08), 2u << 10);
    wr(&r, GIC_DIST, 0x104, 1u << 5);
    c_wr(&r, 0, CTLR, 1 | 1 << 9); /* EOImode 1, as KVM and Xen use it */
    irq_set(&r.spi[5], true);
    irq_set(&r.spi[5], false);
    ck_assert_uint_eq(c_rd(&r, 0, IAR), 37);
    c_wr(&r, 0, EOIR, 37);
    ck_assert(bit_of(&r, 0x300, 37));
    irq_set(&r.spi[5], true); /* arrives while active */
    irq_set(&r.spi[5], false);
    ck_assert(bit_of(&r, 0x200, 37) && !r.wire[0][GIC_IRQ]);
    c_wr(&r, 0, DIR, 37);
    ck_assert(!bit_of(&r, 0x300, 37) && r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(c_rd(&r, 0, IAR), 37);
    c_wr(&r, 0, EOIR, 37);
    c_wr(&r, 0, DIR, 37);
    ck_assert(!r.wire[0][GIC_IRQ]);
    rig_down(&r);
}
END_TEST

START_TEST(test_sgi)
{
    struct rig r;
    rig_up(&r, 2, false, false);
    linux_up(&r);
    wr_as(&r, GIC_DIST, 1, false, 0xf00, 4, 0xc << 16 | 3); /* CPU 1 to 2 and 3 */
    wr_as(&r, GIC_DIST, 0, false, 0xf00, 4, 1u << 24 | 3);  /* CPU 0 to all others */
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 2, false, 0xf20, 4), 0x03000000);
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 1, false, 0xf20, 4), 0x01000000);
    ck_assert_uint_eq(c_rd(&r, 2, HPPIR), 3);
    ck_assert_uint_eq(c_rd(&r, 2, IAR), 3);
    ck_assert(!r.wire[2][GIC_IRQ]);
    c_wr(&r, 2, EOIR, 3);
    ck_assert(r.wire[2][GIC_IRQ]);
    ck_assert_uint_eq(c_rd(&r, 2, IAR), 1u << 10 | 3);
    c_wr(&r, 2, EOIR, 1u << 10 | 3);
    ck_assert(!r.wire[2][GIC_IRQ]);
    wr_as(&r, GIC_DIST, 3, false, 0xf13, 1, 1); /* clear CPU 0's, leaves CPU 1's */
    ck_assert_uint_eq(c_rd(&r, 3, IAR), 1u << 10 | 3);
    wr_as(&r, GIC_DIST, 3, false, 0xf00, 4, 2u << 24 | 4); /* to itself */
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 3, false, 0x200, 4), 1u << 4);
    wr_as(&r, GIC_DIST, 3, false, 0x280, 4, 1u << 4); /* SGIs: only by CPENDSGIR */
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 3, false, 0x200, 4), 1u << 4);
    rig_down(&r);
}
END_TEST

START_TEST(test_groups)
{
    struct rig r;
    rig_up(&r, 2, false, false);
    linux_up(&r);
    wr(&r, GIC_DIST, 0, 3);
    c_wr(&r, 0, CTLR, 3 | 1 << 3); /* both groups, Group 0 as FIQ */
    wr(&r, GIC_DIST, 0x84, 2);     /* 33: Group 1 */
    wr(&r, GIC_DIST, 0x104, 3);
    irq_set(&r.spi[1], true);
    ck_assert(r.wire[0][GIC_IRQ] && !r.wire[0][GIC_FIQ]);
    ck_assert_uint_eq(c_rd(&r, 0, IAR), 1022);
    ck_assert_uint_eq(c_rd(&r, 0, HPPIR), 1022);
    ck_assert_uint_eq(c_rd(&r, 0, AHPPIR), 33);
    irq_set(&r.spi[0], true);
    ck_assert(!r.wire[0][GIC_IRQ] && r.wire[0][GIC_FIQ]);
    ck_assert_uint_eq(c_rd(&r, 0, AIAR), 1023);
    ck_assert_uint_eq(c_rd(&r, 0, IAR), 32);
    irq_set(&r.spi[0], false);
    c_wr(&r, 0, EOIR, 32);
    ck_assert_uint_eq(c_rd(&r, 0, AIAR), 33);
    ck_assert_uint_eq(c_rd(&r, 0, NSAPR), 1u << 20);
    ck_assert_uint_eq(c_rd(&r, 0, APR), 0);
    c_wr(&r, 0, AEOIR, 33);
    ck_assert(r.wire[0][GIC_IRQ]);
    c_wr(&r, 0, CTLR, 3 | 1 << 2); /* AckCtl */
    ck_assert_uint_eq(c_rd(&r, 0, IAR), 33);
    c_wr(&r, 0, EOIR, 33);
    c_wr(&r, 0, BPR, 0);
    c_wr(&r, 0, ABPR, 0);
    ck_assert_uint_eq(c_rd(&r, 0, BPR), 2);
    ck_assert_uint_eq(c_rd(&r, 0, ABPR), 3);
    rig_down(&r);
}
END_TEST

START_TEST(test_security)
{
    struct rig r;
    rig_up(&r, 2, true, false);
    wr_as(&r, GIC_DIST, 0, true, 0, 4, 3);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0), 1);
    wr(&r, GIC_DIST, 0, 0);
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 0, true, 0, 4), 1);
    wr(&r, GIC_DIST, 0, 1);
    wr(&r, GIC_DIST, 0x84, ~0u);
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 0, true, 0x84, 4), 0);
    wr_as(&r, GIC_DIST, 0, true, 0x84, 4, 2);
    wr(&r, GIC_DIST, 0x104, 3);
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 0, true, 0x104, 4), 2);
    wr_as(&r, GIC_DIST, 0, true, 0x104, 4, 1);
    wr_as(&r, GIC_DIST, 0, true, 0x420, 4, 0x40);
    wr(&r, GIC_DIST, 0x420, 0xa0a0);
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 0, true, 0x420, 4), 0xd040);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x420), 0xa000);
    wr_as(&r, GIC_DIST, 0, true, 0x820, 4, 0x0101);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x820), 0x0100);

    /* CPU interface: Non-secure PMR only in its half */
    c_wr(&r, 0, PMR, 0xf0);
    ck_assert_uint_eq(rd_as(&r, GIC_CPUIF, 0, true, PMR, 4), 0);
    wr_as(&r, GIC_CPUIF, 0, true, PMR, 4, 0xff);
    c_wr(&r, 0, PMR, 0xe0);
    ck_assert_uint_eq(rd_as(&r, GIC_CPUIF, 0, true, PMR, 4), 0xf0);
    wr_as(&r, GIC_CPUIF, 0, true, CTLR, 4, 0xb); /* groups, FIQEn */
    ck_assert_uint_eq(c_rd(&r, 0, CTLR), 1);
    c_wr(&r, 0, CTLR, 0x201);
    ck_assert_uint_eq(rd_as(&r, GIC_CPUIF, 0, true, CTLR, 4), 0x40b);
    c_wr(&r, 0, CTLR, 1);
    irq_set(&r.spi[1], true);
    ck_assert(r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(c_rd(&r, 0, IAR), 33);
    ck_assert_uint_eq(c_rd(&r, 0, RPR), 0xa0);
    ck_assert_uint_eq(c_rd(&r, 0, APR), 1u << 10);
    ck_assert_uint_eq(c_rd(&r, 0, NSAPR), 0);
    irq_set(&r.spi[0], true);
    ck_assert(r.wire[0][GIC_FIQ]);
    ck_assert_uint_eq(c_rd(&r, 0, IAR), 1023);
    ck_assert_uint_eq(rd_as(&r, GIC_CPUIF, 0, true, IAR, 4), 32);
    ck_assert_uint_eq(c_rd(&r, 0, RPR), 0);
    c_wr(&r, 0, EOIR, 32);
    ck_assert_uint_eq(rd_as(&r, GIC_CPUIF, 0, true, APR, 4), 1u << 8);
    wr_as(&r, GIC_CPUIF, 0, true, EOIR, 4, 32);
    c_wr(&r, 0, EOIR, 33);
    ck_assert_uint_eq(c_rd(&r, 0, RPR), 0xff);

    /* SGIs: Non-secure raises only Group 1 */
    wr(&r, GIC_DIST, 0xf00, 1 << 16 | 1);
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 0, true, 0x200, 4), 0);
    wr_as(&r, GIC_DIST, 0, true, 0x80, 4, 2);
    wr(&r, GIC_DIST, 0xf00, 1 << 16 | 1);
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 0, true, 0x200, 4), 2);
    wr_as(&r, GIC_DIST, 0, true, 0xf00, 4, 1 << 16 | 1 << 15 | 2); /* NSATT, but 2 is Group 0 */
    wr_as(&r, GIC_DIST, 0, true, 0xf00, 4, 1 << 16 | 3);
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 0, true, 0x200, 4), 2 | 8);
    rig_down(&r);
}
END_TEST

START_TEST(test_debug_reads)
{
    struct rig r;
    rig_up(&r, 2, false, false);
    linux_up(&r);
    wr(&r, GIC_DIST, 0x104, 1u << 5);
    irq_set(&r.spi[5], true);
    struct txn t = rig_txn(0, false);
    t.debug = true;
    struct device *d = gic_device(r.g, GIC_CPUIF);
    u64 v;
    d->ops->read(d, &t, IAR, 4, &v);
    ck_assert_uint_eq(v, 37);
    d->ops->write(d, &t, CTLR, 4, 0);
    ck_assert(r.wire[0][GIC_IRQ] && !bit_of(&r, 0x300, 37));
    rig_down(&r);
}
END_TEST

START_TEST(test_v2m)
{
    struct rig r;
    rig_up(&r, 2, false, false);
    linux_up(&r);
    struct device *m = gicv2m_new(r.g, 80, 64, "v2m", &r.log);
    struct txn t = rig_txn(0, false);
    u64 v;
    m->ops->read(m, &t, 8, 4, &v);
    ck_assert_uint_eq(v, 80 << 16 | 64);
    wr(&r, GIC_DIST, 0xc00 + 4 * 5, 2); /* INTID 80: edge */
    wr(&r, GIC_DIST, 0x108, 1u << 16);
    m->ops->write(m, &t, 0x40, 4, 80);
    ck_assert(r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(c_rd(&r, 0, IAR), 80);
    m->ops->write(m, &t, 0x40, 4, 144); /* outside */
    m->ops->write(m, &t, 0x40, 4, 79);
    ck_assert_uint_eq(r.log.guest_errors, 2);
    m->ops->destroy(m);
    rig_down(&r);
}
END_TEST

SUITE("gicv2", test_identification, test_spi, test_edge_while_active, test_sgi, test_groups, test_security,
      test_debug_reads, test_v2m)
