/* elara's command line, table driven. */
#include "machine/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "machine/board.h"
#include "machine/imagebuilder.h"

/* ---- pieces of option values ---------------------------------------------------------------- */

const char *options_item(struct config *c, const char **s)
{
    if (!*s || !**s)
        return NULL;
    size_t n = 0, out = 0;
    while ((*s)[n] && !((*s)[n] == ',' && (*s)[n + 1] != ','))
        n += (*s)[n] == ',' ? 2 : 1;
    char *item = (char *)(uintptr_t)config_string(c, *s, n);
    for (size_t i = 0; i < n; i++) {
        item[out++] = item[i];
        if (item[i] == ',')
            i++;
    }
    item[out] = 0;
    *s += n;
    if (**s == ',')
        ++*s;
    return item;
}

const char *options_value(const char *item, const char *key)
{
    size_t n = strlen(key);
    return strncmp(item, key, n) == 0 && item[n] == '=' ? item + n + 1 : NULL;
}

static bool parse_uint(const char *s, unsigned *out)
{
    u64 v;
    if (!err_parse_size(s, &v) || v > 0xffffffffu)
        return false;
    *out = (unsigned)v;
    return true;
}

/* "FILE@ADDR"; without an address an ELF file goes where its headers say. */
static bool set_load(struct config *c, const char *val, struct err *e)
{
    if (c->nloads == CONFIG_LOADS)
        return err_set(e, STATUS_USAGE, "at most %d files can be loaded", CONFIG_LOADS);
    struct config_load *l = &c->loads[c->nloads++];
    const char *at = strrchr(val, '@');
    *l = (struct config_load){.path = val};
    if (at && err_parse_size(at + 1, &l->addr)) {
        l->path = config_string(c, val, (size_t)(at - val));
        l->has_addr = l->raw = true;
    }
    return true;
}

static bool set_firmware(struct config *c, const char *val, struct err *e)
{
    (void)e;
    c->flash[0] = (struct config_disk){.path = val, .read_only = true};
    return true;
}

static bool set_flash1(struct config *c, const char *val, struct err *e)
{
    const char *file = options_item(c, &val), *how = options_item(c, &val);
    if (!file || (how && strcmp(how, "rw") != 0))
        return err_set(e, STATUS_USAGE, "--flash1: give FILE, or FILE,rw to write changes to the file");
    c->flash[1] = (struct config_disk){.path = file, .rw = how};
    return true;
}

/* The next free virtio-mmio transport, upward. */
static bool new_mmio_card(struct config *c, enum card_type type, unsigned index, struct err *e)
{
    unsigned slot = c->ncards;
    struct config_card *k = slot < BOARD_VIRTIO_SLOTS ? config_card(c, type, index) : NULL;
    if (!k)
        return err_set(e, STATUS_USAGE, "at most %d disks and cards", BOARD_VIRTIO_SLOTS);
    k->slot = slot;
    return true;
}

/* "user[,fwd=tcp::2222-:22]...[,pcap=F]", "tap=NAME", "listen=ADDR", "connect=ADDR" or "none". */
static bool set_net(struct config *c, const char *val, struct err *e)
{
    if (c->nnics == CONFIG_NICS)
        return err_set(e, STATUS_USAGE, "at most %d --net", CONFIG_NICS);
    struct config_nic *n = &c->nics[c->nnics];
    *n = (struct config_nic){0};
    if (!new_mmio_card(c, CARD_NIC, c->nnics++, e))
        return false;
    struct config_card *k = &c->cards[c->ncards - 1];
    for (const char *item, *v; (item = options_item(c, &val));) {
        if (strcmp(item, "none") == 0)
            n->user = false;
        else if (strcmp(item, "user") == 0)
            n->user = true;
        else if (strcmp(item, "restricted") == 0)
            n->restricted = true;
        else if ((v = options_value(item, "fwd")) && n->nforwards < CONFIG_FORWARDS)
            n->forwards[n->nforwards++] = v;
        else if (strcmp(item, "e1000e") == 0)
            config_onto_pci(k, CARD_E1000E);
        else if (strcmp(item, "ats") == 0)
            config_with_ats(k);
        else if ((v = options_value(item, "bus"))) {
            config_onto_pci(k, k->type);
            k->bus = v;
        } else if ((v = options_value(item, "pcap")))
            n->pcap = v;
        else if ((v = options_value(item, "tap")))
            n->tap = v;
        else if ((v = options_value(item, "connect")))
            n->stream = v;
        else if ((v = options_value(item, "listen"))) {
            n->stream = v;
            n->listen = true;
        } else {
            return err_set(e, STATUS_USAGE,
                           "--net has no item \"%s\"; they are user, none, tap=NAME, listen=ADDRESS, "
                           "connect=ADDRESS, fwd=tcp::HOSTPORT-:PORT, restricted, pcap=FILE, e1000e, bus=PORT, ats",
                           item);
        }
    }
    return true;
}

