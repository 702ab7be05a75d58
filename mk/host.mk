# SPDX-License-Identifier: MIT
# The host: the tests as Linux programs, plain, under sanitizers, for coverage, and with every
# schedule explored.

HOST    := build/host-$(COMPILER)$(HARDENED)
ASAN    := build/asan-$(COMPILER)$(HARDENED)
TSAN    := build/tsan-$(COMPILER)$(HARDENED)
EXPLORE := build/explore-$(COMPILER)$(HARDENED)

# Parts of the guest's harness that need no machine, with their tests.
HARNESS_SOURCES := boot/options.c $(sort $(wildcard tests/harness/*.c))

HOST_SOURCES := $(HOSTED_LIB_SOURCES) $(MM_SOURCES) $(TEST_SOURCES) $(HARNESS_SOURCES) \
                tests/framework/platform_linux.c tests/fuzz/shrink_linux.c $(LINUX_SOURCES)
HOST_PROGRAM := tests/framework/main_linux.c
EXPLORE_SOURCES := $(HOSTED_LIB_SOURCES) $(MM_SOURCES) $(LINUX_SOURCES) $(sort $(wildcard tests/explore/*.c))

HOST_FLAGS := -std=gnu11 -D_GNU_SOURCE $(COMMON) -Iarch/linux -DQUARRY_DEBUG=1 -DQUARRY_FAULTS=1 -pthread -fno-strict-aliasing $(FRAME_POINTERS) \
              -DQUARRY_DRAIN_WAIT_ROUNDS=20000 # a round is a system call here

$(HOST)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_FLAGS) -O2 -c $< -o $@

$(ASAN)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_FLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -c $< -o $@

$(TSAN)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_FLAGS) -O1 -fsanitize=thread -c $< -o $@

# CPUs are coroutines of one thread here; a long wait would only add steps.
EXPLORE_FLAGS := $(filter-out -DQUARRY_DRAIN_WAIT_ROUNDS=%,$(HOST_FLAGS)) -O2 -fno-pie \
   -DQUARRY_FRAME_CACHE_FRAMES=0 -DQUARRY_DRAIN_WAIT_ROUNDS=3

$(EXPLORE)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(EXPLORE_FLAGS) -c $< -o $@

# These call a function at each access to memory. The functions are in tests/explore/accesses.c,
# in place of the thread sanitizer's. gcc must not replace memset and memcpy by instructions, which
# call nothing.
HOOKED := -fsanitize=thread $(if $(findstring gcc,$(CC)),-mmemset-strategy=libcall:-1:noalign -mmemcpy-strategy=libcall:-1:noalign)
EXPLORED := $(call objects,$(EXPLORE),$(HOSTED_LIB_SOURCES) $(MM_SOURCES) $(wildcard tests/explore/*_programs.c tests/explore/explore_heap.c))
$(EXPLORED): $(EXPLORE)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(EXPLORE_FLAGS) $(HOOKED) -c $< -o $@
	$(Q)objcopy --redefine-sym memcpy=explore_memcpy --redefine-sym memset=explore_memset $@

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
	$(Q)$(CC) -pthread -no-pie -o $@ $^

$(CHECK_OPTIONS): $(call objects,$(HOST),tests/qemu/check_options.c boot/options.c lib/format.c)
	$(SAY) LD '$@'
	$(Q)$(CC) -o $@ $^

HOST_PROGRAMS := $(HOST)/run-tests $(ASAN)/run-tests $(TSAN)/run-tests $(EXPLORE)/explore

.PHONY: host-programs test-host asan tsan explore coverage

host-programs: $(HOST_PROGRAMS)

test-host: $(HOST)/run-tests ##test the tests on the host (T=substring)
	@$(HOST)/run-tests $(T)

asan: $(ASAN)/run-tests ##bugs the host tests and SECONDS=10 of threaded stress under the address and UB sanitizers
	@$(ASAN)/run-tests $(T)
	@$(ASAN)/run-tests stress stress=$(SECONDS)

tsan: $(TSAN)/run-tests ##bugs the same under the thread sanitizer
	@$(TSAN)/run-tests $(T)
	@$(TSAN)/run-tests stress stress=$(SECONDS)

explore: $(EXPLORE)/explore ##bugs every interleaving of small programs (T=substring BOUND=3 EXECUTIONS=500000)
	@$(EXPLORE)/explore T=$(T) bound=$(BOUND) executions=$(EXECUTIONS) random=$(RANDOM_EXECUTIONS)

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

coverage: $(foreach level,0 1 2,$(COVERAGE)/$(level)/run-tests) ##test line and branch coverage of mm/ and lib/ by the host tests (HTML in build/coverage)
	@find $(COVERAGE) -name '*.gcda' -delete
	@for level in 0 1 2; do $(COVERAGE)/$$level/run-tests > $(COVERAGE)/$$level/log || { cat $(COVERAGE)/$$level/log; exit 1; }; done
	@gcovr --root . --object-directory $(COVERAGE) --filter 'mm/' --filter 'lib/' --branches \
	   --exclude-throw-branches --html-details $(COVERAGE)/index.html --txt $(COVERAGE)/branches.txt
	@gcovr --root . --object-directory $(COVERAGE) --filter 'mm/' --filter 'lib/' --print-summary \
	   --exclude-throw-branches --fail-under-line 98 --fail-under-branch 95 | tail -60
