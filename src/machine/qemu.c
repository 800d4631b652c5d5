/* elara-qemu: the usual options of qemu-system-aarch64 become a configuration, so that existing test
 * harnesses run with another program name. Options are taken with one dash or two, as QEMU does.
 *
 * Not taken: everything that would silently change what the guest sees; it is refused by name. Virtio
 * devices get transports from the last one downward, as on QEMU's board. */
#include "machine/qemu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "machine/board.h"
#include "machine/disk.h"
#include "machine/options.h"

enum { QEMU_DRIVES = 32 };

struct drive {
    const char *id, *file;
    bool read_only, snapshot, used;
    u8 format; /* enum disk_format */
};

struct parse {
    struct config *c;
    struct err *e;
    struct drive drives[QEMU_DRIVES];
    unsigned ndrives;
    unsigned next_slot;      /* virtio-mmio transport, counted down */
    const char *devices[64]; /* -device values, handled when all drives are known */
    unsigned ndevices;
    const char *net_ids[CONFIG_NICS];
    const char *fs_ids[CONFIG_SHARES];
    const char *mount_tag; /* of the device that is read now */
};

#define USAGE(p, ...) err_set((p)->e, STATUS_USAGE, __VA_ARGS__)

static bool on_off(struct parse *p, const char *what, const char *v, bool *out)
{
    static const char *const yes[] = {"on", "yes", "true", "y"}, *const no[] = {"off", "no", "false", "n"};
    for (unsigned i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcmp(v, yes[i]) == 0)
            return *out = true;
        if (strcmp(v, no[i]) == 0) {
            *out = false;
            return true;
        }
    }
    return USAGE(p, "%s=%s: the valid values are on and off", what, v);
}

/* Splits "key=value"; a key alone means on. */
static const char *split(struct parse *p, const char *item, char *key, size_t n)
{
    const char *eq = strchr(item, '=');
    snprintf(key, n, "%.*s", eq ? (int)(eq - item) : (int)strlen(item), item);
    (void)p;
    return eq ? eq + 1 : "on";
}

static bool absent(struct parse *p, const char *key, const char *v, bool wanted)
{
    bool on = false;
    if (!on_off(p, key, v, &on))
        return false;
    return on == wanted || USAGE(p, "-machine %s=%s is not supported yet", key, v);
}

/* tcg is whatever is the default here; jit and interp choose. */
static bool opt_accel(struct parse *p, const char *v)
{
    if (strcmp(v, "jit") == 0 || strcmp(v, "interp") == 0)
        p->c->engine = v;
    else if (strncmp(v, "tcg", 3) != 0)
        return USAGE(p, "-accel %s: there is no such accelerator here; the valid values are tcg, jit and interp", v);
    return true;
}

static bool machine_item(struct parse *p, const char *item)
{
    struct config *c = p->c;
    char key[40];
    const char *v = split(p, item, key, sizeof key);
    bool on = false;
    if (strcmp(key, "type") == 0)
        return strncmp(v, "virt", 4) == 0 || USAGE(p, "-machine %s: only virt is simulated", v);
    if (strcmp(key, "gic-version") == 0) {
        if (strcmp(v, "2") != 0 && strcmp(v, "3") != 0 && strcmp(v, "max") != 0)
            return USAGE(p, "-machine gic-version=%s: the valid values are 2, 3 and max", v);
        c->gic = v[0] == '2' ? 2 : 3;
        return true;
    }
    if (strcmp(key, "virtualization") == 0)
        return on_off(p, key, v, &c->el2);
    if (strcmp(key, "secure") == 0)
        return on_off(p, key, v, &c->el3);
    if (strcmp(key, "acpi") == 0)
        return on_off(p, key, v, &on); /* there are no ACPI tables in any case: firmware gets the tree */
    if (strcmp(key, "highmem") == 0 || strcmp(key, "its") == 0 || strcmp(key, "usb") == 0 ||
        strcmp(key, "graphics") == 0)
        return on_off(p, key, v, &on);
    if (strcmp(key, "mte") == 0) /* a matter of the CPU model alone: tag memory is always there */
        return on_off(p, key, v, &on);
    if (strcmp(key, "ras") == 0)
        return absent(p, key, v, false);
    if (strcmp(key, "iommu") == 0)
        return strcmp(v, "none") == 0 || USAGE(p, "-machine iommu=%s is not supported yet", v);
    if (strcmp(key, "accel") == 0)
        return opt_accel(p, v);
    if (strcmp(key, "dumpdtb") == 0) {
        c->dtb_out = v;
        c->dry_run = true;
        return true;
    }
    return USAGE(p, "-machine property \"%s\" is not known", key);
}

