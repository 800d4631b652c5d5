/* MSI (PCI Local Bus 3.0, 6.8.1): messages whose address and data are in the capability.
 *
 *   id, next | control: enable 0, capable 3:1, enabled messages 6:4, 64-bit 7, maskable 8 | address 64 | data 16 |
 *   (maskable) mask 32 | pending 32
 *
 * As with MSI-X, a message that is masked stays pending and is sent once when it is unmasked. */
#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "devices/pci_internal.h"

enum { CAP_MSI = 5, CONTROL = 2, ADDRESS = 4, DATA = 12, MASK = 16, PENDING = 20, SIZE = 16, SIZE_MASKABLE = 24 };
enum { ENABLE = 1, CAPABLE_64 = 1 << 7, MASKABLE = 1 << 8 };

void pci_add_msi(struct pci_fn *f, unsigned count, bool maskable)
{
    u8 body[SIZE_MASKABLE] = {0}, wmask[SIZE_MASKABLE] = {0};
    unsigned log = 0;
    CHECK(is_pow2(count) && count <= 32);
    while (1u << log < count)
        log++;
    put_le16(body + CONTROL, (u16)(log << 1 | CAPABLE_64 | (maskable ? MASKABLE : 0)));
    put_le16(wmask + CONTROL, ENABLE | 7 << 4);
    put_le64(wmask + ADDRESS, ~3ull);
    put_le16(wmask + DATA, 0xffff);
    put_le32(wmask + MASK, (u32)ones(count));
    f->msi.cap = pci_add_cap(f, CAP_MSI, body, wmask, maskable ? SIZE_MASKABLE : SIZE);
    f->msi.count = count;
    f->msi.maskable = maskable;
}

static u16 control(const struct pci_fn *f) { return pci_get16(f, f->msi.cap + CONTROL); }

bool pci_msi_enabled(const struct pci_fn *f) { return f->msi.count && control(f) & ENABLE; }

/* As many as the guest allotted, of those there are. */
static unsigned allotted(const struct pci_fn *f)
{
    unsigned n = 1u << bits(control(f), 6, 4);
    return n < f->msi.count ? n : f->msi.count;
}

static void send(struct pci_fn *f, unsigned i)
{
    const u8 *c = f->config + f->msi.cap;
    u64 addr = get_le64(c + ADDRESS);
    u32 data = (get_le16(c + DATA) & ~(allotted(f) - 1)) | i;
    if (pci_message(f, addr, data) != BUS_OK)
        log_guest(f->log, "%s: MSI %u to 0x%llx reaches nothing", f->id, i, (unsigned long long)addr);
}

void pci_msi_send(struct pci_fn *f, unsigned vector)
{
    if (!pci_msi_enabled(f))
        return;
    u8 *c = f->config + f->msi.cap;
    vector &= allotted(f) - 1;
    if (f->msi.maskable && get_le32(c + MASK) >> vector & 1)
        put_le32(c + PENDING, get_le32(c + PENDING) | 1u << vector);
    else
        send(f, vector);
}

void pci_msi_config_wrote(struct pci_fn *f)
{
    if (!pci_msi_enabled(f) || !f->msi.maskable)
        return;
    u8 *c = f->config + f->msi.cap;
    u32 ready = get_le32(c + PENDING) & ~get_le32(c + MASK);
    put_le32(c + PENDING, get_le32(c + PENDING) & ~ready);
    for (unsigned i = 0; i < allotted(f); i++)
        if (ready >> i & 1)
            send(f, i);
}
