/*
 * The screen; see screen.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/screen.h"
#include "kernel/base/cpu.h"
#include "kernel/base/deadline.h"
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/string.h"
#include "kernel/platform/early_window.h"
#include "kernel/platform/mmio.h"
#include "kernel/platform/pat.h"
#include "mm/map/address_map.h"

#define DRAWING_US 500000 /* ten times what a whole screen takes on the slowest bus */

static struct fb_text text;
static struct fb_mode mode;
static struct range memory; /* empty: no screen */
static bool ready;          /* text is set up and the memory is mapped */
static bool page_shown;
static struct spinlock drawing;

static struct fb_colour colour(struct boot_fb_colour c)
{
    return (struct fb_colour){c.pos, c.size};
}

const char *screen_init(const struct boot_info *info)
{
    const struct boot_framebuffer *fb = &info->fb;
    u64 end = fb->base + (u64)fb->pitch * fb->height;
    enum mmio_verdict v;

    if (fb->kind == BOOT_FB_NONE)
        return "the loader gave none";
    v = mmio_allowed(mmio_rules(), fb->base, end - fb->base);
    if (v != MMIO_OK)
        return mmio_verdict_text(v);
    mode = (struct fb_mode){
        .width = fb->width,
        .height = fb->height,
        .pitch = fb->pitch,
        .bytes = fb->bytes,
        .red = colour(fb->red),
        .green = colour(fb->green),
        .blue = colour(fb->blue),
        .text = fb->kind == BOOT_FB_TEXT,
    };
    memory = (struct range){fb->base, end};
    if (end <= BOOT_MAPPED_LIMIT) {
        if (!mode.text) /* letters share their 2 MiB with RAM, and are few */
            (void)early_window_combine(fb->base, end);
        screen_map(phys_to_virt(fb->base));
    }
    return end <= BOOT_MAPPED_LIMIT && !ready ? "it is too small" : NULL;
}

struct range screen_memory(void)
{
    return memory;
}

void screen_map(volatile void *mem)
{
    if (!mem) {
        ready = false;
        return;
    }
    if (ready)
        fb_text_moved(&text, mem);
    else
        ready = fb_text_init(&text, &mode, mem) == 0;
}

bool screen_ready(void)
{
    return ready;
}

bool screen_combines(void)
{
    if (memory.end > BOOT_MAPPED_LIMIT)
        return true; /* it is first drawn on through the final tables */
    return early_window_type(memory.start) == PAT_WC && early_window_type(memory.end - 1) == PAT_WC;
}

int screen_text(char *buf, size_t size)
{
    if (mode.text)
        return kscnprintf(buf, size, "%ux%u letters", mode.width, mode.height);
    return kscnprintf(buf, size, "%ux%u, %u bits", mode.width, mode.height, 8 * mode.bytes);
}

int screen_write(void *ctx, const char *buf, size_t len)
{
    (void)ctx;
    if (!ready || page_shown || !spin_trylock(&drawing))
        return (int)len; /* the last page is shown, or being drawn */
    fb_text_put(&text, buf, len, FB_NORMAL);
    fb_text_flush(&text);
    spin_unlock(&drawing);
    return (int)len;
}

/* Draws as many lines as fit. */
static void draw_text(const char *p)
{
    while (*p) {
        const char *end = strchr(p, '\n');
        size_t len = end ? (size_t)(end - p) : strlen(p);

        if (text.y + (len + text.cols - 1) / text.cols >= text.rows)
            return;
        fb_text_put(&text, p, len, FB_NORMAL);
        fb_text_put(&text, "\n", 1, FB_NORMAL);
        p += len + (end != NULL);
    }
}

void screen_page(const char *title, enum fb_style style, const char *body)
{
    struct deadline d = deadline_start(DRAWING_US);
    bool taken;

    if (!ready || page_shown)
        return;
    page_shown = true; /* from here on no CPU begins to draw */
    while (!(taken = spin_trylock(&drawing)) && !deadline_passed(&d))
        cpu_relax();
    fb_text_clear(&text);
    fb_text_line(&text, title, style);
    fb_text_put(&text, "\n", 1, FB_NORMAL);
    draw_text(body);
    fb_text_flush(&text);
    if (taken)
        spin_unlock(&drawing);
    pr_info("screen: this page stays");
}
