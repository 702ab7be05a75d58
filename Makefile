# SPDX-License-Identifier: MIT
#
# `make help` lists the goals. This file holds the settings; the rules are in mk/, one file per
# subject. Each build has a folder of its own under build/, named after its purpose and compiler
# (build/guest-gcc, build/asan-clang), so builds never mix.

.DEFAULT_GOAL := all

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
PYTHON  ?= /usr/bin/python3

# ---- settings: make run SMP=8 MEM=2G ARGS="stress=60" ----

# The build. HARDEN and DEBUG are described in include/quarry/config.h, MASKED in
# arch/x86_64/quarry_arch.h. V=1 shows the commands.
HARDEN  ?= 0
DEBUG   ?= 0
MASKED  ?= 0
V       ?= 0

# The machine that QEMU gives to the guest, and the guest's options (boot/options.h).
SMP     ?= 4
MEM     ?= 512M
ARGS    ?=
ACCEL   ?= tcg
MACHINE ?= q35
CPU     ?= max

# Tests. T selects tests by a part of their name; for fuzz, afl and random it is the target.
T       ?=
SECONDS ?= 10
BOUND   ?= 3
EXECUTIONS ?= 500000
RANDOM_EXECUTIONS ?= 20000
SEED    ?= 1
SEEDS   ?= 2000
MUTANTS ?= 1000

# Measurements. UPDATE=1 makes the figures of this run the baseline.
ROUNDS  ?= 3
UPDATE  ?= 0

# The USB image: a key and a certificate sign it for Secure Boot.
SIGN_KEY  ?=
SIGN_CERT ?=
export SIGN_KEY SIGN_CERT

# The release: only the command line sets VERSION.
DIST_FOLDER := dist
ifneq ($(origin VERSION),command line)
VERSION :=
endif

export PYTHONDONTWRITEBYTECODE = 1

# ---- goals of this file ----

.PHONY: help deps all clean

help: ##build this list
	@awk -f mk/help.awk $(MAKEFILE_LIST)

PACKAGES := gcc clang make binutils python3 gnu-efi ovmf qemu-system-x86 mtools xfonts-terminus gdb \
            clang-format clang-tidy cppcheck gcovr afl++ spin g++ rustc gdisk sbsigntool openssl \
            meson ninja-build cmake pkg-config

deps: ##build install missing packages (Debian: apt-get, as root or through sudo)
	@sh tests/deps.sh $(PACKAGES)

include mk/common.mk
include mk/guest.mk
include mk/host.mk
include mk/preload.mk
include mk/dist.mk
include mk/bench.mk
include mk/test.mk
include mk/fuzz.mk
include mk/lint.mk

all: image $(HOST)/run-tests ##build build the bootable image and the host tests

clean: ##build remove everything that was built
	rm -rf build $(DIST_FOLDER)

-include $(shell find build -name '*.d' 2>/dev/null)