static bool opt_machine(struct parse *p, const char *val)
{
    const char *s = val, *item = options_item(p->c, &s);
    if (item && !strchr(item, '=')) {
        if (strncmp(item, "virt", 4) != 0)
            return USAGE(p, "-machine %s: only virt is simulated", item);
        item = options_item(p->c, &s);
    }
    for (; item; item = options_item(p->c, &s))
        if (!machine_item(p, item))
            return false;
    return true;
}

/* QEMU's CPU properties in our spelling: "max,pauth-impdef=on" -> "max,+PACIMP". */
static bool opt_cpu(struct parse *p, const char *val)
{
    char out[256];
    size_t n = 0;
    const char *s = val;
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = split(p, item, key, sizeof key);
        bool on = false;
        if (!n) {
            n = (size_t)snprintf(out, sizeof out, "%s", item);
            continue;
        }
        if (!on_off(p, key, v, &on))
            return false;
        const char *name = strcmp(key, "pauth-impdef") == 0 ? "PACIMP"
                           : strcmp(key, "pauth") == 0      ? "PAuth"
                           : strcmp(key, "pmu") == 0        ? "PMUv3"
                           : strcmp(key, "lpa2") == 0       ? "LPA2"
                                                            : NULL;
        if (!name && (strncmp(key, "sve", 3) == 0 || strncmp(key, "sme", 3) == 0)) {
            if (on)
                return USAGE(p, "-cpu property %s=on is not supported yet", key);
            continue;
        }
        if (!name)
            return USAGE(p, "-cpu property \"%s\" is not known", key);
        if (strcmp(key, "pauth-impdef") == 0 && !on)
            continue;
        n += (size_t)snprintf(out + n, sizeof out - n, ",%c%s", on ? '+' : '-', name);
        if (n >= sizeof out)
            return USAGE(p, "-cpu %s is too long", val);
    }
    p->c->cpu = config_string(p->c, out, strlen(out));
    return true;
}

static bool opt_smp(struct parse *p, const char *val)
{
    const char *s = val;
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = split(p, item, key, sizeof key);
        u64 n;
        if (!strchr(item, '=')) {
            v = item;
            snprintf(key, sizeof key, "cpus");
        }
        if (!err_parse_size(v, &n) || n < 1 || n > 512)
            return USAGE(p, "-smp %s: \"%s\" is no number of CPUs", val, v);
        if (strcmp(key, "cpus") == 0)
            p->c->cpus = (unsigned)n;
        else if (strcmp(key, "maxcpus") != 0 && strcmp(key, "sockets") != 0 && strcmp(key, "cores") != 0 &&
                 strcmp(key, "threads") != 0 && strcmp(key, "clusters") != 0)
            return USAGE(p, "-smp property \"%s\" is not known", key);
    }
    return true;
}

static bool opt_mem(struct parse *p, const char *val)
{
    const char *v = options_value(val, "size") ? options_value(val, "size") : val;
    size_t n = strcspn(v, ",");
    const char *num = config_string(p->c, v, n);
    if (!err_parse_size(num, &p->c->mem))
        return USAGE(p, "-m %s: not a size", val);
    if (n && num[n - 1] >= '0' && num[n - 1] <= '9') /* no unit: MiB */
        p->c->mem <<= 20;
    return true;
}

static bool opt_kernel(struct parse *p, const char *v) { return (p->c->image = v) != NULL; }
static bool opt_initrd(struct parse *p, const char *v) { return (p->c->initrd = v) != NULL; }
static bool opt_append(struct parse *p, const char *v) { return (p->c->params = v) != NULL; }
static bool opt_bios(struct parse *p, const char *v)
{
    p->c->flash[0] = (struct config_disk){.path = v, .read_only = true};
    return true;
}
static bool opt_dtb(struct parse *p, const char *v) { return (p->c->dtb = v) != NULL; }
static bool opt_no_reboot(struct parse *p, const char *v)
{
    (void)v;
    return p->c->no_reboot = true;
}
static bool opt_dry_run(struct parse *p, const char *v)
{
    (void)v;
    return p->c->dry_run = true;
}
/* -d int: the log of exceptions; the other items of QEMU's have no counterpart. */
static bool opt_debug(struct parse *p, const char *v)
{
    if (strcmp(v, "int") != 0)
        return USAGE(p, "-d %s is not known; -d int logs each exception", v);
    if (!p->c->trap_log)
        p->c->trap_log = "-";
    return true;
}
static bool opt_debug_file(struct parse *p, const char *v) { return (p->c->trap_log = v) != NULL; }
/* Elara's own, for looking into a run of an existing harness. */
static bool opt_stats(struct parse *p, const char *v)
{
    (void)v;
    return p->c->stats = true;
}
static bool opt_ignore(struct parse *p, const char *v)
{
    (void)p;
    (void)v;
    return true;
}

