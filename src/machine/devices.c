/* The devices of the board that stand on their own: clock, GPIO, firmware configuration, flash, virtio
 * transports and PCI with the disks behind them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "devices/e1000e.h"
#include "devices/flash.h"
#include "devices/fw_cfg.h"
#include "devices/nvme.h"
#include "devices/pci.h"
#include "devices/pl011.h"
#include "devices/pl031.h"
#include "devices/pl061.h"
#include "devices/ramfb.h"
#include "devices/virtio_9p.h"
#include "devices/virtio_blk.h"
#include "devices/virtio_console.h"
#include "devices/virtio_mmio.h"
#include "devices/virtio_net.h"
#include "devices/virtio_pci.h"
#include "devices/virtio_rng.h"
#include "gic/gic.h"
#include "machine/acpi.h"
#include "machine/cards.h"
#include "machine/console.h"
#include "machine/disk.h"
#include "machine/machine.h"
#include "machine/net.h"
#include "machine/share.h"
#include "machine/smbios.h"
#include "smmu/dma_engine.h"
#include "smmu/smmu.h"

/* Midnight of 2024-01-01 UTC: the guest's calendar begins there, whatever the host's says. */
enum { NS_AND_S = 1 << PAS_NS | 1 << PAS_S };

void machine_make_rtc(struct machine *m, const struct board_row *r)
{
    struct pl031_config pc = {.id = r->id, .log = &m->log, .clock = &m->clock, .start = BOARD_RTC_START};
    struct pl031 *d = pl031_new(&pc);
    d->irq = gic_spi_input(m->gic, (unsigned)r->spi);
    bus_map_device(m->bus, NS_AND_S, r->base, r->size, &d->dev);
    machine_add_device(m, &d->dev);
}

/* Rows of the Secure world are seen there only. */
static u8 spaces(const struct board_row *r) { return r->when & WHEN_EL3 ? 1 << PAS_S : NS_AND_S; }

/* ---- consoles ------------------------------------------------------------------------------- */

static void uart_put(void *arg, u8 byte)
{
    struct machine *m = arg;
    if (m->uart_end)
        console_put(m->uart_end, byte);
}

static void uart2_put(void *arg, u8 byte)
{
    struct machine *m = arg;
    if (m->uart2_end)
        console_put(m->uart2_end, byte);
}

static void hvc_put(void *arg, u8 byte)
{
    struct machine *m = arg;
    if (m->hvc_end)
        console_put(m->hvc_end, byte);
}

static unsigned uart_take(void *arg, const u8 *bytes, unsigned n)
{
    unsigned room = pl011_room(arg);
    n = n < room ? n : room;
    if (n)
        pl011_input(arg, bytes, n);
    return n;
}

static void uart_break(void *arg) { pl011_break(arg); }
static unsigned hvc_take(void *arg, const u8 *bytes, unsigned n) { return virtio_console_input(arg, bytes, n); }

void machine_attach_consoles(struct machine *m)
{
    if (m->uart_end)
        console_attach(m->uart_end, (struct console_sink){uart_take, uart_break, m->uart});
    if (m->uart2_end && m->uart2)
        console_attach(m->uart2_end, (struct console_sink){uart_take, uart_break, m->uart2});
    if (m->hvc_end && m->hvc)
        console_attach(m->hvc_end, (struct console_sink){hvc_take, NULL, m->hvc});
}

void machine_second_console(struct machine *m, struct console *c)
{
    *(m->uart_end ? &m->hvc_end : &m->uart_end) = c;
    machine_attach_consoles(m);
}

void machine_secure_console(struct machine *m, struct console *c)
{
    m->uart2_end = c;
    machine_attach_consoles(m);
}

