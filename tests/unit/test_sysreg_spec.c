/* Every implemented register and system instruction against the architecture's access chains as data
 * (shared/spec/sysreg-access.tsv, sysops.tsv): EL0-EL3 x read and write x each single control bit, from several
 * starting states.  An interpreter of those files' small language gives the expected outcome; where the files are
 * absent there is nothing to compare with and the tests pass.
 *
 * The language: "cond ? action; cond ? action; action", actions in braces are chains of their own. */
#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "cpu/exception.h"
#include "cpu/fields.h"
#include "cpu/model.h"
#include "cpu/sysreg_row.h"

/* ---- the files --------------------------------------------------------------------------------------- */

static FILE *open_spec(const char *name)
{
    char path[512], up[256] = "";
    const char *env = getenv("ELARA_SPEC");
    if (env) {
        snprintf(path, sizeof path, "%s/%s", env, name);
        return fopen(path, "r");
    }
    for (unsigned i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "%sshared/spec/%s", up, name);
        FILE *f = fopen(path, "r");
        if (f)
            return f;
        strcat(up, "../");
    }
    return NULL;
}

enum { COLUMNS = 12 };

/* Splits a line at tabs in place; columns beyond the last are "". */
static void split_tabs(char *line, char *col[COLUMNS])
{
    static char empty[1];
    line[strcspn(line, "\r\n")] = 0;
    for (unsigned i = 0; i < COLUMNS; i++) {
        col[i] = line ? line : empty;
        if (line && (line = strchr(line, '\t')))
            *line++ = 0;
    }
}

/* ---- fields of registers ------------------------------------------------------------------------------ */

struct field {
    char reg[32], name[32];
    u8 msb, lsb;
    bool host, layered; /* layout with E2H; the register has two layouts */
};
static struct field *fields;
static unsigned nfields;

static bool load_fields(void)
{
    FILE *f = open_spec("sysreg-fields.tsv");
    if (!f)
        return false;
    static char line[65536];
    fields = calloc(8192, sizeof *fields);
    while (fgets(line, sizeof line, f)) {
        char *col[COLUMNS];
        split_tabs(line, col);
        if (*col[0] == '#' || !isdigit((unsigned char)*col[2]) || nfields >= 8192)
            continue;
        struct field *x = &fields[nfields++];
        snprintf(x->reg, sizeof x->reg, "%.31s", col[0]);
        snprintf(x->name, sizeof x->name, "%.31s", col[1]);
        x->msb = (u8)atoi(col[2]);
        x->lsb = (u8)atoi(col[3]);
        x->layered = *col[4] != 0;
        x->host = !strncmp(col[4], "ELIsInHost(EL2)", 15);
    }
    fclose(f);
    return true;
}

static const struct field *find_field(const char *reg, const char *name, bool host)
{
    const struct field *any = NULL;
    for (unsigned i = 0; i < nfields; i++) {
        const struct field *x = &fields[i];
        if (strcmp(x->reg, reg) || strcmp(x->name, name))
            continue;
        if (!x->layered || x->host == host)
            return x;
        any = x;
    }
    return any;
}

static unsigned find_cell(const char *name)
{
    for (unsigned i = 1; i < CELL_COUNT; i++)
        if (!strcmp(sysreg_cell_name(i), name))
            return i;
    return CELL_NONE;
}

static unsigned find_feat(const char *name, size_t len)
{
    for (unsigned i = 1; i < FEAT_COUNT; i++)
        if (strlen(feat_name(i)) == len && !strncmp(feat_name(i), name, len))
            return i;
    return FEAT_COUNT;
}

/* ---- conditions as trees -------------------------------------------------------------------------------- */

enum kind { K_FALSE, K_TRUE, K_NOT, K_AND, K_OR, K_FEAT, K_BITS, K_FN };
enum fn {
    FN_HEL2,
    FN_HEL3,
    FN_E2,
    FN_FGTEN,
    FN_HOST0,
    FN_HOST2,
    FN_NVX,
    FN_SECURE,
    FN_HCRX,
    FN_SP0,
    FN_ZERO,
    FN_SEL,
    FN_BEYOND,
    FN_BRPS,
    FN_COUNT
};

