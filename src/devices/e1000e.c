/* Intel 82574L: registers, PHY, NVM, interrupts (data sheet 317694). The link is always up at 1000 Mb/s.
 *
 * Interrupts are sent when a cause is set: the throttles (ITR, EITR), the timers (RDTR, TIDV) and the flash behind BAR
 * 1 are registers without effect; so are the statistics, which count nothing.
 *
 * Frames leave DELAY ns after the write of TDT that announces them. */
#include "devices/e1000e.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "core/snap.h"
#include "devices/e1000e_internal.h"
#include "devices/le.h"

enum { DELAY = 5000, VECTORS = 5, BAR_FLASH = 1, BAR_IO = 2, BAR_MSIX = 3, MSIX_PBA = 0x2000 };
enum {
    EECD = 0x0010,
    EERD = 0x0014,
    CTRL_EXT = 0x0018,
    MDIC = 0x0020,
    VET = 0x0038,
    ICR = 0x00c0,
    ICS = 0x00c8,
    IMS = 0x00d0,
    IMC = 0x00d8,
    EIAC = 0x00dc,
    IAM = 0x00e0,
    IVAR = 0x00e4,
    EXTCNF_CTRL = 0x0f00,
    PBA = 0x1000,
    EEMNGCTL = 0x1010,
    STATS = 0x4000,
    STATS_END = 0x4200,
    SWSM = 0x5b50,
    FWSM = 0x5b54,
};
enum { CTRL_RST = 1 << 26, CTRL_PHY_RST = 1u << 31, CTRL_MASTER_OFF = 1 << 2, CTRL_SLU = 1 << 6 };
enum { STATUS_FD = 1, STATUS_LU = 2, STATUS_1000 = 2 << 6, STATUS_PHYRA = 1 << 10, STATUS_MASTER = 1 << 19 };
enum { CTRL_EXT_IAME = 1 << 27, CTRL_EXT_EIAME = 1 << 24, EECD_AUTO_RD = 1 << 9, EECD_PRES = 1 << 8 };
enum { MDIC_READY = 1 << 28, MDIC_ERROR = 1 << 30, MDIC_WRITE = 1, MDIC_READ = 2 };
enum {
    PHY_BMCR,
    PHY_BMSR,
    PHY_ID1,
    PHY_ID2,
    PHY_ADVERTISE,
    PHY_PARTNER,
    PHY_GCTRL = 9,
    PHY_GSTATUS,
    PHY_SPECIFIC = 17
};
enum { NVM_WORDS = 64, NVM_SUM = 0xbaba };

static struct e1000e *self(struct pci_fn *f) { return container_of(f, struct e1000e, fn); }
static u32 *reg(struct e1000e *n, u32 off) { return e1000e_reg(n, off); }

/* ---- interrupts --------------------------------------------------------------------------------- */

/* IVAR: 4 bits a cause, bit 3 valid, bits 2:0 the vector. */
static const struct {
    u32 cause;
    u8 shift;
} vectors[] = {{CAUSE_RXQ0, 0}, {CAUSE_RXQ0 << 1, 4}, {CAUSE_TXQ0, 8}, {CAUSE_TXQ0 << 1, 12}, {CAUSE_OTHER, 16}};

static void update_pin(struct e1000e *n)
{
    bool on = *reg(n, ICR) & *reg(n, IMS);
    *reg(n, ICR) = (*reg(n, ICR) & ~CAUSE_ASSERTED) | (on ? CAUSE_ASSERTED : 0);
    pci_set_intx(&n->fn, on && !pci_msix_enabled(&n->fn));
}

/* One message a cause that is enabled; EIAC clears it by itself, IAME and EIAME mask it too (7.4.3). */
static void send_messages(struct e1000e *n, u32 causes)
{
    for (unsigned i = 0; i < ARRAY_LEN(vectors); i++) {
        u32 c = vectors[i].cause, ivar = *reg(n, IVAR) >> vectors[i].shift;
        if (!(causes & c & *reg(n, IMS)) || !(ivar & 8) || (ivar & 7) >= VECTORS)
            continue;
        pci_msix_send(&n->fn, ivar & 7);
        if (*reg(n, CTRL_EXT) & CTRL_EXT_EIAME)
            *reg(n, IMS) &= ~(*reg(n, IAM) & c);
        *reg(n, ICR) &= ~(*reg(n, EIAC) & c);
    }
}

