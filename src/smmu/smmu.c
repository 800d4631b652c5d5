/* System MMU, SMMUv3.2 (IHI0070): registers of both programming interfaces, reset, state.
 *
 * Not modelled, and absent from the ID registers: AArch32 tables, ATOS and VATOS, VMID wildcards, permission
 * indirection, MPAM, DPT, RME, several command queues. STE and CD fields that only hint (shareability, allocation,
 * prefetch) have no effect.
 *
 * Invariants: every command is complete when it is consumed; caches change by commands, broadcasts, S_INIT and reset
 * alone, never by register writes. Registers that are guarded by an enable bit keep their value while it is set. */
#include "smmu/smmu.h"

#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/regs.h"
#include "core/snap.h"
#include "smmu/smmu_internal.h"

static struct smmu *self(struct device *d) { return container_of(d, struct smmu, dev); }

/* ---- identification ----------------------------------------------------------------------------- */

static void identify(struct smmu *s)
{
    const struct smmu_config *c = &s->cfg;
    unsigned oas = c->oas == 32   ? 0
                   : c->oas == 36 ? 1
                   : c->oas == 40 ? 2
                   : c->oas == 42 ? 3
                   : c->oas == 44 ? 4
                   : c->oas == 48 ? 5
                                  : 6;
    bool both = !c->no_stage1 && !c->no_stage2, ds = c->oas == 52;
    s->idr[0] = (u32)!c->no_stage2 << 0 | (u32)!c->no_stage1 << 1 | 2u << 2 /* TTF: AArch64 */ | 1u << 4 /* COHACC */ |
                (u32)c->btm << 5 | 2u << 6 /* HTTU: dirty state */ | (u32)both << 9 /* Hyp */ | 1u << 10 /* ATS */ |
                1u << 12 /* ASID16 */ | 1u << 13 /* MSI */ | (u32)c->btm << 14 /* SEV */ | 1u << 16 /* PRI */ |
                1u << 18 /* VMID16 */ | 1u << 19 /* CD2L */ | 1u << 23 /* ATSRECERR */ |
                1u << 27 /* two-level stream tables */;
    s->idr[1] = c->sid_bits | (u32)c->ssid_bits << 6 | 19u << 11 /* PRIQS */ | 19u << 16 /* EVENTQS */ |
                19u << 21 /* CMDQS */ | 1u << 26 /* ATTR_PERMS_OVR */;
    s->idr[3] = (u32)!c->no_stage1 << 2 /* HAD */ | 1u << 4 /* XNX */ | (u32)(c->ssid_bits != 0) << 5 /* PPS */ |
                1u << 8 /* FWB */ | 1u << 9 /* STT */ | 1u << 10 /* RIL */ | 2u << 11 /* BBML */ | 1u << 13 /* E0PD */ |
                1u << 17 /* EPAN */;
    s->idr[5] = oas | 7u << 4 /* granules */ | (u32)ds << 7 | (u32)ds << 10 /* VAX */ | (u32)STALLS << 16;
    s->s_idr1 = c->secure ? 1u << 31 | (u32)both << 29 /* SEL2 */ | c->sid_bits : 0;
}

/* STALL_MODEL 0: stalls, 1: none. */
bool smmu_may_stall(const struct smmu *s, unsigned world) { return world || !(s->world[1].cr0 & S_CR0_NSSTALLD); }

static u64 read_idr(struct device *d, unsigned i)
{
    const struct smmu *s = self(d);
    return s->idr[i] | (i == 0 && !smmu_may_stall(s, 0) ? 1u << 24 : 0);
}
static u64 read_aidr(struct device *d, unsigned i)
{
    (void)d, (void)i;
    return 2; /* SMMUv3.2 */
}
static u64 read_s_idr0(struct device *d, unsigned i)
{
    (void)d, (void)i;
    return 1u << 13; /* MSI */
}
static u64 read_s_idr1(struct device *d, unsigned i)
{
    (void)i;
    return self(d)->s_idr1;
}

/* ---- registers of a programming interface -------------------------------------------------------- */

/* Leaving SMMUEN ends what is stalled; queues that are enabled or freed go on. */
static void wrote_cr0(struct smmu *s, unsigned world, u64 old)
{
    struct world *w = &s->world[world];
    if (old & CR0_SMMUEN & ~w->cr0)
        smmu_stall_end(s, world, true, 0);
    smmu_stall_retry(s, world);
    smmu_commands(s, world);
}

