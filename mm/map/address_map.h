/*
 * The address map of docs/adr/0001-address-map.md as numbers: the one place where a virtual
 * address of Perch is decided. linker.ld and the NASM files repeat KERNEL_BASE, DIRECT_MAP_BASE and
 * EARLY_WINDOW_BASE; boot/entry checks that they agree.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_MAP_ADDRESS_MAP_H
#define PERCH_MM_MAP_ADDRESS_MAP_H

#include "kernel/base/types.h"

#define DIRECT_MAP_BASE   0xffff800000000000ULL
#define DIRECT_MAP_SIZE   (64ULL << 40)
#define PCPU_WINDOW_BASE  0xffffc00000000000ULL
#define PCPU_WINDOW_SIZE  (32ULL << 40)
#define VAREA_BASE        0xffffe00000000000ULL
#define VAREA_SIZE        (1ULL << 40)
#define KERNEL_BASE       0xffffffff80000000ULL
#define KERNEL_SIZE       SZ_1G
#define EARLY_WINDOW_BASE 0xffffffffff400000ULL
#define EARLY_WINDOW_SIZE SZ_2M

/* Physical memory from here up is not used (the direct map's size). */
#define PHYS_LIMIT DIRECT_MAP_SIZE

/* The boot tables map physical [0, BOOT_MAPPED_LIMIT) at 0 and at DIRECT_MAP_BASE. */
#define BOOT_MAPPED_LIMIT SZ_4G

/* Only for memory that the direct map (or, below 4 GiB, the boot tables) covers. */
static inline void *phys_to_virt(u64 pa)
{
    return (void *)(uintptr_t)(DIRECT_MAP_BASE + pa);
}

/* Only for an address inside the direct map. */
static inline u64 virt_to_phys(const void *va)
{
    return (u64)(uintptr_t)va - DIRECT_MAP_BASE;
}

/* Written by boot/entry32.asm: how far behind its link address the loader has put the image. */
extern u64 image_delta;

/* Only for an address inside the kernel image. */
static inline u64 image_to_phys(const void *va)
{
    return (u64)(uintptr_t)va - KERNEL_BASE + image_delta;
}

#endif
