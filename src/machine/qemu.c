/* elara-qemu: the usual options of qemu-system-aarch64 become a configuration, so that existing test
 * harnesses run with another program name. Options are taken with one dash or two, as QEMU does.
 *
 * Not taken: everything that would silently change what the guest sees; it is refused by name. Virtio
 * devices get transports from the last one downward, as on QEMU's board. */
#include "machine/qemu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "machine/qemu_internal.h"

bool qemu_on_off(struct qemu_parse *p, const char *what, const char *v, bool *out)
{
    static const char *const yes[] = {"on", "yes", "true", "y"}, *const no[] = {"off", "no", "false", "n"};
    for (unsigned i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcmp(v, yes[i]) == 0)
            return *out = true;
        if (strcmp(v, no[i]) == 0) {
            *out = false;
            return true;
        }
    }
    return USAGE(p, "%s=%s: the valid values are on and off", what, v);
}

const char *qemu_split(const char *item, char *key, size_t n)
{
    const char *eq = strchr(item, '=');
    snprintf(key, n, "%.*s", eq ? (int)(eq - item) : (int)strlen(item), item);
    return eq ? eq + 1 : "on";
}

bool qemu_near_misses(struct qemu_parse *p, const char *dash, const char *word, const char *const *names, size_t n)
{
    const char *near = err_nearest(word, names, n);
    if (near)
        err_more(p->e, "; did you mean %s%s?", dash, near);
    err_more(p->e, "\n  there are");
    for (size_t i = 0; i < n; i++)
        err_more(p->e, " %s%s", dash, names[i]);
    return false;
}

static bool absent(struct qemu_parse *p, const char *key, const char *v, bool wanted)
{
    bool on = false;
    if (!qemu_on_off(p, key, v, &on))
        return false;
    return on == wanted || USAGE(p, "-machine %s=%s is not supported yet", key, v);
}

/* The items behind -accel NAME: thread=multi is the parallel scheduler, which has to be asked for here, and
 * exclusives=strict its variant; until=TEXT ends the run when the console prints it, as --until does; what else QEMU
 * has (tb-size, split-wx, one-insn-per-tb) means nothing. */
static bool accel_item(struct qemu_parse *p, const char *item)
{
    char key[40];
    const char *v = qemu_split(item, key, sizeof key);
    if (strcmp(key, "exclusives") == 0 && strcmp(v, "strict") == 0)
        return p->c->strict = true;
    if (strcmp(key, "until") == 0)
        p->c->until = config_string(p->c, v, strlen(v));
    if (strcmp(key, "thread") != 0)
        return true;
    if (strcmp(v, "multi") != 0 && strcmp(v, "single") != 0)
        return USAGE(p, "-accel thread=%s: the valid values are single (the default) and multi", v);
    p->c->parallel = strcmp(v, "multi") == 0;
    return true;
}

/* tcg is whatever is the default here; the names of the engines choose. */
static bool opt_accel(struct qemu_parse *p, const char *v)
{
    static const char *const names[] = {"jit", "interp", "lockstep"};
    size_t n = strcspn(v, ","), i = 0;
    while (i < ARRAY_LEN(names) && (strlen(names[i]) != n || strncmp(v, names[i], n) != 0))
        i++;
    if (i < ARRAY_LEN(names))
        p->c->engine = names[i];
    else if (n != 3 || strncmp(v, "tcg", n) != 0)
        return USAGE(
            p, "-accel %s: there is no such accelerator here; the valid values are tcg, jit, interp and lockstep", v);
    for (v += n; *v; v += strcspn(v, ",")) {
        char item[80];
        v++;
        snprintf(item, sizeof item, "%.*s", (int)strcspn(v, ","), v);
        if (!accel_item(p, item))
            return false;
    }
    return true;
}

static bool machine_item(struct qemu_parse *p, const char *item)
{
    struct config *c = p->c;
    char key[40];
    const char *v = qemu_split(item, key, sizeof key);
    bool on = false;
    if (strcmp(key, "type") == 0)
        return strncmp(v, "virt", 4) == 0 || USAGE(p, "-machine %s: only virt is simulated", v);
    if (strcmp(key, "gic-version") == 0) {
        if (strcmp(v, "2") != 0 && strcmp(v, "3") != 0 && strcmp(v, "max") != 0)
            return USAGE(p, "-machine gic-version=%s: the valid values are 2, 3 and max", v);
        c->gic = v[0] == '2' ? 2 : 3;
        return true;
    }
    if (strcmp(key, "virtualization") == 0)
        return qemu_on_off(p, key, v, &c->el2);
    if (strcmp(key, "secure") == 0)
        return qemu_on_off(p, key, v, &c->el3);
    if (strcmp(key, "acpi") == 0) {
        if (!qemu_on_off(p, key, v, &on))
            return false;
        c->no_acpi = !on;
        return true;
    }
    if (strcmp(key, "highmem") == 0 || strcmp(key, "its") == 0 || strcmp(key, "usb") == 0 ||
        strcmp(key, "graphics") == 0)
        return qemu_on_off(p, key, v, &on);
    if (strcmp(key, "mte") == 0) /* a matter of the CPU model alone: tag memory is always there */
        return qemu_on_off(p, key, v, &on);
    if (strcmp(key, "ras") == 0)
        return absent(p, key, v, false);
    if (strcmp(key, "iommu") == 0) {
        c->smmu_oas = strcmp(v, "smmuv3") == 0 ? 48 : 0;
        return c->smmu_oas || strcmp(v, "none") == 0 ||
               USAGE(p, "-machine iommu=%s: the valid values are none and smmuv3", v);
    }
    if (strcmp(key, "accel") == 0)
        return opt_accel(p, v);
    if (strcmp(key, "dumpdtb") == 0) {
        c->dtb_out = v;
        c->dry_run = true;
        return true;
    }
    return USAGE(p, "-machine property \"%s\" is not known", key);
}

static bool opt_machine(struct qemu_parse *p, const char *val)
{
    const char *s = val, *item = options_item(p->c, &s);
    if (item && !strchr(item, '=')) {
        if (strncmp(item, "virt", 4) != 0)
            return USAGE(p, "-machine %s: only virt is simulated", item);
        item = options_item(p->c, &s);
    }
    for (; item; item = options_item(p->c, &s))
        if (!machine_item(p, item))
            return false;
    return true;
}

/* QEMU's CPU properties in our spelling: "max,pauth-impdef=on" -> "max,+PACIMP". */
static bool opt_cpu(struct qemu_parse *p, const char *val)
{
    char out[256];
    size_t n = 0;
    const char *s = val;
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = qemu_split(item, key, sizeof key);
        bool on = false;
        if (!n) {
            n = (size_t)snprintf(out, sizeof out, "%s", item);
            continue;
        }
        if (!qemu_on_off(p, key, v, &on))
            return false;
        const char *name = strcmp(key, "pauth-impdef") == 0 ? "PACIMP"
                           : strcmp(key, "pauth") == 0      ? "PAuth"
                           : strcmp(key, "pmu") == 0        ? "PMUv3"
                           : strcmp(key, "lpa2") == 0       ? "LPA2"
                                                            : NULL;
        if (!name && (strncmp(key, "sve", 3) == 0 || strncmp(key, "sme", 3) == 0)) {
            if (on)
                return USAGE(p, "-cpu property %s=on is not supported yet", key);
            continue;
        }
        if (!name)
            return USAGE(p, "-cpu property \"%s\" is not known", key);
        if (strcmp(key, "pauth-impdef") == 0 && !on)
            continue;
        n += (size_t)snprintf(out + n, sizeof out - n, ",%c%s", on ? '+' : '-', name);
        if (n >= sizeof out)
            return USAGE(p, "-cpu %s is too long", val);
    }
    p->c->cpu = config_string(p->c, out, strlen(out));
    return true;
}

static bool opt_smp(struct qemu_parse *p, const char *val)
{
    const char *s = val;
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = qemu_split(item, key, sizeof key);
        u64 n;
        if (!strchr(item, '=')) {
            v = item;
            snprintf(key, sizeof key, "cpus");
        }
        if (!err_parse_size(v, &n) || n < 1 || n > 512)
            return USAGE(p, "-smp %s: \"%s\" is no number of CPUs", val, v);
        if (strcmp(key, "cpus") == 0)
            p->c->cpus = (unsigned)n;
        else if (strcmp(key, "maxcpus") != 0 && strcmp(key, "sockets") != 0 && strcmp(key, "cores") != 0 &&
                 strcmp(key, "threads") != 0 && strcmp(key, "clusters") != 0)
            return USAGE(p, "-smp property \"%s\" is not known", key);
    }
    return true;
}

static bool opt_mem(struct qemu_parse *p, const char *val)
{
    const char *v = options_value(val, "size") ? options_value(val, "size") : val;
    size_t n = strcspn(v, ",");
    const char *num = config_string(p->c, v, n);
    if (!err_parse_size(num, &p->c->mem))
        return USAGE(p, "-m %s: not a size", val);
    if (n && num[n - 1] >= '0' && num[n - 1] <= '9') /* no unit: MiB */
        p->c->mem <<= 20;
    return true;
}

static bool opt_kernel(struct qemu_parse *p, const char *v) { return (p->c->image = v) != NULL; }
static bool opt_initrd(struct qemu_parse *p, const char *v) { return (p->c->initrd = v) != NULL; }
static bool opt_append(struct qemu_parse *p, const char *v) { return (p->c->params = v) != NULL; }
static bool opt_bios(struct qemu_parse *p, const char *v)
{
    p->c->flash[0] = (struct config_disk){.path = v, .read_only = true};
    return true;
}
static bool opt_dtb(struct qemu_parse *p, const char *v) { return (p->c->dtb = v) != NULL; }
static bool opt_no_reboot(struct qemu_parse *p, const char *v)
{
    (void)v;
    return p->c->no_reboot = true;
}
static bool opt_dry_run(struct qemu_parse *p, const char *v)
{
    (void)v;
    return p->c->dry_run = true;
}
/* -d int: the log of exceptions; the other items of QEMU's have no counterpart. */
static bool opt_debug(struct qemu_parse *p, const char *v)
{
    if (strcmp(v, "int") != 0)
        return USAGE(p, "-d %s is not known; -d int logs each exception", v);
    if (!p->c->trap_log)
        p->c->trap_log = "-";
    return true;
}
static bool opt_debug_file(struct qemu_parse *p, const char *v) { return (p->c->trap_log = v) != NULL; }
/* Elara's own, for looking into a run of an existing harness. */
static bool opt_stats(struct qemu_parse *p, const char *v)
{
    (void)v;
    return p->c->stats = true;
}
static bool opt_ignore(struct qemu_parse *p, const char *v)
{
    (void)p;
    (void)v;
    return true;
}

static bool opt_device(struct qemu_parse *p, const char *val)
{
    if (p->ndevices == ARRAY_LEN(p->devices))
        return USAGE(p, "too many -device");
    p->devices[p->ndevices++] = val;
    return true;
}

static bool opt_nic(struct qemu_parse *p, const char *v)
{
    return strcmp(v, "none") == 0 || USAGE(p, "-nic %s is not supported yet", v);
}
static bool opt_net(struct qemu_parse *p, const char *v)
{
    return strcmp(v, "none") == 0 || USAGE(p, "-net %s is not supported yet", v);
}
static bool opt_semihosting(struct qemu_parse *p, const char *v)
{
    (void)v;
    return p->c->semihosting = true;
}

/* enable=on|off, target=native|auto, userspace=on|off, arg=WORD (several), and of our own dir=DIRECTORY: without it the
 * guest has no files, and system=on|off: whether it may run commands on the host. */
static bool opt_semihosting_config(struct qemu_parse *p, const char *v)
{
    struct config *c = p->c;
    c->semihosting = true;
    for (const char *item; (item = options_item(c, &v));) {
        char key[40], args[1024];
        const char *val = qemu_split(item, key, sizeof key);
        bool ok = true;
        if (strcmp(key, "enable") == 0) {
            ok = qemu_on_off(p, key, val, &c->semihosting);
        } else if (strcmp(key, "userspace") == 0) {
            ok = qemu_on_off(p, key, val, &c->semihosting_el0);
        } else if (strcmp(key, "arg") == 0) {
            snprintf(args, sizeof args, "%s%s%s", c->semihosting_args ? c->semihosting_args : "",
                     c->semihosting_args ? " " : "", val);
            c->semihosting_args = config_string(c, args, strlen(args));
        } else if (strcmp(key, "dir") == 0) {
            c->semihosting_dir = val;
        } else if (strcmp(key, "system") == 0) {
            ok = qemu_on_off(p, key, val, &c->semihosting_system);
        } else if (strcmp(key, "target") != 0 || (strcmp(val, "native") != 0 && strcmp(val, "auto") != 0)) {
            ok = USAGE(p, "-semihosting-config %s: it has enable, target=native, userspace, arg, dir and system", item);
        }
        if (!ok)
            return false;
    }
    return true;
}

/* -S: stopped at the first instruction, with the monitor on standard input. */
static bool opt_stopped(struct qemu_parse *p, const char *v)
{
    (void)v;
    return p->c->debug = true;
}
static bool opt_none(struct qemu_parse *p, const char *v)
{
    return strcmp(v, "none") == 0 || USAGE(p, "\"%s\" is not supported yet; only none is", v);
}

static bool opt_display(struct qemu_parse *p, const char *val)
{
    const char *s = val, *kind = options_item(p->c, &s);
    if (!kind || (strcmp(kind, "none") != 0 && strcmp(kind, "sdl") != 0))
        return USAGE(p, "-display %s is not supported; none and sdl are", val);
    p->c->display = kind[0] == 's' ? "sdl" : NULL; /* how the window behaves is not taken: gl=, grab-mod=... */
    return true;
}
static bool opt_nographic(struct qemu_parse *p, const char *v)
{
    (void)v;
    p->c->display = NULL;
    return true;
}

