/*
 * The sets of CPUs, and that each CPU runs where it should: on its own stacks, near its own node.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/cpu_tables.h"
#include "tests/suite/kutil.h"

struct answers {
    struct tally t;
    u64 stack[NR_CPUS]; /* an address on the stack it answered on; 0: did not */
};

static struct answers answers;

static void answer(void *arg)
{
    struct answers *a = arg;
    u64 here = 0;

    if (cpu_number() < NR_CPUS)
        a->stack[cpu_number()] = (u64)(uintptr_t)&here;
    tally_ran(&a->t);
}

/* Who is in the set answers, and who answers is in the set. */
KTEST(online, set_is_who_answers)
{
    answers = (struct answers){0};
    EXPECT_EQ(cpumap_verify(&cpu_map), 0);
    EXPECT_EQ(smp_call_all(answer, &answers), 0);
    EXPECT_EQ(answers.t.ran, cpus_online());
    for (u32 cpu = 0; cpu < NR_CPUS; cpu++)
        EXPECT_EQ(answers.stack[cpu] != 0, cpu < cpu_map.nr_ids && cpu_is_online(cpu));
    EXPECT_TRUE(cpu_is_online(0));
}

static void expect_area(u64 addr, const char *name, u32 cpu)
{
    struct boot_state *s = boot_state_get();
    struct pagetable live = live_tables();
    const struct varea *a = vspace_find(&s->vm.areas, addr);
    u64 pa;

    if (!a || addr < a->va) {
        ktest_fail(__FILE__, __LINE__, "CPU %u: 0x%llx is in no %s", cpu, (unsigned long long)addr,
                   name);
        return;
    }
    EXPECT_STREQ(a->name, name);
    EXPECT_EQ(a->owner, (s32)cpu);
    for (u64 va = a->va; va < a->end; va += PAGE_SIZE) {
        s32 home = s->topo.cpus[cpu].node;

        REQUIRE_EQ(pagetable_lookup(&live, va, &pa, NULL, NULL), 0);
        s32 nid = memblock_addr_nid(&s->mb, pa);
        EXPECT_TRUE(nid == home || node_may_serve(home, nid, 4 * SZ_2M));
    }
}

/* Each CPU answers on its own stack, in memory of its node. */
KTEST(online, own_stack)
{
    u32 cpu;

    answers = (struct answers){0};
    EXPECT_EQ(smp_call_all(answer, &answers), 0);
    /* The boot CPU runs this case on its stack; the others idle on theirs. */
    for_each_online_cpu(cpu) expect_area(answers.stack[cpu], "stack", cpu);
}

/* NMI, double fault and machine check have stacks of their own, by the TSS in the unit. */
KTEST(online, interrupt_stacks)
{
    static const char *const names[IST_COUNT] = {"NMI stack", "double fault stack",
                                                 "machine check stack"};
    u32 cpu;

    for_each_online_cpu(cpu) for (u32 i = 0; i < IST_COUNT; i++)
    {
        u64 top = per_cpu(cpu_tables, cpu).tss.ist[i];

        EXPECT_TRUE(is_aligned(top, 16));
        expect_area(top - 1, names[i], cpu);
    }
}

/* A possible CPU that does not run was left out by the command line, or was made to fail by it. */
KTEST(online, missing_are_explained)
{
    const struct boot_state *s = boot_state_get();
    u32 possible = cpumap_count(&cpu_map, CPU_POSSIBLE);

    EXPECT_EQ(possible, s->topo.cpu_count);
    if (s->opt.maxcpus)
        EXPECT_LE(cpus_online(), s->opt.maxcpus);
    if (!s->opt.maxcpus && !s->opt.fail[0])
        EXPECT_EQ(cpus_online(), possible);
    if (cpus_online() < possible)
        ktest_note("%u of %u CPUs run", cpus_online(), possible);
}
