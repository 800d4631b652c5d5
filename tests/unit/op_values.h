/* What a decoded instruction (struct op) means, in the terms in which a disassembler prints it: for
 * test_decode_text.c. Families that need more than their bit picture have a rule here, by name.
 *
 * Independent of the exec functions, and of the word: only op, the row's name and its picture are used. */
#pragma once
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/bits.h"
#include "cpu/a64.h"
#include "cpu/sysreg.h"

struct reg_value {
    u8 n;       /* 31: zero register or V31, REG_SP */
    char class; /* w x b h s d q v; expected: 'v' any vector register, 'g' w or x */
    u8 count;   /* lanes, 0: not printed */
    char elem;  /* of v: b h s d q */
};
struct values {
    char name[24], word[40]; /* word: a name among the operands; expected "*": compared by op_values already */
    struct reg_value reg[10];
    u64 imm[10];
    unsigned regs, imms;
    int shift, ext, cond; /* -1: none */
    char elem;            /* expected: some register has this element ... */
    unsigned bits;        /* ... and is so wide, 0: any */
};

static bool begins(const char *name, const char *with) { return strncmp(name, with, strlen(with)) == 0; }
static bool one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (begins(name, *list))
            return true;
    return false;
}
#define ONE_OF(name, ...) one_of(name, (const char *const[]){__VA_ARGS__, NULL})
static void add_imm(struct values *v, u64 x) { v->imm[v->imms++] = x; }
static bool has(const struct a64_row *r, const char *letters) { return strpbrk(r->picture, letters) != NULL; }

/* The picture's letter of a bit of the word. */
static char letter(const struct a64_row *r, unsigned bit)
{
    unsigned b = 32;
    for (const char *p = r->picture; *p; p++)
        if (*p != ' ' && --b == bit)
            return *p;
    return 0;
}

/* ---- registers ------------------------------------------------------------------------------ */

static void add_one(struct values *v, unsigned n, char class)
{
    v->reg[v->regs++] = (struct reg_value){.n = (u8)(class != 'v' && n == REG_SINK ? REG_ZERO : n), .class = class};
}

/* which: d n m a */
static void add_reg(struct values *v, const struct a64_row *r, const struct op *o, char which)
{
    static const char *const letters[] = {['d'] = "dDet", ['n'] = "nNp", ['m'] = "mM", ['a'] = "abB"};
    if (!has(r, letters[(unsigned)which]))
        return;
    const char *p = strpbrk(r->picture, letters[(unsigned)which]);
    bool vector = (r->flags & A64_V) && !strchr("DNMBpe", *p);
    unsigned n = which == 'd' ? o->rd : which == 'n' ? o->rn : which == 'm' ? o->rm : o->ra;
    add_one(v, n, vector ? 'v' : 'g');
}

/* Structures: the number of registers of an instruction on lists, 0: none. */
static unsigned list_of(const char *name, const struct op *o)
{
    if (ONE_OF(name, "LDn", "STn", "LDnR"))
        return 1u + ((o->x & 1u) << 1 | o->x >> 1);
    if ((begins(name, "LD") || begins(name, "ST")) && isdigit((unsigned char)name[2]) && name[3] != 'G')
        return name[3] == 'x' ? (unsigned)(name[4] - '0') : (unsigned)(name[2] - '0');
    return ONE_OF(name, "TBL", "TBX") ? o->x + 1u : 0;
}

static unsigned list_bytes(const char *name, const struct op *o, unsigned n)
{
    if (begins(name, "LDnR"))
        return n << (o->y & 3);
    if (name[2] == 'n')
        return n << (strchr("bhsd", name[4]) - "bhsd" ? (unsigned)(strchr("bhsd", name[4]) - "bhsd") : 0);
    return n * (o->y ? 16 : 8);
}

