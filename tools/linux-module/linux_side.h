/*
 * What the module's Perch side asks of Linux. The two sides cannot share headers: both have a u64,
 * a PAGE_SIZE, a likely(). So the types here are C's own, and long has 64 bits. linux_side.c
 * implements this with Linux's headers alone; nothing else of the module includes them.
 *
 * Everything that is taken from Linux is counted. Context: a thread that may sleep, unless said.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_LINUX_MODULE_LINUX_SIDE_H
#define PERCH_LINUX_MODULE_LINUX_SIDE_H

/* The Perch side of the module, called when it is loaded and unloaded. 0, or a negative errno. */
int module_begin(unsigned cpus, const char *ops, unsigned pairs, unsigned rounds);
int module_end(void);

/* ---- the machine ----------------------------------------------------------------------------- */

unsigned linux_nr_cpus(void); /* possible */
unsigned linux_nr_online(void);
unsigned linux_nr_nodes(void);
int linux_cpu_node(unsigned cpu);
int linux_distance(unsigned from_cpu, unsigned to_cpu);

/* ---- memory ---------------------------------------------------------------------------------- */

/* Up to n pages, nearest node first; node -1: any. Returns how many. */
unsigned linux_pages_get(int node, unsigned n, unsigned long *pas);
void linux_pages_put(unsigned n, const unsigned long *pas);
int linux_page_node(unsigned long pa);             /* any context */
void *linux_page_map(unsigned long pa);            /* any context: the direct map */
void *linux_mem_get(int node, unsigned long size); /* aligned to 64; 0: no memory */
void linux_mem_put(void *p, unsigned long size);

/* Pages, pieces of memory, and the window, that are not given back. */
struct linux_counts {
    long pages, pieces, bytes, windows;
};
struct linux_counts linux_counts(void);

/* ---- the window ------------------------------------------------------------------------------ */

/*
 * Address space of this module alone, with page tables down to the last level and nothing mapped.
 * Once. The tables stay until Linux wants the addresses again.
 */
int linux_window_make(unsigned long bytes, unsigned long *va);
void linux_window_drop(void);

/* The last-level table of the 2 MiB at va; its entries; all in any context. A page, or 0. */
void *linux_table(unsigned long va);
void linux_entry_set(void *table, unsigned index, unsigned long pa, int writable);
unsigned long linux_entry_get(const void *table, unsigned index);
unsigned long linux_entry_clear(void *table, unsigned index);

/* All CPUs forget all translations. */
void linux_flush(void);

/* ---- CPUs ------------------------------------------------------------------------------------ */

/* On every online CPU, with interrupts off. */
void linux_call_all(void (*fn)(void *arg), void *arg);

/* A thread on each of the first n online CPUs, all at once; returns when all have ended. */
int linux_on_cpus(unsigned n, void (*fn)(void *arg, unsigned index), void *arg);

/* The calling thread lets others run; the more often the longer. */
void linux_nap(unsigned times);

unsigned long linux_ns(void);    /* any context */
unsigned linux_interrupts(void); /* that this CPU has had; any context */

/* ---- the log --------------------------------------------------------------------------------- */

void linux_print(int level, const char *line); /* any context */
void linux_bug(const char *text) __attribute__((noreturn));

/* ---- Linux's own allocator ------------------------------------------------------------------- */

void *linux_percpu_alloc(unsigned long size, unsigned long align);
void linux_percpu_free(void *p);
void *linux_percpu_copy(void *p, unsigned cpu);

#endif
