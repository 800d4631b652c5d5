/* Defaults and sanity of a configuration; no files are opened here. */
#include "machine/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "machine/board.h"

void config_defaults(struct config *c)
{
    *c = (struct config){
        .program = "elara",
        .cpu = "max",
        .cpus = 1,
        .gic = 3,
        .el2 = true,
        .seed = 1,
        .engine = "jit",
    };
}

void config_free(struct config *c)
{
    for (unsigned i = 0; i < c->nstrings; i++)
        free(c->strings[i]);
    free(c->strings);
    c->strings = NULL;
    c->nstrings = 0;
}

const char *config_string(struct config *c, const char *s, size_t n)
{
    c->strings = realloc(c->strings, (c->nstrings + 1) * sizeof *c->strings);
    CHECK(c->strings);
    char *copy = malloc(n + 1);
    CHECK(copy);
    memcpy(copy, s, n);
    copy[n] = 0;
    return c->strings[c->nstrings++] = copy;
}

static bool check_machine(const struct config *c, struct err *e)
{
    unsigned most = c->gic == 2 ? BOARD_GIC2_CPUS : BOARD_GIC3_CPUS;
    char b[32];
    if (c->gic != 2 && c->gic != 3)
        return err_set(e, STATUS_USAGE, "there is no GIC version %u; the valid values are 2 and 3", c->gic);
    if (c->cpus < 1 || c->cpus > most)
        return err_set(e, STATUS_USAGE, "%u CPUs: a GICv%u machine has 1 to %u%s", c->cpus, c->gic, most,
                       c->gic == 2 && c->cpus > most ? "; --gic 3 allows up to 64" : "");
    if (c->mem < 16ull << 20 || c->mem > 255ull << 30)
        return err_set(e, STATUS_USAGE, "%s of RAM: give between 16M and 255G", err_size(c->mem, b));
    if (c->mem & 0xfff)
        return err_set(e, STATUS_USAGE, "RAM of %llu bytes is not a multiple of 4 KiB", (unsigned long long)c->mem);
    return true;
}

static bool check_xen(const struct config *c, struct err *e)
{
    if (!c->xen) {
        if (c->dom0 || c->ndomus || c->dom0_initrd)
            return err_set(e, STATUS_USAGE, "%s needs --xen FILE, the hypervisor to run it under",
                           c->ndomus ? "--domu" : "--dom0");
        return true;
    }
    if (c->image)
        return err_set(e, STATUS_USAGE,
                       "both --xen %s and the image %s were given; give the kernel as --dom0 %s or in a --domu", c->xen,
                       c->image, c->image);
    if (c->force)
        return true;
    if (!c->dom0 && !c->ndomus)
        return err_set(
            e, STATUS_USAGE,
            "Xen has nothing to run: give --dom0 FILE or --domu name=a,kernel=FILE (--force runs it as it is)");
    if (!c->el2)
        return err_set(e, STATUS_USAGE, "Xen needs EL2, which --el 1 switches off; drop it (--force runs it as it is)");
    return true;
}

/* One console is on standard input and output: the virtio console, if it was put there, then the UART leads nowhere
 * unless something is said. */
static bool finish_consoles(struct config *c, struct err *e)
{
    bool here = c->hvc && strcmp(c->hvc, "stdio") == 0;
    if (c->hvc && !c->serial)
        c->serial = here ? "none" : "stdio";
    if (c->serial2 && !c->el3)
        return err_set(e, STATUS_USAGE, "the second serial port is the UART of the Secure world, which needs %s",
                       c->qemu_status ? "-machine secure=on" : "--el 3");
    bool first = !c->serial || strcmp(c->serial, "stdio") == 0, second = c->serial2 && strcmp(c->serial2, "stdio") == 0;
    return here + first + second < 2 ||
           err_set(e, STATUS_USAGE,
                   "both the %s are on standard input and output; put one of them into a file:, pty or socket",
                   second ? "serial ports" : "serial and the virtio console");
}

/* A window needs something to show and somebody to type to. */
static bool finish_display(struct config *c, struct err *e)
{
    bool picture = c->ramfb;
    for (unsigned i = 0; i < c->ncards; i++)
        picture |= c->cards[i].type == CARD_GPU;
    if (!c->display || picture)
        return true;
    if (c->qemu_status)
        return err_set(e, STATUS_USAGE, "-display %s has nothing to show: give -device virtio-gpu-pci or ramfb",
                       c->display);
    static const u8 types[] = {CARD_GPU, CARD_KEYBOARD, CARD_TABLET};
    for (unsigned i = 0; i < 3; i++) {
        struct config_card *k = config_card(c, types[i], c->ncards);
        if (!k)
            return err_set(e, STATUS_USAGE, "too many cards for a display's");
        config_onto_pci(k, k->type);
    }
    return true;
}

bool config_hvc_main(const struct config *c)
{
    return c->hvc && (strcmp(c->hvc, "stdio") == 0 || strcmp(c->serial, "none") == 0);
}

struct config_card *config_card(struct config *c, enum card_type type, unsigned index)
{
    if (c->ncards == CONFIG_CARDS)
        return NULL;
    struct config_card *k = &c->cards[c->ncards++];
    *k = (struct config_card){.type = (u8)type, .index = index};
    return k;
}

