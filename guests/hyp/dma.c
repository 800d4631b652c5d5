/* Why a guest's network card cannot reach memory that is not the guest's: stage 2 for devices (SMMUv3, Arm IHI 0070).
 *
 * The card is the board's DMA engine: what its driver writes into its registers, it does. The driver is a guest's, so
 * the addresses it writes are the guest's (IPAs). This demonstration is the hypervisor's half of giving the card away;
 * the guest is just its memory, and the driver is card() below. */
#include "hyp.h"

#define SMMU 0x09050000ull
#define CARD 0x0c000000ull
static inline volatile u64 *mmio64(u64 address) { return (volatile u64 *)address; }

enum { STREAM = 0x10, OTHER_STREAM = 0x11, LOG2_STREAMS = 5, LOG2_COMMANDS = 4, LOG2_EVENTS = 3 };
/* The SMMU's registers. */
enum {
    CR0 = 0x20,
    CR2 = 0x2c,
    STRTAB_BASE = 0x80,
    STRTAB_BASE_CFG = 0x88,
    CMDQ_BASE = 0x90,
    CMDQ_PROD = 0x98,
    CMDQ_CONS = 0x9c,
    EVENTQ_BASE = 0xa0,
    EVENTQ_PROD = 0x100a8,
    EVENTQ_CONS = 0x100ac,
};
enum { SMMUEN = 1, EVENTQEN = 4, CMDQEN = 8, RECINVSID = 2 };
/* The card's. */
enum { STATUS = 0x04, ADDR = 0x08, STREAM_ID = 0x10, LENGTH = 0x18, FLAGS = 0x1c, GO = 0x24, DATA = 0x80 };
enum { CARD_WRITES = 2, CARD_DONE = 1 };

static u64 streams[1 << LOG2_STREAMS][8] __attribute__((aligned(2048)));
static u64 commands[1 << LOG2_COMMANDS][2] __attribute__((aligned(256)));
static u64 events[1 << LOG2_EVENTS][4] __attribute__((aligned(256)));
static u32 produced;

/* Where things are in the guest's addresses. */
#define PACKET    (GUEST_IPA + 0x180000)
#define BEYOND    (GUEST_IPA + GUEST_RAM)
#define TABLE     (GUEST_IPA + 0x10000)
#define CONTEXT   (GUEST_IPA + 0x11000)
#define PACKET_VA 0x80180000ull
static u64 *guest(u64 ipa) { return (u64 *)(ipa - GUEST_IPA + GUEST_PA); }

static void command(u64 word0, u64 word1)
{
    commands[produced % (1 << LOG2_COMMANDS)][0] = word0;
    commands[produced % (1 << LOG2_COMMANDS)][1] = word1;
    dsb();
    produced = (produced + 1) % (2 << LOG2_COMMANDS);
    *mmio32(SMMU + CMDQ_PROD) = produced;
    while (*mmio32(SMMU + CMDQ_CONS) != produced)
        ;
}

/* The entry of a stream is new: CMD_CFGI_STE, CMD_TLBI_NSNH_ALL, CMD_SYNC. */
static void forget(u64 stream)
{
    command(0x03 | stream << 32, 1);
    command(0x30, 0);
    command(0x46, 0);
}

static void smmu_on(void)
{
    *mmio64(SMMU + STRTAB_BASE) = (u64)streams;
    *mmio32(SMMU + STRTAB_BASE_CFG) = LOG2_STREAMS;
    *mmio64(SMMU + CMDQ_BASE) = (u64)commands | LOG2_COMMANDS;
    *mmio64(SMMU + EVENTQ_BASE) = (u64)events | LOG2_EVENTS;
    *mmio32(SMMU + CR2) = RECINVSID;
    *mmio32(SMMU + CR0) = CMDQEN | EVENTQEN;
    command(0x04, 31); /* CMD_CFGI_ALL */
    command(0x30, 0);
    command(0x46, 0);
    *mmio32(SMMU + CR0) = SMMUEN | CMDQEN | EVENTQEN;
}

/* Stage 2 of the card is stage 2 of its guest: the same tables (tables.c), the same VMID. */
static void give(u64 vttbr, bool stage1)
{
    u64 *e = streams[STREAM];
    e[0] = 1 | 6 << 1 | (stage1 ? 1 << 1 | CONTEXT : 0); /* Config: stage 2, stage 1; where the descriptor is: an IPA */
    e[1] = 0;
    e[2] = vttbr >> 48 | 32ull << 32 | 1ull << 38 | 2ull << 48 | bit(51) | bit(58); /* as VTCR_EL2; record faults */
    e[3] = vttbr & 0xffffffffffff;
    dsb();
    forget(STREAM);
}

