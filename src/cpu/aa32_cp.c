/* MRC, MCR, MRRC, MCRR: the AArch32 system registers (DDI0487 G8).
 *
 * aa32_cp.def maps each to an AArch64 register, whose access chain (trap.def) is walked at the same Exception level;
 * traps are reported with the AArch32 exception classes.  HSTR_EL2 is looked at here. Not modelled: registers of EL2
 * and EL3 (they are UNDEFINED at EL1 and EL0), trace and activity monitors. */
#include "core/bits.h"
#include "cpu/aa32.h"
#include "cpu/context.h"
#include "cpu/exception.h"
#include "cpu/exec_a32.h"
#include "cpu/exec_util.h"
#include "cpu/fields.h"
#include "cpu/mem_impl.h"
#include "cpu/sysreg_row.h"

#define EXEC(name) enum step exec_##name(struct cpu *c, const struct op *o)

#define SCTLR_CP15BEN (1ull << 5)

/* Views. */
enum view {
    LOW,   /* bits 31:0; a write leaves the others */
    HIGH,  /* bits 63:32 */
    EL1,   /* an operation that EL0 may do in AArch64, but not here */
    VM,    /* a cell that AArch64 reaches from EL2; at EL1 under HCR_EL2.TVM and TRVM */
    CPACR, /* cp11 follows cp10 */
    CTR,
    MVA,     /* TLBI operand: MVA and ASID */
    AT,      /* PAR has the AArch32 format */
    NOTHING, /* ignored, read as zero */
    BARRIER, /* CP15ISB, CP15DSB, CP15DMB */
    OSLAR,   /* the key locks */
    DBGDIDR,
    EMPTY,   /* zero, for EL0 too */
    ROM,     /* DBGDRAR, DBGDSAR: zero, there is no memory-mapped debug interface */
    DEVID,   /* DBGDEVID behind the register's chain */
    RAZ,     /* zero behind the register's chain */
    VCR,     /* DBGVCR: the cell behind the chain of MDSCR_EL1 */
    JIDR,    /* zero, trapped by HCR_EL2.TID0 */
    MONITOR, /* EL3 is AArch64: Secure EL1 traps to it (SCR_EL3.EEL2), UNDEFINED elsewhere */
    NSACR,   /* the same, and for Non-secure EL1 a constant to read */
};

#define KEY(coproc, opc1, crn, crm, opc2)                                                                              \
    ((coproc) == 14 ? 1u << 16 : 0u) | (opc1) << 12 | (crn) << 8 | (crm) << 4 | (opc2)

static const struct cp {
    u32 key;
    u16 sr;
    u8 view;
} regs[] = {
#define CP(coproc, opc1, crn, crm, opc2, reg, view) {KEY(coproc, opc1, crn, crm, opc2), SR_##reg, view},
#define CP64(coproc, opc1, crm, reg)
#include "cpu/aa32_cp.def"
#undef CP
#undef CP64
};
static const struct {
    u32 key;
    u16 sr;
} regs64[] = {
#define CP(coproc, opc1, crn, crm, opc2, reg, view)
#define CP64(coproc, opc1, crm, reg) {KEY(coproc, opc1, 0, crm, 0), SR_##reg},
#include "cpu/aa32_cp.def"
#undef CP
#undef CP64
};

struct access {
    u32 word;
    bool write, wide, cp14;
    unsigned opc1, crn, crm, opc2, rt, rt2;
};

static struct access fields(const struct cpu *c, const struct op *o, bool write, bool wide)
{
    u32 w = (u32)o->imm;
    struct access a = {.word = w, .write = write, .wide = wide, .cp14 = !(w >> 8 & 1), .crm = w & 15};
    a.opc1 = wide ? w >> 4 & 15 : w >> 21 & 7;
    a.crn = wide ? 0 : w >> 16 & 15;
    a.opc2 = wide ? 0 : w >> 5 & 7;
    a.rt = aa32_x_number(c, o->rd);
    a.rt2 = wide ? aa32_x_number(c, o->ra) : 0;
    return a;
}

