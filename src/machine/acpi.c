/* ACPI tables of the board "virt" (ACPI 6.5, IORT: DEN0049E, DBG2 and SPCR: Microsoft), made from the same rows as the
 * device tree.
 *
 * All tables but the RSDP are one file; addresses in them are offsets into it, which firmware turns into addresses by
 * the loader's commands. Not described: the flash (it is the firmware's own), the Secure devices. */
#include "machine/acpi.h"

#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "devices/fw_cfg.h"
#include "machine/aml.h"
#include "machine/board.h"

#define TABLES "etc/acpi/tables"
#define RSDP   "etc/acpi/rsdp"

struct acpi {
    const struct config *c;
    struct bytes tables, loader, rsdp;
    struct {
        size_t at;
        bool root; /* the XSDT points to it */
    } table[16];
    unsigned n;
    size_t dsdt;
};

/* ---- the loader's commands ------------------------------------------------------------------------ */

enum { CMD_ALLOCATE = 1, CMD_POINTER, CMD_CHECKSUM, CMD_SIZE = 128, CMD_NAME = 56 };

static void file_name(struct bytes *b, const char *name)
{
    char field[CMD_NAME] = {0};
    snprintf(field, sizeof field, "%s", name);
    bytes_put(b, field, sizeof field);
}

static void command(struct bytes *b, unsigned cmd, const char *file)
{
    bytes_int(b, cmd, 4);
    file_name(b, file);
}

static void end_command(struct bytes *b) { bytes_pad(b, (b->n + CMD_SIZE - 1) / CMD_SIZE * CMD_SIZE); }

static void allocate(struct acpi *a, const char *file, u32 align, bool low)
{
    command(&a->loader, CMD_ALLOCATE, file);
    bytes_int(&a->loader, align, 4);
    bytes_int(&a->loader, low ? 2 : 1, 1);
    end_command(&a->loader);
}

static void pointer(struct acpi *a, const char *file, const char *to, size_t at, unsigned size)
{
    command(&a->loader, CMD_POINTER, file);
    file_name(&a->loader, to);
    bytes_int(&a->loader, at, 4);
    bytes_int(&a->loader, size, 1);
    end_command(&a->loader);
}

static void checksum(struct acpi *a, const char *file, size_t at, size_t start, size_t n)
{
    command(&a->loader, CMD_CHECKSUM, file);
    bytes_int(&a->loader, at, 4);
    bytes_int(&a->loader, start, 4);
    bytes_int(&a->loader, n, 4);
    end_command(&a->loader);
}

/* ---- headers -------------------------------------------------------------------------------------- */

enum { HEADER = 36, H_LENGTH = 4, H_CHECKSUM = 9 };

static struct bytes *begin(struct acpi *a, const char *signature, unsigned revision, bool root)
{
    struct bytes *b = &a->tables;
    CHECK(a->n < ARRAY_LEN(a->table));
    bytes_pad(b, (b->n + 7) & ~7ull);
    a->table[a->n].at = b->n;
    a->table[a->n++].root = root;
    bytes_put(b, signature, 4);
    bytes_int(b, 0, 4);
    bytes_int(b, revision, 1);
    bytes_int(b, 0, 1);
    bytes_put(b, "ELARA ", 6);
    bytes_put(b, "VIRT    ", 8);
    bytes_int(b, 1, 4);
    bytes_put(b, "ELRA", 4);
    bytes_int(b, 1, 4);
    return b;
}

static size_t start_of(const struct acpi *a) { return a->table[a->n - 1].at; }

static void finish(struct acpi *a)
{
    size_t at = start_of(a), n = a->tables.n - at;
    bytes_set(&a->tables, at + H_LENGTH, n, 4);
    checksum(a, TABLES, at + H_CHECKSUM, at, n);
}

