/* The PCI Express capability (PCI Express Base 4.0, 7.5.3), function-level reset (6.6.2) and Access Control Services
 * (7.7.8).
 *
 * Links are up while something is behind them, with one lane at 2.5 GT/s; nothing is trained. Of the status bits, those
 * of unsupported requests are set.
 *
 * Not modelled: error messages and their reporting, hot plug, power management events, slot power. */
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "devices/pci_internal.h"

enum { CAP_EXPRESS = 0x10, CAP_SIZE = 0x3c, EXT_ACS = 0x0d, ACS_SIZE = 8 };
enum {
    X_FLAGS = 2,
    X_DEVCAP = 4,
    X_DEVCTL = 8,
    X_DEVSTA = 0xa,
    X_LINKCAP = 0xc,
    X_LINKCTL = 0x10,
    X_LINKSTA = 0x12,
    X_SLOTCAP = 0x14,
    X_SLOTSTA = 0x1a,
    X_ROOTCTL = 0x1c,
    X_DEVCAP2 = 0x24,
    X_DEVCTL2 = 0x28,
    X_LINKCAP2 = 0x2c,
    X_LINKCTL2 = 0x30,
};
enum { FLAGS_VERSION = 2, FLAGS_SLOT = 1 << 8, DEVCAP_RBER = 1 << 15, DEVCAP_FLR = 1 << 28 };
enum { DEVCTL_INITIAL = 0x2810, DEVCTL_WRITES = 0x78ff, DEVCTL_PAYLOAD = 0xe0, DEVCTL_FLR = 1 << 15 };
enum { DEVSTA_CORRECTABLE = 1, DEVSTA_UNSUPPORTED = 8, DEVSTA_CLEARED = 0xf };
enum { SPEED = 1, WIDTH = 1 << 4, LINKCAP_OPTIONALITY = 1 << 22, LINKCAP_REPORTS = 1 << 20, LINKSTA_CLOCK = 1 << 12 };
enum { LINKSTA_UP = 1 << 13, LINKCTL_DISABLE = 1 << 4, SLOTSTA_PRESENT = 1 << 6, CTO_DISABLE = 1 << 4 };

static bool leads_down(unsigned type) { return type == PCI_ROOT_PORT || type == PCI_DOWNSTREAM; }

static void link_registers(u8 *body, u8 *wmask, unsigned type)
{
    bool down = leads_down(type);
    put_le32(body + X_LINKCAP, SPEED | WIDTH | LINKCAP_OPTIONALITY | (down ? LINKCAP_REPORTS : 0));
    put_le16(wmask + X_LINKCTL, (u16)(0xc3 | (down ? LINKCTL_DISABLE : 0) | (type == PCI_ENDPOINT ? 8 : 0)));
    put_le16(body + X_LINKSTA, SPEED | WIDTH | LINKSTA_CLOCK);
    put_le32(body + X_LINKCAP2, 1 << SPEED);
    put_le16(body + X_LINKCTL2, SPEED);
}

void pci_add_express(struct pci_fn *f, enum pci_port type, bool flr)
{
    u8 body[CAP_SIZE] = {0}, wmask[CAP_SIZE] = {0};
    put_le16(body + X_FLAGS, (u16)(FLAGS_VERSION | type << 4 | (leads_down(type) ? FLAGS_SLOT : 0)));
    put_le32(body + X_DEVCAP, DEVCAP_RBER | (flr ? DEVCAP_FLR : 0));
    put_le16(body + X_DEVCTL, DEVCTL_INITIAL);
    put_le16(wmask + X_DEVCTL, DEVCTL_WRITES);
    put_le32(body + X_DEVCAP2, CTO_DISABLE);
    put_le16(wmask + X_DEVCTL2, CTO_DISABLE);
    wmask[X_ROOTCTL] = type == PCI_ROOT_PORT ? 0xf : 0;
    link_registers(body, wmask, type);
    f->express.cap = pci_add_cap(f, CAP_EXPRESS, body, wmask, CAP_SIZE);
    f->express.type = (u8)type;
    put_le16(f->w1c + f->express.cap + X_DEVSTA, DEVSTA_CLEARED);
}