struct node {
    enum kind kind;
    struct node *a, *b;
    /* BITS: up to three fields of a cell against a pattern; FN: what and its argument */
    unsigned cell, n, fn;
    u8 msb[3], lsb[3], hmsb[3], hlsb[3];
    char want[8];       /* pattern of 0, 1, x: most significant first */
    bool differ;        /* != */
    struct node *older; /* list of all, which live as long as the test */
};

/* An action, understood: WANT_USE with target SR_NONE: whatever it is. */
enum want { WANT_UNDEF, WANT_TRAP, WANT_NVMEM, WANT_NOTHING, WANT_USE };
struct wanted {
    enum want kind;
    unsigned el, ec, nv, target;
    char text[96];
};
struct step_spec {
    struct node *cond; /* NULL: always */
    struct chain *sub;
    struct wanted want;
};
struct chain {
    unsigned n;
    struct step_spec step[16];
};

static unsigned unknown_atoms;

static struct node *newest;

static struct node *node(enum kind k, struct node *a, struct node *b)
{
    struct node *x = calloc(1, sizeof *x);
    x->older = newest;
    newest = x;
    x->kind = k;
    x->a = a;
    x->b = b;
    return x;
}

/* What Elara does not have, or has no state for: never true. */
static bool never(const char *s)
{
    static const char *const list[] = {"SDD",
                                       "Halted()",
                                       "HaltingAllowed()",
                                       "EDSCR",
                                       "A32(",
                                       "GetCurrentEXLOCKEN",
                                       "PSTATE.EXLOCK",
                                       "boolean IMPLEMENTATION_DEFINED",
                                       "AArch64.TreatDCAsNOP",
                                       "AArch64.TreatICAsNOP",
                                       "FGWTE3_EL3",
                                       "PMUACR",
                                       "PMUSERENR_EL0.UEN=1",
                                       "PMUSERENR_EL0.TID",
                                       "HCRX_EL2.TMEA",
                                       "SCR_EL3.TWERR",
                                       "SCR_EL3.TID3",
                                       "SCR_EL3.TID5",
                                       "SCR_EL3.EnDSE",
                                       "ValidSecurityState",
                                       "UsingAArch32",
                                       "ConstrainUnpredictableBool(Unpredictable_IGNORETRAPINDEBUG)"};
    for (unsigned i = 0; i < ARRAY_LEN(list); i++)
        if (!strncmp(s, list[i], strlen(list[i])))
            return true;
    return false;
}

static struct node *fn(unsigned f)
{
    struct node *x = node(K_FN, NULL, NULL);
    x->fn = f;
    return x;
}

/* REG.FIELD=bits, REG.<A,B>!=bits, REG.FIELD IN {x0} */
static struct node *bits_atom(const char *s)
{
    char reg[32], names[64];
    const char *dot = strchr(s, '.');
    if (!dot || dot - s > 31)
        return NULL;
    snprintf(reg, sizeof reg, "%.*s", (int)(dot - s), s);
    struct node *x = node(K_BITS, NULL, NULL);
    const char *p = dot + 1, *end = strpbrk(p, "=! ");
    if (*p == '<')
        end = strchr(p, '>'), p++;
    if (!end)
        return NULL;
    snprintf(names, sizeof names, "%.*s", (int)(end - p), p);
    for (char *save, *t = strtok_r(names, ",", &save); t && x->n < 3; t = strtok_r(NULL, ",", &save)) {
        const struct field *h = find_field(reg, t, true), *f = find_field(reg, t, false);
        if (!f) {
            if (!strcmp(t, "UEN")) /* FEAT_PMUv3p9 */
                continue;
            return NULL;
        }
        x->msb[x->n] = f->msb, x->lsb[x->n] = f->lsb;
        x->hmsb[x->n] = h->msb, x->hlsb[x->n] = h->lsb;
        x->n++;
    }
    x->cell = find_cell(reg);
    if (!x->cell)
        return NULL;
    p = end + strspn(end, "> ");
    x->differ = *p == '!';
    p += strspn(p, "!= IN{");
    snprintf(x->want, sizeof x->want, "%.*s", (int)strspn(p, "01x"), p);
    if (strstr(s, "UEN,"))
        memmove(x->want, x->want + 1, sizeof x->want - 1);
    return x;
}