void machine_make_uart(struct machine *m, const struct board_row *r)
{
    struct pl011_config pc = {
        .id = r->id, .log = &m->log, .clock = &m->clock, .put = m->uart ? uart2_put : uart_put, .arg = m};
    struct pl011 *d = pl011_new(&pc);
    d->irq = gic_spi_input(m->gic, (unsigned)r->spi);
    bus_map_device(m->bus, spaces(r), r->base, r->size, &d->dev);
    machine_add_device(m, &d->dev);
    *(m->uart ? &m->uart2 : &m->uart) = d;
}

/* Pins 0 and 1 of the Secure GPIO: power off and reset. */
static void power_pin(void *sink, unsigned n, bool level)
{
    if (level)
        machine_stop(sink, n == 0 ? STOP_POWEROFF : STOP_RESET);
}

enum { BUTTON_PIN = 3, BUTTON_NS = 100000000 };

void machine_release_button(struct machine *m)
{
    clock_cancel(&m->clock, &m->button);
    pl061_input(m->gpio, BUTTON_PIN, false);
}

static void button_released(void *arg) { machine_release_button(arg); }

void machine_init_button(struct machine *m)
{
    m->button = (struct event){.fire = button_released, .arg = m, .name = "power-button"};
}

void machine_power_button(struct machine *m)
{
    pl061_input(m->gpio, BUTTON_PIN, true);
    clock_schedule(&m->clock, &m->button, clock_now(&m->clock) + BUTTON_NS);
}

void machine_make_gpio(struct machine *m, const struct board_row *r)
{
    struct pl061_config pc = {.id = r->id, .log = &m->log};
    struct pl061 *d = pl061_new(&pc);
    if (!m->gpio)
        m->gpio = d;
    d->irq = gic_spi_input(m->gic, (unsigned)r->spi);
    for (unsigned i = 0; i < 2 && (r->when & WHEN_EL3); i++)
        d->out[i] = (struct irq){.set = power_pin, .sink = m, .n = i};
    bus_map_device(m->bus, spaces(r), r->base, r->size, &d->dev);
    machine_add_device(m, &d->dev);
}

/* ---- firmware ------------------------------------------------------------------------------- */

static bool add_file(struct fw_cfg *f, const char *path, enum fw_cfg_key size, enum fw_cfg_key data, const char *what,
                     struct err *e)
{
    struct image im;
    if (!path)
        return true;
    if (!image_open(&im, path, what, e))
        return false;
    fw_cfg_add32(f, size, (u32)im.size);
    fw_cfg_add(f, data, im.data, (u32)im.size);
    image_free(&im);
    return true;
}

/* What the guest wrote is looked at when somebody wants to see the screen. */
static void ramfb_written(void *arg, const u8 *bytes, u32 n) { (void)arg, (void)bytes, (void)n; }

bool machine_make_fw_cfg(struct machine *m, const struct board_row *r, struct err *e)
{
    const struct config *c = m->config;
    struct fw_cfg_config fc = {.id = r->id, .log = &m->log, .dma = bus_dma(m->bus, 0)};
    struct fw_cfg *f = fw_cfg_new(&fc);
    bus_map_device(m->bus, NS_AND_S, r->base, r->size, fw_cfg_device(f));
    machine_add_device(m, fw_cfg_device(f));
    m->fw_cfg = f;
    if (c->ramfb) {
        static const u8 nothing[RAMFB_CONFIG];
        CHECK(fw_cfg_add_file(f, RAMFB_FILE, nothing, sizeof nothing, ramfb_written, NULL));
    }
    fw_cfg_add16(f, FW_CFG_NB_CPUS, (u16)c->cpus);
    fw_cfg_add16(f, FW_CFG_MAX_CPUS, (u16)c->cpus);
    if (!c->flash[0].path)
        return true;
    if (!c->no_acpi)
        acpi_add(f, c);
    smbios_add(f, c);
    if (c->params) {
        fw_cfg_add32(f, FW_CFG_CMDLINE_SIZE, (u32)strlen(c->params) + 1);
        fw_cfg_add(f, FW_CFG_CMDLINE_DATA, c->params, (u32)strlen(c->params) + 1);
    }
    return add_file(f, c->image, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, "kernel", e) &&
           add_file(f, c->initrd, FW_CFG_INITRD_SIZE, FW_CFG_INITRD_DATA, "initrd", e);
}