/* Exception class and ISS of a trapped access. */
static enum step trap(struct cpu *c, unsigned el, const struct access *a)
{
    u32 iss = aa32_cond_iss(c) | (u32)!a->write | a->crm << 1 | a->rt << 5;
    unsigned ec = a->cp14 ? (a->wide ? EC_CP14_64 : EC_CP14) : a->wide ? EC_CP15_64 : EC_CP15;
    iss |= a->wide ? a->rt2 << 10 | a->opc1 << 16 : a->crn << 10 | a->opc1 << 14 | a->opc2 << 17;
    return exc_trap(c, el, ec, iss);
}

static enum step refuse(struct cpu *c, unsigned action, const struct access *a)
{
    switch (action) {
    case ACT_TRAP1: return trap(c, c->ps.el == 0 && (c->hcr & HCR_TGE) ? 2 : 1, a);
    case ACT_TRAP2: return trap(c, 2, a);
    case ACT_TRAP3: return trap(c, 3, a);
    default: return exc_undefined(c);
    }
}

static bool in_host(const struct cpu *c) { return (c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE); }

/* HSTR_EL2.T<n>, by CRn, of wide accesses by CRm; HCR_EL2.TIDCP for what is IMPLEMENTATION DEFINED. */
static bool trapped_by_hstr(const struct cpu *c, const struct access *a)
{
    unsigned n = a->wide ? a->crm : a->crn;
    return !a->cp14 && n != 4 && n != 14 && cpu_el2_enabled(c) && !in_host(c) && bit(c->sys[HSTR_EL2], n);
}

static bool implementation_defined(const struct access *a)
{
    static const u16 crm[] = {[9] = 0x01e7, [10] = 0x0113, [11] = 0x81ff, [15] = 0xffff};
    return !a->cp14 && !a->wide && (a->crn == 15 || (a->crn >= 9 && a->crn <= 11)) && bit(crm[a->crn], a->crm);
}

/* Breakpoint and watchpoint registers, event counters: computed. */
static unsigned numbered(const struct access *a)
{
    if (a->cp14 && a->opc1 == 0 && a->crn == 0 && a->opc2 >= 4)
        return sysreg_find(2, 0, 0, a->crm, a->opc2);
    if (!a->cp14 && a->opc1 == 0 && a->crn == 14 && a->crm >= 8)
        return sysreg_find(3, 3, 14, a->crm, a->opc2);
    return SR_NONE;
}

static const struct cp *find(const struct access *a, struct cp *made)
{
    u32 key = KEY(a->cp14 ? 14 : 15, a->opc1, a->crn, a->crm, a->opc2);
    for (unsigned i = 0; i < ARRAY_LEN(regs); i++)
        if (regs[i].key == key)
            return &regs[i];
    unsigned sr = numbered(a);
    *made = (struct cp){key, (u16)sr, LOW};
    return sr != SR_NONE && sr < SR_COUNT ? made : NULL;
}

/* ---- AT ------------------------------------------------------------------------------------- */

/* PAR as AArch32 has it: with long descriptors nearly AArch64's, else 32 bits
 *   31:12 PA | 11 LPAE 0 | 10 NOS | 9 NS | 7 SH | 6:4 Inner | 3:2 Outer | 1 SS | 0 F */
static void convert_par(struct cpu *c)
{
    u64 par = c->sys[PAR_EL1];
    if (aa32_eae(c)) {
        c->sys[PAR_EL1] = par & 1 ? (par & 0xfff) | 1u << 11 : par | 1u << 11;
        return;
    }
    if (par & 1) { /* FS of the short format from the long one's code */
        unsigned fst = (unsigned)bits(par, 6, 1), second = (fst & 3) == 2;
        static const u8 kinds[4] = {0, 5, 3, 0xd}; /* address size, translation, access flag, permission */
        unsigned fs = fst >= 0x3c ? (second ? 0xb : 9) : kinds[fst >> 2 & 3] + (second ? (fst >> 2 == 2 ? 3u : 2u) : 0);
        c->sys[PAR_EL1] = 1 | fs << 1;
        return;
    }
    unsigned attr = (unsigned)(par >> 56), inner, outer, sh = (unsigned)bits(par, 8, 7);
    static const u8 outer_of[4] = {0, 2, 3, 1}; /* by bits 7:6 of the attribute: none here, WT, NC, WB */
    if (!(attr & 0xf0)) {
        inner = attr == 0 ? 1 : 3;
        outer = 0;
        sh = 2;
    } else {
        unsigned i = attr & 15, o = attr >> 4;
        inner = i == 4 ? 0 : (i & 0xc) == 8 ? 6 : (i & 1) ? 5 : 7;
        outer = o == 4 ? 0 : (o & 0xc) == 8 ? outer_of[1] : (o & 1) ? outer_of[3] : 3;
    }
    c->sys[PAR_EL1] =
        (par & 0xfffff000) | (u32)(sh == 2) << 10 | (par & 1u << 9) | (u32)(sh != 0) << 7 | inner << 4 | outer << 2;
}

