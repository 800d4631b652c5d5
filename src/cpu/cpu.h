/* A processing element's state.  Hot fields first: generated code reaches them with 8-bit
 * displacements.  No pointer in here is guest-visible; everything guest-visible is in the snapshot. */
#pragma once
#include "core/bits.h"
#include "core/clock.h"
#include "core/irq.h"
#include "core/types.h"
#include "cpu/a64.h"
#include "cpu/feat.h"
#include "cpu/pauth.h"
#include "cpu/sysreg.h"
#include "mmu/regime.h"

struct bus;
struct log;
struct snap;
struct fast;
struct tlb;
struct code_cache;
struct code_page;
struct cpu;
struct fault;
struct aa32;
struct par_all;
struct par_cpu;

/* A vector register: 128 bits in use, slots of 32 bytes so that 256-bit vectors fit later.
 * Element 0 is the least significant, as in the architecture. */
union vreg {
    u8 b[32];
    u16 h[16];
    u32 s[8];
    u64 d[4];
} __attribute__((aligned(32)));

/* PSTATE but NZCV, which has its own word. */
struct pstate {
    u8 el;       /* 0..3 */
    u8 sp;       /* SPSel: 0 SP_EL0, 1 SP_ELx */
    u8 daif;     /* D 8, A 4, I 2, F 1 */
    u8 btype;    /* 0..3 */
    bool il, ss, pan, uao, dit, tco, ssbs, allint;
    /* AArch32 (cpu/aa32.h); nrw = 0: all are 0 */
    bool nrw, t, e, q;
    u8 mode, it, ge;
};
enum { DAIF_F = 1, DAIF_I = 2, DAIF_A = 4, DAIF_D = 8 };

enum cpu_run { CPU_RUNNING, CPU_WFI, CPU_WFE, CPU_OFF, CPU_HALTED };

/* Interrupt inputs of a PE: wires from the GIC (or from the board). */
enum cpu_input { CPU_IRQ, CPU_FIQ, CPU_VIRQ, CPU_VFIQ, CPU_SERROR, CPU_INPUTS };

/* Exclusive monitor: keyed by RAM page, so aliases agree (architecture.md section 5). */
struct monitor {
    bool valid;
    u8 size;    /* bytes: 1..16 */
    /* parallel mode (mem_excl.c): no jump, in AArch32 nothing but register arithmetic, since the load; others' stores
     * since the load are noticed */
    u8 simple;
    bool published;
    u32 page;   /* RAM page number */
    u32 off;    /* of the 64-byte granule's first byte */
};

/* Breakpoints and watchpoints that MDSCR_EL1.MDE and their E bit enable, whatever else they ask for. Pages that they
 * name have no fast entries. */
struct debug_armed {
    u16 breaks, watches; /* by number */
    bool any_page;       /* some breakpoint matches the context alone */
};

/* A CPU above EL0 that reads the counter again and again at one place waits for a time: after POLL_STREAK reads, each
 * at most POLL_DISTANCE instructions after the one before, every further one ends the slice and lets the scheduler
 * skip a part (1 / 2^POLL_SHIFT) of the time waited so far. A wait costs a few thousand instructions, whatever its
 * length, and is at most twice that part too long (the last read skips too). Who has read POLL_MANY times waits for
 * something else, or is measuring: then it is every POLL_SELDOM-th read. Guest-visible: equal in both engines, and in
 * the snapshot. */
enum { POLL_STREAK = 32, POLL_DISTANCE = 512, POLL_SHIFT = 5, POLL_MANY = 4096, POLL_SELDOM = 64 };
struct poll {
    u64 pc, last;   /* of the last read, and instructions executed then */
    u64 exceptions; /* taken until then: one in between is work, not waiting */
    u64 since;    /* virtual time of the first */
    u64 streak;
    u64 skip; /* ns the scheduler may skip now; 0 between slices */
};

struct tlb_inv;
/* What became of a semihosting call: it is none (the instruction is UNDEFINED), it was served, it has to wait for input
 * (the instruction is executed again). */
enum semihosting { SEMIHOSTING_NONE, SEMIHOSTING_SERVED, SEMIHOSTING_AGAIN };

