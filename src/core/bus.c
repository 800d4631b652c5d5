/* The physical memory map (bus.h): regions in address order, one contiguous host area for all RAM and
 * ROM pages.  Not modelled: bus timing, transactions that overtake each other. */
#include "core/bus.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"

struct region {
    u64 base, size;
    u8 spaces;
    u8 kind; /* enum page_kind; ROM regions stay ROM, readable says how they act */
    bool readable;
    u32 page; /* first page number of RAM and ROM */
    struct device *dev;
    const char *name;
};

enum { TAG_BYTES = PAGE_SIZE / 32 };

struct bus {
    struct log *log;
    struct region *regions;
    unsigned count;
    u32 pages;
    bool sealed;
    u8 *ram;
    u8 *why;
    u8 *tags; /* [pages * TAG_BYTES], made at first use */
    struct bus_window window;
    struct ram_listener *listeners;
    void (*remap)(void *arg);
    void *remap_arg;
};

struct bus *bus_new(struct log *log)
{
    struct bus *b = calloc(1, sizeof *b);
    CHECK(b);
    b->log = log;
    return b;
}

void bus_free(struct bus *b)
{
    if (!b)
        return;
    if (b->ram)
        munmap(b->ram, (size_t)b->pages << PAGE_SHIFT);
    if (b->tags)
        munmap(b->tags, (size_t)b->pages * TAG_BYTES);
    free(b->why);
    free(b->regions);
    free(b);
}

static void add_region(struct bus *b, struct region r)
{
    CHECK(!b->sealed);
    CHECK(r.size && !(r.base & (PAGE_SIZE - 1)) && !(r.size & (PAGE_SIZE - 1)));
    unsigned at = 0;
    for (unsigned i = 0; i < b->count; i++) {
        const struct region *o = &b->regions[i];
        CHECK(!(o->spaces & r.spaces) || r.base >= o->base + o->size || o->base >= r.base + r.size);
        if (o->base <= r.base)
            at = i + 1;
    }
    b->regions = realloc(b->regions, (b->count + 1) * sizeof r);
    CHECK(b->regions);
    memmove(b->regions + at + 1, b->regions + at, (b->count - at) * sizeof r);
    b->regions[at] = r;
    b->count++;
}

static u32 take_pages(struct bus *b, u64 size)
{
    u32 first = b->pages;
    CHECK((size >> PAGE_SHIFT) < 0xffffffffu - first);
    b->pages += (u32)(size >> PAGE_SHIFT);
    return first;
}

u32 bus_map_ram(struct bus *b, u8 spaces, u64 base, u64 size, const char *name)
{
    u32 page = take_pages(b, size);
    add_region(b, (struct region){base, size, spaces, PAGE_RAM, true, page, NULL, name});
    return page;
}

u32 bus_map_rom(struct bus *b, u8 spaces, u64 base, u64 size, struct device *dev)
{
    u32 page = take_pages(b, size);
    add_region(b, (struct region){base, size, spaces, PAGE_ROM, true, page, dev, dev->id});
    return page;
}

void bus_map_device(struct bus *b, u8 spaces, u64 base, u64 size, struct device *dev)
{
    add_region(b, (struct region){base, size, spaces, PAGE_DEV, true, 0, dev, dev->id});
}

void bus_seal(struct bus *b)
{
    CHECK(!b->sealed);
    b->sealed = true;
    if (!b->pages)
        return;
    size_t n = (size_t)b->pages << PAGE_SHIFT;
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    madvise(p, n, MADV_HUGEPAGE); /* clearing 4 KiB pages one by one costs 7 % of a boot */
    b->ram = p;
    b->why = calloc(b->pages, 1);
    CHECK(b->why);
    for (unsigned i = 0; i < b->count; i++) {
        const struct region *r = &b->regions[i];
        if (r->kind == PAGE_RAM && r->size > b->window.size)
            b->window =
                (struct bus_window){r->base, r->size, b->ram + ((size_t)r->page << PAGE_SHIFT), r->page, r->spaces};
    }
}

void bus_rom_mode(struct bus *b, struct device *dev, bool readable)
{
    for (unsigned i = 0; i < b->count; i++)
        if (b->regions[i].kind == PAGE_ROM && b->regions[i].dev == dev && b->regions[i].readable != readable) {
            b->regions[i].readable = readable;
            if (b->remap)
                b->remap(b->remap_arg);
        }
}