/* The guest's half of stage 1: 1 GiB at 2 GiB is its RAM, and a 1 GiB at 3 GiB leads where it has nothing. */
static void guest_stage1(void)
{
    u64 *c = guest(CONTEXT);
    guest(TABLE)[2] = GUEST_IPA | 1 << 10 | 3 << 8 | 1 << 6 | 1;
    guest(TABLE)[3] = 0x80000000 | 1 << 10 | 3 << 8 | 1 << 6 | 1;
    /* a context descriptor: TCR, TTBR0 and MAIR of the card; TTBR1 is not used; faults abort and are recorded */
    c[0] = 32 | bit(30) | bit(31) | 2ull << 32 | bit(41) | bit(45) | bit(46) | 5ull << 48;
    c[1] = TABLE;
    c[3] = 0xff;
    dsb();
}

/* The guest's driver: a packet has come, put it there. True: the card says that it did. */
static bool card(u64 stream, u64 where, u64 packet)
{
    *mmio64(CARD + DATA) = packet;
    *mmio64(CARD + ADDR) = where;
    *mmio32(CARD + STREAM_ID) = (u32)stream;
    *mmio32(CARD + LENGTH) = 8;
    *mmio32(CARD + FLAGS) = 0;
    *mmio32(CARD + GO) = CARD_WRITES;
    return *mmio32(CARD + STATUS) == CARD_DONE;
}

static const char *seen(u64 value) { return value ? "the packet" : "nothing"; }

static void look(void)
{
    print("   guest's memory: %s; PA 0x%x, which is not the guest's: %s\n", seen(*guest(PACKET)), PACKET,
          seen(*(volatile u64 *)PACKET));
    *guest(PACKET) = 0;
    *(volatile u64 *)PACKET = 0;
}

enum { C_BAD_STE = 0x04, F_TRANSLATION = 0x10 };

/* What the SMMU has to say. */
static void tell(void)
{
    u32 at = *mmio32(SMMU + EVENTQ_CONS), end = *mmio32(SMMU + EVENTQ_PROD);
    for (; at != end; at = (at + 1) % (2 << LOG2_EVENTS)) {
        const u64 *e = events[at % (1 << LOG2_EVENTS)];
        u64 what = e[0] & 0xff, stream = e[0] >> 32;
        if (what == F_TRANSLATION)
            print("   stopped: F_TRANSLATION, stream 0x%x, address 0x%x, stage %u, IPA 0x%x\n", stream, e[2],
                  field(e[1], 39, 39) + 1, e[3]);
        else
            print("   stopped: %s, stream 0x%x\n", what == C_BAD_STE ? "C_BAD_STE" : "another event", stream);
    }
    *mmio32(SMMU + EVENTQ_CONS) = end;
}

_Noreturn void dma_demo(void)
{
    tables_own();
    u64 vttbr = tables_guest(0, GUEST_PA, GUEST_RAM);
    print("a guest has RAM at IPA 0x%x, which is PA 0x%x, and a network card, stream 0x%x\n", GUEST_IPA, GUEST_PA,
          (u64)STREAM);
    print("1. without an SMMU: the driver asks for the packet at 0x%x\n", PACKET);
    card(STREAM, PACKET, 0x74656b636170);
    look();
    smmu_on();
    give(vttbr, false);
    print("2. stage 2: the same transfer\n");
    card(STREAM, PACKET, 0x74656b636170);
    look();
    print("3. both stages: the driver has mapped the buffer at VA 0x%x for its card\n", PACKET_VA);
    guest_stage1();
    give(vttbr, true);
    card(STREAM, PACKET_VA, 0x74656b636170);
    look();
    print("4. a rogue driver asks for what is behind its memory, by its own tables and without\n");
    card(STREAM, 0xc0000000, 0x65757367);
    tell();
    give(vttbr, false);
    card(STREAM, BEYOND, 0x65757367);
    tell();
    print("   and so does a card that nobody was given\n");
    card(OTHER_STREAM, PACKET, 0x65757367);
    tell();
    look();
    power_off();
}
