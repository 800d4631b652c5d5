/* GICv3 without CPUs: distributor, redistributors, CPU interface; one and two Security states. */
#include "gic_rig.h"

/* As Linux does it: everything Group 1, priority 0xa0, CPU interfaces open. */
static void linux_up(struct rig *r)
{
    wr(r, GIC_DIST, 0x0, 0);
    for (u32 w = 1; w < 9; w++) {
        wr(r, GIC_DIST, 0x80 + 4 * w, ~0u);
        for (u32 i = 0; i < 8; i++)
            wr(r, GIC_DIST, 0x400 + 32 * w + 4 * i, 0xa0a0a0a0);
    }
    wr(r, GIC_DIST, 0x0, 0x12);
    for (u32 irq = 32; irq < 288; irq++)
        wr_as(r, GIC_DIST, 0, false, 0x6000 + 8 * irq, 8, 0);
    for (unsigned c = 0; c < RIG_CPUS; c++) {
        u32 base = c * 0x20000;
        wr(r, GIC_REDIST, base + 0x14, 0);
        ck_assert_uint_eq(rd(r, GIC_REDIST, base + 0x14), 0);
        wr(r, GIC_REDIST, base + 0x10080, ~0u);
        for (u32 i = 0; i < 8; i++)
            wr(r, GIC_REDIST, base + 0x10400 + 4 * i, 0xa0a0a0a0);
        wr(r, GIC_REDIST, base + 0x10100, 0xffff);
        icc_w(r, c, SR_ICC_PMR_EL1, 0xf0);
        icc_w(r, c, SR_ICC_BPR1_EL1, 0);
        icc_w(r, c, SR_ICC_CTLR_EL1, 0);
        icc_w(r, c, SR_ICC_IGRPEN1_EL1, 1);
    }
}

static void spi_enable(struct rig *r, u32 intid) { wr(r, GIC_DIST, 0x100 + intid / 32 * 4, 1u << intid % 32); }
static void spi_prio(struct rig *r, u32 intid, u8 p) { wr_as(r, GIC_DIST, 0, false, 0x400 + intid, 1, p); }
static void spi_edge(struct rig *r, u32 intid)
{
    wr(r, GIC_DIST, 0xc00 + intid / 16 * 4, rd(r, GIC_DIST, 0xc00 + intid / 16 * 4) | 2u << intid % 16 * 2);
}
static bool active(struct rig *r, u32 intid) { return rd(r, GIC_DIST, 0x300 + intid / 32 * 4) >> intid % 32 & 1; }
static bool pending(struct rig *r, u32 intid) { return rd(r, GIC_DIST, 0x200 + intid / 32 * 4) >> intid % 32 & 1; }

START_TEST(test_identification)
{
    struct rig r;
    rig_up(&r, 3, false, true);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x0), 0x50);     /* DS, ARE */
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x4) & 0x1f, 8); /* 288 interrupts */
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x4) >> 19 & 0x1f, 15);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x8), 0x43b);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0xffe8), 0x3b); /* ArchRev 3 */
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0xfff0), 0x0d);
    ck_assert_uint_eq(rd(&r, GIC_REDIST, 0x2ffe8), 0x3b);
    ck_assert_uint_eq(gic_frame_size(r.g, GIC_REDIST), 4 * 0x20000);
    u64 t = rd_as(&r, GIC_REDIST, 0, false, 3 * 0x20000 + 8, 8);
    ck_assert_uint_eq(t >> 32, 0x100);     /* affinity */
    ck_assert_uint_eq(t >> 8 & 0xffff, 3); /* number */
    ck_assert(t >> 4 & 1);                 /* last */
    ck_assert(!(rd(&r, GIC_REDIST, 0x20000 + 8) >> 4 & 1));
    ck_assert_uint_eq(rd(&r, GIC_REDIST, 0x14), 0); /* awake: no EL3 to wake it */
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_SRE_EL1), 7);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_CTLR_EL1) >> 8 & 7, 4);
    rig_down(&r);
    rig_up(&r, 3, true, true);
    ck_assert(rd(&r, GIC_DIST, 0x4) >> 10 & 1);
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 0, true, 0, 4), 0x30);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0), 0x10);
    rig_down(&r);
}
END_TEST

