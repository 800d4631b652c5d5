/* Drives, network ends, shared folders and the devices in front of them, from QEMU's command line.
 *
 * -device is looked at last, when everything it can name is known. Virtio devices get transports from the last one
 * downward, as on QEMU's board. */
#include <stdio.h>
#include <string.h>

#include "machine/disk.h"
#include "machine/qemu_internal.h"

static bool drive_format(struct qemu_parse *p, struct qemu_drive *d, const char *v)
{
    d->format = strcmp(v, "qcow2") == 0 ? DISK_QCOW2 : DISK_RAW;
    return d->format == DISK_QCOW2 || strcmp(v, "raw") == 0 ||
           USAGE(p, "-drive format=%s: raw and qcow2 can be read", v);
}

bool qemu_opt_drive(struct qemu_parse *p, const char *val)
{
    if (p->ndrives == QEMU_DRIVES)
        return USAGE(p, "at most %d -drive", QEMU_DRIVES);
    struct qemu_drive *d = &p->drives[p->ndrives++];
    *d = (struct qemu_drive){0}; /* a pflash drive gives its place back */
    const char *s = val, *bus = "virtio";
    u64 unit = 0;
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = qemu_split(item, key, sizeof key);
        bool ok = true;
        if (strcmp(key, "file") == 0)
            d->file = v;
        else if (strcmp(key, "id") == 0)
            d->id = v;
        else if (strcmp(key, "if") == 0)
            bus = v;
        else if (strcmp(key, "readonly") == 0 || strcmp(key, "read-only") == 0)
            ok = qemu_on_off(p, key, v, &d->read_only);
        else if (strcmp(key, "snapshot") == 0)
            ok = qemu_on_off(p, key, v, &d->snapshot);
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

/* ---- -device -------------------------------------------------------------------------------- */

static struct config_load *new_load(struct qemu_parse *p)
{
    if (p->c->nloads == CONFIG_LOADS) {
        USAGE(p, "at most %d -device loader and guest-loader", CONFIG_LOADS);
        return NULL;
    }
    struct config_load *l = &p->c->loads[p->c->nloads++];
    *l = (struct config_load){0};
    return l;
}

static bool device_loader(struct qemu_parse *p, const char *s)
{
    struct config_load *l = new_load(p);
    if (!l)
        return false;
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = qemu_split(item, key, sizeof key);
        if (strcmp(key, "file") == 0)
            l->path = v;
        else if (strcmp(key, "addr") == 0) {
            if (!err_parse_size(v, &l->addr))
                return USAGE(p, "-device loader: addr=%s is no address", v);
            l->has_addr = true;
        } else if (strcmp(key, "force-raw") == 0) {
            if (!qemu_on_off(p, key, v, &l->raw))
                return false;
        } else {
            return USAGE(p, "-device loader: property \"%s\" is not supported yet", key);
        }
    }
    return l->path || USAGE(p, "-device loader: no file=");
}

