/* GICv2 virtualization (IHI0048 chapter 5): GICH, the hypervisor's control interface, and GICV, which a
 * hypervisor maps where its guest expects GICC.  Both banked by the accessing CPU; the state machine is
 * lr.c's.
 *
 *   GICH_LR   31  30  29 28 27      23 22 20 19        10 9          0
 *            +---+---+-----+----------+-----+------------+------------+
 *            |HW |Grp|State| Priority |  0  | PhysicalID | VirtualID  |
 *            +---+---+-----+----------+-----+------------+------------+
 *            HW = 0: PhysicalID<9> EOI, <2:0> the source CPU of an SGI */
#include "gic/gic_int.h"

/* ---- list registers -------------------------------------------------------------------------- */

static u32 lr_to_v2(u64 lr)
{
    return (u32)((lr & LR_HW ? 1u << 31 : 0) | (lr & LR_GROUP1 ? 1u << 30 : 0) | (lr >> 62) << 28 |
                 (u64)(lr_prio(lr) >> 3) << 23 | (lr_pintid(lr) & 0x3ff) << 10 | (lr_vintid(lr) & 0x3ff));
}

static u64 lr_from_v2(u32 v)
{
    return bits(v, 29, 28) << 62 | (bit(v, 31) ? LR_HW : 0) | (bit(v, 30) ? LR_GROUP1 : 0) | bits(v, 27, 23) << 51 |
           bits(v, 19, 10) << 32 | bits(v, 9, 0);
}

/* ---- GICH ------------------------------------------------------------------------------------ */

static struct gic_cpu *frame_cpu(struct device *d, const struct txn *t)
{
    struct gic *g = ((struct gic_frame_dev *)d)->gic;
    return t->cpu < g->ncpu ? &g->cpu[t->cpu] : NULL;
}

static enum bus_result hyp_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct gic_cpu *c = frame_cpu(d, t);
    (void)size;
    *val = 0;
    if (!c)
        return BUS_OK;
    if (off >= 0x100 && off < 0x100 + 4 * GIC_LRS) {
        *val = lr_to_v2(c->lr[(off - 0x100) / 4]);
        return BUS_OK;
    }
    switch (off) {
    case 0x00: *val = c->hcr; break;
    case 0x04: *val = (u32)(PRIO_BITS - 1) << 29 | (PRIO_BITS - 1) << 26 | (GIC_LRS - 1); break;
    case 0x08: *val = c->vmcr; break;
    case 0x10: *val = gic_misr(c); break;
    case 0x20: *val = gic_eisr(c); break;
    case 0x30: *val = gic_elrsr(c); break;
    case 0xf0: *val = c->vap[0]; break;
    case 0x24:
    case 0x34: break; /* list registers 32 to 63 */
    default:
        if (!t->debug && (off < 0x100 || off >= 0x200))
            log_guest(d->log, "%s: read of no register at offset 0x%llx", d->id, (unsigned long long)off);
    }
    return BUS_OK;
}

static enum bus_result hyp_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct gic_cpu *c = frame_cpu(d, t);
    (void)size;
    if (!c || t->debug)
        return BUS_OK;
    if (off >= 0x100 && off < 0x100 + 4 * GIC_LRS) {
        c->lr[(off - 0x100) / 4] = lr_from_v2((u32)val);
        gic_vupdate(c->gic, c);
        return BUS_OK;
    }
    switch (off) {
    case 0x00: c->hcr = (u32)val & (0xff | HCR_EOICOUNT); break;
    case 0x08: gic_write_vmcr(c->gic, c, (u32)val); return BUS_OK;
    case 0xf0: c->vap[0] = (u32)val; break;
    default:
        if (off < 0x100 || off >= 0x200)
            log_guest(d->log, "%s: write of 0x%llx to no or read-only register at offset 0x%llx", d->id,
                      (unsigned long long)val, (unsigned long long)off);
        return BUS_OK;
    }
    gic_vupdate(c->gic, c);
    return BUS_OK;
}

/* ---- GICV ------------------------------------------------------------------------------------ */

enum {
    VCTLR_MASK = VMCR_VENG0 | VMCR_VENG1 | VMCR_VACKCTL | VMCR_VFIQEN | VMCR_VCBPR | VMCR_VEOIM,
    IIDR_GICV = 0x2043b,
};

static u32 guest_id(u64 lr) { return lr & LR_HW ? lr_vintid(lr) : lr_vintid(lr) | (lr_pintid(lr) & 7) << 10; }

