/* The commands of a SCSI disk: SPC-4 (INQUIRY, MODE SENSE, REPORT LUNS, REQUEST SENSE...) and SBC-3 (READ, WRITE,
 * UNMAP, WRITE SAME, SYNCHRONIZE CACHE...), blocks of 512 bytes, thin provisioned.
 *
 * Sense data have the fixed format. Without the write cache (caching page, WCE) and with FUA each write is flushed.
 * A block that was unmapped may read anything (LBPRZ 0); WRITE SAME of zeros is the block device's zeroing.
 *
 * Not modelled: reservations, protection information, ORWRITE, COMPARE AND WRITE, log pages, removable media. */
#include "devices/scsi_disk.h"

#include <string.h>

#include "core/snap.h"
#include "devices/le.h"

enum { BLOCK = 512, PIECE = 65536, MAX_UNMAP = 64 };
/* blocks of one WRITE SAME or UNMAP descriptor */
#define MAX_SAME 0x3fffffu

enum opcode {
    TEST_UNIT_READY = 0x00,
    REQUEST_SENSE = 0x03,
    READ_6 = 0x08,
    WRITE_6 = 0x0a,
    INQUIRY = 0x12,
    MODE_SELECT_6 = 0x15,
    MODE_SENSE_6 = 0x1a,
    START_STOP_UNIT = 0x1b,
    READ_CAPACITY_10 = 0x25,
    READ_10 = 0x28,
    WRITE_10 = 0x2a,
    VERIFY_10 = 0x2f,
    SYNCHRONIZE_CACHE_10 = 0x35,
    WRITE_SAME_10 = 0x41,
    UNMAP = 0x42,
    MODE_SELECT_10 = 0x55,
    MODE_SENSE_10 = 0x5a,
    READ_16 = 0x88,
    WRITE_16 = 0x8a,
    VERIFY_16 = 0x8f,
    SYNCHRONIZE_CACHE_16 = 0x91,
    WRITE_SAME_16 = 0x93,
    SERVICE_ACTION_IN_16 = 0x9e,
    REPORT_LUNS = 0xa0,
    READ_12 = 0xa8,
    WRITE_12 = 0xaa,
};
enum { READ_CAPACITY_16 = 0x10 }; /* service action */
enum { PAGE_CACHING = 0x08, PAGE_CONTROL = 0x0a, PAGE_ALL = 0x3f };

/* sense key << 16 | additional sense code << 8 | qualifier */
enum {
    NO_MEDIUM = 0x023a00,
    MEDIUM_READ_ERROR = 0x031100,
    MEDIUM_WRITE_ERROR = 0x030c00,
    PARAMETER_LIST_LENGTH = 0x051a00,
    INVALID_OPCODE = 0x052000,
    LBA_OUT_OF_RANGE = 0x052100,
    INVALID_FIELD_IN_CDB = 0x052400,
    NO_LOGICAL_UNIT = 0x052500,
    INVALID_FIELD_IN_LIST = 0x052600,
    WRITE_PROTECTED = 0x072700,
};

static void put_sense(u8 *s, u32 code)
{
    memset(s, 0, SCSI_SENSE);
    s[0] = 0x70;
    s[2] = (u8)(code >> 16);
    s[7] = SCSI_SENSE - 8;
    s[12] = (u8)(code >> 8);
    s[13] = (u8)code;
}

static enum scsi_status fail(struct scsi_disk *d, u32 code)
{
    put_sense(d->sense, code);
    return SCSI_CHECK_CONDITION;
}

static u64 blocks(const struct scsi_disk *d) { return d->disk->size / BLOCK; }

/* Answers with n bytes of which the initiator wants at most alloc. */
static enum scsi_status answer(struct scsi_io *io, const u8 *data, u64 n, u64 alloc)
{
    io->moved = io->put(io->arg, 0, data, n < alloc ? n : alloc);
    return SCSI_GOOD;
}

/* ---- who it is ------------------------------------------------------------------------------ */

static u8 qualifier(const struct scsi_disk *d) { return d->disk ? 0 : 0x7f; }

static unsigned serial_page(const struct scsi_disk *d, u8 *p)
{
    size_t n = d->serial ? strnlen(d->serial, 36) : 0;
    if (n)
        memcpy(p + 4, d->serial, n);
    return 4 + (unsigned)n;
}

