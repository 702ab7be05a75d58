# SPDX-License-Identifier: MIT
# The allocator for other kernels: one pair of files, and a release as a tar file.

# The same files as tools/dist.py reads.
DIST_SOURCES := $(wildcard include/quarry/*.h lib/*.[ch] mm/*/*.[ch] arch/generic/*.h) arch/x86_64/quarry_arch.h arch/x86_64/fast_path.c
DIST_FILES := $(DIST_FOLDER)/quarry.c $(DIST_FOLDER)/quarry.h $(DIST_FOLDER)/quarry.mk

$(DIST_FILES) &: tools/dist.py $(DIST_SOURCES)
	$(SAY) DIST '$(DIST_FOLDER)/quarry.c $(DIST_FOLDER)/quarry.h'
	$(Q)$(PYTHON) tools/dist.py $(DIST_FOLDER)

.PHONY: dist release
dist: $(DIST_FILES) $(if $(VERSION),release) ##package dist/quarry.c, quarry.h, quarry.mk; with VERSION=x.y.z also dist/quarry-x.y.z.tar.gz

release: $(DIST_FILES)
	$(SAY) RELEASE '$(DIST_FOLDER)/quarry-$(VERSION).tar.gz'
	$(Q)$(PYTHON) tools/release.py $(DIST_FOLDER) $(VERSION)