static void add_regs(struct values *v, const struct a64_row *r, const struct op *o)
{
    const char *name = r->name, *order = "danm";
    unsigned list = list_of(name, o);
    if (list) {
        bool table = begins(name, "TB");
        if (table)
            add_reg(v, r, o, 'd');
        for (unsigned k = 0; k < list; k++)
            add_one(v, ((table ? o->rn : o->rd) + k) & 31, 'v');
        if (!table)
            add_reg(v, r, o, 'n');
        if (strstr(name, "_post") && o->rm == REG_ZERO)
            add_imm(v, list_bytes(name, o, list));
        else
            add_reg(v, r, o, 'm');
        return;
    }
    if (begins(name, "CASP")) {
        for (unsigned k = 0; k < 4; k++)
            add_one(v, 2u * (k < 2 ? o->rm : o->rd) + (k & 1), 'g');
        add_reg(v, r, o, 'n');
        return;
    }
    if (ONE_OF(name, "STXR", "STLXR", "STXP", "STLXP"))
        order = "admn";
    else if (ONE_OF(name, "LDADD", "LDCLR", "LDEOR", "LDSET", "LDSM", "LDUM", "SWP", "CAS"))
        order = "mdn";
    else if (begins(name, "CPY"))
        order = "dmn";
    else if (ONE_OF(name, "BRA", "BLRA"))
        order = "nd";
    else if (!(r->flags & (A64_LOAD | A64_STORE)))
        order = "dnma";
    if (!begins(name, "PRFM") && begins(name, "MSR_imm"))
        order = "";
    for (; *order; order++)
        add_reg(v, r, o, *order);
    if (begins(name, "MOV_")) { /* ORR Rd, ZR, Rm */
        v->regs = 1;
        add_one(v, REG_ZERO, 'g');
        add_one(v, o->rm, 'g');
    }
    if (ONE_OF(name, "PACGA", "SUBP") && o->rm == REG_ZERO) /* Xm|SP: the exec functions see to it */
        v->reg[2].n = REG_SP;
    unsigned data = ONE_OF(name, "STXR", "STLXR", "STXP", "STLXP") ? 1 : 0;
    if (!(r->flags & A64_V) && v->regs > data && v->reg[data].n != REG_SP)
        if (strstr(name, "_32") || strstr(name, "_64"))
            v->reg[data].class = strstr(name, "_64") ? 'x' : 'w';
}

/* Element and width of vector operands, where op has them in x and y. */
static void add_arrangement(struct values *v, const struct a64_row *r, const struct op *o)
{
    static const char letters[] = "bhsd";
    const char *name = r->name;
    bool lists = list_of(name, o) && name[0] != 'T';
    if (!(r->flags & A64_V) || begins(name, "BFMLAL") || (lists && name[2] == 'n'))
        return;
    if (lists) {
        v->elem = letters[o->x];
        v->bits = 64u << o->y;
        return;
    }
    if (r->flags & (A64_LOAD | A64_STORE)) {
        const char *size = strstr(name, "_v");
        v->elem = size[2];
        return;
    }
    if (letter(r, 30) == 'y' || letter(r, 30) == 'x')
        v->bits = 64u << ((letter(r, 30) == 'y' ? o->y : o->x) & 1);
    if (letter(r, 22) == 'x')
        v->elem = letters[o->x & 3];
    if (letter(r, 20) == 'I' || letter(r, 19) == 'I') /* shifts: the leading one of immh */
        v->elem = letters[(63 - __builtin_clzll(o->imm)) - 3];
    size_t n = strlen(name);
    if (n > 2 && name[n - 2] == '_' && strchr("HSD", name[n - 1]) && !begins(name, "FCVTL"))
        v->elem = (char)tolower((unsigned char)name[n - 1]);
}

/* ---- immediates ----------------------------------------------------------------------------- */

static u64 as_double(u64 bits, unsigned ebits, unsigned fbits)
{
    u64 sign = bits >> (ebits + fbits) & 1, e = bits >> fbits & ones(ebits), f = bits & ones(fbits);
    return sign << 63 | (e - ones(ebits - 1) + 1023) << 52 | f << (52 - fbits);
}