static bool drive_format(struct parse *p, struct drive *d, const char *v)
{
    d->format = strcmp(v, "qcow2") == 0 ? DISK_QCOW2 : DISK_RAW;
    return d->format == DISK_QCOW2 || strcmp(v, "raw") == 0 ||
           USAGE(p, "-drive format=%s: raw and qcow2 can be read", v);
}

static bool opt_drive(struct parse *p, const char *val)
{
    if (p->ndrives == QEMU_DRIVES)
        return USAGE(p, "at most %d -drive", QEMU_DRIVES);
    struct drive *d = &p->drives[p->ndrives++];
    *d = (struct drive){0}; /* a pflash drive gives its place back */
    const char *s = val, *bus = "virtio";
    u64 unit = 0;
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = split(p, item, key, sizeof key);
        bool ok = true;
        if (strcmp(key, "file") == 0)
            d->file = v;
        else if (strcmp(key, "id") == 0)
            d->id = v;
        else if (strcmp(key, "if") == 0)
            bus = v;
        else if (strcmp(key, "readonly") == 0 || strcmp(key, "read-only") == 0)
            ok = on_off(p, key, v, &d->read_only);
        else if (strcmp(key, "snapshot") == 0)
            ok = on_off(p, key, v, &d->snapshot);
        else if (strcmp(key, "unit") == 0)
            ok = (err_parse_size(v, &unit) && unit < 2) || USAGE(p, "-drive unit=%s: 0 or 1", v);
        else if (strcmp(key, "format") == 0)
            ok = drive_format(p, d, v);
        else if (strcmp(key, "cache") != 0 && strcmp(key, "media") != 0 && strcmp(key, "index") != 0 &&
                 strcmp(key, "aio") != 0 && strcmp(key, "discard") != 0)
            ok = USAGE(p, "-drive property \"%s\" is not known", key);
        if (!ok)
            return false;
    }
    if (strcmp(bus, "pflash") == 0 && d->file) {
        p->c->flash[unit] =
            (struct config_disk){.path = d->file, .rw = !d->read_only && !d->snapshot, .read_only = d->read_only};
        p->ndrives--;
        return true;
    }
    if (strcmp(bus, "none") != 0)
        return USAGE(p, "-drive if=%s is not supported yet; use if=none,id=X and -device virtio-blk-device,drive=X",
                     bus);
    return d->file || USAGE(p, "-drive %s: no file=", val);
}

static bool opt_device(struct parse *p, const char *val)
{
    if (p->ndevices == ARRAY_LEN(p->devices))
        return USAGE(p, "too many -device");
    p->devices[p->ndevices++] = val;
    return true;
}

static bool opt_nic(struct parse *p, const char *v)
{
    return strcmp(v, "none") == 0 || USAGE(p, "-nic %s is not supported yet", v);
}
static bool opt_net(struct parse *p, const char *v)
{
    return strcmp(v, "none") == 0 || USAGE(p, "-net %s is not supported yet", v);
}
static bool opt_serial(struct parse *p, const char *v)
{
    return strcmp(v, "stdio") == 0 || strcmp(v, "mon:stdio") == 0 || USAGE(p, "-serial %s is not supported yet", v);
}
static bool opt_none(struct parse *p, const char *v)
{
    return strcmp(v, "none") == 0 || USAGE(p, "\"%s\" is not supported yet; only none is", v);
}

/* ---- -device -------------------------------------------------------------------------------- */

static struct config_load *new_load(struct parse *p)
{
    if (p->c->nloads == CONFIG_LOADS) {
        USAGE(p, "at most %d -device loader and guest-loader", CONFIG_LOADS);
        return NULL;
    }
    struct config_load *l = &p->c->loads[p->c->nloads++];
    *l = (struct config_load){0};
    return l;
}

