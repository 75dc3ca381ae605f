; Where a parked CPU waits. An NMI ends the HLT, but not if it arrives after the CMP and before the
; HLT: then the NMI handler moves the CPU back to park_halt (cpu_park_nmi, smp/run/park.c).
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
