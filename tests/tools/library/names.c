/*
 * A program that has its own idea of every name the tree uses for itself: none may come from the
 * library's header or clash with a symbol of the archive.
 * SPDX-License-Identifier: MIT
 */
typedef unsigned long long my_u64;
#define u64        "not a type"
#define MIN(a, b)  no_such_function(a, b)
#define likely(x)  (x) + (x)
#define ALIGNED(n) "aligned"
#define PAGE_SIZE  7
#define LOG_ERR    1

#include <perch-percpu.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <syslog.h>

struct spinlock {
    const char *whose;
};

static int called;

/* External, so that the linker sees them too. */
void panic(const char *what);
void log_line(int a);
void log_raw(void);
void sort(int *p);
void bitmap_set(void);
void ksnprintf(void);
int buddy_alloc(void);
void vspace_init(void);
void pcpu_take(void);
void pcpu_fixed_chunk(void);
int cpu_number(void);
void spin_lock(struct spinlock *l);
unsigned long __per_cpu_offset[2];

void panic(const char *what)
{
    called += what[0];
}
void log_line(int a)
{
    called += a;
}
void log_raw(void)
{
    called++;
}
void sort(int *p)
{
    called += *p;
}
void bitmap_set(void)
{
    called++;
}
void ksnprintf(void)
{
    called++;
}
int buddy_alloc(void)
{
    return called++;
}
void vspace_init(void)
{
    called++;
}
void pcpu_take(void)
{
    called++;
}
void pcpu_fixed_chunk(void)
{
    called++;
}
int cpu_number(void)
{
    return called++;
}
void spin_lock(struct spinlock *l)
{
    called += l->whose[0];
}

/* The library's lines come here instead of to stderr. */
static char lines[4096];

void perch_log(int level, const char *line)
{
    snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines), "<%d>%s\n", level, line);
}

int main(void)
{
    struct perch_host_shape shape = {.nr_nodes = 1, .nr_cpus = 2};
    my_u64 *p;

    if (perch_host_init(&shape) || perch_host_init(&shape) != -EBUSY)
        return 1;
    p = alloc_percpu(my_u64);
    this_cpu_write(*p, 7);
    if (*per_cpu_ptr(p, 0) != 7 || *per_cpu_ptr(p, 1) != 0)
        return 2;
    if (perch_host_done() != -EBUSY)
        return 3;
    percpu_free(p);
    percpu_free(p);
    if (perch_host_done())
        return 4;
    printf("called %d\n%s", called, lines);
    return 0;
}
