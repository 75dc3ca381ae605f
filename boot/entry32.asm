; From both entry points to 64-bit code in the higher half: CPU checks (check32.asm), boot page
; tables, long mode; exceptions on the way are in fault32.asm. Runs on the boot CPU only,
; interrupts off, paging off on entry, flat segments.
;
; A Multiboot2 loader may put the image anywhere below 4 GiB, at a multiple of 2 MiB: docs/adr/0023.
; Until paging is on, ESI is the distance from where it is linked, and ESI + PHYS() an address.
;
; Boot tables (docs/adr/0001): physical 0-4 GiB at 0 and at DIRECT_MAP_BASE with 2 MiB pages, the
; image at KERNEL_BASE + 2 MiB, and the page table of the early window, empty. They are writable
; and executable everywhere; kernel_main replaces them by the final tables.
; SPDX-License-Identifier: MIT

%define KERNEL_BASE   0xffffffff80000000
%define PHYS(sym)     (sym - KERNEL_BASE)

%define PTE_P         0x001
%define PTE_W         0x002
%define PTE_PS        0x080
%define PTE_G         0x100

%define CR0_BITS      0x80010033        ; PG WP NE ET MP PE
%define CR4_BITS      0x000000a0        ; PGE PAE
%define MSR_EFER      0xc0000080
%define EFER_BITS     0x900             ; NXE LME

extern boot_fail
extern check_cpu
extern fault_init
extern entry64
extern boot_entry_cr4
extern __image_end_phys

section .boot.text progbits alloc exec nowrite align=16
bits 32

global mb2_start32
mb2_start32:
    xor esi, esi
    mov esp, PHYS(boot_stack_top)       ; for boot_fail only
    xor edi, edi                        ; without the magic EBX may be anything: no frame buffer
    cmp eax, 0x36d76289                 ; Multiboot2 3.3: the loader's magic
    mov edx, msg_loader
    jne boot_fail
    ; Only a call tells where this runs. There is no stack yet, so the return address goes to the
    ; second word of the loader's information, which is reserved (Multiboot2 3.6.1).
    lea esp, [ebx + 8]
    call .here
.here:
    pop esi
    sub esi, .here
    mov dword [ebx + 4], 0
    mov edi, 1                          ; BOOT_MULTIBOOT2
    jmp start32

global pvh_start32
pvh_start32:
    xor esi, esi                        ; QEMU loads the image where it is linked
    mov edi, 2                          ; BOOT_PVH; EBX = hvm_start_info in both cases: the info

start32:
    cli
    cld
    lea esp, [esi + PHYS(boot_stack_top)]
    mov ebp, ebx
    lea eax, [esi + boot_gdt]           ; the loader's table may be gone (Multiboot2 3.3)
    push eax
    push word boot_gdt_limit
    lgdt [esp]
    lea eax, [esi + .own_gdt]
    push dword 0x18
    push eax
    retf
.own_gdt:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    lea esp, [esi + PHYS(boot_stack_top)]
    call fault_init
    call check_cpu
    mov eax, cr4
    mov [esi + PHYS(boot_entry_cr4)], eax
    mov [esi + PHYS(image_delta)], esi
    call build_tables

    mov eax, CR4_BITS                   ; all of CR4: clears LA57, which works only here
    mov cr4, eax
    lea eax, [esi + PHYS(boot_pml4)]
    mov cr3, eax
    mov ecx, MSR_EFER                   ; all of it: a loader's SCE or TCE would change what we do
    mov eax, EFER_BITS
    xor edx, edx
    wrmsr
    mov eax, CR0_BITS
    mov cr0, eax
    lea eax, [esi + start64]
    push dword 0x08
    push eax
    retf

; ---- boot tables ------------------------------------------------------------------------------
%macro ENTRY_TO 2                       ; table and offset, the table that the entry leads to
    lea eax, [esi + PHYS(%2) + PTE_P + PTE_W]
    mov [esi + PHYS(%1)], eax
%endmacro

build_tables:
    push edi
    lea edi, [esi + PHYS(boot_pml4)]    ; the loader clears .bss; do not trust it with page tables
    mov ecx, (boot_tables_end - boot_pml4) / 4
    xor eax, eax
    rep stosd

    ENTRY_TO boot_pml4, boot_pdpt_low
    ENTRY_TO boot_pml4 + 256 * 8, boot_pdpt_low
    ENTRY_TO boot_pml4 + 511 * 8, boot_pdpt_high
    ENTRY_TO boot_pdpt_low + 0, boot_pd_low
    ENTRY_TO boot_pdpt_low + 8, boot_pd_low + 0x1000
    ENTRY_TO boot_pdpt_low + 16, boot_pd_low + 0x2000
    ENTRY_TO boot_pdpt_low + 24, boot_pd_low + 0x3000
    ENTRY_TO boot_pdpt_high + 510 * 8, boot_pd_image
    ENTRY_TO boot_pdpt_high + 511 * 8, boot_pd_fix
    ENTRY_TO boot_pd_fix + 506 * 8, early_window_pt

    lea edi, [esi + PHYS(boot_pd_low)]
    mov eax, PTE_P + PTE_W + PTE_PS
    mov ecx, 4 * 512
    call .fill
    lea edi, [esi + PHYS(boot_pd_image) + 8]
    lea eax, [esi + (1 << 21) + PTE_P + PTE_W + PTE_PS]
    mov ecx, __image_end_phys - 1       ; the image begins in the second page of 2 MiB
    shr ecx, 21
    call .fill
    pop edi
    ret

.fill:                                  ; ECX entries at EDI, from EAX on
    mov [edi], eax
    add edi, 8
    add eax, 1 << 21
    loop .fill
    ret

msg_loader: db "perch: not started by a Multiboot2 loader", 0

    align 8
boot_gdt:
    dq 0
    dq 0x00af9b000000ffff               ; 0x08: 64-bit code, accessed
    dq 0x00cf93000000ffff               ; 0x10: data, accessed
    dq 0x00cf9b000000ffff               ; 0x18: 32-bit code, accessed
boot_gdt_limit equ $ - boot_gdt - 1

bits 64
start64:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax                         ; the last time: from here on GS is a base in an MSR
    mov esi, ebp                        ; physical address of the loader's information
    mov rax, entry64
    jmp rax

section .data
    align 8
global image_delta
image_delta:     dq 0

section .boot_tables nobits alloc noexec write align=4096
global boot_pml4
boot_pml4:       resb 4096
boot_pdpt_low:   resb 4096
global boot_pd_low
boot_pd_low:     resb 4 * 4096
boot_pd_image:   resb 4096
boot_pdpt_high:  resb 4096
boot_pd_fix:     resb 4096
global early_window_pt
early_window_pt: resb 4096
boot_tables_end:

section .boot_stack nobits alloc noexec write align=4096
global boot_stack
boot_stack:      resb 4 * 4096
global boot_stack_top
boot_stack_top:
