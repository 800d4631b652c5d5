/* A machine put together from its configuration: bus, CPUs, interrupt controller, timers, devices of
 * the board table, boot loader. Guest-visible state is visited by machine_state() in one fixed order. */
#include "machine/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/snap.h"
#include "cpu/code.h"
#include "cpu/context.h"
#include "cpu/fields.h"
#include "cpu/mem.h"
#include "cpu/model.h"
#include "cpu/par.h"
#include "gic/gic.h"
#include "jit/jit.h"
#include "machine/console.h"
#include "machine/diagnose.h"
#include "machine/psci.h"
#include "machine/sched.h"
#include "machine/semihost.h"
#include "machine/traplog.h"
#include "smmu/smmu.h"

enum { QUANTUM = 10000, GUEST_ERRORS_SHOWN = 20, ALL_SPACES = 0xf, NS_SPACES = 1 << PAS_NS | 1 << PAS_S };

/* ---- log, hooks ----------------------------------------------------------------------------- */

static void log_line(void *arg, const char *line)
{
    struct machine *m = arg;
    if (m->config->qemu_status || m->config->quiet)
        return;
    bool fresh = !m->console || console_at_line_start(m->console);
    if (m->console)
        console_flush(m->console);
    fprintf(stderr, "%s%s: %s\n", fresh ? "" : "\n", m->config->program, line);
}

static void on_exception(void *arg, struct cpu *c, const struct exc_info *x)
{
    struct machine *m = arg;
    diagnose_exception(m, c, x);
    if (m->traplog) {
        cpu_lock(c);
        traplog_exception(m->traplog, c, x);
        cpu_unlock(c);
    }
}

/* ---- CPUs ----------------------------------------------------------------------------------- */

static unsigned timer_context(void *arg)
{
    const struct cpu *c = arg;
    bool ecv = cpu_has(c, FEAT_ECV_POFF) && cpu_el2_enabled(c) && (!cpu_has_el3(c) || (c->sys[SCR_EL3] & SCR_ECVEn));
    return (c->hcr & HCR_E2H ? TIMER_E2H : 0u) | (c->hcr & HCR_TGE ? TIMER_TGE : 0u) | (ecv ? TIMER_ECV : 0u);
}

static void event_stream(void *arg) { cpu_send_event(arg); }

static void cpu_wire(void *sink, unsigned n, bool level) { cpu_set_input(sink, n, level); }

static void connect_cpu(struct machine *m, unsigned i)
{
    static const struct {
        u8 timer, intid;
    } ppi[] = {{TIMER_P, PPI_EL1_PHYS},      {TIMER_V, PPI_EL1_VIRT},      {TIMER_HP, PPI_EL2_PHYS},
               {TIMER_HV, PPI_EL2_VIRT},     {TIMER_PS, PPI_EL1_PHYS_SEC}, {TIMER_HPS, PPI_EL2_PHYS_SEC},
               {TIMER_HVS, PPI_EL2_VIRT_SEC}};
    static const u8 input[GIC_OUTPUTS] = {
        [GIC_IRQ] = CPU_IRQ, [GIC_FIQ] = CPU_FIQ, [GIC_VIRQ] = CPU_VIRQ, [GIC_VFIQ] = CPU_VFIQ};
    struct cpu *c = m->cpus[i];
    struct timer_config tc = {&m->counter, i, timer_context, event_stream, c};
    m->timers[i] = timer_new(&tc);
    for (unsigned k = 0; k < ARRAY_LEN(ppi); k++)
        *timer_irq(m->timers[i], ppi[k].timer) = gic_ppi_input(m->gic, i, ppi[k].intid);
    for (unsigned k = 0; k < GIC_OUTPUTS; k++)
        gic_connect(m->gic, i, k, (struct irq){.set = cpu_wire, .sink = c, .n = input[k]});
    c->pmu_irq = gic_ppi_input(m->gic, i, PPI_PMU);
    c->fault_irq = gic_ppi_input(m->gic, i, PPI_RAS_FAULT);
    c->recovery_irq = gic_ppi_input(m->gic, i, PPI_RAS_RECOVERY);
    c->ports[PORT_TIMER] = timer_port(m->timers[i]);
    if (m->config->gic == 3) {
        c->ports[PORT_GIC] = gic_port(m->gic, i);
        c->ports[PORT_GICV] = gic_vport(m->gic, i);
    }
}