START_TEST(test_level_spi)
{
    struct rig r;
    rig_up(&r, 3, false, false);
    linux_up(&r);
    wr_as(&r, GIC_DIST, 0, false, 0x6000 + 8 * 33, 8, 2); /* INTID 33 to CPU 2 */
    spi_enable(&r, 33);
    irq_set(&r.spi[1], true);
    ck_assert(r.wire[2][GIC_IRQ] && !r.wire[2][GIC_FIQ] && !r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(icc(&r, 2, SR_ICC_HPPIR1_EL1), 33);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_IAR1_EL1), 1023);
    ck_assert_uint_eq(icc(&r, 2, SR_ICC_IAR1_EL1), 33);
    ck_assert(!r.wire[2][GIC_IRQ]);
    ck_assert(active(&r, 33) && pending(&r, 33)); /* the line is still high */
    ck_assert_uint_eq(icc(&r, 2, SR_ICC_RPR_EL1), 0xa0);
    ck_assert_uint_eq(icc(&r, 2, SR_ICC_AP1R0_EL1), 1u << 20);
    ck_assert_uint_eq(icc(&r, 2, SR_ICC_IAR1_EL1), 1023);
    icc_w(&r, 2, SR_ICC_EOIR1_EL1, 33);
    ck_assert(r.wire[2][GIC_IRQ]); /* again */
    irq_set(&r.spi[1], false);
    ck_assert(!r.wire[2][GIC_IRQ] && !pending(&r, 33) && !active(&r, 33));
    ck_assert_uint_eq(icc(&r, 2, SR_ICC_RPR_EL1), 0xff);
    rig_down(&r);
}
END_TEST

START_TEST(test_edge_while_active)
{
    struct rig r;
    rig_up(&r, 3, false, false);
    linux_up(&r);
    spi_edge(&r, 40);
    spi_enable(&r, 40);
    irq_set(&r.spi[8], true);
    irq_set(&r.spi[8], false);
    ck_assert(r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_IAR1_EL1), 40);
    ck_assert(!pending(&r, 40));
    irq_set(&r.spi[8], true); /* while active: pending and active */
    irq_set(&r.spi[8], false);
    ck_assert(pending(&r, 40) && active(&r, 40) && !r.wire[0][GIC_IRQ]);
    icc_w(&r, 0, SR_ICC_EOIR1_EL1, 40);
    ck_assert(r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_IAR1_EL1), 40);
    icc_w(&r, 0, SR_ICC_EOIR1_EL1, 40);
    ck_assert(!r.wire[0][GIC_IRQ]);
    rig_down(&r);
}
END_TEST

