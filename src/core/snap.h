/* One visitor per object: saving, loading, dumping and hashing state are the same function, so none
 * of them can forget a field that another one has. */
#pragma once
#include "core/types.h"

enum snap_mode { SNAP_SAVE, SNAP_LOAD, SNAP_DUMP, SNAP_HASH };

struct snap {
    enum snap_mode mode;
    u8 *buf; /* SAVE: grows (malloc); LOAD: the caller's bytes */
    size_t cap, pos;
    u64 hash[2];                               /* HASH: running state; read with snap_hash() */
    bool failed;                               /* LOAD: ran out of bytes or a section name differed */
    void (*dump)(void *arg, const char *line); /* DUMP */
    void *dump_arg;
};

/* Visits n bytes that hold no pointers and no padding. key names them in dumps. */
void snap_bytes(struct snap *s, const char *key, void *p, size_t n);
/* Visits a bool; a LOAD of anything but 0 and 1 fails. */
void snap_bool(struct snap *s, const char *key, bool *b);
/* Begins a named section; a LOAD whose next section has another name fails. */
void snap_section(struct snap *s, const char *name);
/* The hash of everything visited in SNAP_HASH mode. */
u64 snap_hash(const struct snap *s);
void snap_free(struct snap *s);

#define SNAP(s, obj, f)      snap_bytes((s), #f, &(obj)->f, sizeof(obj)->f)
#define SNAP_BOOL(s, obj, f) snap_bool((s), #f, &(obj)->f)
