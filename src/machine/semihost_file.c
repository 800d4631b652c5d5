/* Semihosting's files. A guest reaches regular files beneath one directory and nothing else: every path is resolved by
 * openat2() with RESOLVE_BENEATH, without following symbolic links, and what is not a regular file is closed again.
 * The names ":tt" and ":semihosting-features" are no files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/check.h"
#include "machine/semihost.h"

/* Magic, then bit 0: SYS_EXIT_EXTENDED, bit 1: ":tt" has a stream for errors */
static const u8 features[] = {'S', 'H', 'F', 'B', 3};

static int beneath(const struct semihost *s, const char *name, int flags, mode_t mode)
{
    struct open_how how = {.flags = (u32)(flags | O_CLOEXEC | (flags & O_PATH ? 0 : O_NONBLOCK | O_NOCTTY)),
                           .mode = flags & O_CREAT ? mode : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    if (s->dir < 0) {
        errno = EACCES;
        return -1;
    }
    return (int)syscall(SYS_openat2, s->dir, name, &how, sizeof how);
}

static int fail(struct semihost *s, int error)
{
    s->error = error;
    return -1;
}

struct semihost *semihost_new(const char *dir, struct err *e)
{
    struct semihost *s = calloc(1, sizeof *s);
    CHECK(s);
    s->dir = -1;
    if (dir && (s->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) {
        err_set(e, STATUS_USAGE, "--semihosting-dir %s: %s", dir, strerror(errno));
        free(s);
        return NULL;
    }
    return s;
}

void semihost_reset(struct semihost *s)
{
    for (unsigned i = 0; i < SEMIHOST_HANDLES; i++)
        if (s->handles[i].kind != HANDLE_FREE)
            semihost_close(s, i + 1);
    s->error = 0;
}

void semihost_free(struct semihost *s)
{
    if (!s)
        return;
    semihost_reset(s);
    if (s->dir >= 0)
        close(s->dir);
    free(s);
}

enum semihost_kind semihost_kind(struct semihost *s, u64 handle)
{
    if (handle - 1 < SEMIHOST_HANDLES && s->handles[handle - 1].kind != HANDLE_FREE)
        return s->handles[handle - 1].kind;
    s->error = EBADF;
    return HANDLE_FREE;
}

static int open_file(struct semihost *s, const char *name, unsigned mode)
{
    static const int how[] = {O_RDONLY,
                              O_RDWR,
                              O_WRONLY | O_CREAT | O_TRUNC,
                              O_RDWR | O_CREAT | O_TRUNC,
                              O_WRONLY | O_CREAT | O_APPEND,
                              O_RDWR | O_CREAT | O_APPEND};
    int fd = beneath(s, name, how[mode / 2], 0644);
    if (fd < 0)
        return fail(s, errno);
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return fail(s, EACCES);
    }
    return fd;
}

int semihost_open(struct semihost *s, const char *name, unsigned mode)
{
    unsigned i = 0;
    while (i < SEMIHOST_HANDLES && s->handles[i].kind != HANDLE_FREE)
        i++;
    if (i == SEMIHOST_HANDLES)
        return fail(s, EMFILE);
    if (mode > 11)
        return fail(s, EINVAL);
    u8 kind = HANDLE_FILE;
    int fd = -1;
    if (strcmp(name, ":tt") == 0) {
        kind = HANDLE_CONSOLE;
    } else if (strcmp(name, ":semihosting-features") == 0) {
        kind = HANDLE_FEATURES;
        if (mode > 1)
            return fail(s, EACCES);
    } else if ((fd = open_file(s, name, mode)) < 0) {
        return -1;
    }
    s->handles[i].kind = kind;
    s->handles[i].fd = fd;
    s->handles[i].at = 0;
    return (int)i + 1;
}

int semihost_close(struct semihost *s, u64 handle)
{
    enum semihost_kind kind = semihost_kind(s, handle);
    if (kind == HANDLE_FREE)
        return -1;
    if (kind == HANDLE_FILE)
        close(s->handles[handle - 1].fd);
    s->handles[handle - 1].kind = HANDLE_FREE;
    return 0;
}

s64 semihost_read(struct semihost *s, u64 handle, void *buf, size_t n)
{
    switch (semihost_kind(s, handle)) {
    case HANDLE_FREE: return -1;
    case HANDLE_CONSOLE: return 0; /* the caller reads it */
    case HANDLE_FEATURES: {
        u64 *at = &s->handles[handle - 1].at, left = *at < sizeof features ? sizeof features - *at : 0;
        n = n < left ? n : left;
        memcpy(buf, features + (left ? *at : 0), n);
        *at += n;
        return (s64)n;
    }
    case HANDLE_FILE: break;
    }
    ssize_t r = read(s->handles[handle - 1].fd, buf, n);
    return r < 0 ? fail(s, errno) : r;
}

s64 semihost_write(struct semihost *s, u64 handle, const void *buf, size_t n)
{
    switch (semihost_kind(s, handle)) {
    case HANDLE_FREE: return -1;
    case HANDLE_CONSOLE: return (s64)n; /* the caller prints it */
    case HANDLE_FEATURES: return fail(s, EACCES);
    case HANDLE_FILE: break;
    }
    ssize_t r = write(s->handles[handle - 1].fd, buf, n);
    return r < 0 ? fail(s, errno) : r;
}

int semihost_seek(struct semihost *s, u64 handle, u64 pos)
{
    switch (semihost_kind(s, handle)) {
    case HANDLE_FREE: return -1;
    case HANDLE_CONSOLE: return fail(s, ESPIPE);
    case HANDLE_FEATURES: s->handles[handle - 1].at = pos; return 0;
    case HANDLE_FILE: break;
    }
    return lseek(s->handles[handle - 1].fd, (off_t)pos, SEEK_SET) < 0 ? fail(s, errno) : 0;
}

s64 semihost_length(struct semihost *s, u64 handle)
{
    struct stat st;
    switch (semihost_kind(s, handle)) {
    case HANDLE_FREE: return -1;
    case HANDLE_CONSOLE: return 0;
    case HANDLE_FEATURES: return sizeof features;
    case HANDLE_FILE: break;
    }
    return fstat(s->handles[handle - 1].fd, &st) < 0 ? fail(s, errno) : st.st_size;
}

/* The directory of name, opened, and where its last component begins. -1: there is none. */
static int parent(struct semihost *s, const char *name, const char **last)
{
    char dir[256];
    const char *slash = strrchr(name, '/');
    *last = slash ? slash + 1 : name;
    if (!**last || strcmp(*last, ".") == 0 || strcmp(*last, "..") == 0)
        return fail(s, EACCES);
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - name) : 1, slash ? name : ".");
    int fd = beneath(s, slash && slash == name ? "/" : dir, O_PATH | O_DIRECTORY, 0);
    return fd < 0 ? fail(s, errno) : fd;
}

int semihost_system(struct semihost *s, const char *command)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none); /* the machine looks at its signals by itself */
        sigprocmask(SIG_SETMASK, &none, NULL);
        int null = open("/dev/null", O_RDONLY); /* the console's input is the guest's */
        if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && (s->dir < 0 || fchdir(s->dir) == 0))
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    if (pid < 0)
        return fail(s, errno);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int semihost_remove(struct semihost *s, const char *name)
{
    const char *last;
    int dir = parent(s, name, &last);
    if (dir < 0)
        return -1;
    int r = unlinkat(dir, last, 0) < 0 ? fail(s, errno) : 0;
    close(dir);
    return r;
}

int semihost_rename(struct semihost *s, const char *old, const char *name)
{
    const char *from, *to;
    int a = parent(s, old, &from), b = a < 0 ? -1 : parent(s, name, &to), r = -1;
    if (b >= 0) {
        r = renameat(a, from, b, to) < 0 ? fail(s, errno) : 0;
        close(b);
    }
    if (a >= 0)
        close(a);
    return r;
}
