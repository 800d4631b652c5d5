/* Memory tagging instructions (FEAT_MTE, FEAT_MTE2; DDI0487 C6.2 ADDG ... SUBPS, D10.2).
 *
 * Without access to tags (SCTLR_ELx.ATA and its kin 0) tags read as 0 and stores of tags change nothing;
 * the data parts of STZG and STGP are done all the same. */
#include "cpu/cpu.h"
#include "cpu/exception.h"
#include "cpu/exec.h"
#include "cpu/exec_flags.h"
#include "cpu/exec_util.h"
#include "cpu/mem.h"
#include "cpu/mem_tag.h"

#define EXEC(name) enum step exec_##name(struct cpu *c, const struct op *o)
#define X(r)       c->x[o->r]

static unsigned tag_of(u64 addr) { return (unsigned)bits(addr, 59, 56); }
static u64 with_tag(u64 addr, unsigned tag) { return deposit(addr, 59, 56, tag); }

/* ---- tag arithmetic ------------------------------------------------------------------------- */

/* ChooseNonExcludedTag() */
static unsigned choose(unsigned tag, unsigned offset, u32 exclude)
{
    if ((exclude & 0xffff) == 0xffff)
        return 0;
    if (offset == 0)
        while (exclude >> tag & 1)
            tag = (tag + 1) & 15;
    for (; offset; offset--)
        do
            tag = (tag + 1) & 15;
        while (exclude >> tag & 1);
    return tag;
}

/* RandomTag(): four steps of the LFSR in RGSR_EL1.SEED. */
static unsigned random_tag(struct cpu *c)
{
    u64 lfsr = bits(c->sys[RGSR_EL1], 23, 8);
    if (lfsr == 0) /* an LFSR of 0 stays there; with GCR_EL1.RRND software need not seed it */
        lfsr = ((c->env->entropy * 0x9e3779b97f4a7c15 >> 48) ^ c->index) | 1;
    unsigned tag = 0;
    for (unsigned k = 0; k < 4; k++) {
        unsigned top = (unsigned)(lfsr >> 5 ^ lfsr >> 3 ^ lfsr >> 2 ^ lfsr) & 1;
        lfsr = (u64)top << 15 | lfsr >> 1;
        tag |= top << k;
    }
    c->sys[RGSR_EL1] = deposit(c->sys[RGSR_EL1], 23, 8, lfsr);
    return tag;
}

EXEC(irg)
{
    unsigned tag = 0;
    if (mem_tag_access(c, c->ps.el)) {
        u32 exclude = (u32)((X(rm) | c->sys[GCR_EL1]) & 0xffff);
        tag = choose((unsigned)c->sys[RGSR_EL1] & 15, random_tag(c), exclude);
        c->sys[RGSR_EL1] = deposit(c->sys[RGSR_EL1], 3, 0, tag);
    }
    X(rd) = with_tag(X(rn), tag);
    return STEP_NEXT;
}

static enum step add_tag(struct cpu *c, const struct op *o, u64 addr)
{
    unsigned tag = 0;
    if (mem_tag_access(c, c->ps.el))
        tag = choose(tag_of(X(rn)), o->x, (u32)c->sys[GCR_EL1] & 0xffff);
    X(rd) = with_tag(addr, tag);
    return STEP_NEXT;
}

EXEC(addg) { return add_tag(c, o, X(rn) + o->imm); }
EXEC(subg) { return add_tag(c, o, X(rn) - o->imm); }

EXEC(gmi)
{
    X(rd) = X(rm) | 1ull << tag_of(X(rn));
    return STEP_NEXT;
}

/* Rm may be SP, for which a picture has no letter. */
static u64 rm_sp(const struct cpu *c, const struct op *o) { return sext(c->x[o->rm == 31 ? REG_SP : o->rm], 56); }

EXEC(subp)
{
    X(rd) = sext(X(rn), 56) - rm_sp(c, o);
    return STEP_NEXT;
}

EXEC(subps)
{
    c->nzcv = flags_sub64(sext(X(rn), 56), rm_sp(c, o), &X(rd));
    return STEP_NEXT;
}

/* ---- loads and stores of tags --------------------------------------------------------------- */

#define CHECK_SP()                                                                                                     \
    do {                                                                                                               \
        if (UNLIKELY(exec_sp_misaligned(c, o->rn)))                                                                    \
            return exc_sp_alignment(c);                                                                                \
    } while (0)

