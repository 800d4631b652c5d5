/* Virtualization of both versions: list registers, maintenance, hardware interrupts. */
#include "gic_rig.h"

#define PEND    (1ull << 62)
#define ACT     (2ull << 62)
#define HW      (1ull << 61)
#define G1      (1ull << 60)
#define EOI     (1ull << 41)
#define PRIO(p) ((u64)(p) << 48)

static u64 icv(struct rig *r, unsigned reg)
{
    struct port_txn t = {.el = 1};
    return r->vport[0].read(r->vport[0].arg, reg, &t);
}
static void icv_w(struct rig *r, unsigned reg, u64 v)
{
    struct port_txn t = {.el = 1};
    r->vport[0].write(r->vport[0].arg, reg, &t, v);
}
static u64 ich(struct rig *r, unsigned reg) { return icc(r, 0, reg); }
static void ich_w(struct rig *r, unsigned reg, u64 v) { icc_w(r, 0, reg, v); }

/* Physical side open on CPU 0, maintenance interrupt enabled; virtual side open. */
static void up(struct rig *r)
{
    rig_up(r, 3, false, true);
    wr(r, GIC_DIST, 0, 2);
    wr(r, GIC_DIST, 0x84, ~0u);
    wr(r, GIC_DIST, 0x104, ~0u);
    wr(r, GIC_REDIST, 0x14, 0);
    wr(r, GIC_REDIST, 0x10080, ~0u);
    wr(r, GIC_REDIST, 0x10100, 1u << 25 | 1u << 27);
    icc_w(r, 0, SR_ICC_PMR_EL1, 0xf8);
    icc_w(r, 0, SR_ICC_IGRPEN1_EL1, 1);
    ich_w(r, SR_ICH_HCR_EL2, 1);
    icv_w(r, SR_ICC_PMR_EL1, 0xf0);
    icv_w(r, SR_ICC_IGRPEN1_EL1, 1);
    icv_w(r, SR_ICC_BPR1_EL1, 0);
}

START_TEST(test_registers)
{
    struct rig r;
    rig_up(&r, 3, false, true);
    ck_assert_uint_eq(ich(&r, SR_ICH_VTR_EL2) & 0x1f, 3);
    ck_assert_uint_eq(ich(&r, SR_ICH_VTR_EL2) >> 29, 4);
    ck_assert_uint_eq(ich(&r, SR_ICH_VTR_EL2) >> 26 & 7, 4);
    ich_w(&r, SR_ICH_HCR_EL2, ~0ull);
    ck_assert_uint_eq(ich(&r, SR_ICH_HCR_EL2), 0xf8005cff);
    ich_w(&r, SR_ICH_HCR_EL2, 0);
    ich_w(&r, SR_ICH_LR3_EL2, ~0ull);
    ck_assert_uint_eq(ich(&r, SR_ICH_LR3_EL2), 0xf0f81fffffffffff);
    ich_w(&r, SR_ICH_LR4_EL2, ~0ull);
    ck_assert_uint_eq(ich(&r, SR_ICH_LR4_EL2), 0);
    ich_w(&r, SR_ICH_VMCR_EL2, ~0ull);
    ck_assert_uint_eq(ich(&r, SR_ICH_VMCR_EL2), 0xf8fc021b);
    ich_w(&r, SR_ICH_VMCR_EL2, 0);
    ck_assert_uint_eq(ich(&r, SR_ICH_VMCR_EL2), 2u << 21 | 3u << 18 | 8);
    /* The guest's registers are views of VMCR. */
    icv_w(&r, SR_ICC_PMR_EL1, 0xff);
    icv_w(&r, SR_ICC_CTLR_EL1, 3);
    icv_w(&r, SR_ICC_BPR0_EL1, 4);
    icv_w(&r, SR_ICC_BPR1_EL1, 7); /* ignored: CBPR */
    icv_w(&r, SR_ICC_IGRPEN0_EL1, 1);
    ck_assert_uint_eq(ich(&r, SR_ICH_VMCR_EL2), 0xf8u << 24 | 4u << 21 | 3u << 18 | 1u << 9 | 1u << 4 | 8 | 1);
    ck_assert_uint_eq(icv(&r, SR_ICC_BPR1_EL1), 5);
    ck_assert_uint_eq(icv(&r, SR_ICC_CTLR_EL1), 3 | 4u << 8 | 1u << 11 | 1u << 15);
    rig_down(&r);
}
END_TEST

START_TEST(test_lr_life)
{
    struct rig r;
    up(&r);
    ck_assert(!r.wire[0][GIC_VIRQ]);
    ich_w(&r, SR_ICH_LR0_EL2, PEND | G1 | PRIO(0xa0) | 40);
    ck_assert(r.wire[0][GIC_VIRQ] && !r.wire[0][GIC_VFIQ]);
    ck_assert_uint_eq(ich(&r, SR_ICH_ELRSR_EL2), 0xe);
    ck_assert_uint_eq(icv(&r, SR_ICC_HPPIR1_EL1), 40);
    ck_assert_uint_eq(icv(&r, SR_ICC_IAR0_EL1), 1023);
    ck_assert_uint_eq(icv(&r, SR_ICC_IAR1_EL1), 40);
    ck_assert(!r.wire[0][GIC_VIRQ]);
    ck_assert_uint_eq(ich(&r, SR_ICH_LR0_EL2), ACT | G1 | PRIO(0xa0) | 40);
    ck_assert_uint_eq(ich(&r, SR_ICH_AP1R0_EL2), 1u << 20);
    ck_assert_uint_eq(icv(&r, SR_ICC_RPR_EL1), 0xa0);
    /* the hypervisor makes it pending and active; a more urgent one preempts */
    ich_w(&r, SR_ICH_LR0_EL2, PEND | ACT | G1 | PRIO(0xa0) | 40);
    ck_assert(!r.wire[0][GIC_VIRQ]);
    ich_w(&r, SR_ICH_LR2_EL2, PEND | G1 | PRIO(0x80) | 41);
    ck_assert(r.wire[0][GIC_VIRQ]);
    ck_assert_uint_eq(icv(&r, SR_ICC_IAR1_EL1), 41);
    icv_w(&r, SR_ICC_EOIR1_EL1, 41);
    ck_assert_uint_eq(ich(&r, SR_ICH_LR2_EL2), G1 | PRIO(0x80) | 41);
    icv_w(&r, SR_ICC_EOIR1_EL1, 40);
    ck_assert_uint_eq(ich(&r, SR_ICH_LR0_EL2), PEND | G1 | PRIO(0xa0) | 40);
    ck_assert(r.wire[0][GIC_VIRQ]);
    icv_w(&r, SR_ICC_PMR_EL1, 0xa0);
    ck_assert(!r.wire[0][GIC_VIRQ]);
    icv_w(&r, SR_ICC_PMR_EL1, 0xf0);
    ich_w(&r, SR_ICH_HCR_EL2, 0);
    ck_assert(!r.wire[0][GIC_VIRQ]);
    /* Group 0 is a virtual FIQ */
    ich_w(&r, SR_ICH_HCR_EL2, 1);
    ich_w(&r, SR_ICH_LR1_EL2, PEND | PRIO(0x20) | 50);
    ck_assert(r.wire[0][GIC_VIRQ] && !r.wire[0][GIC_VFIQ]);
    icv_w(&r, SR_ICC_IGRPEN0_EL1, 1);
    ck_assert(!r.wire[0][GIC_VIRQ] && r.wire[0][GIC_VFIQ]);
    ck_assert_uint_eq(icv(&r, SR_ICC_IAR0_EL1), 50);
    ck_assert_uint_eq(ich(&r, SR_ICH_AP0R0_EL2), 1u << 4);
    rig_down(&r);
}
END_TEST

