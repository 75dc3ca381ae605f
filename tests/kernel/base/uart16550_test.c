/*
 * The driver against a UART made of an array: absent, stuck, slow, without FIFO, without a clock.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "kernel/base/string.h"
#include "kernel/base/uart16550.h"

struct fake {
    bool absent, stuck, no_fifo, no_scratch;
    /* A BMC's serial-over-LAN: */
    u32 packet;        /* bytes that it takes at once; then nothing until the next packet leaves */
    u64 packet_us;     /* and how long that takes */
    u64 asleep_until;  /* nobody reads: CTS is low, and the transmitter holds (auto flow control) */
    u32 ff_every;      /* each such read of LSR gives FFh */
    u32 no_thre_every; /* each such read has THRE dropped, though there is room */
    u32 temt_only;     /* THRE is never set, TEMT is */
    u32 in_packet, lsr_reads;
    u64 free_at;
    u8 reg[8], divisor[2];
    u32 pending;      /* bytes not on the wire yet */
    u32 polls_needed; /* LSR reads until they are */
    u32 polls;
    u32 reads_a_us; /* 0: 1 */
    u64 now;
    u32 overruns;
    u64 accesses;
    size_t sent;
    char wire[256];
};

static bool dlab(const struct fake *f)
{
    return f->reg[3] & 0x80;
}

static u8 fake_read(void *ctx, u32 reg)
{
    struct fake *f = ctx;

    f->accesses++;
    f->now += !f->reads_a_us || f->accesses % f->reads_a_us == 0;
    if (f->absent)
        return 0xff;
    if (dlab(f) && reg < 2)
        return f->divisor[reg];
    if (reg == 2)
        return f->no_fifo ? 0x01 : f->reg[2] & 1 ? 0xc1 : 0x01;
    if (reg == 5) {
        f->lsr_reads++;
        if (f->ff_every && f->lsr_reads % f->ff_every == 0)
            return 0xff;
        if (f->stuck || f->now < f->asleep_until || f->now < f->free_at)
            return 0;
        if (f->no_thre_every && f->lsr_reads % f->no_thre_every == 0)
            return 0;
        if (f->pending && ++f->polls < f->polls_needed)
            return 0;
        f->pending = f->polls = 0;
        return f->temt_only ? 0x40 : 0x60;
    }
    if (reg == 6) /* CTS, DSR, DCD */
        return f->now < f->asleep_until ? 0xa0 : 0xb0;
    return reg == 7 && f->no_scratch ? 0x12 : f->reg[reg];
}

static void fake_write(void *ctx, u32 reg, u8 val)
{
    struct fake *f = ctx;

    f->accesses++;
    if (f->absent)
        return;
    if (dlab(f) && reg < 2) {
        f->divisor[reg] = val;
    } else if (reg == 0) {
        f->overruns += f->pending >= (f->no_fifo ? 1 : 16);
        f->pending++;
        if (f->packet && ++f->in_packet == f->packet) {
            f->in_packet = 0;
            f->free_at = f->now + f->packet_us;
        }
        if (f->sent < sizeof(f->wire))
            f->wire[f->sent++] = (char)val;
    } else {
        f->reg[reg] = val;
    }
}

static u64 fake_time(void *ctx)
{
    return ((struct fake *)ctx)->now;
}

static struct uart_ops ops_for(struct fake *f)
{
    return (struct uart_ops){fake_read, fake_write, fake_time, f};
}

KTEST(uart16550, probe)
{
    struct fake f = {.reg[7] = 0x33, .reg[1] = 5};
    struct uart_ops ops = ops_for(&f);

    EXPECT_TRUE(uart_probe(&ops));
    EXPECT_EQ(f.reg[7], 0x33);
    EXPECT_EQ(f.reg[1], 0);
    f.absent = true;
    EXPECT_FALSE(uart_probe(&ops));
    f = (struct fake){.no_scratch = true};
    EXPECT_FALSE(uart_probe(&ops));
}

KTEST(uart16550, baud)
{
    struct fake f = {.divisor = {7, 7}};
    struct uart_ops ops = ops_for(&f);
    struct uart u;

    EXPECT_EQ(uart_init(&u, &ops, 0), 0);
    EXPECT_EQ(f.divisor[0], 7);
    EXPECT_EQ(uart_init(&u, &ops, 115200), 0);
    EXPECT_EQ(f.divisor[0] | f.divisor[1] << 8, 1);
    EXPECT_EQ(uart_init(&u, &ops, 300), 0);
    EXPECT_EQ(f.divisor[0] | f.divisor[1] << 8, 384);
    EXPECT_FALSE(dlab(&f));
    EXPECT_EQ(f.reg[3], 3);
    EXPECT_EQ(uart_init(&u, &ops, 230400), -EINVAL);
    EXPECT_EQ(uart_init(&u, &ops, 100000), -EINVAL);
    EXPECT_EQ(uart_init(&u, &ops, 1), -EINVAL);
    EXPECT_EQ(f.divisor[0] | f.divisor[1] << 8, 384);
}

