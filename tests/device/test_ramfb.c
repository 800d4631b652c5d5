/* ramfb: the guest's description is bounded before it is used, and pixels come out in red, green, blue. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "devices/le.h"
#include "devices/ramfb.h"

static bool decode(u64 addr, const char *code, u32 width, u32 height, u32 stride, struct ramfb_mode *m,
                   const char **what)
{
    u8 c[RAMFB_CONFIG] = {0};
    put_be64(c, addr);
    put_be32(c + 8, get_le32((const u8 *)code));
    put_be32(c + 16, width);
    put_be32(c + 20, height);
    put_be32(c + 24, stride);
    return ramfb_decode(c, m, what);
}

START_TEST(test_modes)
{
    struct ramfb_mode m;
    const char *what;
    ck_assert(!decode(0, "\0\0\0", 0, 0, 0, &m, &what));
    ck_assert_ptr_null(what); /* nothing was asked for */
    ck_assert(decode(0x50000000, "XR24", 800, 600, 0, &m, &what));
    ck_assert_uint_eq(m.stride, 3200);
    ck_assert(decode(0x50000000, "RG16", 640, 480, 1280, &m, &what));
    ck_assert(!decode(0x50000000, "YUYV", 640, 480, 1280, &m, &what));
    ck_assert_ptr_nonnull(what);
    ck_assert(!decode(0x50000000, "XR24", 640, 480, 640, &m, &what)); /* rows overlap */
    ck_assert(!decode(0x50000000, "XR24", 0xffffffff, 480, 0, &m, &what));
    ck_assert(!decode(0x50000000, "XR24", 640, 0, 0, &m, &what));
    ck_assert(!decode(0x50000000, "XR24", 640, 480, 0xffffffff, &m, &what));
}
END_TEST

START_TEST(test_pixels)
{
    struct ramfb_mode m;
    const char *what;
    u8 rgb[6];
    ck_assert(decode(1, "XR24", 2, 1, 0, &m, &what));
    ramfb_row(&m, (const u8[]){1, 2, 3, 0, 4, 5, 6, 0}, rgb);
    ck_assert_mem_eq(rgb, ((u8[]){3, 2, 1, 6, 5, 4}), 6);
    ck_assert(decode(1, "RG16", 2, 1, 0, &m, &what));
    ramfb_row(&m, (const u8[]){0x00, 0xf8, 0xff, 0x07}, rgb);
    ck_assert_mem_eq(rgb, ((u8[]){255, 0, 0, 0, 255, 255}), 6);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ramfb");
    TCase *t = tcase_create("ramfb");
    tcase_add_test(t, test_modes);
    tcase_add_test(t, test_pixels);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
