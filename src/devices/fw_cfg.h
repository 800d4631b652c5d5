/* The firmware configuration device of QEMU's boards (docs/specs/fw_cfg of QEMU), MMIO form. */
#pragma once
#include "core/bus.h"

enum { FW_CFG_SIZE = 0x18 };

/* Well-known keys; files begin at FW_CFG_FILE_FIRST. */
enum fw_cfg_key {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_BOOT_MENU = 0x0e,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_SETUP_SIZE = 0x17,
    FW_CFG_SETUP_DATA = 0x18,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
};
enum { FW_CFG_FILES = 64, FW_CFG_KEYS = FW_CFG_FILE_FIRST + FW_CFG_FILES };

struct fw_cfg_config {
    const char *id;
    struct log *log;
    struct dma dma;
};

struct fw_cfg;
struct fw_cfg *fw_cfg_new(const struct fw_cfg_config *cfg);
struct device *fw_cfg_device(struct fw_cfg *f);

/* Content; the bytes are copied.  Before the guest runs. */
void fw_cfg_add(struct fw_cfg *f, enum fw_cfg_key key, const void *bytes, u32 n);
void fw_cfg_add16(struct fw_cfg *f, enum fw_cfg_key key, u16 val); /* little-endian, as the keys' owners want */
void fw_cfg_add32(struct fw_cfg *f, enum fw_cfg_key key, u32 val);
/* A named file (at most 55 characters); false: no room. wrote: the guest may write the n bytes, and
 * is heard when it did (the bytes as they are now); NULL: read-only. */
bool fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *bytes, u32 n,
                     void (*wrote)(void *arg, const u8 *bytes, u32 n), void *arg);
/* The bytes of a file as they are now, NULL: there is none. */
const u8 *fw_cfg_file(const struct fw_cfg *f, const char *name, u32 *n);