/* A UART that nobody has set up has divisor 0 and sends nothing. Any other divisor stays. */
KTEST(uart16550, divisor_of_0_becomes_1)
{
    struct fake f = {.divisor = {0, 0}};
    struct uart_ops ops = ops_for(&f);
    struct uart u;

    EXPECT_EQ(uart_init(&u, &ops, 0), 0);
    EXPECT_EQ(f.divisor[0] | f.divisor[1] << 8, 1);
    EXPECT_FALSE(dlab(&f));
    f.divisor[0] = 0, f.divisor[1] = 0xff; /* slower than one baud */
    EXPECT_EQ(uart_init(&u, &ops, 0), 0);
    EXPECT_EQ(f.divisor[0] | f.divisor[1] << 8, 0xff00);
}

static void send_all(struct fake *f)
{
    struct uart_ops ops = ops_for(f);
    struct uart u;
    char text[200];

    memset(text, 'a', sizeof(text));
    text[199] = 'z';
    REQUIRE_EQ(uart_init(&u, &ops, 0), 0);
    EXPECT_EQ(u.fifo, !f->no_fifo);
    EXPECT_EQ(uart_write(&u, text, sizeof(text)), sizeof(text));
    EXPECT_EQ(f->sent, sizeof(text));
    EXPECT_TRUE(memcmp(f->wire, text, sizeof(text)) == 0);
    EXPECT_EQ(f->overruns, 0);
    EXPECT_FALSE(u.stalled);
}

KTEST(uart16550, sends_all)
{
    struct fake fast = {0}, slow = {.polls_needed = 1000};
    struct fake old = {.no_fifo = true, .polls_needed = 3};

    send_all(&fast);
    EXPECT_LE(fast.accesses, 200 + 13 + 14); /* one poll for 16 bytes */
    send_all(&slow);
    send_all(&old);
}

/* Until it has sent all, as the log does: line after line, later ones too. */
static void send_in_turns(struct fake *f, u32 most_stalls)
{
    struct uart_ops ops = ops_for(f);
    struct uart u;
    char text[200];
    size_t sent = 0;
    u32 stalls = 0;

    for (u32 i = 0; i < sizeof(text); i++)
        text[i] = (char)('!' + i % 90);
    REQUIRE_EQ(uart_init(&u, &ops, 0), 0);
    u.timeout_us = 500;
    for (u32 turn = 0; sent < sizeof(text) && turn < 1000000; turn++) {
        u64 before = f->now;
        bool was = u.stalled;
        size_t n = uart_write(&u, text + sent, sizeof(text) - sent);

        sent += n;
        stalls += u.stalled && !was;
        EXPECT_EQ(u.stalled, sent < sizeof(text));
        if (was && !n)
            EXPECT_LE(f->now - before, 1); /* one look, no wait */
        f->now += 7;
    }
    EXPECT_EQ(sent, sizeof(text));
    EXPECT_EQ(f->sent, sizeof(text));
    EXPECT_TRUE(memcmp(f->wire, text, sizeof(text)) == 0);
    EXPECT_EQ(f->overruns, 0);
    EXPECT_LE(stalls, most_stalls);
}

KTEST(uart16550, serial_over_lan)
{
    struct fake slow = {.packet = 16, .packet_us = 450}, bursts = {.packet = 64, .packet_us = 9000};
    struct fake busy = {.polls_needed = 3, .ff_every = 2}, drops = {.no_thre_every = 3};
    struct fake temt = {.temt_only = true}, flow = {.asleep_until = 3000000};
    struct fake late = {.packet = 48, .packet_us = 100, .asleep_until = 1000};
    struct uart_ops ops = ops_for(&flow);

    send_in_turns(&slow, 0);
    send_in_turns(&bursts, 4);
    send_in_turns(&busy, 0);
    send_in_turns(&drops, 0);
    send_in_turns(&temt, 0);
    send_in_turns(&flow, 1); /* 3 s: a reader that pauses */
    EXPECT_TRUE(flow.now > 3000000);
    EXPECT_EQ(ops.read(ops.ctx, 6) & 0x10, 0x10);
    send_in_turns(&late, 1);
}

