/* Between the parts of the PCI model: pci.c (functions), pci_msix.c, pci_host.c. */
#pragma once
#include "devices/pci.h"

/* Within the first 256 bytes; beyond reads 0. */
u32 pci_config_read(struct pci_fn *f, const struct txn *t, unsigned off, unsigned size);
void pci_config_write(struct pci_fn *f, unsigned off, unsigned size, u32 val);
/* Does the BAR decode this PCI address? *off is then the offset in it. */
bool pci_bar_claims(const struct pci_fn *f, unsigned bar, bool io, u64 addr, u64 *off);
void pci_fn_reset(struct pci_fn *f);
void pci_fn_state(struct pci_fn *f, struct snap *s);
void pci_fn_destroy(struct pci_fn *f);

void pci_msix_config_wrote(struct pci_fn *f);
void pci_msix_reset(struct pci_fn *f);
void pci_msix_state(struct pci_fn *f, struct snap *s);
void pci_msix_free(struct pci_fn *f);