/* What the user may have meant by a model or feature that is not known. */
static bool cpu_near_miss(const char *cpu, struct err *e)
{
    const char *models[64], *features[FEAT_COUNT];
    char word[40];
    size_t nmodels = 0, nfeatures = 0, len = strcspn(cpu, ",");
    while (nmodels < ARRAY_LEN(models) && model_name((unsigned)nmodels)) {
        models[nmodels] = model_name((unsigned)nmodels);
        nmodels++;
    }
    for (unsigned i = 1; i < FEAT_COUNT; i++)
        if (feat_works(i))
            features[nfeatures++] = feat_name(i);
    snprintf(word, sizeof word, "%.*s", (int)len, cpu);
    bool known = false;
    for (size_t i = 0; i < nmodels; i++)
        known |= strcmp(models[i], word) == 0;
    if (!known) {
        const char *near = err_nearest(word, models, nmodels);
        if (near)
            err_more(e, "; did you mean %s?", near);
        err_more(e, "\n  the models are");
        for (size_t i = 0; i < nmodels; i++)
            err_more(e, " %s", models[i]);
        return false;
    }
    for (const char *s = cpu + len; *s; s += len) {
        s++;
        len = strcspn(s, ",");
        snprintf(word, sizeof word, "%.*s", (int)len, s + (*s == '+' || *s == '-'));
        known = false;
        for (size_t i = 0; i < nfeatures; i++)
            known |= strcasecmp(features[i], word) == 0;
        const char *near = known ? NULL : err_nearest(word, features, nfeatures);
        if (near)
            return err_more(e, "; did you mean %c%s?", *s == '-' ? '-' : '+', near);
    }
    return false;
}

static bool choose_cpu(struct machine *m, struct cpu_config *cc, struct err *e)
{
    const struct config *c = m->config;
    struct model_request want = {.el2 = c->el2, .el3 = c->el3, .gicv3 = c->gic == 3};
    char why[256];
    *cc = (struct cpu_config){.cntfrq = BOARD_CNTFRQ};
    if (model_lookup(c->cpu, &want, cc, why, sizeof why))
        return true;
    err_set(e, STATUS_USAGE, "%s", why);
    return cpu_near_miss(c->cpu, e);
}

/* RMR_ELx: the PE and its timers start over, memory and devices go on. */
static void warm_reset(void *arg, struct cpu *c)
{
    struct machine *m = arg;
    cpu_warm_reset(c);
    timer_reset(m->timers[c->index]);
    c->run = CPU_RUNNING;
}

static void broadcast(void *arg, const struct tlb_inv *inv) { smmu_broadcast(((struct machine *)arg)->smmu, inv); }

/* After bus_seal(): CPUs keep pointers into RAM. */
static void make_cpus(struct machine *m, struct cpu_config *cc)
{
    const struct config *c = m->config;
    m->ncpus = c->cpus;
    m->cpus = calloc(m->ncpus, sizeof(struct cpu *));
    m->timers = calloc(m->ncpus, sizeof(struct timer *));
    m->loops = calloc(m->ncpus, sizeof *m->loops);
    CHECK(m->cpus && m->timers && m->loops);
    m->env = (struct cpu_env){.bus = m->bus,
                              .clock = &m->clock,
                              .log = &m->log,
                              .cpus = m->cpus,
                              .count = m->ncpus,
                              .entropy = c->seed,
                              .slow_memory = c->slow_memory,
                              .jit_eager = c->jit_eager,
                              .hook_arg = m,
                              .broadcast = m->smmu ? broadcast : NULL,
                              .woken = sched_woken,
                              .warm_reset = warm_reset,
                              .firmware_call = m->psci ? psci_call : NULL,
                              .semihosting = c->semihosting ? semihost_call : NULL,
                              .on_exception = on_exception,
                              .calls_unseen = !c->trap_log};
    if (c->parallel)
        m->env.par = par_new(&m->env, c->strict);
    for (unsigned i = 0; i < m->ncpus; i++) {
        cc->index = i;
        cc->mpidr = 1ull << 31 | board_affinity(c, i);
        m->cpus[i] = cpu_new(&m->env, cc);
        connect_cpu(m, i);
    }
}

