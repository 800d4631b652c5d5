/* Every implemented register and system instruction against the architecture's access chains as data
 * (shared/spec/sysreg-access.tsv, sysops.tsv): EL0-EL3 x read and write x each single control bit, from several
 * starting states.  An interpreter of those files' small language gives the expected outcome; where the files are
 * absent there is nothing to compare with and the tests pass. */
#include "spec_language.h"
#include "spec_mended.h"

/* ---- registers of the files --------------------------------------------------------------------------------- */

struct spec_row {
    unsigned sr;
    bool write;
    char name[48];
    struct node *absent;
    struct chain *el[4];
    unsigned reported[4];
};
static struct spec_row *spec_rows;
static unsigned nspec, partial;

static void add_row(unsigned sr, bool write, const char *name, const char *pre, const char *const el[4])
{
    struct spec_row *r = &spec_rows[nspec++];
    r->sr = sr;
    r->write = write;
    snprintf(r->name, sizeof r->name, "%s %s", write ? "MSR" : "MRS", name);
    /* "cond ? U; cond ? U": absent when any holds */
    for (size_t n; *pre; pre += n + (pre[n] == ';')) {
        n = span(pre, ';');
        size_t q = span(pre, '?');
        if (q >= n)
            continue;
        struct node *x = parse_condition(pre, q);
        r->absent = r->absent ? node(K_OR, r->absent, x) : x;
    }
    for (unsigned i = 0; i < 4; i++)
        r->el[i] = parse_chain(el[i], strlen(el[i]));
}

static unsigned row_by_encoding(const char *enc)
{
    unsigned e[5];
    if (sscanf(enc, "%u:%u:%u:%u:%u", &e[0], &e[1], &e[2], &e[3], &e[4]) != 5)
        return SR_NONE;
    unsigned id = sysreg_find(e[0], e[1], e[2], e[3], e[4]);
    return id >> 16 ? SR_NONE : id;
}

static bool seen(unsigned sr, bool write)
{
    for (unsigned i = 0; i < nspec; i++)
        if (spec_rows[i].sr == sr && spec_rows[i].write == write)
            return true;
    return false;
}

static void load_access(FILE *f)
{
    static char line[65536];
    while (fgets(line, sizeof line, f)) {
        char *c[COLUMNS];
        split_tabs(line, c);
        bool write = !strcmp(c[1], "MSR");
        if (*c[0] == '#' || (!write && strcmp(c[1], "MRS")))
            continue;
        char *n = strpbrk(c[2], "<");
        unsigned first = 0, count = 1;
        if (n && (!strncmp(c[2], "DBGB", 4) || !strncmp(c[2], "DBGW", 4)))
            count = 16;
        else if (n && !strncmp(c[2], "PMEV", 4) && strstr(c[2], "_EL0"))
            count = 31;
        for (unsigned k = first; k < count; k++) {
            char name[48];
            unsigned sr;
            if (n) {
                snprintf(name, sizeof name, "%.*s%u%s", (int)(n - c[2]), c[2], k, strchr(n, '>') + 1);
                sr = row_by_name(name);
            } else {
                snprintf(name, sizeof name, "%s", c[2]);
                sr = row_by_encoding(c[3]);
            }
            if (sr == SR_NONE || seen(sr, write))
                continue;
            if (strcmp(c[9], "ok") || strstr(c[4], "&&")) { /* conditions that were cut off */
                partial++;
                continue;
            }
            add_row(sr, write, name, c[4], (const char *const *)&c[5]);
        }
    }
    fclose(f);
}

static void load_sysops(FILE *f)
{
    static char line[65536];
    while (fgets(line, sizeof line, f)) {
        char *c[COLUMNS];
        split_tabs(line, c);
        unsigned sr = *c[0] == '#' ? SR_NONE : row_by_encoding(c[1]);
        if (sr == SR_NONE || !*c[6] || seen(sr, true) || strstr(c[7], "0x14"))
            continue;
        add_row(sr, true, sysreg_name(sr), c[5], (const char *const *)&c[6]);
    }
    fclose(f);
}

static void load_mended(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(mended); i++) {
        unsigned sr = row_by_name(mended[i].name);
        bool write = !strcmp(mended[i].op, "MSR");
        if (sr != SR_NONE && !seen(sr, write))
            add_row(sr, write, mended[i].name, mended[i].pre, mended[i].el);
    }
}

