/* System registers: the table, the access pipeline end to end (traps with their syndromes), reserved bits, derived
 * state.  The chains themselves are compared with the architecture's in test_sysreg_spec.c. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "cpu/code.h"
#include "cpu/exception.h"
#include "cpu/fields.h"
#include "cpu/model.h"
#include "cpu/ras.h"
#include "cpu/sysreg_row.h"

static struct log quiet;
static struct cpu_env env = {.log = &quiet};

static unsigned port_reg;
static u64 port_value;
static struct port_txn port_who;
static u64 port_read(void *arg, unsigned reg, const struct port_txn *x)
{
    (void)arg;
    port_reg = reg;
    port_who = *x;
    return port_value;
}
static void port_write(void *arg, unsigned reg, const struct port_txn *x, u64 val)
{
    (void)arg;
    port_reg = reg;
    port_who = *x;
    port_value = val;
}

static struct cpu *make(const char *model, bool el2, bool el3)
{
    static struct cpu_config cfg;
    char err[128];
    struct model_request want = {.el2 = el2, .el3 = el3, .gicv3 = true};
    ck_assert_msg(model_lookup(model, &want, &cfg, err, sizeof err), "%s", err);
    cfg.mpidr = 0x80000003;
    cfg.cntfrq = 62500000;
    cfg.rvbar = 0x1000;
    struct cpu *c = cpu_new(&env, &cfg);
    for (unsigned i = 0; i < PORT_COUNT; i++)
        c->ports[i] = (struct port){.read = port_read, .write = port_write};
    cpu_reset(c);
    if (el3)
        c->sys[SCR_EL3] |= SCR_NS;
    sysreg_refresh(c);
    c->pc = 0x4000;
    return c;
}

static enum step mrs(struct cpu *c, unsigned sr, unsigned rt)
{
    struct op o = {.imm = sr, .rd = (u8)(rt == 31 ? REG_SINK : rt)};
    return sysreg_mrs(c, &o);
}

static enum step msr(struct cpu *c, unsigned sr, unsigned rt, u64 val)
{
    struct op o = {.imm = sr, .rd = (u8)rt};
    if (rt != 31)
        c->x[rt] = val;
    return sysreg_msr(c, &o);
}

static u64 get(struct cpu *c, unsigned sr)
{
    ck_assert_int_ne(mrs(c, sr, 5), STEP_JUMP);
    return c->x[5];
}

START_TEST(test_table)
{
    unsigned last = 0;
    for (unsigned i = 1; i < SR_COUNT; i++) {
        const struct sysreg_row *r = &sysreg_rows[i];
        ck_assert_str_eq(sysreg_name(i), r->name);
        if (i == SR_ID_RESERVED || i == SR_IMPDEF || i == SR_ID_UNALLOCATED)
            continue;
        unsigned order = (unsigned)(r->enc >> 14 == 1) << 16 | r->enc;
        ck_assert_msg(order > last, "%s is out of order", r->name);
        last = order;
        ck_assert_uint_eq(sysreg_find(r->enc >> 14, r->enc >> 11 & 7, r->enc >> 7 & 15, r->enc >> 3 & 15, r->enc & 7),
                          i);
        ck_assert_uint_eq(sysreg_encoding(i), r->enc);
        ck_assert_msg(r->cell || r->port || r->hook || r->alias || r->chain == CHAIN_IMPDEF, "%s has no place",
                      r->name);
    }
    ck_assert_uint_eq(sysreg_find(3, 3, 9, 15, 0), SR_NONE);
}
END_TEST

START_TEST(test_trap_syndrome)
{
    struct cpu *c = make("cortex-a57", true, false);
    cpu_set_spsr(c, 0x3c5); /* EL1h */
    c->sys[VBAR_EL2] = 0x10000;
    c->sys[HCR_EL2] |= HCR_TVM;
    sysreg_refresh(c);
    ck_assert_int_eq(mrs(c, SR_SCTLR_EL1, 0), STEP_NEXT);
    ck_assert_int_eq(msr(c, SR_SCTLR_EL1, 7, 0), STEP_JUMP);
    /* op0 3, op2 0, op1 0, CRn 1, Rt 7, CRm 0, write */
    ck_assert_uint_eq(c->sys[ESR_EL2], (u64)EC_SYS64 << 26 | 1u << 25 | 3u << 20 | 1u << 10 | 7u << 5);
    ck_assert_uint_eq(c->sys[ELR_EL2], 0x4000);
    ck_assert_uint_eq(c->pc, 0x10400);
    ck_assert_uint_eq(c->ps.el, 2);

    cpu_set_spsr(c, 0x3c5);
    c->sys[HCR_EL2] |= HCR_TID3;
    ck_assert_int_eq(mrs(c, SR_ID_AA64PFR0_EL1, 31), STEP_JUMP);
    ck_assert_uint_eq(c->sys[ESR_EL2], (u64)EC_SYS64 << 26 | 1u << 25 | 3u << 20 | 31u << 5 | 4u << 1 | 1);

    cpu_set_spsr(c, 0x3c0); /* EL0t */
    ck_assert_int_eq(mrs(c, SR_SCTLR_EL1, 0), STEP_JUMP);
    ck_assert_uint_eq(c->ps.el, 1);
    ck_assert_uint_eq(c->sys[ESR_EL1] >> 26, EC_UNKNOWN);
    cpu_free(c);
}
END_TEST

