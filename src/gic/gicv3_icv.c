/* GICv3 virtualization: ICH_* for the hypervisor and ICV_*, the guest's view of ICC_* (IHI0069 chapter 6,
 * 12.4, 12.6).  Which accesses come here is the CPU's business (HCR_EL2.IMO and FMO).  GICv4's direct
 * injection is not modelled; SEIs are not there. */
#include "gic/gic_int.h"

enum {
    VTR_VALUE = (GIC_LRS - 1) | 1 << 19 /* TDS */ | 1 << 20 /* nV4 */ | 1 << 21 /* A3V */ | 1 << 23 /* 24 ID bits */ |
                (PRIO_BITS - 1) << 26,
    /* En .. VGrp1DIE, TC, TALL0, TALL1, TDIR */
    HCR_WRITABLE = 0xff | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 14,
    VCTLR_INFO = (PRIO_BITS - 1) << 8 | 1 << 11 | 1 << 15,
};
#define VTR_PRIBITS ((u32)(PRIO_BITS - 1) << 29)

/* ---- ICH ------------------------------------------------------------------------------------- */

u64 gicv3_ich_read(struct gic_cpu *c, unsigned reg)
{
    switch (reg) {
    case SR_ICH_HCR_EL2: return c->hcr;
    case SR_ICH_VTR_EL2: return VTR_PRIBITS | VTR_VALUE;
    case SR_ICH_VMCR_EL2: return c->vmcr | VMCR_VFIQEN; /* RES1 with system registers */
    case SR_ICH_MISR_EL2: return gic_misr(c);
    case SR_ICH_EISR_EL2: return gic_eisr(c);
    case SR_ICH_ELRSR_EL2: return gic_elrsr(c);
    case SR_ICH_AP0R0_EL2: return c->vap[0];
    case SR_ICH_AP1R0_EL2: return c->vap[1];
    default:
        if (reg >= SR_ICH_LR0_EL2 && reg < SR_ICH_LR0_EL2 + GIC_LRS)
            return c->lr[reg - SR_ICH_LR0_EL2];
        return 0;
    }
}

void gicv3_ich_write(struct gic_cpu *c, unsigned reg, u64 v)
{
    struct gic *g = c->gic;
    switch (reg) {
    case SR_ICH_HCR_EL2: c->hcr = (u32)v & (HCR_WRITABLE | HCR_EOICOUNT); break;
    case SR_ICH_VMCR_EL2: gic_write_vmcr(g, c, (u32)v); return;
    case SR_ICH_AP0R0_EL2: c->vap[0] = (u32)v; break;
    case SR_ICH_AP1R0_EL2: c->vap[1] = (u32)v; break;
    default:
        if (reg >= SR_ICH_LR0_EL2 && reg < SR_ICH_LR0_EL2 + GIC_LRS)
            c->lr[reg - SR_ICH_LR0_EL2] = v & LR_MASK;
        break;
    }
    gic_vupdate(g, c);
}

/* ---- ICV ------------------------------------------------------------------------------------- */

static u32 hppir(struct gic_cpu *c, unsigned group)
{
    int i = gic_vbest(c);
    return i >= 0 && lr_group(c->lr[i]) == group ? lr_vintid(c->lr[i]) : INTID_SPURIOUS;
}

static u32 acknowledge(struct gic *g, struct gic_cpu *c, unsigned group)
{
    int i = gic_vbest(c);
    if (!gic_vcan_preempt(c, i) || lr_group(c->lr[i]) != group)
        return INTID_SPURIOUS;
    u32 id = lr_vintid(c->lr[i]);
    if (id >= INTID_SECURE && id <= INTID_SPURIOUS) { /* no such interrupt: it vanishes */
        c->lr[i] &= ~LR_PENDING;
        gic_vupdate(g, c);
        return INTID_SPURIOUS;
    }
    gic_vactivate(g, c, i);
    return id;
}

static u64 read_ctlr(const struct gic_cpu *c)
{
    return (u32)VCTLR_INFO | (c->vmcr & VMCR_VCBPR ? 1u : 0) | (c->vmcr & VMCR_VEOIM ? 2u : 0);
}