static bool device_guest_loader(struct qemu_parse *p, const char *s)
{
    struct config_load *l = new_load(p);
    if (!l)
        return false;
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = qemu_split(item, key, sizeof key);
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
static bool card_property(struct qemu_parse *p, struct config_card *k, const char *name, const char *key, const char *v)
{
    u64 n;
    bool on;
    if (strcmp(key, "id") == 0)
        return (k->id = v) != NULL;
    if (strcmp(key, "bus") == 0) {
        k->bus = k->pci ? v : NULL;
        return true;
    }
    if (k->pci && strcmp(key, "multifunction") == 0) /* a matter of where the others are */
        return qemu_on_off(p, key, v, &on);
    if (config_is_port(k) && (strcmp(key, "chassis") == 0 || strcmp(key, "port") == 0 || strcmp(key, "slot") == 0)) {
        if (!err_parse_size(v, &n) || n > 255)
            return USAGE(p, "-device %s: %s=%s is no number up to 255", name, key, v);
        k->physical = key[0] == 's' ? (unsigned)n : k->physical;
        return true;
    }
    if (k->type == CARD_GPU && (strcmp(key, "xres") == 0 || strcmp(key, "yres") == 0)) {
        if (!err_parse_size(v, &n) || n < 64 || n > 4095)
            return USAGE(p, "-device %s: %s=%s: 64 to 4095 pixels", name, key, v);
        *(key[0] == 'x' ? &p->c->gpu_width : &p->c->gpu_height) = (unsigned)n;
        return true;
    }
    if (k->type == CARD_BALLOON && (strcmp(key, "deflate-on-oom") == 0 || strcmp(key, "free-page-reporting") == 0))
        return qemu_on_off(p, key, v, &on) && (on || USAGE(p, "-device %s: %s=off is not supported", name, key));
    if (strcmp(key, "serial") == 0 && (k->type == CARD_DISK || k->type == CARD_NVME))
        return (k->serial = v) != NULL;
    if (strcmp(key, "mount_tag") == 0 && k->type == CARD_9P)
        return (p->mount_tag = v) != NULL;
    if (strcmp(key, "iommu_platform") == 0 && k->type == CARD_BALLOON)
        return USAGE(p, "-device %s: a balloon's addresses are physical, whatever iommu_platform says", name);
    if (strcmp(key, "iommu_platform") == 0)
        return qemu_on_off(p, key, v, &k->platform);
    if (k->pci && strcmp(key, "disable-legacy") == 0)
        return qemu_on_off(p, key, v, &k->modern);
    if (k->pci && strcmp(key, "ats") == 0)
        return qemu_on_off(p, key, v, &k->ats);
    if (k->pci && strcmp(key, "romfile") == 0 && (!*v || strcmp(v, "on") == 0))
        return true; /* there are no option ROMs */
    if (!k->pci || strcmp(key, "addr") != 0)
        return USAGE(p, "-device %s: property \"%s\" is not supported yet", name, key);
    return config_place(k, v, 16) || USAGE(p, "-device %s: addr=%s is no device number", name, v);
}

/* Makes the drive a disk of the configuration. */
static bool take_drive(struct qemu_parse *p, unsigned *index, const char *name, const char *id)
{
    struct config *c = p->c;
    for (unsigned i = 0; i < p->ndrives; i++) {
        struct qemu_drive *d = &p->drives[i];
        if (!d->id || strcmp(d->id, id) != 0)
            continue;
        if (c->ndisks == CONFIG_DISKS)
            return USAGE(p, "at most %d disks", CONFIG_DISKS);
        *index = c->ndisks;
        c->disks[c->ndisks++] = (struct config_disk){
            .path = d->file, .rw = !d->read_only && !d->snapshot, .read_only = d->read_only, .format = d->format};
        return d->used = true;
    }
    return USAGE(p, "-device %s: there is no -drive with id=%s", name, id);
}

static bool bind_drive(struct qemu_parse *p, struct config_card *k, const char *name, const char *id)
{
    return take_drive(p, &k->index, name, id);
}

/* The host by its bus, "ID.0"; "scsiN.0" is what QEMU calls the N-th one without id. */
static bool find_host(struct qemu_parse *p, const char *bus, unsigned *host)
{
    char name[40];
    for (unsigned i = 0; i < p->c->ncards; i++) {
        const struct config_card *k = &p->c->cards[i];
        if (k->id)
            snprintf(name, sizeof name, "%s.0", k->id);
        else
            snprintf(name, sizeof name, "scsi%u.0", k->index);
        if (k->type == CARD_SCSI && strcmp(name, bus) == 0) {
            *host = k->index;
            return true;
        }
    }
    return USAGE(p, "-device scsi-hd: there is no SCSI bus %s", bus);
}

/* A disk on a SCSI host: drive=, bus=, channel=, scsi-id=, lun=, serial=. */
static bool device_scsi_hd(struct qemu_parse *p, const char *s)
{
    struct config_lun l = {0};
    u64 target = ~0ull, lun = ~0ull;
    bool bound = false;
    if (!p->c->nhosts)
        return USAGE(p, "-device scsi-hd: give -device virtio-scsi-pci (or -device) before it");
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = qemu_split(item, key, sizeof key);
        u64 zero = 0;
        bool ok = true;
        if (strcmp(key, "drive") == 0)
            ok = bound = take_drive(p, &l.disk, "scsi-hd", v);
        else if (strcmp(key, "bus") == 0)
            ok = find_host(p, v, &l.host);
        else if (strcmp(key, "serial") == 0)
            l.serial = v;
        else if (strcmp(key, "scsi-id") == 0 || strcmp(key, "lun") == 0 || strcmp(key, "channel") == 0)
            ok = (err_parse_size(v, key[0] == 's'   ? &target
                                    : key[0] == 'l' ? &lun
                                                    : &zero) &&
                  !zero) ||
                 USAGE(p, "-device scsi-hd: %s=%s is not there", key, v);
        else if (strcmp(key, "id") != 0)
            ok = USAGE(p, "-device scsi-hd: property \"%s\" is not supported yet", key);
        if (!ok)
            return false;
    }
    if (!bound)
        return USAGE(p, "-device scsi-hd: needs drive=ID");
    return config_lun(p->c, &l, target == ~0ull ? -1 : (int)(target & 0xffff), lun == ~0ull ? -1 : (int)(lun & 0xffff),
                      p->e);
}

