/* A function for tests, whose registers make it do what functions do: send messages, drive its pin, master the bus.
 *
 *   BAR 0  memory, 4 KiB: 0 send MSI   4 send MSI-X   8 level of the pin   0xc read 4 bytes at the address   0x10
 * address (64)   0x18 write 4 bytes there   0x1c result of the last (enum bus_result)   0x20 what was read or is
 * written 0x800 MSI-X table   0xc00 pending bits        BAR 1  I/O, 16 bytes   BAR 2  64-bit memory, 64 KiB: see 0x20
 */
#pragma once
#include <stdlib.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/snap.h"
#include "devices/le.h"
#include "devices/pci.h"

enum { CARD_MSI, CARD_MSIX = 4, CARD_PIN = 8, CARD_READ = 0xc, CARD_ADDRESS = 0x10, CARD_WRITE = 0x18 };
enum { CARD_RESULT = 0x1c, CARD_DATA = 0x20, CARD_TABLE = 0x800, CARD_PBA = 0xc00, CARD_VECTORS = 4, CARD_MSIS = 8 };

struct card {
    struct pci_fn fn;
    u64 address;
    u32 data, result;
};

static inline u64 card_read(struct pci_fn *f, const struct txn *t, unsigned bar, u64 off, unsigned size)
{
    struct card *c = (struct card *)f;
    (void)t, (void)bar;
    return off == CARD_RESULT ? c->result : off == CARD_ADDRESS ? c->address & ones(8 * size) : c->data;
}

static inline void card_write(struct pci_fn *f, const struct txn *t, unsigned bar, u64 off, unsigned size, u64 val)
{
    struct card *c = (struct card *)f;
    u8 b[4];
    (void)t, (void)size;
    if (bar != 0) {
        c->data = (u32)val;
        return;
    }
    put_le32(b, c->data);
    switch (off) {
    case CARD_MSI: pci_msi_send(f, (unsigned)val & 31); break;
    case CARD_MSIX: pci_msix_send(f, (unsigned)val & 0xffff); break;
    case CARD_PIN: pci_set_intx(f, val & 1); break;
    case CARD_ADDRESS: c->address = val; break;
    case CARD_READ:
        c->result = (u32)dma_read(&f->dma, c->address, b, sizeof b);
        c->data = get_le32(b);
        break;
    case CARD_WRITE: c->result = (u32)dma_write(&f->dma, c->address, b, sizeof b); break;
    case CARD_DATA: c->data = (u32)val; break;
    }
}

static inline void card_reset(struct pci_fn *f)
{
    struct card *c = (struct card *)f;
    c->address = 0;
    c->data = c->result = 0;
}

static inline void card_state(struct pci_fn *f, struct snap *s)
{
    struct card *c = (struct card *)f;
    SNAP(s, c, address);
    SNAP(s, c, data);
    SNAP(s, c, result);
}

static inline void card_destroy(struct pci_fn *f) { free(f); }

static const struct pci_ops card_ops = {.name = "card",
                                        .bar_read = card_read,
                                        .bar_write = card_write,
                                        .reset = card_reset,
                                        .state = card_state,
                                        .destroy = card_destroy};

static inline struct pci_fn *card_new(const char *id, struct log *log)
{
    static const struct pci_ids ids = {.vendor = 0x1234, .device = 0x5678, .class_code = 0xff0000};
    struct card *c = calloc(1, sizeof *c);
    CHECK(c);
    pci_init(&c->fn, &card_ops, id, log, &ids, true);
    pci_add_bar(&c->fn, 0, PCI_BAR_MEM32, 0x1000);
    pci_add_bar(&c->fn, 1, PCI_BAR_IO, 16);
    pci_add_bar(&c->fn, 2, PCI_BAR_MEM64, 0x10000);
    pci_add_msi(&c->fn, CARD_MSIS, true);
    pci_add_msix(&c->fn, 0, CARD_TABLE, CARD_PBA, CARD_VECTORS);
    pci_add_express(&c->fn, PCI_ENDPOINT, true);
    return &c->fn;
}
