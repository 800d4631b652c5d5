/* Random accesses to whole controllers. After each burst the state is saved and loaded into a fresh controller, which
 * works everything derived out anew: its wires and its hash must be those of the first one, so no change forgot
 * to tell a CPU. Also that no access whatever, sensible or not, upsets us (ASan and UBSan watch). */
#include "gic_rig.h"

static u64 seed;
static u32 rnd(u32 n)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (u32)(seed >> 33) % n;
}
static u64 rnd64(void) { return (u64)rnd(1u << 31) << 33 ^ (u64)rnd(1u << 31) << 11 ^ rnd(1u << 16); }

static const unsigned icc_regs[] = {
    SR_ICC_PMR_EL1,   SR_ICC_IAR0_EL1,   SR_ICC_EOIR0_EL1, SR_ICC_HPPIR0_EL1, SR_ICC_BPR0_EL1,    SR_ICC_AP0R0_EL1,
    SR_ICC_AP1R0_EL1, SR_ICC_DIR_EL1,    SR_ICC_RPR_EL1,   SR_ICC_SGI1R_EL1,  SR_ICC_ASGI1R_EL1,  SR_ICC_SGI0R_EL1,
    SR_ICC_IAR1_EL1,  SR_ICC_EOIR1_EL1,  SR_ICC_BPR1_EL1,  SR_ICC_CTLR_EL1,   SR_ICC_IGRPEN0_EL1, SR_ICC_IGRPEN1_EL1,
    SR_ICH_HCR_EL2,   SR_ICH_VMCR_EL2,   SR_ICH_LR0_EL2,   SR_ICH_LR1_EL2,    SR_ICH_LR2_EL2,     SR_ICH_LR3_EL2,
    SR_ICH_AP0R0_EL2, SR_ICC_HPPIR1_EL1, SR_ICH_AP1R0_EL2, SR_ICC_CTLR_EL3,   SR_ICC_IGRPEN1_EL3, SR_SCR_EL3,
};

/* Values that get somewhere: small numbers, single bits, INTIDs, anything. */
static u64 value(void)
{
    switch (rnd(6)) {
    case 0: return rnd(40);
    case 1: return 1ull << rnd(32);
    case 2: return ~0ull;
    case 3: return 1ull << rnd(64) | 1ull << rnd(64);
    case 4:
        return (u64)(rnd(3) + 1) << (rnd(2) ? 62 : 28) | (u64)rnd(2) << 60 | (u64)rnd(2) << 30 | (u64)rnd(256) << 48 |
               (u64)rnd(64) << 32 | rnd(64);
    default: return rnd64();
    }
}

static void mmio(struct rig *r, enum gic_frame f)
{
    static const u16 starts[] = {0x0,   0x80,  0x100, 0x180, 0x200, 0x280, 0x300, 0x380, 0x400,
                                 0x800, 0xc00, 0xd00, 0xe00, 0xf00, 0xf10, 0xf20, 0x6100};
    struct device *d = gic_device(r->g, f);
    if (!d)
        return;
    unsigned least = d->ops->min_size ? d->ops->min_size : 1, most = d->ops->max_size ? d->ops->max_size : 8;
    unsigned size = 1u << rnd(4);
    size = size < least ? least : size > most ? most : size;
    u64 off = rnd(8) ? rnd(0x200) : rnd(0x2000);
    if (f == GIC_DIST || f == GIC_REDIST)
        off = starts[rnd(17)] + rnd(0x40);
    else if (f == GIC_HYP && rnd(2))
        off = 0x100 + 4 * rnd(4); /* list registers */
    if (f == GIC_REDIST)
        off += rnd(RIG_CPUS) * 0x20000ull + (rnd(4) ? 0x10000 : 0);
    off &= ~(u64)(size - 1);
    unsigned cpu = rnd(RIG_CPUS);
    bool secure = rnd(2);
    if (rnd(4))
        wr_as(r, f, cpu, secure, off, size, rnd(2) ? value() : ones(8 * size) & rnd64());
    else
        rd_as(r, f, cpu, secure, off, size);
}

static void sysreg(struct rig *r)
{
    unsigned cpu = rnd(RIG_CPUS), reg = icc_regs[rnd(sizeof icc_regs / sizeof *icc_regs)];
    struct port_txn t = {.el = (u8)(1 + rnd(3)), .secure = rnd(2), .fiq_el3 = rnd(2)};
    const struct port *p = rnd(3) || !r->vport[cpu].read ? &r->port[cpu] : &r->vport[cpu];
    if (rnd(3))
        p->write(p->arg, reg, &t, value());
    else
        p->read(p->arg, reg, &t);
}

static void step(struct rig *r, unsigned version)
{
    switch (rnd(10)) {
    case 0:
    case 1: irq_set(&r->spi[rnd(64)], rnd(2)); break;
    case 2:
    case 3:
    case 4: mmio(r, GIC_DIST); break;
    case 5: mmio(r, GIC_REDIST); break;
    case 6: mmio(r, rnd(2) ? GIC_HYP : GIC_VCPUIF); break;
    default:
        if (version == 3)
            sysreg(r);
        else
            mmio(r, GIC_CPUIF);
    }
}

static u64 hash_of(struct rig *r)
{
    struct device *d = gic_device(r->g, GIC_DIST);
    struct snap s = {.mode = SNAP_HASH};
    d->ops->state(d, &s);
    return snap_hash(&s);
}

