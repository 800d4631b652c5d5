/* Declarative device registers: a table says offset, width, access and side effects; one function
 * dispatches, logs guest errors and resets.  A generic test pokes every register of every table. */
#pragma once
#include "core/bus.h"
#include "core/types.h"

enum reg_access { REG_RO, REG_RW, REG_WO, REG_W1C, REG_RAZWI };

struct reg {
    u32 off;   /* of the first register */
    u8 width;  /* bytes: 1, 2, 4 or 8 */
    u8 access; /* enum reg_access */
    u16 count; /* registers in the array (0 and 1: one), each width bytes after the other */
    const char *name;
    u64 mask; /* writable (RW, WO) or clearable (W1C) bits */
    u64 reset;
    u32 field;                                /* offsetof the cell in the device's struct; REG_NOFIELD: hooks only */
    u64 (*read)(struct device *, unsigned i); /* replaces the cell's value */
    void (*wrote)(struct device *, unsigned i, u64 old, u64 val); /* after the cell was changed; val as written */
};
enum { REG_NOFIELD = 0xffffffffu };

/* Finds and performs the access of size bytes at off (naturally aligned; the table's device_ops give
 * the sizes). An access narrower than the register reads or changes just those bytes. */
enum bus_result regs_read(struct device *, const struct reg *, unsigned n, const struct txn *, u64 off, unsigned size,
                          u64 *val);
enum bus_result regs_write(struct device *, const struct reg *, unsigned n, const struct txn *, u64 off, unsigned size,
                           u64 val);
/* Sets every cell to its reset value. */
void regs_reset(struct device *, const struct reg *, unsigned n);
/* Visits every cell. */
void regs_state(struct device *, const struct reg *, unsigned n, struct snap *);