static const struct board_row *row(const struct acpi *a, enum board_type type) { return board_find(a->c, type); }
/* Interrupt numbers count from the first shared one. */
static u32 gsi(const struct board_row *r, unsigned i) { return 32 + (u32)r->spi + i; }

/* ---- DSDT ----------------------------------------------------------------------------------------- */

static void simple_device(struct bytes *b, const char *name, const char *hid, u64 uid, const struct board_row *r,
                          unsigned i, u64 size, bool edge)
{
    size_t d = aml_device(b, name);
    aml_name_string(b, "_HID", hid);
    aml_name_integer(b, "_UID", uid);
    aml_name_integer(b, "_CCA", 1);
    size_t crs = aml_resources(b, "_CRS");
    aml_memory32(b, (u32)(r->base + i * r->size), (u32)size);
    if (r->spi >= 0)
        aml_interrupt(b, gsi(r, i), edge);
    aml_resources_end(b, crs);
    aml_end(b, d);
}

static void cpus(struct acpi *a, struct bytes *b)
{
    for (unsigned i = 0; i < a->c->cpus; i++) {
        char name[8];
        snprintf(name, sizeof name, "C%03X", i & 0xfff);
        size_t d = aml_device(b, name);
        aml_name_string(b, "_HID", "ACPI0007");
        aml_name_integer(b, "_UID", i);
        aml_end(b, d);
    }
}

/* The power button: a pin of the GPIO controller, whose rising edge runs _E03. */
static void power_button(struct acpi *a, struct bytes *b)
{
    const struct board_row *r = row(a, BOARD_PL061);
    enum { PIN = 3 };
    size_t d = aml_device(b, "PWRB");
    aml_name_string(b, "_HID", "PNP0C0C");
    aml_name_integer(b, "_UID", 0);
    aml_end(b, d);
    d = aml_device(b, "GPO0");
    aml_name_string(b, "_HID", "ARMH0061");
    aml_name_integer(b, "_UID", 0);
    size_t crs = aml_resources(b, "_CRS");
    aml_memory32(b, (u32)r->base, (u32)r->size);
    aml_interrupt(b, gsi(r, 0), false);
    aml_resources_end(b, crs);
    crs = aml_resources(b, "_AEI");
    aml_gpio_edge(b, PIN, "GPO0");
    aml_resources_end(b, crs);
    size_t m = aml_method(b, "_E03", 0);
    aml_op(b, AML_NOTIFY);
    aml_path(b, "PWRB");
    aml_integer(b, 0x80);
    aml_end(b, m);
    aml_end(b, d);
}

/* _OSC of a host bridge (PCI Firmware 3.3, 4.5.1): native control of everything asked for is granted. The result is
 * the capabilities buffer itself, unless its UUID is another. */
static void host_control(struct bytes *b)
{
    static const u8 uuid[16] = {0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40,
                                0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66};
    size_t m = aml_method(b, "_OSC", 4);
    aml_op(b, 0xa0); /* If (Arg0 == ToUUID(...)) { Return (Arg3) } */
    size_t mark = b->n;
    bytes_int(b, 0, 3);
    aml_op(b, 0x93);
    aml_op(b, 0x68);
    aml_op(b, 0x11);
    size_t buffer = b->n;
    bytes_int(b, 0, 3);
    aml_integer(b, sizeof uuid);
    bytes_put(b, uuid, sizeof uuid);
    aml_end(b, buffer);
    aml_op(b, AML_RETURN);
    aml_op(b, 0x6b);
    aml_end(b, mark);
    aml_op(b, 0x8a); /* CreateDWordField (Arg3, 0, CDW1) */
    aml_op(b, 0x6b);
    aml_integer(b, 0);
    aml_path(b, "CDW1");
    aml_op(b, 0x7d); /* CDW1 |= 4: unrecognised UUID */
    aml_path(b, "CDW1");
    aml_integer(b, 4);
    aml_path(b, "CDW1");
    aml_op(b, AML_RETURN);
    aml_op(b, 0x6b);
    aml_end(b, m);
}

