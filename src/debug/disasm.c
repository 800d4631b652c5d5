/* Instructions as text.
 *
 * Debian's Capstone 4 knows Armv8.0 to v8.3 in part; a word it refuses but our table has is shown as the row's name
 * (that of the architecture's encodings) with the word. */
#include "debug/disasm.h"

#include <stdio.h>

#include "cpu/a64.h"
#include "debug/capstone.h"

static bool capstone_text(const struct capstone *cs, u32 word, u64 pc, char *buf, size_t n)
{
    csh handle;
    cs_insn *insn;
    const u8 bytes[4] = {(u8)word, (u8)(word >> 8), (u8)(word >> 16), (u8)(word >> 24)};
    if (cs->open(CS_ARCH_ARM64, CS_MODE_ARM, &handle) != CS_ERR_OK)
        return false;
    size_t count = cs->disasm(handle, bytes, sizeof bytes, pc, 1, &insn);
    if (count) {
        snprintf(buf, n, "%s%s%s", insn->mnemonic, insn->op_str[0] ? " " : "", insn->op_str);
        cs->free(insn, count);
    }
    cs->close(&handle);
    return count != 0;
}

void disasm(const struct decoder *d, u32 word, u64 pc, char *buf, size_t n)
{
    struct capstone cs;
    bool there = capstone_load(&cs);
    if (there && capstone_text(&cs, word, pc, buf, n))
        return;
    const char *hint = there ? "" : "; for operands install the library " CAPSTONE_LIBRARY;
    int row = d ? decode_row(d, word) : -1;
    if (row >= 0)
        snprintf(buf, n, "%s (0x%08x)%s", a64_rows[row].name, word, hint);
    else
        snprintf(buf, n, ".inst 0x%08x%s", word, hint);
}
