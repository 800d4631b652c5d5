/* Commands (IHI0070 chapter 4).
 *
 * They are consumed when CMDQ_PROD is written, to the end or to the first error: every command is complete when it is
 * consumed, so CMD_SYNC has nothing to wait for. */
#include "core/log.h"
#include "smmu/smmu_internal.h"

enum { ERR_ILL = 1, ERR_ABT = 2 };
enum { CS_NONE, CS_IRQ, CS_SEV };

static u32 command_sid(const u64 *c) { return (u32)(c[0] >> 32); }
static u32 command_ssid(const u64 *c) { return (u32)bits(c[0], 31, 12); }
static bool command_ssv(const u64 *c) { return bit(c[0], 11); }

/* ---- configuration and translations ------------------------------------------------------------- */

static void cfgi_range(struct smmu *s, unsigned world, u32 sid, unsigned range)
{
    u32 size = range >= 31 ? 0 : 2u << range; /* 31: everything */
    if (!size)
        smmu_inv_ste(s, world, 0, ~0u);
    else
        smmu_inv_ste(s, world, sid & ~(size - 1), sid | (size - 1));
}

/* The addresses of a TLBI command: one granule, or with TG a range of (NUM + 1) * 2^SCALE granules. False: the
 * reserved combination. */
static bool inv_range(const struct smmu *s, const u64 *c, struct smmu_inv *i)
{
    unsigned tg = (unsigned)bits(c[1], 11, 10), ttl = (unsigned)bits(c[1], 9, 8);
    i->addr = c[1] & ~0xfffull;
    i->size = 4096;
    if (!tg)
        return true;
    unsigned granule = (const u8[]){12, 12, 14, 16}[tg];
    unsigned scale = (unsigned)bits(c[0], s->cfg.oas == 52 ? 25 : 24, 20);
    u64 n = bits(c[0], 16, 12) + 1;
    if (n == 1 && !scale && !ttl)
        return false;
    if (scale > 39)
        scale = 39;
    i->addr &= ~ones(granule);
    i->size = n << (scale + granule);
    return true;
}

/* Invalidation of translations by the command's number (4.4). False: CERROR_ILL. */
static bool tlbi(struct smmu *s, unsigned world, const u64 *c)
{
    enum { S1 = 1 << 1 | 1 << 3, S2 = 1 << 2, ALL = S1 | S2 };
    unsigned op = (unsigned)(c[0] & 0xff);
    bool both = !s->cfg.no_stage1 && !s->cfg.no_stage2, sel2 = s->s_idr1 >> 29 & 1;
    struct smmu_inv i = {.world = (u8)world,
                         .class = CLASS_NH,
                         .stages = S1,
                         .vmid = (u16)bits(c[0], 47, 32),
                         .asid = (u16)bits(c[0], 63, 48),
                         .by_vmid = true};
    switch (op) {
    case 0x10: /* NH_ALL, ASID, VA, VAA */
    case 0x11:
    case 0x12:
    case 0x13:
        if (s->cfg.no_stage1)
            return false;
        i.by_asid = op == 0x11 || op == 0x12;
        i.by_addr = op >= 0x12;
        i.by_vmid = world ? sel2 : !s->cfg.no_stage2;
        break;
    case 0x18: /* EL3_ALL, VA */
    case 0x1a:
        if (!world || s->cfg.no_stage1)
            return false;
        i.class = CLASS_EL3;
        i.by_vmid = false;
        i.by_addr = op == 0x1a;
        break;
    case 0x20: /* EL2_ALL, ASID, VA, VAA: Non-secure EL2 from either queue */
    case 0x21:
    case 0x22:
    case 0x23:
    case 0x50: /* the same for Secure EL2 */
    case 0x51:
    case 0x52:
    case 0x53: {
        if (op < 0x50 ? !both : !world || !sel2)
            return false;
        i.world = op >= 0x50;
        bool e2h = s->world[i.world].cr2 & CR2_E2H;
        op &= 3;
        i.any_class = op == 0;
        i.class = e2h || op == 1 ? CLASS_EL2_E2H : CLASS_EL2;
        i.by_vmid = false;
        i.by_asid = op == 1 || (op == 2 && e2h);
        i.by_addr = op >= 2;
        break;
    }
    case 0x28: /* S12_VMALL, S2_IPA: Non-secure from either queue */
    case 0x2a:
    case 0x58: /* the same for Secure guests */
    case 0x5a:
        if (s->cfg.no_stage2 || (op >= 0x50 && (!world || !sel2)))
            return false;
        i.world = op >= 0x50;
        i.stages = op & 2 ? S2 : ALL;
        i.by_ipa = op & 2;
        break;
    case 0x30: /* NSNH_ALL */
    case 0x60: /* SNH_ALL */
        if (op == 0x60 && !world)
            return false;
        i.world = op == 0x60;
        i.stages = ALL;
        i.by_vmid = false;
        break;
    default: return false;
    }
    if ((i.by_addr || i.by_ipa) && !inv_range(s, c, &i))
        return false;
    if (i.by_ipa)
        i.addr &= ones(52);
    smmu_invalidate(s, &i);
    return true;
}

/* ---- ATS, PRI, stalls, synchronisation ---------------------------------------------------------- */

