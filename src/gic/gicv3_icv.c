#include "gic/gic_int.h"
void gic_vupdate(struct gic *g, struct gic_cpu *c) { (void)g, (void)c; }
u64 gicv3_icv_read(void *arg, unsigned reg, const struct port_txn *t)
{
    (void)arg, (void)reg, (void)t;
    return 0;
}
void gicv3_icv_write(void *arg, unsigned reg, const struct port_txn *t, u64 val)
{
    (void)arg, (void)reg, (void)t, (void)val;
}
u64 gicv3_ich_read(struct gic_cpu *c, unsigned reg)
{
    (void)c, (void)reg;
    return 0;
}
void gicv3_ich_write(struct gic_cpu *c, unsigned reg, u64 val) { (void)c, (void)reg, (void)val; }
const struct device_ops gicv2_dist_ops, gicv2_cpuif_ops, gicv2_hyp_ops, gicv2_vcpuif_ops;