/* FFh for a moment is no absence, FFh for ever is. */
KTEST(uart16550, probe_while_the_bmc_is_busy)
{
    struct fake f = {.ff_every = 2, .lsr_reads = 1};
    struct uart_ops ops = ops_for(&f);

    EXPECT_TRUE(uart_probe(&ops));
    f = (struct fake){.ff_every = 1};
    EXPECT_FALSE(uart_probe(&ops));
}

KTEST(uart16550, stuck_transmitter_is_bounded)
{
    struct fake f = {0};
    struct uart_ops ops = ops_for(&f);
    struct uart u;
    u64 before;

    REQUIRE_EQ(uart_init(&u, &ops, 0), 0);
    u.timeout_us = 500;
    EXPECT_EQ(uart_write(&u, "0123456789abcdef", 16), 16);
    f.stuck = true;
    EXPECT_EQ(uart_write(&u, "wait", 4), 0);
    EXPECT_TRUE(u.stalled);
    EXPECT_LE(f.now, 600);
    before = f.now;
    EXPECT_EQ(uart_write(&u, "wait", 4), 0);
    EXPECT_LE(f.now - before, 1); /* it is known: no second wait */
    f.stuck = false;
    EXPECT_EQ(uart_write(&u, "back", 4), 4);
    EXPECT_FALSE(u.stalled);
    EXPECT_TRUE(memcmp(f.wire, "0123456789abcdefback", 20) == 0);
}

KTEST(uart16550, vanished_device_is_bounded)
{
    struct fake f = {0};
    struct uart_ops ops = ops_for(&f);
    struct uart u;

    REQUIRE_EQ(uart_init(&u, &ops, 0), 0);
    f.absent = true;
    EXPECT_EQ(uart_write(&u, "x", 1), 0);
    EXPECT_TRUE(u.stalled);
    EXPECT_TRUE(f.now > UART_TIMEOUT_US && f.now < 2 * UART_TIMEOUT_US);
}

KTEST(uart16550, speed_now_and_another)
{
    struct fake f = {.divisor = {12, 0}};
    struct uart_ops ops = ops_for(&f);
    struct uart u;

    EXPECT_EQ(uart_speed(&ops), 9600);
    EXPECT_FALSE(dlab(&f));
    REQUIRE_EQ(uart_init(&u, &ops, 0), 0);
    REQUIRE_EQ(uart_write(&u, "abc", 3), 3);
    f.polls_needed = 3; /* the wire is still busy */
    EXPECT_EQ(uart_set_speed(&u, 57600), 0);
    EXPECT_EQ(f.pending, 0); /* what was sent left at the old speed */
    EXPECT_EQ(uart_speed(&ops), 57600);
    EXPECT_EQ(uart_set_speed(&u, 230400), -EINVAL);
    EXPECT_EQ(uart_set_speed(&u, 0), -EINVAL);
    EXPECT_EQ(uart_speed(&ops), 57600);
    f.stuck = true; /* no wait without an end */
    EXPECT_EQ(uart_set_speed(&u, 9600), 0);
    EXPECT_TRUE(f.now > UART_TIMEOUT_US && f.now < 3 * UART_TIMEOUT_US);
    f.stuck = false;
    f.divisor[0] = f.divisor[1] = 0;
    EXPECT_EQ(uart_speed(&ops), 0);
}

/* Each register is reached by one access of its width, at its place, and nothing beside it. */
KTEST(uart16550, registers_in_memory)
{
    for (u8 width = 1; width <= 4; width *= 2) {
        for (u8 stride = width; stride <= 16; stride *= 2) {
            u32 bytes[8 * 16 / 4];
            u8 *b = (u8 *)bytes;
            struct uart_mmio m = {b, width, stride};

            memset(bytes, 0xee, sizeof(bytes));
            for (u32 reg = 0; reg < 8; reg++) {
                uart_mmio_write(&m, reg, (u8)(0x10 + reg));
                EXPECT_EQ(uart_mmio_read(&m, reg), 0x10 + reg);
            }
            for (u32 i = 0; i < 8u * stride; i++)
                EXPECT_EQ(b[i], i % stride == 0      ? 0x10 + i / stride
                                : i % stride < width ? 0
                                                     : 0xee);
        }
    }
}

/* ---- registers at a distance that no table tells --------------------------------------------- */

