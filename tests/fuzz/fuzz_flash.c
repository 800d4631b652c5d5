/* The CFI flash: commands, buffered programming, erasing, mode changes, reads in every mode.
 *
 *   input: read-only | program (rig.h); 6 a command in both chips, 7 a buffered write of some words */
#include "devices/flash.h"
#include "devices/le.h"
#include "rig.h"

enum { BASE = 0x1000000, SIZE = 512 << 10 };

static void changed(void *arg, u64 off, const u8 *bytes, u64 n)
{
    unsigned *sum = arg;
    CHECK(off < SIZE && n <= SIZE - off);
    for (u64 i = 0; i < n; i += 512)
        *sum += bytes[i];
}

static bool op(struct rig *r, unsigned op, struct input *in)
{
    u8 c = in8(in);
    u64 at = (u64)in16(in) * 8 % SIZE;
    switch (op) {
    case 6: rig_write(r->dev, at, 4, c | (u32)c << 16); return true;
    case 7:
        rig_write(r->dev, at, 4, 0xe800e8);
        rig_write(r->dev, at, 4, c | (u32)c << 16);
        for (unsigned i = 0; i <= c && in->n; i++)
            rig_write(r->dev, (at + 4 * i) % SIZE, 4, in8(in) * 0x1010101u);
        rig_write(r->dev, at, 4, 0xd000d0);
        return true;
    default: return false;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    struct input in = {data, n};
    struct rig r;
    unsigned sum = 0;
    rig_begin(&r);
    r.op = op;
    struct flash *f = flash_new(&(struct flash_config){
        .id = "flash", .log = &r.log, .size = SIZE, .readonly = in8(&in) & 1, .changed = changed, .arg = &sum});
    r.dev = flash_device(f);
    u32 page = bus_map_rom(r.bus, 1 << PAS_NS, BASE, SIZE, r.dev);
    bus_seal(r.bus);
    flash_attach(f, r.bus, page);
    rig_range(&r, r.dev, 0, 0x200);
    rig_range(&r, r.dev, 0, SIZE);
    rig_run(&r, &in);
    u8 b[64];
    (void)bus_read(r.bus, &rig_txn, BASE, b, sizeof b);
    rig_end(&r);
    return 0;
}
