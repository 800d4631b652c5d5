/* Memory copy and memory set instructions (FEAT_MOPS; DDI0487 C6.2 CPYFP to SETE).
 *
 * IMPLEMENTATION DEFINED choices: Option A everywhere (the size register holds what is left, negative
 * when going forward, and the addresses stay put); the prologue moves nothing, the main instruction
 * everything, so that the epilogue is content with a size of zero only; a size of zero is never a
 * mismatch; CPY goes forward when the areas do not overlap.  The non-temporal options are hints that
 * are not taken.  SETG* need FEAT_MTE as well.
 *
 * Invariants: the size register says after each piece what is left, so that a fault or an interrupt
 * finds a state from which the instruction goes on; a piece is read before it is written and does not
 * cross a page; after MOPS_BURST bytes the instruction restarts itself, for interrupts' sake. */
#include <string.h>

#include "core/bits.h"
#include "cpu/cpu.h"
#include "cpu/exception.h"
#include "cpu/exec.h"
#include "cpu/fields.h"
#include "cpu/mem_impl.h"
#include "cpu/mem_tag.h"

enum { MOPS_BURST = 16384 };

/* ---- checks --------------------------------------------------------------------------------- */

static u64 hcrx(const struct cpu *c)
{
    bool on = !cpu_has_el3(c) || (c->sys[SCR_EL3] & SCR_HXEn);
    return on ? c->sys[HCRX_EL2] : 0;
}

/* CheckMOPSEnabled */
static bool mops_enabled(const struct cpu *c)
{
    bool host = (c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE);
    if (c->ps.el <= 1 && cpu_el2_enabled(c) && !host && !(hcrx(c) & HCRX_MSCEn))
        return false;
    return c->ps.el != 0 || (c->sys[host ? SCTLR_EL2 : SCTLR_EL1] & SCTLR_MSCEn);
}

/* Registers that overlap or are number 31 are CONSTRAINED UNPREDICTABLE: UNDEFINED here. */
static bool copy_allowed(const struct cpu *c, const struct op *o)
{
    bool overlap = o->rd == o->rn || o->rd == o->rm || o->rn == o->rm;
    return mops_enabled(c) && !overlap && o->rd != 31 && o->rn != 31 && o->rm != 31;
}
static bool set_allowed(const struct cpu *c, const struct op *o)
{
    bool overlap = o->rd == o->rn || o->rd == o->rm || o->rn == o->rm;
    return mops_enabled(c) && !overlap && o->rd != 31 && o->rn != 31;
}

enum stage { MAIN, EPILOGUE };
enum what { COPY, SET = 2, SETG = 3 }; /* ISS bits 24:23 */

/* MismatchedMemCpyException, MismatchedMemSetException */
static enum step mismatch(struct cpu *c, const struct op *o, enum what what, enum stage stage, bool wrong_option)
{
    u32 iss = (u32)what << 23 | (u32)o->x << 19 | (u32)(stage == EPILOGUE) << 18 | (u32)wrong_option << 17 |
              1u << 16 /* Option A */ | (u32)o->rd << 10 | (u32)o->rm << 5 | o->rn;
    if (c->ps.el == 1 && cpu_el2_enabled(c) && (hcrx(c) & HCRX_MCE2))
        return exc_trap(c, 2, EC_MOPS, iss);
    return exc_trap_el1(c, EC_MOPS, iss);
}

/* PSTATE.C = 1 announces Option B. */
static bool option_b(const struct cpu *c) { return (c->nzcv >> 29 & 1) != 0; }

/* ---- pieces --------------------------------------------------------------------------------- */

static const struct fast *table(const struct cpu *c, unsigned kind) { return kind & MEM_UNPRIV ? c->ft_unpriv : c->ft; }

/* The host address when the fast table serves va's page. */
static const u8 *readable(const struct cpu *c, u64 va, unsigned kind)
{
    const struct fast *ft = table(c, kind);
    u64 i = fast_index(ft, va);
    return ((va ^ ft->rtag[i]) & ~0xfffull) == 0 ? ft_host(ft, i, va) : NULL;
}
static u8 *writable(const struct cpu *c, u64 va, unsigned kind)
{
    const struct fast *ft = table(c, kind);
    u64 i = fast_index(ft, va);
    return ((va ^ ft->wtag[i]) & ~0xfffull) == 0 ? ft_host(ft, i, va) : NULL;
}

static u64 min3(u64 a, u64 b, u64 c) { return a < b ? (a < c ? a : c) : (b < c ? b : c); }
/* Bytes from va to the end of its page, and from the beginning of the page that va - 1 is in to va. */
static u64 room_up(u64 va) { return 0x1000 - (va & 0xfff); }
static u64 room_down(u64 va) { return ((va - 1) & 0xfff) + 1; }