START_TEST(test_eoi_mode_and_count)
{
    struct rig r;
    up(&r);
    icv_w(&r, SR_ICC_CTLR_EL1, 2);
    ich_w(&r, SR_ICH_LR0_EL2, PEND | G1 | PRIO(0xa0) | 40);
    icv_w(&r, SR_ICC_EOIR1_EL1, 40); /* nothing active: no change */
    ck_assert_uint_eq(icv(&r, SR_ICC_IAR1_EL1), 40);
    icv_w(&r, SR_ICC_EOIR1_EL1, 40);
    ck_assert_uint_eq(icv(&r, SR_ICC_RPR_EL1), 0xff);
    ck_assert_uint_eq(ich(&r, SR_ICH_LR0_EL2) >> 62, 2);
    icv_w(&r, SR_ICC_DIR_EL1, 40);
    ck_assert_uint_eq(ich(&r, SR_ICH_LR0_EL2) >> 62, 0);
    icv_w(&r, SR_ICC_DIR_EL1, 41); /* in no list register */
    ck_assert_uint_eq(ich(&r, SR_ICH_HCR_EL2), 1u << 27 | 1);
    icv_w(&r, SR_ICC_DIR_EL1, 8192);
    ck_assert_uint_eq(ich(&r, SR_ICH_HCR_EL2), 1u << 27 | 1);
    icv_w(&r, SR_ICC_CTLR_EL1, 0);
    ich_w(&r, SR_ICH_AP1R0_EL2, 1u << 20);
    icv_w(&r, SR_ICC_EOIR1_EL1, 42);
    ck_assert_uint_eq(ich(&r, SR_ICH_HCR_EL2), 2u << 27 | 1);
    /* LRENP */
    ck_assert_uint_eq(ich(&r, SR_ICH_MISR_EL2), 0);
    ich_w(&r, SR_ICH_HCR_EL2, 2u << 27 | 1 << 2 | 1);
    ck_assert_uint_eq(ich(&r, SR_ICH_MISR_EL2), 4);
    ck_assert(r.wire[0][GIC_IRQ]);
    ich_w(&r, SR_ICH_HCR_EL2, 1 << 2 | 1);
    ck_assert(!r.wire[0][GIC_IRQ]);
    rig_down(&r);
}
END_TEST

START_TEST(test_maintenance)
{
    struct rig r;
    up(&r);
    /* U: none or one valid */
    ich_w(&r, SR_ICH_HCR_EL2, 3);
    ck_assert_uint_eq(ich(&r, SR_ICH_MISR_EL2), 2);
    ck_assert(r.wire[0][GIC_IRQ]);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_HPPIR1_EL1), 25);
    ich_w(&r, SR_ICH_LR0_EL2, PEND | G1 | 40);
    ck_assert(r.wire[0][GIC_IRQ]);
    ich_w(&r, SR_ICH_LR1_EL2, ACT | G1 | 41);
    ck_assert(!r.wire[0][GIC_IRQ]);
    /* NP: only 01 counts */
    ich_w(&r, SR_ICH_HCR_EL2, 1 | 1 << 3);
    ck_assert(!r.wire[0][GIC_IRQ]);
    ich_w(&r, SR_ICH_LR0_EL2, PEND | ACT | G1 | 40);
    ck_assert_uint_eq(ich(&r, SR_ICH_MISR_EL2), 8);
    ck_assert(r.wire[0][GIC_IRQ]);
    /* group enables and disables */
    for (unsigned i = 4; i < 8; i++) {
        ich_w(&r, SR_ICH_HCR_EL2, 1 | 1u << i);
        for (u32 en = 0; en < 4; en++) {
            bool is = (i < 6 ? en & 1 : en >> 1) != 0, want = i % 2 == 0 ? is : !is;
            ich_w(&r, SR_ICH_VMCR_EL2, en);
            ck_assert_uint_eq(ich(&r, SR_ICH_MISR_EL2), want ? 1u << i : 0);
            ck_assert(r.wire[0][GIC_IRQ] == want);
        }
    }
    /* EOI */
    ich_w(&r, SR_ICH_HCR_EL2, 1);
    ich_w(&r, SR_ICH_VMCR_EL2, 0xf0000002);
    ich_w(&r, SR_ICH_LR0_EL2, 0);
    ich_w(&r, SR_ICH_LR1_EL2, PEND | G1 | EOI | PRIO(0x40) | 60);
    ck_assert_uint_eq(icv(&r, SR_ICC_IAR1_EL1), 60);
    ck_assert_uint_eq(ich(&r, SR_ICH_EISR_EL2), 0);
    icv_w(&r, SR_ICC_EOIR1_EL1, 60);
    ck_assert_uint_eq(ich(&r, SR_ICH_EISR_EL2), 2);
    ck_assert_uint_eq(ich(&r, SR_ICH_ELRSR_EL2), 0xd);
    ck_assert_uint_eq(ich(&r, SR_ICH_MISR_EL2), 1);
    ck_assert(r.wire[0][GIC_IRQ]);
    ich_w(&r, SR_ICH_LR1_EL2, 0);
    ck_assert(!r.wire[0][GIC_IRQ]);
    rig_down(&r);
}
END_TEST

