; The boot CPU moves from its early per-CPU unit to its own. A write to the early unit after the
; copy would be lost, so no C code runs here: no call, no stack canary. Interrupts are off. An NMI
; finds a complete unit at any point, but its writes to the early unit may be lost.
; RDI: struct percpu_switch (percpu/first/setup.h).
; SPDX-License-Identifier: MIT

%define SW_UNIT      0
%define SW_EARLY     8
%define SW_WORDS     16
%define SW_GS_BASE   24
%define SW_OFF_SLOT  32
%define SW_TSS_SLOT  40
%define SW_TSS_LO    48
%define SW_TSS_HI    56
%define SW_GDT_BASE  64
%define SW_GDT_LIMIT 72
%define SW_TSS_SEL   74

%define MSR_GS_BASE  0xc0000101

section .text
bits 64

global percpu_switch_unit
percpu_switch_unit:
    mov r8, rdi
    mov rdi, [r8 + SW_UNIT]
    mov rsi, [r8 + SW_EARLY]
    mov rcx, [r8 + SW_WORDS]
    cld
    rep movsq

    mov r9, [r8 + SW_GS_BASE]           ; the copy has the early unit's offset here
    mov rdi, [r8 + SW_OFF_SLOT]
    mov [rdi], r9
    mov rdi, [r8 + SW_TSS_SLOT]         ; and the early TSS, marked busy, here
    mov rax, [r8 + SW_TSS_LO]
    mov [rdi], rax
    mov rax, [r8 + SW_TSS_HI]
    mov [rdi + 8], rax

    mov eax, r9d
    mov rdx, r9
    shr rdx, 32
    mov ecx, MSR_GS_BASE
    wrmsr

    sub rsp, 16
    mov ax, [r8 + SW_GDT_LIMIT]
    mov [rsp], ax
    mov rax, [r8 + SW_GDT_BASE]
    mov [rsp + 2], rax
    lgdt [rsp]
    add rsp, 16
    movzx eax, word [r8 + SW_TSS_SEL]
    ltr ax
    ret
