; An exception in the first instructions ends with a line, not with a triple fault: the loader
; leaves no interrupt table that could be used (Multiboot2 3.3). Later the kernel has its own.
;
; A guest of SEV-ES cannot print: its CPUID is already an exception (#VC), and ports need memory
; that is shared with the hypervisor, so page tables with a C-bit. It can ask the hypervisor to end
; it, which the host then logs. GHCB specification (AMD 56421): MSR protocol, termination request.
; SPDX-License-Identifier: MIT

%define KERNEL_BASE   0xffffffff80000000
%define PHYS(sym)     (sym - KERNEL_BASE)

%define VECTORS       32
%define VECTOR_VC     29
%define STUB_SIZE     5                 ; a call
%define GATE          0x8e00            ; present, 32-bit interrupt gate: SDM vol. 3, 7.11
%define CODE32        0x18              ; boot_gdt
%define MSR_GHCB      0xc0010130
%define GHCB_END      0x100             ; termination request; reason set 0, reason 0: general

extern boot_fail
extern boot_halt
extern boot_stack_top

section .boot.text progbits alloc exec nowrite align=16
bits 32

; Loads the interrupt table. Needs boot_gdt and a stack. ESI: the distance from where the image is
; linked, which all 32-bit code keeps. Keeps EDI, EBP.
global fault_init
fault_init:
    lea eax, [esi + fault_stubs]
    lea edx, [esi + PHYS(boot_idt)]
    xor ecx, ecx
.next:
    mov [edx + ecx * 8], ax
    mov word [edx + ecx * 8 + 2], CODE32
    mov word [edx + ecx * 8 + 4], GATE
    rol eax, 16
    mov [edx + ecx * 8 + 6], ax
    rol eax, 16
    add eax, STUB_SIZE
    inc ecx
    cmp ecx, VECTORS
    jb .next
    push edx
    push word VECTORS * 8 - 1
    lidt [esp]
    add esp, 6
    ret

fault_stubs:                            ; the return address tells the vector
%rep VECTORS
    call strict near fault
%endrep

fault:
    pop eax
    sub eax, fault_stubs + STUB_SIZE
    sub eax, esi
    xor edx, edx
    mov ecx, STUB_SIZE
    div ecx
    cmp eax, VECTOR_VC
    je fault_vc
    lea esp, [esi + PHYS(boot_stack_top)]
    inc byte [esi + PHYS(fault_count)]
    cmp byte [esi + PHYS(fault_count)], 1
    jne boot_halt                       ; the refusal itself: a TDX guest's ports, for instance
    aam                                 ; AH, AL: the two digits
    xchg al, ah
    add [esi + PHYS(msg_fault.vector)], ax
    mov edx, PHYS(msg_fault)
    jmp boot_fail

fault_vc:
    mov ecx, MSR_GHCB
    mov eax, GHCB_END
    xor edx, edx
    wrmsr
global fault_vmgexit
fault_vmgexit:                          ; for tests/test_entry.py
    rep vmmcall                         ; VMGEXIT: does not return
.stop:
    jmp .stop

section .data
fault_count: db 0
msg_fault:   db "perch: exception "
.vector:     db "00 in the first instructions", 0

section .bss nobits alloc noexec write align=8
    align 8
boot_idt: resb VECTORS * 8
