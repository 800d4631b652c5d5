/* Random loads, stores, system-register accesses and whatever else an instruction word can be, at EL1, EL2 and EL3 of
 * a machine with every kind of device, and from within a guest of the teaching hypervisor, whose other guest must not
 * notice.  Elara must not crash, hang, or (under ASan) leak.
 *
 * usage: attack [-n ACCESSES (5000)] [-e interp|jit] [-s SEED] [el1|el2|el3|guest]...     (default: all, both engines)
 *
 * Sixteen words at a time are put into a page and run with registers that point at devices, their queues, tables and
 * RAM. When a word ruins what fetching needs (tables, SCTLR, VBAR ...) the watchdog gives the CPU its state back;
 * devices and RAM keep theirs for a whole life, which ends with a reset of the machine. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/check.h"
#include "cpu/context.h"
#include "cpu/exception.h"
#include "cpu/sysreg_row.h"
#include "jit/jit.h"
#include "machine/console.h"
#include "machine/demo.h"
#include "machine/machine.h"
#include "machine/qemu.h"

enum {
    BATCH = 16,
    RAM = 0x40000000,
    TABLES = RAM + 0x700000, /* stage 1: every address as it is, devices and memory */
    CODE = RAM + 0x780000,
    SCRATCH = RAM + 0x800000, /* DMA and odd stores find something here */
    SCRATCH_SIZE = 0x400000,
    LIFE = 4000, /* batches */
    SLEEP_NS = 100000,
    GUEST_PA = 0x41200000,
    GUEST_SIZE = 0x200000,
    GUEST_IMAGE = 0x10000, /* its program, tables and stack lie below */
    GUEST_CODE = 0x180000, /* in the guest's memory */
    GUEST_VMID = 2,
};

struct attack {
    struct machine *m;
    struct config *config;
    struct cpu *c;
    u64 rnd;
    unsigned el;
    bool guest;
    u64 code, code_pa;
    /* the exception that ended a run */
    bool took, async;
    u64 pc;
    /* figures */
    u64 accesses, exceptions, ruined, lives;
    struct bus_range ranges[80];
    unsigned nranges;
    u64 good[CELL_COUNT]; /* of the guest */
    u8 *good_ram;
};

static u64 rnd(struct attack *a)
{
    a->rnd ^= a->rnd << 13;
    a->rnd ^= a->rnd >> 7;
    a->rnd ^= a->rnd << 17;
    return a->rnd * 0x2545f4914f6cdd1dull;
}

/* ---- instruction words and operands --------------------------------------------------------- */

/* A system register (or an instruction with an encoding of that kind); half of them exist. */
static u32 system_word(struct attack *a)
{
    u64 r = rnd(a);
    u32 enc = (u32)(r & 1 ? sysreg_rows[(r >> 8) % SR_COUNT].enc : r >> 8 & 0xffff);
    return 0xd5000000 | (u32)(r >> 32 & 1) << 21 | (enc & 0xffff) << 5 | (u32)(r >> 33 & 31);
}

static u32 word(struct attack *a, bool *access)
{
    u64 r = rnd(a);
    u32 w = (u32)(r >> 32);
    *access = true;
    switch (r & 15) {
    case 0: *access = false; return w;                                        /* anything */
    case 1: *access = false; return (w & 0x00ffffff) | 0xd4000000;            /* exceptions */
    case 2: *access = false; return (w & 0x01ffffff) | 0xd6000000;            /* branches by register, returns */
    case 3: *access = false; return 0xdac10000 | (w & 0x1fff) | (w & 0x3c00); /* PAuth */
    case 4: return (w & 0x000fffff) | 0xd5000000;                             /* hints, barriers, MSR immediate, SYS */
    case 5:
    case 6:
    case 7:
    case 8:
    case 9: return system_word(a);
    default: return (w & ~0x0a000000u) | 0x08000000; /* the loads and stores group */
    }
}

static u64 operand(struct attack *a)
{
    u64 r = rnd(a);
    const struct bus_range *d = &a->ranges[(r >> 8) % a->nranges];
    u64 off = rnd(a) >> (r >> 16 & 63);
    if ((r & 15) < 9) /* a device or memory, more often its first pages */
        return d->base + off % (r >> 24 & 3 ? (d->size < 0x10000 ? d->size : 0x10000) : d->size) /
                             (r >> 26 & 3 ? 8 : 1) * (r >> 26 & 3 ? 8 : 1);
    if ((r & 15) < 12)
        return (a->guest ? RAM + GUEST_CODE / 2 : SCRATCH) + off % (a->guest ? 0x10000 : SCRATCH_SIZE);
    return (r & 15) < 14 ? off : rnd(a);
}

