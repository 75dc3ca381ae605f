; From the start-up IPI to C on an application processor: real mode, 32-bit, 64-bit, kernel. All
; processors may run this at once, so it uses no stack and no lock, and writes only to the
; processor's own arrival byte and record. Interrupts stay off. An NMI before the IDT is loaded
; would be fatal, but none is sent to a processor that is not online.
;
; Order: NXE, CR4, CR0 (caches on), PAT, CR3, paging; then stack and GS base; then, in C, GDT and
; TSS, IDT, local APIC, claim. SDM vol. 3, 9.4.4 and 10.8.5.
;
; Registers once the record is found: EBX data page, EBP record, ESI ticket (the record's word).
; SPDX-License-Identifier: MIT

%include "smp/start/trampoline.inc"

%define MSR_APIC_BASE 0x1b
%define APIC_EN       (1 << 11)
%define APIC_EXTD     (1 << 10)
%define MSR_X2APIC_ID 0x802
%define XAPIC_ID      0x20
%define MSR_PAT       0x277
%define MSR_MISC_ENABLE 0x1a0
%define MISC_XD_DISABLE 34
%define MSR_EFER      0xc0000080
%define MSR_GS_BASE   0xc0000101
%define CR0_PG        (1 << 31)
%define DATA_SEL      0x10

; reach STAGE_x, record: notes the stage in the record, and halts if stop_at is this stage.
%macro reach 2
    mov byte [%2 + REC_STAGE], %1
    cmp byte [%2 + REC_STOP_AT], %1
    jne %%go
%%stop:
    hlt
    jmp %%stop
%%go:
%endmacro

section .trampoline progbits alloc noexec nowrite align=16

global trampoline_code
trampoline_code:
bits 16
    cli
    rdtsc                               ; for first_tsc in the record
    mov esi, eax
    mov edi, edx
    mov ax, cs
    add ax, 0x100                       ; the data page follows the code page
    mov ds, ax

    ; The APIC id selects the arrival byte. In x2APIC mode it is in an MSR, once that mode is on
    ; (firmware may have left this processor in xAPIC mode). Else CPUID's initial id is enough.
    cmp byte [TD_X2APIC], 0
    je .initial_id
    mov ecx, MSR_APIC_BASE
    rdmsr
    or eax, APIC_EN                     ; disabled -> xAPIC -> x2APIC, step by step
    wrmsr
    or eax, APIC_EXTD
    wrmsr
    mov ecx, MSR_X2APIC_ID
    rdmsr
    jmp .arrived
.initial_id:
    mov eax, 1
    cpuid
    shr ebx, 24
    mov eax, ebx
.arrived:
    mov ebp, eax
    mov bx, ax
    and bx, ARRIVAL_MASK
    cmp byte [bx + TD_ARRIVAL], ARRIVAL_STOP
    jne .go_on
    mov byte [bx + TD_ARRIVAL], ARRIVAL_STOPPED
.stop:
    hlt
    jmp .stop
.go_on:
    mov byte [bx + TD_ARRIVAL], ARRIVAL_SEEN

    xor ebx, ebx
    mov bx, ds
    shl ebx, 4                          ; the data page's physical address
    o32 lgdt [TD_GDT_PTR]
    mov eax, cr0
    or al, 1                            ; PE; the other bits are set in 32-bit mode
    mov cr0, eax
    jmp dword far [TD_PM32]

bits 32
global trampoline_pm32
trampoline_pm32:
    mov ax, DATA_SEL
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, ebp
    cmp byte [ebx + TD_X2APIC], 0
    jne .search
    mov ecx, MSR_APIC_BASE              ; firmware may have changed the id: read it from the APIC
    rdmsr
    and eax, 0xfffff000
    mov eax, [eax + XAPIC_ID]
    shr eax, 24

    ; Binary search for EAX in ids[ECX..EDX)
.search:
    xor ecx, ecx
    mov edx, [ebx + TD_COUNT]
    mov esp, [ebx + TD_IDS]             ; no stack, so ESP is free
.next:
    cmp ecx, edx
    jae .unknown
    lea ebp, [ecx + edx]
    shr ebp, 1
    cmp eax, [esp + ebp * 4]
    je .found
    jb .lower
    lea ecx, [ebp + 1]
    jmp .next
.lower:
    mov edx, ebp
    jmp .next

.unknown:
    lock inc dword [ebx + TD_UNKNOWN]
.halt:
    hlt
    jmp .halt

.found:
    shl ebp, 6                          ; sizeof(struct smp_record)
    add ebp, [ebx + TD_RECORDS]
.word:
    mov eax, [ebp + REC_WORD]
    cmp al, BRING_HELD                  ; between two attempts: the start-up IPI that will come is
    jne .decided                        ; ignored by a processor that runs (bringup_batch.h)
    pause
    jmp .word
.decided:
    cmp al, BRING_OFFERED               ; given up, or online (a late second start-up): halt
    jne .halt
    mov [ebp + REC_FIRST_TSC], esi
    mov [ebp + REC_FIRST_TSC + 4], edi
    mov esi, eax
    reach STAGE_PROTECTED_MODE, ebp

    mov edi, ebx                        ; CPUID writes EBX
    mov eax, 0x80000001
    cpuid
global trampoline_nx_cpuid
trampoline_nx_cpuid:                    ; these two: for tests/test_entry.py
    test edx, 1 << 20
    jnz trampoline_pm32.has_nx
    cmp byte [edi + TD_INTEL], 0        ; else NXE would be a triple fault: stop at this stage
    je trampoline_pm32.halt
    mov ecx, MSR_MISC_ENABLE            ; as boot/check32.asm
    rdmsr
global trampoline_nx_read
trampoline_nx_read:
    and edx, ~(1 << (MISC_XD_DISABLE - 32))
    wrmsr
    mov eax, 0x80000001
    cpuid
    test edx, 1 << 20
    jz trampoline_pm32.halt
trampoline_pm32.has_nx:
    mov ebx, edi

    mov ecx, MSR_EFER                   ; NXE before any entry with NX is used
    mov eax, [ebx + TD_EFER]
    xor edx, edx
    wrmsr
    mov eax, [ebx + TD_CR4]
    mov cr4, eax
    mov eax, [ebx + TD_CR0]
    mov cr0, eax
    mov ecx, MSR_PAT
    mov eax, [ebx + TD_PAT]
    mov edx, [ebx + TD_PAT + 4]
    wrmsr
    mov eax, [ebx + TD_CR3]
    mov cr3, eax
    mov eax, cr0
    or eax, CR0_PG
    mov cr0, eax
    jmp far [ebx + TD_LM64]

bits 64
global trampoline_lm64
trampoline_lm64:
    mov ebp, ebp                        ; clears the upper half, undefined after the switch
    mov ebx, ebx
    mov esi, esi
    add rbp, [rbx + TD_DELTA]           ; the record's virtual address
    reach STAGE_LONG_MODE, rbp
    mov rax, [rbx + TD_ENTRY]
    jmp rax

global trampoline_code_end
trampoline_code_end:

extern smp_ap_main

section .text
bits 64

; RBP = record, ESI = ticket. Still on the trampoline's GDT, whose selectors 0x08 and 0x10 are the
; same as the kernel's.
global ap_entry64
ap_entry64:
    mov rsp, [rbp + REC_STACK_TOP]
    xor eax, eax
    mov fs, eax
    mov gs, eax                         ; before the GS base, which this would clear
    mov rax, [rbp + REC_GS_BASE]
    mov rdx, rax
    shr rdx, 32
    mov ecx, MSR_GS_BASE
    wrmsr                               ; before any C code: the stack canary is read through GS
    reach STAGE_KERNEL, rbp
    cld
    mov rdi, rbp
    xor ebp, ebp                        ; stack traces end here
    call smp_ap_main                    ; does not return
    ud2
