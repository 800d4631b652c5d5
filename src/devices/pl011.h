/* Arm PrimeCell UART PL011 (DDI0183). */
#pragma once
#include "core/bus.h"
#include "core/clock.h"
#include "core/irq.h"

struct pl011_config {
    const char *id;
    struct log *log;
    struct clock *clock;             /* for the receive time-out; NULL: it comes at once */
    u32 uartclk;                     /* Hz; 0: 24 MHz */
    bool deep;                       /* r1p5: FIFOs of 32 instead of 16 */
    void (*put)(void *arg, u8 byte); /* a transmitted byte; NULL: dropped */
    void (*room)(void *arg);         /* the guest emptied the receive FIFO; NULL: nobody asks */
    void *arg;
};

struct pl011 {
    struct device dev;
    struct irq irq; /* UARTINTR, the combined interrupt */
    /* private */
    struct pl011_config cfg;
    u32 rsr, fr, ilpr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, dmacr;
    u16 fifo[32]; /* byte and error flags (DR bits 11:8) */
    u8 head, count;
    u8 warned; /* transmitting while disabled was logged */
    struct event timeout;
    char timeout_name[32];
};

struct pl011 *pl011_new(const struct pl011_config *cfg);

/* How many bytes the receiver can take now. */
unsigned pl011_room(const struct pl011 *u);
/* Bytes arrive at the receiver; those beyond pl011_room() are lost with an overrun error. */
void pl011_input(struct pl011 *u, const u8 *bytes, unsigned n);
/* Takes the oldest byte that was received, as a read of the data register does. */
bool pl011_take(struct pl011 *u, u8 *byte);
/* A break condition arrives. */
void pl011_break(struct pl011 *u);
