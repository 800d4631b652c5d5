/* The memory of generated code.
 *
 * One private mapping that is writable and executable, so that the host can use huge pages: generated code is spread
 * thin, and in 4 KiB pages a program like a compiler spends a fifth of its time in misses of the host's instruction
 * TLB. Where the host refuses such a mapping (SELinux's execmem), a memfd mapped twice. */
#include <sys/mman.h>
#include <unistd.h>

#include "jit/internal.h"

enum { HUGE = 2 << 20 };

void arena_map(struct jit *j)
{
    j->mapping = mmap(NULL, ARENA + HUGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (j->mapping != MAP_FAILED) {
        j->rw = j->rx = j->mapping + (-(uintptr_t)j->mapping & (HUGE - 1));
        madvise(j->rw, ARENA, MADV_HUGEPAGE);
        return;
    }
    int fd = memfd_create("elara-jit", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, ARENA) == 0);
    j->rw = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    j->rx = mmap(NULL, ARENA, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    CHECK(j->rw != MAP_FAILED && j->rx != MAP_FAILED);
    close(fd);
}

void arena_unmap(struct jit *j)
{
    if (j->rw == j->rx) {
        munmap(j->mapping, ARENA + HUGE);
        return;
    }
    munmap(j->rw, ARENA);
    munmap(j->rx, ARENA);
}

/* Of two views both count as resident. What was written is hardly written again (jumps that are patched): every so
 * often the writable view lets go of it, and a patch brings single pages back. */
void arena_trim(struct jit *j)
{
    enum { STEP = 1 << 20 };
    if (j->as.p - j->trimmed < STEP)
        return;
    if (j->rw != j->rx)
        madvise(j->rw, ARENA, MADV_DONTNEED); /* what was patched since the last time as well */
    j->trimmed += STEP;
}
