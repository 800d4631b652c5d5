/* Pointer authentication instructions (FEAT_PAuth; DDI0487 C6.2 PACIA ... RETAB, D8.9).
 *
 * Invariants: a disabled key makes the instruction a move (or the plain branch or load); traps to EL2
 * and EL3 come after that test, as in the pseudocode of AddPACIA() and its kin. */
#include "cpu/context.h"
#include "cpu/cpu.h"
#include "cpu/exception.h"
#include "cpu/exec.h"
#include "cpu/exec_sys.h"
#include "cpu/exec_util.h"
#include "cpu/fields.h"
#include "cpu/mem.h"
#include "cpu/pauth.h"

#define EXEC(name) enum step exec_##name(struct cpu *c, const struct op *o)
#define X(r)       c->x[o->r]

enum key { KEY_IA, KEY_IB, KEY_DA, KEY_DB, KEY_GA };

static const struct {
    u16 lo, hi; /* cells */
    u64 enable; /* SCTLR bit */
} keys[] = {
    [KEY_IA] = {APIAKeyLo_EL1, APIAKeyHi_EL1, SCTLR_EnIA}, [KEY_IB] = {APIBKeyLo_EL1, APIBKeyHi_EL1, SCTLR_EnIB},
    [KEY_DA] = {APDAKeyLo_EL1, APDAKeyHi_EL1, SCTLR_EnDA}, [KEY_DB] = {APDBKeyLo_EL1, APDBKeyHi_EL1, SCTLR_EnDB},
    [KEY_GA] = {APGAKeyLo_EL1, APGAKeyHi_EL1, 0},
};

static bool is_data(enum key k) { return k == KEY_DA || k == KEY_DB; }
static bool is_b(enum key k) { return k == KEY_IB || k == KEY_DB; }

/* ---- layout of pointers --------------------------------------------------------------------- */

/* TCR fields that AddPAC() and Auth() need, for one half of the address space. */
struct half {
    unsigned tsz;
    bool tbi, tbid, large; /* large: 64 KiB granule */
};

static bool two_ranges(const struct cpu *c, u64 *tcr)
{
    bool e2h = c->hcr & HCR_E2H;
    switch (c->ps.el) {
    case 3: *tcr = c->sys[TCR_EL3]; return false;
    case 2: *tcr = c->sys[TCR_EL2]; return e2h;
    case 0:
        if (e2h && (c->hcr & HCR_TGE)) {
            *tcr = c->sys[TCR_EL2];
            return true;
        }
        break;
    default: break;
    }
    *tcr = c->sys[TCR_EL1];
    return true;
}

static struct half half_of(u64 tcr, bool two, bool upper)
{
    if (!two)
        return (struct half){tcr & 63, bit(tcr, 20), bit(tcr, 29), bits(tcr, 15, 14) == 1};
    if (!upper)
        return (struct half){tcr & 63, bit(tcr, 37), bit(tcr, 51), bits(tcr, 15, 14) == 1};
    return (struct half){tcr >> 16 & 63, bit(tcr, 38), bit(tcr, 52), bits(tcr, 31, 30) == 3};
}

/* CalculateBottomPACBit() and EffectiveTBI(). */
static struct pauth_layout layout_of(const struct cpu *c, const struct half *h, u64 tcr, bool two, bool data)
{
    unsigned max = cpu_has(c, FEAT_TTST) ? (h->large ? 47 : 48) : 39;
    bool ds = bit(tcr, two ? 59 : 32) && cpu_has(c, FEAT_LPA2);
    unsigned min = (h->large ? cpu_has(c, FEAT_LVA) : ds) ? 12 : 16;
    unsigned tsz = h->tsz > max ? max : h->tsz < min ? min : h->tsz;
    return (struct pauth_layout){.bottom = (u8)(64 - tsz), .tbi = h->tbi && (data || !h->tbid)};
}

static struct pauth_layout layout(const struct cpu *c, u64 ptr, bool data)
{
    u64 tcr;
    bool two = two_ranges(c, &tcr);
    struct half h = half_of(tcr, two, bit(ptr, 55));
    return layout_of(c, &h, tcr, two, data);
}

/* The bit that tells the range of a pointer that has no code yet. */
static bool select_bit(const struct cpu *c, u64 ptr, bool data)
{
    u64 tcr;
    if (!two_ranges(c, &tcr))
        return bit(ptr, layout(c, ptr, data).tbi ? 55 : 63);
    struct half lo = half_of(tcr, true, false), hi = half_of(tcr, true, true);
    bool tbi = data ? lo.tbi || hi.tbi : (lo.tbi && !lo.tbid) || (hi.tbi && !hi.tbid);
    return bit(ptr, tbi ? 55 : 63);
}

