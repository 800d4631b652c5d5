/* A window with the machine's screen. SDL2 is opened at run time, so a machine without a window does not pay for it,
 * and a host without it is told so.
 *
 * The screen is looked at 60 times a second at most; a virtio GPU only when it changed. A tablet follows the host's
 * pointer; for a mouse a click into the window takes the pointer, Ctrl-Alt-G gives it back. Keys go by their place on
 * the keyboard (USB usages, which SDL's scancodes are), so the guest's layout decides what they mean. */
#include "machine/display.h"

#ifdef ELARA_SDL

#include <SDL.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/check.h"
#include "devices/virtio_gpu.h"
#include "devices/virtio_input.h"
#include "machine/cards.h"

enum { FRAME_NS = 16000000, FIRST_WIDTH = 800, FIRST_HEIGHT = 600 };

/* What we call of SDL. */
// clang-format off
#define FUNCTIONS(X) \
    X(Init) X(Quit) X(GetError) X(SetHint) X(CreateWindow) X(DestroyWindow) X(SetWindowSize) X(GetWindowSize) \
    X(SetWindowTitle) X(CreateRenderer) X(DestroyRenderer) X(CreateTexture) X(DestroyTexture) X(UpdateTexture) \
    X(RenderClear) X(RenderCopy) X(RenderPresent) X(PollEvent) X(SetRelativeMouseMode)
// clang-format on

struct sdl {
#define X(name) __typeof__(&SDL_##name) name;
    FUNCTIONS(X)
#undef X
};

struct display {
    struct machine *m;
    void *library;
    struct sdl sdl;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture;
    unsigned width, height; /* of the texture, 0: none */
    u64 next;               /* host time of the next look, ns */
    u64 generation;         /* of the GPU's picture that is shown */
    bool grabbed;
};

/* ---- keys ----------------------------------------------------------------------------------- */

/* evdev codes by USB usage from 4 on: letters, digits, the rest of a keyboard, the keypad. */
static const u8 keys[] = {
    30,  48,  46,  32,  18, 33, 34, 35, 23, 36, 37, 38, 50, 49, 24, 25, 16, 19, 31,  20,  22,  47,  17,  45,  21,
    44,  2,   3,   4,   5,  6,  7,  8,  9,  10, 11, 28, 1,  14, 15, 57, 12, 13, 26,  27,  43,  43,  39,  40,  41,
    51,  52,  53,  58,  59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 87, 88, 99, 70, 119, 110, 102, 104, 111, 107, 109,
    106, 105, 108, 103, 69, 98, 55, 74, 78, 96, 79, 80, 81, 75, 76, 77, 71, 72, 73,  82,  83,  86,  127, 116, 117,
};
static const u8 modifiers[] = {29, 42, 56, 125, 97, 54, 100, 126}; /* from usage 0xe0 on */

static u16 key_code(unsigned usage)
{
    if (usage >= 4 && usage - 4 < ARRAY_LEN(keys))
        return keys[usage - 4];
    return usage >= 0xe0 && usage - 0xe0 < ARRAY_LEN(modifiers) ? modifiers[usage - 0xe0] : 0;
}

static void grab(struct display *d, bool on)
{
    d->grabbed = on;
    d->sdl.SetRelativeMouseMode(on);
    d->sdl.SetWindowTitle(d->window, on ? "Elara - Ctrl-Alt-G gives the pointer back" : "Elara");
}

static void on_key(struct display *d, const SDL_KeyboardEvent *k)
{
    if (k->repeat) /* the guest repeats by itself */
        return;
    if (k->type == SDL_KEYDOWN && k->keysym.scancode == SDL_SCANCODE_G && k->keysym.mod & KMOD_CTRL &&
        k->keysym.mod & KMOD_ALT) {
        grab(d, !d->grabbed && !d->m->tablet);
        return;
    }
    u16 code = key_code(k->keysym.scancode);
    if (code)
        cards_key(d->m, code, k->type == SDL_KEYDOWN);
}

static void on_button(struct display *d, const SDL_MouseButtonEvent *b)
{
    static const u16 codes[] = {0, BTN_LEFT, BTN_MIDDLE, BTN_RIGHT, BTN_SIDE, BTN_EXTRA};
    if (b->type == SDL_MOUSEBUTTONDOWN && !d->m->tablet && !d->grabbed) {
        grab(d, true);
        return;
    }
    if (b->button < ARRAY_LEN(codes) && codes[b->button])
        cards_key(d->m, codes[b->button], b->type == SDL_MOUSEBUTTONDOWN);
}

static void on_motion(struct display *d, const SDL_MouseMotionEvent *e)
{
    int w = 1, h = 1;
    d->sdl.GetWindowSize(d->window, &w, &h);
    if (d->m->tablet)
        cards_point(d->m, e->x, e->y, (unsigned)w, (unsigned)h);
    else if (d->grabbed)
        cards_point(d->m, e->xrel, e->yrel, 0, 0);
}

