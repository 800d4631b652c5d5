/* GICv2m: an MSI frame for GICv2 (SBSA appendix; Arm's Juno and the reference board). A write of an INTID
 * to MSI_SETSPI_NS is a rising edge of that SPI. */
#include <stdlib.h>

#include "gic/gic_int.h"

enum {
    MSI_TYPER = 0x008,
    MSI_SETSPI_NS = 0x040,
    MSI_IIDR = 0xfcc,
    IIDR_VALUE = 'Q' << 20, /* product of the reference board's frame */
};

struct gicv2m {
    struct device dev;
    unsigned base, count;
    struct irq *spi;
};

static enum bus_result v2m_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    const struct gicv2m *m = (const struct gicv2m *)d;
    (void)size;
    *val = 0;
    switch (off) {
    case MSI_TYPER: *val = m->base << 16 | m->count; break;
    case MSI_IIDR: *val = IIDR_VALUE; break;
    default:
        /* Identification registers at 0xfd0 read as zero, as on the reference board. */
        if (off < 0xfd0 && !t->debug)
            log_guest(d->log, "%s: read of no register at offset 0x%llx", d->id, (unsigned long long)off);
    }
    return BUS_OK;
}

static enum bus_result v2m_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct gicv2m *m = (struct gicv2m *)d;
    (void)size;
    if (t->debug)
        return BUS_OK;
    u32 n = (val & 0x3ff) - m->base;
    if (off != MSI_SETSPI_NS) {
        log_guest(d->log, "%s: write of 0x%llx to no or read-only register at offset 0x%llx", d->id,
                  (unsigned long long)val, (unsigned long long)off);
    } else if (n >= m->count) {
        log_guest(d->log, "%s: MSI of INTID %u, which is not one of the frame's", d->id, (unsigned)(val & 0x3ff));
    } else {
        irq_set(&m->spi[n], true);
        irq_set(&m->spi[n], false);
    }
    return BUS_OK;
}

/* Registers are constants and the wires are low between two writes: there is no state. */
static void v2m_state(struct device *d, struct snap *s) { (void)d, snap_section(s, "gicv2m"); }

static void v2m_destroy(struct device *d)
{
    free(((struct gicv2m *)d)->spi);
    free(d);
}

static const struct device_ops v2m_ops = {
    .name = "gicv2m",
    .min_size = 4,
    .max_size = 4,
    .read = v2m_read,
    .write = v2m_write,
    .state = v2m_state,
    .destroy = v2m_destroy,
};

struct device *gicv2m_new(struct gic *g, unsigned base, unsigned count, const char *id, struct log *log)
{
    struct gicv2m *m = calloc(1, sizeof *m);
    CHECK(m && base >= GIC_PRIVATE && base + count <= g->nirq);
    m->dev = (struct device){.ops = &v2m_ops, .id = id, .log = log};
    m->base = base;
    m->count = count;
    m->spi = calloc(count, sizeof *m->spi);
    CHECK(m->spi);
    for (unsigned i = 0; i < count; i++)
        m->spi[i] = gic_spi_input(g, base - GIC_PRIVATE + i);
    return &m->dev;
}
