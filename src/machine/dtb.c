/* The device tree of the board "virt", made from its table, and patches of a given tree.
 *
 * Bindings: Devicetree Specification 0.3 and Linux Documentation/devicetree/bindings; the Xen
 * properties are those of Xen's docs/misc/arm/device-tree/booting.txt. The shape follows the reference
 * board's tree. Only what the machine has is described. */
#include "machine/dtb.h"

#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"

enum {
    DTB_ROOM = 256 << 10,
    PHANDLE_CLOCK = 0x8000,
    PHANDLE_GIC = 0x8001,
    PHANDLE_MSI = 0x8002,
    PHANDLE_GPIO = 0x8003,
    PHANDLE_SMMU = 0x8004,
    PHANDLE_CPU = 0x8100
};
enum { GIC_SPI = 0, GIC_PPI = 1, EDGE = 1, LEVEL = 4 };

/* The tree under construction. After the first failure nothing more is done to it. */
struct tree {
    void *fdt;
    int failed; /* libfdt's error, 0: none */
};

static int ok(struct tree *t, int r)
{
    if (r < 0 && !t->failed)
        t->failed = r;
    return r;
}

/* The node at path, made if need be. */
static int node(struct tree *t, const char *path)
{
    int at = fdt_path_offset(t->fdt, path);
    if (at >= 0 || t->failed)
        return at;
    const char *slash = strrchr(path, '/');
    char parent[128];
    snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return ok(t, fdt_add_subnode(t->fdt, node(t, parent), slash + 1));
}

static void set(struct tree *t, const char *path, const char *name, const void *p, size_t n)
{
    int at = node(t, path);
    if (!t->failed)
        ok(t, fdt_setprop(t->fdt, at, name, p, (int)n));
}
static void set_empty(struct tree *t, const char *path, const char *name) { set(t, path, name, "", 0); }
static void set_str(struct tree *t, const char *path, const char *name, const char *s)
{
    set(t, path, name, s, strlen(s) + 1);
}
/* s holds several strings, each ended by NUL. */
#define SET_STRS(t, path, name, s) set(t, path, name, s, sizeof(s))

static void set_cells(struct tree *t, const char *path, const char *name, const u32 *cells, unsigned n)
{
    fdt32_t be[192];
    CHECK(n <= ARRAY_LEN(be));
    for (unsigned i = 0; i < n; i++)
        be[i] = cpu_to_fdt32(cells[i]);
    set(t, path, name, be, n * sizeof *be);
}
#define SET_CELLS(t, path, name, ...)                                                                                  \
    set_cells(t, path, name, (const u32[]){__VA_ARGS__}, sizeof((const u32[]){__VA_ARGS__}) / 4)
#define HI_LO(x) (u32)((u64)(x) >> 32), (u32)(x)

static void set_reg(struct tree *t, const char *path, u64 base, u64 size)
{
    SET_CELLS(t, path, "reg", HI_LO(base), HI_LO(size));
}

/* ---- nodes of the board --------------------------------------------------------------------- */

static u32 ppi_flags(const struct config *c) { return LEVEL | (c->gic == 2 ? (u32)ones(c->cpus) << 8 : 0); }

static void add_cpus(struct tree *t, const struct dtb_info *in)
{
    const struct config *c = in->config;
    char path[64];
    SET_CELLS(t, "/cpus", "#address-cells", 1);
    SET_CELLS(t, "/cpus", "#size-cells", 0);
    /* a new node becomes its parent's first child: backwards gives ascending order */
    for (unsigned i = c->cpus; i-- > 0;) {
        u32 aff = (u32)board_affinity(c, i);
        snprintf(path, sizeof path, "/cpus/cpu@%x", aff);
        SET_CELLS(t, path, "phandle", PHANDLE_CPU + i);
        SET_CELLS(t, path, "reg", aff);
        if (in->psci)
            set_str(t, path, "enable-method", "psci");
        set_str(t, path, "compatible", in->cpu_compatible);
        set_str(t, path, "device_type", "cpu");
    }
    unsigned cluster = c->gic == 2 ? 8 : 16;
    for (unsigned i = c->cpus; i-- > 0;) {
        snprintf(path, sizeof path, "/cpus/cpu-map/socket0/cluster%u/core%u", i / cluster, i % cluster);
        SET_CELLS(t, path, "cpu", PHANDLE_CPU + i);
    }
}

