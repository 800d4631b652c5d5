/* Cards that stand on their own: SCSI hosts, balloon, input devices, GPU. */
#pragma once
#include "machine/machine.h"

struct virtio *cards_scsi(struct machine *m, unsigned host, const char *id, u64 features, struct err *e);
struct virtio *cards_balloon(struct machine *m, const char *id, u64 features);
struct virtio *cards_input(struct machine *m, enum card_type type, const char *id, u64 features);
struct virtio *cards_gpu(struct machine *m, const char *id, u64 features);
/* devices.c: opens a disk of the configuration. */
bool machine_open_disk(struct machine *m, unsigned index, struct err *e);

/* Asks the guest to leave all but keep bytes of its memory to the host. */
void cards_balloon_keep(struct machine *m, u64 keep);
/* Presses or releases a key or button, by evdev's code. */
void cards_key(struct machine *m, u16 code, bool down);
/* Moves the pointer to (x, y) of a screen of width x height (a tablet), or by (x, y) (a mouse). */
void cards_point(struct machine *m, int x, int y, unsigned width, unsigned height);
void cards_wheel(struct machine *m, int steps);