void e1000e_cause(struct e1000e *n, u32 causes)
{
    const u32 queues = CAUSE_RXQ0 * 3u | CAUSE_TXQ0 * 3u;
    if (causes & (CAUSE_LSC | CAUSE_RXO))
        causes |= CAUSE_OTHER;
    u32 fresh = causes & ~*reg(n, ICR);
    *reg(n, ICR) |= causes;
    if (pci_msix_enabled(&n->fn))
        send_messages(n, fresh | (causes & queues));
    update_pin(n);
}

static u32 read_icr(struct e1000e *n)
{
    u32 v = *reg(n, ICR);
    bool clears = pci_msix_enabled(&n->fn) || v & CAUSE_ASSERTED || !*reg(n, IMS);
    if (clears)
        *reg(n, ICR) = 0;
    if (v & CAUSE_ASSERTED && *reg(n, CTRL_EXT) & CTRL_EXT_IAME)
        *reg(n, IMS) &= ~*reg(n, IAM);
    update_pin(n);
    return v;
}

/* ---- PHY and NVM ---------------------------------------------------------------------------------- */

static void reset_phy(struct e1000e *n)
{
    static const u16 power_on[32] = {
        [PHY_BMCR] = 0x1140, /* autonegotiation, 1000 Mb/s, full duplex */
        [PHY_BMSR] = 0x796d, /* all modes, autonegotiation complete, link up */
        [PHY_ID1] = 0x0141,  /* BME1000, revision 1 */
        [PHY_ID2] = 0x0cb1,      [PHY_ADVERTISE] = 0x0de1,
        [PHY_PARTNER] = 0x4de1,  [6] = 0x000f,           /* next pages, partner can negotiate */
        [PHY_GCTRL] = 0x0e00,    [PHY_GSTATUS] = 0x3c00, /* partner does 1000 Mb/s, receivers fine */
        [15] = 0x3000,           [16] = 0x0360,
        [PHY_SPECIFIC] = 0xac08, /* 1000 Mb/s, full duplex, resolved, link */
    };
    memcpy(n->phy, power_on, sizeof power_on);
}

static void mdic(struct e1000e *n, u32 v)
{
    unsigned r = v >> 16 & 31, op = v >> 26 & 3;
    static const u32 read_only =
        1u << PHY_BMSR | 1u << PHY_ID1 | 1u << PHY_ID2 | 1u << PHY_PARTNER | 1u << PHY_GSTATUS | 1u << PHY_SPECIFIC;
    if ((v >> 21 & 31) != 1 || (op != MDIC_WRITE && op != MDIC_READ)) {
        *reg(n, MDIC) = v | MDIC_ERROR | MDIC_READY;
        return;
    }
    if (op == MDIC_READ)
        v = (v & ~0xffffu) | n->phy[r];
    else if (!(read_only >> r & 1))
        n->phy[r] = (u16)v & (r == PHY_BMCR ? 0x7dff : 0xffff); /* reset and restart are done at once */
    *reg(n, MDIC) = v | MDIC_READY;
}

/* The words are made on reading: the address, an identity, and a sum over all of NVM_SUM. */
static u16 nvm_word(const struct e1000e *n, unsigned i)
{
    switch (i) {
    case 0:
    case 1:
    case 2: return get_le16(n->cfg.mac + 2 * i);
    case 0x0b: return 0x8086;
    case 0x0d: return 0x10d3;
    case 0x0f: return 0x0600; /* control word 2: nothing special */
    case NVM_WORDS - 1: {
        u16 sum = 0;
        for (unsigned k = 0; k < NVM_WORDS - 1; k++)
            sum = (u16)(sum + nvm_word(n, k));
        return (u16)(NVM_SUM - sum);
    }
    default: return 0;
    }
}

static void eerd(struct e1000e *n, u32 v)
{
    if (v & 1) /* START: done at once */
        v = (v & 0xfffe) | 2 | (u32)nvm_word(n, v >> 2 & 0x3fff) << 16;
    *reg(n, EERD) = v;
}

/* ---- registers ------------------------------------------------------------------------------------ */

