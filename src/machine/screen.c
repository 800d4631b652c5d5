/* The screen, the virtio GPU's or ramfb's (read from guest memory), when somebody wants to see it; written as PNG
 * (ISO/IEC 15948, one deflated IDAT of 8-bit RGB) or PPM. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/check.h"
#include "devices/fw_cfg.h"
#include "devices/le.h"
#include "devices/ramfb.h"
#include "devices/virtio_gpu.h"
#include "machine/machine.h"

static u8 *gpu_screen(struct machine *m, unsigned *width, unsigned *height)
{
    if (!m->gpu || !virtio_gpu_size(m->gpu, width, height))
        return NULL;
    u8 *rgb = malloc(3 * (size_t)*width * *height);
    CHECK(rgb);
    for (u32 y = 0; y < *height; y++)
        virtio_gpu_row(m->gpu, y, rgb + 3 * (size_t)y * *width);
    return rgb;
}

u8 *machine_screen(struct machine *m, unsigned *width, unsigned *height, struct err *e)
{
    struct ramfb_mode mode;
    const char *what;
    u32 n;
    u8 *of_gpu = gpu_screen(m, width, height);
    if (of_gpu)
        return of_gpu;
    const u8 *config = m->fw_cfg ? fw_cfg_file(m->fw_cfg, RAMFB_FILE, &n) : NULL;
    if (!config || !ramfb_decode(config, &mode, &what)) {
        err_set(e, STATUS_USAGE, "there is no picture: %s",
                !config && m->gpu ? "the guest shows none on the virtio GPU"
                : !config         ? "the machine has no screen (--gpu, --ramfb)"
                : what            ? what
                                  : "the guest has not set ramfb up");
        return NULL;
    }
    const struct txn t = {.space = PAS_NS, .cpu = TXN_DMA, .debug = true};
    u8 *rgb = calloc(mode.height, 3 * (size_t)mode.width), *row = malloc(mode.stride);
    CHECK(rgb && row);
    for (u32 y = 0; y < mode.height; y++)
        if (bus_read(m->bus, &t, mode.addr + (u64)y * mode.stride, row, mode.width * mode.bytes) == BUS_OK)
            ramfb_row(&mode, row, rgb + 3 * (size_t)y * mode.width); /* what lies nowhere stays black */
    free(row);
    *width = mode.width;
    *height = mode.height;
    return rgb;
}

static bool chunk(FILE *f, const char *type, const u8 *data, u32 n)
{
    u8 word[4];
    uLong crc = crc32(crc32(0, (const u8 *)type, 4), data, n);
    put_be32(word, n);
    bool ok = fwrite(word, 1, 4, f) == 4 && fwrite(type, 1, 4, f) == 4 && (!n || fwrite(data, 1, n, f) == n);
    put_be32(word, (u32)crc);
    return ok && fwrite(word, 1, 4, f) == 4;
}

static bool write_png(FILE *f, const u8 *rgb, unsigned width, unsigned height)
{
    static const u8 signature[8] = {0x89, 'P', 'N', 'G', 13, 10, 26, 10};
    size_t row = 1 + 3 * (size_t)width; /* each row begins with its filter type, 0 */
    u8 *raw = calloc(height, row), header[13] = {[8] = 8, [9] = 2};
    uLongf n = compressBound(row * height);
    u8 *packed = malloc(n);
    CHECK(raw && packed);
    for (unsigned y = 0; y < height; y++)
        memcpy(raw + y * row + 1, rgb + 3 * (size_t)y * width, row - 1);
    put_be32(header, width);
    put_be32(header + 4, height);
    bool ok = compress2(packed, &n, raw, row * height, 6) == Z_OK && fwrite(signature, 1, 8, f) == 8 &&
              chunk(f, "IHDR", header, sizeof header) && chunk(f, "IDAT", packed, (u32)n) && chunk(f, "IEND", NULL, 0);
    free(raw);
    free(packed);
    return ok;
}

bool machine_screenshot(struct machine *m, const char *path, struct err *e)
{
    unsigned width, height;
    const char *dot = strrchr(path, '.');
    bool png = dot && strcmp(dot, ".png") == 0;
    if (!png && (!dot || strcmp(dot, ".ppm") != 0))
        return err_set(e, STATUS_USAGE, "%s: a screenshot's name ends in .png or .ppm", path);
    u8 *rgb = machine_screen(m, &width, &height, e);
    if (!rgb)
        return false;
    FILE *f = fopen(path, "wb");
    bool ok = f != NULL;
    if (ok && png)
        ok = write_png(f, rgb, width, height);
    else if (ok)
        ok = fprintf(f, "P6\n%u %u\n255\n", width, height) > 0 && fwrite(rgb, 3 * (size_t)width, height, f) == height;
    if (f && fclose(f) != 0)
        ok = false;
    free(rgb);
    return ok || err_set(e, STATUS_USAGE, "cannot write %s: %s", path, strerror(errno));
}