/* The lane of an instruction by element; small integers have a register of four bits. */
static bool lane_imm(struct values *v, const struct a64_row *r, const struct op *o)
{
    const char *name = r->name;
    size_t n = strlen(name);
    if ((n > 2 && !strcmp(name + n - 2, "_e")) || (n > 3 && !strcmp(name + n - 3, "_es"))) {
        unsigned l = o->imm >> 2 & 1, m = o->imm >> 1 & 1, h = o->imm & 1;
        if (strstr(name, "DOT"))
            add_imm(v, h << 1 | (o->imm >> 1 & 1));
        else
            add_imm(v, o->x == 1 ? h << 2 | l << 1 | m : h << 1 | l);
        if (!strstr(name, "DOT") && o->x == 2)
            v->reg[2].n |= (u8)(m << 4);
        return true;
    }
    if (begins(name, "FCMLA")) {
        bool elem = strstr(name, "_elem") != NULL;
        unsigned y = o->y, h = 0, l = 0;
        if (elem && !strstr(name, "4H")) {
            h = y & 1;
            y >>= 1;
        }
        if (elem && strstr(name, "H")) {
            l = y >> 2;
            y &= 3;
        }
        if (elem)
            add_imm(v, strstr(name, "8H") ? h << 1 | l : strstr(name, "4H") ? l : h);
        add_imm(v, 90 * y);
        return true;
    }
    if (!strstr(name, "_elem"))
        return false;
    unsigned width = 0;
    for (const char *p = r->picture; *p; p++)
        width += *p == 'y';
    unsigned y = o->y;
    add_imm(v, width == 3 ? (y & 1) << 2 | y >> 1 : width == 2 ? (y & 1) << 1 | y >> 1 : y);
    return true;
}

static bool simd_imm(struct values *v, const struct a64_row *r, const struct op *o)
{
    const char *name = r->name, *tail = strrchr(name, '_');
    if (lane_imm(v, r, o))
        return true;
    if (begins(name, "FCADD"))
        add_imm(v, o->y ? 270 : 90);
    else if (strstr(name, "_fix_")) {
        char size = name[strlen(name) - 1];
        if (strstr(name, "_scalar") || strstr(name, "_vec"))
            add_imm(v, (size == 'H' ? 16u : size == 'S' ? 32u : 64u) - o->y);
        else
            add_imm(v, (strchr(tail, 'W') ? 32u : 64u) - o->x);
    } else if (tail && (!strcmp(tail, "_i") || !strcmp(tail, "_is") || !strcmp(tail, "_id"))) {
        bool left = ONE_OF(name, "SHL", "SQSHL_", "SQSHLU", "UQSHL_", "SLI", "SSHLL", "USHLL");
        u64 size = !strcmp(tail, "_id") ? 64 : 1ull << (63 - __builtin_clzll(o->imm));
        add_imm(v, !strcmp(tail, "_id") ? (left ? o->imm : 64 - o->imm) : left ? o->imm - size : 2 * size - o->imm);
    } else if (begins(name, "SHLL_v"))
        add_imm(v, 8u << o->x);
    else if (ONE_OF(name, "MOVI_d")) {
        u64 x = 0;
        for (unsigned k = 0; k < 8; k++)
            x |= o->imm >> k & 1 ? 0xffull << 8 * k : 0;
        add_imm(v, x);
    } else if (strstr(name, "_msl")) {
        add_imm(v, o->imm);
        add_imm(v, 8u << o->x);
    } else if (ONE_OF(name, "MOVI_s", "MOVI_h", "MVNI_", "ORR_imm", "BIC_imm"))
        add_imm(v, o->imm << 8 * o->x);
    else if (ONE_OF(name, "DUP_v", "DUP_s", "UMOV", "SMOV", "INS_r"))
        add_imm(v, o->x);
    else if (begins(name, "INS_v")) {
        add_imm(v, o->x);
        add_imm(v, o->y);
    } else if (ONE_OF(name, "FMOV_X_top", "FMOV_top_X"))
        add_imm(v, 1);
    else if (begins(name, "FCCMP"))
        add_imm(v, o->y);
    else if (r->imm == IMM_FP8_16 || r->imm == IMM_FP8_32 || r->imm == IMM_FP8_64)
        add_imm(v, r->imm == IMM_FP8_16   ? as_double(o->imm, 5, 10)
                   : r->imm == IMM_FP8_32 ? as_double(o->imm, 8, 23)
                                          : o->imm);
    else
        return false;
    return true;
}

