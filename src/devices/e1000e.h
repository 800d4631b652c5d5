/* Intel 82574L Gigabit Ethernet controller (data sheet 317694, rev. 3.4), "e1000e". */
#pragma once
#include "core/clock.h"
#include "devices/netdev.h"
#include "devices/pci.h"

struct e1000e_config {
    const char *id;
    struct log *log;
    struct clock *clock;
    struct netdev net;
    u8 mac[6];
};

/* A function to give to pci_plug(); *nic: where the network delivers frames. */
struct pci_fn *e1000e_new(const struct e1000e_config *cfg, struct nic **nic);