static void reset_registers(struct e1000e *n)
{
    memset(n->reg, 0, sizeof n->reg);
    *reg(n, E_CTRL) = 0x00140201;
    *reg(n, E_STATUS) = STATUS_FD | STATUS_LU | STATUS_1000 | STATUS_PHYRA | STATUS_MASTER;
    *reg(n, EECD) = EECD_AUTO_RD | EECD_PRES;
    *reg(n, MDIC) = MDIC_READY;
    *reg(n, VET) = 0x8100;
    *reg(n, PBA) = 0x00140014;
    *reg(n, EEMNGCTL) = 1u << 31 | 3u << 18; /* configuration of the ports is done */
    *reg(n, E_RA) = get_le32(n->cfg.mac);
    *reg(n, E_RA + 4) = get_le16(n->cfg.mac + 4) | 1u << 31;
    n->frame_len = 0;
    n->context = (struct e1000e_context){0};
    n->popts = 0;
    n->tse = n->refused = false;
    clock_cancel(n->cfg.clock, &n->transmit);
}

static u32 read_reg(struct e1000e *n, u32 off)
{
    if (off >= STATS && off < STATS_END)
        return 0; /* nothing is counted */
    switch (off) {
    case ICR: return read_icr(n);
    case IMC: return *reg(n, IMS);
    case ICS: return *reg(n, ICR);
    default: return *reg(n, off);
    }
}

/* New descriptors: a frame that was refused may come again. */
static void room(struct e1000e *n)
{
    if (!n->refused)
        return;
    n->refused = false;
    if (n->cfg.net.room)
        n->cfg.net.room(n->cfg.net.arg);
}

static void write_ctrl(struct e1000e *n, u32 v)
{
    if (v & CTRL_RST) {
        reset_registers(n);
        return;
    }
    bool up = v & CTRL_SLU && !(*reg(n, E_CTRL) & CTRL_SLU);
    if (v & CTRL_PHY_RST)
        reset_phy(n);
    *reg(n, E_CTRL) = v & ~(u32)CTRL_PHY_RST;
    u32 *s = reg(n, E_STATUS);
    *s = (*s & ~(u32)STATUS_MASTER) | (v & CTRL_MASTER_OFF ? 0 : STATUS_MASTER);
    if (up)
        e1000e_cause(n, CAUSE_LSC);
}

static void write_reg(struct e1000e *n, u32 off, u32 v)
{
    switch (off) {
    case E_CTRL:
    case E_CTRL + 4: write_ctrl(n, v); return;
    case E_STATUS: return;
    case EECD: *reg(n, EECD) = (v & 0xff) | EECD_AUTO_RD | EECD_PRES | (v & 1 << 6 ? 1 << 7 : 0); return;
    case EERD: eerd(n, v); return;
    case MDIC: mdic(n, v); return;
    case ICR:
        *reg(n, ICR) &= ~v;
        update_pin(n);
        return;
    case ICS: e1000e_cause(n, v & ~CAUSE_ASSERTED); return;
    case IMS: {
        u32 waiting = *reg(n, ICR) & v & ~*reg(n, IMS);
        *reg(n, IMS) |= v;
        if (pci_msix_enabled(&n->fn))
            send_messages(n, waiting);
        update_pin(n);
        return;
    }
    case IMC:
        *reg(n, IMS) &= ~v;
        update_pin(n);
        return;
    case E_RDT:
    case E_RDT + 0x100:
        *reg(n, off) = v & 0xffff;
        room(n);
        return;
    case E_RCTL:
        *reg(n, off) = v;
        room(n);
        return;
    case E_TDT:
    case E_TDT + 0x100:
        *reg(n, off) = v & 0xffff;
        if (!clock_pending(&n->transmit))
            clock_schedule(n->cfg.clock, &n->transmit, clock_now(n->cfg.clock) + DELAY);
        return;
    case E_RDH:
    case E_RDH + 0x100:
    case E_TDH:
    case E_TDH + 0x100: *reg(n, off) = v & 0xffff; return;
    case FWSM: return;
    default: *reg(n, off) = v; return;
    }
}

static u64 bar_read(struct pci_fn *f, const struct txn *t, unsigned bar, u64 off, unsigned size)
{
    struct e1000e *n = self(f);
    if (bar == BAR_MSIX)
        return pci_msix_inside(f, bar, off) ? pci_msix_read(f, off, size) : 0;
    if (bar == BAR_FLASH)
        return ones(8 * size);
    if (bar == BAR_IO)
        return off < 4 ? n->io_addr : off < 8 && n->io_addr < E_REGS ? read_reg(n, n->io_addr & ~3u) : 0;
    u32 at = (u32)off & ~3u;
    u64 v = t->debug ? *reg(n, at) : read_reg(n, at);
    if (size == 8)
        return v | (u64)(t->debug ? *reg(n, at + 4) : read_reg(n, at + 4)) << 32;
    return v >> 8 * (off & 3);
}