static struct node *atom(const char *s)
{
    static const struct {
        const char *text;
        unsigned fn;
    } fns[] = {{"HEL2", FN_HEL2},
               {"HEL3", FN_HEL3},
               {"E2", FN_E2},
               {"FGTEn", FN_FGTEN},
               {"InHost(EL0)", FN_HOST0},
               {"InHost(EL2)", FN_HOST2},
               {"IsCurrentSecurityState(SS_Secure)", FN_SECURE},
               {"IsHCRXE2", FN_HCRX},
               {"PSTATE.SP=0", FN_SP0}};
    if (*s == '+') {
        struct node *x = node(K_FEAT, NULL, NULL);
        if (!strncmp(s, "+AA64", 5))
            return node(K_TRUE, NULL, NULL);
        x->fn = find_feat(s + 1, strlen(s + 1));
        if (!strcmp(s, "+MTE_ASYNC"))
            x->fn = FEAT_MTE2;
        if (!strcmp(s, "+CSV2_1p2"))
            x->fn = FEAT_CSV2_2;
        return x->fn < FEAT_COUNT ? x : node(K_FALSE, NULL, NULL);
    }
    if (never(s))
        return node(K_FALSE, NULL, NULL);
    if (strstr(s, "_CTL_EL") && strstr(s, ".ENABLE=0")) /* decides only whether TVAL is UNKNOWN */
        return node(K_FALSE, NULL, NULL);
    if (!strncmp(s, "AArch64.CanTrap", 15))
        return node(K_TRUE, NULL, NULL);
    for (unsigned i = 0; i < ARRAY_LEN(fns); i++)
        if (!strcmp(s, fns[i].text))
            return fn(fns[i].fn);
    if (!strncmp(s, "NVx", 3)) {
        struct node *x = fn(FN_NVX);
        const char *p = s + 3 + strspn(s + 3, " in=");
        snprintf(x->want, sizeof x->want, "%.3s", p);
        return x;
    }
    if (!strncmp(s, "IsZero(", 7)) {
        char reg[32];
        struct node *x = fn(FN_ZERO);
        snprintf(reg, sizeof reg, "%.*s", (int)strcspn(s + 7, ")"), s + 7);
        x->cell = find_cell(reg);
        return x->cell ? x : node(K_TRUE, NULL, NULL);
    }
    if (strstr(s, "GetNumEventCounters")) {
        struct node *x = fn(FN_BEYOND);
        x->n = *s == 'm';                            /* by the encoding, else by PMSELR_EL0 */
        x->differ = strstr(s, "SelfHosted") != NULL; /* PMCR_EL0.N, else MDCR_EL2.HPMN */
        return x;
    }
    if (strstr(s, ">= NUM_BREAKPOINTS") || strstr(s, ">= NUM_WATCHPOINTS")) {
        struct node *x = fn(*s == 'm' && s[2] == '>' ? FN_BRPS : FN_COUNT);
        x->n = strstr(s, "WATCH") ? 20 : 12;
        return x;
    }
    if (!strncmp(s, "UInt(PMSELR_EL0.SEL)", 20)) {
        struct node *x = fn(FN_SEL);
        x->differ = strchr(s, '!') != NULL;
        return x;
    }
    struct node *x = bits_atom(s);
    if (!x) {
        fprintf(stderr, "unknown condition: %s\n", s);
        unknown_atoms++;
        return node(K_FALSE, NULL, NULL);
    }
    return x;
}

static const char *pos;

static struct node *parse_or(void);

static struct node *parse_unary(void)
{
    pos += strspn(pos, " ");
    if (*pos == '!') {
        pos++;
        return node(K_NOT, parse_unary(), NULL);
    }
    if (*pos == '(') {
        pos++;
        struct node *x = parse_or();
        pos += strspn(pos, " ");
        ck_assert_msg(*pos == ')', "%s", pos);
        pos++;
        return x;
    }
    char text[128];
    unsigned n = 0, depth = 0;
    for (; *pos; pos++) {
        if (*pos == '(')
            depth++;
        if (*pos == ')' && depth-- == 0)
            break;
        if ((*pos == '&' || *pos == '|') && depth == 0)
            break;
        if (n < sizeof text - 1)
            text[n++] = *pos;
    }
    while (n && text[n - 1] == ' ')
        n--;
    text[n] = 0;
    return atom(text);
}

