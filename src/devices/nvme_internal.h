/* Between nvme.c (registers, queues, time) and nvme_command.c (what commands do). */
#pragma once
#include "devices/nvme.h"

enum { NVME_QUEUES = 17, NVME_MAX_ENTRIES = 1024, NVME_IN_FLIGHT = 256, NVME_EVENTS = 4 };
enum { NVME_SECTOR = 512, NVME_MDTS = 7 /* 2^7 pages of 4 KiB */, NVME_FEATURES = 12 };

/* Status codes: type 10:8, code 7:0 (figure 128 and following). */
enum nvme_status {
    NVME_OK = 0x000,
    NVME_BAD_OPCODE = 0x001,
    NVME_BAD_FIELD = 0x002,
    NVME_TRANSFER_ERROR = 0x004,
    NVME_INTERNAL = 0x006,
    NVME_BAD_NAMESPACE = 0x00b,
    NVME_OUT_OF_RANGE = 0x080,
    NVME_READ_ONLY = 0x182,
    NVME_BAD_CQ = 0x100,
    NVME_BAD_QUEUE = 0x101,
    NVME_BAD_SIZE = 0x102,
    NVME_EVENT_LIMIT = 0x105,
    NVME_BAD_VECTOR = 0x108,
    NVME_BAD_LOG = 0x109,
    NVME_IN_USE = 0x10c,
    NVME_WAITS = 0xffff, /* no completion yet (asynchronous event requests) */
};

struct nvme_sq {
    bool on;
    u16 size, head, tail, cq; /* size in entries */
    u64 addr;
};
struct nvme_cq {
    bool on, interrupts, phase;
    u16 size, head, tail, vector;
    u64 addr;
};
/* A command that was fetched and completes at when. */
struct nvme_request {
    u64 when; /* ns */
    u16 sq;
    u8 sqe[64];
};

struct nvme {
    struct pci_fn fn;
    struct nvme_config cfg;
    u64 asq, acq;
    u32 intms, cc, csts, aqa;
    struct nvme_sq sq[NVME_QUEUES];
    struct nvme_cq cq[NVME_QUEUES];
    u32 feature[NVME_FEATURES];
    u16 event_id[NVME_EVENTS]; /* command IDs of waiting asynchronous event requests */
    u8 events;
    u32 first, count;
    struct nvme_request queue[NVME_IN_FLIGHT];
    struct event done;
    char event_name[32];
    u8 bounce[4096 << NVME_MDTS]; /* a whole transfer, so that the disk sees it in one piece */
};

bool nvme_dma(struct nvme *n, u64 addr, void *buf, u64 size, bool to_guest);
/* Executes a command; *result goes to dword 0 of the completion. */
u16 nvme_execute(struct nvme *n, unsigned sq, const u8 *sqe, u32 *result);
/* How much data a command moves, for its duration. */
u64 nvme_cost(const u8 *sqe, bool admin);
/* Starts a deleted or created submission queue afresh: forgets its requests. */
void nvme_drop_requests(struct nvme *n, unsigned sq);
