/* The tree behind the host bridge: configuration by bus numbers, windows, pins, requests that nothing takes, resets of
 * every kind, messages, ACS, the test device. */
#include "bell.h"
#include "devices/pci.h"
#include "pci_card.h"
#include "poke.h"

enum { RAM = 0x40000000, DOORBELL = 0x8090000, MMIO = 0x10000000, ANY = -1 };
static const u64 mmio64_base = 1ull << 39;

static struct log lg;
static struct wire line[4];
static struct bus *bus;
static struct pci_host *h;
static struct device *ecam, *mem, *io;
/* 00:01.0 card | 00:03.0 root port -> 01:00.0 card | 00:04.0 root port -> 02:00.0 switch -> 03:00.0 -> 04:00.0 card
 *                                                                                         03:01.0 -> 05:00.0 card */
static struct pci_fn *card[4], *root[2], *up, *down[2];

static struct pci_fn *port(const char *id, enum pci_port type)
{
    return pci_bridge_new(&(struct pci_bridge_config){.id = id, .log = &lg, .type = type, .slot = 7});
}

static void setup(void)
{
    static const char *const ids[] = {"card0", "card1", "card2", "card3"};
    lg = (struct log){0};
    bus = bus_new(&lg);
    bus_map_ram(bus, 1 << PAS_NS, RAM, 0x10000, "ram");
    bell_setup(bus, DOORBELL, &lg);
    bus_seal(bus);
    h = pci_host_new(&(struct pci_host_config){
        .id = "pcie", .log = &lg, .buses = 256, .mmio_base = MMIO, .mmio64_base = mmio64_base, .dma = bus_dma(bus, 0)});
    for (unsigned i = 0; i < 4; i++)
        card[i] = card_new(ids[i], &lg);
    root[0] = port("root0", PCI_ROOT_PORT);
    root[1] = port("root1", PCI_ROOT_PORT);
    up = port("up", PCI_UPSTREAM);
    down[0] = port("down0", PCI_DOWNSTREAM);
    down[1] = port("down1", PCI_DOWNSTREAM);
    ck_assert(pci_plug(h, card[0], 1));
    ck_assert(pci_plug_at(h, NULL, root[0], 3 << 3));
    ck_assert(pci_plug_at(h, NULL, root[1], 4 << 3));
    ck_assert(!pci_plug_at(h, root[0], card[1], 1 << 3)); /* a link has one device */
    ck_assert(pci_plug_at(h, root[0], card[1], (unsigned)ANY));
    ck_assert(pci_plug_at(h, root[1], up, (unsigned)ANY));
    ck_assert(!pci_plug_at(h, card[0], down[0], 0));
    ck_assert(pci_plug_at(h, up, down[0], (unsigned)ANY));
    ck_assert(pci_plug_at(h, up, down[1], (unsigned)ANY));
    ck_assert(pci_plug_at(h, down[0], card[2], 0));
    ck_assert(pci_plug_at(h, down[1], card[3], 0));
    ck_assert(!pci_plug_at(h, down[1], card[3], 0));
    ecam = &h->ecam;
    mem = &h->mmio.dev;
    io = &h->io.dev;
    for (unsigned i = 0; i < 4; i++) {
        line[i] = (struct wire){0};
        wire_connect(&h->intx[i], &line[i]);
    }
}

static void teardown(void)
{
    device_free(ecam);
    bus_free(bus);
}

static u64 cfg(unsigned number, unsigned dev, unsigned reg) { return (u64)number << 20 | (u64)dev << 15 | reg; }

static unsigned cap(u64 at, u8 id)
{
    unsigned c = (unsigned)peek(ecam, at + PCI_CAP_POINTER, 1), n = 0;
    while (c && peek(ecam, at + c, 1) != id) {
        ck_assert(n++ < 16);
        c = (unsigned)peek(ecam, at + c + 1, 1);
    }
    return c;
}

static void set_port(u64 at, unsigned secondary, unsigned last, u32 base, u32 limit)
{
    poke32(ecam, at + 0x18, secondary << 8 | last << 16);
    poke32(ecam, at + 0x20, base >> 16 | (limit & 0xfff00000));
    poke32(ecam, at + 0x24, (base - MMIO) >> 16 | ((limit - MMIO) & 0xfff00000));
    poke32(ecam, at + 0x28, (u32)(mmio64_base >> 32));
    poke32(ecam, at + 0x2c, (u32)(mmio64_base >> 32));
    poke(ecam, at + 0x1c, 2, (base - MMIO) >> 20 << 4 | (limit - MMIO) >> 20 << 12);
    poke(ecam, at + PCI_COMMAND, 2, 7);
}

