/* NOR flash with the Intel command set (CFI 0001): two 16-bit chips side by side on a 32-bit bus. */
#pragma once
#include "core/bus.h"

enum { FLASH_BLOCK = 0x40000 }; /* erase block of both chips together */

struct flash_config {
    const char *id;
    struct log *log;
    u64 size;      /* bytes of the bank, a power of two from 512 KiB up */
    bool readonly; /* programming and erasing fail */
    /* [off, off + n) was programmed or erased, bytes is the content there now; NULL: nobody keeps it. */
    void (*changed)(void *arg, u64 off, const u8 *bytes, u64 n);
    void *arg;
};

struct flash;
struct flash *flash_new(const struct flash_config *cfg);
/* The device to give to bus_map_rom() with cfg->size bytes. */
struct device *flash_device(struct flash *f);
/* After bus_seal(): where the content is. The machine fills it in (all ones where it has none). */
void flash_attach(struct flash *f, struct bus *bus, u32 first_page);
