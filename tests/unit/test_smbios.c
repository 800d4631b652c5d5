/* SMBIOS: the entry point, and structures that an independent reader understands (ELARA_SMBIOS=FILE writes what
 * dmidecode --from-dump FILE reads). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "devices/fw_cfg.h"
#include "devices/le.h"
#include "machine/smbios.h"

static struct fw_cfg *make(struct config *c, u64 mem, unsigned cpus)
{
    static struct log lg;
    struct fw_cfg *f = fw_cfg_new(&(struct fw_cfg_config){.id = "fw_cfg", .log = &lg});
    config_defaults(c);
    c->mem = mem;
    c->cpus = cpus;
    smbios_add(f, c);
    return f;
}

static void destroy(struct fw_cfg *f)
{
    struct device *d = fw_cfg_device(f);
    d->ops->destroy ? d->ops->destroy(d) : free(d);
}

/* As dmidecode --dump-bin writes it: the entry point at 0, the structures at 32. */
static void dump(const u8 *anchor, const u8 *tables, u32 n)
{
    const char *path = getenv("ELARA_SMBIOS");
    u8 head[32] = {0}, sum = 0;
    if (!path)
        return;
    memcpy(head, anchor, 24);
    put_le64(head + 16, 32);
    head[5] = 0;
    for (unsigned i = 0; i < 24; i++)
        sum = (u8)(sum + head[i]);
    head[5] = (u8)-sum;
    FILE *f = fopen(path, "wb");
    ck_assert(f && fwrite(head, 32, 1, f) == 1 && fwrite(tables, n, 1, f) == 1 && fclose(f) == 0);
}

/* Finds a structure; every one has its strings behind it and the last is type 127. */
static const u8 *find(const u8 *p, u32 n, u8 type)
{
    const u8 *end = p + n, *found = NULL;
    u8 last = 0;
    while (p < end) {
        ck_assert_int_ge(end - p, p[1] + 2);
        ck_assert_uint_ge(p[1], 4);
        ck_assert_uint_ne(last, 127);
        last = p[0];
        if (p[0] == type)
            found = p;
        for (p += p[1]; p[0] || p[1]; p++)
            ck_assert_int_gt(end - p, 2);
        p += 2;
    }
    ck_assert_uint_eq(last, 127);
    ck_assert_ptr_nonnull(found);
    return found;
}

static const char *string(const u8 *p, unsigned field)
{
    const char *s = (const char *)p + p[1];
    for (unsigned i = 1; i < p[field]; i++)
        s += strlen(s) + 1;
    return s;
}

static void check(u64 mem, unsigned cpus)
{
    struct config c;
    struct fw_cfg *f = make(&c, mem, cpus);
    u32 size, n;
    u8 sum = 0;
    const u8 *a = fw_cfg_file(f, "etc/smbios/smbios-anchor", &size),
             *t = fw_cfg_file(f, "etc/smbios/smbios-tables", &n), *p;
    ck_assert_uint_eq(size, 24);
    ck_assert_mem_eq(a, "_SM3_", 5);
    for (unsigned i = 0; i < size; i++)
        sum = (u8)(sum + a[i]);
    ck_assert_uint_eq(sum, 0);
    ck_assert_uint_eq(get_le32(a + 12), n);
    dump(a, t, n);
    p = find(t, n, 1);
    ck_assert_uint_eq(p[1], 0x1b);
    ck_assert_str_eq(string(p, 4), "Elara");
    ck_assert_str_eq(string(p, 5), "virt");
    p = find(t, n, 4);
    ck_assert_uint_eq(p[1], 0x30);
    ck_assert_str_eq(string(p, 0x10), "max");
    ck_assert_uint_eq(get_le16(p + 0x2a), cpus);
    ck_assert_uint_eq(p[0x23], cpus);
    p = find(t, n, 16);
    ck_assert_uint_eq(p[1], 0x17);
    ck_assert_uint_eq(get_le64(p + 0xf), mem);
    p = find(t, n, 17);
    ck_assert_uint_eq(p[1], 0x28);
    ck_assert_uint_eq(get_le16(p + 0xc) == 0x7fff ? get_le32(p + 0x1c) : get_le16(p + 0xc), mem >> 20);
    p = find(t, n, 19);
    ck_assert_uint_eq(p[1], 0x1f);
    bool far = get_le32(p + 4) == 0xffffffff;
    ck_assert_uint_eq(far ? get_le64(p + 0xf) : (u64)get_le32(p + 4) << 10, 0x40000000);
    ck_assert_uint_eq(far ? get_le64(p + 0x17) + 1 : ((u64)get_le32(p + 8) + 1) << 10, 0x40000000 + mem);
    destroy(f);
    config_free(&c);
}

START_TEST(test_tables)
{
    check(255ull << 30, 64);
    check(32ull << 30, 8);
    check(1ull << 30, 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("smbios");
    TCase *tc = tcase_create("smbios");
    tcase_add_test(tc, test_tables);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
