/* Files of disk images (hostfile.h): pread, pwrite, hole punching and fdatasync, and their log. */
#include "machine/hostfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "devices/le.h"

static void note(const struct hostfile *f, char kind, u64 off, u64 len, const void *bytes)
{
    u8 h[HOSTFILE_RECORD] = {(u8)kind};
    if (!f->log)
        return;
    put_le64(h + 8, off);
    put_le64(h + 16, len);
    fwrite(h, sizeof h, 1, f->log);
    if (bytes)
        fwrite(bytes, len, 1, f->log);
    if (kind == 'F' || kind == 'G') /* so that a log of a run that was killed is of use */
        fflush(f->log);
}

/* Returns how many bytes the file has there, at most n; -1: an error. */
static ssize_t read_some(const struct hostfile *f, u64 off, u8 *buf, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t k = pread(f->fd, buf + done, n - done, (off_t)(off + done));
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -1;
        if (k == 0)
            break;
        done += (size_t)k;
    }
    return (ssize_t)done;
}

bool hostfile_read(const struct hostfile *f, u64 off, void *buf, size_t n)
{
    return read_some(f, off, buf, n) == (ssize_t)n;
}

bool hostfile_read_padded(const struct hostfile *f, u64 off, void *buf, size_t n)
{
    ssize_t k = read_some(f, off, buf, n);
    if (k >= 0)
        memset((u8 *)buf + k, 0, n - (size_t)k);
    return k >= 0;
}

bool hostfile_write(const struct hostfile *f, u64 off, const void *buf, size_t n)
{
    const u8 *p = buf;
    for (size_t done = 0; done < n;) {
        ssize_t k = pwrite(f->fd, p + done, n - done, (off_t)(off + done));
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        done += (size_t)k;
    }
    note(f, 'W', off, n, buf);
    return true;
}

bool hostfile_zero(const struct hostfile *f, u64 off, u64 n)
{
    static const u8 zeros[65536];
    if (n && fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)n) == 0) {
        note(f, 'Z', off, n, NULL);
        return true;
    }
    for (u64 k; n; off += k, n -= k) {
        k = n < sizeof zeros ? n : sizeof zeros;
        if (!hostfile_write(f, off, zeros, k))
            return false;
    }
    return true;
}

bool hostfile_sync(const struct hostfile *f)
{
    if (fdatasync(f->fd) != 0)
        return false;
    note(f, 'F', 0, 0, NULL);
    return true;
}

void hostfile_mark(const struct hostfile *f) { note(f, 'G', 0, 0, NULL); }