static struct node *parse_and(void)
{
    struct node *x = parse_unary();
    for (pos += strspn(pos, " "); *pos == '&'; pos += strspn(pos, " ")) {
        pos++;
        x = node(K_AND, x, parse_unary());
    }
    return x;
}

static struct node *parse_or(void)
{
    struct node *x = parse_and();
    for (pos += strspn(pos, " "); *pos == '|'; pos += strspn(pos, " ")) {
        pos++;
        x = node(K_OR, x, parse_and());
    }
    return x;
}

static struct node *parse_condition(const char *s, size_t n)
{
    char text[1024];
    snprintf(text, sizeof text, "%.*s", (int)n, s);
    pos = text;
    return parse_or();
}

static unsigned row_by_name(const char *name)
{
    for (unsigned i = 1; i < SR_COUNT; i++)
        if (!strcmp(sysreg_rows[i].name, name))
            return i;
    return SR_NONE;
}

static struct wanted parse_action(const char *s)
{
    struct wanted w = {.kind = WANT_USE, .target = SR_NONE};
    snprintf(w.text, sizeof w.text, "%.95s", s);
    const char *nv = strstr(s, "NVMem[");
    if (!strcmp(s, "U") || !strncmp(s, "ConstrainUnpredictable", 22)) {
        w.kind = WANT_UNDEF;
    } else if (sscanf(s, "T(EL%u,0x%x)", &w.el, &w.ec) == 2) {
        w.kind = WANT_TRAP;
    } else if (nv) {
        w.kind = WANT_NVMEM;
        w.nv = (unsigned)strtoul(nv + 6, NULL, 16);
    } else if (!strcmp(s, "return") || !strcmp(s, "X = Zeros(64)") || strstr(s, "UNKNOWN") ||
               !strncmp(s, "ExecuteAsNOP", 12)) {
        w.kind = WANT_NOTHING;
    } else if (!strpbrk(s, "+([")) { /* not TVAL, whose writes go to CVAL, and the like */
        char target[40];
        const char *from = !strncmp(s, "X = ", 4) ? s + 4 : s;
        snprintf(target, sizeof target, "%.*s", (int)strcspn(from, "< "), from);
        w.target = row_by_name(target);
    }
    return w;
}

/* Length of s up to one of stop outside brackets. */
static size_t span(const char *s, char stop)
{
    int depth = 0;
    size_t i = 0;
    for (; s[i]; i++) {
        if (s[i] == stop && depth == 0)
            break;
        if (s[i] == '{' || s[i] == '(')
            depth++;
        if (s[i] == '}' || s[i] == ')')
            depth--;
    }
    return i;
}

static struct chain *parse_chain(const char *s, size_t len)
{
    char *copy = strndup(s, len), *p = copy;
    struct chain *ch = calloc(1, sizeof *ch);
    while (*p && ch->n < ARRAY_LEN(ch->step)) {
        p += strspn(p, " ");
        size_t n = span(p, ';'), q = span(p, '?');
        struct step_spec *st = &ch->step[ch->n++];
        const char *act = p;
        char text[96];
        if (q < n) {
            st->cond = parse_condition(p, q);
            act = p + q + 1;
        }
        size_t alen = n - (size_t)(act - p);
        while (alen && *act == ' ')
            act++, alen--;
        if (*act == '{')
            st->sub = parse_chain(act + 1, span(act + 1, '}'));
        else
            snprintf(text, sizeof text, "%.*s", (int)alen, act), st->want = parse_action(text);
        p += n;
        if (*p == ';')
            p++;
    }
    free(copy);
    return ch;
}

/* ---- evaluation --------------------------------------------------------------------------------------------- */

struct eval {
    const struct cpu *c;
    unsigned sr;
};

static bool e2h(const struct cpu *c) { return (c->sys[HCR_EL2] & HCR_E2H) != 0; }

