/* Trap configurations: what decides whether an access to a system register traps, as a number.
 *
 * The control bits that chains (trap.def) read are interned; c->trap_id is the number of their values, with the current
 * EL and SPSel in its low bits. EL2 has numbers of its own, of the few bits that count there. What a chain gave under a
 * number it gives whenever the number is the same: the pipeline remembers outcomes by it, and translations compare it.
 * 0 instead of a number: not known, whoever wants it asks sysreg_config().
 *
 * Not in a configuration, so that what guests switch often does not change it: what no chain reads, and what only
 * debug, PMU and GIC registers' chains read. sysreg_config_covers() says whether a register may be decided by the
 * number. Numbers are not guest-visible and never used again. */
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/check.h"
#include "cpu/code.h"
#include "cpu/context.h"
#include "cpu/fields.h"
#include "cpu/sysreg_row.h"

enum {
    CONFIGS = 64,
};

#define ENABLES (SCTLR_UMA | SCTLR_EnRCTX | SCTLR_DZE | SCTLR_UCT | SCTLR_TSCXT | SCTLR_UCI | SCTLR_TIDCP)
/* stage 2 and routing of interrupts */
#define HCR_NOT                                                                                                        \
    (HCR_VM | HCR_SWIO | HCR_PTW | HCR_VF | HCR_VI | HCR_VSE | HCR_FB | 3ull << HCR_BSU_SHIFT | HCR_DC | HCR_TWI |     \
     HCR_TWE | HCR_TSC | HCR_CD)

#define CONFIG(X)                                                                                                      \
    X(HCR_EL2, ~HCR_NOT)                                                                                               \
    X(SCR_EL3, ~0ull)                                                                                                  \
    X(HCRX_EL2, ~0ull)                                                                                                 \
    X(HFGRTR_EL2, ~0ull)                                                                                               \
    X(HFGWTR_EL2, ~0ull)                                                                                               \
    X(HDFGRTR_EL2, ~0ull)                                                                                              \
    X(HDFGWTR_EL2, ~0ull)                                                                                              \
    X(HFGITR_EL2, ~0ull)                                                                                               \
    X(CPACR_EL1, ~0ull)                                                                                                \
    X(CPTR_EL2, ~0ull)                                                                                                 \
    X(CPTR_EL3, ~0ull)                                                                                                 \
    X(MDCR_EL2, ~0ull)                                                                                                 \
    X(MDCR_EL3, ~0ull)                                                                                                 \
    X(CNTKCTL_EL1, ~0ull)                                                                                              \
    X(CNTHCTL_EL2, ~0ull)                                                                                              \
    X(SCTLR_EL1, ENABLES)                                                                                              \
    X(SCTLR_EL2, ENABLES)

static const u64 masks[CELL_COUNT] = {
#define X(cell, mask) [cell] = mask,
    CONFIG(X)
#undef X
};

/* The same at EL2, where little traps: hypervisors change what is for their guests. */
static u64 mask_el2(const struct cpu *c, unsigned cell)
{
    switch (cell) {
    case HCR_EL2: return HCR_E2H | HCR_TGE;
    case CPTR_EL2: return c->sys[HCR_EL2] & HCR_E2H ? 3u << 20 : CPTR_TFP;
    case SCR_EL3:
    case CPTR_EL3:
    case MDCR_EL3: return ~0ull;
    default: return 0;
    }
}

static const u16 cells[] = {
#define X(cell, mask) cell,
    CONFIG(X)
#undef X
};

struct sysreg_configs {
    u32 last; /* number that was given last */
    unsigned n;
    u32 number[CONFIGS];
    u64 value[CONFIGS][ARRAY_LEN(cells) + 1]; /* and whether it is EL2's */
};

void sysreg_config_free(struct sysreg_configs *s) { free(s); }

void sysreg_config_written(struct cpu *c, unsigned cell, u64 changed)
{
    if (LIKELY(!(changed & masks[cell])))
        return;
    c->trap_number[0] = 0;
    if (c->ps.el != 2 || changed & mask_el2(c, cell)) {
        c->trap_number[1] = 0;
        c->trap_id &= 7;
    }
    if (c->ps.el == 2 && context_keyed(cell))
        context_lose(c);
    else
        context_renew(c);
}

void sysreg_config_forget(struct cpu *c)
{
    c->trap_number[0] = c->trap_number[1] = 0;
    c->trap_id &= 7;
    context_renew(c);
}

bool sysreg_config_cell(unsigned cell) { return masks[cell] != 0; }

bool sysreg_config_covers(unsigned sr)
{
    const struct sysreg_row *row = &sysreg_rows[sr];
    unsigned op0 = row->enc >> 14, crn = row->enc >> 7 & 15, crm = row->enc >> 3 & 15;
    bool gic = op0 == 3 && crn == 12 && crm >= 8, pmr = op0 == 3 && crn == 4 && crm == 6;
    return sr && op0 != 2 && row->hook != HOOK_PMU && row->hook != HOOK_ICH_HCR && row->hook != HOOK_SRE && !gic &&
           !pmr;
}

struct sysreg_outcome sysreg_outcome(struct cpu *c, unsigned sr, bool write)
{
    if (UNLIKELY(!c->code)) /* a CPU without memory */
        return sysreg_resolve(c, sr, write);
    struct sysreg_memo *m = &c->sysreg_memo[write][sr];
    u32 id = sysreg_config(c);
    if (LIKELY(m->trap_id == id))
        return (struct sysreg_outcome){.action = m->action, .sr = m->sr};
    struct sysreg_outcome out = sysreg_resolve(c, sr, write);
    if (sysreg_config_covers(sr))
        *m = (struct sysreg_memo){id, out.sr, out.action};
    return out;
}

u32 sysreg_config(struct cpu *c)
{
    if (LIKELY(c->trap_id > 7))
        return c->trap_id;
    struct sysreg_configs *s = c->code->configs;
    if (!s) {
        c->code->configs = s = calloc(1, sizeof *s);
        CHECK(s);
    }
    bool el2 = c->ps.el == 2;
    u32 pstate = (u32)c->ps.el << 1 | c->ps.sp;
    if (c->trap_number[el2])
        return c->trap_id = c->trap_number[el2] << 3 | pstate;
    u64 v[ARRAY_LEN(cells) + 1];
    for (unsigned i = 0; i < ARRAY_LEN(cells); i++)
        v[i] = c->sys[cells[i]] & (el2 ? mask_el2(c, cells[i]) : masks[cells[i]]);
    v[ARRAY_LEN(cells)] = el2;
    unsigned i = 0;
    while (i < s->n && memcmp(s->value[i], v, sizeof v))
        i++;
    if (i == s->n) {
        if (i == CONFIGS)
            s->n = i = 0;
        s->n++;
        s->number[i] = ++s->last;
        CHECK(s->last < 1u << 29);
        memcpy(s->value[i], v, sizeof v);
    }
    c->trap_number[el2] = s->number[i];
    return c->trap_id = s->number[i] << 3 | pstate;
}