static bool set_share(struct config *c, const char *val, struct err *e)
{
    if (c->nshares == CONFIG_SHARES)
        return err_set(e, STATUS_USAGE, "at most %d --share", CONFIG_SHARES);
    struct config_share *s = &c->shares[c->nshares];
    *s = (struct config_share){.tag = "share"};
    for (const char *item; (item = options_item(c, &val));) {
        if (!s->path)
            s->path = item;
        else if (strcmp(item, "ro") == 0)
            s->read_only = true;
        else if (options_value(item, "tag"))
            s->tag = options_value(item, "tag");
        else
            return err_set(e, STATUS_USAGE, "--share: \"%s\" is not one of tag=NAME (default: share) and ro", item);
    }
    return new_mmio_card(c, CARD_9P, c->nshares++, e);
}

/* What -d says about a disk, its bus included. */
struct disk_option {
    struct config_disk *d;
    const char *serial, *bus;
    bool nvme, scsi, ats;
    int target, lun; /* -1: not said */
};

static bool small(const char *v, int *out)
{
    unsigned n;
    bool ok = parse_uint(v, &n) && n < 256;
    *out = ok ? (int)n : -1;
    return ok;
}

static bool disk_item(struct disk_option *o, const char *item)
{
    struct config_disk *d = o->d;
    const char *v;
    if (strcmp(item, "rw") == 0)
        d->rw = true;
    else if (strcmp(item, "ro") == 0)
        d->read_only = true;
    else if (strcmp(item, "nvme") == 0 || strcmp(item, "if=nvme") == 0)
        o->nvme = true;
    else if (strcmp(item, "ats") == 0)
        o->ats = true;
    else if (strcmp(item, "if=scsi") == 0)
        o->scsi = true;
    else if ((v = options_value(item, "target")))
        return small(v, &o->target);
    else if ((v = options_value(item, "lun")))
        return small(v, &o->lun);
    else if ((v = options_value(item, "bus")))
        o->bus = v;
    else if ((v = options_value(item, "overlay")))
        d->overlay = v;
    else if ((v = options_value(item, "serial")))
        o->serial = v;
    else if ((v = options_value(item, "log")))
        d->log = v;
    else
        return false;
    return true;
}

/* NVMe sits on PCI, a virtio disk in the next transport, a SCSI disk on the one host, which has a transport. */
static bool place_disk(struct config *c, const struct disk_option *o, struct err *e)
{
    unsigned index = c->ndisks - 1;
    if (o->scsi) {
        const struct config_lun l = {.disk = index, .serial = o->serial};
        if (!c->nhosts++ && !new_mmio_card(c, CARD_SCSI, 0, e))
            return false;
        c->nhosts = 1;
        return config_lun(c, &l, o->target, o->lun, e);
    }
    if (!new_mmio_card(c, CARD_DISK, index, e))
        return false;
    struct config_card *k = &c->cards[c->ncards - 1];
    if (o->nvme || o->bus)
        config_onto_pci(k, o->nvme ? CARD_NVME : CARD_DISK);
    if (o->ats)
        config_with_ats(k);
    k->bus = o->bus;
    k->serial = o->serial;
    return true;
}

