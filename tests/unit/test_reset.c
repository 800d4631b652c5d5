/* Reset equals power-on: every device, CPU and timer is driven with random register accesses, the machine is reset, and
 * its state is compared, field by field, with that of a machine that was never used. RAM keeps its contents and virtual
 * time goes on, so these two are left out. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/snap.h"
#include "cpu/sysreg_row.h"
#include "machine/machine.h"

static char image[] = "/tmp/elara-reset-XXXXXX", disk[] = "/tmp/elara-reset-disk-XXXXXX";
static u64 seed = 1;

static u64 rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1dull;
}

/* Values that guests use, and any. */
static u64 value(void)
{
    switch (rnd() % 6) {
    case 0: return 0;
    case 1: return ~0ull;
    case 2: return 1ull << rnd() % 64;
    case 3: return 0x40000000 + (rnd() & 0xfffff0); /* RAM */
    case 4: return rnd() & 0xff;
    default: return rnd();
    }
}

/* ---- machines ------------------------------------------------------------------------------- */

static const struct variant {
    unsigned gic;
    bool el2, el3, flash;
} variants[] = {{2, false, false, false},
                {2, true, true, true},
                {3, true, false, true},
                {3, true, true, false},
                {3, false, false, false}};

static void add_cards(struct config *c)
{
    static const u8 types[] = {CARD_DISK, CARD_NIC, CARD_RNG};
    unsigned slot = 0;
    c->ndisks = 3;
    for (unsigned i = 0; i < c->ndisks; i++)
        c->disks[i] = (struct config_disk){.path = disk};
    c->nnics = 2;
    for (unsigned pci = 0; pci < 2; pci++)
        for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
            struct config_card *k = config_card(c, types[i], types[i] == CARD_RNG ? 0 : pci);
            k->pci = pci;
            k->slot = pci ? 0 : slot++;
        }
    struct config_card *k = config_card(c, CARD_NVME, 2);
    k->pci = true;
    static const struct {
        u8 type;
        const char *id, *bus;
    } tree[] = {{CARD_ROOT_PORT, "root", NULL},
                {CARD_UPSTREAM, "up", "root"},
                {CARD_DOWNSTREAM, "down", "up"},
                {CARD_RNG, "behind", "down"},
                {CARD_TESTDEV, "test", NULL}};
    for (unsigned i = 0; i < ARRAY_LEN(tree); i++) {
        config_onto_pci(k = config_card(c, tree[i].type, i + 1), tree[i].type);
        k->id = tree[i].id;
        k->bus = tree[i].bus;
    }
    static const u8 more[] = {CARD_SCSI, CARD_BALLOON, CARD_KEYBOARD, CARD_TABLET, CARD_GPU};
    for (unsigned i = 0; i < ARRAY_LEN(more); i++)
        for (unsigned pci = 0; pci < 2; pci++) {
            struct err e;
            if (more[i] == CARD_SCSI) {
                c->disks[c->ndisks] = (struct config_disk){.path = disk};
                ck_assert(config_lun(c, &(struct config_lun){.host = pci, .disk = c->ndisks++}, -1, -1, &e));
            }
            k = config_card(c, more[i], more[i] == CARD_SCSI ? pci : 100 * i + pci);
            k->pci = pci;
            k->slot = pci ? 0 : slot++;
        }
}

static struct machine *make(const struct variant *v, struct config *c)
{
    struct err e = {0};
    config_defaults(c);
    c->cpus = 2;
    c->mem = 64 << 20;
    c->gic = v->gic;
    c->el2 = v->el2;
    c->el3 = v->el3;
    c->ramfb = c->quiet = true;
    c->flash[v->flash ? 0 : 1] = (struct config_disk){.path = disk};
    if (!v->flash) {
        c->loads[0] = (struct config_load){.path = image, .addr = 0x40080000, .has_addr = true, .raw = true};
        c->nloads = 1;
    }
    add_cards(c);
    ck_assert_msg(config_finish(c, &e), "%s", e.text);
    struct machine *m = machine_new(c, NULL, &e);
    ck_assert_msg(m != NULL, "%s", e.text);
    return m;
}

/* ---- what is driven ------------------------------------------------------------------------- */