static enum pauth_level level(const struct cpu *c)
{
    return cpu_has(c, FEAT_PAuth2) ? PAUTH_2 : cpu_has(c, FEAT_EPAC) ? PAUTH_EPAC : PAUTH_1;
}

static bool impdef(const struct cpu *c) { return cpu_has(c, FEAT_PACIMP); }

static u64 compute(struct cpu *c, u64 data, u64 modifier, enum key k)
{
    struct pauth_key key = {c->sys[keys[k].lo], c->sys[keys[k].hi]};
    enum pauth_algorithm alg = impdef(c) ? PAUTH_IMPDEF : cpu_has(c, FEAT_PACQARMA3) ? PAUTH_QARMA3 : PAUTH_QARMA5;
    return pauth_compute(alg, data, modifier, key);
}

/* ---- results computed before ------------------------------------------------------------------ */

/* Whether PACUse traps, and to where: 0, or the EL. */
static unsigned trap_el(const struct cpu *c)
{
    bool host = (c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE);
    if (c->ps.el < 2 && cpu_el2_enabled(c) && !(c->hcr & HCR_API) && !(c->ps.el == 0 && host))
        return 2;
    return c->ps.el < 3 && cpu_has_el3(c) && !(c->sys[SCR_EL3] & SCR_API) ? 3 : 0;
}

/* All that add() and auth() depend on but their operands and the keys, as a number with bit 31 set and bits 1:0 clear;
 * bits 6:3 are the enables. 0: they may trap. mask: of codes of instructions' pointers, bit 55 set and clear. */
static u32 config_tag(const struct cpu *c, u64 mask[2])
{
    u64 tcr, sctlr = exec_sctlr(c);
    mask[0] = mask[1] = 0;
    if (trap_el(c))
        return 0;
    bool two = two_ranges(c, &tcr);
    u32 tag = 1u << 31 | (u32)two << 2;
    for (unsigned k = KEY_IA; k <= KEY_DB; k++)
        tag |= (u32)((sctlr & keys[k].enable) != 0) << (3 + k);
    for (unsigned i = 0; i < 2; i++) {
        struct half h = half_of(tcr, two, i);
        mask[!i] = pauth_mask(layout_of(c, &h, tcr, two, false));
        tag |= ((u32)layout_of(c, &h, tcr, two, true).bottom | (u32)h.tbi << 7 | (u32)h.tbid << 8) << (7 + 9 * i);
    }
    return tag;
}

static void note_config(struct cpu *c)
{
    if (!c->pauth_tag) {
        u64 mask[2];
        u32 config = config_tag(c, mask);
        context_note_pauth(c, config, mask);
    }
}

/* The key is disabled: generated code shall know that. */
static bool disabled(struct cpu *c, enum key k)
{
    if (exec_sctlr(c) & keys[k].enable)
        return false;
    note_config(c);
    return true;
}

/* The memo of an operation; it holds the result when *hit. The tag is 0 while nothing may be kept. */
static struct pauth_memo *memo(struct cpu *c, bool authenticate, u64 ptr, u64 modifier, enum key k, bool *hit, u32 *tag)
{
    note_config(c);
    *tag = c->pauth_tag && !impdef(c) ? c->pauth_tag | k : 0; /* impdef: it is as fast without */
    struct pauth_memo *m = &c->pauth_memo[authenticate][pauth_memo_index(ptr, modifier)];
    *hit = *tag && m->tag == *tag && m->ptr == ptr && m->modifier == modifier && m->key.lo == c->sys[keys[k].lo] &&
           m->key.hi == c->sys[keys[k].hi];
    return m;
}

static void keep(const struct cpu *c, struct pauth_memo *m, u64 ptr, u64 modifier, enum key k, u32 tag, u64 result)
{
    if (tag)
        *m = (struct pauth_memo){ptr, modifier, {c->sys[keys[k].lo], c->sys[keys[k].hi]}, result, tag};
}

/* ---- enables and traps ---------------------------------------------------------------------- */

/* True: an exception was taken (TrapPACUse). */
static bool trapped(struct cpu *c)
{
    unsigned el = trap_el(c);
    if (el)
        exc_trap(c, el, EC_PAUTH, 0);
    return el != 0;
}