static bool device_loader(struct parse *p, const char *s)
{
    struct config_load *l = new_load(p);
    if (!l)
        return false;
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = split(p, item, key, sizeof key);
        if (strcmp(key, "file") == 0)
            l->path = v;
        else if (strcmp(key, "addr") == 0) {
            if (!err_parse_size(v, &l->addr))
                return USAGE(p, "-device loader: addr=%s is no address", v);
            l->has_addr = true;
        } else if (strcmp(key, "force-raw") == 0) {
            if (!on_off(p, key, v, &l->raw))
                return false;
        } else {
            return USAGE(p, "-device loader: property \"%s\" is not supported yet", key);
        }
    }
    return l->path || USAGE(p, "-device loader: no file=");
}

static bool device_guest_loader(struct parse *p, const char *s)
{
    struct config_load *l = new_load(p);
    if (!l)
        return false;
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = split(p, item, key, sizeof key);
        if (strcmp(key, "kernel") == 0 || strcmp(key, "initrd") == 0) {
            l->path = v;
            l->module = key[0] == 'k' ? "kernel" : "ramdisk";
        } else if (strcmp(key, "bootargs") == 0) {
            l->bootargs = v;
        } else if (strcmp(key, "addr") != 0) {
            return USAGE(p, "-device guest-loader: property \"%s\" is not known", key);
        } else if (!err_parse_size(v, &l->addr)) {
            return USAGE(p, "-device guest-loader: addr=%s is no address", v);
        }
        l->has_addr |= strcmp(key, "addr") == 0;
    }
    if (!l->path || !l->has_addr)
        return USAGE(p, "-device guest-loader: needs addr= and kernel= or initrd=");
    l->raw = true;
    return true;
}

/* Properties that all virtio devices share. */
static bool card_property(struct parse *p, struct config_card *k, const char *name, const char *key, const char *v)
{
    u64 slot;
    char hex[32];
    if (strcmp(key, "id") == 0 || strcmp(key, "bus") == 0)
        return true;
    if (strcmp(key, "serial") == 0 && (k->type == CARD_DISK || k->type == CARD_NVME))
        return (k->serial = v) != NULL;
    if (strcmp(key, "mount_tag") == 0 && k->type == CARD_9P)
        return (p->mount_tag = v) != NULL;
    if (strcmp(key, "iommu_platform") == 0)
        return on_off(p, key, v, &k->platform);
    if (k->pci && strcmp(key, "disable-legacy") == 0)
        return on_off(p, key, v, &k->modern);
    if (k->pci && strcmp(key, "romfile") == 0 && (!*v || strcmp(v, "on") == 0))
        return true; /* there are no option ROMs */
    if (!k->pci || strcmp(key, "addr") != 0)
        return USAGE(p, "-device %s: property \"%s\" is not supported yet", name, key);
    snprintf(hex, sizeof hex, "0x%s", v + (strncmp(v, "0x", 2) == 0 ? 2 : 0));
    if (!err_parse_size(hex, &slot) || slot < 1 || slot > 31)
        return USAGE(p, "-device %s: addr=%s is no device number", name, v);
    k->slot = (unsigned)slot;
    return true;
}

static bool bind_drive(struct parse *p, struct config_card *k, const char *name, const char *id)
{
    struct config *c = p->c;
    for (unsigned i = 0; i < p->ndrives; i++) {
        struct drive *d = &p->drives[i];
        if (!d->id || strcmp(d->id, id) != 0)
            continue;
        if (c->ndisks == CONFIG_DISKS)
            return USAGE(p, "at most %d disks", CONFIG_DISKS);
        k->index = c->ndisks;
        c->disks[c->ndisks++] = (struct config_disk){
            .path = d->file, .rw = !d->read_only && !d->snapshot, .read_only = d->read_only, .format = d->format};
        return d->used = true;
    }
    return USAGE(p, "-device %s: there is no -drive with id=%s", name, id);
}

static bool bind_net(struct parse *p, struct config_card *k, const char *name, const char *id)
{
    for (unsigned i = 0; i < p->c->nnics; i++)
        if (p->net_ids[i] && strcmp(p->net_ids[i], id) == 0) {
            k->index = i;
            return true;
        }
    return USAGE(p, "-device %s: there is no -netdev with id=%s", name, id);
}

static bool bind_fsdev(struct parse *p, struct config_card *k, const char *name, const char *id)
{
    for (unsigned i = 0; i < p->c->nshares; i++)
        if (p->fs_ids[i] && strcmp(p->fs_ids[i], id) == 0) {
            k->index = i;
            return true;
        }
    return USAGE(p, "-device %s: there is no -fsdev with id=%s", name, id);
}