/* False: the window was closed. */
static bool take_events(struct display *d)
{
    SDL_Event e;
    while (d->sdl.PollEvent(&e))
        switch (e.type) {
        case SDL_QUIT: return false;
        case SDL_KEYDOWN:
        case SDL_KEYUP: on_key(d, &e.key); break;
        case SDL_MOUSEBUTTONDOWN:
        case SDL_MOUSEBUTTONUP: on_button(d, &e.button); break;
        case SDL_MOUSEMOTION: on_motion(d, &e.motion); break;
        case SDL_MOUSEWHEEL: cards_wheel(d->m, e.wheel.y); break;
        }
    return true;
}

/* ---- the picture ---------------------------------------------------------------------------- */

static bool fit(struct display *d, unsigned width, unsigned height)
{
    if (d->texture && d->width == width && d->height == height)
        return true;
    if (d->texture)
        d->sdl.DestroyTexture(d->texture);
    d->texture =
        d->sdl.CreateTexture(d->renderer, SDL_PIXELFORMAT_RGB24, SDL_TEXTUREACCESS_STREAMING, (int)width, (int)height);
    d->sdl.SetWindowSize(d->window, (int)width, (int)height);
    d->width = width;
    d->height = height;
    return d->texture;
}

static void show(struct display *d)
{
    struct err e = {0};
    unsigned width, height;
    u64 generation = d->m->gpu ? virtio_gpu_generation(d->m->gpu) : 0;
    if (d->m->gpu && !d->m->config->ramfb && generation == d->generation)
        return;
    u8 *rgb = machine_screen(d->m, &width, &height, &e);
    d->generation = generation;
    d->sdl.RenderClear(d->renderer);
    if (rgb && fit(d, width, height)) {
        d->sdl.UpdateTexture(d->texture, NULL, rgb, (int)(3 * width));
        d->sdl.RenderCopy(d->renderer, d->texture, NULL, NULL);
    }
    d->sdl.RenderPresent(d->renderer);
    free(rgb);
}

bool display_poll(struct display *d)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    u64 now = (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
    if (now < d->next)
        return true;
    d->next = now + FRAME_NS;
    if (!take_events(d))
        return false;
    show(d);
    return true;
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool load(struct display *d, struct err *e)
{
    d->library = dlopen("libSDL2-2.0.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!d->library)
        return err_set(e, STATUS_USAGE, "a window needs the library SDL2, which is not there (%s); install libsdl2",
                       dlerror());
#define X(name)                                                                                                        \
    *(void **)(&d->sdl.name) = dlsym(d->library, "SDL_" #name);                                                        \
    if (!d->sdl.name)                                                                                                  \
        return err_set(e, STATUS_USAGE, "the host's SDL2 has no SDL_" #name);
    FUNCTIONS(X)
#undef X
    return true;
}

static bool open_window(struct display *d, struct err *e)
{
    d->sdl.SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1"); /* signals are the run loop's */
    if (d->sdl.Init(SDL_INIT_VIDEO) == 0)
        d->window = d->sdl.CreateWindow("Elara", (int)SDL_WINDOWPOS_UNDEFINED, (int)SDL_WINDOWPOS_UNDEFINED,
                                        FIRST_WIDTH, FIRST_HEIGHT, SDL_WINDOW_RESIZABLE);
    if (d->window)
        d->renderer = d->sdl.CreateRenderer(d->window, -1, 0);
    return d->renderer || err_set(e, STATUS_USAGE, "no window can be opened: %s", d->sdl.GetError());
}

struct display *display_open(struct machine *m, struct err *e)
{
    struct display *d = calloc(1, sizeof *d);
    CHECK(d);
    d->m = m;
    d->generation = ~0ull;
    if (load(d, e) && open_window(d, e))
        return d;
    display_close(d);
    return NULL;
}

void display_close(struct display *d)
{
    if (!d)
        return;
    if (d->texture)
        d->sdl.DestroyTexture(d->texture);
    if (d->renderer)
        d->sdl.DestroyRenderer(d->renderer);
    if (d->window)
        d->sdl.DestroyWindow(d->window);
    if (d->sdl.Quit)
        d->sdl.Quit();
    if (d->library)
        dlclose(d->library);
    free(d);
}

#else

struct display *display_open(struct machine *m, struct err *e)
{
    (void)m;
    err_set(e, STATUS_USAGE, "this build has no window (SDL2 was not found when it was configured)");
    return NULL;
}
bool display_poll(struct display *d) { return d == NULL; }
void display_close(struct display *d) { (void)d; }

#endif