static void flash_changed(void *arg, u64 off, const u8 *bytes, u64 n)
{
    struct blockdev *d = arg;
    if (off < d->size)
        d->ops->write(d, off, bytes, n < d->size - off ? n : d->size - off);
}

bool machine_make_flash(struct machine *m, const struct board_row *r, struct err *e)
{
    for (unsigned i = 0; i < r->count; i++) {
        const struct config_disk *d = &m->config->flash[i];
        char why[600], b1[32], b2[32];
        snprintf(m->flash_names[i], sizeof m->flash_names[i], "flash%u", i & 1u);
        struct flash_config fc = {.id = m->flash_names[i], .log = &m->log, .size = r->size, .readonly = d->read_only};
        if (d->path) {
            if (!(m->flash_files[i] = disk_open(d->path, d->rw ? DISK_RW : DISK_READONLY, why, sizeof why)))
                return err_set(e, STATUS_USAGE, "%s", why);
            if (m->flash_files[i]->size > r->size)
                return err_set(e, STATUS_USAGE, "%s (%s) does not fit into a flash bank of %s", d->path,
                               err_size(m->flash_files[i]->size, b1), err_size(r->size, b2));
            fc.arg = m->flash_files[i];
            fc.changed = d->rw ? flash_changed : NULL;
        }
        m->flash[i] = flash_new(&fc);
        m->flash_page[i] = bus_map_rom(m->bus, NS_AND_S, r->base + i * r->size, r->size, flash_device(m->flash[i]));
        machine_add_device(m, flash_device(m->flash[i]));
    }
    return true;
}

