/* Virtio over PCI (virtio 1.2, section 4.1). */
#pragma once
#include "devices/pci.h"
#include "devices/virtio.h"

struct virtio_pci_config {
    const char *id;
    struct log *log;
    struct virtio *device; /* taken over */
    bool transitional;     /* also the legacy interface, and the IDs that go with it */
};

/* A function to give to pci_plug(). */
struct pci_fn *virtio_pci_new(const struct virtio_pci_config *cfg);
