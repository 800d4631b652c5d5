/* The GIC's system registers against the chains of the Sail model of Armv8.5 as data
 * (shared/spec/sysreg-traps-v85-sail.tsv): EL1-EL3 x read and write x each single control bit, with and without VHE's
 * host, in all Security states. Where the file is absent there is nothing to compare with.
 *
 * Its conditions are those of spec_language.h but for atoms about the access itself, which are replaced by true and
 * false. Fine-grained traps and FEAT_NV2 are later than the file: they are off here. */
#include "spec_language.h"

static struct spec_trap {
    unsigned sr;
    bool write;
    char *alloc, *traps;
} rows[512];
static unsigned nrows;
static char *tables[256];

static bool known(const char *name) { return !strncmp(name, "ICC_", 4) || !strncmp(name, "ICH_", 4); }

static bool load(void)
{
    static char line[65536];
    FILE *f = open_spec("sysreg-traps-v85-sail.tsv");
    if (!f || !load_fields())
        return false;
    while (fgets(line, sizeof line, f)) {
        char *col[COLUMNS], *eq = strstr(line, " = ");
        unsigned n = 0;
        if (*line == 'A' && sscanf(line, "A%u = ", &n) == 1 && eq && n < ARRAY_LEN(tables)) {
            line[strcspn(line, "\n")] = 0;
            tables[n] = strdup(eq + 3);
            continue;
        }
        split_tabs(line, col);
        unsigned sr = known(col[0]) ? row_by_name(col[0]) : SR_NONE;
        if (sr != SR_NONE && sysreg_rows[sr].chain == CHAIN_ICC_ABSENT) /* active priorities beyond 5 bits */
            continue;
        if (sr == SR_NONE || nrows == ARRAY_LEN(rows))
            continue;
        rows[nrows++] = (struct spec_trap){sr, !strcmp(col[1], "MSR"), strdup(col[3]), strdup(col[4])};
    }
    fclose(f);
    return true;
}

/* text with the atoms about the access replaced; in the result HEL3 stands for true. */
static char *bound(const char *text, unsigned el, bool write)
{
    static const struct {
        const char *from, *yes;
    } fixed[] = {{"(NS|EEL2)", "(SCR_EL3.NS=1 | SCR_EL3.EEL2=1)"},
                 {"!A32(EL2)", "HEL3"},
                 {"!A32(EL3)", "HEL3"},
                 {"A32(EL1)", "!HEL3"},
                 {"HSTR_EL2.T12=1", "!HEL3"}, /* traps AArch32 only */
                 {"Have(EL2)", "HEL3"},
                 {"Have(EL3)", "HEL3"}};
    static char out[65536];
    char *p = out;
    while (*text) {
        unsigned n;
        char digit;
        if (sscanf(text, "el=EL%1u", &n) == 1) {
            p = stpcpy(p, n == el ? "HEL3" : "!HEL3");
            text += 6;
        } else if (sscanf(text, "read=0b%c", &digit) == 1) {
            p = stpcpy(p, (digit == '1') == !write ? "HEL3" : "!HEL3");
            text += 8;
        } else if (sscanf(text, "read=%c", &digit) == 1) {
            p = stpcpy(p, (digit == '1') == !write ? "HEL3" : "!HEL3");
            text += 6;
        } else {
            unsigned i = 0;
            while (i < ARRAY_LEN(fixed) && strncmp(text, fixed[i].from, strlen(fixed[i].from)))
                i++;
            if (i < ARRAY_LEN(fixed)) {
                p = stpcpy(p, fixed[i].yes);
                text += strlen(fixed[i].from);
            } else {
                *p++ = *text++;
            }
        }
    }
    *p = 0;
    return strdup(out);
}

/* What a row comes to at one EL: when it is allocated, and its traps in order. */
struct compiled {
    struct node *alloc;
    struct chain *traps;
};

static struct compiled compile(const struct spec_trap *r, unsigned el)
{
    unsigned t = (unsigned)strtoul(r->alloc + 1, NULL, 10);
    ck_assert(t < ARRAY_LEN(tables) && tables[t]);
    char *alloc = bound(tables[t], el, r->write), *traps = bound(r->traps, el, r->write);
    struct compiled x = {parse_condition(alloc, strlen(alloc)), parse_chain(traps, strlen(traps))};
    free(alloc);
    free(traps);
    return x;
}

static u64 port_read(void *arg, unsigned reg, const struct port_txn *x) { return (void)arg, (void)reg, (void)x, 0; }
static void port_write(void *arg, unsigned reg, const struct port_txn *x, u64 val)
{
    (void)arg, (void)reg, (void)x, (void)val;
}

static unsigned long compared, different;

