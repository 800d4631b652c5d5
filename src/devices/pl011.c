/* Arm PrimeCell UART PL011 (DDI0183G).
 *
 * A transmitted byte leaves at once, so the transmit FIFO is always empty and the transmit interrupt
 * rises with each byte written.  The receiver has its FIFO, trigger level and time-out (32 bit periods
 * of virtual time at the programmed rate).  Bytes go out even while UARTEN or TXE is clear, with a line
 * in the guest-error log: early consoles of several guests rely on a UART that somebody else enabled.
 *
 * FR is a cell kept up to date, because firmware polls it at full speed.
 *
 * Not modelled: DMA requests, IrDA, modem signals (inputs read inactive), word length and parity. */
#include "devices/pl011.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/regs.h"
#include "core/snap.h"
#include "devices/primecell.h"

enum { R_DR = 0x00, R_FR = 0x18, R_LCR_H = 0x2c, R_IFLS = 0x34 };
enum { FR_RXFE = 1 << 4, FR_RXFF = 1 << 6, FR_TXFE = 1 << 7 };
enum { LCR_FEN = 1 << 4 };
enum { CR_UARTEN = 1 << 0, CR_LBE = 1 << 7, CR_TXE = 1 << 8, CR_RXE = 1 << 9 };
enum { INT_RX = 1 << 4, INT_TX = 1 << 5, INT_RT = 1 << 6, INT_FE = 1 << 7, INT_BE = 1 << 9, INT_OE = 1 << 10 };
enum { INT_ALL = 0x7ff };
enum { DR_FE = 1 << 8, DR_BE = 1 << 10, DR_OE = 1 << 11 };

static struct pl011 *self(struct device *d) { return container_of(d, struct pl011, dev); }

static void update(struct pl011 *u) { irq_set(&u->irq, (u->ris & u->imsc) != 0); }

static unsigned depth(const struct pl011 *u) { return !(u->lcr_h & LCR_FEN) ? 1 : u->cfg.deep ? 32 : 16; }

static unsigned trigger(const struct pl011 *u)
{
    static const u8 eighths[8] = {1, 2, 4, 6, 7, 7, 7, 7};
    unsigned n = depth(u) * eighths[bits(u->ifls, 5, 3)] / 8;
    return n ? n : 1;
}

static void show_level(struct pl011 *u)
{
    u->fr = FR_TXFE | (u->count ? 0 : FR_RXFE) | (u->count >= depth(u) ? FR_RXFF : 0);
}

/* ---- receiver ------------------------------------------------------------------------------- */

static void start_timeout(struct pl011 *u)
{
    if (!u->cfg.clock) {
        u->ris |= INT_RT;
        return;
    }
    /* A bit lasts 16 * (IBRD + FBRD / 64) cycles of UARTCLK. */
    u64 divisor = (u64)u->ibrd * 64 + u->fbrd;
    u64 ns = divisor ? 32 * divisor * 250000000ull / u->cfg.uartclk : 0;
    clock_schedule(u->cfg.clock, &u->timeout, clock_now(u->cfg.clock) + (ns ? ns : 277778)); /* 115200 baud */
}

static void stop_timeout(struct pl011 *u)
{
    u->ris &= ~(u32)INT_RT;
    if (u->cfg.clock)
        clock_cancel(u->cfg.clock, &u->timeout);
}

static void timed_out(void *arg)
{
    struct pl011 *u = arg;
    u->ris |= INT_RT;
    update(u);
}

static void receive(struct pl011 *u, unsigned data)
{
    if (u->count >= depth(u)) { /* the newest byte is lost; the next one read after it tells */
        u->ris |= INT_OE;
        u->rsr |= DR_OE >> 8;
        return;
    }
    u->fifo[(u->head + u->count++) % ARRAY_LEN(u->fifo)] = (u16)data;
    if (u->count >= trigger(u))
        u->ris |= INT_RX;
    if (data & DR_BE)
        u->ris |= INT_BE;
    start_timeout(u);
    show_level(u);
}

