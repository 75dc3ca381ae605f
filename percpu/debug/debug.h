/*
 * The checks of the debug build, on top of an instance of the dynamic allocator
 * (percpu/alloc/alloc.h). They report wrong uses of per-CPU memory with their call sites:
 *
 *  - red zones: 16 bytes (or the alignment up to a page, if larger) in front of each object and at
 *    least 16 behind it have a pattern in every backed unit. Free, pcpu_debug_size() and
 *    pcpu_debug_verify() check it. An object has no zones if the unit has no room for them;
 *  - poison: a freed object is filled with a pattern, kept in the quarantine (first in, first out,
 *    PCPU_DEBUG_QUARANTINE_*) and checked before it is really freed. PCPU_NOZERO memory is filled
 *    with another pattern. If new memory is not zero, it was written to while free;
 *  - wrong frees: the report of a double free names both frees. The report about a pointer into an
 *    object names the object;
 *  - leaks: live objects by call site (pcpu_debug_leaks());
 *  - a pointer used without per_cpu_ptr() faults, because no page is mapped at the pointer itself;
 *    this is checked. The first chunk's dynamic area is not used, because its pointers are
 *    addresses in the kernel image. Pointers of PCPU_RESERVED memory are in the image on purpose
 *    and are not checked.
 *
 * Damage (zones, poison, new memory not zero, a mapped pointer) is logged, counted and repaired, so
 * that it is logged once. A wrong free is refused, as without debugging.
 *
 * Records are outside of per-CPU memory, so wrong writes there cannot damage them. A call site is
 * the return address of percpu_alloc() or percpu_free(). pcpu_debug_destroy(), _forgive() and
 * _verify() are for tests and for users of the allocator as a library.
 *
 * Invariants (pcpu_debug_verify): zones and poison are whole; the table holds
 * live_objects + quarantine_objects records; quarantine_bytes is the sum over the quarantine, and
 * both are within their limits.
 *
 * Context: as the functions of percpu/alloc/alloc.h of the same name. One lock for all records,
 * held with interrupts off, also while patterns are written: this is slow. No other lock is taken
 * inside of it. CPU-local.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_DEBUG_DEBUG_H
#define PERCH_PERCPU_DEBUG_DEBUG_H

#include "percpu/alloc/alloc.h"

#define PCPU_DEBUG_ZONE               16u
#define PCPU_DEBUG_QUARANTINE_OBJECTS 256u
#define PCPU_DEBUG_QUARANTINE_BYTES   16384u /* of a unit */
#define PCPU_DEBUG_BUCKETS            8192u
#define PCPU_DEBUG_PAST               1024u /* records of objects really freed */

#define PCPU_DEBUG_RED    0xbbu
#define PCPU_DEBUG_FREED  0x6bu
#define PCPU_DEBUG_UNINIT 0x5au

/* A live object, or a freed one in the quarantine. */
struct pcpu_debug_record {
    struct pcpu_debug_record *next;  /* in its bucket */
    struct pcpu_debug_record *later; /* in the quarantine */
    uintptr_t ptr;                   /* the user's pointer */
    uintptr_t alloc_site, free_site;
    u32 size;  /* the user's */
    u32 front; /* bytes of the zone in front */
    u32 whole; /* bytes with both zones, from ptr - front */
    bool freed;
};

/* An object really freed, at a hash of its pointer. */
struct pcpu_debug_past {
    uintptr_t ptr, alloc_site, free_site;
    u32 size;
};

struct pcpu_debug_config {
    void *ctx;
    /* Writes the name of a code address; result as ksnprintf(). NULL: no names. Any context. */
    int (*site_name)(void *ctx, uintptr_t site, char *buf, size_t size);
    /* True: a page is mapped at va. NULL: pointers are not checked. Any context. */
    bool (*mapped)(void *ctx, u64 va);
};

