/* Construction, reset and state of an interrupt controller. */
#include <stdlib.h>
#include <string.h>

#include "gic/gic_int.h"

static void reset_word(struct gic_word *w)
{
    u32 level = w->level; /* inputs keep what drives them */
    *w = (struct gic_word){.level = level};
}

static void reset_cpu(struct gic *g, struct gic_cpu *c)
{
    reset_word(&c->priv);
    c->priv.edge = 0xffff; /* SGIs */
    if (g->version == 2)
        c->priv.enable = 0xffff;
    memset(c->sgi_source, 0, sizeof c->sgi_source);
    memset(c->target, 0, sizeof c->target);
    /* Waking redistributors is EL3 firmware's task; a machine without EL3 begins as firmware would leave it,
     * which EDK2 for this board relies on. */
    c->waker = g->version == 3 && g->security ? WAKER_PROCESSOR_SLEEP | WAKER_CHILDREN_ASLEEP : 0;
    c->rctlr = 0;
    c->propbaser = c->pendbaser = 0;
    c->lpi = (struct gic_pending){.intid = INTID_SPURIOUS, .prio = PRIO_IDLE};
    if (c->lpis)
        memset(c->lpis, 0, sizeof *c->lpis);
    c->grpen = c->ctl = 0;
    c->pmr = 0;
    c->bpr[GRP_0] = c->bpr[GRP_1S] = BPR_MIN;
    c->bpr[GRP_1NS] = BPR_MIN + 1;
    memset(c->ap, 0, sizeof c->ap);
    c->el3 = c->secure = g->security;
    c->hcr = 0;
    c->vmcr = VMCR_RESET;
    memset(c->vap, 0, sizeof c->vap);
    memset(c->lr, 0, sizeof c->lr);
}

void gic_reset(struct gic *g)
{
    g->ctlr = 0;
    for (unsigned i = 1; i < g->nwords; i++)
        reset_word(&g->word[i]);
    memset(g->any, 0, sizeof g->any);
    memset(g->irouter, 0, sizeof g->irouter);
    /* v2 with one CPU: GICD_ITARGETSR is RAZ/WI and everything goes to it. */
    memset(g->itargets, g->version == 2 && g->ncpu == 1 ? 1 : 0, sizeof g->itargets);
    for (unsigned i = 0; i < g->ncpu; i++)
        reset_cpu(g, &g->cpu[i]);
    gic_route_all(g);
    gic_update_all(g);
    for (unsigned i = 0; i < g->ncpu; i++)
        gic_vupdate(g, &g->cpu[i]);
}

void gic_boot_nonsecure(struct gic *g)
{
    for (unsigned i = 1; i < g->nwords; i++)
        g->word[i].group = ~0u;
    for (unsigned i = 0; i < g->ncpu; i++) {
        g->cpu[i].priv.group = ~0u;
        g->cpu[i].waker = 0;
        if (g->version == 2)
            g->cpu[i].pmr = PRIO_MASK; /* so that Non-secure can set it */
    }
    gic_update_all(g);
}

/* ---- state ---------------------------------------------------------------------------------- */

static void word_state(struct gic_word *w, struct snap *s)
{
    SNAP(s, w, enable);
    SNAP(s, w, latch);
    SNAP(s, w, level);
    SNAP(s, w, edge);
    SNAP(s, w, active);
    SNAP(s, w, group);
    SNAP(s, w, grpmod);
    SNAP(s, w, nsacr);
    SNAP(s, w, prio);
}

static void cpu_state_visit(struct gic_cpu *c, struct snap *s)
{
    snap_section(s, "gic-cpu");
    word_state(&c->priv, s);
    SNAP(s, c, sgi_source);
    SNAP(s, c, waker);
    SNAP(s, c, rctlr);
    SNAP(s, c, propbaser);
    SNAP(s, c, pendbaser);
    SNAP(s, c, lpi.intid);
    SNAP(s, c, lpi.prio);
    SNAP(s, c, lpi.group);
    if (c->lpis) {
        SNAP(s, c, lpis->pending);
        SNAP(s, c, lpis->any);
    }
    SNAP(s, c, grpen);
    SNAP(s, c, ctl);
    SNAP(s, c, pmr);
    SNAP(s, c, bpr);
    SNAP(s, c, ap);
    SNAP(s, c, el3);
    SNAP(s, c, secure);
    SNAP(s, c, hcr);
    SNAP(s, c, vmcr);
    SNAP(s, c, vap);
    SNAP(s, c, lr);
    for (unsigned i = 0; i < GIC_OUTPUTS; i++)
        SNAP(s, c, out[i].level);
    SNAP(s, c, maint.level);
}