/* A UART in memory, each register `every` bytes apart, and what lies behind it. */
struct in_memory {
    struct fake uart;
    u32 every;
    bool words_only;  /* bytes are not answered: FFh */
    bool bytes_only;  /* nor are words */
    u8 no_uart;       /* this register reads FFh, all others as in a UART */
    bool another;     /* a second UART follows, whose registers must not change */
    u8 width, stride; /* of an access now */
    u32 stray;        /* writes beside the registers */
};

static bool answers(const struct in_memory *m)
{
    return m->width == 4 ? !m->bytes_only : !m->words_only;
}

static u8 mem_read(void *ctx, u32 reg)
{
    struct in_memory *m = ctx;
    u32 at = reg * m->stride;

    m->uart.now += m->uart.reads_a_us == 0; /* a word takes longer than a byte */
    if (!answers(m) || (m->no_uart && at == m->no_uart * m->every))
        return 0xff;
    if (at >= 8 * m->every)
        return m->another ? (at % 8 == 5 ? 0x60 : at % 8 == 2 ? 0xc1 : 0) : 0xff;
    return at % m->every ? 0 : fake_read(&m->uart, at / m->every);
}

static void mem_write(void *ctx, u32 reg, u8 val)
{
    struct in_memory *m = ctx;
    u32 at = reg * m->stride;

    if (at % m->every || at >= 8 * m->every || !answers(m))
        m->stray++;
    else
        fake_write(&m->uart, at / m->every, val);
}

static void mem_set(void *ctx, u8 width, u8 stride)
{
    struct in_memory *m = ctx;

    m->width = width;
    m->stride = stride;
}

static void find(struct in_memory m, bool found, u8 width, u8 stride)
{
    struct uart_ops ops = {mem_read, mem_write, fake_time, &m};
    struct uart u;

    ops.ctx = &m;
    m.uart.reg[7] = 0x33;
    EXPECT_EQ(uart_find_layout(&ops, mem_set), found);
    EXPECT_EQ(m.stray, 0);
    EXPECT_EQ(m.uart.sent, 0); /* nothing went to the wire by the search */
    if (!found)
        return;
    EXPECT_EQ(m.width, width);
    EXPECT_EQ(m.stride, stride);
    EXPECT_EQ(m.uart.reg[7], 0x33);
    EXPECT_EQ(uart_init(&u, &ops, 0), 0);
    EXPECT_EQ(uart_write(&u, "hello", 5), 5);
    EXPECT_TRUE(memcmp(m.uart.wire, "hello", 5) == 0);
}

KTEST(uart16550, finds_the_layout)
{
    find((struct in_memory){.every = 1}, true, 1, 1);
    find((struct in_memory){.every = 1, .another = true}, true, 1, 1);
    find((struct in_memory){.every = 1, .uart = {.polls_needed = 3000, .pending = 16}}, true, 1, 1);
    find((struct in_memory){.every = 4}, true, 4, 4);
    find((struct in_memory){.every = 4, .words_only = true}, true, 4, 4);
    find((struct in_memory){.every = 4, .bytes_only = true}, true, 1, 4);
    find((struct in_memory){.every = 4, .uart = {.polls_needed = 3000, .pending = 16}}, true, 4, 4);
    find((struct in_memory){.every = 1, .uart = {.absent = true}}, false, 0, 0);
    find((struct in_memory){.every = 4, .uart = {.absent = true}}, false, 0, 0);
    find((struct in_memory){.every = 1, .uart = {.stuck = true}}, false, 0, 0);
    find((struct in_memory){.every = 1, .no_uart = 2}, false, 0, 0);
    find((struct in_memory){.every = 1, .no_uart = 4}, false, 0, 0);
    find((struct in_memory){.every = 4, .uart = {.no_scratch = true}}, false, 0, 0);
}

/* Registers that answer fast are no reason to give up sooner: the bound is time, not reads. */
KTEST(uart16550, a_fast_bus_waits_as_long)
{
    struct fake f = {.reads_a_us = 200, .asleep_until = UART_TIMEOUT_US - 1000};
    struct in_memory m = {.every = 1, .uart = {.reads_a_us = 200, .free_at = UART_FIRST_US - 1000}};
    struct uart_ops ops = ops_for(&f), mem_ops = {mem_read, mem_write, fake_time, &m};
    struct uart u;

    REQUIRE_EQ(uart_init(&u, &ops, 0), 0);
    EXPECT_EQ(uart_write(&u, "x", 1), 1);
    EXPECT_GE(f.accesses, (UART_TIMEOUT_US - 1000) * 200);
    EXPECT_TRUE(uart_find_layout(&mem_ops, mem_set));
    EXPECT_EQ(m.stride, 1);
}
