/*
 * `perch layout FILE`: what the first chunk would look like on the machine FILE describes. It links
 * the kernel's own percpu/first/layout.c and percpu/first/layout_print.c, so its lines are the
 * kernel's lines.
 *
 * Status: 0, 2 for bad input (one line on stderr), 3 when the output cannot be written.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/print.h"
#include "percpu/first/layout.h"
#include "percpu/first/layout_print.h"
#include "tools/complain.h"
#include "tools/layout/json.h"
#include "tools/layout/machine.h"

#define MAX_FILE (32U << 20)

void log_line(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    (void)level;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}

#define complain(file, ...) complain_as("perch layout", file, __VA_ARGS__)

/* The whole file; NULL and errno. */
static char *read_file(const char *name, size_t *size)
{
    FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
    char *text = f ? malloc(MAX_FILE + 1) : NULL;
    int err;

    if (!text) {
        err = errno;
        if (f && f != stdin)
            fclose(f);
        errno = err;
        return NULL;
    }
    errno = 0;
    *size = fread(text, 1, MAX_FILE + 1, f);
    err = ferror(f) ? (errno ? errno : EIO) : (*size > MAX_FILE ? EFBIG : 0);
    if (f != stdin)
        fclose(f);
    if (err) {
        free(text);
        errno = err;
        return NULL;
    }
    return text;
}

static int distance(void *ctx, u32 from, u32 to)
{
    const struct layout_machine *m = ctx;
    u32 a = m->cpu_node[from], b = m->cpu_node[to];

    if (a == b)
        return PCPU_LOCAL_DISTANCE;
    return m->distance ? m->distance[(size_t)a * m->nr_nodes + b] : 20;
}

static void *host_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static int host_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    (void)size;
    free(ptr);
    return 0;
}

static int print_layout(const char *file, struct layout_machine *m)
{
    struct pcpu_env env = {
        .ctx = m,
        .nr_cpus = m->nr_cpus,
        .static_size = (size_t)m->static_size,
        .alloc = host_alloc,
        .free = host_free,
    };
    struct pcpu_alloc_info *ai;
    int err = pcpu_build_alloc_info(&env, (size_t)m->reserved_size, m->page_mode ? 0 : m->dyn_size,
                                    m->page_mode ? PAGE_SIZE : (size_t)m->atom_size,
                                    m->page_mode ? NULL : distance, &ai);

    if (err == -EOVERFLOW)
        return complain(file, "the sizes are too large for %u CPUs", m->nr_cpus);
    if (err)
        return complain(file, "no layout (%s)", strerror(-err));
    if (m->page_mode)
        pcpu_log_paged(ai);
    else
        pcpu_log_embedded(ai);
    pcpu_dump_alloc_info(&env, LOG_INFO, ai);
    pcpu_free_alloc_info(&env, ai);
    return 0;
}

static int layout_file(const char *file)
{
    size_t size;
    char *text = read_file(file, &size);
    struct json top;
    struct json_error err;
    struct layout_machine m = {0};
    int status;

    if (!text)
        return complain(file, "%s", strerror(errno));
    if (!json_parse(text, size, &top, &err))
        status = complain(file, "line %u, column %u: %s", err.line, err.column, err.what);
    else if (!layout_machine_read(&top, &m))
        status = complain(file, "%s", m.error);
    else
        status = print_layout(file, &m);
    layout_machine_free(&m);
    json_free(&top);
    free(text);
    if (fflush(stdout) || ferror(stdout)) {
        complain("stdout", "%s", strerror(errno));
        return 3;
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        puts("usage: perch layout FILE\n"
             "Prints what the first chunk would look like on the machine in FILE (JSON):\n"
             "{\"static\":N,\"reserved\":N,\"dyn\":N,\"atom\":N,\"cpu_node\":[..],"
             "\"distance\":[[..]],\"mode\":\"embed\"}\n"
             "docs/percpu.md describes the keys; tests/data/layouts/example.json is an example.");
        return 0;
    }
    if (argc != 2) {
        fputs("perch layout: expected one argument, the FILE that describes the machine\n", stderr);
        return 2;
    }
    return layout_file(argv[1]);
}