/* Memory that looks like descriptors, tables and commands. */
static void fill(struct attack *a, u64 pa, size_t n)
{
    u64 page[512];
    for (size_t at = 0; at < n; at += sizeof page) {
        for (unsigned i = 0; i < ARRAY_LEN(page); i++) {
            u64 r = rnd(a);
            page[i] = r & 1 ? SCRATCH + (r >> 8) % SCRATCH_SIZE : r >> (r >> 1 & 63);
        }
        bus_load(a->m->bus, PAS_NS, pa + at, page, sizeof page);
    }
}

/* ---- states --------------------------------------------------------------------------------- */

static struct attack *current; /* the hooks' argument is the machine */

static void on_exception(void *arg, struct cpu *c, const struct exc_info *x)
{
    struct attack *a = current;
    (void)arg;
    a->exceptions++;
    if (a->took || c != a->c || (a->guest && c->ps.el != 1))
        return;
    a->took = true;
    a->async = x->vector & 0x180;
    a->pc = x->pc;
    machine_stop(a->m, STOP_MONITOR);
}

/* Translation on in half of the lives: block descriptors, one table for all regimes. */
static void tables(struct attack *a)
{
    u64 level0[512] = {0}, level1[2][512];
    for (unsigned t = 0; t < 2; t++) {
        level0[t] = (TABLES + 0x1000 * (1 + t)) | 3;
        for (u64 i = 0; i < 512; i++)
            level1[t][i] = (t * 512 + i) << 30 | 0x401 | (t == 0 && i >= 1 && i < 4 ? 1 << 2 | 3 << 8 : 0);
    }
    bus_load(a->m->bus, PAS_NS, TABLES, level0, sizeof level0);
    bus_load(a->m->bus, PAS_NS, TABLES + 0x1000, level1, sizeof level1);
}

/* The watchdog: the CPU is as after a reset, at its EL, with or without translation. Fresh: all of a guest's memory. */
static void revive(struct attack *a, bool fresh)
{
    struct cpu *c = a->c;
    if (a->guest) { /* what the hypervisor would do to reboot its guest */
        static const u16 cells[] = {SCTLR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1, MAIR_EL1, VBAR_EL1, CPACR_EL1, MDSCR_EL1};
        for (unsigned i = 0; i < ARRAY_LEN(cells); i++)
            c->sys[cells[i]] = a->good[cells[i]];
        bus_load(a->m->bus, PAS_NS, GUEST_PA, a->good_ram, fresh ? GUEST_SIZE : GUEST_IMAGE);
        context_flush(c);
        context_touch(c);
        return;
    }
    bool input[CPU_INPUTS];
    memcpy(input, c->input, sizeof input);
    cpu_reset(c);
    memcpy(c->input, input, sizeof input);
    tables(a);
    bool on = rnd(a) & 1;
    static const u16 regs[4][4] = {{0},
                                   {SCTLR_EL1, TCR_EL1, TTBR0_EL1, MAIR_EL1},
                                   {SCTLR_EL2, TCR_EL2, TTBR0_EL2, MAIR_EL2},
                                   {SCTLR_EL3, TCR_EL3, TTBR0_EL3, MAIR_EL3}};
    const u16 *r = regs[a->el];
    c->sys[r[1]] = 16 | 5ull << (a->el == 1 ? 32 : 16) | (a->el == 1 ? 16ull << 16 | 1ull << 23 : 0);
    c->sys[r[2]] = TABLES;
    c->sys[r[3]] = 0xf000;
    c->sys[r[0]] |= (on ? 1 : 0) | (rnd(a) & (1 << 2 | 1 << 12));
    if (a->el < 3 && cpu_has_el3(c))
        c->sys[SCR_EL3] = 0x5b1 | 1 << 18; /* NS, EL2 and EL1 are AArch64 */
    if (a->el == 1 && cpu_has_el2(c))
        c->sys[HCR_EL2] = 1u << 31;
    context_touch(c);
}

