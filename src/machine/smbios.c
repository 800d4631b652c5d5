/* SMBIOS 3.0 (DSP0134): a 64-bit entry point and the structures that describe this board: system, enclosure, processor,
 * memory, boot status. What the machine does not have (slots, sensors, caches) is not described. */
#include "machine/smbios.h"

#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "devices/fw_cfg.h"
#include "machine/aml.h"
#include "machine/board.h"

enum {
    SYSTEM = 1,
    ENCLOSURE = 3,
    PROCESSOR = 4,
    MEMORY_ARRAY = 16,
    MEMORY_DEVICE = 17,
    MEMORY_ADDRESSES = 19,
    BOOT = 32,
    END = 127,
};
enum { UNKNOWN = 2, NO_HANDLE = 0xffff, NO_ERRORS = 0xfffe, GHZ = 1000 };

/* A structure: its formatted area, then its strings, each ended by a zero byte, and one more. */
struct table {
    struct bytes all, strings;
    size_t at;
    unsigned n; /* strings so far */
};

static void begin(struct table *t, unsigned type)
{
    t->at = t->all.n;
    t->n = 0;
    bytes_int(&t->all, type, 1);
    bytes_int(&t->all, 0, 1); /* length, by finish() */
    bytes_int(&t->all, type << 8, 2);
}

static void put(struct table *t, u64 v, unsigned size) { bytes_int(&t->all, v, size); }

/* The number of a string, which stands behind. */
static void text(struct table *t, const char *s)
{
    bytes_put(&t->strings, s, strlen(s) + 1);
    put(t, ++t->n, 1);
}

static void finish(struct table *t)
{
    bytes_set(&t->all, t->at + 1, t->all.n - t->at, 1);
    if (t->strings.n)
        bytes_put(&t->all, t->strings.p, t->strings.n);
    bytes_int(&t->all, 0, t->strings.n ? 1 : 2);
    bytes_free(&t->strings);
}

static void system_and_enclosure(struct table *t)
{
    begin(t, SYSTEM);
    text(t, "Elara");
    text(t, "virt");
    text(t, ELARA_VERSION);
    put(t, 0, 1); /* no serial number */
    put(t, 0, 8); /* no UUID */
    put(t, 0, 8);
    put(t, 6, 1);    /* woken by the power switch */
    put(t, 0, 1);    /* SKU */
    text(t, "virt"); /* family */
    finish(t);
    begin(t, ENCLOSURE);
    text(t, "Elara");
    put(t, 1, 1); /* other */
    text(t, ELARA_VERSION);
    put(t, 0, 2);
    for (unsigned i = 0; i < 3; i++)
        put(t, 3, 1); /* boot, power and thermal states: safe */
    put(t, UNKNOWN, 1);
    put(t, 0, 4);
    put(t, 0, 5); /* height, cords, contained elements, SKU */
    finish(t);
}

static void processor(struct table *t, const struct config *c)
{
    enum { CAPABLE_64 = 1 << 2, MULTI_CORE = 1 << 3, VIRTUALIZATION = 1 << 6, FAMILY_IN_2 = 0xfe, ARMV8 = 0x101 };
    unsigned few = c->cpus < 255 ? c->cpus : 255;
    begin(t, PROCESSOR);
    text(t, "CPU 0");
    put(t, 3, 1); /* central processor */
    put(t, FAMILY_IN_2, 1);
    text(t, "Elara");
    put(t, 0, 8); /* identified by MIDR_EL1 */
    text(t, c->cpu);
    put(t, 0, 1);   /* voltage */
    put(t, 0, 2);   /* external clock */
    put(t, GHZ, 2); /* an instruction takes a nanosecond */
    put(t, GHZ, 2);
    put(t, 0x41, 1); /* populated, enabled */
    put(t, 1, 1);    /* socket: other */
    for (unsigned i = 0; i < 3; i++)
        put(t, NO_HANDLE, 2); /* caches */
    put(t, 0, 3);             /* serial, asset, part */
    put(t, few, 1);
    put(t, few, 1);
    put(t, few, 1);
    put(t, CAPABLE_64 | (c->cpus > 1 ? MULTI_CORE : 0u) | (c->el2 ? VIRTUALIZATION : 0u), 2);
    put(t, ARMV8, 2);
    for (unsigned i = 0; i < 3; i++)
        put(t, c->cpus, 2);
    finish(t);
}

