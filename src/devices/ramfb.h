/* ramfb (QEMU's docs/specs/fw_cfg, hw/display/ramfb): a frame buffer in RAM that the guest describes in the fw_cfg
 * file etc/ramfb. The device is nothing but these bytes; who wants to see the screen reads it then. */
#pragma once
#include "core/types.h"

enum { RAMFB_CONFIG = 28 };

enum ramfb_format { RAMFB_XRGB8888, RAMFB_RGB888, RAMFB_RGB565 };

struct ramfb_mode {
    u64 addr;
    u32 width, height, stride;
    u8 format; /* enum ramfb_format */
    u8 bytes;  /* of a pixel */
};

#define RAMFB_FILE "etc/ramfb"

/* What the guest asked for. False: nothing yet, or nonsense (what: the reason, NULL when it asked for nothing). */
bool ramfb_decode(const u8 config[RAMFB_CONFIG], struct ramfb_mode *m, const char **what);
/* A row of pixels as red, green, blue bytes. */
void ramfb_row(const struct ramfb_mode *m, const u8 *row, u8 *rgb);
