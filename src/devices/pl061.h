/* Arm PrimeCell General Purpose Input/Output PL061 (DDI0190). */
#pragma once
#include "core/bus.h"
#include "core/irq.h"

struct pl061_config {
    const char *id;
    struct log *log;
};

struct pl061 {
    struct device dev;
    struct irq irq;    /* GPIOINTR */
    struct irq out[8]; /* a pin's level while it is an output, else low (pulled down) */
    /* private */
    u32 data, dir, is, ibe, iev, ie, edges, afsel;
    u32 in; /* levels driven from outside */
};

struct pl061 *pl061_new(const struct pl061_config *cfg);
/* Drives pin 0..7 from outside. */
void pl061_input(struct pl061 *g, unsigned pin, bool level);