static bool bind_net(struct qemu_parse *p, struct config_card *k, const char *name, const char *id)
{
    for (unsigned i = 0; i < p->c->nnics; i++)
        if (p->net_ids[i] && strcmp(p->net_ids[i], id) == 0) {
            k->index = i;
            return true;
        }
    return USAGE(p, "-device %s: there is no -netdev with id=%s", name, id);
}

static bool bind_fsdev(struct qemu_parse *p, struct config_card *k, const char *name, const char *id)
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
    bool (*bind)(struct qemu_parse *, struct config_card *, const char *name, const char *id);
} cards[] = {
    {"virtio-blk-device", "drive", CARD_DISK, false, bind_drive},
    {"virtio-blk-pci", "drive", CARD_DISK, true, bind_drive},
    {"virtio-net-device", "netdev", CARD_NIC, false, bind_net},
    {"virtio-net-pci", "netdev", CARD_NIC, true, bind_net},
    {"virtio-rng-device", NULL, CARD_RNG, false, NULL},
    {"virtio-rng-pci", NULL, CARD_RNG, true, NULL},
    {"e1000e", "netdev", CARD_E1000E, true, bind_net},
    {"nvme", "drive", CARD_NVME, true, bind_drive},
    {"pcie-root-port", NULL, CARD_ROOT_PORT, true, NULL},
    {"x3130-upstream", NULL, CARD_UPSTREAM, true, NULL},
    {"xio3130-downstream", NULL, CARD_DOWNSTREAM, true, NULL},
    {"pci-testdev", NULL, CARD_TESTDEV, true, NULL},
    {"virtio-serial-device", NULL, CARD_CONSOLE, false, NULL},
    {"virtio-serial-pci", NULL, CARD_CONSOLE, true, NULL},
    {"virtio-scsi-device", NULL, CARD_SCSI, false, NULL},
    {"virtio-scsi-pci", NULL, CARD_SCSI, true, NULL},
    {"virtio-balloon-device", NULL, CARD_BALLOON, false, NULL},
    {"virtio-balloon-pci", NULL, CARD_BALLOON, true, NULL},
    {"virtio-keyboard-device", NULL, CARD_KEYBOARD, false, NULL},
    {"virtio-keyboard-pci", NULL, CARD_KEYBOARD, true, NULL},
    {"virtio-mouse-device", NULL, CARD_MOUSE, false, NULL},
    {"virtio-mouse-pci", NULL, CARD_MOUSE, true, NULL},
    {"virtio-tablet-device", NULL, CARD_TABLET, false, NULL},
    {"virtio-tablet-pci", NULL, CARD_TABLET, true, NULL},
    {"virtio-gpu-device", NULL, CARD_GPU, false, NULL},
    {"virtio-gpu-pci", NULL, CARD_GPU, true, NULL},
    {"virtio-9p-device", "fsdev", CARD_9P, false, bind_fsdev},
    {"virtio-9p-pci", "fsdev", CARD_9P, true, bind_fsdev},
};

