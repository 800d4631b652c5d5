/* Dispatch for declarative device registers (regs.h). */
#include "core/regs.h"

#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "core/snap.h"

static const struct reg *find(const struct reg *t, unsigned n, u64 off, unsigned *index)
{
    for (const struct reg *r = t; r < t + n; r++) {
        u64 span = (u64)r->width * (r->count ? r->count : 1u);
        if (off >= r->off && off - r->off < span) {
            *index = (unsigned)((off - r->off) / r->width);
            return r;
        }
    }
    return NULL;
}

static void *cell(struct device *d, const struct reg *r, unsigned i)
{
    return (char *)d + r->field + (size_t)i * r->width;
}

static u64 get(struct device *d, const struct reg *r, unsigned i)
{
    u64 v = 0;
    if (r->field != REG_NOFIELD)
        memcpy(&v, cell(d, r, i), r->width);
    return v;
}

enum bus_result regs_read(struct device *d, const struct reg *t, unsigned n, const struct txn *x, u64 off,
                          unsigned size, u64 *val)
{
    unsigned i;
    const struct reg *r = find(t, n, off, &i);
    *val = 0;
    if (!r || r->access == REG_WO) {
        if (!x->debug)
            log_guest(d->log, "%s: read of %s register at offset 0x%llx", d->id, r ? "write-only" : "no",
                      (unsigned long long)off);
        return BUS_OK;
    }
    if (r->access == REG_RAZWI)
        return BUS_OK;
    unsigned at = (unsigned)((off - r->off) % r->width);
    u64 v = r->read && !x->debug ? r->read(d, i) : get(d, r, i);
    *val = v >> (8 * at) & ones(8 * size);
    return BUS_OK;
}

enum bus_result regs_write(struct device *d, const struct reg *t, unsigned n, const struct txn *x, u64 off,
                           unsigned size, u64 val)
{
    unsigned i;
    const struct reg *r = find(t, n, off, &i);
    if (x->debug)
        return BUS_OK;
    if (!r || r->access == REG_RO) {
        log_guest(d->log, "%s: write of 0x%llx to %s register at offset 0x%llx", d->id, (unsigned long long)val,
                  r ? "read-only" : "no", (unsigned long long)off);
        return BUS_OK;
    }
    if (r->access == REG_RAZWI)
        return BUS_OK;
    unsigned at = (unsigned)((off - r->off) % r->width);
    u64 old = get(d, r, i), lanes = ones(8 * (size < r->width ? size : r->width)) << (8 * at);
    val = (val << (8 * at)) & lanes;
    u64 m = r->mask & lanes;
    u64 now = r->access == REG_W1C ? old & ~(val & m) : (old & ~m) | (val & m);
    if (r->field != REG_NOFIELD)
        memcpy(cell(d, r, i), &now, r->width);
    if (r->wrote)
        r->wrote(d, i, old, val);
    return BUS_OK;
}

void regs_reset(struct device *d, const struct reg *t, unsigned n)
{
    for (const struct reg *r = t; r < t + n; r++)
        if (r->field != REG_NOFIELD)
            for (unsigned i = 0; i < (r->count ? r->count : 1u); i++)
                memcpy(cell(d, r, i), &r->reset, r->width);
}

void regs_state(struct device *d, const struct reg *t, unsigned n, struct snap *s)
{
    for (const struct reg *r = t; r < t + n; r++)
        if (r->field != REG_NOFIELD)
            snap_bytes(s, r->name, cell(d, r, 0), (size_t)r->width * (r->count ? r->count : 1u));
}