static void bar_write(struct pci_fn *f, const struct txn *t, unsigned bar, u64 off, unsigned size, u64 val)
{
    struct e1000e *n = self(f);
    (void)t;
    if (bar == BAR_MSIX) {
        if (pci_msix_inside(f, bar, off))
            pci_msix_write(f, off, size, val);
    } else if (bar == BAR_IO) {
        if (off < 4)
            n->io_addr = (u32)val;
        else if (n->io_addr < E_REGS)
            write_reg(n, n->io_addr & ~3u, (u32)val);
    } else if (bar == 0 && size >= 4) {
        write_reg(n, (u32)off, (u32)val);
        if (size == 8)
            write_reg(n, (u32)off + 4, (u32)(val >> 32));
    } else if (bar == 0) {
        log_guest(f->log, "%s: write of %u bytes at 0x%llx", f->id, size, (unsigned long long)off);
    }
}

/* ---- life ----------------------------------------------------------------------------------------- */

static void transmit(void *arg) { e1000e_transmit(arg); }

static void reset(struct pci_fn *f)
{
    struct e1000e *n = self(f);
    reset_registers(n);
    reset_phy(n);
    n->io_addr = 0;
    update_pin(n);
}

static void config_wrote(struct pci_fn *f, unsigned off, unsigned size)
{
    (void)off, (void)size;
    update_pin(self(f)); /* MSI-X may have been enabled or disabled */
}

static void state(struct pci_fn *f, struct snap *s)
{
    struct e1000e *n = self(f);
    SNAP(s, n, reg);
    SNAP(s, n, phy);
    SNAP(s, n, io_addr);
    SNAP(s, n, context.ipcss);
    SNAP(s, n, context.ipcso);
    SNAP(s, n, context.tucss);
    SNAP(s, n, context.tucso);
    SNAP(s, n, context.ipcse);
    SNAP(s, n, context.tucse);
    SNAP(s, n, context.mss);
    SNAP(s, n, context.tucmd);
    SNAP(s, n, context.hdrlen);
    SNAP(s, n, context.paylen);
    SNAP(s, n, popts);
    SNAP_BOOL(s, n, tse);
    SNAP_BOOL(s, n, refused);
    SNAP(s, n, frame_len);
    if (s->mode == SNAP_LOAD && n->frame_len > sizeof n->frame) {
        s->failed = true;
        n->frame_len = 0;
    }
    snap_bytes(s, "frame", n->frame, n->frame_len);
    clock_event_state(n->cfg.clock, &n->transmit, s);
}

static void destroy(struct pci_fn *f)
{
    clock_cancel(self(f)->cfg.clock, &self(f)->transmit);
    free(self(f));
}

static const struct pci_ops ops = {
    .name = "e1000e",
    .bar_read = bar_read,
    .bar_write = bar_write,
    .config_wrote = config_wrote,
    .reset = reset,
    .state = state,
    .destroy = destroy,
};

struct pci_fn *e1000e_new(const struct e1000e_config *cfg, struct nic **nic)
{
    static const struct pci_ids ids = {
        .vendor = 0x8086, .device = 0x10d3, .subsys_vendor = 0x8086, .subsys = 0, .class_code = 0x020000};
    struct e1000e *n = calloc(1, sizeof *n);
    CHECK(n);
    n->cfg = *cfg;
    n->nic.receive = e1000e_receive;
    *nic = &n->nic;
    pci_init(&n->fn, &ops, cfg->id, cfg->log, &ids, true);
    pci_add_bar(&n->fn, 0, PCI_BAR_MEM32, E_REGS);
    pci_add_bar(&n->fn, BAR_FLASH, PCI_BAR_MEM32, E_REGS);
    pci_add_bar(&n->fn, BAR_IO, PCI_BAR_IO, 32);
    pci_add_bar(&n->fn, BAR_MSIX, PCI_BAR_MEM32, 0x4000);
    pci_add_msix(&n->fn, BAR_MSIX, 0, MSIX_PBA, VECTORS);
    pci_add_msi(&n->fn, 1, false);
    pci_add_express(&n->fn, PCI_ENDPOINT, false);
    snprintf(n->event_name, sizeof n->event_name, "%s-transmit", cfg->id);
    n->transmit = (struct event){.fire = transmit, .arg = n, .name = n->event_name};
    reset(&n->fn);
    return &n->fn;
}
