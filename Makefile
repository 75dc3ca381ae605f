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

# ---- sources, by kind: pure, CPU-local, hardware (docs/adr/0003) -------------------------------
# Pure: freestanding and hosted from the same source.
PURE_SRCS := \
	acpi/cedt.c \
	acpi/dbg2.c \
	acpi/fadt.c \
	acpi/hmat.c \
	acpi/hmat_check.c \
	acpi/hpet.c \
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
	boot/bios_area.c \
	boot/boot_info.c \
	boot/efi_memmap.c \
	boot/memmap.c \
	boot/multiboot2.c \
	boot/pvh.c \
	boot/smbios.c \
	kernel/base/bitmap.c \
	kernel/base/clockmath.c \
	kernel/base/cmdline.c \
	kernel/base/console_spec.c \
	kernel/base/cpu_id.c \
	kernel/base/crc32.c \
	kernel/base/event_kinds.c \
	kernel/base/fb_text.c \
	kernel/base/firmware.c \
	kernel/base/font.c \
	kernel/base/glob.c \
	kernel/base/mce.c \
	kernel/base/mmio_allowed.c \
	kernel/base/options.c \
	kernel/base/patience.c \
	kernel/base/printf.c \
	kernel/base/refclock.c \
	kernel/base/sort.c \
	kernel/base/symbols.c \
	kernel/base/tsc_source.c \
	kernel/base/uart16550.c \
	kernel/bench/bench_stat.c \
	kernel/platform/power_ways.c \
	kernel/report/outcome.c \
	kernel/report/report_json.c \
	mm/map/direct_map.c \
	mm/map/pagetable.c \
	mm/map/pagetable_range.c \
	mm/map/pagetable_unmap.c \
	mm/map/pagetable_walk.c \
	mm/map/vspace.c \
	mm/map/vspace_congruent.c \
	mm/map/vspace_map.c \
	mm/map/wx_check.c \
	mm/memblock/memblock.c \
	mm/memblock/memblock_alloc.c \
	mm/memblock/memblock_attr.c \
	mm/memblock/memblock_find.c \
	mm/memblock/memblock_grow.c \
	mm/memblock/memblock_query.c \
	mm/memblock/memblock_regions.c \
	mm/memblock/memblock_verify.c \
	mm/memblock/memory_attr.c \
	mm/numa/cxl_windows.c \
	mm/numa/numa.c \
	mm/numa/numa_check.c \
	mm/numa/numa_check_hmat.c \
	mm/numa/numa_cover.c \
	mm/numa/numa_cpus.c \
	mm/numa/numa_distance.c \
	mm/numa/numa_memory.c \
	mm/numa/numa_nodes.c \
	mm/numa/numa_verify.c \
	percpu/chunk/chunk.c \
	percpu/chunk/chunk_block.c \
	percpu/chunk/chunk_objects.c \
	percpu/chunk/chunk_stats.c \
	percpu/chunk/chunk_tree.c \
	percpu/chunk/chunk_verify.c \
	percpu/first/first_chunk_choose.c \
	percpu/first/first_chunk_embed.c \
	percpu/first/first_chunk_page.c \
	percpu/first/layout.c \
	percpu/first/layout_print.c \
	percpu/first/setup_first_chunk.c \
	percpu/first/setup_first_chunk_verify.c \
	smp/call/call_core.c \
	smp/call/tlb_core.c \
	smp/compare/cpu_regs.c \
	smp/compare/mtrr.c \
	smp/compare/tsc_sync_core.c \
	smp/run/park_core.c \
	smp/start/apic_mode.c \
	smp/start/bringup_batch.c \
	smp/start/bringup_fault.c \
	smp/start/bringup_state.c \
	smp/start/cpumap.c \
	smp/start/trampoline_place.c \