/* One designator: T10 vendor, the vendor and then what tells the unit from others. */
static unsigned identification_page(const struct scsi_disk *d, u8 *p)
{
    static const char vendor[8] = "ELARA   ";
    size_t n = d->serial ? strnlen(d->serial, 36) : 0;
    if (!n)
        return 4;
    p[4] = 2; /* ASCII */
    p[5] = 1; /* T10 vendor identification, of the logical unit */
    p[7] = (u8)(8 + n);
    memcpy(p + 8, vendor, 8);
    memcpy(p + 16, d->serial, n);
    return 16 + (unsigned)n;
}

static unsigned limits_page(u8 *p)
{
    p[4] = 1;                    /* WRITE SAME of no blocks is refused */
    put_be32(p + 20, MAX_SAME);  /* UNMAP: blocks, */
    put_be32(p + 24, MAX_UNMAP); /* descriptors */
    put_be32(p + 28, 1);         /* granularity */
    put_be64(p + 36, MAX_SAME);  /* WRITE SAME */
    return 64;
}

static enum scsi_status vital_product_data(struct scsi_disk *d, u8 page, u64 alloc, struct scsi_io *io)
{
    static const u8 pages[] = {0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2};
    u8 p[128] = {qualifier(d), page};
    unsigned n = 64;
    switch (page) {
    case 0x00:
        memcpy(p + 4, pages, sizeof pages);
        n = 4 + sizeof pages;
        break;
    case 0x80: n = serial_page(d, p); break;
    case 0x83: n = identification_page(d, p); break;
    case 0xb0: n = limits_page(p); break;
    case 0xb1: p[5] = 1; break; /* does not rotate */
    case 0xb2:
        p[5] = 0xe0; /* UNMAP, WRITE SAME (16) and (10) with UNMAP */
        p[6] = 2;    /* thin */
        n = 8;
        break;
    default: return fail(d, INVALID_FIELD_IN_CDB);
    }
    put_be16(p + 2, (u16)(n - 4));
    return answer(io, p, n, alloc);
}

static enum scsi_status inquiry(struct scsi_disk *d, const u8 *cdb, struct scsi_io *io)
{
    u64 alloc = get_be16(cdb + 3);
    if (cdb[1] & 1)
        return vital_product_data(d, cdb[2], alloc, io);
    if (cdb[1] || cdb[2])
        return fail(d, INVALID_FIELD_IN_CDB);
    u8 p[36] = {qualifier(d), 0, 6 /* SPC-4 */, 0x12 /* HiSup, format 2 */, 31, 0, 0, 2 /* CmdQue */};
    memcpy(p + 8, "ELARA   ELARA HARDDISK  1   ", 28);
    return answer(io, p, sizeof p, alloc);
}

static enum scsi_status report_luns(struct scsi_disk *d, const u8 *cdb, struct scsi_io *io)
{
    u8 p[8 + 64 * 8] = {0};
    unsigned n = 8;
    if (cdb[2] > 2)
        return fail(d, INVALID_FIELD_IN_CDB);
    for (unsigned i = 0; i < 64 && cdb[2] != 1; i++) /* 1: well-known units only */
        if (d->luns >> i & 1) {
            p[n + 1] = (u8)i;
            n += 8;
        }
    put_be32(p, n - 8);
    return answer(io, p, n, get_be32(cdb + 6));
}

static enum scsi_status request_sense(struct scsi_disk *d, const u8 *cdb, struct scsi_io *io)
{
    u8 p[SCSI_SENSE];
    if (cdb[1] & 1)
        return fail(d, INVALID_FIELD_IN_CDB); /* descriptor format */
    put_sense(p, !d->disk ? NO_LOGICAL_UNIT : d->attention ? 6u << 16 | (u32)d->attention << 8 | d->qualifier : 0);
    d->attention = 0;
    return answer(io, p, sizeof p, cdb[4]);
}

/* ---- mode pages ------------------------------------------------------------------------------ */

/* control: 0 current, 1 changeable, 2 default values. */
static unsigned mode_page(const struct scsi_disk *d, u8 *p, unsigned page, unsigned control)
{
    bool wce = control == 0 ? d->wce : !d->disk->readonly;
    if (page == PAGE_CACHING) {
        p[0] = PAGE_CACHING;
        p[1] = 18;
        p[2] = wce ? 4 : 0;
        return 20;
    }
    p[0] = PAGE_CONTROL;
    p[1] = 10;
    p[3] = control == 1 ? 0 : 0x10; /* reordering is not restricted */
    return 12;
}

