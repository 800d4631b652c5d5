/* MRC, MCR, MRRC, MCRR, LDC and STC against the access chains of the AArch32 system registers as data
 * (shared/spec/aarch32-sysreg-access.tsv): AArch32 EL1, and EL0 below an EL1 of either kind, below an AArch64 EL2 and
 * EL3; each single control bit, both Security states. Where the file is absent there is nothing to compare with.
 *
 * What is executed is the instruction's function; a trap's target and class are compared, not what is read. */
#include "core/bus.h"
#include "cpu/aa32.h"
#include "cpu/context.h"
#include "cpu/exec_a32.h"
#include "spec_language.h"

static struct row {
    char name[28];
    u32 word;
    bool write;
    enum step (*exec)(struct cpu *c, const struct op *o);
    struct node *absent;
    struct chain *el[2];
} rows[512];
static unsigned nrows;

/* AArch32 names of what AArch64 names otherwise. */
static char *renamed(const char *text)
{
    static const char *const names[][2] = {{"PMUSERENR.", "PMUSERENR_EL0."},
                                           {"CNTKCTL.PL0", "CNTKCTL_EL1.EL0"},
                                           {"DBGDSCRext.UDCCdis", "MDSCR_EL1.TDCC"},
                                           {"DBGOSLSR.OSLK=0", "HEL3"},
                                           {"PMSELR.SEL", "PMSELR_EL0.SEL"},
                                           {"SCTLR.CP15BEN", "SCTLR_EL1.CP15BEN"},
                                           /* what decides about the value alone, or is absent */
                                           {"TTBCR.EAE=1", "!HEL3"},
                                           {"SCTLR.EnRCTX=0", "!HEL3"},
                                           {"CNTP_CTL.ENABLE=0", "!HEL3"},
                                           {"CNTV_CTL.ENABLE=0", "!HEL3"},
                                           {"CNTP_CTL_NS.ENABLE=0", "!HEL3"},
                                           {"CNTP_CTL_S.ENABLE=0", "!HEL3"},
                                           {"IsHighestEL(EL1)", "!HEL3"},
                                           {"IsHighestEL(EL2)", "!HEL3"},
                                           {"AArch32.TreatICAsNOP(CacheOp_Invalidate, CacheOpScope_PoU)", "!HEL3"},
                                           {"AArch32.CanTrapIC(CacheOp_Invalidate, CacheOpScope_PoU)", "HEL3"},
                                           {"AArch32.TreatDCAsNOP(CacheOp_CleanInvalidate, CacheOpScope_PoC)", "!HEL3"},
                                           {"AArch32.CanTrapDC(CacheOp_CleanInvalidate, CacheOpScope_PoC)", "HEL3"},
                                           {"AArch32.TreatDCAsNOP(CacheOp_Invalidate, CacheOpScope_PoC)", "!HEL3"},
                                           {"AArch32.CanTrapDC(CacheOp_Invalidate, CacheOpScope_PoC)", "HEL3"},
                                           {"AArch32.TreatDCAsNOP(CacheOp_Clean, CacheOpScope_PoC)", "!HEL3"},
                                           {"AArch32.CanTrapDC(CacheOp_Clean, CacheOpScope_PoC)", "HEL3"}};
    static char out[65536];
    char *p = out;
    while (*text) {
        unsigned i = 0;
        while (i < ARRAY_LEN(names) && strncmp(text, names[i][0], strlen(names[i][0])))
            i++;
        if (i < ARRAY_LEN(names)) {
            p = stpcpy(p, names[i][1]);
            text += strlen(names[i][0]);
        } else {
            *p++ = *text++;
        }
    }
    *p = 0;
    return strdup(out);
}