static bool match(const char *pattern, u64 val)
{
    unsigned n = (unsigned)strlen(pattern);
    for (unsigned i = 0; i < n; i++)
        if (pattern[i] != 'x' && (unsigned)(pattern[i] - '0') != (val >> (n - 1 - i) & 1))
            return false;
    return true;
}

static unsigned spec_nvx(const struct cpu *c)
{
    u64 h = c->sys[HCR_EL2];
    if (!cpu_el2_enabled(c) || !cpu_has(c, FEAT_NV) || !(h & HCR_NV))
        return 0;
    return 1u | (h & HCR_NV1 ? 2u : 0) | (cpu_has(c, FEAT_NV2) && (h & HCR_NV2) ? 4u : 0);
}

static bool eval_fn(const struct eval *e, const struct node *x)
{
    const struct cpu *c = e->c;
    unsigned sel = (unsigned)(c->sys[PMSELR_EL0] & 31), enc = sysreg_encoding(e->sr);
    switch (x->fn) {
    case FN_HEL2: return cpu_has(c, FEAT_EL2);
    case FN_HEL3: return cpu_has(c, FEAT_EL3);
    case FN_E2: return cpu_el2_enabled(c);
    case FN_FGTEN: return !cpu_has(c, FEAT_EL3) || bit(c->sys[SCR_EL3], 27);
    case FN_HOST2: return cpu_el2_enabled(c) && e2h(c);
    case FN_HOST0: return cpu_el2_enabled(c) && e2h(c) && (c->sys[HCR_EL2] & HCR_TGE);
    case FN_NVX: return match(x->want, spec_nvx(c));
    case FN_SECURE: return cpu_secure(c);
    case FN_HCRX:
        return cpu_has(c, FEAT_HCX) && cpu_el2_enabled(c) && (!cpu_has(c, FEAT_EL3) || bit(c->sys[SCR_EL3], 38));
    case FN_SP0: return c->ps.sp == 0;
    case FN_ZERO: return c->sys[x->cell] == 0;
    case FN_SEL: return (sel == 31) != x->differ;
    case FN_BRPS: return (enc >> 3 & 15) > bits(c->sys[ID_AA64DFR0_EL1], x->n + 3, x->n);
    case FN_BEYOND:
        return (x->n ? (enc & 7) | (enc >> 3 & 3) << 3 : sel) >=
               (x->differ ? bits(c->sys[PMCR_EL0], 15, 11) : c->sys[MDCR_EL2] & 31);
    }
    return false;
}

static bool eval(const struct eval *e, const struct node *x)
{
    switch (x->kind) {
    case K_FALSE: return false;
    case K_TRUE: return true;
    case K_NOT: return !eval(e, x->a);
    case K_AND: return eval(e, x->a) && eval(e, x->b);
    case K_OR: return eval(e, x->a) || eval(e, x->b);
    case K_FEAT: return cpu_has(e->c, x->fn);
    case K_FN: return eval_fn(e, x);
    case K_BITS: {
        bool host = e2h(e->c) && cpu_el2_enabled(e->c);
        u64 v = 0;
        for (unsigned i = 0; i < x->n; i++) {
            unsigned m = host ? x->hmsb[i] : x->msb[i], l = host ? x->hlsb[i] : x->lsb[i];
            v = v << (m - l + 1) | bits(e->c->sys[x->cell], m, l);
        }
        return match(x->want, v) != x->differ;
    }
    }
    return false;
}

static const struct wanted undefined = {.kind = WANT_UNDEF, .text = "U"};

static const struct wanted *run_chain(const struct eval *e, const struct chain *ch)
{
    for (unsigned i = 0; i < ch->n; i++) {
        const struct step_spec *st = &ch->step[i];
        if (st->cond && !eval(e, st->cond))
            continue;
        return st->sub ? run_chain(e, st->sub) : &st->want;
    }
    return &undefined;
}

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

static void add_row(unsigned sr, bool write, const char *name, const char *pre, char *const el[4])
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
            add_row(sr, write, name, c[4], &c[5]);
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
        add_row(sr, true, sysreg_name(sr), c[5], &c[6]);
    }
    fclose(f);
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
    load_sysops(b);
    there = true;
    printf("%u accesses, %u partial ones left out\n", nspec, partial);
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
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