/* FEAT_IDST: every exception of a read in the feature ID space. */
START_TEST(test_id_space)
{
    static const struct {
        const char *cpu;
        unsigned ec;
    } models[] = {{"max", EC_SYS64}, {"cortex-a57", EC_UNKNOWN}};
    for (unsigned i = 0; i < ARRAY_LEN(models); i++) {
        struct cpu *c = make(models[i].cpu, true, false);
        unsigned id = sysreg_find(3, 1, 0, 5, 0);
        for (unsigned el = 0; el < 3; el++) {
            cpu_set_spsr(c, 0x3c0 | el << 2 | (el != 0));
            ck_assert_int_eq(mrs(c, id, 13), STEP_JUMP);
            ck_assert_uint_eq(c->ps.el, el ? el : 1);
            u64 esr = c->sys[el == 2 ? ESR_EL2 : ESR_EL1];
            ck_assert_uint_eq(esr >> 26, models[i].ec);
            ck_assert_uint_eq(esr & 0x1ffffff, i ? 0 : 0x3041ab);
        }
        cpu_set_spsr(c, 0x3c5);
        struct op o = {.imm = id};
        ck_assert_int_eq(sysreg_msr(c, &o), STEP_JUMP);
        ck_assert_uint_eq(c->sys[ESR_EL1] >> 26, EC_UNKNOWN);
        cpu_free(c);
    }
}
END_TEST

START_TEST(test_generic_encodings)
{
    struct cpu *c = make("cortex-a57", true, false);
    unsigned id = sysreg_find(3, 0, 0, 7, 7); /* reserved in the ID space: RAZ */
    ck_assert_uint_eq(id & 0xffff, SR_ID_RESERVED);
    c->x[3] = ~0ull;
    cpu_set_spsr(c, 0x3c5);
    ck_assert_int_eq(mrs(c, id, 3), STEP_NEXT);
    ck_assert_uint_eq(c->x[3], 0);
    id = sysreg_find(3, 3, 15, 1, 2);
    ck_assert_uint_eq(id & 0xffff, SR_IMPDEF);
    ck_assert_int_eq(mrs(c, id, 3), STEP_JUMP);
    ck_assert_uint_eq(c->sys[ESR_EL1] >> 26, EC_UNKNOWN);
    cpu_set_spsr(c, 0x3c5);
    c->sys[HCR_EL2] |= HCR_TIDCP;
    ck_assert_int_eq(mrs(c, id, 3), STEP_JUMP);
    ck_assert_uint_eq(c->sys[ESR_EL2], (u64)EC_SYS64 << 26 | 1u << 25 | 3u << 20 | 2u << 17 | 3u << 14 | 15u << 10 |
                                           3u << 5 | 1u << 1 | 1);
    cpu_free(c);
}
END_TEST