static void enter(struct attack *a, unsigned at)
{
    struct cpu *c = a->c;
    u64 r = rnd(a);
    cpu_set_spsr(c, (u64)a->el << 2 | (r & 1) | (r & 0xf0000000) | (r & 7 ? 0x3c0 : 0));
    c->pc = a->code + 4 * at;
    c->run = CPU_RUNNING;
    c->fetch_page = ~0ull;
    c->irq_check = true;
    context_touch(c);
}

/* The buses' view of PCI: addresses for all BARs, memory and DMA on. */
static void pci_windows(struct attack *a)
{
    const struct txn t = {.space = PAS_NS};
    for (unsigned d = 0; d < 32; d++) {
        u64 at = 0x4010000000ull + (d << 15);
        for (u32 bar = 0; bar < 6; bar++) {
            u32 v = 0x10000000 + (d << 20) + (bar << 16);
            bus_write(a->m->bus, &t, at + 0x10 + 4 * bar, &v, 4);
        }
        u16 command = 6;
        bus_write(a->m->bus, &t, at + 4, &command, 2);
    }
}

/* ---- the attack ----------------------------------------------------------------------------- */

/* The hypervisor works on; true: the attacked guest runs again. */
static bool until_guest(struct attack *a)
{
    for (unsigned i = 0; i < 20000; i++) {
        if (a->c->ps.el < 2 && a->c->sys[VTTBR_EL2] >> 48 == GUEST_VMID)
            return true;
        enum stop s = machine_run(a->m, 1 + rnd(a) % 160); /* the guest may fault at its very first instruction */
        if (s != STOP_BUDGET && s != STOP_MONITOR)
            return false;
    }
    return false;
}

/* One batch; false: the machine has come to its end. */
static bool batch(struct attack *a)
{
    u32 words[BATCH];
    bool access[BATCH];
    for (unsigned i = 0; i < BATCH; i++)
        words[i] = word(a, &access[i]);
    if (a->guest && !until_guest(a))
        return false;
    for (unsigned i = 0; i < BATCH && a->guest; i++)
        if ((words[i] & ~0xe0u) == 0xd503201f || (words[i] & ~0x3fu) == 0xd5031000) /* WFI and its kin */
            words[i] = words[0];
    if (a->guest) {            /* whatever sleeps all the same has a timer interrupt to wake it */
        words[0] = 0xd51be35d; /* MSR CNTV_CVAL_EL0, X29 */
        words[1] = 0xd51be33e; /* MSR CNTV_CTL_EL0, X30 */
    }
    bus_load(a->m->bus, PAS_NS, a->code_pa, words, sizeof words);
    for (unsigned i = 0; i < 31; i++)
        a->c->x[i] = operand(a);
    if (a->guest) {
        a->c->x[29] = 0;
        a->c->x[30] = 1;
    }
    for (unsigned at = 0; at < BATCH;) {
        if (a->guest && !until_guest(a))
            return false;
        enter(a, at);
        a->c->x[REG_SP] = operand(a) & ~15ull;
        a->took = false;
        if (!a->guest) /* a sleep without end does end */
            a->config->limit = clock_now(&a->m->clock) + SLEEP_NS;
        enum stop s = machine_run(a->m, BATCH - at);
        if (a->guest && s != STOP_BUDGET && s != STOP_MONITOR)
            return false;
        u64 pc = a->took ? a->pc : a->c->pc;
        u64 next = (pc - a->code) / 4 + (a->took && !a->async);
        bool fetched = pc - a->code < 4 * BATCH + 4;
        if (a->took && pc == a->code + 4 * at && !a->async && at == 0 && (rnd(a) & 63) == 0)
            fetched = false; /* perhaps the fetch itself: look after it now and then */
        if (next <= at || next > BATCH || !fetched)
            next = at + 1;
        for (; at < next; at++)
            a->accesses += access[at];
        if (!fetched) {
            a->ruined++;
            revive(a, false);
        }
    }
    return true;
}

static void life(struct attack *a)
{
    fill(a, SCRATCH, SCRATCH_SIZE);
    pci_windows(a);
    revive(a, true);
}

/* A program that stays in one place for this long hangs. */
enum { HANG_SECONDS = 300 };

