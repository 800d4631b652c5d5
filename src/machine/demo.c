/* "elara demo": which of the image's entry points, on which machine. */
#include "machine/demo.h"

#include <stdio.h>
#include <string.h>

#include "core/check.h"

static const struct demo {
    const char *name, *help;
    u64 entry; /* offset in the image (guests/hyp/start.S) */
    bool el3;  /* starts there */
    bool dma;  /* wants the DMA engine and an SMMU */
} demos[] = {
    {"guests", "two guests under a small hypervisor (the default)", 0, false, false},
    {"hostile", "one of them misbehaves, the other must not notice", 8, false, false},
    {"vhe", "what HCR_EL2.E2H does to the names of registers", 16, false, false},
    {"secure", "the two guests in the Secure world: Secure EL2", 24, true, false},
    {"nested", "the hypervisor as its own guest: FEAT_NV2", 32, false, false},
    {"dma", "why a guest's network card cannot reach other memory: an SMMU", 40, false, true},
};

void demo_list(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(demos); i++)
        printf("  %-10s %s\n", demos[i].name, demos[i].help);
}

bool demo_config(struct config *c, const char *name, struct err *e)
{
    const char *names[ARRAY_LEN(demos)];
    for (unsigned i = 0; i < ARRAY_LEN(demos); i++) {
        names[i] = demos[i].name;
        if (name && strcmp(name, demos[i].name) != 0)
            continue;
        c->loads[c->nloads++] = (struct config_load){
            .path = "(built in)",
            .data = (const u8 *)demo_image.words,
            .size = demo_image.size,
            .addr = demo_image.base,
            .entry = demo_image.base + demos[i].entry,
        };
        c->el3 = c->start_el3 = demos[i].el3;
        c->dma_engine = demos[i].dma;
        if (demos[i].dma)
            c->smmu_oas = 48;
        return true;
    }
    const char *near = err_nearest(name, names, ARRAY_LEN(demos));
    err_set(e, STATUS_USAGE, "there is no demonstration \"%s\"", name);
    if (near)
        err_more(e, "; did you mean elara demo %s?", near);
    return err_more(e, "\n  elara help demo lists them");
}

bool demo_check(const struct config *c, struct err *e)
{
    if (c->image || c->xen || c->flash[0].path)
        return err_set(e, STATUS_USAGE, "elara demo brings its own image; elara run starts others");
    if (!c->el2)
        return err_set(e, STATUS_USAGE, "the demonstration is a hypervisor and needs EL2, which --el 1 switches off");
    if (c->start_el3 && !c->el3)
        return err_set(e, STATUS_USAGE, "this demonstration starts at EL3, which --el 2 switches off");
    if (c->dma_engine && !c->smmu_oas)
        return err_set(e, STATUS_USAGE, "the demonstration needs an SMMU, which --smmu off leaves out");
    if (c->gic != 3)
        return err_set(e, STATUS_USAGE, "the demonstration drives a GICv3; drop --gic %u", c->gic);
    return true;
}
