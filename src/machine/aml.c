/* ACPI Machine Language, see aml.h.  Package lengths are always written in the three-byte form. */
#include "machine/aml.h"

#include <stdlib.h>
#include <string.h>

#include "core/check.h"

void bytes_put(struct bytes *b, const void *p, size_t n)
{
    if (b->n + n > b->cap) {
        b->cap = 2 * (b->n + n) + 256;
        b->p = realloc(b->p, b->cap);
        CHECK(b->p);
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

void bytes_int(struct bytes *b, u64 v, unsigned size)
{
    u8 le[8];
    for (unsigned i = 0; i < size; i++)
        le[i] = (u8)(v >> 8 * i);
    bytes_put(b, le, size);
}

void bytes_set(struct bytes *b, size_t at, u64 v, unsigned size)
{
    CHECK(at + size <= b->n);
    for (unsigned i = 0; i < size; i++)
        b->p[at + i] = (u8)(v >> 8 * i);
}

void bytes_pad(struct bytes *b, size_t to)
{
    while (b->n < to)
        bytes_int(b, 0, 1);
}

void bytes_free(struct bytes *b)
{
    free(b->p);
    *b = (struct bytes){0};
}

/* ---- terms -------------------------------------------------------------------------------------- */

/* A NameString: an optional root, then one segment or two, each of four characters. */
void aml_path(struct bytes *b, const char *path)
{
    if (*path == '\\') {
        bytes_put(b, path++, 1);
        if (!*path) {
            bytes_int(b, 0, 1); /* the root alone */
            return;
        }
    }
    size_t n = strlen(path);
    if (n > 4) { /* "ABCDEFGH": two segments */
        CHECK(n == 8);
        bytes_int(b, 0x2e, 1);
    }
    bytes_put(b, path, n);
    for (; n < 4; n++)
        bytes_put(b, "_", 1);
}

/* The length is known at the end. */
static size_t begin(struct bytes *b)
{
    size_t mark = b->n;
    bytes_int(b, 0, 3);
    return mark;
}

void aml_end(struct bytes *b, size_t mark)
{
    size_t n = b->n - mark;
    CHECK(n < 1 << 20);
    bytes_set(b, mark, 2u << 6 | (n & 15) | (u64)(n >> 4) << 8, 3);
}

void aml_op(struct bytes *b, unsigned op)
{
    if (op > 0xff)
        bytes_int(b, op >> 8, 1);
    bytes_int(b, op & 0xff, 1);
}

size_t aml_scope(struct bytes *b, const char *path)
{
    aml_op(b, 0x10);
    size_t mark = begin(b);
    aml_path(b, path);
    return mark;
}

size_t aml_device(struct bytes *b, const char *name)
{
    aml_op(b, 0x5b82);
    size_t mark = begin(b);
    aml_path(b, name);
    return mark;
}

size_t aml_method(struct bytes *b, const char *name, unsigned n)
{
    aml_op(b, 0x14);
    size_t mark = begin(b);
    aml_path(b, name);
    bytes_int(b, n, 1);
    return mark;
}

size_t aml_package(struct bytes *b, unsigned elements)
{
    aml_op(b, 0x12);
    size_t mark = begin(b);
    bytes_int(b, elements, 1);
    return mark;
}

void aml_integer(struct bytes *b, u64 v)
{
    if (v <= 1) {
        bytes_int(b, v, 1); /* Zero, One */
        return;
    }
    unsigned size = v <= 0xff ? 1 : v <= 0xffff ? 2 : v <= 0xffffffff ? 4 : 8;
    aml_op(b, size == 1 ? 0x0a : size == 2 ? 0x0b : size == 4 ? 0x0c : 0x0e);
    bytes_int(b, v, size);
}

void aml_string(struct bytes *b, const char *s)
{
    aml_op(b, 0x0d);
    bytes_put(b, s, strlen(s) + 1);
}

void aml_name(struct bytes *b, const char *name)
{
    aml_op(b, 0x08);
    aml_path(b, name);
}

void aml_name_integer(struct bytes *b, const char *name, u64 v)
{
    aml_name(b, name);
    aml_integer(b, v);
}

void aml_name_string(struct bytes *b, const char *name, const char *s)
{
    aml_name(b, name);
    aml_string(b, s);
}

/* ---- resource descriptors ------------------------------------------------------------------------- */

/* Name, then Buffer(word) { ... }: the word is the length of what follows it. */
size_t aml_resources(struct bytes *b, const char *name)
{
    aml_name(b, name);
    aml_op(b, 0x11);
    size_t mark = begin(b);
    aml_op(b, 0x0b);
    bytes_int(b, 0, 2);
    return mark;
}

void aml_resources_end(struct bytes *b, size_t mark)
{
    bytes_int(b, 0x0079, 2); /* end tag, no checksum */
    bytes_set(b, mark + 4, b->n - mark - 6, 2);
    aml_end(b, mark);
}

void aml_memory32(struct bytes *b, u32 base, u32 size)
{
    bytes_int(b, 0x86, 1);
    bytes_int(b, 9, 2);
    bytes_int(b, 1, 1); /* writable */
    bytes_int(b, base, 4);
    bytes_int(b, size, 4);
}

void aml_interrupt(struct bytes *b, u32 gsi, bool edge)
{
    bytes_int(b, 0x89, 1);
    bytes_int(b, 6, 2);
    bytes_int(b, 1u | (u32)edge << 1, 1); /* consumer */
    bytes_int(b, 1, 1);
    bytes_int(b, gsi, 4);
}

void aml_window(struct bytes *b, enum aml_space space, unsigned size, u64 base, u64 length, u64 translation)
{
    bytes_int(b, size == 2 ? 0x88 : size == 4 ? 0x87 : 0x8a, 1);
    bytes_int(b, 3 + 5 * size, 2);
    bytes_int(b, space, 1);
    bytes_int(b, 0x0c, 1); /* producer; minimum and maximum are fixed */
    bytes_int(b, space == AML_MEMORY ? 1 : space == AML_IO ? 3 : 0, 1);
    bytes_int(b, 0, size);
    bytes_int(b, base, size);
    bytes_int(b, base + length - 1, size);
    bytes_int(b, translation, size);
    bytes_int(b, length, size);
}

void aml_gpio_edge(struct bytes *b, u16 pin, const char *controller)
{
    size_t name = strlen(controller) + 1;
    enum { PINS = 23 }; /* offset of the pin table */
    bytes_int(b, 0x8c, 1);
    bytes_int(b, PINS + 2 + name - 3, 2);
    bytes_int(b, 1, 1);    /* revision */
    bytes_int(b, 0, 1);    /* interrupt */
    bytes_int(b, 1, 2);    /* consumer */
    bytes_int(b, 0x11, 2); /* edge, active high, exclusive, wake capable */
    bytes_int(b, 1, 1);    /* pull up */
    bytes_int(b, 0, 2);
    bytes_int(b, 0, 2);
    bytes_int(b, PINS, 2);
    bytes_int(b, 0, 1);
    bytes_int(b, PINS + 2, 2);
    bytes_int(b, PINS + 2 + name, 2);
    bytes_int(b, 0, 2);
    bytes_int(b, pin, 2);
    bytes_put(b, controller, name);
}