struct pcpu_debug_stats {
    u64 live_objects, live_bytes;             /* bytes of a unit, without zones */
    u64 quarantine_objects, quarantine_bytes; /* with zones */
    u64 checks;                               /* checks of one object in all its units */
    u64 refused;                              /* wrong frees */
    u64 damage;                               /* since pcpu_debug_forgive() */
};

struct pcpu_debug {
    struct pcpu_allocator *a;
    struct pcpu_debug_config config;
    struct spinlock lock;
    struct pcpu_debug_record *bucket[PCPU_DEBUG_BUCKETS];
    struct pcpu_debug_past past[PCPU_DEBUG_PAST];
    struct pcpu_debug_record *oldest, *newest; /* the quarantine */
    u32 *cpus;                                 /* [nr_cpus]; the first nr_units have patterns */
    u32 nr_units;
    u32 held_offset; /* the object that fills the first chunk's dynamic area; 0: none */
    u64 nr_lines;    /* lines about damage and wrong frees */
    struct pcpu_debug_stats st;
};

/*
 * Initialises d on top of a, before a's first allocation. One CPU, thread context, interrupts on.
 * -ENOMEM. destroy: after the last free, before pcpu_destroy().
 */
int pcpu_debug_init(struct pcpu_debug *d, struct pcpu_allocator *a,
                    const struct pcpu_debug_config *config) MUST_CHECK;
void pcpu_debug_destroy(struct pcpu_debug *d);

/* As pcpu_alloc() and the functions beside it; site: the return address in the caller. */
void *pcpu_debug_alloc(struct pcpu_debug *d, size_t size, size_t align, u32 flags, uintptr_t site);
u32 pcpu_debug_alloc_bulk(struct pcpu_debug *d, size_t size, size_t align, u32 flags, u32 n,
                          void **ptrs, uintptr_t site);
void pcpu_debug_free(struct pcpu_debug *d, void *ptr, uintptr_t site);
void pcpu_debug_free_bulk(struct pcpu_debug *d, u32 n, void **ptrs, uintptr_t site);

/* The requested size, because the zone begins right behind it. 0: not an object. */
size_t pcpu_debug_size(struct pcpu_debug *d, const void *ptr);

/* As pcpu_cpu_first_online(); writes the patterns into the new units. */
int pcpu_debug_cpu_first_online(struct pcpu_debug *d, u32 cpu) MUST_CHECK;

/* Checks and really frees all objects in the quarantine; returns how many. Context of a free. */
u64 pcpu_debug_flush(struct pcpu_debug *d);

/* pcpu_get_stats(), but objects in the quarantine count as freed. */
void pcpu_debug_alloc_stats(struct pcpu_debug *d, struct percpu_stats *out);
void pcpu_debug_get_stats(struct pcpu_debug *d, struct pcpu_debug_stats *out);

/* Logs each call site with live objects, and a total; returns the number of objects. */
u64 pcpu_debug_leaks(struct pcpu_debug *d);

/* Checks every object and logs damage; returns how many objects were damaged. */
u64 pcpu_debug_check_all(struct pcpu_debug *d);

/* Resets the damage count, for tests that damage on purpose; returns the old count. */
u64 pcpu_debug_forgive(struct pcpu_debug *d);

/* NULL, or which invariant is broken. Repairs nothing. No allocation or free may run. */
const char *pcpu_debug_verify(struct pcpu_debug *d);

/*
 * True: no page is mapped at any pointer into a chunk whose lowest unit begins at base. May be
 * called as soon as a's addresses are set, even within pcpu_init().
 */
bool pcpu_debug_base_usable(const struct pcpu_allocator *a, const struct pcpu_debug_config *config,
                            u64 base);

/*
 * For the report of a fault: names the per-CPU pointer addr, which was used as an address. Returns
 * the text's length; 0: no per-CPU pointer. Any context. pcpu_describe() is for builds without
 * debugging.
 */
int pcpu_describe(const struct pcpu_allocator *a, u64 addr, char *buf, size_t size);
int pcpu_debug_describe(struct pcpu_debug *d, u64 addr, char *buf, size_t size);

#endif
