/* CPU models: names, features and the identification registers that follow from them. */
#pragma once
#include "cpu/cpu.h"

/* What the board decides, whatever the model. */
struct model_request {
    bool el2, el3; /* Exception levels that exist */
    bool gicv3;    /* the CPUs have the GIC's system registers */
};

/* "cortex-a57", "max,+nv2,-pauth", "v8.4": fills in out->feat and out->id; the other members are left alone. False: err
 * holds a sentence with what is wrong and what could be written instead. want may be NULL: EL2, no EL3, no GIC. */
bool model_lookup(const char *name, const struct model_request *want, struct cpu_config *out, char *err, size_t n);
/* The "compatible" of the model's cpu nodes in a device tree. */
const char *model_compatible(const char *name);
/* The i-th model, NULL beyond the last, and a few words about it. */
const char *model_name(unsigned i);
const char *model_summary(unsigned i);

const char *feat_name(unsigned feat);
/* Does Elara do what the feature says? Only such features are in any model. */
bool feat_works(unsigned feat);
/* The columns of feat.def. idreg: its name, NULL: no field of its own; version: 80 + n, 0: optional; requires: up to three
 * features, 0: none. */
struct feat_info {
    const char *idreg;
    u8 lsb, value, version, requires[3];
};
void feat_describe(unsigned feat, struct feat_info *out);

/* Sets the identification register cells from c->feat and c->cfg.id (sysreg_reset() calls it). */
void model_id_registers(struct cpu *c);
