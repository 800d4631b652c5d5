/* Interrupt Translation Service of GICv3 (IHI0069 chapter 5 and 12.18): (DeviceID, EventID) of an MSI to an
 * LPI of a collection's redistributor.
 *
 * Commands run to the end when GITS_CWRITER is written; wrong ones are logged and skipped, a queue
 * without memory stalls.  Tables in guest RAM, in a layout of our own, are the only copy of the mappings.
 * RDbase is the processor number (PTA = 0).  Not modelled: virtual LPIs (GICv4), collections held inside
 * (HCC = 0), system errors.
 *
 *   device table entry     63 valid | 51:8 ITT address | 4:0 EventID bits - 1
 *   collection table entry 63 valid | 15:0 processor number
 *   ITT entry              63 valid | 47:32 ICID | 31:0 INTID                                            */
#include <stdlib.h>
#include <string.h>

#include "gic/gic_int.h"

enum {
    ENTRY_SIZE = 8,
    ID_BITS = 16, /* EventIDs and INTIDs */
    DEV_BITS = 16,
    COL_BITS = 16,
    CTLR_ENABLED = 1,
    TRANSLATER = 0x10040,
    BASER_DEVICE = 0,
    BASER_COLLECTION = 1,
};

#define VALID            (1ull << 63)
#define BASER_INDIRECT   (1ull << 62)
#define BASER_ATTRIBUTES (7ull << 59 | 7ull << 53 | 3ull << 10)
#define BASER_ADDR       0xfffffffff000ull
#define BASER_SIZES      0x3ffull /* page size 9:8, pages - 1 7:0 */
#define CBASER_MASK      (VALID | BASER_ATTRIBUTES | 0xffffffffff000ull | 0xff)
#define OFFSET_MASK      0xfffe0ull

static const struct baser {
    u64 fixed;    /* type and entry size */
    u64 writable; /* besides the common */
} basers[2] = {
    [BASER_DEVICE] = {1ull << 56 | (u64)(ENTRY_SIZE - 1) << 48, BASER_INDIRECT},
    [BASER_COLLECTION] = {4ull << 56 | (u64)(ENTRY_SIZE - 1) << 48, 0},
};

struct its {
    struct device dev;
    struct gic *gic;
    u32 ctlr;
    u64 cbaser, cwriter, creadr;
    bool stalled;
    u64 baser[2];
};

/* ---- tables ---------------------------------------------------------------------------------- */

static u64 load(const struct its *s, u64 addr, bool *ok)
{
    u8 b[8];
    *ok = dma_read(&s->gic->dma, addr, b, sizeof b) == BUS_OK;
    u64 v = 0;
    for (int i = 7; *ok && i >= 0; i--)
        v = v << 8 | b[i];
    return v;
}

static bool store(const struct its *s, u64 addr, u64 v)
{
    u8 b[8];
    for (int i = 0; i < 8; i++)
        b[i] = (u8)(v >> (8 * i));
    return dma_write(&s->gic->dma, addr, b, sizeof b) == BUS_OK;
}

/* Address of entry n of a table, false: outside of it (or of its second level). */
static bool entry_addr(const struct its *s, unsigned table, u32 n, u64 *addr)
{
    static const u32 page_sizes[4] = {0x1000, 0x4000, 0x10000, 0x10000};
    u64 b = s->baser[table];
    u64 page = page_sizes[b >> 8 & 3], size = ((b & 0xff) + 1) * page, base = b & BASER_ADDR;
    if (page == 0x10000) /* bits 15:12 are the address's 51:48 */
        base = (base & ~0xf000ull) | bits(b, 15, 12) << 48;
    if (!(b & VALID))
        return false;
    if (!(b & BASER_INDIRECT)) {
        *addr = base + (u64)n * ENTRY_SIZE;
        return (u64)n * ENTRY_SIZE < size;
    }
    u64 per_page = page / ENTRY_SIZE, l1 = n / per_page;
    bool ok;
    if (l1 * 8 >= size)
        return false;
    u64 d = load(s, base + l1 * 8, &ok);
    *addr = (d & 0xffffffffff000ull & ~(page - 1)) + n % per_page * ENTRY_SIZE;
    return ok && (d & VALID);
}

