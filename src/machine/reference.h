/* The generated pages of docs/reference. */
#pragma once
#include "core/types.h"

/* Prints the page "instructions", "registers" or "features" as Markdown. False: there is no such page. */
bool reference_print(const char *page);