/* As visible_id() of the CPU interface. */
static u32 visible_id(const struct gic_cpu *c, int i, bool alias)
{
    if (i < 0)
        return INTID_SPURIOUS;
    bool group1 = c->lr[i] & LR_GROUP1;
    if (alias)
        return group1 ? guest_id(c->lr[i]) : INTID_SPURIOUS;
    return group1 && !(c->vmcr & VMCR_VACKCTL) ? INTID_GROUP1 : guest_id(c->lr[i]);
}

static u32 acknowledge(struct gic_cpu *c, bool alias)
{
    int i = gic_vbest(c);
    if (!gic_vcan_preempt(c, i))
        return INTID_SPURIOUS;
    u32 id = visible_id(c, i, alias);
    if (id != INTID_SPURIOUS && id != INTID_GROUP1)
        gic_vactivate(c->gic, c, i);
    return id;
}

static enum bus_result vcpuif_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct gic_cpu *c = frame_cpu(d, t);
    (void)size;
    *val = 0;
    if (!c)
        return BUS_OK;
    if (t->debug && (off == 0x0c || off == 0x20)) /* no acknowledge */
        off += off == 0x0c ? 0x18 - 0x0c : 0x28 - 0x20;
    switch (off) {
    case 0x00: *val = c->vmcr & VCTLR_MASK; break;
    case 0x04: *val = c->vmcr >> VMCR_VPMR_SHIFT & PRIO_MASK; break;
    case 0x08: *val = gic_read_vbpr(c->gic, c, 0); break;
    case 0x0c: *val = acknowledge(c, false); break;
    case 0x14: *val = gic_vrunning_priority(c); break;
    case 0x18: *val = visible_id(c, gic_vbest(c), false); break;
    case 0x1c: *val = gic_read_vbpr(c->gic, c, 1); break;
    case 0x20: *val = acknowledge(c, true); break;
    case 0x28: *val = visible_id(c, gic_vbest(c), true); break;
    case 0xd0: *val = c->vap[0]; break;
    case 0xd4:
    case 0xd8:
    case 0xdc: break;
    case 0xfc: *val = IIDR_GICV; break;
    default:
        if (!t->debug)
            log_guest(d->log, "%s: read of no register at offset 0x%llx", d->id, (unsigned long long)off);
    }
    return BUS_OK;
}

static enum bus_result vcpuif_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct gic_cpu *c = frame_cpu(d, t);
    (void)size;
    if (!c || t->debug)
        return BUS_OK;
    struct gic *g = c->gic;
    u32 v = (u32)val;
    switch (off) {
    case 0x00: c->vmcr = (c->vmcr & ~(u32)VCTLR_MASK) | (v & VCTLR_MASK); break;
    case 0x04: c->vmcr = (c->vmcr & ~(0xffu << VMCR_VPMR_SHIFT)) | (v & PRIO_MASK) << VMCR_VPMR_SHIFT; break;
    case 0x08: gic_write_vbpr(g, c, 0, v); return BUS_OK;
    case 0x10: gic_veoi(g, c, -1, v & 0x1fff); return BUS_OK;
    case 0x1c: gic_write_vbpr(g, c, 1, v); return BUS_OK;
    case 0x24: gic_veoi(g, c, 1, v & 0x1fff); return BUS_OK;
    case 0xd0: c->vap[0] = v; break;
    case 0xd4:
    case 0xd8:
    case 0xdc: return BUS_OK;
    case 0x1000: gic_vdir(g, c, v & 0x1fff); return BUS_OK;
    default:
        log_guest(d->log, "%s: write of 0x%llx to no or read-only register at offset 0x%llx", d->id,
                  (unsigned long long)val, (unsigned long long)off);
        return BUS_OK;
    }
    gic_vupdate(g, c);
    return BUS_OK;
}

static void nothing(struct device *d) { (void)d; }
static void no_state(struct device *d, struct snap *s) { (void)d, (void)s; }

const struct device_ops gicv2_hyp_ops = {
    .name = "gicv2-hyp",
    .min_size = 4,
    .max_size = 4,
    .read = hyp_read,
    .write = hyp_write,
    .state = no_state,
    .destroy = nothing,
};

const struct device_ops gicv2_vcpuif_ops = {
    .name = "gicv2-vcpuif",
    .min_size = 4,
    .max_size = 4,
    .read = vcpuif_read,
    .write = vcpuif_write,
    .state = no_state,
    .destroy = nothing,
};
