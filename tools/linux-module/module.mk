# The allocator as a module of Linux: docs/adr/0035-inside-linux.md. Included by the Makefile.
# SPDX-License-Identifier: MIT
#
#   make linux-module LINUX_HEADERS=DIR     DIR: of linux-headers-...-amd64; build/linux-module/perch.ko
#
# Kbuild writes beside its sources, so they are copied.

LINUX_HEADERS ?= /lib/modules/$(shell uname -r)/build
LINUX_MODULE := $(BUILD)/linux-module
MODULE_OWN := $(wildcard tools/linux-module/*.c)
MODULE_SRCS := $(filter percpu/alloc/% percpu/backing/% percpu/chunk/% percpu/debug/% percpu/first/%,$(PURE_SRCS) $(LOCAL_SRCS)) \
	percpu/percpu.c percpu/percpu_passthrough.c mm/map/vspace.c mm/map/vspace_congruent.c \
	kernel/base/bitmap.c kernel/base/sort.c kernel/base/printf.c kernel/base/spinlock.c \
	kernel/base/events.c $(MODULE_OWN)
MODULE_FILES := $(MODULE_SRCS) tools/linux-module/Kbuild $(wildcard percpu/*.h percpu/*/*.h mm/*/*.h \
	kernel/base/*.h tools/linux-module/*.h tools/linux-module/*/*/*.h)

linux-module:
	@mkdir -p $(LINUX_MODULE)
	$(Q)cp -u --parents $(MODULE_FILES) $(LINUX_MODULE)
	$(Q)cp -u tools/linux-module/Kbuild $(LINUX_MODULE)/Kbuild
	$(Q)$(MAKE) --no-print-directory -C $(LINUX_HEADERS) M=$(abspath $(LINUX_MODULE)) \
		PERCH_OBJS="$(MODULE_SRCS:.c=.o)" modules

.PHONY: linux-module