START_TEST(test_hardware)
{
    struct rig r;
    up(&r);
    icc_w(&r, 0, SR_ICC_CTLR_EL1, 2);
    irq_set(&r.spi[3], true);
    ck_assert_uint_eq(icc(&r, 0, SR_ICC_IAR1_EL1), 35);
    icc_w(&r, 0, SR_ICC_EOIR1_EL1, 35);
    ck_assert(!r.wire[0][GIC_IRQ]);
    ich_w(&r, SR_ICH_LR0_EL2, PEND | HW | G1 | PRIO(0xa0) | 35ull << 32 | 70);
    ck_assert_uint_eq(icv(&r, SR_ICC_IAR1_EL1), 70);
    irq_set(&r.spi[3], false);
    icv_w(&r, SR_ICC_EOIR1_EL1, 70);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x304), 0);
    ck_assert_uint_eq(ich(&r, SR_ICH_ELRSR_EL2), 0xf);
    ck_assert(!r.wire[0][GIC_IRQ]);
    /* an LPI has no separate deactivation */
    icv_w(&r, SR_ICC_CTLR_EL1, 2);
    ich_w(&r, SR_ICH_LR0_EL2, PEND | G1 | PRIO(0xa0) | 8200);
    ck_assert_uint_eq(icv(&r, SR_ICC_IAR1_EL1), 8200);
    ck_assert_uint_eq(ich(&r, SR_ICH_LR0_EL2) >> 62, 0);
    ck_assert_uint_eq(icv(&r, SR_ICC_RPR_EL1), 0xa0);
    icv_w(&r, SR_ICC_EOIR1_EL1, 8200);
    ck_assert_uint_eq(icv(&r, SR_ICC_RPR_EL1), 0xff);
    ck_assert_uint_eq(ich(&r, SR_ICH_HCR_EL2), 1); /* not counted */
    rig_down(&r);
}
END_TEST

/* ---- v2 ----------------------------------------------------------------------------------------- */

enum { H_HCR = 0, H_VTR = 4, H_VMCR = 8, H_MISR = 0x10, H_EISR = 0x20, H_ELRSR = 0x30, H_APR = 0xf0, H_LR = 0x100 };

static u32 h_rd(struct rig *r, unsigned cpu, u64 off) { return (u32)rd_as(r, GIC_HYP, cpu, false, off, 4); }
static void h_wr(struct rig *r, unsigned cpu, u64 off, u32 v) { wr_as(r, GIC_HYP, cpu, false, off, 4, v); }
static u32 v_rd(struct rig *r, unsigned cpu, u64 off) { return (u32)rd_as(r, GIC_VCPUIF, cpu, false, off, 4); }
static void v_wr(struct rig *r, unsigned cpu, u64 off, u32 v) { wr_as(r, GIC_VCPUIF, cpu, false, off, 4, v); }

