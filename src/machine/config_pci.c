/* Where PCI functions are: places on a bus, and the tree of ports. */
#include <stdlib.h>
#include <string.h>

#include "machine/config.h"

const struct config_device_type config_device_types[CONFIG_DEVICE_TYPES] = {
    {"root-port", CARD_ROOT_PORT, "PCI Express root port: devices go behind it with bus=ITS-ID"},
    {"upstream-port", CARD_UPSTREAM, "the side of a switch that faces the host; bus= a root or downstream port"},
    {"downstream-port", CARD_DOWNSTREAM, "one of a switch's other sides; bus= its upstream port"},
    {"pci-testdev", CARD_TESTDEV, "counts writes, for conformance suites"},
    {"rng", CARD_RNG, "virtio random numbers"},
    {"gpu", CARD_GPU, "virtio GPU (2D) with a screen; --gpu=WxH chooses its size"},
    {"keyboard", CARD_KEYBOARD, "virtio keyboard"},
    {"mouse", CARD_MOUSE, "virtio mouse"},
    {"tablet", CARD_TABLET, "virtio tablet"},
    {"balloon", CARD_BALLOON, "virtio balloon; --balloon=SIZE says what the guest keeps"},
};

void config_onto_pci(struct config_card *k, enum card_type type)
{
    k->type = (u8)type;
    k->pci = true;
    k->placed = false;
    k->slot = 0;
}

void config_with_ats(struct config_card *k)
{
    if (!k->pci)
        config_onto_pci(k, k->type);
    k->ats = k->platform = k->modern = true;
}

bool config_place(struct config_card *k, const char *s, int base)
{
    char *end;
    unsigned long slot = strtoul(s, &end, base), function = 0;
    bool ok = end != s && *s != '-' && *s != '+' && *s != ' ';
    if (*end == '.') {
        s = end + 1;
        function = strtoul(s, &end, 10);
        ok &= end == s + 1;
    }
    if (!ok || *end || slot > 31 || function > 7)
        return false;
    k->slot = (unsigned)slot;
    k->function = (unsigned)function;
    k->placed = true;
    return true;
}

bool config_is_port(const struct config_card *k)
{
    return k->type == CARD_ROOT_PORT || k->type == CARD_UPSTREAM || k->type == CARD_DOWNSTREAM;
}

bool config_ats(const struct config *c)
{
    for (unsigned i = 0; i < c->ncards; i++)
        if (c->cards[i].ats && c->smmu_oas)
            return true;
    return false;
}

/* What a virtio device without VIRTIO_F_ACCESS_PLATFORM does is never translated. */
static bool check_ats(const struct config_card *k, struct err *e)
{
    if (!k->ats || k->type == CARD_NVME)
        return true;
    if (k->type == CARD_E1000E || k->type == CARD_TESTDEV || k->type == CARD_BALLOON || config_is_port(k))
        return err_set(e, STATUS_USAGE, "ats: NVMe and virtio devices alone can have a translation cache");
    return k->platform || err_set(e, STATUS_USAGE, "ats=on of a virtio device needs iommu_platform=on");
}

static bool find_bus(struct config *c, unsigned i, struct err *e)
{
    struct config_card *k = &c->cards[i];
    k->behind = 0;
    if (!k->bus || strcmp(k->bus, "pcie") == 0 || strcmp(k->bus, "pcie.0") == 0)
        return true;
    for (unsigned j = 0; j < c->ncards; j++) {
        const struct config_card *p = &c->cards[j];
        if (!p->id || strcmp(p->id, k->bus) != 0)
            continue;
        if (!config_is_port(p))
            return err_set(e, STATUS_USAGE, "bus=%s: that is no port", k->bus);
        if (j >= i)
            return err_set(e, STATUS_USAGE, "bus=%s: the port has to come before what is behind it", k->bus);
        k->behind = j + 1;
        return true;
    }
    err_set(e, STATUS_USAGE, "bus=%s: there is no port with this id; there are pcie (the root bus)", k->bus);
    for (unsigned j = 0; j < c->ncards; j++)
        if (c->cards[j].id && config_is_port(&c->cards[j]))
            err_more(e, " %s", c->cards[j].id);
    return false;
}

/* Where each kind of function can be. */
static bool check_place(const struct config *c, const struct config_card *k, struct err *e)
{
    const struct config_card *p = k->behind ? &c->cards[k->behind - 1] : NULL;
    const char *name = k->id ? k->id : "without id", *bus = p ? p->id : "pcie";
    if (k->type == CARD_ROOT_PORT && p)
        return err_set(e, STATUS_USAGE, "the root port %s is on the root bus: leave out bus=%s", name, bus);
    if (k->type == CARD_UPSTREAM && (!p || p->type == CARD_UPSTREAM))
        return err_set(e, STATUS_USAGE, "the upstream port %s has to be behind a root port or a downstream port", name);
    if (k->type == CARD_DOWNSTREAM && (!p || p->type != CARD_UPSTREAM))
        return err_set(e, STATUS_USAGE, "the downstream port %s has to be behind an upstream port", name);
    if (p && p->type == CARD_UPSTREAM && k->type != CARD_DOWNSTREAM)
        return err_set(e, STATUS_USAGE, "bus=%s: behind an upstream port there are downstream ports alone", bus);
    if (p && p->type != CARD_UPSTREAM && k->placed && k->slot)
        return err_set(e, STATUS_USAGE, "bus=%s: behind this port there is device 0 alone, not %u", bus, k->slot);
    if (!p && k->placed && !k->slot)
        return err_set(e, STATUS_USAGE, "device 0 of the root bus is the host bridge; give 1 to 31");
    return true;
}

bool config_find_buses(struct config *c, struct err *e)
{
    for (unsigned i = 0; i < c->ncards; i++) {
        struct config_card *k = &c->cards[i];
        for (unsigned j = 0; j < i && k->id; j++)
            if (c->cards[j].id && strcmp(c->cards[j].id, k->id) == 0)
                return err_set(e, STATUS_USAGE, "two devices have the id %s", k->id);
        if (k->pci && (!find_bus(c, i, e) || !check_place(c, k, e) || !check_ats(k, e)))
            return false;
    }
    return true;
}