static bool device_card(struct qemu_parse *p, unsigned n, const char *s)
{
    const char *name = cards[n].name;
    u8 type = cards[n].type;
    bool single = type == CARD_CONSOLE || type == CARD_GPU || type == CARD_BALLOON;
    for (unsigned i = 0; single && i < p->c->ncards; i++)
        if (p->c->cards[i].type == type)
            return USAGE(p, "-device %s: a second %s device is not supported", name,
                         type == CARD_CONSOLE ? "virtio-serial"
                         : type == CARD_GPU   ? "GPU"
                                              : "balloon");
    unsigned index = type == CARD_SCSI ? p->c->nhosts++ : cards[n].backend ? 0 : p->c->ncards;
    struct config_card *k = config_card(p->c, type, index);
    if (!k || (!cards[n].pci && !p->next_slot))
        return USAGE(p, "too many virtio devices");
    bool bound = !cards[n].backend;
    if (cards[n].pci)
        config_onto_pci(k, cards[n].type);
    p->mount_tag = NULL;
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = qemu_split(item, key, sizeof key);
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

/* A property of the kind of network that has it; *known: it has. */
static bool netdev_property(struct qemu_parse *p, struct config_nic *n, const char *kind, const char *key,
                            const char *v, bool *known)
{
    bool user = strcmp(kind, "user") == 0, tap = strcmp(kind, "tap") == 0, socket = strcmp(kind, "socket") == 0;
    *known = true;
    if (user && strcmp(key, "hostfwd") == 0 && n->nforwards < CONFIG_FORWARDS)
        n->forwards[n->nforwards++] = v;
    else if (user && strcmp(key, "restrict") == 0)
        return qemu_on_off(p, key, v, &n->restricted);
    else if (tap && strcmp(key, "ifname") == 0)
        n->tap = v;
    else if (socket && (strcmp(key, "listen") == 0 || strcmp(key, "connect") == 0)) {
        n->stream = v;
        n->listen = key[0] == 'l';
    } else {
        *known = tap && (strcmp(key, "script") == 0 || strcmp(key, "downscript") == 0) && strcmp(v, "no") == 0;
    }
    return true;
}

bool qemu_opt_netdev(struct qemu_parse *p, const char *val)
{
    struct config *c = p->c;
    if (c->nnics == CONFIG_NICS)
        return USAGE(p, "at most %d -netdev", CONFIG_NICS);
    const char *s = val, *kind = options_item(c, &s);
    if (!kind || (strcmp(kind, "user") != 0 && strcmp(kind, "tap") != 0 && strcmp(kind, "socket") != 0))
        return USAGE(p, "-netdev %s is not supported yet; user, tap and socket are", kind ? kind : "");
    struct config_nic *n = &c->nics[c->nnics];
    *n = (struct config_nic){.user = kind[0] == 'u'};
    for (const char *item; (item = options_item(c, &s));) {
        char key[40];
        const char *v = qemu_split(item, key, sizeof key);
        bool known = strcmp(key, "id") == 0;
        if (known)
            p->net_ids[c->nnics] = v;
        else if (!netdev_property(p, n, kind, key, v, &known))
            return false;
        if (!known)
            return USAGE(p, "-netdev %s: property \"%s\" is not supported yet", kind, key);
    }
    if (!n->user && !n->tap && !n->stream)
        return USAGE(p, "-netdev %s needs %s", kind,
                     kind[0] == 't' ? "ifname=NAME" : "listen=ADDRESS or connect=ADDRESS");
    c->nnics++;
    return true;
}

bool qemu_opt_fsdev(struct qemu_parse *p, const char *val)
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
        const char *v = qemu_split(item, key, sizeof key);
        if (strcmp(key, "id") == 0)
            p->fs_ids[c->nshares] = v;
        else if (strcmp(key, "path") == 0)
            d->path = v;
        else if (strcmp(key, "readonly") == 0) {
            if (!qemu_on_off(p, key, v, &d->read_only))
                return false;
        } else if (strcmp(key, "security_model") != 0 || strncmp(v, "mapped", 6) == 0) {
            return USAGE(p, "-fsdev local: %s=%s is not supported (security_model=none and passthrough are)", key, v);
        }
    }
    c->nshares++;
    return d->path || USAGE(p, "-fsdev local: no path=");
}

bool qemu_device(struct qemu_parse *p, const char *val)
{
    const char *s = val, *name = options_item(p->c, &s);
    if (!name)
        return USAGE(p, "-device needs a device");
    if (strcmp(name, "loader") == 0)
        return device_loader(p, s);
    if (strcmp(name, "guest-loader") == 0)
        return device_guest_loader(p, s);
    if (strcmp(name, "ramfb") == 0)
        return p->c->ramfb = true;
    for (unsigned i = 0; i < ARRAY_LEN(cards); i++)
        if (strcmp(name, cards[i].name) == 0)
            return device_card(p, i, s);
    if (strcmp(name, "virtconsole") == 0)
        return qemu_device_virtconsole(p, s);
    if (strcmp(name, "scsi-hd") == 0)
        return device_scsi_hd(p, s);
    const char *names[ARRAY_LEN(cards) + 5] = {"loader", "guest-loader", "ramfb", "virtconsole", "scsi-hd"};
    for (unsigned i = 0; i < ARRAY_LEN(cards); i++)
        names[i + 5] = cards[i].name;
    USAGE(p, "-device %s is not supported", name);
    return qemu_near_misses(p, "", name, names, ARRAY_LEN(names));
}
