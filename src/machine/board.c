/* The board tables and the questions asked about them. */
#include "machine/board.h"

const struct board_row board_virt[] = {
#define BOARD(id, type, base, size, count, spi, when) {#id, BOARD_##type, base, size, count, spi, when},
#include "machine/virt.def"
#undef BOARD
};
const unsigned board_virt_rows = ARRAY_LEN(board_virt);

bool board_has(const struct board_row *r, const struct config *c)
{
    unsigned have = (c->gic == 2 ? WHEN_GIC2 : WHEN_GIC3) | (c->el2 ? WHEN_EL2 : 0) | (c->el3 ? WHEN_EL3 : 0) |
                    (c->flash[0].path || c->flash[1].path ? WHEN_FIRMWARE : 0) | (c->smmu_oas ? WHEN_SMMU : 0) |
                    (c->dma_engine ? WHEN_DMA_ENGINE : 0);
    return (r->when & ~have) == 0;
}

const struct board_row *board_find(const struct config *c, enum board_type type)
{
    for (unsigned i = 0; i < board_virt_rows; i++)
        if (board_virt[i].type == type && board_has(&board_virt[i], c))
            return &board_virt[i];
    return NULL;
}

unsigned board_count(const struct board_row *r, const struct config *c)
{
    return r->type == BOARD_GICR ? c->cpus : r->count;
}

u64 board_bytes(const struct board_row *r, const struct config *c)
{
    return r->type == BOARD_RAM ? c->mem : r->size * r->count;
}

u64 board_affinity(const struct config *c, unsigned i)
{
    unsigned cluster = c->gic == 2 ? 8 : 16;
    return (u64)(i / cluster) << 8 | i % cluster;
}
