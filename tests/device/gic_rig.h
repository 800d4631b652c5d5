/* What the interrupt controller's tests share: a controller without CPUs, its wires as an array of levels. */
#pragma once
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/snap.h"
#include "gic/gic.h"

enum { RIG_CPUS = 4 };

struct rig {
    struct gic *g;
    struct log log;
    bool wire[RIG_CPUS][GIC_OUTPUTS];
    unsigned changes;
    struct port port[RIG_CPUS], vport[RIG_CPUS];
    struct irq spi[64];
    u8 *ram; /* [ram_size] at address 0, for LPI tables */
    size_t ram_size;
};

static inline void rig_wire(void *sink, unsigned n, bool level)
{
    struct rig *r = sink;
    r->wire[n / GIC_OUTPUTS][n % GIC_OUTPUTS] = level;
    r->changes++;
}

static inline enum bus_result rig_dma_read(void *arg, const struct txn *t, u64 addr, void *buf, size_t n)
{
    struct rig *r = arg;
    (void)t;
    if (addr > r->ram_size || r->ram_size - addr < n)
        return BUS_DECERR;
    memcpy(buf, r->ram + addr, n);
    return BUS_OK;
}

static inline enum bus_result rig_dma_write(void *arg, const struct txn *t, u64 addr, const void *buf, size_t n)
{
    struct rig *r = arg;
    (void)t;
    if (addr > r->ram_size || r->ram_size - addr < n)
        return BUS_DECERR;
    memcpy(r->ram + addr, buf, n);
    return BUS_OK;
}

static inline void rig_up_cfg(struct rig *r, struct gic_config cfg)
{
    static const u64 mpidr[RIG_CPUS] = {0x80000000, 0x80000001, 0x80000002, 0x80000100};
    cfg.cpus = RIG_CPUS;
    cfg.spis = 256;
    cfg.mpidr = mpidr;
    r->g = gic_new(&cfg, &r->log);
    for (unsigned i = 0; i < RIG_CPUS; i++) {
        for (unsigned o = 0; o < GIC_OUTPUTS; o++)
            gic_connect(r->g, i, (enum gic_output)o,
                        (struct irq){.set = rig_wire, .sink = r, .n = i * GIC_OUTPUTS + o});
        if (cfg.version == 3) {
            r->port[i] = gic_port(r->g, i);
            r->vport[i] = gic_vport(r->g, i);
        }
    }
    for (unsigned i = 0; i < 64; i++)
        r->spi[i] = gic_spi_input(r->g, i);
}

static inline void rig_up(struct rig *r, unsigned version, bool security, bool virt)
{
    memset(r, 0, sizeof *r);
    rig_up_cfg(r, (struct gic_config){.version = version, .security = security, .virt = virt});
}

static inline void rig_down(struct rig *r)
{
    gic_free(r->g);
    free(r->ram);
}

static inline struct txn rig_txn(unsigned cpu, bool secure)
{
    return (struct txn){.space = secure ? PAS_S : PAS_NS, .cpu = (u8)cpu, .privileged = true};
}

static inline u64 rd_as(struct rig *r, enum gic_frame f, unsigned cpu, bool secure, u64 off, unsigned size)
{
    struct txn t = rig_txn(cpu, secure);
    struct device *d = gic_device(r->g, f);
    u64 v = 0;
    ck_assert_int_eq(d->ops->read(d, &t, off, size, &v), BUS_OK);
    return v;
}

static inline void wr_as(struct rig *r, enum gic_frame f, unsigned cpu, bool secure, u64 off, unsigned size, u64 v)
{
    struct txn t = rig_txn(cpu, secure);
    struct device *d = gic_device(r->g, f);
    ck_assert_int_eq(d->ops->write(d, &t, off, size, v), BUS_OK);
}

/* 32-bit, Non-secure, CPU 0 */
static inline u32 rd(struct rig *r, enum gic_frame f, u64 off) { return (u32)rd_as(r, f, 0, false, off, 4); }
static inline void wr(struct rig *r, enum gic_frame f, u64 off, u32 v) { wr_as(r, f, 0, false, off, 4, v); }

static inline u64 icc(struct rig *r, unsigned cpu, unsigned reg)
{
    struct port_txn t = {.el = 1};
    return r->port[cpu].read(r->port[cpu].arg, reg, &t);
}
static inline void icc_w(struct rig *r, unsigned cpu, unsigned reg, u64 v)
{
    struct port_txn t = {.el = 1};
    r->port[cpu].write(r->port[cpu].arg, reg, &t, v);
}

#define SUITE(name, ...)                                                                                               \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const TTest *const tests[] = {__VA_ARGS__};                                                                    \
        Suite *s = suite_create(name);                                                                                 \
        TCase *t = tcase_create(name);                                                                                 \
        for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)                                                      \
            tcase_add_test(t, tests[i]);                                                                               \
        suite_add_tcase(s, t);                                                                                         \
        SRunner *r = srunner_create(s);                                                                                \
        srunner_run_all(r, CK_NORMAL);                                                                                 \
        int bad = srunner_ntests_failed(r);                                                                            \
        srunner_free(r);                                                                                               \
        return bad ? EXIT_FAILURE : EXIT_SUCCESS;                                                                      \
    }