void machine_start_cpu(struct machine *m, struct cpu *c, u64 entry, u64 x0)
{
    unsigned el = c->ps.el;
    if (m->psci && el == 3) {
        /* What EL3 firmware would have done; without it SMC is UNDEFINED, and so the board's. */
        c->sys[SCR_EL3] |= SCR_NS | SCR_HCE | SCR_RW | SCR_SMD | SCR_API | SCR_APK | SCR_ATA | SCR_FGTEn | SCR_ECVEn |
                           SCR_EnSCXT | SCR_HXEn;
        el = cpu_has_el2(c) ? 2 : 1;
    }
    cpu_set_spsr(c, 0xf << 6 | el << 2 | 1);
    sysreg_refresh(c);
    for (unsigned i = 0; i < 31; i++)
        c->x[i] = 0;
    c->x[0] = x0;
    c->pc = entry;
    cpu_set_run(c, CPU_RUNNING);
    sched_woken(m);
    cpu_attend(c);
    if (c->par)
        par_wake(c);
}

/* ---- devices -------------------------------------------------------------------------------- */

void machine_add_device(struct machine *m, struct device *d)
{
    CHECK(m->ndevices < ARRAY_LEN(m->devices));
    m->devices[m->ndevices++] = d;
}

static void make_gic(struct machine *m)
{
    const struct config *c = m->config;
    u64 mpidr[512];
    for (unsigned i = 0; i < c->cpus; i++)
        mpidr[i] = board_affinity(c, i);
    struct gic_config gc = {.version = c->gic,
                            .cpus = c->cpus,
                            .spis = BOARD_SPIS,
                            .security = c->el3,
                            .virt = c->el2,
                            .mpidr = mpidr,
                            .maintenance = PPI_MAINTENANCE,
                            .lpis = board_find(c, BOARD_ITS) != NULL,
                            .dma = bus_dma(m->bus, 0)};
    m->gic = gic_new(&gc, &m->log);
}

static void map_frame(struct machine *m, const struct board_row *r, enum gic_frame f)
{
    bus_map_device(m->bus, NS_SPACES, r->base, board_count(r, m->config) * r->size, gic_device(m->gic, f));
}

