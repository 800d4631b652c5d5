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
struct display;
struct flash;
struct fw_cfg;
struct gic;
struct machine;
struct network;
struct pci_host;
struct pl011;
struct pl061;
struct semihost;
struct share;
struct traplog;
struct virtio;
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
    STOP_MONITOR, /* Ctrl-A C, or an interrupt of `elara debug` */
    STOP_EXIT,   /* the guest ended the run itself: exit_status */
    STOP_BUDGET, /* machine_run()'s instruction budget is used up */
};

/* A CPU that takes one exception for ever (diagnose.c). */
struct loop {
    struct exc_info first; /* the exception that led there */
    struct exc_info last;
    bool in_vector; /* the first instruction of the vector is it; else the handler returns to it */
    u64 count;
    u64 seen; /* exceptions of the CPU until then */
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
    struct counter counter;
    struct timer **timers;
    struct gic *gic;
    struct device *v2m;
    struct pl011 *uart, *uart2; /* the second is the Secure world's, NULL: there is none */
    struct pl061 *gpio;
    struct event button; /* its release */
    struct fw_cfg *fw_cfg;
    struct device *devices[64]; /* in the order of reset and state */
    unsigned ndevices;
    struct blockdev *disks[CONFIG_DISKS];
    char card_names[CONFIG_CARDS][16];
    struct network *nets[CONFIG_NICS];
    unsigned nnets;
    struct share *shares[CONFIG_SHARES];
    struct semihost *semihost; /* NULL: off */
    struct pci_host *pci;
    struct smmu *smmu; /* NULL: none */
    struct flash *flash[2];
    struct blockdev *flash_files[2];
    u32 flash_page[2];
    char flash_names[2][8];
    struct boot boot;
    u64 trng;         /* state of the firmware's random numbers */
    const char *psci; /* conduit: "smc", "hvc", NULL: none */
    const struct engine *engine;
    struct console *console; /* the main one, NULL: none */
    struct console *uart_end, *hvc_end, *uart2_end; /* what leads to UARTs and virtio console, NULL: nothing */
    struct virtio *hvc;
    struct virtio *gpu, *balloon, *keyboard, *pointer; /* NULL: none */
    bool tablet;                                       /* what the pointer is */
    struct display *display;                           /* NULL: none */
    struct traplog *traplog;
    struct parallel *parallel; /* while every CPU has its thread (parallel.c), else NULL */

    /* scheduler */
    u32 last;    /* the CPU that ran last */
    u64 left;    /* instructions left of its turn */
    u64 quantum; /* of a turn while several CPUs run, in instructions; one that is alone has ALONE times as many */
    struct event turn; /* the end of a long turn, because another CPU woke up */
    u8 stop;     /* enum stop */
    int signal_number;
    u64 resets;
    bool paced;
    u64 pace_virtual, pace_host; /* when guest time was last not ahead of the host's, by both clocks */
    u64 host_ns;          /* host time of the last look at the host */
    u64 host_target;               /* virtual time that the host's clock asks for (--clock host), 0: none */
    bool input_wanted;             /* a semihosting call waits for the console */
    bool wait_when_stuck;          /* do not end when nothing can wake the guest */
    bool no_loops;                 /* nor when an exception repeats for ever */
    struct loop loop, *loops;      /* the one that stopped the machine; of each CPU */
    u64 nowhere[8];                /* addresses of external aborts, one a page */
    unsigned nnowhere;
    int exit_status;
    struct event panic; /* the machine stops a little after a panic, when the rest has been printed */
};

/* Builds everything the configuration asks for and loads the images; the CPUs stand at their first
 * instruction. console may be NULL. */
struct machine *machine_new(const struct config *c, struct console *console, struct err *e);
void machine_free(struct machine *m);
/* The console that is not the main one, for whichever of UART and virtio console has none yet. */
void machine_second_console(struct machine *m, struct console *c);
/* The console of the Secure world's UART. */
void machine_secure_console(struct machine *m, struct console *c);
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
/* The power button, pressed for a tenth of a (virtual) second. */
void machine_power_button(struct machine *m);
/* The screen (of the virtio GPU, else ramfb): rows of red, green, blue bytes (free()), NULL: there is none. */
u8 *machine_screen(struct machine *m, unsigned *width, unsigned *height, struct err *e);
/* The screen as a file: .png or .ppm by its name. */
bool machine_screenshot(struct machine *m, const char *path, struct err *e);
/* Prints the physical address map. */
void machine_show_map(struct machine *m);
/* The run loop ends after the instruction that executes now. */
void machine_stop(struct machine *m, enum stop why);

/* sched.c: runs until something stops the machine or budget instructions have passed. */
enum stop machine_run(struct machine *m, u64 budget);

/* ---- between the parts of the machine's construction ----------------------------------------- */

void machine_add_device(struct machine *m, struct device *d);
void machine_attach_consoles(struct machine *m);
void machine_make_rtc(struct machine *m, const struct board_row *r);
void machine_make_uart(struct machine *m, const struct board_row *r);
void machine_make_gpio(struct machine *m, const struct board_row *r);
void machine_init_button(struct machine *m);
void machine_release_button(struct machine *m);
bool machine_make_fw_cfg(struct machine *m, const struct board_row *r, struct err *e);
bool machine_make_flash(struct machine *m, const struct board_row *r, struct err *e);
/* After bus_seal(): the files' contents. */
bool machine_fill_flash(struct machine *m, struct err *e);
/* The host bridge with the configuration's functions behind it, then its windows. */
void machine_make_smmu(struct machine *m, const struct board_row *r);
void machine_make_dma_engine(struct machine *m, const struct board_row *r);
bool machine_make_pci(struct machine *m, const struct board_row *r, struct err *e);
void machine_map_pci(struct machine *m, const struct board_row *r);
/* All transports of the row, with the configuration's disks behind theirs. */
bool machine_make_virtio(struct machine *m, const struct board_row *r, struct err *e);
void machine_free_backends(struct machine *m);