static void set_card(u64 at, u32 base)
{
    poke32(ecam, at + PCI_BAR0, base);
    poke32(ecam, at + PCI_BAR0 + 4, (base - MMIO) >> 8);
    poke32(ecam, at + PCI_BAR0 + 8, base - MMIO);
    poke32(ecam, at + PCI_BAR0 + 12, (u32)(mmio64_base >> 32));
    poke(ecam, at + PCI_COMMAND, 2, 7);
}

/* Card n has its registers at MMIO + n MiB. */
static void program(void)
{
    set_card(cfg(0, 1, 0), MMIO);
    set_port(cfg(0, 3, 0), 1, 1, MMIO + 0x100000, MMIO + 0x1fffff);
    set_card(cfg(1, 0, 0), MMIO + 0x100000);
    set_port(cfg(0, 4, 0), 2, 5, MMIO + 0x200000, MMIO + 0x3fffff);
    set_port(cfg(2, 0, 0), 3, 5, MMIO + 0x200000, MMIO + 0x3fffff);
    set_port(cfg(3, 0, 0), 4, 4, MMIO + 0x200000, MMIO + 0x2fffff);
    set_port(cfg(3, 1, 0), 5, 5, MMIO + 0x300000, MMIO + 0x3fffff);
    set_card(cfg(4, 0, 0), MMIO + 0x200000);
    set_card(cfg(5, 0, 0), MMIO + 0x300000);
}

static u64 cfg_of(unsigned n) { return n == 0 ? cfg(0, 1, 0) : cfg(n == 1 ? 1 : n + 2, 0, 0); }
static u64 reg(unsigned n, unsigned off) { return (u64)n << 20 | off; }

START_TEST(test_enumeration)
{
    ck_assert_uint_eq(peek32(ecam, cfg(0, 3, 0)), 0x000c1b36);
    ck_assert_uint_eq(peek(ecam, cfg(0, 3, 0xe), 1), 1);
    ck_assert_uint_eq(peek32(ecam, cfg(1, 0, 0)), ~0u); /* no bus numbers yet */
    ck_assert_uint_eq(peek(ecam, cfg(0, 0, 0x6), 2) & PCI_STA_MASTER_ABORT, PCI_STA_MASTER_ABORT);
    poke(ecam, cfg(0, 0, 0x6), 2, 0xffff);
    ck_assert_uint_eq(peek(ecam, cfg(0, 0, 0x6), 2) & PCI_STA_CLEARED, 0);
    program();
    ck_assert_uint_eq(peek32(ecam, cfg(1, 0, 0)), 0x56781234);
    ck_assert_uint_eq(peek32(ecam, cfg(2, 0, 0)), 0x8232104c);
    ck_assert_uint_eq(peek32(ecam, cfg(3, 1, 0)), 0x8233104c);
    ck_assert_uint_eq(peek32(ecam, cfg(5, 0, 0)), 0x56781234);
    ck_assert_uint_eq(peek32(ecam, cfg(5, 0, 0xffc)), 0);
    ck_assert_uint_eq(peek32(ecam, cfg(3, 1, 0x18)), 0x050500);
    /* types of the Express capability */
    static const struct {
        u8 bus, dev, type;
    } t[] = {{0, 1, PCI_INTEGRATED},
             {0, 3, PCI_ROOT_PORT},
             {1, 0, PCI_ENDPOINT},
             {2, 0, PCI_UPSTREAM},
             {3, 0, PCI_DOWNSTREAM}};
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        unsigned c = cap(cfg(t[i].bus, t[i].dev, 0), 0x10);
        ck_assert_uint_eq(peek(ecam, cfg(t[i].bus, t[i].dev, c + 2), 1), t[i].type << 4 | 2);
        u32 link = peek32(ecam, cfg(t[i].bus, t[i].dev, c + 0xc));
        ck_assert_uint_eq(link & 0x3ff, t[i].type == PCI_INTEGRATED ? 0 : 0x11);
        bool reports = t[i].type == PCI_ROOT_PORT || t[i].type == PCI_DOWNSTREAM;
        ck_assert_uint_eq(peek(ecam, cfg(t[i].bus, t[i].dev, c + 0x12), 2) >> 13 & 1, reports);
        ck_assert_uint_eq(peek32(ecam, cfg(t[i].bus, t[i].dev, c + 0x14)) >> 19, reports ? 7 : 0);
    }
    /* overlapping numbers: the first port takes them; none: nothing */
    poke32(ecam, cfg(0, 4, 0x18), 0);
    ck_assert_uint_eq(peek32(ecam, cfg(5, 0, 0)), ~0u);
}
END_TEST

