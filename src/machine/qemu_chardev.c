/* The host's ends of serial consoles on QEMU's command line: -serial, -chardev, -device virtconsole, in the spelling of
 * console_open(). Not taken: a character device that several share (mux=on is accepted, a second user refused), and
 * virtserialport. */
#include <stdio.h>
#include <string.h>

#include "machine/qemu_internal.h"

/* "server", "wait" and "nowait"; *known: it is one of them. */
static bool socket_property(struct qemu_parse *p, const char *key, const char *v, bool *server, bool *wait, bool *known)
{
    *known = true;
    if (strcmp(key, "server") == 0)
        return qemu_on_off(p, key, v, server);
    if (strcmp(key, "wait") == 0)
        return qemu_on_off(p, key, v, wait);
    if (strcmp(key, "nowait") == 0)
        *wait = false;
    else
        *known = false;
    return true;
}

static const char *socket_place(struct qemu_parse *p, const char *where, bool server, bool wait)
{
    char out[300];
    int n = snprintf(out, sizeof out, "%s%s", where, !server ? ",connect" : wait ? "" : ",nowait");
    return config_string(p->c, out, (size_t)n);
}

/* "unix:PATH,server=on,wait=off" and its kin. */
bool qemu_opt_serial(struct qemu_parse *p, const char *v)
{
    bool server = false, wait = true, socket = strncmp(v, "unix:", 5) == 0 || strncmp(v, "tcp:", 4) == 0;
    if (p->nserials == ARRAY_LEN(p->serial_ids))
        return USAGE(p, "at most two -serial: the UART and, with -machine secure=on, the Secure world's");
    if (strncmp(v, "chardev:", 8) == 0)
        return (p->serial_ids[p->nserials++] = v + 8) != NULL;
    if (strcmp(v, "stdio") == 0 || strcmp(v, "mon:stdio") == 0)
        v = "stdio";
    else if (strcmp(v, "null") == 0 || strcmp(v, "none") == 0)
        v = "none";
    else if (!socket && strcmp(v, "pty") != 0 && strncmp(v, "file:", 5) != 0)
        return USAGE(
            p, "-serial %s is not supported; stdio, mon:stdio, null, none, pty, file:, unix:, tcp: and chardev: are",
            v);
    const char *s = v, *where = options_item(p->c, &s);
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *val = qemu_split(item, key, sizeof key);
        bool known;
        if (!socket_property(p, key, val, &server, &wait, &known))
            return false;
        if (!known)
            return USAGE(p, "-serial property \"%s\" is not known", key);
    }
    const char **end = p->nserials++ ? &p->c->serial2 : &p->c->serial;
    return (*end = socket ? socket_place(p, where, server, wait) : where) != NULL;
}

/* KIND,id=ID and what the kind has: stdio, null, pty, file (path=), socket (path= or host= and port=). */
bool qemu_opt_chardev(struct qemu_parse *p, const char *val)
{
    const char *s = val, *kind = options_item(p->c, &s), *path = NULL, *host = "", *port = NULL, *id = NULL;
    bool server = false, wait = true, mux = false;
    char where[280];
    if (!kind || p->nchardevs == ARRAY_LEN(p->chardevs))
        return USAGE(p, "-chardev: give KIND,id=ID, at most %zu", ARRAY_LEN(p->chardevs));
    bool socket = strcmp(kind, "socket") == 0, file = strcmp(kind, "file") == 0;
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = qemu_split(item, key, sizeof key);
        bool known = true, ok = true;
        if (strcmp(key, "id") == 0)
            id = v;
        else if ((socket || file) && strcmp(key, "path") == 0)
            path = v;
        else if (socket && strcmp(key, "host") == 0)
            host = v;
        else if (socket && strcmp(key, "port") == 0)
            port = v;
        else if (strcmp(key, "mux") == 0 || (strcmp(key, "signal") == 0 && strcmp(kind, "stdio") == 0))
            ok = qemu_on_off(p, key, v, &mux);
        else if (socket)
            ok = socket_property(p, key, v, &server, &wait, &known);
        else
            known = false;
        if (!ok)
            return false;
        if (!known)
            return USAGE(p, "-chardev %s: property \"%s\" is not supported", kind, key);
    }
    if (!id)
        return USAGE(p, "-chardev %s: no id=", kind);
    if ((file && !path) || (socket && !path && !port))
        return USAGE(p, "-chardev %s: needs %s", kind, file ? "path=" : "path=, or host= and port=");
    if (socket && !path)
        snprintf(where, sizeof where, "tcp:%s:%s", host, port);
    else if (socket || file)
        snprintf(where, sizeof where, "%s:%s", socket ? "unix" : "file", path);
    else if (strcmp(kind, "stdio") == 0 || strcmp(kind, "pty") == 0 || strcmp(kind, "null") == 0)
        snprintf(where, sizeof where, "%s", kind[0] == 'n' ? "none" : kind);
    else
        return USAGE(p, "-chardev %s is not supported; stdio, null, pty, file and socket are", kind);
    p->chardevs[p->nchardevs++] = (struct qemu_chardev){
        id, socket ? socket_place(p, where, server, wait) : config_string(p->c, where, strlen(where)), false};
    return true;
}

/* Where the character device leads; it has one user. */
static const char *take(struct qemu_parse *p, const char *who, const char *id)
{
    for (unsigned i = 0; i < p->nchardevs; i++) {
        struct qemu_chardev *d = &p->chardevs[i];
        if (strcmp(d->id, id) != 0)
            continue;
        if (d->used)
            USAGE(p, "-chardev id=%s has two users; it can have one", id);
        else
            d->used = true;
        return p->e->status ? NULL : d->where;
    }
    USAGE(p, "%s: there is no -chardev with id=%s", who, id);
    return NULL;
}

bool qemu_serial_end(struct qemu_parse *p)
{
    return (!p->serial_ids[0] || (p->c->serial = take(p, "-serial", p->serial_ids[0]))) &&
           (!p->serial_ids[1] || (p->c->serial2 = take(p, "-serial", p->serial_ids[1])));
}

/* The port of the virtio-serial device that came before it. */
bool qemu_device_virtconsole(struct qemu_parse *p, const char *s)
{
    bool bus = false;
    for (unsigned i = 0; i < p->c->ncards; i++)
        bus |= p->c->cards[i].type == CARD_CONSOLE;
    if (!bus)
        return USAGE(p, "-device virtconsole: give -device virtio-serial-device (or -pci) before it");
    if (p->c->hvc)
        return USAGE(p, "-device virtconsole: a second one is not supported");
    for (const char *item; (item = options_item(p->c, &s));) {
        char key[40];
        const char *v = qemu_split(item, key, sizeof key);
        if (strcmp(key, "chardev") == 0) {
            if (!(p->c->hvc = take(p, "-device virtconsole", v)))
                return false;
        } else if (strcmp(key, "id") != 0 && strcmp(key, "bus") != 0 && strcmp(key, "name") != 0) {
            return USAGE(p, "-device virtconsole: property \"%s\" is not supported", key);
        }
    }
    return p->c->hvc || USAGE(p, "-device virtconsole: needs chardev=ID");
}