EXEC(ldg)
{
    CHECK_SP();
    u8 tag;
    if (!mem_tag_load(c, align_down(X(rn) + o->imm, TAG_GRANULE), 1, &tag))
        return STEP_JUMP;
    X(rd) = with_tag(o->rd == REG_SINK ? 0 : X(rd), tag);
    return STEP_NEXT;
}

/* One granule: the zeroes of STZG first, since only they can find the page unwritable by data. */
static bool store_granule(struct cpu *c, u64 addr, unsigned tag, bool zero)
{
    static const u64 none[2] = {0, 0};
    const u8 t = (u8)tag;
    if (addr & (TAG_GRANULE - 1)) /* STG faults as a misaligned store does under SCTLR.A */
        return mem_write16_slow(c, addr, MEM_ATOMIC | MEM_EXCL, none);
    if (zero && !mem_write16(c, addr, 0, none))
        return false;
    return mem_tag_store(c, addr, 1, &t);
}

static enum step stg(struct cpu *c, const struct op *o, unsigned granules, bool zero, u64 addr, u64 back)
{
    CHECK_SP();
    unsigned tag = tag_of(c->x[o->rd]);
    for (unsigned k = 0; k < granules; k++)
        if (!store_granule(c, addr + TAG_GRANULE * k, tag, zero))
            return STEP_JUMP;
    X(rn) = back;
    return STEP_NEXT;
}

#define STG(name, granules, zero)                                                                                      \
    EXEC(name) { return stg(c, o, granules, zero, X(rn) + o->imm, X(rn)); }                                            \
    EXEC(name##_pre) { return stg(c, o, granules, zero, X(rn) + o->imm, X(rn) + o->imm); }                             \
    EXEC(name##_post) { return stg(c, o, granules, zero, X(rn), X(rn) + o->imm); }
STG(stg, 1, false)
STG(stzg, 1, true)
STG(st2g, 2, false)
STG(stz2g, 2, true)

static enum step stgp(struct cpu *c, const struct op *o, u64 addr, u64 back)
{
    CHECK_SP();
    const u64 v[2] = {X(rd), X(ra)};
    const u8 tag = (u8)tag_of(addr);
    if (addr & (TAG_GRANULE - 1)) {
        mem_write16_slow(c, addr, MEM_ATOMIC | MEM_EXCL, v);
        return STEP_JUMP;
    }
    if (!mem_write16(c, addr, MEM_PAIR, v) || !mem_tag_store(c, addr, 1, &tag))
        return STEP_JUMP;
    X(rn) = back;
    return STEP_NEXT;
}

EXEC(stgp) { return stgp(c, o, X(rn) + o->imm, X(rn)); }
EXEC(stgp_pre) { return stgp(c, o, X(rn) + o->imm, X(rn) + o->imm); }
EXEC(stgp_post) { return stgp(c, o, X(rn), X(rn) + o->imm); }

/* Bulk forms for EL1 and above: GMID_EL1.BS granules, tags in a register by address<7:4>. */
static unsigned bulk_granules(const struct cpu *c) { return 1u << ((unsigned)c->sys[GMID_EL1] & 15) >> 2; }

EXEC(ldgm)
{
    if (c->ps.el == 0)
        return exc_undefined(c);
    CHECK_SP();
    unsigned n = bulk_granules(c);
    u64 addr = align_down(X(rn), TAG_GRANULE * n), v = 0;
    u8 tags[16];
    if (!mem_tag_load(c, addr, n, tags))
        return STEP_JUMP;
    for (unsigned k = 0; k < n; k++)
        v |= (u64)tags[k] << 4 * ((addr >> 4 & 15) + k);
    X(rd) = v;
    return STEP_NEXT;
}

EXEC(stgm)
{
    if (c->ps.el == 0)
        return exc_undefined(c);
    CHECK_SP();
    unsigned n = bulk_granules(c);
    u64 addr = align_down(X(rn), TAG_GRANULE * n);
    u8 tags[16];
    for (unsigned k = 0; k < n; k++)
        tags[k] = X(rd) >> 4 * ((addr >> 4 & 15) + k) & 15;
    return mem_tag_store(c, addr, n, tags) ? STEP_NEXT : STEP_JUMP;
}

EXEC(stzgm)
{
    if (c->ps.el == 0)
        return exc_undefined(c);
    CHECK_SP();
    const u8 t = X(rd) & 15, tags[4] = {t, t, t, t};
    u64 addr = align_down(X(rn), 64); /* the block of DCZID_EL0 */
    return mem_zero_block(c, addr) && mem_tag_store(c, addr, 4, tags) ? STEP_NEXT : STEP_JUMP;
}
