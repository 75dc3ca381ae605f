/*
 * libFuzzer: any bytes up to the first NUL as the kernel's command line. Every option holds a value
 * that its users may rely on, and every word lies inside the copy.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cmdline.h"
#include "kernel/base/print.h"
#include "tests/host/shim.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static bool ends(const char *text, size_t size)
{
    return strnlen(text, size) < size;
}

static void check_words(const struct cmdline *c)
{
    ASSERT(c->count <= CMDLINE_MAX_WORDS);
    for (u32 i = 0; i < c->count; i++) {
        const char *key = c->words[i].key, *value = c->words[i].value;

        ASSERT(key >= c->text && key < c->text + CMDLINE_MAX);
        ASSERT(ends(key, (size_t)(c->text + CMDLINE_MAX - key)));
        ASSERT(!value || (value > key && value < c->text + CMDLINE_MAX));
    }
}

static void check_options(const struct kernel_options *o)
{
    char glob[OPT_RUN_MAX];

    ASSERT(ends(o->run, sizeof(o->run)));
    ASSERT(o->n_consoles <= OPT_MAX_CONSOLES);
    for (u32 i = 0; i < o->n_consoles; i++)
        ASSERT(ends(o->consoles[i], OPT_TEXT_MAX));
    ASSERT(ends(o->fail, sizeof(o->fail)) && ends(o->soak, sizeof(o->soak)));
    ASSERT(o->end <= END_WAIT && o->percpu_alloc <= PERCPU_ALLOC_PAGE);
    if (kernel_options_run(o, "test", glob))
        ASSERT(ends(glob, sizeof(glob)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    static struct cmdline words;
    static struct kernel_options options;
    char *text = malloc(len + 1); /* of its own size: ASan sees a byte too far */

    if (!text)
        return 0;
    if (len)
        memcpy(text, data, len);
    text[len] = '\0';
    shim_log_reset();
    cmdline_parse(&words, text);
    check_words(&words);
    kernel_options_parse(&options, text);
    check_options(&options);
    free(text);
    return 0;
}