/* INTA..INTD of device d come out at input (d + pin) mod 4. */
static void routing(struct bytes *b, const struct board_row *r)
{
    aml_name(b, "_PRT");
    size_t all = aml_package(b, 32 * 4);
    for (unsigned d = 0; d < 32; d++)
        for (unsigned pin = 0; pin < 4; pin++) {
            size_t one = aml_package(b, 4);
            aml_integer(b, d << 16 | 0xffff);
            aml_integer(b, pin);
            aml_integer(b, 0);
            aml_integer(b, gsi(r, (d + pin) % 4));
            aml_end(b, one);
        }
    aml_end(b, all);
}

static void pci(struct acpi *a, struct bytes *b)
{
    const struct board_row *r = row(a, BOARD_ECAM), *mem = row(a, BOARD_PCI_MMIO), *io = row(a, BOARD_PCI_IO);
    const struct board_row *high = row(a, BOARD_PCI_MMIO64);
    size_t d = aml_device(b, "PCI0");
    aml_name_string(b, "_HID", "PNP0A08");
    aml_name_string(b, "_CID", "PNP0A03");
    aml_name_integer(b, "_SEG", 0);
    aml_name_integer(b, "_BBN", 0);
    aml_name_integer(b, "_UID", 0);
    aml_name_integer(b, "_CCA", 1);
    routing(b, r);
    size_t m = aml_method(b, "_CBA", 0);
    aml_op(b, AML_RETURN);
    aml_integer(b, r->base);
    aml_end(b, m);
    size_t crs = aml_resources(b, "_CRS");
    aml_window(b, AML_BUS, 2, 0, r->size >> 20, 0);
    aml_window(b, AML_MEMORY, 4, mem->base, mem->size, 0);
    aml_window(b, AML_IO, 4, 0, io->size, io->base);
    aml_window(b, AML_MEMORY, 8, high->base, high->size, 0);
    aml_resources_end(b, crs);
    host_control(b);
    aml_end(b, d);
    d = aml_device(b, "RES0"); /* keeps the configuration space from being given away */
    aml_name_string(b, "_HID", "PNP0C02");
    crs = aml_resources(b, "_CRS");
    aml_window(b, AML_MEMORY, 8, r->base, r->size, 0);
    aml_resources_end(b, crs);
    aml_end(b, d);
}

static void dsdt(struct acpi *a)
{
    struct bytes *b = begin(a, "DSDT", 2, false);
    a->dsdt = start_of(a);
    size_t s = aml_scope(b, "\\_SB_");
    cpus(a, b);
    simple_device(b, "COM0", "ARMH0011", 0, row(a, BOARD_PL011), 0, 0x1000, false);
    simple_device(b, "FWCF", "QEMU0002", 0, row(a, BOARD_FWCFG), 0, FW_CFG_SIZE, false);
    const struct board_row *v = row(a, BOARD_VIRTIO);
    for (unsigned i = 0; i < v->count; i++) {
        char name[8];
        snprintf(name, sizeof name, "VR%02X", i & 0xff);
        simple_device(b, name, "LNRO0005", i, v, i, v->size, true);
    }
    pci(a, b);
    power_button(a, b);
    aml_end(b, s);
    finish(a);
}

/* ---- static tables ---------------------------------------------------------------------------------- */

/* A register's Generic Address Structure: 32 bits of memory. */
static void gas(struct bytes *b, u64 addr)
{
    bytes_int(b, 0, 1);
    bytes_int(b, 32, 1);
    bytes_int(b, 0, 1);
    bytes_int(b, 3, 1);
    bytes_int(b, addr, 8);
}

