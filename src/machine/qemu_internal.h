/* Between the parts of the translation of QEMU's command line. */
#pragma once
#include "machine/board.h"
#include "machine/options.h"

enum { QEMU_DRIVES = 32 };

struct qemu_drive {
    const char *id, *file;
    bool read_only, snapshot, used;
    u8 format; /* enum disk_format */
};

struct qemu_chardev {
    const char *id, *where; /* as console_open() wants it */
    bool used;
};

/* The translation under way. */
struct qemu_parse {
    struct config *c;
    struct err *e;
    struct qemu_drive drives[QEMU_DRIVES];
    unsigned ndrives;
    unsigned next_slot;      /* virtio-mmio transport, counted down */
    const char *devices[64]; /* -device values, handled when all drives are known */
    unsigned ndevices;
    const char *net_ids[CONFIG_NICS];
    const char *fs_ids[CONFIG_SHARES];
    struct qemu_chardev chardevs[8];
    unsigned nchardevs;
    const char *serial_ids[2]; /* of -serial chardev:ID, NULL: none */
    unsigned nserials;
    const char *mount_tag; /* of the device that is read now */
};

#define USAGE(p, ...) err_set((p)->e, STATUS_USAGE, __VA_ARGS__)

/* "on", "yes", ... ; what: the property's name for the message. */
bool qemu_on_off(struct qemu_parse *p, const char *what, const char *v, bool *out);
/* Splits "key=value"; a key alone means on. */
const char *qemu_split(const char *item, char *key, size_t n);
/* Adds the nearest match and all that there are to the message; false. */
bool qemu_near_misses(struct qemu_parse *p, const char *dash, const char *word, const char *const *names, size_t n);

/* qemu_device.c: -drive, -netdev, -fsdev as they come; -device when all of those are known. */
bool qemu_opt_drive(struct qemu_parse *p, const char *val);
bool qemu_opt_netdev(struct qemu_parse *p, const char *val);
bool qemu_opt_fsdev(struct qemu_parse *p, const char *val);
bool qemu_device(struct qemu_parse *p, const char *val);
/* qemu_chardev.c: -serial and -chardev as they come, then what -serial chardev:ID means. */
bool qemu_opt_serial(struct qemu_parse *p, const char *v);
bool qemu_opt_chardev(struct qemu_parse *p, const char *val);
bool qemu_serial_end(struct qemu_parse *p);
bool qemu_device_virtconsole(struct qemu_parse *p, const char *s);