/* What CPUs of one machine share; the machine fills it in. */
struct cpu_env {
    struct bus *bus;
    struct clock *clock;
    struct log *log;
    struct cpu **cpus;     /* all PEs, for broadcasts */
    unsigned count;
    struct par_all *par;         /* parallel mode (cpu/par.h), NULL: deterministic */
    struct code_cache *code; /* shared by all PEs: made with the first, freed with the last; NULL in parallel mode */
    unsigned code_users;
    bool slow_memory;      /* fast tables stay empty: for tests, the result is the same */
    bool jit_eager;        /* the JIT interprets nothing first: for tests, the result is the same */
    u64 entropy;           /* seed for RNDR and friends */
    void *hook_arg;
    /* An exception was taken (state is already that of the target EL). NULL: nobody listens. */
    void (*on_exception)(void *arg, struct cpu *, const struct exc_info *);
    bool calls_unseen; /* it need not hear of SVC and HVC */
    /* SMC or HVC that would be UNDEFINED without firmware: PSCI/SMCCC by the board. True: handled
     * (x0.. hold the results). NULL: no conduit. */
    bool (*firmware_call)(void *arg, struct cpu *, bool hvc);
    /* A PE that slept goes on, while another may be executing. NULL: nobody listens. */
    void (*woken)(void *arg);
    /* A TLBI that reaches every PE, for those who listen beside them (SMMU). NULL: nobody. */
    void (*broadcast)(void *arg, const struct tlb_inv *);
    /* RMR_ELx.RR: reset this PE and start it at its reset address. NULL: it cannot be done. */
    void (*warm_reset)(void *arg, struct cpu *);
    /* HLT with a semihosting immediate, when enabled. */
    enum semihosting (*semihosting)(void *arg, struct cpu *);
};

/* What distinguishes one PE: its model and its place in the machine. */
struct cpu_config {
    struct features feat;
    u64 id[CELL_COUNT];     /* values of the identification registers and other cells with a
                               model-dependent reset value, by cell (cpu/model.c) */
    unsigned index;
    u64 mpidr;
    u64 rvbar;              /* reset address */
    u64 cntfrq;             /* Hz */
};

/* What an access to a register came to under a trap configuration (sysreg_outcome()). */
struct sysreg_memo {
    u32 trap_id;
    u16 sr;
    u8 action;
};

/* What SVC, HVC or ERET came to (jit/emit_exception.c). Places are relative to rbp in generated code. */
struct transition {
    u64 generation; /* ctx_generation, 0: nothing is known */
    u64 from[2], to[2]; /* pstate */
    u32 from_trap_id, to_trap_id;
    u32 sp_from, sp_to, esr_place, elr_place, spsr_place, vbar_place;
    u32 spsr; /* without NZCV: written by calls, read by ERET */
    u32 fpcr;
    u64 vbar, vector;
    struct resolved *resolved;
    const u8 *jump;
};
/* SVC by EL, HVC by EL, ERET by EL and SPSR.M[3:2], ERET with SPSR.BTYPE by the same */
enum { TRANSITIONS = 40, TRANSITION_SETS = 4 };

struct cpu {
    /* Generated code is shortest for the first 32 words: this one and X0 to X30. */
    u64 fetch_page; /* VA of the latched fetch page, ~0: none */
    /* 0..31: X0-X30 and zero; REG_SINK: where writes of XZR go; REG_SP: the current SP */
    u64 x[34];
    u64 pc;
    u32 nzcv;            /* NZCV in bits 31:28, other bits 0 */
    u32 fpsr, fpcr;
    struct slice slice;  /* what is left to execute before the scheduler has to be asked */

    /* Guest memory, fast path (mmu/fast.h): current contexts */
    struct fast *ft;          /* loads, stores, fetches as PSTATE.EL */
    struct fast *ft_unpriv;   /* LDTR/STTR */
    struct fast *ft_el2;      /* VNCR_EL2 accesses */
    struct code_page *fetch_code; /* of fetch_page */
    bool fetch_guarded;       /* the latched page has the GP attribute (BTI) */
    u32 exit;                 /* enum par_exit: another thread wants something; atomic, 0 in deterministic mode */