START_TEST(test_reserved_bits)
{
    struct cpu *c = make("cortex-a57,-aa32el1,-aa32el0", true, false);
    msr(c, SR_SCTLR_EL1, 1, 0);
    ck_assert_uint_eq(get(c, SR_SCTLR_EL1), 0x30d00980);
    msr(c, SR_SCTLR_EL1, 1, ~0ull); /* what Armv8.0 has, both byte orders included */
    ck_assert_uint_eq(get(c, SR_SCTLR_EL1), 0x37fdfb9f & ~(SCTLR_IESB | SCTLR_EnDB | SCTLR_EnRCTX));
    msr(c, SR_SCTLR_EL2, 1, 0);
    ck_assert_uint_eq(get(c, SR_SCTLR_EL2), 0x30c50830);
    msr(c, SR_HCR_EL2, 1, ~0ull);
    ck_assert_uint_eq(get(c, SR_HCR_EL2) & (HCR_E2H | HCR_NV | HCR_API | HCR_FWB | HCR_ATA), 0);
    ck_assert_uint_ne(get(c, SR_HCR_EL2) & HCR_RW, 0);
    msr(c, SR_HCR_EL2, 1, 0);
    ck_assert_uint_eq(get(c, SR_HCR_EL2), HCR_RW);
    msr(c, SR_CPTR_EL2, 1, 0);
    ck_assert_uint_eq(get(c, SR_CPTR_EL2), 0x33ff);
    msr(c, SR_VBAR_EL1, 1, ~0ull);
    ck_assert_uint_eq(get(c, SR_VBAR_EL1), ~0x7ffull);
    msr(c, SR_VTCR_EL2, 1, 0);
    ck_assert_uint_eq(get(c, SR_VTCR_EL2), 0x80000000);
    cpu_free(c);

    c = make("cortex-a57,-aa32el1,-aa32el0", false, true); /* no EL2: its registers are RES0 at EL3 */
    c->ps.el = 3;
    msr(c, SR_VBAR_EL2, 1, ~0ull);
    msr(c, SR_HCR_EL2, 1, ~0ull);
    ck_assert_uint_eq(get(c, SR_VBAR_EL2) | get(c, SR_HCR_EL2), 0);
    ck_assert_uint_eq(get(c, SR_VPIDR_EL2), 0x411fd070);
    msr(c, SR_SCR_EL3, 1, 0);
    ck_assert_uint_eq(get(c, SR_SCR_EL3), SCR_RW | 0x30);
    cpu_free(c);
}
END_TEST

/* Bits that are reserved with one value of E2H only are kept: a context restored in any order is whole. */
START_TEST(test_layouts)
{
    struct cpu *c = make("max", true, true);
    msr(c, SR_CPTR_EL2, 3, 3ull << 20);
    msr(c, SR_TCR_EL2, 3, 16ull << 16 | 16);
    msr(c, SR_HCR_EL2, 3, HCR_E2H);
    ck_assert_uint_eq(get(c, SR_CPTR_EL2) >> 20 & 3, 3);
    ck_assert_uint_eq(get(c, SR_TCR_EL2), 16ull << 16 | 16); /* EPD1, which was RES1 */
    cpu_free(c);
}
END_TEST

START_TEST(test_host_redirection)
{
    struct cpu *c = make("max", true, false);
    c->sys[SCTLR_EL1] = 0x111;
    msr(c, SR_HCR_EL2, 1, HCR_E2H);
    ck_assert_uint_ne(c->hcr & HCR_E2H, 0);
    c->sys[SCTLR_EL2] = 0x222;
    ck_assert_uint_eq(get(c, SR_SCTLR_EL1), 0x222);
    ck_assert_uint_eq(get(c, SR_SCTLR_EL12), 0x111);
    msr(c, SR_VBAR_EL1, 1, 0x5000);
    ck_assert_uint_eq(c->sys[VBAR_EL2], 0x5000);
    msr(c, SR_VBAR_EL12, 1, 0x6000);
    ck_assert_uint_eq(c->sys[VBAR_EL1], 0x6000);
    msr(c, SR_CNTV_CTL_EL0, 1, 1);
    ck_assert_uint_eq(port_reg, SR_CNTHV_CTL_EL2);
    msr(c, SR_CNTV_CTL_EL02, 1, 1);
    ck_assert_uint_eq(port_reg, SR_CNTV_CTL_EL0);
    msr(c, SR_HCR_EL2, 1, 0);
    ck_assert_uint_eq(get(c, SR_SCTLR_EL1), 0x111);
    ck_assert_int_eq(mrs(c, SR_SCTLR_EL12, 1), STEP_JUMP);
    cpu_free(c);
}
END_TEST

