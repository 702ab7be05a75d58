# SPDX-License-Identifier: MIT
# Measurements: exact counts in the guest, locks and cache lines by number of CPUs, memory, and time
# beside other allocators.

.PHONY: bench-count baselines heapmap scaling memory bench fragmentation figures

# ---- in the guest ----
bench-count: image $(CHECK_OPTIONS) ##measure exact instructions per operation beside the stored figures, and a plot (UPDATE=1 stores the new ones)
	@$(PYTHON) tests/bench/count.py --svg $(GUEST)/instructions.svg $(if $(filter 1,$(UPDATE)),--update) $(if $(filter-out 0,$(HARDEN) $(MASKED) $(DEBUG)),--alone) -- \
	   $(QEMU_RUN) boot --smp 1 --mem 1G --icount --args "tests=none notimer bench $(ARGS)"

baselines: image $(CHECK_OPTIONS) ##measure instructions of Quarry and of five baseline allocators, by number of free blocks, and a plot
	@$(PYTHON) tests/bench/baselines.py --svg $(GUEST)/baselines.svg -- \
	   $(QEMU_RUN) boot --smp 1 --mem 1G --icount --args "tests=none notimer baselines $(ARGS)"

heapmap: image $(CHECK_OPTIONS) ##inspect the heap of a running guest as an SVG: arenas as tiles, memory by use
	@$(PYTHON) tools/heapmap.py --svg $(GUEST)/heapmap.svg --json $(GUEST)/heapmap.json -- \
	   $(QEMU_RUN) boot --smp "$(SMP)" --mem "$(MEM)" --args "tests=none heapmap $(ARGS)"

# ---- how CPUs disturb each other ----
# The allocator is compiled with the thread sanitizer's call at each access to memory;
# tests/scaling has these functions instead of the sanitizer.
SCALING := build/scaling-$(COMPILER)$(HARDENED)
SCALING_SOURCES := $(HOSTED_LIB_SOURCES) $(MM_SOURCES) $(LINUX_SOURCES) $(sort $(wildcard tests/scaling/*.c))
SCALING_FLAGS := -std=gnu11 -D_GNU_SOURCE -O2 $(COMMON) -Iarch/linux -DQUARRY_DEBUG=0 -pthread -fno-strict-aliasing \
                 -fno-builtin-memcpy -fno-builtin-memset
$(SCALING)/lib/%.o $(SCALING)/mm/%.o: SCALING_FLAGS += -fsanitize=thread
$(SCALING)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(SCALING_FLAGS) -c $< -o $@

$(SCALING)/scaling: $(call objects,$(SCALING),$(SCALING_SOURCES))
	$(SAY) LD '$@'
	$(Q)$(CC) -pthread -Wl,--wrap=memcpy,--wrap=memset -o $@ $^

scaling: $(SCALING)/scaling ##measure locks, atomics and cache lines moved, for a million operations on 1 to 64 CPUs
	@$(SCALING)/scaling

# ---- memory ----
# The same sources without those calls.
MEASURE := build/measure-$(COMPILER)$(HARDENED)
$(MEASURE)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(SCALING_FLAGS) -c $< -o $@

$(MEASURE)/memory: $(call objects,$(MEASURE),$(filter-out tests/scaling/%,$(SCALING_SOURCES)) tests/bench/memory.c)
	$(SAY) LD '$@'
	$(Q)$(CC) -pthread -o $@ $^

memory: $(MEASURE)/memory ##measure memory taken beyond what was asked for, compared with the goals
	@$(MEASURE)/memory

# ---- beside other allocators ----
# The other allocators and the programs are Debian's; these goals install them.
BENCH_PACKAGES := libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0 redis-server redis-tools lua5.4 sqlite3 perl
$(PRELOAD)/workloads: tests/bench/operations.c tests/bench/workload.h
$(PRELOAD)/workloads $(PRELOAD)/launch $(PRELOAD)/fragmentation: $(PRELOAD)/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(SAY) LD '$@'
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -I. $(WARNINGS) $(NO_BUILTIN_MALLOC) -pthread -o $@ $(filter %.c,$^)

bench: $(PRELOAD)/libquarry-preload.so $(PRELOAD)/workloads $(PRELOAD)/launch ##measure time and memory of the hosted library and of Debian's allocators (ROUNDS=3 T=case)
	@sh tests/deps.sh $(BENCH_PACKAGES)
	@$(PYTHON) tests/bench/compare.py --library $(PRELOAD)/libquarry-preload.so --workloads $(PRELOAD)/workloads --launcher $(PRELOAD)/launch \
	   --out build/bench --rounds $(ROUNDS) --only "$(T)"

fragmentation: $(PRELOAD)/libquarry-preload.so $(PRELOAD)/fragmentation ##measure memory held over time while the sizes change, beside Debian's allocators, and a plot
	@sh tests/deps.sh $(BENCH_PACKAGES)
	@$(PYTHON) tests/bench/fragmentation.py --library $(PRELOAD)/libquarry-preload.so --program $(PRELOAD)/fragmentation --svg build/bench/fragmentation.svg

# ---- sizes ----
figures: image $(GUEST)/quarry.o ##measure sizes: lines per folder, the allocator's object, the image
	@for folder in arch boot examples hosted include lib mm tests tools; do \
	   printf '%-8s %6d lines\n' $$folder \
	      $$(find $$folder -name '*.[chS]' -o -name '*.py' -o -name '*.sh' | xargs cat | wc -l); done
	@size $(GUEST)/quarry.o
	@stat -c '%n: %s bytes' $(GUEST)/BOOTX64.EFI