# CPU-local: pure but for kernel/base/cpu_local.h, which has a hosted twin.
LOCAL_SRCS := \
	kernel/base/events.c \
	kernel/base/log.c \
	kernel/base/spinlock.c \
	mm/pages/buddy.c \
	mm/pages/buddy_block.c \
	mm/pages/buddy_page.c \
	mm/pages/buddy_section.c \
	mm/pages/buddy_setup.c \
	mm/pages/buddy_take.c \
	mm/pages/buddy_verify.c \
	mm/pages/smallmem.c \
	percpu/alloc/alloc.c \
	percpu/alloc/alloc_balance.c \
	percpu/alloc/alloc_batch.c \
	percpu/alloc/alloc_bump.c \
	percpu/alloc/alloc_chunks.c \
	percpu/alloc/alloc_decode.c \
	percpu/alloc/alloc_grow.c \
	percpu/alloc/alloc_init.c \
	percpu/alloc/alloc_magazines.c \
	percpu/alloc/alloc_metadata.c \
	percpu/alloc/alloc_post.c \
	percpu/alloc/alloc_reclaim.c \
	percpu/alloc/alloc_set.c \
	percpu/alloc/alloc_stats.c \
	percpu/alloc/alloc_verify.c \
	percpu/backing/backing.c \
	percpu/backing/backing_layout.c \
	percpu/backing/backing_populate.c \
	percpu/backing/backing_promote.c \
	percpu/backing/backing_return.c \
	percpu/backing/backing_verify.c \
	percpu/debug/debug.c \
	percpu/debug/debug_pattern.c \
	percpu/debug/debug_report.c \
	percpu/sync/counter.c \
	percpu/sync/ref.c \
	percpu/sync/rwlock.c \

# Hardware: only in the kernel.
HW_SRCS := \
	kernel/main.c \
	kernel/run_stage.c \
	kernel/base/deadline.c \
	kernel/base/extable.c \
	kernel/base/ksyms.c \
	kernel/base/string.c \
	kernel/base/ubsan.c \
	kernel/base/version.c \
	kernel/bench/bench_accessors.c \
	kernel/bench/bench_atomic.c \
	kernel/bench/bench_counter.c \
	kernel/bench/bench_latency.c \
	kernel/bench/bench_par.c \
	kernel/bench/bench_percpu.c \
	kernel/bench/bench_return.c \
	kernel/bench/bench_idle.c \
	kernel/bench/bench_ring.c \
	kernel/bench/bench_waves.c \
	kernel/bench/bench_sizes.c \
	kernel/bench/bench_step.c \
	kernel/bench/bench_storm.c \
	kernel/bench/bench_trace.c \
	kernel/platform/clock.c \
	kernel/platform/console.c \
	kernel/platform/console_uart.c \
	kernel/platform/cpu_promotion.c \
	kernel/platform/cpu_stacks.c \
	kernel/platform/cpu_tables.c \
	kernel/platform/early_window.c \
	kernel/platform/findings_store.c \
	kernel/platform/kernel_percpu_lib.c \
	kernel/platform/legacy_irq.c \
	kernel/platform/machine_check.c \
	kernel/platform/mmio.c \
	kernel/platform/paging.c \
	kernel/platform/panic.c \
	kernel/platform/pat.c \
	kernel/platform/percpu_cpus.c \
	kernel/platform/percpu_fault.c \
	kernel/platform/percpu_pages.c \
	kernel/platform/percpu_slots.c \
	kernel/platform/power.c \
	kernel/platform/screen.c \
	kernel/platform/trap.c \
	kernel/report/placement.c \
	kernel/report/report.c \
	kernel/report/report_hmat.c \
	kernel/report/report_percpu.c \
	kernel/report/summary.c \
	kernel/report/verdict_page.c \
	kernel/stages/acpi_check_stage.c \
	kernel/stages/acpi_stage.c \
	kernel/stages/boot_state.c \
	kernel/stages/cpu_regs_stage.c \
	kernel/stages/fail.c \
	kernel/stages/memory_stage.c \
	kernel/stages/pages_stage.c \
	kernel/stages/percpu_dynamic_stage.c \
	kernel/stages/percpu_stage.c \
	kernel/stages/smp_stage.c \
	kernel/stages/stage_times.c \
	kernel/stages/topology_stage.c \
	kernel/stages/tsc_stage.c \
	percpu/percpu.c \
	percpu/percpu_debug.c \
	percpu/percpu_passthrough.c \
	percpu/first/setup.c \
	smp/call/call.c \
	smp/call/call_hw.c \
	smp/call/nmi_send.c \
	smp/call/quiesce.c \
	smp/call/tlb.c \
	smp/compare/tsc_sync.c \
	smp/run/idle.c \
	smp/run/idle_set.c \
	smp/run/lapic_timer.c \
	smp/run/park.c \
	smp/run/vectors.c \
	smp/start/ap_main.c \
	smp/start/apic.c \
	smp/start/bringup.c \
	smp/start/cpus.c \
	smp/start/trampoline.c \

