/*
 * The wire format of the ACPI tables (little-endian, packed, any alignment), for the parsers of
 * this folder only; they copy structs out with acpi_read(). Numbers are sections of ACPI 6.5.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_TABLES_H
#define PERCH_ACPI_TABLES_H

#include "acpi/fadt.h"
#include "kernel/base/types.h"

/* 5.2.5.3 Root System Description Pointer; revision 0 ends after rsdt. */
struct acpi_rsdp {
    char sig[8]; /* "RSD PTR " */
    u8 checksum; /* over the first 20 bytes */
    char oem_id[6];
    u8 revision;
    u32 rsdt;
    u32 length;
    u64 xsdt;
    u8 ext_checksum; /* over length bytes */
    u8 reserved[3];
} PACKED;
static_assert(sizeof(struct acpi_rsdp) == 36, "RSDP");
#define ACPI_RSDP_V1_LEN 20u

/* 5.2.6 System Description Table Header */
struct acpi_header {
    char sig[4];
    u32 length;
    u8 revision;
    u8 checksum;
    char oem_id[6];
    char oem_table_id[8];
    u32 oem_revision;
    char creator_id[4];
    u32 creator_revision;
} PACKED;
static_assert(sizeof(struct acpi_header) == 36, "table header");

/* 5.2.3.2 Generic Address Structure */
struct acpi_gas_wire {
    u8 space;
    u8 bit_width;
    u8 bit_offset;
    u8 access;
    u64 address;
} PACKED;
static_assert(sizeof(struct acpi_gas_wire) == 12, "GAS");

static inline struct acpi_gas acpi_gas_of(const struct acpi_gas_wire *g)
{
    return (struct acpi_gas){
        .address = g->address,
        .space = g->space,
        .bit_width = g->bit_width,
        .bit_offset = g->bit_offset,
        .access = g->access,
    };
}

/* 5.2.9 Fixed ACPI Description Table */
struct acpi_fadt {
    struct acpi_header h;
    u32 facs;
    u32 dsdt;
    u8 int_model, pm_profile;
    u16 sci_int;
    u32 smi_cmd;
    u8 acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
    u32 pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
    u8 pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len;
    u8 gpe0_len, gpe1_len, gpe1_base, cst_cnt;
    u16 lvl2_lat, lvl3_lat, flush_size, flush_stride;
    u8 duty_offset, duty_width, day_alarm, month_alarm, century;
    u16 boot_flags;
    u8 reserved;
    u32 flags;
    struct acpi_gas_wire reset_reg; /* from offset 116 on: revision 2 and up */
    u8 reset_value;
    u16 arm_boot_flags;
    u8 minor;
    u64 x_facs, x_dsdt;
    struct acpi_gas_wire x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_tmr;
    struct acpi_gas_wire x_gpe0, x_gpe1;
    struct acpi_gas_wire sleep_control, sleep_status; /* revision 5 and up */
    u64 hypervisor;                                   /* revision 6 and up */
} PACKED;
static_assert(sizeof(struct acpi_fadt) == 276, "FADT");
static_assert(offsetof(struct acpi_fadt, flags) == 112, "FADT flags");
static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "FADT X_DSDT");
#define ACPI_FADT_V1_LEN 116u

/* 5.2.10 Firmware ACPI Control Structure: no header, no checksum. */
struct acpi_facs {
    char sig[4];
    u32 length;
    u32 hardware_signature;
} PACKED;
static_assert(sizeof(struct acpi_facs) == 12, "FACS, its first fields");
#define ACPI_FACS_MIN 64u

/* 5.2.12 Multiple APIC Description Table; entries follow. */
struct acpi_madt {
    struct acpi_header h;
    u32 lapic_address;
    u32 flags;
} PACKED;
static_assert(sizeof(struct acpi_madt) == 44, "MADT");
#define ACPI_MADT_PCAT_COMPAT (1u << 0)

enum acpi_madt_type {
    ACPI_MADT_LAPIC = 0,
    ACPI_MADT_IOAPIC = 1,
    ACPI_MADT_LAPIC_OVERRIDE = 5,
    ACPI_MADT_X2APIC = 9,
    ACPI_MADT_WAKEUP = 16,
};
#define ACPI_MADT_CPU_ENABLED        (1u << 0)
#define ACPI_MADT_CPU_ONLINE_CAPABLE (1u << 1) /* MADT revision 5 (ACPI 6.3) and up */