    struct pstate ps __attribute__((aligned(8)));
    u32 trap_id;         /* number of the trap configuration (sysreg_config.c) << 3, 0: not known | el << 1 | sp */
    u32 pauth_tag;       /* enables and pointer layouts at the current EL (exec_pauth.c), 0: not known */
    bool big_endian;     /* data accesses at the current EL (kept by context.c) */
    bool strict_align;   /* SCTLR_ELx.A at the current EL (kept by context.c) */
    bool exact_align;    /* that, or the fast tables hold Device memory: fast paths serve aligned accesses only */
    u8 fp_trap;          /* nonzero: FP/SIMD instructions trap (kept by context.c), exec calls
                            exc_fp_access() to find out how */

    u64 pauth_mask[2];   /* where pointers to instructions have their codes, bit 55 set and clear; valid with pauth_tag */
    struct monitor monitor;
    bool event_register; /* SEV/WFE; atomic in parallel mode */
    u8 run;              /* enum cpu_run */
    u8 stepped;          /* software step: what was stepped, see cpu/debug.h */
    /* Eight bytes that generated code looks at at once: nothing of it, nothing to do. */
    bool input[CPU_INPUTS] __attribute__((aligned(8)));
    bool irq_check;      /* interrupts may be pending: look before the next instruction */
    bool ctx_dirty;      /* a register that selects contexts, or PSTATE, changed: resolve before relying on ft* */
    bool pmu_exact;      /* a counter needs every instruction looked at (kept by pmu.c) */
    u64 wake_at;         /* WFIT/WFET deadline in virtual ns, ~0: none */

    union vreg v[36] __attribute__((aligned(16))); /* 32 and above: scratch of AArch32 */

    u64 sp_el[4];        /* banked SP_ELx; the current one lives in x[REG_SP] */
    u64 sys[CELL_COUNT]; /* system register cells, cell.def */
    u64 hcr;             /* effective HCR_EL2: 0-like when EL2 is disabled in this Security state */

    u64 executed;        /* instructions this CPU executed, at the end of the last slice */
    u64 exceptions;      /* exceptions taken */
    u64 started;         /* executed at the time of PSCI CPU_ON, while that is pending; ~0: never */

    /* Not guest-visible */
    unsigned index;
    struct cpu_config cfg;
    u64 sys_w[2][CELL_COUNT], sys_res1[2][CELL_COUNT]; /* bits of cells that can be written, that read as one; by
                                                          HCR_EL2.E2H (sysreg_cell.c) */
    struct cpu_env *env;
    struct features feat;
    struct decoder *decoder;
    struct aa32 *aa32;   /* AArch32 decoder, made with the first use */
    u64 excl[2];         /* what the last load exclusive returned (parallel mode, mem_excl.c) */
    struct par_cpu *par; /* set while the CPU runs on a thread of its own */
    bool wake_due;       /* parallel mode: the time of wake_at has come */
    s64 slice_len;       /* parallel mode: instructions given to the running slice */
    bool psr_restored;   /* AArch32: the current instruction was an exception return */
    u8 insn_len;         /* AArch32: bytes of the current instruction */
    struct code_cache *code;
    struct pauth_memo pauth_memo[2][PAUTH_MEMOS]; /* of AddPAC(), of Auth() */
    struct tlb *tlb;
    struct fast_pool *fast_pool;
    struct context *context; /* cpu/context.c's own */
    struct resolved *resolved; /* what is in ft and its kin, NULL: not one of those */
    u64 ctx_generation; /* changes with the registers that select contexts or trap; 0: context_number() finds it */
    u64 ctx_last;       /* the generation that was made last */
    u64 ctx_floor;      /* generations up to this one do not come back */
    u32 trap_number[2]; /* of the trap configuration, 0: not known; [1]: at EL2 */
    u64 regime_generation[REGIME_STAGE2]; /* ctx_generation when the regime was made */
    struct regime regime_s2, regime_el10, regime_el2, regime_el3; /* kept by context.c */
    struct port ports[PORT_COUNT];
    struct debug_armed armed; /* breakpoints and watchpoints that may match (kept by debug.c) */
    struct irq fault_irq, recovery_irq; /* of the error record, for the machine to connect */
    struct event pseudo_fault;          /* the error record's countdown */
    struct irq pmu_irq;  /* PMUIRQ, for the machine to connect */
    bool pmu_on;         /* some counter is enabled (kept by pmu.c) */
    u64 slice_start;     /* virtual time at which the running slice began */
    struct poll poll;
    struct event wake; /* WFIT/WFET */
    struct sysreg_memo sysreg_memo[2][SR_COUNT];
    struct transition transition[(1 + TRANSITION_SETS) * TRANSITIONS]; /* the last ones, then sets by ctx_generation */
};

