/* ImageBuilder configuration files (the input of its uboot-script-gen), so that a set of domains made for a board
 * with U-Boot runs here without U-Boot.
 *
 * Such a file is a piece of shell: NAME=VALUE or NAME[n]=VALUE lines and comments. What a shell would still have to
 * compute ($, backquotes) is refused. Keys about loading, disks and U-Boot say nothing here and are passed over; keys
 * that would change what a domain is (static memory, pass-through, colours, CPU pools) are refused by name. */
#include "machine/imagebuilder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/check.h"

enum { MIB = 1 << 20, DOM0_MEM_MIB = 1024, DOMU_MEM_MIB = 512 };
enum key_use {
    PASS_OVER,
    REFUSE,
    XEN,
    XEN_CMD,
    DOM0_KERNEL,
    DOM0_CMD,
    DOM0_RAMDISK,
    DOM0_MEM,
    DOM0_VCPUS,
    NUM_DOMUS,
    DOMU_KERNEL,
    DOMU_CMD,
    DOMU_RAMDISK,
    DOMU_MEM,
    DOMU_VCPUS,
    DOMU_ENHANCED
};

static const struct key {
    const char *name;
    u8 use;     /* enum key_use */
    bool array; /* NAME[n] */
} keys[] = {
    {"XEN", XEN, false},
    {"XEN_CMD", XEN_CMD, false},
    {"DOM0_KERNEL", DOM0_KERNEL, false},
    {"DOM0_CMD", DOM0_CMD, false},
    {"DOM0_RAMDISK", DOM0_RAMDISK, false},
    {"DOM0_MEM", DOM0_MEM, false},
    {"DOM0_VCPUS", DOM0_VCPUS, false},
    {"NUM_DOMUS", NUM_DOMUS, false},
    {"DOMU_KERNEL", DOMU_KERNEL, true},
    {"DOMU_CMD", DOMU_CMD, true},
    {"DOMU_RAMDISK", DOMU_RAMDISK, true},
    {"DOMU_MEM", DOMU_MEM, true},
    {"DOMU_VCPUS", DOMU_VCPUS, true},
    {"DOMU_ENHANCED", DOMU_ENHANCED, true},
    {"MEMORY_START", PASS_OVER, false},
    {"MEMORY_END", PASS_OVER, false},
    {"LOAD_CMD", PASS_OVER, false},
    {"BOOT_CMD", PASS_OVER, false},
    {"DEVICE_TREE", PASS_OVER, false},
    {"BITSTREAM", PASS_OVER, false},
    {"UBOOT_SOURCE", PASS_OVER, false},
    {"UBOOT_SCRIPT", PASS_OVER, false},
    {"APPEND_EXTRA_CMDS", PASS_OVER, false},
    {"FDTEDIT", PASS_OVER, false},
    {"FIT", PASS_OVER, false},
    {"FIT_ENC_KEY_DIR", PASS_OVER, false},
    {"FIT_ENC_UB_DTB", PASS_OVER, false},
    {"NUM_BOOT_AUX_FILE", PASS_OVER, false},
    {"BOOT_AUX_FILE", PASS_OVER, true},
    {"GPT", PASS_OVER, false},
    {"DOM0_ROOTFS", PASS_OVER, false},
    {"DOMU_ROOTFS", PASS_OVER, true},
    {"DOMU_DRIVER_DOMAIN", PASS_OVER, true},
    {"PASSTHROUGH_DTS_REPO", REFUSE, false},
    {"LOPPER_PATH", REFUSE, false},
    {"LOPPER_CMD", REFUSE, false},
    {"NUM_DT_OVERLAY", REFUSE, false},
    {"DT_OVERLAY", REFUSE, true},
    {"NUM_CPUPOOLS", REFUSE, false},
    {"CPUPOOL", REFUSE, true},
    {"XEN_COLORS", REFUSE, false},
    {"XEN_STATIC_HEAP", REFUSE, false},
    {"DOM0_COLORS", REFUSE, false},
    {"DOMU_COLORS", REFUSE, true},
    {"DOMU_CPUPOOL", REFUSE, true},
    {"DOMU_DIRECT_MAP", REFUSE, true},
    {"DOMU_NOBOOT", REFUSE, true},
    {"DOMU_PASSTHROUGH_DTB", REFUSE, true},
    {"DOMU_PASSTHROUGH_PATHS", REFUSE, true},
    {"DOMU_SHARED_MEM", REFUSE, true},
    {"DOMU_STATIC_MEM", REFUSE, true},
    {"DOMU_VPL011", REFUSE, true},
    {"LINUX", REFUSE, false},
    {"LINUX_CMD", REFUSE, false},
    {"LINUX_RAMDISK", REFUSE, false},
};

