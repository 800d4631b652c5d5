/* The monitor: `elara debug`, or Ctrl-A C while the guest runs. Commands look at the machine without changing it, but
 * for those that say so; nothing here has a side effect on the guest's registers or devices. */
#include "machine/monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/snap.h"
#include "cpu/mem.h"
#include "cpu/sysreg_row.h"
#include "debug/disasm.h"
#include "devices/virtio_balloon.h"
#include "devices/virtio_input.h"
#include "machine/cards.h"
#include "machine/console.h"
#include "machine/diagnose.h"
#include "machine/symbols.h"
#include "smmu/smmu.h"

enum { WORDS = 4, LINE = 256, DUMP_MAX = 4096 };

struct prompt {
    struct machine *m;
    unsigned cpu; /* that regs, mem and dis look at */
    bool leave;
    enum stop end;
};

typedef void command_fn(struct prompt *, unsigned argc, char **argv);

static bool number(const char *s, u64 *out)
{
    if (err_parse_size(s, out))
        return true;
    printf("\"%s\" is no number\n", s);
    return false;
}

/* "pa:ADDR" is physical; otherwise as the CPU sees it now. */
static bool read_memory(struct prompt *mon, const char *where, u64 *addr, void *buf, size_t n, size_t skip)
{
    const struct txn t = {.space = PAS_NS, .cpu = (u8)mon->cpu, .privileged = true, .debug = true};
    bool physical = strncmp(where, "pa:", 3) == 0;
    if (!number(where + (physical ? 3 : 0), addr))
        return false;
    *addr += skip;
    if (physical ? bus_read(mon->m->bus, &t, *addr, buf, n) == BUS_OK
                 : mem_debug_read(mon->m->cpus[mon->cpu], *addr, buf, n))
        return true;
    printf("nothing can be read at %s0x%llx\n", physical ? "pa:" : "", (unsigned long long)*addr);
    return false;
}

static void regs(struct prompt *mon, unsigned argc, char **argv)
{
    u64 n = mon->cpu;
    char sym[120];
    if (argc > 1 && !number(argv[1], &n))
        return;
    if (n >= mon->m->ncpus) {
        printf("there are CPUs 0 to %u\n", mon->m->ncpus - 1);
        return;
    }
    mon->cpu = (unsigned)n;
    struct cpu *c = mon->m->cpus[n];
    for (unsigned i = 0; i < 31; i++)
        printf("%sx%-2u %016llx%s", i % 4 ? "  " : " ", i, (unsigned long long)c->x[i], i % 4 == 3 ? "\n" : "");
    printf("  sp %016llx\n pc %016llx%s  pstate %08llx EL%u%c %s%s%s%s%s%s%s%s\n", (unsigned long long)c->x[REG_SP],
           (unsigned long long)c->pc, symbols_suffix(&mon->m->boot, c->pc, sym, sizeof sym),
           (unsigned long long)cpu_get_spsr(c), c->ps.el, c->ps.sp ? 'h' : 't', c->nzcv >> 31 ? "N" : "n",
           c->nzcv >> 30 & 1 ? "Z" : "z", c->nzcv >> 29 & 1 ? "C" : "c", c->nzcv >> 28 & 1 ? "V" : "v",
           c->ps.daif & DAIF_D ? " D" : " d", c->ps.daif & DAIF_A ? "A" : "a", c->ps.daif & DAIF_I ? "I" : "i",
           c->ps.daif & DAIF_F ? "F" : "f");
}

static void where(struct prompt *mon, unsigned argc, char **argv)
{
    (void)argc, (void)argv;
    u64 ns = clock_now(&mon->m->clock);
    fflush(stdout);
    fprintf(stderr, "  virtual time %llu.%09llu s, %llu instructions\n", (unsigned long long)(ns / 1000000000),
            (unsigned long long)(ns % 1000000000), (unsigned long long)machine_instructions(mon->m));
    diagnose_where(mon->m);
}

static void mem(struct prompt *mon, unsigned argc, char **argv)
{
    u64 n = 64, addr;
    if (argc > 2 && !number(argv[2], &n))
        return;
    for (u64 at = 0; at < n && at < DUMP_MAX; at += 16) {
        u8 b[16];
        if (!read_memory(mon, argv[1], &addr, b, sizeof b, at))
            return;
        printf("%016llx ", (unsigned long long)addr);
        for (unsigned i = 0; i < 16; i++)
            printf("%s%02x", i % 4 ? "" : " ", b[i]);
        printf("  ");
        for (unsigned i = 0; i < 16; i++)
            putchar(b[i] >= 32 && b[i] < 127 ? b[i] : '.');
        putchar('\n');
    }
}

static void dis(struct prompt *mon, unsigned argc, char **argv)
{
    struct cpu *c = mon->m->cpus[mon->cpu];
    char pc[32], text[160], sym[120];
    u64 n = 8, addr;
    snprintf(pc, sizeof pc, "0x%llx", (unsigned long long)c->pc);
    if (argc > 2 && !number(argv[2], &n))
        return;
    for (u64 i = 0; i < n && i < DUMP_MAX / 4; i++) {
        u32 word;
        if (!read_memory(mon, argc > 1 ? argv[1] : pc, &addr, &word, sizeof word, 4 * i))
            return;
        disasm(c->decoder, word, addr, text, sizeof text);
        printf("%s%016llx%s  %08x  %s\n", addr == c->pc ? ">" : " ", (unsigned long long)addr,
               symbols_suffix(&mon->m->boot, addr, sym, sizeof sym), word, text);
    }
}

/* Registers with storage of their own; those of GIC and timers are behind ports. */
static void sys(struct prompt *mon, unsigned argc, char **argv)
{
    (void)argc;
    const char *names[SR_COUNT];
    size_t n = 0;
    for (unsigned i = 0; i < SR_COUNT; i++) {
        const struct sysreg_row *r = &sysreg_rows[i];
        if (r->cell == CELL_NONE)
            continue;
        names[n++] = r->name;
        if (strcasecmp(r->name, argv[1]) == 0) {
            printf("%s = 0x%llx\n", r->name, (unsigned long long)mon->m->cpus[mon->cpu]->sys[r->cell]);
            return;
        }
    }
    const char *near = err_nearest(argv[1], names, n);
    printf("no register \"%s\" that can be shown here%s%s\n", argv[1], near ? "; did you mean " : "", near ? near : "");
}

static void step(struct prompt *mon, unsigned argc, char **argv)
{
    char word[] = "dis", *next[] = {word, NULL};
    u64 n = 1;
    if (argc > 1 && !number(argv[1], &n))
        return;
    console_hold(mon->m->console, true);
    enum stop why = machine_run(mon->m, n);
    console_hold(mon->m->console, false);
    mon->leave = why != STOP_BUDGET && why != STOP_MONITOR;
    mon->end = why;
    if (!mon->leave)
        dis(mon, 1, next);
}

static void cont(struct prompt *mon, unsigned argc, char **argv)
{
    (void)argc, (void)argv;
    mon->leave = true;
    mon->end = STOP_NONE;
}

static void quit(struct prompt *mon, unsigned argc, char **argv)
{
    (void)argc, (void)argv;
    mon->leave = true;
    mon->end = STOP_QUIT;
}

static void reset(struct prompt *mon, unsigned argc, char **argv)
{
    (void)argc, (void)argv;
    machine_reset(mon->m);
}

static void powerdown(struct prompt *mon, unsigned argc, char **argv)
{
    (void)argc, (void)argv;
    machine_power_button(mon->m);
    printf("the power button is pressed; cont lets the guest see it\n");
}

static void map(struct prompt *mon, unsigned argc, char **argv)
{
    (void)argc, (void)argv;
    machine_show_map(mon->m);
}

static void smmu(struct prompt *mon, unsigned argc, char **argv)
{
    (void)argc, (void)argv;
    if (mon->m->smmu)
        smmu_view(mon->m->smmu, stdout);
    else
        printf("there is no SMMU; --smmu on puts one in front of PCI\n");
}

static void hash(struct prompt *mon, unsigned argc, char **argv)
{
    (void)argc, (void)argv;
    printf("state hash %016llx\n", (unsigned long long)machine_hash(mon->m));
}

static void screenshot(struct prompt *mon, unsigned argc, char **argv)
{
    struct err e = {0};
    (void)argc;
    if (machine_screenshot(mon->m, argv[1], &e))
        printf("written to %s\n", argv[1]);
    else
        printf("%s\n", e.text);
}

static void key(struct prompt *mon, unsigned argc, char **argv)
{
    for (unsigned i = 0; i < 2 * (argc - 1); i++)
        cards_key(mon->m, (u16)strtoul(argv[1 + i % (argc - 1)], NULL, 0), i < argc - 1);
    if (!mon->m->keyboard && !mon->m->pointer)
        printf("there is no input device: --device keyboard\n");
}

