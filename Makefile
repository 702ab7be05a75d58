# SPDX-License-Identifier: MIT
#
# Quarry's one Makefile. `make help` lists what it does.
#
# Every build has a folder of its own under build/, named after what it is for: guest (bare metal),
# host, asan, tsan, each with the compiler's name; so clones, compilers and builds never meet.

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
PYTHON  ?= /usr/bin/python3

# ---- tunables: make run SMP=8 MEM=2G ARGS="stress=60" ----
SMP     ?= 4
MEM     ?= 512M
ARGS    ?=
ACCEL   ?= tcg
MACHINE ?= q35
CPU     ?= max
DISPLAY_KIND ?= none
DEBUG   ?= 0
HARDEN  ?= 0
MASKED  ?= 0
T       ?=
SECONDS ?= 10
BOUND   ?= 3
EXECUTIONS ?= 500000
RANDOM_EXECUTIONS ?= 20000

# The fuzz target of make fuzz: T=object, T=frame or T=map.
FUZZ_TARGETS := object frame map

export PYTHONDONTWRITEBYTECODE = 1

# A line per product; V=1 shows the commands.
V       ?= 0
ifeq ($(V),0)
Q := @
SAY = @printf '%-7s %s\n'
else
Q :=
SAY = @:
endif

# ---- what there is ----
LIB_SOURCES  := $(sort $(wildcard lib/*.c))
MM_SOURCES   := $(sort $(wildcard mm/*/*.c))
TEST_SOURCES := tests/framework/test.c $(sort $(wildcard tests/unit/*.c tests/bench/baselines/*.c tests/selftest/*.c tests/stress/*.c)) \
                $(filter-out tests/fuzz/fuzz_main.c %_linux.c,$(sort $(wildcard tests/fuzz/*.c)))
ARCH_SOURCES := $(sort $(wildcard arch/x86_64/*.c))
BOOT_SOURCES := $(sort $(wildcard boot/*.c boot/x86_64/*.c tests/bench/guest/*.c)) boot/x86_64/entry.S

GUEST_SOURCES := $(LIB_SOURCES) $(MM_SOURCES) $(TEST_SOURCES) $(ARCH_SOURCES) $(BOOT_SOURCES)
HOST_SOURCES  := $(filter-out lib/compiler_calls.c,$(LIB_SOURCES)) $(MM_SOURCES) $(TEST_SOURCES) \
                 tests/framework/platform_linux.c tests/fuzz/shrink_linux.c $(sort $(wildcard arch/linux/*.c))
HOST_PROGRAM  := tests/framework/main_linux.c
EXPLORE_SOURCES := $(filter-out lib/compiler_calls.c,$(LIB_SOURCES)) $(MM_SOURCES) \
                   $(sort $(wildcard arch/linux/*.c tests/explore/*.c))

COMPILER := $(notdir $(firstword $(CC)))
HARDENED := $(if $(filter-out 0,$(HARDEN)),-harden$(HARDEN))
GUEST := build/guest-$(COMPILER)$(if $(filter 1,$(DEBUG)),-debug)$(if $(filter 1,$(MASKED)),-masked)$(HARDENED)
HOST  := build/host-$(COMPILER)$(HARDENED)
ASAN  := build/asan-$(COMPILER)$(HARDENED)
TSAN  := build/tsan-$(COMPILER)$(HARDENED)
EXPLORE := build/explore-$(COMPILER)$(HARDENED)
SCALING := build/scaling-$(COMPILER)$(HARDENED)
PRELOAD := build/preload-$(COMPILER)$(HARDENED)
PRELOAD_LIBRARIES := $(PRELOAD)/libquarry-preload.so $(PRELOAD)/libquarry-preload-sharing.so
MEASURE := build/measure-$(COMPILER)$(HARDENED)

# ---- how it is compiled ----
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Werror
COMMON   := $(WARNINGS) -I. -Iinclude -MMD -MP -g -DQUARRY_HARDEN=$(HARDEN)
FRAME_POINTERS := -fno-omit-frame-pointer -DQUARRY_FRAME_POINTERS=1
EFI      := /usr/include/efi

GUEST_FLAGS := -std=c11 -O2 $(COMMON) -Iarch/x86_64 -I$(GUEST) -isystem $(EFI) -isystem $(EFI)/x86_64 \
               -DQUARRY_DEBUG=$(DEBUG) -DQUARRY_FAULTS=$(DEBUG) -DQUARRY_MASKED=$(MASKED) -ffreestanding -fpie -fvisibility=hidden -fshort-wchar \
               -fno-stack-protector -fno-strict-aliasing -fno-asynchronous-unwind-tables \
               -mno-red-zone -mgeneral-regs-only -fcf-protection=none \
               $(if $(HARDENED)$(filter 1,$(DEBUG)),$(FRAME_POINTERS))
NO_BUILTIN_MALLOC := $(addprefix -fno-builtin-,malloc calloc realloc free)
PRELOAD_FLAGS := -std=gnu11 -D_GNU_SOURCE -O2 $(COMMON) -Ihosted -DQUARRY_CACHE_SHARE=256 -fPIC -fvisibility=hidden -pthread \
               -fno-strict-aliasing $(NO_BUILTIN_MALLOC)
HOST_FLAGS  := -std=gnu11 -D_GNU_SOURCE $(COMMON) -Iarch/linux -DQUARRY_DEBUG=1 -DQUARRY_FAULTS=1 -pthread -fno-strict-aliasing $(FRAME_POINTERS) \
               -DQUARRY_DRAIN_WAIT_ROUNDS=20000 # a round is a system call here

FONT := /usr/share/fonts/X11/misc/ter-u16n_iso-8859-1.pcf.gz

.PHONY: fuzz afl random model explore mutate coverage help deps all image run test test-host test-qemu asan tsan lint format clean gdb bench scaling memory bench-count baselines heapmap fragmentation dist test-examples figures preload
.DEFAULT_GOAL := all

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14
	@echo
	@echo 'Variables: CC=gcc|clang HARDEN=0|1|2 DEBUG=0|1 MASKED=0|1 SMP=4 MEM=512M ARGS="..." ACCEL=tcg|kvm MACHINE=q35|pc CPU=max T=substring'
	@echo 'ARGS: tests=TEXT stress=SECONDS cpus=N notimer bench debug wait fault=page|stop|hang|cpu (boot/options.h)'

# ---- what must be installed ----
PACKAGES := gcc clang make binutils python3 gnu-efi ovmf qemu-system-x86 mtools xfonts-terminus gdb \
            clang-format clang-tidy cppcheck gcovr afl++ spin g++ rustc gdisk sbsigntool openssl

deps: ## install what is missing (Debian: apt-get, as root or through sudo)
	@sh tests/deps.sh $(PACKAGES)

all: image $(HOST)/run-tests ## build the bootable image and the host tests

# ---- rules for all builds: build/KIND-COMPILER/path/file.o ----
$(GUEST)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_FLAGS) -c $< -o $@

$(GUEST)/%.o: %.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_FLAGS) -c $< -o $@

$(HOST)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_FLAGS) -O2 -c $< -o $@

$(ASAN)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_FLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -c $< -o $@

$(TSAN)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_FLAGS) -O1 -fsanitize=thread -c $< -o $@

# CPUs are coroutines here, and none that waits is worth waiting for long.
$(EXPLORE)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -DQUARRY_DRAIN_WAIT_ROUNDS=%,$(HOST_FLAGS)) -O2 -DQUARRY_EXPLORE=1 \
	   -DQUARRY_FRAME_CACHE_FRAMES=0 -DQUARRY_DRAIN_WAIT_ROUNDS=3 -c $< -o $@

# No builtin malloc(): that calloc() calls it and clears is no reason to call calloc().
$(PRELOAD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(PRELOAD_FLAGS) -c $< -o $@

objects = $(addprefix $(1)/,$(patsubst %.S,%.o,$(patsubst %.c,%.o,$(2))))

# ---- the guest ----
$(GUEST)/font.h: boot/font.py $(FONT)
	@mkdir -p $(@D)
	$(SAY) FONT '$@'
	$(Q)$(PYTHON) boot/font.py $(FONT) $@

$(GUEST)/boot/screen.o: $(GUEST)/font.h

EFI_LIBRARY := /usr/lib
GUEST_OBJECTS := $(call objects,$(GUEST),$(GUEST_SOURCES))

# --no-undefined: what is not there is an error here, not a jump to nowhere in the guest.
$(GUEST)/quarry.elf: $(GUEST_OBJECTS) linker.ld
	$(SAY) LD '$@'
	$(Q)ld -shared -Bsymbolic -nostdlib --no-undefined -z noexecstack -z max-page-size=4096 \
	   --warn-common -T linker.ld -o $@ \
	   $(EFI_LIBRARY)/crt0-efi-x86_64.o $(GUEST_OBJECTS) -L$(EFI_LIBRARY) -lefi -lgnuefi

$(GUEST)/BOOTX64.EFI: $(GUEST)/quarry.elf boot/pe.py
	$(SAY) PE '$@'
	$(Q)objcopy -j .text -j .rodata -j .data -j .reloc -j .dynamic -j .rela -j .dynsym \
	   --output-target=efi-app-x86_64 --subsystem=10 --section-alignment=4096 $< $@
	$(Q)$(PYTHON) boot/pe.py $@

# A FAT image without partitions: what QEMU's firmware takes for a removable disk.
$(GUEST)/quarry.img: $(GUEST)/BOOTX64.EFI
	$(SAY) IMAGE '$@'
	$(Q)rm -f $@
	$(Q)mformat -C -i $@ -h 64 -t 32 -s 32 -N 51554152 -v QUARRY ::
	$(Q)mmd -i $@ ::/EFI ::/EFI/BOOT
	$(Q)mcopy -i $@ $< ::/EFI/BOOT/BOOTX64.EFI

image: $(GUEST)/quarry.img ## build the bootable image

# The USB stick. SIGN_KEY=FILE SIGN_CERT=FILE signs it for Secure Boot.
USB_IMAGE := build/quarry-usb.img
SIGN_KEY ?=
SIGN_CERT ?=
export SIGN_KEY SIGN_CERT
.PHONY: usb
usb: $(GUEST)/BOOTX64.EFI ## build/quarry-usb.img, for a USB stick (SIGN_KEY=FILE SIGN_CERT=FILE for Secure Boot)
	$(SAY) USB    '$(USB_IMAGE)'
	$(Q)sh tools/usb.sh $< boot/quarry.cfg $(USB_IMAGE)

# The allocator alone, as a kernel links it: one object, only quarry_* visible.
ALLOCATOR_OBJECTS := $(call objects,$(GUEST),$(LIB_SOURCES) $(MM_SOURCES) arch/x86_64/fast_path.c)
$(GUEST)/quarry.o: $(ALLOCATOR_OBJECTS)
	$(SAY) LD '$@'
	$(Q)ld -r -o $@.tmp $(ALLOCATOR_OBJECTS)
	$(Q)objcopy --wildcard --keep-global-symbol='quarry_*' $@.tmp $@
	$(Q)rm -f $@.tmp

QEMU_RUN = $(PYTHON) tests/qemu/qemu.py --image $(GUEST)/quarry.img --accel $(ACCEL) \
           --machine $(MACHINE) --cpu $(CPU)

run: image ## boot in QEMU and show the result
	@$(QEMU_RUN) boot --smp $(SMP) --mem $(MEM) --args "$(ARGS)"

gdb: image ## boot in QEMU, which waits for the debugger that is started, with symbols
	@$(QEMU_RUN) gdb --smp $(SMP) --mem $(MEM) --args "$(ARGS)" --elf $(GUEST)/quarry.elf

# ---- tests ----
$(HOST)/run-tests: $(call objects,$(HOST),$(HOST_SOURCES) $(HOST_PROGRAM))
	$(SAY) LD '$@'
	$(Q)$(CC) -pthread -o $@ $^

$(ASAN)/run-tests: $(call objects,$(ASAN),$(HOST_SOURCES) $(HOST_PROGRAM))
	$(SAY) LD '$@'
	$(Q)$(CC) -pthread -fsanitize=address,undefined -o $@ $^

$(TSAN)/run-tests: $(call objects,$(TSAN),$(HOST_SOURCES) $(HOST_PROGRAM))
	$(SAY) LD '$@'
	$(Q)$(CC) -pthread -fsanitize=thread -o $@ $^

$(EXPLORE)/explore: $(call objects,$(EXPLORE),$(EXPLORE_SOURCES))
	$(SAY) LD '$@'
	$(Q)$(CC) -pthread -o $@ $^

explore: $(EXPLORE)/explore ## every interleaving of small programs (T=substring BOUND=3 EXECUTIONS=500000)
	@$(EXPLORE)/explore T=$(T) bound=$(BOUND) executions=$(EXECUTIONS) random=$(RANDOM_EXECUTIONS)

# The guest is also built with assertions, with the fast path that masks interrupts, by the other compiler,
# and hardened: one boot each; the host's
# tests hardened as well. (A whole matrix of those: make test HARDEN=1.)
HOST_PROGRAMS := $(HOST)/run-tests $(ASAN)/run-tests $(TSAN)/run-tests $(EXPLORE)/explore
.PHONY: variants host-programs
host-programs: $(HOST_PROGRAMS)

variants:
	@$(MAKE) --no-print-directory DEBUG=1 image
	@$(MAKE) --no-print-directory MASKED=1 DEBUG=0 image
	@$(MAKE) --no-print-directory CC=clang DEBUG=0 image
ifeq ($(HARDEN),0)
	@$(MAKE) --no-print-directory HARDEN=1 image host-programs
	@$(MAKE) --no-print-directory HARDEN=2 image host-programs
endif

VARIANT_IMAGES := build/guest-$(COMPILER)-debug$(HARDENED) build/guest-$(COMPILER)-masked$(HARDENED) build/guest-clang$(HARDENED)
VARIANT_PROGRAMS :=
ifeq ($(HARDEN),0)
VARIANT_IMAGES += build/guest-$(COMPILER)-harden1 build/guest-$(COMPILER)-harden2
VARIANT_PROGRAMS := $(foreach level,1 2,--host $(HOST)-harden$(level)/run-tests \
   --asan $(ASAN)-harden$(level)/run-tests --tsan $(TSAN)-harden$(level)/run-tests \
   --explore $(EXPLORE)-harden$(level)/explore)
endif

test: image variants $(HOST_PROGRAMS) $(GUEST)/quarry.o $(PRELOAD_LIBRARIES) $(PRELOAD)/family dist usb $(if $(HARDENED),,$(SCALING)/scaling) ## all tests: host, sanitizers, guest; ends with a count
	@$(PYTHON) tests/run.py --host $(HOST)/run-tests --asan $(ASAN)/run-tests --tsan $(TSAN)/run-tests --explore $(EXPLORE)/explore $(VARIANT_PROGRAMS) \
	   --model tests/model/check.sh --dist dist --usb $(USB_IMAGE) --application $(GUEST)/BOOTX64.EFI $(addprefix --preload ,$(PRELOAD_LIBRARIES)) $(if $(HARDENED),,--scaling $(SCALING)/scaling) --image $(GUEST)/quarry.img --elf $(GUEST)/quarry.elf --accel $(ACCEL) \
	   --filter "$(T)" $(patsubst %,--variant %/quarry.img,$(VARIANT_IMAGES))

test-host: $(HOST)/run-tests ## the tests on the host (T=substring)
	@$(HOST)/run-tests $(T)

test-qemu: image ## the boot matrix: CPUs, memory sizes, machines (T=substring)
	@$(PYTHON) tests/run.py --image $(GUEST)/quarry.img --elf $(GUEST)/quarry.elf --accel $(ACCEL) --filter "$(T)"

# The allocator as one pair of files.
DIST_SOURCES := $(wildcard include/quarry/*.h lib/*.[ch] mm/*/*.[ch] arch/generic/*.h) arch/x86_64/quarry_arch.h arch/x86_64/fast_path.c
dist/quarry.c dist/quarry.h dist/quarry.mk &: tools/dist.py $(DIST_SOURCES)
	$(SAY) DIST 'dist/quarry.c dist/quarry.h'
	$(Q)$(PYTHON) tools/dist.py dist

dist: dist/quarry.c dist/quarry.h dist/quarry.mk ## dist/quarry.c and dist/quarry.h: all that a kernel needs

EXAMPLE_PACKAGES := grub-efi-amd64-bin grub-common xorriso linux-image-amd64 linux-headers-amd64 busybox-static cpio
test-examples: dist ## every example built and booted: kernels, Debian's Linux with Quarry inside, C++, Rust
	@sh tests/deps.sh $(EXAMPLE_PACKAGES)
	@sh tests/examples.sh build/examples full

# The malloc family of Linux programs, for measurements beside other allocators.
PRELOAD_SOURCES := $(filter-out lib/compiler_calls.c,$(LIB_SOURCES)) $(MM_SOURCES) $(sort $(wildcard hosted/*.c))
$(PRELOAD)/libquarry-preload.so: $(call objects,$(PRELOAD),$(PRELOAD_SOURCES))
	$(SAY) LD '$@'
	$(Q)$(CC) -shared -pthread -Wl,-z,now -Wl,--no-undefined -o $@ $^

# The same, but for no thread's having a cache of its own: all is restartable sequences.
$(PRELOAD)/hosted/threads-sharing.o: hosted/threads.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(PRELOAD_FLAGS) -DHOSTED_THREAD_CACHES=0 -c $< -o $@

$(PRELOAD)/libquarry-preload-sharing.so: $(call objects,$(PRELOAD),$(filter-out hosted/threads.c,$(PRELOAD_SOURCES))) $(PRELOAD)/hosted/threads-sharing.o
	$(SAY) LD '$@'
	$(Q)$(CC) -shared -pthread -Wl,-z,now -Wl,--no-undefined -o $@ $^

$(PRELOAD)/family: tests/preload/family.c
	@mkdir -p $(@D)
	$(SAY) LD '$@'
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -Wno-unknown-warning-option -Wno-alloc-size-larger-than -fno-builtin -pthread -o $@ $<

preload: $(PRELOAD_LIBRARIES) ## the hosted library: LD_PRELOAD=build/preload-gcc/libquarry-preload.so PROGRAM

asan: $(ASAN)/run-tests ## the host tests and SECONDS of threaded stress under address and UB sanitizers
	@$(ASAN)/run-tests $(T)
	@$(ASAN)/run-tests stress stress=$(SECONDS)

tsan: $(TSAN)/run-tests ## the same under the thread sanitizer
	@$(TSAN)/run-tests $(T)
	@$(TSAN)/run-tests stress stress=$(SECONDS)

# Line and branch coverage of mm/ and lib/ by the host tests at all levels of hardening: a table, and
# pages in build/coverage/. Goals: 98% of lines, 95% of branches.
COVERAGE := build/coverage
COVERAGE_FLAGS = $(filter-out -DQUARRY_HARDEN=%,$(HOST_FLAGS)) -O0 --coverage

define coverage_level
$(COVERAGE)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(Q)gcc $$(COVERAGE_FLAGS) -DQUARRY_HARDEN=$(1) -c $$< -o $$@

$(COVERAGE)/$(1)/run-tests: $$(call objects,$(COVERAGE)/$(1),$(HOST_SOURCES) $(HOST_PROGRAM))
	$$(SAY) LD '$$@'
	$$(Q)gcc -pthread --coverage -o $$@ $$^
endef
$(foreach level,0 1 2,$(eval $(call coverage_level,$(level))))

coverage: $(foreach level,0 1 2,$(COVERAGE)/$(level)/run-tests) ## how much of mm/ and lib/ the host tests run through (HTML in build/coverage)
	@find $(COVERAGE) -name '*.gcda' -delete
	@for level in 0 1 2; do $(COVERAGE)/$$level/run-tests > $(COVERAGE)/$$level/log || { cat $(COVERAGE)/$$level/log; exit 1; }; done
	@gcovr --root . --object-directory $(COVERAGE) --filter 'mm/' --filter 'lib/' --branches \
	   --exclude-throw-branches --html-details $(COVERAGE)/index.html --txt $(COVERAGE)/branches.txt
	@gcovr --root . --object-directory $(COVERAGE) --filter 'mm/' --filter 'lib/' --print-summary \
	   --exclude-throw-branches --fail-under-line 98 --fail-under-branch 95 | tail -60

# libFuzzer is clang's. What it finds new stays in build/; what it finds wrong is kept as well, and
# belongs into tests/fuzz/corpus/$(T), where every test run replays it.
FUZZ := build/fuzz
$(FUZZ)/%: $(HOST_SOURCES) tests/fuzz/fuzz_main.c
	@mkdir -p $(FUZZ)
	$(SAY) FUZZ '$@'
	$(Q)clang $(filter-out -MMD -MP,$(HOST_FLAGS)) -O1 -DFUZZ_TARGET='"$*"' -fsanitize=fuzzer,address,undefined \
	   -fno-sanitize-recover=all -o $@ $^

fuzz: $(addprefix $(FUZZ)/,$(if $(T),$(T),$(FUZZ_TARGETS))) ## fuzz T=object|frame|map (or each) for SECONDS=10
	@for target in $(if $(T),$(T),$(FUZZ_TARGETS)); do \
	   mkdir -p $(FUZZ)/$$target.found tests/fuzz/corpus/$$target; \
	   $(FUZZ)/$$target -max_total_time=$(SECONDS) -max_len=4096 -print_final_stats=1 -artifact_prefix=$(FUZZ)/$$target- \
	      $(FUZZ)/$$target.found tests/fuzz/corpus/$$target || exit 1; done

MUTANTS ?= 1000
mutate: ## MUTANTS=1000 small changes to mm/: does a test see each? (half an hour and more)
	@$(PYTHON) tests/mutation/mutate.py --flags "$(HOST_FLAGS)" --count $(MUTANTS) --only "$(T)"

model: ## the reservation's and the drain's protocols, every state, by spin
	@sh tests/model/check.sh build/model

# Random programs beside the model, with seeds; one that fails is cut down and printed as C.
SEED ?= 1
SEEDS ?= 2000
random: $(HOST)/run-tests ## SEEDS=2000 random programs from SEED=1 on beside the model; a failure as C
	@for target in $(if $(T),$(T),$(FUZZ_TARGETS)); do \
	   $(HOST)/run-tests random $$target $(SEED) $(SEEDS) || exit 1; done

# The same targets for AFL++, which instruments them with Debian's compiler.
AFL := build/afl
$(AFL)/%: $(HOST_SOURCES) tests/fuzz/fuzz_main.c
	@mkdir -p $(AFL)
	$(SAY) AFL '$@'
	$(Q)AFL_QUIET=1 afl-clang-fast $(filter-out -MMD -MP,$(HOST_FLAGS)) -O1 -DFUZZ_TARGET='"$*"' -fsanitize=fuzzer -o $@ $^

afl: $(addprefix $(AFL)/,$(if $(T),$(T),$(FUZZ_TARGETS))) ## AFL++ on T=object|frame|map (or each) for SECONDS=10
	@for target in $(if $(T),$(T),$(FUZZ_TARGETS)); do \
	   AFL_NO_UI=1 AFL_QUIET=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 \
	      afl-fuzz -V $(SECONDS) -t 5000 -i tests/fuzz/corpus/$$target -o $(AFL)/$$target.found $(AFL)/$$target \
	      > $(AFL)/$$target.log 2>&1 || { tail -20 $(AFL)/$$target.log; exit 1; }; \
	   grep -E '^(execs_done|execs_per_sec|corpus_count|saved_crashes|saved_hangs) ' \
	      $(AFL)/$$target.found/default/fuzzer_stats; \
	   ! grep -qE '^saved_crashes +: [1-9]' $(AFL)/$$target.found/default/fuzzer_stats || exit 1; done

# UPDATE=1 makes this run's figures the baseline.
UPDATE ?= 0
bench-count: image ## exact instructions per operation beside the baseline's (one CPU, -icount), and a plot
	@$(PYTHON) tests/bench/count.py --svg $(GUEST)/instructions.svg $(if $(filter 1,$(UPDATE)),--update) $(if $(filter-out 0,$(HARDEN) $(MASKED) $(DEBUG)),--alone) -- \
	   $(QEMU_RUN) boot --smp 1 --mem 1G --icount --args "tests=none notimer bench $(ARGS)"

baselines: image ## Quarry beside linear, first-, next-, best- and segregated-fit allocators, by free blocks; and a plot
	@$(PYTHON) tests/bench/baselines.py --svg $(GUEST)/baselines.svg -- \
	   $(QEMU_RUN) boot --smp 1 --mem 1G --icount --args "tests=none notimer baselines $(ARGS)"

heapmap: image ## a heap in the middle of its life, as an SVG: arenas as tiles, memory by use
	@$(PYTHON) tools/heapmap.py --svg $(GUEST)/heapmap.svg --json $(GUEST)/heapmap.json -- \
	   $(QEMU_RUN) boot --smp $(SMP) --mem $(MEM) --args "tests=none heapmap $(ARGS)"

# What CPUs cost each other: the allocator with the compiler's calls at each access to memory, which
# tests/scaling answers instead of a sanitizer.
SCALING_FLAGS := -std=gnu11 -D_GNU_SOURCE -O2 $(COMMON) -Iarch/linux -DQUARRY_DEBUG=0 -pthread -fno-strict-aliasing \
                 -fno-builtin-memcpy -fno-builtin-memset
$(SCALING)/lib/%.o $(SCALING)/mm/%.o: SCALING_FLAGS += -fsanitize=thread
$(SCALING)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(SCALING_FLAGS) -c $< -o $@

SCALING_SOURCES := $(filter-out lib/compiler_calls.c,$(LIB_SOURCES)) $(MM_SOURCES) $(sort $(wildcard arch/linux/*.c tests/scaling/*.c))
$(SCALING)/scaling: $(call objects,$(SCALING),$(SCALING_SOURCES))
	$(SAY) LD '$@'
	$(Q)$(CC) -pthread -Wl,--wrap=memcpy,--wrap=memset -o $@ $^

# The same sources without those calls, for what memory they take.
$(MEASURE)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(SCALING_FLAGS) -c $< -o $@

$(MEASURE)/memory: $(call objects,$(MEASURE),$(filter-out tests/scaling/%,$(SCALING_SOURCES)) tests/bench/memory.c)
	$(SAY) LD '$@'
	$(Q)$(CC) -pthread -o $@ $^

memory: $(MEASURE)/memory ## what memory is taken beyond what was asked for, against the goals
	@$(MEASURE)/memory

fragmentation: $(PRELOAD)/libquarry-preload.so $(PRELOAD)/fragmentation ## memory held over time while the mix of sizes changes, beside Debian's allocators; and a plot
	@sh tests/deps.sh $(BENCH_PACKAGES)
	@$(PYTHON) tests/bench/fragmentation.py --library $(PRELOAD)/libquarry-preload.so --program $(PRELOAD)/fragmentation --svg build/bench/fragmentation.svg

scaling: $(SCALING)/scaling ## locks, atomics and cache lines moved, for a million operations on 1 to 64 CPUs
	@$(SCALING)/scaling

# The peers and the programs are Debian's, and installed when this is asked for.
BENCH_PACKAGES := libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0 redis-server redis-tools lua5.4 sqlite3 perl
ROUNDS ?= 3
$(PRELOAD)/workloads $(PRELOAD)/launch $(PRELOAD)/fragmentation: $(PRELOAD)/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(SAY) LD '$@'
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -I. $(WARNINGS) $(NO_BUILTIN_MALLOC) -pthread -o $@ $<

bench: $(PRELOAD)/libquarry-preload.so $(PRELOAD)/workloads $(PRELOAD)/launch ## the hosted library beside Debian's allocators: time, memory (ROUNDS=3 T=case)
	@sh tests/deps.sh $(BENCH_PACKAGES)
	@$(PYTHON) tests/bench/compare.py --library $(PRELOAD)/libquarry-preload.so --workloads $(PRELOAD)/workloads --launcher $(PRELOAD)/launch \
	   --out build/bench --rounds $(ROUNDS) --only "$(T)"

figures: image $(GUEST)/quarry.o ## sizes: lines per folder, the allocator's object, the image
	@for folder in arch boot examples hosted include lib mm tests tools; do \
	   printf '%-8s %6d lines\n' $$folder \
	      $$(find $$folder -name '*.[chS]' -o -name '*.py' -o -name '*.sh' | xargs cat | wc -l); done
	@size $(GUEST)/quarry.o
	@stat -c '%n: %s bytes' $(GUEST)/BOOTX64.EFI

# ---- form ----
FORMATTED := $(filter-out mm/objects/size_class_table.h,$(sort $(shell find arch boot examples/h* hosted include lib mm tests -name '*.[ch]')))

lint: $(GUEST)/quarry.o $(GUEST)/font.h ## format, clang-tidy, cppcheck, ladder of includes, table, symbols
	@sh tests/lint/lint.sh $(GUEST) $(FORMATTED)

format: ## let clang-format have its way
	clang-format -i $(FORMATTED)

clean: ## remove everything built
	rm -rf build dist

-include $(shell find build -name '*.d' 2>/dev/null)
