/* The RAS extension: ESB (DDI0487 D2.12, pseudocode AArch64.ESBOperation and AArch64.vESBOperation), and with
 * FEAT_RASv1p1 one error record a PE, with the Common Fault Injection Model (DDI0587, ERR<n>* and the ERX* registers
 * that show it).
 *
 * Nothing in this model is ever faulty: the record holds what ERXPFGCTL_EL1 asks for when the Error Generation Counter,
 * one an instruction of the machine's time, reaches zero. Errors are recorded where ERR0CTLR.ED enables that, then
 *   UE: an uncorrected error raises an SError exception whose syndrome says what UET says,
 *   FI: deferred and uncorrected errors, CFI: an overflow of the counter of corrected errors: fault handling interrupt,
 *   UI: uncorrected errors: error recovery interrupt. Both interrupts are levels of what the record holds.
 * The record follows the RAS System Architecture v1.1, as FEAT_RASv1p1 says: which error overwrites which, and what OF
 * means, is its table "rules for overwriting error records"; a write of ERR0STATUS clears all of an error or nothing.
 * Choices: a corrected error is counted in 8 bits, CEC and its overflow flag, and keeps an earlier one (FR.CEO = 0);
 * ERR0ADDR is what software put there; SERR is 1, "implementation defined"; what is UNKNOWN while V is 0 reads as zero.
 * ERXMISC1-3 are RES0: nothing is kept there, and FR.TS = 0 says that ERXMISC3 has no time stamp. Not modelled:
 * deferral with poison, critical errors, memory-mapped records. Without FEAT_RASv1p1 there is no record (ERRIDR_EL1.NUM
 * = 0). Because accesses are performed in order and their own errors are reported synchronously, FEAT_IESB's implicit
 * barriers have nothing to wait for. */
#include "cpu/ras.h"

#include "core/bits.h"
#include "core/clock.h"
#include "cpu/fields.h"
#include "cpu/sysreg_row.h"

enum { DISR_A = 1u << 31 };

/* GetPhysicalSErrorTarget and masking: would a physical SError stay pending here? */
static bool physical_masked(const struct cpu *c)
{
    bool host = (c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE);
    unsigned target = 1;
    if (cpu_has_el3(c) && (c->sys[SCR_EL3] & SCR_EA))
        target = 3;
    else if (c->ps.el <= 1 ? cpu_el2_enabled(c) && (c->hcr & (HCR_TGE | HCR_AMO)) : c->ps.el == 2)
        target = 2;
    if (target < c->ps.el)
        return true;
    bool mask_active = target == 1 ? c->ps.el <= 1 : target == 2 && host ? c->ps.el != 1 : c->ps.el == target;
    return mask_active && (c->ps.daif & DAIF_A);
}

enum step ras_esb(struct cpu *c)
{
    if (!cpu_has(c, FEAT_RAS))
        return STEP_NEXT;
    if (c->input[CPU_SERROR] && physical_masked(c)) {
        c->sys[DISR_EL1] = DISR_A | c->sys[SERROR_ISS];
        cpu_set_input(c, CPU_SERROR, false);
        c->sys[SERROR_ISS] = 0;
    }
    bool virt = c->ps.el <= 1 && cpu_el2_enabled(c) && (c->hcr & HCR_AMO) && !(c->hcr & HCR_TGE);
    if (virt && (c->hcr & HCR_VSE) && (c->ps.daif & DAIF_A)) {
        c->sys[VDISR_EL2] = DISR_A | (c->sys[VSESR_EL2] & 0x1ffffff);
        c->sys[HCR_EL2] &= ~HCR_VSE;
        c->hcr &= ~HCR_VSE;
    }
    return STEP_SYNC;
}

/* ---- the error record ---------------------------------------------------------------------------- */

/* ERR0FR: ED, UI, FI, UE, CFI can be switched (2), CEC = 2: 8-bit counter, INJ = 1 */
#define FR_VALUE (2ull | 2ull << 4 | 2ull << 6 | 2ull << 8 | 2ull << 10 | 2ull << 12 | 1ull << 20)
/* ERR0PFGF: as ERR0PFGCTL, what can be asked for; CE = 1: as a corrected error, non-specific; OF = 0: by the rules */
#define PFGF_VALUE (1ull << 30 | 1ull << 12 | 1ull << 11 | 1ull << 10 | 1ull << 9 | 1ull << 6 | 0x3eull)

