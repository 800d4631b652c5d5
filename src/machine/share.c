/* A 9P2000.L server (the protocol of Linux's v9fs: Documentation of diod, fs/9p) over a host directory.
 *
 * The guest never gets out of the directory: a fid holds an O_PATH descriptor, names are single components
 * other than "..", and symbolic links are handed to the guest, never followed here.  Only files and
 * directories can be opened.  Owners and modes are the host's; creating happens as the user who runs us.
 *
 * All numbers in messages are the guest's: a message that is too short gets EINVAL.
 * Not there: authentication, extended attributes, remove and rename by fid (Linux uses the *at forms),
 * device nodes; locks always succeed. */
#include "machine/share.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/check.h"
#include "devices/le.h"
#include "devices/virtio_9p.h"

enum { MAX_FIDS = 8192, MAX_WALK = 16, QID = 13, HEADER = 7 };

enum type { /* of the request; the reply's is one more */
            T_LERROR = 6,
            T_STATFS = 8,
            T_LOPEN = 12,
            T_LCREATE = 14,
            T_SYMLINK = 16,
            T_READLINK = 22,
            T_GETATTR = 24,
            T_SETATTR = 26,
            T_READDIR = 40,
            T_FSYNC = 50,
            T_LOCK = 52,
            T_GETLOCK = 54,
            T_LINK = 70,
            T_MKDIR = 72,
            T_RENAMEAT = 74,
            T_UNLINKAT = 76,
            T_VERSION = 100,
            T_ATTACH = 104,
            T_FLUSH = 108,
            T_WALK = 110,
            T_READ = 116,
            T_WRITE = 118,
            T_CLUNK = 120,
};

struct fid {
    u32 id;
    int path; /* O_PATH */
    int fd;   /* opened, -1: not */
};

struct share {
    int root;
    bool readonly;
    u32 msize;
    struct fid *fids;
    unsigned count, cap;
    u8 chunk[65536];
};

/* ---- messages ------------------------------------------------------------------------------- */

struct msg {
    struct share *s;
    const u8 *in;
    u32 n, at; /* of the request */
    u8 *out;
    u32 max, len; /* of the reply */
    bool bad;     /* the request is too short */
    bool full;    /* the reply does not fit */
};

static u64 take(struct msg *m, unsigned size)
{
    u64 v = 0;
    if (m->n - m->at < size) {
        m->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < size; i++)
        v |= (u64)m->in[m->at++] << (8 * i);
    return v;
}

/* A string into buf of 256 bytes; the empty string when it is too long or has a zero byte in it. */
static void take_name(struct msg *m, char *buf)
{
    u32 n = (u32)take(m, 2);
    *buf = 0;
    if (m->bad || n > m->n - m->at) {
        m->bad = true;
        return;
    }
    if (n < 256 && !memchr(m->in + m->at, 0, n)) {
        memcpy(buf, m->in + m->at, n);
        buf[n] = 0;
    }
    m->at += n;
}

static void give(struct msg *m, u64 v, unsigned size)
{
    if (m->max - m->len < size) {
        m->full = true;
        return;
    }
    for (unsigned i = 0; i < size; i++)
        m->out[m->len++] = (u8)(v >> (8 * i));
}

static void give_bytes(struct msg *m, const void *p, size_t n)
{
    if (m->max - m->len < n) {
        m->full = true;
        return;
    }
    memcpy(m->out + m->len, p, n);
    m->len += (u32)n;
}

static void give_qid(struct msg *m, mode_t mode, u64 ino)
{
    give(m, S_ISDIR(mode) ? 0x80 : S_ISLNK(mode) ? 0x02 : 0, 1);
    give(m, 0, 4);
    give(m, ino, 8);
}

static int give_qid_of(struct msg *m, int fd)
{
    struct stat st;
    if (fstatat(fd, "", &st, AT_EMPTY_PATH) != 0)
        return errno;
    give_qid(m, st.st_mode, st.st_ino);
    return 0;
}

/* ---- fids ----------------------------------------------------------------------------------- */

static struct fid *find(struct share *s, u64 id)
{
    for (unsigned i = 0; i < s->count; i++)
        if (s->fids[i].id == id)
            return &s->fids[i];
    return NULL;
}

static void forget(struct share *s, struct fid *f)
{
    close(f->path);
    if (f->fd >= 0)
        close(f->fd);
    *f = s->fids[--s->count];
}

