/* The PCI test device of conformance suites (1b36:0005; QEMU's docs/specs/pci-testdev): it counts the writes that it is
 * told to expect.
 *
 *   BAR 0  memory, 4096 bytes    BAR 1  I/O, 256 bytes; each with the same structure:
 *          0  test: writing a number (0 to 2) chooses and begins one     1  width of the writes
 *          4  offset where they go (32)   8  value   12  writes that matched (32)   16  name
 *
 * Test 1 takes any value, the others the one at 8.  A write to BAR n chooses a test of its own kind, and reads through
 * either BAR show the test chosen last. */
#include <stdio.h>
#include <stdlib.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/snap.h"
#include "devices/pci_internal.h"

enum { TESTS = 3, ANY_VALUE = 1, NONE = 0xff, MEMORY = 4096, PORTS = 256, HEADER = 16, WIDTH = 1 };
enum { EXPECTED = 0xfa, UNEXPECTED = 0xce };

struct testdev {
    struct pci_fn fn;
    u8 current; /* BAR * TESTS + test, NONE */
    u32 count;
};

static struct testdev *self(struct pci_fn *f) { return container_of(f, struct testdev, fn); }

static bool any_value(const struct testdev *t) { return t->current % TESTS == ANY_VALUE; }
static u8 value(const struct testdev *t) { return any_value(t) ? UNEXPECTED : EXPECTED; }
static u32 offset(const struct testdev *t)
{
    return (t->current < TESTS ? MEMORY / 2u : PORTS / 2u) + t->current * (u32)WIDTH;
}

static u64 bar_read(struct pci_fn *f, const struct txn *txn, unsigned bar, u64 off, unsigned size)
{
    static const char *const kinds[] = {"mmio", "portio"};
    static const char *const tests[TESTS] = {"no-eventfd", "wildcard-eventfd", "datamatch-eventfd"};
    const struct testdev *t = self(f);
    u8 b[HEADER + 32] = {0};
    (void)txn, (void)bar;
    if (t->current == NONE)
        return 0;
    b[0] = t->current;
    b[1] = WIDTH;
    put_le32(b + 4, offset(t));
    b[8] = value(t);
    put_le32(b + 12, t->count);
    snprintf((char *)b + HEADER, sizeof b - HEADER, "%s-%s", kinds[t->current / TESTS], tests[t->current % TESTS]);
    return get_bytes(b, sizeof b, off, size);
}

static void bar_write(struct pci_fn *f, const struct txn *txn, unsigned bar, u64 off, unsigned size, u64 val)
{
    struct testdev *t = self(f);
    (void)txn;
    if (off == 0) {
        t->current = (val & 0xff) < TESTS ? (u8)(bar * TESTS + (val & 0xff)) : NONE;
        t->count = 0;
    } else if (t->current != NONE && off == offset(t) && (any_value(t) || (size == WIDTH && val == value(t)))) {
        t->count++;
    }
}

static void reset(struct pci_fn *f)
{
    self(f)->current = NONE;
    self(f)->count = 0;
}

static void state(struct pci_fn *f, struct snap *s)
{
    struct testdev *t = self(f);
    SNAP(s, t, current);
    SNAP(s, t, count);
    if (s->mode == SNAP_LOAD && t->current >= 2 * TESTS && t->current != NONE) {
        s->failed = true;
        reset(f);
    }
}

static void destroy(struct pci_fn *f) { free(self(f)); }

static const struct pci_ops ops = {.name = "pci-testdev",
                                   .bar_read = bar_read,
                                   .bar_write = bar_write,
                                   .reset = reset,
                                   .state = state,
                                   .destroy = destroy};

struct pci_fn *pci_testdev_new(const char *id, struct log *log)
{
    static const struct pci_ids ids = {
        .vendor = 0x1b36, .device = 0x0005, .subsys_vendor = 0x1af4, .subsys = 0x1100, .class_code = 0x00ff00};
    struct testdev *t = calloc(1, sizeof *t);
    CHECK(t);
    pci_init(&t->fn, &ops, id, log, &ids, false);
    pci_add_bar(&t->fn, 0, PCI_BAR_MEM32, MEMORY);
    pci_add_bar(&t->fn, 1, PCI_BAR_IO, PORTS);
    reset(&t->fn);
    return &t->fn;
}
