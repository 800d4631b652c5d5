/* NOR flash, CFI (JESD68.01) with the Intel basic command set 0001 (the model is a pair of 28F256-like
 * chips with write buffer).
 *
 * Both chips see each 32-bit access: software writes commands twice (0x00980098) and reads answers twice;
 * the low byte of a write is the command.  In read-array mode the bank is ROM on the bus and only
 * writes arrive here; any other mode takes it off the bus, so that reads arrive too.  Programming clears
 * bits only, erasing sets a block to ones; both complete at once.
 *
 * Not modelled: block locking (commands accepted, blocks always unlocked), suspend, protection
 * registers, the two chips being in different modes. */
#include "devices/flash.h"

#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"

enum { BUFFER = 4096 }; /* write buffer, both chips together */
enum { SR_READY = 0x80, SR_ERASE_ERROR = 0x20, SR_PROGRAM_ERROR = 0x10, SR_LOCKED = 0x02 };

enum mode { MODE_ARRAY, MODE_STATUS, MODE_QUERY, MODE_ID };
enum cycle {
    CYCLE_COMMAND,
    CYCLE_PROGRAM, /* the word to program */
    CYCLE_ERASE,   /* confirmation */
    CYCLE_LOCK,    /* which kind */
    CYCLE_COUNT,   /* words - 1 for the write buffer */
    CYCLE_DATA,
    CYCLE_CONFIRM,
};

struct flash {
    struct device dev;
    struct flash_config cfg;
    struct bus *bus;
    u8 *bytes;
    u32 first_page;
    /* guest-visible, besides the content, which is the bus's */
    u8 mode, cycle, status;
    u32 left;      /* writes that the buffer still takes */
    u64 buffer_at; /* offset of the aligned area that the buffer is for; ~0: none yet */
    u8 buffer[BUFFER];
    u8 filled[BUFFER]; /* 1: this byte of the buffer was written */
};

static struct flash *self(struct device *d) { return container_of(d, struct flash, dev); }

static void set_mode(struct flash *f, enum mode mode)
{
    f->mode = (u8)mode;
    if (f->bus)
        bus_rom_mode(f->bus, &f->dev, mode == MODE_ARRAY);
}

/* The content of [off, off + n) changed; n does not have to stay within a page. */
static void changed(struct flash *f, u64 off, u64 n)
{
    for (u64 at = off; at < off + n;) {
        u64 in = at % PAGE_SIZE, k = PAGE_SIZE - in < off + n - at ? PAGE_SIZE - in : off + n - at;
        ram_written(f->bus, f->first_page + (u32)(at / PAGE_SIZE), (u32)in, (u32)k);
        at += k;
    }
    if (f->cfg.changed)
        f->cfg.changed(f->cfg.arg, off, f->bytes + off, n);
}

static bool writable(struct flash *f, u8 error)
{
    if (!f->cfg.readonly && f->bytes)
        return true;
    f->status |= error | SR_LOCKED;
    return false;
}

static void program(struct flash *f, u64 off, unsigned size, u64 val)
{
    if (!writable(f, SR_PROGRAM_ERROR))
        return;
    for (unsigned i = 0; i < size; i++)
        f->bytes[off + i] &= (u8)(val >> (8 * i));
    changed(f, off, size);
}

static void erase(struct flash *f, u64 off)
{
    if (!writable(f, SR_ERASE_ERROR))
        return;
    off &= ~(u64)(FLASH_BLOCK - 1);
    memset(f->bytes + off, 0xff, FLASH_BLOCK);
    changed(f, off, FLASH_BLOCK);
}

static void buffer_data(struct flash *f, u64 off, unsigned size, u64 val)
{
    u64 area = off & ~(u64)(BUFFER - 1);
    if (f->buffer_at == ~0ull)
        f->buffer_at = area;
    if (area != f->buffer_at) {
        f->status |= SR_PROGRAM_ERROR;
    } else {
        for (unsigned i = 0; i < size; i++) {
            f->buffer[off % BUFFER + i] = (u8)(val >> (8 * i));
            f->filled[off % BUFFER + i] = 1;
        }
    }
    if (!f->left--)
        f->cycle = CYCLE_CONFIRM;
}

