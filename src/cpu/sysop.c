/* Effects of TLBI, AT, DC and IC instructions (DDI0487 C5.4, C5.5; D8.16; D7.5).
 *
 * They are decoded by encoding: op1 gives the regime, CRm the reach and the form, op2 the operation.
 * Caches are not modelled, so DC and IC only fault where they must. Outer- and inner-shareable TLBI
 * are the same: every PE of the machine listens. Broadcasts complete at once, in parallel mode at the DSB.
 * TTL, last-level and nXS hints are not needed: invalidation is precise without them. */
#include "cpu/sysop.h"

#include <string.h>

#include "cpu/debug.h"
#include "cpu/fields.h"
#include "cpu/mem_impl.h"
#include "cpu/mem_tag.h"
#include "cpu/par.h"

struct enc {
    unsigned op1, crm, op2;
};

static struct enc decode_enc(unsigned sr)
{
    unsigned e = sysreg_encoding(sr);
    return (struct enc){e >> 11 & 7, e >> 3 & 15, e & 7};
}

/* ---- TLBI ----------------------------------------------------------------------------------- */

static bool el1_ops_mean_el20(const struct cpu *c)
{
    return c->ps.el >= 2 && (c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE);
}

static bool asid_is_wide(const struct cpu *c, unsigned kind)
{
    u64 tcr = c->sys[kind == REGIME_EL10 ? TCR_EL1 : TCR_EL2];
    return cpu_has(c, FEAT_ASID16) && bit(tcr, 36);
}

/* VA of TLBI VA forms: Xt[43:0] = VA[55:12]. */
static u64 va_operand(unsigned kind, u64 val)
{
    u64 va = bits(val, 43, 0) << 12;
    return kind == REGIME_EL10 || kind == REGIME_EL20 ? sext(va, 56) : va;
}

/* Range forms: Xt = ASID 63:48, TG 47:46, SCALE 45:44, NUM 43:39, TTL 38:37, BaseADDR 36:0. */
static bool range_operand(struct cpu *c, unsigned kind, u64 val, struct tlb_inv *o)
{
    unsigned tg = (unsigned)bits(val, 47, 46);
    if (!tg)
        return false; /* reserved: no invalidation is required */
    unsigned shift = 10 + 2 * tg;
    const struct regime *r = context_regime(c, kind == REGIME_STAGE2 ? REGIME_EL10 : kind);
    unsigned unit = (kind == REGIME_STAGE2 ? r->s2->ds : r->ds) ? 16 : shift;
    u64 base = bits(val, 36, 0);
    bool two = kind == REGIME_EL10 || kind == REGIME_EL20;
    o->va = (two ? sext(base, 37) : base) << unit;
    o->size = (bits(val, 43, 39) + 1) << (5 * bits(val, 45, 44) + 1 + shift);
    return true;
}

/* op2 of the forms by ASID and VA: 1 VA, 2 ASID, 3 VAA, 5 VAL, 7 VAAL; ranges are 1, 3, 5, 7. */
static void by_address(struct cpu *c, unsigned kind, const struct enc *e, u64 val, struct tlb_inv *o)
{
    bool range = e->crm == 2 || e->crm == 5 || e->crm == 6;
    bool asids = kind == REGIME_EL10 || kind == REGIME_EL20;
    o->asid = (u16)(val >> 48);
    if (asids && !asid_is_wide(c, kind))
        o->asid &= 0xff;
    if (e->op2 == 2 && !range) {
        o->form = TLB_INV_ASID;
        return;
    }
    o->form = TLB_INV_VA;
    o->any_asid = !asids || (e->op2 & 2);
    if (range) {
        if (!range_operand(c, kind, val, o))
            o->form = TLB_INV_NONE;
    } else {
        o->va = va_operand(kind, val);
        o->size = 4096;
    }
}

/* The operand of the forms by IPA: Xt[39:0] = IPA[51:12], or a range as above. In a Secure guest's two IPA spaces
 * the same address is dropped. op2 with CRm 0: 1, 5 single; 2, 6 range; with CRm 4: 0, 1, 4, 5 and 2, 3, 6, 7. */
static void by_ipa(struct cpu *c, const struct enc *e, u64 val, struct tlb_inv *o)
{
    o->form = TLB_INV_VA;
    o->scope.kind = REGIME_EL10;
    o->scope.stage2_only = true;
    o->any_asid = true;
    if (!(e->op2 & 2)) {
        o->va = bits(val, 39, 0) << 12;
        o->size = 4096;
    } else if (!range_operand(c, REGIME_STAGE2, val, o)) {
        o->form = TLB_INV_NONE;
    }
}