bool machine_fill_flash(struct machine *m, struct err *e)
{
    const struct board_row *r = board_find(m->config, BOARD_FLASH);
    static const u8 zero[4096];
    for (unsigned i = 0; r && i < r->count; i++) {
        struct blockdev *d = m->flash_files[i];
        progress_begin(&m->boot.progress, "loading", m->config->flash[i].path, d ? d->size : 0);
        flash_attach(m->flash[i], m->bus, m->flash_page[i]);
        for (u64 at = 0; d && at < d->size; at += sizeof zero) {
            u8 page[sizeof zero];
            u64 n = d->size - at < sizeof page ? d->size - at : sizeof page;
            progress_step(&m->boot.progress, at);
            if (!d->ops->read(d, at, page, n))
                return err_set(e, STATUS_USAGE, "cannot read the flash contents from %s", m->config->flash[i].path);
            if (memcmp(page, zero, n) != 0) /* holes stay untouched host memory */
                CHECK(bus_load(m->bus, PAS_NS, r->base + i * r->size + at, page, n) == BUS_OK);
        }
    }
    return true;
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

/* ---- cards: virtio devices on either transport ---------------------------------------------- */

bool machine_open_disk(struct machine *m, unsigned index, struct err *e)
{
    const struct config_disk *d = &m->config->disks[index];
    char why[600];
    enum disk_mode mode = d->read_only ? DISK_READONLY : d->rw ? DISK_RW : DISK_COW;
    enum disk_format format = (enum disk_format)d->format;
    struct blockdev *b = d->overlay ? disk_open_overlay(d->path, format, d->overlay, d->log, why, sizeof why)
                                    : disk_open_logged(d->path, format, mode, d->log, why, sizeof why);
    m->disks[index] = b;
    return b || err_set(e, STATUS_USAGE, "%s", why);
}

static struct virtio *make_disk(struct machine *m, const struct config_card *k, const char *id, u64 features,
                                struct err *e)
{
    if (!machine_open_disk(m, k->index, e))
        return NULL;
    struct virtio_blk_config bc = {.id = id,
                                   .log = &m->log,
                                   .clock = &m->clock,
                                   .disk = m->disks[k->index],
                                   .serial = k->serial,
                                   .features = features};
    return virtio_blk_new(&bc);
}

static struct pci_fn *make_nvme(struct machine *m, unsigned i, struct err *e)
{
    const struct config_card *k = &m->config->cards[i];
    if (!machine_open_disk(m, k->index, e))
        return NULL;
    snprintf(m->card_names[i], sizeof m->card_names[i], "nvme%u", k->index);
    struct nvme_config nc = {
        .id = m->card_names[i], .log = &m->log, .clock = &m->clock, .disk = m->disks[k->index], .serial = k->serial};
    return nvme_new(&nc);
}

static struct network *make_network(struct machine *m, const struct config_nic *n, const char *id, struct err *e)
{
    struct network_config nc = {.id = id, .clock = &m->clock, .pcap = n->pcap};
    struct network_forward f[CONFIG_FORWARDS];
    struct network *net = NULL;
    char why[600] = "";
    for (unsigned i = 0; i < n->nforwards; i++)
        if (!network_parse_forward(n->forwards[i], &f[i])) {
            err_set(e, STATUS_USAGE,
                    "\"%s\" is no port forward: tcp::2222-:22 leads the host's port 2222 to the guest's 22",
                    n->forwards[i]);
            return NULL;
        }
    if (n->stream) {
        int fd = network_socket(n->stream, n->listen, why, sizeof why);
        if (fd >= 0)
            net = network_stream(&nc, fd, why, sizeof why);
    } else if (n->tap) {
        net = network_tap(&nc, n->tap, why, sizeof why);
    } else if (n->user) {
        net = network_user(&nc, f, n->nforwards, n->restricted, why, sizeof why);
    } else {
        net = network_none(&nc, why, sizeof why);
    }
    if (!net)
        err_set(e, STATUS_USAGE, "%s", why);
    return net;
}

static struct virtio *make_nic(struct machine *m, const struct config_card *k, const char *id, u64 features,
                               struct err *e)
{
    struct network *net = make_network(m, &m->config->nics[k->index], id, e);
    if (!net)
        return NULL;
    m->nets[m->nnets++] = net;
    struct virtio_net_config vc = {.id = id,
                                   .log = &m->log,
                                   .clock = &m->clock,
                                   .net = network_netdev(net),
                                   .mac = {0x52, 0x54, 0x00, 0x12, 0x34, (u8)(0x56 + k->index)},
                                   .features = features};
    struct nic *nic;
    struct virtio *v = virtio_net_new(&vc, &nic);
    network_attach(net, nic);
    return v;
}

static struct pci_fn *make_e1000e(struct machine *m, unsigned i, struct err *e)
{
    const struct config_card *k = &m->config->cards[i];
    snprintf(m->card_names[i], sizeof m->card_names[i], "nic%u", k->index);
    struct network *net = make_network(m, &m->config->nics[k->index], m->card_names[i], e);
    if (!net)
        return NULL;
    m->nets[m->nnets++] = net;
    struct e1000e_config ec = {.id = m->card_names[i],
                               .log = &m->log,
                               .clock = &m->clock,
                               .net = network_netdev(net),
                               .mac = {0x52, 0x54, 0x00, 0x12, 0x34, (u8)(0x56 + k->index)}};
    struct nic *nic;
    struct pci_fn *f = e1000e_new(&ec, &nic);
    network_attach(net, nic);
    return f;
}

static struct virtio *make_share(struct machine *m, const struct config_card *k, const char *id, u64 features,
                                 struct err *e)
{
    const struct config_share *c = &m->config->shares[k->index];
    char why[600];
    struct share *s = share_open(c->path, c->read_only, why, sizeof why);
    m->shares[k->index] = s;
    if (!s) {
        err_set(e, STATUS_USAGE, "%s", why);
        return NULL;
    }
    struct virtio_9p_config pc = {.id = id,
                                  .log = &m->log,
                                  .clock = &m->clock,
                                  .tag = c->tag,
                                  .handle = share_handle,
                                  .reset = share_reset,
                                  .arg = s,
                                  .features = features};
    return virtio_9p_new(&pc);
}

static struct virtio *make_console(struct machine *m, const char *id, u64 features)
{
    struct virtio_console_config vc = {
        .id = id, .log = &m->log, .clock = &m->clock, .put = hvc_put, .arg = m, .features = features};
    return m->hvc = virtio_console_new(&vc);
}

static struct virtio *make_card(struct machine *m, unsigned i, struct err *e)
{
    const struct config_card *k = &m->config->cards[i];
    static const char *const names[] = {"disk",    "nic",      "rng",   "nvme",   "share", "nic",
                                        "hvc",     "port",     "port",  "port",   "test",  "scsi",
                                        "balloon", "keyboard", "mouse", "tablet", "gpu"};
    char *id = m->card_names[i];
    u64 features = k->platform ? VIRTIO_F_ACCESS_PLATFORM : 0;
    snprintf(id, sizeof m->card_names[i], "%s%u", names[k->type], k->index);
    switch ((enum card_type)k->type) {
    case CARD_DISK: return make_disk(m, k, id, features, e);
    case CARD_NIC: return make_nic(m, k, id, features, e);
    case CARD_RNG: return virtio_rng_new(id, &m->log, &m->clock, m->config->seed, features);
    case CARD_9P: return make_share(m, k, id, features, e);
    case CARD_CONSOLE: return make_console(m, id, features);
    case CARD_SCSI: return cards_scsi(m, k->index, id, features, e);
    case CARD_BALLOON: return cards_balloon(m, id, features);
    case CARD_KEYBOARD:
    case CARD_MOUSE:
    case CARD_TABLET: return cards_input(m, (enum card_type)k->type, id, features);
    case CARD_GPU: return cards_gpu(m, id, features);
    case CARD_NVME:
    case CARD_ROOT_PORT:
    case CARD_UPSTREAM:
    case CARD_DOWNSTREAM:
    case CARD_TESTDEV:
    case CARD_E1000E: break; /* PCI only, no virtio devices */
    }
    return NULL;
}

bool machine_make_virtio(struct machine *m, const struct board_row *r, struct err *e)
{
    const struct config *c = m->config;
    struct virtio *behind[BOARD_VIRTIO_SLOTS] = {0};
    bool ok = true;
    for (unsigned i = 0; ok && i < c->ncards; i++)
        if (!c->cards[i].pci)
            ok = (behind[c->cards[i].slot] = make_card(m, i, e)) != NULL;
    struct window *w = calloc(1, sizeof *w);
    CHECK(w);
    w->dev = (struct device){.ops = &window_ops, .id = r->id, .log = &m->log};
    w->each = r->size;
    for (unsigned i = 0; i < r->count; i++) {
        struct virtio_mmio_config vc = {
            .id = r->id, .log = &m->log, .modern = !c->legacy_mmio, .dma = bus_dma(m->bus, 0), .device = behind[i]};
        struct virtio_mmio *v = virtio_mmio_new(&vc);
        v->irq = gic_spi_input(m->gic, (unsigned)r->spi + i);
        w->slot[i] = &v->dev;
    }
    bus_map_device(m->bus, NS_AND_S, r->base, r->size * r->count, &w->dev);
    machine_add_device(m, &w->dev);
    return ok;
}

/* ---- PCI ------------------------------------------------------------------------------------ */

static struct pci_fn *make_virtio_pci(struct machine *m, unsigned i, struct err *e)
{
    struct virtio *v = make_card(m, i, e);
    const struct config_card *k = &m->config->cards[i];
    bool young =
        k->type == CARD_GPU || (k->type >= CARD_KEYBOARD && k->type <= CARD_TABLET); /* never had another interface */
    struct virtio_pci_config vc = {
        .id = m->card_names[i], .log = &m->log, .device = v, .transitional = !k->modern && !young};
    return v ? virtio_pci_new(&vc) : NULL;
}

static struct pci_fn *make_port(struct machine *m, unsigned i)
{
    const struct config_card *k = &m->config->cards[i];
    snprintf(m->card_names[i], sizeof m->card_names[i], "port%u", i);
    struct pci_bridge_config bc = {.id = m->card_names[i],
                                   .log = &m->log,
                                   .type = k->type == CARD_ROOT_PORT  ? PCI_ROOT_PORT
                                           : k->type == CARD_UPSTREAM ? PCI_UPSTREAM
                                                                      : PCI_DOWNSTREAM,
                                   .port = (u8)i,
                                   .slot = (u16)(k->physical ? k->physical : i + 1)};
    return pci_bridge_new(&bc);
}

static struct pci_fn *make_function(struct machine *m, unsigned i, struct err *e)
{
    switch ((enum card_type)m->config->cards[i].type) {
    case CARD_NVME: return make_nvme(m, i, e);
    case CARD_E1000E: return make_e1000e(m, i, e);
    case CARD_ROOT_PORT:
    case CARD_UPSTREAM:
    case CARD_DOWNSTREAM: return make_port(m, i);
    case CARD_TESTDEV:
        snprintf(m->card_names[i], sizeof m->card_names[i], "test%u", i);
        return pci_testdev_new(m->card_names[i], &m->log);
    case CARD_DISK:
    case CARD_NIC:
    case CARD_RNG:
    case CARD_9P:
    case CARD_SCSI:
    case CARD_BALLOON:
    case CARD_KEYBOARD:
    case CARD_MOUSE:
    case CARD_TABLET:
    case CARD_GPU:
    case CARD_CONSOLE: break;
    }
    return make_virtio_pci(m, i, e);
}

/* The SMMU's event: SEV for every CPU. */
static void wake_cpus(void *sink, unsigned n, bool level)
{
    struct machine *m = sink;
    (void)n;
    for (unsigned i = 0; level && i < m->ncpus; i++)
        cpu_send_event(m->cpus[i]);
}

/* It comes before the host bridge, whose DMA it translates. */
void machine_make_smmu(struct machine *m, const struct board_row *r)
{
    const struct config *c = m->config;
    struct smmu_config sc = {.id = r->id,
                             .log = &m->log,
                             .bus = m->bus,
                             .device_id = 0x10000, /* above the requester IDs */
                             .btm = true,
                             .oas = (u8)c->smmu_oas,
                             .sid_bits = 16,
                             .ssid_bits = 16,
                             .no_stage1 = c->smmu_no_stage1,
                             .no_stage2 = c->smmu_no_stage2,
                             .secure = c->el3};
    m->smmu = smmu_new(&sc);
    struct smmu_wires *w = smmu_wires(m->smmu, false);
    w->eventq = gic_spi_input(m->gic, (unsigned)r->spi);
    w->priq = gic_spi_input(m->gic, (unsigned)r->spi + 1);
    w->cmdq_sync = gic_spi_input(m->gic, (unsigned)r->spi + 2);
    w->gerror = gic_spi_input(m->gic, (unsigned)r->spi + 3);
    w->event = smmu_wires(m->smmu, true)->event = (struct irq){wake_cpus, m, 0, false};
    bus_map_device(m->bus, NS_AND_S, r->base, r->size, smmu_device(m->smmu));
    machine_add_device(m, smmu_device(m->smmu));
}

void machine_make_dma_engine(struct machine *m, const struct board_row *r)
{
    struct device *d = dma_engine_new(r->id, &m->log, m->bus, m->smmu);
    bus_map_device(m->bus, NS_AND_S, r->base, r->size, d);
    machine_add_device(m, d);
}

/* A translation request of a PCI function. */
static bool translate(void *arg, u32 stream, u64 addr, bool write, struct pci_translation *t)
{
    const struct machine *m = arg;
    const struct smmu_ats_request r = {.addr = addr, .sid = stream, .no_write = !write};
    const struct smmu_ats_reply a = smmu_ats_translate(m->smmu, &r);
    *t = (struct pci_translation){a.addr | (addr & ones(a.log2)), a.r, a.w};
    return a.status == SMMU_ATS_SUCCESS;
}

/* CMD_ATC_INV; no function has PASIDs. */
static void atc_invalidate(void *arg, u32 sid, bool ssv, u32 ssid, bool global, u64 addr, unsigned log2)
{
    const struct machine *m = arg;
    (void)ssid, (void)global;
    if (!ssv)
        pci_ats_invalidate(m->pci, sid, addr, log2);
}

bool machine_make_pci(struct machine *m, const struct board_row *r, struct err *e)
{
    const struct config *c = m->config;
    struct pci_host_config pc = {.id = r->id,
                                 .log = &m->log,
                                 .buses = (unsigned)(r->size >> 20),
                                 .mmio_base = board_find(c, BOARD_PCI_MMIO)->base,
                                 .mmio64_base = board_find(c, BOARD_PCI_MMIO64)->base,
                                 .io_base = 0,
                                 .dma = m->smmu ? smmu_dma(m->smmu, 0) : bus_dma(m->bus, 0),
                                 .direct = bus_dma(m->bus, 0),
                                 .translate = m->smmu ? translate : NULL,
                                 .translate_arg = m};
    m->pci = pci_host_new(&pc);
    if (m->smmu)
        smmu_attach(m->smmu, &(struct smmu_client){.arg = m, .invalidate = atc_invalidate});
    for (unsigned i = 0; i < 4; i++)
        m->pci->intx[i] = gic_spi_input(m->gic, (unsigned)r->spi + i);
    bus_map_device(m->bus, NS_AND_S, r->base, r->size, &m->pci->ecam);
    machine_add_device(m, &m->pci->ecam);
    struct pci_fn *made[CONFIG_CARDS] = {0};
    for (unsigned i = 0; i < c->ncards; i++) {
        const struct config_card *k = &c->cards[i];
        if (!k->pci)
            continue;
        struct pci_fn *port = k->behind ? made[k->behind - 1] : NULL;
        if (!(made[i] = make_function(m, i, e)))
            return false;
        if (k->ats)
            pci_add_ats(made[i]);
        if (!pci_plug_at(m->pci, port, made[i], k->placed ? k->slot << 3 | k->function : (unsigned)PCI_ANY)) {
            pci_unplugged(made[i]);
            return err_set(e, STATUS_USAGE, "%s: no place at PCI device number %u.%u of %s", m->card_names[i], k->slot,
                           k->function, k->behind ? k->bus : "the root bus");
        }
    }
    return true;
}

void machine_map_pci(struct machine *m, const struct board_row *r)
{
    struct pci_window *w = r->type == BOARD_PCI_IO     ? &m->pci->io
                           : r->type == BOARD_PCI_MMIO ? &m->pci->mmio
                                                       : &m->pci->mmio64;
    bus_map_device(m->bus, NS_AND_S, r->base, r->size, &w->dev);
}

void machine_free_backends(struct machine *m)
{
    for (unsigned i = 0; i < m->nnets; i++)
        network_free(m->nets[i]);
    for (unsigned i = 0; i < ARRAY_LEN(m->shares); i++)
        share_close(m->shares[i]);
    for (unsigned i = 0; i < m->config->ndisks; i++)
        if (m->disks[i])
            disk_close(m->disks[i]);
    for (unsigned i = 0; i < ARRAY_LEN(m->flash_files); i++)
        if (m->flash_files[i])
            disk_close(m->flash_files[i]);
}