static bool set_disk(struct config *c, const char *val, struct err *e)
{
    if (c->ndisks == CONFIG_DISKS)
        return err_set(e, STATUS_USAGE, "at most %d disks", CONFIG_DISKS);
    struct config_disk *d = &c->disks[c->ndisks];
    *d = (struct config_disk){0};
    struct disk_option o = {.d = d, .target = -1, .lun = -1};
    for (const char *item; (item = options_item(c, &val));) {
        if (!d->path)
            d->path = item;
        else if (!disk_item(&o, item))
            return err_set(
                e, STATUS_USAGE,
                "-d %s: \"%s\" is not one of rw (write changes to the file), overlay=FILE (keep them in a "
                "qcow2 file), ro (the guest sees a write-protected disk), nvme, bus=PORT (PCI, behind that port), ats "
                "(PCI, with a translation cache of the SMMU's answers), "
                "if=scsi, target=N, lun=N (of SCSI), serial=TEXT, log=FILE",
                d->path, item);
    }
    if (d->rw + d->read_only + (d->overlay != NULL) > 1)
        return err_set(e, STATUS_USAGE, "-d %s: rw, ro and overlay exclude each other", d->path);
    if (!d->path)
        return err_set(e, STATUS_USAGE, "-d needs a file");
    if ((o.scsi && (o.nvme || o.ats)) || (!o.scsi && (o.target >= 0 || o.lun >= 0)))
        return err_set(e, STATUS_USAGE, "-d %s: %s", d->path,
                       o.scsi ? "if=scsi excludes nvme and ats" : "target= and lun= need if=scsi");
    c->ndisks++;
    return place_disk(c, &o, e);
}

static bool set_gic(struct config *c, const char *val, struct err *e)
{
    if (strcmp(val, "2") != 0 && strcmp(val, "3") != 0)
        return err_set(e, STATUS_USAGE, "--gic %s: the valid values are 2 and 3", val);
    c->gic = (unsigned)(val[0] - '0');
    return true;
}

static bool set_el(struct config *c, const char *val, struct err *e)
{
    if (strlen(val) != 1 || val[0] < '1' || val[0] > '3')
        return err_set(e, STATUS_USAGE,
                       "--el %s: the valid values are 1, 2 (default) and 3: the highest exception level "
                       "of the CPUs",
                       val);
    c->el2 = val[0] >= '2';
    c->el3 = val[0] == '3';
    return true;
}

static bool set_pace(struct config *c, const char *val, struct err *e)
{
    static const char *const names[] = {"auto", "on", "off"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(val, names[i]) == 0) {
            c->pace = (enum pace)i;
            return true;
        }
    return err_set(e, STATUS_USAGE, "--pace %s: the valid values are auto, on and off", val);
}

static bool set_clock(struct config *c, const char *val, struct err *e)
{
    if (strcmp(val, "virtual") != 0 && strcmp(val, "host") != 0)
        return err_set(e, STATUS_USAGE,
                       "--clock %s: the valid values are virtual (one instruction is a nanosecond, every run repeats) "
                       "and host (time keeps up with the host's)",
                       val);
    c->host_clock = val[0] == 'h';
    return true;
}

static bool set_parallel(struct config *c, const char *val, struct err *e)
{
    c->strict = val && strcmp(val, "strict") == 0;
    if (val && strcmp(val, "on") != 0 && strcmp(val, "off") != 0 && !c->strict)
        return err_set(e, STATUS_USAGE, "--parallel=%s: the valid values are on, strict and off", val);
    c->parallel = !val || c->strict || val[1] == 'n';
    return true;
}

static bool set_term(struct config *c, const char *val, struct err *e)
{
    if (strcmp(val, "quit") != 0 && strcmp(val, "button") != 0)
        return err_set(e, STATUS_USAGE, "--on-term %s: the valid values are quit and button (the power button)", val);
    c->term_button = val[0] == 'b';
    return true;
}

static bool set_stuck(struct config *c, const char *val, struct err *e)
{
    if (strcmp(val, "exit") != 0 && strcmp(val, "report") != 0)
        return err_set(e, STATUS_USAGE, "--on-stuck %s: the valid values are exit and report", val);
    c->on_stuck = val[0] == 'e' ? STUCK_EXIT : STUCK_REPORT;
    return true;
}

static bool set_panic(struct config *c, const char *val, struct err *e)
{
    if (strcmp(val, "exit") != 0 && strcmp(val, "ignore") != 0)
        return err_set(e, STATUS_USAGE, "--on-panic %s: the valid values are exit and ignore", val);
    c->ignore_panic = val[0] == 'i';
    return true;
}