START_TEST(test_identity)
{
    struct cpu *c = make("cortex-a57", true, false);
    msr(c, SR_VPIDR_EL2, 1, 0x12345678);
    msr(c, SR_VMPIDR_EL2, 1, 0x80000102);
    ck_assert_uint_eq(get(c, SR_MIDR_EL1), 0x411fd070);
    ck_assert_uint_eq(get(c, SR_MPIDR_EL1), 0x80000003);
    cpu_set_spsr(c, 0x3c5);
    ck_assert_uint_eq(get(c, SR_MIDR_EL1), 0x12345678);
    ck_assert_uint_eq(get(c, SR_MPIDR_EL1), 0x80000102);
    msr(c, SR_CSSELR_EL1, 1, 1);
    ck_assert_uint_eq(get(c, SR_CCSIDR_EL1), 0x201fe012);
    msr(c, SR_CSSELR_EL1, 1, 2);
    ck_assert_uint_eq(get(c, SR_CCSIDR_EL1), 0x70ffe07a);
    cpu_free(c);
}
END_TEST

START_TEST(test_pstate)
{
    struct cpu *c = make("max", true, false);
    cpu_set_spsr(c, 0x3c5);
    ck_assert_int_eq(sysreg_msr_imm(c, 3, 7, 2), STEP_SYNC); /* DAIFClr I */
    ck_assert_uint_eq(c->ps.daif, DAIF_D | DAIF_A | DAIF_F);
    ck_assert_uint_eq(get(c, SR_DAIF), 0x340);
    sysreg_msr_imm(c, 3, 6, 15);
    ck_assert_uint_eq(c->ps.daif, 15);
    c->x[REG_SP] = 0x111;
    sysreg_msr_imm(c, 0, 5, 0); /* SPSel 0 */
    ck_assert_uint_eq(c->ps.sp, 0);
    c->x[REG_SP] = 0x222;
    ck_assert_int_eq(mrs(c, SR_SP_EL0, 1), STEP_JUMP); /* UNDEFINED while it is the current one */
    cpu_set_spsr(c, 0x3c4);
    sysreg_msr_imm(c, 0, 5, 1);
    ck_assert_uint_eq(get(c, SR_SP_EL0), 0x222);
    sysreg_msr_imm(c, 0, 4, 1);
    ck_assert(c->ps.pan);
    ck_assert_uint_eq(get(c, SR_PAN), 1u << 22);
    ck_assert_uint_eq(get(c, SR_CurrentEL), 4);
    msr(c, SR_NZCV, 1, ~0ull);
    ck_assert_uint_eq(c->nzcv, 0xf0000000);
    cpu_set_spsr(c, 0x3c0); /* EL0 without UMA */
    ck_assert_int_eq(sysreg_msr_imm(c, 3, 6, 15), STEP_JUMP);
    /* op0 0, op2 6, op1 3, CRn 4, Rt 31, CRm 15, write */
    ck_assert_uint_eq(c->sys[ESR_EL1],
                      (u64)EC_SYS64 << 26 | 1u << 25 | 6u << 17 | 3u << 14 | 4u << 10 | 31u << 5 | 15u << 1);
    cpu_free(c);
}
END_TEST

START_TEST(test_fp_trap)
{
    struct cpu *c = make("cortex-a57", true, false);
    cpu_set_spsr(c, 0x3c5);
    ck_assert_int_eq(mrs(c, SR_FPCR, 0), STEP_JUMP);
    ck_assert_uint_eq(c->sys[ESR_EL1], (u64)EC_FPSIMD << 26 | 1u << 25 | 1u << 24 | 0xeu << 20);
    cpu_set_spsr(c, 0x3c5);
    msr(c, SR_CPACR_EL1, 1, 3 << 20);
    msr(c, SR_FPCR, 1, ~0ull);
    ck_assert_uint_eq(get(c, SR_FPCR), 0x07c00000);
    msr(c, SR_FPSR, 1, ~0ull);
    ck_assert_uint_eq(get(c, SR_FPSR), 0xf800009f); /* NZCV are those of AArch32 */
    cpu_free(c);
}
END_TEST