/* Rows come in two copies; these make the hooks of one of them. */
#define WORLD_HOOKS(n)                                                                                                 \
    static u64 read_cr0ack##n(struct device *d, unsigned i) { return (void)i, self(d)->world[n].cr0; }                 \
    static u64 read_irqack##n(struct device *d, unsigned i) { return (void)i, self(d)->world[n].irq_ctrl; }            \
    static void wrote_cr0##n(struct device *d, unsigned i, u64 old, u64 val)                                           \
    {                                                                                                                  \
        (void)i, (void)val;                                                                                            \
        wrote_cr0(self(d), n, old);                                                                                    \
    }                                                                                                                  \
    static void wrote_prod##n(struct device *d, unsigned i, u64 old, u64 val)                                          \
    {                                                                                                                  \
        (void)i, (void)old, (void)val;                                                                                 \
        smmu_commands(self(d), n);                                                                                     \
    }                                                                                                                  \
    static void wrote_gbpa##n(struct device *d, unsigned i, u64 old, u64 val) /* takes effect with Update alone */     \
    {                                                                                                                  \
        (void)i;                                                                                                       \
        self(d)->world[n].gbpa = (u32)(val >> 31 & 1 ? val & 0x7fffffff : old);                                        \
    }                                                                                                                  \
    static void wrote_gerrorn##n(struct device *d, unsigned i, u64 old, u64 val)                                       \
    {                                                                                                                  \
        (void)i, (void)old, (void)val;                                                                                 \
        smmu_stall_retry(self(d), n);                                                                                  \
        smmu_commands(self(d), n);                                                                                     \
    }                                                                                                                  \
    static void wrote_econs##n(struct device *d, unsigned i, u64 old, u64 val)                                         \
    {                                                                                                                  \
        (void)i, (void)old, (void)val;                                                                                 \
        smmu_stall_retry(self(d), n);                                                                                  \
    }

WORLD_HOOKS(0)
WORLD_HOOKS(1)

static void wrote_init(struct device *d, unsigned i, u64 old, u64 val)
{
    (void)i, (void)old;
    if (val & 1)
        smmu_cache_clear(self(d));
}
static u64 read_zero(struct device *d, unsigned i)
{
    (void)d, (void)i;
    return 0;
}

#define W(n, f) offsetof(struct smmu, world[n].f)
#define R32(o, nm, f, m, ...)                                                                                          \
    {                                                                                                                  \
        .off = o, .width = 4, .access = REG_RW, .name = nm, .field = f, .mask = m, __VA_ARGS__                         \
    }
#define R64(o, nm, f, m, ...)                                                                                          \
    {                                                                                                                  \
        .off = o, .width = 8, .access = REG_RW, .name = nm, .field = f, .mask = m, __VA_ARGS__                         \
    }
#define RO(o, nm, fn)                                                                                                  \
    {                                                                                                                  \
        .off = o, .width = 4, .access = REG_RO, .name = nm, .field = REG_NOFIELD, .read = fn                           \
    }
#define ADDR_MASK (0x4000000000000000ull | 0xfffffffffffe0ull)
#define MSI(n, o, nm, f, m)                                                                                            \
    R64(o, nm "_IRQ_CFG0", W(n, f.addr), 0xffffffffffffcull), R32(o + 8, nm "_IRQ_CFG1", W(n, f.data), 0xffffffff),    \
        R32(o + 12, nm "_IRQ_CFG2", W(n, f.attr), m)
