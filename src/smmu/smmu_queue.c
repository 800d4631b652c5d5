/* Command queue, event queue, global errors and the SMMU's own MSIs (IHI0070 chapters 3.5, 4, 7).
 *
 * Commands are consumed when CMDQ_PROD is written, to the end or to the first error: every command is complete when
 * it is consumed, so CMD_SYNC has nothing to wait for. */
#include "core/log.h"
#include "smmu/smmu_internal.h"

enum { ERR_ILL = 1, ERR_ABT = 2 };
enum { CS_NONE, CS_IRQ, CS_SEV };
enum { EVENT_RECINVSID = 1 };

static struct txn queue_txn(const struct smmu *s, unsigned world)
{
    return (struct txn){
        .space = world ? PAS_S : PAS_NS, .cpu = TXN_DMA, .privileged = true, .stream = s->cfg.device_id};
}

/* ---- interrupts --------------------------------------------------------------------------------- */

static void pulse(struct irq *i)
{
    irq_set(i, true);
    irq_set(i, false);
}

/* An interrupt by its MSI when one is configured, else by wire. False: the MSI was aborted. */
static bool notify(struct smmu *s, unsigned world, const struct smmu_msi *m, struct irq *wire)
{
    if (!m->addr) {
        pulse(wire);
        return true;
    }
    struct txn t = queue_txn(s, world);
    return bus_write(s->cfg.bus, &t, m->addr, &m->data, 4) == BUS_OK;
}

void smmu_raise(struct smmu *s, unsigned world, u32 gerror)
{
    struct world *w = &s->world[world];
    u32 fresh = gerror & ~(w->gerror ^ w->gerrorn);
    if (!fresh)
        return;
    w->gerror ^= fresh;
    if (w->irq_ctrl & IRQ_GERROR && !notify(s, world, &w->msi_gerror, &w->wires.gerror))
        w->gerror ^= GERROR_MSI_GERROR_ABT & ~(w->gerror ^ w->gerrorn);
}

/* ---- events ------------------------------------------------------------------------------------- */

/* Indices have a wrap bit above log2 of the queue's size. */
static unsigned queue_log2(u64 base) { return (base & 31) < 19 ? (unsigned)(base & 31) : 19; }
static u64 queue_slot(u64 base, unsigned entry_log2, u32 index)
{
    unsigned log2 = queue_log2(base);
    u64 addr = base & (ones(52) & ~0x1full);
    return (addr & ~ones(log2 + entry_log2)) + ((u64)(index & ones(log2)) << entry_log2);
}

void smmu_record(struct request *q, unsigned id, u64 word1, u64 word2, u64 word3)
{
    struct smmu *s = q->s;
    struct world *w = &s->world[q->world];
    if (!(w->cr0 & CR0_EVENTQEN) || (id == SMMU_C_BAD_STREAMID && !(w->cr2 & CR2_RECINVSID)))
        return;
    unsigned log2 = queue_log2(w->eventq);
    u32 prod = w->eventq_prod & (u32)ones(log2 + 1), cons = w->eventq_cons & (u32)ones(log2 + 1);
    if ((prod ^ cons) == 1u << log2) { /* full: the event is lost, which software is told once */
        if (!((w->eventq_prod ^ w->eventq_cons) >> 31))
            w->eventq_prod ^= 1u << 31;
        return;
    }
    u64 record[EVENT_WORDS] = {id | (u64)q->sid << 32, word1, word2, word3};
    if (q->ssv)
        record[0] |= 1u << 11 | (u64)(q->ssid & 0xfffff) << 12;
    struct txn t = queue_txn(s, q->world);
    if (bus_write(s->cfg.bus, &t, queue_slot(w->eventq, 5, prod), record, sizeof record) != BUS_OK) {
        smmu_raise(s, q->world, GERROR_EVENTQ_ABT);
        return;
    }
    w->eventq_prod = (w->eventq_prod & 1u << 31) | ((prod + 1) & (u32)ones(log2 + 1));
    if (prod == cons && w->irq_ctrl & IRQ_EVENTQ && !notify(s, q->world, &w->msi_eventq, &w->wires.eventq))
        smmu_raise(s, q->world, GERROR_MSI_EVENTQ_ABT);
}

/* ---- commands ----------------------------------------------------------------------------------- */

static void cfgi_range(struct smmu *s, unsigned world, u32 sid, unsigned range)
{
    u32 size = range >= 31 ? 0 : 2u << range; /* 31: everything */
    if (!size)
        smmu_inv_ste(s, world, 0, ~0u);
    else
        smmu_inv_ste(s, world, sid & ~(size - 1), sid | (size - 1));
}

/* The addresses of a TLBI command: one granule, or with TG a range of (NUM + 1) * 2^SCALE granules. */
static void inv_range(const u64 *c, struct smmu_inv *i)
{
    unsigned tg = (unsigned)bits(c[1], 11, 10);
    i->addr = c[1] & ~0xfffull;
    i->size = 4096;
    if (tg) {
        unsigned granule = (const u8[]){12, 12, 14, 16}[tg], scale = (unsigned)bits(c[0], 24, 20);
        u64 n = bits(c[0], 16, 12) + 1;
        i->addr &= ~ones(granule);
        i->size = scale + granule > 58 ? ~0ull >> 1 : n << (scale + granule);
    }
}

