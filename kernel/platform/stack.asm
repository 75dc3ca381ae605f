; Switches to another stack for good; see stack.h.
; SPDX-License-Identifier: MIT

section .text
bits 64

; void run_on_stack(u64 top, void (*fn)(void *arg), void *arg)
global run_on_stack
run_on_stack:
    mov rsp, rdi
    xor ebp, ebp                        ; stack traces end here
    mov rdi, rdx
    call rsi
.halt:
    cli
    hlt
    jmp .halt
