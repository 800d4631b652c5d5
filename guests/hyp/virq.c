/* Interrupts: the physical interrupt controller (GICv3), virtual interrupts, and timers.
 *
 * With HCR_EL2.IMO every physical interrupt comes to us. Here there are two, both timers: ours, which ends a time
 * slice, and the virtual timer, which belongs to the guest that runs. That one we pass on, in one of two ways:
 *
 *   list register  The GIC has a virtual CPU interface. We write "interrupt 27 is pending" into ICH_LR0_EL2; the guest
 *                  acknowledges and ends it with the usual registers (ICC_IAR1_EL1 ...), without another trap.
 *                  The HW bit ties it to the physical interrupt: when the guest ends one, the other is deactivated.
 *   HCR_EL2.VI     One bit: "an IRQ is pending". The guest takes the exception, but must ask which one: a hypercall.
 *
 * Either way the physical interrupt stays active meanwhile, so that the timer, still firing, cannot interrupt again. */
#include "hyp.h"

enum {
    HCR_VI = 1 << 7,
    ICH_HCR_EN = 1,
    CTL_ENABLE = 1,
    CTL_IMASK = 2,
    NO_INTERRUPT = 1020, /* and above: nothing to acknowledge */
};

/* The Secure world has timers of its own for EL2. */
static unsigned hyp_timer(void) { return secure ? PPI_SECURE_HYP_TIMER : PPI_HYP_TIMER; }

void gic_init(void)
{
    write_reg(icc_sre_el2, 0xf); /* CPU interface by system registers, for guests too */
    isb();
    *mmio32(GICD + GICD_CTLR) = secure ? GICD_CTLR_ARE_SECURE_GROUP1 : GICD_CTLR_ARE_GROUP1;
    *mmio32(GICR + GICR_WAKER) = 0;
    while (*mmio32(GICR + GICR_WAKER) & 4) /* ChildrenAsleep */
        ;
    *mmio32(GICR + GICR_IGROUPR0) = secure ? 0 : ~0u; /* group 1: an IRQ; Secure group 1 by the modifier */
    *mmio32(GICR + GICR_IGRPMODR0) = secure ? ~0u : 0;
    *mmio32(GICR + GICR_ISENABLER0) = bit(hyp_timer()) | bit(PPI_VIRTUAL_TIMER);
    write_reg(icc_pmr_el1, 0xff);
    write_reg(icc_ctlr_el1, 2); /* EOImode: ending an interrupt and deactivating it are two steps */
    write_reg(icc_igrpen1_el1, 1);
    isb();
}

static void timer_control(u64 value)
{
    if (secure)
        write_reg(S3_4_C14_C5_1, value); /* CNTHPS_CTL_EL2 */
    else
        write_reg(cnthp_ctl_el2, value);
    isb();
}

/* ---- physical interrupts ----------------------------------------------------------------------- */

static void deactivate(u64 intid)
{
    write_reg(icc_dir_el1, intid);
    isb();
}

bool gic_take(struct vcpu *v)
{
    u64 intid = read_reg(icc_iar1_el1);
    dsb();
    if (intid >= NO_INTERRUPT)
        return false;
    bool slice_over = intid == hyp_timer();
    if (slice_over)
        timer_control(0);
    write_reg(icc_eoir1_el1, intid); /* lower the running priority: others may interrupt again */
    isb();
    if (!v || intid != PPI_VIRTUAL_TIMER) {
        deactivate(intid);
        return slice_over;
    }
    if (v->nested && nested_timer())
        return false;
    if (v->by_list_register) {
        write_reg(ich_lr0_el2, LR_PENDING | LR_HW | LR_GROUP1 | LR_PINTID(PPI_VIRTUAL_TIMER) | PPI_VIRTUAL_TIMER);
    } else {
        v->hcr |= HCR_VI;
        write_reg(hcr_el2, v->hcr);
    }
    isb();
    return false;
}

/* ---- virtual interrupts ------------------------------------------------------------------------ */

/* The guest without a list register asks which interrupt it is; this ends the interrupt, too. */
u64 virq_acknowledge(struct vcpu *v)
{
    if (!(v->hcr & HCR_VI))
        return NO_INTERRUPT + 3;
    v->hcr &= ~(u64)HCR_VI;
    write_reg(hcr_el2, v->hcr);
    isb();
    deactivate(PPI_VIRTUAL_TIMER);
    return PPI_VIRTUAL_TIMER;
}

/* v is not loaded: has it a virtual interrupt to take? */
bool virq_pending(const struct vcpu *v) { return (v->hcr & HCR_VI) || ((v->ich_lr0 | v->ich_lr1) & LR_PENDING); }

/* The one physical timer interrupt serves all guests: whether it is active belongs to the guest that runs. */
void virq_save(struct vcpu *v)
{
    v->ich_lr0 = read_reg(ich_lr0_el2);
    v->ich_lr1 = read_reg(ich_lr1_el2); /* nested.c */
    v->ich_vmcr = read_reg(ich_vmcr_el2);
    v->ich_ap0r0 = read_reg(ich_ap0r0_el2); /* a guest can write it, though it uses group 1 alone */
    v->ich_ap1r0 = read_reg(ich_ap1r0_el2);
    v->timer_active = *mmio32(GICR + GICR_ISACTIVER0) & bit(PPI_VIRTUAL_TIMER);
    write_reg(ich_hcr_el2, 0);
}

void virq_load(struct vcpu *v)
{
    *mmio32(GICR + (v->timer_active ? GICR_ISACTIVER0 : GICR_ICACTIVER0)) = bit(PPI_VIRTUAL_TIMER);
    dsb();
    write_reg(ich_lr0_el2, v->ich_lr0);
    write_reg(ich_lr1_el2, v->ich_lr1);
    write_reg(ich_vmcr_el2, v->ich_vmcr);
    write_reg(ich_ap0r0_el2, v->ich_ap0r0);
    write_reg(ich_ap1r0_el2, v->ich_ap1r0);
    write_reg(ich_hcr_el2, v->by_list_register ? ICH_HCR_EN : 0);
}

/* ---- timers ------------------------------------------------------------------------------------ */

u64 timer_now(void)
{
    isb(); /* the counter may otherwise be read early */
    return read_reg(cntpct_el0);
}

u64 timer_deadline(const struct vcpu *v)
{
    bool on = (v->cntv_ctl_el0 & (CTL_ENABLE | CTL_IMASK)) == CTL_ENABLE;
    u64 when = on ? v->cntv_cval_el0 + v->cntvoff : ~0ull;
    return v->nested && nested_deadline() < when ? nested_deadline() : when;
}

static u64 armed;

void timer_arm(u64 when)
{
    armed = when;
    if (secure)
        write_reg(S3_4_C14_C5_2, when); /* CNTHPS_CVAL_EL2 */
    else
        write_reg(cnthp_cval_el2, when);
    timer_control(CTL_ENABLE);
}

void timer_arm_before(u64 when)
{
    if (when < armed)
        timer_arm(when);
}