static struct tlb_inv decode_inv(struct cpu *c, const struct enc *e, u64 val)
{
    struct tlb_inv o = {.form = TLB_INV_NONE};
    o.scope.pas = cpu_secure_below_el3(c) ? PAS_S : PAS_NS;
    o.scope.vmid = context_vmid(c);
    if (e->op1 == 0) {
        o.scope.kind = el1_ops_mean_el20(c) ? REGIME_EL20 : REGIME_EL10;
    } else if (e->op1 == 6) {
        o.scope.kind = REGIME_EL3;
        o.scope.pas = PAS_S;
    } else if (e->crm == 0 || e->crm == 4) {
        by_ipa(c, e, val, &o);
        return o;
    } else if (e->op2 == 4 || e->op2 == 6) { /* ALLE1, VMALLS12E1 */
        o.form = TLB_INV_ALL;
        o.scope.kind = REGIME_EL10;
        o.scope.any_vmid = e->op2 == 4;
        o.both_stages = true;
        return o;
    } else {
        o.scope.kind = c->hcr & HCR_E2H ? REGIME_EL20 : REGIME_EL2;
    }
    if (o.scope.kind != REGIME_EL10)
        o.scope.any_vmid = true;
    bool whole = e->op2 == 0 && (e->crm == 1 || e->crm == 3 || e->crm == 7);
    if (whole)
        o.form = TLB_INV_ALL;
    else
        by_address(c, o.scope.kind, e, val, &o);
    return o;
}

static void perform(struct cpu *c, const struct tlb_inv *o)
{
    switch (o->form) {
    case TLB_INV_ALL: tlb_inv_all(c->tlb, &o->scope); break;
    case TLB_INV_ASID: tlb_inv_asid(c->tlb, &o->scope, o->asid); break;
    case TLB_INV_VA: tlb_inv_va(c->tlb, &o->scope, o->va, o->size, o->any_asid, o->asid); break;
    default: break;
    }
}

static void deliver_tlbi(struct cpu *c, const u64 *arg)
{
    struct tlb_inv o;
    memcpy(&o, arg, sizeof o);
    perform(c, &o);
}

/* To the other CPUs, which run on threads of their own. */
static void send_tlbi(struct cpu *c, const struct tlb_inv *o)
{
    struct mail m = {.deliver = deliver_tlbi};
    _Static_assert(sizeof *o <= sizeof m.arg, "an invalidation fits into a letter");
    memcpy(m.arg, o, sizeof *o);
    for (unsigned i = 0; i < c->env->count; i++)
        if (c->env->cpus[i] != c)
            par_post(c, c->env->cpus[i], &m);
}

enum step sysop_tlbi(struct cpu *c, unsigned sr, u64 val)
{
    const struct enc e = decode_enc(sr);
    const struct tlb_inv o = decode_inv(c, &e, val);
    bool ipa_local = e.op1 == 4 && e.crm == 4 && e.op2 % 4 != 0 && e.op2 % 4 != 3; /* IPAS2E1, RIPAS2E1, ... */
    bool local = e.crm == 6 || e.crm == 7 || ipa_local;
    if (local && e.op1 == 0 && c->ps.el == 1 && (c->hcr & HCR_FB))
        local = false;
    if (local) {
        perform(c, &o);
        return STEP_SYNC;
    }
    if (UNLIKELY(c->par != NULL)) {
        if (o.form != TLB_INV_NONE)
            send_tlbi(c, &o);
        perform(c, &o);
    } else {
        for (unsigned i = 0; i < c->env->count; i++)
            if (c->env->cpus[i])
                perform(c->env->cpus[i], &o);
    }
    if (c->env->broadcast) {
        cpu_lock(c);
        c->env->broadcast(c->env->hook_arg, &o);
        cpu_unlock(c);
    }
    return STEP_SYNC;
}

/* ---- AT ------------------------------------------------------------------------------------- */

struct at_op {
    unsigned kind;
    bool el0, write, pan, stage1_only;
};