/* Seconds of virtual time: "90", "90s", "500ms", "2m". */
static bool set_limit(struct config *c, const char *val, struct err *e)
{
    char *end;
    double v = strtod(val, &end);
    double unit = !*end || strcmp(end, "s") == 0 ? 1e9
                  : strcmp(end, "ms") == 0       ? 1e6
                  : strcmp(end, "m") == 0        ? 6e10
                                                 : 0;
    if (end == val || unit == 0 || !(v > 0) || v * unit > 1e18)
        return err_set(e, STATUS_USAGE, "--timeout %s: give virtual seconds, such as 90s, 500ms or 2m", val);
    c->limit = (u64)(v * unit);
    return true;
}

static bool set_domu(struct config *c, const char *val, struct err *e)
{
    if (c->ndomus == CONFIG_DOMUS)
        return err_set(e, STATUS_USAGE, "at most %d --domu", CONFIG_DOMUS);
    static const char *const keys[] = {"name", "kernel", "initrd", "mem", "cpus", "cmdline"};
    struct config_domu *u = &c->domus[c->ndomus++];
    char name[16];
    int n = snprintf(name, sizeof name, "domU%u", c->ndomus);
    *u = (struct config_domu){
        .name = config_string(c, name, (size_t)n), .mem = 128ull << 20, .cpus = 1, .cmdline = "console=ttyAMA0"};
    for (const char *item, *v; (item = options_item(c, &val));) {
        if ((v = options_value(item, "name")))
            u->name = v;
        else if ((v = options_value(item, "kernel")))
            u->kernel = v;
        else if ((v = options_value(item, "initrd")))
            u->initrd = v;
        else if ((v = options_value(item, "cmdline")))
            u->cmdline = v;
        else if ((v = options_value(item, "mem"))) {
            if (!err_parse_size(v, &u->mem) || u->mem < 1 << 20)
                return err_set(e, STATUS_USAGE, "--domu mem=%s: give a size such as 128M", v);
        } else if ((v = options_value(item, "cpus"))) {
            if (!parse_uint(v, &u->cpus) || u->cpus < 1 || u->cpus > 128)
                return err_set(e, STATUS_USAGE, "--domu cpus=%s: give a number from 1", v);
        } else {
            char key[32];
            snprintf(key, sizeof key, "%.*s", (int)strcspn(item, "="), item);
            const char *near = err_nearest(key, keys, ARRAY_LEN(keys));
            err_set(e, STATUS_USAGE, "--domu has no item \"%s\"", item);
            if (near)
                err_more(e, "; did you mean %s=?", near);
            return err_more(e, "\n  the items are name= kernel= initrd= mem= cpus= cmdline=");
        }
    }
    if (!u->kernel)
        return err_set(e, STATUS_USAGE, "--domu %s has no kernel: give kernel=FILE", u->name);
    if (!u->name[0] || strpbrk(u->name, "/@ ") || strlen(u->name) > 30)
        return err_set(e, STATUS_USAGE, "--domu name=%s: a name has 1 to 30 letters, digits, - and _", u->name);
    for (unsigned i = 0; i + 1 < c->ndomus; i++)
        if (strcmp(c->domus[i].name, u->name) == 0)
            return err_set(e, STATUS_USAGE, "two --domu have the name %s", u->name);
    return true;
}

/* The trap log goes to a file when one is given (--trap-log=FILE), else to standard error. */
static bool set_trap_log(struct config *c, const char *val, struct err *e)
{
    (void)e;
    c->trap_log = val ? val : "-";
    return true;
}

static bool set_console(struct config *c, const char *val, struct err *e)
{
    if (c->hvc)
        return err_set(e, STATUS_USAGE, "at most one --console");
    c->hvc = val;
    return new_mmio_card(c, CARD_CONSOLE, 0, e);
}

/* The second one is the Secure world's. */
static bool set_serial(struct config *c, const char *val, struct err *e)
{
    if (c->serial2)
        return err_set(e, STATUS_USAGE, "at most two --serial: the UART and, with --el 3, the Secure world's");
    *(c->serial ? &c->serial2 : &c->serial) = val;
    return true;
}

