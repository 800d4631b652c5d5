/* elara: the native command line. */
#include <stdio.h>
#include <string.h>

#include "cpu/feat.h"
#include "cpu/model.h"
#include "machine/board.h"
#include "machine/demo.h"
#include "machine/help.h"
#include "machine/inspect.h"
#include "machine/options.h"
#include "machine/reference.h"
#include "machine/run.h"

static const char *const commands[] = {"run", "debug", "demo", "list", "inspect", "decode", "help", "version"};

static int usage(FILE *f, int status)
{
    fprintf(f,
            "Elara %s, an AArch64 full-system simulator.\n\n"
            "  elara demo                                       a small hypervisor with two guests, built in\n"
            "  elara run IMAGE -i INITRD -p 'console=ttyAMA0'   boot Linux\n"
            "  elara run --xen XEN --dom0 IMAGE --dom0-initrd INITRD\n"
            "  elara run --xen XEN --domu name=a,kernel=IMAGE,initrd=INITRD,mem=128M\n"
            "  elara debug ...                                  the same, stopped at its start, with a monitor\n"
            "  elara list cpus|features|devices|machines        what can be simulated\n"
            "  elara inspect FILE                               what is this file?\n"
            "  elara decode esr|sysreg|insn VALUE               what does this value mean?\n"
            "  elara help run|demo|man|completion               all options\n"
            "  elara --version\n"
            "  elara-qemu ...                                   takes qemu-system-aarch64's options\n",
            ELARA_VERSION);
    return status;
}

static int list_devices(void)
{
    printf("board virt:\n");
    for (unsigned i = 0; i < board_virt_rows; i++) {
        const struct board_row *r = &board_virt[i];
        printf("  %-8s 0x%08llx", r->id, (unsigned long long)r->base);
        if (r->spi >= 0)
            printf("  SPI %d", r->spi);
        if (r->count > 1)
            printf(r->type == BOARD_GICR ? "  up to %u, one a CPU" : "  x%u",
                   r->type == BOARD_GICR ? BOARD_GIC3_CPUS : r->count);
        printf("%s%s\n",
               r->when & WHEN_GIC2   ? "  (GICv2)"
               : r->when & WHEN_GIC3 ? "  (GICv3)"
                                     : "",
               r->when & WHEN_EL2 ? "  (EL2)" : "");
    }
    printf("PCI devices (--device TYPE[,id=NAME][,bus=PORT][,slot=N][,ats]; disks and network cards: bus= of -d and "
           "--net):\n");
    for (unsigned i = 0; i < CONFIG_DEVICE_TYPES; i++)
        printf("  %-16s %s\n", config_device_types[i].name, config_device_types[i].summary);
    return 0;
}

static int list(const char *what, bool markdown)
{
    static const char *const topics[] = {"cpus", "features", "devices", "machines", "instructions", "registers"};
    if (what && strcmp(what, "cpus") == 0) {
        for (unsigned i = 0; model_name(i); i++)
            printf("%-16s %s\n", model_name(i), model_summary(i));
        return 0;
    }
    if (what && strcmp(what, "features") == 0 && !markdown) {
        for (unsigned i = 1; i < FEAT_COUNT; i++)
            if (feat_works(i))
                printf("FEAT_%s\n", feat_name(i));
        return 0;
    }
    if (what && strcmp(what, "devices") == 0)
        return list_devices();
    if (what && strcmp(what, "machines") == 0) {
        printf("virt   GICv2 with v2m (up to %d CPUs) or GICv3 with ITS (up to %d), PCIe, virtio; the addresses of "
               "QEMU's virt\n",
               BOARD_GIC2_CPUS, BOARD_GIC3_CPUS);
        return 0;
    }
    if (what && reference_print(what))
        return 0;
    const char *near = what ? err_nearest(what, topics, ARRAY_LEN(topics)) : NULL;
    fprintf(stderr, "elara: list %s: the lists are cpus, features, devices, machines, instructions and registers",
            what ? what : "(nothing)");
    fprintf(stderr, near ? "; did you mean %s?\n" : "%s\n", near ? near : "");
    return STATUS_USAGE;
}

static void help_demo(void)
{
    printf("elara demo [NAME] [options of elara run]: run a built-in demonstration\n"
           "elara debug demo [NAME] ...: the same, stopped at its start, with a monitor\n");
    demo_list();
    printf("The sources are in guests/, what there is to see in docs/lessons/.\n");
}

int main(int argc, char **argv)
{
    struct config c;
    struct err e = {0};
    config_defaults(&c);
    const char *cmd = argc > 1 ? argv[1] : "help";
    if (strcmp(cmd, "--version") == 0 || strcmp(cmd, "version") == 0) {
        printf("elara %s\n", ELARA_VERSION);
        return 0;
    }
    if (strcmp(cmd, "help") == 0 || strcmp(cmd, "--help") == 0 || strcmp(cmd, "-h") == 0) {
        static const struct {
            const char *topic;
            void (*print)(void);
        } topics[] = {{"run", help_run}, {"demo", help_demo}, {"man", help_man}, {"completion", help_completion}};
        for (unsigned i = 0; argc > 2 && i < ARRAY_LEN(topics); i++)
            if (strcmp(argv[2], topics[i].topic) == 0) {
                topics[i].print();
                return 0;
            }
        return usage(stdout, 0);
    }
    if (strcmp(cmd, "list") == 0)
        return list(argc > 2 ? argv[2] : NULL, argc > 3 && strcmp(argv[3], "--markdown") == 0);
    if (strcmp(cmd, "inspect") == 0 && argc > 2) {
        for (int i = 2; i < argc; i++)
            if (!inspect_file(argv[i], &e))
                run_complain(&c, &e);
        return e.status;
    }
    if (strcmp(cmd, "decode") == 0 && argc == 4) {
        if (!inspect_decode(argv[2], argv[3], &e))
            run_complain(&c, &e);
        return e.status;
    }
    if (strcmp(cmd, "inspect") == 0 || strcmp(cmd, "decode") == 0) {
        fprintf(stderr, "elara: usage: elara inspect FILE... or elara decode esr|sysreg|insn VALUE\n");
        return STATUS_USAGE;
    }
    bool demo = strcmp(cmd, "demo") == 0;
    c.debug = strcmp(cmd, "debug") == 0;
    if (strcmp(cmd, "run") != 0 && !c.debug && !demo) {
        const char *near = err_nearest(cmd, commands, ARRAY_LEN(commands));
        fprintf(stderr, "elara: there is no command \"%s\"", cmd);
        if (near)
            fprintf(stderr, "; did you mean elara %s?", near);
        else
            fprintf(stderr, "; to start an image: elara run %s", cmd);
        fprintf(stderr, "\n  elara help shows them\n");
        return STATUS_USAGE;
    }
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            demo ? help_demo() : help_run();
            return 0;
        }
    int status, first = 2;
    if (c.debug && argc > 2 && strcmp(argv[2], "demo") == 0) { /* elara debug demo NAME */
        demo = true;
        first++;
    }
    const char *name = demo && argc > first && argv[first][0] != '-' ? argv[first++] : NULL;
    if ((demo && !demo_config(&c, name, &e)) || !options_parse(&c, argc - first, argv + first, &e) ||
        (demo && !demo_check(&c, &e))) {
        run_complain(&c, &e);
        status = e.status;
    } else {
        status = run_config(&c);
    }
    config_free(&c);
    return status;
}