static bool lun_taken(const struct config *c, unsigned host, u64 target, u64 lun)
{
    for (unsigned i = 0; i < c->nluns; i++)
        if (c->luns[i].host == host && c->luns[i].target == target && c->luns[i].lun == lun)
            return true;
    return false;
}

bool config_lun(struct config *c, const struct config_lun *l, int target, int lun, struct err *e)
{
    enum { TARGETS = 256, LUNS = 64 };
    unsigned t = target < 0 ? 0 : (unsigned)target, u = lun < 0 ? 0 : (unsigned)lun;
    while (target < 0 && t < TARGETS && lun_taken(c, l->host, t, u))
        t++;
    while (target >= 0 && lun < 0 && u < LUNS && lun_taken(c, l->host, t, u))
        u++;
    if (t >= TARGETS || u >= LUNS || lun_taken(c, l->host, t, u))
        return err_set(e, STATUS_USAGE, "SCSI target %u, unit %u is taken or out of range (0 to %d, 0 to %d)", t, u,
                       TARGETS - 1, LUNS - 1);
    if (c->nluns == CONFIG_DISKS)
        return err_set(e, STATUS_USAGE, "at most %d SCSI disks", CONFIG_DISKS);
    struct config_lun *n = &c->luns[c->nluns++];
    *n = *l;
    n->target = (u8)t;
    n->lun = (u8)u;
    return true;
}

static u64 domu_mem(const struct config *c)
{
    u64 sum = 0;
    for (unsigned i = 0; i < c->ndomus; i++)
        sum += c->domus[i].mem;
    return sum;
}

/* Xen's own needs (heap, page tables, its image) and the modules as they are loaded. */
enum { XEN_RESERVE_MIB = 256, MIB = 1 << 20 };

static bool finish_xen(struct config *c, struct err *e)
{
    char line[160], b1[32], b2[32];
    u64 reserve = (u64)XEN_RESERVE_MIB * MIB, domus = domu_mem(c), dom0 = 0;
    if (c->dom0) {
        dom0 = c->dom0_mem ? c->dom0_mem : 512ull * MIB;
        if (!c->dom0_mem && c->mem && c->mem > domus + reserve && c->mem - domus - reserve < dom0)
            dom0 = (c->mem - domus - reserve) / (16 * MIB) * (16 * MIB);
    }
    if (!c->mem)
        c->mem = (dom0 + domus + reserve + 256ull * MIB - 1) / (256ull * MIB) * (256ull * MIB);
    if (dom0 + domus + reserve / 2 > c->mem && !c->force)
        return err_set(e, STATUS_USAGE,
                       "RAM is too small: the domains need %s together and Xen about %d MiB, there is %s; "
                       "give more with -m",
                       err_size(dom0 + domus, b1), XEN_RESERVE_MIB, err_size(c->mem, b2));
    if (!c->params) {
        int n = snprintf(line, sizeof line, "console=dtuart dtuart=/pl011@9000000");
        if (c->dom0)
            n += snprintf(line + n, sizeof line - (size_t)n, " dom0_mem=%lluM", (unsigned long long)(dom0 / MIB));
        c->params = config_string(c, line, (size_t)n);
    }
    if (c->dom0 && !c->dom0_params)
        c->dom0_params = "console=hvc0";
    return true;
}

bool config_finish(struct config *c, struct err *e)
{
    if (!check_xen(c, e) || (c->xen && !finish_xen(c, e)))
        return false;
    if (!finish_consoles(c, e) || !finish_display(c, e))
        return false;
    if (!c->mem)
        c->mem = 512ull * MIB;
    if (!c->qemu_status && (c->semihosting_dir || c->semihosting_args || c->semihosting_system))
        c->semihosting = true;
    if (!check_machine(c, e) || !config_find_buses(c, e))
        return false;
    if ((c->jit_stats || c->perf_map || c->jit_dump) && strcmp(c->engine, "jit") != 0)
        return err_set(e, STATUS_USAGE, "--jit-stats, --perf-map and --jit-dump look at --engine jit, not at %s",
                       c->engine);
    if (c->parallel && (c->jit_stats || c->perf_map || c->jit_dump))
        return err_set(e, STATUS_USAGE,
                       "--jit-stats, --perf-map and --jit-dump look at one JIT, --parallel has one a CPU");
    if (c->parallel && strcmp(c->engine, "lockstep") == 0)
        return err_set(e, STATUS_USAGE,
                       "--engine lockstep compares runs that repeat, which those of --parallel do not");
    if (c->parallel && c->cpus > 64)
        return err_set(e, STATUS_USAGE, "--parallel: at most 64 CPUs, not %u", c->cpus);
    if (c->parallel && c->host_clock)
        c->host_clock = false; /* it is that clock already */
    if (c->xen && c->flash[0].path)
        return err_set(e, STATUS_USAGE, "both firmware and --xen were given; firmware finds Xen on a disk");
    if (!c->image && !c->xen && !c->nloads && !c->flash[0].path)
        return err_set(e, STATUS_USAGE,
                       "nothing to run: give a kernel (elara run IMAGE -i initrd), --xen FILE, or --load FILE@ADDR");
    if (c->initrd && !c->image)
        return err_set(e, STATUS_USAGE, "the initrd %s needs a kernel: elara run IMAGE -i %s", c->initrd, c->initrd);
    if (c->image && !c->params && !c->qemu_status)
        c->params = config_hvc_main(c) ? "console=hvc0" : "console=ttyAMA0";
    return true;
}