static u64 read_dr(struct device *d, unsigned i)
{
    struct pl011 *u = self(d);
    (void)i;
    if (!u->count)
        return 0;
    u32 data = u->fifo[u->head];
    u->head = (u8)((u->head + 1u) % ARRAY_LEN(u->fifo));
    u->count--;
    u->rsr = (u->rsr & DR_OE >> 8) | data >> 8;
    if (u->rsr & DR_OE >> 8)
        data |= DR_OE;
    show_level(u);
    if (u->count < trigger(u))
        u->ris &= ~(u32)INT_RX;
    if (!u->count)
        stop_timeout(u);
    update(u);
    if (!u->count && u->cfg.room)
        u->cfg.room(u->cfg.arg);
    return data;
}

bool pl011_take(struct pl011 *u, u8 *byte)
{
    bool there = u->count;
    *byte = (u8)read_dr(&u->dev, 0);
    return there;
}

static void clear_fifo(struct pl011 *u)
{
    u->head = u->count = 0;
    stop_timeout(u);
    u->ris &= ~(u32)INT_RX;
    show_level(u);
    update(u);
}

unsigned pl011_room(const struct pl011 *u) { return u->cr & CR_RXE && !(u->cr & CR_LBE) ? depth(u) - u->count : 0; }

void pl011_input(struct pl011 *u, const u8 *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        receive(u, bytes[i]);
    update(u);
}

void pl011_break(struct pl011 *u)
{
    receive(u, DR_BE | DR_FE);
    update(u);
}

/* ---- registers ------------------------------------------------------------------------------ */

static void wrote_dr(struct device *d, unsigned i, u64 old, u64 val)
{
    struct pl011 *u = self(d);
    (void)i, (void)old;
    if ((u->cr & (CR_UARTEN | CR_TXE)) != (CR_UARTEN | CR_TXE) && !u->warned) {
        u->warned = 1;
        log_guest(d->log, "%s: transmits while disabled (CR = 0x%x)", d->id, u->cr);
    }
    if (u->cr & CR_LBE)
        receive(u, (unsigned)(val & 0xff));
    else if (u->cfg.put)
        u->cfg.put(u->cfg.arg, (u8)val);
    u->ris |= INT_TX;
    update(u);
}

static void wrote_ecr(struct device *d, unsigned i, u64 old, u64 val)
{
    (void)i, (void)old, (void)val;
    self(d)->rsr = 0;
}

static void wrote_lcr_h(struct device *d, unsigned i, u64 old, u64 val)
{
    (void)i;
    if ((old ^ val) & LCR_FEN)
        clear_fifo(self(d));
}

static void wrote_mask(struct device *d, unsigned i, u64 old, u64 val)
{
    (void)i, (void)old, (void)val;
    update(self(d));
}

static void wrote_icr(struct device *d, unsigned i, u64 old, u64 val)
{
    struct pl011 *u = self(d);
    (void)i, (void)old;
    u->ris &= ~(u32)val;
    if (val & INT_OE)
        u->rsr &= ~(u32)(DR_OE >> 8);
    update(u);
}

static u64 read_mis(struct device *d, unsigned i)
{
    (void)i;
    return self(d)->ris & self(d)->imsc;
}