static bool set_display(struct config *c, const char *val, struct err *e)
{
    if (strcmp(val, "sdl") != 0 && strcmp(val, "none") != 0)
        return err_set(e, STATUS_USAGE, "--display %s: the valid values are none and sdl", val);
    c->display = val[0] == 's' ? val : NULL;
    return true;
}

static bool pci_card(struct config *c, enum card_type type, struct err *e)
{
    struct config_card *k = config_card(c, type, c->ncards);
    if (!k)
        return err_set(e, STATUS_USAGE, "at most %d cards", CONFIG_CARDS);
    config_onto_pci(k, type);
    return true;
}

/* The screen's size, "1280x800". */
static bool set_gpu(struct config *c, const char *val, struct err *e)
{
    char end = 0;
    if (val && (sscanf(val, "%4ux%4u%c", &c->gpu_width, &c->gpu_height, &end) != 2 || c->gpu_width < 64 ||
                c->gpu_width > 4095 || c->gpu_height < 64 || c->gpu_height > 4095))
        return err_set(e, STATUS_USAGE, "--gpu=%s: give a size such as 1280x800 (64 to 4095 each way)", val);
    return pci_card(c, CARD_GPU, e);
}

static bool set_balloon(struct config *c, const char *val, struct err *e)
{
    for (unsigned i = 0; i < c->ncards; i++)
        if (c->cards[i].type == CARD_BALLOON)
            return err_set(e, STATUS_USAGE, "at most one --balloon");
    if (val && !err_parse_size(val, &c->balloon_keep))
        return err_set(e, STATUS_USAGE, "--balloon=%s: give the memory that the guest keeps, such as 256M", val);
    return pci_card(c, CARD_BALLOON, e);
}

/* "on", or what the ID registers say: oas=BITS, stages=1|2|both; engine: the DMA engine for tests beside it. */
static bool set_smmu(struct config *c, const char *val, struct err *e)
{
    c->smmu_oas = 48;
    for (const char *item, *v; (item = options_item(c, &val));) {
        unsigned n;
        if ((v = options_value(item, "oas")) && parse_uint(v, &n) &&
            (n == 32 || n == 36 || n == 40 || n == 42 || n == 44 || n == 48 || n == 52)) {
            c->smmu_oas = n;
        } else if ((v = options_value(item, "stages")) &&
                   (strcmp(v, "1") == 0 || strcmp(v, "2") == 0 || strcmp(v, "both") == 0)) {
            c->smmu_no_stage1 = v[0] == '2';
            c->smmu_no_stage2 = v[0] == '1';
        } else if (strcmp(item, "engine") == 0) {
            c->dma_engine = true;
        } else if (strcmp(item, "off") == 0) {
            c->smmu_oas = 0;
        } else if (strcmp(item, "on") != 0) {
            return err_set(e, STATUS_USAGE,
                           "--smmu has no item \"%s\"; they are on, off, oas=32|36|40|42|44|48|52, stages=1|2|both, "
                           "engine",
                           item);
        }
    }
    return true;
}

/* "root-port,id=rp1", "rng,bus=rp1", ...: a function of PCI. */
static bool set_device(struct config *c, const char *val, struct err *e)
{
    const char *names[CONFIG_DEVICE_TYPES], *name = options_item(c, &val);
    unsigned type = 0;
    for (unsigned i = 0; i < CONFIG_DEVICE_TYPES; i++)
        names[i] = config_device_types[i].name;
    while (name && type < CONFIG_DEVICE_TYPES && strcmp(name, names[type]) != 0)
        type++;
    if (!name || type == CONFIG_DEVICE_TYPES) {
        const char *near = name ? err_nearest(name, names, CONFIG_DEVICE_TYPES) : NULL;
        err_set(e, STATUS_USAGE, "--device %s: there is no such device", name ? name : "");
        if (near)
            err_more(e, "; did you mean %s?", near);
        err_more(e, "\n  there are");
        for (unsigned i = 0; i < CONFIG_DEVICE_TYPES; i++)
            err_more(e, " %s", names[i]);
        return false;
    }
    struct config_card *k = config_card(c, config_device_types[type].type, c->ncards);
    if (!k)
        return err_set(e, STATUS_USAGE, "at most %d disks and cards", CONFIG_CARDS);
    config_onto_pci(k, k->type);
    for (const char *item, *v; (item = options_item(c, &val));) {
        if ((v = options_value(item, "id")))
            k->id = v;
        else if ((v = options_value(item, "bus")))
            k->bus = v;
        else if (strcmp(item, "ats") == 0)
            config_with_ats(k);
        else if (!(v = options_value(item, "slot")) || !config_place(k, v, 10))
            return err_set(e, STATUS_USAGE,
                           "--device %s: \"%s\" is not one of id=NAME, bus=PORT, ats and slot=NUMBER (1 to 31, or "
                           "NUMBER.FUNCTION)",
                           name, item);
    }
    return true;
}