static enum scsi_status mode_sense(struct scsi_disk *d, const u8 *cdb, struct scsi_io *io)
{
    bool ten = cdb[0] == MODE_SENSE_10;
    u8 p[64] = {0}, page = cdb[2] & 63, control = cdb[2] >> 6;
    unsigned header = ten ? 8 : 4, n = header;
    if (control == 3)
        return fail(d, 0x053900); /* saved values are not there */
    if ((page != PAGE_CACHING && page != PAGE_CONTROL && page != PAGE_ALL) || (cdb[3] && cdb[3] != 0xff))
        return fail(d, INVALID_FIELD_IN_CDB);
    if (!(cdb[1] & 8)) { /* a block descriptor */
        u64 count = blocks(d);
        put_be32(p + n, count > 0xffffffff ? 0xffffffff : (u32)count);
        put_be32(p + n + 4, BLOCK);
        n += 8;
    }
    p[ten ? 7 : 3] = (u8)(n - header);
    if (page == PAGE_CACHING || page == PAGE_ALL)
        n += mode_page(d, p + n, PAGE_CACHING, control);
    if (page == PAGE_CONTROL || page == PAGE_ALL)
        n += mode_page(d, p + n, PAGE_CONTROL, control);
    u8 specific = (u8)(0x10 | (d->disk->readonly ? 0x80 : 0)); /* DPOFUA, WP */
    if (ten) {
        put_be16(p, (u16)(n - 2));
        p[3] = specific;
    } else {
        p[0] = (u8)(n - 1);
        p[2] = specific;
    }
    return answer(io, p, n, ten ? get_be16(cdb + 7) : cdb[4]);
}