/* The file being read. */
struct reader {
    struct config *c;
    const char *path;
    unsigned line;
    struct err *e;
    unsigned first;                           /* c->ndomus before */
    u64 domus, dom0_mem;                      /* NUM_DOMUS; DOM0_MEM in MiB */
    unsigned count_line;                      /* where NUM_DOMUS stands, 0: nowhere */
    unsigned vcpus, given_line[CONFIG_DOMUS]; /* DOM0_VCPUS; where domain n is first named, 0: nowhere */
};

#define BAD(r, ...) (err_set((r)->e, STATUS_USAGE, "%s:%u: ", (r)->path, (r)->line), err_more((r)->e, __VA_ARGS__))

/* ---- pieces of a line ----------------------------------------------------------------------- */

/* A shell word: "...", '...' or bare up to white space; then nothing but a comment. NULL: a mistake, said. */
static const char *value(struct reader *r, const char *s)
{
    char *out = (char *)(uintptr_t)config_string(r->c, s, strlen(s)), *o = out, quote = 0;
    for (; *s; s++) {
        if (quote ? *s == quote : *s == '"' || *s == '\'') {
            quote = quote ? 0 : *s;
            continue;
        }
        if (!quote && strchr(" \t\r", *s))
            break;
        if (quote != '\'' && strchr("$`\\", *s))
            return BAD(r, "\"%c\" needs a shell; write the value itself", *s), NULL;
        if (!quote && strchr(";&|<>()", *s))
            return BAD(r, "a command, not NAME=VALUE"), NULL;
        *o++ = *s;
    }
    if (quote)
        return BAD(r, "the quote %c is not closed", quote), NULL;
    s += strspn(s, " \t\r");
    if (*s && *s != '#')
        return BAD(r, "\"%s\" follows the value; a value with spaces needs quotes", s), NULL;
    *o = 0;
    return out;
}

static bool number(struct reader *r, const char *name, const char *s, u64 least, u64 most, u64 *out)
{
    char *end;
    u64 v = strtoull(s, &end, 0);
    if (!*s || *end || *s == '-' || v < least || v > most)
        return BAD(r, "%s=%s: give a number from %llu to %llu", name, s, (unsigned long long)least,
                   (unsigned long long)most);
    *out = v;
    return true;
}

/* A file's name relative to the configuration's directory; it must be there. */
static bool file(struct reader *r, const char *name, const char *s, const char **out)
{
    const char *slash = strrchr(r->path, '/');
    char full[4096];
    int n = slash && *s != '/' ? snprintf(full, sizeof full, "%.*s/%s", (int)(slash - r->path), r->path, s)
                               : snprintf(full, sizeof full, "%s", s);
    if (n < 0 || (size_t)n >= sizeof full)
        return BAD(r, "%s: the file's name is too long", name);
    if (!*s || access(full, R_OK) != 0)
        return BAD(r, "%s: there is no readable file %s", name, *s ? full : "\"\"");
    *out = config_string(r->c, full, (size_t)n);
    return true;
}

static const struct key *find_key(struct reader *r, const char *name, bool array)
{
    const char *names[ARRAY_LEN(keys)];
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        names[i] = keys[i].name;
        if (strcmp(name, keys[i].name) != 0)
            continue;
        if (keys[i].array == array)
            return &keys[i];
        BAD(r, keys[i].array ? "%s needs the domain's number: %s[0]=" : "%s takes no number: %s=", name, name);
        return NULL;
    }
    const char *near = err_nearest(name, names, ARRAY_LEN(keys));
    BAD(r, "ImageBuilder has no %s", name);
    if (near)
        err_more(r->e, "; did you mean %s?", near);
    return NULL;
}

/* ---- keys ----------------------------------------------------------------------------------- */

/* Domain n is placed when its first key is met; NUM_DOMUS is compared with them at the end. */
static struct config_domu *domain(struct reader *r, u64 n)
{
    struct config *c = r->c;
    if (r->first + n >= CONFIG_DOMUS) {
        BAD(r, "at most %d domains", CONFIG_DOMUS);
        return NULL;
    }
    struct config_domu *u = &c->domus[r->first + n];
    if (!r->given_line[n]) {
        char name[16];
        int len = snprintf(name, sizeof name, "domU%u", (unsigned)n);
        *u = (struct config_domu){.name = config_string(c, name, (size_t)len),
                                  .mem = (u64)DOMU_MEM_MIB * MIB,
                                  .cpus = 1,
                                  .cmdline = "console=ttyAMA0"};
        r->given_line[n] = r->line;
    }
    return u;
}

static bool set_domain(struct reader *r, const struct key *k, u64 n, const char *v)
{
    struct config_domu *u = domain(r, n);
    u64 x = 0;
    if (!u)
        return false;
    switch (k->use) {
    case DOMU_KERNEL: return file(r, k->name, v, &u->kernel);
    case DOMU_RAMDISK: return file(r, k->name, v, &u->initrd);
    case DOMU_CMD: u->cmdline = v; return true;
    case DOMU_ENHANCED: return number(r, k->name, v, 0, 1, &x);
    case DOMU_MEM:
        if (!number(r, k->name, v, 1, 1 << 20, &x))
            return false;
        u->mem = x * MIB;
        return true;
    default:
        if (!number(r, k->name, v, 1, 128, &x))
            return false;
        u->cpus = (unsigned)x;
        return true;
    }
}