struct event {
    u64 addr; /* of the ITT entry */
    u64 ite;
};

/* Finds the ITT entry of an event. */
static bool find_event(const struct its *s, u32 device, u32 event, struct event *e)
{
    u64 at;
    bool ok;
    if (device >> DEV_BITS || !entry_addr(s, BASER_DEVICE, device, &at))
        return false;
    u64 dte = load(s, at, &ok);
    if (!ok || !(dte & VALID) || (u64)event >> ((dte & 0x1f) + 1))
        return false;
    e->addr = (dte & 0xfffffffffff00ull) + (u64)event * ENTRY_SIZE;
    e->ite = load(s, e->addr, &ok);
    return ok;
}

static struct gic_cpu *find_collection(const struct its *s, u32 icid)
{
    u64 at;
    bool ok;
    if (!entry_addr(s, BASER_COLLECTION, icid, &at))
        return NULL;
    u64 cte = load(s, at, &ok);
    u64 n = cte & 0xffff;
    return ok && (cte & VALID) && n < s->gic->ncpu ? &s->gic->cpu[n] : NULL;
}

static u32 ite_intid(u64 ite) { return (u32)ite; }
static u32 ite_icid(u64 ite) { return (u32)bits(ite, 47, 32); }

/* ---- commands -------------------------------------------------------------------------------- */

static bool mapd(struct its *s, const u64 *w)
{
    u64 at;
    u32 device = (u32)(w[0] >> 32), size = w[1] & 0x1f;
    bool valid = w[2] & VALID;
    if (device >> DEV_BITS || (valid && size >= ID_BITS) || !entry_addr(s, BASER_DEVICE, device, &at))
        return false;
    return store(s, at, valid ? VALID | (w[2] & 0xfffffffffff00ull) | size : 0);
}

static bool mapc(struct its *s, const u64 *w)
{
    u64 at, rd = bits(w[2], 50, 16);
    bool valid = w[2] & VALID;
    if ((valid && rd >= s->gic->ncpu) || !entry_addr(s, BASER_COLLECTION, w[2] & 0xffff, &at))
        return false;
    return store(s, at, valid ? VALID | rd : 0);
}

static bool mapti(struct its *s, const u64 *w, u32 intid)
{
    struct event e;
    if (intid < GIC_LPI_BASE || intid >> ID_BITS || !find_event(s, (u32)(w[0] >> 32), (u32)w[1], &e))
        return false;
    return store(s, e.addr, VALID | (w[2] & 0xffff) << 32 | intid);
}

/* Commands on a mapped event: INT, CLEAR, DISCARD, INV, MOVI. */
static bool on_event(struct its *s, const u64 *w)
{
    struct event e;
    if (!find_event(s, (u32)(w[0] >> 32), (u32)w[1], &e) || !(e.ite & VALID))
        return false;
    struct gic *g = s->gic;
    struct gic_cpu *c = find_collection(s, ite_icid(e.ite));
    u32 intid = ite_intid(e.ite);
    unsigned cmd = w[0] & 0xff;
    if (!c) /* an event of an unmapped collection counts as unmapped */
        return false;
    if (cmd == 0x0f) { /* DISCARD */
        gic_lpi_set(g, c, intid, false);
        return store(s, e.addr, 0);
    }
    switch (cmd) {
    case 0x03: gic_lpi_set(g, c, intid, true); return true;
    case 0x04: gic_lpi_set(g, c, intid, false); return true;
    case 0x0c: gic_lpi_rescan(g, c); return true;
    default: break;
    }
    struct gic_cpu *to = find_collection(s, w[2] & 0xffff);
    if (!to)
        return false;
    if (to != c && gic_lpi_pending(c, intid)) {
        gic_lpi_set(g, c, intid, false);
        gic_lpi_set(g, to, intid, true);
    }
    return store(s, e.addr, (e.ite & ~(0xffffull << 32)) | (w[2] & 0xffff) << 32);
}