START_TEST(test_windows)
{
    program();
    struct device *high = &h->mmio64.dev;
    for (unsigned n = 0; n < 4; n++) {
        poke32(mem, reg(n, CARD_DATA), 0x1000 + n);
        ck_assert_uint_eq(peek32(mem, reg(n, CARD_DATA)), 0x1000 + n);
        ck_assert_uint_eq(peek32(high, reg(n, 0)), 0x1000 + n);
        ck_assert_uint_eq(peek32(io, n << 12), 0x1000 + n);
    }
    /* a window that does not cover the BAR, one that is closed, a port that is off */
    poke32(ecam, cfg(3, 1, 0x20), (MMIO + 0x400000) >> 16 | (u32)(MMIO + 0x400000));
    ck_assert_uint_eq(peek32(mem, reg(3, CARD_DATA)), ~0u);
    poke32(ecam, cfg(3, 1, 0x20), 0x0000fff0);
    ck_assert_uint_eq(peek32(mem, reg(3, CARD_DATA)), ~0u);
    ck_assert_uint_eq(peek32(high, reg(3, 0)), 0x1003);
    poke(ecam, cfg(0, 4, PCI_COMMAND), 2, PCI_CMD_MASTER | PCI_CMD_IO);
    ck_assert_uint_eq(peek32(high, reg(3, 0)), ~0u);
    ck_assert_uint_eq(peek32(io, 3 << 12), 0x1003);
    ck_assert_uint_eq(peek32(mem, reg(1, CARD_DATA)), 0x1001);
}
END_TEST

START_TEST(test_unsupported)
{
    program();
    unsigned rp = cap(cfg(0, 4, 0), 0x10), dn = cap(cfg(3, 0, 0), 0x10), ep = cap(cfg(4, 0, 0), 0x10);
    /* Nothing decodes the address, or there is no such function: the card at the end of the link refuses. */
    for (unsigned how = 0; how < 3; how++) {
        if (how == 2)
            poke32(ecam, cfg(4, 1, 0), 5);
        else
            ck_assert_uint_eq(how ? peek32(ecam, cfg(4, 1, 0)) : peek32(mem, reg(2, 0x8000)), ~0u);
        ck_assert_uint_eq(peek(ecam, cfg(4, 0, ep + 0xa), 2), 9);
        ck_assert_uint_eq(peek(ecam, cfg(3, 0, dn + 0xa), 2), 0);
        ck_assert_uint_eq(peek(ecam, cfg(0, 4, 0x1e), 2), PCI_STA_MASTER_ABORT);
        poke(ecam, cfg(4, 0, ep + 0xa), 2, 0xf);
        poke(ecam, cfg(0, 4, 0x1e), 2, 0xffff);
        ck_assert_uint_eq(peek(ecam, cfg(4, 0, ep + 0xa), 2), 0);
        ck_assert_uint_eq(peek(ecam, cfg(0, 4, 0x1e), 2), 0);
    }
    /* A link that is off: the port itself refuses. */
    poke(ecam, cfg(3, 0, dn + 0x10), 2, 1 << 4);
    ck_assert_uint_eq(peek32(ecam, cfg(4, 0, 0)), ~0u);
    ck_assert_uint_eq(peek(ecam, cfg(3, 0, dn + 0xa), 2), 9);
    ck_assert_uint_eq(peek(ecam, cfg(3, 0, dn + 0x12), 2) >> 13, 0);
    ck_assert_uint_eq(peek(ecam, cfg(0, 4, rp + 0xa), 2), 0);
    /* A debugger's look leaves nothing behind. */
    u64 before = device_hash(ecam), v[2];
    const struct txn debug = {.debug = true};
    ck_assert_int_eq(bus_dev_read(ecam, &debug, cfg(9, 0, 0), 4, v), BUS_OK);
    ck_assert_int_eq(bus_dev_read(mem, &debug, reg(2, 0), 4, v), BUS_OK);
    ck_assert_uint_eq(device_hash(ecam), before);
}
END_TEST