/* ---- reads and writes ----------------------------------------------------------------------- */

static u32 read_view(struct cpu *c, const struct cp *r, u64 v)
{
    switch ((enum view)r->view) {
    case HIGH: return (u32)(v >> 32);
    case CPACR: return (u32)((v & 3u << 20) | (v >> 20 & 3) << 22);
    case NOTHING:
    case RAZ: return 0;
    case DEVID: return 0x00110f10; /* double lock, virtualization, watchpoint masks; no breakpoint masks */
    case DBGDIDR: {
        u64 d = c->sys[ID_AA64DFR0_EL1];
        return (u32)(bits(d, 23, 20) << 28 | bits(d, 15, 12) << 24 | bits(d, 31, 28) << 20 | 6u << 16 | 1u << 15);
    }
    default: return (u32)v;
    }
}

static u64 write_view(struct cpu *c, const struct cp *r, u32 v)
{
    u64 old = sysreg_rows[r->sr].cell ? c->sys[sysreg_rows[r->sr].cell] : 0;
    switch ((enum view)r->view) {
    case HIGH: return deposit(old, 63, 32, v);
    case CPACR: return deposit(old, 21, 20, bits(v, 21, 20));
    case MVA: return (u64)(v & 0xff) << 48 | v >> 12;
    case AT: return v;
    case OSLAR: return v == 0xc5acce55;
    default: return sysreg_rows[r->sr].hook ? v : deposit(old, 31, 0, v);
    }
}

/* DBGDIDR, DBGDRAR, DBGDSAR, which EL0 may read too; control: their bit of MDCR_EL2. */
static enum step debug_identification(struct cpu *c, const struct access *a, u64 control)
{
    bool el0 = c->ps.el == 0, tge = cpu_el2_enabled(c) && (c->hcr & HCR_TGE);
    if (a->write)
        return exc_undefined(c);
    if (el0 && (c->sys[MDSCR_EL1] & MDSCR_TDCC))
        return trap(c, tge ? 2 : 1, a);
    if (cpu_el2_enabled(c) && ((el0 && tge) || (c->sys[MDCR_EL2] & (MDCR_TDE | control))))
        return trap(c, 2, a);
    if (cpu_has_el3(c) && (c->sys[MDCR_EL3] & MDCR_TDA))
        return trap(c, 3, a);
    return STEP_NEXT;
}

/* What may be done without the AArch64 register's chain. True: *step is the outcome. */
static bool special(struct cpu *c, const struct cp *r, const struct access *a, u64 *val, enum step *step)
{
    unsigned cell = sysreg_rows[r->sr].cell;
    switch ((enum view)r->view) {
    case BARRIER:
        *step = !a->write || !(aa32_sctlr(c) & SCTLR_CP15BEN) ? exc_undefined(c)
                : trapped_by_hstr(c, a)                       ? trap(c, 2, a)
                                                              : STEP_SYNC;
        return true;
    case DBGDIDR:
    case ROM:
        *val = 0;
        *step = debug_identification(c, a, r->view == ROM ? MDCR_TDRA : MDCR_TDA);
        return true;
    case EMPTY: *val = 0; return true;
    case NOTHING:
        *val = 0;
        *step = c->ps.el == 0 ? exc_undefined(c) : STEP_NEXT;
        return true;
    case EL1:
        if (c->ps.el)
            return false;
        *step = exc_undefined(c);
        return true;
    case VM:
        if (c->ps.el == 0)
            *step = exc_undefined(c);
        else if (!a->cp14 && cpu_el2_enabled(c) && (c->hcr & (a->write ? HCR_TVM : HCR_TRVM)))
            *step = trap(c, 2, a);
        else if (!a->write)
            *val = c->sys[cell], *step = STEP_NEXT;
        else
            c->sys[cell] = (u32)*val, context_touch(c), *step = STEP_SYNC;
        return true;
    case VCR: {
        struct sysreg_outcome out = sysreg_resolve(c, SR_MDSCR_EL1, a->write);
        if (out.action != ACT_USE)
            *step = refuse(c, out.action, a);
        else if (!a->write)
            *val = c->sys[cell];
        else
            c->sys[cell] = (u32)*val;
        return true;
    }
    case JIDR:
        if (cpu_el2_enabled(c) && !in_host(c) && (c->hcr & HCR_TID0))
            *step = trap(c, 2, a);
        *val = 0;
        return true;
    case MONITOR:
    case NSACR:
        if (c->ps.el == 1 && cpu_secure(c) && (a->write || a->crn != 7))
            *step = cpu_el2_enabled(c) ? trap(c, 2, a) : trap(c, 3, a);
        else if (c->ps.el == 0 || a->write || r->view == MONITOR)
            *step = exc_undefined(c);
        *val = 0xc00; /* Non-secure use of cp10 and cp11 is permitted */
        return true;
    default: return false;
    }
}

