/* Locality-specific interrupts of a redistributor (IHI0069 5.1): configuration and pending tables in RAM. */
#include "gic/gic_int.h"

void gic_lpi_ctlr(struct gic *g, struct gic_cpu *c, u32 v, bool ns)
{
    u32 m = GICR_CTLR_DPG;
    if (ns) /* DPG1S and DPG0 are Secure */
        m = 2u << GICR_CTLR_DPG0_SHIFT;
    c->rctlr = (c->rctlr & ~m) | (v & m);
    gic_route_any(g);
}

void gic_lpi_propbaser(struct gic *g, struct gic_cpu *c, u64 v) { (void)g, (void)c, (void)v; }
void gic_lpi_pendbaser(struct gic *g, struct gic_cpu *c, u64 v) { (void)g, (void)c, (void)v; }
void gic_lpi_ack(struct gic *g, struct gic_cpu *c, unsigned intid) { (void)g, (void)c, (void)intid; }