static const struct {
    const char *name, *backend; /* the property that names the other end */
    u8 type;
    bool pci;
    bool (*bind)(struct parse *, struct config_card *, const char *name, const char *id);
} cards[] = {
    {"virtio-blk-device", "drive", CARD_DISK, false, bind_drive},
    {"virtio-blk-pci", "drive", CARD_DISK, true, bind_drive},
    {"virtio-net-device", "netdev", CARD_NIC, false, bind_net},
    {"virtio-net-pci", "netdev", CARD_NIC, true, bind_net},
    {"virtio-rng-device", NULL, CARD_RNG, false, NULL},
    {"virtio-rng-pci", NULL, CARD_RNG, true, NULL},
    {"nvme", "drive", CARD_NVME, true, bind_drive},
    {"virtio-9p-device", "fsdev", CARD_9P, false, bind_fsdev},
    {"virtio-9p-pci", "fsdev", CARD_9P, true, bind_fsdev},
};

static bool device_card(struct parse *p, unsigned n, const char *s)
{
    const char *name = cards[n].name;
    struct config_card *k = config_card(p->c, cards[n].type, 0);
    if (!k || (!cards[n].pci && !p->next_slot))
        return USAGE(p, "too many virtio devices");
    bool bound = !cards[n].backend;
    k->pci = cards[n].pci;
    p->mount_tag = NULL;
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = split(p, item, key, sizeof key);
        bool is_backend = cards[n].backend && strcmp(key, cards[n].backend) == 0;
        if (!(is_backend ? cards[n].bind(p, k, name, v) : card_property(p, k, name, key, v)))
            return false;
        bound |= is_backend;
    }
    if (k->type == CARD_9P && bound && p->mount_tag)
        p->c->shares[k->index].tag = p->mount_tag;
    if (!k->pci)
        k->slot = --p->next_slot;
    return bound || USAGE(p, "-device %s: needs %s=ID", name, cards[n].backend);
}

static bool opt_netdev(struct parse *p, const char *val)
{
    struct config *c = p->c;
    if (c->nnics == CONFIG_NICS)
        return USAGE(p, "at most %d -netdev", CONFIG_NICS);
    const char *s = val, *kind = options_item(c, &s);
    if (!kind || strcmp(kind, "user") != 0)
        return USAGE(p, "-netdev %s is not supported yet; user is", kind ? kind : "");
    struct config_nic *n = &c->nics[c->nnics];
    *n = (struct config_nic){.user = true};
    for (const char *item; (item = options_item(c, &s));) {
        char key[40];
        const char *v = split(p, item, key, sizeof key);
        if (strcmp(key, "id") == 0)
            p->net_ids[c->nnics] = v;
        else if (strcmp(key, "hostfwd") == 0 && n->nforwards < CONFIG_FORWARDS)
            n->forwards[n->nforwards++] = v;
        else if (strcmp(key, "restrict") == 0) {
            if (!on_off(p, key, v, &n->restricted))
                return false;
        } else {
            return USAGE(p, "-netdev user: property \"%s\" is not supported yet", key);
        }
    }
    c->nnics++;
    return true;
}

static bool opt_fsdev(struct parse *p, const char *val)
{
    struct config *c = p->c;
    if (c->nshares == CONFIG_SHARES)
        return USAGE(p, "at most %d -fsdev", CONFIG_SHARES);
    const char *s = val, *kind = options_item(c, &s);
    if (!kind || strcmp(kind, "local") != 0)
        return USAGE(p, "-fsdev %s is not supported; local is", kind ? kind : "");
    struct config_share *d = &c->shares[c->nshares];
    *d = (struct config_share){.tag = "share"};
    for (const char *item; (item = options_item(c, &s));) {
        char key[40];
        const char *v = split(p, item, key, sizeof key);
        if (strcmp(key, "id") == 0)
            p->fs_ids[c->nshares] = v;
        else if (strcmp(key, "path") == 0)
            d->path = v;
        else if (strcmp(key, "readonly") == 0) {
            if (!on_off(p, key, v, &d->read_only))
                return false;
        } else if (strcmp(key, "security_model") != 0 || strncmp(v, "mapped", 6) == 0) {
            return USAGE(p, "-fsdev local: %s=%s is not supported (security_model=none and passthrough are)", key, v);
        }
    }
    c->nshares++;
    return d->path || USAGE(p, "-fsdev local: no path=");
}