enum { CTLR_ED = 1 << 0, CTLR_UI = 1 << 2, CTLR_FI = 1 << 3, CTLR_UE = 1 << 4, CTLR_CFI = 1 << 8 };
/* 31 AV | 30 V | 29 UE | 28 ER | 27 OF | 26 MV | 25:24 CE | 23 DE | 22 PN | 21:20 UET | 15:8 IERR | 7:0 SERR */
enum {
    STATUS_AV = 1u << 31,
    STATUS_V = 1u << 30,
    STATUS_UE = 1u << 29,
    STATUS_ER = 1u << 28,
    STATUS_OF = 1u << 27,
    STATUS_MV = 1u << 26,
    STATUS_CE = 3u << 24,
    STATUS_DE = 1u << 23,
    STATUS_PN = 1u << 22,
    STATUS_UET = 3u << 20,
};
enum {
    PFG_UC = 1 << 1,
    PFG_UEU = 1 << 2,
    PFG_UER = 1 << 3,
    PFG_UEO = 1 << 4,
    PFG_DE = 1 << 5,
    PFG_CE = 1 << 6,
    PFG_ER = 1 << 9,
    PFG_PN = 1 << 10,
    PFG_AV = 1 << 11,
    PFG_MV = 1 << 12,
    PFG_R = 1 << 30,
};
#define PFG_CDNEN (1ull << 31)
enum { MISC0_CEC = 32, MISC0_OF = 39 }; /* 38:32 counter, 39 overflow */

static bool record_there(const struct cpu *c) { return cpu_has(c, FEAT_RASv1p1) && c->sys[ERRSELR_EL1] == 0; }

static void update_interrupts(struct cpu *c)
{
    u64 ctl = c->sys[ERR0CTLR], st = c->sys[ERR0STATUS];
    bool on = (ctl & CTLR_ED) && (st & STATUS_V);
    bool fault = ((ctl & CTLR_FI) && (st & (STATUS_UE | STATUS_DE))) ||
                 ((ctl & CTLR_CFI) && (st & STATUS_CE) && bit(c->sys[ERR0MISC0], MISC0_OF));
    cpu_drive(c, &c->fault_irq, on && fault);
    cpu_drive(c, &c->recovery_irq, on && (ctl & CTLR_UI) && (st & STATUS_UE));
}

/* The kind of an error in the order of overwriting. */
enum severity { NO_ERROR, CORRECTED, DEFERRED, LATENT, RECOVERABLE, UNRECOVERABLE, UNCONTAINABLE };

static enum severity recorded(u64 st)
{
    static const u8 by_uet[] = {UNCONTAINABLE, UNRECOVERABLE, LATENT, RECOVERABLE};
    if (!(st & STATUS_V))
        return NO_ERROR;
    if (st & STATUS_UE)
        return by_uet[bits(st, 21, 20)];
    return st & STATUS_DE ? DEFERRED : st & STATUS_CE ? CORRECTED : NO_ERROR;
}

/* Counts a corrected error; true: the counter overflows. */
static bool count_corrected(struct cpu *c)
{
    u64 *m = &c->sys[ERR0MISC0], n = bits(*m, MISC0_OF - 1, MISC0_CEC) + 1;
    *m = deposit(*m, MISC0_OF - 1, MISC0_CEC, n & 0x7f);
    if (n <= 0x7f)
        return false;
    *m |= 1ull << MISC0_OF;
    return true;
}

/* Records an error of the first kind that how, ERR0PFGCTL, enables. */
static void record(struct cpu *c, u64 how)
{
    static const struct {
        u32 pfg, status;
        enum severity severity;
        u8 uet; /* UET and AET: 0 UC, 1 UEU, 2 UEO, 3 UER */
    } kinds[] = {{PFG_UC, STATUS_UE, UNCONTAINABLE, 0}, {PFG_UEU, STATUS_UE, UNRECOVERABLE, 1},
                 {PFG_UER, STATUS_UE, RECOVERABLE, 3},  {PFG_UEO, STATUS_UE, LATENT, 2},
                 {PFG_DE, STATUS_DE, DEFERRED, 0},      {PFG_CE, 2u << 24, CORRECTED, 0}};
    unsigned k = 0;
    while (k < ARRAY_LEN(kinds) && !(how & kinds[k].pfg))
        k++;
    if (k == ARRAY_LEN(kinds) || !(c->sys[ERR0CTLR] & CTLR_ED))
        return;
    u64 *st = &c->sys[ERR0STATUS];
    enum severity old = recorded(*st), new = kinds[k].severity;
    bool over = new == CORRECTED ? count_corrected(c) : old != NO_ERROR; /* something is discarded, either way */
    if (new > old) {
        *st &= STATUS_UE | STATUS_DE | STATUS_CE | STATUS_OF;
        *st |= STATUS_V | kinds[k].status | (u64)kinds[k].uet << 20 | 1;
        *st |= (how & PFG_AV ? STATUS_AV : 0) | (how & PFG_MV ? STATUS_MV : 0) | (how & PFG_ER ? STATUS_ER : 0) |
               (how & PFG_PN ? STATUS_PN : 0);
    }
    if (over)
        *st |= STATUS_OF;
    *st |= kinds[k].status;
    update_interrupts(c);
    if (new >= LATENT && (c->sys[ERR0CTLR] & CTLR_UE)) {
        c->sys[SERROR_ISS] = (u64)kinds[k].uet << 10 | 0x11; /* AET, DFSC: asynchronous SError */
        cpu_set_input(c, CPU_SERROR, true);
    }
}