/* HCR_EL2.TID3 traps the identification registers at EL1, those of later versions too. */
static bool trapped_by_tid3(const struct cpu *c, const struct access *a)
{
    return c->ps.el == 1 && !a->cp14 && !a->write && a->opc1 == 0 && a->crn == 0 && a->crm >= 1 &&
           (a->crm == 1 || (a->crm == 2 && a->opc2 < 6) || (a->crm == 3 && a->opc2 == 4)) && cpu_el2_enabled(c) &&
           (c->hcr & HCR_TID3);
}

static enum step access_row(struct cpu *c, unsigned sr, const struct access *a, u64 *val)
{
    struct sysreg_outcome out = sysreg_resolve(c, sr, a->write);
    const struct port *p = &c->ports[PORT_GICV];
    struct port_txn x = sysreg_port_txn(c);
    switch (out.action) {
    case ACT_USE:
        if (a->write)
            return sysreg_write_row(c, out.sr, *val);
        *val = sysreg_read_row(c, out.sr);
        return sysreg_rows[out.sr].port ? STEP_SYNC : STEP_NEXT;
    case ACT_VIRT:
        if (!p->read)
            return exc_undefined(c);
        cpu_lock(c);
        if (a->write)
            p->write(p->arg, out.sr, &x, *val);
        else
            *val = p->read(p->arg, out.sr, &x);
        cpu_unlock(c);
        return STEP_SYNC;
    case ACT_RAZWI: *val = 0; return STEP_NEXT;
    default: return refuse(c, out.action, a);
    }
}

/* An access by MRC or MCR; *val is written or receives what was read. */
static enum step access(struct cpu *c, const struct access *a, u32 *val)
{
    struct cp made;
    const struct cp *r = find(a, &made);
    if (c->ps.el == 1 && trapped_by_hstr(c, a))
        return trap(c, 2, a);
    if (!r) {
        if (implementation_defined(a) && cpu_el2_enabled(c) && (c->hcr & HCR_TIDCP) && c->ps.el <= 1)
            return trap(c, 2, a);
        return exc_undefined(c);
    }
    if (trapped_by_tid3(c, a))
        return trap(c, 2, a);
    if (a->write && a->crn == 7 && (r->view == DEVID || r->view == RAZ))
        return exc_undefined(c);
    u64 v = *val;
    enum step step = STEP_NEXT;
    if (!special(c, r, a, &v, &step)) {
        if (c->ps.el == 0 && trapped_by_hstr(c, a) && sysreg_resolve(c, r->sr, a->write).action == ACT_USE)
            return trap(c, 2, a);
        if (c->ps.el == 0 && r->view == CTR) /* AArch64's EL0 may read it */
            return exc_undefined(c);
        if (a->write)
            v = r->view == RAZ ? c->sys[sysreg_rows[r->sr].cell] : write_view(c, r, *val);
        step = access_row(c, r->sr, a, &v);
        if (step != STEP_JUMP && r->view == AT)
            convert_par(c);
    }
    if (!a->write && step != STEP_JUMP)
        *val = read_view(c, r, v);
    return step;
}

