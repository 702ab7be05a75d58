# SPDX-License-Identifier: MIT
# Generated tests: fuzzers, random programs, mutants; and models of the protocols.

# The targets of fuzz, afl and random: T=object, T=frame or T=map; each, if T is not given.
FUZZ_TARGETS := object frame map
CHOSEN_TARGETS := $(if $(T),$(T),$(FUZZ_TARGETS))
FUZZ_SOURCES := $(HOST_SOURCES) tests/fuzz/fuzz_main.c

# libFuzzer comes with clang. New inputs stay in build/, and so do inputs that fail; a failing input
# belongs into tests/fuzz/corpus/$(T), where every test run replays it.
FUZZ := build/fuzz
$(FUZZ)/%: $(FUZZ_SOURCES)
	@mkdir -p $(FUZZ)
	$(SAY) FUZZ '$@'
	$(Q)clang $(filter-out -MMD -MP,$(HOST_FLAGS)) -O1 -DFUZZ_TARGET='"$*"' -fsanitize=fuzzer,address,undefined \
	   -fno-sanitize-recover=all -o $@ $^

# AFL++ instruments the same targets with Debian's compiler.
AFL := build/afl
$(AFL)/%: $(FUZZ_SOURCES)
	@mkdir -p $(AFL)
	$(SAY) AFL '$@'
	$(Q)AFL_QUIET=1 afl-clang-fast $(filter-out -MMD -MP,$(HOST_FLAGS)) -O1 -DFUZZ_TARGET='"$*"' -fsanitize=fuzzer -o $@ $^

.PHONY: fuzz afl random mutate mutate-ordering model

fuzz: $(addprefix $(FUZZ)/,$(CHOSEN_TARGETS)) ##bugs libFuzzer on T=object|frame|map (or each) for SECONDS=10
	@for target in $(CHOSEN_TARGETS); do \
	   mkdir -p $(FUZZ)/$$target.found tests/fuzz/corpus/$$target; \
	   $(FUZZ)/$$target -max_total_time=$(SECONDS) -max_len=4096 -print_final_stats=1 -artifact_prefix=$(FUZZ)/$$target- \
	      $(FUZZ)/$$target.found tests/fuzz/corpus/$$target || exit 1; done

afl: $(addprefix $(AFL)/,$(CHOSEN_TARGETS)) ##bugs AFL++ on T=object|frame|map (or each) for SECONDS=10
	@for target in $(CHOSEN_TARGETS); do \
	   AFL_NO_UI=1 AFL_QUIET=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 \
	      afl-fuzz -V $(SECONDS) -t 5000 -i tests/fuzz/corpus/$$target -o $(AFL)/$$target.found $(AFL)/$$target \
	      > $(AFL)/$$target.log 2>&1 || { tail -20 $(AFL)/$$target.log; exit 1; }; \
	   grep -E '^(execs_done|execs_per_sec|corpus_count|saved_crashes|saved_hangs) ' \
	      $(AFL)/$$target.found/default/fuzzer_stats; \
	   ! grep -qE '^saved_crashes +: [1-9]' $(AFL)/$$target.found/default/fuzzer_stats || exit 1; done

random: $(HOST)/run-tests ##bugs SEEDS=2000 random programs from SEED=1 on, compared with a model; a failure is printed as C
	@for target in $(CHOSEN_TARGETS); do \
	   $(HOST)/run-tests random $$target $(SEED) $(SEEDS) || exit 1; done

mutate: ##test MUTANTS=1000 small changes to mm/: does a test fail for each? (half an hour and more)
	@$(PYTHON) tests/mutation/mutate.py --flags "$(HOST_FLAGS)" --count $(MUTANTS) --only "$(T)"

mutate-ordering: ##test early publications, weaker memory orders, missing locks: does the exploration fail for each?
	@$(PYTHON) tests/mutation/ordering.py --only "$(T)"

model: ##bugs every state of the protocols for reservations and for draining, by spin
	@sh tests/model/check.sh build/model
