/* The small language of the architecture's access chains as data (shared/spec/sysreg-access.tsv, sysops.tsv), for
 * test_sysreg_spec: parsed into trees, evaluated for the state of a CPU.
 *
 * "cond ? action; cond ? action; action", actions in braces are chains of their own. */
#pragma once
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
    fields = calloc(8192 + 16, sizeof *fields);
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
    FN_A32EL1,
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
    struct node *older; /* list of all: spec_free() */
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
    struct chain *older;
    unsigned n;
    struct step_spec step[16];
};

static unsigned unknown_atoms;
static bool aarch32_below; /* EL1 uses AArch32 */

static struct node *newest;
static struct chain *newest_chain;

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
                                       "HSTR.", /* of an AArch32 EL2 or EL3 */
                                       "HCR.",
                                       "HCR2.",
                                       "HDCR.",
                                       "HCPTR.",
                                       "CNTHCTL.",
                                       "SCR.",
                                       "SDCR.",
                                       "PSTATE.M ",
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
    if (!strcmp(s, "A32(EL1)"))
        return fn(FN_A32EL1);
    if (*s == '+') {
        struct node *x = node(K_FEAT, NULL, NULL);
        if (!strncmp(s, "+AA64", 5) || !strcmp(s, "+AA32"))
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
    char text[8192];
    ck_assert_uint_lt(n, sizeof text);
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
    } else if (sscanf(s, "T(EL%u,0x%x)", &w.el, &w.ec) >= 1) {
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
    ch->older = newest_chain;
    newest_chain = ch;
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

/* Everything that was parsed. */
static void spec_free(void)
{
    for (struct node *x; (x = newest); free(x))
        newest = x->older;
    for (struct chain *ch; (ch = newest_chain); free(ch))
        newest_chain = ch->older;
    free(fields);
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
    case FN_A32EL1: return aarch32_below;
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