#define CELL(f) offsetof(struct pl011, f)
static const struct reg regs[] = {
    {.off = R_DR, .width = 4, .access = REG_RW, .name = "DR", .field = REG_NOFIELD, .read = read_dr, .wrote = wrote_dr},
    {.off = 0x04, .width = 4, .access = REG_RW, .name = "RSR", .field = CELL(rsr), .wrote = wrote_ecr},
    {.off = R_FR, .width = 4, .access = REG_RO, .name = "FR", .field = CELL(fr), .reset = FR_TXFE | FR_RXFE},
    {.off = 0x20, .width = 4, .access = REG_RW, .name = "ILPR", .field = CELL(ilpr), .mask = 0xff},
    {.off = 0x24, .width = 4, .access = REG_RW, .name = "IBRD", .field = CELL(ibrd), .mask = 0xffff},
    {.off = 0x28, .width = 4, .access = REG_RW, .name = "FBRD", .field = CELL(fbrd), .mask = 0x3f},
    {.off = R_LCR_H,
     .width = 4,
     .access = REG_RW,
     .name = "LCR_H",
     .field = CELL(lcr_h),
     .mask = 0xff,
     .wrote = wrote_lcr_h},
    {.off = 0x30, .width = 4, .access = REG_RW, .name = "CR", .field = CELL(cr), .mask = 0xff87, .reset = 0x300},
    {.off = R_IFLS, .width = 4, .access = REG_RW, .name = "IFLS", .field = CELL(ifls), .mask = 0x3f, .reset = 0x12},
    {.off = 0x38,
     .width = 4,
     .access = REG_RW,
     .name = "IMSC",
     .field = CELL(imsc),
     .mask = INT_ALL,
     .wrote = wrote_mask},
    {.off = 0x3c, .width = 4, .access = REG_RO, .name = "RIS", .field = CELL(ris)},
    {.off = 0x40, .width = 4, .access = REG_RO, .name = "MIS", .field = REG_NOFIELD, .read = read_mis},
    {.off = 0x44,
     .width = 4,
     .access = REG_WO,
     .name = "ICR",
     .field = REG_NOFIELD,
     .mask = INT_ALL,
     .wrote = wrote_icr},
    {.off = 0x48, .width = 4, .access = REG_RW, .name = "DMACR", .field = CELL(dmacr), .mask = 7},
};

static enum bus_result pl011_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct pl011 *u = self(d);
    static const u8 id[2][8] = {{0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1},
                                {0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1}};
    if (off == R_FR) {
        *val = u->fr & ones(8 * size);
        return BUS_OK;
    }
    if (primecell_read(id[u->cfg.deep], off, val))
        return BUS_OK;
    return regs_read(d, regs, ARRAY_LEN(regs), t, off, size, val);
}

static enum bus_result pl011_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    return regs_write(d, regs, ARRAY_LEN(regs), t, off, size, val);
}

static void pl011_reset(struct device *d)
{
    struct pl011 *u = self(d);
    regs_reset(d, regs, ARRAY_LEN(regs));
    u->warned = 0;
    memset(u->fifo, 0, sizeof u->fifo);
    clear_fifo(u);
}

static void pl011_state(struct device *d, struct snap *s)
{
    struct pl011 *u = self(d);
    snap_section(s, d->id);
    regs_state(d, regs, ARRAY_LEN(regs), s);
    SNAP(s, u, fifo);
    SNAP(s, u, head);
    SNAP(s, u, count);
    SNAP(s, u, warned);
    SNAP_BOOL(s, u, irq.level);
    if (s->mode == SNAP_LOAD && (u->head >= ARRAY_LEN(u->fifo) || u->count > ARRAY_LEN(u->fifo)))
        s->failed = true, u->head = u->count = 0;
    if (u->cfg.clock)
        clock_event_state(u->cfg.clock, &u->timeout, s);
}

static void pl011_destroy(struct device *d)
{
    struct pl011 *u = self(d);
    if (u->cfg.clock)
        clock_cancel(u->cfg.clock, &u->timeout);
    free(u);
}

static const struct device_ops ops = {
    .name = "pl011",
    .min_size = 1,
    .max_size = 4,
    .read = pl011_read,
    .write = pl011_write,
    .reset = pl011_reset,
    .state = pl011_state,
    .destroy = pl011_destroy,
};

struct pl011 *pl011_new(const struct pl011_config *cfg)
{
    struct pl011 *u = calloc(1, sizeof *u);
    CHECK(u);
    u->dev = (struct device){.ops = &ops, .id = cfg->id, .log = cfg->log};
    u->cfg = *cfg;
    if (!u->cfg.uartclk)
        u->cfg.uartclk = 24000000;
    snprintf(u->timeout_name, sizeof u->timeout_name, "%s-timeout", cfg->id);
    u->timeout = (struct event){.fire = timed_out, .arg = u, .name = u->timeout_name};
    pl011_reset(&u->dev);
    return u;
}