static struct at_op decode_at(const struct cpu *c, const struct enc *e)
{
    struct at_op a = {.write = e->op2 & 1};
    bool host = (c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE);
    if (e->op1 == 6) {
        a.kind = REGIME_EL3;
    } else if (e->op1 == 4 && e->op2 < 4) {
        a.kind = c->hcr & HCR_E2H ? REGIME_EL20 : REGIME_EL2;
    } else {
        bool s12 = e->op1 == 4;
        a.kind = host && c->ps.el >= 2 ? REGIME_EL20 : REGIME_EL10;
        a.el0 = e->crm == 8 && (e->op2 & 2);
        a.stage1_only = !s12;
        a.pan = e->crm == 9 && c->ps.pan;
    }
    return a;
}

/* PAR_EL1, F = 0: ATTR 63:56, PA 51:12, bit 11 RES1, NS 9, SH 8:7. */
static u64 par_success(const struct walk_out *o, bool stage1_only)
{
    u8 attr = stage1_only ? o->s1_attr : o->attr;
    unsigned sh = attr_is_device(attr) || attr == 0x44 ? 2 : o->sh;
    u64 ns = pa_space(o->pa) == PAS_NS;
    return (u64)attr << 56 | (pa_addr(o->pa) & 0xffffffffff000ull) | 1u << 11 | ns << 9 | (u64)sh << 7;
}

/* PAR_EL1, F = 1: bit 11 RES1, S 9, PTW 8, FST 6:1. */
static u64 par_fault(const struct fault *f)
{
    return 1u << 11 | (u64)(f->stage == 2) << 9 | (u64)f->s1ptw << 8 | (u64)fault_status(f) << 1 | 1;
}

enum step sysop_at(struct cpu *c, unsigned sr, u64 val)
{
    const struct enc e = decode_enc(sr);
    const struct at_op a = decode_at(c, &e);
    const struct regime *r = context_regime(c, a.kind);
    const struct walk_mem mem = mem_walker(c);
    const struct walk_in in = {
        .use = WALK_AT, .need = a.write ? NEED_W : NEED_R, .priv = !a.el0, .pan = a.pan, .stage1_only = a.stage1_only};
    struct walk_out out;
    struct fault f;
    if (walk(r, (struct va){val}, &mem, &in, &out, &f)) {
        c->sys[PAR_EL1] = par_success(&out, a.stage1_only);
        return STEP_NEXT;
    }
    /* A guest's stage 1 walk that fails at stage 2 is the hypervisor's business; so is a broken bus */
    if (f.type == FAULT_EXTERNAL_TTW || (f.s1ptw && c->ps.el == 1)) {
        f.write = true;
        return exc_cm_abort(c, &f);
    }
    c->sys[PAR_EL1] = par_fault(&f);
    return STEP_NEXT;
}

/* ---- DC, IC --------------------------------------------------------------------------------- */

enum step sysop_dc(struct cpu *c, unsigned sr, u64 val)
{
    const struct enc e = decode_enc(sr);
    if (e.op1 == 3 && e.crm == 4 && e.op2 == 1) /* ZVA */
        return mem_zero_block(c, val) ? STEP_NEXT : STEP_JUMP;
    if (e.op1 == 3 && e.crm == 4) { /* GVA, GZVA: tags of the block first, so that the zeroes pass the check */
        const u8 t = (u8)bits(val, 59, 56), tags[4] = {t, t, t, t};
        if (!mem_tag_store(c, val, 4, tags))
            return STEP_JUMP;
        return e.op2 == 3 || mem_zero_block(c, val) ? STEP_NEXT : STEP_JUMP;
    }
    bool by_va = e.op2 == 1 || e.op1 == 3;
    if (!by_va)
        return STEP_NEXT;
    if (c->ctx_dirty)
        context_update(c);
    /* invalidation needs write permission, at EL0 the others need to read; else only the mapping counts */
    unsigned need = e.op1 == 0 ? NEED_W : c->ps.el == 0 ? NEED_R : 0;
    struct fault f;
    if (mem_probe(c, mem_ctx(c, 0), val, need, &f)) {
        /* DC IVAC is a store to watchpoints, the others are nothing */
        if (LIKELY(!c->armed.watches) || need != NEED_W ||
            !debug_watchpoint(c, align_down(val, 64), 64, WATCH_WRITE, &f))
            return STEP_NEXT;
    }
    f.write = true;
    return exc_cm_abort(c, &f);
}

enum step sysop_ic(struct cpu *c, unsigned sr, u64 val)
{
    /* decoded code follows every store at once, so there is nothing stale to drop */
    (void)c;
    (void)sr;
    (void)val;
    return STEP_SYNC;
}
