# Perch: the build. `./perch` is a front door to these targets; `make help` lists them.
# SPDX-License-Identifier: MIT

BUILD ?= build
CROSS_COMPILE ?=
ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
OBJCOPY := $(CROSS_COMPILE)objcopy
NM := $(CROSS_COMPILE)nm
NASM ?= nasm
HOSTCC ?= gcc
PYTHON ?= /usr/bin/python3
# V=1 shows the commands.
Q := $(if $(V),,@)

# ---- sources, by kind (docs/design: pure, CPU-local, hardware) -------------------------------
# Pure: freestanding and hosted from the same source.
PURE_SRCS := \
	kernel/base/crc32.c \
	kernel/base/firmware.c \
	kernel/base/cpu_id.c \
	kernel/app/bench_stat.c \
	kernel/app/report_json.c \
	kernel/base/clockmath.c \
	acpi/dbg2.c \
	kernel/base/refclock.c \
	acpi/cedt.c \
	acpi/fadt.c \
	acpi/hpet.c \
	acpi/hmat.c \
	acpi/hmat_check.c \
	acpi/madt.c \
	acpi/msct.c \
	acpi/reader.c \
	acpi/root.c \
	acpi/rsdp.c \
	acpi/s5.c \
	acpi/slit.c \
	acpi/spcr.c \
	acpi/srat.c \
	acpi/uart.c \
	mm/numa.c \
	mm/numa_check.c \
	mm/numa_check_hmat.c \
	mm/numa_cover.c \
	mm/numa_cpus.c \
	mm/numa_distance.c \
	mm/numa_memory.c \
	mm/numa_nodes.c \
	mm/numa_verify.c \
	smp/apic_mode.c \
	smp/bringup_batch.c \
	smp/bringup_fault.c \
	smp/bringup_state.c \
	smp/call_core.c \
	smp/cpumap.c \
	smp/cpu_regs.c \
	smp/park_core.c \
	smp/tlb_core.c \
	smp/trampoline_place.c \
	smp/tsc_sync_core.c \
	percpu/chunk.c \
	percpu/chunk_objects.c \
	percpu/chunk_block.c \
	percpu/chunk_stats.c \
	percpu/chunk_tree.c \
	percpu/chunk_verify.c \
	percpu/layout.c \
	percpu/layout_print.c \
	percpu/first_chunk_embed.c \
	percpu/first_chunk_choose.c \
	percpu/first_chunk_page.c \
	percpu/setup_first_chunk.c \
	percpu/setup_first_chunk_verify.c \
	mm/memblock.c \
	mm/memblock_alloc.c \
	mm/memblock_attr.c \
	mm/memblock_find.c \
	mm/memblock_grow.c \
	mm/memblock_query.c \
	mm/memblock_regions.c \
	mm/memblock_verify.c \
	mm/memory_attr.c \
	mm/cxl_windows.c \
	mm/pagetable.c \
	mm/pagetable_range.c \
	mm/pagetable_unmap.c \
	mm/pagetable_walk.c \
	mm/direct_map.c \
	mm/wx_check.c \
	mm/vspace.c \
	mm/vspace_congruent.c \
	mm/vspace_map.c \
	kernel/base/fb_text.c \
	kernel/base/font.c \
	kernel/base/glob.c \
	kernel/base/printf.c \
	kernel/base/bitmap.c \
	kernel/base/sort.c \
	kernel/base/extable.c \
	kernel/base/symbols.c \
	boot/boot_info.c \
	boot/efi_memmap.c \
	boot/multiboot2.c \
	boot/pvh.c \
	boot/smbios.c \
	boot/memmap.c \
	kernel/base/cmdline.c \
	kernel/platform/power_ways.c \
	kernel/base/console_spec.c \
	kernel/base/options.c \
	kernel/base/uart16550.c \

