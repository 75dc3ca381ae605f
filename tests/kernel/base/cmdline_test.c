/*
 * The kernel's command line: words, numbers, every option, and bad values.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cmdline.h"
#include "kernel/base/events.h"
#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "kernel/base/string.h"
#include "tests/host/shim.h"

static struct cmdline c;
static struct kernel_options o;

/* The last value of key; "" when the word has none; NULL when the key is not there. */
static const char *cmdline_get(const struct cmdline *c, const char *key)
{
    for (u32 i = c->count; i-- > 0;)
        if (strcmp(c->words[i].key, key) == 0)
            return c->words[i].value ? c->words[i].value : "";
    return NULL;
}

KTEST(cmdline, words)
{
    cmdline_parse(&c, "  a=1\tb=\"x y\" flag \"q=1 2\" a=3  e= f=g=h ");
    EXPECT_EQ(c.count, 7);
    EXPECT_STREQ(cmdline_get(&c, "a"), "3");
    EXPECT_STREQ(cmdline_get(&c, "b"), "x y");
    EXPECT_STREQ(cmdline_get(&c, "flag"), "");
    EXPECT_TRUE(c.words[2].value == NULL);
    EXPECT_STREQ(cmdline_get(&c, "q"), "1 2");
    EXPECT_STREQ(cmdline_get(&c, "e"), "");
    EXPECT_STREQ(cmdline_get(&c, "f"), "g=h");
    EXPECT_TRUE(cmdline_get(&c, "none") == NULL);
    cmdline_parse(&c, "");
    EXPECT_EQ(c.count, 0);
}

KTEST(cmdline, too_long_is_cut_and_said)
{
    static char text[3 * CMDLINE_MAX];
    u64 before;

    for (size_t len = CMDLINE_MAX - 3; len < CMDLINE_MAX + 3; len++) {
        memset(text, 'x', len);
        text[0] = 'k';
        text[1] = '=';
        text[len] = '\0';
        before = event_total(EVENT_OPTION_IGNORED);
        shim_log_reset();
        cmdline_parse(&c, text);
        EXPECT_EQ(c.count, 1);
        EXPECT_EQ(strlen(cmdline_get(&c, "k")), MIN(len, (size_t)CMDLINE_MAX - 1) - 2);
        EXPECT_EQ(shim_log_contains("longer than 2047 bytes"), len > CMDLINE_MAX - 1);
        EXPECT_EQ(event_total(EVENT_OPTION_IGNORED) - before, len > CMDLINE_MAX - 1);
    }
    for (size_t i = 0; i < 400; i++)
        memcpy(text + 2 * i, "a ", 3);
    before = event_total(EVENT_OPTION_IGNORED);
    shim_log_reset();
    cmdline_parse(&c, text);
    EXPECT_EQ(c.count, CMDLINE_MAX_WORDS);
    EXPECT_EQ(event_total(EVENT_OPTION_IGNORED) - before, 400 - CMDLINE_MAX_WORDS);
    EXPECT_TRUE(shim_log_contains("more than 128 words, \"a\" ignored"));
}

KTEST(cmdline, numbers)
{
    u64 v = 7;

    EXPECT_EQ(parse_u64("0", &v), 0);
    EXPECT_EQ(v, 0);
    EXPECT_EQ(parse_u64("0xfFfFffffffffffff", &v), 0);
    EXPECT_EQ(v, ~0ULL);
    EXPECT_EQ(parse_u64("18446744073709551616", &v), -ERANGE);
    EXPECT_EQ(parse_u64("", &v), -EINVAL);
    EXPECT_EQ(parse_u64("0x", &v), -EINVAL);
    EXPECT_EQ(parse_u64("12a", &v), -EINVAL);
    EXPECT_EQ(parse_u64("-1", &v), -EINVAL);
    EXPECT_EQ(v, ~0ULL);
}

KTEST(cmdline, sizes)
{
    u64 v;

    EXPECT_EQ(parse_size("28K", &v), 0);
    EXPECT_EQ(v, 28672);
    EXPECT_EQ(parse_size("2m", &v), 0);
    EXPECT_EQ(v, SZ_2M);
    EXPECT_EQ(parse_size("0x10G", &v), 0);
    EXPECT_EQ(v, 16 * SZ_1G);
    EXPECT_EQ(parse_size("5T", &v), 0);
    EXPECT_EQ(v, 5ULL << 40);
    EXPECT_EQ(parse_size("4KB", &v), -EINVAL);
    EXPECT_EQ(parse_size("16777216T", &v), -ERANGE);
}