static void fadt(struct acpi *a)
{
    enum { LENGTH = 276, FLAGS = 112, ARM_BOOT = 129, MINOR = 131, X_DSDT = 140, HW_REDUCED = 1 << 20 };
    struct bytes *b = begin(a, "FACP", 6, true);
    size_t at = start_of(a);
    bytes_pad(b, at + LENGTH);
    bytes_set(b, at + FLAGS, HW_REDUCED, 4);
    if (!a->c->el3) /* PSCI is there: by SMC where EL2 is the guest's, else by HVC */
        bytes_set(b, at + ARM_BOOT, a->c->el2 ? 1 : 3, 2);
    bytes_set(b, at + MINOR, 3, 1);
    bytes_set(b, at + X_DSDT, a->dsdt, 8);
    pointer(a, TABLES, TABLES, at + X_DSDT, 8);
    finish(a);
}

static void madt(struct acpi *a)
{
    const struct config *c = a->c;
    const struct board_row *v2m = row(a, BOARD_GICV2M), *its = row(a, BOARD_ITS), *gicr = row(a, BOARD_GICR);
    const struct board_row *frames[] = {row(a, BOARD_GICC), row(a, BOARD_GICV), row(a, BOARD_GICH)};
    struct bytes *b = begin(a, "APIC", 4, true);
    bytes_int(b, 0, 8);
    bytes_int(b, 12 | 24 << 8, 4); /* distributor */
    bytes_int(b, 0, 4);
    bytes_int(b, row(a, BOARD_GICD)->base, 8);
    bytes_int(b, 0, 4);
    bytes_int(b, c->gic, 4);
    for (unsigned i = 0; i < c->cpus; i++) {
        bytes_int(b, 11 | 80 << 8, 4);
        bytes_int(b, i, 4);
        bytes_int(b, i, 4);
        bytes_int(b, 1, 4); /* enabled */
        bytes_int(b, 0, 4);
        bytes_int(b, PPI_PMU, 4);
        bytes_int(b, 0, 8);
        for (unsigned f = 0; f < ARRAY_LEN(frames); f++)
            bytes_int(b, frames[f] ? frames[f]->base : 0, 8);
        bytes_int(b, c->el2 ? PPI_MAINTENANCE : 0, 4);
        bytes_int(b, 0, 8); /* redistributors have an entry of their own */
        bytes_int(b, board_affinity(c, i), 8);
        bytes_int(b, 0, 4);
    }
    if (gicr) {
        bytes_int(b, 14 | 16 << 8, 4);
        bytes_int(b, gicr->base, 8);
        bytes_int(b, gicr->size * gicr->count, 4);
    }
    if (its) {
        bytes_int(b, 15 | 20 << 8, 4);
        bytes_int(b, 0, 4);
        bytes_int(b, its->base, 8);
        bytes_int(b, 0, 4);
    }
    if (v2m) {
        bytes_int(b, 13 | 24 << 8, 4);
        bytes_int(b, 0, 4);
        bytes_int(b, v2m->base, 8);
        bytes_int(b, 1, 4); /* the numbers below count */
        bytes_int(b, BOARD_V2M_SPIS, 2);
        bytes_int(b, 32 + (u32)v2m->spi, 2);
    }
    finish(a);
}

static void gtdt(struct acpi *a)
{
    enum { ALWAYS_ON = 4 }; /* level, active high */
    static const u8 ppi[] = {PPI_EL1_PHYS_SEC, PPI_EL1_PHYS, PPI_EL1_VIRT, PPI_EL2_PHYS};
    struct bytes *b = begin(a, "GTDT", 3, true);
    bytes_int(b, ~0ull, 8);
    bytes_int(b, 0, 4);
    for (unsigned i = 0; i < ARRAY_LEN(ppi); i++) {
        bytes_int(b, ppi[i], 4);
        bytes_int(b, ALWAYS_ON, 4);
    }
    bytes_int(b, ~0ull, 8);
    bytes_int(b, 0, 8);
    bytes_int(b, a->c->el2 ? PPI_EL2_VIRT : 0, 4);
    bytes_int(b, a->c->el2 ? ALWAYS_ON : 0, 4);
    finish(a);
}