static void buffer_commit(struct flash *f)
{
    if (f->status & SR_PROGRAM_ERROR || f->buffer_at == ~0ull || !writable(f, SR_PROGRAM_ERROR))
        return;
    u8 *to = f->bytes + f->buffer_at;
    for (unsigned i = 0; i < BUFFER; i++)
        if (f->filled[i])
            to[i] &= f->buffer[i];
    changed(f, f->buffer_at, BUFFER);
}

static void clear_buffer(struct flash *f)
{
    memset(f->buffer, 0, sizeof f->buffer);
    memset(f->filled, 0, sizeof f->filled);
    f->left = 0;
    f->buffer_at = ~0ull;
}

/* ---- commands ------------------------------------------------------------------------------- */

static void command(struct flash *f, u64 off, u8 cmd)
{
    switch (cmd) {
    case 0x00: /* what guests of other command sets send to get back to the array */
    case 0xf0:
    case 0xff: set_mode(f, MODE_ARRAY); return;
    case 0x10:
    case 0x40:
        f->cycle = CYCLE_PROGRAM;
        set_mode(f, MODE_STATUS);
        return;
    case 0x20:
        f->cycle = CYCLE_ERASE;
        set_mode(f, MODE_STATUS);
        return;
    case 0x50: f->status = SR_READY; return;
    case 0x60:
        f->cycle = CYCLE_LOCK;
        set_mode(f, MODE_STATUS);
        return;
    case 0x70: set_mode(f, MODE_STATUS); return;
    case 0x90: set_mode(f, MODE_ID); return;
    case 0x98: set_mode(f, MODE_QUERY); return;
    case 0xe8:
        clear_buffer(f);
        f->cycle = CYCLE_COUNT;
        set_mode(f, MODE_STATUS);
        return;
    }
    log_guest(f->dev.log, "%s: unknown command 0x%02x at 0x%llx", f->dev.id, cmd, (unsigned long long)off);
    set_mode(f, MODE_ARRAY);
}

static enum bus_result flash_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct flash *f = self(d);
    u8 cmd = (u8)val;
    if (t->debug)
        return BUS_OK;
    u8 cycle = f->cycle;
    if (cycle != CYCLE_DATA)
        f->cycle = CYCLE_COMMAND;
    switch ((enum cycle)cycle) {
    case CYCLE_COMMAND: command(f, off, cmd); break;
    case CYCLE_PROGRAM: program(f, off, size, val); break;
    case CYCLE_ERASE:
        if (cmd == 0xd0)
            erase(f, off);
        else
            f->status |= SR_ERASE_ERROR | SR_PROGRAM_ERROR; /* command sequence error */
        break;
    case CYCLE_LOCK: break;
    case CYCLE_COUNT:
        f->left = (u32)val & 0xffff;
        f->cycle = CYCLE_DATA;
        if (f->left >= BUFFER / 4) {
            f->status |= SR_PROGRAM_ERROR;
            f->cycle = CYCLE_COMMAND;
        }
        break;
    case CYCLE_DATA: buffer_data(f, off, size, val); break;
    case CYCLE_CONFIRM:
        if (cmd == 0xd0)
            buffer_commit(f);
        else
            f->status |= SR_ERASE_ERROR | SR_PROGRAM_ERROR;
        clear_buffer(f);
        break;
    }
    return BUS_OK;
}

/* ---- reads outside read-array mode ---------------------------------------------------------- */