/* Adds a code to *ptr. False: exception taken. */
static bool add(struct cpu *c, u64 *ptr, u64 modifier, enum key k)
{
    if (disabled(c, k))
        return true;
    bool hit;
    u32 tag;
    struct pauth_memo *m = memo(c, false, *ptr, modifier, k, &hit, &tag);
    if (LIKELY(hit)) {
        *ptr = m->result;
        return true;
    }
    if (trapped(c))
        return false;
    bool sel = select_bit(c, *ptr, is_data(k));
    /* Where the code goes and whether the top byte counts is decided by the pointer's own bit 55 for
     * TBI, by the selected range for its size. */
    struct pauth_layout l = layout(c, deposit(*ptr, 55, 55, sel), is_data(k));
    l.tbi = layout(c, *ptr, is_data(k)).tbi;
    u64 pac = compute(c, pauth_extend(l, *ptr, sel), modifier, k);
    u64 r = pauth_add(level(c), l, *ptr, sel, pac);
    keep(c, m, *ptr, modifier, k, tag, r);
    *ptr = r;
    return true;
}

/* Authenticates *ptr. False: exception taken. */
static bool auth(struct cpu *c, u64 *ptr, u64 modifier, enum key k, bool combined)
{
    if (disabled(c, k))
        return true;
    bool hit, ok;
    u32 tag;
    struct pauth_memo *m = memo(c, true, *ptr, modifier, k, &hit, &tag);
    if (LIKELY(hit)) {
        *ptr = m->result;
        return true;
    }
    if (trapped(c))
        return false;
    struct pauth_layout l = layout(c, *ptr, is_data(k));
    u64 pac = compute(c, pauth_extend(l, *ptr, bit(*ptr, 55)), modifier, k);
    u64 r = pauth_auth(level(c), l, *ptr, pac, is_b(k), &ok);
    if (!ok && (combined ? cpu_has(c, FEAT_FPACCOMBINE) : cpu_has(c, FEAT_FPAC))) {
        exc_trap_el1(c, EC_FPAC, (u32)is_data(k) << 1 | is_b(k));
        return false;
    }
    if (ok)
        keep(c, m, *ptr, modifier, k, tag, r);
    *ptr = r;
    return true;
}

/* ---- data processing ------------------------------------------------------------------------ */

static enum step add_reg(struct cpu *c, unsigned rd, u64 modifier, enum key k)
{
    u64 v = rd == REG_SINK ? 0 : c->x[rd];
    if (!add(c, &v, modifier, k))
        return STEP_JUMP;
    c->x[rd] = v;
    return STEP_NEXT;
}

static enum step auth_reg(struct cpu *c, unsigned rd, u64 modifier, enum key k)
{
    u64 v = rd == REG_SINK ? 0 : c->x[rd];
    if (!auth(c, &v, modifier, k, false))
        return STEP_JUMP;
    c->x[rd] = v;
    return STEP_NEXT;
}

EXEC(pacia) { return add_reg(c, o->rd, X(rn), KEY_IA); }
EXEC(pacib) { return add_reg(c, o->rd, X(rn), KEY_IB); }
EXEC(pacda) { return add_reg(c, o->rd, X(rn), KEY_DA); }
EXEC(pacdb) { return add_reg(c, o->rd, X(rn), KEY_DB); }
EXEC(autia) { return auth_reg(c, o->rd, X(rn), KEY_IA); }
EXEC(autib) { return auth_reg(c, o->rd, X(rn), KEY_IB); }
EXEC(autda) { return auth_reg(c, o->rd, X(rn), KEY_DA); }
EXEC(autdb) { return auth_reg(c, o->rd, X(rn), KEY_DB); }
EXEC(paciza) { return add_reg(c, o->rd, 0, KEY_IA); }
EXEC(pacizb) { return add_reg(c, o->rd, 0, KEY_IB); }
EXEC(pacdza) { return add_reg(c, o->rd, 0, KEY_DA); }
EXEC(pacdzb) { return add_reg(c, o->rd, 0, KEY_DB); }
EXEC(autiza) { return auth_reg(c, o->rd, 0, KEY_IA); }
EXEC(autizb) { return auth_reg(c, o->rd, 0, KEY_IB); }
EXEC(autdza) { return auth_reg(c, o->rd, 0, KEY_DA); }
EXEC(autdzb) { return auth_reg(c, o->rd, 0, KEY_DB); }

