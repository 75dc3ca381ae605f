# What `./perch VERB` runs: iso, run, test, layout-bin, acpi-bin, bench, help. Included by the Makefile.
# SPDX-License-Identifier: MIT

.DEFAULT_GOAL := all
all: $(BUILD)/perch.elf $(BUILD)/perch.iso

clean:
	rm -rf $(BUILD)

PYTEST ?= $(PYTHON) -m pytest
JOBS ?= $(shell nproc)
WHAT ?=
PATTERN ?=

# ---- iso: one image for BIOS and UEFI, CD-ROM and USB stick ----------------------------------
ISO := $(BUILD)/perch.iso

$(ISO): $(BUILD)/perch.elf boot/grub.cfg tools/iso.py tools/iso_fixed.py
	$(PYTHON) tools/iso.py $(BUILD)/perch.elf $@

iso: $(ISO)

# ---- run: NODES= CPUS= MEM= FIRMWARE= TOPOLOGY= TABLES= APPEND= ACCEL= GDB= LOG= STRICT= -----
# make ends with 2 whatever the program ended with; ./perch has the status (docs/testing.md).
RUN_OPTIONS := NODES CPUS MEM FIRMWARE TOPOLOGY TABLES APPEND ACCEL GDB LOG STRICT
export $(RUN_OPTIONS)

run: $(BUILD)/perch.elf
	@$(PYTHON) tools/run.py

# ---- test: WHAT=, one of the kinds below; PATTERN=, part of a test's name ----------------------
# The kernels that a machine file can name by kernel=.
KERNELS := $(BUILD)/perch.elf $(BUILD)/ubsan/perch.elf $(BUILD)/clang/perch.elf \
	$(BUILD)/debug/perch.elf

TEST_NEEDS_unit := host-bins
TEST_NEEDS_model := host-bins
TEST_NEEDS_damage := $(DAMAGE_BINS)
TEST_NEEDS_tsan := tsan-bins
TEST_NEEDS_kernel := $(BUILD)/perch.elf
TEST_NEEDS_qemu := $(KERNELS) iso
TEST_NEEDS_huge := $(BUILD)/perch.elf
TEST_NEEDS_busy := $(BUILD)/perch.elf
TEST_NEEDS_bochs := $(BUILD)/perch.elf iso
TEST_NEEDS_kvm := $(BUILD)/perch.elf
TEST_NEEDS_tools := $(TOOL_BINS) $(BUILD)/perch.elf library-tests
TEST_NEEDS_docs := $(BUILD)/perch.elf $(BUILD)/debug/perch.elf iso $(TOOL_BINS)
TEST_NEEDS_runner :=
TEST_NEEDS_lint := $(KERNELS)
TEST_NEEDS_fuzz := $(FUZZ_BINS)
TEST_NEEDS_all := host-bins tsan-bins $(DAMAGE_BINS) $(KERNELS) iso $(TOOL_BINS) $(FUZZ_BINS) library-tests

# TOOL_BINS and FUZZ_BINS are the Makefile's lists of hosted tools and fuzz programs.
TEST_KIND := $(or $(WHAT),all)
export JOBS PYTEST BUILD

test-needs: $(TEST_NEEDS_$(TEST_KIND))

test: test-needs
	@$(PYTHON) tools/testing.py $(TEST_KIND) $(PATTERN)

# ---- damage-sweep: all 255 wrong values of every byte, in JOBS processes; ten of them under ASan ---
damage-sweep: $(BUILD)/host/tests/damage/damage_test $(DAMAGE_BINS)
	seq 0 $$(($(JOBS) - 1)) | DAMAGE_PART=full xargs -P $(JOBS) -I K \
		env DAMAGE_SHARE=K/$(JOBS) $(DAMAGE_BINS)
	DAMAGE_SWEEP=full $<

# ---- layout-bin: the program behind `perch layout` --------------------------------------------
layout-bin: $(BUILD)/perch-layout