static void compare(struct cpu *c, const struct spec_trap *r, const struct compiled *want, const char *state)
{
    struct eval e = {.c = c, .sr = r->sr};
    struct sysreg_outcome out = sysreg_resolve(c, r->sr, r->write);
    /* ICC_SRE_EL2.Enable: DDI0487 asks EL2Enabled(), the model SCR_EL3.NS alone */
    if (r->sr == SR_ICC_SRE_EL1 && !(c->sys[SCR_EL3] & SCR_NS) && !(c->sys[ICC_SRE_EL2] & 8))
        return;
    bool there = eval(&e, want->alloc);
    const struct wanted *w = run_chain(&e, want->traps);
    unsigned trap = there && w->kind == WANT_TRAP ? w->el : 0;
    unsigned got = out.action >= ACT_TRAP1 && out.action <= ACT_TRAP3 ? out.action - ACT_TRAP1 + 1u : 0;
    compared++;
    if ((out.action == ACT_UNDEF) == !there && got == trap)
        return;
    static unsigned long last;
    unsigned long key = (unsigned long)(r - rows) * 4 + c->ps.el + 1;
    different++;
    if (key != last && (last = key))
        printf("%s %s at EL%u, %s: expected %s %u, is action %u by %s\n", r->write ? "MSR" : "MRS", sysreg_name(r->sr),
               c->ps.el, state, there ? "trap" : "UNDEFINED", trap, out.action, sysreg_step_name(out.step));
}

START_TEST(test_chains)
{
    static const u16 controls[] = {HCR_EL2, SCR_EL3, ICH_HCR_EL2, ICC_SRE_EL2, ICC_SRE_EL3};
    static struct log quiet;
    static struct cpu_env env = {.log = &quiet};
    static struct cpu_config cfg;
    char err[200], state[100];
    if (!load()) {
        printf("no spec: nothing compared\n");
        return;
    }
    struct model_request all = {.el2 = true, .el3 = true, .gicv3 = true};
    ck_assert_msg(model_lookup("max,-fgt,-nv", &all, &cfg, err, sizeof err), "%s", err);
    struct cpu *c = cpu_new(&env, &cfg);
    c->ports[PORT_GIC] = c->ports[PORT_GICV] = (struct port){.read = port_read, .write = port_write};
    cpu_reset(c);
    for (unsigned r = 0; r < nrows; r++)
        for (unsigned el = 0; el < 4 && *tables[strtoul(rows[r].alloc + 1, NULL, 10)];
             el++) { /* "": the file has none */
            struct compiled want = compile(&rows[r], el);
            for (unsigned s = 0; s < 12; s++) {
                u64 scr = SCR_RW | (s & 3 ? 1 : 0) | ((s & 3) == 3 || !(s & 3) ? 1ull << 18 : 0); /* NS, EEL2 */
                if ((s & 3) == 2)
                    scr = SCR_RW; /* Secure without EL2 */
                u64 hcr = HCR_RW | (s >> 2 == 1 ? HCR_E2H : s >> 2 == 2 ? HCR_IMO | HCR_FMO : 0);
                if (el == 2 && !(scr & 1) && !(scr >> 18 & 1))
                    continue;
                for (unsigned k = 0; k < ARRAY_LEN(controls); k++)
                    for (unsigned b = 0; b <= 64; b++) {
                        u64 bitval = b < 64 ? 1ull << b : 0;
                        bool keeps =
                            controls[k] == HCR_EL2 && (bitval & (HCR_RW | HCR_TGE | (HCR_NV | HCR_NV1 | HCR_NV2)));
                        keeps |= k >= 3 && bitval != 8; /* Enable; the others read as one */
                        keeps |= controls[k] == SCR_EL3 && (bitval & (SCR_RW | 1 | 1ull << 18));
                        if (keeps)
                            continue;
                        c->sys[SCR_EL3] = scr;
                        c->sys[HCR_EL2] = hcr;
                        c->sys[ICH_HCR_EL2] = 0;
                        c->sys[ICC_SRE_EL1] = c->sys[ICC_SRE_EL1_S] = 7;
                        c->sys[ICC_SRE_EL2] = c->sys[ICC_SRE_EL3] = 15;
                        c->sys[controls[k]] ^= bitval;
                        c->ps.el = (u8)el;
                        sysreg_refresh(c);
                        snprintf(state, sizeof state, "SCR %llx HCR %llx ICH_HCR %llx",
                                 (unsigned long long)c->sys[SCR_EL3], (unsigned long long)c->sys[HCR_EL2],
                                 (unsigned long long)c->sys[ICH_HCR_EL2]);
                        compare(c, &rows[r], &want, state);
                    }
            }
        }
    printf("%u rows, %lu outcomes compared, %lu differ, %u unknown conditions\n", nrows, compared, different,
           unknown_atoms);
    ck_assert_uint_eq(unknown_atoms, 0);
    ck_assert_uint_eq(different, 0);
    cpu_free(c);
    for (unsigned i = 0; i < nrows; i++) {
        free(rows[i].alloc);
        free(rows[i].traps);
    }
    for (unsigned i = 0; i < ARRAY_LEN(tables); i++)
        free(tables[i]);
    spec_free();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("GIC registers against the Sail model's chains");
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