/* Reads through the card; the result as the card sees it. */
static u32 dma(unsigned n, u64 addr)
{
    poke(mem, reg(n, CARD_ADDRESS), 8, addr);
    poke32(mem, reg(n, CARD_READ), 0);
    return peek32(mem, reg(n, CARD_RESULT));
}

START_TEST(test_mastering)
{
    program();
    unsigned acs = 0x100;
    ck_assert_uint_eq(peek32(ecam, cfg(3, 0, acs)), 0x0001000d);
    ck_assert_uint_eq(peek(ecam, cfg(3, 0, acs + 4), 2), 0x1d);
    for (unsigned n = 0; n < 4; n++)
        ck_assert_uint_eq(dma(n, RAM), BUS_OK);
    ck_assert_uint_eq(dma(3, 0x50000000), BUS_DECERR); /* nobody there: the card saw a master abort */
    ck_assert_uint_eq(peek(ecam, cfg(5, 0, PCI_STATUS), 2) & PCI_STA_CLEARED, PCI_STA_MASTER_ABORT);
    static const u64 ports[] = {4ull << 15, 2ull << 20, 3ull << 20 | 1ull << 15};
    for (unsigned i = 0; i < ARRAY_LEN(ports); i++) { /* each port on the way has to master too */
        poke(ecam, ports[i] + PCI_COMMAND, 2, PCI_CMD_MEM);
        ck_assert_uint_eq(dma(3, RAM), BUS_DECERR);
        poke(ecam, ports[i] + PCI_COMMAND, 2, 7);
        ck_assert_uint_eq(dma(3, RAM), BUS_OK);
    }
    /* To a neighbour behind the same switch: refused; with redirection it goes to the host, which has its own mind. */
    poke(ecam, cfg(5, 0, PCI_STATUS), 2, 0xffff);
    ck_assert_uint_eq(dma(3, MMIO + 0x200000), BUS_DECERR);
    ck_assert_uint_eq(peek(ecam, cfg(5, 0, PCI_STATUS), 2) & PCI_STA_CLEARED, 0);
    poke(ecam, cfg(3, 1, acs + 6), 2, 4);
    ck_assert_uint_eq(dma(3, MMIO + 0x200000), BUS_DECERR);
    ck_assert_uint_eq(peek(ecam, cfg(5, 0, PCI_STATUS), 2) & PCI_STA_CLEARED, PCI_STA_MASTER_ABORT);
    /* Source validation: the requester's bus number has to be one of the port's. */
    poke(ecam, cfg(3, 1, acs + 6), 2, 1);
    ck_assert_uint_eq(dma(3, RAM), BUS_OK);
    poke(ecam, cfg(3, 1, 0x19), 2, 0x0707);
    ck_assert_uint_eq(dma(3, RAM), BUS_DECERR); /* the card still sends 05:00.0 */
    poke(ecam, cfg(0, 4, 0x1a), 1, 7);
    poke(ecam, cfg(2, 0, 0x1a), 1, 7);
    poke(ecam, cfg(7, 0, PCI_INT_LINE), 1, 1); /* now it knows */
    ck_assert_uint_eq(dma(3, RAM), BUS_OK);
}
END_TEST

START_TEST(test_pins)
{
    program();
    for (unsigned n = 0; n < 4; n++) { /* devices 1, 3 + 0, 4 + 0 + 0 + 0, 4 + 0 + 1 + 0 */
        static const u8 want[] = {1, 3, 0, 1};
        poke32(mem, reg(n, CARD_PIN), 1);
        ck_assert_uint_eq(peek(ecam, cfg_of(n) + PCI_STATUS, 1) & 8, 8);
        for (unsigned i = 0; i < 4; i++)
            ck_assert_int_eq(line[i].level, i == want[n]);
        poke(ecam, cfg_of(n) + PCI_COMMAND, 2, 7 | PCI_CMD_INTX_OFF);
        ck_assert(!line[want[n]].level);
        poke(ecam, cfg_of(n) + PCI_COMMAND, 2, 7);
        ck_assert(line[want[n]].level);
        poke32(mem, reg(n, CARD_PIN), 0);
        ck_assert(!line[want[n]].level);
    }
    poke32(mem, reg(0, CARD_PIN), 1); /* line 1 is shared */
    poke32(mem, reg(3, CARD_PIN), 1);
    poke32(mem, reg(0, CARD_PIN), 0);
    ck_assert(line[1].level);
    poke32(mem, reg(3, CARD_PIN), 0);
    ck_assert(!line[1].level);
}
END_TEST