START_TEST(test_ports)
{
    struct cpu *c = make("cortex-a57", true, false);
    /* CNTHCTL_EL2's reset value lets EL1 use the timers; a hypervisor may take that back */
    ck_assert_uint_eq(c->sys[CNTHCTL_EL2], 3);
    cpu_set_spsr(c, 0x3c9);
    msr(c, SR_CNTHCTL_EL2, 1, 0);
    ck_assert_uint_eq(c->sys[CNTHCTL_EL2], 0);
    cpu_set_spsr(c, 0x3c5);
    port_value = 0x77;
    ck_assert_uint_eq(get(c, SR_ICC_PMR_EL1), 0x77);
    ck_assert_uint_eq(port_who.el, 1);
    c->ports[PORT_GICV] = (struct port){0};
    c->sys[HCR_EL2] |= HCR_IMO;
    ck_assert_int_eq(mrs(c, SR_ICC_PMR_EL1, 0), STEP_JUMP); /* the virtual interface is not plugged in */
    cpu_set_spsr(c, 0x3c9);
    ck_assert_uint_eq(get(c, SR_ICC_PMR_EL1), 0x77);
    msr(c, SR_CNTVOFF_EL2, 1, 0x1234);
    ck_assert_uint_eq(port_reg, SR_CNTVOFF_EL2);
    ck_assert_uint_eq(c->sys[CNTVOFF_EL2], 0x1234);
    c->ports[PORT_GIC] = (struct port){0};
    ck_assert_int_eq(mrs(c, SR_ICC_PMR_EL1, 0), STEP_JUMP); /* no GIC: UNDEFINED */
    ck_assert_uint_eq(c->sys[ESR_EL2] >> 26, EC_UNKNOWN);
    cpu_free(c);
}
END_TEST

/* ICC_*: which of several possible traps is taken, and when the virtual interface answers. */
START_TEST(test_gic_chains)
{
    static const struct {
        unsigned sr;
        u64 hcr, ich, scr;
        unsigned el;
        u8 action;
    } cases[] = {
        {SR_ICC_PMR_EL1, 0, 0, 0, 1, ACT_USE},
        {SR_ICC_PMR_EL1, HCR_FMO, 0, 0, 1, ACT_VIRT},
        {SR_ICC_PMR_EL1, HCR_IMO, ICH_HCR_TC, 0, 1, ACT_TRAP2},
        {SR_ICC_PMR_EL1, 0, 0, SCR_IRQ | SCR_FIQ, 1, ACT_TRAP3},
        {SR_ICC_PMR_EL1, HCR_IMO, 0, SCR_IRQ | SCR_FIQ, 1, ACT_VIRT},
        {SR_ICC_PMR_EL1, HCR_IMO, 0, SCR_IRQ | SCR_FIQ, 2, ACT_TRAP3},
        {SR_ICC_PMR_EL1, HCR_IMO, ICH_HCR_TC, SCR_IRQ, 2, ACT_USE},
        {SR_ICC_IAR1_EL1, HCR_FMO, 0, 0, 1, ACT_USE},
        {SR_ICC_IAR1_EL1, HCR_IMO, 0, SCR_IRQ, 1, ACT_VIRT},
        {SR_ICC_IAR1_EL1, 0, 0, SCR_IRQ, 1, ACT_TRAP3},
        {SR_ICC_IAR1_EL1, HCR_IMO, ICH_HCR_TALL1, 0, 1, ACT_TRAP2},
        {SR_ICC_IAR0_EL1, HCR_FMO, ICH_HCR_TALL1, 0, 1, ACT_VIRT},
        {SR_ICC_IAR0_EL1, 0, ICH_HCR_TALL0, 0, 1, ACT_TRAP2},
        {SR_ICC_DIR_EL1, HCR_IMO, ICH_HCR_TDIR, 0, 1, ACT_TRAP2},
        {SR_ICC_SGI1R_EL1, HCR_IMO, 0, 0, 1, ACT_TRAP2},
        {SR_ICC_SGI1R_EL1, 0, ICH_HCR_TC, 0, 1, ACT_TRAP2},
        {SR_ICC_SGI1R_EL1, 0, 0, SCR_IRQ | SCR_FIQ, 1, ACT_TRAP3},
        {SR_ICC_SGI1R_EL1, 0, 0, 0, 0, ACT_UNDEF},
        {SR_ICH_VMCR_EL2, 0, 0, 0, 1, ACT_UNDEF},
        {SR_ICH_VMCR_EL2, 0, 0, 0, 2, ACT_USE},
        {SR_ICC_CTLR_EL3, 0, 0, 0, 2, ACT_UNDEF},
        {SR_ICC_CTLR_EL3, 0, 0, 0, 3, ACT_USE},
    };
    struct cpu *c = make("cortex-a57", true, true);
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        c->sys[HCR_EL2] = HCR_RW | cases[i].hcr;
        c->sys[ICH_HCR_EL2] = cases[i].ich;
        c->sys[SCR_EL3] = SCR_NS | cases[i].scr;
        c->ps.el = (u8)cases[i].el;
        bool write = !(sysreg_rows[cases[i].sr].access & ACCESS_RO);
        struct sysreg_outcome out = sysreg_resolve(c, cases[i].sr, write);
        ck_assert_msg(out.action == cases[i].action, "case %u: %s by %s", i, sysreg_name(cases[i].sr),
                      sysreg_step_name(out.step));
    }
    c->ps.el = 3;
    c->sys[SCR_EL3] = 0; /* EL2 is disabled in Secure state: its ICC_SRE_EL2 is not there */
    ck_assert_uint_eq(sysreg_resolve(c, SR_ICC_SRE_EL2, false).action, ACT_UNDEF);
    cpu_free(c);
}
END_TEST