static void mcfg(struct acpi *a)
{
    const struct board_row *r = row(a, BOARD_ECAM);
    struct bytes *b = begin(a, "MCFG", 1, true);
    bytes_int(b, 0, 8);
    bytes_int(b, r->base, 8);
    bytes_int(b, 0, 3);
    bytes_int(b, (r->size >> 20) - 1, 1);
    bytes_int(b, 0, 4);
    finish(a);
}

static void spcr(struct acpi *a)
{
    const struct board_row *r = row(a, BOARD_PL011);
    struct bytes *b = begin(a, "SPCR", 2, true);
    bytes_int(b, 3, 4); /* PL011 */
    gas(b, r->base);
    bytes_int(b, 8, 2); /* GIC interrupt, no PC-AT one */
    bytes_int(b, gsi(r, 0), 4);
    bytes_int(b, 3, 1);      /* 9600 */
    bytes_int(b, 1 << 8, 2); /* no parity, one stop bit */
    bytes_int(b, 2, 1);      /* RTS/CTS */
    bytes_int(b, 0, 1);      /* VT100 */
    bytes_int(b, 0, 1);
    bytes_int(b, 0xffffffff, 4); /* not a PCI device */
    bytes_int(b, 0, 3);
    bytes_int(b, 0, 4);
    bytes_int(b, 0, 1);
    bytes_int(b, 0, 4);
    finish(a);
}

static void dbg2(struct acpi *a)
{
    enum { INFO = 22, NAME = 5 };
    const struct board_row *r = row(a, BOARD_PL011);
    struct bytes *b = begin(a, "DBG2", 0, true);
    bytes_int(b, 44, 4);
    bytes_int(b, 1, 4);
    bytes_int(b, 0, 1);
    bytes_int(b, INFO + 12 + 4 + NAME, 2);
    bytes_int(b, 1, 1);
    bytes_int(b, NAME, 2);
    bytes_int(b, INFO + 12 + 4, 2);
    bytes_int(b, 0, 4);
    bytes_int(b, 0x8000 | 3u << 16, 4); /* serial, PL011 */
    bytes_int(b, 0, 2);
    bytes_int(b, INFO, 2);
    bytes_int(b, INFO + 12, 2);
    gas(b, r->base);
    bytes_int(b, r->size, 4);
    bytes_put(b, "COM0", NAME);
    finish(a);
}

/* One package, whose leaves are the CPUs. */
static void pptt(struct acpi *a)
{
    enum { PHYSICAL = 1, ID_VALID = 2, LEAF = 8 };
    struct bytes *b = begin(a, "PPTT", 2, true);
    u64 package = b->n - start_of(a);
    for (unsigned i = 0; i <= a->c->cpus; i++) {
        bytes_int(b, 20 << 8, 4);
        bytes_int(b, i ? ID_VALID | LEAF : PHYSICAL, 4);
        bytes_int(b, i ? package : 0, 4);
        bytes_int(b, i ? i - 1 : 0, 4);
        bytes_int(b, 0, 4);
    }
    finish(a);
}

/* Requester IDs go to the SMMU, and StreamIDs from there to the ITS, unchanged. */
static void mapping(struct bytes *b, size_t to)
{
    bytes_int(b, 0, 4);
    bytes_int(b, 0xffff, 4);
    bytes_int(b, 0, 4);
    bytes_int(b, to, 4);
    bytes_int(b, 0, 4);
}

static size_t node(struct acpi *a, unsigned type, unsigned length, unsigned revision, u32 id, unsigned maps)
{
    struct bytes *b = &a->tables;
    size_t at = b->n - start_of(a);
    bytes_int(b, type, 1);
    bytes_int(b, length + 20 * maps, 2);
    bytes_int(b, revision, 1);
    bytes_int(b, id, 4);
    bytes_int(b, maps, 4);
    bytes_int(b, maps ? length : 0, 4);
    return at;
}