/* Invalidation of translations by the command's number. False: not one of them. */
static bool tlbi(struct smmu *s, unsigned world, const u64 *c)
{
    enum { S1 = 1 << 1 | 1 << 3, S2 = 1 << 2, ALL = S1 | S2 };
    unsigned op = (unsigned)(c[0] & 0xff);
    bool e2h = s->world[world].cr2 & CR2_E2H;
    struct smmu_inv i = {.world = (u8)world,
                         .class = CLASS_NH,
                         .stages = S1,
                         .vmid = (u16)bits(c[0], 47, 32),
                         .asid = (u16)bits(c[0], 63, 48),
                         .by_vmid = true};
    inv_range(c, &i);
    switch (op) {
    case 0x10: break;
    case 0x11: i.by_asid = true; break;
    case 0x12: i.by_asid = i.by_addr = true; break;
    case 0x13: i.by_addr = true; break;
    case 0x18:
    case 0x1a:
        if (!world)
            return false;
        i.class = CLASS_EL3;
        i.by_vmid = false;
        i.by_addr = op == 0x1a;
        break;
    case 0x20:
    case 0x21:
    case 0x22:
    case 0x23:
        if (world || ((op & 1) && !e2h))
            return false;
        i.class = e2h ? CLASS_EL2_E2H : CLASS_EL2;
        i.by_vmid = false;
        i.by_asid = op == 0x21 || (op == 0x22 && e2h);
        i.by_addr = op >= 0x22;
        break;
    case 0x28: i.stages = ALL; break;
    case 0x2a:
        i.stages = S2;
        i.by_ipa = true;
        i.addr &= ones(52);
        break;
    case 0x30:
        world = 0;
        i.world = 0;
        i.stages = ALL;
        i.by_vmid = false;
        break;
    case 0x60:
        if (!world)
            return false;
        i.stages = ALL;
        i.by_vmid = false;
        break;
    default: return false;
    }
    if (s->cfg.no_stage2)
        i.by_vmid = false;
    smmu_invalidate(s, &i);
    return true;
}

/* False: MSI aborted (which is no command error). */
static void sync(struct smmu *s, unsigned world, const u64 *c)
{
    struct world *w = &s->world[world];
    if (bits(c[0], 13, 12) != CS_IRQ)
        return; /* SEV: every PE of this model wakes from WFE by itself soon */
    u64 addr = c[1] & (ones(52) & ~3ull);
    if (!addr) {
        pulse(&w->wires.cmdq_sync);
        return;
    }
    u32 data = (u32)(c[0] >> 32);
    struct txn t = queue_txn(s, world);
    if (bus_write(s->cfg.bus, &t, addr, &data, 4) != BUS_OK)
        smmu_raise(s, world, GERROR_MSI_CMDQ_ABT);
}

/* False: CERROR_ILL. */
static bool command(struct smmu *s, unsigned world, const u64 *c)
{
    u32 sid = (u32)(c[0] >> 32), ssid = (u32)bits(c[0], 31, 12);
    unsigned target = world;
    if (bit(c[0], 10) && (c[0] & 0xff) < 0x10) { /* SSec */
        if (!world)
            return false;
    } else if ((c[0] & 0xff) < 0x10) {
        target = 0;
    }
    switch (c[0] & 0xff) {
    case 0x01: /* PREFETCH_CONFIG, PREFETCH_ADDR: hints */
    case 0x02: return true;
    case 0x03: smmu_inv_ste(s, target, sid, sid); return true;
    case 0x04: cfgi_range(s, target, sid, (unsigned)(c[1] & 31)); return true;
    case 0x05: smmu_inv_cd(s, target, sid, false, ssid); return true;
    case 0x06: smmu_inv_cd(s, target, sid, true, 0); return true;
    case 0x46:
        if (bits(c[0], 13, 12) == 3)
            return false;
        sync(s, world, c);
        return true;
    default: return tlbi(s, world, c);
    }
}

void smmu_commands(struct smmu *s, unsigned world)
{
    struct world *w = &s->world[world];
    unsigned log2 = queue_log2(w->cmdq);
    u32 mask = (u32)ones(log2 + 1);
    struct txn t = queue_txn(s, world);
    while (w->cr0 & CR0_CMDQEN && !((w->gerror ^ w->gerrorn) & GERROR_CMDQ) &&
           (w->cmdq_prod & mask) != (w->cmdq_cons & mask)) {
        u64 c[COMMAND_WORDS];
        unsigned err = 0;
        if (bus_read(s->cfg.bus, &t, queue_slot(w->cmdq, 4, w->cmdq_cons), c, sizeof c) != BUS_OK)
            err = ERR_ABT;
        else if (!command(s, world, c))
            err = ERR_ILL;
        if (err) { /* CONS stays at the command */
            log_guest(s->dev.log, "%s: command %#llx is refused (CMDQ_CONS.ERR = %u)", s->dev.id,
                      err == ERR_ILL ? (unsigned long long)c[0] : 0ull, err);
            w->cmdq_cons = (w->cmdq_cons & mask) | err << 24;
            smmu_raise(s, world, GERROR_CMDQ);
            return;
        }
        w->cmdq_cons = (w->cmdq_cons + 1) & mask;
    }
}
