/* The 9P2000.L server: messages nearly right, on a directory of its own, as nobody when we are root.
 *
 *   input: options | records of 32 bytes: type and fid, how the message is spoiled, operands that are mostly small
 *
 * The directory is made anew for inputs that may have changed it. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/le.h"
#include "machine/share.h"
#include "rig.h"

enum { FUZZ_RECORD = 32, FUZZ_HEAD = 1 };
#include "records.h"

enum { NOBODY = 65534, STEPS = 60 };

static const char *share_dir(void)
{
    static char path[64];
    if (!*path) {
        snprintf(path, sizeof path, "/dev/shm/elara-fuzz-%d", (int)getpid());
        if (mkdir(path, 0700) != 0 || (getuid() == 0 && chown(path, NOBODY, NOBODY) != 0))
            abort();
    }
    return path;
}

/* Empties the directory behind fd. */
static void empty(int fd, unsigned depth)
{
    DIR *d = fd < 0 || depth > 8 ? NULL : fdopendir(fd);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || unlinkat(fd, e->d_name, 0) == 0)
            continue;
        empty(openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), depth + 1);
        unlinkat(fd, e->d_name, AT_REMOVEDIR);
    }
    if (d)
        closedir(d);
}

static void at_exit(void)
{
    empty(open(share_dir(), O_RDONLY | O_DIRECTORY), 0);
    rmdir(share_dir());
}

static void fill(void)
{
    static bool once;
    if (!once)
        atexit(at_exit);
    once = true;
    chmod(share_dir(), 0700);
    empty(open(share_dir(), O_RDONLY | O_DIRECTORY), 0);
    int dir = open(share_dir(), O_RDONLY | O_DIRECTORY), fd = openat(dir, "f", O_CREAT | O_WRONLY, 0666);
    if (fd < 0 || write(fd, "hello", 5) != 5 || mkdirat(dir, "d", 0777) != 0 || symlinkat("f", dir, "l") != 0 ||
        mkfifoat(dir, "p", 0666) != 0)
        abort();
    if (getuid() == 0 && (fchown(fd, NOBODY, NOBODY) != 0 || fchownat(dir, "d", NOBODY, NOBODY, 0) != 0))
        abort();
    close(fd);
    close(dir);
}

/* ---- messages ---------------------------------------------------------------------------------- */

struct text {
    u8 b[600];
    u32 n;
};

static void num(struct text *t, u64 v, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        t->b[t->n++] = (u8)(v >> (8 * i));
}

static void name(struct text *t, u8 which)
{
    static const char *const names[] = {"f", "d", "l", "p", "new", "x", "d/f", ".", "..", "", "other", "y"};
    if (which >= 0xf8) { /* long ones */
        u32 n = which & 1 ? 255 : 300;
        num(t, n, 2);
        memset(t->b + t->n, 'n', n < 300 ? n : 300);
        t->n += n;
        return;
    }
    const char *s = names[(which & 63) % ARRAY_LEN(names)];
    num(t, which >= 0xf0 ? 0xfff0u : strlen(s), 2);
    memcpy(t->b + t->n, s, strlen(s));
    if (which >= 0x80 && which < 0xc0 && *s) /* with a zero byte in it */
        t->b[t->n] = 0;
    t->n += (u32)strlen(s);
}

static u64 value(struct input *in)
{
    u8 how = in8(in);
    return how < 0x80   ? how
           : how < 0xc0 ? 1ull << (how & 63)
           : how < 0xe0 ? in16(in)
           : how < 0xf0 ? ~0ull >> (how & 15)
                        : in64(in);
}