/* ---- the table ------------------------------------------------------------------------------ */

#define F(f) offsetof(struct config, f), NULL
const struct option_row option_rows[] = {
    {"initrd", 'i', OPTION_STRING, "FILE", "What runs", "initial RAM disk", F(initrd)},
    {"params", 'p', OPTION_STRING, "TEXT", "What runs", "kernel (or Xen) parameters", F(params)},
    {"disk", 'd', OPTION_CALL, "FILE[,rw|,..]", "What runs",
     "disk; changes discarded without rw or overlay=F; nvme if=scsi bus=", 0, set_disk},
    {"net", 0, OPTION_CALL, "user|tap=..", "What runs", "network card; fwd=tcp::HOST-:GUEST pcap=F e1000e bus=", 0,
     set_net},
    {"device", 0, OPTION_CALL, "TYPE[,id=,bus=]", "What runs", "PCI device or port; slot=N; elara list devices", 0,
     set_device},
    {"share", 0, OPTION_CALL, "DIR[,tag=T][,ro]", "What runs", "host directory: mount -t 9p -o trans=virtio T", 0,
     set_share},
    {"load", 0, OPTION_CALL, "FILE[@ADDR]", "What runs", "put a file at an address (ELF: where it says)", 0, set_load},
    {"dtb", 0, OPTION_STRING, "FILE", "What runs", "use this device tree, patched", F(dtb)},
    {"firmware", 0, OPTION_CALL, "FILE", "What runs", "boot flash contents; it loads the rest", 0, set_firmware},
    {"xen", 0, OPTION_STRING, "FILE", "What runs", "hypervisor; everything is placed and described", F(xen)},
    {"dom0", 0, OPTION_STRING, "FILE", "What runs", "kernel of Xen's first domain", F(dom0)},
    {"dom0-initrd", 0, OPTION_STRING, "FILE", "What runs", "its initial RAM disk", F(dom0_initrd)},
    {"dom0-params", 0, OPTION_STRING, "TEXT", "What runs", "its kernel parameters [console=hvc0]", F(dom0_params)},
    {"domu", 0, OPTION_CALL, "name=,kernel=,...", "What runs", "domain without dom0: initrd= mem= cpus= cmdline=", 0,
     set_domu},
    {"imagebuilder", 0, OPTION_CALL, "FILE", "What runs", "Xen and domains as ImageBuilder's file says", 0,
     imagebuilder_read},
    {"cpus", 'c', OPTION_UINT, "N", "Machine", "number of CPUs [1]", F(cpus)},
    {"mem", 'm', OPTION_SIZE, "SIZE", "Machine", "RAM, such as 512M or 2G [512M]", F(mem)},
    {"cpu", 0, OPTION_STRING, "MODEL", "Machine", "model[,+feature,-feature] [max]; elara list cpus", F(cpu)},
    {"gic", 0, OPTION_CALL, "2|3", "Machine", "version of the interrupt controller [3]", 0, set_gic},
    {"el", 0, OPTION_CALL, "1|2|3", "Machine", "highest exception level of the CPUs [2]", 0, set_el},
    {"smmu", 0, OPTION_CALL, "on|oas=BITS,..", "Machine", "SMMUv3 in front of PCI; stages=1|2|both", 0, set_smmu},
    {"seed", 0, OPTION_U64, "N", "Machine", "seed of everything random [1]", F(seed)},
    {"serial", 0, OPTION_CALL, "WHERE", "Machine", "stdio, pty, file:F, unix:F, tcp:HOST:PORT, none [stdio]", 0,
     set_serial},
    {"until", 0, OPTION_STRING, "TEXT", "Run", "end with status 0 once the console printed TEXT", F(until)},
    {"timeout", 0, OPTION_CALL, "TIME", "Run", "end with status 124 after this much virtual time", 0, set_limit},
    {"no-reboot", 0, OPTION_FLAG, NULL, "Run", "end with status 101 when the guest resets", F(no_reboot)},
    {"engine", 0, OPTION_STRING, "NAME", "Run", "jit, interp, or lockstep: both, compared [jit]", F(engine)},
    {"pace", 0, OPTION_CALL, "auto|on|off", "Run", "idle waits for host time [auto: on a terminal]", 0, set_pace},
    {"on-stuck", 0, OPTION_CALL, "exit|report", "Run", "when the guest can never go on [exit, status 102]", 0,
     set_stuck},
    {"force", 0, OPTION_FLAG, NULL, "Run", "run it although it cannot work", F(force)},
    {"stats", 0, OPTION_FLAG, NULL, "Output", "instructions, exceptions, time and state hash", F(stats)},
    {"trap-log", 0, OPTION_CALL, "[=FILE]", "Output", "log each exception, decoded", 0, set_trap_log},
    {"dtb-out", 0, OPTION_STRING, "FILE", "Output", "write the device tree", F(dtb_out)},
    {"dry-run", 0, OPTION_FLAG, NULL, "Output", "show what would be loaded where, and end", F(dry_run)},
    {"quiet", 'q', OPTION_FLAG, NULL, "Output", "no banner", F(quiet)},
    {"flash1", 0, OPTION_CALL, "FILE[,rw]", "Rarely", "second flash bank: the firmware's variables", 0, set_flash1},
    {"screenshot", 0, OPTION_STRING, "FILE", "Rarely", "write the screen at the end: .png or .ppm", F(screenshot)},
    {"console", 0, OPTION_CALL, "WHERE", "Rarely", "a virtio console too (hvc0); WHERE as for --serial", 0,
     set_console},
    {"on-term", 0, OPTION_CALL, "quit|button", "Rarely", "SIGTERM ends, or presses the power button [quit]", 0,
     set_term},
    {"on-panic", 0, OPTION_CALL, "exit|ignore", "Rarely", "when the guest's kernel panics [exit, status 100]", 0,
     set_panic},
    {"host-timeout", 0, OPTION_U64, "SECONDS", "Rarely", "the same in seconds of the host", F(timeout)},
    {"dom0-mem", 0, OPTION_SIZE, "SIZE", "Rarely", "its memory [chosen from -m]", F(dom0_mem)},
    {"no-acpi", 0, OPTION_FLAG, NULL, "Rarely", "firmware gets the device tree and no ACPI tables", F(no_acpi)},
    {"ramfb", 0, OPTION_FLAG, NULL, "Rarely", "a frame buffer for firmware and kernels", F(ramfb)},
    {"display", 0, OPTION_CALL, "none|sdl", "Rarely", "a window with screen, keyboard and pointer [none]", 0,
     set_display},
    {"gpu", 0, OPTION_CALL, "[=WxH]", "Rarely", "a virtio GPU (2D) with a screen [1280x800]", 0, set_gpu},
    {"balloon", 0, OPTION_CALL, "[=SIZE]", "Rarely", "a balloon; the guest is asked to keep SIZE", 0, set_balloon},
    {"clock", 0, OPTION_CALL, "virtual|host", "Rarely", "host: time keeps up with the host's, no run repeats", 0,
     set_clock},
    {"legacy-mmio", 0, OPTION_FLAG, NULL, "Rarely", "virtio-mmio transports of version 1, as before virtio 1.0",
     F(legacy_mmio)},
    {"semihosting", 0, OPTION_FLAG, NULL, "Rarely", "HLT #0xf000 prints and ends with the guest's own status, 0 to 99",
     F(semihosting)},
    {"semihosting-dir", 0, OPTION_STRING, "DIR", "Rarely", "and reads and writes the files of this directory",
     F(semihosting_dir)},
    {"semihosting-args", 0, OPTION_STRING, "TEXT", "Rarely", "the guest's command line behind the image's name",
     F(semihosting_args)},
    {"semihosting-system", 0, OPTION_FLAG, NULL, "Rarely", "it may run commands on the host: trust it as yourself",
     F(semihosting_system)},
    {"jit-stats", 0, OPTION_FLAG, NULL, "Rarely", "what the JIT made and why its code was left", F(jit_stats)},
    {"perf-map", 0, OPTION_FLAG, NULL, "Rarely", "symbols of generated code for perf, in /tmp/perf-PID.map",
     F(perf_map)},
    {"jit-dump", 0, OPTION_STRING, "FILE", "Rarely", "list each block: instructions of the guest and of the host",
     F(jit_dump)},
    {"parallel", 0, OPTION_CALL, "[=strict]", "Rarely",
     "a host thread for each CPU, by the host's clock; no run repeats", 0, set_parallel},
    {"slow-memory", 0, OPTION_FLAG, NULL, "Testing", "every access by the slow path (the result is the same)",
     F(slow_memory)},
    {"jit-eager", 0, OPTION_FLAG, NULL, "Testing",
     "blocks are translated at once, not interpreted first (the result is the same)", F(jit_eager)},
};
const unsigned option_row_count = ARRAY_LEN(option_rows);

