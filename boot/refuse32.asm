; The refusal before there is a console: text to COM1, to the debug console, and onto the loader's
; frame buffer, then the end. 32-bit code without paging, wherever the image lies: ESI is the
; distance from where it is linked, everywhere in this file. Multiboot2 3.6.12: frame buffer.
; SPDX-License-Identifier: MIT

%define KERNEL_BASE   0xffffffff80000000
%define PHYS(sym)     (sym - KERNEL_BASE)

%define BOOT_MULTIBOOT2 1

%define COM1          0x3f8
%define DEBUGCON      0xe9
%define EXIT_PORT     0xf4
%define EXIT_PANIC    0x12

%define TAG_END       0
%define TAG_FB        8
%define FB_ADDR       8
%define FB_ADDR_HIGH  12
%define FB_PITCH      16
%define FB_WIDTH      20
%define FB_HEIGHT     24
%define FB_BPP        28
%define FB_TYPE       29
%define FB_RGB        1
%define FB_TEXT       2

%define COLUMNS       80
%define FONT_FIRST    0x20
%define FONT_WIDTH    8
%define FONT_HEIGHT   13
%define TEXT_WHITE    0x0f

extern font_glyphs

section .boot.text progbits alloc exec nowrite align=16
bits 32

; Needs a stack. EDX = NUL-terminated text, as linked; EDI = enum boot_origin (0: none), EBP = the
; loader's information. Does not return.
global boot_fail
boot_fail:
    lea ebx, [esi + edx]
    push ebx
    call uart_init
.next:
    mov al, [ebx]
    inc ebx
    test al, al
    jz .end_of_line
    call put_char
    jmp .next
.end_of_line:
    mov al, 13
    call put_char
    mov al, 10
    call put_char
    cmp edi, BOOT_MULTIBOOT2
    jne .end
    call find_screen
    test ebp, ebp
    jz .end
    lea ebx, [esi + msg_title]
    xor edi, edi
    call draw_line
    pop ebx
    mov edi, 1
    call draw_line
.end:
    mov eax, 1                          ; port 0xf4 means something only under a hypervisor
    cpuid
    test ecx, 1 << 31
    jz boot_halt
    mov dx, EXIT_PORT
    mov al, EXIT_PANIC
    out dx, al
global boot_halt
boot_halt:                              ; for tests/test_entry.py
    cli
    hlt
    jmp boot_halt

; ---- COM1: 115200 8n1, whatever firmware left; a UART after a reset has the divisor 0 -----------
uart_init:
    xor ecx, ecx
.next:
    movzx edx, byte [esi + uart_values + ecx * 2]
    add edx, COM1
    mov al, [esi + uart_values + ecx * 2 + 1]
    out dx, al
    inc ecx
    cmp ecx, (uart_values_end - uart_values) / 2
    jb .next
    ret

; AL = character. An absent UART reads 0xff; a stuck one runs into the count. Keeps EBX, EDI, EBP.
put_char:
    mov dx, DEBUGCON
    out dx, al
    mov ah, al
    mov dx, COM1 + 5
    mov ecx, 100000                     ; a read is a bus cycle, 0.5 us or more: 50 ms at least
.wait:
    in al, dx
    test al, 0x20
    loopz .wait
    mov dx, COM1
    mov al, ah
    out dx, al
    ret

; ---- the loader's frame buffer ----------------------------------------------------------------
; EBP = the loader's information; returns its frame buffer tag in EBP, 0: none that can be used.
; Keeps EBX.
find_screen:
    mov ecx, [ebp]                      ; size of all tags
    lea edi, [ebp + 8]
    add ecx, ebp
    xor ebp, ebp
.next:
    lea eax, [edi + 8]
    cmp eax, ecx
    ja .done
    mov eax, [edi + 4]
    cmp eax, 8                          ; also keeps a tag without a length from never ending
    jb .done
    cmp dword [edi], TAG_END
    je .done
    cmp dword [edi], TAG_FB
    je .found
    add eax, 7
    and eax, ~7
    add edi, eax
    jmp .next
.found:
    cmp eax, 32
    jb .done
    cmp dword [edi + FB_ADDR_HIGH], 0   ; paging is off: 4 GiB are in reach
    jne .done
    cmp byte [edi + FB_TYPE], FB_TEXT
    je .take
    cmp byte [edi + FB_TYPE], FB_RGB
    jne .done
    cmp byte [edi + FB_BPP], 15
    jb .done
    cmp dword [edi + FB_WIDTH], COLUMNS * FONT_WIDTH
    jb .done
    cmp dword [edi + FB_HEIGHT], 2 * FONT_HEIGHT
    jb .done
.take:
    mov ebp, edi
.done:
    ret

; EBX = text, EDI = row, EBP = frame buffer tag. White on black: all bits of a pixel, or none, so
; that the order of the colours does not matter. Keeps EBP.
draw_line:
    mov eax, [ebp + FB_PITCH]
    imul eax, edi
    cmp byte [ebp + FB_TYPE], FB_TEXT
    je .row
    imul eax, eax, FONT_HEIGHT
.row:
    add eax, [ebp + FB_ADDR]
    mov edi, eax
    mov ecx, COLUMNS
.next:
    movzx eax, byte [ebx]
    test al, al
    jz .blank                           ; the rest of the row: what was there would be read with it
    inc ebx
    jmp .draw
.blank:
    mov al, ' '
.draw:
    cmp byte [ebp + FB_TYPE], FB_TEXT
    je .text
    push ecx
    call draw_glyph
    pop ecx
    jmp .drawn
.text:
    mov ah, TEXT_WHITE
    mov [edi], ax
    add edi, 2
.drawn:
    dec ecx
    jnz .next
    ret

; EAX = character, EDI = its upper left pixel; returns the next one's in EDI. Keeps EBX, EBP.
draw_glyph:
    push ebx
    push edi
    sub eax, FONT_FIRST
    imul eax, eax, FONT_HEIGHT
    lea ebx, [esi + eax + PHYS(font_glyphs)]
    mov dh, FONT_HEIGHT
.row:
    push edi
    mov dl, [ebx]
    inc ebx
    mov ah, FONT_WIDTH
.pixel:
    add dl, dl                          ; the leftmost pixel is bit 7
    sbb al, al
    call pixel_bytes
    rep stosb
    dec ah
    jnz .pixel
    pop edi
    add edi, [ebp + FB_PITCH]
    dec dh
    jnz .row
    pop edi
    call pixel_bytes
    lea edi, [edi + ecx * FONT_WIDTH]
    pop ebx
    ret

; Returns ECX.
pixel_bytes:
    movzx ecx, byte [ebp + FB_BPP]
    add ecx, 7
    shr ecx, 3
    ret

msg_title: db " Perch: cannot start here", 0

; Offset and value: DLAB, divisor 1, 8n1, no interrupts, FIFOs on and empty, DTR and RTS.
uart_values:
    db 3, 0x80, 0, 1, 1, 0, 3, 0x03, 1, 0, 2, 0x07, 4, 0x03
uart_values_end:
