/* A machine: board, CPUs, devices, memory, and what runs them. No globals: several machines live in
 * one process. */
#pragma once
#include "core/bus.h"
#include "core/clock.h"
#include "core/log.h"
#include "cpu/cpu.h"
#include "machine/boot.h"
#include "timer/timer.h"

struct console;
struct flash;
struct gic;
struct code_cache;
struct machine;
struct network;
struct pci_host;
struct pl011;
struct share;
struct traplog;
struct blockdev;

/* Why the machine stopped running. */
enum stop {
    STOP_NONE,
    STOP_POWEROFF, /* PSCI SYSTEM_OFF */
    STOP_RESET,    /* SYSTEM_RESET: the run loop starts over, or ends with --no-reboot */
    STOP_UNTIL,    /* the console printed what was waited for */
    STOP_QUIT,     /* Ctrl-A X */
    STOP_SIGNAL,   /* signal_number */
    STOP_TIMEOUT,
    STOP_STUCK,  /* every CPU sleeps and nothing can wake one */
    STOP_PANIC,  /* the guest's kernel said so on the console */
    STOP_LOOP,   /* a CPU re-takes one exception for ever, see struct loop */
    STOP_OUTPUT, /* standard output went away */
    STOP_BUDGET, /* machine_run()'s instruction budget is used up */
};

/* A CPU whose exception vector's first instruction faults takes the same exception for ever. */
struct loop {
    struct exc_info first; /* the exception that led there */
    u64 vector;            /* where the last exception went */
    u64 count;
    unsigned cpu;
};

struct machine {
    const struct config *config;
    struct log log;
    struct clock clock;
    struct bus *bus;
    struct cpu_env env;
    struct cpu **cpus;
    unsigned ncpus;
    struct code_cache *code;
    struct counter counter;
    struct timer **timers;
    struct gic *gic;
    struct device *v2m;
    struct pl011 *uart;
    struct device *devices[64]; /* in the order of reset and state */
    unsigned ndevices;
    struct blockdev *disks[CONFIG_DISKS];
    char card_names[CONFIG_CARDS][8];
    struct network *nets[CONFIG_NICS];
    unsigned nnets;
    struct share *shares[CONFIG_SHARES];
    struct pci_host *pci;
    struct flash *flash[2];
    struct blockdev *flash_files[2];
    u32 flash_page[2];
    char flash_names[2][8];
    struct boot boot;
    const char *psci; /* conduit: "smc", "hvc", NULL: none */
    const struct engine *engine;
    struct console *console;
    struct traplog *traplog;

    /* scheduler */
    u32 last;    /* the CPU that ran last */
    u64 left;    /* instructions left of its slice, when the run was cut short */
    u64 quantum; /* instructions */
    u8 stop;     /* enum stop */
    int signal_number;
    u64 resets;
    bool paced;
    u64 host_ns;          /* host time of the last look at the host */
    bool wait_when_stuck; /* do not end when nothing can wake the guest */
    struct loop loop;
    struct event panic; /* the machine stops a little after a panic, when the rest has been printed */
};

/* Builds everything the configuration asks for and loads the images; the CPUs stand at their first
 * instruction. console may be NULL. */
struct machine *machine_new(const struct config *c, struct console *console, struct err *e);
void machine_free(struct machine *m);
/* Cold reset of CPUs and devices, then the boot loader again. RAM keeps its other contents. */
void machine_reset(struct machine *m);
/* Visits all guest-visible state, RAM included. */
void machine_state(struct machine *m, struct snap *s);
u64 machine_hash(struct machine *m);
/* Instructions executed and exceptions taken by all CPUs. */
u64 machine_instructions(const struct machine *m);
u64 machine_exceptions(const struct machine *m);

/* A CPU begins to execute at entry, at the highest Non-secure EL, or at the highest EL of all when
 * firmware was given. */
void machine_start_cpu(struct machine *m, struct cpu *c, u64 entry, u64 x0);
/* The run loop ends after the instruction that executes now. */
void machine_stop(struct machine *m, enum stop why);

/* sched.c: runs until something stops the machine or budget instructions have passed. */
enum stop machine_run(struct machine *m, u64 budget);

/* ---- between the parts of the machine's construction ----------------------------------------- */

void machine_add_device(struct machine *m, struct device *d);
void machine_make_rtc(struct machine *m, const struct board_row *r);
void machine_make_uart(struct machine *m, const struct board_row *r);
void machine_make_gpio(struct machine *m, const struct board_row *r);
bool machine_make_fw_cfg(struct machine *m, const struct board_row *r, struct err *e);
bool machine_make_flash(struct machine *m, const struct board_row *r, struct err *e);
/* After bus_seal(): the files' contents. */
bool machine_fill_flash(struct machine *m, struct err *e);
/* The host bridge with the configuration's functions behind it, then its windows. */
bool machine_make_pci(struct machine *m, const struct board_row *r, struct err *e);
void machine_map_pci(struct machine *m, const struct board_row *r);
/* All transports of the row, with the configuration's disks behind theirs. */
bool machine_make_virtio(struct machine *m, const struct board_row *r, struct err *e);
void machine_free_backends(struct machine *m);
