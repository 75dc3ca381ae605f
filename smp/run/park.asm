; Where a parked CPU stays. An NMI ends the HLT; one that comes after the look at the word and
; before the HLT would be slept through, so its handler sends the CPU back to park_halt
; (smp/run/park.c).
; SPDX-License-Identifier: MIT

section .text
bits 64

; void park_halt(const u32 *word, u32 value): interrupts off; returns when *word is not value.
global park_halt, park_halt_end
park_halt:
    cmp [rdi], esi
    jne park_halt_end.awake
    hlt
park_halt_end:
    jmp park_halt
.awake:
    ret
