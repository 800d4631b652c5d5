/* Disk images in QEMU's qcow2 format (docs/interop/qcow2 of QEMU), versions 2 and 3. */
#pragma once
#include "machine/hostfile.h"

struct qcow2;

/* Does the file begin like one? */
bool qcow2_probe(int fd);
/* Opens the image behind f, and its backing files, which it names relative to path.  Takes f.fd over (also
 * when it fails).  write: its own clusters can be written; backing files are only read.  NULL: err holds a
 * message for the user. */
struct qcow2 *qcow2_open(struct hostfile f, const char *path, bool write, char *err, size_t err_size);
/* Makes an image of size bytes at path whose content is the file base, in the format "raw" or "qcow2".  The
 * file must not exist. false: err. */
bool qcow2_create(const char *path, const char *base, const char *format, u64 size, char *err, size_t err_size);
/* Flushes what was written. */
void qcow2_close(struct qcow2 *q);
/* Bytes that the guest sees. */
u64 qcow2_size(const struct qcow2 *q);
/* The backing file's device and inode; false: there is none. */
bool qcow2_backed_by(const struct qcow2 *q, u64 *dev, u64 *ino);

/* Within the size; false: the file is damaged, full or cannot be read. */
bool qcow2_read(struct qcow2 *q, u64 off, u8 *buf, size_t n);
bool qcow2_write(struct qcow2 *q, u64 off, const u8 *buf, size_t n);
bool qcow2_zero(struct qcow2 *q, u64 off, u64 n);
/* Everything written so far is durable. */
bool qcow2_flush(struct qcow2 *q);
