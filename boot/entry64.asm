; The first 64-bit instructions in the higher half, on the boot CPU: the early per-CPU unit is
; filled from the template and GS points at it before any C code runs, because C code reads the
; stack canary through GS.
; SPDX-License-Identifier: MIT

%define MSR_GS_BASE 0xc0000101

extern __per_cpu_start
extern __per_cpu_end
extern __early_unit
extern boot_stack_top
extern kernel_main
extern this_cpu_off
extern first_tsc

section .text
bits 64

; EDI = enum boot_origin, ESI = physical address of the loader's information
global entry64
entry64:
    rdtsc
    shl rdx, 32
    or rax, rdx
    mov [abs qword first_tsc], rax
    mov r8, rax                         ; start value of the canary
    mov rsp, boot_stack_top
    xor ebp, ebp
    mov r12d, edi
    mov r13d, esi

    cld
    mov rsi, __per_cpu_start
    mov rdi, __early_unit
    mov rcx, __per_cpu_end
    sub rcx, rsi
    shr rcx, 3
    rep movsq

    mov rax, __early_unit
    mov rbx, __per_cpu_start
    sub rax, rbx                        ; GS base = distance from the template
    mov r9, rax
    mov rdx, rax
    shr rdx, 32
    mov ecx, MSR_GS_BASE
    wrmsr
    mov [gs:rel this_cpu_off], r9

    ; The canary is the first word of the unit; its low byte is 0, so that a string overrun stops
    ; at it. RDTSC alone is guessable, but nothing hostile runs here: it has to differ from data.
    mov rax, 0x9e3779b97f4a7c15
    imul rax, r8
    shl rax, 8
    mov [gs:rel __per_cpu_start], rax

    mov edi, r12d
    mov esi, r13d
    call kernel_main
.halt:
    cli
    hlt
    jmp .halt