static bool device(struct parse *p, const char *val)
{
    const char *s = val, *name = options_item(p->c, &s);
    if (!name)
        return USAGE(p, "-device needs a device");
    if (strcmp(name, "loader") == 0)
        return device_loader(p, s);
    if (strcmp(name, "guest-loader") == 0)
        return device_guest_loader(p, s);
    for (unsigned i = 0; i < ARRAY_LEN(cards); i++)
        if (strcmp(name, cards[i].name) == 0)
            return device_card(p, i, s);
    return USAGE(p, "-device %s is not supported yet", name);
}

/* ---- the table ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    bool arg;
    bool (*fn)(struct parse *, const char *val);
} options[] = {
    {"M", true, opt_machine},
    {"machine", true, opt_machine},
    {"cpu", true, opt_cpu},
    {"smp", true, opt_smp},
    {"m", true, opt_mem},
    {"kernel", true, opt_kernel},
    {"initrd", true, opt_initrd},
    {"append", true, opt_append},
    {"dtb", true, opt_dtb},
    {"bios", true, opt_bios},
    {"drive", true, opt_drive},
    {"device", true, opt_device},
    {"nic", true, opt_nic},
    {"netdev", true, opt_netdev},
    {"fsdev", true, opt_fsdev},
    {"net", true, opt_net},
    {"accel", true, opt_accel},
    {"serial", true, opt_serial},
    {"monitor", true, opt_none},
    {"display", true, opt_none},
    {"vga", true, opt_none},
    {"parallel", true, opt_none},
    {"nographic", false, opt_ignore},
    {"no-reboot", false, opt_no_reboot},
    {"d", true, opt_debug},
    {"D", true, opt_debug_file},
    {"nodefaults", false, opt_ignore},
    {"no-user-config", false, opt_ignore},
    {"name", true, opt_ignore},
    {"dry-run", false, opt_dry_run},
    {"stats", false, opt_stats},
};

bool qemu_parse(struct config *c, int argc, char **argv, struct err *e)
{
    struct parse p = {.c = c, .e = e, .next_slot = BOARD_VIRTIO_SLOTS};
    config_defaults(c);
    c->program = "elara-qemu";
    c->cpu = "cortex-a57";
    c->mem = 128ull << 20;
    c->gic = 2;
    c->el2 = false;
    c->quiet = true;
    c->qemu_status = true;
    for (int i = 0; i < argc; i++) {
        const char *w = argv[i], *name = w + (w[0] == '-') + (w[0] == '-' && w[1] == '-');
        unsigned k = 0;
        if (w[0] != '-')
            return err_set(e, STATUS_USAGE, "%s: a disk image as a bare word is not supported; use -drive", w);
        while (k < ARRAY_LEN(options) && strcmp(options[k].name, name) != 0)
            k++;
        if (k == ARRAY_LEN(options))
            return err_set(e, STATUS_USAGE, "option %s is not supported yet", w);
        if (options[k].arg && ++i == argc)
            return err_set(e, STATUS_USAGE, "option %s needs a value", w);
        if (!options[k].fn(&p, options[k].arg ? argv[i] : NULL))
            return false;
    }
    for (unsigned i = 0; i < p.ndevices; i++)
        if (!device(&p, p.devices[i]))
            return false;
    for (unsigned i = 0; i < p.ndrives; i++)
        if (!p.drives[i].used)
            return err_set(e, STATUS_USAGE, "-drive id=%s is used by no -device", p.drives[i].id ? p.drives[i].id : "");
    return true;
}

static void word(const char *flag, const char *value)
{
    if (value)
        printf(strpbrk(value, " ,'\"$&;") ? " %s '%s'" : " %s %s", flag, value);
}

void qemu_show_native(const struct config *c)
{
    char b[64];
    printf("elara run");
    word("", c->image);
    word("-i", c->initrd);
    word("-p", c->params);
    word("--dtb", c->dtb);
    printf(" --cpu %s -c %u -m %lluM --gic %u --el %d", c->cpu, c->cpus, (unsigned long long)(c->mem >> 20), c->gic,
           c->el3   ? 3
           : c->el2 ? 2
                    : 1);
    for (unsigned i = 0; i < c->nloads; i++) {
        snprintf(b, sizeof b, "@0x%llx", (unsigned long long)c->loads[i].addr);
        printf(" --load %s%s", c->loads[i].path, c->loads[i].has_addr ? b : "");
    }
    for (unsigned i = 0; i < c->ndisks; i++)
        printf(" -d %s%s", c->disks[i].path, c->disks[i].rw ? ",rw" : c->disks[i].read_only ? ",ro" : "");
    printf("%s -q\n", c->no_reboot ? " --no-reboot" : "");
}
