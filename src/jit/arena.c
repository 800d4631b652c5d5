/* The memory of generated code: one memfd in two views, so that no page is both writable and executable.
 *
 * Generated code is spread thin: in 4 KiB pages a program like a compiler spends a fifth of its time in misses of the
 * host's instruction TLB. A memfd gets huge pages only when it is asked to (MADV_COLLAPSE, Linux 6.1), whatever
 * /sys/kernel/mm/transparent_hugepage/shmem_enabled says (but "deny"); where the host cannot, small pages do. */
#include <sys/mman.h>
#include <unistd.h>

#include "jit/internal.h"

/* MADV_COLLAPSE and MADV_POPULATE_WRITE, which headers of Linux 6.0 lack. */
enum { HUGE = 2 << 20, MADVISE_COLLAPSE = 25, MADVISE_POPULATE_WRITE = 23 };
_Static_assert(PART_HOT % HUGE == 0 && PART_BYTES % HUGE == 0, "halves of parts are huge pages");

/* A view of the arena, at a multiple of huge pages; nothing else is left mapped. */
static u8 *view(int fd, int prot)
{
    u8 *p = mmap(NULL, ARENA + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    size_t before = -(uintptr_t)p & (HUGE - 1);
    if (before)
        munmap(p, before);
    munmap(p + before + ARENA, 2 * HUGE - before);
    p = mmap(p + before, ARENA, prot, MAP_SHARED | MAP_FIXED, fd, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

void arena_map(struct jit *j)
{
    int fd = memfd_create("elara-jit", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, ARENA) == 0);
    j->rw = view(fd, PROT_READ | PROT_WRITE);
    j->rx = view(fd, PROT_READ | PROT_EXEC);
    close(fd);
    arena_part(j);
}

void arena_unmap(struct jit *j)
{
    munmap(j->rw, ARENA);
    munmap(j->rx, ARENA);
}

/* The writable view's pages are brought so many at a time: singly each would be a fault, a microsecond. */
enum { AHEAD = 128 << 10, NEAR = 16 << 10 };
static void bring(u8 **to, const u8 *p, const u8 *end)
{
    if (p + NEAR < *to || *to >= end)
        return;
    madvise(*to, AHEAD, MADVISE_POPULATE_WRITE); /* Linux 5.14; without, they come singly */
    *to += AHEAD;
}

/* Of two views both count as resident, so the writable one lets go of the parts that are full (of their patches too);
 * a jump there that is patched brings back 2 MiB at once.
 * A huge page must have something in it before it can be made: the first byte of each. Slow paths are in small pages,
 * of which few are ever executed and so resident. */
void arena_part(struct jit *j)
{
    size_t part = j->part * (size_t)PART_BYTES;
    madvise(j->rw, ARENA, MADV_DONTNEED);
    for (size_t at = part; at < part + PART_HOT; at += HUGE) {
        volatile u8 *first = j->rw + at;
        *first = *first;
        if (madvise(j->rx + at, HUGE, MADVISE_COLLAPSE) != 0)
            break;
    }
    j->brought[0] = j->rw + part;
    j->brought[1] = j->rw + part + PART_HOT;
}

void arena_bring(struct jit *j)
{
    bring(&j->brought[0], j->as.p, j->hot_end);
    bring(&j->brought[1], j->slow.p, j->slow_end);
}