/* One chip's CFI data (JESD68.01) at a word address. */
static u8 query(const struct flash *f, u64 at)
{
    u64 blocks = f->cfg.size / FLASH_BLOCK, chip_block = FLASH_BLOCK / 2;
    static const u8 fixed[] = {
        [0x10] = 'Q',  'R',  'Y',  0x01, 0x00,          0x31,       0x00,       /* Intel commands, extension at 0x31 */
        [0x1b] = 0x45, 0x55, 0x00, 0x00, 0x07,          0x07,       0x0a, 0x00, /* supply, typical times */
        [0x23] = 0x04, 0x04, 0x04, 0x00, [0x28] = 0x02, 0x00,       0x0b,       /* maximum times, x16, 2 KiB buffer */
        [0x2c] = 1,                                                             /* one region of equal blocks */
        [0x31] = 'P',  'R',  'I',  '1',  '0',           [0x3f] = 1,
    };
    switch (at) {
    case 0x27: return (u8)(__builtin_ctzll(f->cfg.size) - 1); /* of one chip */
    case 0x2d: return (u8)(blocks - 1);
    case 0x2e: return (u8)((blocks - 1) >> 8);
    case 0x2f: return (u8)(chip_block >> 8);
    case 0x30: return (u8)(chip_block >> 16);
    }
    return at < sizeof fixed ? fixed[at] : 0;
}

static enum bus_result flash_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    const struct flash *f = self(d);
    u64 chip = 0, word = off / 4;
    (void)t;
    switch ((enum mode)f->mode) {
    case MODE_ARRAY: /* not reached by way of the bus */
        *val = 0;
        for (unsigned i = 0; f->bytes && i < size; i++)
            *val |= (u64)f->bytes[off + i] << (8 * i);
        return BUS_OK;
    case MODE_STATUS: chip = f->status; break;
    case MODE_QUERY: chip = query(f, word); break;
    case MODE_ID: /* manufacturer, device, then per block: 0, not locked */
        chip = (word & 0xff) == 0 ? 0x89 : (word & 0xff) == 1 ? 0x18 : 0;
        break;
    }
    *val = (chip | chip << 16) >> (8 * (off & 3)) & ones(8 * size);
    return BUS_OK;
}

/* ---- life ----------------------------------------------------------------------------------- */

/* The content stays: it is not volatile. */
static void flash_reset(struct device *d)
{
    struct flash *f = self(d);
    f->cycle = CYCLE_COMMAND;
    f->status = SR_READY;
    clear_buffer(f);
    set_mode(f, MODE_ARRAY);
}

static void flash_state(struct device *d, struct snap *s)
{
    struct flash *f = self(d);
    snap_section(s, d->id);
    SNAP(s, f, mode);
    SNAP(s, f, cycle);
    SNAP(s, f, status);
    SNAP(s, f, left);
    SNAP(s, f, buffer_at);
    SNAP(s, f, buffer);
    SNAP(s, f, filled);
    if (s->mode != SNAP_LOAD)
        return;
    bool area_ok = f->buffer_at == ~0ull || (f->buffer_at < f->cfg.size && f->buffer_at % BUFFER == 0);
    if (s->failed || f->mode > MODE_ID || f->cycle > CYCLE_CONFIRM || !area_ok) {
        s->failed = true;
        flash_reset(d);
    }
    set_mode(f, (enum mode)f->mode);
}

static const struct device_ops ops = {
    .name = "cfi-flash",
    .min_size = 1,
    .max_size = 4,
    .read = flash_read,
    .write = flash_write,
    .reset = flash_reset,
    .state = flash_state,
};

struct flash *flash_new(const struct flash_config *cfg)
{
    struct flash *f = calloc(1, sizeof *f);
    CHECK(f && is_pow2(cfg->size) && cfg->size >= 2 * FLASH_BLOCK);
    f->dev = (struct device){.ops = &ops, .id = cfg->id, .log = cfg->log};
    f->cfg = *cfg;
    flash_reset(&f->dev);
    return f;
}

struct device *flash_device(struct flash *f) { return &f->dev; }

void flash_attach(struct flash *f, struct bus *bus, u32 first_page)
{
    f->bus = bus;
    f->first_page = first_page;
    f->bytes = bus_page_ptr(bus, first_page);
}
