/* Names of addresses, from the ELF files that were loaded. */
#pragma once
#include "machine/boot.h"

/* "main+0x10" for a virtual address, or the physical one it was loaded at; false: no symbol. */
bool symbols_find(const struct boot *b, u64 addr, char *buf, size_t n);
/* " <main+0x10>", or nothing. */
const char *symbols_suffix(const struct boot *b, u64 addr, char *buf, size_t n);