START_TEST(test_preemption)
{
    struct rig r;
    rig_up(&r, 3, false, false);
    linux_up(&r);
    for (u32 i = 32; i < 36; i++)
        spi_enable(&r, i);
    spi_prio(&r, 32, 0xc0);
    spi_prio(&r, 33, 0x80);
    spi_prio(&r, 34, 0x40);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x420), 0xa04080c0);
    spi_prio(&r, 35, 0xff);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x420), 0xf84080c0);
    irq_set(&r.spi[0], true);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_IAR1_EL1), 32);
    irq_set(&r.spi[1], true);
    irq_set(&r.spi[2], true);
    ck_assert(r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_IAR1_EL1), 34);
    ck_assert(!r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_HPPIR1_EL1), 33);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_RPR_EL1), 0x40);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_AP1R0_EL1), 1u << 8 | 1u << 24);
    irq_set(&r.spi[2], false);
    icc_w(&r, 0, SR_ICC_EOIR1_EL1, 34);
    ck_assert(r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_RPR_EL1), 0xc0);
    /* Binary point 7: group priority is bit 7 alone; 0x80 and 0xc0 are one group. */
    icc_w(&r, 0, SR_ICC_BPR1_EL1, 7);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_BPR1_EL1), 7);
    ck_assert(!r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_IAR1_EL1), 1023);
    icc_w(&r, 0, SR_ICC_BPR1_EL1, 6); /* bits 7:6 */
    ck_assert(r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_IAR1_EL1), 33);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_RPR_EL1), 0x80);
    spi_prio(&r, 34, 0x90);
    irq_set(&r.spi[2], true);
    ck_assert(!r.wire[0][GIC_IRQ]);
    /* The priority mask */
    irq_set(&r.spi[0], false);
    irq_set(&r.spi[1], false);
    icc_w(&r, 0, SR_ICC_EOIR1_EL1, 33);
    icc_w(&r, 0, SR_ICC_EOIR1_EL1, 32);
    ck_assert(r.wire[0][GIC_IRQ]);
    icc_w(&r, 0, SR_ICC_PMR_EL1, 0x90);
    ck_assert(!r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_IAR1_EL1), 1023);
    icc_w(&r, 0, SR_ICC_PMR_EL1, 0x98);
    ck_assert(r.wire[0][GIC_IRQ]);
    icc_w(&r, 0, SR_ICC_BPR1_EL1, 0);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_BPR1_EL1), 3);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_BPR0_EL1), 2);
    rig_down(&r);
}
END_TEST

START_TEST(test_eoi_mode)
{
    struct rig r;
    rig_up(&r, 3, false, false);
    linux_up(&r);
    spi_enable(&r, 32);
    spi_edge(&r, 32);
    icc_w(&r, 0, SR_ICC_CTLR_EL1, 2);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_CTLR_EL1) & 3, 2);
    irq_set(&r.spi[0], true);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_IAR1_EL1), 32);
    icc_w(&r, 0, SR_ICC_EOIR1_EL1, 32);
    ck_assert(active(&r, 32));
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_RPR_EL1), 0xff);
    irq_set(&r.spi[0], false);
    irq_set(&r.spi[0], true);
    ck_assert(!r.wire[0][GIC_IRQ]);
    icc_w(&r, 1, SR_ICC_DIR_EL1, 32); /* CPU 1 has EOImode 0: refused */
    ck_assert(active(&r, 32));
    icc_w(&r, 0, SR_ICC_DIR_EL1, 32);
    ck_assert(!active(&r, 32) && r.wire[0][GIC_IRQ]);
    rig_down(&r);
}
END_TEST

START_TEST(test_sgi)
{
    struct rig r;
    rig_up(&r, 3, false, false);
    linux_up(&r);
    icc_w(&r, 0, SR_ICC_SGI1R_EL1, 5ull << 24 | 6); /* Aff0 1 and 2 of cluster 0 */
    ck_assert(!r.wire[0][GIC_IRQ] && r.wire[1][GIC_IRQ] && r.wire[2][GIC_IRQ] && !r.wire[3][GIC_IRQ]);
    ck_assert_uint_eq(rd(&r, GIC_REDIST, 0x20000 + 0x10200), 1u << 5);
    ck_assert_uint_eq(icc(&r, 1, SR_ICC_IAR1_EL1), 5);
    icc_w(&r, 1, SR_ICC_EOIR1_EL1, 5);
    ck_assert(!r.wire[1][GIC_IRQ]);
    icc_w(&r, 2, SR_ICC_SGI1R_EL1, 1ull << 16 | 7ull << 24 | 1); /* cluster 1 */
    ck_assert_uint_eq(icc(&r, 3, SR_ICC_IAR1_EL1), 7);
    icc_w(&r, 3, SR_ICC_EOIR1_EL1, 7);
    icc_w(&r, 3, SR_ICC_SGI1R_EL1, 1ull << 40 | 9ull << 24); /* all but self */
    ck_assert(r.wire[0][GIC_IRQ] && r.wire[1][GIC_IRQ] && r.wire[2][GIC_IRQ] && !r.wire[3][GIC_IRQ]);
    icc_w(&r, 0, SR_ICC_SGI0R_EL1, 2ull << 24 | 1 << 2); /* Group 0 request of a Group 1 interrupt */
    ck_assert_uint_eq(rd(&r, GIC_REDIST, 0x40000 + 0x10200), 1u << 5 | 1u << 9);
    rig_down(&r);
}
END_TEST