#define HINT(name, reg, modifier)                                                                                      \
    EXEC(pacia##name) { return (void)o, add_reg(c, reg, modifier, KEY_IA); }                                           \
    EXEC(pacib##name) { return (void)o, add_reg(c, reg, modifier, KEY_IB); }                                           \
    EXEC(autia##name) { return (void)o, auth_reg(c, reg, modifier, KEY_IA); }                                          \
    EXEC(autib##name) { return (void)o, auth_reg(c, reg, modifier, KEY_IB); }
HINT(1716, 17, c->x[16])
HINT(z, 30, 0)
HINT(sp, 30, c->x[REG_SP])

EXEC(pacga)
{
    if (trapped(c))
        return STEP_JUMP;
    u64 modifier = o->rm == 31 ? c->x[REG_SP] : X(rm); /* Xm|SP */
    X(rd) = compute(c, X(rn), modifier, KEY_GA) & ~0ull << 32;
    return STEP_NEXT;
}

static enum step strip(struct cpu *c, unsigned rd, bool data)
{
    note_config(c); /* for generated code */
    u64 v = c->x[rd];
    c->x[rd] = pauth_extend(layout(c, v, data), v, bit(v, 55));
    return STEP_NEXT;
}

EXEC(xpaci) { return strip(c, o->rd, false); }
EXEC(xpacd) { return strip(c, o->rd, true); }
EXEC(xpaclri) { return (void)o, strip(c, 30, false); }

/* ---- branches ------------------------------------------------------------------------------- */

static enum step branch(struct cpu *c, u64 target, u64 modifier, enum key k, bool link, unsigned btype)
{
    if (!auth(c, &target, modifier, k, true))
        return STEP_JUMP;
    if (link)
        c->x[30] = c->pc + 4;
    if (cpu_has(c, FEAT_BTI))
        c->ps.btype = (u8)btype;
    c->pc = context_branch_addr(c, target);
    return STEP_JUMP;
}

static unsigned br_btype(const struct cpu *c, const struct op *o)
{
    return o->rn == 16 || o->rn == 17 || !c->fetch_guarded ? 1 : 3;
}

EXEC(braa) { return branch(c, X(rn), X(rd), KEY_IA, false, br_btype(c, o)); }
EXEC(brab) { return branch(c, X(rn), X(rd), KEY_IB, false, br_btype(c, o)); }
EXEC(braaz) { return branch(c, X(rn), 0, KEY_IA, false, br_btype(c, o)); }
EXEC(brabz) { return branch(c, X(rn), 0, KEY_IB, false, br_btype(c, o)); }
EXEC(blraa) { return branch(c, X(rn), X(rd), KEY_IA, true, 2); }
EXEC(blrab) { return branch(c, X(rn), X(rd), KEY_IB, true, 2); }
EXEC(blraaz) { return branch(c, X(rn), 0, KEY_IA, true, 2); }
EXEC(blrabz) { return branch(c, X(rn), 0, KEY_IB, true, 2); }
EXEC(retaa) { return (void)o, branch(c, c->x[30], c->x[REG_SP], KEY_IA, false, 0); }
EXEC(retab) { return (void)o, branch(c, c->x[30], c->x[REG_SP], KEY_IB, false, 0); }

static enum step eret(struct cpu *c, enum key k)
{
    static const u16 elr[] = {[1] = ELR_EL1, [2] = ELR_EL2, [3] = ELR_EL3};
    if (c->ps.el == 0)
        return exc_undefined(c);
    if (exec_eret_trapped(c, 2u | is_b(k)))
        return STEP_JUMP;
    u64 target = c->sys[elr[c->ps.el]];
    if (!auth(c, &target, c->x[REG_SP], k, true))
        return STEP_JUMP;
    return exec_eret_to(c, target);
}

EXEC(eretaa) { return (void)o, eret(c, KEY_IA); }
EXEC(eretab) { return (void)o, eret(c, KEY_IB); }

/* ---- loads ---------------------------------------------------------------------------------- */

static enum step load(struct cpu *c, const struct op *o, enum key k, bool writeback)
{
    if (exec_sp_misaligned(c, o->rn))
        return exc_sp_alignment(c);
    u64 base = X(rn), v;
    if (!auth(c, &base, 0, k, true))
        return STEP_JUMP;
    base += o->imm;
    if (!mem_read(c, base, 8, writeback || o->rn != REG_SP ? MEM_TAGCHK : 0, &v))
        return STEP_JUMP;
    X(rd) = v;
    if (writeback)
        X(rn) = base;
    return STEP_NEXT;
}

EXEC(ldraa) { return load(c, o, KEY_DA, false); }
EXEC(ldraa_pre) { return load(c, o, KEY_DA, true); }
EXEC(ldrab) { return load(c, o, KEY_DB, false); }
EXEC(ldrab_pre) { return load(c, o, KEY_DB, true); }
