/* The window, with SDL's dummy driver: what is typed and pointed at reaches the guest's input devices, the screen is
 * shown, closing the window ends the run. Without SDL2 there is only the message. */
#include <check.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../device/ring.h"
#include "machine/display.h"

#ifdef __has_include
#if __has_include(<SDL2/SDL.h>)
#include <SDL2/SDL.h>
#define HAVE_SDL
#endif
#endif

static char image[] = "/tmp/elara-display-XXXXXX";

static struct machine *make(struct config *c)
{
    struct err e = {0};
    config_defaults(c);
    c->mem = 64 << 20;
    c->loads[0] = (struct config_load){.path = image, .addr = 0x40080000, .has_addr = true, .raw = true};
    c->nloads = 1;
    c->ramfb = true;
    static const u8 types[] = {CARD_KEYBOARD, CARD_TABLET};
    for (unsigned i = 0; i < 2; i++)
        config_card(c, types[i], 0)->slot = i;
    ck_assert_msg(config_finish(c, &e), "%s", e.text);
    struct machine *m = machine_new(c, NULL, &e);
    ck_assert_msg(m != NULL, "%s", e.text);
    return m;
}

#ifdef HAVE_SDL
/* A driver of the device in a slot, with 16 buffers for events at data. */
static struct driver drive(struct machine *m, unsigned slot, u64 data)
{
    struct driver r = {.bus = m->bus, .modern = true};
    struct bus_target to = bus_resolve(m->bus, pa_make(PAS_NS, 0x0a000000));
    const u64 base = 0x200ull * slot, at[3] = {data + 0x1000, data + 0x2000, data + 0x3000};
    struct device *d = to.dev;
    r.d = d;
    r.num = 16;
    r.desc = at[0];
    r.avail = at[1];
    r.used = at[2];
    poke32(d, base + 0x70, 3);
    poke32(d, base + 0x24, 1);
    poke32(d, base + 0x20, 1);
    poke32(d, base + 0x70, 11);
    poke32(d, base + 0x30, 0);
    poke32(d, base + 0x38, 16);
    for (unsigned i = 0; i < 3; i++)
        poke32(d, base + 0x80 + 0x10 * i, (u32)at[i]);
    poke32(d, base + 0x44, 1);
    poke32(d, base + 0x70, 15);
    for (u16 i = 0; i < 16; i++) {
        put_desc(&r, r.desc, i, data + 8u * i, 8, 2, 0);
        ram_put16(&r, r.avail + 4 + 2u * i, i);
    }
    ram_put16(&r, r.avail + 2, 16);
    return r;
}

static void poll_anew(struct display *d, bool goes_on)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    ck_assert_int_eq(display_poll(d), goes_on);
}

START_TEST(test_window)
{
    struct config c;
    struct err e = {0};
    struct machine *m = make(&c);
    setenv("SDL_VIDEODRIVER", "dummy", 1);
    struct display *d = display_open(m, &e);
    ck_assert_msg(d != NULL, "%s", e.text);
    void *sdl = dlopen("libSDL2-2.0.so.0", RTLD_NOW);
    __typeof__(&SDL_PushEvent) push;
    *(void **)&push = dlsym(sdl, "SDL_PushEvent");
    struct driver keys = drive(m, 0, 0x41000000), pointer = drive(m, 1, 0x41010000);
    poll_anew(d, true);
    SDL_Event key = {.key = {.type = SDL_KEYDOWN, .keysym = {.scancode = SDL_SCANCODE_A}}};
    push(&key);
    key.key.repeat = 1;
    push(&key);
    SDL_Event up = {.key = {.type = SDL_KEYUP, .keysym = {.scancode = SDL_SCANCODE_A}}};
    push(&up);
    SDL_Event motion = {.motion = {.type = SDL_MOUSEMOTION, .x = 799, .y = 0}};
    push(&motion);
    SDL_Event button = {.button = {.type = SDL_MOUSEBUTTONDOWN, .button = SDL_BUTTON_RIGHT}};
    push(&button);
    SDL_Event wheel = {.wheel = {.type = SDL_MOUSEWHEEL, .y = -1}};
    push(&wheel);
    poll_anew(d, true);
    u8 got[32];
    ck_assert_uint_eq(ram_get16(&keys, keys.used + 2), 4);
    ram_get(&keys, 0x41000000, got, 24);
    ck_assert(!memcmp(got, "\1\0\x1e\0\1\0\0\0\0\0\0\0\0\0\0\0\1\0\x1e\0\0\0\0", 24));
    ck_assert_uint_eq(ram_get16(&pointer, pointer.used + 2), 7);
    ram_get(&pointer, 0x41010000, got, 32);
    ck_assert(!memcmp(got, "\3\0\0\0\xff\x7f\0\0\3\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\x11\1\1\0\0", 32));
    SDL_Event quit = {.type = SDL_QUIT};
    push(&quit);
    poll_anew(d, false);
    machine_free(m);
    display_close(d);
    dlclose(sdl);
    config_free(&c);
}
END_TEST
#else
START_TEST(test_window)
{
    struct config c;
    struct err e = {0};
    struct machine *m = make(&c);
    ck_assert(!display_open(m, &e) && strstr(e.text, "SDL2"));
    machine_free(m);
    config_free(&c);
}
END_TEST
#endif

START_TEST(test_no_driver)
{
    struct config c;
    struct err e = {0};
    struct machine *m = make(&c);
    setenv("SDL_VIDEODRIVER", "nonsense", 1);
    ck_assert(!display_open(m, &e) && e.status == STATUS_USAGE);
    machine_free(m);
    display_close(NULL);
    config_free(&c);
}
END_TEST

static void setup(void)
{
    int fd = mkstemp(image);
    ck_assert(fd >= 0 && write(fd, "\0\0\0\x14", 4) == 4);
    close(fd);
}

static void teardown(void)
{
    remove(image);
    strcpy(image + strlen(image) - 6, "XXXXXX");
}

int main(void)
{
    const TTest *const tests[] = {test_window, test_no_driver};
    return poke_main("display", setup, teardown, tests, ARRAY_LEN(tests));
}