static bool load(void)
{
    static bool done, there;
    if (done)
        return there;
    done = true;
    FILE *a = open_spec("sysreg-access.tsv"), *b = open_spec("sysops.tsv");
    if (!a || !b || !load_fields())
        return false;
    spec_rows = calloc(4096, sizeof *spec_rows);
    load_access(a);
    load_mended();
    load_sysops(b);
    there = true;
    printf("%u accesses, %u of %u partial rows written out by hand\n", nspec, (unsigned)ARRAY_LEN(mended), partial);
    return true;
}

/* ---- comparison ------------------------------------------------------------------------------------------------ */

static u64 port_read(void *arg, unsigned reg, const struct port_txn *x) { return (void)arg, (void)reg, (void)x, 0; }
static void port_write(void *arg, unsigned reg, const struct port_txn *x, u64 val)
{
    (void)arg, (void)reg, (void)x, (void)val;
}

static struct cpu *new_cpu(struct cpu_env *env, bool all, bool el2, bool el3)
{
    struct cpu *c = aligned_alloc(64, align_up(sizeof *c, 64));
    memset(c, 0, sizeof *c);
    char err[128];
    struct model_request want = {.el2 = el2, .el3 = el3, .gicv3 = true};
    ck_assert_msg(model_lookup("cortex-a57", &want, &c->cfg, err, sizeof err), "%s", err);
    c->env = env;
    c->feat = c->cfg.feat;
    if (all) { /* chains are right for features that do not work yet, too */
        memset(&c->feat, 0xff, sizeof c->feat);
        static const u8 need_el2[] = {FEAT_EL2, FEAT_SEL2, FEAT_VHE, FEAT_NV,      FEAT_NV2,
                                      FEAT_FGT, FEAT_HCX,  FEAT_EVT, FEAT_ECV_POFF};
        for (unsigned i = 0; i < ARRAY_LEN(need_el2) && !el2; i++)
            c->feat.w[need_el2[i] / 64] &= ~(1ull << need_el2[i] % 64);
        if (!el3)
            c->feat.w[FEAT_SEL2 / 64] &= ~(1ull << FEAT_SEL2 % 64),
                c->feat.w[FEAT_EL3 / 64] &= ~(1ull << FEAT_EL3 % 64);
        c->cfg.id[ID_AA64DFR0_EL1] |= 15ull << 12 | 15ull << 20;
    }
    for (unsigned i = 0; i < PORT_COUNT; i++)
        c->ports[i] = (struct port){.read = port_read, .write = port_write};
    sysreg_reset(c);
    return c;
}

static const u16 controls[] = {HCR_EL2,    HCRX_EL2,   SCR_EL3,     SCTLR_EL1,   SCTLR_EL2,     CPACR_EL1,   CPTR_EL2,
                               CPTR_EL3,   MDCR_EL2,   MDCR_EL3,    MDSCR_EL1,   CNTHCTL_EL2,   CNTKCTL_EL1, HFGRTR_EL2,
                               HFGWTR_EL2, HFGITR_EL2, HDFGRTR_EL2, HDFGWTR_EL2, PMUSERENR_EL0, PMSELR_EL0,  OSLSR_EL1};

/* Nothing traps, all that has to be enabled is. */
static void open_all(struct cpu *c)
{
    c->sys[HCR_EL2] |= HCR_APK | HCR_API | HCR_FIEN | HCR_ATA | HCR_EnSCXT;
    c->sys[SCR_EL3] |= SCR_APK | SCR_API | SCR_FIEN | SCR_ATA | SCR_EnSCXT | SCR_FGTEn | SCR_ECVEn | SCR_HXEn | SCR_ST;
    for (unsigned i = 0; i < 2; i++)
        c->sys[i ? SCTLR_EL2 : SCTLR_EL1] |= SCTLR_UCT | SCTLR_DZE | SCTLR_UCI | SCTLR_UMA | SCTLR_EnRCTX;
    c->sys[CNTKCTL_EL1] = c->sys[CNTHCTL_EL2] = 0xf03;
    c->sys[CPACR_EL1] = 3 << 20;
    if (c->sys[HCR_EL2] & HCR_E2H)
        c->sys[CPTR_EL2] = 3 << 20;
    c->sys[PMUSERENR_EL0] = 1;
    c->sys[MDCR_EL2] |= 31;
    c->sys[OSLSR_EL1] |= 2;
}