static bool make_row(struct machine *m, const struct board_row *r, struct err *e)
{
    switch ((enum board_type)r->type) {
    case BOARD_GICD:
        map_frame(m, r, GIC_DIST);
        machine_add_device(m, gic_device(m->gic, GIC_DIST));
        break;
    case BOARD_GICC: map_frame(m, r, GIC_CPUIF); break;
    case BOARD_GICH: map_frame(m, r, GIC_HYP); break;
    case BOARD_GICV: map_frame(m, r, GIC_VCPUIF); break;
    case BOARD_GICR: map_frame(m, r, GIC_REDIST); break;
    case BOARD_ITS: {
        struct device *d = gic_its_new(m->gic, r->id, &m->log);
        bus_map_device(m->bus, NS_SPACES, r->base, r->size, d);
        machine_add_device(m, d);
        break;
    }
    case BOARD_GICV2M: {
        struct device *d = gicv2m_new(m->gic, 32 + (unsigned)r->spi, BOARD_V2M_SPIS, r->id, &m->log);
        bus_map_device(m->bus, NS_SPACES, r->base, r->size, d);
        machine_add_device(m, m->v2m = d);
        break;
    }
    case BOARD_PL011: machine_make_uart(m, r); break;
    case BOARD_PL031: machine_make_rtc(m, r); break;
    case BOARD_VIRTIO: return machine_make_virtio(m, r, e);
    case BOARD_PL061: machine_make_gpio(m, r); break;
    case BOARD_FWCFG: return machine_make_fw_cfg(m, r, e);
    case BOARD_FLASH: return machine_make_flash(m, r, e);
    case BOARD_ECAM: return machine_make_pci(m, r, e);
    case BOARD_PCI_MMIO:
    case BOARD_PCI_IO:
    case BOARD_PCI_MMIO64: machine_map_pci(m, r); break;
    case BOARD_SMMU: machine_make_smmu(m, r); break;
    case BOARD_DMA_ENGINE: machine_make_dma_engine(m, r); break;
    case BOARD_SECRAM: bus_map_ram(m->bus, 1 << PAS_S, r->base, r->size, r->id); break;
    case BOARD_RAM: bus_map_ram(m->bus, NS_SPACES, r->base, m->config->mem, r->id); break;
    }
    return true;
}

/* ---- life ----------------------------------------------------------------------------------- */

static const struct engine *find_engine(const char *name, struct err *e)
{
    if (strcmp(name, engine_interp.name) == 0)
        return &engine_interp;
    if (strcmp(name, engine_jit.name) == 0) {
        const char *missing = jit_missing();
        if (missing)
            fprintf(stderr, "elara: this host has no %s, which the JIT needs: the interpreter runs instead\n", missing);
        return missing ? &engine_interp : &engine_jit;
    }
    err_set(e, STATUS_USAGE, "there is no engine \"%s\"; the valid values are interp, jit and lockstep", name);
    return NULL;
}

static bool build(struct machine *m, struct err *e)
{
    const struct config *c = m->config;
    struct cpu_config cc;
    /* EL3 firmware has PSCI of its own */
    m->psci = c->el3 && (c->flash[0].path || c->start_el3) ? NULL : c->el2 ? "smc" : "hvc";
    if (!choose_cpu(m, &cc, e))
        return false;
    if (!(m->engine = find_engine(c->engine, e)) || !boot_plan(&m->boot, c, e))
        return false;
    if (c->semihosting && !(m->semihost = semihost_new(c->semihosting_dir, e)))
        return false;
    if (c->trap_log && !(m->traplog = traplog_new(c->trap_log, e)))
        return false;
    m->bus = bus_new(&m->log);
    counter_init(&m->counter, &m->clock, BOARD_CNTFRQ);
    make_gic(m);
    for (unsigned i = 0; i < board_virt_rows; i++)
        if (board_has(&board_virt[i], c) && !make_row(m, &board_virt[i], e))
            return false;
    bus_seal(m->bus);
    make_cpus(m, &cc);
    if (!machine_fill_flash(m, e))
        return false;
    bool pmu = cpu_has(m->cpus[0], FEAT_PMUv3), vhe = cpu_has(m->cpus[0], FEAT_VHE);
    return boot_add_dtb(&m->boot, model_compatible(c->cpu), pmu, vhe, m->psci, e);
}

void machine_show_map(struct machine *m)
{
    struct bus_range r;
    static const char *const kinds[] = {"", "RAM", "ROM", "device"};
    for (unsigned i = 0; bus_range(m->bus, i, &r); i++)
        printf("  0x%010llx-0x%010llx  %-6s %s\n", (unsigned long long)r.base,
               (unsigned long long)(r.base + r.size - 1), kinds[r.kind], r.name ? r.name : "");
}

