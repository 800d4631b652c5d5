/* The one translation table walker: for CPU accesses, AT instructions, the SMMU and debuggers.
 * DDI0487 D8; the pseudocode's AArch64.FullTranslate without the TLB. */
#pragma once
#include "core/bus.h"
#include "mmu/fault.h"
#include "mmu/perm.h"
#include "mmu/regime.h"

enum walk_use {
    WALK_ACCESS,  /* updates access flag and dirty state as the regime says */
    WALK_AT,      /* address translation instruction: sets access flags, leaves dirty state alone */
    WALK_OBSERVE, /* debugger: no updates, no permission faults */
};

/* How the walker reaches tables. Values are the eight bytes as a little-endian word; the walker
 * swaps for big-endian tables. False: external abort. */
struct walk_mem {
    void *arg;
    bool (*read)(void *arg, struct pa pa, u64 *val);
    /* Writes want if the word is still old; *seen is what was there. */
    bool (*cas)(void *arg, struct pa pa, u64 old, u64 want, u64 *seen);
    const struct bus_window *ram; /* read here without asking; NULL: ask always */
};

/* A descriptor as it was read, for page-table views. */
struct walk_step {
    struct pa pa;
    u64 desc;
    s8 level;
    u8 stage;
};
struct walk_trace {
    unsigned n;
    struct walk_step step[32];
};

struct walk_in {
    u8 use;                   /* enum walk_use */
    u8 need;                  /* mask of enum perm_need that the access must have; 0: none (some DC) */
    bool priv;                /* as a privileged access, else as EL0 */
    bool pan;                 /* privileged data access with PSTATE.PAN */
    bool stage1_only;         /* AT S1*: the result is the IPA; table reads still pass stage 2 */
    struct walk_trace *trace; /* NULL, or receives the descriptors */
};

/* Memory attributes as a MAIR byte: 0000dd00 Device, else outer in 7:4, inner in 3:0. */
static inline bool attr_is_device(u8 attr) { return (attr & 0xf0) == 0; }

struct walk_out {
    struct pa pa;   /* of the address itself */
    struct ipa ipa; /* equal to the PA's address without stage 2 */
    u16 perm;       /* enum perm_bits of both stages together; write bits only where dirty already */
    u8 s1_log2;     /* block or page size of stage 1, log2; when it is off, of stage 2 or 12 */
    u8 s2_log2;     /* of stage 2; 63: none */
    s8 s1_level, s2_level;
    u8 attr;    /* both stages combined, see above */
    u8 s1_attr; /* stage 1 alone */
    u8 sh;      /* combined shareability 0 none, 2 outer, 3 inner */
    bool ng, gp, contiguous, tagged;
};

/* Translates va. False: *fault tells why (va, ipa, level, stage, s1ptw, write, type). */
bool walk(const struct regime *r, struct va va, const struct walk_mem *mem, const struct walk_in *in,
          struct walk_out *out, struct fault *fault);