EXEC(a32_mcr)
{
    const struct access a = fields(c, o, true, false);
    u32 v = (u32)c->x[o->rd];
    return access(c, &a, &v);
}

EXEC(a32_mrc)
{
    const struct access a = fields(c, o, false, false);
    u32 v = 0;
    if (a.cp14 && o->rd == REG_PC && c->ps.el == 0 && (c->sys[MDSCR_EL1] & MDSCR_TDCC))
        return trap(c, c->hcr & HCR_TGE ? 2 : 1, &a);
    enum step s = access(c, &a, &v);
    if (s == STEP_JUMP)
        return s;
    if (o->rd == REG_PC)
        c->nzcv = v & 0xf0000000u;
    else
        c->x[o->rd] = v;
    return s;
}

static enum step wide(struct cpu *c, const struct access *a, u64 *val)
{
    u32 key = KEY(a->cp14 ? 14 : 15, a->opc1, 0, a->crm, 0);
    if (c->ps.el == 1 && trapped_by_hstr(c, a))
        return trap(c, 2, a);
    if (a->cp14 && a->opc1 == 0 && (a->crm == 1 || a->crm == 2)) /* DBGDRAR, DBGDSAR */
        return debug_identification(c, a, MDCR_TDRA);
    for (unsigned i = 0; i < ARRAY_LEN(regs64); i++)
        if (regs64[i].key == key) {
            if (c->ps.el == 0 && trapped_by_hstr(c, a) && sysreg_resolve(c, regs64[i].sr, a->write).action == ACT_USE)
                return trap(c, 2, a);
            return access_row(c, regs64[i].sr, a, val);
        }
    return exc_undefined(c);
}

EXEC(a32_mcrr)
{
    const struct access a = fields(c, o, true, true);
    u64 v = (u32)c->x[o->rd] | c->x[o->ra] << 32;
    return wide(c, &a, &v);
}

EXEC(a32_mrrc)
{
    const struct access a = fields(c, o, false, true);
    u64 v = 0;
    enum step s = wide(c, &a, &v);
    if (s == STEP_JUMP)
        return s;
    c->x[o->rd] = (u32)v;
    c->x[o->ra] = v >> 32;
    return s;
}

/* DBGDTRTXint from memory, DBGDTRRXint to memory: nobody is at the other end of the channel, and zero comes from it.
 * ISS: 19:12 immediate, 9:5 register, 4 up, 3:1 addressing, its top bit for a literal, 0 load. */
static enum step debug_channel(struct cpu *c, const struct op *o, bool ldc)
{
    bool p = bit(o->imm, 24), up = bit(o->imm, 23), w = bit(o->imm, 21);
    struct sysreg_outcome out = sysreg_resolve(c, SR_DBGDTRRX_EL0, ldc);
    if (out.action != ACT_USE) {
        u32 iss = aa32_cond_iss(c) | ((u32)o->imm & 0xff) << 12 | (u32)up << 4 | (u32)ldc;
        iss |= (u32)p << 2 | (u32)w << 1 | (o->rn == REG_PC ? 4u << 1 : aa32_x_number(c, o->rn) << 5);
        bool el0 = c->ps.el == 0 && (c->hcr & HCR_TGE);
        if (out.action < ACT_TRAP1 || out.action > ACT_TRAP3)
            return exc_undefined(c);
        unsigned el = out.action - ACT_TRAP1 + 1u;
        return exc_trap(c, el == 1 && el0 ? 2 : el, EC_CP14_LS, iss);
    }
    u32 base = (u32)c->x[o->rn] & (o->rn == REG_PC ? ~3u : ~0u), offset = ((u32)o->imm & 0xff) << 2;
    u32 moved = up ? base + offset : base - offset, at = p ? moved : base;
    u64 word = 0;
    if (ldc ? !mem_read(c, at, 4, 0, &word) : !mem_write(c, at, 4, 0, 0))
        return STEP_JUMP;
    if (w)
        c->x[o->rn] = moved;
    return STEP_NEXT;
}

EXEC(a32_ldc) { return debug_channel(c, o, true); }
EXEC(a32_stc) { return debug_channel(c, o, false); }
