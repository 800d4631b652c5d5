/* An interrupt wire: the driving device owns the level, the sink is told of changes only. */
#pragma once
#include "core/types.h"

struct irq {
    void (*set)(void *sink, unsigned n, bool level); /* NULL: not connected */
    void *sink;
    unsigned n; /* the sink's own number of this input */
    bool level;
};

static inline void irq_set(struct irq *i, bool level)
{
    if (i->level != level) {
        i->level = level;
        if (i->set)
            i->set(i->sink, i->n, level);
    }
}