static void message(struct share *s, struct input *in, bool *changed)
{
    static const u8 types[] = {8,  12,  14,  16,  18,  22,  24,  26,  30,  40,  50, 52, 54, 70, 72, 74,
                               76, 100, 104, 108, 110, 116, 118, 120, 110, 110, 12, 14, 40, 24, 26, 118};
    u8 first = in8(in), kind = in8(in), fid = in8(in), spoil = in8(in), out[700],
       type = kind & 0x80 ? in8(in) : types[kind & 31];
    struct text t = {.n = 7};
    (void)first;
    switch (type) {
    case 100: /* version: size, text */
        num(&t, value(in), 4);
        num(&t, fid & 1 ? 8 : 6, 2);
        memcpy(t.b + t.n, "9P2000.L", 8);
        t.n += 8;
        break;
    case 104: num(&t, fid & 7, 4); break;
    case 110: { /* walk: fid, new one, names */
        u8 n = in8(in);
        num(&t, fid & 7, 4);
        num(&t, fid >> 3 & 7, 4);
        num(&t, n & 0x80 ? n : n & 3, 2);
        for (unsigned i = 0; i < (n & 3u); i++)
            name(&t, in8(in));
        break;
    }
    case 14: /* lcreate: fid, name, flags, mode */
        num(&t, fid & 7, 4);
        name(&t, in8(in));
        num(&t, value(in), 4);
        num(&t, 0600 | value(in), 4);
        break;
    case 16: /* symlink: fid, name, target */
    case 72: /* mkdir: fid, name, mode */
    case 76: /* unlinkat: fid, name, flags */
        num(&t, fid & 7, 4);
        name(&t, in8(in));
        if (type == 16)
            name(&t, in8(in));
        else
            num(&t, type == 72 ? 0700 | value(in) : (u64)(fid >> 3 & 1) << 9, 4);
        break;
    case 70: /* link: directory, fid, name */
        num(&t, fid & 7, 4);
        num(&t, fid >> 3 & 7, 4);
        name(&t, in8(in));
        break;
    case 74: /* renameat: directory, name, directory, name */
        num(&t, fid & 7, 4);
        name(&t, in8(in));
        num(&t, fid >> 3 & 7, 4);
        name(&t, in8(in));
        break;
    case 26: { /* setattr */
        u16 valid = in16(in);
        num(&t, fid & 7, 4);
        num(&t, valid, 4);
        num(&t, in8(in) | 0600, 4);
        num(&t, valid & 0x8000 ? NOBODY : value(in), 4);
        num(&t, valid & 0x8000 ? NOBODY : value(in), 4);
        num(&t, value(in) & 0xffff0000000fffffull, 8);
        for (unsigned i = 0; i < 4; i++)
            num(&t, value(in), 8);
        break;
    }
    case 116:
    case 40: /* read, readdir: fid, offset, count */
    case 118:
        num(&t, fid & 7, 4);
        num(&t, fid & 0x80 ? value(in) : fid >> 4 & 7, 8);
        num(&t, type == 118 ? in8(in) & 31 : value(in), 4);
        t.n += type == 118 ? 16 : 0;
        break;
    default: /* a fid, then what there is */
        num(&t, fid & 7, 4);
        for (unsigned i = 0; i < 6; i++)
            num(&t, value(in), 4);
        break;
    }
    *changed |= type == 14 || type == 16 || type == 26 || type == 70 || type == 72 || type == 74 || type == 76 ||
                type == 118 || type == 12; /* which may truncate */
    put_le32(t.b, spoil & 1 ? spoil : t.n);
    t.b[4] = type;
    u32 n = spoil & 2 ? t.n * (spoil >> 2) / 64 : t.n, max = spoil & 0x80 ? (spoil & 0x7cu) : sizeof out;
    u8 *exact = malloc(n ? n : 1), *room = malloc(max ? max : 1); /* so that both ends are watched */
    CHECK(exact && room);
    memcpy(exact, t.b, n);
    if (getuid() == 0)
        setfsuid(NOBODY);
    u32 k = share_handle(s, exact, n, room, max);
    if (getuid() == 0)
        setfsuid(0);
    CHECK(k <= max);
    free(exact);
    free(room);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    static bool changed = true;
    struct input in = {data, n};
    u8 how = in8(&in);
    char err[600];
    if (changed)
        fill();
    changed = false;
    struct share *s = share_open(share_dir(), how & 1, err, sizeof err);
    CHECK(s);
    for (unsigned i = 0; i < STEPS && in.n; i++) {
        struct input one = {in.p, in.n < FUZZ_RECORD ? in.n : FUZZ_RECORD};
        if (*one.p == 15 && one.n > 1 && one.p[1] & 1)
            share_reset(s);
        else
            message(s, &one, &changed);
        (void)in_bytes(&in, FUZZ_RECORD, &one.p);
    }
    share_close(s);
    return 0;
}