static void add_timer(struct tree *t, const struct dtb_info *in)
{
    const struct config *c = in->config;
    u32 f = ppi_flags(c);
    SET_STRS(t, "/timer", "compatible", "arm,armv8-timer\0arm,armv7-timer");
    set_empty(t, "/timer", "always-on");
    const u32 cells[] = {GIC_PPI, PPI_EL1_PHYS_SEC - 16, f, GIC_PPI, PPI_EL1_PHYS - 16, f,
                         GIC_PPI, PPI_EL1_VIRT - 16,     f, GIC_PPI, PPI_EL2_PHYS - 16, f,
                         GIC_PPI, PPI_EL2_VIRT - 16,     f};
    set_cells(t, "/timer", "interrupts", cells, ARRAY_LEN(cells) - (c->el2 && in->vhe ? 0 : 3));
}

static void add_gic(struct tree *t, const struct config *c)
{
    const struct board_row *d = board_find(c, BOARD_GICD), *r = board_find(c, BOARD_GICR);
    const struct board_row *cc = board_find(c, BOARD_GICC), *h = board_find(c, BOARD_GICH);
    const struct board_row *v = board_find(c, BOARD_GICV), *m = board_find(c, BOARD_GICV2M);
    char path[64], frame[96];
    snprintf(path, sizeof path, "/intc@%llx", (unsigned long long)d->base);
    SET_CELLS(t, path, "phandle", PHANDLE_GIC);
    SET_CELLS(t, path, "#interrupt-cells", 3);
    SET_CELLS(t, path, "#address-cells", 2);
    SET_CELLS(t, path, "#size-cells", 2);
    set_empty(t, path, "interrupt-controller");
    set_empty(t, path, "ranges");
    if (c->el2)
        SET_CELLS(t, path, "interrupts", GIC_PPI, PPI_MAINTENANCE - 16, LEVEL);
    if (c->gic == 3) {
        set_str(t, path, "compatible", "arm,gic-v3");
        SET_CELLS(t, path, "#redistributor-regions", 1);
        SET_CELLS(t, path, "reg", HI_LO(d->base), HI_LO(d->size), HI_LO(r->base), HI_LO(board_bytes(r, c)));
        const struct board_row *its = board_find(c, BOARD_ITS);
        if (its) {
            snprintf(frame, sizeof frame, "%s/its@%llx", path, (unsigned long long)its->base);
            SET_CELLS(t, frame, "phandle", PHANDLE_MSI);
            SET_CELLS(t, frame, "#msi-cells", 1);
            set_empty(t, frame, "msi-controller");
            set_str(t, frame, "compatible", "arm,gic-v3-its");
            set_reg(t, frame, its->base, its->size);
        }
        return;
    }
    set_str(t, path, "compatible", "arm,cortex-a15-gic");
    if (h)
        SET_CELLS(t, path, "reg", HI_LO(d->base), HI_LO(d->size), HI_LO(cc->base), HI_LO(cc->size), HI_LO(h->base),
                  HI_LO(h->size), HI_LO(v->base), HI_LO(v->size));
    else
        SET_CELLS(t, path, "reg", HI_LO(d->base), HI_LO(d->size), HI_LO(cc->base), HI_LO(cc->size));
    if (m) {
        snprintf(frame, sizeof frame, "%s/v2m@%llx", path, (unsigned long long)m->base);
        SET_CELLS(t, frame, "phandle", PHANDLE_MSI);
        set_empty(t, frame, "msi-controller");
        set_str(t, frame, "compatible", "arm,gic-v2m-frame");
        set_reg(t, frame, m->base, m->size);
    }
}

/* For the Secure world alone. */
static void mark_secure(struct tree *t, const char *path, const struct board_row *r)
{
    if (!(r->when & WHEN_EL3))
        return;
    set_str(t, path, "status", "disabled");
    set_str(t, path, "secure-status", "okay");
}

