/* System registers: the table of encodings and the access pipeline of MRS, MSR and SYS (DDI0487 C5.2, D24).
 *
 * An access walks the chain of its row (sysreg_chain.c); what it reaches in the end is a cell, a hook, a port or
 * the VNCR_EL2 page.  Rows exist for every CPU: a row whose feature is absent ends in UNDEFINED.
 * Invariant: op->imm is a row number, with the encoding above it for the two generic rows. */
#include "cpu/sysreg.h"

#include "core/bits.h"
#include "core/check.h"
#include "cpu/context.h"
#include "cpu/exception.h"
#include "cpu/fields.h"
#include "cpu/mem.h"
#include "cpu/sysreg_row.h"

#define ENC(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

#define STORE(c)   .cell = c
#define PORT(p)    .port = PORT_##p + 1
#define ALIAS(r)   .alias = SR_##r
#define ALIAS_S(r) .alias_s = SR_##r
#define NVMEM(off) .nv = off
#define HFG(b)     .fgt = 1 + (FGT_HFG << 6) + (b)
#define HDFG(b)    .fgt = 1 + (FGT_HDFG << 6) + (b)
#define HFGI(b)    .fgt = 1 + (FGT_HFGI << 6) + (b)
#define HOOK(h)    .hook = HOOK_##h
#define FEAT2(f)   .feat2 = FEAT_##f

const struct sysreg_row sysreg_rows[SR_COUNT] = {
    [SR_NONE] = {.name = "none"},
#define SYSREG(n, op0, op1, crn, crm, op2, rw, f, ch, ...)                                                             \
    [SR_##n] = {.name = #n,                                                                                            \
                .enc = ENC(op0, op1, crn, crm, op2),                                                                   \
                .access = ACCESS_##rw,                                                                                 \
                .feat = FEAT_##f,                                                                                      \
                .chain = CHAIN_##ch,                                                                                   \
                __VA_ARGS__},
#include "cpu/sysreg.def"
#undef SYSREG
};

/* ---- finding rows -------------------------------------------------------------------------------- */

enum { SR_GENERIC_END = SR_OSDTRRX_EL1, SR_FIRST_SYS = SR_IC_IALLUIS };

/* Row numbers in the order of their encodings: sysreg.def is sorted, op0 = 1 comes last. A binary search in each of
 * the two runs finds a row. */
