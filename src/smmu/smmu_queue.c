/* Event queue, PRI queue, global errors and the SMMU's own MSIs (IHI0070 chapters 3.5, 7, 8). */
#include <string.h>

#include "smmu/smmu_internal.h"

struct txn smmu_queue_txn(const struct smmu *s, unsigned world)
{
    return (struct txn){
        .space = world ? PAS_S : PAS_NS, .cpu = TXN_DMA, .privileged = true, .stream = s->cfg.device_id};
}

/* Addresses beyond the output size are cut (3.4.3). */
static u64 in_range(const struct smmu *s, u64 addr) { return addr & ones(s->cfg.oas); }

/* ---- interrupts --------------------------------------------------------------------------------- */

void smmu_pulse(struct irq *i)
{
    irq_set(i, true);
    irq_set(i, false);
}

/* An interrupt by its MSI when one is configured, else by wire. False: the MSI was aborted. */
static bool notify(struct smmu *s, unsigned world, const struct smmu_msi *m, struct irq *wire)
{
    if (!m->addr) {
        smmu_pulse(wire);
        return true;
    }
    struct txn t = smmu_queue_txn(s, world);
    return bus_write(s->cfg.bus, &t, in_range(s, m->addr), &m->data, 4) == BUS_OK;
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

/* ---- queues ------------------------------------------------------------------------------------- */

/* Indices have a wrap bit above log2 of the queue's size. */
unsigned smmu_queue_log2(u64 base) { return (base & 31) < 19 ? (unsigned)(base & 31) : 19; }

u64 smmu_queue_slot(u64 base, unsigned entry_log2, u32 index)
{
    unsigned log2 = smmu_queue_log2(base);
    u64 addr = base & (ones(52) & ~0x1full);
    return (addr & ~ones(log2 + entry_log2)) + ((u64)(index & ones(log2)) << entry_log2);
}

static bool full(u64 base, u32 prod, u32 cons)
{
    u32 log2 = smmu_queue_log2(base), mask = (u32)ones(log2 + 1);
    return ((prod ^ cons) & mask) == 1u << log2;
}

/* Appends a record of 1 << entry_log2 bytes. False: external abort. */
static bool append(struct smmu *s, unsigned world, u64 base, unsigned entry_log2, u32 *prod, const u64 *record)
{
    struct txn t = smmu_queue_txn(s, world);
    u32 mask = (u32)ones(smmu_queue_log2(base) + 1);
    if (bus_write(s->cfg.bus, &t, in_range(s, smmu_queue_slot(base, entry_log2, *prod)), record,
                  (size_t)1 << entry_log2) != BUS_OK)
        return false;
    *prod = (*prod & 1u << 31) | ((*prod + 1) & mask);
    return true;
}

/* ---- events ------------------------------------------------------------------------------------- */

bool smmu_eventq_writable(const struct smmu *s, unsigned world)
{
    const struct world *w = &s->world[world];
    return (w->cr0 & CR0_EVENTQEN) && !((w->gerror ^ w->gerrorn) & GERROR_EVENTQ_ABT) &&
           !full(w->eventq, w->eventq_prod, w->eventq_cons);
}

static bool write_event(struct smmu *s, unsigned world, const u64 *record, bool stall)
{
    struct world *w = &s->world[world];
    u32 mask = (u32)ones(smmu_queue_log2(w->eventq) + 1);
    if (!(w->cr0 & CR0_EVENTQEN) || ((w->gerror ^ w->gerrorn) & GERROR_EVENTQ_ABT))
        return false;
    if (full(w->eventq, w->eventq_prod, w->eventq_cons)) {
        /* the event is lost, which software is told once; those of stalled accesses wait instead */
        if (!stall && !((w->eventq_prod ^ w->eventq_cons) >> 31))
            w->eventq_prod ^= 1u << 31;
        return false;
    }
    bool empty = !((w->eventq_prod ^ w->eventq_cons) & mask);
    if (!append(s, world, w->eventq, 5, &w->eventq_prod, record)) {
        smmu_raise(s, world, GERROR_EVENTQ_ABT);
        return false;
    }
    if (empty && w->irq_ctrl & IRQ_EVENTQ && !notify(s, world, &w->msi_eventq, &w->wires.eventq))
        smmu_raise(s, world, GERROR_MSI_EVENTQ_ABT);
    return true;
}

/* Which events of which kind of access are recorded (3.9.1.2, 3.9.1.3). */
static bool recorded(const struct request *q, unsigned id)
{
    u32 cr2 = q->s->world[q->world].cr2;
    bool translation = id >= SMMU_F_TRANSLATION || id == SMMU_F_WALK_EABT;
    switch (q->kind) {
    case ATS_REQUEST:
        if (id == SMMU_C_BAD_STREAMID && !(cr2 & CR2_RECINVSID))
            return false;
        return id == SMMU_F_BAD_ATS_TREQ || (cr2 & CR2_REC_CFG_ATS);
    case ATS_TRANSLATED: return id == SMMU_F_TRANSL_FORBIDDEN || translation || (cr2 & CR2_REC_CFG_ATS);
    default: return id != SMMU_C_BAD_STREAMID || (cr2 & CR2_RECINVSID);
    }
}

bool smmu_record(struct request *q, unsigned id, u64 word1, u64 word2, u64 word3)
{
    struct smmu *s = q->s;
    u64 record[EVENT_WORDS] = {id | (u64)q->sid << 32, word1, word2, word3};
    if (q->ssv)
        record[0] |= 1u << 11 | (u64)(q->ssid & 0xfffff) << 12;
    q->last = (u8)id;
    if (!recorded(q, id))
        return false;
    bool written = write_event(s, q->world, record, word1 & EVENT_STALL);
    struct note *n = &s->note[s->notes++ % NOTES];
    *n = (struct note){.world = q->world, .lost = !written, .valid = true};
    memcpy(n->record, record, sizeof record);
    return written;
}

/* ---- page requests ------------------------------------------------------------------------------ */

enum pri_outcome smmu_pri_write(struct smmu *s, const u64 *record, bool last)
{
    struct world *w = &s->world[0];
    u32 mask = (u32)ones(smmu_queue_log2(w->priq) + 1);
    if ((w->cr0 & (CR0_PRIQEN | CR0_SMMUEN)) != (CR0_PRIQEN | CR0_SMMUEN) ||
        ((w->gerror ^ w->gerrorn) & GERROR_PRIQ_ABT))
        return PRI_REFUSED;
    bool overflowed = (w->priq_prod ^ w->priq_cons) >> 31, last_only = w->msi_priq.attr >> 31;
    bool empty = !((w->priq_prod ^ w->priq_cons) & mask),
         lost = overflowed || full(w->priq, w->priq_prod, w->priq_cons);
    if (lost) {
        if (!overflowed)
            w->priq_prod ^= 1u << 31;
    } else if (!append(s, 0, w->priq, 4, &w->priq_prod, record)) {
        smmu_raise(s, 0, GERROR_PRIQ_ABT);
        return PRI_REFUSED;
    }
    if ((last_only ? last : empty && !lost) && w->irq_ctrl & IRQ_PRIQ && !notify(s, 0, &w->msi_priq, &w->wires.priq))
        smmu_raise(s, 0, GERROR_MSI_PRIQ_ABT);
    return lost ? PRI_OVERFLOW : PRI_WRITTEN;
}