/* ---- registers ------------------------------------------------------------------------------ */

static inline bool cpu_has(const struct cpu *c, unsigned feat) { return feat_has(&c->feat, feat); }
static inline bool cpu_has_el2(const struct cpu *c) { return cpu_has(c, FEAT_EL2); }
static inline bool cpu_has_el3(const struct cpu *c) { return cpu_has(c, FEAT_EL3); }

/* IsSecureBelowEL3 / IsSecure / EL2Enabled of the pseudocode. Without EL3 everything is Non-secure. */
static inline bool cpu_secure_below_el3(const struct cpu *c)
{
    return cpu_has_el3(c) && !(c->sys[SCR_EL3] & 1);
}
static inline bool cpu_secure(const struct cpu *c)
{
    return c->ps.el == 3 || cpu_secure_below_el3(c);
}
static inline bool cpu_el2_enabled(const struct cpu *c)
{
    return cpu_has_el2(c) && (!cpu_secure_below_el3(c) || (c->sys[SCR_EL3] >> 18 & 1));
}

/* What FPSR can hold: NZCV of AArch32, QC IDC IXC UFC OFC DZC IOC. */
static inline u32 cpu_fpsr_mask(const struct cpu *c) { return cpu_has(c, FEAT_AA32EL0) ? 0xf800009f : 0x0800009f; }

/* Bytes of the instruction that is being executed. */
static inline unsigned cpu_insn_length(const struct cpu *c) { return UNLIKELY(c->ps.nrw) ? c->insn_len : 4; }

/* ---- life ----------------------------------------------------------------------------------- */

struct cpu *cpu_new(struct cpu_env *env, const struct cpu_config *cfg);
void cpu_free(struct cpu *c);
/* Cold reset: every register as the architecture says; the CPU is CPU_OFF until started. */
void cpu_reset(struct cpu *c);
/* Warm reset, which software asks for, and power-on of a PE while the machine runs: interrupt inputs and the error record
 * stay as they are. The CPU is CPU_OFF until started. */
void cpu_warm_reset(struct cpu *c);
/* Visits everything guest-visible. */
void cpu_state(struct cpu *c, struct snap *s);

/* SPSR-shaped PSTATE (DDI0487 C5.2.19, SPSR_ELx for AArch64) of the current state, and back.
 * cpu_set_spsr() changes EL, SPSel (banking SP), DAIF, NZCV, ...; it checks nothing. */
u64 cpu_get_spsr(const struct cpu *c);
void cpu_set_spsr(struct cpu *c, u64 spsr);
/* SP_ELn whether or not it is the current one. */
u64 cpu_get_sp(const struct cpu *c, unsigned n);
void cpu_set_sp(struct cpu *c, unsigned n, u64 val);
/* Switches EL and SPSel, banking SP_ELx; marks contexts for resolution. */
void cpu_set_el(struct cpu *c, unsigned el, unsigned spsel);

/* A wire from the GIC. Makes the engine look after the current instruction when it matters. */
void cpu_set_input(struct cpu *c, unsigned input, bool level);
/* Asks the engine to look at interrupts, contexts and run state after this instruction. */
static inline void cpu_attend(struct cpu *c)
{
    c->irq_check = true;
    slice_kick(&c->slice);
}
/* The same from within an instruction that ends with STEP_SYNC or STEP_JUMP, without ending the slice:
 * exceptions, returns and PSTATE writes. */
