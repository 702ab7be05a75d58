# SPDX-License-Identifier: MIT
# What all builds share: how commands are shown, the sources, the warnings.

# One line for each product; V=1 shows the commands.
ifeq ($(V),0)
Q := @
SAY = @printf '%-7s %s\n'
else
Q :=
SAY = @:
endif

# ---- sources ----
LIB_SOURCES := $(sort $(wildcard lib/*.c))
MM_SOURCES  := $(sort $(wildcard mm/*/*.c))

# A hosted program has memcpy() and its like from libc.
HOSTED_LIB_SOURCES := $(filter-out lib/compiler_calls.c,$(LIB_SOURCES))
LINUX_SOURCES := $(sort $(wildcard arch/linux/*.c))

# The tests that run both on the host and in the guest.
TEST_SOURCES := tests/framework/test.c $(sort $(wildcard tests/unit/*.c tests/bench/baselines/*.c tests/selftest/*.c tests/stress/*.c)) \
                $(filter-out tests/fuzz/fuzz_main.c %_linux.c,$(sort $(wildcard tests/fuzz/*.c)))

# ---- build folders ----
COMPILER := $(notdir $(firstword $(CC)))
HARDENED := $(if $(filter-out 0,$(HARDEN)),-harden$(HARDEN))

# $(call objects,FOLDER,SOURCES): FOLDER/path/file.o for each source.
objects = $(addprefix $(1)/,$(patsubst %.S,%.o,$(patsubst %.c,%.o,$(2))))

# ---- flags ----
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Werror
COMMON   := $(WARNINGS) -I. -Iinclude -MMD -MP -g -DQUARRY_HARDEN=$(HARDEN)
FRAME_POINTERS := -fno-omit-frame-pointer -DQUARRY_FRAME_POINTERS=1
NO_BUILTIN_MALLOC := $(addprefix -fno-builtin-,malloc calloc realloc free)
