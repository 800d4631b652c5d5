/* elara-qemu: qemu-system-aarch64's command line and exit statuses. */
#include <stdio.h>
#include <string.h>

#include "machine/qemu.h"
#include "machine/run.h"

int main(int argc, char **argv)
{
    struct config c;
    struct err e = {0};
    int status;
    if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-version") == 0)) {
        printf("elara-qemu %s: takes the usual options of qemu-system-aarch64\n", ELARA_VERSION);
        return 0;
    }
    if (!qemu_parse(&c, argc - 1, argv + 1, &e)) {
        run_complain(&c, &e);
        status = 1;
    } else {
        if (c.dry_run && !c.dtb_out)
            qemu_show_native(&c);
        status = run_config(&c);
    }
    config_free(&c);
    return status;
}