/* "coproc=15 opc1=0 CRn=1 CRm=0 opc2=1" as a word of A32; false: it has a field that varies. */
static bool encode(struct row *r, const char *kind, const char *enc, const char *chain)
{
    static const char *const reads[] = {"; R = ", "; R[", "? R = ", "? R[", "{R = "};
    bool reading = !strncmp(chain, "R", 1);
    for (unsigned i = 0; i < ARRAY_LEN(reads); i++)
        reading |= strstr(chain, reads[i]) != NULL;
    if (!*kind) /* the data leaves some out */
        kind = strstr(enc, "CRn=") ? (reading ? "MRC" : "MCR") : reading ? "MRRC" : "MCRR";
    unsigned coproc, opc1 = 0, crn = 0, crm = 0, opc2 = 0;
    char *end;
    for (const char *p = enc; (p = strchr(p, '=')); p = end) /* each value is a number */
        if (strtoul(p + 1, &end, 10), end == p + 1 || (*end && *end != ' '))
            return false;
    const char *p = strstr(enc, "coproc=");
    if (!p || sscanf(p, "coproc=%u", &coproc) != 1 || coproc < 14 || coproc > 15)
        return false;
    if ((p = strstr(enc, "opc1=")))
        sscanf(p, "opc1=%u", &opc1);
    if ((p = strstr(enc, "CRn=")))
        sscanf(p, "CRn=%u", &crn);
    if ((p = strstr(enc, "CRm=")))
        sscanf(p, "CRm=%u", &crm);
    if ((p = strstr(enc, "opc2=")))
        sscanf(p, "opc2=%u", &opc2);
    r->write = !strncmp(kind, "MC", 2);
    if (strchr("LS", *kind) && strstr(enc, "CRd=")) { /* [r3, #0] */
        if (!strstr(enc, "CRd=5"))
            return false;
        r->exec = *kind == 'L' ? exec_a32_ldc : exec_a32_stc;
        r->word = 0xed835e00u | (u32)(*kind == 'L') << 20;
    } else if (!strcmp(kind, "MRRC") || !strcmp(kind, "MCRR")) {
        r->exec = r->write ? exec_a32_mcrr : exec_a32_mrrc;
        r->word = 0xec465000u | (u32)!r->write << 20 | coproc << 8 | opc1 << 4 | crm;
    } else {
        r->exec = r->write ? exec_a32_mcr : exec_a32_mrc;
        r->word = 0xee005010u | (u32)!r->write << 20 | opc1 << 21 | crn << 16 | coproc << 8 | opc2 << 5 | crm;
    }
    return true;
}

/* Some rows of the data have their columns mixed up, or are about what no model with AArch32 has. */
static bool readable(char *const col[COLUMNS])
{
    static const char *const what[] = {"EL == ", "EL IN ", "IsHighestEL(EL)", "t == 15",
                                       "+AMUv1", "GetNum", "HaveELUsing"};
    for (unsigned i = 0; i < ARRAY_LEN(what); i++)
        for (unsigned k = 3; k < 6; k++)
            if (strstr(col[k], what[i]))
                return false;
    return true;
}

static bool load(void)
{
    static char line[65536];
    FILE *f = open_spec("aarch32-sysreg-access.tsv");
    if (!f || !load_fields())
        return false;
    for (u8 n = 0; n < 16; n++) { /* the data has no fields T<n> */
        struct field *x = &fields[nfields++];
        *x = (struct field){.reg = "HSTR_EL2", .msb = n, .lsb = n};
        snprintf(x->name, sizeof x->name, "T%u", n);
    }
    while (fgets(line, sizeof line, f) && nrows < ARRAY_LEN(rows)) {
        char *col[COLUMNS];
        split_tabs(line, col);
        struct row *r = &rows[nrows];
        if (*line == '#' || !encode(r, col[1], col[2], col[5]) || !readable(col))
            continue;
        snprintf(r->name, sizeof r->name, "%s%.18s", r->write ? "write " : "", col[0]);
        char *pre = renamed(col[3]);
        for (const char *p = pre; *p; p += span(p, ';') + (p[span(p, ';')] == ';')) {
            size_t q = span(p, '?');
            if (q >= span(p, ';'))
                continue;
            struct node *x = parse_condition(p, q);
            r->absent = r->absent ? node(K_OR, r->absent, x) : x;
        }
        free(pre);
        for (unsigned el = 0; el < 2; el++) {
            char *text = renamed(col[4 + el]);
            r->el[el] = parse_chain(text, strlen(text));
            free(text);
        }
        nrows++;
    }
    fclose(f);
    return true;
}