# The test harness, with counters of its own: in the kernel and in every hosted test.
SHARED_SRCS := kernel/base/ktest.c

# A test has the path of the tested folder, under tests/; the end of its name is its kind (tests/README.md).
tests_of = $(sort $(shell find tests -name '*_$(1).c'))
UNITS := $(call tests_of,test)
MODELS := $(call tests_of,model)
FUZZERS := $(call tests_of,fuzz)
SUITES := $(call tests_of,suite)
TSAN_TESTS := $(call tests_of,tsan) $(shell grep -l 'Also run under TSan\.' $(UNITS))

KERNEL_ASM := \
	boot/header.asm \
	boot/check32.asm \
	boot/entry32.asm \
	boot/entry64.asm \
	boot/fault32.asm \
	boot/refuse32.asm \
	kernel/platform/trap.asm \
	kernel/platform/stack.asm \
	percpu/first/unit_switch.asm \
	smp/run/park.asm \
	smp/start/trampoline.asm \

# The same source and compiler give the same bytes in any folder (docs/adr/0028): paths in debug
# information begin at the top folder.
SAME_BYTES := -ffile-prefix-map=$(CURDIR)=.

# ---- the kernel: four builds of one source list ----------------------------------------------
# The stack protector's canary is the first word of the per-CPU section, whose address linker.ld
# fixes and checks (docs/adr/0001): 0xffffffff80210000 as a signed number.
CANARY_OFFSET := -2145320960
KCFLAGS := -std=gnu11 -ffreestanding -O2 -g -Wall -Wextra -Werror -mcmodel=kernel -mno-red-zone \
	-mno-mmx -mno-sse -mno-sse2 -mno-80387 -fno-pic -fno-pie -fno-common -fno-strict-aliasing \
	-fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fcf-protection=none \
	-fno-delete-null-pointer-checks -I. $(SAME_BYTES)
GUARD := -fstack-protector-strong -mstack-protector-guard=tls -mstack-protector-guard-reg=gs
GCC_GUARD := $(GUARD) -mstack-protector-guard-offset=$(CANARY_OFFSET)
# The tree's name, for the log, without tags, which one clone has and another has not. The stamp, and
# one object, are made anew only when the name changes.
VERSION := $(or $(shell git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null),unknown)
$(BUILD)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
.PHONY: FORCE
%/obj/kernel/base/version.o: KCFLAGS += -DPERCH_VERSION='"$(VERSION)"'
$(foreach d,$(BUILD) $(BUILD)/debug $(BUILD)/ubsan $(BUILD)/clang,$(d)/obj/kernel/base/version.o): \
	$(BUILD)/version

KLDFLAGS := -nostdlib -static -z max-page-size=0x1000 -z noexecstack --build-id=none -T linker.ld
UBSAN_FLAGS := -fsanitize=undefined -fno-sanitize=object-size
CLANG ?= clang
# clang takes an offset as unsigned, which cannot reach the section; from 16 on it takes a symbol.
# An older one builds without the stack protector (CAVEATS.md).
CLANG_GUARD = $(shell $(CLANG) $(GUARD) -mstack-protector-guard-symbol=__stack_chk_guard -x c -c \
	/dev/null -o /dev/null 2>/dev/null && echo $(GUARD) \
	-mstack-protector-guard-symbol=__stack_chk_guard || echo -fno-stack-protector)
# The main build may use either compiler.
CC_GUARD := $(if $(findstring clang,$(shell $(CC) --version 2>/dev/null)),$(CLANG_GUARD),$(GCC_GUARD))
LD := $(CROSS_COMPILE)ld

KERNEL_C := $(PURE_SRCS) $(LOCAL_SRCS) $(HW_SRCS) $(SHARED_SRCS) $(SUITES) tests/suite/gs_ops.c \
	tests/suite/on_idle.c tests/suite/speed.c

# percpu.h has two implementations: percpu_debug.c in the debug kernel, percpu.c in the others.
PLAIN := percpu/percpu_debug.c
DEBUG := percpu/percpu.c