static void set_vmcr(struct gic *g, struct gic_cpu *c, u32 m, u32 v)
{
    c->vmcr = (c->vmcr & ~m) | (v & m);
    gic_vupdate(g, c);
}

u64 gicv3_icv_read(void *arg, unsigned reg, const struct port_txn *t)
{
    struct gic_cpu *c = arg;
    struct gic *g = c->gic;
    switch (reg) {
    case SR_ICC_IAR0_EL1: return acknowledge(g, c, 0);
    case SR_ICC_IAR1_EL1: return acknowledge(g, c, 1);
    case SR_ICC_HPPIR0_EL1: return hppir(c, 0);
    case SR_ICC_HPPIR1_EL1: return hppir(c, 1);
    case SR_ICC_PMR_EL1: return c->vmcr >> VMCR_VPMR_SHIFT & PRIO_MASK;
    case SR_ICC_RPR_EL1: return gic_vrunning_priority(c);
    case SR_ICC_BPR0_EL1: return gic_read_vbpr(g, c, 0);
    case SR_ICC_BPR1_EL1: return gic_read_vbpr(g, c, 1);
    case SR_ICC_AP0R0_EL1: return c->vap[0];
    case SR_ICC_AP1R0_EL1: return c->vap[1];
    case SR_ICC_CTLR_EL1: return read_ctlr(c);
    case SR_ICC_IGRPEN0_EL1: return c->vmcr & VMCR_VENG0;
    case SR_ICC_IGRPEN1_EL1: return c->vmcr >> 1 & 1;
    case SR_ICC_AP0R1_EL1:
    case SR_ICC_AP0R2_EL1:
    case SR_ICC_AP0R3_EL1:
    case SR_ICC_AP1R1_EL1:
    case SR_ICC_AP1R2_EL1:
    case SR_ICC_AP1R3_EL1: return 0;
    default: return gicv3_icc_read(arg, reg, t); /* has no virtual counterpart */
    }
}

void gicv3_icv_write(void *arg, unsigned reg, const struct port_txn *t, u64 v)
{
    struct gic_cpu *c = arg;
    struct gic *g = c->gic;
    switch (reg) {
    case SR_ICC_EOIR0_EL1: gic_veoi(g, c, 0, v & 0xffffff); break;
    case SR_ICC_EOIR1_EL1: gic_veoi(g, c, 1, v & 0xffffff); break;
    case SR_ICC_DIR_EL1: gic_vdir(g, c, v & 0xffffff); break;
    case SR_ICC_PMR_EL1: set_vmcr(g, c, (u32)PRIO_MASK << VMCR_VPMR_SHIFT, (u32)v << VMCR_VPMR_SHIFT); break;
    case SR_ICC_BPR0_EL1: gic_write_vbpr(g, c, 0, (unsigned)v); break;
    case SR_ICC_BPR1_EL1: gic_write_vbpr(g, c, 1, (unsigned)v); break;
    case SR_ICC_AP0R0_EL1: c->vap[0] = (u32)v, gic_vupdate(g, c); break;
    case SR_ICC_AP1R0_EL1: c->vap[1] = (u32)v, gic_vupdate(g, c); break;
    case SR_ICC_CTLR_EL1:
        set_vmcr(g, c, VMCR_VCBPR | VMCR_VEOIM, (v & 1 ? VMCR_VCBPR : 0) | (v & 2 ? VMCR_VEOIM : 0));
        break;
    case SR_ICC_IGRPEN0_EL1: set_vmcr(g, c, VMCR_VENG0, (u32)v & 1); break;
    case SR_ICC_IGRPEN1_EL1: set_vmcr(g, c, VMCR_VENG1, ((u32)v & 1) << 1); break;
    case SR_ICC_AP0R1_EL1:
    case SR_ICC_AP0R2_EL1:
    case SR_ICC_AP0R3_EL1:
    case SR_ICC_AP1R1_EL1:
    case SR_ICC_AP1R2_EL1:
    case SR_ICC_AP1R3_EL1: break;
    default: gicv3_icc_write(arg, reg, t, v); break;
    }
}