/* Opens the gates, so that interrupts flow. */
static void open_up(struct rig *r, unsigned version)
{
    wr_as(r, GIC_DIST, 0, true, 0, 4, 0x37);
    for (unsigned c = 0; c < RIG_CPUS; c++) {
        struct port_txn t = {.el = 3, .secure = true};
        if (version == 2) {
            wr_as(r, GIC_CPUIF, c, true, 0, 4, 0xb);
            wr_as(r, GIC_CPUIF, c, true, 4, 4, 0xff);
            wr_as(r, GIC_HYP, c, true, 0, 4, 1);
            wr_as(r, GIC_HYP, c, true, 8, 4, 0xf800000b);
            continue;
        }
        wr_as(r, GIC_REDIST, c, true, c * 0x20000 + 0x14, 4, 0);
        r->port[c].write(r->port[c].arg, SR_ICC_PMR_EL1, &t, 0xff);
        r->port[c].write(r->port[c].arg, SR_ICC_IGRPEN1_EL3, &t, 3);
        r->port[c].write(r->port[c].arg, SR_ICC_IGRPEN0_EL1, &t, 1);
        r->port[c].write(r->port[c].arg, SR_ICH_HCR_EL2, &t, 1);
        r->port[c].write(r->port[c].arg, SR_ICH_VMCR_EL2, &t, 0xf8000003);
    }
}

/* Returns a bit for each kind of wire that was high at some time. */
static unsigned walk(unsigned version, bool security)
{
    struct rig r;
    unsigned seen = 0;
    rig_up(&r, version, security, true);
    for (int burst = 0; burst < 600; burst++) {
        if (burst % 10 == 0)
            open_up(&r, version);
        for (u32 n = rnd(20); n > 0; n--)
            step(&r, version);
        struct snap s = {.mode = SNAP_SAVE};
        struct device *d = gic_device(r.g, GIC_DIST);
        d->ops->state(d, &s);
        struct rig q;
        rig_up(&q, version, security, true);
        struct device *e = gic_device(q.g, GIC_DIST);
        struct snap l = {.mode = SNAP_LOAD, .buf = s.buf, .cap = s.pos};
        e->ops->state(e, &l);
        ck_assert(!l.failed && l.pos == s.pos);
        ck_assert_uint_eq(q.changes, 0); /* the wires already had the levels that the state asks for */
        ck_assert_uint_eq(hash_of(&q), hash_of(&r));
        for (unsigned c = 0; c < RIG_CPUS; c++)
            for (unsigned o = 0; o < GIC_OUTPUTS; o++)
                seen |= (unsigned)r.wire[c][o] << o;
        rig_down(&q);
        snap_free(&s);
    }
    rig_down(&r);
    return seen;
}

START_TEST(test_walks)
{
    unsigned seen[4] = {0};
    for (u64 i = 0; i < 16; i++) {
        seed = i * 0x9e3779b97f4a7c15ull + 1;
        seen[i & 1 ? 2 : 3] |= walk(i & 1 ? 2 : 3, i & 2);
    }
    ck_assert_uint_eq(seen[2], 0xf);
    ck_assert_uint_eq(seen[3], 0xf);
}
END_TEST

/* Bits of each array register that can be written, over all words. */
START_TEST(test_masks)
{
    static const struct {
        u32 off, stride, set, clear; /* what reads back after all ones and after zero were written */
    } regs[] = {
        {0x80, 4, ~0u, 0},          {0x100, 4, ~0u, ~0u},      {0x180, 4, 0, 0},          {0x200, 4, ~0u, ~0u},
        {0x280, 4, 0, 0},           {0x300, 4, ~0u, ~0u},      {0x380, 4, 0, 0},          {0x400, 32, 0xf8f8f8f8, 0},
        {0x41c, 32, 0xf8f8f8f8, 0}, {0xc00, 8, 0xaaaaaaaa, 0}, {0xc04, 8, 0xaaaaaaaa, 0}, {0xd00, 4, 0, 0},
        {0xe00, 8, 0, 0},
    };
    struct rig r;
    rig_up(&r, 3, false, false);
    for (size_t i = 0; i < sizeof regs / sizeof *regs; i++)
        for (u32 w = 0; w < 10; w++) {
            u32 off = regs[i].off + w * regs[i].stride;
            bool there = w >= 1 && w < 9; /* word 0 is in the redistributors */
            wr(&r, GIC_DIST, off, ~0u);
            ck_assert_uint_eq(rd(&r, GIC_DIST, off), there ? regs[i].set : 0);
            wr(&r, GIC_DIST, off, 0);
            ck_assert_uint_eq(rd(&r, GIC_DIST, off), there ? regs[i].clear : 0);
        }
    for (size_t i = 0; i < sizeof regs / sizeof *regs; i++) {
        u32 off = 0x30000 + regs[i].off, sgis = regs[i].off == 0xc00 ? 0xaaaaaaaa : 0;
        wr(&r, GIC_REDIST, off, ~0u);
        ck_assert_uint_eq(rd(&r, GIC_REDIST, off), regs[i].set);
        wr(&r, GIC_REDIST, off, 0);
        ck_assert_uint_eq(rd(&r, GIC_REDIST, off), regs[i].clear | sgis);
    }
    wr_as(&r, GIC_DIST, 0, false, 0x6100, 8, ~0ull);
    ck_assert_uint_eq(rd_as(&r, GIC_DIST, 0, false, 0x6100, 8), 0xff80ffffff);
    wr_as(&r, GIC_DIST, 0, false, 0x6104, 4, 0);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x6100), 0x80ffffff);
    ck_assert_uint_eq(rd(&r, GIC_DIST, 0x6104), 0);
    rig_down(&r);
}
END_TEST

SUITE("gic_fuzz", test_walks, test_masks)