static bool atc_inv(struct smmu *s, const u64 *c)
{
    unsigned size = (unsigned)(c[1] & 63), log2 = 12 + size;
    if (size > 52)
        return false;
    if (!(s->world[0].cr0 & CR0_SMMUEN))
        return true;
    u64 addr = log2 >= 64 ? 0 : c[1] & ~ones(log2);
    for (unsigned i = 0; i < s->clients; i++)
        if (s->client[i].invalidate)
            s->client[i].invalidate(s->client[i].arg, command_sid(c), command_ssv(c), command_ssid(c),
                                    command_ssv(c) && bit(c[0], 9), addr, log2);
    return true;
}

static bool pri_resp(struct smmu *s, const u64 *c)
{
    static const u8 codes[] = {SMMU_PRG_FAILURE, SMMU_PRG_INVALID, SMMU_PRG_SUCCESS};
    unsigned resp = (unsigned)bits(c[1], 13, 12);
    if (resp == 3)
        return false;
    if (!(s->world[0].cr0 & CR0_SMMUEN))
        return true;
    for (unsigned i = 0; i < s->clients; i++)
        if (s->client[i].page_response)
            s->client[i].page_response(s->client[i].arg, command_sid(c), command_ssv(c), command_ssid(c),
                                       (unsigned)(c[1] & 0x1ff), codes[resp]);
    return true;
}

static void sync(struct smmu *s, unsigned world, const u64 *c)
{
    struct world *w = &s->world[world];
    unsigned how = (unsigned)bits(c[0], 13, 12);
    if (how == CS_SEV)
        smmu_pulse(&w->wires.event);
    if (how != CS_IRQ)
        return;
    u64 addr = c[1] & (ones(52) & ~3ull);
    if (!addr) {
        smmu_pulse(&w->wires.cmdq_sync);
        return;
    }
    u32 data = (u32)(c[0] >> 32);
    struct txn t = smmu_queue_txn(s, world);
    if (bus_write(s->cfg.bus, &t, addr & ones(s->cfg.oas), &data, 4) != BUS_OK)
        smmu_raise(s, world, GERROR_MSI_CMDQ_ABT);
}

/* Does the command say which world its StreamID is of, and is that refused? */
static bool names_world(unsigned op) { return op < 0x10 || op == 0x44 || op == 0x45; }

/* False: CERROR_ILL. */
static bool command(struct smmu *s, unsigned world, const u64 *c)
{
    unsigned op = (unsigned)(c[0] & 0xff), target = world;
    u32 sid = command_sid(c), ssid = command_ssid(c);
    if (names_world(op)) {
        bool ssec = bit(c[0], 10);
        if (ssec && !world)
            return false;
        target = ssec;
    }
    switch (op) {
    case 0x01: /* PREFETCH_CONFIG, PREFETCH_ADDR: hints */
    case 0x02: return true;
    case 0x03: smmu_inv_ste(s, target, sid, sid); return true;
    case 0x04: cfgi_range(s, target, sid, (unsigned)(c[1] & 31)); return true;
    case 0x05:
    case 0x06:
        if (s->cfg.no_stage1)
            return false;
        smmu_inv_cd(s, target, sid, op == 0x06, ssid);
        return true;
    case 0x40: return atc_inv(s, c);
    case 0x41: return pri_resp(s, c);
    case 0x44:
    case 0x45:
        if (!smmu_may_stall(s, world))
            return false;
        if (op == 0x45)
            smmu_stall_end(s, target, false, sid);
        else
            smmu_resume(s, target, sid, (unsigned)(c[1] & 0xffff), bit(c[0], 12), bit(c[0], 13));
        return true;
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
    unsigned log2 = smmu_queue_log2(w->cmdq);
    u32 mask = (u32)ones(log2 + 1);
    struct txn t = smmu_queue_txn(s, world);
    bool full = ((w->cmdq_prod ^ w->cmdq_cons) & mask) == 1u << log2, moved = false;
    while (w->cr0 & CR0_CMDQEN && !((w->gerror ^ w->gerrorn) & GERROR_CMDQ) &&
           (w->cmdq_prod & mask) != (w->cmdq_cons & mask)) {
        u64 c[COMMAND_WORDS];
        unsigned err = 0;
        if (bus_read(s->cfg.bus, &t, smmu_queue_slot(w->cmdq, 4, w->cmdq_cons) & ones(s->cfg.oas), c, sizeof c) !=
            BUS_OK)
            err = ERR_ABT;
        else if (!command(s, world, c))
            err = ERR_ILL;
        if (err) { /* CONS stays at the command */
            log_guest(s->dev.log, "%s: command %#llx is refused (CMDQ_CONS.ERR = %u)", s->dev.id,
                      err == ERR_ILL ? (unsigned long long)c[0] : 0ull, err);
            w->cmdq_cons = (w->cmdq_cons & mask) | err << 24;
            smmu_raise(s, world, GERROR_CMDQ);
            break;
        }
        w->cmdq_cons = (w->cmdq_cons + 1) & mask;
        moved = true;
    }
    if (full && moved) /* 4.1.2: who waits for room */
        smmu_pulse(&w->wires.event);
}