static const char *const action_names[] = {"UNDEF", "TRAP1", "TRAP2",   "TRAP3", "FP1",   "FP2",  "FP3",
                                           "USE",   "ALIAS", "ALIAS_S", "VIRT",  "NVMEM", "RAZWI"};

/* Does what Elara does agree with what the file says? */
static bool agrees(const struct cpu *c, const struct spec_row *r, const struct wanted *want, struct sysreg_outcome out)
{
    bool tge = c->ps.el == 0 && cpu_el2_enabled(c) && (c->sys[HCR_EL2] & HCR_TGE);
    switch (want->kind) {
    case WANT_UNDEF: return out.action == ACT_UNDEF;
    case WANT_TRAP:
        switch (want->ec) {
        case EC_SYS64:
            if (out.action == ACT_TRAP1)
                return want->el == (tge ? 2 : 1);
            return out.action == (want->el == 2 ? ACT_TRAP2 : ACT_TRAP3);
        case EC_UNKNOWN: return out.action == ACT_FP1 && tge;
        default: return out.action == ACT_FP1 + want->el - 1 && !(want->el == 1 && tge);
        }
    case WANT_NVMEM: return out.action == ACT_NVMEM && sysreg_rows[r->sr].nv == want->nv;
    case WANT_NOTHING: return out.action == ACT_RAZWI || out.action == ACT_USE;
    case WANT_USE: return out.action == ACT_USE && (want->target == SR_NONE || want->target == out.sr);
    }
    return false;
}

static unsigned long compared, different, syndromes;

/* An access that traps, made in earnest: level, class and syndrome must be those of the outcome. */
static void check_syndrome(struct cpu *c, const struct spec_row *r, const struct wanted *want)
{
    static struct cpu before;
    static const u16 esr_cell[4] = {0, ESR_EL1, ESR_EL2, ESR_EL3};
    unsigned e = sysreg_encoding(r->sr), rt = r->sr % 31;
    memcpy(&before, c, sizeof before);
    sysreg_refresh(c);
    struct op o = {.imm = r->sr, .rd = (u8)rt};
    enum step step = r->write ? sysreg_msr(c, &o) : sysreg_mrs(c, &o);
    unsigned el = want->el, ec = want->ec;
    u64 iss = 0;
    if (want->kind == WANT_UNDEF) {
        ec = EC_UNKNOWN;
        el = before.ps.el > 1 ? before.ps.el : before.ps.el == 0 && (c->hcr & HCR_TGE) ? 2 : 1;
    } else if (ec == EC_SYS64) {
        iss = (u64)(e >> 14) << 20 | (e & 7) << 17 | (e >> 11 & 7) << 14 | (e >> 7 & 15) << 10 | rt << 5 |
              (e >> 3 & 15) << 1 | !r->write;
    } else if (ec == EC_FPSIMD) {
        iss = 0x1e00000;
    }
    ck_assert_msg(step == STEP_JUMP && c->ps.el == el, "%s: to EL%u instead of EL%u", r->name, c->ps.el, el);
    ck_assert_msg(c->sys[esr_cell[el]] == ((u64)ec << 26 | 1u << 25 | iss), "%s: ESR_EL%u %llx", r->name, el,
                  (unsigned long long)c->sys[esr_cell[el]]);
    memcpy(c, &before, sizeof before);
    syndromes++;
}

/* Every stride-th access from first on. */
static void compare(struct cpu *c, const char *state, const char *bitname, unsigned first, unsigned stride)
{
    for (unsigned i = first; i < nspec; i += stride) {
        struct spec_row *r = &spec_rows[i];
        struct eval e = {c, r->sr};
        bool absent = r->absent && eval(&e, r->absent);
        for (unsigned el = 0; el < 4; el++) {
            if ((el == 2 && !cpu_has_el2(c)) || (el == 3 && !cpu_has_el3(c)) || (el == 2 && !cpu_el2_enabled(c)))
                continue;
            c->ps.el = (u8)el;
            c->ps.sp = el != 0;
            const struct wanted *want = absent ? &undefined : run_chain(&e, r->el[el]);
            struct sysreg_outcome out = sysreg_resolve(c, r->sr, r->write);
            compared++;
            if (agrees(c, r, want, out)) {
                if (!bitname && (want->kind == WANT_TRAP || want->kind == WANT_UNDEF))
                    check_syndrome(c, r, want);
                continue;
            }
            different++;
            if (!r->reported[el]++)
                fprintf(stderr, "%s at EL%u, %s, %s: expected %s, is %s %s by %s\n", r->name, el, state,
                        bitname ? bitname : "no bit", want->text, action_names[out.action], sysreg_name(out.sr),
                        sysreg_step_name(out.step));
        }
    }
}

