/* Arm PrimeCell Real Time Clock PL031 (DDI0224). */
#pragma once
#include "core/bus.h"
#include "core/clock.h"
#include "core/irq.h"

struct pl031_config {
    const char *id;
    struct log *log;
    struct clock *clock;
    u32 start; /* seconds since 1970 at virtual time 0 */
};

struct pl031 {
    struct device dev;
    struct irq irq; /* RTCINTR */
    /* private */
    struct clock *clock;
    u32 start;
    u32 offset; /* what writes of LR added to the counter */
    u32 mr, lr, imsc, ris;
    struct event match;
    char match_name[32];
};

struct pl031 *pl031_new(const struct pl031_config *cfg);