/* ---- parsing -------------------------------------------------------------------------------- */

static bool apply(struct config *c, const struct option_row *o, const char *val, struct err *e)
{
    void *p = (char *)c + o->field;
    bool ok = true;
    switch ((enum option_kind)o->kind) {
    case OPTION_FLAG: *(bool *)p = true; break;
    case OPTION_STRING: *(const char **)p = val; break;
    case OPTION_UINT: ok = parse_uint(val, p); break;
    case OPTION_U64:
    case OPTION_SIZE: ok = err_parse_size(val, p); break;
    case OPTION_CALL: return o->set(c, val, e);
    }
    return ok || err_set(e, STATUS_USAGE, "--%s %s: not a %s", o->name, val,
                         o->kind == OPTION_SIZE ? "size such as 512M, 2G or 0x20000000" : "number");
}

static const struct option_row *find(const char *name, size_t n, char letter)
{
    for (unsigned i = 0; i < option_row_count; i++)
        if (letter ? option_rows[i].letter == letter
                   : strlen(option_rows[i].name) == n && strncmp(option_rows[i].name, name, n) == 0)
            return &option_rows[i];
    return NULL;
}

static bool unknown(const char *word, struct err *e)
{
    const char *names[ARRAY_LEN(option_rows)];
    char name[64];
    for (unsigned i = 0; i < option_row_count; i++)
        names[i] = option_rows[i].name;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word + strspn(word, "-"));
    const char *near = strlen(name) > 1 ? err_nearest(name, names, option_row_count) : NULL;
    err_set(e, STATUS_USAGE, "unknown option %s", word);
    if (near)
        err_more(e, "; did you mean --%s?", near);
    return err_more(e, "\n  elara help run lists them all");
}

