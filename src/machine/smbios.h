/* SMBIOS tables of the board, handed to firmware through fw_cfg. */
#pragma once
#include "machine/config.h"

struct fw_cfg;

/* Adds etc/smbios/smbios-anchor and etc/smbios/smbios-tables: firmware places the tables and completes the anchor
 * (EDK2's SmbiosPlatformDxe), and adds the BIOS information (type 0) itself. */
void smbios_add(struct fw_cfg *f, const struct config *c);
