/* Between the parts of the PCI model: pci.c (functions), pci_msi.c, pci_msix.c, pci_express.c (Express, ACS, resets of a
 * function), pci_ats.c (translation caches), pci_bridge.c (ports), pci_host.c (the tree and the way through it). */
#pragma once
#include "devices/le.h"
#include "devices/pci.h"

enum { PCI_SECONDARY = 0x19, PCI_SUBORDINATE = 0x1a, PCI_SECONDARY_STATUS = 0x1e };

/* Beyond what is there reads 0. */
u32 pci_config_read(struct pci_fn *f, const struct txn *t, unsigned off, unsigned size);
void pci_config_write(struct pci_fn *f, unsigned off, unsigned size, u32 val);
static inline u16 pci_get16(const struct pci_fn *f, unsigned off) { return get_le16(f->config + off); }
/* Sets bits of a 16-bit register, as the hardware does. */
static inline void pci_set16(struct pci_fn *f, unsigned off, u16 bits)
{
    put_le16(f->config + off, (u16)(pci_get16(f, off) | bits));
}
/* Does the BAR decode this PCI address? *off is then the offset in it. */
bool pci_bar_claims(const struct pci_fn *f, unsigned bar, bool io, u64 addr, u64 *off);
/* A configuration request of type 0 tells a function the number of its bus: its requester ID. */
void pci_capture(struct pci_fn *f, unsigned number);
void pci_fn_reset(struct pci_fn *f);
void pci_fn_state(struct pci_fn *f, struct snap *s);
void pci_fn_destroy(struct pci_fn *f);
/* Pins and the windows' memories after anything in configuration changed. */
void pci_host_changed(struct pci_host *h);
/* A request that came through the port (NULL: the host bridge) and that nothing behind it takes. */
void pci_unsupported(struct pci_host *h, struct pci_fn *port);

/* pci_express.c: true: the write began a function-level reset. */
bool pci_express_wrote(struct pci_fn *f, unsigned off, unsigned size, u32 val);
/* Where it was plugged decides about the type of an endpoint, and about links. */
void pci_express_plugged(struct pci_fn *f);
void pci_express_link(struct pci_fn *f, bool up);
bool pci_express_link_disabled(const struct pci_fn *f);
enum { PCI_ACS_SV = 1, PCI_ACS_RR = 4, PCI_ACS_CR = 8, PCI_ACS_UF = 16 };
u16 pci_acs_control(const struct pci_fn *f);

/* pci_ats.c: after a write to configuration; where an access goes translated, false: it goes as it is. */
void pci_ats_changed(struct pci_fn *f);
bool pci_ats_lookup(struct pci_fn *f, u64 addr, bool write, u64 *to);
void pci_ats_state(struct pci_fn *f, struct snap *s);
void pci_ats_free(struct pci_fn *f);

/* A message leaves as a write of four bytes, never translated. */
enum bus_result pci_message(struct pci_fn *f, u64 addr, u32 data);

/* pci_bridge.c */
bool pci_bridge_claims(const struct pci_fn *b, bool io, u64 addr);
/* Held in reset, or the link is off: nothing passes. */
bool pci_bridge_closed(const struct pci_fn *b);
void pci_bridge_wrote(struct pci_fn *b);
/* Does the port pass this request of a function behind it up? *redirected: a port below it has decided that it goes all
 * the way. */
bool pci_bridge_passes(const struct pci_fn *b, const struct pci_fn *from, u64 addr, bool *redirected);

void pci_msi_config_wrote(struct pci_fn *f);
void pci_msix_config_wrote(struct pci_fn *f);
void pci_msix_reset(struct pci_fn *f);
void pci_msix_state(struct pci_fn *f, struct snap *s);
void pci_msix_free(struct pci_fn *f);