/* ---- comparison --------------------------------------------------------------------------------------------- */

static struct {
    bool any;
    unsigned el, ec, vector;
} taken;

static void on_exception(void *arg, struct cpu *c, const struct exc_info *x)
{
    (void)arg, (void)c;
    if (!taken.any) {
        taken.any = true;
        taken.el = x->to_el;
        taken.ec = (unsigned)(x->esr >> 26 & 63);
        taken.vector = (unsigned)x->vector & 0x1f;
    }
}

static u64 port_read(void *arg, unsigned reg, const struct port_txn *x) { return (void)arg, (void)reg, (void)x, 0; }
static void port_write(void *arg, unsigned reg, const struct port_txn *x, u64 val)
{
    (void)arg, (void)reg, (void)x, (void)val;
}

static unsigned long compared, different;
static u64 base[CELL_COUNT];

static void place(struct cpu *c, unsigned el)
{
    if (c->ps.nrw)
        aa32_leave(c);
    cpu_set_spsr(c, 9);
    sysreg_refresh(c);
    cpu_set_spsr(c, el ? AA32_SVC : AA32_USR);
    c->pc = 0x4000;
    context_touch(c);
}

static const struct wanted to_el3 = {.kind = WANT_TRAP, .el = 3, .ec = 3, .text = "T(EL3,0x03)"};

static bool monitor_register(const struct row *r)
{
    u32 crn = r->word >> 16 & 15, crm = r->word & 15, opc2 = r->word >> 5 & 7;
    if ((r->word >> 21 & 7) || !(r->word & 16) || (r->word >> 8 & 15) != 15)
        return false;
    return (crn == 1 && ((crm == 1 && opc2 == 0) || (crm == 3 && opc2 == 1))) || (crn == 12 && crm == 0 && opc2 == 1) ||
           (crn == 7 && crm == 8 && opc2 >= 4 && r->write);
}

/* el: of the access; the cells are those of base with one changed. */
static void compare(struct cpu *c, const struct row *r, unsigned el, unsigned cell, u64 flip)
{
    struct eval e = {.c = c};
    memcpy(c->sys, base, sizeof base);
    c->sys[cell] ^= flip;
    place(c, el);
    bool there = !r->absent || !eval(&e, r->absent);
    const struct wanted *w = there ? run_chain(&e, r->el[el]) : &undefined;
    if (!there && el == 1 && !(c->sys[SCR_EL3] & SCR_NS) && monitor_register(r)) /* the list is SCR_EL3.EEL2's */
        w = &to_el3;
    if (w->kind == WANT_UNDEF && el == 1 &&
        cell == HSTR_EL2) /* it comes before the question whether the register exists */
        return;
    struct op o = {.imm = r->word, .rd = 5, .ra = 6, .rn = 3};
    taken.any = false;
    c->x[3] = 0x8000;
    r->exec(c, &o);
    bool to_a32 = taken.el == 1 && aarch32_below;
    bool undef = taken.any && (to_a32 ? taken.vector == 4 : taken.ec == 0);
    unsigned trap = taken.any && !undef && !to_a32 ? taken.el : 0;
    if (trap && (taken.ec == 0x24 || taken.ec == 0x25)) /* data aborts are none of our business */
        trap = 0;
    compared++;
    bool want_undef = w->kind == WANT_UNDEF, want_trap = w->kind == WANT_TRAP;
    if (undef == want_undef && trap == (want_trap ? w->el : 0) && (!trap || taken.ec == w->ec))
        return;
    static const struct row *last;
    static unsigned last_el, shown;
    different++;
    if ((r != last || el != last_el) && shown++ < 100)
        printf("%s at EL%u (EL1 %s, NS %u), cell %s ^ %llx: expected %s, %s EL%u EC %x\n", r->name, el,
               aarch32_below ? "A32" : "A64", (unsigned)(c->sys[SCR_EL3] & 1), sysreg_cell_name(cell),
               (unsigned long long)flip, w->text,
               undef  ? "undefined"
               : trap ? "trapped"
                      : "executed",
               taken.el, taken.ec);
    last = r;
    last_el = el;
}