# $(1) directory, $(2) compiler, $(3) further flags, $(4) sources that are not in it
define kernel_build
$(1)/obj/%.o: %.c Makefile
	@mkdir -p $$(@D)
	@echo "  CC  $$@"
	$(Q)$(2) $$(KCFLAGS) $(3) -MMD -MP -c $$< -o $$@

# A run of its own for the dependencies: -MD of NASM 2.16 leaves out what is included.
$(1)/obj/%.asm.o: %.asm
	@mkdir -p $$(@D)
	@echo "  ASM $$@"
	$(Q)$$(NASM) -f elf64 -M -MP -MT $$@ -MF $$(@:.o=.d) $$<
	$(Q)$$(NASM) -f elf64 -Werror $$< -o $$@

# Linked twice: the second time with the table of its own symbols, which comes last in .rodata.
$(1)/perch.elf: $$(patsubst %.c,$(1)/obj/%.o,$$(filter-out $(4),$$(KERNEL_C))) $$(KERNEL_ASM:%.asm=$(1)/obj/%.asm.o) linker.ld \
		tools/ksyms.py
	@echo "  LD  $$@"
	$(Q)$$(PYTHON) tools/ksyms.py < /dev/null > $(1)/ksyms0.asm
	$(Q)cd $(1) && $$(NASM) -f elf64 ksyms0.asm -o ksyms0.o
	$(Q)$$(LD) $$(KLDFLAGS) -o $(1)/perch0.elf $$(filter %.o,$$^) $(1)/ksyms0.o
	$(Q)$$(NM) -n $(1)/perch0.elf | $$(PYTHON) tools/ksyms.py > $(1)/ksyms.asm
	$(Q)cd $(1) && $$(NASM) -f elf64 ksyms.asm -o ksyms.o
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
	tests/host/percpu_world_map.c tests/host/percpu_world_pages.c kernel/base/ktest.c \
	tools/linux-module/summary.c
HOST_TESTS := $(UNITS) $(MODELS)
HOST_BINS := $(HOST_TESTS:%.c=$(BUILD)/host/%)

# A test links only the sources that it needs, so that one test alone builds in seconds. The list, words
# TEST.c:SOURCE.c, is made once, when the first of these programs is considered.
SOURCES_OF = $(eval SOURCES_OF := $(shell echo $(HOST_LIB_SRCS) | \
	$(PYTHON) tools/sources_of.py $(HOST_TESTS) $(TSAN_TESTS)))$(SOURCES_OF)
# $(1) program's name, $(2) programs: the one of that name
named = $(filter %/$(1),$(2))
# $(1) test, $(2) directory of the objects
objects_of = $(patsubst $(1):%.c,$(2)/%.o,$(filter $(1):%,$(SOURCES_OF)))

$(BUILD)/host/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -MMD -MP -c $< -o $@

.SECONDEXPANSION:
$(HOST_BINS): $(BUILD)/host/%: $(BUILD)/host/%.o $$(call objects_of,$$*.c,$(BUILD)/host)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -o $@ $^

# ---- tests/damage: the same sources once more, fast; undefined behaviour traps -------------------
SWEEP_CFLAGS := -std=gnu11 -g -O2 -Wall -Wextra -Werror -fno-omit-frame-pointer \
	-fsanitize=undefined -fsanitize-undefined-trap-on-error -Itests/host -I.
DAMAGE_BINS := $(BUILD)/sweep/tests/damage/every_value
SWEEP_OBJS := $(patsubst %.c,$(BUILD)/sweep/%.o,$(PURE_SRCS) tests/host/shim.c tests/host/main.c \
	kernel/base/ktest.c kernel/base/events.c)

$(BUILD)/sweep/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(HOSTCC) $(SWEEP_CFLAGS) -MMD -MP -c $< -o $@

$(DAMAGE_BINS): $(BUILD)/sweep/%: $(BUILD)/sweep/%.o $(SWEEP_OBJS)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(HOSTCC) $(SWEEP_CFLAGS) -o $@ $^

unit-%: $$(call named,$$*_test,$(HOST_BINS))
	$(or $<,$(error no test $@: make help))

model-%: $$(call named,$$*_model,$(HOST_BINS))
	$(or $<,$(error no test $@: make help))

