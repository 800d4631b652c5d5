/* The description of a monitor (VESA E-EDID 1.4, the base block). */
#pragma once
#include "core/types.h"

enum { EDID_SIZE = 128 };

/* A monitor of width x height pixels (at most 4095 each) at 60 Hz, 96 dots to the inch. */
void edid_make(u8 block[EDID_SIZE], u32 width, u32 height);
