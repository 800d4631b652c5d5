/* Address Translation Services of a function (PCI Express Base 4.0, 10.2 to 10.5): its translation cache.
 *
 * While the capability's Enable is set, what the function reads and writes goes out translated as soon as its cache, or
 * a translation request, knows the page for that kind of access. All else goes out untranslated and is for the SMMU to
 * judge: pages that are not there or not permitted (so that each has its event), requests that are refused, messages.
 * What is cached is used until an invalidation names it, ATS is enabled anew or the function is reset, whatever the
 * SMMU's tables say by then.
 *
 * Not modelled: page requests (no function here can wait for a page), PASIDs. An entry covers 4 KiB of its answer,
 * which may cover more. */
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/snap.h"
#include "devices/pci_internal.h"

enum { EXT_ATS = 0x0f, ATS_SIZE = 8, ATS_CAP = 4, ATS_CONTROL = 6 };
enum { CAP_PAGE_ALIGNED = 1 << 5, CONTROL_STU = 0x1f, CONTROL_ENABLE = 1 << 15 };
enum { ENTRIES = 64, ENTRY_VALID = 1, ENTRY_READ = 2, ENTRY_WRITE = 4 };

/* Direct-mapped by page number. */
struct pci_atc {
    u64 page[ENTRIES]; /* address asked for, and the bits above in its low part */
    u64 to[ENTRIES];
};

void pci_add_ats(struct pci_fn *f)
{
    u8 body[ATS_SIZE] = {0}, wmask[ATS_SIZE] = {0};
    put_le16(body + ATS_CAP, CAP_PAGE_ALIGNED); /* queue depth 0: 32 invalidations */
    put_le16(wmask + ATS_CONTROL, CONTROL_STU | CONTROL_ENABLE);
    f->ats.cap = pci_add_ext_cap(f, EXT_ATS, 1, body, wmask, ATS_SIZE);
    f->ats.cache = calloc(1, sizeof *f->ats.cache);
    CHECK(f->ats.cache);
}

static bool enabled(const struct pci_fn *f) { return pci_get16(f, f->ats.cap + ATS_CONTROL) & CONTROL_ENABLE; }

void pci_ats_changed(struct pci_fn *f)
{
    if (!f->ats.cap || enabled(f) == f->ats.on)
        return;
    f->ats.on = enabled(f);
    memset(f->ats.cache, 0, sizeof *f->ats.cache);
}

bool pci_ats_lookup(struct pci_fn *f, u64 addr, bool write, u64 *to)
{
    const u64 page = addr & ~0xfffull;
    unsigned i = (unsigned)(addr >> 12) % ENTRIES, need = ENTRY_VALID | (write ? ENTRY_WRITE : ENTRY_READ);
    struct pci_atc *c = f->ats.cache;
    const struct pci_host_config *h = &f->host->cfg;
    if ((c->page[i] & (~0xfffull | need)) != (page | need)) {
        struct pci_translation t = {0};
        if (!h->translate || !h->translate(h->translate_arg, f->upstream.txn.stream, page, write, &t) ||
            !(write ? t.write : t.read))
            return false;
        c->page[i] = page | ENTRY_VALID | (t.read ? ENTRY_READ : 0) | (t.write ? ENTRY_WRITE : 0);
        c->to[i] = t.addr;
    }
    *to = c->to[i] | (addr & 0xfff);
    return true;
}

void pci_ats_invalidate(struct pci_host *h, u32 stream, u64 addr, unsigned log2)
{
    for (unsigned n = 0; n < h->count; n++) {
        const struct pci_fn *f = h->fn[n];
        if (!f->ats.on || f->upstream.txn.stream != stream)
            continue;
        for (unsigned i = 0; i < ENTRIES; i++)
            if (log2 >= 64 || f->ats.cache->page[i] >> log2 == addr >> log2)
                f->ats.cache->page[i] = 0;
    }
}

void pci_ats_state(struct pci_fn *f, struct snap *s)
{
    if (!f->ats.cap)
        return;
    SNAP_BOOL(s, f, ats.on);
    snap_bytes(s, "translation cache", f->ats.cache, sizeof *f->ats.cache);
}

void pci_ats_free(struct pci_fn *f)
{
    free(f->ats.cache);
    f->ats.cache = NULL;
}