/* Copies len bytes, which lie within a page on either side, or at least the part that one access can do
 * when there is no direct way; up: the part at the beginning, else the one at the end. 0: an exception
 * was taken. */
static u64 copy_piece(struct cpu *c, u64 to, u64 from, u64 len, bool up, unsigned rkind, unsigned wkind)
{
    const u8 *src = readable(c, from, rkind);
    u8 *dst = writable(c, to, wkind);
    if (LIKELY(src && dst)) {
        memmove(dst, src, len);
        return len;
    }
    u64 val;
    unsigned size = len >= 8 && ((to | from | (up ? 0 : len)) & 7) == 0 ? 8 : 1;
    u64 off = up ? 0 : len - size;
    if (!mem_read(c, from + off, size, rkind, &val) || !mem_write(c, to + off, size, wkind, val))
        return 0;
    return size;
}

static u64 set_piece(struct cpu *c, u64 to, u64 len, u8 byte, unsigned kind)
{
    u8 *dst = writable(c, to, kind);
    if (LIKELY(dst)) {
        memset(dst, byte, len);
        return len;
    }
    unsigned size = len >= 8 && (to & 7) == 0 ? 8 : 1;
    return mem_write(c, to, size, kind, byte * (~0ull / 255)) ? size : 0;
}

/* ---- copy ----------------------------------------------------------------------------------- */

static enum step copy_prologue(struct cpu *c, const struct op *o, bool forward, u64 size)
{
    if (forward) {
        c->x[o->rd] += size;
        c->x[o->rm] += size;
        size = 0 - size;
    }
    c->x[o->rn] = size;
    c->nzcv = 0;
    return STEP_NEXT;
}

enum step exec_cpyp_forward(struct cpu *c, const struct op *o)
{
    if (!copy_allowed(c, o))
        return exc_undefined(c);
    u64 size = c->x[o->rn];
    return copy_prologue(c, o, true, size >> 63 ? ~0ull >> 1 : size);
}

enum step exec_cpyp(struct cpu *c, const struct op *o)
{
    if (!copy_allowed(c, o))
        return exc_undefined(c);
    u64 size = c->x[o->rn], to = c->x[o->rd] & ones(56), from = c->x[o->rm] & ones(56);
    if (size >> 55)
        size = ones(55);
    bool backward = from < to && ((from + size) & ones(56)) > to;
    return copy_prologue(c, o, !backward, size);
}

static enum step copy_main(struct cpu *c, const struct op *o, bool forward_only)
{
    if (!copy_allowed(c, o))
        return exc_undefined(c);
    s64 left = (s64)c->x[o->rn];
    if (left == 0)
        return STEP_NEXT;
    if (option_b(c))
        return mismatch(c, o, COPY, MAIN, true);
    if (forward_only && left > 0)
        return mismatch(c, o, COPY, MAIN, false);
    unsigned rkind = MEM_TAGCHK | (o->x & 2 ? MEM_UNPRIV : 0), wkind = MEM_TAGCHK | (o->x & 1 ? MEM_UNPRIV : 0);
    u64 end_to = c->x[o->rd], end_from = c->x[o->rm];
    for (u64 done = 0; left && done < MOPS_BURST;) {
        u64 n, to = end_to + (u64)left, from = end_from + (u64)left;
        if (left < 0) {
            n = copy_piece(c, to, from, min3(0 - (u64)left, room_up(to), room_up(from)), true, rkind, wkind);
        } else {
            n = min3((u64)left, room_down(to), room_down(from));
            n = copy_piece(c, to - n, from - n, n, false, rkind, wkind);
        }
        if (n == 0)
            return STEP_JUMP;
        left = left < 0 ? left + (s64)n : left - (s64)n;
        c->x[o->rn] = (u64)left;
        done += n;
    }
    return left ? STEP_JUMP : STEP_NEXT; /* pc is unchanged: once more */
}

enum step exec_cpym_forward(struct cpu *c, const struct op *o) { return copy_main(c, o, true); }
enum step exec_cpym(struct cpu *c, const struct op *o) { return copy_main(c, o, false); }

enum step exec_cpye(struct cpu *c, const struct op *o)
{
    if (!copy_allowed(c, o))
        return exc_undefined(c);
    if (c->x[o->rn] != 0)
        return mismatch(c, o, COPY, EPILOGUE, option_b(c));
    return STEP_NEXT;
}

/* ---- set ------------------------------------------------------------------------------------ */