/* LDR Rt, [Rn, Rm ...]: amount and extension. */
static bool offset_imm(struct values *v, const struct a64_row *r, const struct op *o, const struct values *printed)
{
    const char *vector = strstr(r->name, "_v"), *tail = strrchr(r->name, '_');
    if (!(r->flags & (A64_LOAD | A64_STORE)) || !tail || (strcmp(tail, "_reg") && strcmp(tail, "_ext")))
        return false;
    unsigned size = vector ? (unsigned)(strchr("bhsdq", vector[2]) - "bhsdq") : r->flags >> 6 & 3;
    bool lsl = vector ? o->x == 1 : !strcmp(tail, "_reg") && printed->ext < 0; /* SXTX is LSL: 64 bits */
    add_imm(v, o->y || lsl ? size : 0); /* LSL: with no-aliases LLVM prints the amount whether S is 1 or 0 */
    if (vector)
        v->ext = o->x == 1 ? -1 : o->x == 3 ? 7 : o->x ? 6 : 2;
    else if (!strcmp(tail, "_ext"))
        v->ext = o->x ? 6 : 2;
    return true;
}

static void prefetch(struct values *v, const struct a64_row *r, const struct op *o, const struct values *printed)
{
    static const char *const kind[] = {"pld", "pli", "pst", ""}, *const level[] = {"l1", "l2", "l3", "slc"};
    if (printed->word[0])
        snprintf(v->word, sizeof v->word, "%s%s%s", kind[o->x >> 3], level[o->x >> 1 & 3], o->x & 1 ? "strm" : "keep");
    else
        add_imm(v, o->x);
    if (!strcmp(r->name, "PRFM")) /* the offset is not used, and op has it raw */
        add_imm(v, o->imm << 3);
    else if (begins(r->name, "PRFUM"))
        add_imm(v, sext(o->imm, 9));
    else if (strstr(r->name, "_lit"))
        add_imm(v, sext(o->imm, 19) << 2);
    else /* shift and extension neither */
        for (unsigned k = v->imms; k < printed->imms; k++)
            add_imm(v, printed->imm[k]);
}

static void imms(struct values *v, const struct a64_row *r, const struct op *o, const struct values *printed)
{
    const char *name = r->name;
    unsigned width = r->imm == IMM_BITFIELD32 ? 32 : 64;
    if (((r->flags & A64_V) && !list_of(name, o) && simd_imm(v, r, o)) || offset_imm(v, r, o, printed))
        return;
    if (r->imm == IMM_BITFIELD32 || r->imm == IMM_BITFIELD64) {
        add_imm(v, (unsigned)(o->y - o->x) & (width - 1));
        add_imm(v, 63u - o->x);
        return;
    }
    if (ONE_OF(name, "TBZ", "TBNZ"))
        add_imm(v, o->x);
    if (list_of(name, o) && name[2] == 'n') { /* the lane stands before the size of the post-index */
        v->imm[1] = v->imm[0];
        v->imm[0] = name[3] == 'R' ? 0 : o->imm;
        v->imms = v->imms == 1 ? 2 : 1;
        return;
    }
    if (has(r, "iI"))
        add_imm(v, o->imm);
    if (ONE_OF(name, "RMIF", "ADDG", "SUBG"))
        add_imm(v, o->x);
    if (ONE_OF(name, "CCM"))
        add_imm(v, o->y);
}

/* ---- names ---------------------------------------------------------------------------------- */