START_TEST(test_msi)
{
    program();
    u64 at = cfg_of(3), c = at + cap(at, 5);
    ck_assert_uint_eq(peek(ecam, c + 2, 2), 3 << 1 | 1 << 7 | 1 << 8); /* 8 messages, 64 bits, maskable */
    poke32(mem, reg(3, CARD_MSI), 0);
    ck_assert_uint_eq(bell.count, 0);
    poke32(ecam, c + 4, DOORBELL + 0x40);
    poke(ecam, c + 12, 2, 0x7f);
    poke(ecam, c + 2, 2, 1 | 3 << 4);
    poke32(mem, reg(3, CARD_MSI), 5);
    ck_assert_uint_eq(bell.count, 1);
    ck_assert_uint_eq(bell.data, 0x7d); /* the low three bits are the message */
    ck_assert_uint_eq(bell.stream, 5 << 8);
    poke32(ecam, c + 16, 1 << 5);
    poke32(mem, reg(3, CARD_MSI), 5);
    poke32(mem, reg(3, CARD_MSI), 5);
    ck_assert_uint_eq(bell.count, 1);
    ck_assert_uint_eq(peek32(ecam, c + 20), 1 << 5);
    poke32(ecam, c + 20, 0); /* read only */
    ck_assert_uint_eq(peek32(ecam, c + 20), 1 << 5);
    poke32(ecam, c + 16, 0);
    ck_assert_uint_eq(bell.count, 2);
    ck_assert_uint_eq(peek32(ecam, c + 20), 0);
    poke(ecam, c + 2, 2, 1 | 1 << 4); /* two allotted: the rest folds */
    poke32(mem, reg(3, CARD_MSI), 5);
    ck_assert_uint_eq(bell.data, 0x7f);
    poke(ecam, c + 2, 2, 1 | 7 << 4); /* more than there are */
    poke32(mem, reg(3, CARD_MSI), 9);
    ck_assert_uint_eq(bell.data, 0x79);
    /* The pin's rise is message 0 then, and the pin rests. */
    unsigned n = bell.count;
    poke32(mem, reg(3, CARD_PIN), 1);
    ck_assert_uint_eq(bell.count, n + 1);
    ck_assert_uint_eq(bell.data, 0x78);
    ck_assert(!line[1].level);
    ck_assert_uint_eq(peek(ecam, at + PCI_STATUS, 1) & 8, 0);
    poke(ecam, c + 2, 2, 0);
    ck_assert(line[1].level);
    poke(ecam, c + 2, 2, 1);
    poke(ecam, at + PCI_COMMAND, 2, PCI_CMD_MEM); /* a message is a write: only a master sends it */
    poke32(mem, reg(3, CARD_MSI), 0);
    ck_assert_uint_eq(bell.count, n + 1);
    ck_assert_uint_gt(lg.guest_errors, 0);
}
END_TEST

START_TEST(test_msix)
{
    program();
    u64 at = cfg_of(2), c = at + cap(at, 0x11);
    poke32(ecam, c, 0x8000u << 16);
    for (unsigned i = 0; i < CARD_VECTORS; i++) {
        poke(mem, reg(2, CARD_TABLE + 16 * i), 8, DOORBELL);
        poke32(mem, reg(2, CARD_TABLE + 16 * i + 8), i);
        poke32(mem, reg(2, CARD_MSIX), i); /* masked at first */
        ck_assert_uint_eq(peek32(mem, reg(2, CARD_PBA)), (2u << i) - 1);
    }
    poke32(ecam, c, 0xc000u << 16);
    for (unsigned i = 0; i < CARD_VECTORS; i++)
        poke32(mem, reg(2, CARD_TABLE + 16 * i + 12), 0);
    ck_assert_uint_eq(bell.count, 0);
    poke32(ecam, c, 0x8000u << 16);
    ck_assert_uint_eq(bell.count, CARD_VECTORS);
    ck_assert_uint_eq(bell.stream, 4 << 8);
    ck_assert_uint_eq(peek32(mem, reg(2, CARD_PBA)), 0);
}
END_TEST

