/* Disk images in QEMU's qcow2 format (docs/interop/qcow2 of QEMU), versions 2 and 3, for reading. */
#pragma once
#include "core/types.h"

struct qcow2;

/* Does the file begin like one? */
bool qcow2_probe(int fd);
/* Opens the image behind fd, and its backing files, which it names relative to path.  Takes fd over (also
 * when it fails).  NULL: err holds a message for the user. */
struct qcow2 *qcow2_open(int fd, const char *path, char *err, size_t err_size);
void qcow2_close(struct qcow2 *q);
/* Bytes that the guest sees. */
u64 qcow2_size(const struct qcow2 *q);
/* Reads within the size; false: the file is damaged or cannot be read. */
bool qcow2_read(struct qcow2 *q, u64 off, u8 *buf, size_t n);