/* What is part of the host has no link. */
void pci_express_plugged(struct pci_fn *f)
{
    unsigned at = f->express.cap;
    if (!at || f->express.type != PCI_ENDPOINT || f->bus->owner)
        return;
    f->express.type = PCI_INTEGRATED;
    put_le16(f->initial + at + X_FLAGS, FLAGS_VERSION | PCI_INTEGRATED << 4);
    memset(f->initial + at + X_LINKCAP, 0, X_SLOTCAP - X_LINKCAP);
    memset(f->wmask + at + X_LINKCAP, 0, X_SLOTCAP - X_LINKCAP);
    memset(f->initial + at + X_LINKCAP2, 0, CAP_SIZE - X_LINKCAP2);
    memcpy(f->config, f->initial, PCI_CONFIG);
}

/* Upstream ports have a link of their own, whose other end reports. */
void pci_express_link(struct pci_fn *f, bool up)
{
    unsigned at = f->express.cap;
    if (!leads_down(f->express.type))
        return;
    u16 v = (u16)(pci_get16(f, at + X_LINKSTA) & ~LINKSTA_UP);
    put_le16(f->config + at + X_LINKSTA, (u16)(v | (up ? LINKSTA_UP : 0)));
    f->config[at + X_SLOTSTA] = f->behind->first ? SLOTSTA_PRESENT : 0;
}

bool pci_express_link_disabled(const struct pci_fn *f)
{
    return leads_down(f->express.type) && pci_get16(f, f->express.cap + X_LINKCTL) & LINKCTL_DISABLE;
}

/* Everything is as after power-on, but the bus number and the size of packets stay. */
static void reset_function(struct pci_fn *f)
{
    unsigned at = f->express.cap + X_DEVCTL, number = f->number;
    u16 payload = pci_get16(f, at) & DEVCTL_PAYLOAD;
    pci_fn_reset(f);
    put_le16(f->config + at, (u16)((pci_get16(f, at) & ~DEVCTL_PAYLOAD) | payload));
    pci_capture(f, number);
}

bool pci_express_wrote(struct pci_fn *f, unsigned off, unsigned size, u32 val)
{
    unsigned at = f->express.cap + X_DEVCTL + 1; /* the byte with the bit */
    if (!f->express.cap || at < off || at >= off + size ||
        !(get_le32(f->initial + f->express.cap + X_DEVCAP) & DEVCAP_FLR))
        return false;
    if (!(val >> (8 * (at - off)) & DEVCTL_FLR >> 8))
        return false;
    reset_function(f);
    return true;
}

/* ---- what nothing takes --------------------------------------------------------------------------- */

/* The device behind the link refuses, or the port when there is none; the answer ends at the root port. */
void pci_unsupported(struct pci_host *h, struct pci_fn *port)
{
    if (!port) {
        pci_set16(&h->bridge, PCI_STATUS, PCI_STA_MASTER_ABORT);
        return;
    }
    struct pci_fn *who = pci_bridge_closed(port) || !port->behind->first ? port : port->behind->first;
    if (who->express.cap)
        pci_set16(who, who->express.cap + X_DEVSTA, DEVSTA_CORRECTABLE | DEVSTA_UNSUPPORTED);
    while (port->bus->owner)
        port = port->bus->owner;
    pci_set16(port, PCI_SECONDARY_STATUS, PCI_STA_MASTER_ABORT);
}

/* ---- Access Control Services ------------------------------------------------------------------------ */

enum { ACS_ALL = PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF, ACS_CONTROL = 6 };

void pci_add_acs(struct pci_fn *f)
{
    u8 body[ACS_SIZE] = {0}, wmask[ACS_SIZE] = {0};
    put_le16(body + 4, ACS_ALL);
    put_le16(wmask + ACS_CONTROL, ACS_ALL);
    f->acs = pci_add_ext_cap(f, EXT_ACS, 1, body, wmask, ACS_SIZE);
}

u16 pci_acs_control(const struct pci_fn *f) { return f->acs ? pci_get16(f, f->acs + ACS_CONTROL) : 0; }