# CPU-local: pure but for kernel/base/cpu_local.h, which has a hosted twin.
LOCAL_SRCS := \
	kernel/base/log.c \
	kernel/base/spinlock.c \
	percpu/alloc.c \
	percpu/alloc_decode.c \
	percpu/alloc_batch.c \
	percpu/alloc_chunks.c \
	percpu/alloc_grow.c \
	percpu/alloc_init.c \
	percpu/alloc_magazines.c \
	percpu/alloc_metadata.c \
	percpu/alloc_stats.c \
	percpu/alloc_bump.c \
	percpu/alloc_verify.c \
	percpu/alloc_balance.c \
	percpu/alloc_post.c \
	percpu/alloc_reclaim.c \
	percpu/alloc_set.c \
	percpu/backing.c \
	percpu/backing_layout.c \
	percpu/backing_populate.c \
	percpu/backing_promote.c \
	percpu/backing_return.c \
	percpu/backing_verify.c \
	mm/buddy.c \
	mm/buddy_block.c \
	mm/buddy_page.c \
	mm/buddy_section.c \
	mm/buddy_setup.c \
	mm/buddy_take.c \
	mm/buddy_verify.c \
	percpu/debug.c \
	percpu/debug_pattern.c \
	percpu/debug_report.c \
	percpu/counter.c \
	percpu/ref.c \
	percpu/rwlock.c \
	mm/smallmem.c \

# Hardware: only in the kernel.
HW_SRCS := \
	smp/ap_main.c \
	smp/apic.c \
	smp/bringup.c \
	smp/call.c \
	smp/call_hw.c \
	smp/cpus.c \
	smp/idle.c \
	smp/idle_set.c \
	smp/nmi_send.c \
	smp/park.c \
	smp/tlb.c \
	smp/quiesce.c \
	smp/trampoline.c \
	smp/tsc_sync.c \
	smp/vectors.c \
	kernel/platform/legacy_irq.c \
	kernel/base/extable_table.c \
	kernel/base/ksyms.c \
	kernel/base/ubsan.c \
	kernel/main.c \
	kernel/app/memory_stage.c \
	kernel/app/acpi_stage.c \
	kernel/app/topology_stage.c \
	kernel/app/acpi_check_stage.c \
	kernel/app/cpu_regs_stage.c \
	kernel/app/smp_stage.c \
	kernel/app/tsc_stage.c \
	kernel/app/pages_stage.c \
	kernel/app/placement.c \
	kernel/app/stage_times.c \
	kernel/platform/cpu_promotion.c \
	kernel/platform/cpu_tables.c \
	kernel/platform/early_window.c \
	kernel/platform/findings_store.c \
	kernel/platform/paging.c \
	kernel/platform/panic.c \
	kernel/platform/trap.c \
	kernel/platform/console.c \
	kernel/platform/console_uart.c \
	kernel/platform/screen.c \
	kernel/base/deadline.c \
	kernel/platform/power.c \
	kernel/platform/clock.c \
	kernel/platform/cpu_stacks.c \
	kernel/app/report.c \
	kernel/app/report_hmat.c \
	kernel/app/summary.c \
	kernel/app/boot_state.c \
	kernel/app/version.c \
	kernel/app/report_percpu.c \
	kernel/app/run_stage.c \
	kernel/app/verdict_page.c \
	kernel/app/bench_percpu.c \
	kernel/app/bench_sizes.c \
	kernel/app/bench_trace.c \
	kernel/app/bench_atomic.c \
	kernel/app/bench_return.c \
	kernel/app/bench_accessors.c \
	kernel/app/bench_counter.c \
	kernel/app/bench_par.c \
	kernel/app/bench_step.c \
	kernel/app/fail.c \
	kernel/app/percpu_stage.c \
	kernel/app/percpu_dynamic_stage.c \
	kernel/app/percpu_pages.c \
	kernel/app/percpu_slots.c \
	kernel/app/percpu_cpus.c \
	kernel/app/percpu_fault.c \
	kernel/app/kernel_percpu_lib.c \
	percpu/setup.c \
	percpu/percpu.c \
	percpu/percpu_passthrough.c \
	percpu/percpu_debug.c \
	kernel/base/string.c \

# The test harness: its counters are its own; in the kernel and in every hosted test.
SHARED_SRCS := kernel/app/ktest.c