enum step exec_setp(struct cpu *c, const struct op *o)
{
    if (!set_allowed(c, o))
        return exc_undefined(c);
    u64 size = c->x[o->rn];
    if (size >> 63)
        size = ~0ull >> 1;
    c->x[o->rd] += size;
    c->x[o->rn] = 0 - size;
    c->nzcv = 0;
    return STEP_NEXT;
}

enum step exec_setm(struct cpu *c, const struct op *o)
{
    if (!set_allowed(c, o))
        return exc_undefined(c);
    s64 left = (s64)c->x[o->rn];
    if (left == 0)
        return STEP_NEXT;
    if (option_b(c) || left > 0)
        return mismatch(c, o, SET, MAIN, option_b(c));
    unsigned kind = MEM_TAGCHK | (o->x & 1 ? MEM_UNPRIV : 0);
    for (u64 done = 0; left && done < MOPS_BURST;) {
        u64 to = c->x[o->rd] + (u64)left, len = 0 - (u64)left;
        u64 n = set_piece(c, to, len < room_up(to) ? len : room_up(to), (u8)c->x[o->rm], kind);
        if (n == 0)
            return STEP_JUMP;
        left += (s64)n;
        c->x[o->rn] = (u64)left;
        done += n;
    }
    return left ? STEP_JUMP : STEP_NEXT;
}

enum step exec_sete(struct cpu *c, const struct op *o)
{
    if (!set_allowed(c, o))
        return exc_undefined(c);
    if (c->x[o->rn] != 0)
        return mismatch(c, o, SET, EPILOGUE, option_b(c));
    return STEP_NEXT;
}

/* ---- set with tags -------------------------------------------------------------------------- */

static bool setg_allowed(const struct cpu *c, const struct op *o) { return cpu_has(c, FEAT_MTE) && set_allowed(c, o); }

/* A size that is not whole granules, or an address that is not at the beginning of one when there is
 * something to do. */
static bool granules_misaligned(u64 to, u64 size) { return (size && (to & 15)) || (size & 15); }
static enum step granule_fault(struct cpu *c, u64 to)
{
    const struct fault f = mem_alignment_fault(to, true);
    return exc_data_abort(c, &f);
}

enum step exec_setgp(struct cpu *c, const struct op *o)
{
    if (!setg_allowed(c, o))
        return exc_undefined(c);
    u64 size = c->x[o->rn];
    if (size >> 63)
        size = 0x7ffffffffffffff0ull;
    if (granules_misaligned(c->x[o->rd], size))
        return granule_fault(c, c->x[o->rd]);
    c->x[o->rd] += size;
    c->x[o->rn] = 0 - size;
    c->nzcv = 0;
    return STEP_NEXT;
}

/* Sets data and tags of whole granules within a page; 0: an exception was taken. */
static u64 setg_piece(struct cpu *c, u64 to, u64 len, u8 byte, unsigned kind)
{
    u8 tags[0x1000 / TAG_GRANULE], *dst = writable(c, to, kind);
    const u64 v[2] = {byte * (~0ull / 255), byte * (~0ull / 255)};
    if (dst) {
        memset(dst, byte, len);
    } else {
        if (!mem_write16(c, to, kind, v))
            return 0;
        len = TAG_GRANULE;
    }
    memset(tags, (int)bits(to, 59, 56), sizeof tags);
    return mem_tag_store(c, to, (unsigned)(len / TAG_GRANULE), tags) ? len : 0;
}

enum step exec_setgm(struct cpu *c, const struct op *o)
{
    if (!setg_allowed(c, o))
        return exc_undefined(c);
    s64 left = (s64)c->x[o->rn];
    if (left == 0)
        return STEP_NEXT;
    if (option_b(c) || left > 0)
        return mismatch(c, o, SETG, MAIN, option_b(c));
    if (granules_misaligned(c->x[o->rd], (u64)left))
        return granule_fault(c, c->x[o->rd]);
    unsigned kind = o->x & 1 ? MEM_UNPRIV : 0; /* these stores are not tag-checked */
    for (u64 done = 0; left && done < MOPS_BURST;) {
        u64 to = c->x[o->rd] + (u64)left, len = 0 - (u64)left;
        u64 n = setg_piece(c, to, len < room_up(to) ? len : room_up(to), (u8)c->x[o->rm], kind);
        if (n == 0)
            return STEP_JUMP;
        left += (s64)n;
        c->x[o->rn] = (u64)left;
        done += n;
    }
    return left ? STEP_JUMP : STEP_NEXT;
}

enum step exec_setge(struct cpu *c, const struct op *o)
{
    if (!setg_allowed(c, o))
        return exc_undefined(c);
    if (c->x[o->rn] != 0)
        return mismatch(c, o, SETG, EPILOGUE, option_b(c));
    return STEP_NEXT;
}
