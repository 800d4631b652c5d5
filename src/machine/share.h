/* A host directory for the guest: a server of the file protocol 9P2000.L. */
#pragma once
#include "core/types.h"

struct share;

/* NULL: err holds a message for the user. */
struct share *share_open(const char *path, bool readonly, char *err, size_t err_size);
void share_close(struct share *s);
/* For struct virtio_9p_config (arg: the share). */
u32 share_handle(void *arg, const u8 *in, u32 n, u8 *out, u32 max);
void share_reset(void *arg);
