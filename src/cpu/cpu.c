/* A processing element: life, PSTATE, wires.  DDI0487 D1 (AArch64 System level programmers' model). */
#include "cpu/cpu.h"

#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/snap.h"
#include "cpu/aa32.h"
#include "cpu/context.h"
#include "cpu/debug.h"
#include "cpu/exception.h"
#include "cpu/par.h"
#include "cpu/pmu.h"
#include "cpu/ras.h"
#include "cpu/sysreg_row.h"

static void wake(struct cpu *c)
{
    c->run = CPU_RUNNING;
    if (c->env->woken)
        c->env->woken(c->env->hook_arg);
}

static void wake_fire(void *arg)
{
    struct cpu *c = arg;
    c->wake_at = ~0ull;
    if (c->par) {
        c->wake_due = true;
        par_wake(c);
        return;
    }
    if (c->run == CPU_WFI || c->run == CPU_WFE)
        wake(c);
}

/* The error record is the CPU's own: its thread deals with it. */
static void deliver_fault(struct cpu *c, const u64 *arg)
{
    (void)arg;
    cpu_lock(c);
    ras_countdown(c);
    cpu_unlock(c);
}

static void pseudo_fault_fire(void *arg)
{
    struct cpu *c = arg;
    if (c->par)
        par_post(NULL, c, &(struct mail){.deliver = deliver_fault});
    else
        ras_countdown(c);
}

struct cpu *cpu_new(struct cpu_env *env, const struct cpu_config *cfg)
{
    struct cpu *c = aligned_alloc(64, align_up(sizeof *c, 64));
    CHECK(c);
    memset(c, 0, sizeof *c);
    c->env = env;
    c->cfg = *cfg;
    c->feat = cfg->feat;
    c->index = cfg->index;
    c->decoder = decoder_new(&c->feat);
    c->wake = (struct event){.fire = wake_fire, .arg = c, .name = "cpu-wake"};
    c->pseudo_fault = (struct event){.fire = pseudo_fault_fire, .arg = c, .name = "pseudo-fault"};
    c->fetch_page = ~0ull;
    return c;
}

static void cancel_events(struct cpu *c)
{
    if (!c->env->clock)
        return;
    clock_cancel(c->env->clock, &c->wake);
    clock_cancel(c->env->clock, &c->pseudo_fault);
}

void cpu_free(struct cpu *c)
{
    if (!c)
        return;
    cancel_events(c);
    if (c->context)
        context_free(c);
    decoder_free(c->decoder);
    aa32_free(c);
    free(c);
}

void cpu_reset(struct cpu *c)
{
    memset(c->x, 0, sizeof c->x);
    memset(c->v, 0, sizeof c->v);
    memset(c->sp_el, 0, sizeof c->sp_el);
    c->nzcv = c->fpsr = c->fpcr = 0;
    c->monitor = (struct monitor){0};
    cpu_take_event(c);
    c->stepped = STEPPED_NOTHING;
    c->poll = (struct poll){0};
    c->wake_at = ~0ull;
    cancel_events(c);
    c->ps = (struct pstate){.el = cpu_has_el3(c) ? 3 : cpu_has_el2(c) ? 2 : 1, .sp = 1, .daif = 0xf};
    c->pc = c->cfg.rvbar;
    c->run = CPU_OFF;
    c->started = ~0ull;
    c->irq_check = true;
    c->trap_id = (u32)c->ps.el << 1 | 1;
    sysreg_config_forget(c);
    sysreg_reset(c);
    sysreg_refresh(c);
    debug_update(c);
    pmu_refresh(c);
    c->fetch_page = ~0ull;
    context_touch(c);
    if (c->env->bus)
        context_reset(c);
}

void cpu_warm_reset(struct cpu *c)
{
    static const u16 kept[] = {ERR0CTLR, ERR0STATUS, ERR0ADDR, ERR0MISC0, ERRSELR_EL1, RNDR_STATE, PMU_LAST};
    bool wires[CPU_SERROR];
    u64 cells[ARRAY_LEN(kept)];
    memcpy(wires, c->input, sizeof wires);
    for (unsigned i = 0; i < ARRAY_LEN(kept); i++)
        cells[i] = c->sys[kept[i]];
    cpu_reset(c);
    memcpy(c->input, wires, sizeof wires);
    for (unsigned i = 0; i < ARRAY_LEN(kept); i++)
        c->sys[kept[i]] = cells[i];
    cpu_drive(c, &c->pmu_irq, false);
}

u64 cpu_get_sp(const struct cpu *c, unsigned n) { return n == (c->ps.sp ? c->ps.el : 0u) ? c->x[REG_SP] : c->sp_el[n]; }

void cpu_set_sp(struct cpu *c, unsigned n, u64 val)
{
    if (n == (c->ps.sp ? c->ps.el : 0u))
        c->x[REG_SP] = val;
    else
        c->sp_el[n] = val;
}

void cpu_set_el(struct cpu *c, unsigned el, unsigned spsel)
{
    unsigned was = c->ps.el;
    if (UNLIKELY(c->pmu_on))
        pmu_sync(c);
    c->sp_el[c->ps.sp ? was : 0] = c->x[REG_SP];
    c->ps.el = (u8)el;
    c->ps.sp = (u8)spsel;
    c->x[REG_SP] = c->sp_el[spsel ? el : 0];
    c->trap_id = c->trap_number[el == 2] << 3 | el << 1 | spsel;
    context_switch(c);
    if ((was == 3) != (el == 3))
        sysreg_security_changed(c);
    if (UNLIKELY(c->pmu_on))
        pmu_arm(c);
}

