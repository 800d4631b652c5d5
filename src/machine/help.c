/* Help, manual page and completion from the one table of options, so that they cannot drift apart. */
#include "machine/help.h"

#include <stdio.h>
#include <string.h>

#include "machine/options.h"

void help_run(void)
{
    const char *group = "";
    printf("elara run [IMAGE] [options]: simulate a machine. ");
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option_row *o = &option_rows[i];
        char left[64];
        if (strcmp(o->group, "Testing") == 0 || strcmp(o->group, "Rarely") == 0) /* in the manual page only */
            continue;
        if (strcmp(group, o->group) != 0)
            printf("%s:\n", group = o->group);
        int n = o->letter ? snprintf(left, sizeof left, "-%c, ", o->letter) : snprintf(left, sizeof left, "    ");
        snprintf(left + n, sizeof left - (size_t)n, "--%s%s%s", o->name, o->arg && o->arg[0] != '[' ? " " : "",
                 o->arg ? o->arg : "");
        printf("  %-33s %s\n", left, o->help);
    }
    printf("Rarely used ones are in the manual page: elara help man\n");
}

/* Hyphens and backslashes as man(7) wants them. */
static void man_text(const char *s)
{
    for (; *s; s++)
        if (*s == '-' || *s == '\\')
            printf("\\%c", *s);
        else
            putchar(*s);
}

void help_man(void)
{
    const char *group = "";
    printf(
        ".TH ELARA 1 \"\" \"Elara %s\" \"User Commands\"\n.SH NAME\nelara \\- AArch64 full\\-system simulator\n"
        ".SH SYNOPSIS\n.B elara run\n[\\fIIMAGE\\fR] [\\fIoptions\\fR]\n.br\n.B elara debug\n[\\fIIMAGE\\fR] "
        "[\\fIoptions\\fR]\n.br\n.B elara demo\n[\\fINAME\\fR] "
        "[\\fIoptions\\fR]\n.br\n.B elara list\ncpus|features|devices|machines\n"
        ".br\n.B elara inspect\n\\fIFILE\\fR...\n.br\n.B elara decode\nesr|sysreg|insn \\fIVALUE\\fR\n.br\n.B elara "
        "help\n[run|demo|man|completion]\n.SH DESCRIPTION\nSimulates an Arm machine with EL0 to EL3, runs "
        "unmodified kernels and hypervisors, and repeats every run exactly.\nThe console is standard input and output; "
        "Ctrl\\-A X quits, Ctrl\\-A C opens the monitor.\n",
        ELARA_VERSION);
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option_row *o = &option_rows[i];
        if (strcmp(group, o->group) != 0)
            printf(".SH %s\n", group = o->group);
        printf(".TP\n.B ");
        if (o->letter)
            printf("\\-%c, ", o->letter);
        printf("\\-\\-");
        man_text(o->name);
        if (o->arg) {
            printf("%s\\fI", o->arg[0] == '[' ? "" : " ");
            man_text(o->arg);
            printf("\\fR");
        }
        putchar('\n');
        man_text(o->help);
        putchar('\n');
    }
    printf(".SH EXIT STATUS\n.nf\n0    the guest powered off, or printed what \\-\\-until waits for\n100  the guest's "
           "kernel "
           "panicked\n101  reset, with \\-\\-no\\-reboot\n102  the guest is stuck\n110  it ended before it printed the "
           "text\n120  a bug of Elara\n124  time limit\n125  usage, configuration or image\n126  the guest needs what "
           "is not "
           "implemented\n.fi\n.SH SEE ALSO\nelara\\-qemu takes the usual options of qemu\\-system\\-aarch64.\n");
}

void help_completion(void)
{
    printf("# bash completion for elara\n_elara() {\n    local cur=${COMP_WORDS[COMP_CWORD]}\n"
           "    if [ \"$COMP_CWORD\" = 1 ]; then\n        COMPREPLY=($(compgen -W 'run debug demo list inspect decode "
           "help "
           "version' -- \"$cur\"))\n"
           "    elif [ \"${COMP_WORDS[1]}\" = list ]; then\n"
           "        COMPREPLY=($(compgen -W 'cpus features devices machines' -- \"$cur\"))\n"
           "    elif [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W '");
    for (unsigned i = 0; i < option_row_count; i++)
        printf("%s--%s", i ? " " : "", option_rows[i].name);
    printf("' -- \"$cur\"))\n    else\n        COMPREPLY=($(compgen -f -- \"$cur\"))\n    fi\n}\n"
           "complete -o filenames -F _elara elara\n");
}
