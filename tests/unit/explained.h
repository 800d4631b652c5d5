/* tests/golden/decode-explained.txt: differences from LLVM's disassembler, each with its reason. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/types.h"

struct explained {
    u32 mask, value;
    char scope;
};

static struct explained explained_rows[64];
static unsigned explained_count;

static void explained_load(void)
{
    char line[300];
    FILE *f = fopen(ELARA_TESTS "/golden/decode-explained.txt", "r");
    while (f && fgets(line, sizeof line, f)) {
        struct explained *e = &explained_rows[explained_count];
        if (line[0] != '#' && sscanf(line, "%x %x %c", &e->mask, &e->value, &e->scope) == 3)
            explained_count += explained_count < 63;
    }
    if (!f || !explained_count)
        abort();
    fclose(f);
}

static bool explained(u32 word, char scope)
{
    for (unsigned k = 0; k < explained_count; k++)
        if ((word & explained_rows[k].mask) == explained_rows[k].value && explained_rows[k].scope == scope)
            return true;
    return false;
}