static void add_primecell(struct tree *t, const struct board_row *r, const char *node_name)
{
    char path[64];
    snprintf(path, sizeof path, "/%s@%llx", node_name, (unsigned long long)r->base);
    if (r->type == BOARD_PL011) {
        SET_STRS(t, path, "compatible", "arm,pl011\0arm,primecell");
        SET_STRS(t, path, "clock-names", "uartclk\0apb_pclk");
        SET_CELLS(t, path, "clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
    } else {
        SET_STRS(t, path, "compatible", "arm,pl031\0arm,primecell");
        set_str(t, path, "clock-names", "apb_pclk");
        SET_CELLS(t, path, "clocks", PHANDLE_CLOCK);
    }
    set_reg(t, path, r->base, r->size);
    SET_CELLS(t, path, "interrupts", GIC_SPI, (u32)r->spi, LEVEL);
    mark_secure(t, path, r);
}

static void add_virtio(struct tree *t, const struct board_row *r)
{
    char path[64];
    for (unsigned i = r->count; i-- > 0;) {
        u64 base = r->base + i * r->size;
        snprintf(path, sizeof path, "/virtio_mmio@%llx", (unsigned long long)base);
        set_str(t, path, "compatible", "virtio,mmio");
        set_reg(t, path, base, r->size);
        SET_CELLS(t, path, "interrupts", GIC_SPI, (u32)r->spi + i, EDGE);
        set_empty(t, path, "dma-coherent");
    }
}

/* Pin 3 is the power button. */
static void add_gpio(struct tree *t, const struct board_row *r)
{
    char path[64];
    snprintf(path, sizeof path, "/pl061@%llx", (unsigned long long)r->base);
    if (!(r->when & WHEN_EL3)) {
        set_str(t, "/gpio-keys", "compatible", "gpio-keys");
        set_str(t, "/gpio-keys/poweroff", "label", "GPIO Key Poweroff");
        SET_CELLS(t, "/gpio-keys/poweroff", "linux,code", 116);
        SET_CELLS(t, "/gpio-keys/poweroff", "gpios", PHANDLE_GPIO, 3, 0);
        SET_CELLS(t, path, "phandle", PHANDLE_GPIO);
    }
    SET_STRS(t, path, "compatible", "arm,pl061\0arm,primecell");
    set_reg(t, path, r->base, r->size);
    SET_CELLS(t, path, "interrupts", GIC_SPI, (u32)r->spi, LEVEL);
    SET_CELLS(t, path, "#gpio-cells", 2);
    set_empty(t, path, "gpio-controller");
    SET_CELLS(t, path, "clocks", PHANDLE_CLOCK);
    set_str(t, path, "clock-names", "apb_pclk");
    mark_secure(t, path, r);
}

/* INTA..INTD of device d come out at input (d + pin) mod 4: four devices show the whole pattern. */
static void add_intx(struct tree *t, const char *path, const struct board_row *r)
{
    u32 map[16 * 10], *p = map;
    for (u32 dev = 0; dev < 4; dev++)
        for (u32 pin = 0; pin < 4; pin++) {
            const u32 row[10] = {dev << 11, 0, 0, pin + 1, PHANDLE_GIC, 0, 0, GIC_SPI, (u32)r->spi + (dev + pin) % 4,
                                 LEVEL};
            memcpy(p, row, sizeof row);
            p += 10;
        }
    set_cells(t, path, "interrupt-map", map, ARRAY_LEN(map));
    SET_CELLS(t, path, "interrupt-map-mask", 3 << 11, 0, 0, 7);
    SET_CELLS(t, path, "#interrupt-cells", 1);
}

static void add_pci(struct tree *t, const struct config *c, const struct board_row *r)
{
    const struct board_row *mem = board_find(c, BOARD_PCI_MMIO), *io = board_find(c, BOARD_PCI_IO);
    const struct board_row *high = board_find(c, BOARD_PCI_MMIO64);
    enum { SPACE_IO = 0x1000000, SPACE_MEM32 = 0x2000000, SPACE_MEM64 = 0x3000000 };
    char path[64];
    snprintf(path, sizeof path, "/pcie@%llx", (unsigned long long)mem->base);
    set_str(t, path, "compatible", "pci-host-ecam-generic");
    set_str(t, path, "device_type", "pci");
    SET_CELLS(t, path, "#address-cells", 3);
    SET_CELLS(t, path, "#size-cells", 2);
    SET_CELLS(t, path, "linux,pci-domain", 0);
    SET_CELLS(t, path, "bus-range", 0, (u32)(r->size >> 20) - 1);
    set_empty(t, path, "dma-coherent");
    set_reg(t, path, r->base, r->size);
    SET_CELLS(t, path, "ranges", SPACE_IO, 0, 0, HI_LO(io->base), HI_LO(io->size), SPACE_MEM32, HI_LO(mem->base),
              HI_LO(mem->base), HI_LO(mem->size), SPACE_MEM64, HI_LO(high->base), HI_LO(high->base), HI_LO(high->size));
    if (board_find(c, BOARD_GICV2M) || board_find(c, BOARD_ITS))
        SET_CELLS(t, path, "msi-map", 0, PHANDLE_MSI, 0, 0x10000);
    if (board_find(c, BOARD_SMMU))
        SET_CELLS(t, path, "iommu-map", 0, PHANDLE_SMMU, 0, 0x10000);
    if (config_ats(c))
        set_empty(t, path, "ats-supported");
    add_intx(t, path, r);
}

static void add_device(struct tree *t, const struct config *c, const struct board_row *r)
{
    switch ((enum board_type)r->type) {
    case BOARD_GICD: add_gic(t, c); break;
    case BOARD_PL011: add_primecell(t, r, "pl011"); break;
    case BOARD_PL031: add_primecell(t, r, "pl031"); break;
    case BOARD_VIRTIO: add_virtio(t, r); break;
    case BOARD_FWCFG:
        set_str(t, "/fw-cfg@9020000", "compatible", "qemu,fw-cfg-mmio");
        set_reg(t, "/fw-cfg@9020000", r->base, 0x18);
        set_empty(t, "/fw-cfg@9020000", "dma-coherent");
        break;
    case BOARD_PL061: add_gpio(t, r); break;
    case BOARD_ECAM: add_pci(t, c, r); break;
    case BOARD_SMMU:
        set_str(t, "/smmuv3@9050000", "compatible", "arm,smmu-v3");
        set_reg(t, "/smmuv3@9050000", r->base, r->size);
        SET_CELLS(t, "/smmuv3@9050000", "interrupts", GIC_SPI, (u32)r->spi, EDGE, GIC_SPI, (u32)r->spi + 1, EDGE,
                  GIC_SPI, (u32)r->spi + 2, EDGE, GIC_SPI, (u32)r->spi + 3, EDGE);
        SET_STRS(t, "/smmuv3@9050000", "interrupt-names", "eventq\0priq\0cmdq-sync\0gerror");
        set_empty(t, "/smmuv3@9050000", "dma-coherent");
        SET_CELLS(t, "/smmuv3@9050000", "#iommu-cells", 1);
        SET_CELLS(t, "/smmuv3@9050000", "phandle", PHANDLE_SMMU);
        break;
    case BOARD_DMA_ENGINE:
        set_str(t, "/dma-engine@c000000", "compatible", "elara,dma-engine");
        set_reg(t, "/dma-engine@c000000", r->base, r->size);
        break;
    case BOARD_FLASH:
        set_str(t, "/flash@0", "compatible", "cfi-flash");
        SET_CELLS(t, "/flash@0", "reg", HI_LO(r->base), HI_LO(r->size), HI_LO(r->base + r->size), HI_LO(r->size));
        SET_CELLS(t, "/flash@0", "bank-width", 4);
        break;
    case BOARD_SECRAM:
        set_str(t, "/secram@e000000", "device_type", "memory");
        set_reg(t, "/secram@e000000", r->base, r->size);
        mark_secure(t, "/secram@e000000", r);
        break;
    case BOARD_RAM:
        set_str(t, "/memory@40000000", "device_type", "memory");
        set_reg(t, "/memory@40000000", r->base, c->mem);
        break;
    case BOARD_GICC:
    case BOARD_GICV2M:
    case BOARD_GICH:
    case BOARD_GICV:
    case BOARD_GICR:
    case BOARD_ITS: break; /* parts of the GIC's node */
    case BOARD_PCI_MMIO:
    case BOARD_PCI_IO:
    case BOARD_PCI_MMIO64: break; /* ranges of the host bridge's node */
    }
}

/* Same seed, same bytes: splitmix64. */
static u64 seeded(u64 *state)
{
    u64 z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static void add_seeds(struct tree *t, u64 seed)
{
    u32 cells[8];
    u64 kaslr = seeded(&seed);
    SET_CELLS(t, "/chosen", "kaslr-seed", HI_LO(kaslr));
    for (unsigned i = 0; i < 8; i++)
        cells[i] = (u32)seeded(&seed);
    set_cells(t, "/chosen", "rng-seed", cells, 8);
}

static void add_psci(struct tree *t, const char *method)
{
    if (!method)
        return;
    SET_STRS(t, "/psci", "compatible", "arm,psci-1.0\0arm,psci-0.2\0arm,psci");
    set_str(t, "/psci", "method", method);
    SET_CELLS(t, "/psci", "cpu_suspend", 0xc4000001);
    SET_CELLS(t, "/psci", "cpu_off", 0x84000002);
    SET_CELLS(t, "/psci", "cpu_on", 0xc4000003);
    SET_CELLS(t, "/psci", "migrate", 0xc4000005);
}

/* ---- /chosen -------------------------------------------------------------------------------- */

static void add_domu(struct tree *t, const struct config_domu *u, char *path, size_t n)
{
    snprintf(path, n, "/chosen/%s", u->name);
    if (fdt_path_offset(t->fdt, path) >= 0)
        return;
    set_str(t, path, "compatible", "xen,domain");
    SET_CELLS(t, path, "#address-cells", 2);
    SET_CELLS(t, path, "#size-cells", 2);
    SET_CELLS(t, path, "memory", HI_LO(u->mem >> 10));
    SET_CELLS(t, path, "cpus", u->cpus);
    set_empty(t, path, "vpl011");
}

static void add_module(struct tree *t, const struct dtb_info *in, const struct dtb_module *m)
{
    char parent[96] = "/chosen", path[128], compatible[64];
    if (m->domu >= 0)
        add_domu(t, &in->config->domus[m->domu], parent, sizeof parent);
    snprintf(path, sizeof path, "%s/module@%llx", parent, (unsigned long long)m->addr);
    int n = snprintf(compatible, sizeof compatible, "multiboot,%s", m->kind);
    snprintf(compatible + n + 1, sizeof compatible - (size_t)n - 1, "multiboot,module");
    set(t, path, "compatible", compatible, (size_t)n + 1 + sizeof "multiboot,module");
    set_reg(t, path, m->addr, m->size);
    if (m->bootargs)
        set_str(t, path, "bootargs", m->bootargs);
}

static void add_chosen(struct tree *t, const struct dtb_info *in)
{
    if (in->bootargs)
        set_str(t, "/chosen", "bootargs", in->bootargs);
    if (in->initrd_end) {
        SET_CELLS(t, "/chosen", "linux,initrd-start", HI_LO(in->initrd_start));
        SET_CELLS(t, "/chosen", "linux,initrd-end", HI_LO(in->initrd_end));
    }
    if (in->xen_bootargs) {
        set_str(t, "/chosen", "xen,xen-bootargs", in->xen_bootargs);
        if (fdt_path_offset(t->fdt, "/aliases") < 0) /* what most command lines for Xen call the console */
            set_str(t, "/aliases", "serial0", "/pl011@9000000");
    }
    if (in->dom0_bootargs)
        set_str(t, "/chosen", "xen,dom0-bootargs", in->dom0_bootargs);
    if (in->nmodules) {
        SET_CELLS(t, "/chosen", "#address-cells", 2);
        SET_CELLS(t, "/chosen", "#size-cells", 2);
    }
    for (unsigned i = in->nmodules; i-- > 0;)
        add_module(t, in, &in->modules[i]);
}

static bool finish(struct tree *t, u8 **out, size_t *size, struct err *e)
{
    if (!t->failed)
        ok(t, fdt_pack(t->fdt));
    if (t->failed) {
        free(t->fdt);
        return t->failed == -FDT_ERR_NOSPACE
                   ? err_set(e, STATUS_USAGE, "the device tree does not fit into %d KiB; are the parameters that long?",
                             DTB_ROOM >> 10)
                   : err_set(e, STATUS_USAGE, "the device tree cannot be patched: %s", fdt_strerror(t->failed));
    }
    /* leave room: boot loaders add properties in place */
    u32 total = fdt_totalsize(t->fdt) + 8192;
    CHECK(fdt_open_into(t->fdt, t->fdt, (int)align_up(total, 4096)) == 0);
    *out = t->fdt;
    *size = fdt_totalsize(t->fdt);
    return true;
}

bool dtb_build(const struct dtb_info *in, u8 **out, size_t *size, struct err *e)
{
    const struct config *c = in->config;
    struct tree t = {.fdt = calloc(1, DTB_ROOM)};
    CHECK(t.fdt);
    CHECK(fdt_create_empty_tree(t.fdt, DTB_ROOM) == 0);
    SET_CELLS(&t, "/", "#address-cells", 2);
    SET_CELLS(&t, "/", "#size-cells", 2);
    SET_CELLS(&t, "/", "interrupt-parent", PHANDLE_GIC);
    set_str(&t, "/", "model", "linux,dummy-virt");
    set_str(&t, "/", "compatible", "linux,dummy-virt");
    set_str(&t, "/chosen", "stdout-path", "/pl011@9000000");
    add_seeds(&t, c->seed);
    add_chosen(&t, in);
    for (unsigned i = board_virt_rows; i-- > 0;)
        if (board_has(&board_virt[i], c))
            add_device(&t, c, &board_virt[i]);
    SET_CELLS(&t, "/apb-pclk", "phandle", PHANDLE_CLOCK);
    SET_CELLS(&t, "/apb-pclk", "#clock-cells", 0);
    SET_CELLS(&t, "/apb-pclk", "clock-frequency", 24000000);
    set_str(&t, "/apb-pclk", "clock-output-names", "clk24mhz");
    set_str(&t, "/apb-pclk", "compatible", "fixed-clock");
    add_timer(&t, in);
    if (in->pmu) {
        set_str(&t, "/pmu", "compatible", "arm,armv8-pmuv3");
        SET_CELLS(&t, "/pmu", "interrupts", GIC_PPI, PPI_PMU - 16, ppi_flags(c));
    }
    add_psci(&t, in->psci);
    add_cpus(&t, in);
    return finish(&t, out, size, e);
}

/* Removes all memory nodes and describes the RAM there is, in the tree's own number of cells. */
static bool patch_memory(struct tree *t, const struct config *c, const char *path, struct err *e)
{
    int ac = fdt_address_cells(t->fdt, 0), sc = fdt_size_cells(t->fdt, 0);
    if (ac < 1 || ac > 2 || sc < 1 || sc > 2)
        return err_set(e, STATUS_USAGE,
                       "the device tree %s has #address-cells %d and #size-cells %d; 1 or 2 are usable", path, ac, sc);
    if (sc == 1 && c->mem >> 32)
        return err_set(e, STATUS_USAGE, "the device tree %s has #size-cells 1: it cannot describe that much RAM", path);
    /* only the nodes named memory: secure RAM has the same device_type and stays */
    for (int at = fdt_first_subnode(t->fdt, 0); at >= 0;) {
        const char *name = fdt_get_name(t->fdt, at, NULL);
        bool mem = name && strncmp(name, "memory", 6) == 0 && (name[6] == '@' || !name[6]);
        at = mem && fdt_del_node(t->fdt, at) == 0 ? fdt_first_subnode(t->fdt, 0) : fdt_next_subnode(t->fdt, at);
    }
    char name[32];
    snprintf(name, sizeof name, "/memory@%x", BOARD_RAM_BASE);
    set_str(t, name, "device_type", "memory");
    u32 cells[4];
    unsigned n = 0;
    if (ac == 2)
        cells[n++] = 0;
    cells[n++] = BOARD_RAM_BASE;
    if (sc == 2)
        cells[n++] = (u32)(c->mem >> 32);
    cells[n++] = (u32)c->mem;
    set_cells(t, name, "reg", cells, n);
    return true;
}

bool dtb_patch(const struct dtb_info *in, const u8 *given, size_t given_size, const char *path, u8 **out, size_t *size,
               struct err *e)
{
    if (given_size < sizeof(struct fdt_header) || fdt_check_header(given) != 0)
        return err_set(e, STATUS_USAGE, "%s is not a device tree blob; make one with: dtc -I dts -O dtb", path);
    if (fdt_totalsize(given) > given_size)
        return err_set(e, STATUS_USAGE, "the device tree %s is truncated: its header says %u bytes, the file has %zu",
                       path, fdt_totalsize(given), given_size);
    if (fdt_version(given) < 16) /* libfdt's own check fails on these */
        return err_set(e, STATUS_USAGE, "the device tree %s has version %u of the format; make it again with dtc (17)",
                       path, fdt_version(given));
    if (fdt_check_full(given, given_size) != 0)
        return err_set(e, STATUS_USAGE, "the device tree %s is damaged; make it again", path);
    int room = (int)fdt_totalsize(given) + DTB_ROOM;
    struct tree t = {.fdt = calloc(1, (size_t)room)};
    CHECK(t.fdt);
    int r = fdt_open_into(given, t.fdt, room);
    if (r != 0) {
        free(t.fdt);
        return err_set(e, STATUS_USAGE, "the device tree %s cannot be used: %s", path, fdt_strerror(r));
    }
    if (!patch_memory(&t, in->config, path, e)) {
        free(t.fdt);
        return false;
    }
    add_chosen(&t, in);
    if (fdt_path_offset(t.fdt, "/psci") < 0)
        add_psci(&t, in->psci);
    return finish(&t, out, size, e);
}