static void each_bit(struct cpu *c, unsigned el)
{
    static const u16 controls[] = {HCR_EL2,  HSTR_EL2,  MDCR_EL2,    CPTR_EL2,      CNTHCTL_EL2, SCR_EL3,  MDCR_EL3,
                                   CPTR_EL3, MDSCR_EL1, CNTKCTL_EL1, PMUSERENR_EL0, SCTLR_EL1,   CPACR_EL1};
    for (unsigned r = 0; r < nrows; r++)
        for (unsigned k = 0; k < ARRAY_LEN(controls); k++)
            for (unsigned b = 0; b < 64; b++) {
                u64 flip = 1ull << b;
                if (!(c->sys_w[0][controls[k]] & flip) || (controls[k] == HCR_EL2 && (flip & (HCR_RW | HCR_TGE))) ||
                    (controls[k] == SCR_EL3 && (flip & (SCR_RW | SCR_NS))))
                    continue;
                compare(c, &rows[r], el, controls[k], flip);
            }
}

START_TEST(test_chains)
{
    static struct log quiet;
    static struct cpu_env env = {.log = &quiet, .on_exception = on_exception};
    static struct cpu_config cfg;
    char err[200];
    if (!load()) {
        printf("no spec: nothing compared\n");
        return;
    }
    const struct model_request all = {.el2 = true, .el3 = true};
    ck_assert_msg(model_lookup("cortex-a57", &all, &cfg, err, sizeof err), "%s", err);
    struct cpu *c = cpu_new(&env, &cfg);
    struct cpu *cpus[] = {c};
    env.cpus = cpus;
    env.count = 1;
    env.bus = bus_new(&quiet);
    bus_map_ram(env.bus, 3, 0, 0x10000, "ram");
    bus_seal(env.bus);
    for (unsigned i = 0; i < PORT_COUNT; i++)
        c->ports[i] = (struct port){.read = port_read, .write = port_write};
    cpu_reset(c);
    for (unsigned state = 0; state < 16; state++) {
        bool ns = state & 1, open = state & 2, tge = state >> 2 == 3;
        unsigned el = state >> 2 == 0;
        aarch32_below = state >> 2 < 2; /* EL1, EL0 below it, EL0 below AArch64, the same with TGE */
        memcpy(base, c->sys, sizeof base);
        base[SCR_EL3] = SCR_RW | (ns ? SCR_NS : 0);
        if (!ns) /* EL1 is AArch32 if SCR_EL3.RW says so */
            base[SCR_EL3] = aarch32_below ? 0 : SCR_RW;
        base[HCR_EL2] = (aarch32_below ? 0 : HCR_RW) | (tge ? HCR_TGE : 0);
        base[CNTHCTL_EL2] = open ? 3 : 0;
        base[CNTKCTL_EL1] = open ? 0x303 : 0;
        base[PMUSERENR_EL0] = open ? 0xf : 0;
        base[HSTR_EL2] = base[MDCR_EL2] = base[MDCR_EL3] = base[MDSCR_EL1] = base[CPTR_EL3] = 0;
        base[CPTR_EL2] = 0x33ff;
        base[SCTLR_EL1] |= 1 << 5; /* CP15BEN */
        each_bit(c, el);
        memcpy(c->sys, base, sizeof base);
    }
    printf("%u rows, %lu outcomes compared, %lu differ, %u unknown conditions\n", nrows, compared, different,
           unknown_atoms);
    fflush(stdout);
    cpu_free(c);
    bus_free(env.bus);
    spec_free();
    ck_assert_uint_eq(unknown_atoms, 0);
    ck_assert_uint_eq(different, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("AArch32 system registers against the chains as data");
    TCase *t = tcase_create("chains");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, test_chains);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