START_TEST(test_flr)
{
    program();
    u64 at = cfg_of(3), c = at + cap(at, 0x10);
    ck_assert_uint_eq(peek32(ecam, c + 4) >> 28 & 1, 1);
    ck_assert_uint_eq(peek32(ecam, cfg(0, 3, cap(cfg(0, 3, 0), 0x10) + 4)) >> 28 & 1, 0);
    poke32(mem, reg(3, CARD_DATA), 77);
    poke32(mem, reg(3, CARD_PIN), 1);
    poke(ecam, c + 8, 2, 0x28b0);
    poke(ecam, c + 8, 2, 0xa8b0);
    ck_assert_uint_eq(peek(ecam, c + 8, 2), 0x28b0); /* reads 0; the size of packets stays */
    ck_assert(!line[1].level);
    ck_assert_uint_eq(peek(ecam, at + PCI_COMMAND, 2), 0);
    ck_assert_uint_eq(peek32(ecam, at + PCI_BAR0), 0);
    ck_assert_uint_eq(peek32(mem, reg(3, CARD_DATA)), ~0u);
    set_card(at, MMIO + 0x300000);
    ck_assert_uint_eq(peek32(mem, reg(3, CARD_DATA)), 0);
    ck_assert_uint_eq(peek32(mem, reg(2, CARD_DATA)), 0);
    ck_assert_uint_eq(dma(3, RAM), BUS_OK);
    poke(ecam, c + 9, 1, 0x80); /* by its byte */
    ck_assert_uint_eq(peek(ecam, at + PCI_COMMAND, 2), 0);
}
END_TEST

/* What is behind a port is as after power-on, the rest as it was. */
static void check_behind_reset(void)
{
    ck_assert_uint_eq(peek32(ecam, cfg(0, 4, 0x18)), 0x050200);
    ck_assert_uint_eq(peek32(ecam, cfg(2, 0, 0x18)), 0); /* the switch lost its numbers */
    ck_assert_uint_eq(peek32(ecam, cfg(4, 0, 0)), ~0u);
    ck_assert_uint_eq(peek32(mem, reg(1, CARD_DATA)), 11);
    program();
    ck_assert_uint_eq(peek32(mem, reg(3, CARD_DATA)), 0);
    ck_assert_uint_eq(peek32(mem, reg(1, CARD_DATA)), 11);
    poke32(mem, reg(3, CARD_DATA), 33);
}

START_TEST(test_hot_reset)
{
    program();
    u64 before = device_hash(ecam);
    ck_assert_uint_ne(before, 0);
    poke32(mem, reg(1, CARD_DATA), 11);
    poke32(mem, reg(3, CARD_DATA), 33);
    poke32(mem, reg(3, CARD_PIN), 1);
    poke(ecam, cfg(0, 4, 0x3e), 2, 1 << 6);
    ck_assert(!line[1].level);
    ck_assert_uint_eq(peek32(ecam, cfg(2, 0, 0)), ~0u); /* held */
    poke(ecam, cfg(0, 4, 0x3e), 2, 0);
    check_behind_reset();
    unsigned c = cap(cfg(0, 4, 0), 0x10);
    poke(ecam, cfg(0, 4, c + 0x10), 2, 1 << 4); /* the link off and on again */
    ck_assert_uint_eq(peek(ecam, cfg(0, 4, c + 0x12), 2) >> 13, 0);
    poke(ecam, cfg(0, 4, c + 0x10), 2, 0);
    ck_assert_uint_eq(peek(ecam, cfg(0, 4, c + 0x12), 2) >> 13, 1);
    check_behind_reset();
}
END_TEST

START_TEST(test_functions)
{
    ck_assert(pci_plug_at(h, NULL, card_new("card4", &lg), 9 << 3 | 2));
    ck_assert_uint_eq(peek32(ecam, cfg(0, 9, 0)), ~0u);
    ck_assert(pci_plug_at(h, NULL, card_new("card5", &lg), 9 << 3));
    ck_assert_uint_eq(peek(ecam, cfg(0, 9, PCI_HEADER_TYPE), 1), 0x80);
    ck_assert_uint_eq(peek(ecam, cfg(0, 1, PCI_HEADER_TYPE), 1), 0);
    ck_assert_uint_eq(peek32(ecam, cfg(0, 9, 2 << 12)), 0x56781234);
}
END_TEST