static void poke_ranges(struct machine *m, unsigned times)
{
    struct bus_range r;
    for (unsigned i = 0; bus_range(m->bus, i, &r); i++) {
        if (r.kind != PAGE_DEV && r.kind != PAGE_ROM)
            continue;
        u8 space = r.spaces & 1 << PAS_NS ? PAS_NS : PAS_S;
        for (unsigned k = 0; k < times; k++) {
            unsigned size = 1u << rnd() % 4;
            u64 span = r.size < 0x2000 || rnd() % 2 ? r.size : 0x2000; /* registers are dense at the start */
            u64 pa = r.base + (rnd() % span & ~(u64)(size - 1)), val = value(), out[2];
            if (rnd() % 16 == 0)
                val = 0x40404040; /* flash commands: into and out of its states */
            struct txn t = {.space = space, .cpu = (u8)(rnd() % m->ncpus), .privileged = true};
            struct bus_target to = bus_resolve(m->bus, pa_make((enum pas)space, pa));
            if (!to.dev)
                continue;
            u64 off = to.off + (pa & 0xfff), w[2] = {val, 0};
            if (rnd() % 3)
                bus_dev_write(to.dev, &t, off, size, w);
            else if (to.kind == PAGE_DEV)
                bus_dev_read(to.dev, &t, off, size, out);
        }
    }
}

/* Functions of PCI: command register, BARs and MSI-X, so that the random accesses above reach their registers. */
static void enable_pci(struct machine *m)
{
    const struct txn t = {.space = PAS_NS, .privileged = true};
    for (u32 bus = 0, last = 0; bus <= last; bus++)
        for (u32 slot = 0; slot < 32; slot++) {
            u64 base = 0x4010000000ull + ((u64)bus << 20) + ((u64)slot << 15);
            u32 command = 7, bar = 0x10000000 + (bus * 32 + slot) * 0x100000, header = 0;
            bus_read(m->bus, &t, base + 0xe, &header, 1);
            if (header == 1) { /* a port: the next bus is behind it, and all others there may be */
                u32 numbers = bus | ++last << 8 | 0xff0000;
                bus_write(m->bus, &t, base + 0x18, &numbers, 4);
            }
            for (unsigned i = 0; i < 6 && header == 0; i++, bar += 0x10000)
                bus_write(m->bus, &t, base + 0x10 + 4 * i, &bar, 4);
            if (header < 2)
                bus_write(m->bus, &t, base + 4, &command, 2);
        }
}

static void poke_cpu(struct machine *m, struct cpu *c)
{
    c->run = CPU_RUNNING;
    for (unsigned sr = 0; sr < SR_COUNT; sr++) {
        const struct sysreg_row *r = &sysreg_rows[sr];
        bool there = cpu_has(c, r->feat) && cpu_has(c, r->feat2) && r->hook < HOOK_SYS && r->hook != HOOK_RMR;
        bool port = r->port && !c->ports[r->port - 1].write;
        if (there && !port && (r->access & ACCESS_WO) && (r->cell != CELL_NONE || r->port || r->hook))
            sysreg_write_row(c, sr, value());
    }
    for (unsigned i = 0; i < 31; i++)
        c->x[i] = rnd();
    for (unsigned i = 0; i < 32; i++)
        c->v[i].d[0] = rnd(), c->v[i].d[1] = rnd();
    c->fpsr = (u32)rnd() & 0x9f;
    c->monitor = (struct monitor){.valid = true, .size = 8, .page = 1, .off = 64};
    c->event_register = true;
    cpu_set_spsr(c, (rnd() & 0xf00003c0) | (cpu_has_el3(c) ? 0xd : cpu_has_el2(c) ? 9 : 5));
    c->pc = value();
    (void)m;
}

/* ---- the comparison ------------------------------------------------------------------------- */

struct text {
    char *s;
    size_t n, cap;
};

static void line(void *arg, const char *l)
{
    struct text *t = arg;
    size_t n = strlen(l);
    if (t->n + n + 2 > t->cap)
        t->s = realloc(t->s, t->cap = 2 * (t->n + n + 2));
    memcpy(t->s + t->n, l, n);
    t->s[t->n + n] = '\n';
    t->s[t->n += n + 1] = 0;
}

