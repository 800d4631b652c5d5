/* A PCI function with a translation cache behind the SMMU (PCI Express Base 4.0, 10.2 to 10.5): what goes translated,
 * what does not, and how long an answer lives. */
#include "devices/pci_internal.h"
#include "pci_card.h"
#include "smmu_rig.h"

enum { ATS = PCI_EXTENDED, ATS_CONTROL = ATS + 6, ENABLE = 1 << 15, ATSCHK = 16 };
static const u64 va = 0x123450000ull, pa = DATA + 0x10000, other = DATA + 0x20000;
static struct tree t1;
static struct pci_host *h;
static struct pci_fn *f;
static unsigned asked;

static bool translate(void *arg, u32 stream, u64 addr, bool write, struct pci_translation *t)
{
    (void)arg;
    const struct smmu_ats_reply a =
        smmu_ats_translate(s, &(struct smmu_ats_request){.addr = addr, .sid = stream, .no_write = !write});
    asked++;
    *t = (struct pci_translation){a.addr | (addr & ones(a.log2)), a.r, a.w};
    return a.status == SMMU_ATS_SUCCESS;
}

static void invalidate(void *arg, u32 sid, bool ssv, u32 ssid, bool global, u64 addr, unsigned log2)
{
    (void)arg, (void)ssid, (void)global;
    if (!ssv)
        pci_ats_invalidate(h, sid, addr, log2);
}

static void control(u16 v) { pci_config_write(f, ATS_CONTROL, 2, v); }

static void eats(unsigned v)
{
    make_ste(5, NULL, 3, 0, (u64)v << 28);
    flush();
}

static void begin(void)
{
    setup();
    smmu_attach(s, &(struct smmu_client){.invalidate = invalidate});
    asked = 0;
    h = pci_host_new(
        &(struct pci_host_config){.id = "pcie", .log = &lg, .buses = 1, .dma = smmu_dma(s, 0), .translate = translate});
    f = card_new("card", &lg);
    pci_add_ats(f);
    ck_assert(pci_plug_at(h, NULL, f, SID)); /* a function of device 0 */
    pci_config_write(f, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
    t1 = tree1(12);
    for (u64 i = 0; i < 16; i++)
        map(&t1, va + i * 0x1000, pa + i * 0x1000, S1_PAGE);
    make_cd(0, &t1, 9, 0);
    eats(1);
    for (u64 i = 0; i < 16; i++) {
        put64(pa + i * 0x1000, 0x100 + i);
        put64(other + i * 0x1000, 0x200 + i);
    }
}

static void end(void)
{
    device_free(&h->ecam);
    teardown();
}

static u64 read_at(u64 addr)
{
    u64 v = ~0ull;
    return dma_read(&f->dma, addr, &v, 8) == BUS_OK ? v : ~0ull;
}
static bool write_at(u64 addr, u64 v) { return dma_write(&f->dma, addr, &v, 8) == BUS_OK; }

/* As software finds it, and without it as it was. */
START_TEST(test_capability)
{
    ck_assert_uint_eq(get_le32(f->config + ATS), 0x1000f | 0u << 20);
    ck_assert_uint_eq(get_le32(f->config + ATS + 4), 1 << 5);
    ck_assert_uint_eq(read_at(va), 0x100);
    ck_assert_uint_eq(asked, 0);
    control(0xffff);
    ck_assert_uint_eq(get_le16(f->config + ATS_CONTROL), ENABLE | 0x1f);
    ck_assert_uint_eq(read_at(va), 0x100);
    ck_assert_uint_eq(asked, 1);
    ck_assert_uint_eq(next_event(), 0);
}
END_TEST

/* Table and SMMU have forgotten; the function goes on until it is told, page by page. */
START_TEST(test_stale)
{
    control(ENABLE);
    for (u64 i = 0; i < 16; i++)
        ck_assert_uint_eq(read_at(va + i * 0x1000), 0x100 + i);
    ck_assert_uint_eq(asked, 16);
    for (u64 i = 0; i < 16; i++)
        map(&t1, va + i * 0x1000, other + i * 0x1000, S1_PAGE);
    flush();
    for (u64 i = 0; i < 16; i++)
        ck_assert_uint_eq(read_at(va + i * 0x1000), 0x100 + i);
    ck_assert_uint_eq(asked, 16);
    command(0x40 | 6ull << 32, 52);                    /* another function's */
    command(0x40 | (u64)SID << 32 | 1 << 11, va);      /* with a PASID */
    command(0x40 | (u64)SID << 32, (va + 0x3000) | 0); /* 4 KiB */
    command(0x40 | (u64)SID << 32, (va + 0x8000) | 2); /* 16 KiB */
    for (u64 i = 0; i < 16; i++)
        ck_assert_uint_eq(read_at(va + i * 0x1000), (i == 3 || (i >= 8 && i < 12) ? 0x200 : 0x100) + i);
    ck_assert_uint_eq(asked, 21);
    command(0x40 | (u64)SID << 32, 52);
    for (u64 i = 0; i < 16; i++)
        ck_assert_uint_eq(read_at(va + i * 0x1000), 0x200 + i);
    ck_assert_uint_eq(next_event(), 0);
}
END_TEST

/* An access over several pages; addresses that meet in the cache. */
START_TEST(test_pages)
{
    u8 out[0x3000], in[0x3000];
    for (unsigned i = 0; i < sizeof out; i++)
        out[i] = (u8)(i * 7 + i / 256);
    map(&t1, va + 0x40000, other, S1_PAGE);
    control(ENABLE);
    ck_assert_int_eq(dma_write(&f->dma, va + 0x123, out, sizeof out), BUS_OK);
    ck_assert_uint_eq(asked, 4);
    ck_assert_int_eq(dma_read(&f->dma, va + 0x123, in, sizeof in), BUS_OK);
    ck_assert_uint_eq(asked, 4);
    ck_assert_int_eq(memcmp(in, out, sizeof in), 0);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(read_at(va) != 0x200);
        ck_assert_uint_eq(read_at(va + 0x40000), 0x200);
    }
    ck_assert_uint_eq(asked, 4 + 5);
}
END_TEST