static void system_names(struct values *v, const struct a64_row *r, const struct op *o, const struct values *p)
{
    static const char *const barrier[] = {"", "oshld", "oshst", "osh", "", "nshld", "nshst", "nsh",
                                          "", "ishld", "ishst", "ish", "", "ld",    "st",    "sy"};
    static const char *const nxs[] = {"oshnxs", "nshnxs", "ishnxs", "synxs"};
    static const struct {
        u8 x, y;
        const char *name;
    } pstate[] = {{0, 3, "UAO"}, {0, 4, "PAN"},     {0, 5, "SPSel"},   {3, 1, "SSBS"},  {3, 2, "DIT"},
                  {3, 4, "TCO"}, {3, 6, "DAIFSet"}, {3, 7, "DAIFClr"}, {1, 0, "ALLINT"}};
    unsigned op0, op1, crn, crm, op2;
    if (!strcmp(r->name, "DSB") || !strcmp(r->name, "DMB")) {
        if (p->word[0])
            snprintf(v->word, sizeof v->word, "%s", barrier[o->x]);
        else
            add_imm(v, o->x);
    } else if (!strcmp(r->name, "DSB_nXS"))
        snprintf(v->word, sizeof v->word, "%s", nxs[o->x]);
    else if (!strcmp(r->name, "ISB") || !strcmp(r->name, "CLREX")) /* ignored bits */
        memcpy(v->imm, p->imm, sizeof v->imm), v->imms = p->imms, strcpy(v->word, p->word);
    else if (!strcmp(r->name, "MSR_imm")) {
        for (unsigned k = 0; k < ARRAY_LEN(pstate); k++)
            if (pstate[k].x == o->x && pstate[k].y == o->y)
                snprintf(v->word, sizeof v->word, "%s", pstate[k].name);
        if (!v->word[0] || begins(p->word, "S0_")) {
            snprintf(v->word, sizeof v->word, "S0_%u_C4_C%u_%u", o->x, (unsigned)o->imm, o->y);
            v->imms = 0;
            add_one(v, REG_ZERO, 'x');
        }
    } else if (!strcmp(r->name, "MRS") || !strcmp(r->name, "MSR")) {
        if (sscanf(p->word, "S%u_%u_C%u_C%u_%u", &op0, &op1, &crn, &crm, &op2) == 5)
            strcpy(v->word, sysreg_find(op0, op1, crn, crm, op2) == o->imm ? p->word : sysreg_name((unsigned)o->imm));
        else
            snprintf(v->word, sizeof v->word, "%s", sysreg_name((unsigned)o->imm));
        v->imms = 0;
    } else if (!strcmp(r->name, "SYS") || !strcmp(r->name, "SYSL")) {
        v->imms = 0;
        if (!strcmp(p->name, "sys") || !strcmp(p->name, "sysl")) {
            if (sscanf(p->word, "c%u", &crm) == 1 && p->imms == 2)
                memcpy(v->imm, p->imm, sizeof v->imm), v->imms = 2;
            strcpy(v->word, p->word);
        } else {
            const char *name = sysreg_name((unsigned)o->imm), *bar = strchr(name, '_');
            snprintf(v->word, sizeof v->word, "%s", bar ? bar + 1 : name);
            snprintf(v->name, sizeof v->name, "%.*s", bar ? (int)(bar - name) : 0, name);
            for (char *c = v->name; *c; c++)
                *c = (char)tolower((unsigned char)*c);
        }
        if (o->rd >= REG_ZERO && !p->regs)
            v->regs = 0;
    }
}

/* Hints are printed by number or by name. */
static bool hint(struct values *v, const struct a64_row *r, const struct op *o, const struct values *p)
{
    unsigned number = 0;
    if (!begins(r->picture, "1101 0101 0000 0011 0010"))
        return false;
    for (unsigned b = 12; b-- > 5;)
        number = number << 1 | (letter(r, b) == '1');
    number = !strcmp(r->name, "BTI") ? 32 + 2u * o->x : !strcmp(r->name, "HINT") ? (unsigned)o->imm : number;
    v->imms = 0;
    if (!strcmp(p->name, "hint"))
        add_imm(v, number);
    else
        *v = *p; /* by name: LLVM's features; the number is what the test of values needs */
    strcpy(v->name, p->name);
    return true;
}

