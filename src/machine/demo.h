/* The built-in demonstrations: the teaching hypervisor of guests/, an image that is part of the program. */
#pragma once
#include "machine/config.h"

/* Made by guests/build: while Elara is built, or guests/demo_image.c where there is no cross compiler. */
struct demo_image {
    u64 base;         /* where it is loaded; the entry points are its first instructions */
    size_t size;      /* in bytes */
    const u64 *words; /* little-endian, as the hosts are */
};
extern const struct demo_image demo_image;

/* Configures the machine for "elara demo NAME"; NULL: the default. */
bool demo_config(struct config *c, const char *name, struct err *e);
/* After the options: can this machine run it? */
bool demo_check(const struct config *c, struct err *e);
/* Lists them for the help. */
void demo_list(void);