struct machine *machine_new(const struct config *c, struct console *console, struct err *e)
{
    struct machine *m = calloc(1, sizeof *m);
    CHECK(m);
    m->config = c;
    m->console = console;
    *(config_hvc_main(c) ? &m->hvc_end : &m->uart_end) = console;
    m->quantum = QUANTUM;
    sched_init(m);
    machine_init_button(m);
    m->log = (struct log){.sink = log_line, .arg = m, .limit = GUEST_ERRORS_SHOWN};
    if (!build(m, e)) {
        machine_free(m);
        return NULL;
    }
    machine_attach_consoles(m);
    machine_reset(m);
    return m;
}

void machine_free(struct machine *m)
{
    if (!m)
        return;
    for (unsigned i = 0; i < m->ndevices; i++)
        if (m->devices[i]->ops->destroy)
            m->devices[i]->ops->destroy(m->devices[i]);
        else
            free(m->devices[i]);
    machine_free_backends(m);
    semihost_free(m->semihost);
    for (unsigned i = 0; i < m->ncpus; i++) {
        if (m->timers[i])
            timer_free(m->timers[i]);
        cpu_free(m->cpus[i]);
    }
    par_free(m->env.par);
    free(m->timers);
    free(m->cpus);
    free(m->loops);
    if (m->gic)
        gic_free(m->gic);
    bus_free(m->bus);
    boot_free(&m->boot);
    traplog_free(m->traplog);
    clock_free(&m->clock);
    free(m);
}

void machine_reset(struct machine *m)
{
    machine_release_button(m);
    /* the wires fall first, then the CPUs forget */
    for (unsigned i = 0; i < m->ndevices; i++)
        if (m->devices[i]->ops->reset)
            m->devices[i]->ops->reset(m->devices[i]);
    for (unsigned i = 0; i < m->ncpus; i++) {
        timer_reset(m->timers[i]);
        cpu_reset(m->cpus[i]);
    }
    memset(m->loops, 0, m->ncpus * sizeof *m->loops);
    m->nnowhere = 0;
    m->trng = m->config->seed ^ 0x74726e67; /* not the stream of RNDR */
    if (m->semihost)
        semihost_reset(m->semihost);
    if (m->psci && m->config->el3)
        gic_boot_nonsecure(m->gic);
    boot_load(&m->boot, m->bus);
    machine_start_cpu(m, m->cpus[0], m->boot.entry, m->boot.firmware ? 0 : m->boot.dtb_addr);
    for (unsigned i = 1; i < m->ncpus && !m->psci; i++) /* firmware parks them */
        machine_start_cpu(m, m->cpus[i], m->boot.entry, 0);
    m->last = m->ncpus - 1; /* CPU 0 comes next */
    m->left = 0;
    clock_cancel(&m->clock, &m->turn);
}

void machine_state(struct machine *m, struct snap *s)
{
    snap_section(s, "machine");
    SNAP(s, m, last);
    SNAP(s, m, left);
    SNAP(s, m, trng);
    clock_state(&m->clock, s);
    counter_state(&m->counter, s);
    clock_event_state(&m->clock, &m->button, s);
    clock_event_state(&m->clock, &m->turn, s);
    for (unsigned i = 0; i < m->ncpus; i++) {
        cpu_state(m->cpus[i], s);
        timer_state(m->timers[i], s);
    }
    for (unsigned i = 0; i < m->ndevices; i++) {
        snap_section(s, m->devices[i]->id ? m->devices[i]->id : m->devices[i]->ops->name);
        m->devices[i]->ops->state(m->devices[i], s);
    }
    snap_section(s, "ram");
    bus_ram_state(m->bus, s);
}

u64 machine_hash(struct machine *m)
{
    struct snap s = {.mode = SNAP_HASH};
    machine_state(m, &s);
    return snap_hash(&s);
}

u64 machine_instructions(const struct machine *m)
{
    u64 n = 0;
    for (unsigned i = 0; i < m->ncpus; i++)
        n += m->cpus[i]->executed;
    return n;
}

u64 machine_exceptions(const struct machine *m)
{
    u64 n = 0;
    for (unsigned i = 0; i < m->ncpus; i++)
        n += m->cpus[i]->exceptions;
    return n;
}