/* The mnemonic that op stands for; printed is needed where op leaves ordering or a number away. */
static void mnemonic(struct values *v, const struct a64_row *r, const struct op *o, const struct values *p)
{
    static const char *const copies[] = {"",   "wt",   "rt",   "t",   "wn", "wtwn", "rtwn", "twn",
                                         "rn", "wtrn", "rtrn", "trn", "n",  "wtn",  "rtn",  "tn"};
    static const char *const sets[] = {"", "t", "n", "tn"};
    const char *name = r->name;
    size_t n = strcspn(name, "_");
    snprintf(v->name, sizeof v->name, "%.*s", (int)n, name);
    for (char *c = v->name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    n = strlen(v->name);
    if (begins(name, "MOV_"))
        strcpy(v->name, "orr");
    else if (begins(name, "DUP_s"))
        strcpy(v->name, "mov");
    else if (begins(name, "CPY"))
        strcat(v->name, copies[o->x & 15]);
    else if (begins(name, "SET") && name[3] != 'F')
        strcat(v->name, sets[o->x & 3]);
    else if (begins(name, "DCPS"))
        sprintf(v->name, "dcps%u", o->x);
    else if (begins(name, "BFMLAL"))
        strcat(v->name, o->x ? "t" : "b");
    else if (list_of(name, o) && name[0] != 'T')
        sprintf(v->name, "%.2s%u%s", name[0] == 'L' ? "ld" : "st",
                name[2] == 'n' ? list_of(name, o) : (unsigned)(name[2] - '0'), name[3] == 'R' ? "r" : "");
    else if (ONE_OF(name, "LDADD", "LDCLR", "LDEOR", "LDSET", "LDSM", "LDUM", "SWP", "CAS")) {
        /* acquire and release make no difference, so op does not have them */
        bool part = v->name[n - 1] == 'b' || v->name[n - 1] == 'h';
        static const char *const orders[] = {"", "a", "l", "al"};
        char base[24];
        snprintf(base, sizeof base, "%.*s", (int)(part ? n - 1 : n), v->name);
        for (unsigned k = 0; k < 4; k++) {
            char form[32];
            snprintf(form, sizeof form, "%s%s%s", base, orders[k], part ? r->name[n - 1] == 'B' ? "b" : "h" : "");
            if (!strcmp(form, p->name))
                strcpy(v->name, form);
        }
    } else if ((r->flags & A64_V) && strlen(p->name) == n + 1 && p->name[n] == '2' && begins(p->name, v->name) &&
               v->bits == 128)
        strcat(v->name, "2"); /* the upper half: Q = 1 */
}

static struct values op_values(const struct op *o, const struct values *printed)
{
    const struct a64_row *r = &a64_rows[o->row];
    const char *name = r->name;
    struct values v = {.shift = -1, .ext = -1, .cond = -1};
    add_regs(&v, r, o);
    add_arrangement(&v, r, o);
    mnemonic(&v, r, o, printed);
    if (hint(&v, r, o, printed))
        return v;
    if (begins(name, "PRF"))
        prefetch(&v, r, o, printed);
    else
        imms(&v, r, o, printed);
    system_names(&v, r, o, printed);
    if (ONE_OF(name, "CCM", "CSEL", "CSIN", "CSNEG", "FCCMP", "FCSEL", "B_cond", "BC_cond"))
        v.cond = o->x;
    if (ONE_OF(name, "B_eq", "B_ne"))
        v.cond = name[2] == 'n';
    const char *tail = strrchr(name, '_');
    if (tail && !strcmp(tail, "_ext") && !(r->flags & (A64_LOAD | A64_STORE)))
        v.ext = o->x;
    if (tail && (!strcmp(tail, "_lsl") || !strcmp(tail, "_lsr") || !strcmp(tail, "_asr")))
        v.shift = !strcmp(tail, "_lsl") ? 0 : !strcmp(tail, "_lsr") ? 1 : 2;
    if (tail && !strcmp(tail, "_shift"))
        v.shift = o->x;
    return v;
}