static void iort(struct acpi *a)
{
    const struct board_row *its = row(a, BOARD_ITS), *smmu = row(a, BOARD_SMMU);
    if (!its && !smmu)
        return;
    struct bytes *b = begin(a, "IORT", 3, true);
    u32 id = 0;
    size_t to = 0;
    bytes_int(b, 1u + !!its + !!smmu, 4);
    bytes_int(b, 48, 4);
    bytes_int(b, 0, 4);
    if (its) {
        to = node(a, 0, 24, 1, id++, 0);
        bytes_int(b, 1, 4);
        bytes_int(b, 0, 4);
    }
    if (smmu) {
        size_t at = node(a, 4, 68, 4, id++, its ? 1 : 0);
        bytes_int(b, smmu->base, 8);
        bytes_int(b, 1, 4); /* coherent */
        bytes_int(b, 0, 4);
        bytes_int(b, 0, 8);
        bytes_int(b, 0, 4); /* a generic SMMUv3 */
        bytes_int(b, gsi(smmu, 0), 4);
        bytes_int(b, gsi(smmu, 1), 4);
        bytes_int(b, gsi(smmu, 3), 4);
        bytes_int(b, gsi(smmu, 2), 4);
        bytes_int(b, 0, 4);
        bytes_int(b, 0, 4); /* its own MSIs have no mapping */
        if (its)
            mapping(b, to);
        to = at;
    }
    node(a, 2, 40, 3, id, 1);
    bytes_int(b, 1, 4); /* coherent */
    bytes_int(b, 0, 3);
    bytes_int(b, 3, 1); /* CPM, DACS */
    bytes_int(b, config_ats(a->c), 4);
    bytes_int(b, 0, 4);  /* segment */
    bytes_int(b, 64, 1); /* address bits */
    bytes_int(b, 0, 3);
    bytes_int(b, 0, 4);
    mapping(b, to);
    finish(a);
}

static void xsdt(struct acpi *a)
{
    unsigned n = a->n;
    struct bytes *b = begin(a, "XSDT", 1, false);
    for (unsigned i = 0; i < n; i++)
        if (a->table[i].root) {
            pointer(a, TABLES, TABLES, b->n, 8);
            bytes_int(b, a->table[i].at, 8);
        }
    finish(a);
}

static void rsdp(struct acpi *a)
{
    struct bytes *b = &a->rsdp;
    bytes_put(b, "RSD PTR ", 8);
    bytes_int(b, 0, 1);
    bytes_put(b, "ELARA ", 6);
    bytes_int(b, 2, 1);
    bytes_int(b, 0, 4);
    bytes_int(b, 36, 4);
    bytes_int(b, start_of(a), 8);
    bytes_int(b, 0, 4);
    pointer(a, RSDP, TABLES, 24, 8);
    checksum(a, RSDP, 8, 0, 20);
    checksum(a, RSDP, 32, 0, 36);
}

void acpi_add(struct fw_cfg *f, const struct config *c)
{
    struct acpi a = {.c = c};
    allocate(&a, RSDP, 16, true);
    allocate(&a, TABLES, 64, false);
    dsdt(&a);
    fadt(&a);
    madt(&a);
    gtdt(&a);
    mcfg(&a);
    spcr(&a);
    dbg2(&a);
    pptt(&a);
    iort(&a);
    xsdt(&a);
    rsdp(&a);
    CHECK(fw_cfg_add_file(f, TABLES, a.tables.p, (u32)a.tables.n, NULL, NULL));
    CHECK(fw_cfg_add_file(f, RSDP, a.rsdp.p, (u32)a.rsdp.n, NULL, NULL));
    CHECK(fw_cfg_add_file(f, "etc/table-loader", a.loader.p, (u32)a.loader.n, NULL, NULL));
    bytes_free(&a.tables);
    bytes_free(&a.rsdp);
    bytes_free(&a.loader);
}