START_TEST(test_ppi_and_asleep)
{
    struct rig r;
    rig_up(&r, 3, false, false);
    linux_up(&r);
    struct irq timer = gic_ppi_input(r.g, 1, 27);
    irq_set(&timer, true);
    ck_assert(!r.wire[1][GIC_IRQ]);
    wr(&r, GIC_REDIST, 0x20000 + 0x10100, 1u << 27);
    ck_assert(r.wire[1][GIC_IRQ]);
    wr(&r, GIC_REDIST, 0x20000 + 0x14, 2);
    ck_assert_uint_eq(rd(&r, GIC_REDIST, 0x20000 + 0x14), 6);
    ck_assert(!r.wire[1][GIC_IRQ]);
    wr(&r, GIC_REDIST, 0x20000 + 0x14, 0);
    ck_assert(r.wire[1][GIC_IRQ]);
    wr(&r, GIC_REDIST, 0x20000 + 0x10180, 1u << 27);
    ck_assert(!r.wire[1][GIC_IRQ]);
    /* A level interrupt set pending by software stays so until it is acknowledged or cleared. */
    irq_set(&timer, false);
    wr(&r, GIC_REDIST, 0x20000 + 0x10200, 1u << 27);
    ck_assert_uint_eq(rd(&r, GIC_REDIST, 0x20000 + 0x10280), 1u << 27);
    wr(&r, GIC_REDIST, 0x20000 + 0x10280, 1u << 27);
    ck_assert_uint_eq(rd(&r, GIC_REDIST, 0x20000 + 0x10200), 0);
    rig_down(&r);
}
END_TEST

START_TEST(test_one_of_n)
{
    struct rig r;
    rig_up(&r, 3, false, false);
    linux_up(&r);
    spi_enable(&r, 50);
    wr_as(&r, GIC_DIST, 0, false, 0x6000 + 8 * 50, 8, 1u << 31);
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 0, false, 0x6000 + 8 * 50, 8), 1u << 31);
    irq_set(&r.spi[18], true);
    ck_assert(r.wire[0][GIC_IRQ] && !r.wire[1][GIC_IRQ]);
    icc_w(&r, 0, SR_ICC_IGRPEN1_EL1, 0);
    ck_assert(!r.wire[0][GIC_IRQ] && r.wire[1][GIC_IRQ]);
    wr(&r, GIC_REDIST, 0x20000, 1u << 25); /* DPG1NS */
    ck_assert(!r.wire[1][GIC_IRQ] && r.wire[2][GIC_IRQ]);
    ck_assert_uint_eq(icc(&r, 2, SR_ICC_IAR1_EL1), 50);
    ck_assert_uint_eq(r.wire[3][GIC_IRQ], 0);
    rig_down(&r);
}
END_TEST

/* ---- two Security states ---------------------------------------------------------------------- */

static u64 sec(struct rig *r, unsigned el, bool secure, unsigned reg)
{
    struct port_txn t = {.el = (u8)el, .secure = secure, .fiq_el3 = true};
    return r->port[0].read(r->port[0].arg, reg, &t);
}
static void sec_w(struct rig *r, unsigned el, bool secure, unsigned reg, u64 v)
{
    struct port_txn t = {.el = (u8)el, .secure = secure, .fiq_el3 = true};
    r->port[0].write(r->port[0].arg, reg, &t, v);
}
#define SWR(f, off, v) wr_as(&r, f, 0, true, off, 4, v)
#define SRD(f, off)    ((u32)rd_as(&r, f, 0, true, off, 4))

