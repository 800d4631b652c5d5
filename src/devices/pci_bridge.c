/* Ports: root ports, and the upstream and downstream ports of a switch, as PCI-to-PCI bridges (PCI-to-PCI Bridge
 * Architecture 1.2; PCI Express Base 4.0, 7.5.1.3).
 *
 * A port passes down the configuration requests of the bus numbers, and the accesses of the memory, prefetchable and
 * I/O windows that the guest programmed; up it passes what the functions behind it send while it may master.  A
 * secondary bus reset, or a link that is switched off, resets everything behind it and lets nothing pass.
 *
 * A request on its way up that is for a window of the same port, or of a neighbour in a switch, is not turned round: it
 * is refused, unless ACS redirects it to the host.
 *
 * Not modelled: ISA and VGA decoding, hot plug, errors that are passed on. */
#include <stdlib.h>

#include "core/bits.h"
#include "core/check.h"
#include "devices/pci_internal.h"

enum { IO_BASE = 0x1c, IO_LIMIT = 0x1d, MEM_BASE = 0x20, MEM_LIMIT = 0x22, PREF_BASE = 0x24, PREF_LIMIT = 0x26 };
enum { PREF_BASE_HIGH = 0x28, PREF_LIMIT_HIGH = 0x2c, CONTROL = 0x3e };
enum { CONTROL_SERR = 1 << 1, CONTROL_PARITY = 1, CONTROL_RESET = 1 << 6, SLOTCAP = 0x14, LINKCAP_PORT = 0xf };

struct bridge {
    struct pci_fn fn;
    struct pci_bus behind;
    bool closed; /* as of the last write: what is behind was reset when it closed */
};

static struct bridge *self(struct pci_fn *f) { return container_of(f, struct bridge, fn); }

/* ---- windows -------------------------------------------------------------------------------- */

static bool inside(u64 addr, u64 base, u64 limit) { return addr >= base && addr <= limit; }

static bool memory_window(const struct pci_fn *b, u64 addr)
{
    u64 base = (u64)(pci_get16(b, MEM_BASE) & 0xfff0u) << 16, limit = (u64)pci_get16(b, MEM_LIMIT) << 16 | 0xfffff;
    if (inside(addr, base, limit))
        return true;
    base = (u64)get_le32(b->config + PREF_BASE_HIGH) << 32 | (u64)(pci_get16(b, PREF_BASE) & 0xfff0u) << 16;
    limit = (u64)get_le32(b->config + PREF_LIMIT_HIGH) << 32 | (u64)pci_get16(b, PREF_LIMIT) << 16 | 0xfffff;
    return inside(addr, base, limit);
}

bool pci_bridge_claims(const struct pci_fn *b, bool io, u64 addr)
{
    if (!(pci_get16(b, PCI_COMMAND) & (io ? PCI_CMD_IO : PCI_CMD_MEM)))
        return false;
    if (!io)
        return memory_window(b, addr);
    return inside(addr, (b->config[IO_BASE] & 0xf0u) << 8, (u64)b->config[IO_LIMIT] << 8 | 0xfff);
}

/* ---- what passes ---------------------------------------------------------------------------- */

bool pci_bridge_closed(const struct pci_fn *b)
{
    return b->config[CONTROL] & CONTROL_RESET || pci_express_link_disabled(b);
}

bool pci_bridge_passes(const struct pci_fn *b, const struct pci_fn *from, u64 addr, bool *redirected)
{
    u16 acs = pci_acs_control(b);
    if (!(pci_get16(b, PCI_COMMAND) & PCI_CMD_MASTER) || pci_bridge_closed(b))
        return false;
    if (acs & PCI_ACS_SV && (from->number < b->config[PCI_SECONDARY] || from->number > b->config[PCI_SUBORDINATE]))
        return false;
    *redirected |= (acs & PCI_ACS_RR) != 0;
    return *redirected || !pci_bridge_claims(b, false, addr);
}

static void reset_behind(const struct pci_bus *bus)
{
    for (struct pci_fn *f = bus->first; f; f = f->next)
        pci_fn_reset(f); /* a port's reset goes on from there */
}

void pci_bridge_wrote(struct pci_fn *b)
{
    struct bridge *p = self(b);
    bool closed = pci_bridge_closed(b);
    if (closed && !p->closed)
        reset_behind(&p->behind);
    p->closed = closed;
    pci_express_link(b, p->behind.first && !closed);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void reset(struct pci_fn *f)
{
    struct bridge *p = self(f);
    p->closed = false;
    reset_behind(&p->behind);
    pci_express_link(f, p->behind.first != NULL);
}

static void state(struct pci_fn *f, struct snap *s)
{
    (void)s; /* all of it is in the configuration */
    self(f)->closed = pci_bridge_closed(f);
}

static void destroy(struct pci_fn *f) { free(self(f)); }

static const struct pci_ops ops = {.name = "pci-bridge", .reset = reset, .state = state, .destroy = destroy};

static void header(struct pci_fn *f)
{
    f->initial[PCI_HEADER_TYPE] = 1;
    put_le16(f->wmask + PCI_COMMAND, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER | PCI_CMD_INTX_OFF);
    for (unsigned i = 0x18; i <= PCI_SUBORDINATE; i++) /* primary, secondary, subordinate bus */
        f->wmask[i] = 0xff;
    f->wmask[IO_BASE] = f->wmask[IO_LIMIT] = 0xf0;
    put_le16(f->w1c + PCI_SECONDARY_STATUS, PCI_STA_CLEARED);
    for (unsigned i = MEM_BASE; i < PREF_BASE_HIGH; i += 2)
        put_le16(f->wmask + i, 0xfff0);
    f->initial[PREF_BASE] = f->initial[PREF_LIMIT] = 1; /* 64 bits */
    put_le64(f->wmask + PREF_BASE_HIGH, ~0ull);
    put_le16(f->wmask + CONTROL, CONTROL_PARITY | CONTROL_SERR | CONTROL_RESET);
}

struct pci_fn *pci_bridge_new(const struct pci_bridge_config *cfg)
{
    struct pci_ids ids = {.vendor = 0x1b36, .device = 0x000c, .class_code = 0x060400};
    if (cfg->type != PCI_ROOT_PORT)
        ids = (struct pci_ids){.vendor = 0x104c,
                               .device = cfg->type == PCI_UPSTREAM ? 0x8232 : 0x8233,
                               .class_code = 0x060400,
                               .revision = 2};
    struct bridge *p = calloc(1, sizeof *p);
    CHECK(p);
    struct pci_fn *f = &p->fn;
    p->behind.owner = f;
    pci_init(f, &ops, cfg->id, cfg->log, &ids, true);
    header(f);
    f->behind = &p->behind;
    pci_add_msi(f, 1, true);
    pci_add_express(f, cfg->type, false);
    f->initial[f->express.cap + LINKCAP_PORT] = cfg->port;
    if (cfg->type != PCI_UPSTREAM) {
        put_le32(f->initial + f->express.cap + SLOTCAP, (u32)cfg->slot << 19);
        pci_add_acs(f);
    }
    pci_fn_reset(f);
    return f;
}
