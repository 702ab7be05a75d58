# SPDX-License-Identifier: MIT
# The form of the sources.

FORMATTED := $(filter-out mm/objects/size_class_table.h,$(sort $(shell find arch boot examples/h* hosted include lib mm tests -name '*.[ch]')))

# The builds whose symbols are compared with the layering: the guest first.
HARDENED_HOST := build/host-$(COMPILER)-harden2
LINTED := $(GUEST) $(HOST) $(HARDENED_HOST) $(PRELOAD)

.PHONY: lint format architecture

lint: image $(GUEST)/quarry.o $(GUEST)/font.h $(HOST)/run-tests $(PRELOAD_LIBRARIES) ##form check format, clang-tidy, cppcheck, layering, words, the size class table, visible symbols
	@$(MAKE) --no-print-directory HARDEN=2 $(HARDENED_HOST)/run-tests
	@sh tests/lint/lint.sh "$(LINTED)" $(FORMATTED)

architecture: ##form draw docs/architecture.svg from the include graph
	$(Q)$(PYTHON) tests/lint/architecture.py --write

format: ##form format the C sources with clang-format
	clang-format -i $(FORMATTED)
