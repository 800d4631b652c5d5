/* A DMA engine for tests and lessons: a device behind the SMMU whose software says what it asks, as which stream. */
#pragma once
#include "core/bus.h"
#include "smmu/smmu.h"

enum { DMA_ENGINE_SIZE = 0x1000, DMA_ENGINE_DATA = 0x80 };

/* Registers. */
enum dma_engine_reg {
    DMA_ENGINE_ID = 0x00, /* "ELDM" */
    DMA_ENGINE_STATUS = 0x04,
    DMA_ENGINE_ADDR = 0x08,      /* 64 bits */
    DMA_ENGINE_STREAM = 0x10,    /* StreamID; DeviceID of MSIs that are written */
    DMA_ENGINE_SUBSTREAM = 0x14, /* SubstreamID in 19:0, bit 31: there is one */
    DMA_ENGINE_LENGTH = 0x18,    /* bytes, 1 to 64, that do not cross 4 KiB; 4 or 8 for exchanges */
    DMA_ENGINE_FLAGS = 0x1c,
    DMA_ENGINE_GROUP = 0x20,      /* of page requests */
    DMA_ENGINE_GO = 0x24,         /* enum dma_engine_op: starts it */
    DMA_ENGINE_REPLY_ADDR = 0x30, /* 64 bits: of a translation request */
    DMA_ENGINE_REPLY = 0x38,      /* status 3:0, R 4, W 5, Exe 6, Priv 7, log2 of its size 15:8 */
    DMA_ENGINE_DROPPED = 0x40,    /* cache entries that invalidations have dropped so far */
    DMA_ENGINE_PAGES = 0x44,      /* answers to page requests so far 15:0; of the last: code 19:16, group 28:20 */
};
enum dma_engine_op {
    DMA_ENGINE_READ = 1,
    DMA_ENGINE_WRITE,
    DMA_ENGINE_SWAP,
    DMA_ENGINE_ADD,
    DMA_ENGINE_TRANSLATE,
    DMA_ENGINE_PAGE,
};
enum dma_engine_status { DMA_ENGINE_IDLE, DMA_ENGINE_DONE, DMA_ENGINE_ABORTED, DMA_ENGINE_WAITING, DMA_ENGINE_BUSY };
enum dma_engine_flag {
    DMA_ENGINE_PRIVILEGED = 1,
    DMA_ENGINE_FETCH = 2,      /* an instruction fetch; in translation requests: Exe */
    DMA_ENGINE_TRANSLATED = 4, /* as a translated transaction */
    DMA_ENGINE_IMPATIENT = 8,  /* cannot stall */
    DMA_ENGINE_NO_WRITE = 16,  /* translation and page requests for reading alone */
    DMA_ENGINE_CACHED = 32,    /* by the engine's translation cache, which asks when it does not know */
    DMA_ENGINE_LAST = 64,      /* page request: the group's last */
    DMA_ENGINE_SECURE = 128,   /* as a Secure stream, when Secure software starts it */
};

/* smmu NULL: straight to the bus. */
struct device *dma_engine_new(const char *id, struct log *log, struct bus *bus, struct smmu *smmu);