static inline void cpu_recheck(struct cpu *c)
{
    c->irq_check = true;
    c->fetch_page = ~0ull;
}
/* SEV, exception return and monitor events: sets the event register, wakes WFE. */
void cpu_send_event(struct cpu *c);
/* True when WFI (or WFE) would have a reason not to sleep. */
bool cpu_wakeup_pending(struct cpu *c);

/* ---- parallel mode (cpu/par.h); nothing when one thread runs all CPUs ------------------------- */

void par_attend(struct cpu *c);
void par_lock(struct cpu *c);
void par_unlock(struct cpu *c);
void par_settle(struct cpu *c);

/* The machine's lock, around everything that is not the CPU's own: devices, interrupt controller, events, wires. */
static inline void cpu_lock(struct cpu *c)
{
    if (UNLIKELY(c->par != NULL))
        par_lock(c);
}
static inline void cpu_unlock(struct cpu *c)
{
    if (UNLIKELY(c->par != NULL))
        par_unlock(c);
}
/* Loads after it come after stores before it: what x86 does not promise by itself. */
static inline void cpu_fence(const struct cpu *c)
{
    if (UNLIKELY(c->par != NULL))
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
/* Another thread may look at c->run. */
static inline void cpu_set_run(struct cpu *c, enum cpu_run run) { __atomic_store_n(&c->run, (u8)run, __ATOMIC_RELAXED); }
static inline enum cpu_run cpu_get_run(const struct cpu *c)
{
    return (enum cpu_run)__atomic_load_n(&c->run, __ATOMIC_RELAXED);
}
static inline bool cpu_get_input(const struct cpu *c, unsigned input)
{
    return __atomic_load_n(&c->input[input], __ATOMIC_RELAXED);
}
/* The event register was set: it is no more. */
static inline bool cpu_take_event(struct cpu *c)
{
    if (!__atomic_load_n(&c->event_register, __ATOMIC_RELAXED) ||
        !__atomic_exchange_n(&c->event_register, false, __ATOMIC_ACQUIRE))
        return false;
    const struct port *p = &c->ports[PORT_TIMER];
    if (p->event_taken)
        p->event_taken(p->arg);
    return true;
}
/* Drives one of the CPU's own wires to the interrupt controller. */
static inline void cpu_drive(struct cpu *c, struct irq *i, bool level)
{
    if (i->level == level)
        return;
    cpu_lock(c);
    irq_set(i, level);
    cpu_unlock(c);
}

/* Another thread wants something: the engine returns to its boundary soon. */
static inline bool cpu_wanted(const struct cpu *c) { return __atomic_load_n(&c->exit, __ATOMIC_RELAXED) != 0; }

/* The engine's question at a boundary: may it go on? */
static inline bool cpu_continue(struct cpu *c)
{
    if (UNLIKELY(cpu_wanted(c)))
        par_attend(c);
    return c->run == CPU_RUNNING && slice_continue(&c->slice);
}

/* Instructions this CPU has executed, exact to the executing one. */
static inline u64 cpu_retired(const struct cpu *c)
{
    const struct clock *k = c->env->clock;
    if (UNLIKELY(c->par != NULL))
        return c->executed + (u64)(c->slice_len - c->slice.left - c->slice.stash);
    return c->executed + (k && k->run == &c->slice ? clock_now(k) - c->slice_start : 0);
}
/* The executing instruction reads the system counter. */
void cpu_polls_counter(struct cpu *c);

/* ---- execution ------------------------------------------------------------------------------ */

/* Executes until slice_continue() says no or the CPU stops running (c->run changes). Engines are
 * interchangeable. */
struct engine {
    const char *name;
    void (*run)(struct cpu *c);
};
extern const struct engine engine_interp;

/* The interpreter's two halves, for engines that leave some of the work to it. interp_look(): interrupts, contexts,
 * illegal state, the fetch page; false: look again (an exception was taken). interp_page(): executes from pc within
 * the page that was latched (straight on even if the latch was dropped since) until something has to be looked at.
 * interp_block(): the same, but returns true behind a jump within the page. */
bool interp_look(struct cpu *c);
void interp_page(struct cpu *c);
bool interp_block(struct cpu *c);

/* The decoded instruction at pc; the interpreter's current one while its exec function runs. */
struct op cpu_current_op(struct cpu *c);
