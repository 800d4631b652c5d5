/* The description of a monitor (VESA E-EDID 1.4, section 3): one preferred detailed timing with generous blanking, a
 * name, range limits. Not modelled: extension blocks, other timings. */
#include "devices/edid.h"

#include <string.h>

#include "devices/le.h"

enum {
    AT_TIMING = 54,
    DESCRIPTOR = 18,
    HZ = 60,
    HSYNC = 32,
    HFRONT = 48,
    HBLANK = 160,
    VSYNC = 6,
    VFRONT = 3,
    VBLANK = 32
};

static void timing(u8 *d, u32 w, u32 h, u32 mm_w, u32 mm_h)
{
    u32 clock = (w + HBLANK) * (h + VBLANK) * HZ / 10000; /* 10 kHz */
    put_le16(d, clock > 0xffff ? 0xffff : (u16)clock);
    d[2] = (u8)w;
    d[3] = HBLANK;
    d[4] = (u8)(w >> 8 << 4);
    d[5] = (u8)h;
    d[6] = VBLANK;
    d[7] = (u8)(h >> 8 << 4);
    d[8] = HFRONT;
    d[9] = HSYNC;
    d[10] = VFRONT << 4 | VSYNC;
    d[12] = (u8)mm_w;
    d[13] = (u8)mm_h;
    d[14] = (u8)(mm_w >> 8 << 4 | mm_h >> 8);
    d[17] = 0x18; /* digital, separate synchronisation */
}

/* A display descriptor: tag and 13 bytes. */
static void descriptor(u8 *d, u8 tag, const char *text)
{
    size_t n = strlen(text);
    d[3] = tag;
    memset(d + 5, ' ', 13);
    memcpy(d + 5, text, n);
    if (n < 13)
        d[5 + n] = '\n';
}

void edid_make(u8 b[EDID_SIZE], u32 w, u32 h)
{
    static const u8 colours[10] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54}; /* sRGB */
    u32 mm_w = w * 254 / 960, mm_h = h * 254 / 960;
    u8 sum = 0, *limits = b + AT_TIMING + 2 * DESCRIPTOR;
    memset(b, 0, EDID_SIZE);
    memset(b + 1, 0xff, 6);
    put_be16(b + 8, 5 << 10 | 12 << 5 | 1); /* "ELA" */
    put_le16(b + 10, 1);
    b[17] = 2024 - 1990;
    b[18] = 1;
    b[19] = 4;
    b[20] = 0xa5; /* digital, 8 bits a colour, DisplayPort */
    b[21] = (u8)(mm_w / 10);
    b[22] = (u8)(mm_h / 10);
    b[23] = 120;  /* gamma 2.2 */
    b[24] = 0x06; /* sRGB, the first timing is the native one */
    memcpy(b + 25, colours, sizeof colours);
    memset(b + 38, 1, 16); /* no standard timings */
    timing(b + AT_TIMING, w, h, mm_w, mm_h);
    descriptor(b + AT_TIMING + DESCRIPTOR, 0xfc, "Elara");
    descriptor(limits, 0xfd, "");
    memcpy(limits + 5, (const u8[]){50, 125, 30, 160, 255, 1}, 6); /* Hz, kHz, 10 MHz; limits alone */
    limits[11] = '\n';
    memset(limits + 12, ' ', 6);
    b[AT_TIMING + 3 * DESCRIPTOR + 3] = 0x10; /* nothing */
    for (unsigned i = 0; i < EDID_SIZE - 1; i++)
        sum = (u8)(sum + b[i]);
    b[EDID_SIZE - 1] = (u8)-sum;
}