KERNEL_ASM := \
	boot/header.asm \
	boot/entry32.asm \
	boot/entry64.asm \
	kernel/platform/trap.asm \
	kernel/platform/stack.asm \
	percpu/switch.asm \
	smp/park.asm \
	smp/trampoline.asm \

# ---- the kernel: four builds of one source list ----------------------------------------------
# The stack protector's canary is the first word of the per-CPU section, whose address linker.ld
# fixes and checks (docs/adr/0001): 0xffffffff80210000 as a signed number.
CANARY_OFFSET := -2145320960
KCFLAGS := -std=gnu11 -ffreestanding -O2 -g -Wall -Wextra -Werror -mcmodel=kernel -mno-red-zone \
	-mno-mmx -mno-sse -mno-sse2 -mno-80387 -fno-pic -fno-pie -fno-common -fno-strict-aliasing \
	-fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fcf-protection=none \
	-fno-delete-null-pointer-checks -I.
GUARD := -fstack-protector-strong -mstack-protector-guard=tls -mstack-protector-guard-reg=gs
GCC_GUARD := $(GUARD) -mstack-protector-guard-offset=$(CANARY_OFFSET)
# The tree's name, for the log. The stamp changes only with it, and with it one object.
VERSION := $(or $(shell git describe --always --dirty --abbrev=12 2>/dev/null),unknown)
$(BUILD)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
.PHONY: FORCE
%/obj/kernel/app/version.o: KCFLAGS += -DPERCH_VERSION='"$(VERSION)"'
$(foreach d,$(BUILD) $(BUILD)/debug $(BUILD)/ubsan $(BUILD)/clang,$(d)/obj/kernel/app/version.o): \
	$(BUILD)/version

KLDFLAGS := -nostdlib -static -z max-page-size=0x1000 -z noexecstack --build-id=none -T linker.ld
UBSAN_FLAGS := -fsanitize=undefined -fno-sanitize=object-size
CLANG ?= clang
# clang takes an offset as unsigned, which cannot reach the section; from 16 on it takes a symbol.
# An older one builds without the stack protector (CAVEATS.md).
CLANG_GUARD = $(shell $(CLANG) $(GUARD) -mstack-protector-guard-symbol=__stack_chk_guard -x c -c \
	/dev/null -o /dev/null 2>/dev/null && echo $(GUARD) \
	-mstack-protector-guard-symbol=__stack_chk_guard || echo -fno-stack-protector)
# The compiler of the main build may be either.
CC_GUARD := $(if $(findstring clang,$(shell $(CC) --version 2>/dev/null)),$(CLANG_GUARD),$(GCC_GUARD))
LD := $(CROSS_COMPILE)ld

