/* Machines with a program of some words at 0x40080000, started at EL2 as a kernel is. */
#pragma once
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "machine/machine.h"

static char words_image[] = "/tmp/elara-words-XXXXXX";

static inline void words_config(struct config *c)
{
    config_defaults(c);
    c->cpu = "cortex-a57";
    c->mem = 256 << 20;
}

static inline struct machine *words_machine(struct config *c, const u32 *code, size_t n, struct console *console)
{
    struct err e = {0};
    FILE *f = fopen(words_image, "wb");
    ck_assert(f && fwrite(code, 1, n, f) == n && fclose(f) == 0);
    c->loads[0] = (struct config_load){.path = words_image, .addr = 0x40080000, .has_addr = true, .raw = true};
    c->nloads = 1;
    ck_assert_msg(config_finish(c, &e), "%s", e.text);
    struct machine *m = machine_new(c, console, &e);
    ck_assert_msg(m != NULL, "%s", e.text);
    return m;
}

/* main(): a suite of one case. */
static inline int words_main(const char *name, TCase *t)
{
    int fd = mkstemp(words_image);
    if (fd < 0)
        return EXIT_FAILURE;
    close(fd);
    Suite *s = suite_create(name);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    unlink(words_image);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