void bus_on_remap(struct bus *b, void (*fn)(void *arg), void *arg)
{
    b->remap = fn;
    b->remap_arg = arg;
}

/* The region that holds addr in the given space, or NULL. */
static const struct region *find(const struct bus *b, enum pas space, u64 addr)
{
    unsigned lo = 0, hi = b->count;
    while (lo < hi) { /* first region beyond addr */
        unsigned mid = (lo + hi) / 2;
        if (b->regions[mid].base <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    /* Regions of disjoint spaces may overlap: look back until one fits. */
    while (lo-- > 0) {
        const struct region *r = &b->regions[lo];
        if (r->spaces & 1u << space && addr - r->base < r->size)
            return r;
    }
    return NULL;
}

const struct bus_window *bus_ram_window(const struct bus *b) { return &b->window; }

struct bus_target bus_resolve(struct bus *b, struct pa pa)
{
    u64 in = pa_addr(pa) - b->window.base;
    if (LIKELY(in < b->window.size && b->window.spaces >> pa_space(pa) & 1))
        return (struct bus_target){PAGE_RAM, b->window.page + (u32)(in >> PAGE_SHIFT), NULL, align_down(in, PAGE_SIZE)};
    u64 addr = align_down(pa_addr(pa), PAGE_SIZE);
    const struct region *r = find(b, pa_space(pa), addr);
    struct bus_target t = {PAGE_NONE, 0, NULL, 0};
    if (!r)
        return t;
    t.kind = r->kind == PAGE_ROM && !r->readable ? PAGE_DEV : (enum page_kind)r->kind;
    t.off = addr - r->base;
    t.dev = r->dev;
    if (t.kind != PAGE_DEV)
        t.page = r->page + (u32)(t.off >> PAGE_SHIFT);
    return t;
}

u8 *bus_page_ptr(struct bus *b, u32 page) { return b->ram + ((size_t)page << PAGE_SHIFT); }
u8 *bus_ram_base(struct bus *b) { return b->ram; }
u32 bus_page_count(struct bus *b) { return b->pages; }
u8 *bus_page_why(struct bus *b) { return b->why; }

/* ---- devices -------------------------------------------------------------------------------- */

/* The largest access the device takes at off for the n bytes that remain. */
static unsigned piece(const struct device_ops *ops, u64 off, unsigned n)
{
    unsigned max = ops->max_size ? ops->max_size : 8, size = 1;
    while (size < max && size * 2 <= n && !(off & (size * 2 - 1)))
        size *= 2;
    return size;
}

static enum bus_result read_piece(struct device *dev, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    const struct device_ops *ops = dev->ops;
    unsigned min = ops->min_size ? ops->min_size : 1;
    *val = 0;
    if (!ops->read) {
        if (!t->debug)
            log_guest(dev->log, "%s: read at offset 0x%llx is not possible", dev->id, (unsigned long long)off);
        return BUS_OK;
    }
    if (size >= min)
        return ops->read(dev, t, off, size, val);
    u64 wide = 0, base = align_down(off, min);
    enum bus_result res = ops->read(dev, t, base, min, &wide);
    *val = wide >> (8 * (off - base)) & ones(8 * size);
    return res;
}

static enum bus_result write_piece(struct device *dev, const struct txn *t, u64 off, unsigned size, u64 val)
{
    const struct device_ops *ops = dev->ops;
    unsigned min = ops->min_size ? ops->min_size : 1;
    if (!ops->write) {
        log_guest(dev->log, "%s: write at offset 0x%llx is not possible", dev->id, (unsigned long long)off);
        return BUS_OK;
    }
    if (size >= min)
        return ops->write(dev, t, off, size, val & ones(8 * size));
    /* Narrower than the device's registers: the other byte lanes are zero, as on a bus without
     * strobes towards this device. */
    u64 base = align_down(off, min);
    return ops->write(dev, t, base, min, (val & ones(8 * size)) << (8 * (off - base)));
}

enum bus_result bus_dev_read(struct device *dev, const struct txn *t, u64 off, unsigned size, u64 val[2])
{
    enum bus_result res = BUS_OK;
    val[0] = val[1] = 0;
    for (unsigned done = 0; done < size && res == BUS_OK;) {
        unsigned n = piece(dev->ops, off + done, size - done);
        if (n > 8 - done % 8)
            n = 8 - done % 8;
        u64 v;
        res = read_piece(dev, t, off + done, n, &v);
        val[done / 8] |= v << (8 * (done % 8));
        done += n;
    }
    return res;
}

enum bus_result bus_dev_write(struct device *dev, const struct txn *t, u64 off, unsigned size, const u64 val[2])
{
    enum bus_result res = BUS_OK;
    for (unsigned done = 0; done < size && res == BUS_OK;) {
        unsigned n = piece(dev->ops, off + done, size - done);
        while (n > 8 - done % 8)
            n /= 2;
        res = write_piece(dev, t, off + done, n, val[done / 8] >> (8 * (done % 8)));
        done += n;
    }
    return res;
}

/* ---- byte-wise access ------------------------------------------------------------------------ */

static bool single_access(u64 addr, size_t n) { return n <= 8 && is_pow2(n) && !(addr & (n - 1)); }

enum bus_result bus_read(struct bus *b, const struct txn *t, u64 addr, void *buf, size_t n)
{
    u8 *p = buf;
    while (n) {
        size_t k = PAGE_SIZE - (addr & (PAGE_SIZE - 1));
        if (k > n)
            k = n;
        struct bus_target to = bus_resolve(b, pa_make((enum pas)t->space, addr));
        u64 off = addr & (PAGE_SIZE - 1);
        if (to.kind == PAGE_RAM || to.kind == PAGE_ROM) {
            memcpy(p, bus_page_ptr(b, to.page) + off, k);
        } else if (to.kind == PAGE_DEV && single_access(addr, k)) {
            u64 v[2];
            enum bus_result res = bus_dev_read(to.dev, t, to.off + off, (unsigned)k, v);
            if (res != BUS_OK)
                return res;
            memcpy(p, v, k);
        } else {
            return to.kind == PAGE_NONE ? BUS_DECERR : BUS_SLVERR;
        }
        addr += k;
        p += k;
        n -= k;
    }
    return BUS_OK;
}

static enum bus_result write_bytes(struct bus *b, const struct txn *t, u64 addr, const void *buf, size_t n, bool rom)
{
    const u8 *p = buf;
    while (n) {
        size_t k = PAGE_SIZE - (addr & (PAGE_SIZE - 1));
        if (k > n)
            k = n;
        struct bus_target to = bus_resolve(b, pa_make((enum pas)t->space, addr));
        u64 off = addr & (PAGE_SIZE - 1);
        if (to.kind == PAGE_RAM || (to.kind == PAGE_ROM && rom)) {
            memcpy(bus_page_ptr(b, to.page) + off, p, k);
            ram_written(b, to.page, (u32)off, (u32)k);
        } else if (to.kind != PAGE_NONE && single_access(addr, k)) {
            u64 v[2] = {0, 0};
            memcpy(v, p, k);
            enum bus_result res = bus_dev_write(to.dev, t, to.off + off, (unsigned)k, v);
            if (res != BUS_OK)
                return res;
        } else {
            return to.kind == PAGE_NONE ? BUS_DECERR : BUS_SLVERR;
        }
        addr += k;
        p += k;
        n -= k;
    }
    return BUS_OK;
}

enum bus_result bus_write(struct bus *b, const struct txn *t, u64 addr, const void *buf, size_t n)
{
    return write_bytes(b, t, addr, buf, n, false);
}

enum bus_result bus_load(struct bus *b, enum pas space, u64 addr, const void *buf, size_t n)
{
    struct txn t = {.space = (u8)space, .cpu = TXN_DMA, .privileged = true};
    return write_bytes(b, &t, addr, buf, n, true);
}

void bus_discard(struct bus *b, enum pas space, u64 addr, u64 n)
{
    u64 at = (addr + PAGE_SIZE - 1) & ~(u64)(PAGE_SIZE - 1), end = addr + n < addr ? ~0ull : addr + n;
    u32 first = 0, count = 0; /* pages that follow each other in the host's memory go together */
    for (; at >= addr && end >= PAGE_SIZE && at <= end - PAGE_SIZE; at += PAGE_SIZE) {
        struct bus_target to = bus_resolve(b, pa_make(space, at));
        if (to.kind == PAGE_NONE && at >= 1ull << 52)
            break;
        if (to.kind != PAGE_RAM)
            continue;
        if (count && to.page != first + count) {
            CHECK(madvise(bus_page_ptr(b, first), (size_t)count << PAGE_SHIFT, MADV_DONTNEED) == 0);
            count = 0;
        }
        first = count ? first : to.page;
        count++;
        ram_written(b, to.page, 0, PAGE_SIZE);
    }
    if (count)
        CHECK(madvise(bus_page_ptr(b, first), (size_t)count << PAGE_SHIFT, MADV_DONTNEED) == 0);
}

void bus_listen(struct bus *b, struct ram_listener *l)
{
    l->next = b->listeners;
    b->listeners = l;
}

void ram_written(struct bus *b, u32 page, u32 off, u32 len)
{
    for (struct ram_listener *l = b->listeners; l; l = l->next)
        l->written(l->arg, page, off, len);
}

bool bus_range(struct bus *b, unsigned i, struct bus_range *out)
{
    if (i >= b->count)
        return false;
    const struct region *r = &b->regions[i];
    *out = (struct bus_range){r->base, r->size, r->spaces, (enum page_kind)r->kind, r->name};
    return true;
}

static bool page_is_zero(const u8 *p)
{
    const u64 *w = (const u64 *)(const void *)p;
    for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
        if (w[i])
            return false;
    return true;
}

/* RAM is visited as (page number, contents) of each page that is not all zero, ended by ~0. A hash
 * therefore costs only what the guest touched. */
u8 *bus_page_tags(struct bus *b, u32 page)
{
    if (!b->tags) {
        void *p = mmap(NULL, (size_t)b->pages * TAG_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        CHECK(p != MAP_FAILED);
        b->tags = p;
    }
    return b->tags + (size_t)page * TAG_BYTES;
}

/* Tags: page numbers and contents of the pages that have any, then ~0. */
static void tag_state(struct bus *b, struct snap *s)
{
    static const u8 none[TAG_BYTES];
    u32 page = ~0u;
    if (s->mode == SNAP_LOAD) {
        if (b->tags)
            memset(b->tags, 0, (size_t)b->pages * TAG_BYTES);
        for (;;) {
            snap_bytes(s, "tagged", &page, sizeof page);
            if (s->failed || page == ~0u)
                return;
            if (page >= b->pages) {
                s->failed = true;
                return;
            }
            snap_bytes(s, "tags", bus_page_tags(b, page), TAG_BYTES);
        }
    }
    for (page = 0; b->tags && page < b->pages; page++)
        if (memcmp(bus_page_tags(b, page), none, TAG_BYTES)) {
            snap_bytes(s, "tagged", &page, sizeof page);
            snap_bytes(s, "tags", bus_page_tags(b, page), TAG_BYTES);
        }
    page = ~0u;
    snap_bytes(s, "tagged", &page, sizeof page);
}

static void page_state(struct bus *b, struct snap *s)
{
    u32 page = 0, end = 0xffffffffu;
    if (s->mode == SNAP_LOAD) {
        for (u32 next = 0;; next = page + 1) {
            snap_bytes(s, "page", &page, sizeof page);
            if (s->failed || (page != end && (page >= b->pages || page < next))) {
                s->failed = true;
                return;
            }
            u32 stop = page == end ? b->pages : page;
            for (u32 z = next; z < stop; z++)
                if (!page_is_zero(bus_page_ptr(b, z))) {
                    memset(bus_page_ptr(b, z), 0, PAGE_SIZE);
                    ram_written(b, z, 0, PAGE_SIZE);
                }
            if (page == end)
                return;
            snap_bytes(s, "bytes", bus_page_ptr(b, page), PAGE_SIZE);
            ram_written(b, page, 0, PAGE_SIZE);
        }
    }
    for (page = 0; page < b->pages; page++)
        if (!page_is_zero(bus_page_ptr(b, page))) {
            snap_bytes(s, "page", &page, sizeof page);
            snap_bytes(s, "bytes", bus_page_ptr(b, page), PAGE_SIZE);
        }
    snap_bytes(s, "page", &end, sizeof end);
}

void bus_ram_state(struct bus *b, struct snap *s)
{
    snap_section(s, "ram");
    if (s->mode == SNAP_DUMP)
        return;
    page_state(b, s);
    tag_state(b, s);
}

static enum bus_result direct_read(void *arg, const struct txn *t, u64 addr, void *buf, size_t n)
{
    return bus_read(arg, t, addr, buf, n);
}
static enum bus_result direct_write(void *arg, const struct txn *t, u64 addr, const void *buf, size_t n)
{
    return bus_write(arg, t, addr, buf, n);
}

struct dma bus_dma(struct bus *b, u32 stream)
{
    return (struct dma){direct_read, direct_write, b, {.space = PAS_NS, .cpu = TXN_DMA, .stream = stream}};
}