static struct text dump_all(struct machine *m)
{
    struct text t = {0};
    struct snap s = {.mode = SNAP_DUMP, .dump = line, .dump_arg = &t};
    for (unsigned i = 0; i < m->ncpus; i++) {
        m->cpus[i]->executed = m->cpus[i]->exceptions = 0; /* they count on */
        cpu_state(m->cpus[i], &s);
        timer_state(m->timers[i], &s);
    }
    for (unsigned i = 0; i < m->ndevices; i++) {
        snap_section(&s, m->devices[i]->id ? m->devices[i]->id : "?");
        m->devices[i]->ops->state(m->devices[i], &s);
    }
    return t;
}

/* The first line that differs, with the section it is in. */
static void compare(const char *was, const char *is, const char *what)
{
    const char *section = was;
    while (*was || *is) {
        size_t a = strcspn(was, "\n"), b = strcspn(is, "\n");
        if (was[0] != ' ' && was[0])
            section = was;
        ck_assert_msg(a == b && memcmp(was, is, a) == 0, "%s: in %.*s: after power-on \"%.*s\", after reset \"%.*s\"",
                      what, (int)strcspn(section, "\n"), section, (int)a, was, (int)b, is);
        was += a + (was[a] != 0);
        is += b + (is[b] != 0);
    }
}

enum { SECTIONS = 128 };
struct section {
    char name[32];
    bool fields, changed;
};

/* Which sections (those of one name together: transports, GIC and timer of each CPU) have fields, and which differ. */
static void mark(struct section *sections, const char *was, const char *is)
{
    struct section *at = NULL;
    for (; *was && *is; was += strcspn(was, "\n") + 1, is += strcspn(is, "\n") + 1) {
        size_t n = strcspn(was, "\n");
        if (was[0] == ' ') {
            at->fields = true;
            at->changed |= n != strcspn(is, "\n") || memcmp(was, is, n) != 0;
            continue;
        }
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)n, was);
        for (at = sections; at->name[0] && strcmp(at->name, name) != 0; at++)
            ck_assert(at < sections + SECTIONS - 1);
        memcpy(at->name, name, sizeof name);
    }
}

START_TEST(test_reset)
{
    const struct variant *v = &variants[_i];
    char name[64];
    struct section sections[SECTIONS] = {0};
    struct config c, c2;
    struct machine *fresh = make(v, &c2);
    struct text want = dump_all(fresh);
    snprintf(name, sizeof name, "GICv%u EL2 %d EL3 %d flash %d", v->gic, v->el2, v->el3, v->flash);
    for (unsigned round = 0; round < 8; round++) {
        struct machine *m = make(v, &c);
        seed = 1000 * (u64)_i + round + 1;
        for (unsigned again = 0; again < 3; again++) {
            enable_pci(m);
            poke_ranges(m, 400);
            for (unsigned i = 0; i < m->ncpus; i++)
                poke_cpu(m, m->cpus[i]);
            struct text driven = dump_all(m);
            mark(sections, want.s, driven.s);
            free(driven.s);
            clock_skip(&m->clock, clock_now(&m->clock) + 12345);
            clock_fire(&m->clock);
            machine_power_button(m);
            machine_reset(m);
            struct text is = dump_all(m);
            compare(want.s, is.s, name);
            free(is.s);
        }
        machine_free(m);
        config_free(&c);
    }
    for (struct section *at = sections; at->name[0]; at++) /* nothing was left alone */
        ck_assert_msg(at->changed || !at->fields, "%s: %s was never changed", name, at->name);
    free(want.s);
    machine_free(fresh);
    config_free(&c2);
}
END_TEST

static bool make_files(void)
{
    static const u32 spin = 0x14000000;
    int a = mkstemp(image), b = mkstemp(disk);
    bool ok = a >= 0 && b >= 0 && write(a, &spin, 4) == 4 && ftruncate(b, 1 << 20) == 0;
    close(a);
    close(b);
    return ok;
}

int main(void)
{
    if (!make_files())
        return EXIT_FAILURE;
    Suite *s = suite_create("reset");
    TCase *t = tcase_create("reset equals power-on");
    tcase_set_timeout(t, 600);
    tcase_add_loop_test(t, test_reset, 0, ARRAY_LEN(variants));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    unlink(image);
    unlink(disk);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