static void pointer(struct prompt *mon, unsigned argc, char **argv)
{
    (void)argc;
    if (mon->m->pointer)
        cards_point(mon->m, atoi(argv[1]), atoi(argv[2]), VIRTIO_INPUT_ABS_MAX + 1, VIRTIO_INPUT_ABS_MAX + 1);
    else
        printf("there is no pointer: --device tablet or --device mouse\n");
}

/* Statistics arrive when the guest runs, so this shows what was asked for the last time. */
static void balloon(struct prompt *mon, unsigned argc, char **argv)
{
    static const char *const names[] = {"swapped in", "swapped out", "major faults", "minor faults",
                                        "free",       "total",       "available",    "caches"};
    struct virtio *v = mon->m->balloon;
    u64 keep = 0;
    u32 target, actual;
    if (!v || (argc > 1 && !err_parse_size(argv[1], &keep))) {
        printf("%s\n", v ? "give a size such as 256M" : "there is no balloon: --balloon");
        return;
    }
    if (argc > 1)
        cards_balloon_keep(mon->m, keep);
    virtio_balloon_get(v, &target, &actual);
    printf("asked for %u KiB, has %u KiB\n", target * 4, actual * 4);
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (virtio_balloon_stats(v)[i] != ~0ull)
            printf("  %-12s %llu\n", names[i], (unsigned long long)virtio_balloon_stats(v)[i]);
    virtio_balloon_ask(v);
}

static void help(struct prompt *mon, unsigned argc, char **argv);

static const struct command {
    const char *name, *args, *help;
    unsigned least; /* words it needs, itself included */
    command_fn *fn;
} commands[] = {
    {"regs", "[CPU]", "general registers; later commands look at that CPU", 1, regs},
    {"where", "", "what each CPU is doing", 1, where},
    {"mem", "ADDRESS [BYTES]", "memory as the CPU sees it; pa:ADDRESS is physical", 2, mem},
    {"dis", "[ADDRESS [COUNT]]", "instructions, from pc", 1, dis},
    {"sys", "NAME", "a system register", 2, sys},
    {"map", "", "the physical address map", 1, map},
    {"smmu", "", "the SMMU: streams, queues, the last faults in words", 1, smmu},
    {"hash", "", "the state hash", 1, hash},
    {"step", "[COUNT]", "execute instructions", 1, step},
    {"cont", "", "let the guest run; Ctrl-A C comes back", 1, cont},
    {"powerdown", "", "press the power button", 1, powerdown},
    {"reset", "", "power-on reset", 1, reset},
    {"screenshot", "FILE", "the screen as FILE.png or FILE.ppm", 2, screenshot},
    {"key", "CODE...", "press these keys, then release them: evdev codes", 2, key},
    {"pointer", "X Y", "move the tablet (0 to 32767) there, or the mouse by that", 3, pointer},
    {"balloon", "[SIZE]", "memory the guest shall keep; what it gave, its statistics", 1, balloon},
    {"help", "", "this list", 1, help},
    {"quit", "", "end Elara", 1, quit},
};

static void help(struct prompt *mon, unsigned argc, char **argv)
{
    (void)mon, (void)argc, (void)argv;
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        char left[48];
        snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].args);
        printf("  %-26s %s\n", left, commands[i].help);
    }
}

static void execute(struct prompt *mon, char *line)
{
    char *argv[WORDS + 1], *save;
    const char *names[ARRAY_LEN(commands)];
    unsigned argc = 0;
    for (char *w = strtok_r(line, " \t", &save); w && argc < WORDS; w = strtok_r(NULL, " \t", &save))
        argv[argc++] = w;
    argv[argc] = NULL;
    if (!argc)
        return;
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        names[i] = commands[i].name;
        if (strcmp(argv[0], names[i]) != 0)
            continue;
        if (argc < commands[i].least)
            printf("usage: %s %s\n", names[i], commands[i].args);
        else
            commands[i].fn(mon, argc, argv);
        return;
    }
    const char *near = err_nearest(argv[0], names, ARRAY_LEN(commands));
    printf("no command \"%s\"%s%s; help lists them\n", argv[0], near ? "; did you mean " : "", near ? near : "");
}

enum stop monitor_run(struct machine *m)
{
    struct prompt mon = {.m = m, .end = STOP_QUIT};
    char line[LINE];
    const char *prompt = isatty(STDIN_FILENO) ? "(elara) " : "";
    while (!mon.leave && console_line(m->console, prompt, line, sizeof line)) {
        execute(&mon, line);
        fflush(stdout);
    }
    return mon.leave ? mon.end : STOP_QUIT;
}