START_TEST(test_error_barrier)
{
    struct cpu *c = make("max", true, false);
    cpu_set_spsr(c, 0x3c5); /* EL1h, SErrors masked */
    c->input[CPU_SERROR] = true;
    ras_esb(c);
    ck_assert_uint_eq(get(c, SR_DISR_EL1), 1u << 31);
    ck_assert(!c->input[CPU_SERROR]);
    c->sys[HCR_EL2] |= HCR_AMO | HCR_VSE;
    c->sys[VSESR_EL2] = 0x123;
    sysreg_refresh(c);
    ras_esb(c);
    ck_assert_uint_eq(c->sys[VDISR_EL2], 1u << 31 | 0x123);
    ck_assert_uint_eq((c->sys[HCR_EL2] | c->hcr) & HCR_VSE, 0);
    ck_assert_uint_eq(get(c, SR_DISR_EL1), 1u << 31 | 0x123); /* EL1 sees VDISR_EL2 */
    c->sys[HCR_EL2] |= HCR_VSE;
    sysreg_refresh(c);
    c->ps.daif = 0; /* not masked: it is taken instead */
    ras_esb(c);
    ck_assert_uint_ne(c->hcr & HCR_VSE, 0);
    cpu_free(c);
}
END_TEST

START_TEST(test_effective_hcr)
{
    struct cpu *c = make("max", true, true);
    c->ps.el = 3;
    msr(c, SR_HCR_EL2, 1, HCR_VM | HCR_IMO);
    ck_assert_uint_eq(c->hcr, HCR_VM | HCR_IMO | HCR_RW);
    msr(c, SR_SCR_EL3, 1, 0); /* Secure without EEL2: no EL2 */
    ck_assert_uint_eq(c->hcr, HCR_RW);
    msr(c, SR_SCR_EL3, 1, SCR_NS);
    msr(c, SR_HCR_EL2, 1, HCR_TGE);
    ck_assert_uint_eq(c->hcr & (HCR_IMO | HCR_FMO | HCR_AMO), HCR_IMO | HCR_FMO | HCR_AMO);
    msr(c, SR_HCR_EL2, 1, HCR_TGE | HCR_E2H | HCR_VM | HCR_IMO);
    ck_assert_uint_eq(c->hcr & (HCR_VM | HCR_IMO), 0);
    cpu_free(c);
}
END_TEST

