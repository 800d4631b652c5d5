/* A SCSI disk (SPC-4, SBC-3): one logical unit over a block device. Who carries commands to it gives a struct scsi_io. */
#pragma once
#include "devices/blockdev.h"

struct snap;

enum { SCSI_SENSE = 18 };
enum scsi_status { SCSI_GOOD = 0, SCSI_CHECK_CONDITION = 2 };

/* The data of a command: bytes from the initiator and towards it. */
struct scsi_io {
    void *arg;
    size_t (*get)(void *arg, u64 off, void *buf, size_t n);       /* fewer than n: they are not there */
    size_t (*put)(void *arg, u64 off, const void *buf, size_t n); /* what fits */
    u64 out_len, in_len;
    u64 moved; /* bytes that the command moved in its one direction */
    bool out;  /* which direction that is */
};

struct scsi_disk {
    struct blockdev *disk; /* NULL: no such logical unit, which the target answers all the same */
    const char *serial;
    u64 luns; /* the target's logical units 0 to 63, a bit each */
    u8 lun;
    u8 sense[SCSI_SENSE]; /* of the last command that ended in CHECK CONDITION */
    u8 attention;         /* the additional sense code (29h) of a pending unit attention, 0: none; its qualifier: */
    u8 qualifier;
    bool wce; /* write cache: a write is durable only after a flush */
};

void scsi_disk_init(struct scsi_disk *d, struct blockdev *disk, const char *serial, u8 lun);
/* qualifier: 0 power on, 2 bus reset, 3 device reset. */
void scsi_disk_reset(struct scsi_disk *d, u8 qualifier);
enum scsi_status scsi_disk_command(struct scsi_disk *d, const u8 cdb[16], struct scsi_io *io);
void scsi_disk_state(struct scsi_disk *d, struct snap *s);
