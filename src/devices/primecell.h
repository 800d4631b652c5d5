/* The eight identification registers at the end of every PrimeCell's 4 KiB block: PeriphID0-3 and
 * PCellID0-3, a byte in each word at 0xfe0..0xffc.  Linux's amba bus finds drivers by them. */
#pragma once
#include "core/types.h"

/* True when off (with size bytes) is an identification register; *val is then its value. */
static inline bool primecell_read(const u8 id[8], u64 off, u64 *val)
{
    if (off < 0xfe0 || off >= 0x1000)
        return false;
    *val = off & 3 ? 0 : id[(off - 0xfe0) / 4];
    return true;
}
