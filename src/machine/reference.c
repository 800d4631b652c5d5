/* Pages made from the tables: what is implemented and what is not (`elara list PAGE --markdown`, tools/reference). The
 * tables of what is absent stand here: there is nothing else that could know. */
#include "machine/reference.h"

#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "cpu/a64.h"
#include "cpu/model.h"
#include "cpu/sysreg_row.h"

static const struct {
    const char *what, *why;
} absent[] = {
    {"SVE, SVE2 and everything in them", "UNDEFINED; CPACR, CPTR and ZCR fields RES0"},
    {"SME, SME2 and everything in them", "UNDEFINED"},
    {"FP8, LUT, FAMINMAX, FPRCVT, CMPBR, LSE128, LSFE, LSUI, LRCPC3, CPA, TME, PAuth_LR, SYSREG128, D128",
     "later than v8.7: UNDEFINED, fields RES0"},
    {"LS64, LS64_V, LS64_ACCDATA", "64-byte single-copy atomic accesses to devices: no device of the board takes them"},
    {"S1PIE, S2PIE, S1POE, S2POE, AIE, TCR2, SCTLR2, THE, HAFT, LVA3, ASID2, MTE4 and MTE_PERM",
     "translation of v8.8 and later"},
    {"RME, MEC, GPC", "Realm and Root states"},
    {"GCS, CHK", "guarded control stacks"},
    {"SPE, TRBE, ETE, ETM, TRF, BRBE", "profiling and trace: no pipeline to look into; trace registers UNDEFINED"},
    {"AMU", "activity monitors"},
    {"MPAM", "no caches to partition"},
    {"PMUv3 after p5: EDGE, EXT, ICNTR, SS, TH, PMUv3p7 to p9", "optional, or later than v8.7"},
    {"DoubleFault2, PFAR, RASv2, FGT2, Debugv8p9, STEP2, EBEP", "later than v8.7"},
    {"External debug, memory-mapped PMU and RAS registers, PCSR", "there is no debugger at the other end"},
};

static const char *const chains[] = {
#define STEP(name, cond, action)
#define CHAIN(name, ...) #name,
#include "cpu/trap.def"
#undef STEP
#undef CHAIN
};

static void print_absent(void)
{
    printf("\n## Not implemented\n\n| what | why, or what happens |\n|---|---|\n");
    for (unsigned i = 0; i < ARRAY_LEN(absent); i++)
        printf("| %s | %s |\n", absent[i].what, absent[i].why);
}

static const char *feature(unsigned feat) { return feat == FEAT_BASE ? "" : "FEAT_"; }

static void instructions(void)
{
    printf("# Instructions\n\nMade by `elara list instructions --markdown` from src/cpu/a64_*.def; src/cpu/a64.h "
           "explains the "
           "letters of an encoding.\nA row stands for the instructions that share an encoding but for these letters; "
           "where the "
           "feature is absent it is UNDEFINED.\n\n| row | encoding | feature |\n|---|---|---|\n");
    for (unsigned i = A64_ROW_UNDEFINED + 1; i < a64_row_count; i++) {
        const struct a64_row *r = &a64_rows[i];
        char picture[33];
        unsigned n = 0;
        for (const char *p = r->picture; *p && n < 32; p++)
            if (*p != ' ')
                picture[n++] = *p;
        picture[n] = 0;
        printf("| %s | `%s` | %s%s |\n", r->name, picture, feature(r->feat), r->feat ? feat_name(r->feat) : "");
    }
    printf("\n%u rows.\n", a64_row_count - A64_ROW_UNDEFINED - 1);
    print_absent();
}

static void registers(void)
{
    static const char *const access[] = {"", "RO", "WO", "RW"};
    unsigned n = 0;
    printf(
        "# System registers and system instructions\n\nMade by `elara list registers --markdown` from "
        "src/cpu/sysreg.def. Chain: the steps of trap.def that an\naccess goes through; VNCR: offset in the page that "
        "FEAT_NV2 uses in place of the register.\n\n"
        "| name | encoding | access | feature | chain | VNCR |\n|---|---|---|---|---|---|\n");
    for (unsigned i = 0; i < SR_COUNT; i++) {
        const struct sysreg_row *r = &sysreg_rows[i];
        if (r->enc >> 14 == 0) /* rows without a register of their own */
            continue;
        n++;
        printf("| %s | S%u_%u_C%u_C%u_%u | %s | %s%s | %s |", r->name, r->enc >> 14, r->enc >> 11 & 7, r->enc >> 7 & 15,
               r->enc >> 3 & 15, r->enc & 7, access[r->access & 3], feature(r->feat), r->feat ? feat_name(r->feat) : "",
               chains[r->chain]);
        if (r->nv && r->nv != 0xffff)
            printf(" 0x%x", r->nv);
        printf(" |\n");
    }
    printf("\n%u rows.\n", n);
    print_absent();
}

static void feature_row(unsigned f)
{
    struct feat_info x;
    feat_describe(f, &x);
    printf("| FEAT_%s | ", feat_name(f));
    if (x.idreg)
        printf("%s[%u:%u] >= %u", x.idreg, x.lsb + 3u, x.lsb, x.value);
    printf(" | ");
    if (x.version)
        printf("v8.%u", x.version - 80u);
    printf(" |");
    for (unsigned i = 0; i < ARRAY_LEN(x.requires) && x.requires[i]; i++)
        printf(" FEAT_%s", feat_name(x.requires[i]));
    printf(" |\n");
}

static void feature_rows(bool works)
{
    printf("| feature | field | mandatory from | requires |\n|---|---|---|---|\n");
    for (unsigned f = 1; f < FEAT_COUNT; f++)
        if (feat_works(f) == works)
            feature_row(f);
}

static void features(void)
{
    printf(
        "# Features\n\nMade by `elara list features --markdown` from src/cpu/feat.def. `--cpu MODEL,+feature,-feature` "
        "takes these names without\nFEAT_; adding one brings what it requires.\n\n## Implemented\n\n");
    feature_rows(true);
    printf("\n## Known, not advertised\n\nTheir fields are 0 in every model, or they are about to come.\n\n");
    feature_rows(false);
    print_absent();
}

bool reference_print(const char *page)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } pages[] = {{"instructions", instructions}, {"registers", registers}, {"features", features}};
    for (unsigned i = 0; i < ARRAY_LEN(pages); i++)
        if (strcmp(pages[i].name, page) == 0) {
            pages[i].print();
            return true;
        }
    return false;
}
