/*
 * Masking the 8259s and I/O APICs; see legacy_irq.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/legacy_irq.h"

#include "kernel/base/cpu.h"
#include "kernel/base/trap.h"

#define PIC1_CMD  0x20
#define PIC1_DATA 0x21
#define PIC2_CMD  0xa0
#define PIC2_DATA 0xa1

#define ICW1_INIT_ICW4  0x11
#define ICW3_SLAVE_AT_2 0x04 /* master: a slave at line 2 */
#define ICW3_SLAVE_ID   0x02 /* slave: its line on the master */
#define ICW4_8086       0x01
#define OCW2_EOI        0x20
#define OCW3_READ_ISR   0x0b

/* I/O APIC: an index register and a window, each 32 bits. */
#define IOREGSEL        0x00
#define IOWIN           0x10
#define IOAPIC_VERSION  0x01
#define IOAPIC_ENTRY(i) (0x10 + 2 * (i))
#define ENTRY_MASKED    (1u << 16)
#define MAX_LINES       240

/* An 8259 needs time between command words; a write to port 0x80 is the usual delay. */
static void pic_write(u16 port, u8 val)
{
    outb(port, val);
    outb(0x80, 0);
}

void legacy_irq_mask_8259(void)
{
    pic_write(PIC1_DATA, 0xff);
    pic_write(PIC2_DATA, 0xff);
    pic_write(PIC1_CMD, ICW1_INIT_ICW4);
    pic_write(PIC2_CMD, ICW1_INIT_ICW4);
    pic_write(PIC1_DATA, VEC_LEGACY_BASE);
    pic_write(PIC2_DATA, VEC_LEGACY_BASE + 8);
    pic_write(PIC1_DATA, ICW3_SLAVE_AT_2);
    pic_write(PIC2_DATA, ICW3_SLAVE_ID);
    pic_write(PIC1_DATA, ICW4_8086);
    pic_write(PIC2_DATA, ICW4_8086);
    pic_write(PIC1_DATA, 0xff);
    pic_write(PIC2_DATA, 0xff);
}

static bool in_service(u16 cmd_port, u8 line)
{
    outb(cmd_port, OCW3_READ_ISR);
    return inb(cmd_port) >> line & 1;
}

void legacy_irq_ack(u8 vector)
{
    u8 irq = vector - VEC_LEGACY_BASE;
    bool slave = irq >= 8;
    bool real = irq % 8 != 7 || in_service(slave ? PIC2_CMD : PIC1_CMD, 7);

    if (slave && real)
        outb(PIC2_CMD, OCW2_EOI);
    if (slave || real)
        outb(PIC1_CMD, OCW2_EOI);
}

static u32 ioapic_read(volatile u8 *regs, u32 index)
{
    *(volatile u32 *)(regs + IOREGSEL) = index;
    return *(volatile u32 *)(regs + IOWIN);
}

static void ioapic_write(volatile u8 *regs, u32 index, u32 val)
{
    *(volatile u32 *)(regs + IOREGSEL) = index;
    *(volatile u32 *)(regs + IOWIN) = val;
}

u32 legacy_irq_mask_ioapic(volatile void *regs)
{
    u32 version = ioapic_read(regs, IOAPIC_VERSION);
    u32 lines = (version >> 16 & 0xff) + 1;

    if (version == ~0u || version == 0)
        return 0;
    lines = MIN(lines, MAX_LINES);
    for (u32 i = 0; i < lines; i++) {
        ioapic_write(regs, IOAPIC_ENTRY(i), ENTRY_MASKED);
        ioapic_write(regs, IOAPIC_ENTRY(i) + 1, 0);
    }
    return lines;
}