/* ---- the table ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    bool arg;
    bool (*fn)(struct qemu_parse *, const char *val);
} options[] = {
    {"M", true, opt_machine},
    {"machine", true, opt_machine},
    {"cpu", true, opt_cpu},
    {"smp", true, opt_smp},
    {"m", true, opt_mem},
    {"kernel", true, opt_kernel},
    {"initrd", true, opt_initrd},
    {"append", true, opt_append},
    {"dtb", true, opt_dtb},
    {"bios", true, opt_bios},
    {"drive", true, qemu_opt_drive},
    {"device", true, opt_device},
    {"nic", true, opt_nic},
    {"netdev", true, qemu_opt_netdev},
    {"fsdev", true, qemu_opt_fsdev},
    {"net", true, opt_net},
    {"accel", true, opt_accel},
    {"serial", true, qemu_opt_serial},
    {"chardev", true, qemu_opt_chardev},
    {"monitor", true, opt_none},
    {"display", true, opt_display},
    {"vga", true, opt_none},
    {"parallel", true, opt_none},
    {"nographic", false, opt_nographic},
    {"no-reboot", false, opt_no_reboot},
    {"d", true, opt_debug},
    {"D", true, opt_debug_file},
    {"nodefaults", false, opt_ignore},
    {"no-user-config", false, opt_ignore},
    {"name", true, opt_ignore},
    {"semihosting", false, opt_semihosting},
    {"semihosting-config", true, opt_semihosting_config},
    {"S", false, opt_stopped},
    {"dry-run", false, opt_dry_run},
    {"stats", false, opt_stats},
};

bool qemu_parse(struct config *c, int argc, char **argv, struct err *e)
{
    struct qemu_parse p = {.c = c, .e = e, .next_slot = BOARD_VIRTIO_SLOTS};
    config_defaults(c);
    c->program = "elara-qemu";
    c->cpu = "cortex-a57";
    c->mem = 128ull << 20;
    c->gic = 2;
    c->el2 = false;
    c->quiet = true;
    c->qemu_status = true;
    for (int i = 0; i < argc; i++) {
        const char *w = argv[i], *name = w + (w[0] == '-') + (w[0] == '-' && w[1] == '-');
        unsigned k = 0;
        if (w[0] != '-')
            return err_set(e, STATUS_USAGE, "%s: a disk image as a bare word is not supported; use -drive", w);
        while (k < ARRAY_LEN(options) && strcmp(options[k].name, name) != 0)
            k++;
        if (k == ARRAY_LEN(options)) {
            const char *names[ARRAY_LEN(options)];
            for (unsigned j = 0; j < ARRAY_LEN(options); j++)
                names[j] = options[j].name;
            err_set(e, STATUS_USAGE, "option %s is not supported", w);
            return qemu_near_misses(&p, "-", name, names, ARRAY_LEN(names));
        }
        if (options[k].arg && ++i == argc)
            return err_set(e, STATUS_USAGE, "option %s needs a value", w);
        if (!options[k].fn(&p, options[k].arg ? argv[i] : NULL))
            return false;
    }
    if (!qemu_serial_end(&p))
        return false;
    for (unsigned i = 0; i < p.ndevices; i++)
        if (!qemu_device(&p, p.devices[i]))
            return false;
    for (unsigned i = 0; i < p.ndrives; i++)
        if (!p.drives[i].used)
            return err_set(e, STATUS_USAGE, "-drive id=%s is used by no -device", p.drives[i].id ? p.drives[i].id : "");
    for (unsigned i = 0; i < c->ncards && !c->hvc; i++)
        if (c->cards[i].type == CARD_CONSOLE)
            return err_set(e, STATUS_USAGE,
                           "the virtio-serial device has no port: give -device virtconsole,chardev=ID");
    return true;
}

static void word(const char *flag, const char *value)
{
    if (value)
        printf(strpbrk(value, " ,'\"$&;") ? " %s '%s'" : " %s %s", flag, value);
}

void qemu_show_native(const struct config *c)
{
    char b[64];
    printf("elara run");
    word("", c->image);
    word("-i", c->initrd);
    word("-p", c->params);
    word("--dtb", c->dtb);
    word("--serial", c->serial);
    word("--serial", c->serial2);
    word("--console", c->hvc);
    word("--display", c->display);
    printf(" --cpu %s -c %u -m %lluM --gic %u --el %d", c->cpu, c->cpus, (unsigned long long)(c->mem >> 20), c->gic,
           c->el3   ? 3
           : c->el2 ? 2
                    : 1);
    for (unsigned i = 0; i < c->nloads; i++) {
        snprintf(b, sizeof b, "@0x%llx", (unsigned long long)c->loads[i].addr);
        printf(" --load %s%s", c->loads[i].path, c->loads[i].has_addr ? b : "");
    }
    for (unsigned i = 0; i < c->ndisks; i++)
        printf(" -d %s%s", c->disks[i].path, c->disks[i].rw ? ",rw" : c->disks[i].read_only ? ",ro" : "");
    printf("%s -q\n", c->no_reboot ? " --no-reboot" : "");
}
