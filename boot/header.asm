; The two entry points: the Multiboot2 header (GRUB) and the PVH note (qemu -kernel).
; Multiboot2 specification 2.0, section 3.1; PVH: Xen public/arch-x86/hvm/start_info.h and
; elfnote.h.
; SPDX-License-Identifier: MIT

%define MB2_MAGIC    0xe85250d6
%define MB2_ARCH_X86 0

extern mb2_start32
extern pvh_start32

section .boot.header progbits alloc noexec nowrite align=8
mb2_header:
    dd MB2_MAGIC, MB2_ARCH_X86, mb2_header_end - mb2_header
    dd 0x100000000 - (MB2_MAGIC + MB2_ARCH_X86 + (mb2_header_end - mb2_header))

    align 8
    dw 1, 0                     ; information request: memory map (6)
    dd 12, 6

    align 8
    dw 1, 1                     ; optional request: framebuffer (8), EFI memory map (17)
    dd 16, 8, 17

    align 8
    dw 5, 1                     ; framebuffer, optional: what every display and BMC can show
    dd 20, 1024, 768, 32

    align 8
    dw 3, 0                     ; entry address: the ELF header's is the PVH entry
    dd 12
    dd mb2_start32

    align 8
    dw 10, 1                    ; relocatable, optional: the lowest free memory from 2 MiB on
    dd 24, 0x200000, 0xffffffff, 0x200000, 1

    align 8
    dw 6, 0                     ; modules on page boundaries
    dd 8

    align 8
    dw 0, 0                     ; end
    dd 8
mb2_header_end:

section .note.Xen note alloc noexec nowrite align=4
    dd 4, 4, 18                 ; name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY
    db "Xen", 0
    dd pvh_start32