static void start_countdown(struct cpu *c)
{
    if (!c->env->clock)
        return;
    clock_cancel(c->env->clock, &c->pseudo_fault);
    if ((c->sys[ERR0PFGCTL] & PFG_CDNEN) && c->sys[ERR0PFGCDN])
        clock_schedule(c->env->clock, &c->pseudo_fault, clock_now(c->env->clock) + c->sys[ERR0PFGCDN]);
}

void ras_countdown(void *arg)
{
    struct cpu *c = arg;
    record(c, c->sys[ERR0PFGCTL]);
    if (c->sys[ERR0PFGCTL] & PFG_R)
        start_countdown(c);
}

/* ERR0STATUS is cleared by writing ones, all of them: a write that leaves one of these fields is ignored, since it may
 * stand for an error that came after software read the register. */
static void write_status(struct cpu *c, u64 val)
{
    u64 *st = &c->sys[ERR0STATUS], clear = val & ~(u64)(STATUS_CE | STATUS_UET);
    clear |= (val & STATUS_CE) == STATUS_CE ? STATUS_CE : 0;
    if (*st & (STATUS_V | STATUS_UE | STATUS_OF | STATUS_CE | STATUS_DE) & ~clear)
        return;
    *st &= ~clear & (STATUS_AV | STATUS_MV); /* without V the other fields are UNKNOWN */
}

u64 ras_read(struct cpu *c, unsigned sr)
{
    if (sr == SR_ERRIDR_EL1)
        return cpu_has(c, FEAT_RASv1p1);
    if (!record_there(c))
        return 0;
    switch (sr) {
    case SR_ERXFR_EL1: return FR_VALUE;
    case SR_ERXCTLR_EL1: return c->sys[ERR0CTLR];
    case SR_ERXSTATUS_EL1: return c->sys[ERR0STATUS];
    case SR_ERXADDR_EL1: return c->sys[ERR0ADDR];
    case SR_ERXPFGF_EL1: return PFGF_VALUE;
    case SR_ERXPFGCTL_EL1: return c->sys[ERR0PFGCTL];
    case SR_ERXPFGCDN_EL1: return c->sys[ERR0PFGCDN];
    case SR_ERXMISC0_EL1: return c->sys[ERR0MISC0];
    default: return 0; /* ERXMISC1-3 */
    }
}

enum step ras_write(struct cpu *c, unsigned sr, u64 val)
{
    if (!record_there(c))
        return STEP_NEXT;
    switch (sr) {
    case SR_ERXCTLR_EL1: c->sys[ERR0CTLR] = val & (CTLR_ED | CTLR_UI | CTLR_FI | CTLR_UE | CTLR_CFI); break;
    case SR_ERXSTATUS_EL1: write_status(c, val); break;
    case SR_ERXADDR_EL1:
        if (!(c->sys[ERR0STATUS] & STATUS_AV))
            c->sys[ERR0ADDR] = val;
        break;
    case SR_ERXPFGCTL_EL1:
        c->sys[ERR0PFGCTL] = val & (PFGF_VALUE | PFG_CDNEN);
        cpu_lock(c);
        start_countdown(c);
        cpu_unlock(c);
        break;
    case SR_ERXPFGCDN_EL1: c->sys[ERR0PFGCDN] = val & 0xffffffff; break;
    case SR_ERXMISC0_EL1: c->sys[ERR0MISC0] = val & 0xffull << MISC0_CEC; break;
    default: break;
    }
    update_interrupts(c);
    return STEP_SYNC;
}