static void bare(struct attack *a, u64 accesses)
{
    for (u64 i = 0; a->accesses < accesses; i++) {
        if (i % LIFE == 0) {
            alarm(HANG_SECONDS);
            if (i)
                machine_reset(a->m);
            life(a);
        } else if (i % 64 == 0) {
            revive(a, true);
        }
        batch(a);
    }
}

/* ---- machines ------------------------------------------------------------------------------- */

static struct machine *machine(struct config *c, struct console *console, struct attack *a, const char *engine)
{
    struct err e = {0};
    c->engine = engine;
    c->quiet = true;
    if (!config_finish(c, &e) || !(a->m = machine_new(c, console, &e))) {
        fprintf(stderr, "attack: %s\n", e.text);
        exit(2);
    }
    a->config = c;
    a->c = a->m->cpus[0];
    a->m->no_loops = true;
    current = a;
    a->m->env.on_exception = on_exception;
    for (a->nranges = 0; a->nranges < ARRAY_LEN(a->ranges) && bus_range(a->m->bus, a->nranges, &a->ranges[a->nranges]);)
        a->nranges++;
    return a->m;
}

static void on_bare_metal(unsigned el, u64 accesses, const char *engine, u64 seed)
{
    char disk[] = "/tmp/elara-attack-XXXXXX", line[1500], *argv[80];
    int fd = mkstemp(disk), argc = 0;
    if (fd < 0 || ftruncate(fd, 1 << 20) != 0)
        exit(2);
    snprintf(line, sizeof line,
             "-M virt,gic-version=%s%s%s -cpu max -smp 2 -m 128 -nographic -drive file=%s,if=none,id=a,format=raw,"
             "snapshot=on -device virtio-blk-device,drive=a -drive file=%s,if=none,id=b,format=raw,snapshot=on "
             "-device virtio-blk-pci,drive=b -drive file=%s,if=none,id=n,format=raw,snapshot=on -device "
             "nvme,drive=n,serial=1 -nic none -device virtio-rng-pci -device virtio-rng-device "
             "-device virtio-scsi-device -drive file=%s,if=none,id=s,format=raw,snapshot=on -device scsi-hd,drive=s "
             "-device virtio-balloon-device -device virtio-keyboard-device -device virtio-gpu-device "
             "-device loader,file=%s,addr=0x40080000,force-raw=on",
             seed % 4 == 3 ? "2" : "3", el >= 2 ? ",virtualization=on" : "", el == 3 ? ",secure=on" : "", disk, disk,
             disk, disk, disk);
    for (char *p = strtok(line, " "); p; p = strtok(NULL, " "))
        argv[argc++] = p;
    struct config c;
    struct err e = {0};
    config_defaults(&c);
    if (!qemu_parse(&c, argc, argv, &e)) {
        fprintf(stderr, "attack: %s\n", e.text);
        exit(2);
    }
    struct attack *a = calloc(1, sizeof *a);
    *a = (struct attack){.rnd = seed * 0x9e3779b97f4a7c15ull | 1, .el = el, .code = CODE, .code_pa = CODE};
    machine(&c, NULL, a, engine);
    bare(a, accesses);
    printf("attack el%u %s: %llu accesses, %llu exceptions, revived %llu times\n", el, engine,
           (unsigned long long)a->accesses, (unsigned long long)a->exceptions, (unsigned long long)a->ruined);
    machine_free(a->m);
    free(a);
    config_free(&c);
    close(fd);
    unlink(disk);
}

/* What the guest "clock" printed into the file; free(). */
static char *clock_lines(int fd)
{
    off_t n = lseek(fd, 0, SEEK_END);
    char *all = calloc(1, (size_t)n + 1), *out = calloc(1, (size_t)n + 2), *o = out;
    if (!all || !out || pread(fd, all, (size_t)n, 0) != n)
        exit(2);
    for (char *p = all, *end; p < all + n; p = end + 1) {
        end = memchr(p, '\n', (size_t)(all + n - p));
        end = end ? end : all + n;
        if (strncmp(p, "clock|", 6) == 0) {
            memcpy(o, p, (size_t)(end - p));
            o += end - p;
            *o++ = '\n';
        }
    }
    free(all);
    return out;
}