START_TEST(test_security_views)
{
    struct rig r;
    rig_up(&r, 3, true, false);
    SWR(GIC_DIST, 0, 0x37);
    ck_assert_uint_eq(SRD(GIC_DIST, 0), 0x37);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0), 0x12);
    wr(&r, GIC_DIST, 0, 0);
    ck_assert_uint_eq(SRD(GIC_DIST, 0), 0x35);
    wr(&r, GIC_DIST, 0, 2);
    /* INTIDs 32: Group 0, 33: Secure Group 1, 34: Non-secure Group 1 */
    wr(&r, GIC_DIST, 0x84, ~0u);
    ck_assert_uint_eq(SRD(GIC_DIST, 0x84), 0);
    SWR(GIC_DIST, 0x84, 1u << 2);
    SWR(GIC_DIST, 0xd04, 1u << 1);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x84), 0);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0xd04), 0);
    wr(&r, GIC_DIST, 0x104, 7);
    ck_assert_uint_eq(SRD(GIC_DIST, 0x104), 4);
    SWR(GIC_DIST, 0x104, 3);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x104), 4);
    SWR(GIC_DIST, 0x420, 0xc0104020);
    wr(&r, GIC_DIST, 0x420, 0x80808080);
    ck_assert_uint_eq(SRD(GIC_DIST, 0x420), 0xc0c04020);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x420), 0x00800000);
    /* NSACR lets Non-secure set, then clear pending */
    wr(&r, GIC_DIST, 0x204, 1);
    ck_assert_uint_eq(SRD(GIC_DIST, 0x204), 0);
    SWR(GIC_DIST, 0xe08, 1);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0xe08), 0);
    wr(&r, GIC_DIST, 0x204, 1);
    ck_assert_uint_eq(SRD(GIC_DIST, 0x204), 1);
    wr(&r, GIC_DIST, 0x284, 1);
    ck_assert_uint_eq(SRD(GIC_DIST, 0x204), 1);
    SWR(GIC_DIST, 0xe08, 2);
    wr(&r, GIC_DIST, 0x284, 1);
    ck_assert_uint_eq(SRD(GIC_DIST, 0x204), 0);
    /* IROUTER of Secure interrupts is RAZ/WI */
    wr_as(&r, GIC_DIST, 0, false, 0x6000 + 8 * 33, 8, 1);
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 0, true, 0x6000 + 8 * 33, 8), 0);
    /* WAKER is Secure */
    wr(&r, GIC_REDIST, 0x14, 0);
    ck_assert_uint_eq(rd(&r, GIC_REDIST, 0x14), 0);
    ck_assert_uint_eq(SRD(GIC_REDIST, 0x14), 6);
    SWR(GIC_REDIST, 0x14, 0);
    ck_assert_uint_eq(SRD(GIC_REDIST, 0x14), 0);
    rig_down(&r);
}
END_TEST