host-bins: $(HOST_BINS)

# ---- the same sources under TSan: threads are CPUs ----------------------------------------------
# TSan ignores fences. gcc warns of them, which is an error here: order the accesses instead.
TSAN_CFLAGS := -std=gnu11 -g -O1 -Wall -Wextra -Werror -fno-omit-frame-pointer -fsanitize=thread \
	-Itests/host -I.
TSAN_BINS := $(TSAN_TESTS:%.c=$(BUILD)/tsan/%)

$(BUILD)/tsan/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(HOSTCC) $(TSAN_CFLAGS) -MMD -MP -c $< -o $@

$(TSAN_BINS): $(BUILD)/tsan/%: $(BUILD)/tsan/%.o $$(call objects_of,$$*.c,$(BUILD)/tsan)
	@echo "  LD  $@"
	$(Q)$(HOSTCC) $(TSAN_CFLAGS) -o $@ $^

tsan-%: $$(call named,$$*_test,$(TSAN_BINS)) $$(call named,$$*_tsan,$(TSAN_BINS))
	$(PYTHON) tools/tsan_run.py $(or $<,$(error no test $@: make help))

tsan-bins: $(TSAN_BINS)

# ---- fuzz targets: libFuzzer over the same sources, one library built once ---------------------
FUZZ_CFLAGS := -std=gnu11 -g -O1 -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -Itests/host -I.
FUZZ_LIB := $(BUILD)/fuzz/libperch.a
FUZZ_BINS := $(FUZZERS:%.c=$(BUILD)/fuzz/%)
FUZZ_LIB_OBJS := $(patsubst %.c,$(BUILD)/fuzz/%.o,$(PURE_SRCS) kernel/base/events.c \
	tests/host/shim.c)

$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@

$(FUZZ_LIB): $(FUZZ_LIB_OBJS)
	@rm -f $@
	@echo "  AR  $@"
	$(Q)ar rcs $@ $^

$(FUZZ_BINS): $(BUILD)/fuzz/%: $(BUILD)/fuzz/%.o $(FUZZ_LIB)
	@echo "  LD  $@"
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $^

FUZZ_SECONDS ?= 60
fuzz-%: $$(call named,$$*_fuzz,$(FUZZ_BINS))
	@mkdir -p $(BUILD)/fuzz/corpus/$*
	$(PYTHON) tests/fuzz/seeds.py $(BUILD)/fuzz/corpus
	$(or $<,$(error no test $@: make help)) -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -use_value_profile=1 $(BUILD)/fuzz/corpus/$*

# ---- programs for the host, on the kernel's own sources ----------------------------------------
LAYOUT_SRCS := tools/layout/main.c tools/layout/json.c tools/layout/machine.c \
	percpu/first/layout.c percpu/first/layout_print.c kernel/base/printf.c
TOOL_BINS := $(BUILD)/perch-layout $(BUILD)/perch-acpi

$(BUILD)/perch-layout: $(LAYOUT_SRCS) $(wildcard tools/*.h tools/layout/*.h percpu/first/*.h \
		kernel/base/*.h)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(HOSTCC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -I. -o $@ $(LAYOUT_SRCS)

ACPI_TOOL_SRCS := $(wildcard tools/acpi/*.c) $(filter acpi/%,$(PURE_SRCS)) \
	$(filter mm/numa/%,$(PURE_SRCS)) kernel/base/firmware.c kernel/base/mmio_allowed.c \
	kernel/base/printf.c kernel/base/sort.c

$(BUILD)/perch-acpi: $(ACPI_TOOL_SRCS) $(wildcard tools/*.h tools/acpi/*.h acpi/*.h mm/numa/*.h \
		kernel/base/*.h)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(HOSTCC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -fno-strict-aliasing -I. -o $@ \
		$(ACPI_TOOL_SRCS)

# ---- the allocator as a hosted library ----------------------------------------------------------
include tools/library/library.mk
include tools/linux-module/module.mk

-include $(shell find $(BUILD) -path '$(BUILD)/linux*' -prune -o -name '*.d' -print 2>/dev/null)
.SECONDARY:
.PHONY: host-bins tsan-bins elf elf-ubsan elf-clang elf-debug check-image

# ---- the verbs of ./perch ---------------------------------------------------------------------
include tools/verbs.mk
