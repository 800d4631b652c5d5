/* fw_cfg: selector, data port and DMA commands; one file that the guest may write.
 *
 *   input: program (rig.h); 6 a DMA command: key, control, length, address */
#include "devices/fw_cfg.h"
#include "devices/le.h"
#include "rig.h"

enum { COMMAND = 0x100, DATA = 0x1000 };

static void wrote(void *arg, const u8 *bytes, u32 n)
{
    unsigned *sum = arg;
    for (u32 i = 0; i < n; i++)
        *sum += bytes[i];
}

static bool op(struct rig *r, unsigned op, struct input *in)
{
    u8 b[16], how = in8(in);
    if (op != 6)
        return false;
    put_be32(b, (u32)in8(in) << 16 | (how & 0x1f) | (how & 0x80 ? (u32)in8(in) << 8 : 0));
    put_be32(b + 4, how & 0x40 ? in32(in) : in16(in));
    put_be64(b + 8, how & 0x20 ? in64(in) : RIG_RAM + DATA);
    rig_store(r, COMMAND, b, sizeof b);
    put_be32(b, RIG_RAM + COMMAND);
    rig_write(r->dev, 20, 4, get_le32(b));
    return true;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    struct input in = {data, n};
    struct rig r;
    unsigned sum = 0;
    const u8 *p;
    rig_begin(&r);
    r.op = op;
    bus_seal(r.bus);
    struct fw_cfg *f = fw_cfg_new(&(struct fw_cfg_config){.id = "fw_cfg", .log = &r.log, .dma = bus_dma(r.bus, 0)});
    r.dev = fw_cfg_device(f);
    size_t k = in_bytes(&in, in8(&in) % 32, &p);
    CHECK(fw_cfg_add_file(f, "etc/a", p, (u32)k, NULL, NULL));
    CHECK(fw_cfg_add_file(f, "etc/b", p, (u32)k, wrote, &sum));
    fw_cfg_add32(f, FW_CFG_KERNEL_SIZE, 0);
    rig_range(&r, r.dev, 0, FW_CFG_SIZE);
    rig_run(&r, &in);
    rig_end(&r);
    return 0;
}