static char *demonstration(const char *name, struct attack *a, u64 accesses, const char *engine)
{
    struct config c;
    struct err e = {0};
    int fd = memfd_create("console", 0);
    struct console *console = console_new(-1, fd, false);
    config_defaults(&c);
    CHECK(fd >= 0 && demo_config(&c, name, &e));
    c.limit = 200000000;
    machine(&c, console, a, engine);
    a->m->console = NULL;            /* the UART writes to it; nobody types, and machine_run() comes back at once */
    while (a->accesses < accesses) { /* a life ends when the guest sleeps for ever or has powered itself off */
        if (a->lives++) {
            machine_reset(a->m);
            console_flush(console);
            CHECK(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
        }
        c.limit = 0; /* is for what follows */
        a->took = true;
        machine_run(a->m, 3000000); /* both guests are up */
        if (!until_guest(a))
            continue;
        memcpy(a->good, a->c->sys, sizeof a->good);
        const struct txn t = {.space = PAS_NS};
        bus_read(a->m->bus, &t, GUEST_PA, a->good_ram, GUEST_SIZE);
        for (u64 i = 0; a->accesses < accesses && batch(a); i++) {
            if (i % 1000 == 0)
                alarm(HANG_SECONDS);
            if (i % 64 == 63 && until_guest(a))
                revive(a, true);
        }
        if (until_guest(a))
            revive(a, true);
        c.limit = clock_now(&a->m->clock) + 130000000;
    }
    a->guest = true;
    a->took = true; /* nothing stops the machine any more but its limit */
    while (machine_run(a->m, ~0ull) == STOP_MONITOR)
        ;
    console_flush(console);
    char *lines = clock_lines(fd);
    machine_free(a->m);
    console_free(console);
    config_free(&c);
    close(fd);
    return lines;
}

/* The guest "clock" under attack must print what it prints in peace, times included. They are milliseconds, and it
 * prints 28 us after each full one: what the attacker can add is the hypervisor's longest stay with interrupts masked
 * (a hypercall that prints 256 characters: some 30 us) and one instruction of its own, for the hypervisor's timer is
 * armed for the sleeper's deadline. */
static bool as_guest(u64 accesses, const char *engine, u64 seed)
{
    struct attack *a = calloc(1, sizeof *a);
    *a = (struct attack){.rnd = seed * 0x9e3779b97f4a7c15ull | 1, .el = 1, .guest = true, .took = true};
    char *want = demonstration("guests", a, 0, engine);
    *a = (struct attack){.rnd = a->rnd, .el = 1, .guest = true, .took = true};
    a->code = RAM + GUEST_CODE;
    a->code_pa = GUEST_PA + GUEST_CODE;
    a->good_ram = malloc(GUEST_SIZE);
    char *got = demonstration("hostile", a, accesses, engine);
    bool same = strcmp(want, got) == 0 && strlen(want) > 100;
    printf(
        "attack guest %s: %llu accesses in %llu lives, %llu exceptions, revived %llu times; the other guest's output "
        "%s\n",
        engine, (unsigned long long)a->accesses, (unsigned long long)a->lives, (unsigned long long)a->exceptions,
        (unsigned long long)a->ruined, same ? "is unchanged" : "CHANGED");
    if (!same)
        printf("--- expected\n%s--- got\n%s", want, got);
    free(want);
    free(got);
    free(a->good_ram);
    free(a);
    return same;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"guest", "el1", "el2", "el3"}, *const engines[] = {"interp", "jit"};
    u64 accesses = 5000, seed = 1;
    const char *engine = NULL;
    bool ok = true;
    for (int o; (o = getopt(argc, argv, "n:e:s:")) >= 0;) {
        if (o == 'n')
            accesses = strtoull(optarg, NULL, 0);
        else if (o == 'e')
            engine = optarg;
        else if (o == 's')
            seed = strtoull(optarg, NULL, 0);
        else
            return 2;
    }
    for (unsigned n = 0; n < ARRAY_LEN(names); n++) {
        bool wanted = optind == argc;
        for (int i = optind; i < argc; i++)
            wanted |= strcmp(argv[i], names[n]) == 0;
        for (unsigned k = 0; wanted && k < ARRAY_LEN(engines); k++) {
            if (engine && strcmp(engine, engines[k]) != 0)
                continue;
            fflush(stdout);
            if (n == 0)
                ok &= as_guest(accesses, engines[k], seed);
            else
                on_bare_metal(n, accesses, engines[k], seed + k);
        }
    }
    return !ok;
}