/* 5.2.12.2 Processor Local APIC */
struct acpi_madt_lapic {
    u8 type, length;
    u8 uid;
    u8 apic_id;
    u32 flags;
} PACKED;
static_assert(sizeof(struct acpi_madt_lapic) == 8, "MADT type 0");

/* 5.2.12.3 I/O APIC */
struct acpi_madt_ioapic {
    u8 type, length;
    u8 id;
    u8 reserved;
    u32 address;
    u32 gsi_base;
} PACKED;
static_assert(sizeof(struct acpi_madt_ioapic) == 12, "MADT type 1");

/* 5.2.12.8 Local APIC Address Override */
struct acpi_madt_override {
    u8 type, length;
    u16 reserved;
    u64 address;
} PACKED;
static_assert(sizeof(struct acpi_madt_override) == 12, "MADT type 5");

/* 5.2.12.12 Processor Local x2APIC */
struct acpi_madt_x2apic {
    u8 type, length;
    u16 reserved;
    u32 apic_id;
    u32 flags;
    u32 uid;
} PACKED;
static_assert(sizeof(struct acpi_madt_x2apic) == 16, "MADT type 9");

/* 5.2.12.19 Multiprocessor Wakeup */
struct acpi_madt_wakeup {
    u8 type, length;
    u16 mailbox_version;
    u32 reserved;
    u64 mailbox;
} PACKED;
static_assert(sizeof(struct acpi_madt_wakeup) == 16, "MADT type 16");

/* 5.2.16 System Resource Affinity Table; entries follow. */
struct acpi_srat {
    struct acpi_header h;
    u32 reserved1; /* must be 1 */
    u64 reserved2;
} PACKED;
static_assert(sizeof(struct acpi_srat) == 48, "SRAT");

enum acpi_srat_type {
    ACPI_SRAT_CPU = 0,
    ACPI_SRAT_MEMORY = 1,
    ACPI_SRAT_X2APIC = 2,
    ACPI_SRAT_INITIATOR = 5,
    ACPI_SRAT_PORT = 6,
    ACPI_SRAT_LAST = 7, /* of those that ACPI 6.5 defines */
};
#define ACPI_SRAT_ENABLED         (1u << 0)
#define ACPI_SRAT_MEM_FLAGS       0x0fu /* all that 5.2.16.2 defines, up to "specific purpose" */
#define ACPI_SRAT_INITIATOR_FLAGS 0x03u /* enabled, architectural transactions */

/* 5.2.16.1 Processor Local APIC/SAPIC Affinity */
struct acpi_srat_cpu {
    u8 type, length;
    u8 pxm_lo;
    u8 apic_id;
    u32 flags;
    u8 sapic_eid;
    u8 pxm_hi[3];
    u32 clock_domain;
} PACKED;
static_assert(sizeof(struct acpi_srat_cpu) == 16, "SRAT type 0");

/* 5.2.16.2 Memory Affinity */
struct acpi_srat_mem {
    u8 type, length;
    u32 pxm;
    u16 reserved1;
    u64 base;
    u64 size;
    u32 reserved2;
    u32 flags;
    u64 reserved3;
} PACKED;
static_assert(sizeof(struct acpi_srat_mem) == 40, "SRAT type 1");

/* 5.2.16.3 Processor Local x2APIC Affinity */
struct acpi_srat_x2apic {
    u8 type, length;
    u16 reserved1;
    u32 pxm;
    u32 apic_id;
    u32 flags;
    u32 clock_domain;
    u32 reserved2;
} PACKED;
static_assert(sizeof(struct acpi_srat_x2apic) == 24, "SRAT type 2");

/* 5.2.16.6 Generic Initiator Affinity, 5.2.16.7 Generic Port Affinity */
struct acpi_srat_initiator {
    u8 type, length;
    u8 reserved1;
    u8 handle_type;
    u32 pxm;
    u8 handle[16];
    u32 flags;
    u32 reserved2;
} PACKED;
static_assert(sizeof(struct acpi_srat_initiator) == 32, "SRAT type 5");

/* 5.2.17 System Locality Distance Information Table; n * n bytes follow. */
struct acpi_slit {
    struct acpi_header h;
    u64 n;
} PACKED;
static_assert(sizeof(struct acpi_slit) == 44, "SLIT");

