; What the boot CPU must have before page tables are built. Each missing feature ends with its text.
; 32-bit code without paging.
; SPDX-License-Identifier: MIT

%define KERNEL_BASE     0xffffffff80000000
%define PHYS(sym)       (sym - KERNEL_BASE)

%define MSR_MISC_ENABLE 0x1a0
%define MISC_XD_DISABLE 34
%define MSR_SEV_STATUS  0xc0010131
%define NO_LOADER       0               ; no loader whose screen could be used

extern boot_fail
extern boot_nx_was_off

section .boot.text progbits alloc exec nowrite align=16
bits 32

; Returns if this CPU has what Perch needs; else boot_fail says what is missing. ESI: the distance
; from where the image is linked. EDI and EBP are for boot_fail (refuse32.asm). Keeps these three.
global check_cpu
check_cpu:
    pushfd                              ; CPUID exists when EFLAGS.ID can be changed
    pop eax
    mov ecx, eax
    xor eax, 1 << 21
    push eax
    popfd
    pushfd
    pop eax
    cmp eax, ecx
    mov edx, msg_cpuid
    je boot_fail

    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    mov edx, msg_lm
    jb boot_fail
    mov eax, 1
    cpuid
    mov eax, edx
    ; PSE 3, MSR 5, PAE 6, CX8 8, APIC 9, PGE 13, PAT 16
    mov edx, msg_pae
    test eax, 1 << 6
    jz boot_fail
    mov edx, msg_apic
    test eax, 1 << 9
    jz boot_fail
    mov edx, msg_pge
    test eax, 1 << 13
    jz boot_fail
    mov edx, msg_pat
    test eax, 1 << 16
    jz boot_fail
    mov eax, 0x80000001
    cpuid
    mov eax, edx
    mov edx, msg_lm
    test eax, 1 << 29
    jz boot_fail
global check_nx_cpuid
check_nx_cpuid:                         ; these, and those of SEV: for tests/test_entry.py
    test eax, 1 << 20
    jnz .has_nx
    call enable_nx
    mov eax, 0x80000001
    cpuid
    test edx, 1 << 20
    mov edx, msg_nx
    jz boot_fail
.has_nx:
    jmp check_sev

; Firmware's setup can hide NX on an Intel CPU: IA32_MISC_ENABLE[34], "XD bit disable" (SDM vol. 4).
; Every Intel CPU with long mode has this MSR. Not under a hypervisor, which may not have it, and
; whose CPUID is its own decision.
enable_nx:
    mov eax, 1
    cpuid
    test ecx, 1 << 31
    jnz .done
    xor eax, eax
    cpuid
    cmp ebx, "Genu"
    jne .done
    cmp edx, "ineI"
    jne .done
    cmp ecx, "ntel"
    jne .done
    mov ecx, MSR_MISC_ENABLE
    rdmsr
global check_nx_read
check_nx_read:
    btr edx, MISC_XD_DISABLE - 32
    jnc enable_nx.done
    wrmsr
global check_nx_written
check_nx_written:
    mov byte [esi + PHYS(boot_nx_was_off)], 1
enable_nx.done:
    ret

; A guest with encrypted memory needs the C-bit in every page table entry; ours have none. Without
; paging all memory is private, so code still runs here (APM vol. 2, 15.34.5). The MSR is readable
; where CPUID has SEV, on a host too.
check_sev:
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x8000001f
    jb check_sev.done
    mov eax, 0x8000001f
    cpuid
global check_sev_read
check_sev_read:
    test eax, 1 << 1
    jz check_sev.done
    mov ecx, MSR_SEV_STATUS
    rdmsr
global check_sev_status
check_sev_status:
    test eax, 1
    jz check_sev.done
    mov edx, msg_sev
    mov edi, NO_LOADER                  ; what is written to its frame buffer here is encrypted
    jmp boot_fail
check_sev.done:
    ret

msg_cpuid:  db "perch: this CPU has no CPUID instruction", 0
msg_lm:     db "perch: this CPU has no 64-bit mode (long mode)", 0
msg_nx:     db "perch: this CPU has no NX bit, or the firmware disabled it", 0
msg_pae:    db "perch: this CPU has no PAE", 0
msg_apic:   db "perch: this CPU has no local APIC, or the firmware disabled it", 0
msg_pge:    db "perch: this CPU has no global pages (PGE)", 0
msg_pat:    db "perch: this CPU has no page attribute table (PAT)", 0
msg_sev:    db "perch: encrypted guest (SEV): not supported, page tables have no C-bit", 0
