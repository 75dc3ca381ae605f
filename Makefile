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

# ---- sources, by kind (docs/design: pure, CPU-local, hardware) -------------------------------
# Pure: freestanding and hosted from the same source.
PURE_SRCS := \
	mm/memblock.c \
	mm/memblock_alloc.c \
	mm/memblock_attr.c \
	mm/memblock_grow.c \
	mm/memblock_iter.c \
	mm/memblock_query.c \
	mm/memblock_regions.c \
	mm/memblock_verify.c \
	mm/memblock_virt.c \
	mm/pagetable.c \
	mm/pagetable_change.c \
	mm/pagetable_walk.c \
	mm/direct_map.c \
	mm/wx_check.c \
	mm/vspace.c \
	mm/vspace_congruent.c \
	mm/vspace_map.c \
	kernel/base/glob.c \
	kernel/base/printf.c \
	kernel/base/bitmap.c \
	kernel/base/sort.c \

# CPU-local: pure but for kernel/base/cpu_local.h, which has a hosted twin.
LOCAL_SRCS := \

# Hardware: only in the kernel.
HW_SRCS := \

# ---- hosted tests: the same pure sources under ASan and UBSan --------------------------------
HOST_SAN ?= -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_CFLAGS := -std=gnu11 -g -O1 -Wall -Wextra -Werror -fno-omit-frame-pointer $(HOST_SAN) \
	-Itests/host -I.
HOST_LIB_SRCS := $(PURE_SRCS) $(LOCAL_SRCS) tests/host/shim.c tests/host/main.c kernel/app/ktest.c
HOST_LIB_OBJS := $(HOST_LIB_SRCS:%.c=$(BUILD)/host/%.o)
HOST_LIB := $(BUILD)/host/libperch.a
HOST_TESTS := $(wildcard tests/unit/*_test.c) $(wildcard tests/model/*_model.c)
HOST_BINS := $(HOST_TESTS:tests/%.c=$(BUILD)/host/%)

$(BUILD)/host/%.o: %.c
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_CFLAGS) -MMD -MP -c $< -o $@

$(HOST_LIB): $(HOST_LIB_OBJS)
	@rm -f $@
	$(CROSS_COMPILE)ar rcs $@ $^

$(HOST_BINS): $(BUILD)/host/%: $(BUILD)/host/tests/%.o $(HOST_LIB)
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_CFLAGS) -o $@ $< $(HOST_LIB)

unit-%: $(BUILD)/host/unit/%_test
	$<

model-%: $(BUILD)/host/model/%_model
	$<

host-bins: $(HOST_BINS)

-include $(shell find $(BUILD)/host -name '*.d' 2>/dev/null)
.SECONDARY:
.PHONY: host-bins