static bool set_key(struct reader *r, const struct key *k, const char *v)
{
    struct config *c = r->c;
    u64 n = 0;
    switch (k->use) {
    case PASS_OVER: return true;
    case REFUSE: return BAD(r, "%s is not supported: Elara places domains itself and gives them no devices", k->name);
    case XEN: return file(r, k->name, v, &c->xen);
    case XEN_CMD: c->params = v; return true;
    case DOM0_KERNEL: return file(r, k->name, v, &c->dom0);
    case DOM0_CMD: c->dom0_params = v; return true;
    case DOM0_RAMDISK: return file(r, k->name, v, &c->dom0_initrd);
    case DOM0_MEM: return number(r, k->name, v, 1, 1 << 20, &r->dom0_mem);
    case DOM0_VCPUS:
        if (!number(r, k->name, v, 1, 128, &n))
            return false;
        r->vcpus = (unsigned)n;
        return true;
    default: r->count_line = r->line; return number(r, k->name, v, 0, CONFIG_DOMUS - r->first, &r->domus);
    }
}

static bool read_line(struct reader *r, char *s)
{
    s += strspn(s, " \t\r");
    if (!*s || *s == '#')
        return true;
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    char *rest = s + n;
    u64 index = 0;
    bool array = *rest == '[';
    if (array) {
        char *end;
        index = strtoull(rest + 1, &end, 10);
        if (end == rest + 1 || *end != ']')
            return BAD(r, "a number and ] must follow %.*s[", (int)n, s);
        rest = end + 1;
    }
    if (!n || *rest != '=')
        return BAD(r, "not NAME=VALUE: %s", s);
    s[n] = 0;
    const struct key *k = find_key(r, s, array);
    const char *v = k ? value(r, rest + 1) : NULL;
    if (!v)
        return false;
    return array && k->use >= DOMU_KERNEL ? set_domain(r, k, index, v) : set_key(r, k, v);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* What holds only for all lines together. */
static bool finish(struct reader *r)
{
    struct config *c = r->c;
    for (unsigned n = 0; n < CONFIG_DOMUS - r->first; n++) {
        const struct config_domu *u = &c->domus[r->first + n];
        r->line = r->given_line[n] ? r->given_line[n] : r->count_line;
        if (n < r->domus && !r->given_line[n])
            return BAD(r, "NUM_DOMUS=%u, but nothing describes domain %u: DOMU_KERNEL[%u]= is missing",
                       (unsigned)r->domus, n, n);
        if (!r->given_line[n])
            continue;
        if (n >= r->domus)
            return r->count_line ? BAD(r, "domain %u, but NUM_DOMUS=%u (line %u)", n, (unsigned)r->domus, r->count_line)
                                 : BAD(r, "domain %u, but NUM_DOMUS is missing", n);
        if (!u->kernel)
            return BAD(r, "domain %u has no kernel: DOMU_KERNEL[%u]= is missing", n, n);
    }
    c->ndomus += (unsigned)r->domus;
    if (!c->xen)
        return err_set(r->e, STATUS_USAGE, "%s: XEN= is missing: the hypervisor to run", r->path);
    if (c->dom0 && !c->dom0_mem) { /* how much RAM that makes: Xen's own words decide */
        const char *words = c->params ? strstr(c->params, "dom0_mem=") : NULL;
        char size[32];
        if (words)
            snprintf(size, sizeof size, "%.*s", (int)strcspn(words + 9, " ,"), words + 9);
        if (!words || !err_parse_size(size, &c->dom0_mem))
            c->dom0_mem = (r->dom0_mem ? r->dom0_mem : DOM0_MEM_MIB) * MIB;
    }
    if (c->dom0 && !c->params) {
        char words[128];
        int n = snprintf(words, sizeof words, "console=dtuart dtuart=serial0 dom0_mem=%lluM dom0_max_vcpus=%u",
                         (unsigned long long)(c->dom0_mem / MIB), r->vcpus ? r->vcpus : 1);
        c->params = config_string(c, words, (size_t)n);
    }
    return true;
}

bool imagebuilder_read(struct config *c, const char *path, struct err *e)
{
    struct reader r = {.c = c, .path = path, .e = e, .first = c->ndomus};
    char *s = NULL;
    size_t room = 0;
    ssize_t n;
    FILE *f = fopen(path, "r");
    if (!f)
        return err_set(e, STATUS_USAGE, "--imagebuilder %s: %m", path);
    bool ok = true;
    while (ok && (n = getline(&s, &room, f)) >= 0) {
        r.line++;
        s[strcspn(s, "\n")] = 0;
        ok = read_line(&r, s);
    }
    free(s);
    fclose(f);
    return ok && finish(&r);
}