#define WORLD(n, b, evt, more_cr0, more_cr2, errors)                                                                   \
    R32(b + 0x20, "CR0", W(n, cr0), CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN | (more_cr0), .wrote = wrote_cr0##n),       \
        RO(b + 0x24, "CR0ACK", read_cr0ack##n), R32(b + 0x28, "CR1", W(n, cr1), 0xfff),                                \
        R32(b + 0x2c, "CR2", W(n, cr2), CR2_E2H | CR2_RECINVSID | CR2_PTM | (more_cr2), .reset = CR2_PTM),             \
        R32(b + 0x44, "GBPA", W(n, gbpa), 0x801fff1f, .reset = 0x1000, .wrote = wrote_gbpa##n),                        \
        R32(b + 0x48, "AGBPA", W(n, agbpa), 0),                                                                        \
        R32(b + 0x50, "IRQ_CTRL", W(n, irq_ctrl), IRQ_GERROR | IRQ_EVENTQ | ((n) ? 0 : IRQ_PRIQ)),                     \
        RO(b + 0x54, "IRQ_CTRLACK", read_irqack##n),                                                                   \
        {.off = b + 0x60, .width = 4, .access = REG_RO, .name = "GERROR", .field = W(n, gerror)},                      \
        R32(b + 0x64, "GERRORN", W(n, gerrorn), errors, .wrote = wrote_gerrorn##n),                                    \
        MSI(n, b + 0x68, "GERROR", msi_gerror, 0x3f),                                                                  \
        R64(b + 0x80, "STRTAB_BASE", W(n, strtab), ADDR_MASK & ~0x3full),                                              \
        R32(b + 0x88, "STRTAB_BASE_CFG", W(n, strtab_cfg), 0x307ff),                                                   \
        R64(b + 0x90, "CMDQ_BASE", W(n, cmdq), ADDR_MASK | 0x1f),                                                      \
        R32(b + 0x98, "CMDQ_PROD", W(n, cmdq_prod), 0xfffff, .wrote = wrote_prod##n),                                  \
        R32(b + 0x9c, "CMDQ_CONS", W(n, cmdq_cons), 0x7f0fffff),                                                       \
        R64(b + 0xa0, "EVENTQ_BASE", W(n, eventq), ADDR_MASK | 0x1f),                                                  \
        R32(evt, "EVENTQ_PROD", W(n, eventq_prod), 0x800fffff),                                                        \
        R32(evt + 4, "EVENTQ_CONS", W(n, eventq_cons), 0x800fffff, .wrote = wrote_econs##n),                           \
        MSI(n, b + 0xb0, "EVENTQ", msi_eventq, 0x3f)

enum { SECURE_PAGE = 0x8000, PAGE_1 = 0x10000 };

static const struct reg regs[] = {
    {.off = 0x00, .width = 4, .access = REG_RO, .name = "IDR0", .count = 6, .field = REG_NOFIELD, .read = read_idr},
    RO(0x18, "IIDR", read_zero),
    RO(0x1c, "AIDR", read_aidr),
    RO(0x40, "STATUSR", read_zero),
    WORLD(0, 0u, PAGE_1 + 0xa8u, CR0_PRIQEN | CR0_ATSCHK, CR2_REC_CFG_ATS, 0x1fd),
    R64(0xc0, "PRIQ_BASE", W(0, priq), ADDR_MASK | 0x1f),
    MSI(0, 0xd0, "PRIQ", msi_priq, 0x8000003f),
    R32(PAGE_1 + 0xc8, "PRIQ_PROD", W(0, priq_prod), 0x800fffff),
    R32(PAGE_1 + 0xcc, "PRIQ_CONS", W(0, priq_cons), 0x800fffff),
};
static const struct reg secure_regs[] = {
    RO(SECURE_PAGE + 0x00, "S_IDR0", read_s_idr0),
    RO(SECURE_PAGE + 0x04, "S_IDR1", read_s_idr1),
    RO(SECURE_PAGE + 0x0c, "S_IDR3", read_zero),
    RO(SECURE_PAGE + 0x10, "S_IDR4", read_zero),
    {.off = SECURE_PAGE + 0x3c,
     .width = 4,
     .access = REG_RW,
     .name = "S_INIT",
     .field = REG_NOFIELD,
     .mask = 1,
     .read = read_zero,
     .wrote = wrote_init},
    WORLD(1, SECURE_PAGE, SECURE_PAGE + 0xa8u, S_CR0_SIF | S_CR0_NSSTALLD, 0, 0x1b5),
};

/* Which registers are read-only while a bit of CR0 or of IRQ_CTRL is set (6.2, "Guarded"). */
static const struct guard {
    u32 first, last; /* offsets in an interface's registers, page 1's with PAGE_1 or'd in */
    u32 cr0, irq;
} guards[] = {
    {0x28, 0x2f, CR0_SMMUEN, 0},   {0x80, 0x8b, CR0_SMMUEN, 0},
    {0x90, 0x97, CR0_CMDQEN, 0},   {0x9c, 0x9f, CR0_CMDQEN, 0},
    {0xa0, 0xab, CR0_EVENTQEN, 0}, {PAGE_1 | 0xa8, PAGE_1 | 0xab, CR0_EVENTQEN, 0},
    {0xc0, 0xc7, CR0_PRIQEN, 0},   {PAGE_1 | 0xc8, PAGE_1 | 0xcb, CR0_PRIQEN, 0},
    {0x68, 0x77, 0, IRQ_GERROR},   {0xb0, 0xbf, 0, IRQ_EVENTQ},
    {0xd0, 0xdf, 0, IRQ_PRIQ},
};

static bool guarded(const struct smmu *s, unsigned world, u64 off)
{
    const struct world *w = &s->world[world];
    for (const struct guard *g = guards; g < guards + ARRAY_LEN(guards); g++)
        if (off >= g->first && off <= g->last && ((w->cr0 & g->cr0) || (w->irq_ctrl & g->irq))) {
            log_guest(s->dev.log, "%s: the register at 0x%llx is written while what it configures is enabled: ignored",
                      s->dev.id, (unsigned long long)off | (world ? SECURE_PAGE : 0));
            return true;
        }
    return false;
}

static bool in_secure(u64 off) { return off >= SECURE_PAGE && off < PAGE_1; }

static enum bus_result smmu_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    *val = 0;
    if (!in_secure(off))
        return regs_read(d, regs, ARRAY_LEN(regs), t, off, size, val);
    if (t->space != PAS_S || !self(d)->cfg.secure) /* RAZ/WI */
        return BUS_OK;
    return regs_read(d, secure_regs, ARRAY_LEN(secure_regs), t, off, size, val);
}

static enum bus_result smmu_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    if (bus_from_dma(t)) /* a command or an event must not lead back here */
        return BUS_SLVERR;
    if (t->debug)
        return BUS_OK;
    if (!in_secure(off))
        return guarded(self(d), 0, off) ? BUS_OK : regs_write(d, regs, ARRAY_LEN(regs), t, off, size, val);
    if (t->space != PAS_S || !self(d)->cfg.secure || guarded(self(d), 1, off - SECURE_PAGE))
        return BUS_OK;
    return regs_write(d, secure_regs, ARRAY_LEN(secure_regs), t, off, size, val);
}

static void smmu_reset(struct device *d)
{
    regs_reset(d, regs, ARRAY_LEN(regs));
    regs_reset(d, secure_regs, ARRAY_LEN(secure_regs));
    struct smmu *s = self(d);
    smmu_cache_clear(s);
    memset(s->stall, 0, sizeof s->stall);
    memset(s->note, 0, sizeof s->note);
    s->stall_order = s->notes = 0;
}

static void smmu_state(struct device *d, struct snap *sn)
{
    struct smmu *s = self(d);
    snap_section(sn, d->id);
    regs_state(d, regs, ARRAY_LEN(regs), sn);
    regs_state(d, secure_regs, ARRAY_LEN(secure_regs), sn);
    SNAP(sn, s, ste);
    SNAP(sn, s, cd);
    SNAP(sn, s, piece);
    SNAP(sn, s, victim);
    SNAP(sn, s, stall);
    SNAP(sn, s, stall_order);
    SNAP(sn, s, note);
    SNAP(sn, s, notes);
    if (sn->mode != SNAP_LOAD)
        return;
    for (unsigned i = 0; i < STALLS; i++) /* numbers that index something */
        if (s->stall[i].state != STALL_FREE && (!smmu_access_ok(&s->stall[i].access) || s->stall[i].world > 1))
            sn->failed = true;
    for (unsigned i = 0; i < NOTES; i++)
        s->note[i].world &= 1;
}

static void smmu_destroy(struct device *d) { free(self(d)); }

static const struct device_ops ops = {
    .name = "smmuv3",
    .min_size = 4,
    .max_size = 8,
    .read = smmu_read,
    .write = smmu_write,
    .reset = smmu_reset,
    .state = smmu_state,
    .destroy = smmu_destroy,
};

struct smmu *smmu_new(const struct smmu_config *cfg)
{
    struct smmu *s = calloc(1, sizeof *s);
    CHECK(s);
    s->dev = (struct device){.ops = &ops, .id = cfg->id, .log = cfg->log};
    s->cfg = *cfg;
    identify(s);
    smmu_reset(&s->dev);
    return s;
}

struct device *smmu_device(struct smmu *s) { return &s->dev; }
struct smmu_wires *smmu_wires(struct smmu *s, bool secure) { return &s->world[secure].wires; }

unsigned smmu_attach(struct smmu *s, const struct smmu_client *c)
{
    CHECK(s->clients < CLIENTS);
    s->client[s->clients] = *c;
    return s->clients++;
}
