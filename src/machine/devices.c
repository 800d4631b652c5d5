/* The devices of the board that stand on their own: real-time clock, virtio transports with the disks
 * behind them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "devices/pl031.h"
#include "devices/virtio_blk.h"
#include "devices/virtio_mmio.h"
#include "gic/gic.h"
#include "machine/disk.h"
#include "machine/machine.h"

/* Midnight of 2024-01-01 UTC: the guest's calendar begins there, whatever the host's says. */
enum { RTC_START = 1704067200 };

void machine_make_rtc(struct machine *m, const struct board_row *r)
{
    struct pl031_config pc = {.id = r->id, .log = &m->log, .clock = &m->clock, .start = RTC_START};
    struct pl031 *d = pl031_new(&pc);
    d->irq = gic_spi_input(m->gic, (unsigned)r->spi);
    bus_map_device(m->bus, 1 << PAS_NS | 1 << PAS_S, r->base, r->size, &d->dev);
    machine_add_device(m, &d->dev);
}

/* ---- virtio --------------------------------------------------------------------------------- */

/* The bus maps whole pages; this device hands each 512-byte piece to its transport. */
struct window {
    struct device dev;
    struct device *slot[BOARD_VIRTIO_SLOTS];
    u64 each;
};

static enum bus_result window_read(struct device *d, const struct txn *t, u64 off, unsigned size, u64 *val)
{
    struct window *w = (struct window *)d;
    u64 v[2] = {0};
    enum bus_result r = bus_dev_read(w->slot[off / w->each], t, off % w->each, size, v);
    *val = v[0];
    return r;
}

static enum bus_result window_write(struct device *d, const struct txn *t, u64 off, unsigned size, u64 val)
{
    struct window *w = (struct window *)d;
    const u64 v[2] = {val};
    return bus_dev_write(w->slot[off / w->each], t, off % w->each, size, v);
}

static void window_reset(struct device *d)
{
    struct window *w = (struct window *)d;
    for (unsigned i = 0; i < BOARD_VIRTIO_SLOTS; i++)
        if (w->slot[i]->ops->reset)
            w->slot[i]->ops->reset(w->slot[i]);
}

static void window_state(struct device *d, struct snap *s)
{
    struct window *w = (struct window *)d;
    for (unsigned i = 0; i < BOARD_VIRTIO_SLOTS; i++)
        w->slot[i]->ops->state(w->slot[i], s);
}

static void window_destroy(struct device *d)
{
    struct window *w = (struct window *)d;
    for (unsigned i = 0; i < BOARD_VIRTIO_SLOTS; i++)
        if (w->slot[i]->ops->destroy)
            w->slot[i]->ops->destroy(w->slot[i]);
        else
            free(w->slot[i]);
    free(w);
}

static const struct device_ops window_ops = {
    .name = "virtio-window",
    .min_size = 1,
    .max_size = 8,
    .read = window_read,
    .write = window_write,
    .reset = window_reset,
    .state = window_state,
    .destroy = window_destroy,
};

static bool open_disk(struct machine *m, unsigned i, struct virtio **out, struct err *e)
{
    const struct config_disk *d = &m->config->disks[i];
    char why[600];
    m->disks[i] = disk_open(d->path, d->read_only ? DISK_READONLY : d->rw ? DISK_RW : DISK_COW, why, sizeof why);
    if (!m->disks[i])
        return err_set(e, STATUS_USAGE, "%s", why);
    snprintf(m->disk_names[i], sizeof m->disk_names[i], "disk%u", i);
    struct virtio_blk_config bc = {.id = m->disk_names[i], .log = &m->log, .clock = &m->clock, .disk = m->disks[i]};
    *out = virtio_blk_new(&bc);
    return true;
}

bool machine_make_virtio(struct machine *m, const struct board_row *r, struct err *e)
{
    struct virtio *behind[BOARD_VIRTIO_SLOTS] = {0};
    for (unsigned i = 0; i < m->config->ndisks; i++)
        if (!open_disk(m, i, &behind[m->config->disks[i].slot], e)) {
            for (unsigned k = 0; k < BOARD_VIRTIO_SLOTS; k++)
                if (behind[k])
                    virtio_destroy(behind[k]);
            return false;
        }
    struct window *w = calloc(1, sizeof *w);
    CHECK(w);
    w->dev = (struct device){.ops = &window_ops, .id = r->id, .log = &m->log};
    w->each = r->size;
    for (unsigned i = 0; i < r->count; i++) {
        struct virtio_mmio_config vc = {
            .id = r->id, .log = &m->log, .modern = true, .dma = bus_dma(m->bus, 0), .device = behind[i]};
        struct virtio_mmio *v = virtio_mmio_new(&vc);
        v->irq = gic_spi_input(m->gic, (unsigned)r->spi + i);
        w->slot[i] = &v->dev;
    }
    bus_map_device(m->bus, 1 << PAS_NS | 1 << PAS_S, r->base, r->size * r->count, &w->dev);
    machine_add_device(m, &w->dev);
    return true;
}

void machine_free_disks(struct machine *m)
{
    for (unsigned i = 0; i < m->config->ndisks; i++)
        if (m->disks[i])
            disk_close(m->disks[i]);
}