static bool invall(struct its *s, u32 icid)
{
    struct gic_cpu *c = find_collection(s, icid);
    if (c)
        gic_lpi_rescan(s->gic, c);
    return c;
}

static bool movall(struct its *s, u64 from, u64 to)
{
    struct gic *g = s->gic;
    if (from >= g->ncpu || to >= g->ncpu)
        return false;
    gic_lpi_move_all(g, &g->cpu[from], &g->cpu[to]);
    return true;
}

static bool command(struct its *s, const u64 *w)
{
    switch (w[0] & 0xff) {
    case 0x01:
    case 0x03:
    case 0x04:
    case 0x0c:
    case 0x0f: return on_event(s, w);
    case 0x05: return true; /* SYNC: nothing is ever outstanding */
    case 0x08: return mapd(s, w);
    case 0x09: return mapc(s, w);
    case 0x0a: return mapti(s, w, (u32)(w[1] >> 32));
    case 0x0b: return mapti(s, w, (u32)w[1]);
    case 0x0d: return invall(s, w[2] & 0xffff);
    case 0x0e: return movall(s, bits(w[2], 50, 16), bits(w[3], 50, 16));
    default: return false;
    }
}

static void run_queue(struct its *s)
{
    u64 base = s->cbaser & 0xffffffffff000ull, size = ((s->cbaser & 0xff) + 1) * 0x1000;
    if (!(s->ctlr & CTLR_ENABLED) || !(s->cbaser & VALID) || s->stalled || s->cwriter >= size)
        return;
    while (s->creadr != s->cwriter) {
        u64 w[4];
        bool ok = true;
        for (unsigned i = 0; ok && i < 4; i++)
            w[i] = load(s, base + s->creadr + 8 * i, &ok);
        if (!ok) {
            log_guest(s->dev.log, "%s: no memory at the command queue: stalled", s->dev.id);
            s->stalled = true;
            return;
        }
        if (!command(s, w))
            log_guest(s->dev.log, "%s: command failed: %016llx %016llx %016llx %016llx", s->dev.id,
                      (unsigned long long)w[0], (unsigned long long)w[1], (unsigned long long)w[2],
                      (unsigned long long)w[3]);
        s->creadr = s->creadr + 32 >= size ? 0 : s->creadr + 32;
    }
}

/* ---- translation ------------------------------------------------------------------------------ */

static void translate(struct its *s, u32 device, u32 event)
{
    struct event e;
    struct gic_cpu *c = NULL;
    if (!(s->ctlr & CTLR_ENABLED))
        return;
    if (find_event(s, device, event, &e) && (e.ite & VALID))
        c = find_collection(s, ite_icid(e.ite));
    if (c)
        gic_lpi_set(s->gic, c, ite_intid(e.ite), true);
    else
        log_guest(s->dev.log, "%s: MSI of device 0x%x, event %u is not mapped", s->dev.id, device, event);
}

/* ---- registers -------------------------------------------------------------------------------- */

static u64 read64(struct its *s, u64 off, bool *known)
{
    static const u64 typer = 1 | (ENTRY_SIZE - 1) << 4 | (ID_BITS - 1) << 8 | (DEV_BITS - 1) << 13 |
                             (u64)(COL_BITS - 1) << 32 | 1ull << 36 /* CIL */;
    static const u8 id[12] = {0x44, 0, 0, 0, 0x94, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};
    switch (off) {
    case 0x00: return s->ctlr | 1u << 31 /* Quiescent */ | 0x43bull << 32;
    case 0x08: return typer;
    case 0x80: return s->cbaser;
    case 0x88: return s->cwriter;
    case 0x90: return s->creadr | s->stalled;
    default: break;
    }
    if (off >= 0x100 && off < 0x140) /* GITS_BASER2..7: no table, RAZ/WI */
        return off < 0x110 ? s->baser[(off - 0x100) / 8] | basers[(off - 0x100) / 8].fixed : 0;
    if (off >= 0xffd0 && off < 0x10000)
        return id[(off - 0xffd0) / 4] | (u64)id[(off - 0xffd0) / 4 + 1] << 32;
    *known = false;
    return 0;
}