/* Microsoft, Serial Port Console Redirection Table, revisions 1 to 4; a name string follows. */
struct acpi_spcr {
    struct acpi_header h;
    u8 interface;
    u8 reserved[3];
    struct acpi_gas_wire base;
    u8 interrupt_type, irq;
    u32 gsi;
    u8 baud, parity, stop_bits, flow_control;
    u8 terminal, language;
    u16 pci_device, pci_vendor;
    u8 pci_bus, pci_dev, pci_function;
    u32 pci_flags;
    u8 pci_segment;
    u32 clock_hz;     /* revision 3 and up; 0: unknown */
    u32 precise_baud; /* revision 4 and up; not 0: instead of baud */
} PACKED;
static_assert(sizeof(struct acpi_spcr) == 84, "SPCR");
static_assert(offsetof(struct acpi_spcr, baud) == 58, "SPCR baud rate");
static_assert(offsetof(struct acpi_spcr, clock_hz) == 76, "SPCR clock");
#define ACPI_SPCR_V1_LEN 80u

/* Microsoft, Debug Port Table 2, table 1: device records follow, at `offset`. */
struct acpi_dbg2 {
    struct acpi_header h;
    u32 offset;
    u32 count;
} PACKED;
static_assert(sizeof(struct acpi_dbg2) == 44, "DBG2");

/* The same, table 2: debug device information; offsets count from its own start. */
struct acpi_dbg2_device {
    u8 revision;
    u16 length;
    u8 gas_count;
    u16 name_length, name_offset;
    u16 oem_length, oem_offset;
    u16 port_type, port_subtype;
    u16 reserved;
    u16 gas_offset;  /* gas_count generic addresses */
    u16 size_offset; /* as many 32-bit sizes */
} PACKED;
static_assert(sizeof(struct acpi_dbg2_device) == 22, "DBG2 device");

/* IA-PC HPET 1.0a, 3.2.4 HPET Description Table (ACPI 6.5 reserves the signature, 5.2.6) */
struct acpi_hpet {
    struct acpi_header h;
    u32 block_id;
    struct acpi_gas_wire address;
    u8 number;
    u16 min_tick;
    u8 page_protection;
} PACKED;
static_assert(sizeof(struct acpi_hpet) == 56, "HPET");

/* 5.2.28 Heterogeneous Memory Attribute Table; structures follow. */
struct acpi_hmat {
    struct acpi_header h;
    u32 reserved;
} PACKED;
static_assert(sizeof(struct acpi_hmat) == 40, "HMAT");

/* 5.2.28.2: what every structure of the HMAT begins with. */
struct acpi_hmat_head {
    u16 type;
    u16 reserved;
    u32 length;
} PACKED;
static_assert(sizeof(struct acpi_hmat_head) == 8, "HMAT structure");

/* 5.2.28.3 Memory Proximity Domain Attributes; base and size count in revision 1 only. */
struct acpi_hmat_proximity {
    struct acpi_hmat_head head;
    u16 flags;
    u16 reserved1;
    u32 initiator;
    u32 memory;
    u32 reserved2;
    u64 base;
    u64 size;
} PACKED;
static_assert(sizeof(struct acpi_hmat_proximity) == 40, "HMAT type 0");
#define ACPI_HMAT_INITIATOR_VALID (1u << 0)
#define ACPI_HMAT_MEMORY_VALID    (1u << 1) /* revision 1 */

/* 5.2.28.4 System Locality Latency and Bandwidth Information; lists and entries follow. */
struct acpi_hmat_locality {
    struct acpi_hmat_head head;
    u8 flags;
    u8 data;
    u8 min_transfer; /* revision 2 */
    u8 reserved1;
    u32 initiators;
    u32 targets;
    u32 reserved2;
    u64 base_unit;
} PACKED;
static_assert(sizeof(struct acpi_hmat_locality) == 32, "HMAT type 1");

/* 5.2.28.5 Memory Side Cache Information; SMBIOS handles of two bytes follow. */
struct acpi_hmat_cache {
    struct acpi_hmat_head head;
    u32 memory;
    u32 reserved1;
    u64 size;
    u32 attributes;
    u16 reserved2;
    u16 handles;
} PACKED;
static_assert(sizeof(struct acpi_hmat_cache) == 32, "HMAT type 2");

/* 5.2.19 Maximum System Characteristics Table */
struct acpi_msct {
    struct acpi_header h;
    u32 offset; /* of the first domain structure */
    u32 max_domain;
    u32 max_clock;
    u64 max_address;
} PACKED;
static_assert(sizeof(struct acpi_msct) == 56, "MSCT");

/* 5.2.19.1 Maximum Proximity Domain Information Structure */
struct acpi_msct_domains {
    u8 revision;
    u8 length;
    u32 first, last;
    u32 max_cpus;
    u64 max_memory;
} PACKED;
static_assert(sizeof(struct acpi_msct_domains) == 22, "MSCT domains");

#endif