/* The wires' levels are in the state of both ends, so nothing is driven after a load; only what is derived is
 * found again. */
void gic_state(struct gic *g, struct snap *s)
{
    snap_section(s, "gic");
    SNAP(s, g, ctlr);
    for (unsigned i = 1; i < g->nwords; i++)
        word_state(&g->word[i], s);
    if (g->version == 3)
        snap_bytes(s, "irouter", g->irouter, sizeof *g->irouter * g->nirq);
    else
        snap_bytes(s, "itargets", g->itargets, g->nirq);
    snap_bytes(s, "any", g->any, sizeof *g->any * g->nwords);
    for (unsigned i = 0; i < g->ncpu; i++) {
        cpu_state_visit(&g->cpu[i], s);
        snap_bytes(s, "target", g->cpu[i].target, sizeof *g->cpu[i].target * g->nwords);
    }
    if (s->mode == SNAP_LOAD && !s->failed) {
        gic_update_all(g);
        for (unsigned i = 0; i < g->ncpu; i++)
            gic_vupdate(g, &g->cpu[i]);
    }
}

/* ---- construction --------------------------------------------------------------------------- */

static const struct {
    const char *id;
    const struct device_ops *ops;
} frames[2][GIC_FRAMES] = {
    {[GIC_DIST] = {"gicd", &gicv2_dist_ops},
     [GIC_CPUIF] = {"gicc", &gicv2_cpuif_ops},
     [GIC_HYP] = {"gich", &gicv2_hyp_ops},
     [GIC_VCPUIF] = {"gicv", &gicv2_vcpuif_ops}},
    {[GIC_DIST] = {"gicd", &gicv3_dist_ops}, [GIC_REDIST] = {"gicr", &gicv3_redist_ops}},
};

struct gic *gic_new(const struct gic_config *cfg, struct log *log)
{
    CHECK(cfg->version == 2 || cfg->version == 3);
    CHECK(cfg->cpus >= 1 && cfg->cpus <= (cfg->version == 2 ? 8 : 512));
    CHECK(cfg->spis % 32 == 0 && cfg->spis <= 960);
    struct gic *g = calloc(1, sizeof *g);
    CHECK(g);
    g->version = cfg->version;
    g->ncpu = cfg->cpus;
    g->nirq = GIC_PRIVATE + cfg->spis;
    g->nwords = g->nirq / 32;
    g->security = cfg->security;
    g->virt = cfg->virt;
    g->lpis = cfg->version == 3 && cfg->lpis;
    g->log = log;
    g->dma = cfg->dma;
    for (unsigned i = 0; i < GIC_FRAMES; i++)
        g->frame[i] = (struct gic_frame_dev){
            .dev = {.ops = frames[g->version - 2][i].ops, .id = frames[g->version - 2][i].id, .log = log}, .gic = g};
    g->cpu = calloc(g->ncpu, sizeof *g->cpu);
    CHECK(g->cpu);
    for (unsigned i = 0; i < g->ncpu; i++) {
        struct gic_cpu *c = &g->cpu[i];
        c->gic = g;
        c->index = i;
        c->affinity = cfg->mpidr ? cfg->mpidr[i] & IROUTER_AFF : i;
        if (g->lpis) {
            c->lpis = calloc(1, sizeof *c->lpis);
            CHECK(c->lpis);
        }
        c->maint = gic_ppi_input(g, i, cfg->maintenance ? cfg->maintenance : 25);
    }
    gic_reset(g);
    return g;
}

void gic_free(struct gic *g)
{
    if (!g)
        return;
    for (unsigned i = 0; i < g->ncpu; i++)
        free(g->cpu[i].lpis);
    free(g->cpu);
    free(g);
}

struct device *gic_device(struct gic *g, enum gic_frame f)
{
    bool virt_frame = f == GIC_HYP || f == GIC_VCPUIF;
    return g->frame[f].dev.ops && (g->virt || !virt_frame) ? &g->frame[f].dev : NULL;
}

u64 gic_frame_size(const struct gic *g, enum gic_frame f) { return f == GIC_REDIST ? 0x20000ull * g->ncpu : 0x10000; }

struct port gic_port(struct gic *g, unsigned cpu)
{
    CHECK(g->version == 3 && cpu < g->ncpu);
    return (struct port){.read = gicv3_icc_read, .write = gicv3_icc_write, .arg = &g->cpu[cpu]};
}

struct port gic_vport(struct gic *g, unsigned cpu)
{
    CHECK(g->version == 3 && cpu < g->ncpu);
    if (!g->virt)
        return (struct port){0};
    return (struct port){.read = gicv3_icv_read, .write = gicv3_icv_write, .arg = &g->cpu[cpu]};
}