/* Takes path over; an errno. */
static int remember(struct share *s, u32 id, int path)
{
    struct fid *old = find(s, id);
    if (old)
        forget(s, old);
    if (s->count == MAX_FIDS) {
        close(path);
        return EMFILE;
    }
    if (s->count == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->fids = realloc(s->fids, s->cap * sizeof *s->fids);
        CHECK(s->fids);
    }
    s->fids[s->count++] = (struct fid){id, path, -1};
    return 0;
}

static bool plain(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The file behind an O_PATH descriptor as a path that the calls without a descriptor form take. */
static const char *proc_path(int fd, char *buf)
{
    snprintf(buf, 40, "/proc/self/fd/%d", fd);
    return buf;
}

/* ---- requests: each returns an errno, 0: the reply stands ------------------------------------ */

static int do_version(struct msg *m)
{
    u32 size = (u32)take(m, 4);
    char version[256];
    take_name(m, version);
    if (m->bad || size < 4096)
        return EINVAL;
    share_reset(m->s);
    m->s->msize = size < P9_MAX_MESSAGE ? size : P9_MAX_MESSAGE;
    const char *answer = strncmp(version, "9P2000.L", 8) == 0 ? "9P2000.L" : "unknown";
    give(m, m->s->msize, 4);
    give(m, strlen(answer), 2);
    give_bytes(m, answer, strlen(answer));
    return 0;
}

static int do_attach(struct msg *m)
{
    u32 id = (u32)take(m, 4);
    if (m->bad)
        return EINVAL;
    int fd = fcntl(m->s->root, F_DUPFD_CLOEXEC, 0);
    int e = fd < 0 ? errno : remember(m->s, id, fd);
    return e ? e : give_qid_of(m, m->s->root);
}

static int do_walk(struct msg *m)
{
    const struct fid *f = find(m->s, take(m, 4));
    u32 id = (u32)take(m, 4);
    unsigned n = (unsigned)take(m, 2), done = 0;
    u32 count_at = m->len;
    if (m->bad || !f || n > MAX_WALK)
        return f ? EINVAL : EBADF;
    give(m, 0, 2);
    int fd = fcntl(f->path, F_DUPFD_CLOEXEC, 0), e = fd < 0 ? errno : 0;
    for (; !e && done < n; done++) {
        char name[256];
        take_name(m, name);
        int next = plain(name) ? openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (next < 0) {
            e = plain(name) ? errno : ENOENT;
            break;
        }
        close(fd);
        fd = next;
        e = give_qid_of(m, fd);
    }
    put_le16(m->out + count_at, (u16)done);
    if (!e)
        return remember(m->s, id, fd);
    if (fd >= 0)
        close(fd);
    return done ? 0 : e; /* a later one failed: how far it went is the answer, and there is no new fid */
}

static int do_getattr(struct msg *m)
{
    const struct fid *f = find(m->s, take(m, 4));
    struct stat st;
    if (!f)
        return EBADF;
    if (fstatat(f->path, "", &st, AT_EMPTY_PATH) != 0)
        return errno;
    give(m, 0x7ff, 8); /* the basic ones */
    give_qid(m, st.st_mode, st.st_ino);
    give(m, st.st_mode, 4);
    give(m, st.st_uid, 4);
    give(m, st.st_gid, 4);
    give(m, st.st_nlink, 8);
    give(m, st.st_rdev, 8);
    give(m, (u64)st.st_size, 8);
    give(m, (u64)st.st_blksize, 8);
    give(m, (u64)st.st_blocks, 8);
    const struct timespec t[3] = {st.st_atim, st.st_mtim, st.st_ctim};
    for (unsigned i = 0; i < 3; i++) {
        give(m, (u64)t[i].tv_sec, 8);
        give(m, (u64)t[i].tv_nsec, 8);
    }
    for (unsigned i = 0; i < 4; i++) /* birth time, generation, data version */
        give(m, 0, 8);
    return 0;
}

static int do_setattr(struct msg *m)
{
    enum { MODE = 1, UID = 2, GID = 4, SIZE = 8, ATIME = 16, MTIME = 32, ATIME_SET = 128, MTIME_SET = 256 };
    const struct fid *f = find(m->s, take(m, 4));
    u32 valid = (u32)take(m, 4), mode = (u32)take(m, 4), uid = (u32)take(m, 4), gid = (u32)take(m, 4);
    u64 size = take(m, 8), v[4];
    char p[40];
    for (unsigned i = 0; i < 4; i++)
        v[i] = take(m, 8);
    if (m->bad || !f)
        return f ? EINVAL : EBADF;
    proc_path(f->path, p);
    if (valid & MODE && chmod(p, mode & 07777) != 0)
        return errno;
    if (valid & (UID | GID) &&
        fchownat(f->path, "", valid & UID ? uid : (uid_t)-1, valid & GID ? gid : (gid_t)-1, AT_EMPTY_PATH) != 0)
        return errno;
    if (valid & SIZE && truncate(p, (off_t)size) != 0)
        return errno;
    if (valid & (ATIME | MTIME)) {
        struct timespec t[2] = {{(time_t)v[0], (long)v[1]}, {(time_t)v[2], (long)v[3]}};
        if (!(valid & ATIME_SET))
            t[0].tv_nsec = valid & ATIME ? UTIME_NOW : UTIME_OMIT;
        if (!(valid & MTIME_SET))
            t[1].tv_nsec = valid & MTIME ? UTIME_NOW : UTIME_OMIT;
        if (utimensat(AT_FDCWD, p, t, 0) != 0)
            return errno;
    }
    return 0;
}

/* Linux's open flags as the protocol has them: access mode, and these. */
static int open_flags(const struct share *s, u32 flags)
{
    int f = (int)(flags & O_ACCMODE);
    if (s->readonly && (f != O_RDONLY || flags & O_TRUNC))
        return -EROFS;
    return f | (flags & 01000 ? O_TRUNC : 0) | (flags & 02000 ? O_APPEND : 0) | O_CLOEXEC | O_NONBLOCK;
}

static int do_lopen(struct msg *m)
{
    struct fid *f = find(m->s, take(m, 4));
    int flags = open_flags(m->s, (u32)take(m, 4));
    struct stat st;
    char p[40];
    if (m->bad || !f || f->fd >= 0)
        return f ? EINVAL : EBADF;
    if (flags < 0)
        return -flags;
    if (fstatat(f->path, "", &st, AT_EMPTY_PATH) != 0)
        return errno;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return EACCES;
    f->fd = open(proc_path(f->path, p), flags);
    if (f->fd < 0)
        return errno;
    give_qid(m, st.st_mode, st.st_ino);
    give(m, 0, 4);
    return 0;
}

static int do_lcreate(struct msg *m)
{
    struct fid *f = find(m->s, take(m, 4));
    char name[256];
    take_name(m, name);
    u32 wanted = (u32)take(m, 4), mode = (u32)take(m, 4);
    int flags = open_flags(m->s, wanted);
    if (m->bad || !f || f->fd >= 0 || !plain(name))
        return f ? EINVAL : EBADF;
    if (flags < 0)
        return -flags;
    int fd = openat(f->path, name, flags | O_CREAT | O_NOFOLLOW | (wanted & 0200 ? O_EXCL : 0), mode & 0777);
    if (fd < 0)
        return errno;
    int path = openat(f->path, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (path < 0) {
        close(fd);
        return ENOENT;
    }
    close(f->path); /* the fid is the new file from now on */
    f->path = path;
    f->fd = fd;
    int e = give_qid_of(m, path);
    give(m, 0, 4);
    return e;
}

static int do_read(struct msg *m)
{
    const struct fid *f = find(m->s, take(m, 4));
    u64 off = take(m, 8);
    u32 n = (u32)take(m, 4), room = m->max - m->len;
    if (m->bad || !f || f->fd < 0 || room < 4)
        return EBADF;
    if (n > room - 4)
        n = room - 4;
    ssize_t k = pread(f->fd, m->out + m->len + 4, n, (off_t)off);
    if (k < 0)
        return errno;
    give(m, (u64)k, 4);
    m->len += (u32)k;
    return 0;
}

static int do_write(struct msg *m)
{
    const struct fid *f = find(m->s, take(m, 4));
    u64 off = take(m, 8);
    u32 n = (u32)take(m, 4);
    if (m->bad || n > m->n - m->at)
        return EINVAL;
    if (!f || f->fd < 0)
        return EBADF;
    ssize_t k = pwrite(f->fd, m->in + m->at, n, (off_t)off);
    if (k < 0)
        return errno;
    give(m, (u64)k, 4);
    return 0;
}

static int do_readdir(struct msg *m)
{
    const struct fid *f = find(m->s, take(m, 4));
    u64 off = take(m, 8);
    u32 n = (u32)take(m, 4), count_at = m->len;
    if (m->bad || !f || f->fd < 0)
        return EBADF;
    give(m, 0, 4);
    u32 end = m->max - m->len < n ? m->max : m->len + n;
    if (m->full || lseek(f->fd, (off_t)off, SEEK_SET) < 0)
        return m->full ? EINVAL : errno;
    for (long got; (got = syscall(SYS_getdents64, f->fd, m->s->chunk, sizeof m->s->chunk)) > 0;)
        for (long at = 0; at < got;) {
            const struct dirent64 *d = (const void *)(m->s->chunk + at);
            size_t len = strlen(d->d_name);
            if (end - m->len < QID + 8 + 1 + 2 + len) {
                put_le32(m->out + count_at, m->len - count_at - 4);
                return 0;
            }
            give_qid(m, d->d_type == DT_DIR ? S_IFDIR : d->d_type == DT_LNK ? S_IFLNK : S_IFREG, d->d_ino);
            give(m, (u64)d->d_off, 8);
            give(m, d->d_type, 1);
            give(m, len, 2);
            give_bytes(m, d->d_name, len);
            at += d->d_reclen;
        }
    put_le32(m->out + count_at, m->len - count_at - 4);
    return 0;
}

static int do_statfs(struct msg *m)
{
    const struct fid *f = find(m->s, take(m, 4));
    struct statfs st;
    if (!f)
        return EBADF;
    if (fstatfs(f->path, &st) != 0)
        return errno;
    give(m, 0x01021997, 4); /* V9FS_MAGIC */
    give(m, (u64)st.f_bsize, 4);
    give(m, st.f_blocks, 8);
    give(m, st.f_bfree, 8);
    give(m, st.f_bavail, 8);
    give(m, st.f_files, 8);
    give(m, st.f_ffree, 8);
    give(m, 0, 8);
    give(m, 255, 4);
    return 0;
}

static int do_readlink(struct msg *m)
{
    const struct fid *f = find(m->s, take(m, 4));
    char target[4096];
    ssize_t n = f ? readlinkat(f->path, "", target, sizeof target) : -1;
    if (n < 0)
        return f ? errno : EBADF;
    give(m, (u64)n, 2);
    give_bytes(m, target, (size_t)n);
    return 0;
}

static int made(struct msg *m, int dir, const char *name)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno;
    give_qid(m, st.st_mode, st.st_ino);
    return 0;
}

static int do_mkdir(struct msg *m)
{
    const struct fid *f = find(m->s, take(m, 4));
    char name[256];
    take_name(m, name);
    u32 mode = (u32)take(m, 4);
    if (m->bad || !f || !plain(name))
        return f ? EINVAL : EBADF;
    return mkdirat(f->path, name, mode & 0777) != 0 ? errno : made(m, f->path, name);
}

static int do_symlink(struct msg *m)
{
    const struct fid *f = find(m->s, take(m, 4));
    char name[256], target[256];
    take_name(m, name);
    take_name(m, target);
    if (m->bad || !f || !plain(name) || !*target)
        return f ? EINVAL : EBADF;
    return symlinkat(target, f->path, name) != 0 ? errno : made(m, f->path, name);
}

static int do_link(struct msg *m)
{
    const struct fid *dir = find(m->s, take(m, 4)), *f = find(m->s, take(m, 4));
    char name[256], p[40];
    take_name(m, name);
    if (m->bad || !dir || !f || !plain(name))
        return dir && f ? EINVAL : EBADF;
    return linkat(AT_FDCWD, proc_path(f->path, p), dir->path, name, AT_SYMLINK_FOLLOW) != 0 ? errno : 0;
}

static int do_renameat(struct msg *m)
{
    char from[256], to[256];
    const struct fid *a = find(m->s, take(m, 4));
    take_name(m, from);
    const struct fid *b = find(m->s, take(m, 4));
    take_name(m, to);
    if (m->bad || !a || !b || !plain(from) || !plain(to))
        return a && b ? EINVAL : EBADF;
    return renameat(a->path, from, b->path, to) != 0 ? errno : 0;
}

static int do_unlinkat(struct msg *m)
{
    const struct fid *f = find(m->s, take(m, 4));
    char name[256];
    take_name(m, name);
    u32 flags = (u32)take(m, 4);
    if (m->bad || !f || !plain(name))
        return f ? EINVAL : EBADF;
    return unlinkat(f->path, name, flags & AT_REMOVEDIR) != 0 ? errno : 0;
}

static int do_fsync(struct msg *m)
{
    const struct fid *f = find(m->s, take(m, 4));
    if (!f || f->fd < 0)
        return EBADF;
    return fsync(f->fd) != 0 ? errno : 0;
}

static int do_clunk(struct msg *m)
{
    struct fid *f = find(m->s, take(m, 4));
    if (!f)
        return EBADF;
    forget(m->s, f);
    return 0;
}

static int do_lock(struct msg *m)
{
    give(m, 0, 1);
    return 0;
}

static int do_getlock(struct msg *m)
{
    take(m, 4);
    take(m, 1);
    give(m, 2, 1); /* unlocked: nobody holds it */
    give(m, take(m, 8), 8);
    give(m, take(m, 8), 8);
    give(m, take(m, 4), 4);
    give(m, 0, 2);
    return 0;
}

static int do_nothing(struct msg *m)
{
    (void)m;
    return 0;
}

static const struct {
    u8 type;
    bool writes;
    int (*fn)(struct msg *);
} requests[] = {
    {T_VERSION, false, do_version},  {T_ATTACH, false, do_attach},    {T_WALK, false, do_walk},
    {T_GETATTR, false, do_getattr},  {T_SETATTR, true, do_setattr},   {T_LOPEN, false, do_lopen},
    {T_LCREATE, true, do_lcreate},   {T_READ, false, do_read},        {T_WRITE, true, do_write},
    {T_READDIR, false, do_readdir},  {T_STATFS, false, do_statfs},    {T_READLINK, false, do_readlink},
    {T_MKDIR, true, do_mkdir},       {T_SYMLINK, true, do_symlink},   {T_LINK, true, do_link},
    {T_RENAMEAT, true, do_renameat}, {T_UNLINKAT, true, do_unlinkat}, {T_FSYNC, false, do_fsync},
    {T_CLUNK, false, do_clunk},      {T_LOCK, false, do_lock},        {T_GETLOCK, false, do_getlock},
    {T_FLUSH, false, do_nothing},
};

u32 share_handle(void *arg, const u8 *in, u32 n, u8 *out, u32 max)
{
    struct share *s = arg;
    if (n < HEADER || max < HEADER + 4)
        return 0;
    u32 size = get_le32(in);
    struct msg m = {.s = s, .in = in, .n = size < n ? size : n, .at = HEADER, .out = out, .len = HEADER};
    m.max = max < s->msize ? max : s->msize;
    u8 type = in[4];
    int e = size < HEADER ? EINVAL : EOPNOTSUPP;
    for (unsigned i = 0; e == EOPNOTSUPP && i < ARRAY_LEN(requests); i++)
        if (requests[i].type == type) {
            e = requests[i].writes && s->readonly ? EROFS : requests[i].fn(&m);
            break;
        }
    if (!e && (m.bad || m.full))
        e = EINVAL;
    if (e) {
        m.len = HEADER;
        m.full = false;
        give(&m, (u64)e, 4);
        type = T_LERROR;
    }
    put_le32(out, m.len);
    out[4] = (u8)(type + 1);
    memcpy(out + 5, in + 5, 2); /* tag */
    return m.len;
}

void share_reset(void *arg)
{
    struct share *s = arg;
    while (s->count)
        forget(s, &s->fids[s->count - 1]);
    s->msize = P9_MAX_MESSAGE;
}

struct share *share_open(const char *path, bool readonly, char *err, size_t err_size)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(err, err_size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    struct share *s = calloc(1, sizeof *s);
    CHECK(s);
    s->root = fd;
    s->readonly = readonly;
    s->msize = P9_MAX_MESSAGE;
    return s;
}

void share_close(struct share *s)
{
    if (!s)
        return;
    share_reset(s);
    free(s->fids);
    close(s->root);
    free(s);
}