static bool write64(struct its *s, u64 off, u64 v, u64 lanes)
{
    bool enabled = s->ctlr & CTLR_ENABLED;
    switch (off) {
    case 0x00:
        if (lanes & 1)
            s->ctlr = v & CTLR_ENABLED;
        run_queue(s);
        return true;
    case 0x80:
        if (!enabled) {
            s->cbaser = ((s->cbaser & ~lanes) | (v & lanes)) & CBASER_MASK;
            s->creadr = 0;
            s->stalled = false;
        }
        return !enabled;
    case 0x88:
        s->cwriter = ((s->cwriter & ~lanes) | (v & lanes)) & OFFSET_MASK;
        if (v & lanes & 1) /* Retry */
            s->stalled = false;
        run_queue(s);
        return true;
    default: break;
    }
    if (off >= 0x100 && off < 0x140) {
        unsigned i = (unsigned)(off - 0x100) / 8;
        u64 m = VALID | BASER_ATTRIBUTES | BASER_ADDR | BASER_SIZES;
        if (i < ARRAY_LEN(basers) && !enabled) {
            u64 b = ((s->baser[i] & ~lanes) | (v & lanes)) & (m | basers[i].writable);
            s->baser[i] = (b >> 8 & 3) == 3 ? deposit(b, 9, 8, 2) : b; /* reserved page size: 64 KiB */
        }
        return i >= ARRAY_LEN(basers) || !enabled;
    }
    return false;
}

static enum bus_result its_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct its *s = (struct its *)d;
    bool known = off < 0x10000;
    u64 v = known ? read64(s, off & ~7ull, &known) : 0;
    *val = v >> (off & 7) * 8 & ones(8 * size);
    if (!known && !t->debug)
        log_guest(d->log, "%s: read of no register at offset 0x%llx", d->id, (unsigned long long)off);
    return BUS_OK;
}

static enum bus_result its_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct its *s = (struct its *)d;
    unsigned shift = (off & 7) * 8;
    if (t->debug)
        return BUS_OK;
    if (off == TRANSLATER && size <= 4)
        translate(s, t->stream, (u32)val);
    else if (off >= 0x10000 || size < 4 || !write64(s, off & ~7ull, val << shift, ones(8 * size) << shift))
        log_guest(d->log, "%s: write of 0x%llx to no, read-only or locked register at offset 0x%llx", d->id,
                  (unsigned long long)val, (unsigned long long)off);
    return BUS_OK;
}

static void its_reset(struct device *d)
{
    struct its *s = (struct its *)d;
    s->ctlr = 0;
    s->cbaser = s->cwriter = s->creadr = 0;
    s->stalled = false;
    memset(s->baser, 0, sizeof s->baser);
}

static void its_state(struct device *d, struct snap *sn)
{
    struct its *s = (struct its *)d;
    snap_section(sn, "its");
    SNAP(sn, s, ctlr);
    SNAP(sn, s, cbaser);
    SNAP(sn, s, cwriter);
    SNAP(sn, s, creadr);
    SNAP(sn, s, stalled);
    SNAP(sn, s, baser);
}

static const struct device_ops its_ops = {
    .name = "gicv3-its",
    .min_size = 2,
    .read = its_read,
    .write = its_write,
    .reset = its_reset,
    .state = its_state,
};

struct device *gic_its_new(struct gic *g, const char *id, struct log *log)
{
    CHECK(g->lpis);
    struct its *s = calloc(1, sizeof *s);
    CHECK(s);
    s->dev = (struct device){.ops = &its_ops, .id = id, .log = log};
    s->gic = g;
    return &s->dev;
}