KTEST(cmdline, lists)
{
    const char *list = "a,,long-item,";
    char item[5];

    EXPECT_TRUE(list_next(&list, item, sizeof(item)));
    EXPECT_STREQ(item, "a");
    EXPECT_TRUE(list_next(&list, item, sizeof(item)));
    EXPECT_STREQ(item, "");
    EXPECT_TRUE(list_next(&list, item, sizeof(item)));
    EXPECT_STREQ(item, "long");
    EXPECT_FALSE(list_next(&list, item, sizeof(item)));
    EXPECT_TRUE(list_contains("report,test", "test"));
    EXPECT_FALSE(list_contains("report,test", "tes"));
}

KTEST(options, defaults)
{
    shim_log_reset();
    kernel_options_parse(&o, NULL);
    EXPECT_STREQ(o.run, "report,test");
    EXPECT_EQ(o.end, END_AUTO);
    EXPECT_FALSE(o.exit_isa_debug);
    EXPECT_EQ(o.n_consoles, 0);
    EXPECT_EQ(o.percpu_alloc, PERCPU_ALLOC_AUTO);
    EXPECT_EQ(o.percpu_reserved, 8192);
    EXPECT_EQ(o.percpu_dyn, 28672);
    EXPECT_EQ(o.percpu_atom, 2097152);
    EXPECT_EQ(o.percpu_static, 0);
    EXPECT_TRUE(o.percpu_promote);
    EXPECT_TRUE(o.numa);
    EXPECT_EQ(o.nr_cpus | o.possible_cpus | o.maxcpus, 0);
    EXPECT_EQ(o.loglevel, LOG_INFO);
    EXPECT_FALSE(o.has_seed || o.strict_firmware || o.hotplug);
    EXPECT_EQ(shim_log_count(), 0);
}

KTEST(options, every_key)
{
    shim_log_reset();
    kernel_options_parse(&o, "run=tables,bench:boot*,test:percpu.* end=halt exit=isa-debug "
                             "console=ttyS1,9600 console=debugcon percpu_alloc=page "
                             "percpu_reserved=0 percpu_dyn=64K percpu_atom=4K "
                             "percpu_static=233472 percpu_promote=off numa=off "
                             "nr_cpus=8 possible_cpus=16 maxcpus=0 "
                             "loglevel=7 seed=0x1234 strict=firmware fail=every:3 soak=10 lava=on "
                             "hotplug=on");
    EXPECT_EQ(shim_log_count(), 0);
    EXPECT_EQ(o.end, END_HALT);
    EXPECT_TRUE(o.exit_isa_debug);
    EXPECT_EQ(o.n_consoles, 2);
    EXPECT_STREQ(o.consoles[0], "ttyS1,9600");
    EXPECT_STREQ(o.consoles[1], "debugcon");
    EXPECT_EQ(o.percpu_alloc, PERCPU_ALLOC_PAGE);
    EXPECT_EQ(o.percpu_reserved, 0);
    EXPECT_EQ(o.percpu_dyn, 65536);
    EXPECT_EQ(o.percpu_atom, 4096);
    EXPECT_EQ(o.percpu_static, 233472);
    EXPECT_FALSE(o.percpu_promote);
    EXPECT_FALSE(o.numa);
    EXPECT_EQ(o.nr_cpus, 8);
    EXPECT_EQ(o.possible_cpus, 16);
    EXPECT_EQ(o.maxcpus, 1);
    EXPECT_EQ(o.loglevel, 7);
    EXPECT_TRUE(o.has_seed && o.seed == 0x1234 && o.strict_firmware && o.hotplug);
    EXPECT_STREQ(o.fail, "every:3");
    EXPECT_STREQ(o.soak, "10");
    EXPECT_TRUE(o.lava);
}

KTEST(options, exit_off_again)
{
    kernel_options_parse(&o, "exit=isa-debug exit=off");
    EXPECT_FALSE(o.exit_isa_debug);
}

KTEST(options, run_list)
{
    char glob[OPT_RUN_MAX] = "x";

    kernel_options_parse(&o, "run=tables,test:percpu.*,report");
    EXPECT_TRUE(kernel_options_run(&o, "test", glob));
    EXPECT_STREQ(glob, "percpu.*");
    EXPECT_TRUE(kernel_options_run(&o, "report", glob));
    EXPECT_STREQ(glob, "");
    EXPECT_TRUE(kernel_options_run(&o, "tables", NULL));
    EXPECT_FALSE(kernel_options_run(&o, "bench", glob));
}

/* All globs of the list, and a word without a glob means everything. */
KTEST(options, run_list_of_globs)
{
    char globs[OPT_RUN_MAX];

    kernel_options_parse(&o, "run=test:smp*,bench:boot,test:nothing,report");
    EXPECT_TRUE(kernel_options_run(&o, "test", globs));
    EXPECT_STREQ(globs, "smp*,nothing");
    EXPECT_TRUE(kernel_options_run(&o, "bench", globs));
    EXPECT_STREQ(globs, "boot");
    kernel_options_parse(&o, "run=test:smp*,test");
    EXPECT_TRUE(kernel_options_run(&o, "test", globs));
    EXPECT_STREQ(globs, "");
}