KERNEL_C := $(PURE_SRCS) $(LOCAL_SRCS) $(HW_SRCS) $(SHARED_SRCS) $(wildcard tests/kernel/*.c)

# Two sources stand behind percpu.h: percpu_debug.c in the debug kernel, percpu.c in the others.
PLAIN := percpu/percpu_debug.c
DEBUG := percpu/percpu.c

# $(1) directory, $(2) compiler, $(3) further flags, $(4) sources that are not in it
define kernel_build
$(1)/obj/%.o: %.c Makefile
	@mkdir -p $$(@D)
	@echo "  CC  $$@"
	$(Q)$(2) $$(KCFLAGS) $(3) -MMD -MP -c $$< -o $$@

$(1)/obj/%.asm.o: %.asm
	@mkdir -p $$(@D)
	@echo "  ASM $$@"
	$(Q)$$(NASM) -f elf64 -Werror $$< -o $$@

# Linked twice: the second time with the table of its own symbols, which comes last in .rodata.
$(1)/perch.elf: $$(patsubst %.c,$(1)/obj/%.o,$$(filter-out $(4),$$(KERNEL_C))) $$(KERNEL_ASM:%.asm=$(1)/obj/%.asm.o) linker.ld \
		tools/ksyms.py
	@echo "  LD  $$@"
	$(Q)$$(PYTHON) tools/ksyms.py < /dev/null > $(1)/ksyms0.asm
	$(Q)$$(NASM) -f elf64 $(1)/ksyms0.asm -o $(1)/ksyms0.o
	$(Q)$$(LD) $$(KLDFLAGS) -o $(1)/perch0.elf $$(filter %.o,$$^) $(1)/ksyms0.o
	$(Q)$$(NM) -n $(1)/perch0.elf | $$(PYTHON) tools/ksyms.py > $(1)/ksyms.asm
	$(Q)$$(NASM) -f elf64 $(1)/ksyms.asm -o $(1)/ksyms.o
	$(Q)$$(LD) $$(KLDFLAGS) -o $$@.tmp $$(filter %.o,$$^) $(1)/ksyms.o
	$(Q)$$(PYTHON) tools/check_image.py $$@.tmp
	@mv $$@.tmp $$@
endef

$(eval $(call kernel_build,$(BUILD),$(CC),$(CC_GUARD),$(PLAIN)))
$(eval $(call kernel_build,$(BUILD)/debug,$(CC),$(CC_GUARD),$(DEBUG)))
$(eval $(call kernel_build,$(BUILD)/ubsan,$(CC),$(CC_GUARD) $(UBSAN_FLAGS),$(PLAIN)))
$(eval $(call kernel_build,$(BUILD)/clang,$(CLANG),$(CLANG_GUARD),$(PLAIN)))

elf: $(BUILD)/perch.elf
elf-ubsan: $(BUILD)/ubsan/perch.elf
elf-clang: $(BUILD)/clang/perch.elf
elf-debug: $(BUILD)/debug/perch.elf
check-image: $(BUILD)/perch.elf
	$(PYTHON) tools/check_image.py $<

# ---- hosted tests: the same pure sources under ASan and UBSan --------------------------------
HOST_SAN ?= -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_CFLAGS := -std=gnu11 -g -O1 -Wall -Wextra -Werror -fno-omit-frame-pointer $(HOST_SAN) \
	-Itests/host -I.
HOST_LIB_SRCS := $(PURE_SRCS) $(LOCAL_SRCS) tests/host/shim.c tests/host/main.c \
	tests/host/cpu_local.c tests/host/cpus.c tests/host/percpu_world.c \
	tests/host/percpu_world_map.c tests/host/percpu_world_pages.c kernel/app/ktest.c
HOST_TESTS := $(wildcard tests/unit/*_test.c) $(wildcard tests/model/*_model.c)
HOST_BINS := $(HOST_TESTS:tests/%.c=$(BUILD)/host/%)
TSAN_TESTS := $(wildcard tests/tsan/*_test.c)

# A test links the sources that it needs, so that one test alone builds in seconds. Asked once, when
# the first of these programs is considered: words TEST.c:SOURCE.c.
SOURCES_OF = $(eval SOURCES_OF := $(shell echo $(HOST_LIB_SRCS) | \
	$(PYTHON) tools/sources_of.py $(HOST_TESTS) $(TSAN_TESTS)))$(SOURCES_OF)
# $(1) test, $(2) directory of the objects
objects_of = $(patsubst $(1):%.c,$(2)/%.o,$(filter $(1):%,$(SOURCES_OF)))

$(BUILD)/host/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -MMD -MP -c $< -o $@

.SECONDEXPANSION:
$(HOST_BINS): $(BUILD)/host/%: $(BUILD)/host/tests/%.o $$(call objects_of,tests/$$*.c,$(BUILD)/host)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -o $@ $^

# ---- tests/damage: the same sources once more, fast; undefined behaviour traps -------------------
SWEEP_CFLAGS := -std=gnu11 -g -O2 -Wall -Wextra -Werror -fno-omit-frame-pointer \
	-fsanitize=undefined -fsanitize-undefined-trap-on-error -Itests/host -I.
DAMAGE_BINS := $(patsubst tests/%.c,$(BUILD)/sweep/%,$(wildcard tests/damage/*.c))
SWEEP_OBJS := $(patsubst %.c,$(BUILD)/sweep/%.o,$(PURE_SRCS) tests/host/shim.c tests/host/main.c \
	kernel/app/ktest.c)

$(BUILD)/sweep/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(HOSTCC) $(SWEEP_CFLAGS) -MMD -MP -c $< -o $@

$(DAMAGE_BINS): $(BUILD)/sweep/%: $(BUILD)/sweep/tests/%.o $(SWEEP_OBJS)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(HOSTCC) $(SWEEP_CFLAGS) -o $@ $^

unit-%: $(BUILD)/host/unit/%_test
	$<

model-%: $(BUILD)/host/model/%_model
	$<

host-bins: $(HOST_BINS)

# ---- the same sources under TSan: threads are CPUs ----------------------------------------------
# A fence is nothing to TSan: a warning of gcc's, and so an error here. Use orders on the accesses.
TSAN_CFLAGS := -std=gnu11 -g -O1 -Wall -Wextra -Werror -fno-omit-frame-pointer -fsanitize=thread \
	-Itests/host -I.
TSAN_BINS := $(TSAN_TESTS:tests/tsan/%.c=$(BUILD)/tsan/%)

$(BUILD)/tsan/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(HOSTCC) $(TSAN_CFLAGS) -MMD -MP -c $< -o $@

$(TSAN_BINS): $(BUILD)/tsan/%: $(BUILD)/tsan/tests/tsan/%.o \
		$$(call objects_of,tests/tsan/$$*.c,$(BUILD)/tsan)
	@echo "  LD  $@"
	$(Q)$(HOSTCC) $(TSAN_CFLAGS) -o $@ $^

tsan-%: $(BUILD)/tsan/%_test
	$(PYTHON) tools/tsan_run.py $<

tsan-bins: $(TSAN_BINS)

# ---- fuzz targets: libFuzzer over the same sources, one library built once ---------------------
FUZZ_CFLAGS := -std=gnu11 -g -O1 -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -Itests/host -I.
FUZZ_LIB := $(BUILD)/fuzz/libperch.a
FUZZ_BINS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_LIB_OBJS := $(patsubst %.c,$(BUILD)/fuzz/%.o,$(PURE_SRCS) tests/host/shim.c)

$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@

$(FUZZ_LIB): $(FUZZ_LIB_OBJS)
	@rm -f $@
	@echo "  AR  $@"
	$(Q)ar rcs $@ $^

$(FUZZ_BINS): $(BUILD)/fuzz/%: $(BUILD)/fuzz/tests/fuzz/%.o $(FUZZ_LIB)
	@echo "  LD  $@"
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $^

FUZZ_SECONDS ?= 60
fuzz-%: $(BUILD)/fuzz/%_fuzz
	@mkdir -p $(BUILD)/fuzz/corpus/$*
	$(PYTHON) tests/fuzz/seeds.py $(BUILD)/fuzz/corpus
	$< -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -use_value_profile=1 $(BUILD)/fuzz/corpus/$*

# ---- programs for the host, on the kernel's own sources ----------------------------------------
LAYOUT_SRCS := tools/layout/main.c tools/layout/json.c tools/layout/machine.c \
	percpu/layout.c percpu/layout_print.c kernel/base/printf.c
TOOL_BINS := $(BUILD)/perch-layout $(BUILD)/perch-acpi

$(BUILD)/perch-layout: $(LAYOUT_SRCS) $(wildcard tools/*.h tools/layout/*.h percpu/*.h)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(HOSTCC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -I. -o $@ $(LAYOUT_SRCS)

ACPI_TOOL_SRCS := $(wildcard tools/acpi/*.c) $(filter acpi/%,$(PURE_SRCS)) \
	$(filter mm/numa% mm/cxl%,$(PURE_SRCS)) kernel/base/firmware.c kernel/base/printf.c kernel/base/sort.c

$(BUILD)/perch-acpi: $(ACPI_TOOL_SRCS) $(wildcard tools/*.h tools/acpi/*.h acpi/*.h mm/*.h \
		kernel/base/*.h)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(HOSTCC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -fno-strict-aliasing -I. -o $@ \
		$(ACPI_TOOL_SRCS)

# ---- the allocator as a hosted library ----------------------------------------------------------
include tools/library/library.mk

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.SECONDARY:
.PHONY: host-bins tsan-bins elf elf-ubsan elf-clang elf-debug check-image

# ---- the verbs of ./perch ---------------------------------------------------------------------
include tools/verbs.mk
