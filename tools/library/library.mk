# The allocator as a hosted static library with one header: docs/porting.md. Included by the Makefile.
# SPDX-License-Identifier: MIT

# percpu.c is a hardware source only because of its file-scope state.
LIBRARY_SRCS := $(filter percpu/%,$(PURE_SRCS) $(LOCAL_SRCS)) percpu/percpu.c percpu/percpu_passthrough.c \
	$(filter mm/pages/buddy%,$(LOCAL_SRCS)) mm/map/vspace.c mm/map/vspace_congruent.c \
	kernel/base/bitmap.c kernel/base/sort.c kernel/base/printf.c kernel/base/spinlock.c \
	kernel/base/events.c \
	$(wildcard tools/library/*.c)
LIBRARY_HEADERS := $(wildcard percpu/*.h percpu/*/*.h kernel/base/*.h tools/library/*.h \
	tools/library/kernel/base/*.h tools/library/percpu/*/*.h)
# Position-independent, so that it can be part of anything; aliasing as in the kernel.
LIBRARY_CFLAGS := -std=gnu11 -g -Wall -Wextra -Werror -fPIC -ftls-model=initial-exec \
	-fno-strict-aliasing -fno-omit-frame-pointer -pthread -Itools/library -I. $(SAME_BYTES)

# For the machine that builds, as HOSTCC.
HOST_OBJCOPY ?= objcopy
HOST_AR ?= ar

# $(1) directory, $(2) further flags. One object, in which only what the header declares is global.
define library_build
$(1)/obj/%.o: %.c Makefile tools/library/library.mk
	@mkdir -p $$(@D)
	@echo "  CC  $$@"
	$(Q)$$(HOSTCC) $$(LIBRARY_CFLAGS) $(2) -MMD -MP -c $$< -o $$@

$(1)/perch-percpu.h: tools/library/make_header.py $$(LIBRARY_HEADERS)
	@mkdir -p $$(@D)
	@echo "  GEN $$@"
	$(Q)$$(PYTHON) $$< $$@.tmp $(1)/renames $(1)/keep
	@mv $$@.tmp $$@

$(1)/libperch-percpu.a: $$(LIBRARY_SRCS:%.c=$(1)/obj/%.o) $(1)/perch-percpu.h
	@echo "  AR  $$@"
	$(Q)$$(HOSTCC) -nostdlib -r -o $(1)/all.o $$(filter %.o,$$^)
	$(Q)$$(HOST_OBJCOPY) --redefine-syms=$(1)/renames $(1)/all.o
	$(Q)$$(HOST_OBJCOPY) --keep-global-symbols=$(1)/keep $(1)/all.o $(1)/perch-percpu.o
	@rm -f $$@
	$(Q)$$(HOST_AR) rcsD $$@ $(1)/perch-percpu.o
endef

$(eval $(call library_build,$(BUILD)/lib,-O2))
$(eval $(call library_build,$(BUILD)/lib-asan,-O1 $(HOST_SAN)))
$(eval $(call library_build,$(BUILD)/lib-tsan,-O1 -fsanitize=thread))

libperch-percpu.a: $(BUILD)/lib/libperch-percpu.a
library-tests: libperch-percpu.a $(BUILD)/lib-asan/libperch-percpu.a \
	$(BUILD)/lib-tsan/libperch-percpu.a $(BUILD)/bench-library

# ---- beside other allocators: no builtins, or the compiler leaves out what it measures ----------
$(BUILD)/bench-library.o: tools/bench_library/bench_library.c $(BUILD)/lib/perch-percpu.h
	@echo "  CC  $@"
	$(Q)$(HOSTCC) -std=gnu11 -O2 -fno-builtin -Wall -Wextra -Werror -I$(BUILD)/lib -c $< -o $@

$(BUILD)/bench-library: $(BUILD)/bench-library.o $(BUILD)/lib/libperch-percpu.a
	@echo "  LD  $@"
	$(Q)$(HOSTCC) -o $@ $^ -pthread

bench-library: $(BUILD)/bench-library
	@$(PYTHON) tools/bench_library.py $<

.PHONY: libperch-percpu.a library-tests bench-library