/* The ends of each documented range (docs/boot.md) are good values, and are kept as they are. */
KTEST(options, ends_of_ranges)
{
    static const char *const good[] = {
        "percpu_reserved=0",
        "percpu_reserved=1M",
        "percpu_static=0",
        "percpu_static=1M",
        "percpu_dyn=20K",
        "percpu_dyn=1M",
        "percpu_atom=4K",
        "percpu_atom=16M",
        "nr_cpus=1",
        "maxcpus=0",
        "loglevel=0",
        "loglevel=8",
        "seed=0",
        "events=ap-retry,tlb-nmi",
    };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        shim_log_reset();
        kernel_options_parse(&o, good[i]);
        EXPECT_EQ(shim_log_count(), 0);
    }
    kernel_options_parse(&o, "percpu_reserved=0 percpu_static=1M percpu_dyn=1M percpu_atom=16M "
                             "events=ap-retry,tlb-nmi maxcpus=0");
    EXPECT_EQ(o.percpu_reserved, 0);
    EXPECT_EQ(o.percpu_static, SZ_1M);
    EXPECT_EQ(o.percpu_dyn, SZ_1M);
    EXPECT_EQ(o.percpu_atom, 16 * SZ_1M);
    EXPECT_EQ(o.events, 1ULL << EVENT_AP_RETRY | 1ULL << EVENT_TLB_NMI);
    EXPECT_EQ(o.maxcpus, 1);
}

KTEST(options, bad_values_keep_what_was)
{
    static const char *const bad[] = {
        "run=",
        "run=fly",
        "run=test,fly",
        "run=report:x",
        "run=tables:x",
        "end=now",
        "exit=1",
        "console=",
        "percpu_alloc=no",
        "percpu_dyn=-1",
        "percpu_atom=3K",
        "percpu_atom=2K",
        "percpu_reserved=x",
        "percpu_reserved=3",
        "percpu_reserved=1025K",
        "percpu_reserved=",
        "percpu_static=512M",
        "percpu_static=4",
        "percpu_dyn=19K",
        "percpu_dyn=2M",
        "percpu_dyn=",
        "percpu_atom=32M",
        "percpu_atom=",
        "run=test:",
        "run=report,,test",
        "events=",
        "events=no-such",
        "events=ap-retry,no-such",
        "fail=",
        "soak=",
        "end=",
        "exit=",
        "numa=",
        "nr_cpus=",
        "maxcpus=",
        "loglevel=",
        "seed=",
        "strict=",
        "percpu_static=1Q",
        "percpu_promote=",
        "percpu_promote=1",
        "numa=yes",
        "nr_cpus=0",
        "nr_cpus=99999999999",
        "possible_cpus=",
        "maxcpus=-1",
        "loglevel=9",
        "seed=x",
        "strict=all",
        "hotplug=1",
        "lava=yes",
    };
    static struct kernel_options defaults;

    kernel_options_parse(&defaults, "");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        u64 before = event_total(EVENT_OPTION_IGNORED);

        shim_log_reset();
        kernel_options_parse(&o, bad[i]);
        EXPECT_EQ(event_total(EVENT_OPTION_IGNORED), before + 1);
        EXPECT_TRUE(shim_log_contains_prefix("command line: bad value \""));
        EXPECT_EQ(shim_log_count(), 1);
        EXPECT_EQ(o.fail_ignored, strncmp(bad[i], "fail=", 5) == 0);
        o.fail_ignored = false;
        EXPECT_TRUE(memcmp(&o, &defaults, sizeof(o)) == 0);
    }
    shim_log_reset();
    kernel_options_parse(&o, "foo=1 quiet nr_cpus=4 nr_cpus=x");
    EXPECT_STREQ(shim_log_line(0), "command line: unknown key \"foo\", ignored");
    EXPECT_STREQ(shim_log_line(1), "command line: unknown key \"quiet\", ignored");
    EXPECT_STREQ(shim_log_line(2),
                 "command line: bad value \"x\" for nr_cpus, ignored: it takes 1 to 4294967295");
    EXPECT_EQ(o.nr_cpus, 4);
}

KTEST(options, too_many_consoles)
{
    shim_log_reset();
    kernel_options_parse(&o, "console=a console=b console=c console=d console=e console=f "
                             "console=g console=h console=i");
    EXPECT_EQ(o.n_consoles, OPT_MAX_CONSOLES);
    EXPECT_STREQ(o.consoles[7], "h");
    EXPECT_TRUE(shim_log_contains("bad value \"i\" for console"));
}