static unsigned search(unsigned lo, unsigned hi, unsigned enc)
{
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (sysreg_rows[mid].enc < enc)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The feature ID space: op0 = 3, op1 = 0, 1, 3, CRn = 0, CRm = 0 to 7. */
static bool id_space(unsigned enc)
{
    unsigned op1 = enc >> 11 & 7;
    return enc >> 14 == 3 && (op1 < 2 || op1 == 3) && (enc >> 6 & 0x1f) == 0;
}

unsigned sysreg_find(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2)
{
    unsigned enc = ENC(op0, op1, crn, crm, op2);
    unsigned lo = op0 == 1 ? SR_FIRST_SYS : SR_GENERIC_END, hi = op0 == 1 ? SR_COUNT : SR_FIRST_SYS;
    unsigned id = search(lo, hi, enc);
    if (id < hi && sysreg_rows[id].enc == enc)
        return id;
    if (op0 == 3 && op1 == 0 && crn == 0 && crm >= 1 && crm <= 7)
        return SR_ID_RESERVED | enc << 16;
    if ((op0 == 3 || op0 == 1) && (crn == 11 || crn == 15))
        return SR_IMPDEF | enc << 16;
    return id_space(enc) ? SR_ID_UNALLOCATED | enc << 16 : SR_NONE;
}

const char *sysreg_name(unsigned id) { return sysreg_rows[id & 0xffff].name; }
unsigned sysreg_encoding(unsigned id) { return id >> 16 ? id >> 16 : sysreg_rows[id].enc; }

/* ---- the pipeline ---------------------------------------------------------------------------------- */

/* ISS of EC 0x18: 21:20 op0 | 19:17 op2 | 16:14 op1 | 13:10 CRn | 9:5 Rt | 4:1 CRm | 0 direction (1: read) */
static u32 access_iss(unsigned id, unsigned rt, bool write)
{
    unsigned e = sysreg_encoding(id);
    return (u32)((e >> 14) << 20 | (e & 7) << 17 | (e >> 11 & 7) << 14 | (e >> 7 & 15) << 10 | rt << 5 |
                 (e >> 3 & 15) << 1 | !write);
}

static enum step refuse(struct cpu *c, unsigned action, unsigned id, unsigned rt, bool write)
{
    enum { FP_ISS = 1u << 24 | 0xeu << 20 }; /* CV = 1, COND = AL */
    bool tge = c->ps.el == 0 && cpu_el2_enabled(c) && (c->sys[HCR_EL2] & HCR_TGE);
    switch (action) {
    case ACT_TRAP1: return exc_trap_el1(c, EC_SYS64, access_iss(id, rt, write));
    case ACT_TRAP2: return exc_trap(c, 2, EC_SYS64, access_iss(id, rt, write));
    case ACT_TRAP3: return exc_trap(c, 3, EC_SYS64, access_iss(id, rt, write));
    case ACT_FP1: return tge ? exc_trap(c, 2, EC_UNKNOWN, 0) : exc_trap(c, 1, EC_FPSIMD, FP_ISS);
    case ACT_FP2: return exc_trap(c, 2, EC_FPSIMD, FP_ISS);
    case ACT_FP3: return exc_trap(c, 3, EC_FPSIMD, FP_ISS);
    default: break;
    }
    if (write || !cpu_has(c, FEAT_IDST) || !id_space(sysreg_encoding(id)))
        return exc_undefined(c);
    /* all exceptions of reads there have this syndrome (ID_AA64MMFR2_EL1.IDS) */
    return c->ps.el < 2 ? exc_trap_el1(c, EC_SYS64, access_iss(id, rt, false))
                        : exc_trap(c, c->ps.el, EC_SYS64, access_iss(id, rt, false));
}

/* VNCR_EL2.RESS: of the permitted choices, the bits above the largest VA behave as copies of its top bit. */
static u64 nv_address(const struct cpu *c, unsigned offset)
{
    return sext(c->sys[VNCR_EL2], cpu_has(c, FEAT_LVA) ? 53 : 49) + offset;
}

enum step sysreg_nv_read(struct cpu *c, unsigned offset, unsigned rd)
{
    u64 val;
    if (!mem_read_slow(c, nv_address(c, offset), 8, MEM_EL2, &val))
        return STEP_JUMP;
    c->x[rd] = val;
    return STEP_NEXT;
}

enum step sysreg_nv_write(struct cpu *c, unsigned offset, u64 val)
{
    return mem_write_slow(c, nv_address(c, offset), 8, MEM_EL2, val) ? STEP_NEXT : STEP_JUMP;
}

/* Reads of these rows, and of the counters, change nothing, and nothing has to be looked at afterwards. */
static bool plain_read(const struct sysreg_row *row) { return !row->port; }

static bool is_counter(unsigned sr)
{
    return sr == SR_CNTPCT_EL0 || sr == SR_CNTVCT_EL0 || sr == SR_CNTPCTSS_EL0 || sr == SR_CNTVCTSS_EL0;
}

enum step sysreg_mrs(struct cpu *c, const struct op *o)
{
    unsigned id = (unsigned)o->imm, sr = id & 0xffff;
    struct sysreg_outcome out = sysreg_outcome(c, sr, false);
    switch (out.action) {
    case ACT_USE:
        c->x[o->rd] = sysreg_read_row(c, out.sr);
        if (is_counter(out.sr)) {
            cpu_polls_counter(c);
            return STEP_NEXT;
        }
        return plain_read(&sysreg_rows[out.sr]) ? STEP_NEXT : STEP_SYNC;
    case ACT_VIRT: {
        struct port_txn x = sysreg_port_txn(c);
        const struct port *p = &c->ports[PORT_GICV];
        if (!p->read)
            return exc_undefined(c);
        cpu_lock(c);
        c->x[o->rd] = p->read(p->arg, out.sr, &x);
        cpu_unlock(c);
        return STEP_SYNC;
    }
    case ACT_RAZWI: c->x[o->rd] = 0; return STEP_NEXT;
    case ACT_NVMEM: return sysreg_nv_read(c, sysreg_rows[sr].nv, o->rd);
    default: return refuse(c, out.action, id, o->rd == REG_SINK ? 31 : o->rd, false);
    }
}

enum step sysreg_msr(struct cpu *c, const struct op *o)
{
    unsigned id = (unsigned)o->imm, sr = id & 0xffff;
    u64 val = c->x[o->rd];
    struct sysreg_outcome out = sysreg_outcome(c, sr, true);
    switch (out.action) {
    case ACT_USE: return sysreg_write_row(c, out.sr, val);
    case ACT_VIRT: {
        struct port_txn x = sysreg_port_txn(c);
        const struct port *p = &c->ports[PORT_GICV];
        if (!p->write)
            return exc_undefined(c);
        cpu_lock(c);
        p->write(p->arg, out.sr, &x, val);
        cpu_unlock(c);
        return STEP_SYNC;
    }
    case ACT_RAZWI: return STEP_NEXT;
    case ACT_NVMEM: return sysreg_nv_write(c, sysreg_rows[sr].nv, val);
    default: return refuse(c, out.action, id, o->rd, true);
    }
}