START_TEST(test_v2)
{
    struct rig r;
    rig_up(&r, 2, false, true);
    wr(&r, GIC_DIST, 0, 1);
    wr(&r, GIC_DIST, 0x104, ~0u);
    wr(&r, GIC_DIST, 0x820, 0x01010101);
    wr_as(&r, GIC_DIST, 1, false, 0x100, 4, 1u << 25);
    for (unsigned c = 0; c < 2; c++) {
        wr_as(&r, GIC_CPUIF, c, false, 4, 4, 0xf8);
        wr_as(&r, GIC_CPUIF, c, false, 0, 4, 0x201);
    }
    ck_assert_uint_eq(h_rd(&r, 0, H_VTR) & 0x3f, 3);
    h_wr(&r, 1, H_LR + 12, ~0u);
    ck_assert_uint_eq(h_rd(&r, 1, H_LR + 12), 0xff8fffff);
    ck_assert_uint_eq(h_rd(&r, 0, H_LR + 12), 0); /* banked */
    h_wr(&r, 1, H_LR + 12, 0);
    h_wr(&r, 1, H_HCR, 1);
    /* a KVM guest: group 0 as IRQ */
    v_wr(&r, 1, 0, 1);
    v_wr(&r, 1, 4, 0xf0);
    ck_assert_uint_eq(h_rd(&r, 1, H_VMCR), 0xf0u << 24 | 2u << 21 | 3u << 18 | 1);
    h_wr(&r, 1, H_LR, 1u << 28 | 0x14u << 23 | 3u << 10 | 5); /* SGI 5 of CPU 3 */
    ck_assert(r.wire[1][GIC_VIRQ] && !r.wire[0][GIC_VIRQ]);
    ck_assert_uint_eq(v_rd(&r, 1, 0x18), 3u << 10 | 5);
    ck_assert_uint_eq(v_rd(&r, 1, 0x0c), 3u << 10 | 5);
    ck_assert_uint_eq(h_rd(&r, 1, H_APR), 1u << 20);
    ck_assert_uint_eq(v_rd(&r, 1, 0x14), 0xa0);
    ck_assert_uint_eq(h_rd(&r, 1, H_LR) >> 28, 2);
    v_wr(&r, 1, 0x10, 3u << 10 | 5);
    ck_assert_uint_eq(h_rd(&r, 1, H_LR) >> 28, 0);
    ck_assert_uint_eq(h_rd(&r, 1, H_ELRSR), 0xf);
    /* hardware interrupt: physical 33 is virtual 90 */
    irq_set(&r.spi[1], true);
    ck_assert_uint_eq(rd_as(&r, GIC_CPUIF, 0, false, 0xc, 4), 33);
    wr_as(&r, GIC_CPUIF, 0, false, 0x10, 4, 33);
    irq_set(&r.spi[1], false);
    h_wr(&r, 1, H_LR + 4, 1u << 31 | 1u << 28 | 0x14u << 23 | 33u << 10 | 90);
    ck_assert_uint_eq(v_rd(&r, 1, 0x0c), 90);
    v_wr(&r, 1, 0x10, 90);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x304), 0);
    /* EOI maintenance to CPU 1's PPI 25 */
    h_wr(&r, 1, H_LR + 8, 1u << 28 | 1u << 19 | 91);
    ck_assert_uint_eq(v_rd(&r, 1, 0x0c), 91);
    v_wr(&r, 1, 0x10, 91);
    ck_assert_uint_eq(h_rd(&r, 1, H_EISR), 4);
    ck_assert_uint_eq(h_rd(&r, 1, H_MISR), 1);
    ck_assert(r.wire[1][GIC_IRQ]);
    h_wr(&r, 1, H_LR + 8, 0);
    ck_assert(!r.wire[1][GIC_IRQ]);
    /* groups: AckCtl, alias, FIQEn */
    v_wr(&r, 1, 0, 3 | 1 << 3);
    h_wr(&r, 1, H_LR, 1u << 30 | 1u << 28 | 0x14u << 23 | 92);
    ck_assert(r.wire[1][GIC_VIRQ] && !r.wire[1][GIC_VFIQ]);
    ck_assert_uint_eq(v_rd(&r, 1, 0x0c), 1022);
    ck_assert_uint_eq(v_rd(&r, 1, 0x20), 92);
    v_wr(&r, 1, 0x24, 92);
    ck_assert_uint_eq(h_rd(&r, 1, H_ELRSR), 0xf);
    h_wr(&r, 1, H_LR, 1u << 28 | 0x14u << 23 | 93);
    ck_assert(!r.wire[1][GIC_VIRQ] && r.wire[1][GIC_VFIQ]);
    /* EOImode and DIR */
    v_wr(&r, 1, 0, 1 | 1 << 9);
    ck_assert_uint_eq(v_rd(&r, 1, 0x0c), 93);
    v_wr(&r, 1, 0x10, 93);
    ck_assert_uint_eq(h_rd(&r, 1, H_LR) >> 28, 2);
    v_wr(&r, 1, 0x1000, 93);
    ck_assert_uint_eq(h_rd(&r, 1, H_LR) >> 28, 0);
    v_wr(&r, 1, 0x1000, 94);
    ck_assert_uint_eq(h_rd(&r, 1, H_HCR), 1u << 27 | 1);
    rig_down(&r);
}
END_TEST

SUITE("gic_virt", test_registers, test_lr_life, test_eoi_mode_and_count, test_maintenance, test_hardware, test_v2)