# ---- acpi-bin: the program behind `perch acpi` ------------------------------------------------
acpi-bin: $(BUILD)/perch-acpi

# ---- compdb: for clangd; the kernel first, so that shared sources get the kernel's flags ----------
COMPDB_OF := $(BUILD)/perch.elf $(BUILD)/debug/perch.elf $(HOST_BINS) $(TSAN_BINS) $(DAMAGE_BINS) \
	$(TOOL_BINS) $(FUZZ_BINS) libperch-percpu.a $(BUILD)/bench-library
COMPDB ?= compile_commands.json
compdb:
	@$(MAKE) --no-print-directory -nB $(COMPDB_OF) BUILD=$(BUILD) | \
		$(PYTHON) tools/compdb.py $(COMPDB)

# ---- bench: WHAT=all|boot|percpu; BENCH_ARGS=--check: against tests/bench/*-budgets.toml ------
BENCH_ARGS ?=

bench: $(BUILD)/perch.elf
	@$(PYTHON) tools/bench.py $(or $(WHAT),all) $(BENCH_ARGS)

# ---- docs-check: the documents' samples; figures, with BENCH=output of `perch bench` ---------------
BENCH ?=

docs-check: $(TEST_NEEDS_docs)
	@BUILD=$(BUILD) $(PYTEST) -q -n $(JOBS) tests/test_docs.py
	$(if $(BENCH),$(PYTHON) tools/bench_docs.py $(BENCH))

help:
	@echo 'make             build/perch.elf and build/perch.iso'
	@echo 'make run         NODES= CPUS= MEM= FIRMWARE= TOPOLOGY= TABLES= APPEND= ACCEL= GDB=1 LOG= STRICT=1'
	@echo 'make test        every test; or WHAT=unit|model|damage|tsan|kernel|qemu|busy|huge|bochs|kvm|tools|docs|'
	@echo '     runner|lint|fuzz, and PATTERN=, part of a name; test-needs: what is built before'
	@echo 'make unit-NAME   builds and runs NAME_test.c, wherever in tests/, and what it needs; so do:'
	@echo '     model-NAME  NAME_model.c'
	@echo '     tsan-NAME   NAME_tsan.c, or a unit test under TSan'
	@echo '     fuzz-NAME   NAME_fuzz.c; FUZZ_SECONDS=60'
	@echo 'make elf         one kernel alone; elf-debug, elf-ubsan, elf-clang: the three others'
	@echo 'make check-image what build/perch.elf must hold, checked'
	@echo 'make host-bins   all unit and model tests; tsan-bins: all that run under TSan'
	@echo 'make damage-sweep  all 255 wrong values of every byte of real tables and loader blocks'
	@echo 'make layout-bin  build/perch-layout, the program behind ./perch layout'
	@echo 'make acpi-bin    build/perch-acpi, the program behind ./perch acpi'
	@echo 'make iso         build/perch.iso'
	@echo 'make bench       WHAT=boot|percpu BENCH_ARGS="--check --runs 0 --machines 8/4"'
	@echo 'make docs-check  samples and figures in the documents; BENCH="output of perch bench"'
	@echo 'make linux-module LINUX_HEADERS=DIR  the allocator as a module of Linux (./perch compare percpu)'
	@echo 'make bench-library      the library beside glibc, jemalloc, mimalloc and tcmalloc, as far as installed'
	@echo 'make libperch-percpu.a  the allocator as a library: build/lib, one header (C11, C++17) with it'
	@echo 'make compdb      compile_commands.json, for clangd'
	@echo 'make clean       removes build/'
	@echo 'Debugger: ./perch run --gdb, then gdb build/perch.elf -x tools/gdb/perch.py (perch memblock,'
	@echo '          nodes, chunks, mags, log; also after a panic)'
	@echo 'Variables: CROSS_COMPILE= CC= NASM= BUILD= PYTHON= JOBS= V=1 (shows the commands)'

.PHONY: all clean iso run test test-needs damage-sweep docs-check layout-bin acpi-bin compdb bench help