/* Every access x every control bit, or with stride > 1 a part of them that differs from bit to bit. */
static void each_bit(struct cpu *c, const char *state, unsigned stride)
{
    unsigned turn = 0;
    compare(c, state, NULL, 0, 1);
    for (unsigned k = 0; k < ARRAY_LEN(controls); k++)
        for (unsigned b = 0; b < 64; b++) {
            unsigned host = (c->sys[HCR_EL2] & HCR_E2H) != 0;
            if (!bit(c->sys_w[host][controls[k]], b) && controls[k] != OSLSR_EL1)
                continue;
            char name[48];
            snprintf(name, sizeof name, "%s bit %u", sysreg_cell_name(controls[k]), b);
            c->sys[controls[k]] ^= 1ull << b;
            compare(c, state, name, turn++ % stride, stride);
            c->sys[controls[k]] ^= 1ull << b;
        }
}

/* All of them with ELARA_SPEC_ALL set. */
static unsigned stride_of_rare_states(void) { return getenv("ELARA_SPEC_ALL") ? 1 : 5; }

static void states(bool all, bool el2, bool el3, u64 scr, bool few)
{
    static const struct {
        const char *name;
        u64 hcr;
    } hcr[] = {{"plain", 0},
               {"E2H TGE", HCR_E2H | HCR_TGE},
               {"E2H", HCR_E2H},
               {"TGE", HCR_TGE},
               {"NV", HCR_NV},
               {"NV NV1", HCR_NV | HCR_NV1},
               {"NV NV2", HCR_NV | HCR_NV2},
               {"NV NV1 NV2", HCR_NV | HCR_NV1 | HCR_NV2}};
    static struct cpu_env env;
    struct cpu *c = new_cpu(&env, all, el2, el3);
    for (unsigned i = 0; i < (few ? 2 : ARRAY_LEN(hcr)); i++)
        for (unsigned open = 0; open < 2; open++) {
            sysreg_reset(c);
            c->sys[HCR_EL2] = (hcr[i].hcr & c->sys_w[0][HCR_EL2]) | HCR_RW;
            c->sys[SCR_EL3] |= scr;
            if (open)
                open_all(c);
            char name[96];
            snprintf(name, sizeof name, "%s%s%s%s SCR %llx %s", all ? "all features" : "v8.0", el2 ? " EL2" : "",
                     el3 ? " EL3" : "", open ? " open" : "", (unsigned long long)scr, hcr[i].name);
            each_bit(c, name, few || i > 1 ? stride_of_rare_states() : 1);
        }
    free(c);
}

START_TEST(test_chains)
{
    if (!load())
        return;
    ck_assert_uint_gt(nspec, 700);
    ck_assert_uint_eq(unknown_atoms, 0);
#ifdef __SANITIZE_ADDRESS__ /* many times slower, and the walk has no memory to get wrong: one state */
    states(true, true, true, SCR_NS, true);
    ck_assert_uint_eq(different, 0);
    return;
#endif
    states(true, true, true, SCR_NS, false);
    states(true, true, true, 0, true);
    states(true, true, true, SCR_EEL2, true);
    states(true, true, false, 0, true);
    states(true, false, true, SCR_NS, true);
    states(false, true, true, SCR_NS, true);
    printf("%lu outcomes compared, %lu differ; %lu syndromes\n", compared, different, syndromes);
    ck_assert_uint_gt(syndromes, 10000);
    ck_assert_uint_eq(different, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sysreg against the chains as data");
    TCase *t = tcase_create("chains");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, test_chains);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    free(spec_rows);
    spec_free();
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
