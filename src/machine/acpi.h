/* ACPI tables of the board, handed to firmware through fw_cfg. */
#pragma once
#include "machine/config.h"

struct fw_cfg;

/* Adds etc/acpi/rsdp, etc/acpi/tables and etc/table-loader: firmware places the tables, and patches addresses and
 * checksums as the loader file says (QEMU's docs/specs; EDK2's QemuFwCfgAcpiPlatformDxe). */
void acpi_add(struct fw_cfg *f, const struct config *c);