bool options_parse(struct config *c, int argc, char **argv, struct err *e)
{
    for (int i = 0; i < argc; i++) {
        const char *w = argv[i], *val = NULL;
        const struct option_row *o;
        if (w[0] != '-' || !w[1]) {
            if (c->image)
                return err_set(e, STATUS_USAGE,
                               "two images: %s and %s; only one kernel can run (-i gives an initrd, -d a "
                               "disk)",
                               c->image, w);
            c->image = w;
            continue;
        }
        if (w[1] == '-') {
            const char *eq = strchr(w, '=');
            o = find(w + 2, eq ? (size_t)(eq - w - 2) : strlen(w + 2), 0);
            val = eq ? eq + 1 : NULL;
        } else {
            o = find(NULL, 0, w[1]);
            val = w[2] ? w + 2 : NULL;
            if (o && !o->arg && val)
                o = NULL;
        }
        if (!o)
            return unknown(w, e);
        if (!o->arg && val)
            return err_set(e, STATUS_USAGE, "--%s takes no value", o->name);
        if (o->arg && o->arg[0] != '[' && !val) {
            if (++i == argc)
                return err_set(e, STATUS_USAGE, "%s needs a value: %s %s", w, w, o->arg);
            val = argv[i];
        }
        if (!apply(c, o, val, e))
            return false;
    }
    return true;
}
