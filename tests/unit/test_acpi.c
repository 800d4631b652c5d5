/* ACPI tables as firmware finds them: the loader's commands are carried out, then every table must be where something
 * points, have its length and sum to zero. $ACPI_DUMP names a directory for the tables, for iasl. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "devices/fw_cfg.h"
#include "machine/acpi.h"
#include "machine/config.h"

static u64 le(const u8 *p, unsigned n)
{
    u64 v = 0;
    for (unsigned i = n; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

struct file {
    char name[56];
    u8 *p;
    u32 n;
    u64 at; /* where firmware put it */
};
static struct file files[2];
static unsigned nfiles;

static struct file *find(const u8 *name)
{
    for (unsigned i = 0; i < nfiles; i++)
        if (strncmp(files[i].name, (const char *)name, 56) == 0)
            return &files[i];
    ck_abort_msg("the loader names an unknown file %.56s", (const char *)name);
    return NULL;
}

static u8 sum(const u8 *p, u64 n)
{
    u8 s = 0;
    while (n--)
        s = (u8)(s + *p++);
    return s;
}

static void load(const struct fw_cfg *f)
{
    u32 n;
    const u8 *c = fw_cfg_file(f, "etc/table-loader", &n);
    ck_assert(c && n % 128 == 0);
    nfiles = 0;
    for (const u8 *end = c + n; c < end; c += 128)
        switch (le(c, 4)) {
        case 1: {
            struct file *t = &files[nfiles++];
            memcpy(t->name, c + 4, 56);
            const u8 *bytes = fw_cfg_file(f, t->name, &t->n);
            ck_assert(bytes);
            t->p = malloc(t->n);
            memcpy(t->p, bytes, t->n);
            t->at = 0x12340000u * nfiles;
            break;
        }
        case 2: {
            struct file *t = find(c + 4), *to = find(c + 60);
            u64 at = le(c + 116, 4), size = c[120];
            ck_assert(size == 8 && at + size <= t->n && le(t->p + at, 8) < to->n);
            u64 v = le(t->p + at, 8) + to->at;
            for (unsigned i = 0; i < 8; i++)
                t->p[at + i] = (u8)(v >> 8 * i);
            break;
        }
        case 3: {
            struct file *t = find(c + 4);
            u64 at = le(c + 60, 4), start = le(c + 64, 4), len = le(c + 68, 4);
            ck_assert(at < t->n && start + len <= t->n && at >= start && at < start + len);
            t->p[at] = 0;
            t->p[at] = (u8)-sum(t->p + start, len);
            break;
        }
        default: ck_abort_msg("command %u", (unsigned)le(c, 4));
        }
}

/* The table at an address; it must be whole. */
static const u8 *table(u64 addr, const char *signature)
{
    const struct file *t = find((const u8 *)"etc/acpi/tables");
    ck_assert(addr >= t->at && addr + 36 <= t->at + t->n);
    const u8 *p = t->p + (addr - t->at);
    u64 n = le(p + 4, 4);
    ck_assert(n >= 36 && addr + n <= t->at + t->n);
    ck_assert_uint_eq(sum(p, n), 0);
    if (signature)
        ck_assert(memcmp(p, signature, 4) == 0);
    const char *dir = getenv("ACPI_DUMP");
    if (dir) {
        char path[300];
        snprintf(path, sizeof path, "%s/%.4s.dat", dir, (const char *)p);
        FILE *f = fopen(path, "wb");
        ck_assert(f && fwrite(p, 1, n, f) == n);
        fclose(f);
    }
    return p;
}

/* The tables' names in order; "" ends. */
static void check(const struct config *c, const char *want)
{
    static struct log lg;
    struct fw_cfg *f = fw_cfg_new(&(struct fw_cfg_config){.id = "fw_cfg", .log = &lg});
    char got[100] = "";
    acpi_add(f, c);
    load(f);
    const u8 *r = find((const u8 *)"etc/acpi/rsdp")->p;
    ck_assert(memcmp(r, "RSD PTR ", 8) == 0);
    ck_assert_uint_eq(sum(r, 20), 0);
    ck_assert_uint_eq(sum(r, 36), 0);
    const u8 *x = table(le(r + 24, 8), "XSDT");
    for (u64 i = 36; i < le(x + 4, 4); i += 8) {
        const u8 *t = table(le(x + i, 8), NULL);
        snprintf(got + strlen(got), sizeof got - strlen(got), "%.4s ", (const char *)t);
        if (memcmp(t, "FACP", 4) == 0)
            table(le(t + 140, 8), "DSDT");
    }
    ck_assert_str_eq(got, want);
    for (unsigned i = 0; i < nfiles; i++)
        free(files[i].p);
    struct device *d = fw_cfg_device(f);
    d->ops->destroy ? d->ops->destroy(d) : free(d);
}

START_TEST(test_tables)
{
    struct config c;
    config_defaults(&c);
    c.cpus = 4;
    c.smmu_oas = 48;
    check(&c, "FACP APIC GTDT MCFG SPCR DBG2 PPTT IORT ");
    c.smmu_oas = 0;
    check(&c, "FACP APIC GTDT MCFG SPCR DBG2 PPTT IORT ");
    c.gic = 2;
    c.el2 = false;
    check(&c, "FACP APIC GTDT MCFG SPCR DBG2 PPTT ");
    config_free(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("acpi");
    TCase *t = tcase_create("acpi");
    tcase_add_test(t, test_tables);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