/* What the number of the trap configuration leaves out decides nothing: where a control bit changes and the number
 * stays, every covered access has the outcome that it had. EL2's numbers leave out most. */
START_TEST(test_configurations)
{
    static const u16 control[] = {HCR_EL2,     SCR_EL3,   HCRX_EL2,  HFGRTR_EL2, HFGWTR_EL2, HDFGRTR_EL2, HDFGWTR_EL2,
                                  HFGITR_EL2,  CPACR_EL1, CPTR_EL2,  CPTR_EL3,   MDCR_EL2,   MDCR_EL3,    CNTKCTL_EL1,
                                  CNTHCTL_EL2, SCTLR_EL1, SCTLR_EL2, VTTBR_EL2,  TCR_EL1};
    struct cpu *c = make("max", true, _i & 1);
    static struct code_cache cache;
    static u8 was[2][SR_COUNT];
    u64 seed = 1 + (u64)_i;
    unsigned kept = 0;
    c->code = &cache;
    for (unsigned round = 0; round < 300; round++) {
        c->ps.el = (u8)(round % 4 < 2 ? 2 : round % 4 - 2);
        for (unsigned i = 0; i < ARRAY_LEN(control); i++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            c->sys[control[i]] = seed ^ seed >> 31;
        }
        sysreg_config_forget(c);
        u32 number = sysreg_config(c);
        for (unsigned sr = 1; sr < SR_COUNT; sr++)
            for (unsigned w = 0; w < 2; w++)
                was[w][sr] = sysreg_resolve(c, sr, w).action;
        for (unsigned i = 0; i < 8; i++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            u16 cell = control[(seed >> 40) % ARRAY_LEN(control)];
            c->sys[cell] ^= 1ull << (seed >> 58);
            sysreg_config_written(c, cell, 1ull << (seed >> 58));
            if (sysreg_config(c) != number)
                break;
            kept++;
            for (unsigned sr = 1; sr < SR_COUNT; sr++)
                for (unsigned w = 0; sysreg_config_covers(sr) && w < 2; w++)
                    ck_assert_msg(was[w][sr] == sysreg_resolve(c, sr, w).action, "%s at EL%u: bit %u of %s",
                                  sysreg_name(sr), c->ps.el, (unsigned)(seed >> 58), sysreg_cell_name(cell));
        }
    }
    ck_assert_uint_gt(kept, 300);
    sysreg_config_free(cache.configs);
    cache.configs = NULL;
    c->code = NULL;
    cpu_free(c);
}
END_TEST

START_TEST(test_describe)
{
    char buf[128];
    esr_describe((u64)EC_SYS64 << 26 | 1u << 25 | 3u << 20 | 1u << 10 | 7u << 5, buf, sizeof buf);
    ck_assert_str_eq(buf, "SYS64 write of SCTLR_EL1 from x7");
    esr_describe((u64)EC_DABT_LOW << 26 | 1u << 24 | 2u << 22 | 5u << 16 | 1u << 6 | 6, buf, sizeof buf);
    ck_assert_str_eq(buf, "DABT_LOW level 2 translation fault, write, 4 bytes, w5");
    esr_describe((u64)EC_SVC64 << 26 | 0x12, buf, sizeof buf);
    ck_assert_str_eq(buf, "SVC64 #0x12");
    esr_describe(0x3eull << 26, buf, 6);
    ck_assert_str_eq(buf, "EC 0x");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sysreg");
    TCase *t = tcase_create("sysreg");
    tcase_add_test(t, test_table);
    tcase_add_test(t, test_trap_syndrome);
    tcase_add_test(t, test_id_space);
    tcase_add_test(t, test_generic_encodings);
    tcase_add_test(t, test_reserved_bits);
    tcase_add_test(t, test_layouts);
    tcase_add_test(t, test_host_redirection);
    tcase_add_test(t, test_identity);
    tcase_add_test(t, test_pstate);
    tcase_add_test(t, test_fp_trap);
    tcase_add_test(t, test_ports);
    tcase_add_test(t, test_gic_chains);
    tcase_add_test(t, test_error_barrier);
    tcase_add_test(t, test_effective_hcr);
    tcase_add_loop_test(t, test_configurations, 0, 4);
    tcase_add_test(t, test_describe);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