/* The pages have to be what MODE SENSE says, but for the write cache. */
static enum scsi_status mode_select(struct scsi_disk *d, const u8 *cdb, struct scsi_io *io)
{
    bool ten = cdb[0] == MODE_SELECT_10, wce = d->wce;
    unsigned len = ten ? get_be16(cdb + 7) : cdb[4], header = ten ? 8 : 4;
    u8 p[128] = {0};
    if (!(cdb[1] & 0x10) || cdb[1] & 1)
        return fail(d, INVALID_FIELD_IN_CDB);
    if (!len)
        return SCSI_GOOD;
    if (len < header || len > sizeof p || io->get(io->arg, 0, p, len) != len)
        return fail(d, PARAMETER_LIST_LENGTH);
    io->moved = len;
    io->out = true;
    unsigned at = header + (ten ? get_be16(p + 6) : p[3]);
    while (at < len) {
        u8 want[20] = {0};
        unsigned page = p[at] & 63;
        if (page != PAGE_CACHING && page != PAGE_CONTROL)
            return fail(d, INVALID_FIELD_IN_LIST);
        unsigned n = mode_page(d, want, page, 0);
        if (at + n > len || p[at + 1] != want[1])
            return fail(d, PARAMETER_LIST_LENGTH);
        if (page == PAGE_CACHING) {
            wce = p[at + 2] & 4;
            want[2] = (u8)((want[2] & ~4u) | (wce ? 4 : 0));
            if (wce && d->disk->readonly)
                return fail(d, INVALID_FIELD_IN_LIST);
        }
        if (memcmp(p + at + 2, want + 2, n - 2) != 0)
            return fail(d, INVALID_FIELD_IN_LIST);
        at += n;
    }
    if (d->wce && !wce && !d->disk->ops->flush(d->disk))
        return fail(d, MEDIUM_WRITE_ERROR);
    d->wce = wce;
    return SCSI_GOOD;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static enum scsi_status read_capacity_10(struct scsi_disk *d, struct scsi_io *io)
{
    u8 p[8];
    u64 last = blocks(d) - 1;
    put_be32(p, last > 0xfffffffe ? 0xffffffff : (u32)last);
    put_be32(p + 4, BLOCK);
    return answer(io, p, sizeof p, sizeof p);
}

static enum scsi_status read_capacity_16(struct scsi_disk *d, const u8 *cdb, struct scsi_io *io)
{
    u8 p[32] = {[14] = 0x80}; /* thin provisioned */
    if ((cdb[1] & 31) != READ_CAPACITY_16)
        return fail(d, INVALID_FIELD_IN_CDB);
    put_be64(p, blocks(d) - 1);
    put_be32(p + 8, BLOCK);
    return answer(io, p, sizeof p, get_be32(cdb + 10));
}

/* Where a command of 6, 10, 12 or 16 bytes points. */
static void extent(const u8 *cdb, u64 *lba, u64 *count)
{
    switch (cdb[0] >> 5) {
    case 0:
        *lba = (get_be32(cdb) & 0x1fffff);
        *count = cdb[4] ? cdb[4] : 256;
        break;
    case 4:
        *lba = get_be64(cdb + 2);
        *count = get_be32(cdb + 10);
        break;
    case 5:
        *lba = get_be32(cdb + 2);
        *count = get_be32(cdb + 6);
        break;
    default:
        *lba = get_be32(cdb + 2);
        *count = get_be16(cdb + 7);
        break;
    }
}

static bool inside(const struct scsi_disk *d, u64 lba, u64 count)
{
    return lba <= blocks(d) && count <= blocks(d) - lba;
}

static enum scsi_status durable(struct scsi_disk *d, bool now)
{
    return now && !d->disk->ops->flush(d->disk) ? fail(d, MEDIUM_WRITE_ERROR) : SCSI_GOOD;
}

static enum scsi_status transfer(struct scsi_disk *d, const u8 *cdb, struct scsi_io *io, bool write)
{
    u64 lba, count;
    u8 piece[PIECE];
    bool six = cdb[0] >> 5 == 0, fua = !six && cdb[1] & 8;
    extent(cdb, &lba, &count);
    if (!six && cdb[1] >> 5)
        return fail(d, INVALID_FIELD_IN_CDB); /* protection information */
    if (write && d->disk->readonly)
        return fail(d, WRITE_PROTECTED);
    if (!inside(d, lba, count))
        return fail(d, LBA_OUT_OF_RANGE);
    io->out = write;
    for (u64 at = 0, n = count * BLOCK; at < n;) {
        size_t k = n - at < sizeof piece ? (size_t)(n - at) : sizeof piece;
        if (!write && !d->disk->ops->read(d->disk, lba * BLOCK + at, piece, k))
            return fail(d, MEDIUM_READ_ERROR);
        size_t got = write ? io->get(io->arg, at, piece, k) : io->put(io->arg, at, piece, k);
        if (write && !d->disk->ops->write(d->disk, lba * BLOCK + at, piece, got - got % BLOCK))
            return fail(d, MEDIUM_WRITE_ERROR);
        at += got;
        io->moved = at;
        if (got < k)
            break; /* the buffer is shorter than the command said; who carries it reports that */
    }
    return durable(d, write && (fua || !d->wce));
}

static enum scsi_status synchronize(struct scsi_disk *d, const u8 *cdb)
{
    u64 lba, count;
    extent(cdb, &lba, &count);
    return inside(d, lba, count) ? durable(d, true) : fail(d, LBA_OUT_OF_RANGE);
}

static enum scsi_status verify(struct scsi_disk *d, const u8 *cdb)
{
    u64 lba, count;
    extent(cdb, &lba, &count);
    if (cdb[1] & 6)
        return fail(d, INVALID_FIELD_IN_CDB); /* BYTCHK: comparing with sent data */
    return inside(d, lba, count) ? SCSI_GOOD : fail(d, LBA_OUT_OF_RANGE);
}

static enum scsi_status write_same(struct scsi_disk *d, const u8 *cdb, struct scsi_io *io)
{
    static const u8 zero[BLOCK];
    u64 lba, count;
    u8 data[BLOCK] = {0}, piece[PIECE];
    bool none = cdb[0] == WRITE_SAME_16 && cdb[1] & 1; /* NDOB: zeros, without sending them */
    extent(cdb, &lba, &count);
    if (cdb[1] >> 5 || !count || count > MAX_SAME)
        return fail(d, INVALID_FIELD_IN_CDB);
    if (d->disk->readonly)
        return fail(d, WRITE_PROTECTED);
    if (!inside(d, lba, count))
        return fail(d, LBA_OUT_OF_RANGE);
    if (!none && io->get(io->arg, 0, data, BLOCK) != BLOCK)
        return fail(d, PARAMETER_LIST_LENGTH);
    io->moved = none ? 0 : BLOCK;
    io->out = true;
    if (memcmp(data, zero, BLOCK) == 0)
        return d->disk->ops->discard(d->disk, lba * BLOCK, count * BLOCK, true) ? durable(d, !d->wce)
                                                                                : fail(d, MEDIUM_WRITE_ERROR);
    for (unsigned at = 0; at < sizeof piece; at += BLOCK)
        memcpy(piece + at, data, BLOCK);
    for (u64 at = 0, n = count * BLOCK; at < n; at += sizeof piece)
        if (!d->disk->ops->write(d->disk, lba * BLOCK + at, piece, n - at < sizeof piece ? n - at : sizeof piece))
            return fail(d, MEDIUM_WRITE_ERROR);
    return durable(d, !d->wce);
}

static enum scsi_status unmap(struct scsi_disk *d, const u8 *cdb, struct scsi_io *io)
{
    u8 list[8 + 16 * MAX_UNMAP];
    unsigned len = get_be16(cdb + 7);
    if (d->disk->readonly)
        return fail(d, WRITE_PROTECTED);
    if (!len)
        return SCSI_GOOD;
    if (len < 8 || len > sizeof list || io->get(io->arg, 0, list, len) != len)
        return fail(d, PARAMETER_LIST_LENGTH);
    unsigned n = get_be16(list + 2);
    io->moved = len;
    io->out = true;
    if (n > len - 8)
        return fail(d, INVALID_FIELD_IN_LIST);
    n -= n % 16;
    for (unsigned at = 8; at < 8 + n; at += 16) { /* nothing is unmapped when one descriptor is wrong */
        u64 count = get_be32(list + at + 8);
        if (!inside(d, get_be64(list + at), count))
            return fail(d, LBA_OUT_OF_RANGE);
        if (count > MAX_SAME)
            return fail(d, INVALID_FIELD_IN_LIST);
    }
    for (unsigned at = 8; at < 8 + n; at += 16)
        if (!d->disk->ops->discard(d->disk, get_be64(list + at) * BLOCK, (u64)get_be32(list + at + 8) * BLOCK, false))
            return fail(d, MEDIUM_WRITE_ERROR);
    return durable(d, !d->wce);
}

/* ---- the commands ---------------------------------------------------------------------------- */

enum scsi_status scsi_disk_command(struct scsi_disk *d, const u8 cdb[16], struct scsi_io *io)
{
    io->moved = 0;
    io->out = false;
    switch (cdb[0]) { /* what a missing unit answers too, and a pending unit attention does not stop */
    case INQUIRY: return inquiry(d, cdb, io);
    case REPORT_LUNS: return report_luns(d, cdb, io);
    case REQUEST_SENSE: return request_sense(d, cdb, io);
    }
    if (!d->disk)
        return fail(d, NO_LOGICAL_UNIT);
    if (d->attention) {
        u32 code = 6u << 16 | (u32)d->attention << 8 | d->qualifier;
        d->attention = 0;
        return fail(d, code);
    }
    if (!blocks(d))
        return fail(d, NO_MEDIUM);
    switch (cdb[0]) {
    case TEST_UNIT_READY:
    case START_STOP_UNIT: return SCSI_GOOD;
    case READ_6:
    case READ_10:
    case READ_12:
    case READ_16: return transfer(d, cdb, io, false);
    case WRITE_6:
    case WRITE_10:
    case WRITE_12:
    case WRITE_16: return transfer(d, cdb, io, true);
    case VERIFY_10:
    case VERIFY_16: return verify(d, cdb);
    case SYNCHRONIZE_CACHE_10:
    case SYNCHRONIZE_CACHE_16: return synchronize(d, cdb);
    case WRITE_SAME_10:
    case WRITE_SAME_16: return write_same(d, cdb, io);
    case UNMAP: return unmap(d, cdb, io);
    case READ_CAPACITY_10: return read_capacity_10(d, io);
    case SERVICE_ACTION_IN_16: return read_capacity_16(d, cdb, io);
    case MODE_SENSE_6:
    case MODE_SENSE_10: return mode_sense(d, cdb, io);
    case MODE_SELECT_6:
    case MODE_SELECT_10: return mode_select(d, cdb, io);
    }
    return fail(d, INVALID_OPCODE);
}

void scsi_disk_reset(struct scsi_disk *d, u8 how)
{
    d->attention = d->disk ? 0x29 : 0;
    d->qualifier = how;
    d->wce = d->disk && !d->disk->readonly;
    memset(d->sense, 0, sizeof d->sense);
}

void scsi_disk_init(struct scsi_disk *d, struct blockdev *disk, const char *serial, u8 lun)
{
    *d = (struct scsi_disk){.disk = disk, .serial = serial, .lun = lun};
    scsi_disk_reset(d, 0);
}

void scsi_disk_state(struct scsi_disk *d, struct snap *s)
{
    SNAP(s, d, sense);
    SNAP(s, d, attention);
    SNAP(s, d, qualifier);
    SNAP_BOOL(s, d, wce);
    if (d->disk && d->disk->ops->state)
        d->disk->ops->state(d->disk, s);
}
