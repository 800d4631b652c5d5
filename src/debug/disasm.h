/* Instructions as text: Capstone's, and our own table's name for what it does not know. */
#pragma once
#include "core/types.h"

struct decoder;

/* "mrs x0, hcr_el2". d may be NULL; with it an instruction that only our table knows is named by its row. */
void disasm(const struct decoder *d, u32 word, u64 pc, char *buf, size_t n);
