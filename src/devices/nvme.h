/* NVM Express controller with one namespace (NVM Express 1.4). */
#pragma once
#include "core/clock.h"
#include "devices/blockdev.h"
#include "devices/pci.h"

struct nvme_config {
    const char *id;
    struct log *log;
    struct clock *clock;
    struct blockdev *disk; /* stays the caller's */
    const char *serial;    /* at most 20 characters; NULL: the id */
};

/* A function to give to pci_plug(). */
struct pci_fn *nvme_new(const struct nvme_config *cfg);