START_TEST(test_testdev)
{
    ck_assert(pci_plug(h, pci_testdev_new("test", &lg), 2));
    poke32(ecam, cfg(0, 2, PCI_BAR0), MMIO + 0x800000);
    poke32(ecam, cfg(0, 2, PCI_BAR0 + 4), 0x8000);
    poke(ecam, cfg(0, 2, PCI_COMMAND), 2, 3);
    ck_assert_uint_eq(peek32(ecam, cfg(0, 2, 0)), 0x00051b36);
    ck_assert_uint_eq(peek(mem, 0x800001, 1), 0); /* none is chosen */
    for (unsigned kind = 0; kind < 2; kind++)
        for (unsigned t = 0; t < 3; t++) {
            struct device *d = kind ? io : mem;
            u64 b = kind ? 0x8000 : 0x800000;
            poke(d, b, 1, t);
            ck_assert_uint_eq(peek32(d, b + 12), 0);
            ck_assert_uint_eq(peek(d, b + 1, 1), 1);
            u32 off = peek32(d, b + 4), val = peek32(d, b + 8);
            ck_assert_uint_eq(off, (kind ? 128 : 2048) + 3 * kind + t);
            ck_assert_uint_eq(val, t == 1 ? 0xce : 0xfa);
            for (unsigned i = 0; i < 16; i++)
                poke(d, b + off, 1, val);
            ck_assert_uint_eq(peek32(d, b + 12), 16);
            poke(d, b + off, 1, val + 1);
            ck_assert_uint_eq(peek32(d, b + 12), t == 1 ? 17 : 16);
            ck_assert_uint_eq(peek(d, b + 16, 1), kind ? 'p' : 'm');
        }
    poke(mem, 0x800000, 1, 3);
    ck_assert_uint_eq(peek32(mem, 0x800004), 0);
}
END_TEST

START_TEST(test_state)
{
    u64 cold = device_hash(ecam), r = 3;
    program();
    struct snap save = {.mode = SNAP_SAVE};
    ecam->ops->state(ecam, &save);
    u64 warm = device_hash(ecam);
    for (unsigned i = 0; i < 100000; i++) {
        r = r * 6364136223846793005ull + 1442695040888963407ull;
        static const u64 at[] = {1 << 15, 3 << 15,           4 << 15, 1 << 20, 2 << 20,
                                 3 << 20, 3 << 20 | 1 << 15, 4 << 20, 5 << 20};
        unsigned size = 1u << (r >> 60) % 3;
        u64 v[2] = {r >> 9, 0};
        (void)bus_dev_write(ecam, &poke_txn, at[(r >> 40) % ARRAY_LEN(at)] + (r >> 50 & 0x1ff & ~(size - 1)), size, v);
        (void)bus_dev_write(mem, &poke_txn, (r >> 20 & 0x3fffff) & ~3ull, 4, v);
        if (i % 500 == 0)
            program();
    }
    u64 hot = device_hash(ecam);
    struct snap load = {.mode = SNAP_LOAD, .buf = save.buf, .cap = save.pos}, again = {.mode = SNAP_SAVE};
    ecam->ops->state(ecam, &again);
    ecam->ops->state(ecam, &load);
    ck_assert(!load.failed && load.pos == save.pos);
    ck_assert_uint_eq(device_hash(ecam), warm);
    ck_assert_uint_eq(dma(3, RAM), BUS_OK);
    ck_assert_uint_eq(h->fn[h->count - 1]->upstream.txn.stream, 5 << 8);
    load = (struct snap){.mode = SNAP_LOAD, .buf = again.buf, .cap = again.pos};
    ecam->ops->state(ecam, &load);
    ck_assert_uint_eq(device_hash(ecam), hot);
    ecam->ops->reset(ecam);
    ck_assert_uint_eq(device_hash(ecam), cold);
    snap_free(&save);
    snap_free(&again);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_enumeration, test_windows,   test_unsupported, test_mastering,
                                  test_pins,        test_msi,       test_msix,        test_flr,
                                  test_hot_reset,   test_functions, test_testdev,     test_state};
    return poke_main("pci_express", setup, teardown, tests, ARRAY_LEN(tests));
}