START_TEST(test_security_signals)
{
    struct rig r;
    rig_up(&r, 3, true, false);
    SWR(GIC_DIST, 0, 0x37);
    SWR(GIC_REDIST, 0x14, 0);
    SWR(GIC_DIST, 0x84, 1u << 2);
    SWR(GIC_DIST, 0xd04, 1u << 1);
    SWR(GIC_DIST, 0x104, 7);
    SWR(GIC_DIST, 0x420, 0xc0c04020);
    sec_w(&r, 3, true, SR_ICC_IGRPEN0_EL1, 1);
    sec_w(&r, 3, true, SR_ICC_IGRPEN1_EL3, 3);
    ck_assert_uint_eq(sec(&r, 1, false, SR_ICC_IGRPEN1_EL1), 1);
    sec_w(&r, 3, true, SR_ICC_PMR_EL1, 0xf8);
    ck_assert_uint_eq(sec(&r, 1, false, SR_ICC_PMR_EL1), 0xf0);
    sec_w(&r, 1, false, SR_ICC_PMR_EL1, 0xe0);
    ck_assert_uint_eq(sec(&r, 1, true, SR_ICC_PMR_EL1), 0xf0);

    /* Non-secure Group 1: FIQ at EL3, IRQ in Non-secure, FIQ in Secure EL1 */
    irq_set(&r.spi[2], true);
    ck_assert(r.wire[0][GIC_FIQ] && !r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(sec(&r, 3, true, SR_ICC_HPPIR0_EL1), 1021);
    ck_assert_uint_eq(sec(&r, 3, true, SR_ICC_IAR0_EL1), 1021);
    sec_w(&r, 1, false, SR_SCR_EL3, 1);
    ck_assert(!r.wire[0][GIC_FIQ] && r.wire[0][GIC_IRQ]);
    sec_w(&r, 1, true, SR_SCR_EL3, 0);
    ck_assert(r.wire[0][GIC_FIQ] && !r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(sec(&r, 1, true, SR_ICC_IAR1_EL1), 1023);
    ck_assert_uint_eq(sec(&r, 1, false, SR_ICC_IAR1_EL1), 34);
    ck_assert_uint_eq(sec(&r, 1, false, SR_ICC_RPR_EL1), 0x80);
    ck_assert_uint_eq(sec(&r, 1, true, SR_ICC_RPR_EL1), 0xc0);

    /* Secure Group 1 preempts: FIQ in Non-secure, IRQ in Secure EL1 */
    irq_set(&r.spi[1], true);
    ck_assert(!r.wire[0][GIC_FIQ] && r.wire[0][GIC_IRQ]);
    sec_w(&r, 2, false, SR_SCR_EL3, 1);
    ck_assert(r.wire[0][GIC_FIQ] && !r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(sec(&r, 1, false, SR_ICC_IAR1_EL1), 1023);
    ck_assert_uint_eq(sec(&r, 3, false, SR_ICC_HPPIR0_EL1), 1020);
    ck_assert_uint_eq(sec(&r, 1, true, SR_ICC_IAR1_EL1), 33);
    ck_assert_uint_eq(sec(&r, 1, false, SR_ICC_RPR_EL1), 0);

    /* Group 0: always FIQ, unseen by Non-secure */
    irq_set(&r.spi[0], true);
    ck_assert(r.wire[0][GIC_FIQ]);
    ck_assert_uint_eq(sec(&r, 1, false, SR_ICC_IAR0_EL1), 1023);
    ck_assert_uint_eq(sec(&r, 3, true, SR_ICC_IAR0_EL1), 32);
    ck_assert_uint_eq(sec(&r, 3, true, SR_ICC_AP0R0_EL1), 1u << 4);
    ck_assert_uint_eq(sec(&r, 1, true, SR_ICC_AP1R0_EL1), 1u << 8);
    ck_assert_uint_eq(sec(&r, 1, false, SR_ICC_AP1R0_EL1), 1u << 24);
    irq_set(&r.spi[0], false);
    irq_set(&r.spi[1], false);
    irq_set(&r.spi[2], false);
    sec_w(&r, 1, false, SR_ICC_EOIR1_EL1, 34); /* not its turn */
    ck_assert_uint_eq(sec(&r, 1, false, SR_ICC_AP1R0_EL1), 1u << 24);
    sec_w(&r, 3, true, SR_ICC_EOIR0_EL1, 32);
    sec_w(&r, 1, true, SR_ICC_EOIR1_EL1, 33);
    sec_w(&r, 1, false, SR_ICC_EOIR1_EL1, 34);
    ck_assert_uint_eq(sec(&r, 3, true, SR_ICC_RPR_EL1), 0xff);
    ck_assert_uint_eq(SRD(GIC_DIST, 0x304), 0);
    rig_down(&r);
}
END_TEST

START_TEST(test_security_sgi)
{
    /* rows: request SGI1R, ASGI1R, SGI0R; columns: configured Group 0, Secure 1, Non-secure 1 (IHI0069 12.1.10);
     * from Non-secure: the GICR_NSACR field that is enough, 3: none is */
    static const bool secure_ok[3][3] = {{0, 1, 0}, {0, 0, 1}, {1, 0, 0}};
    static const u32 enough[3][3] = {{1, 2, 0}, {1, 2, 3}, {1, 3, 3}};
    static const unsigned regs[3] = {SR_ICC_SGI1R_EL1, SR_ICC_ASGI1R_EL1, SR_ICC_SGI0R_EL1};
    struct rig r;
    rig_up(&r, 3, true, false);
    SWR(GIC_REDIST, 0x10080, 4); /* SGI 0: Group 0, 1: Secure 1, 2: Non-secure 1 */
    SWR(GIC_REDIST, 0x10d00, 2);
    for (u32 access = 0; access < 3; access++) {
        SWR(GIC_REDIST, 0x10e00, access * 0x15);
        for (int q = 0; q < 3; q++)
            for (u32 id = 0; id < 3; id++)
                for (int s = 0; s < 2; s++) {
                    bool ok = s ? secure_ok[q][id] : access >= enough[q][id];
                    sec_w(&r, s ? 3 : 1, s, regs[q], 1 | (u64)id << 24);
                    ck_assert_uint_eq(SRD(GIC_REDIST, 0x10200) >> id & 1, ok);
                    SWR(GIC_REDIST, 0x10280, 7);
                }
    }
    rig_down(&r);

    /* One Security state: Group 0 by any of the three, Group 1 by SGI1R only. */
    rig_up(&r, 3, false, false);
    wr(&r, GIC_REDIST, 0x10080, 2);
    for (int q = 0; q < 3; q++) {
        for (u32 id = 0; id < 2; id++)
            icc_w(&r, 0, regs[q], 1 | (u64)id << 24);
        ck_assert_uint_eq(rd(&r, GIC_REDIST, 0x10200), q == 0 ? 3 : 1);
        wr(&r, GIC_REDIST, 0x10280, 3);
    }
    rig_down(&r);
}
END_TEST

START_TEST(test_state)
{
    struct rig r, q;
    rig_up(&r, 3, false, false);
    rig_up(&q, 3, false, false);
    linux_up(&r);
    spi_enable(&r, 40);
    wr_as(&r, GIC_DIST, 0, false, 0x6000 + 8 * 40, 8, 1);
    irq_set(&r.spi[8], true);
    icc_w(&r, 0, SR_ICC_SGI1R_EL1, 5ull << 24 | 6);
    ck_assert_uint_eq(icc(&r, 2, SR_ICC_IAR1_EL1), 5);
    struct snap s = {.mode = SNAP_SAVE};
    struct device *d = gic_device(r.g, GIC_DIST), *e = gic_device(q.g, GIC_DIST);
    d->ops->state(d, &s);
    struct snap l = {.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
    e->ops->state(e, &l);
    ck_assert(!l.failed && l.pos == s.pos);
    struct snap h1 = {.mode = SNAP_HASH}, h2 = {.mode = SNAP_HASH};
    d->ops->state(d, &h1);
    e->ops->state(e, &h2);
    ck_assert_uint_eq(snap_hash(&h1), snap_hash(&h2));
    ck_assert_uint_eq(icc(&q, 1, SR_ICC_IAR1_EL1), 5);
    icc_w(&q, 1, SR_ICC_EOIR1_EL1, 5);
    ck_assert_uint_eq(icc(&q, 1, SR_ICC_IAR1_EL1), 40);
    /* Reset brings back what a new one has. */
    d->ops->reset(d);
    ck_assert(!r.wire[1][GIC_IRQ]);
    irq_set(&r.spi[8], false);
    struct rig n;
    rig_up(&n, 3, false, false);
    struct device *f = gic_device(n.g, GIC_DIST);
    struct snap h3 = {.mode = SNAP_HASH}, h4 = {.mode = SNAP_HASH};
    d->ops->state(d, &h3);
    f->ops->state(f, &h4);
    ck_assert_uint_eq(snap_hash(&h3), snap_hash(&h4));
    snap_free(&s);
    rig_down(&n);
    rig_down(&q);
    rig_down(&r);
}
END_TEST

SUITE("gicv3", test_identification, test_level_spi, test_edge_while_active, test_preemption, test_eoi_mode, test_sgi,
      test_ppi_and_asleep, test_one_of_n, test_security_views, test_security_signals, test_security_sgi, test_state)
