/* ACPI Machine Language and resource descriptors (ACPI 6.5, chapters 20 and 6.4), the few forms that a static
 * description needs, appended to a growing buffer. */
#pragma once
#include "core/types.h"

struct bytes {
    u8 *p;
    size_t n, cap;
};

void bytes_put(struct bytes *b, const void *p, size_t n);
void bytes_int(struct bytes *b, u64 v, unsigned size); /* little-endian */
void bytes_set(struct bytes *b, size_t at, u64 v, unsigned size);
void bytes_pad(struct bytes *b, size_t to); /* zeroes up to offset to */
void bytes_free(struct bytes *b);

/* What has a length and ends with aml_end(); the value is for that call. */
size_t aml_scope(struct bytes *b, const char *path);              /* Scope(path) { */
size_t aml_device(struct bytes *b, const char *name);             /* Device(name) { */
size_t aml_method(struct bytes *b, const char *name, unsigned n); /* Method(name, n) { */
size_t aml_package(struct bytes *b, unsigned elements);           /* Package() { */
void aml_end(struct bytes *b, size_t mark);

void aml_integer(struct bytes *b, u64 v);
void aml_string(struct bytes *b, const char *s);
void aml_name(struct bytes *b, const char *name); /* Name(name, the object that follows) */
void aml_name_integer(struct bytes *b, const char *name, u64 v);
void aml_name_string(struct bytes *b, const char *name, const char *s);
void aml_path(struct bytes *b, const char *path); /* a reference */
void aml_op(struct bytes *b, unsigned op);        /* an opcode whose operands follow */
enum { AML_RETURN = 0xa4, AML_NOTIFY = 0x86 };

/* Name(_CRS, ResourceTemplate() { descriptors }) and the like. */
size_t aml_resources(struct bytes *b, const char *name);
void aml_resources_end(struct bytes *b, size_t mark);
void aml_memory32(struct bytes *b, u32 base, u32 size);
void aml_interrupt(struct bytes *b, u32 gsi, bool edge); /* active high, exclusive */
enum aml_space { AML_MEMORY, AML_IO, AML_BUS };
/* A window that a bridge passes on: [base, base + size) of the bus is at base + translation of the host. */
void aml_window(struct bytes *b, enum aml_space space, unsigned bytes, u64 base, u64 size, u64 translation);
/* A rising edge at a pin of a GPIO controller. */
void aml_gpio_edge(struct bytes *b, u16 pin, const char *controller);
