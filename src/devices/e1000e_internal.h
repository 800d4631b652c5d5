/* Between the parts of the 82574L: e1000e.c (registers, PHY, NVM, interrupts), e1000e_queue.c (descriptors). */
#pragma once
#include "devices/e1000e.h"

/* Register offsets that more than one place knows (data sheet, chapter 10). */
enum {
    E_CTRL = 0x0000,
    E_STATUS = 0x0008,
    E_RCTL = 0x0100,
    E_TCTL = 0x0400,
    E_RDBAL = 0x2800, /* queue 1 is 0x100 further, as for transmission */
    E_RDBAH = 0x2804,
    E_RDLEN = 0x2808,
    E_RDH = 0x2810,
    E_RDT = 0x2818,
    E_TDBAL = 0x3800,
    E_TDBAH = 0x3804,
    E_TDLEN = 0x3808,
    E_TDH = 0x3810,
    E_TDT = 0x3818,
    E_RFCTL = 0x5008,
    E_MTA = 0x5200,
    E_RA = 0x5400,
};
enum { E_QUEUES = 2, E_REGS = 0x20000 };
enum e1000e_cause {
    CAUSE_TXDW = 1 << 0,
    CAUSE_TXQE = 1 << 1,
    CAUSE_LSC = 1 << 2,
    CAUSE_RXDMT0 = 1 << 4,
    CAUSE_RXO = 1 << 6,
    CAUSE_RXT0 = 1 << 7,
    CAUSE_RXQ0 = 1 << 20,
    CAUSE_TXQ0 = 1 << 22,
    CAUSE_OTHER = 1 << 24,
    CAUSE_ASSERTED = 1u << 31,
};

/* A transmit context: where checksums go and how a long frame is cut. */
struct e1000e_context {
    u8 ipcss, ipcso, tucss, tucso;
    u16 ipcse, tucse, mss;
    u8 tucmd, hdrlen;
    u32 paylen;
};

struct e1000e {
    struct pci_fn fn;
    struct nic nic;
    struct e1000e_config cfg;
    u32 reg[E_REGS / 4]; /* plain storage, by offset */
    u16 phy[32];
    u32 io_addr; /* of the I/O BAR's window */
    struct e1000e_context context;
    struct event transmit;
    char event_name[32];
    bool refused; /* a frame found no descriptor */
    /* the frame that is being put together; part of it may wait for its last descriptor */
    u32 frame_len;
    u8 popts; /* IXSM, TXSM of its first descriptor */
    bool tse;
    u8 frame[NET_MAX_FRAME];
};

static inline u32 *e1000e_reg(struct e1000e *n, u32 off) { return &n->reg[off / 4]; }

/* e1000e.c: sets causes and sends the interrupt they lead to. */
void e1000e_cause(struct e1000e *n, u32 causes);

/* e1000e_queue.c */
void e1000e_transmit(struct e1000e *n);
bool e1000e_receive(struct nic *nic, const u8 *frame, size_t len);