/* GetPSRFromPSTATE:
 *   31 30 29 28 27 26 25  24  23  22  21 20 19    14 13     12   11 10   9 8 7 6 5 4 3:2 1 0
 *    N  Z  C  V  0  0 TCO DIT UAO PAN SS IL    0    ALLINT SSBS BTYPE   D A I F 0 0 EL  0 SP  */
u64 cpu_get_spsr(const struct cpu *c)
{
    const struct pstate *p = &c->ps;
    if (p->nrw)
        return aa32_cpsr(c) | (u64)p->ss << 21;
    return (u64)c->nzcv | (u64)p->tco << 25 | (u64)p->dit << 24 | (u64)p->uao << 23 | (u64)p->pan << 22 |
           (u64)p->ss << 21 | (u64)p->il << 20 | (u64)p->allint << 13 | (u64)p->ssbs << 12 | (u64)p->btype << 10 |
           (u64)p->daif << 6 | (u64)p->el << 2 | p->sp;
}

void cpu_set_spsr(struct cpu *c, u64 spsr)
{
    struct pstate *p = &c->ps;
    if (bit(spsr, 4) && cpu_has(c, FEAT_AA32EL0)) {
        aa32_set_psr(c, spsr);
        return;
    }
    c->nzcv = (u32)(spsr & 0xf0000000u);
    p->tco = bit(spsr, 25) && cpu_has(c, FEAT_MTE2);
    p->dit = bit(spsr, 24) && cpu_has(c, FEAT_DIT);
    p->uao = bit(spsr, 23) && cpu_has(c, FEAT_UAO);
    p->pan = bit(spsr, 22) && cpu_has(c, FEAT_PAN);
    p->ss = bit(spsr, 21);
    p->il = bit(spsr, 20);
    p->allint = bit(spsr, 13) && cpu_has(c, FEAT_NMI);
    p->ssbs = bit(spsr, 12) && cpu_has(c, FEAT_SSBS);
    p->btype = cpu_has(c, FEAT_BTI) ? (u8)bits(spsr, 11, 10) : 0;
    p->daif = (u8)bits(spsr, 9, 6);
    cpu_set_el(c, (unsigned)bits(spsr, 3, 2), (unsigned)(spsr & 1));
    cpu_recheck(c);
}

void cpu_set_input(struct cpu *c, unsigned input, bool level)
{
    if (c->input[input] == level)
        return;
    __atomic_store_n(&c->input[input], level, __ATOMIC_RELAXED);
    if (!level)
        return;
    if (c->par) {
        par_kick(c, PAR_EXIT_LOOK);
        return;
    }
    cpu_attend(c);
    if ((c->run == CPU_WFI || c->run == CPU_WFE) && cpu_wakeup_pending(c))
        wake(c);
}

void cpu_send_event(struct cpu *c)
{
    __atomic_store_n(&c->event_register, true, __ATOMIC_RELEASE);
    if (c->par)
        par_wake(c);
    else if (c->run == CPU_WFE)
        wake(c);
}

bool cpu_wakeup_pending(struct cpu *c)
{
    return exc_wake(c) || (c->run == CPU_WFE && __atomic_load_n(&c->event_register, __ATOMIC_ACQUIRE));
}

void cpu_polls_counter(struct cpu *c)
{
    struct poll *p = &c->poll;
    const struct clock *k = c->env->clock;
    if (!c->ps.el || !k || c->par) /* the host's time passes by itself */
        return;
    u64 count = cpu_retired(c), now = clock_now(k);
    if (c->pc == p->pc && count - p->last <= POLL_DISTANCE && c->exceptions == p->exceptions) {
        if (++p->streak >= POLL_STREAK && (p->streak < POLL_MANY || p->streak % POLL_SELDOM == 0)) {
            p->skip = (now - p->since) >> POLL_SHIFT;
            slice_end(&c->slice);
        }
    } else {
        p->pc = c->pc;
        p->since = now;
        p->streak = 0;
    }
    p->last = count;
    p->exceptions = c->exceptions;
}

void cpu_state(struct cpu *c, struct snap *s)
{
    snap_section(s, "cpu");
    snap_bytes(s, "x", c->x, 31 * sizeof c->x[0]);
    snap_bytes(s, "sp", &c->x[REG_SP], sizeof c->x[0]);
    SNAP(s, c, pc);
    SNAP(s, c, nzcv);
    SNAP(s, c, fpsr);
    SNAP(s, c, fpcr);
    SNAP(s, c, ps);
    SNAP(s, c, monitor.valid);
    SNAP(s, c, monitor.size);
    SNAP(s, c, monitor.page);
    SNAP(s, c, monitor.off);
    SNAP(s, c, event_register);
    SNAP(s, c, run);
    SNAP(s, c, input);
    SNAP(s, c, wake_at);
    SNAP(s, c, stepped);
    SNAP(s, c, poll);
    for (unsigned i = 0; i < 32; i++)
        snap_bytes(s, "v", &c->v[i], 16);
    SNAP(s, c, sp_el);
    SNAP(s, c, sys);
    SNAP(s, c, executed);
    SNAP(s, c, exceptions);
    SNAP(s, c, started);
    if (c->env->clock) {
        clock_event_state(c->env->clock, &c->wake, s);
        clock_event_state(c->env->clock, &c->pseudo_fault, s);
    }
    if (c->context)
        context_state(c, s);
    if (s->mode == SNAP_LOAD) {
        sysreg_refresh(c);
        c->trap_id = (u32)c->ps.el << 1 | c->ps.sp;
        sysreg_config_forget(c);
        debug_update(c);
        pmu_refresh(c);
        c->fetch_page = ~0ull;
        context_touch(c);
        c->irq_check = true;
    }
}
