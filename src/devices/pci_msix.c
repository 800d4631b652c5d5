/* MSI-X (PCI Local Bus 3.0, 6.8.2): a table of messages and pending bits in a BAR.
 *
 *   table entry: address 64 | data 32 | control 32 (bit 0: masked)
 *   capability:  id, next | message control: enable 15, function mask 14, size - 1 | table | pending bits
 *
 * A message is a 32-bit DMA write with the function's requester ID; the interrupt controller takes that
 * as DeviceID.  A vector that is masked stays pending and is sent once when unmasked. */
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/le.h"
#include "devices/pci_internal.h"

enum { CAP_MSIX = 0x11, CAP_SIZE = 12, ENTRY = 16 };
enum { CONTROL_ENABLE = 1 << 15, CONTROL_MASK = 1 << 14 };

void pci_add_msix(struct pci_fn *f, unsigned bar, u32 table, u32 pba, unsigned count)
{
    CHECK(count >= 1 && count <= 2048 && !(table & 7) && !(pba & 7));
    u8 body[CAP_SIZE] = {0}, wmask[CAP_SIZE] = {0};
    put_le16(body + 2, (u16)(count - 1));
    put_le32(body + 4, table | bar);
    put_le32(body + 8, pba | bar);
    put_le16(wmask + 2, CONTROL_ENABLE | CONTROL_MASK);
    f->msix.cap = pci_add_cap(f, CAP_MSIX, body, wmask, CAP_SIZE);
    f->msix.count = count;
    f->msix.bar = (u8)bar;
    f->msix.table = table;
    f->msix.pba = pba;
    f->msix.entry = calloc(count, sizeof *f->msix.entry);
    f->msix.pending = calloc(1, align_up(count, 64) / 8);
    CHECK(f->msix.entry && f->msix.pending);
    pci_msix_reset(f);
}

static u16 control(const struct pci_fn *f) { return get_le16(f->config + f->msix.cap + 2); }

bool pci_msix_enabled(const struct pci_fn *f) { return f->msix.count && control(f) & CONTROL_ENABLE; }

static u64 pba_size(const struct pci_fn *f) { return align_up(f->msix.count, 64) / 8; }

bool pci_msix_inside(const struct pci_fn *f, unsigned bar, u64 off)
{
    if (!f->msix.count || bar != f->msix.bar)
        return false;
    return (off >= f->msix.table && off - f->msix.table < (u64)f->msix.count * ENTRY) ||
           (off >= f->msix.pba && off - f->msix.pba < pba_size(f));
}

static void send(struct pci_fn *f, unsigned i)
{
    const struct pci_msix_entry *e = &f->msix.entry[i];
    u64 addr = (u64)e->addr_hi << 32 | (e->addr_lo & ~3u);
    if (pci_message(f, addr, e->data) != BUS_OK)
        log_guest(f->log, "%s: message %u to 0x%llx reaches nothing", f->id, i, (unsigned long long)addr);
}

static bool masked(const struct pci_fn *f, unsigned i)
{
    return control(f) & CONTROL_MASK || f->msix.entry[i].control & 1;
}

/* Sends what waits and is no longer masked. */
static void release(struct pci_fn *f)
{
    if (!pci_msix_enabled(f))
        return;
    for (unsigned i = 0; i < f->msix.count; i++) {
        u8 b = (u8)(1u << i % 8);
        if (f->msix.pending[i / 8] & b && !masked(f, i)) {
            f->msix.pending[i / 8] &= (u8)~b;
            send(f, i);
        }
    }
}

void pci_msix_send(struct pci_fn *f, unsigned vector)
{
    if (vector >= f->msix.count || !pci_msix_enabled(f))
        return;
    if (masked(f, vector))
        f->msix.pending[vector / 8] |= (u8)(1u << vector % 8);
    else
        send(f, vector);
}

void pci_msix_config_wrote(struct pci_fn *f)
{
    if (f->msix.count)
        release(f);
}

static u32 *word(struct pci_fn *f, u64 off)
{
    struct pci_msix_entry *e = &f->msix.entry[off / ENTRY];
    u32 *const w[4] = {&e->addr_lo, &e->addr_hi, &e->data, &e->control};
    return w[off % ENTRY / 4];
}

u64 pci_msix_read(struct pci_fn *f, u64 off, unsigned size)
{
    u64 in = off - f->msix.table, table = (u64)f->msix.count * ENTRY;
    if (off < f->msix.table || in >= table)
        return get_bytes(f->msix.pending, pba_size(f), off - f->msix.pba, size);
    u64 v = *word(f, in & ~3ull) >> (8 * (in & 3));
    if (size == 8 && !(in & 7))
        v |= (u64)*word(f, in + 4) << 32;
    return v & ones(8 * size);
}

void pci_msix_write(struct pci_fn *f, u64 off, unsigned size, u64 val)
{
    u64 in = off - f->msix.table;
    if (off < f->msix.table || in >= (u64)f->msix.count * ENTRY || size < 4 || in & (size - 1)) {
        log_guest(f->log, "%s: bad write of %u bytes to the MSI-X structures at 0x%llx", f->id, size,
                  (unsigned long long)off);
        return;
    }
    for (unsigned i = 0; i < size; i += 4)
        *word(f, in + i) = (u32)(val >> (8 * i)) & ((in + i) % ENTRY == 12 ? 1u : ~0u);
    release(f);
}

void pci_msix_reset(struct pci_fn *f)
{
    if (!f->msix.count)
        return;
    for (unsigned i = 0; i < f->msix.count; i++)
        f->msix.entry[i] = (struct pci_msix_entry){.control = 1};
    memset(f->msix.pending, 0, pba_size(f));
}

void pci_msix_state(struct pci_fn *f, struct snap *s)
{
    if (!f->msix.count)
        return;
    snap_bytes(s, "msix table", f->msix.entry, f->msix.count * sizeof *f->msix.entry);
    snap_bytes(s, "msix pending", f->msix.pending, pba_size(f));
}

void pci_msix_free(struct pci_fn *f)
{
    free(f->msix.entry);
    free(f->msix.pending);
    f->msix.entry = NULL;
    f->msix.pending = NULL;
}
