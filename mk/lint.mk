# SPDX-License-Identifier: MIT
# The form of the sources.

FORMATTED := $(filter-out mm/objects/size_class_table.h,$(sort $(shell find arch boot examples/h* hosted include lib mm tests -name '*.[ch]')))

.PHONY: lint format

lint: $(GUEST)/quarry.o $(GUEST)/font.h ##form check format, clang-tidy, cppcheck, layering, the size class table, visible symbols
	@sh tests/lint/lint.sh $(GUEST) $(FORMATTED)

format: ##form format the C sources with clang-format
	clang-format -i $(FORMATTED)
