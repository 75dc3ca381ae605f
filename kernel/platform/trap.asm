; Entry of all 256 vectors: one stub each, one common path, one C function. All code runs in ring 0,
; so there is no SWAPGS: GS is always this CPU's per-CPU base.
; SPDX-License-Identifier: MIT

extern trap_dispatch

section .text
bits 64

%assign v 0
%rep 256
    align 16
stub_%+v:
%if v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21 || v == 29 || v == 30
    ; the CPU pushed an error code (SDM vol. 3, table 6-1)
%else
    push 0
%endif
    push v
    jmp trap_common
%assign v v + 1
%endrep

; The frame is struct trap_frame (kernel/base/trap.h).
trap_common:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, rsp
    mov rbx, rsp
    and rsp, -16                        ; the ABI's alignment; RBX holds the frame
    call trap_dispatch
    mov rsp, rbx
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16
    iretq

section .rodata
    align 8
global trap_stubs
trap_stubs:
%assign v 0
%rep 256
    dq stub_%+v
%assign v v + 1
%endrep