/* What the cache may not have goes untranslated, and has its event; a page read before it is written is asked for
 * twice. */
START_TEST(test_denied)
{
    control(ENABLE);
    ck_assert(!write_at(1ull << 40, 1));
    ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
    map(&t1, va, pa, S1_PAGE | 1 << 7); /* read only */
    flush();
    ck_assert_uint_eq(read_at(va), 0x100);
    ck_assert(!write_at(va, 1));
    ck_assert_uint_eq(next_event(), SMMU_F_PERMISSION);
    ck_assert_uint_eq(event[1] >> 35 & 1, 0);
    ck_assert_uint_eq(read_at(va), 0x100);
    asked = 0;
    ck_assert_uint_eq(read_at(va + 0x1000), 0x101);
    ck_assert(write_at(va + 0x1000, 5));
    ck_assert_uint_eq(read_at(va + 0x1000), 5);
    ck_assert(write_at(va + 0x2000, 6));
    ck_assert_uint_eq(read_at(va + 0x2000), 6);
    ck_assert_uint_le(asked, 3);
    ck_assert_uint_eq(next_event(), 0);
}
END_TEST

/* The stream's entry forbids ATS: requests are refused with their event, the access goes its ordinary way; what is
 * cached goes through, or not, as CR0.ATSCHK says. */
START_TEST(test_forbidden)
{
    control(ENABLE);
    ck_assert_uint_eq(read_at(va), 0x100);
    eats(0);
    ck_assert_uint_eq(read_at(va + 0x1000), 0x101);
    ck_assert_uint_eq(next_event(), SMMU_F_BAD_ATS_TREQ);
    ck_assert_uint_eq(read_at(va), 0x100);
    ck_assert_uint_eq(next_event(), 0);
    reg32(CR0, 13 | ATSCHK);
    ck_assert_uint_eq(read_at(va), ~0ull);
    ck_assert_uint_eq(next_event(), SMMU_F_TRANSL_FORBIDDEN);
}
END_TEST

/* Not after ATS was off, a reset, nor from before a snapshot; mastering is asked before anything else. */
START_TEST(test_forget)
{
    for (unsigned how = 0; how < 2; how++) {
        control(ENABLE);
        map(&t1, va, pa, S1_PAGE);
        flush();
        command(0x40 | (u64)SID << 32, 52);
        ck_assert_uint_eq(read_at(va), 0x100);
        map(&t1, va, other, S1_PAGE);
        flush();
        ck_assert_uint_eq(read_at(va), 0x100);
        if (how == 0)
            control(0);
        else
            pci_config_write(f, f->express.cap + 9, 1, 0x80); /* function-level reset */
        pci_config_write(f, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
        ck_assert_uint_eq(read_at(va), 0x200);
        control(ENABLE);
        ck_assert_uint_eq(read_at(va), 0x200);
    }
    struct snap save = {.mode = SNAP_SAVE};
    h->ecam.ops->state(&h->ecam, &save);
    u64 hash = device_hash(&h->ecam);
    command(0x40 | (u64)SID << 32, 52);
    ck_assert_uint_ne(device_hash(&h->ecam), hash);
    map(&t1, va, pa, S1_PAGE);
    flush();
    struct snap load = {.mode = SNAP_LOAD, .buf = save.buf, .cap = save.pos};
    h->ecam.ops->state(&h->ecam, &load);
    ck_assert(!load.failed && device_hash(&h->ecam) == hash);
    ck_assert_uint_eq(read_at(va), 0x200);
    snap_free(&save);
    asked = 0;
    pci_config_write(f, PCI_COMMAND, 2, PCI_CMD_MEM);
    ck_assert_uint_eq(read_at(va), ~0ull);
    ck_assert_uint_eq(read_at(va + 0x5000), ~0ull);
    ck_assert_uint_eq(asked, 0);
}
END_TEST

/* Messages are never translated by the cache. */
START_TEST(test_messages)
{
    control(ENABLE);
    ck_assert(write_at(va, 0));
    map(&t1, va, other, S1_PAGE);
    flush();
    const u64 entry[2] = {va + 0x40, 0x55};
    for (unsigned i = 0; i < 4; i++)
        pci_msix_write(f, CARD_TABLE + 4 * i, 4, (u32)(entry[i / 2] >> 32 * (i & 1)));
    pci_config_write(f, f->msix.cap + 3, 1, 0x80);
    pci_msix_send(f, 0);
    ck_assert_uint_eq(get64(pa + 0x40), 0);
    ck_assert_uint_eq(get64(other + 0x40), 0x55);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_capability, test_stale,  test_pages,   test_denied,
                                  test_forbidden,  test_forget, test_messages};
    return poke_main("pci_ats", begin, end, tests, ARRAY_LEN(tests));
}