static void memory(struct table *t, const struct config *c)
{
    enum { ARRAY = MEMORY_ARRAY << 8, KIB = 10, MIB = 20, EXTENDED = 0x7fff, WIDE = 0xffff };
    u64 base = BOARD_RAM_BASE, last = base + c->mem - 1;
    bool far = last >> KIB >= 0xffffffff;
    begin(t, MEMORY_ARRAY);
    put(t, 3, 1); /* on the board */
    put(t, 3, 1); /* system memory */
    put(t, 3, 1); /* no error correction */
    put(t, 0x80000000, 4);
    put(t, NO_ERRORS, 2);
    put(t, 1, 2);
    put(t, c->mem, 8);
    finish(t);
    begin(t, MEMORY_DEVICE);
    put(t, ARRAY, 2);
    put(t, NO_ERRORS, 2);
    put(t, WIDE, 2);
    put(t, WIDE, 2);
    put(t, c->mem >> MIB < EXTENDED ? c->mem >> MIB : EXTENDED, 2);
    put(t, 9, 1); /* DIMM */
    put(t, 0, 1);
    text(t, "DIMM 0");
    put(t, 0, 1);
    put(t, 7, 1); /* RAM */
    put(t, 2, 2); /* other */
    put(t, 0, 2); /* speed */
    text(t, "Elara");
    put(t, 0, 3);
    put(t, 0, 1);
    put(t, c->mem >> MIB < EXTENDED ? 0 : c->mem >> MIB, 4);
    put(t, 0, 8); /* speed and voltages */
    finish(t);
    begin(t, MEMORY_ADDRESSES);
    put(t, far ? 0xffffffff : base >> KIB, 4);
    put(t, far ? 0xffffffff : last >> KIB, 4);
    put(t, ARRAY, 2);
    put(t, 1, 1);
    put(t, far ? base : 0, 8);
    put(t, far ? last : 0, 8);
    finish(t);
}

void smbios_add(struct fw_cfg *f, const struct config *c)
{
    enum { ANCHOR = 24, CHECKSUM = 5 };
    struct table t = {0};
    struct bytes anchor = {0};
    u8 sum = 0;
    system_and_enclosure(&t);
    processor(&t, c);
    memory(&t, c);
    begin(&t, BOOT);
    put(&t, 0, 6);
    put(&t, 0, 1); /* no errors */
    finish(&t);
    begin(&t, END);
    finish(&t);
    bytes_put(&anchor, "_SM3_", 5);
    bytes_int(&anchor, 0, 1);
    bytes_int(&anchor, ANCHOR, 1);
    bytes_int(&anchor, 3, 3); /* version 3.0.0 */
    bytes_int(&anchor, 1, 2); /* revision of the entry point */
    bytes_int(&anchor, t.all.n, 4);
    bytes_int(&anchor, 0, 8); /* where the firmware puts them */
    for (size_t i = 0; i < anchor.n; i++)
        sum = (u8)(sum + anchor.p[i]);
    bytes_set(&anchor, CHECKSUM, (u8)-sum, 1);
    CHECK(anchor.n == ANCHOR);
    CHECK(fw_cfg_add_file(f, "etc/smbios/smbios-tables", t.all.p, (u32)t.all.n, NULL, NULL));
    CHECK(fw_cfg_add_file(f, "etc/smbios/smbios-anchor", anchor.p, (u32)anchor.n, NULL, NULL));
    bytes_free(&t.all);
    bytes_free(&anchor);
}
