/* ramfb: the guest's description of its frame buffer, and pixels from it.
 *
 *   0 address (u64)  8 fourcc  12 flags  16 width  20 height  24 stride     all big-endian
 *
 * Everything is the guest's to choose, so sizes are bounded here before anybody multiplies them.
 * Not modelled: fourcc codes that no firmware uses. */
#include "devices/ramfb.h"

#include "devices/le.h"

enum { MAX_WIDTH = 16000, MAX_HEIGHT = 12000 };

static u32 fourcc(const char *s) { return (u32)s[0] | (u32)s[1] << 8 | (u32)s[2] << 16 | (u32)s[3] << 24; }

bool ramfb_decode(const u8 config[RAMFB_CONFIG], struct ramfb_mode *m, const char **what)
{
    static const struct {
        char code[5];
        u8 format, bytes;
    } formats[] = {
        {"XR24", RAMFB_XRGB8888, 4}, {"AR24", RAMFB_XRGB8888, 4}, {"RG24", RAMFB_RGB888, 3}, {"RG16", RAMFB_RGB565, 2}};
    u32 code = get_be32(config + 8);
    *m = (struct ramfb_mode){.addr = get_be64(config),
                             .width = get_be32(config + 16),
                             .height = get_be32(config + 20),
                             .stride = get_be32(config + 24)};
    *what = NULL;
    for (unsigned i = 0; i < ARRAY_LEN(formats); i++)
        if (fourcc(formats[i].code) == code) {
            m->format = formats[i].format;
            m->bytes = formats[i].bytes;
        }
    if (!m->addr && !m->width && !m->height)
        return false;
    if (!m->stride)
        m->stride = m->width * m->bytes;
    if (!m->bytes)
        *what = "its pixel format is not known";
    else if (!m->width || !m->height || m->width > MAX_WIDTH || m->height > MAX_HEIGHT)
        *what = "its size is out of range";
    else if (m->stride < m->width * m->bytes || m->stride > MAX_WIDTH * 4)
        *what = "its rows overlap";
    return !*what;
}

void ramfb_row(const struct ramfb_mode *m, const u8 *row, u8 *rgb)
{
    for (u32 i = 0; i < m->width; i++, row += m->bytes, rgb += 3) {
        if (m->format == RAMFB_RGB565) {
            u32 v = get_le16(row), r = v >> 11, g = v >> 5 & 63, b = v & 31;
            rgb[0] = (u8)(r << 3 | r >> 2);
            rgb[1] = (u8)(g << 2 | g >> 4);
            rgb[2] = (u8)(b << 3 | b >> 2);
        } else { /* blue lies lowest */
            rgb[0] = row[2];
            rgb[1] = row[1];
            rgb[2] = row[0];
        }
    }
}
