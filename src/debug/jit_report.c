/* --jit-stats, --perf-map and --jit-dump: what the JIT does.
 *
 * perf takes symbols of code without a file from /tmp/perf-PID.map, when it reports: of addresses that were used again,
 * after a part of the arena was evicted, it knows only one symbol.
 *
 * The listing shows x86-64 at offsets in the arena, so that it is the same in each run; a jump whose target
 * is not translated yet goes to a piece of the block that asks for it. What is below the first block is shared by all
 * and not shown: it holds an address of the host. */
#include "debug/jit_report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "core/check.h"
#include "cpu/code.h"
#include "debug/capstone.h"
#include "debug/disasm.h"
#include "jit/jit.h"

/* The host's time by clock and by TSC, in nanoseconds and ticks. */
struct host_time {
    u64 ns, ticks;
};

struct jit_report {
    struct jit_watch watch; /* first: the callbacks get its address */
    struct host_time began;
    FILE *map, *dump;
    char map_name[64];
    const char *dump_name;
    struct capstone cs; /* with dump; x86 is opened */
    csh x86;
};

static const char *const kinds[] = {[JIT_SHARED] = "shared",
                                    [JIT_BLOCK] = "block",
                                    [JIT_VERSION] = "version",
                                    [JIT_FAR] = "far",
                                    [JIT_INDIRECT] = "indirect"};

/* "block:4a1b0+c40:ffff800008123c40": RAM page and offset, VA. */
static void put_name(FILE *f, const struct jit_piece *p)
{
    if (p->kind == JIT_SHARED)
        fprintf(f, "elara-jit-shared");
    else
        fprintf(f, "%s:%x+%03x:%llx", kinds[p->kind], p->page, p->offset, (unsigned long long)p->va);
}

static void put_symbol(struct jit_report *r, const struct jit_piece *p)
{
    fprintf(r->map, "%llx %x ", (unsigned long long)(uintptr_t)p->code, p->size);
    put_name(r->map, p);
    fputc('\n', r->map);
    if (p->cold_size) {
        fprintf(r->map, "%llx %x slow-", (unsigned long long)(uintptr_t)p->cold, p->cold_size);
        put_name(r->map, p);
        fputc('\n', r->map);
    }
}

static void put_host(struct jit_report *r, const u8 *code, u32 size, u32 arena)
{
    cs_insn *insn;
    size_t count = r->cs.disasm(r->x86, code, size, arena, 0, &insn);
    for (size_t i = 0; i < count; i++)
        fprintf(r->dump, "  %06llx  %s%s%s\n", (unsigned long long)insn[i].address, insn[i].mnemonic,
                insn[i].op_str[0] ? " " : "", insn[i].op_str);
    r->cs.free(insn, count);
}

static void put_listing(struct jit_report *r, const struct jit_piece *p)
{
    char text[128];
    put_name(r->dump, p);
    fprintf(r->dump, ", %u instructions, %u + %u bytes\n", p->n, p->size, p->cold_size);
    for (u32 i = 0; i < p->n; i++) {
        u32 word;
        memcpy(&word, p->words + (size_t)4 * i, sizeof word);
        disasm(p->decoder, word, p->va + 4 * (u64)i, text, sizeof text);
        fprintf(r->dump, "  %016llx  %08x  %s\n", (unsigned long long)(p->va + 4 * (u64)i), word, text);
    }
    put_host(r, p->code, p->size, p->arena);
    if (p->cold_size) {
        fprintf(r->dump, "  out of line:\n");
        put_host(r, p->cold, p->cold_size, p->cold_arena);
    }
    fputc('\n', r->dump);
}

static void made(struct jit_watch *w, const struct jit_piece *p)
{
    struct jit_report *r = (struct jit_report *)w;
    if (r->map)
        put_symbol(r, p);
    if (r->dump && p->kind != JIT_SHARED)
        put_listing(r, p);
}

/* The directory is everybody's: links there are not followed. */
static FILE *open_map(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    return fd < 0 ? NULL : fdopen(fd, "w");
}

static struct host_time host_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct host_time){(u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec, __rdtsc()};
}

struct jit_report *jit_report_new(struct code_cache *code, bool perf_map, const char *dump, char bad[128])
{
    struct jit_report *r = calloc(1, sizeof *r);
    CHECK(r);
    r->watch.made = made;
    r->began = host_time();
    r->dump_name = dump;
    snprintf(r->map_name, sizeof r->map_name, "/tmp/perf-%d.map", (int)getpid());
    if (perf_map && !(r->map = open_map(r->map_name))) {
        snprintf(bad, 128, "%s", r->map_name);
    } else if (dump && !capstone_load(&r->cs)) {
        snprintf(bad, 128, "--jit-dump needs %s", CAPSTONE_LIBRARY);
        errno = ENOENT;
    } else if (dump && !(r->dump = fopen(dump, "we"))) {
        snprintf(bad, 128, "%s", dump);
    } else {
        if (dump) {
            CHECK(r->cs.open(CS_ARCH_X86, CS_MODE_64, &r->x86) == CS_ERR_OK);
            r->cs.option(r->x86, CS_OPT_SKIPDATA, CS_OPT_ON);
        }
        code->jit_watch = &r->watch;
        return r;
    }
    int why = errno;
    if (r->map)
        fclose(r->map);
    free(r);
    errno = why;
    return NULL;
}

void jit_report_print(const struct jit_report *r)
{
    const struct jit_watch *w = &r->watch;
    fprintf(stderr, "elara: jit blocks %llu, versions %llu, far jumps %llu, indirect %llu, links %llu\n",
            (unsigned long long)w->pieces[JIT_BLOCK], (unsigned long long)w->pieces[JIT_VERSION],
            (unsigned long long)w->pieces[JIT_FAR], (unsigned long long)w->pieces[JIT_INDIRECT],
            (unsigned long long)w->links);
    double n = w->instructions ? (double)w->instructions : 1;
    const struct host_time now = host_time();
    double ns = (double)w->ticks * (double)(now.ns - r->began.ns) / (double)(now.ticks - r->began.ticks);
    fprintf(stderr,
            "elara: jit instructions translated %llu (%.0f ns each), bytes %llu (%.1f an instruction), of slow paths "
            "%llu (%.1f)\n",
            (unsigned long long)w->instructions, ns / n, (unsigned long long)w->bytes, (double)w->bytes / n,
            (unsigned long long)w->cold_bytes, (double)w->cold_bytes / n);
    fprintf(stderr, "elara: jit pages %llu, dropped %llu, parts of the arena evicted %llu\nelara: jit exits",
            (unsigned long long)w->pages, (unsigned long long)w->dropped, (unsigned long long)w->evicted);
    for (unsigned i = 0; i < JIT_EXITS; i++)
        fprintf(stderr, "%s %s %llu", i ? "," : "", jit_exit_names[i], (unsigned long long)w->exits[i]);
    fprintf(stderr, "; cold blocks interpreted %llu\n", (unsigned long long)w->cold);
}

static bool finish(FILE *f, const char *name, char bad[128])
{
    if (!f)
        return true;
    bool ok = !ferror(f);
    if (fclose(f) == 0 && ok)
        return true;
    snprintf(bad, 128, "%s", name);
    return false;
}

bool jit_report_free(struct jit_report *r, char bad[128])
{
    if (!r)
        return true;
    bool ok = finish(r->map, r->map_name, bad);
    ok &= finish(r->dump, r->dump_name, bad);
    if (r->dump_name)
        r->cs.close(&r->x86);
    free(r);
    return ok;
}
